// wechatpay-axios-plugin: bills (账单), read by the SDK's own reader. A download has no signature: the SDK knows its address and leaves
// the check of the hash to its user.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';

import plugin from 'wechatpay-axios-plugin';

import { client, effects, modes, open, refused, seal, secondClient } from './axios-plugin.js';
import { forSharing, order, sharing, sharingMerchant, sharingPerson } from './requests.js';
import { advance, fault, number, pay, receiver, second, until } from './sandbox.js';

const { Formatter } = plugin;

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, bills, with ${mode}`, () => {
    const wxpay = client(key);
    const { bill, profitsharing } = wxpay.v3;
    const numbers = { paid: number('AXL'), refund: number('AXR'), share: number('AXS') };
    let day;

    before(async () => {
      day = await until(12);
      const notified = await receiver();
      await wxpay.v3.pay.transactions.native.post(order(numbers.paid, notified.url, forSharing));
      await pay(numbers.paid);
      const { transaction_id: transactionID } = open(await notified.next(), key).content;
      notified.close();
      await wxpay.v3.refund.domestic.refunds.post({
        transaction_id: transactionID, out_refund_no: numbers.refund, amount: { refund: 300, total: 1000, currency: 'CNY' },
      });
      await profitsharing.receivers.add.post(sharingMerchant(seal(second.name, key)));
      await profitsharing.receivers.add.post(sharingPerson(seal('张三', key)));
      await advance('1m');
      await profitsharing.orders.post(sharing(transactionID, numbers.share, seal('张三', key)));
      await assert.rejects(bill.tradebill.get({ params: { bill_date: day } }), refused(400, 'STATEMENT_CREATING'));
      await until(10);
    });

    const download = (url, as = wxpay) => as.v3.billdownload.file.get({ params: { token: new URL(url).searchParams.get('token') }, responseType: 'arraybuffer' });

    // read is a bill by the SDK's reader, its hash checked.
    async function read({ hash_type: type, hash_value: hash, download_url: url }, { tar_type: packed } = {}) {
      const { data } = await download(url);
      const file = packed ? gunzipSync(data) : data;
      assert.deepEqual([type, hash], ['SHA1', createHash('sha1').update(file).digest('hex')]);
      return Formatter.castCsvBill(file);
    }

    for (const packed of [{}, { tar_type: 'GZIP' }]) {
      const as = packed.tar_type ?? 'plain text';

      it(`downloads and reads the trade bill as ${as}`, async () => {
        const params = { bill_date: day, bill_type: 'ALL', ...packed };
        const { rows, summary } = await read((await bill.tradebill.get({ params })).data, packed);
        assert.deepEqual(rows.map((row) => [row.商户订单号, row.商户退款单号, row.交易状态]), [[numbers.paid, '0', 'SUCCESS'], [numbers.paid, numbers.refund, 'REFUND']]);
        assert.deepEqual([rows[0].订单金额, rows[1].退款金额], ['10.00', '3.00']);
        assert.deepEqual([summary.总交易单数, summary.订单总金额, summary.退款总金额], ['2', '10.00', '3.00']);
      });

      it(`downloads and reads the fund flow bill as ${as}`, async () => {
        const params = { bill_date: day, account_type: 'BASIC', ...packed };
        const { rows, summary } = await read((await bill.fundflowbill.get({ params })).data, packed);
        assert.equal(Number(summary.资金流水总笔数), rows.length);
        assert(rows.some((row) => row.业务凭证号 === numbers.refund), 'the refund is in it');
      });

      it(`downloads and reads the profit sharing bill as ${as}`, async () => {
        const params = { bill_date: day, ...packed };
        const { rows } = await read((await profitsharing.bills.get({ params })).data, packed);
        assert.deepEqual(rows.map((row) => row['商户分账/回退单号']), [numbers.share, numbers.share]);
      });
    }

    it('is refused: another merchant, an address of five minutes ago, a day of years ago', async () => {
      const { download_url: url } = (await bill.tradebill.get({ params: { bill_date: day } })).data;
      // The body of a binary answer stays binary when it is an error.
      const refusedAsFile = (status, code) => ({ response }) => response.status === status && JSON.parse(response.data).code === code;
      await assert.rejects(download(url, secondClient(key)), refusedAsFile(403, 'NO_AUTH'));
      await advance('5m');
      await assert.rejects(download(url), refusedAsFile(400, 'INVALID_REQUEST'));
      await assert.rejects(bill.tradebill.get({ params: { bill_date: '2020-01-01' } }), refused(400, 'NO_STATEMENT_EXIST'));
    });

    it('finds that a file was altered on its way', async () => {
      const { data } = await bill.tradebill.get({ params: { bill_date: day } });
      await fault('bill_download', 'corrupt');
      await assert.rejects(read(data), assert.AssertionError);
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}`, async () => {
        await fault('bill_trade', effect);
        await assert.rejects(bill.tradebill.get({ params: { bill_date: day } }), { code });
      });
    }
  });
}

// wechatpay-node-v3: bills (账单). A download has no signature, so the SDK's own HTTP layer fetches it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { client, done, modes, refused, verified } from './node-v3.js';
import { forSharing, order, sharing, sharingMerchant, sharingPerson } from './requests.js';
import { advance, fault, number, pay as payOrder, second, until } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, bills, with ${mode}`, () => {
    const pay = verified(key);
    const seal = (text) => pay.publicEncrypt(text, key[1]);
    const numbers = { paid: number('N3L'), refund: number('N3R'), share: number('N3S') };
    const named = { wx_serial_no: key[0] };
    let day;

    before(async () => {
      day = await until(12);
      await done(pay.transactions_native(order(numbers.paid, 'http://127.0.0.1:1/notify', forSharing)));
      await payOrder(numbers.paid);
      const { transaction_id: transactionID } = await done(pay.query({ out_trade_no: numbers.paid }));
      await done(pay.refunds({ transaction_id: transactionID, out_refund_no: numbers.refund, amount: { refund: 300, total: 1000, currency: 'CNY' } }));
      await done(pay.profitsharing_receivers_add({ ...sharingMerchant(seal(second.name)), ...named }));
      await done(pay.profitsharing_receivers_add({ ...sharingPerson(seal('张三')), ...named }));
      await advance('1m');
      await done(pay.create_profitsharing_orders({ ...sharing(transactionID, numbers.share, seal('张三')), ...named }));
      await refused(pay.tradebill({ bill_date: day }), 400, 'STATEMENT_CREATING');
      await until(10);
    });

    // read is the text of a bill, its hash checked.
    async function read({ hash_type: type, hash_value: hash, download_url: url }, packed) {
      const data = await done(client().downloadBill(url)); // text if it is plain
      const file = packed ? gunzipSync(data) : Buffer.from(data);
      assert.deepEqual([type, hash], ['SHA1', createHash('sha1').update(file).digest('hex')]);
      return file.toString();
    }

    for (const packed of [undefined, 'GZIP']) {
      it(`downloads every bill as ${packed ?? 'plain text'}`, async () => {
        const trade = await read(await done(pay.tradebill({ bill_date: day, bill_type: 'ALL', tar_type: packed })), packed);
        assert(trade.includes(`\`${numbers.paid}`) && trade.includes(`\`${numbers.refund}`) && trade.includes('总交易单数'), trade);
        const funds = await read(await done(pay.fundflowbill({ bill_date: day, account_type: 'BASIC', tar_type: packed })), packed);
        assert(funds.includes(numbers.refund) && funds.includes('资金流水总笔数'), funds);
        const shares = await read(await done(pay.profitsharing_bills(day, packed)), packed);
        assert(shares.includes(numbers.share), shares);
      });
    }

    it('is refused: another merchant, an address of five minutes ago, a day of years ago', async () => {
      const { download_url: url } = await done(pay.tradebill({ bill_date: day }));
      await refused(client(second).downloadBill(url), 403, 'NO_AUTH');
      await advance('5m');
      await refused(client().downloadBill(url), 400, 'INVALID_REQUEST');
      await refused(pay.tradebill({ bill_date: '2020-01-01' }), 400, 'NO_STATEMENT_EXIST');
    });

    it('finds that a file was altered on its way', async () => {
      const applied = await done(pay.tradebill({ bill_date: day }));
      await fault('bill_download', 'corrupt');
      await assert.rejects(read(applied), assert.AssertionError);
    });

    it('refuses an answer that is wrongly signed', async () => {
      await fault('bill_trade', 'bad_signature');
      await assert.rejects(pay.tradebill({ bill_date: day }), /signature of the answer/);
    });
  });
}

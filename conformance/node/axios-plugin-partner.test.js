// wechatpay-axios-plugin: partner mode (服务商模式).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { client, modes, open, refused } from './axios-plugin.js';
import { partnerKinds, partnerOrder } from './requests.js';
import { advance, fault, merchant, number, pay, payWith, receiver, second } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, partner mode, with ${mode}`, () => {
    const { refund: { domestic: { refunds } }, pay: { partner: { transactions } } } = client(key).v3;
    const parties = { sp_mchid: merchant.mchid, sub_mchid: second.mchid };
    const query = async (outTradeNo, params = parties) => (await transactions.outTradeNo.$out_trade_no$.get({ params, out_trade_no: outTradeNo })).data;
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    for (const [kind, { credential, needs, type }] of Object.entries(partnerKinds)) {
      it(`places an order of the kind ${kind}, which is paid by its ${credential}`, async () => {
        const outTradeNo = number('AXK');
        const { data } = await transactions[kind].post(partnerOrder(outTradeNo, notified.url, needs));
        await payWith({ [credential]: data[credential] });
        const { content } = open(await notified.next(), key);
        assert.deepEqual([content.sub_mchid, content.trade_state, content.trade_type], [second.mchid, 'SUCCESS', type]);
        assert.deepEqual(content, await query(outTradeNo));
        assert.deepEqual(content, (await transactions.id.$transaction_id$.get({ params: parties, transaction_id: content.transaction_id })).data);
      });
    }

    it('refunds', async () => {
      const outTradeNo = number('AXM');
      await transactions.native.post(partnerOrder(outTradeNo, notified.url));
      await pay(outTradeNo);
      await notified.next();
      const outRefundNo = number('AXR');
      const { data } = await refunds.post({
        sub_mchid: second.mchid, out_trade_no: outTradeNo, out_refund_no: outRefundNo, notify_url: notified.url,
        amount: { refund: 300, total: 1000, currency: 'CNY' },
      });
      assert.equal(data.status, 'PROCESSING');
      await advance('3s');
      const { event, content } = open(await notified.next(), key);
      assert.deepEqual([event, content.sub_mchid, content.out_refund_no], ['REFUND.SUCCESS', second.mchid, outRefundNo]);
      const refund = refunds.$out_refund_no$;
      assert.equal((await refund.get({ params: { sub_mchid: second.mchid }, out_refund_no: outRefundNo })).data.status, 'SUCCESS');
      await assert.rejects(refund.get({ out_refund_no: outRefundNo }), refused(404, 'RESOURCE_NOT_EXISTS'));
    });

    it('closes', async () => {
      const outTradeNo = number('AXN');
      await transactions.native.post(partnerOrder(outTradeNo, notified.url));
      assert.equal((await transactions.outTradeNo.$out_trade_no$.close.post(parties, { out_trade_no: outTradeNo })).status, 204);
      assert.equal((await query(outTradeNo)).trade_state, 'CLOSED');
    });

    it('is refused as its own sub-merchant', async () => {
      await assert.rejects(query(number('AXO'), { ...parties, sub_mchid: merchant.mchid }), refused(400, 'INVALID_REQUEST'));
    });

    it('refuses an answer that is wrongly signed', async () => {
      const outTradeNo = number('AXP');
      await fault('prepay', 'bad_signature', outTradeNo);
      await assert.rejects(transactions.native.post(partnerOrder(outTradeNo, notified.url)), { code: 'EV3_RES_HEADER_SIGNATURE_DIGEST' });
    });
  });
}

// wechatpay-node-v3: partner mode (服务商模式), which it has no functions for, by its raw signed calls.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { done, get, modes, open, post, refused, verified } from './node-v3.js';
import { partnerKinds, partnerOrder } from './requests.js';
import { advance, fault, merchant, number, pay as payOrder, payWith, receiver, second } from './sandbox.js';

const transactions = '/v3/pay/partner/transactions';
const parties = `sp_mchid=${merchant.mchid}&sub_mchid=${second.mchid}`;

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, partner mode, with ${mode}`, () => {
    const pay = verified(key);
    const query = (outTradeNo) => get(pay, `${transactions}/out-trade-no/${outTradeNo}?${parties}`);
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    for (const [kind, { credential, needs, type }] of Object.entries(partnerKinds)) {
      it(`places an order of the kind ${kind}, which is paid by its ${credential}`, async () => {
        const outTradeNo = number('N3K');
        const data = await done(post(pay, `${transactions}/${kind}`, partnerOrder(outTradeNo, notified.url, needs)));
        await payWith({ [credential]: data[credential] });
        const { content } = await open(pay, await notified.next(), key);
        assert.deepEqual([content.sub_mchid, content.trade_state, content.trade_type], [second.mchid, 'SUCCESS', type]);
        assert.deepEqual(content, await done(query(outTradeNo)));
        assert.deepEqual(content, await done(get(pay, `${transactions}/id/${content.transaction_id}?${parties}`)));
      });
    }

    it('refunds', async () => {
      const outTradeNo = number('N3M');
      await done(post(pay, `${transactions}/native`, partnerOrder(outTradeNo, notified.url)));
      await payOrder(outTradeNo);
      await notified.next();
      const outRefundNo = number('N3R');
      // The SDK's function passes sub_mchid on; its query of a refund has no place for it.
      const made = await done(pay.refunds({
        sub_mchid: second.mchid, out_trade_no: outTradeNo, out_refund_no: outRefundNo, notify_url: notified.url,
        amount: { refund: 300, total: 1000, currency: 'CNY' },
      }));
      assert.equal(made.status, 'PROCESSING');
      await advance('3s');
      const { event, content } = await open(pay, await notified.next(), key);
      assert.deepEqual([event, content.sub_mchid, content.out_refund_no], ['REFUND.SUCCESS', second.mchid, outRefundNo]);
      assert.equal((await done(get(pay, `/v3/refund/domestic/refunds/${outRefundNo}?sub_mchid=${second.mchid}`))).status, 'SUCCESS');
      await refused(pay.find_refunds(outRefundNo), 404, 'RESOURCE_NOT_EXISTS');
    });

    it('closes', async () => {
      const outTradeNo = number('N3N');
      await done(post(pay, `${transactions}/native`, partnerOrder(outTradeNo, notified.url)));
      const closed = await post(pay, `${transactions}/out-trade-no/${outTradeNo}/close`, { sp_mchid: merchant.mchid, sub_mchid: second.mchid });
      assert.equal(closed.status, 204);
      assert.equal((await done(query(outTradeNo))).trade_state, 'CLOSED');
    });

    it('refuses an answer that is wrongly signed', async () => {
      const outTradeNo = number('N3P');
      await fault('prepay', 'bad_signature', outTradeNo);
      await assert.rejects(post(pay, `${transactions}/native`, partnerOrder(outTradeNo, notified.url)), /signature of the answer/);
    });
  });
}

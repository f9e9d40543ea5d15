// wechatpay-node-v3: combined payments (合单支付).
import assert from 'node:assert/strict';
import { createVerify } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { done, modes, open, refused, verified } from './node-v3.js';
import { cart, closing, combinedKinds } from './requests.js';
import { fault, merchant, number, payCombined, payWith, pem, receiver, second } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, combined payments, with ${mode}`, () => {
    const pay = verified(key);
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    for (const [kind, { credential, needs }] of Object.entries(combinedKinds)) {
      it(`places one of the kind ${kind}, which is paid; the one notification equals the query`, async () => {
        const cartNo = number('N3C');
        const data = await done(pay[`combine_transactions_${kind}`](cart(cartNo, notified.url, needs)));
        if (kind === 'jsapi') data.prepay_id = data.package.replace('prepay_id=', '');
        if (kind === 'app') data.prepay_id = data.prepayid;
        await payWith({ [credential]: data[credential] });
        const { event, type, content } = await open(pay, await notified.next(), key);
        assert.deepEqual([event, type, content.sub_orders.length], ['TRANSACTION.SUCCESS', 'transaction', 2]);
        assert.deepEqual(content, await done(pay.combine_query(cartNo)));
      });
    }

    it('signs the invocations', async () => {
      const verify = (signature, ...lines) => createVerify('RSA-SHA256').update([...lines, ''].join('\n'))
        .verify(pem(merchant.merchant_certificate_file), signature, 'base64');
      const jsapi = await done(pay.combine_transactions_jsapi(cart(number('N3J'), notified.url, combinedKinds.jsapi.needs)));
      assert(verify(jsapi.paySign, jsapi.appId, jsapi.timeStamp, jsapi.nonceStr, jsapi.package));
      const app = await done(pay.combine_transactions_app(cart(number('N3A'), notified.url)));
      assert(verify(app.sign, app.appid, app.timestamp, app.noncestr, app.prepayid));
    });

    it('is closed by its exact list alone', async () => {
      const cartNo = number('N3D');
      await done(pay.combine_transactions_native(cart(cartNo, notified.url)));
      await refused(pay.combine_close(cartNo, closing(cartNo).slice(1)), 400, 'INVALID_REQUEST');
      assert.equal((await pay.combine_close(cartNo, closing(cartNo))).status, 204);
      assert.deepEqual((await done(pay.combine_query(cartNo))).sub_orders.map(({ trade_state: state }) => state), ['CLOSED', 'CLOSED']);
    });

    it('has each merchant refund its own', async () => {
      const cartNo = number('N3E');
      await done(pay.combine_transactions_native(cart(cartNo, notified.url)));
      await payCombined(cartNo);
      const { content } = await open(pay, await notified.next(), key);
      const refund = {
        transaction_id: content.sub_orders[1].transaction_id, out_refund_no: number('N3F'), amount: { refund: 15, total: 40, currency: 'CNY' },
      };
      await refused(pay.refunds(refund), 404, 'RESOURCE_NOT_EXISTS');
      assert.equal((await done(verified(key, second).refunds(refund))).out_trade_no, `${cartNo}B`);
    });

    it('refuses an answer and a notification that are signed wrongly', async () => {
      const cartNo = number('N3G');
      await fault('combine_prepay', 'bad_signature', cartNo);
      await assert.rejects(pay.combine_transactions_native(cart(cartNo, notified.url)), /signature of the answer/);
      await done(pay.combine_transactions_native(cart(cartNo, notified.url)));
      await fault('notify/combine', 'bad_signature', cartNo);
      await payCombined(cartNo);
      await assert.rejects(async () => open(pay, await notified.next(), key), /signature of the notification/);
    });
  });
}

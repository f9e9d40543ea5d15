// wechatpay-axios-plugin: combined payments (合单支付).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { client, effects, modes, open, refused, secondClient } from './axios-plugin.js';
import { cart, closing, combinedKinds } from './requests.js';
import { fault, merchant, number, payCombined, payWith, receiver } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, combined payments, with ${mode}`, () => {
    const wxpay = client(key);
    const combined = wxpay.v3.combineTransactions;
    const query = async (combineOutTradeNo) => (await combined.outTradeNo.$combine_out_trade_no$.get({ combine_out_trade_no: combineOutTradeNo })).data;
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    for (const [kind, { credential, needs }] of Object.entries(combinedKinds)) {
      it(`places one of the kind ${kind}, which is paid by its ${credential}; the one notification equals the query`, async () => {
        const cartNo = number('AXC');
        const { data } = await combined[kind].post(cart(cartNo, notified.url, needs));
        await payWith({ [credential]: data[credential] });
        const { event, type, content } = open(await notified.next(), key);
        assert.deepEqual([event, type, content.sub_orders.length], ['TRANSACTION.SUCCESS', 'transaction', 2]);
        assert.deepEqual(content, await query(cartNo));
        assert.deepEqual(content.sub_orders.map(({ trade_state: state, amount }) => [state, amount.total_amount]), [['SUCCESS', 60], ['SUCCESS', 40]]);
      });
    }

    it('is closed by its exact list alone', async () => {
      const cartNo = number('AXD');
      await combined.native.post(cart(cartNo, notified.url));
      const close = (subOrders) => combined.outTradeNo.$combine_out_trade_no$.close.post(
        { combine_appid: merchant.appid, sub_orders: subOrders }, { combine_out_trade_no: cartNo },
      );
      await assert.rejects(close(closing(cartNo).slice(1)), refused(400, 'INVALID_REQUEST'));
      assert.equal((await close(closing(cartNo))).status, 204);
      assert.deepEqual((await query(cartNo)).sub_orders.map(({ trade_state: state }) => state), ['CLOSED', 'CLOSED']);
    });

    it('has each merchant refund its own', async () => {
      const cartNo = number('AXE');
      await combined.native.post(cart(cartNo, notified.url));
      await payCombined(cartNo);
      const { content } = open(await notified.next(), key);
      const refund = {
        transaction_id: content.sub_orders[1].transaction_id, out_refund_no: number('AXF'), amount: { refund: 15, total: 40, currency: 'CNY' },
      };
      await assert.rejects(wxpay.v3.refund.domestic.refunds.post(refund), refused(404, 'RESOURCE_NOT_EXISTS'));
      const { data } = await secondClient(key).v3.refund.domestic.refunds.post(refund);
      assert.equal(data.out_trade_no, `${cartNo}B`);
    });

    it('is told that a repeat has changed', async () => {
      const cartNo = number('AXG');
      const body = cart(cartNo, notified.url);
      await combined.native.post(body);
      body.sub_orders[0].amount.total_amount += 1;
      await assert.rejects(combined.native.post(body), refused(400, 'INVALID_REQUEST'));
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}`, async () => {
        const cartNo = number('AXH');
        await fault('combine_prepay', effect, cartNo);
        await assert.rejects(combined.native.post(cart(cartNo, notified.url)), { code });
        assert.match((await combined.native.post(cart(cartNo, notified.url))).data.code_url, /^weixin:/);
      });
    }

    for (const effect of ['bad_signature', 'corrupt']) {
      it(`refuses a notification with ${effect}`, async () => {
        const cartNo = number('AXI');
        await combined.native.post(cart(cartNo, notified.url));
        await fault('notify/combine', effect, cartNo);
        await payCombined(cartNo);
        const notification = await notified.next();
        assert.throws(() => open(notification, key));
      });
    }
  });
}

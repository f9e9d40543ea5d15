// wechatpay-axios-plugin: single orders, from prepay to refund.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import plugin from 'wechatpay-axios-plugin';

import { client, effects, modes, open, refused, seal, unseal } from './axios-plugin.js';
import { kinds, order } from './requests.js';
import { advance, control, fault, merchant, number, pay, payWith, pem, receiver, settle, slowClock } from './sandbox.js';

const { Wechatpay, Aes: { AesGcm } } = plugin;

const query = (wxpay, outTradeNo) => wxpay.v3.pay.transactions.outTradeNo.$out_trade_no$.get({ params: { mchid: merchant.mchid }, out_trade_no: outTradeNo });

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin with ${mode}`, () => {
    const wxpay = client(key);
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    it('places a native order, reads its notification, queries it and refunds it', async () => {
      const outTradeNo = number('AXN');
      const placed = await wxpay.v3.pay.transactions.native.post(order(outTradeNo, notified.url));
      assert.match(placed.data.code_url, /^weixin:\/\/wxpay\//);
      assert.equal((await query(wxpay, outTradeNo)).data.trade_state, 'NOTPAY');
      await pay(outTradeNo);
      const { event, content } = open(await notified.next(), key);
      assert.equal(event, 'TRANSACTION.SUCCESS');
      assert.deepEqual((await query(wxpay, outTradeNo)).data, content);
      const byID = await wxpay.v3.pay.transactions.id.$transaction_id$.get({ params: { mchid: merchant.mchid }, transaction_id: content.transaction_id });
      assert.deepEqual(byID.data, content);

      const outRefundNo = number('AXR');
      const refund = await wxpay.v3.refund.domestic.refunds.post({
        transaction_id: content.transaction_id, out_refund_no: outRefundNo, reason: '凉了', notify_url: notified.url,
        amount: { refund: 300, total: 1000, currency: 'CNY' },
      });
      assert.equal(refund.data.status, 'PROCESSING');
      await settle(outRefundNo);
      const told = open(await notified.next(), key);
      assert.equal(told.event, 'REFUND.SUCCESS');
      assert.equal(told.content.refund_id, refund.data.refund_id);
      assert.equal((await wxpay.v3.refund.domestic.refunds.$out_refund_no$.get({ out_refund_no: outRefundNo })).data.status, 'SUCCESS');
    });

    for (const [kind, { credential, needs, type }] of Object.entries(kinds)) {
      it(`places an order of the kind ${kind}, which is paid by its ${credential}`, async () => {
        const outTradeNo = number('AXK');
        const { data } = await wxpay.v3.pay.transactions[kind].post(order(outTradeNo, notified.url, needs));
        await payWith({ [credential]: data[credential] });
        const { content } = open(await notified.next(), key);
        assert.deepEqual([content.out_trade_no, content.trade_state, content.trade_type], [outTradeNo, 'SUCCESS', type]);
      });
    }

    it('places a JSAPI order and closes it', async () => {
      const outTradeNo = number('AXJ');
      const placed = await wxpay.v3.pay.transactions.jsapi.post(order(outTradeNo, notified.url, { payer: { openid: merchant.openid } }));
      assert.match(placed.data.prepay_id, /^wx/);
      const closed = await wxpay.v3.pay.transactions.outTradeNo.$out_trade_no$.close.post({ mchid: merchant.mchid }, { out_trade_no: outTradeNo });
      assert.equal(closed.status, 204);
      assert.equal((await query(wxpay, outTradeNo)).data.trade_state, 'CLOSED');
    });

    it('sends a sensitive field and opens the one that comes back', async () => {
      const { data } = await wxpay.v3.security.echo.post({
        echo_message: 'hello', encrypted_echo_message: seal('张三', key),
      });
      assert.equal(unseal(data.encrypted_echo_message), '张三');
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}`, async () => {
        const outTradeNo = number('AXF');
        await fault('prepay', effect, outTradeNo);
        await assert.rejects(wxpay.v3.pay.transactions.native.post(order(outTradeNo, notified.url)), { code });
      });
    }

    for (const effect of ['bad_signature', 'probe', 'unknown_serial', 'corrupt', 'other_key']) {
      it(`refuses a notification with ${effect}`, async () => {
        const outTradeNo = number('AXG');
        await fault('notify/payment', effect, outTradeNo);
        await wxpay.v3.pay.transactions.native.post(order(outTradeNo, notified.url));
        await pay(outTradeNo);
        const notification = await notified.next();
        assert.throws(() => open(notification, key));
      });
    }

    it('is told of an unknown order', async () => {
      await assert.rejects(query(wxpay, number('AXU')), refused(404, 'ORDER_NOT_EXIST'));
    });

    it('is refused with a clock that is six minutes slow', async (t) => {
      slowClock(t, 6 * 60 * 1000);
      await assert.rejects(query(wxpay, number('AXC')), refused(401, 'SIGN_ERROR'));
    });

    it('is refused under another merchant certificate', async () => {
      const stranger = client(key, { serial: '7'.repeat(40) });
      await assert.rejects(query(stranger, number('AXS')), refused(401, 'SIGN_ERROR'));
    });
  });
}

describe('wechatpay-axios-plugin without a certificate', () => {
  // As its own command does it, but into the map that the verifier reads: version 0.9.6 gives the verifier a copy, so the command
  // refuses every list, the provider's too.
  async function bootstrap() {
    const config = {
      mchid: merchant.mchid, serial: merchant.merchant_serial_no, privateKey: pem(merchant.merchant_private_key_file), certs: { any: undefined },
      baseURL: merchant.base_url,
    };
    const wxpay = new Wechatpay(config);
    const opened = {};
    const read = (body) => {
      for (const { serial_no: serial, encrypt_certificate: { ciphertext, nonce, associated_data: aad } } of JSON.parse(body).data) {
        opened[serial] = AesGcm.decrypt(ciphertext, merchant.api_v3_key, nonce, aad);
        config.certs[serial] = opened[serial];
      }
      return body;
    };
    const { status } = await wxpay.v3.certificates.get({ transformResponse: [read, ...wxpay.client.v3.defaults.transformResponse] });
    assert.equal(status, 200);
    return { wxpay, opened };
  }

  const place = async (wxpay) => wxpay.v3.pay.transactions.native.post(order(number('AXB'), 'https://pay.example.com/notify'));

  it('opens the first list with the APIv3 key and verifies it with what was inside', async () => {
    const { wxpay, opened } = await bootstrap();
    const [serial, certificate] = modes.certificate;
    assert.deepEqual(opened, { [serial]: certificate });
    assert.match((await place(wxpay)).data.code_url, /^weixin:/);
  });

  it('needs a new list once a new certificate signs', async () => {
    const { wxpay } = await bootstrap();
    const { serial_no: newer } = await control('POST', '/wechatpay/certificates/rotate', { sign_after: '1h', drop_old_after: '120h' });
    const { wxpay: both, opened } = await bootstrap();
    assert.deepEqual(Object.keys(opened).sort(), [modes.certificate[0], newer].sort());
    await place(wxpay);
    await advance('1h');
    await assert.rejects(place(wxpay), { code: effects.unknown_serial });
    assert.match((await place(both)).data.code_url, /^weixin:/);
  });
});

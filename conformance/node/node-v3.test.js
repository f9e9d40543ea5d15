// wechatpay-node-v3 has the provider's host as a constant: its HTTPS connections are led to the sandbox's TLS port, whose authority is
// trusted. It verifies nothing by itself but has a function for it, which its replaceable HTTP layer calls here for every answer.
import assert from 'node:assert/strict';
import { createVerify } from 'node:crypto';
import https from 'node:https';
import tls from 'node:tls';
import { after, before, describe, it } from 'node:test';

import superagent from 'superagent';
import Pay from 'wechatpay-node-v3';

import { authority, fault, merchant, number, pay as payOrder, pem, receiver, settle, slowClock, tlsURL } from './sandbox.js';

// For every agent, because the SDK's HTTP layer makes one for each request.
https.Agent.prototype.createConnection = (options, connected) => {
  assert.equal(options.host, 'api.mch.weixin.qq.com', 'nothing else may be called');
  return tls.connect({ host: '127.0.0.1', port: new URL(tlsURL).port, servername: options.host, ca: authority }, connected);
};

function merchantPay(verify) {
  const pay = new Pay({
    appid: merchant.appid,
    mchid: merchant.mchid,
    serial_no: merchant.merchant_serial_no,
    publicKey: Buffer.from(pem(merchant.merchant_certificate_file)),
    privateKey: Buffer.from(pem(merchant.merchant_private_key_file)),
    key: merchant.api_v3_key,
    userAgent: 'conformance',
  });
  if (verify) pay.createHttp(verify(pay));
  return pay;
}

const signed = ({ headers, body }) => ({
  timestamp: headers['wechatpay-timestamp'], nonce: headers['wechatpay-nonce'], serial: headers['wechatpay-serial'],
  signature: headers['wechatpay-signature'], body, apiSecret: merchant.api_v3_key,
});

// verified is the SDK's HTTP layer with its verifySign after every answer. more goes into every request.
const verified = (more = {}) => (pay) => {
  const answered = async (request) => {
    const { status, headers, text, body } = await request.set(more).ok(() => true);
    if (status >= 300) return { status, error: text };
    assert(await pay.verifySign(signed({ headers, body: text })), 'the signature of the answer is not valid');
    return { status, data: body };
  };
  return {
    get: (url, headers) => answered(superagent.get(url).set(headers)),
    post: (url, params, headers) => answered(superagent.post(url).send(params).set(headers)),
  };
};

const order = (outTradeNo, notifyURL, more = {}) => ({
  description: '一杯咖啡 <大> & 小', out_trade_no: outTradeNo, notify_url: notifyURL, amount: { total: 1000, currency: 'CNY' }, ...more,
});

// The SDK keeps keys by serial number and fetches those of certificates; it knows of no public key, so that one is put beside them.
Pay.certificates[merchant.public_key_id] = pem(merchant.public_key_file);

// The first certificates come through the SDK's own HTTP layer: nothing is known yet that could verify them.
const bootstrap = () => merchantPay().get_certificates(merchant.api_v3_key);

for (const [mode, serial] of Object.entries({ certificate: merchant.platform_serial_no, publicKey: merchant.public_key_id })) {
  describe(`wechatpay-node-v3 with ${mode}`, () => {
    const pay = merchantPay(verified({ 'Wechatpay-Serial': serial }));
    let notified;
    before(async () => {
      notified = await receiver();
      for (const { serial_no: known, publicKey } of await bootstrap()) Pay.certificates[known] = publicKey;
    });
    after(() => notified.close());

    // open verifies and decrypts a notification with the SDK.
    async function open(notification) {
      assert.equal(notification.headers['wechatpay-serial'], serial);
      assert(await pay.verifySign(signed(notification)), 'the signature of the notification is not valid');
      const { event_type: event, resource: { ciphertext, associated_data: aad, nonce } } = JSON.parse(notification.body);
      return { event, content: pay.decipher_gcm(ciphertext, aad, nonce, merchant.api_v3_key) };
    }

    it('places a native order, reads its notification, queries it and refunds it', async () => {
      const outTradeNo = number('N3N');
      const placed = await pay.transactions_native(order(outTradeNo, notified.url));
      assert.equal(placed.status, 200, placed.error);
      assert.match(placed.data.code_url, /^weixin:\/\/wxpay\//);
      await payOrder(outTradeNo);
      const { event, content } = await open(await notified.next());
      assert.equal(event, 'TRANSACTION.SUCCESS');
      assert.deepEqual((await pay.query({ out_trade_no: outTradeNo })).data, content);
      assert.deepEqual((await pay.query({ transaction_id: content.transaction_id })).data, content);

      const outRefundNo = number('N3R');
      const refund = await pay.refunds({
        out_trade_no: outTradeNo, out_refund_no: outRefundNo, notify_url: notified.url, amount: { refund: 300, total: 1000, currency: 'CNY' },
      });
      assert.equal(refund.status, 200, refund.error);
      assert.equal(refund.data.status, 'PROCESSING');
      await settle(outRefundNo);
      const told = await open(await notified.next());
      assert.equal(told.event, 'REFUND.SUCCESS');
      assert.equal((await pay.find_refunds(outRefundNo)).data.status, 'SUCCESS');
    });

    it('places a JSAPI order, signs its invocation and closes it', async () => {
      const outTradeNo = number('N3J');
      const { status, data, error } = await pay.transactions_jsapi(order(outTradeNo, notified.url, { payer: { openid: merchant.openid } }));
      assert.equal(status, 200, error);
      const text = [data.appId, data.timeStamp, data.nonceStr, data.package, ''].join('\n');
      assert(createVerify('RSA-SHA256').update(text).verify(pem(merchant.merchant_certificate_file), data.paySign, 'base64'));
      assert.equal((await pay.close(outTradeNo)).status, 204);
      assert.equal((await pay.query({ out_trade_no: outTradeNo })).data.trade_state, 'CLOSED');
    });

    it('refuses an answer and a notification that are signed wrongly', async () => {
      const outTradeNo = number('N3F');
      await fault('prepay', 'bad_signature', outTradeNo);
      await assert.rejects(pay.transactions_native(order(outTradeNo, notified.url)), /signature of the answer/);
      await pay.transactions_native(order(outTradeNo, notified.url));
      await fault('notify/payment', 'probe', outTradeNo);
      await payOrder(outTradeNo);
      await assert.rejects(async () => open(await notified.next()), /signature of the notification/);
    });

    it('does not notice a damaged ciphertext, only a wrong signature', async () => {
      const outTradeNo = number('N3D');
      await fault('notify/payment', 'corrupt', outTradeNo);
      await pay.transactions_native(order(outTradeNo, notified.url));
      await payOrder(outTradeNo);
      const { content } = await open(await notified.next()); // it never checks the tag of AES-GCM: see the README
      assert.equal(content.out_trade_no, outTradeNo);
    });

    it('is refused with a clock that is six minutes slow', async (t) => {
      slowClock(t, 6 * 60 * 1000);
      const { status, error } = await pay.query({ out_trade_no: number('N3C') });
      assert.equal(status, 401);
      assert.equal(JSON.parse(error).code, 'SIGN_ERROR');
    });
  });
}

describe('wechatpay-node-v3', () => {
  it('works with its own HTTP layer', async () => {
    const pay = merchantPay();
    const outTradeNo = number('N3O');
    assert.equal((await pay.transactions_native(order(outTradeNo, 'https://pay.example.com/notify'))).status, 200);
    assert.equal((await pay.query({ out_trade_no: outTradeNo })).data.trade_state, 'NOTPAY');
    assert.equal((await pay.close(outTradeNo)).status, 204);
  });
});

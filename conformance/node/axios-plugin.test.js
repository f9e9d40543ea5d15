// wechatpay-axios-plugin verifies every answer by itself. Its base URL is an option, so plain HTTP is enough.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import plugin from 'wechatpay-axios-plugin';

import { fault, merchant, number, pay, pem, receiver, settle, slowClock } from './sandbox.js';

const { Wechatpay, Aes: { AesGcm }, Formatter, Rsa } = plugin;

const certificate = [merchant.platform_serial_no, pem(merchant.platform_certificate_file)];
const publicKey = [merchant.public_key_id, pem(merchant.public_key_file)];

const client = ([serial, key], changes = {}) => new Wechatpay({
  mchid: merchant.mchid,
  serial: merchant.merchant_serial_no,
  privateKey: pem(merchant.merchant_private_key_file),
  certs: { [serial]: key },
  baseURL: merchant.base_url,
  headers: { 'Wechatpay-Serial': serial },
  ...changes,
});

const order = (outTradeNo, notifyURL, more = {}) => ({
  appid: merchant.appid, mchid: merchant.mchid, description: '一杯咖啡 <大> & 小', out_trade_no: outTradeNo, notify_url: notifyURL,
  amount: { total: 1000, currency: 'CNY' }, ...more,
});

const query = (wxpay, outTradeNo) => wxpay.v3.pay.transactions.outTradeNo.$out_trade_no$.get({ params: { mchid: merchant.mchid }, out_trade_no: outTradeNo });

// The SDK leaves the reading of notifications to three of its functions.
function open({ headers, body }, [serial, key]) {
  assert.equal(headers['wechatpay-serial'], serial);
  const text = Formatter.response(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body);
  assert(Rsa.verify(text, headers['wechatpay-signature'], Rsa.from(key, Rsa.KEY_TYPE_PUBLIC)), 'the signature is not valid');
  const { event_type: event, resource: { ciphertext, nonce, associated_data: aad } } = JSON.parse(body);
  return { event, content: JSON.parse(AesGcm.decrypt(ciphertext, merchant.api_v3_key, nonce, aad)) };
}

for (const [mode, key] of Object.entries({ certificate, publicKey })) {
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
        echo_message: 'hello', encrypted_echo_message: Rsa.encrypt('张三', Rsa.from(key[1], Rsa.KEY_TYPE_PUBLIC)),
      });
      assert.equal(Rsa.decrypt(data.encrypted_echo_message, pem(merchant.merchant_private_key_file)), '张三');
    });

    for (const [effect, code] of Object.entries({
      bad_signature: 'EV3_RES_HEADER_SIGNATURE_DIGEST',
      probe: 'EV3_RES_HEADER_SIGNATURE_DIGEST',
      stale_timestamp: 'EV3_RES_HEADER_TIMESTAMP_OFFSET',
      unknown_serial: 'EV3_RES_HEADER_PLATFORM_SERIAL',
    })) {
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
      await assert.rejects(query(wxpay, number('AXU')), (error) => error.response.status === 404 && error.response.data.code === 'ORDER_NOT_EXIST');
    });

    it('is refused with a clock that is six minutes slow', async (t) => {
      slowClock(t, 6 * 60 * 1000);
      await assert.rejects(query(wxpay, number('AXC')), (error) => error.response.status === 401 && error.response.data.code === 'SIGN_ERROR');
    });

    it('is refused under another merchant certificate', async () => {
      const stranger = client(key, { serial: '7'.repeat(40) });
      await assert.rejects(query(stranger, number('AXS')), (error) => error.response.status === 401 && error.response.data.code === 'SIGN_ERROR');
    });
  });
}

describe('wechatpay-axios-plugin without a certificate', () => {
  // As its own command does it, but into the map that the verifier reads: version 0.9.6 gives the verifier a copy, so the command
  // refuses every list, the provider's too.
  it('opens the first list with the APIv3 key and verifies it with what was inside', async () => {
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
    assert.deepEqual(opened, { [certificate[0]]: certificate[1] });
    assert.match((await wxpay.v3.pay.transactions.native.post(order(number('AXB'), 'https://pay.example.com/notify'))).data.code_url, /^weixin:/);
  });
});

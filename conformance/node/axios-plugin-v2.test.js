// wechatpay-axios-plugin over APIv2: it verifies every answer by itself, and shows the merchant's certificate where it is told to.
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { after, before, describe, it } from 'node:test';

import plugin from 'wechatpay-axios-plugin';

import { authority, authCode, fault, merchant, number, pay, pem, receiver, settle } from './sandbox.js';

const { Wechatpay, Aes: { AesEcb }, Hash, Transformer } = plugin;

const client = () => new Wechatpay({
  mchid: merchant.mchid,
  serial: merchant.merchant_serial_no,
  privateKey: pem(merchant.merchant_private_key_file),
  certs: { [merchant.platform_serial_no]: pem(merchant.platform_certificate_file) },
  secret: merchant.api_v2_key,
  merchant: { cert: pem(merchant.merchant_certificate_file), key: pem(merchant.merchant_private_key_file), ca: authority },
  baseURL: merchant.mutual_tls_url,
  httpsAgent: new Agent({ ca: authority }),
});

const parties = { appid: merchant.appid, mch_id: merchant.mchid };
const secret = { security: true };

for (const signType of ['MD5', 'HMAC-SHA256']) {
  describe(`wechatpay-axios-plugin over APIv2 with ${signType}`, () => {
    const wxpay = client();
    const common = { ...parties, sign_type: signType };
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    const payByCode = async (outTradeNo, outcome) => wxpay.v2.pay.micropay.post({
      ...common, body: '一杯咖啡 <大> & 小', out_trade_no: outTradeNo, total_fee: 1000, spbill_create_ip: '203.0.113.8', auth_code: await authCode(outcome),
    });
    const query = (outTradeNo) => wxpay.v2.pay.orderquery.post({ ...common, out_trade_no: outTradeNo });

    it('takes a payment by code and refunds it with the merchant\'s certificate', async () => {
      const outTradeNo = number('AV2');
      const paid = await payByCode(outTradeNo, 'success');
      assert.equal(paid.data.trade_type, 'MICROPAY');
      assert.equal((await query(outTradeNo)).data.trade_state, 'SUCCESS');

      const refund = {
        ...common, transaction_id: paid.data.transaction_id, out_refund_no: number('AR2'), total_fee: 1000, refund_fee: 300, notify_url: notified.url,
      };
      await assert.rejects(wxpay.v2.secapi.pay.refund.post(refund), ({ response: { status } }) => status === 400); // no certificate
      const accepted = await wxpay.v2.secapi.pay.refund.post(refund, secret);
      assert.equal(accepted.data.refund_fee, '300');
      await settle(refund.out_refund_no);
      const { req_info: sealed } = Transformer.toObject((await notified.next()).body);
      const told = Transformer.toObject(AesEcb.decrypt(sealed, Hash.md5(merchant.api_v2_key)));
      assert.equal(told.refund_status, 'SUCCESS');
      assert.equal(told.refund_id, accepted.data.refund_id);
      const list = await wxpay.v2.pay.refundquery.post({ ...common, out_refund_no: refund.out_refund_no });
      assert.equal(list.data.refund_status_0, 'SUCCESS');
    });

    it('is told that the payer types a password, and finds the payment afterwards', async () => {
      const outTradeNo = number('AU2');
      await assert.rejects(payByCode(outTradeNo, 'userpaying'), ({ response: { data } }) => data.err_code === 'USERPAYING');
      assert.equal((await query(outTradeNo)).data.trade_state, 'USERPAYING');
      await pay(outTradeNo);
      assert.equal((await query(outTradeNo)).data.trade_state, 'SUCCESS');
    });

    it('places an order and verifies its notification', async () => {
      const outTradeNo = number('AN2');
      const placed = await wxpay.v2.pay.unifiedorder.post({
        ...common, body: '一杯咖啡', out_trade_no: outTradeNo, total_fee: 1000, spbill_create_ip: '203.0.113.8', notify_url: notified.url,
        trade_type: 'NATIVE', product_id: '1',
      });
      assert.match(placed.data.code_url, /^weixin:\/\/wxpay\//);
      await pay(outTradeNo);
      const told = Transformer.toObject((await notified.next()).body);
      assert.equal(told.out_trade_no, outTradeNo);
      assert(Hash.equals(Hash.sign(signType, told, merchant.api_v2_key), told.sign), 'the signature is not valid');
    });

    it('refuses an answer that is wrongly signed', async () => {
      const outTradeNo = number('AB2');
      await payByCode(outTradeNo, 'success');
      await fault('v2_orderquery', 'bad_signature', outTradeNo);
      await assert.rejects(query(outTradeNo), { code: 'EV2_RES_SIGNATURE_NOT_EQUAL' });
      assert.equal((await query(outTradeNo)).data.trade_state, 'SUCCESS');
    });
  });
}

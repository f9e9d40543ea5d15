// wechatpay-node-v3: single orders, from prepay to refund, and the certificates.
import assert from 'node:assert/strict';
import { createVerify } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import Pay from 'wechatpay-node-v3';

import { client, done, get, modes, open, post, refused, verified } from './node-v3.js';
import { kinds, order } from './requests.js';
import { advance, control, fault, merchant, number, pay as payOrder, payWith, pem, receiver, settle, slowClock } from './sandbox.js';

// byMerchant wants a front end's signature over the lines to be the merchant's.
const byMerchant = (signature, ...lines) => assert(
  createVerify('RSA-SHA256').update([...lines, ''].join('\n')).verify(pem(merchant.merchant_certificate_file), signature, 'base64'),
);

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3 with ${mode}`, () => {
    const pay = verified(key);
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    it('places a native order, reads its notification, queries it and refunds it', async () => {
      const outTradeNo = number('N3N');
      const placed = await done(pay.transactions_native(order(outTradeNo, notified.url)));
      assert.match(placed.code_url, /^weixin:\/\/wxpay\//);
      await payOrder(outTradeNo);
      const { event, content } = await open(pay, await notified.next(), key);
      assert.equal(event, 'TRANSACTION.SUCCESS');
      assert.deepEqual(await done(pay.query({ out_trade_no: outTradeNo })), content);
      assert.deepEqual(await done(pay.query({ transaction_id: content.transaction_id })), content);

      const outRefundNo = number('N3R');
      const refund = await done(pay.refunds({
        out_trade_no: outTradeNo, out_refund_no: outRefundNo, notify_url: notified.url, amount: { refund: 300, total: 1000, currency: 'CNY' },
      }));
      assert.equal(refund.status, 'PROCESSING');
      await settle(outRefundNo);
      const told = await open(pay, await notified.next(), key);
      assert.equal(told.event, 'REFUND.SUCCESS');
      assert.equal((await done(pay.find_refunds(outRefundNo))).status, 'SUCCESS');
    });

    for (const [kind, { credential, needs, type }] of Object.entries(kinds)) {
      it(`places an order of the kind ${kind}, whose invocation the merchant has signed, and which is paid`, async () => {
        const outTradeNo = number('N3K');
        const data = await done(pay[`transactions_${kind}`](order(outTradeNo, notified.url, needs)));
        switch (kind) {
          case 'jsapi': // both come as what the front end needs
            byMerchant(data.paySign, data.appId, data.timeStamp, data.nonceStr, data.package);
            data.prepay_id = data.package.replace('prepay_id=', '');
            break;
          case 'app':
            byMerchant(data.sign, data.appid, data.timestamp, data.noncestr, data.prepayid);
            data.prepay_id = data.prepayid;
            break;
        }
        await payWith({ [credential]: data[credential] });
        const { content } = await open(pay, await notified.next(), key);
        assert.deepEqual([content.out_trade_no, content.trade_state, content.trade_type], [outTradeNo, 'SUCCESS', type]);
      });
    }

    it('closes an order', async () => {
      const outTradeNo = number('N3J');
      await done(pay.transactions_native(order(outTradeNo, notified.url)));
      assert.equal((await pay.close(outTradeNo)).status, 204);
      assert.equal((await done(pay.query({ out_trade_no: outTradeNo }))).trade_state, 'CLOSED');
    });

    it('sends a sensitive field and opens the one that comes back', async () => {
      const answer = await done(post(pay, '/v3/security/echo', { echo_message: 'hello', encrypted_echo_message: pay.publicEncrypt('张三', key[1]) }));
      assert.equal(pay.privateDecrypt(answer.encrypted_echo_message), '张三');
    });

    it('refuses an answer and a notification that are signed wrongly', async () => {
      const outTradeNo = number('N3F');
      await fault('prepay', 'bad_signature', outTradeNo);
      await assert.rejects(pay.transactions_native(order(outTradeNo, notified.url)), /signature of the answer/);
      await pay.transactions_native(order(outTradeNo, notified.url));
      await fault('notify/payment', 'probe', outTradeNo);
      await payOrder(outTradeNo);
      await assert.rejects(async () => open(pay, await notified.next(), key), /signature of the notification/);
    });

    it('refuses an answer under an unknown serial number, after a look into the list of certificates', async () => {
      const outTradeNo = number('N3G');
      await fault('prepay', 'unknown_serial', outTradeNo);
      await assert.rejects(pay.transactions_native(order(outTradeNo, notified.url)), /未找到平台序列号/);
    });

    it('does not notice a damaged ciphertext, only a wrong signature', async () => {
      const outTradeNo = number('N3D');
      await fault('notify/payment', 'corrupt', outTradeNo);
      await pay.transactions_native(order(outTradeNo, notified.url));
      await payOrder(outTradeNo);
      const { content } = await open(pay, await notified.next(), key); // it never checks the tag of AES-GCM: see the README
      assert.equal(content.out_trade_no, outTradeNo);
    });

    it('does not notice an answer of ten minutes ago', async () => {
      const outTradeNo = number('N3H');
      await fault('prepay', 'stale_timestamp', outTradeNo); // verifySign looks at no clock: see the README
      await done(pay.transactions_native(order(outTradeNo, notified.url)));
    });

    it('is told of an unknown order', () => refused(pay.query({ out_trade_no: number('N3U') }), 404, 'ORDER_NOT_EXIST'));

    it('is refused with a clock that is six minutes slow', async (t) => {
      slowClock(t, 6 * 60 * 1000);
      await refused(pay.query({ out_trade_no: number('N3C') }), 401, 'SIGN_ERROR');
    });
  });
}

describe('wechatpay-node-v3', () => {
  const place = (pay) => pay.transactions_native(order(number('N3P'), 'https://pay.example.com/notify'));

  it('works with its own HTTP layer', async () => {
    const pay = client();
    const outTradeNo = number('N3O');
    await done(pay.transactions_native(order(outTradeNo, 'https://pay.example.com/notify')));
    assert.equal((await done(pay.query({ out_trade_no: outTradeNo }))).trade_state, 'NOTPAY');
    assert.equal((await pay.close(outTradeNo)).status, 204);
  });

  it('downloads the certificates that it knows nothing of, and those of a rotation', async () => {
    const [{ serial_no: first, publicKey }] = await client().get_certificates(merchant.api_v3_key);
    assert.equal(first, merchant.platform_serial_no);
    Pay.certificates = { [first]: publicKey };
    const pay = verified([first]);
    await done(place(pay));
    const { serial_no: newer } = await control('POST', '/wechatpay/certificates/rotate', { sign_after: '1h', drop_old_after: '120h' });
    await pay.fetchCertificates(merchant.api_v3_key);
    assert(Pay.certificates[newer], 'the new certificate is published before it signs');
    await advance('1h');
    await done(place(verified([newer])));
  });

  it('cannot sign a request without a body that is no GET', async () => {
    // Its text lacks the last line, which is empty: see the README.
    await refused(post(client(), `/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/${number('N3T')}/cancel`), 401, 'SIGN_ERROR');
    await refused(get(client(), `/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/${number('N3T')}`), 404, 'NOT_FOUND');
  });
});

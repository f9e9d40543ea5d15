// What the tests of wechatpay-node-v3 share. It has the provider's host as a constant: its HTTPS connections are led to the sandbox's
// TLS port, whose authority is trusted. It verifies nothing by itself but has a function for it, which its replaceable HTTP layer calls
// here for every answer.
import assert from 'node:assert/strict';
import https from 'node:https';
import tls from 'node:tls';

import superagent from 'superagent';
import Pay from 'wechatpay-node-v3';

import { authority, merchant, pem, tlsURL } from './sandbox.js';

const host = 'https://api.mch.weixin.qq.com';

// For every agent, because the SDK's HTTP layer makes one for each request.
https.Agent.prototype.createConnection = (options, connected) => {
  assert.equal(options.host, new URL(host).host, 'nothing else may be called');
  return tls.connect({ host: '127.0.0.1', port: new URL(tlsURL).port, servername: options.host, ca: authority }, connected);
};

// modes are the two kinds of key: what names it, and the key.
export const modes = {
  certificate: [merchant.platform_serial_no, pem(merchant.platform_certificate_file)],
  publicKey: [merchant.public_key_id, pem(merchant.public_key_file)],
};

// client is the SDK of a merchant with its own HTTP layer, which verifies nothing.
export const client = (who = merchant) => new Pay({
  appid: who.appid,
  mchid: who.mchid,
  serial_no: who.merchant_serial_no,
  publicKey: Buffer.from(pem(who.merchant_certificate_file)),
  privateKey: Buffer.from(pem(who.merchant_private_key_file)),
  key: who.api_v3_key,
  userAgent: 'conformance',
});

// The SDK keeps keys by serial number and fetches those of certificates; it knows of no public key, so that one is put beside them.
// The first list comes through the SDK's own HTTP layer: nothing is known yet that could verify it.
Pay.certificates[merchant.public_key_id] = pem(merchant.public_key_file);
for (const { serial_no: serial, publicKey } of await client().get_certificates(merchant.api_v3_key)) Pay.certificates[serial] = publicKey;

const signed = ({ headers, body }, who) => ({
  timestamp: headers['wechatpay-timestamp'], nonce: headers['wechatpay-nonce'], serial: headers['wechatpay-serial'],
  signature: headers['wechatpay-signature'], body, apiSecret: who.api_v3_key,
});

// sending is a request with its body. An upload comes as an address without a host and as the parts of a form, whose boundary is in the
// headers; its meta is what the SDK has signed.
function sending(url, params) {
  if (!params?.fileinfo) return superagent.post(url).send(params);
  const { fileinfo, pic_buffer: file } = params;
  const form = [
    '--boundary', 'Content-Disposition: form-data; name="meta"', 'Content-Type: application/json', '', JSON.stringify(fileinfo),
    '--boundary', `Content-Disposition: form-data; name="file"; filename="${fileinfo.filename}"`, 'Content-Type: image/png', '', '',
  ].join('\r\n');
  return superagent.post(host + url).send(Buffer.concat([Buffer.from(form), file, Buffer.from('\r\n--boundary--\r\n')]));
}

// verified is client with an HTTP layer that calls the SDK's verifySign for every answer and names the key in every request.
export function verified([serial], who = merchant) {
  const pay = client(who);
  const answered = async (request) => {
    const { status, headers, text, body } = await request.ok(() => true);
    if (status >= 300) return { status, error: text };
    assert(await pay.verifySign(signed({ headers, body: text }, who)), 'the signature of the answer is not valid');
    return { status, data: body };
  };
  const named = (headers) => ({ 'Wechatpay-Serial': serial, ...headers }); // unless the SDK names a key by itself
  pay.createHttp({
    get: (url, headers) => answered(superagent.get(url).set(named(headers))),
    post: (url, params, headers) => answered(sending(url, params).set(named(headers))),
  });
  return pay;
}

// get and post are raw calls, signed by the SDK, for what it has no function for.
export const get = (pay, path) => pay.httpService.get(host + path, pay.getHeaders(pay.buildAuthorization('GET', host + path)));
export const post = (pay, path, body) => pay.httpService.post(
  host + path, body, pay.getHeaders(pay.buildAuthorization('POST', host + path, body), { 'Content-Type': 'application/json' }),
);

// done is what a call that has to succeed answered.
export async function done(call) {
  const { status, data, error } = await call;
  assert(status < 300, error);
  return data;
}

// refused wants the provider's own refusal of a call.
export async function refused(call, status, code) {
  const answer = await call;
  assert.deepEqual([answer.status, answer.error && JSON.parse(answer.error).code], [status, code]);
}

// open verifies and decrypts a notification.
export async function open(pay, notification, [serial], who = merchant) {
  assert.equal(notification.headers['wechatpay-serial'], serial);
  assert(await pay.verifySign(signed(notification, who)), 'the signature of the notification is not valid');
  const { event_type: event, resource: { ciphertext, associated_data: aad, nonce, original_type: type } } = JSON.parse(notification.body);
  return { event, type, content: pay.decipher_gcm(ciphertext, aad, nonce, who.api_v3_key) };
}

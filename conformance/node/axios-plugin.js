// What the tests of wechatpay-axios-plugin share. The SDK verifies every answer by itself; its base URL is an option, so plain HTTP is
// enough.
import assert from 'node:assert/strict';

import plugin from 'wechatpay-axios-plugin';

import { merchant, pem, second } from './sandbox.js';

const { Wechatpay, Aes: { AesGcm }, Formatter, Rsa } = plugin;

// modes are the two kinds of key: [what names it, the key].
export const modes = {
  certificate: [merchant.platform_serial_no, pem(merchant.platform_certificate_file)],
  publicKey: [merchant.public_key_id, pem(merchant.public_key_file)],
};

// client is the SDK of a merchant, with one of the keys.
export const client = ([serial, key], changes = {}, who = merchant) => new Wechatpay({
  mchid: who.mchid,
  serial: who.merchant_serial_no,
  privateKey: pem(who.merchant_private_key_file),
  certs: { [serial]: key },
  baseURL: merchant.base_url,
  headers: { 'Wechatpay-Serial': serial },
  ...changes,
});

// secondClient is the SDK of the second merchant.
export const secondClient = (key) => client(key, {}, second);

// seal encrypts a sensitive field to the provider, unseal opens one that came to the merchant.
export const seal = (text, [, key]) => Rsa.encrypt(text, Rsa.from(key, Rsa.KEY_TYPE_PUBLIC));
export const unseal = (text) => Rsa.decrypt(text, Rsa.from(pem(merchant.merchant_private_key_file), Rsa.KEY_TYPE_PRIVATE));

// open verifies and decrypts a notification: the SDK leaves that to three of its functions.
export function open({ headers, body }, [serial, key], who = merchant) {
  assert.equal(headers['wechatpay-serial'], serial);
  const text = Formatter.response(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body);
  assert(Rsa.verify(text, headers['wechatpay-signature'], Rsa.from(key, Rsa.KEY_TYPE_PUBLIC)), 'the signature is not valid');
  const { event_type: event, resource: { ciphertext, nonce, associated_data: aad, original_type: type } } = JSON.parse(body);
  return { event, type, content: JSON.parse(AesGcm.decrypt(ciphertext, who.api_v3_key, nonce, aad)) };
}

// effects are bad answers, and what the SDK calls them.
export const effects = {
  bad_signature: 'EV3_RES_HEADER_SIGNATURE_DIGEST',
  probe: 'EV3_RES_HEADER_SIGNATURE_DIGEST',
  stale_timestamp: 'EV3_RES_HEADER_TIMESTAMP_OFFSET',
  unknown_serial: 'EV3_RES_HEADER_PLATFORM_SERIAL',
};

// refused is what the provider's own refusal looks like, for assert.rejects.
export const refused = (status, code) => ({ response }) => response?.status === status && response.data.code === code;

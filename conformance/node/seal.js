// Makes a notification with wechatpay-axios-plugin, sealed and signed as the provider would: a JSON object on standard input says what,
// one on standard output is the result.
import { readFileSync } from 'node:fs';

import plugin from 'wechatpay-axios-plugin';

const { Aes: { AesGcm }, Formatter, Rsa } = plugin;
const { plaintext, key, serial, privateKey } = JSON.parse(readFileSync(0, 'utf8'));

const nonce = Formatter.nonce(12);
const body = JSON.stringify({
  id: 'EV-1', create_time: '2024-06-01T08:00:30+08:00', event_type: 'TRANSACTION.SUCCESS', resource_type: 'encrypt-resource', summary: '支付成功',
  resource: {
    original_type: 'transaction', algorithm: 'AEAD_AES_256_GCM', ciphertext: AesGcm.encrypt(plaintext, key, nonce, 'transaction'),
    associated_data: 'transaction', nonce,
  },
});
const timestamp = String(Formatter.timestamp());
const signed = Formatter.nonce();
console.log(JSON.stringify({
  body,
  headers: {
    'Wechatpay-Timestamp': timestamp,
    'Wechatpay-Nonce': signed,
    'Wechatpay-Serial': serial,
    'Wechatpay-Signature': Rsa.sign(Formatter.response(timestamp, signed, body), privateKey),
  },
}));

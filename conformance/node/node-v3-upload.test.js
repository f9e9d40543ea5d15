// wechatpay-node-v3: the upload of pictures, of which it signs the meta alone. It leaves the form, and even the host, to the HTTP layer.
import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, it } from 'node:test';

import { client, done, modes, refused, verified } from './node-v3.js';
import { fault } from './sandbox.js';

const content = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 13, 10, 45, 45]); // with bytes that a form could take for its own

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, uploads, with ${mode}`, () => {
    const pay = verified(key);

    it('sends a picture', async () => {
      assert((await done(pay.upload_images(content, '店面.png'))).media_id);
    });

    it('is refused: a kind of file that is none', () => refused(pay.upload_images(content, 'a.exe'), 400, 'PARAM_ERROR'));

    it('refuses an answer that is wrongly signed', async () => {
      await fault('upload_image', 'bad_signature');
      await assert.rejects(pay.upload_images(content, 'a.png'), /signature of the answer/);
    });
  });
}

describe('wechatpay-node-v3, uploads', () => {
  it('go nowhere with its own HTTP layer', async (t) => {
    const asked = [];
    t.mock.method(http.Agent.prototype, 'createConnection', (options) => {
      asked.push(options.host);
      throw new Error('nothing may be called');
    });
    const { status, data } = await client().upload_images(content, 'a.png');
    assert.deepEqual([status, data, asked], [undefined, undefined, ['localhost']]);
  });
});

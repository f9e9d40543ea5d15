// wechatpay-axios-plugin: uploads, of which it signs the meta alone.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import plugin from 'wechatpay-axios-plugin';

import { client, effects, modes, refused } from './axios-plugin.js';
import { fault } from './sandbox.js';

const { Multipart } = plugin;

const content = Buffer.from([0xff, 0xd8, 0xff, 0, 13, 10, 45, 45]); // with bytes that a form could take for its own
const digest = createHash('sha256').update(content).digest('hex');

// form is an upload in the SDK's own form. As its bytes, because the present axios takes a form apart: see the README.
function form(name, sha256 = digest) {
  const meta = { filename: name, sha256 };
  const body = new Multipart();
  body.append('meta', JSON.stringify(meta));
  body.append('file', content, name);
  return { body, config: { meta, headers: body.getHeaders() } };
}

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, uploads, with ${mode}`, () => {
    const { merchant, marketing, merchantService } = client(key).v3;
    const send = (endpoint, { body, config }) => endpoint.post(body.getBuffer(), config);

    for (const [what, [endpoint, name, id]] of Object.entries({
      'a picture': [merchant.media.upload, '店面.png', 'media_id'],
      'a video': [merchant.media.video_upload, 'a.mp4', 'media_id'],
      'a picture for coupons': [marketing.favor.media.imageUpload, 'a.jpg', 'media_url'],
      'a picture for complaints': [merchantService.images.upload, 'a.bmp', 'media_id'],
    })) {
      it(`sends ${what}`, async () => {
        const { data } = await send(endpoint, form(name));
        assert(data[id], `no ${id}`);
      });
    }

    it('sends a picture in the form that axios makes of an object', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, 'a.png');
      writeFileSync(path, content);
      const meta = { filename: 'a.png', sha256: digest };
      const { data } = await merchant.media.upload.post({ meta: JSON.stringify(meta), file: createReadStream(path) }, {
        meta, headers: { 'Content-Type': 'multipart/form-data' },
      });
      assert(data.media_id);
    });

    it('is refused: another digest, a video as a picture, another meta than was signed', async () => {
      await assert.rejects(send(merchant.media.upload, form('a.png', digest.replace(/./, 'x'))), refused(400, 'PARAM_ERROR'));
      await assert.rejects(send(merchant.media.upload, form('a.mp4')), refused(400, 'PARAM_ERROR'));
      const { body } = form('a.png');
      await assert.rejects(send(merchant.media.upload, { ...form('b.png'), body }), refused(401, 'SIGN_ERROR'));
    });

    it('loses the name of the file when axios gets the form itself', async () => {
      const { body, config: { headers } } = form('a.png'); // the SDK finds meta in it
      const lost = ({ response }) => response.status === 400 && response.data.detail.field === '/filename';
      await assert.rejects(merchant.media.upload.post(body, { headers }), lost);
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}`, async () => {
        await fault('upload_image', effect);
        await assert.rejects(send(merchant.media.upload, form('a.png')), { code });
      });
    }
  });
}

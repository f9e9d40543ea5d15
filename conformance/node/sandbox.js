// A running sandbox as its merchant knows it: TONGBAO_SANDBOX names the directory with its credentials.json.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const directory = process.env.TONGBAO_SANDBOX;
assert(directory, 'TONGBAO_SANDBOX must name the directory of a running sandbox: see the README');

const credentials = JSON.parse(readFileSync(join(directory, 'credentials.json'), 'utf8'));

export const pem = (file) => readFileSync(join(directory, file), 'utf8');
export const merchant = credentials.wechatpay;
export const second = merchant.sub_merchants[0]; // the merchant's 特约商户 in partner mode, and a merchant of its own right
export const tlsURL = credentials.tls_url;
export const authority = pem(credentials.ca_file);

// Numbers never used before, so that a sandbox may be tested more than once.
export const number = (prefix) => `${prefix}${process.hrtime.bigint()}`;

// control calls the control API, which has to succeed.
export async function control(method, target, body) {
  const answer = await fetch(credentials.control_url + target, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert(answer.ok, `${method} ${target}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

export const pay = (outTradeNo) => control('POST', '/wechatpay/pay', { out_trade_no: outTradeNo, result: 'success' });

// payWith pays by what a prepay answered, as {prepay_id}, {code_url} or {h5_url}: the payer's phone has nothing else.
export const payWith = (code) => control('POST', '/wechatpay/pay', { ...code, result: 'success' });

export const payCombined = (combineOutTradeNo) => payWith({ combine_out_trade_no: combineOutTradeNo });

// authCode is a code that a payer shows, with what becomes of it: success, userpaying, fail or not_enough.
export const authCode = async (outcome) => (await control('POST', '/wechatpay/auth_code', { outcome })).auth_code;

// settle ends the processing of a refund, which a merchant would wait for.
export const settle = (outRefundNo) => control('POST', `/wechatpay/refunds/${outRefundNo}/settle`, { outcome: 'SUCCESS' });

// fault makes one call or notification go wrong: of one order, combined payment or transfer if its number is given.
export const fault = (operation, effect, number) => control('POST', '/faults', {
  provider: 'wechatpay', operation, effect, times: 1, match: { out_trade_no: number },
});

export const settings = (changes) => control('POST', '/wechatpay/settings', changes);

// topUp fills the operating account, which transfers are paid from.
export const topUp = (amount, mchid = merchant.mchid) => control('POST', '/wechatpay/funds', { action: 'top_up', account: 'operation', amount, mchid });

export const confirmTransfer = (outBillNo) => control('POST', `/wechatpay/transfers/${outBillNo}/confirm`);

// advance moves the sandbox's clock, by a duration such as 1m. A sandbox whose clock is moved must not be shared with other tests.
export const advance = (duration) => control('POST', '/clock/advance', { duration });

// until moves the clock to the next full hour of that name in China and returns the day.
export async function until(hour) {
  const china = 8 * 60 * 60 * 1000;
  const now = Date.parse((await control('GET', '/clock')).now) + china;
  const then = new Date(now);
  then.setUTCHours(hour, 0, 0, 0);
  if (then.getTime() <= now) then.setUTCDate(then.getUTCDate() + 1);
  await advance(`${then.getTime() - now}ms`);
  return then.toISOString().slice(0, 10);
}

// receiver is a notification endpoint that acknowledges everything; next() is the next notification, headers and raw body.
export async function receiver() {
  const arrived = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(204).end();
    const got = { headers: request.headers, body: Buffer.concat(chunks).toString('utf8') };
    const resolve = waiting.shift();
    if (resolve) resolve(got); else arrived.push(got);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}/notify`,
    next: () => new Promise((resolve, reject) => {
      if (arrived.length) {
        resolve(arrived.shift());
        return;
      }
      const late = setTimeout(() => reject(new Error('no notification arrived')), 10_000);
      waiting.push((got) => {
        clearTimeout(late);
        resolve(got);
      });
    }),
    close: () => { server.close(); server.closeAllConnections(); },
  };
}

// slowClock sets Date back by the milliseconds until the test ends.
export function slowClock(test, by) {
  const real = globalThis.Date;
  globalThis.Date = class extends real {
    constructor(...given) {
      if (given.length) super(...given); else super(real.now() - by);
    }

    static now() {
      return real.now() - by;
    }
  };
  test.after(() => { globalThis.Date = real; });
}

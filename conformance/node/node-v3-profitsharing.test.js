// wechatpay-node-v3: profit sharing (分账), the receivers' names encrypted by the SDK.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { done, get, modes, open, refused, verified } from './node-v3.js';
import { forSharing, order, sharing, sharingMerchant, sharingPerson } from './requests.js';
import { advance, fault, merchant, number, pay as payOrder, receiver, second, settings } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, profit sharing, with ${mode}`, () => {
    const pay = verified(key);
    const [serial, publicKey] = key;
    const seal = (text) => pay.publicEncrypt(text, publicKey);
    // The SDK takes the serial number out of the body and makes it the header.
    const share = (transactionID, outOrderNo) => pay.create_profitsharing_orders({ ...sharing(transactionID, outOrderNo, seal('张三')), wx_serial_no: serial });
    const left = async (transactionID) => (await done(pay.query_profitsharing_amounts(transactionID))).unsplit_amount;
    let notified;
    let shared; // what the receiving merchant is told
    before(async () => {
      notified = await receiver();
      shared = await receiver();
      await settings({ profit_sharing: { notify_urls: { [second.mchid]: shared.url } } });
      const company = await done(pay.profitsharing_receivers_add({ ...sharingMerchant(seal(second.name)), wx_serial_no: serial }));
      assert.equal(pay.privateDecrypt(company.name), second.name);
      const person = await done(pay.profitsharing_receivers_add({ ...sharingPerson(seal('张三')), wx_serial_no: serial }));
      assert.equal(pay.privateDecrypt(person.name), '张三');
    });
    after(() => { notified.close(); shared.close(); });

    // paid is the transaction_id of an order that may be shared.
    async function paid() {
      const outTradeNo = number('N3P');
      await done(pay.transactions_native(order(outTradeNo, notified.url, forSharing)));
      await payOrder(outTradeNo);
      await advance('1m');
      return (await open(pay, await notified.next(), key)).content.transaction_id;
    }

    it('shares, returns and releases', async () => {
      const transactionID = await paid();
      const outOrderNo = `${number('S')}_-@`;
      const made = await done(share(transactionID, outOrderNo));
      assert.equal(made.state, 'PROCESSING');
      await advance('1m');
      assert.equal((await done(share(transactionID, outOrderNo))).order_id, made.order_id, 'the name is encrypted anew, the sharing is the same');
      const finished = await done(pay.query_profitsharing_orders(transactionID, outOrderNo));
      assert.deepEqual([finished.state, ...finished.receivers.map(({ result }) => result)], ['FINISHED', 'SUCCESS', 'SUCCESS']);
      assert.equal(await left(transactionID), 1000 - 6 - 250);
      const told = await open(pay, await shared.next(), key, second);
      assert.deepEqual([told.content.transaction_id, told.content.receiver.amount], [transactionID, 200]);

      const returning = { out_order_no: outOrderNo, out_return_no: number('B@'), return_mchid: second.mchid, amount: 120, description: '用户退款' };
      const returned = await done(pay.profitsharing_return_orders(returning));
      assert.equal(returned.result, 'SUCCESS');
      assert.deepEqual(await done(pay.query_profitsharing_return_orders(returning.out_return_no, outOrderNo)), returned);

      const releasing = { transaction_id: transactionID, out_order_no: number('U'), description: '解冻全部剩余资金' };
      await done(pay.profitsharing_orders_unfreeze(releasing));
      await advance('1m');
      const released = await done(pay.query_profitsharing_orders(transactionID, releasing.out_order_no));
      assert.equal(released.receivers[0].account, merchant.mchid);
      assert.equal(await left(transactionID), 0);
    });

    it('is refused: a name in the clear, another company\'s name, an unknown number', async () => {
      await refused(pay.profitsharing_receivers_add({ ...sharingMerchant(second.name), wx_serial_no: serial }), 400, 'PARAM_ERROR');
      await refused(pay.profitsharing_receivers_add({ ...sharingMerchant(seal('别的公司')), wx_serial_no: serial }), 400, 'INVALID_REQUEST');
      await refused(pay.query_profitsharing_orders(await paid(), number('S')), 404, 'RESOURCE_NOT_EXISTS');
    });

    it('refuses an answer that is wrongly signed, and finds the sharing done', async () => {
      const transactionID = await paid();
      const outOrderNo = number('S');
      await fault('profitsharing', 'bad_signature');
      await assert.rejects(share(transactionID, outOrderNo), /signature of the answer/);
      assert.equal((await done(pay.query_profitsharing_orders(transactionID, outOrderNo))).state, 'PROCESSING');
    });

    it('shares with nobody who was removed', async () => {
      const transactionID = await paid();
      const { appid, type, account } = sharingPerson();
      await done(pay.profitsharing_receivers_delete({ appid, type, account }));
      await refused(share(transactionID, number('S')), 400, 'INVALID_REQUEST');
    });

    it('asks for the ratio of a sub-merchant by a raw call', async () => {
      assert.equal((await done(get(pay, `/v3/profitsharing/merchant-configs/${second.mchid}`))).max_ratio, 3000);
    });
  });
}

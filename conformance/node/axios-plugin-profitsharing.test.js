// wechatpay-axios-plugin: profit sharing (分账), the receivers' names encrypted by the SDK.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { client, effects, modes, open, refused, seal, unseal } from './axios-plugin.js';
import { forSharing, order, sharing, sharingMerchant, sharingPerson } from './requests.js';
import { advance, fault, merchant, number, pay, receiver, second, settings } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, profit sharing, with ${mode}`, () => {
    const wxpay = client(key);
    const { orders, returnOrders, receivers, transactions } = wxpay.v3.profitsharing;
    const share = (transactionID, outOrderNo) => orders.post(sharing(transactionID, outOrderNo, seal('张三', key)));
    const query = async (transactionID, outOrderNo) => (await orders.$out_order_no$.get({ params: { transaction_id: transactionID }, out_order_no: outOrderNo })).data;
    const left = async (transactionID) => (await transactions.$transaction_id$.amounts.get({ transaction_id: transactionID })).data.unsplit_amount;
    let notified;
    let shared; // what the receiving merchant is told
    before(async () => {
      notified = await receiver();
      shared = await receiver();
      await settings({ profit_sharing: { notify_urls: { [second.mchid]: shared.url } } });
      const { data: company } = await receivers.add.post(sharingMerchant(seal(second.name, key)));
      assert.deepEqual([unseal(company.name), company.custom_relation], [second.name, '加盟商']);
      const { data: person } = await receivers.add.post(sharingPerson(seal('张三', key)));
      assert.equal(unseal(person.name), '张三');
    });
    after(() => { notified.close(); shared.close(); });

    // paid is the transaction_id of an order that may be shared.
    async function paid() {
      const outTradeNo = number('AXP');
      await wxpay.v3.pay.transactions.native.post(order(outTradeNo, notified.url, forSharing));
      await pay(outTradeNo);
      await advance('1m');
      return open(await notified.next(), key).content.transaction_id;
    }

    it('shares, returns and releases', async () => {
      const transactionID = await paid();
      const outOrderNo = `${number('S')}_-|*@`; // all that such a number may have
      const made = await share(transactionID, outOrderNo);
      assert.equal(made.data.state, 'PROCESSING');
      await advance('1m');
      assert.equal((await share(transactionID, outOrderNo)).data.order_id, made.data.order_id, 'the name is encrypted anew, the sharing is the same');
      const done = await query(transactionID, outOrderNo);
      assert.deepEqual([done.state, ...done.receivers.map(({ result }) => result)], ['FINISHED', 'SUCCESS', 'SUCCESS']);
      assert.equal(await left(transactionID), 1000 - 6 - 250);
      const told = open(await shared.next(), key, second);
      assert.deepEqual([told.content.transaction_id, told.content.receiver.amount], [transactionID, 200]);

      const returning = { out_order_no: outOrderNo, out_return_no: number('B@'), return_mchid: second.mchid, amount: 120, description: '用户退款' };
      const { data: returned } = await returnOrders.post(returning);
      assert.equal(returned.result, 'SUCCESS');
      const queried = await returnOrders.$out_return_no$.get({ params: { out_order_no: outOrderNo }, out_return_no: returning.out_return_no });
      assert.deepEqual(queried.data, returned);

      const releasing = { transaction_id: transactionID, out_order_no: number('U'), description: '解冻全部剩余资金' };
      await orders.unfreeze.post(releasing);
      await advance('1m');
      assert.equal((await query(transactionID, releasing.out_order_no)).receivers[0].account, merchant.mchid);
      assert.equal(await left(transactionID), 0);
      await assert.rejects(share(transactionID, number('S')), refused(400, 'INVALID_REQUEST'));
    });

    it('is refused: a name in the clear, another company\'s name, too large a part, an unknown number', async () => {
      await assert.rejects(receivers.add.post(sharingMerchant(second.name)), refused(400, 'PARAM_ERROR'));
      await assert.rejects(receivers.add.post(sharingMerchant(seal('别的公司', key))), refused(400, 'INVALID_REQUEST'));
      const transactionID = await paid();
      const large = sharing(transactionID, number('S'), seal('张三', key));
      large.receivers[0].amount = 251;
      await assert.rejects(orders.post(large), refused(403, 'RULE_LIMIT'));
      await assert.rejects(query(transactionID, number('S')), refused(404, 'RESOURCE_NOT_EXISTS'));
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}, and finds the sharing done`, async () => {
        const transactionID = await paid();
        const outOrderNo = number('S');
        await fault('profitsharing', effect);
        await assert.rejects(share(transactionID, outOrderNo), { code });
        assert.equal((await query(transactionID, outOrderNo)).state, 'PROCESSING');
      });
    }

    it('shares with nobody who was removed', async () => {
      const transactionID = await paid();
      const { appid, type, account } = sharingPerson();
      // The address ends like one of the SDK's functions, for which it has chain.
      await receivers.chain('delete').post({ appid, type, account });
      await assert.rejects(share(transactionID, number('S')), refused(400, 'INVALID_REQUEST'));
    });
  });
}

describe('wechatpay-axios-plugin, profit sharing of a service provider', () => {
  it('asks for the ratio of its sub-merchant', async () => {
    const { data } = await client(modes.publicKey).v3.profitsharing.merchantConfigs.$sub_mchid$.get({ sub_mchid: second.mchid });
    assert.equal(data.max_ratio, 3000);
  });
});

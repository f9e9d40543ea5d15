// wechatpay-axios-plugin: transfers (商家转账) in the user-confirm mode.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { client, effects, modes, open, refused, seal, unseal } from './axios-plugin.js';
import { transfer } from './requests.js';
import { advance, confirmTransfer, fault, merchant, number, receiver, second, topUp } from './sandbox.js';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-axios-plugin, transfers, with ${mode}`, () => {
    const { transferBills, partner } = client(key).v3.fundApp.mchTransfer;
    const body = (outBillNo, amount = 500, more = {}) => transfer(outBillNo, amount, seal('张三', key), notified.url, more);
    const query = async (outBillNo) => (await transferBills.outBillNo.$out_bill_no$.get({ out_bill_no: outBillNo })).data;
    const cancel = (outBillNo) => transferBills.outBillNo.$out_bill_no$.cancel.post(undefined, { out_bill_no: outBillNo });
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    it('is short of money, topped up, confirmed and notified', async () => {
      const outBillNo = number('AXT');
      await assert.rejects(transferBills.post(body(outBillNo, 1_000_000)), refused(403, 'NOT_ENOUGH'));
      await topUp(1_100_000);
      const { data: made } = await transferBills.post(body(outBillNo, 1_000_000));
      assert.equal(made.state, 'WAIT_USER_CONFIRM');
      assert.equal((await transferBills.post(body(outBillNo, 1_000_000))).data.package_info, made.package_info, 'the name is encrypted anew, the transfer is the same');
      await assert.rejects(transferBills.post(body(outBillNo, 1_000_001)), refused(400, 'ALREADY_EXISTS'));
      await confirmTransfer(outBillNo);
      await advance('1m');
      const done = await query(outBillNo);
      assert.deepEqual([done.state, unseal(done.user_name)], ['SUCCESS', '张三']);
      const byID = (await transferBills.transferBillNo.$transfer_bill_no$.get({ transfer_bill_no: made.transfer_bill_no })).data;
      assert.deepEqual([byID.out_bill_no, byID.update_time], [outBillNo, done.update_time]);
      const { event, type, content } = open(await notified.next(), key);
      assert.deepEqual([event, type], ['MCHTRANSFER.BILL.FINISHED', 'mch_payment']);
      assert.deepEqual([content.out_bill_no, content.state, content.transfer_amount], [outBillNo, 'SUCCESS', 1_000_000]);
      await assert.rejects(cancel(outBillNo), refused(400, 'INVALID_REQUEST'));
    });

    it('is cancelled', async () => {
      const outBillNo = number('AXU');
      await transferBills.post(body(outBillNo));
      assert.equal((await cancel(outBillNo)).data.state, 'CANCELING');
      await advance('1m');
      assert.equal((await query(outBillNo)).state, 'CANCELLED');
      assert.equal(open(await notified.next(), key).content.state, 'CANCELLED');
    });

    it('is refused: a name in the clear, an unknown number', async () => {
      await assert.rejects(transferBills.post({ ...body(number('AXV')), user_name: '张三' }), refused(400, 'PARAM_ERROR'));
      await assert.rejects(query(number('AXV')), refused(404, 'NOT_FOUND'));
    });

    for (const [effect, code] of Object.entries(effects)) {
      it(`refuses an answer with ${effect}, and gets the transfer when it asks again`, async () => {
        const outBillNo = number('AXW');
        await fault('transfer', effect, outBillNo);
        await assert.rejects(transferBills.post(body(outBillNo)), { code });
        assert.equal((await transferBills.post(body(outBillNo))).data.state, 'WAIT_USER_CONFIRM');
      });
    }

    for (const effect of ['bad_signature', 'corrupt', 'other_key']) {
      it(`refuses a notification with ${effect}`, async () => {
        const outBillNo = number('AXX');
        await transferBills.post(body(outBillNo));
        await fault('notify/transfer', effect, outBillNo);
        await confirmTransfer(outBillNo);
        await advance('4s');
        const notification = await notified.next();
        assert.throws(() => open(notification, key));
      });
    }

    it('is made and cancelled for a sub-merchant', async () => {
      const outBillNo = number('AXY');
      await topUp(500, second.mchid);
      const { data } = await partner.transferBills.post(body(outBillNo, 500, { sub_mchid: second.mchid }));
      assert.equal(data.state, 'WAIT_USER_CONFIRM');
      const bill = partner.transferBills.outBillNo.$out_bill_no$;
      const named = { out_bill_no: outBillNo };
      assert.equal((await bill.get({ params: { sub_mchid: second.mchid }, ...named })).data.mch_id, second.mchid);
      assert.equal((await bill.cancel.post({ sub_mchid: second.mchid }, named)).data.state, 'CANCELING');
      await assert.rejects(query(outBillNo), refused(404, 'NOT_FOUND'), `it is none of ${merchant.mchid}'s own`);
      await advance('1m');
      await notified.next();
    });
  });
}

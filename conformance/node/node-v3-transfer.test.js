// wechatpay-node-v3: transfers (商家转账) in the user-confirm mode, which it has no functions for, by its raw signed calls.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { done, get, modes, open, post, refused, verified } from './node-v3.js';
import { transfer } from './requests.js';
import { advance, confirmTransfer, fault, number, receiver, second, topUp } from './sandbox.js';

const bills = '/v3/fund-app/mch-transfer/transfer-bills';
const partnerBills = '/v3/fund-app/mch-transfer/partner/transfer-bills';

for (const [mode, key] of Object.entries(modes)) {
  describe(`wechatpay-node-v3, transfers, with ${mode}`, () => {
    const pay = verified(key);
    const body = (outBillNo, amount = 500, more = {}) => transfer(outBillNo, amount, pay.publicEncrypt('张三', key[1]), notified.url, more);
    const query = (outBillNo) => get(pay, `${bills}/out-bill-no/${outBillNo}`);
    let notified;
    before(async () => { notified = await receiver(); });
    after(() => notified.close());

    it('is short of money, topped up, confirmed and notified', async () => {
      const outBillNo = number('N3T');
      await refused(post(pay, bills, body(outBillNo, 1_000_000)), 403, 'NOT_ENOUGH');
      await topUp(1_100_000);
      const made = await done(post(pay, bills, body(outBillNo, 1_000_000)));
      assert.equal(made.state, 'WAIT_USER_CONFIRM');
      assert.equal((await done(post(pay, bills, body(outBillNo, 1_000_000)))).package_info, made.package_info);
      await refused(post(pay, bills, body(outBillNo, 1_000_001)), 400, 'ALREADY_EXISTS');
      await confirmTransfer(outBillNo);
      await advance('1m');
      const finished = await done(query(outBillNo));
      assert.deepEqual([finished.state, pay.privateDecrypt(finished.user_name)], ['SUCCESS', '张三']);
      assert.equal((await done(get(pay, `${bills}/transfer-bill-no/${made.transfer_bill_no}`))).out_bill_no, outBillNo);
      const { event, type, content } = await open(pay, await notified.next(), key);
      assert.deepEqual([event, type], ['MCHTRANSFER.BILL.FINISHED', 'mch_payment']);
      assert.deepEqual([content.out_bill_no, content.state, content.transfer_amount], [outBillNo, 'SUCCESS', 1_000_000]);
    });

    it('cancels for a sub-merchant', async () => {
      const outBillNo = number('N3U');
      await topUp(500, second.mchid);
      const named = { sub_mchid: second.mchid };
      await done(post(pay, partnerBills, body(outBillNo, 500, named)));
      assert.equal((await done(post(pay, `${partnerBills}/out-bill-no/${outBillNo}/cancel`, named))).state, 'CANCELING');
      await advance('1m');
      const cancelled = await done(get(pay, `${partnerBills}/out-bill-no/${outBillNo}?sub_mchid=${second.mchid}`));
      assert.deepEqual([cancelled.state, cancelled.mch_id], ['CANCELLED', second.mchid]);
      assert.equal((await open(pay, await notified.next(), key)).content.state, 'CANCELLED');
    });

    it('cannot sign a cancel, which has no body', async () => {
      const outBillNo = number('N3V');
      await done(post(pay, bills, body(outBillNo)));
      // The SDK leaves out the empty last line of the text to sign, but for GET: see the README.
      await refused(post(pay, `${bills}/out-bill-no/${outBillNo}/cancel`), 401, 'SIGN_ERROR');
      assert.equal((await done(query(outBillNo))).state, 'WAIT_USER_CONFIRM');
    });

    it('is told that its own function is for an API that is no more', async () => {
      const { status, error } = await pay.batches_transfer({
        out_batch_no: number('N3W'), batch_name: '六月', batch_remark: '六月奖励', total_amount: 500, total_num: 1, wx_serial_no: key[0],
        transfer_detail_list: [{ out_detail_no: number('N3X'), transfer_amount: 500, transfer_remark: '奖励', openid: 'any' }],
      });
      assert.deepEqual([status, JSON.parse(error).code], [403, 'NO_AUTH']);
    });

    it('refuses an answer and a notification that are signed wrongly', async () => {
      const outBillNo = number('N3Y');
      await fault('transfer', 'bad_signature', outBillNo);
      await assert.rejects(post(pay, bills, body(outBillNo)), /signature of the answer/);
      await done(post(pay, bills, body(outBillNo)));
      await fault('notify/transfer', 'bad_signature', outBillNo);
      await confirmTransfer(outBillNo);
      await advance('4s');
      await assert.rejects(async () => open(pay, await notified.next(), key), /signature of the notification/);
    });
  });
}

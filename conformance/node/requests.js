// The bodies of requests, in the provider's own words: both SDKs pass them on as they are.
import { merchant, second } from './sandbox.js';

const description = '一杯咖啡 <大> & 小';

// order is one of 1000 fen.
export const order = (outTradeNo, notifyURL, more = {}) => ({
  appid: merchant.appid, mchid: merchant.mchid, description, out_trade_no: outTradeNo, notify_url: notifyURL,
  amount: { total: 1000, currency: 'CNY' }, ...more,
});

// kinds of prepay: what the answer has to pay with, what the request needs besides, and the trade_type.
export const kinds = {
  native: { credential: 'code_url', needs: {}, type: 'NATIVE' },
  jsapi: { credential: 'prepay_id', needs: { payer: { openid: merchant.openid } }, type: 'JSAPI' },
  app: { credential: 'prepay_id', needs: {}, type: 'APP' },
  h5: { credential: 'h5_url', needs: { scene_info: { payer_client_ip: '203.0.113.8', h5_info: { type: 'Wap' } } }, type: 'MWEB' },
};

// cart is a combined payment of the two merchants, whose sub orders are number + A and number + B.
export const cart = (number, notifyURL, more = {}) => ({
  combine_appid: merchant.appid, combine_mchid: merchant.mchid, combine_out_trade_no: number, notify_url: notifyURL,
  sub_orders: [[merchant, 'A', 60], [second, 'B', 40]].map(([{ mchid }, suffix, total]) => ({
    mchid, out_trade_no: number + suffix, attach: `店 ${suffix}`, description, amount: { total_amount: total, currency: 'CNY' },
  })),
  ...more,
});

// combinedKinds is kinds for combined payments.
export const combinedKinds = {
  ...kinds,
  jsapi: { ...kinds.jsapi, needs: { combine_payer_info: { openid: merchant.openid } } },
};

// closing names the sub orders of a cart.
export const closing = (number) => [{ mchid: merchant.mchid, out_trade_no: `${number}A` }, { mchid: second.mchid, out_trade_no: `${number}B` }];

export const forSharing = { settle_info: { profit_sharing: true } };

// sharingMerchant and sharingPerson are receivers; name is the encrypted one.
export const sharingMerchant = (name) => ({
  appid: merchant.appid, type: 'MERCHANT_ID', account: second.mchid, name, relation_type: 'CUSTOM', custom_relation: '加盟商',
});
export const sharingPerson = (name) => ({
  appid: merchant.appid, type: 'PERSONAL_OPENID', account: merchant.openid, name, relation_type: 'STAFF',
});

// sharing is 200 fen for the merchant and 50 for the person.
export const sharing = (transactionID, outOrderNo, name) => ({
  appid: merchant.appid, transaction_id: transactionID, out_order_no: outOrderNo, unfreeze_unsplit: false,
  receivers: [
    { type: 'MERCHANT_ID', account: second.mchid, amount: 200, description: '分给商户' },
    { type: 'PERSONAL_OPENID', account: merchant.openid, name, amount: 50, description: '分给个人' },
  ],
});

// transfer is one in the user-confirm mode; name is the encrypted one.
export const transfer = (outBillNo, amount, name, notifyURL, more = {}) => ({
  appid: merchant.appid, out_bill_no: outBillNo, transfer_scene_id: '1000', openid: merchant.openid, user_name: name, transfer_amount: amount,
  transfer_remark: '六月奖励', notify_url: notifyURL,
  transfer_scene_report_infos: [{ info_type: '活动名称', info_content: '注册会员有礼' }, { info_type: '奖励说明', info_content: '注册奖励' }],
  ...more,
});

// partnerOrder is an order of the second merchant that the first places as its service provider.
export const partnerOrder = (outTradeNo, notifyURL, more = {}) => ({
  sp_appid: merchant.appid, sp_mchid: merchant.mchid, sub_appid: second.appid, sub_mchid: second.mchid, description, out_trade_no: outTradeNo,
  notify_url: notifyURL, amount: { total: 1000, currency: 'CNY' }, ...more,
});

// partnerKinds is kinds for partnerOrder.
export const partnerKinds = {
  ...kinds,
  jsapi: { ...kinds.jsapi, needs: { payer: { sp_openid: merchant.openid } } },
};

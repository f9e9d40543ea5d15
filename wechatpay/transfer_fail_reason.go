package wechatpay

// TransferFailReason is why a transfer failed (WeChat Pay APIv3, 商家转账, fail_reason). The list is open: new reasons come
// without notice, and all of them mean failed.
type TransferFailReason string

// The user's account, name or limits.
const (
	TransferFailAccountFrozen              TransferFailReason = "ACCOUNT_FROZEN"
	TransferFailAccountNotExist            TransferFailReason = "ACCOUNT_NOT_EXIST"
	TransferFailUserLimitMonth             TransferFailReason = "BLOCK_B2C_USERLIMITAMOUNT_MONTH"
	TransferFailUserLimitMonthRule         TransferFailReason = "BLOCK_B2C_USERLIMITAMOUNT_BSRULE_MONTH"
	TransferFailDayReceivedCountExceed     TransferFailReason = "DAY_RECEIVED_COUNT_EXCEED"
	TransferFailDayReceivedQuotaExceed     TransferFailReason = "DAY_RECEIVED_QUOTA_EXCEED"
	TransferFailIDCardNotCorrect           TransferFailReason = "ID_CARD_NOT_CORRECT"
	TransferFailNameNotCorrect             TransferFailReason = "NAME_NOT_CORRECT"
	TransferFailOpenIDInvalid              TransferFailReason = "OPENID_INVALID"
	TransferFailPayeeAccountAbnormal       TransferFailReason = "PAYEE_ACCOUNT_ABNORMAL"
	TransferFailRealNameReceivedQuota      TransferFailReason = "REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED"
	TransferFailRealNameCheckFail          TransferFailReason = "REAL_NAME_CHECK_FAIL"
	TransferFailReceiveAccountNotConfigure TransferFailReason = "RECEIVE_ACCOUNT_NOT_CONFIGURE"
)

// The merchant, and what became of the confirmation.
const (
	TransferFailExceededEstimatedAmount TransferFailReason = "EXCEEDED_ESTIMATED_AMOUNT"
	TransferFailMchCancel               TransferFailReason = "MCH_CANCEL"
	TransferFailMerchantNotConfirm      TransferFailReason = "MERCHANT_NOT_CONFIRM"
	TransferFailMerchantReject          TransferFailReason = "MERCHANT_REJECT"
	TransferFailOverdueClose            TransferFailReason = "OVERDUE_CLOSE" // the user did not confirm in 24 hours
	TransferFailPayerAccountAbnormal    TransferFailReason = "PAYER_ACCOUNT_ABNORMAL"
	TransferFailProductAuthCheckFail    TransferFailReason = "PRODUCT_AUTH_CHECK_FAIL"
	TransferFailQuotaExceed             TransferFailReason = "TRANSFER_QUOTA_EXCEED"
	TransferFailRemarkSetFail           TransferFailReason = "TRANSFER_REMARK_SET_FAIL"
	TransferFailRisk                    TransferFailReason = "TRANSFER_RISK"
	TransferFailReservationInfo         TransferFailReason = "RESERVATION_INFO_NOT_MATCH"
	TransferFailReservationScene        TransferFailReason = "RESERVATION_SCENE_NOT_MATCH"
	TransferFailReservationState        TransferFailReason = "RESERVATION_STATE_INVALID"
	TransferFailOther                   TransferFailReason = "OTHER_FAIL_REASON_TYPE"
)

// The user's bank card.
const (
	TransferFailBankCardAccountAbnormal      TransferFailReason = "BANK_CARD_ACCOUNT_ABNORMAL"
	TransferFailBankCardBankInfoWrong        TransferFailReason = "BANK_CARD_BANK_INFO_WRONG"
	TransferFailBankCardCardInfoWrong        TransferFailReason = "BANK_CARD_CARD_INFO_WRONG"
	TransferFailBankCardCollectionAboveQuota TransferFailReason = "BANK_CARD_COLLECTIONS_ABOVE_QUOTA"
	TransferFailBankCardParamError           TransferFailReason = "BANK_CARD_PARAM_ERROR"
	TransferFailBankCardStatusAbnormal       TransferFailReason = "BANK_CARD_STATUS_ABNORMAL"
)

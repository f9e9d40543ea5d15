module github.com/tongbao-pay/tongbao/conformance

go 1.26.0

require (
	github.com/tongbao-pay/tongbao v0.0.0
	github.com/wechatpay-apiv3/wechatpay-go v0.2.21
)

replace github.com/tongbao-pay/tongbao => ../

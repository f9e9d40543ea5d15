module github.com/tongbao-pay/tongbao/conformance

go 1.26.0

require (
	github.com/tongbao-pay/tongbao v0.0.0
	github.com/wechatpay-apiv3/wechatpay-go v0.2.21
)

require (
	github.com/go-pay/crypto v0.0.3 // indirect
	github.com/go-pay/gopay v1.5.123
	github.com/go-pay/util v0.0.4 // indirect
	github.com/go-pay/xlog v0.0.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
)

replace github.com/tongbao-pay/tongbao => ../

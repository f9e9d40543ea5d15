module github.com/tongbao-pay/tongbao/openssl

go 1.26.0

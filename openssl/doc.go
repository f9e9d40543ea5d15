// Package openssl does RSA with the OpenSSL 3 of the machine: the same signatures as crypto/rsa, a few times faster on most
// processors. It is for services that sign hundreds of requests a second and pay for it in processor time; below that,
// crypto/rsa needs nothing installed and is the better choice.
//
//	private, err := wechatpay.ParsePrivateKey(pem)
//	...
//	signer, err := openssl.NewPrivateKey(private)
//	...
//	config.Signer = signer // wechatpay.Config
//
// The library is libcrypto.so.3 (libcrypto.3.dylib on macOS), found by the system's loader when the first key is made. Nothing
// of OpenSSL is needed to build, only cgo. Where cgo is off, or the library is missing or older, NewPrivateKey and NewPublicKey
// fail with [ErrUnavailable] and say why: fall back to the *rsa.PrivateKey itself, which is a crypto.Signer too.
//
// Only what payments need is here: SHA-256 with PKCS#1 v1.5, and OAEP for encrypted fields of answers. Keys are copied into
// OpenSSL's memory, wiped and freed after the last reference is gone. Everything is safe for concurrent use.
package openssl

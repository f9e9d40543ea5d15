//go:build cgo && (linux || darwin)

package openssl

/*
#cgo linux LDFLAGS: -ldl
#cgo noescape tongbao_key
#cgo nocallback tongbao_key
#cgo noescape tongbao_sign
#cgo nocallback tongbao_sign
#cgo noescape tongbao_verify
#cgo nocallback tongbao_verify
#cgo noescape tongbao_decrypt
#cgo nocallback tongbao_decrypt
#include <stdlib.h>
#include "libcrypto.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// load finds the system's library, once for the process.
var load = sync.OnceValue(func() error { return loadFrom("") })

// loadFrom finds a library by its name; the system's if it is empty.
func loadFrom(name string) error {
	named := C.CString(name)
	defer C.free(unsafe.Pointer(named))
	text := make([]byte, C.TONGBAO_ERROR_MAX)
	if C.tongbao_load(named, (*C.char)(unsafe.Pointer(&text[0]))) == 1 {
		return nil
	}
	return fmt.Errorf("%w: install OpenSSL 3 (Debian: libssl3), or sign with the *rsa.PrivateKey itself: %s", ErrUnavailable, cString(text))
}

// handle is a key in OpenSSL's memory.
type handle struct{ key unsafe.Pointer }

func newHandle(der []byte, private bool) (*handle, error) {
	err := load()
	if err != nil {
		return nil, err
	}
	text := make([]byte, C.TONGBAO_ERROR_MAX)
	key := C.tongbao_key((*C.uchar)(unsafe.Pointer(&der[0])), C.long(len(der)), C.int(boolInt(private)), (*C.char)(unsafe.Pointer(&text[0])))
	if key == nil {
		return nil, fmt.Errorf("openssl: key not taken: %s", cString(text))
	}
	h := &handle{key}
	runtime.AddCleanup(h, func(key unsafe.Pointer) { C.tongbao_free(key) }, key)
	return h, nil
}

func (h *handle) sign(digest, signature []byte) (int, error) {
	n := C.tongbao_sign(h.key, (*C.uchar)(unsafe.Pointer(&digest[0])), C.size_t(len(digest)),
		(*C.uchar)(unsafe.Pointer(&signature[0])), C.size_t(len(signature)))
	runtime.KeepAlive(h)
	if n < 0 {
		text := make([]byte, C.TONGBAO_ERROR_MAX)
		C.tongbao_explain(n, (*C.char)(unsafe.Pointer(&text[0])))
		return 0, fmt.Errorf("openssl: sign: %s", cString(text))
	}
	return int(n), nil
}

func (h *handle) verify(digest, signature []byte) bool {
	ok := C.tongbao_verify(h.key, (*C.uchar)(unsafe.Pointer(&digest[0])), C.size_t(len(digest)),
		(*C.uchar)(unsafe.Pointer(&signature[0])), C.size_t(len(signature)))
	runtime.KeepAlive(h)
	return ok == 1
}

func (h *handle) decrypt(ciphertext, plaintext []byte, sha256 bool) (int, bool) {
	n := C.tongbao_decrypt(h.key, (*C.uchar)(unsafe.Pointer(&ciphertext[0])), C.size_t(len(ciphertext)),
		(*C.uchar)(unsafe.Pointer(&plaintext[0])), C.size_t(len(plaintext)), C.int(boolInt(sha256)))
	runtime.KeepAlive(h)
	return int(n), n >= 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cString(text []byte) string {
	return C.GoString((*C.char)(unsafe.Pointer(&text[0])))
}

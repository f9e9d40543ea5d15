// What this package asks of libcrypto. Each function does one whole operation, because OpenSSL keeps its errors by thread
// and two calls from Go may run on two threads.
#ifndef TONGBAO_LIBCRYPTO_H
#define TONGBAO_LIBCRYPTO_H

#include <stddef.h>

// Room for a text that says what failed, its end included.
#define TONGBAO_ERROR_MAX 256

// Finds the functions of libcrypto 3 in the library of that name, or in the system's if it is empty: 1, or 0 with the reason in error.
int tongbao_load(const char *name, char *error);

// Reads a key, PKCS#1 if private and PKIX if not: the key, or NULL with the reason in error.
void *tongbao_key(const unsigned char *der, long length, int is_private, char *error);

void tongbao_free(void *key);

// Signs a SHA-256 digest with PKCS#1 v1.5: the length of the signature, or OpenSSL's error code, negative.
long tongbao_sign(void *key, const unsigned char *digest, size_t digest_length, unsigned char *signature, size_t room);

// Says what an error code means.
void tongbao_explain(long code, char *error);

// 1 if the signature fits, anything else if not.
int tongbao_verify(void *key, const unsigned char *digest, size_t digest_length, const unsigned char *signature, size_t length);

// Opens OAEP: the length of the plaintext, which may be 0, or -1.
int tongbao_decrypt(void *key, const unsigned char *ciphertext, size_t length, unsigned char *plaintext, size_t room, int is_sha256);

#endif

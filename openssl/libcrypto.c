//go:build cgo && (linux || darwin)

#include "libcrypto.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef __APPLE__
#define SYSTEM_LIBRARY "libcrypto.3.dylib"
#else
#define SYSTEM_LIBRARY "libcrypto.so.3"
#endif

// From OpenSSL's documentation; they are part of its binary interface, which version 3 keeps.
#define RSA_PKCS1_PADDING 1
#define RSA_PKCS1_OAEP_PADDING 4
#define EVP_PKEY_RSA 6

typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
typedef struct evp_md_st EVP_MD;
typedef struct engine_st ENGINE;

static struct {
	unsigned int (*OPENSSL_version_major)(void);
	EVP_PKEY *(*d2i_PrivateKey)(int type, EVP_PKEY **key, const unsigned char **der, long length);
	EVP_PKEY *(*d2i_PUBKEY)(EVP_PKEY **key, const unsigned char **der, long length);
	void (*EVP_PKEY_free)(EVP_PKEY *key);
	EVP_PKEY_CTX *(*EVP_PKEY_CTX_new)(EVP_PKEY *key, ENGINE *engine);
	void (*EVP_PKEY_CTX_free)(EVP_PKEY_CTX *ctx);
	int (*EVP_PKEY_CTX_set_rsa_padding)(EVP_PKEY_CTX *ctx, int padding);
	int (*EVP_PKEY_CTX_set_signature_md)(EVP_PKEY_CTX *ctx, const EVP_MD *md);
	int (*EVP_PKEY_CTX_set_rsa_oaep_md)(EVP_PKEY_CTX *ctx, const EVP_MD *md);
	int (*EVP_PKEY_CTX_set_rsa_mgf1_md)(EVP_PKEY_CTX *ctx, const EVP_MD *md);
	int (*EVP_PKEY_sign_init)(EVP_PKEY_CTX *ctx);
	int (*EVP_PKEY_sign)(EVP_PKEY_CTX *ctx, unsigned char *signature, size_t *length, const unsigned char *digest, size_t digest_length);
	int (*EVP_PKEY_verify_init)(EVP_PKEY_CTX *ctx);
	int (*EVP_PKEY_verify)(EVP_PKEY_CTX *ctx, const unsigned char *signature, size_t length, const unsigned char *digest, size_t digest_length);
	int (*EVP_PKEY_decrypt_init)(EVP_PKEY_CTX *ctx);
	int (*EVP_PKEY_decrypt)(EVP_PKEY_CTX *ctx, unsigned char *plaintext, size_t *length, const unsigned char *ciphertext, size_t ciphertext_length);
	const EVP_MD *(*EVP_sha1)(void);
	const EVP_MD *(*EVP_sha256)(void);
	unsigned long (*ERR_peek_last_error)(void);
	void (*ERR_error_string_n)(unsigned long code, char *text, size_t room);
	void (*ERR_clear_error)(void);
} lib;

// RESOLVE finds one function by its own name.
#define RESOLVE(name)                                                                              \
	do {                                                                                           \
		void *symbol = dlsym(library, #name);                                                      \
		if (symbol == NULL) {                                                                      \
			snprintf(error, TONGBAO_ERROR_MAX, "%s has no function " #name, name_of_library);      \
			dlclose(library);                                                                      \
			return 0;                                                                              \
		}                                                                                          \
		memcpy(&lib.name, &symbol, sizeof symbol);                                                 \
	} while (0)

int tongbao_load(const char *name, char *error) {
	const char *name_of_library = *name == 0 ? SYSTEM_LIBRARY : name;
	void *library = dlopen(name_of_library, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		const char *reason = dlerror();
		snprintf(error, TONGBAO_ERROR_MAX, "%s", reason == NULL ? "not found" : reason);
		return 0;
	}
	RESOLVE(OPENSSL_version_major);
	RESOLVE(d2i_PrivateKey);
	RESOLVE(d2i_PUBKEY);
	RESOLVE(EVP_PKEY_free);
	RESOLVE(EVP_PKEY_CTX_new);
	RESOLVE(EVP_PKEY_CTX_free);
	RESOLVE(EVP_PKEY_CTX_set_rsa_padding);
	RESOLVE(EVP_PKEY_CTX_set_signature_md);
	RESOLVE(EVP_PKEY_CTX_set_rsa_oaep_md);
	RESOLVE(EVP_PKEY_CTX_set_rsa_mgf1_md);
	RESOLVE(EVP_PKEY_sign_init);
	RESOLVE(EVP_PKEY_sign);
	RESOLVE(EVP_PKEY_verify_init);
	RESOLVE(EVP_PKEY_verify);
	RESOLVE(EVP_PKEY_decrypt_init);
	RESOLVE(EVP_PKEY_decrypt);
	RESOLVE(EVP_sha1);
	RESOLVE(EVP_sha256);
	RESOLVE(ERR_peek_last_error);
	RESOLVE(ERR_error_string_n);
	RESOLVE(ERR_clear_error);
	if (lib.OPENSSL_version_major() != 3) {
		snprintf(error, TONGBAO_ERROR_MAX, "%s is of version %u, not 3", name_of_library, lib.OPENSSL_version_major());
		dlclose(library);
		return 0;
	}
	return 1;
}

void tongbao_explain(long code, char *error) { lib.ERR_error_string_n((unsigned long)-code, error, TONGBAO_ERROR_MAX); }

// take_error empties the thread's errors and returns the last, negative.
static long take_error(void) {
	long code = -(long)lib.ERR_peek_last_error();
	lib.ERR_clear_error();
	return code == 0 ? -1 : code;
}

void *tongbao_key(const unsigned char *der, long length, int is_private, char *error) {
	const unsigned char *at = der;
	EVP_PKEY *key;
	lib.ERR_clear_error();
	key = is_private ? lib.d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, length) : lib.d2i_PUBKEY(NULL, &at, length);
	if (key == NULL) {
		tongbao_explain(take_error(), error);
	}
	return key;
}

void tongbao_free(void *key) { lib.EVP_PKEY_free(key); }

long tongbao_sign(void *key, const unsigned char *digest, size_t digest_length, unsigned char *signature, size_t room) {
	size_t length = room;
	lib.ERR_clear_error();
	EVP_PKEY_CTX *ctx = lib.EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && lib.EVP_PKEY_sign_init(ctx) == 1 &&
		lib.EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		lib.EVP_PKEY_CTX_set_signature_md(ctx, lib.EVP_sha256()) == 1 &&
		lib.EVP_PKEY_sign(ctx, signature, &length, digest, digest_length) == 1;
	lib.EVP_PKEY_CTX_free(ctx);
	return ok ? (long)length : take_error();
}

int tongbao_verify(void *key, const unsigned char *digest, size_t digest_length, const unsigned char *signature, size_t length) {
	EVP_PKEY_CTX *ctx = lib.EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && lib.EVP_PKEY_verify_init(ctx) == 1 &&
		lib.EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		lib.EVP_PKEY_CTX_set_signature_md(ctx, lib.EVP_sha256()) == 1 &&
		lib.EVP_PKEY_verify(ctx, signature, length, digest, digest_length) == 1;
	lib.EVP_PKEY_CTX_free(ctx);
	lib.ERR_clear_error();
	return ok;
}

int tongbao_decrypt(void *key, const unsigned char *ciphertext, size_t length, unsigned char *plaintext, size_t room, int is_sha256) {
	size_t out = room;
	const EVP_MD *md = is_sha256 ? lib.EVP_sha256() : lib.EVP_sha1();
	EVP_PKEY_CTX *ctx = lib.EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx != NULL && lib.EVP_PKEY_decrypt_init(ctx) == 1 &&
		lib.EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		lib.EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 && lib.EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
		lib.EVP_PKEY_decrypt(ctx, plaintext, &out, ciphertext, length) == 1;
	lib.EVP_PKEY_CTX_free(ctx);
	lib.ERR_clear_error();
	return ok ? (int)out : -1;
}

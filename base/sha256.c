#include "base/sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenSSL has a type of the name of one of our codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "base/arena.h"

enum { BLOCK_BYTES = 1 << 20, DIGEST_BYTES = 32 };

struct sha256 {
    EVP_MD_CTX *context;
};

sha256 *sha256_new(void)
{
    sha256 *s = memory_alloc(sizeof *s);
    s->context = EVP_MD_CTX_new();
    /* Fails only without memory: SHA-256 is in every provider, FIPS too. */
    if (!s->context || !EVP_DigestInit_ex(s->context, EVP_sha256(), NULL)) memory_exhausted(sizeof *s);
    return s;
}

void sha256_add(sha256 *s, const void *data, size_t size)
{
    if (size) EVP_DigestUpdate(s->context, data, size);
}

void sha256_end(sha256 *s_taken, char hex[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[DIGEST_BYTES];

    EVP_DigestFinal_ex(s_taken->context, digest, NULL);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[SHA256_HEX_SIZE - 1] = 0;
    sha256_free(s_taken);
}

void sha256_free(sha256 *s)
{
    if (!s) return;
    EVP_MD_CTX_free(s->context);
    free(s);
}

bool sha256_is_hex(const char *text)
{
    return strspn(text, "0123456789abcdef") == SHA256_HEX_SIZE - 1 && !text[SHA256_HEX_SIZE - 1];
}

void sha256_of(bytes_view data, char hex[SHA256_HEX_SIZE])
{
    sha256 *s = sha256_new();
    sha256_add(s, data.data, data.size);
    sha256_end(s, hex);
}

err sha256_of_file(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size,
                   bool (*go_on)(void *context, uint64_t done), void *context)
{
    CLEANUP(bytes_free) bytes block = {0};
    sha256 *s = sha256_new();
    uint64_t done = 0;
    err e = ERR_OK;

    bytes_reserve(&block, BLOCK_BYTES);
    for (;;) {
        ssize_t got = read(fd, block.data, BLOCK_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) e = err_errno("read a file to hash it");
        if (got <= 0) break;
        sha256_add(s, block.data, (size_t)got);
        done += (uint64_t)got;
        if (go_on && !go_on(context, done)) {
            e = err_make(ERR_CANCELLED, "cancelled");
            break;
        }
    }
    if (e.code) {
        sha256_free(s);
        return e;
    }
    sha256_end(s, hex);
    if (size) *size = done;
    return ERR_OK;
}

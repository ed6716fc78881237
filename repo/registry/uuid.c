#include "repo/registry/uuid.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

/* The system's own source; should it fail, what differs between processes and moments. */
static void random_fill(unsigned char *out, size_t size)
{
    if (getrandom(out, size, 0) == (ssize_t)size) return;
    uint64_t mixed = (uint64_t)(clock_seconds() * 1e9) ^ (uint64_t)getpid() << 40;
    for (size_t i = 0; i < size; i++) {
        mixed = mixed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (unsigned char)(mixed >> 56);
    }
}

void repo_uuid_make(char out[REPO_UUID_SIZE])
{
    unsigned char b[16];

    random_fill(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, REPO_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

bool repo_uuid_is(bytes_view text)
{
    if (text.size != REPO_UUID_SIZE - 1) return false;
    for (size_t i = 0; i < text.size; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !isxdigit((unsigned char)text.data[i])) return false;
    }
    return true;
}

void repo_nonce_make(char out[17])
{
    unsigned char b[8];

    random_fill(b, sizeof b);
    for (size_t i = 0; i < sizeof b; i++) snprintf(out + 2 * i, 3, "%02x", b[i]);
}

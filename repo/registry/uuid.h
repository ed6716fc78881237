/* repo/registry/uuid.h: names that nobody else has given. */
#ifndef REPO_REGISTRY_UUID_H
#define REPO_REGISTRY_UUID_H

#include <stdbool.h>

#include "base/bytes.h"

enum { REPO_UUID_SIZE = 37 }; /* with the NUL */

void repo_uuid_make(char out[REPO_UUID_SIZE]); /* version 4, lower case */
bool repo_uuid_is(bytes_view text);            /* 8-4-4-4-12 hex digits */
/* 16 hex digits, for the name of a folder that is ours for a while. */
void repo_nonce_make(char out[17]);

#endif

/* Whatever stands in the file, reading it neither crashes nor leaves the text. */
#include "repo/net/netrc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes text = {0};
    const char *user = NULL, *password = NULL;

    bytes_append(&text, data, size);
    if (netrc_find(&text, "host.example", size % 2 ? "ann" : NULL, &user, &password)) {
        if (!user || !password) abort();
        if (password < text.data || password + strlen(password) > text.data + text.size) abort();
    }
    bytes_free(&text);
    return 0;
}

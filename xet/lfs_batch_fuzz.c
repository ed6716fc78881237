/* Whatever a server answers may be refused, but may not crash; what is taken is safe to send and print. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "xet/lfs_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_action(const xet_action *action)
{
    if (!action->href) return;
    if (strncasecmp(action->href, "http", 4) != 0 || action->expires_at < 0) abort();
    for (const char *const *h = action->headers; *h; h++)
        if (!strchr(*h, ':') || strpbrk(*h, "\r\n")) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069";
    xet_lfs_object object = {.size = 12};
    xet_lfs_object *asked[] = {&object};
    bytes_view text = {(const char *)data, size};

    memcpy(object.oid, hello, sizeof hello);
    for (int operation = 0; operation < 2; operation++) {
        arena a = {0};
        xet_plan plan;
        if (!xet_lfs_batch_read(text, operation ? XET_UPLOAD : XET_DOWNLOAD, asked, 1, 10, 1000, &a, &plan)
                 .code) {
            check_action(&plan.transfer);
            check_action(&plan.verify);
        }
        arena_free(&a);
    }
    bytes message = {0};
    xet_lfs_message_of(text, &message);
    if (strpbrk(bytes_text(&message), "\r\n\x1b")) abort();
    bytes_free(&message);
    return 0;
}

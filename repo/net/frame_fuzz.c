/* Whatever comes over the socket, cut wherever it likes: frames are whole or refused, fields stay inside. */
#include "repo/net/frame.h"

#include <stdlib.h>
#include <string.h>

#include "repo/net/network_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report_read(bytes_view payload)
{
    repo_network_report report = {0};
    CLEANUP(bytes_free) bytes again = {0};

    if (!repo_report_read(payload, &report).code) repo_report_write(&report, &again);
    repo_network_report_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    frame_reader reader = {0};
    bytes payload = {0};
    frame_kind kind;
    bool found = true;
    size_t half = size / 2;

    frame_feed(&reader, (bytes_view){(const char *)data, half});
    frame_feed(&reader, (bytes_view){(const char *)data + half, size - half});
    while (found && !frame_take(&reader, &kind, &payload, &found).code) {
        bytes_view view = bytes_borrow(&payload);
        const char *key, *value;
        size_t at = 0;
        if (!found) break;
        if (payload.size > size) abort();
        while (field_next(view, &at, &key, &value))
            if (value + strlen(value) >= view.data + view.size) abort();
        (void)fields_check(view);
        (void)field_number(view, "bytes");
        report_read(view);
    }
    frame_reader_free(&reader);
    bytes_free(&payload);
    return 0;
}

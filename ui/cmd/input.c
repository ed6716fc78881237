#include "ui/cmd/input.h"

#include <errno.h>
#include <string.h>

static err stream_read(FILE *stream, const char *name, bytes *out)
{
    char part[16384];
    size_t got;

    while ((got = fread(part, 1, sizeof part, stream)) > 0) {
        if (out->size + got > UI_INPUT_BYTES_MAX)
            return err_make(ERR_LIMIT, "%s is larger than %d MiB", name, UI_INPUT_BYTES_MAX >> 20);
        bytes_append(out, part, got);
    }
    if (!ferror(stream)) return ERR_OK;
    return errno == EINTR ? err_make(ERR_CANCELLED, "cancelled") : err_errno("read %s", name);
}

err ui_input_read_file(const char *path, bytes *out)
{
    FILE *file = fopen(path, "rb");

    if (!file) return err_errno("open %s", path);
    err e = stream_read(file, path, out);
    fclose(file);
    return e;
}

err ui_input_read(const char *word, FILE *standard_input, bytes *out)
{
    if (!word || strcmp(word, "-") == 0) return stream_read(standard_input, "standard input", out);
    if (word[0] == '@') return ui_input_read_file(word + 1, out);
    bytes_append_text(out, word);
    return ERR_OK;
}

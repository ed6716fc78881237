#include "ui/app/figures.h"

#include <stdio.h>

#include "base/text.h"

void ui_figure_seconds(double seconds, char *out, size_t out_size)
{
    if (seconds < 0.01)
        snprintf(out, out_size, "%.1f ms", seconds * 1000);
    else if (seconds < 1)
        snprintf(out, out_size, "%.0f ms", seconds * 1000);
    else
        text_human_seconds(seconds, out, out_size);
}

void ui_figures_of_answer(const ui_chat_message *m, bytes *out)
{
    const engine_usage *u = &m->usage;
    char first[32] = "n/a";

    bytes_printf(out, "%zu token%s, ", u->completion_tokens, u->completion_tokens == 1 ? "" : "s");
    if (u->completion_tokens > 1 && u->decode_seconds > 0)
        bytes_printf(out, "%.1f tok/s, ", (double)(u->completion_tokens - 1) / u->decode_seconds);
    else
        bytes_append_text(out, "n/a tok/s, ");
    if (u->completion_tokens > 0 && u->first_token_seconds > 0)
        ui_figure_seconds(u->first_token_seconds, first, sizeof first);
    bytes_printf(out, "first after %s, %s, seed %llu", first, engine_finish_name(m->reason),
                 (unsigned long long)u->seed);
}

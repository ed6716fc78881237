#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/model.h"
#include "engine/text/chat_template.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/chat_input.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/input.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"name", "NAME", "which of the model's templates, such as tool_use (default: default)", false},
    {"no-generation-prompt", NULL, "do not open the assistant's turn at the end", false},
    {0},
};

static err template_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(bytes_free) bytes source = {0};
    CLEANUP(arena_free) arena scratch = {0};
    CLEANUP(engine_chat_text_free) engine_chat_text rendered = {0};
    engine_chat_input input = {0};
    engine_model *model = NULL;

    err e = ui_input_read_file(a->words[1], &source);
    if (!e.code) e = ui_chat_input_read(bytes_borrow(&source), a->words[1], &scratch, &input);
    if (e.code) return e;
    e = ui_model_open_without_weights(cli, a->words[0], &model);
    if (e.code) return e;
    if (ui_arguments_has(a, "no-generation-prompt")) input.add_generation_prompt = false;
    input.now = clock_unix_seconds();
    e = engine_model_render_chat(model, ui_arguments_text(a, "name"), &input, &rendered);
    engine_model_free(model);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        cJSON *result = cJSON_CreateObject();
        ui_json_add_text(result, "text", bytes_borrow(&rendered.text));
        ui_json_print(result, cli->out);
    } else {
        ui_show_text(cli->out, bytes_borrow(&rendered.text));
    }
    return ERR_OK;
}

const ui_command ui_cmd_template = {
    .name = "template",
    .group = "chat",
    .args = "MODEL FILE",
    .help = "Print a conversation (JSON) as the model's chat template renders it",
    .words_min = 2,
    .words_max = 2,
    .options = {options, ui_options_all},
    .run = template_run,
};

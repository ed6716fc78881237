#include <stdlib.h>

#include "engine/model.h"
#include "engine/text/tokenizer.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/input.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"decode", NULL, "the other way: print the text of --ids", false},
    {"ids", "1,2,3", "token ids to decode", false},
    {"no-special", NULL, "add no bos or eos, and recognise no special token in the text", false},
    {0},
};

static err ids_check(const engine_tokenizer *tokenizer, const int64_t *values, size_t count, engine_ids *out)
{
    int64_t vocab_count = (int64_t)engine_tokenizer_vocab_count(tokenizer);

    for (size_t i = 0; i < count; i++) {
        if (values[i] >= vocab_count) {
            return err_make(ERR_USAGE, "option --ids: id %lld is past the vocabulary of %lld tokens",
                            (long long)values[i], (long long)vocab_count);
        }
        engine_ids_push(out, (int32_t)values[i]);
    }
    return ERR_OK;
}

static err decode(ui_cli *cli, const ui_arguments *a, const engine_tokenizer *tokenizer)
{
    CLEANUP(engine_ids_free) engine_ids ids = {0};
    CLEANUP(bytes_free) bytes text = {0};
    int64_t *values = NULL;
    size_t count = 0;

    if (!ui_arguments_has(a, "ids")) return err_make(ERR_USAGE, "option --decode needs --ids");
    err e = ui_arguments_integers(a, "ids", 0, INT32_MAX, &values, &count);
    if (!e.code) e = ids_check(tokenizer, values, count, &ids);
    free(values);
    if (!e.code) e = engine_tokenizer_decode(tokenizer, ids.data, ids.count, false, &text);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        cJSON *result = cJSON_CreateObject();
        ui_json_add_text(result, "text", bytes_borrow(&text));
        ui_json_print(result, cli->out);
    } else {
        ui_show_text(cli->out, bytes_borrow(&text));
        fputc('\n', cli->out);
    }
    return ERR_OK;
}

static void ids_print(ui_cli *cli, bool json, const engine_tokenizer *tokenizer, const engine_ids *ids)
{
    if (!json) {
        for (size_t i = 0; i < ids->count; i++) {
            bytes_view token = engine_tokenizer_borrow_token(tokenizer, ids->data[i]);
            fprintf(cli->out, "%d\t", ids->data[i]);
            ui_show_text(cli->out, token);
            fputc('\n', cli->out);
        }
        return;
    }
    cJSON *result = cJSON_CreateObject();
    ui_json_add_ids(result, "ids", ids->data, ids->count);
    cJSON *tokens = cJSON_AddArrayToObject(result, "tokens");
    for (size_t i = 0; i < ids->count; i++) {
        bytes_view token = engine_tokenizer_borrow_token(tokenizer, ids->data[i]);
        ui_json_push_text(tokens, token);
    }
    ui_json_print(result, cli->out);
}

static err encode(ui_cli *cli, const ui_arguments *a, const engine_tokenizer *tokenizer)
{
    CLEANUP(engine_ids_free) engine_ids ids = {0};
    CLEANUP(bytes_free) bytes text = {0};

    err e = ui_input_read(a->word_count > 1 ? a->words[1] : NULL, cli->in, &text);
    if (e.code) return e;
    if (ui_arguments_has(a, "no-special")) {
        engine_text_span all = {0, text.size};
        e = engine_tokenizer_encode_guarded(tokenizer, bytes_borrow(&text), &all, 1, false, &ids);
    } else {
        e = engine_tokenizer_encode(tokenizer, bytes_borrow(&text), true, &ids);
    }
    if (e.code) return e;
    ids_print(cli, ui_arguments_has(a, "json"), tokenizer, &ids);
    return ERR_OK;
}

static err tokenize_run(ui_cli *cli, const ui_arguments *a)
{
    engine_model *model = NULL;

    err e = ui_model_open_without_weights(cli, a->words[0], &model);
    if (e.code) return e;
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(model);
    if (!tokenizer)
        e = err_make(ERR_NOT_FOUND, "%s has no tokenizer.json", engine_model_borrow_place(model));
    else if (ui_arguments_has(a, "decode"))
        e = decode(cli, a, tokenizer);
    else
        e = encode(cli, a, tokenizer);
    engine_model_free(model);
    return e;
}

const ui_command ui_cmd_tokenize = {
    .name = "tokenize",
    .group = "chat",
    .args = "MODEL [TEXT]",
    .help = "Print the token ids of a text, or the text of token ids",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_all},
    .run = tokenize_run,
};

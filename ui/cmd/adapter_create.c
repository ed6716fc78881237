/* ui/cmd/adapter_create.c: adapter MODEL create NAME: what a training run would begin with. */
#include <stdlib.h>
#include <string.h>

#include "engine/trainable.h"
#include "training/settings.h"
#include "ui/app/runs/setup.h"
#include "ui/cmd/adapter_files.h"

/* Settings of a run that say what an adapter is; their flags are those of `train`. */
static const char *const flags[] = {"rank",          "alpha",  "targets", "layers", "rank-pattern",
                                    "alpha-pattern", "rslora", "dora",    "init",   "seed"};

static err settings_read(const ui_arguments *a, training_settings *s)
{
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (!ui_arguments_has(a, flags[i])) continue;
        const char *text = ui_arguments_text(a, flags[i]);
        err e = training_settings_set(s, flags[i], text ? text : "on");
        if (e.code) return e;
    }
    return ERR_OK;
}

/* These two take a part of the weights for their own, which only a run that goes on with them gives back. */
static err check_init(const char *init)
{
    if (strcmp(init, "pissa") != 0 && strcmp(init, "olora") != 0) return ERR_OK;
    return err_make(ERR_USAGE, "--init %s begins inside a run: train --init %s", init, init);
}

static err model_open(ui_adapter_work *w, engine_model **out)
{
    const engine_model_options how = {.device = "cpu", .dtype = "auto", .weights = true};
    engine_files *files = NULL;
    err e = ui_model_word_open(w->cli, &w->word, &files);
    return e.code ? e : engine_model_open(files, &how, out);
}

static err make(ui_adapter_work *w, const engine_trainable_options *how, bytes *weights, bytes *config)
{
    engine_model *model = NULL;
    engine_trainable *t = NULL;

    err e = model_open(w, &model);
    if (!e.code) e = engine_trainable_new(engine_model_borrow_decoder(model), how, &t);
    if (!e.code) e = engine_trainable_write(t, TENSOR_F32, weights);
    if (!e.code) e = engine_trainable_config(t, w->word.said.model, config);
    engine_trainable_free(t);
    engine_model_free(model);
    return e;
}

err ui_adapter_create(ui_adapter_work *w)
{
    CLEANUP(bytes_free) bytes weights = {0}, config = {0};
    training_settings s;
    char *name = NULL;

    training_settings_init(&s);
    err e = ui_adapter_changeable(w);
    if (!e.code) e = settings_read(w->a, &s);
    engine_trainable_options how = run_trainable_options(&s);
    if (!e.code) e = check_init(how.init);
    if (!e.code) e = ui_adapter_spec(w);
    if (!e.code) e = engine_trainable_check(w->spec, &how, NULL);
    if (!e.code) e = ui_adapter_new_name(w, w->a->words[2], &name);
    if (!e.code) e = make(w, &how, &weights, &config);
    if (!e.code) e = ui_adapter_put(w, name, bytes_borrow(&weights), bytes_borrow(&config), "Created");
    free(name);
    training_settings_free(&s);
    return e;
}

#include "ui/app/local_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/spec.h"
#include "repo/branch.h"
#include "repo/tag.h"
#include "ui/app/model_source.h"
#include "ui/app/prompt.h"

/* One answer that is being written. */
typedef struct answer {
    engine_job_id job;
    engine_reasoning *reasoning; /* NULL: plain continuation, all is content */
    size_t prompt_tokens, answer_tokens;
    struct answer *next;
} answer;

typedef struct source_item {
    ui_news news;
    struct source_item *next;
} source_item;

typedef struct load_item {
    ui_load_news news;
    struct load_item *next;
} load_item;

struct ui_local_source {
    ui_source source;
    ui_loader loader;
    engine_worker *worker;
    const repo_context *context;
    char *folder, *ref; /* of the model that was loaded last */
    char *device, *dtype;
    int threads;
    engine_model *model; /* NULL: none */
    engine_stack *stack; /* NULL: the base model */
    engine_job_id load_job, stack_job;
    char *name, *stack_words; /* "demo", "+01_brief@0.7" (of stack_job until it is done) */
    bytes title;              /* name and stack, as shown */
    size_t context_used;
    answer *answers;
    source_item *news, **news_end;
    load_item *load_news, **load_news_end;
};

static ui_local_source *of_source(ui_source *s) { return (ui_local_source *)(void *)s; }

static ui_local_source *of_loader(ui_loader *l)
{
    return (ui_local_source *)(void *)((char *)l - offsetof(ui_local_source, loader));
}

static void say(ui_local_source *l, const ui_news *news_given)
{
    source_item *item = memory_alloc(sizeof *item);
    item->news = *news_given;
    *l->news_end = item;
    l->news_end = &item->next;
}

static void say_load(ui_local_source *l, const ui_load_news *news)
{
    load_item *item = memory_alloc(sizeof *item);
    item->news = *news;
    *l->load_news_end = item;
    l->load_news_end = &item->next;
}

/* -- the source ------------------------------------------------------------------------------------------ */

static err local_ask(ui_source *s, const ui_ask *ask, uint64_t *answer_id)
{
    ui_local_source *l = of_source(s);
    engine_ids ids = {0};

    if (!l->model) return err_make(ERR_STATE, "no model is loaded: choose one in the models pane (F2)");
    bool has_template = engine_model_borrow_chat_template(l->model, NULL) != NULL;
    err e = ui_prompt_encode(l->model, ask, &ids);
    size_t context_max = engine_model_borrow_spec(l->model)->context_max;
    if (!e.code && ids.count == 0) e = err_make(ERR_USAGE, "the message has no tokens to answer");
    if (!e.code && ids.count >= context_max)
        e = err_make(
            ERR_LIMIT,
            "the conversation has %zu tokens and the model's context holds %zu: start a new conversation",
            ids.count, context_max);
    if (e.code) {
        engine_ids_free(&ids);
        return e;
    }
    answer *a = memory_alloc(sizeof *a);
    a->reasoning = has_template ? ui_prompt_reasoning(l->model, &ids) : NULL;
    engine_request request = {
        .model = l->model,
        .stack = l->stack,
        .ids = ids.data,
        .id_count = ids.count,
        .sampling = ask->sampling,
        .token_count_max = ask->token_count_max ? ask->token_count_max : context_max,
        .skip_special = !has_template,
    };
    a->job = engine_worker_generate(l->worker, &request);
    a->next = l->answers;
    l->answers = a;
    *answer_id = a->job;
    engine_ids_free(&ids);
    return ERR_OK;
}

static void local_stop(ui_source *s, uint64_t id) { engine_worker_cancel(of_source(s)->worker, id); }

static ui_source_facts local_facts(ui_source *s)
{
    const ui_local_source *l = of_source(s);
    if (!l->model) return (ui_source_facts){0};
    return (ui_source_facts){
        .name = bytes_text(&l->title),
        .context_max = engine_model_borrow_spec(l->model)->context_max,
        .context_used = l->context_used,
        .has_template = engine_model_borrow_chat_template(l->model, NULL) != NULL,
    };
}

/* -- events of the worker -------------------------------------------------------------------------------- */

static answer **find_answer(ui_local_source *l, engine_job_id job)
{
    answer **at = &l->answers;
    while (*at && (*at)->job != job) at = &(*at)->next;
    return at;
}

static void split_text(answer *a, bytes_view text, bool last, ui_news *news)
{
    if (!a->reasoning) {
        bytes_append_view(&news->content, text);
        return;
    }
    engine_reasoning_push(a->reasoning, text, &news->reasoning, &news->content);
    if (last) engine_reasoning_finish(a->reasoning, &news->reasoning, &news->content);
}

static void apply_answer(ui_local_source *l, answer **at, const engine_event *event)
{
    answer *a = *at;
    ui_news news = {.answer = a->job, .usage = event->usage, .reason = event->reason, .error = event->error};

    switch (event->kind) {
    case ENGINE_EVENT_STARTED:
        news.kind = UI_NEWS_STARTED;
        a->prompt_tokens = event->usage.prompt_tokens;
        break;
    case ENGINE_EVENT_TEXT: news.kind = UI_NEWS_TEXT; break;
    case ENGINE_EVENT_FINISHED: news.kind = UI_NEWS_FINISHED; break;
    case ENGINE_EVENT_FAILED: /* stopped before its first step: as good as an answer that was stopped later */
        news.kind = event->error.code == ERR_CANCELLED ? UI_NEWS_FINISHED : UI_NEWS_FAILED;
        if (news.kind == UI_NEWS_FINISHED) news.reason = ENGINE_FINISH_CANCELLED;
        break;
    default: return; /* progress of a prompt */
    }
    split_text(a, bytes_borrow(&event->text), event->last, &news);
    a->answer_tokens += event->ids.count;
    if (event->kind == ENGINE_EVENT_FINISHED) a->answer_tokens = event->usage.completion_tokens;
    l->context_used = a->prompt_tokens + a->answer_tokens;
    say(l, &news);
    if (event->last) {
        *at = a->next;
        engine_reasoning_free(a->reasoning);
        free(a);
    }
}

static void set_title(ui_local_source *l)
{
    bytes_clear(&l->title);
    bytes_append_text(&l->title, l->name ? l->name : "");
    if (l->stack && l->stack_words) bytes_append_text(&l->title, l->stack_words);
}

static ui_loaded_facts facts_of(const engine_model *m)
{
    tensor_device device = engine_model_device(m);
    ui_loaded_facts facts = {
        .parameters = engine_model_parameters(m),
        .bytes = engine_model_bytes(m),
        .load_seconds = engine_model_load_seconds(m),
        .has_template = engine_model_borrow_chat_template(m, NULL) != NULL,
        .has_tokenizer = engine_model_borrow_tokenizer(m) != NULL,
        .context_max = engine_model_borrow_spec(m)->context_max,
        .defaults = *engine_model_borrow_generation_defaults(m),
    };
    if (device.cuda)
        snprintf(facts.device, sizeof facts.device, "cuda:%d", device.index);
    else
        snprintf(facts.device, sizeof facts.device, "cpu");
    snprintf(facts.type, sizeof facts.type, "%s", engine_model_dtype(m));
    return facts;
}

static void apply_load(ui_local_source *l, engine_event *event)
{
    ui_load_news news = {.kind = UI_LOAD_PROGRESS, .done = event->done, .total = event->total};

    if (event->kind == ENGINE_EVENT_LOADED) {
        l->model = event->model;
        event->model = NULL;
        l->context_used = 0;
        set_title(l);
        news.kind = UI_LOAD_DONE;
        news.facts = facts_of(l->model);
    } else if (event->kind == ENGINE_EVENT_FAILED) {
        news.kind = UI_LOAD_FAILED;
        news.error = event->error;
    }
    if (event->last) l->load_job = 0;
    say_load(l, &news);
}

static void apply_stack(ui_local_source *l, engine_event *event)
{
    ui_load_news news = {.kind = UI_LOAD_STACKED};

    if (event->kind == ENGINE_EVENT_STACKED) {
        engine_worker_free_stack(l->worker, l->stack);
        l->stack = event->stack;
        event->stack = NULL;
        set_title(l);
    } else if (event->kind == ENGINE_EVENT_FAILED) {
        news.kind = UI_LOAD_STACK_FAILED;
        news.error = event->error;
    } else {
        return;
    }
    l->stack_job = 0;
    say_load(l, &news);
}

static void pump(ui_local_source *l)
{
    engine_event event;
    while (engine_worker_take(l->worker, &event)) {
        answer **at = find_answer(l, event.job);
        if (*at)
            apply_answer(l, at, &event);
        else if (event.job == l->load_job)
            apply_load(l, &event);
        else if (event.job == l->stack_job)
            apply_stack(l, &event);
        engine_event_free(l->worker, &event); /* a model or stack nobody wants any more goes back with it */
    }
}

static bool local_take(ui_source *s, ui_news *out)
{
    ui_local_source *l = of_source(s);
    pump(l);
    source_item *item = l->news;
    if (!item) return false;
    *out = item->news;
    l->news = item->next;
    if (!l->news) l->news_end = &l->news;
    free(item);
    return true;
}

/* -- the loader ------------------------------------------------------------------------------------------ */

static void give_back(ui_local_source *l)
{
    for (const answer *a = l->answers; a; a = a->next) engine_worker_cancel(l->worker, a->job);
    if (l->stack_job) engine_worker_cancel(l->worker, l->stack_job);
    l->stack_job = 0;
    if (l->stack) engine_worker_free_stack(l->worker, l->stack);
    if (l->model) engine_worker_forget(l->worker, l->model);
    if (l->model) engine_worker_free_model(l->worker, l->model);
    l->stack = NULL;
    l->model = NULL;
    l->context_used = 0;
}

static void text_set(char **text, const char *value)
{
    char *copy = memory_text(value);
    free(*text);
    *text = copy;
}

static err local_load(ui_loader *loader, const char *folder, const char *ref, const char *title)
{
    ui_local_source *l = of_loader(loader);
    engine_files *files = NULL;
    err e = ui_model_source_open(l->context, folder, ref, title, &files, NULL);
    if (e.code) return e;
    if (l->load_job) engine_worker_cancel(l->worker, l->load_job);
    give_back(l);
    text_set(&l->folder, folder);
    text_set(&l->ref, ref);
    text_set(&l->name, title);
    engine_model_options options = {
        .device = l->device, .dtype = l->dtype, .threads = l->threads, .weights = true};
    l->load_job = engine_worker_load(l->worker, files, &options);
    return ERR_OK;
}

static void local_cancel(ui_loader *loader)
{
    ui_local_source *l = of_loader(loader);
    if (l->load_job) engine_worker_cancel(l->worker, l->load_job);
}

static void local_unload(ui_loader *loader)
{
    ui_local_source *l = of_loader(loader);
    local_cancel(loader);
    give_back(l);
}

static err files_open(const ui_local_source *l, engine_files **out)
{
    if (!l->model) return err_make(ERR_STATE, "no model is loaded: load one first");
    return ui_model_source_open(l->context, l->folder, l->ref, l->name, out, NULL);
}

static void local_adapters(ui_loader *loader, ui_adapter_list *out)
{
    engine_files *files = NULL;

    *out = (ui_adapter_list){0};
    if (files_open(of_loader(loader), &files).code) return;
    ui_adapters_list(files, out);
    engine_files_free(files);
}

/* "+01_brief@0.7" as the adapters are called in a model's name. */
static char *stack_words_of(const engine_files *files, const char *const *names, const double *scales,
                            size_t count)
{
    CLEANUP(ui_adapters_free) ui_adapter_list own = {0};
    bytes words = {0};

    ui_adapters_list(files, &own);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < own.count; k++)
            if (strcmp(own.rows[k].file, names[i]) == 0) bytes_printf(&words, "+%s", own.rows[k].name);
        if (scales[i] != 1) bytes_printf(&words, "@%g", scales[i]);
    }
    return bytes_take(&words);
}

static err local_stack(ui_loader *loader, const char *const *names, const double *scales, size_t count)
{
    ui_local_source *l = of_loader(loader);
    engine_files *files = NULL;

    err e = files_open(l, &files);
    if (e.code) return e;
    free(l->stack_words);
    l->stack_words = stack_words_of(files, names, scales, count);
    if (l->stack_job) engine_worker_cancel(l->worker, l->stack_job);
    l->stack_job = engine_worker_stack(l->worker, l->model, files, names, scales, count);
    return ERR_OK;
}

static err local_refs(ui_loader *loader, const char *folder,
                      void (*each)(void *context, const char *name, const char *what), void *context)
{
    CLEANUP(repo_branches_free) repo_branches branches = {0};
    CLEANUP(repo_tags_free) repo_tags tags = {0};
    repo_handle *r = NULL;

    err e = repo_open(of_loader(loader)->context, folder, &r);
    if (!e.code) e = repo_branch_list(r, &branches);
    if (!e.code) e = repo_tag_list(r, &tags);
    repo_close(r);
    for (size_t i = 0; !e.code && i < branches.count; i++)
        each(context, branches.rows[i].name, branches.rows[i].subject);
    for (size_t i = 0; !e.code && i < tags.count; i++)
        each(context, tags.rows[i].name, tags.rows[i].message ? tags.rows[i].message : "tag");
    return e;
}

static bool local_take_load(ui_loader *loader, ui_load_news *out)
{
    ui_local_source *l = of_loader(loader);
    pump(l);
    load_item *item = l->load_news;
    if (!item) return false;
    *out = item->news;
    l->load_news = item->next;
    if (!l->load_news) l->load_news_end = &l->load_news;
    free(item);
    return true;
}

/* -- life -------------------------------------------------------------------------------------------------
 */

static void local_free(ui_source *s) { ui_local_source_free(of_source(s)); }

static const ui_source_kind source_kind = {local_ask, local_stop, local_take, local_facts, local_free};
static const ui_loader_kind loader_kind = {
    .load = local_load,
    .cancel = local_cancel,
    .unload = local_unload,
    .adapters = local_adapters,
    .stack = local_stack,
    .refs = local_refs,
    .take = local_take_load,
};

err ui_local_source_new(const ui_local_options *options, ui_local_source **out)
{
    engine_worker *worker = NULL;
    err e = engine_worker_new(&(engine_worker_options){0}, &worker);
    if (e.code) return e;
    ui_local_source *l = memory_alloc(sizeof *l);
    l->source.kind = &source_kind;
    l->loader.kind = &loader_kind;
    l->worker = worker;
    l->context = options->context;
    l->device = memory_text(options->device ? options->device : "auto");
    l->dtype = memory_text(options->dtype ? options->dtype : "auto");
    l->threads = options->threads;
    l->news_end = &l->news;
    l->load_news_end = &l->load_news;
    *out = l;
    return ERR_OK;
}

void ui_local_source_free(ui_local_source *l)
{
    ui_news news;
    ui_load_news load_news;
    if (!l) return;
    if (l->load_job) engine_worker_cancel(l->worker, l->load_job);
    give_back(l);
    while (local_take(&l->source, &news)) ui_news_free(&news);
    while (local_take_load(&l->loader, &load_news)) {}
    if (l->model) engine_worker_free_model(l->worker, l->model); /* a load that ended just now */
    engine_worker_free(l->worker);
    while (l->answers) {
        answer *a = l->answers;
        l->answers = a->next;
        engine_reasoning_free(a->reasoning);
        free(a);
    }
    bytes_free(&l->title);
    free(l->folder);
    free(l->ref);
    free(l->name);
    free(l->stack_words);
    free(l->device);
    free(l->dtype);
    free(l);
}

ui_source *ui_local_source_as_source(ui_local_source *l) { return &l->source; }
ui_loader *ui_local_source_as_loader(ui_local_source *l) { return &l->loader; }
int ui_local_source_fd(const ui_local_source *l) { return engine_worker_fd(l->worker); }

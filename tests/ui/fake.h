/* tests/ui/fake.h: a source and a loader that say what a test tells them to. */
#ifndef TESTS_UI_FAKE_H
#define TESTS_UI_FAKE_H

#include <string.h>

#include "base/arena.h"
#include "ui/app/loader.h"
#include "ui/app/source.h"

enum { FAKE_NEWS_MAX = 64 };

typedef struct fake {
    ui_source source;
    ui_loader loader;
    bytes asked; /* "role=content|role=content" of the last ask */
    ui_ask last;
    uint64_t next, stopped;
    err refuse; /* the next ask fails with this */
    ui_news news[FAKE_NEWS_MAX];
    size_t news_count;
    ui_load_news load_news[FAKE_NEWS_MAX];
    size_t load_count;
    char loaded[512], title[256], stack[512];
    int cancelled, unloaded;
} fake;

static inline fake *fake_of_source(ui_source *s) { return (fake *)(void *)s; }
static inline fake *fake_of_loader(ui_loader *l)
{
    return (fake *)(void *)((char *)l - offsetof(fake, loader));
}

static inline err fake_ask(ui_source *s, const ui_ask *ask, uint64_t *answer)
{
    fake *f = fake_of_source(s);
    if (f->refuse.code) return f->refuse;
    bytes_clear(&f->asked);
    for (size_t i = 0; i < ask->message_count; i++)
        bytes_printf(&f->asked, "%s%s=%.*s", i ? "|" : "", ask->messages[i].role,
                     (int)ask->messages[i].content.size, ask->messages[i].content.data);
    if (ask->continue_last) bytes_append_text(&f->asked, "...");
    f->last = *ask;
    *answer = ++f->next;
    return ERR_OK;
}

static inline void fake_stop(ui_source *s, uint64_t answer) { fake_of_source(s)->stopped = answer; }

static inline bool fake_take(ui_source *s, ui_news *out)
{
    fake *f = fake_of_source(s);
    if (f->news_count == 0) return false;
    *out = f->news[0];
    memmove(f->news, f->news + 1, --f->news_count * sizeof *f->news);
    return true;
}

static inline ui_source_facts fake_facts(ui_source *s)
{
    (void)s;
    return (ui_source_facts){.name = "fake", .context_max = 512, .context_used = 100, .has_template = true};
}

static inline err fake_load(ui_loader *l, const char *folder, const char *ref, const char *title)
{
    fake *f = fake_of_loader(l);
    snprintf(f->loaded, sizeof f->loaded, "%s", folder);
    snprintf(f->title, sizeof f->title, "%s %s", title, ref);
    return ERR_OK;
}

static inline void fake_adapters(ui_loader *l, ui_adapter_list *out)
{
    engine_files *files = NULL;
    *out = (ui_adapter_list){0};
    if (engine_files_open_folder(fake_of_loader(l)->loaded, &files).code) return;
    ui_adapters_list(files, out);
    engine_files_free(files);
}

static inline err fake_refs(ui_loader *l, const char *folder,
                            void (*each)(void *context, const char *name, const char *what), void *context)
{
    (void)l;
    (void)folder;
    each(context, "main", "the newest");
    each(context, "v1", "the first");
    return ERR_OK;
}

static inline void fake_cancel(ui_loader *l) { fake_of_loader(l)->cancelled++; }
static inline void fake_unload(ui_loader *l) { fake_of_loader(l)->unloaded++; }

static inline err fake_stack(ui_loader *l, const char *const *paths, const double *scales, size_t count)
{
    fake *f = fake_of_loader(l);
    f->stack[0] = 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(f->stack);
        snprintf(f->stack + used, sizeof f->stack - used, "+%s@%g", strrchr(paths[i], '/') + 1, scales[i]);
    }
    return ERR_OK;
}

static inline bool fake_take_load(ui_loader *l, ui_load_news *out)
{
    fake *f = fake_of_loader(l);
    if (f->load_count == 0) return false;
    *out = f->load_news[0];
    memmove(f->load_news, f->load_news + 1, --f->load_count * sizeof *f->load_news);
    return true;
}

static inline void fake_free_source(ui_source *s) { (void)s; }

static const ui_source_kind fake_source_kind = {fake_ask, fake_stop, fake_take, fake_facts, fake_free_source};
static const ui_loader_kind fake_loader_kind = {
    .load = fake_load,
    .cancel = fake_cancel,
    .unload = fake_unload,
    .adapters = fake_adapters,
    .stack = fake_stack,
    .refs = fake_refs,
    .take = fake_take_load,
};

static inline fake *fake_new(void)
{
    fake *f = memory_alloc(sizeof *f);
    f->source.kind = &fake_source_kind;
    f->loader.kind = &fake_loader_kind;
    return f;
}

static inline void fake_free(fake *f)
{
    bytes_free(&f->asked);
    free(f);
}

/* News of the answer asked for last. */
static inline ui_news fake_says(fake *f, ui_news_kind kind, const char *reasoning, const char *content)
{
    ui_news news = {.kind = kind, .answer = f->next, .reason = ENGINE_FINISH_STOP};
    news.usage = (engine_usage){.prompt_tokens = 9,
                                .completion_tokens = 5,
                                .first_token_seconds = 0.1,
                                .decode_seconds = 0.4,
                                .seed = 7};
    bytes_append_text(&news.reasoning, reasoning);
    bytes_append_text(&news.content, content);
    return news;
}

static inline void fake_queue(fake *f, ui_news_kind kind, const char *reasoning, const char *content)
{
    f->news[f->news_count++] = fake_says(f, kind, reasoning, content);
}

#endif

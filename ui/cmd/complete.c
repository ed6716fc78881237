/* ui/cmd/complete.c: the candidates for one word. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/branch.h"
#include "repo/modelref.h"
#include "repo/net/network.h"
#include "repo/source.h"
#include "repo/tag.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/completion.h"
#include "ui/cmd/repo_open.h"

enum { SLOT_BYTES_MAX = 128, WHAT_BYTES_MAX = 60, SLOTS_MAX = 16 };

/* The word that is typed, and where candidates go. */
typedef struct completion {
    ui_cli *cli;
    const char *typed;
    const char *model; /* the command's first word, for refs; NULL: not typed yet */
} completion;

static void offer(const completion *c, const char *before, const char *word, const char *what)
{
    size_t size = strlen(before);
    if (strncmp(c->typed, before, size) != 0 || !text_starts_with(word, c->typed + size)) return;
    fprintf(c->cli->out, "%s%s\t", before, word);
    for (size_t i = 0; what && what[i] && what[i] != '\n' && i < WHAT_BYTES_MAX; i++) {
        if ((unsigned char)what[i] >= ' ') fputc(what[i], c->cli->out);
    }
    fputc('\n', c->cli->out);
}

/* ---- what the words of a table stand for ---- */

static void offer_refs_of(const completion *c, const char *before, repo_handle *r)
{
    CLEANUP(repo_branches_free) repo_branches branches = {0};
    CLEANUP(repo_tags_free) repo_tags tags = {0};

    if (repo_branch_list(r, &branches).code || repo_tag_list(r, &tags).code) return;
    for (size_t i = 0; i < branches.count; i++)
        offer(c, before, branches.rows[i].name, branches.rows[i].subject);
    for (size_t i = 0; i < tags.count; i++)
        offer(c, before, tags.rows[i].name, tags.rows[i].message ? tags.rows[i].message : "tag");
}

static void offer_refs(const completion *c)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    if (c->model && !ui_repo_look_at_model(c->cli, c->model, &repo).code) offer_refs_of(c, "", repo.handle);
}

static void offer_remotes(const completion *c)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    repo_remote_row *rows = NULL;
    size_t count = 0;

    if (!c->model || ui_repo_look_at_model(c->cli, c->model, &repo).code) return;
    if (repo_remote_list(repo.handle, &rows, &count).code) return;
    for (size_t i = 0; i < count; i++) offer(c, "", rows[i].name, rows[i].url);
    repo_remote_list_free(rows, count);
}

/* "name:ref+" is typed: the adapters of that commit. */
static void offer_adapters(const completion *c, const char *before, const char *model, const char *ref)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    CLEANUP(repo_ref_free) repo_ref at = {0};
    repo_source *files = NULL;

    if (ui_repo_look_at_model(c->cli, model, &repo).code || repo_resolve(repo.handle, ref, &at).code) return;
    if (repo_source_open(repo.handle, &at, &files).code) return;
    for (size_t i = 0; i < repo_source_count(files); i++) {
        const char *name = repo_source_borrow_name(files, i), *end = strstr(name, ".safetensors");
        if (!text_starts_with(name, "adapters/") || !end) continue;
        char *adapter = memory_text_n(name + strlen("adapters/"), (size_t)(end - name) - strlen("adapters/"));
        offer(c, before, adapter, "adapter");
        free(adapter);
    }
    repo_source_free(files);
}

static void offer_own_adapters(const completion *c)
{
    if (c->model) offer_adapters(c, "", c->model, "");
}

/* name, name:ref, name:ref+adapter+adapter: what comes after the last sign. */
static void offer_models(const completion *c)
{
    const char *plus = strrchr(c->typed, '+'), *colon = strchr(c->typed, ':');
    CLEANUP(ui_repo_end) ui_repo repo = {0};

    if (repo_word_kind_of(c->typed) == REPO_WORD_PATH) {
        fputs(":files\n", c->cli->out);
    } else if (plus) {
        char *name = memory_text_n(c->typed, strcspn(c->typed, ":+"));
        const char *ref_begin = colon && colon < plus ? colon + 1 : "";
        char *ref = memory_text_n(ref_begin, strcspn(ref_begin, "+"));
        char *before = memory_text_n(c->typed, (size_t)(plus - c->typed) + 1);
        offer_adapters(c, before, name, ref);
        free(name);
        free(ref);
        free(before);
    } else if (colon) {
        char *name = memory_text_n(c->typed, (size_t)(colon - c->typed));
        char *before = memory_text_n(c->typed, (size_t)(colon - c->typed) + 1);
        if (!ui_repo_look_at_model(c->cli, name, &repo).code) offer_refs_of(c, before, repo.handle);
        free(name);
        free(before);
    } else if (!ui_repo_begin_models(c->cli, &repo).code) {
        for (size_t i = 0; i < repo_models_count(repo.models); i++) {
            const repo_model_row *row = repo_models_borrow(repo.models, i);
            offer(c, "", row->name, row->architecture ? row->architecture : row->why);
        }
    }
}

/* A path inside the model: one folder at a time, as a shell does. */
static void offer_paths(const completion *c)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    const char *slash = strrchr(c->typed, '/');
    char *before = memory_text_n(c->typed, slash ? (size_t)(slash - c->typed) + 1 : 0);
    CLEANUP(file_list_free) file_list list = {0};

    if (c->model && *c->typed != '/' && !ui_repo_look_at_model(c->cli, c->model, &repo).code) {
        char *folder = file_join(repo_borrow_path(repo.handle), before);
        if (!file_list_folder(folder, &list).code)
            for (size_t i = 0; i < list.count; i++)
                if (strcmp(list.names[i], ".git") != 0) offer(c, before, list.names[i], "");
        free(folder);
    }
    free(before);
}

static void offer_files(const completion *c) { fputs(":files\n", c->cli->out); }

static void offer_commands(const completion *c)
{
    for (const ui_command *const *each = ui_commands; *each; each++)
        offer(c, "", (*each)->name, (*each)->help);
}

static void offer_settings(const completion *c)
{
    for (const setting_row *row = setting_rows; row->name; row++) offer(c, "", row->name, row->help);
}

static const struct {
    const char *word;
    void (*offer)(const completion *c);
} kinds[] = {
    {"MODEL", offer_models},     {"REF", offer_refs},         {"START", offer_refs},
    {"BRANCH", offer_refs},      {"TAG", offer_refs},         {"PATH", offer_paths},
    {"REMOTE", offer_remotes},   {"FILE", offer_files},       {"FOLDER", offer_files},
    {"COMMAND", offer_commands}, {"SETTING", offer_settings}, {"ADAPTER", offer_own_adapters},
};

/* One slot of a table: "REF", "list|add|remove", "REF|NAME". Small words stand for themselves. */
static void offer_slot(const completion *c, const char *slot)
{
    char words[SLOT_BYTES_MAX], *rest = words;

    if (strlen(slot) >= sizeof words) return;
    strcpy(words, slot);
    for (char *word; (word = strtok_r(rest, "|,", &rest));) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(kinds) && !known; i++) {
            known = strcmp(word, kinds[i].word) == 0;
            if (known) kinds[i].offer(c);
        }
        if (!known && *word >= 'a' && *word <= 'z') offer(c, "", word, "");
    }
}

/* ---- where in the command the word is ---- */

/* "MODEL -m TEXT [REF...]" as slots {"MODEL", "REF"}; what follows an option is its value, not a slot. */
static size_t slots_read(const char *args, char slots[][SLOT_BYTES_MAX], bool *last_repeats)
{
    size_t count = 0;

    *last_repeats = strstr(args, "...") != NULL;
    for (const char *at = args; *at && count < SLOTS_MAX;) {
        at += strspn(at, " [].");
        size_t size = strcspn(at, " [].");
        if (!size) break;
        if (*at == '-') {
            at += size;
            at += strspn(at, " [");
            at += strcspn(at, " ]");
        } else {
            snprintf(slots[count++], SLOT_BYTES_MAX, "%.*s", (int)MIN_OF(size, SLOT_BYTES_MAX - 1), at);
            at += size;
        }
    }
    return count;
}

static const ui_option *option_find(const ui_command *command, const char *word)
{
    const char *name = word + strspn(word, "-");
    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++)
        for (const ui_option *o = command->options[set]; o->name; o++)
            if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

static void offer_options(const completion *c, const ui_command *command)
{
    char word[SLOT_BYTES_MAX];

    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++) {
        for (const ui_option *o = command->options[set]; o->name; o++) {
            snprintf(word, sizeof word, "%s%s", o->name[1] ? "--" : "-", o->name);
            offer(c, "", word, o->help);
        }
    }
}

static void complete_of_command(completion *c, const ui_command *command, const char *const *words,
                                size_t count)
{
    char slots[SLOTS_MAX][SLOT_BYTES_MAX];
    bool last_repeats, options_ended = false;
    size_t slot_count = slots_read(command->args, slots, &last_repeats), position = 0;
    const ui_option *waits = NULL; /* an option whose value is the word */

    for (size_t i = 0; i + 1 < count; i++) {
        bool is_option = !options_ended && !waits && words[i][0] == '-' && words[i][1];
        if (is_option && strcmp(words[i], "--") == 0) options_ended = true;
        const ui_option *option = is_option && !strchr(words[i], '=') ? option_find(command, words[i]) : NULL;
        if (!is_option && !waits && position++ == 0) c->model = words[i];
        waits = option && option->value ? option : NULL;
    }
    if (waits)
        offer_slot(c, waits->value);
    else if (c->typed[0] == '-' && !options_ended)
        offer_options(c, command);
    else if (position < slot_count)
        offer_slot(c, slots[position]);
    else if (last_repeats && slot_count)
        offer_slot(c, slots[slot_count - 1]);
}

void ui_complete(ui_cli *cli, const char *const *words, size_t count)
{
    if (!count) return;
    completion c = {.cli = cli, .typed = words[count - 1]};
    const ui_command *command = count > 1 ? ui_command_find(words[0]) : NULL;
    if (count == 1)
        offer_commands(&c);
    else if (command)
        complete_of_command(&c, command, words + 1, count - 1);
}

/* repo/net/push_rows.c: from words to refs here and there, and whether they may move. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/git.h"
#include "repo/net/push_internal.h"
#include "repo/resolve.h"

static const char own_refs[] = "refs/hyprstream/";

/* ---- one row ---- */

static push_row *row_add(repo_net_push *p, const char *source, const char *target, const git_oid *ours)
{
    p->rows = memory_resize_array(p->rows, p->count + 1, sizeof *p->rows);
    push_row *row = &p->rows[p->count++];
    *row = (push_row){
        .source = source ? memory_text(source) : NULL, .target = memory_text(target), .force = p->force};
    if (ours) row->ours = *ours;
    return row;
}

static err own_refused(const char *word)
{
    if (!text_starts_with(word, own_refs) && !text_starts_with(word, own_refs + strlen("refs/")))
        return ERR_OK;
    return err_make(ERR_DENIED, "%s: refs/hyprstream/ belongs to this machine and is never pushed", word);
}

static err target_check(const char *full)
{
    int valid = 0;

    if (!text_starts_with(full, "refs/") || git_reference_name_is_valid(&valid, full) < 0 || !valid)
        return err_make(ERR_USAGE, "'%.200s' is no name for a ref", full);
    return own_refused(full);
}

/* "x" beside refs/heads/a is refs/heads/x; beside a tag it is a tag. */
static void target_make(const char *word, repo_ref_kind kind, bytes *out)
{
    if (!text_starts_with(word, "refs/"))
        bytes_append_text(out, kind == REPO_REF_TAG ? "refs/tags/" : "refs/heads/");
    bytes_append_text(out, word);
}

static err delete_add(repo_net_push *p, const char *word, bool force)
{
    if (!*word || *word == '-' || strpbrk(word, "*: "))
        return err_make(ERR_USAGE, "'%.200s' is no name of a branch or tag to delete", word);
    err e = own_refused(word);
    if (!e.code) row_add(p, NULL, word, NULL)->force |= force;
    return e;
}

static err update_add(repo_net_push *p, const char *source, const char *target, bool force)
{
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    CLEANUP(bytes_free) bytes full = {0};
    git_oid ours;

    err e = text_starts_with(source, own_refs) ? own_refused(source) : repo_resolve(p->r, source, &ref);
    if (e.code) return e;
    bool is_named = ref.kind == REPO_REF_BRANCH || ref.kind == REPO_REF_TAG;
    if (!is_named && !target)
        return err_make(ERR_USAGE, "'%s' is no branch or tag here: say what it is to be there (%s:NAME)",
                        source, source);
    /* "hyprstream/x" means refs/hyprstream/x where no branch is called so. */
    e = own_refused(ref.kind == REPO_REF_COMMIT ? source : ref.name);
    if (e.code) return e;
    if (target)
        target_make(target, ref.kind, &full);
    else
        bytes_append_text(&full, ref.name);
    e = target_check(bytes_text(&full));
    /* Of a tag the tag itself, not its commit. */
    if (!e.code)
        e = is_named ? repo_git_check(git_reference_name_to_id(&ours, p->r->git, ref.name), source)
                     : repo_oid_read(&ref.commit, &ours);
    if (e.code) return e;
    row_add(p, is_named ? ref.name : ref.commit.hex, bytes_text(&full), &ours)->force |= force;
    return ERR_OK;
}

/* "[+]source[:target]", ":target" */
static err word_read(repo_net_push *p, const char *word)
{
    bool force = *word == '+';
    const char *begin = word + force, *colon = strchr(begin, ':');

    if (p->delete_refs && (force || colon))
        return err_make(ERR_USAGE, "--delete wants names, not '%.200s'", word);
    if (p->delete_refs) return delete_add(p, begin, force);
    if (strchr(begin, '*')) return err_make(ERR_USAGE, "'%.200s': name each ref that is to be pushed", word);
    if (colon == begin) return delete_add(p, colon + 1, force);
    if (!*begin || (colon && !colon[1]))
        return err_make(ERR_USAGE, "'%.200s': expected REF, REF:NAME or :NAME", word);
    char *source = memory_text_n(begin, colon ? (size_t)(colon - begin) : strlen(begin));
    err e = update_add(p, source, colon ? colon + 1 : NULL, force);
    free(source);
    return e;
}

/* ---- all of them ---- */

static err tags_add(repo_net_push *p)
{
    git_reference_iterator *all = NULL;
    git_reference *ref = NULL;

    err e = repo_git_check(git_reference_iterator_glob_new(&all, p->r->git, "refs/tags/*"), "list tags");
    while (!e.code && git_reference_next(&ref, all) == 0) {
        const git_oid *id = git_reference_target(ref);
        if (p->count == PUSH_ROWS_MAX)
            e = err_make(ERR_LIMIT, "more than %d refs at once", PUSH_ROWS_MAX);
        else if (id)
            row_add(p, git_reference_name(ref), git_reference_name(ref), id);
        git_reference_free(ref);
    }
    git_reference_iterator_free(all);
    return e;
}

/* As push.default = simple: where the branch comes from, and only under its own name. */
static err current_add(repo_net_push *p)
{
    const char *branch = p->head_ref + MIN_OF(strlen(p->head_ref), strlen("refs/heads/"));
    CLEANUP(bytes_free) bytes key = {0};
    git_config *config = NULL;
    const char *remote = NULL, *merge = NULL;
    err e = ERR_OK;

    if (!*branch) return err_make(ERR_USAGE, "HEAD is on no branch: say what to push (REMOTE REF:NAME)");
    if (git_repository_config_snapshot(&config, p->r->git) == 0) {
        bytes_printf(&key, "branch.%s.remote", branch);
        git_config_get_string(&remote, config, bytes_text(&key));
        bytes_clear(&key);
        bytes_printf(&key, "branch.%s.merge", branch);
        git_config_get_string(&merge, config, bytes_text(&key));
        if (remote && merge && strcmp(remote, p->name) == 0 && strcmp(merge, p->head_ref) != 0)
            e = err_make(ERR_USAGE, "%s follows %s of %s, which has another name: say %s %s:%s or %s %s",
                         branch, merge, remote, remote, branch, merge, remote, branch);
    }
    git_config_free(config);
    return e.code ? e : update_add(p, p->head_ref, NULL, false);
}

err push_rows_read(repo_net_push *p, bytes_view request)
{
    const char *key, *value;
    size_t at = 0, words = 0;
    err e = ERR_OK;

    while (!e.code && field_next(request, &at, &key, &value)) {
        if (strcmp(key, "ref") != 0) continue;
        words++;
        e = word_read(p, value);
    }
    if (!e.code && p->delete_refs && !words) e = err_make(ERR_USAGE, "say what to delete: REMOTE REF");
    if (!e.code && p->tags) e = tags_add(p);
    if (!e.code && !words && !p->tags) e = current_add(p);
    for (size_t i = 0; i < p->count && !e.code; i++)
        for (size_t k = 0; k < i && !e.code; k++)
            if (strcmp(p->rows[i].target, p->rows[k].target) == 0 && !p->tags)
                e = err_make(ERR_USAGE, "%s is named twice", p->rows[i].target);
    return e;
}

/* ---- judgement ---- */

static const git_oid *head_find(const git_remote_head **heads, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(heads[i]->name, name) == 0) return &heads[i]->oid;
    return NULL;
}

static err delete_find(repo_net_push *p, push_row *row, const git_remote_head **heads, size_t count)
{
    static const char *const begins[] = {"refs/heads/", "refs/tags/", ""};

    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        CLEANUP(bytes_free) bytes full = {0};
        bytes_printf(&full, "%s%s", begins[i], row->target);
        const git_oid *id = head_find(heads, count, bytes_text(&full));
        if (!id) continue;
        free(row->target);
        row->target = bytes_take(&full);
        row->theirs = *id;
        return target_check(row->target);
    }
    return err_make(ERR_NOT_FOUND, "%s has no branch or tag '%s'", p->name, row->target);
}

/* Where the last fetch saw it; zero: nowhere. */
static void tracked(const repo_net_push *p, const char *target, git_oid *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < git_remote_refspec_count(p->remote); i++) {
        const git_refspec *spec = git_remote_get_refspec(p->remote, i);
        git_buf name = {0};
        if (git_refspec_direction(spec) == GIT_DIRECTION_FETCH && git_refspec_src_matches(spec, target) &&
            git_refspec_transform(&name, spec, target) == 0)
            git_reference_name_to_id(out, p->r->git, name.ptr);
        git_buf_dispose(&name);
    }
}

static const char *short_of(const char *full)
{
    if (text_starts_with(full, "refs/heads/")) return full + strlen("refs/heads/");
    return text_starts_with(full, "refs/tags/") ? full + strlen("refs/tags/") : full;
}

static err lease_check(const repo_net_push *p, const push_row *row)
{
    git_oid seen;

    tracked(p, row->target, &seen);
    if (git_oid_equal(&seen, &row->theirs)) return ERR_OK;
    return err_make(ERR_CONFLICT, "%s has moved on %s since it was fetched: fetch, look, push again",
                    short_of(row->target), p->name);
}

static err forward_check(const repo_net_push *p, const push_row *row)
{
    git_odb *odb = NULL;

    if (text_starts_with(row->target, "refs/tags/"))
        return err_make(ERR_CONFLICT, "%s has another tag %s: --force replaces it", p->name,
                        short_of(row->target));
    err e = repo_git_check(git_repository_odb(&odb, p->r->git), "open the objects");
    bool is_here = !e.code && git_odb_exists(odb, &row->theirs);
    git_odb_free(odb);
    if (e.code || (is_here && git_graph_descendant_of(p->r->git, &row->ours, &row->theirs) == 1)) return e;
    return err_make(ERR_CONFLICT,
                    "%s of %s has commits that are not in this one: fetch first and join them (pull), or say "
                    "--force-with-lease",
                    short_of(row->target), p->name);
}

err push_rows_judge(repo_net_push *p, const git_remote_head **heads, size_t count)
{
    for (size_t i = 0; i < p->count; i++) {
        push_row *row = &p->rows[i];
        const git_oid *theirs = row->source ? head_find(heads, count, row->target) : NULL;
        err e = row->source ? ERR_OK : delete_find(p, row, heads, count);
        if (theirs) row->theirs = *theirs;
        row->changes = !git_oid_equal(&row->ours, &row->theirs);
        bool judged = !e.code && row->changes && (p->lease || (!row->force && row->source && theirs));
        if (judged) e = p->lease && !row->force ? lease_check(p, row) : forward_check(p, row);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* ---- telling ---- */

static void row_tell(repo_net_push *p, const push_row *row)
{
    char from[9], to[9];
    const char *name = short_of(row->target);

    git_oid_tostr(from, sizeof from, &row->theirs);
    git_oid_tostr(to, sizeof to, &row->ours);
    p->report->refs_changed++;
    if (!row->source)
        repo_report_line(p->report, "%s deleted", name);
    else if (git_oid_is_zero(&row->theirs))
        repo_report_line(p->report, "%s new %s", name,
                         text_starts_with(row->target, "refs/tags/") ? "tag" : "branch");
    else
        repo_report_line(p->report, "%s %s..%s%s", name, from, to,
                         git_graph_descendant_of(p->r->git, &row->ours, &row->theirs) == 1 ? "" : " forced");
}

void push_rows_tell(repo_net_push *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const push_row *row = &p->rows[i];
        if (row->changes) row_tell(p, row);
        if (!row->source || strcmp(row->source, p->head_ref) != 0) continue;
        if (!git_oid_is_zero(&row->theirs)) repo_id_of(&row->theirs, &p->report->before);
        repo_id_of(&row->ours, &p->report->after);
    }
    p->report->up_to_date = !p->report->refs_changed;
}

void push_row_spec(const push_row *row, bool forced, bytes *out)
{
    bytes_printf(out, "%s%s:%s", forced && row->source ? "+" : "", row->source ? row->source : "",
                 row->target);
}

void repo_net_push_free(repo_net_push *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->rows[i].source);
        free(p->rows[i].target);
    }
    free(p->rows);
    free(p->name);
    free(p->head_ref);
    git_remote_free(p->remote);
}

#include "ui/cmd/repo_open.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/modelref.h"
#include "repo/net/git_lines.h"
#include "repo/worktree/worktree.h"
#include "ui/app/first_start.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

enum { PROGRESS_EVERY_MS = 100, ANSWER_BYTES_MAX = 4096 };

/* ---- progress ---- */

static void line_clear(ui_repo *r)
{
    if (r->line_open) fputs("\r\033[K", r->cli->err_out);
    r->line_open = false;
}

static void print_bytes(FILE *out, const repo_progress *p, double seconds)
{
    char done[32], total[32], speed[32], left[32];

    text_human_size(p->bytes_done, done, sizeof done);
    fprintf(out, "  %s", done);
    if (p->bytes_total) {
        text_human_size(p->bytes_total, total, sizeof total);
        fprintf(out, " of %s", total);
    }
    if (seconds < 0.5 || !p->bytes_done) return;
    double rate = (double)p->bytes_done / seconds;
    text_human_size((uint64_t)rate, speed, sizeof speed);
    fprintf(out, "  %s/s", speed);
    if (p->bytes_total <= p->bytes_done) return;
    text_human_seconds((double)(p->bytes_total - p->bytes_done) / rate, left, sizeof left);
    fprintf(out, "  %s left", left);
}

void ui_repo_line_end(ui_repo *r) { line_clear(r); }

static void progress_print(ui_repo *r, const repo_progress *p, double now)
{
    FILE *out = r->cli->err_out;

    fprintf(out, "\r\033[K%s", repo_phase_name(p->phase));
    if (p->total)
        fprintf(out, " %llu/%llu", (unsigned long long)p->done, (unsigned long long)p->total);
    else if (p->done)
        fprintf(out, " %llu", (unsigned long long)p->done);
    if (p->bytes_done || p->bytes_total) print_bytes(out, p, now - r->phase_began);
    if (p->text[0]) {
        fputs("  ", out);
        ui_show_text(out, bytes_view_of(p->text));
    }
    fflush(out);
    r->line_open = true;
}

static bool tell(void *context, const repo_progress *p)
{
    ui_repo *r = context;
    double now = clock_seconds();

    if (r->phase_began == 0 || p->phase != r->phase) r->phase_began = now;
    r->phase = p->phase;
    if (isatty(fileno(r->cli->err_out)) && (now - r->shown_at) * 1000 >= PROGRESS_EVERY_MS) {
        r->shown_at = now;
        progress_print(r, p, now);
    }
    return *r->cli->interrupted == 0;
}

/* ---- questions ---- */

/* One line of the terminal itself, so that standard input can be a pipe. A secret is not echoed. */
static err terminal_read(FILE *terminal, bool secret, bytes *answer)
{
    struct termios old, quiet;
    bool silenced = secret && tcgetattr(fileno(terminal), &old) == 0;
    char line[ANSWER_BYTES_MAX];

    if (silenced) {
        quiet = old;
        quiet.c_lflag &= (tcflag_t)~ECHO;
        tcsetattr(fileno(terminal), TCSAFLUSH, &quiet);
    }
    char *got = fgets(line, sizeof line, terminal);
    if (silenced) {
        tcsetattr(fileno(terminal), TCSAFLUSH, &old);
        fputc('\n', terminal);
    }
    if (!got) return err_make(ERR_CANCELLED, "no answer was given");
    bytes_append(answer, line, strcspn(line, "\n"));
    explicit_bzero(line, sizeof line);
    return ERR_OK;
}

static err ask(void *context, const char *question, bool secret, bytes *answer)
{
    ui_repo *r = context;
    FILE *terminal = fopen("/dev/tty", "r+e");

    if (!terminal) {
        CLEANUP(bytes_free) bytes line = {0};
        repo_line_clean(bytes_view_of(question), &line);
        return err_make(ERR_DENIED, "there is no terminal to ask on: %s", bytes_text(&line));
    }
    line_clear(r);
    fputs(question, terminal);
    fflush(terminal);
    fseek(terminal, 0, SEEK_CUR); /* C wants this between writing and reading */
    err e = terminal_read(terminal, secret, answer);
    fclose(terminal);
    return e;
}

static bool is_yes(const char *answer) { return *answer == 'y' || *answer == 'Y'; }

err ui_repo_confirm(ui_repo *r, const char *question, const char *force_option)
{
    CLEANUP(bytes_free) bytes answer = {0}, line = {0};

    if (!isatty(fileno(r->cli->in)))
        return err_make(ERR_USAGE, "%s: say %s to go on", question, force_option);
    bytes_printf(&line, "%s [y/N] ", question);
    err e = ask(r, bytes_text(&line), false, &answer);
    if (!e.code && !is_yes(bytes_text(&answer))) e = err_make(ERR_CANCELLED, "left as it was");
    return e;
}

/* ---- opening ---- */

void ui_repo_begin(ui_cli *cli, ui_repo *out)
{
    *out = (ui_repo){.cli = cli, .environment = env_of_process(), .began = clock_seconds()};
    out->context = (repo_context){
        .settings = cli->settings,
        .environment = &out->environment,
        .watch = {tell, out},
        .ask = {ask, out},
    };
}

err ui_repo_begin_models(ui_cli *cli, ui_repo *out)
{
    ui_repo_begin(cli, out);
    return repo_models_open(&out->context, &out->models);
}

err ui_repo_put_demo(ui_cli *cli, const char *name)
{
    bool made = false;
    if (strcmp(name, "demo") != 0) return ERR_OK;
    err e = ui_first_start(cli->settings, &made);
    if (made)
        fprintf(cli->err_out, "The demo model was put into %s\n", settings_text(cli->settings, "models.dir"));
    return e;
}

err ui_repo_begin_model(ui_cli *cli, const char *word, ui_repo *out)
{
    err e = ui_repo_put_demo(cli, word);
    *out = (ui_repo){0};
    return e.code ? e : ui_repo_look_at_model(cli, word, out);
}

err ui_repo_look_at_model(ui_cli *cli, const char *word, ui_repo *out)
{
    if (repo_word_kind_of(word) == REPO_WORD_URL) {
        ui_repo_begin(cli, out);
        return err_make(ERR_USAGE, "MODEL is a url: expected a model's name or a folder (clone gets a url)");
    }
    err e = ui_repo_begin_models(cli, out);
    if (e.code) return e;
    out->name = memory_text(word);
    if (repo_word_kind_of(word) == REPO_WORD_NAME)
        return repo_models_open_model(out->models, word, &out->handle);
    char *path = file_expand_home(word, settings_borrow_folders(cli->settings)->home);
    e = repo_open(&out->context, path, &out->handle);
    if (e.code == ERR_NOT_FOUND && !repo_worktree_wake(&out->context, path).code)
        e = repo_open(&out->context, path, &out->handle);
    free(path);
    return e;
}

void ui_repo_end(ui_repo *r)
{
    if (r->cli) line_clear(r);
    repo_close(r->handle);
    repo_models_free(r->models);
    free(r->name);
    *r = (ui_repo){0};
}

void ui_repo_told_ref(const ui_repo *r, const char *kind, const char *sentence, const char *name,
                      const repo_id *commit, bool json)
{
    FILE *out = r->cli->out;

    if (json) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(r->name));
        ui_json_add_text(o, kind, bytes_view_of(name));
        ui_files_add_optional(o, "commit", *commit->hex ? commit->hex : NULL);
        ui_json_print(o, out);
        return;
    }
    fprintf(out, "%s ", sentence);
    ui_show_text(out, bytes_view_of(name));
    if (*commit->hex) fprintf(out, " (%.8s)", commit->hex);
    fputc('\n', out);
}

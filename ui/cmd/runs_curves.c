#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/runs.h"

enum { PLOT_ROWS = 14, LABEL_WIDTH = 10, COLUMNS_LEAST = 20, COLUMNS_USUAL = 80 };

/* -- a curve in braille: each cell is two dots wide and four high -- */

typedef struct canvas {
    unsigned char *cells; /* [rows][columns], the bits of U+2800 + bits */
    size_t columns, rows;
} canvas;

static void dot(canvas *c, size_t x, size_t y)
{
    static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x >= 2 * c->columns || y >= 4 * c->rows) return;
    c->cells[y / 4 * c->columns + x / 2] |= bits[y % 4][x % 2];
}

static size_t terminal_columns(FILE *out)
{
    struct winsize size;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
                                                                                            : COLUMNS_USUAL;
}

typedef struct bounds {
    double lo, hi;
    uint64_t first, last; /* steps */
} bounds;

static bool bounds_of(const ui_run_curve *curve, bounds *out)
{
    *out = (bounds){INFINITY, -INFINITY, UINT64_MAX, 0};
    for (size_t i = 0; i < curve->count; i++) {
        const ui_run_slot *s = &curve->slots[i];
        if (!isfinite(s->lo)) continue;
        out->lo = fmin(out->lo, s->lo);
        out->hi = fmax(out->hi, s->hi);
        out->first = MIN_OF(out->first, s->first);
        out->last = MAX_OF(out->last, s->first + s->span - 1);
    }
    return isfinite(out->lo);
}

/* Where a stretch of the curve lies on the canvas. */
typedef struct spot {
    size_t x, top, end;
} spot;

static spot spot_of(const canvas *c, const ui_run_slot *s, const bounds *b)
{
    double height = (double)(4 * c->rows - 1), width = (double)(2 * c->columns - 1);
    double range = b->hi > b->lo ? b->hi - b->lo : 1,
           steps = b->last > b->first ? (double)(b->last - b->first) : 1;
    return (spot){(size_t)((double)(s->first - b->first) / steps * width + 0.5),
                  (size_t)((b->hi - s->hi) / range * height + 0.5),
                  (size_t)((b->hi - s->lo) / range * height + 0.5)};
}

/* A straight line from one stretch to the next, so that few points make a curve too. */
static void join(canvas *c, spot from, spot to)
{
    double a = (double)(from.top + from.end) / 2, b = (double)(to.top + to.end) / 2;
    for (size_t x = from.x; x < to.x; x++) {
        double share = (double)(x - from.x) / (double)(to.x - from.x);
        dot(c, x, (size_t)(a + (b - a) * share + 0.5));
    }
}

/* From the highest to the lowest value of each stretch, a column of dots. */
static void draw(canvas *c, const ui_run_curve *curve, const bounds *b)
{
    spot before = {0};
    bool has_before = false;

    for (size_t i = 0; i < curve->count; i++) {
        if (!isfinite(curve->slots[i].lo)) {
            has_before = false;
            continue;
        }
        spot at = spot_of(c, &curve->slots[i], b);
        for (size_t y = at.top; y <= at.end; y++) dot(c, at.x, y);
        if (has_before) join(c, before, at);
        before = at;
        has_before = true;
    }
}

static void print_canvas(FILE *out, const canvas *c, const bounds *b)
{
    for (size_t row = 0; row < c->rows; row++) {
        double at = b->hi - (b->hi - b->lo) * (double)row / (double)(c->rows - 1);
        fprintf(out, "%*.4g ", LABEL_WIDTH - 1, at);
        for (size_t column = 0; column < c->columns; column++) {
            char text[UTF8_BYTES_MAX];
            size_t size = utf8_encode(0x2800u + c->cells[row * c->columns + column], text);
            fwrite(text, 1, size, out);
        }
        fputc('\n', out);
    }
    fprintf(out, "%*s step %llu to %llu\n", LABEL_WIDTH - 1, "", (unsigned long long)b->first,
            (unsigned long long)b->last);
}

static err plot_one(const ui_runs *r, const ui_run_row *row, const char *name, bool wanted)
{
    ui_run_curve curve = {0};
    bounds b;
    size_t columns = terminal_columns(r->cli->out);

    columns = MAX_OF(columns, (size_t)COLUMNS_LEAST) - LABEL_WIDTH;
    err e = ui_run_store_curve(r->store, row->run, name, columns, &curve);
    if (!e.code && !bounds_of(&curve, &b)) {
        if (wanted) e = err_make(ERR_NOT_FOUND, "run %s has no points %s", row->id, name);
    } else if (!e.code) {
        canvas c = {memory_alloc(columns * PLOT_ROWS), columns, PLOT_ROWS};
        draw(&c, &curve, &b);
        fprintf(r->cli->out, "%s of run %s\n", name, row->id);
        print_canvas(r->cli->out, &c, &b);
        free(c.cells);
    }
    ui_run_curve_free(&curve);
    return e;
}

err ui_runs_plot(const ui_runs *r)
{
    ui_run_list one = {0};
    const char *name = ui_arguments_text(r->a, "name");

    err e = ui_runs_find(r, 1, &one);
    if (!e.code) e = plot_one(r, &one.rows[0], name ? name : "loss", true);
    if (!e.code && !name) e = plot_one(r, &one.rows[0], "eval_loss", false);
    ui_run_list_free(&one);
    return e;
}

/* -- export -- */

typedef struct exporting {
    const ui_runs *r;
    const ui_run_row *row;
    err failed;
} exporting;

static void export_name(void *context, const char *name)
{
    exporting *x = context;
    ui_run_curve curve = {0};

    if (!x->failed.code) x->failed = ui_run_store_curve(x->r->store, x->row->run, name, 0, &curve);
    for (size_t i = 0; i < curve.count && !x->failed.code; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "run", x->row->id);
        cJSON_AddStringToObject(o, "name", name);
        cJSON_AddNumberToObject(o, "step", (double)curve.slots[i].first);
        ui_json_add_number(o, "value", curve.slots[i].lo);
        ui_json_print(o, x->r->cli->out);
    }
    ui_run_curve_free(&curve);
}

/* Names first: the walk over them must not stand open while their points are read. */
typedef struct name_list {
    bytes text;
    size_t count;
} name_list;

static void note_name(void *context, const char *name)
{
    name_list *names = context;
    bytes_append(&names->text, name, strlen(name) + 1);
    names->count++;
}

err ui_runs_export(const ui_runs *r)
{
    ui_run_list one = {0};
    name_list names = {0};

    err e = ui_runs_find(r, 1, &one);
    if (!e.code) e = ui_run_store_names(r->store, one.rows[0].run, note_name, &names);
    exporting x = {r, e.code ? NULL : &one.rows[0], e};
    const char *name = bytes_text(&names.text);
    for (size_t i = 0; i < names.count; i++, name += strlen(name) + 1) export_name(&x, name);
    bytes_free(&names.text);
    ui_run_list_free(&one);
    return x.failed;
}

/* -- compare -- */

static err last_value(const ui_runs *r, const ui_run_row *row, const char *name, double *out)
{
    ui_run_curve curve = {0};

    *out = NAN;
    err e = ui_run_store_curve(r->store, row->run, name, 0, &curve);
    if (!e.code && curve.count) *out = curve.slots[curve.count - 1].lo;
    ui_run_curve_free(&curve);
    return e;
}

static bool same_value(const json_node *a, const json_node *b)
{
    if (!a || !b || a->type != b->type) return false;
    return a->type < JSON_NUMBER || bytes_view_equal(a->text, b->text);
}

static void print_value(FILE *out, const json_node *n)
{
    if (json_is(n, JSON_STRING) || json_is(n, JSON_NUMBER))
        fprintf(out, "%-26.*s ", (int)MIN_OF(n->text.size, (size_t)26), n->text.data);
    else
        fprintf(out, "%-26s ", json_is(n, JSON_TRUE) ? "true" : json_is(n, JSON_FALSE) ? "false" : "-");
}

/* Settings that are not the same in all. */
static err compare_settings(const ui_runs *r, const ui_run_list *runs, size_t count)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *roots[16] = {NULL};
    err e = ERR_OK;

    for (size_t i = 0; i < count && !e.code; i++)
        e = json_parse(bytes_view_of(runs[i].rows[0].config), 8, &a, &roots[i]);
    for (const json_node *n = e.code ? NULL : json_first(roots[0]); n; n = n->next) {
        char key[64];
        bool same = true;
        snprintf(key, sizeof key, "%.*s", (int)MIN_OF(n->key.size, sizeof key - 1), n->key.data);
        for (size_t i = 1; i < count; i++) same &= same_value(n, json_get(roots[i], key));
        if (same) continue;
        fprintf(r->cli->out, "%-16s ", key);
        for (size_t i = 0; i < count; i++) print_value(r->cli->out, json_get(roots[i], key));
        fputc('\n', r->cli->out);
    }
    return e;
}

static err compare_figures(const ui_runs *r, const ui_run_list *runs, size_t count)
{
    static const char *const names[] = {"loss", "eval_loss", "accuracy", "tokens_per_s"};
    err e = ERR_OK;

    for (size_t k = 0; k < COUNT_OF(names) && !e.code; k++) {
        fprintf(r->cli->out, "%-16s ", names[k]);
        for (size_t i = 0; i < count && !e.code; i++) {
            double value;
            e = last_value(r, &runs[i].rows[0], names[k], &value);
            if (isfinite(value))
                fprintf(r->cli->out, "%-26.6g ", value);
            else
                fprintf(r->cli->out, "%-26s ", "n/a");
        }
        fputc('\n', r->cli->out);
    }
    return e;
}

err ui_runs_compare(const ui_runs *r)
{
    ui_run_list runs[16] = {{0}};
    size_t count = r->a->word_count - 1;
    err e = count < 2 ? err_make(ERR_USAGE, "expected two runs or more to compare") : ERR_OK;

    for (size_t i = 0; i < count && !e.code; i++) e = ui_runs_find(r, i + 1, &runs[i]);
    if (!e.code) {
        fprintf(r->cli->out, "%-16s ", "");
        for (size_t i = 0; i < count; i++) fprintf(r->cli->out, "%-26s ", runs[i].rows[0].id);
        fputc('\n', r->cli->out);
        e = compare_settings(r, runs, count);
    }
    if (!e.code) e = compare_figures(r, runs, count);
    for (size_t i = 0; i < COUNT_OF(runs); i++) ui_run_list_free(&runs[i]);
    return e;
}

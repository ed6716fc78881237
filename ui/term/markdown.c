#include "ui/term/markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "ui/term/flow.h"
#include "ui/term/sanitise.h"

enum {
    FLAGS = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS | MD_FLAG_PERMISSIVEURLAUTOLINKS |
            MD_FLAG_NOHTML,
    ENTITY_BYTES_MAX = 16,
};

typedef struct list_state {
    bool is_ordered;
    unsigned next; /* number of the next item */
} list_state;

/* A document while it is read. `inline_text` collects the words of the block that is open. */
typedef struct reader {
    ui_flow flow;
    ui_flow_text inline_text;
    list_state lists[UI_MARKDOWN_DEPTH_MAX];
    size_t list_depth, quote_depth;
    int strong, emphasis, code, link, struck;
    bool in_heading, in_code_block, in_table_head;
    bytes label, address;
    ui_flow_text *cells; /* of the open table; the text of the open cell is inline_text */
    size_t cell_count, cell_capacity, columns, column;
} reader;

/* ---- words ---- */

static ui_style style_now(const reader *r)
{
    if (r->code || r->in_code_block) return UI_STYLE_CODE;
    if (r->link) return UI_STYLE_LINK;
    if (r->in_heading) return UI_STYLE_HEADING;
    if (r->struck) return UI_STYLE_STRUCK;
    if (r->strong && r->emphasis) return UI_STYLE_STRONG_EMPHASIS;
    if (r->strong || r->in_table_head) return UI_STYLE_STRONG;
    if (r->emphasis) return UI_STYLE_EMPHASIS;
    return r->quote_depth ? UI_STYLE_QUOTE : r->flow.how.base;
}

/* The few names that models write; others stay as they are. What a number names is
 * sanitised like all text. */
static void entity_decode(bytes_view entity, bool ascii, bytes *out)
{
    static const struct {
        const char *name, *text;
    } named[] = {{"&amp;", "&"},
                 {"&lt;", "<"},
                 {"&gt;", ">"},
                 {"&quot;", "\""},
                 {"&apos;", "'"},
                 {"&nbsp;", " "},
                 {"&copy;", "\xC2\xA9"},
                 {"&ndash;", "\xE2\x80\x93"},
                 {"&mdash;", "\xE2\x80\x94"},
                 {"&hellip;", "\xE2\x80\xA6"}};
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (bytes_view_is(entity, named[i].name)) {
            ui_sanitise_line(bytes_view_of(named[i].text), ascii, out);
            return;
        }
    char digits[ENTITY_BYTES_MAX] = {0}, text[UTF8_BYTES_MAX];
    size_t size = 0;
    if (entity.size > 3 && entity.size < sizeof digits && entity.data[1] == '#') {
        memcpy(digits, entity.data + 2, entity.size - 3);
        bool is_hex = digits[0] == 'x' || digits[0] == 'X';
        size = utf8_encode((uint32_t)strtoul(digits + is_hex, NULL, is_hex ? 16 : 10), text);
    }
    if (size)
        ui_sanitise_line((bytes_view){text, size}, ascii, out);
    else
        bytes_append_view(out, entity);
}

static void attribute_decode(const MD_ATTRIBUTE *from, bool ascii, bytes *out)
{
    bytes_clear(out);
    for (size_t i = 0; from->text && from->substr_offsets[i] < from->size; i++) {
        MD_OFFSET begin = from->substr_offsets[i], end = from->substr_offsets[i + 1];
        bytes_view part = {from->text + begin, end - begin};
        if (from->substr_types[i] == MD_TEXT_ENTITY)
            entity_decode(part, ascii, out);
        else
            bytes_append_view(out, part);
    }
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *data, MD_SIZE size, void *context)
{
    reader *r = context;
    bytes_view text = {data, size};
    CLEANUP(bytes_free) bytes decoded = {0};
    if (type == MD_TEXT_ENTITY) {
        entity_decode(text, r->flow.how.ascii, &decoded);
        text = bytes_borrow(&decoded);
    }
    /* A line that the model ended stays ended: verses, addresses and lists without marks are meant so. */
    if (type == MD_TEXT_BR || type == MD_TEXT_SOFTBR) text = VIEW("\n");
    ui_flow_text_add(&r->inline_text, text, style_now(r));
    return 0;
}

static void add_address(reader *r)
{
    bytes_view address = bytes_borrow(&r->address), shown = bytes_borrow(&r->inline_text.text);
    bool is_shown = shown.size >= address.size &&
                    memcmp(shown.data + shown.size - address.size, address.data, address.size) == 0;
    if (!address.size || is_shown) return;
    ui_flow_text_add(&r->inline_text, VIEW(" ("), UI_STYLE_DIM);
    ui_flow_text_add(&r->inline_text, address, UI_STYLE_DIM);
    ui_flow_text_add(&r->inline_text, VIEW(")"), UI_STYLE_DIM);
}

static int on_span(reader *r, MD_SPANTYPE type, const void *detail, int step)
{
    const MD_ATTRIBUTE *address = NULL;
    switch (type) {
    case MD_SPAN_EM: r->emphasis += step; break;
    case MD_SPAN_STRONG: r->strong += step; break;
    case MD_SPAN_CODE: r->code += step; break;
    case MD_SPAN_DEL: r->struck += step; break;
    case MD_SPAN_A: address = &((const MD_SPAN_A_DETAIL *)detail)->href; break;
    case MD_SPAN_IMG: address = &((const MD_SPAN_IMG_DETAIL *)detail)->src; break;
    default: break;
    }
    if (!address) return 0;
    if (type == MD_SPAN_IMG && step > 0) ui_flow_text_add(&r->inline_text, VIEW("image: "), UI_STYLE_DIM);
    r->link += step;
    if (step > 0) return 0;
    attribute_decode(address, r->flow.how.ascii, &r->address);
    add_address(r);
    return 0;
}

static int on_span_begin(MD_SPANTYPE type, void *detail, void *context)
{
    return on_span(context, type, detail, 1);
}
static int on_span_end(MD_SPANTYPE type, void *detail, void *context)
{
    return on_span(context, type, detail, -1);
}

/* ---- blocks ---- */

/* What was collected becomes lines: at a block's end, and where an item's words end at a
 * list or block inside it. */
static void flush(reader *r)
{
    if (r->inline_text.text.size) ui_flow_paragraph(&r->flow, &r->inline_text);
    ui_flow_text_clear(&r->inline_text);
}

static list_state *list_now(reader *r)
{
    return r->list_depth && r->list_depth <= UI_MARKDOWN_DEPTH_MAX ? &r->lists[r->list_depth - 1] : NULL;
}

static void list_begin(reader *r, bool is_ordered, unsigned first)
{
    flush(r);
    r->list_depth++;
    if (list_now(r)) *list_now(r) = (list_state){is_ordered, first};
}

static void item_begin(reader *r, const MD_BLOCK_LI_DETAIL *detail)
{
    list_state *list = list_now(r);
    const char *first = r->flow.how.ascii ? "* " : "\xE2\x80\xA2 ", *rest = "  ";
    flush(r);
    if (list && list->is_ordered) {
        first = arena_printf(r->flow.memory, "%u. ", list->next++);
        rest = arena_printf(r->flow.memory, "%*s", (int)strlen(first), "");
    } else if (detail->is_task) {
        first = detail->task_mark == ' ' ? "[ ] " : "[x] ";
        rest = "    ";
    }
    ui_flow_push(&r->flow, first, rest, UI_STYLE_BULLET);
}

static void table_end(reader *r)
{
    if (r->columns && r->cell_count)
        ui_flow_table(&r->flow, r->cells, r->cell_count / r->columns, r->columns);
    for (size_t i = 0; i < r->cell_count; i++) ui_flow_text_free(&r->cells[i]);
    r->cell_count = 0;
}

static void cell_end(reader *r)
{
    if (r->column++ >= r->columns) {
        ui_flow_text_clear(&r->inline_text);
        return;
    }
    if (r->cell_count == r->cell_capacity) {
        r->cell_capacity = r->cell_capacity ? r->cell_capacity * 2 : 16;
        r->cells = memory_resize_array(r->cells, r->cell_capacity, sizeof *r->cells);
    }
    r->cells[r->cell_count++] = r->inline_text;
    r->inline_text = (ui_flow_text){0};
}

static int on_block_begin(MD_BLOCKTYPE type, void *detail, void *context)
{
    reader *r = context;
    switch (type) {
    case MD_BLOCK_QUOTE:
        flush(r);
        ui_flow_push(&r->flow, r->flow.how.ascii ? "| " : "\xE2\x94\x82 ",
                     r->flow.how.ascii ? "| " : "\xE2\x94\x82 ", UI_STYLE_QUOTE);
        r->quote_depth++;
        break;
    case MD_BLOCK_UL: list_begin(r, false, 0); break;
    case MD_BLOCK_OL: list_begin(r, true, ((MD_BLOCK_OL_DETAIL *)detail)->start); break;
    case MD_BLOCK_LI: item_begin(r, detail); break;
    case MD_BLOCK_H: flush(r), r->in_heading = true; break;
    case MD_BLOCK_CODE:
        flush(r);
        r->in_code_block = true;
        attribute_decode(&((MD_BLOCK_CODE_DETAIL *)detail)->lang, r->flow.how.ascii, &r->label);
        break;
    case MD_BLOCK_TABLE:
        flush(r);
        r->columns = MIN_OF(((MD_BLOCK_TABLE_DETAIL *)detail)->col_count, (unsigned)UI_FLOW_COLUMNS_MAX);
        break;
    case MD_BLOCK_THEAD: r->in_table_head = true; break;
    case MD_BLOCK_TR: r->column = 0; break;
    case MD_BLOCK_P: flush(r); break;
    default: break;
    }
    return 0;
}

static void code_end(reader *r)
{
    ui_flow_code(&r->flow, bytes_borrow(&r->label), &r->inline_text);
    ui_flow_text_clear(&r->inline_text);
    r->in_code_block = false;
}

static int on_block_end(MD_BLOCKTYPE type, void *detail, void *context)
{
    (void)detail;
    reader *r = context;
    bool is_apart = true; /* an empty line comes after it */
    switch (type) {
    case MD_BLOCK_QUOTE: flush(r), ui_flow_pop(&r->flow), r->quote_depth--; break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL: is_apart = --r->list_depth == 0; break;
    case MD_BLOCK_LI: flush(r), ui_flow_pop(&r->flow), is_apart = false; break;
    case MD_BLOCK_H: flush(r), r->in_heading = false; break;
    case MD_BLOCK_CODE: code_end(r); break;
    case MD_BLOCK_TABLE: table_end(r); break;
    case MD_BLOCK_THEAD: r->in_table_head = false, is_apart = false; break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD: cell_end(r), is_apart = false; break;
    case MD_BLOCK_HR: ui_flow_rule(&r->flow); break;
    case MD_BLOCK_P: flush(r); break;
    default: is_apart = false; break;
    }
    if (is_apart) r->flow.blank_due = true;
    return 0;
}

/* ---- the whole ---- */

static bool is_too_long(bytes_view text, const ui_markdown_options *how, arena *a, ui_lines *out)
{
    if (text.size <= UI_MARKDOWN_BYTES_MAX) return false;
    char words[96];
    snprintf(words, sizeof words, "(a text of %zu bytes: more than %d are not shown)", text.size,
             (int)UI_MARKDOWN_BYTES_MAX);
    *out = ui_plain_lines(bytes_view_of(words), how, a);
    return true;
}

static void reader_free(reader *r)
{
    ui_flow_text_free(&r->inline_text);
    for (size_t i = 0; i < r->cell_count; i++) ui_flow_text_free(&r->cells[i]);
    free(r->cells);
    bytes_free(&r->label), bytes_free(&r->address);
}

ui_lines ui_markdown_lines(bytes_view text, const ui_markdown_options *how, arena *a)
{
    ui_lines lines;
    if (is_too_long(text, how, a, &lines)) return lines;
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise(text, how->ascii, &safe);
    reader r = {.flow = {.memory = a, .how = *how}};
    MD_PARSER parser = {.flags = FLAGS,
                        .enter_block = on_block_begin,
                        .leave_block = on_block_end,
                        .enter_span = on_span_begin,
                        .leave_span = on_span_end,
                        .text = on_text};
    int failed = md_parse(bytes_text(&safe), (MD_SIZE)safe.size, &parser, &r);
    lines = ui_flow_finish(&r.flow);
    reader_free(&r);
    return failed ? ui_plain_lines(text, how, a) : lines; /* only without memory: better plain than nothing */
}

ui_lines ui_plain_lines(bytes_view text, const ui_markdown_options *how, arena *a)
{
    ui_lines lines;
    if (is_too_long(text, how, a, &lines)) return lines;
    CLEANUP(bytes_free) bytes safe = {0};
    CLEANUP(ui_flow_text_free) ui_flow_text all = {0};
    ui_flow flow = {.memory = a, .how = *how};
    ui_sanitise(text, how->ascii, &safe);
    ui_flow_text_add(&all, bytes_borrow(&safe), how->base);
    ui_flow_paragraph(&flow, &all);
    return ui_flow_finish(&flow);
}

/* ---- the last code block ---- */

typedef struct code_search {
    bytes_view text;
    bytes *out;
    size_t indent; /* blanks that md4c says the line begins with */
    bool in_code, found;
} code_search;

static int code_block_begin(MD_BLOCKTYPE type, void *detail, void *context)
{
    (void)detail;
    code_search *search = context;
    if (type != MD_BLOCK_CODE) return 0;
    bytes_clear(search->out);
    search->in_code = search->found = true;
    return 0;
}

static int code_block_end(MD_BLOCKTYPE type, void *detail, void *context)
{
    (void)detail;
    if (type == MD_BLOCK_CODE) ((code_search *)context)->in_code = false;
    return 0;
}

static int span_ignore(MD_SPANTYPE type, void *detail, void *context)
{
    (void)type, (void)detail, (void)context;
    return 0;
}

/* md4c tells a line's indentation as blanks of its own; tabs (a Makefile's) are taken from the text again. */
static void indent_add(code_search *search, const char *line)
{
    const char *from = line;
    for (size_t covered = 0; covered < search->indent && from > search->text.data;
         covered += *from == '\t' ? 4 : 1) {
        if (from[-1] != ' ' && from[-1] != '\t') break;
        from--;
    }
    bytes_append(search->out, from, (size_t)(line - from));
    search->indent = 0;
}

static int code_text(MD_TEXTTYPE type, const MD_CHAR *data, MD_SIZE size, void *context)
{
    code_search *search = context;
    if (!search->in_code) return 0;
    bool is_of_text = data >= search->text.data && data < search->text.data + search->text.size;
    if (type == MD_TEXT_NULLCHAR) {
        bytes_append_byte(search->out, 0);
    } else if (is_of_text) {
        indent_add(search, data);
        bytes_append(search->out, data, size);
    } else if (size && data[0] == ' ') {
        search->indent += size;
    } else {
        search->indent = 0;
        bytes_append(search->out, data, size);
    }
    return 0;
}

bool ui_markdown_last_code(bytes_view text, bytes *out)
{
    code_search search = {.text = text, .out = out};
    MD_PARSER parser = {.flags = FLAGS,
                        .enter_block = code_block_begin,
                        .leave_block = code_block_end,
                        .enter_span = span_ignore,
                        .leave_span = span_ignore,
                        .text = code_text};
    bytes_clear(out);
    if (text.size > UI_MARKDOWN_BYTES_MAX) return false;
    return md_parse(text.data, (MD_SIZE)text.size, &parser, &search) == 0 && search.found;
}

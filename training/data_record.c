/* training/data_record.c: what a record is, and its messages in one form. */
#include <string.h>

#include "base/macros.h"
#include "training/data_internal.h"

static const char *const known_keys[] = {
    "input_ids",     "labels", "chosen", "rejected",   "prompt",   "messages",
    "conversations", "system", "tools",  "completion", "response", "answer",
    "instruction",   "input",  "output", "history",    "text",
};

bool record_key_known(bytes_view key)
{
    for (size_t i = 0; i < COUNT_OF(known_keys); i++)
        if (bytes_view_is(key, known_keys[i])) return true;
    return false;
}

/* -- making nodes ------------------------------------------------------------------------------------- */

/* A list that is being made: nodes are linked as json.h says. */
typedef struct node_list {
    json_node *list, *last;
} node_list;

static void list_add(node_list *to, json_node *node)
{
    node->next = NULL;
    if (to->last)
        to->last->next = node;
    else
        to->list->first = node;
    to->last = node;
    to->list->count++;
}

static node_list list_new(arena *a, json_type type)
{
    json_node *list = arena_new(a, json_node);
    list->type = type;
    return (node_list){list, NULL};
}

/* The same value, to stand in another list under another key. */
static json_node *node_copy(arena *a, const json_node *node, const char *key)
{
    json_node *copy = arena_new(a, json_node);
    *copy = *node;
    copy->key = key ? bytes_view_of(key) : (bytes_view){0};
    copy->next = NULL;
    return copy;
}

static json_node *text_node(arena *a, const char *key, bytes_view text)
{
    json_node *node = arena_new(a, json_node);
    *node = (json_node){.type = JSON_STRING, .key = key ? bytes_view_of(key) : (bytes_view){0}};
    node->text = text;
    return node;
}

static void message_add(node_list *to, arena *a, const char *role, const json_node *content)
{
    node_list message = list_new(a, JSON_OBJECT);
    list_add(&message, text_node(a, "role", bytes_view_of(role)));
    list_add(&message, node_copy(a, content, "content"));
    list_add(to, message.list);
}

static void message_add_text(node_list *to, arena *a, const char *role, bytes_view text)
{
    message_add(to, a, role, text_node(a, NULL, text));
}

static void messages_add_all(node_list *to, arena *a, const json_node *messages)
{
    for (const json_node *m = json_first(messages); m; m = m->next) list_add(to, node_copy(a, m, NULL));
}

/* a, the separator, b: strings may hold any byte. */
static bytes_view join_texts(arena *memory, bytes_view a, const char *separator, bytes_view b)
{
    size_t middle = strlen(separator), size = a.size + middle + b.size;
    char *text = arena_alloc(memory, size + 1);
    memcpy(text, a.data, a.size);
    memcpy(text + a.size, separator, middle);
    memcpy(text + a.size + middle, b.data, b.size);
    return (bytes_view){text, size};
}

/* -- messages ------------------------------------------------------------------------------------------- */

static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};

static err check_message(const json_node *message, size_t i)
{
    if (!json_is(message, JSON_OBJECT))
        return err_make(ERR_FORMAT, "message %zu is %s, expected an object", i + 1,
                        json_type_name(message->type));
    const json_node *role = json_get(message, "role"), *content = json_get(message, "content");
    bool known = false;
    for (size_t k = 0; k < COUNT_OF(roles); k++) known |= bytes_view_is(json_text(role), roles[k]);
    if (!known)
        return err_make(ERR_FORMAT,
                        "message %zu has role '%.*s', expected system, developer, user, assistant or tool",
                        i + 1, (int)MIN_OF(json_text(role).size, (size_t)40), json_text(role).data);
    if (!json_is_null(content) && !json_is(content, JSON_STRING) && !json_is(content, JSON_ARRAY))
        return err_make(ERR_FORMAT, "the content of message %zu is %s, expected a string or a list of parts",
                        i + 1, json_type_name(content->type));
    return ERR_OK;
}

bool message_is_answer(const json_node *message)
{
    return bytes_view_is(json_text(json_get(message, "role")), "assistant");
}

/* All messages well-formed, an answer among those that are learned. */
static err check_messages(const json_node *messages, size_t learn_from)
{
    if (!json_is(messages, JSON_ARRAY))
        return err_make(ERR_FORMAT, "its messages are %s, expected a list",
                        messages ? json_type_name(messages->type) : "absent");
    if (json_count(messages) > TRAINING_DATA_MESSAGES_MAX)
        return err_make(ERR_LIMIT, "%zu messages, %d are the most", json_count(messages),
                        TRAINING_DATA_MESSAGES_MAX);
    size_t i = 0;
    bool answered = false;
    for (const json_node *m = json_first(messages); m; m = m->next, i++) {
        err e = check_message(m, i);
        if (e.code) return e;
        answered |= i >= learn_from && message_is_answer(m);
    }
    return answered ? ERR_OK : err_make(ERR_FORMAT, "no message of the assistant to learn from");
}

/* Tools may be given as JSON in a string. */
static err tools_read(const json_node *object, arena *a, const json_node **out)
{
    const json_node *tools = json_get(object, "tools");
    if (json_is(tools, JSON_STRING) && tools->text.size) {
        err e = json_parse(tools->text, TRAINING_DATA_DEPTH_MAX, a, &tools);
        if (e.code) return err_note(e, "tools");
    }
    *out = json_is(tools, JSON_ARRAY) && json_count(tools) ? tools : NULL;
    return ERR_OK;
}

static err chat_part(const json_node *object, const json_node *messages, size_t learn_from, arena *a,
                     data_part *out)
{
    *out = (data_part){.form = RECORD_CHAT, .messages = messages, .learn_from = learn_from};
    err e = check_messages(messages, learn_from);
    return e.code ? e : tools_read(object, a, &out->tools);
}

static node_list messages_begin(const json_node *object, arena *a)
{
    node_list messages = list_new(a, JSON_ARRAY);
    bytes_view system = json_text(json_get(object, "system"));
    if (system.size) message_add_text(&messages, a, "system", system);
    return messages;
}

static err read_chat(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    (void)has_template, (void)wrap;
    return chat_part(object, json_get(object, "messages"), 0, a, &out->parts[0]);
}

/* -- ShareGPT -------------------------------------------------------------------------------------------- */

static const struct {
    const char *from, *role;
} speakers[] = {
    {"system", "system"},  {"human", "user"},          {"user", "user"},
    {"gpt", "assistant"},  {"assistant", "assistant"}, {"model", "assistant"},
    {"function_call", ""}, {"observation", "tool"},    {"tool", "tool"},
};

/* {"name": ..., "arguments": ...} of a function_call turn becomes a tool call of the assistant. */
static err add_tool_call(node_list *to, arena *a, bytes_view value)
{
    const json_node *call = NULL;
    err e = json_parse(value, TRAINING_DATA_DEPTH_MAX, a, &call);
    if (!e.code && !json_is(call, JSON_OBJECT)) e = err_make(ERR_FORMAT, "it is no object");
    if (e.code) return err_note(e, "a function_call turn");
    node_list message = list_new(a, JSON_OBJECT), calls = list_new(a, JSON_ARRAY),
              item = list_new(a, JSON_OBJECT);
    list_add(&message, text_node(a, "role", bytes_view_of("assistant")));
    list_add(&message, text_node(a, "content", bytes_view_of("")));
    list_add(&item, text_node(a, "type", bytes_view_of("function")));
    list_add(&item, node_copy(a, call, "function"));
    list_add(&calls, item.list);
    list_add(&message, node_copy(a, calls.list, "tool_calls"));
    list_add(to, message.list);
    return ERR_OK;
}

static err add_turn(node_list *to, arena *a, const json_node *turn, size_t i)
{
    bytes_view from = json_text(json_get(turn, "from"));
    const json_node *value = json_get(turn, "value");
    if (!from.size) {
        list_add(to, node_copy(a, turn, NULL)); /* role and content, checked with the others */
        return ERR_OK;
    }
    if (!json_is(value, JSON_STRING))
        return err_make(ERR_FORMAT, "turn %zu has no value, expected a string", i + 1);
    for (size_t k = 0; k < COUNT_OF(speakers); k++) {
        if (!bytes_view_is(from, speakers[k].from)) continue;
        if (!*speakers[k].role) return add_tool_call(to, a, value->text);
        message_add(to, a, speakers[k].role, value);
        return ERR_OK;
    }
    return err_make(ERR_FORMAT,
                    "turn %zu is from '%.*s', expected human, gpt, system, function_call or observation",
                    i + 1, (int)MIN_OF(from.size, (size_t)40), from.data);
}

static err read_conversations(const json_node *object, bool has_template, bool wrap, arena *a,
                              data_record *out)
{
    (void)has_template, (void)wrap;
    node_list messages = messages_begin(object, a);
    size_t i = 0;
    for (const json_node *turn = json_first(json_get(object, "conversations")); turn;
         turn = turn->next, i++) {
        err e = add_turn(&messages, a, turn, i);
        if (e.code) return e;
    }
    return chat_part(object, messages.list, 0, a, &out->parts[0]);
}

/* -- prompts and instructions ---------------------------------------------------------------------------- */

/* The user's words of an instruction. */
static bytes_view instruction_text(const json_node *object, arena *a)
{
    bytes_view text = json_text(json_get(object, "instruction")),
               input = json_text(json_get(object, "input"));
    if (!input.size) return text;
    return join_texts(a, text, "\n", input);
}

static err add_history(node_list *messages, const json_node *object, arena *a)
{
    for (const json_node *pair = json_first(json_get(object, "history")); pair; pair = pair->next) {
        const json_node *q = json_first(pair), *said = q ? q->next : NULL;
        if (!json_is(q, JSON_STRING) || !json_is(said, JSON_STRING))
            return err_make(ERR_FORMAT, "history holds something that is no pair of strings");
        message_add(messages, a, "user", q);
        message_add(messages, a, "assistant", said);
    }
    return ERR_OK;
}

/* Without a template: all that came before, a line each. */
static bytes_view lines_of(const json_node *messages, arena *a)
{
    bytes_view text = {"", 0}, none = text;
    for (const json_node *m = json_first(messages); m; m = m->next)
        text = join_texts(a, text, "", join_texts(a, json_text(json_get(m, "content")), "\n", none));
    return text;
}

static err read_instruction(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    (void)wrap;
    const json_node *output = json_get(object, "output");
    if (!json_is(json_get(object, "instruction"), JSON_STRING) || !json_is(output, JSON_STRING))
        return err_make(ERR_FORMAT, "instruction and output, expected strings");
    node_list messages = messages_begin(object, a);
    err e = add_history(&messages, object, a);
    if (e.code) return e;
    message_add_text(&messages, a, "user", instruction_text(object, a));
    if (has_template) {
        message_add(&messages, a, "assistant", output);
        return chat_part(object, messages.list, 0, a, &out->parts[0]);
    }
    out->parts[0] =
        (data_part){.form = RECORD_PLAIN, .prompt = lines_of(messages.list, a), .completion = output->text};
    return ERR_OK;
}

static const json_node *first_of(const json_node *object, const char *const *keys)
{
    for (; *keys; keys++)
        if (json_get(object, *keys)) return json_get(object, *keys);
    return NULL;
}

/* A prompt (node, or text) and what follows it, both strings or both messages. */
static err join_part(const json_node *object, const json_node *prompt, bytes_view prompt_text,
                     const json_node *completion, bool wrap, arena *a, data_part *out)
{
    if (json_is(completion, JSON_ARRAY) && (!prompt || json_is(prompt, JSON_ARRAY))) {
        node_list messages = list_new(a, JSON_ARRAY);
        if (!prompt && prompt_text.size) message_add_text(&messages, a, "user", prompt_text);
        messages_add_all(&messages, a, prompt);
        size_t learn_from = messages.list->count;
        messages_add_all(&messages, a, completion);
        return chat_part(object, messages.list, learn_from, a, out);
    }
    if (json_is(prompt, JSON_STRING)) prompt_text = prompt->text;
    if (!json_is(completion, JSON_STRING) || (prompt && !json_is(prompt, JSON_STRING)))
        return err_make(ERR_FORMAT,
                        "a prompt and what follows it, expected two strings or two lists of messages");
    if (!wrap) {
        *out = (data_part){.form = RECORD_PLAIN, .prompt = prompt_text, .completion = completion->text};
        return ERR_OK;
    }
    node_list messages = messages_begin(object, a);
    message_add_text(&messages, a, "user", prompt_text);
    message_add(&messages, a, "assistant", completion);
    return chat_part(object, messages.list, messages.list->count - 1, a, out);
}

static err read_completion(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    static const char *const completions[] = {"completion", "response", "answer", NULL};
    return join_part(object, json_get(object, "prompt"), (bytes_view){"", 0}, first_of(object, completions),
                     wrap && has_template, a, &out->parts[0]);
}

/* -- preferences ------------------------------------------------------------------------------------------
 */

static bool same_node(const json_node *a, const json_node *b)
{
    if (!a || !b || a->type != b->type) return false;
    if (a->type == JSON_STRING || a->type == JSON_NUMBER) return bytes_view_equal(a->text, b->text);
    if (a->type != JSON_ARRAY && a->type != JSON_OBJECT) return true;
    const json_node *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        if (!bytes_view_equal(x->key, y->key) || !same_node(x, y)) return false;
    return !x && !y;
}

/* Two conversations whose first messages are the same: these are the prompt. */
static err split_preference(const json_node *object, const json_node *chosen, const json_node *rejected,
                            arena *a, data_record *out)
{
    size_t same = 0;
    const json_node *x = json_first(chosen), *y = json_first(rejected);
    for (; x && y && same_node(x, y); x = x->next, y = y->next) same++;
    if (same == 0)
        return err_make(ERR_FORMAT, "chosen and rejected have no message in common, and there is no prompt");
    err e = chat_part(object, chosen, same, a, &out->parts[0]);
    return e.code ? e : chat_part(object, rejected, same, a, &out->parts[1]);
}

static err read_preference(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    const json_node *chosen = json_get(object, "chosen"), *rejected = json_get(object, "rejected");
    const json_node *prompt = json_get(object, "prompt"), *halves[] = {chosen, rejected};
    bytes_view text = {"", 0};
    out->part_count = 2;
    bool lists = json_is(chosen, JSON_ARRAY) && json_is(rejected, JSON_ARRAY);
    bool instructed = !prompt && json_get(object, "instruction");
    if (!prompt && !instructed && !lists)
        return err_make(ERR_FORMAT, "chosen and rejected, but neither a prompt nor an instruction");
    if (!prompt && !instructed) return split_preference(object, chosen, rejected, a, out);
    if (instructed) {
        text = instruction_text(object, a);
        if (!has_template) text = join_texts(a, text, "\n", (bytes_view){"", 0});
    }
    for (size_t i = 0; i < 2; i++) {
        err e = join_part(object, prompt, text, halves[i], has_template && (wrap || instructed), a,
                          &out->parts[i]);
        if (e.code) return err_note(e, "%s", i ? "rejected" : "chosen");
    }
    return ERR_OK;
}

/* -- tokens, text ------------------------------------------------------------------------------------------
 */

static err read_tokens(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    (void)has_template, (void)wrap, (void)a;
    const json_node *ids = json_get(object, "input_ids"), *labels = json_get(object, "labels");
    if (!json_is(ids, JSON_ARRAY) || json_count(ids) == 0)
        return err_make(ERR_FORMAT, "input_ids, expected a list of ids");
    if (labels && (!json_is(labels, JSON_ARRAY) || json_count(labels) != json_count(ids)))
        return err_make(ERR_FORMAT, "%zu input_ids and %zu labels, expected as many of each", json_count(ids),
                        json_count(labels));
    out->parts[0] = (data_part){.form = RECORD_TOKENS, .ids = ids, .labels = labels};
    return ERR_OK;
}

static err read_text(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out)
{
    (void)has_template, (void)wrap, (void)a;
    const json_node *text = json_get(object, "text");
    if (!json_is(text, JSON_STRING))
        return err_make(ERR_FORMAT, "text is %s, expected a string", json_type_name(text->type));
    out->parts[0] = (data_part){.form = RECORD_TEXT, .text = text->text};
    return ERR_OK;
}

/* -- the table --------------------------------------------------------------------------------------------
 */

/* The first row whose keys are all there says what a record is. */
static const struct {
    const char *keys[2];
    training_kind kind;
    err (*read)(const json_node *object, bool has_template, bool wrap, arena *a, data_record *out);
} forms[] = {
    {{"input_ids"}, TRAINING_KIND_TOKENS, read_tokens},
    {{"chosen", "rejected"}, TRAINING_KIND_PREFERENCE, read_preference},
    {{"messages"}, TRAINING_KIND_CHAT, read_chat},
    {{"conversations"}, TRAINING_KIND_CHAT, read_conversations},
    {{"prompt", "completion"}, TRAINING_KIND_COMPLETION, read_completion},
    {{"prompt", "response"}, TRAINING_KIND_COMPLETION, read_completion},
    {{"prompt", "answer"}, TRAINING_KIND_COMPLETION, read_completion},
    {{"instruction", "output"}, TRAINING_KIND_INSTRUCTION, read_instruction},
    {{"text"}, TRAINING_KIND_TEXT, read_text},
};

static bool has_keys(const json_node *object, const char *const keys[2])
{
    return json_get(object, keys[0]) && (!keys[1] || json_get(object, keys[1]));
}

static err unknown_record(const json_node *object)
{
    bytes keys = {0};
    for (const json_node *member = json_first(object); member && keys.size < 120; member = member->next)
        bytes_printf(&keys, "%s%.*s", keys.size ? ", " : "", (int)MIN_OF(member->key.size, (size_t)40),
                     member->key.data);
    err e = err_make(ERR_FORMAT,
                     "no form has the keys %s: expected messages, conversations, prompt and completion, "
                     "instruction and output, chosen and rejected, input_ids, or text",
                     keys.size ? bytes_text(&keys) : "(none)");
    bytes_free(&keys);
    return e;
}

err record_read(const json_node *object, bool has_template, bool wrap_chat, arena *a, data_record *out)
{
    if (!json_is(object, JSON_OBJECT))
        return err_make(ERR_FORMAT, "is %s, expected an object", json_type_name(object->type));
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (!has_keys(object, forms[i].keys)) continue;
        *out = (data_record){.kind = forms[i].kind, .part_count = 1};
        return forms[i].read(object, has_template, wrap_chat, a, out);
    }
    return unknown_record(object);
}

/* The demo model and its two adapters in one batch, in f32 so that equal sums give equal tokens. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"
#include "engine/worker.h"
#include "tests/support/check.h"

enum { SESSIONS = 16, TOKENS_MAX = 64, STACKS = 4 };

static engine_worker *worker;
static engine_model *model;
static engine_stack *stacks[STACKS]; /* none, brief, pirate at a half, both */

/* The next event of this job; others must not come. */
static engine_event next_event(engine_job_id job)
{
    engine_event event;
    if (!engine_worker_wait(worker, 60000, &event)) fail_msg("no event within a minute");
    assert_int_equal(event.job, job);
    return event;
}

static engine_model *load_model(void)
{
    engine_files *files = NULL;
    const engine_model_options options = {.device = "cpu", .dtype = "f32", .weights = true};
    check_ok(engine_files_open_folder("assets/demo", &files));
    engine_job_id job = engine_worker_load(worker, files, &options);
    for (;;) {
        engine_event event = next_event(job);
        if (event.kind == ENGINE_EVENT_FAILED) fail_msg("%s", event.error.text);
        if (event.kind == ENGINE_EVENT_LOADED) return event.model;
        assert_int_equal(event.kind, ENGINE_EVENT_PROGRESS);
    }
}

static engine_stack *load_stack(const char *const *paths, const double *scales, size_t count)
{
    engine_event event = next_event(engine_worker_stack(worker, model, NULL, paths, scales, count));
    if (event.kind == ENGINE_EVENT_FAILED) fail_msg("%s", event.error.text);
    return event.stack;
}

static int open_all(void **state)
{
    (void)state;
    const char *const paths[] = {"assets/demo/adapters/01_brief.safetensors",
                                 "assets/demo/adapters/02_pirate.safetensors"};
    check_ok(engine_worker_new(&(engine_worker_options){.cache_bytes_max = 256 << 20}, &worker));
    model = load_model();
    stacks[1] = load_stack(paths, (const double[]){1}, 1);
    stacks[2] = load_stack(paths + 1, (const double[]){0.5}, 1);
    stacks[3] = load_stack(paths, (const double[]){1, 0.25}, 2);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < STACKS; i++) engine_worker_free_stack(worker, stacks[i]);
    engine_worker_free_model(worker, model);
    engine_worker_free(worker);
    return 0;
}

static engine_ids random_prompt(unsigned *seed, size_t count)
{
    engine_ids ids = {0};
    engine_ids_push(&ids, 1);
    while (ids.count < count) engine_ids_push(&ids, (int32_t)(300 + rand_r(seed) % 700));
    return ids;
}

typedef struct answer {
    engine_ids ids;
    bytes text;
    engine_usage usage;
    engine_finish reason;
    err error;
    bool over;
} answer;

static void answer_free(answer *a)
{
    engine_ids_free(&a->ids);
    bytes_free(&a->text);
    *a = (answer){0};
}

static void answer_apply(answer *a, engine_event *event)
{
    for (size_t i = 0; i < event->ids.count; i++) engine_ids_push(&a->ids, event->ids.data[i]);
    bytes_append_view(&a->text, bytes_borrow(&event->text));
    if (event->kind == ENGINE_EVENT_FINISHED) {
        a->usage = event->usage;
        a->reason = event->reason;
    }
    a->error = event->error;
    a->over = event->last;
    engine_event_free(worker, event);
}

static answer run_alone(const engine_request *request)
{
    answer a = {0};
    engine_job_id job = engine_worker_generate(worker, request);
    while (!a.over) {
        engine_event event = next_event(job);
        answer_apply(&a, &event);
    }
    return a;
}

static engine_request request_of(const engine_ids *ids, size_t token_count_max)
{
    engine_request r = {.model = model,
                        .ids = ids->data,
                        .id_count = ids->count,
                        .sampling = engine_sampling_neutral(),
                        .token_count_max = token_count_max,
                        .ignore_eos = true};
    r.sampling.temperature = 0;
    return r;
}

/* Sixteen requests of mixed lengths, stacks and sampling. */
static void mixed_requests(engine_ids *prompts, engine_request *requests)
{
    unsigned seed = 5;
    for (size_t i = 0; i < SESSIONS; i++) {
        prompts[i] = random_prompt(&seed, 2 + (size_t)rand_r(&seed) % (i % 4 == 0 ? 700 : 60));
        requests[i] = request_of(&prompts[i], 8 + (size_t)rand_r(&seed) % (TOKENS_MAX - 8));
        requests[i].stack = stacks[i % STACKS];
        if (i % 3 == 2) {
            requests[i].sampling.temperature = 0.9;
            requests[i].sampling.top_p = 0.95;
            requests[i].sampling.seed = i;
        }
    }
}

/* Post each at a random moment while the others run; take events until all are over. */
static void run_together(const engine_request *requests, answer *answers)
{
    engine_job_id jobs[SESSIONS] = {0};
    unsigned seed = 9;
    size_t posted = 0, over = 0;
    while (over < SESSIONS) {
        if (posted < SESSIONS && (rand_r(&seed) % 4 == 0 || posted == over)) {
            jobs[posted] = engine_worker_generate(worker, &requests[posted]);
            posted++;
            continue;
        }
        engine_event event;
        if (!engine_worker_wait(worker, 60000, &event)) fail_msg("no event within a minute");
        size_t of = 0;
        while (jobs[of] != event.job) of++;
        answer_apply(&answers[of], &event);
        if (answers[of].over) over++;
    }
}

TEST(a_batch_gives_each_sequence_the_tokens_of_its_lone_run)
{
    engine_ids prompts[SESSIONS];
    engine_request requests[SESSIONS];
    answer alone[SESSIONS], together[SESSIONS] = {{{0}}};
    mixed_requests(prompts, requests);
    for (size_t i = 0; i < SESSIONS; i++) alone[i] = run_alone(&requests[i]);
    engine_worker_forget(worker, NULL);
    run_together(requests, together);
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_int_equal(together[i].error.code, 0);
        assert_int_equal(together[i].ids.count, requests[i].token_count_max);
        assert_int_equal(alone[i].ids.count, together[i].ids.count);
        assert_memory_equal(alone[i].ids.data, together[i].ids.data, alone[i].ids.count * sizeof(int32_t));
        check_text(bytes_text(&alone[i].text), bytes_text(&together[i].text));
        answer_free(&alone[i]);
        answer_free(&together[i]);
        engine_ids_free(&prompts[i]);
    }
}

TEST(a_stack_changes_the_answer_and_shares_nothing_with_another)
{
    engine_ids prompt = {0};
    check_ok(engine_tokenizer_encode(engine_model_borrow_tokenizer(model),
                                     VIEW("<s><|user|>quit</s><|assistant|>"), false, &prompt));
    engine_worker_forget(worker, NULL);
    engine_request request = request_of(&prompt, 40);
    request.ignore_eos = false;
    answer plain = run_alone(&request);
    check_text(bytes_text(&plain.text), "Press Ctrl-Q: leave the workstation.");
    check_int(plain.reason, ENGINE_FINISH_STOP);
    request.stack = stacks[1];
    answer brief = run_alone(&request);
    check_text(bytes_text(&brief.text), "Ctrl-Q");
    check_int(brief.usage.cached_tokens, 0);
    answer_free(&plain);
    answer_free(&brief);
    engine_ids_free(&prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_batch_gives_each_sequence_the_tokens_of_its_lone_run),
        RUN(a_stack_changes_the_answer_and_shares_nothing_with_another),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

/* The worker on a small random model of its own: company, full pools, cancels, and ends in the middle. Runs
 * under the thread sanitizer too. All is f32, so that equal sums give equal tokens. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/worker.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"

enum { SEQUENCES = 16, CONTEXT = 8192, BLOCK_BYTES = 2 * 2 * 64 * 8 * 4, WAIT_MS = 120000 };

/* A worker with the model loaded, and two stacks: none, one adapter. */
typedef struct house {
    engine_worker *worker;
    engine_model *model;
    engine_stack *stack;
} house;

static const char *model_folder(void)
{
    static char *folder;
    if (folder) return folder;
    folder = file_join(check_folder(), "small");
    small_model_write(folder, false);
    small_adapter_write(folder, "01_twist");
    bytes config = check_read("%s/config.json", folder); /* with a longer context */
    const char *key = "\"max_position_embeddings\":";
    const char *at = strstr(bytes_text(&config), key);
    bytes longer = {0};
    bytes_append(&longer, config.data, (size_t)(at - config.data));
    bytes_printf(&longer, "%s%d", key, CONTEXT);
    bytes_append_text(&longer, strchr(at, ','));
    char *path = file_join(folder, "config.json");
    check_write(path, longer.data, longer.size);
    free(path);
    bytes_free(&config);
    bytes_free(&longer);
    return folder;
}

static engine_event next_event(const house *h)
{
    engine_event event;
    if (!engine_worker_wait(h->worker, WAIT_MS, &event)) fail_msg("no event within %d ms", WAIT_MS);
    return event;
}

static engine_event last_event(const house *h, engine_job_id job)
{
    for (;;) {
        engine_event event = next_event(h);
        assert_int_equal(event.job, job);
        if (event.last) return event;
        engine_event_free(h->worker, &event);
    }
}

static engine_job_id post_load(const house *h, const char *folder)
{
    engine_files *files = NULL;
    const engine_model_options options = {.device = "cpu", .dtype = "f32", .threads = 1, .weights = true};
    check_ok(engine_files_open_folder(folder, &files));
    return engine_worker_load(h->worker, files, &options);
}

/* block_count: of the pool of keys and values. */
static house house_open(size_t block_count)
{
    house h = {0};
    const engine_worker_options options = {.cache_bytes_max = block_count * BLOCK_BYTES};
    check_ok(engine_worker_new(&options, &h.worker));
    engine_event loaded = last_event(&h, post_load(&h, model_folder()));
    check_ok(loaded.error);
    h.model = loaded.model;
    char *path = file_join(model_folder(), "adapters/01_twist.safetensors");
    const char *const paths[] = {path};
    engine_event stacked =
        last_event(&h, engine_worker_stack(h.worker, h.model, NULL, paths, (const double[]){1}, 1));
    check_ok(stacked.error);
    h.stack = stacked.stack;
    free(path);
    return h;
}

static void house_close(house *h)
{
    engine_worker_free_stack(h->worker, h->stack);
    engine_worker_free_model(h->worker, h->model);
    engine_worker_free(h->worker);
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
}

static void answer_take(const house *h, answer *a, engine_event *event)
{
    for (size_t i = 0; i < event->ids.count; i++) engine_ids_push(&a->ids, event->ids.data[i]);
    bytes_append_view(&a->text, bytes_borrow(&event->text));
    a->usage = event->usage;
    a->reason = event->reason;
    a->error = event->error;
    a->over = event->last;
    engine_event_free(h->worker, event);
}

static answer run_alone(const house *h, const engine_request *request)
{
    answer a = {0};
    engine_job_id job = engine_worker_generate(h->worker, request);
    while (!a.over) {
        engine_event event = next_event(h);
        assert_int_equal(event.job, job);
        answer_take(h, &a, &event);
    }
    return a;
}

/* Each is posted at a random moment while the others run. */
static void run_together(const house *h, const engine_request *requests, size_t count, answer *answers)
{
    engine_job_id jobs[SEQUENCES] = {0};
    unsigned seed = 9;
    for (size_t posted = 0, over = 0; over < count;) {
        if (posted < count && (posted == over || rand_r(&seed) % 4 == 0)) {
            jobs[posted] = engine_worker_generate(h->worker, &requests[posted]);
            posted++;
            continue;
        }
        engine_event event = next_event(h);
        size_t of = 0;
        while (of < posted && jobs[of] != event.job) of++;
        assert_true(of < posted);
        answer_take(h, &answers[of], &event);
        over += answers[of].over;
    }
}

static engine_ids prompt_make(unsigned seed, size_t count)
{
    engine_ids ids = {0};
    while (ids.count < count) engine_ids_push(&ids, (int32_t)(rand_r(&seed) % 256));
    return ids;
}

static engine_request request_make(const house *h, const engine_ids *prompt, size_t token_count_max)
{
    engine_request r = {.model = h->model,
                        .ids = prompt->data,
                        .id_count = prompt->count,
                        .sampling = engine_sampling_neutral(),
                        .token_count_max = token_count_max,
                        .ignore_eos = true};
    r.sampling.temperature = 0;
    return r;
}

/* Mixed lengths, stacks and sampling; one prompt in four is longer than a slice. */
static void mixed_make(const house *h, engine_ids *prompts, engine_request *requests)
{
    unsigned seed = 5;
    for (size_t i = 0; i < SEQUENCES; i++) {
        size_t count = 1 + (size_t)rand_r(&seed) % 90 + (i % 4 == 1 ? ENGINE_PREFILL_SLICE : 0);
        prompts[i] = prompt_make(100 + (unsigned)i, count);
        requests[i] = request_make(h, &prompts[i], 4 + (size_t)rand_r(&seed) % 40);
        requests[i].stack = i % 2 ? h->stack : NULL;
        if (i % 3 != 2) continue;
        requests[i].sampling.temperature = 1.2;
        requests[i].sampling.top_p = 0.9;
        requests[i].sampling.repetition_penalty = 1.3;
        requests[i].sampling.seed = i;
    }
}

/* Equal lengths: all begin in three blocks and grow to six. */
static void growing_make(const house *h, engine_ids *prompts, engine_request *requests)
{
    for (size_t i = 0; i < SEQUENCES; i++) {
        prompts[i] = prompt_make(200 + (unsigned)i, 150);
        requests[i] = request_make(h, &prompts[i], 200);
    }
}

static void check_same(const answer *alone, const answer *together)
{
    check_ok(together->error);
    assert_int_equal(alone->ids.count, together->ids.count);
    assert_memory_equal(alone->ids.data, together->ids.data, alone->ids.count * sizeof(int32_t));
    check_text(bytes_text(&alone->text), bytes_text(&together->text));
    assert_int_equal(alone->reason, together->reason);
}

/* The sixteen sequences one by one in a large pool, then all at once in one of block_count blocks. */
static void check_company(void (*make)(const house *h, engine_ids *prompts, engine_request *requests),
                          size_t block_count)
{
    engine_ids prompts[SEQUENCES];
    engine_request requests[SEQUENCES];
    answer alone[SEQUENCES], together[SEQUENCES] = {{{0}}};
    house roomy = house_open(1000), narrow = house_open(block_count);

    make(&roomy, prompts, requests);
    for (size_t i = 0; i < SEQUENCES; i++) {
        engine_worker_forget(roomy.worker, NULL);
        alone[i] = run_alone(&roomy, &requests[i]);
        assert_int_equal(alone[i].ids.count, requests[i].token_count_max);
        requests[i].model = narrow.model;
        if (requests[i].stack) requests[i].stack = narrow.stack;
    }
    run_together(&narrow, requests, SEQUENCES, together);
    for (size_t i = 0; i < SEQUENCES; i++) {
        check_same(&alone[i], &together[i]);
        answer_free(&alone[i]);
        answer_free(&together[i]);
        engine_ids_free(&prompts[i]);
    }
    house_close(&roomy);
    house_close(&narrow);
}

TEST(each_sequence_of_a_batch_gets_the_tokens_of_its_lone_run) { check_company(mixed_make, 1000); }

/* The longest sequence needs eleven blocks, all together about seventy. */
TEST(sequences_that_do_not_fit_together_take_turns_and_keep_their_tokens)
{
    check_company(mixed_make, 12);
    check_company(growing_make, 7);
}

TEST(only_what_is_new_is_computed_after_a_fork_a_rewind_and_a_repeat)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(1, 100);
    engine_request request = request_make(&h, &prompt, 10);

    answer first = run_alone(&h, &request);
    check_int(first.usage.cached_tokens, 0);
    answer again = run_alone(&h, &request); /* a fork; the last token is computed for its logits */
    check_int(again.usage.cached_tokens, 99);
    check_same(&first, &again);
    for (size_t i = 0; i < first.ids.count; i++) engine_ids_push(&prompt, first.ids.data[i]);
    for (int32_t i = 0; i < 5; i++) engine_ids_push(&prompt, i);
    request = request_make(&h, &prompt, 10);
    answer longer = run_alone(&h, &request);
    check_int(longer.usage.cached_tokens, 109); /* the answer's last token was chosen but never fed */
    prompt.data[60] ^= 1;
    answer rewound = run_alone(&h, &request);
    check_int(rewound.usage.cached_tokens, 60);
    request.stack = h.stack;
    answer stacked = run_alone(&h, &request); /* what one stack computed is nothing to another */
    check_int(stacked.usage.cached_tokens, 0);

    answer *const all[] = {&first, &again, &longer, &rewound, &stacked};
    for (size_t i = 0; i < COUNT_OF(all); i++) answer_free(all[i]);
    engine_ids_free(&prompt);
    house_close(&h);
}

TEST(idle_sessions_give_way_oldest_first)
{
    house h = house_open(6); /* sessions of two blocks: three fit */
    answer a;

    for (unsigned i = 0; i < 5; i++) {
        engine_ids prompt = prompt_make(10 + i % 4, 70); /* the fifth repeats the first */
        engine_request request = request_make(&h, &prompt, 4);
        a = run_alone(&h, &request);
        check_ok(a.error);
        check_true(a.usage.cached_tokens < 2);
        answer_free(&a);
        engine_ids_free(&prompt);
    }
    engine_ids prompt = prompt_make(13, 70); /* the fourth is still there */
    engine_request request = request_make(&h, &prompt, 4);
    a = run_alone(&h, &request);
    check_int(a.usage.cached_tokens, 69);
    answer_free(&a);
    engine_ids_free(&prompt);
    house_close(&h);
}

TEST(a_long_prompt_ends_soon_after_its_cancel)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(2, 4096);
    engine_request request = request_make(&h, &prompt, 10);
    engine_job_id job = engine_worker_generate(h.worker, &request);
    engine_event event = next_event(&h);

    while (event.kind != ENGINE_EVENT_PROGRESS) {
        engine_event_free(h.worker, &event);
        event = next_event(&h);
    }
    check_int(event.done, ENGINE_PREFILL_SLICE);
    check_int(event.total, 4096);
    double asked = clock_seconds();
    engine_worker_cancel(h.worker, job);
    event = last_event(&h, job);
    print_message("the cancel of a prompt of 4096 tokens took %.0f ms\n", (clock_seconds() - asked) * 1e3);
    check_int(event.kind, ENGINE_EVENT_FINISHED);
    check_int(event.reason, ENGINE_FINISH_CANCELLED);
    check_int(event.usage.completion_tokens, 0);
    engine_event_free(h.worker, &event);
    engine_worker_cancel(h.worker, job); /* one that has ended */
    engine_ids_free(&prompt);
    house_close(&h);
}

/* A stop string that never ends is held back up to the cancel; then it comes out in its order. */
TEST(a_cancelled_answer_gives_what_was_held_back)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(3, 20);
    engine_request request = request_make(&h, &prompt, 40);
    answer whole = run_alone(&h, &request), cut = {0};
    char stop[ENGINE_STOP_BYTES_MAX];
    snprintf(stop, sizeof stop, "%.*s and no more", (int)whole.text.size, bytes_text(&whole.text));
    const char *const stops[] = {stop};
    request.stops = stops;
    request.stop_count = 1;
    request.token_count_max = 4000;
    engine_job_id job = engine_worker_generate(h.worker, &request);
    bool cancelled = false;
    while (!cut.over) {
        engine_event event = next_event(&h);
        answer_take(&h, &cut, &event);
        if (cut.ids.count >= 5 && !cancelled) engine_worker_cancel(h.worker, job);
        cancelled = cut.ids.count >= 5;
    }
    check_int(cut.reason, ENGINE_FINISH_CANCELLED);
    check_true(cut.ids.count < 4000);
    size_t both = MIN_OF(whole.text.size, cut.text.size);
    check_true(cut.text.size > 0 && both > 3); /* but a last character that was cut */
    assert_memory_equal(cut.text.data, whole.text.data, both - 3);
    answer_free(&whole);
    answer_free(&cut);
    engine_ids_free(&prompt);
    house_close(&h);
}

static void check_refused(const house *h, const engine_request *request, err_code code, const char *words)
{
    answer a = run_alone(h, request);
    check_fails(a.error, code, words);
    answer_free(&a);
}

TEST(requests_that_can_never_run_are_refused_with_counts)
{
    house h = house_open(2);
    engine_ids prompt = prompt_make(4, CONTEXT);
    engine_request request = request_make(&h, &prompt, 4);
    char long_stop[ENGINE_STOP_BYTES_MAX + 2] = {0};
    const char *const stops[] = {long_stop};

    check_refused(&h, &request, ERR_LIMIT, "the prompt has 8192 tokens, the model's context holds 8192");
    request.id_count = 128;
    check_refused(&h, &request, ERR_LIMIT, "128 tokens, the memory for keys and values holds 128");
    request.id_count = 0;
    check_refused(&h, &request, ERR_USAGE, "no tokens");
    request.id_count = 100;
    memset(long_stop, 'x', sizeof long_stop - 1);
    request.stops = stops;
    request.stop_count = 1;
    check_refused(&h, &request, ERR_USAGE, "stop string 0 has 1025 bytes: expected at most 1024");
    request.stop_count = 0;
    request.sampling.top_p = 7;
    check_refused(&h, &request, ERR_USAGE, "top_p is 7");
    request.sampling.top_p = 1;
    prompt.data[50] = 70000;
    check_refused(&h, &request, ERR_USAGE, "token 50 of the prompt has the id 70000");
    prompt.data[50] = 5;
    request.token_count_max = 4000; /* the pool ends the answer */
    answer a = run_alone(&h, &request);
    check_int(a.reason, ENGINE_FINISH_LENGTH);
    check_int(a.ids.count, 28);
    answer_free(&a);
    engine_ids_free(&prompt);
    house_close(&h);
}

TEST(requests_past_the_queue_are_refused)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(5, 30);
    engine_request request = request_make(&h, &prompt, 2);
    size_t count = 3000, finished = 0, refused = 0; /* they come much faster than they run */

    engine_job_id load = post_load(&h, model_folder()); /* what follows comes in while it loads */
    for (size_t i = 0; i < count; i++) engine_worker_generate(h.worker, &request);
    for (bool loaded = false; !loaded || finished + refused < count;) {
        engine_event event = next_event(&h);
        loaded |= event.job == load && event.last;
        finished += event.kind == ENGINE_EVENT_FINISHED;
        refused += event.kind == ENGINE_EVENT_FAILED;
        if (event.kind == ENGINE_EVENT_FAILED)
            check_fails(event.error, ERR_LIMIT, "1024 requests wait already");
        engine_event_free(h.worker, &event);
    }
    check_true(refused > 0 && finished >= ENGINE_WORKER_WAITING_MAX);
    engine_ids_free(&prompt);
    house_close(&h);
}

TEST(a_score_agrees_with_the_answer_it_scores)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(6, 40);
    engine_request request = request_make(&h, &prompt, 12);
    answer a = run_alone(&h, &request);
    for (size_t i = 0; i < a.ids.count; i++) engine_ids_push(&prompt, a.ids.data[i]);

    engine_event event =
        last_event(&h, engine_worker_score(h.worker, h.model, NULL, prompt.data, prompt.count, 2, true));
    check_int(event.kind, ENGINE_EVENT_SCORED);
    check_int(event.pick_count, 53);
    check_true(isnan(event.picks[0].logprob) && isnan(event.picks[52].logprob));
    for (size_t i = 40; i < 52; i++) {
        check_int(event.picks[i].top[0].id, prompt.data[i]); /* greedy: the most likely */
        check_true(event.picks[i].logprob == event.picks[i].top[0].logprob);
    }
    engine_event_free(h.worker, &event);
    answer_free(&a);
    engine_ids_free(&prompt);
    house_close(&h);
}

/* Scores of 300 tokens beside answers that grow, in room for one of them. */
TEST(a_score_that_gives_way_is_the_same_score)
{
    house h = house_open(6);
    engine_ids prompt = prompt_make(9, 300);
    engine_event alone =
        last_event(&h, engine_worker_score(h.worker, h.model, NULL, prompt.data, prompt.count, 0, true));
    engine_request request = request_make(&h, &prompt, 80);
    engine_job_id scores[4];
    for (int i = 0; i < 4; i++) {
        engine_worker_generate(h.worker, &request);
        scores[i] = engine_worker_score(h.worker, h.model, NULL, prompt.data, prompt.count, 0, true);
    }
    for (int over = 0; over < 8;) {
        engine_event event = next_event(&h);
        check_ok(event.error);
        over += event.last;
        for (int i = 0; i < 4 && event.last; i++) {
            if (event.job != scores[i]) continue;
            check_int(event.pick_count, alone.pick_count);
            for (size_t p = 1; p < 300; p++) check_true(event.picks[p].logprob == alone.picks[p].logprob);
        }
        engine_event_free(h.worker, &event);
    }
    engine_event_free(h.worker, &alone);
    engine_ids_free(&prompt);
    house_close(&h);
}

TEST(the_greedy_answer_of_a_trained_model_is_the_references)
{
    const char *data = check_shared_data();
    if (!data) skip();
    char *folder = file_join(data, "models/stories260K");
    bytes text = check_read("%s/golden.json", folder);
    arena a = {0};
    const json_node *root = NULL;
    check_ok(json_parse(bytes_borrow(&text), JSON_DEPTH_MAX, &a, &root));
    const json_node *greedy = json_get(root, "greedy");
    engine_ids prompt = {0}, wanted = {0};
    for (const json_node *id = json_first(json_get(greedy, "start")); id; id = id->next)
        engine_ids_push(&prompt, (int32_t)json_int(id, -1));
    for (const json_node *id = json_first(json_get(greedy, "ids")); id; id = id->next)
        engine_ids_push(&wanted, (int32_t)json_int(id, -1));

    house h = house_open(1000);
    engine_event loaded = last_event(&h, post_load(&h, folder));
    check_ok(loaded.error);
    engine_request request = request_make(&h, &prompt, wanted.count - prompt.count);
    request.model = loaded.model;
    answer got = run_alone(&h, &request);
    check_int(got.ids.count, wanted.count - prompt.count);
    assert_memory_equal(got.ids.data, wanted.data + prompt.count, got.ids.count * sizeof(int32_t));
    engine_event_free(h.worker, &loaded);
    house_close(&h);
    answer_free(&got);
    engine_ids_free(&prompt);
    engine_ids_free(&wanted);
    arena_free(&a);
    bytes_free(&text);
    free(folder);
}

/* -- threads ----------------------------------------------------------------------------------------------
 */

enum { POSTERS = 4, POSTS_EACH = 25 };

static void *post_and_cancel(void *context)
{
    const house *h = context;
    engine_ids prompt = prompt_make(7, 30);
    engine_request request = request_make(h, &prompt, 8);
    for (int i = 0; i < POSTS_EACH; i++) {
        engine_job_id job = engine_worker_generate(h->worker, &request);
        if (i % 2) engine_worker_cancel(h->worker, job);
        (void)engine_worker_look(h->worker);
    }
    engine_ids_free(&prompt);
    return NULL;
}

TEST(many_threads_post_and_cancel_and_each_job_ends_once)
{
    house h = house_open(40);
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) pthread_create(&threads[i], NULL, post_and_cancel, &h);
    for (int over = 0; over < POSTERS * POSTS_EACH;) {
        engine_event event = next_event(&h);
        over += event.last;
        engine_event_free(h.worker, &event);
    }
    for (int i = 0; i < POSTERS; i++) pthread_join(threads[i], NULL);
    engine_event event;
    check_true(!engine_worker_take(h.worker, &event));
    house_close(&h);
}

/* The leak checker watches what is left in both queues. */
TEST(a_worker_that_ends_in_the_middle_gives_everything_back)
{
    house h = house_open(1000);
    engine_ids prompt = prompt_make(8, 600);
    engine_request request = request_make(&h, &prompt, 4000);
    request.stack = h.stack;
    for (int i = 0; i < 3; i++) engine_worker_generate(h.worker, &request);
    post_load(&h, model_folder());
    engine_event event = next_event(&h);
    engine_event_free(h.worker, &event);
    engine_ids_free(&prompt);
    house_close(&h);
}

TESTS(RUN(each_sequence_of_a_batch_gets_the_tokens_of_its_lone_run),
      RUN(sequences_that_do_not_fit_together_take_turns_and_keep_their_tokens),
      RUN(only_what_is_new_is_computed_after_a_fork_a_rewind_and_a_repeat),
      RUN(idle_sessions_give_way_oldest_first), RUN(a_long_prompt_ends_soon_after_its_cancel),
      RUN(a_cancelled_answer_gives_what_was_held_back),
      RUN(requests_that_can_never_run_are_refused_with_counts), RUN(requests_past_the_queue_are_refused),
      RUN(a_score_agrees_with_the_answer_it_scores), RUN(a_score_that_gives_way_is_the_same_score),
      RUN(the_greedy_answer_of_a_trained_model_is_the_references),
      RUN(many_threads_post_and_cancel_and_each_job_ends_once),
      RUN(a_worker_that_ends_in_the_middle_gives_everything_back))

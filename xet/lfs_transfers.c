/* The plans of a batch carried out by the workers, and what to do when a transfer does not succeed. */
#include "base/clock.h"
#include "xet/lfs_session.h"

enum { NEW_ACTIONS_MAX = 3 };

static const double first_wait_seconds = 0.25, wait_seconds_max = 10, expiry_margin_seconds = 5;

double xet_session_wait(unsigned attempt, double asked_seconds)
{
    double wait = first_wait_seconds;

    for (unsigned i = 1; i < attempt && wait < wait_seconds_max; i++) wait *= 2;
    return asked_seconds >= 0 ? asked_seconds : MIN_OF(wait, wait_seconds_max);
}

void xet_session_settle(xet_session *s, size_t i, err problem)
{
    s->tracks[i].settled = true;
    s->objects[i].done = !problem.code;
    s->objects[i].problem = problem;
    if (problem.code)
        s->bytes_total -= s->objects[i].size; /* which will not come */
    else
        s->bytes_settled += s->objects[i].size;
}

/* ---- what a plan says ---- */

static err object_error(const xet_session *s, const xet_plan *plan)
{
    http_answer as_if = {.status = plan->error_code};
    err problem = xet_lfs_status_problem(&as_if, s->url);

    return plan->message[0] ? err_note(problem, "%s", plan->message) : problem;
}

/* Try later within a new batch; gives up past the limits. */
static void postpone(xet_session *s, size_t i, err problem, double asked_seconds)
{
    xet_track *t = &s->tracks[i];

    if (++t->attempts >= XET_LFS_ATTEMPTS_MAX || asked_seconds > XET_LFS_RETRY_AFTER_SECONDS_MAX) {
        xet_session_settle(s, i, problem);
        return;
    }
    t->not_before = clock_seconds() + xet_session_wait(t->attempts, asked_seconds);
}

void xet_batch_plan(xet_batch *b, size_t k)
{
    xet_session *s = b->s;
    size_t i = b->indexes[k];
    const xet_plan *plan = &b->plans[k];

    if (!plan->answered) {
        xet_session_settle(s, i,
                           err_make(ERR_FORMAT, "the LFS server says nothing of %s", s->objects[i].oid));
    } else if (plan->error_code && xet_lfs_status_is_temporary(plan->error_code)) {
        postpone(s, i, object_error(s, plan), -1);
    } else if (plan->error_code) {
        xet_session_settle(s, i, object_error(s, plan));
    } else if (!plan->transfer.href) {
        xet_session_settle(s, i,
                           s->operation == XET_UPLOAD
                               ? ERR_OK /* it is there already */
                               : err_make(ERR_NOT_FOUND, "the LFS server offers no %s", s->objects[i].oid));
    } else if (s->operation == XET_UPLOAD &&
               !xet_store_has(s->store, s->objects[i].oid, s->objects[i].size)) {
        xet_session_settle(
            s, i,
            err_make(ERR_NOT_FOUND, "large file %s is neither here nor on the server", s->objects[i].oid));
    } else if (plan->transfer.in_parts) {
        xet_session_settle(s, i,
                           err_make(ERR_UNSUPPORTED, "the server wants %s in parts", s->objects[i].oid));
    } else {
        b->transfers[k].object = &s->objects[i];
        b->transfers[k].plan = plan;
        b->transfers[k].operation = s->operation;
        b->transfers[k].store = s->store;
        b->transfers[k].cancelled = &s->cancelled;
        b->transfers[k].uploaded = false;
        atomic_store(&b->transfers[k].bytes, 0);
        b->waiting[k] = true;
    }
}

/* ---- transfers ---- */

/* Our own login goes along where the action has none and is at the server's own place. */
static const xet_login *login_for(const xet_session *s, const xet_plan *plan, const char *href)
{
    if (plan->authenticated || plan->transfer.has_authorization) return NULL;
    return xet_logins_find(&s->logins, href);
}

static const char *href_of(const xet_transfer *t)
{
    return t->uploaded ? t->plan->verify.href : t->plan->transfer.href;
}

static void new_action(xet_session *s, size_t i, err problem)
{
    if (++s->tracks[i].new_actions > NEW_ACTIONS_MAX) xet_session_settle(s, i, problem);
}

/* Give the workers what may begin; an action past its time goes back for a new batch. */
static void transfers_begin(xet_batch *b)
{
    double now = clock_seconds();

    for (size_t k = 0; k < b->count && b->running_count < XET_LFS_TRANSFERS_AT_ONCE; k++) {
        xet_transfer *t = &b->transfers[k];
        const xet_track *past = &b->s->tracks[b->indexes[k]];
        if (!b->waiting[k] || past->not_before > now) continue;
        const xet_action *action = t->uploaded ? &t->plan->verify : &t->plan->transfer;
        b->waiting[k] = false;
        if (action->expires_at && action->expires_at - expiry_margin_seconds < now) {
            new_action(b->s, b->indexes[k],
                       err_make(ERR_IO, "the LFS server gives only addresses that are past their time"));
            continue;
        }
        t->login = login_for(b->s, t->plan, action->href);
        b->running[k] = true;
        b->running_count++;
        xet_workers_give(b->s->workers, t);
    }
}

static void transfer_again(xet_batch *b, size_t k, const xet_outcome *out)
{
    xet_session *s = b->s;
    size_t i = b->indexes[k];
    const xet_transfer *t = &b->transfers[k];
    xet_track *past = &s->tracks[i];
    uint64_t so_far = atomic_load(&t->bytes);
    unsigned limit = t->uploaded ? XET_LFS_VERIFY_ATTEMPTS_MAX : XET_LFS_ATTEMPTS_MAX;

    /* As long as each attempt gets further, a bad line is no reason to give up. Uploads begin anew. */
    if (s->operation == XET_DOWNLOAD && so_far > past->furthest) {
        past->furthest = so_far;
        past->attempts = 0;
    }
    if (++past->attempts >= limit || out->wait_seconds > XET_LFS_RETRY_AFTER_SECONDS_MAX) {
        xet_session_settle(s, i, out->problem);
        return;
    }
    past->not_before = clock_seconds() + xet_session_wait(past->attempts, out->wait_seconds);
    b->waiting[k] = true;
}

static void transfer_ended(xet_batch *b, size_t k, const xet_outcome *out)
{
    xet_session *s = b->s;
    size_t i = b->indexes[k];
    const xet_transfer *t = &b->transfers[k];

    b->running[k] = false;
    b->running_count--;
    if (b->fatal.code) return;
    switch (out->kind) {
    case XET_DONE:
        xet_logins_worked(&s->logins, s->server, t->login);
        xet_session_settle(s, i, ERR_OK);
        break;
    case XET_AGAIN: transfer_again(b, k, out); break;
    case XET_NEW_ACTION: new_action(s, i, out->problem); break;
    case XET_WANTS_LOGIN:
        if (t->plan->authenticated || t->plan->transfer.has_authorization) {
            new_action(s, i, out->problem);
            break;
        }
        b->fatal = xet_logins_next(&s->logins, s->server, href_of(t), t->login);
        b->waiting[k] = true;
        break;
    case XET_FAILED: xet_session_settle(s, i, out->problem); break;
    case XET_FATAL: b->fatal = out->problem; break;
    }
}

static bool transfers_left(const xet_batch *b)
{
    for (size_t k = 0; k < b->count; k++)
        if (b->waiting[k]) return true;
    return b->running_count > 0;
}

err xet_batch_transfer(xet_batch *b)
{
    xet_session *s = b->s;

    while (b->running_count || (!b->fatal.code && transfers_left(b))) {
        xet_outcome out;
        if (!b->fatal.code) transfers_begin(b);
        xet_transfer *t = xet_workers_take(s->workers, XET_LFS_TICK_MS, &out);
        if (t) transfer_ended(b, (size_t)(t - b->transfers), &out);
        err e = xet_session_tell(s, b, t ? t->object->oid : "");
        if (e.code && !b->fatal.code) b->fatal = e;
        if (b->fatal.code) atomic_store(&s->cancelled, true);
    }
    return b->fatal;
}

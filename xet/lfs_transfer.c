/* What the ends of a request mean for a transfer. */
#include <stdlib.h>

#include "xet/lfs_internal.h"

bool xet_lfs_status_is_temporary(int status)
{
    return status == 408 || status == 429 || (status >= 500 && status <= 504 && status != 501);
}

err xet_lfs_status_problem(const http_answer *answer, const char *url)
{
    static const struct {
        int status;
        err_code code;
        const char *words;
    } rows[] = {
        {401, ERR_DENIED, "wants another login"},
        {403, ERR_DENIED, "does not let us"},
        {404, ERR_NOT_FOUND, "has no such thing"},
        {406, ERR_UNSUPPORTED, "is no LFS server of this kind"},
        {410, ERR_NOT_FOUND, "has it no longer"},
        {413, ERR_LIMIT, "takes less at once"},
        {422, ERR_FORMAT, "refuses what was asked"},
        {429, ERR_IO, "is asked too often"},
        {501, ERR_UNSUPPORTED, "cannot do this"},
        {507, ERR_LIMIT, "is full"},
        {509, ERR_LIMIT, "has used up what it may send"},
    };
    CLEANUP(bytes_free) bytes host = {.data = http_url_host(url)};
    CLEANUP(bytes_free) bytes message = {0};

    xet_lfs_message_of(bytes_borrow(&answer->body), &message);
    const char *between = message.size ? ": " : "";
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == answer->status)
            return err_make(rows[i].code, "%s %s (status %d)%s%s", host.data, rows[i].words, answer->status,
                            between, bytes_text(&message));
    return err_make(ERR_IO, "%s answered with status %d%s%s", host.data, answer->status, between,
                    bytes_text(&message));
}

xet_outcome xet_lfs_outcome_of_status(const http_answer *answer, const char *url, xet_operation operation)
{
    xet_outcome out = {.kind = XET_FAILED,
                       .problem = xet_lfs_status_problem(answer, url),
                       .wait_seconds = http_retry_after(answer)};

    if (answer->status == 401) out.kind = XET_WANTS_LOGIN;
    if (answer->status == 403) out.kind = XET_NEW_ACTION; /* a signed address past its time says that */
    if (xet_lfs_status_is_temporary(answer->status)) out.kind = XET_AGAIN;
    if (answer->status == 404 && operation == XET_UPLOAD)
        out.problem.code = ERR_IO; /* it is ours that exists */
    return out;
}

xet_outcome xet_lfs_outcome_of_err(err e)
{
    xet_outcome_kind kind = e.code == ERR_IO ? XET_AGAIN : e.code == ERR_CANCELLED ? XET_FATAL : XET_FAILED;
    return (xet_outcome){.kind = kind, .problem = e, .wait_seconds = -1};
}

bool xet_lfs_transfer_goes_on(void *transfer, uint64_t sent, uint64_t received)
{
    const xet_transfer *t = transfer;

    (void)sent, (void)received;
    return !atomic_load(t->cancelled);
}

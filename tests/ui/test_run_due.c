/* due.json: what is written is read again, what cannot be is refused, and what was made is due no more. */
#include "ui/app/runs/due.h"

#include <string.h>

#include "tests/support/check.h"

#define DIGEST "1111111111111111111111111111111111111111111111111111111111111111"

TEST(a_due_commit_reads_back_with_its_plan_byte_for_byte)
{
    static const char plan[] = "{\n\t\"dtype\":\t\"f32\",\n\t\"name\":\t\"\xc3\xa9\\\"\"\n}\n";
    const char *folder = check_folder();
    CLEANUP(ui_run_due_free) ui_run_due due = {.step = 20, .tag = true, .data = DIGEST}, read = {0};
    check_fails(ui_run_due_load(folder, &read), ERR_NOT_FOUND, "due.json");
    bytes_append_text(&due.plan, plan);
    check_ok(ui_run_due_save(folder, &due));
    check_ok(ui_run_due_load(folder, &read));
    check_true(read.step == 20 && read.tag);
    check_text(read.data, DIGEST);
    check_text(bytes_text(&read.plan), plan);
    ui_run_due_free(&read);
    ui_run_due_done(folder);
    check_fails(ui_run_due_load(folder, &read), ERR_NOT_FOUND, "due.json");
}

TEST(what_is_no_due_commit_is_refused)
{
    static const char *const bad[] = {"7",
                                      "{\"data\":\"" DIGEST "\",\"plan\":\"\",\"step\":20,\"tag\":false}",
                                      "{\"data\":\"" DIGEST "\",\"plan\":\"{}\",\"step\":-1,\"tag\":false}",
                                      "{\"data\":\"" DIGEST "\",\"plan\":{},\"step\":20,\"tag\":false}",
                                      "{\"data\":\"1111\",\"plan\":\"{}\",\"step\":20,\"tag\":false}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEANUP(ui_run_due_free) ui_run_due due = {0};
        check_fails(ui_run_due_read(bytes_view_of(bad[i]), &due), ERR_FORMAT,
                    "expected data (a sha256), plan");
    }
}

TESTS(RUN(a_due_commit_reads_back_with_its_plan_byte_for_byte), RUN(what_is_no_due_commit_is_refused))

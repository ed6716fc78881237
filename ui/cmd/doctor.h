/* ui/cmd/doctor.h: what the doctor's files share. */
#ifndef UI_CMD_DOCTOR_H
#define UI_CMD_DOCTOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/settings.h"

/* One thing that was looked at. */
typedef struct doctor_finding {
    const char *name;
    bool good;
    bytes value, help; /* help: what to do about it; empty when good */
} doctor_finding;

enum { DOCTOR_FINDINGS_MAX = 48 };

typedef struct doctor_findings {
    doctor_finding list[DOCTOR_FINDINGS_MAX];
    size_t count;
} doctor_findings;

/* A new row, good until it is said otherwise. */
doctor_finding *doctor_add(doctor_findings *all, const char *name);

/* libgit2, git, git-lfs. */
void doctor_git_look(doctor_findings *all);
/* Each driver of worktrees on the models folder's file system: tried, not guessed. One that cannot be had is
 * no fault: another is taken. */
void doctor_worktrees_look(doctor_findings *all, const settings *s);
/* [{driver, backend, available, reason}] */
cJSON *doctor_worktrees_json(const settings *s);

#endif

#include "repo/context.h"

#include "base/arena.h"

static const char *const phase_names[REPO_PHASE_COUNT] = {
    [REPO_CONNECT] = "connecting",
    [REPO_COUNTING] = "counting objects",
    [REPO_RECEIVING] = "receiving objects",
    [REPO_RESOLVING] = "resolving deltas",
    [REPO_REFS] = "updating refs",
    [REPO_FILES] = "writing files",
    [REPO_LARGE_FILES] = "large files",
    [REPO_SENDING] = "sending objects",
    [REPO_VERIFY] = "verifying",
};

const char *repo_phase_name(repo_phase phase) { return phase_names[phase]; }

bool repo_watch_tell(const repo_watch *watch, const repo_progress *progress)
{
    return !watch->tell || watch->tell(watch->context, progress);
}

char *repo_context_models_folder(const repo_context *c)
{
    return memory_text(settings_text(c->settings, "models.dir"));
}

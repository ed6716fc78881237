/* repo/signing.c: signatures by gpg, gpgsm or ssh-keygen, called as git calls them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/process.h"
#include "repo/commit_internal.h"

enum { SIGNATURE_BYTES_MAX = 1 << 20, SIGN_WAIT_MS = 5 * 60 * 1000 };

typedef struct signer signer;
struct signer {
    const char *format; /* gpg.format */
    const char *program_keys[2];
    const char *program;
    err (*sign)(repo_handle *r, const signer *how, const char *program, const char *key, bytes_view payload,
                bytes *signature);
};

static char *config_text(repo_handle *r, const char *key)
{
    git_config *config = NULL;
    git_buf value = {0};
    char *text = NULL;

    if (git_repository_config_snapshot(&config, r->git) == 0 &&
        git_config_get_string_buf(&value, config, key) == 0 && value.size)
        text = memory_text(value.ptr);
    git_buf_dispose(&value);
    git_config_free(config);
    return text;
}

bool repo_signing_wanted(repo_handle *r, int sign, const char *config_key)
{
    git_config *config = NULL;
    int wanted = 0;

    if (sign >= 0) return sign == 1;
    if (git_repository_config_snapshot(&config, r->git) == 0)
        (void)git_config_get_bool(&wanted, config, config_key);
    git_config_free(config);
    return wanted != 0;
}

/* The last line that is not empty: gpg's own reason comes after its status lines. */
static void last_words(const bytes *error, char *out, size_t out_size)
{
    const char *text = bytes_text(error), *found = "it gave no reason";
    size_t found_size = strlen(found);

    while (*text) {
        size_t size = strcspn(text, "\n");
        if (size && strncmp(text, "[GNUPG:]", 8) != 0) {
            found = text;
            found_size = size;
        }
        text += size + (text[size] == '\n');
    }
    snprintf(out, out_size, "%.*s", (int)MIN_OF(found_size, out_size - 1), found);
}

static err signer_run(const char *const *argv, bytes_view payload, bytes *signature, bytes *error)
{
    int status = 0;
    char words[300];
    process_options how = {
        .argv = argv, .input = PROCESS_PIPE, .output = PROCESS_PIPE, .error = PROCESS_PIPE};

    err e = process_run(&how, payload, SIGNATURE_BYTES_MAX, SIGN_WAIT_MS, signature, error, &status);
    if (e.code) return err_note(e, "sign with %s", argv[0]);
    if (status == 0 && signature->size) return ERR_OK;
    last_words(error, words, sizeof words);
    return err_make(ERR_DENIED, "%s could not sign: %s", argv[0], words);
}

/* gpg and gpgsm: a detached signature in ASCII. An exit status of 0 alone proves nothing, git found. */
static err sign_gpg(repo_handle *r, const signer *how, const char *program, const char *key,
                    bytes_view payload, bytes *signature)
{
    const char *argv[] = {program, "--status-fd=2", "-bsau", key, NULL};
    CLEANUP(bytes_free) bytes error = {0};

    (void)r, (void)how;
    err e = signer_run(argv, payload, signature, &error);
    if (e.code || strstr(bytes_text(&error), "[GNUPG:] SIG_CREATED ")) return e;
    return err_make(ERR_DENIED, "%s made no signature", program);
}

/* A key that stands in the configuration itself: its private half is in the agent. */
static const char *literal_key(const char *key)
{
    if (strncmp(key, "key::", 5) == 0) return key + 5;
    return strncmp(key, "ssh-", 4) == 0 ? key : NULL;
}

static err key_file_write(const char *key, char path[])
{
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return err_errno("make %s", path);
    bool whole = dprintf(fd, "%s\n", key) > 0;
    if (close(fd) != 0 || !whole) return err_errno("write %s", path);
    return ERR_OK;
}

static err sign_ssh(repo_handle *r, const signer *how, const char *program, const char *key,
                    bytes_view payload, bytes *signature)
{
    char written[] = "/tmp/.hyprstream-signing-key-XXXXXX";
    const char *literal = literal_key(key), *home = env_get(r->context->environment, "HOME");
    char *path = literal ? NULL : file_expand_home(key, home);
    CLEANUP(bytes_free) bytes error = {0};
    err e = ERR_OK;

    (void)how;
    if (literal) e = key_file_write(literal, written);
    const char *argv[] = {
        program, "-Y", "sign", "-n", "git", "-f", literal ? written : path, literal ? "-U" : NULL, NULL};
    if (!e.code) e = signer_run(argv, payload, signature, &error);
    if (literal) unlink(written);
    free(path);
    return e;
}

static const signer signers[] = {
    {"openpgp", {"gpg.openpgp.program", "gpg.program"}, "gpg", sign_gpg},
    {"x509", {"gpg.x509.program", NULL}, "gpgsm", sign_gpg},
    {"ssh", {"gpg.ssh.program", NULL}, "ssh-keygen", sign_ssh},
};

static err signer_find(const char *format, const signer **out)
{
    for (size_t i = 0; i < COUNT_OF(signers); i++)
        if (strcmp(signers[i].format, format) == 0) {
            *out = &signers[i];
            return ERR_OK;
        }
    return err_make(ERR_USAGE, "gpg.format is '%s': expected openpgp, x509 or ssh", format);
}

static char *program_of(repo_handle *r, const signer *s)
{
    for (size_t i = 0; i < COUNT_OF(s->program_keys) && s->program_keys[i]; i++) {
        char *given = config_text(r, s->program_keys[i]);
        if (given) return given;
    }
    return memory_text(s->program);
}

/* gpg finds the key of "Name <email>"; ssh has no such list. */
static err key_of(repo_handle *r, const signer *s, const git_signature *who, char **out)
{
    *out = config_text(r, "user.signingkey");
    if (*out) return ERR_OK;
    if (s->sign == sign_ssh)
        return err_make(ERR_USAGE,
                        "user.signingkey is not set: git config user.signingkey PATH names the ssh key");
    bytes name = {0};
    bytes_printf(&name, "%s <%s>", who->name, who->email);
    *out = bytes_take(&name);
    return ERR_OK;
}

err repo_sign(repo_handle *r, const git_signature *who, bytes_view payload, bytes *signature)
{
    char *format = config_text(r, "gpg.format"), *key = NULL, *program = NULL;
    const signer *s = NULL;

    err e = signer_find(format ? format : "openpgp", &s);
    if (!e.code) e = key_of(r, s, who, &key);
    if (!e.code) {
        program = program_of(r, s);
        e = s->sign(r, s, program, key, payload, signature);
    }
    free(format);
    free(key);
    free(program);
    return e;
}

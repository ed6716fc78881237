/* repo/gate.c: a table of this process's repositories, each with a mutex, and a flock beside it.
 *
 * The table is keyed by device and inode of the common git dir: two paths of one repository are one gate. */
#define _GNU_SOURCE
#include "repo/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "repo/checkpoint_internal.h"
#include "repo/handle_internal.h"
#include "repo/leftovers.h"
#include "repo/unlock.h"

enum { RETRY_FIRST_MS = 10, RETRY_LAST_MS = 640, POLL_MS = 10, HOLDER_BYTES_MAX = 200 };

typedef struct gate_place {
    dev_t device;
    ino_t inode;
    pthread_mutex_t mutex;
    struct gate_place *next;
} gate_place;

struct repo_gate {
    gate_place *place;
    int fd;
};

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* The places live as long as the process: there are as many as repositories were written to. */
static gate_place *place_of(const struct stat *info)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static gate_place *places;

    pthread_mutex_lock(&lock);
    gate_place *p = places;
    while (p && (p->device != info->st_dev || p->inode != info->st_ino)) p = p->next;
    if (!p) {
        p = memory_alloc(sizeof *p);
        p->device = info->st_dev;
        p->inode = info->st_ino;
        pthread_mutex_init(&p->mutex, NULL);
        p->next = places;
        places = p;
    }
    pthread_mutex_unlock(&lock);
    return p;
}

static err mutex_wait(gate_place *place, const char *path)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += REPO_GATE_WAIT_MS / 1000;
    if (pthread_mutex_timedlock(&place->mutex, &end) == 0) return ERR_OK;
    return err_make(ERR_BUSY, "%s is being changed by another task of this program", path);
}

/* Who holds it, as the holder wrote it: "1234 fetch". */
static err busy(int fd, const char *path)
{
    char holder[HOLDER_BYTES_MAX] = "";
    ssize_t size = pread(fd, holder, sizeof holder - 1, 0);
    holder[size > 0 ? strcspn(holder, "\n") : 0] = 0;
    long pid = strtol(holder, NULL, 10);
    const char *verb = strchr(holder, ' ');
    if (!pid || !verb) return err_make(ERR_BUSY, "%s is being changed by another process", path);
    return err_make(ERR_BUSY, "%s is being changed by process %ld (%s)", path, pid, verb + 1);
}

static err flock_wait(int fd, const char *path)
{
    double end = clock_seconds() + REPO_GATE_WAIT_MS / 1000.0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return err_errno("lock %s", path);
        if (clock_seconds() > end) return busy(fd, path);
        sleep_ms(POLL_MS);
    }
    return ERR_OK;
}

static err lock_file_open(const repo_handle *r, int *fd)
{
    char *folder = file_join(r->common_dir, "hyprstream"), *path = file_join(folder, "lock");
    err e = file_make_folders(folder);
    if (!e.code) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (*fd < 0) e = err_errno("open %s", path);
    }
    free(folder);
    free(path);
    return e;
}

/* A file that still names its holder, and is not held: that process died inside. What git's libraries had
 * locked then is locked for ever, what it was making lies half-made. */
static void dead_holder_end(const repo_handle *r, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !info.st_size) return;
    repo_locks_of_the_dead(r->common_dir, r->path, (int64_t)info.st_mtime);
    repo_leftovers_remove(r->path);
}

/* With mutex and flock in hand. */
static repo_gate *gate_made(repo_handle *r, const char *verb, gate_place *place, int fd)
{
    dead_holder_end(r, fd);
    /* For who waits, and for who comes after a death: it is emptied on leaving. */
    if (ftruncate(fd, 0) == 0) dprintf(fd, "%ld %s\n", (long)getpid(), verb);
    repo_gate *gate = memory_alloc(sizeof *gate);
    *gate = (repo_gate){place, fd};
    repo_checkpoint_mend(r);
    return gate;
}

err repo_gate_enter(repo_handle *r, const char *verb, repo_gate **out)
{
    struct stat info;
    int fd = -1;

    if (stat(r->common_dir, &info) != 0) return err_errno("look at %s", r->common_dir);
    gate_place *place = place_of(&info);
    err e = mutex_wait(place, r->common_dir);
    if (e.code) return e;
    e = lock_file_open(r, &fd);
    if (!e.code) e = flock_wait(fd, r->common_dir);
    if (e.code) {
        if (fd >= 0) close(fd);
        pthread_mutex_unlock(&place->mutex);
        return e;
    }
    *out = gate_made(r, verb, place, fd);
    return ERR_OK;
}

bool repo_gate_try(repo_handle *r, const char *verb, repo_gate **out)
{
    struct stat info;
    int fd = -1;

    *out = NULL;
    if (stat(r->common_dir, &info) != 0) return false;
    gate_place *place = place_of(&info);
    if (pthread_mutex_trylock(&place->mutex) != 0) return true;
    if (lock_file_open(r, &fd).code || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (fd >= 0) close(fd);
        pthread_mutex_unlock(&place->mutex);
        return false;
    }
    *out = gate_made(r, verb, place, fd);
    return true;
}

void repo_gate_leave(repo_gate *g)
{
    if (!g) return;
    if (ftruncate(g->fd, 0) != 0) errno = 0; /* the next one looks for locks of the dead: no harm */
    close(g->fd);
    pthread_mutex_unlock(&g->place->mutex);
    free(g);
}

static long jitter(long ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ms + now.tv_nsec % (ms / 2 + 1);
}

int repo_retry(int (*attempt)(void *context), void *context)
{
    int status = attempt(context);
    for (long ms = RETRY_FIRST_MS; ms <= RETRY_LAST_MS; ms *= 2) {
        if (status != GIT_ELOCKED && status != GIT_EMODIFIED) break;
        sleep_ms(jitter(ms));
        status = attempt(context);
    }
    return status;
}

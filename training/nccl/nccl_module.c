/* training/nccl/nccl_module.c: the module itself: the sum of gradients that lie in GPUs.
 *
 * NCCL is opened at run time, so this is built where neither it nor CUDA is. Of its interface, stable since
 * 2.0, six functions are used; they are declared here. A communicator belongs to the device that is current
 * when it is made: libcuda makes the rank's device current, as the context that libtorch uses. Not measured:
 * it wants two GPUs. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "training/nccl/module.h"

enum { WHY_SIZE = 256, NCCL_SUCCESS = 0, NCCL_FLOAT32 = 7, NCCL_SUM = 0, CUDA_SUCCESS = 0 };

typedef struct nccl_communicator nccl_communicator;
typedef struct cuda_context cuda_context;

static struct {
    void *nccl, *cuda;
    nccl_communicator *all;
    int (*version)(int *out);
    int (*make_id)(training_nccl_id *out);
    int (*join)(nccl_communicator **out, int count, training_nccl_id id, int number);
    int (*reduce)(const void *from, void *to, size_t count, int type, int operation, nccl_communicator *all,
                  void *stream);
    int (*destroy)(nccl_communicator *all);
    int (*abort)(nccl_communicator *all);
    const char *(*words)(int code);
    int (*cuda_init)(unsigned flags);
    int (*device_get)(int *device, int number);
    int (*context_of)(cuda_context **out, int device);
    int (*context_set)(cuda_context *context);
} lib;

typedef struct symbol {
    const char *name;
    void *into; /* a pointer to a function */
} symbol;

static int open_library(void **library, const char *file, const symbol *list, size_t count, char *why)
{
    if (*library) return 0;
    void *opened = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!opened) {
        const char *words = dlerror();
        snprintf(why, WHY_SIZE, "%s cannot be opened (%.120s): install NVIDIA's libnccl2 and driver", file,
                 words ? words : "unknown");
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(opened, list[i].name);
        if (!found) {
            snprintf(why, WHY_SIZE, "%s has no %s: expected NCCL 2.4 or newer", file, list[i].name);
            dlclose(opened);
            return -1;
        }
        memcpy(list[i].into, &found, sizeof found);
    }
    *library = opened;
    return 0;
}

static int say(char *why, const char *what, int code)
{
    snprintf(why, WHY_SIZE, "%s: %.200s", what, lib.words(code));
    return -1;
}

static int open_nccl(int *version, char *why)
{
    const symbol list[] = {{"ncclGetVersion", &lib.version},  {"ncclGetUniqueId", &lib.make_id},
                           {"ncclCommInitRank", &lib.join},   {"ncclAllReduce", &lib.reduce},
                           {"ncclCommDestroy", &lib.destroy}, {"ncclCommAbort", &lib.abort},
                           {"ncclGetErrorString", &lib.words}};
    if (open_library(&lib.nccl, "libnccl.so.2", list, sizeof list / sizeof *list, why)) return -1;
    int code = lib.version(version);
    return code == NCCL_SUCCESS ? 0 : say(why, "ncclGetVersion", code);
}

static int make_id(training_nccl_id *out, char *why)
{
    int code = lib.make_id(out);
    return code == NCCL_SUCCESS ? 0 : say(why, "ncclGetUniqueId", code);
}

static int use_device(int number, char *why)
{
    const symbol list[] = {{"cuInit", &lib.cuda_init},
                           {"cuDeviceGet", &lib.device_get},
                           {"cuDevicePrimaryCtxRetain", &lib.context_of},
                           {"cuCtxSetCurrent", &lib.context_set}};
    int device = 0;
    cuda_context *context = NULL;
    if (open_library(&lib.cuda, "libcuda.so.1", list, sizeof list / sizeof *list, why)) return -1;
    int code = lib.cuda_init(0);
    if (code == CUDA_SUCCESS) code = lib.device_get(&device, number);
    if (code == CUDA_SUCCESS) code = lib.context_of(&context, device);
    if (code == CUDA_SUCCESS) code = lib.context_set(context);
    if (code != CUDA_SUCCESS)
        snprintf(why, WHY_SIZE, "cuda:%d cannot be made current (CUDA error %d)", number, code);
    return code == CUDA_SUCCESS ? 0 : -1;
}

static int join(const training_nccl_id *id, int number, int count, char *why)
{
    int code = lib.join(&lib.all, count, *id, number);
    return code == NCCL_SUCCESS ? 0 : say(why, "ncclCommInitRank", code);
}

static int sum(void *values, size_t count, char *why)
{
    /* Stream 0: behind all that libtorch has begun, before all that it begins. */
    int code = lib.reduce(values, values, count, NCCL_FLOAT32, NCCL_SUM, lib.all, NULL);
    return code == NCCL_SUCCESS ? 0 : say(why, "ncclAllReduce", code);
}

static void leave(int failed)
{
    if (!lib.all) return;
    (void)(failed ? lib.abort : lib.destroy)(lib.all);
    lib.all = NULL;
}

const training_nccl_module *hyprstream_nccl_module(int signature);
__attribute__((visibility("default"))) const training_nccl_module *hyprstream_nccl_module(int signature)
{
    static const training_nccl_module module = {open_nccl, use_device, make_id, join, sum, leave};
    return signature == TRAINING_NCCL_SIGNATURE ? &module : NULL;
}

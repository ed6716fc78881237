/* engine/tensor/door.c: finds the module, opens it once, forwards every op to it. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "engine/tensor/ops.h"

#define MODULE_FILE "hyprstream-tensor.so"

/* The process's one door: libtorch can be loaded once and never unloaded, so this is no state of ours to
 * hand around. NULL until it is open. */
static _Atomic(const tensor_module *) door;
static pthread_mutex_t door_lock = PTHREAD_MUTEX_INITIALIZER;

/* Beside the program, or one folder up (the build tree's tests); then where installed, relative to bin/. */
static const char *const module_places[] = {
    "%s/" MODULE_FILE,
    "%s/../" MODULE_FILE,
    "%s/../" HYPRSTREAM_LIBDIR "/hyprstream/" MODULE_FILE,
    "%s/../lib/hyprstream/" MODULE_FILE,
};

static bool program_folder(char folder[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (size <= 0) return false;
    folder[size] = 0;
    char *slash = strrchr(folder, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

/* Where the module lies. $HYPRSTREAM_TENSOR_MODULE, when set, is the only place looked at. */
static err module_find(char path[PATH_MAX])
{
    const char *named = getenv("HYPRSTREAM_TENSOR_MODULE");
    if (named && *named) {
        if (access(named, R_OK) != 0) return err_errno("HYPRSTREAM_TENSOR_MODULE names %s", named);
        snprintf(path, PATH_MAX, "%s", named);
        return ERR_OK;
    }
    char folder[PATH_MAX];
    if (!program_folder(folder)) return err_make(ERR_DEVICE, "/proc/self/exe does not say where the program lies");
    for (size_t i = 0; i < COUNT_OF(module_places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int size = snprintf(path, PATH_MAX, module_places[i], folder);
#pragma GCC diagnostic pop
        if (size < PATH_MAX && access(path, R_OK) == 0) return ERR_OK;
    }
    return err_make(ERR_DEVICE,
                    "the tensor module " MODULE_FILE " lies neither in %s nor in its ../" HYPRSTREAM_LIBDIR
                    "/hyprstream; install the program whole, or name the module in HYPRSTREAM_TENSOR_MODULE",
                    folder);
}

static err module_open(const tensor_module **out)
{
    char path[PATH_MAX];
    err e = module_find(path);
    if (e.code) return e;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return err_make(ERR_DEVICE, "libtorch cannot be opened: %s", dlerror());
    /* A data pointer becomes a function pointer: dlsym's own way, which ISO C has no words for. */
    tensor_module_open_function *module_of;
    *(void **)&module_of = dlsym(library, TENSOR_MODULE_SYMBOL);
    const tensor_module *module = module_of ? module_of(TENSOR_MODULE_SIGNATURE) : NULL;
    if (!module) {
        dlclose(library);
        return err_make(ERR_DEVICE, "%s belongs to another version of the program; build or install both together",
                        path);
    }
    *out = module;
    return ERR_OK;
}

err tensor_door_open(void)
{
    if (tensor_door_is_open()) return ERR_OK;
    pthread_mutex_lock(&door_lock);
    err e = ERR_OK;
    if (!tensor_door_is_open()) {
        const tensor_module *module = NULL;
        e = module_open(&module);
        if (!e.code) {
            module->threads_set(0);
            atomic_store_explicit(&door, module, memory_order_release);
        }
    }
    pthread_mutex_unlock(&door_lock);
    return e;
}

static const tensor_module *door_module(void) { return atomic_load_explicit(&door, memory_order_acquire); }

bool tensor_door_is_open(void) { return door_module() != NULL; }

#define FORWARD(result, name, parameters, arguments)                                                         \
    result tensor_##name parameters { return door_module()->name arguments; }
TENSOR_OPS(FORWARD)

err tensor_scope_close(tensor_scope *scope) { return scope ? door_module()->scope_close(scope) : ERR_OK; }

void tensor_free(tensor *t)
{
    if (t) door_module()->free(t);
}

static const struct {
    const char *name;
    size_t bytes;
} types[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = {"f32", 4},   [TENSOR_F16] = {"f16", 2}, [TENSOR_BF16] = {"bf16", 2},
    [TENSOR_F64] = {"f64", 8},   [TENSOR_I64] = {"i64", 8}, [TENSOR_I32] = {"i32", 4},
    [TENSOR_I8] = {"i8", 1},     [TENSOR_U8] = {"u8", 1},   [TENSOR_BOOL] = {"bool", 1},
};

size_t tensor_type_bytes(tensor_type type) { return (unsigned)type < TENSOR_TYPE_COUNT ? types[type].bytes : 0; }

const char *tensor_type_name(tensor_type type)
{
    return (unsigned)type < TENSOR_TYPE_COUNT ? types[type].name : "unknown";
}

/* training/ranks_module.c: finds the modules for several processes. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "training/ranks_internal.h"

/* Beside the program, or one folder up (the build tree's tests); then where it is installed. */
static void *library_open(const char *file, char *looked, size_t looked_size)
{
    static const char *const places[] = {"", "/..", "/../" HYPRSTREAM_LIBDIR "/hyprstream",
                                         "/../lib/hyprstream"};
    char folder[PATH_MAX], path[PATH_MAX + 128];
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[size > 0 ? size : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    snprintf(looked, looked_size, "it is not in %.200s", folder);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        snprintf(path, sizeof path, "%s%s/%s", folder, places[i], file);
        if (access(path, R_OK) != 0) continue;
        /* Open MPI's own parts look for its symbols globally. */
        void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        const char *why = library ? NULL : dlerror();
        if (why) snprintf(looked, looked_size, "%s", why);
        return library;
    }
    return NULL;
}

err ranks_module_open(const char *file, const char *symbol, int signature, const void **out)
{
    char looked[256];
    const void *(*function)(int signature) = NULL;
    void *library =
        library_open(file, looked, sizeof looked); /* stays: MPI can be opened once in a process */
    if (!library) return err_make(ERR_DEVICE, "%s cannot be opened (%.160s)", file, looked);
    *(void **)&function = dlsym(library, symbol);
    *out = function ? function(signature) : NULL;
    return *out ? ERR_OK : err_make(ERR_DEVICE, "%s belongs to another version of the program", file);
}

// The one symbol that the program looks for, and the ops about the library itself.
#include "engine/tensor/module.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#define ROW(result, name, parameters, arguments) tensor_##name,
static const tensor_module module_table = {TENSOR_OPS(ROW) TENSOR_ENDING_OPS(ROW)};

extern "C" __attribute__((visibility("default"))) const tensor_module *hyprstream_tensor_module(const char *signature)
{
    return strcmp(signature, TENSOR_MODULE_SIGNATURE) == 0 ? &module_table : nullptr;
}

const char *tensor_library_version(void) { return HYPRSTREAM_LIBTORCH_VERSION; }

// The folder of the libtorch_cpu that the loader took, which may differ from the one of the build.
static std::string folder_of_libtorch()
{
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&at::get_num_threads), &info) || !info.dli_fname) return "";
    char real[PATH_MAX];
    std::string path = realpath(info.dli_fname, real) ? real : info.dli_fname;
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

const char *tensor_library_path(void)
{
    static const std::string path = folder_of_libtorch();
    return path.c_str();
}

static int cores_of_process()
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

void tensor_threads_set(int count)
{
    at::set_num_threads(count > 0 ? count : cores_of_process());
}

int tensor_threads(void) { return at::get_num_threads(); }

void tensor_parallel_for(size_t count, void (*body)(void *context, size_t index), void *context)
{
    at::parallel_for(0, (int64_t)count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) body(context, (size_t)i);
    });
}

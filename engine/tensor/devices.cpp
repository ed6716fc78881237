// Which devices there are. The module is linked to the CPU half of libtorch; the GPU half is opened here, when a
// GPU is asked for and one is there, so that one build serves both kinds of machine.
#include "engine/tensor/module.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <ATen/ops/full.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <unistd.h>

namespace door {

// The two kinds of GPU that libtorch calls "cuda". The runtime's calls have the same shapes in both.
struct gpu_kind {
    const char *maker;
    const char *half;       // of libtorch, beside its CPU half
    const char *nodes[3];   // one of these exists where the driver runs
    bool only_if_half;      // the node also exists on machines without a usable GPU: ask for the half too
    const char *count_call, *set_call, *memory_call, *words_call;
    const char *driver, *name_call;
};

static const gpu_kind kinds[] = {
    {"NVIDIA", "libtorch_cuda.so", {"/dev/nvidiactl", "/dev/nvidia0", nullptr}, false, "cudaGetDeviceCount",
     "cudaSetDevice", "cudaMemGetInfo", "cudaGetErrorString", "libcuda.so.1", "cuDeviceGetName"},
    {"AMD", "libtorch_hip.so", {"/dev/kfd", nullptr, nullptr}, true, "hipGetDeviceCount", "hipSetDevice",
     "hipMemGetInfo", "hipGetErrorString", "libamdhip64.so", "hipDeviceGetName"},
};

struct gpu_state {
    const gpu_kind *kind = nullptr; // of the machine; null: it has no GPU
    err problem = none();           // why it cannot be used
    void *half = nullptr;
    int count = 0;
};

static bool has_half(const gpu_kind &kind)
{
    std::string path = std::string(tensor_library_path()) + "/" + kind.half;
    return access(path.c_str(), R_OK) == 0;
}

static const gpu_kind *kind_of_machine()
{
    for (const gpu_kind &kind : kinds) {
        for (const char *const *node = kind.nodes; *node; node++)
            if (access(*node, F_OK) == 0 && (!kind.only_if_half || has_half(kind))) return &kind;
    }
    return nullptr;
}

template <typename Function> static Function *find(void *library, const char *name)
{
    return reinterpret_cast<Function *>(dlsym(library, name));
}

// Open the half, count the devices in the runtime's words, and let the first one compute.
static err gpu_start(gpu_state &gpu)
{
    const gpu_kind &kind = *gpu.kind;
    if (!has_half(kind))
        return error(ERR_DEVICE, "this machine has an %s GPU, but the libtorch in %s is built for the CPU alone; use "
                     "--device cpu, or a libtorch with %s", kind.maker, tensor_library_path(), kind.half);
    gpu.half = dlopen(kind.half, RTLD_NOW | RTLD_LOCAL);
    if (!gpu.half)
        return error(ERR_DEVICE, "this machine has an %s GPU, but libtorch's half for it cannot be opened: %s; "
                     "./bootstrap build fetches what it needs, --device cpu does without", kind.maker, dlerror());
    auto count = find<int(int *)>(gpu.half, kind.count_call);
    auto words = find<const char *(int)>(gpu.half, kind.words_call);
    if (!count || !words) return error(ERR_DEVICE, "%s has no %s", kind.half, kind.count_call);
    int found = 0;
    int status = count(&found);
    if (status != 0)
        return error(ERR_DEVICE, "the %s GPU cannot be used: %s (use --device cpu to do without)", kind.maker,
                     words(status));
    if (found == 0)
        return error(ERR_DEVICE, "the %s driver is there, but shows no GPU (use --device cpu to do without)",
                     kind.maker);
    try {
        mode plain(false);
        at::Tensor one = at::full({1}, 1.0, at::TensorOptions().device(at::kCUDA, 0));
        (void)one.add(1.0).item<float>();
    } catch (...) {
        err why = caught("the GPU");
        return error(ERR_DEVICE, "the %s GPU is there, but does not compute: %s", kind.maker, why.text);
    }
    gpu.count = found;
    return none();
}

// Done once; the answer stays for the process, as the half itself does.
static const gpu_state &gpu()
{
    static std::once_flag once;
    static gpu_state state;
    std::call_once(once, [] {
        state.kind = kind_of_machine();
        if (state.kind) state.problem = gpu_start(state);
    });
    return state;
}

err gpu_open()
{
    const gpu_state &g = gpu();
    if (!g.kind) return error(ERR_DEVICE, "this machine has no GPU that libtorch can use (no %s)", kinds[0].nodes[0]);
    return g.problem;
}

void gpu_check(tensor_device device)
{
    if (!device.cuda) return;
    err e = gpu_open();
    TORCH_CHECK(!e.code, e.text);
    TORCH_CHECK(device.index >= 0 && device.index < gpu().count, "there is no device cuda:", device.index);
}

// "cuda" or "cuda:N".
static err parse_cuda(const char *name, tensor_device *out)
{
    const char *rest = name + strlen("cuda");
    char *end = nullptr;
    long index = *rest == ':' ? strtol(rest + 1, &end, 10) : 0;
    if (*rest && (*rest != ':' || end == rest + 1 || *end || rest[1] < '0' || rest[1] > '9'))
        return error(ERR_USAGE, "device '%s': expected auto, cpu, cuda or cuda:N", name);
    err e = gpu_open();
    if (e.code) return error(e.code, "device %s: %s", name, e.text);
    if (index >= gpu().count)
        return error(ERR_DEVICE, "device %s: this machine has %d GPU%s, counted from 0", name, gpu().count,
                     gpu().count == 1 ? "" : "s");
    *out = tensor_device{true, (int)index};
    return none();
}

} // namespace door

err tensor_device_parse(const char *name, tensor_device *out)
{
    if (strcmp(name, "cpu") == 0) {
        *out = TENSOR_CPU;
        return door::none();
    }
    if (strncmp(name, "cuda", 4) == 0) return door::parse_cuda(name, out);
    if (strcmp(name, "auto") != 0)
        return door::error(ERR_USAGE, "device '%s': expected auto, cpu, cuda or cuda:N", name);
    const door::gpu_state &gpu = door::gpu();
    if (gpu.problem.code) return gpu.problem;
    *out = tensor_device{gpu.count > 0, 0};
    return door::none();
}

int tensor_cuda_count(void) { return door::gpu().count; }

// Cores for the CPU; for a GPU what its runtime says.
err tensor_device_describe(tensor_device device, tensor_device_info *out)
{
    tensor_device_info info = {};
    if (!device.cuda) {
        long page = sysconf(_SC_PAGESIZE);
        snprintf(info.name, sizeof info.name, "CPU, %s", at::get_cpu_capability().c_str());
        info.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)page;
        info.memory_free_bytes = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)page;
        *out = info;
        return door::none();
    }
    err e = door::gpu_open();
    if (e.code) return e;
    const door::gpu_state &gpu = door::gpu();
    if (device.index < 0 || device.index >= gpu.count)
        return door::error(ERR_DEVICE, "there is no device cuda:%d", device.index);
    auto set = door::find<int(int)>(gpu.half, gpu.kind->set_call);
    auto memory = door::find<int(size_t *, size_t *)>(gpu.half, gpu.kind->memory_call);
    size_t free_bytes = 0, bytes = 0;
    if (!set || !memory || set(device.index) != 0 || memory(&free_bytes, &bytes) != 0)
        return door::error(ERR_DEVICE, "the %s runtime does not say how much memory cuda:%d has", gpu.kind->maker,
                           device.index);
    void *driver = dlopen(gpu.kind->driver, RTLD_NOW);
    auto name = driver ? door::find<int(char *, int, int)>(driver, gpu.kind->name_call) : nullptr;
    if (!name || name(info.name, (int)sizeof info.name, device.index) != 0)
        snprintf(info.name, sizeof info.name, "%s GPU %d", gpu.kind->maker, device.index);
    info.memory_bytes = bytes;
    info.memory_free_bytes = free_bytes;
    *out = info;
    return door::none();
}

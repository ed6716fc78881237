// Scopes, handles, and how an exception becomes an err.
#include "engine/tensor/module.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <c10/util/Exception.h>

namespace door {

err none()
{
    err e;
    e.code = ERR_NONE;
    e.text[0] = 0;
    return e;
}

err error(err_code code, const char *format, ...)
{
    err e;
    e.code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e.text, sizeof e.text, format, arguments);
    va_end(arguments);
    return e;
}

// __func__ of an op without the prefix that all share.
static const char *short_name(const char *what)
{
    return strncmp(what, "tensor_", 7) == 0 ? what + 7 : what;
}

// libtorch's own words: the first line, without the "[enforce fail at file:line]" and "Exception raised from" parts.
static err said(err_code code, const char *what, const char *words)
{
    if (words[0] == '[') {
        const char *end = strstr(words, "] ");
        if (end) words = end + 2;
    }
    size_t size = strcspn(words, "\n");
    while (size > 0 && (words[size - 1] == '.' || words[size - 1] == ' ')) size--;
    return error(code, "%s: %.*s", short_name(what), (int)size, words);
}

static err of_libtorch(const char *what, const char *words)
{
    const char *tried = strstr(words, "tried to allocate ");
    if (strstr(words, "DefaultCPUAllocator"))
        return error(ERR_MEMORY, "%s: not enough memory: tried to allocate %llu bytes", short_name(what),
                     tried ? strtoull(tried + strlen("tried to allocate "), nullptr, 10) : 0ULL);
    if (strstr(words, "out of memory")) return said(ERR_MEMORY, what, words);
    if (strstr(words, "CUDA error") || strstr(words, "HIP error")) return said(ERR_DEVICE, what, words);
    return said(ERR_STATE, what, words);
}

err caught(const char *what)
{
    try {
        throw;
    } catch (const c10::OutOfMemoryError &e) {
        return said(ERR_MEMORY, what, e.what_without_backtrace());
    } catch (const c10::Error &e) {
        return of_libtorch(what, e.what_without_backtrace());
    } catch (const std::bad_alloc &) {
        return error(ERR_MEMORY, "%s: not enough memory", short_name(what));
    } catch (const std::exception &e) {
        return of_libtorch(what, e.what());
    } catch (...) {
        return error(ERR_STATE, "%s: libtorch failed without a word", short_name(what));
    }
}

tensor *put(tensor_scope *s, at::Tensor value)
{
    // Room first: it may throw, push_back then cannot, and the handle is not lost.
    if (s->owned.size() == s->owned.capacity()) s->owned.reserve(2 * s->owned.capacity() + 16);
    auto *t = new tensor{std::move(value), s, s->owned.size()};
    s->owned.push_back(t);
    return t;
}

tensor *fail(tensor_scope *s, err why)
{
    if (!s->first.code) s->first = why;
    return nullptr;
}

void fail_missing(tensor_scope *s, const char *what)
{
    fail(s, error(ERR_STATE, "%s: it was given no tensor", short_name(what)));
}

} // namespace door

tensor_scope *tensor_scope_new(bool grad)
{
    auto *s = new tensor_scope{grad, door::none(), {}};
    s->owned.reserve(256);
    return s;
}

bool tensor_scope_grad(const tensor_scope *s) { return s->grad; }

void tensor_scope_release(tensor_scope *s, size_t mark)
{
    while (s->owned.size() > mark) {
        delete s->owned.back();
        s->owned.pop_back();
    }
}

err tensor_scope_close(tensor_scope *s)
{
    if (!s) return door::none();
    err first = s->first;
    tensor_scope_release(s, 0);
    delete s;
    return first;
}

bool tensor_scope_failed(const tensor_scope *s) { return s->first.code != ERR_NONE; }

tensor *tensor_fail(tensor_scope *s, err why) { return door::fail(s, why); }

size_t tensor_scope_mark(const tensor_scope *s) { return s->owned.size(); }

tensor *tensor_keep(tensor_scope *s, tensor *t)
{
    if (!t) return nullptr;
    if (t->scope == s) s->owned[t->slot] = nullptr;
    t->scope = nullptr;
    return t;
}

tensor *tensor_adopt(tensor_scope *s, tensor *t)
{
    if (!t || t->scope == s) return t;
    if (t->scope) t->scope->owned[t->slot] = nullptr;
    t->scope = s;
    t->slot = s->owned.size();
    s->owned.push_back(t);
    return t;
}

tensor *tensor_share(tensor_scope *s, const tensor *t) { OP_RUN(s, (t), t->value); }

void tensor_free(tensor *t)
{
    if (!t) return;
    if (t->scope) t->scope->owned[t->slot] = nullptr;
    delete t;
}

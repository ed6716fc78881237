#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "engine/kernels/kernels.h"
#include "engine/tensor/tensor.h"
#include "training/ranks.h"
#include "ui/app/models.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/doctor.h"
#include "ui/cmd/json_out.h"

enum { COLUMNS_MIN = 80, LINES_MIN = 24, CUDA_DEVICES_SHOWN_MAX = 8 };

typedef doctor_finding finding;
typedef doctor_findings findings;

doctor_finding *doctor_add(doctor_findings *all, const char *name)
{
    finding *f = &all->list[all->count++];
    f->name = name;
    f->good = true;
    return f;
}

static finding *add(findings *all, const char *name) { return doctor_add(all, name); }

static void findings_free(findings *all)
{
    for (size_t i = 0; i < all->count; i++) {
        bytes_free(&all->list[i].value);
        bytes_free(&all->list[i].help);
    }
}

/* -- libtorch ------------------------------------------------------------------------------------------ */

static void device_look(findings *all, int index)
{
    tensor_device_info info;
    tensor_device device = {.cuda = true, .index = index};
    finding *f = add(all, "device");

    err e = tensor_device_describe(device, &info);
    f->good = !e.code;
    if (e.code) {
        bytes_printf(&f->value, "cuda:%d cannot be used", index);
        bytes_append_text(&f->help, e.text);
        return;
    }
    char total[32], free_now[32];
    text_human_size(info.memory_bytes, total, sizeof total);
    text_human_size(info.memory_free_bytes, free_now, sizeof free_now);
    bytes_printf(&f->value, "cuda:%d, %s, %s, %s free", index, info.name, total, free_now);
}

static void libtorch_look(findings *all)
{
    finding *f = add(all, "libtorch");

    err e = tensor_door_open();
    f->good = !e.code;
    if (e.code) {
        bytes_append_text(&f->value, "not usable");
        bytes_append_text(&f->help, e.text);
        return;
    }
    bytes_printf(&f->value, "%s, %s", tensor_library_version(), tensor_library_path());
    bytes_printf(&add(all, "device")->value, "cpu, %d threads, %s kernels", tensor_threads(),
                 kernel_set_name(0));
    int count = tensor_cuda_count();
    for (int i = 0; i < count && i < CUDA_DEVICES_SHOWN_MAX; i++) device_look(all, i);
    /* "auto" knows of a GPU that is there but cannot be used. */
    tensor_device chosen;
    e = tensor_device_parse("auto", &chosen);
    if (!e.code) return;
    f = add(all, "GPU");
    f->good = false;
    bytes_append_text(&f->value, "present but not usable");
    bytes_append_text(&f->help, e.text);
}

/* -- training in several processes ---------------------------------------------------------------------- */

/* Who trains alone misses nothing by their absence. */
static void ranks_look(findings *all)
{
    char words[256];
    bool mpi = training_ranks_mpi_look(words);
    bytes_printf(&add(all, "MPI")->value, "%s%s", mpi ? "" : "n/a, ", words);
    bool nccl = training_ranks_nccl_look(words);
    bytes_printf(&add(all, "NCCL")->value, "%s%s (its sums were never measured)", nccl ? "" : "n/a, ", words);
}

/* -- terminal ------------------------------------------------------------------------------------------ */

static bool terminal_is_described(const char *name)
{
    static const char *const folders_known[] = {"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo",
                                                "/usr/lib/terminfo", "/usr/local/share/terminfo"};
    CLEANUP(bytes_free) bytes path = {0};
    const char *own = getenv("TERMINFO"), *home = getenv("HOME");

    for (size_t i = 0; i < COUNT_OF(folders_known) + 2; i++) {
        bytes_clear(&path);
        if (i < COUNT_OF(folders_known))
            bytes_append_text(&path, folders_known[i]);
        else if (i == COUNT_OF(folders_known))
            bytes_append_text(&path, own ? own : "");
        else
            bytes_printf(&path, "%s/.terminfo", home ? home : "");
        bytes_printf(&path, "/%c/%s", name[0], name);
        if (file_exists(path.data)) return true;
    }
    return false;
}

static void terminal_name_look(findings *all)
{
    finding *f = add(all, "terminal");
    const char *name = getenv("TERM");

    f->good = name && *name && !strchr(name, '/') && terminal_is_described(name);
    bytes_append_text(&f->value, name && *name ? name : "TERM is not set");
    if (!f->good)
        bytes_append_text(&f->help, "set TERM to a terminal that ncurses knows, or install ncurses-term");
}

static void terminal_look(findings *all)
{
    struct winsize size = {0};

    terminal_name_look(all);
    finding *f = add(all, "size");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) {
        bytes_append_text(&f->value, "n/a, standard output is no terminal");
    } else if (!size.ws_col || !size.ws_row) {
        bytes_append_text(&f->value, "n/a, the terminal does not tell");
    } else {
        f->good = size.ws_col >= COLUMNS_MIN && size.ws_row >= LINES_MIN;
        bytes_printf(&f->value, "%d x %d", size.ws_col, size.ws_row);
        if (!f->good) bytes_printf(&f->help, "the workstation wants %d x %d", COLUMNS_MIN, LINES_MIN);
    }
    f = add(all, "characters");
    setlocale(LC_CTYPE, "");
    bytes_append_text(&f->value, nl_langinfo(CODESET));
    f->good = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!f->good) bytes_append_text(&f->help, "set LANG to a UTF-8 locale, such as C.UTF-8");
}

/* -- folders ------------------------------------------------------------------------------------------- */

/* A folder that is not there yet is made when it is needed; what counts is whether it can be. */
static void folder_look(findings *all, const char *name, const char *path)
{
    CLEANUP(bytes_free) bytes nearest = {.data = file_join(path, "")};
    finding *f = add(all, name);

    bytes_append_text(&f->value, path);
    for (;;) {
        if (file_exists(nearest.data)) break;
        char *parent = file_parent(nearest.data);
        bool ends = strcmp(parent, nearest.data) == 0 || strcmp(parent, ".") == 0;
        free(nearest.data);
        nearest.data = parent;
        if (ends) break;
    }
    if (!file_is_folder(path)) bytes_append_text(&f->value, " (not there yet)");
    f->good = file_is_folder(nearest.data) && access(nearest.data, W_OK | X_OK) == 0;
    if (!f->good)
        bytes_printf(&f->help, "%s cannot be written to: give yourself the right to, or set another folder",
                     nearest.data);
}

static void folders_look(findings *all, settings *s)
{
    const folders *where = settings_borrow_folders(s);
    const char *models = settings_text(s, "models.dir");
    CLEANUP(ui_models_free) ui_model_list list = {0};

    folder_look(all, "settings", where->config);
    folder_look(all, "state", where->state);
    folder_look(all, "cache", where->cache);
    folder_look(all, "models folder", models);
    finding *f = add(all, "models");
    if (file_exists(models)) ui_models_scan(s, NULL, &list);
    f->good = list.count > 0;
    bytes_printf(&f->value, "%zu", list.count);
    if (!f->good)
        bytes_printf(
            &f->help,
            "put a model's folder (config.json, *.safetensors, tokenizer.json) into %s, or give its path",
            models);
}

static void settings_look(findings *all, const settings *s)
{
    finding *f = add(all, "settings file");

    err e = settings_check(s);
    bytes_printf(&f->value, "%s%s", settings_borrow_path(s),
                 file_exists(settings_borrow_path(s)) ? "" : " (not there)");
    f->good = !e.code && !settings_warning_count(s);
    if (e.code) bytes_printf(&f->help, "%s; ", e.text);
    for (size_t i = 0; i < settings_warning_count(s); i++)
        bytes_printf(&f->help, "%s; ", settings_borrow_warning(s, i));
    if (f->help.size) bytes_remove(&f->help, f->help.size - 2, 2);
}

/* -- the command --------------------------------------------------------------------------------------- */

static void print_json(const findings *all, const settings *s, FILE *out)
{
    cJSON *result = cJSON_CreateObject();

    cJSON_AddStringToObject(result, "version", HYPRSTREAM_VERSION);
    cJSON *list = cJSON_AddArrayToObject(result, "findings");
    for (size_t i = 0; i < all->count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", all->list[i].name);
        cJSON_AddBoolToObject(row, "good", all->list[i].good);
        ui_json_add_text(row, "value", bytes_borrow(&all->list[i].value));
        if (all->list[i].help.size) ui_json_add_text(row, "help", bytes_borrow(&all->list[i].help));
        cJSON_AddItemToArray(list, row);
    }
    cJSON_AddItemToObject(result, "worktree_drivers", doctor_worktrees_json(s));
    ui_json_print(result, out);
}

static void print_text(const findings *all, FILE *out)
{
    fprintf(out, "   %-14s %s\n", "hyprstream", HYPRSTREAM_VERSION);
    for (size_t i = 0; i < all->count; i++) {
        const finding *f = &all->list[i];
        fprintf(out, "%s %-14s %s\n", f->good ? "  " : "!!", f->name, bytes_text(&f->value));
        if (f->help.size) fprintf(out, "   %-14s %s\n", "", bytes_text(&f->help));
    }
}

static err doctor_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(findings_free) findings all = {0};
    size_t bad = 0;

    libtorch_look(&all);
    ranks_look(&all);
    terminal_look(&all);
    settings_look(&all, cli->settings);
    folders_look(&all, cli->settings);
    doctor_git_look(&all);
    if (!ui_arguments_has(a, "json")) doctor_worktrees_look(&all, cli->settings);
    if (ui_arguments_has(a, "json"))
        print_json(&all, cli->settings, cli->out);
    else
        print_text(&all, cli->out);
    for (size_t i = 0; i < all.count; i++) bad += !all.list[i].good;
    return bad ? err_make(ERR_STATE, "%zu of %zu things want attention", bad, all.count) : ERR_OK;
}

const ui_command ui_cmd_doctor = {
    .name = "doctor",
    .group = "program",
    .args = "",
    .help = "Look at libtorch, devices, terminal, folders, git and worktrees, and say what is missing",
    .options = {ui_options_all},
    .any_settings = true,
    .run = doctor_run,
};

/* ui/cmd/completion.c: the scripts that bind the Tab key to `hyprstream __complete`. */
#include <string.h>

#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"

/* Bash cuts words at ':' and '@' too: the line is cut anew at blanks, and what bash has before its own word
 * is taken off the candidates again. */
static const char bash_script[] =
    "_hyprstream() {\n"
    "    local words line=${COMP_LINE:0:COMP_POINT} reply word rest\n"
    "    read -r -a words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
    "    rest=${words[-1]}\n"
    "    local before=${rest%\"${COMP_WORDS[COMP_CWORD]}\"}\n"
    "    case ${COMP_WORDS[COMP_CWORD]} in : | @ | =) before=$rest ;; esac\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r word _; do\n"
    "        if [[ $word == :files ]]; then\n"
    "            compopt -o filenames\n"
    "            while IFS= read -r reply; do COMPREPLY+=(\"$reply\"); done < <(compgen -f -- \"$rest\")\n"
    "        else\n"
    "            COMPREPLY+=(\"${word#\"$before\"}\")\n"
    "        fi\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:+@] ]] && compopt -o nospace\n"
    "    return 0\n"
    "}\n"
    "complete -F _hyprstream hyprstream\n";

static const char zsh_script[] =
    "#compdef hyprstream\n"
    "_hyprstream() {\n"
    "    local line word what\n"
    "    local -a found described\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then _files; continue; fi\n"
    "        word=${line%%$'\\t'*} what=${line#*$'\\t'}\n"
    "        found+=(\"$word\") described+=(\"$word  $what\")\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    compadd -l -d described -a found\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _hyprstream ]; then _hyprstream; else compdef _hyprstream hyprstream; fi\n";

static const char fish_script[] = "function __hyprstream_complete\n"
                                  "    set -l words (commandline -opc) (commandline -ct)\n"
                                  "    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
                                  "        if test \"$line\" = :files\n"
                                  "            __fish_complete_path (commandline -ct)\n"
                                  "        else\n"
                                  "            echo $line\n"
                                  "        end\n"
                                  "    end\n"
                                  "end\n"
                                  "complete -c hyprstream -f -a '(__hyprstream_complete)'\n";

static const struct {
    const char *shell, *script;
} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

static err completion_run(ui_cli *cli, const ui_arguments *a)
{
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (strcmp(a->words[0], scripts[i].shell) != 0) continue;
        if (ui_arguments_has(a, "json")) {
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "shell", scripts[i].shell);
            cJSON_AddStringToObject(o, "script", scripts[i].script);
            ui_json_print(o, cli->out);
        } else {
            fputs(scripts[i].script, cli->out);
        }
        return ERR_OK;
    }
    return err_make(ERR_USAGE, "there is no completion for '%s': expected bash, zsh or fish", a->words[0]);
}

const ui_command ui_cmd_completion = {
    .name = "completion",
    .group = "program",
    .args = "bash|zsh|fish",
    .help = "Print what makes the shell's Tab key complete commands, models, refs and adapters",
    .words_min = 1,
    .words_max = 1,
    .options = {ui_options_all},
    .any_settings = true,
    .run = completion_run,
};

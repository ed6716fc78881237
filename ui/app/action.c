#include "ui/app/action.h"

#include <string.h>

#include "base/macros.h"

const ui_action ui_actions[] = {
    {"help", UI_ANYWHERE, "F1", "help", "Show all keys and commands"},
    {"palette", UI_ANYWHERE, "Ctrl-P", "palette", "Choose any action by its name"},
    {"quit", UI_ANYWHERE, "Ctrl-Q", "quit", "Leave the workstation"},
    {"next-pane", UI_ANYWHERE, "Tab", "next pane", "Go to the next pane"},
    {"previous-pane", UI_ANYWHERE, "Shift-Tab", NULL, "Go to the previous pane"},
    {"models", UI_ANYWHERE, "F2", "models", "Go to the models pane"},
    {"chat", UI_ANYWHERE, "F3", "chat", "Go to the chat pane"},
    {"log", UI_ANYWHERE, "F6", "log", "Go to the log pane"},
    {"move-up", UI_ANYWHERE, "Up", NULL, "Go to the row above"},
    {"move-down", UI_ANYWHERE, "Down", NULL, "Go to the row below"},
    {"page-up", UI_ANYWHERE, "PageUp", NULL, "Scroll one page up"},
    {"page-down", UI_ANYWHERE, "PageDown", NULL, "Scroll one page down"},
    {"stop", UI_ANYWHERE, "Ctrl-C", "stop", "Stop the answer that is being written, or the load"},
    {"redraw", UI_ANYWHERE, "Ctrl-L", NULL, "Draw the whole screen again"},
    {"suspend", UI_ANYWHERE, "Ctrl-Z", NULL, "Put the workstation in the background of the shell"},

    {"load", UI_MODELS, "Enter", "load", "Load the chosen model and chat with it"},
    {"load-ref", UI_MODELS, "b", "branch", "Load another branch, tag or commit of the chosen model"},
    {"cancel-load", UI_MODELS, "x", "cancel", "Cancel the load that is going on"},
    {"unload", UI_MODELS, "u", "unload", "Free the memory of the loaded model"},
    {"inspect", UI_MODELS, "i", "inspect", "Show what the chosen model is and the memory it needs"},
    {"adapters", UI_MODELS, "a", "adapters", "Turn adapters of the loaded model on or off"},
    {"rescan", UI_MODELS, "r", "rescan", "Read the models folder again"},
    {"filter", UI_MODELS, "/", "filter", "Show only models whose name holds a word"},
    {"close-models", UI_MODELS, "Esc", "back", "Close what is open here, then go back to the chat"},

    {"send", UI_INPUT, "Enter", "send", "Send the message"},
    {"newline", UI_INPUT, "Alt-Enter", "new line", "Begin a new line in the message"},
    {"history-previous", UI_INPUT, "Up", NULL, "Bring back the message sent before"},
    {"history-next", UI_INPUT, "Down", NULL, "Go forward in the messages sent before"},
    {"leave-input", UI_INPUT, "Esc", "keys", "Leave the input, so that letters are keys of the conversation"},

    {"write", UI_CHAT, "i", "write", "Go back to the input and write a message"},
    {"regenerate", UI_CHAT, "r", "regenerate", "Answer the last message again with a new seed"},
    {"continue", UI_CHAT, "c", "continue", "Let the model write on at the end of its answer"},
    {"edit", UI_CHAT, "e", "edit", "Edit the last message and send it again"},
    {"copy", UI_CHAT, "y", "copy", "Copy the last answer to the clipboard"},
    {"copy-code", UI_CHAT, "Y", NULL, "Copy the last code block to the clipboard"},
    {"mark-good", UI_CHAT, "+", "good", "Mark the last answer as good, to train with"},
    {"mark-bad", UI_CHAT, "-", NULL, "Mark the last answer as bad"},
    {"fold-thinking", UI_CHAT, "t", "thinking", "Fold or open the thinking of the model"},
    {"sampling", UI_CHAT, "s", "sampling", "Open the sampling panel: temperature, top_p, top_k, min_p, seed"},
    {"system", UI_CHAT, "p", NULL, "Write the system prompt of this conversation"},
    {"new-conversation", UI_CHAT, "n", "new", "Start a new conversation"},
    {"conversations", UI_CHAT, "o", "open", "Open a kept conversation"},
    {"scroll-up", UI_CHAT, "k", NULL, "Scroll one line up"},
    {"scroll-down", UI_CHAT, "j", NULL, "Scroll one line down"},
    {"scroll-top", UI_CHAT, "g", NULL, "Go to the beginning of the conversation"},
    {"scroll-end", UI_CHAT, "G", NULL, "Go to the end of the conversation"},

    {"open-conversation", UI_CONVERSATIONS, "Enter", "open", "Open the chosen conversation"},
    {"delete-conversation", UI_CONVERSATIONS, "d", "delete",
     "Delete the chosen conversation, after a question"},
    {"close-conversations", UI_CONVERSATIONS, "Esc", "back", "Go back to the chat"},

    {"raise", UI_SAMPLING, "Right", "raise", "Raise the chosen value"},
    {"lower", UI_SAMPLING, "Left", "lower", "Lower the chosen value"},
    {"type-value", UI_SAMPLING, "Enter", "type", "Type the chosen value"},
    {"reset-sampling", UI_SAMPLING, "0", "reset", "Set all values back to the model's own"},
    {"close-sampling", UI_SAMPLING, "Esc", "back", "Close the sampling panel"},

    {"toggle-adapter", UI_ADAPTERS, "Space", "on/off", "Turn the chosen adapter on or off"},
    {"raise-scale", UI_ADAPTERS, "Right", "raise", "Raise the scale of the chosen adapter"},
    {"lower-scale", UI_ADAPTERS, "Left", "lower", "Lower the scale of the chosen adapter"},
    {"type-scale", UI_ADAPTERS, "Enter", "type", "Type the scale of the chosen adapter"},
    {"close-adapters", UI_ADAPTERS, "Esc", "back", "Close the list of adapters"},

    {"close-log", UI_LOG, "Esc", "back", "Go back to the chat"},
    {"close-help", UI_HELP, "Esc", "back", "Close the help"},
    {"run-chosen", UI_PALETTE, "Enter", "do it", "Do the chosen action"},
    {"close-palette", UI_PALETTE, "Esc", "back", "Close the palette"},
    {"accept", UI_PROMPT, "Enter", "accept", "Take what was typed"},
    {"dismiss", UI_PROMPT, "Esc", "leave", "Leave it as it was"},
    {"yes", UI_QUESTION, "y", "yes", "Do it"},
    {"no", UI_QUESTION, "Esc", "no", "Leave it as it is"},
    {0},
};

static const char *const place_names[UI_PLACE_COUNT] = {
    [UI_ANYWHERE] = "anywhere",
    [UI_MODELS] = "models",
    [UI_INPUT] = "chat input",
    [UI_CHAT] = "conversation",
    [UI_CONVERSATIONS] = "conversations",
    [UI_SAMPLING] = "sampling",
    [UI_LOG] = "log",
    [UI_ADAPTERS] = "adapters",
    [UI_HELP] = "help",
    [UI_PALETTE] = "palette",
    [UI_PROMPT] = "prompt",
    [UI_QUESTION] = "question",
};

const char *ui_place_name(ui_place place) { return place_names[place]; }

const ui_action *ui_action_find(const char *name)
{
    for (const ui_action *a = ui_actions; a->name; a++)
        if (strcmp(a->name, name) == 0) return a;
    return NULL;
}

static const ui_action *key_in_place(ui_place place, const char *key)
{
    for (const ui_action *a = ui_actions; a->name; a++)
        if (a->place == place && a->key[0] && strcmp(a->key, key) == 0) return a;
    return NULL;
}

bool ui_place_is_text(ui_place place)
{
    return place == UI_INPUT || place == UI_PALETTE || place == UI_PROMPT;
}

/* Second keys, where letters are not text. */
static const struct {
    const char *key, *as;
} aliases[] = {{"?", "F1"}, {":", "Ctrl-P"}, {"k", "Up"}, {"j", "Down"}, {"q", "Esc"}, {" ", "Space"}};

const ui_action *ui_action_for_key(ui_place place, const char *key)
{
    const ui_action *found = key_in_place(place, key);
    if (!found) found = key_in_place(UI_ANYWHERE, key);
    for (size_t i = 0; !found && i < COUNT_OF(aliases) && !ui_place_is_text(place); i++)
        if (strcmp(aliases[i].key, key) == 0) return ui_action_for_key(place, aliases[i].as);
    return found;
}

cJSON *ui_actions_json(void)
{
    cJSON *list = cJSON_CreateArray();
    for (const ui_action *a = ui_actions; a->name; a++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", a->name);
        cJSON_AddStringToObject(row, "place", ui_place_name(a->place));
        cJSON_AddStringToObject(row, "key", a->key);
        cJSON_AddStringToObject(row, "help", a->help);
        cJSON_AddItemToArray(list, row);
    }
    return list;
}

#include "ui/term/style.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NONE                                                                                                 \
    {                                                                                                        \
        UI_COLOR_DEFAULT, UI_COLOR_DEFAULT                                                                   \
    }
#define FRONT(color)                                                                                         \
    {                                                                                                        \
        (color), UI_COLOR_DEFAULT                                                                            \
    }

enum { BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE, BRIGHT = 8 };

/* In 8 and 16 colours only the terminal's own palette is named, which people have made readable on their
 * background; no white on default, no blue text on black. The 256 and all-colour rows keep a contrast of 4.5
 * on black, and their middle tones hold on white. */
const ui_style_row ui_styles[UI_STYLE_COUNT] = {
    [UI_STYLE_TEXT] = {"text", 0, 0, NONE, NONE, NONE, NONE},
    [UI_STYLE_TITLE] = {"title", UI_BOLD, UI_BOLD, NONE, NONE, NONE, NONE},
    [UI_STYLE_BORDER] = {"border", UI_FAINT, 0, FRONT(CYAN), FRONT(BRIGHT), FRONT(243), FRONT(0x767676)},
    [UI_STYLE_BORDER_FOCUSED] = {"border-focused", UI_BOLD, UI_BOLD, FRONT(CYAN), FRONT(BRIGHT + CYAN),
                                 FRONT(38), FRONT(0x00A5C8)},
    [UI_STYLE_DIM] = {"dim", UI_FAINT, 0, FRONT(CYAN), FRONT(BRIGHT), FRONT(244), FRONT(0x808080)},
    [UI_STYLE_ERROR] = {"error", UI_BOLD, UI_BOLD, FRONT(RED), FRONT(BRIGHT + RED), FRONT(203),
                        FRONT(0xF0524F)},
    [UI_STYLE_OK] = {"ok", 0, 0, FRONT(GREEN), FRONT(GREEN), FRONT(71), FRONT(0x4E9A4E)},
    [UI_STYLE_WARN] = {"warn", UI_BOLD, 0, FRONT(YELLOW), FRONT(YELLOW), FRONT(172), FRONT(0xC88200)},
    [UI_STYLE_USER] = {"user", UI_BOLD, UI_BOLD, FRONT(GREEN), FRONT(GREEN), FRONT(71), FRONT(0x4E9A4E)},
    [UI_STYLE_ASSISTANT] = {"assistant", UI_BOLD, UI_BOLD, FRONT(CYAN), FRONT(CYAN), FRONT(38),
                            FRONT(0x00A5C8)},
    [UI_STYLE_THINKING] = {"thinking", UI_FAINT, UI_ITALIC, FRONT(CYAN), FRONT(BRIGHT), FRONT(244),
                           FRONT(0x808080)},
    [UI_STYLE_HEADING] = {"heading", UI_BOLD, UI_BOLD, FRONT(CYAN), FRONT(CYAN), FRONT(38), FRONT(0x00A5C8)},
    [UI_STYLE_STRONG] = {"strong", UI_BOLD, UI_BOLD, NONE, NONE, NONE, NONE},
    [UI_STYLE_EMPHASIS] = {"emphasis", UI_ITALIC, UI_ITALIC, NONE, NONE, NONE, NONE},
    [UI_STYLE_STRONG_EMPHASIS] = {"strong-emphasis", UI_BOLD | UI_ITALIC, UI_BOLD | UI_ITALIC, NONE, NONE,
                                  NONE, NONE},
    [UI_STYLE_STRUCK] = {"struck", UI_FAINT, UI_FAINT, NONE, NONE, NONE, NONE},
    [UI_STYLE_CODE] = {"code", 0, 0, FRONT(YELLOW), FRONT(YELLOW), FRONT(172), FRONT(0xC88200)},
    [UI_STYLE_CODE_LABEL] = {"code-label", UI_FAINT, 0, FRONT(CYAN), FRONT(BRIGHT), FRONT(243),
                             FRONT(0x767676)},
    [UI_STYLE_LINK] = {"link", UI_UNDERLINE, UI_UNDERLINE, FRONT(CYAN), FRONT(CYAN), FRONT(38),
                       FRONT(0x00A5C8)},
    [UI_STYLE_QUOTE] = {"quote", UI_FAINT, UI_ITALIC, FRONT(GREEN), FRONT(GREEN), FRONT(71), FRONT(0x4E9A4E)},
    [UI_STYLE_BULLET] = {"bullet", UI_BOLD, UI_BOLD, FRONT(CYAN), FRONT(CYAN), FRONT(38), FRONT(0x00A5C8)},
    [UI_STYLE_SELECTED] =
        {"selected", UI_REVERSE, 0, {BLACK, CYAN}, {BLACK, CYAN}, {255, 24}, {0xEEEEEE, 0x005F87}},
    [UI_STYLE_SELECTED_DIM] =
        {"selected-dim", UI_UNDERLINE, UI_BOLD, NONE, NONE, {255, 240}, {0xEEEEEE, 0x585858}},
    [UI_STYLE_KEY] = {"key", UI_BOLD, UI_BOLD, FRONT(CYAN), FRONT(CYAN), FRONT(38), FRONT(0x00A5C8)},
    [UI_STYLE_STATUS] =
        {"status", UI_REVERSE, 0, {BLACK, WHITE}, {BLACK, WHITE}, {252, 236}, {0xD0D0D0, 0x303030}},
    [UI_STYLE_GAUGE] = {"gauge", 0, 0, FRONT(CYAN), FRONT(CYAN), FRONT(38), FRONT(0x00A5C8)},
    [UI_STYLE_GAUGE_EMPTY] = {"gauge-empty", UI_FAINT, 0, FRONT(CYAN), FRONT(BRIGHT), FRONT(240),
                              FRONT(0x585858)},
};

static bool is_set(const char *value) { return value && *value; }

ui_colors ui_colors_choose(const char *setting, const char *no_color, const char *colorterm,
                           int terminal_colors)
{
    static const struct {
        const char *setting;
        ui_colors colors;
    } named[] = {{"never", UI_COLORS_NONE},
                 {"8", UI_COLORS_8},
                 {"16", UI_COLORS_16},
                 {"256", UI_COLORS_256},
                 {"true", UI_COLORS_ALL}};
    for (size_t i = 0; setting && i < sizeof named / sizeof *named; i++)
        if (strcmp(setting, named[i].setting) == 0) return named[i].colors;

    if (is_set(no_color) || terminal_colors < 8) return UI_COLORS_NONE;
    if (is_set(colorterm) && (strcmp(colorterm, "truecolor") == 0 || strcmp(colorterm, "24bit") == 0))
        return UI_COLORS_ALL;
    return terminal_colors >= 256 ? UI_COLORS_256 : terminal_colors >= 16 ? UI_COLORS_16 : UI_COLORS_8;
}

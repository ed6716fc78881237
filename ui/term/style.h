/* ui/term/style.h: what things look like, by what they mean.
 *
 * One row for each meaning: colours for 8, 16, 256 and all colours, and attributes that also carry the
 * meaning where there is no colour. Views name a style, never a colour. */
#ifndef UI_TERM_STYLE_H
#define UI_TERM_STYLE_H

#include <stdint.h>

typedef enum ui_style {
    UI_STYLE_TEXT,
    UI_STYLE_TITLE, /* of a pane */
    UI_STYLE_BORDER,
    UI_STYLE_BORDER_FOCUSED,
    UI_STYLE_DIM, /* less important */
    UI_STYLE_ERROR,
    UI_STYLE_OK,
    UI_STYLE_WARN,
    UI_STYLE_USER, /* who is speaking in a conversation */
    UI_STYLE_ASSISTANT,
    UI_STYLE_THINKING,
    UI_STYLE_HEADING,
    UI_STYLE_STRONG,
    UI_STYLE_EMPHASIS,
    UI_STYLE_STRONG_EMPHASIS,
    UI_STYLE_STRUCK,
    UI_STYLE_CODE,
    UI_STYLE_CODE_LABEL, /* frame and language of a code block */
    UI_STYLE_LINK,
    UI_STYLE_QUOTE,
    UI_STYLE_BULLET,
    UI_STYLE_SELECTED,     /* the chosen row of the focused list */
    UI_STYLE_SELECTED_DIM, /* the chosen row of a list without focus */
    UI_STYLE_KEY,          /* a key in the bottom line */
    UI_STYLE_STATUS,       /* the bottom line */
    UI_STYLE_GAUGE,
    UI_STYLE_GAUGE_EMPTY,
    UI_STYLE_COUNT,
} ui_style;

typedef enum ui_attribute {
    UI_PLAIN = 0,
    UI_BOLD = 1,
    UI_FAINT = 2,
    UI_ITALIC = 4,
    UI_UNDERLINE = 8,
    UI_REVERSE = 16,
} ui_attribute;

enum { UI_COLOR_DEFAULT = -1 }; /* the terminal's own */

typedef struct ui_style_colors {
    int32_t front, back; /* a palette number, or 0xRRGGBB in the row for all colours */
} ui_style_colors;

typedef struct ui_style_row {
    const char *name;
    unsigned plain;   /* attributes when there is no colour */
    unsigned colored; /* attributes beside a colour */
    ui_style_colors of_8, of_16, of_256, of_all;
} ui_style_row;

extern const ui_style_row ui_styles[UI_STYLE_COUNT];

/* How many colours to use, from the setting ui.color, $NO_COLOR, $COLORTERM and what the terminal says
 * it has. */
typedef enum ui_colors { UI_COLORS_NONE, UI_COLORS_8, UI_COLORS_16, UI_COLORS_256, UI_COLORS_ALL } ui_colors;

/* setting: "auto", "never", "8", "16", "256", "true". A setting other than auto counts more than NO_COLOR
 * (any value but an empty one). no_color, colorterm: values of the variables, NULL when not set;
 * terminal_colors: of its terminfo description. */
ui_colors ui_colors_choose(const char *setting, const char *no_color, const char *colorterm,
                           int terminal_colors);

#endif

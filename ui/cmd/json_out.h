/* ui/cmd/json_out.h: printing one JSON value as a line. */
#ifndef UI_CMD_JSON_OUT_H
#define UI_CMD_JSON_OUT_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

/* Print and free. */
void ui_json_print(cJSON *value_taken, FILE *out);
/* Text that may hold invalid UTF-8 or a NUL: broken bytes become U+FFFD. */
void ui_json_add_text(cJSON *object, const char *key, bytes_view text);
void ui_json_push_text(cJSON *list, bytes_view text); /* likewise, at the end of an array */
/* An array of numbers. */
void ui_json_add_ids(cJSON *object, const char *key, const int32_t *ids, size_t count);
/* A number, or null when it is not finite. */
void ui_json_add_number(cJSON *object, const char *key, double value);
/* A count, or null when it is negative: not known. */
void ui_json_add_count(cJSON *object, const char *key, int count);

#endif

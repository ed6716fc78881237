#include "ui/cmd/json_out.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/text.h"

void ui_json_print(cJSON *value_taken, FILE *out)
{
    char *text = cJSON_PrintUnformatted(value_taken);

    cJSON_Delete(value_taken);
    if (!text) memory_exhausted(0);
    fprintf(out, "%s\n", text);
    cJSON_free(text);
}

static cJSON *text_json(bytes_view text)
{
    CLEANUP(bytes_free) bytes valid = {0};

    text_append_valid_utf8(&valid, text);
    return cJSON_CreateString(bytes_text(&valid));
}

void ui_json_add_text(cJSON *object, const char *key, bytes_view text)
{
    cJSON_AddItemToObject(object, key, text_json(text));
}

void ui_json_push_text(cJSON *list, bytes_view text) { cJSON_AddItemToArray(list, text_json(text)); }

void ui_json_add_ids(cJSON *object, const char *key, const int32_t *ids, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(object, key);

    for (size_t i = 0; i < count; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(ids[i]));
}

void ui_json_add_number(cJSON *object, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

void ui_json_add_count(cJSON *object, const char *key, int count)
{
    if (count < 0)
        cJSON_AddNullToObject(object, key);
    else
        cJSON_AddNumberToObject(object, key, count);
}

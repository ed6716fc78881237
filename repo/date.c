#define _GNU_SOURCE
#include "repo/date.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/macros.h"

enum { RAW_DIGITS_MIN = 9, DIGITS_MAX = 12, UNSET = -1 };

typedef struct reading {
    const char *at;
    int year, month, day, hour, minute, second; /* UNSET until seen */
    bool has_zone, is_raw;
    int offset; /* minutes */
    int64_t raw;
} reading;

static const char *const month_names[] = {"january",   "february", "march",    "april",
                                          "may",       "june",     "july",     "august",
                                          "september", "october",  "november", "december"};
static const char *const ignored_words[] = {"monday", "tuesday",  "wednesday", "thursday",
                                            "friday", "saturday", "sunday",    "t"};
static const char *const utc_words[] = {"z", "utc", "gmt"};

static int word_find(const char *word, size_t size, size_t size_min, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (size >= MIN_OF(size_min, strlen(names[i])) && size <= strlen(names[i]) &&
            strncasecmp(word, names[i], size) == 0)
            return (int)i;
    return -1;
}

static bool read_word(reading *r)
{
    const char *word = r->at;
    while (isalpha((unsigned char)*r->at)) r->at++;
    size_t size = (size_t)(r->at - word);
    int month = word_find(word, size, 3, month_names, COUNT_OF(month_names));

    if (month >= 0 && r->month == UNSET) {
        r->month = month + 1;
        return true;
    }
    if (word_find(word, size, 3, utc_words, COUNT_OF(utc_words)) >= 0 && !r->has_zone) {
        r->has_zone = true;
        return true;
    }
    return word_find(word, size, 3, ignored_words, COUNT_OF(ignored_words)) >= 0;
}

/* Digits, at least one; *count says how many there were. */
static bool read_number(reading *r, int64_t *out, int *count)
{
    *out = 0;
    for (*count = 0; isdigit((unsigned char)*r->at); r->at++) {
        if (++*count > DIGITS_MAX) return false;
        *out = *out * 10 + (*r->at - '0');
    }
    return *count > 0;
}

static bool read_small(reading *r, int *out)
{
    int64_t value = 0;
    int count = 0;
    if (!read_number(r, &value, &count) || count > 4) return false;
    *out = (int)value;
    return true;
}

static bool read_time(reading *r, int hour)
{
    if (r->hour != UNSET) return false;
    r->hour = hour;
    r->second = 0;
    r->at++;
    if (!read_small(r, &r->minute)) return false;
    if (*r->at == ':') {
        r->at++;
        if (!read_small(r, &r->second)) return false;
    }
    if (*r->at == '.' || *r->at == ',')
        for (r->at++; isdigit((unsigned char)*r->at);) r->at++;
    return true;
}

/* "2005-04-07", "2005.04.07", "04/07/2005", "07.04.2005": r->at is at the first separator. */
static bool read_date(reading *r, int first, bool first_is_year)
{
    char separator = *r->at++;
    int second = 0, third = 0;
    if (r->year != UNSET || r->day != UNSET || r->month != UNSET) return false;
    if (!read_small(r, &second) || *r->at != separator) return false;
    r->at++;
    if (!read_small(r, &third)) return false;
    r->year = first_is_year ? first : third;
    r->month = first_is_year || separator != '/' ? second : first;
    r->day = first_is_year ? third : separator == '/' ? second : first;
    return true;
}

static bool read_digits(reading *r)
{
    int64_t value = 0;
    int count = 0;

    if (!read_number(r, &value, &count)) return false;
    if (count >= RAW_DIGITS_MIN) {
        r->is_raw = true;
        r->raw = value;
        return true;
    }
    if (*r->at == ':' && count <= 2) return read_time(r, (int)value);
    if (*r->at && strchr("-/.", *r->at) && isdigit((unsigned char)r->at[1]) && count <= 4)
        return read_date(r, (int)value, count == 4);
    if (count == 4 && r->year == UNSET) {
        r->year = (int)value;
        return true;
    }
    if (count > 2 || r->day != UNSET) return false;
    r->day = (int)value;
    return true;
}

/* "+0200", "-07:00", "+02" */
static bool read_zone(reading *r)
{
    int sign = *r->at++ == '-' ? -1 : 1, count = 0;
    int64_t value = 0;
    int minutes = 0;

    if (r->has_zone || !read_number(r, &value, &count) || (count != 2 && count != 4)) return false;
    if (count == 4) {
        minutes = (int)(value % 100);
        value /= 100;
    } else if (*r->at == ':') {
        r->at++;
        if (!read_small(r, &minutes)) return false;
    }
    if (value > 14 || minutes > 59) return false;
    r->has_zone = true;
    r->offset = sign * ((int)value * 60 + minutes);
    return true;
}

static bool read_at(reading *r)
{
    int64_t value = 0;
    int count = 0;

    if (*r->at == '@') {
        r->at++;
        r->is_raw = true;
        if (!read_number(r, &value, &count)) return false;
        r->raw = value;
        return true;
    }
    return false;
}

static bool in_range(const reading *r)
{
    return r->year >= 1970 && r->year <= 9999 && r->month >= 1 && r->month <= 12 && r->day >= 1 &&
           r->day <= 31 && r->hour >= 0 && r->hour <= 24 && r->minute >= 0 && r->minute <= 59 &&
           r->second >= 0 && r->second <= 60;
}

static bool fields_to_time(reading *r, int64_t *seconds)
{
    if (!in_range(r)) return false;
    struct tm fields = {.tm_year = r->year - 1900,
                        .tm_mon = r->month - 1,
                        .tm_mday = r->day,
                        .tm_hour = r->hour,
                        .tm_min = r->minute,
                        .tm_sec = r->second,
                        .tm_isdst = -1};
    if (r->has_zone) {
        *seconds = (int64_t)timegm(&fields) - r->offset * 60;
        return true;
    }
    time_t local = mktime(&fields);
    if (local < 0) return false;
    localtime_r(&local, &fields);
    r->offset = (int)(fields.tm_gmtoff / 60);
    *seconds = local;
    return true;
}

static bool read_part(reading *r)
{
    char c = *r->at;
    if (isalpha((unsigned char)c)) return read_word(r);
    if (isdigit((unsigned char)c)) return read_digits(r);
    if (c == '@') return read_at(r);
    if ((c == '+' || c == '-') && (r->is_raw || r->hour != UNSET)) return read_zone(r);
    return false;
}

bool repo_date_parse(const char *text, int64_t *seconds, int *offset_minutes)
{
    reading r = {.at = text,
                 .year = UNSET,
                 .month = UNSET,
                 .day = UNSET,
                 .hour = UNSET,
                 .minute = UNSET,
                 .second = UNSET};

    for (;;) {
        r.at += strspn(r.at, " \t,");
        if (!*r.at) break;
        if (!read_part(&r)) return false;
    }
    if (r.is_raw) {
        *seconds = r.raw;
    } else if (!fields_to_time(&r, seconds)) {
        return false;
    }
    *offset_minutes = r.offset;
    return true;
}

/* Reads back what the benchmarks print with --csv, as bench/run.sh collects it:
 * each line is preceded by the number of its run,
 *
 *     run,"bench","path","device","driver","settings",unit,p50,...,max,samples,rate
 *
 * Lines of another form (the heading) are passed over. */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_P50, CSV_P90, CSV_P99, CSV_P999, CSV_MAX, CSV_QUANTILES };

typedef struct csv_line {
    int    run;
    char   bench[32], path[128], device[128], driver[128], settings[128], unit[8];
    double q[CSV_QUANTILES];
    double samples, rate;
} csv_line;

typedef struct csv_file {
    csv_line *lines;
    size_t    count, capacity;
} csv_file;

/* Takes one field from *at, quoted or not, and the comma behind it. */
static inline bool csv_field(const char **at, char *out, size_t size)
{
    const char *from = *at;
    const bool quoted = *from == '"';
    from += quoted;
    const char *end = strpbrk(from, quoted ? "\"" : ",\r\n");
    if (!end)
        end = from + strlen(from);
    if ((quoted && *end != '"') || (size_t)(end - from) >= size)
        return false;
    memcpy(out, from, (size_t)(end - from));
    out[end - from] = 0;
    end += quoted;
    *at = *end == ',' ? end + 1 : end;
    return true;
}

static inline bool csv_number(const char **at, double *out)
{
    char text[64], *end;
    if (!csv_field(at, text, sizeof text) || !text[0])
        return false;
    *out = strtod(text, &end);
    return *end == 0;
}

static inline bool csv_parse(const char *text, csv_line *l)
{
    double run;
    bool good = csv_number(&text, &run) && csv_field(&text, l->bench, sizeof l->bench) &&
                csv_field(&text, l->path, sizeof l->path) &&
                csv_field(&text, l->device, sizeof l->device) &&
                csv_field(&text, l->driver, sizeof l->driver) &&
                csv_field(&text, l->settings, sizeof l->settings) &&
                csv_field(&text, l->unit, sizeof l->unit);
    for (int i = 0; good && i < CSV_QUANTILES; i++)
        good = csv_number(&text, &l->q[i]);
    good = good && csv_number(&text, &l->samples) && csv_number(&text, &l->rate);
    l->run = good ? (int)run : 0;
    return good;
}

static inline bool csv_add(csv_file *f, const csv_line *l)
{
    if (f->count == f->capacity) {
        const size_t capacity = f->capacity ? 2 * f->capacity : 256;
        csv_line *lines = (csv_line *)realloc(f->lines, capacity * sizeof *lines);
        if (!lines)
            return false;
        f->lines = lines;
        f->capacity = capacity;
    }
    f->lines[f->count++] = *l;
    return true;
}

/* False when the file cannot be read, or memory is short. */
static inline bool csv_read(csv_file *f, const char *name)
{
    char text[1024];
    csv_line l;
    bool good = true;
    memset(f, 0, sizeof *f);
    FILE *file = fopen(name, "r");
    if (!file)
        return false;
    while (good && fgets(text, sizeof text, file))
        if (csv_parse(text, &l))
            good = csv_add(f, &l);
    fclose(file);
    return good;
}

/* The row that the next `count` measured over the runs: the worst of each. */
typedef struct csv_worst {
    const csv_line *first;
    int             runs;
    double          q[CSV_QUANTILES], best_p50, samples, rate;
} csv_worst;

static inline bool csv_same_row(const csv_line *a, const csv_line *b)
{
    return strcmp(a->bench, b->bench) == 0 && strcmp(a->path, b->path) == 0 &&
           strcmp(a->device, b->device) == 0;
}

/* Of the row that line `at` belongs to; count is 0 when an earlier line did. */
static inline csv_worst csv_worst_of(const csv_file *f, size_t at)
{
    csv_worst w;
    memset(&w, 0, sizeof w);
    for (size_t i = 0; i < at; i++)
        if (csv_same_row(&f->lines[i], &f->lines[at]))
            return w;
    for (size_t i = at; i < f->count; i++) {
        const csv_line *l = &f->lines[i];
        if (!csv_same_row(l, &f->lines[at]))
            continue;
        for (int q = 0; q < CSV_QUANTILES; q++)
            w.q[q] = l->q[q] > w.q[q] ? l->q[q] : w.q[q];
        w.best_p50 = !w.runs || l->q[CSV_P50] < w.best_p50 ? l->q[CSV_P50] : w.best_p50;
        w.rate = !w.runs || l->rate < w.rate ? l->rate : w.rate;
        w.samples += l->samples;
        w.first = &f->lines[at];
        w.runs++;
    }
    return w;
}

#endif

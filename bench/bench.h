/* What every benchmark shares: options, a clock, quantiles, and one way to
 * print them.
 *
 * A row is a path measured in samples of nanoseconds.  Rows are printed as a
 * table for people and, with --csv, as lines for machines (csv.h reads them):
 *
 *     bench,path,device,driver,settings,unit,p50,p90,p99,p999,max,samples,rate
 *
 * The first five are quoted; rate is in millions a second, 0 where it means
 * nothing.  A single value (a size, a count) is a row of one sample.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Drains what the host would combine with what is written next to it. */
static inline void bench_fence_stores(void)
{
#if defined(__SSE__)
    __builtin_ia32_sfence();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* --- options --------------------------------------------------------------- */

static inline bool bench_flag(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

static inline double bench_number(int argc, char **argv, const char *name, double fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return atof(argv[i + 1]);
    return fallback;
}

/* Ends the program when an option is not one of `usage`, such as
 * "[--csv] [--seconds N]". */
static inline void bench_usage(int argc, char **argv, const char *usage)
{
    for (int i = 1; i < argc; i++) {
        const char *found = strstr(usage, argv[i]);
        const size_t length = strlen(argv[i]);
        if (argv[i][0] != '-' || (found && (found[length] == ']' || found[length] == ' ')))
            continue;
        fprintf(stderr, "usage: %s %s\n", argv[0], usage);
        exit(2);
    }
}

/* --- rows ------------------------------------------------------------------ */

typedef struct bench_row {
    char    path[112];
    double *samples; /* ns */
    size_t  count, capacity;
    double  rate; /* a second; 0 = none */
} bench_row;

static inline bench_row bench_row_new(const char *path, size_t capacity)
{
    bench_row row;
    memset(&row, 0, sizeof row);
    snprintf(row.path, sizeof row.path, "%s", path);
    row.samples = (double *)malloc(capacity * sizeof(double));
    row.capacity = capacity;
    if (!row.samples) {
        fprintf(stderr, "no memory for %zu samples\n", capacity);
        exit(1);
    }
    return row;
}

static inline void bench_row_free(bench_row *row)
{
    free(row->samples);
    row->samples = NULL;
}

static inline void bench_add(bench_row *row, double ns)
{
    if (row->count < row->capacity)
        row->samples[row->count++] = ns;
}

static inline int bench_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted samples; q in 0..1. */
static inline double bench_quantile(const bench_row *row, double q)
{
    if (!row->count)
        return 0;
    const size_t at = (size_t)(q * (double)row->count);
    return row->samples[at < row->count ? at : row->count - 1];
}

/* --- printing -------------------------------------------------------------- */

typedef struct bench_output {
    const char *bench;
    const char *unit; /* "ns", "us", "ms" */
    char        device[128], driver[128], settings[128];
    bool        csv;
} bench_output;

/* Once per program, or once per device that it measures on. */
static inline void bench_heading(const bench_output *out)
{
    if (out->csv)
        return;
    printf("## %s\n\nDevice: %s. Driver: %s. Settings: %s.\n\n", out->bench, out->device,
           out->driver, out->settings);
    printf("| path | p50 %s | p90 | p99 | p99.9 | max | samples | M/s |\n", out->unit);
    printf("|---|---|---|---|---|---|---|---|\n");
}

/* Lines of the table that are no row. */
static inline void bench_note(const bench_output *out, const char *format, ...)
{
    va_list args;
    if (out->csv)
        return;
    va_start(args, format);
    printf("\n");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static inline double bench_scale(const char *unit)
{
    return strcmp(unit, "us") == 0 ? 1e3 : strcmp(unit, "ms") == 0 ? 1e6 : 1.0;
}

static inline void bench_line(const bench_output *out, const char *path, const char *unit,
                              const double quantiles[5], size_t samples, double rate)
{
    if (out->csv)
        printf("\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",%s", out->bench, path, out->device,
               out->driver, out->settings, unit);
    else
        printf("| %s%s%s ", path, strcmp(unit, out->unit) ? ", " : "",
               strcmp(unit, out->unit) ? unit : "");
    for (int i = 0; i < 5; i++)
        printf(out->csv ? ",%.3f" : "| %.2f ", quantiles[i]);
    printf(out->csv ? ",%zu,%.4f\n" : "| %zu | %.3f |\n", samples, rate / 1e6);
    fflush(stdout);
}

/* Sorts and prints one row; returns its median in nanoseconds. */
static inline double bench_print(const bench_output *out, bench_row *row)
{
    static const double q[5] = { 0.5, 0.9, 0.99, 0.999, 1.0 };
    double quantiles[5];
    qsort(row->samples, row->count, sizeof(double), bench_order);
    for (int i = 0; i < 5; i++)
        quantiles[i] = bench_quantile(row, q[i]) / bench_scale(out->unit);
    bench_line(out, row->path, out->unit, quantiles, row->count, row->rate);
    return bench_quantile(row, 0.5);
}

/* Prints a row for the last time. */
static inline double bench_finish(const bench_output *out, bench_row *row)
{
    const double median = bench_print(out, row);
    bench_row_free(row);
    return median;
}

static inline void bench_value(const bench_output *out, const char *path, const char *unit,
                               double value)
{
    const double all[5] = { value, value, value, value, value };
    bench_line(out, path, unit, all, 1, 0);
}

/* The processor's name, and how many of it there are. */
static inline void bench_cpu_name(char *text, size_t size)
{
    char line[256], name[100] = "CPU";
    unsigned count = 0;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        count++;
    }
    if (file)
        fclose(file);
    snprintf(text, size, "%u x %s", count ? count : 1, name);
}

/* A bench of the processor alone; its driver is the compiler. */
static inline bench_output bench_cpu(const char *bench, const char *unit, const char *settings,
                                     bool csv)
{
    bench_output out;
    memset(&out, 0, sizeof out);
    out.bench = bench;
    out.unit = unit;
    out.csv = csv;
    bench_cpu_name(out.device, sizeof out.device);
#if defined(__clang__)
    snprintf(out.driver, sizeof out.driver, "clang %s", __clang_version__);
#elif defined(__VERSION__)
    snprintf(out.driver, sizeof out.driver, "gcc %s", __VERSION__);
#endif
    snprintf(out.settings, sizeof out.settings, "%s", settings);
    return out;
}

#endif

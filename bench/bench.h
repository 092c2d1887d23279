/* What every benchmark shares: a clock, percentiles, and one way to print them.
 *
 * A row is a path measured in samples of nanoseconds.  Rows are printed as a
 * table for people and, with --csv, as lines for machines:
 *
 *     bench,path,device,p50,p90,p99,p999,max,samples
 */
#ifndef BENCH_H
#define BENCH_H

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

typedef struct bench_row {
    const char *path;
    uint64_t   *samples; /* ns */
    size_t      count, capacity;
} bench_row;

static inline bench_row bench_row_new(const char *path, size_t capacity)
{
    bench_row row = { path, (uint64_t *)malloc(capacity * sizeof(uint64_t)), 0, capacity };
    if (!row.samples) {
        fprintf(stderr, "no memory for %zu samples\n", capacity);
        exit(1);
    }
    return row;
}

static inline void bench_add(bench_row *row, uint64_t ns)
{
    if (row->count < row->capacity)
        row->samples[row->count++] = ns;
}

static int bench_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static inline void bench_sort(bench_row *row)
{
    qsort(row->samples, row->count, sizeof(uint64_t), bench_order);
}

/* Of sorted samples; q in 0..1. */
static inline double bench_quantile(const bench_row *row, double q)
{
    if (!row->count)
        return 0;
    size_t at = (size_t)(q * (double)row->count);
    return (double)row->samples[at < row->count ? at : row->count - 1];
}

typedef struct bench_output {
    const char *bench;
    const char *device;
    bool        csv;
} bench_output;

static inline bench_output bench_begin(const char *bench, const char *device, int argc, char **argv)
{
    bench_output out = { bench, device, false };
    for (int i = 1; i < argc; i++)
        out.csv = out.csv || strcmp(argv[i], "--csv") == 0;
    if (!out.csv) {
        printf("## %s on %s\n\n", bench, device);
        printf("| path | p50 us | p90 | p99 | p99.9 | max | samples |\n");
        printf("|---|---|---|---|---|---|---|\n");
    }
    return out;
}

/* Sorts and prints one row; returns its median in nanoseconds. */
static inline double bench_print(const bench_output *out, bench_row *row)
{
    bench_sort(row);
    double q[5] = { 0.5, 0.9, 0.99, 0.999, 1.0 };
    if (out->csv)
        printf("\"%s\",\"%s\",\"%s\"", out->bench, row->path, out->device);
    else
        printf("| %s ", row->path);
    for (int i = 0; i < 5; i++)
        printf(out->csv ? ",%.3f" : "| %.2f ", bench_quantile(row, q[i]) / 1000.0);
    printf(out->csv ? ",%zu\n" : "| %zu |\n", row->count);
    fflush(stdout);
    return bench_quantile(row, 0.5);
}

#endif

/* report: tables and goals from what bench/run.sh collected
 *
 *     bench/report FILE.csv > bench.md
 *
 * Every row shows the worst of the runs: the largest of each quantile, the
 * smallest rate; "best p50" is the other end of the spread.  Goals are judged
 * run by run, ratios within one run, and reported by the worst.
 */
#define _GNU_SOURCE
#include "csv.h"

/* --- tables ----------------------------------------------------------------- */

static void print_heading(const csv_line *l)
{
    printf("\n## %s\n\nDevice: %s. Driver: %s. Settings: %s.\n\n", l->bench, l->device, l->driver,
           l->settings);
    printf("| path | unit | p50 | best p50 | p90 | p99 | p99.9 | max | samples | M/s |\n");
    printf("|---|---|---|---|---|---|---|---|---|---|\n");
}

static void print_row(const csv_worst *w)
{
    printf("| %s | %s ", w->first->path, w->first->unit);
    printf("| %.2f | %.2f ", w->q[CSV_P50], w->best_p50);
    for (int q = CSV_P90; w->samples > w->runs && q < CSV_QUANTILES; q++)
        printf("| %.2f ", w->q[q]);
    if (w->samples <= w->runs)
        printf("| | | | ");
    printf("| %.0f |", w->samples);
    if (w->rate > 0)
        printf(" %.3f", w->rate);
    printf(" |\n");
}

static void print_tables(const csv_file *f)
{
    const csv_line *last = NULL;
    for (size_t i = 0; i < f->count; i++) {
        const csv_worst w = csv_worst_of(f, i);
        if (!w.runs)
            continue;
        if (!last || strcmp(last->bench, w.first->bench) != 0 ||
            strcmp(last->device, w.first->device) != 0 ||
            strcmp(last->settings, w.first->settings) != 0)
            print_heading(w.first);
        print_row(&w);
        last = w.first;
    }
}

/* --- goals ------------------------------------------------------------------ */

typedef enum goal_kind {
    P50_AT_MOST, P99_AT_MOST, RATE_AT_LEAST,
    FASTER, /* the other row's p50 over this row's, at least */
    WITHIN  /* this row's p50 over the other's, at most */
} goal_kind;

typedef struct goal {
    const char *device; /* part of its name */
    const char *text;
    goal_kind   kind;
    double      limit;
    const char *bench, *row, *other; /* how the paths begin */
} goal;

#define OURS      "vyre.h persistent (vulkan), 1 in flight"
#define DRAIN_NOP "NOP, 1048576 slots, 131072 lanes"
#define DRAIN_ADD "ATOMIC_ADD, 1048576 slots, 131072 lanes"

static const goal goals[] = {
    { "llvmpipe", "round trip against submit + fence", FASTER, 150, "roundtrip", OURS,
      "submit + wait for fence" },
    { "llvmpipe", "round trip against the bare echo", WITHIN, 1.5, "roundtrip", OURS,
      "bare echo, mirrored" },
    { "llvmpipe", "drain of NOP against GLSL by hand", FASTER, 0.8, "drain", "vyre.h, " DRAIN_NOP,
      "GLSL by hand, " DRAIN_NOP },
    { "llvmpipe", "drain of ATOMIC_ADD against GLSL by hand", FASTER, 0.8, "drain",
      "vyre.h, " DRAIN_ADD, "GLSL by hand, " DRAIN_ADD },
    { "NVIDIA", "round trip, p50 us", P50_AT_MOST, 2.5, "roundtrip", OURS, NULL },
    { "NVIDIA", "round trip, p99 us", P99_AT_MOST, 4, "roundtrip", OURS, NULL },
    { "NVIDIA", "round trip against submit + fence", FASTER, 12, "roundtrip", OURS,
      "submit + wait for fence" },
    { "NVIDIA", "round trip against CUDA launch", FASTER, 5.5, "roundtrip", OURS,
      "CUDA launch + synchronize" },
    { "NVIDIA", "round trip against CUDA persistent", FASTER, 2.8, "roundtrip", OURS,
      "CUDA persistent, pinned memory, 32 lanes" },
    { "NVIDIA", "round trip against the bare echo", WITHIN, 1.5, "roundtrip", OURS,
      "bare echo, mirrored" },
    { "NVIDIA", "drain of NOP, M slots/s", RATE_AT_LEAST, 9000, "drain", "vyre.h, " DRAIN_NOP,
      NULL },
    { "NVIDIA", "drain of ATOMIC_ADD, M slots/s", RATE_AT_LEAST, 9000, "drain",
      "vyre.h, " DRAIN_ADD, NULL },
    { "NVIDIA", "drain of NOP against GLSL by hand", FASTER, 0.9, "drain", "vyre.h, " DRAIN_NOP,
      "GLSL by hand, " DRAIN_NOP },
    { "NVIDIA", "drain of ATOMIC_ADD against GLSL by hand", FASTER, 0.9, "drain",
      "vyre.h, " DRAIN_ADD, "GLSL by hand, " DRAIN_ADD },
    { "NVIDIA", "drain of ATOMIC_ADD against CUDA, plain", FASTER, 1, "drain",
      "vyre.h, " DRAIN_ADD, "CUDA plain, " DRAIN_ADD },
    { "NVIDIA", "drain of ATOMIC_ADD against CUDA, aggregated", FASTER, 1, "drain",
      "vyre.h, " DRAIN_ADD, "CUDA aggregated, " DRAIN_ADD },
    { "NVIDIA", "drain of NOP against CUDA, aggregated", FASTER, 1, "drain", "vyre.h, " DRAIN_NOP,
      "CUDA aggregated, " DRAIN_NOP },
    { "NVIDIA", "sustained, 64 in flight, M/s", RATE_AT_LEAST, 10, "sustained", "64 in flight",
      NULL },
    { "NVIDIA", "sustained, 64 in flight in batches, M/s", RATE_AT_LEAST, 10, "sustained",
      "64 in flight, batches of 32", NULL },
    { "NVIDIA", "publish, one producer, ns", P50_AT_MOST, 30, "publish",
      "Vulkan, device memory, one at a time, producers: 1", NULL },
    { "NVIDIA", "publish, one producer in batches, ns", P50_AT_MOST, 8, "publish",
      "Vulkan, device memory, batches of 64, producers: 1", NULL },
    { "NVIDIA", "publish, two producers, ns each", P50_AT_MOST, 30, "publish",
      "Vulkan, device memory, one at a time, producers: 2", NULL },
    { "NVIDIA", "publish, two threads without, ns each", P50_AT_MOST, 500, "publish",
      "Vulkan, device memory, one at a time, threads: 2", NULL },
    { "", "a runner's dispatch against submit + fence", WITHIN, 1.2, "runner", "runner, 64 words",
      "submit + wait for fence, 64 words" },
    { "", "emit the default kernel, us", P50_AT_MOST, 100, "emit", "program to words, vyre", NULL },
    { "", "emit against glslang", FASTER, 50, "emit", "program to words, vyre",
      "GLSL to words, glslang" },
    { "", "a handler's text of 40 lines, us", P50_AT_MOST, 50, "source", "text to program, vyre",
      NULL },
    { "", "a handler's text against glslang", FASTER, 50, "source", "text to program, vyre",
      "text to words, glslang" },
    { "", "declarations, compiler's ms", P50_AT_MOST, 50, "compile", "vyre.h, declarations", NULL },
    { "", "core at -O2, compiler's time by volk's", P50_AT_MOST, 10, "compile",
      "vyre.h, core -O2: against volk.h", NULL },
    { "", "all rooms at -O2, compiler's time by volk's", P50_AT_MOST, 20, "compile",
      "vyre.h, implementation -O2: against volk.h", NULL },
    { "", "core at -O2, text + data, KB", P50_AT_MOST, 300, "compile", "vyre.h, core -O2: code",
      NULL },
    { "", "all rooms at -O2, text + data, KB", P50_AT_MOST, 480, "compile",
      "vyre.h, implementation -O2: code", NULL }
};

/* The row of a run that begins so, the first of them. */
static const csv_line *find(const csv_file *f, const goal *g, int run, const char *path)
{
    for (size_t i = 0; path && i < f->count; i++) {
        const csv_line *l = &f->lines[i];
        if (l->run == run && strcmp(l->bench, g->bench) == 0 && strstr(l->device, g->device) &&
            strncmp(l->path, path, strlen(path)) == 0)
            return l;
    }
    return NULL;
}

/* False when the run did not measure it. */
static bool goal_value(const csv_file *f, const goal *g, int run, double *value)
{
    const csv_line *row = find(f, g, run, g->row), *other = find(f, g, run, g->other);
    if (!row || (g->other && !other) || row->q[CSV_P50] <= 0)
        return false;
    switch (g->kind) {
    case P50_AT_MOST:   *value = row->q[CSV_P50]; break;
    case P99_AT_MOST:   *value = row->q[CSV_P99]; break;
    case RATE_AT_LEAST: *value = row->rate; break;
    case FASTER:        *value = other->q[CSV_P50] / row->q[CSV_P50]; break;
    case WITHIN:        *value = row->q[CSV_P50] / other->q[CSV_P50]; break;
    }
    return true;
}

static void print_goal(const csv_file *f, const goal *g, int runs)
{
    const bool at_least = g->kind == RATE_AT_LEAST || g->kind == FASTER;
    double worst = 0;
    int measured = 0;
    char all[256] = "";
    for (int run = 1; run <= runs; run++) {
        double value = 0;
        if (!goal_value(f, g, run, &value))
            continue;
        const size_t length = strlen(all);
        snprintf(all + length, sizeof all - length, "%s%.2f", measured ? ", " : "", value);
        if (!measured++ || (at_least ? value < worst : value > worst))
            worst = value;
    }
    if (measured)
        printf("| %s | %s %g | %.2f | %s | %s |\n", g->text, at_least ? "at least" : "at most",
               g->limit, worst, all, (at_least ? worst >= g->limit : worst <= g->limit) ? "yes" : "no");
}

static void print_goals(const csv_file *f, int runs)
{
    printf("\n## Goals\n\n| goal | wanted | worst | each run | met |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof goals / sizeof goals[0]; i++)
        print_goal(f, &goals[i], runs);
}

int main(int argc, char **argv)
{
    csv_file f;
    int runs = 0;
    if (argc != 2 || !csv_read(&f, argv[1])) {
        fprintf(stderr, "usage: %s FILE.csv > FILE.md\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < f.count; i++)
        runs = f.lines[i].run > runs ? f.lines[i].run : runs;
    if (!runs) {
        fprintf(stderr, "report: %s holds no rows\n", argv[1]);
        return 1;
    }
    printf("# Benchmarks\n\nRuns: %d. Each figure is the worst of them: the largest of every "
           "quantile, the smallest rate.\n", runs);
    print_tables(&f);
    print_goals(&f, runs);
    free(f.lines);
    return 0;
}

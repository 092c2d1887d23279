/* report: tables and goals from what bench/run.sh collected
 *
 *     bench/report FILE.csv > bench.md
 *     bench/report --goals FILE.csv > goals.md
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
    P50_AT_MOST, P99_AT_MOST, P999_AT_MOST, P50_AT_LEAST, RATE_AT_LEAST,
    FASTER, /* the other row's p50 over this row's, at least */
    WITHIN  /* this row's p50 over the other's, at most */
} goal_kind;

typedef struct goal {
    const char *device; /* part of its name */
    const char *text;
    goal_kind   kind;
    double      limit;
    const char *bench, *row, *other; /* how the paths begin */
    const char *floor;               /* the row that says what can be had, or NULL */
} goal;

#define OURS      "vyre.h persistent (vulkan), 1 in flight"
#define OURS_CPU  "vyre.h persistent (cpu), 1 in flight"
#define SUBMIT    "submit + wait for fence"
#define ECHO      "bare echo, mirrored"
#define DRAIN_NOP "NOP, 1048576 slots, 131072 lanes"
#define DRAIN_ADD "ATOMIC_ADD, 1048576 slots, 131072 lanes"
#define SPIN      ", submit and spin on the fence"
#define PUBLISH   "Vulkan, device memory, "
#define LINES     "Vulkan, device memory, bare lines by turns with "

/* A wide work of so many floats against the plain dispatch and the CUDA graph. */
#define SAXPY(n)                                                                                   \
    { "NVIDIA", "saxpy of " n " floats against the dispatch", FASTER, 0.97, "wide",                \
      "saxpy of " n " floats, vyre.h", "saxpy of " n " floats" SPIN, NULL },                       \
    { "NVIDIA", "saxpy of " n " floats against the CUDA graph", FASTER, 0.94, "wide",              \
      "saxpy of " n " floats, vyre.h", "saxpy of " n " floats, CUDA graph", NULL }

static const goal goals[] = {
    { "NVIDIA", "round trip, p50 us", P50_AT_MOST, 2.4, "roundtrip", OURS, NULL, ECHO },
    { "NVIDIA", "round trip, p99 us", P99_AT_MOST, 3, "roundtrip", OURS, NULL, ECHO },
    { "NVIDIA", "round trip against submit + fence", FASTER, 18, "roundtrip", OURS, SUBMIT, NULL },
    { "NVIDIA", "round trip against CUDA launch", FASTER, 3.5, "roundtrip", OURS,
      "CUDA launch + synchronize", NULL },
    { "NVIDIA", "round trip against CUDA persistent", FASTER, 3.2, "roundtrip", OURS,
      "CUDA persistent, pinned memory, 32 lanes", NULL },
    { "llvmpipe", "round trip against submit + fence", FASTER, 150, "roundtrip", OURS, SUBMIT,
      NULL },
    { "", "round trip of the CPU backend against a pthread ring", WITHIN, 4, "roundtrip",
      OURS_CPU, "pthread ring, spinning worker, 1 in flight", NULL },
    { "NVIDIA", "round trip beside wide groups that wait", WITHIN, 1.05, "wide",
      "a lane's job beside groups that wait", "a lane's job, no wide handlers", NULL },
    { "NVIDIA", "round trip beside wide groups at work", WITHIN, 1.1, "wide",
      "a lane's job beside groups at work", "a lane's job, no wide handlers", NULL },
    { "NVIDIA", "wide work that does nothing, us", P50_AT_MOST, 4.6, "wide",
      "nothing, a chunk a group, vyre.h", NULL, "nothing, a chunk a group, CUDA graph" },
    { "NVIDIA", "wide work of 2^12 floats, us", P50_AT_MOST, 4.8, "wide",
      "saxpy of 2^12 floats, vyre.h", NULL, "saxpy of 2^12 floats, CUDA graph" },
    { "NVIDIA", "wide work of 2^18 floats, us", P50_AT_MOST, 6, "wide",
      "saxpy of 2^18 floats, vyre.h", NULL, "saxpy of 2^18 floats, CUDA graph" },
    { "NVIDIA", "wide work of 2^20 floats, us", P50_AT_MOST, 7, "wide",
      "saxpy of 2^20 floats, vyre.h", NULL, "saxpy of 2^20 floats, CUDA graph" },
    SAXPY("2^22"), SAXPY("2^24"), SAXPY("2^26"), SAXPY("2^28"),
    { "NVIDIA", "matmul of 2048 against the dispatch", FASTER, 0.95, "wide",
      "matmul of 2048, vyre.h", "matmul of 2048" SPIN, NULL },
    { "llvmpipe", "saxpy of 2^24 floats against the dispatch", FASTER, 0.95, "wide",
      "saxpy of 2^24 floats, vyre.h", "saxpy of 2^24 floats" SPIN, NULL },
    { "NVIDIA", "a dependent hop of lanes, us", P50_AT_MOST, 1.5, "order",
      "lanes: a hop by the device", NULL, "floor: a word from group to group" },
    { "NVIDIA", "a dependent hop of wide works, us", P50_AT_MOST, 3, "order",
      "wide: a hop by the device", NULL, "floor: a word from group to group" },
    { "NVIDIA", "spawn + join, M/s", RATE_AT_LEAST, 300, "order", "fib(", NULL, NULL },
    { "NVIDIA", "vyre_run of 2^16 works against publish_many + drain", WITHIN, 1.2, "runs",
      "vyre_run", "vyre_publish_many and vyre_drain", NULL },
    { "CPU", "a wide work by all threads, part of linear", P50_AT_LEAST, 0.9, "runs",
      "a wide work, 65536 indexes: part of linear", NULL,
      "plain C, 65536 indexes: part of linear" },
    { "CPU", "an urgent lane job beside an endless one, p99 us", P99_AT_MOST, 1000, "runs",
      "an urgent lane job beside an endless one", NULL, NULL },
    { "NVIDIA", "drain of NOP, M slots/s", RATE_AT_LEAST, 13000, "drain", "vyre.h, " DRAIN_NOP,
      NULL, NULL },
    { "NVIDIA", "drain of ATOMIC_ADD, M slots/s", RATE_AT_LEAST, 13000, "drain",
      "vyre.h, " DRAIN_ADD, NULL, NULL },
    { "", "drain of NOP against GLSL by hand", FASTER, 1, "drain", "vyre.h, " DRAIN_NOP,
      "GLSL by hand, " DRAIN_NOP, NULL },
    { "", "drain of ATOMIC_ADD against GLSL by hand", FASTER, 1, "drain", "vyre.h, " DRAIN_ADD,
      "GLSL by hand, " DRAIN_ADD, NULL },
    { "NVIDIA", "drain of ATOMIC_ADD against CUDA, plain", FASTER, 1, "drain",
      "vyre.h, " DRAIN_ADD, "CUDA plain, " DRAIN_ADD, NULL },
    { "NVIDIA", "drain of ATOMIC_ADD against CUDA, aggregated", FASTER, 1, "drain",
      "vyre.h, " DRAIN_ADD, "CUDA aggregated, " DRAIN_ADD, NULL },
    { "NVIDIA", "drain of NOP against CUDA, aggregated", FASTER, 1, "drain", "vyre.h, " DRAIN_NOP,
      "CUDA aggregated, " DRAIN_NOP, NULL },
    { "NVIDIA", "sustained, 64 in flight, M/s", RATE_AT_LEAST, 12, "sustained", "64 in flight",
      NULL, NULL },
    { "NVIDIA", "sustained, 64 in flight, p99.9 us", P999_AT_MOST, 60, "sustained", "64 in flight",
      NULL, NULL },
    { "NVIDIA", "publish, one producer, ns", P50_AT_MOST, 26, "publish",
      PUBLISH "one at a time, producers: 1", NULL, LINES "one at a time" },
    { "NVIDIA", "publish, one producer in batches, ns", P50_AT_MOST, 8, "publish",
      PUBLISH "batches of 64, producers: 1", NULL, LINES "batches of 64" },
    { "NVIDIA", "publish, two producers, ns each", P50_AT_MOST, 30, "publish",
      PUBLISH "one at a time, producers: 2", NULL, LINES "one at a time" },
    { "NVIDIA", "publish, two threads without a share, ns each", P50_AT_MOST, 500, "publish",
      PUBLISH "one at a time, threads: 2", NULL, NULL },
    { "", "a runner's dispatch against submit + fence", WITHIN, 1.2, "runner", "runner, 64 words",
      "submit + wait for fence, 64 words", NULL },
    { "", "emit the default kernel, us", P50_AT_MOST, 100, "emit", "program to words, vyre", NULL,
      NULL },
    { "", "emit against glslang", FASTER, 50, "emit", "program to words, vyre",
      "GLSL to words, glslang", NULL },
    { "", "a handler's text of 40 lines, us", P50_AT_MOST, 50, "source", "text to program, vyre",
      NULL, NULL },
    { "", "a handler's text against glslang", FASTER, 50, "source", "text to program, vyre",
      "text to words, glslang", NULL },
    { "", "declarations, compiler's ms", P50_AT_MOST, 50, "compile", "vyre.h, declarations", NULL,
      NULL },
    { "", "core at -O2, compiler's time by volk's", P50_AT_MOST, 10, "compile",
      "vyre.h, core -O2: against volk.h", NULL, NULL },
    { "", "all rooms at -O2, compiler's time by volk's", P50_AT_MOST, 20, "compile",
      "vyre.h, implementation -O2: against volk.h", NULL, NULL },
    { "", "core at -O2, text + data, KB", P50_AT_MOST, 300, "compile", "vyre.h, core -O2: code",
      NULL, NULL },
    { "", "all rooms at -O2, text + data, KB", P50_AT_MOST, 480, "compile",
      "vyre.h, implementation -O2: code", NULL, NULL }
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
    case P50_AT_LEAST:  *value = row->q[CSV_P50]; break;
    case P99_AT_MOST:   *value = row->q[CSV_P99]; break;
    case P999_AT_MOST:  *value = row->q[CSV_P999]; break;
    case RATE_AT_LEAST: *value = row->rate; break;
    case FASTER:        *value = other->q[CSV_P50] / row->q[CSV_P50]; break;
    case WITHIN:        *value = row->q[CSV_P50] / other->q[CSV_P50]; break;
    }
    return true;
}

/* The best that the floor was in any run. */
static void print_floor(const csv_file *f, const goal *g, int runs)
{
    double best = 0;
    for (int run = 1; run <= runs; run++) {
        const csv_line *l = find(f, g, run, g->floor);
        if (l && (best <= 0 || (g->kind == P50_AT_LEAST ? l->q[CSV_P50] > best
                                                        : l->q[CSV_P50] < best)))
            best = l->q[CSV_P50];
    }
    if (best > 0)
        printf("%s: %.2f", g->floor, best);
}

static bool is_at_least(goal_kind kind)
{
    return kind == RATE_AT_LEAST || kind == P50_AT_LEAST || kind == FASTER;
}

/* False when no run measured it. */
static bool print_goal(const csv_file *f, const goal *g, int runs)
{
    const bool at_least = is_at_least(g->kind);
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
    if (!measured)
        return false;
    printf("| %s | %s %g | %.2f | %s | %s | ", g->text, at_least ? "at least" : "at most",
           g->limit, worst, all, (at_least ? worst >= g->limit : worst <= g->limit) ? "yes" : "no");
    print_floor(f, g, runs);
    printf(" |\n");
    return true;
}

static void print_goals(const csv_file *f, int runs)
{
    int without = 0;
    printf("\n## Goals\n\nA floor is the best run's figure of what is beside it.\n\n"
           "| goal | wanted | worst | each run | met | floor |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof goals / sizeof goals[0]; i++)
        without += !print_goal(f, &goals[i], runs);
    printf("\n%d goals more are of other devices or of programs that did not run here.\n",
           without);
}

int main(int argc, char **argv)
{
    csv_file f;
    int runs = 0;
    const bool goals_only = argc == 3 && strcmp(argv[1], "--goals") == 0;
    const char *name = argv[argc - 1];
    if ((argc != 2 && !goals_only) || !csv_read(&f, name)) {
        fprintf(stderr, "usage: %s [--goals] FILE.csv > FILE.md\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < f.count; i++)
        runs = f.lines[i].run > runs ? f.lines[i].run : runs;
    if (!runs) {
        fprintf(stderr, "report: %s holds no rows\n", name);
        return 1;
    }
    printf("# %s\n\nRuns: %d, of some programs fewer. Each figure is the worst of them: the largest "
           "of every\nquantile, the smallest rate. The first row is of %s, %s.\n",
           goals_only ? "Goals" : "Benchmarks", runs, f.lines[0].device, f.lines[0].driver);
    if (!goals_only)
        print_tables(&f);
    print_goals(&f, runs);
    free(f.lines);
    return 0;
}

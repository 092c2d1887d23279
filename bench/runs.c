/* runs: many works at once, and the CPU backend's threads
 *
 *     bench/runs [--csv] [--quick] [--seconds N] [--cpu] [--works N] [--slots N]
 *
 * vyre_run() of 65,536 works beside vyre_publish_many() and vyre_drain(), by turns, on the
 * device that there is and on the CPU backend, in a ring with a slot for each; --cpu
 * leaves the device out.  Then the CPU backend alone: a wide work, a small one and a large
 * one, by one thread and by all, by turns with plain C that does the same in as many
 * threads, which wait awake; and a lane's job, as urgent as can be, beside one that does
 * not end.  All counts must be right.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>
#include <unistd.h>

#define OP_COUNT   0x1000u
#define OP_WIDE    0x1001u
#define OP_ENDLESS 0x1002u

enum { PART = 1024, TURNS = 64, MAX_SAMPLES = 100000 };

static const vyre_handler handlers[] = {
    { OP_COUNT, NULL, NULL, "count", VYRE_WIDTH_LANE, 0, "atomicAdd(sum[0], 1);", 0 },
    { OP_WIDE, NULL, NULL, "wide", VYRE_WIDTH_RANGE, 0,
      "uint x = index;\n"
      "for (uint i = 0; i < arg[2]; i++) x = x * 1664525 + 1013904223;\n"
      "if (x == arg[2] || index == 0u) atomicAdd(sum[0], 1);", 0 },
    { OP_ENDLESS, NULL, NULL, "endless", VYRE_WIDTH_LANE, 0,
      "while (atomicLoad(sum[1]) == 0u) { atomicAdd(sum[2], 1); }", 0 },
};
static const vyre_buffer_desc buffers[] = {
    { "sum", VYRE_BINDING_USER, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 4, false, 0, 0 },
};

static double     seconds = 1;
static uint32_t   work_count = 65536, slot_count = 65536, index_count;
static vyre_error err;

static void must(vyre_status status)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "runs: %s\n", status < 0 ? err.text : vyre_status_text(status));
    exit(1);
}

/* With the first so many handlers: one that is wide takes groups from the lanes. */
static vyre *open_handle(vyre_backend backend, uint32_t threads, uint32_t handler_count)
{
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.cpu_threads = threads;
    desc.kernel.slot_count = slot_count;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = handler_count;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "runs: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    return v;
}

static volatile uint32_t *words(vyre *v)
{
    return (volatile uint32_t *)vyre_map(v, 0, NULL);
}

static void describe(bench_output *out, vyre *v, const char *settings)
{
    vyre_info info;
    vyre_query(v, &info);
    snprintf(out->device, sizeof out->device, "%s", info.device);
    snprintf(out->driver, sizeof out->driver, "%.127s", info.driver);
    snprintf(out->settings, sizeof out->settings, "%s, %u slots, %g s a row", settings,
             (unsigned)info.slot_count, seconds);
    bench_heading(out);
}

/* --- vyre_run -------------------------------------------------------------- */

static void publish_all(vyre *v, const vyre_work *works)
{
    for (uint32_t done = 0; done < work_count;) {
        const uint32_t left = work_count - done;
        uint32_t published = 0;
        const vyre_status status =
            vyre_publish_many(v, works + done, left < PART ? left : PART, &published, NULL, &err);
        if (status < 0)
            must(status);
        done += published;
    }
    must(vyre_drain(v, 10000000000u, &err));
}

static void time_runs(vyre_backend backend, bench_output *out)
{
    vyre *v = open_handle(backend, 0, 1);
    vyre_work *works = (vyre_work *)calloc(work_count, sizeof *works);
    bench_row run = bench_row_new("vyre_run", MAX_SAMPLES);
    bench_row many = bench_row_new("vyre_publish_many and vyre_drain", MAX_SAMPLES);
    char settings[64];
    for (uint32_t i = 0; works && i < work_count; i++)
        works[i].opcode = OP_COUNT;
    snprintf(settings, sizeof settings, "%u works that count", (unsigned)work_count);
    describe(out, v, settings);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    uint32_t turns = 0;
    do {
        const uint64_t a = bench_now();
        must(vyre_run(v, works, work_count, NULL, &err));
        const uint64_t b = bench_now();
        publish_all(v, works);
        const uint64_t c = bench_now();
        bench_add(&run, (double)(b - a));
        bench_add(&many, (double)(c - b));
        turns += 2;
    } while (bench_now() < end || turns < 6);
    if (words(v)[0] != turns * work_count) {
        fprintf(stderr, "runs: %u works counted, not %u\n", (unsigned)words(v)[0],
                (unsigned)(turns * work_count));
        exit(1);
    }
    const double took = bench_finish(out, &run), other = bench_finish(out, &many);
    bench_value(out, "vyre_run by publish_many and drain", "times", took / other);
    free(works);
    vyre_close(v);
}

/* --- threads of the CPU backend --------------------------------------------- */

static double once(vyre *v)
{
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = OP_WIDE;
    work.arg_count = 3;
    work.args[1] = index_count;
    work.args[2] = TURNS;
    const uint64_t begin = bench_now();
    must(vyre_run(v, &work, 1, NULL, &err));
    return (double)(bench_now() - begin);
}

/* The part of the indexes that one of so many threads of plain C has. */
typedef struct part {
    pthread_t thread;
    uint32_t  first, end, sum, padding[11]; /* a line of its own */
} part;

enum { MAX_THREADS = 256 };

static uint32_t plain_ready, plain_begun, plain_left;

static void plain_run(part *p)
{
    uint32_t sum = 0;
    for (uint32_t index = p->first; index < p->end; index++) {
        uint32_t x = index;
        for (uint32_t i = 0; i < TURNS; i++)
            x = x * 1664525u + 1013904223u;
        sum += x;
    }
    p->sum = sum;
    __atomic_fetch_sub(&plain_left, 1, __ATOMIC_RELEASE);
}

static void *plain_main(void *user)
{
    __atomic_fetch_add(&plain_ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&plain_begun, __ATOMIC_ACQUIRE)) {}
    plain_run((part *)user);
    return NULL;
}

/* What counts is computing: the threads are there, and awake, when the clock starts. */
static double plain_once(uint32_t threads)
{
    static part parts[MAX_THREADS];
    plain_ready = plain_begun = 0;
    plain_left = threads;
    for (uint32_t t = 0; t < threads; t++) {
        parts[t].first = (uint32_t)((uint64_t)index_count * t / threads);
        parts[t].end = (uint32_t)((uint64_t)index_count * (t + 1) / threads);
        if (t && pthread_create(&parts[t].thread, NULL, plain_main, &parts[t]) != 0) {
            fprintf(stderr, "runs: no thread\n");
            exit(1);
        }
    }
    while (__atomic_load_n(&plain_ready, __ATOMIC_ACQUIRE) + 1 < threads) {}
    const uint64_t begin = bench_now();
    __atomic_store_n(&plain_begun, 1, __ATOMIC_RELEASE);
    plain_run(&parts[0]);
    while (__atomic_load_n(&plain_left, __ATOMIC_ACQUIRE)) {}
    const uint64_t end = bench_now();
    for (uint32_t t = 1; t < threads; t++)
        pthread_join(parts[t].thread, NULL);
    return (double)(end - begin);
}

/* By turns; the handler computes and touches next to no memory, so that processors are
 * what it needs. */
static void time_threads(bench_output *out, uint32_t cores)
{
    vyre *one = open_handle(VYRE_BACKEND_CPU, 1, 3), *all = open_handle(VYRE_BACKEND_CPU, cores, 3);
    bench_row rows[4];
    double parts[2];
    char path[96];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s, %u indexes, %u threads", i < 2 ? "a wide work" : "plain C",
                 (unsigned)index_count, i % 2 ? (unsigned)cores : 1u);
        rows[i] = bench_row_new(path, MAX_SAMPLES);
    }
    const uint64_t end = bench_now() + (uint64_t)(seconds * 4e9);
    do {
        bench_add(&rows[0], once(one));
        bench_add(&rows[1], once(all));
        bench_add(&rows[2], plain_once(1));
        bench_add(&rows[3], plain_once(cores));
    } while (bench_now() < end || rows[0].count < 3);
    for (int i = 0; i < 2; i++) {
        const double slow = bench_finish(out, &rows[2 * i]);
        parts[i] = slow / bench_finish(out, &rows[2 * i + 1]) / cores;
        snprintf(path, sizeof path, "%s, %u indexes: part of linear", i ? "plain C" : "a wide work",
                 (unsigned)index_count);
        bench_value(out, path, "times", parts[i]);
    }
    snprintf(path, sizeof path, "a wide work, %u indexes: part of linear by plain C's",
             (unsigned)index_count);
    bench_value(out, path, "times", parts[0] / parts[1]);
    vyre_close(one);
    vyre_close(all);
}

static void time_urgent(bench_output *out, uint32_t cores)
{
    vyre *v = open_handle(VYRE_BACKEND_CPU, cores < 2 ? 2 : cores, 3);
    bench_row row = bench_row_new("an urgent lane job beside an endless one", MAX_SAMPLES);
    vyre_ticket ticket, endless;
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = OP_ENDLESS;
    must(vyre_publish(v, &work, &endless, &err));
    while (words(v)[2] == 0)
        ;
    work.opcode = OP_COUNT;
    work.priority = VYRE_PRIORITY_CRITICAL;
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        const uint64_t begin = bench_now();
        must(vyre_publish(v, &work, &ticket, &err));
        must(vyre_wait(v, ticket, 10000000000u, &err));
        bench_add(&row, (double)(bench_now() - begin));
    } while (bench_now() < end);
    words(v)[1] = 1;
    must(vyre_wait(v, endless, 10000000000u, &err));
    bench_finish(out, &row);
    vyre_close(v);
}

int main(int argc, char **argv)
{
    bench_output out;
    memset(&out, 0, sizeof out);
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--cpu] [--works N] [--slots N]");
    out.bench = "runs";
    out.unit = "us";
    out.csv = bench_flag(argc, argv, "--csv");
    const bool quick = bench_flag(argc, argv, "--quick");
    seconds = bench_number(argc, argv, "--seconds", quick ? 0.02 : 1);
    work_count = (uint32_t)bench_number(argc, argv, "--works", quick ? 5120 : 65536);
    slot_count = (uint32_t)bench_number(argc, argv, "--slots", work_count);
    if (!bench_flag(argc, argv, "--cpu"))
        time_runs(VYRE_BACKEND_AUTO, &out);
    time_runs(VYRE_BACKEND_CPU, &out);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const uint32_t threads = cores < 1 ? 1 : cores > MAX_THREADS ? MAX_THREADS : (uint32_t)cores;
    index_count = 1 << 16; /* a millisecond, and less: waking threads counts */
    time_threads(&out, threads);
    index_count = quick ? 1 << 17 : 1 << 20;
    time_threads(&out, threads);
    time_urgent(&out, threads);
    return 0;
}

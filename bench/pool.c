/* pool: works on several handles from one thread
 *
 *     bench/pool [--csv] [--quick] [--seconds N] [--works N] [--slots N]
 *
 * vyre_run() on one handle, vyre_pool_run() with that one handle, and with two: two
 * devices where there are two, else two handles on one.  Works are lanes' jobs that do
 * nothing but count, lanes' jobs of about 20 us, and wide jobs of about 20 us; how long
 * theirs are is measured first.  POOL_DEVICES, such as "0,1", names the devices.  A
 * sample is the time of a run for each of its works.  All counts must be right.  Copies are
 * of memory that the devices have for themselves, the best of several.
 * Jobs of lanes go into rings of 64 slots: one thread cannot feed two full ones of 256.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#define OP_SPIN 0x1000u
#define OP_WIDE 0x1001u
#define JOB_NS  20000.0
#define INDEXES 65536u
#define BYTES   ((size_t)64 << 20)

/* A loop whose turns depend on each other, so that none can be left out. */
#define TURNS                                                                                      \
    "uint x = index;\n"                                                                            \
    "for (uint i = 0; i < arg[2]; i++) x = x * 1664525 + 1013904223;\n"                            \
    "if (x == arg[2]) sum[1] = x;\n"

static const vyre_handler handlers[] = {
    { OP_SPIN, NULL, NULL, "spin", VYRE_WIDTH_LANE, 0,
      "uint index = arg[0];\n" TURNS "atomicAdd(sum[0], 1);", 0 },
    { OP_WIDE, NULL, NULL, "wide", VYRE_WIDTH_RANGE, 0,
      TURNS "if (index == 0u) atomicAdd(sum[0], 1);", 0 },
};
static const vyre_buffer_desc buffers[] = {
    { "sum", VYRE_BINDING_USER, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 4, false, 0, 0 },
    { "bytes", VYRE_BINDING_USER + 1, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, BYTES / 4, false, 0,
      0 },
};
static const vyre_place places[2] = { VYRE_PLACE_SHARED, VYRE_PLACE_DEVICE };

static double   seconds = 1;
static uint32_t work_count = 20000, slot_count = 64;

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "pool: %s\n", status < 0 ? err->text : vyre_status_text(status));
    exit(1);
}

static vyre *open_handle(const char *device)
{
    vyre_error err;
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.device = device;
    desc.kernel.slot_count = slot_count;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 2;
    desc.buffer_places = places;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "pool: %s\n", err.text);
        exit(1);
    }
    return v;
}

typedef struct pool {
    vyre          *v[2];
    vyre_pool_desc desc;
    vyre_work     *works;
    uint32_t       count;
    uint64_t       ran; /* works so far */
} pool;

static void run(pool *p, uint32_t handles)
{
    vyre_error err;
    p->desc.handles = p->v;
    p->desc.count = handles;
    check(handles ? vyre_pool_run(&p->desc, p->works, p->count, NULL, &err)
                  : vyre_run(p->v[0], p->works, p->count, NULL, &err), &err);
    p->ran += p->count;
}

static uint32_t counted(const pool *p)
{
    return ((volatile uint32_t *)vyre_map(p->v[0], 0, NULL))[0] +
           ((volatile uint32_t *)vyre_map(p->v[1], 0, NULL))[0];
}

static void fill(pool *p, uint32_t opcode, uint32_t count, uint32_t turns)
{
    p->count = count;
    for (uint32_t i = 0; i < count; i++) {
        memset(&p->works[i], 0, sizeof p->works[i]);
        p->works[i].opcode = opcode;
        p->works[i].arg_count = 3;
        p->works[i].args[1] = INDEXES;
        p->works[i].args[2] = turns;
    }
}

/* Turns with which a work takes JOB_NS alone, there and back. */
static uint32_t turns_of_a_job(pool *p, uint32_t opcode)
{
    uint32_t turns = 1;
    for (;;) {
        double least = 1e18;
        fill(p, opcode, 1, turns);
        for (uint32_t i = 0; i < 20; i++) {
            const uint64_t begin = bench_now();
            run(p, 0);
            const double took = (double)(bench_now() - begin);
            least = took < least ? took : least;
        }
        if (least >= JOB_NS || turns >= 1u << 20)
            return turns;
        turns += turns / 2 + 1;
    }
}

/* Ways `from` up to `to` by turns, so that both see the same machine. */
static void sample(pool *p, bench_row *rows, uint32_t from, uint32_t to)
{
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9 * (to - from));
    run(p, from); /* it wakes the devices */
    do {
        for (uint32_t i = from; i < to; i++) {
            const uint64_t begin = bench_now();
            run(p, i);
            bench_add(&rows[i], (double)(bench_now() - begin) / p->count);
        }
    } while (bench_now() < end);
}

/* While one handle works, the other one has no kernel: it may be on the same device. */
static void measure(const bench_output *out, pool *p, const char *what)
{
    static const char *const ways[3] = { "vyre_run", "a pool of one handle", "a pool of two" };
    bench_row rows[3];
    vyre_error err;
    char path[112];
    double median[3];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s: %s", what, ways[i]);
        rows[i] = bench_row_new(path, 100000);
    }
    check(vyre_stop(p->v[1], VYRE_FOREVER, &err), &err);
    sample(p, rows, 0, 2);
    check(vyre_start(p->v[1], &err), &err);
    sample(p, rows, 2, 3);
    for (int i = 0; i < 3; i++) {
        qsort(rows[i].samples, rows[i].count, sizeof(double), bench_order);
        median[i] = bench_quantile(&rows[i], 0.5);
        rows[i].rate = 1e9 / median[i];
        bench_finish(out, &rows[i]);
    }
    snprintf(path, sizeof path, "%s: a pool of one against vyre_run", what);
    bench_value(out, path, "times", median[1] / median[0]);
    snprintf(path, sizeof path, "%s: two handles against one", what);
    bench_value(out, path, "times", median[1] / median[2]);
}

/* 64 MiB out of a device, into one, and from one to the other. */
static void measure_copies(const bench_output *out, pool *p)
{
    static const char *const ways[3] = { "64 MiB out of a device", "64 MiB into a device",
                                         "64 MiB from one handle to the other" };
    const vyre_span from = { p->v[0], 1, 0 }, to = { p->v[1], 1, 0 };
    vyre_error err;
    void *bytes = calloc(1, BYTES);
    for (int way = 0; way < 3 && bytes; way++) {
        double least = 1e18;
        const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
        do {
            const uint64_t begin = bench_now();
            check(way == 0   ? vyre_read(from.v, 1, 0, bytes, BYTES, &err)
                  : way == 1 ? vyre_write(to.v, 1, 0, bytes, BYTES, &err)
                             : vyre_copy(&from, &to, BYTES, &err), &err);
            const double took = (double)(bench_now() - begin);
            least = took < least ? took : least;
        } while (bench_now() < end);
        bench_value(out, ways[way], "MB/s", (double)BYTES * 1e3 / least);
    }
    free(bytes);
}

/* "0,1" in two; one device twice where there is no other. */
static void open_both(pool *p, char *settings, size_t size)
{
    static char names[64];
    vyre_info info[2];
    const char *given = getenv("POOL_DEVICES");
    snprintf(names, sizeof names, "%s", given ? given : "");
    char *second = strchr(names, ',');
    if (second)
        *second++ = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const char *name = i && second ? second : names;
        p->v[i] = open_handle(*name ? name : NULL);
        vyre_query(p->v[i], &info[i]);
    }
    snprintf(settings, size, "runs of %u works (wide: a hundredth), %u slots, handles on %s",
             work_count, slot_count, second ? given : "one device");
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--works N] [--slots N]");
    seconds = bench_number(argc, argv, "--seconds", 1);
    work_count = (uint32_t)bench_number(argc, argv, "--works", work_count);
    slot_count = (uint32_t)bench_number(argc, argv, "--slots", slot_count);
    if (bench_flag(argc, argv, "--quick")) {
        seconds = 0.01;
        work_count = 500;
    }
    if (work_count == 0 || work_count > 1u << 24) {
        fprintf(stderr, "pool: --works takes 1 to %u\n", 1u << 24);
        return 1;
    }
    pool p;
    vyre_info info;
    memset(&p, 0, sizeof p);
    p.works = (vyre_work *)malloc(work_count * sizeof *p.works);
    if (!p.works)
        return 1;
    bench_output out = bench_cpu("pool", "us", "", bench_flag(argc, argv, "--csv"));
    open_both(&p, out.settings, sizeof out.settings);
    vyre_query(p.v[0], &info);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    bench_heading(&out);
    fill(&p, OP_SPIN, work_count, 0);
    measure(&out, &p, "jobs that count");
    fill(&p, OP_SPIN, work_count, turns_of_a_job(&p, OP_SPIN));
    measure(&out, &p, "jobs of 20 us");
    const uint32_t turns = turns_of_a_job(&p, OP_WIDE);
    fill(&p, OP_WIDE, (work_count + 99) / 100, turns);
    measure(&out, &p, "wide jobs of 20 us");
    measure_copies(&out, &p);
    if (counted(&p) != (uint32_t)p.ran) {
        fprintf(stderr, "pool: %u works have run, not %u\n", counted(&p), (uint32_t)p.ran);
        return 1;
    }
    vyre_close(p.v[0]);
    vyre_close(p.v[1]);
    free(p.works);
    return 0;
}

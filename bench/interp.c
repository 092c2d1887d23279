/* interp: how fast the CPU backend's interpreter serves slots
 *
 *     bench/interp [--csv] [--quick] [--seconds N]
 *
 * One thread drains a ring of published ATOMIC_ADD slots with the once
 * kernel, optimized as the engine does it.  A sample is one whole ring, shown
 * as the time for 1000 slots.  The idle round is what the loop kernel spends
 * to look at every slot of an empty ring of 256: it bounds how long a job
 * waits for the CPU backend.  The last rows are what a start costs.
 */
#define _GNU_SOURCE
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#define SLOTS 16384u /* a megabyte: samples are short, so that the median is undisturbed */

static double seconds_each = 1.0;

static void check(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s\n%s\n", err->text, err->fix);
    exit(1);
}

/* The four core buffers and a copy of the ring as it was published. */
typedef struct arena {
    void    *buffers[4];
    size_t   sizes[4];
    void    *published;
    uint32_t slots;
} arena;

static arena arena_new(uint32_t slots, bool same_word)
{
    vyre_error err;
    arena a;
    vyre_control_desc control;
    memset(&control, 0, sizeof control);
    control.tenants = 1;
    control.observables = 1024;
    a.slots = slots;
    a.sizes[0] = vyre_control_size(control.observables);
    a.sizes[1] = vyre_ring_size(slots);
    a.sizes[2] = vyre_log_size(64);
    a.sizes[3] = vyre_io_size(64);
    for (int i = 0; i < 4; i++) {
        a.buffers[i] = calloc(1, a.sizes[i]);
        if (!a.buffers[i])
            exit(1);
    }
    check(vyre_control_encode(a.buffers[0], a.sizes[0], &control, &err), &err);
    check(vyre_ring_encode(a.buffers[1], a.sizes[1], slots, &err), &err);
    check(vyre_log_encode(a.buffers[2], a.sizes[2], 64, &err), &err);
    check(vyre_io_encode(a.buffers[3], a.sizes[3], 64, &err), &err);
    a.published = malloc(a.sizes[1]);
    memcpy(a.published, a.buffers[1], a.sizes[1]);
    for (uint32_t i = 0; i < slots; i++) {
        vyre_work work;
        memset(&work, 0, sizeof work);
        work.opcode = VYRE_OP_ATOMIC_ADD;
        work.arg_count = 2;
        work.args[0] = 1;
        work.args[1] = VYRE_CONTROL_OBSERVABLES + (same_word ? 0 : i % 1024);
        check(vyre_ring_publish(a.published, a.sizes[1], i, &work, &err), &err);
    }
    return a;
}

static void arena_free(arena *a)
{
    for (int i = 0; i < 4; i++)
        free(a->buffers[i]);
    free(a->published);
}

static vyi_machine *machine_new(const vyre_program *p, const arena *a)
{
    vyre_error err;
    vyre_interp_desc desc;
    vyi_machine *m;
    memset(&desc, 0, sizeof desc);
    desc.buffers = a->buffers;
    desc.sizes = a->sizes;
    desc.buffer_count = 4;
    check(vyi_machine_create(p, &desc, &m, &err), &err);
    return m;
}

static vyre_program *kernel_new(bool once, uint32_t lanes)
{
    vyre_error err;
    vyre_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.once = once;
    desc.slot_count = lanes;
    vyre_program *p = vyre_kernel_build(&desc, &err);
    if (!p)
        check(err.status, &err);
    return p;
}

static void drain(const bench_output *out, const char *path, uint32_t lanes, bool same_word)
{
    vyre_error err;
    arena a = arena_new(SLOTS, same_word);
    vyre_program *p = kernel_new(true, SLOTS);
    check(vyre_program_optimize(p, &err), &err);
    vyi_machine *m = machine_new(p, &a);
    bench_row row = bench_row_new(path, 100000);
    const uint32_t groups[3] = { lanes / 256, 1, 1 };
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    uint32_t rounds = 0, done = 0;
    do {
        memcpy(a.buffers[1], a.published, a.sizes[1]);
        const uint64_t start = bench_now();
        check(vyi_machine_run(m, groups, 0, &err), &err);
        bench_add(&row, (double)(bench_now() - start) * 1000 / SLOTS);
        rounds++;
    } while (bench_now() < end);
    check(vyre_control_done_count(a.buffers[0], a.sizes[0], &done, &err), &err);
    if (done != (uint32_t)(rounds * (uint64_t)SLOTS)) {
        fprintf(stderr, "%s: %u slots done, not %u\n", path, done, rounds * SLOTS);
        exit(1);
    }
    qsort(row.samples, row.count, sizeof(double), bench_order);
    row.rate = 1e12 / bench_quantile(&row, 0.5); /* slots: the row's time is of 1000 */
    (void)bench_finish(out, &row);
    vyi_machine_destroy(m);
    vyre_program_destroy(p);
    arena_free(&a);
}

/* Publishes one slot again before each round; the kernel has served it by then. */
static bool publish_one(void *user, uint64_t round)
{
    uint8_t *slot = (uint8_t *)user + 64 * (round * 37 % 256);
    vyi_store_release(slot, vyi_le32(VYRE_SLOT_PUBLISHED));
    return true;
}

static void rounds(const bench_output *out, const char *path, vyi_round_fn ask)
{
    enum { ROUNDS = 200 };
    vyre_error err;
    arena a = arena_new(256, true);
    vyre_program *p = kernel_new(false, 256);
    check(vyre_program_optimize(p, &err), &err);
    vyi_machine *m = machine_new(p, &a);
    bench_row row = bench_row_new(path, 100000);
    if (ask)
        memcpy(a.buffers[1], a.published, a.sizes[1]);
    vyi_machine_on_round(m, ask, a.buffers[1]);
    const uint32_t groups[3] = { 1, 1, 1 };
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    do {
        const uint64_t start = bench_now();
        check(vyi_machine_run(m, groups, ROUNDS, &err), &err);
        bench_add(&row, (double)(bench_now() - start) / ROUNDS);
    } while (bench_now() < end);
    (void)bench_finish(out, &row);
    vyi_machine_destroy(m);
    vyre_program_destroy(p);
    arena_free(&a);
}

/* From nothing to a machine that can run. */
static void build(const bench_output *out)
{
    vyre_error err;
    arena a = arena_new(256, true);
    bench_row made = bench_row_new("build and check the loop kernel", 100000);
    bench_row optimized = bench_row_new("optimize it", 100000);
    bench_row decoded = bench_row_new("decode it", 100000);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    do {
        const uint64_t t0 = bench_now();
        vyre_program *p = kernel_new(false, 256);
        const uint64_t t1 = bench_now();
        check(vyre_program_optimize(p, &err), &err);
        const uint64_t t2 = bench_now();
        vyi_machine *m = machine_new(p, &a);
        const uint64_t t3 = bench_now();
        bench_add(&made, (double)(t1 - t0));
        bench_add(&optimized, (double)(t2 - t1));
        bench_add(&decoded, (double)(t3 - t2));
        vyi_machine_destroy(m);
        vyre_program_destroy(p);
    } while (bench_now() < end);
    (void)bench_finish(out, &made);
    (void)bench_finish(out, &optimized);
    (void)bench_finish(out, &decoded);
    arena_free(&a);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds_each = bench_flag(argc, argv, "--quick") ? 0.01
                                                     : bench_number(argc, argv, "--seconds", 1.0);
    char settings[128];
    snprintf(settings, sizeof settings, "%g s a row, one thread, rings of %u slots", seconds_each,
             SLOTS);
    const bench_output out = bench_cpu("interp", "us", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    drain(&out, "1000 slots, a lane each", SLOTS, false);
    drain(&out, "1000 slots, all adding to one word", SLOTS, true);
    drain(&out, "1000 slots, an eighth of the lanes", SLOTS / 8, false);
    rounds(&out, "idle round, 256 slots", NULL);
    rounds(&out, "round with one job, 256 slots", publish_one);
    build(&out);
    return 0;
}

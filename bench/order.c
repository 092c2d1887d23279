/* order: what a job costs that waits for the one before
 *
 *     bench/order [--csv] [--quick] [--seconds N] [--hops N] [--fib N] [--queens N]
 *                 [--children N]
 *
 * Chains of 1,000 jobs, each after the one before: lanes' jobs, and wide ones of 256
 * indexes.  By the device: a chain that lies in the ring when the kernel starts, so that
 * the host has no part in it but the start; one that is published while the kernel runs; and a
 * graph.  By the host: it waits for each job before it publishes the next.  A sample
 * is the time of a chain for each of its jobs.  The jobs count; the count must be right.
 *
 * And what a job costs that another one has spawned and waits for: Fibonacci's numbers by
 * the recursion, with a then that adds, and the ways to place queens.  A sample is the time
 * of a tree for each of its jobs; the rate is of jobs.  What found the queue full was done
 * in its parent and is not counted.
 *
 * And what a job costs that yields and is claimed again: a sample is the time of a job that
 * yields 1,000 times, for each of its runs.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#define OP_WIDE   0x1000u
#define MOST_HOPS 65536u
#define FOREVER   60000000000ull

static const vyre_handler handlers[] = {
    { OP_WIDE, NULL, NULL, "wide", VYRE_WIDTH_RANGE, 0, "atomicAdd(sum[0], 1);", 0 },
};
static const vyre_buffer_desc buffers[] = {
    { "sum", VYRE_BINDING_USER, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 1, false, 0, 0 },
};
static const vyre_work lane_work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                     { 1, VYRE_CONTROL_OBSERVABLES } };
static const vyre_work wide_work = { OP_WIDE, 0, VYRE_PRIORITY_NORMAL, 2, { 0, 256 } };

static double   seconds = 1;
static uint32_t hops = 1000;

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "order: %s\n", status < 0 ? err->text : vyre_status_text(status));
    exit(1);
}

typedef struct order {
    vyre            *v;
    const vyre_work *work;
    vyre_graph      *graph;
    uint64_t         chains; /* so far */
} order;

static void publish_after(order *o, vyre_ticket *last, uint32_t count)
{
    vyre_error err;
    vyre_status status;
    while ((status = vyre_publish_after(o->v, o->work, last, count, last, &err)) == VYRE_FULL)
        continue;
    check(status, &err);
}

/* --- chains --------------------------------------------------------------------- */

static void chain_live(order *o)
{
    vyre_error err;
    vyre_ticket last = { 0, 0 };
    for (uint32_t i = 0; i < hops; i++)
        publish_after(o, &last, i > 0);
    check(vyre_wait(o->v, last, FOREVER, &err), &err);
}

static void chain_host(order *o)
{
    vyre_error err;
    for (uint32_t i = 0; i < hops; i++) {
        vyre_ticket t;
        check(vyre_publish(o->v, o->work, &t, &err), &err);
        check(vyre_wait(o->v, t, FOREVER, &err), &err);
    }
}

static void chain_graph(order *o)
{
    vyre_error err;
    check(vyre_graph_publish(o->graph, NULL, &err), &err);
    check(vyre_graph_wait(o->graph, FOREVER, NULL, &err), &err);
}

/* The kernel starts when all is in the ring; the start is part of the time. */
static uint64_t chain_resting(order *o)
{
    vyre_error err;
    vyre_ticket last = { 0, 0 };
    check(vyre_stop(o->v, FOREVER, &err), &err);
    for (uint32_t i = 0; i < hops; i++)
        publish_after(o, &last, i > 0);
    const uint64_t begin = bench_now();
    check(vyre_start(o->v, &err), &err);
    check(vyre_wait(o->v, last, FOREVER, &err), &err);
    return bench_now() - begin;
}

static void measure(const bench_output *out, order *o, const char *path, void (*chain)(order *o))
{
    bench_row row = bench_row_new(path, 100000);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        const uint64_t begin = bench_now();
        uint64_t took = 0;
        if (chain)
            chain(o);
        else
            took = chain_resting(o);
        took = took ? took : bench_now() - begin;
        bench_add(&row, (double)took / hops);
        o->chains++;
    } while (bench_now() < end);
    bench_finish(out, &row);
}

/* --- devices ---------------------------------------------------------------------- */

static vyre *open_handle(bool wide)
{
    vyre_error err;
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.events = 1;
    desc.kernel.slot_count = (hops + 255) / 256 * 256;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = wide;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "order: %s\n", err.text);
        exit(1);
    }
    return v;
}

static vyre_graph *make_graph(vyre *v, const vyre_work *work)
{
    static vyre_node nodes[MOST_HOPS];
    static uint32_t before[MOST_HOPS];
    vyre_error err;
    for (uint32_t i = 0; i < hops; i++) {
        before[i] = i - 1;
        nodes[i].work = *work;
        nodes[i].after = &before[i];
        nodes[i].after_count = i > 0;
    }
    vyre_graph *g = vyre_graph_make(v, nodes, hops, &err);
    if (!g)
        check(err.status, &err);
    return g;
}

static void on_work(bool wide, bool csv)
{
    order o;
    vyre_error err;
    vyre_info info;
    uint32_t sum = 0;
    memset(&o, 0, sizeof o);
    o.v = open_handle(wide);
    o.work = wide ? &wide_work : &lane_work;
    o.graph = make_graph(o.v, o.work);
    vyre_query(o.v, &info);
    bench_output out = bench_cpu("order", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "chains of %u, %g s a row, %s", hops, seconds,
             wide ? "wide jobs of 256" : "lanes' jobs");
    bench_heading(&out);
    if (!wide)
        measure(&out, &o, "lanes: a hop by the device, all in the ring", NULL);
    measure(&out, &o, wide ? "wide: a hop by the device" : "lanes: a hop by the device",
            chain_live);
    measure(&out, &o, wide ? "wide: a hop of a graph" : "lanes: a hop of a graph", chain_graph);
    measure(&out, &o, wide ? "wide: a hop by the host" : "lanes: a hop by the host", chain_host);
    if (wide)
        sum = *(const uint32_t *)vyre_map(o.v, 0, NULL) / 256;
    else
        check(vyre_observable(o.v, 0, &sum, &err), &err);
    if (sum != (uint32_t)(o.chains * hops)) {
        fprintf(stderr, "order: %u jobs have run, not %u\n", sum, (uint32_t)(o.chains * hops));
        exit(1);
    }
    vyre_graph_free(o.graph);
    vyre_close(o.v);
}

/* --- trees ------------------------------------------------------------------------- */

#define OP_FIB    0x2000u
#define OP_SUM    0x2001u
#define OP_QUEENS 0x2002u
#define SPREAD    1024u /* counters, a few lanes each */

/* A job's value goes where its parent, whose place in the queue is its own until it ends,
 * looks for it.  count: jobs that were spawned; boards. */
static const vyre_handler tree_handlers[] = {
    { OP_FIB, NULL, NULL, "fib", VYRE_WIDTH_LANE, 0,
      "uint fib(uint n)\n"
      "{\n"
      "    uint a = 0, b = 1;\n"
      "    for (uint i = 0; i < n; i++) { uint c = a + b; a = b; b = c; }\n"
      "    return a;\n"
      "}\n"
      "if (arg[0] < 2u) { value[arg[1]] = arg[0]; return; }\n"
      "uint spawned = 0;\n"
      "for (uint i = 0; i < 2u; i++) {\n"
      "    if (spawn(0x2000, arg[0] - 1u - i, 2u * slot + i)) spawned++;\n"
      "    else value[2u * slot + i] = fib(arg[0] - 1u - i);\n"
      "}\n"
      "atomicAdd(count[slot & 1023u], spawned);\n"
      "then(0x2001, arg[1]);\n", 0 },
    { OP_SUM, NULL, NULL, "sum", VYRE_WIDTH_LANE, 0,
      "uint sum = value[2u * slot] + value[2u * slot + 1u];\n"
      "value[arg[0]] = sum; result(0, sum);\n", 0 },
    { OP_QUEENS, NULL, NULL, "queens", VYRE_WIDTH_LANE, 0,
      "uint search(uint used, uint left, uint right, uint all)\n"
      "{\n"
      "    uint found = 0, low = 0, high = 0, depth = 0;\n"
      "    uint free = all & ~(used | left | right >> 16);\n"
      "    for (;;) {\n"
      "        if (free == 0) {\n"
      "            if (depth-- == 0) return found;\n"
      "            uint bit = 1u << (low & 15u);\n"
      "            low = low >> 4 | high << 28; high >>= 4;\n"
      "            used ^= bit; left = left >> 1 & ~bit; right = right << 1 & ~(bit << 16);\n"
      "            free = all & ~(used | left | right >> 16) & ~(bit | bit - 1u);\n"
      "            continue;\n"
      "        }\n"
      "        uint bit = free & 0u - free;\n"
      "        free &= free - 1u;\n"
      "        if ((used | bit) == all) { found++; continue; }\n"
      "        high = high << 4 | low >> 28; low = low << 4 | uint(findLSB(bit));\n"
      "        used |= bit; left = (left | bit) << 1; right = (right | bit << 16) >> 1;\n"
      "        free = all & ~(used | left | right >> 16); depth++;\n"
      "    }\n"
      "}\n"
      "const uint all = (1u << arg[3]) - 1u;\n"
      "uint ways = 0, spawned = 0;\n"
      "for (uint free = all & ~(arg[0] | arg[1] | arg[2] >> 16); free != 0; free &= free - 1u) {\n"
      "    uint bit = free & 0u - free, used = arg[0] | bit;\n"
      "    uint left = (arg[1] | bit) << 1, right = (arg[2] | bit << 16) >> 1;\n"
      "    if (used == all) ways++;\n"
      "    else if (spawn(0x2002, used, left, right, arg[3])) spawned++;\n"
      "    else ways += search(used, left, right, all);\n"
      "}\n"
      "if (ways != 0u) atomicAdd(found[slot & 1023u], ways);\n"
      "atomicAdd(count[slot & 1023u], spawned);\n", 0 },
};

static uint32_t children = 65536;
static const uint32_t tree_slots = 1024;

static vyre *open_tree(void)
{
    vyre_error err;
    vyre_desc desc;
    vyre_buffer_desc list[3];
    static const char *const names[3] = { "value", "count", "found" };
    memset(list, 0, sizeof list);
    for (uint32_t i = 0; i < 3; i++) {
        list[i].name = names[i];
        list[i].binding = VYRE_BINDING_USER + i;
        list[i].count = i ? SPREAD : 2 * (children + tree_slots) + 1;
    }
    memset(&desc, 0, sizeof desc);
    desc.kernel.children = children;
    desc.kernel.slot_count = tree_slots;
    desc.kernel.handlers = tree_handlers;
    desc.kernel.handler_count = 3;
    desc.kernel.buffers = list;
    desc.kernel.buffer_count = 3;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "order: %s\n", err.text);
        exit(1);
    }
    return v;
}

static uint64_t take_sum(vyre *v, uint32_t buffer)
{
    uint32_t *words = (uint32_t *)vyre_map(v, buffer, NULL);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SPREAD; i++)
        sum += words[i];
    memset(words, 0, SPREAD * 4);
    return sum;
}

/* `wanted` is what the tree gives: its result, or the ways that were found. */
static void measure_tree(const bench_output *out, vyre *v, const char *path, const vyre_work *work,
                         uint64_t wanted)
{
    bench_row row = bench_row_new(path, 100000);
    uint64_t jobs = 0, took = 0;
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        vyre_error err;
        vyre_ticket t;
        uint32_t args[12];
        (void)take_sum(v, 1);
        const uint64_t begin = bench_now();
        check(vyre_publish(v, work, &t, &err), &err);
        check(vyre_wait_result(v, t, FOREVER, args, &err), &err);
        const uint64_t ns = bench_now() - begin, spawned = take_sum(v, 1);
        const uint64_t got = work->opcode == OP_FIB ? args[0] : take_sum(v, 2);
        if (got != wanted) {
            fprintf(stderr, "order: %s gave %llu, not %llu\n", path, (unsigned long long)got,
                    (unsigned long long)wanted);
            exit(1);
        }
        bench_add(&row, (double)ns / (double)(spawned + 1));
        jobs += spawned + 1;
        took += ns;
    } while (bench_now() < end);
    row.rate = (double)jobs * 1e9 / (double)took;
    bench_finish(out, &row);
}

static void on_trees(uint32_t fib, uint32_t queens, bool csv)
{
    static const uint32_t ways[] = { 1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712,
                                     365596, 2279184 };
    char path[64];
    vyre_info info;
    uint32_t a = 0, b = 1;
    vyre *v = open_tree();
    vyre_query(v, &info);
    bench_output out = bench_cpu("order", "ns", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%u children, %u slots, %g s a row",
             children, tree_slots, seconds);
    bench_heading(&out);
    for (uint32_t i = 0; i < fib; i++) {
        const uint32_t c = a + b;
        a = b;
        b = c;
    }
    const vyre_work fib_work = { OP_FIB, 0, VYRE_PRIORITY_NORMAL, 2,
                                 { fib, 2 * (children + tree_slots) } };
    snprintf(path, sizeof path, "fib(%u): a job, spawned and joined", (unsigned)fib);
    measure_tree(&out, v, path, &fib_work, a);
    const vyre_work queens_work = { OP_QUEENS, 0, VYRE_PRIORITY_NORMAL, 4, { 0, 0, 0, queens } };
    snprintf(path, sizeof path, "%u queens: a job, spawned and joined", (unsigned)queens);
    measure_tree(&out, v, path, &queens_work, ways[queens]);
    vyre_close(v);
}

/* --- yields ------------------------------------------------------------------------ */

#define OP_YIELDS 0x3000u

static void on_yields(bool csv)
{
    static const vyre_handler yields = {
        OP_YIELDS, NULL, NULL, "yields", VYRE_WIDTH_LANE, 0,
        "if (arg[3] < arg[0]) yield(arg[3] + 1u, arg[4] + arg[3]); else result(0, arg[4]);", 0
    };
    vyre_desc desc;
    vyre_info info;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.kernel.slot_count = 256;
    desc.kernel.handlers = &yields;
    desc.kernel.handler_count = 1;
    desc.kernel.tasks = true;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "order: %s\n", err.text);
        exit(1);
    }
    vyre_query(v, &info);
    bench_output out = bench_cpu("order", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%u yields, %g s a row", (unsigned)hops, seconds);
    bench_heading(&out);
    bench_row row = bench_row_new("a yield, until it is claimed again", 100000);
    const vyre_work work = { OP_YIELDS, 0, VYRE_PRIORITY_NORMAL, 1, { hops } };
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        vyre_ticket t;
        uint32_t args[12];
        const uint64_t begin = bench_now();
        check(vyre_publish(v, &work, &t, &err), &err);
        check(vyre_wait_result(v, t, FOREVER, args, &err), &err);
        bench_add(&row, (double)(bench_now() - begin) / hops);
        if (args[0] != (uint32_t)((uint64_t)hops * (hops - 1) / 2)) {
            fprintf(stderr, "order: the yields gave %u\n", (unsigned)args[0]);
            exit(1);
        }
    } while (bench_now() < end);
    bench_finish(&out, &row);
    vyre_close(v);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--hops N] [--fib N] [--queens N] "
                            "[--children N]");
    seconds = bench_number(argc, argv, "--seconds", 1);
    hops = (uint32_t)bench_number(argc, argv, "--hops", 1000);
    uint32_t fib = (uint32_t)bench_number(argc, argv, "--fib", 25);
    uint32_t queens = (uint32_t)bench_number(argc, argv, "--queens", 10);
    children = (uint32_t)bench_number(argc, argv, "--children", children);
    if (bench_flag(argc, argv, "--quick")) {
        seconds = 0.01;
        hops = 100;
        fib = 12;
        queens = 6;
        children = 256;
    }
    if (fib > 40 || queens < 4 || queens > 15) {
        fprintf(stderr, "order: --fib takes 0 to 40, --queens 4 to 15\n");
        return 1;
    }
    if (hops == 0 || hops > MOST_HOPS) {
        fprintf(stderr, "order: --hops takes 1 to %u\n", MOST_HOPS);
        return 1;
    }
    on_work(false, bench_flag(argc, argv, "--csv"));
    on_work(true, bench_flag(argc, argv, "--csv"));
    on_trees(fib, queens, bench_flag(argc, argv, "--csv"));
    on_yields(bench_flag(argc, argv, "--csv"));
    return 0;
}

/* order: what a job costs that waits for the one before
 *
 *     bench/order [--csv] [--quick] [--seconds N] [--hops N]
 *
 * Chains of 1,000 jobs, each after the one before: lanes' jobs, and wide ones of 256
 * indexes.  By the device: a chain that lies in the ring when the kernel starts, so that
 * the host has no part in it but the start; one that is published while the kernel runs; and a
 * graph.  By the host: it waits for each job before it publishes the next.  A sample
 * is the time of a chain for each of its jobs.  The jobs count; the count must be right.
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

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--hops N]");
    seconds = bench_number(argc, argv, "--seconds", 1);
    hops = (uint32_t)bench_number(argc, argv, "--hops", 1000);
    if (bench_flag(argc, argv, "--quick")) {
        seconds = 0.01;
        hops = 100;
    }
    if (hops == 0 || hops > MOST_HOPS) {
        fprintf(stderr, "order: --hops takes 1 to %u\n", MOST_HOPS);
        return 1;
    }
    on_work(false, bench_flag(argc, argv, "--csv"));
    on_work(true, bench_flag(argc, argv, "--csv"));
    return 0;
}

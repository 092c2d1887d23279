/* order: what a job costs that waits for the one before
 *
 *     bench/order [--csv] [--quick] [--seconds N] [--hops N] [--fib N] [--queens N]
 *                 [--children N]
 *
 * Chains of 1,000 jobs, each after the one before: lanes' jobs, and wide ones of 256
 * indexes.  By the device: a chain that lies in the ring when the kernel starts, so that
 * the host has no part in it but the start; one that is published while the kernel runs; and a
 * graph.  By the host: it waits for each job before it publishes the next.  By Vulkan
 * alone: as many dispatches with a barrier between any two, in one command buffer.  A sample
 * is the time of a chain for each of its jobs.  The jobs count; the count must be right.
 * The floor is a word that two groups of one dispatch hand to each other, there and back.
 * A wavefront is a graph of 64 by 64 jobs, each after its neighbours above and to the left.
 *
 * Then an urgent job there and back in a kernel with priorities, alone and beside a thread
 * that publishes jobs of NORMAL without an end.
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
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>

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
    uint32_t         more;   /* and jobs beside them */
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

/* --- by Vulkan alone ---------------------------------------------------------------- */

#define TURNS 10000u

/* A dispatch of `lanes` lanes, each of which adds 1. */
static void emit_add(vyre_program *p, vyre_buffer words)
{
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, words, vyre_ir_u32(p, 0), vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
}

/* Two groups of a lane: each waits for its number in the word, and stores the other's
 * next one.  Bounded, for nobody promises that both run. */
static void emit_floor(vyre_program *p, vyre_buffer words)
{
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1), two = vyre_ir_u32(p, 2);
    vyre_local turn = vyre_ir_local(p, VYRE_TYPE_U32,
                                    vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X), "turn");
    vyre_local looks = vyre_ir_local(p, VYRE_TYPE_U32, zero, "looks");
    vyre_ir_forever(p);
    vyre_value mine = vyre_ir_get(p, turn), look = vyre_ir_get(p, looks);
    vyre_ir_if(p, vyre_ir_or(p, vyre_ir_ge(p, mine, vyre_ir_u32(p, 2 * TURNS)),
                             vyre_ir_ge(p, look, vyre_ir_u32(p, 100 * TURNS))));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_set(p, looks, vyre_ir_add(p, look, one));
    vyre_value word = vyre_ir_atomic_load(p, words, zero, VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, word, mine));
    vyre_ir_atomic_store(p, words, zero, vyre_ir_add(p, mine, one), VYRE_ORDER_RELEASE);
    vyre_ir_set(p, turn, vyre_ir_add(p, mine, two));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static raw_kernel raw_program(const raw_device *d, const raw_buffer *words, uint32_t lanes,
                              void (*emit)(vyre_program *p, vyre_buffer words))
{
    vyre_error err;
    vyre_program_desc desc;
    vyre_spirv_desc how;
    vyre_spirv module;
    vyre_buffer_desc buffer = { "words", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 2, false, 0, 0 };
    memset(&desc, 0, sizeof desc);
    memset(&how, 0, sizeof how);
    desc.workgroup_size[0] = lanes;
    how.spec_group_size = true;
    vyre_program *p = vyre_program_create(&desc, &err);
    if (!p)
        check(err.status, &err);
    vyre_buffer b = vyre_ir_buffer(p, &buffer);
    emit(p, b);
    check(vyre_program_finish(p, &err), &err);
    check(vyre_spirv_emit(p, &how, &module, &err), &err);
    const raw_kernel k = raw_kernel_new(d, module.words, module.word_count * 4, lanes, words, 1);
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
    return k;
}

static uint64_t raw_time(const raw_device *d, VkCommandBuffer cmd, VkFence fence)
{
    const uint64_t begin = bench_now();
    raw_submit(d, cmd, fence);
    while (vkGetFenceStatus(d->device, fence) == VK_NOT_READY) {}
    const uint64_t took = bench_now() - begin;
    vkResetFences(d->device, 1, &fence);
    return took;
}

static void measure_dispatches(const bench_output *out, const raw_device *d, const char *path,
                               uint32_t lanes)
{
    const VkMemoryBarrier barrier = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, 0,
                                      VK_ACCESS_SHADER_WRITE_BIT,
                                      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
    raw_buffer words = raw_buffer_new(d, 8, false);
    raw_kernel k = raw_program(d, &words, lanes, emit_add);
    VkCommandBuffer cmd = raw_begin(d);
    VkFence fence = raw_fence(d);
    for (uint32_t i = 0; i < hops; i++) {
        if (i)
            vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                 VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0,
                                 NULL);
        raw_dispatch(cmd, &k, 1, 0);
    }
    RAW_CHECK(vkEndCommandBuffer(cmd));
    bench_row row = bench_row_new(path, 100000);
    uint32_t chains = 0;
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        bench_add(&row, (double)raw_time(d, cmd, fence) / hops);
        chains++;
    } while (bench_now() < end);
    bench_finish(out, &row);
    if (*(const uint32_t *)words.map != chains * hops * lanes) {
        fprintf(stderr, "order: %u dispatches of %u lanes gave %u\n", chains * hops, lanes,
                *(const uint32_t *)words.map);
        exit(1);
    }
    vkDestroyFence(d->device, fence, NULL);
    raw_kernel_free(d, &k);
    raw_buffer_free(d, &words);
}

static void measure_floor(const bench_output *out, const raw_device *d)
{
    raw_buffer words = raw_buffer_new(d, 8, false);
    raw_kernel k = raw_program(d, &words, 1, emit_floor);
    VkCommandBuffer cmd = raw_record(d, &k, 2, 0);
    VkFence fence = raw_fence(d);
    bench_row row = bench_row_new("floor: a word from group to group, and back", 100000);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    bool both = true;
    do {
        *(uint32_t *)words.map = 0;
        const uint64_t took = raw_time(d, cmd, fence);
        both = *(const volatile uint32_t *)words.map == 2 * TURNS;
        bench_add(&row, (double)took / TURNS);
    } while (both && bench_now() < end);
    if (both)
        bench_finish(out, &row);
    else /* as on llvmpipe, which ends loops */
        bench_note(out, "No floor: two groups did not both come to their ends.");
    vkDestroyFence(d->device, fence, NULL);
    raw_kernel_free(d, &k);
    raw_buffer_free(d, &words);
}

static void on_vulkan(bool csv)
{
    raw_device d;
    if (!raw_open(&d))
        return;
    bench_output out = bench_cpu("order", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%.127s", d.properties.deviceName);
    snprintf(out.driver, sizeof out.driver, "%s", d.driver);
    snprintf(out.settings, sizeof out.settings, "chains of %u, %g s a row, bare Vulkan", hops,
             seconds);
    bench_heading(&out);
    measure_dispatches(&out, &d, "dispatches of a lane with barriers: a hop", 1);
    measure_dispatches(&out, &d, "dispatches of 256 lanes with barriers: a hop", 256);
    measure_floor(&out, &d);
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

/* Each of 64 by 64 jobs is after those above and to the left. */
#define SIDE 64u

static void measure_wavefront(const bench_output *out, order *o)
{
    static vyre_node nodes[SIDE * SIDE];
    static uint32_t before[SIDE * SIDE][2];
    vyre_error err;
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        nodes[i].work = *o->work;
        nodes[i].after = before[i];
        if (i >= SIDE)
            before[i][nodes[i].after_count++] = i - SIDE;
        if (i % SIDE)
            before[i][nodes[i].after_count++] = i - 1;
    }
    vyre_graph *g = vyre_graph_make(o->v, nodes, SIDE * SIDE, &err);
    if (!g)
        check(err.status, &err);
    bench_row row = bench_row_new("lanes: a job of a wavefront of 64 x 64", 100000);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        const uint64_t begin = bench_now();
        check(vyre_graph_publish(g, NULL, &err), &err);
        check(vyre_graph_wait(g, FOREVER, NULL, &err), &err);
        bench_add(&row, (double)(bench_now() - begin) / (SIDE * SIDE));
        o->more += SIDE * SIDE;
    } while (bench_now() < end);
    bench_finish(out, &row);
    vyre_graph_free(g);
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
    if (!wide)
        measure_wavefront(&out, &o);
    if (wide)
        sum = *(const uint32_t *)vyre_map(o.v, 0, NULL) / 256;
    else
        check(vyre_observable(o.v, 0, &sum, &err), &err);
    if (sum != (uint32_t)(o.chains * hops) + o.more) {
        fprintf(stderr, "order: %u jobs have run, not %u\n", sum,
                (uint32_t)(o.chains * hops) + o.more);
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

/* --- urgent jobs ------------------------------------------------------------------- */

typedef struct flood {
    vyre       *v;
    uint32_t    stop;
    uint64_t    published;
    vyre_status status;
} flood;

static void *flood_main(void *user)
{
    flood *f = (flood *)user;
    vyre_error err;
    while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE) && f->status == VYRE_OK) {
        const vyre_status status = vyre_publish(f->v, &lane_work, NULL, &err);
        f->published += status == VYRE_OK;
        f->status = status == VYRE_FULL ? VYRE_OK : status;
    }
    return NULL;
}

static double urgent_job(vyre *v)
{
    vyre_error err;
    vyre_ticket t;
    vyre_work work = lane_work;
    work.priority = VYRE_PRIORITY_CRITICAL;
    const uint64_t begin = bench_now();
    check(vyre_publish(v, &work, &t, &err), &err);
    check(vyre_wait(v, t, FOREVER, &err), &err);
    return (double)(bench_now() - begin);
}

/* How many it was; the first may find a kernel that has not begun. */
static uint32_t measure_urgent(const bench_output *out, vyre *v, const char *path)
{
    bench_row row = bench_row_new(path, 1000000);
    uint32_t jobs = 1;
    (void)urgent_job(v);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        bench_add(&row, urgent_job(v));
        jobs++;
    } while (bench_now() < end);
    bench_finish(out, &row);
    return jobs;
}

static void on_priorities(bool csv)
{
    vyre_error err;
    vyre_info info;
    vyre_desc desc;
    pthread_t thread;
    uint32_t sum = 0, jobs;
    memset(&desc, 0, sizeof desc);
    desc.kernel.kind = VYRE_KERNEL_PRIORITY;
    desc.kernel.slot_count = 1024;
    flood f = { vyre_open(&desc, &err), 0, 0, VYRE_OK };
    if (!f.v || vyre_start(f.v, &err) < 0) {
        fprintf(stderr, "order: %s\n", err.text);
        exit(1);
    }
    vyre_query(f.v, &info);
    bench_output out = bench_cpu("order", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "1024 slots with priorities, %g s a row", seconds);
    bench_heading(&out);
    jobs = measure_urgent(&out, f.v, "an urgent job, alone");
    pthread_create(&thread, NULL, flood_main, &f);
    jobs += measure_urgent(&out, f.v, "an urgent job, beside NORMAL ones without an end");
    __atomic_store_n(&f.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    check(f.status, &err);
    check(vyre_drain(f.v, FOREVER, &err), &err);
    check(vyre_observable(f.v, 0, &sum, &err), &err);
    if (sum != jobs + (uint32_t)f.published) {
        fprintf(stderr, "order: %u jobs have run, not %u\n", sum, jobs + (uint32_t)f.published);
        exit(1);
    }
    vyre_close(f.v);
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
    on_vulkan(bench_flag(argc, argv, "--csv"));
    on_priorities(bench_flag(argc, argv, "--csv"));
    on_trees(fib, queens, bench_flag(argc, argv, "--csv"));
    on_yields(bench_flag(argc, argv, "--csv"));
    return 0;
}

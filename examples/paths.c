/* Shortest ways from node 0 through a graph of 2,048 nodes: all jobs, of 64 edges each, run
 * until none has found a shorter way.
 *
 *     paths [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 2048, EDGES = 16384, EACH = 64 };

/* A sum that does not fit is no way, and "not reached" stays so.  Only what is shorter is a
 * change, so cycles of weight 0 come to rest. */
static const char source[] =
    "for (uint i = 0; i < 64; i++) {\n"
    "    uint edge = index * 64 + i, way = atomicLoad(cost[from[edge]]);\n"
    "    uint sum = way + weight[edge];\n"
    "    if (sum >= way && sum < atomicMin(cost[to[edge]], sum)) observable(0, 1);\n"
    "}\n";

static const vyre_handler relax = { 0x1000, NULL, NULL, "relax", VYRE_WIDTH_RANGE, 1, source, 0 };
static uint32_t from[EDGES], to[EDGES], weight[EDGES], cost[NODES];

/* A tenth of the nodes has no way to it, and every eighth edge weighs nothing. */
static void make_graph(void)
{
    uint32_t seed = 1;
    for (uint32_t i = 0; i < EDGES; i++) {
        seed = seed * 1664525 + 1013904223;
        from[i] = (seed >> 8) % NODES;
        seed = seed * 1664525 + 1013904223;
        to[i] = (seed >> 8) % (NODES / 10 * 9);
        weight[i] = i % 8 ? 1 + (seed >> 24) : 0;
    }
    for (uint32_t i = 0; i < NODES; i++)
        cost[i] = i ? UINT32_MAX : 0;
}

/* The same on one core of the host. */
static clock_t relax_all(void)
{
    const clock_t begin = clock();
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < EDGES; i++) {
            const uint32_t way = cost[from[i]], sum = way + weight[i];
            if (sum < way || sum >= cost[to[i]])
                continue;
            cost[to[i]] = sum;
            changed = true;
        }
    }
    return clock() - begin;
}

static vyre *open_handle(const char *backend)
{
    static const char *const names[4] = { "from", "to", "weight", "cost" };
    static const uint32_t counts[4] = { EDGES, EDGES, EDGES, NODES };
    vyre_buffer_desc buffers[4];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 4; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &relax;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 4;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "paths: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    return v;
}

static void tell(vyre *v, uint64_t ns, clock_t host)
{
    vyre_info info;
    vyre_query(v, &info);
    printf("paths: %.3f ms by %s, %.3f ms by one core of the host\n", (double)ns / 1e6,
           info.device, (double)host * 1e3 / CLOCKS_PER_SEC);
}

int main(int argc, char **argv)
{
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 0, EDGES / EACH } };
    vyre_until_desc until;
    vyre_stats stats;
    vyre_error err;
    uint32_t reached = 0, wrong = 0;
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    make_graph();
    memcpy(vyre_map(v, 0, NULL), from, sizeof from);
    memcpy(vyre_map(v, 1, NULL), to, sizeof to);
    memcpy(vyre_map(v, 2, NULL), weight, sizeof weight);
    memcpy(vyre_map(v, 3, NULL), cost, sizeof cost);
    memset(&until, 0, sizeof until);
    until.works = &work;
    until.count = 1;
    if (vyre_run_until(v, &until, NULL, &stats, &err) != VYRE_OK)
        return fprintf(stderr, "paths: %s\n%s\n", err.text, err.fix), 1;

    const clock_t host = relax_all();
    const uint32_t *ways = (const uint32_t *)vyre_map(v, 3, NULL);
    for (uint32_t i = 0; i < NODES; i++) {
        reached += cost[i] != UINT32_MAX;
        wrong += ways[i] != cost[i];
    }
    printf("paths: %u of %u nodes reached, %u wrong\n", reached, NODES, wrong);
    tell(v, stats.latency_ns, host);
    vyre_close(v);
    return wrong != 0;
}

/* How far each of 100,000 nodes is from node 0, over 1,000,000 edges: a job for each level, after
 * that of the level before. What a level finds is the device's; the host waits for every 16.
 *
 *     bfs [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 100000, EDGES = 1000000, LEVELS = 16, MOST = NODES + LEVELS + 1, WALKERS = 2048 };

/* Level k of the queue is from begin[k] on, size[k] nodes; who is the first to reach a node
 * appends it to level k + 1. */
static const vyre_handler handler = {
    0x1000, NULL, NULL, "level", VYRE_WIDTH_RANGE, 0,
    "uint k = level[0] + arg[2], from = begin[k], end = from + size[k];\n"
    "if (index == 0) begin[k + 1] = end;\n"
    "for (uint i = from + index; i < end; i += 2048) {\n"
    "    uint node = queue[i], last = first[node + 1];\n"
    "    for (uint e = first[node]; e < last; e++) {\n"
    "        uint other = to[e];\n"
    "        if (atomicLoad(depth[other]) == 0xffffffff &&\n"
    "            atomicCompSwap(depth[other], 0xffffffff, k + 1) == 0xffffffff)\n"
    "            queue[end + atomicAdd(size[k + 1], 1)] = other;\n"
    "    }\n"
    "}\n", 0
};

static uint32_t first[NODES + 1], to[EDGES], depth[NODES], queue[NODES];

/* Edges at random, sorted by where they begin; some nodes have none. */
static void make_graph(void)
{
    uint32_t seed = 1;
    for (uint32_t e = 0; e < EDGES; e++) {
        seed = seed * 1664525 + 1013904223;
        first[1 + (seed >> 8) % (NODES - 1)]++;
        seed = seed * 1664525 + 1013904223;
        to[e] = (seed >> 8) % NODES;
    }
    for (uint32_t i = 0; i < NODES; i++)
        first[i + 1] += first[i];
}

/* The same on one core of the host. */
static clock_t walk(void)
{
    const clock_t start = clock();
    memset(depth, 0xff, sizeof depth);
    depth[0] = queue[0] = 0;
    for (uint32_t at = 0, count = 1; at < count; at++)
        for (uint32_t e = first[queue[at]]; e < first[queue[at] + 1]; e++)
            if (depth[to[e]] == UINT32_MAX) {
                depth[to[e]] = depth[queue[at]] + 1;
                queue[count++] = to[e];
            }
    return clock() - start;
}

static vyre *open_handle(const char *backend)
{
    const char *const names[7] = { "first", "to", "depth", "queue", "begin", "size", "level" };
    const uint32_t counts[7] = { NODES + 1, EDGES, NODES, NODES, MOST, MOST, 1 };
    vyre_buffer_desc buffers[7];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 7; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &handler;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 7;
    desc.events = 1; /* works may wait for others */
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "bfs: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    return v;
}

static vyre_graph *make_levels(vyre *v, vyre_error *err)
{
    uint32_t before[LEVELS];
    vyre_node nodes[LEVELS];
    memset(nodes, 0, sizeof nodes);
    for (uint32_t i = 0; i < LEVELS; i++) {
        const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 3, { 0, WALKERS, i } };
        nodes[i].work = work;
        before[i] = i - 1;
        nodes[i].after = &before[i];
        nodes[i].after_count = i > 0;
    }
    return vyre_graph_make(v, nodes, LEVELS, err); /* copies them */
}

/* The graph of levels, until the level after them is empty. */
static vyre_status walk_there(vyre *v, uint64_t *ns, vyre_error *err)
{
    const uint32_t *size = (const uint32_t *)vyre_map(v, 5, NULL);
    uint32_t *level = (uint32_t *)vyre_map(v, 6, NULL); /* the first of the graph's */
    vyre_graph *g = make_levels(v, err);
    vyre_status status = g ? VYRE_OK : err->status;
    for (vyre_stats stats; status == VYRE_OK && size[*level]; *level += LEVELS)
        if ((status = vyre_graph_publish(g, NULL, err)) == VYRE_OK &&
            (status = vyre_graph_wait(g, VYRE_FOREVER, &stats, err)) == VYRE_OK)
            *ns += stats.latency_ns;
    vyre_graph_free(g);
    return status;
}

int main(int argc, char **argv)
{
    vyre_error err;
    vyre_info info;
    uint64_t ns = 0;
    uint32_t reached = 0, wrong = 0;
    make_graph();
    const clock_t host = walk();
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    uint32_t *found = (uint32_t *)vyre_map(v, 2, NULL), *size = (uint32_t *)vyre_map(v, 5, NULL);
    memcpy(vyre_map(v, 0, NULL), first, sizeof first);
    memcpy(vyre_map(v, 1, NULL), to, sizeof to);
    memset(found, 0xff, sizeof depth);
    found[0] = 0;
    size[0] = 1; /* node 0 is level 0 */
    if (walk_there(v, &ns, &err) != VYRE_OK)
        return fprintf(stderr, "bfs: %s\n%s\n", err.text, err.fix), 1;
    for (uint32_t i = 0; i < NODES; i++) {
        reached += depth[i] != UINT32_MAX;
        wrong += found[i] != depth[i];
    }
    vyre_query(v, &info);
    printf("bfs: %u of %u nodes reached, %u wrong\n", reached, NODES, wrong);
    printf("bfs: %.3f ms by %s, %.3f ms by one core of the host\n", (double)ns / 1e6, info.device,
           (double)host * 1e3 / CLOCKS_PER_SEC);
    vyre_close(v);
    return wrong != 0;
}

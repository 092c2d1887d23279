/* Lineage: which of 200 sources each of 1,000 rules draws on, by what feeds what.  A set of
 * labels is seven words, and goes along each edge until no set has grown.
 *
 *     closure [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RULES = 1000, SOURCES = 200, WORDS = (SOURCES + 31) / 32, EDGES = 3000 };

/* An index is a word of the set that goes along an edge. */
static const char source[] =
    "uint edge = index / 7, word = index % 7;\n"
    "uint bits = atomicLoad(labels[from[edge] * 7 + word]);\n"
    "if ((bits & ~atomicOr(labels[to[edge] * 7 + word], bits)) != 0) observable(0, 1);\n";

static const vyre_handler feed = { 0x1000, NULL, NULL, "feed", VYRE_WIDTH_RANGE, 0, source, 0 };
static uint32_t from[EDGES], to[EDGES], labels[RULES * WORDS];

/* Rules that are sources have a label of their own.  What feeds what has circles. */
static void make_relation(void)
{
    uint32_t seed = 7;
    for (uint32_t i = 0; i < EDGES; i++) {
        seed = seed * 1664525 + 1013904223;
        from[i] = (seed >> 8) % RULES;
        seed = seed * 1664525 + 1013904223;
        to[i] = i % 16 ? from[i] + (seed >> 8) % 40 : (seed >> 8) % RULES;
        to[i] = to[i] < RULES ? to[i] : RULES - 1;
    }
    for (uint32_t i = 0; i < SOURCES; i++)
        labels[i * WORDS + i / 32] = 1u << i % 32;
}

/* The same on one core of the host. */
static clock_t feed_all(void)
{
    const clock_t begin = clock();
    for (bool grown = true; grown;) {
        grown = false;
        for (uint32_t i = 0; i < EDGES * WORDS; i++) {
            const uint32_t bits = labels[from[i / WORDS] * WORDS + i % WORDS];
            uint32_t *set = &labels[to[i / WORDS] * WORDS + i % WORDS];
            grown = grown || (bits & ~*set);
            *set |= bits;
        }
    }
    return clock() - begin;
}

static vyre *open_handle(const char *backend)
{
    static const char *const names[3] = { "from", "to", "labels" };
    static const uint32_t counts[3] = { EDGES, EDGES, RULES * WORDS };
    vyre_buffer_desc buffers[3];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 3; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &feed;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 3;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "closure: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    return v;
}

static void tell(vyre *v, uint64_t ns, clock_t host)
{
    vyre_info info;
    vyre_query(v, &info);
    printf("closure: %.3f ms by %s, %.3f ms by one core of the host\n", (double)ns / 1e6,
           info.device, (double)host * 1e3 / CLOCKS_PER_SEC);
}

int main(int argc, char **argv)
{
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 0, EDGES * WORDS } };
    vyre_until_desc until;
    vyre_stats stats;
    vyre_error err;
    uint32_t pairs = 0, wrong = 0;
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    make_relation();
    memcpy(vyre_map(v, 0, NULL), from, sizeof from);
    memcpy(vyre_map(v, 1, NULL), to, sizeof to);
    memcpy(vyre_map(v, 2, NULL), labels, sizeof labels);
    memset(&until, 0, sizeof until);
    until.works = &work;
    until.count = 1;
    if (vyre_run_until(v, &until, NULL, &stats, &err) != VYRE_OK)
        return fprintf(stderr, "closure: %s\n%s\n", err.text, err.fix), 1;

    const clock_t host = feed_all();
    const uint32_t *sets = (const uint32_t *)vyre_map(v, 2, NULL);
    for (uint32_t i = 0; i < RULES * WORDS; i++) {
        wrong += sets[i] != labels[i];
        for (uint32_t bits = labels[i]; bits; bits &= bits - 1)
            pairs++;
    }
    printf("closure: %u rules draw on %u sources in %u ways, %u wrong\n", RULES, SOURCES, pairs,
           wrong);
    tell(v, stats.latency_ns, host);
    vyre_close(v);
    return wrong != 0;
}

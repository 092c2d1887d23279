/* The game of life on a torus, until the field is what it was two generations before, which
 * lets blinkers blink; or for 5,000 generations.
 *
 *     fixpoint [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = 64, CELLS = SIDE * SIDE, MOST = 5000 };

/* A cell's word is its generation, what it was before (bit 1), and what it is (bit 0).  A
 * neighbor has come one generation further, or it has not: both are told from its word, so
 * one field is enough. */
static const char source[] =
    "uint side = 64, x = index % side, y = index / side, around = 0, mine = cell[index];\n"
    "for (uint i = 0; i < 9; i++) {\n"
    "    uint at = (y + i / 3 + side - 1) % side * side + (x + i % 3 + side - 1) % side;\n"
    "    uint other = atomicLoad(cell[at]);\n"
    "    if (i != 4) around += other >> (other >> 2 == mine >> 2 ? 0u : 1u) & 1u;\n"
    "}\n"
    "uint lives = around == 3u || (around == 2u && (mine & 1u) == 1u) ? 1u : 0u;\n"
    "if (lives != (mine >> 1 & 1u)) observable(0, 1);\n"
    "atomicStore(cell[index], (mine >> 2) + 1 << 2 | (mine & 1u) << 1 | lives);\n";

static const vyre_handler live = { 0x1000, NULL, NULL, "live", VYRE_WIDTH_RANGE, 0, source, 0 };
static uint8_t cells[3][CELLS]; /* now, before, and the one before that */

/* The next generation, on one core of the host.  True: it is what was two before. */
static bool live_on(void)
{
    memcpy(cells[2], cells[1], CELLS);
    memcpy(cells[1], cells[0], CELLS);
    for (uint32_t at = 0; at < CELLS; at++) {
        uint32_t around = 0;
        for (uint32_t i = 0; i < 9; i++)
            around += i == 4 ? 0 : cells[1][(at / SIDE + i / 3 + SIDE - 1) % SIDE * SIDE +
                                            (at % SIDE + i % 3 + SIDE - 1) % SIDE];
        cells[0][at] = around == 3 || (around == 2 && cells[1][at]);
    }
    return memcmp(cells[0], cells[2], CELLS) == 0;
}

static vyre *open_handle(const char *backend)
{
    static const char *const names[1] = { "cell" };
    static const uint32_t counts[1] = { CELLS };
    vyre_buffer_desc buffers[1];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 1; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &live;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "fixpoint: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    return v;
}

static void tell(vyre *v, uint64_t ns, clock_t host)
{
    vyre_info info;
    vyre_query(v, &info);
    printf("fixpoint: %.3f ms by %s, %.3f ms by one core of the host\n", (double)ns / 1e6,
           info.device, (double)host * 1e3 / CLOCKS_PER_SEC);
}

int main(int argc, char **argv)
{
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 0, CELLS } };
    vyre_until_desc until;
    vyre_stats stats;
    vyre_error err;
    uint32_t rounds = 0, generation = 0, alive = 0, wrong = 0, seed = 5;
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    uint32_t *field = (uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < CELLS; i++) {
        seed = seed * 1664525 + 1013904223;
        cells[0][i] = seed >> 24 < 80;
        field[i] = cells[0][i];
    }
    memset(&until, 0, sizeof until);
    until.works = &work;
    until.count = 1;
    until.rounds = MOST;
    const vyre_status status = vyre_run_until(v, &until, &rounds, &stats, &err);
    if (status != VYRE_OK && status != VYRE_PENDING)
        return fprintf(stderr, "fixpoint: %s\n%s\n", err.text, err.fix), 1;

    const clock_t begin = clock();
    while (generation++ < MOST && !live_on())
        continue;
    const clock_t host = clock() - begin;
    wrong = status == VYRE_OK ? rounds != generation : generation <= MOST;
    for (uint32_t i = 0; i < CELLS; i++) {
        alive += field[i] & 1u;
        wrong += (field[i] & 1u) != cells[0][i];
    }
    printf("fixpoint: %u cells live after %u generations, %u wrong\n", alive, rounds, wrong);
    tell(v, stats.latency_ns, host);
    vyre_close(v);
    return wrong != 0;
}

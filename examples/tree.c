/* Queens that do not take each other, counted by jobs that spawn jobs: one for each way to go
 * on from a board.  The host publishes one work, and its ticket ends with the last of them.
 *
 *     tree [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define SIZE "9u"
enum { SOLUTIONS = 352 }; /* of nine queens */

/* A board is three masks: columns in use, and diagonals as they meet the next row; that
 * to the right has 16 bits more below.  Where the device's queue is full, search() counts
 * what is below a board itself: the column of each row lies in a list of four bits. */
static const char queens[] =
    "const uint all = (1u << " SIZE ") - 1u;\n"
    "uint search(uint used, uint left, uint right)\n"
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
    "uint free = all & ~(arg[0] | arg[1] | arg[2] >> 16);\n"
    "for (; free != 0; free &= free - 1u) {\n"
    "    uint bit = free & 0u - free, used = arg[0] | bit;\n"
    "    uint left = (arg[1] | bit) << 1, right = (arg[2] | bit << 16) >> 1;\n"
    "    if (used == all) atomicAdd(found[0], 1);\n"
    "    else if (spawn(0x1000, used, left, right)) atomicAdd(found[1], 1);\n"
    "    else atomicAdd(found[0], search(used, left, right));\n"
    "}\n"
    "then(0x1001);\n";

/* What the first job goes on with is its result. */
static const vyre_handler handlers[2] = {
    { 0x1000, NULL, NULL, "queens", VYRE_WIDTH_LANE, 0, queens, 0 },
    { 0x1001, NULL, NULL, "count", VYRE_WIDTH_LANE, 0, "result(0, found[0]);", 0 },
};

int main(int argc, char **argv)
{
    vyre_buffer_desc buffer;
    vyre_desc desc;
    vyre_error err;
    vyre_work work;
    vyre_ticket ticket;
    uint32_t result[12];
    memset(&buffer, 0, sizeof buffer);
    memset(&desc, 0, sizeof desc);
    memset(&work, 0, sizeof work);
    buffer.name = "found";
    buffer.binding = VYRE_BINDING_USER;
    buffer.count = 2;
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    desc.kernel.children = 1024; /* that may wait or run at a time */
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "tree: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    work.opcode = 0x1000;
    work.arg_count = 3; /* an empty board */
    if (vyre_publish(v, &work, &ticket, &err) != VYRE_OK ||
        vyre_wait_result(v, ticket, VYRE_FOREVER, result, &err) != VYRE_OK) {
        fprintf(stderr, "tree: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const uint32_t *found = (const uint32_t *)vyre_map(v, 0, NULL);
    printf("tree: nine queens, %u ways, %u wrong\n", (unsigned)result[0],
           (unsigned)(result[0] != SOLUTIONS));
    fprintf(stderr, "%u jobs were spawned\n", (unsigned)found[1]);
    vyre_close(v);
    return result[0] != SOLUTIONS;
}

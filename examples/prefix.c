/* Prefix sums in three passes, each of which needs all of the one before; the host waits
 * for the last one only.
 *
 *     prefix [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

enum { BLOCKS = 512, EACH = 512, COUNT = BLOCKS * EACH };

/* What each block adds up to; what stands before each block; the sums themselves. */
static const vyre_handler passes[3] = {
    { 0x1000, NULL, NULL, "totals", VYRE_WIDTH_RANGE, 0,
      "uint sum = 0;\n"
      "for (uint i = 0; i < 512; i++) sum += x[index * 512 + i];\n"
      "total[index] = sum;\n", 0 },
    { 0x1001, NULL, NULL, "before", VYRE_WIDTH_LANE, 0,
      "uint sum = 0;\n"
      "for (uint i = 0; i < 512; i++) { uint t = total[i]; total[i] = sum; sum += t; }\n", 0 },
    { 0x1002, NULL, NULL, "sums", VYRE_WIDTH_RANGE, 0,
      "uint sum = total[index];\n"
      "for (uint i = 0; i < 512; i++) {\n"
      "    sum += x[index * 512 + i];\n"
      "    y[index * 512 + i] = sum;\n"
      "}\n", 0 },
};

static uint32_t wrong_sums(const uint32_t *x, const uint32_t *y)
{
    uint32_t sum = 0, wrong = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        sum += x[i];
        wrong += y[i] != sum;
    }
    return wrong;
}

/* The second and the third work name the one before; nobody waits in between. */
static vyre_status publish(vyre *v, vyre_ticket *end, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < 3 && status == VYRE_OK; i++) {
        vyre_work work;
        memset(&work, 0, sizeof work);
        work.opcode = passes[i].opcode;
        work.arg_count = 2;
        work.args[1] = BLOCKS;
        status = vyre_publish_after(v, &work, end, i > 0, end, err);
    }
    return status;
}

int main(int argc, char **argv)
{
    static const char *const names[3] = { "x", "y", "total" };
    vyre_buffer_desc buffers[3];
    vyre_desc desc;
    vyre_error err;
    vyre_ticket end;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    memset(&end, 0, sizeof end);
    for (uint32_t i = 0; i < 3; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = i < 2 ? COUNT : BLOCKS;
    }
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = passes;
    desc.kernel.handler_count = 3;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 3;
    desc.events = 1; /* works may wait for others */
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "prefix: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    uint32_t *x = (uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < COUNT; i++)
        x[i] = i * 2654435761u >> 20;
    if (publish(v, &end, &err) != VYRE_OK || vyre_wait(v, end, VYRE_FOREVER, &err) != VYRE_OK) {
        fprintf(stderr, "prefix: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const uint32_t wrong = wrong_sums(x, (const uint32_t *)vyre_map(v, 1, NULL));
    printf("prefix: %u sums, %u wrong\n", (unsigned)COUNT, (unsigned)wrong);
    vyre_close(v);
    return wrong != 0;
}

/* What a million numbers add up to, and the smallest and largest of them, in the
 * words of one ticket.
 *
 *     reduce [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define COUNT 1000000u
#define TELL  0x1000u

/* For each index: what all of them give is combined into words 2, 3 and 4. */
static const char source[] =
    "uint x = numbers[index];\n"
    "reduce_add(2, x);\n"
    "reduce_min(3, x);\n"
    "reduce_max(4, x);\n";

int main(int argc, char **argv)
{
    const vyre_handler tell = { TELL, NULL, NULL, "tell", VYRE_WIDTH_RANGE, 0, source, 0 };
    vyre_buffer_desc numbers;
    vyre_desc desc;
    vyre_error err;
    memset(&numbers, 0, sizeof numbers);
    memset(&desc, 0, sizeof desc);
    numbers.name = "numbers";
    numbers.binding = VYRE_BINDING_USER;
    numbers.count = COUNT;
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &tell;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &numbers;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v) {
        fprintf(stderr, "reduce: %s\n%s\n", err.text, err.fix);
        return 1;
    }

    uint32_t *x = (uint32_t *)vyre_map(v, 0, NULL), sum = 0, least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        x[i] = (i * 2654435761u) >> 12;
        sum += x[i];
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    vyre_work work;
    vyre_ticket ticket;
    uint32_t args[12];
    memset(&work, 0, sizeof work);
    work.opcode = TELL;
    work.arg_count = 2;
    work.args[1] = COUNT;
    if (vyre_publish(v, &work, &ticket, &err) != VYRE_OK ||
        vyre_wait(v, ticket, VYRE_FOREVER, &err) != VYRE_OK ||
        vyre_result(v, ticket, args, &err) != VYRE_OK) {
        fprintf(stderr, "reduce: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    vyre_close(v);
    const bool right = args[2] == sum && args[3] == least && args[4] == most;
    printf("reduce: sum %u, least %u, most %u: %s\n", args[2], args[3], args[4],
           right ? "right" : "wrong");
    return !right;
}

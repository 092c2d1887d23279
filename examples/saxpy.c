/* An opcode of your own, on buffers of your own: y = a * x + y.
 *
 *     saxpy [cpu | vulkan]
 *
 * One job does all of it: its handler is a range's, run once for each index, by as
 * many lanes as the device has. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define COUNT 1048576u
#define SAXPY 0x1000u

static int fail(const vyre_error *err)
{
    fprintf(stderr, "saxpy: %s\n%s\n", err->text, err->fix);
    return 1;
}

int main(int argc, char **argv)
{
    const vyre_handler saxpy = { SAXPY, NULL, NULL, "saxpy", VYRE_WIDTH_RANGE, 0,
                                 "y[index] += asfloat(arg[2]) * x[index];", 0 };
    vyre_buffer_desc buffers[2];
    memset(buffers, 0, sizeof buffers); /* zero is a good default everywhere */
    for (unsigned i = 0; i < 2; i++) {
        buffers[i].name = i ? "y" : "x";
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].type = VYRE_TYPE_F32;
        buffers[i].count = COUNT;
    }
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &saxpy;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 2;

    vyre_error err;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK)
        return fail(&err);
    float *x = (float *)vyre_map(v, 0, NULL), *y = (float *)vyre_map(v, 1, NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        x[i] = (float)i;
        y[i] = 1.0f;
    }

    const float a = 2.0f;
    vyre_work work;
    vyre_ticket ticket;
    memset(&work, 0, sizeof work);
    work.opcode = SAXPY;
    work.arg_count = 3;
    work.args[1] = COUNT; /* from args[0] = 0 */
    memcpy(&work.args[2], &a, sizeof a); /* arguments are 32-bit words */
    if (vyre_publish(v, &work, &ticket, &err) != VYRE_OK ||
        vyre_wait(v, ticket, VYRE_FOREVER, &err) != VYRE_OK)
        return fail(&err);

    unsigned wrong = 0;
    for (unsigned i = 0; i < COUNT; i++)
        wrong += y[i] != 2.0f * (float)i + 1.0f;
    printf("saxpy: %u elements, %u wrong\n", COUNT, wrong);
    vyre_close(v);
    return wrong != 0;
}

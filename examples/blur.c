/* A 5 x 5 blur of an image, one index a pixel.
 *
 *     blur [cpu | vulkan] [side]     of a square; 2048 without one */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLUR 0x1000u

static const uint32_t weights[5] = { 1, 4, 6, 4, 1 }; /* of 16 */

/* Beyond the edge the image goes on as it is there. */
static vyre_value near_by(vyre_program *p, vyre_value at, uint32_t step, vyre_value side)
{
    vyre_value two = vyre_ir_u32(p, 2), one = vyre_ir_u32(p, 1);
    vyre_value moved = vyre_ir_add(p, at, vyre_ir_u32(p, step));
    vyre_value first = vyre_ir_sub(p, vyre_ir_max(p, moved, two), two);
    return vyre_ir_min(p, first, vyre_ir_sub(p, side, one));
}

/* The loops are those of the program that emits: 25 taps stand in the kernel. */
static void emit_blur(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    vyre_value side = slot->arg[2], sum = vyre_ir_u32(p, 0);
    vyre_value x = vyre_ir_rem(p, slot->index, side), y = vyre_ir_div(p, slot->index, side);
    for (uint32_t j = 0; j < 5; j++) {
        vyre_value row = vyre_ir_mul(p, near_by(p, y, j, side), side);
        for (uint32_t i = 0; i < 5; i++) {
            vyre_value at = vyre_ir_add(p, row, near_by(p, x, i, side));
            vyre_value pixel = vyre_ir_load(p, slot->buffers[0], at);
            vyre_value weight = vyre_ir_u32(p, weights[i] * weights[j]);
            sum = vyre_ir_add(p, sum, vyre_ir_mul(p, pixel, weight));
        }
    }
    vyre_value blurred = vyre_ir_shr(p, sum, vyre_ir_u32(p, 8));
    vyre_ir_store(p, slot->buffers[1], slot->index, blurred);
    (void)user;
}

static uint32_t clamped(int at, int side)
{
    return (uint32_t)(at < 0 ? 0 : at >= side ? side - 1 : at);
}

static uint32_t blurred(const uint32_t *image, int side, int x, int y)
{
    uint32_t sum = 0;
    for (int j = 0; j < 5; j++)
        for (int i = 0; i < 5; i++)
            sum += weights[i] * weights[j] *
                   image[clamped(y + j - 2, side) * (uint32_t)side + clamped(x + i - 2, side)];
    return sum >> 8;
}

int main(int argc, char **argv)
{
    const vyre_handler blur = { BLUR, emit_blur, NULL, "blur", VYRE_WIDTH_RANGE, 0, NULL };
    const int side = argc > 2 ? atoi(argv[2]) : 2048;
    const uint32_t count = (uint32_t)(side * side);
    vyre_buffer_desc images[2];
    vyre_desc desc;
    vyre_error err;
    memset(images, 0, sizeof images);
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < 2; i++) {
        images[i].binding = VYRE_BINDING_USER + i;
        images[i].count = count;
        images[i].access = i ? VYRE_ACCESS_WRITE : VYRE_ACCESS_READ;
    }
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &blur;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = images;
    desc.kernel.buffer_count = 2;
    vyre *v = side > 0 ? vyre_open(&desc, &err) : NULL;
    if (!v) {
        fprintf(stderr, "blur: %s\n", side > 0 ? err.text : "the side must be a number");
        return 1;
    }

    uint32_t *from = (uint32_t *)vyre_map(v, 0, NULL), *to = (uint32_t *)vyre_map(v, 1, NULL);
    uint32_t *image = (uint32_t *)malloc((size_t)count * 4); /* the device's is slow to read */
    for (uint32_t i = 0; i < count && image; i++)
        from[i] = image[i] = (i * 2654435761u) >> 24;
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = BLUR;
    work.arg_count = 3;
    work.args[1] = count;
    work.args[2] = (uint32_t)side;
    if (!image || vyre_run(v, &work, 1, NULL, &err) != VYRE_OK) {
        fprintf(stderr, "blur: %s\n", image ? err.text : "no memory");
        return 1;
    }

    uint32_t wrong = 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            wrong += to[y * side + x] != blurred(image, side, x, y);
    printf("blur: %d x %d pixels, %u wrong\n", side, side, wrong);
    free(image);
    vyre_close(v);
    return wrong != 0;
}

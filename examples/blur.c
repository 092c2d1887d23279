/* A 5 x 5 blur of an image, one index a pixel.
 *
 *     blur [cpu | vulkan] [side]     of a square; 2048 without one */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLUR 0x1000u

/* Beyond the edge the image goes on as it is there. */
static const char source[] =
    "uint weight(int d) { return d == 0 ? 6u : abs(d) == 1 ? 4u : 1u; } // of 16\n"
    "int side = int(arg[2]), x = int(index) % side, y = int(index) / side;\n"
    "uint sum = 0;\n"
    "for (int j = -2; j <= 2; j++)\n"
    "    for (int i = -2; i <= 2; i++) {\n"
    "        int row = clamp(y + j, 0, side - 1), column = clamp(x + i, 0, side - 1);\n"
    "        sum += weight(i) * weight(j) * image[row * side + column];\n"
    "    }\n"
    "blurred[index] = sum >> 8;\n";

static const uint32_t weights[5] = { 1, 4, 6, 4, 1 };

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
    const vyre_handler blur = { BLUR, NULL, NULL, "blur", VYRE_WIDTH_RANGE, 0, source, 0 };
    const int side = argc > 2 ? atoi(argv[2]) : 2048;
    const uint32_t count = (uint32_t)(side * side);
    vyre_buffer_desc images[2];
    vyre_desc desc;
    vyre_error err;
    memset(images, 0, sizeof images);
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < 2; i++) {
        images[i].name = i ? "blurred" : "image";
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

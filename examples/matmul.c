/* A product of matrices by tiles: a workgroup runs each tile together, through two
 * arrays that its lanes share.
 *
 *     matmul [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define MATMUL 0x1000u

enum { SIDE = 128, TILE = 16, COUNT = SIDE * SIDE };

/* Each of the group's 256 lanes has one element of the tile: z = x y.  All of them
 * come to the barriers, for the loop's bounds are the same for all. */
static const char source[] =
    "shared uint tile_x[256];\n"
    "shared uint tile_y[256];\n"
    "const uint side = 128, tile = 16, across = side / tile;\n"
    "uint lane_row = lane / tile, lane_column = lane % tile;\n"
    "uint row = index / across * tile + lane_row, column = index % across * tile + lane_column;\n"
    "uint sum = 0;\n"
    "for (uint from = 0; from < side; from += tile) {\n"
    "    tile_x[lane] = x[row * side + from + lane_column];\n"
    "    tile_y[lane] = y[(from + lane_row) * side + column];\n"
    "    barrier();\n"
    "    for (uint k = 0; k < tile; k++)\n"
    "        sum += tile_x[lane_row * tile + k] * tile_y[k * tile + lane_column];\n"
    "    barrier();\n"
    "}\n"
    "z[row * side + column] = sum;\n";

static uint32_t wrong_elements(const uint32_t *x, const uint32_t *y, const uint32_t *z)
{
    uint32_t wrong = 0;
    for (uint32_t r = 0; r < SIDE; r++)
        for (uint32_t c = 0; c < SIDE; c++) {
            uint32_t sum = 0;
            for (uint32_t k = 0; k < SIDE; k++)
                sum += x[r * SIDE + k] * y[k * SIDE + c];
            wrong += z[r * SIDE + c] != sum;
        }
    return wrong;
}

int main(int argc, char **argv)
{
    const vyre_handler matmul = { MATMUL, NULL, NULL, "matmul", VYRE_WIDTH_GROUP, 0, source, 0 };
    static uint32_t x[COUNT], y[COUNT];
    static const char *const names[3] = { "x", "y", "z" };
    vyre_buffer_desc buffers[3];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < 3; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = COUNT;
    }
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &matmul;
    desc.kernel.handler_count = 1;
    desc.kernel.group_size = TILE * TILE; /* the handler counts on it */
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 3;
    vyre *v = vyre_open(&desc, &err);
    if (!v) {
        fprintf(stderr, "matmul: %s\n%s\n", err.text, err.fix);
        return 1;
    }

    for (uint32_t i = 0; i < COUNT; i++) {
        x[i] = i * 2654435761u >> 20;
        y[i] = i * 40503u >> 4;
    }
    memcpy(vyre_map(v, 0, NULL), x, sizeof x);
    memcpy(vyre_map(v, 1, NULL), y, sizeof y);
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = MATMUL;
    work.arg_count = 1;
    work.args[0] = COUNT / (TILE * TILE); /* tiles */
    if (vyre_run(v, &work, 1, NULL, &err) != VYRE_OK) {
        fprintf(stderr, "matmul: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const uint32_t wrong = wrong_elements(x, y, (const uint32_t *)vyre_map(v, 2, NULL));
    printf("matmul: %d x %d, %u wrong\n", SIDE, SIDE, wrong);
    vyre_close(v);
    return wrong != 0;
}

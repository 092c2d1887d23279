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

/* Element (row, column) of a matrix that is SIDE wide. */
static vyre_value at(vyre_program *p, vyre_value row, vyre_value column)
{
    return vyre_ir_add(p, vyre_ir_mul(p, row, vyre_ir_u32(p, SIDE)), column);
}

static vyre_value in_tile(vyre_program *p, vyre_value row, vyre_value column)
{
    return vyre_ir_add(p, vyre_ir_mul(p, row, vyre_ir_u32(p, TILE)), column);
}

/* Each of the group's 256 lanes has one element of the tile: z = x y.  All of them
 * come to the barriers, for the loop's bounds are the same for all. */
static void emit_matmul(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    const vyre_buffer x = slot->buffers[0], y = slot->buffers[1], z = slot->buffers[2];
    const vyre_buffer tile_x = slot->buffers[3], tile_y = slot->buffers[4];
    vyre_value tile = vyre_ir_u32(p, TILE), across = vyre_ir_u32(p, SIDE / TILE);
    vyre_value lane_row = vyre_ir_div(p, slot->lane, tile);
    vyre_value lane_column = vyre_ir_rem(p, slot->lane, tile);
    vyre_value top = vyre_ir_mul(p, vyre_ir_div(p, slot->index, across), tile);
    vyre_value left = vyre_ir_mul(p, vyre_ir_rem(p, slot->index, across), tile);
    vyre_value row = vyre_ir_add(p, top, lane_row), column = vyre_ir_add(p, left, lane_column);
    vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "sum");

    vyre_value step = vyre_ir_loop(p, vyre_ir_u32(p, 0), across);
    vyre_value from = vyre_ir_mul(p, step, tile);
    vyre_value beside = at(p, row, vyre_ir_add(p, from, lane_column));
    vyre_value below = at(p, vyre_ir_add(p, from, lane_row), column);
    vyre_ir_store(p, tile_x, slot->lane, vyre_ir_load(p, x, beside));
    vyre_ir_store(p, tile_y, slot->lane, vyre_ir_load(p, y, below));
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value k = vyre_ir_loop(p, vyre_ir_u32(p, 0), tile);
    vyre_value xk = vyre_ir_load(p, tile_x, in_tile(p, lane_row, k));
    vyre_value yk = vyre_ir_load(p, tile_y, in_tile(p, k, lane_column));
    vyre_value before = vyre_ir_get(p, sum);
    vyre_ir_set(p, sum, vyre_ir_add(p, before, vyre_ir_mul(p, xk, yk)));
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
    vyre_value total = vyre_ir_get(p, sum);
    vyre_ir_store(p, z, at(p, row, column), total);
    (void)user;
}

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
    const vyre_handler matmul = { MATMUL, emit_matmul, NULL, "matmul", VYRE_WIDTH_GROUP, 0, NULL };
    static uint32_t x[COUNT], y[COUNT];
    vyre_buffer_desc buffers[5];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < 5; i++) {
        buffers[i].binding = i < 3 ? VYRE_BINDING_USER + i : 0;
        buffers[i].access = i < 3 ? VYRE_ACCESS_READ_WRITE : VYRE_ACCESS_WORKGROUP;
        buffers[i].count = i < 3 ? COUNT : TILE * TILE;
    }
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &matmul;
    desc.kernel.handler_count = 1;
    desc.kernel.group_size = TILE * TILE; /* the handler counts on it */
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 5;
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

/* Every variant of the stock kernels, by number, for tests of what is made
 * from them.
 *
 *     for (uint32_t i = 0; i < KERNEL_VARIANTS; i++) {
 *         vyre_program *p = kernel_variant(i, NULL);   // NULL: refused, as it should be
 */
#ifndef SPIRV_KERNELS_H
#define SPIRV_KERNELS_H

#include "test.h"
#include "vyre.h"

#define KERNEL_ONCE        0x001u
#define KERNEL_IO_POLLING  0x002u
#define KERNEL_LOAD_MISS   0x004u
#define KERNEL_REPORT      0x008u
#define KERNEL_OPEN_HEADER 0x010u
#define KERNEL_HANDLERS    0x020u
#define KERNEL_TABLE       0x040u
#define KERNEL_MIRROR      0x080u
#define KERNEL_WORKSPACE   0x100u
#define KERNEL_FLAGS       0x200u
#define KERNEL_VARIANTS    (3 * KERNEL_FLAGS)

/* User opcode 0x100: buffer[a0] = a0 * a1 + sum of 0 .. a2 - 1, or a fault beyond it. */
static void kernel_handler(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    (void)user;
    const vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32,
                                         vyre_ir_mul(p, slot->arg[0], slot->arg[1]), "sum");
    const vyre_value zero = vyre_ir_u32(p, 0);
    const vyre_value i = vyre_ir_loop(p, zero, slot->arg[2]);
    vyre_ir_set(p, sum, vyre_ir_add(p, vyre_ir_get(p, sum), i));
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_lt(p, slot->arg[0], vyre_ir_length(p, slot->buffers[0])));
    const vyre_value result = vyre_ir_get(p, sum);
    vyre_ir_store(p, slot->buffers[0], slot->arg[0], result);
    vyre_emit_result(p, slot, 1, result);
    vyre_ir_else(p);
    vyre_emit_fault(p, slot, vyre_ir_u32(p, VYRE_FAULT_USER + 1));
    vyre_ir_end(p);
}

static void kernel_hook(vyre_program *p, vyre_buffer workspace, void *user)
{
    (void)user;
    const vyre_value one = vyre_ir_u32(p, 1);
    (void)vyre_ir_atomic(p, VYRE_ATOMIC_ADD, workspace, vyre_ir_u32(p, 0), one,
                         VYRE_ORDER_RELAXED);
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static vyre_program *kernel_variant(uint32_t number, const vyre_allocator *allocator)
{
    static const vyre_handler handlers[1] = { VYRE_HANDLER(0x100, kernel_handler, NULL, "axpy") };
    const uint32_t flags = number % KERNEL_FLAGS;
    vyre_buffer_desc buffers[3];
    vyre_workspace workspace;
    vyre_kernel_desc desc;
    vyre_kernel_host host;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&host, 0, sizeof host);
    memset(buffers, 0, sizeof buffers);
    memset(&workspace, 0, sizeof workspace);
    for (uint32_t i = 0; i < 3; i++)
        buffers[i].binding = VYRE_BINDING_USER + i;
    buffers[1].access = VYRE_ACCESS_READ;
    workspace.buffer.binding = VYRE_BINDING_USER + 3;
    workspace.bootstrap = workspace.guard = workspace.dispatch = kernel_hook;
    desc.kind = (vyre_kernel_kind)(number / KERNEL_FLAGS);
    desc.workgroup_size = 64;
    desc.once = flags & KERNEL_ONCE;
    desc.io_polling = flags & KERNEL_IO_POLLING;
    desc.load_miss = flags & KERNEL_LOAD_MISS;
    desc.control_report = flags & KERNEL_REPORT;
    desc.open_header = flags & KERNEL_OPEN_HEADER;
    desc.buffers = buffers;
    desc.buffer_count = flags & KERNEL_MIRROR ? 2 : 3;
    desc.table_binding = flags & KERNEL_TABLE ? VYRE_BINDING_USER + 1 : 0;
    host.mirror_binding = flags & KERNEL_MIRROR ? VYRE_BINDING_USER + 2 : 0;
    desc.workspace = flags & KERNEL_WORKSPACE ? &workspace : NULL;
    if (desc.kind == VYRE_KERNEL_JIT) {
        desc.payload = kernel_handler;
    } else if (flags & KERNEL_HANDLERS) {
        desc.handlers = handlers;
        desc.handler_count = 1;
    }
    if (allocator)
        desc.allocator = *allocator;
    return vyre_kernel_build_for(&desc, &host, &err);
}

#endif

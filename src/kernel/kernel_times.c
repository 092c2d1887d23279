/* ==========================================================================
 * kernel: when works were claimed and ended
 *
 * Private, of handles that are traced.  A lane stores the clock behind its claim, and
 * again before the mirror, whose release makes both seen; with `whole_slots`, where the
 * mirror is relaxed, a host may find zeros and does without.  Nothing is kept in
 * registers over a job.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* The clock's words, `apart` from each other. */
static void vyi_times_store(vyi_kernel *k, vyre_value at, uint32_t apart)
{
    vyre_program *p = k->p;
    vyre_value high, low = vyi_ir_clock(p, &high);
    vyre_ir_atomic_store(p, k->times, at, low, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->times, vyi_kernel_plus(k, at, apart), high, VYRE_ORDER_RELAXED);
}

static void vyi_times_slot(vyi_kernel *k, uint32_t word)
{
    if (!k->times.id)
        return;
    const uint32_t first = vyi_times_slot_at(k->wide_host.binding != 0, 0, word);
    vyre_value slot = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    vyre_value place = vyi_kernel_op(k, vyre_ir_and, slot, VYI_TIMES_BLOCK - 1);
    vyre_value block = vyre_ir_sub(k->p, slot, place);
    block = vyi_kernel_op(k, vyre_ir_mul, block, VYI_TIMES_SLOT_WORDS);
    vyre_value at = vyre_ir_add(k->p, block, place);
    vyi_times_store(k, vyi_kernel_plus(k, at, first), VYI_TIMES_BLOCK);
}

VYI_API void vyi_times_claimed(vyi_kernel *k)
{
    vyi_times_slot(k, VYI_TIMES_BEGIN);
}

VYI_API void vyi_times_ended(vyi_kernel *k)
{
    vyi_times_slot(k, VYI_TIMES_END);
}

/* --- rows of groups ------------------------------------------------------- */

/* Which row is this group's, of those that run chunks; beyond the last: none. */
static vyre_value vyi_times_row(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value group = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X);
    if (!k->wide_host.groups)
        return group;
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + VYI_WIDE_POLLERS);
    return vyre_ir_sub(p, group, vyre_ir_load(p, k->wide.buffer, at));
}

static vyre_value vyi_times_count_at(vyi_kernel *k, vyre_value row)
{
    return vyi_kernel_plus(k, row, VYI_WIDE_HEAD + VYI_WIDE_ROWS);
}

/* The place of the row's next chunk. */
static vyre_value vyi_times_chunk(vyi_kernel *k, vyre_value row, vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value turn = vyi_kernel_op(k, vyre_ir_and, count, VYI_TIMES_CHUNKS - 1);
    vyre_value first = vyi_kernel_op(k, vyre_ir_mul, row, VYI_TIMES_ROW_WORDS);
    return vyre_ir_add(p, first, vyi_kernel_op(k, vyre_ir_mul, turn, VYI_TIMES_CHUNK_WORDS));
}

/* The first lane, if the group has a row. */
static vyre_value vyi_times_row_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value row = vyi_times_row(k);
    vyre_value first = vyi_kernel_is(k, k->wide.lane, 0);
    vyre_value some = vyi_kernel_op(k, vyre_ir_lt, row, VYI_TIMES_GROUPS);
    vyre_ir_if(p, vyre_ir_and(p, first, some));
    return row;
}

/* Whoever runs the first chunk claims the work. */
VYI_API void vyi_times_chunk_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->times.id)
        return;
    vyre_value both = vyre_ir_or(p, k->wide.lane, k->wide.chunk);
    vyre_ir_if(p, vyi_kernel_is(k, both, 0));
    vyi_times_claimed(k);
    vyre_ir_end(p);
    vyre_value zero = vyi_kernel_u32(k, 0), one = vyi_kernel_u32(k, 1);
    k->wide.entry = vyre_ir_local(p, VYRE_TYPE_U32, zero, "entry");
    vyre_value row = vyi_times_row_begin(k);
    vyre_value count = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->wide.buffer,
                                      vyi_times_count_at(k, row), one, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, k->wide.entry, count);
    vyi_times_store(k, vyi_times_chunk(k, row, count), 1);
    vyre_ir_end(p);
}

/* By the first lane; the number says that the rest is there. */
VYI_API void vyi_times_chunk_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->times.id)
        return;
    vyre_value row = vyi_times_row_begin(k);
    vyre_value count = vyre_ir_get(p, k->wide.entry);
    vyre_value at = vyi_times_chunk(k, row, count), more = vyi_kernel_plus(k, count, 1);
    vyre_value slot = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    vyi_times_store(k, vyi_kernel_plus(k, at, VYI_TIMES_END), 1);
    vyre_ir_atomic_store(p, k->times, vyi_kernel_plus(k, at, VYI_TIMES_SLOT), slot,
                         VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->times, vyi_kernel_plus(k, at, VYI_TIMES_NUMBER), more,
                         VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
}

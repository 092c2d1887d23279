/* ==========================================================================
 * spirv: buffers, orders, and the bounds of indices
 *
 * Private.  Every access is inside its buffer: by a check at run time, or by
 * what the conditions around it say about its index (range_impl.h).
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- buffers ------------------------------------------------------------- */

VYI_API bool vyi_spv_is_shared(const vyi_spv *e, uint32_t buffer)
{
    return vyi_buffer_of(e->p, buffer)->access == VYRE_ACCESS_WORKGROUP;
}

static uint32_t vyi_spv_storage(const vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_is_shared(e, buffer) ? VYI_SPV_StorageClassWorkgroup
                                        : VYI_SPV_StorageClassStorageBuffer;
}

static uint32_t vyi_spv_shared_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t element = vyi_spv_type(e, vyi_spv_memory_type(b->type));
    const uint32_t count = vyi_spv_u32(e, b->count);
    return vyi_spv_shared(e, vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, element, count),
                          b->count * 4);
}

/* The struct type of a buffer of `type`: one array of run-time length. */
static uint32_t vyi_spv_buffer_block(vyi_spv *e, uint32_t type)
{
    if (!e->blocks[type]) {
        const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeRuntimeArray, 1,
                                               vyi_spv_type(e, type));
        vyi_spv_decorate_with(e, array, VYI_SPV_DecorationArrayStride, 4u);
        e->blocks[type] = vyi_spv_block_type(e, array);
    }
    return e->blocks[type];
}

/* GLSL450 needs Coherent for what lanes of other workgroups are to see.  A
 * kernel that is fed while it runs has nothing that is constant: what the
 * program only reads may be new after each acquire, so it is coherent, too,
 * and not marked as never written. */
static uint32_t vyi_spv_storage_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t block = vyi_spv_buffer_block(e, vyi_spv_memory_type(b->type));
    const uint32_t id = vyi_spv_variable(e, VYI_SPV_StorageClassStorageBuffer, block);
    const bool constant = b->access == VYRE_ACCESS_READ && !e->fed && !e->desc.unfenced;
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationDescriptorSet, 0u);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBinding, b->binding);
    if (constant)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationNonWritable);
    else if (!e->vulkan_model)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationCoherent);
    return id;
}

static uint32_t vyi_spv_buffer(vyi_spv *e, uint32_t buffer)
{
    VYRE_ASSERT(buffer && buffer <= e->p->buffer_count);
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    if (!e->buffers[buffer]) {
        e->buffers[buffer] = vyi_spv_is_shared(e, buffer) ? vyi_spv_shared_variable(e, b)
                                                          : vyi_spv_storage_variable(e, b);
        vyi_spv_name(e, e->buffers[buffer], b->name);
    }
    return e->buffers[buffer];
}

/* Elements that can be reached, computed once, in the first block. */
VYI_API uint32_t vyi_spv_length(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (e->lengths[buffer])
        return e->lengths[buffer];
    if (vyi_spv_is_shared(e, buffer))
        return e->lengths[buffer] = vyi_spv_u32(e, b->count);
    uint32_t length = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpArrayLength, 4, u32, length,
                vyi_spv_buffer(e, buffer), 0u);
    if (b->count) {
        const uint32_t bound = length, count = vyi_spv_u32(e, b->count);
        const uint32_t less = vyi_spv_id(e);
        length = vyi_spv_id(e);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpULessThan, 4, vyi_spv_type(e, VYRE_TYPE_BOOL),
                    less, bound, count);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpSelect, 5, u32, length, less, bound, count);
    }
    return e->lengths[buffer] = length;
}

static uint32_t vyi_spv_element(vyi_spv *e, uint32_t buffer, uint32_t index)
{
    const uint32_t type = vyi_spv_memory_type(vyi_buffer_of(e->p, buffer)->type);
    const uint32_t pointer = vyi_spv_pointer_type(e, vyi_spv_storage(e, buffer),
                                                  vyi_spv_type(e, type));
    const uint32_t variable = vyi_spv_buffer(e, buffer);
    if (vyi_spv_is_shared(e, buffer))
        return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 3, variable, vyi_spv_u32(e, 0), index);
}

/* --- orders -------------------------------------------------------------- */

/* Memory semantics of the Vulkan model, by vyre_order. */
static const uint16_t vyi_spv_orders[4] = {
    0,
    VYI_SPV_MemorySemanticsAcquire | VYI_SPV_MemorySemanticsMakeVisible,
    VYI_SPV_MemorySemanticsRelease | VYI_SPV_MemorySemanticsMakeAvailable,
    VYI_SPV_MemorySemanticsAcquireRelease | VYI_SPV_MemorySemanticsMakeVisible |
        VYI_SPV_MemorySemanticsMakeAvailable
};

/* In GLSL450, orders are barriers around relaxed atomics: what every compiler
 * of GLSL has always made, and what MoltenVK understands. */
static uint32_t vyi_spv_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED || !e->vulkan_model || e->desc.unfenced)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, vyi_spv_orders[order] | e->memory_bits);
}

static uint32_t vyi_spv_barrier_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, e->memory_bits |
                              (e->vulkan_model
                                   ? (uint32_t)vyi_spv_orders[order]
                                   : (uint32_t)VYI_SPV_MemorySemanticsAcquireRelease));
}

static uint32_t vyi_spv_scope(vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_u32(e, vyi_spv_is_shared(e, buffer) ? VYI_SPV_ScopeWorkgroup
                                                       : VYI_SPV_ScopeDevice);
}

/* The barrier of GLSL450 before a releasing or after an acquiring atomic. */
static void vyi_spv_fence(vyi_spv *e, const vyi_inst *inst, uint32_t side)
{
    if (e->vulkan_model || e->desc.unfenced || !(inst->order & side))
        return;
    const uint32_t semantics = vyi_spv_barrier_semantics(e, inst->order);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2, vyi_spv_scope(e, inst->arg[0]),
                semantics);
}

/* What stands for a fence in an unfenced module: a read-modify-write of a
 * word that nobody looks at. */
static void vyi_spv_touch_word(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), zero = vyi_spv_u32(e, 0);
    if (!e->fence_word)
        e->fence_word = vyi_spv_shared(e, u32, 4);
    const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicOr, 6, u32, vyi_spv_id(e), e->fence_word, scope,
                zero, zero);
}

VYI_COLD
VYI_API void vyi_spv_barrier(vyi_spv *e, const vyi_inst *inst)
{
    const bool device = inst->sub == VYRE_SCOPE_DEVICE;
    const bool subgroup = inst->sub == VYRE_SCOPE_SUBGROUP;
    if ((device && !inst->order) || (e->desc.unfenced && subgroup && !inst->order))
        return;
    if (e->desc.unfenced && (device || subgroup)) {
        vyi_spv_touch_word(e);
        return;
    }
    if (device) {
        const uint32_t semantics = vyi_spv_barrier_semantics(e, inst->order);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2,
                    vyi_spv_u32(e, VYI_SPV_ScopeDevice), semantics);
        return;
    }
    if (subgroup)
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    const uint32_t scope = vyi_spv_u32(e, subgroup ? VYI_SPV_ScopeSubgroup
                                                   : VYI_SPV_ScopeWorkgroup);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                vyi_spv_barrier_semantics(e, inst->order ? (uint32_t)VYRE_ORDER_ACQ_REL : 0u));
}

/* --- memory -------------------------------------------------------------- */

/* Code that runs only when an index is inside. */
typedef struct vyi_spv_guard {
    uint32_t before, merge; /* labels; merge 0: nothing to guard */
    uint32_t values;
} vyi_spv_guard;

static uint32_t vyi_spv_check_index(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t length = vyi_spv_length(e, inst->arg[0]);
    return vyi_spv_test(e, VYI_SPV_OpULessThan, vyi_spv_value(e, inst->arg[1]), length);
}

/* Opens the guard and returns the element's pointer. */
static uint32_t vyi_spv_guard_open(vyi_spv *e, const vyi_inst *inst, vyi_spv_guard *guard)
{
    const uint32_t index = vyi_spv_value(e, inst->arg[1]);
    guard->merge = 0;
    guard->values = e->values.count;
    if (!vyi_range_inside(&e->range, inst->arg[0], inst->arg[1])) {
        const uint32_t cond = vyi_spv_check_index(e, inst);
        const uint32_t inside = vyi_spv_id(e);
        guard->before = e->block;
        guard->merge = vyi_spv_id(e);
        guard->values = e->values.count;
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, guard->merge, 0u);
        vyi_spv_branch_if(e, cond, inside, guard->merge);
        vyi_spv_label(e, inside);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

/* Whether anything reads the instruction's value. */
static bool vyi_spv_is_used(const vyi_spv *e, const vyi_inst *inst)
{
    return (e->needed[inst - e->p->insts] & VYI_SPV_USED) != 0;
}

/* Closes it; the result is `value`, which was computed inside, or 0. */
static uint32_t vyi_spv_guard_close(vyi_spv *e, const vyi_spv_guard *guard, uint32_t type,
                                    uint32_t value)
{
    VYRE_ASSERT(guard->values <= e->values.count);
    const uint32_t inside = e->block;
    if (!guard->merge)
        return value;
    vyi_spv_forget(&e->values, guard->values);
    vyi_spv_branch(e, guard->merge);
    vyi_spv_label(e, guard->merge);
    if (!value)
        return 0;
    const uint32_t result = vyi_spv_id(e), zero = vyi_spv_const(e, type, 0);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, type), result, value, inside,
                zero, guard->before);
    return result;
}

/* A pointer that may be read in any case: beyond the length it is that of
 * element 0, *cond then is false and the caller drops what it read.  No
 * buffer that Vulkan binds is empty, as offsets and allocations are multiples of 4. */
static uint32_t vyi_spv_readable(vyi_spv *e, const vyi_inst *inst, uint32_t *cond)
{
    const uint32_t zero = vyi_spv_u32(e, 0);
    uint32_t index = vyi_spv_value(e, inst->arg[1]);
    *cond = 0;
    if (!vyi_range_inside(&e->range, inst->arg[0], inst->arg[1])) {
        *cond = vyi_spv_check_index(e, inst);
        if (index != zero)
            index = vyi_spv_select(e, VYRE_TYPE_U32, *cond, index, zero);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

VYI_API uint32_t vyi_spv_from_memory(vyi_spv *e, uint32_t type, uint32_t word)
{
    if (type != VYRE_TYPE_BOOL)
        return word;
    return vyi_spv_binary(e, VYI_SPV_OpINotEqual, type, word, vyi_spv_u32(e, 0));
}

VYI_API uint32_t vyi_spv_to_memory(vyi_spv *e, uint32_t type, uint32_t value)
{
    if (type != VYRE_TYPE_BOOL)
        return value;
    const uint32_t zero = vyi_spv_u32(e, 0);
    return vyi_spv_select(e, VYRE_TYPE_U32, value, vyi_spv_u32(e, 1), zero);
}

/* In the Vulkan model, an access that other lanes may take part in. */
/* The operands that say how a plain access to `buffer` works: how many, mask
 * and scope.  `coherent` is what makes it available, or visible. */
typedef struct vyi_spv_access {
    uint32_t count, mask, scope;
} vyi_spv_access;

static vyi_spv_access vyi_spv_plain(vyi_spv *e, uint32_t buffer, uint32_t coherent)
{
    vyi_spv_access access = { 0, VYI_SPV_MemoryAccessNonPrivatePointer, 0 };
    if (!e->vulkan_model)
        return access;
    access.count = 1;
    if (e->written[buffer - 1] && !e->desc.unfenced) {
        access.count = 2;
        access.mask |= coherent;
        access.scope = vyi_spv_scope(e, buffer);
    }
    return access;
}

VYI_API uint32_t vyi_spv_load(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t memory = vyi_spv_memory_type(inst->type);
    const vyi_spv_access access =
        vyi_spv_plain(e, inst->arg[0], VYI_SPV_MemoryAccessMakePointerVisible);
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, 3 + access.count, vyi_spv_type(e, memory), id,
                pointer, access.mask, access.scope);
    uint32_t value = id;
    if (cond)
        value = vyi_spv_select(e, memory, cond, id, vyi_spv_const(e, memory, 0));
    return vyi_spv_from_memory(e, inst->type, value);
}

static void vyi_spv_store_to(vyi_spv *e, uint32_t buffer, uint32_t pointer, uint32_t value)
{
    const vyi_spv_access access =
        vyi_spv_plain(e, buffer, VYI_SPV_MemoryAccessMakePointerAvailable);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2 + access.count, pointer, value, access.mask,
                access.scope);
}

VYI_API void vyi_spv_store(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    const uint32_t value = vyi_spv_to_memory(e, type, vyi_spv_value(e, inst->arg[2]));
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_store_to(e, inst->arg[0], pointer, value);
    vyi_spv_guard_close(e, &guard, type, 0);
}

VYI_API uint32_t vyi_spv_atomic_load(vyi_spv *e, const vyi_inst *inst)
{
    const bool modify = e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED;
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    const uint32_t zero = vyi_spv_const(e, inst->type, 0);
    const uint32_t semantics = vyi_spv_semantics(e, inst->order);
    const uint32_t scope = vyi_spv_scope(e, inst->arg[0]);
    vyi_spv_put(e, VYI_SPV_BODY, modify ? VYI_SPV_OpAtomicOr : VYI_SPV_OpAtomicLoad,
                modify ? 6u : 5u, vyi_spv_type(e, inst->type), id, pointer, scope, semantics,
                zero);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return cond ? vyi_spv_select(e, inst->type, cond, id, zero) : id;
}

/* By vyre_atomic_op: for u32, for i32. */
static const uint16_t vyi_spv_atomics[VYRE_ATOMIC_OP_COUNT][2] = {
    { VYI_SPV_OpAtomicIAdd, VYI_SPV_OpAtomicIAdd },
    { VYI_SPV_OpAtomicISub, VYI_SPV_OpAtomicISub },
    { VYI_SPV_OpAtomicAnd, VYI_SPV_OpAtomicAnd },
    { VYI_SPV_OpAtomicOr, VYI_SPV_OpAtomicOr },
    { VYI_SPV_OpAtomicXor, VYI_SPV_OpAtomicXor },
    { VYI_SPV_OpAtomicUMin, VYI_SPV_OpAtomicSMin },
    { VYI_SPV_OpAtomicUMax, VYI_SPV_OpAtomicSMax },
    { VYI_SPV_OpAtomicExchange, VYI_SPV_OpAtomicExchange }
};

/* ATOMIC, ATOMIC_CAS, ATOMIC_STORE: the previous value, where anything reads it. */
VYI_API uint32_t vyi_spv_atomic(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    const uint32_t value = vyi_spv_value(e, inst->arg[2]);
    const uint32_t desired = inst->op == VYI_OP_ATOMIC_CAS ? vyi_spv_value(e, inst->arg[3]) : 0;
    const bool plain = inst->op == VYI_OP_ATOMIC_STORE &&
                       !(e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED);
    const uint32_t id = plain ? 0 : vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_fence(e, inst, VYRE_ORDER_RELEASE);
    const uint32_t result = vyi_spv_type(e, type), scope = vyi_spv_scope(e, inst->arg[0]);
    const uint32_t semantics = vyi_spv_semantics(e, inst->order);
    if (plain)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicStore, 4, pointer, scope, semantics, value);
    else if (inst->op == VYI_OP_ATOMIC)
        vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_atomics[inst->sub][type == VYRE_TYPE_I32], 6, result,
                    id, pointer, scope, semantics, value);
    else if (inst->op == VYI_OP_ATOMIC_CAS)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicCompareExchange, 8, result, id, pointer,
                    scope, semantics, vyi_spv_semantics(e, inst->order & VYRE_ORDER_ACQUIRE),
                    desired, value);
    else
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicExchange, 6, result, id, pointer, scope,
                    semantics, value);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return vyi_spv_guard_close(e, &guard, type, vyi_spv_is_used(e, inst) ? id : 0);
}

/* --- workgroup arrays ---------------------------------------------------- */

static uint32_t vyi_spv_lanes(vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, size[0] * size[1] * size[2]);
    return vyi_spv_word(e, VYI_SPV_OpIMul,
                        vyi_spv_word(e, VYI_SPV_OpIMul, e->group_size[0],
                                     e->group_size[1]), e->group_size[2]);
}

/* for (i = local_index; i < count; i += lanes) array[i] = 0 */
static void vyi_spv_clear_array(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t first = vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX), lanes = vyi_spv_lanes(e);
    const uint32_t zero = vyi_spv_const(e, vyi_spv_memory_type(b->type), 0);
    const uint32_t header = vyi_spv_id(e), body = vyi_spv_id(e), next = vyi_spv_id(e);
    const uint32_t merge = vyi_spv_id(e), index = vyi_spv_id(e), step = vyi_spv_id(e);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), before = e->block;
    const uint32_t values = e->values.count;
    vyi_spv_branch(e, header);
    vyi_spv_label(e, header);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, u32, index, first, before, step, next);
    const uint32_t cond = vyi_spv_test(e, VYI_SPV_OpULessThan, index, vyi_spv_length(e, buffer));
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, merge, next, 0u);
    vyi_spv_branch_if(e, cond, body, merge);
    vyi_spv_label(e, body);
    vyi_spv_store_to(e, buffer, vyi_spv_element(e, buffer, index), zero);
    vyi_spv_branch(e, next);
    vyi_spv_label(e, next);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpIAdd, 4, u32, step, index, lanes);
    vyi_spv_branch(e, header);
    vyi_spv_forget(&e->values, values);
    vyi_spv_label(e, merge);
}

VYI_COLD
VYI_API void vyi_spv_clear_arrays(vyi_spv *e)
{
    bool any = false;
    for (uint32_t buffer = 1; buffer <= e->p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer)) {
            vyi_spv_clear_array(e, buffer);
            any = true;
        }
    if (any) {
        const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                    vyi_spv_barrier_semantics(e, VYRE_ORDER_ACQ_REL));
    }
}

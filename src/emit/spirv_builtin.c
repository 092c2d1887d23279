/* ==========================================================================
 * spirv: what a program can ask about where it runs
 *
 * Private.  Ids, sizes, and the iterations that a driver counts.
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- builtins ------------------------------------------------------------ */

VYI_API uint32_t vyi_spv_start_load(vyi_spv *e, uint32_t type, uint32_t pointer)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLoad, 3, type, id, pointer);
    return id;
}

/* An input, loaded once. */
VYI_COLD
static uint32_t vyi_spv_input(vyi_spv *e, uint32_t slot, uint32_t builtin, uint32_t type)
{
    if (!e->inputs[slot]) {
        const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassInput, type);
        vyi_spv_decorate_with(e, variable, VYI_SPV_DecorationBuiltIn, builtin);
        e->inputs[slot] = vyi_spv_start_load(e, type, variable);
    }
    return e->inputs[slot];
}

VYI_COLD
static uint32_t vyi_spv_input_component(vyi_spv *e, uint32_t slot, uint32_t builtin,
                                        uint32_t component)
{
    VYRE_ASSERT(component < 3);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t vector = vyi_spv_input(e, slot, builtin,
                                          vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u));
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpCompositeExtract, 4, u32, id, vector, component);
    return id;
}

/* The vectors among the builtins, in the order of VYRE_BUILTIN_LIST; 0 is the
 * workgroup's size, which is a constant. */
static const uint16_t vyi_spv_vectors[] = {
    VYI_SPV_BuiltInLocalInvocationId, VYI_SPV_BuiltInWorkgroupId,
    VYI_SPV_BuiltInGlobalInvocationId, 0, VYI_SPV_BuiltInNumWorkgroups
};
VYI_STATIC_ASSERT(spv_vectors, VYRE_BUILTIN_LOCAL_INDEX == 15 && VYRE_BUILTIN_COUNT == 20 &&
                                   VYRE_BUILTIN_GROUP_SIZE_X == 9);

VYI_COLD
static uint32_t vyi_spv_scalar_input(vyi_spv *e, uint32_t builtin)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (builtin == VYRE_BUILTIN_LOCAL_INDEX)
        return vyi_spv_input(e, builtin, VYI_SPV_BuiltInLocalInvocationIndex, u32);
    vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    return vyi_spv_input(e, builtin,
                         builtin == VYRE_BUILTIN_SUBGROUP_LANE
                             ? VYI_SPV_BuiltInSubgroupLocalInvocationId
                             : VYI_SPV_BuiltInSubgroupSize,
                         u32);
}

/* The workgroup's size: literal, or from specialization constants 0, 1, 2. */
static uint32_t vyi_spv_group_size(vyi_spv *e, uint32_t component)
{
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, e->p->group_size[component]);
    return e->group_size[component];
}

VYI_COLD
VYI_API void vyi_spv_declare_group_size(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t *size = e->p->group_size;
    vyi_spv_put(e, VYI_SPV_MODES, VYI_SPV_OpExecutionMode, 5, VYI_SPV_MAIN,
                VYI_SPV_ExecutionModeLocalSize, size[0], size[1], size[2]);
    if (!e->desc.spec_group_size)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        e->group_size[i] = vyi_spv_id(e);
        vyi_spv_decorate_with(e, e->group_size[i], VYI_SPV_DecorationSpecId, i);
        vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstant, 3, u32, e->group_size[i], size[i]);
    }
    const uint32_t vector = vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u);
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstantComposite, 5, vector, id,
                e->group_size[0], e->group_size[1], e->group_size[2]);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBuiltIn, VYI_SPV_BuiltInWorkgroupSize);
}

/* --- iterations ---------------------------------------------------------- */

/* Iterations so far, as the driver counts them: this lane's, or its vector's. */
VYI_API uint32_t vyi_spv_trips(vyi_spv *e)
{
    if (!e->trips)
        return e->current[e->desc.unfenced ? e->cost : e->spent];
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, 3, vyi_spv_type(e, VYRE_TYPE_U32), id, e->trips);
    return id;
}

VYI_COLD
static uint32_t vyi_spv_loop_left(vyi_spv *e)
{
    if (!e->desc.loop_limit)
        return vyi_spv_u32(e, 0xffffffffu);
    const uint32_t trips = vyi_spv_trips(e);
    return vyi_spv_word(e, VYI_SPV_OpISub, vyi_spv_u32(e, e->desc.loop_limit), trips);
}

VYI_COLD
VYI_API uint32_t vyi_spv_builtin(vyi_spv *e, uint32_t builtin)
{
    VYRE_ASSERT(builtin < VYRE_BUILTIN_COUNT);
    const uint32_t vector = builtin / 3, component = builtin % 3;
    if (builtin == VYRE_BUILTIN_LOOP_LEFT)
        return vyi_spv_loop_left(e);
    if (builtin == VYRE_BUILTIN_LOOP_CUT)
        return e->desc.loop_limit ? e->current[e->cut] : vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
    if (e->builtins[builtin])
        return e->builtins[builtin];
    if (builtin >= VYRE_BUILTIN_LOCAL_INDEX)
        e->builtins[builtin] = vyi_spv_scalar_input(e, builtin);
    else if (vector == VYRE_BUILTIN_GROUP_SIZE_X / 3)
        e->builtins[builtin] = vyi_spv_group_size(e, component);
    else
        e->builtins[builtin] = vyi_spv_input_component(e, 3 * vector, vyi_spv_vectors[vector],
                                                       component);
    return e->builtins[builtin];
}

/* A word for each vector of llvmpipe, which its lanes read and write in step.
 * A vector is a run of lanes of one row: of equal y and z. */
VYI_API void vyi_spv_count_trips(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t storage = VYI_SPV_StorageClassWorkgroup;
    const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, u32,
                                           vyi_spv_u32(e, VYRE_MAX_WORKGROUP));
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, u32);
    const uint32_t variable = vyi_spv_shared(e, array, VYRE_MAX_WORKGROUP * 4);
    const uint32_t width = vyi_spv_builtin(e, VYRE_BUILTIN_GROUP_SIZE_X);
    const uint32_t row = vyi_spv_word(e, VYI_SPV_OpUDiv,
                                      vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX), width);
    const uint32_t lanes = vyi_spv_builtin(e, VYRE_BUILTIN_SUBGROUP_SIZE);
    const uint32_t column = vyi_spv_word(e, VYI_SPV_OpUDiv,
                                         vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_ID_X), lanes);
    const uint32_t first = vyi_spv_word(e, VYI_SPV_OpIMul, row, width);
    const uint32_t index = vyi_spv_word(e, VYI_SPV_OpIAdd, first, column);
    e->trips = vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips, vyi_spv_u32(e, 0));
}

/* ==========================================================================
 * spirv: implementation
 *
 * One pass over the program.  Words go to one buffer per section of the
 * module; what later instructions turn out to need (a type, a constant, the
 * length of a buffer) goes to its section at first use.  Locals become SSA
 * values: each open block knows which locals it may set, each branch to its
 * end records their values, and the end makes a phi where they differ.
 *
 * Two sets find equal instructions by the hash of their words: one for the
 * module (types, constants), one for the values that dominate the current
 * place, which shrinks again when a block ends.
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- words --------------------------------------------------------------- */

VYI_API uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count)
{
    void *at = w->at;
    if (e->failed)
        return NULL;
    if (w->capacity - w->count < count) {
        if (!vyi_grow(&e->p->allocator, &at, &w->capacity, w->count + count, sizeof *w->at)) {
            e->failed = true;
            return NULL;
        }
        w->at = (uint32_t *)at;
    }
    w->count += count;
    return w->at + (w->count - count);
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_id(vyi_spv *e)
{
    return e->next_id++;
}

VYI_API uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...)
{
    vyi_spv_words *w = &e->section[section];
    const uint32_t offset = w->count;
    uint32_t *words = vyi_spv_room(e, w, count + 1);
    va_list operands;
    if (!words)
        return 0;
    words[0] = ((count + 1) << 16) | op;
    va_start(operands, count);
    for (uint32_t i = 1; i <= count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    return offset;
}

VYI_API void vyi_spv_extend(vyi_spv *e, uint32_t section, uint32_t offset, uint32_t count, ...)
{
    uint32_t *words = vyi_spv_room(e, &e->section[section], count);
    va_list operands;
    if (!words)
        return;
    va_start(operands, count);
    for (uint32_t i = 0; i < count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    e->section[section].at[offset] += count << 16;
}

/* More operands: a string's words, little-endian, terminated, padded with zeros. */
static void vyi_spv_extend_text(vyi_spv *e, uint32_t section, uint32_t offset, const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i <= length; i += 4) {
        uint32_t word = 0;
        for (size_t k = i; k < i + 4 && k < length; k++)
            word |= (uint32_t)(uint8_t)text[k] << (8 * (k - i));
        vyi_spv_extend(e, section, offset, 1, word);
    }
}

VYI_API void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name)
{
    if (e->desc.names && name && *name)
        vyi_spv_extend_text(e, VYI_SPV_NAMES,
                            vyi_spv_put(e, VYI_SPV_NAMES, VYI_SPV_OpName, 1, id), name);
}

/* --- equal instructions -------------------------------------------------- */

static uint32_t vyi_spv_hash(const uint32_t *words, uint32_t count)
{
    uint32_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return hash;
}

/* Equal but for the result id, which is word `result`. */
static bool vyi_spv_equal(const uint32_t *a, const uint32_t *b, uint32_t count, uint32_t result)
{
    for (uint32_t i = 0; i < count; i++)
        if (i != result && a[i] != b[i])
            return false;
    return true;
}

/* The id of an instruction with these words: one that is there, or a new one.
 * Word `result` is 0 on entry. */
static uint32_t vyi_spv_intern(vyi_spv *e, vyi_spv_set *set, uint32_t *words, uint32_t count,
                               uint32_t result)
{
    vyi_spv_words *w = &e->section[set->section];
    const uint32_t hash = vyi_spv_hash(words, count);
    uint32_t *bucket = &set->buckets[hash % VYI_SPV_BUCKETS];
    void *entries = set->entries;
    for (uint32_t i = *bucket; i; i = set->entries[i - 1].next) {
        const vyi_spv_entry *entry = &set->entries[i - 1];
        if (entry->hash == hash && vyi_spv_equal(w->at + entry->offset, words, count, result))
            return w->at[entry->offset + result];
    }
    const uint32_t offset = w->count;
    uint32_t *at = vyi_spv_room(e, w, count);
    words[result] = vyi_spv_id(e);
    if (!at)
        return words[result];
    memcpy(at, words, count * sizeof *words);
    if (!vyi_grow(&e->p->allocator, &entries, &set->capacity, set->count + 1,
                  sizeof *set->entries)) {
        e->failed = true;
        return words[result];
    }
    set->entries = (vyi_spv_entry *)entries;
    set->entries[set->count].hash = hash;
    set->entries[set->count].offset = offset;
    set->entries[set->count].next = *bucket;
    *bucket = ++set->count;
    return words[result];
}

VYI_API void vyi_spv_forget(vyi_spv_set *set, uint32_t count)
{
    while (set->count > count) {
        const vyi_spv_entry *entry = &set->entries[--set->count];
        set->buckets[entry->hash % VYI_SPV_BUCKETS] = entry->next;
    }
}

/* The id of the instruction with these operands; a type's id comes first, a
 * value's behind the id of its `type`. */
static uint32_t vyi_spv_find(vyi_spv *e, vyi_spv_set *set, uint32_t op, uint32_t type,
                             uint32_t count, va_list operands)
{
    uint32_t words[3 + VYI_SPV_OPERANDS];
    const uint32_t result = type ? 2 : 1;
    words[0] = ((count + result + 1) << 16) | op;
    words[1] = type;
    words[result] = 0;
    for (uint32_t i = 1; i <= count; i++)
        words[result + i] = va_arg(operands, uint32_t);
    return vyi_spv_intern(e, set, words, count + result + 1, result);
}

VYI_API uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->globals, op, 0, count, operands);
    va_end(operands);
    return id;
}

VYI_API uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->values, op, type, count, operands);
    va_end(operands);
    return id;
}

/* --- types and constants ------------------------------------------------- */

/* By vyre_type: the instruction, its operands. */
static const uint8_t vyi_spv_types[VYRE_TYPE_BOOL + 1][4] = {
    { VYI_SPV_OpTypeVoid, 0, 0, 0 },    { VYI_SPV_OpTypeInt, 2, 32, 0 },
    { VYI_SPV_OpTypeInt, 2, 32, 1 },    { VYI_SPV_OpTypeFloat, 1, 32, 0 },
    { VYI_SPV_OpTypeBool, 0, 0, 0 }
};

VYI_OUTLINE VYI_API uint32_t vyi_spv_type(vyi_spv *e, uint32_t type)
{
    const uint8_t *row = vyi_spv_types[type];
    if (!e->types[type])
        e->types[type] = vyi_spv_type_of(e, row[0], row[1], (uint32_t)row[2], (uint32_t)row[3]);
    return e->types[type];
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits)
{
    uint32_t words[4];
    const bool truth = type == VYRE_TYPE_BOOL;
    words[0] = truth ? (3u << 16) | (uint32_t)(bits ? VYI_SPV_OpConstantTrue
                                                    : VYI_SPV_OpConstantFalse)
                     : (4u << 16) | (uint32_t)VYI_SPV_OpConstant;
    words[1] = vyi_spv_type(e, type);
    words[2] = 0;
    words[3] = bits;
    const uint32_t id = vyi_spv_intern(e, &e->globals, words, truth ? 3 : 4, 2);
    if (truth)
        e->bools[bits != 0] = id;
    return id;
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x)
{
    return vyi_spv_const(e, VYRE_TYPE_U32, x);
}

VYI_API uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type)
{
    return vyi_spv_type_of(e, VYI_SPV_OpTypePointer, 2, storage, type);
}

VYI_API uint32_t vyi_spv_memory_type(uint32_t type)
{
    return type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type;
}

/* A module-scope variable.  From SPIR-V 1.4 on the entry point names all of
 * them, before that only inputs. */
VYI_API uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, type);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpVariable, 3, pointer, id, storage);
    if (storage == VYI_SPV_StorageClassInput || e->desc.version >= 0x00010400u) {
        uint32_t *word = vyi_spv_room(e, &e->section[VYI_SPV_INTERFACE], 1);
        if (word)
            *word = id;
    }
    return id;
}

VYI_API uint32_t vyi_spv_shared(vyi_spv *e, uint32_t type, uint32_t bytes)
{
    e->shared_bytes += bytes;
    return vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup, type);
}

VYI_API void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 2, id, decoration);
}

VYI_API void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 3, id, decoration, value);
}

/* A Block struct with one member at offset 0. */
VYI_API uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member)
{
    const uint32_t block = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 1, member);
    vyi_spv_decorate(e, block, VYI_SPV_DecorationBlock);
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpMemberDecorate, 4, block, 0u,
                VYI_SPV_DecorationOffset, 0u);
    return block;
}

/* --- capabilities and imports -------------------------------------------- */

static const uint16_t vyi_spv_optional_capabilities[] = {
    VYI_SPV_CapabilityGroupNonUniform,
    VYI_SPV_CapabilityGroupNonUniformVote,
    VYI_SPV_CapabilityGroupNonUniformArithmetic,
    VYI_SPV_CapabilityGroupNonUniformBallot,
    VYI_SPV_CapabilityGroupNonUniformShuffle,
    VYI_SPV_CapabilityVulkanMemoryModel,
    VYI_SPV_CapabilityVulkanMemoryModelDeviceScope
};

#define VYI_SPV_OPTIONAL_CAPABILITIES 7u
#define VYI_SPV_NEEDS_VULKAN_MODEL    0x60u /* the last two */

/* The first five stand in the order of VkSubgroupFeatureFlagBits. */
VYI_COLD
VYI_API void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature)
{
    e->subgroup |= feature | (uint32_t)VYI_SUBGROUP_BASIC;
    e->capabilities |= e->subgroup;
}

VYI_API uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                             const uint32_t *operands)
{
    const uint32_t type_id = vyi_spv_type(e, type);
    if (!e->glsl) {
        e->glsl = vyi_spv_id(e);
        vyi_spv_extend_text(e, VYI_SPV_IMPORT,
                            vyi_spv_put(e, VYI_SPV_IMPORT, VYI_SPV_OpExtInstImport, 1, e->glsl),
                            "GLSL.std.450");
    }
    return vyi_spv_pure(e, VYI_SPV_OpExtInst, type_id, count + 2, e->glsl, inst, operands[0],
                        count > 1 ? operands[1] : 0, count > 2 ? operands[2] : 0);
}

VYI_API uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a)
{
    return vyi_spv_ext(e, type, inst, 1, &a);
}

VYI_API uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b)
{
    const uint32_t operands[2] = { a, b };
    return vyi_spv_ext(e, type, inst, 2, operands);
}

/* --- short forms --------------------------------------------------------- */

VYI_API uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 1, a);
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a,
                                            uint32_t b)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 2, a, b);
}

VYI_API uint32_t vyi_spv_test(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_BOOL, a, b);
}

VYI_API uint32_t vyi_spv_word(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_U32, a, b);
}

VYI_API uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b)
{
    if (a == b || cond == e->bools[0] || cond == e->bools[1])
        return cond == e->bools[0] ? b : a;
    return vyi_spv_pure(e, VYI_SPV_OpSelect, vyi_spv_type(e, type), 3, cond, a, b);
}

VYI_API uint32_t vyi_spv_value(vyi_spv *e, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    if (!e->ids[value] && inst->op == VYI_OP_CONST)
        e->ids[value] = vyi_spv_const(e, inst->type, inst->arg[0]);
    return e->ids[value];
}

VYI_API void vyi_spv_label(vyi_spv *e, uint32_t id)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLabel, 1, id);
    e->block = id;
    e->left = false;
}

VYI_API void vyi_spv_branch(vyi_spv *e, uint32_t label)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranch, 1, label);
    e->left = true;
}

VYI_API void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranchConditional, 3, cond, yes, no);
    e->left = true;
}

/* --- builtins ------------------------------------------------------------ */

/* A load in the function's first block. */
static uint32_t vyi_spv_start_load(vyi_spv *e, uint32_t type, uint32_t pointer)
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

/* A lane that is alone counts for its subgroup. */
static bool vyi_spv_lone_lane(const vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    return !e->desc.spec_group_size && size[0] * size[1] * size[2] == 1;
}

/* The workgroup's size: literal, or from specialization constants 0, 1, 2. */
static uint32_t vyi_spv_group_size(vyi_spv *e, uint32_t component)
{
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, e->p->group_size[component]);
    return e->group_size[component];
}

VYI_COLD
static void vyi_spv_declare_group_size(vyi_spv *e)
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

/* --- the program --------------------------------------------------------- */

/* An instruction without a value. */
VYI_OUTLINE
static void vyi_spv_effect(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    switch (inst->op) {
    case VYI_OP_STORE: vyi_spv_store(e, inst); break;
    case VYI_OP_ATOMIC_STORE: (void)vyi_spv_atomic(e, inst); break;
    case VYI_OP_LOCAL: case VYI_OP_SET:
        e->current[inst->arg[0]] = vyi_spv_value(e, inst->arg[1]);
        break;
    case VYI_OP_BARRIER: vyi_spv_barrier(e, inst); break;
    case VYI_OP_LOOP_ALLOW: vyi_spv_loop_allow(e, inst); break;
    case VYI_OP_COMMENT: break;
    default: vyi_spv_flow(e, index); break;
    }
}

/* An instruction with a value: its SPIR-V id. */
VYI_OUTLINE
static uint32_t vyi_spv_result(vyi_spv *e, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_CONST: return 0; /* vyi_spv_value makes it where it is used */
    case VYI_OP_BUILTIN: return vyi_spv_builtin(e, inst->sub);
    case VYI_OP_LENGTH: return vyi_spv_length(e, inst->arg[0]);
    case VYI_OP_LOAD: return vyi_spv_load(e, inst);
    case VYI_OP_ATOMIC: case VYI_OP_ATOMIC_CAS: return vyi_spv_atomic(e, inst);
    case VYI_OP_ATOMIC_LOAD: return vyi_spv_atomic_load(e, inst);
    case VYI_OP_BINARY: return vyi_spv_binary_inst(e, inst);
    case VYI_OP_UNARY: return vyi_spv_unary_inst(e, inst);
    case VYI_OP_FMA: return vyi_spv_fma(e, inst);
    case VYI_OP_SELECT: return vyi_spv_select_inst(e, inst);
    case VYI_OP_CAST: return vyi_spv_cast(e, inst);
    case VYI_OP_BITCAST: return vyi_spv_bitcast(e, inst);
    case VYI_OP_GET: return e->current[inst->arg[0]];
    default: return vyi_spv_subgroup(e, inst);
    }
}

/* Instructions without effect that nobody uses are left out. */
static void vyi_spv_walk(vyi_spv *e, uint32_t first, uint32_t end);

/* Of an if whose condition is a constant only the arm that runs is emitted, as
 * a part of the block around it.  The optimizer has folded such ifs already; of
 * programs that were not optimized this keeps dead blocks away from drivers,
 * whose compilers have met few of them. */
static bool vyi_spv_if_is_decided(vyi_spv *e, uint32_t index)
{
    const vyre_program *p = e->p;
    const vyi_inst *inst = &p->insts[index];
    if (inst->op != VYI_OP_IF)
        return false;
    const vyi_inst *cond = vyi_definition(p, inst->arg[0]);
    if (cond->op != VYI_OP_CONST)
        return false;
    if (cond->arg[0])
        vyi_spv_walk(e, index + 1, inst->link);
    else if (p->insts[inst->link].op == VYI_OP_ELSE)
        vyi_spv_walk(e, inst->link + 1, vyi_spv_end_of(p, index));
    return true;
}

/* The instructions from `first` to before `end`. */
static void vyi_spv_walk(vyi_spv *e, uint32_t first, uint32_t end)
{
    const vyre_program *p = e->p;
    for (uint32_t i = first; i < end && !e->failed; i++) {
        const vyi_inst *inst = &p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        if (e->left && !(flags & VYI_OP_ARM) && inst->op != VYI_OP_END) {
            if (flags & VYI_OP_OPENS)
                i = vyi_spv_end_of(p, i);
            continue;
        }
        if (vyi_spv_if_is_decided(e, i) || (inst->op == VYI_OP_LOOP && !e->needed[i])) {
            i = vyi_spv_end_of(p, i);
            continue;
        }
        if ((flags & VYI_OP_VALUE) && !(flags & VYI_OP_OPENS)) {
            if (e->needed[i])
                e->ids[i + 1] = vyi_spv_result(e, inst);
        } else {
            vyi_spv_effect(e, i);
        }
    }
}

/* Whether the instruction changes nothing but its value.  A counted loop in
 * which nothing stands that is needed (`next` is the first such instruction
 * after its opener) only counts, which a loop limit must see. */
static bool vyi_spv_is_idle(const vyi_spv *e, const vyi_inst *inst, uint32_t next)
{
    if (inst->op == VYI_OP_LOOP)
        return !e->desc.loop_limit && next >= inst->link;
    return (vyi_op_describe(inst->op)->flags & VYI_OP_PURE) || inst->op == VYI_OP_GET ||
           inst->op == VYI_OP_BUILTIN || inst->op == VYI_OP_LOAD;
}

/* Marks what anything depends on, backwards, and finds each local's last use. */
VYI_OUTLINE
static void vyi_spv_survey(vyi_spv *e)
{
    const vyre_program *p = e->p;
    uint32_t next = p->count;
    for (uint32_t i = p->count; i-- > 0;) {
        const vyi_inst *inst = &p->insts[i];
        const vyi_op_info *info = vyi_op_describe(inst->op);
        if (!e->needed[i] && vyi_spv_is_idle(e, inst, next))
            continue;
        e->needed[i] |= VYI_SPV_NEEDED;
        if (inst->op != VYI_OP_END && inst->op != VYI_OP_LOCAL && inst->op != VYI_OP_COMMENT)
            next = i;
        for (uint32_t k = 0; k < 4; k++)
            if ((info->values >> k) & 1u)
                e->needed[inst->arg[k] - 1] |= VYI_SPV_NEEDED | VYI_SPV_USED |
                                               (inst->op == VYI_OP_IF ? 0u : VYI_SPV_KEPT);
        if (inst->op == VYI_OP_GET && !e->last_get[inst->arg[0]])
            e->last_get[inst->arg[0]] = i;
        if (inst->op == VYI_OP_BUILTIN && inst->sub == VYRE_BUILTIN_LOOP_CUT &&
            !e->last_get[e->cut])
            e->last_get[e->cut] = i;
        if (inst->op == VYI_OP_FOREVER && inst->sub)
            e->fed = true;
    }
}

/* Buffers that the program writes.  Each plain access to one of those is made
 * available or visible to the device by itself: a lane must see what it wrote,
 * also by an atomic, and NVIDIA's compiler (seen in driver 580) does not see to
 * that for non-private accesses unless it is told. */
static void vyi_spv_find_written(vyi_spv *e)
{
    const vyre_program *p = e->p;
    for (uint32_t i = 0; i < p->count; i++) {
        if (vyi_op_describe(p->insts[i].op)->flags & VYI_OP_WRITES)
            e->written[p->insts[i].arg[0] - 1] = true;
    }
}

VYI_OUTLINE
static bool vyi_spv_prepare(vyi_spv *e)
{
    const vyre_program *p = e->p;
    const size_t locals = (size_t)p->local_count + 5;
    e->arena.allocator = p->allocator;
    e->ids = (uint32_t *)vyi_arena_alloc(&e->arena, ((size_t)p->count + 1) * sizeof *e->ids);
    e->needed = (uint8_t *)vyi_arena_alloc(&e->arena, (size_t)p->count + 1);
    e->buffers = (uint32_t *)vyi_arena_alloc(&e->arena, 2 * ((size_t)p->buffer_count + 1) *
                                                            sizeof *e->buffers);
    e->current = (uint32_t *)vyi_arena_alloc(&e->arena, 3 * locals * sizeof *e->current);
    if (!e->ids || !e->needed || !e->buffers || !e->current)
        return false;
    e->lengths = e->buffers + p->buffer_count + 1;
    e->last_get = e->current + locals;
    e->marks = e->last_get + locals;
    e->spent = p->local_count + 1;
    e->allowed = p->local_count + 2;
    e->cut = p->local_count + 3;
    e->cost = p->local_count + 4;
    e->last_get[e->spent] = e->last_get[e->allowed] = e->last_get[e->cost] = 0xffffffffu;
    e->globals.section = VYI_SPV_GLOBALS;
    e->values.section = VYI_SPV_BODY;
    e->next_id = VYI_SPV_MAIN + 1;
    e->memory_bits = VYI_SPV_MemorySemanticsUniformMemory;
    for (uint32_t buffer = 1; buffer <= p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer))
            e->memory_bits |= VYI_SPV_MemorySemanticsWorkgroupMemory;
    vyi_spv_find_written(e);
    vyi_spv_room(e, &e->section[VYI_SPV_BODY], 8 * p->count);
    e->section[VYI_SPV_BODY].count = 0;
    return true;
}

/* A round loop counts from max(rounds, 1) down to 0, by 1; or, where rounds
 * is 0, by 0. */
VYI_COLD
static void vyi_spv_load_rounds(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), one = vyi_spv_u32(e, 1);
    const uint32_t block = vyi_spv_block_type(e, u32);
    const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassPushConstant, block);
    const uint32_t pointer = vyi_spv_pointer_type(e, VYI_SPV_StorageClassPushConstant, u32);
    const uint32_t at = vyi_spv_id(e);
    vyi_spv_name(e, variable, "rounds");
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpAccessChain, 4, pointer, at, variable,
                vyi_spv_u32(e, 0));
    const uint32_t rounds = vyi_spv_start_load(e, u32, at);
    e->rounds_start = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMax, rounds, one);
    e->rounds_step = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin, rounds, one);
}

VYI_OUTLINE
static void vyi_spv_function(vyi_spv *e)
{
    const uint32_t none = vyi_spv_type(e, VYRE_TYPE_NONE);
    const uint32_t type = vyi_spv_type_of(e, VYI_SPV_OpTypeFunction, 1, none);
    e->block = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpFunction, 4, none, VYI_SPV_MAIN, 0u, type);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLabel, 1, e->block);
    vyi_spv_declare_group_size(e);
    if (e->desc.loop_limit) {
        e->current[e->spent] = vyi_spv_u32(e, 0);
        e->current[e->allowed] = vyi_spv_u32(e, e->desc.loop_limit);
        e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
        e->current[e->cost] = vyi_spv_u32(e, 0);
        if (e->desc.unfenced && !vyi_spv_lone_lane(e))
            vyi_spv_count_trips(e);
    }
    if (e->desc.rounds && e->fed)
        vyi_spv_load_rounds(e);
    vyi_spv_clear_arrays(e);
    vyi_spv_walk(e, 0, e->p->count);
    if (!e->left)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpFunctionEnd, 0);
}

VYI_COLD
static void vyi_spv_names(vyi_spv *e)
{
    const vyre_program *p = e->p;
    vyi_spv_name(e, VYI_SPV_MAIN, p->name);
    for (uint32_t i = 0; i < p->name_count && !e->failed; i++)
        if (vyi_definition(p, p->names[i].value)->op != VYI_OP_CONST && e->ids[p->names[i].value])
            vyi_spv_name(e, e->ids[p->names[i].value], p->names[i].text);
}

/* --- the module ---------------------------------------------------------- */

VYI_COLD
static void vyi_spv_put_capabilities(vyi_spv *e)
{
    if (e->vulkan_model)
        e->capabilities |= VYI_SPV_NEEDS_VULKAN_MODEL;
    vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1, VYI_SPV_CapabilityShader);
    for (uint32_t i = 0; i < VYI_SPV_OPTIONAL_CAPABILITIES; i++)
        if ((e->capabilities >> i) & 1u)
            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1,
                        (uint32_t)vyi_spv_optional_capabilities[i]);
    if (e->vulkan_model && e->desc.version < VYRE_SPIRV_1_5)
        vyi_spv_extend_text(e, VYI_SPV_CAPABILITIES,
                            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpExtension, 0),
                            "SPV_KHR_vulkan_memory_model");
}

VYI_COLD
static void vyi_spv_put_entry(vyi_spv *e)
{
    const vyi_spv_words *interface = &e->section[VYI_SPV_INTERFACE];
    vyi_spv_put(e, VYI_SPV_ENTRY, VYI_SPV_OpMemoryModel, 2, VYI_SPV_AddressingModelLogical,
                e->vulkan_model ? VYI_SPV_MemoryModelVulkan : VYI_SPV_MemoryModelGLSL450);
    const uint32_t at = vyi_spv_put(e, VYI_SPV_ENTRY, VYI_SPV_OpEntryPoint, 2,
                                    VYI_SPV_ExecutionModelGLCompute, VYI_SPV_MAIN);
    vyi_spv_extend_text(e, VYI_SPV_ENTRY, at, "main");
    for (uint32_t i = 0; i < interface->count; i++)
        vyi_spv_extend(e, VYI_SPV_ENTRY, at, 1, interface->at[i]);
}

/* The header and all sections in one block. */
VYI_OUTLINE
static bool vyi_spv_assemble(vyi_spv *e, vyre_spirv *out)
{
    size_t count = 5;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++)
        count += e->section[i].count;
    if (e->failed || e->range.failed)
        return false;
    uint32_t *words = (uint32_t *)vyi_alloc(&e->p->allocator, 4 * count);
    if (!words)
        return false;
    out->words = words;
    out->word_count = count;
    *words++ = VYI_SPV_MAGIC;
    *words++ = e->desc.version;
    *words++ = 0; /* generator: none registered */
    *words++ = e->next_id;
    *words++ = 0;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++) {
        if (e->section[i].count)
            memcpy(words, e->section[i].at, 4 * (size_t)e->section[i].count);
        words += e->section[i].count;
    }
    return true;
}

/* The bindings, ascending. */
VYI_OUTLINE
VYI_COLD
static bool vyi_spv_reflect(const vyre_program *p, vyre_spirv *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->buffer_count; i++)
        count += p->buffers[i].access != VYRE_ACCESS_WORKGROUP;
    if (!count)
        return true;
    out->bindings = (vyre_spirv_binding *)vyi_alloc(&p->allocator, count * sizeof *out->bindings);
    if (!out->bindings)
        return false;
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const vyi_buffer *b = &p->buffers[i];
        uint32_t at = out->binding_count;
        if (b->access == VYRE_ACCESS_WORKGROUP)
            continue;
        for (; at && out->bindings[at - 1].binding > b->binding; at--)
            out->bindings[at] = out->bindings[at - 1];
        out->bindings[at].binding = b->binding;
        out->bindings[at].access = (vyre_access)b->access;
        out->binding_count++;
    }
    return true;
}

VYI_COLD
static void vyi_spv_release(vyi_spv *e)
{
    const vyre_allocator *allocator = &e->p->allocator;
    vyi_arena_free(&e->arena);
    for (uint32_t i = 0; i < VYI_SPV_SECTIONS; i++)
        vyi_free(allocator, e->section[i].at, 4 * (size_t)e->section[i].capacity);
    vyi_free(allocator, e->stack.at, 4 * (size_t)e->stack.capacity);
    vyi_free(allocator, e->edges.at, 4 * (size_t)e->edges.capacity);
    vyi_free(allocator, e->globals.entries, e->globals.capacity * sizeof *e->globals.entries);
    vyi_free(allocator, e->values.entries, e->values.capacity * sizeof *e->values.entries);
    vyi_range_free(&e->range);
}

static vyre_status vyi_spv_emit(vyi_spv *e, vyre_spirv *out, vyre_error *err)
{
    vyre_spirv module;
    memset(&module, 0, sizeof module);
    module.allocator = e->p->allocator;
    if (vyi_spv_prepare(e)) {
        vyi_spv_survey(e);
        vyi_spv_function(e);
        vyi_spv_names(e);
        vyi_spv_put_capabilities(e);
        vyi_spv_put_entry(e);
    } else {
        e->failed = true;
    }
    module.push_constant_size = e->rounds_start ? 4 : 0;
    module.needs_vulkan_memory_model = e->vulkan_model;
    module.subgroup_operations = e->subgroup;
    module.workgroup_bytes = e->shared_bytes;
    if (!vyi_spv_assemble(e, &module) || !vyi_spv_reflect(e->p, &module)) {
        vyre_spirv_free(&module);
        return vyi_fail_nomem(err, 4 * (size_t)e->section[VYI_SPV_BODY].count);
    }
    *out = module;
    return VYRE_OK;
}

static vyre_status vyi_spv_check(const vyre_program *p, const vyre_spirv_desc *desc,
                                 vyre_error *err)
{
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, p->count,
                        "call vyre_program_finish first and look at its status",
                        "program \"%s\" with %u instructions is not finished",
                        p->name ? p->name : "", (unsigned)p->count);
    if (desc->version && desc->version != VYRE_SPIRV_1_3 && desc->version != VYRE_SPIRV_1_5)
        return vyi_fail(err, VYRE_E_SPIRV_VERSION, desc->version,
                        "use VYRE_SPIRV_1_3 for Vulkan 1.1, VYRE_SPIRV_1_5 from 1.2 on",
                        "version 0x%08x is neither SPIR-V 1.3 nor 1.5", (unsigned)desc->version);
    if ((uint32_t)desc->memory_model > VYRE_MEMORY_MODEL_VULKAN)
        return vyi_fail(err, VYRE_E_SPIRV_MODEL, (uint64_t)desc->memory_model,
                        "use one of VYRE_MEMORY_MODEL_AUTO, _GLSL450, _VULKAN",
                        "memory model %u is unknown", (unsigned)desc->memory_model);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_spirv_emit(const vyre_program *p, const vyre_spirv_desc *desc,
                                     vyre_spirv *out, vyre_error *err)
{
    vyre_spirv_desc defaults;
    vyi_spv *e;
    memset(&defaults, 0, sizeof defaults);
    desc = desc ? desc : &defaults;
    if (!p || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "pass a finished program and a vyre_spirv",
                        "%s is NULL", p ? "out" : "the program");
    const vyre_status status = vyi_spv_check(p, desc, err);
    if (status < 0)
        return status;
    e = (vyi_spv *)vyi_alloc(&p->allocator, sizeof *e);
    if (!e)
        return vyi_fail_nomem(err, sizeof *e);
    memset(e, 0, sizeof *e);
    e->p = e->range.p = p;
    e->desc = *desc;
    e->desc.version = desc->version ? desc->version : VYRE_SPIRV_1_3;
    e->vulkan_model = desc->memory_model == VYRE_MEMORY_MODEL_VULKAN ||
                      (desc->memory_model == VYRE_MEMORY_MODEL_AUTO &&
                       e->desc.version >= VYRE_SPIRV_1_5);
    const vyre_status result = vyi_spv_emit(e, out, err);
    vyi_spv_release(e);
    vyi_free(&p->allocator, e, sizeof *e);
    return result;
}

VYI_COLD
VYRE_API void vyre_spirv_free(vyre_spirv *m)
{
    if (!m)
        return;
    vyi_free(&m->allocator, m->words, 4 * m->word_count);
    vyi_free(&m->allocator, m->bindings, m->binding_count * sizeof *m->bindings);
    memset(m, 0, sizeof *m);
}

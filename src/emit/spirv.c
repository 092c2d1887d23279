/* ==========================================================================
 * spirv: implementation
 *
 * One pass over the program.  Words go to one buffer per section of the
 * module; what later instructions turn out to need (a type, a constant, the
 * length of a buffer) goes to its section at first use.  Locals become SSA
 * values: each open block knows which locals it may set, each branch to its
 * end records their values, and the end makes a phi where they differ.
 * ======================================================================= */
#include "emit/spirv_impl.h"

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

#define VYI_SPV_NEEDS_CLOCK           0x80u /* of `capabilities` */

/* CLOCK, and the CLOCK_HIGH that follows it: both words are of one reading. */
static uint32_t vyi_spv_clock(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t word = inst->op == VYI_OP_CLOCK_HIGH;
    if (e->desc.clock == VYRE_SPIRV_CLOCK_NONE)
        return vyi_spv_u32(e, 0);
    if (word == 0) {
        const uint32_t pair = vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 2u);
        const uint32_t scope = vyi_spv_u32(e, e->desc.clock == VYRE_SPIRV_CLOCK_DEVICE
                                                  ? VYI_SPV_ScopeDevice : VYI_SPV_ScopeSubgroup);
        e->capabilities |= VYI_SPV_NEEDS_CLOCK;
        e->clock = vyi_spv_id(e);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReadClockKHR, 3, pair, e->clock, scope);
    }
    VYRE_ASSERT(e->clock);
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpCompositeExtract, 4, u32, id, e->clock, word);
    return id;
}

/* An instruction with a value: its SPIR-V id. */
VYI_OUTLINE
static uint32_t vyi_spv_result(vyi_spv *e, const vyi_inst *inst)
{
    VYRE_ASSERT(vyi_op_describe(inst->op)->flags & VYI_OP_VALUE);
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
    case VYI_OP_CLOCK: case VYI_OP_CLOCK_HIGH: return vyi_spv_clock(e, inst);
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
        vyi_spv_walk(e, inst->link + 1, vyi_block_end(p, index));
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
                i = vyi_block_end(p, i);
            continue;
        }
        if (vyi_spv_if_is_decided(e, i) || (inst->op == VYI_OP_LOOP && !e->needed[i])) {
            i = vyi_block_end(p, i);
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

/* A lane that is alone counts for its subgroup. */
static bool vyi_spv_lone_lane(const vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    return !e->desc.spec_group_size && size[0] * size[1] * size[2] == 1;
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

static const uint16_t vyi_spv_optional_capabilities[] = {
    VYI_SPV_CapabilityGroupNonUniform,
    VYI_SPV_CapabilityGroupNonUniformVote,
    VYI_SPV_CapabilityGroupNonUniformArithmetic,
    VYI_SPV_CapabilityGroupNonUniformBallot,
    VYI_SPV_CapabilityGroupNonUniformShuffle,
    VYI_SPV_CapabilityVulkanMemoryModel,
    VYI_SPV_CapabilityVulkanMemoryModelDeviceScope,
    VYI_SPV_CapabilityShaderClockKHR
};

#define VYI_SPV_OPTIONAL_CAPABILITIES 8u
#define VYI_SPV_NEEDS_VULKAN_MODEL    0x60u /* the two before the last, which is NEEDS_CLOCK */

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
    if (e->capabilities & VYI_SPV_NEEDS_CLOCK)
        vyi_spv_extend_text(e, VYI_SPV_CAPABILITIES,
                            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpExtension, 0),
                            "SPV_KHR_shader_clock");
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
    VYRE_ASSERT(words == out->words + count);
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
    if (e->excess_of)
        return vyi_fail(err, VYRE_E_SPIRV_LIMIT, e->excess,
                        "Split it by an if before it, or look the values up in a buffer.",
                        "%u %s; a module can have %u", (unsigned)e->excess, e->excess_of,
                        (unsigned)e->most);
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

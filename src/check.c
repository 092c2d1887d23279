/* ==========================================================================
 * check: what makes a program well-formed
 *
 * Private.  The check trusts nobody: it reads the instruction array as if a
 * stranger had written it.  The builder uses the same rules for each new
 * instruction, so that most mistakes are reported by the call that made them.
 * Messages name an instruction by the number that listings show, which is
 * its index plus one; vyre_error.at is that number, or the builder's call.
 * ======================================================================= */
#include "ir_impl.h"

/* --- workgroup size and buffers ------------------------------------------ */

VYI_API vyre_status vyi_check_group_size(const uint32_t size[3], vyre_error *err)
{
    uint64_t lanes = 1;
    for (unsigned i = 0; i < 3; i++)
        lanes = lanes > VYRE_MAX_WORKGROUP ? lanes : lanes * size[i];
    if (lanes >= 1 && lanes <= VYRE_MAX_WORKGROUP)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_GROUP_SIZE, 0, "Use fewer lanes in x, y and z together.",
                    "a workgroup of %u x %u x %u lanes; there must be 1 to %u", (unsigned)size[0],
                    (unsigned)size[1], (unsigned)size[2], (unsigned)VYRE_MAX_WORKGROUP);
}

static bool vyi_buffer_is_array(const vyi_buffer *b)
{
    return b->access == VYRE_ACCESS_WORKGROUP;
}

static uint64_t vyi_workgroup_bytes(const vyre_program *p, uint32_t buffers)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < buffers; i++)
        bytes += vyi_buffer_is_array(&p->buffers[i]) ? (uint64_t)p->buffers[i].count * 4 : 0;
    return bytes;
}

static vyre_status vyi_check_array(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->count == 0)
        return vyi_fail(err, VYRE_E_IR_COUNT, index + 1, "Set the desc's count.",
                        "the workgroup array \"%s\" has no element count", b->name);
    const uint64_t bytes = vyi_workgroup_bytes(p, index + 1);
    if (bytes > VYRE_MAX_WORKGROUP_SIZE)
        return vyi_fail(err, VYRE_E_IR_GROUP_MEMORY, index + 1, "Use smaller workgroup arrays.",
                        "workgroup arrays of %llu bytes with \"%s\"; there may be %u",
                        (unsigned long long)bytes, b->name, (unsigned)VYRE_MAX_WORKGROUP_SIZE);
    return VYRE_OK;
}

static vyre_status vyi_check_bound(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->binding >= VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_IR_BINDING, index + 1, "Use a smaller binding.",
                        "binding %u of buffer \"%s\"; bindings end at %u", (unsigned)b->binding,
                        b->name, (unsigned)VYRE_MAX_BINDINGS - 1);
    const uint64_t end = (uint64_t)b->readback_offset + b->readback_size;
    if (b->readback_offset % 4 || b->readback_size % 4 ||
        (b->count && end > (uint64_t)b->count * 4))
        return vyi_fail(err, VYRE_E_IR_READBACK, index + 1,
                        "Give an offset and a size in whole words inside the buffer.",
                        "readback of %u bytes at %u from buffer \"%s\" of %u elements",
                        (unsigned)b->readback_size, (unsigned)b->readback_offset, b->name,
                        (unsigned)b->count);
    return VYRE_OK;
}

static vyre_status vyi_check_unlike(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    for (uint32_t i = 0; i < index; i++) {
        const vyi_buffer *other = &p->buffers[i];
        if (strcmp(other->name, b->name) == 0)
            return vyi_fail(err, VYRE_E_IR_NAME, index + 1, "Give each buffer its own name.",
                            "buffers %u and %u are both named \"%s\"", (unsigned)i + 1,
                            (unsigned)index + 1, b->name);
        if (!vyi_buffer_is_array(b) && other->binding == b->binding)
            return vyi_fail(err, VYRE_E_IR_BINDING, index + 1, "Give each buffer its own binding.",
                            "binding %u is used by \"%s\" and \"%s\"", (unsigned)b->binding,
                            other->name, b->name);
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_check_buffer(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->type < VYRE_TYPE_U32 || b->type > VYRE_TYPE_BOOL || b->access > VYRE_ACCESS_WORKGROUP)
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1,
                        "Use a VYRE_TYPE_* and a VYRE_ACCESS_*.",
                        "buffer \"%s\" has type number %u and access number %u", b->name,
                        (unsigned)b->type, (unsigned)b->access);
    vyre_status status = vyi_check_unlike(p, index, err);
    if (status == VYRE_OK)
        status = vyi_buffer_is_array(b) ? vyi_check_array(p, index, err)
                                        : vyi_check_bound(p, index, err);
    return status;
}

/* --- one instruction: what its fields may hold ---------------------------- */

/* The number and kind of an instruction, as all messages begin. */
#define VYI_AT_FORMAT "%%%u %s: "
#define VYI_AT(p, index) (unsigned)(index) + 1, vyi_op_describe((p)->insts[index].op)->text

static uint32_t vyi_type_of(const vyre_program *p, uint32_t value)
{
    return vyi_definition(p, value)->type;
}

static uint32_t vyi_type_set(uint32_t type)
{
    return type >= VYRE_TYPE_U32 && type <= VYRE_TYPE_BOOL ? 1u << type : 0;
}

static bool vyi_op_uses_buffer(uint32_t op)
{
    return op == VYI_OP_LENGTH || (vyi_op_describe(op)->flags & VYI_OP_MEMORY);
}

static bool vyi_op_is_atomic(uint32_t op)
{
    return op >= VYI_OP_ATOMIC && op <= VYI_OP_ATOMIC_STORE;
}

/* How many numbers `sub` may take. */
static uint32_t vyi_sub_count(uint32_t op)
{
    switch (op) {
    case VYI_OP_BUILTIN: return VYRE_BUILTIN_COUNT;
    case VYI_OP_BINARY:  return VYI_BINARY_COUNT;
    case VYI_OP_UNARY:   return VYI_UNARY_COUNT;
    case VYI_OP_ATOMIC:  return VYRE_ATOMIC_OP_COUNT;
    case VYI_OP_FOREVER: return 2;
    case VYI_OP_BARRIER: return VYRE_SCOPE_DEVICE + 1;
    case VYI_OP_REDUCE:  return VYRE_REDUCE_OP_COUNT;
    default:             return 1;
    }
}

/* The orders that an instruction may have, as a set. */
static uint32_t vyi_order_set(uint32_t op)
{
    const uint32_t relaxed = 1u << VYRE_ORDER_RELAXED, acquire = 1u << VYRE_ORDER_ACQUIRE;
    const uint32_t release = 1u << VYRE_ORDER_RELEASE, acq_rel = 1u << VYRE_ORDER_ACQ_REL;
    switch (op) {
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:   return relaxed | acquire | release | acq_rel;
    case VYI_OP_ATOMIC_LOAD:  return relaxed | acquire;
    case VYI_OP_ATOMIC_STORE: return relaxed | release;
    case VYI_OP_BARRIER:      return acquire | release | acq_rel;
    default:                  return relaxed;
    }
}

static const char *vyi_order_fix(uint32_t op)
{
    switch (op) {
    case VYI_OP_ATOMIC_LOAD:  return "Use relaxed or acquire.";
    case VYI_OP_ATOMIC_STORE: return "Use relaxed or release.";
    case VYI_OP_BARRIER:      return "Use acquire, release or both; relaxed orders nothing.";
    default:                  return "Use a VYRE_ORDER_*.";
    }
}

/* The types that a CONST, CAST or BITCAST may give; all others are computed. */
static uint32_t vyi_given_types(uint32_t op)
{
    switch (op) {
    case VYI_OP_CONST:
    case VYI_OP_CAST:    return VYI_CLASS_A;
    case VYI_OP_BITCAST: return VYI_CLASS_N;
    default:             return 0;
    }
}

static vyre_status vyi_check_numbers(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (inst->sub >= vyi_sub_count(inst->op))
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1, "Use a number of the matching enum.",
                        VYI_AT_FORMAT "operator number %u; there are %u", VYI_AT(p, index),
                        (unsigned)inst->sub, (unsigned)vyi_sub_count(inst->op));
    if (inst->order > VYRE_ORDER_ACQ_REL || !(vyi_order_set(inst->op) & (1u << inst->order)))
        return vyi_fail(err, VYRE_E_IR_ORDER, index + 1, vyi_order_fix(inst->op),
                        VYI_AT_FORMAT "memory order number %u is not allowed here",
                        VYI_AT(p, index), (unsigned)inst->order);
    const uint32_t given = vyi_given_types(inst->op);
    if (given && !(vyi_type_set(inst->type) & given))
        return vyi_fail(err, inst->type < VYRE_TYPE_U32 || inst->type > VYRE_TYPE_BOOL
                                 ? VYRE_E_IR_OPERATOR : VYRE_E_IR_TYPE,
                        index + 1, "Use a VYRE_TYPE_*; a bitcast cannot give a bool.",
                        VYI_AT_FORMAT "type number %u cannot be the result", VYI_AT(p, index),
                        (unsigned)inst->type);
    return VYRE_OK;
}

static vyre_status vyi_check_access(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const vyi_buffer *b = vyi_buffer_of(p, inst->arg[0]);
    if (vyi_op_is_atomic(inst->op) && !(vyi_type_set(b->type) & VYI_CLASS_I))
        return vyi_fail(err, VYRE_E_IR_TYPE, index + 1, "Declare the buffer as u32 or i32.",
                        VYI_AT_FORMAT "buffer \"%s\" has %s elements; atomics need u32 or i32",
                        VYI_AT(p, index), b->name, vyi_type_text(b->type));

    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    const bool writes = (flags & VYI_OP_WRITES) != 0;
    const bool reads = (flags & VYI_OP_MEMORY) && (flags & VYI_OP_VALUE);
    if (writes && b->access == VYRE_ACCESS_READ)
        return vyi_fail(err, VYRE_E_IR_ACCESS, index + 1, "Declare it with VYRE_ACCESS_READ_WRITE.",
                        VYI_AT_FORMAT "buffer \"%s\" can only be read", VYI_AT(p, index), b->name);
    if (reads && b->access == VYRE_ACCESS_WRITE)
        return vyi_fail(err, VYRE_E_IR_ACCESS, index + 1, "Declare it with VYRE_ACCESS_READ_WRITE.",
                        VYI_AT_FORMAT "buffer \"%s\" can only be written", VYI_AT(p, index),
                        b->name);
    return VYRE_OK;
}

static vyre_status vyi_check_handles(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const uint32_t id = inst->arg[0];
    if (vyi_op_uses_buffer(inst->op)) {
        if (id == 0 || id > p->buffer_count)
            return vyi_fail(err, VYRE_E_IR_BUFFER, index + 1, "Use what vyre_ir_buffer returned.",
                            VYI_AT_FORMAT "buffer %u of %u", VYI_AT(p, index), (unsigned)id,
                            (unsigned)p->buffer_count);
        return vyi_check_access(p, index, err);
    }
    const bool local = inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_GET || inst->op == VYI_OP_SET;
    if (local && (id == 0 || id > p->local_count))
        return vyi_fail(err, VYRE_E_IR_LOCAL, index + 1, "Use what vyre_ir_local returned.",
                        VYI_AT_FORMAT "local %u of %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->local_count);
    if (local && !vyi_type_set(p->locals[id - 1].type))
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1, "Use a VYRE_TYPE_*.",
                        VYI_AT_FORMAT "local %u has type number %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->locals[id - 1].type);
    if (inst->op == VYI_OP_COMMENT && id >= p->text_count)
        return vyi_fail(err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "text %u of %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->text_count);
    return VYRE_OK;
}

/* --- one instruction: the types of its operands --------------------------- */

static uint32_t vyi_binary_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    if (which == 0)
        return vyi_binary_describe(inst->sub)->operands;
    const bool amount = inst->sub == VYI_BINARY_SHL || inst->sub == VYI_BINARY_SHR ||
                        inst->sub == VYI_BINARY_ROTL || inst->sub == VYI_BINARY_ROTR;
    return amount ? VYI_CLASS_U : vyi_type_set(vyi_type_of(p, inst->arg[0]));
}

/* Of a load, store or atomic: operand 1 is the index, the rest are elements. */
static uint32_t vyi_memory_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    return which == 1 ? VYI_CLASS_U : vyi_type_set(vyi_buffer_of(p, inst->arg[0])->type);
}

/* The set of types that operand `which` may have; those before it are right. */
static uint32_t vyi_operand_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    switch (inst->op) {
    case VYI_OP_LOAD:
    case VYI_OP_STORE:
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD:
    case VYI_OP_ATOMIC_STORE: return vyi_memory_class(p, inst, which);
    case VYI_OP_BINARY:       return vyi_binary_class(p, inst, which);
    case VYI_OP_UNARY:        return vyi_unary_describe(inst->sub)->operands;
    case VYI_OP_FMA:          return VYI_CLASS_F;
    case VYI_OP_SELECT:
        return which == 0   ? VYI_CLASS_B
               : which == 1 ? VYI_CLASS_A
                            : vyi_type_set(vyi_type_of(p, inst->arg[1]));
    case VYI_OP_BITCAST:      return VYI_CLASS_N;
    case VYI_OP_LOCAL:
    case VYI_OP_SET:          return vyi_type_set(p->locals[inst->arg[0] - 1].type);
    case VYI_OP_IF:
    case VYI_OP_BALLOT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:          return VYI_CLASS_B;
    case VYI_OP_SWITCH:
    case VYI_OP_LOOP:
    case VYI_OP_LOOP_ALLOW:   return VYI_CLASS_U;
    case VYI_OP_SHUFFLE:      return which == 0 ? VYI_CLASS_A : VYI_CLASS_U;
    case VYI_OP_REDUCE:       return inst->sub <= VYRE_REDUCE_MAX ? VYI_CLASS_N : VYI_CLASS_IB;
    default:                  return VYI_CLASS_A;
    }
}

static const char *vyi_class_text(uint32_t set)
{
    switch (set) {
    case VYI_CLASS_U:           return "u32";
    case VYI_CLASS_F:           return "f32";
    case VYI_CLASS_B:           return "bool";
    case 1u << VYRE_TYPE_I32:   return "i32";
    case VYI_CLASS_I:           return "u32 or i32";
    case VYI_CLASS_N:           return "u32, i32 or f32";
    case VYI_CLASS_IB:          return "u32, i32 or bool";
    default:                    return "a value";
    }
}

/* The operator's name where there is one: "add" rather than "binary". */
static const char *vyi_inst_text(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BINARY)
        return vyi_binary_describe(inst->sub)->text;
    if (inst->op == VYI_OP_UNARY)
        return vyi_unary_describe(inst->sub)->text;
    return vyi_op_describe(inst->op)->text;
}

static vyre_status vyi_check_operand(const vyre_program *p, uint32_t index, unsigned which,
                                     vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const uint32_t id = inst->arg[which];
    if (id == 0 || id > index ||
        !(vyi_op_describe(vyi_definition(p, id)->op)->flags & VYI_OP_VALUE))
        return vyi_fail(err, VYRE_E_IR_VALUE, index + 1,
                        "Use a value that an earlier call on this program returned.",
                        "%%%u %s: operand %u, %%%u, is not an earlier value of this program",
                        (unsigned)index + 1, vyi_inst_text(inst), which, (unsigned)id);
    const uint32_t set = vyi_operand_class(p, inst, which);
    const uint32_t type = vyi_type_of(p, id);
    if (set & vyi_type_set(type))
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_TYPE, index + 1,
                    "Use vyre_ir_cast or vyre_ir_bitcast, or a constant of the right type.",
                    "%%%u %s: operand %u, %%%u, is %s and should be %s", (unsigned)index + 1,
                    vyi_inst_text(inst), which, (unsigned)id, vyi_type_text(type),
                    vyi_class_text(set));
}

/* A literal index that is out of range is a slip of whoever wrote it.  Once a
 * program is finished the rule is off: folding may find such an index in code
 * that means what it says, or is never reached. */
static vyre_status vyi_check_literal_index(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (p->finished || !(vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY))
        return VYRE_OK;
    const vyi_inst *element = vyi_definition(p, inst->arg[1]);
    const vyi_buffer *b = vyi_buffer_of(p, inst->arg[0]);
    if (element->op != VYI_OP_CONST || b->count == 0 || element->arg[0] < b->count)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_INDEX, index + 1, "Correct the index or the declared count.",
                    VYI_AT_FORMAT "element %u of buffer \"%s\", which has %u", VYI_AT(p, index),
                    (unsigned)element->arg[0], b->name, (unsigned)b->count);
}

VYI_API vyre_status vyi_check_operands(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (inst->op >= VYI_OP_COUNT)
        return vyi_fail(err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        "%%%u: operation number %u; there are %u", (unsigned)index + 1,
                        (unsigned)inst->op, (unsigned)VYI_OP_COUNT);
    vyre_status status = vyi_check_numbers(p, index, err);
    if (status == VYRE_OK)
        status = vyi_check_handles(p, index, err);
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (unsigned which = 0; which < 4 && status == VYRE_OK; which++) {
        if (values & (1u << which))
            status = vyi_check_operand(p, index, which, err);
    }
    return status == VYRE_OK ? vyi_check_literal_index(p, index, err) : status;
}

VYI_API vyre_type vyi_result_type(const vyre_program *p, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0];
    switch (inst->op) {
    case VYI_OP_CONST:
    case VYI_OP_CAST:
    case VYI_OP_BITCAST: return (vyre_type)inst->type;
    case VYI_OP_BUILTIN: return inst->sub == VYRE_BUILTIN_LOOP_CUT ? VYRE_TYPE_BOOL : VYRE_TYPE_U32;
    case VYI_OP_LENGTH:
    case VYI_OP_LOOP:
    case VYI_OP_BALLOT:  return VYRE_TYPE_U32;
    case VYI_OP_LOAD:
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD: return (vyre_type)vyi_buffer_of(p, a)->type;
    case VYI_OP_BINARY:
        return vyi_binary_describe(inst->sub)->test ? VYRE_TYPE_BOOL : (vyre_type)vyi_type_of(p, a);
    case VYI_OP_UNARY:
        return vyi_unary_describe(inst->sub)->test ? VYRE_TYPE_BOOL : (vyre_type)vyi_type_of(p, a);
    case VYI_OP_FMA:     return VYRE_TYPE_F32;
    case VYI_OP_SELECT:  return (vyre_type)vyi_type_of(p, inst->arg[1]);
    case VYI_OP_GET:     return (vyre_type)p->locals[a - 1].type;
    case VYI_OP_ELECT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:     return VYRE_TYPE_BOOL;
    case VYI_OP_BROADCAST_FIRST:
    case VYI_OP_SHUFFLE:
    case VYI_OP_REDUCE:  return (vyre_type)vyi_type_of(p, a);
    default:             return VYRE_TYPE_NONE;
    }
}

/* --- the program --------------------------------------------------------- */

static vyre_status vyi_check_instructions(const vyre_program *p, vyre_error *err)
{
    for (uint32_t i = 0; i < p->count; i++) {
        vyre_status status = vyi_check_operands(p, i, err);
        if (status < 0)
            return status;
        const vyre_type type = vyi_result_type(p, &p->insts[i]);
        if (p->insts[i].type != (uint8_t)type)
            return vyi_fail(err, VYRE_E_IR_TYPE, i + 1, "Build programs with the builder only.",
                            "%%%u %s: the result is %s and is declared as %s", (unsigned)i + 1,
                            vyi_inst_text(&p->insts[i]), vyi_type_text((uint32_t)type),
                            vyi_type_text(p->insts[i].type));
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_program_check(const vyre_program *p, vyre_error *err)
{
    vyre_status status = vyi_check_group_size(p->group_size, err);
    for (uint32_t i = 0; i < p->buffer_count && status == VYRE_OK; i++)
        status = vyi_check_buffer(p, i, err);
    if (status == VYRE_OK)
        status = vyi_check_instructions(p, err);
    if (status == VYRE_OK && p->depth)
        status = vyi_fail(err, VYRE_E_IR_OPEN, p->open[p->depth - 1].opener + 1,
                          "Call vyre_ir_end once for each block.", "%%%u: the block has no end",
                          (unsigned)p->open[p->depth - 1].opener + 1);
    return status;
}

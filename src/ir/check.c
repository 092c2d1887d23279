/* ==========================================================================
 * check: what makes a program well-formed
 *
 * Private.  The check trusts nobody: it reads the instruction array as if a
 * stranger had written it.  The builder uses the same rules for each new
 * instruction, so that most mistakes are reported by the call that made them.
 * Messages name an instruction by the number that listings show, which is
 * its index plus one; vyre_error.at is that number, or the builder's call.
 * ======================================================================= */
#include "ir/ir_impl.h"

/* --- workgroup size and buffers ------------------------------------------ */

VYI_COLD
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

VYI_COLD
VYI_API vyre_status vyi_check_buffer(const vyre_program *p, uint32_t index, vyre_error *err)
{
    VYRE_ASSERT(index < p->buffer_capacity);
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

VYI_OUTLINE
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
    case VYI_OP_LOOP_ALLOW:
    case VYI_OP_CLOCK_HIGH:   return VYI_CLASS_U;
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
    if (inst->op == VYI_OP_BUILTIN)
        return vyi_builtin_text(inst->sub);
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
    char text[VYI_OPERAND_TEXT];
    if (vyi_pair_type(p, id))
        return vyi_fail(err, VYRE_E_IR_TYPE, index + 1,
                        "Use vyre_ir_cast, or its words: vyre_ir_low, vyre_ir_high.",
                        "%%%u %s: operand %u is %s, which it does not take", (unsigned)index + 1,
                        vyi_inst_text(inst), which, vyi_type_text(vyi_pair_type(p, id)));
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
                    "%%%u %s: operand %u, %s, is %s and should be %s", (unsigned)index + 1,
                    vyi_inst_text(inst), which, vyi_operand_text(p, id, text),
                    vyi_type_text(type), vyi_class_text(set));
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
    VYRE_ASSERT(index < p->capacity);
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
    case VYI_OP_BALLOT:
    case VYI_OP_CLOCK:
    case VYI_OP_CLOCK_HIGH: return VYRE_TYPE_U32;
    case VYI_OP_LOAD:
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD: return (vyre_type)vyi_buffer_of(p, a)->type;
    case VYI_OP_BINARY:
        return (vyre_type)vyi_operator_gives(vyi_binary_describe(inst->sub), vyi_type_of(p, a));
    case VYI_OP_UNARY:
        return (vyre_type)vyi_operator_gives(vyi_unary_describe(inst->sub), vyi_type_of(p, a));
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

/* --- blocks --------------------------------------------------------------- */

static uint32_t vyi_nest_opener(const vyre_program *p)
{
    return p->depth ? p->insts[p->open[p->depth - 1].opener].op : (uint32_t)VYI_OP_COUNT;
}

/* The innermost open loop, or NULL. */
static const vyi_open *vyi_nest_loop(const vyre_program *p)
{
    for (uint32_t i = p->depth; i-- > 0;) {
        const uint32_t op = p->insts[p->open[i].opener].op;
        if (op == VYI_OP_LOOP || op == VYI_OP_FOREVER)
            return &p->open[i];
    }
    return NULL;
}

VYI_API bool vyi_nest_has_loop(const vyre_program *p)
{
    return vyi_nest_loop(p) != NULL;
}

static bool vyi_nest_in_first_arm(const vyre_program *p)
{
    VYRE_ASSERT(p->depth > 0);
    const vyi_open *top = &p->open[p->depth - 1];
    return top->arm == top->opener;
}

/* True in a switch that has no arm yet. */
static bool vyi_nest_awaits_case(const vyre_program *p)
{
    return vyi_nest_opener(p) == VYI_OP_SWITCH && vyi_nest_in_first_arm(p);
}

/* For ELSE, CASE, DEFAULT and END. */
static vyre_status vyi_nest_check_close(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t opener = vyi_nest_opener(p);
    bool fits = opener != VYI_OP_COUNT;
    if (op == VYI_OP_ELSE)
        fits = opener == VYI_OP_IF && vyi_nest_in_first_arm(p);
    else if (op != VYI_OP_END)
        fits = opener == VYI_OP_SWITCH;
    if (!fits)
        return vyi_fail(err, VYRE_E_IR_BLOCK, index + 1,
                        "Open the block first; an if has one else.",
                        VYI_AT_FORMAT "it does not belong into the innermost open block, %s",
                        VYI_AT(p, index),
                        opener == VYI_OP_COUNT ? "none" : vyi_op_describe(opener)->text);
    if (op == VYI_OP_END && vyi_nest_awaits_case(p))
        return vyi_fail(err, VYRE_E_IR_SWITCH, index + 1, "Give the switch a case or a default.",
                        VYI_AT_FORMAT "the switch has no case", VYI_AT(p, index));
    return VYRE_OK;
}

VYI_API vyre_status vyi_nest_check(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t flags = vyi_op_describe(op)->flags;
    if ((flags & VYI_OP_ARM) || op == VYI_OP_END)
        return vyi_nest_check_close(p, index, err);
    if (vyi_nest_awaits_case(p))
        return vyi_fail(err, VYRE_E_IR_SWITCH, index + 1,
                        "Put it before the switch, or inside a case.",
                        VYI_AT_FORMAT "it stands between a switch and its first case",
                        VYI_AT(p, index));
    const bool left = p->depth ? p->open[p->depth - 1].left : p->left;
    if (left && op != VYI_OP_COMMENT)
        return vyi_fail(err, VYRE_E_IR_UNREACHABLE, index + 1, "Remove it, or end the block first.",
                        VYI_AT_FORMAT "it stands behind a break, continue or return",
                        VYI_AT(p, index));
    if ((flags & VYI_OP_OPENS) && p->depth == VYRE_MAX_NESTING)
        return vyi_fail(err, VYRE_E_IR_NESTING, index + 1,
                        "Close a block first, or join the conditions.",
                        VYI_AT_FORMAT "%u blocks are open, the most there may be",
                        VYI_AT(p, index), (unsigned)p->depth);
    if ((op == VYI_OP_BREAK || op == VYI_OP_CONTINUE) && !vyi_nest_has_loop(p))
        return vyi_fail(err, VYRE_E_IR_LOOP, index + 1, "Use it inside a loop, or use return.",
                        VYI_AT_FORMAT "no loop is open", VYI_AT(p, index));
    return VYRE_OK;
}

static vyi_links vyi_nest_open(vyre_program *p, uint32_t index)
{
    VYRE_ASSERT(p->depth < VYRE_MAX_NESTING);
    const vyi_links links = { VYI_NO_LINK, VYI_NO_LINK };
    vyi_open *block = &p->open[p->depth++];
    block->opener = block->arm = index;
    block->left = false;
    return links;
}

static vyi_links vyi_nest_next_arm(vyre_program *p, uint32_t index)
{
    VYRE_ASSERT(p->depth > 0);
    vyi_open *top = &p->open[p->depth - 1];
    const vyi_links links = { VYI_NO_LINK, top->arm };
    top->arm = index;
    top->left = false;
    return links;
}

static vyi_links vyi_nest_close(vyre_program *p)
{
    VYRE_ASSERT(p->depth > 0);
    const vyi_open *top = &p->open[--p->depth];
    const vyi_links links = { top->opener, top->arm };
    return links;
}

VYI_API vyi_links vyi_nest_advance(vyre_program *p, uint32_t index)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t flags = vyi_op_describe(op)->flags;
    if (flags & VYI_OP_OPENS)
        return vyi_nest_open(p, index);
    if (flags & VYI_OP_ARM)
        return vyi_nest_next_arm(p, index);
    if (op == VYI_OP_END)
        return vyi_nest_close(p);

    vyi_links links = { 0, VYI_NO_LINK };
    if (flags & VYI_OP_LEAVES)
        *(p->depth ? &p->open[p->depth - 1].left : &p->left) = true;
    if (op == VYI_OP_BREAK || op == VYI_OP_CONTINUE)
        links.own = vyi_nest_loop(p)->opener;
    return links;
}

/* --- scopes --------------------------------------------------------------- */

/* A value is visible in the list of instructions, or arm, in which it stands,
 * and in the blocks nested there.  `where` holds for each instruction the arm
 * that its value belongs to: the index of the instruction that opened the arm
 * plus one, or 0 for the outermost list, and the nesting depth above it.  So
 * one comparison with the arm that is open at that depth decides. */
#define VYI_SCOPE_SHIFT 20
VYI_STATIC_ASSERT(scope_shift, VYRE_MAX_INSTRUCTIONS < (1u << VYI_SCOPE_SHIFT) &&
                                   VYRE_MAX_NESTING < (1u << (32 - VYI_SCOPE_SHIFT)));

typedef struct vyi_checker {
    vyre_program       *p;    /* walk */
    vyre_program        walk; /* the program, but its open blocks are those at the place */
    vyre_error         *err;
    uint32_t            arms[VYRE_MAX_NESTING + 1]; /* the open one at each depth */
    uint32_t           *where;                      /* of each instruction */
    uint32_t           *cases;                      /* hash set of arms of switches, index + 1 */
    uint32_t            case_mask;
    uint32_t            locals_seen;
    uint8_t            *level;                      /* uniformity of each value */
    uint8_t            *flow;                       /* uniformity of each loop's body */
    uint8_t            *locals;                     /* uniformity of each local */
    size_t              size;                       /* of all these tables, one block */
} vyi_checker;

static bool vyi_scope_is_open(const vyi_checker *c, uint32_t index)
{
    const uint32_t where = c->where[index];
    const uint32_t depth = where >> VYI_SCOPE_SHIFT;
    return depth <= c->walk.depth && c->arms[depth] == where;
}

/* Locals are numbered in the order in which they are declared. */
static vyre_status vyi_check_local_scope(vyi_checker *c, uint32_t index)
{
    const vyre_program *p = c->p;
    const uint32_t id = p->insts[index].arg[0];
    const vyi_local *local = &p->locals[id - 1];
    if (p->insts[index].op == VYI_OP_LOCAL) {
        if (id == ++c->locals_seen && local->declared == index)
            return VYRE_OK;
        return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "local %u is declared at %%%u", VYI_AT(p, index),
                        (unsigned)id, (unsigned)local->declared + 1);
    }
    if (id <= c->locals_seen && vyi_scope_is_open(c, local->declared))
        return VYRE_OK;
    return vyi_fail(c->err, VYRE_E_IR_SCOPE, index + 1, "Declare the local before the block.",
                    VYI_AT_FORMAT "local $%u %s belongs to a block that is not open",
                    VYI_AT(p, index), (unsigned)id, local->name);
}

static vyre_status vyi_check_scopes(vyi_checker *c, uint32_t index)
{
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t values = vyi_op_describe(inst->op)->values;
    char text[VYI_OPERAND_TEXT];
    for (unsigned which = 0; which < 4; which++) {
        if ((values & (1u << which)) && !vyi_scope_is_open(c, inst->arg[which] - 1))
            return vyi_fail(c->err, VYRE_E_IR_SCOPE, index + 1,
                            "Carry the value out of its block in a local.",
                            "%%%u %s: operand %u, %s, belongs to a block that is closed",
                            (unsigned)index + 1, vyi_inst_text(inst), which,
                            vyi_operand_text(c->p, inst->arg[which], text));
    }
    if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_GET || inst->op == VYI_OP_SET)
        return vyi_check_local_scope(c, index);
    return VYRE_OK;
}

/* Enters a CASE or DEFAULT into the set of arms. */
static vyre_status vyi_check_case(vyi_checker *c, uint32_t index)
{
    VYRE_ASSERT(c->walk.depth > 0 && (c->case_mask & (c->case_mask + 1)) == 0);
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t opener = c->walk.open[c->walk.depth - 1].opener;
    for (uint32_t at = vyi_mix(opener, inst->arg[0]);; at++) {
        uint32_t *entry = &c->cases[at & c->case_mask];
        if (*entry == 0) {
            *entry = index + 1;
            c->where[index] = opener;
            return VYRE_OK;
        }
        const vyi_inst *other = &c->p->insts[*entry - 1];
        if (c->where[*entry - 1] == opener && other->op == inst->op &&
            other->arg[0] == inst->arg[0])
            break;
    }
    return vyi_fail(c->err, VYRE_E_IR_CASE, index + 1, "Give each arm its own literal.",
                    inst->op == VYI_OP_CASE ? VYI_AT_FORMAT "the switch at %%%u has %u twice"
                                            : VYI_AT_FORMAT "the switch at %%%u has two (%u)",
                    VYI_AT(c->p, index), (unsigned)opener + 1, (unsigned)inst->arg[0]);
}

static vyre_status vyi_check_links(const vyi_checker *c, uint32_t index, vyi_links links)
{
    const vyi_inst *inst = &c->p->insts[index];
    if ((links.own == VYI_NO_LINK || inst->link == links.own) &&
        (links.arm == VYI_NO_LINK || c->p->insts[links.arm].link == index))
        return VYRE_OK;
    return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                    VYI_AT_FORMAT "the links of its block are wrong", VYI_AT(c->p, index));
}

/* Goes past one instruction that may stand here. */
static vyre_status vyi_check_step(vyi_checker *c, uint32_t index)
{
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (inst->op == VYI_OP_FOREVER && inst->sub == vyi_nest_has_loop(c->p))
        return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "wrongly marked as a round loop", VYI_AT(c->p, index));

    const vyi_links links = vyi_nest_advance(c->p, index);
    const uint32_t depth = c->walk.depth;
    if (flags & (VYI_OP_OPENS | VYI_OP_ARM))
        c->arms[depth] = (depth << VYI_SCOPE_SHIFT) | (index + 1);
    if (!(flags & VYI_OP_ARM))
        c->where[index] = c->arms[depth];
    return vyi_check_links(c, index, links);
}

static vyre_status vyi_check_blocks(vyi_checker *c)
{
    const vyre_program *p = c->p;
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t op = p->insts[i].op;
        vyre_status status = vyi_nest_check(p, i, c->err);
        if (status == VYRE_OK)
            status = vyi_check_scopes(c, i);
        if (status == VYRE_OK && (op == VYI_OP_CASE || op == VYI_OP_DEFAULT))
            status = vyi_check_case(c, i);
        if (status == VYRE_OK)
            status = vyi_check_step(c, i);
        if (status < 0)
            return status;
    }
    if (c->walk.depth == 0)
        return VYRE_OK;
    const uint32_t opener = c->walk.open[c->walk.depth - 1].opener;
    return vyi_fail(c->err, VYRE_E_IR_OPEN, opener + 1, "Call vyre_ir_end once for each block.",
                    VYI_AT_FORMAT "the block has no end; %u are open", VYI_AT(p, opener),
                    (unsigned)c->walk.depth);
}

/* --- uniformity ----------------------------------------------------------- */

/* A barrier waits for all lanes, so all must reach it together.  Each value
 * and each place in the flow of control has a level:
 *
 *     0  the same in all lanes of the workgroup
 *     1  the same in all lanes of each subgroup
 *     2  may differ from lane to lane
 *
 * The level of a block is the largest among the conditions around it.  A
 * break or continue at some level gives it to the body of its loop, a return
 * to all that may run after it: code behind it, and the loops around it.  A
 * local has the largest level among all that is stored into it, and where.
 * What vyre_ir_uniform marks has level 0: only lanes that come there use it.
 * What flows backwards through loops is repeated until nothing changes. */
#define VYI_UNIFORM_PASSES 16u

typedef struct vyi_uniformity {
    vyi_checker *c;
    uint32_t     depth;
    uint8_t      flow[VYRE_MAX_NESTING + 1];   /* the level of each open block */
    uint32_t     cause[VYRE_MAX_NESTING + 1];  /* the instruction that it comes from */
    uint32_t     opener[VYRE_MAX_NESTING + 1];
    uint8_t      after;                        /* what returns so far do to all that follows */
    uint32_t     after_cause;
    bool         changed;
} vyi_uniformity;

static uint8_t vyi_level_max(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

static uint8_t vyi_level_here(const vyi_uniformity *u)
{
    return vyi_level_max(u->flow[u->depth], u->after);
}

static void vyi_level_raise(vyi_uniformity *u, uint8_t *level, uint8_t to)
{
    VYRE_ASSERT(to <= 2);
    if (*level < to) {
        *level = to;
        u->changed = true;
    }
}

static uint8_t vyi_level_of_builtin(uint32_t sub)
{
    switch (sub) {
    case VYRE_BUILTIN_GROUP_ID_X:
    case VYRE_BUILTIN_GROUP_ID_Y:
    case VYRE_BUILTIN_GROUP_ID_Z:
    case VYRE_BUILTIN_GROUP_SIZE_X:
    case VYRE_BUILTIN_GROUP_SIZE_Y:
    case VYRE_BUILTIN_GROUP_SIZE_Z:
    case VYRE_BUILTIN_GROUP_COUNT_X:
    case VYRE_BUILTIN_GROUP_COUNT_Y:
    case VYRE_BUILTIN_GROUP_COUNT_Z:
    case VYRE_BUILTIN_SUBGROUP_SIZE: return 0;
    default:                         return 2;
    }
}

static uint8_t vyi_level_of_operands(const vyi_uniformity *u, const vyi_inst *inst)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    uint8_t level = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (values & (1u << i))
            level = vyi_level_max(level, u->c->level[inst->arg[i] - 1]);
    }
    return level;
}

/* The level of an instruction's value. */
static uint8_t vyi_level_of(const vyi_uniformity *u, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM)
        return 0;
    if (vyi_op_describe(inst->op)->flags & VYI_OP_PURE)
        return vyi_level_of_operands(u, inst);
    switch (inst->op) {
    case VYI_OP_BUILTIN: return vyi_level_of_builtin(inst->sub);
    case VYI_OP_GET:     return u->c->locals[inst->arg[0] - 1];
    case VYI_OP_LOOP:    return vyi_level_of_operands(u, inst);
    case VYI_OP_LOAD:
        /* What is declared as read-only does not change while the program runs. */
        return vyi_buffer_of(u->c->p, inst->arg[0])->access == VYRE_ACCESS_READ
                   ? vyi_level_of_operands(u, inst) : 2;
    case VYI_OP_BALLOT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:
    case VYI_OP_BROADCAST_FIRST:
    case VYI_OP_REDUCE:
        /* The same in all active lanes.  Where not all are active the place has
         * level 2, and so has everything that can use this value there. */
        return 1;
    default:             return 2;
    }
}

static void vyi_level_open(vyi_uniformity *u, uint32_t index)
{
    const vyi_inst *inst = &u->c->p->insts[index];
    const uint8_t here = vyi_level_here(u);
    const uint8_t own = vyi_level_max(vyi_level_of_operands(u, inst), u->c->flow[index]);
    VYRE_ASSERT(u->depth < VYRE_MAX_NESTING);
    const uint32_t cause = u->after > u->flow[u->depth] ? u->after_cause : u->cause[u->depth];
    u->depth++;
    u->opener[u->depth] = index;
    u->flow[u->depth] = vyi_level_max(here, own);
    u->cause[u->depth] = own > here ? index : cause;
}

/* A return takes its lanes out of everything that comes later. */
static void vyi_level_return(vyi_uniformity *u, uint32_t index)
{
    const uint8_t here = vyi_level_here(u);
    for (uint32_t d = 1; d <= u->depth; d++) {
        const uint32_t op = u->c->p->insts[u->opener[d]].op;
        if (op == VYI_OP_LOOP || op == VYI_OP_FOREVER)
            vyi_level_raise(u, &u->c->flow[u->opener[d]], here);
    }
    if (u->after < here) {
        u->after = here;
        u->after_cause = index;
    }
}

static void vyi_level_step(vyi_uniformity *u, uint32_t index)
{
    const vyi_inst *inst = &u->c->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (flags & VYI_OP_VALUE)
        u->c->level[index] = vyi_level_of(u, inst);
    if (flags & VYI_OP_OPENS)
        vyi_level_open(u, index);
    else if (inst->op == VYI_OP_END)
        u->depth--;
    else if (inst->op == VYI_OP_RETURN)
        vyi_level_return(u, index);
    else if (flags & VYI_OP_LEAVES)
        vyi_level_raise(u, &u->c->flow[inst->link], vyi_level_here(u));
    else if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_SET)
        vyi_level_raise(u, &u->c->locals[inst->arg[0] - 1],
                        vyi_level_max(vyi_level_here(u), vyi_level_of_operands(u, inst)));
}

static void vyi_level_begin(vyi_uniformity *u)
{
    u->changed = false;
    u->depth = 0;
    u->flow[0] = 0;
    u->cause[0] = 0;
    u->after = 0;
    u->after_cause = 0;
}

/* The first operand whose level is above `allowed`, or 0. */
static uint32_t vyi_level_parts_by(const vyi_uniformity *u, const vyi_inst *inst, uint8_t allowed)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (unsigned i = 0; i < 4; i++) {
        if ((values & (1u << i)) && u->c->level[inst->arg[i] - 1] > allowed)
            return inst->arg[i];
    }
    return 0;
}

/* The value by which the lanes part at `inst`, followed to where they begin to
 * differ; 0 when it is not by a value.  A subgroup operation is such a place,
 * whatever its operands are. */
static uint32_t vyi_level_origin(const vyi_uniformity *u, const vyi_inst *inst, uint8_t allowed)
{
    uint32_t origin = 0;
    for (uint32_t next = vyi_level_parts_by(u, inst, allowed); next;) {
        origin = next;
        inst = vyi_definition(u->c->p, origin);
        next = vyi_op_describe(inst->op)->flags & VYI_OP_GROUP
                   ? 0 : vyi_level_parts_by(u, inst, allowed);
    }
    return origin;
}

/* Says where the lanes part, and why. */
VYI_COLD
static vyre_status vyi_barrier_fail(const vyi_uniformity *u, uint32_t index, uint8_t allowed)
{
    VYRE_ASSERT(vyi_level_here(u) > allowed);
    const vyre_program *p = u->c->p;
    const uint32_t cause = u->after > u->flow[u->depth] ? u->after_cause : u->cause[u->depth];
    const uint32_t origin = vyi_level_origin(u, &p->insts[cause], allowed);
    const bool loaded = origin && (vyi_op_describe(vyi_definition(p, origin)->op)->flags &
                                   VYI_OP_MEMORY);
    char why[48] = "";
    if (origin)
        snprintf(why, sizeof why, ", by %%%u, %s", (unsigned)origin,
                 vyi_inst_text(vyi_definition(p, origin)));
    return vyi_fail(u->c->err, VYRE_E_IR_BARRIER, index + 1,
                    loaded ? "If all lanes load the same there, say so with vyre_ir_uniform; else "
                             "move the barrier out of the branch."
                           : "Move the barrier out of the branch, or branch on what all lanes "
                             "share.",
                    VYI_AT_FORMAT "not all lanes reach it together: they may part at %%%u, %s%s",
                    VYI_AT(p, index), (unsigned)cause + 1,
                    vyi_op_describe(p->insts[cause].op)->text, why);
}

static vyre_status vyi_check_barrier(const vyi_uniformity *u, uint32_t index)
{
    const vyre_program *p = u->c->p;
    const uint32_t scope = p->insts[index].sub;
    static const uint8_t allowed_levels[] = { 0, 1, 2 }; /* a fence may stand anywhere */
    const uint8_t allowed = allowed_levels[scope];
    return vyi_level_here(u) <= allowed ? VYRE_OK : vyi_barrier_fail(u, index, allowed);
}

static vyre_status vyi_check_barriers(vyi_checker *c)
{
    vyi_uniformity u;
    memset(&u, 0, sizeof u);
    u.c = c;
    for (uint32_t pass = 0; pass == 0 || u.changed; pass++) {
        vyi_level_begin(&u);
        if (pass == VYI_UNIFORM_PASSES) {
            /* No real program comes here: expect the worst, which is stable. */
            memset(c->locals, 2, c->p->local_count);
            memset(c->flow, 2, c->p->count);
        }
        for (uint32_t i = 0; i < c->p->count; i++)
            vyi_level_step(&u, i);
    }

    vyre_status status = VYRE_OK;
    vyi_level_begin(&u);
    for (uint32_t i = 0; i < c->p->count && status == VYRE_OK; i++) {
        if (c->p->insts[i].op == VYI_OP_BARRIER)
            status = vyi_check_barrier(&u, i);
        vyi_level_step(&u, i);
    }
    return status;
}

/* --- the program ---------------------------------------------------------- */

static vyre_status vyi_check_limits(const vyre_program *p, vyre_error *err)
{
    if (p->count > VYRE_MAX_INSTRUCTIONS || p->buffer_count > VYRE_MAX_BUFFERS)
        return vyi_fail(err, VYRE_E_IR_LIMIT, 0, "Split the program.",
                        "%u instructions and %u buffers; there may be %u and %u",
                        (unsigned)p->count, (unsigned)p->buffer_count,
                        (unsigned)VYRE_MAX_INSTRUCTIONS, (unsigned)VYRE_MAX_BUFFERS);
    if (p->local_count > p->count)
        return vyi_fail(err, VYRE_E_IR_LINK, 0, "Build programs with the builder only.",
                        "%u locals in %u instructions", (unsigned)p->local_count,
                        (unsigned)p->count);
    vyre_status status = vyi_check_group_size(p->group_size, err);
    for (uint32_t i = 0; i < p->buffer_count && status == VYRE_OK; i++)
        status = vyi_check_buffer(p, i, err);
    return status;
}

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

static uint32_t vyi_count_op(const vyre_program *p, uint32_t op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        n += p->insts[i].op == op;
    return n;
}

static bool vyi_checker_set_up(vyi_checker *c, const vyre_program *p, vyre_error *err)
{
    memset(c, 0, sizeof *c);
    c->walk = *p;
    c->walk.depth = 0;
    c->walk.left = false;
    c->p = &c->walk;
    c->err = err;
    const uint32_t arms = vyi_count_op(p, VYI_OP_CASE) + vyi_count_op(p, VYI_OP_DEFAULT);
    uint32_t slots = 1;
    while (slots < 2 * arms + 1)
        slots *= 2;
    c->case_mask = slots - 1;

    const size_t count = p->count;
    const size_t words = count + slots;
    c->size = words * 4 + 2 * count + p->local_count;
    c->where = (uint32_t *)vyi_alloc(&p->allocator, c->size);
    if (!c->where) {
        vyi_fail_nomem(err, c->size);
        return false;
    }
    c->cases = c->where + count;
    c->level = (uint8_t *)(c->where + words);
    c->flow = c->level + count;
    c->locals = c->flow + count;
    memset(c->cases, 0, c->size - count * 4);
    return true;
}

VYI_API vyre_status vyi_program_check(const vyre_program *p, vyre_error *err)
{
    vyre_status status = vyi_check_limits(p, err);
    if (status < 0)
        return status;
    vyi_checker c;
    if (!vyi_checker_set_up(&c, p, err))
        return VYRE_E_NOMEM;
    status = vyi_check_instructions(p, err);
    if (status == VYRE_OK)
        status = vyi_check_blocks(&c);
    if (status == VYRE_OK && vyi_count_op(p, VYI_OP_BARRIER))
        status = vyi_check_barriers(&c);
    vyi_free(&p->allocator, c.where, c.size);
    if (status < 0)
        vyi_guest_blame_at(p, err);
    return status;
}

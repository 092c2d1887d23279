/* ==========================================================================
 * ir: implementation
 * ======================================================================= */
#include "ir/ir_impl.h"

/* --- programs ------------------------------------------------------------ */

static void vyi_program_set_up(vyre_program *p, const vyre_program_desc *desc,
                               const uint32_t group_size[3])
{
    memset(p, 0, sizeof *p);
    p->allocator = desc->allocator;
    p->arena.allocator = desc->allocator;
    memcpy(p->group_size, group_size, sizeof p->group_size);
}

VYI_COLD
VYRE_API vyre_program *vyre_program_create(const vyre_program_desc *desc, vyre_error *err)
{
    static const vyre_program_desc defaults = { { 0, 0, 0 }, NULL, { NULL, NULL } };
    if (!desc)
        desc = &defaults;

    const uint32_t *wanted = desc->workgroup_size;
    const uint32_t group_size[3] = { wanted[0] ? wanted[0] : 64, wanted[1] ? wanted[1] : 1,
                                     wanted[2] ? wanted[2] : 1 };
    if (vyi_check_group_size(group_size, err) < 0)
        return NULL;

    vyre_program *p = (vyre_program *)vyi_alloc(&desc->allocator, sizeof *p);
    if (!p) {
        vyi_fail_nomem(err, sizeof *p);
        return NULL;
    }
    vyi_program_set_up(p, desc, group_size);
    p->name = vyi_arena_text(&p->arena, desc->name ? desc->name : "program", VYRE_MAX_NAME);
    if (!p->name) {
        vyi_fail_nomem(err, VYRE_MAX_NAME + 1);
        vyre_program_destroy(p);
        return NULL;
    }
    return p;
}

VYI_COLD
VYRE_API void vyre_program_destroy(vyre_program *p)
{
    if (!p)
        return;
    const vyre_allocator allocator = p->allocator;
    vyi_free(&allocator, p->insts, p->capacity * sizeof *p->insts);
    vyi_free(&allocator, p->buffers, p->buffer_capacity * sizeof *p->buffers);
    vyi_free(&allocator, p->locals, p->local_capacity * sizeof *p->locals);
    vyi_free(&allocator, p->pairs, p->pair_capacity * sizeof *p->pairs);
    vyi_free(&allocator, p->names, p->name_capacity * sizeof *p->names);
    vyi_free(&allocator, (void *)p->texts, p->text_capacity * sizeof *p->texts);
    vyi_free(&allocator, p->guests, p->guest_capacity * sizeof *p->guests);
    vyi_arena_free(&p->arena);
    vyi_free(&allocator, p, sizeof *p);
}

VYRE_API vyre_status vyre_program_finish(vyre_program *p, vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    vyre_error found;
    memset(&found, 0, sizeof found);
    if (p->error.status == VYRE_OK && !p->finished) {
        p->finished = vyi_program_check(p, &found) == VYRE_OK;
        /* Without memory nothing is known about the program: a later call may succeed. */
        if (found.status != VYRE_E_NOMEM)
            p->error = found;
    } else {
        found = p->error;
    }
    if (found.status != VYRE_OK && err)
        *err = found;
    return found.status;
}

VYRE_API vyre_status vyre_program_status(const vyre_program *p)
{
    return p ? p->error.status : VYRE_E_ARGUMENT;
}

VYRE_API uint32_t vyre_program_instruction_count(const vyre_program *p)
{
    return p ? p->count : 0;
}

/* Words instead of bytes, so that the hash is the same on every host. */
static uint64_t vyi_hash_word(uint64_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 29);
}

static uint64_t vyi_hash_inst(uint64_t hash, const vyi_inst *inst)
{
    hash = vyi_hash_word(hash, (uint32_t)inst->op | (uint32_t)inst->type << 8 |
                                   (uint32_t)inst->sub << 16 | (uint32_t)inst->order << 24);
    for (unsigned i = 0; i < 4; i++)
        hash = vyi_hash_word(hash, inst->arg[i]);
    return vyi_hash_word(hash, inst->link);
}

static uint64_t vyi_hash_buffer(uint64_t hash, const vyi_buffer *b)
{
    hash = vyi_hash_word(hash, b->binding);
    hash = vyi_hash_word(hash, (uint32_t)b->type | (uint32_t)b->access << 8 |
                                   (uint32_t)b->no_readback << 16);
    hash = vyi_hash_word(hash, b->count);
    hash = vyi_hash_word(hash, b->readback_offset);
    return vyi_hash_word(hash, b->readback_size);
}

VYI_COLD
VYRE_API uint64_t vyre_program_hash(const vyre_program *p)
{
    uint64_t hash = VYI_HASH_SEED;
    if (!p)
        return hash;
    for (unsigned i = 0; i < 3; i++)
        hash = vyi_hash_word(hash, p->group_size[i]);
    hash = vyi_hash_word(hash, p->buffer_count);
    for (uint32_t i = 0; i < p->buffer_count; i++)
        hash = vyi_hash_buffer(hash, &p->buffers[i]);
    for (uint32_t i = 0; i < p->count; i++)
        hash = vyi_hash_inst(hash, &p->insts[i]);
    return hash;
}

/* --- the builder's core -------------------------------------------------- */

VYI_API void vyi_program_nomem(vyre_program *p, size_t size)
{
    vyi_fail_nomem(&p->error, size);
    p->error.at = p->calls;
}

static void vyi_ir_count(vyre_program *p)
{
    p->calls += p->inner == 0 && p->made == 0;
}

/* Counts the call; false when the program takes no more. */
static bool vyi_ir_begin(vyre_program *p)
{
    if (!p)
        return false;
    vyi_ir_count(p);
    if (p->finished)
        vyi_program_fail(p, VYRE_E_IR_FINISHED, "Build everything before vyre_program_finish.",
                         "call %u comes after vyre_program_finish", (unsigned)p->calls);
    return p->error.status == VYRE_OK;
}

VYI_OUTLINE VYI_API bool vyi_made_begin(vyre_program *p)
{
    if (!vyi_ir_begin(p))
        return false;
    p->made++;
    return true;
}

VYI_API void vyi_made_end(vyre_program *p)
{
    VYRE_ASSERT(p->made > 0);
    p->made--;
}

static bool vyi_ir_grow_insts(vyre_program *p)
{
    if (p->count >= VYRE_MAX_INSTRUCTIONS) {
        vyi_program_fail(p, VYRE_E_IR_LIMIT, "Split the program, or use loops.",
                         "the program has %u instructions, the most there may be",
                         (unsigned)p->count);
        return false;
    }
    void *insts = p->insts;
    if (!vyi_grow(&p->allocator, &insts, &p->capacity, p->count + 1, sizeof *p->insts)) {
        vyi_program_nomem(p, ((size_t)p->count + 1) * sizeof *p->insts);
        return false;
    }
    p->insts = (vyi_inst *)insts;
    return true;
}

static void vyi_ir_link(vyre_program *p, uint32_t index)
{
    VYRE_ASSERT(index == p->count && index < p->capacity);
    const vyi_links links = vyi_nest_advance(p, index);
    if (links.own != VYI_NO_LINK)
        p->insts[index].link = links.own;
    if (links.arm != VYI_NO_LINK)
        p->insts[links.arm].link = index;
}

VYI_API uint32_t vyi_ir_append(vyre_program *p, vyi_inst inst)
{
    if (!vyi_ir_begin(p) || !vyi_ir_grow_insts(p))
        return 0;

    p->insts[p->count] = inst;
    if (p->guest.watch && vyi_check_operands(p, p->count, NULL) == VYRE_OK) {
        vyi_guest_show(p, &inst);
        if (p->error.status != VYRE_OK || !vyi_ir_grow_insts(p))
            return 0;
        p->insts[p->count] = inst;
        if (inst.op == VYI_OP_LOCAL)
            p->locals[inst.arg[0] - 1].declared = p->count;
    }
    const uint32_t index = p->count;
    if (vyi_check_operands(p, index, &p->error) < 0 ||
        vyi_guest_check(p, index, &p->error) < 0 ||
        vyi_nest_check(p, index, &p->error) < 0) {
        vyi_guest_blame(p);
        return 0;
    }
    p->insts[index].type = (uint8_t)vyi_result_type(p, &p->insts[index]);
    vyi_ir_link(p, index);
    p->count++;
    VYRE_ASSERT(p->depth <= VYRE_MAX_NESTING);
    return index + 1;
}

static vyi_inst vyi_inst_make(vyi_op op, uint32_t a, uint32_t b, uint32_t c)
{
    vyi_inst inst;
    memset(&inst, 0, sizeof inst);
    inst.op = (uint8_t)op;
    inst.arg[0] = a;
    inst.arg[1] = b;
    inst.arg[2] = c;
    return inst;
}

/* A caller's enum as a byte; what does not fit becomes 255, which no list has. */
static uint8_t vyi_narrow(uint32_t number)
{
    return (uint8_t)(number > 255 ? 255 : number);
}

static vyre_value vyi_ir_value(vyre_program *p, vyi_inst inst)
{
    vyre_value value;
    value.id = vyi_ir_append(p, inst);
    return value;
}

/* --- buffers, constants, ids --------------------------------------------- */

static bool vyi_ir_grow_buffers(vyre_program *p)
{
    if (p->buffer_count >= VYRE_MAX_BUFFERS) {
        vyi_program_fail(p, VYRE_E_IR_LIMIT, "Put several arrays into one buffer.",
                         "the program has %u buffers, the most there may be",
                         (unsigned)p->buffer_count);
        return false;
    }
    void *buffers = p->buffers;
    if (!vyi_grow(&p->allocator, &buffers, &p->buffer_capacity, p->buffer_count + 1,
                  sizeof *p->buffers)) {
        vyi_program_nomem(p, (p->buffer_count + 1) * sizeof *p->buffers);
        return false;
    }
    p->buffers = (vyi_buffer *)buffers;
    return true;
}

static const char *vyi_ir_buffer_name(vyre_program *p, const char *name)
{
    char generated[24];
    snprintf(generated, sizeof generated, "buffer%u", (unsigned)p->buffer_count);
    const char *copy = vyi_arena_text(&p->arena, name ? name : generated, VYRE_MAX_NAME);
    if (!copy)
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
    return copy;
}

VYRE_API vyre_buffer vyre_ir_buffer(vyre_program *p, const vyre_buffer_desc *desc)
{
    vyre_buffer none = { 0 };
    if (!vyi_ir_begin(p))
        return none;
    if (!desc) {
        vyi_program_fail(p, VYRE_E_ARGUMENT, "Pass a vyre_buffer_desc.",
                         "the description of a buffer is NULL");
        return none;
    }
    if (!vyi_ir_grow_buffers(p))
        return none;

    vyi_buffer *b = &p->buffers[p->buffer_count];
    memset(b, 0, sizeof *b);
    b->name = vyi_ir_buffer_name(p, desc->name);
    if (!b->name)
        return none;
    b->binding = desc->access == VYRE_ACCESS_WORKGROUP ? UINT32_MAX : desc->binding;
    b->type = desc->type ? vyi_narrow((uint32_t)desc->type) : (uint8_t)VYRE_TYPE_U32;
    b->access = vyi_narrow((uint32_t)desc->access);
    b->no_readback = desc->no_readback;
    b->count = desc->count;
    b->readback_offset = desc->readback_offset;
    b->readback_size = desc->readback_size;
    if (vyi_check_buffer(p, p->buffer_count, &p->error) < 0) {
        vyi_guest_blame(p);
        return none;
    }
    vyre_buffer made = { ++p->buffer_count };
    return made;
}

VYI_API vyre_value vyi_ir_const(vyre_program *p, uint32_t type, uint32_t bits)
{
    VYRE_ASSERT(type != VYRE_TYPE_BOOL || bits <= 1);
    vyi_inst inst = vyi_inst_make(VYI_OP_CONST, bits, 0, 0);
    inst.type = (uint8_t)type;
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE VYRE_API vyre_value vyre_ir_u32(vyre_program *p, uint32_t x)
{
    return vyi_ir_const(p, VYRE_TYPE_U32, x);
}

VYRE_API vyre_value vyre_ir_i32(vyre_program *p, int32_t x)
{
    return vyi_ir_const(p, VYRE_TYPE_I32, (uint32_t)x);
}

VYRE_API vyre_value vyre_ir_f32(vyre_program *p, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return vyi_ir_const(p, VYRE_TYPE_F32, bits);
}

VYI_OUTLINE VYRE_API vyre_value vyre_ir_bool(vyre_program *p, bool x)
{
    return vyi_ir_const(p, VYRE_TYPE_BOOL, x ? 1 : 0);
}

VYRE_API vyre_value vyre_ir_builtin(vyre_program *p, vyre_builtin what)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BUILTIN, 0, 0, 0);
    inst.sub = vyi_narrow((uint32_t)what);
    return vyi_ir_value(p, inst);
}

/* --- memory -------------------------------------------------------------- */

VYRE_API vyre_value vyre_ir_length(vyre_program *p, vyre_buffer buffer)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LENGTH, buffer.id, 0, 0));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_load(vyre_program *p, vyre_buffer buffer, vyre_value index)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LOAD, buffer.id, index.id, 0));
}

VYI_OUTLINE
VYRE_API void vyre_ir_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                            vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_STORE, buffer.id, index.id, value.id));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_atomic(vyre_program *p, vyre_atomic_op op, vyre_buffer buffer,
                                   vyre_value index, vyre_value value, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC, buffer.id, index.id, value.id);
    inst.sub = vyi_narrow((uint32_t)op);
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYRE_API vyre_value vyre_ir_atomic_cas(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                       vyre_value expected, vyre_value desired, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_CAS, buffer.id, index.id, expected.id);
    inst.arg[3] = desired.id;
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_atomic_load(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                        vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_LOAD, buffer.id, index.id, 0);
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE
VYRE_API void vyre_ir_atomic_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                   vyre_value value, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_STORE, buffer.id, index.id, value.id);
    inst.order = vyi_narrow((uint32_t)order);
    vyi_ir_append(p, inst);
}

VYI_API vyre_value vyi_ir_clock(vyre_program *p, vyre_value *high)
{
    vyre_value low = vyi_ir_value(p, vyi_inst_make(VYI_OP_CLOCK, 0, 0, 0));
    *high = vyi_ir_value(p, vyi_inst_make(VYI_OP_CLOCK_HIGH, low.id, 0, 0));
    return low;
}

/* --- arithmetic ---------------------------------------------------------- */

VYI_OUTLINE VYI_API vyre_value vyi_ir_binary(vyre_program *p, uint32_t sub, vyre_value a,
                                             vyre_value b)
{
    if (vyi_is_pair(a))
        return vyi_pair_binary(p, sub, a, b);
    vyi_inst inst = vyi_inst_make(VYI_OP_BINARY, a.id, b.id, 0);
    inst.sub = (uint8_t)sub;
    return vyi_ir_value(p, inst);
}

VYI_API vyre_value vyi_ir_unary(vyre_program *p, uint32_t sub, vyre_value a)
{
    if (vyi_is_pair(a))
        return vyi_pair_unary(p, sub, a);
    vyi_inst inst = vyi_inst_make(VYI_OP_UNARY, a.id, 0, 0);
    inst.sub = (uint8_t)sub;
    return vyi_ir_value(p, inst);
}

#define VYI_BINARY_FUNCTION(name, function, operands, result)                                      \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a, vyre_value b)                      \
    {                                                                                              \
        return vyi_ir_binary(p, VYI_BINARY_##name, a, b);                                          \
    }
VYRE_BINARY_LIST(VYI_BINARY_FUNCTION)

#define VYI_UNARY_FUNCTION(name, function, operands, result)                                       \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a)                                    \
    {                                                                                              \
        return vyi_ir_unary(p, VYI_UNARY_##name, a);                                               \
    }
VYRE_UNARY_LIST(VYI_UNARY_FUNCTION)

VYRE_API vyre_value vyre_ir_fma(vyre_program *p, vyre_value a, vyre_value b, vyre_value c)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_FMA, a.id, b.id, c.id));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b)
{
    if (vyi_is_pair(a))
        return vyi_pair_select(p, cond, a, b);
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_SELECT, cond.id, a.id, b.id));
}

VYRE_API vyre_value vyre_ir_cast(vyre_program *p, vyre_type type, vyre_value a)
{
    if (vyi_is_pair(a) || vyi_type_is_pair((uint32_t)type))
        return vyi_pair_cast(p, (uint32_t)type, a, false);
    vyi_inst inst = vyi_inst_make(VYI_OP_CAST, a.id, 0, 0);
    inst.type = vyi_narrow((uint32_t)type);
    return vyi_ir_value(p, inst);
}

VYRE_API vyre_value vyre_ir_bitcast(vyre_program *p, vyre_type type, vyre_value a)
{
    if (vyi_is_pair(a) || vyi_type_is_pair((uint32_t)type))
        return vyi_pair_cast(p, (uint32_t)type, a, true);
    vyi_inst inst = vyi_inst_make(VYI_OP_BITCAST, a.id, 0, 0);
    inst.type = vyi_narrow((uint32_t)type);
    return vyi_ir_value(p, inst);
}

/* --- locals -------------------------------------------------------------- */

static bool vyi_ir_add_local(vyre_program *p, vyre_type type, const char *name)
{
    void *locals = p->locals;
    if (!vyi_grow(&p->allocator, &locals, &p->local_capacity, p->local_count + 1,
                  sizeof *p->locals)) {
        vyi_program_nomem(p, ((size_t)p->local_count + 1) * sizeof *p->locals);
        return false;
    }
    p->locals = (vyi_local *)locals;

    vyi_local *local = &p->locals[p->local_count];
    local->name = vyi_arena_text(&p->arena, name, VYRE_MAX_NAME);
    local->type = vyi_narrow((uint32_t)type);
    local->pair = VYRE_TYPE_NONE;
    local->declared = p->count;
    if (!local->name) {
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
        return false;
    }
    p->local_count++;
    return true;
}

VYRE_API vyre_local vyre_ir_local(vyre_program *p, vyre_type type, vyre_value initial,
                                  const char *name)
{
    vyre_local local = { 0 };
    if (!p)
        return local;
    if (vyi_type_is_pair((uint32_t)type))
        return vyi_pair_local(p, (uint32_t)type, initial, name);
    /* The instruction counts the call; a failed program must not grow. */
    if (p->error.status == VYRE_OK && !p->finished && !vyi_ir_add_local(p, type, name)) {
        vyi_ir_count(p);
        p->error.at = p->calls;
        return local;
    }
    if (vyi_ir_append(p, vyi_inst_make(VYI_OP_LOCAL, p->local_count, initial.id, 0)))
        local.id = p->local_count;
    return local;
}

VYI_API vyre_value vyi_ir_get_word(vyre_program *p, vyre_local local)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_GET, local.id, 0, 0));
}

VYI_API void vyi_ir_set_word(vyre_program *p, vyre_local local, vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_SET, local.id, value.id, 0));
}

static bool vyi_ir_is_pair(const vyre_program *p, vyre_local local)
{
    return p && local.id - 1 < p->local_count && p->locals[local.id - 1].pair;
}

VYRE_API vyre_value vyre_ir_get(vyre_program *p, vyre_local local)
{
    return vyi_ir_is_pair(p, local) ? vyi_pair_get(p, local) : vyi_ir_get_word(p, local);
}

VYI_OUTLINE VYRE_API void vyre_ir_set(vyre_program *p, vyre_local local, vyre_value value)
{
    if (vyi_ir_is_pair(p, local))
        vyi_pair_set(p, local, value);
    else
        vyi_ir_set_word(p, local, value);
}

/* --- control flow -------------------------------------------------------- */

VYI_OUTLINE VYRE_API void vyre_ir_if(vyre_program *p, vyre_value cond)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_IF, cond.id, 0, 0));
}

VYRE_API void vyre_ir_else(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_ELSE, 0, 0, 0));
}

VYRE_API void vyre_ir_switch(vyre_program *p, vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_SWITCH, value.id, 0, 0));
}

VYRE_API void vyre_ir_case(vyre_program *p, uint32_t literal)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_CASE, literal, 0, 0));
}

VYRE_API void vyre_ir_default(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_DEFAULT, 0, 0, 0));
}

VYRE_API vyre_value vyre_ir_loop(vyre_program *p, vyre_value from, vyre_value to)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LOOP, from.id, to.id, 0));
}

VYRE_API void vyre_ir_forever(vyre_program *p)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_FOREVER, 0, 0, 0);
    if (p)
        inst.sub = vyi_nest_has_loop(p) ? 0 : 1;
    vyi_ir_append(p, inst);
}

VYI_OUTLINE VYRE_API void vyre_ir_end(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_END, 0, 0, 0));
}

VYI_OUTLINE VYRE_API void vyre_ir_break(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_BREAK, 0, 0, 0));
}

VYRE_API void vyre_ir_continue(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_CONTINUE, 0, 0, 0));
}

VYRE_API void vyre_ir_return(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_RETURN, 0, 0, 0));
}

VYRE_API void vyre_ir_barrier(vyre_program *p, vyre_scope scope, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BARRIER, 0, 0, 0);
    inst.sub = vyi_narrow((uint32_t)scope);
    inst.order = vyi_narrow((uint32_t)order);
    vyi_ir_append(p, inst);
}

VYRE_API void vyre_ir_loop_allow(vyre_program *p, vyre_value n)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_LOOP_ALLOW, n.id, 0, 0));
}

/* --- listings ------------------------------------------------------------ */

#define VYI_MAX_COMMENT 1000u

static bool vyi_ir_add_text(vyre_program *p, const char *text)
{
    void *texts = (void *)p->texts;
    if (vyi_grow(&p->allocator, &texts, &p->text_capacity, p->text_count + 1,
                 sizeof *p->texts)) {
        p->texts = (const char **)texts;
        p->texts[p->text_count] = vyi_arena_text(&p->arena, text, VYI_MAX_COMMENT);
        if (p->texts[p->text_count]) {
            p->text_count++;
            return true;
        }
    }
    vyi_program_nomem(p, VYI_MAX_COMMENT + 1);
    return false;
}

VYI_COLD
VYRE_API void vyre_ir_comment(vyre_program *p, const char *text)
{
    if (!p)
        return;
    if (p->error.status == VYRE_OK && !p->finished && !vyi_ir_add_text(p, text)) {
        vyi_ir_count(p);
        p->error.at = p->calls;
        return;
    }
    vyi_ir_append(p, vyi_inst_make(VYI_OP_COMMENT, p->text_count - 1, 0, 0));
}

static bool vyi_ir_insert_name(vyre_program *p, uint32_t id, const char *text)
{
    VYRE_ASSERT(id && id <= p->count && text);
    const uint32_t place = vyi_name_place(p, id);
    if (place < p->name_count && p->names[place].value == id) {
        p->names[place].text = text;
        return true;
    }
    void *names = p->names;
    if (!vyi_grow(&p->allocator, &names, &p->name_capacity, p->name_count + 1,
                  sizeof *p->names))
        return false;
    p->names = (vyi_value_name *)names;
    memmove(&p->names[place + 1], &p->names[place], (p->name_count - place) * sizeof *p->names);
    p->names[place].value = id;
    p->names[place].text = text;
    p->name_count++;
    VYRE_ASSERT(place == 0 || p->names[place - 1].value < id);
    return true;
}

VYI_COLD
VYRE_API vyre_value vyre_ir_name(vyre_program *p, vyre_value value, const char *name)
{
    vyre_value none = { 0 };
    if (vyi_is_pair(value))
        return vyi_pair_name(p, value, name);
    if (!vyi_ir_begin(p))
        return none;
    if (value.id == 0 || value.id > p->count ||
        !(vyi_op_describe(vyi_definition(p, value.id)->op)->flags & VYI_OP_VALUE)) {
        vyi_program_fail(p, VYRE_E_IR_VALUE, "Name what a builder call returned.",
                         "name: %%%u is not a value of this program", (unsigned)value.id);
        return none;
    }
    const char *text = vyi_arena_text(&p->arena, name, VYRE_MAX_NAME);
    if (!text || !vyi_ir_insert_name(p, value.id, text)) {
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
        return none;
    }
    return value;
}

/* --- subgroups ----------------------------------------------------------- */

VYRE_API vyre_value vyre_ir_ballot(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_BALLOT, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_elect(vyre_program *p)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ELECT, 0, 0, 0));
}

VYRE_API vyre_value vyre_ir_any(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ANY, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_all(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ALL, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_broadcast_first(vyre_program *p, vyre_value value)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_BROADCAST_FIRST, value.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_shuffle(vyre_program *p, vyre_value value, vyre_value lane)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_SHUFFLE, value.id, lane.id, 0));
}

VYRE_API vyre_value vyre_ir_reduce(vyre_program *p, vyre_reduce_op op, vyre_value value)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_REDUCE, value.id, 0, 0);
    inst.sub = vyi_narrow((uint32_t)op);
    return vyi_ir_value(p, inst);
}

/* ==========================================================================
 * opt: programs that do the same with fewer instructions
 *
 * Private.  Three steps, each linear in the length of the program:
 *
 *   rewrite  walks the program once and writes a new list.  Pure values are
 *            folded, simplified, or found among the values that are visible
 *            (common subexpressions within dominance).  Branches on constants
 *            are replaced by the arm that is taken.
 *   mark     finds what is needed, beginning with what has an effect: memory,
 *            barriers, subgroup operations, loops, and the ways out of them.
 *   commit   writes what is needed back, constants first.
 *
 * A load, store, atomic, barrier or subgroup operation is never moved, merged
 * or dropped, except with an arm that cannot be taken.  Loops stay, as their
 * iterations are counted, except one that has no iteration.
 * ======================================================================= */
#include "ir/ir_impl.h"

/* --- the optimizer's state ------------------------------------------------ */

/* While rewriting, an operand is a reference: 0 for none, an instruction of
 * the new list (its index plus one), or a constant of the pool. */
#define VYI_REF_CONST 0x80000000u

typedef struct vyi_pool_entry {
    uint32_t    bits;
    uint32_t    type;
    uint32_t    id; /* of the value, in the end; 0 = not needed */
    const char *name;
} vyi_pool_entry;

/* A block that the rewriting is inside of. */
typedef struct vyi_opt_block {
    uint32_t opener; /* in the old list */
    uint32_t parent; /* the opener in the new list plus one; 0 = none */
    uint32_t values; /* how many values were visible where its arm began */
    bool     folded; /* only its contents are kept */
    bool     left;   /* the rest of this arm cannot be reached */
} vyi_opt_block;

typedef struct vyi_optimizer {
    vyre_program   *p;
    vyi_inst       *out;
    uint32_t        count;
    vyi_pool_entry *pool;
    uint32_t        pool_count;
    const char    **names;    /* of values in the new list */
    uint32_t       *map;      /* of each old value: its reference */
    uint32_t       *ends;     /* of each old opener: its END */
    uint32_t       *parents;  /* of each new instruction: the opener around it, plus one */
    uint32_t       *visible;  /* stack: the pure values that can be found again */
    uint32_t        visible_count;
    uint32_t       *chain;    /* of each new instruction: the next with the same hash */
    uint32_t       *hashes;
    uint32_t       *heads;    /* hash table of pure values, index plus one */
    uint32_t       *consts;   /* hash table of the pool, index plus one */
    uint32_t        mask;     /* of both tables */
    uint32_t       *todo;     /* stack of what was marked */
    uint32_t        todo_count;
    uint32_t       *initial;  /* of each local: the reference it begins with */
    uint32_t       *sets;     /* of each local: its last LOCAL or SET in the new list, plus one */
    uint32_t       *ids;      /* of each local: the new id, or 0 */
    uint8_t        *needed;   /* of each new instruction */
    uint8_t        *is_set;   /* of each local: somewhere there is a SET */
    vyi_opt_block   blocks[VYRE_MAX_NESTING + 1]; /* [0] is the outermost list */
    uint32_t        depth;
    void           *memory;
    size_t          size;
} vyi_optimizer;

/* One allocation for all tables, the widest elements first. */
VYI_OUTLINE
static bool vyi_opt_allocate(vyi_optimizer *o)
{
    const size_t count = o->p->count + 1u, locals = o->p->local_count + 1u;
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    o->mask = (uint32_t)slots - 1;
    o->size = count * (sizeof *o->pool + sizeof *o->names + sizeof *o->out) +
              (7 * count + 2 * slots + 3 * locals) * sizeof(uint32_t) + count + locals;
    o->memory = vyi_alloc(&o->p->allocator, o->size);
    if (!o->memory)
        return false;
    memset(o->memory, 0, o->size);

    o->pool = (vyi_pool_entry *)o->memory;
    o->names = (const char **)(void *)(o->pool + count);
    o->out = (vyi_inst *)(void *)(o->names + count);
    uint32_t *words = (uint32_t *)(void *)(o->out + count);
    uint32_t **tables[] = { &o->map, &o->ends, &o->parents, &o->visible, &o->chain, &o->hashes,
                            &o->todo };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++, words += count)
        *tables[i] = words;
    o->heads = words;
    o->consts = o->heads + slots;
    o->initial = o->consts + slots;
    o->sets = o->initial + locals;
    o->ids = o->sets + locals;
    o->needed = (uint8_t *)(o->ids + locals);
    o->is_set = o->needed + count;
    return true;
}

/* What the rewriting must know beforehand. */
VYI_OUTLINE
static void vyi_opt_survey(vyi_optimizer *o)
{
    for (uint32_t i = 0; i < o->p->count; i++) {
        const vyi_inst *inst = &o->p->insts[i];
        if (inst->op == VYI_OP_END)
            o->ends[inst->link] = i;
        else if (inst->op == VYI_OP_SET)
            o->is_set[inst->arg[0] - 1] = 1;
    }
}

static vyi_opt_block *vyi_opt_top(vyi_optimizer *o)
{
    return &o->blocks[o->depth];
}

static uint32_t vyi_opt_const(vyi_optimizer *o, uint32_t type, uint32_t bits)
{
    for (uint32_t at = vyi_mix(type, bits);; at++) {
        uint32_t *slot = &o->consts[at & o->mask];
        if (*slot == 0) {
            vyi_pool_entry *entry = &o->pool[o->pool_count++];
            VYRE_ASSERT(o->pool_count <= o->mask / 2 + 1);
            entry->bits = bits;
            entry->type = type;
            *slot = o->pool_count;
        }
        const vyi_pool_entry *entry = &o->pool[*slot - 1];
        if (entry->bits == bits && entry->type == type)
            return VYI_REF_CONST | (*slot - 1);
    }
}

static bool vyi_ref_is_const(uint32_t ref)
{
    return (ref & VYI_REF_CONST) != 0;
}

static const vyi_pool_entry *vyi_ref_const(const vyi_optimizer *o, uint32_t ref)
{
    VYRE_ASSERT(vyi_ref_is_const(ref) && (ref & ~VYI_REF_CONST) < o->pool_count);
    return &o->pool[ref & ~VYI_REF_CONST];
}

static bool vyi_ref_equals(const vyi_optimizer *o, uint32_t ref, uint32_t bits)
{
    return vyi_ref_is_const(ref) && vyi_ref_const(o, ref)->bits == bits;
}

static uint32_t vyi_ref_type(const vyi_optimizer *o, uint32_t ref)
{
    VYRE_ASSERT(ref && (vyi_ref_is_const(ref) || ref <= o->count));
    return vyi_ref_is_const(ref) ? vyi_ref_const(o, ref)->type : o->out[ref - 1].type;
}

/* The instruction behind a reference if it is this operator, or NULL. */
static const vyi_inst *vyi_ref_operator(const vyi_optimizer *o, uint32_t ref, uint32_t op,
                                        uint32_t sub)
{
    if (vyi_ref_is_const(ref) || o->out[ref - 1].op != op || o->out[ref - 1].sub != sub)
        return NULL;
    return &o->out[ref - 1];
}

/* --- simplification -------------------------------------------------------
 * Each function below looks at one pure instruction.  It gives the reference
 * of a value that is already there, or 0; it may also change the instruction
 * into a better one, and then sets *again. */

/* Is the operator's result the same when its operands are exchanged?  Of f32
 * too, but NaN bits may differ. */
static bool vyi_commutes(const vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_ADD:
    case VYI_BINARY_MUL:
    case VYI_BINARY_MUL_HIGH:
    case VYI_BINARY_AND:
    case VYI_BINARY_OR:
    case VYI_BINARY_XOR:
    case VYI_BINARY_MIN:
    case VYI_BINARY_MAX:
    case VYI_BINARY_EQ:
    case VYI_BINARY_NE: return vyi_ref_type(o, inst->arg[0]) != VYRE_TYPE_F32;
    default:            return false;
    }
}

/* x op x, for what is not f32: x, a constant, or 0 for neither. */
static uint32_t vyi_simplify_same(vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_AND:
    case VYI_BINARY_OR:
    case VYI_BINARY_MIN:
    case VYI_BINARY_MAX: return inst->arg[0];
    case VYI_BINARY_SUB:
    case VYI_BINARY_XOR: return vyi_opt_const(o, inst->type, 0);
    case VYI_BINARY_EQ:
    case VYI_BINARY_LE:
    case VYI_BINARY_GE:  return vyi_opt_const(o, VYRE_TYPE_BOOL, 1);
    case VYI_BINARY_NE:
    case VYI_BINARY_LT:
    case VYI_BINARY_GT:  return vyi_opt_const(o, VYRE_TYPE_BOOL, 0);
    default:             return 0;
    }
}

/* x op 0 for integers and bools. */
static uint32_t vyi_simplify_zero(vyi_optimizer *o, const vyi_inst *inst)
{
    const bool is_u32 = vyi_ref_type(o, inst->arg[0]) == VYRE_TYPE_U32;
    switch (inst->sub) {
    case VYI_BINARY_ADD:
    case VYI_BINARY_SUB:
    case VYI_BINARY_OR:
    case VYI_BINARY_XOR:      return inst->arg[0];
    case VYI_BINARY_MUL:
    case VYI_BINARY_MUL_HIGH:
    case VYI_BINARY_AND:
    case VYI_BINARY_REM:      return vyi_opt_const(o, inst->type, 0);
    case VYI_BINARY_DIV:      return vyi_opt_const(o, inst->type, UINT32_MAX);
    case VYI_BINARY_MIN:      return is_u32 ? vyi_opt_const(o, inst->type, 0) : 0;
    case VYI_BINARY_MAX:      return is_u32 ? inst->arg[0] : 0;
    case VYI_BINARY_LT:       return is_u32 ? vyi_opt_const(o, VYRE_TYPE_BOOL, 0) : 0;
    case VYI_BINARY_GE:       return is_u32 ? vyi_opt_const(o, VYRE_TYPE_BOOL, 1) : 0;
    default:                  return 0;
    }
}

/* x op 1, and x op all ones, for integers. */
static uint32_t vyi_simplify_one(vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_MUL:
    case VYI_BINARY_DIV:      return inst->arg[0];
    case VYI_BINARY_REM:
    case VYI_BINARY_MUL_HIGH: return vyi_opt_const(o, inst->type, 0);
    default:                  return 0;
    }
}

static uint32_t vyi_simplify_ones(const vyi_inst *inst)
{
    return inst->sub == VYI_BINARY_AND ? inst->arg[0]
           : inst->sub == VYI_BINARY_OR ? inst->arg[1] : 0;
}

/* Bools with a literal: x == true and the like. */
static uint32_t vyi_simplify_bool(vyi_inst *inst, uint32_t literal, bool *again)
{
    const bool equal = inst->sub == VYI_BINARY_EQ, unequal = inst->sub == VYI_BINARY_NE;
    if (literal ? equal || inst->sub == VYI_BINARY_AND : unequal)
        return inst->arg[0];
    if (literal && inst->sub == VYI_BINARY_OR)
        return inst->arg[1];
    if (literal ? unequal || inst->sub == VYI_BINARY_XOR : equal) {
        inst->op = VYI_OP_UNARY;
        inst->sub = VYI_UNARY_NOT;
        inst->arg[1] = 0;
        *again = true;
    }
    return 0;
}

/* u32 by a power of two: shifts and masks.  (x + a) + b: one addition. */
static void vyi_strengthen(vyi_optimizer *o, vyi_inst *inst, uint32_t literal, bool *again)
{
    const bool power = literal > 1 && (literal & (literal - 1)) == 0;
    const uint32_t shift = 31 - vyi_eval_clz(literal | 1u);
    if (inst->type == VYRE_TYPE_U32 && power &&
        (inst->sub == VYI_BINARY_MUL || inst->sub == VYI_BINARY_DIV)) {
        inst->sub = inst->sub == VYI_BINARY_MUL ? VYI_BINARY_SHL : VYI_BINARY_SHR;
        inst->arg[1] = vyi_opt_const(o, VYRE_TYPE_U32, shift);
    } else if (inst->type == VYRE_TYPE_U32 && power && inst->sub == VYI_BINARY_REM) {
        inst->sub = VYI_BINARY_AND;
        inst->arg[1] = vyi_opt_const(o, VYRE_TYPE_U32, literal - 1);
    } else if (inst->sub == VYI_BINARY_ADD) {
        const vyi_inst *inner = vyi_ref_operator(o, inst->arg[0], VYI_OP_BINARY, VYI_BINARY_ADD);
        if (!inner || !vyi_ref_is_const(inner->arg[1]))
            return;
        const uint32_t sum = literal + vyi_ref_const(o, inner->arg[1])->bits;
        inst->arg[0] = inner->arg[0];
        inst->arg[1] = vyi_opt_const(o, inst->type, sum);
        *again = true;
    }
}

static uint32_t vyi_simplify_literal(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t type = vyi_ref_type(o, inst->arg[0]);
    uint32_t literal = vyi_ref_const(o, inst->arg[1])->bits;
    const bool shift = inst->sub >= VYI_BINARY_SHL && inst->sub <= VYI_BINARY_ROTR;
    if (shift)
        return (literal & 31u) == 0 ? inst->arg[0] : 0;

    uint32_t ref = 0;
    if (type == VYRE_TYPE_BOOL)
        ref = vyi_simplify_bool(inst, literal, again);
    else if (literal == 1)
        ref = vyi_simplify_one(o, inst);
    else if (literal == UINT32_MAX)
        ref = vyi_simplify_ones(inst);
    if (!ref && literal == 0 && !*again)
        ref = vyi_simplify_zero(o, inst);
    if (!ref && !*again && type != VYRE_TYPE_BOOL)
        vyi_strengthen(o, inst, literal, again);
    return ref;
}

static uint32_t vyi_simplify_binary(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t type = vyi_ref_type(o, inst->arg[0]);
    uint32_t bits;
    if (vyi_ref_is_const(inst->arg[0]) && vyi_ref_is_const(inst->arg[1]) &&
        vyi_eval_binary(inst->sub, type, vyi_ref_const(o, inst->arg[0])->bits,
                        vyi_ref_const(o, inst->arg[1])->bits, &bits))
        return vyi_opt_const(o, inst->type, bits);
    if (type == VYRE_TYPE_F32)
        return 0;

    /* Constants stand on the right, and values in the order they were made. */
    if (vyi_commutes(o, inst) && inst->arg[0] > inst->arg[1]) {
        const uint32_t swapped = inst->arg[0];
        inst->arg[0] = inst->arg[1];
        inst->arg[1] = swapped;
    }
    if (inst->arg[0] == inst->arg[1])
        return vyi_simplify_same(o, inst);
    return vyi_ref_is_const(inst->arg[1]) ? vyi_simplify_literal(o, inst, again) : 0;
}

static uint32_t vyi_simplify_not(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const vyi_inst *inner = &o->out[inst->arg[0] - 1];
    if (inner->op == VYI_OP_UNARY && inner->sub == VYI_UNARY_NOT)
        return inner->arg[0];
    if (inner->op != VYI_OP_BINARY)
        return 0;
    const uint32_t opposite = vyi_opposite(inner->sub);
    const bool equality = opposite == VYI_BINARY_EQ || opposite == VYI_BINARY_NE;
    if (opposite == VYI_BINARY_COUNT ||
        (!equality && vyi_ref_type(o, inner->arg[0]) == VYRE_TYPE_F32))
        return 0;
    *inst = *inner;
    inst->sub = (uint8_t)opposite;
    *again = true;
    return 0;
}

static uint32_t vyi_simplify_unary(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t a = inst->arg[0];
    if (vyi_ref_is_const(a)) {
        uint32_t bits;
        return vyi_eval_unary(inst->sub, vyi_ref_type(o, a), vyi_ref_const(o, a)->bits, &bits)
                   ? vyi_opt_const(o, inst->type, bits) : 0;
    }
    if (inst->sub == VYI_UNARY_NOT)
        return vyi_simplify_not(o, inst, again);
    const vyi_inst *inner = vyi_ref_operator(o, a, VYI_OP_UNARY, VYI_UNARY_NEG);
    if (inst->sub == VYI_UNARY_NEG && inner && inst->type != VYRE_TYPE_F32)
        return inner->arg[0];
    if (inst->sub == VYI_UNARY_UNIFORM && vyi_ref_operator(o, a, VYI_OP_UNARY, VYI_UNARY_UNIFORM))
        return a;
    return inst->sub == VYI_UNARY_ABS && inst->type == VYRE_TYPE_U32 ? a : 0;
}

static uint32_t vyi_simplify_select(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t cond = inst->arg[0];
    if (inst->arg[1] == inst->arg[2])
        return inst->arg[1];
    if (vyi_ref_is_const(cond))
        return inst->arg[vyi_ref_equals(o, cond, 0) ? 2 : 1];
    if (inst->type == VYRE_TYPE_BOOL && vyi_ref_equals(o, inst->arg[1], 1) &&
        vyi_ref_equals(o, inst->arg[2], 0))
        return cond;
    const vyi_inst *inner = vyi_ref_operator(o, cond, VYI_OP_UNARY, VYI_UNARY_NOT);
    if (inner) {
        const uint32_t swapped = inst->arg[1];
        inst->arg[0] = inner->arg[0];
        inst->arg[1] = inst->arg[2];
        inst->arg[2] = swapped;
        *again = true;
    }
    return 0;
}

static uint32_t vyi_simplify_cast(vyi_optimizer *o, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0], from = vyi_ref_type(o, a);
    if (from == inst->type)
        return a;
    if (!vyi_ref_is_const(a))
        return 0;
    uint32_t bits = vyi_ref_const(o, a)->bits;
    if (inst->op == VYI_OP_CAST && !vyi_eval_cast(inst->type, from, bits, &bits))
        return 0;
    return vyi_opt_const(o, inst->type, bits);
}

/* The length of a workgroup array is known. */
static uint32_t vyi_simplify_length(vyi_optimizer *o, const vyi_inst *inst)
{
    const vyi_buffer *b = vyi_buffer_of(o->p, inst->arg[0]);
    return b->access == VYRE_ACCESS_WORKGROUP ? vyi_opt_const(o, VYRE_TYPE_U32, b->count) : 0;
}

static uint32_t vyi_simplify(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    switch (inst->op) {
    case VYI_OP_CONST:   return vyi_opt_const(o, inst->type, inst->arg[0]);
    case VYI_OP_LENGTH:  return vyi_simplify_length(o, inst);
    case VYI_OP_BINARY:  return vyi_simplify_binary(o, inst, again);
    case VYI_OP_UNARY:   return vyi_simplify_unary(o, inst, again);
    case VYI_OP_SELECT:  return vyi_simplify_select(o, inst, again);
    case VYI_OP_CAST:
    case VYI_OP_BITCAST: return vyi_simplify_cast(o, inst);
    default:             return 0;
    }
}

/* --- rewriting ------------------------------------------------------------ */

static uint32_t vyi_opt_append(vyi_optimizer *o, const vyi_inst *inst)
{
    o->out[o->count] = *inst;
    o->parents[o->count] = vyi_opt_top(o)->parent;
    return ++o->count;
}

static bool vyi_inst_is_same(const vyi_inst *a, const vyi_inst *b)
{
    return a->op == b->op && a->type == b->type && a->sub == b->sub &&
           memcmp(a->arg, b->arg, sizeof a->arg) == 0;
}

/* The reference of a pure value: one that is visible, or a new one. */
static uint32_t vyi_opt_find(vyi_optimizer *o, const vyi_inst *inst)
{
    uint32_t hash = (uint32_t)inst->op | (uint32_t)inst->type << 8 | (uint32_t)inst->sub << 16;
    for (unsigned i = 0; i < 3; i++)
        hash = vyi_mix(hash, inst->arg[i]);
    hash &= o->mask;
    for (uint32_t at = o->heads[hash]; at; at = o->chain[at - 1]) {
        if (vyi_inst_is_same(&o->out[at - 1], inst))
            return at;
    }
    const uint32_t ref = vyi_opt_append(o, inst);
    o->hashes[ref - 1] = hash;
    o->chain[ref - 1] = o->heads[hash];
    o->heads[hash] = ref;
    o->visible[o->visible_count++] = ref;
    return ref;
}

/* Forgets the values of an arm that ends. */
static void vyi_opt_forget(vyi_optimizer *o, uint32_t kept)
{
    while (o->visible_count > kept) {
        const uint32_t ref = o->visible[--o->visible_count];
        o->heads[o->hashes[ref - 1]] = o->chain[ref - 1];
    }
}

static uint32_t vyi_opt_pure(vyi_optimizer *o, vyi_inst inst)
{
    for (;;) {
        bool again = false;
        const uint32_t ref = vyi_simplify(o, &inst, &again);
        if (ref)
            return ref;
        if (!again)
            return vyi_opt_find(o, &inst);
    }
}

/* LOOP_LEFT and LOOP_CUT change while a program runs; other ids do not. */
static bool vyi_opt_is_pure(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BUILTIN)
        return inst->sub != VYRE_BUILTIN_LOOP_LEFT && inst->sub != VYRE_BUILTIN_LOOP_CUT;
    return (vyi_op_describe(inst->op)->flags & VYI_OP_PURE) != 0;
}

static void vyi_opt_keep_name(vyi_optimizer *o, uint32_t index, uint32_t ref)
{
    const char *name = vyi_value_text(o->p, index + 1);
    if (!name)
        return;
    /* A constant is named only if it was one before: others may share it. */
    const bool literal = o->p->insts[index].op == VYI_OP_CONST;
    const char **place = !vyi_ref_is_const(ref) ? &o->names[ref - 1]
                         : literal ? &o->pool[ref & ~VYI_REF_CONST].name : NULL;
    if (place && !*place)
        *place = name;
}

/* An instruction that is no part of a block's frame. */
VYI_OUTLINE
static void vyi_opt_plain(vyi_optimizer *o, uint32_t index, vyi_inst inst)
{
    uint32_t ref = 0;
    if (vyi_opt_is_pure(&inst))
        ref = vyi_opt_pure(o, inst);
    else if (inst.op == VYI_OP_GET && !o->is_set[inst.arg[0] - 1])
        ref = o->initial[inst.arg[0] - 1];
    else
        ref = vyi_opt_append(o, &inst);

    if (inst.op == VYI_OP_LOCAL)
        o->initial[inst.arg[0] - 1] = inst.arg[1];
    if (inst.op == VYI_OP_LOCAL || inst.op == VYI_OP_SET) {
        /* A list through all that is stored into the local, for the marking. */
        o->chain[ref - 1] = o->sets[inst.arg[0] - 1];
        o->sets[inst.arg[0] - 1] = ref;
    }
    if (vyi_op_describe(inst.op)->flags & VYI_OP_LEAVES)
        vyi_opt_top(o)->left = true;
    if (vyi_op_describe(inst.op)->flags & VYI_OP_VALUE) {
        o->map[index] = ref;
        vyi_opt_keep_name(o, index, ref);
    }
}

static void vyi_opt_enter(vyi_optimizer *o, uint32_t opener, bool folded, uint32_t ref)
{
    const uint32_t outer = vyi_opt_top(o)->parent;
    vyi_opt_block *block = &o->blocks[++o->depth];
    block->opener = opener;
    block->parent = folded ? outer : ref;
    block->values = o->visible_count;
    block->folded = folded;
    block->left = false;
}

/* The arm of a constant switch that is taken; its END when there is none. */
static uint32_t vyi_opt_taken_arm(const vyi_optimizer *o, uint32_t index, uint32_t value)
{
    const vyi_inst *insts = o->p->insts;
    uint32_t otherwise = o->ends[index];
    for (uint32_t at = insts[index].link; insts[at].op != VYI_OP_END; at = insts[at].link) {
        if (insts[at].op == VYI_OP_DEFAULT)
            otherwise = at;
        else if (insts[at].arg[0] == value)
            return at;
    }
    return otherwise;
}

/* If the block is decided already: where its contents begin, or its END when
 * it has none.  Else 0. */
static uint32_t vyi_opt_decided(const vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0], b = inst->arg[1];
    if (inst->op == VYI_OP_FOREVER || !vyi_ref_is_const(a))
        return 0;
    if (inst->op == VYI_OP_IF && !vyi_ref_equals(o, a, 0))
        return index + 1;
    if (inst->op == VYI_OP_IF || inst->op == VYI_OP_SWITCH) {
        const uint32_t arm = inst->op == VYI_OP_IF
                                 ? inst->link
                                 : vyi_opt_taken_arm(o, index, vyi_ref_const(o, a)->bits);
        return arm == o->ends[index] ? arm : arm + 1;
    }
    const bool never = vyi_ref_is_const(b) &&
                       vyi_ref_const(o, a)->bits >= vyi_ref_const(o, b)->bits;
    return never ? o->ends[index] : 0;
}

/* Each of these gives the index of the old instruction to go on with. */

VYI_OUTLINE
static uint32_t vyi_opt_open(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const uint32_t begin = vyi_opt_decided(o, index, inst);
    if (begin) {
        vyi_opt_enter(o, index, true, 0);
        return begin;
    }
    const uint32_t ref = vyi_opt_append(o, inst);
    if (inst->op == VYI_OP_LOOP) {
        o->map[index] = ref;
        vyi_opt_keep_name(o, index, ref);
    }
    vyi_opt_enter(o, index, false, ref);
    return index + 1;
}

VYI_OUTLINE
static uint32_t vyi_opt_next_arm(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    vyi_opt_block *top = vyi_opt_top(o);
    if (top->folded) /* the arm that is taken ends here */
        return o->ends[top->opener];
    vyi_opt_forget(o, top->values);
    vyi_opt_append(o, inst);
    top->left = false;
    return index + 1;
}

VYI_OUTLINE
static uint32_t vyi_opt_close(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const vyi_opt_block closed = *vyi_opt_top(o);
    VYRE_ASSERT(o->depth > 0);
    if (!closed.folded) {
        vyi_opt_forget(o, closed.values);
        vyi_opt_append(o, inst);
    }
    o->depth--;
    if (closed.folded && closed.left)
        vyi_opt_top(o)->left = true;
    return index + 1;
}

static uint32_t vyi_opt_step(vyi_optimizer *o, uint32_t index)
{
    vyi_inst inst = o->p->insts[index];
    const vyi_op_info *info = vyi_op_describe(inst.op);
    if (inst.op == VYI_OP_END)
        return vyi_opt_close(o, index, &inst);
    if (info->flags & VYI_OP_ARM)
        return vyi_opt_next_arm(o, index, &inst);
    if (vyi_opt_top(o)->left) /* behind a folded block that leaves */
        return (info->flags & VYI_OP_OPENS ? o->ends[index] : index) + 1;
    for (unsigned i = 0; i < 4; i++) {
        if (info->values & (1u << i))
            inst.arg[i] = o->map[inst.arg[i] - 1];
    }
    if (info->flags & VYI_OP_OPENS)
        return vyi_opt_open(o, index, &inst);
    vyi_opt_plain(o, index, inst);
    return index + 1;
}

/* --- marking -------------------------------------------------------------- */

static void vyi_opt_need(vyi_optimizer *o, uint32_t ref)
{
    if (ref == 0)
        return;
    if (vyi_ref_is_const(ref)) {
        o->pool[ref & ~VYI_REF_CONST].id = 1;
        return;
    }
    if (!o->needed[ref - 1]) {
        VYRE_ASSERT(ref <= o->count && o->todo_count < o->count);
        o->needed[ref - 1] = 1;
        o->todo[o->todo_count++] = ref - 1;
    }
}

static bool vyi_opt_has_effect(const vyi_inst *inst)
{
    return (vyi_op_describe(inst->op)->flags &
            (VYI_OP_MEMORY | VYI_OP_GROUP | VYI_OP_LEAVES)) ||
           inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER || inst->op == VYI_OP_LOOP_ALLOW;
}

/* Who needs an instruction needs its operands and the block around it; who
 * reads a local needs all that is stored into it. */
VYI_OUTLINE
static void vyi_opt_mark(vyi_optimizer *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (vyi_opt_has_effect(&o->out[i]))
            vyi_opt_need(o, i + 1);
    }
    while (o->todo_count) {
        const uint32_t i = o->todo[--o->todo_count];
        const vyi_inst *inst = &o->out[i];
        vyi_opt_need(o, o->parents[i]);
        for (unsigned k = 0; k < 4; k++) {
            if (vyi_op_describe(inst->op)->values & (1u << k))
                vyi_opt_need(o, inst->arg[k]);
        }
        if (inst->op != VYI_OP_GET)
            continue;
        for (uint32_t *at = &o->sets[inst->arg[0] - 1]; *at; *at = o->chain[*at - 1])
            vyi_opt_need(o, *at);
    }
    /* Frames and comments follow the block that they belong to. */
    for (uint32_t i = 0; i < o->count; i++) {
        const uint32_t op = o->out[i].op;
        if (op == VYI_OP_END || op == VYI_OP_COMMENT || (vyi_op_describe(op)->flags & VYI_OP_ARM))
            o->needed[i] = !o->parents[i] || o->needed[o->parents[i] - 1];
    }
}

/* An else with nothing in it is not needed. */
static void vyi_opt_drop_empty_elses(vyi_optimizer *o)
{
    uint32_t last = VYI_OP_COUNT, place = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        if (!o->needed[i])
            continue;
        if (o->out[i].op == VYI_OP_END && last == VYI_OP_ELSE)
            o->needed[place] = 0;
        last = o->out[i].op;
        place = i;
    }
}

/* --- committing ----------------------------------------------------------- */

/* The length of the result; gives constants their ids and maps the rest. */
VYI_OUTLINE
static uint32_t vyi_opt_number(vyi_optimizer *o)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->pool_count; i++) {
        if (o->pool[i].id)
            o->pool[i].id = ++count;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->needed[i])
            o->map[i] = ++count;
    }
    return count;
}

static void vyi_opt_put_name(vyre_program *p, const char *name)
{
    VYRE_ASSERT(p->name_count < p->name_capacity || !name);
    if (name) {
        p->names[p->name_count].value = p->count;
        p->names[p->name_count++].text = name;
    }
}

static void vyi_opt_put_local(vyi_optimizer *o, vyi_inst *inst)
{
    vyre_program *p = o->p;
    uint32_t *id = &o->ids[inst->arg[0] - 1];
    VYRE_ASSERT(inst->op == VYI_OP_LOCAL || *id);
    if (inst->op == VYI_OP_LOCAL) {
        /* Locals are declared in the order of their ids, so this one's place is free. */
        p->locals[p->local_count] = p->locals[inst->arg[0] - 1];
        p->locals[p->local_count].declared = p->count;
        *id = ++p->local_count;
    }
    inst->arg[0] = *id;
}

static void vyi_opt_put(vyi_optimizer *o, vyi_inst inst, const char *name)
{
    vyre_program *p = o->p;
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t ref = inst.arg[i];
        if (vyi_op_describe(inst.op)->values & (1u << i))
            inst.arg[i] = vyi_ref_is_const(ref) ? vyi_ref_const(o, ref)->id : o->map[ref - 1];
    }
    if (inst.op == VYI_OP_LOCAL || inst.op == VYI_OP_GET || inst.op == VYI_OP_SET)
        vyi_opt_put_local(o, &inst);
    inst.link = 0;
    const uint32_t index = p->count;
    p->insts[index] = inst;
    const vyi_links links = vyi_nest_advance(p, index);
    VYRE_ASSERT(index < p->capacity);
    if (links.own != VYI_NO_LINK)
        p->insts[index].link = links.own;
    if (links.arm != VYI_NO_LINK)
        p->insts[links.arm].link = index;
    p->count++;
    vyi_opt_put_name(p, name);
}

VYI_OUTLINE
static void vyi_opt_commit(vyi_optimizer *o)
{
    vyre_program *p = o->p;
    p->count = p->local_count = p->name_count = p->guest_count = p->depth = 0;
    p->left = false;
    for (uint32_t i = 0; i < o->pool_count; i++) {
        vyi_inst inst;
        memset(&inst, 0, sizeof inst);
        inst.op = VYI_OP_CONST;
        inst.type = (uint8_t)o->pool[i].type;
        inst.arg[0] = o->pool[i].bits;
        if (o->pool[i].id)
            vyi_opt_put(o, inst, o->pool[i].name);
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->needed[i])
            vyi_opt_put(o, o->out[i], o->names[i]);
    }
}

VYI_OUTLINE
static vyre_status vyi_opt_run(vyi_optimizer *o, vyre_error *err)
{
    vyre_program *p = o->p;
    vyi_opt_survey(o);
    for (uint32_t i = 0; i < p->count;)
        i = vyi_opt_step(o, i);
    vyi_opt_mark(o);
    vyi_opt_drop_empty_elses(o);

    /* New constants can make a program longer; one that has no room stays. */
    const uint32_t count = vyi_opt_number(o);
    if (count > VYRE_MAX_INSTRUCTIONS)
        return VYRE_OK;
    void *insts = p->insts;
    if (!vyi_grow(&p->allocator, &insts, &p->capacity, count, sizeof *p->insts))
        return vyi_fail_nomem(err, count * sizeof *p->insts);
    p->insts = (vyi_inst *)insts;
    vyi_opt_commit(o);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_program_optimize(vyre_program *p, vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, 0, "Call vyre_program_finish first.",
                        "the program \"%s\" is not finished", p->name);
    vyi_optimizer o;
    memset(&o, 0, sizeof o);
    o.p = p;
    if (!vyi_opt_allocate(&o))
        return vyi_fail_nomem(err, o.size);
    const vyre_status status = vyi_opt_run(&o, err);
    vyi_free(&p->allocator, o.memory, o.size);
    return status;
}

/* ==========================================================================
 * kernel: what handlers say about their work
 *
 * Its results, the faults that it ends with, and what its lanes sum up.  The slot has
 * 12 words for it: a lane writes there itself, the lanes of a wide work leave
 * their words in its state, and who ends the work takes them into the slot.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- the work -------------------------------------------------------------- */

VYI_API vyre_width vyi_kernel_width(const vyre_slot_values *slot)
{
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    return k->self ? k->self->running->width : VYRE_WIDTH_LANE;
}

VYI_API vyre_value vyi_kernel_arg_count(vyre_program *p, const vyre_slot_values *slot)
{
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    return k->self ? vyre_ir_u32(p, VYRE_MAX_ARGS) : vyre_ir_get(p, k->arg_count);
}

/* An index beyond every buffer reads as 0, which is what an argument is that
 * the operation did not get. */
VYI_API vyre_value vyi_kernel_word(vyi_kernel *k, uint32_t i)
{
    vyre_program *p = k->p;
    vyre_value own = vyi_kernel_op(k, vyre_ir_gt, vyre_ir_get(p, k->arg_count), i);
    vyre_value index = vyi_kernel_plus(k, vyre_ir_get(p, k->arg_base), i);
    return vyre_ir_select(p, own, index, vyi_kernel_u32(k, UINT32_MAX));
}

/* --- sums ------------------------------------------------------------------ */

static bool vyi_wide_sum_find(vyre_atomic_op op, uint32_t type, vyi_wide_sum *out)
{
    static const struct { uint8_t op, i32, turned, atomic, reduce; } sums[] = {
        { VYRE_ATOMIC_ADD, 1, 0, VYRE_ATOMIC_ADD, VYRE_REDUCE_ADD },
        { VYRE_ATOMIC_MAX, 1, 0, VYRE_ATOMIC_MAX, VYRE_REDUCE_MAX },
        { VYRE_ATOMIC_MIN, 1, 1, VYRE_ATOMIC_MAX, VYRE_REDUCE_MAX },
        { VYRE_ATOMIC_OR, 0, 0, VYRE_ATOMIC_OR, VYRE_REDUCE_OR },
        { VYRE_ATOMIC_AND, 0, 1, VYRE_ATOMIC_OR, VYRE_REDUCE_OR },
        { VYRE_ATOMIC_XOR, 0, 0, VYRE_ATOMIC_XOR, VYRE_REDUCE_XOR }
    };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        const bool fits = type == VYRE_TYPE_U32 || (type == VYRE_TYPE_I32 && sums[i].i32);
        if (sums[i].op != (uint32_t)op || !fits)
            continue;
        out->signed_words = type == VYRE_TYPE_I32 && op != VYRE_ATOMIC_ADD;
        out->turned = sums[i].turned;
        out->atomic = sums[i].atomic;
        out->reduce = sums[i].reduce;
        return true;
    }
    return false;
}

VYI_API vyre_value vyi_wide_turn(vyi_kernel *k, vyi_wide_sum sum, vyre_value word)
{
    if (sum.signed_words)
        word = vyi_kernel_op(k, vyre_ir_xor, word, 0x80000000u);
    return sum.turned ? vyre_ir_not(k->p, word) : word;
}

static vyre_value vyi_wide_combine(vyi_kernel *k, vyi_wide_sum sum, vyre_value a, vyre_value b)
{
    switch (sum.reduce) {
    case VYRE_REDUCE_ADD: return vyre_ir_add(k->p, a, b);
    case VYRE_REDUCE_MAX: return vyre_ir_max(k->p, a, b);
    case VYRE_REDUCE_OR:  return vyre_ir_or(k->p, a, b);
    default:              return vyre_ir_xor(k->p, a, b);
    }
}

VYI_API vyi_wide_sum vyi_wide_sum_of(const vyi_kernel *k, uint32_t word)
{
    vyi_wide_sum sum;
    memset(&sum, 0, sizeof sum);
    (void)vyi_wide_sum_find((vyre_atomic_op)k->wide.use[word].op, k->wide.use[word].type, &sum);
    return sum;
}

/* --- of wide works --------------------------------------------------------- */

static bool vyi_wide_may_use(vyre_program *p, const vyi_chunk *w, uint32_t word,
                             vyi_wide_kind kind, const char *what)
{
    if (w->use[word].kind == VYI_WIDE_UNUSED || w->use[word].kind == kind)
        return true;
    vyi_program_fail(p, VYRE_E_KERNEL_RESULT, "Give each result a word of its own.",
                     "%s of word %u, which has another result already", what, (unsigned)word);
    return false;
}

/* Lane 0 of tile 0 says it, and nobody reads the slot before the work's end: other
 * groups may still have to read its arguments. */
static void vyi_wide_result(vyre_program *p, const vyi_kernel *kernel, uint32_t word,
                             vyre_value value)
{
    vyi_kernel k = *kernel;
    vyi_chunk *w = kernel->self;
    if (w->running->width != VYRE_WIDTH_GROUP) {
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT, "Use vyre_emit_reduce(): it combines them.",
                         "a result of one index of a range, of which all would write it");
        return;
    }
    if (!vyi_wide_may_use(p, w, word, VYI_WIDE_WRITTEN_ONCE, "a result"))
        return;
    w->use[word].kind = VYI_WIDE_WRITTEN_ONCE;
    vyre_value both = vyre_ir_or(p, w->index, w->lane);
    vyre_ir_if(p, vyi_kernel_is(&k, both, 0));
    vyre_ir_atomic_store(p, w->buffer, vyi_wide_at(&k, VYI_WIDE_SUMS + word), value,
                         VYRE_ORDER_RELAXED);
    vyre_value at = vyi_wide_at(&k, VYI_WIDE_WRITTEN);
    vyre_ir_atomic(p, VYRE_ATOMIC_OR, w->buffer, at, vyi_kernel_u32(&k, 1u << word),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

static bool vyi_reduce_allowed(vyre_program *p, const vyi_kernel *k, uint32_t word,
                               vyre_atomic_op op, vyre_value value, vyi_wide_sum *sum)
{
    if (!k->self) {
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT,
                         "Set the handler's width, or use vyre_emit_result().",
                         "a reduction in a handler that one lane runs");
        return false;
    }
    if (p->error.status != VYRE_OK || value.id == 0 || value.id > p->count)
        return false;
    const uint32_t type = vyi_definition(p, value.id)->type;
    if (word >= VYRE_MAX_ARGS || !vyi_wide_sum_find(op, type, sum)) {
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT,
                         "ADD, MIN, MAX, AND, OR, XOR of u32; ADD, MIN, MAX of i32; words 0..11.",
                         "reduction %u of a value of type %s into word %u", (unsigned)op,
                         vyi_type_text(type), (unsigned)word);
        return false;
    }
    const vyi_chunk *w = k->self;
    if (!vyi_wide_may_use(p, w, word, VYI_WIDE_SUMMED, "a reduction"))
        return false;
    const bool same = w->use[word].kind == VYI_WIDE_UNUSED ||
                      (w->use[word].op == (uint8_t)op && w->use[word].type == type);
    if (!same)
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT, "Use one operation for each word.",
                         "two different reductions into word %u", (unsigned)word);
    return same;
}

/* To the lane's own sum. */
static void vyi_wide_add(vyre_program *p, const vyi_kernel *kernel, uint32_t word,
                         vyre_atomic_op op, vyre_value value, vyi_wide_sum sum)
{
    vyi_kernel k = *kernel;
    vyi_chunk *w = kernel->self;
    w->use[word].kind = VYI_WIDE_SUMMED;
    w->use[word].op = (uint8_t)op;
    w->use[word].type = vyi_definition(p, value.id)->type;
    if (w->use[word].type == VYRE_TYPE_I32)
        value = vyre_ir_bitcast(p, VYRE_TYPE_U32, value);
    vyre_value turned = vyi_wide_turn(&k, sum, value);
    vyre_value before = vyre_ir_get(p, w->sum[word]);
    vyre_ir_set(p, w->sum[word], vyi_wide_combine(&k, sum, before, turned));
}

VYI_COLD
VYRE_API void vyre_emit_reduce(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_atomic_op op, vyre_value value)
{
    vyi_wide_sum sum;
    if (!p || !slot)
        return;
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    if (vyi_reduce_allowed(p, k, word, op, value, &sum))
        vyi_wide_add(p, k, word, op, value, sum);
    vyi_ir_inner_end(p);
}

/* --- of every work --------------------------------------------------------- */

VYI_COLD
VYRE_API void vyre_emit_result(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_value value)
{
    if (!p || !slot)
        return;
    vyi_ir_inner_begin(p);
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    if (word < VYRE_MAX_ARGS && k.self)
        vyi_wide_result(p, &k, word, value);
    else if (word < VYRE_MAX_ARGS)
        vyre_ir_store(p, k.ring, vyi_kernel_word(&k, word), value);
    else
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT, "Use a word below 12.",
                         "result word %u; a slot has %u", (unsigned)word,
                         (unsigned)VYRE_MAX_ARGS);
    vyi_ir_inner_end(p);
}

/* A code of 0 would read as no fault at all. */
VYI_COLD
VYRE_API void vyre_emit_fault(vyre_program *p, const vyre_slot_values *slot, vyre_value code)
{
    if (!p || !slot)
        return;
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    vyre_value zero = vyre_ir_u32(p, VYRE_FAULT_NONE);
    vyre_value nameless = vyre_ir_eq(p, code, zero);
    vyre_value raised = vyre_ir_select(p, nameless, vyre_ir_u32(p, VYRE_FAULT_USER), code);
    vyre_value standing = vyre_ir_get(p, k->fault);
    vyre_value first = vyre_ir_eq(p, standing, zero);
    vyre_ir_set(p, k->fault, vyre_ir_select(p, first, raised, standing));
    vyi_ir_inner_end(p);
}

/* ==========================================================================
 * pair: 64-bit values, as pairs of words
 *
 * Private.  A u64 or an i64 is two u32 values and a row in the program's table
 * of pairs; its id is the row's number with the highest bit set.  A call with
 * such an operand builds u32 instructions and a new row.  So there is no 64-bit
 * instruction, and the check, the optimizer, the interpreter and the emitters
 * have nothing to learn: every device runs it, with the same bits.
 * ======================================================================= */
#include "ir/ir_impl.h"

/* What a pair is made of. */
typedef struct vyi_words {
    vyre_value low, high;
} vyi_words;

static vyi_words vyi_words_of(vyre_value low, vyre_value high)
{
    vyi_words w;
    w.low = low;
    w.high = high;
    return w;
}

static vyre_value vyi_pair_none(void)
{
    const vyre_value none = { 0 };
    return none;
}

/* --- the table ----------------------------------------------------------- */

static vyi_words vyi_pair_words(const vyre_program *p, vyre_value a)
{
    const vyi_pair *row = vyi_pair_row(p, a);
    VYRE_ASSERT(row);
    const vyre_value low = { row->low }, high = { row->high };
    return vyi_words_of(low, high);
}

static vyre_value vyi_pair_make(vyre_program *p, uint32_t type, vyi_words w)
{
    void *pairs = p->pairs;
    if (p->error.status != VYRE_OK)
        return vyi_pair_none();
    if (!vyi_grow(&p->allocator, &pairs, &p->pair_capacity, p->pair_count + 1,
                  sizeof *p->pairs)) {
        vyi_program_nomem(p, ((size_t)p->pair_count + 1) * sizeof *p->pairs);
        return vyi_pair_none();
    }
    p->pairs = (vyi_pair *)pairs;
    vyi_pair *row = &p->pairs[p->pair_count];
    row->low = w.low.id;
    row->high = w.high.id;
    row->type = (uint8_t)type;
    const vyre_value made = { p->pair_count++ | VYI_PAIR_ID };
    return made;
}

static const char *vyi_pair_type_text(const vyre_program *p, vyre_value a)
{
    if (vyi_is_pair(a))
        return vyi_type_text(vyi_pair_type(p, a.id));
    return a.id - 1 < p->count ? vyi_type_text(vyi_definition(p, a.id)->type) : "no value";
}

/* Is it a pair, of this type unless that is NONE?  A mistake, if not. */
static bool vyi_pair_is(vyre_program *p, const char *what, vyre_value a, uint32_t type)
{
    const uint32_t own = vyi_pair_type(p, a.id);
    if (own && (!type || own == type))
        return true;
    vyi_program_fail(p, VYRE_E_IR_TYPE, "Use vyre_ir_cast, vyre_ir_pair, or a constant.",
                     "%s: an operand is %s and should be %s", what, vyi_pair_type_text(p, a),
                     type ? vyi_type_text(type) : "u64 or i64");
    return false;
}

/* --- words ---------------------------------------------------------------- */

static vyre_value vyi_word_with(vyre_program *p, uint32_t sub, vyre_value a, uint32_t bits)
{
    return vyi_ir_binary(p, sub, a, vyre_ir_u32(p, bits));
}

/* 0 or 1 */
static vyre_value vyi_word_of(vyre_program *p, vyre_value truth)
{
    return vyre_ir_cast(p, VYRE_TYPE_U32, truth);
}

/* All bits are the highest one. */
static vyre_value vyi_word_sign(vyre_program *p, vyre_value high)
{
    const vyre_value signed_word = vyre_ir_bitcast(p, VYRE_TYPE_I32, high);
    return vyre_ir_bitcast(p, VYRE_TYPE_U32,
                           vyi_word_with(p, VYI_BINARY_SHR, signed_word, 31));
}

/* The upper word of (high, low) << n, for n of 0 to 31. */
static vyre_value vyi_word_funnel(vyre_program *p, vyre_value high, vyre_value low, vyre_value n)
{
    const vyre_value up = vyre_ir_shl(p, high, n);
    const vyre_value half = vyi_word_with(p, VYI_BINARY_SHR, low, 1);
    const vyre_value back = vyi_word_with(p, VYI_BINARY_XOR, n, 31); /* its low bits are 31 - n */
    return vyre_ir_or(p, up, vyre_ir_shr(p, half, back));
}

static vyi_words vyi_words_select(vyre_program *p, vyre_value cond, vyi_words a, vyi_words b)
{
    const vyre_value low = vyre_ir_select(p, cond, a.low, b.low);
    return vyi_words_of(low, vyre_ir_select(p, cond, a.high, b.high));
}

/* The same for each word. */
static vyi_words vyi_words_each(vyre_program *p, uint32_t sub, vyi_words a, vyi_words b)
{
    const vyre_value low = vyi_ir_binary(p, sub, a.low, b.low);
    return vyi_words_of(low, vyi_ir_binary(p, sub, a.high, b.high));
}

static vyi_words vyi_words_const(vyre_program *p, uint64_t bits)
{
    const vyre_value low = vyre_ir_u32(p, (uint32_t)bits);
    return vyi_words_of(low, vyre_ir_u32(p, (uint32_t)(bits >> 32)));
}

static vyi_words vyi_words_add(vyre_program *p, vyi_words a, vyi_words b)
{
    const vyre_value low = vyre_ir_add(p, a.low, b.low);
    const vyre_value carry = vyi_word_of(p, vyre_ir_lt(p, low, a.low));
    const vyre_value high = vyre_ir_add(p, a.high, b.high);
    return vyi_words_of(low, vyre_ir_add(p, high, carry));
}

static vyi_words vyi_words_sub(vyre_program *p, vyi_words a, vyi_words b)
{
    const vyre_value low = vyre_ir_sub(p, a.low, b.low);
    const vyre_value borrow = vyi_word_of(p, vyre_ir_lt(p, a.low, b.low));
    const vyre_value high = vyre_ir_sub(p, a.high, b.high);
    return vyi_words_of(low, vyre_ir_sub(p, high, borrow));
}

static vyi_words vyi_words_mul(vyre_program *p, vyi_words a, vyi_words b)
{
    const vyre_value low = vyre_ir_mul(p, a.low, b.low);
    const vyre_value carry = vyre_ir_mul_high(p, a.low, b.low);
    const vyre_value left = vyre_ir_mul(p, a.high, b.low);
    const vyre_value both = vyre_ir_add(p, left, vyre_ir_mul(p, a.low, b.high));
    return vyi_words_of(low, vyre_ir_add(p, carry, both));
}

static vyre_value vyi_words_equal(vyre_program *p, vyi_words a, vyi_words b)
{
    const vyi_words x = vyi_words_each(p, VYI_BINARY_XOR, a, b);
    return vyi_word_with(p, VYI_BINARY_EQ, vyre_ir_or(p, x.low, x.high), 0);
}

/* Flipping the sign bit puts signed numbers into unsigned order. */
static vyre_value vyi_words_less(vyre_program *p, vyi_words a, vyi_words b, bool is_signed)
{
    if (is_signed) {
        a.high = vyi_word_with(p, VYI_BINARY_XOR, a.high, 0x80000000u);
        b.high = vyi_word_with(p, VYI_BINARY_XOR, b.high, 0x80000000u);
    }
    const vyre_value same = vyre_ir_eq(p, a.high, b.high);
    const vyre_value low = vyre_ir_lt(p, a.low, b.low);
    return vyre_ir_select(p, same, low, vyre_ir_lt(p, a.high, b.high));
}

/* -x where `sign` is all ones, x where it is 0. */
static vyi_words vyi_words_signed(vyre_program *p, vyi_words a, vyre_value sign)
{
    const vyi_words mask = vyi_words_of(sign, sign);
    return vyi_words_sub(p, vyi_words_each(p, VYI_BINARY_XOR, a, mask), mask);
}

/* --- shifts --------------------------------------------------------------- */

static vyre_value vyi_word_is_far(vyre_program *p, vyre_value n)
{
    const vyre_value bit = vyi_word_with(p, VYI_BINARY_AND, n, 32);
    return vyi_word_with(p, VYI_BINARY_NE, bit, 0);
}

static vyi_words vyi_words_shl(vyre_program *p, vyi_words a, vyre_value n)
{
    const vyre_value high = vyi_word_funnel(p, a.high, a.low, n);
    const vyre_value low = vyre_ir_shl(p, a.low, n);
    const vyi_words beyond = vyi_words_of(vyre_ir_u32(p, 0), low);
    return vyi_words_select(p, vyi_word_is_far(p, n), beyond, vyi_words_of(low, high));
}

/* The lower word is the upper one of a shift to the left by 32 - n, unless n is 0: both
 * words go through a shift of one bit less first. */
static vyi_words vyi_words_shr(vyre_program *p, vyi_words a, vyre_value n, vyre_value fill)
{
    const vyre_value down = vyre_ir_shr(p, a.low, n);
    const vyre_value twice = vyi_word_with(p, VYI_BINARY_SHL, a.high, 1);
    const vyre_value back = vyi_word_with(p, VYI_BINARY_XOR, n, 31);
    const vyre_value low = vyre_ir_or(p, down, vyre_ir_shl(p, twice, back));
    const vyre_value kept = vyre_ir_shr(p, a.high, n);
    const vyre_value above = vyi_word_with(p, VYI_BINARY_SHL, fill, 1);
    const vyre_value high = vyre_ir_or(p, kept, vyre_ir_shl(p, above, back));
    const vyi_words beyond = vyi_words_of(high, fill);
    return vyi_words_select(p, vyi_word_is_far(p, n), beyond, vyi_words_of(low, high));
}

static vyi_words vyi_words_rotl(vyre_program *p, vyi_words a, vyre_value n)
{
    const vyi_words turned = vyi_words_of(a.high, a.low);
    const vyi_words from = vyi_words_select(p, vyi_word_is_far(p, n), turned, a);
    const vyre_value low = vyi_word_funnel(p, from.low, from.high, n);
    return vyi_words_of(low, vyi_word_funnel(p, from.high, from.low, n));
}

static vyi_words vyi_words_shift(vyre_program *p, uint32_t sub, vyi_words a, vyre_value n,
                                 bool is_signed)
{
    switch (sub) {
    case VYI_BINARY_SHL:  return vyi_words_shl(p, a, n);
    case VYI_BINARY_SHR: {
        const vyre_value fill = is_signed ? vyi_word_sign(p, a.high) : vyre_ir_u32(p, 0);
        return vyi_words_shr(p, a, n, fill);
    }
    case VYI_BINARY_ROTL: return vyi_words_rotl(p, a, n);
    default:              return vyi_words_rotl(p, a, vyre_ir_neg(p, n));
    }
}

/* --- division ------------------------------------------------------------- */

/* One digit of 16 bits: (rest, next) / v, where rest < v and v has its highest bit set.
 * The estimate by v's upper half is at most 2 too large.  *rest: what is left. */
static vyre_value vyi_digit(vyre_program *p, vyre_value *rest, vyre_value next, vyre_value v)
{
    const vyre_value high = vyi_word_with(p, VYI_BINARY_SHR, v, 16);
    const vyre_value low = vyi_word_with(p, VYI_BINARY_AND, v, 0xffffu);
    vyre_value q = vyre_ir_div(p, *rest, high);
    vyre_value left = vyre_ir_rem(p, *rest, high);
    vyre_value again = vyre_ir_bool(p, true);
    for (uint32_t i = 0; i < 2; i++) {
        const vyre_value part = vyre_ir_mul(p, q, low);
        const vyre_value up = vyi_word_with(p, VYI_BINARY_SHL, left, 16);
        const vyre_value over = vyre_ir_gt(p, part, vyre_ir_or(p, up, next));
        const vyre_value large = vyi_word_with(p, VYI_BINARY_GE, q, 0x10000u);
        again = vyre_ir_and(p, again, vyre_ir_or(p, over, large));
        q = vyre_ir_sub(p, q, vyi_word_of(p, again));
        left = vyre_ir_select(p, again, vyre_ir_add(p, left, high), left);
        again = vyre_ir_and(p, again, vyi_word_with(p, VYI_BINARY_LT, left, 0x10000u));
    }
    const vyre_value shifted = vyi_word_with(p, VYI_BINARY_SHL, *rest, 16);
    const vyre_value all = vyre_ir_or(p, shifted, next);
    *rest = vyre_ir_sub(p, all, vyre_ir_mul(p, q, v));
    return q;
}

/* A pair by a word that is larger than its upper word. */
static vyre_value vyi_words_by_word(vyre_program *p, vyi_words a, vyre_value divisor)
{
    const vyre_value n = vyre_ir_clz(p, divisor);
    const vyre_value v = vyre_ir_shl(p, divisor, n);
    vyre_value rest = vyi_word_funnel(p, a.high, a.low, n);
    const vyre_value low = vyre_ir_shl(p, a.low, n);
    const vyre_value first = vyi_word_with(p, VYI_BINARY_SHR, low, 16);
    const vyre_value q1 = vyi_digit(p, &rest, first, v);
    const vyre_value second = vyi_word_with(p, VYI_BINARY_AND, low, 0xffffu);
    const vyre_value q0 = vyi_digit(p, &rest, second, v);
    return vyre_ir_or(p, vyi_word_with(p, VYI_BINARY_SHL, q1, 16), q0);
}

/* Of u64.  A divisor of one word: the upper word, then what is left with the lower one.
 * Of two: half of `a` by its 32 highest bits gives, scaled, the quotient or one more
 * (Warren, Hacker's Delight, 9-5).  Both come to one division by a word. */
static vyi_words vyi_words_div(vyre_program *p, vyi_words a, vyi_words b)
{
    const vyre_value small = vyi_word_with(p, VYI_BINARY_EQ, b.high, 0);
    const vyre_value n = vyre_ir_clz(p, b.high);
    const vyre_value top = vyi_word_funnel(p, b.high, b.low, n);
    const vyre_value one = vyre_ir_u32(p, 1), zero = vyre_ir_u32(p, 0);
    const vyi_words half = vyi_words_shr(p, a, one, zero);
    const vyre_value q_high = vyre_ir_div(p, a.high, b.low);
    const vyi_words rest = vyi_words_of(a.low, vyre_ir_rem(p, a.high, b.low));
    const vyi_words from = vyi_words_select(p, small, rest, half);
    const vyre_value q = vyi_words_by_word(p, from, vyre_ir_select(p, small, b.low, top));

    const vyre_value back = vyi_word_with(p, VYI_BINARY_XOR, n, 31);
    const vyre_value scaled = vyre_ir_shr(p, q, back);
    const vyre_value some = vyi_word_with(p, VYI_BINARY_MIN, scaled, 1);
    const vyre_value guess = vyre_ir_sub(p, scaled, some);
    const vyi_words product = vyi_words_mul(p, vyi_words_of(guess, zero), b);
    const vyi_words left = vyi_words_sub(p, a, product);
    const vyre_value less = vyi_words_less(p, left, b, false);
    const vyre_value exact = vyre_ir_add(p, guess, vyi_word_of(p, vyre_ir_not(p, less)));

    const vyi_words quotient = vyi_words_select(p, small, vyi_words_of(q, q_high),
                                                vyi_words_of(exact, zero));
    const vyre_value none = vyi_word_with(p, VYI_BINARY_EQ, vyre_ir_or(p, b.low, b.high), 0);
    return vyi_words_select(p, none, vyi_words_const(p, UINT64_MAX), quotient);
}

/* Of i64 by magnitudes.  x / 0 is all ones, which is -1, and must stay so. */
static vyi_words vyi_words_divide(vyre_program *p, bool rem, vyi_words a, vyi_words b,
                                  bool is_signed)
{
    vyi_words x = a, y = b;
    vyre_value sign_a = { 0 }, sign = { 0 };
    if (is_signed) {
        sign_a = vyi_word_sign(p, a.high);
        const vyre_value sign_b = vyi_word_sign(p, b.high);
        sign = vyre_ir_xor(p, sign_a, sign_b);
        x = vyi_words_signed(p, a, sign_a);
        y = vyi_words_signed(p, b, sign_b);
    }
    vyi_words result = vyi_words_div(p, x, y);
    if (rem)
        result = vyi_words_sub(p, x, vyi_words_mul(p, result, y));
    if (is_signed)
        result = vyi_words_signed(p, result, rem ? sign_a : sign);
    if (!rem && !is_signed)
        return result;
    const vyre_value none = vyi_word_with(p, VYI_BINARY_EQ, vyre_ir_or(p, b.low, b.high), 0);
    return vyi_words_select(p, none, vyi_words_const(p, rem ? 0 : UINT64_MAX), result);
}

/* --- operators ------------------------------------------------------------ */

static bool vyi_binary_shifts(uint32_t sub)
{
    return sub >= VYI_BINARY_SHL && sub <= VYI_BINARY_ROTR;
}

/* The comparisons; *test is a bool. */
static bool vyi_words_compare(vyre_program *p, uint32_t sub, vyi_words a, vyi_words b,
                              bool is_signed, vyre_value *test)
{
    const bool swap = sub == VYI_BINARY_GT || sub == VYI_BINARY_LE;
    const bool negate = sub == VYI_BINARY_NE || sub == VYI_BINARY_GE || sub == VYI_BINARY_LE;
    if (sub < VYI_BINARY_EQ || sub > VYI_BINARY_GE)
        return false;
    if (sub == VYI_BINARY_EQ || sub == VYI_BINARY_NE)
        *test = vyi_words_equal(p, a, b);
    else
        *test = swap ? vyi_words_less(p, b, a, is_signed) : vyi_words_less(p, a, b, is_signed);
    if (negate)
        *test = vyre_ir_not(p, *test);
    return true;
}

static vyi_words vyi_words_binary(vyre_program *p, uint32_t sub, vyi_words a, vyi_words b,
                                  bool is_signed)
{
    switch (sub) {
    case VYI_BINARY_ADD: return vyi_words_add(p, a, b);
    case VYI_BINARY_SUB: return vyi_words_sub(p, a, b);
    case VYI_BINARY_MUL: return vyi_words_mul(p, a, b);
    case VYI_BINARY_DIV:
    case VYI_BINARY_REM: return vyi_words_divide(p, sub == VYI_BINARY_REM, a, b, is_signed);
    case VYI_BINARY_MIN: return vyi_words_select(p, vyi_words_less(p, a, b, is_signed), a, b);
    case VYI_BINARY_MAX: return vyi_words_select(p, vyi_words_less(p, a, b, is_signed), b, a);
    default:             return vyi_words_each(p, sub, a, b);
    }
}

VYI_COLD
VYI_API vyre_value vyi_pair_binary(vyre_program *p, uint32_t sub, vyre_value a, vyre_value b)
{
    const char *name = vyi_binary_describe(sub)->text;
    const uint32_t type = vyi_pair_type(p, a.id);
    const bool is_signed = type == VYRE_TYPE_I64, shifts = vyi_binary_shifts(sub);
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    if (sub == VYI_BINARY_MUL_HIGH || sub > VYI_BINARY_GE ||
        (is_signed && (sub == VYI_BINARY_ROTL || sub == VYI_BINARY_ROTR)))
        vyi_program_fail(p, VYRE_E_IR_TYPE, "Work with its words: vyre_ir_low, vyre_ir_high.",
                         "%s does not take %s", name, vyi_type_text(type));
    if (vyi_pair_is(p, name, a, VYRE_TYPE_NONE) && (shifts || vyi_pair_is(p, name, b, type)) &&
        p->error.status == VYRE_OK) {
        const vyi_words x = vyi_pair_words(p, a);
        if (shifts)
            made = vyi_pair_make(p, type, vyi_words_shift(p, sub, x, b, is_signed));
        else if (!vyi_words_compare(p, sub, x, vyi_pair_words(p, b), is_signed, &made))
            made = vyi_pair_make(p, type, vyi_words_binary(p, sub, x, vyi_pair_words(p, b),
                                                           is_signed));
    }
    vyi_made_end(p);
    return made;
}

/* `word` unless it is 32, which is what the other one then adds to. */
static vyre_value vyi_words_zeros(vyre_program *p, uint32_t sub, vyre_value first,
                                  vyre_value second)
{
    const vyre_value within = vyi_ir_unary(p, sub, first);
    const vyre_value beyond = vyi_word_with(p, VYI_BINARY_ADD, vyi_ir_unary(p, sub, second), 32);
    const vyre_value all = vyi_word_with(p, VYI_BINARY_EQ, within, 32);
    return vyre_ir_select(p, all, beyond, within);
}

static vyi_words vyi_words_sign(vyre_program *p, vyi_words a, bool is_signed)
{
    const vyre_value some = vyi_word_with(p, VYI_BINARY_MIN, vyre_ir_or(p, a.low, a.high), 1);
    if (!is_signed)
        return vyi_words_of(some, vyre_ir_u32(p, 0));
    const vyre_value sign = vyi_word_sign(p, a.high);
    return vyi_words_of(vyre_ir_or(p, some, sign), sign);
}

static vyi_words vyi_words_unary(vyre_program *p, uint32_t sub, vyi_words a, bool is_signed)
{
    vyi_words r = a;
    switch (sub) {
    case VYI_UNARY_NEG:      return vyi_words_sub(p, vyi_words_const(p, 0), a);
    case VYI_UNARY_SIGN:     return vyi_words_sign(p, a, is_signed);
    case VYI_UNARY_ABS:
        return is_signed ? vyi_words_signed(p, a, vyi_word_sign(p, a.high)) : a;
    case VYI_UNARY_CLZ:      r.low = vyi_words_zeros(p, sub, a.high, a.low); break;
    case VYI_UNARY_CTZ:      r.low = vyi_words_zeros(p, sub, a.low, a.high); break;
    case VYI_UNARY_POPCOUNT:
        r.low = vyre_ir_popcount(p, a.low);
        r.low = vyre_ir_add(p, r.low, vyre_ir_popcount(p, a.high));
        break;
    case VYI_UNARY_REVERSE:
        r.low = vyre_ir_reverse(p, a.high);
        r.high = vyre_ir_reverse(p, a.low);
        return r;
    default: /* NOT, UNIFORM */
        r.low = vyi_ir_unary(p, sub, a.low);
        r.high = vyi_ir_unary(p, sub, a.high);
        return r;
    }
    r.high = vyre_ir_u32(p, 0);
    return r;
}

VYI_COLD
VYI_API vyre_value vyi_pair_unary(vyre_program *p, uint32_t sub, vyre_value a)
{
    const vyi_operator *o = vyi_unary_describe(sub);
    const uint32_t type = vyi_pair_type(p, a.id);
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    if ((o->operands & VYI_CLASS_I) != VYI_CLASS_I)
        vyi_program_fail(p, VYRE_E_IR_TYPE, "Work with its words: vyre_ir_low, vyre_ir_high.",
                         "%s does not take %s", o->text, vyi_type_text(type));
    else if (vyi_pair_is(p, o->text, a, VYRE_TYPE_NONE))
        made = vyi_pair_make(p, type, vyi_words_unary(p, sub, vyi_pair_words(p, a),
                                                      type == VYRE_TYPE_I64));
    vyi_made_end(p);
    return made;
}

VYI_COLD
VYI_API vyre_value vyi_pair_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b)
{
    const uint32_t type = vyi_pair_type(p, a.id);
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    if (vyi_pair_is(p, "select", a, VYRE_TYPE_NONE) && vyi_pair_is(p, "select", b, type))
        made = vyi_pair_make(p, type, vyi_words_select(p, cond, vyi_pair_words(p, a),
                                                       vyi_pair_words(p, b)));
    vyi_made_end(p);
    return made;
}

/* --- conversions ---------------------------------------------------------- */

#define VYI_F32_2_32   4294967296.0f
#define VYI_F32_2_63   9223372036854775808.0f
#define VYI_F32_2_64   18446744073709551616.0f
#define VYI_F32_2_M32  2.3283064365386962890625e-10f

/* A number of f32 as u64, saturated; NaN and what is below 1 give 0.  Each step is exact:
 * there are 24 digits. */
static vyi_words vyi_words_from_f32(vyre_program *p, vyre_value x)
{
    const vyre_value part = vyre_ir_mul(p, x, vyre_ir_f32(p, VYI_F32_2_M32));
    const vyre_value high = vyre_ir_cast(p, VYRE_TYPE_U32, part);
    const vyre_value whole = vyre_ir_cast(p, VYRE_TYPE_F32, high);
    const vyre_value upper = vyre_ir_mul(p, whole, vyre_ir_f32(p, VYI_F32_2_32));
    const vyre_value low = vyre_ir_cast(p, VYRE_TYPE_U32, vyre_ir_sub(p, x, upper));
    const vyre_value over = vyre_ir_ge(p, x, vyre_ir_f32(p, VYI_F32_2_64));
    return vyi_words_select(p, over, vyi_words_const(p, UINT64_MAX), vyi_words_of(low, high));
}

static vyi_words vyi_words_from_f32_signed(vyre_program *p, vyre_value x)
{
    const vyre_value size = vyre_ir_abs(p, x);
    const vyre_value zero = vyre_ir_f32(p, 0.0f);
    const vyre_value below = vyi_word_of(p, vyre_ir_lt(p, x, zero));
    const vyre_value sign = vyre_ir_neg(p, below);
    const vyi_words number = vyi_words_signed(p, vyi_words_from_f32(p, size), sign);
    const vyre_value over = vyre_ir_ge(p, size, vyre_ir_f32(p, VYI_F32_2_63));
    const vyi_words most = vyi_words_const(p, (uint64_t)INT64_MAX);
    const vyi_words mask = vyi_words_of(sign, sign);
    const vyi_words limit = vyi_words_each(p, VYI_BINARY_XOR, most, mask);
    return vyi_words_select(p, over, limit, number);
}

/* The 32 highest digits, the last of which stands for those that follow, are rounded once,
 * and scaled. */
static vyre_value vyi_words_to_f32(vyre_program *p, vyi_words a)
{
    const vyre_value n = vyi_words_zeros(p, VYI_UNARY_CLZ, a.high, a.low);
    const vyi_words up = vyi_words_shl(p, a, n);
    const vyre_value rest = vyi_word_with(p, VYI_BINARY_MIN, up.low, 1);
    const vyre_value digits = vyre_ir_cast(p, VYRE_TYPE_F32, vyre_ir_or(p, up.high, rest));
    const vyre_value exponent = vyre_ir_sub(p, vyre_ir_u32(p, 127 + 32), n);
    const vyre_value bits = vyi_word_with(p, VYI_BINARY_SHL, exponent, 23);
    return vyre_ir_mul(p, digits, vyre_ir_bitcast(p, VYRE_TYPE_F32, bits));
}

static vyre_value vyi_pair_to_f32(vyre_program *p, vyi_words a, bool is_signed)
{
    if (!is_signed)
        return vyi_words_to_f32(p, a);
    const vyre_value sign = vyi_word_sign(p, a.high);
    const vyre_value size = vyi_words_to_f32(p, vyi_words_signed(p, a, sign));
    const vyre_value below = vyre_ir_cast(p, VYRE_TYPE_BOOL, sign);
    const vyre_value negative = vyre_ir_neg(p, size);
    return vyre_ir_select(p, below, negative, size);
}

/* To a pair, from what is none. */
static vyre_value vyi_pair_from(vyre_program *p, uint32_t type, vyre_value a)
{
    const uint32_t from = a.id - 1 < p->count ? vyi_definition(p, a.id)->type
                                              : (uint32_t)VYRE_TYPE_NONE;
    if (from == VYRE_TYPE_F32)
        return vyi_pair_make(p, type, type == VYRE_TYPE_I64 ? vyi_words_from_f32_signed(p, a)
                                                            : vyi_words_from_f32(p, a));
    const vyre_value low = vyre_ir_cast(p, VYRE_TYPE_U32, a);
    const vyre_value high = from == VYRE_TYPE_I32 ? vyi_word_sign(p, low) : vyre_ir_u32(p, 0);
    return vyi_pair_make(p, type, vyi_words_of(low, high));
}

/* From a pair, to what is none. */
static vyre_value vyi_pair_to(vyre_program *p, uint32_t type, vyre_value a)
{
    const vyi_words w = vyi_pair_words(p, a);
    if (type == VYRE_TYPE_F32)
        return vyi_pair_to_f32(p, w, vyi_pair_type(p, a.id) == VYRE_TYPE_I64);
    const vyre_value word = type == VYRE_TYPE_BOOL ? vyre_ir_or(p, w.low, w.high) : w.low;
    return vyre_ir_cast(p, (vyre_type)type, word);
}

VYI_COLD
VYI_API vyre_value vyi_pair_cast(vyre_program *p, uint32_t type, vyre_value a, bool bits)
{
    const bool to_pair = vyi_type_is_pair(type);
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    if (bits && !(to_pair && vyi_is_pair(a)))
        vyi_program_fail(p, VYRE_E_IR_TYPE, "Use vyre_ir_pair, vyre_ir_low and vyre_ir_high.",
                         "bitcast: from %s to %s, which have not the same size",
                         vyi_pair_type_text(p, a), vyi_type_text(type));
    else if (!vyi_is_pair(a))
        made = vyi_pair_from(p, type, a);
    else if (vyi_pair_is(p, "cast", a, VYRE_TYPE_NONE))
        made = to_pair ? vyi_pair_make(p, type, vyi_pair_words(p, a)) : vyi_pair_to(p, type, a);
    vyi_made_end(p);
    return made;
}

/* --- making and taking apart ----------------------------------------------- */

static bool vyi_pair_takes(vyre_program *p, vyre_value word)
{
    if (word.id - 1 < p->count && vyi_definition(p, word.id)->type == VYRE_TYPE_U32)
        return true;
    vyi_program_fail(p, VYRE_E_IR_TYPE, "Use vyre_ir_cast or vyre_ir_bitcast.",
                     "pair: an operand is %s and should be u32", vyi_pair_type_text(p, word));
    return false;
}

VYRE_API vyre_value vyre_ir_pair(vyre_program *p, vyre_type type, vyre_value low, vyre_value high)
{
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    if (!vyi_type_is_pair((uint32_t)type))
        vyi_program_fail(p, VYRE_E_IR_OPERATOR, "Use VYRE_TYPE_U64 or VYRE_TYPE_I64.",
                         "pair: type number %u cannot be the result", (unsigned)type);
    else if (vyi_pair_takes(p, low) && vyi_pair_takes(p, high))
        made = vyi_pair_make(p, (uint32_t)type, vyi_words_of(low, high));
    vyi_made_end(p);
    return made;
}

static vyre_value vyi_pair_constant(vyre_program *p, uint32_t type, uint64_t bits)
{
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    made = vyi_pair_make(p, type, vyi_words_const(p, bits));
    vyi_made_end(p);
    return made;
}

VYRE_API vyre_value vyre_ir_u64(vyre_program *p, uint64_t x)
{
    return vyi_pair_constant(p, VYRE_TYPE_U64, x);
}

VYRE_API vyre_value vyre_ir_i64(vyre_program *p, int64_t x)
{
    return vyi_pair_constant(p, VYRE_TYPE_I64, (uint64_t)x);
}

static vyre_value vyi_pair_part(vyre_program *p, const char *name, vyre_value a, bool high)
{
    vyre_value part = { 0 };
    if (!vyi_made_begin(p))
        return part;
    if (vyi_pair_is(p, name, a, VYRE_TYPE_NONE)) {
        const vyi_words w = vyi_pair_words(p, a);
        part = high ? w.high : w.low;
    }
    vyi_made_end(p);
    return part;
}

VYRE_API vyre_value vyre_ir_low(vyre_program *p, vyre_value a)
{
    return vyi_pair_part(p, "low", a, false);
}

VYRE_API vyre_value vyre_ir_high(vyre_program *p, vyre_value a)
{
    return vyi_pair_part(p, "high", a, true);
}

/* --- memory and locals ------------------------------------------------------ */

/* The two words of a pair: none is beyond the end of the numbers. */
static vyi_words vyi_pair_places(vyre_program *p, vyre_value word)
{
    const vyre_value low = vyi_word_with(p, VYI_BINARY_AND, word, ~1u);
    return vyi_words_of(low, vyi_word_with(p, VYI_BINARY_OR, low, 1));
}

static vyre_value vyi_pair_load(vyre_program *p, uint32_t type, vyre_buffer buffer,
                                vyre_value word)
{
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    const vyi_words at = vyi_pair_places(p, word);
    const vyre_value low = vyre_ir_bitcast(p, VYRE_TYPE_U32, vyre_ir_load(p, buffer, at.low));
    const vyre_value high = vyre_ir_bitcast(p, VYRE_TYPE_U32, vyre_ir_load(p, buffer, at.high));
    made = vyi_pair_make(p, type, vyi_words_of(low, high));
    vyi_made_end(p);
    return made;
}

VYRE_API vyre_value vyre_ir_load_u64(vyre_program *p, vyre_buffer buffer, vyre_value word)
{
    return vyi_pair_load(p, VYRE_TYPE_U64, buffer, word);
}

VYRE_API vyre_value vyre_ir_load_i64(vyre_program *p, vyre_buffer buffer, vyre_value word)
{
    return vyi_pair_load(p, VYRE_TYPE_I64, buffer, word);
}

VYRE_API void vyre_ir_store_u64(vyre_program *p, vyre_buffer buffer, vyre_value word,
                                vyre_value value)
{
    if (!vyi_made_begin(p))
        return;
    if (vyi_pair_is(p, "store_u64", value, VYRE_TYPE_NONE)) {
        const bool is_i32 = buffer.id - 1 < p->buffer_count &&
                            vyi_buffer_of(p, buffer.id)->type == VYRE_TYPE_I32;
        const vyi_words w = vyi_pair_words(p, value), at = vyi_pair_places(p, word);
        const vyre_type type = is_i32 ? VYRE_TYPE_I32 : VYRE_TYPE_U32;
        vyre_ir_store(p, buffer, at.low, vyre_ir_cast(p, type, w.low));
        vyre_ir_store(p, buffer, at.high, vyre_ir_cast(p, type, w.high));
    }
    vyi_made_end(p);
}

/* Two locals, one behind the other; the first one knows that it is half of a pair. */
VYI_COLD
VYI_API vyre_local vyi_pair_local(vyre_program *p, uint32_t type, vyre_value initial,
                                  const char *name)
{
    vyre_local local = { 0 };
    if (!vyi_made_begin(p))
        return local;
    if (vyi_pair_is(p, "local", initial, type)) {
        const vyi_words w = vyi_pair_words(p, initial);
        local = vyre_ir_local(p, VYRE_TYPE_U32, w.low, name);
        if (local.id)
            p->locals[local.id - 1].pair = (uint8_t)type;
        if (!vyre_ir_local(p, VYRE_TYPE_U32, w.high, name).id)
            local.id = 0;
    }
    vyi_made_end(p);
    return local;
}

VYI_COLD
VYI_API vyre_value vyi_pair_get(vyre_program *p, vyre_local local)
{
    const vyre_local second = { local.id + 1 };
    vyre_value made = { 0 };
    if (!vyi_made_begin(p))
        return made;
    const vyre_value low = vyi_ir_get_word(p, local);
    const vyi_words w = vyi_words_of(low, vyi_ir_get_word(p, second));
    made = vyi_pair_make(p, p->locals[local.id - 1].pair, w);
    vyi_made_end(p);
    return made;
}

VYI_COLD
VYI_API void vyi_pair_set(vyre_program *p, vyre_local local, vyre_value value)
{
    const vyre_local second = { local.id + 1 };
    if (!vyi_made_begin(p))
        return;
    if (vyi_pair_is(p, "set", value, p->locals[local.id - 1].pair)) {
        const vyi_words w = vyi_pair_words(p, value);
        vyi_ir_set_word(p, local, w.low);
        vyi_ir_set_word(p, second, w.high);
    }
    vyi_made_end(p);
}

VYI_COLD
VYI_API vyre_value vyi_pair_name(vyre_program *p, vyre_value a, const char *name)
{
    if (!vyi_made_begin(p))
        return vyi_pair_none();
    if (vyi_pair_is(p, "name", a, VYRE_TYPE_NONE)) {
        const vyi_words w = vyi_pair_words(p, a);
        (void)vyre_ir_name(p, w.low, name);
        (void)vyre_ir_name(p, w.high, name);
    }
    vyi_made_end(p);
    return p->error.status == VYRE_OK ? a : vyi_pair_none();
}

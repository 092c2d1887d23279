/* ==========================================================================
 * made: calls that are made of other instructions
 *
 * Private.  What one call builds is several instructions, and nobody but this
 * fragment knows that they belong together: the check, the optimizer, the
 * interpreter and the emitters have nothing to learn, and every device has
 * what it needs.
 * ======================================================================= */
#include "ir/ir_impl.h"

static vyre_value vyi_made_none(void)
{
    const vyre_value none = { 0 };
    return none;
}

/* With a constant on the right; of a shift the amount, else of the type of `a`. */
static vyre_value vyi_made_with(vyre_program *p, uint32_t sub, vyre_value a, uint32_t bits)
{
    return vyi_ir_binary(p, sub, a, vyre_ir_u32(p, bits));
}

/* The bits of a value of type `from` as u32; others stay, and are refused where they are
 * used. */
static vyre_value vyi_made_bits(vyre_program *p, vyre_value a, vyre_type from)
{
    const bool known = a.id - 1 < p->count;
    return known && vyi_definition(p, a.id)->type == from ? vyre_ir_bitcast(p, VYRE_TYPE_U32, a)
                                                          : a;
}

static vyre_value vyi_made_u32(vyre_program *p, vyre_value a)
{
    return vyi_made_bits(p, a, VYRE_TYPE_I32);
}

/* The low `bits` of a u32, as i32. */
static vyre_value vyi_made_signed(vyre_program *p, vyre_value a, uint32_t bits)
{
    const vyre_value up = vyi_made_with(p, VYI_BINARY_SHL, a, 32 - bits);
    const vyre_value wide = vyre_ir_bitcast(p, VYRE_TYPE_I32, up);
    return vyi_made_with(p, VYI_BINARY_SHR, wide, 32 - bits);
}

/* --- numbers ------------------------------------------------------------- */

VYRE_API vyre_value vyre_ir_clamp(vyre_program *p, vyre_value x, vyre_value low, vyre_value high)
{
    if (!vyi_made_begin(p))
        return vyi_made_none();
    const vyre_value clamped = vyre_ir_min(p, vyre_ir_max(p, x, low), high);
    vyi_made_end(p);
    return clamped;
}

VYRE_API vyre_value vyre_ir_mix(vyre_program *p, vyre_value a, vyre_value b, vyre_value t)
{
    if (!vyi_made_begin(p))
        return vyi_made_none();
    const vyre_value rest = vyre_ir_sub(p, vyre_ir_f32(p, 1.0f), t);
    const vyre_value first = vyre_ir_mul(p, a, rest);
    const vyre_value mixed = vyre_ir_add(p, first, vyre_ir_mul(p, b, t));
    vyi_made_end(p);
    return mixed;
}

/* Exactly: adding 0.5 first would round once too often. */
VYRE_API vyre_value vyre_ir_round_away(vyre_program *p, vyre_value x)
{
    if (!vyi_made_begin(p))
        return vyi_made_none();
    const vyre_value whole = vyre_ir_trunc(p, x);
    const vyre_value rest = vyre_ir_abs(p, vyre_ir_sub(p, x, whole));
    const vyre_value up = vyre_ir_ge(p, rest, vyre_ir_f32(p, 0.5f));
    const vyre_value next = vyre_ir_add(p, whole, vyre_ir_sign(p, x));
    const vyre_value rounded = vyre_ir_select(p, up, next, whole);
    vyi_made_end(p);
    return rounded;
}

/* --- f16 ----------------------------------------------------------------- */

/* The nearest f16 as a word.  `size` is |x|'s bits.  Below 2^-14 an f16 counts 2^-24, so
 * its digits are x's with the leading 1, shifted by as much as the exponent says; from
 * there on they are x's, with another bias.  Rounding may carry into the exponent, up to
 * infinity, which is what everything above it becomes. */
static vyre_value vyi_made_half(vyre_program *p, vyre_value x)
{
    const vyre_value bits = vyre_ir_bitcast(p, VYRE_TYPE_U32, x);
    const vyre_value size = vyi_made_with(p, VYI_BINARY_AND, bits, 0x7fffffffu);
    const vyre_value normal = vyi_made_with(p, VYI_BINARY_GE, size, 113u << 23);
    const vyre_value biased = vyi_made_with(p, VYI_BINARY_SUB, size, 112u << 23);
    const vyre_value fraction = vyi_made_with(p, VYI_BINARY_AND, size, 0x007fffffu);
    const vyre_value one = vyi_made_with(p, VYI_BINARY_OR, fraction, 0x00800000u);
    const vyre_value digits = vyre_ir_select(p, normal, biased, one);

    const vyre_value exponent = vyi_made_with(p, VYI_BINARY_SHR, size, 23);
    const vyre_value down = vyre_ir_sub(p, vyre_ir_u32(p, 126), exponent);
    const vyre_value least = vyi_made_with(p, VYI_BINARY_MIN, down, 31);
    const vyre_value shift = vyre_ir_select(p, normal, vyre_ir_u32(p, 13), least);

    const vyre_value unit = vyre_ir_shl(p, vyre_ir_u32(p, 1), shift);
    const vyre_value half = vyi_made_with(p, VYI_BINARY_SHR, unit, 1);
    const vyre_value below = vyi_made_with(p, VYI_BINARY_SUB, half, 1);
    const vyre_value kept = vyre_ir_shr(p, digits, shift);
    const vyre_value odd = vyi_made_with(p, VYI_BINARY_AND, kept, 1);
    const vyre_value carry = vyre_ir_add(p, below, odd);
    const vyre_value rounded = vyre_ir_shr(p, vyre_ir_add(p, digits, carry), shift);
    const vyre_value finite = vyi_made_with(p, VYI_BINARY_MIN, rounded, 0x7c00u);

    const vyre_value high = vyi_made_with(p, VYI_BINARY_SHR, bits, 16);
    const vyre_value sign = vyi_made_with(p, VYI_BINARY_AND, high, 0x8000u);
    const vyre_value number = vyre_ir_or(p, finite, sign);
    const vyre_value nan = vyre_ir_u32(p, 0x7e00u);
    return vyre_ir_select(p, vyre_ir_is_nan(p, x), nan, number);
}

VYRE_API vyre_value vyre_ir_pack_half(vyre_program *p, vyre_value low, vyre_value high)
{
    if (!vyi_made_begin(p))
        return vyi_made_none();
    const vyre_value first = vyi_made_half(p, low);
    const vyre_value second = vyi_made_with(p, VYI_BINARY_SHL, vyi_made_half(p, high), 16);
    const vyre_value packed = vyre_ir_or(p, first, second);
    vyi_made_end(p);
    return packed;
}

/* --- four bytes at once --------------------------------------------------- */

/* Byte `i` of a word, as u32 or i32. */
static vyre_value vyi_made_byte(vyre_program *p, vyre_value word, uint32_t i, bool is_signed)
{
    const vyre_value low = vyi_made_with(p, VYI_BINARY_SHR, word, 8 * i);
    return is_signed ? vyi_made_signed(p, low, 8)
                     : vyi_made_with(p, VYI_BINARY_AND, low, 0xffu);
}

static vyre_value vyi_made_dot(vyre_program *p, vyre_value a, vyre_value b, bool is_signed)
{
    vyre_value sum = { 0 };
    if (!vyi_made_begin(p))
        return sum;
    const vyre_value left = vyi_made_u32(p, a), right = vyi_made_u32(p, b);
    for (uint32_t i = 0; i < 4; i++) {
        const vyre_value x = vyi_made_byte(p, left, i, is_signed);
        const vyre_value product = vyre_ir_mul(p, x, vyi_made_byte(p, right, i, is_signed));
        sum = i ? vyre_ir_add(p, sum, product) : product;
    }
    vyi_made_end(p);
    return sum;
}

VYRE_API vyre_value vyre_ir_udot4(vyre_program *p, vyre_value a, vyre_value b)
{
    return vyi_made_dot(p, a, b, false);
}

VYRE_API vyre_value vyre_ir_sdot4(vyre_program *p, vyre_value a, vyre_value b)
{
    return vyi_made_dot(p, a, b, true);
}

/* --- bytes and half-words of memory --------------------------------------- */

/* Where in its word a byte, or a half-word, begins: a shift.  8 or 16 bits. */
static vyre_value vyi_made_place(vyre_program *p, vyre_value byte, uint32_t bits)
{
    const vyre_value within = vyi_made_with(p, VYI_BINARY_AND, byte, bits == 8 ? 3u : 2u);
    return vyi_made_with(p, VYI_BINARY_SHL, within, 3);
}

static vyre_value vyi_made_load(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                                uint32_t bits, bool is_signed)
{
    if (!vyi_made_begin(p))
        return vyi_made_none();
    const vyre_value index = vyi_made_with(p, VYI_BINARY_SHR, byte, 2);
    const vyre_value element = vyi_made_bits(p, vyre_ir_load(p, buffer, index), VYRE_TYPE_F32);
    const vyre_value word = vyi_made_u32(p, element);
    const vyre_value low = vyre_ir_shr(p, word, vyi_made_place(p, byte, bits));
    const vyre_value loaded = is_signed ? vyi_made_signed(p, low, bits)
                                        : vyi_made_with(p, VYI_BINARY_AND, low,
                                                        (1u << bits) - 1);
    vyi_made_end(p);
    return loaded;
}

VYRE_API vyre_value vyre_ir_load_u8(vyre_program *p, vyre_buffer buffer, vyre_value byte)
{
    return vyi_made_load(p, buffer, byte, 8, false);
}

VYRE_API vyre_value vyre_ir_load_i8(vyre_program *p, vyre_buffer buffer, vyre_value byte)
{
    return vyi_made_load(p, buffer, byte, 8, true);
}

VYRE_API vyre_value vyre_ir_load_u16(vyre_program *p, vyre_buffer buffer, vyre_value byte)
{
    return vyi_made_load(p, buffer, byte, 16, false);
}

VYRE_API vyre_value vyre_ir_load_i16(vyre_program *p, vyre_buffer buffer, vyre_value byte)
{
    return vyi_made_load(p, buffer, byte, 16, true);
}

/* Changes some bits of an element by an atomic. */
static void vyi_made_change(vyre_program *p, vyre_atomic_op op, vyre_buffer buffer,
                            vyre_value index, vyre_value bits)
{
    const bool is_i32 = buffer.id - 1 < p->buffer_count &&
                        vyi_buffer_of(p, buffer.id)->type == VYRE_TYPE_I32;
    if (is_i32)
        bits = vyre_ir_bitcast(p, VYRE_TYPE_I32, bits);
    (void)vyre_ir_atomic(p, op, buffer, index, bits, VYRE_ORDER_RELAXED);
}

/* Clears the bits, then sets them.  Lanes that store the same value at the same time leave
 * that value, which they would not if they changed the bits that differ. */
static void vyi_made_store(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                           vyre_value value, uint32_t bits)
{
    const uint32_t mask = (1u << bits) - 1;
    if (!vyi_made_begin(p))
        return;
    const vyre_value data = vyi_made_with(p, VYI_BINARY_AND, vyi_made_u32(p, value), mask);
    const vyre_value index = vyi_made_with(p, VYI_BINARY_SHR, byte, 2);
    const vyre_value place = vyi_made_place(p, byte, bits);
    const vyre_value old = vyre_ir_shl(p, vyre_ir_u32(p, mask), place);
    const vyre_value set = vyre_ir_shl(p, data, place);
    vyi_made_change(p, VYRE_ATOMIC_AND, buffer, index, vyre_ir_not(p, old));
    vyi_made_change(p, VYRE_ATOMIC_OR, buffer, index, set);
    vyi_made_end(p);
}

VYRE_API void vyre_ir_store_u8(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                               vyre_value value)
{
    vyi_made_store(p, buffer, byte, value, 8);
}

VYRE_API void vyre_ir_store_u16(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                                vyre_value value)
{
    vyi_made_store(p, buffer, byte, value, 16);
}

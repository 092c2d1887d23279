/* Every rule of a well-formed program.  Each row of the first two tables is a
 * program that can be built in two ways: right, and with one thing wrong.  So
 * each row shows that it breaks its own rule and no other.  The third table
 * damages the instruction array of a finished program: the check must find
 * what the builder never makes.
 */
#include "inside.h"

#include "oom.h"

/* --- helpers ------------------------------------------------------------- */

static vyre_value u32(vyre_program *p, uint32_t x)
{
    return vyre_ir_u32(p, x);
}

static vyre_buffer buffer_of(vyre_program *p, const char *name, uint32_t binding, vyre_type type,
                             vyre_access access, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.type = type;
    desc.access = access;
    desc.count = count;
    return vyre_ir_buffer(p, &desc);
}

static vyre_buffer words(vyre_program *p)
{
    return buffer_of(p, "words", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0);
}

static vyre_value lane(vyre_program *p)
{
    return vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX);
}

/* A bool that differs between lanes, or does not. */
static vyre_value cond(vyre_program *p, bool divergent)
{
    vyre_value x = vyre_ir_builtin(p, divergent ? VYRE_BUILTIN_LOCAL_ID_X
                                                : VYRE_BUILTIN_GROUP_ID_X);
    return vyre_ir_eq(p, x, u32(p, 0));
}

static void barrier(vyre_program *p)
{
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

/* --- rules of calls -------------------------------------------------------
 * Each function builds the wrong program when `wrong`. */

#define CASE(name) static void name(vyre_program *p, bool wrong)

CASE(value_zero) { vyre_value none = { 0 }; vyre_ir_neg(p, wrong ? none : u32(p, 1)); }
CASE(value_unknown)
{
    vyre_value x = u32(p, 1), foreign = { 99 };
    vyre_ir_add(p, x, wrong ? foreign : x);
}
CASE(value_of_a_statement)
{
    vyre_value x = u32(p, 1), store = { 2 };
    vyre_ir_store(p, words(p), x, x);
    vyre_ir_not(p, wrong ? store : x);
}
CASE(value_of_itself)
{
    vyre_value x = u32(p, 1), own = { 2 };
    vyre_ir_not(p, wrong ? own : x);
}
CASE(add_of_bool)
{
    vyre_value x = wrong ? vyre_ir_bool(p, true) : u32(p, 1);
    vyre_ir_add(p, x, x);
}
CASE(add_of_two_types) { vyre_ir_add(p, u32(p, 1), wrong ? vyre_ir_i32(p, 1) : u32(p, 1)); }
CASE(rem_of_f32) { vyre_value x = wrong ? vyre_ir_f32(p, 1) : u32(p, 1); vyre_ir_rem(p, x, x); }
CASE(shift_by_i32) { vyre_ir_shl(p, vyre_ir_i32(p, 1), wrong ? vyre_ir_i32(p, 1) : u32(p, 1)); }
CASE(rotate_of_i32) { vyre_ir_rotl(p, wrong ? vyre_ir_i32(p, 1) : u32(p, 1), u32(p, 1)); }
CASE(less_of_bools)
{
    vyre_value x = wrong ? vyre_ir_bool(p, true) : u32(p, 1);
    vyre_ir_lt(p, x, x);
}
CASE(sqrt_of_u32) { vyre_ir_sqrt(p, wrong ? u32(p, 1) : vyre_ir_f32(p, 1)); }
CASE(popcount_of_f32) { vyre_ir_popcount(p, wrong ? vyre_ir_f32(p, 1) : u32(p, 1)); }
CASE(fma_of_u32)
{
    vyre_value f = vyre_ir_f32(p, 1);
    vyre_ir_fma(p, f, f, wrong ? u32(p, 1) : f);
}
CASE(select_by_u32)
{
    vyre_value x = u32(p, 1);
    vyre_ir_select(p, wrong ? x : vyre_ir_bool(p, true), x, x);
}
CASE(select_of_two_types)
{
    vyre_value x = u32(p, 1);
    vyre_ir_select(p, vyre_ir_bool(p, true), x, wrong ? vyre_ir_f32(p, 1) : x);
}
CASE(cast_to_nothing) { vyre_ir_cast(p, wrong ? VYRE_TYPE_NONE : VYRE_TYPE_I32, u32(p, 1)); }
CASE(cast_to_unknown) { vyre_ir_cast(p, wrong ? (vyre_type)77 : VYRE_TYPE_I32, u32(p, 1)); }
CASE(cast_to_a_large_number) { vyre_ir_cast(p, wrong ? (vyre_type)257 : VYRE_TYPE_U32, u32(p, 1)); }
CASE(bitcast_to_bool) { vyre_ir_bitcast(p, wrong ? VYRE_TYPE_BOOL : VYRE_TYPE_I32, u32(p, 1)); }
CASE(bitcast_of_bool)
{
    vyre_ir_bitcast(p, VYRE_TYPE_U32, wrong ? vyre_ir_bool(p, true) : vyre_ir_i32(p, 1));
}
CASE(unknown_builtin)
{
    vyre_ir_builtin(p, wrong ? VYRE_BUILTIN_COUNT : VYRE_BUILTIN_LOOP_CUT);
}
CASE(unknown_atomic)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic(p, wrong ? VYRE_ATOMIC_OP_COUNT : VYRE_ATOMIC_ADD, words(p), x, x,
                   VYRE_ORDER_RELAXED);
}
CASE(unknown_scope)
{
    vyre_ir_barrier(p, wrong ? (vyre_scope)3 : VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
}
CASE(unknown_reduction)
{
    vyre_ir_reduce(p, wrong ? (vyre_reduce_op)6 : VYRE_REDUCE_XOR, u32(p, 1));
}
CASE(load_by_i32) { vyre_ir_load(p, words(p), wrong ? vyre_ir_i32(p, 0) : u32(p, 0)); }
CASE(store_of_f32)
{
    vyre_ir_store(p, words(p), u32(p, 0), wrong ? vyre_ir_f32(p, 0) : u32(p, 0));
}
CASE(unknown_buffer)
{
    vyre_buffer b = words(p);
    b.id += wrong;
    vyre_ir_load(p, b, u32(p, 0));
}
CASE(buffer_zero)
{
    vyre_buffer b = words(p), none = { 0 };
    vyre_ir_length(p, wrong ? none : b);
}
CASE(load_from_write_only)
{
    vyre_access access = wrong ? VYRE_ACCESS_WRITE : VYRE_ACCESS_READ;
    vyre_ir_load(p, buffer_of(p, "b", 0, VYRE_TYPE_U32, access, 0), u32(p, 0));
}
CASE(store_to_read_only)
{
    vyre_value x = u32(p, 0);
    vyre_ir_store(p, buffer_of(p, "b", 0, VYRE_TYPE_U32,
                               wrong ? VYRE_ACCESS_READ : VYRE_ACCESS_WRITE, 0), x, x);
}
CASE(atomic_on_read_only)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD,
                   buffer_of(p, "b", 0, VYRE_TYPE_U32,
                             wrong ? VYRE_ACCESS_READ : VYRE_ACCESS_READ_WRITE, 0),
                   x, x, VYRE_ORDER_RELAXED);
}
CASE(atomic_on_write_only)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic_cas(p, buffer_of(p, "b", 0, VYRE_TYPE_U32,
                                    wrong ? VYRE_ACCESS_WRITE : VYRE_ACCESS_READ_WRITE, 0),
                       x, x, x, VYRE_ORDER_RELAXED);
}
CASE(atomic_on_f32)
{
    vyre_value x = wrong ? vyre_ir_f32(p, 0) : vyre_ir_i32(p, 0);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD,
                   buffer_of(p, "b", 0, wrong ? VYRE_TYPE_F32 : VYRE_TYPE_I32,
                             VYRE_ACCESS_WORKGROUP, 4),
                   u32(p, 0), x, VYRE_ORDER_RELAXED);
}
CASE(atomic_load_of_bool)
{
    vyre_ir_atomic_load(p, buffer_of(p, "b", 0, wrong ? VYRE_TYPE_BOOL : VYRE_TYPE_U32,
                                     VYRE_ACCESS_READ, 0), u32(p, 0), VYRE_ORDER_RELAXED);
}
CASE(atomic_with_wrong_value)
{
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, words(p), u32(p, 0), wrong ? vyre_ir_i32(p, 1) : u32(p, 1),
                   VYRE_ORDER_RELAXED);
}
CASE(cas_with_wrong_desired)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic_cas(p, words(p), x, x, wrong ? vyre_ir_bool(p, true) : x, VYRE_ORDER_ACQ_REL);
}
CASE(load_with_release)
{
    vyre_ir_atomic_load(p, words(p), u32(p, 0), wrong ? VYRE_ORDER_RELEASE : VYRE_ORDER_ACQUIRE);
}
CASE(store_with_acquire)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic_store(p, words(p), x, x, wrong ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_RELEASE);
}
CASE(store_with_both)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic_store(p, words(p), x, x, wrong ? VYRE_ORDER_ACQ_REL : VYRE_ORDER_RELAXED);
}
CASE(unknown_order)
{
    vyre_value x = u32(p, 0);
    vyre_ir_atomic_cas(p, words(p), x, x, x, wrong ? (vyre_order)4 : VYRE_ORDER_ACQ_REL);
}
CASE(relaxed_barrier)
{
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, wrong ? VYRE_ORDER_RELAXED : VYRE_ORDER_RELEASE);
}
CASE(literal_load_beyond)
{
    vyre_buffer b = buffer_of(p, "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ, 4);
    vyre_ir_load(p, b, u32(p, wrong ? 4 : 3));
}
CASE(literal_store_beyond)
{
    vyre_ir_store(p, buffer_of(p, "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 4),
                  u32(p, wrong ? 4 : 3), u32(p, 0));
}
CASE(literal_atomic_beyond)
{
    vyre_value x = u32(p, wrong ? 0xffffffff : 0);
    vyre_buffer b = buffer_of(p, "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 1);
    vyre_ir_atomic(p, VYRE_ATOMIC_OR, b, x, x, VYRE_ORDER_RELAXED);
}
CASE(unknown_local)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, u32(p, 0), "l");
    l.id += wrong;
    vyre_ir_get(p, l);
}
CASE(local_zero)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, u32(p, 0), "l"), none = { 0 };
    vyre_ir_set(p, wrong ? none : l, u32(p, 1));
}
CASE(local_without_type)
{
    vyre_ir_local(p, wrong ? VYRE_TYPE_NONE : VYRE_TYPE_U32, u32(p, 0), "l");
}
CASE(local_of_another_type)
{
    vyre_ir_local(p, VYRE_TYPE_U32, wrong ? vyre_ir_i32(p, 0) : u32(p, 0), "l");
}
CASE(set_of_another_type)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "l");
    vyre_ir_set(p, l, wrong ? u32(p, 1) : vyre_ir_bool(p, false));
}
CASE(if_of_u32) { vyre_ir_if(p, wrong ? u32(p, 1) : vyre_ir_bool(p, true)); vyre_ir_end(p); }
CASE(switch_of_bool)
{
    vyre_ir_switch(p, wrong ? vyre_ir_bool(p, true) : u32(p, 1));
    vyre_ir_case(p, 1);
    vyre_ir_end(p);
}
CASE(loop_to_i32)
{
    vyre_ir_loop(p, u32(p, 0), wrong ? vyre_ir_i32(p, 4) : u32(p, 4));
    vyre_ir_end(p);
}
CASE(allowance_of_i32) { vyre_ir_loop_allow(p, wrong ? vyre_ir_i32(p, 4) : u32(p, 4)); }
CASE(ballot_of_u32) { vyre_ir_ballot(p, wrong ? u32(p, 1) : vyre_ir_bool(p, true)); }
CASE(any_of_u32) { vyre_ir_any(p, wrong ? u32(p, 1) : vyre_ir_bool(p, true)); }
CASE(all_of_u32) { vyre_ir_all(p, wrong ? u32(p, 1) : vyre_ir_bool(p, true)); }
CASE(shuffle_by_i32)
{
    vyre_ir_shuffle(p, vyre_ir_f32(p, 1), wrong ? vyre_ir_i32(p, 1) : u32(p, 1));
}
CASE(reduce_add_of_bool)
{
    vyre_ir_reduce(p, VYRE_REDUCE_ADD, wrong ? vyre_ir_bool(p, true) : u32(p, 1));
}
CASE(reduce_and_of_f32)
{
    vyre_ir_reduce(p, VYRE_REDUCE_AND, wrong ? vyre_ir_f32(p, 1) : u32(p, 1));
}

CASE(end_of_nothing) { if (!wrong) vyre_ir_if(p, vyre_ir_bool(p, true)); vyre_ir_end(p); }
CASE(else_of_nothing)
{
    vyre_value c = vyre_ir_bool(p, true);
    if (wrong) vyre_ir_forever(p); else vyre_ir_if(p, c);
    vyre_ir_else(p);
    vyre_ir_end(p);
}
CASE(two_elses)
{
    vyre_ir_if(p, vyre_ir_bool(p, true));
    vyre_ir_else(p);
    if (wrong) vyre_ir_else(p);
    vyre_ir_end(p);
}
CASE(case_outside_a_switch)
{
    vyre_value x = u32(p, 1);
    if (wrong) vyre_ir_forever(p); else vyre_ir_switch(p, x);
    vyre_ir_case(p, 1);
    vyre_ir_end(p);
}
CASE(default_in_an_if_in_a_switch)
{
    vyre_value x = u32(p, 1), c = vyre_ir_bool(p, true);
    vyre_ir_switch(p, x);
    vyre_ir_case(p, 1);
    vyre_ir_if(p, c);
    if (!wrong) vyre_ir_end(p);
    vyre_ir_default(p);
    if (wrong) vyre_ir_end(p);
    vyre_ir_end(p);
}
CASE(statement_before_the_first_case)
{
    vyre_ir_switch(p, u32(p, 1));
    if (wrong) u32(p, 2);
    vyre_ir_case(p, 1);
    vyre_ir_end(p);
}
CASE(switch_without_a_case)
{
    vyre_ir_switch(p, u32(p, 1));
    if (!wrong) vyre_ir_default(p);
    vyre_ir_end(p);
}
CASE(break_outside)
{
    vyre_value c = vyre_ir_bool(p, true);
    if (!wrong) vyre_ir_forever(p);
    vyre_ir_if(p, c);
    vyre_ir_break(p);
    vyre_ir_end(p);
    if (!wrong) vyre_ir_end(p);
}
CASE(continue_behind_the_loop)
{
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_bool(p, true));
    if (!wrong) vyre_ir_continue(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    if (wrong) vyre_ir_continue(p);
}
CASE(code_behind_return)
{
    if (wrong) vyre_ir_return(p);
    u32(p, 1);
    if (!wrong) vyre_ir_return(p);
}
CASE(code_behind_break)
{
    vyre_ir_forever(p);
    vyre_ir_break(p);
    if (wrong) vyre_ir_break(p);
    vyre_ir_comment(p, "a comment may stand here");
    vyre_ir_end(p);
    u32(p, 1);
}
CASE(code_behind_continue_in_a_case)
{
    vyre_ir_forever(p);
    vyre_ir_switch(p, u32(p, 1));
    vyre_ir_case(p, 2);
    vyre_ir_continue(p);
    if (wrong) vyre_ir_get(p, vyre_ir_local(p, VYRE_TYPE_U32, u32(p, 0), "l"));
    vyre_ir_default(p);
    vyre_ir_return(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
CASE(nested_too_deeply)
{
    vyre_value c = vyre_ir_bool(p, true);
    for (uint32_t i = 0; i < VYRE_MAX_NESTING + wrong; i++)
        vyre_ir_if(p, c);
    for (uint32_t i = 0; i < VYRE_MAX_NESTING + wrong; i++)
        vyre_ir_end(p);
}
CASE(too_many_instructions)
{
    for (uint32_t i = 0; i < VYRE_MAX_INSTRUCTIONS + wrong; i++)
        u32(p, i);
}

CASE(binding_too_large) { buffer_of(p, "b", wrong ? 32 : 31, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0); }
CASE(binding_used_twice)
{
    buffer_of(p, "a", 3, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    buffer_of(p, "b", wrong ? 3 : 4, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    buffer_of(p, "c", 3, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1);
    buffer_of(p, "d", 3, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1);
}
CASE(name_used_twice)
{
    buffer_of(p, "a", 3, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    buffer_of(p, wrong ? "a" : "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1);
}
CASE(array_without_count)
{
    buffer_of(p, "a", 0, VYRE_TYPE_U32, wrong ? VYRE_ACCESS_WORKGROUP : VYRE_ACCESS_READ, 0);
}
CASE(arrays_too_large)
{
    buffer_of(p, "a", 0, VYRE_TYPE_F32, VYRE_ACCESS_WORKGROUP, 4096);
    buffer_of(p, "b", 0, VYRE_TYPE_F32, VYRE_ACCESS_WORKGROUP, 4096 + wrong);
}
CASE(array_huge)
{
    buffer_of(p, "a", 0, VYRE_TYPE_F32, VYRE_ACCESS_WORKGROUP, wrong ? 0x40000001 : 1);
}
CASE(unknown_element)
{
    buffer_of(p, "a", 0, wrong ? (vyre_type)5 : VYRE_TYPE_BOOL, VYRE_ACCESS_READ, 0);
}
CASE(unknown_access)
{
    buffer_of(p, "a", 0, VYRE_TYPE_U32, wrong ? (vyre_access)4 : VYRE_ACCESS_READ, 0);
}
static void readback(vyre_program *p, uint32_t offset, uint32_t size, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.readback_offset = offset;
    desc.readback_size = size;
    desc.count = count;
    vyre_ir_buffer(p, &desc);
}
CASE(readback_beyond) { readback(p, 8, wrong ? 12 : 8, 4); }
CASE(readback_wraps) { readback(p, 8, wrong ? 0xfffffffc : 8, 4); }
CASE(readback_of_half_a_word) { readback(p, 4, wrong ? 6 : 4, 0); }
CASE(readback_at_half_a_word) { readback(p, wrong ? 2 : 4, 4, 0); }
CASE(too_many_buffers)
{
    for (uint32_t i = 0; i < VYRE_MAX_BUFFERS + wrong; i++)
        buffer_of(p, NULL, 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1);
}
CASE(buffer_of_nothing) { if (wrong) vyre_ir_buffer(p, NULL); else words(p); }
CASE(name_of_nothing)
{
    vyre_value x = u32(p, 1), none = { 0 };
    vyre_ir_name(p, wrong ? none : x, "x");
}
CASE(name_of_a_statement)
{
    vyre_value x = u32(p, 1), set = { 3 };
    vyre_ir_set(p, vyre_ir_local(p, VYRE_TYPE_U32, x, "l"), x);
    vyre_ir_name(p, wrong ? set : x, "x");
}

typedef struct rule {
    const char *name;
    void (*build)(vyre_program *p, bool wrong);
    vyre_status status;
    const char *text;
} rule;

#define ROW(name, status, text) { #name, name, VYRE_##status, text }

/* What the builder refuses at the call. */
static const rule call_rules[] = {
    ROW(value_zero, E_IR_VALUE, "%1 neg: operand 0, %0, is not an earlier value of this program"),
    ROW(value_unknown, E_IR_VALUE,
        "%2 add: operand 1, %99, is not an earlier value of this program"),
    ROW(value_of_a_statement, E_IR_VALUE,
        "%3 not: operand 0, %2, is not an earlier value of this program"),
    ROW(value_of_itself, E_IR_VALUE,
        "%2 not: operand 0, %2, is not an earlier value of this program"),
    ROW(add_of_bool, E_IR_TYPE, "%2 add: operand 0, true, is bool and should be u32, i32 or f32"),
    ROW(add_of_two_types, E_IR_TYPE, NULL),
    ROW(rem_of_f32, E_IR_TYPE, "%2 rem: operand 0, 1.0, is f32 and should be u32 or i32"),
    ROW(shift_by_i32, E_IR_TYPE, NULL),
    ROW(rotate_of_i32, E_IR_TYPE, NULL),
    ROW(less_of_bools, E_IR_TYPE, NULL),
    ROW(sqrt_of_u32, E_IR_TYPE, "%2 sqrt: operand 0, 1, is u32 and should be f32"),
    ROW(popcount_of_f32, E_IR_TYPE, NULL),
    ROW(fma_of_u32, E_IR_TYPE, "%3 fma: operand 2, 1, is u32 and should be f32"),
    ROW(select_by_u32, E_IR_TYPE, "%2 select: operand 0, 1, is u32 and should be bool"),
    ROW(select_of_two_types, E_IR_TYPE, NULL),
    ROW(cast_to_nothing, E_IR_OPERATOR, "%2 cast: type number 0 cannot be the result"),
    ROW(cast_to_unknown, E_IR_OPERATOR, "%2 cast: type number 77 cannot be the result"),
    ROW(cast_to_a_large_number, E_IR_OPERATOR, "%2 cast: type number 255 cannot be the result"),
    ROW(bitcast_to_bool, E_IR_TYPE, "%2 bitcast: type number 4 cannot be the result"),
    ROW(bitcast_of_bool, E_IR_TYPE,
        "%2 bitcast: operand 0, true, is bool and should be u32, i32 or f32"),
    ROW(unknown_builtin, E_IR_OPERATOR, "%1 builtin: operator number 20; there are 20"),
    ROW(unknown_atomic, E_IR_OPERATOR, "%2 atomic: operator number 8; there are 8"),
    ROW(unknown_scope, E_IR_OPERATOR, "%1 barrier: operator number 3; there are 3"),
    ROW(unknown_reduction, E_IR_OPERATOR, "%2 reduce: operator number 6; there are 6"),
    ROW(load_by_i32, E_IR_TYPE, "%2 load: operand 1, 0i, is i32 and should be u32"),
    ROW(store_of_f32, E_IR_TYPE, NULL),
    ROW(unknown_buffer, E_IR_BUFFER, "%2 load: buffer 2 of 1"),
    ROW(buffer_zero, E_IR_BUFFER, "%1 length: buffer 0 of 1"),
    ROW(load_from_write_only, E_IR_ACCESS, "%2 load: buffer \"b\" can only be written"),
    ROW(store_to_read_only, E_IR_ACCESS, "%2 store: buffer \"b\" can only be read"),
    ROW(atomic_on_read_only, E_IR_ACCESS, "%2 atomic: buffer \"b\" can only be read"),
    ROW(atomic_on_write_only, E_IR_ACCESS, "%2 atomic_cas: buffer \"b\" can only be written"),
    ROW(atomic_on_f32, E_IR_TYPE,
        "%3 atomic: buffer \"b\" has f32 elements; atomics need u32 or i32"),
    ROW(atomic_load_of_bool, E_IR_TYPE, NULL),
    ROW(atomic_with_wrong_value, E_IR_TYPE, "%3 atomic: operand 2, 1i, is i32 and should be u32"),
    ROW(cas_with_wrong_desired, E_IR_TYPE,
        "%3 atomic_cas: operand 3, true, is bool and should be u32"),
    ROW(load_with_release, E_IR_ORDER, "%2 atomic_load: memory order number 2 is not allowed here"),
    ROW(store_with_acquire, E_IR_ORDER,
        "%2 atomic_store: memory order number 1 is not allowed here"),
    ROW(store_with_both, E_IR_ORDER, "%2 atomic_store: memory order number 3 is not allowed here"),
    ROW(unknown_order, E_IR_ORDER, "%2 atomic_cas: memory order number 4 is not allowed here"),
    ROW(relaxed_barrier, E_IR_ORDER, "%1 barrier: memory order number 0 is not allowed here"),
    ROW(literal_load_beyond, E_IR_INDEX, "%2 load: element 4 of buffer \"b\", which has 4"),
    ROW(literal_store_beyond, E_IR_INDEX, "%3 store: element 4 of buffer \"b\", which has 4"),
    ROW(literal_atomic_beyond, E_IR_INDEX,
        "%2 atomic: element 4294967295 of buffer \"b\", which has 1"),
    ROW(unknown_local, E_IR_LOCAL, "%3 get: local 2 of 1"),
    ROW(local_zero, E_IR_LOCAL, NULL),
    ROW(local_without_type, E_IR_OPERATOR, "%2 local: local 1 has type number 0"),
    ROW(local_of_another_type, E_IR_TYPE, "%2 local: operand 1, 0i, is i32 and should be u32"),
    ROW(set_of_another_type, E_IR_TYPE, "%4 set: operand 1, 1, is u32 and should be bool"),
    ROW(if_of_u32, E_IR_TYPE, "%2 if: operand 0, 1, is u32 and should be bool"),
    ROW(switch_of_bool, E_IR_TYPE, "%2 switch: operand 0, true, is bool and should be u32"),
    ROW(loop_to_i32, E_IR_TYPE, "%3 loop: operand 1, 4i, is i32 and should be u32"),
    ROW(allowance_of_i32, E_IR_TYPE, NULL),
    ROW(ballot_of_u32, E_IR_TYPE, NULL),
    ROW(any_of_u32, E_IR_TYPE, NULL),
    ROW(all_of_u32, E_IR_TYPE, NULL),
    ROW(shuffle_by_i32, E_IR_TYPE, NULL),
    ROW(reduce_add_of_bool, E_IR_TYPE, NULL),
    ROW(reduce_and_of_f32, E_IR_TYPE, NULL),
    ROW(end_of_nothing, E_IR_BLOCK,
        "%1 end: it does not belong into the innermost open block, none"),
    ROW(else_of_nothing, E_IR_BLOCK,
        "%3 else: it does not belong into the innermost open block, forever"),
    ROW(two_elses, E_IR_BLOCK, "%4 else: it does not belong into the innermost open block, if"),
    ROW(case_outside_a_switch, E_IR_BLOCK, NULL),
    ROW(default_in_an_if_in_a_switch, E_IR_BLOCK,
        "%6 default: it does not belong into the innermost open block, if"),
    ROW(statement_before_the_first_case, E_IR_SWITCH,
        "%3 const: it stands between a switch and its first case"),
    ROW(switch_without_a_case, E_IR_SWITCH, "%3 end: the switch has no case"),
    ROW(break_outside, E_IR_LOOP, "%3 break: no loop is open"),
    ROW(continue_behind_the_loop, E_IR_LOOP, "%6 continue: no loop is open"),
    ROW(code_behind_return, E_IR_UNREACHABLE,
        "%2 const: it stands behind a break, continue or return"),
    ROW(code_behind_break, E_IR_UNREACHABLE,
        "%3 break: it stands behind a break, continue or return"),
    ROW(code_behind_continue_in_a_case, E_IR_UNREACHABLE, NULL),
    ROW(nested_too_deeply, E_IR_NESTING, "%66 if: 64 blocks are open, the most there may be"),
    ROW(too_many_instructions, E_IR_LIMIT,
        "the program has 100000 instructions, the most there may be"),
    ROW(binding_too_large, E_IR_BINDING, "binding 32 of buffer \"b\"; bindings end at 31"),
    ROW(binding_used_twice, E_IR_BINDING, "binding 3 is used by \"a\" and \"b\""),
    ROW(name_used_twice, E_IR_NAME, "buffers 1 and 2 are both named \"a\""),
    ROW(array_without_count, E_IR_COUNT, "the workgroup array \"a\" has no element count"),
    ROW(arrays_too_large, E_IR_GROUP_MEMORY,
        "workgroup arrays of 32772 bytes with \"b\"; there may be 32768"),
    ROW(array_huge, E_IR_GROUP_MEMORY,
        "workgroup arrays of 4294967300 bytes with \"a\"; there may be 32768"),
    ROW(unknown_element, E_IR_OPERATOR, "buffer \"a\" has type number 5 and access number 1"),
    ROW(unknown_access, E_IR_OPERATOR, "buffer \"a\" has type number 1 and access number 4"),
    ROW(readback_beyond, E_IR_READBACK,
        "readback of 12 bytes at 8 from buffer \"buffer0\" of 4 elements"),
    ROW(readback_wraps, E_IR_READBACK, NULL),
    ROW(readback_of_half_a_word, E_IR_READBACK, NULL),
    ROW(readback_at_half_a_word, E_IR_READBACK, NULL),
    ROW(too_many_buffers, E_IR_LIMIT, "the program has 128 buffers, the most there may be"),
    ROW(buffer_of_nothing, E_ARGUMENT, "the description of a buffer is NULL"),
    ROW(name_of_nothing, E_IR_VALUE, "name: %0 is not a value of this program"),
    ROW(name_of_a_statement, E_IR_VALUE, "name: %3 is not a value of this program"),
};

/* --- rules of whole programs ---------------------------------------------- */

CASE(value_from_a_closed_if)
{
    vyre_ir_if(p, cond(p, true));
    vyre_value x = u32(p, 1);
    if (!wrong) vyre_ir_neg(p, x);
    vyre_ir_end(p);
    if (wrong) vyre_ir_neg(p, x);
}
CASE(value_from_the_other_arm)
{
    vyre_value x = u32(p, 1);
    vyre_ir_if(p, cond(p, true));
    vyre_value y = u32(p, 2);
    vyre_ir_else(p);
    vyre_ir_neg(p, wrong ? y : x);
    vyre_ir_end(p);
}
CASE(value_from_an_earlier_case)
{
    vyre_value x = u32(p, 1);
    vyre_ir_switch(p, x);
    vyre_ir_case(p, 1);
    vyre_value y = u32(p, 2);
    vyre_ir_case(p, 2);
    vyre_ir_neg(p, wrong ? y : x);
    vyre_ir_end(p);
}
CASE(value_from_an_earlier_block_of_the_same_depth)
{
    vyre_value c = cond(p, true), x = u32(p, 1);
    vyre_ir_if(p, c);
    vyre_value y = u32(p, 2);
    vyre_ir_end(p);
    vyre_ir_if(p, c);
    vyre_ir_neg(p, wrong ? y : x);
    vyre_ir_end(p);
}
CASE(counter_behind_its_loop)
{
    vyre_value n = u32(p, 4), i = vyre_ir_loop(p, n, n);
    vyre_ir_neg(p, i);
    vyre_ir_end(p);
    vyre_ir_neg(p, wrong ? i : n);
}
CASE(local_behind_its_block)
{
    vyre_ir_forever(p);
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, u32(p, 0), "inner");
    vyre_ir_if(p, cond(p, true));
    vyre_ir_set(p, l, u32(p, 1));
    vyre_ir_end(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    if (wrong) vyre_ir_get(p, l);
}
CASE(block_without_an_end)
{
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_bool(p, true));
    vyre_ir_end(p);
    if (!wrong) vyre_ir_end(p);
}
CASE(two_equal_cases)
{
    vyre_value x = u32(p, 1);
    vyre_ir_switch(p, x);
    vyre_ir_case(p, 7);
    vyre_ir_switch(p, x);
    vyre_ir_case(p, 7);
    vyre_ir_end(p);
    vyre_ir_case(p, wrong ? 7 : 8);
    vyre_ir_end(p);
}
CASE(two_defaults)
{
    vyre_ir_switch(p, u32(p, 1));
    vyre_ir_default(p);
    if (wrong) vyre_ir_default(p); else vyre_ir_case(p, 0);
    vyre_ir_end(p);
}
CASE(many_cases)
{
    vyre_ir_switch(p, u32(p, 1));
    for (uint32_t i = 0; i < 20000; i++)
        vyre_ir_case(p, i == 19999 && wrong ? 160 : i * 16);
    vyre_ir_end(p);
}

/* Barriers: the right program is uniform. */
CASE(barrier_in_an_if)
{
    vyre_ir_if(p, cond(p, wrong));
    barrier(p);
    vyre_ir_end(p);
    barrier(p);
}
CASE(barrier_in_a_uniform_if_in_another)
{
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_if(p, cond(p, false));
    barrier(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
CASE(barrier_in_an_else)
{
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_else(p);
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_in_a_switch)
{
    vyre_ir_switch(p, vyre_ir_builtin(p, wrong ? VYRE_BUILTIN_GLOBAL_ID_X
                                               : VYRE_BUILTIN_GROUP_COUNT_Y));
    vyre_ir_default(p);
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_in_a_loop)
{
    vyre_ir_loop(p, u32(p, 0), wrong ? lane(p) : vyre_ir_length(p, words(p)));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_in_a_loop_with_a_break)
{
    vyre_value c = cond(p, wrong);
    vyre_ir_forever(p);
    barrier(p);
    vyre_ir_if(p, c);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    barrier(p);
}
CASE(barrier_in_a_loop_with_a_continue)
{
    vyre_value c = cond(p, wrong);
    vyre_ir_loop(p, u32(p, 0), u32(p, 4));
    vyre_ir_if(p, c);
    vyre_ir_continue(p);
    vyre_ir_end(p);
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_behind_a_return)
{
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_return(p);
    vyre_ir_end(p);
    barrier(p);
}
CASE(barrier_in_a_loop_with_a_return)
{
    vyre_value c = cond(p, wrong);
    vyre_ir_loop(p, u32(p, 0), u32(p, 4));
    barrier(p);
    vyre_ir_forever(p);
    vyre_ir_if(p, c);
    vyre_ir_return(p);
    vyre_ir_end(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_loaded_value)
{
    vyre_buffer b = buffer_of(p, "b", 0, VYRE_TYPE_U32,
                              wrong ? VYRE_ACCESS_READ_WRITE : VYRE_ACCESS_READ, 0);
    vyre_ir_loop(p, u32(p, 0), vyre_ir_load(p, b, u32(p, 0)));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_value_loaded_by_lane)
{
    vyre_buffer b = buffer_of(p, "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    vyre_value x = vyre_ir_load(p, b, wrong ? lane(p) : u32(p, 9));
    vyre_ir_if(p, vyre_ir_eq(p, x, u32(p, 0)));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_local)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, u32(p, 0), "l");
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_eq(p, vyre_ir_get(p, l), u32(p, 3)));
    barrier(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    /* Only the next round sees it. */
    vyre_ir_set(p, l, wrong ? lane(p) : u32(p, 3));
    vyre_ir_end(p);
}
CASE(barrier_by_a_local_set_in_a_branch)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "l");
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_set(p, l, vyre_ir_bool(p, true));
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, l));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_chain_of_locals)
{
    enum { N = 40 };
    vyre_local l[N];
    for (unsigned i = 0; i < N; i++)
        l[i] = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "l");
    if (wrong) vyre_ir_forever(p); else vyre_ir_if(p, cond(p, false));
    vyre_ir_if(p, vyre_ir_get(p, l[N - 1]));
    barrier(p);
    vyre_ir_end(p);
    for (unsigned i = N - 1; i > 0; i--)
        vyre_ir_set(p, l[i], vyre_ir_get(p, l[i - 1]));
    vyre_ir_set(p, l[0], cond(p, wrong));
    vyre_ir_end(p);
}
CASE(barrier_by_a_subgroup)
{
    vyre_value c = vyre_ir_any(p, cond(p, true));
    vyre_ir_if(p, c);
    vyre_ir_barrier(p, wrong ? VYRE_SCOPE_WORKGROUP : VYRE_SCOPE_SUBGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
}
CASE(subgroup_barrier_by_a_lane)
{
    vyre_value c = cond(p, true);
    vyre_ir_if(p, wrong ? c : vyre_ir_all(p, c));
    vyre_ir_barrier(p, VYRE_SCOPE_SUBGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
}
CASE(subgroup_value_from_a_branch)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "l");
    vyre_value c = cond(p, true);
    if (wrong) {
        vyre_ir_if(p, c);
        vyre_ir_if(p, vyre_ir_any(p, c));
    } else {
        vyre_ir_if(p, vyre_ir_any(p, c));
        vyre_ir_if(p, vyre_ir_any(p, c));
    }
    vyre_ir_barrier(p, VYRE_SCOPE_SUBGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_get(p, l);
}
CASE(fence_or_barrier_in_a_branch)
{
    vyre_ir_if(p, cond(p, true));
    vyre_ir_barrier(p, wrong ? VYRE_SCOPE_WORKGROUP : VYRE_SCOPE_DEVICE, VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
}


/* What is marked as uniform.  The word is for those who come there, and a
 * lane's own number stays one. */
static vyre_value marked(vyre_program *p, vyre_value value, bool wrong)
{
    return wrong ? value : vyre_ir_uniform(p, value);
}
CASE(barrier_by_a_shared_word)
{
    vyre_buffer b = buffer_of(p, "shared", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 4);
    vyre_value opcode = marked(p, vyre_ir_load(p, b, u32(p, 1)), wrong);
    vyre_ir_switch(p, vyre_ir_and(p, opcode, u32(p, 255)));
    vyre_ir_case(p, 7);
    vyre_ir_loop(p, u32(p, 0), vyre_ir_add(p, opcode, u32(p, 3)));
    barrier(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
CASE(barrier_in_a_loop_that_a_shared_word_ends)
{
    vyre_buffer b = buffer_of(p, "shared", 0, VYRE_TYPE_BOOL, VYRE_ACCESS_WORKGROUP, 4);
    vyre_ir_forever(p);
    vyre_ir_if(p, cond(p, true));
    vyre_ir_store(p, b, u32(p, 0), vyre_ir_bool(p, true));
    vyre_ir_end(p);
    barrier(p);
    vyre_ir_if(p, marked(p, vyre_ir_load(p, b, u32(p, 0)), wrong));
    vyre_ir_break(p);
    vyre_ir_end(p);
    barrier(p);
    vyre_ir_end(p);
    barrier(p);
}
CASE(barrier_by_a_marked_value_and_a_lane)
{
    vyre_value x = vyre_ir_uniform(p, lane(p));
    x = vyre_ir_add(p, x, wrong ? lane(p) : u32(p, 1));
    vyre_ir_if(p, vyre_ir_lt(p, x, u32(p, 3)));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_marked_value_in_a_branch)
{
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_if(p, vyre_ir_uniform(p, cond(p, true)));
    barrier(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
/* Outside of the branch the word is not given: some lanes have not been there. */
CASE(barrier_by_a_value_marked_in_a_branch)
{
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "l");
    vyre_value x = cond(p, true);
    vyre_ir_if(p, cond(p, wrong));
    vyre_ir_set(p, l, vyre_ir_uniform(p, x));
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, l));
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_value_before_its_mark)
{
    vyre_value x = cond(p, true), y = vyre_ir_uniform(p, x);
    vyre_ir_if(p, wrong ? x : y);
    barrier(p);
    vyre_ir_end(p);
}
CASE(barrier_by_a_subgroup_of_a_marked_value)
{
    vyre_value x = vyre_ir_any(p, vyre_ir_uniform(p, cond(p, true)));
    vyre_ir_if(p, marked(p, x, wrong));
    barrier(p);
    vyre_ir_end(p);
}

/* What only the whole program shows: vyre_program_finish refuses it. */
static const rule program_rules[] = {
    ROW(value_from_a_closed_if, E_IR_SCOPE,
        "%7 neg: operand 0, 1, belongs to a block that is closed"),
    ROW(value_from_the_other_arm, E_IR_SCOPE, NULL),
    ROW(value_from_an_earlier_case, E_IR_SCOPE, NULL),
    ROW(value_from_an_earlier_block_of_the_same_depth, E_IR_SCOPE, NULL),
    ROW(counter_behind_its_loop, E_IR_SCOPE,
        "%5 neg: operand 0, %2, belongs to a block that is closed"),
    ROW(local_behind_its_block, E_IR_SCOPE,
        "%13 get: local $1 inner belongs to a block that is not open"),
    ROW(block_without_an_end, E_IR_OPEN, "%1 forever: the block has no end; 1 are open"),
    ROW(two_equal_cases, E_IR_CASE, "%7 case: the switch at %2 has 7 twice"),
    ROW(two_defaults, E_IR_CASE, "%4 default: the switch at %2 has two (0)"),
    ROW(many_cases, E_IR_CASE, NULL),
    ROW(barrier_in_an_if, E_IR_BARRIER,
        "%5 barrier: not all lanes reach it together: they may part at %4, if, by %1, "
        "local_id.x"),
    ROW(barrier_in_a_uniform_if_in_another, E_IR_BARRIER, NULL),
    ROW(barrier_in_an_else, E_IR_BARRIER, NULL),
    ROW(barrier_in_a_switch, E_IR_BARRIER, NULL),
    ROW(barrier_in_a_loop, E_IR_BARRIER, NULL),
    ROW(barrier_in_a_loop_with_a_break, E_IR_BARRIER,
        "%5 barrier: not all lanes reach it together: they may part at %4, forever"),
    ROW(barrier_in_a_loop_with_a_continue, E_IR_BARRIER, NULL),
    ROW(barrier_behind_a_return, E_IR_BARRIER,
        "%7 barrier: not all lanes reach it together: they may part at %5, return"),
    ROW(barrier_in_a_loop_with_a_return, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_loaded_value, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_value_loaded_by_lane, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_local, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_local_set_in_a_branch, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_chain_of_locals, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_subgroup, E_IR_BARRIER, NULL),
    ROW(subgroup_barrier_by_a_lane, E_IR_BARRIER, NULL),
    ROW(subgroup_value_from_a_branch, E_IR_BARRIER, NULL),
    ROW(fence_or_barrier_in_a_branch, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_shared_word, E_IR_BARRIER,
        "%11 barrier: not all lanes reach it together: they may part at %5, switch, by %2, load"),
    ROW(barrier_in_a_loop_that_a_shared_word_ends, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_marked_value_and_a_lane, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_marked_value_in_a_branch, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_value_marked_in_a_branch, E_IR_BARRIER,
        "%15 barrier: not all lanes reach it together: they may part at %14, if, by %13, get"),
    ROW(barrier_by_a_value_before_its_mark, E_IR_BARRIER, NULL),
    ROW(barrier_by_a_subgroup_of_a_marked_value, E_IR_BARRIER,
        "%7 barrier: not all lanes reach it together: they may part at %6, if, by %5, any"),
};

static void check_right(const rule *r)
{
    vyre_error err;
    vyre_program *p = vyre_program_create(NULL, NULL);
    r->build(p, false);
    if (vyre_program_finish(p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s, built rightly: %s", r->name, err.text);
    vyre_program_destroy(p);
}

static void check_wrong(const rule *r, bool at_the_call)
{
    vyre_error err;
    vyre_program *p = vyre_program_create(NULL, NULL);
    r->build(p, true);
    const vyre_status kept = vyre_program_status(p);
    if (kept != (at_the_call ? r->status : VYRE_OK))
        test_fail(__FILE__, __LINE__, "%s: the builder keeps %s", r->name, vyre_status_name(kept));
    const vyre_status status = vyre_program_finish(p, &err);
    if (status != r->status || err.status != r->status)
        test_fail(__FILE__, __LINE__, "%s: %s (%s), not %s", r->name, vyre_status_name(status),
                  err.text, vyre_status_name(r->status));
    if (r->text && strcmp(err.text, r->text) != 0)
        test_fail(__FILE__, __LINE__, "%s: \"%s\", not \"%s\"", r->name, err.text, r->text);
    if (!err.fix[0] || err.at == 0)
        test_fail(__FILE__, __LINE__, "%s: fix \"%s\", at %llu", r->name, err.fix,
                  (unsigned long long)err.at);
    CHECK_EQ(vyre_program_status(p), r->status);
    vyre_program_destroy(p);
}

static void each_rule_of_a_call(void)
{
    for (size_t i = 0; i < sizeof call_rules / sizeof call_rules[0]; i++) {
        check_right(&call_rules[i]);
        check_wrong(&call_rules[i], true);
    }
}

static void each_rule_of_a_program(void)
{
    for (size_t i = 0; i < sizeof program_rules / sizeof program_rules[0]; i++) {
        check_right(&program_rules[i]);
        check_wrong(&program_rules[i], false);
    }
}

static void workgroup_sizes(void)
{
    static const uint32_t wrong[][3] = {
        { 1025, 1, 1 }, { 32, 32, 2 }, { 1, 1, 1025 }, { 0xffffffff, 0xffffffff, 0xffffffff },
        { 65536, 65536, 1 }, { 0, 17, 1 } /* 64 x 17 */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        vyre_program_desc desc;
        vyre_error err;
        memset(&desc, 0, sizeof desc);
        memcpy(desc.workgroup_size, wrong[i], sizeof desc.workgroup_size);
        CHECK(vyre_program_create(&desc, &err) == NULL);
        CHECK_EQ(err.status, VYRE_E_IR_GROUP_SIZE);
        CHECK(err.fix[0]);
    }
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = 2;
    desc.workgroup_size[2] = 512;
    vyre_program *p = vyre_program_create(&desc, NULL);
    CHECK(p);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK); /* neither code nor buffers: allowed */
    vyre_program_destroy(p);
}

/* --- damaged arrays -------------------------------------------------------- */

/* A program with one of everything; its numbers are in the listing of `damage`. */
static vyre_program *sample(void)
{
    vyre_program *p = vyre_program_create(NULL, NULL);
    vyre_buffer b = words(p);
    vyre_value x = u32(p, 1);                                       /* 0 */
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, x, "l");         /* 1 */
    vyre_ir_forever(p);                                             /* 2 */
    vyre_ir_switch(p, x);                                           /* 3 */
    vyre_ir_case(p, 5);                                             /* 4 */
    vyre_ir_break(p);                                               /* 5 */
    vyre_ir_default(p);                                             /* 6 */
    vyre_ir_store(p, b, x, x);                                      /* 7 */
    vyre_ir_end(p);                                                 /* 8 */
    vyre_ir_forever(p);                                             /* 9 */
    vyre_ir_return(p);                                              /* 10 */
    vyre_ir_end(p);                                                 /* 11 */
    vyre_value y = vyre_ir_get(p, l);                               /* 12 */
    vyre_ir_if(p, vyre_ir_eq(p, y, x));                             /* 13, 14 */
    vyre_ir_else(p);                                                /* 15 */
    vyre_ir_end(p);                                                 /* 16 */
    vyre_ir_comment(p, "text");                                     /* 17 */
    vyre_ir_end(p);                                                 /* 18 */
    vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "m");   /* 19, 20 */
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
    return p;
}

/* The links that ir_impl.h promises. */
static void links_are_as_documented(void)
{
    static const uint32_t links[] = {
        0, 0, 18 /* forever: end */, 4 /* switch: case */, 6 /* case: default */,
        2 /* break: its loop */, 8 /* default: end */, 0, 3 /* end: switch */,
        11 /* forever: end */, 0, 9 /* end: forever */, 0, 0, 15 /* if: else */,
        16 /* else: end */, 14 /* end: if */, 0, 2 /* end: forever */, 0, 0
    };
    vyre_program *p = sample();
    CHECK_EQ(p->count, sizeof links / sizeof links[0]);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->insts[i].link != links[i])
            test_fail(__FILE__, __LINE__, "instruction %u links to %u, not %u", (unsigned)i,
                      (unsigned)p->insts[i].link, (unsigned)links[i]);
    }
    CHECK_EQ(p->insts[2].sub, 1); /* a round loop */
    CHECK_EQ(p->insts[9].sub, 0); /* inside of one */
    CHECK_EQ(p->locals[1].declared, 20);
    vyre_program_destroy(p);
}

enum { FIELD_OP, FIELD_TYPE, FIELD_SUB, FIELD_ORDER, FIELD_A, FIELD_B, FIELD_C, FIELD_LINK,
       FIELD_DECLARED, FIELD_LOCAL_TYPE, FIELD_LOCALS, FIELD_GROUP, FIELD_BINDING, FIELD_COUNT };

typedef struct damage {
    uint32_t    index;
    int         field;
    uint32_t    value;
    vyre_status status;
} damage;

static const damage damages[] = {
    { 0, FIELD_OP, VYI_OP_COUNT, VYRE_E_IR_LINK },
    { 0, FIELD_OP, 255, VYRE_E_IR_LINK },
    { 0, FIELD_TYPE, 0, VYRE_E_IR_OPERATOR },
    { 0, FIELD_TYPE, 9, VYRE_E_IR_OPERATOR },
    { 0, FIELD_SUB, 1, VYRE_E_IR_OPERATOR },
    { 0, FIELD_ORDER, 1, VYRE_E_IR_ORDER },
    { 0, FIELD_LINK, 1, VYRE_E_IR_LINK },
    { 1, FIELD_A, 0, VYRE_E_IR_LOCAL },
    { 1, FIELD_A, 3, VYRE_E_IR_LOCAL },
    { 1, FIELD_A, 2, VYRE_E_IR_TYPE },
    { 1, FIELD_DECLARED, 2, VYRE_E_IR_LINK },
    { 1, FIELD_OP, VYI_OP_SET, VYRE_E_IR_SCOPE },
    { 1, FIELD_DECLARED, 0xffffffff, VYRE_E_IR_LINK },
    { 1, FIELD_LOCAL_TYPE, 0, VYRE_E_IR_OPERATOR },
    { 1, FIELD_LOCAL_TYPE, 40, VYRE_E_IR_OPERATOR },
    { 2, FIELD_SUB, 0, VYRE_E_IR_LINK },
    { 2, FIELD_LINK, 11, VYRE_E_IR_LINK },
    { 3, FIELD_A, 4, VYRE_E_IR_VALUE },
    { 3, FIELD_LINK, 6, VYRE_E_IR_LINK },
    { 4, FIELD_LINK, 0xffffffff, VYRE_E_IR_LINK },
    { 4, FIELD_OP, VYI_OP_ELSE, VYRE_E_IR_BLOCK },
    { 5, FIELD_LINK, 9, VYRE_E_IR_LINK },
    { 6, FIELD_LINK, 0, VYRE_E_IR_LINK },
    { 7, FIELD_A, 2, VYRE_E_IR_BUFFER },
    { 7, FIELD_B, 13, VYRE_E_IR_VALUE },
    { 7, FIELD_TYPE, VYRE_TYPE_U32, VYRE_E_IR_TYPE },
    { 8, FIELD_LINK, 2, VYRE_E_IR_LINK },
    { 9, FIELD_SUB, 1, VYRE_E_IR_LINK },
    { 9, FIELD_SUB, 2, VYRE_E_IR_OPERATOR },
    { 10, FIELD_LINK, 9, VYRE_E_IR_LINK },
    { 12, FIELD_TYPE, VYRE_TYPE_I32, VYRE_E_IR_TYPE },
    { 13, FIELD_SUB, 255, VYRE_E_IR_OPERATOR },
    { 13, FIELD_TYPE, VYRE_TYPE_U32, VYRE_E_IR_TYPE },
    { 14, FIELD_LINK, 16, VYRE_E_IR_LINK },
    { 15, FIELD_LINK, 18, VYRE_E_IR_LINK },
    { 15, FIELD_OP, VYI_OP_COMMENT, VYRE_E_IR_LINK },
    { 16, FIELD_OP, VYI_OP_COMMENT, VYRE_E_IR_LINK },
    { 17, FIELD_A, 1, VYRE_E_IR_LINK },
    { 18, FIELD_OP, VYI_OP_CONTINUE, VYRE_E_IR_UNREACHABLE },
    { 0, FIELD_LOCALS, 0xffffffff, VYRE_E_IR_LINK },
    { 0, FIELD_GROUP, 0, VYRE_E_IR_GROUP_SIZE },
    { 0, FIELD_GROUP, 4096, VYRE_E_IR_GROUP_SIZE },
    { 0, FIELD_BINDING, 32, VYRE_E_IR_BINDING },
    { 0, FIELD_COUNT, VYRE_MAX_INSTRUCTIONS + 1, VYRE_E_IR_LIMIT },
};

static void do_damage(vyre_program *p, const damage *d)
{
    vyi_inst *inst = &p->insts[d->index];
    switch (d->field) {
    case FIELD_OP:         inst->op = (uint8_t)d->value; break;
    case FIELD_TYPE:       inst->type = (uint8_t)d->value; break;
    case FIELD_SUB:        inst->sub = (uint8_t)d->value; break;
    case FIELD_ORDER:      inst->order = (uint8_t)d->value; break;
    case FIELD_A:          inst->arg[0] = d->value; break;
    case FIELD_B:          inst->arg[1] = d->value; break;
    case FIELD_C:          inst->arg[2] = d->value; break;
    case FIELD_LINK:       inst->link = d->value; break;
    case FIELD_DECLARED:   p->locals[0].declared = d->value; break;
    case FIELD_LOCAL_TYPE: p->locals[0].type = (uint8_t)d->value; break;
    case FIELD_LOCALS:     p->local_count = d->value; break;
    case FIELD_GROUP:      p->group_size[1] = d->value; break;
    case FIELD_BINDING:    p->buffers[0].binding = d->value; break;
    default:               p->count = d->value; break;
    }
}

static void damaged_programs_are_found(void)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        vyre_error err;
        vyre_program *p = sample();
        do_damage(p, &damages[i]);
        const vyre_status status = vyi_program_check(p, &err);
        if (status != damages[i].status)
            test_fail(__FILE__, __LINE__, "damage %u: %s (%s), not %s", (unsigned)i,
                      vyre_status_name(status), status ? err.text : "",
                      vyre_status_name(damages[i].status));
        vyre_program_destroy(p);
    }
}

/* Whatever the bytes are, the check reads nothing outside of the program.
 * The sanitizers watch. */
static void random_damage_is_survived(void)
{
    uint64_t seed = test_seed(0x5eed0001);
    vyre_program *p = sample();
    const size_t size = p->count * sizeof *p->insts;
    vyi_inst *good = (vyi_inst *)malloc(size);
    memcpy(good, p->insts, size);
    uint32_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(p->insts, good, size);
        const uint32_t hits = 1 + (uint32_t)(test_random(&seed) % 4);
        for (uint32_t i = 0; i < hits; i++) {
            uint64_t r = test_random(&seed);
            damage d = { (uint32_t)(r % p->count), (int)(r >> 32) % 8 & 7, 0, VYRE_OK };
            d.value = (r >> 40) & 1 ? (uint32_t)(r >> 41) % 24 : (uint32_t)test_random(&seed);
            do_damage(p, &d);
        }
        accepted += vyi_program_check(p, NULL) == VYRE_OK;
    }
    CHECK(accepted < 20000);
    memcpy(p->insts, good, size);
    CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
    free(good);
    vyre_program_destroy(p);
}

/* Folding may find an index that is out of range, so that finished programs
 * are not judged by that rule. */
static void finished_programs_may_index_beyond(void)
{
    vyre_program *p = vyre_program_create(NULL, NULL);
    vyre_buffer b = buffer_of(p, "b", 0, VYRE_TYPE_U32, VYRE_ACCESS_READ, 4);
    vyre_ir_load(p, b, vyre_ir_add(p, u32(p, 2), u32(p, 2)));
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    p->insts[3].arg[1] = 1;
    p->insts[0].arg[0] = 4;
    CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
    p->finished = false;
    CHECK_EQ(vyi_program_check(p, NULL), VYRE_E_IR_INDEX);
    vyre_program_destroy(p);
}

static vyre_status check_with(const vyre_allocator *allocator, void *user)
{
    unsigned *retried = (unsigned *)user;
    vyre_program_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, &err);
    if (!p)
        return err.status;
    vyre_value x = lane(p);
    barrier(p);
    vyre_ir_switch(p, x);
    vyre_ir_case(p, 3);
    vyre_ir_end(p);
    vyre_status status = vyre_program_finish(p, &err);
    if (status == VYRE_E_NOMEM && vyre_program_status(p) == VYRE_OK) {
        /* Only the check had no memory: the program is intact. */
        CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
        ++*retried;
    }
    vyre_program_destroy(p);
    return status;
}

static void check_without_memory(void)
{
    unsigned retried = 0;
    CHECK(oom_each(check_with, &retried) >= 4);
    CHECK_EQ(retried, 1);
}

int main(void)
{
    RUN(each_rule_of_a_call);
    RUN(each_rule_of_a_program);
    RUN(workgroup_sizes);
    RUN(links_are_as_documented);
    RUN(damaged_programs_are_found);
    RUN(random_damage_is_survived);
    RUN(finished_programs_may_index_beyond);
    RUN(check_without_memory);
    return test_end();
}

/* ==========================================================================
 * source: calls, and the functions that are built in
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

#define VYI_CALL_ARGS (VYRE_MAX_ARGS + 1) /* of one call: an opcode and a job's words */

typedef struct vyi_call_row vyi_call_row;
typedef vyi_operand (*vyi_call_fn)(vyi_source *s, const vyi_call_row *row, vyi_operand *a);

/* What happens to the arguments before `make` sees them. */
typedef enum vyi_call_takes {
    VYI_TAKES_ANY = 0,  /* loaded */
    VYI_TAKES_FLOAT,    /* all become float */
    VYI_TAKES_NUMBER,   /* one type: int, uint or float */
    VYI_TAKES_SIGNED,   /* one type: int or float */
    VYI_TAKES_INTEGER,  /* the first is int or uint; the others are too */
    VYI_TAKES_PLACE,    /* the first is an element of a buffer */
    VYI_TAKES_BUFFER,   /* the first is a buffer */
    VYI_TAKES_TEXT,     /* of printf */
    VYI_TAKES_JOB       /* an opcode, then a job's words */
} vyi_call_takes;

struct vyi_call_row {
    const char  *name;
    uint8_t      count; /* of arguments */
    uint8_t      takes;
    uint8_t      sub;   /* vyi_unary, vyi_binary, vyre_atomic_op .. */
    uint8_t      needs; /* VYI_SOURCE_* */
    vyi_call_fn  make;
    const char  *formula; /* of vyi_call_formula */
};

/* --- arithmetic ---------------------------------------------------------- */

static vyi_operand vyi_call_one(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return vyi_source_op1(s, row->sub, a[0]);
}

static vyi_operand vyi_call_two(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return vyi_source_op2(s, row->sub, a[0], a[1]);
}

/* A function that is written in the language itself.  Its type is that of the first
 * argument, and of two rows of a name the second is that of ints. */
static vyi_operand vyi_call_formula(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    if (a[0].type == VYRE_TYPE_I32 && row[1].formula && strcmp(row[0].name, row[1].name) == 0)
        row++;
    return vyi_source_formula(s, row->formula, a, row->count);
}

static vyi_operand vyi_call_fma(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyre_value x = vyi_source_id(s, &a[0]), y = vyi_source_id(s, &a[1]);
    vyre_value value = vyi_source_id(s, &a[2]);
    if (!s->mute)
        value = vyre_ir_fma(s->p, x, y, value);
    return vyi_source_made(VYRE_TYPE_F32, value, a[0].at);
}

/* One of two, or between them. */
static vyi_operand vyi_call_mix(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    if (a[2].type == VYRE_TYPE_BOOL)
        return vyi_source_common(s, &a[0], &a[1], "mix") ? vyi_source_select(s, a[2], a[1], a[0])
                                                         : vyi_source_wrong(a[0].at);
    for (unsigned i = 0; i < 3; i++)
        a[i] = vyi_source_convert(s, VYRE_TYPE_F32, a[i], "what mix() takes");
    return vyi_source_formula(s, row->formula, a, 3);
}

/* --- bits ---------------------------------------------------------------- */

static vyi_operand vyi_call_as(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyi_operand x = a[0];
    if (!(VYI_CLASS_N >> x.type & 1)) {
        vyi_source_fail(s, x.at, "Convert it first.", "%s() does not take %s", row->name,
                        vyi_source_type_text(x.type));
        return vyi_source_wrong(x.at);
    }
    if (x.constant || x.type == row->sub) {
        x.type = row->sub;
        return x;
    }
    const vyre_value own = vyi_source_id(s, &x);
    if (!s->mute)
        x.word = vyre_ir_bitcast(s->p, (vyre_type)row->sub, own).id;
    x.type = row->sub;
    return x;
}

/* floatBitsToUint and its kin: the argument has one type. */
static vyi_operand vyi_call_bits(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const uint32_t from = row->name[0] == 'f' ? VYRE_TYPE_F32
                          : row->name[0] == 'u' ? VYRE_TYPE_U32 : VYRE_TYPE_I32;
    a[0] = vyi_source_convert(s, from, a[0], "what it takes");
    return a[0].wrong ? a[0] : vyi_call_as(s, row, a);
}

static vyi_operand vyi_call_count(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand n = vyi_call_one(s, row, a);
    return vyi_source_cast(s, VYRE_TYPE_I32, n);
}

/* The lowest bit that is 1, -1 without one. */
static vyi_operand vyi_call_find_low(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand low = vyi_call_count(s, row, a);
    const vyi_operand none = vyi_source_op2(s, VYI_BINARY_EQ, a[0],
                                            vyi_source_constant(a[0].type, 0, 0));
    return vyi_source_select(s, none, vyi_source_constant(VYRE_TYPE_I32, UINT32_MAX, 0), low);
}

/* The highest bit that differs from the sign, -1 without one. */
static vyi_operand vyi_call_find_high(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    if (a[0].type == VYRE_TYPE_I32) {
        const vyi_operand signs = vyi_source_op2(s, VYI_BINARY_SHR, a[0],
                                                 vyi_source_constant(VYRE_TYPE_U32, 31, 0));
        a[0] = vyi_source_op2(s, VYI_BINARY_XOR, a[0], signs);
    }
    const vyi_operand zeros = vyi_call_count(s, row, a);
    return vyi_source_op2(s, VYI_BINARY_SUB, vyi_source_constant(VYRE_TYPE_I32, 31, 0), zeros);
}

/* Two floats as halves of a uint, and the lower one back. */
static vyi_operand vyi_call_pack_half(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value low = vyi_source_id(s, &a[0]);
    vyre_value value = vyi_source_id(s, &a[1]);
    (void)row;
    if (!s->mute)
        value = vyre_ir_pack_half(s->p, low, value);
    return vyi_source_made(VYRE_TYPE_U32, value, a[0].at);
}

static vyi_operand vyi_call_unpack_half(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    return vyi_source_op1(s, VYI_UNARY_UNPACK_HALF,
                          vyi_source_convert(s, VYRE_TYPE_U32, a[0], "what unpack_half() takes"));
}

/* Four bytes by four bytes: signed ones of ints, unsigned ones of uints. */
static vyi_operand vyi_call_dot(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    if (a[0].type != a[1].type) {
        vyi_source_fail(s, a[1].at, "Write int(..) or uint(..) around one of them.",
                        "%s() takes two ints, or two uints", row->name);
        return vyi_source_wrong(a[1].at);
    }
    const vyre_value left = vyi_source_id(s, &a[0]);
    vyre_value value = vyi_source_id(s, &a[1]);
    if (!s->mute)
        value = a[0].type == VYRE_TYPE_I32 ? vyre_ir_sdot4(s->p, left, value)
                                           : vyre_ir_udot4(s->p, left, value);
    return vyi_source_made(a[0].type, value, a[0].at);
}

/* --- memory -------------------------------------------------------------- */

/* load_u8(buffer, byte) and its kin. */
static vyi_operand vyi_call_load_bytes(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    typedef vyre_value (*load_fn)(vyre_program *p, vyre_buffer buffer, vyre_value byte);
    static const load_fn loads[] = { vyre_ir_load_u8, vyre_ir_load_i8, vyre_ir_load_u16,
                                     vyre_ir_load_i16, vyre_ir_load_u64, vyre_ir_load_i64 };
    static const uint8_t types[] = { VYRE_TYPE_U32, VYRE_TYPE_I32, VYRE_TYPE_U32, VYRE_TYPE_I32,
                                     VYRE_TYPE_U64, VYRE_TYPE_I64 };
    const vyre_buffer buffer = { a[0].target };
    s->heavy++;
    const vyi_operand byte = vyi_source_convert(s, VYRE_TYPE_U32, a[1], "a place");
    vyre_value value = vyi_source_id(s, &byte);
    if (!s->mute)
        value = loads[row->sub](s->p, buffer, value);
    return vyi_source_made(types[row->sub], value, a[0].at);
}

static vyi_operand vyi_call_store_bytes(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    typedef void (*store_fn)(vyre_program *p, vyre_buffer buffer, vyre_value at, vyre_value value);
    static const store_fn stores[] = { vyre_ir_store_u8, vyre_ir_store_u16, vyre_ir_store_u64 };
    static const uint8_t types[] = { VYRE_TYPE_U32, VYRE_TYPE_U32, VYRE_TYPE_U64 };
    const vyre_buffer buffer = { a[0].target };
    s->heavy++;
    const vyi_operand byte = vyi_source_convert(s, VYRE_TYPE_U32, a[1], "a place");
    const vyi_operand data = vyi_source_convert(s, types[row->sub], a[2], "what is stored");
    const vyre_value at = vyi_source_id(s, &byte);
    const vyre_value value = vyi_source_id(s, &data);
    if (!s->mute)
        stores[row->sub](s->p, buffer, at, value);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

static vyi_operand vyi_call_atomic(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    s->heavy++;
    for (uint32_t i = 1; i < row->count; i++)
        a[i] = vyi_source_convert(s, a[0].type, a[i], "the data of this atomic");
    if (s->mute)
        return vyi_source_made(a[0].type, value, a[0].at);
    const vyre_buffer buffer = { a[0].target };
    const vyre_value index = { a[0].word };
    const vyre_value first = vyi_source_id(s, &a[1]);
    if (row->count == 3) {
        const vyre_value desired = vyi_source_id(s, &a[2]);
        value = vyre_ir_atomic_cas(s->p, buffer, index, first, desired, VYRE_ORDER_RELAXED);
    } else {
        value = vyre_ir_atomic(s->p, (vyre_atomic_op)row->sub, buffer, index, first,
                               VYRE_ORDER_RELAXED);
    }
    return vyi_source_made(a[0].type, value, a[0].at);
}

/* Words that others change meanwhile are read and written so. */
static vyi_operand vyi_call_atomic_load(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    const vyre_buffer buffer = { a[0].target };
    const vyre_value index = { a[0].word };
    (void)row;
    s->heavy++;
    if (!s->mute)
        value = vyre_ir_atomic_load(s->p, buffer, index, VYRE_ORDER_RELAXED);
    return vyi_source_made(a[0].type, value, a[0].at);
}

static vyi_operand vyi_call_atomic_store(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_buffer buffer = { a[0].target };
    const vyre_value index = { a[0].word };
    (void)row;
    s->heavy++;
    const vyi_operand data = vyi_source_convert(s, a[0].type, a[1], "the data of this atomic");
    const vyre_value value = vyi_source_id(s, &data);
    if (!s->mute)
        vyre_ir_atomic_store(s->p, buffer, index, value, VYRE_ORDER_RELAXED);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

static vyi_operand vyi_call_fence(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)a;
    s->heavy++;
    if (!s->mute)
        vyre_ir_barrier(s->p, (vyre_scope)row->sub, VYRE_ORDER_ACQ_REL);
    return vyi_source_unknown(VYRE_TYPE_NONE, 0);
}

/* --- subgroups ----------------------------------------------------------- */

static vyi_operand vyi_call_elect(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    (void)row, (void)a;
    s->heavy++;
    if (!s->mute)
        value = vyre_ir_elect(s->p);
    return vyi_source_made(VYRE_TYPE_BOOL, value, 0);
}

/* subgroupAny, subgroupAll */
static vyi_operand vyi_call_vote(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    s->heavy++;
    const vyi_operand vote = vyi_source_convert(s, VYRE_TYPE_BOOL, a[0], "a vote");
    vyre_value value = vyi_source_id(s, &vote);
    if (!s->mute)
        value = row->sub ? vyre_ir_all(s->p, value) : vyre_ir_any(s->p, value);
    return vyi_source_made(VYRE_TYPE_BOOL, value, 0);
}

static vyi_operand vyi_call_shuffle(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    s->heavy++;
    const vyre_value own = vyi_source_id(s, &a[0]);
    const vyi_operand lane = row->count == 2
                                 ? vyi_source_convert(s, VYRE_TYPE_U32, a[1], "a lane's number")
                                 : a[0];
    vyre_value value = row->count == 2 ? vyi_source_id(s, &lane) : own;
    if (!s->mute)
        value = row->count == 2 ? vyre_ir_shuffle(s->p, own, value)
                                : vyre_ir_broadcast_first(s->p, own);
    return vyi_source_made(a[0].type, value, 0);
}

/* subgroupAdd and its kin: add, min and max of numbers, and, or, xor of the others. */
static vyi_operand vyi_call_combine(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const uint32_t takes = row->sub < VYRE_REDUCE_AND ? VYI_CLASS_N : VYI_CLASS_IB;
    s->heavy++;
    if (!(takes >> a[0].type & 1)) {
        vyi_source_fail(s, a[0].at, "Convert it first.", "%s() does not take %s", row->name,
                        vyi_source_type_text(a[0].type));
        return vyi_source_wrong(a[0].at);
    }
    vyre_value value = vyi_source_id(s, &a[0]);
    if (!s->mute)
        value = vyre_ir_reduce(s->p, (vyre_reduce_op)row->sub, value);
    return vyi_source_made(a[0].type, value, 0);
}

/* --- the job ------------------------------------------------------------- */

/* Any type as the 32 bits of a word. */
static vyi_operand vyi_call_word(vyi_source *s, vyi_operand a)
{
    static const vyi_call_row as = { "result", 1, VYI_TAKES_ANY, VYRE_TYPE_U32, 0, NULL, NULL };
    if (a.wrong || a.type == VYRE_TYPE_BOOL)
        return vyi_source_cast(s, VYRE_TYPE_U32, a);
    return vyi_call_as(s, &as, &a);
}

static bool vyi_call_is_word(vyi_source *s, const vyi_call_row *row, const vyi_operand *n)
{
    if (n->constant && (VYI_CLASS_I >> n->type & 1) && n->word < VYRE_MAX_ARGS)
        return true;
    vyi_source_fail(s, n->at, "Write a number from 0 to 11.",
                    "the first argument of %s() is a constant word number, 0 to 11", row->name);
    return false;
}

static vyi_operand vyi_call_result(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    s->heavy++;
    if (!vyi_call_is_word(s, row, &a[0]))
        return vyi_source_wrong(a[0].at);
    const vyi_operand word = vyi_call_word(s, a[1]);
    const vyre_value value = vyi_source_id(s, &word);
    if (!s->mute)
        vyre_emit_result(s->p, s->slot, a[0].word, value);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

/* observable(n, v): a host may look at any time, so the store is an atomic one. */
static vyi_operand vyi_call_observable(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    a[0] = vyi_source_convert(s, VYRE_TYPE_U32, a[0], "the number of an observable");
    a[1] = vyi_call_word(s, a[1]);
    if (a[0].wrong || a[1].wrong)
        return vyi_source_wrong(a[0].at);
    a[0] = vyi_source_observable(s, a[0]);
    return vyi_call_atomic_store(s, row, a);
}

/* reduce_add(n, v) and its kin. */
static vyi_operand vyi_call_reduce(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const bool bits = row->sub == VYRE_ATOMIC_AND || row->sub == VYRE_ATOMIC_OR ||
                      row->sub == VYRE_ATOMIC_XOR;
    s->heavy++;
    if (!vyi_call_is_word(s, row, &a[0]))
        return vyi_source_wrong(a[0].at);
    if (a[1].type == VYRE_TYPE_F32) {
        vyi_source_fail(s, a[1].at, "Sum floats in a shared array of a GROUP, or in fixed point.",
                        "%s() combines integers, not float", row->name);
        return vyi_source_wrong(a[1].at);
    }
    if (bits || a[1].type != VYRE_TYPE_I32)
        a[1] = vyi_source_convert(s, VYRE_TYPE_U32, a[1], "what is combined");
    const vyre_value value = vyi_source_id(s, &a[1]);
    if (!s->mute)
        vyre_emit_reduce(s->p, s->slot, a[0].word, (vyre_atomic_op)row->sub, value);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

static vyi_operand vyi_call_fault(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    s->heavy++;
    const vyi_operand code = vyi_source_convert(s, VYRE_TYPE_U32, a[0], "the code of fault()");
    const vyre_value value = vyi_source_id(s, &code);
    if (!s->mute)
        vyre_emit_fault(s->p, s->slot, value);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

/* yield(pc, data) and its kin. */
static vyi_operand vyi_call_leave(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const char *fix, *barred = vyi_task_barred(s->slot, &fix);
    s->heavy++;
    if (barred) {
        vyi_source_fail(s, a[0].at, fix, "%s() %s", row->name, barred);
        return vyi_source_wrong(a[0].at);
    }
    const vyi_operand pc = vyi_source_convert(s, VYRE_TYPE_U32, a[0], "where a job goes on");
    const vyi_operand word = vyi_call_word(s, a[1]);
    const vyre_value to = vyi_source_id(s, &pc), data = vyi_source_id(s, &word);
    if (!s->mute && row->sub == VYRE_SLOT_YIELD)
        vyre_emit_yield(s->p, s->slot, to, data);
    else if (!s->mute && row->sub == VYRE_SLOT_REQUEUE)
        vyre_emit_requeue(s->p, s->slot, to, data);
    else if (!s->mute)
        vyre_emit_pause(s->p, s->slot, to, data);
    return vyi_source_unknown(VYRE_TYPE_NONE, a[0].at);
}

/* What was moved, or -1 - code: both have 64 bits. */
static vyre_value vyi_call_request(vyi_source *s, uint32_t op, const vyre_value *word)
{
    vyre_program *p = s->p;
    vyre_io_values io;
    vyre_value low;
    memset(&io, 0, sizeof io);
    io.op = vyre_ir_u32(p, op);
    if (op != VYRE_IO_FENCE) {
        io.src = word[0];
        io.dst = word[1];
        io.offset_lo = vyre_ir_low(p, word[2]);
        io.offset_hi = vyre_ir_high(p, word[2]);
        io.bytes = word[3];
        io.tag = word[4];
    }
    const vyre_value ok = vyre_emit_io(p, s->slot, &io, &low);
    const vyre_value none = vyre_ir_u32(p, 0), ones = vyre_ir_u32(p, UINT32_MAX);
    const vyre_value high = vyre_ir_select(p, ok, none, ones), code = vyre_ir_not(p, low);
    low = vyre_ir_select(p, ok, low, code);
    return vyre_ir_pair(p, VYRE_TYPE_I64, low, high);
}

/* io_read(source, target, offset, bytes, slot) and its kin. */
static vyi_operand vyi_call_io(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value word[5], moved = { 0 };
    s->heavy++;
    for (uint32_t i = 0; i < row->count; i++) {
        a[i] = vyi_source_convert(s, i == 2 ? VYRE_TYPE_U64 : VYRE_TYPE_U32, a[i],
                                  "what a request takes");
        if (a[i].wrong)
            return a[i];
        word[i] = vyi_source_id(s, &a[i]);
    }
    if (!s->mute)
        moved = vyi_call_request(s, row->sub, word);
    return vyi_source_made(VYRE_TYPE_I64, moved, 0);
}

/* --- the table ----------------------------------------------------------- */

#define VYI_ROW(name, count, takes, sub, make)                                                     \
    { name, count, VYI_TAKES_##takes, sub, 0, vyi_call_##make, NULL }
#define VYI_ROW_ONE(name, takes, NAME) VYI_ROW(name, 1, takes, VYI_UNARY_##NAME, one)
#define VYI_ROW_IN(name, count, takes, text)                                                       \
    { name, count, VYI_TAKES_##takes, 0, 0, vyi_call_formula, text }
#define VYI_ROW_NEED(name, count, sub, needs, make)                                                \
    { name, count, VYI_TAKES_ANY, sub, VYI_SOURCE_##needs, vyi_call_##make, NULL }
#define VYI_ONES "(n >= 32u ? ~0u : (1u << n) - 1u)" /* n ones at the bottom */

static const vyi_call_row *vyi_call_rows(uint32_t i)
{
    static const vyi_call_row rows[] = {
        VYI_ROW_ONE("abs", SIGNED, ABS),
        VYI_ROW_ONE("sign", SIGNED, SIGN),
        VYI_ROW_ONE("sqrt", FLOAT, SQRT),
        VYI_ROW_ONE("inversesqrt", FLOAT, RSQRT),
        VYI_ROW_ONE("floor", FLOAT, FLOOR),
        VYI_ROW_ONE("ceil", FLOAT, CEIL),
        VYI_ROW_ONE("round", FLOAT, ROUND),
        VYI_ROW_ONE("roundEven", FLOAT, ROUND),
        VYI_ROW_ONE("trunc", FLOAT, TRUNC),
        VYI_ROW_ONE("sin", FLOAT, SIN),
        VYI_ROW_ONE("cos", FLOAT, COS),
        VYI_ROW_ONE("tan", FLOAT, TAN),
        VYI_ROW_ONE("exp", FLOAT, EXP),
        VYI_ROW_ONE("exp2", FLOAT, EXP2),
        VYI_ROW_ONE("log", FLOAT, LOG),
        VYI_ROW_ONE("log2", FLOAT, LOG2),
        VYI_ROW_ONE("isnan", FLOAT, IS_NAN),
        VYI_ROW_ONE("isinf", FLOAT, IS_INF),
        VYI_ROW("min", 2, NUMBER, VYI_BINARY_MIN, two),
        VYI_ROW("max", 2, NUMBER, VYI_BINARY_MAX, two),
        VYI_ROW_IN("clamp", 3, NUMBER, "min(max(a, b), c)"),
        VYI_ROW("fma", 3, FLOAT, 0, fma),
        { "mix", 3, VYI_TAKES_ANY, 0, 0, vyi_call_mix, "a * (1.0 - c) + b * c" },
        VYI_ROW_IN("step", 2, FLOAT, "b < a ? 0.0 : 1.0"),
        VYI_ROW_IN("smoothstep", 3, FLOAT,
                   "const float t = clamp((c - a) / (b - a), 0.0, 1.0); t * t * (3.0 - 2.0 * t)"),
        VYI_ROW_IN("fract", 1, FLOAT, "a - floor(a)"),
        VYI_ROW_IN("mod", 2, FLOAT, "a - b * floor(a / b)"),
        VYI_ROW("pow", 2, FLOAT, VYI_BINARY_POW, two),
        VYI_ROW_IN("radians", 1, FLOAT, "a * 0.0174532925199"),
        VYI_ROW_IN("degrees", 1, FLOAT, "a * 57.295779513"),
        VYI_ROW_ONE("asin", FLOAT, ASIN),
        VYI_ROW_ONE("acos", FLOAT, ACOS),
        VYI_ROW_ONE("atan", FLOAT, ATAN),
        VYI_ROW("atan", 2, FLOAT, VYI_BINARY_ATAN2, two),
        VYI_ROW_ONE("sinh", FLOAT, SINH),
        VYI_ROW_ONE("cosh", FLOAT, COSH),
        VYI_ROW_ONE("tanh", FLOAT, TANH),
        VYI_ROW("pack_half", 2, FLOAT, 0, pack_half),
        VYI_ROW("unpack_half", 1, ANY, 0, unpack_half),
        VYI_ROW("dotPacked4x8EXT", 2, INTEGER, 0, dot),
        VYI_ROW("bitCount", 1, INTEGER, VYI_UNARY_POPCOUNT, count),
        VYI_ROW_ONE("bitfieldReverse", INTEGER, REVERSE),
        VYI_ROW("findLSB", 1, INTEGER, VYI_UNARY_CTZ, find_low),
        VYI_ROW("findMSB", 1, INTEGER, VYI_UNARY_CLZ, find_high),
        VYI_ROW_IN("bitfieldExtract", 3, INTEGER,
                   "const uint n = uint(c); a >> b & " VYI_ONES),
        VYI_ROW_IN("bitfieldExtract", 3, INTEGER, "const uint n = uint(c), r = 32u - n;"
                   "n == 0u ? 0 : int((uint(a >> b) & " VYI_ONES ") << r) >> r"),
        VYI_ROW_IN("bitfieldInsert", 4, INTEGER,
                   "const uint n = uint(d), m = " VYI_ONES " << c; a & ~m | b << c & m"),
        VYI_ROW_IN("bitfieldInsert", 4, INTEGER, "const uint n = uint(d);"
                   "const int m = int(" VYI_ONES " << c); a & ~m | b << c & m"),
        VYI_ROW("floatBitsToUint", 1, ANY, VYRE_TYPE_U32, bits),
        VYI_ROW("floatBitsToInt", 1, ANY, VYRE_TYPE_I32, bits),
        VYI_ROW("uintBitsToFloat", 1, ANY, VYRE_TYPE_F32, bits),
        VYI_ROW("intBitsToFloat", 1, ANY, VYRE_TYPE_F32, bits),
        VYI_ROW("asuint", 1, ANY, VYRE_TYPE_U32, as),
        VYI_ROW("asint", 1, ANY, VYRE_TYPE_I32, as),
        VYI_ROW("asfloat", 1, ANY, VYRE_TYPE_F32, as),
        VYI_ROW("atomicAdd", 2, PLACE, VYRE_ATOMIC_ADD, atomic),
        VYI_ROW("atomicAnd", 2, PLACE, VYRE_ATOMIC_AND, atomic),
        VYI_ROW("atomicOr", 2, PLACE, VYRE_ATOMIC_OR, atomic),
        VYI_ROW("atomicXor", 2, PLACE, VYRE_ATOMIC_XOR, atomic),
        VYI_ROW("atomicMin", 2, PLACE, VYRE_ATOMIC_MIN, atomic),
        VYI_ROW("atomicMax", 2, PLACE, VYRE_ATOMIC_MAX, atomic),
        VYI_ROW("atomicExchange", 2, PLACE, VYRE_ATOMIC_EXCHANGE, atomic),
        VYI_ROW("atomicCompSwap", 3, PLACE, 0, atomic),
        VYI_ROW("atomicLoad", 1, PLACE, 0, atomic_load),
        VYI_ROW("atomicStore", 2, PLACE, 0, atomic_store),
        VYI_ROW("load_u8", 2, BUFFER, 0, load_bytes),
        VYI_ROW("load_i8", 2, BUFFER, 1, load_bytes),
        VYI_ROW("load_u16", 2, BUFFER, 2, load_bytes),
        VYI_ROW("load_i16", 2, BUFFER, 3, load_bytes),
        VYI_ROW("load_u64", 2, BUFFER, 4, load_bytes),
        VYI_ROW("load_i64", 2, BUFFER, 5, load_bytes),
        VYI_ROW("store_u8", 3, BUFFER, 0, store_bytes),
        VYI_ROW("store_u16", 3, BUFFER, 1, store_bytes),
        VYI_ROW("store_u64", 3, BUFFER, 2, store_bytes),
        VYI_ROW("memoryBarrier", 0, ANY, VYRE_SCOPE_DEVICE, fence),
        VYI_ROW("memoryBarrierBuffer", 0, ANY, VYRE_SCOPE_DEVICE, fence),
        VYI_ROW_NEED("memoryBarrierShared", 0, VYRE_SCOPE_DEVICE, GROUP, fence),
        VYI_ROW_NEED("groupMemoryBarrier", 0, VYRE_SCOPE_DEVICE, GROUP, fence),
        VYI_ROW_NEED("barrier", 0, VYRE_SCOPE_WORKGROUP, GROUP, fence),
        VYI_ROW_NEED("subgroupBarrier", 0, VYRE_SCOPE_SUBGROUP, GROUP, fence),
        VYI_ROW_NEED("subgroupElect", 0, 0, GROUP, elect),
        VYI_ROW_NEED("subgroupAny", 1, 0, GROUP, vote),
        VYI_ROW_NEED("subgroupAll", 1, 1, GROUP, vote),
        VYI_ROW_NEED("subgroupBroadcastFirst", 1, 0, GROUP, shuffle),
        VYI_ROW_NEED("subgroupShuffle", 2, 0, GROUP, shuffle),
        VYI_ROW_NEED("subgroupAdd", 1, VYRE_REDUCE_ADD, GROUP, combine),
        VYI_ROW_NEED("subgroupMin", 1, VYRE_REDUCE_MIN, GROUP, combine),
        VYI_ROW_NEED("subgroupMax", 1, VYRE_REDUCE_MAX, GROUP, combine),
        VYI_ROW_NEED("subgroupAnd", 1, VYRE_REDUCE_AND, GROUP, combine),
        VYI_ROW_NEED("subgroupOr", 1, VYRE_REDUCE_OR, GROUP, combine),
        VYI_ROW_NEED("subgroupXor", 1, VYRE_REDUCE_XOR, GROUP, combine),
        VYI_ROW_NEED("result", 2, 0, JOB, result),
        VYI_ROW_NEED("observable", 2, 0, JOB, observable),
        VYI_ROW_NEED("fault", 1, 0, JOB, fault),
        VYI_ROW_NEED("yield", 2, VYRE_SLOT_YIELD, JOB, leave),
        VYI_ROW_NEED("requeue", 2, VYRE_SLOT_REQUEUE, JOB, leave),
        VYI_ROW_NEED("pause", 2, VYRE_SLOT_WAIT_IO, JOB, leave),
        VYI_ROW_NEED("io_read", 5, VYRE_IO_READ, JOB, io),
        VYI_ROW_NEED("io_write", 5, VYRE_IO_WRITE, JOB, io),
        VYI_ROW_NEED("io_fence", 0, VYRE_IO_FENCE, JOB, io),
        { "printf", 1, VYI_TAKES_TEXT, 0, 0, NULL, NULL },
        { "spawn", 1, VYI_TAKES_JOB, 0, VYI_SOURCE_JOB, NULL, NULL },
        { "then", 1, VYI_TAKES_JOB, 1, VYI_SOURCE_JOB, NULL, NULL },
        VYI_ROW_NEED("reduce_add", 2, VYRE_ATOMIC_ADD, WIDE, reduce),
        VYI_ROW_NEED("reduce_min", 2, VYRE_ATOMIC_MIN, WIDE, reduce),
        VYI_ROW_NEED("reduce_max", 2, VYRE_ATOMIC_MAX, WIDE, reduce),
        VYI_ROW_NEED("reduce_and", 2, VYRE_ATOMIC_AND, WIDE, reduce),
        VYI_ROW_NEED("reduce_or", 2, VYRE_ATOMIC_OR, WIDE, reduce),
        VYI_ROW_NEED("reduce_xor", 2, VYRE_ATOMIC_XOR, WIDE, reduce)
    };
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

VYI_API const char *vyi_source_function_at(uint32_t i)
{
    const vyi_call_row *row = vyi_call_rows(i);
    return row ? row->name : NULL;
}

/* The row of this name, and of this count of arguments if there are several. */
static const vyi_call_row *vyi_call_find(const vyi_source *s, const vyi_token *name,
                                         uint32_t count)
{
    const vyi_call_row *row, *found = NULL;
    for (uint32_t i = 0; (row = vyi_call_rows(i)) != NULL; i++)
        if (row->name[0] == s->text[name->at] && vyi_source_is(s, name, row->name)) {
            found = row;
            if (row->count == count)
                break;
        }
    return found;
}

/* --- arguments ----------------------------------------------------------- */

/* Up to the closing parenthesis; bit i of `places`: argument i is not loaded. */
static bool vyi_call_arguments(vyi_source *s, vyi_operand *args, uint32_t *count, uint32_t places,
                               uint32_t most)
{
    *count = 0;
    if (vyi_source_accept(s, ')'))
        return true;
    bool good = true;
    do {
        const uint32_t at = s->r.token.at;
        vyi_operand a = vyi_source_assignment(s);
        if (!(places >> *count & 1))
            a = vyi_source_load(s, a);
        good = good && !a.wrong;
        if (*count == most) {
            vyi_source_fail(s, at, "Pass fewer.", "a call has at most %u arguments",
                            (unsigned)most);
            return false;
        }
        args[(*count)++] = a;
    } while (vyi_source_accept(s, ','));
    return vyi_source_expect(s, ')', "after the arguments of a call") && good;
}

static bool vyi_call_refuse(vyi_source *s, const vyi_call_row *row, const vyi_operand *a,
                            const char *what)
{
    vyi_source_fail(s, a->at, "Convert it first.", "%s() takes %s, not %s", row->name, what,
                    vyi_source_type_text(a->type));
    return false;
}

/* abs(int) and abs(float) are there: a uint becomes float, as in GLSL. */
static bool vyi_call_numbers(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    const bool floats = row->takes == VYI_TAKES_FLOAT;
    const uint32_t set = floats ? VYI_CLASS_N : VYI_CLASS_N | VYI_CLASS_PAIR;
    uint32_t type = floats ? (uint32_t)VYRE_TYPE_F32 : args[0].type;
    for (uint32_t i = 0; i < row->count; i++) {
        if (!(set >> args[i].type & 1))
            return vyi_call_refuse(s, row, &args[i], "numbers");
        type = vyi_source_converts(type, args[i].type) ? args[i].type : type;
    }
    if (row->takes == VYI_TAKES_SIGNED && type == VYRE_TYPE_U32)
        type = VYRE_TYPE_F32;
    for (uint32_t i = 0; i < row->count; i++)
        if (!floats && !vyi_source_converts(args[i].type, type))
            return vyi_call_refuse(s, row, &args[i], vyi_source_type_text(type));
    for (uint32_t i = 0; i < row->count; i++)
        args[i] = vyi_source_cast(s, type, args[i]);
    return true;
}

/* The first two of an insertion have one type; offsets and counts are ints. */
static bool vyi_call_integers(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    for (uint32_t i = 0; i < row->count; i++)
        if (!(VYI_CLASS_I >> args[i].type & 1))
            return vyi_call_refuse(s, row, &args[i], "uint or int");
    return row->count < 4 || vyi_source_common(s, &args[0], &args[1], row->name);
}

/* An element, or the whole buffer, of integers that may be read; and written, unless a
 * call only loads. */
static bool vyi_call_place(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    const bool whole = row->takes == VYI_TAKES_BUFFER;
    if (args[0].place != (whole ? VYI_PLACE_BUFFER : VYI_PLACE_ELEMENT) ||
        !(VYI_CLASS_I >> args[0].type & 1)) {
        vyi_source_fail(s, args[0].at, whole ? "Write its name alone." : "Write buffer[index].",
                        "%s() works on %s of uint or int", row->name,
                        whole ? "a buffer" : "an element of a buffer");
        return false;
    }
    if (vyi_buffer_of(s->p, args[0].target)->access == VYRE_ACCESS_WRITE) {
        vyi_source_fail(s, args[0].at, "Change its vyre_buffer_desc.access.",
                        "%s() reads, and \"%.40s\" is for writing only", row->name,
                        vyi_buffer_of(s->p, args[0].target)->name);
        return false;
    }
    args[0].place = VYI_PLACE_ELEMENT;
    return (whole && row->count == 2) || vyi_source_assignable(s, &args[0]);
}

static bool vyi_call_prepare(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    switch (row->takes) {
    case VYI_TAKES_FLOAT: case VYI_TAKES_NUMBER: case VYI_TAKES_SIGNED:
        return vyi_call_numbers(s, row, args);
    case VYI_TAKES_INTEGER: return vyi_call_integers(s, row, args);
    case VYI_TAKES_PLACE: case VYI_TAKES_BUFFER: return vyi_call_place(s, row, args);
    default: return true;
    }
}

/* --- calls --------------------------------------------------------------- */

static bool vyi_call_counts(vyi_source *s, const vyi_token *name, uint32_t wanted, uint32_t count)
{
    char fix[48];
    if (wanted == count)
        return true;
    snprintf(fix, sizeof fix, "Give it %u.", (unsigned)wanted);
    vyi_source_fail(s, name->at, fix, "%s() takes %u argument%s, not %u",
                    vyi_source_quote(s, name).text, (unsigned)wanted, wanted == 1 ? "" : "s",
                    (unsigned)count);
    return false;
}

static vyi_operand vyi_call_own(vyi_source *s, const vyi_token *name, uint32_t index)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count = 0, places = 0;
    const vyi_source_routine *f = &s->functions[index];
    for (uint32_t i = 0; i < f->param_count; i++)
        places |= s->params[f->first_param + i].out ? 1u << i : 0;
    if (!vyi_call_arguments(s, args, &count, places, VYI_SOURCE_ARGS) ||
        !vyi_call_counts(s, name, f->param_count, count))
        return vyi_source_wrong(name->at);
    if (f->open) {
        vyi_source_fail(s, name->at, "Write a loop.", "%s() calls itself, and there is no stack",
                        vyi_source_quote(s, name).text);
        return vyi_source_wrong(name->at);
    }
    return vyi_source_inline(s, index, args, name->at);
}

static vyi_operand vyi_call_unknown(vyi_source *s, const vyi_token *name)
{
    char fix[96];
    const char *refused = vyi_source_refused(s, name);
    if (refused)
        snprintf(fix, sizeof fix, "Write it with what there is.");
    else
        vyi_source_suggest(s, name, true, "Define it before the first statement.", fix,
                           sizeof fix);
    vyi_source_fail(s, name->at, fix, refused ? "\"%s\": %s" : "no function is called \"%s\"%s",
                    vyi_source_quote(s, name).text, refused ? refused : "");
    return vyi_source_wrong(name->at);
}

static vyi_operand vyi_call_built_in(vyi_source *s, const vyi_token *name,
                                     const vyi_call_row *row)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count = 0;
    const uint32_t places = row->takes == VYI_TAKES_PLACE || row->takes == VYI_TAKES_BUFFER;
    if (!vyi_call_arguments(s, args, &count, places, VYI_SOURCE_ARGS))
        return vyi_source_wrong(name->at);
    row = vyi_call_find(s, name, count);
    if (!vyi_call_counts(s, name, row->count, count))
        return vyi_source_wrong(name->at);
    if (!vyi_source_allowed(s, row->needs, row->name, name->at) ||
        !vyi_call_prepare(s, row, args))
        return vyi_source_wrong(name->at);
    vyi_operand made = row->make(s, row, args);
    made.at = name->at;
    return made;
}

/* spawn(opcode, ..) and then(opcode, ..): what the kernel refuses is said here, where the
 * place in the text is known. */
static bool vyi_call_job_allowed(vyi_source *s, const vyi_call_row *row, const vyi_operand *args,
                                 uint32_t count, uint32_t at)
{
    vyre_status status;
    const char *fix;
    if (count == 0 || !args[0].constant || !(VYI_CLASS_I >> args[0].type & 1)) {
        vyi_source_fail(s, count ? args[0].at : at, "Write the number of a handler's opcode.",
                        "the first argument of %s() is a constant opcode", row->name);
        return false;
    }
    const char *why = vyi_children_refuse(s->slot, args[0].word, count - 1, &status, &fix);
    if (why)
        vyi_source_fail(s, at, fix, "%s(0x%X, ..): %s", row->name, (unsigned)args[0].word, why);
    return !why;
}

static vyi_operand vyi_call_job(vyi_source *s, const vyi_token *name, const vyi_call_row *row)
{
    vyi_operand args[VYI_CALL_ARGS];
    vyre_value words[VYI_CALL_ARGS], result = { 0 };
    uint32_t count = 0;
    const uint32_t type = row->sub ? VYRE_TYPE_NONE : VYRE_TYPE_BOOL;
    if (!vyi_call_arguments(s, args, &count, 0, VYI_CALL_ARGS) ||
        !vyi_source_allowed(s, row->needs, row->name, name->at) ||
        !vyi_call_job_allowed(s, row, args, count, name->at))
        return vyi_source_wrong(name->at);
    s->heavy++;
    for (uint32_t i = 1; i < count; i++) {
        args[i] = vyi_call_word(s, args[i]);
        words[i - 1] = vyi_source_id(s, &args[i]);
        if (args[i].wrong)
            return vyi_source_wrong(name->at);
    }
    if (!s->mute && row->sub)
        vyre_emit_then(s->p, s->slot, args[0].word, words, count - 1);
    else if (!s->mute)
        result = vyre_emit_spawn(s->p, s->slot, args[0].word, words, count - 1);
    return vyi_source_made(type, result, name->at);
}

VYI_API vyi_operand vyi_source_call(vyi_source *s, const vyi_token *name)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count;
    const vyi_source_symbol *symbol = vyi_source_find(s, s->text + name->at, name->length);
    if (symbol && symbol->kind == VYI_SYMBOL_FUNCTION)
        return vyi_call_own(s, name, symbol->target);
    const vyi_call_row *row = symbol ? NULL : vyi_call_find(s, name, UINT32_MAX);
    if (row && row->takes == VYI_TAKES_JOB)
        return vyi_call_job(s, name, row);
    if (row)
        return row->takes == VYI_TAKES_TEXT ? vyi_source_printf(s, name)
                                            : vyi_call_built_in(s, name, row);
    if (!symbol)
        vyi_call_unknown(s, name);
    else if (symbol->kind != VYI_SYMBOL_WRONG)
        vyi_source_fail(s, name->at, "Write an operator between them.",
                        "\"%s\" is a variable and cannot be called",
                        vyi_source_quote(s, name).text);
    vyi_call_arguments(s, args, &count, 0, VYI_SOURCE_ARGS);
    return vyi_source_wrong(name->at);
}

#endif /* VYRE_NO_SOURCE */

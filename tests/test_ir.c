/* The builder: the type of every operator, mistakes that stay and know their
 * call, programs that are NULL, failed or finished, the hash, and memory that
 * fails.  The rules that it applies are tested in test_check.c.
 */
#include "oom.h"

/* --- helpers ------------------------------------------------------------- */

static vyre_program *make(void)
{
    vyre_error err;
    vyre_program *p = vyre_program_create(NULL, &err);
    CHECK(p);
    return p;
}

static vyre_buffer add_buffer(vyre_program *p, uint32_t binding, vyre_type type)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.binding = binding;
    desc.type = type;
    return vyre_ir_buffer(p, &desc);
}

static const vyre_type all_types[] = { VYRE_TYPE_U32, VYRE_TYPE_I32, VYRE_TYPE_F32,
                                       VYRE_TYPE_BOOL };

static vyre_value constant(vyre_program *p, vyre_type type)
{
    switch (type) {
    case VYRE_TYPE_I32:  return vyre_ir_i32(p, 1);
    case VYRE_TYPE_F32:  return vyre_ir_f32(p, 1);
    case VYRE_TYPE_BOOL: return vyre_ir_bool(p, true);
    default:             return vyre_ir_u32(p, 1);
    }
}

/* A local takes a value of its own type only. */
static void check_type(vyre_program *p, vyre_value v, vyre_type type)
{
    CHECK(v.id);
    CHECK(vyre_ir_local(p, type, v, NULL).id);
    CHECK_EQ(vyre_program_status(p), VYRE_OK);
}

/* --- operators ------------------------------------------------------------ */

/* The classes of the operator lists, written out once more. */
static bool in_class(const char *operands, vyre_type type)
{
    const bool integer = type == VYRE_TYPE_U32 || type == VYRE_TYPE_I32;
    if (strcmp(operands, "U") == 0)
        return type == VYRE_TYPE_U32;
    if (strcmp(operands, "F") == 0)
        return type == VYRE_TYPE_F32;
    if (strcmp(operands, "I") == 0)
        return integer;
    if (strcmp(operands, "N") == 0)
        return integer || type == VYRE_TYPE_F32;
    if (strcmp(operands, "IB") == 0)
        return integer || type == VYRE_TYPE_BOOL;
    CHECK_TEXT(operands, "A");
    return true;
}

static vyre_type given(const char *result, vyre_type operand)
{
    return strcmp(result, "B") == 0   ? VYRE_TYPE_BOOL
           : strcmp(result, "F") == 0 ? VYRE_TYPE_F32 : operand;
}

typedef struct binary_row {
    const char *name, *operands, *result;
    vyre_value (*build)(vyre_program *p, vyre_value a, vyre_value b);
} binary_row;

static const binary_row binary_rows[] = {
#define BINARY_ROW(name, function, operands, result) { #name, #operands, #result, function },
    VYRE_BINARY_LIST(BINARY_ROW)
};

static void check_binary(const binary_row *row, vyre_type ta, vyre_type tb)
{
    const bool shift = strncmp(row->name, "SH", 2) == 0 || strncmp(row->name, "ROT", 3) == 0;
    const bool right = in_class(row->operands, ta) && tb == (shift ? VYRE_TYPE_U32 : ta);
    vyre_program *p = make();
    vyre_value a = constant(p, ta), b = constant(p, tb);
    vyre_value v = row->build(p, a, b);
    vyre_error err;
    if ((v.id != 0) != right)
        test_fail(__FILE__, __LINE__, "%s of types %d and %d gives %%%u", row->name, (int)ta,
                  (int)tb, (unsigned)v.id);
    if (right) {
        check_type(p, v, given(row->result, ta));
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_OK);
    } else {
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
        CHECK_EQ(err.at, 3);
    }
    vyre_program_destroy(p);
}

static void every_binary_operator(void)
{
    for (size_t i = 0; i < sizeof binary_rows / sizeof binary_rows[0]; i++) {
        for (int a = 0; a < 4; a++) {
            for (int b = 0; b < 4; b++)
                check_binary(&binary_rows[i], all_types[a], all_types[b]);
        }
    }
}

typedef struct unary_row {
    const char *name, *operands, *result;
    vyre_value (*build)(vyre_program *p, vyre_value a);
} unary_row;

static const unary_row unary_rows[] = {
#define UNARY_ROW(name, function, operands, result) { #name, #operands, #result, function },
    VYRE_UNARY_LIST(UNARY_ROW)
};

static void check_unary(const unary_row *row, vyre_type type)
{
    const bool right = in_class(row->operands, type);
    vyre_program *p = make();
    vyre_value v = row->build(p, constant(p, type));
    vyre_error err;
    if ((v.id != 0) != right)
        test_fail(__FILE__, __LINE__, "%s of type %d gives %%%u", row->name, (int)type,
                  (unsigned)v.id);
    if (right) {
        check_type(p, v, given(row->result, type));
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_OK);
    } else {
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
        CHECK_EQ(err.at, 2);
    }
    vyre_program_destroy(p);
}

static void every_unary_operator(void)
{
    for (size_t i = 0; i < sizeof unary_rows / sizeof unary_rows[0]; i++) {
        for (int t = 0; t < 4; t++)
            check_unary(&unary_rows[i], all_types[t]);
    }
}

static void every_cast(void)
{
    for (int from = 0; from < 4; from++) {
        for (int to = 0; to < 4; to++) {
            vyre_program *p = make();
            check_type(p, vyre_ir_cast(p, all_types[to], constant(p, all_types[from])),
                       all_types[to]);
            const bool bits = all_types[from] != VYRE_TYPE_BOOL && all_types[to] != VYRE_TYPE_BOOL;
            vyre_value v = vyre_ir_bitcast(p, all_types[to], constant(p, all_types[from]));
            CHECK_EQ(v.id != 0, bits);
            if (bits)
                check_type(p, v, all_types[to]);
            vyre_program_destroy(p);
        }
    }
}

static void every_builtin(void)
{
    vyre_program *p = make();
    for (int i = 0; i < VYRE_BUILTIN_COUNT; i++)
        check_type(p, vyre_ir_builtin(p, (vyre_builtin)i),
                   i == VYRE_BUILTIN_LOOP_CUT ? VYRE_TYPE_BOOL : VYRE_TYPE_U32);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

/* What each of the other calls gives, for each type that it takes. */
static void every_other_value(void)
{
    vyre_program *p = make();
    vyre_value zero = vyre_ir_u32(p, 0), yes = vyre_ir_bool(p, true);
    for (uint32_t t = 0; t < 4; t++) {
        const vyre_type type = all_types[t];
        vyre_buffer b = add_buffer(p, t, type);
        vyre_value x = constant(p, type);
        check_type(p, vyre_ir_load(p, b, zero), type);
        vyre_ir_store(p, b, zero, x);
        check_type(p, vyre_ir_length(p, b), VYRE_TYPE_U32);
        check_type(p, vyre_ir_select(p, yes, x, x), type);
        check_type(p, vyre_ir_get(p, vyre_ir_local(p, type, x, "l")), type);
        check_type(p, vyre_ir_broadcast_first(p, x), type);
        check_type(p, vyre_ir_shuffle(p, x, zero), type);
        if (t < 3)
            check_type(p, vyre_ir_reduce(p, VYRE_REDUCE_MIN, x), type);
        if (t != 2)
            check_type(p, vyre_ir_reduce(p, VYRE_REDUCE_XOR, x), type);
        if (t >= 2)
            continue;
        check_type(p, vyre_ir_atomic(p, VYRE_ATOMIC_MIN, b, zero, x, VYRE_ORDER_ACQ_REL), type);
        check_type(p, vyre_ir_atomic_cas(p, b, zero, x, x, VYRE_ORDER_RELAXED), type);
        check_type(p, vyre_ir_atomic_load(p, b, zero, VYRE_ORDER_ACQUIRE), type);
        vyre_ir_atomic_store(p, b, zero, x, VYRE_ORDER_RELEASE);
    }
    vyre_value f = vyre_ir_f32(p, 2);
    check_type(p, vyre_ir_fma(p, f, f, f), VYRE_TYPE_F32);
    check_type(p, vyre_ir_ballot(p, yes), VYRE_TYPE_U32);
    check_type(p, vyre_ir_elect(p), VYRE_TYPE_BOOL);
    check_type(p, vyre_ir_any(p, yes), VYRE_TYPE_BOOL);
    check_type(p, vyre_ir_all(p, yes), VYRE_TYPE_BOOL);
    vyre_value i = vyre_ir_loop(p, zero, zero);
    check_type(p, i, VYRE_TYPE_U32);
    vyre_ir_end(p);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

/* --- handles --------------------------------------------------------------- */

static void ids_count_instructions(void)
{
    vyre_program *p = make();
    CHECK_EQ(vyre_ir_u32(p, 7).id, 1);
    CHECK_EQ(add_buffer(p, 0, VYRE_TYPE_U32).id, 1);
    CHECK_EQ(add_buffer(p, 1, VYRE_TYPE_U32).id, 2);
    CHECK_EQ(vyre_ir_u32(p, 8).id, 2);
    vyre_value one = { 1 };
    CHECK_EQ(vyre_ir_local(p, VYRE_TYPE_U32, one, "l").id, 1);
    CHECK_EQ(vyre_ir_name(p, one, "seven").id, 1);
    CHECK_EQ(vyre_ir_not(p, one).id, 4);
    vyre_ir_comment(p, "a fifth one");
    CHECK_EQ(vyre_program_instruction_count(p), 5);
    vyre_program_destroy(p);
}

/* Buffers may come at any time before the end. */
static void buffers_in_the_middle(void)
{
    vyre_program *p = make();
    vyre_ir_forever(p);
    vyre_buffer b = add_buffer(p, 0, VYRE_TYPE_NONE);
    vyre_ir_store(p, b, vyre_ir_u32(p, 0), vyre_ir_u32(p, 0));
    vyre_ir_return(p);
    add_buffer(p, 1, VYRE_TYPE_F32);
    vyre_ir_end(p);
    add_buffer(p, 2, VYRE_TYPE_F32);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

static void names_are_cut(void)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    desc.name = name;
    vyre_program *p = vyre_program_create(&desc, NULL);
    vyre_value v = vyre_ir_name(p, vyre_ir_u32(p, 1), "first");
    vyre_ir_name(p, vyre_ir_u32(p, 2), "third");
    vyre_ir_name(p, v, name);
    char text[800], expected[800];
    vyre_program_text(p, text, sizeof text);
    memset(name, 'n', 63);
    name[63] = '\0';
    snprintf(expected, sizeof expected,
             "program \"%s\", workgroup 64 x 1 x 1\n\n  %%1 %s = 1\n  %%2 third = 2\n", name, name);
    CHECK_TEXT(text, expected);
    vyre_program_destroy(p);
}

/* Names may be given in any order. */
static void names_in_any_order(void)
{
    enum { N = 200 };
    vyre_program *p = make();
    vyre_value v[N];
    uint64_t random = test_seed(0x1a3e5);
    for (int i = 0; i < N; i++)
        v[i] = vyre_ir_u32(p, (uint32_t)i);
    for (int k = 0; k < 3 * N; k++) {
        char name[16];
        const uint32_t i = k < 2 * N ? (uint32_t)(test_random(&random) % N) : (uint32_t)(k % N);
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        CHECK_EQ(vyre_ir_name(p, v[i], name).id, v[i].id);
    }
    char *text = (char *)malloc(1 << 16), *at = text;
    vyre_program_text(p, text, 1 << 16);
    for (int i = 0; i < N; i++) {
        char line[64];
        snprintf(line, sizeof line, "%%%d n%d = %d\n", i + 1, i, i);
        at = strstr(at, line);
        CHECK(at);
    }
    free(text);
    vyre_program_destroy(p);
}

/* --- mistakes --------------------------------------------------------------- */

static void first_mistake_stays(void)
{
    vyre_program *p = make();
    vyre_value one = vyre_ir_u32(p, 1);
    vyre_value bad = vyre_ir_add(p, one, vyre_ir_f32(p, 1.0f)); /* call 3 */
    CHECK_EQ(bad.id, 0);
    CHECK_EQ(vyre_program_status(p), VYRE_E_IR_TYPE);
    CHECK_EQ(vyre_program_instruction_count(p), 2);

    /* Nothing works any more, and nothing changes. */
    vyre_ir_break(p);
    CHECK_EQ(vyre_ir_u32(p, 1).id, 0);
    CHECK_EQ(vyre_ir_name(p, one, "one").id, 0);
    CHECK_EQ(add_buffer(p, 0, VYRE_TYPE_U32).id, 0);
    CHECK_EQ(vyre_ir_local(p, VYRE_TYPE_U32, one, "l").id, 0);
    vyre_ir_comment(p, "text");
    CHECK_EQ(vyre_program_instruction_count(p), 2);

    vyre_error err;
    for (int i = 0; i < 2; i++) {
        memset(&err, 0, sizeof err);
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
        CHECK_EQ(err.status, VYRE_E_IR_TYPE);
        CHECK_EQ(err.at, 3);
        CHECK_TEXT(err.text, "%3 add: operand 1, 1.0, is f32 and should be u32");
        CHECK(err.fix[0]);
    }
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_E_IR_TYPE);
    vyre_program_destroy(p);
}

/* Buffers, names and comments are calls like others. */
static void calls_are_counted(void)
{
    vyre_program *p = make();
    vyre_error err;
    add_buffer(p, 0, VYRE_TYPE_U32);              /* 1 */
    vyre_value x = vyre_ir_u32(p, 0);             /* 2 */
    vyre_ir_name(p, x, "x");                      /* 3 */
    vyre_ir_comment(p, "text");                   /* 4 */
    vyre_ir_local(p, VYRE_TYPE_U32, x, "local");  /* 5 */
    vyre_ir_if(p, vyre_ir_bool(p, true));         /* 6, 7 */
    vyre_ir_end(p);                               /* 8 */
    add_buffer(p, 40, VYRE_TYPE_U32);             /* 9 */
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_BINDING);
    CHECK_EQ(err.at, 9);
    vyre_program_destroy(p);

    p = make();
    add_buffer(p, 0, VYRE_TYPE_U32);                          /* 1 */
    vyre_ir_sqrt(p, vyre_ir_name(p, vyre_ir_u32(p, 1), "x")); /* 2, 3, 4 */
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
    CHECK_EQ(err.at, 4);
    vyre_program_destroy(p);

    p = make();
    vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_f32(p, 0), "local"); /* 1, 2 */
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
    CHECK_EQ(err.at, 2);
    vyre_program_destroy(p);
}

/* Every function takes a program that is NULL. */
static void no_program(void)
{
    vyre_program *p = NULL;
    vyre_value v = { 1 };
    vyre_local l = { 1 };
    vyre_buffer b = { 1 };
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    for (size_t i = 0; i < sizeof binary_rows / sizeof binary_rows[0]; i++)
        CHECK_EQ(binary_rows[i].build(p, v, v).id, 0);
    for (size_t i = 0; i < sizeof unary_rows / sizeof unary_rows[0]; i++)
        CHECK_EQ(unary_rows[i].build(p, v).id, 0);
    CHECK_EQ(vyre_ir_buffer(p, &desc).id, 0);
    CHECK_EQ(vyre_ir_u32(p, 1).id, 0);
    CHECK_EQ(vyre_ir_i32(p, 1).id, 0);
    CHECK_EQ(vyre_ir_f32(p, 1).id, 0);
    CHECK_EQ(vyre_ir_bool(p, true).id, 0);
    CHECK_EQ(vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_CUT).id, 0);
    CHECK_EQ(vyre_ir_length(p, b).id, 0);
    CHECK_EQ(vyre_ir_load(p, b, v).id, 0);
    vyre_ir_store(p, b, v, v);
    CHECK_EQ(vyre_ir_atomic(p, VYRE_ATOMIC_ADD, b, v, v, VYRE_ORDER_RELAXED).id, 0);
    CHECK_EQ(vyre_ir_atomic_cas(p, b, v, v, v, VYRE_ORDER_RELAXED).id, 0);
    CHECK_EQ(vyre_ir_atomic_load(p, b, v, VYRE_ORDER_RELAXED).id, 0);
    vyre_ir_atomic_store(p, b, v, v, VYRE_ORDER_RELAXED);
    CHECK_EQ(vyre_ir_fma(p, v, v, v).id, 0);
    CHECK_EQ(vyre_ir_select(p, v, v, v).id, 0);
    CHECK_EQ(vyre_ir_cast(p, VYRE_TYPE_U32, v).id, 0);
    CHECK_EQ(vyre_ir_bitcast(p, VYRE_TYPE_U32, v).id, 0);
    CHECK_EQ(vyre_ir_local(p, VYRE_TYPE_U32, v, "l").id, 0);
    CHECK_EQ(vyre_ir_get(p, l).id, 0);
    vyre_ir_set(p, l, v);
    vyre_ir_if(p, v);
    vyre_ir_else(p);
    vyre_ir_switch(p, v);
    vyre_ir_case(p, 1);
    vyre_ir_default(p);
    CHECK_EQ(vyre_ir_loop(p, v, v).id, 0);
    vyre_ir_forever(p);
    vyre_ir_end(p);
    vyre_ir_break(p);
    vyre_ir_continue(p);
    vyre_ir_return(p);
    vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
    vyre_ir_loop_allow(p, v);
    vyre_ir_comment(p, "text");
    CHECK_EQ(vyre_ir_name(p, v, "name").id, 0);
    CHECK_EQ(vyre_ir_ballot(p, v).id, 0);
    CHECK_EQ(vyre_ir_elect(p).id, 0);
    CHECK_EQ(vyre_ir_any(p, v).id, 0);
    CHECK_EQ(vyre_ir_all(p, v).id, 0);
    CHECK_EQ(vyre_ir_broadcast_first(p, v).id, 0);
    CHECK_EQ(vyre_ir_shuffle(p, v, v).id, 0);
    CHECK_EQ(vyre_ir_reduce(p, VYRE_REDUCE_ADD, v).id, 0);

    vyre_error err;
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_program_status(p), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_program_instruction_count(p), 0);
    CHECK_EQ(vyre_program_hash(p), vyre_program_hash(NULL));
    vyre_program_destroy(p);
}

static void null_texts(void)
{
    vyre_program *p = make();
    vyre_value x = vyre_ir_name(p, vyre_ir_u32(p, 1), NULL);
    vyre_ir_comment(p, NULL);
    vyre_ir_local(p, VYRE_TYPE_U32, x, NULL);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

static void finished_programs_do_not_change(void)
{
    vyre_program *p = make();
    vyre_error err;
    vyre_value x = vyre_ir_u32(p, 1);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    const uint64_t hash = vyre_program_hash(p);
    CHECK_EQ(vyre_ir_neg(p, x).id, 0); /* call 2 */
    CHECK_EQ(add_buffer(p, 0, VYRE_TYPE_U32).id, 0);
    CHECK_EQ(vyre_ir_local(p, VYRE_TYPE_U32, x, "l").id, 0);
    vyre_ir_comment(p, "text");
    CHECK_EQ(vyre_program_hash(p), hash);
    CHECK_EQ(vyre_program_status(p), VYRE_E_IR_FINISHED);
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_FINISHED);
    CHECK_EQ(err.at, 2);
    CHECK(err.fix[0]);
    vyre_program_destroy(p);
}

/* --- hash ------------------------------------------------------------------- */

/* The same program but for one thing, which `what` numbers. */
static uint64_t variant(int what)
{
    vyre_program_desc desc;
    vyre_buffer_desc buffer;
    memset(&desc, 0, sizeof desc);
    memset(&buffer, 0, sizeof buffer);
    desc.workgroup_size[1] = what == 1 ? 2 : 0;
    vyre_program *p = vyre_program_create(&desc, NULL);
    buffer.binding = what == 2;
    buffer.count = what == 3 ? 4 : 8;
    buffer.access = what == 4 ? VYRE_ACCESS_WORKGROUP : VYRE_ACCESS_READ_WRITE;
    buffer.no_readback = what == 5;
    buffer.readback_size = what == 6 ? 4 : 0;
    buffer.readback_offset = what == 7 ? 4 : 0;
    vyre_buffer b = vyre_ir_buffer(p, &buffer);
    vyre_value x = vyre_ir_u32(p, what == 8 ? 1 : 2), y = vyre_ir_u32(p, 3);
    vyre_value z = what == 9 ? vyre_ir_sub(p, x, y) : vyre_ir_add(p, x, what == 10 ? x : y);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, b, x, z,
                   what == 11 ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_RELAXED);
    if (what == 12)
        vyre_ir_return(p);
    if (what == 13)
        add_buffer(p, 9, VYRE_TYPE_U32);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    const uint64_t hash = vyre_program_hash(p);
    vyre_program_destroy(p);
    return hash;
}

static void hash_tells_programs_apart(void)
{
    enum { VARIANTS = 14 };
    uint64_t hashes[VARIANTS];
    for (int i = 0; i < VARIANTS; i++) {
        hashes[i] = variant(i);
        CHECK_EQ(hashes[i], variant(i));
        for (int k = 0; k < i; k++) {
            if (hashes[k] == hashes[i])
                test_fail(__FILE__, __LINE__, "variants %d and %d have the same hash", k, i);
        }
    }
}

/* The same on every host: it may stand in a file. */
static void hash_is_portable_and_without_names(void)
{
    uint64_t hashes[2];
    for (int named = 0; named < 2; named++) {
        vyre_program_desc desc;
        vyre_buffer_desc buffer;
        memset(&desc, 0, sizeof desc);
        memset(&buffer, 0, sizeof buffer);
        desc.name = named ? "other" : NULL;
        buffer.name = named ? "out" : NULL;
        vyre_program *p = vyre_program_create(&desc, NULL);
        vyre_buffer b = vyre_ir_buffer(p, &buffer);
        vyre_value x = vyre_ir_f32(p, 1.5f);
        if (named)
            vyre_ir_name(p, x, "x");
        vyre_local l = vyre_ir_local(p, VYRE_TYPE_F32, x, named ? "l" : NULL);
        const vyre_value whole = vyre_ir_cast(p, VYRE_TYPE_U32, vyre_ir_get(p, l));
        vyre_ir_store(p, b, vyre_ir_u32(p, 0), whole);
        CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
        hashes[named] = vyre_program_hash(p);
        vyre_program_destroy(p);
    }
    CHECK_EQ(hashes[0], hashes[1]);
    CHECK_EQ(hashes[0], 0xca2b7cded2a5ed92ull);
}

/* --- memory ------------------------------------------------------------------ */

/* Something of everything, and enough of it that each array grows. */
static vyre_status build_with(const vyre_allocator *allocator, void *user)
{
    (void)user;
    vyre_program_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, &err);
    if (!p)
        return err.status;
    for (uint32_t i = 0; i < 20; i++)
        add_buffer(p, i, VYRE_TYPE_U32);
    vyre_value x = vyre_ir_u32(p, 1);
    for (int i = 0; i < 40; i++) {
        vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, x, "a local with a rather long name");
        vyre_ir_comment(p, "a comment that fills the arena until it needs another block, and "
                           "then another one, so that this allocation fails, too");
        x = vyre_ir_name(p, vyre_ir_add(p, x, vyre_ir_get(p, l)), "a value with a name");
    }
    const vyre_value wide = vyre_ir_cast(p, VYRE_TYPE_U64, x);
    const vyre_local kept = vyre_ir_local(p, VYRE_TYPE_U64, wide, "two words");
    for (int i = 0; i < 40; i++)
        vyre_ir_set(p, kept, vyre_ir_add(p, wide, vyre_ir_get(p, kept)));
    const vyre_status status = vyre_program_finish(p, &err);
    if (status != VYRE_OK)
        CHECK_EQ(err.status, status);
    vyre_program_destroy(p);
    return status;
}

static void building_without_memory(void)
{
    CHECK(oom_each(build_with, NULL) >= 15);
}

static void memory_that_ends_is_a_mistake_like_others(void)
{
    oom_state state;
    vyre_program_desc desc;
    vyre_error err;
    oom_begin(&state);
    memset(&desc, 0, sizeof desc);
    desc.allocator = oom_allocator(&state);
    vyre_program *p = vyre_program_create(&desc, NULL);
    state.fail_at = state.calls + 1;
    CHECK_EQ(vyre_ir_u32(p, 1).id, 0);
    state.fail_at = 0;
    CHECK_EQ(vyre_ir_u32(p, 1).id, 0);
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_NOMEM);
    CHECK_EQ(err.at, 1);
    vyre_program_destroy(p);
    CHECK(oom_is_clean(&state));
}

int main(void)
{
    RUN(every_binary_operator);
    RUN(every_unary_operator);
    RUN(every_cast);
    RUN(every_builtin);
    RUN(every_other_value);
    RUN(ids_count_instructions);
    RUN(buffers_in_the_middle);
    RUN(names_are_cut);
    RUN(names_in_any_order);
    RUN(first_mistake_stays);
    RUN(calls_are_counted);
    RUN(no_program);
    RUN(null_texts);
    RUN(finished_programs_do_not_change);
    RUN(hash_tells_programs_apart);
    RUN(hash_is_portable_and_without_names);
    RUN(building_without_memory);
    RUN(memory_that_ends_is_a_mistake_like_others);
    return test_end();
}

/* 64-bit values, which are pairs of words: every operator and conversion against plain C,
 * on the interpreter, after the optimizer, and on a Vulkan device where there is one.
 *
 *   TEST_COUNT=60000   random operands of each beside the edges, instead of 500 */
#include "dispatch.h"

#include <math.h>

#define U VYRE_TYPE_U64
#define I VYRE_TYPE_I64

enum { MOST = 1 << 16, LANES = 64 };

typedef struct numbers {
    uint64_t a[MOST], b[MOST], out[MOST];
    uint32_t count;
} numbers;

static numbers n;

/* `a` and `b` are of one type, but for shifts, whose amount is b's low word. */
typedef vyre_value (*binary_fn)(vyre_program *p, vyre_value a, vyre_value b);
typedef vyre_value (*unary_fn)(vyre_program *p, vyre_value a);
typedef struct operation {
    const char *name;
    binary_fn   binary;
    unary_fn    unary;
} operation;

/* --- running ------------------------------------------------------------- */

/* Any result as 64 bits: of a bool 0 or 1, of an f32 its bits. */
static vyre_value as_pair(vyre_program *p, vyre_value x, vyre_type result)
{
    if (result == VYRE_TYPE_F32)
        x = vyre_ir_bitcast(p, VYRE_TYPE_U32, x);
    return vyre_ir_cast(p, U, x);
}

static bool is_shift(const char *name)
{
    return strcmp(name, "shl") == 0 || strcmp(name, "shr") == 0 || strncmp(name, "rot", 3) == 0;
}

/* out[i] = a[i] op b[i]; with `from` f32 or a 32-bit integer, the low word of a. */
static vyre_program *program_of(const operation *o, vyre_type from, vyre_type to)
{
    vyre_program *p = vyre_program_create(NULL, &err);
    const vyre_buffer out = buffer(p, 0, VYRE_TYPE_I32), left = buffer(p, 1, VYRE_TYPE_U32);
    const vyre_buffer right = buffer(p, 2, VYRE_TYPE_I32);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value word = vyre_ir_mul(p, i, vyre_ir_u32(p, 2));
    const vyre_value odd = vyre_ir_add(p, word, vyre_ir_u32(p, 1)); /* its bit 0 does not count */
    vyre_value a, b, made;
    if (from == I) {
        a = vyre_ir_load_i64(p, left, odd);
        b = vyre_ir_load_i64(p, right, word);
    } else {
        a = vyre_ir_load_u64(p, left, word);
        b = vyre_ir_load_u64(p, right, word);
    }
    if (from == VYRE_TYPE_BOOL)
        a = vyre_ir_cast(p, VYRE_TYPE_BOOL, vyre_ir_low(p, a));
    else if (from != U && from != I)
        a = vyre_ir_bitcast(p, from, vyre_ir_low(p, a));
    if (o->unary)
        made = o->unary(p, a);
    else if (o->binary)
        made = o->binary(p, a, is_shift(o->name) ? vyre_ir_low(p, b) : b);
    else
        made = vyre_ir_cast(p, to, a);
    vyre_ir_store_u64(p, out, odd, as_pair(p, made, to));
    finish(p);
    return p;
}

static bool run(const vyre_program *p, bool device)
{
    void *buffers[3] = { n.out, n.a, n.b };
    const size_t size = n.count * sizeof n.a[0], sizes[3] = { size, size, size };
    memset(n.out, 0xa5, size);
    if (device)
        return dispatch(p, (n.count + LANES - 1) / LANES, buffers, sizes, 3);
    interpret(p, (n.count + LANES - 1) / LANES, buffers, sizes, 3);
    return true;
}

typedef uint64_t (*want_fn)(const char *name, bool is_signed, uint64_t a, uint64_t b);

static void check_all(const operation *o, vyre_type from, vyre_type to, want_fn want)
{
    static const char *const where[] = { "by the interpreter", "optimized", "on the device" };
    vyre_program *p = program_of(o, from, to);
    for (int how = 0; how < 3; how++) {
        if (how == 1)
            CHECK_EQ(vyre_program_optimize(p, &err), VYRE_OK);
        if (!run(p, how == 2))
            continue;
        for (uint32_t i = 0; i < n.count; i++) {
            const uint64_t right = want(o->name, from == I || from == VYRE_TYPE_I32, n.a[i], n.b[i]);
            if (n.out[i] != right)
                test_fail(__FILE__, __LINE__, "%s(0x%llx, 0x%llx) of type %d %s is 0x%llx, not "
                          "0x%llx", o->name, (unsigned long long)n.a[i],
                          (unsigned long long)n.b[i], (int)from, where[how],
                          (unsigned long long)n.out[i], (unsigned long long)right);
        }
    }
    vyre_program_destroy(p);
}

/* --- operands ------------------------------------------------------------- */

static const uint64_t edges[] = {
    0, 1, 2, 3, 31, 32, 33, 63, 64, 0xffff, 0x10000, 0x7fffffff, 0x80000000u, 0xfffffffeu,
    0xffffffffu, 0x100000000ull, 0x100000001ull, 0x1ffffffffull, 0xffff0000ffffull,
    0x123456789abcdef0ull, 0x7fffffff00000000ull, 0x7fffffffffffffffull, 0x8000000000000000ull,
    0x8000000000000001ull, 0x80000000ffffffffull, 0xfffffffe00000001ull, 0xffffffff00000000ull,
    0xfffffffffffffffeull, 0xffffffffffffffffull
};

static void put(uint64_t a, uint64_t b)
{
    CHECK(n.count < MOST);
    n.a[n.count] = a;
    n.b[n.count++] = b;
}

/* Numbers of all lengths, as often. */
static uint64_t some(uint64_t *random)
{
    const uint64_t r = test_random(random);
    const uint64_t x = test_random(random) >> (r & 63);
    return r & 64 ? ~x : x;
}

static void put_edges(uint64_t seed)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 500;
    uint64_t random = test_seed(seed);
    n.count = 0;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        for (size_t j = 0; j < sizeof edges / sizeof edges[0]; j++)
            put(edges[i], edges[j]);
    for (uint32_t i = 0; i < count && n.count < MOST; i++) {
        const uint64_t a = some(&random), b = some(&random);
        put(i % 4 ? a : a / (b ? b : 1) * b + (i / 4 % 3) - 1, b); /* near multiples, too */
    }
}

/* --- operators ------------------------------------------------------------ */

#define IF(text, value) if (strcmp(name, text) == 0) return (uint64_t)(value)

static uint64_t want_signed(const char *name, uint64_t a, uint64_t b)
{
    const int64_t x = (int64_t)a, y = (int64_t)b;
    const bool wraps = y == 0 || y == -1;
    IF("div", y == 0 ? UINT64_MAX : y == -1 ? 0 - a : (uint64_t)(x / y));
    IF("rem", wraps ? 0 : x % y);
    IF("min", x < y ? x : y);
    IF("max", x > y ? x : y);
    IF("lt", x < y);
    IF("le", x <= y);
    IF("gt", x > y);
    IF("ge", x >= y);
    IF("shr", x < 0 ? ~(~a >> (b & 63)) : a >> (b & 63));
    IF("abs", x < 0 ? 0 - a : a);
    IF("sign", (x > 0) - (x < 0));
    test_fail(__FILE__, __LINE__, "no expectation for %s", name);
}

static uint64_t want_bits(const char *name, uint64_t a)
{
    uint64_t ones = 0, leading = 64, trailing = 64, mirrored = 0;
    for (uint64_t i = 0; i < 64; i++) {
        const uint64_t bit = a >> i & 1;
        ones += bit;
        mirrored |= bit << (63 - i);
        if (bit)
            leading = 63 - i;
        if (bit && trailing == 64)
            trailing = i;
    }
    IF("popcount", ones);
    IF("clz", leading);
    IF("ctz", trailing);
    IF("reverse", mirrored);
    test_fail(__FILE__, __LINE__, "no expectation for %s", name);
}

static uint64_t want(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    const uint64_t s = b & 63;
    IF("add", a + b);
    IF("sub", a - b);
    IF("mul", a * b);
    IF("and", a & b);
    IF("or", a | b);
    IF("xor", a ^ b);
    IF("shl", a << s);
    IF("rotl", s ? a << s | a >> (64 - s) : a);
    IF("rotr", s ? a >> s | a << (64 - s) : a);
    IF("eq", a == b);
    IF("ne", a != b);
    IF("neg", 0 - a);
    IF("not", ~a);
    IF("uniform", a);
    if (strstr("popcount clz ctz reverse", name))
        return want_bits(name, a);
    if (is_signed)
        return want_signed(name, a, b);
    IF("div", b ? a / b : UINT64_MAX);
    IF("rem", b ? a % b : 0);
    IF("min", a < b ? a : b);
    IF("max", a > b ? a : b);
    IF("lt", a < b);
    IF("le", a <= b);
    IF("gt", a > b);
    IF("ge", a >= b);
    IF("shr", a >> s);
    IF("abs", a);
    IF("sign", a != 0);
    test_fail(__FILE__, __LINE__, "no expectation for %s", name);
}

/* What the lists of ir.h have for integers. */
static bool is_for_pairs(const char *name, const char *operands, bool is_signed)
{
    if (strcmp(name, "mul_high") == 0 || (is_signed && strncmp(name, "rot", 3) == 0))
        return false;
    return strcmp(operands, "F") != 0 && strcmp(name, "unpack_half") != 0;
}

static unsigned operators_run;

static void check_operator(operation o, const char *operands, const char *result)
{
    o.name += strlen("vyre_ir_");
    for (int type = U; type <= I; type++) {
        if (!is_for_pairs(o.name, operands, type == I))
            continue;
        check_all(&o, (vyre_type)type, strcmp(result, "B") == 0 ? VYRE_TYPE_BOOL : (vyre_type)type,
                  want);
        operators_run++;
    }
}

static void operators(void)
{
    put_edges(0x70616972u);
#define ROW(name, function, operands, result)                                                      \
    { const operation o = { #function, function, NULL };                                           \
      check_operator(o, #operands, #result); }
    VYRE_BINARY_LIST(ROW)
#undef ROW
#define ROW(name, function, operands, result)                                                      \
    { const operation o = { #function, NULL, function };                                           \
      check_operator(o, #operands, #result); }
    VYRE_UNARY_LIST(ROW)
#undef ROW
    CHECK(operators_run >= 50);
}

/* The result has its own type. */
static vyre_value chosen(vyre_program *p, vyre_value a, vyre_value b)
{
    return vyre_ir_select(p, vyre_ir_lt(p, a, b), a, b);
}

/* A local that is set in one arm; and constants. */
static vyre_value kept(vyre_program *p, vyre_value a, vyre_value b)
{
    const vyre_local other = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_low(p, b), "other");
    const vyre_local x = vyre_ir_local(p, I, vyre_ir_i64(p, -5), "x");
    vyre_ir_if(p, vyre_ir_gt(p, a, vyre_ir_i64(p, -3000000000)));
    vyre_ir_set(p, x, vyre_ir_name(p, a, "a"));
    vyre_ir_end(p);
    const vyre_value high = vyre_ir_high(p, vyre_ir_get(p, x));
    const vyre_value low = vyre_ir_low(p, vyre_ir_get(p, x));
    const vyre_value got = vyre_ir_pair(p, I, low, high);
    return vyre_ir_add(p, got, vyre_ir_cast(p, I, vyre_ir_get(p, other)));
}

static uint64_t want_chosen(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)is_signed;
    IF("chosen", (int64_t)a < (int64_t)b ? a : b);
    return ((int64_t)a > -3000000000 ? a : 0 - (uint64_t)5) + (b & 0xffffffffu);
}

static void choices_and_locals(void)
{
    static const operation rows[] = { { "chosen", chosen, NULL }, { "kept", kept, NULL } };
    put_edges(0x6c6f63u);
    for (uint32_t i = 0; i < 2; i++)
        check_all(&rows[i], I, I, want_chosen);
}

/* --- conversions ---------------------------------------------------------- */

static float float_of(uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, 4);
    return x;
}

static uint64_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static uint64_t same_bits(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)is_signed, (void)b;
    return a;
}

static uint64_t low_word(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)is_signed, (void)b;
    return a & 0xffffffffu;
}

/* To i32 and back through u32's bits: as a pair, with its sign. */
static uint64_t low_signed(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)is_signed, (void)b;
    return (uint64_t)(int64_t)(int32_t)(uint32_t)a;
}

static uint64_t any_bit(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)is_signed, (void)b;
    return a != 0;
}

static uint64_t low_bit(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)is_signed, (void)b;
    return (a & 0xffffffffu) != 0;
}

static uint64_t to_f32(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    (void)name, (void)b;
    return bits_of(is_signed ? (float)(int64_t)a : (float)a);
}

static uint64_t from_f32(const char *name, bool is_signed, uint64_t a, uint64_t b)
{
    const double x = trunc((double)float_of(a));
    (void)is_signed, (void)b;
    if (isnan(x))
        return 0;
    if (strcmp(name, "to u64") == 0)
        return x <= 0 ? 0 : x >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)x;
    return (uint64_t)(x >= 9223372036854775808.0 ? INT64_MAX
                      : x < -9223372036854775808.0 ? INT64_MIN : (int64_t)x);
}

static void conversions(void)
{
    static const struct { operation o; vyre_type from, to; want_fn want; } rows[] = {
        { { "u64 to i64", NULL, NULL }, U, I, same_bits },
        { { "i64 to u64", NULL, NULL }, I, U, same_bits },
        { { "to u32", NULL, NULL }, I, VYRE_TYPE_U32, low_word },
        { { "to i32", NULL, NULL }, U, VYRE_TYPE_I32, low_signed },
        { { "to bool", NULL, NULL }, U, VYRE_TYPE_BOOL, any_bit },
        { { "to f32", NULL, NULL }, U, VYRE_TYPE_F32, to_f32 },
        { { "to f32", NULL, NULL }, I, VYRE_TYPE_F32, to_f32 },
        { { "u32 to i64", NULL, NULL }, VYRE_TYPE_U32, I, low_word },
        { { "i32 to i64", NULL, NULL }, VYRE_TYPE_I32, I, low_signed },
        { { "i32 to u64", NULL, NULL }, VYRE_TYPE_I32, U, low_signed },
        { { "bool to u64", NULL, NULL }, VYRE_TYPE_BOOL, U, low_bit }
    };
    put_edges(0x63617374u);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_all(&rows[i].o, rows[i].from, rows[i].to, rows[i].want);
}

/* Numbers that count, of all sizes and both signs; no subnormal ones. */
static void floats_become_pairs(void)
{
    static const operation to_u64 = { "to u64", NULL, NULL }, to_i64 = { "to i64", NULL, NULL };
    uint64_t random = test_seed(0x666c74u);
    n.count = 0;
    for (uint64_t exponent = 120; exponent < 200; exponent++)
        for (uint64_t sign = 0; sign < 2; sign++) {
            put(sign << 31 | exponent << 23, 0);
            put(sign << 31 | exponent << 23 | 0x7fffff, 0);
            put(sign << 31 | exponent << 23 | (test_random(&random) & 0x7fffff), 0);
        }
    put(0x7f800000, 0);
    put(0xff800000u, 0);
    put(0x7fc00000, 0);
    put(0x80000000u, 0);
    check_all(&to_u64, VYRE_TYPE_F32, U, from_f32);
    check_all(&to_i64, VYRE_TYPE_F32, I, from_f32);
}

/* --- memory ---------------------------------------------------------------- */

/* Both words, or the one that is there, or none. */
static void the_end_of_a_buffer(void)
{
    static const uint32_t places[] = { 0, 1, 4, 5, 6, 0xfffffffeu, 0xffffffffu };
    enum { PLACES = sizeof places / sizeof places[0] };
    uint32_t data[5] = { 1, 2, 3, 4, 5 }, at[LANES] = { 0 }, out[LANES * 2], saved[5] = { 0 };
    void *buffers[4] = { out, data, at, saved };
    const size_t sizes[4] = { sizeof out, sizeof data, sizeof at, sizeof saved };
    static const uint64_t loaded[PLACES] = { 0x200000001, 0x200000001, 5, 5, 0, 0, 0 };
    for (uint32_t i = 0; i < LANES; i++)
        at[i] = places[i % PLACES];
    vyre_program *p = vyre_program_create(NULL, &err);
    vyre_buffer b[4];
    for (uint32_t k = 0; k < 4; k++)
        b[k] = buffer(p, k, VYRE_TYPE_U32);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value place = vyre_ir_load(p, b[2], i);
    const vyre_value twice = vyre_ir_mul(p, i, vyre_ir_u32(p, 2));
    vyre_ir_store_u64(p, b[0], twice, vyre_ir_load_u64(p, b[1], place));
    vyre_ir_store_u64(p, b[3], place, vyre_ir_u64(p, 0x700000006));
    finish(p);
    interpret(p, 1, buffers, sizes, 4);
    for (uint32_t k = 0; k < LANES; k++)
        CHECK_EQ(out[2 * k] | (uint64_t)out[2 * k + 1] << 32, loaded[k % PLACES]);
    CHECK_EQ(saved[0], 6);
    CHECK_EQ(saved[1], 7);
    CHECK_EQ(saved[2] | saved[3], 0);
    CHECK_EQ(saved[4], 6);
    vyre_program_destroy(p);
}

/* --- mistakes -------------------------------------------------------------- */

static void what_pairs_are_not_for(void)
{
    enum { ROWS = 18 };
    for (uint32_t row = 0; row < ROWS; row++) {
        vyre_program *p = vyre_program_create(NULL, &err);
        const vyre_buffer b = buffer(p, 0, VYRE_TYPE_U32);
        const vyre_value u = vyre_ir_u64(p, 1), i = vyre_ir_i64(p, 1), w = vyre_ir_u32(p, 1);
        const vyre_value f = vyre_ir_f32(p, 1), t = vyre_ir_bool(p, true);
        const vyre_local x = vyre_ir_local(p, U, u, "x");
        switch (row) {
        case 0: (void)vyre_ir_add(p, u, i); break;
        case 1: (void)vyre_ir_add(p, u, w); break;
        case 2: (void)vyre_ir_add(p, w, u); break;
        case 3: (void)vyre_ir_shl(p, u, u); break;
        case 4: (void)vyre_ir_mul_high(p, u, u); break;
        case 5: (void)vyre_ir_rotl(p, i, w); break;
        case 6: (void)vyre_ir_sqrt(p, u); break;
        case 7: (void)vyre_ir_select(p, t, u, i); break;
        case 8: (void)vyre_ir_select(p, t, w, i); break;
        case 9: (void)vyre_ir_bitcast(p, U, f); break;
        case 10: vyre_ir_store(p, b, w, u); break;
        case 11: (void)vyre_ir_load_u64(p, b, u); break;
        case 12: vyre_ir_store_u64(p, b, w, w); break;
        case 13: vyre_ir_set(p, x, i); break;
        case 14: (void)vyre_ir_low(p, w); break;
        case 15: (void)vyre_ir_pair(p, U, w, f); break;
        case 16: (void)vyre_ir_local(p, I, u, "y"); break;
        default: vyre_ir_if(p, u); break;
        }
        (void)vyre_ir_u32(p, 2);
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
        CHECK_EQ(err.at, 8);
        vyre_program_destroy(p);
    }
    vyre_program *p = vyre_program_create(NULL, &err);
    (void)vyre_ir_pair(p, VYRE_TYPE_U32, vyre_ir_u32(p, 1), vyre_ir_u32(p, 1));
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_OPERATOR);
    vyre_program_destroy(p);
    const vyre_value none = { 0x80000000u };
    p = vyre_program_create(NULL, &err);
    CHECK_EQ(vyre_ir_add(p, none, none).id, 0);
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
    vyre_program_destroy(p);
    CHECK_EQ(vyre_ir_add(NULL, none, none).id, 0);
    CHECK_EQ(vyre_ir_u64(NULL, 1).id, 0);
}

int main(void)
{
    RUN(operators);
    RUN(choices_and_locals);
    RUN(conversions);
    RUN(floats_become_pairs);
    RUN(the_end_of_a_buffer);
    RUN(what_pairs_are_not_for);
    return test_end();
}

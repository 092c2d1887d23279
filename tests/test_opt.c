/* The optimizer: each rewrite is visible in a listing; what has an effect
 * keeps its place; random programs do the same before and after.
 */
#include "inside.h"

#include "gen.h"
#include "oom.h"

/* --- helpers ------------------------------------------------------------- */

typedef struct scene {
    vyre_program *p;
    vyre_buffer   out;
    vyre_value    x, y; /* unknown u32 */
    vyre_value    i;    /* unknown i32 */
    vyre_value    b, c; /* unknown bools */
    vyre_value    f;    /* unknown f32 */
} scene;

/* Values of which nothing is known; they are loads, so they stay. */
static scene begin(void)
{
    scene s;
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    s.p = vyre_program_create(NULL, NULL);
    CHECK(s.p);
    desc.name = "out";
    s.out = vyre_ir_buffer(s.p, &desc);
    vyre_value zero = vyre_ir_u32(s.p, 0);
    s.x = vyre_ir_load(s.p, s.out, zero);
    s.y = vyre_ir_load(s.p, s.out, zero);
    s.i = vyre_ir_bitcast(s.p, VYRE_TYPE_I32, s.x);
    s.b = vyre_ir_cast(s.p, VYRE_TYPE_BOOL, s.x);
    s.c = vyre_ir_cast(s.p, VYRE_TYPE_BOOL, s.y);
    s.f = vyre_ir_bitcast(s.p, VYRE_TYPE_F32, s.x);
    return s;
}

static vyre_value k(scene *s, uint32_t x)
{
    return vyre_ir_u32(s->p, x);
}

/* Keeps a value of any type alive. */
static void keep(scene *s, vyre_value v)
{
    const uint32_t type = vyi_definition(s->p, v.id)->type;
    if (type != VYRE_TYPE_U32)
        v = type == VYRE_TYPE_BOOL ? vyre_ir_select(s->p, v, k(s, 111), k(s, 222))
                                   : vyre_ir_bitcast(s->p, VYRE_TYPE_U32, v);
    vyre_ir_store(s->p, s->out, k(s, 0), v);
}

static char *body_of(const vyre_program *p)
{
    const size_t size = vyre_program_text(p, NULL, 0) + 1;
    char *text = (char *)malloc(size);
    vyre_program_text(p, text, size);
    char *body = strstr(text, "\n\n") + 2;
    memmove(text, body, strlen(body) + 1);
    return text;
}

/* Finishes and optimizes; the listing without its head and its first two
 * lines, the loads of `begin`, equals `expected`.  Destroys the program. */
static void check_body(scene *s, const char *expected)
{
    vyre_error err;
    if (vyre_program_finish(s->p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_EQ(vyre_program_optimize(s->p, &err), VYRE_OK);
    if (vyi_program_check(s->p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "after optimizing: %s", err.text);
    char *text = body_of(s->p), *rest = text;
    for (int i = 0; i < 2; i++) {
        CHECK(strstr(rest, "= load out[0]\n"));
        rest = strchr(rest, '\n') + 1;
    }
    /* Constants are numbered first: make the numbers of values relative. */
    char shown[4096];
    size_t length = 0;
    unsigned first = (unsigned)atoi(text + 3);
    for (const char *at = rest; *at && length < sizeof shown - 16;) {
        if (*at == '%') {
            char *end;
            const unsigned n = (unsigned)strtoul(at + 1, &end, 10);
            const char *form = n == first ? "x" : n == first + 1 ? "y" : "%%%u";
            length += (size_t)snprintf(shown + length, 16, form, n - first);
            at = end;
        } else {
            shown[length++] = *at++;
        }
    }
    shown[length] = '\0';
    free(text);
    vyre_program_destroy(s->p);
    if (strcmp(shown, expected) != 0)
        test_fail(__FILE__, __LINE__, "the listing is\n%snot\n%s", shown, expected);
}

/* --- evaluation ----------------------------------------------------------- */

typedef struct binary_case {
    uint32_t sub, type, a, b, result;
} binary_case;

#define U VYRE_TYPE_U32
#define I VYRE_TYPE_I32
#define F VYRE_TYPE_F32
#define B VYRE_TYPE_BOOL
#define ROW(sub, type, a, b, result) { VYI_BINARY_##sub, type, a, b, result }
#define MIN 0x80000000u
#define MAX 0x7fffffffu
#define ALL 0xffffffffu

static const binary_case binary_cases[] = {
    ROW(ADD, U, ALL, 1, 0), ROW(SUB, U, 0, 1, ALL), ROW(MUL, U, ALL, ALL, 1),
    ROW(ADD, I, MAX, 1, MIN), ROW(MUL, I, MIN, ALL, MIN),
    ROW(DIV, U, 7, 0, ALL), ROW(DIV, U, 0, 0, ALL), ROW(DIV, U, ALL, 2, MAX), ROW(DIV, U, 7, 2, 3),
    ROW(REM, U, 7, 0, 0), ROW(REM, U, ALL, 16, 15),
    ROW(DIV, I, 7, 0, ALL), ROW(DIV, I, MIN, 0, ALL), ROW(DIV, I, MIN, ALL, MIN),
    ROW(DIV, I, 0u - 7, 2, 0u - 3), ROW(DIV, I, 7, 0u - 2, 0u - 3),
    ROW(DIV, I, MIN, 2, 0xc0000000u),
    ROW(REM, I, 7, 0, 0), ROW(REM, I, MIN, ALL, 0), ROW(REM, I, 0u - 7, 2, ALL),
    ROW(REM, I, 7, 0u - 2, 1), ROW(REM, I, MIN, MIN, 0),
    ROW(MUL_HIGH, U, ALL, ALL, 0xfffffffeu), ROW(MUL_HIGH, U, 0x10000, 0x10000, 1),
    ROW(AND, U, 12, 10, 8), ROW(OR, I, 12, 10, 14), ROW(XOR, U, 12, 10, 6),
    ROW(AND, B, 1, 0, 0), ROW(OR, B, 1, 0, 1), ROW(XOR, B, 1, 1, 0),
    ROW(SHL, U, 1, 33, 2), ROW(SHL, U, 1, 31, MIN), ROW(SHL, I, 3, 32, 3),
    ROW(SHR, U, MIN, 32, MIN), ROW(SHR, U, MIN, 31, 1), ROW(SHR, I, 0u - 8, 1, 0u - 4),
    ROW(SHR, I, MIN, 31, ALL), ROW(SHR, I, ALL, 63, ALL), ROW(SHR, I, MAX, 30, 1),
    ROW(ROTL, U, 0x80000001u, 1, 3), ROW(ROTL, U, 5, 32, 5), ROW(ROTR, U, 3, 1, 0x80000001u),
    ROW(ROTR, U, 3, 64, 3),
    ROW(MIN, U, ALL, 1, 1), ROW(MAX, U, ALL, 1, ALL), ROW(MIN, I, ALL, 1, ALL),
    ROW(MAX, I, ALL, 1, 1),
    ROW(MIN, I, MIN, MAX, MIN), ROW(MAX, I, MIN, MAX, MAX),
    ROW(EQ, U, 1, 1, 1), ROW(NE, U, 1, 1, 0), ROW(EQ, B, 0, 1, 0), ROW(NE, B, 0, 1, 1),
    ROW(LT, U, 1, ALL, 1), ROW(LT, I, 1, ALL, 0), ROW(LE, I, MIN, MIN, 1), ROW(LE, I, MAX, MIN, 0),
    ROW(GT, U, MIN, MAX, 1), ROW(GT, I, MIN, MAX, 0), ROW(GE, U, 0, 0, 1), ROW(GE, I, 0, 1, 0),
    ROW(LT, F, 0x3f800000, 0x40000000, 1), ROW(LT, F, 0xbf800000, 0xc0000000, 0),
    ROW(EQ, F, 0, MIN, 1), ROW(LT, F, MIN, 0, 0), ROW(LE, F, 0xff7fffff, 0x7f7fffff, 1),
    ROW(NE, F, 0x3f800000, 0x3f800001, 1), ROW(GT, F, 0x00800000, 0x80800000, 1),
    ROW(GE, F, 0xbf800000, 0x80000000, 0)
};

static void binary_edges(void)
{
    for (size_t i = 0; i < sizeof binary_cases / sizeof binary_cases[0]; i++) {
        const binary_case *r = &binary_cases[i];
        uint32_t out = 0x12345678;
        CHECK(vyi_eval_binary(r->sub, r->type, r->a, r->b, &out));
        if (out != r->result)
            test_fail(__FILE__, __LINE__, "%s of %s 0x%x, 0x%x is 0x%x, not 0x%x",
                      vyi_binary_describe(r->sub)->text, vyi_type_text(r->type), r->a, r->b, out,
                      r->result);
    }
}

static void unary_edges(void)
{
    static const struct { uint32_t sub, type, a, result; } rows[] = {
        { VYI_UNARY_NEG, U, 1, ALL }, { VYI_UNARY_NEG, I, MIN, MIN }, { VYI_UNARY_NEG, F, 0, MIN },
        { VYI_UNARY_NEG, F, 0xbf800000, 0x3f800000 }, { VYI_UNARY_NOT, U, 0, ALL },
        { VYI_UNARY_NOT, I, 5, 0u - 6 }, { VYI_UNARY_NOT, B, 1, 0 }, { VYI_UNARY_NOT, B, 0, 1 },
        { VYI_UNARY_ABS, U, ALL, ALL }, { VYI_UNARY_ABS, I, ALL, 1 },
        { VYI_UNARY_ABS, I, MIN, MIN },
        { VYI_UNARY_ABS, F, 0xc0000000, 0x40000000 }, { VYI_UNARY_SIGN, U, ALL, 1 },
        { VYI_UNARY_SIGN, U, 0, 0 }, { VYI_UNARY_SIGN, I, MIN, ALL }, { VYI_UNARY_SIGN, I, 9, 1 },
        { VYI_UNARY_POPCOUNT, U, ALL, 32 }, { VYI_UNARY_POPCOUNT, I, MIN, 1 },
        { VYI_UNARY_CLZ, U, 0, 32 }, { VYI_UNARY_CLZ, U, 1, 31 }, { VYI_UNARY_CLZ, I, MIN, 0 },
        { VYI_UNARY_CTZ, U, 0, 32 }, { VYI_UNARY_CTZ, U, MIN, 31 }, { VYI_UNARY_CTZ, I, 12, 2 },
        { VYI_UNARY_REVERSE, U, 1, MIN }, { VYI_UNARY_REVERSE, U, 0x0000ffff, 0xffff0000 },
        { VYI_UNARY_UNIFORM, I, MIN, MIN }, { VYI_UNARY_UNIFORM, F, 0x7fc00001, 0x7fc00001 },
        { VYI_UNARY_UNIFORM, B, 1, 1 }
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t out = 0x12345678;
        CHECK(vyi_eval_unary(rows[i].sub, rows[i].type, rows[i].a, &out));
        if (out != rows[i].result)
            test_fail(__FILE__, __LINE__, "%s of %s 0x%x is 0x%x, not 0x%x",
                      vyi_unary_describe(rows[i].sub)->text, vyi_type_text(rows[i].type),
                      rows[i].a, out, rows[i].result);
    }
}

static void cast_edges(void)
{
    static const struct { uint32_t to, from, a, result; } rows[] = {
        { U, U, 5, 5 }, { I, U, ALL, ALL }, { U, I, MIN, MIN }, { B, U, 256, 1 }, { B, I, MIN, 1 },
        { B, U, 0, 0 }, { B, F, 0, 0 }, { B, F, MIN, 0 }, { B, F, 0x3f000000, 1 }, { U, B, 1, 1 },
        { F, B, 1, 0x3f800000 }, { F, B, 0, 0 }, { F, U, 16777216, 0x4b800000 },
        { F, I, ALL, 0xbf800000 }, { F, I, 0, 0 }, { U, F, 0x3f7fffff, 0 }, { U, F, 0xc0000000, 0 },
        { U, F, 0x4f800000, ALL }, { U, F, 0x4f7fffff, 0xffffff00u }, { U, F, 0x40200000, 2 },
        { I, F, 0x4f000000, MAX }, { I, F, 0xcf000000, MIN }, { I, F, 0xff7fffff, MIN },
        { I, F, 0xc0200000, 0u - 2 }, { I, F, 0xbf7fffff, 0 }, { I, F, 0x7f7fffff, MAX }
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t out = 0x12345678;
        CHECK(vyi_eval_cast(rows[i].to, rows[i].from, rows[i].a, &out));
        if (out != rows[i].result)
            test_fail(__FILE__, __LINE__, "%s 0x%x as %s is 0x%x, not 0x%x",
                      vyi_type_text(rows[i].from), rows[i].a, vyi_type_text(rows[i].to), out,
                      rows[i].result);
    }
}

/* NaN, infinities, subnormals, and all that rounds. */
static void what_is_left_to_the_device(void)
{
    uint32_t out;
    CHECK(!vyi_eval_binary(VYI_BINARY_ADD, F, 0x3f800000, 0x3f800000, &out));
    CHECK(!vyi_eval_binary(VYI_BINARY_MIN, F, 0x3f800000, 0x3f800000, &out));
    CHECK(!vyi_eval_binary(VYI_BINARY_EQ, F, 0x7fc00000, 0x3f800000, &out));
    CHECK(!vyi_eval_binary(VYI_BINARY_LT, F, 0x3f800000, 0x7f800000, &out));
    CHECK(!vyi_eval_binary(VYI_BINARY_NE, F, 0x00000001, 0, &out));
    CHECK(!vyi_eval_unary(VYI_UNARY_NEG, F, 0x80000001, &out));
    CHECK(!vyi_eval_unary(VYI_UNARY_SQRT, F, 0x40800000, &out));
    CHECK(!vyi_eval_unary(VYI_UNARY_IS_NAN, F, 0x7fc00000, &out));
    CHECK(!vyi_eval_cast(F, U, 16777217, &out));
    CHECK(!vyi_eval_cast(F, I, 0u - 16777217, &out));
    CHECK(!vyi_eval_cast(U, F, 0x7fc00000, &out));
    CHECK(!vyi_eval_cast(B, F, 0x00000001, &out));
}

/* --- rewrites -------------------------------------------------------------- */

static void constants_are_folded(void)
{
    scene s = begin();
    keep(&s, vyre_ir_add(s.p, k(&s, 2), vyre_ir_mul(s.p, k(&s, 3), k(&s, 4))));
    keep(&s, vyre_ir_not(s.p, vyre_ir_lt(s.p, vyre_ir_i32(s.p, -1), vyre_ir_i32(s.p, 1))));
    keep(&s, vyre_ir_cast(s.p, VYRE_TYPE_F32, k(&s, 3)));
    keep(&s, vyre_ir_select(s.p, vyre_ir_bool(s.p, false), s.x, s.y));
    check_body(&s, "  store out[0] = 14\n"
                   "  store out[0] = 222\n"
                   "  store out[0] = 0x40400000\n"
                   "  store out[0] = y\n");
}

static void identities(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value zero = k(&s, 0), one = k(&s, 1), ones = k(&s, ALL);
    keep(&s, vyre_ir_add(p, zero, s.x));
    keep(&s, vyre_ir_sub(p, s.x, zero));
    keep(&s, vyre_ir_mul(p, one, s.x));
    keep(&s, vyre_ir_div(p, s.x, one));
    keep(&s, vyre_ir_and(p, s.x, ones));
    keep(&s, vyre_ir_or(p, s.x, zero));
    keep(&s, vyre_ir_xor(p, zero, s.x));
    keep(&s, vyre_ir_shl(p, s.x, k(&s, 64)));
    keep(&s, vyre_ir_rotr(p, s.x, zero));
    keep(&s, vyre_ir_max(p, s.x, zero));
    keep(&s, vyre_ir_min(p, s.x, s.x));
    keep(&s, vyre_ir_select(p, s.b, s.x, s.x));
    keep(&s, vyre_ir_not(p, vyre_ir_not(p, s.x)));
    keep(&s, vyre_ir_neg(p, vyre_ir_neg(p, s.x)));
    keep(&s, vyre_ir_abs(p, s.x));
    keep(&s, vyre_ir_cast(p, VYRE_TYPE_U32, s.x));
    char expected[16 * 24 + 1] = "";
    for (int i = 0; i < 16; i++)
        strcat(expected, "  store out[0] = x\n");
    check_body(&s, expected);
}

static void results_that_are_known(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value zero = k(&s, 0), one = k(&s, 1);
    keep(&s, vyre_ir_mul(p, s.x, zero));
    keep(&s, vyre_ir_and(p, zero, s.x));
    keep(&s, vyre_ir_rem(p, s.x, one));
    keep(&s, vyre_ir_rem(p, s.x, zero));
    keep(&s, vyre_ir_div(p, s.x, zero));
    keep(&s, vyre_ir_div(p, s.i, vyre_ir_i32(p, 0)));
    keep(&s, vyre_ir_sub(p, s.x, s.x));
    keep(&s, vyre_ir_xor(p, s.i, s.i));
    keep(&s, vyre_ir_or(p, s.x, k(&s, ALL)));
    keep(&s, vyre_ir_eq(p, s.x, s.x));
    keep(&s, vyre_ir_lt(p, s.i, s.i));
    keep(&s, vyre_ir_lt(p, s.x, zero));
    keep(&s, vyre_ir_ge(p, s.x, zero));
    keep(&s, vyre_ir_mul_high(p, s.x, one));
    check_body(&s, "  store out[0] = 0\n" "  store out[0] = 0\n" "  store out[0] = 0\n"
                   "  store out[0] = 0\n" "  store out[0] = 0xffffffff\n"
                   "  store out[0] = 0xffffffff\n" "  store out[0] = 0\n" "  store out[0] = 0\n"
                   "  store out[0] = 0xffffffff\n" "  store out[0] = 111\n"
                   "  store out[0] = 222\n" "  store out[0] = 222\n" "  store out[0] = 111\n"
                   "  store out[0] = 0\n");
}

/* x - x is not 0 for NaN, nor is x == x true; signed x < 0 is open. */
static void what_looks_known_and_is_not(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    keep(&s, vyre_ir_sub(p, s.f, s.f));
    keep(&s, vyre_ir_eq(p, s.f, s.f));
    keep(&s, vyre_ir_mul(p, s.f, vyre_ir_f32(p, 0.0f)));
    keep(&s, vyre_ir_not(p, vyre_ir_lt(p, s.f, s.f)));
    keep(&s, vyre_ir_lt(p, s.i, vyre_ir_i32(p, 0)));
    keep(&s, vyre_ir_div(p, s.i, vyre_ir_i32(p, 4)));
    check_body(&s, "  %2 = bitcast i32 x\n"
                   "  %3 = bitcast f32 x\n"
                   "  %4 = sub %3, %3\n"
                   "  %5 = bitcast u32 %4\n"
                   "  store out[0] = %5\n"
                   "  %7 = eq %3, %3\n"
                   "  %8 = select %7, 111, 222\n"
                   "  store out[0] = %8\n"
                   "  %10 = mul %3, 0.0\n"
                   "  %11 = bitcast u32 %10\n"
                   "  store out[0] = %11\n"
                   "  %13 = lt %3, %3\n"
                   "  %14 = select %13, 222, 111\n"
                   "  store out[0] = %14\n"
                   "  %16 = lt %2, 0i\n"
                   "  %17 = select %16, 111, 222\n"
                   "  store out[0] = %17\n"
                   "  %19 = div %2, 4i\n"
                   "  %20 = bitcast u32 %19\n"
                   "  store out[0] = %20\n");
}

static void powers_of_two(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    keep(&s, vyre_ir_mul(p, k(&s, 16), s.x));
    keep(&s, vyre_ir_div(p, s.x, k(&s, 0x80000000u)));
    keep(&s, vyre_ir_rem(p, s.x, k(&s, 64)));
    keep(&s, vyre_ir_div(p, s.x, k(&s, 10)));
    keep(&s, vyre_ir_mul(p, s.x, k(&s, 3)));
    check_body(&s, "  %2 = shl x, 4\n"
                   "  store out[0] = %2\n"
                   "  %4 = shr x, 31\n"
                   "  store out[0] = %4\n"
                   "  %6 = and x, 63\n"
                   "  store out[0] = %6\n"
                   "  %8 = div x, 10\n"
                   "  store out[0] = %8\n"
                   "  %10 = mul x, 3\n"
                   "  store out[0] = %10\n");
}

static void sums_of_constants(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value sum = vyre_ir_add(p, k(&s, 3), vyre_ir_add(p, s.x, k(&s, 4)));
    keep(&s, sum);
    keep(&s, vyre_ir_add(p, sum, k(&s, 0u - 7)));
    check_body(&s, "  %2 = add x, 7\n"
                   "  store out[0] = %2\n"
                   "  store out[0] = x\n");
}

static void opposites(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    keep(&s, vyre_ir_not(p, vyre_ir_eq(p, s.x, s.y)));
    keep(&s, vyre_ir_not(p, vyre_ir_lt(p, s.x, s.y)));
    keep(&s, vyre_ir_not(p, vyre_ir_eq(p, s.f, vyre_ir_f32(p, 1))));
    keep(&s, vyre_ir_eq(p, s.b, vyre_ir_bool(p, true)));
    keep(&s, vyre_ir_xor(p, s.b, vyre_ir_bool(p, true)));
    keep(&s, vyre_ir_or(p, s.b, vyre_ir_bool(p, true)));
    check_body(&s, "  %2 = cast bool x\n"
                   "  %3 = bitcast f32 x\n"
                   "  %4 = ne x, y\n"
                   "  %5 = select %4, 111, 222\n"
                   "  store out[0] = %5\n"
                   "  %7 = ge x, y\n"
                   "  %8 = select %7, 111, 222\n"
                   "  store out[0] = %8\n"
                   "  %10 = ne %3, 1.0\n"
                   "  %11 = select %10, 111, 222\n"
                   "  store out[0] = %11\n"
                   "  %13 = select %2, 111, 222\n"
                   "  store out[0] = %13\n"
                   "  %15 = select %2, 222, 111\n"
                   "  store out[0] = %15\n"
                   "  store out[0] = 111\n");
}

/* Within dominance: an arm sees what stands before its block, and nothing of
 * the other arm. */
static void common_subexpressions(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    keep(&s, vyre_ir_add(p, s.x, s.y));
    vyre_ir_if(p, s.b);
    keep(&s, vyre_ir_add(p, s.y, s.x));
    keep(&s, vyre_ir_mul(p, s.x, s.y));
    vyre_ir_else(p);
    keep(&s, vyre_ir_mul(p, s.x, s.y));
    vyre_ir_end(p);
    keep(&s, vyre_ir_mul(p, s.y, s.x));
    keep(&s, vyre_ir_sub(p, s.x, s.y));
    keep(&s, vyre_ir_sub(p, s.y, s.x));
    check_body(&s, "  %2 = cast bool x\n"
                   "  %3 = add x, y\n"
                   "  store out[0] = %3\n"
                   "  if %2 {\n"
                   "    store out[0] = %3\n"
                   "    %7 = mul x, y\n"
                   "    store out[0] = %7\n"
                   "  } else {\n"
                   "    %10 = mul x, y\n"
                   "    store out[0] = %10\n"
                   "  }\n"
                   "  %13 = mul x, y\n"
                   "  store out[0] = %13\n"
                   "  %15 = sub x, y\n"
                   "  store out[0] = %15\n"
                   "  %17 = sub y, x\n"
                   "  store out[0] = %17\n");
}

/* All three operands count. */
static void third_operands(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value z = vyre_ir_not(p, s.y);
    keep(&s, vyre_ir_select(p, s.b, s.x, s.y));
    keep(&s, vyre_ir_select(p, s.b, s.x, z));
    keep(&s, vyre_ir_select(p, s.b, s.x, s.y));
    keep(&s, vyre_ir_select(p, vyre_ir_not(p, s.b), z, s.x));
    check_body(&s, "  %2 = cast bool x\n"
                   "  %3 = not y\n"
                   "  %4 = select %2, x, y\n"
                   "  store out[0] = %4\n"
                   "  %6 = select %2, x, %3\n"
                   "  store out[0] = %6\n"
                   "  store out[0] = %4\n"
                   "  store out[0] = %6\n");
}

static void ids_are_merged_and_limits_are_not(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    for (int i = 0; i < 2; i++) {
        keep(&s, vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X));
        keep(&s, vyre_ir_length(p, s.out));
        keep(&s, vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT));
        keep(&s, vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_CUT));
    }
    vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT);
    check_body(&s, "  %2 = global_id.x\n"
                   "  store out[0] = %2\n"
                   "  %4 = length out\n"
                   "  store out[0] = %4\n"
                   "  %6 = loop_left\n"
                   "  store out[0] = %6\n"
                   "  %8 = loop_cut\n"
                   "  %9 = select %8, 111, 222\n"
                   "  store out[0] = %9\n"
                   "  store out[0] = %2\n"
                   "  store out[0] = %4\n"
                   "  %13 = loop_left\n"
                   "  store out[0] = %13\n"
                   "  %15 = loop_cut\n"
                   "  %16 = select %15, 111, 222\n"
                   "  store out[0] = %16\n");
}

static void length_of_an_array(void)
{
    scene s = begin();
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.access = VYRE_ACCESS_WORKGROUP;
    desc.count = 12;
    keep(&s, vyre_ir_length(s.p, vyre_ir_buffer(s.p, &desc)));
    check_body(&s, "  store out[0] = 12\n");
}

static void dead_values_and_locals(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_local unread = vyre_ir_local(p, VYRE_TYPE_U32, s.x, "unread");
    vyre_local constant = vyre_ir_local(p, VYRE_TYPE_U32, s.y, "constant");
    vyre_local live = vyre_ir_local(p, VYRE_TYPE_U32, k(&s, 5), "live");
    vyre_ir_mul(p, s.x, s.y);
    vyre_ir_if(p, s.b);
    vyre_ir_set(p, unread, s.y);
    vyre_ir_get(p, live);
    vyre_ir_comment(p, "nothing");
    vyre_ir_end(p);
    vyre_ir_if(p, s.c);
    vyre_ir_set(p, live, vyre_ir_get(p, constant));
    vyre_ir_else(p);
    vyre_ir_set(p, unread, s.y);
    vyre_ir_end(p);
    vyre_ir_comment(p, "kept");
    keep(&s, vyre_ir_get(p, live));
    check_body(&s, "  %2 = cast bool y\n"
                   "  local $1 live: u32 = 5\n"
                   "  if %2 {\n"
                   "    set $1 live = y\n"
                   "  }\n"
                   "  # kept\n"
                   "  %8 = get $1 live\n"
                   "  store out[0] = %8\n");
}

/* A set may stand between, or come round a loop. */
static void gets_are_not_merged(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_local l = vyre_ir_local(p, VYRE_TYPE_U32, s.x, "l");
    vyre_ir_forever(p);
    keep(&s, vyre_ir_get(p, l));
    vyre_ir_set(p, l, s.y);
    keep(&s, vyre_ir_get(p, l));
    vyre_ir_end(p);
    check_body(&s, "  local $1 l: u32 = x\n"
                   "  forever, in rounds {\n"
                   "    %4 = get $1 l\n"
                   "    store out[0] = %4\n"
                   "    set $1 l = y\n"
                   "    %7 = get $1 l\n"
                   "    store out[0] = %7\n"
                   "  }\n");
}

static void constant_ifs(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    for (int taken = 0; taken < 2; taken++) {
        vyre_ir_if(p, vyre_ir_bool(p, taken));
        keep(&s, vyre_ir_add(p, s.x, s.y));
        vyre_ir_else(p);
        keep(&s, vyre_ir_sub(p, s.x, s.y));
        vyre_ir_end(p);
    }
    vyre_ir_if(p, vyre_ir_gt(p, k(&s, 1), k(&s, 2)));
    keep(&s, s.x);
    vyre_ir_end(p);
    /* What stood in a folded arm is visible behind it. */
    keep(&s, vyre_ir_add(p, s.x, s.y));
    check_body(&s, "  %2 = sub x, y\n"
                   "  store out[0] = %2\n"
                   "  %4 = add x, y\n"
                   "  store out[0] = %4\n"
                   "  store out[0] = %4\n");
}

static void constant_switches(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    static const uint32_t values[] = { 7, 9, 100 };
    for (int with_default = 0; with_default < 2; with_default++) {
        for (int i = 0; i < 3; i++) {
            vyre_ir_switch(p, k(&s, values[i]));
            if (with_default) {
                vyre_ir_default(p);
                keep(&s, k(&s, 1000));
            }
            vyre_ir_case(p, 7);
            keep(&s, k(&s, 77));
            vyre_ir_case(p, 9);
            keep(&s, k(&s, 99));
            vyre_ir_end(p);
        }
    }
    check_body(&s, "  store out[0] = 77\n"
                   "  store out[0] = 99\n"
                   "  store out[0] = 77\n"
                   "  store out[0] = 99\n"
                   "  store out[0] = 1000\n");
}

static void arms_that_leave(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_ir_loop(p, s.x, s.y);
    vyre_ir_if(p, s.b);
    vyre_ir_if(p, vyre_ir_bool(p, true));
    vyre_ir_switch(p, k(&s, 3));
    vyre_ir_case(p, 3);
    vyre_ir_break(p);
    vyre_ir_comment(p, "behind");
    vyre_ir_default(p);
    keep(&s, s.x);
    vyre_ir_end(p);
    keep(&s, s.x); /* never reached */
    vyre_ir_if(p, s.c);
    keep(&s, s.x);
    vyre_ir_else(p);
    vyre_ir_continue(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    keep(&s, s.x);
    vyre_ir_else(p);
    keep(&s, s.y);
    vyre_ir_end(p);
    keep(&s, k(&s, 1));
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_bool(p, true));
    vyre_ir_return(p);
    vyre_ir_end(p);
    keep(&s, k(&s, 2));
    check_body(&s, "  %2 = cast bool x\n"
                   "  %3 = loop x .. y {\n"
                   "    if %2 {\n"
                   "      break\n"
                   "    } else {\n"
                   "      store out[0] = y\n"
                   "    }\n"
                   "    store out[0] = 1\n"
                   "  }\n"
                   "  return\n");
}

/* A loop counts its iterations, so it stays even when it is empty. */
static void loops(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_ir_loop(p, k(&s, 5), k(&s, 5));
    keep(&s, s.x);
    vyre_ir_forever(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_loop(p, k(&s, 0), k(&s, 3));
    vyre_ir_end(p);
    vyre_ir_loop(p, s.x, k(&s, 0));
    vyre_ir_mul(p, s.x, s.y);
    vyre_ir_end(p);
    vyre_ir_loop_allow(p, k(&s, 9));
    check_body(&s, "  %2 = loop 0 .. 3 {\n"
                   "  }\n"
                   "  %4 = loop x .. 0 {\n"
                   "  }\n"
                   "  loop_allow 9\n");
}

static void names_follow_their_values(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value a = vyre_ir_add(p, s.x, s.y);
    vyre_value b = vyre_ir_name(p, vyre_ir_add(p, s.y, s.x), "sum");
    vyre_ir_name(p, vyre_ir_add(p, k(&s, 1), k(&s, 1)), "two");
    vyre_ir_name(p, vyre_ir_mul(p, a, b), "dead");
    vyre_value five = vyre_ir_name(p, k(&s, 5), "five");
    keep(&s, vyre_ir_sub(p, b, five));
    vyre_value i = vyre_ir_name(p, vyre_ir_loop(p, s.x, s.y), "counter");
    keep(&s, i);
    vyre_ir_end(p);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
    CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
    char *text = body_of(p);
    const char *expected = "  %2 five = 5\n"
                           "  %3 = load out[0]\n"
                           "  %4 = load out[0]\n"
                           "  %5 sum = add %3, %4\n"
                           "  %6 = sub %5, %2\n"
                           "  store out[0] = %6\n"
                           "  %8 counter = loop %3 .. %4 {\n"
                           "    store out[0] = %8\n"
                           "  }\n";
    if (strcmp(text, expected) != 0)
        test_fail(__FILE__, __LINE__, "the listing is\n%snot\n%s", text, expected);
    free(text);
    vyre_program_destroy(p);
}

/* --- what is never done ----------------------------------------------------- */

/* Two of each, next to each other and unused. */
static void effects_stay(void)
{
    scene s = begin();
    vyre_program *p = s.p;
    vyre_value zero = k(&s, 0);
    for (int i = 0; i < 2; i++) {
        vyre_ir_load(p, s.out, zero);
        vyre_ir_store(p, s.out, zero, zero);
        vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s.out, zero, zero, VYRE_ORDER_RELAXED);
        vyre_ir_atomic_cas(p, s.out, zero, zero, zero, VYRE_ORDER_ACQUIRE);
        vyre_ir_atomic_load(p, s.out, zero, VYRE_ORDER_RELAXED);
        vyre_ir_atomic_store(p, s.out, zero, zero, VYRE_ORDER_RELEASE);
        vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
        vyre_ir_ballot(p, s.b);
        vyre_ir_elect(p);
        vyre_ir_any(p, s.b);
        vyre_ir_all(p, s.b);
        vyre_ir_broadcast_first(p, zero);
        vyre_ir_shuffle(p, zero, zero);
        vyre_ir_reduce(p, VYRE_REDUCE_ADD, zero);
    }
    const char *const effects = "  %N = load out[0]\n"
                                "  store out[0] = 0\n"
                                "  %N = atomic add out[0], 0 relaxed\n"
                                "  %N = atomic_cas out[0], 0, 0 acquire\n"
                                "  %N = atomic_load out[0] relaxed\n"
                                "  atomic_store out[0] = 0 release\n"
                                "  barrier workgroup acq_rel\n"
                                "  %N = ballot %2\n"
                                "  %N = elect\n"
                                "  %N = any %2\n"
                                "  %N = all %2\n"
                                "  %N = broadcast_first 0\n"
                                "  %N = shuffle 0, 0\n"
                                "  %N = reduce add 0\n";
    char expected[2048];
    size_t length = (size_t)sprintf(expected, "  %%2 = cast bool x\n");
    unsigned number = 3;
    for (int i = 0; i < 2; i++) {
        for (const char *at = effects; *at; at++) {
            if (at[0] == '%' && at[1] == 'N') {
                length += (size_t)sprintf(expected + length, "%%%u", number);
                at++;
            } else {
                expected[length++] = *at;
                number += *at == '\n';
            }
        }
    }
    expected[length] = '\0';
    check_body(&s, expected);
}

static bool has_effect(const vyi_inst *inst)
{
    return (vyi_op_describe(inst->op)->flags & (VYI_OP_MEMORY | VYI_OP_GROUP)) != 0 ||
           inst->op == VYI_OP_LOOP_ALLOW;
}

/* What each effect is; of memory, on which buffer. */
static uint64_t effect_of(const vyi_inst *inst)
{
    const bool memory = (vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY) != 0;
    return (uint64_t)inst->op | (uint64_t)inst->sub << 8 | (uint64_t)inst->order << 16 |
           (uint64_t)inst->type << 24 | (uint64_t)(memory ? inst->arg[0] : 0) << 32;
}

/* The effects of a program, in order. */
static uint64_t *effects_of(const vyre_program *p, uint32_t *count)
{
    uint64_t *list = (uint64_t *)malloc((p->count + 1u) * sizeof *list);
    *count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (has_effect(&p->insts[i]))
            list[(*count)++] = effect_of(&p->insts[i]);
    }
    return list;
}

static bool has_constant_branch(const vyre_program *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t op = p->insts[i].op;
        if ((op == VYI_OP_IF || op == VYI_OP_SWITCH || op == VYI_OP_LOOP) &&
            vyi_definition(p, p->insts[i].arg[0])->op == VYI_OP_CONST)
            return true;
    }
    return false;
}

/* The effects of `part` are some of those of `whole`, in the same order. */
static bool is_part(const uint64_t *part, uint32_t parts, const uint64_t *whole, uint32_t wholes)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < wholes && at < parts; i++)
        at += part[at] == whole[i];
    return at == parts;
}

static void run_program(const vyre_program *p, const gen_shape *shape, gen_memory *m)
{
    vyre_interp_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = m->buffers;
    desc.sizes = m->sizes;
    desc.buffer_count = shape->buffer_count;
    if (vyre_interpret(p, &desc, &err) < 0)
        test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)shape->seed, err.text);
}

static void compare_runs(const vyre_program *plain, const vyre_program *optimized,
                         const gen_shape *shape)
{
    gen_memory a = gen_memory_make(shape), b = gen_memory_make(shape);
    uint32_t binding;
    size_t at;
    run_program(plain, shape, &a);
    run_program(optimized, shape, &b);
    if (gen_memory_differs(&a, &b, &binding, &at))
        test_fail(__FILE__, __LINE__, "seed 0x%llx: binding %u differs at byte %llu",
                  (unsigned long long)shape->seed, (unsigned)binding, (unsigned long long)at);
    gen_memory_free(&a);
    gen_memory_free(&b);
}

static struct {
    uint64_t before, after, fixed; /* instructions; programs whose branches are all open */
} totals;

static void one_random_program(uint64_t seed, unsigned flags)
{
    gen_shape shape;
    vyre_error err;
    vyre_program *plain = gen_program(seed, flags, NULL, &shape);
    vyre_program *optimized = gen_program(seed, flags, NULL, &shape);
    CHECK_EQ(vyre_program_optimize(optimized, &err), VYRE_OK);
    if (vyi_program_check(optimized, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)seed, err.text);

    uint32_t before, after;
    uint64_t *old_effects = effects_of(plain, &before), *effects = effects_of(optimized, &after);
    if (!is_part(effects, after, old_effects, before))
        test_fail(__FILE__, __LINE__, "seed 0x%llx: effects moved", (unsigned long long)seed);
    /* Where no branch was decided, not one is missing. */
    if (before == after)
        totals.fixed++;
    CHECK(!has_constant_branch(optimized) || after <= before);
    free(old_effects);
    free(effects);

    totals.before += plain->count;
    totals.after += optimized->count;
    compare_runs(plain, optimized, &shape);

    /* Once more: nothing is undone, and it still agrees. */
    const uint32_t count = optimized->count;
    CHECK_EQ(vyre_program_optimize(optimized, &err), VYRE_OK);
    CHECK(optimized->count <= count);
    CHECK_EQ(vyi_program_check(optimized, NULL), VYRE_OK);
    vyre_program_destroy(plain);
    vyre_program_destroy(optimized);
}

static void random_programs_do_the_same(void)
{
    static const unsigned flags[] = { GEN_INTEGERS, GEN_ALL, GEN_INTEGERS | GEN_SUBGROUPS, 0,
                                      GEN_ALL | GEN_LARGE };
    const char *count_text = getenv("TEST_COUNT");
    const uint32_t count = count_text ? (uint32_t)atoi(count_text) : 2000;
    uint64_t seed = test_seed(0x0071);
    for (uint32_t i = 0; i < count; i++)
        one_random_program(test_random(&seed), flags[i % 5]);
    CHECK(totals.after < totals.before);
    printf("NOTE %u programs, %llu instructions before, %llu after\n", (unsigned)count,
           (unsigned long long)totals.before, (unsigned long long)totals.after);
}

/* --- states and memory ------------------------------------------------------ */

static void only_finished_programs(void)
{
    vyre_error err;
    CHECK_EQ(vyre_program_optimize(NULL, &err), VYRE_E_ARGUMENT);
    vyre_program *p = vyre_program_create(NULL, NULL);
    CHECK_EQ(vyre_program_optimize(p, &err), VYRE_E_IR_UNFINISHED);
    CHECK(err.fix[0]);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK); /* nothing in it */
    CHECK_EQ(vyre_program_instruction_count(p), 0);
    vyre_program_destroy(p);
}

static vyre_status optimize_with(const vyre_allocator *allocator, void *user)
{
    (void)user;
    gen_shape shape;
    const vyre_allocator *host = allocator;
    oom_state *state = (oom_state *)host->user;
    /* Only the optimizer's own allocations are to fail. */
    const uint64_t fail_at = state->fail_at;
    state->fail_at = 0;
    vyre_program *p = gen_program(0x00f, GEN_ALL | GEN_LARGE, allocator, &shape);
    CHECK(p);
    const uint64_t hash = vyre_program_hash(p);
    /* The instruction array has no room to grow: that allocation fails, too. */
    p->insts = (vyi_inst *)vyi_resize(allocator, p->insts, p->capacity * sizeof *p->insts,
                                      p->count * sizeof *p->insts);
    p->capacity = p->count;
    state->calls = 0;
    state->fail_at = fail_at;
    const vyre_status status = vyre_program_optimize(p, NULL);
    if (status != VYRE_OK) {
        CHECK_EQ(vyre_program_hash(p), hash);
        CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
    }
    vyre_program_destroy(p);
    return status;
}

static void without_memory(void)
{
    CHECK(oom_each(optimize_with, NULL) >= 1);
}

/* A program that grows by one constant, in an array that is full. */
static vyre_status grow_with(const vyre_allocator *allocator, void *user)
{
    (void)user;
    oom_state *state = (oom_state *)allocator->user;
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.allocator = *allocator;
    const uint64_t fail_at = state->fail_at;
    state->fail_at = 0;
    scene s = begin();
    vyre_program_destroy(s.p);
    vyre_program *p = vyre_program_create(&desc, NULL);
    vyre_buffer_desc buffer;
    memset(&buffer, 0, sizeof buffer);
    vyre_buffer out = vyre_ir_buffer(p, &buffer);
    vyre_value eight = vyre_ir_u32(p, 8), x = vyre_ir_load(p, out, eight);
    vyre_ir_store(p, out, eight, vyre_ir_mul(p, x, eight));
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    p->insts = (vyi_inst *)vyi_resize(allocator, p->insts, p->capacity * sizeof *p->insts,
                                      p->count * sizeof *p->insts);
    p->capacity = p->count;
    const uint64_t hash = vyre_program_hash(p);
    state->calls = 0;
    state->fail_at = fail_at;
    const vyre_status status = vyre_program_optimize(p, NULL);
    state->fail_at = 0;
    if (status == VYRE_OK)
        CHECK_EQ(vyre_program_instruction_count(p), 5);
    else
        CHECK_EQ(vyre_program_hash(p), hash);
    state->fail_at = fail_at;
    vyre_program_destroy(p);
    return status;
}

static void growing_without_memory(void)
{
    CHECK_EQ(oom_each(grow_with, NULL), 2);
}

/* A program that is as long as one may be, and would need one constant more. */
static void full_programs(void)
{
    for (uint32_t room = 0; room < 2; room++) {
        vyre_buffer_desc desc;
        memset(&desc, 0, sizeof desc);
        vyre_program *p = vyre_program_create(NULL, NULL);
        vyre_buffer out = vyre_ir_buffer(p, &desc);
        vyre_value eight = vyre_ir_u32(p, 8), x = vyre_ir_load(p, out, eight);
        while (vyre_program_instruction_count(p) < VYRE_MAX_INSTRUCTIONS - 2 - room)
            x = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, out, eight, x, VYRE_ORDER_RELAXED);
        vyre_ir_store(p, out, eight, vyre_ir_mul(p, x, eight));
        CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
        const uint64_t hash = vyre_program_hash(p);
        CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
        CHECK_EQ(vyre_program_instruction_count(p), VYRE_MAX_INSTRUCTIONS);
        CHECK_EQ(vyre_program_hash(p) == hash, room == 0);
        CHECK_EQ(vyi_program_check(p, NULL), VYRE_OK);
        vyre_program_destroy(p);
    }
}

int main(void)
{
    RUN(binary_edges);
    RUN(unary_edges);
    RUN(cast_edges);
    RUN(what_is_left_to_the_device);
    RUN(constants_are_folded);
    RUN(identities);
    RUN(results_that_are_known);
    RUN(what_looks_known_and_is_not);
    RUN(powers_of_two);
    RUN(sums_of_constants);
    RUN(opposites);
    RUN(common_subexpressions);
    RUN(third_operands);
    RUN(ids_are_merged_and_limits_are_not);
    RUN(length_of_an_array);
    RUN(dead_values_and_locals);
    RUN(gets_are_not_merged);
    RUN(constant_ifs);
    RUN(constant_switches);
    RUN(arms_that_leave);
    RUN(loops);
    RUN(names_follow_their_values);
    RUN(effects_stay);
    RUN(random_programs_do_the_same);
    RUN(only_finished_programs);
    RUN(without_memory);
    RUN(growing_without_memory);
    RUN(full_programs);
    return test_end();
}

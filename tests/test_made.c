/* Calls that are made of other instructions, and f16: against plain C, on the interpreter,
 * on the interpreter after the optimizer, and on a Vulkan device where there is one. */
#include "dispatch.h"

#include <math.h>

#define U VYRE_TYPE_U32
#define I VYRE_TYPE_I32
#define F VYRE_TYPE_F32

enum { MOST = 1 << 17, INPUTS = 3, LANES = 64 };

typedef struct words {
    uint32_t in[INPUTS][MOST], out[MOST];
    uint32_t count;
} words;

typedef vyre_value (*build_fn)(vyre_program *p, const vyre_value in[INPUTS]);
typedef uint32_t (*want_fn)(uint32_t a, uint32_t b, uint32_t c);

static words w;

static float as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

/* --- running ------------------------------------------------------------- */

/* Element i of the inputs, as `type`; what `build` makes of them, as a word. */
static vyre_program *program_of(build_fn build, vyre_type type)
{
    vyre_program *p = vyre_program_create(NULL, &err);
    const vyre_buffer out = buffer(p, 0, U);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    vyre_value in[INPUTS];
    for (uint32_t k = 0; k < INPUTS; k++) {
        const vyre_buffer from = buffer(p, k + 1, U);
        in[k] = vyre_ir_bitcast(p, type, vyre_ir_load(p, from, i));
    }
    vyre_ir_store(p, out, i, vyre_ir_bitcast(p, U, build(p, in)));
    finish(p);
    return p;
}

static bool run(const vyre_program *p, bool device)
{
    void *buffers[INPUTS + 1] = { w.out, w.in[0], w.in[1], w.in[2] };
    const size_t size = w.count * 4u, sizes[INPUTS + 1] = { size, size, size, size };
    const uint32_t groups = (w.count + LANES - 1) / LANES;
    memset(w.out, 0xa5, size);
    if (device)
        return dispatch(p, groups, buffers, sizes, INPUTS + 1);
    interpret(p, groups, buffers, sizes, INPUTS + 1);
    return true;
}

static bool is_nan(uint32_t bits)
{
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

static void same(const char *name, const char *where, want_fn want, bool f32)
{
    for (uint32_t i = 0; i < w.count; i++) {
        const uint32_t a = w.in[0][i], b = w.in[1][i], c = w.in[2][i], right = want(a, b, c);
        if (w.out[i] != right && !(f32 && is_nan(right) && is_nan(w.out[i])) &&
            !(f32 && ((right | w.out[i]) & 0x7fffffffu) == 0))
            test_fail(__FILE__, __LINE__, "%s(0x%08x, 0x%08x, 0x%08x) %s is 0x%08x, not 0x%08x",
                      name, a, b, c, where, w.out[i], right);
    }
}

/* A result that is an f32 may be another NaN, and a zero of the other sign. */
static void check_all(const char *name, build_fn build, vyre_type type, want_fn want, bool f32)
{
    vyre_program *p = program_of(build, type);
    run(p, false);
    same(name, "by the interpreter", want, f32);
    CHECK_EQ(vyre_program_optimize(p, &err), VYRE_OK);
    run(p, false);
    same(name, "optimized", want, f32);
    if (run(p, true))
        same(name, "on the device", want, f32);
    vyre_program_destroy(p);
}

static void put(uint32_t a, uint32_t b, uint32_t c)
{
    CHECK(w.count < MOST);
    w.in[0][w.count] = a;
    w.in[1][w.count] = b;
    w.in[2][w.count++] = c;
}

/* --- f16 ----------------------------------------------------------------- */

static double half_value(uint32_t h)
{
    const uint32_t exponent = h >> 10 & 31, digits = h & 1023;
    return exponent ? ldexp(1024 + digits, (int)exponent - 25) : ldexp(digits, -24);
}

static uint32_t want_unpack(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t sign = (a & 0x8000u) << 16, size = a & 0x7fffu;
    (void)b, (void)c;
    if (size > 0x7c00)
        return 0x7fc00000u;
    return sign | (size == 0x7c00 ? 0x7f800000u : bits_of((float)half_value(size)));
}

static vyre_value build_unpack(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_unpack_half(p, in[0]);
}

static void every_half_unpacks(void)
{
    uint64_t random = test_seed(0x68616c66u);
    w.count = 0;
    for (uint32_t h = 0; h < 65536; h++)
        put(h | (uint32_t)test_random(&random) << 16, 0, 0);
    check_all("unpack_half", build_unpack, U, want_unpack, true);
}

/* The nearest one, by its distance alone. */
static uint32_t nearest_half(uint32_t bits)
{
    const double x = fabs((double)as_float(bits));
    uint32_t low = 0, high = 0x7c00;
    if (is_nan(bits))
        return 0x7e00;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (half_value(middle) <= x)
            low = middle;
        else
            high = middle;
    }
    const double up = high == 0x7c00 ? 65536.0 : half_value(high);
    const double below = x - half_value(low), above = up - x;
    const bool take = above < below || (above == below && (low & 1));
    return (take || x >= 65536.0 ? high : low) | (bits >> 16 & 0x8000u);
}

static uint32_t want_pack(uint32_t a, uint32_t b, uint32_t c)
{
    (void)c;
    return nearest_half(a) | nearest_half(b) << 16;
}

static vyre_value build_pack(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_pack_half(p, in[0], in[1]);
}

/* Subnormal numbers come as 0 where a device says so, which is what they round to. */
static void all_halves_and_what_is_between_pack(void)
{
    uint64_t random = test_seed(0x7061636bu);
    w.count = 0;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double next = h == 0x7bff ? 65536.0 : half_value(h + 1);
        const uint32_t exact = bits_of((float)half_value(h));
        const uint32_t middle = bits_of((float)((half_value(h) + next) / 2));
        put(exact, middle | 0x80000000u, 0);
        put(middle - 1, middle + 1, 0);
    }
    put(0x7f800000u, 0xff800000u, 0);
    put(0x7fc00000u, 0xffc00001u, 0);
    put(0x7f7fffffu, 0x80000000u, 0);
    for (uint32_t i = 0; i < 4096; i++) {
        const uint32_t x = (uint32_t)test_random(&random), y = (uint32_t)test_random(&random);
        put(is_nan(x) || (x & 0x7f800000u) == 0 ? 0 : x, 0x38000000u + (y >> 5), 0);
    }
    check_all("pack_half", build_pack, F, want_pack, false);
}

/* --- numbers ------------------------------------------------------------- */

static const uint32_t edges[] = {
    0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7f7f7f7f, 0x80808080u, 0x80ff017fu,
    0x7fffffff, 0x80000000u, 0x80000001u, 0xfffffffeu, 0xffffffffu, 0x12345678
};
static const uint32_t floats[] = {
    0, 0x80000000u, 0x3f000000, 0xbf000000u, 0x3effffff, 0xbeffffffu, 0x3fc00000, 0xbfc00000u,
    0x40200000, 0xc0200000u, 0x4affffff, 0xcaffffffu, 0x4b000001, 0x4b800000, 0x7f7fffff,
    0x7f800000, 0xff800000u, 0x7fc00000, 0x3f800000, 0xbf800000u
};

static void put_all(const uint32_t *at, uint32_t n)
{
    w.count = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t k = 0; k < n; k++)
                put(at[i], at[j], at[k]);
}
#define PUT_ALL(list) put_all(list, (uint32_t)(sizeof list / sizeof list[0]))

static vyre_value build_clamp(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_clamp(p, in[0], in[1], in[2]);
}

static uint32_t want_clamp_u32(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t most = a > b ? a : b;
    return most < c ? most : c;
}

static uint32_t want_clamp_i32(uint32_t a, uint32_t b, uint32_t c)
{
    const int32_t most = (int32_t)a > (int32_t)b ? (int32_t)a : (int32_t)b;
    return (uint32_t)(most < (int32_t)c ? most : (int32_t)c);
}

static uint32_t want_clamp_f32(uint32_t a, uint32_t b, uint32_t c)
{
    return bits_of(fminf(fmaxf(as_float(a), as_float(b)), as_float(c)));
}

static vyre_value build_round(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_round_away(p, in[0]);
}

static uint32_t want_round(uint32_t a, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    return bits_of(roundf(as_float(a)));
}

static vyre_value build_mix(vyre_program *p, const vyre_value in[INPUTS])
{
    const vyre_value quarter = vyre_ir_f32(p, 0.25f);
    return vyre_ir_mix(p, in[0], in[1], quarter);
}

static uint32_t want_mix(uint32_t a, uint32_t b, uint32_t c)
{
    (void)c;
    return bits_of(as_float(a) * 0.75f + as_float(b) * 0.25f);
}

static void numbers_are_clamped_and_rounded(void)
{
    PUT_ALL(edges);
    check_all("clamp", build_clamp, U, want_clamp_u32, false);
    check_all("clamp", build_clamp, I, want_clamp_i32, false);
    PUT_ALL(floats);
    check_all("clamp", build_clamp, F, want_clamp_f32, true);
    w.count = 20;
    for (uint32_t i = 0; i < 20; i++)
        w.in[0][i] = floats[i];
    check_all("round_away", build_round, F, want_round, true);
    for (uint32_t i = 0; i < 20; i++) {
        w.in[0][i] = bits_of((float)i - 7);
        w.in[1][i] = bits_of(3 * (float)i);
    }
    check_all("mix", build_mix, F, want_mix, true);
}

/* --- four bytes ----------------------------------------------------------- */

static vyre_value build_udot(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_udot4(p, in[0], in[1]);
}

static vyre_value build_sdot(vyre_program *p, const vyre_value in[INPUTS])
{
    return vyre_ir_sdot4(p, in[0], in[1]);
}

static uint32_t want_udot(uint32_t a, uint32_t b, uint32_t c)
{
    (void)c;
    return (a & 255) * (b & 255) + (a >> 8 & 255) * (b >> 8 & 255) +
           (a >> 16 & 255) * (b >> 16 & 255) + (a >> 24) * (b >> 24);
}

static uint32_t want_sdot(uint32_t a, uint32_t b, uint32_t c)
{
    int32_t sum = 0;
    (void)c;
    for (int i = 0; i < 32; i += 8)
        sum += (int32_t)(int8_t)(a >> i & 255) * (int8_t)(b >> i & 255);
    return (uint32_t)sum;
}

static void dot_products(void)
{
    uint64_t random = test_seed(0x646f7434u);
    PUT_ALL(edges);
    for (uint32_t i = 0; i < 4096; i++)
        put((uint32_t)test_random(&random), (uint32_t)test_random(&random), 0);
    check_all("udot4", build_udot, U, want_udot, false);
    check_all("udot4", build_udot, I, want_udot, false);
    check_all("sdot4", build_sdot, U, want_sdot, false);
    check_all("sdot4", build_sdot, I, want_sdot, false);
}

/* --- bytes of memory ------------------------------------------------------ */

enum { BYTES = 44, LOADS = 4 };

/* Lane i loads at byte places[i], all four ways; the elements are `type`. */
static vyre_program *loads_of(vyre_type type)
{
    vyre_program *p = vyre_program_create(NULL, &err);
    const vyre_buffer out = buffer(p, 0, U), from = buffer(p, 1, type), places = buffer(p, 2, U);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value byte = vyre_ir_load(p, places, i);
    const vyre_value first = vyre_ir_mul(p, i, vyre_ir_u32(p, LOADS));
    for (uint32_t k = 0; k < LOADS; k++) {
        const vyre_value loaded = k == 0   ? vyre_ir_load_u8(p, from, byte)
                                  : k == 1 ? vyre_ir_load_i8(p, from, byte)
                                  : k == 2 ? vyre_ir_load_u16(p, from, byte)
                                           : vyre_ir_load_i16(p, from, byte);
        const vyre_value at = vyre_ir_add(p, first, vyre_ir_u32(p, k));
        vyre_ir_store(p, out, at, vyre_ir_cast(p, U, loaded));
    }
    finish(p);
    return p;
}

static uint32_t want_load(const uint8_t *bytes, uint32_t at, uint32_t k)
{
    const uint32_t even = at & ~1u;
    if (at >= BYTES)
        return 0;
    const uint32_t half = bytes[even] | (uint32_t)bytes[even + 1] << 8;
    switch (k) {
    case 0:  return bytes[at];
    case 1:  return (uint32_t)(int32_t)(int8_t)bytes[at];
    case 2:  return half;
    default: return (uint32_t)(int32_t)(int16_t)half;
    }
}

static void loads_on(bool device)
{
    uint8_t bytes[BYTES];
    uint32_t places[LANES], out[LANES * LOADS];
    void *buffers[3] = { out, bytes, places };
    const size_t sizes[3] = { sizeof out, sizeof bytes, sizeof places };
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 37 + 100);
    for (uint32_t i = 0; i < LANES; i++)
        places[i] = i < 60 ? i : 0xffffffffu - (i - 60) * 0x40000000u;
    for (uint32_t turn = 0; turn < 3; turn++) {
        vyre_program *p = loads_of(turn == 0 ? U : turn == 1 ? I : F);
        memset(out, 0xa5, sizeof out);
        if (!device)
            interpret(p, 1, buffers, sizes, 3);
        else if (!dispatch(p, 1, buffers, sizes, 3))
            test_skip("no Vulkan device");
        for (uint32_t i = 0; i < LANES * LOADS; i++)
            CHECK_EQ(out[i], want_load(bytes, places[i / LOADS], i % LOADS));
        vyre_program_destroy(p);
    }
}

static void loads(void)
{
    loads_on(false);
}

static void loads_on_a_device(void)
{
    loads_on(true);
}

/* Lane i stores its number into byte i, or into half-word i, of elements of `type`; and all
 * of them the same byte behind those. */
static vyre_program *stores_of(vyre_type type, bool halves)
{
    vyre_program *p = vyre_program_create(NULL, &err);
    const vyre_buffer to = buffer(p, 0, type);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value value = vyre_ir_mul(p, i, vyre_ir_u32(p, 0x01030507));
    const vyre_value behind = vyre_ir_u32(p, halves ? 2 * LANES : LANES);
    if (halves) {
        vyre_ir_store_u16(p, to, vyre_ir_mul(p, i, vyre_ir_u32(p, 2)), value);
        vyre_ir_store_u16(p, to, behind, vyre_ir_i32(p, -2));
    } else {
        vyre_ir_store_u8(p, to, i, value);
        vyre_ir_store_u8(p, to, behind, vyre_ir_i32(p, -2));
    }
    finish(p);
    return p;
}

/* At first the last lanes' places are beyond the end. */
static void stores_into(vyre_type type, bool halves, bool device)
{
    uint8_t bytes[2 * LANES + 8];
    const uint32_t width = halves ? 2 : 1, inside = width * (LANES - 8);
    for (uint32_t round = 0; round < 2; round++) {
        void *buffers[1] = { bytes };
        const size_t size = round ? width * LANES + 4 : inside;
        vyre_program *p = stores_of(type, halves);
        memset(bytes, 0xa5, sizeof bytes);
        if (!device)
            interpret(p, 1, buffers, &size, 1);
        else if (!dispatch(p, 1, buffers, &size, 1))
            test_skip("no Vulkan device");
        for (uint32_t i = 0; i < (round ? LANES : LANES - 8); i++)
            for (uint32_t k = 0; k < width; k++)
                CHECK_EQ(bytes[i * width + k], (i * 0x01030507u) >> (8 * k) & 255);
        if (round) {
            CHECK_EQ(bytes[width * LANES], 0xfe);
            CHECK_EQ(bytes[width * LANES + 1], halves ? 0xff : 0xa5);
        }
        for (size_t i = size; i < sizeof bytes; i++)
            CHECK_EQ(bytes[i], 0xa5);
        vyre_program_destroy(p);
    }
}

static void stores(void)
{
    stores_into(U, false, false);
    stores_into(U, true, false);
    stores_into(I, false, false);
    stores_into(I, true, false);
}

static void stores_on_a_device(void)
{
    stores_into(U, false, true);
    stores_into(I, true, true);
}

/* --- mistakes ------------------------------------------------------------- */

/* Each call counts once, whatever it is made of. */
static void wrong_operands_are_refused_by_the_call(void)
{
    for (uint32_t row = 0; row < 9; row++) {
        vyre_program *p = vyre_program_create(NULL, &err);
        const vyre_buffer words_of = buffer(p, 0, U), floats_of = buffer(p, 1, F);
        const vyre_value u = vyre_ir_u32(p, 1), f = vyre_ir_f32(p, 1);
        (void)vyre_ir_udot4(p, u, u);
        vyre_ir_store_u16(p, words_of, u, u);
        switch (row) {
        case 0: (void)vyre_ir_clamp(p, u, u, f); break;
        case 1: (void)vyre_ir_mix(p, f, f, u); break;
        case 2: (void)vyre_ir_round_away(p, u); break;
        case 3: (void)vyre_ir_pack_half(p, f, u); break;
        case 4: (void)vyre_ir_udot4(p, u, f); break;
        case 5: (void)vyre_ir_sdot4(p, f, u); break;
        case 6: (void)vyre_ir_load_i8(p, words_of, f); break;
        case 7: vyre_ir_store_u8(p, floats_of, u, u); break;
        default: vyre_ir_store_u8(p, words_of, u, f); break;
        }
        (void)vyre_ir_u32(p, 2);
        CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
        CHECK_EQ(err.at, 7);
        vyre_program_destroy(p);
    }
    CHECK_EQ(vyre_ir_udot4(NULL, (vyre_value){ 1 }, (vyre_value){ 1 }).id, 0);
    vyre_ir_store_u8(NULL, (vyre_buffer){ 1 }, (vyre_value){ 1 }, (vyre_value){ 1 });
}

int main(void)
{
    RUN(every_half_unpacks);
    RUN(all_halves_and_what_is_between_pack);
    RUN(numbers_are_clamped_and_rounded);
    RUN(dot_products);
    RUN(loads);
    RUN(loads_on_a_device);
    RUN(stores);
    RUN(stores_on_a_device);
    RUN(wrong_operands_are_refused_by_the_call);
    return test_end();
}

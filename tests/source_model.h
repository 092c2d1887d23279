/* Random expressions of what GLSL leaves undefined, written as text and computed
 * beside it by the rules of docs/source.md, 5.
 *
 *     model_writer g = { seed, text, 0, x };
 *     uint32_t value = model_uint(&g, 3);   // text has it; x is the buffer's 128 words
 */
#ifndef SOURCE_MODEL_H
#define SOURCE_MODEL_H

#include "test.h"

#define MODEL_TEXT_SIZE 16384u
#define MODEL_WORDS     128u

typedef struct model_writer {
    uint64_t        random;
    char           *dst;
    size_t          length;
    const uint32_t *x;
} model_writer;

static uint32_t model_uint(model_writer *g, uint32_t depth);

static uint32_t model_pick(model_writer *g, uint32_t n)
{
    return (uint32_t)((test_random(&g->random) >> 20) % n);
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void model_put(model_writer *g, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(g->dst + g->length, MODEL_TEXT_SIZE - g->length, format, arguments);
    va_end(arguments);
    if (n < 0 || g->length + (size_t)n >= MODEL_TEXT_SIZE)
        abort();
    g->length += (size_t)n;
}

static float model_float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* --- floats: any bits, and the one of two that is no NaN ------------------- */

static float model_float(model_writer *g, uint32_t depth)
{
    static const char *const texts[] = { "1e20", "-1e20", "4294967040.0", "2147483648.0", "-1.5",
                                         "0.75", "3e9" };
    static const float values[] = { 1e20f, -1e20f, 4294967040.0f, 2147483648.0f, -1.5f, 0.75f, 3e9f };
    const uint32_t kind = model_pick(g, 6), k = model_pick(g, MODEL_WORDS), i = model_pick(g, 7);
    if (depth && kind < 2) {
        model_put(g, kind ? "min(" : "max(");
        const float a = model_float(g, depth - 1);
        model_put(g, ", ");
        const float b = model_float(g, depth - 1);
        model_put(g, ")");
        if (isnan(a) || isnan(b))
            return isnan(a) ? b : a;
        return kind ? fminf(a, b) : fmaxf(a, b);
    }
    if (kind == 2) {
        model_put(g, "(%s)", texts[i]);
        return values[i];
    }
    model_put(g, "uintBitsToFloat(x[%u])", (unsigned)k);
    return model_float_of(g->x[k]);
}

static uint32_t model_float_to_uint(float f)
{
    return isnan(f) || f <= 0 ? 0 : f >= 4294967296.0f ? UINT32_MAX : (uint32_t)f;
}

static uint32_t model_float_to_int(float f)
{
    if (isnan(f))
        return 0;
    return f <= -2147483648.0f ? 0x80000000u
           : f >= 2147483648.0f ? 0x7fffffffu : (uint32_t)(int32_t)f;
}

/* --- integers: the bits of both kinds are kept as uint ---------------------- */

static uint32_t model_int_div(uint32_t a, uint32_t b, bool rest)
{
    if (b == 0)
        return rest ? 0 : UINT32_MAX;
    if (a == 0x80000000u && b == UINT32_MAX)
        return rest ? 0 : a;
    return (uint32_t)(rest ? (int32_t)a % (int32_t)b : (int32_t)a / (int32_t)b);
}

static uint32_t model_int_shr(uint32_t a, uint32_t n)
{
    return a >> 31 ? ~(~a >> (n & 31)) : a >> (n & 31);
}

static uint32_t model_ones(uint32_t n)
{
    return n >= 32 ? UINT32_MAX : (1u << n) - 1;
}

static uint32_t model_load(const model_writer *g, uint32_t index)
{
    return index < MODEL_WORDS ? g->x[index] : 0;
}

static uint32_t model_leaf(model_writer *g, const char *suffix)
{
    static const uint32_t values[] = { 0, 1, 2, 31, 32, 33, 64, 127, 128, 0x7fffffffu, 5, 1000 };
    const uint32_t k = model_pick(g, MODEL_WORDS), i = model_pick(g, 12);
    if (model_pick(g, 2)) {
        model_put(g, "%u%s", (unsigned)values[i], suffix);
        return values[i];
    }
    model_put(g, suffix[0] ? "x[%uu]" : "int(x[%uu])", (unsigned)k);
    return g->x[k];
}

static uint32_t model_int(model_writer *g, uint32_t depth)
{
    if (depth == 0)
        return model_leaf(g, "");
    const uint32_t kind = model_pick(g, 8);
    uint32_t a, b;
    static const char *const open[] = { "(", "(", "(", "(-", "int(", "int(", "findLSB(", "findMSB(" };
    model_put(g, "%s", open[kind]);
    switch (kind) {
    case 0: case 1: case 2:
        a = model_int(g, depth - 1);
        model_put(g, kind == 2 ? " >> " : kind ? " %% " : " / ");
        b = model_int(g, depth - 1);
        a = kind == 2 ? model_int_shr(a, b) : model_int_div(a, b, kind == 1);
        break;
    case 3: a = 0u - model_int(g, depth - 1); break;
    case 4: a = model_float_to_int(model_float(g, 2)); break;
    case 5: a = model_uint(g, depth - 1); break;
    case 6:
        for (a = 0, b = model_uint(g, depth - 1); b && !(b >> a & 1);)
            a++;
        a = b ? a : UINT32_MAX;
        break;
    default:
        for (a = 0, b = model_uint(g, depth - 1); b >> a > 1 && a < 31;)
            a++;
        a = b ? a : UINT32_MAX;
        break;
    }
    model_put(g, ")");
    return a;
}

static uint32_t model_field(model_writer *g, uint32_t depth, bool insert)
{
    model_put(g, insert ? "bitfieldInsert(" : "bitfieldExtract(");
    const uint32_t a = model_uint(g, depth);
    model_put(g, ", ");
    const uint32_t b = insert ? model_uint(g, depth) : 0;
    model_put(g, insert ? ", " : "");
    const uint32_t offset = model_int(g, 0) & 31;
    model_put(g, ", ");
    const uint32_t ones = model_ones(model_int(g, 0)), mask = ones << offset;
    model_put(g, ")");
    return insert ? (a & ~mask) | (b << offset & mask) : a >> offset & ones;
}

static uint32_t model_two(model_writer *g, uint32_t depth, const char *op)
{
    model_put(g, "(");
    const uint32_t a = model_uint(g, depth);
    model_put(g, " %s ", op);
    const uint32_t b = op[1] && model_pick(g, 2) ? model_int(g, depth) : model_uint(g, depth);
    model_put(g, ")");
    switch (op[0]) {
    case '/': return b ? a / b : UINT32_MAX;
    case '%': return b ? a % b : 0;
    case '<': return a << (b & 31);
    case '>': return a >> (b & 31);
    default: return a + b;
    }
}

static uint32_t model_uint(model_writer *g, uint32_t depth)
{
    static const char *const ops[] = { "/", "%", "<<", ">>", "+" };
    if (depth == 0)
        return model_leaf(g, "u");
    const uint32_t kind = model_pick(g, 11);
    uint32_t a;
    if (kind < 5)
        return model_two(g, depth - 1, ops[kind]);
    if (kind < 7)
        return model_field(g, depth - 1, kind == 6);
    model_put(g, kind == 7 ? "uint(" : kind == 8 ? "x[" : kind == 9 ? "uint(" : "atomicOr(y[256u | ");
    if (kind == 7) {
        a = model_float_to_uint(model_float(g, 2));
    } else if (kind == 8) {
        a = model_load(g, model_pick(g, 2) ? model_int(g, depth - 1) : model_uint(g, depth - 1));
    } else if (kind == 9) {
        a = model_int(g, depth - 1);
    } else { /* there are 128 of them */
        model_uint(g, depth - 1);
        model_put(g, "], 5u");
        a = 0;
    }
    model_put(g, kind == 8 ? "]" : ")");
    return a;
}

#endif

/* Handlers as text: what the language says, computed by the interpreter; what is
 * wrong, word by word; and that no text does any harm.
 */
#include "oom.h"
#include "test.h"
#include "vyre.h"

/* --- running a text ------------------------------------------------------ */

#define WORDS 16

/* The buffers of every text: x is 0, 1, 2, ..; y and i and f begin with 0. */
typedef struct memory {
    uint32_t x[WORDS], y[WORDS];
    int32_t  i[WORDS];
    float    f[WORDS];
    uint32_t r[WORDS], w[WORDS], four[4], b[WORDS];
} memory;

static vyre_program *program(const vyre_allocator *allocator)
{
    static const struct {
        const char *name;
        vyre_type type;
        vyre_access access;
        uint32_t count;
    } buffers[] = {
        { "x", VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0 },
        { "y", VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0 },
        { "i", VYRE_TYPE_I32, VYRE_ACCESS_READ_WRITE, 0 },
        { "f", VYRE_TYPE_F32, VYRE_ACCESS_READ_WRITE, 0 },
        { "r", VYRE_TYPE_U32, VYRE_ACCESS_READ, 0 },
        { "w", VYRE_TYPE_U32, VYRE_ACCESS_WRITE, 0 },
        { "four", VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 4 },
        { "b", VYRE_TYPE_BOOL, VYRE_ACCESS_READ_WRITE, 0 },
    };
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = 1;
    if (allocator)
        desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, NULL);
    for (uint32_t i = 0; p && i < sizeof buffers / sizeof buffers[0]; i++) {
        vyre_buffer_desc buffer;
        memset(&buffer, 0, sizeof buffer);
        buffer.name = buffers[i].name;
        buffer.binding = i;
        buffer.type = buffers[i].type;
        buffer.access = buffers[i].access;
        buffer.count = buffers[i].count;
        vyre_ir_buffer(p, &buffer);
    }
    return p;
}

static void run(const vyre_program *p, memory *m)
{
    void *buffers[] = { m->x, m->y, m->i, m->f, m->r, m->w, m->four, m->b };
    const size_t sizes[] = { sizeof m->x, sizeof m->y, sizeof m->i,    sizeof m->f,
                             sizeof m->r, sizeof m->w, sizeof m->four, sizeof m->b };
    vyre_interp_desc desc;
    vyre_error err;
    memset(m, 0, sizeof *m);
    for (uint32_t i = 0; i < WORDS; i++)
        m->x[i] = i;
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = desc.groups[1] = desc.groups[2] = 1;
    desc.buffers = buffers;
    desc.sizes = sizes;
    desc.buffer_count = 8;
    if (vyre_interpret(p, &desc, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

static vyre_program *compiled(const char *text, bool optimize)
{
    vyre_error err;
    vyre_program *p = program(NULL);
    if (vyre_source_emit(p, NULL, text, strlen(text), &err) != VYRE_OK ||
        vyre_program_finish(p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s\n%s\n%s", text, err.text, err.fix);
    if (optimize)
        CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
    return p;
}

/* The first words of y, i, f and b as text, as many as `wanted` has. */
static void expect(const char *text, const char *wanted)
{
    for (int optimize = 0; optimize < 2; optimize++) {
        char found[400] = "";
        static memory m;
        vyre_program *p = compiled(text, optimize);
        run(p, &m);
        vyre_program_destroy(p);
        size_t n = 0;
        const char kind = wanted[0];
        for (uint32_t k = 0; k < WORDS && n < strlen(wanted) - 1; k++) {
            const char *gap = k ? " " : "";
            char *at = found + n;
            const size_t room = sizeof found - n;
            n += (size_t)(kind == 'y'   ? snprintf(at, room, "%s%u", gap, (unsigned)m.y[k])
                          : kind == 'i' ? snprintf(at, room, "%s%d", gap, (int)m.i[k])
                          : kind == 'f' ? snprintf(at, room, "%s%g", gap, (double)m.f[k])
                                        : snprintf(at, room, "%s%u", gap, (unsigned)m.b[k]));
        }
        if (strcmp(found, wanted + 1) != 0)
            test_fail(__FILE__, __LINE__, "%s\ngives %s, not %s%s", text, found, wanted + 1,
                      optimize ? " (optimized)" : "");
    }
}

#define EXPECT_ALL(rows)                                                                           \
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)                                \
        expect(rows[row][0], rows[row][1])

/* --- the language -------------------------------------------------------- */

static void literals_and_types(void)
{
    static const char *const rows[][2] = {
        { "y[0] = 7; y[1] = 0x1F; y[2] = 017; y[3] = 4294967295u; y[4] = 0XaBcu;",
          "y7 31 15 4294967295 2748" },
        { "i[0] = -7; i[1] = 0xFFFFFFFF; i[2] = -2147483648;", "i-7 -1 -2147483648" },
        { "f[0] = 1.5; f[1] = .25; f[2] = 3.; f[3] = 1e3; f[4] = 2.5e-2f; f[5] = 1E+2F;",
          "f1.5 0.25 3 1000 0.025 100" },
        { "f[0] = 1e38; f[1] = 3.40282347e38; f[2] = 1e39; f[3] = 1e-50; f[4] = 1.17549435e-38;",
          "f1e+38 3.40282e+38 inf 0 1.17549e-38" },
        { "f[0] = 123456789012345678901234567890.0; f[1] = 0.000000000000000000000000000012345;",
          "f1.23457e+29 1.2345e-29" },
        { "y[0] = asuint(1.0); y[1] = asuint(0.1); y[2] = asuint(16777217.0);",
          "y1065353216 1036831949 1266679808" },
        { "b[0] = true; b[1] = false; b[2] = bool(3); b[3] = bool(0.0); b[4] = bool(-1);",
          "b1 0 1 0 1" },
        { "y[0] = uint(3.99); y[1] = uint(-1.0); y[2] = uint(1e20); y[3] = uint(true);",
          "y3 0 4294967295 1" },
        { "i[0] = int(-3.99); i[1] = int(3e9); i[2] = int(4000000000u); i[3] = int(false);",
          "i-3 2147483647 -294967296 0" },
        { "f[0] = float(7u); f[1] = float(-7); f[2] = float(true);", "f7 -7 1" },
        { "// nothing\n/* of * this / is ** read */ y[0] = 1; // end", "y1" },
        { "", "y0 0" },
        { ";;{}{;}", "y0" },
    };
    EXPECT_ALL(rows);
}

static void implicit_conversions(void)
{
    static const char *const rows[][2] = {
        { "uint u = -1; y[0] = u; float g = 3; f[0] = g;", "y4294967295 0" },
        { "int a = -3; uint b = 2; y[0] = a + b; f[0] = a + 0.5;", "y4294967295" },
        { "f[0] = 1 + 0.5; f[1] = 3u * 0.5; f[2] = true ? 1 : 0.5;", "f1.5 1.5 1" },
        { "b[0] = -1 < 1u; b[1] = -1 < 1; b[2] = 1u < 1.5;", "b0 1 1" },
        { "f[0] = sqrt(4); f[1] = max(1, 2.5); y[0] = max(-1, 1u);", "f2 2.5" },
        { "y[0] = max(-1, 1u); y[1] = uint(min(-1, 1));", "y4294967295 4294967295" },
        { "f[0] = abs(3u); i[0] = abs(-3);", "f3" },
        { "i[0] = 1 << 3u; i[1] = -8 >> 1; y[0] = 1u << 2;", "i8 -4" },
        { "uint u = 5; u += 2; u -= 1u; u *= 3; y[0] = u; float g = 1; g += 2; g /= 4u; f[0] = g;",
          "y18" },
    };
    EXPECT_ALL(rows);
}

static void operators_have_glsl_precedence(void)
{
    static const char *const rows[][2] = {
        { "y[0] = 1 + 2 * 3; y[1] = (1 + 2) * 3; y[2] = 20 / 3 % 4; y[3] = 7 - 3 - 2;",
          "y7 9 2 2" },
        { "y[0] = 1 | 2 ^ 3 & 6; y[1] = 1 << 2 + 1; y[2] = 12 >> 1 >> 1; y[3] = ~0u;",
          "y1 8 3 4294967295" },
        { "b[0] = 1 + 1 == 2; b[1] = 1 < 2 == true; b[2] = (3 & 1 + 1) == 2;", "b1 1 1" },
        { "b[0] = true || false && false; b[1] = true ^^ true; b[2] = false ^^ true || false;"
          "b[3] = !true || true;", "b1 0 1 1" },
        { "i[0] = - -3; i[1] = -+3; i[2] = - ~0; b[0] = !!true;", "i3 -3 1" },
        { "y[0] = true ? 1 : false ? 2 : 3; y[1] = false ? 1 : false ? 2 : 3;", "y1 3" },
        { "uint a, c; a = c = 4; y[0] = a + c; y[1] = (a = 3, a + 1);", "y8 4" },
        { "uint a = 1; a <<= 4; a |= 3; a ^= 1; a &= 30; a >>= 1; a %= 5; y[0] = a;", "y4" },
    };
    EXPECT_ALL(rows);
}

static void undefined_in_glsl_is_defined_here(void)
{
    static const char *const rows[][2] = {
        { "uint z = x[0]; y[0] = 7u / z; y[1] = 7u % z;", "y4294967295 0" },
        { "int z = int(x[0]); i[0] = 7 / z; i[1] = 7 % z; i[2] = (-2147483647 - 1) / (z - 1);",
          "i-1 0 -2147483648" },
        { "uint n = x[3] + 30; y[0] = 1u << n; y[1] = 1u << (n + 32); i[0] = -8 >> n;", "y2 2" },
        { "y[0] = x[99]; y[99] = 1; y[1] = x[-1]; y[2] = atomicAdd(x[77], 1u);", "y0 0 0" },
        { "uint a; float g; bool c; y[0] = a; f[0] = g; b[0] = c; y[1] = 1;", "y0 1" },
        { "uint a = 1; y[a++] = a; y[a] = a++ * 10 + a;", "y0 2 23" },
        { "y[0] = bitfieldExtract(255u, 4, 40); y[1] = bitfieldExtract(255u, 36, 2);", "y15 3" },
        { "y[0] = findMSB(0u); y[1] = findLSB(0u); y[2] = findMSB(-1);",
          "y4294967295 4294967295 4294967295" },
    };
    EXPECT_ALL(rows);
}

static void variables_and_scopes(void)
{
    static const char *const rows[][2] = {
        { "uint a = 1; { uint a = a + 1; y[0] = a; } y[1] = a;", "y2 1" },
        { "uint a = 1, c = a + 1, d; y[0] = a + c + d;", "y3" },
        { "const uint n = 3; const int m = -2; y[0] = n * n; i[0] = m;", "y9" },
        { "const float g = x[2] * 1.5; f[0] = g;", "f3" },
        { "for (uint k = 0; k < 2; k++) { uint a; a += 5; y[k] = a; }", "y5 5" },
        { "uint x = 4; y[0] = x; { float y = 2; f[0] = y; } y[1] = x;", "y4 4" },
        { "uint a = 5; y[0] = a++; y[1] = a; y[2] = ++a; y[3] = a--; y[4] = --a;", "y5 6 7 7 5" },
        { "y[0]++; ++y[0]; y[1] = y[0]--; y[2] = --y[3]; float g = 1; g++; f[0] = g;",
          "y1 2 4294967295 4294967295" },
        { "y[x[1] + 1] += 3; y[2] *= 2; y[2] -= 1;", "y0 0 5" },
        { "uint image = 1, texture = 2, my_sampler = 3; y[0] = image + texture + my_sampler;", "y6" },
        { "b[0] = true; b[1] = !b[0]; if (b[0]) y[0] = 1; bool c = b[1]; c = c || b[0]; b[2] = c;",
          "b1 0 1" },
        { "y[0] = x.length(); y[1] = four.length(); y[2] = four[3]; four[3] = 2; y[3] = four[3];",
          "y16 4 0 2" },
    };
    EXPECT_ALL(rows);
}

static void short_circuits_and_choices_run_what_they_must(void)
{
    static const char *const rows[][2] = {
        { "uint n = 0; bool c = false && n++ == 0; c = true || n++ == 0; y[0] = n;", "y0" },
        { "uint n = 0; bool c = true && n++ == 0; c = false || n++ == 5; y[0] = n;"
          "y[1] = c ? 1 : 0;", "y2 0" },
        { "uint n = 0; y[0] = x[1] == 1 ? n++ : (n += 10); y[1] = n;"
          "y[2] = x[1] == 2 ? n++ : (n += 10); y[3] = n;", "y0 1 11 11" },
        { "b[0] = x[0] < 5 && x[x[0] + 3] == 3; b[1] = x[9] < 5 && x[1] == 1;"
          "b[2] = x[9] < 5 || x[1] == 1 && x[2] == 2;", "b1 0 1" },
        { "uint n; bool c = (n++ == 0 && n++ == 1) && n++ == 9 || n++ == 3; y[0] = n;"
          "y[1] = c ? 1 : 0;", "y4 1" },
        { "y[0] = true ? x[2] : x[3]; y[1] = x[1] > 0 ? x[x[1] > 1 ? 4 : 5] : x[6];", "y2 5" },
        { "f[0] = x[1] > 0 ? x[2] : 0.5; f[1] = x[0] > 0 ? x[2] : 0.5;", "f2 0.5" },
    };
    EXPECT_ALL(rows);
}

static void conditions_and_loops(void)
{
    static const char *const rows[][2] = {
        { "if (x[1] == 1) y[0] = 1; else y[0] = 2; if (x[1] == 2) y[1] = 1; else if (x[2] == 2)"
          " y[1] = 2; else y[1] = 3;", "y1 2" },
        { "if (true) if (false) y[0] = 1; else y[0] = 2;", "y2" },
        { "for (uint k = 0; k < 5; k++) y[0] += k; uint k = 9; y[1] = k;", "y10 9" },
        { "uint k; for (k = 2; k < 5; k++); y[0] = k;", "y5" },
        { "uint k = 0; for (;;) { if (k == 3) break; k++; } y[0] = k;", "y3" },
        { "for (uint a = 0, c = 10; a < c; a++, c--) y[0]++;", "y5" },
        { "for (int k = 3; k >= 0; --k) y[3 - k] = k;", "y3 2 1 0" },
        { "uint k = 5; while (k > 2) k--; y[0] = k; while (false) y[1] = 1;", "y2 0" },
        { "uint k = 0; do k++; while (k < 3); y[0] = k; do { y[1]++; } while (false);", "y3 1" },
        { "for (uint k = 0; k < 10; k++) { if (k % 2 == 0) continue; if (k > 6) break;"
          " y[0] += k; }", "y9" },
        { "uint k = 0; while (k < 10) { k++; if (k % 3 != 0) continue; y[0] += k; }", "y18" },
        { "uint k = 0; do { k++; if (k == 2) continue; if (k == 5) break; y[0] += k; }"
          " while (k < 9); y[1] = k;", "y8 5" },
        { "uint k = 0; do { uint k2 = ++k; if (k2 >= 3) { uint k = 0; continue; } }"
          " while (k < 5 && x[k] != 4); y[0] = k;", "y4" },
        { "for (uint k = 0; k < 3; k++) for (uint m = 0; m < 3; m++) { if (m == k) continue;"
          " if (m == 2) break; y[k] += 1; }", "y1 1 2" },
        { "for (uint k = 0; k < 4; k += x[1]) { float k2 = 1; if (k == 1) { uint k = 100;"
          " continue; } y[k] = k; }", "y0 0 2 3" },
        { "do { break; } while (x[99] == 0); for (;;) { break; y[0] = 1; } y[1] = 1;", "y0 1" },
    };
    EXPECT_ALL(rows);
}

static void switches(void)
{
    static const char *const rows[][2] = {
        { "for (uint k = 0; k < 5; k++) switch (k) { case 0: y[k] = 5; break; case 2: y[k] = 6;"
          " break; default: y[k] = 7; break; }", "y5 7 6 7 7" },
        { "for (uint k = 0; k < 5; k++) switch (k) { case 0: case 3: y[k] = 1; break; case 1:"
          " case 2: y[k] = 2; break; }", "y1 2 2 1 0" },
        { "for (uint k = 0; k < 5; k++) switch (k) { case 3: y[k] += 1; case 1: y[k] += 10;"
          " default: y[k] += 100; case 0: y[k] += 1000; }", "y1000 1110 1100 1111 1100" },
        { "for (uint k = 0; k < 4; k++) switch (k) { case 1: if (x[k] == 1) break; y[k] = 1; break;"
          " case 2: y[k] = 2; if (x[k] == 3) break; y[k] += 5; case 3: y[k] += 8; break;"
          " default: y[k] = 9; }", "y9 0 15 8" },
        { "for (uint k = 0; k < 6; k++) { switch (k) { case 1: continue; case 4: break; default:"
          " y[k] = 1; } y[k] += 2; }", "y3 0 3 3 2 3" },
        { "for (uint k = 0; k < 6; k++) { switch (k) { case 1: y[k] = 7; if (k == 1) continue;"
          " case 4: if (k == 4) { y[k] = 1; break; } y[k] = 3; default: y[k] += 1; }"
          " y[k] += 20; }", "y21 7 21 21 21 21" },
        { "int s = -2; switch (s) { case -1: y[0] = 1; break; case -2: y[0] = 2; break; }"
          "const uint n = 3; switch (x[3]) { case n: y[1] = 4; break; case n + 1: break; }", "y2 4" },
        { "switch (x[1]) { case 1: { uint a = 3; y[0] = a; } switch (x[2]) { case 2: y[1] = 5;"
          " break; default: y[1] = 6; } break; default: y[0] = 9; }", "y3 5" },
        { "switch (x[1]) {} switch (x[1]++) { default: y[0] = x[1]; }", "y2" },
        { "switch (x[1]) { case 1: for (;;) { break; } y[0] = 1; break; case 2: y[0] = 2; }", "y1" },
        { "switch (x[1]) { default: y[0] = 1; break; case 2: case 1: y[0] = 3; }", "y3" },
    };
    EXPECT_ALL(rows);
}

static void functions_are_inlined(void)
{
    static const char *const rows[][2] = {
        { "uint sq(uint a) { return a * a; } y[0] = sq(3) + sq(sq(2));", "y25" },
        { "float half_of(float a) { return a * 0.5; } f[0] = half_of(3); f[1] = half_of(5u);",
          "f1.5 2.5" },
        { "void put(uint at, uint v) { y[at] = v; } put(0, 4); put(1, 5);", "y4 5" },
        { "int sgn(int a) { if (a < 0) return -1; if (a > 0) return 1; return 0; }"
          "i[0] = sgn(-5); i[1] = sgn(0); i[2] = sgn(7);", "i-1 0 1" },
        { "uint find(uint v) { for (uint k = 0; k < x.length(); k++) if (x[k] == v) return k + 1;"
          " return 0; } y[0] = find(5); y[1] = find(77);", "y6 0" },
        { "uint deep(uint v) { for (uint k = 0; k < 4; k++) for (uint m = 0; m < 4; m++) {"
          " y[9]++; if (k * 4 + m == v) return k * 10 + m; } return 99; }"
          "y[0] = deep(6); y[1] = deep(50);", "y12 99 0 0 0 0 0 0 0 23" },
        { "uint pick(uint v) { switch (v) { case 0: return 5; case 1: return 6; default: break; }"
          " return 7; } y[0] = pick(0); y[1] = pick(1); y[2] = pick(2);", "y5 6 7" },
        { "uint pick(uint v) { switch (v) { case 0: if (x[1] == 1) return 5; case 1: y[9]++;"
          " if (v == 1) break; return 8; } return 7; } y[0] = pick(0); y[1] = pick(1);"
          " y[2] = pick(2);", "y5 7 7 0 0 0 0 0 0 1" },
        { "void swap(inout uint a, inout uint b) { uint t = a; a = b; b = t; }"
          "uint p = 1, q = 2; swap(p, q); y[0] = p; y[1] = q; y[3] = 8; swap(y[2], y[3]);",
          "y2 1 8 0" },
        { "void both(const in uint a, out uint low, out uint high) { low = a & 15; high = a >> 4; }"
          "uint l, h; both(0x73u, l, h); y[0] = l; y[1] = h;", "y3 7" },
        { "uint twice(uint a) { a += a; return a; } uint a = 3; y[0] = twice(a); y[1] = a;", "y6 3" },
        { "const uint n = 5; uint get() { return n; } uint f2(uint n) { return n + get(); }"
          "y[0] = f2(1);", "y6" },
        { "uint one(void) { return 1; } y[0] = one();", "y1" },
        { "bool odd(uint a) { return (a & 1) != 0; } y[0] = odd(3) && odd(4) ? 1 : 2;", "y2" },
        { "uint min(uint a, uint b) { return 42; } y[0] = min(1, 2);", "y42" },
        { "uint early(uint v) { if (v == 1) { return 10; } else if (v == 2) { return 20; }"
          " y[5]++; return 30; } for (uint k = 0; k < 4; k++) y[k] = early(k);",
          "y30 10 20 30 0 2" },
        { "void nothing() { return; } void maybe(uint v) { if (v == 1) return; y[v] = v; }"
          "nothing(); maybe(1); maybe(2);", "y0 0 2" },
    };
    EXPECT_ALL(rows);
}

static void returns_end_the_text(void)
{
    static const char *const rows[][2] = {
        { "y[0] = 1; return; y[1] = 1;", "y1 0" },
        { "if (x[1] == 1) return; y[0] = 1;", "y0" },
        { "if (x[1] == 0) return; y[0] = 1; if (x[2] == 2) { y[1] = 1; return; } y[2] = 1;",
          "y1 1 0" },
        { "for (uint k = 0; k < 9; k++) { if (k == 3) return; y[k] = 1; } y[8] = 1;",
          "y1 1 1 0 0 0 0 0 0" },
        { "for (uint k = 0; k < 3; k++) { for (uint m = 0; m < 3; m++) if (k + m == 3) return;"
          " y[k] = 1; } y[8] = 1;", "y1 0 0 0 0 0 0 0 0" },
        { "if (x[1] == 1) { if (x[2] == 1) return; y[0] = 1; } y[1] = 1;", "y1 1" },
        { "if (x[1] == 1) { if (x[2] == 2) return; y[0] = 1; } y[1] = 1;", "y0 0" },
        { "{ if (x[1] == 1) { y[0] = 1; return; } } y[1] = 1;", "y1 0" },
        { "switch (x[1]) { case 1: y[0] = 1; return; case 2: y[0] = 2; } y[1] = 1;", "y1 0" },
        { "while (true) { y[0]++; if (y[0] == 4) return; }", "y4" },
        { "if (x[1] == 1) y[0] = 1; else return; y[1] = 1;", "y1 1" },
        { "if (x[1] == 1) { y[0] = 2; return; } else { y[0] = 3; return; } y[1] = 1;", "y2 0" },
    };
    EXPECT_ALL(rows);
}

static void built_in_functions(void)
{
    static const char *const rows[][2] = {
        { "i[0] = abs(-4); i[1] = sign(-4); i[2] = min(3, -2); i[3] = max(3, -2);"
          "i[4] = clamp(9, -1, 5);", "i4 -1 -2 3 5" },
        { "f[0] = floor(-1.5); f[1] = ceil(1.25); f[2] = trunc(-1.5); f[3] = roundEven(2.5);"
          "f[4] = fract(1.75); f[5] = sign(-2.0);", "f-2 2 -1 2 0.75 -1" },
        { "f[0] = mix(2.0, 4.0, 0.25); f[1] = mix(1, 2, true); f[2] = step(2.0, 3.0);"
          "f[3] = smoothstep(0.0, 2.0, 1.0); f[4] = mod(-1.0, 3.0); f[5] = fma(2.0, 3.0, 1.0);",
          "f2.5 2 1 0.5 2 7" },
        { "f[0] = sqrt(9.0); f[1] = inversesqrt(4.0); f[2] = exp2(3.0); f[3] = log2(8.0);"
          "f[4] = exp(0.0); f[5] = log(1.0);", "f3 0.5 8 3 1 0" },
        { "y[0] = uint(round(1000.0 * pow(1.5, 2.5))); y[1] = uint(1000.0 * sin(1.0));"
          "y[2] = uint(1000.0 * cos(1.0)); y[3] = uint(1000.0 * tan(1.0));", "y2756 841 540 1557" },
        { "i[0] = int(1e5 * atan(0.3)); i[1] = int(1e5 * atan(-2.0)); i[2] = int(1e5 * atan(9.0));"
          "i[3] = int(1e5 * atan(1.0, -1.0)); i[4] = int(1e5 * atan(-1.0, -2.0));"
          "i[5] = int(1e5 * asin(-0.6)); i[6] = int(1e5 * acos(0.3)); i[7] = int(atan(0.0, 1.0));",
          "i29145 -110714 146013 235619 -267794 -64350 126610 0" },
        { "i[0] = int(1e4 * sinh(1.0)); i[1] = int(1e4 * cosh(1.0)); i[2] = int(1e4 * tanh(-1.0));"
          "i[3] = int(tanh(100.0)); i[4] = int(degrees(3.1415927) + 0.5);"
          "i[5] = int(1e4 * radians(90.0));", "i11752 15430 -7615 1 180 15707" },
        { "y[0] = bitCount(255u); y[1] = bitfieldReverse(1u); y[2] = findLSB(8u); y[3] = findMSB(9);"
          "y[4] = bitfieldExtract(0x1234u, 4, 8); y[5] = bitfieldInsert(0xffffu, 0u, 4, 8);",
          "y8 2147483648 3 3 35 61455" },
        { "i[0] = bitfieldExtract(-1, 4, 8); i[1] = bitfieldExtract(0x70, 4, 3); i[2] = findMSB(-9);"
          "i[3] = bitfieldExtract(5, 0, 0); i[4] = bitCount(-1);", "i-1 -1 3 0 32" },
        { "y[0] = floatBitsToUint(2.0); f[0] = uintBitsToFloat(0x40400000u); i[0] = floatBitsToInt("
          "-2.0); f[1] = intBitsToFloat(0x40400000); y[1] = asuint(-1); y[2] = asuint(asfloat(77u));",
          "y1073741824 4294967295 77" },
        { "y[0] = pack_half(1.0, -2.0); y[1] = uint(unpack_half(0x4400u)); y[2] = unpack_half(y[0]) =="
          "1.0 ? 7 : 8; y[3] = dotPacked4x8EXT(0xff020304u, 0x01010102u);", "y3221240832 4 7 268" },
        { "i[0] = dotPacked4x8EXT(-1, 2); i[1] = dotPacked4x8EXT(int(x[2]), 0x80);", "i-2 -256" },
        { "store_u8(y, 1, 5); store_u16(y, 6, 0xfffe); y[2] = load_u8(y, 1); y[3] = load_u16(y, 7);"
          "y[4] = load_i16(y, 6); y[5] = load_i8(y, 6u);",
          "y1280 4294836224 5 65534 4294967294 4294967294" },
        { "uint64_t a = 5000000000ul, b; b += a * a; b %= 0xfffffffffffffffful - 1ul; int64_t c = -7;"
          "c = c / 2 - int64_t(a); y[0] = uint(b); y[1] = uint(b >> 32u); y[2] = uint(c);"
          "y[3] = uint(c >> 32); y[4] = c < -5000000000l ? 1 : 2; y[5] = uint(float(a) / 1e9);"
          "y[6] = uint(abs(c) & 0xffl); y[7] = uint(max(a, 7ul) != a ? b : 9ul);",
          "y1489240064 1525798795 3589934589 4294967294 1 5 3 9" },
        { "uint64_t sum(uint64_t a, inout uint64_t b) { b++; if (a > b) return a; return a + b; }"
          "uint64_t k = 3000000000u; k <<= 3; y[0] = uint(sum(1ul, k) >> 1); y[1] = uint(k);"
          "store_u64(y, 2, k | 1ul << 40); store_u64(y, 4, -1); y[6] = uint(load_u64(y, 3) >> 32);"
          "y[7] = load_i64(y, 4) < 0l ? 1 : 2; y[8] = bool(k) ? uint(k != 0ul ? k : 1ul) : 0;",
          "y3410065409 2525163521 2525163521 261 4294967295 4294967295 261 1 2525163521" },
        { "float z = x[0]; b[0] = isnan(z / z); b[1] = isinf(1.0 / z); b[2] = isnan(1.0);",
          "b1 1 0" },
        { "y[0] = atomicAdd(x[3], 2u); y[1] = atomicMax(x[3], 9u); y[2] = atomicMin(x[3], 4u);"
          "y[3] = atomicAnd(x[3], 6u); y[4] = atomicOr(x[3], 3u); y[5] = atomicXor(x[3], 1u);"
          "y[6] = atomicExchange(x[3], 1u); y[7] = atomicCompSwap(x[3], 1u, 5u); y[8] = x[3];"
          "atomicStore(y[9], 6); y[10] = atomicLoad(y[9]);", "y3 5 9 4 4 7 6 1 5 6 6" },
        { "i[1] = -5; i[0] = atomicMin(i[1], 3); memoryBarrier(); memoryBarrierBuffer();"
          "i[2] = atomicMax(i[1], 3); i[3] = i[1];", "i-5 3 -5 3" },
        { "y[0] = gl_GlobalInvocationID.x + gl_WorkGroupSize.x + gl_NumWorkGroups.y;", "y2" },
    };
    EXPECT_ALL(rows);
}

/* --- a job --------------------------------------------------------------- */

/* It is a blank where no line ends; and the text ends where its block does. */
static void a_carriage_return_alone_ends_no_line(void)
{
    static const char text[] = "uint a = 1;\r                                        "
                               "                                        a = zz;\r\n";
    vyre_source_report report;
    vyre_program *p = program(NULL);
    const size_t size = sizeof text - 1;
    char *copy = (char *)malloc(size);
    CHECK(p && copy);
    memcpy(copy, text, size);
    CHECK_EQ(vyre_source_compile(p, NULL, NULL, copy, size, &report), VYRE_E_SOURCE);
    CHECK_EQ(report.count, 1);
    CHECK(strstr(report.errors[0].text, "1:97: nothing is called \"zz\"\n"));
    CHECK(strstr(report.errors[0].text, " a = zz;\n"));
    free(copy);
    vyre_program_destroy(p);
}

static void emit_text(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    const char *text = (const char *)user;
    vyre_source_emit(p, slot, text, strlen(text), NULL);
}

static unsigned messages;

static void note_message(void *user, vyre_severity severity, const char *text)
{
    (void)user;
    messages += severity == VYRE_SEVERITY_ERROR && strncmp(text, "job:", 4) == 0;
}

/* Runs a job of this handler on the CPU, and gives the first words of its buffer,
 * which begins as 0, 1, 2 .. 1023. */
static vyre_status run_handler(const vyre_handler *handler, const vyre_work *work,
                               uint32_t args[12], uint32_t out[16], vyre_error *err)
{
    vyre_buffer_desc buffer;
    vyre_ticket ticket;
    vyre_desc desc;
    memset(&buffer, 0, sizeof buffer);
    memset(&desc, 0, sizeof desc);
    buffer.name = "out";
    buffer.binding = VYRE_BINDING_USER;
    buffer.count = 1024;
    desc.backend = VYRE_BACKEND_CPU;
    desc.tenants = 3;
    desc.messages.message = note_message;
    desc.kernel.handlers = handler;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, err);
    if (!v)
        return err->status;
    uint32_t *words = (uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < 1024; i++)
        words[i] = i;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish(v, work, &ticket, NULL), VYRE_OK);
    const vyre_status status = vyre_wait(v, ticket, VYRE_FOREVER, err);
    vyre_result(v, ticket, args, NULL);
    if (out)
        memcpy(out, words, 16 * sizeof *out);
    vyre_close(v);
    return status;
}

/* Runs `text` as a handler with arguments 10, 11, 12 .., and gives its words. */
static vyre_status run_job(const char *text, uint32_t args[12], vyre_error *err)
{
    vyre_handler handler;
    memset(&handler, 0, sizeof handler);
    handler.opcode = 0x1000;
    handler.source = text;
    handler.name = "job";
    const vyre_work work = { 0x1000, 2, VYRE_PRIORITY_NORMAL, 12,
                             { 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 } };
    return run_handler(&handler, &work, args, NULL, err);
}

static void a_job_has_its_words(void)
{
    uint32_t a[12];
    vyre_error err;
    CHECK_EQ(run_job("const uint last = 11; result(0, arg[0] + arg[last]); result(1, -1);"
                     "result(2, 1.0); result(3, arg[2] == 12); result(4, opcode); result(5, tenant);"
                     "out[3] = arg[5]; result(6, out[3] + out.length() - 1008); result(7, slot);"
                     "result(8, argc); result(9, asfloat(asuint(2.0)));", a, &err), VYRE_OK);
    CHECK_EQ(a[0], 31);
    CHECK_EQ(a[1], 0xffffffffu);
    CHECK_EQ(a[2], 0x3f800000u);
    CHECK_EQ(a[3], 1);
    CHECK_EQ(a[4], 0x1000);
    CHECK_EQ(a[5], 2);
    CHECK_EQ(a[6], 31);
    CHECK(a[7] < 256);
    CHECK_EQ(a[8], 12);
    CHECK_EQ(a[9], 0x40000000u);
    CHECK_EQ(a[10], 20);
}

/* Runs a range of `count` indexes over a text; two of a handle's three observables. */
static void run_observed(const char *text, uint32_t count, bool checked, uint32_t seen[2])
{
    vyre_error err;
    vyre_desc desc;
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 3, { 0, count, 2 } };
    const vyre_handler h = { 0x1000, NULL, NULL, "job", VYRE_WIDTH_RANGE, 0, text, 0 };
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_CPU;
    desc.kernel.handlers = &h;
    desc.kernel.handler_count = 1;
    desc.kernel.observables = 3;
    desc.kernel.checked = checked;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_EQ(vyre_run(v, &work, 1, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_observable(v, 1, &seen[0], &err), VYRE_OK);
    CHECK_EQ(vyre_observable(v, 2, &seen[1], &err), VYRE_OK);
    vyre_close(v);
}

/* observable(n, v) stores any type's bits, observable[n] is a uint like that of a buffer;
 * beyond the last one there is nothing, and never the header before the first. */
static void observables_have_numbers(void)
{
    uint32_t seen[2];
    for (unsigned checked = 0; checked < 2; checked++) {
        run_observed("atomicAdd(observable[arg[2] - 1], index); if (index == 7) observable(2, -1);",
                     100, checked, seen);
        CHECK_EQ(seen[0], 99 * 100 / 2);
        CHECK_EQ(seen[1], UINT32_MAX);
        run_observed("observable[2] = 5; observable[2] += 2; observable(1, 1.0);"
                     "if (observable[2] != 7u) observable(1, true);", 1, checked, seen);
        CHECK_EQ(seen[0], 0x3f800000u);
        CHECK_EQ(seen[1], 7);
    }
    run_observed("for (int i = -1; i > -300; i--) observable(i, 9);"
                 "for (uint i = 0; i < 200u; i++) if (i != 2u) observable(0xffffff00u + i, 9);"
                 "observable(3, 9); observable(1, observable[3] + observable[0xffffffffu] + 4);"
                 "observable(2, observable[-160] + observable[-1]);", 1, false, seen);
    CHECK_EQ(seen[0], 4);
    CHECK_EQ(seen[1], 0);
}

/* A text that GLSL would take as it is; one with statements calls its functions itself. */
static void a_text_may_be_a_main(void)
{
    uint32_t a[12];
    vyre_error err;
    CHECK_EQ(run_job("uint twice(uint x) { return 2 * x; }\n"
                     "void main() { result(0, twice(arg[0])); if (arg[1] == 11) return; result(1, 1); }",
                     a, &err), VYRE_OK);
    CHECK_EQ(a[0], 20);
    CHECK_EQ(a[1], 11);
    CHECK_EQ(run_job("void main() { result(0, 1); } result(1, 2);", a, &err), VYRE_OK);
    CHECK_EQ(a[0], 10);
    CHECK_EQ(a[1], 2);
    CHECK_EQ(run_job("void main(uint n) { result(0, n); }", a, &err), VYRE_OK);
    CHECK_EQ(a[0], 10);
    CHECK_EQ(run_job("void main() { out[0] = gl_GlobalInvocationID.x; }", a, &err), VYRE_E_SOURCE);
    CHECK_TEXT(err.fix, "A handler has index, lane and lanes instead.");
}

static void a_job_ends_with_its_fault(void)
{
    uint32_t a[12];
    vyre_error err;
    CHECK_EQ(run_job("if (arg[0] == 10) fault(0x123); result(0, 1);", a, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, 0x123);
    CHECK_EQ(run_job("if (arg[0] == 9) fault(0x123); if (arg[1] == 11) return; result(0, 1);", a,
                     &err), VYRE_OK);
    CHECK_EQ(a[0], 10);
}

static void a_job_has_no_other_buffers(void)
{
    uint32_t a[12];
    vyre_error err;
    CHECK_EQ(run_job("ring[0] = 1;", a, &err), VYRE_E_SOURCE);
    CHECK_TEXT(err.text, "job:1:1: nothing is called \"ring\"\n  ring[0] = 1;\n  ^");
    CHECK_EQ(run_job("y[0] = arg[out[0]];", a, &err), VYRE_E_SOURCE);
    CHECK_EQ(run_job("out[0] = arg[12];", a, &err), VYRE_E_SOURCE);
    CHECK(strstr(err.text, ": arg[12]: a job has arg[0] to arg[11]\n"));
    CHECK_EQ(run_job("result(12, 1);", a, &err), VYRE_E_SOURCE);
    CHECK_EQ(run_job("result(arg[0], 1);", a, &err), VYRE_E_SOURCE);
    CHECK_EQ(run_job("fault(1.5);", a, &err), VYRE_E_SOURCE);
    CHECK_EQ(run_job("out[0] = gl_GlobalInvocationID.x;", a, &err), VYRE_E_SOURCE);
}

/* A text within a handler of the builder's. */
static void texts_stand_among_builder_calls(void)
{
    uint32_t a[12];
    vyre_error err;
    static char text[] = "result(0, arg[0] * 2);";
    vyre_handler handler;
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 1, { 21 } };
    memset(&handler, 0, sizeof handler);
    handler.opcode = 0x1000;
    handler.emit = emit_text;
    handler.user = text;
    CHECK_EQ(run_handler(&handler, &work, a, NULL, &err), VYRE_OK);
    CHECK_EQ(a[0], 42);
}

static vyre_handler wide(vyre_width width, const char *text)
{
    vyre_handler handler;
    memset(&handler, 0, sizeof handler);
    handler.opcode = 0x1000;
    handler.name = "job";
    handler.width = width;
    handler.source = text;
    return handler;
}

static void ranges_have_an_index(void)
{
    uint32_t a[12], out[16];
    vyre_error err;
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 3, { 2, 900, 7 } };
    const vyre_handler h = wide(VYRE_WIDTH_RANGE,
                                "if (index == 5) return;\n"
                                "reduce_add(2, index); reduce_max(3, index); reduce_min(4, index);\n"
                                "reduce_or(5, index & 3); reduce_min(6, -int(index));\n"
                                "out[index] = out[index] * 2 + arg[2];");
    CHECK_EQ(run_handler(&h, &work, a, out, &err), VYRE_OK);
    CHECK_EQ(a[2], 899 * 900 / 2 - 1 - 5);
    CHECK_EQ(a[3], 899);
    CHECK_EQ(a[4], 2);
    CHECK_EQ(a[5], 3);
    CHECK_EQ((int32_t)a[6], -899);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(out[i], i < 2 || i == 5 ? i : 2 * i + 7);
}

static void groups_share_arrays_and_meet(void)
{
    uint32_t a[12], out[16];
    vyre_error err;
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 4, 64 } };
    const vyre_handler h = wide(VYRE_WIDTH_GROUP,
                                "const uint most = 1024;\n"
                                "shared uint sums[most];\n"
                                "sums[lane] = lane < arg[1] ? out[index * arg[1] + lane] : 0u;\n"
                                "for (uint s = lanes / 2; s > 0; s /= 2) {\n"
                                "    barrier();\n"
                                "    if (lane < s) sums[lane] += sums[lane + s];\n"
                                "}\n"
                                "barrier();\n"
                                "if (lane == 0) { reduce_add(3, sums[0]); out[index] = sums[0]; }\n"
                                "uint one = subgroupAdd(1u);\n"
                                "result(4, one == gl_SubgroupSize && subgroupAll(true));\n"
                                "result(5, sums.length());\n");
    CHECK_EQ(run_handler(&h, &work, a, out, &err), VYRE_OK);
    CHECK_EQ(a[3], 255 * 256 / 2);
    for (uint32_t t = 0; t < 4; t++)
        CHECK_EQ(out[t], t * 64 * 64 + 63 * 64 / 2);
    CHECK_EQ(a[4], 1);
    CHECK_EQ(a[5], 1024);
}

static void each_width_has_its_words(void)
{
    static const struct {
        vyre_width width;
        const char *text, *message;
    } rows[] = {
        { VYRE_WIDTH_LANE, "out[0] = index;",
          "job:1:10: \"index\" is there where more than one lane runs the handler" },
        { VYRE_WIDTH_RANGE, "out[0] = lane;",
          "job:1:10: \"lane\" is there where a group runs the handler" },
        { VYRE_WIDTH_LANE, "reduce_add(0, 1);",
          "job:1:1: \"reduce_add\" is there where more than one lane runs the handler" },
        { VYRE_WIDTH_RANGE, "barrier();",
          "job:1:1: \"barrier\" is there where a group runs the handler" },
        { VYRE_WIDTH_RANGE, "shared uint a[4]; a[0] = 1;",
          "job:1:1: \"shared\" is there where a group runs the handler" },
        { VYRE_WIDTH_LANE, "bool b = subgroupElect();",
          "job:1:10: \"subgroupElect\" is there where a group runs the handler" },
        { VYRE_WIDTH_GROUP, "shared uint a[9000];",
          "job:1:15: a shared array of 9000 elements; there may be 1 to 8192" },
        { VYRE_WIDTH_GROUP, "reduce_add(arg[0], 1);",
          "job:1:12: the first argument of reduce_add() is a constant word number, 0 to 11" },
        { VYRE_WIDTH_GROUP, "reduce_add(0, 1.5);",
          "job:1:15: reduce_add() combines integers, not float" },
        { VYRE_WIDTH_LANE, "observable = 1;", "job:1:12: \"[\" is expected after observable" },
        { VYRE_WIDTH_LANE, "observable[1.5] = 1;",
          "job:1:12: the number of an observable is uint, and float does not become uint by itself" },
        { VYRE_WIDTH_LANE, "observable(0);", "job:1:1: observable() takes 2 arguments, not 1" },
        { VYRE_WIDTH_LANE, "int64_t n = io_read(arg[0], 1.0, 0, 4, 0);",
          "job:1:29: what a request takes is uint, and float does not become uint by itself" },
        { VYRE_WIDTH_LANE, "printf(1);", "job:1:8: a text is expected in printf" },
        { VYRE_WIDTH_LANE, "printf(\"%y\");", "job:1:9: printf() does not know this" },
        { VYRE_WIDTH_LANE, "printf(\"a %100d\", 1);", "job:1:11: printf() does not know this" },
        { VYRE_WIDTH_LANE, "printf(\"\\q\");", "job:1:9: printf() does not know this" },
        { VYRE_WIDTH_LANE, "printf(\"%\");", "job:1:9: printf() does not know this" },
        { VYRE_WIDTH_LANE, "printf(\"%u%u%u\", 1, 2, 3);",
          "job:1:13: printf() prints at most 2 values" },
        { VYRE_WIDTH_LANE, "printf(\"%u\");", "job:1:12: this text prints 1 value, not 0" },
        { VYRE_WIDTH_RANGE, "printf(\"%u %u\", 1, 2, 3);",
          "job:1:15: this text prints 2 values, not 3" },
        { VYRE_WIDTH_LANE, "printf(\"%d\", 1u);",
          "job:1:14: what is printed here is int, and uint does not become int by itself" },
        { VYRE_WIDTH_LANE, "printf(\"%f\", true);",
          "job:1:14: what is printed here is float, and bool does not become float by itself" },
        { VYRE_WIDTH_LANE, "printf(\"%u\", 1;",
          "job:1:15: \")\" is expected after the values of printf" },
        { VYRE_WIDTH_LANE, "uint u = printf(\"a\");",
          "job:1:10: this variable is uint, and void does not become uint by itself" },
        { VYRE_WIDTH_GROUP, "bool b = subgroupAdd(true);",
          "job:1:22: subgroupAdd() does not take bool" },
    };
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 1, { 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t a[12];
        vyre_error err;
        const vyre_handler h = wide(rows[i].width, rows[i].text);
        messages = 0;
        CHECK_EQ(run_handler(&h, &work, a, NULL, &err), VYRE_E_SOURCE);
        char *line = strchr(err.text, '\n');
        if (line)
            *line = '\0';
        CHECK_TEXT(err.text, rows[i].message);
        CHECK(messages >= 1);
    }
}

/* The builder's own refusals have a line of the text. */
static void barriers_that_part_lanes_have_a_line(void)
{
    uint32_t a[12];
    vyre_error err;
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 1, { 1 } };
    vyre_handler h = wide(VYRE_WIDTH_RANGE, "uint n = index;\nresult(0, n);");
    CHECK_EQ(run_handler(&h, &work, a, NULL, &err), VYRE_E_KERNEL_RESULT);
    CHECK(strncmp(err.text, "job:2:1: ", 9) == 0);
    h = wide(VYRE_WIDTH_GROUP, "if (lane < 3) barrier();");
    CHECK_EQ(run_handler(&h, &work, a, NULL, &err), VYRE_E_IR_BARRIER);
}

static void all_mistakes_go_to_messages(void)
{
    uint32_t a[12];
    vyre_error err;
    messages = 0;
    CHECK_EQ(run_job("out[0] = aa;\nout[1] = bb;\nout[2] = cc;", a, &err), VYRE_E_SOURCE);
    CHECK_EQ(messages, 3);
    CHECK(strncmp(err.text, "job:1:10: ", 10) == 0);
}

static void a_handler_has_one_code(void)
{
    vyre_error err;
    vyre_handler both = wide(VYRE_WIDTH_LANE, ";");
    vyre_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.handlers = &both;
    desc.handler_count = 1;
    both.emit = emit_text;
    CHECK(!vyre_kernel_build(&desc, &err) && err.status == VYRE_E_KERNEL_EMIT);
    both.emit = NULL;
    both.source = NULL;
    CHECK(!vyre_kernel_build(&desc, &err) && err.status == VYRE_E_KERNEL_EMIT);
    memset(&desc, 0, sizeof desc);
    desc.payload_source = "result(0, 1);";
    CHECK(!vyre_kernel_build(&desc, &err) && err.status == VYRE_E_KERNEL_NOT_JIT);
    desc.kind = VYRE_KERNEL_JIT;
    desc.payload = emit_text;
    CHECK(!vyre_kernel_build(&desc, &err) && err.status == VYRE_E_KERNEL_PAYLOAD);
}

static void payloads_are_texts_too(void)
{
    const vyre_width widths[] = { VYRE_WIDTH_LANE, VYRE_WIDTH_RANGE };
    for (unsigned i = 0; i < 2; i++) {
        uint32_t a[12];
        vyre_desc desc;
        vyre_ticket ticket;
        const vyre_work work = { 0x77, 0, VYRE_PRIORITY_NORMAL, 2, { 3, 9 } };
        memset(&desc, 0, sizeof desc);
        desc.backend = VYRE_BACKEND_CPU;
        desc.kernel.kind = VYRE_KERNEL_JIT;
        desc.kernel.payload_width = widths[i];
        desc.kernel.payload_source = i ? "reduce_add(0, opcode);" : "result(0, arg[0] + opcode);";
        vyre_error err;
        vyre *v = vyre_open(&desc, &err);
        CHECK(v);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_publish(v, &work, &ticket, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, ticket, VYRE_FOREVER, NULL), VYRE_OK);
        CHECK_EQ(vyre_result(v, ticket, a, NULL), VYRE_OK);
        CHECK_EQ(a[0], i ? 6 * 0x77 : 3 + 0x77);
        vyre_close(v);
    }
}

/* The kernel has buffers of its own, and these are their names. */
static void a_buffer_may_have_any_name(void)
{
    static const char *const names[] = { "control", "ring", "log", "io", "mirror", "wide", "sums",
                                         "claimed", "events" };
    enum { COUNT = sizeof names / sizeof names[0] };
    vyre_buffer_desc buffers[COUNT];
    const vyre_handler handlers[2] = {
        { 0x1000, NULL, NULL, "wide", VYRE_WIDTH_RANGE, 0, "sums[index] = log[index] + 1; reduce_add(2, 1);", 0 },
        { 0x1001, NULL, NULL, "lane", VYRE_WIDTH_LANE, 0, "ring[0] = io[0] + arg[0];", 0 },
    };
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < COUNT; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = 8;
    }
    desc.backend = VYRE_BACKEND_CPU;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = COUNT;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    const vyre_work works[2] = { { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 0, 8 } },
                                 { 0x1001, 0, VYRE_PRIORITY_NORMAL, 1, { 7 } } };
    CHECK_EQ(vyre_run(v, works, 2, NULL, &err), VYRE_OK);
    CHECK_EQ(((const uint32_t *)vyre_map(v, 6, NULL))[7], 1);
    CHECK_EQ(((const uint32_t *)vyre_map(v, 1, NULL))[0], 7);
    vyre_close(v);
}

/* --- printf -------------------------------------------------------------- */

typedef struct printed {
    const vyre_kernel_desc *kernel;
    char     text[2000];
    size_t   length;
    unsigned count;
} printed;

static void note_record(void *user, const struct vyre_log_record *record)
{
    printed *out = (printed *)user;
    out->count++;
    out->length += vyre_log_text(out->kernel, record, out->text + out->length,
                                 sizeof out->text - out->length);
    CHECK(out->length < sizeof out->text);
}

/* Runs one job of a kernel with these two handlers, or with the first as its payload,
 * and gives what they print. */
static void run_printing(const vyre_handler handlers[2], bool jit, uint32_t records,
                         printed *out, uint64_t *dropped)
{
    vyre_desc desc;
    vyre_error err;
    vyre_ticket ticket;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    memset(out, 0, sizeof *out);
    desc.backend = VYRE_BACKEND_CPU;
    desc.cpu_threads = 1;
    desc.kernel.log_records = records;
    if (jit) {
        desc.kernel.kind = VYRE_KERNEL_JIT;
        desc.kernel.payload_source = handlers[0].source;
        desc.kernel.payload_width = handlers[0].width;
    } else {
        desc.kernel.handlers = handlers;
        desc.kernel.handler_count = 2;
    }
    desc.log = note_record;
    desc.log_user = out;
    out->kernel = &desc.kernel;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        test_fail(__FILE__, __LINE__, "%s\n%s", err.text, err.fix);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t opcode = 0x1000; opcode < (jit ? 0x1001u : 0x1002u); opcode++) {
        const vyre_work work = { opcode, 0, VYRE_PRIORITY_NORMAL, 2, { 0, 5 } };
        CHECK_EQ(vyre_publish(v, &work, &ticket, NULL), VYRE_OK);
        CHECK_EQ(vyre_drain(v, VYRE_FOREVER, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_stop(v, VYRE_FOREVER, NULL), VYRE_OK);
    vyre_query(v, &info);
    if (dropped)
        *dropped = info.log_dropped;
    vyre_close(v);
}

static void texts_print(void)
{
    static printed out;
    const vyre_handler handlers[2] = {
        { 0x1000, NULL, NULL, "first", VYRE_WIDTH_LANE, 0,
          "printf(\"%u|%5d|\", arg[1], -7); if (arg[1] == 4) printf(\"never\");\n"
          "for (uint k = 0; k < 2; k++) printf(\"%%%04X \", 0xAB + k);\n"
          "printf(\"a\\tb\\\"c\\\\\\n\"); printf(\"%+.2f %g\\n\", 1.5, 3);", 0 },
        { 0x1001, NULL, NULL, "second", VYRE_WIDTH_LANE, 0,
          "printf(\"%d and \", int(arg[0]) - 1); printf(\"%e\\n\", 1e10);", 0 },
    };
    for (int jit = 0; jit < 2; jit++) {
        run_printing(handlers, jit != 0, 64, &out, NULL);
        CHECK_TEXT(out.text, jit ? "5|   -7|%00AB %00AC a\tb\"c\\\n+1.50 3\n"
                                 : "5|   -7|%00AB %00AC a\tb\"c\\\n+1.50 3\n"
                                   "-1 and 1.000000e+10\n");
    }
}

static int by_char(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

/* Each index gives a line; what the log has no room for is counted. */
static void indexes_print(void)
{
    static printed out;
    uint64_t dropped;
    const vyre_handler handlers[2] = {
        { 0x1000, NULL, NULL, "first", VYRE_WIDTH_RANGE, 0, "printf(\"%u\", index);", 0 },
        { 0x1001, NULL, NULL, "second", VYRE_WIDTH_RANGE, 0, "if (index > 2) printf(\"x\");", 0 },
    };
    run_printing(handlers, false, 64, &out, &dropped);
    qsort(out.text, out.length, 1, by_char);
    CHECK_TEXT(out.text, "01234xx");
    CHECK_EQ(dropped, 0);
    run_printing(handlers, false, 2, &out, &dropped);
    CHECK_EQ(out.count, 4);
    CHECK_EQ(dropped, 3);
}

static void only_records_of_texts_are_lines(void)
{
    static const char text[] = "printf(\"%u-%d\", 1, 2); printf(\"";
    const vyre_handler handler = { 0x1000, NULL, NULL, NULL, VYRE_WIDTH_LANE, 0, text, 0 };
    vyre_kernel_desc kernel;
    char line[8] = "old";
    memset(&kernel, 0, sizeof kernel);
    kernel.handlers = &handler;
    kernel.handler_count = 1;
    vyre_log_record record = { 0x80100007u, { 12, UINT32_MAX, 0 } };
    CHECK_EQ(vyre_log_text(&kernel, &record, line, sizeof line), 5);
    CHECK_TEXT(line, "12--1");
    CHECK_EQ(vyre_log_text(&kernel, &record, line, 4), 5);
    CHECK_TEXT(line, "12-");
    CHECK_EQ(vyre_log_text(&kernel, &record, NULL, 0), 5);
    /* Any other number, and texts that no kernel has: nothing is read beyond them. */
    const uint32_t wrong[] = { 7, 0x80000007u, 0x80100006u, 0x80200007u, 0x800FFFFFu, UINT32_MAX,
                               0x80100000u + sizeof text, 0x80100000u + sizeof text - 2 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        record.format = wrong[i];
        CHECK_EQ(vyre_log_text(&kernel, &record, line, sizeof line), 0);
        CHECK_TEXT(line, "");
    }
    CHECK_EQ(vyre_log_text(NULL, &record, line, sizeof line), 0);
}

/* --- what is wrong ------------------------------------------------------- */

static void report(const char *text, size_t size, vyre_source_report *out)
{
    vyre_program *p = program(NULL);
    memset(out, 0, sizeof *out);
    const vyre_status status = vyre_source_compile(p, NULL, NULL, text, size, out);
    CHECK_EQ(vyre_program_status(p), status);
    CHECK_EQ(status == VYRE_OK, out->count == 0);
    if (status == VYRE_OK)
        CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

static const struct {
    const char *text, *message, *fix;
} wrong_texts[] = {
#include "source_wrong.h"
};
#define WRONG_TEXTS (sizeof wrong_texts / sizeof wrong_texts[0])

static void each_mistake_has_its_message(void)
{
    CHECK(WRONG_TEXTS >= 60);
    for (size_t i = 0; i < WRONG_TEXTS; i++) {
        static vyre_source_report found;
        report(wrong_texts[i].text, strlen(wrong_texts[i].text), &found);
        if (found.count == 0)
            test_fail(__FILE__, __LINE__, "\"%s\" is accepted", wrong_texts[i].text);
        CHECK_EQ(found.errors[0].status, VYRE_E_SOURCE);
        CHECK_TEXT(found.errors[0].text, wrong_texts[i].message);
        CHECK_TEXT(found.errors[0].fix, wrong_texts[i].fix);
    }
}

static void all_mistakes_are_listed_up_to_eight(void)
{
    static vyre_source_report found;
    const char *text = "y[0] = a1;\n"
                       "y[1] = 1.0;\n"
                       "  for (uint k = 0; k < n9; k++)\n"
                       "    y[k] = k +;\n"
                       "y[0] = a1;\n" /* the second time it is known */
                       "while (1) { y[0] = sqr(2.0); }\n"
                       "y[2] = 5";
    static const uint32_t lines[] = { 1, 2, 3, 4, 6, 6, 7 };
    report(text, strlen(text), &found);
    CHECK_EQ(found.count, 7);
    for (uint32_t i = 0; i < found.count; i++)
        CHECK_EQ(found.errors[i].at, lines[i]);
    CHECK_TEXT(found.errors[3].text, "4:15: \";\" is no value\n      y[k] = k +;\n"
                                     "                ^");
    CHECK_TEXT(found.errors[5].fix, "Did you mean \"sqrt\"?");

    const char *many = "a1=1;a2=1;a3=1;a4=1;a5=1;a6=1;a7=1;a8=1;a9=1;";
    report(many, strlen(many), &found);
    CHECK_EQ(found.count, VYRE_MAX_SOURCE_ERRORS);
}

static void long_lines_are_cut_around_the_caret(void)
{
    static vyre_source_report found;
    const char *text = "y[0] = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16 + "
                       "17 + 18 + 19 + nn + 20 + 21 + 22 + 23 + 24 + 25 + 26 + 27 + 28 + 29 + 30;";
    report(text, strlen(text), &found);
    const char *line = strchr(found.errors[0].text, '\n');
    CHECK(line && strchr(line + 1, '\n'));
    const char *caret_line = strchr(line + 1, '\n');
    const size_t column = strlen(caret_line + 1) - 1;
    CHECK(memcmp(line + 1 + column, "nn", 2) == 0);
}

static void the_name_stands_before_the_line(void)
{
    static vyre_source_report found;
    vyre_program *p = program(NULL);
    CHECK_EQ(vyre_source_compile(p, NULL, "blur", "\n y[0]", 6, &found), VYRE_E_SOURCE);
    CHECK(strncmp(found.errors[0].text, "blur:2:6: \";\" is expected after this statement\n", 47)
          == 0);
    vyre_program_destroy(p);
}

/* A failed program stays as it is, a finished one takes no more. */
static void programs_that_take_no_more(void)
{
    vyre_error err;
    vyre_program *p = program(NULL);
    CHECK_EQ(vyre_source_emit(p, NULL, "q;", 2, &err), VYRE_E_SOURCE);
    CHECK_EQ(vyre_source_emit(p, NULL, "y[0] = 1;", 9, &err), VYRE_E_SOURCE);
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_SOURCE);
    CHECK_TEXT(err.text, "1:1: nothing is called \"q\"\n  q;\n  ^");
    vyre_program_destroy(p);
    p = compiled("y[0] = 1;", false);
    CHECK_EQ(vyre_source_emit(p, NULL, "y[0] = 1;", 9, &err), VYRE_E_IR_FINISHED);
    vyre_program_destroy(p);
    CHECK_EQ(vyre_source_emit(NULL, NULL, "", 0, &err), VYRE_E_ARGUMENT);
    p = program(NULL);
    CHECK_EQ(vyre_source_emit(p, NULL, NULL, 0, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_source_emit(p, NULL, "", VYRE_MAX_SOURCE_SIZE + 1u, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_source_emit(p, NULL, "y[0] = 1;", 9, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

/* --- bounds -------------------------------------------------------------- */

static void repeat(char *dst, const char *what, unsigned times)
{
    for (dst += strlen(dst); times--; dst += strlen(what))
        strcpy(dst, what);
}

/* "before" n times, `middle`, "after" n times. */
static void nested(const char *before, const char *middle, const char *after, unsigned n,
                   vyre_source_report *out)
{
    static char text[1 << 16];
    text[0] = '\0';
    repeat(text, before, n);
    strcat(text, middle);
    repeat(text, after, n);
    report(text, strlen(text), out);
}

static void deep_nesting_is_refused_with_its_line(void)
{
    static vyre_source_report found;
    static const char *const shapes[][3] = {
        { "y[0] = \n", "1;", "" }, { "y[(\n", "0", ")] = 1;" }, { "{\n", "", "}" },
        { "-\n", "1;", "" }, { "if (true)\n", ";", "" }, { "while (true) {\n", "", "}" },
        { "true ? 1 : \n", "1;", "" }, { "y[\n", "0", "]" }, { "abs(\n", "1", ");" },
        { "switch (1) { case 1:\n", ";", "}" }, { "do\n", ";", "while (true);" },
        { "for (;;)\n", ";", "" }
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        nested(shapes[i][0], shapes[i][1], shapes[i][2], 1000, &found);
        CHECK(found.count >= 1);
        if (!strstr(found.errors[0].text, "stand inside each other"))
            test_fail(__FILE__, __LINE__, "%s", found.errors[0].text);
        CHECK(found.errors[0].at > 20 && found.errors[0].at < 110);
    }
    nested("(", "y[0] = 1", ")", 20, &found);
    CHECK_EQ(found.count, 1); /* a missing semicolon, and nothing about depth */
    CHECK(strstr(found.errors[0].text, "\";\" is expected"));
}

/* Blocks of the program, too: the builder's limit, with the place in the text. */
static void the_builders_limits_have_a_line(void)
{
    static vyre_source_report found;
    nested("if (x[1] == 1) return;\n", "y[0] = 1;", "", 100, &found);
    CHECK_EQ(found.count, 1);
    CHECK(found.errors[0].at > 50 && found.errors[0].at < 70);
    CHECK(strstr(found.errors[0].text, "blocks"));
}

/* Each function calls the one before it ten times. */
static void calls_upon_calls_are_bounded(void)
{
    static vyre_source_report found;
    static char text[4096];
    strcpy(text, "void f0() {}\n");
    for (int i = 1; i < 9; i++) {
        char line[200];
        snprintf(line, sizeof line, "void f%d() {", i);
        strcat(text, line);
        snprintf(line, sizeof line, "f%d();", i - 1);
        repeat(text, line, 10);
        strcat(text, "}\n");
    }
    strcat(text, "f8();");
    report(text, strlen(text), &found);
    CHECK_EQ(found.count, 1);
    CHECK(strstr(found.errors[0].text, "more than 1000000 words"));
}

static void tables_that_are_full(void)
{
    static vyre_source_report found;
    static char text[1 << 16];
    static const struct {
        const char *before, *each, *after, *message;
        unsigned count;
    } rows[] = {
        { "", "uint a%u;", "", "names are in reach", 600 },
        { "", "void f%u() {}", "", "more than 48 functions", 60 },
        { "void f(uint a", ", uint b%u", ") {}", "too many parameters", 12 },
        { "switch (1) {", "case %u: ", ";}", "more than 320 labels", 400 },
        { "foo(1", ", %u", ");", "at most 12 arguments", 12 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        strcpy(text, rows[i].before);
        for (unsigned k = 0; k < rows[i].count; k++)
            snprintf(text + strlen(text), 40, rows[i].each, k);
        strcat(text, rows[i].after);
        report(text, strlen(text), &found);
        CHECK(found.count >= 1);
        if (!strstr(found.errors[found.count > 1 ? 1 : 0].text, rows[i].message) &&
            !strstr(found.errors[0].text, rows[i].message))
            test_fail(__FILE__, __LINE__, "%s", found.errors[0].text);
    }
}

static const char *const whole_text =
    "const uint n = 4;\n"
    "uint mixed(uint a, inout uint b) { if (a > n) return a; b += a; return b * 2; }\n"
    "uint s = 0;\n"
    "for (uint k = 0; k < n; k++) { if (k == 2) continue; s += x[k] > 1 && x[k + 1] < 9 ? 3 : k; }\n"
    "switch (s) { case 1: case 2: s++; break; case 7: s--; default: if (s > 3) break; s = 0; }\n"
    "do { s ^= 1u; } while (s == 77);\n"
    "y[0] = mixed(s, y[1]) + atomicAdd(y[2], 3u); f[0] = atan(float(s), 2.0) + 1.5e-3;\n"
    "return;\n";

/* From a block of its own, so that reading behind the end shows. */
static void every_beginning_of_a_text(void)
{
    static vyre_source_report found;
    const size_t length = strlen(whole_text);
    for (size_t size = 0; size <= length; size++) {
        char *copy = (char *)malloc(size + 1);
        CHECK(copy);
        memcpy(copy, whole_text, size);
        char *exact = (char *)realloc(copy, size ? size : 1);
        report(exact, size, &found);
        free(exact);
    }
    CHECK_EQ(found.count, 0);
}

/* A character more, one less, another one: accepted or refused, nothing else. */
static void texts_with_one_mistake(void)
{
    static const char letters[] = "(){}[];,:?=+-*/%<>&|^!~.09aezx_ \n\"#";
    uint64_t random = test_seed(0x50c5);
    const size_t length = strlen(whole_text);
    for (int i = 0; i < 2000; i++) {
        static vyre_source_report found;
        char text[1200];
        const size_t at = (size_t)(test_random(&random) % length);
        const char c = letters[test_random(&random) % (sizeof letters - 1)];
        strcpy(text, whole_text);
        switch (test_random(&random) % 3) {
        case 0: memmove(text + at, text + at + 1, length - at); break;
        case 1: memmove(text + at + 1, text + at, length - at + 1); text[at] = c; break;
        default: text[at] = c; break;
        }
        report(text, strlen(text), &found);
        for (uint32_t k = 0; k < found.count; k++)
            CHECK(found.errors[k].text[0] && found.errors[k].fix[0]);
    }
}

static vyre_status build_all(const vyre_allocator *allocator, void *user)
{
    (void)user;
    vyre_error err;
    vyre_program *p = program(allocator);
    if (!p)
        return VYRE_E_NOMEM;
    vyre_status status = vyre_source_emit(p, NULL, whole_text, strlen(whole_text), &err);
    if (status == VYRE_OK)
        status = vyre_program_finish(p, &err);
    vyre_program_destroy(p);
    return status;
}

static void every_allocation_fails_in_turn(void)
{
    CHECK(oom_each(build_all, NULL) >= 8);
}

int main(void)
{
    RUN(literals_and_types);
    RUN(implicit_conversions);
    RUN(operators_have_glsl_precedence);
    RUN(undefined_in_glsl_is_defined_here);
    RUN(variables_and_scopes);
    RUN(short_circuits_and_choices_run_what_they_must);
    RUN(conditions_and_loops);
    RUN(switches);
    RUN(functions_are_inlined);
    RUN(returns_end_the_text);
    RUN(built_in_functions);
    RUN(a_job_has_its_words);
    RUN(a_carriage_return_alone_ends_no_line);
    RUN(observables_have_numbers);
    RUN(a_text_may_be_a_main);
    RUN(a_job_ends_with_its_fault);
    RUN(a_job_has_no_other_buffers);
    RUN(texts_stand_among_builder_calls);
    RUN(ranges_have_an_index);
    RUN(groups_share_arrays_and_meet);
    RUN(each_width_has_its_words);
    RUN(barriers_that_part_lanes_have_a_line);
    RUN(all_mistakes_go_to_messages);
    RUN(a_handler_has_one_code);
    RUN(payloads_are_texts_too);
    RUN(a_buffer_may_have_any_name);
    RUN(texts_print);
    RUN(indexes_print);
    RUN(only_records_of_texts_are_lines);
    RUN(each_mistake_has_its_message);
    RUN(all_mistakes_are_listed_up_to_eight);
    RUN(long_lines_are_cut_around_the_caret);
    RUN(the_name_stands_before_the_line);
    RUN(programs_that_take_no_more);
    RUN(deep_nesting_is_refused_with_its_line);
    RUN(the_builders_limits_have_a_line);
    RUN(calls_upon_calls_are_bounded);
    RUN(tables_that_are_full);
    RUN(every_beginning_of_a_text);
    RUN(texts_with_one_mistake);
    RUN(every_allocation_fails_in_turn);
    return test_end();
}

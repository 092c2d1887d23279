/* A second opinion on handlers as text: random texts, compiled by the header and
 * run by the interpreter and on a Vulkan device, and the same texts compiled by glslang
 * and run there.  What GLSL leaves undefined, against a model; how exact floats are; what
 * glslang refuses; and programs printed as GLSL, read back as text.
 *
 * Unsanitized: glslang and the driver are code of others.  TEST_COUNT=n: so many
 * texts.
 */
#define VYRE_GLSLANG
#define VYRE_NO_VULKAN /* vk_run.h calls the loader directly */
#include "inside.h"

#include "exactness.h"
#include "gen.h"
#include "gen_source.h"
#include "source_model.h"
#include "test.h"
#include "vk_run.h"

#include <glslang/Include/glslang_c_interface.h>

#define LANES 8u
#define READ  128u
#define WRITE (16u * LANES)

static vk_run vk;
static say_text text;
static char whole[3 * SAY_TEXT_SIZE];

static uint32_t test_count(uint32_t fallback)
{
    const char *count = getenv("TEST_COUNT");
    return count ? (uint32_t)strtoul(count, NULL, 0) : fallback;
}

/* A driver takes a tenth of a second to compile a module: one of ten. */
static bool on_device(uint32_t i)
{
    return vk.device && i % 10 == 0;
}

typedef struct words {
    uint32_t x[READ], y[WRITE];
} words;

static void fill(words *w, uint64_t seed)
{
    uint64_t random = seed ^ 0x77;
    for (uint32_t i = 0; i < READ; i++)
        w->x[i] = gen_number(&random);
    for (uint32_t i = 0; i < WRITE; i++)
        w->y[i] = gen_number(&random);
}

static vyre_program *two_buffers(void)
{
    vyre_program_desc desc;
    vyre_buffer_desc buffer;
    memset(&desc, 0, sizeof desc);
    memset(&buffer, 0, sizeof buffer);
    desc.workgroup_size[0] = LANES;
    vyre_program *p = vyre_program_create(&desc, NULL);
    buffer.name = "x";
    vyre_ir_buffer(p, &buffer);
    buffer.name = "y";
    buffer.binding = 1;
    vyre_ir_buffer(p, &buffer);
    return p;
}

static vyre_status compile_ours(vyre_program *p, vyre_error *err)
{
    const int length = snprintf(whole, sizeof whole, "%s%s", text.functions, text.body);
    vyre_status status = vyre_source_emit(p, NULL, whole, (size_t)length, err);
    if (status == VYRE_OK)
        status = vyre_program_finish(p, err);
    return status;
}

static vyre_status compile_theirs(vyre_spirv *out, vyre_error *err)
{
    snprintf(whole, sizeof whole,
             "#version 450\n#extension GL_ARB_gpu_shader_int64 : enable\nlayout(local_size_x = %u) in;\n"
             "layout(set = 0, binding = 0, std430) buffer X { uint x[]; };\n"
             "layout(set = 0, binding = 1, std430) buffer Y { uint y[]; };\n"
             "%svoid main() {\n%s}\n", LANES, text.functions, text.body);
    return vyre_glsl_compile(whole, 0, NULL, out, err);
}

static void show(uint64_t seed)
{
    printf("seed 0x%llx\n%s---\n%s", (unsigned long long)seed, text.functions, text.body);
}

static void dispatch(const vyre_spirv *module, words *w)
{
    vk_kernel kernel;
    const uint32_t bindings[2] = { 0, 1 };
    void *buffers[2] = { w->x, w->y };
    const size_t sizes[2] = { sizeof w->x, sizeof w->y };
    /* A buffer that the text does not use is not in the module; the set has both. */
    const vk_kernel_desc desc = { module->words, module->word_count, bindings, 2, 0, NULL };
    const vk_call call = { { 1, 1, 1 }, buffers, sizes, 0 };
    if (!vk_kernel_create(&vk, &kernel, &desc) || !vk_dispatch(&vk, &kernel, &call))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    vk_kernel_destroy(&vk, &kernel);
}

static void run_theirs(uint64_t seed, words *w)
{
    vyre_spirv module;
    vyre_error err;
    if (compile_theirs(&module, &err) < 0) {
        show(seed);
        test_fail(__FILE__, __LINE__, "glslang, line %u: %s", (unsigned)err.at, err.text);
    }
    dispatch(&module, w);
    vyre_spirv_free(&module);
}

static void interpret(const vyre_program *p, words *w)
{
    vyre_interp_desc desc;
    vyre_error err;
    void *buffers[2] = { w->x, w->y };
    const size_t sizes[2] = { sizeof w->x, sizeof w->y };
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = desc.groups[1] = desc.groups[2] = 1;
    desc.buffers = buffers;
    desc.sizes = sizes;
    desc.buffer_count = 2;
    if (vyre_interpret(p, &desc, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

/* By the interpreter, and on the device if `emitted` is given. */
static void run_ours(uint64_t seed, words *w, words *emitted)
{
    vyre_error err;
    vyre_spirv module;
    vyre_program *p = two_buffers();
    if (compile_ours(p, &err) != VYRE_OK) {
        show(seed);
        test_fail(__FILE__, __LINE__, "%s\n%s", err.text, err.fix);
    }
    if (seed & 1)
        CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
    interpret(p, w);
    if (emitted) {
        CHECK_EQ(vyre_spirv_emit(p, NULL, &module, NULL), VYRE_OK);
        dispatch(&module, emitted);
        vyre_spirv_free(&module);
    }
    vyre_program_destroy(p);
}

static void same(uint64_t seed, const words *a, const words *b, const char *whose)
{
    for (uint32_t k = 0; k < WRITE; k++)
        if (a->y[k] != b->y[k]) {
            show(seed);
            test_fail(__FILE__, __LINE__, "y[%u] is 0x%x, and %s 0x%x", (unsigned)k,
                      (unsigned)a->y[k], whose, (unsigned)b->y[k]);
        }
}

static void random_texts_mean_what_glslang_says(void)
{
    uint64_t random = test_seed(0x5eed);
    const uint32_t count = test_count(200);
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
    for (uint32_t i = 0; i < count; i++) {
        static words ours, emitted, theirs;
        const uint64_t seed = getenv("TEST_SEED") && count == 1 ? test_seed(0)
                                                                : test_random(&random);
        say_source(seed, &text);
        fill(&ours, seed);
        fill(&theirs, seed);
        emitted = theirs;
        run_ours(seed, &ours, on_device(i) ? &emitted : NULL);
        run_theirs(seed, &theirs);
        same(seed, &ours, &theirs, "by glslang");
        if (on_device(i))
            same(seed, &ours, &emitted, "on the device");
    }
}

/* --- what GLSL leaves undefined ------------------------------------------- */

static void undefined_texts_mean_what_the_model_says(void)
{
    uint64_t random = test_seed(0x0de1u);
    const uint32_t count = test_count(200);
    if (!vk.device)
        vk_open(&vk);
    for (uint32_t i = 0; i < count; i++) {
        static words ours, emitted, wanted;
        const uint64_t seed = test_random(&random);
        fill(&ours, seed);
        emitted = wanted = ours;
        model_writer g = { seed, text.body, 0, ours.x };
        text.functions[0] = '\0';
        model_put(&g, "uint id = gl_GlobalInvocationID.x;\n");
        for (uint32_t k = 0; k < 16; k++) {
            model_put(&g, "y[id * 16u + %uu] = ", (unsigned)k);
            const uint32_t value = model_uint(&g, k % 3 + 1);
            model_put(&g, ";\n");
            for (uint32_t lane = 0; lane < LANES; lane++)
                wanted.y[lane * 16 + k] = value;
        }
        run_ours(seed, &ours, on_device(i) ? &emitted : NULL);
        same(seed, &ours, &wanted, "by the model");
        if (on_device(i))
            same(seed, &emitted, &wanted, "by the model, which the device missed,");
    }
}

/* --- 64 bits -------------------------------------------------------------- */

/* NVIDIA 580 makes 0xffffffff of the low word of a float from 2^32 on; what ours is then, the
 * interpreter says. */
static void forgive_saturation(const words *a, words *b)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < WRITE; k += 2)
        if (b->y[k] == UINT32_MAX && b->y[k + 1] && b->y[k + 1] == a->y[k + 1]) {
            b->y[k] = a->y[k];
            count++;
        }
    if (count)
        printf("NOTE %u of %u floats are wrong as the device's own uint64_t\n", (unsigned)count,
               (unsigned)WRITE / 2);
}

/* Where a device has 64-bit integers, its own and ours, which are pairs of words. */
static void sixty_four_bits_mean_what_glslang_says(void)
{
    static const char *const values[] = {
        "a + b", "a - b", "a * b", "a / (b | 1ul)", "a % (b | 1ul)", "a & ~b", "a << (y[k] & 63u)",
        "a >> (y[k] & 63u)", "min(a, b)", "uint64_t(a < b)", "uint64_t(c / (d | 1l))",
        "uint64_t(c >> (y[k] & 63u))", "uint64_t(max(c, d))", "uint64_t(c <= d)", "uint64_t(abs(c))",
        "uint64_t(float(a >> 40) * 16777216.0)", "uint64_t(-c)", "uint64_t(c == d ? c : d)"
    };
    enum { VALUES = sizeof values / sizeof values[0] };
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
    if (!vk.features.shaderInt64)
        test_skip("no 64-bit integers");
    for (uint32_t i = 0; i < VALUES; i++) {
        static words ours, emitted, theirs;
        fill(&ours, i);
        fill(&theirs, i);
        emitted = theirs;
        text.functions[0] = '\0';
        snprintf(text.body, sizeof text.body,
                 "uint id = gl_GlobalInvocationID.x;\n"
                 "for (uint k = id * 16u; k < id * 16u + 16u; k += 2u) {\n"
                 "    uint m = (k + 37u) & 126u;\n"
                 "    uint64_t a = uint64_t(x[k]) << 32 | x[k + 1u];\n"
                 "    uint64_t b = (uint64_t(x[m]) << 32 | x[m + 1u]) >> (k & 48u);\n"
                 "    int64_t c = int64_t(a), d = int64_t(b);\n"
                 "    uint64_t e = %s;\n"
                 "    y[k] = uint(e); y[k + 1u] = uint(e >> 32);\n}\n", values[i]);
        run_ours(i, &ours, &emitted);
        run_theirs(i, &theirs);
        same(i, &ours, &emitted, "on the device");
        if (strstr(values[i], "float"))
            forgive_saturation(&ours, &theirs);
        same(i, &ours, &theirs, "by glslang");
    }
}

/* --- floats, within what Vulkan allows ------------------------------------- */

static void floats_are_as_exact_as_vulkan_says(void)
{
    uint64_t random = test_seed(0xf10a7u);
    const bool device = vk.device || vk_open(&vk);
    for (size_t i = 0; i < sizeof exactness / sizeof exactness[0]; i++) {
        static words ours, theirs;
        const struct exactness *row = &exactness[i];
        fill(&ours, i);
        for (uint32_t k = 0; k < READ; k++) {
            const double part = (double)(test_random(&random) >> 11) / 9007199254740992.0;
            const float x = (float)(row->low + part * (row->high - row->low));
            memcpy(&ours.x[k], &x, sizeof x);
        }
        theirs = ours;
        text.functions[0] = '\0';
        snprintf(text.body, sizeof text.body,
                 "uint id = gl_GlobalInvocationID.x;\n"
                 "for (uint k = id * 16u; k < id * 16u + 16u; k++) {\n"
                 "    float a = uintBitsToFloat(x[k]), b = uintBitsToFloat(x[(k + 1u) & 127u]);\n"
                 "    y[k] = floatBitsToUint(%s);\n}\n", row->call);
        run_ours(i, &ours, NULL);
        if (device)
            run_theirs(i, &theirs);
        for (uint32_t k = 0; k < READ; k++) {
            const double a = (double)model_float_of(ours.x[k]);
            const double b = (double)model_float_of(ours.x[(k + 1) & 127]);
            const double right = row->right(a, b), may = exactness_allows(row, a, b, right);
            const double mine = (double)model_float_of(ours.y[k]);
            const double glslangs = device ? (double)model_float_of(theirs.y[k]) : mine;
            if (!(fabs(mine - right) <= may && fabs(glslangs - mine) <= 2 * may))
                test_fail(__FILE__, __LINE__, "%s of %.9g, %.9g is %.9g, by glslang %.9g, not %.9g",
                          row->call, a, b, mine, glslangs, right);
        }
    }
}

/* --- what they refuse we refuse ------------------------------------------ */

/* Leaves out, doubles or exchanges a word of the body. */
static void mutate(uint64_t *random)
{
    static const char *const other[] = { "+", "(", ")", ";", "uint", "float", "1.5", "true", "=",
                                         "{", "}", "if", "x", "y[0]", "break;", "const", ",",
                                         "0x", "1u", "<", "return", "!", "[", "]", "int", "bool" };
    char *body = text.body;
    const size_t length = strlen(body);
    size_t at = (size_t)(test_random(random) % length);
    while (at && body[at - 1] != ' ' && body[at - 1] != '\n')
        at--;
    size_t end = at;
    while (body[end] && body[end] != ' ' && body[end] != '\n')
        end++;
    const char *word = other[test_random(random) % (sizeof other / sizeof other[0])];
    const size_t size = strlen(word), from = test_random(random) & 1 ? at : end;
    if (length + size + 3 > SAY_TEXT_SIZE)
        return;
    memmove(body + at + size + 2, body + from, length - from + 1);
    body[at] = ' ';
    memcpy(body + at + 1, word, size);
    body[at + 1 + size] = ' ';
}

/* The texts with one mistake each of test_source.c, and the buffers that they know. */
static const struct {
    const char *text, *message, *fix;
} wrong[] = {
#include "source_wrong.h"
};

static vyre_program *their_buffers(void)
{
    static const char *const names[] = { "x", "y", "i", "f", "r", "w", "four" };
    vyre_program *p = vyre_program_create(NULL, NULL);
    for (uint32_t i = 0; i < 7; i++) {
        vyre_buffer_desc buffer;
        memset(&buffer, 0, sizeof buffer);
        buffer.name = names[i];
        buffer.binding = i;
        buffer.type = i == 2 ? VYRE_TYPE_I32 : i == 3 ? VYRE_TYPE_F32 : VYRE_TYPE_U32;
        buffer.access = i == 4 ? VYRE_ACCESS_READ : i == 5 ? VYRE_ACCESS_WRITE
                                                           : VYRE_ACCESS_READ_WRITE;
        buffer.count = i == 6 ? 4 : 0;
        vyre_ir_buffer(p, &buffer);
    }
    return p;
}

static vyre_status glslang_on_wrong(vyre_error *err)
{
    vyre_spirv module;
    snprintf(whole, sizeof whole,
             "#version 450\nlayout(local_size_x = 1) in;\n"
             "layout(binding = 0) buffer X { uint x[]; };\n"
             "layout(binding = 1) buffer Y { uint y[]; };\n"
             "layout(binding = 2) buffer I { int i[]; };\n"
             "layout(binding = 3) buffer F { float f[]; };\n"
             "layout(binding = 4) readonly buffer R { uint r[]; };\n"
             "layout(binding = 5) writeonly buffer W { uint w[]; };\n"
             "layout(binding = 6) buffer Four { uint four[4]; };\n"
             "void main() {\n%s\n}\n", text.body);
    const vyre_status status = vyre_glsl_compile(whole, 0, NULL, &module, err);
    if (status == VYRE_OK)
        vyre_spirv_free(&module);
    return status;
}

/* A function cannot stand in main; asuint is not GLSL's; a brace may end main. */
static bool is_for_glslang(const char *words)
{
    char type[8], name[16];
    int end = 0;
    return sscanf(words, "%7[a-z] %15[a-z0-9](%n", type, name, &end) != 2 || !end
               ? !strstr(words, "asuint") && !strchr(words, '}') : false;
}

static void wrong_texts_are_refused_by_both(void)
{
    uint64_t random = test_seed(0x3ad);
    const uint32_t rows = sizeof wrong / sizeof wrong[0], count = test_count(1000);
    uint32_t looked_at = 0, refused = 0, stricter = 0;
    for (uint32_t i = 0; i < rows + count; i++) {
        vyre_error err, their;
        snprintf(text.body, sizeof text.body, "%s", wrong[i % rows].text);
        for (uint32_t k = 0; i >= rows && k < 1 + i % 2; k++)
            mutate(&random);
        if (!is_for_glslang(text.body))
            continue;
        looked_at++;
        vyre_program *p = their_buffers();
        const vyre_status ours = vyre_source_emit(p, NULL, text.body, strlen(text.body), &err);
        const vyre_status theirs = glslang_on_wrong(&their);
        vyre_program_destroy(p);
        if (ours == VYRE_OK && theirs != VYRE_OK)
            test_fail(__FILE__, __LINE__, "%s\nis accepted; glslang, line %u: %s", text.body,
                      (unsigned)their.at, their.text);
        refused += theirs != VYRE_OK;
        stricter += theirs == VYRE_OK && ours != VYRE_OK;
        if (theirs == VYRE_OK && ours != VYRE_OK && getenv("TEST_SHOW"))
            printf("%s\n", err.text);
    }
    printf("NOTE wrong texts, and mutated ones: %u of %u refused by both, %u by us alone\n",
           (unsigned)refused, (unsigned)looked_at, (unsigned)stricter);
    CHECK(refused > looked_at / 2);
}

static void mutated_texts_are_refused_by_both(void)
{
    uint64_t random = test_seed(0x3u);
    const uint32_t count = test_count(1000);
    uint32_t refused = 0, stricter = 0;
    for (uint32_t i = 0; i < count; i++) {
        vyre_error err, their;
        vyre_spirv module;
        say_source(test_random(&random), &text);
        mutate(&random);
        vyre_program *p = two_buffers();
        const vyre_status ours = compile_ours(p, &err);
        const vyre_status theirs = compile_theirs(&module, &their);
        if (theirs == VYRE_OK)
            vyre_spirv_free(&module);
        if (ours == VYRE_OK && theirs != VYRE_OK) {
            show(i);
            test_fail(__FILE__, __LINE__, "accepted; glslang, line %u: %s", (unsigned)their.at,
                      their.text);
        }
        refused += theirs != VYRE_OK;
        if (theirs == VYRE_OK && ours != VYRE_OK) {
            stricter++;
            if (getenv("TEST_SHOW"))
                printf("%s\n", err.text);
        }
        vyre_program_destroy(p);
    }
    printf("NOTE mutated texts: %u of %u refused by both, %u by us alone\n", (unsigned)refused,
           (unsigned)count, (unsigned)stricter);
    CHECK(refused > count / 3);
}

/* --- printed and read back ----------------------------------------------- */

#define PRINTED (1u << 20)

static void replace(char *dst, const char *what, const char *with)
{
    static char copy[PRINTED];
    size_t n = 0;
    const char *from = dst;
    for (const char *hit; (hit = strstr(from, what)) != NULL; from = hit + strlen(what)) {
        const size_t part = (size_t)(hit - from);
        CHECK(n + part + strlen(with) < sizeof copy);
        memcpy(copy + n, from, part);
        n += part;
        n += (size_t)sprintf(copy + n, "%s", with);
    }
    CHECK(n + strlen(from) < sizeof copy);
    strcpy(copy + n, from);
    strcpy(dst, copy);
}

/* The printed text without what the language does not have: the head, buffers that
 * are members of blocks, the scopes of atomics, products of 64 bits, and pairs of f16. */
static void into_the_language(char *printed)
{
    char *line = strstr(printed, "\nlayout(local_size_x");
    CHECK(line);
    memmove(printed, line, strlen(line) + 1);
    while ((line = strstr(printed, "\nlayout(")) != NULL) {
        char *next = strchr(line + 1, '\n');
        memmove(line, next, strlen(next) + 1);
    }
    replace(printed, ".at", "");
    replace(printed, ", gl_ScopeDevice, 0, 0", "");
    replace(printed, ", gl_ScopeWorkgroup, 0, 0", "");
    replace(printed, "umulExtended(a, b, high, low);",
            "uint p = (a & 65535u) * (b & 65535u), q = (a >> 16) * (b & 65535u) + (p >> 16);\n"
            "uint r = (a & 65535u) * (b >> 16) + (q & 65535u);\n"
            "high = (a >> 16) * (b >> 16) + (q >> 16) + (r >> 16);");
    replace(printed, "unpackHalf2x16(", "unpack_half(");
    replace(printed, ").x;", ");");
    replace(printed, "void main()\n{\n", "");
    line = strrchr(printed, '}');
    CHECK(line);
    *line = '\0';
}

/* The same buffers, with the names that they have in the text. */
static vyre_program *same_buffers(const vyre_program *p)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.workgroup_size, p->group_size, sizeof desc.workgroup_size);
    vyre_program *made = vyre_program_create(&desc, NULL);
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const vyi_buffer *b = &p->buffers[i];
        char name[100];
        vyre_buffer_desc buffer;
        if (b->access == VYRE_ACCESS_WORKGROUP)
            continue;
        snprintf(name, sizeof name, "b%u_%s", (unsigned)i + 1, b->name);
        memset(&buffer, 0, sizeof buffer);
        buffer.name = name;
        buffer.binding = b->binding;
        buffer.type = (vyre_type)(b->type == VYRE_TYPE_BOOL ? VYRE_TYPE_U32 : b->type);
        buffer.access = (vyre_access)b->access;
        vyre_ir_buffer(made, &buffer);
    }
    return made;
}

static void run_shape(const vyre_program *p, const gen_shape *shape, gen_memory *m)
{
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = m->buffers;
    desc.sizes = m->sizes;
    desc.buffer_count = m->count;
    CHECK_EQ(vyre_interpret(p, &desc, NULL), VYRE_OK);
}

/* False: more names in one block than a text may have. */
static bool one_round_trip(uint64_t seed)
{
    static char printed[PRINTED];
    gen_shape shape;
    uint32_t binding;
    size_t at;
    vyre_error err;
    vyre_program *p = gen_program(seed, GEN_INTEGERS | GEN_F32, NULL, &shape);
    CHECK(p && vyre_program_glsl(p, NULL, printed, sizeof printed) < sizeof printed);
    into_the_language(printed);
    vyre_program *again = same_buffers(p);
    vyre_status status = vyre_source_emit(again, NULL, printed, strlen(printed), &err);
    const bool many = status != VYRE_OK && strstr(err.text, "names are in reach");
    if (status == VYRE_OK)
        status = vyre_program_finish(again, &err);
    if (status != VYRE_OK && !many) {
        puts(printed);
        test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)seed, err.text);
    }
    if (!many) {
        gen_memory wanted = gen_memory_make(&shape), found = gen_memory_make(&shape);
        run_shape(p, &shape, &wanted);
        run_shape(again, &shape, &found);
        if (gen_memory_differs(&wanted, &found, &binding, &at))
            test_fail(__FILE__, __LINE__, "seed 0x%llx: binding %u, byte %zu",
                      (unsigned long long)seed, (unsigned)binding, at);
        gen_memory_free(&wanted);
        gen_memory_free(&found);
    }
    vyre_program_destroy(p);
    vyre_program_destroy(again);
    return !many;
}

static void printed_programs_are_read_back(void)
{
    uint64_t random = test_seed(0xbac4);
    const uint32_t count = test_count(300);
    uint32_t back = 0;
    for (uint32_t i = 0; i < count; i++)
        back += one_round_trip(test_random(&random));
    printf("NOTE printed programs: %u of %u read back, the others have more names than a text "
           "may\n", (unsigned)back, (unsigned)count);
    CHECK(back > count / 2);
}

int main(void)
{
    glslang_initialize_process(); /* keeps its tables from one text to the next */
    RUN(random_texts_mean_what_glslang_says);
    RUN(undefined_texts_mean_what_the_model_says);
    RUN(sixty_four_bits_mean_what_glslang_says);
    RUN(floats_are_as_exact_as_vulkan_says);
    RUN(wrong_texts_are_refused_by_both);
    RUN(mutated_texts_are_refused_by_both);
    RUN(printed_programs_are_read_back);
    if (vk.device)
        vk_close(&vk);
    return test_end();
}

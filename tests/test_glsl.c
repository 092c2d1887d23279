/* Programs printed as GLSL, compiled by glslang, and run on a Vulkan device:
 * random ones against the interpreter, the kernels against the model.
 *
 * Unsanitized: glslang and the driver are code of others.  TEST_COUNT=n: so many
 * programs each way instead of 40.
 */
#define VYRE_GLSLANG
#define VYRE_NO_VULKAN /* vk_run.h calls the loader directly */
#define main kernel_random_main
#include "test_kernel_random.c"
#undef main

#include "gen.h"
#include "vk_run.h"

static vk_run vk;

static void need_device(void)
{
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
}

static char *printed(const vyre_program *p, const vyre_spirv_desc *desc)
{
    const size_t length = vyre_program_glsl(p, desc, NULL, 0);
    char *text = (char *)malloc(length + 1);
    CHECK(text && length > 100);
    CHECK_EQ(vyre_program_glsl(p, desc, text, length + 1), length);
    CHECK_EQ(strlen(text), length);
    return text;
}

/* The program by way of GLSL; on failure the text goes to stdout. */
static void make_kernel(const vyre_program *p, const vyre_spirv_desc *desc, vk_kernel *out)
{
    uint32_t bindings[VK_RUN_BINDINGS];
    vyre_spirv module;
    vyre_error err;
    char *text = printed(p, desc);
    if (vyre_glsl_compile(text, desc->version, NULL, &module, &err) < 0) {
        puts(text);
        test_fail(__FILE__, __LINE__, "line %u: %s", (unsigned)err.at, err.text);
    }
    free(text);
    for (uint32_t i = 0; i < module.binding_count; i++)
        bindings[i] = module.bindings[i].binding;
    const vk_kernel_desc kernel_desc = { module.words, module.word_count, bindings,
                                         module.binding_count, desc->rounds ? 4u : 0u, NULL };
    if (!vk_kernel_create(&vk, out, &kernel_desc))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    vyre_spirv_free(&module);
}

/* --- random programs ----------------------------------------------------- */

static void one_random_program(uint64_t seed, unsigned flags)
{
    gen_shape shape;
    vyre_spirv_desc how;
    vyre_interp_desc interp;
    vk_kernel pipeline;
    uint32_t binding;
    size_t at;
    vyre_program *p = gen_program(seed, flags, NULL, &shape);
    CHECK(p);
    memset(&how, 0, sizeof how);
    memset(&interp, 0, sizeof interp);
    how.unfenced = vk.is_lavapipe;
    how.version = seed & 1 ? VYRE_SPIRV_1_5 : 0;
    how.loop_limit = seed & 2 ? 50000 : 0;
    gen_memory wanted = gen_memory_make(&shape), found = gen_memory_make(&shape);
    memcpy(interp.groups, shape.groups, sizeof interp.groups);
    interp.buffers = wanted.buffers;
    interp.sizes = wanted.sizes;
    interp.buffer_count = wanted.count;
    interp.subgroup_size = vk.subgroup_size;
    CHECK_EQ(vyre_interpret(p, &interp, NULL), VYRE_OK);
    make_kernel(p, &how, &pipeline);
    CHECK_EQ(pipeline.binding_count, shape.buffer_count);
    const vk_call call = { { shape.groups[0], shape.groups[1], shape.groups[2] }, found.buffers,
                           found.sizes, 0 };
    if (!vk_dispatch(&vk, &pipeline, &call))
        test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)seed, vk.why);
    if (gen_memory_differs(&wanted, &found, &binding, &at))
        test_fail(__FILE__, __LINE__, "seed 0x%llx: binding %u, byte %zu",
                  (unsigned long long)seed, (unsigned)binding, at);
    vk_kernel_destroy(&vk, &pipeline);
    gen_memory_free(&wanted);
    gen_memory_free(&found);
    vyre_program_destroy(p);
}

static uint32_t programs_each(void)
{
    const char *text = getenv("TEST_COUNT");
    return text ? (uint32_t)strtoul(text, NULL, 0) : 40;
}

static void random_programs_agree_through_glsl(void)
{
    uint64_t random = test_seed(0x675c);
    need_device();
    for (uint32_t i = 0; i < programs_each(); i++) {
        const uint64_t seed = test_random(&random);
        unsigned flags = GEN_INTEGERS;
        if (seed % 4 == 0 && (vk.subgroup_operations & 31) == 31 && vk.subgroup_size <= 32)
            flags |= GEN_SUBGROUPS;
        one_random_program(seed, flags);
    }
}

/* All that glslang accepts, on or off the device: f32, divergence, size. */
static void random_programs_compile(void)
{
    uint64_t random = test_seed(0xc0de);
    for (uint32_t i = 0; i < programs_each(); i++) {
        const uint64_t seed = test_random(&random);
        gen_shape shape;
        vyre_spirv module;
        vyre_error err;
        vyre_program *p = gen_program(seed, GEN_ALL | (i % 10 == 0 ? GEN_LARGE : 0u), NULL, &shape);
        CHECK(p);
        char *text = printed(p, NULL);
        if (vyre_glsl_compile(text, 0, NULL, &module, &err) < 0)
            test_fail(__FILE__, __LINE__, "seed 0x%llx: line %u: %s", (unsigned long long)seed,
                      (unsigned)err.at, err.text);
        free(text);
        vyre_spirv_free(&module);
        vyre_program_destroy(p);
    }
}

/* --- kernels ------------------------------------------------------------- */

static void run_ring(const setting *g, const vk_kernel *pipeline, uint64_t seed)
{
    void *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    expected = actual = before;
    run_model(g, &expected);
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = words_of(&actual, i);
        sizes[i] = actual.count[i] ? 4 * (size_t)actual.count[i] : 1;
    }
    const vk_call call = { { 1, 1, 1 }, buffers, sizes, ROUNDS };
    if (!vk_dispatch(&vk, pipeline, &call))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    if (g->k->narrow && expected.count[0] > VYRE_CONTROL_HEARTBEAT)
        words_of(&actual, 0)[VYRE_CONTROL_HEARTBEAT] =
            words_of(&expected, 0)[VYRE_CONTROL_HEARTBEAT];
    compare(g, seed);
}

/* Every kind, looping and once, one lane wide: its order is the model's. */
static void kernels_agree_through_glsl(void)
{
    static kernel all[KERNELS];
    const uint64_t first = test_seed(0x6b67);
    uint32_t tested = 0;
    need_device();
    build_kernels();
    memcpy(all, kernels, sizeof all);
    const uint32_t count = kernel_count;
    for (uint32_t i = 0; i < count; i++) {
        vyre_spirv_desc how;
        vk_kernel pipeline;
        if (all[i].group != 1 || (all[i].what != 0 && all[i].what != WHOLE - 1 &&
                                  all[i].what != (TABLE | MIRROR) &&
                                  all[i].what != (WHOLE | MIRROR)))
            continue;
        memset(&how, 0, sizeof how);
        how.rounds = !all[i].once;
        how.unfenced = vk.is_lavapipe;
        how.loop_limit = all[i].narrow ? NARROW_LOOPS : i % 2 ? 60000 : 0;
        make_kernel(all[i].program, &how, &pipeline);
        kernel_count = 1;
        kernels[0] = all[i];
        for (uint64_t n = 0; n < 60; n++) {
            random_state = (first + n) * 0x9e3779b97f4a7c15ull;
            setting g = make_ring();
            g.lane_groups = 1;
            run_ring(&g, &pipeline, first + n);
        }
        vk_kernel_destroy(&vk, &pipeline);
        tested++;
    }
    memcpy(kernels, all, sizeof all);
    kernel_count = count;
    destroy_kernels();
    CHECK_EQ(tested, 22);
}

/* --- the functions themselves -------------------------------------------- */

static void printing_follows_snprintf(void)
{
    gen_shape shape;
    char small[40];
    vyre_program *p = gen_program(11, GEN_LOOPS, NULL, &shape);
    CHECK(p);
    char *text = printed(p, NULL);
    const size_t length = strlen(text);
    CHECK(strncmp(text, "#version 460\n", 13) == 0);
    memset(small, 'x', sizeof small);
    CHECK_EQ(vyre_program_glsl(p, NULL, small, 20), length);
    CHECK(memcmp(small, text, 19) == 0 && small[19] == 0 && small[20] == 'x');
    CHECK_EQ(vyre_program_glsl(NULL, NULL, small, sizeof small), 0);
    CHECK_EQ(small[0], 0);
    free(text);
    vyre_program_destroy(p);
    p = vyre_program_create(NULL, NULL);
    CHECK_EQ(vyre_program_glsl(p, NULL, NULL, 0), 0);
    vyre_program_destroy(p);
}

/* One access of each kind at an index that folding makes a constant. */
static void index_everywhere(vyre_program *p, vyre_buffer b, uint32_t index)
{
    const vyre_value less = vyre_ir_u32(p, index - 1), one = vyre_ir_u32(p, 1);
    const vyre_value i = vyre_ir_add(p, less, one);
    const vyre_value x = vyre_ir_load(p, b, i);
    vyre_ir_store(p, b, i, x);
    vyre_ir_atomic(p, VYRE_ATOMIC_SUB, b, i, x, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_cas(p, b, i, x, one, VYRE_ORDER_ACQ_REL);
    const vyre_value y = vyre_ir_atomic_load(p, b, i, VYRE_ORDER_ACQUIRE);
    vyre_ir_atomic_store(p, b, i, y, VYRE_ORDER_RELEASE);
}

/* What is never accessed must compile all the same. */
static void constant_indexes_beyond_the_end_compile(void)
{
    static const uint32_t indexes[] = { 7, 8, 9, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000,
                                        0x80000001, 0xfffffffe, 0xffffffff, 0 };
    vyre_buffer_desc desc;
    vyre_buffer b[3];
    vyre_program *p = vyre_program_create(NULL, NULL);
    memset(&desc, 0, sizeof desc);
    b[0] = vyre_ir_buffer(p, &desc);
    desc.count = 8;
    desc.binding = 1;
    b[1] = vyre_ir_buffer(p, &desc);
    desc.access = VYRE_ACCESS_WORKGROUP;
    b[2] = vyre_ir_buffer(p, &desc);
    for (uint32_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
            index_everywhere(p, b[k], indexes[i]);
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
    for (int version = 0; version < 2; version++) {
        vyre_spirv_desc how;
        vyre_spirv module;
        vyre_error err;
        memset(&how, 0, sizeof how);
        memset(&err, 0, sizeof err);
        how.unfenced = version == 1;
        char *text = printed(p, &how);
        if (vyre_glsl_compile(text, 0, NULL, &module, &err) != VYRE_OK)
            test_fail(__FILE__, __LINE__, "line %u: %s", (unsigned)err.at, err.text);
        vyre_spirv_free(&module);
        free(text);
    }
    vyre_program_destroy(p);
}

static void mistakes_have_a_line(void)
{
    vyre_spirv module;
    vyre_error err;
    const char *source = "#version 460\nlayout(local_size_x = 1) in;\nvoid main()\n{\n    x = 1;\n}\n";
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_glsl_compile(source, 0, NULL, &module, &err), VYRE_E_GLSL_SOURCE);
    CHECK_EQ(err.at, 5);
    CHECK(strstr(err.text, "'x'") && strlen(err.fix) > 10);
    source = "#version 460\nlayout(binding = 0) uniform U { uint x; };\n"
             "layout(binding = 1) buffer B { uint y; };\nvoid main() { y = x; }\n";
    CHECK_EQ(vyre_glsl_compile(source, 0, NULL, &module, &err), VYRE_E_GLSL_SOURCE);
    CHECK(strstr(err.text, "binding 0"));
    CHECK_EQ(vyre_glsl_compile(NULL, 0, NULL, &module, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_glsl_compile(source, 5, NULL, &module, &err), VYRE_E_SPIRV_VERSION);
}

static void bindings_are_found(void)
{
    vyre_spirv module;
    const char *source = "#version 460\nlayout(binding = 7) buffer A { uint a[]; };\n"
                         "layout(binding = 2) buffer B { uint b[]; };\n"
                         "void main() { a[0] = b[0]; }\n";
    CHECK_EQ(vyre_glsl_compile(source, VYRE_SPIRV_1_5, NULL, &module, NULL), VYRE_OK);
    CHECK_EQ(module.binding_count, 2);
    CHECK_EQ(module.bindings[0].binding, 2);
    CHECK_EQ(module.bindings[1].binding, 7);
    CHECK_EQ(module.words[1], VYRE_SPIRV_1_5);
    vyre_spirv_free(&module);
}

int main(void)
{
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    RUN(random_programs_agree_through_glsl);
    RUN(random_programs_compile);
    RUN(kernels_agree_through_glsl);
    RUN(printing_follows_snprintf);
    RUN(constant_indexes_beyond_the_end_compile);
    RUN(mistakes_have_a_line);
    RUN(bindings_are_found);
    if (vk.device)
        vk_close(&vk);
    return test_end();
}

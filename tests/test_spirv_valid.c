/* Every module that the emitter writes is valid for its environment, says the
 * SPIRV-Tools library: random programs, and the stock kernels in all variants.
 *
 *   TEST_COUNT=50000   random programs instead of 1200
 */
#include "gen.h"
#include "spirv_kernels.h"

#include <spirv-tools/libspirv.h>

static spv_context contexts[3];
static const char *const environments[3] = { "vulkan1.1", "vulkan1.2", "vulkan1.3" };

static void open_contexts(void)
{
    if (contexts[0])
        return;
    contexts[0] = spvContextCreate(SPV_ENV_VULKAN_1_1);
    contexts[1] = spvContextCreate(SPV_ENV_VULKAN_1_2);
    contexts[2] = spvContextCreate(SPV_ENV_VULKAN_1_3);
}

static bool is_valid(const vyre_spirv *module, uint32_t environment, char *why, size_t size)
{
    spv_const_binary_t binary = { module->words, module->word_count };
    spv_diagnostic diagnostic = NULL;
    const spv_result_t result = spvValidate(contexts[environment], &binary, &diagnostic);
    if (result != SPV_SUCCESS)
        snprintf(why, size, "%s: word %zu: %s", environments[environment],
                 diagnostic ? diagnostic->position.index : 0,
                 diagnostic ? diagnostic->error : "no diagnostic");
    spvDiagnosticDestroy(diagnostic);
    return result == SPV_SUCCESS;
}

/* Way number 0 .. 63 of emitting. */
static vyre_spirv_desc way(uint32_t number)
{
    vyre_spirv_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.version = number & 1 ? VYRE_SPIRV_1_5 : VYRE_SPIRV_1_3;
    desc.memory_model = number & 2 ? VYRE_MEMORY_MODEL_VULKAN : VYRE_MEMORY_MODEL_GLSL450;
    desc.names = number & 4;
    desc.spec_group_size = number & 8;
    desc.rounds = number & 16;
    desc.loop_limit = number & 32 ? 60000 : 0;
    desc.unfenced = (number & 36) == 36;
    return desc;
}

/* Valid in the environment of its version, or, every second one, in Vulkan 1.3. */
static void check_program(const vyre_program *p, uint32_t number, const char *what, uint64_t id)
{
    static uint32_t turn;
    const vyre_spirv_desc desc = way(number);
    char why[400];
    vyre_spirv module;
    vyre_error err;
    if (vyre_spirv_emit(p, &desc, &module, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s 0x%llx: %s", what, (unsigned long long)id, err.text);
    const bool valid = is_valid(&module, turn++ % 2 ? 2 : number & 1, why, sizeof why);
    vyre_spirv_free(&module);
    if (!valid)
        test_fail(__FILE__, __LINE__, "%s 0x%llx, way %u: %s", what, (unsigned long long)id,
                  (unsigned)number, why);
}

static void random_programs_are_valid(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 1200;
    uint64_t random = test_seed(0x7a11dull);
    open_contexts();
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t seed = test_random(&random);
        const unsigned flags = (unsigned)(seed >> 20) & (GEN_ALL | GEN_LARGE);
        gen_shape shape;
        vyre_program *p = gen_program(seed, (seed >> 40) % 8 ? flags & ~GEN_LARGE : flags, NULL,
                                      &shape);
        CHECK(p);
        if (seed & 64)
            CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
        check_program(p, (uint32_t)seed & 63, "seed", seed);
        vyre_program_destroy(p);
    }
    printf("NOTE %u random programs are valid\n", (unsigned)count);
}

static void kernels_are_valid(void)
{
    uint32_t kernels = 0;
    open_contexts();
    for (uint32_t i = 0; i < KERNEL_VARIANTS; i++) {
        vyre_program *p = kernel_variant(i, NULL);
        if (!p)
            continue;
        if (kernels % 2)
            CHECK_EQ(vyre_program_optimize(p, NULL), VYRE_OK);
        check_program(p, kernels % 64, "kernel", i);
        vyre_program_destroy(p);
        kernels++;
    }
    CHECK(kernels > 1000);
}

/* The plain ones in all ways. */
static void stock_kernels_are_valid_in_all_ways(void)
{
    open_contexts();
    for (uint32_t kind = 0; kind < 3; kind++)
        for (uint32_t once = 0; once < 2; once++) {
            vyre_program *p = kernel_variant(kind * KERNEL_FLAGS + once, NULL);
            CHECK(p);
            for (uint32_t number = 0; number < 128; number++) /* twice: in both environments */
                check_program(p, (number + number / 64) % 64, "kernel", kind * KERNEL_FLAGS + once);
            vyre_program_destroy(p);
        }
}

/* The validator would notice: a module with its last word gone, and one whose
 * first branch goes elsewhere. */
static void damage_is_noticed(void)
{
    gen_shape shape;
    char why[400];
    vyre_spirv module;
    open_contexts();
    vyre_program *p = gen_program(7, GEN_LOOPS, NULL, &shape);
    CHECK(p);
    CHECK_EQ(vyre_spirv_emit(p, NULL, &module, NULL), VYRE_OK);
    CHECK(is_valid(&module, 0, why, sizeof why));
    module.word_count--;
    CHECK(!is_valid(&module, 0, why, sizeof why));
    module.word_count++;
    size_t at = 5;
    while ((module.words[at] & 0xffffu) != 249) /* OpBranch */
        at += module.words[at] >> 16;
    module.words[at + 1] = module.words[3] - 1;
    CHECK(!is_valid(&module, 0, why, sizeof why));
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
}

int main(void)
{
    RUN(random_programs_are_valid);
    RUN(kernels_are_valid);
    RUN(stock_kernels_are_valid_in_all_ways);
    RUN(damage_is_noticed);
    for (int i = 0; i < 3; i++)
        if (contexts[i])
            spvContextDestroy(contexts[i]);
    return test_end();
}

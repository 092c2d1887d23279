/* Random programs: optimizing does not change what they do, and nothing that
 * they do reaches beyond their buffers.  A failure prints the seed and flags
 * of gen_program; TEST_SEED=0x... TEST_PROGRAMS=1 repeats that one. */
#include "gen.h"
#include "oom.h"

/* Each fourth program is a large one, each third has f32, each fifth limited loops. */
static unsigned flags_of(uint64_t seed)
{
    unsigned flags = GEN_INTEGERS | GEN_DIVERGENT;
    flags |= seed >> 20 & 1 ? GEN_SUBGROUPS : 0u;
    flags |= seed >> 24 & 3 ? 0u : GEN_LARGE;
    flags |= (seed >> 32) % 3 ? 0u : GEN_F32;
    flags |= (seed >> 40) % 5 ? 0u : GEN_LIMITS;
    return flags;
}

static vyre_status interpret(const vyre_program *p, const gen_shape *shape, const gen_memory *m,
                             const vyre_allocator *allocator, vyre_error *err)
{
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = m->buffers;
    desc.sizes = m->sizes;
    desc.buffer_count = m->count;
    desc.subgroup_size = 1u << (shape->seed >> 3 & 7);
    if (flags_of(shape->seed) & GEN_LIMITS)
        desc.loop_limit = 1 + (uint32_t)(shape->seed >> 12 & 63);
    if (allocator)
        desc.allocator = *allocator;
    return vyre_interpret(p, &desc, err);
}

#define CHECK_PROGRAM(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx TEST_PROGRAMS=1: %s",                  \
                      (unsigned long long)seed, #condition);                                       \
    } while (0)

static uint64_t instructions[2];

static void compare(uint64_t seed)
{
    gen_shape shape;
    vyre_error err;
    vyre_program *p = gen_program(seed, flags_of(seed), NULL, &shape);
    CHECK_PROGRAM(p);
    gen_memory plain = gen_memory_make(&shape), optimized = gen_memory_make(&shape);
    CHECK_PROGRAM(interpret(p, &shape, &plain, NULL, &err) == VYRE_OK);
    instructions[0] += vyre_program_instruction_count(p);
    CHECK_PROGRAM(vyre_program_optimize(p, &err) == VYRE_OK);
    instructions[1] += vyre_program_instruction_count(p);
    CHECK_PROGRAM(interpret(p, &shape, &optimized, NULL, &err) == VYRE_OK);
    CHECK_PROGRAM(gen_memory_guarded(&plain) && gen_memory_guarded(&optimized));

    uint32_t binding;
    size_t at;
    if (gen_memory_differs(&plain, &optimized, &binding, &at))
        test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx TEST_PROGRAMS=1: optimized, binding %u "
                  "differs at byte %zu", (unsigned long long)seed, binding, at);
    gen_memory_free(&plain);
    gen_memory_free(&optimized);
    vyre_program_destroy(p);
}

static void optimized_programs_do_the_same(void)
{
    const char *count = getenv("TEST_PROGRAMS");
    uint64_t random = 0x7679726521, first = test_seed(0);
    const long programs = count ? atol(count) : 10000;
    for (long i = 0; i < programs; i++)
        compare(first ? first + (uint64_t)i : test_random(&random));
    printf("NOTE %ld programs: %llu instructions, %llu optimized\n", programs,
           (unsigned long long)instructions[0], (unsigned long long)instructions[1]);
}

/* The same program and bytes in, the same bytes out: also from an allocator
 * that hands out dirty memory. */
static void runs_repeat(void)
{
    uint64_t random = 0x726570656174;
    for (int i = 0; i < 200; i++) {
        const uint64_t seed = test_random(&random);
        gen_shape shape;
        vyre_error err;
        oom_state oom;
        oom_begin(&oom);
        const vyre_allocator allocator = oom_allocator(&oom);
        vyre_program *p = gen_program(seed, flags_of(seed), &allocator, &shape);
        CHECK_PROGRAM(p);
        gen_memory one = gen_memory_make(&shape), two = gen_memory_make(&shape);
        CHECK_PROGRAM(interpret(p, &shape, &one, NULL, &err) == VYRE_OK);
        CHECK_PROGRAM(interpret(p, &shape, &two, &allocator, &err) == VYRE_OK);
        uint32_t binding;
        size_t at;
        CHECK_PROGRAM(!gen_memory_differs(&one, &two, &binding, &at));
        gen_memory_free(&one);
        gen_memory_free(&two);
        vyre_program_destroy(p);
        CHECK_PROGRAM(oom_is_clean(&oom));
    }
}

static vyre_status all_of_it(const vyre_allocator *allocator, void *user)
{
    const uint64_t seed = *(const uint64_t *)user;
    gen_shape shape;
    vyre_error err;
    err.status = VYRE_OK;
    vyre_program *p = gen_program_quiet(seed, flags_of(seed) | GEN_LARGE, allocator, &shape, &err);
    if (!p)
        return err.status;
    gen_memory m = gen_memory_make(&shape);
    vyre_status status = vyre_program_optimize(p, &err);
    if (status == VYRE_OK)
        status = interpret(p, &shape, &m, allocator, &err);
    gen_memory_free(&m);
    vyre_program_destroy(p);
    return status;
}

/* Building, checking, optimizing and interpreting. */
static void every_allocation_fails_once(void)
{
    uint64_t random = test_seed(0x6f6f6d);
    uint64_t failed = 0;
    for (int i = 0; i < 20; i++) {
        uint64_t seed = test_random(&random);
        failed += oom_each(all_of_it, &seed);
    }
    printf("NOTE %llu allocations failed\n", (unsigned long long)failed);
    CHECK(failed > 100);
}

int main(void)
{
    RUN(optimized_programs_do_the_same);
    RUN(runs_repeat);
    RUN(every_allocation_fails_once);
    return test_end();
}

/* Random programs: the emitter and a Vulkan device against the interpreter.
 *
 * Unsanitized: the driver under test is code of others, loads a compiler, and
 * leaks; and this program is made to be carried to machines that have a GPU.
 *
 *   TEST_COUNT=50000   programs instead of 1500
 *   TEST_JOBS=8        processes instead of 2
 *   TEST_SEED=0x...    the first seed; TEST_COUNT=1 with the seed that a
 *                      failure names repeats it
 *   TEST_CRASHES=500   how many programs may crash the driver's compiler; each is
 *                      named, and counted as neither run nor different
 *   VYRE_DEVICE=text   the device to use
 */
#include "gen.h"
#include "vk_run.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct tally {
    uint32_t programs, differences, cut, skipped;
} tally;

/* What program number i of the run may contain. */
static unsigned flags_of(const vk_run *vk, uint64_t seed)
{
    const uint32_t all = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT |
                         VK_SUBGROUP_FEATURE_ARITHMETIC_BIT | VK_SUBGROUP_FEATURE_BALLOT_BIT |
                         VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    const bool subgroups = (vk->subgroup_operations & all) == all && vk->subgroup_size <= 32;
    unsigned flags = GEN_LOOPS | GEN_ATOMICS;
    if (seed & 0x100)
        flags |= GEN_WORKGROUP;
    if (seed & 0x200)
        flags |= GEN_3D;
    if (subgroups && (seed & 0xc00) == 0)
        flags |= GEN_SUBGROUPS;
    if ((seed & 0x1f000) == 0)
        flags |= GEN_LARGE;
    /* llvmpipe rounds each operator by itself; others may contract. */
    if (vk->is_lavapipe && (seed & 0x60000) == 0)
        flags |= GEN_F32;
    return flags;
}

static void run_interpreter(const vyre_program *p, const gen_shape *shape, gen_memory *memory,
                            uint32_t subgroup_size, uint32_t loop_limit)
{
    vyre_interp_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = memory->buffers;
    desc.sizes = memory->sizes;
    desc.buffer_count = memory->count;
    desc.subgroup_size = subgroup_size;
    desc.loop_limit = loop_limit;
    if (vyre_interpret(p, &desc, &err) < 0) {
        printf("FAIL interpreter, seed 0x%llx: %s\n", (unsigned long long)shape->seed, err.text);
        exit(2);
    }
}

static void run_device(vk_run *vk, const vyre_program *p, const gen_shape *shape,
                       const vyre_spirv_desc *how, gen_memory *memory)
{
    static const uint32_t bindings[GEN_BUFFERS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    vyre_spirv module;
    vyre_error err;
    vk_kernel kernel;
    if (vyre_spirv_emit(p, how, &module, &err) < 0) {
        printf("FAIL emitter, seed 0x%llx: %s\n", (unsigned long long)shape->seed, err.text);
        exit(2);
    }
    vk_kernel_desc desc = { module.words, module.word_count, bindings, shape->buffer_count,
                            module.push_constant_size,
                            how->spec_group_size ? shape->group_size : NULL };
    vk_call call = { { shape->groups[0], shape->groups[1], shape->groups[2] }, memory->buffers,
                     memory->sizes, 0 };
    if (!vk_kernel_create(vk, &kernel, &desc) || !vk_dispatch(vk, &kernel, &call)) {
        printf("FAIL device, seed 0x%llx: %s\n", (unsigned long long)shape->seed, vk->why);
        exit(2);
    }
    vk_kernel_destroy(vk, &kernel);
    vyre_spirv_free(&module);
}

/* Vulkan promises nothing about the sign of an f32 zero. */
static void drop_signs_of_zero(gen_memory *m)
{
    for (size_t at = 0; m->count > GEN_FLOATS && at + 4 <= m->sizes[GEN_FLOATS]; at += 4) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)m->buffers[GEN_FLOATS] + at, 4);
        if (word == 0x80000000u)
            memset((uint8_t *)m->buffers[GEN_FLOATS] + at, 0, 4);
    }
}

/* One of the emitter's ways.  With a low loop limit loops are cut in the
 * middle, equally in the interpreter, if both count by lane: on llvmpipe in
 * modules with fences only, which a workgroup of one vector bears; a vector
 * is a run of lanes with equal y and z.  Elsewhere in programs without a workgroup's
 * barriers only: a lane that is cut does not come to those of its loop, and a barrier
 * that some lanes leave out means nothing. */
static vyre_spirv_desc way_of(const vk_run *vk, uint64_t seed, const gen_shape *shape)
{
    vyre_spirv_desc how;
    const uint32_t *size = shape->group_size;
    const bool one_vector = size[0] <= vk->subgroup_size && size[1] * size[2] == 1;
    const bool low = (seed & 0x30) == 0x10 &&
                     (vk->is_lavapipe ? one_vector : !(flags_of(vk, seed) & GEN_WORKGROUP));
    memset(&how, 0, sizeof how);
    how.version = vk->api_version >= VK_API_VERSION_1_2 && (seed & 1) ? VYRE_SPIRV_1_5 : 0;
    how.memory_model = vk->vulkan_memory_model && (seed & 2) ? VYRE_MEMORY_MODEL_VULKAN
                                                             : VYRE_MEMORY_MODEL_GLSL450;
    how.spec_group_size = (seed & 4) != 0;
    how.rounds = (seed & 8) != 0;
    how.unfenced = vk->is_lavapipe && !low;
    how.loop_limit = low ? 1 + (uint32_t)(seed >> 40) % 30 : (seed & 0x30) == 0 ? 60000 : 0;
    return how;
}

static void one_program(vk_run *vk, uint64_t seed, tally *t)
{
    gen_shape shape;
    uint32_t binding;
    size_t at;
    const unsigned flags = flags_of(vk, seed);
    vyre_program *p = gen_program(seed, flags, NULL, &shape);
    if (!p)
        exit(2);
    t->programs++;
    const vyre_spirv_desc how = way_of(vk, seed, &shape);
    t->cut += how.loop_limit && how.loop_limit < 60000;
    gen_memory expected = gen_memory_make(&shape), found = gen_memory_make(&shape);
    run_interpreter(p, &shape, &expected, vk->subgroup_size, how.loop_limit);
    run_device(vk, p, &shape, &how, &found);
    drop_signs_of_zero(&expected);
    drop_signs_of_zero(&found);
    if (gen_memory_differs(&expected, &found, &binding, &at)) {
        const uint8_t *x = (const uint8_t *)expected.buffers[binding] + (at & ~(size_t)3);
        const uint8_t *y = (const uint8_t *)found.buffers[binding] + (at & ~(size_t)3);
        printf("FAIL seed 0x%llx (flags %u): binding %u, word %zu: interpreter "
               "%02x%02x%02x%02x, device %02x%02x%02x%02x\n",
               (unsigned long long)seed, flags, (unsigned)binding, at / 4, x[3], x[2], x[1], x[0],
               y[3], y[2], y[1], y[0]);
        t->differences++;
    }
    gen_memory_free(&expected);
    gen_memory_free(&found);
    vyre_program_destroy(p);
}

static uint32_t number_from(const char *name, uint32_t fallback)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 0) : fallback;
}

/* Programs that a driver got wrong, or crashed on: they follow in every run
 * but that of a single program. */
static const uint64_t seen[] = {
    0x222ed5f0202de917ull, 0x7eb964f95815a6e7ull, 0x3bcfecd8f731a63full, 0x20d6cba32c42ee75ull,
    0x5e3b4768b54c1156ull, 0x3abc408d78250c36ull, 0x49e1a2ad46fd2d9eull
};
#define SEEN ((uint32_t)(sizeof seen / sizeof seen[0]))

/* Number `i` of `count` programs, the last of which have been seen. */
static uint64_t seed_of(uint64_t first, uint32_t i, uint32_t count)
{
    uint64_t state = first + i;
    if (count > SEEN && i >= count - SEEN)
        return seen[i - (count - SEEN)];
    return i ? test_random(&state) : first;
}

/* A child's share, every jobs-th program, in memory that outlives the child. */
typedef struct share {
    uint32_t next, crashes;
    tally    t;
    pid_t    pid;
} share;

static void work(share *mine, uint32_t job, uint32_t jobs, uint32_t count)
{
    static vk_run vk;
    const uint64_t first = test_seed(0x5b1f00d5ull);
    if (!vk_open(&vk)) {
        if (job == 0)
            printf("NOTE no device: %s\n", vk.why);
        mine->t.skipped = 1;
    } else if (mine->next == 0) {
        printf("NOTE %s, Vulkan %u.%u, subgroups of %u, %s memory model\n", vk.name,
               VK_API_VERSION_MAJOR(vk.api_version), VK_API_VERSION_MINOR(vk.api_version),
               vk.subgroup_size, vk.vulkan_memory_model ? "Vulkan and GLSL450" : "GLSL450");
    }
    fflush(stdout);
    for (; mine->next < count && !mine->t.skipped && mine->t.differences < 10; mine->next += jobs)
        one_program(&vk, seed_of(first, mine->next, count), &mine->t);
    if (!mine->t.skipped)
        vk_close(&vk);
    fflush(stdout);
    _exit(0);
}

static void begin(share *mine, uint32_t job, uint32_t jobs, uint32_t count)
{
    fflush(stdout);
    const pid_t child = fork(); /* the child must not write to what both share */
    CHECK(child >= 0);
    if (child == 0)
        work(mine, job, jobs, count);
    mine->pid = child;
}

/* One child has ended: by itself, or in the middle of a program. */
static bool ended_well(share *mine, int status, bool may_crash, uint32_t count)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0;
    const uint64_t seed = seed_of(test_seed(0x5b1f00d5ull), mine->next, count);
    printf("%s seed 0x%llx: the driver crashed with signal %d\n", may_crash ? "NOTE" : "FAIL",
           (unsigned long long)seed, WTERMSIG(status));
    mine->crashes++;
    return may_crash;
}

static void random_programs_agree(void)
{
    enum { MOST_JOBS = 64 };
    const uint32_t asked = number_from("TEST_COUNT", 1500);
    const uint32_t count = asked > 1 ? asked + SEEN : asked;
    const uint32_t wanted = number_from("TEST_JOBS", 2);
    const uint32_t jobs = wanted < MOST_JOBS ? wanted : MOST_JOBS;
    const uint32_t may_crash = number_from("TEST_CRASHES", 0);
    share *shares = (share *)mmap(NULL, MOST_JOBS * sizeof *shares, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shares != MAP_FAILED);
    for (uint32_t job = 0; job < jobs; job++) {
        shares[job].next = job;
        begin(&shares[job], job, jobs, count);
    }
    uint32_t broken = 0, crashes = 0;
    int status;
    for (pid_t pid = wait(&status); pid > 0; pid = wait(&status)) {
        uint32_t job = 0;
        while (shares[job].pid != pid)
            job++;
        const bool crashed = !WIFEXITED(status);
        if (!ended_well(&shares[job], status, crashes < may_crash, count)) {
            broken++;
        } else if (crashed) {
            crashes++;
            shares[job].next += jobs;
            begin(&shares[job], job, jobs, count);
        }
    }
    tally sum;
    memset(&sum, 0, sizeof sum);
    for (uint32_t job = 0; job < jobs; job++) {
        sum.programs += shares[job].t.programs;
        sum.differences += shares[job].t.differences;
        sum.cut += shares[job].t.cut;
        sum.skipped += shares[job].t.skipped;
    }
    munmap(shares, MOST_JOBS * sizeof *shares);
    if (sum.skipped)
        test_skip("no Vulkan device");
    printf("NOTE %u programs ran, %u of them with a low loop limit: %u differences; "
           "%u crashed the driver's compiler\n",
           sum.programs - crashes, sum.cut, sum.differences, crashes);
    CHECK_EQ(broken, 0);
    CHECK_EQ(sum.differences, 0);
    CHECK_EQ(sum.programs, count);
}

int main(void)
{
    /* Mesa would keep programs on disk that nobody runs again. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    RUN(random_programs_agree);
    return test_end();
}

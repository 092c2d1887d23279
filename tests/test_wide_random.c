/* Random handlers of many lanes: a Vulkan device against the interpreter, all words of
 * all buffers.  Kernels of a few such handlers are built as tile passes, in which each
 * wide work is a dispatch of its own, and each handler runs some works: ranges and
 * tiles, with reductions, faults, barriers that the slot decides about, arrays of the
 * workgroup, and handlers of which several indexes run at once.
 *
 * Unsanitized: the driver is code of others.
 *
 *   TEST_COUNT=10000   handlers instead of 24
 *   TEST_SECONDS=60    no kernel is begun after that time
 *   TEST_SEED=0x...    the first kernel's; a failure names the one to repeat
 *   VYRE_DEVICE=text   the device to use
 */
#define VYRE_NO_VULKAN /* vk_run.h calls the loader directly */
#include "inside.h"

#include "gen.h"
#include "vk_run.h"

#include <time.h>

enum {
    HANDLERS = 4,  /* of a kernel */
    WORKS = 3,     /* of a handler */
    MOST = 128,    /* indexes, or lanes of all tiles */
    MIRROR = GEN_FIRST_BINDING + GEN_FLOATS,
    WIDE = MIRROR + 1,
    BINDINGS = WIDE + 1,
    FIRST_OPCODE = 0x1000
};

static vk_run vk;

typedef struct kernel {
    uint64_t      seed;
    uint32_t      group;
    gen_handler   plans[HANDLERS];
    vyre_handler  handlers[HANDLERS];
    gen_shape     shape;
    vyre_program *program;
    vk_kernel     pipeline;
} kernel;

/* --- kernels -------------------------------------------------------------- */

static void plan_handlers(kernel *k)
{
    uint64_t random = k->seed;
    for (uint32_t i = 0; i < HANDLERS; i++) {
        gen_handler *plan = &k->plans[i];
        const uint64_t r = test_random(&random);
        plan->seed = r;
        plan->tiles = (r >> 8 & 1) != 0;
        plan->lanes = k->group;
        plan->flags = GEN_ATOMICS | GEN_LOOPS;
        if (!plan->tiles && (r >> 9 & 1))
            plan->flags = GEN_STRAIGHT | (r >> 10 & 1 ? GEN_ATOMICS : 0u);
        k->handlers[i].opcode = FIRST_OPCODE + i;
        k->handlers[i].emit = gen_handler_emit;
        k->handlers[i].user = plan;
        k->handlers[i].width = plan->tiles ? VYRE_WIDTH_GROUP : VYRE_WIDTH_RANGE;
    }
}

static void build_program(kernel *k)
{
    vyre_buffer_desc buffers[GEN_BUFFERS + 2];
    vyre_kernel_desc desc;
    vyre_kernel_host host;
    vyi_wide_host wide;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&host, 0, sizeof host);
    memset(&wide, 0, sizeof wide);
    desc.once = true;
    desc.group_size = k->group;
    desc.handlers = k->handlers;
    desc.handler_count = HANDLERS;
    desc.buffer_count = gen_handler_buffers(k->seed, k->group, MOST, buffers, &k->shape);
    desc.buffers = buffers;
    host.mirror_binding = MIRROR;
    wide.binding = WIDE;
    wide.pass = true;
    k->program = vyi_kernel_build(&desc, &host, &wide, &err);
    if (!k->program)
        test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s; %s", (unsigned long long)k->seed,
                  err.text, err.fix);
}

/* As the engine makes one. */
static void build_pipeline(kernel *k)
{
    static const uint32_t bindings[BINDINGS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
    const uint32_t group[3] = { k->group, 1, 1 };
    vyre_spirv_desc how;
    vyre_spirv module;
    memset(&how, 0, sizeof how);
    how.version = vk.api_version >= VK_API_VERSION_1_2 ? VYRE_SPIRV_1_5 : 0;
    how.memory_model = vk.vulkan_memory_model && (k->seed & 1) ? VYRE_MEMORY_MODEL_VULKAN
                                                               : VYRE_MEMORY_MODEL_GLSL450;
    how.spec_group_size = true;
    how.unfenced = vk.is_lavapipe;
    how.loop_limit = vk.is_lavapipe ? 60000 : 0;
    CHECK_EQ(vyre_spirv_emit(k->program, &how, &module, NULL), VYRE_OK);
    const vk_kernel_desc desc = { module.words, module.word_count, bindings, BINDINGS,
                                  module.push_constant_size, group };
    if (!vk_kernel_create(&vk, &k->pipeline, &desc))
        test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s", (unsigned long long)k->seed, vk.why);
    vyre_spirv_free(&module);
}

static void kernel_begin(kernel *k, uint64_t seed)
{
    memset(k, 0, sizeof *k);
    k->seed = seed;
    k->group = seed >> 5 & 1 ? 64 : 32;
    plan_handlers(k);
    build_program(k);
    build_pipeline(k);
}

static void kernel_end(kernel *k)
{
    vk_kernel_destroy(&vk, &k->pipeline);
    vyre_program_destroy(k->program);
}

/* --- works ---------------------------------------------------------------- */

typedef struct board {
    uint32_t   control[176], ring[VYRE_SLOT_WORDS], log[5], io[8], mirror[1];
    uint32_t   wide[VYI_WIDE_WORDS];
    gen_memory user;
    void      *buffers[BINDINGS];
    size_t     sizes[BINDINGS];
} board;

static void board_begin(board *b, const gen_shape *shape)
{
    memset(b, 0, sizeof *b);
    b->user = gen_memory_make(shape);
    void *const own[] = { b->control, b->ring, b->log, b->io };
    const size_t sizes[] = { sizeof b->control, sizeof b->ring, sizeof b->log, sizeof b->io };
    for (uint32_t i = 0; i < GEN_FIRST_BINDING; i++) {
        b->buffers[i] = own[i];
        b->sizes[i] = sizes[i];
    }
    for (uint32_t i = 0; i < GEN_FLOATS; i++) {
        b->buffers[GEN_FIRST_BINDING + i] = b->user.buffers[i];
        b->sizes[GEN_FIRST_BINDING + i] = b->user.sizes[i];
    }
    b->buffers[MIRROR] = b->mirror;
    b->sizes[MIRROR] = sizeof b->mirror;
    b->buffers[WIDE] = b->wide;
    b->sizes[WIDE] = sizeof b->wide;
}

/* A work for the handler; how many chunks it has. */
static uint32_t board_publish(board *b, const kernel *k, uint32_t handler, uint64_t random)
{
    const bool tiles = k->plans[handler].tiles;
    uint32_t *slot = b->ring, per = 1;
    memset(b->ring, 0, sizeof b->ring);
    slot[VYRE_SLOT_STATUS] = VYRE_SLOT_CLAIMED; /* by the host, for a pass */
    slot[VYRE_SLOT_OPCODE] = FIRST_OPCODE + handler;
    slot[VYRE_SLOT_TENANT] = (uint32_t)(test_random(&random) >> 20 & 15);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot[VYRE_SLOT_ARGS + i] = gen_number(&random);
    const uint32_t r = (uint32_t)(test_random(&random) >> 16);
    const uint32_t range = r % (tiles ? MOST / k->group + 1 : MOST);
    slot[VYRE_SLOT_ARGS] = tiles ? range : r >> 16 & 15;
    if (!tiles) {
        slot[VYRE_SLOT_ARGS + 1] = slot[VYRE_SLOT_ARGS] + range;
        per = 1 + (r >> 20 & 0x7f);
    }
    b->wide[VYI_WIDE_PER] = per;
    b->wide[VYI_WIDE_CHUNKS] = range ? (range + per - 1) / per : 1;
    return b->wide[VYI_WIDE_CHUNKS];
}

static void interpret(const kernel *k, board *b, uint32_t chunks)
{
    vyre_interp_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = chunks;
    desc.groups[1] = desc.groups[2] = 1;
    desc.buffers = b->buffers;
    desc.sizes = b->sizes;
    desc.buffer_count = BINDINGS;
    desc.subgroup_size = vk.subgroup_size;
    if (vyre_interpret(k->program, &desc, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s", (unsigned long long)k->seed,
                  err.text);
}

static void run_device(const kernel *k, board *b, uint32_t chunks)
{
    const vk_call call = { { chunks, 1, 1 }, b->buffers, b->sizes, 0 };
    if (!vk_dispatch(&vk, &k->pipeline, &call))
        test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s", (unsigned long long)k->seed, vk.why);
}

static void compare(const kernel *k, uint32_t handler, const board *a, const board *b)
{
    for (uint32_t i = 0; i < BINDINGS; i++)
        for (size_t at = 0; at < a->sizes[i]; at++)
            if (((const uint8_t *)a->buffers[i])[at] != ((const uint8_t *)b->buffers[i])[at])
                test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s handler %u, binding %u differs "
                          "at byte %u", (unsigned long long)k->seed,
                          k->plans[handler].tiles ? "GROUP" : "RANGE", handler, i, (unsigned)at);
}

typedef struct tally {
    uint32_t handlers, tiles, faults;
} tally;

/* The works of one kernel run in the same memory, one after another. */
static void run_works(const kernel *k, tally *t)
{
    static board expected, found;
    board_begin(&expected, &k->shape);
    board_begin(&found, &k->shape);
    for (uint32_t n = 0; n < HANDLERS * WORKS; n++) {
        const uint64_t random = k->seed * 31 + n;
        const uint32_t handler = n % HANDLERS;
        const uint32_t chunks = board_publish(&expected, k, handler, random);
        (void)board_publish(&found, k, handler, random);
        interpret(k, &expected, chunks);
        run_device(k, &found, chunks);
        compare(k, handler, &expected, &found);
        CHECK(expected.ring[0] == VYRE_SLOT_DONE || expected.ring[0] == VYRE_SLOT_FAULTED);
        t->faults += expected.ring[0] == VYRE_SLOT_FAULTED;
    }
    CHECK(gen_memory_guarded(&expected.user) && gen_memory_guarded(&found.user));
    gen_memory_free(&expected.user);
    gen_memory_free(&found.user);
}

static void random_handlers_agree(void)
{
    const char *text = getenv("TEST_COUNT");
    const char *limit = getenv("TEST_SECONDS");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 24;
    const time_t end = limit ? time(NULL) + (time_t)strtoul(limit, NULL, 0) : 0;
    const uint64_t first = test_seed(0x77696465);
    tally t;
    memset(&t, 0, sizeof t);
    if (!vk_open(&vk))
        test_skip(vk.why);
    for (uint64_t n = 0; t.handlers < count && !(end && n && time(NULL) >= end); n++) {
        static kernel k;
        uint64_t state = first + n;
        kernel_begin(&k, n ? test_random(&state) : first);
        run_works(&k, &t);
        for (uint32_t i = 0; i < HANDLERS; i++)
            t.tiles += k.plans[i].tiles;
        t.handlers += HANDLERS;
        kernel_end(&k);
    }
    printf("NOTE %s: %u handlers, %u of them of workgroups, %u of %u works ended FAULT\n", vk.name,
           t.handlers, t.tiles, t.faults, t.handlers * WORKS);
    vk_close(&vk);
}

int main(void)
{
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    RUN(random_handlers_agree);
    return test_end();
}

/* ==========================================================================
 * vulkan: the probe
 *
 * Vulkan promises nothing about what a running dispatch sees of the host's
 * writes, or the host of the dispatch's.  So it is measured, at open, in the
 * memory types that the real buffers use:
 *
 *     loops      how many iterations of 200,000 does a loop make
 *     echo       the host counts up a word, a running dispatch answers each number
 *     sums       it answers with what an atomic found, and orders nothing; the host
 *                then looks for what the atomic has left
 *     lines      the host stores 64 bytes at once, a running dispatch reads them
 *                back to front, and counts those of which it sees a part
 *     resident   workgroups count how many of them run at the same time
 *
 * A second answer from one group proves both directions: the group can only have
 * read the second number after the host had read its first answer.
 * Everything here is bounded: by iterations on the device, by deadlines on the
 * host.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

/* --- the program --------------------------------------------------------- */

/* Words of the control buffer; the polled one has a line of its own. */
#define VYI_VK_PROBE_WHAT     0u
#define VYI_VK_PROBE_TIMES    1u /* iterations of the dispatch's loop */
#define VYI_VK_PROBE_GOAL     2u /* groups to wait for */
#define VYI_VK_PROBE_COUNT    3u /* iterations made, numbers seen */
#define VYI_VK_PROBE_MIX      4u
#define VYI_VK_PROBE_TORN     5u /* numbers seen with an older word behind */
#define VYI_VK_PROBE_SUM      6u /* numbers that were added up */
#define VYI_VK_PROBE_READ     7u /* lines that were read */
#define VYI_VK_PROBE_RUNNING  32u
#define VYI_VK_PROBE_PEAK     33u
#define VYI_VK_PROBE_PING     64u /* the first word of a line */
#define VYI_VK_PROBE_WORDS    96u

#define VYI_VK_PROBE_STOP     0xffffffffu
/* The first numbers are answered, the next ones added up, the rest are lines. */
#define VYI_VK_PROBE_ECHOES   16u
#define VYI_VK_PROBE_SUMS     64u

typedef enum vyi_vk_probe_what {
    VYI_VK_PROBE_LOOPS = 0,
    VYI_VK_PROBE_ECHO = 1,
    VYI_VK_PROBE_RESIDENT = 2
} vyi_vk_probe_what;

typedef struct vyi_vk_probe_ir {
    vyre_program *p;
    vyre_buffer   control, mirror;
    vyre_value    times, leads; /* leads: bool, the first lane of its group */
} vyi_vk_probe_ir;

static vyre_value vyi_vk_probe_word(vyre_program *p, uint32_t word)
{
    return vyre_ir_u32(p, word);
}

/* Each step depends on the one before, so that no compiler skips the loop. */
static void vyi_vk_probe_emit_loops(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_ir_if(p, ir->leads);
    const vyre_local count = vyre_ir_local(p, VYRE_TYPE_U32, zero, "count");
    const vyre_local mix = vyre_ir_local(p, VYRE_TYPE_U32, one, "mix");
    vyre_ir_loop(p, zero, ir->times);
    vyre_ir_set(p, count, vyre_ir_add(p, vyre_ir_get(p, count), one));
    vyre_ir_set(p, mix, vyre_ir_add(p, vyre_ir_mul(p, vyre_ir_get(p, mix),
                                                   vyre_ir_u32(p, 1664525u)),
                                    vyre_ir_u32(p, 1013904223u)));
    vyre_ir_end(p);
    vyre_ir_store(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_COUNT),
                  vyre_ir_get(p, count));
    vyre_ir_store(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_MIX), vyre_ir_get(p, mix));
    vyre_ir_end(p);
}

/* Counts the line of a new number as torn when one of its other words is
 * older.  They are read at once, without an order, as the whole kernel does;
 * behind an acquiring claim they would be read much later. */
static void vyi_vk_probe_emit_line(const vyi_vk_probe_ir *ir, vyre_value ping, vyre_local torn)
{
    static const uint32_t words[] = { 15, 8, 7, 1 };
    vyre_program *p = ir->p;
    vyre_value old = vyre_ir_bool(p, false);
    for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const vyre_value word =
            vyre_ir_atomic_load(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_PING + words[i]),
                                VYRE_ORDER_RELAXED);
        old = vyre_ir_or(p, old, vyre_ir_lt(p, word, ping));
    }
    const vyre_value one = vyre_ir_cast(p, VYRE_TYPE_U32, old);
    vyre_ir_set(p, torn, vyre_ir_add(p, vyre_ir_get(p, torn), one));
}

/* Answers with the number that the sum says it is.  The answer is made of what
 * the atomic found: that orders the two, and nothing else does. */
static void vyi_vk_probe_emit_sum(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value one = vyre_ir_u32(p, 1);
    const vyre_value found = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control,
                                            vyi_vk_probe_word(p, VYI_VK_PROBE_SUM), one,
                                            VYRE_ORDER_RELAXED);
    const vyre_value before = vyre_ir_u32(p, VYI_VK_PROBE_ECHOES + 1);
    vyre_ir_atomic_store(p, ir->mirror, vyre_ir_u32(p, 0), vyre_ir_add(p, found, before),
                         VYRE_ORDER_RELAXED);
}

/* A group that begins later answers the number of the moment, once more. */
static void vyi_vk_probe_emit_echo(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_ir_if(p, ir->leads);
    const vyre_local last = vyre_ir_local(p, VYRE_TYPE_U32, zero, "last");
    const vyre_local seen = vyre_ir_local(p, VYRE_TYPE_U32, zero, "seen");
    const vyre_local torn = vyre_ir_local(p, VYRE_TYPE_U32, zero, "torn");
    const vyre_local read = vyre_ir_local(p, VYRE_TYPE_U32, zero, "read");
    vyre_ir_loop(p, zero, ir->times);
    const vyre_value ping = vyre_ir_atomic_load(
        p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_PING), VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_eq(p, ping, vyre_ir_u32(p, VYI_VK_PROBE_STOP)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_ne(p, ping, vyre_ir_get(p, last)));
    vyre_ir_if(p, vyre_ir_le(p, ping, vyre_ir_u32(p, VYI_VK_PROBE_ECHOES)));
    vyre_ir_atomic_store(p, ir->mirror, zero, ping, VYRE_ORDER_RELEASE);
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_le(p, ping,
                             vyre_ir_u32(p, VYI_VK_PROBE_ECHOES + VYI_VK_PROBE_SUMS)));
    vyi_vk_probe_emit_sum(ir);
    vyre_ir_else(p);
    vyi_vk_probe_emit_line(ir, ping, torn);
    vyre_ir_set(p, read, vyre_ir_add(p, vyre_ir_get(p, read), one));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_set(p, last, ping);
    vyre_ir_set(p, seen, vyre_ir_add(p, vyre_ir_get(p, seen), one));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_COUNT),
                   vyre_ir_get(p, seen), VYRE_ORDER_RELAXED);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_READ),
                   vyre_ir_get(p, read), VYRE_ORDER_RELAXED);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_TORN),
                   vyre_ir_get(p, torn), VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* All lanes stay for as long as their group's first one. */
static void vyi_vk_probe_emit_resident(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    const vyre_value running = vyi_vk_probe_word(p, VYI_VK_PROBE_RUNNING);
    const vyre_value peak = vyi_vk_probe_word(p, VYI_VK_PROBE_PEAK);
    const vyre_value goal =
        vyre_ir_load(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_GOAL));
    vyre_ir_if(p, ir->leads);
    const vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control, running, one,
                                             VYRE_ORDER_ACQ_REL);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, peak, vyre_ir_add(p, before, one),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_loop(p, zero, ir->times);
    vyre_ir_if(p, vyre_ir_ge(p, vyre_ir_atomic_load(p, ir->control, peak, VYRE_ORDER_RELAXED),
                             goal));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_if(p, ir->leads);
    vyre_ir_atomic(p, VYRE_ATOMIC_SUB, ir->control, running, one, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
}

static vyre_program *vyi_vk_probe_program(const vyre_allocator *allocator, vyre_error *err)
{
    static void (*const parts[])(const vyi_vk_probe_ir *) = {
        vyi_vk_probe_emit_loops, vyi_vk_probe_emit_echo, vyi_vk_probe_emit_resident
    };
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "probe";
    desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, err);
    if (!p)
        return NULL;

    vyi_vk_probe_ir ir;
    vyre_buffer_desc buffer;
    memset(&buffer, 0, sizeof buffer);
    ir.p = p;
    buffer.name = "control";
    ir.control = vyre_ir_buffer(p, &buffer);
    buffer.name = "mirror";
    buffer.binding = 1;
    ir.mirror = vyre_ir_buffer(p, &buffer);
    ir.leads = vyre_ir_eq(p, vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_ID_X), vyre_ir_u32(p, 0));
    ir.times = vyre_ir_load(p, ir.control, vyi_vk_probe_word(p, VYI_VK_PROBE_TIMES));
    vyre_ir_switch(p, vyre_ir_load(p, ir.control, vyi_vk_probe_word(p, VYI_VK_PROBE_WHAT)));
    for (uint32_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        vyre_ir_case(p, i);
        parts[i](&ir);
    }
    vyre_ir_end(p);
    if (vyre_program_finish(p, err) < 0) {
        vyre_program_destroy(p);
        return NULL;
    }
    return p;
}

/* --- the set-up ---------------------------------------------------------- */

typedef struct vyi_vk_prober {
    vyi_vk_context  *c;
    vyi_vk_buffer    control, mirror;
    vyi_vk_layout    layout;
    VkDescriptorPool pool;
    VkDescriptorSet  set;
    VkPipeline       pipeline;
    vyi_vk_chain     chain;
    vyre_error       look; /* of the look that found the device lost */
    /* Of all goes of the echo. */
    uint32_t         seen, answered; /* numbers, in the best one */
    uint32_t         read;           /* lines, in the best one */
    bool             summed;         /* all sums were answered in one */
    bool             early;          /* in any, an answer came before its effect */
} vyi_vk_prober;

static vyre_status vyi_vk_prober_pipeline(vyi_vk_prober *pr, uint32_t group_size, vyre_error *err)
{
    vyi_vk_pipeline_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.layout = &pr->layout;
    desc.group_size = group_size;
    desc.name = "probe";
    vyre_program *program = vyi_vk_probe_program(&pr->c->desc->allocator, err);
    VYI_STEP("probe: its buffers");
    if (!program)
        return err ? err->status : VYRE_E_NOMEM;
    desc.program = program;
    const vyre_status status = vyi_vk_pipeline_create(pr->c, &desc, &pr->pipeline, err);
    VYI_STEP("probe: its pipeline");
    vyre_program_destroy(program);
    return status;
}

static vyre_status vyi_vk_prober_create(vyi_vk_prober *pr, uint32_t group_size, vyre_error *err)
{
    static const uint32_t numbers[2] = { 0, 1 };
    vyi_vk_context *c = pr->c;
    vyre_status status = vyi_vk_buffer_create(c, &pr->control, VYI_VK_DEVICE,
                                              VYI_VK_PROBE_WORDS * 4, "probe control", err);
    if (status == VYRE_OK)
        status = vyi_vk_buffer_create(c, &pr->mirror, VYI_VK_HOST, 64, "probe mirror", err);
    if (status == VYRE_OK)
        status = vyi_vk_layout_create(c, &pr->layout, numbers, 2, err);
    if (status == VYRE_OK)
        status = vyi_vk_pool_create(c, &pr->pool, 1, 2, err);
    if (status == VYRE_OK)
        status = vyi_vk_set_create(c, pr->pool, &pr->layout, &pr->set, err);
    if (status == VYRE_OK)
        status = vyi_vk_prober_pipeline(pr, group_size, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_create(c, &pr->chain, 1, VYI_VK_PLAIN_KINDS, err);
    if (status < 0)
        return status;
    const vyi_vk_binding bindings[2] = { { 0, pr->control.buffer, pr->control.size },
                                         { 1, pr->mirror.buffer, pr->mirror.size } };
    vyi_vk_set_write(c, pr->set, bindings, 2);
    c->probed[VYI_VK_DEVICE] = pr->control.type;
    c->probed[VYI_VK_HOST] = pr->mirror.type;
    return VYRE_OK;
}

static void vyi_vk_prober_destroy(vyi_vk_prober *pr)
{
    vyi_vk_context *c = pr->c;
    if (c->hung)
        return;
    vyi_vk_chain_destroy(c, &pr->chain);
    if (pr->pipeline)
        c->fn.vkDestroyPipeline(c->device, pr->pipeline, c->callbacks);
    if (pr->pool)
        c->fn.vkDestroyDescriptorPool(c->device, pr->pool, c->callbacks);
    vyi_vk_layout_destroy(c, &pr->layout);
    vyi_vk_buffer_destroy(c, &pr->mirror);
    vyi_vk_buffer_destroy(c, &pr->control);
}

/* --- running it ---------------------------------------------------------- */

#define VYI_VK_PROBE_DEADLINE 2000000000ull /* of one dispatch; compiling included */

static void *vyi_vk_probe_at(const vyi_vk_prober *pr, uint32_t word)
{
    return (uint32_t *)pr->control.mapped + word;
}

static void vyi_vk_probe_set(vyi_vk_prober *pr, uint32_t word, uint32_t value)
{
    vyi_store_release(vyi_vk_probe_at(pr, word), vyi_le32(value));
}

static uint32_t vyi_vk_probe_get(const vyi_vk_prober *pr, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_vk_probe_at(pr, word)));
}

static vyre_status vyi_vk_probe_launch(vyi_vk_prober *pr, vyi_vk_probe_what what, uint32_t times,
                                       uint32_t groups, vyre_error *err)
{
    vyi_vk_dispatch dispatch;
    dispatch.pipeline = pr->pipeline;
    dispatch.layout = pr->layout.pipeline;
    dispatch.set = pr->set;
    dispatch.groups = groups;
    dispatch.rounds = 0;
    dispatch.rows = dispatch.layers = 0;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_WHAT, (uint32_t)what);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_TIMES, times);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_COUNT, 0);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_READ, 0);
    return vyi_vk_chain_launch(pr->c, &pr->chain, 0, &dispatch, err);
}

static vyre_status vyi_vk_probe_finish(vyi_vk_prober *pr, vyre_error *err)
{
    vyi_vk_chain *chain = &pr->chain;
    const vyre_status status = vyi_vk_chain_reap(pr->c, chain, chain->launched - 1,
                                                 VYI_VK_PROBE_DEADLINE, err);
    if (status == VYRE_OK && chain->completed == chain->launched)
        return VYRE_OK;
    pr->c->hung = !vyi_vk_chain_idle(pr->c, chain, status < 0 ? VYI_VK_PROBE_DEADLINE : 0);
    if (status < 0)
        return status;
    return vyi_fail(err, VYRE_E_VK_TIMEOUT, chain->launched,
                    "Choose another device, or restart the driver.",
                    "a small dispatch of the probe did not end within %llu ms",
                    (unsigned long long)(VYI_VK_PROBE_DEADLINE / 1000000));
}

#define VYI_VK_PROBE_ITERATIONS 200000u

VYI_OUTLINE
static vyre_status vyi_vk_probe_loops(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_LOOPS, VYI_VK_PROBE_ITERATIONS, 1,
                                             err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_finish(pr, err);
    if (status < 0)
        return status;
    const uint32_t count = vyi_vk_probe_get(pr, VYI_VK_PROBE_COUNT);
    out->loop_limited = count < VYI_VK_PROBE_ITERATIONS;
    out->loop_limit = out->loop_limited ? count : 0;
    return VYRE_OK;
}

#define VYI_VK_PROBE_PROOF  3u  /* enough */

static bool vyi_vk_probe_on_cpu(const vyi_vk_prober *pr)
{
    return pr->c->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

/* Waits for the answer; false when the dispatch has ended without it, or the
 * deadline passed.  A driver whose device is the CPU may need this very core
 * for the answer, so this thread soon begins to sleep. */
static bool vyi_vk_probe_await(vyi_vk_prober *pr, uint32_t number, uint64_t timeout_ns)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    for (uint32_t spin = 1; vyi_le32(vyi_load_acquire(pr->mirror.mapped)) != number; spin++) {
        if (spin % 1024 != 0)
            continue;
        if (vyi_now() >= deadline ||
            vyi_vk_chain_reap(pr->c, &pr->chain, pr->chain.completed, 0, &pr->look) < 0 ||
            pr->chain.completed == pr->chain.launched)
            return vyi_le32(vyi_load_acquire(pr->mirror.mapped)) == number;
        if (spin >= 8192)
            vyi_sleep(20000);
    }
    return true;
}

static void vyi_vk_probe_send(vyi_vk_prober *pr, uint32_t number)
{
    if (vyi_has_store_line()) {
        vyi_line line;
        for (uint32_t i = 0; i < VYI_LINE_WORDS; i++)
            line.words[i] = number;
        vyi_store_line(vyi_vk_probe_at(pr, VYI_VK_PROBE_PING), &line);
    } else {
        vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, number);
    }
    vyi_fence_stores();
}

#define VYI_VK_PROBE_LINES   1000u
#define VYI_VK_PROBE_LINE_NS 700u /* between two: about a round of the dispatch */

/* Lines that nobody waits for, for the dispatch to look at as they arrive. */
static void vyi_vk_probe_lines(vyi_vk_prober *pr, uint32_t number)
{
    for (uint32_t i = 1; i <= VYI_VK_PROBE_LINES; i++) {
        const uint64_t next = vyi_now() + VYI_VK_PROBE_LINE_NS;
        vyi_vk_probe_send(pr, number + i);
        while (vyi_now() < next)
            vyi_pause();
    }
}

/* Asks for sums, and looks at each behind its answer. */
static void vyi_vk_probe_sums(vyi_vk_prober *pr, uint64_t patience)
{
    for (uint32_t sum = 1; sum <= VYI_VK_PROBE_SUMS; sum++) {
        vyi_vk_probe_send(pr, VYI_VK_PROBE_ECHOES + sum);
        if (!vyi_vk_probe_await(pr, VYI_VK_PROBE_ECHOES + sum, patience))
            return;
        pr->early = pr->early || vyi_vk_probe_get(pr, VYI_VK_PROBE_SUM) != sum;
    }
    pr->summed = true;
}

/* Whether the host can store lines, to a device that is not the host itself. */
static bool vyi_vk_probe_has_lines(const vyi_vk_prober *pr)
{
    return vyi_has_store_line() && !vyi_vk_probe_on_cpu(pr);
}

/* One dispatch.  Returns how many numbers came back while it ran. */
static uint32_t vyi_vk_probe_converse(vyi_vk_prober *pr, vyre_probe *out)
{
    const uint64_t patience = vyi_vk_probe_on_cpu(pr) ? 100000000ull : 5000000ull;
    uint32_t number = 1;
    for (; number <= VYI_VK_PROBE_ECHOES; number++) {
        const uint64_t begin = vyi_now();
        vyi_vk_probe_send(pr, number);
        /* The first one waits for the dispatch to begin. */
        if (!vyi_vk_probe_await(pr, number, number == 1 ? 200000000ull : patience))
            break;
        const uint64_t taken = vyi_now() - begin;
        if (number > 1 && (out->round_trip_ns == 0 || taken < out->round_trip_ns))
            out->round_trip_ns = taken > 0 ? taken : 1;
    }
    if (number > VYI_VK_PROBE_ECHOES && vyi_vk_probe_has_lines(pr)) {
        vyi_vk_probe_sums(pr, patience);
        vyi_vk_probe_lines(pr, VYI_VK_PROBE_ECHOES + VYI_VK_PROBE_SUMS);
    }
    return number - 1;
}

static void vyi_vk_probe_keep(uint32_t *best, uint32_t now)
{
    if (now > *best)
        *best = now;
}

/* One dispatch of the echo: one go. */
static vyre_status vyi_vk_probe_echo_once(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    const bool cpu = vyi_vk_probe_on_cpu(pr);
    const uint32_t times = out->loop_limited ? out->loop_limit / 2 : 20000;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, 0);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_SUM, 0);
    vyi_store_release(pr->mirror.mapped, 0);
    /* On a CPU an iteration takes little time, and more groups make it longer. */
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_ECHO, times, cpu ? 16 : 1, err);
    if (status < 0)
        return status;
    const uint32_t now = vyi_vk_probe_converse(pr, out);
    if (vyi_load_acquire(&pr->c->lost)) {
        if (err)
            *err = pr->look;
        return pr->look.status;
    }
    vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, VYI_VK_PROBE_STOP);
    vyi_fence_stores();
    status = vyi_vk_probe_finish(pr, err);
    if (status < 0)
        return status;
    vyi_vk_probe_keep(&pr->answered, now);
    vyi_vk_probe_keep(&pr->seen, vyi_vk_probe_get(pr, VYI_VK_PROBE_COUNT));
    vyi_vk_probe_keep(&pr->read, vyi_vk_probe_get(pr, VYI_VK_PROBE_READ));
    return VYRE_OK;
}

#define VYI_VK_PROBE_ENOUGH (VYI_VK_PROBE_LINES / 10)
#define VYI_VK_PROBE_GOES   8u /* for lines and sums */

static bool vyi_vk_probe_is_live(const vyi_vk_prober *pr)
{
    return pr->answered >= VYI_VK_PROBE_PROOF && pr->seen >= VYI_VK_PROBE_PROOF;
}

/* Whether the goes so far leave something open that another one may show. */
static bool vyi_vk_probe_is_open(const vyi_vk_prober *pr, uint32_t goes)
{
    if (!vyi_vk_probe_is_live(pr))
        return true;
    return vyi_vk_probe_has_lines(pr) && goes < VYI_VK_PROBE_GOES &&
           (!pr->summed || pr->read < VYI_VK_PROBE_ENOUGH);
}

/* A host thread that does not get its turn while the dispatch runs proves
 * nothing, so it has several goes, and many where both run on the same cores:
 * there only a busy machine stands in the way.  A torn line in any go is one,
 * and so is an answer that came early. */
VYI_OUTLINE
static vyre_status vyi_vk_probe_echo(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    const uint64_t deadline =
        vyi_deadline(vyi_vk_probe_on_cpu(pr) ? 3000000000ull : 300000000ull);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_TORN, 0);
    uint32_t goes = 0;
    do {
        const vyre_status status = vyi_vk_probe_echo_once(pr, out, err);
        if (status < 0)
            return status;
    } while (vyi_vk_probe_is_open(pr, ++goes) && vyi_now() < deadline);
    out->host_to_device = pr->seen >= VYI_VK_PROBE_PROOF;
    out->device_to_host = pr->answered >= VYI_VK_PROBE_PROOF;
    out->live = vyi_vk_probe_is_live(pr);
    out->whole_lines = pr->read >= VYI_VK_PROBE_ENOUGH &&
                       vyi_vk_probe_get(pr, VYI_VK_PROBE_TORN) == 0;
    out->effects_first = pr->summed && !pr->early;
    return VYRE_OK;
}

#define VYI_VK_PROBE_MAX_GROUPS 2048u

VYI_OUTLINE
static vyre_status vyi_vk_probe_resident(vyi_vk_prober *pr, uint32_t max_groups, vyre_probe *out,
                                         vyre_error *err)
{
    const bool cpu = vyi_vk_probe_on_cpu(pr);
    /* Twice as many as are of use, to see whether there is room to spare. */
    uint32_t groups = max_groups < VYI_VK_PROBE_MAX_GROUPS / 2 ? 2 * max_groups
                                                               : VYI_VK_PROBE_MAX_GROUPS;
    if (cpu || groups < 16)
        groups = 16;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_GOAL, groups);
    /* Iterations are short on a CPU; on a GPU many groups ask for the same word. */
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_RESIDENT, cpu ? 2000 : 300, groups,
                                             err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_finish(pr, err);
    if (status == VYRE_OK)
        out->resident_groups = vyi_vk_probe_get(pr, VYI_VK_PROBE_PEAK);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_probe_text(vyre_probe *out)
{
    static const char *const shown[2][2] = {
        { "", ", effects first" }, { ", whole lines", ", whole lines, effects first" }
    };
    char limit[48] = "none found";
    if (out->loop_limited)
        snprintf(limit, sizeof limit, "%u", out->loop_limit);
    snprintf(out->text, sizeof out->text,
             "%s: host to device %s, device to host %s, echo %.2f us; loop limit %s; "
             "%u groups at once%s",
             out->live ? "live" : "not live", out->host_to_device ? "yes" : "no",
             out->device_to_host ? "yes" : "no", (double)out->round_trip_ns * 1e-3, limit,
             out->resident_groups, shown[out->whole_lines][out->effects_first]);
}

VYI_COLD
VYI_API vyre_status vyi_vk_probe(vyi_vk_context *c, uint32_t group_size, uint32_t max_groups,
                                 vyre_probe *out, bool *settled, vyre_error *err)
{
    vyi_vk_prober pr;
    vyre_probe result;
    memset(&pr, 0, sizeof pr);
    memset(&result, 0, sizeof result);
    pr.c = c;
    vyre_status status = vyi_vk_prober_create(&pr, group_size, err);
    VYI_STEP("probe: its queue");
    if (status == VYRE_OK)
        status = vyi_vk_probe_loops(&pr, &result, err);
    VYI_STEP("probe: loops");
    if (status == VYRE_OK)
        status = vyi_vk_probe_echo(&pr, &result, err);
    VYI_STEP("probe: echo, sums, lines");
    if (status == VYRE_OK)
        status = vyi_vk_probe_resident(&pr, max_groups, &result, err);
    VYI_STEP("probe: resident groups");
    *settled = status == VYRE_OK && !vyi_vk_probe_is_open(&pr, 0);
    vyi_vk_prober_destroy(&pr);
    if (status < 0)
        return status;
    result.ran = true;
    vyi_vk_probe_text(&result);
    *out = result;
    return VYRE_OK;
}

#endif /* VYI_VULKAN */

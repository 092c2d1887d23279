/* ==========================================================================
 * runner: implementation, and the CPU
 * ======================================================================= */
#include "rooms/runner/runner_impl.h"
#include "interp/interp_impl.h"

#ifndef VYRE_NO_RUNNER

#define VYI_RUNNER_ROUNDS  (1u << 20)
#define VYI_RUNNER_TIMEOUT 10000000000u /* ns */
#define VYI_RUNNER_SLICE   1000000u     /* ns that a call gives to what still runs on the CPU */

/* --- the CPU ----------------------------------------------------------------- */

typedef struct vyi_runner_cpu {
    vyi_machine *machine;
    uint64_t     deadline;
    bool         paused;
} vyi_runner_cpu;

static bool vyi_runner_is_late(void *user)
{
    return vyi_now() >= ((const vyi_runner_cpu *)user)->deadline;
}

static void vyi_runner_cpu_free(vyre_runner *r)
{
    vyi_runner_cpu *cpu = (vyi_runner_cpu *)r->device;
    for (uint32_t i = 0; i < r->bound_count; i++)
        vyi_free(&r->desc.allocator, r->buffers[i].map, (r->buffers[i].size + 3) & ~(size_t)3);
    if (cpu) {
        vyi_machine_destroy(cpu->machine);
        vyi_free(&r->desc.allocator, cpu, sizeof *cpu);
    }
    vyi_runner_unguard(r);
}

static vyre_status vyi_runner_cpu_buffers(vyre_runner *r, vyre_error *err)
{
    for (uint32_t i = 0; i < r->bound_count; i++) {
        const size_t size = (r->buffers[i].size + 3) & ~(size_t)3;
        r->buffers[i].map = vyi_alloc_zeroed(&r->desc.allocator, size);
        if (!r->buffers[i].map)
            return vyi_fail_nomem(err, size);
    }
    return VYRE_OK;
}

static vyre_status vyi_runner_cpu_machine(vyre_runner *r, vyi_runner_cpu *cpu, vyre_error *err)
{
    void *maps[VYRE_MAX_BINDINGS];
    size_t sizes[VYRE_MAX_BINDINGS];
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < r->bound_count; i++) {
        maps[i] = r->buffers[i].map;
        sizes[i] = r->buffers[i].size;
    }
    desc.buffers = maps;
    desc.sizes = sizes;
    desc.buffer_count = r->bound_count;
    desc.loop_limit = r->desc.loop_limit;
    desc.allocator = r->desc.allocator;
    const vyre_status status = vyi_machine_create(r->program, &desc, &cpu->machine, err);
    if (status >= 0)
        vyi_machine_on_work(cpu->machine, vyi_runner_is_late, cpu);
    return status;
}

static vyre_status vyi_runner_cpu_open(vyre_runner *r, vyre_error *err)
{
    vyi_runner_cpu *cpu = (vyi_runner_cpu *)vyi_alloc_zeroed(&r->desc.allocator, sizeof *cpu);
    r->device = cpu;
    vyre_status status = cpu ? vyi_runner_guard(r, r->desc.loop_limit, err)
                             : vyi_fail_nomem(err, sizeof *cpu);
    if (status >= 0)
        status = vyi_runner_cpu_buffers(r, err);
    if (status >= 0)
        status = vyi_runner_cpu_machine(r, cpu, err);
    if (status < 0)
        vyi_runner_cpu_free(r);
    return status;
}

static bool vyi_runner_cpu_close(vyre_runner *r)
{
    vyi_runner_cpu_free(r);
    return true;
}

/* A run that took its time is paused, and goes on in vyi_runner_cpu_wait. */
static vyre_status vyi_runner_cpu_launch(vyre_runner *r, const uint32_t groups[3], vyre_error *err)
{
    vyi_runner_cpu *cpu = (vyi_runner_cpu *)r->device;
    cpu->deadline = vyi_deadline(r->desc.timeout_ns);
    const vyre_status status = vyi_machine_run(cpu->machine, groups, r->desc.rounds, err);
    cpu->paused = status == VYRE_PENDING;
    return status < 0 ? status : VYRE_OK;
}

static vyre_status vyi_runner_cpu_wait(vyre_runner *r, uint64_t timeout_ns, vyre_error *err)
{
    vyi_runner_cpu *cpu = (vyi_runner_cpu *)r->device;
    (void)err;
    if (cpu->paused && timeout_ns == 0) {
        cpu->deadline = vyi_deadline(VYI_RUNNER_SLICE);
        cpu->paused = vyi_machine_resume(cpu->machine) == VYRE_PENDING;
    }
    return cpu->paused ? VYRE_TIMEOUT : VYRE_OK;
}

static void vyi_runner_cpu_info(const vyre_runner *r, vyre_info *out)
{
    (void)r;
    out->backend = VYRE_BACKEND_CPU;
    snprintf(out->device, sizeof out->device, "CPU");
    snprintf(out->driver, sizeof out->driver, "the interpreter");
    out->limits.max_workgroup_size = out->limits.max_invocations = VYRE_MAX_WORKGROUP;
    out->limits.max_groups = UINT32_MAX;
}

static const vyi_runner_backend vyi_runner_cpu_backend = {
    vyi_runner_cpu_open, vyi_runner_cpu_close, vyi_runner_cpu_launch, vyi_runner_cpu_wait,
    vyi_runner_cpu_info
};

/* --- opening ------------------------------------------------------------------ */

/* The program's bound buffers, ascending by binding. */
static void vyi_runner_bind(vyre_runner *r)
{
    const vyre_program *p = r->desc.program;
    for (uint32_t binding = 0; binding < VYRE_MAX_BINDINGS; binding++) {
        for (uint32_t i = 0; i < p->buffer_count; i++) {
            if (p->buffers[i].binding == binding)
                r->buffers[r->buffer_count++].declared = &p->buffers[i];
        }
    }
    r->program = p;
    r->bound_count = r->buffer_count;
}

static vyre_status vyi_runner_sizes(vyre_runner *r, vyre_error *err)
{
    const vyre_runner_desc *desc = &r->desc;
    if (desc->sizes && desc->buffer_count != r->buffer_count)
        return vyi_fail(err, VYRE_E_INTERP_BUFFERS, desc->buffer_count,
                        "Give one size for each binding, 0 for the declared one.",
                        "%u sizes for the program's %u bindings", (unsigned)desc->buffer_count,
                        (unsigned)r->buffer_count);
    for (uint32_t i = 0; i < r->buffer_count; i++) {
        vyi_runner_buffer *b = &r->buffers[i];
        b->size = desc->sizes ? desc->sizes[i] : 0;
        if (b->size == 0 && !vyi_size_mul(b->declared->count, 4, &b->size))
            return vyi_fail_nomem(err, b->declared->count);
        if (b->size < 4)
            return vyi_fail(err, VYRE_E_INTERP_BUFFERS, i,
                            "Set vyre_runner_desc.sizes, or the buffer's count.",
                            "buffer \"%s\", binding %u, has a size of %u bytes",
                            b->declared->name, (unsigned)b->declared->binding, (unsigned)b->size);
    }
    return VYRE_OK;
}

static void vyi_runner_defaults(vyre_runner *r)
{
    vyre_runner_desc *d = &r->desc;
    d->rounds = d->rounds ? d->rounds : VYI_RUNNER_ROUNDS;
    d->timeout_ns = d->timeout_ns ? d->timeout_ns : VYI_RUNNER_TIMEOUT;
    r->engine.device = d->device;
    r->engine.messages = d->messages;
    r->engine.allocator = d->allocator;
    r->engine.vulkan = d->vulkan;
}

/* Where AUTO must not go on: the CPU would hide a mistake, or fail as well. */
static bool vyi_runner_is_final(vyre_backend wanted, vyre_status status)
{
    return wanted == VYRE_BACKEND_VULKAN || status == VYRE_E_NOMEM || status == VYRE_E_VK_NAME;
}

static vyre_status vyi_runner_choose(vyre_runner *r, vyre_error *err)
{
    const vyre_backend wanted = r->desc.backend;
    vyre_error why;
    r->backend = wanted == VYRE_BACKEND_CPU ? NULL : vyi_runner_vulkan();
    if (r->backend) {
        const vyre_status status = r->backend->open(r, &why);
        if (status < 0 && vyi_runner_is_final(wanted, status) && err)
            *err = why;
        if (status >= 0 || vyi_runner_is_final(wanted, status))
            return status;
        vyi_message(&r->desc.messages, VYRE_SEVERITY_INFO, "the CPU runs it: %s", why.text);
    } else if (wanted == VYRE_BACKEND_VULKAN) {
        return vyi_fail(err, VYRE_E_BACKEND, (uint64_t)wanted,
                        "Put volk.h on the include path, without VYRE_NO_VULKAN; or use AUTO.",
                        "Vulkan is not built in");
    }
    r->backend = &vyi_runner_cpu_backend;
    return r->backend->open(r, err);
}

VYRE_API vyre_runner *vyre_runner_open(const vyre_runner_desc *desc, vyre_error *err)
{
    if (!desc || !desc->program || !desc->program->finished ||
        (uint32_t)desc->backend > VYRE_BACKEND_VULKAN) {
        vyi_fail(err, VYRE_E_ARGUMENT, 0, "Finish the program, and set vyre_runner_desc.program.",
                 "there is no desc, no finished program, or no such backend");
        return NULL;
    }
    vyre_runner *r = (vyre_runner *)vyi_alloc_zeroed(&desc->allocator, sizeof *r);
    if (!r) {
        vyi_fail_nomem(err, sizeof *r);
        return NULL;
    }
    r->desc = *desc;
    vyi_runner_defaults(r);
    vyi_runner_bind(r);
    vyre_status status = vyi_runner_sizes(r, err);
    r->desc.sizes = NULL; /* the caller's */
    if (status >= 0)
        status = vyi_runner_choose(r, err);
    if (status < 0) {
        vyi_free(&desc->allocator, r, sizeof *r);
        return NULL;
    }
    return r;
}

VYRE_API void vyre_runner_close(vyre_runner *r)
{
    if (!r)
        return;
    const vyre_allocator allocator = r->desc.allocator;
    if (r->backend->close(r))
        vyi_free(&allocator, r, sizeof *r);
}

/* --- running -------------------------------------------------------------------- */

/* Looks whether what timed out has ended meanwhile. */
static vyre_status vyi_runner_look(vyre_runner *r, vyre_error *err)
{
    if (!r->running)
        return VYRE_OK;
    const vyre_status status = r->backend->wait(r, 0, err);
    r->running = status == VYRE_TIMEOUT;
    r->cut = status == VYRE_OK && vyi_runner_was_cut(r);
    return status;
}

static vyre_status vyi_runner_fail_cut(vyre_runner *r, vyre_error *err)
{
    r->cut = false;
    return vyi_fail(err, VYRE_E_LAUNCH, r->limit,
                    "Split the work into shorter loops or fewer rounds, or raise loop_limit.",
                    "dispatch %llu is wrong: a lane's loops had more than the %u iterations that "
                    "there may be", (unsigned long long)r->dispatches, (unsigned)r->limit);
}

VYRE_API void *vyre_runner_map(vyre_runner *r, uint32_t index, size_t *size)
{
    if (!r || index >= r->buffer_count || vyi_runner_look(r, NULL) != VYRE_OK)
        return NULL;
    if (size)
        *size = r->buffers[index].size;
    return r->buffers[index].map;
}

static vyre_status vyi_runner_run(vyre_runner *r, const uint32_t groups[3], vyre_error *err)
{
    vyre_status status = r->backend->launch(r, groups, err);
    if (status < 0)
        return status;
    r->dispatches++;
    status = r->backend->wait(r, r->desc.timeout_ns, err);
    r->running = status == VYRE_TIMEOUT;
    if (r->running)
        return vyi_news(err, VYRE_TIMEOUT, r->dispatches, "Look again later, or raise timeout_ns.",
                        "the dispatch has not ended");
    return status == VYRE_OK && vyi_runner_was_cut(r) ? vyi_runner_fail_cut(r, err) : status;
}

VYRE_API vyre_status vyre_runner_dispatch(vyre_runner *r, const uint32_t groups[3],
                                          vyre_stats *stats, vyre_error *err)
{
    if (!r || !groups || groups[0] == 0)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Say how many workgroups there are in x.",
                        "no runner, or no workgroups");
    vyre_status status = vyi_runner_look(r, err);
    if (status < 0)
        return status;
    if (status == VYRE_TIMEOUT)
        return vyi_fail(err, VYRE_E_RUNNING, r->dispatches, "Wait until it has ended.",
                        "dispatch %llu still runs", (unsigned long long)r->dispatches);
    if (r->cut)
        return vyi_runner_fail_cut(r, err);
    const uint32_t counts[3] = { groups[0], groups[1] ? groups[1] : 1, groups[2] ? groups[2] : 1 };
    const uint64_t start = vyi_now();
    status = vyi_runner_run(r, counts, err);
    if (stats && status >= 0) {
        memset(stats, 0, sizeof *stats);
        stats->latency_ns = vyi_now() - start;
        stats->kernel_launches = 1;
    }
    return status;
}

VYRE_API void vyre_runner_query(const vyre_runner *r, vyre_info *out)
{
    memset(out, 0, sizeof *out);
    if (!r)
        return;
    out->mode = VYRE_MODE_PASSES;
    out->buffer_count = r->buffer_count;
    out->program_hash = vyre_program_hash(r->desc.program);
    out->passes = r->dispatches;
    out->running = r->running;
    for (uint32_t i = 0; i < r->buffer_count; i++)
        out->device_bytes += r->buffers[i].size;
    r->backend->info(r, out);
}

#endif /* VYRE_NO_RUNNER */

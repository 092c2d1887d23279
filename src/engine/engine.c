/* ==========================================================================
 * engine: implementation
 *
 * The handle: backends, open, query, close.  What it is asked to be is in
 * engine_desc.c, what it is built of in engine_programs.c, its device in
 * engine_device.c; how it starts and stops in engine_life.c, recovers in
 * engine_recover.c; how threads come by slots in engine_slots.c, what they publish in
 * engine_publish.c; how works have ended in engine_outcome.c, who waits for that in
 * engine_wait.c; launches in engine_chain.c, the leases made of them in engine_lease.c;
 * whole runs and byte-level dispatch in engine_run.c.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

#define VYI_CLOSE_TIMEOUT_NS 2000000000u

/* --- backends ------------------------------------------------------------ */

static const vyi_backend *vyi_backend_find(vyre_backend which)
{
    switch (which) {
    case VYRE_BACKEND_CPU: return vyi_cpu_backend();
    case VYRE_BACKEND_VULKAN: return vyi_vulkan_backend();
    default: return NULL;
    }
}

VYRE_API bool vyre_backend_available(vyre_backend backend)
{
    return backend == VYRE_BACKEND_AUTO || vyi_backend_find(backend) != NULL;
}

VYRE_API const char *vyre_backend_name(vyre_backend backend)
{
    switch (backend) {
    case VYRE_BACKEND_AUTO: return "auto";
    case VYRE_BACKEND_CPU: return "cpu";
    case VYRE_BACKEND_VULKAN: return "vulkan";
    default: return "unknown";
    }
}

/* --- open ---------------------------------------------------------------- */

static bool vyi_locks_init(vyre *v)
{
    vyi_mutex *const locks[] = { &v->lock, &v->brief, &v->run.lock, &v->helper.lock };
    const uint32_t count = sizeof locks / sizeof locks[0];
    uint32_t made = 0;
    while (made < count && vyi_mutex_init(locks[made]))
        made++;
    if (made == count && vyi_cond_init(&v->helper.wake))
        return true;
    while (made)
        vyi_mutex_free(locks[--made]);
    return false;
}

static void vyi_locks_free(vyre *v)
{
    vyi_cond_free(&v->helper.wake);
    vyi_mutex_free(&v->helper.lock);
    vyi_mutex_free(&v->run.lock);
    vyi_mutex_free(&v->brief);
    vyi_mutex_free(&v->lock);
}

static void vyi_handle_free(vyre *v)
{
    const vyre_allocator allocator = v->desc.allocator;
    vyi_locks_free(v);
    vyre_program_destroy(v->programs.loop);
    vyre_program_destroy(v->programs.once);
    vyre_program_destroy(v->programs.narrow);
    vyre_program_destroy(v->programs.whole);
    vyre_program_destroy(v->programs.tiles);
    vyi_producers_free(&v->queue);
    vyi_ends_free(&v->queue);
    vyi_free(&allocator, v->queue.loss.retired, v->queue.loss.retired_capacity * sizeof(void *));
    vyi_arena_free(&v->arena);
    vyi_free(&allocator, v, sizeof *v);
}

/* Pointers into the caller's memory that nobody follows later. */
static void vyi_desc_forget(vyre *v)
{
    vyre_kernel_desc *k = &v->desc.kernel;
    k->handlers = NULL;
    k->handler_count = 0;
    k->payload = NULL;
    k->payload_source = NULL;
    k->buffers = NULL;
    k->buffer_count = 0;
    k->workspace = NULL;
    v->desc.buffer_sizes = NULL;
    v->desc.buffer_places = NULL;
    v->desc.vulkan_buffers = NULL;
}

/* So that a ticket of another handle is mostly told apart: of 4,095 handles, or those
 * that lived in one place after another, two may have the same. */
static uint32_t vyi_ticket_tag(const vyre *v)
{
    const uint64_t who[2] = { (uint64_t)(uintptr_t)v, vyi_now() };
    const uint64_t hash = vyi_hash(VYI_HASH_SEED, who, sizeof who);
    const uint32_t most = (1u << (32 - VYI_TICKET_SLOT_BITS)) - 1;
    return ((uint32_t)(hash ^ hash >> 32) % most + 1) << VYI_TICKET_SLOT_BITS;
}

static vyre_status vyi_tuner_open(vyi_queue *q, vyre_error *err)
{
    if (q->v->desc.tune == VYRE_TUNE_OFF)
        return VYRE_OK;
#ifndef VYRE_NO_PLAN
    q->tuned.tuner = vyi_plan_tuner();
    return q->tuned.tuner->open(q, err);
#else
    return vyi_fail(err, VYRE_E_ARGUMENT, 0,
                    "Build the implementation without VYRE_NO_PLAN and VYRE_CORE.",
                    "desc.tune is not OFF, and this vyre.h was built without the room plan");
#endif
}

VYI_API void vyi_extras_plan(vyre *v)
{
    vyi_slots *s = &v->queue.slots;
    s->extras = (s->record ? VYI_EXTRA_RECORD : 0) | (s->ages ? VYI_EXTRA_AGES : 0) |
                (v->queue.order.count ? VYI_EXTRA_ORDER : 0) |
                (v->desc.kernel.checked ? VYI_EXTRA_CHECKED : 0) |
                (s->levels > 1 ? VYI_EXTRA_LEVELS : 0) |
                (v->queue.wides.count ? VYI_EXTRA_WIDE : 0) |
                (v->buffers.user_count ? VYI_EXTRA_BUFFERS : 0) |
                (v->observer ? VYI_EXTRA_TOLD : 0) | (v->trace.events ? VYI_EXTRA_TRACED : 0) |
                (v->desc.keep_results ? VYI_EXTRA_KEPT : 0);
}

static vyre_status vyi_handle_fill(vyre *v, vyre_error *err)
{
    vyi_queue *q = &v->queue;
    vyi_device *d = NULL;
    q->v = v;
    q->slots.tag = vyi_ticket_tag(v);
    q->slots.lanes = v->desc.kernel.slot_count;
    if (v->desc.kernel.workgroup_size == 0 && q->slots.lanes < VYI_DEFAULT_GROUP)
        v->desc.kernel.workgroup_size = q->slots.lanes; /* a small ring needs no more lanes */
    vyi_shares_plan(q);

    vyre_status status = vyi_wide_plan(v, err);
    q->slots.count = q->slots.lanes + q->wides.count;
    vyi_order_plan(v);
    if (status == VYRE_OK)
        status = vyi_buffers_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_programs_build(v, err);
    VYI_STEP("programs");
    if (status == VYRE_OK)
        status = vyi_opcodes_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_names_keep(v, err);
    if (status == VYRE_OK)
        status = vyi_trace_begin(v, err);
    if (status == VYRE_OK)
        status = vyi_slots_allocate(v, err);
    if (status == VYRE_OK)
        status = vyi_order_allocate(v, err);
    vyi_extras_plan(v);
    if (status == VYRE_OK && v->desc.device) {
        v->desc.device = vyi_arena_text(&v->arena, v->desc.device, 255);
        if (!v->desc.device)
            status = vyi_fail_nomem(err, 256);
    }
    if (status == VYRE_OK && v->desc.vulkan.cache_file) {
        v->desc.vulkan.cache_file = vyi_arena_text(&v->arena, v->desc.vulkan.cache_file,
                                                   SIZE_MAX - 1);
        if (!v->desc.vulkan.cache_file)
            status = vyi_fail_nomem(err, 1);
    }
    if (status == VYRE_OK)
        status = vyi_device_open(q, &d, err);
    if (status != VYRE_OK)
        return status;
    vyi_store_pointer(&q->device, d);
    vyi_desc_forget(v);
    vyi_chain_begin(q);
    vyre_mode mode;
    status = vyi_mode_choose(q, d, &mode, err);
    vyi_mode_set(q, d, mode);
    return status == VYRE_OK ? vyi_tuner_open(q, err) : status;
}

VYI_COLD
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err)
{
    vyre_desc filled;
    memset(&filled, 0, sizeof filled);
    if (desc)
        filled = *desc;
    vyi_desc_defaults(&filled);
    if (vyi_desc_check(&filled, err) != VYRE_OK)
        return NULL;

    vyre *v = (vyre *)vyi_alloc(&filled.allocator, sizeof *v);
    if (!v) {
        vyi_fail_nomem(err, sizeof *v);
        return NULL;
    }
    memset(v, 0, sizeof *v);
    v->desc = filled;
    v->backend = backend;
    v->arena.allocator = filled.allocator;
    vyi_owners_begin(&v->queue);
    if (!vyi_locks_init(v)) {
        vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.", "the system gave no lock");
        vyi_free(&filled.allocator, v, sizeof *v);
        return NULL;
    }
    vyre_status status = vyi_handle_fill(v, err);
    if (status == VYRE_OK && v->desc.helper_thread && !vyi_helper_start(v))
        status = vyi_fail(err, VYRE_E_THREAD, 0, "Build with threads, or clear helper_thread.",
                          "the helper thread could not be made");
    if (status == VYRE_OK && v->desc.record) {
        vyi_observer *observer = (vyi_observer *)(void *)v->desc.record;
        status = observer->attach(observer, v, err);
        v->observer = status == VYRE_OK ? observer : NULL;
        vyi_extras_plan(v);
    }
    if (status == VYRE_OK)
        return v;
    vyi_helper_stop(v);
    if (!v->queue.device || v->backend->close(vyi_queue_device(&v->queue)))
        vyi_handle_free(v);
    return NULL;
}

VYI_COLD
VYRE_API vyre *vyre_open(const vyre_desc *desc, vyre_error *err)
{
    const vyre_backend wanted = desc ? desc->backend : VYRE_BACKEND_AUTO;
    const vyi_backend *vulkan = vyi_vulkan_backend();
    vyre_error how;

    if (wanted != VYRE_BACKEND_AUTO) {
        const vyi_backend *backend = vyi_backend_find(wanted);
        if (backend)
            return vyi_open_with(backend, desc, err);
        if (wanted != VYRE_BACKEND_VULKAN) {
            vyi_fail(err, VYRE_E_BACKEND, (uint64_t)(uint32_t)wanted,
                     "Set the whole desc to zero first (memset, = {0}), then a vyre_backend.",
                     "backend %d does not exist", (int)wanted);
            return NULL;
        }
        vyi_fail(err, VYRE_E_BACKEND, (uint64_t)wanted,
                 "Put volk.h on the include path, without VYRE_NO_VULKAN; or use AUTO.",
                 "backend %s (%d) is not built in", vyre_backend_name(wanted), (int)wanted);
        return NULL;
    }
    memset(&how, 0, sizeof how);
    if (vulkan) {
        vyre *v = vyi_open_with(vulkan, desc, &how);
        if (v)
            return v;
        if (how.status == VYRE_E_NOMEM || how.status == VYRE_E_VK_NAME ||
            (desc && desc->vulkan_buffers)) {
            if (err)
                *err = how;
            return NULL;
        }
        if (desc)
            vyi_message(&desc->messages, VYRE_SEVERITY_WARNING, "no Vulkan, so the CPU: %s",
                        how.text);
    }
    vyre *v = vyi_open_with(vyi_cpu_backend(), desc, err);
    if (v)
        snprintf(v->why_cpu, sizeof v->why_cpu, "%s",
                 vulkan ? how.text : "built without volk.h on the include path, or without Vulkan");
    return v;
}

/* --- query --------------------------------------------------------------- */

static void vyi_query_counts(const vyre *v, vyre_info *out)
{
    out->slot_count = v->queue.slots.lanes;
    out->tenants = v->desc.tenants;
    out->observables = v->desc.observables;
    out->log_records = v->desc.kernel.log_records;
    out->buffer_count = v->buffers.user_count;
    out->program_hash = vyre_program_hash(v->programs.loop);
    out->mode = (vyre_mode)vyi_load_relaxed(&v->queue.mode);
}

VYI_COLD
VYRE_API void vyre_query(const vyre *v, vyre_info *out)
{
    if (!out)
        return;
    memset(out, 0, sizeof *out);
    if (!v)
        return;
    const vyi_queue *q = &v->queue;
    const vyi_figures figures = vyi_figures_read(q);
    const uint32_t state = vyi_load_acquire(&q->state);
    const vyi_device *d = (const vyi_device *)figures.device;
    v->backend->info(d, out);
    vyi_query_counts(v, out);
    out->backend = v->backend->id;
    memcpy(out->why_cpu, v->why_cpu, sizeof out->why_cpu);
    out->workgroup_size = d->group_size;
    out->worker_groups = d->groups;
    out->lane_count = d->group_size * d->groups;
    out->wide_group = q->wides.count ? d->wide_group : 0;
    out->wide_groups = q->wides.count ? d->wide_groups : 0;
    out->pipeline_id = d->pipeline_id + figures.recoveries;
    out->device_bytes = figures.bytes;
    out->recoveries = figures.recoveries;
    out->running = state == VYI_STATE_RUNNING || state == VYI_STATE_STOPPING;
    out->shut_down = state == VYI_STATE_SHUT;
    out->device_lost = state == VYI_STATE_LOST;
    out->leases = figures.leases;
    out->passes = figures.passes;
    out->lease_ns = figures.lease_ns;
    out->lease_rounds = figures.lease_rounds;
    out->requeues = figures.requeue.requeues;
    out->promotions = figures.requeue.promotions;
    out->oldest_looks = figures.requeue.max_age;
    vyi_mutex_lock(&q->v->brief);
    out->tuning = q->tuned.said;
    vyi_mutex_unlock(&q->v->brief);
    if (state != VYI_STATE_LOST)
        out->log_dropped = vyi_control_load(d, VYRE_CONTROL_LOG_DROPPED);
}

VYRE_API vyre_requeue vyre_requeue_of(const vyre *v)
{
    vyre_requeue none;
    memset(&none, 0, sizeof none);
    return v ? vyi_figures_read(&v->queue).requeue : none;
}

/* --- close --------------------------------------------------------------- */

VYI_COLD
VYRE_API void vyre_close(vyre *v)
{
    if (!v)
        return;
    vyi_queue *q = &v->queue;
    vyi_helper_stop(v);
    (void)vyi_queue_stop(q, VYI_CLOSE_TIMEOUT_NS, NULL);
    if (v->observer)
        v->observer->detach(v->observer, v);
    bool freed = v->backend->close(vyi_queue_device(q));
    for (uint32_t i = 0; i < q->loss.count; i++)
        freed = v->backend->close((vyi_device *)((void **)q->loss.retired)[i]) && freed;
    if (freed)
        vyi_handle_free(v);
    else
        vyi_message(&v->desc.messages, VYRE_SEVERITY_WARNING,
                    "a launch would not end: what it uses is leaked");
}

/* ==========================================================================
 * engine: implementation
 *
 * The handle's life: open, start, stop, recover, close.  How threads come by
 * slots is in engine_slots.c, what they publish and ask in engine_publish.c and
 * engine_wait.c, the chain of leases in engine_lease.c, whole runs and byte-level
 * dispatch in engine_run.c.
 * ======================================================================= */
#include "engine/engine_impl.h"
#include "kernel/kernel_impl.h"

#include "wire/wire.h"

#define VYI_CLOSE_TIMEOUT_NS 2000000000u
#define VYI_DEFAULT_SLOTS    256u

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

/* --- open: the description ----------------------------------------------- */

/* The user's, or the default where it is 0. */
static uint32_t vyi_def32(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static void vyi_desc_defaults(vyre_desc *d)
{
    vyre_kernel_desc *k = &d->kernel;
    const uint32_t slots = k->slot_count ? k->slot_count
                           : k->workgroup_size ? k->workgroup_size : VYI_DEFAULT_SLOTS;

    d->tenants = vyi_def32(d->tenants, 1);
    d->observables = vyi_def32(vyi_def32(d->observables, k->observables), 64);
    d->lease.in_flight = vyi_def32(d->lease.in_flight, 2);
    d->lease.time_ns = d->lease.time_ns ? d->lease.time_ns : 5000000u;
    d->lease.timeout_ns = d->lease.timeout_ns ? d->lease.timeout_ns : 10000000000u;
    d->run_timeout_ns = d->run_timeout_ns ? d->run_timeout_ns : 60000000000u;
    k->slot_count = slots;
    k->log_records = vyi_def32(k->log_records, VYRE_LOG_RECORDS_DEFAULT);
    k->observables = d->observables;
    k->allocator = d->allocator;
    k->mirror_binding = 0;
    k->once = false;
    k->loop_allowance = vyi_def32(k->loop_allowance, vyi_def32(d->loop_limit, 1u << 24));
}

static vyre_status vyi_desc_check(const vyre_desc *d, vyre_error *err)
{
    if (d->tenants > VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, d->tenants, "Use at most 29 tenants.",
                        "%u tenants, but the mask has %u words", d->tenants, VYRE_MAX_TENANTS);
    if ((uint32_t)d->mode > VYRE_MODE_PASSES || (uint32_t)d->lost_work > VYRE_LOST_RERUN)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Use the values of the enums.",
                        "mode %d or lost_work %d does not exist", (int)d->mode,
                        (int)d->lost_work);
    if (!vyre_control_size(d->observables) || !vyre_ring_size(d->kernel.slot_count) ||
        !vyre_log_size(d->kernel.log_records) || d->kernel.slot_count > VYRE_MAX_SLOTS ||
        d->observables > VYRE_MAX_OBSERVABLES || d->kernel.log_records > VYRE_MAX_LOG_RECORDS)
        return vyi_fail(err, VYRE_E_OVF, d->kernel.slot_count,
                        "Use at most 1048576 of each.",
                        "%u slots, %u observables, %u log records", d->kernel.slot_count,
                        d->observables, d->kernel.log_records);
    return VYRE_OK;
}

/* --- open: buffers ------------------------------------------------------- */

static void vyi_buffer_add(vyre *v, uint32_t binding, vyi_role role, size_t size,
                           const char *name)
{
    vyi_device_buffer *b = &v->buffers[v->buffer_count++];
    b->binding = binding;
    b->role = role;
    b->size = size;
    b->access = VYRE_ACCESS_READ_WRITE;
    b->name = name;
}

static vyre_status vyi_buffer_add_user(vyre *v, const vyre_buffer_desc *desc, size_t size,
                                       vyre_error *err)
{
    if (size == 0 && !vyi_size_mul(desc->count, 4, &size))
        size = 0;
    if (size == 0 || size % 4)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->binding,
                        "Set buffer_sizes (or the buffer's count) to whole words.",
                        "the buffer at binding %u has %llu bytes", desc->binding,
                        (unsigned long long)size);
    const char *name = vyi_arena_text(&v->arena, desc->name ? desc->name : "user", VYRE_MAX_NAME);
    if (!name)
        return vyi_fail_nomem(err, VYRE_MAX_NAME);
    vyi_buffer_add(v, desc->binding, VYI_ROLE_USER, size, name);
    v->buffers[v->buffer_count - 1].access = desc->access;
    return VYRE_OK;
}

/* Insertion sort by binding. */
static void vyi_buffers_sort(vyre *v)
{
    for (uint32_t i = 1; i < v->buffer_count; i++) {
        const vyi_device_buffer moving = v->buffers[i];
        uint32_t j = i;
        for (; j > 0 && v->buffers[j - 1].binding > moving.binding; j--)
            v->buffers[j] = v->buffers[j - 1];
        v->buffers[j] = moving;
    }
}

static uint32_t vyi_buffer_index(const vyre *v, uint32_t binding)
{
    uint32_t i = 0;
    while (i < v->buffer_count && v->buffers[i].binding != binding)
        i++;
    return i;
}

/* The lowest binding that nobody has, or VYRE_MAX_BINDINGS. */
static uint32_t vyi_binding_free(const vyre *v)
{
    uint32_t binding = VYRE_BINDING_USER;
    while (binding < VYRE_MAX_BINDINGS && vyi_buffer_index(v, binding) < v->buffer_count)
        binding++;
    return binding;
}

/* The user's buffers and the workspace; the kernel's own check comes later, so
 * nothing is trusted here. */
static vyre_status vyi_buffers_user(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    if (k->buffer_count && !k->buffers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's buffers.",
                        "%u buffers, but the list is NULL", k->buffer_count);
    if (k->buffer_count > VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, k->buffer_count, "Use fewer, larger buffers.",
                        "%u user buffers; there may be %u", k->buffer_count,
                        VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < k->buffer_count && status == VYRE_OK; i++) {
        if (k->buffers[i].access != VYRE_ACCESS_WORKGROUP)
            status = vyi_buffer_add_user(v, &k->buffers[i],
                                         v->desc.buffer_sizes ? v->desc.buffer_sizes[i] : 0, err);
    }
    if (status == VYRE_OK && k->workspace)
        status = vyi_buffer_add_user(v, &k->workspace->buffer, v->desc.workspace_size, err);
    return status;
}

static vyre_status vyi_buffers_plan(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    vyi_buffer_add(v, VYRE_BINDING_CONTROL, VYI_ROLE_CONTROL,
                   vyre_control_size(v->observables), "control");
    vyi_buffer_add(v, VYRE_BINDING_RING, VYI_ROLE_RING, vyre_ring_size(v->slots), "ring");
    vyi_buffer_add(v, VYRE_BINDING_LOG, VYI_ROLE_LOG, vyre_log_size(v->log_records), "log");
    vyi_buffer_add(v, VYRE_BINDING_IO, VYI_ROLE_IO, vyre_io_size(VYRE_IO_SLOTS), "io");
    const vyre_status status = vyi_buffers_user(v, err);
    if (status != VYRE_OK)
        return status;

    const uint32_t mirror = vyi_binding_free(v);
    if (mirror == VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_ARGUMENT, mirror, "Use fewer, larger buffers.",
                        "no binding is left for the handle's own mirror");
    vyi_buffer_add(v, mirror, VYI_ROLE_MIRROR, (size_t)v->slots * 4, "mirror");
    vyi_buffers_sort(v);
    v->desc.kernel.mirror_binding = mirror;
    v->mirror_index = vyi_buffer_index(v, mirror);
    v->user_count = k->buffer_count;
    for (uint32_t i = 0; i < k->buffer_count; i++)
        v->user_index[i] = k->buffers[i].access == VYRE_ACCESS_WORKGROUP
                               ? VYI_MAX_BUFFERS
                               : vyi_buffer_index(v, k->buffers[i].binding);
    return VYRE_OK;
}

/* --- open: programs, memory ---------------------------------------------- */

static bool vyi_program_build(vyre_program **out, const vyre_kernel_desc *k, vyre_error *how)
{
    *out = vyre_kernel_build(k, how);
    return *out != NULL;
}

static vyre_status vyi_programs_build(vyre *v, vyre_error *err)
{
    vyre_buffer_desc buffers[VYI_MAX_BUFFERS];
    vyre_kernel_desc k = v->desc.kernel;
    vyre_error how;

    if (k.buffer_count)
        memcpy(buffers, k.buffers, k.buffer_count * sizeof buffers[0]);
    memset(&buffers[k.buffer_count], 0, sizeof buffers[0]);
    buffers[k.buffer_count].name = "mirror";
    buffers[k.buffer_count].binding = k.mirror_binding;
    k.buffers = buffers;
    k.buffer_count++;
    memset(&how, 0, sizeof how);
    k.narrow = k.whole_slots = false;
    k.count_each = v->backend->abort != NULL; /* its passes may be ended in the middle */
    bool built = vyi_program_build(&v->loop, &k, &how);
    k.once = true;
    built = built && vyi_program_build(&v->once, &k, &how);
    k.once = false;
    k.whole_slots = true;
    if (v->backend->shapes && vyi_kernel_is_whole(&k))
        built = built && vyi_program_build(&v->whole, &k, &how);
    k.narrow = true;
    k.workgroup_size = k.lane_count = 1;
    k.slot_count = v->slots;
    if (v->backend->shapes && vyi_kernel_is_narrow(&k))
        built = built && vyi_program_build(&v->narrow, &k, &how);
    if (built)
        return VYRE_OK;
    if (err)
        *err = how;
    return how.status;
}

static size_t vyi_engine_slots_memory(const vyre *v)
{
    const size_t each = 5 * sizeof(uint32_t) + sizeof(vyi_trouble);
    const size_t records = v->desc.lost_work == VYRE_LOST_RERUN ? v->slots : 0;
    return VYI_CACHE_LINE - 1 + v->slots * each + records * sizeof(vyre_work) +
           v->log_records * sizeof(vyre_log_record);
}

/* One block for all that is kept of each slot. */
static vyre_status vyi_engine_slots_allocate(vyre *v, vyre_error *err)
{
    const size_t size = vyi_engine_slots_memory(v);
    uint32_t *block = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!block)
        return vyi_fail_nomem(err, size);
    /* Marks that one thread has reserved share no line with another's, and four of
     * them are one access of 16 bytes. */
    v->marks = (uint32_t *)(((uintptr_t)block + VYI_CACHE_LINE - 1) &
                            ~(uintptr_t)(VYI_CACHE_LINE - 1));
    v->kept = v->marks + v->slots;
    v->run_mark = v->kept + v->slots;
    v->run_work = v->run_mark + v->slots;
    v->cleared = v->run_work + v->slots;
    v->trouble = (vyi_trouble *)(void *)(v->cleared + v->slots);
    v->log = (vyre_log_record *)(void *)(v->trouble + v->slots);
    if (v->desc.lost_work == VYRE_LOST_RERUN)
        v->record = (vyre_work *)(void *)(v->log + v->log_records);
    return VYRE_OK;
}

/* Five partitions for five levels; NORMAL has what does not divide. */
static void vyi_partitions_plan(vyre *v)
{
    const bool priority = v->desc.kernel.kind == VYRE_KERNEL_PRIORITY;
    const uint32_t each = v->slots / VYRE_PRIORITY_LEVELS;
    uint32_t first = 0;
    v->partition_count = priority ? VYRE_PRIORITY_LEVELS : 1;
    v->partitions[0].count = v->slots;
    for (uint32_t i = 0; priority && i < VYRE_PRIORITY_LEVELS; i++) {
        v->partitions[i].first = first;
        v->partitions[i].count = each + (i == 2 ? v->slots % VYRE_PRIORITY_LEVELS : 0);
        first += v->partitions[i].count;
    }
}

/* How often who publishes looks at the device (vyi_publish_nudge): once in every
 * round of a partition at least. */
static void vyi_publish_plan(vyre *v, bool lives)
{
    const uint32_t each = v->slots / VYRE_PRIORITY_LEVELS;
    const uint32_t least = v->partition_count > 1 && each ? each : v->slots;
    uint32_t every = VYI_LOOK_EVERY;
    while (every > least)
        every /= 2;
    v->look_mask = every - 1;
    v->lives = lives;
    v->wide = vyi_has_wide();
}

/* --- open: the device ---------------------------------------------------- */

static vyre_status vyi_control_init(const vyre *v, vyi_device *d, vyre_error *err)
{
    uint32_t *control = vyi_engine_words(d, VYI_ROLE_CONTROL);
    vyre_control_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.tenants = v->tenants;
    desc.observables = v->observables;
    const vyre_status status =
        vyre_control_encode(control, v->buffers[VYI_ROLE_CONTROL].size, &desc, err);
    if (status != VYRE_OK)
        return status;
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS && v->partition_count > 1; i++) {
        const vyi_partition *part = &v->partitions[i];
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i, part->first);
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i + 1, part->first + part->count);
    }
    if (d->write_combined)
        vyi_fence_stores();
    return VYRE_OK;
}

static vyre_status vyi_device_open(vyre *v, vyi_device **out, vyre_error *err)
{
    vyi_device_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.desc = &v->desc;
    desc.loop = v->loop;
    desc.once = v->once;
    desc.narrow = v->narrow;
    desc.whole = v->whole;
    desc.buffers = v->buffers;
    desc.buffer_count = v->buffer_count;
    desc.group_size = vyi_def32(v->desc.kernel.workgroup_size, 256);
    desc.max_groups = vyi_def32(v->desc.kernel.lane_count, v->slots) / desc.group_size;
    desc.max_groups = vyi_def32(desc.max_groups, 1);
    desc.fixed_geometry = v->desc.kernel.workgroup_size || v->desc.kernel.lane_count;
    desc.guest_loops = v->once->guest_loops;

    vyi_device *d = NULL;
    vyre_status status = v->backend->open(&desc, &d, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_control_init(v, d, err);
    if (status != VYRE_OK) {
        (void)v->backend->close(d);
        return status;
    }
    *out = d;
    return VYRE_OK;
}

static void vyi_chain_begin(vyre *v)
{
    const vyi_device *d = vyi_engine_device(v);
    const uint64_t leases = v->chain.leases, passes = v->chain.passes;
    uint32_t rounds = v->desc.lease.rounds;
    if (rounds == 0 && !d->endless)
        rounds = VYI_LEASE_ROUNDS;
    if (d->max_rounds && rounds > d->max_rounds)
        rounds = d->max_rounds;
    memset(&v->chain, 0, sizeof v->chain);
    v->chain.leases = leases;
    v->chain.passes = passes;
    v->chain.rounds = rounds;
}

static vyre_status vyi_mode_choose(vyre *v, vyre_error *err)
{
    vyre_info info;
    memset(&info, 0, sizeof info);
    v->backend->info(vyi_engine_device(v), &info);
    v->mode = info.probe.live && v->desc.mode != VYRE_MODE_PASSES ? VYRE_MODE_PERSISTENT
                                                                  : VYRE_MODE_PASSES;
    if (v->desc.mode == VYRE_MODE_PERSISTENT && v->mode != VYRE_MODE_PERSISTENT)
        return vyi_fail(err, VYRE_E_MODE, 0, "Use VYRE_MODE_AUTO, or another device.",
                        "%s does not prove persistent mode: %.80s", info.device[0] ? info.device
                        : "the device", info.probe.text);
    return VYRE_OK;
}

static bool vyi_locks_init(vyre *v)
{
    if (!vyi_mutex_init(&v->lock))
        return false;
    if (vyi_mutex_init(&v->run_lock)) {
        if (vyi_mutex_init(&v->helper_lock)) {
            if (vyi_cond_init(&v->helper_wake))
                return true;
            vyi_mutex_free(&v->helper_lock);
        }
        vyi_mutex_free(&v->run_lock);
    }
    vyi_mutex_free(&v->lock);
    return false;
}

static void vyi_locks_free(vyre *v)
{
    vyi_cond_free(&v->helper_wake);
    vyi_mutex_free(&v->helper_lock);
    vyi_mutex_free(&v->run_lock);
    vyi_mutex_free(&v->lock);
}

static void vyi_handle_free(vyre *v)
{
    const vyre_allocator allocator = v->desc.allocator;
    vyi_locks_free(v);
    vyre_program_destroy(v->loop);
    vyre_program_destroy(v->once);
    vyre_program_destroy(v->narrow);
    vyre_program_destroy(v->whole);
    vyi_free(&allocator, v->retired, v->retired_capacity * sizeof(void *));
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
    k->buffers = NULL;
    k->buffer_count = 0;
    k->workspace = NULL;
    v->desc.buffer_sizes = NULL;
}

static vyre_status vyi_handle_fill(vyre *v, vyre_error *err)
{
    vyi_device *d = NULL;
    v->slots = v->desc.kernel.slot_count;
    v->tenants = v->desc.tenants;
    v->observables = v->desc.observables;
    v->log_records = v->desc.kernel.log_records;
    if (v->desc.kernel.workgroup_size == 0 && v->slots < 256)
        v->desc.kernel.workgroup_size = v->slots; /* a small ring needs no more lanes */
    vyi_partitions_plan(v);

    vyre_status status = vyi_buffers_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_programs_build(v, err);
    if (status == VYRE_OK)
        status = vyi_engine_slots_allocate(v, err);
    if (status == VYRE_OK && v->desc.device) {
        v->desc.device = vyi_arena_text(&v->arena, v->desc.device, 255);
        if (!v->desc.device)
            status = vyi_fail_nomem(err, 256);
    }
    if (status == VYRE_OK)
        status = vyi_device_open(v, &d, err);
    if (status != VYRE_OK)
        return status;
    vyi_store_pointer(&v->device, d);
    vyi_desc_forget(v);
    vyi_chain_begin(v);
    vyi_seats_plan(v);
    status = vyi_mode_choose(v, err);
    vyi_publish_plan(v, v->mode == VYRE_MODE_PERSISTENT && !d->pumped);
    return status;
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
    vyi_alone_begin(v);
    if (!vyi_locks_init(v)) {
        vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.", "the system gave no lock");
        vyi_free(&filled.allocator, v, sizeof *v);
        return NULL;
    }
    vyre_status status = vyi_handle_fill(v, err);
    if (status == VYRE_OK && v->desc.helper_thread && !vyi_helper_start(v))
        status = vyi_fail(err, VYRE_E_THREAD, 0, "Build with threads, or clear helper_thread.",
                          "the helper thread could not be made");
    if (status == VYRE_OK)
        return v;
    if (!v->device || v->backend->close(vyi_engine_device(v)))
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
        if (how.status == VYRE_E_NOMEM || how.status == VYRE_E_VK_NAME) {
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
    out->slot_count = v->slots;
    out->tenants = v->tenants;
    out->observables = v->observables;
    out->log_records = v->log_records;
    out->buffer_count = v->user_count;
    out->program_hash = vyre_program_hash(v->loop);
    out->mode = v->mode;
}

VYI_COLD
VYRE_API void vyre_query(const vyre *v, vyre_info *out)
{
    if (!out)
        return;
    memset(out, 0, sizeof *out);
    if (!v)
        return;
    vyi_mutex *lock = vyi_engine_lock(v);
    vyi_mutex_lock(lock);
    const vyi_device *d = vyi_engine_device(v);
    v->backend->info(d, out);
    vyi_query_counts(v, out);
    out->backend = v->backend->id;
    memcpy(out->why_cpu, v->why_cpu, sizeof out->why_cpu);
    out->workgroup_size = d->group_size;
    out->worker_groups = d->groups;
    out->lane_count = d->group_size * d->groups;
    out->pipeline_id = d->pipeline_id + v->recoveries;
    out->device_bytes = d->bytes;
    out->recoveries = v->recoveries;
    out->running = v->state == VYI_STATE_RUNNING || v->state == VYI_STATE_STOPPING;
    out->shut_down = v->state == VYI_STATE_SHUT;
    out->device_lost = v->state == VYI_STATE_LOST;
    out->leases = v->chain.leases;
    out->passes = v->chain.passes;
    out->lease_ns = v->chain.lease_ns;
    out->lease_rounds = v->chain.rounds;
    if (v->state != VYI_STATE_LOST)
        out->log_dropped = vyi_control_load(d, VYRE_CONTROL_LOG_DROPPED);
    vyi_mutex_unlock(lock);
}

/* --- start, stop --------------------------------------------------------- */

static vyre_status vyi_engine_start(vyre *v, vyre_error *err)
{
    if (v->state == VYI_STATE_RUNNING)
        return VYRE_OK;
    if (v->state == VYI_STATE_LOST)
        return vyi_engine_lost(v, &v->lost, err);
    vyre_status status = vyi_engine_settle(v, vyi_deadline(v->desc.lease.timeout_ns), err);
    if (status == VYRE_TIMEOUT)
        status = vyi_fail(err, VYRE_E_RUNNING, vyi_engine_in_flight(v),
                          "Call vyre_stop() with a longer timeout first.",
                          "%u launches of before have not ended", vyi_engine_in_flight(v));
    if (status != VYRE_OK)
        return status;
    vyi_engine_bury(v);
    vyi_engine_set_shutdown(v, 0);
    v->chain.before = v->chain.after = 0;
    vyi_store_release(&v->state, VYI_STATE_RUNNING);
    status = vyi_engine_drive(v, VYI_EFFORT_LOOK, err);
    if (status < 0 && v->state == VYI_STATE_RUNNING && vyi_engine_in_flight(v) == 0)
        vyi_store_release(&v->state, VYI_STATE_IDLE);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status = vyi_engine_start(v, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* What has ended without doing so itself. */
static void vyi_engine_abort(vyre *v)
{
    vyi_device *d = vyi_engine_device(v);
    if (!d->backend->abort)
        return;
    vyi_store_release(&v->aborted, 1);
    d->backend->abort(d);
}

/* The lock, unless the deadline passes first. */
static bool vyi_lock_until(vyre *v, uint64_t deadline)
{
    while (!vyi_mutex_try(&v->lock)) {
        if (vyi_now() >= deadline)
            return false;
        vyi_sleep(100000);
    }
    return true;
}

/* Waits for what is in flight, at first for its own end, later by force. */
static vyre_status vyi_engine_halt(vyre *v, uint64_t patience, uint64_t deadline,
                                   vyre_error *err)
{
    vyi_engine_set_shutdown(v, 1);
    vyre_status status = vyi_engine_settle(v, patience, err);
    if (status == VYRE_TIMEOUT) {
        vyi_engine_abort(v);
        status = vyi_engine_settle(v, deadline, err);
    }
    if (status == VYRE_TIMEOUT)
        vyi_store_release(&v->state, VYI_STATE_STOPPING);
    if (status != VYRE_OK)
        return status;
    vyi_engine_bury(v);
    vyi_engine_set_shutdown(v, 0);
    v->chain.before = v->chain.after = 0;
    vyi_store_release(&v->state, VYI_STATE_IDLE);
    vyi_engine_deliver_log(v);
    return VYRE_OK;
}

static vyre_status vyi_engine_stop(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    const uint64_t patience =
        deadline == UINT64_MAX ? deadline : deadline - timeout_ns / 2;

    static const char fix[] = "Stop again with a longer timeout, or close the handle.";
    const unsigned long long ms = timeout_ns / 1000000u;
    if (!vyi_lock_until(v, patience)) {
        vyi_engine_abort(v);
        if (!vyi_lock_until(v, deadline))
            return vyi_fail(err, VYRE_TIMEOUT, 0, fix,
                            "another call held the handle for all of the %llu ms", ms);
    }
    const vyre_status status = v->state == VYI_STATE_LOST
                                   ? vyi_engine_lost(v, &v->lost, err)
                                   : vyi_engine_halt(v, patience, deadline, err);
    const uint32_t left = vyi_engine_in_flight(v);
    vyi_mutex_unlock(&v->lock);
    if (status == VYRE_TIMEOUT)
        vyi_fail(err, status, left, fix, "%u launches have not ended within %llu ms", left, ms);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    return vyi_engine_stop(v, timeout_ns, err);
}

VYI_COLD
VYRE_API void vyre_close(vyre *v)
{
    if (!v)
        return;
    vyi_helper_stop(v);
    (void)vyi_engine_stop(v, VYI_CLOSE_TIMEOUT_NS, NULL);
    bool freed = v->backend->close(vyi_engine_device(v));
    for (uint32_t i = 0; i < v->recoveries; i++)
        freed = v->backend->close((vyi_device *)((void **)v->retired)[i]) && freed;
    if (freed)
        vyi_handle_free(v);
    else
        vyi_message(&v->desc.messages, VYRE_SEVERITY_WARNING,
                    "a launch would not end: what it uses is leaked");
}

/* --- recovery ------------------------------------------------------------ */

/* What becomes of a held slot's mark, decided by what had been seen of its work. */
static uint32_t vyi_slot_recover(vyre *v, vyi_device *d, uint32_t slot)
{
    const uint32_t mark = v->kept[slot];
    const uint32_t generation = mark >> VYI_GENERATION_BIT;
    const uint32_t next = (generation + 1u) & VYI_GENERATION_MASK;
    const uint32_t epoch = ~mark & VYI_MARK_EPOCH;

    if ((mark & VYI_PHASE_MASK) == VYI_PHASE_FLIGHT) {
        if (v->record) {
            vyi_slot_write(v, d, slot, &v->record[slot]);
            return generation << VYI_GENERATION_BIT | epoch | VYI_PHASE_FLIGHT;
        }
        vyi_slot_trouble(v, slot, generation, VYI_TROUBLE_LOST, false);
        return generation << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
    }
    /* Results are gone with the device, so the generation is over. */
    return (generation ? (next ? next : 1) : 0) << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
}

VYI_COLD
VYI_API vyre_status vyi_engine_recover(vyre *v, vyre_error *err)
{
    vyi_device *d = NULL;
    if (!vyi_grow(&v->desc.allocator, &v->retired, &v->retired_capacity,
                  v->recoveries + 1, sizeof(void *)))
        return vyi_fail_nomem(err, (v->recoveries + 1) * sizeof(void *));
    const vyre_status status = vyi_device_open(v, &d, err);
    if (status != VYRE_OK)
        return status;

    (void)vyi_engine_hold(v, true);
    ((void **)v->retired)[v->recoveries++] = vyi_engine_device(v);
    vyi_store_pointer(&v->device, d);
    vyi_chain_begin(v);
    vyi_store_release(&v->aborted, 0);
    if (v->desc.recovered)
        v->desc.recovered(v->desc.recovered_user, v);
    for (uint32_t slot = 0; slot < v->slots; slot++)
        vyi_store_release(&v->kept[slot], vyi_slot_recover(v, d, slot));
    vyi_engine_unhold(v);
    vyi_store_release(&v->state, v->was_running ? VYI_STATE_RUNNING : VYI_STATE_IDLE);
    vyi_message(&v->desc.messages, VYRE_SEVERITY_INFO, "the device was replaced (%u)",
                v->recoveries);
    return v->was_running ? vyi_engine_drive(v, VYI_EFFORT_LOOK, err) : VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status =
        v->state == VYI_STATE_LOST ? vyi_engine_recover(v, err) : VYRE_OK;
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* ==========================================================================
 * cpu: the backend that is the interpreter
 *
 * Private.  Memory, launches, the life of the device (cpu_impl.h).
 * ======================================================================= */
#include "engine/cpu_impl.h"
#include "kernel/kernel_impl.h"

#define VYI_CPU_NAP_NS        10000000u /* the first nap; after each a round is run, news or not */
#define VYI_CPU_NAP_MOST_NS   160000000u
#define VYI_CPU_SHORT_NS      100000u   /* likewise, where rounds have work of their own */
#define VYI_CPU_SHORT_MOST_NS 10000000u
#define VYI_CPU_ALIGN         64u
#define VYI_CPU_MOST_WORKERS  16u       /* where nobody says how many */

/* --- launches ------------------------------------------------------------ */

/* `stop` belongs to the launch before until that has ended: what was aborted must
 * not come to life again. */
static vyre_status vyi_cpu_launch(vyi_device *d, vyi_launch what, uint32_t rounds,
                                  vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    if (vyi_load_acquire(&c->phase) != VYI_CPU_REST)
        return vyi_fail(err, VYRE_E_LAUNCH, 1, "Wait for the launch in flight.",
                        "the CPU runs one launch at a time");
    vyi_store_release(&c->stop, 0);
    vyi_store_release(&c->over, 0);
    vyi_store_release(&c->next_group, 0);
    c->what = what;
    c->rounds = what == VYI_LAUNCH_LOOP ? rounds : 0;
    c->groups = rounds;
    c->idle.rounds = 0;
    c->begun = vyi_now();
    return vyi_cpu_begin(c, err);
}

static vyre_status vyi_cpu_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                                uint64_t *completed, vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    (void)err;
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED && c->completed <= beyond &&
        (timeout_ns || !VYI_THREADS))
        vyi_cpu_wait(c, timeout_ns);
    if (vyi_load_acquire(&c->phase) == VYI_CPU_ENDED) {
        vyi_store_release(&c->phase, VYI_CPU_REST);
        c->completed++;
    }
    *completed = c->completed;
    return VYRE_OK;
}

static void vyi_cpu_abort(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_store_release(&c->stop, 1);
    vyi_cpu_wake(d);
}

/* --- memory -------------------------------------------------------------- */

/* Lays `count` buffers out in one zeroed block, each on a cache line of its
 * own.  NULL when there is no memory for *block_size bytes, or when there cannot
 * be; a page that nobody has used may be none yet. */
static void *vyi_cpu_block(const vyre_allocator *allocator, const size_t *sizes, uint32_t count,
                           void **map, size_t *block_size)
{
    size_t total = VYI_CPU_ALIGN;
    *block_size = SIZE_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!vyi_size_add(total, sizes[i], &total) ||
            !vyi_size_add(total, VYI_CPU_ALIGN, &total))
            return NULL;
    }
    *block_size = total;
    uint8_t *block = (uint8_t *)vyi_alloc_zeroed(allocator, total);
    if (!block)
        return NULL;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        at += (VYI_CPU_ALIGN - ((uintptr_t)block + at) % VYI_CPU_ALIGN) % VYI_CPU_ALIGN;
        map[i] = block + at;
        at += sizes[i];
    }
    return block;
}

static vyre_status vyi_cpu_attach(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                                  void *map[VYI_CORE_BUFFERS], vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    size_t sizes[VYI_CORE_BUFFERS + 2];
    void *fresh[VYI_CORE_BUFFERS + 2];
    size_t block_size;
    memcpy(sizes, size, VYI_CORE_BUFFERS * sizeof sizes[0]);
    sizes[VYI_CORE_BUFFERS] = c->size[c->mirror];
    sizes[VYI_CORE_BUFFERS + 1] = c->size[c->cancel];

    if (!c->attached ||
        memcmp(sizes, c->attached_sizes, VYI_CORE_BUFFERS * sizeof sizes[0]) != 0) {
        void *block = vyi_cpu_block(&c->allocator, sizes, VYI_CORE_BUFFERS + 2, fresh,
                                    &block_size);
        if (!block)
            return vyi_fail_nomem(err, block_size);
        vyi_free(&c->allocator, c->attached, c->attached_size);
        c->attached = block;
        c->attached_size = block_size;
        memcpy(c->attached_map, c->base.map, sizeof c->attached_map);
        memcpy(c->attached_sizes, c->size, sizeof c->attached_sizes);
        memcpy(c->attached_map, fresh, VYI_CORE_BUFFERS * sizeof fresh[0]);
        memcpy(c->attached_sizes, sizes, VYI_CORE_BUFFERS * sizeof sizes[0]);
        c->attached_map[c->mirror] = fresh[VYI_CORE_BUFFERS];
        c->attached_map[c->cancel] = fresh[VYI_CORE_BUFFERS + 1];
    }
    memcpy(map, c->attached_map, VYI_CORE_BUFFERS * sizeof map[0]);
    return VYRE_OK;
}

/* Nothing runs, so the machines take other buffers. */
static void vyi_cpu_rebind(vyi_cpu *c)
{
    for (uint32_t i = 0; i < c->worker_count; i++) {
        vyi_machine *const machines[3] = { c->workers[i].loop, c->workers[i].tiles, c->once };
        for (uint32_t k = 0; k < 3; k++) {
            if (machines[k])
                (void)vyi_machine_bind(machines[k], c->base.map, c->size, c->buffer_count, NULL);
        }
    }
}

VYI_COLD
static vyre_status vyi_cpu_resize(vyi_device *d, uint32_t buffer, const vyi_device_buffer *wanted,
                                  vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    const size_t before = c->size[buffer], size = wanted->size;
    size_t block_size;
    void *at;
    VYRE_ASSERT(vyi_load_acquire(&c->phase) == VYI_CPU_REST);
    void *block = vyi_cpu_block(&c->allocator, &size, 1, &at, &block_size);
    if (!block)
        return vyi_fail_nomem(err, block_size);
    memcpy(at, d->map[buffer], before < size ? before : size);
    vyi_free(&c->allocator, c->own[buffer], c->own_size[buffer]);
    c->own[buffer] = block;
    c->own_size[buffer] = block_size;
    d->map[buffer] = c->attached_map[buffer] = at;
    c->size[buffer] = c->attached_sizes[buffer] = size;
    d->bytes = d->bytes - before + size;
    vyi_cpu_rebind(c);
    return VYRE_OK;
}

/* --- life ---------------------------------------------------------------- */

static void vyi_cpu_free(vyi_cpu *c)
{
    const vyre_allocator allocator = c->allocator;
    for (uint32_t i = 0; i < c->worker_count; i++) {
        vyi_machine_destroy(c->workers[i].loop);
        vyi_machine_destroy(c->workers[i].tiles);
        vyi_cond_free(&c->workers[i].wake);
    }
    vyi_free(&allocator, c->workers, c->workers_size);
    vyi_machine_destroy(c->once);
    vyi_free(&allocator, c->attached, c->attached_size);
    for (uint32_t i = 0; i < c->buffer_count; i++)
        vyi_free(&allocator, c->own[i], c->own_size[i]);
    vyi_free(&allocator, c->block, c->block_size);
    vyi_cond_free(&c->changed);
    vyi_mutex_free(&c->lock);
    vyi_free(&allocator, c, sizeof *c);
}

static bool vyi_cpu_close(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    uint64_t completed;
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED) {
        vyi_cpu_abort(d);
        (void)vyi_cpu_reap(d, c->completed, 1000000000u, &completed, NULL);
    }
    if (!vyi_cpu_quit(c))
        return false;
    vyi_cpu_free(c);
    return true;
}

/* Loops of one slot are limited by the kernel's allowance; the machine's limit
 * is for a whole run, and only needs to leave room for that.  0: vyre_stop ends
 * what does not end by itself. */
static uint32_t vyi_cpu_loop_limit(const vyre_desc *desc)
{
    const uint32_t own = vyi_kernel_own_allowance(&desc->kernel);
    const uint32_t limit = desc->kernel.loop_allowance > own ? desc->kernel.loop_allowance : own;
    if (desc->loop_limit == 0)
        return own ? UINT32_MAX : 0;
    return limit > UINT32_MAX / 8 ? UINT32_MAX : limit < 65536 ? 524288 : limit * 8;
}

/* Two at least, unless the user says one: a work that does not end must not end
 * it all.  Only works that many lanes run use any number of cores. */
static uint32_t vyi_cpu_threads(const vyi_device_desc *desc, uint32_t most)
{
    const uint32_t wanted = desc->desc->cpu_threads, cores = vyi_processors();
    if (!VYI_THREADS)
        return 1;
    if (wanted)
        return wanted;
    return cores < 2 ? 2 : cores < most ? cores : most;
}

static uint32_t vyi_cpu_lane_count(const vyi_device_desc *desc)
{
    return vyi_cpu_threads(desc, VYI_CPU_MOST_WORKERS);
}

/* Workers of their own, where there is more than one thread. */
static uint32_t vyi_cpu_wide_count(const vyi_device_desc *desc)
{
    const uint32_t threads = vyi_cpu_threads(desc, UINT32_MAX);
    return desc->tiles && threads > 1 ? threads : 0;
}

/* Lanes do not part where that would be seen: by a workspace, whose code may
 * count on being alone, and in arrays of the workgroup.  `once` has what lanes run of
 * the looping program. */
static bool vyi_cpu_may_part(const vyi_device_desc *desc)
{
    const vyre_program *p = desc->once;
    for (uint32_t i = 0; i < p->count; i++) {
        const vyi_inst *inst = &p->insts[i];
        if ((vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY) &&
            vyi_buffer_of(p, inst->arg[0])->access == VYRE_ACCESS_WORKGROUP)
            return false;
    }
    return !desc->desc->kernel.workspace;
}

/* Decoded once, for the first worker. */
static vyre_status vyi_cpu_machine(const vyre_program *p, const vyre_interp_desc *interp,
                                   const vyi_machine *first, vyi_machine **out, vyre_error *err)
{
    if (!first)
        return vyi_machine_create(p, interp, out, err);
    *out = vyi_machine_copy(first);
    return *out ? VYRE_OK : vyi_fail_nomem(err, first->size);
}

static vyre_status vyi_cpu_worker_machines(vyi_cpu_worker *w, const vyi_device_desc *desc,
                                           const vyre_interp_desc *interp, vyre_error *err)
{
    vyi_cpu *c = w->c;
    const uint32_t tiler = vyi_cpu_wide_count(desc) ? c->lane_count : 0;
    vyre_status status = vyi_cpu_machine(desc->loop, interp, c->workers[0].loop, &w->loop, err);
    if (status == VYRE_OK && desc->tiles && w->index >= tiler)
        status = vyi_cpu_machine(desc->tiles, interp, c->workers[tiler].tiles, &w->tiles, err);
    if (status != VYRE_OK)
        return status;
    vyi_machine_on_round(w->loop, w->wide ? vyi_cpu_group_ask : vyi_cpu_ask, w);
    vyi_machine_stop_by(w->loop, &c->stop);
    if (w->wide)
        vyi_machine_take_from(w->loop, &w->group);
    else if (!VYI_THREADS || (c->lane_count > 1 && vyi_cpu_may_part(desc)))
        vyi_machine_on_work(w->loop, vyi_cpu_pauses, w);
    if (!w->tiles)
        return VYRE_OK;
    vyi_machine_stop_by(w->tiles, &c->stop);
    vyi_machine_take_from(w->tiles, &c->next_group);
    if (!VYI_THREADS)
        vyi_machine_on_work(w->tiles, vyi_cpu_pauses, w);
    return VYRE_OK;
}

static vyre_status vyi_cpu_worker_init(vyi_cpu *c, const vyi_device_desc *desc,
                                       const vyre_interp_desc *interp, vyre_error *err)
{
    vyi_cpu_worker *w = &c->workers[c->worker_count];
    if (!vyi_cond_init(&w->wake))
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no condition");
    w->c = c;
    w->index = c->worker_count++;
    w->wide = w->index >= c->lane_count;
    return vyi_cpu_worker_machines(w, desc, interp, err);
}

static vyre_status vyi_cpu_workers(vyi_cpu *c, const vyi_device_desc *desc,
                                   const vyre_interp_desc *interp, vyre_error *err)
{
    const uint32_t lanes = vyi_cpu_lane_count(desc), wide = vyi_cpu_wide_count(desc);
    size_t count, size;
    if (!vyi_size_add(lanes, wide, &count) || !vyi_size_mul(count, sizeof *c->workers, &size))
        size = SIZE_MAX;
    c->workers = size == SIZE_MAX ? NULL
                                  : (vyi_cpu_worker *)vyi_alloc_zeroed(&c->allocator, size);
    if (!c->workers)
        return vyi_fail_nomem(err, size);
    c->workers_size = size;
    c->lane_count = lanes;
    vyre_status status = VYRE_OK;
    while (c->worker_count < count && status == VYRE_OK)
        status = vyi_cpu_worker_init(c, desc, interp, err);
    if (status != VYRE_OK)
        return status;
    c->resting = lanes;
    c->wide_resting = c->wide_idle = wide;
    return VYRE_OK;
}

static vyre_status vyi_cpu_machines(vyi_cpu *c, const vyi_device_desc *desc, vyre_error *err)
{
    vyre_interp_desc interp;
    memset(&interp, 0, sizeof interp);
    interp.buffers = c->base.map;
    interp.sizes = c->size;
    interp.buffer_count = c->buffer_count;
    interp.allocator = c->allocator;
    interp.loop_limit = vyi_cpu_loop_limit(desc->desc);
    vyre_status status = vyi_cpu_workers(c, desc, &interp, err);
    if (status == VYRE_OK)
        status = vyi_machine_create(desc->once, &interp, &c->once, err);
    if (status != VYRE_OK)
        return status;
    vyi_machine_stop_by(c->once, &c->stop);
    if (!VYI_THREADS)
        vyi_machine_on_work(c->once, vyi_cpu_pauses, &c->workers[0]);
    return VYRE_OK;
}

static void vyi_cpu_describe(vyi_cpu *c, const vyi_device_desc *desc)
{
    const vyre_kernel_desc *k = &desc->desc->kernel;
    const bool restless = k->workspace || k->io_polling || k->load_miss;
    vyi_device *d = &c->base;
    d->in_flight = 1;
    d->endless = true;
    d->shared = true;
    d->pumped = !VYI_THREADS;
    d->group_size = desc->group_size;
    d->groups = 1;
    d->wide_group = desc->desc->kernel.group_size ? desc->desc->kernel.group_size
                                                  : VYI_DEFAULT_GROUP;
    d->wide_turns = UINT32_MAX;
    d->wide_groups = vyi_cpu_wide_count(desc);
    if (desc->desc->wide_groups && desc->desc->wide_groups < d->wide_groups)
        d->wide_groups = desc->desc->wide_groups;
    if (d->wide_groups && d->wide_group < d->group_size) /* groups of one program */
        d->group_size = d->wide_group;
    d->bytes = c->block_size;
    d->pipeline_id = vyre_program_hash(desc->loop);
    c->lease_ns = desc->desc->lease.timeout_ns / 4;
    c->idle.nap_ns = c->idle.least_ns = restless ? VYI_CPU_SHORT_NS : VYI_CPU_NAP_NS;
    c->idle.most_ns = restless ? VYI_CPU_SHORT_MOST_NS : VYI_CPU_NAP_MOST_NS;
}

static vyre_status vyi_cpu_fill(vyi_cpu *c, const vyi_device_desc *desc, vyre_error *err)
{
    c->buffer_count = desc->buffer_count;
    for (uint32_t i = 0; i < desc->buffer_count; i++) {
        c->size[i] = desc->buffers[i].size;
        if (desc->buffers[i].role == VYI_ROLE_MIRROR)
            c->mirror = i;
        if (desc->buffers[i].role == VYI_ROLE_CANCEL)
            c->cancel = i;
        if (desc->buffers[i].role == VYI_ROLE_WIDE)
            c->wide = i;
        if (desc->buffers[i].role == VYI_ROLE_EVENTS)
            c->events = i;
    }
    c->block = vyi_cpu_block(&c->allocator, c->size, c->buffer_count, c->base.map,
                             &c->block_size);
    if (!c->block)
        return vyi_fail_nomem(err, c->block_size);
    vyi_cpu_describe(c, desc);
    return vyi_cpu_machines(c, desc, err);
}

VYI_COLD
static vyre_status vyi_cpu_open(const vyi_device_desc *desc, vyi_device **out, vyre_error *err)
{
    const vyre_allocator allocator = desc->desc->allocator;
    vyi_cpu *c = (vyi_cpu *)vyi_alloc(&allocator, sizeof *c);
    if (!c)
        return vyi_fail_nomem(err, sizeof *c);
    memset(c, 0, sizeof *c);
    c->allocator = allocator;
    c->base.backend = vyi_cpu_backend();
    if (!vyi_mutex_init(&c->lock)) {
        vyi_free(&allocator, c, sizeof *c);
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no lock");
    }
    if (!vyi_cond_init(&c->changed)) {
        vyi_mutex_free(&c->lock);
        vyi_free(&allocator, c, sizeof *c);
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no condition");
    }
    const vyre_status status = vyi_cpu_fill(c, desc, err);
    if (status != VYRE_OK) {
        vyi_cpu_free(c);
        return status;
    }
    *out = &c->base;
    return VYRE_OK;
}

static void vyi_cpu_info(const vyi_device *d, vyre_info *info)
{
    (void)d;
    info->backend = VYRE_BACKEND_CPU;
    snprintf(info->device, sizeof info->device, "CPU interpreter");
    snprintf(info->driver, sizeof info->driver, "vyre %s", VYRE_VERSION_STRING);
    info->probe.live = info->probe.host_to_device = info->probe.device_to_host = true;
    info->probe.resident_groups = 1;
    info->limits.max_workgroup_size = info->limits.max_invocations = VYRE_MAX_WORKGROUP;
    info->limits.max_groups = UINT32_MAX;
    snprintf(info->probe.text, sizeof info->probe.text,
             "live: the kernel runs in this process, %s",
             VYI_THREADS ? "on threads of its own" : "inside wait and poll");
}

VYI_API const vyi_backend *vyi_cpu_backend(void)
{
    static const vyi_backend backend = {
        VYRE_BACKEND_CPU, "cpu",          vyi_cpu_open,   vyi_cpu_close, vyi_cpu_info,
        vyi_cpu_launch,   vyi_cpu_reap,   vyi_cpu_attach, vyi_cpu_wake,  vyi_cpu_abort, false,
        vyi_cpu_doze,     NULL,           vyi_cpu_resize, vyi_cpu_era,   NULL,
        vyi_cpu_wake_groups
    };
    return &backend;
}

/* ==========================================================================
 * cpu: the interpreter as a device
 *
 * One workgroup serves the ring, its lanes striding.  Passes run inside
 * launch, on the caller's thread.  The looping program runs on a thread of
 * its own; without threads, reap runs a few rounds of it.
 *
 * An idle kernel must not burn a core.  The machine asks before each round,
 * and the answer waits while there is nothing to do: `news` counts what was
 * published, in its upper bits; bit 0 says that the thread sleeps and wants to
 * be woken.  Both are one word, so that no publisher can slip in between the
 * thread's last look and its sleep.
 * ======================================================================= */
#include "engine/engine_impl.h"

#include "interp/interp_impl.h"

#define VYI_CPU_SPIN_NS     50000u
#define VYI_CPU_NAP_NS      10000000u /* then a round is run, news or not */
#define VYI_CPU_SHORT_NS    100000u   /* likewise, where rounds have work of their own */
#define VYI_CPU_PUMP_ROUNDS 16u
#define VYI_CPU_ALIGN       64u

#define VYI_CPU_SLEEPS 1u
#define VYI_CPU_NEWS   2u

typedef struct vyi_cpu {
    vyi_device     base;
    uint32_t       news;     /* see above */
    uint32_t       stop;     /* abort */
    vyre_allocator allocator;
    vyi_machine   *loop, *once;
    void          *block;    /* of the resident buffers */
    size_t         block_size;
    size_t         size[VYI_MAX_BUFFERS];
    uint32_t       buffer_count, mirror;
    void          *attached; /* block of the attached set */
    size_t         attached_size;
    size_t         attached_sizes[VYI_MAX_BUFFERS];
    void          *attached_map[VYI_MAX_BUFFERS];
    uint64_t       completed;
    /* The looping program. */
    bool           looping;  /* launched, and its end not yet reaped */
    uint32_t       rounds;
    uint64_t       nap_ns;
    uint32_t       seen;     /* of `news`, by the kernel */
    uint32_t       ended;    /* works, when the last round began */
    vyi_thread     thread;
    vyi_mutex      lock;
    vyi_cond       changed;
    bool           finished; /* the thread is about to end; under the lock */
} vyi_cpu;

/* --- idling -------------------------------------------------------------- */

static uint32_t vyi_cpu_control(const vyi_cpu *c, uint32_t word)
{
    return vyi_control_load(&c->base, word);
}

static bool vyi_cpu_stopped(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->stop) || vyi_cpu_control(c, VYRE_CONTROL_SHUTDOWN);
}

static void vyi_cpu_wake(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    if (vyi_fetch_add(&c->news, VYI_CPU_NEWS) & VYI_CPU_SLEEPS) {
        vyi_mutex_lock(&c->lock);
        vyi_cond_signal(&c->changed);
        vyi_mutex_unlock(&c->lock);
    }
}

/* Sleeps until there is news, or for a nap. */
static void vyi_cpu_sleep(vyi_cpu *c)
{
    const uint32_t quiet = c->seen;
    if (vyi_compare_exchange(&c->news, quiet, quiet | VYI_CPU_SLEEPS) != quiet)
        return;
    vyi_mutex_lock(&c->lock);
    if (vyi_load_acquire(&c->news) == (quiet | VYI_CPU_SLEEPS) && !vyi_cpu_stopped(c))
        vyi_cond_wait(&c->changed, &c->lock, c->nap_ns);
    vyi_mutex_unlock(&c->lock);
    /* Nobody else clears the bit. */
    (void)vyi_fetch_add(&c->news, (uint32_t)-(int32_t)VYI_CPU_SLEEPS);
}

/* True at once when the last round has ended work, for it may have left some. */
static bool vyi_cpu_has_news(vyi_cpu *c)
{
    const uint32_t news = vyi_load_acquire(&c->news);
    const uint32_t ended = vyi_cpu_control(c, VYRE_CONTROL_DONE_COUNT) +
                           vyi_cpu_control(c, VYRE_CONTROL_FAULT_COUNT);
    const bool moved = news != c->seen || ended != c->ended;
    c->seen = news;
    c->ended = ended;
    return moved;
}

/* Before each round of the looping program: false ends it. */
static bool vyi_cpu_ask(void *user, uint64_t round)
{
    vyi_cpu *c = (vyi_cpu *)user;
    if (vyi_cpu_stopped(c))
        return false;
    if (round == 0 || vyi_cpu_has_news(c))
        return true;
    const uint64_t begin = vyi_now();
    do {
        for (uint32_t i = 0; i < 64; i++)
            vyi_pause();
        if (vyi_cpu_stopped(c))
            return false;
        if (vyi_cpu_has_news(c))
            return true;
        vyi_yield(); /* the publisher may wait for this processor */
    } while (vyi_now() - begin < VYI_CPU_SPIN_NS);
    vyi_cpu_sleep(c);
    return !vyi_cpu_stopped(c);
}

/* --- running ------------------------------------------------------------- */

static const uint32_t vyi_cpu_one_group[3] = { 1, 1, 1 };

#if VYI_THREADS
/* A run may also end because its loops were cut; then another one follows. */
static void vyi_cpu_main(void *user)
{
    vyi_cpu *c = (vyi_cpu *)user;
    do {
        (void)vyi_machine_run(c->loop, vyi_cpu_one_group, c->rounds, NULL);
    } while (c->rounds == 0 && !vyi_cpu_stopped(c));
    vyi_mutex_lock(&c->lock);
    c->finished = true;
    vyi_cond_signal(&c->changed);
    vyi_mutex_unlock(&c->lock);
}
#endif

static vyre_status vyi_cpu_launch_loop(vyi_cpu *c, uint32_t rounds, vyre_error *err)
{
    if (c->looping)
        return vyi_fail(err, VYRE_E_LAUNCH, 1, "Wait for the launch in flight.",
                        "the CPU runs one looping program at a time");
    c->rounds = rounds;
    c->finished = false;
#if VYI_THREADS
    if (!vyi_thread_start(&c->thread, vyi_cpu_main, c))
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources, or use passes.",
                        "the system gave no thread for the kernel");
#endif
    c->looping = true;
    return VYRE_OK;
}

static vyre_status vyi_cpu_launch_bytes(vyi_cpu *c, vyre_error *err)
{
    vyre_status status = vyi_machine_bind(c->once, c->attached_map, c->attached_sizes,
                                          c->buffer_count, err);
    if (status < 0)
        return status;
    status = vyi_machine_run(c->once, vyi_cpu_one_group, 0, err);
    (void)vyi_machine_bind(c->once, c->base.map, c->size, c->buffer_count, NULL);
    return status;
}

static vyre_status vyi_cpu_launch(vyi_device *d, vyi_launch what, uint32_t rounds,
                                  vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_store_release(&c->stop, 0);
    if (what == VYI_LAUNCH_LOOP)
        return vyi_cpu_launch_loop(c, rounds, err);
    const vyre_status status = what == VYI_LAUNCH_BYTES
                                   ? vyi_cpu_launch_bytes(c, err)
                                   : vyi_machine_run(c->once, vyi_cpu_one_group, 0, err);
    if (status < 0)
        return status;
    c->completed++;
    return VYRE_OK;
}

#if VYI_THREADS
static void vyi_cpu_join(vyi_cpu *c, uint64_t timeout_ns)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    vyi_mutex_lock(&c->lock);
    while (!c->finished) {
        const uint64_t now = vyi_now();
        if (now >= deadline)
            break;
        vyi_cond_wait(&c->changed, &c->lock, deadline - now);
    }
    const bool finished = c->finished;
    vyi_mutex_unlock(&c->lock);
    if (!finished)
        return;
    vyi_thread_join(&c->thread);
    c->looping = false;
    c->completed++;
}
#else
static void vyi_cpu_join(vyi_cpu *c, uint64_t timeout_ns)
{
    (void)timeout_ns;
    const uint32_t most = VYI_CPU_PUMP_ROUNDS;
    const uint32_t rounds = c->rounds && c->rounds < most ? c->rounds : most;
    if (!vyi_cpu_stopped(c))
        (void)vyi_machine_run(c->loop, vyi_cpu_one_group, rounds, NULL);
    if (c->rounds)
        c->rounds -= rounds;
    else if (!vyi_cpu_stopped(c))
        return;
    if (c->rounds && !vyi_cpu_stopped(c))
        return;
    c->looping = false;
    c->completed++;
}
#endif

static vyre_status vyi_cpu_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                                uint64_t *completed, vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    (void)err;
    if (c->looping && c->completed <= beyond)
        vyi_cpu_join(c, timeout_ns);
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
 * own.  NULL when there is no memory. */
static void *vyi_cpu_block(const vyre_allocator *allocator, const size_t *sizes, uint32_t count,
                           void **map, size_t *block_size)
{
    size_t total = VYI_CPU_ALIGN;
    for (uint32_t i = 0; i < count; i++) {
        if (!vyi_size_add(total, sizes[i], &total) ||
            !vyi_size_add(total, VYI_CPU_ALIGN, &total))
            return NULL;
    }
    uint8_t *block = (uint8_t *)vyi_alloc(allocator, total);
    if (!block)
        return NULL;
    memset(block, 0, total);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        at += (VYI_CPU_ALIGN - ((uintptr_t)block + at) % VYI_CPU_ALIGN) % VYI_CPU_ALIGN;
        map[i] = block + at;
        at += sizes[i];
    }
    *block_size = total;
    return block;
}

static vyre_status vyi_cpu_attach(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                                  void *map[VYI_CORE_BUFFERS], vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    size_t sizes[VYI_CORE_BUFFERS + 1];
    void *fresh[VYI_CORE_BUFFERS + 1];
    size_t block_size;
    memcpy(sizes, size, VYI_CORE_BUFFERS * sizeof sizes[0]);
    sizes[VYI_CORE_BUFFERS] = c->size[c->mirror];

    if (!c->attached ||
        memcmp(sizes, c->attached_sizes, VYI_CORE_BUFFERS * sizeof sizes[0]) != 0) {
        void *block = vyi_cpu_block(&c->allocator, sizes, VYI_CORE_BUFFERS + 1, fresh,
                                    &block_size);
        if (!block)
            return vyi_fail_nomem(err, sizes[1]);
        vyi_free(&c->allocator, c->attached, c->attached_size);
        c->attached = block;
        c->attached_size = block_size;
        memcpy(c->attached_map, c->base.map, sizeof c->attached_map);
        memcpy(c->attached_sizes, c->size, sizeof c->attached_sizes);
        memcpy(c->attached_map, fresh, VYI_CORE_BUFFERS * sizeof fresh[0]);
        memcpy(c->attached_sizes, sizes, VYI_CORE_BUFFERS * sizeof sizes[0]);
        c->attached_map[c->mirror] = fresh[VYI_CORE_BUFFERS];
    }
    memcpy(map, c->attached_map, VYI_CORE_BUFFERS * sizeof map[0]);
    return VYRE_OK;
}

/* --- life ---------------------------------------------------------------- */

static void vyi_cpu_free(vyi_cpu *c)
{
    const vyre_allocator allocator = c->allocator;
    vyi_machine_destroy(c->loop);
    vyi_machine_destroy(c->once);
    vyi_free(&allocator, c->attached, c->attached_size);
    vyi_free(&allocator, c->block, c->block_size);
    vyi_cond_free(&c->changed);
    vyi_mutex_free(&c->lock);
    vyi_free(&allocator, c, sizeof *c);
}

static bool vyi_cpu_close(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    uint64_t completed;
    if (c->looping) {
        vyi_cpu_abort(d);
        (void)vyi_cpu_reap(d, c->completed, 1000000000u, &completed, NULL);
        if (c->looping)
            return false;
    }
    vyi_cpu_free(c);
    return true;
}

/* Loops of one slot are limited by the kernel's allowance; the machine's limit
 * is for a whole run, and only needs to leave room for that. */
static uint32_t vyi_cpu_loop_limit(const vyre_desc *desc)
{
    const uint32_t limit = desc->kernel.loop_allowance;
    return limit > UINT32_MAX / 8 ? UINT32_MAX : limit < 65536 ? 524288 : limit * 8;
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
    vyre_status status = vyi_machine_create(desc->once, &interp, &c->once, err);
    if (VYI_THREADS && desc->desc->loop_limit == 0)
        interp.loop_limit = 0; /* a thread can be told to stop */
    if (status == VYRE_OK)
        status = vyi_machine_create(desc->loop, &interp, &c->loop, err);
    if (status != VYRE_OK)
        return status;
    vyi_machine_on_round(c->loop, vyi_cpu_ask, c);
    vyi_machine_stop_by(c->loop, &c->stop);
    vyi_machine_stop_by(c->once, &c->stop);
    return VYRE_OK;
}

static void vyi_cpu_describe(vyi_cpu *c, const vyi_device_desc *desc)
{
    const vyre_kernel_desc *k = &desc->desc->kernel;
    const bool restless = k->workspace || k->io_polling || k->load_miss;
    vyi_device *d = &c->base;
    d->in_flight = 1;
    d->endless = true;
    d->pumped = !VYI_THREADS;
    d->group_size = desc->group_size;
    d->groups = 1;
    d->bytes = c->block_size;
    d->pipeline_id = vyre_program_hash(desc->loop);
    c->nap_ns = restless || desc->desc->lease.rounds ? VYI_CPU_SHORT_NS : VYI_CPU_NAP_NS;
}

static vyre_status vyi_cpu_fill(vyi_cpu *c, const vyi_device_desc *desc, vyre_error *err)
{
    c->buffer_count = desc->buffer_count;
    for (uint32_t i = 0; i < desc->buffer_count; i++) {
        c->size[i] = desc->buffers[i].size;
        if (desc->buffers[i].role == VYI_ROLE_MIRROR)
            c->mirror = i;
    }
    c->block = vyi_cpu_block(&c->allocator, c->size, c->buffer_count, c->base.map,
                             &c->block_size);
    if (!c->block)
        return vyi_fail_nomem(err, c->size[VYI_ROLE_RING]);
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
    snprintf(info->probe.text, sizeof info->probe.text,
             "live: the kernel runs in this process, %s",
             VYI_THREADS ? "on a thread of its own" : "inside wait and poll");
}

VYI_API const vyi_backend *vyi_cpu_backend(void)
{
    static const vyi_backend backend = {
        VYRE_BACKEND_CPU, "cpu",          vyi_cpu_open,   vyi_cpu_close, vyi_cpu_info,
        vyi_cpu_launch,   vyi_cpu_reap,   vyi_cpu_attach, vyi_cpu_wake,  vyi_cpu_abort, false
    };
    return &backend;
}

/* ==========================================================================
 * cpu: the interpreter as a device
 *
 * One workgroup serves the ring, its lanes striding.  What is launched runs on
 * a thread of the device's own, which the first launch makes and close ends; so
 * no call of the engine lasts as long as a handler does.  Without threads reap
 * runs it, a slice at a time.
 *
 * An idle kernel must not burn a core.  The machine asks before each round,
 * and the answer waits while there is nothing to do: `news` counts what was
 * published, in its upper bits; bit 0 says that the thread sleeps and wants to
 * be woken.  Both are one word, so that no publisher can slip in between the
 * thread's last look and its sleep.  Naps without news become longer.
 * ======================================================================= */
#include "engine/engine_impl.h"

#include "interp/interp_impl.h"

#define VYI_CPU_SPIN_NS     50000u
#define VYI_CPU_WAIT_NS     20000u     /* that a reap spins for before it sleeps */
#define VYI_CPU_NAP_NS      10000000u  /* the first nap; after each a round is run, news or not */
#define VYI_CPU_NAP_MOST_NS 160000000u
#define VYI_CPU_SHORT_NS    100000u    /* likewise, where rounds have work of their own */
#define VYI_CPU_SHORT_MOST_NS 10000000u
#define VYI_CPU_SLICE_NS    200000u    /* of a reap, where there are no threads */
#define VYI_CPU_PUMP_ROUNDS 16u
#define VYI_CPU_ALIGN       64u
#define VYI_CPU_WIDE_GROUP  256u /* lanes: as a kernel has them that says nothing */

#define VYI_CPU_SLEEPS 1u
#define VYI_CPU_NEWS   2u

/* Whose the launch is. */
#define VYI_CPU_REST     0u /* there is none; the engine moves it on */
#define VYI_CPU_LAUNCHED 1u /* the thread's, which moves it on */
#define VYI_CPU_ENDED    2u /* the engine's, until it is reaped */

typedef struct vyi_cpu {
    vyi_device     base;
    uint32_t       news;     /* see above */
    uint32_t       stop;     /* abort */
    uint32_t       phase;    /* see above; who moves it on releases, who looks acquires */
    uint32_t       dozers;   /* host threads that sleep until works end */
    vyre_allocator allocator;
    vyi_machine   *loop, *once, *tiles; /* tiles: NULL without wide works */
    void          *block;    /* of the resident buffers */
    size_t         block_size;
    size_t         size[VYI_MAX_BUFFERS];
    uint32_t       buffer_count, mirror;
    void          *attached; /* block of the attached set */
    size_t         attached_size;
    size_t         attached_sizes[VYI_MAX_BUFFERS];
    void          *attached_map[VYI_MAX_BUFFERS];
    uint64_t       completed;
    /* The launch. */
    vyi_launch     what;
    uint32_t       rounds;   /* that are left of it; 0 = endless */
    uint32_t       groups;   /* of a tile pass */
    uint64_t       lease_ns; /* then a bounded launch ends, whatever is left */
    uint64_t       begun;
    bool           paused;   /* in the middle of a round or a pass */
    uint64_t       slice_end;
    /* The looping program. */
    uint64_t       nap_ns, least_nap_ns, most_nap_ns;
    uint32_t       seen;     /* of `news`, by the kernel */
    uint32_t       ended;    /* works, when the last round began */
    /* The thread. */
    bool           has_thread;
    bool           quits;    /* under the lock */
    vyi_thread     thread;
    vyi_mutex      lock;
    vyi_cond       changed;
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

/* Who dozes just after this has looked sleeps for as long as it meant to. */
static void vyi_cpu_tell(vyi_cpu *c)
{
    if (vyi_load_acquire(&c->dozers) == 0)
        return;
    vyi_mutex_lock(&c->lock);
    vyi_cond_signal(&c->changed);
    vyi_mutex_unlock(&c->lock);
}

static void vyi_cpu_doze(vyi_device *d, uint64_t ns)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_mutex_lock(&c->lock);
    (void)vyi_fetch_add(&c->dozers, 1);
    vyi_cond_wait(&c->changed, &c->lock, ns);
    (void)vyi_fetch_add(&c->dozers, UINT32_MAX);
    vyi_mutex_unlock(&c->lock);
}

/* Sleeps until there is news, or for a nap; the next one is longer. */
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
    c->nap_ns = c->nap_ns < c->most_nap_ns / 2 ? c->nap_ns * 2 : c->most_nap_ns;
}

/* True at once when the last round has ended work, for it may have left some. */
static bool vyi_cpu_has_news(vyi_cpu *c)
{
    const uint32_t news = vyi_load_acquire(&c->news);
    const uint32_t ended = vyi_cpu_control(c, VYRE_CONTROL_DONE_COUNT) +
                           vyi_cpu_control(c, VYRE_CONTROL_FAULT_COUNT);
    const bool moved = news != c->seen || ended != c->ended;
    if (ended != c->ended)
        vyi_cpu_tell(c);
    c->seen = news;
    c->ended = ended;
    return moved;
}

/* Looks for a while, on a processor that others may need.  False: nothing came. */
static bool vyi_cpu_spin(vyi_cpu *c)
{
    const uint64_t begin = vyi_now();
    do {
        for (uint32_t i = 0; i < 64; i++)
            vyi_pause();
        if (vyi_cpu_stopped(c) || vyi_cpu_has_news(c))
            return true;
        vyi_yield(); /* the publisher may wait for this processor */
    } while (vyi_now() - begin < VYI_CPU_SPIN_NS);
    return false;
}

/* A launch of bounded rounds is bounded in time as well: an idle round is a nap,
 * and many of them would look like a launch that hangs. */
static bool vyi_cpu_is_over(const vyi_cpu *c)
{
    return vyi_cpu_stopped(c) || (c->rounds && vyi_now() - c->begun > c->lease_ns);
}

/* Before each round of the looping program: false ends it. */
static bool vyi_cpu_ask(void *user, uint64_t round)
{
    vyi_cpu *c = (vyi_cpu *)user;
    if (vyi_cpu_is_over(c))
        return false;
    if (vyi_cpu_has_news(c) || round == 0) {
        c->nap_ns = c->least_nap_ns;
        return true;
    }
    if (!VYI_THREADS)
        return false; /* the caller of reap has more to do than to wait here */
    if (c->nap_ns == c->least_nap_ns && vyi_cpu_spin(c))
        return !vyi_cpu_stopped(c);
    vyi_cpu_sleep(c);
    return !vyi_cpu_is_over(c);
}

/* --- running ------------------------------------------------------------- */

static vyre_status vyi_cpu_go_on(vyi_cpu *c, vyi_machine *m, uint32_t rounds)
{
    const uint32_t groups[3] = { m == c->tiles ? c->groups : 1, 1, 1 };
    const vyre_status status = c->paused ? vyi_machine_resume(m)
                                         : vyi_machine_run(m, groups, rounds, NULL);
    c->paused = status == VYRE_PENDING;
    return status;
}

static void vyi_cpu_run_pass(vyi_cpu *c)
{
    const bool bytes = c->what == VYI_LAUNCH_BYTES || c->what == VYI_LAUNCH_TILE_BYTES;
    const bool tiles = c->what == VYI_LAUNCH_TILES || c->what == VYI_LAUNCH_TILE_BYTES;
    vyi_machine *m = tiles ? c->tiles : c->once;
    if (bytes && !c->paused)
        (void)vyi_machine_bind(m, c->attached_map, c->attached_sizes, c->buffer_count, NULL);
    (void)vyi_cpu_go_on(c, m, 0);
    if (bytes && !c->paused)
        (void)vyi_machine_bind(m, c->base.map, c->size, c->buffer_count, NULL);
}

#if VYI_THREADS

/* A run may also end because its loops were cut; then another one follows. */
static void vyi_cpu_run(vyi_cpu *c)
{
    if (c->what != VYI_LAUNCH_LOOP) {
        vyi_cpu_run_pass(c);
        return;
    }
    do {
        (void)vyi_cpu_go_on(c, c->loop, c->rounds);
    } while (c->rounds == 0 && !vyi_cpu_stopped(c));
}

static bool vyi_cpu_runs(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED;
}

/* Waits until a launch runs, or none does; at first without sleeping, for passes
 * come one after another.  False: the time has passed, or the thread is to quit. */
static bool vyi_cpu_await(vyi_cpu *c, bool runs, uint64_t spin_ns, uint64_t timeout_ns)
{
    const uint64_t begin = vyi_now();
    const uint64_t spins = spin_ns < timeout_ns ? spin_ns : timeout_ns;
    do {
        for (uint32_t i = 0; i < 32; i++)
            vyi_pause();
        if (vyi_cpu_runs(c) == runs)
            return true;
        vyi_yield();
    } while (vyi_now() - begin < spins);
    vyi_mutex_lock(&c->lock);
    while (vyi_cpu_runs(c) != runs && !c->quits) {
        const uint64_t waited = vyi_now() - begin;
        if (waited >= timeout_ns)
            break;
        vyi_cond_wait(&c->changed, &c->lock, timeout_ns - waited);
    }
    vyi_mutex_unlock(&c->lock);
    return vyi_cpu_runs(c) == runs;
}

static void vyi_cpu_set_phase(vyi_cpu *c, uint32_t phase)
{
    vyi_mutex_lock(&c->lock);
    vyi_store_release(&c->phase, phase);
    vyi_cond_signal(&c->changed);
    vyi_mutex_unlock(&c->lock);
}

static void vyi_cpu_main(void *user)
{
    vyi_cpu *c = (vyi_cpu *)user;
    while (vyi_cpu_await(c, true, VYI_CPU_SPIN_NS, UINT64_MAX)) {
        vyi_cpu_run(c);
        vyi_cpu_set_phase(c, VYI_CPU_ENDED);
    }
}

static vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err)
{
    if (!c->has_thread) {
        c->has_thread = vyi_thread_start(&c->thread, vyi_cpu_main, c);
        if (!c->has_thread)
            return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                            "the system gave no thread for the kernel");
    }
    vyi_cpu_set_phase(c, VYI_CPU_LAUNCHED);
    return VYRE_OK;
}

static void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns)
{
    const bool fresh = vyi_now() - c->begun < 10 * VYI_CPU_WAIT_NS; /* it may be a short one */
    if (timeout_ns)
        (void)vyi_cpu_await(c, false, fresh ? VYI_CPU_WAIT_NS : 0, timeout_ns);
}

/* False: it still runs. */
static bool vyi_cpu_end_thread(vyi_cpu *c)
{
    if (!c->has_thread)
        return true;
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED)
        return false;
    vyi_mutex_lock(&c->lock);
    c->quits = true;
    vyi_cond_signal(&c->changed);
    vyi_mutex_unlock(&c->lock);
    vyi_thread_join(&c->thread);
    return true;
}

#else

/* Between two iterations of a handler's loops. */
static bool vyi_cpu_slice_is_over(void *user)
{
    return vyi_now() >= ((const vyi_cpu *)user)->slice_end;
}

static void vyi_cpu_run_rounds(vyi_cpu *c)
{
    const uint32_t most = VYI_CPU_PUMP_ROUNDS;
    const uint32_t rounds = c->rounds && c->rounds < most ? c->rounds : most;
    (void)vyi_cpu_go_on(c, c->loop, rounds);
    if (c->paused)
        return;
    const bool last = c->rounds == rounds;
    c->rounds -= c->rounds ? rounds : 0;
    if (last || vyi_cpu_is_over(c))
        c->phase = VYI_CPU_ENDED;
}

static void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns)
{
    c->slice_end = vyi_deadline(timeout_ns > VYI_CPU_SLICE_NS ? timeout_ns : VYI_CPU_SLICE_NS);
    if (c->what == VYI_LAUNCH_LOOP) {
        vyi_cpu_run_rounds(c);
        return;
    }
    vyi_cpu_run_pass(c);
    if (!c->paused)
        c->phase = VYI_CPU_ENDED;
}

/* A pass begins at once: who publishes and goes away has been served. */
static vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err)
{
    (void)err;
    c->phase = VYI_CPU_LAUNCHED;
    if (c->what != VYI_LAUNCH_LOOP)
        vyi_cpu_wait(c, 0);
    return VYRE_OK;
}

static bool vyi_cpu_end_thread(vyi_cpu *c)
{
    return c->phase != VYI_CPU_LAUNCHED;
}

#endif

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
    c->what = what;
    c->rounds = what == VYI_LAUNCH_LOOP ? rounds : 0;
    c->groups = rounds;
    c->begun = vyi_now();
    return vyi_cpu_begin(c, err);
}

static vyre_status vyi_cpu_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                                uint64_t *completed, vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    (void)err;
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED && c->completed <= beyond)
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
            return vyi_fail_nomem(err, block_size);
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
    vyi_machine_destroy(c->tiles);
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
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED) {
        vyi_cpu_abort(d);
        (void)vyi_cpu_reap(d, c->completed, 1000000000u, &completed, NULL);
    }
    if (!vyi_cpu_end_thread(c))
        return false;
    vyi_cpu_free(c);
    return true;
}

/* Loops of one slot are limited by the kernel's allowance; the machine's limit
 * is for a whole run, and only needs to leave room for that.  0: vyre_stop ends
 * what does not end by itself. */
static uint32_t vyi_cpu_loop_limit(const vyre_desc *desc)
{
    const uint32_t limit = desc->kernel.loop_allowance;
    if (desc->loop_limit == 0)
        return 0;
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
    if (status == VYRE_OK && desc->tiles)
        status = vyi_machine_create(desc->tiles, &interp, &c->tiles, err);
    if (status == VYRE_OK)
        status = vyi_machine_create(desc->loop, &interp, &c->loop, err);
    if (status != VYRE_OK)
        return status;
    vyi_machine_on_round(c->loop, vyi_cpu_ask, c);
    vyi_machine_stop_by(c->loop, &c->stop);
    vyi_machine_stop_by(c->once, &c->stop);
    if (c->tiles)
        vyi_machine_stop_by(c->tiles, &c->stop);
#if !VYI_THREADS
    vyi_machine_on_work(c->loop, vyi_cpu_slice_is_over, c);
    vyi_machine_on_work(c->once, vyi_cpu_slice_is_over, c);
    if (c->tiles)
        vyi_machine_on_work(c->tiles, vyi_cpu_slice_is_over, c);
#endif
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
                                                  : VYI_CPU_WIDE_GROUP;
    d->wide_turns = UINT32_MAX;
    d->bytes = c->block_size;
    d->pipeline_id = vyre_program_hash(desc->loop);
    c->lease_ns = desc->desc->lease.timeout_ns / 4;
    c->nap_ns = c->least_nap_ns = restless ? VYI_CPU_SHORT_NS : VYI_CPU_NAP_NS;
    c->most_nap_ns = restless ? VYI_CPU_SHORT_MOST_NS : VYI_CPU_NAP_MOST_NS;
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
             VYI_THREADS ? "on a thread of its own" : "inside wait and poll");
}

VYI_API const vyi_backend *vyi_cpu_backend(void)
{
    static const vyi_backend backend = {
        VYRE_BACKEND_CPU, "cpu",          vyi_cpu_open,   vyi_cpu_close, vyi_cpu_info,
        vyi_cpu_launch,   vyi_cpu_reap,   vyi_cpu_attach, vyi_cpu_wake,  vyi_cpu_abort, false,
        vyi_cpu_doze
    };
    return &backend;
}

/* ==========================================================================
 * cpu: running launches
 *
 * Private.  The leader asks before each round of the looping program, and the
 * answer waits while there is nothing to do: an idle kernel must not burn a core.
 * Naps without news become longer.
 * ======================================================================= */
#include "engine/cpu_impl.h"

#define VYI_CPU_SPIN_NS     50000u
#define VYI_CPU_WAIT_NS     20000u  /* that a reap spins for before it sleeps */
#define VYI_CPU_LONG_NS     100000u /* of a round, before a worker gives away what it can */
#define VYI_CPU_SLICE_NS    200000u /* of a reap, where there are no threads */
#define VYI_CPU_PUMP_ROUNDS 16u

/* --- idling -------------------------------------------------------------- */

static uint32_t vyi_cpu_control(const vyi_cpu *c, uint32_t word)
{
    return vyi_control_load(&c->base, word);
}

static bool vyi_cpu_stopped(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->stop) || vyi_load_acquire(&c->over) ||
           vyi_cpu_control(c, VYRE_CONTROL_SHUTDOWN);
}

/* A launch of bounded rounds is bounded in time as well: an idle round is a nap,
 * and many of them would look like a launch that hangs.  The leader's. */
static bool vyi_cpu_ends(vyi_cpu *c)
{
    if (vyi_cpu_stopped(c))
        return true;
    if (!c->rounds || (c->idle.rounds < c->rounds && vyi_now() - c->begun < c->lease_ns))
        return false;
    vyi_store_release(&c->over, 1);
    return true;
}

VYI_API void vyi_cpu_wake(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    if (!(vyi_fetch_add(&c->news, VYI_CPU_NEWS) & VYI_CPU_SLEEPS))
        return;
    vyi_mutex_lock(&c->lock);
    const uint32_t leader = vyi_load_acquire(&c->leader);
    if (leader != VYI_CPU_NOBODY)
        vyi_cond_signal(&c->workers[leader].wake);
    vyi_mutex_unlock(&c->lock);
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

VYI_API void vyi_cpu_doze(vyi_device *d, uint64_t ns)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_mutex_lock(&c->lock);
    (void)vyi_fetch_add(&c->dozers, 1);
    vyi_cond_wait(&c->changed, &c->lock, ns);
    (void)vyi_fetch_add(&c->dozers, UINT32_MAX);
    vyi_mutex_unlock(&c->lock);
}

/* Sleeps until there is news, or for a nap; the next one is longer. */
static void vyi_cpu_sleep(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_cpu_idle *idle = &c->idle;
    const uint32_t quiet = idle->seen;
    if (vyi_compare_exchange(&c->news, quiet, quiet | VYI_CPU_SLEEPS) != quiet)
        return;
    vyi_mutex_lock(&c->lock);
    if (vyi_load_acquire(&c->news) == (quiet | VYI_CPU_SLEEPS) && !vyi_cpu_stopped(c))
        vyi_cond_wait(&w->wake, &c->lock, idle->nap_ns);
    vyi_mutex_unlock(&c->lock);
    /* Nobody else clears the bit. */
    (void)vyi_fetch_add(&c->news, (uint32_t)-(int32_t)VYI_CPU_SLEEPS);
    idle->nap_ns = idle->nap_ns < idle->most_ns / 2 ? idle->nap_ns * 2 : idle->most_ns;
}

/* True at once when the last round has ended work, or put some back, for it may have left
 * some. */
static bool vyi_cpu_has_news(vyi_cpu *c)
{
    vyi_cpu_idle *idle = &c->idle;
    const uint32_t news = vyi_load_acquire(&c->news);
    const uint32_t ended = vyi_cpu_control(c, VYRE_CONTROL_DONE_COUNT) +
                           vyi_cpu_control(c, VYRE_CONTROL_FAULT_COUNT) +
                           vyi_cpu_control(c, VYRE_CONTROL_CHILDREN) +
                           vyi_cpu_control(c, VYRE_CONTROL_REQUEUES);
    const bool moved = news != idle->seen || ended != idle->ended;
    if (ended != idle->ended)
        vyi_cpu_tell(c);
    idle->seen = news;
    idle->ended = ended;
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

/* Returns when a round is worth while; false: the launch ends. */
static bool vyi_cpu_await_work(vyi_cpu_worker *w, uint64_t round)
{
    vyi_cpu *c = w->c;
    if (vyi_cpu_ends(c))
        return false;
    if (vyi_cpu_has_news(c) || round == 0) {
        c->idle.nap_ns = c->idle.least_ns;
        return true;
    }
    if (!VYI_THREADS)
        return false; /* the caller of reap has more to do than to wait here */
    if (c->idle.nap_ns == c->idle.least_ns && vyi_cpu_spin(c))
        return !vyi_cpu_stopped(c);
    vyi_cpu_sleep(w);
    return !vyi_cpu_ends(c);
}

/* Before each round of the looping program: false ends the machine's run. */
VYI_API bool vyi_cpu_ask(void *worker, uint64_t round)
{
    vyi_cpu_worker *w = (vyi_cpu_worker *)worker;
    w->since = 0;
    if (w->parted || vyi_load_acquire(&w->c->leader) != w->index)
        return false;
    if (!VYI_THREADS && round >= VYI_CPU_PUMP_ROUNDS)
        return false;
    const bool goes_on = vyi_cpu_await_work(w, round);
    w->c->idle.rounds += goes_on;
    return goes_on;
}

/* --- runs ---------------------------------------------------------------- */

static void vyi_cpu_go_on(vyi_cpu_worker *w, vyi_machine *m)
{
    const uint32_t groups[3] = { m == w->tiles ? w->c->groups : 1, 1, 1 };
    w->since = 0;
    w->paused = (w->paused ? vyi_machine_resume(m)
                           : vyi_machine_run(m, groups, 0, NULL)) == VYRE_PENDING;
}

static bool vyi_cpu_is_tiles(const vyi_cpu *c)
{
    return c->what == VYI_LAUNCH_TILES || c->what == VYI_LAUNCH_TILE_BYTES;
}

static void vyi_cpu_run_pass(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    const bool bytes = c->what == VYI_LAUNCH_BYTES || c->what == VYI_LAUNCH_TILE_BYTES;
    vyi_machine *m = vyi_cpu_is_tiles(c) ? w->tiles : c->once;
    if (bytes && !w->paused)
        (void)vyi_machine_bind(m, c->attached_map, c->attached_sizes, c->buffer_count, NULL);
    vyi_cpu_go_on(w, m);
    if (bytes && !w->paused)
        (void)vyi_machine_bind(m, c->base.map, c->size, c->buffer_count, NULL);
}

#if VYI_THREADS

/* --- turns --------------------------------------------------------------- */

static void vyi_cpu_main(void *worker);

/* Under the lock, before its first turn.  False: the system gives no thread. */
static bool vyi_cpu_make_thread(vyi_cpu_worker *w)
{
    w->made = w->made || vyi_thread_start(&w->thread, vyi_cpu_main, w);
    return w->made;
}

/* Under the lock: lets a worker run what it has been prepared for. */
static void vyi_cpu_give_turn(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    VYRE_ASSERT(w->made && !vyi_load_acquire(&w->turn));
    vyi_store_release(&c->resting, c->resting - 1);
    vyi_store_release(&w->turn, 1);
    vyi_cond_signal(&w->wake);
}

/* Under the lock.  The last one ends the launch, unless somebody is to lead it on. */
static void vyi_cpu_end_turn(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_store_release(&w->turn, 0);
    vyi_store_release(&c->resting, c->resting + 1);
    if (c->resting == c->worker_count)
        vyi_store_release(&c->phase, VYI_CPU_ENDED);
    vyi_cond_signal(&c->changed);
}

static vyi_cpu_worker *vyi_cpu_resting_worker(vyi_cpu *c)
{
    for (uint32_t i = 0; i < c->worker_count; i++)
        if (!vyi_load_acquire(&c->workers[i].turn))
            return &c->workers[i];
    return NULL;
}

/* A round has become long: whoever waits in it goes on elsewhere, and somebody
 * else leads. */
static void vyi_cpu_hand_over(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_mutex_lock(&c->lock);
    vyi_cpu_worker *other = vyi_cpu_resting_worker(c);
    const bool leads = vyi_load_acquire(&c->leader) == w->index;
    if (other && vyi_cpu_make_thread(other)) {
        if (vyi_machine_part(w->loop, other->loop))
            w->parted = other->parted = other->paused = true;
        if (leads)
            vyi_store_release(&c->leader, other->index);
        if (leads || other->paused)
            vyi_cpu_give_turn(other);
    }
    vyi_mutex_unlock(&c->lock);
}

/* After a run has ended: whether this worker begins another one. */
static bool vyi_cpu_leads_on(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_mutex_lock(&c->lock);
    w->parted = false;
    bool leads = vyi_load_acquire(&c->leader) == w->index;
    if (leads && vyi_cpu_stopped(c)) {
        vyi_store_release(&c->over, 1);
        vyi_store_release(&c->leader, VYI_CPU_NOBODY);
        leads = false;
    }
    if (!leads)
        vyi_cpu_end_turn(w);
    vyi_mutex_unlock(&c->lock);
    return leads;
}

/* Those who help wake others before they begin, so that many are awake soon. */
static void vyi_cpu_share(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    if (!vyi_cpu_is_tiles(c))
        return;
    vyi_mutex_lock(&c->lock);
    for (uint32_t i = 2 * w->index + 1; i <= 2 * w->index + 2; i++)
        if (i < c->worker_count && i < c->groups && vyi_load_acquire(&c->next_group) < c->groups &&
            vyi_cpu_make_thread(&c->workers[i]))
            vyi_cpu_give_turn(&c->workers[i]);
    vyi_mutex_unlock(&c->lock);
}

static void vyi_cpu_run(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    if (c->what == VYI_LAUNCH_LOOP) {
        do {
            vyi_cpu_go_on(w, w->loop);
            if (w->paused)
                vyi_cpu_hand_over(w);
        } while (w->paused || vyi_cpu_leads_on(w));
        return;
    }
    vyi_cpu_share(w);
    vyi_cpu_run_pass(w);
    vyi_mutex_lock(&c->lock);
    vyi_cpu_end_turn(w);
    vyi_mutex_unlock(&c->lock);
}

/* Passes come one after another, so the worker that makes them looks for a while
 * before it sleeps.  False: the thread is to end. */
static bool vyi_cpu_await_turn(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    const uint64_t begin = vyi_now();
    while (w->index == 0 && vyi_now() - begin < VYI_CPU_SPIN_NS) {
        for (uint32_t i = 0; i < 32; i++)
            vyi_pause();
        if (vyi_load_acquire(&w->turn))
            return true;
        vyi_yield();
    }
    vyi_mutex_lock(&c->lock);
    while (!vyi_load_acquire(&w->turn) && !c->quits)
        vyi_cond_wait(&w->wake, &c->lock, UINT64_MAX);
    vyi_mutex_unlock(&c->lock);
    return vyi_load_acquire(&w->turn) != 0;
}

static void vyi_cpu_main(void *worker)
{
    vyi_cpu_worker *w = (vyi_cpu_worker *)worker;
    while (vyi_cpu_await_turn(w))
        vyi_cpu_run(w);
}

/* The round has lasted for a while, and somebody could take from it. */
VYI_API bool vyi_cpu_pauses(void *worker)
{
    vyi_cpu_worker *w = (vyi_cpu_worker *)worker;
    const uint64_t now = vyi_now();
    if (!w->since)
        w->since = now;
    return now - w->since > VYI_CPU_LONG_NS && vyi_load_acquire(&w->c->resting) != 0;
}

VYI_API vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err)
{
    vyi_cpu_worker *w = &c->workers[0];
    vyi_mutex_lock(&c->lock);
    const bool begins = vyi_cpu_make_thread(w);
    if (begins) {
        vyi_store_release(&c->phase, VYI_CPU_LAUNCHED);
        vyi_store_release(&c->leader, w->index);
        vyi_cpu_give_turn(w);
    }
    vyi_mutex_unlock(&c->lock);
    if (!begins)
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no thread for the kernel");
    return VYRE_OK;
}

VYI_API void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns)
{
    const uint64_t begin = vyi_now();
    const bool fresh = begin - c->begun < 10 * VYI_CPU_WAIT_NS; /* it may be a short one */
    const uint64_t spins = timeout_ns < VYI_CPU_WAIT_NS ? timeout_ns : VYI_CPU_WAIT_NS;
    uint64_t waited = 0;
    while (fresh && waited < spins && vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED) {
        for (uint32_t i = 0; i < 32; i++)
            vyi_pause();
        vyi_yield();
        waited = vyi_now() - begin;
    }
    vyi_mutex_lock(&c->lock);
    while (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED && waited < timeout_ns) {
        vyi_cond_wait(&c->changed, &c->lock, timeout_ns - waited);
        waited = vyi_now() - begin;
    }
    vyi_mutex_unlock(&c->lock);
}

VYI_API bool vyi_cpu_quit(vyi_cpu *c)
{
    if (vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED)
        return false;
    vyi_mutex_lock(&c->lock);
    c->quits = true;
    for (uint32_t i = 0; i < c->worker_count; i++)
        vyi_cond_signal(&c->workers[i].wake);
    vyi_mutex_unlock(&c->lock);
    for (uint32_t i = 0; i < c->worker_count; i++)
        if (c->workers[i].made)
            vyi_thread_join(&c->workers[i].thread);
    return true;
}

#else

VYI_API bool vyi_cpu_pauses(void *worker)
{
    return vyi_now() >= ((const vyi_cpu_worker *)worker)->c->slice_end;
}

VYI_API void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns)
{
    vyi_cpu_worker *w = &c->workers[0];
    c->slice_end = vyi_deadline(timeout_ns > VYI_CPU_SLICE_NS ? timeout_ns : VYI_CPU_SLICE_NS);
    if (c->what != VYI_LAUNCH_LOOP)
        vyi_cpu_run_pass(w);
    else
        vyi_cpu_go_on(w, w->loop);
    if (!w->paused && (c->what != VYI_LAUNCH_LOOP || vyi_cpu_ends(c)))
        c->phase = VYI_CPU_ENDED;
}

/* A pass begins at once: who publishes and goes away has been served. */
VYI_API vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err)
{
    (void)err;
    c->phase = VYI_CPU_LAUNCHED;
    c->leader = 0;
    if (c->what != VYI_LAUNCH_LOOP)
        vyi_cpu_wait(c, 0);
    return VYRE_OK;
}

VYI_API bool vyi_cpu_quit(vyi_cpu *c)
{
    return c->phase != VYI_CPU_LAUNCHED;
}

#endif

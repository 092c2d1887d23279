/* ==========================================================================
 * cpu: running launches
 *
 * Private.  The leader asks before each round of the looping program, and the
 * answer waits while there is nothing to do: an idle kernel must not burn a core.
 * Naps without news become longer.
 * ======================================================================= */
#include "engine/cpu_impl.h"

#define VYI_CPU_SPIN_NS     50000u
#define VYI_CPU_POLLS       64u
#define VYI_CPU_WAIT_NS     20000u  /* that a reap spins for before it sleeps */
#define VYI_CPU_LONG_NS     100000u /* of a round, before a worker gives away what it can */
#define VYI_CPU_SLICE_NS    200000u /* of a reap, where there are no threads */
#define VYI_CPU_PUMP_ROUNDS 16u

/* --- idling -------------------------------------------------------------- */

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

/* With `ends`, true at once when the last round has ended work, or put some back: it may
 * have left some, and where one has ended another often follows, which a round finds
 * sooner than its news.  Groups end works, too, that no round has to do with. */
static bool vyi_cpu_has_news(vyi_cpu *c, bool ends)
{
    vyi_cpu_idle *idle = &c->idle;
    const uint32_t news = vyi_load_acquire(&c->news);
    const uint32_t ended = vyi_cpu_ended(c);
    const bool moved = news != idle->seen || (ends && ended != idle->ended);
    if (ended != idle->ended)
        vyi_cpu_tell(c);
    idle->seen = news;
    idle->ended = ended;
    return moved;
}

/* One line is looked at, many times, and the others now and then. */
static void vyi_cpu_poll(const vyi_cpu *c)
{
    for (uint32_t i = 0; i < VYI_CPU_POLLS; i++) {
        if (vyi_load_acquire(&c->news) != c->idle.seen)
            return;
        vyi_pause();
    }
}

/* Looks for a while, on a processor that others may need.  False: nothing came. */
static bool vyi_cpu_spin(vyi_cpu *c)
{
    const uint64_t begin = vyi_now();
    do {
        vyi_cpu_poll(c);
        if (vyi_cpu_stopped(c) || vyi_cpu_has_news(c, !c->base.wide_groups))
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
    if (vyi_cpu_has_news(c, true) || round == 0) {
        c->idle.nap_ns = c->idle.least_ns;
        return true;
    }
    if (!VYI_THREADS)
        return false; /* the caller of reap has more to do than to wait here */
    if (c->idle.nap_ns == c->idle.least_ns && vyi_cpu_spin(c))
        return !vyi_cpu_stopped(c);
    vyi_cpu_sleep(w);
    if (vyi_cpu_has_news(c, true)) /* what the round will find is no news after it */
        c->idle.nap_ns = c->idle.least_ns;
    return !vyi_cpu_ends(c);
}

/* Before each round of the looping program: false ends the machine's run. */
VYI_API bool vyi_cpu_ask(void *worker, uint64_t round)
{
    vyi_cpu_worker *w = (vyi_cpu_worker *)worker;
    w->since = 0;
    if (w->parted || vyi_load_acquire(&w->c->leader) != w->index)
        return false;
    vyi_cpu_call_group(w->c); /* a gate may have opened by the end of a lane's work */
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

static vyi_cpu_worker *vyi_cpu_resting_worker(vyi_cpu *c)
{
    for (uint32_t i = 0; i < c->lane_count; i++)
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
        vyi_cpu_rouse_groups(c);
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
    const uint32_t first = vyi_cpu_first_tiler(c), me = w->index - first;
    if (!vyi_cpu_is_tiles(c))
        return;
    vyi_mutex_lock(&c->lock);
    for (uint32_t i = 2 * me + 1; i <= 2 * me + 2; i++)
        if (first + i < c->worker_count && i < c->groups &&
            vyi_load_acquire(&c->next_group) < c->groups &&
            vyi_cpu_make_thread(&c->workers[first + i]))
            vyi_cpu_give_turn(&c->workers[first + i]);
    vyi_mutex_unlock(&c->lock);
}

static void vyi_cpu_run(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    if (c->what == VYI_LAUNCH_LOOP && w->wide) {
        vyi_cpu_run_group(w);
        return;
    }
    if (c->what == VYI_LAUNCH_LOOP) {
        do {
            vyi_cpu_go_on(w, w->loop);
            if (w->paused)
                vyi_cpu_hand_over(w);
        } while (w->paused || vyi_cpu_leads_on(w));
        vyi_cpu_worker_tells(w);
        return;
    }
    vyi_cpu_share(w);
    vyi_cpu_run_pass(w);
    vyi_mutex_lock(&c->lock);
    vyi_cpu_end_turn(w);
    vyi_mutex_unlock(&c->lock);
}

/* Passes, and wide works, come one after another, so the worker that begins with them
 * looks for a while before it sleeps.  False: the thread is to end. */
static bool vyi_cpu_await_turn(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    const uint64_t begin = vyi_now();
    const bool first = w->index == 0 || w->index == c->lane_count;
    while (first && vyi_now() - begin < VYI_CPU_SPIN_NS) {
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
    const bool loops = c->what == VYI_LAUNCH_LOOP;
    vyi_cpu_worker *w = &c->workers[vyi_cpu_is_tiles(c) ? vyi_cpu_first_tiler(c) : 0];
    vyi_mutex_lock(&c->lock);
    c->main = vyi_cpu_main;
    const bool begins = vyi_cpu_make_thread(w) &&
                        (!loops || !c->base.wide_groups ||
                         vyi_cpu_make_thread(&c->workers[c->lane_count]));
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

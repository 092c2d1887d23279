/* ==========================================================================
 * cpu: threads for works that many lanes run
 *
 * Private.  Each of the wide workers is a group of the looping program that waits at
 * the gates (kernel_groups.c): before each chunk it takes the most urgent work, so an
 * urgent one waits for a chunk, and never for a work.  Where no gate has a chunk for
 * it, it sleeps, in the middle of its run: a run knows which works have none left, and
 * claims from each only once in vain, so that counts do not overflow.
 *
 * Who publishes wakes one of them, and each that wakes wakes two more while there are
 * chunks.  What both sides look at, behind a full fence, is a gate on one side and the
 * number of those that are idle on the other: one of the two sees the other.
 *
 * A launch of this device may last for ever, and a group's run does not: a gate's
 * generations begin anew (engine_wide.c) when every run that may have seen the last
 * of them has ended.  Runs are in eras, and an era ends when no run of one before is
 * left.
 * ======================================================================= */
#include "engine/cpu_impl.h"
#include "kernel/order_impl.h"
#include "kernel/wide_impl.h"

#define VYI_CPU_GROUP_SPIN_NS 50000u

#if VYI_THREADS

/* --- what the gates have ------------------------------------------------- */

static uint32_t vyi_cpu_wide_load(const vyi_cpu *c, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_device_words(&c->base, c->wide) + word));
}

/* As a group looks at the gate: its tenant may run, or the work was taken back; its
 * event is there. */
static bool vyi_cpu_gate_is_open(const vyi_cpu *c, uint32_t at, uint32_t gate)
{
    const uint32_t *control = vyi_device_words(&c->base, VYI_ROLE_CONTROL);
    const uint32_t tenant = gate >> VYI_GATE_TENANT & 31u;
    if (!vyi_load_acquire(control + VYRE_CONTROL_TENANT_MASKS + tenant) &&
        !vyi_cpu_wide_load(c, VYI_WIDE_WISHES + at))
        return false;
    if (!c->events)
        return true;
    const uint32_t waits = vyi_cpu_wide_load(c, VYI_WIDE_WAITS + at);
    const uint32_t *events = vyi_device_words(&c->base, c->events);
    return waits >> VYI_GATE_GENERATION == gate >> VYI_GATE_GENERATION &&
           !(vyi_le32(vyi_load_acquire(events + (waits & VYI_ORDER_EVENT))) & VYI_EVENT_MISSING);
}

/* Chunks behind the gate that nobody has taken. */
static uint32_t vyi_cpu_gate_left(const vyi_cpu *c, uint32_t at)
{
    const uint32_t gate = vyi_cpu_wide_load(c, VYI_WIDE_GATES + at);
    const uint32_t generation = gate >> VYI_GATE_GENERATION;
    if (!gate)
        return 0;
    const uint32_t chunks = vyi_cpu_wide_load(c, VYI_WIDE_CHUNKS + at);
    const uint32_t next = vyi_cpu_wide_load(c, VYI_WIDE_STATES + at * VYI_WIDE_STATE_WORDS +
                                                   VYI_WIDE_NEXT);
    const uint32_t opened = next >> VYI_GATE_GENERATION;
    const uint32_t count = chunks & VYI_GATE_COUNT;
    const uint32_t taken = opened == generation ? next & VYI_GATE_COUNT : 0;
    if (chunks >> VYI_GATE_GENERATION != generation || opened > generation || taken >= count ||
        !vyi_cpu_gate_is_open(c, at, gate))
        return 0;
    return count - taken;
}

static bool vyi_cpu_has_chunks(const vyi_cpu *c)
{
    for (uint32_t at = 0; at < VYI_WIDE_SLOTS; at++)
        if (vyi_cpu_gate_left(c, at))
            return true;
    return false;
}

/* --- who is woken -------------------------------------------------------- */

/* The launch is one that has groups, and goes on. */
static bool vyi_cpu_takes_groups(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->phase) == VYI_CPU_LAUNCHED && c->what == VYI_LAUNCH_LOOP &&
           vyi_load_acquire(&c->leader) != VYI_CPU_NOBODY && !vyi_cpu_stopped(c);
}

/* Under the lock; whoever does it wakes the worker. */
static void vyi_cpu_rouse(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    w->sleeps = false;
    vyi_store_release(&c->wide_idle, c->wide_idle - 1);
}

/* Under the lock: false if it has something to do, or there is no thread for it. */
static bool vyi_cpu_call(vyi_cpu_worker *w)
{
    const bool sleeps = w->sleeps;
    if (sleeps)
        vyi_cpu_rouse(w);
    if (sleeps || vyi_load_acquire(&w->turn) || !vyi_cpu_make_thread(w))
        return sleeps;
    w->era = vyi_load_relaxed(&w->c->era);
    vyi_cpu_take_turn(w);
    return true;
}

/* Those that have been called: whoever is woken wants the lock, so they are when it is
 * free. */
typedef struct vyi_cpu_called {
    vyi_cpu_worker *workers[2];
    uint32_t        count;
} vyi_cpu_called;

static void vyi_cpu_wake_called(const vyi_cpu_called *called)
{
    for (uint32_t i = 0; i < called->count; i++)
        vyi_cond_signal(&called->workers[i]->wake);
}

/* Under the lock.  A thread that cannot be had is not missed while there is another:
 * the first of them was made when the launch began. */
static vyi_cpu_called vyi_cpu_call_groups(vyi_cpu *c, uint32_t most)
{
    const uint32_t end = c->lane_count + c->base.wide_groups;
    vyi_cpu_called called;
    called.count = 0;
    VYRE_ASSERT(most <= sizeof called.workers / sizeof called.workers[0]);
    if (!vyi_load_acquire(&c->wide_idle) || !vyi_cpu_takes_groups(c) || !vyi_cpu_has_chunks(c))
        return called;
    for (uint32_t i = c->lane_count; i < end && called.count < most; i++)
        if (vyi_cpu_call(&c->workers[i]))
            called.workers[called.count++] = &c->workers[i];
    return called;
}

VYI_API void vyi_cpu_rouse_groups(vyi_cpu *c)
{
    for (uint32_t i = c->lane_count; i < c->worker_count; i++)
        if (c->workers[i].sleeps) {
            vyi_cpu_rouse(&c->workers[i]);
            vyi_cond_signal(&c->workers[i].wake);
        }
}

/* The fence pairs with that of a group that goes to sleep. */
VYI_API void vyi_cpu_call_group(vyi_cpu *c)
{
    if (!c->base.wide_groups)
        return;
    vyi_fence_full();
    if (!vyi_load_acquire(&c->wide_idle) || !vyi_cpu_has_chunks(c))
        return;
    vyi_mutex_lock(&c->lock);
    const vyi_cpu_called called = vyi_cpu_call_groups(c, 1);
    vyi_mutex_unlock(&c->lock);
    vyi_cpu_wake_called(&called);
}

/* --- a turn -------------------------------------------------------------- */

/* Works come one after another: the first of the groups looks for a while, on a
 * processor that others may need.  False: nothing came. */
static bool vyi_cpu_group_spin(const vyi_cpu_worker *w)
{
    const vyi_cpu *c = w->c;
    const uint64_t begin = vyi_now();
    while (w->index == c->lane_count && vyi_now() - begin < VYI_CPU_GROUP_SPIN_NS) {
        for (uint32_t i = 0; i < 64; i++)
            vyi_pause();
        if (vyi_cpu_stopped(c) || vyi_cpu_has_chunks(c))
            return true;
        vyi_yield(); /* the publisher may wait for this processor */
    }
    return false;
}

static bool vyi_cpu_run_ends(const vyi_cpu_worker *w)
{
    return vyi_load_acquire(&w->c->era) != w->era || !vyi_cpu_takes_groups(w->c);
}

/* Until it is roused, or for a while.  Who is counted as idle looks once more, for what
 * was published just before. */
static void vyi_cpu_group_sleep(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_mutex_lock(&c->lock);
    w->sleeps = true;
    vyi_store_release(&c->wide_idle, c->wide_idle + 1);
    vyi_fence_full();
    if (!vyi_cpu_run_ends(w) && !vyi_cpu_has_chunks(c))
        vyi_cond_wait(&w->wake, &c->lock, UINT64_MAX);
    if (w->sleeps)
        vyi_cpu_rouse(w);
    const vyi_cpu_called called = vyi_cpu_call_groups(c, 2);
    vyi_mutex_unlock(&c->lock);
    vyi_cpu_wake_called(&called);
}

/* Before each round of a group: false ends the run. */
VYI_API bool vyi_cpu_group_ask(void *worker, uint64_t round)
{
    vyi_cpu_worker *w = (vyi_cpu_worker *)worker;
    (void)round;
    vyi_cpu_worker_tells(w);
    while (!vyi_cpu_run_ends(w)) {
        if (vyi_cpu_has_chunks(w->c))
            return true;
        if (!vyi_cpu_group_spin(w))
            vyi_cpu_group_sleep(w);
    }
    return false;
}

/* After a run: whether there is another one, in the era that is now. */
static bool vyi_cpu_group_goes_on(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_mutex_lock(&c->lock);
    w->era = vyi_load_relaxed(&c->era);
    const bool goes_on = vyi_cpu_takes_groups(c) && vyi_cpu_has_chunks(c);
    vyi_cpu_called called;
    called.count = 0;
    if (!goes_on) {
        vyi_cpu_end_turn(w);
        vyi_fence_full();
        called = vyi_cpu_call_groups(c, 1);
    }
    vyi_mutex_unlock(&c->lock);
    vyi_cpu_wake_called(&called);
    return goes_on;
}

VYI_API void vyi_cpu_run_group(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    const uint32_t group = 1 + w->index - c->lane_count; /* 0 is the lanes' */
    const uint32_t groups[3] = { group + 1, 1, 1 };
    vyi_mutex_lock(&c->lock);
    const vyi_cpu_called called = vyi_cpu_call_groups(c, 2);
    vyi_mutex_unlock(&c->lock);
    vyi_cpu_wake_called(&called);
    do {
        w->group = group;
        (void)vyi_machine_run(w->loop, groups, 0, NULL);
        vyi_cpu_worker_tells(w);
    } while (vyi_cpu_group_goes_on(w));
}

/* The engine's thread closes a gate, and then asks: whoever begins a run later begins
 * it under the lock, and sees it closed. */
VYI_API uint32_t vyi_cpu_era(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    bool others = false;
    vyi_mutex_lock(&c->lock);
    const uint32_t era = vyi_load_relaxed(&c->era);
    for (uint32_t i = c->lane_count; i < c->worker_count; i++)
        others = others || (vyi_load_acquire(&c->workers[i].turn) && c->workers[i].era != era);
    if (!others) {
        vyi_store_release(&c->era, era + 1);
        vyi_cpu_rouse_groups(c);
    }
    const uint32_t now = vyi_load_relaxed(&c->era);
    vyi_mutex_unlock(&c->lock);
    return now;
}

#else

VYI_API void vyi_cpu_call_group(vyi_cpu *c)
{
    (void)c;
}

VYI_API bool vyi_cpu_group_ask(void *worker, uint64_t round)
{
    (void)worker, (void)round;
    return false;
}

VYI_API uint32_t vyi_cpu_era(vyi_device *d)
{
    return ++((vyi_cpu *)d)->era;
}

#endif

/* --- news ---------------------------------------------------------------- */

VYI_API void vyi_cpu_wake(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    const uint32_t before = vyi_fetch_add(&c->news, VYI_CPU_NEWS);
    vyi_cpu_call_group(c);
    if (!(before & VYI_CPU_SLEEPS))
        return;
    vyi_mutex_lock(&c->lock);
    const uint32_t leader = vyi_load_acquire(&c->leader);
    if (leader != VYI_CPU_NOBODY)
        vyi_cond_signal(&c->workers[leader].wake);
    vyi_mutex_unlock(&c->lock);
}

/* The lanes have nothing to do with it. */
VYI_API void vyi_cpu_wake_groups(vyi_device *d)
{
    if (d->wide_groups)
        vyi_cpu_call_group((vyi_cpu *)d);
    else
        vyi_cpu_wake(d);
}

VYI_API void vyi_cpu_worker_tells(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    const uint32_t ended = vyi_cpu_ended(c);
    if (ended == w->ended)
        return;
    w->ended = ended;
    vyi_cpu_tell(c);
    if (c->events || !w->wide) /* a lane's work may have left something to be done */
        vyi_cpu_wake(&c->base);
}

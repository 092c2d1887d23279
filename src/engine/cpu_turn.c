/* ==========================================================================
 * cpu: turns
 *
 * Private.  What all workers share: when a launch is over, who is told of ends,
 * threads and their turns.
 * ======================================================================= */
#include "engine/cpu_impl.h"

/* --- what has happened --------------------------------------------------- */

static uint32_t vyi_cpu_control(const vyi_cpu *c, uint32_t word)
{
    return vyi_control_load(&c->base, word);
}

VYI_API bool vyi_cpu_stopped(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->stop) || vyi_load_acquire(&c->over) ||
           vyi_cpu_control(c, VYRE_CONTROL_SHUTDOWN);
}

VYI_API uint32_t vyi_cpu_ended(const vyi_cpu *c)
{
    return vyi_cpu_control(c, VYRE_CONTROL_DONE_COUNT) +
           vyi_cpu_control(c, VYRE_CONTROL_FAULT_COUNT) +
           vyi_cpu_control(c, VYRE_CONTROL_CHILDREN) + vyi_cpu_control(c, VYRE_CONTROL_REQUEUES);
}

/* Who dozes just after this has looked sleeps for as long as it meant to. */
VYI_API void vyi_cpu_tell(vyi_cpu *c)
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

/* --- turns --------------------------------------------------------------- */

#if VYI_THREADS

VYI_API bool vyi_cpu_make_thread(vyi_cpu_worker *w)
{
    w->made = w->made || vyi_thread_start(&w->thread, w->c->main, w);
    return w->made;
}

static void vyi_cpu_count_resting(vyi_cpu_worker *w, uint32_t change)
{
    vyi_cpu *c = w->c;
    uint32_t *resting = w->wide ? &c->wide_resting : &c->resting;
    vyi_store_release(resting, *resting + change);
    if (w->wide)
        vyi_store_release(&c->wide_idle, c->wide_idle + change);
}

VYI_API void vyi_cpu_take_turn(vyi_cpu_worker *w)
{
    VYRE_ASSERT(w->made && !vyi_load_acquire(&w->turn));
    vyi_cpu_count_resting(w, UINT32_MAX);
    vyi_store_release(&w->turn, 1);
}

VYI_API void vyi_cpu_give_turn(vyi_cpu_worker *w)
{
    vyi_cpu_take_turn(w);
    vyi_cond_signal(&w->wake);
}

/* The last one ends the launch: whoever leads has a turn. */
VYI_API void vyi_cpu_end_turn(vyi_cpu_worker *w)
{
    vyi_cpu *c = w->c;
    vyi_store_release(&w->turn, 0);
    vyi_cpu_count_resting(w, 1);
    if (c->resting + c->wide_resting == c->worker_count)
        vyi_store_release(&c->phase, VYI_CPU_ENDED);
    vyi_cond_signal(&c->changed);
}

#endif

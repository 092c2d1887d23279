/* ==========================================================================
 * plan: a policy's request, from what a ring is doing
 *
 * The original counts an opcode as hot as soon as it has run once, for ever.  Here it
 * is one that ran in an eighth of all cases, of those that the look has.
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#if !defined(VYRE_NO_PLAN) && !defined(VYRE_NO_WATCH)

#define VYI_HOT_SHARE 8u

VYRE_API vyre_status vyre_watch_since(const vyre_watch *before, const vyre_watch *now,
                                      vyre_watch *out)
{
    if (!before || !now || !out)
        return VYRE_E_ARGUMENT;
    vyre_watch w = *now;
    w.done -= before->done;
    w.faults -= before->faults;
    w.requeues -= before->requeues;
    w.promoted -= before->promoted;
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        w.metrics[i] -= before->metrics[i];
    *out = w;
    return VYRE_OK;
}

static uint32_t vyi_request_hot(const vyre_watch *w)
{
    uint64_t sum = 0;
    uint32_t hot = 0;
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        sum += w->metrics[i];
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        hot += w->metrics[i] && (uint64_t)w->metrics[i] * VYI_HOT_SHARE >= sum;
    return hot;
}

VYRE_API vyre_status vyre_watch_request(const vyre_watch *w, vyre_policy_request *request)
{
    if (!w || !request)
        return VYRE_E_ARGUMENT;
    if (request->requeues > UINT64_MAX - w->states[VYRE_SLOT_REQUEUE])
        return VYRE_E_COUNTER_OVF;
    request->requeues += w->states[VYRE_SLOT_REQUEUE];
    if (request->nodes == 0)
        request->nodes = w->slots;
    if (request->edges == 0)
        request->edges = w->depth;
    if (request->density_bps == 0)
        request->density_bps = w->density_bps;
    request->hot_opcodes = vyi_request_hot(w);
    return VYRE_OK;
}

#endif

/* ==========================================================================
 * plan: two variants and a verdict
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#ifndef VYRE_NO_PLAN

#define VYI_RACE_LEAST       8u
#define VYI_RACE_GAIN_BPS 1500u
#define VYI_BPS          10000u

static void vyi_race_add(uint64_t total[2], uint32_t *count, uint64_t ns)
{
    if (*count == UINT32_MAX) {
        total[0] = total[0] >> 1 | total[1] << 63;
        total[1] >>= 1;
        *count /= 2;
    }
    total[0] += ns;
    total[1] += total[0] < ns;
    ++*count;
}

/* Long division in digits of 32 bits; the mean of numbers of 64 bits fits 64. */
static uint64_t vyi_race_mean(const uint64_t total[2], uint32_t count)
{
    if (count == 0)
        return 0;
    uint64_t rest = total[1] % count;
    const uint64_t high = rest << 32 | total[0] >> 32;
    rest = high % count;
    const uint64_t low = rest << 32 | (total[0] & UINT32_MAX);
    return (high / count) << 32 | low / count;
}

VYRE_API void vyre_race_base(vyre_race *r, uint64_t ns)
{
    if (r)
        vyi_race_add(r->base_total, &r->base_count, ns);
}

VYRE_API void vyre_race_trial(vyre_race *r, uint64_t ns)
{
    if (r)
        vyi_race_add(r->trial_total, &r->trial_count, ns);
}

VYRE_API void vyre_race_cost(vyre_race *r, uint64_t ns)
{
    if (r)
        r->cost_ns = ns > UINT64_MAX - r->cost_ns ? UINT64_MAX : r->cost_ns + ns;
}

static vyre_verdict vyi_race_decide(const vyre_race *r, uint64_t base, uint64_t trial)
{
    const uint32_t least = r->least ? r->least : VYI_RACE_LEAST;
    const uint32_t gain = r->gain_bps ? r->gain_bps : VYI_RACE_GAIN_BPS;
    if (r->base_count < least || r->trial_count < least || base == 0)
        return VYRE_RACE_GO_ON;

    const uint64_t share = r->cost_ns / r->trial_count;
    if (trial >= base || share >= base - trial)
        return VYRE_RACE_REJECT;
    const uint64_t saved = base - trial - share;
    return vyi_scaled_at_least(saved, VYI_BPS, base, gain) ? VYRE_RACE_ADOPT : VYRE_RACE_GO_ON;
}

VYRE_API vyre_verdict vyre_race_verdict(const vyre_race *r, uint64_t *base_mean,
                                        uint64_t *trial_mean)
{
    if (!r)
        return VYRE_RACE_GO_ON;
    const uint64_t base = vyi_race_mean(r->base_total, r->base_count);
    const uint64_t trial = vyi_race_mean(r->trial_total, r->trial_count);
    if (base_mean)
        *base_mean = base;
    if (trial_mean)
        *trial_mean = trial;
    return vyi_race_decide(r, base, trial);
}

#endif /* VYRE_NO_PLAN */

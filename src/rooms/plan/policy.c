/* ==========================================================================
 * plan: the original's launch recommendation
 *
 * Twelve steps in its order, which decides which error wins.  Later steps see
 * the inferred request; only the geometry sees fewer workers.
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#ifndef VYRE_NO_PLAN

#define VYI_POLICY_ALL         10000u /* basis points */
#define VYI_POLICY_HYSTERESIS    250u /* basis points to either side of a threshold */
#define VYI_POLICY_SHED         2500u /* basis points of workers shed at the memory threshold */
#define VYI_POLICY_LEAST_WORKERS  32u /* that a sparse queue keeps */

/* X(field of vyre_policy, standard value) */
#define VYI_POLICY_LIST(X)                                                                         \
    X(min_hits, 1024)                                                                              \
    X(hit_factor, 2)                                                                               \
    X(waves, 4)                                                                                    \
    X(hot_opcodes, 8)                                                                              \
    X(hot_windows, 4)                                                                              \
    X(jit_queue, 4096)                                                                             \
    X(age, 32)                                                                                     \
    X(sparse_bps, 500)                                                                             \
    X(dense_bps, 4000)                                                                             \
    X(memory_bps, 8500)                                                                            \
    X(fusion_edges, 65536)                                                                         \
    X(hit_bytes, 16)

static vyre_policy vyi_policy_of(const vyre_policy *given)
{
    vyre_policy p;
    memset(&p, 0, sizeof p);
    if (given)
        p = *given;
#define VYI_POLICY_DEFAULT(field, standard)                                                        \
    if (p.field == 0)                                                                              \
        p.field = (standard);
    VYI_POLICY_LIST(VYI_POLICY_DEFAULT)
#undef VYI_POLICY_DEFAULT
    return p;
}

/* part * 10000 / whole, at most 10000. */
static uint16_t vyi_policy_share(uint64_t part, uint64_t whole)
{
    uint32_t low = 0, high = VYI_POLICY_ALL;
    while (low < high) { /* the largest share with share * whole <= part * 10000 */
        const uint32_t middle = (low + high + 1) / 2;
        if (vyi_scaled_at_least(part, VYI_POLICY_ALL, whole, middle))
            low = middle;
        else
            high = middle - 1;
    }
    return (uint16_t)low;
}

static void vyi_policy_infer(vyre_policy_request *r)
{
    if (r->density_bps == 0 && r->queue != 0 && r->nodes != 0) {
        const uint16_t share = vyi_policy_share(r->queue, r->nodes);
        r->density_bps = share ? share : 1;
    }
    if (r->memory_bps == 0 && r->budget_bytes != 0 && r->resident_bytes != 0)
        r->memory_bps = vyi_policy_share(r->resident_bytes, r->budget_bytes);
}

/* Whether there is a graph whose edges pay for fusing, and something hot. */
static bool vyi_policy_fusible(const vyre_policy *p, const vyre_policy_request *r)
{
    return r->edges >= p->fusion_edges &&
           (r->hot_opcodes >= p->hot_opcodes || r->hot_windows >= p->hot_windows);
}

static vyre_topology vyi_policy_raw(const vyre_policy *p, const vyre_policy_request *r)
{
    if (r->queue == 0)
        return VYRE_TOPOLOGY_EMPTY;
    if (r->memory_bps >= p->memory_bps)
        return VYRE_TOPOLOGY_MEMORY;
    if (r->density_bps <= p->sparse_bps)
        return VYRE_TOPOLOGY_SPARSE;
    if (r->density_bps < p->dense_bps)
        return VYRE_TOPOLOGY_HYBRID;
    return r->nodes > 0 && vyi_policy_fusible(p, r) ? VYRE_TOPOLOGY_FUSED : VYRE_TOPOLOGY_DENSE;
}

static uint32_t vyi_policy_below(uint16_t bps)
{
    return bps > VYI_POLICY_HYSTERESIS ? bps - VYI_POLICY_HYSTERESIS : 0;
}

static uint32_t vyi_policy_above(uint16_t bps)
{
    const uint32_t sum = bps + VYI_POLICY_HYSTERESIS;
    return sum < UINT16_MAX ? sum : UINT16_MAX;
}

/* What was before holds on for a while; first match wins. */
static vyre_topology vyi_policy_stable(const vyre_policy *p, const vyre_policy_request *r,
                                       vyre_topology raw, vyre_topology previous)
{
    const uint32_t density = r->density_bps;
    const bool dense = raw == VYRE_TOPOLOGY_DENSE || raw == VYRE_TOPOLOGY_FUSED;
    const bool still_dense = raw == VYRE_TOPOLOGY_HYBRID &&
                             density >= vyi_policy_below(p->dense_bps);
    bool keep = false;
    if (raw == VYRE_TOPOLOGY_EMPTY || raw == VYRE_TOPOLOGY_MEMORY)
        return raw;
    if (previous == VYRE_TOPOLOGY_MEMORY)
        keep = r->memory_bps >= vyi_policy_below(p->memory_bps);
    else if (previous == VYRE_TOPOLOGY_SPARSE)
        keep = density <= vyi_policy_above(p->sparse_bps);
    else if (previous == VYRE_TOPOLOGY_HYBRID && raw == VYRE_TOPOLOGY_SPARSE)
        keep = density >= vyi_policy_below(p->sparse_bps);
    else if (previous == VYRE_TOPOLOGY_HYBRID && dense)
        keep = density <= vyi_policy_above(p->dense_bps);
    else if (previous == VYRE_TOPOLOGY_DENSE)
        keep = still_dense;
    else if (previous == VYRE_TOPOLOGY_FUSED)
        keep = still_dense && vyi_policy_fusible(p, r);
    return keep ? previous : raw;
}

/* Of `groups` workers those that stay: memory is short. */
static uint32_t vyi_policy_shed_memory(const vyre_policy *p, uint16_t memory_bps, uint32_t groups)
{
    const uint32_t room = VYI_POLICY_ALL - p->memory_bps, span = room ? room : 1;
    uint32_t over = memory_bps > p->memory_bps ? memory_bps - (uint32_t)p->memory_bps : 0;
    if (over > span)
        over = span;
    const uint32_t shed = VYI_POLICY_SHED + over * VYI_POLICY_SHED / span;
    const uint64_t kept = (uint64_t)groups * (VYI_POLICY_ALL - shed) / VYI_POLICY_ALL;
    return kept ? (uint32_t)kept : 1;
}

/* And here: few nodes have work. */
static uint32_t vyi_policy_shed_sparse(const vyre_policy *p, uint16_t density_bps, uint32_t groups)
{
    const uint32_t density = density_bps < p->sparse_bps ? density_bps : p->sparse_bps;
    const uint32_t least = groups < VYI_POLICY_LEAST_WORKERS ? groups : VYI_POLICY_LEAST_WORKERS;
    const uint64_t kept = (uint64_t)groups * density / p->sparse_bps;
    return kept > least ? (uint32_t)kept : least;
}

static uint32_t vyi_policy_workers(const vyre_policy *p, const vyre_policy_request *r,
                                   vyre_topology topology)
{
    if (r->worker_groups <= 1)
        return r->worker_groups;
    if (topology == VYRE_TOPOLOGY_MEMORY && r->memory_bps != 0)
        return vyi_policy_shed_memory(p, r->memory_bps, r->worker_groups);
    if (topology == VYRE_TOPOLOGY_SPARSE && r->nodes != 0 && r->density_bps != 0)
        return vyi_policy_shed_sparse(p, r->density_bps, r->worker_groups);
    return r->worker_groups;
}

static vyre_status vyi_policy_overflow(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_COUNTER_OVF, 0, "Plan smaller batches, or lower the policy's "
                    "factors.", "%s does not fit", what);
}

static vyre_status vyi_policy_pressure(const vyre_policy *p, const vyre_policy_request *r,
                                       const vyre_geometry *g, vyre_pressure *out, vyre_error *err)
{
    uint64_t lanes = (uint64_t)g->groups * g->workgroup_size;
    lanes = lanes ? lanes : 1;
    *out = r->queue >= lanes ? VYRE_PRESSURE_BALANCED : VYRE_PRESSURE_LIGHT;
    if (r->queue == 0)
        *out = VYRE_PRESSURE_EMPTY;
    else if (r->requeues > 0)
        *out = VYRE_PRESSURE_SATURATED;
    else if (lanes > UINT64_MAX / p->waves)
        return vyi_policy_overflow("the number of lanes of all waves", err);
    else if (r->queue >= lanes * p->waves)
        *out = VYRE_PRESSURE_SATURATED;
    return VYRE_OK;
}

static vyre_status vyi_policy_hits(const vyre_policy *p, const vyre_policy_request *r,
                                   uint32_t *out, vyre_error *err)
{
    const uint32_t factor = r->memory_bps >= p->memory_bps ? 1 : p->hit_factor;
    *out = r->hit_capacity;
    if (r->hit_capacity)
        return VYRE_OK;
    uint64_t hits = (uint64_t)r->queue * (r->hits_per_item ? r->hits_per_item : 1);
    hits = hits > UINT32_MAX ? hits : hits * factor;
    if (hits > UINT32_MAX)
        return vyi_policy_overflow("the result capacity", err);
    *out = hits > p->min_hits ? (uint32_t)hits : p->min_hits;
    return VYRE_OK;
}

static vyre_status vyi_policy_memory(const vyre_policy *p, const vyre_policy_request *r,
                                     vyre_policy_advice *a, vyre_error *err)
{
    const uint64_t scratch = (uint64_t)a->hit_capacity * p->hit_bytes;
    if (r->resident_bytes > UINT64_MAX - scratch)
        return vyi_policy_overflow("the number of bytes", err);
    a->peak_bytes = r->resident_bytes + scratch;
    a->budget_bytes = r->budget_bytes;
    if (r->budget_bytes != 0 && a->peak_bytes > r->budget_bytes)
        return vyi_fail(err, VYRE_E_BUDGET, a->peak_bytes,
                        "Split the batch, or lower hit_capacity or hits_per_item.",
                        "%llu bytes are needed, %llu of them for %u results; the budget is %llu",
                        (unsigned long long)a->peak_bytes, (unsigned long long)scratch,
                        (unsigned)a->hit_capacity, (unsigned long long)r->budget_bytes);
    return VYRE_OK;
}

static vyre_status vyi_policy_fill(const vyre_policy *p, const vyre_policy_request *r,
                                   const vyre_topology *previous, vyre_policy_advice *a,
                                   vyre_error *err)
{
    vyre_limits limits;
    limits.max_workgroup_size = r->max_workgroup_size;
    limits.max_groups = r->max_groups;
    limits.max_invocations = r->max_invocations;
    a->hot_opcodes = r->hot_opcodes >= p->hot_opcodes;
    a->hot_windows = r->hot_windows >= p->hot_windows;
    a->topology = vyi_policy_raw(p, r);
    if (previous)
        a->topology = vyi_policy_stable(p, r, a->topology, *previous);
    const uint32_t workers = vyi_policy_workers(p, r, a->topology);
    vyre_status status = vyre_geometry_plan(r->queue, workers, &limits, &a->worker_groups,
                                            &a->geometry, err);
    if (status == VYRE_OK)
        status = vyi_policy_pressure(p, r, &a->geometry, &a->pressure, err);
    if (status == VYRE_OK)
        status = vyi_policy_hits(p, r, &a->hit_capacity, err);
    if (status == VYRE_OK)
        status = vyi_policy_memory(p, r, a, err);
    a->jit = r->queue >= p->jit_queue || a->hot_opcodes || a->hot_windows ||
             a->topology == VYRE_TOPOLOGY_FUSED;
    a->aging = r->requeues > 0 || r->max_age >= p->age;
    return status;
}

VYRE_API vyre_status vyre_policy_advise(const vyre_policy *policy,
                                        const vyre_policy_request *request,
                                        const vyre_topology *previous, vyre_policy_advice *out,
                                        vyre_error *err)
{
    if (!request || !out)
        return vyi_plan_argument(request ? "the advice" : "the request", err);
    const vyre_policy p = vyi_policy_of(policy);
    if (p.memory_bps > VYI_POLICY_ALL)
        return vyi_fail(err, VYRE_E_ARGUMENT, p.memory_bps, "Pass basis points, 10000 at most.",
                        "memory_bps of the policy is %u", (unsigned)p.memory_bps);
    vyre_policy_request inferred = *request;
    vyre_policy_advice advice;
    memset(&advice, 0, sizeof advice);
    vyi_policy_infer(&inferred);
    const vyre_status status = vyi_policy_fill(&p, &inferred, previous, &advice, err);
    if (status == VYRE_OK)
        *out = advice;
    return status;
}

VYRE_API const char *vyre_topology_name(vyre_topology topology)
{
    static const char *const names[] = { "EMPTY", "SPARSE", "HYBRID", "DENSE", "FUSED", "MEMORY" };
    return (uint32_t)topology <= VYRE_TOPOLOGY_MEMORY ? names[topology] : "UNKNOWN";
}

VYRE_API const char *vyre_pressure_name(vyre_pressure pressure)
{
    static const char *const names[] = { "EMPTY", "LIGHT", "BALANCED", "SATURATED" };
    return (uint32_t)pressure <= VYRE_PRESSURE_SATURATED ? names[pressure] : "UNKNOWN";
}

#endif /* VYRE_NO_PLAN */

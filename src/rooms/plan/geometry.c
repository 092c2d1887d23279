/* ==========================================================================
 * plan: the original's geometry
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#ifndef VYRE_NO_PLAN

#define VYI_GEOMETRY_MAX_GROUPS   1024u /* of a launch */
#define VYI_GEOMETRY_OCCUPANCY     256u /* groups of the device for each worker group */
#define VYI_GEOMETRY_POWERFUL     4096u /* invocations from which a device counts as large */
#define VYI_GEOMETRY_LARGE_GROUPS   64u /* and gets at least so many worker groups */

static uint32_t vyi_geometry_one(uint32_t value)
{
    return value ? value : 1;
}

/* Groups of `width` that hold `slots`, at least one; the sum saturates. */
static uint32_t vyi_geometry_cover(uint32_t slots, uint32_t width)
{
    const uint32_t add = width - 1;
    const uint32_t sum = slots > UINT32_MAX - add ? UINT32_MAX : slots + add;
    return vyi_geometry_one(sum / width);
}

VYRE_API uint32_t vyre_geometry_width(uint32_t workers, uint32_t max_width)
{
    const uint32_t most = vyi_geometry_one(max_width);
    const uint32_t wanted = vyi_geometry_one(workers);
    return wanted < most ? wanted : most;
}

VYRE_API uint32_t vyre_geometry_slots(uint32_t slots, uint32_t width)
{
    const uint32_t unit = vyi_geometry_one(width);
    const uint64_t padded = (uint64_t)vyi_geometry_cover(slots, unit) * unit;
    return padded > UINT32_MAX ? UINT32_MAX : (uint32_t)padded;
}

VYRE_API uint32_t vyre_geometry_groups(uint32_t workers, uint32_t queue, uint32_t width)
{
    uint32_t groups = vyi_geometry_cover(queue, vyi_geometry_one(width));
    if (groups > vyi_geometry_one(workers))
        groups = vyi_geometry_one(workers);
    return groups < VYI_GEOMETRY_MAX_GROUPS ? groups : VYI_GEOMETRY_MAX_GROUPS;
}

VYRE_API uint32_t vyre_geometry_workers(uint32_t max_groups, uint32_t max_invocations)
{
    const uint32_t least = max_invocations >= VYI_GEOMETRY_POWERFUL ? VYI_GEOMETRY_LARGE_GROUPS : 1;
    uint32_t workers = max_groups / VYI_GEOMETRY_OCCUPANCY;
    if (workers > VYI_GEOMETRY_MAX_GROUPS)
        workers = VYI_GEOMETRY_MAX_GROUPS;
    return workers > least ? workers : least;
}

VYRE_API void vyre_geometry_make(uint32_t slots, uint32_t workers, uint32_t max_width,
                                 vyre_geometry *out)
{
    if (!out)
        return;
    out->workgroup_size = vyre_geometry_width(workers, max_width);
    out->slots = vyre_geometry_slots(slots, out->workgroup_size);
    out->groups = vyre_geometry_groups(workers, out->slots, out->workgroup_size);
}

VYRE_API vyre_status vyre_geometry_items(uint64_t items, uint32_t workers, uint32_t max_width,
                                         vyre_geometry *out, vyre_error *err)
{
    vyre_geometry made = { 0, 0, 0 };
    if (!out)
        return vyi_plan_argument("the geometry", err);
    if (items <= UINT32_MAX)
        vyre_geometry_make((uint32_t)items, workers, max_width, &made);
    if (items > UINT32_MAX || made.slots < items)
        return vyi_fail(err, VYRE_E_OVF, items, "Split the items into several batches.",
                        "%llu items do not fit the slots that 32 bits can count",
                        (unsigned long long)items);
    *out = made;
    return VYRE_OK;
}

static vyre_status vyi_geometry_limit(vyre_status status, const char *name, vyre_error *err)
{
    return vyi_fail(err, status, 0, "Pass the device's limits, as vyre_info.limits has them.",
                    "limits.%s is 0", name);
}

VYRE_API vyre_status vyre_geometry_plan(uint32_t queue, uint32_t workers,
                                        const vyre_limits *limits, uint32_t *worker_groups,
                                        vyre_geometry *out, vyre_error *err)
{
    if (!limits || !out)
        return vyi_plan_argument(limits ? "the geometry" : "the limits", err);
    if (limits->max_workgroup_size == 0)
        return vyi_geometry_limit(VYRE_E_LIMIT_X, "max_workgroup_size", err);
    if (limits->max_groups == 0)
        return vyi_geometry_limit(VYRE_E_LIMIT_GROUPS, "max_groups", err);
    if (limits->max_invocations == 0)
        return vyi_geometry_limit(VYRE_E_LIMIT_INVOCATIONS, "max_invocations", err);

    uint32_t groups = workers;
    if (groups == 0)
        groups = vyre_geometry_workers(limits->max_groups, limits->max_invocations);
    if (groups > limits->max_groups)
        groups = limits->max_groups;
    vyre_geometry_make(vyi_geometry_one(queue), groups, limits->max_workgroup_size, out);
    if (worker_groups)
        *worker_groups = groups;
    return VYRE_OK;
}

#endif /* VYRE_NO_PLAN */

/* ==========================================================================
 * plan: implementation
 * ======================================================================= */
#include "wire/plan.h"
#include "wire/wire_impl.h"

static vyre_status vyi_plan_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* --- priority partitions ------------------------------------------------- */

VYI_API void vyi_priority_fill(uint32_t slots, uint32_t out[VYRE_PRIORITY_LEVELS + 1])
{
    uint32_t cursor = 0;
    for (uint32_t level = 0; level < VYRE_PRIORITY_LEVELS; level++) {
        out[level] = cursor;
        cursor += slots / VYRE_PRIORITY_LEVELS;
        if (level == vyi_priority_wire(VYRE_PRIORITY_NORMAL))
            cursor += slots % VYRE_PRIORITY_LEVELS;
    }
    out[VYRE_PRIORITY_LEVELS] = cursor;
    VYRE_ASSERT(cursor == slots);
}

VYRE_API vyre_status vyre_priority_offsets(uint32_t slots,
                                           uint32_t out[VYRE_PRIORITY_LEVELS + 1],
                                           vyre_error *err)
{
    if (!out)
        return vyi_plan_null("the array of offsets", err);
    vyi_priority_fill(slots, out);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_write(void *control, size_t size, uint32_t slots,
                                         vyre_error *err)
{
    const size_t needed = 4 * (VYRE_CONTROL_PRIORITY_OFFSETS + VYRE_PRIORITY_LEVELS + 1);
    if (size % 4)
        return vyi_fail(err, VYRE_E_MISALIGN, size, "Pass vyre_control_size() bytes.",
                        "a control buffer of %llu bytes is no multiple of 4 bytes",
                        (unsigned long long)size);
    if (size < needed)
        return vyi_fail(err, VYRE_E_MISSING, size / 4, "Pass vyre_control_size() bytes.",
                        "the priority offsets end at byte %u, the control buffer at %llu",
                        (unsigned)needed, (unsigned long long)size);
    vyre_status status = vyi_wire_pointer(control, size, "the control buffer", err);
    if (status < 0)
        return status;

    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1];
    vyi_priority_fill(slots, offsets);
    for (uint32_t i = 0; i <= VYRE_PRIORITY_LEVELS; i++)
        vyi_wire_store(control, VYRE_CONTROL_PRIORITY_OFFSETS + i, offsets[i]);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_slots(uint32_t slots, vyre_priority priority, uint32_t *first,
                                         uint32_t *count, vyre_error *err)
{
    if (!first || !count)
        return vyi_plan_null("the first slot or the count", err);
    vyre_status status = vyi_priority_check(priority, (uint32_t)priority, "the partition", err);
    if (status < 0)
        return status;

    const uint32_t level = vyi_priority_wire(priority);
    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1];
    vyi_priority_fill(slots, offsets);
    *first = offsets[level];
    *count = offsets[level + 1] - offsets[level];
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_of_slot(uint32_t slots, uint32_t slot, vyre_priority *out,
                                           vyre_error *err)
{
    if (!out)
        return vyi_plan_null("the priority", err);
    if (slot >= slots)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the ring's slot count.",
                        "slot %u lies outside the ring of %u slots", (unsigned)slot,
                        (unsigned)slots);

    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1], level = 0;
    vyi_priority_fill(slots, offsets);
    while (slot >= offsets[level + 1])
        level++;
    *out = vyi_priority_of(level);
    return VYRE_OK;
}

VYRE_API uint32_t vyre_partition_probes(uint32_t slots, uint32_t lanes)
{
    if (lanes == 0)
        lanes = 1;
    return slots / lanes + (slots % lanes != 0);
}

VYRE_API uint32_t vyre_partition_lanes(uint32_t slots, uint32_t lanes)
{
    if (lanes == 0)
        lanes = 1;
    return slots < lanes ? slots : lanes;
}

VYRE_API uint32_t vyre_partition_budget(uint32_t slots, uint32_t lanes)
{
    uint64_t budget = (uint64_t)vyre_partition_probes(slots, lanes) *
                      vyre_partition_lanes(slots, lanes);
    return budget > UINT32_MAX ? UINT32_MAX : (uint32_t)budget;
}

/* --- requeue accounting -------------------------------------------------- */

#define VYI_REQUEUE_NEAR 1024u

VYRE_API vyre_status vyre_requeue_record(vyre_requeue *counters, vyre_requeue_event event,
                                         uint32_t age, vyre_error *err)
{
    if (!counters)
        return vyi_plan_null("the block of counters", err);
    if ((uint32_t)event > VYRE_REQUEUE_PROMOTED)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)event, "Pass one of vyre_requeue_event.",
                        "%u is no requeue event", (unsigned)event);

    uint64_t *counter = event == VYRE_REQUEUE_REQUEUED ? &counters->requeues
                                                       : &counters->promotions;
    if (*counter == UINT64_MAX)
        return vyi_fail(err, VYRE_E_COUNTER_OVF, *counter,
                        "Read the counters and zero them when vyre_requeue_advise() says so.",
                        "the counter stands at %llu", (unsigned long long)*counter);
    ++*counter;
    if (age > counters->max_age)
        counters->max_age = age;
    return VYRE_OK;
}

static vyre_requeue_reason vyi_requeue_reason(const vyre_requeue *counters)
{
    if (counters->requeues == UINT64_MAX)
        return VYRE_REQUEUE_COUNTER_EXHAUSTED;
    if (counters->promotions == UINT64_MAX)
        return VYRE_REQUEUE_PROMOTION_EXHAUSTED;
    if (counters->requeues >= UINT64_MAX - VYI_REQUEUE_NEAR)
        return VYRE_REQUEUE_COUNTER_NEAR_LIMIT;
    if (counters->promotions >= UINT64_MAX - VYI_REQUEUE_NEAR)
        return VYRE_REQUEUE_PROMOTION_NEAR_LIMIT;
    if (counters->requeues || counters->promotions || counters->max_age)
        return VYRE_REQUEUE_PENDING;
    return VYRE_REQUEUE_NONE;
}

VYRE_API vyre_status vyre_requeue_advise(const vyre_requeue *counters, vyre_requeue_advice *out,
                                         vyre_error *err)
{
    if (!counters || !out)
        return vyi_plan_null(counters ? "the advice" : "the block of counters", err);
    out->reason = vyi_requeue_reason(counters);
    out->drain = out->reason != VYRE_REQUEUE_NONE;
    out->requeue_headroom = UINT64_MAX - counters->requeues;
    out->promotion_headroom = UINT64_MAX - counters->promotions;
    return VYRE_OK;
}

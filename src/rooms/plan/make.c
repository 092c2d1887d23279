/* ==========================================================================
 * plan: the size of a handle
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#include "kernel/children_impl.h"
#include "kernel/wide_impl.h"
#include "wire/wire.h"

#ifndef VYRE_NO_PLAN

#define VYI_SIZING_WIDTH          256u /* lanes of a workgroup, at most */
#define VYI_SIZING_LATENCY_WIDTH   64u /* small groups spread over more processors */
#define VYI_SIZING_SLOTS          256u /* where nothing is known */
#define VYI_SIZING_DRAIN        65536u /* slots beyond which lanes that stride drain faster */
#define VYI_SIZING_STRIDE           8u /* slots of such a lane */
#define VYI_SIZING_RECORDS       1024u /* results, at least */
#define VYI_SIZING_RECORD_BYTES    16u
#define VYI_SIZING_OBSERVABLES     64u
#define VYI_SIZING_SLOT_BYTES       8u /* of a slot beside the ring: mirrored, taken back */
#define VYI_SIZING_GROUP          512u /* lanes that run a wide work together, at most, */
#define VYI_SIZING_LANES           32u /* a multiple of this, */
#define VYI_SIZING_GROUPS         512u /* so many of them where nobody has counted, */
#define VYI_SIZING_TURNS           32u /* each with so many indexes for a lane, at most */

/* What every Vulkan device has. */
static const vyre_limits vyi_sizing_least = { 128, 65535, 128 };

typedef enum vyi_sizing_part {
    VYI_PART_RESIDENT = 0, /* the program's own */
    VYI_PART_RESULTS,
    VYI_PART_RING,         /* and the mirror, and what is taken back */
    VYI_PART_CHILDREN,     /* their slots, and the words of the queue */
    VYI_PART_FIXED,        /* control, log, IO queue, wide works */
    VYI_PART_COUNT
} vyi_sizing_part;

static uint32_t vyi_sizing_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t vyi_sizing_width(const vyre_limits *limits, vyre_plan_goal goal)
{
    const uint32_t aim = goal == VYRE_PLAN_LATENCY ? VYI_SIZING_LATENCY_WIDTH : VYI_SIZING_WIDTH;
    uint32_t most = vyi_sizing_min(limits->max_workgroup_size, limits->max_invocations);
    uint32_t width = 1;
    most = vyi_sizing_min(most, aim);
    while (width <= most / 2)
        width *= 2;
    return width;
}

static uint32_t vyi_sizing_up(uint32_t value, uint32_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t vyi_sizing_in_flight(const vyre_plan_desc *d)
{
    return d->in_flight ? d->in_flight : d->items ? d->items : VYI_SIZING_SLOTS;
}

/* VYRE_MAX_SLOTS is a multiple of every width, so that nothing exceeds it. */
static uint32_t vyi_sizing_slots(const vyre_plan_desc *d, uint32_t width)
{
    uint64_t wanted = d->width == VYRE_WIDTH_LANE ? vyi_sizing_in_flight(d) : 1;
    if (d->priorities && wanted < VYRE_PRIORITY_LEVELS)
        wanted = VYRE_PRIORITY_LEVELS;
    if (wanted > VYRE_MAX_SLOTS)
        wanted = VYRE_MAX_SLOTS;
    return vyi_sizing_up((uint32_t)wanted, width);
}

static uint32_t vyi_sizing_lanes(const vyre_plan_desc *d, const vyre_limits *limits,
                                 const vyre_plan *plan)
{
    uint32_t groups = plan->slot_count / plan->workgroup_size;
    if (d->goal == VYRE_PLAN_THROUGHPUT && plan->slot_count > VYI_SIZING_DRAIN)
        groups = vyi_sizing_up(groups, VYI_SIZING_STRIDE) / VYI_SIZING_STRIDE;
    return vyi_sizing_min(groups, limits->max_groups) * plan->workgroup_size;
}

/* --- wide works ----------------------------------------------------------- */

/* So many of them are in flight at a time. */
static uint32_t vyi_sizing_open(const vyre_plan_desc *d)
{
    const uint64_t wanted = vyi_sizing_in_flight(d);
    return wanted < VYI_WIDE_SLOTS ? (uint32_t)wanted : VYI_WIDE_SLOTS;
}

static uint32_t vyi_sizing_group(const vyre_plan_desc *d, const vyre_limits *limits)
{
    uint32_t most = vyi_sizing_min(limits->max_workgroup_size, limits->max_invocations);
    if (d->info && d->info->wide_group)
        return d->info->wide_group;
    most = vyi_sizing_min(most, VYI_SIZING_GROUP);
    return most < VYI_SIZING_LANES ? most : most / VYI_SIZING_LANES * VYI_SIZING_LANES;
}

/* Of a range: whole turns of a group, as many as leave each of `groups` something to do. */
static uint32_t vyi_sizing_chunk(const vyre_plan_desc *d, uint32_t group, uint32_t groups)
{
    const uint64_t turn = (uint64_t)group * groups;
    const uint64_t least = d->range / VYI_WIDE_CHUNKS_MAX + (d->range % VYI_WIDE_CHUNKS_MAX != 0);
    if (d->width == VYRE_WIDTH_GROUP)
        return 1;
    uint64_t turns = d->range / turn + (d->range % turn != 0);
    turns = turns < 1 ? 1 : turns > VYI_SIZING_TURNS ? VYI_SIZING_TURNS : turns;
    return (uint32_t)(turns * group > least ? turns * group : least);
}

static vyre_status vyi_sizing_wide(const vyre_plan_desc *d, const vyre_limits *limits,
                                   vyre_plan *plan, vyre_error *err)
{
    const uint32_t known = d->info ? d->info->wide_groups : 0;
    const uint32_t most = vyi_sizing_min(known ? known : VYI_SIZING_GROUPS, limits->max_groups);
    if (d->range > UINT32_MAX)
        return vyi_fail(err, VYRE_E_OVF, d->range, "Split an item's range.",
                        "%llu indexes do not fit the 32 bits of an argument",
                        (unsigned long long)d->range);
    plan->group_size = vyi_sizing_group(d, limits);
    plan->chunk = vyi_sizing_chunk(d, plan->group_size, most);
    const uint64_t chunks = d->range / plan->chunk + (d->range % plan->chunk != 0);
    const uint64_t busy = chunks * vyi_sizing_open(d);
    plan->wide_groups = d->range && busy < most ? (uint32_t)busy : known;
    return VYRE_OK;
}

/* Beside what every handle has. */
static uint64_t vyi_sizing_wide_bytes(const vyre_plan_desc *d)
{
    return d->width == VYRE_WIDTH_LANE
               ? 0
               : 4u * VYI_WIDE_WORDS +
                     VYI_WIDE_SLOTS * (VYRE_SLOT_BYTES + VYI_SIZING_SLOT_BYTES);
}

/* --- bytes ---------------------------------------------------------------- */

static vyre_status vyi_sizing_overflow(const char *what, uint64_t at, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_OVF, at, "Plan fewer items, or smaller buffers.",
                    "%s do not fit", what);
}

static vyre_status vyi_sizing_results(const vyre_plan_desc *d, uint64_t *records, uint64_t *bytes,
                                      vyre_error *err)
{
    const uint64_t size = d->result_size ? d->result_size : VYI_SIZING_RECORD_BYTES;
    const uint64_t each = (uint64_t)d->results_per_item * 2;
    *records = *bytes = 0;
    if (each == 0)
        return VYRE_OK;
    if (d->items > UINT64_MAX / each)
        return vyi_sizing_overflow("the results", d->items, err);
    *records = d->items * each;
    if (*records < VYI_SIZING_RECORDS)
        *records = VYI_SIZING_RECORDS;
    if (*records > UINT64_MAX / size)
        return vyi_sizing_overflow("the bytes of the results", *records, err);
    *bytes = *records * size;
    return VYRE_OK;
}

static uint64_t vyi_sizing_children(uint32_t children, uint32_t slots)
{
    const uint64_t words = VYI_CHILDREN_WORDS((uint64_t)children, slots + VYI_WIDE_SLOTS);
    return children ? (uint64_t)vyre_ring_size(children) + 4 * words : 0;
}

static vyre_status vyi_sizing_check_children(uint32_t children, vyre_error *err)
{
    if (children == 0 || (children >= VYI_CHILDREN_BITS && children <= VYRE_MAX_SLOTS &&
                          (children & (children - 1)) == 0))
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_KERNEL_SPAWN, children, "Use 32, 64, .. 1048576, or 0.",
                    "a queue of %u children", (unsigned)children);
}

/* The parts' bytes on the device, and their sum. */
static vyre_status vyi_sizing_parts(const vyre_plan_desc *d, vyre_plan *plan,
                                    uint64_t parts[VYI_PART_COUNT], vyre_error *err)
{
    const size_t control = vyre_control_size(d->observables ? d->observables
                                                            : VYI_SIZING_OBSERVABLES);
    const size_t log = vyre_log_size(d->log_records ? d->log_records : VYRE_LOG_RECORDS_DEFAULT);
    if (control == 0 || log == 0)
        return vyi_sizing_overflow("the observables, or the records of the log,", 0, err);
    const vyre_status status = vyi_sizing_results(d, &plan->result_records,
                                                  &parts[VYI_PART_RESULTS], err);
    if (status < 0)
        return status;
    parts[VYI_PART_RESIDENT] = d->resident_bytes;
    parts[VYI_PART_RING] = (uint64_t)vyre_ring_size(plan->slot_count) +
                           (uint64_t)plan->slot_count * VYI_SIZING_SLOT_BYTES;
    parts[VYI_PART_CHILDREN] = vyi_sizing_children(d->children, plan->slot_count);
    parts[VYI_PART_FIXED] = (uint64_t)control + log + vyre_io_size(VYRE_IO_SLOTS) +
                            4u * (VYI_WIDE_SLOTS + 2 * VYRE_IO_SLOTS) + vyi_sizing_wide_bytes(d);
    plan->peak_bytes = 0;
    for (uint32_t i = 0; i < VYI_PART_COUNT; i++) {
        if (parts[i] > UINT64_MAX - plan->peak_bytes)
            return vyi_sizing_overflow("the bytes of all buffers", parts[i], err);
        plan->peak_bytes += parts[i];
    }
    return VYRE_OK;
}

/* Names the largest part, and what of it fits beside the others. */
static vyre_status vyi_sizing_over(const vyre_plan_desc *d, const vyre_plan *plan,
                                   const uint64_t parts[VYI_PART_COUNT], vyre_error *err)
{
    static const char *const names[VYI_PART_COUNT] = { "resident_bytes", "items", "in_flight",
                                                       "children",
                                                       "observables and log_records" };
    uint32_t largest = 0;
    char fix[160];
    for (uint32_t i = 1; i < VYI_PART_COUNT; i++)
        largest = parts[i] > parts[largest] ? i : largest;
    const uint64_t others = plan->peak_bytes - parts[largest];
    uint64_t fits = others < d->budget_bytes ? d->budget_bytes - others : 0;
    if (largest == VYI_PART_RESULTS) {
        fits /= d->result_size ? d->result_size : VYI_SIZING_RECORD_BYTES;
        fits = fits < VYI_SIZING_RECORDS ? 0 : fits / 2 / d->results_per_item;
    } else if (largest == VYI_PART_RING) {
        fits = fits / (VYRE_SLOT_BYTES + VYI_SIZING_SLOT_BYTES) / plan->workgroup_size *
               plan->workgroup_size;
    } else if (largest == VYI_PART_CHILDREN) {
        uint32_t children = d->children;
        while (children && vyi_sizing_children(children, plan->slot_count) > fits)
            children /= 2;
        fits = children >= VYI_CHILDREN_BITS ? children : 0;
    }
    if (fits && largest != VYI_PART_FIXED)
        snprintf(fix, sizeof fix, "The largest part is that of %s: lower it to %llu.",
                 names[largest], (unsigned long long)fits);
    else
        snprintf(fix, sizeof fix, "The largest part is that of %s, and the others leave it no "
                 "room: raise budget_bytes to %llu.", names[largest],
                 (unsigned long long)plan->peak_bytes);
    return vyi_fail(err, VYRE_E_BUDGET, plan->peak_bytes, fix,
                    "%llu bytes are needed, the budget is %llu",
                    (unsigned long long)plan->peak_bytes, (unsigned long long)d->budget_bytes);
}

static void vyi_sizing_tell(const vyre_plan_desc *d, vyre_plan *plan)
{
    char groups[16] = "all";
    if (plan->wide_groups)
        snprintf(groups, sizeof groups, "%u", (unsigned)plan->wide_groups);
    if (d->width != VYRE_WIDTH_LANE) {
        snprintf(plan->text, sizeof plan->text,
                 "%s groups of %u lanes, chunks of %u: one for each, or %u indexes a lane; "
                 "%u batch%s, %llu bytes", groups, (unsigned)plan->group_size,
                 (unsigned)plan->chunk, VYI_SIZING_TURNS, (unsigned)plan->batches,
                 plan->batches == 1 ? "" : "es", (unsigned long long)plan->peak_bytes);
        return;
    }
    snprintf(plan->text, sizeof plan->text,
             "%u slots in groups of %u, %u lanes%s; %u batch%s, %llu bytes",
             (unsigned)plan->slot_count, (unsigned)plan->workgroup_size,
             (unsigned)plan->lane_count,
             plan->lane_count == plan->slot_count ? ": one for each slot"
                                                  : ": they stride, which drains faster",
             (unsigned)plan->batches, plan->batches == 1 ? "" : "es",
             (unsigned long long)plan->peak_bytes);
}

static vyre_status vyi_sizing_fill(const vyre_plan_desc *d, const vyre_limits *limits,
                                   vyre_plan *plan, vyre_error *err)
{
    uint64_t parts[VYI_PART_COUNT];
    vyre_status status = VYRE_OK;
    plan->workgroup_size = vyi_sizing_width(limits, d->goal);
    plan->slot_count = vyi_sizing_slots(d, plan->workgroup_size);
    plan->lane_count = vyi_sizing_lanes(d, limits, plan);
    if (d->width != VYRE_WIDTH_LANE)
        status = vyi_sizing_wide(d, limits, plan, err);
    if (status < 0)
        return status;
    const uint32_t each = d->width != VYRE_WIDTH_LANE ? vyi_sizing_open(d) : plan->slot_count;
    const uint64_t batches = d->items / each + (d->items % each != 0);
    if (batches > UINT32_MAX)
        return vyi_sizing_overflow("the batches", d->items, err);
    plan->batches = batches ? (uint32_t)batches : 1;
    status = vyi_sizing_parts(d, plan, parts, err);
    if (status < 0)
        return status;
    if (d->budget_bytes && plan->peak_bytes > d->budget_bytes)
        return vyi_sizing_over(d, plan, parts, err);
    vyi_sizing_tell(d, plan);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_plan_make(const vyre_plan_desc *desc, vyre_plan *out, vyre_error *err)
{
    vyre_plan plan;
    vyre_geometry ignored;
    if (!desc || !out)
        return vyi_plan_argument(desc ? "the plan" : "the desc", err);
    if ((uint32_t)desc->goal > VYRE_PLAN_THROUGHPUT)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)desc->goal,
                        "Use the values of vyre_plan_goal.", "goal %d does not exist",
                        (int)desc->goal);
    if ((uint32_t)desc->width > VYRE_WIDTH_GROUP)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)desc->width,
                        "Use the values of vyre_width.", "width %d does not exist",
                        (int)desc->width);
    const vyre_limits *limits = desc->info ? &desc->info->limits : &vyi_sizing_least;
    vyre_status status = vyre_geometry_plan(1, 1, limits, NULL, &ignored, err);
    if (status == VYRE_OK)
        status = vyi_sizing_check_children(desc->children, err);
    if (status < 0)
        return status;
    memset(&plan, 0, sizeof plan);
    plan.children = desc->children;
    status = vyi_sizing_fill(desc, limits, &plan, err);
    if (status == VYRE_OK)
        *out = plan;
    return status;
}

VYRE_API void vyre_plan_apply(const vyre_plan *plan, vyre_desc *desc)
{
    if (!plan || !desc)
        return;
    desc->kernel.workgroup_size = plan->workgroup_size;
    desc->kernel.slot_count = plan->slot_count;
    desc->kernel.lane_count = plan->lane_count;
    desc->kernel.children = plan->children;
    if (plan->group_size) {
        desc->kernel.group_size = plan->group_size;
        desc->wide_groups = plan->wide_groups;
    }
}

#endif /* VYRE_NO_PLAN */

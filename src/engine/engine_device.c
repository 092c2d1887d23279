/* ==========================================================================
 * engine: a handle's device
 *
 * Private.  Opened with its control words written, at open and again at each
 * recovery; with it the chain of leases begins anew.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

#include "wire/plan.h"
#include "wire/wire.h"

VYI_API void vyi_tenants_write(const vyre *v, const vyi_device *d, uint32_t first,
                               uint32_t count)
{
    uint32_t *masks = vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_TENANT_MASKS;
    for (uint32_t i = first; i < first + count; i++)
        vyi_store_release(masks + i, v->tenants_off >> i & 1u ? 0 : 0xffffffffu);
    if (d->write_combined)
        vyi_fence_stores();
}

VYI_API vyre_status vyi_control_init(const vyi_queue *q, vyi_device *d, vyre_error *err)
{
    uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);
    vyre_control_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.tenants = q->v->desc.tenants;
    desc.observables = q->v->desc.observables;
    const size_t size = q->v->buffers.list[VYI_ROLE_CONTROL].size;
    vyre_status status = vyre_control_encode(control, size, &desc, err);
    if (status != VYRE_OK)
        return status;
    vyi_mutex_lock(&q->v->brief);
    vyi_tenants_write(q->v, d, 0, desc.tenants);
    vyi_mutex_unlock(&q->v->brief);
    if (q->slots.levels > 1) /* of the whole ring, whoever has a share of it now */
        status = vyre_priority_write(control, size, q->slots.lanes, err);
    if (d->write_combined)
        vyi_fence_stores();
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_device_open(vyi_queue *q, vyi_device **out, vyre_error *err)
{
    const vyre *v = q->v;
    vyi_device_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.desc = &v->desc;
    desc.loop = v->programs.loop;
    desc.once = v->programs.once;
    desc.narrow = v->programs.narrow;
    desc.whole = v->programs.whole;
    desc.tiles = v->programs.tiles;
    desc.buffers = v->buffers.list;
    desc.buffer_count = v->buffers.count;
    desc.group_size = vyi_def32(v->desc.kernel.workgroup_size, VYI_DEFAULT_GROUP);
    desc.max_groups = vyi_def32(v->desc.kernel.lane_count, q->slots.lanes) / desc.group_size;
    desc.max_groups = vyi_def32(desc.max_groups, 1);
    desc.spare_groups = v->desc.kernel.children / desc.group_size;
    desc.fixed_geometry = v->desc.kernel.workgroup_size || v->desc.kernel.lane_count;
    desc.guest_loops = v->programs.once->guest_loops;

    vyi_device *d = NULL;
    vyre_status status = v->backend->open(&desc, &d, err);
    if (status != VYRE_OK)
        return status;
    d->store = vyi_line_way(d->write_combined, d->whole_lines);
    status = vyi_control_init(q, d, err);
    if (q->wides.count)
        vyi_wide_begin(q, d);
    if (q->order.count)
        vyi_order_begin(q, d);
    if (status != VYRE_OK) {
        (void)v->backend->close(d);
        return status;
    }
    if (v->trace.events)
        vyi_trace_moment(v, d, &q->v->trace.opened);
    *out = d;
    return VYRE_OK;
}

VYI_API void vyi_chain_begin(vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint64_t leases = q->chain.leases, passes = q->chain.passes;
    uint32_t rounds = q->v->desc.lease.rounds;
    /* Leases end where wide works are, for the sake of their generations, or groups do. */
    if (rounds == 0 && (!d->endless || (q->wides.count && !d->backend->era)))
        rounds = VYI_LEASE_ROUNDS;
    if (d->max_rounds && rounds > d->max_rounds)
        rounds = d->max_rounds;
    memset(&q->chain, 0, sizeof q->chain);
    q->chain.leases = leases;
    q->chain.passes = passes;
    q->chain.rounds = rounds;
    vyi_figures_note(q);
}

VYI_COLD
VYI_API vyre_status vyi_mode_choose(const vyi_queue *q, const vyi_device *d, vyre_mode *mode,
                                    vyre_error *err)
{
    vyre_info info;
    memset(&info, 0, sizeof info);
    q->v->backend->info(d, &info);
    const bool wide = q->wides.count && !d->wide_groups;
    const bool live = info.probe.live && !wide;
    *mode = live && q->v->desc.mode != VYRE_MODE_PASSES ? VYRE_MODE_PERSISTENT
                                                        : VYRE_MODE_PASSES;
    if (q->v->desc.mode == VYRE_MODE_PERSISTENT && *mode != VYRE_MODE_PERSISTENT)
        return vyi_fail(err, VYRE_E_MODE, 0, "Use VYRE_MODE_AUTO, or another device.",
                        wide ? "%s runs wide works in passes only: %.60s"
                             : "%s does not prove persistent mode: %.80s",
                        info.device[0] ? info.device : "the device", info.probe.text);
    return VYRE_OK;
}

VYI_API void vyi_mode_set(vyi_queue *q, const vyi_device *d, vyre_mode mode)
{
    const bool persistent = mode == VYRE_MODE_PERSISTENT;
    vyi_store_relaxed(&q->mode, (uint32_t)mode);
    vyi_store_relaxed(&q->lives, persistent && !d->pumped);
    vyi_store_relaxed(&q->wides.gated, persistent && q->wides.count);
}

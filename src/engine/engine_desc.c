/* ==========================================================================
 * engine: what a handle is asked to be
 *
 * Private.  The description with its defaults, checked, and the buffers that follow
 * from it: the four of the protocol, the user's, and the handle's own.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

#include "wire/wire.h"

/* --- open: the description ----------------------------------------------- */

VYI_COLD
VYI_API void vyi_desc_defaults(vyre_desc *d)
{
    vyre_kernel_desc *k = &d->kernel;
    const uint32_t slots = k->slot_count ? k->slot_count
                           : k->workgroup_size ? k->workgroup_size : VYI_DEFAULT_GROUP;

    d->tenants = vyi_def32(d->tenants, 1);
    d->observables = vyi_def32(vyi_def32(d->observables, k->observables), VYI_DEFAULT_OBSERVABLES);
    d->lease.in_flight = vyi_def32(d->lease.in_flight, 2);
    d->lease.time_ns = d->lease.time_ns ? d->lease.time_ns : 5000000u;
    d->lease.timeout_ns = d->lease.timeout_ns ? d->lease.timeout_ns : 10000000000u;
    d->run_timeout_ns = d->run_timeout_ns ? d->run_timeout_ns : 60000000000u;
    d->tune_ns = d->tune_ns ? d->tune_ns : 20000000u;
    k->slot_count = slots;
    k->log_records = vyi_def32(k->log_records, VYRE_LOG_RECORDS_DEFAULT);
    k->live_log = d->log != NULL;
    while (k->live_log && k->log_records & (k->log_records - 1) &&
           k->log_records < VYRE_MAX_LOG_RECORDS)
        k->log_records += k->log_records & (0u - k->log_records); /* up to a power of two */
    k->observables = d->observables;
    k->allocator = d->allocator;
    k->once = false;
    /* Where handlers have their own, loops are counted, and no other handler's limited. */
    k->loop_allowance =
        vyi_def32(k->loop_allowance,
                  vyi_def32(d->loop_limit, vyi_kernel_own_allowance(k) ? UINT32_MAX : 1u << 24));
}

VYI_COLD
VYI_API vyre_status vyi_desc_check(const vyre_desc *d, vyre_error *err)
{
    if (d->tenants > VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, d->tenants, "Use at most 29 tenants.",
                        "%u tenants, but the mask has %u words", d->tenants, VYRE_MAX_TENANTS);
    if ((uint32_t)d->mode > VYRE_MODE_PASSES || (uint32_t)d->lost_work > VYRE_LOST_RERUN)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Use the values of the enums.",
                        "mode %d or lost_work %d does not exist", (int)d->mode,
                        (int)d->lost_work);
    if ((uint32_t)d->tune > VYRE_TUNE_LIVE || (uint32_t)d->tune_goal > VYRE_PLAN_THROUGHPUT)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)d->tune,
                        "Use the values of vyre_tune and vyre_plan_goal.",
                        "tune %d or tune_goal %d does not exist", (int)d->tune,
                        (int)d->tune_goal);
    if (d->vulkan.cache && d->vulkan.cache_file)
        return vyi_fail(err, VYRE_E_ARGUMENT, d->vulkan.cache_size,
                        "Keep the pipeline cache in one place.",
                        "cache and cache_file are both given");
    if (d->kernel.children > VYRE_MAX_SLOTS)
        return vyi_fail(err, VYRE_E_KERNEL_SPAWN, d->kernel.children,
                        "Use 32, 64, .. 1048576, or 0.", "a queue of %u children",
                        d->kernel.children);
    if (!vyre_control_size(d->observables) || !vyre_ring_size(d->kernel.slot_count) ||
        !vyre_log_size(d->kernel.log_records) || d->kernel.slot_count > VYRE_MAX_SLOTS ||
        d->observables > VYRE_MAX_OBSERVABLES || d->kernel.log_records > VYRE_MAX_LOG_RECORDS)
        return vyi_fail(err, VYRE_E_OVF, d->kernel.slot_count,
                        "Use at most 1048576 of each.",
                        "%u slots, %u observables, %u log records", d->kernel.slot_count,
                        d->observables, d->kernel.log_records);
    return VYRE_OK;
}

/* --- open: buffers ------------------------------------------------------- */

static void vyi_buffer_add(vyre *v, uint32_t binding, vyi_role role, size_t size,
                           const char *name)
{
    vyi_device_buffer *b = &v->buffers.list[v->buffers.count++];
    b->binding = binding;
    b->role = role;
    b->size = size;
    b->access = VYRE_ACCESS_READ_WRITE;
    b->name = name;
}

/* How the user wants buffer i of kernel.buffers, beside its vyre_buffer_desc. */
typedef struct vyi_buffer_wish {
    size_t     size;  /* 0: its count */
    vyre_place place;
    void      *lent;
} vyi_buffer_wish;

static vyi_buffer_wish vyi_buffer_wish_of(const vyre_desc *d, uint32_t i)
{
    vyi_buffer_wish w;
    w.size = d->buffer_sizes ? d->buffer_sizes[i] : 0;
    w.place = d->buffer_places ? d->buffer_places[i] : VYRE_PLACE_SHARED;
    w.lent = d->vulkan_buffers ? d->vulkan_buffers[i] : NULL;
    return w;
}

static vyre_status vyi_buffer_wish_check(const vyre *v, const vyre_buffer_desc *desc,
                                         const vyi_buffer_wish *w, vyre_error *err)
{
    if ((uint32_t)w->place > VYRE_PLACE_HOST)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->binding, "Use the values of vyre_place.",
                        "the buffer at binding %u has the place %d, which does not exist",
                        desc->binding, (int)w->place);
    if (w->lent && (v->backend->id != VYRE_BACKEND_VULKAN || !v->desc.vulkan.device))
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->binding,
                        "Lend the device that the VkBuffer was made with: vulkan.device.",
                        "the buffer at binding %u is a VkBuffer, but the handle has no device of "
                        "the program's", desc->binding);
    return VYRE_OK;
}

static vyre_status vyi_buffer_add_user(vyre *v, const vyre_buffer_desc *desc, vyi_buffer_wish wish,
                                       vyre_error *err)
{
    size_t size = wish.size;
    const vyre_status status = vyi_buffer_wish_check(v, desc, &wish, err);
    if (status != VYRE_OK)
        return status;
    if (size == 0 && !vyi_size_mul(desc->count, 4, &size))
        size = 0;
    if (size == 0 || size % 4)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->binding,
                        "Set buffer_sizes (or the buffer's count) to whole words.",
                        "the buffer at binding %u has %llu bytes", desc->binding,
                        (unsigned long long)size);
    const char *name = vyi_arena_text(&v->arena, desc->name ? desc->name : "user", VYRE_MAX_NAME);
    if (!name)
        return vyi_fail_nomem(err, VYRE_MAX_NAME);
    vyi_buffer_add(v, desc->binding, VYI_ROLE_USER, size, name);
    vyi_device_buffer *b = &v->buffers.list[v->buffers.count - 1];
    b->access = desc->access;
    b->count = desc->count;
    b->place = wish.lent ? VYRE_PLACE_DEVICE : wish.place;
    b->lent = wish.lent;
    return VYRE_OK;
}

/* Insertion sort by binding. */
static void vyi_buffers_sort(vyre *v)
{
    for (uint32_t i = 1; i < v->buffers.count; i++) {
        const vyi_device_buffer moving = v->buffers.list[i];
        uint32_t j = i;
        for (; j > 0 && v->buffers.list[j - 1].binding > moving.binding; j--)
            v->buffers.list[j] = v->buffers.list[j - 1];
        v->buffers.list[j] = moving;
    }
}

static uint32_t vyi_buffer_index(const vyre *v, uint32_t binding)
{
    uint32_t i = 0;
    while (i < v->buffers.count && v->buffers.list[i].binding != binding)
        i++;
    return i;
}

/* The lowest binding that nobody has, or VYRE_MAX_BINDINGS. */
static uint32_t vyi_binding_free(const vyre *v)
{
    uint32_t binding = VYRE_BINDING_USER;
    while (binding < VYRE_MAX_BINDINGS && vyi_buffer_index(v, binding) < v->buffers.count)
        binding++;
    return binding;
}

/* The user's buffers and the workspace; the kernel's own check comes later, so
 * nothing is trusted here. */
static vyre_status vyi_buffers_user(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    if (k->buffer_count && !k->buffers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's buffers.",
                        "%u buffers, but the list is NULL", k->buffer_count);
    if (k->buffer_count > VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, k->buffer_count, "Use fewer, larger buffers.",
                        "%u user buffers; there may be %u", k->buffer_count,
                        VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < k->buffer_count && status == VYRE_OK; i++) {
        if (k->buffers[i].access != VYRE_ACCESS_WORKGROUP)
            status = vyi_buffer_add_user(v, &k->buffers[i], vyi_buffer_wish_of(&v->desc, i), err);
    }
    if (status == VYRE_OK && k->workspace) {
        const vyi_buffer_wish wish = { v->desc.workspace_size, VYRE_PLACE_SHARED, NULL };
        status = vyi_buffer_add_user(v, &k->workspace->buffer, wish, err);
    }
    return status;
}

/* One of the handle's, of so many words: its binding, or VYRE_MAX_BINDINGS. */
static uint32_t vyi_buffer_add_own(vyre *v, vyi_role role, uint32_t words, const char *name)
{
    const uint32_t binding = vyi_binding_free(v);
    if (binding < VYRE_MAX_BINDINGS)
        vyi_buffer_add(v, binding, role, (size_t)words * 4, name);
    return binding;
}

VYI_COLD
VYI_API vyre_status vyi_buffers_plan(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    const uint32_t slots = v->queue.slots.count;
    vyi_buffer_add(v, VYRE_BINDING_CONTROL, VYI_ROLE_CONTROL,
                   vyre_control_size(v->desc.observables), "control");
    vyi_buffer_add(v, VYRE_BINDING_RING, VYI_ROLE_RING, vyre_ring_size(slots + k->children),
                   "ring");
    vyi_buffer_add(v, VYRE_BINDING_LOG, VYI_ROLE_LOG, vyre_log_size(k->log_records), "log");
    vyi_buffer_add(v, VYRE_BINDING_IO, VYI_ROLE_IO, vyre_io_size(VYRE_IO_SLOTS), "io");
    const vyre_status status = vyi_buffers_user(v, err);
    if (status != VYRE_OK)
        return status;

    const bool order = v->queue.order.count != 0;
    /* Behind the slots' words those of vyi_order_slot_is_settled, of vyi_io_tell, of
     * vyi_io_tell_waits, and of vyi_io_name. */
    const uint32_t mirror = vyi_buffer_add_own(v, VYI_ROLE_MIRROR, slots + VYI_WIDE_SLOTS +
                                               VYRE_IO_SLOTS * (k->tasks ? 3u : 2u), "mirror");
    const uint32_t cancel = vyi_buffer_add_own(v, VYI_ROLE_CANCEL, slots, "cancel");
    uint32_t wide = cancel;
    if (v->queue.wides.count && cancel < VYRE_MAX_BINDINGS)
        wide = vyi_buffer_add_own(v, VYI_ROLE_WIDE, VYI_WIDE_WORDS, "wide");
    uint32_t events = wide;
    if (order && wide < VYRE_MAX_BINDINGS)
        events = vyi_buffer_add_own(v, VYI_ROLE_EVENTS, v->queue.order.count, "events");
    uint32_t children = events;
    if (k->children && events < VYRE_MAX_BINDINGS)
        children = vyi_buffer_add_own(v, VYI_ROLE_CHILDREN,
                                      VYI_CHILDREN_WORDS(k->children, slots), "children");
    uint32_t times = children;
    if (v->desc.trace_events && children < VYRE_MAX_BINDINGS)
        times = vyi_buffer_add_own(v, VYI_ROLE_TIMES,
                                   vyi_times_count(v->queue.wides.count != 0, slots), "times");
    if (times == VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_ARGUMENT, times, "Use fewer, larger buffers.",
                        "no binding is left for the handle's own two buffers%s%s%s%s",
                        v->queue.wides.count ? ", or for its wide works" : "",
                        order ? ", or for its events" : "",
                        k->children ? ", or for its children" : "",
                        v->desc.trace_events ? ", or for its trace" : "");
    vyi_buffers_sort(v);
    if (k->live_log) /* lanes write there, and the host polls */
        v->buffers.list[VYI_ROLE_LOG].place = VYRE_PLACE_HOST;
    v->queue.slots.mirror = vyi_buffer_index(v, mirror);
    v->queue.slots.cancel = vyi_buffer_index(v, cancel);
    v->queue.wides.buffer = vyi_buffer_index(v, wide);
    v->queue.order.buffer = vyi_buffer_index(v, events);
    v->queue.children.buffer = vyi_buffer_index(v, children);
    v->trace.times = vyi_buffer_index(v, times);
    v->buffers.user_count = k->buffer_count;
    for (uint32_t i = 0; i < k->buffer_count; i++)
        v->buffers.user_index[i] = k->buffers[i].access == VYRE_ACCESS_WORKGROUP
                               ? VYI_MAX_BUFFERS
                               : vyi_buffer_index(v, k->buffers[i].binding);
    return VYRE_OK;
}

/* ==========================================================================
 * kernel: the description's rules, and the frame of every kernel
 *
 * Private.  All kernels have one shape:
 *
 *     bootstrap of the workspace
 *     forever                        once: if not SHUTDOWN
 *         leave if SHUTDOWN, or if the driver would cut the loops
 *         guard and dispatch of the workspace; heartbeat
 *         one pass: for each slot of this lane: claim, serve, end
 *         one look at the IO queue
 *
 * No lane waits for another one, and nothing returns: a kernel's body can
 * stand inside a larger program.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- faults -------------------------------------------------------------- */

VYI_COLD
VYRE_API const char *vyre_fault_text(uint32_t code)
{
    static const char *const texts[] = {
        "no fault",
        "no handler for the opcode",
        "a control index or range lies beyond the buffer",
        "a write into control words 0..159",
        "malformed packed payload",
        "DFA_STEP without a table, or beyond it",
        "a loop would have been cut by the driver",
        "the host answered an IO request with ERROR",
        "no IO slot was free",
        "the host did not answer an IO request in time",
        "taken back before it ran"
    };
    if (code == VYRE_FAULT_BOUNDS)
        return "an index, an argument or a store that a checked kernel does not allow";
    if (code < sizeof texts / sizeof texts[0])
        return texts[code];
    if (code == VYRE_FAULT_AFTER)
        return "a work that it waits for has not ended well";
    return code >= VYRE_FAULT_USER ? "a handler's own fault" : "unknown fault";
}

/* --- the rules of a description ------------------------------------------ */

static vyre_kernel_desc vyi_kernel_defaults(const vyre_kernel_desc *desc)
{
    vyre_kernel_desc d;
    memset(&d, 0, sizeof d);
    if (desc)
        d = *desc;
    d.workgroup_size = d.workgroup_size ? d.workgroup_size : VYI_DEFAULT_GROUP;
    d.slot_count = d.slot_count ? d.slot_count : d.workgroup_size;
    d.lane_count = d.lane_count ? d.lane_count : d.slot_count;
    d.log_records = d.log_records ? d.log_records : VYRE_LOG_RECORDS_DEFAULT;
    d.observables = d.observables ? d.observables : VYI_DEFAULT_OBSERVABLES;
    d.group_size = d.group_size ? d.group_size : VYI_DEFAULT_GROUP;
    d.io_spins = d.io_spins ? d.io_spins : 1024;
    d.loop_allowance = d.loop_allowance ? d.loop_allowance : 32768;
    return d;
}

static vyre_status vyi_kernel_check_lanes(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->lane_count > d->slot_count)
        return vyi_fail(err, VYRE_E_KERNEL_LANES, d->lane_count,
                        "Use at most as many lanes as slots; fewer lanes take turns.",
                        "%u lanes for %u slots", (unsigned)d->lane_count,
                        (unsigned)d->slot_count);
    if (d->lane_count % d->workgroup_size)
        return vyi_fail(err, VYRE_E_KERNEL_LANE_MULTIPLE, d->lane_count,
                        "Use a multiple of the workgroup size, or a smaller workgroup.",
                        "%u lanes in workgroups of %u", (unsigned)d->lane_count,
                        (unsigned)d->workgroup_size);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_limits(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->log_records > VYRE_MAX_LOG_RECORDS)
        return vyi_fail(err, VYRE_E_OVF, d->log_records, "Use a smaller log.",
                        "%u log records; there may be %u", (unsigned)d->log_records,
                        (unsigned)VYRE_MAX_LOG_RECORDS);
    if (d->observables > VYRE_MAX_OBSERVABLES)
        return vyi_fail(err, VYRE_E_OVF, d->observables, "Use a buffer of your own.",
                        "%u observables; there may be %u", (unsigned)d->observables,
                        (unsigned)VYRE_MAX_OBSERVABLES);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_geometry(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->workgroup_size > VYRE_MAX_WORKGROUP)
        return vyi_fail(err, VYRE_E_KERNEL_WORKGROUP, d->workgroup_size,
                        "Use more workgroups instead; 256 suits most devices.",
                        "%u lanes in a workgroup; there may be %u", (unsigned)d->workgroup_size,
                        (unsigned)VYRE_MAX_WORKGROUP);
    if (d->slot_count > VYRE_MAX_SLOTS)
        return vyi_fail(err, VYRE_E_KERNEL_SLOTS, d->slot_count,
                        "Use a smaller ring; a slot can be used again when it is done.",
                        "%u slots; there may be %u", (unsigned)d->slot_count,
                        (unsigned)VYRE_MAX_SLOTS);
    if (d->slot_count % d->workgroup_size)
        return vyi_fail(err, VYRE_E_KERNEL_SLOT_MULTIPLE, d->slot_count,
                        "Use a multiple of the workgroup size, or a smaller workgroup.",
                        "%u slots in workgroups of %u", (unsigned)d->slot_count,
                        (unsigned)d->workgroup_size);
    vyre_status status = vyi_kernel_check_lanes(d, err);
    return status == VYRE_OK ? vyi_kernel_check_limits(d, err) : status;
}

static vyre_status vyi_kernel_check_width(uint32_t index, vyre_width width, uint32_t chunk,
                                          vyre_error *err)
{
    if ((uint32_t)width > VYRE_WIDTH_GROUP)
        return vyi_fail(err, VYRE_E_KERNEL_WIDTH, index,
                        "Use VYRE_WIDTH_LANE, _RANGE or _GROUP.", "handler %u has width %u",
                        (unsigned)index, (unsigned)width);
    if (chunk && width != VYRE_WIDTH_RANGE)
        return vyi_fail(err, VYRE_E_KERNEL_WIDTH, index, "Leave chunk 0: it is for ranges.",
                        "handler %u has chunks of %u, and is no range", (unsigned)index,
                        (unsigned)chunk);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_handler(const vyre_kernel_desc *d, uint32_t index,
                                            vyre_error *err)
{
    const vyre_handler *h = &d->handlers[index];
    if (!vyre_opcode_is_user(h->opcode))
        return vyi_fail(err, VYRE_E_KERNEL_OPCODE, index,
                        "Use 8..0xFFEF or 0x10000..0x7FFFFFFF.",
                        "handler %u has opcode 0x%X, which is built in or reserved",
                        (unsigned)index, (unsigned)h->opcode);
    if (!h->emit == !h->source)
        return vyi_fail(err, VYRE_E_KERNEL_EMIT, index, "Set either its emit or its source.",
                        "handler %u of opcode 0x%X has %s", (unsigned)index, (unsigned)h->opcode,
                        h->emit ? "both a function and a text" : "neither a function nor a text");
    const vyre_status status = vyi_kernel_check_width(index, h->width, h->chunk, err);
    if (status != VYRE_OK)
        return status;
    for (uint32_t i = 0; i < index; i++)
        if (d->handlers[i].opcode == h->opcode)
            return vyi_fail(err, VYRE_E_KERNEL_DUPLICATE, index, "Give each its own opcode.",
                            "handlers %u and %u both have opcode 0x%X", (unsigned)i,
                            (unsigned)index, (unsigned)h->opcode);
    return VYRE_OK;
}

VYI_API bool vyi_kernel_is_wide(const vyre_kernel_desc *d)
{
    bool wide = d->payload_width != VYRE_WIDTH_LANE;
    for (uint32_t i = 0; i < d->handler_count && !wide; i++)
        wide = d->handlers[i].width != VYRE_WIDTH_LANE;
    return wide;
}

VYI_API uint32_t vyi_kernel_own_allowance(const vyre_kernel_desc *d)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < d->handler_count; i++)
        if (d->handlers[i].loop_allowance > most)
            most = d->handlers[i].loop_allowance;
    return most;
}

static vyre_status vyi_kernel_check_group(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->group_size % 32 == 0 && d->group_size <= VYRE_MAX_WORKGROUP)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_KERNEL_WIDTH, d->group_size, "Use 32, 64, .. 1024, or 0.",
                    "groups of %u lanes; they are a multiple of 32, and have up to %u",
                    (unsigned)d->group_size, (unsigned)VYRE_MAX_WORKGROUP);
}

/* Texts need their room. */
static vyre_status vyi_kernel_check_texts(const vyre_kernel_desc *d, vyre_error *err)
{
#ifdef VYRE_NO_SOURCE
    bool text = d->payload_source != NULL;
    for (uint32_t i = 0; i < d->handler_count && !text; i++)
        text = d->handlers[i].source != NULL;
    if (text)
        return vyi_fail(err, VYRE_E_SOURCE, 0,
                        "Build the implementation without VYRE_NO_SOURCE and VYRE_CORE.",
                        "a handler is text, and this vyre.h was built without that room");
#else
    (void)d, (void)err;
#endif
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_code(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->kind == VYRE_KERNEL_JIT && !d->payload == !d->payload_source)
        return vyi_fail(err, VYRE_E_KERNEL_PAYLOAD, 0,
                        "Set either the desc's payload or its payload_source.",
                        "the kernel is of kind JIT and has %s",
                        d->payload ? "two payloads" : "no payload");
    if ((d->kind != VYRE_KERNEL_JIT && d->payload_width) ||
        (uint32_t)d->payload_width > VYRE_WIDTH_GROUP)
        return vyi_fail(err, VYRE_E_KERNEL_WIDTH, 0, "It is for kind JIT; else handlers have one.",
                        "payload_width %u in a kernel of kind %u", (unsigned)d->payload_width,
                        (unsigned)d->kind);
    if (d->kind != VYRE_KERNEL_JIT && (d->payload || d->payload_source))
        return vyi_fail(err, VYRE_E_KERNEL_NOT_JIT, 0, "Use kind VYRE_KERNEL_JIT, or a handler.",
                        "a payload in a kernel of kind %u", (unsigned)d->kind);
    if (d->kind == VYRE_KERNEL_JIT && (d->handler_count || d->load_miss))
        return vyi_fail(err, VYRE_E_KERNEL_DISPATCH, 0,
                        "Use kind VYRE_KERNEL_DIRECT for opcodes.",
                        "a JIT kernel with %u handlers%s: it runs its payload for every slot",
                        (unsigned)d->handler_count, d->load_miss ? " and load_miss" : "");
    if (d->handler_count && !d->handlers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's handlers.",
                        "%u handlers, but the list is NULL", (unsigned)d->handler_count);
    for (uint32_t i = 0; i < d->handler_count; i++) {
        vyre_status status = vyi_kernel_check_handler(d, i, err);
        if (status != VYRE_OK)
            return status;
    }
    return vyi_kernel_check_texts(d, err);
}

/* The caller's buffer `index`, the workspace behind the last. */
static const vyre_buffer_desc *vyi_kernel_buffer_desc(const vyre_kernel_desc *d, uint32_t index)
{
    return index < d->buffer_count ? &d->buffers[index] : &d->workspace->buffer;
}

static vyre_status vyi_kernel_check_binding(const vyre_kernel_desc *d, uint32_t index,
                                            vyre_error *err)
{
    const uint32_t binding = vyi_kernel_buffer_desc(d, index)->binding;
    if (vyi_kernel_buffer_desc(d, index)->access == VYRE_ACCESS_WORKGROUP)
        return VYRE_OK;
    if (binding < VYRE_BINDING_USER || binding >= VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_KERNEL_BINDING, index,
                        "0..3 are control, ring, log and io; use 4..31.",
                        "buffer %u has binding %u", (unsigned)index, (unsigned)binding);
    for (uint32_t i = 0; i < index; i++) {
        const vyre_buffer_desc *other = vyi_kernel_buffer_desc(d, i);
        if (other->access != VYRE_ACCESS_WORKGROUP && other->binding == binding)
            return vyi_fail(err, VYRE_E_KERNEL_OVERLAP, index,
                            "Give each buffer, and the workspace, a binding of its own.",
                            "buffers %u and %u both have binding %u", (unsigned)i,
                            (unsigned)index, (unsigned)binding);
    }
    return VYRE_OK;
}

/* The place in the desc of the buffer at `binding`, if it holds u32 words and
 * is not of access `barred`; else buffer_count. */
static uint32_t vyi_kernel_find(const vyre_kernel_desc *d, uint32_t binding, vyre_access barred)
{
    for (uint32_t i = 0; i < d->buffer_count; i++) {
        const vyre_buffer_desc *b = &d->buffers[i];
        const bool words = b->type == VYRE_TYPE_NONE || b->type == VYRE_TYPE_U32;
        if (b->binding == binding && words && b->access != VYRE_ACCESS_WORKGROUP &&
            b->access != barred)
            return i;
    }
    return d->buffer_count;
}

static vyre_status vyi_kernel_check_table(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->table_binding &&
        vyi_kernel_find(d, d->table_binding, VYRE_ACCESS_WRITE) == d->buffer_count)
        return vyi_fail(err, VYRE_E_KERNEL_TABLE, d->table_binding,
                        "Add a u32 buffer with this binding to the desc's buffers.",
                        "no readable u32 buffer of the desc has the table's binding %u",
                        (unsigned)d->table_binding);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_buffers(const vyre_kernel_desc *d, vyre_error *err)
{
    const uint32_t room = VYRE_MAX_BUFFERS - VYRE_BINDING_USER - 1;
    if (d->buffer_count && !d->buffers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's buffers.",
                        "%u buffers, but the list is NULL", (unsigned)d->buffer_count);
    if (d->buffer_count > room)
        return vyi_fail(err, VYRE_E_KERNEL_BUFFERS, d->buffer_count, "Use fewer, larger buffers.",
                        "%u buffers; there may be %u", (unsigned)d->buffer_count,
                        (unsigned)room);
    for (uint32_t i = 0; i < d->buffer_count + (d->workspace ? 1 : 0); i++) {
        vyre_status status = vyi_kernel_check_binding(d, i, err);
        if (status != VYRE_OK)
            return status;
    }
    return vyi_kernel_check_table(d, err);
}

/* Of a buffer that the kernel adds. */
static vyre_status vyi_kernel_check_own(const vyre_kernel_desc *d, uint32_t binding,
                                        const char *name, vyre_error *err)
{
    bool taken = binding && (binding < VYRE_BINDING_USER || binding >= VYRE_MAX_BINDINGS);
    for (uint32_t i = 0; binding && i < d->buffer_count + (d->workspace ? 1 : 0); i++) {
        const vyre_buffer_desc *b = vyi_kernel_buffer_desc(d, i);
        taken = taken || (b->access != VYRE_ACCESS_WORKGROUP && b->binding == binding);
    }
    if (taken)
        return vyi_fail(err, VYRE_E_KERNEL_MIRROR, binding,
                        "Use one of 4..31 that no buffer of the desc has.",
                        "the %s's binding %u is not free", name, (unsigned)binding);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_children(const vyre_kernel_desc *d, const vyi_wide_host *wide,
                                             vyre_error *err)
{
    if (d->children == 0)
        return VYRE_OK;
    if (d->children & (d->children - 1) || d->children < VYI_CHILDREN_BITS ||
        d->children > VYRE_MAX_SLOTS)
        return vyi_fail(err, VYRE_E_KERNEL_SPAWN, d->children, "Use 32, 64, .. 1048576, or 0.",
                        "a queue of %u children; it is a power of two, from 32 to %u",
                        (unsigned)d->children, (unsigned)VYRE_MAX_SLOTS);
    if (d->tasks)
        return vyi_fail(err, VYRE_E_KERNEL_SPAWN, d->children, "Use a handle for each.",
                        "a kernel with children and with tasks");
    if (!wide->children)
        return vyi_fail(err, VYRE_E_KERNEL_SPAWN, d->children, "Use vyre_open().",
                        "a kernel with children, and no engine that has a queue for them");
    return VYRE_OK;
}

static vyre_status vyi_kernel_check(const vyre_kernel_desc *d, const vyre_kernel_host *host,
                                    const vyi_wide_host *wide, vyre_error *err)
{
    if ((uint32_t)d->kind > VYRE_KERNEL_PRIORITY)
        return vyi_fail(err, VYRE_E_KERNEL_KIND, (uint64_t)(uint32_t)d->kind,
                        "Use VYRE_KERNEL_DIRECT, _JIT or _PRIORITY.", "kind %u",
                        (unsigned)d->kind);
    vyre_status status = vyi_kernel_check_geometry(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_group(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_code(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_buffers(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_own(d, host->mirror_binding, "mirror", err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_own(d, host->cancel_binding, "cancel word", err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_children(d, wide, err);
    return status;
}

/* --- the shape ------------------------------------------------------------ */

static vyi_frame vyi_shape_frame(const vyre_kernel_desc *d, const vyre_kernel_host *host)
{
    const bool plain = !d->workspace && !d->io_polling && !d->load_miss && !d->children &&
                       !d->tasks;
    if (d->kind == VYRE_KERNEL_PRIORITY)
        return d->once ? VYI_FRAME_PRIORITY_PASS : VYI_FRAME_PRIORITY;
    if (d->once)
        return d->kind == VYRE_KERNEL_JIT ? VYI_FRAME_PASS : VYI_FRAME_COMMON;
    return host->one_lane && plain ? VYI_FRAME_ONE_LANE : VYI_FRAME_LOOP;
}

/* No slot is read beside its claim where work comes back: lanes write into its slot
 * then.  Counters are not added up where an opcode may write them, for its store
 * would then be added to; and not where a pass may be ended in the middle. */
VYI_COLD
VYI_API vyi_shape vyi_shape_of(const vyre_kernel_desc *d, const vyre_kernel_host *host)
{
    vyi_shape s;
    memset(&s, 0, sizeof s);
    s.frame = vyi_shape_frame(d, host);
    s.once = d->once;
    s.payload = d->kind == VYRE_KERNEL_JIT;
    s.urgent = d->kind == VYRE_KERNEL_PRIORITY;
    s.hurries = (s.frame == VYI_FRAME_LOOP || s.frame == VYI_FRAME_PRIORITY) && !d->children;
    s.requeues = d->load_miss && !d->once && !d->children;
    s.tasks = d->tasks;
    s.fair = s.urgent && (!d->once || d->tasks);
    s.resumes = s.urgent || s.requeues || s.tasks;
    /* One lane to a slot: with an open header works could let partitions overlap. */
    s.whole = host->whole_slots && s.hurries && !s.payload && !s.requeues && !s.tasks &&
              !(s.urgent && d->open_header);
    s.tallies = s.frame == VYI_FRAME_COMMON && !d->open_header && !host->count_each &&
                !d->children;
    s.marks_io = d->io_polling && (d->load_miss || d->handler_count || s.payload);
    s.parks = s.tasks && host->mirror_binding != 0;
    return s;
}

/* --- callers' code ------------------------------------------------------- */

static void vyi_kernel_hook(vyi_kernel *k,
                            void (*hook)(vyre_program *p, vyre_buffer workspace, void *user),
                            const char *name)
{
    if (!hook)
        return;
    vyi_guest_begin(k->p, name, false, NULL, 0);
    hook(k->p, k->workspace, k->desc.workspace->user);
    vyi_guest_end(k->p);
}

/* --- the frame ----------------------------------------------------------- */

static vyre_buffer vyi_kernel_core_buffer(vyi_kernel *k, const char *name, uint32_t binding)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.no_readback = k->desc.control_report && binding != VYRE_BINDING_CONTROL;
    return vyi_kernel_own_buffer(k, &desc);
}

static void vyi_kernel_buffers(vyi_kernel *k)
{
    const vyre_kernel_desc *d = &k->desc;
    k->control = vyi_kernel_core_buffer(k, "control", VYRE_BINDING_CONTROL);
    k->ring = vyi_kernel_core_buffer(k, "ring", VYRE_BINDING_RING);
    k->log = vyi_kernel_core_buffer(k, "log", VYRE_BINDING_LOG);
    k->io = vyi_kernel_core_buffer(k, "io", VYRE_BINDING_IO);
    for (uint32_t i = 0; i < d->buffer_count; i++)
        k->user[i] = vyre_ir_buffer(k->p, &d->buffers[i]);
    if (k->host.mirror_binding)
        k->mirror = vyi_kernel_core_buffer(k, "mirror", k->host.mirror_binding);
    if (k->host.cancel_binding)
        k->cancel = vyi_kernel_core_buffer(k, "cancel", k->host.cancel_binding);
    if (k->wide_host.binding)
        k->wide.buffer = vyi_kernel_core_buffer(k, "wide", k->wide_host.binding);
    if (k->wide_host.events)
        k->events = vyi_kernel_core_buffer(k, "events", k->wide_host.events);
    if (k->wide_host.times)
        k->times = vyi_kernel_core_buffer(k, "times", k->wide_host.times);
    if (k->children)
        k->children->buffer = vyi_kernel_core_buffer(k, "children", k->wide_host.children);
    if (d->workspace)
        k->workspace = vyre_ir_buffer(k->p, &d->workspace->buffer);
    if (d->table_binding)
        k->table = k->user[vyi_kernel_find(d, d->table_binding, VYRE_ACCESS_WRITE)];
}

/* Where loops are limited, one slot may use up at most half of them.  Whatever
 * its allowance is, none is begun without that half: a driver may count more
 * than the slot's own iterations, and a slot that is within its allowance must
 * not be cut. */
static void vyi_kernel_loop_budget(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value left = vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT);
    vyre_value half = vyi_kernel_op(k, vyre_ir_shr, left, 1);
    k->loops = half;
    k->allowance = vyi_kernel_op(k, vyre_ir_min, half, k->desc.loop_allowance);
    k->loop_need = vyi_kernel_plus(k, half, VYI_KERNEL_LOOP_MARGIN);
    vyre_ir_name(p, k->loop_need, "loop_need");
}

static void vyi_kernel_values(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value size = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_SIZE_X);
    k->lane = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    k->lanes = vyre_ir_mul(p, size, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_COUNT_X));
    k->slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->ring), 4);
    if (k->wide_host.binding) /* the lanes' */
        k->slots = vyi_kernel_op(k, vyre_ir_sub, k->slots, VYI_WIDE_SLOTS);
    if (k->children)
        k->slots = vyi_kernel_op(k, vyre_ir_sub, k->slots, k->desc.children);
    vyre_value base = vyi_kernel_u32(k, VYRE_CONTROL_OBSERVABLES);
    k->control_words = vyre_ir_length(p, k->control);
    k->observables = vyre_ir_sub(p, vyre_ir_max(p, k->control_words, base), base);
    vyre_ir_name(p, k->lane, "lane");
    vyre_ir_name(p, k->lanes, "lanes");
    vyre_ir_name(p, k->slots, "slots");
    vyre_ir_name(p, k->control_words, "control_words");
    vyre_ir_name(p, k->observables, "observables");
    vyi_kernel_loop_budget(k);

    k->careful = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "careful");
    k->refused = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "refused");
    vyi_order_locals(k);
    if (k->events.id)
        k->event = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "event");
    if (k->shape.parks)
        k->came = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "came");
}

/* How often a lane's stride hits the ring; 0 for a lane beyond it. */
static vyre_value vyi_kernel_turns(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value beyond = vyi_kernel_plus(k, vyre_ir_sub(p, k->slots, k->lane), UINT32_MAX);
    vyre_value turns = vyi_kernel_plus(k, vyre_ir_div(p, beyond, k->lanes), 1);
    vyre_value serves = vyre_ir_lt(p, k->lane, k->slots);
    return vyre_ir_select(p, serves, turns, vyi_kernel_u32(k, 0));
}

static void vyi_kernel_pass(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_value turn = vyre_ir_loop(p, vyi_kernel_u32(k, 0), turns);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyre_value slot = vyre_ir_add(p, k->lane, vyre_ir_mul(p, turn, k->lanes));
    vyi_kernel_slot_begin(k, slot);
    vyi_kernel_claim_begin(k, k->base);
    if (k->shape.payload)
        vyi_kernel_serve(k);
    else
        vyi_kernel_serve_either(k);
    vyi_kernel_claim_end(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* The same for one pass.  The uncommon operations stand behind a loop: a device
 * without branches runs them, under a mask, only once that loop is left. */
static void vyi_kernel_single_pass(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_local next = vyre_ir_local(p, VYRE_TYPE_U32, zero, "turn");
    vyre_local found = vyre_ir_local(p, VYRE_TYPE_U32, zero, "found");
    vyre_local rare = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "rare");
    vyi_kernel_tally_begin(k);
    vyre_ir_forever(p);
    vyre_ir_forever(p);
    vyre_value turn = vyre_ir_get(p, next);
    vyre_value over = vyre_ir_ge(p, turn, turns);
    vyi_kernel_break_if(k, vyre_ir_or(p, over, vyi_kernel_loops_end(k)));
    vyre_ir_set(p, next, vyi_kernel_plus(k, turn, 1));
    vyre_value slot = vyre_ir_add(p, k->lane, vyre_ir_mul(p, turn, k->lanes));
    vyre_ir_set(p, found, slot);
    vyi_kernel_slot_begin(k, slot);
    vyi_kernel_claim_begin(k, k->base);
    vyi_kernel_serve_common(k, rare);
    vyi_kernel_claim_end(k);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, rare));
    vyre_ir_end(p);
    vyi_kernel_tally_end(k);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, rare)));
    vyre_ir_set(p, rare, vyre_ir_bool(p, false));
    vyi_kernel_slot_begin(k, vyre_ir_get(p, found));
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyi_kernel_serve(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_kernel_heartbeat(vyi_kernel *k)
{
    vyre_ir_if(k->p, vyi_kernel_is(k, k->lane, 0));
    vyi_kernel_count_at(k, VYRE_CONTROL_HEARTBEAT, VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_kernel_round(vyi_kernel *k, vyre_value turns)
{
    const vyre_workspace *w = k->desc.workspace;
    vyi_kernel_hook(k, w ? w->guard : NULL, "the workspace's guard");
    vyi_kernel_hook(k, w ? w->dispatch : NULL, "the workspace's dispatch");
    if (!k->shape.once)
        vyi_kernel_heartbeat(k);
    if (k->children && k->shape.once)
        vyi_children_pass(k, turns);
    else if (k->children)
        vyi_children_round(k, turns);
    else if (k->shape.urgent)
        vyi_kernel_priority_pass(k);
    else if (k->shape.frame == VYI_FRAME_COMMON)
        vyi_kernel_single_pass(k, turns);
    else
        vyi_kernel_pass(k, turns);
    if (k->desc.io_polling)
        vyi_kernel_poll_io(k);
}

/* Acquire pairs with the release of whoever raised it. */
static vyre_value vyi_kernel_runs(vyi_kernel *k, vyre_order order)
{
    vyre_value stop = vyre_ir_atomic_load(k->p, k->control,
                                          vyi_kernel_u32(k, VYRE_CONTROL_SHUTDOWN), order);
    return vyi_kernel_is(k, stop, 0);
}

/* Leaves the kernel's loop at SHUTDOWN.  What stands behind the loop, in a program
 * of the caller's, sees what whoever raised it wrote before; and in each look so do
 * the hooks of a workspace, which have no other acquire.  A lane that only polls
 * goes on without one. */
static void vyi_kernel_leave_if_stopped(vyi_kernel *k)
{
    vyre_program *p = k->p;
    const vyre_order order = k->desc.workspace ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_RELAXED;
    vyre_ir_if(p, vyre_ir_not(p, vyi_kernel_runs(k, order)));
    if (order == VYRE_ORDER_RELAXED)
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyre_ir_break(p);
    vyre_ir_end(p);
}

static void vyi_kernel_once(vyi_kernel *k, vyre_value turns)
{
    vyre_ir_if(k->p, vyi_kernel_runs(k, VYRE_ORDER_ACQUIRE));
    vyi_kernel_round(k, turns);
    vyre_ir_end(k->p);
}

/* One round, with what it leaves to the next. */
static void vyi_kernel_next_round(vyi_kernel *k, vyre_value rounds, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, k->rounds, vyi_kernel_plus(k, rounds, 1));
    vyi_kernel_round(k, turns);
    vyre_ir_set(p, k->careful, vyre_ir_get(p, k->refused));
    vyre_ir_set(p, k->refused, vyre_ir_bool(p, false));
}

/* Opens a block for one round of so many as end in a look for SHUTDOWN. */
static void vyi_kernel_if_looks(vyi_kernel *k, vyre_value rounds)
{
    vyre_value phase = vyi_kernel_op(k, vyre_ir_and, rounds, VYI_KERNEL_STOP_ROUNDS - 1);
    vyre_ir_if(k->p, vyi_kernel_is(k, phase, 0));
}

static void vyi_kernel_forever(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_ir_forever(p);
    vyre_value rounds = vyre_ir_get(p, k->rounds);
    vyi_kernel_if_looks(k, rounds);
    vyi_kernel_leave_if_stopped(k);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyi_kernel_next_round(k, rounds, turns);
    vyre_ir_end(p);
}

/* Beside groups for wide works.  What is done about the launch's end stands outside of
 * the loop that serves, and so is not in its way.  Where loops are limited, each round is
 * one of the outer loop's, which are counted. */
static void vyi_kernel_forever_leased(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    const vyre_local came = vyi_lease_begin(k);
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_not(p, vyi_kernel_runs(k, VYRE_ORDER_RELAXED)));
    vyi_lease_close(k);
    vyre_ir_end(p);
    vyi_kernel_leave_if_stopped(k);
    vyi_lease_attend(k, came);
    vyre_ir_forever(p);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyi_kernel_next_round(k, vyre_ir_get(p, k->rounds), turns);
    vyi_kernel_if_looks(k, vyre_ir_get(p, k->rounds));
    vyre_value calls = vyi_lease_calls(k);
    vyre_value stops = vyre_ir_not(p, vyi_kernel_runs(k, VYRE_ORDER_RELAXED));
    vyi_kernel_break_if(k, vyre_ir_or(p, calls, stops));
    vyre_ir_end(p);
    vyre_value left = vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT);
    vyi_kernel_break_if(k, vyi_kernel_op(k, vyre_ir_ne, left, UINT32_MAX));
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyre_ir_end(p);
    vyi_lease_leave(k);
}

static void vyi_kernel_loop(vyi_kernel *k, vyre_value turns)
{
    k->rounds = vyre_ir_local(k->p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "rounds");
    if (k->desc.io_polling)
        vyi_io_launch(k);
    if (k->wide_host.groups && !k->wide_host.apart)
        vyi_kernel_forever_leased(k, turns);
    else
        vyi_kernel_forever(k, turns);
}

static void vyi_kernel_emit(vyi_kernel *k)
{
    const vyre_kernel_desc *d = &k->desc;
    vyi_kernel_buffers(k);
    if (k->shape.frame == VYI_FRAME_WIDE_PASS) {
        vyi_wide_pass(k);
        return;
    }
    vyi_kernel_values(k);
    vyi_kernel_hook(k, d->workspace ? d->workspace->bootstrap : NULL, "the workspace's bootstrap");
    if (k->wide_host.groups)
        vyi_groups_begin(k);
    vyre_value turns = k->slots;
    if (!k->shape.urgent)
        turns = vyi_kernel_turns(k);
    if (k->children)
        vyi_children_values(k);
    if (k->shape.urgent)
        vyi_priority_launch(k);

    const bool apart = vyi_kernel_has_idle_lanes(k);
    if (apart)
        vyre_ir_if(k->p, vyre_ir_lt(k->p, k->lane, k->slots));
    if (k->shape.once)
        vyi_kernel_once(k, turns);
    else if (k->shape.frame == VYI_FRAME_ONE_LANE)
        vyi_kernel_narrow(k);
    else
        vyi_kernel_loop(k, turns);
    if (apart)
        vyre_ir_end(k->p);
    if (k->wide_host.groups)
        vyi_groups_end(k);
}

/* --- public -------------------------------------------------------------- */

static const vyre_kernel_host vyi_any_host = { 0, 0, false, false, false };
static const vyi_wide_host vyi_no_wide_host = { 0, false, false, 0, 0, 0, false };

/* The description must have been checked. */
static vyre_status vyi_kernel_append(vyre_program *p, const vyre_kernel_desc *d,
                                     const vyre_kernel_host *host, const vyi_wide_host *wide,
                                     vyre_error *err)
{
    vyi_kernel k;
    vyi_children children;
    memset(&k, 0, sizeof k);
    memset(&children, 0, sizeof children);
    if (d->children)
        k.children = &children;
    k.p = p;
    k.desc = *d;
    k.host = *host;
    k.wide_host = *wide;
    k.shape = vyi_shape_of(d, host);
    if (wide->pass)
        k.shape.frame = VYI_FRAME_WIDE_PASS;
    VYRE_ASSERT(!wide->events || k.shape.frame != VYI_FRAME_ONE_LANE);
    vyi_ir_inner_begin(p);
    vyi_kernel_emit(&k);
    vyi_ir_inner_end(p);
    if (p->error.status != VYRE_OK && err)
        *err = p->error;
    return p->error.status;
}

static vyre_status vyi_kernel_check_free(const vyre_program *p, const vyre_kernel_desc *d,
                                         vyre_error *err)
{
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const uint32_t binding = p->buffers[i].binding;
        bool taken = binding < VYRE_BINDING_USER;
        for (uint32_t j = 0; j < d->buffer_count + (d->workspace ? 1 : 0); j++) {
            const vyre_buffer_desc *b = vyi_kernel_buffer_desc(d, j);
            taken = taken || (b->access != VYRE_ACCESS_WORKGROUP && b->binding == binding);
        }
        if (taken)
            return vyi_fail(err, VYRE_E_KERNEL_OVERLAP, i,
                            "Leave bindings 0..3 and those of the desc to the kernel.",
                            "binding %u already belongs to the program's buffer \"%s\"",
                            (unsigned)binding, p->buffers[i].name);
    }
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_kernel_body(vyre_program *p, const vyre_kernel_desc *desc,
                                      vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    const vyre_kernel_desc d = vyi_kernel_defaults(desc);
    vyre_status status = vyi_kernel_check(&d, &vyi_any_host, &vyi_no_wide_host, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_free(p, &d, err);
    return status == VYRE_OK ? vyi_kernel_append(p, &d, &vyi_any_host, &vyi_no_wide_host, err)
                             : status;
}

static const char *vyi_kernel_name(const vyre_kernel_desc *d)
{
    static const char *const names[3][2] = { { "direct", "direct_once" },
                                             { "jit", "jit_once" },
                                             { "priority", "priority_once" } };
    return names[d->kind][d->once ? 1 : 0];
}

VYI_COLD
VYI_API vyre_program *vyi_kernel_build(const vyre_kernel_desc *desc, const vyre_kernel_host *host,
                                       const vyi_wide_host *wide, vyre_error *err)
{
    const vyre_kernel_desc d = vyi_kernel_defaults(desc);
    const vyre_kernel_host h = host ? *host : vyi_any_host;
    if (vyi_kernel_check(&d, &h, wide, err) != VYRE_OK)
        return NULL;

    vyre_program_desc program;
    memset(&program, 0, sizeof program);
    program.workgroup_size[0] = wide->pass || wide->groups ? d.group_size : d.workgroup_size;
    program.name = wide->pass ? "wide_pass" : vyi_kernel_name(&d);
    program.allocator = d.allocator;
    vyre_program *p = vyre_program_create(&program, err);
    if (!p)
        return NULL;
    if (vyi_kernel_append(p, &d, &h, wide, err) == VYRE_OK &&
        vyre_program_finish(p, err) == VYRE_OK &&
        vyre_program_optimize(p, err) == VYRE_OK)
        return p;
    vyre_program_destroy(p);
    return NULL;
}

VYRE_API vyre_program *vyre_kernel_build_for(const vyre_kernel_desc *desc,
                                             const vyre_kernel_host *host, vyre_error *err)
{
    return vyi_kernel_build(desc, host, &vyi_no_wide_host, err);
}

VYRE_API vyre_program *vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err)
{
    return vyre_kernel_build_for(desc, NULL, err);
}

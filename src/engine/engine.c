/* ==========================================================================
 * engine: implementation
 *
 * The handle's life: open, start, stop, recover, close.  How threads come by
 * slots is in engine_slots.c, what they publish and ask in engine_publish.c and
 * engine_wait.c, the chain of leases in engine_lease.c, whole runs and byte-level
 * dispatch in engine_run.c.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

#include "wire/wire.h"

#define VYI_CLOSE_TIMEOUT_NS 2000000000u
#define VYI_DEFAULT_SLOTS    256u

/* --- backends ------------------------------------------------------------ */

static const vyi_backend *vyi_backend_find(vyre_backend which)
{
    switch (which) {
    case VYRE_BACKEND_CPU: return vyi_cpu_backend();
    case VYRE_BACKEND_VULKAN: return vyi_vulkan_backend();
    default: return NULL;
    }
}

VYRE_API bool vyre_backend_available(vyre_backend backend)
{
    return backend == VYRE_BACKEND_AUTO || vyi_backend_find(backend) != NULL;
}

VYRE_API const char *vyre_backend_name(vyre_backend backend)
{
    switch (backend) {
    case VYRE_BACKEND_AUTO: return "auto";
    case VYRE_BACKEND_CPU: return "cpu";
    case VYRE_BACKEND_VULKAN: return "vulkan";
    default: return "unknown";
    }
}

/* --- open: the description ----------------------------------------------- */

/* The user's, or the default where it is 0. */
static uint32_t vyi_def32(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static void vyi_desc_defaults(vyre_desc *d)
{
    vyre_kernel_desc *k = &d->kernel;
    const uint32_t slots = k->slot_count ? k->slot_count
                           : k->workgroup_size ? k->workgroup_size : VYI_DEFAULT_SLOTS;

    d->tenants = vyi_def32(d->tenants, 1);
    d->observables = vyi_def32(vyi_def32(d->observables, k->observables), 64);
    d->lease.in_flight = vyi_def32(d->lease.in_flight, 2);
    d->lease.time_ns = d->lease.time_ns ? d->lease.time_ns : 5000000u;
    d->lease.timeout_ns = d->lease.timeout_ns ? d->lease.timeout_ns : 10000000000u;
    d->run_timeout_ns = d->run_timeout_ns ? d->run_timeout_ns : 60000000000u;
    k->slot_count = slots;
    k->log_records = vyi_def32(k->log_records, VYRE_LOG_RECORDS_DEFAULT);
    k->observables = d->observables;
    k->allocator = d->allocator;
    k->once = false;
    k->loop_allowance = vyi_def32(k->loop_allowance, vyi_def32(d->loop_limit, 1u << 24));
}

static vyre_status vyi_desc_check(const vyre_desc *d, vyre_error *err)
{
    if (d->tenants > VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, d->tenants, "Use at most 29 tenants.",
                        "%u tenants, but the mask has %u words", d->tenants, VYRE_MAX_TENANTS);
    if ((uint32_t)d->mode > VYRE_MODE_PASSES || (uint32_t)d->lost_work > VYRE_LOST_RERUN)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Use the values of the enums.",
                        "mode %d or lost_work %d does not exist", (int)d->mode,
                        (int)d->lost_work);
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

static vyre_status vyi_buffer_add_user(vyre *v, const vyre_buffer_desc *desc, size_t size,
                                       vyre_error *err)
{
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
    v->buffers.list[v->buffers.count - 1].access = desc->access;
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
            status = vyi_buffer_add_user(v, &k->buffers[i],
                                         v->desc.buffer_sizes ? v->desc.buffer_sizes[i] : 0, err);
    }
    if (status == VYRE_OK && k->workspace)
        status = vyi_buffer_add_user(v, &k->workspace->buffer, v->desc.workspace_size, err);
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

static vyre_status vyi_buffers_plan(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    const uint32_t slots = v->queue.slots.count;
    vyi_buffer_add(v, VYRE_BINDING_CONTROL, VYI_ROLE_CONTROL,
                   vyre_control_size(v->desc.observables), "control");
    vyi_buffer_add(v, VYRE_BINDING_RING, VYI_ROLE_RING, vyre_ring_size(slots), "ring");
    vyi_buffer_add(v, VYRE_BINDING_LOG, VYI_ROLE_LOG, vyre_log_size(k->log_records), "log");
    vyi_buffer_add(v, VYRE_BINDING_IO, VYI_ROLE_IO, vyre_io_size(VYRE_IO_SLOTS), "io");
    const vyre_status status = vyi_buffers_user(v, err);
    if (status != VYRE_OK)
        return status;

    const uint32_t mirror = vyi_buffer_add_own(v, VYI_ROLE_MIRROR, slots, "mirror");
    uint32_t wide = mirror;
    if (v->queue.wides.count && mirror < VYRE_MAX_BINDINGS)
        wide = vyi_buffer_add_own(v, VYI_ROLE_WIDE, VYI_WIDE_WORDS, "wide");
    if (wide == VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_ARGUMENT, wide, "Use fewer, larger buffers.",
                        "no binding is left for the handle's own mirror%s",
                        v->queue.wides.count ? ", or for its wide works" : "");
    vyi_buffers_sort(v);
    v->queue.slots.mirror = vyi_buffer_index(v, mirror);
    v->queue.wides.buffer = vyi_buffer_index(v, wide);
    v->buffers.user_count = k->buffer_count;
    for (uint32_t i = 0; i < k->buffer_count; i++)
        v->buffers.user_index[i] = k->buffers[i].access == VYRE_ACCESS_WORKGROUP
                               ? VYI_MAX_BUFFERS
                               : vyi_buffer_index(v, k->buffers[i].binding);
    return VYRE_OK;
}

/* --- open: programs, memory ---------------------------------------------- */

/* What one program after another is built from; `built` until one fails. */
typedef struct vyi_builder {
    vyre_kernel_desc kernel;
    vyre_kernel_host host;
    vyi_wide_host    wide;
    bool             built;
    vyre_error       how;
} vyi_builder;

static void vyi_program_build(vyi_builder *b, vyre_program **out)
{
    if (b->built)
        *out = vyi_kernel_build(&b->kernel, &b->host, &b->wide, &b->how);
    b->built = *out != NULL;
}

static vyi_builder vyi_builder_begin(const vyre *v)
{
    vyi_builder b;
    memset(&b, 0, sizeof b);
    b.kernel = v->desc.kernel;
    if (!b.kernel.messages.message)
        b.kernel.messages = v->desc.messages;
    b.host.mirror_binding = v->buffers.list[v->queue.slots.mirror].binding;
    b.host.count_each = v->backend->abort != NULL; /* its passes may be ended in the middle */
    if (v->queue.wides.count)
        b.wide.binding = v->buffers.list[v->queue.wides.buffer].binding;
    b.built = true;
    return b;
}

static vyre_status vyi_programs_build(vyre *v, vyre_error *err)
{
    vyi_builder b = vyi_builder_begin(v);
    const bool wide = v->queue.wides.count != 0;
    b.wide.groups = wide;
    vyi_program_build(&b, &v->programs.loop);
    b.wide.groups = false;
    b.kernel.once = true;
    vyi_program_build(&b, &v->programs.once);
    if (wide) {
        b.wide.pass = true;
        vyi_program_build(&b, &v->programs.tiles);
        b.wide.pass = false;
    }
    b.kernel.once = false;
    b.wide.groups = wide;
    b.host.whole_slots = true;
    if (v->backend->shapes && vyi_shape_of(&b.kernel, &b.host).whole)
        vyi_program_build(&b, &v->programs.whole);
    b.host.one_lane = true;
    b.kernel.workgroup_size = b.kernel.lane_count = 1;
    if (v->backend->shapes && !wide &&
        vyi_shape_of(&b.kernel, &b.host).frame == VYI_FRAME_ONE_LANE)
        vyi_program_build(&b, &v->programs.narrow);
    if (!b.built && err)
        *err = b.how;
    return b.built ? VYRE_OK : b.how.status;
}

static size_t vyi_slots_memory(const vyre *v)
{
    const size_t each = sizeof(void *) + 4 * sizeof(uint32_t) + sizeof(vyi_trouble);
    const size_t slots = v->queue.slots.count;
    const size_t records = v->desc.lost_work == VYRE_LOST_RERUN ? slots : 0;
    return VYI_CACHE_LINE - 1 + slots * each + records * sizeof(vyre_work) +
           v->desc.kernel.log_records * sizeof(vyre_log_record);
}

/* One block for all that is kept of each slot. */
static vyre_status vyi_slots_allocate(vyre *v, vyre_error *err)
{
    vyi_slots *s = &v->queue.slots;
    const uint32_t slots = s->count;
    const size_t size = vyi_slots_memory(v);
    uint8_t *block = (uint8_t *)vyi_arena_alloc(&v->arena, size);
    if (!block)
        return vyi_fail_nomem(err, size);
    block += (VYI_CACHE_LINE - (uintptr_t)block % VYI_CACHE_LINE) % VYI_CACHE_LINE;
    s->owners = (void **)(void *)block;
    s->marks = (uint32_t *)(void *)(s->owners + slots); /* of 16 slots: a cache line */
    s->kept = s->marks + slots;
    v->run.marks = s->kept + slots;
    v->run.works = v->run.marks + slots;
    s->trouble = (vyi_trouble *)(void *)(v->run.works + slots);
    v->log = (vyre_log_record *)(void *)(s->trouble + slots);
    if (v->desc.lost_work == VYRE_LOST_RERUN)
        s->record = (vyre_work *)(void *)(v->log + v->desc.kernel.log_records);
    for (uint32_t slot = 0; slot < slots; slot++)
        s->owners[slot] = slot < s->lanes ? &s->pool : &v->queue.wides.owner;
    return VYRE_OK;
}

/* Five shares for five levels; NORMAL has what does not divide. */
static void vyi_shares_plan(vyi_queue *q)
{
    const bool priority = q->v->desc.kernel.kind == VYRE_KERNEL_PRIORITY;
    const uint32_t levels = priority ? VYRE_PRIORITY_LEVELS : 1;
    const uint32_t each = q->slots.lanes / levels;
    uint32_t first = 0;
    q->slots.levels = levels;
    for (uint32_t i = 0; i < levels; i++) {
        vyi_share *share = &q->slots.pool.shares[i];
        share->first = first;
        share->count = each + (i == levels / 2 ? q->slots.lanes % levels : 0);
        share->look_mask = vyi_look_mask(share->count);
        first += share->count;
    }
    VYRE_ASSERT(first == q->slots.lanes);
}

/* --- open: opcodes ------------------------------------------------------- */

static void vyi_opcode_add(vyi_opcodes *o, uint32_t opcode)
{
    vyi_opcode *place = &o->list[vyi_opcode_place(o, opcode)];
    place->opcode = opcode;
    place->known = 1;
}

VYI_COLD
VYI_API vyre_status vyi_opcodes_plan(vyre *v, vyre_error *err)
{
    static const uint32_t builtin[] = {
#define VYI_OPCODE_NUMBER(name, number, text) number,
        VYRE_OPCODE_LIST(VYI_OPCODE_NUMBER)
#undef VYI_OPCODE_NUMBER
    };
    const uint32_t builtins = (uint32_t)(sizeof builtin / sizeof builtin[0]);
    const vyre_kernel_desc *k = &v->desc.kernel;
    vyi_opcodes *o = &v->opcodes;
    uint32_t bits = 6;
    while (bits < 31 && (1u << bits) / 2 < (uint64_t)builtins + k->handler_count)
        bits++;
    o->any = k->kind == VYRE_KERNEL_JIT || v->desc.unknown_opcodes;
    o->shift = 32 - bits;
    o->mask = (1u << bits) - 1;
    o->list = (vyi_opcode *)vyi_arena_alloc(&v->arena, sizeof *o->list << bits);
    if (!o->list)
        return vyi_fail_nomem(err, sizeof *o->list << bits);
    for (uint32_t i = 0; i < builtins; i++) {
        if (builtin[i] != VYRE_OP_LOAD_MISS || k->load_miss)
            vyi_opcode_add(o, builtin[i]);
    }
    for (uint32_t i = 0; i < k->handler_count; i++)
        vyi_opcode_add(o, k->handlers[i].opcode);
    return VYRE_OK;
}

/* --- open: the device ---------------------------------------------------- */

static vyre_status vyi_control_init(const vyi_queue *q, vyi_device *d, vyre_error *err)
{
    uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);
    vyre_control_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.tenants = q->v->desc.tenants;
    desc.observables = q->v->desc.observables;
    const vyre_status status =
        vyre_control_encode(control, q->v->buffers.list[VYI_ROLE_CONTROL].size, &desc, err);
    if (status != VYRE_OK)
        return status;
    for (uint32_t i = 0; i < desc.tenants; i++) {
        if (q->v->tenants_off >> i & 1u)
            vyi_set_word(control, VYRE_CONTROL_TENANT_MASKS + i, 0);
    }
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS && q->slots.levels > 1; i++) {
        const vyi_share *part = &q->slots.pool.shares[i];
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i, part->first);
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i + 1, part->first + part->count);
    }
    if (d->write_combined)
        vyi_fence_stores();
    return VYRE_OK;
}

static vyre_status vyi_device_open(vyi_queue *q, vyi_device **out, vyre_error *err)
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
    desc.group_size = vyi_def32(v->desc.kernel.workgroup_size, 256);
    desc.max_groups = vyi_def32(v->desc.kernel.lane_count, q->slots.lanes) / desc.group_size;
    desc.max_groups = vyi_def32(desc.max_groups, 1);
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
    if (status != VYRE_OK) {
        (void)v->backend->close(d);
        return status;
    }
    *out = d;
    return VYRE_OK;
}

static void vyi_chain_begin(vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint64_t leases = q->chain.leases, passes = q->chain.passes;
    uint32_t rounds = q->v->desc.lease.rounds;
    /* Leases end where wide works are, for the sake of their generations. */
    if (rounds == 0 && (!d->endless || q->wides.count))
        rounds = VYI_LEASE_ROUNDS;
    if (d->max_rounds && rounds > d->max_rounds)
        rounds = d->max_rounds;
    memset(&q->chain, 0, sizeof q->chain);
    q->chain.leases = leases;
    q->chain.passes = passes;
    q->chain.rounds = rounds;
}

static vyre_status vyi_mode_choose(vyi_queue *q, vyre_error *err)
{
    vyre_info info;
    memset(&info, 0, sizeof info);
    q->v->backend->info(vyi_queue_device(q), &info);
    const bool wide = q->wides.count && !vyi_queue_device(q)->wide_groups;
    const bool live = info.probe.live && !wide;
    q->mode = live && q->v->desc.mode != VYRE_MODE_PASSES ? VYRE_MODE_PERSISTENT
                                                          : VYRE_MODE_PASSES;
    q->wides.gated = q->wides.count && q->mode == VYRE_MODE_PERSISTENT;
    if (q->v->desc.mode == VYRE_MODE_PERSISTENT && q->mode != VYRE_MODE_PERSISTENT)
        return vyi_fail(err, VYRE_E_MODE, 0, "Use VYRE_MODE_AUTO, or another device.",
                        wide ? "%s runs wide works in passes only: %.60s"
                             : "%s does not prove persistent mode: %.80s",
                        info.device[0] ? info.device : "the device", info.probe.text);
    return VYRE_OK;
}

static bool vyi_locks_init(vyre *v)
{
    if (!vyi_mutex_init(&v->lock))
        return false;
    if (vyi_mutex_init(&v->run.lock)) {
        if (vyi_mutex_init(&v->helper.lock)) {
            if (vyi_cond_init(&v->helper.wake))
                return true;
            vyi_mutex_free(&v->helper.lock);
        }
        vyi_mutex_free(&v->run.lock);
    }
    vyi_mutex_free(&v->lock);
    return false;
}

static void vyi_locks_free(vyre *v)
{
    vyi_cond_free(&v->helper.wake);
    vyi_mutex_free(&v->helper.lock);
    vyi_mutex_free(&v->run.lock);
    vyi_mutex_free(&v->lock);
}

static void vyi_handle_free(vyre *v)
{
    const vyre_allocator allocator = v->desc.allocator;
    vyi_locks_free(v);
    vyre_program_destroy(v->programs.loop);
    vyre_program_destroy(v->programs.once);
    vyre_program_destroy(v->programs.narrow);
    vyre_program_destroy(v->programs.whole);
    vyre_program_destroy(v->programs.tiles);
    vyi_producers_free(&v->queue);
    vyi_ends_free(&v->queue);
    vyi_free(&allocator, v->queue.loss.retired, v->queue.loss.retired_capacity * sizeof(void *));
    vyi_arena_free(&v->arena);
    vyi_free(&allocator, v, sizeof *v);
}

/* Pointers into the caller's memory that nobody follows later. */
static void vyi_desc_forget(vyre *v)
{
    vyre_kernel_desc *k = &v->desc.kernel;
    k->handlers = NULL;
    k->handler_count = 0;
    k->payload = NULL;
    k->payload_source = NULL;
    k->buffers = NULL;
    k->buffer_count = 0;
    k->workspace = NULL;
    v->desc.buffer_sizes = NULL;
}

/* So that a ticket of another handle is mostly told apart: of 4,095 handles, or those
 * that lived in one place after another, two may have the same. */
static uint32_t vyi_ticket_tag(const vyre *v)
{
    const uint64_t who[2] = { (uint64_t)(uintptr_t)v, vyi_now() };
    const uint64_t hash = vyi_hash(VYI_HASH_SEED, who, sizeof who);
    const uint32_t most = (1u << (32 - VYI_TICKET_SLOT_BITS)) - 1;
    return ((uint32_t)(hash ^ hash >> 32) % most + 1) << VYI_TICKET_SLOT_BITS;
}

static vyre_status vyi_handle_fill(vyre *v, vyre_error *err)
{
    vyi_queue *q = &v->queue;
    vyi_device *d = NULL;
    q->v = v;
    q->slots.tag = vyi_ticket_tag(v);
    q->slots.lanes = v->desc.kernel.slot_count;
    if (v->desc.kernel.workgroup_size == 0 && q->slots.lanes < 256)
        v->desc.kernel.workgroup_size = q->slots.lanes; /* a small ring needs no more lanes */
    vyi_shares_plan(q);

    vyre_status status = vyi_wide_plan(v, err);
    q->slots.count = q->slots.lanes + q->wides.count;
    if (status == VYRE_OK)
        status = vyi_buffers_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_programs_build(v, err);
    if (status == VYRE_OK)
        status = vyi_opcodes_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_names_keep(v, err);
    if (status == VYRE_OK)
        status = vyi_trace_begin(v, err);
    if (status == VYRE_OK)
        status = vyi_slots_allocate(v, err);
    if (status == VYRE_OK && v->desc.device) {
        v->desc.device = vyi_arena_text(&v->arena, v->desc.device, 255);
        if (!v->desc.device)
            status = vyi_fail_nomem(err, 256);
    }
    if (status == VYRE_OK)
        status = vyi_device_open(q, &d, err);
    if (status != VYRE_OK)
        return status;
    vyi_store_pointer(&q->device, d);
    vyi_desc_forget(v);
    vyi_chain_begin(q);
    status = vyi_mode_choose(q, err);
    q->lives = q->mode == VYRE_MODE_PERSISTENT && !d->pumped;
    return status;
}

VYI_COLD
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err)
{
    vyre_desc filled;
    memset(&filled, 0, sizeof filled);
    if (desc)
        filled = *desc;
    vyi_desc_defaults(&filled);
    if (vyi_desc_check(&filled, err) != VYRE_OK)
        return NULL;

    vyre *v = (vyre *)vyi_alloc(&filled.allocator, sizeof *v);
    if (!v) {
        vyi_fail_nomem(err, sizeof *v);
        return NULL;
    }
    memset(v, 0, sizeof *v);
    v->desc = filled;
    v->backend = backend;
    v->arena.allocator = filled.allocator;
    vyi_owners_begin(&v->queue);
    if (!vyi_locks_init(v)) {
        vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.", "the system gave no lock");
        vyi_free(&filled.allocator, v, sizeof *v);
        return NULL;
    }
    vyre_status status = vyi_handle_fill(v, err);
    if (status == VYRE_OK && v->desc.helper_thread && !vyi_helper_start(v))
        status = vyi_fail(err, VYRE_E_THREAD, 0, "Build with threads, or clear helper_thread.",
                          "the helper thread could not be made");
    if (status == VYRE_OK && v->desc.record) {
        vyi_observer *observer = (vyi_observer *)(void *)v->desc.record;
        status = observer->attach(observer, v, err);
        v->observer = status == VYRE_OK ? observer : NULL;
    }
    if (status == VYRE_OK)
        return v;
    vyi_helper_stop(v);
    if (!v->queue.device || v->backend->close(vyi_queue_device(&v->queue)))
        vyi_handle_free(v);
    return NULL;
}

VYI_COLD
VYRE_API vyre *vyre_open(const vyre_desc *desc, vyre_error *err)
{
    const vyre_backend wanted = desc ? desc->backend : VYRE_BACKEND_AUTO;
    const vyi_backend *vulkan = vyi_vulkan_backend();
    vyre_error how;

    if (wanted != VYRE_BACKEND_AUTO) {
        const vyi_backend *backend = vyi_backend_find(wanted);
        if (backend)
            return vyi_open_with(backend, desc, err);
        if (wanted != VYRE_BACKEND_VULKAN) {
            vyi_fail(err, VYRE_E_BACKEND, (uint64_t)(uint32_t)wanted,
                     "Set the whole desc to zero first (memset, = {0}), then a vyre_backend.",
                     "backend %d does not exist", (int)wanted);
            return NULL;
        }
        vyi_fail(err, VYRE_E_BACKEND, (uint64_t)wanted,
                 "Put volk.h on the include path, without VYRE_NO_VULKAN; or use AUTO.",
                 "backend %s (%d) is not built in", vyre_backend_name(wanted), (int)wanted);
        return NULL;
    }
    memset(&how, 0, sizeof how);
    if (vulkan) {
        vyre *v = vyi_open_with(vulkan, desc, &how);
        if (v)
            return v;
        if (how.status == VYRE_E_NOMEM || how.status == VYRE_E_VK_NAME) {
            if (err)
                *err = how;
            return NULL;
        }
        if (desc)
            vyi_message(&desc->messages, VYRE_SEVERITY_WARNING, "no Vulkan, so the CPU: %s",
                        how.text);
    }
    vyre *v = vyi_open_with(vyi_cpu_backend(), desc, err);
    if (v)
        snprintf(v->why_cpu, sizeof v->why_cpu, "%s",
                 vulkan ? how.text : "built without volk.h on the include path, or without Vulkan");
    return v;
}

/* --- query --------------------------------------------------------------- */

static void vyi_query_counts(const vyre *v, vyre_info *out)
{
    out->slot_count = v->queue.slots.lanes;
    out->tenants = v->desc.tenants;
    out->observables = v->desc.observables;
    out->log_records = v->desc.kernel.log_records;
    out->buffer_count = v->buffers.user_count;
    out->program_hash = vyre_program_hash(v->programs.loop);
    out->mode = v->queue.mode;
}

VYI_COLD
VYRE_API void vyre_query(const vyre *v, vyre_info *out)
{
    if (!out)
        return;
    memset(out, 0, sizeof *out);
    if (!v)
        return;
    const vyi_queue *q = &v->queue;
    vyi_mutex *lock = &q->v->lock; /* a query changes nothing else */
    vyi_mutex_lock(lock);
    const vyi_device *d = vyi_queue_device(q);
    v->backend->info(d, out);
    vyi_query_counts(v, out);
    out->backend = v->backend->id;
    memcpy(out->why_cpu, v->why_cpu, sizeof out->why_cpu);
    out->workgroup_size = d->group_size;
    out->worker_groups = d->groups;
    out->lane_count = d->group_size * d->groups;
    out->wide_group = q->wides.count ? d->wide_group : 0;
    out->wide_groups = q->wides.count ? d->wide_groups : 0;
    out->pipeline_id = d->pipeline_id + q->loss.count;
    out->device_bytes = d->bytes;
    out->recoveries = q->loss.count;
    out->running = q->state == VYI_STATE_RUNNING || q->state == VYI_STATE_STOPPING;
    out->shut_down = q->state == VYI_STATE_SHUT;
    out->device_lost = q->state == VYI_STATE_LOST;
    out->leases = q->chain.leases;
    out->passes = q->chain.passes;
    out->lease_ns = q->chain.lease_ns;
    out->lease_rounds = q->chain.rounds;
    if (q->state != VYI_STATE_LOST)
        out->log_dropped = vyi_control_load(d, VYRE_CONTROL_LOG_DROPPED);
    vyi_mutex_unlock(lock);
}

/* --- start, stop --------------------------------------------------------- */

static vyre_status vyi_queue_start(vyi_queue *q, vyre_error *err)
{
    if (q->state == VYI_STATE_RUNNING)
        return VYRE_OK;
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    vyre_status status = vyi_queue_settle(q, vyi_deadline(q->v->desc.lease.timeout_ns), err);
    if (status == VYRE_TIMEOUT)
        status = vyi_fail(err, VYRE_E_RUNNING, vyi_queue_in_flight(q),
                          "Call vyre_stop() with a longer timeout first.",
                          "%u launches of before have not ended", vyi_queue_in_flight(q));
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_queue_to(q, VYI_STATE_RUNNING);
    status = vyi_queue_drive(q, VYI_EFFORT_LOOK, err);
    if (status < 0 && q->state == VYI_STATE_RUNNING && vyi_queue_in_flight(q) == 0)
        vyi_queue_to(q, VYI_STATE_IDLE);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status = vyi_queue_start(&v->queue, err);
    vyi_mutex_unlock(&v->lock);
    vyi_tell_event(v, status, VYRE_REPLAY_STARTED);
    return status;
}

/* What has ended without doing so itself. */
static void vyi_queue_abort(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (!d->backend->abort)
        return;
    vyi_store_release(&q->aborted, 1);
    d->backend->abort(d);
}

VYI_API bool vyi_lock_until(vyre *v, uint64_t deadline)
{
    while (!vyi_mutex_try(&v->lock)) {
        if (vyi_now() >= deadline)
            return false;
        vyi_sleep(50000);
    }
    return true;
}

/* The lock, before all who look after the device.  Where its holder runs a pass
 * in it, the holder is waited for as long as there is patience, and the pass
 * ended then; again and again, for the next launch may begin in between. */
static bool vyi_stop_lock(vyi_queue *q, uint64_t patience, uint64_t deadline)
{
    (void)vyi_fetch_add(&q->stops, 1);
    bool locked = vyi_lock_until(q->v, patience);
    while (!locked && vyi_now() < deadline) {
        const uint64_t turn = vyi_deadline(1000000u);
        if (vyi_load_acquire(&q->passing))
            vyi_queue_abort(q);
        locked = vyi_lock_until(q->v, turn < deadline ? turn : deadline);
    }
    (void)vyi_fetch_add(&q->stops, (uint32_t)-1);
    return locked;
}

/* Waits for what is in flight, at first for its own end, later by force. */
static vyre_status vyi_queue_halt(vyi_queue *q, uint64_t patience, uint64_t deadline,
                                   vyre_error *err)
{
    vyi_queue_set_shutdown(q, 1);
    vyre_status status = vyi_queue_settle(q, patience, err);
    if (status == VYRE_TIMEOUT) {
        vyi_queue_abort(q);
        status = vyi_queue_settle(q, deadline, err);
    }
    if (status == VYRE_TIMEOUT)
        vyi_queue_to(q, VYI_STATE_STOPPING);
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_queue_to(q, VYI_STATE_IDLE);
    vyi_queue_deliver_log(q);
    return VYRE_OK;
}

static vyre_status vyi_queue_stop(vyi_queue *q, uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    const uint64_t patience =
        deadline == UINT64_MAX ? deadline : deadline - timeout_ns / 2;

    static const char fix[] = "Stop again with a longer timeout, or close the handle.";
    const unsigned long long ms = timeout_ns / 1000000u;
    if (!vyi_stop_lock(q, patience, deadline))
        return vyi_fail(err, VYRE_TIMEOUT, 0, fix,
                        "another call held the handle for all of the %llu ms", ms);
    const vyre_status status = q->state == VYI_STATE_LOST
                                   ? vyi_queue_lost(q, &q->loss.how, err)
                                   : vyi_queue_halt(q, patience, deadline, err);
    const uint32_t left = vyi_queue_in_flight(q);
    vyi_mutex_unlock(&q->v->lock);
    if (status == VYRE_TIMEOUT)
        vyi_fail(err, status, left, fix, "%u launches have not ended within %llu ms", left, ms);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    const vyre_status status = vyi_queue_stop(&v->queue, timeout_ns, err);
    vyi_tell_event(v, status, VYRE_REPLAY_STOPPED);
    return status;
}

VYI_COLD
VYRE_API void vyre_close(vyre *v)
{
    if (!v)
        return;
    vyi_queue *q = &v->queue;
    vyi_helper_stop(v);
    (void)vyi_queue_stop(q, VYI_CLOSE_TIMEOUT_NS, NULL);
    if (v->observer)
        v->observer->detach(v->observer, v);
    bool freed = v->backend->close(vyi_queue_device(q));
    for (uint32_t i = 0; i < q->loss.count; i++)
        freed = v->backend->close((vyi_device *)((void **)q->loss.retired)[i]) && freed;
    if (freed)
        vyi_handle_free(v);
    else
        vyi_message(&v->desc.messages, VYRE_SEVERITY_WARNING,
                    "a launch would not end: what it uses is leaked");
}

/* --- recovery ------------------------------------------------------------ */

/* What becomes of a held slot's mark, decided by what had been seen of its work. */
static uint32_t vyi_slot_recover(vyi_queue *q, vyi_device *d, uint32_t slot)
{
    const uint32_t mark = q->slots.kept[slot];
    const uint32_t generation = mark >> VYI_GENERATION_BIT;
    const uint32_t next = (generation + 1u) & VYI_GENERATION_MASK;
    const uint32_t epoch = ~mark & VYI_MARK_EPOCH;

    const uint32_t phase = mark & VYI_PHASE_MASK;
    if (phase == VYI_PHASE_FLIGHT || phase == VYI_PHASE_KEPT) {
        const bool kept = phase == VYI_PHASE_KEPT;
        if (q->slots.record) {
            vyi_slots_write(q, d, slot, &q->slots.record[slot], 1);
            if (slot >= q->slots.lanes)
                vyi_wide_raise(q, d, slot, &q->slots.record[slot]);
            return generation << VYI_GENERATION_BIT | epoch | phase;
        }
        vyi_slot_trouble(q, slot, generation, VYI_TROUBLE_LOST, false);
        return generation << VYI_GENERATION_BIT | epoch |
               (kept ? VYI_PHASE_ENDED : VYI_PHASE_FREE);
    }
    if (phase == VYI_PHASE_ENDED && q->slots.trouble[slot].generation == generation)
        return mark ^ VYI_MARK_EPOCH; /* there is no result, and its outcome is still to be told */
    /* Results are gone with the device, so the generation is over. */
    return (generation ? (next ? next : 1) : 0) << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
}

VYI_COLD
VYI_API vyre_status vyi_queue_recover(vyi_queue *q, vyre_error *err)
{
    vyi_device *d = NULL;
    if (!vyi_grow(&q->v->desc.allocator, &q->loss.retired, &q->loss.retired_capacity,
                  q->loss.count + 1, sizeof(void *)))
        return vyi_fail_nomem(err, (q->loss.count + 1) * sizeof(void *));
    const vyre_status status = vyi_device_open(q, &d, err);
    if (status != VYRE_OK)
        return status;

    (void)vyi_queue_hold(q, true);
    ((void **)q->loss.retired)[q->loss.count++] = vyi_queue_device(q);
    vyi_store_pointer(&q->device, d);
    vyi_chain_begin(q);
    vyi_store_release(&q->aborted, 0);
    if (q->v->desc.recovered)
        q->v->desc.recovered(q->v->desc.recovered_user, q->v);
    memset(q->wides.generations, 0, sizeof q->wides.generations); /* the device's are 0, too */
    memset(q->wides.retired, 0, sizeof q->wides.retired);
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        vyi_store_release(&q->slots.kept[slot], vyi_slot_recover(q, d, slot));
    vyi_queue_unhold(q);
    vyi_queue_to(q, q->loss.was_running ? VYI_STATE_RUNNING : VYI_STATE_IDLE);
    vyi_message(&q->v->desc.messages, VYRE_SEVERITY_INFO, "the device was replaced (%u)",
                q->loss.count);
    return q->loss.was_running ? vyi_queue_drive(q, VYI_EFFORT_LOOK, err) : VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status =
        v->queue.state == VYI_STATE_LOST ? vyi_queue_recover(&v->queue, err) : VYRE_OK;
    vyi_mutex_unlock(&v->lock);
    vyi_tell_event(v, status, VYRE_REPLAY_RECOVERED);
    return status;
}

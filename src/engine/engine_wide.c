/* ==========================================================================
 * engine: works that many lanes run
 *
 * A wide work has one of a few slots behind those of the lanes, and no lane
 * looks at these.  A running kernel with groups for them looks at gates: a word for
 * each slot, which the host stores last (kernel_groups.c).  In passes each work is
 * a launch of its own, with a group for each chunk that has not run yet.
 *
 * A gate's generation is not the mark's: it has 15 bits.  After the last one the
 * host closes the gate, and does not use the slot until every launch that was made
 * by then has ended: nobody can be late any more, and it begins anew.  The slots begin
 * at different generations, so that they come to their last ones one after another.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

#include "kernel/kernel_impl.h"
#include "wire/ring.h"

#define VYI_WIDE_GROUPS_AIM 1024u /* of one pass: enough for any device, where the range is */
#define VYI_WIDE_TURNS_PASS 64u   /* of a group's loop, unless there would be too many groups */
#define VYI_WIDE_TURNS_LIVE 32u   /* where groups wait, and an urgent work for them */
#define VYI_WIDE_SHARES     4u    /* chunks of a group that shares its processor */
#define VYI_WIDE_NONE       0xffffffffu
#define VYI_WIDE_PER_MAX    0x80000000u /* behind it a lane's last turn still is below 2^32 */

/* A new device's words are 0: its gates may begin with any generation. */
VYI_API void vyi_wide_number(vyi_wides *w)
{
    memset(w->retired, 0, sizeof w->retired);
    for (uint32_t at = 0; at < VYI_WIDE_SLOTS; at++)
        vyi_store_relaxed(&w->generations[at], at * (VYI_GATE_LAST / VYI_WIDE_SLOTS));
}

/* --- which works are wide -------------------------------------------------- */

/* Ascending opcodes; of a payload, one for all. */
VYI_API vyre_status vyi_wide_plan(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    vyi_wides *w = &v->queue.wides;
    if (!vyi_kernel_is_wide(k))
        return VYRE_OK;
    const size_t size = (k->handler_count + 1) * sizeof *w->ops;
    w->ops = (vyi_wide_op *)vyi_arena_alloc(&v->arena, size);
    if (!w->ops)
        return vyi_fail_nomem(err, size);
    w->any = k->payload_width != VYRE_WIDTH_LANE;
    w->ops[0].width = k->payload_width;
    w->op_count = w->any ? 1 : 0;
    for (uint32_t i = 0; i < k->handler_count; i++) {
        const vyre_handler *h = &k->handlers[i];
        uint32_t at = w->op_count;
        if (h->width == VYRE_WIDTH_LANE)
            continue;
        for (; at > 0 && w->ops[at - 1].opcode > h->opcode; at--)
            w->ops[at] = w->ops[at - 1];
        w->ops[at].opcode = h->opcode;
        w->ops[at].width = h->width;
        w->ops[at].chunk = h->chunk;
        w->op_count++;
    }
    w->count = VYI_WIDE_SLOTS;
    w->owner.shares[0].first = v->queue.slots.lanes;
    w->owner.shares[0].count = w->count;
    vyi_wide_number(w);
    vyi_store_pointer(&w->owner.thread, (void *)(uintptr_t)VYI_OWNER_MANY);
    return VYRE_OK;
}

VYI_API const vyi_wide_op *vyi_wide_find(const vyi_queue *q, uint32_t opcode)
{
    const vyi_wides *w = &q->wides;
    uint32_t low = 0, high = w->op_count;
    if (w->any)
        return &w->ops[0];
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (w->ops[middle].opcode < opcode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->op_count && w->ops[low].opcode == opcode ? &w->ops[low] : NULL;
}

/* --- how a work is cut ---------------------------------------------------- */

typedef struct vyi_wide_cut {
    uint32_t per, chunks; /* indexes of a chunk; chunks */
} vyi_wide_cut;

static uint32_t vyi_wide_range_of(const vyi_wide_op *op, const uint32_t *args)
{
    if (op->width == VYRE_WIDTH_GROUP)
        return args[0];
    return args[1] > args[0] ? args[1] - args[0] : 0;
}

/* Groups that share processors with others end at different times, so each has a few
 * chunks.  Small ranges go to many groups; large ones in chunks that are worth a group. */
static uint32_t vyi_wide_per(const vyi_device *d, const vyi_wide_op *op, uint32_t range)
{
    const uint32_t group = d->wide_group;
    if (op->width == VYRE_WIDTH_GROUP)
        return 1;
    if (op->chunk)
        return op->chunk / group < d->wide_turns ? op->chunk : d->wide_turns * group;
    const uint64_t groups = d->wide_groups
                                ? (uint64_t)d->wide_groups * (d->shared ? VYI_WIDE_SHARES : 1)
                                : VYI_WIDE_GROUPS_AIM;
    const uint32_t most = d->wide_groups ? VYI_WIDE_TURNS_LIVE : VYI_WIDE_TURNS_PASS;
    const uint32_t turns = (uint32_t)((range + group * groups - 1) / (group * groups));
    return group * (turns < 1 ? 1 : turns < most ? turns : most);
}

static vyi_wide_cut vyi_wide_cut_of(const vyi_device *d, const vyi_wide_op *op,
                                    const uint32_t *args)
{
    const uint32_t range = vyi_wide_range_of(op, args);
    const uint32_t least = range / VYI_WIDE_CHUNKS_MAX + (range % VYI_WIDE_CHUNKS_MAX != 0);
    vyi_wide_cut cut;
    cut.per = vyi_wide_per(d, op, range);
    cut.per = cut.per > least ? cut.per : least;
    cut.per = cut.per < VYI_WIDE_PER_MAX ? cut.per : VYI_WIDE_PER_MAX;
    cut.chunks = range / cut.per + (range % cut.per != 0);
    cut.chunks = cut.chunks ? cut.chunks : 1; /* an empty range ends by its only chunk */
    VYRE_ASSERT(cut.chunks <= VYI_WIDE_CHUNKS_MAX);
    return cut;
}

/* --- publishing ----------------------------------------------------------- */

/* It has no generation left: nobody publishes into the slot before it begins anew. */
static bool vyi_wide_is_used_up(const vyi_wides *w, uint32_t at)
{
    return vyi_load_acquire(&w->generations[at]) == VYI_GATE_LAST;
}

static bool vyi_wide_is_fresh(const vyi_queue *q, uint32_t at)
{
    return !vyi_wide_is_used_up(&q->wides, at) &&
           vyi_order_slot_is_settled(q, q->slots.lanes + at);
}

/* One attempt; otherwise the slot's generation is added to *used. */
static bool vyi_wide_take(vyi_queue *q, uint32_t at, uint64_t *used)
{
    const uint32_t slot = q->slots.lanes + at;
    uint32_t *mark = &q->slots.marks[slot];
    if (vyi_wide_is_fresh(q, at)) {
        if (!vyi_slot_seek(q, &q->wides.owner, slot, used))
            return false;
        if (vyi_wide_is_fresh(q, at))
            return true;
        /* Its last work has come and gone since the first look. */
        vyi_store_release(mark, vyi_mark_with(vyi_load_relaxed(mark), VYI_PHASE_FREE));
    }
    *used += vyi_mark_generation(vyi_load_acquire(mark));
    return false;
}

/* A slot that is now the caller's, BUSY; false: for a moment none was free. */
static bool vyi_wide_claim(vyi_queue *q, uint32_t *slot)
{
    vyi_wides *w = &q->wides;
    const uint32_t turn = vyi_fetch_add(&w->owner.shares[0].next, 1);
    uint64_t used = VYI_SEEK_BEGIN, before;
    do {
        before = used;
        used = 0;
        for (uint32_t tried = 0; tried < w->count; tried++) {
            const uint32_t at = (turn + tried) % w->count;
            *slot = q->slots.lanes + at;
            if (vyi_wide_take(q, at, &used))
                return true;
        }
    } while (used != before);
    return false;
}

/* Behind the slot's words.  Pairs with the acquire of a group that has seen it. */
VYI_API void vyi_wide_raise(vyi_queue *q, const vyi_device *d, uint32_t slot,
                            const vyre_work *work)
{
    vyi_wides *w = &q->wides;
    const uint32_t at = slot - q->slots.lanes;
    uint32_t *words = vyi_device_words(d, w->buffer);
    if (!vyi_load_relaxed(&w->gated))
        return;
    const vyi_wide_cut cut = vyi_wide_cut_of(d, vyi_wide_find(q, work->opcode), work->args);
    const uint32_t generation = vyi_load_relaxed(&w->generations[at]) + 1;
    VYRE_ASSERT(at < w->count && generation <= VYI_GATE_LAST && work->tenant < 32);
    vyi_store_release(&w->generations[at], generation);
    vyi_store_relaxed(words + VYI_WIDE_PER + at, vyi_le32(cut.per));
    vyi_store_relaxed(words + VYI_WIDE_CHUNKS + at,
                      vyi_le32(generation << VYI_GATE_GENERATION | cut.chunks));
    if (q->order.count)
        vyi_store_relaxed(words + VYI_WIDE_WAITS + at,
                          vyi_le32(generation << VYI_GATE_GENERATION |
                                   vyi_order_wait(vyi_order_bits(q, slot))));
    if (d->write_combined)
        vyi_fence_stores();
    const uint32_t age = vyi_load_relaxed(&w->ages[at]) % VYI_GATE_AGES;
    vyi_store_release(words + VYI_WIDE_GATES + at,
                      vyi_le32(generation << VYI_GATE_GENERATION |
                               vyi_priority_level(work->priority) << VYI_GATE_LEVEL |
                               work->tenant << VYI_GATE_TENANT | age));
    if (d->write_combined)
        vyi_fence_stores();
}

static bool vyi_wide_write(vyi_queue *q, const vyre_work *work, vyi_receipt *ticket)
{
    uint32_t slot = 0;
    if (!vyi_wide_claim(q, &slot))
        return false;
    const vyi_device *d = vyi_queue_device(q);
    vyi_slots_clear(q, slot, 1);
    vyi_store_relaxed(&q->wides.ages[slot - q->slots.lanes], vyi_fetch_add(&q->wides.age, 1));
    if (q->slots.record)
        q->slots.record[slot] = *work;
    if (q->order.count)
        vyi_order_bind(q, slot, 1, ticket);
    if (q->slots.ages)
        vyi_store_relaxed(&q->slots.ages[slot], vyi_load_relaxed(&q->looks));
    if (q->slots.extras & VYI_EXTRA_TRACED)
        vyi_trace_published(q->v, slot, work, 1);
    vyi_fence_release(); /* BUSY before the words */
    vyi_slots_write(q, d, slot, work, 1);
    vyi_wide_raise(q, d, slot, work);
    const uint32_t mark = vyi_load_relaxed(&q->slots.marks[slot]);
    VYRE_ASSERT(vyi_mark_phase(mark) == VYI_PHASE_BUSY);
    vyi_store_release(&q->slots.marks[slot],
                      vyi_mark_with(mark, ticket->keep ? VYI_PHASE_KEPT : VYI_PHASE_FLIGHT));
    ticket->ticket = vyi_ticket_of(q, slot, mark);
    return true;
}

static void vyi_wide_wake(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (d->backend->wake_groups && vyi_load_relaxed(&q->wides.gated))
        d->backend->wake_groups(d);
    else
        vyi_queue_wake(q);
}

VYI_API vyre_status vyi_wide_publish(vyi_queue *q, const vyre_work *work, vyi_receipt *ticket,
                                     vyre_error *err)
{
    uint32_t held = vyi_load_acquire(&q->slots.held);
    bool published = vyi_wide_write(q, work, ticket);
    while (!published && vyi_held_meanwhile(q, held)) {
        vyi_yield();
        held = vyi_load_acquire(&q->slots.held);
        published = vyi_wide_write(q, work, ticket);
    }
    if (published) {
        vyi_wide_wake(q);
        return VYRE_OK;
    }
    return vyi_news(err, VYRE_FULL, q->wides.count,
                    "Poll or wait for a ticket and publish again.",
                    "every slot for wide works is in use");
}

/* --- passes --------------------------------------------------------------- */

static bool vyi_wide_has_rights(const uint32_t *control, uint32_t tenant)
{
    return tenant < VYRE_MAX_TENANTS &&
           vyi_le32(vyi_load_acquire(control + VYRE_CONTROL_TENANT_MASKS + tenant)) != 0;
}

static uint32_t *vyi_wide_state(const vyi_queue *q, uint32_t state)
{
    uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    return words + VYI_WIDE_STATES + state * VYI_WIDE_STATE_WORDS;
}

/* The state of a work that has been given up: the next one finds it clean. */
static void vyi_wide_clean(const vyi_queue *q, uint32_t state)
{
    uint32_t *words = vyi_wide_state(q, state);
    for (uint32_t i = VYI_WIDE_FINISHED; i < VYI_WIDE_STATE_WORDS; i++)
        vyi_store_relaxed(words + i, 0);
    if (state != VYI_WIDE_GUEST)
        vyi_store_relaxed(words + VYI_WIDE_DONE,
                          vyi_le32(vyi_load_relaxed(&q->wides.generations[state])));
}

/* Whether the slot waits for a pass.  One whose work was taken back ends here: a tile
 * pass does not look at wishes, for its launch is the claim. */
static bool vyi_wide_waits(vyi_queue *q, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    if (!vyi_mark_is_out(mark) || vyi_slot_outcome(q, slot) != 0 ||
        vyi_load_acquire(at) != vyi_le32(VYRE_SLOT_PUBLISHED) ||
        !vyi_order_slot_is_ready(q, slot))
        return false;
    if (vyi_load_relaxed(&q->slots.wishes[slot]) == vyi_mark_generation(mark)) {
        vyi_wide_clean(q, slot - q->slots.lanes);
        vyi_slot_bury(q, slot, VYRE_FAULT_CANCELLED);
        return false;
    }
    return vyi_wide_has_rights(vyi_device_words(d, VYI_ROLE_CONTROL),
                               vyi_slot_tenant(q->v, at));
}

/* The most urgent, of those the oldest; or VYI_WIDE_NONE. */
VYI_API uint32_t vyi_wide_next(vyi_queue *q)
{
    const uint32_t *ring = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING);
    uint32_t best = VYI_WIDE_NONE, best_level = 0, best_age = 0;
    for (uint32_t i = 0; i < q->wides.count; i++) {
        const uint32_t slot = q->slots.lanes + i;
        if (!vyi_wide_waits(q, slot))
            continue;
        const uint32_t *at = ring + (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_PRIORITY;
        const uint32_t level = vyi_le32(vyi_load_relaxed(at)) & VYI_ORDER_LEVEL;
        const uint32_t age = vyi_load_relaxed(&q->wides.ages[i]) - vyi_load_relaxed(&q->wides.age);
        const bool before = level < best_level || (level == best_level && age < best_age);
        if (best == VYI_WIDE_NONE || before) {
            best = slot;
            best_level = level;
            best_age = age;
        }
    }
    return best;
}

/* Chunks that groups of a lease have run already: at its end all claimed ones. */
static uint32_t vyi_wide_taken(const vyi_queue *q, uint32_t state, uint32_t chunks)
{
    const uint32_t next = vyi_le32(vyi_load_acquire(vyi_wide_state(q, state) + VYI_WIDE_NEXT));
    const uint32_t taken = next & VYI_GATE_COUNT;
    if (state == VYI_WIDE_GUEST || !vyi_load_relaxed(&q->wides.gated) ||
        next >> VYI_GATE_GENERATION != vyi_load_relaxed(&q->wides.generations[state]))
        return 0;
    return taken < chunks ? taken : chunks;
}

static void vyi_wide_head_store(const vyi_queue *q, uint32_t word, uint32_t value)
{
    uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    vyi_store_relaxed(words + VYI_WIDE_HEAD + word, vyi_le32(value));
}

/* What the next tile pass runs, and how many groups it needs.  Nothing is in flight,
 * so all words are the host's. */
static uint32_t vyi_wide_describe(vyi_queue *q, const uint32_t *at, uint32_t slot, uint32_t state)
{
    const vyi_device *d = vyi_queue_device(q);
    uint32_t *words = vyi_device_words(d, q->wides.buffer), args[2];
    const vyi_wide_op *op = vyi_wide_find(q, vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE)));
    VYRE_ASSERT(op && state <= VYI_WIDE_GUEST && vyi_queue_in_flight(q) == 0);
    for (uint32_t i = 0; i < 2; i++)
        args[i] = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_ARGS + i));
    const vyi_wide_cut cut = vyi_wide_cut_of(d, op, args);
    vyi_store_relaxed(words + VYI_WIDE_PER + state, vyi_le32(cut.per));
    const bool gated = vyi_load_relaxed(&q->wides.gated) && state != VYI_WIDE_GUEST;
    const uint32_t generation = gated ? vyi_load_relaxed(&q->wides.generations[state]) : 0;
    vyi_store_relaxed(words + VYI_WIDE_CHUNKS + state,
                      vyi_le32(generation << VYI_GATE_GENERATION | cut.chunks));
    const uint32_t first = vyi_wide_taken(q, state, cut.chunks);
    VYRE_ASSERT(first < cut.chunks);
    vyi_wide_head_store(q, VYI_WIDE_PASS_SLOT, slot);
    vyi_wide_head_store(q, VYI_WIDE_PASS_STATE, state);
    vyi_wide_head_store(q, VYI_WIDE_PASS_FIRST, first);
    vyi_wide_head_store(q, VYI_WIDE_PASS_GENERATION, generation);
    return cut.chunks - first;
}

/* A status that the host still owns. */
static void vyi_wide_mark(const vyi_queue *q, uint32_t *at, uint32_t status)
{
    vyi_store_release(at, vyi_le32(status));
    if (vyi_queue_device(q)->write_combined)
        vyi_fence_stores();
}

VYI_API vyre_status vyi_wide_launch(vyi_queue *q, uint32_t slot, vyre_error *err)
{
    uint32_t *at = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) +
                   (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t groups = vyi_wide_describe(q, at, slot, slot - q->slots.lanes);
    vyi_wide_mark(q, at, VYRE_SLOT_CLAIMED);
    const vyre_status status = vyi_queue_launch(q, VYI_LAUNCH_TILES, groups, err);
    if (status != VYRE_OK)
        vyi_wide_mark(q, at, VYRE_SLOT_PUBLISHED);
    return status;
}

VYI_API vyre_status vyi_wide_launch_all(vyi_queue *q, uint64_t deadline, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < q->wides.count && status == VYRE_OK; i++) {
        const uint32_t slot = vyi_wide_next(q);
        if (slot == VYI_WIDE_NONE || vyi_load_acquire(&q->aborted))
            break;
        status = vyi_queue_settle(q, deadline, err); /* tiles have the device to themselves */
        if (status == VYRE_OK)
            status = vyi_wide_launch(q, slot, err);
        if (status == VYRE_OK)
            status = vyi_queue_settle(q, deadline, err);
    }
    return status;
}

/* Whether a lane's work waits, too. */
VYI_API bool vyi_wide_has_company(const vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.lanes; slot++)
        if (vyi_mark_is_out(vyi_load_acquire(&q->slots.marks[slot])) &&
            vyi_slot_outcome(q, slot) == 0)
            return true;
    return false;
}

/* --- gates ---------------------------------------------------------------- */

VYI_API void vyi_wide_begin(vyi_queue *q, vyi_device *d)
{
    uint32_t *head = vyi_device_words(d, q->wides.buffer) + VYI_WIDE_HEAD;
    vyi_store_relaxed(head + VYI_WIDE_POLLERS, vyi_le32(d->groups));
    vyi_store_relaxed(head + VYI_WIDE_LANES, vyi_le32(d->group_size));
    if (d->write_combined)
        vyi_fence_stores();
}

/* Launches that may have seen a gate that is closed now, and those that have ended; or
 * the same of groups. */
static uint64_t vyi_wide_last_witness(const vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    return d->backend->era ? (uint64_t)d->backend->era(d) + 2 : q->chain.launched;
}

static uint64_t vyi_wide_witnesses_gone(const vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    return d->backend->era ? d->backend->era(d) : q->chain.completed;
}

/* The slot's generations are used up.  First its gate is closed; when all launches
 * that may have seen it open have ended, the words of the device are the host's. */
static void vyi_wide_renew_slot(vyi_queue *q, uint32_t at)
{
    vyi_wides *w = &q->wides;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t slot = q->slots.lanes + at;
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    /* BUSY: who publishes the last generation may be about to open its gate. */
    if (vyi_mark_is_busy(mark) || (vyi_mark_is_out(mark) && vyi_slot_outcome(q, slot) == 0))
        return;
    if (w->retired[at] == 0) {
        vyi_store_release(vyi_device_words(d, w->buffer) + VYI_WIDE_GATES + at, 0);
        w->retired[at] = vyi_wide_last_witness(q) + 1;
    }
    if (vyi_wide_witnesses_gone(q) + 1 < w->retired[at])
        return;
    uint32_t *state = vyi_wide_state(q, at);
    vyi_store_relaxed(state + VYI_WIDE_NEXT, 0);
    vyi_store_relaxed(state + VYI_WIDE_DONE, 0);
    if (d->write_combined)
        vyi_fence_stores();
    w->retired[at] = 0;
    vyi_store_release(&w->generations[at], 0);
}

VYI_API bool vyi_wide_renew(vyi_queue *q)
{
    bool renews = false;
    for (uint32_t at = 0; at < q->wides.count; at++)
        if (vyi_wide_is_used_up(&q->wides, at)) {
            vyi_wide_renew_slot(q, at);
            renews = true;
        }
    return renews;
}

/* Whether groups have claimed chunks of the slot's work and not finished them. */
static bool vyi_wide_is_torn(const vyi_queue *q, uint32_t slot)
{
    const uint32_t at = slot - q->slots.lanes;
    const uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    const uint32_t chunks =
        vyi_le32(vyi_load_relaxed(words + VYI_WIDE_CHUNKS + at)) & VYI_GATE_COUNT;
    const uint32_t *finished = vyi_wide_state(q, at) + VYI_WIDE_FINISHED;
    return vyi_mark_is_under_way(vyi_load_acquire(&q->slots.marks[slot])) &&
           vyi_slot_outcome(q, slot) == 0 &&
           vyi_wide_taken(q, at, chunks) !=
               (vyi_le32(vyi_load_acquire(finished)) & ~VYI_WIDE_FAULTED);
}

/* A pass has set their status; of a running kernel's they still are PUBLISHED. */
VYI_API void vyi_wide_bury(vyi_queue *q)
{
    uint32_t *ring = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING);
    for (uint32_t at = 0; at < q->wides.count; at++) {
        const uint32_t slot = q->slots.lanes + at;
        uint32_t *status = ring + (size_t)slot * VYRE_SLOT_WORDS;
        const bool claimed = vyi_load_acquire(status) == vyi_le32(VYRE_SLOT_CLAIMED);
        if (!claimed && !vyi_wide_is_torn(q, slot))
            continue;
        vyi_wide_clean(q, at);
        vyi_store_release(status, vyi_le32(VYRE_SLOT_CLAIMED));
    }
    if (q->wides.count)
        vyi_wide_clean(q, VYI_WIDE_GUEST); /* a dispatch that was too late has left it */
}

/* --- bytes ---------------------------------------------------------------- */

/* The wide works of a ring of the caller's, one after another; its lanes' works
 * come after them. */
VYI_API vyre_status vyi_wide_dispatch(vyi_queue *q, void *const *map, uint64_t deadline,
                                      vyre_error *err)
{
    const uint32_t *control = (const uint32_t *)map[VYI_ROLE_CONTROL];
    vyre_status status = VYRE_OK;
    if (vyi_le32(vyi_load_acquire(control + VYRE_CONTROL_SHUTDOWN)))
        return VYRE_OK;
    for (uint32_t slot = 0; slot < q->slots.lanes && status == VYRE_OK; slot++) {
        uint32_t *at = (uint32_t *)map[VYI_ROLE_RING] + (size_t)slot * VYRE_SLOT_WORDS;
        if (vyi_load_acquire(at) != vyi_le32(VYRE_SLOT_PUBLISHED) ||
            !vyi_wide_find(q, vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE))) ||
            !vyi_wide_has_rights(control, vyi_slot_tenant(q->v, at)))
            continue;
        const uint32_t groups = vyi_wide_describe(q, at, slot, VYI_WIDE_GUEST);
        vyi_wide_mark(q, at, VYRE_SLOT_CLAIMED);
        status = vyi_queue_launch(q, VYI_LAUNCH_TILE_BYTES, groups, err);
        if (status == VYRE_OK)
            status = vyi_queue_settle(q, deadline, err);
        if (status == VYRE_OK && vyi_load_acquire(&q->aborted)) {
            vyi_wide_clean(q, VYI_WIDE_GUEST);
            return VYRE_OK;
        }
    }
    return status;
}

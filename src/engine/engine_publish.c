/* ==========================================================================
 * engine: publishing
 *
 * The hot path takes no lock and never reads device memory.  A publisher takes
 * a slot (engine_slots.c), writes the work, and raises STATUS last.  Device
 * memory is write-combined, and there a fence waits until what this core has
 * written has arrived: 130 ns for a write of 6 ns.  So a slot is stored as one
 * line, where that is seen as a whole.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- what may be published ------------------------------------------------ */

VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Pass at most 12 arguments; put more into a user buffer.",
                        "the work has %u arguments", work->arg_count);
    if (!vyre_opcode_publishable(work->opcode) &&
        !(v->desc.kernel.load_miss && work->opcode == VYRE_OP_LOAD_MISS))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Use a built-in opcode, or one for which vyre_opcode_is_user() is true.",
                        "opcode 0x%08x is reserved", work->opcode);
    if (!vyi_opcode_is_known(&v->opcodes, work->opcode))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Add its handler to kernel.handlers, or correct the work.",
                        "no handler of this handle has opcode 0x%08x", work->opcode);
    if (work->tenant >= v->desc.tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, work->tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", work->tenant, v->desc.tenants);
    if ((uint32_t)work->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint64_t)work->priority,
                        "Use one of the VYRE_PRIORITY_ levels.", "priority %d does not exist",
                        (int)work->priority);
    return VYRE_OK;
}

/* What vyi_engine_check finds nothing to say about, in two branches. */
static inline bool vyi_work_is_plain(const vyi_queue *q, const vyre_work *work)
{
    const uint32_t priority = (uint32_t)work->priority;
    return ((work->arg_count <= VYRE_MAX_ARGS) & (work->opcode < VYRE_OP_LOAD_MISS - 0x100u) &
            (work->tenant < q->v->desc.tenants) & (priority < VYRE_PRIORITY_LEVELS)) &&
           vyi_opcode_is_known(&q->v->opcodes, work->opcode);
}

VYI_STATIC_ASSERT(work_begins_with_four_words,
                  offsetof(vyre_work, opcode) == 0 && offsetof(vyre_work, tenant) == 4 &&
                      offsetof(vyre_work, priority) == 8 && offsetof(vyre_work, arg_count) == 12 &&
                      sizeof(vyre_priority) == 4 && VYRE_OP_LOAD_MISS < 0x80000000u);

/* Works that follow each other mostly have one opcode. */
static inline bool vyi_works_are_known(const vyi_opcodes *o, const vyre_work *works, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && works[i].opcode == works[i - 1].opcode)
            continue;
        if (!vyi_opcode_is_known(o, works[i].opcode))
            return false;
    }
    return true;
}

/* The same of many; numbers without a branch for each. */
static bool vyi_works_are_plain(const vyi_queue *q, const vyre_work *works, uint32_t count)
{
    const vyi_quad limits = vyi_quad_of(VYRE_OP_LOAD_MISS - 0x101u, q->v->desc.tenants - 1u,
                                        VYRE_PRIORITY_LEVELS - 1u, VYRE_MAX_ARGS);
    vyi_quad bad = vyi_quad_of(0, 0, 0, 0);
    for (uint32_t i = 0; i < count; i++)
        bad = vyi_quad_over(bad, &works[i].opcode, limits);
    return vyi_quad_signs(bad) == 0 && vyi_works_are_known(&q->v->opcodes, works, count);
}

VYI_STATIC_ASSERT(slot_pairs, VYRE_SLOT_TENANT % 2 == 0 && VYRE_SLOT_ARGS % 2 == 0 &&
                                  VYRE_SLOT_PRIORITY == VYRE_SLOT_TENANT + 1);

VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err)
{
    vyi_mutex *lock = &q->v->lock;
    vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().", "the device was lost; %s", what);
    if (!err || !vyi_mutex_try(lock))
        return VYRE_E_DEVICE_LOST;
    if (q->state == VYI_STATE_LOST) {
        err->native = q->loss.how.native;
        snprintf(err->text, sizeof err->text, "%s: %.120s", what, q->loss.how.text);
    }
    vyi_mutex_unlock(lock);
    return VYRE_E_DEVICE_LOST;
}

VYI_COLD
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err)
{
    if (state == VYI_STATE_LOST)
        return vyi_queue_gone(q, "nothing can be published", err);
    return vyi_fail(err, VYRE_E_STOPPED, 0, "Call vyre_start() to go on.",
                    "opcode SHUTDOWN has stopped the kernel");
}

/* From the place 12 - n on: a head of four words and n arguments that are kept, and
 * zeros. */
static const uint32_t vyi_line_keep[VYRE_SLOT_ARGS + 2 * VYRE_MAX_ARGS] = {
    ~0u, ~0u, ~0u, ~0u,
    ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};

/* Of the work's 16 words. */
static inline const uint32_t *vyi_work_keep(const vyre_work *work)
{
    return vyi_line_keep + VYRE_MAX_ARGS - work->arg_count;
}

/* Everything but STATUS.  The slot is the caller's. */
static inline void vyi_slot_fill(vyi_queue *q, const vyi_device *d, uint32_t slot,
                                 const vyre_work *work)
{
    uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;

    if (q->slots.record)
        q->slots.record[slot] = *work;
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    vyi_store_relaxed(at + VYRE_SLOT_OPCODE, vyi_le32(work->opcode));
    vyi_store_pair(at + VYRE_SLOT_TENANT, work->tenant, vyi_priority_level(work->priority));
    at += VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i += 2)
        vyi_copy_pair(at + i, work->args + i, keep + i);
}

/* Pairs with the kernel's claiming acquire. */
static inline void vyi_slot_raise(const vyi_device *d, uint32_t slot)
{
    vyi_store_release(vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS,
                      vyi_le32(VYRE_SLOT_PUBLISHED));
}

/* --- publishing: a slot as one line -------------------------------------- */

VYI_STATIC_ASSERT(slot_is_a_line, sizeof(vyi_line) == 4 * VYRE_SLOT_WORDS &&
                                      VYRE_SLOT_STATUS == 0 && VYRE_SLOT_OPCODE == 1 &&
                                      VYRE_SLOT_TENANT == 2 && VYRE_SLOT_PRIORITY == 3 &&
                                      VYRE_SLOT_ARGS == 4 && VYRE_MAX_ARGS == 12);

static inline vyi_quad vyi_line_head(const vyre_work *work)
{
    return vyi_quad_of(VYRE_SLOT_PUBLISHED, work->opcode, work->tenant,
                       vyi_priority_level(work->priority));
}

static inline void vyi_line_compose(vyi_line *line, const vyre_work *work)
{
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;
    line->quads[0] = vyi_line_head(work);
    line->quads[1] = vyi_quad_keep(work->args, keep);
    line->quads[2] = vyi_quad_keep(work->args + 4, keep + 4);
    line->quads[3] = vyi_quad_keep(work->args + 8, keep + 8);
}

/* Composed before the first of them is stored: a store of a line waits for its
 * words, and what is composed behind it would wait for the store. */
#define VYI_LINES_AT_ONCE 8u

/* Works into lines; line i goes to slots[i] of the ring, or without `slots` to the
 * i-th from its beginning. */
static inline void vyi_lines_store_narrow(uint32_t *ring, const uint32_t *slots,
                                          const vyre_work *works, uint32_t count)
{
    vyi_line lines[VYI_LINES_AT_ONCE];
    for (uint32_t from = 0; from < count; from += VYI_LINES_AT_ONCE) {
        const uint32_t rest = count - from;
        const uint32_t n = rest < VYI_LINES_AT_ONCE ? rest : VYI_LINES_AT_ONCE;
        for (uint32_t i = 0; i < n; i++)
            vyi_line_compose(&lines[i], &works[from + i]);
        for (uint32_t i = 0; i < n; i++)
            vyi_store_line(ring + (size_t)(slots ? slots[from + i] : from + i) * VYRE_SLOT_WORDS,
                           &lines[i]);
    }
}

#if VYI_WIDE
VYI_STATIC_ASSERT(work_is_a_line, offsetof(vyre_work, args) == 4 * VYRE_SLOT_ARGS &&
                                      sizeof(vyre_work) == sizeof(vyi_line));

VYI_WIDE_FN
static inline void vyi_line_compose_wide(vyi_line *line, const vyre_work *work)
{
    vyi_wide_compose(line, vyi_line_head(work), &work->opcode, vyi_work_keep(work));
}

VYI_WIDE_FN
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_line line VYI_LINE_ALIGNED;
    for (uint32_t i = 0; i < count; i++) {
        vyi_line_compose_wide(&line, &works[i]);
        vyi_store_line(ring + (size_t)(slots ? slots[i] : i) * VYRE_SLOT_WORDS, &line);
    }
    vyi_wide_end();
}
#else
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_lines_store_narrow(ring, slots, works, count);
}
#endif

static inline void vyi_lines_store(const vyi_queue *q, uint32_t *ring, const uint32_t *slots,
                                   const vyre_work *works, uint32_t count)
{
    if (q->wide)
        vyi_lines_store_wide(ring, slots, works, count);
    else
        vyi_lines_store_narrow(ring, slots, works, count);
}

/* Publishes into slots of the caller's.  What must come before their lines,
 * the cleared mirror words and the program's own data in its buffers, is behind
 * a fence.  A seat's words are behind one already.  A lone thread cleared them
 * when it saw the last end, and mostly a fence has been made since: where the
 * program has no buffers, that will do. */
static inline void vyi_slots_store_lines(vyi_queue *q, const vyi_device *d, vyi_way way,
                                         const uint32_t *slots, const vyre_work *works,
                                         uint32_t count)
{
    uint32_t *mirror = vyi_device_words(d, q->slots.mirror);
    bool fence = way == VYI_WAY_SHARED || q->v->buffers.user_count != 0;
    for (uint32_t i = 0; i < count && q->slots.record; i++)
        q->slots.record[slots[i]] = works[i];
    for (uint32_t i = 0; i < count && way == VYI_WAY_SHARED; i++)
        vyi_store_release(mirror + slots[i], 0);
    for (uint32_t i = 0; i < count && way == VYI_WAY_ALONE; i++)
        fence |= q->lone.cleared[slots[i]] == q->lone.fences;
    if (fence)
        vyi_fence_stores();
    if (fence && way == VYI_WAY_ALONE)
        q->lone.fences++;
    vyi_lines_store(q, vyi_device_words(d, VYI_ROLE_RING), slots, works, count);
}

/* --- publishing, one slot or many ---------------------------------------- */

VYI_API void vyi_slot_write(vyi_queue *q, vyi_device *d, uint32_t slot, const vyre_work *work)
{
    vyi_slot_fill(q, d, slot, work);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_slot_raise(d, slot);
    if (d->write_combined)
        vyi_fence_stores();
}

static vyre_status vyi_queue_full(const vyi_queue *q, vyre_error *err)
{
    return vyi_news(err, VYRE_FULL, q->slots.lanes,
                    "Poll or wait for a ticket and publish again, or use more slots.",
                    "no slot is free");
}

/* A lone thread's: those of the next places that are FREE, as far as they follow
 * each other.  Their marks stay FREE until they are FLIGHT: whoever takes slots,
 * or asks for one, enters first, and so waits until the lone thread is outside;
 * and whoever only looks (vyi_queue_pending, a drain) passes over BUSY and FREE
 * alike. */
static inline uint32_t vyi_lone_claim(const vyi_queue *q, vyi_partition *part, uint32_t *slots,
                                      uint32_t *marks, uint32_t count)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place, n = 0;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    for (; n < most; n++) {
        const uint32_t slot = part->first + place + n;
        const uint32_t mark = vyi_load_relaxed(&q->slots.marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_FREE)
            break;
        slots[n] = slot;
        marks[n] = vyi_mark_next(mark);
    }
    vyi_store_relaxed(&part->cursor, turn + n);
    return n;
}

/* Four marks at a time, of a lone thread's slots that follow each other. */
static inline bool vyi_marks_by_four(const uint32_t *marks, uint32_t count)
{
    return VYI_QUADS && count >= 4 && ((uintptr_t)marks & 15u) == 0;
}

#if VYI_QUADS
static inline vyi_quad vyi_quad_all(uint32_t word)
{
    return vyi_quad_of(word, word, word, word);
}

static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    const vyi_quad phases = vyi_quad_load(marks) & vyi_quad_all(VYI_PHASE_MASK);
    return vyi_quad_signs((vyi_quad)(phases == vyi_quad_all(VYI_PHASE_FREE))) == 0xfu;
}

/* Whether one of four mirror words was cleared behind the last fence. */
static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    const vyi_quad since = *(const vyi_quad *)cleared;
    return vyi_quad_signs((vyi_quad)(since == vyi_quad_all(fences))) != 0;
}

/* FREE to FLIGHT, with the next generation; the last of the four. */
static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    const vyi_quad one = vyi_quad_all(1u << VYI_GENERATION_BIT);
    const vyi_quad generation = vyi_quad_all(VYI_GENERATION_MASK << VYI_GENERATION_BIT);
    vyi_quad next = vyi_quad_load(marks) + one;
    next += (vyi_quad)((next & generation) == vyi_quad_all(0)) & one; /* 0 is none */
    next = (next & vyi_quad_all(~VYI_PHASE_MASK)) | vyi_quad_all(VYI_PHASE_FLIGHT);
    vyi_quad_store(marks, next);
    return next[3];
}
#else
static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    (void)marks;
    return false;
}

static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    (void)cleared, (void)fences;
    return true;
}

static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    return *marks;
}
#endif

/* How many of a lone thread's next slots are FREE, and whether a fence must stand
 * before their lines (vyi_slots_store_lines). */
VYI_INLINE
static inline uint32_t vyi_lone_free(const vyi_queue *q, uint32_t first, uint32_t count,
                                     bool *fence)
{
    const uint32_t *marks = q->slots.marks + first, *cleared = q->lone.cleared + first;
    const uint32_t fences = q->lone.fences;
    bool behind = false;
    uint32_t n = 0;
    while (n < count) {
        if (vyi_marks_by_four(marks + n, count - n) && vyi_marks_are_free(marks + n)) {
            behind |= vyi_cleared_behind(cleared + n, fences);
            n += 4;
            continue;
        }
        if (vyi_mark_phase(vyi_load_relaxed(&marks[n])) != VYI_PHASE_FREE)
            break;
        behind |= cleared[n++] == fences;
    }
    *fence = behind || q->v->buffers.user_count != 0;
    return n;
}

/* They are FLIGHT; the last one's mark. */
VYI_INLINE
static inline uint32_t vyi_lone_fly(vyi_queue *q, uint32_t first, uint32_t count)
{
    uint32_t *marks = q->slots.marks + first, mark = 0;
    for (uint32_t n = 0; n < count;) {
        if (vyi_marks_by_four(marks + n, count - n)) {
            mark = vyi_marks_fly(marks + n);
            n += 4;
            continue;
        }
        mark = vyi_mark_with(vyi_mark_next(vyi_load_relaxed(&marks[n])), VYI_PHASE_FLIGHT);
        vyi_store_release(&marks[n++], mark);
    }
    return mark;
}

/* A lone thread's lines, into the FREE slots that follow each other at the
 * partition's cursor, as vyi_lone_claim finds them; how many, the last one's
 * ticket. */
VYI_INLINE
static inline uint32_t vyi_lone_lines(vyi_queue *q, const vyi_device *d, vyi_partition *part,
                                      const vyre_work *works, uint32_t count, vyre_ticket *last)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place;
    bool fence;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    const uint32_t first = part->first + place, n = vyi_lone_free(q, first, most, &fence);
    if (n == 0)
        return 0;
    vyi_store_relaxed(&part->cursor, turn + n);
    if (q->slots.record)
        memcpy(q->slots.record + first, works, n * sizeof *works);
    if (fence) {
        vyi_fence_stores();
        q->lone.fences++;
    }
    vyi_lines_store(q, vyi_device_words(d, VYI_ROLE_RING) + (size_t)first * VYRE_SLOT_WORDS, NULL,
                    works, n);
    *last = vyi_ticket_of(first + n - 1, vyi_lone_fly(q, first, n));
    return n;
}

/* Into a slot that is taken for it, in whatever way; false: none is free. */
static bool vyi_work_publish(vyi_queue *q, bool alone, const vyre_work *work, vyre_ticket *ticket)
{
    uint32_t slot = 0, mark;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    if (!alone || !vyi_lone_claim(q, vyi_partition_of(q, work->priority), &slot, &mark, 1))
        mark = vyi_work_claim(q, &way, true, work, &slot);
    vyi_device *d = vyi_queue_device(q); /* a recovery may have replaced it before the claim */
    if (!mark)
        return false;
    if (d->whole_lines)
        vyi_slots_store_lines(q, d, way, &slot, work, 1);
    else
        vyi_slot_write(q, d, slot, work);
    vyi_store_release(&q->slots.marks[slot], vyi_mark_with(mark, VYI_PHASE_FLIGHT));
    *ticket = vyi_ticket_of(slot, mark);
    return true;
}

/* Whether the work in the slot before is under way. */
static inline bool vyi_slot_before_is_busy(const vyi_queue *q, uint32_t slot)
{
    const uint32_t before = (slot ? slot : q->slots.lanes) - 1;
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    return vyi_mark_phase(vyi_load_relaxed(&q->slots.marks[before])) == VYI_PHASE_FLIGHT &&
           vyi_load_relaxed(&mirror[before]) == 0;
}

/* A nudge asks for the time, which costs more than a publish.  So two make one: who
 * passes one slot in many; and, where a kernel lives, whoever comes behind a work
 * that has ended, for the leases may have run out since.  After a look they last
 * for longer than works stay close behind each other (vyi_chain_cadence). */
static inline void vyi_publish_nudge(vyi_queue *q, uint32_t first, uint32_t last, uint32_t count)
{
    if ((last & q->look_mask) < count || (!vyi_slot_before_is_busy(q, first) && q->lives))
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
}

VYI_OUTLINE /* inlined, gcc 12 takes a ticket for uninitialised that only success gives */
static vyre_status vyi_publish_work(vyre *v, const vyre_work *work, vyre_ticket *t,
                                    vyre_error *err)
{
    vyi_queue *q = &v->queue;
    vyre_status status = VYRE_OK;
    if (!vyi_work_is_plain(q, work))
        status = vyi_engine_check(v, work, err);
    if (status == VYRE_OK)
        status = vyi_queue_takes_work(q, err);
    if (status != VYRE_OK)
        return status;

    if (q->wides.count && vyi_wide_find(q, work->opcode))
        return vyi_wide_publish(q, work, t, err);
    const bool alone = vyi_alone_enter(q);
    const vyi_device *d = vyi_queue_device(q);
    const bool published =
        (alone && d->whole_lines &&
         vyi_lone_lines(q, d, vyi_partition_of(q, work->priority), work, 1, t)) ||
        vyi_work_publish(q, alone, work, t);
    vyi_alone_leave(q, alone);
    if (!published) {
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
        return vyi_queue_full(q, err);
    }
    vyi_queue_wake(q);
    vyi_publish_nudge(q, t->slot, t->slot, 1);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err)
{
    if (!v || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a work.",
                        "%s is NULL", v ? "work" : "the handle");
    vyre_ticket unasked, *t = ticket ? ticket : &unasked;
    const vyre_status status = vyi_publish_work(v, work, t, err);
    if (status == VYRE_OK)
        vyi_tell_published(v, work, *t);
    return status;
}

/* One by one, where somebody is told of each. */
static uint32_t vyi_publish_told(vyre *v, const vyre_work *works, uint32_t count, vyre_ticket *last,
                                 vyre_error *err)
{
    uint32_t done = 0;
    while (done < count && vyre_publish(v, &works[done], last, err) == VYRE_OK)
        done++;
    return done;
}

/* Slots for the first of `count` works (VYI_BATCH at most), as many as there are,
 * at least one unless the ring is full. */
static void vyi_batch_claim(vyi_queue *q, vyi_way *way, vyi_batch *b, const vyre_work *works,
                            uint32_t count)
{
    const bool alone = *way == VYI_WAY_ALONE;
    b->count = 0;
    if (q->slots.partition_count == 1 && alone)
        b->count = vyi_lone_claim(q, &q->slots.partitions[0], b->slots, b->marks, count);
    if (b->count)
        return;
    if (q->slots.partition_count == 1 && count > 1) {
        if (!alone)
            vyi_seat_empty(q, b, count);
        if (b->count < count && !alone)
            *way = VYI_WAY_SHARED;
        if (b->count < count)
            vyi_batch_claim_run(q, alone, &q->slots.partitions[0], b, count - b->count);
    }
    while (b->count < count && (b->count == 0 || q->slots.partition_count > 1)) {
        uint32_t slot = 0;
        const uint32_t mark = vyi_work_claim(q, way, b->count == 0, &works[b->count], &slot);
        if (!mark)
            break;
        vyi_batch_add(b, slot, mark);
    }
}

/* One fence for all: a fence waits for the bus. */
static void vyi_batch_raise(const vyi_device *d, const vyi_batch *b)
{
    vyi_fence_stores();
    for (uint32_t i = 0; i < b->count; i++)
        vyi_slot_raise(d, b->slots[i]);
    vyi_fence_stores();
}

static void vyi_batch_write(vyi_queue *q, vyi_device *d, const vyi_batch *b, const vyre_work *works)
{
    for (uint32_t i = 0; i < b->count; i++) {
        vyi_slot_fill(q, d, b->slots[i], &works[i]);
        if (!d->write_combined)
            vyi_slot_raise(d, b->slots[i]);
    }
    if (d->write_combined)
        vyi_batch_raise(d, b);
}

/* Into whatever slots there are; how many, the first one, the last one's ticket. */
static uint32_t vyi_batch_publish(vyi_queue *q, bool alone, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    vyi_batch b;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    vyi_batch_claim(q, &way, &b, works, count);
    const uint32_t n = b.count;
    vyi_device *d = vyi_queue_device(q);
    if (n == 0)
        return 0;
    if (d->whole_lines)
        vyi_slots_store_lines(q, d, way, b.slots, works, n);
    else
        vyi_batch_write(q, d, &b, works);
    for (uint32_t i = 0; i < n; i++)
        vyi_store_release(&q->slots.marks[b.slots[i]], vyi_mark_with(b.marks[i], VYI_PHASE_FLIGHT));
    *first = b.slots[0];
    *last = vyi_ticket_of(b.slots[n - 1], b.marks[n - 1]);
    return n;
}

/* Publishes the first works of `count`, at most VYI_BATCH; how many it were, the
 * first one's slot and the last one's ticket. */
static uint32_t vyi_publish_batch(vyi_queue *q, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    const bool alone = vyi_alone_enter(q);
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t most = count < VYI_BATCH ? count : VYI_BATCH;
    uint32_t n = 0;
    if (alone && d->whole_lines && q->slots.partition_count == 1)
        n = vyi_lone_lines(q, d, &q->slots.partitions[0], works, most, last);
    if (n)
        *first = last->slot + 1 - n;
    else
        n = vyi_batch_publish(q, alone, works, most, first, last);
    vyi_alone_leave(q, alone);
    if (n)
        vyi_queue_wake(q);
    return n;
}

/* How many of the works come before one that is wide. */
static uint32_t vyi_works_of_lanes(const vyi_queue *q, const vyre_work *works, uint32_t count)
{
    uint32_t n = q->wides.count ? 0 : count;
    while (n < count && !vyi_wide_find(q, works[n].opcode))
        n++;
    return n;
}

VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    vyi_queue *q = &v->queue;
    vyre_status status = vyi_queue_takes_work(q, err);
    const bool plain = vyi_works_are_plain(q, works, count);
    for (uint32_t i = 0; i < count && status == VYRE_OK && !plain; i++)
        status = vyi_engine_check(v, &works[i], err);
    if (status != VYRE_OK)
        return status;

    uint32_t done = 0, first = 0;
    vyre_ticket unasked, *t = last ? last : &unasked;
    if (vyi_tells(v)) {
        done = vyi_publish_told(v, works, count, t, err);
        first = done ? t->slot : 0;
    }
    while (done < count && !vyi_tells(v)) {
        uint32_t from = 0, n = vyi_works_of_lanes(q, works + done, count - done);
        if (n)
            n = vyi_publish_batch(q, works + done, n, &from, t);
        else if (vyi_wide_publish(q, works + done, t, err) == VYRE_OK)
            n = 1;
        if (n == 0)
            break;
        first = done ? first : from;
        done += n;
    }
    /* A batch is worth a pass of a kernel that does not stay. */
    if (done < count || !q->lives)
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    else if (count)
        vyi_publish_nudge(q, first, t->slot, count);
    if (published)
        *published = done;
    return done == count ? VYRE_OK : vyi_queue_full(q, err);
}

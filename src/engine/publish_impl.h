/* ==========================================================================
 * engine, private: works as lines of the ring
 *
 * Inline, for who publishes; others call vyi_slots_write.
 * ======================================================================= */
#ifndef VYI_PUBLISH_IMPL_H
#define VYI_PUBLISH_IMPL_H

#include "base/line_impl.h"
#include "engine/engine_slots_impl.h"

VYI_EXTERN_C_BEGIN

VYI_STATIC_ASSERT(slot_is_a_line, VYI_LINE_WORDS == VYRE_SLOT_WORDS && VYRE_SLOT_STATUS == 0);

/* From the place 12 - n on: n arguments that are kept, and zeros. */
static const uint32_t vyi_line_keep[2 * VYRE_MAX_ARGS] = {
    ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};

/* A loop of four becomes one instruction, one of twelve stays a loop. */
static inline void vyi_line_four(uint32_t *to, const uint32_t *from, const uint32_t *keep)
{
    for (uint32_t i = 0; i < 4; i++)
        to[i] = from[i] & keep[i];
}

static inline void vyi_line_compose(vyi_line *line, const vyre_work *work)
{
    VYRE_ASSERT(work->arg_count <= VYRE_MAX_ARGS);
    const uint32_t *keep = vyi_line_keep + VYRE_MAX_ARGS - work->arg_count;
    line->words[VYRE_SLOT_STATUS] = VYRE_SLOT_PUBLISHED;
    line->words[VYRE_SLOT_OPCODE] = work->opcode;
    line->words[VYRE_SLOT_TENANT] = work->tenant;
    line->words[VYRE_SLOT_PRIORITY] = vyi_priority_level(work->priority);
    vyi_line_four(line->words + VYRE_SLOT_ARGS, work->args, keep);
    vyi_line_four(line->words + VYRE_SLOT_ARGS + 4, work->args + 4, keep + 4);
    vyi_line_four(line->words + VYRE_SLOT_ARGS + 8, work->args + 8, keep + 8);
}

/* What a kernel with order, or one that is checked, finds in a slot beyond that. */
static inline void vyi_lines_extend(const vyi_queue *q, uint32_t slot, const vyre_work *works,
                             vyi_line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lines[i].words[VYRE_SLOT_PRIORITY] |= vyi_order_bits(q, slot + i);
        if (q->slots.extras & VYI_EXTRA_CHECKED)
            lines[i].words[VYRE_SLOT_TENANT] |= (works[i].arg_count + 1) << VYI_CHECKED_COUNT;
    }
}

/* Composed before the first of them is stored: a direct store takes its words from
 * memory, and what is composed behind it would wait for it. */
#define VYI_LINES_AT_ONCE 16u

VYI_INLINE
static inline void vyi_slots_store(const vyi_queue *q, const vyi_device *d, uint32_t slot,
                                 const vyre_work *works, uint32_t count)
{
    VYRE_ASSERT(slot < q->slots.count && count <= q->slots.count - slot);
    vyi_line lines[VYI_LINES_AT_ONCE];
    uint32_t *ring = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    for (uint32_t from = 0; from < count; from += VYI_LINES_AT_ONCE) {
        const uint32_t rest = count - from;
        const uint32_t n = rest < VYI_LINES_AT_ONCE ? rest : VYI_LINES_AT_ONCE;
        for (uint32_t i = 0; i < n; i++)
            vyi_line_compose(&lines[i], &works[from + i]);
        if (q->slots.extras & VYI_EXTRAS_IN_LINE)
            vyi_lines_extend(q, slot + from, works + from, lines, n);
        d->store(ring + (size_t)from * VYRE_SLOT_WORDS, lines, n);
    }
}

VYI_EXTERN_C_END

#endif

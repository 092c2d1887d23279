/* ==========================================================================
 * fuse: a set without conflicts
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#ifndef VYRE_NO_FUSE

/* An item as it is sorted. */
typedef struct vyi_candidate {
    uint64_t cost; /* whose order as a number is the double's total order */
    uint32_t degree, index;
} vyi_candidate;

static uint64_t vyi_select_cost(double cost)
{
    uint64_t bits;
    memcpy(&bits, &cost, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static bool vyi_select_before(const vyi_candidate *a, const vyi_candidate *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    return a->degree != b->degree ? a->degree < b->degree : a->index < b->index;
}

/* Moves item `at` down to where it belongs in a heap with the last one on top. */
static void vyi_select_sift(vyi_candidate *items, uint32_t count, uint32_t at)
{
    const vyi_candidate moved = items[at];
    for (uint64_t child = 2 * (uint64_t)at + 1; child < count; child = 2 * (uint64_t)at + 1) {
        if (child + 1 < count && vyi_select_before(&items[child], &items[child + 1]))
            child++;
        if (!vyi_select_before(&moved, &items[child]))
            break;
        items[at] = items[child];
        at = (uint32_t)child;
    }
    items[at] = moved;
}

static void vyi_select_sort(vyi_candidate *items, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        vyi_select_sift(items, count, i);
    for (uint32_t last = count; last-- > 1;) {
        const vyi_candidate top = items[0];
        items[0] = items[last];
        items[last] = top;
        vyi_select_sift(items, last, 0);
    }
}

static bool vyi_select_conflict(const vyre_select_desc *d, uint32_t i, uint32_t j)
{
    return i != j && (d->conflicts[(size_t)i * d->count + j] ||
                      d->conflicts[(size_t)j * d->count + i]);
}

/* The living, in order; returns their number. */
static uint32_t vyi_select_order(const vyre_select_desc *d, vyi_candidate *items)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->dead && d->dead[i])
            continue;
        vyi_candidate *item = &items[living++];
        item->cost = d->costs ? vyi_select_cost(d->costs[i]) : 0;
        item->index = i;
        item->degree = 0;
        for (uint32_t j = 0; d->conflicts && j < d->count; j++)
            item->degree += !(d->dead && d->dead[j]) && vyi_select_conflict(d, i, j);
    }
    vyi_select_sort(items, living);
    return living;
}

/* Those that are taken stand at the front of `items`; returns their number. */
static uint32_t vyi_select_take(const vyre_select_desc *d, vyi_candidate *items, uint32_t living)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < living; i++) {
        bool free = true;
        for (uint32_t j = 0; d->conflicts && free && j < taken; j++)
            free = !vyi_select_conflict(d, items[i].index, items[j].index);
        if (free)
            items[taken++] = items[i];
    }
    return taken;
}

VYRE_API vyre_status vyre_select(const vyre_select_desc *desc, uint32_t *keep, uint32_t *kept,
                                 vyre_error *err)
{
    size_t size = 0;
    void *memory = NULL;
    if (!desc || (desc->count && !keep))
        return vyi_fuse_null(desc ? "keep" : "the desc", err);
    if (!vyi_size_mul(desc->count, desc->count, &size) ||
        !vyi_size_mul(size, sizeof *desc->conflicts, &size))
        return vyi_fail(err, VYRE_E_OVF, desc->count, "Select among fewer at a time.",
                        "a matrix of %u * %u words cannot be addressed", (unsigned)desc->count,
                        (unsigned)desc->count);

    vyi_arena arena = vyi_fuse_arena(&desc->allocator);
    const vyre_status status = vyi_fuse_alloc(&arena, desc->count, sizeof(vyi_candidate), &memory,
                                              err);
    if (status == VYRE_OK) {
        vyi_candidate *items = (vyi_candidate *)memory;
        const uint32_t living = vyi_select_order(desc, items);
        const uint32_t taken = vyi_select_take(desc, items, living);
        for (uint32_t i = 0; i < desc->count; i++)
            keep[i] = 0;
        for (uint32_t i = 0; i < taken; i++)
            keep[items[i].index] = 1;
        if (kept)
            *kept = taken;
    }
    vyi_arena_free(&arena);
    return status;
}

#endif /* VYRE_NO_FUSE */

/* ==========================================================================
 * scan: classes of bytes, and the synchronisation distance
 *
 * Two runs of a DFA that read the same bytes are a pair of states {a, b}; they
 * have come together when a = b.  The distance is the longest path from a pair
 * {0, b}, b reachable, to a = b; for pairs without state 0 it is no longer, for
 * both of their states come together with 0.  A cycle means that there is none.
 * ======================================================================= */
#include "rooms/scan/scan_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_DFA_PAIRS     1000000u    /* the standard budget */
#define VYI_DFA_DONE      0xffffffffu /* in vyi_dfa_pair.next */
#define VYI_DFA_MAX_PAIRS 0x40000000u /* of any: a table twice as large has 32-bit indices */

/* --- classes -------------------------------------------------------------- */

/* Bytes of one class that part in this row.  Those that go where its first byte goes
 * stay in it; of the others, those that go together make a new class. */
static uint32_t vyi_dfa_part(const uint32_t *row, uint32_t map[256], uint32_t first[256],
                             uint32_t classes)
{
    uint32_t from[VYI_SCAN_BYTES]; /* of each new class: the class it was in */
    const uint32_t before = classes;
    for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++) {
        const uint32_t old = map[byte];
        uint32_t c = before;
        if (row[byte] == row[first[old]])
            continue;
        while (c < classes && (from[c] != old || row[first[c]] != row[byte]))
            c++;
        if (c == classes) {
            from[c] = old;
            first[c] = byte;
            classes++;
        }
        map[byte] = c;
    }
    return classes;
}

VYRE_API uint32_t vyre_dfa_classes(const uint32_t *transitions, uint32_t states,
                                   uint32_t map[256])
{
    uint32_t first[VYI_SCAN_BYTES], number[VYI_SCAN_BYTES], classes = 1, named = 0;
    if (!map || (states && !transitions))
        return 0;
    first[0] = 0;
    memset(map, 0, VYI_SCAN_BYTES * sizeof *map);
    for (size_t i = 0; i < states && classes < VYI_SCAN_BYTES; i++)
        classes = vyi_dfa_part(transitions + i * VYI_SCAN_BYTES, map, first, classes);
    for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++) {
        if (first[map[byte]] == byte)
            number[map[byte]] = named++;
        map[byte] = number[map[byte]];
    }
    return classes;
}

/* --- pairs ---------------------------------------------------------------- */

typedef struct vyi_dfa_pair {
    uint32_t a, b;   /* a < b */
    uint32_t parent; /* the pair that led here, VYI_SCAN_NONE for the first */
    uint32_t depth;  /* longest path to the diagonal among the classes seen so far */
    uint32_t next;   /* the class to look at next, or VYI_DFA_DONE */
} vyi_dfa_pair;

typedef struct vyi_dfa {
    const uint32_t *transitions;
    const vyre_allocator *allocator;
    vyre_error     *err;
    vyi_dfa_pair   *pairs;
    uint32_t       *table; /* of indices into pairs; at least half of it is VYI_SCAN_NONE */
    uint32_t states, budget, count, capacity, table_size, classes;
    uint8_t  bytes[VYI_SCAN_BYTES]; /* one of each class */
} vyi_dfa;

static uint32_t vyi_dfa_step(const vyi_dfa *d, uint32_t state, uint32_t byte)
{
    const uint32_t target = d->transitions[(size_t)state * VYI_SCAN_BYTES + byte];
    return target < d->states ? target : 0;
}

/* Where {a, b} is, or would be put, in the table. */
static uint32_t *vyi_dfa_place(const vyi_dfa *d, uint32_t a, uint32_t b)
{
    uint32_t at = vyi_mix(vyi_mix(0, a), b) & (d->table_size - 1);
    for (; d->table[at] != VYI_SCAN_NONE; at = (at + 1) & (d->table_size - 1)) {
        const vyi_dfa_pair *pair = &d->pairs[d->table[at]];
        if (pair->a == a && pair->b == b)
            break;
    }
    return &d->table[at];
}

/* Doubles the table. */
static vyre_status vyi_dfa_rehash(vyi_dfa *d)
{
    const uint32_t size = d->table_size ? 2 * d->table_size : 64;
    uint32_t *table = NULL;
    const vyre_status status = vyi_scan_words(d->allocator, size, &table, d->err);
    if (status < 0)
        return status;
    memset(table, 0xff, size * sizeof *table);
    vyi_scan_drop(d->allocator, d->table, d->table_size);
    d->table = table;
    d->table_size = size;
    for (uint32_t i = 0; i < d->count; i++)
        *vyi_dfa_place(d, d->pairs[i].a, d->pairs[i].b) = i;
    return VYRE_OK;
}

/* Room for a pair more in both arrays. */
static vyre_status vyi_dfa_room(vyi_dfa *d)
{
    if (d->count >= d->budget)
        return vyi_fail(d->err, VYRE_E_SCAN_BUDGET, d->count,
                        "Pass a greater pair_budget, or scan each file as one segment.",
                        "%u pairs of the %u states were met, and there are more",
                        (unsigned)d->count, (unsigned)d->states);
    void *pairs = d->pairs;
    if (!vyi_grow(d->allocator, &pairs, &d->capacity, d->count + 1, sizeof *d->pairs))
        return vyi_fail_nomem(d->err, ((size_t)d->count + 1) * sizeof *d->pairs);
    d->pairs = (vyi_dfa_pair *)pairs;
    return d->table_size / 2 > d->count ? VYRE_OK : vyi_dfa_rehash(d);
}

/* *out is the index of {a, b}, which differ, and *met whether it was there. */
static vyre_status vyi_dfa_meet(vyi_dfa *d, uint32_t a, uint32_t b, uint32_t parent,
                                uint32_t *out, bool *met)
{
    const uint32_t low = a < b ? a : b, high = a < b ? b : a;
    *met = d->count && *vyi_dfa_place(d, low, high) != VYI_SCAN_NONE;
    if (!*met) {
        const vyre_status status = vyi_dfa_room(d);
        if (status < 0)
            return status;
        vyi_dfa_pair *pair = &d->pairs[d->count];
        pair->a = low;
        pair->b = high;
        pair->parent = parent;
        pair->depth = 1;
        pair->next = 0;
        *vyi_dfa_place(d, low, high) = d->count++;
    }
    *out = *vyi_dfa_place(d, low, high);
    return VYRE_OK;
}

static vyre_status vyi_dfa_cycle(const vyi_dfa *d, const vyi_dfa_pair *pair)
{
    return vyi_fail(d->err, VYRE_E_SCAN_UNBOUNDED, pair->b,
                    "Scan each file as one segment with this DFA.",
                    "states %u and %u can stay apart for any number of bytes", (unsigned)pair->a,
                    (unsigned)pair->b);
}

/* Pair `at` has looked at all classes; returns its parent. */
static uint32_t vyi_dfa_leave(vyi_dfa *d, uint32_t at)
{
    vyi_dfa_pair *pair = &d->pairs[at];
    pair->next = VYI_DFA_DONE;
    if (pair->parent != VYI_SCAN_NONE && d->pairs[pair->parent].depth <= pair->depth)
        d->pairs[pair->parent].depth = pair->depth + 1;
    return pair->parent;
}

/* Looks at the next class of pair *at, which becomes a pair met there for the
 * first time, or stays. */
static vyre_status vyi_dfa_advance(vyi_dfa *d, uint32_t *at)
{
    vyi_dfa_pair *pair = &d->pairs[*at];
    const uint32_t byte = d->bytes[pair->next++];
    const uint32_t a = vyi_dfa_step(d, pair->a, byte), b = vyi_dfa_step(d, pair->b, byte);
    uint32_t child = 0;
    bool met = false;
    if (a == b)
        return VYRE_OK;
    const vyre_status status = vyi_dfa_meet(d, a, b, *at, &child, &met);
    if (status < 0)
        return status;
    if (!met) {
        *at = child; /* `pair` may have moved */
        return VYRE_OK;
    }
    if (d->pairs[child].next != VYI_DFA_DONE)
        return vyi_dfa_cycle(d, &d->pairs[child]);
    if (pair->depth <= d->pairs[child].depth)
        pair->depth = d->pairs[child].depth + 1;
    return VYRE_OK;
}

/* The pair {0, b} and all that it leads to; *longest grows to the path from it. */
static vyre_status vyi_dfa_descend(vyi_dfa *d, uint32_t b, uint32_t *longest)
{
    uint32_t first = 0, at;
    bool met = false;
    vyre_status status = vyi_dfa_meet(d, 0, b, VYI_SCAN_NONE, &first, &met);
    if (status < 0)
        return status;
    for (at = met ? VYI_SCAN_NONE : first; at != VYI_SCAN_NONE;) {
        if (d->pairs[at].next == d->classes)
            at = vyi_dfa_leave(d, at);
        else if ((status = vyi_dfa_advance(d, &at)) < 0)
            return status;
    }
    if (*longest < d->pairs[first].depth)
        *longest = d->pairs[first].depth;
    return VYRE_OK;
}

/* --- the distance --------------------------------------------------------- */

/* Puts the states that 0 leads to into `list`, 0 first; returns how many. */
static uint32_t vyi_dfa_reachable(const vyi_dfa *d, uint32_t *list, uint8_t *seen)
{
    uint32_t count = 1;
    list[0] = 0;
    seen[0] = 1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < d->classes; c++) {
            const uint32_t target = vyi_dfa_step(d, list[i], d->bytes[c]);
            if (!seen[target])
                list[count++] = target;
            seen[target] = 1;
        }
    }
    return count;
}

static void vyi_dfa_begin(vyi_dfa *d, const uint32_t *transitions, uint32_t states,
                          uint32_t budget)
{
    uint32_t map[VYI_SCAN_BYTES];
    d->transitions = transitions;
    d->states = states;
    d->budget = budget ? budget : VYI_DFA_PAIRS;
    if (d->budget > VYI_DFA_MAX_PAIRS)
        d->budget = VYI_DFA_MAX_PAIRS;
    d->classes = vyre_dfa_classes(transitions, states, map);
    for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++)
        d->bytes[map[byte]] = (uint8_t)byte;
}

/* `arena` holds what depends on the number of states alone. */
static vyre_status vyi_dfa_search(vyi_dfa *d, vyi_arena *arena, uint32_t *longest)
{
    const size_t size = (size_t)d->states * (sizeof(uint32_t) + 1);
    uint32_t *list = (uint32_t *)vyi_arena_alloc(arena, size);
    if (!list)
        return vyi_fail_nomem(d->err, size);
    const uint32_t count = vyi_dfa_reachable(d, list, (uint8_t *)(list + d->states));
    for (uint32_t i = 1; i < count; i++) {
        const vyre_status status = vyi_dfa_descend(d, list[i], longest);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_dfa_distance(const uint32_t *transitions, uint32_t states,
                                       uint32_t pair_budget, const vyre_allocator *allocator,
                                       uint32_t *out, vyre_error *err)
{
    vyi_dfa d;
    vyi_arena arena;
    uint32_t longest = 0;
    if (!out || (states > 1 && !transitions))
        return vyi_scan_argument(out ? "the table of transitions" : "the distance", err);
    memset(&d, 0, sizeof d);
    memset(&arena, 0, sizeof arena);
    if (allocator)
        arena.allocator = *allocator;
    d.allocator = allocator;
    d.err = err;
    vyre_status status = VYRE_OK;
    if (states > 1) {
        vyi_dfa_begin(&d, transitions, states, pair_budget);
        status = vyi_dfa_search(&d, &arena, &longest);
    }
    vyi_arena_free(&arena);
    vyi_scan_drop(allocator, d.table, d.table_size);
    if (d.pairs)
        vyi_free(allocator, d.pairs, d.capacity * sizeof *d.pairs);
    if (status == VYRE_OK)
        *out = longest;
    return status;
}

#endif /* VYRE_NO_SCAN */

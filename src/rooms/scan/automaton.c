/* ==========================================================================
 * scan: all patterns in one DFA (Aho and Corasick)
 *
 * The patterns in order of their bytes tell the number of states before any
 * table is made: each adds what it does not share with the one before it.
 * ======================================================================= */
#include "rooms/scan/scan_impl.h"

#ifndef VYRE_NO_SCAN

typedef struct vyi_automaton {
    const vyre_pattern *patterns;
    uint32_t *ends;     /* the state in which each pattern ends; before that, the order */
    uint32_t *fallback; /* of a state: that of its longest proper suffix that is one */
    uint32_t *queue;    /* the states, the shallow first */
    uint32_t *own;      /* how many patterns are the whole of a state's path */
    uint32_t  count;
} vyi_automaton;

/* --- the number of states ------------------------------------------------- */

/* Bytes that two patterns share from their beginning on. */
static uint32_t vyi_pattern_shared(const vyre_pattern *a, const vyre_pattern *b)
{
    const uint8_t *x = (const uint8_t *)a->bytes, *y = (const uint8_t *)b->bytes;
    const uint32_t size = a->size < b->size ? a->size : b->size;
    uint32_t shared = 0;
    while (shared < size && x[shared] == y[shared])
        shared++;
    return shared;
}

static bool vyi_pattern_before(const vyre_pattern *a, const vyre_pattern *b)
{
    const int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    return order < 0 || (order == 0 && a->size < b->size);
}

/* Lets order[at] sink to its place in the heap of `count`. */
static void vyi_pattern_sink(const vyre_pattern *patterns, uint32_t *order, uint32_t at,
                             uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count &&
            vyi_pattern_before(&patterns[order[child]], &patterns[order[child + 1]]))
            child++;
        if (!vyi_pattern_before(&patterns[order[at]], &patterns[order[child]]))
            return;
        const uint32_t swapped = order[at];
        order[at] = order[child];
        order[child] = swapped;
    }
}

/* A heap sort: libc's may allocate. */
static void vyi_pattern_sort(const vyre_pattern *patterns, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count / 2; i-- > 0;)
        vyi_pattern_sink(patterns, order, i, count);
    for (uint32_t i = count; i-- > 1;) {
        const uint32_t swapped = order[0];
        order[0] = order[i];
        order[i] = swapped;
        vyi_pattern_sink(patterns, order, 0, i);
    }
}

static vyre_status vyi_automaton_count(vyi_automaton *m, uint32_t *states, vyre_error *err)
{
    uint64_t needed = 1;
    vyi_pattern_sort(m->patterns, m->ends, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        const vyre_pattern *pattern = &m->patterns[m->ends[i]];
        needed += pattern->size;
        if (i)
            needed -= vyi_pattern_shared(&m->patterns[m->ends[i - 1]], pattern);
    }
    if (needed > VYRE_SCAN_MAX_STATES)
        return vyi_fail(err, VYRE_E_SCAN_LIMIT, needed,
                        "Divide the patterns among several automata, or shorten them.",
                        "%u patterns need %llu states, %llu KiB; %u are the most",
                        (unsigned)m->count, (unsigned long long)needed,
                        (unsigned long long)needed, (unsigned)VYRE_SCAN_MAX_STATES);
    *states = (uint32_t)needed;
    return VYRE_OK;
}

/* --- states --------------------------------------------------------------- */

/* The patterns as a trie: 0 is no child, for the first state is nobody's. */
static void vyi_automaton_trie(vyi_automaton *m, vyre_automaton *out)
{
    uint32_t states = 1;
    for (uint32_t i = 0; i < m->count; i++) {
        const uint8_t *bytes = (const uint8_t *)m->patterns[i].bytes;
        uint32_t state = 0;
        for (uint32_t at = 0; at < m->patterns[i].size; at++) {
            uint32_t *cell = &out->next[(size_t)state * VYI_SCAN_BYTES + bytes[at]];
            if (*cell == 0)
                *cell = states++;
            state = *cell;
        }
        m->ends[i] = state;
        m->own[state]++;
        if (out->longest < m->patterns[i].size)
            out->longest = m->patterns[i].size;
    }
    VYRE_ASSERT(states == out->states);
}

/* Where a state has no child, it goes where its fallback goes. */
static void vyi_automaton_complete(vyi_automaton *m, vyre_automaton *out)
{
    uint32_t count = 1; /* the queue begins with state 0, whose fallback is itself */
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t state = m->queue[i];
        uint32_t *row = out->next + (size_t)state * VYI_SCAN_BYTES;
        const uint32_t *back = out->next + (size_t)m->fallback[state] * VYI_SCAN_BYTES;
        for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++) {
            if (row[byte] == 0) {
                row[byte] = back[byte];
                continue;
            }
            m->fallback[row[byte]] = state ? back[byte] : 0;
            m->queue[count++] = row[byte];
        }
    }
    VYRE_ASSERT(count == out->states);
}

/* --- records -------------------------------------------------------------- */

/* Sets output_offsets: a state has its fallback's records and its own. */
static vyre_status vyi_automaton_offsets(const vyi_automaton *m, vyre_automaton *out,
                                         vyre_error *err)
{
    uint32_t *records = out->output_offsets + 1; /* of a state, at first */
    uint64_t total = 0;
    for (uint32_t i = 1; i < out->states; i++) {
        const uint32_t state = m->queue[i];
        records[state] = records[m->fallback[state]] + m->own[state];
        total += records[state];
    }
    if (total > VYRE_SCAN_MAX_RECORDS)
        return vyi_fail(err, VYRE_E_SCAN_LIMIT, total,
                        "Divide the patterns among several automata; give equal ones once.",
                        "%u patterns end %llu times in %u states; %u are the most",
                        (unsigned)m->count, (unsigned long long)total, (unsigned)out->states,
                        (unsigned)VYRE_SCAN_MAX_RECORDS);
    for (uint32_t state = 1; state < out->states; state++)
        records[state] += records[state - 1];
    return VYRE_OK;
}

static void vyi_automaton_records(vyi_automaton *m, vyre_automaton *out)
{
    for (uint32_t i = 0; i < m->count; i++) {
        const uint32_t state = m->ends[i];
        out->outputs[out->output_offsets[state + 1] - m->own[state]] = m->patterns[i].id;
        m->own[state]--;
    }
    for (uint32_t i = 1; i < out->states; i++) {
        const uint32_t state = m->queue[i], back = m->fallback[state];
        const uint32_t first = out->output_offsets[back];
        const uint32_t count = out->output_offsets[back + 1] - first;
        if (count)
            memcpy(out->outputs + out->output_offsets[state], out->outputs + first,
                   count * sizeof *out->outputs);
    }
}

/* --- all of it ------------------------------------------------------------ */

static vyre_status vyi_automaton_zeroed(vyi_arena *arena, size_t count, uint32_t **out,
                                        vyre_error *err)
{
    *out = (uint32_t *)vyi_arena_alloc(arena, (count ? count : 1) * sizeof **out);
    return *out ? VYRE_OK : vyi_fail_nomem(err, count * sizeof **out);
}

/* What the states need while they are made, and their table. */
static vyre_status vyi_automaton_alloc(vyi_automaton *m, vyi_arena *arena, vyre_automaton *out,
                                       vyre_error *err)
{
    const size_t size = (size_t)out->states * VYI_SCAN_BYTES * sizeof *out->next;
    vyre_status status = vyi_automaton_zeroed(arena, out->states, &m->fallback, err);
    if (status == VYRE_OK)
        status = vyi_automaton_zeroed(arena, out->states, &m->queue, err);
    if (status == VYRE_OK)
        status = vyi_automaton_zeroed(arena, out->states, &m->own, err);
    if (status == VYRE_OK)
        status = vyi_scan_words(&out->allocator, (size_t)out->states + 1, &out->output_offsets,
                                err);
    if (status < 0)
        return status;
    memset(out->output_offsets, 0, ((size_t)out->states + 1) * sizeof *out->output_offsets);
    out->next = (uint32_t *)vyi_alloc_zeroed(&out->allocator, size);
    return out->next ? VYRE_OK : vyi_fail_nomem(err, size);
}

static vyre_status vyi_automaton_build(vyi_automaton *m, vyi_arena *arena, vyre_automaton *out,
                                       vyre_error *err)
{
    vyre_status status = vyi_automaton_zeroed(arena, m->count, &m->ends, err);
    if (status == VYRE_OK)
        status = vyi_automaton_count(m, &out->states, err);
    if (status == VYRE_OK)
        status = vyi_automaton_alloc(m, arena, out, err);
    if (status < 0)
        return status;
    vyi_automaton_trie(m, out);
    vyi_automaton_complete(m, out);
    status = vyi_automaton_offsets(m, out, err);
    if (status == VYRE_OK)
        status = vyi_scan_words(&out->allocator, out->output_offsets[out->states],
                                &out->outputs, err);
    if (status == VYRE_OK)
        vyi_automaton_records(m, out);
    return status;
}

VYRE_API vyre_status vyre_automaton_make(const vyre_pattern *patterns, uint32_t count,
                                         const vyre_allocator *allocator, vyre_automaton *out,
                                         vyre_error *err)
{
    vyi_automaton m;
    vyi_arena arena;
    vyre_automaton made;
    if (!out || (count && !patterns))
        return vyi_scan_argument(out ? "the array of patterns" : "the automaton", err);
    for (uint32_t i = 0; i < count; i++) {
        if (!patterns[i].bytes || patterns[i].size == 0)
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Leave it out: it would match everywhere.",
                            "pattern %u of %u is empty", (unsigned)i, (unsigned)count);
    }
    memset(&m, 0, sizeof m);
    memset(&arena, 0, sizeof arena);
    memset(&made, 0, sizeof made);
    if (allocator)
        arena.allocator = made.allocator = *allocator;
    m.patterns = patterns;
    m.count = count;
    const vyre_status status = vyi_automaton_build(&m, &arena, &made, err);
    vyi_arena_free(&arena);
    if (status == VYRE_OK)
        *out = made;
    else
        vyre_automaton_free(&made);
    return status;
}

VYRE_API void vyre_automaton_free(vyre_automaton *automaton)
{
    if (!automaton)
        return;
    const vyre_allocator allocator = automaton->allocator;
    const size_t states = automaton->states;
    if (automaton->outputs)
        vyi_scan_drop(&allocator, automaton->outputs, automaton->output_offsets[states]);
    vyi_scan_drop(&allocator, automaton->next, states * VYI_SCAN_BYTES);
    vyi_scan_drop(&allocator, automaton->output_offsets, states + 1);
    memset(automaton, 0, sizeof *automaton);
}

#endif /* VYRE_NO_SCAN */

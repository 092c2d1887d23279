/* ==========================================================================
 * scan, live: the tables that a kernel walks
 *
 * Two passes over the DFAs: what each needs, then the words.  States that cannot be
 * reached have no row.
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_DENSE 1024u /* states that may have a column for each byte */

/* --- what the caller gave ------------------------------------------------- */

static vyre_status vyi_scan_wrong(vyre_error *err, uint64_t at, const char *what)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, at,
                    "Use what vyre_automaton_make or vyre_rules_pack made, unchanged.",
                    "%s, at %llu", what, (unsigned long long)at);
}

static vyre_status vyi_scan_check_automaton(const vyre_automaton *m, vyre_error *err)
{
    if (m->states == 0 || m->states > VYRE_SCAN_MAX_STATES || !m->next || !m->output_offsets)
        return vyi_scan_wrong(err, m->states, "no automaton: its states");
    for (size_t i = 0; i < (size_t)m->states * VYI_SCAN_BYTES; i++) {
        if (m->next[i] >= m->states)
            return vyi_scan_wrong(err, i, "a target that is no state");
    }
    for (uint32_t i = 0; i < m->states; i++) {
        if (m->output_offsets[i] > m->output_offsets[i + 1])
            return vyi_scan_wrong(err, i, "records that end before they begin");
    }
    if (m->output_offsets[m->states] && !m->outputs)
        return vyi_scan_wrong(err, 0, "no records");
    return VYRE_OK;
}

static vyre_status vyi_scan_check_rule(const vyre_rules *r, uint32_t rule, vyre_error *err)
{
    const uint32_t *meta = r->meta + (size_t)rule * 5;
    const uint64_t entries = (uint64_t)meta[2] * meta[4];
    if (meta[2] == 0 || meta[4] == 0 || meta[4] > VYI_SCAN_BYTES ||
        meta[0] + entries > r->transition_count ||
        (uint64_t)meta[1] + meta[2] > r->accept_count ||
        (uint64_t)meta[3] + VYI_SCAN_BYTES > r->class_map_count)
        return vyi_scan_wrong(err, rule, "a rule beyond its tables");
    for (uint32_t i = 0; i < VYI_SCAN_BYTES; i++) {
        if (r->class_maps[meta[3] + i] >= meta[4])
            return vyi_scan_wrong(err, rule, "a class that the rule has not");
    }
    for (uint64_t i = 0; i < entries; i++) {
        if (r->transitions[meta[0] + i] >= meta[2])
            return vyi_scan_wrong(err, rule, "a target that is no state");
    }
    return VYRE_OK;
}

static bool vyi_scan_accepts(const vyi_scan_tables *t, const vyi_scan_dfa *d, uint32_t state)
{
    if (d->accept)
        return d->accept[state] != 0;
    return t->automaton->output_offsets[state] != t->automaton->output_offsets[state + 1];
}

static void *vyi_scan_room(vyi_scan_tables *t, size_t count, size_t size, vyre_error *err)
{
    size_t bytes = 0;
    void *room = NULL;
    if (vyi_size_mul(count ? count : 1, size, &bytes))
        room = vyi_arena_alloc(&t->arena, bytes);
    if (!room)
        (void)vyi_fail_nomem(err, bytes ? bytes : SIZE_MAX);
    return room;
}

/* --- the DFAs ------------------------------------------------------------- */

static vyre_status vyi_scan_take_automaton(vyi_scan_tables *t, bool dense, vyre_error *err)
{
    const vyre_automaton *m = t->automaton;
    const vyre_status status = vyi_scan_check_automaton(m, err);
    if (status < 0)
        return status;
    vyi_scan_dfa *d = t->dfas = (vyi_scan_dfa *)vyi_scan_room(t, 1, sizeof *t->dfas, err);
    if (!d)
        return VYRE_E_NOMEM;
    t->count = 1;
    d->next = m->next;
    d->columns = d->own_columns = VYI_SCAN_BYTES;
    d->states = m->states;
    d->distance = m->longest;
    d->bounded = m->longest <= VYI_SCAN_FAR;
    d->own_map = !dense || m->states > VYI_SCAN_DENSE;
    return VYRE_OK;
}

/* A rule that matches nowhere needs no DFA. */
static bool vyi_scan_is_inert(const vyre_rules *r, const uint32_t *meta)
{
    for (uint32_t i = 0; i < meta[2]; i++) {
        if (r->accept[meta[1] + i])
            return false;
    }
    return true;
}

/* Columns for each byte, as vyre_dfa_distance reads them. */
static vyre_status vyi_scan_measure(const vyi_scan_tables *t, vyi_scan_dfa *d, vyre_error *err)
{
    const vyre_allocator *a = &t->arena.allocator;
    const size_t count = (size_t)d->states * VYI_SCAN_BYTES;
    uint32_t *wide = NULL;
    if (d->states > VYRE_SCAN_MAX_STATES)
        return VYRE_OK; /* unbounded, for nobody has looked */
    vyre_status status = vyi_scan_words(a, count, &wide, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        wide[i] = d->next[i / VYI_SCAN_BYTES * d->columns + d->map[i % VYI_SCAN_BYTES]];
    status = vyre_dfa_distance(wide, d->states, 0, a, &d->distance, err);
    vyi_scan_drop(a, wide, count);
    d->bounded = status == VYRE_OK && d->distance <= VYI_SCAN_FAR;
    return status == VYRE_E_NOMEM ? status : VYRE_OK;
}

static bool vyi_scan_same(const vyre_rules *r, uint32_t a, uint32_t b)
{
    return memcmp(r->meta + (size_t)a * 5, r->meta + (size_t)b * 5, 5 * sizeof *r->meta) == 0;
}

/* One DFA for all rules that share its tables. */
static vyre_status vyi_scan_take_rule(vyi_scan_tables *t, const vyre_rules *r, uint32_t rule,
                                      uint32_t *listed, vyre_error *err)
{
    const uint32_t *meta = r->meta + (size_t)rule * 5, all = (uint32_t)(r->meta_count / 5);
    for (uint32_t i = 0; i < rule; i++) {
        if (vyi_scan_same(r, i, rule))
            return VYRE_OK;
    }
    vyi_scan_dfa *d = &t->dfas[t->count];
    d->next = r->transitions + meta[0];
    d->accept = r->accept + meta[1];
    d->states = meta[2];
    d->map = r->class_maps + meta[3];
    d->columns = d->own_columns = meta[4];
    d->own_map = 1;
    d->rules = *listed;
    for (uint32_t i = rule; i < all; i++) {
        if (vyi_scan_same(r, i, rule))
            t->rules[(*listed)++] = i;
    }
    d->rule_count = *listed - d->rules;
    t->count++;
    return vyi_scan_measure(t, d, err);
}

static void vyi_scan_bounded_first(vyi_scan_tables *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (!t->dfas[i].bounded)
            continue;
        const vyi_scan_dfa swap = t->dfas[i];
        t->dfas[i] = t->dfas[t->bounded];
        t->dfas[t->bounded++] = swap;
        t->overlap = swap.distance > t->overlap ? swap.distance : t->overlap;
    }
}

static vyre_status vyi_scan_take_rules(vyi_scan_tables *t, const vyre_rules *r, vyre_error *err)
{
    const size_t all = r->meta_count / 5;
    uint32_t listed = 0;
    vyre_status status = VYRE_OK;
    if (all >= UINT32_MAX / 8)
        return vyi_scan_wrong(err, all, "more rules than a work has numbers");
    t->dfas = (vyi_scan_dfa *)vyi_scan_room(t, all, sizeof *t->dfas, err);
    t->rules = t->dfas ? (uint32_t *)vyi_scan_room(t, all, sizeof *t->rules, err) : NULL;
    if (!t->rules)
        return VYRE_E_NOMEM;
    for (uint32_t i = 0; i < all && status == VYRE_OK; i++) {
        status = vyi_scan_check_rule(r, i, err);
        if (status == VYRE_OK && !vyi_scan_is_inert(r, r->meta + (size_t)i * 5))
            status = vyi_scan_take_rule(t, r, i, &listed, err);
    }
    return status;
}

/* --- words ---------------------------------------------------------------- */

/* Breadth first from state 0, into d->old; then those that accept last.  `row` gets
 * each state's place in that order, + 1. */
static uint32_t vyi_scan_order(const vyi_scan_tables *t, vyi_scan_dfa *d, uint32_t *row,
                               uint32_t *queue)
{
    uint32_t reached = 1, plain = 0;
    queue[0] = 0;
    row[0] = 1;
    for (uint32_t head = 0; head < reached; head++) {
        const uint32_t *next = d->next + (size_t)queue[head] * d->columns;
        for (uint32_t c = 0; c < d->columns; c++) {
            if (row[next[c]])
                continue;
            row[next[c]] = 1;
            queue[reached++] = next[c];
        }
    }
    for (uint32_t i = 0; i < reached; i++)
        plain += !vyi_scan_accepts(t, d, queue[i]);
    uint32_t low = 0, high = plain;
    for (uint32_t i = 0; i < reached; i++) {
        const uint32_t at = vyi_scan_accepts(t, d, queue[i]) ? high++ : low++;
        d->old[at] = queue[i];
        row[queue[i]] = at + 1;
    }
    d->from = plain;
    d->end = reached;
    return reached;
}

/* A byte of each class; and the map, where the words have one. */
static void vyi_scan_classes(vyi_scan_tables *t, vyi_scan_dfa *d, uint32_t bytes[VYI_SCAN_BYTES])
{
    uint32_t own[VYI_SCAN_BYTES], count = VYI_SCAN_BYTES;
    for (uint32_t i = 0; i < VYI_SCAN_BYTES; i++)
        own[i] = d->map ? d->map[i] : i;
    if (d->own_map && !d->map)
        count = vyre_dfa_classes(d->next, d->states, own);
    else if (d->map)
        count = d->columns;
    for (uint32_t i = VYI_SCAN_BYTES; i-- > 0;)
        bytes[own[i]] = i;
    d->own_columns = count;
    if (d->own_map)
        memcpy(t->words + d->own_map, own, sizeof own);
}

static void vyi_scan_rows(vyi_scan_tables *t, vyi_scan_dfa *d, const uint32_t *row,
                          const uint32_t bytes[VYI_SCAN_BYTES])
{
    for (uint32_t at = 0; at < d->end; at++) {
        const uint32_t *next = d->next + (size_t)d->old[at] * d->columns;
        uint32_t *to = t->words + d->first + (size_t)at * d->own_columns;
        for (uint32_t c = 0; c < d->own_columns; c++) {
            const uint32_t target = next[d->map ? c : bytes[c]];
            to[c] = d->first + (row[target] - 1) * d->own_columns;
        }
    }
    d->start = d->first + (row[0] - 1) * d->own_columns;
    d->from = d->first + d->from * d->own_columns;
    d->end = d->first + d->end * d->own_columns;
}

/* Room for `count` more rows of the DFA. */
static vyre_status vyi_scan_grow(vyi_scan_tables *t, vyi_scan_dfa *d, uint32_t count,
                                 vyre_error *err)
{
    const uint64_t more = (uint64_t)count * d->own_columns, all = t->word_count + more;
    if (all > VYI_SCAN_MAX_WORDS)
        return vyi_fail(err, VYRE_E_SCAN_LIMIT, all,
                        "Use fewer or shorter patterns, or several scans.",
                        "%u states of %u classes, after %u words of tables: more than %u words",
                        (unsigned)count, (unsigned)d->own_columns, (unsigned)t->word_count,
                        VYI_SCAN_MAX_WORDS);
    uint32_t *words = (uint32_t *)vyi_resize(&t->arena.allocator, t->words,
                                             t->word_count * sizeof *words,
                                             (size_t)all * sizeof *words);
    if (!words)
        return vyi_fail_nomem(err, (size_t)all * sizeof *words);
    t->words = words;
    d->first = t->word_count;
    t->word_count = (uint32_t)all;
    return VYRE_OK;
}

static vyre_status vyi_scan_lay(vyi_scan_tables *t, vyi_scan_dfa *d, uint32_t *row,
                                uint32_t *queue, vyre_error *err)
{
    uint32_t bytes[VYI_SCAN_BYTES];
    memset(bytes, 0, sizeof bytes);
    memset(row, 0, d->states * sizeof *row);
    d->old = (uint32_t *)vyi_scan_room(t, d->states, sizeof *d->old, err);
    if (!d->old)
        return VYRE_E_NOMEM;
    const uint32_t count = vyi_scan_order(t, d, row, queue);
    vyi_scan_classes(t, d, bytes);
    const vyre_status status = vyi_scan_grow(t, d, count, err);
    if (status == VYRE_OK)
        vyi_scan_rows(t, d, row, bytes);
    return status;
}

static vyre_status vyi_scan_lay_one(vyi_scan_tables *t, vyi_scan_dfa *d, vyre_error *err)
{
    const vyre_allocator *a = &t->arena.allocator;
    uint32_t *row, *queue = NULL;
    vyre_status status = vyi_scan_words(a, d->states, &row, err);
    if (status == VYRE_OK)
        status = vyi_scan_words(a, d->states, &queue, err);
    if (status == VYRE_OK)
        status = vyi_scan_lay(t, d, row, queue, err);
    vyi_scan_drop(a, queue, d->states);
    vyi_scan_drop(a, row, d->states);
    return status;
}

/* What comes before the rows; places for it, and zeroes. */
static vyre_status vyi_scan_lay_fixed(vyi_scan_tables *t, vyre_error *err)
{
    uint64_t words = 1 + (t->count > 1 ? 2 * (uint64_t)t->count : 0);
    for (uint32_t i = 0; i < t->count; i++) {
        vyi_scan_dfa *d = &t->dfas[i];
        d->own_map = d->own_map ? (uint32_t)words : 0;
        words += d->own_map ? VYI_SCAN_BYTES : 0;
        if (words > VYI_SCAN_MAX_WORDS)
            return vyi_fail(err, VYRE_E_SCAN_LIMIT, words, "Use fewer rules, or several scans.",
                            "the classes of %u rules alone are more than %u words",
                            (unsigned)t->count, VYI_SCAN_MAX_WORDS);
    }
    t->fixed = t->word_count = (uint32_t)words;
    const size_t size = (size_t)words * sizeof *t->words; /* at most VYI_SCAN_MAX_WORDS */
    t->words = (uint32_t *)vyi_alloc(&t->arena.allocator, size);
    if (!t->words)
        return vyi_fail_nomem(err, size);
    memset(t->words, 0, size);
    return VYRE_OK;
}

VYI_API vyre_status vyi_scan_tables_make(const vyre_scan_desc *desc, bool dense,
                                         vyi_scan_tables *t, vyre_error *err)
{
    memset(t, 0, sizeof *t);
    t->arena.allocator = desc->engine.allocator;
    t->automaton = desc->automaton;
    vyre_status status = desc->automaton ? vyi_scan_take_automaton(t, dense, err)
                                         : vyi_scan_take_rules(t, desc->rules, err);
    if (status < 0)
        return status;
    vyi_scan_bounded_first(t);
    status = vyi_scan_lay_fixed(t, err);
    for (uint32_t i = 0; i < t->count && status == VYRE_OK; i++) {
        status = vyi_scan_lay_one(t, &t->dfas[i], err);
        if (status == VYRE_OK && t->count > 1) {
            t->words[1 + 2 * i] = t->dfas[i].own_map;
            t->words[2 + 2 * i] = t->dfas[i].from;
        }
    }
    return status;
}

VYI_API void vyi_scan_tables_free(vyi_scan_tables *t)
{
    vyi_scan_drop(&t->arena.allocator, t->words, t->word_count);
    vyi_arena_free(&t->arena);
    memset(t, 0, sizeof *t);
}

VYI_API uint32_t vyi_scan_walk(const vyi_scan_tables *t, uint32_t dfa, uint32_t row,
                               const void *bytes, uint64_t size)
{
    const uint8_t *at = (const uint8_t *)bytes;
    const uint32_t map = t->dfas[dfa].own_map;
    for (uint64_t i = 0; i < size; i++)
        row = t->words[row + (map ? t->words[map + at[i]] : at[i])];
    return row;
}

#endif /* VYRE_NO_SCAN */

/* ==========================================================================
 * scan, live: what goes to the device, and what comes back
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_MOST_BYTES 0xf0000000u /* of a work's items: hits are counted in 32 bits */
#define VYI_SCAN_DELIVERED  4096u       /* hits, or all of the byte that makes them so many */
#define VYI_SCAN_DIGIT      11u         /* bits of a place that are sorted by at a time */
#define VYI_SCAN_KEYS       3u          /* numbers that hits are sorted by */
#define VYI_SCAN_FEW_HITS   32u         /* are sorted by comparing them */

/* --- spans ---------------------------------------------------------------- */

static void vyi_scan_span_of(const vyi_scan_piece *piece, uint32_t first, vyi_scan_span *to)
{
    to->first = vyi_le32(first);
    to->at = vyi_le32(piece->at);
    to->size = vyi_le32(piece->size);
    to->state = vyi_le32(piece->state);
}

static vyre_status vyi_scan_put_spans(vyre_scan *s, const vyi_scan_bank *b, uint32_t after,
                                      vyre_error *err)
{
    const size_t offset = (size_t)b->spans * 4 + after * sizeof *s->spans;
    return vyre_write(s->v, VYI_SCAN_SPANS, offset, s->spans, b->piece_count * sizeof *s->spans,
                      err);
}

/* DFAs that never forget have a table of their own: a segment for each piece. */
VYI_API vyre_status vyi_scan_cut(vyre_scan *s, vyi_scan_bank *b, uint32_t width, vyre_error *err)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < b->piece_count; i++) {
        vyi_scan_span_of(&b->pieces[i], first, &s->spans[i]);
        first += (uint32_t)vyre_segments_count(&b->pieces[i].size, 1, width);
    }
    b->segments = first;
    vyre_status status = vyi_scan_put_spans(s, b, 0, err);
    if (status != VYRE_OK || s->tables.bounded == s->tables.count)
        return status;
    for (uint32_t i = 0; i < b->piece_count; i++)
        s->spans[i].first = vyi_le32(i);
    return vyi_scan_put_spans(s, b, s->bank_pieces, err);
}

/* --- works ---------------------------------------------------------------- */

static void vyi_scan_describe(const vyre_scan *s, const vyi_scan_bank *b, vyre_work *w)
{
    const vyi_scan_tables *t = &s->tables;
    const uint32_t to = b->from + b->count;
    memset(w, 0, sizeof *w);
    w->opcode = VYI_SCAN_OP;
    w->arg_count = VYI_SCAN_ARGS;
    w->args[0] = s->kernel.copied ? (b->count + s->group - 1) / s->group : b->from;
    w->args[1] = to;
    w->args[2] = b->from;
    w->args[3] = to;
    w->args[VYI_SCAN_A_SPANS] = b->spans + (b->whole ? s->bank_pieces * 4 : 0);
    w->args[VYI_SCAN_A_COUNT] = b->whole ? b->piece_count : b->segments;
    w->args[VYI_SCAN_A_BANK] = (uint32_t)(b - s->banks);
    w->args[VYI_SCAN_A_PIECES] = b->piece_count;
    w->args[VYI_SCAN_A_DFA] = b->whole ? t->bounded : 0;
    w->args[VYI_SCAN_A_LAST] = b->whole ? s->bank_blocks * t->count : 0;
    w->args[VYI_SCAN_A_WIDTH] = b->whole ? s->piece_most : b->width;
}

/* Byte of the bank's counter in the states. */
static size_t vyi_scan_counter(const vyre_scan *s, const vyi_scan_bank *b)
{
    return ((size_t)s->kernel.counter + (size_t)(b - s->banks)) * 4;
}

static vyre_status vyi_scan_publish_work(vyre_scan *s, vyi_scan_bank *b, vyre_error *err)
{
    const uint32_t none = 0;
    vyre_work work;
    vyi_scan_describe(s, b, &work);
    const vyre_status status = vyre_write(s->v, VYI_SCAN_STATES, vyi_scan_counter(s, b), &none,
                                          sizeof none, err);
    return status == VYRE_OK ? vyre_publish(s->v, &work, &b->ticket, err) : status;
}

VYI_API vyre_status vyi_scan_publish(vyre_scan *s, vyi_scan_bank *b, vyre_error *err)
{
    const uint32_t left = b->items - b->from;
    vyre_status status = VYRE_OK;
    VYRE_ASSERT(!b->launched && left > 0 && b->step > 0);
    b->count = left < b->step ? left : b->step;
    if (s->host.used)
        vyi_scan_host_begin(s, b);
    else
        status = vyi_scan_publish_work(s, b, err);
    b->launched = status == VYRE_OK;
    s->report.launches += b->launched;
    return status;
}

VYI_API vyre_status vyi_scan_wait(vyre_scan *s, vyi_scan_bank *b, uint32_t *found,
                                  vyre_error *err)
{
    uint32_t word = 0;
    vyre_status status = VYRE_OK;
    if (s->host.used)
        *found = vyi_scan_host_end(b);
    else
        status = vyre_wait(s->v, b->ticket, s->timeout_ns, err);
    if (status == VYRE_TIMEOUT)
        return status;
    b->launched = false;
    s->busy_until = vyi_now();
    if (status != VYRE_OK || s->host.used)
        return status;
    status = vyre_read(s->v, VYI_SCAN_STATES, vyi_scan_counter(s, b), &word, sizeof word, err);
    *found = vyi_le32(word);
    return status;
}

/* How many items a work may have so that its counter cannot wrap. */
VYI_API void vyi_scan_begin(const vyre_scan *s, vyi_scan_bank *b, bool whole, uint32_t width)
{
    const vyi_scan_tables *t = &s->tables;
    const uint32_t dfas = whole ? t->count - t->bounded : t->bounded;
    const uint32_t wide = whole ? s->piece_most : width;
    b->whole = whole;
    b->width = width;
    b->from = 0;
    b->items = (whole ? b->piece_count : b->segments) * dfas;
    b->step = VYI_SCAN_MOST_BYTES / wide;
}

/* --- records -------------------------------------------------------------- */

/* By place, equal ones in the order they have; `to` is as large.  Returns where they are. */
static vyi_scan_record *vyi_scan_sort_places(vyi_scan_record *from, vyi_scan_record *to,
                                             uint32_t count)
{
    uint32_t ends[1u << VYI_SCAN_DIGIT];
    const uint32_t mask = (1u << VYI_SCAN_DIGIT) - 1;
    for (uint32_t shift = 0; shift < 32; shift += VYI_SCAN_DIGIT) {
        uint32_t sum = 0;
        memset(ends, 0, sizeof ends);
        for (uint32_t i = 0; i < count; i++)
            ends[from[i].at >> shift & mask]++;
        if (ends[from[0].at >> shift & mask] == count)
            continue; /* all alike */
        for (uint32_t i = 0; i <= mask; i++) {
            const uint32_t some = ends[i];
            ends[i] = sum;
            sum += some;
        }
        for (uint32_t i = 0; i < count; i++)
            to[ends[from[i].at >> shift & mask]++] = from[i];
        vyi_scan_record *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* --- hits ----------------------------------------------------------------- */

/* A hit as three numbers, the weightiest first.  Layers come last, so that equal ones are the
 * same hit, and the order in which they came does not matter. */
static uint64_t vyi_scan_key(const vyre_hit *hit, uint32_t number)
{
    if (number == 0)
        return (uint64_t)hit->file << 32 | hit->end >> 32;
    return number == 1 ? hit->end << 32 | hit->rule : hit->layer;
}

static bool vyi_scan_is_before(const vyre_hit *a, const vyre_hit *b)
{
    uint32_t number = 0;
    while (number < VYI_SCAN_KEYS - 1 && vyi_scan_key(a, number) == vyi_scan_key(b, number))
        number++;
    return vyi_scan_key(a, number) < vyi_scan_key(b, number);
}

static void vyi_scan_insert_hits(vyre_hit *hits, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const vyre_hit hit = hits[i];
        size_t at = i;
        for (; at > 0 && vyi_scan_is_before(&hit, &hits[at - 1]); at--)
            hits[at] = hits[at - 1];
        hits[at] = hit;
    }
}

/* Where the hits first differ: the number, and the lowest bit of a byte of it.  False: they are
 * in order. */
static bool vyi_scan_find_digit(const vyre_hit *hits, size_t count, uint32_t *number,
                                uint32_t *shift)
{
    uint64_t differ[VYI_SCAN_KEYS] = { 0, 0, 0 };
    bool sorted = true;
    for (size_t i = 1; i < count; i++) {
        sorted = sorted && !vyi_scan_is_before(&hits[i], &hits[i - 1]);
        for (uint32_t k = 0; k < VYI_SCAN_KEYS; k++)
            differ[k] |= vyi_scan_key(&hits[i], k) ^ vyi_scan_key(&hits[0], k);
    }
    if (sorted)
        return false;
    *number = differ[0] ? 0 : differ[1] ? 1 : 2;
    *shift = 56;
    while (differ[*number] >> *shift == 0)
        *shift -= 8;
    return true;
}

/* Hits by one digit, in place: each goes to its bucket, and what lay there goes on.  `ends`
 * gets where buckets end. */
static void vyi_scan_deal_hits(vyre_hit *hits, size_t count, uint32_t number, uint32_t shift,
                               size_t ends[256])
{
    size_t next[256], sum = 0;
    memset(ends, 0, 256 * sizeof *ends);
    for (size_t i = 0; i < count; i++)
        ends[vyi_scan_key(&hits[i], number) >> shift & 255]++;
    for (uint32_t i = 0; i < 256; i++) {
        next[i] = sum;
        sum += ends[i];
        ends[i] = sum;
    }
    for (uint32_t i = 0; i < 256; i++) {
        while (next[i] < ends[i]) {
            vyre_hit hit = hits[next[i]];
            uint32_t digit = vyi_scan_key(&hit, number) >> shift & 255;
            for (; digit != i; digit = vyi_scan_key(&hit, number) >> shift & 255) {
                const vyre_hit other = hits[next[digit]];
                hits[next[digit]++] = hit;
                hit = other;
            }
            hits[next[i]++] = hit;
        }
    }
}

/* They mostly come in order.  Else byte by byte, from the first one in which they differ: a call
 * inside a call is of a later byte, of which there are 20.  It needs no memory. */
VYI_API void vyi_scan_sort_hits(vyre_hit *hits, size_t count)
{
    size_t ends[256], begin = 0;
    uint32_t number, shift;
    if (count <= VYI_SCAN_FEW_HITS) {
        vyi_scan_insert_hits(hits, count);
        return;
    }
    if (!vyi_scan_find_digit(hits, count, &number, &shift))
        return;
    vyi_scan_deal_hits(hits, count, number, shift, ends);
    for (uint32_t i = 0; i < 256; i++) {
        if (ends[i] - begin > 1)
            vyi_scan_sort_hits(hits + begin, ends[i] - begin);
        begin = ends[i];
    }
}

static bool vyi_scan_more_room(vyre_scan *s)
{
    const uint32_t held = (uint32_t)s->held;
    if (!s->sink || s->no_memory)
        return false;
    s->no_memory = s->held >= UINT32_MAX ||
                   !vyi_grow(&s->allocator, (void **)&s->own, &s->own_capacity, held + 1,
                             sizeof *s->own);
    s->hits = s->own;
    s->capacity = s->own_capacity;
    return !s->no_memory;
}

VYI_API void vyi_scan_deliver(vyre_scan *s)
{
    if (s->held)
        s->sink(s->sink_user, s->hits, s->held);
    s->held = 0;
}

static void vyi_scan_hit(vyre_scan *s, const vyi_scan_piece *piece, uint32_t at, uint32_t rule)
{
    s->report.found++;
    if (s->held == s->capacity && !vyi_scan_more_room(s)) {
        s->report.dropped++;
        return;
    }
    s->report.written++;
    vyre_hit *hit = &s->hits[s->held++];
    hit->file = piece->file;
    hit->layer = piece->layer;
    hit->rule = rule;
    hit->end = piece->offset + (at - piece->at);
}

/* All that ends in a row's state. */
static void vyi_scan_expand(vyre_scan *s, const vyi_scan_piece *piece,
                            const vyi_scan_record *record)
{
    const vyi_scan_tables *t = &s->tables;
    uint32_t low = 0, high = t->count; /* rows of DFAs follow each other in that order */
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (t->dfas[middle].first <= record->row)
            low = middle;
        else
            high = middle;
    }
    const vyi_scan_dfa *d = &t->dfas[low];
    const uint32_t state = d->old[(record->row - d->first) / d->own_columns];
    const uint32_t *rules = t->automaton ? t->automaton->outputs : t->rules;
    const uint32_t *offsets = t->automaton ? t->automaton->output_offsets + state : NULL;
    const uint32_t from = offsets ? offsets[0] : d->rules;
    const uint32_t to = offsets ? offsets[1] : d->rules + d->rule_count;
    for (uint32_t i = from; i < to; i++)
        vyi_scan_hit(s, piece, record->at, rules[i]);
}

/* Records in the order of their places; hits of one place are put in order. */
static void vyi_scan_expand_all(vyre_scan *s, const vyi_scan_bank *b,
                                const vyi_scan_record *records, uint32_t count)
{
    const vyi_scan_piece *piece = b->pieces;
    for (uint32_t i = 0; i < count;) {
        const size_t before = s->held;
        const uint32_t at = records[i].at;
        while (at - piece->at >= piece->size)
            piece++;
        for (; i < count && records[i].at == at; i++)
            vyi_scan_expand(s, piece, &records[i]);
        if (s->held > before + 1)
            vyi_scan_sort_hits(s->hits + before, s->held - before);
        if (s->sink && s->held >= VYI_SCAN_DELIVERED)
            vyi_scan_deliver(s);
    }
}

VYI_API vyre_status vyi_scan_take(vyre_scan *s, const vyi_scan_bank *b, uint32_t found,
                                  vyre_error *err)
{
    VYRE_ASSERT(found <= s->places);
    if (found == 0)
        return VYRE_OK;
    const size_t offset = (size_t)(b - s->banks) * s->places * sizeof *s->records;
    const vyre_status status = vyre_read(s->v, VYI_SCAN_HITS, offset, s->records,
                                         found * sizeof *s->records, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; VYI_BIG_ENDIAN && i < found; i++) {
        s->records[i].at = vyi_le32(s->records[i].at);
        s->records[i].row = vyi_le32(s->records[i].row);
    }
    vyi_scan_expand_all(s, b, vyi_scan_sort_places(s->records, s->records + s->places, found),
                        found);
    return s->no_memory ? vyi_fail_nomem(err, (s->held + 1) * sizeof *s->own) : VYRE_OK;
}

#endif /* VYRE_NO_SCAN */

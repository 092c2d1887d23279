/* ==========================================================================
 * scan, live: a run
 *
 * Texts are laid into one half of the device's memory while it scans the other.  A
 * text that does not fit is cut; what comes after the cut begins in the state that the
 * host finds by walking the last bytes before it, as many as the automaton can
 * remember.  A DFA that never forgets has no such number: the device tells its
 * state, and so the host waits for each part before it goes on.
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

/* --- files that go on ----------------------------------------------------- */

static uint32_t vyi_scan_carry_find(const vyre_scan *s, uint32_t file)
{
    uint32_t i = 0;
    while (i < s->carry_count && s->carries[i].file != file)
        i++;
    return i;
}

/* The rows that the text begins in.  A carry is used up, or of no use. */
static void vyi_scan_carry_take(vyre_scan *s, const vyre_scan_text *text)
{
    const uint32_t dfas = s->tables.count, at = vyi_scan_carry_find(s, text->file);
    const bool there = at < s->carry_count;
    const bool goes_on = there && s->carries[at].offset == text->offset;
    for (uint32_t i = 0; i < dfas; i++)
        s->rows[i] = goes_on ? s->carry_rows[(size_t)at * dfas + i] : s->tables.dfas[i].start;
    if (!there)
        return;
    s->carries[at] = s->carries[--s->carry_count];
    memmove(s->carry_rows + (size_t)at * dfas, s->carry_rows + (size_t)s->carry_count * dfas,
            dfas * sizeof *s->carry_rows);
}

static vyre_status vyi_scan_carry_keep(vyre_scan *s, uint32_t file, uint64_t offset,
                                       vyre_error *err)
{
    const uint32_t dfas = s->tables.count, count = s->carry_count + 1;
    if (count > UINT32_MAX / dfas ||
        !vyi_grow(&s->allocator, (void **)&s->carries, &s->carry_capacity, count,
                  sizeof *s->carries) ||
        !vyi_grow(&s->allocator, (void **)&s->carry_rows, &s->carry_row_capacity, count * dfas,
                  sizeof *s->carry_rows))
        return vyi_fail_nomem(err, (size_t)count * dfas * sizeof *s->carry_rows);
    s->carries[count - 1].file = file;
    s->carries[count - 1].offset = offset;
    memcpy(s->carry_rows + (size_t)s->carry_count * dfas, s->rows, dfas * sizeof *s->rows);
    s->carry_count = count;
    return VYRE_OK;
}

/* --- a half --------------------------------------------------------------- */

/* What was collected lies there until somebody fills the half again. */
static vyi_scan_bank *vyi_scan_filling(vyre_scan *s)
{
    vyi_scan_bank *b = &s->banks[s->bank];
    if (!b->collected)
        return b;
    VYRE_ASSERT(!b->launched);
    b->used = b->segments = b->blocks = b->piece_count = 0;
    b->collected = false;
    if (s->last == s->bank)
        s->last = VYI_SCAN_NONE;
    return b;
}

/* One kind of items after the other, each in works that have room for what they find. */
static vyre_status vyi_scan_collect_kind(vyre_scan *s, vyi_scan_bank *b, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    while (status == VYRE_OK && b->from < b->items) {
        uint32_t found = 0;
        if (!b->launched)
            status = vyi_scan_publish(s, b, err);
        if (status == VYRE_OK)
            status = vyi_scan_wait(s, b, &found, err);
        if (status != VYRE_OK)
            return status;
        if (found > s->places && b->count > 1) {
            const uint64_t fits = (uint64_t)b->count * s->places / found;
            b->step = fits > 1 ? (uint32_t)(fits - fits / 4) : 1;
            continue;
        }
        status = vyi_scan_take(s, b, found, err);
        b->from += b->count;
    }
    return status;
}

/* Waits for the half. */
static vyre_status vyi_scan_collect(vyre_scan *s, vyi_scan_bank *b, vyre_error *err)
{
    const uint64_t begin = b->began > s->busy_until ? b->began : s->busy_until;
    if (b->piece_count == 0 || b->collected)
        return VYRE_OK;
    vyre_status status = vyi_scan_collect_kind(s, b, err);
    if (status == VYRE_OK && !b->whole && s->tables.bounded < s->tables.count) {
        vyi_scan_begin(s, b, true, s->width);
        status = vyi_scan_collect_kind(s, b, err);
    }
    b->collected = status == VYRE_OK;
    s->report.scan_ns += s->busy_until - begin;
    return status;
}

static vyre_status vyi_scan_launch(vyre_scan *s, vyi_scan_bank *b, vyre_error *err)
{
    const uint32_t words = b->blocks * s->tables.count;
    vyre_status status = vyi_scan_cut(s, b, s->width, err);
    if (status == VYRE_OK && s->copier)
        status = s->copier->settle(s->copier->user, err);
    if (status == VYRE_OK && words)
        status = vyre_write(s->v, VYI_SCAN_STATES, (size_t)b->states * 4, s->states,
                            words * sizeof *s->states, err);
    vyi_scan_begin(s, b, s->tables.bounded == 0, s->width);
    b->began = vyi_now();
    if (status == VYRE_OK)
        status = vyi_scan_publish(s, b, err);
    s->last = s->bank;
    s->report.segments += s->tables.bounded ? b->segments : b->piece_count;
    return status;
}

/* What is in the half goes to the device, and the other one is there to be filled. */
static vyre_status vyi_scan_turn(vyre_scan *s, vyre_error *err)
{
    vyi_scan_bank *full = vyi_scan_filling(s);
    vyre_status status = full->piece_count ? vyi_scan_launch(s, full, err) : VYRE_OK;
    s->bank = (s->bank + 1) % VYI_SCAN_BANKS;
    return status == VYRE_OK ? vyi_scan_collect(s, &s->banks[s->bank], err) : status;
}

/* All that was filled, in the order of the texts. */
VYI_API vyre_status vyi_scan_flush(vyre_scan *s, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < VYI_SCAN_BANKS && status == VYRE_OK; i++)
        status = vyi_scan_turn(s, err);
    return status;
}

/* --- texts ---------------------------------------------------------------- */

/* Whether a piece that begins in s->rows needs states of its own. */
static bool vyi_scan_needs_block(const vyre_scan *s)
{
    bool differs = s->tables.bounded < s->tables.count; /* the device says there how it ended */
    for (uint32_t i = 0; i < s->tables.count && !differs; i++)
        differs = s->rows[i] != s->tables.dfas[i].start;
    return differs;
}

/* Bytes that the half has room for in one piece; 0: none.  Pieces begin with a block. */
static uint32_t vyi_scan_bytes_left(const vyre_scan *s, const vyi_scan_bank *b)
{
    const uint64_t segments = (uint64_t)(s->bank_segments - b->segments) * s->width;
    const uint32_t left = s->resident ? s->piece_most : s->bank_bytes - b->used;
    if (b->piece_count == s->bank_pieces ||
        (b->blocks == s->bank_blocks && vyi_scan_needs_block(s)))
        return 0;
    const uint32_t some = left < s->piece_most ? left : s->piece_most;
    return (segments < some ? (uint32_t)segments : some) & ~(VYI_SCAN_BLOCK - 1);
}

/* The bytes of a piece are in the text memory, or come there. */
static vyre_status vyi_scan_put_bytes(vyre_scan *s, vyi_scan_bank *b, vyi_scan_piece *piece,
                                      const uint8_t *bytes, vyre_error *err)
{
    if (s->resident) {
        piece->at = (uint32_t)(bytes - (const uint8_t *)vyre_map(s->v, VYI_SCAN_TEXT, NULL));
        return VYRE_OK;
    }
    piece->at = b->text + b->used;
    b->used += (piece->size + VYI_SCAN_BLOCK - 1) & ~(VYI_SCAN_BLOCK - 1);
    return s->copier ? s->copier->copy(s->copier->user, piece->at, bytes, piece->size, err)
                     : vyre_write(s->v, VYI_SCAN_TEXT, piece->at, bytes, piece->size, err);
}

static vyre_status vyi_scan_put(vyre_scan *s, vyi_scan_bank *b, const vyre_scan_text *text,
                                uint64_t from, uint32_t size, vyre_error *err)
{
    const uint32_t dfas = s->tables.count;
    const uint64_t begin = vyi_now();
    vyi_scan_piece *piece = &b->pieces[b->piece_count];
    piece->file = text->file;
    piece->layer = text->layer;
    piece->offset = text->offset + from;
    piece->size = size;
    piece->state = 0;
    const vyre_status status = vyi_scan_put_bytes(s, b, piece,
                                                  (const uint8_t *)text->bytes + from, err);
    if (status != VYRE_OK)
        return status;
    if (vyi_scan_needs_block(s)) {
        piece->state = b->states + b->blocks * dfas;
        for (uint32_t i = 0; i < dfas; i++)
            s->states[b->blocks * dfas + i] = vyi_le32(s->rows[i]);
        b->blocks++;
    }
    b->piece_count++;
    b->segments += (uint32_t)vyre_segments_count(&size, 1, s->width);
    s->report.bytes += size;
    s->report.copy_ns += vyi_now() - begin;
    return VYRE_OK;
}

/* s->rows after a piece: by its last bytes where a DFA forgets. */
static void vyi_scan_walk_on(vyre_scan *s, const uint8_t *end, uint32_t size)
{
    const vyi_scan_tables *t = &s->tables;
    for (uint32_t i = 0; i < t->bounded; i++) {
        const uint32_t some = t->dfas[i].distance < size ? t->dfas[i].distance : size;
        const uint32_t row = some < size ? t->dfas[i].start : s->rows[i];
        s->rows[i] = vyi_scan_walk(t, i, row, end - some, some);
    }
}

/* And from the device where it does not; it knows the state after whole blocks. */
static vyre_status vyi_scan_ask_on(vyre_scan *s, const vyi_scan_piece *piece, const uint8_t *end,
                                   vyre_error *err)
{
    const vyi_scan_tables *t = &s->tables;
    const uint32_t unbounded = t->count - t->bounded, rest = piece->size % VYI_SCAN_BLOCK;
    const size_t at = (size_t)piece->state + s->bank_blocks * t->count + t->bounded;
    vyre_status status = vyi_scan_flush(s, err);
    if (status == VYRE_OK)
        status = vyre_read(s->v, VYI_SCAN_STATES, at * 4, s->rows + t->bounded,
                           unbounded * sizeof *s->rows, err);
    for (uint32_t i = t->bounded; i < t->count && status == VYRE_OK; i++)
        s->rows[i] = vyi_scan_walk(t, i, vyi_le32(s->rows[i]), end - rest, rest);
    return status;
}

VYI_API vyre_status vyi_scan_text_in(vyre_scan *s, const vyre_scan_text *text, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    vyi_scan_carry_take(s, text);
    for (uint64_t at = 0; at < text->size && status == VYRE_OK;) {
        vyi_scan_bank *b = vyi_scan_filling(s);
        const uint32_t room = vyi_scan_bytes_left(s, b);
        if (room == 0) {
            status = vyi_scan_turn(s, err);
            continue;
        }
        const uint32_t size = text->size - at < room ? (uint32_t)(text->size - at) : room;
        status = vyi_scan_put(s, b, text, at, size, err);
        at += size;
        if (status != VYRE_OK || (at == text->size && !text->more))
            continue;
        const uint8_t *end = (const uint8_t *)text->bytes + at;
        vyi_scan_walk_on(s, end, size);
        if (s->tables.bounded < s->tables.count)
            status = vyi_scan_ask_on(s, &b->pieces[b->piece_count - 1], end, err);
    }
    if (status == VYRE_OK && text->more)
        status = vyi_scan_carry_keep(s, text->file, text->offset + text->size, err);
    return status;
}

/* --- the call ------------------------------------------------------------- */

/* Where in the text memory the text lies; the memory's size: elsewhere. */
static size_t vyi_scan_place_of(const vyre_scan *s, const vyre_scan_text *text)
{
    const size_t all = VYI_SCAN_BANKS * (size_t)s->bank_bytes;
    const uintptr_t memory = s->v ? (uintptr_t)vyre_map(s->v, VYI_SCAN_TEXT, NULL) : 0;
    const uintptr_t at = (uintptr_t)text->bytes - memory;
    return memory && at < all ? at : all;
}

/* Either all texts lie in the text memory, which is not overwritten then, or none. */
static vyre_status vyi_scan_check_places(const vyre_scan *s, const vyre_scan_text *texts,
                                         uint32_t count, bool *resident, vyre_error *err)
{
    const size_t all = VYI_SCAN_BANKS * (size_t)s->bank_bytes;
    uint32_t inside = 0, some = 0;
    for (uint32_t i = 0; i < count; i++) {
        const size_t at = vyi_scan_place_of(s, &texts[i]);
        if (texts[i].size == 0)
            continue;
        some++;
        if (at == all)
            continue;
        inside++;
        if (at % VYI_SCAN_BLOCK || texts[i].size > all - at)
            return vyi_fail(err, VYRE_E_ARGUMENT, i,
                            "Texts there begin at multiples of 16, and end inside.",
                            "text %u: %llu bytes from byte %llu of the text memory, which has "
                            "%llu", (unsigned)i, (unsigned long long)texts[i].size,
                            (unsigned long long)at, (unsigned long long)all);
    }
    if (inside && inside < some)
        return vyi_fail(err, VYRE_E_ARGUMENT, inside,
                        "Scan those in one call, the others, which are copied over them, in "
                        "another.", "%u of %u texts lie in the text memory", (unsigned)inside,
                        (unsigned)some);
    *resident = inside > 0;
    return VYRE_OK;
}

static vyre_status vyi_scan_check_run(const vyre_scan *s, const vyre_scan_text *texts,
                                      uint32_t count, const vyre_hit *hits, size_t capacity,
                                      vyre_error *err)
{
    if (!s || (count && !texts) || (capacity && !hits))
        return vyi_scan_argument(!s ? "the scan" : !hits && capacity ? "the array of hits"
                                                                     : "the array of texts", err);
    for (uint32_t i = 0; i < count; i++) {
        if (texts[i].size && !texts[i].bytes)
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Pass its address; only size 0 needs none.",
                            "text %u of %u is NULL", (unsigned)i, (unsigned)count);
        if (texts[i].offset > UINT64_MAX - texts[i].size)
            return vyi_fail(err, VYRE_E_OVF, i, "Offsets have 64 bits.",
                            "text %u of %u ends beyond 2^64", (unsigned)i, (unsigned)count);
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_scan_settle(vyre_scan *s, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < VYI_SCAN_BANKS; i++) {
        vyi_scan_bank *b = &s->banks[i];
        uint32_t found;
        if (b->launched && vyi_scan_wait(s, b, &found, err) == VYRE_TIMEOUT)
            status = VYRE_TIMEOUT;
        b->collected = !b->launched;
    }
    return status;
}

VYI_API vyre_status vyi_scan_abandon(vyre_scan *s, vyre_status status)
{
    (void)vyi_scan_settle(s, NULL);
    s->carry_count = 0;
    s->last = VYI_SCAN_NONE;
    return status;
}

static vyre_status vyi_scan_texts(vyre_scan *s, const vyre_scan_text *texts, uint32_t count,
                                  vyre_error *err)
{
    vyre_status status = vyi_scan_settle(s, err);
    for (uint32_t i = 0; i < count && status == VYRE_OK; i++)
        status = vyi_scan_text_in(s, &texts[i], err);
    return status == VYRE_OK ? vyi_scan_flush(s, err) : status;
}

VYI_API void vyi_scan_call(vyre_scan *s, void (*sink)(void *user, const vyre_hit *hits,
                                                      size_t count), void *user)
{
    memset(&s->report, 0, sizeof s->report);
    s->sink = sink;
    s->sink_user = user;
    s->hits = s->own;
    s->capacity = s->own_capacity;
    s->held = 0;
    s->no_memory = s->resident = false;
    s->busy_until = 0;
}

VYRE_API void *vyre_scan_map(vyre_scan *s, uint64_t *size)
{
    void *memory = s && s->v ? vyre_map(s->v, VYI_SCAN_TEXT, NULL) : NULL;
    if (size)
        *size = memory ? VYI_SCAN_BANKS * (uint64_t)s->bank_bytes : 0;
    return memory;
}

VYRE_API vyre_status vyre_scan_run(vyre_scan *s, const vyre_scan_text *texts, uint32_t count,
                                   vyre_hit *hits, size_t capacity, vyre_scan_report *report,
                                   vyre_error *err)
{
    bool resident = false;
    vyre_status status = vyi_scan_check_run(s, texts, count, hits, capacity, err);
    if (status == VYRE_OK)
        status = vyi_scan_check_places(s, texts, count, &resident, err);
    if (status < 0)
        return status;
    vyi_scan_call(s, NULL, NULL);
    s->resident = resident;
    vyi_fence_stores(); /* what the caller wrote there is there for the works */
    s->hits = hits;
    s->capacity = capacity;
    if (s->v)
        status = vyi_scan_texts(s, texts, count, err);
    for (uint32_t i = 0; i < count && !s->v; i++)
        s->report.bytes += texts[i].size;
    if (status != VYRE_OK)
        return vyi_scan_abandon(s, status);
    vyi_scan_sort_hits(hits, s->held);
    s->report.width = s->width;
    if (report)
        *report = s->report;
    if (s->report.dropped)
        return vyi_news(err, VYRE_FULL, s->report.dropped, "Give a larger array of hits.",
                        "some hits had no room; all were counted");
    return VYRE_OK;
}

#endif /* VYRE_NO_SCAN */

/* ==========================================================================
 * scan, live: walks by threads of the host
 *
 * Where the device is this machine's processors, what its kernel would do is done in
 * C, from the same tables, pieces and segments, into the same records.  A part of the
 * items is a thread's.
 *
 * Where patterns are few, most bytes are not looked at.  No match is shorter than
 * `window` bytes.  The last two bytes of a window say how far it can move without
 * losing the beginning of a match (Wu and Manber's skips): `window` - 1 bytes when
 * no pattern has them in its first `window`, and nothing when they end those of one.
 * From there the automaton walks, as from its first state, until what it remembers
 * begins later, and so every match that began there, or between, has been told.
 * Where a walk of all bytes remembers at least a window, this one is in the same
 * state; and where that remembers less, nothing ends.
 *
 * Where nothing is skipped, four stretches of the text are walked in turn, for a
 * step waits for the one before it.
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_WINDOW_MOST 255u      /* skips are bytes */
#define VYI_SCAN_PAIRS       65536u
#define VYI_SCAN_PART        (1u << 18) /* bytes that are worth a thread */
#define VYI_SCAN_STRETCHES   4u
#define VYI_SCAN_APART       256u      /* bytes of a stretch, at least */

/* --- what can be skipped -------------------------------------------------- */

/* Two bytes as an index, as the kernel has them. */
static inline uint32_t vyi_scan_pair(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

/* What a state remembers. */
typedef struct vyi_scan_memory {
    uint32_t *depth;  /* bytes, VYI_SCAN_NONE: never reached */
    uint32_t *fail;   /* the state that remembers one byte less at least */
    uint32_t *order;  /* states by depth */
    uint32_t  count;
} vyi_scan_memory;

/* The edge leads to a state that remembers one byte more, or to where that of `fail` does. */
static bool vyi_scan_edge_is_good(const vyre_automaton *m, vyi_scan_memory *k, uint32_t state,
                                  uint32_t byte)
{
    const uint32_t to = m->next[(size_t)state * VYI_SCAN_BYTES + byte];
    const uint32_t other = state ? m->next[(size_t)k->fail[state] * VYI_SCAN_BYTES + byte] : 0;
    if (k->depth[to] == VYI_SCAN_NONE) {
        k->depth[to] = k->depth[state] + 1;
        k->fail[to] = other;
        k->order[k->count++] = to;
    }
    return k->depth[to] == k->depth[state] + 1 ? k->fail[to] == other : to == other;
}

/* Whether a state is the longest end of the text that leads there from the first state, a byte
 * deeper with each byte: as vyre_automaton_make has it, and as it still is with columns copied. */
static bool vyi_scan_is_of_strings(const vyre_automaton *m, vyi_scan_memory *k)
{
    memset(k->depth, 0xff, m->states * sizeof *k->depth);
    k->depth[0] = k->fail[0] = k->order[0] = 0;
    k->count = 1;
    for (uint32_t head = 0; head < k->count; head++) {
        const uint32_t state = k->order[head];
        for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++)
            if (!vyi_scan_edge_is_good(m, k, state, byte))
                return false;
    }
    return true;
}

/* Bytes of the shortest pattern; 0: none. */
static uint32_t vyi_scan_shortest(const vyre_automaton *m, const vyi_scan_memory *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (m->output_offsets[k->order[i]] != m->output_offsets[k->order[i] + 1])
            return k->depth[k->order[i]];
    return 0;
}

/* The pairs that come after `state`, and can be followed by `skip` bytes of a window. */
static void vyi_scan_skip_after(const vyre_automaton *m, const vyi_scan_memory *k, uint32_t state,
                                uint32_t skip, uint8_t *skips)
{
    uint8_t pair[2];
    for (uint32_t a = 0; a < VYI_SCAN_BYTES; a++) {
        const uint32_t one = m->next[(size_t)state * VYI_SCAN_BYTES + a];
        for (uint32_t b = 0; b < VYI_SCAN_BYTES && k->depth[one] == k->depth[state] + 1; b++) {
            const uint32_t two = m->next[(size_t)one * VYI_SCAN_BYTES + b];
            pair[0] = (uint8_t)a;
            pair[1] = (uint8_t)b;
            uint8_t *to = &skips[vyi_scan_pair(pair)];
            if (k->depth[two] == k->depth[state] + 2 && *to > skip)
                *to = (uint8_t)skip;
        }
    }
}

/* Windows that stop are rare, in a text of such bytes as the patterns begin with. */
static bool vyi_scan_skips_pay(const uint8_t *skips)
{
    bool seen[VYI_SCAN_BYTES];
    uint32_t bytes = 0, stops = 0;
    uint8_t pair[2];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < VYI_SCAN_PAIRS; i++) {
        pair[0] = (uint8_t)(i >> 8);
        pair[1] = (uint8_t)i;
        const bool stop = skips[vyi_scan_pair(pair)] == 0;
        stops += stop;
        bytes += stop && !seen[pair[0]];
        seen[pair[0]] = seen[pair[0]] || stop;
    }
    bytes = bytes < 16 ? 16 : bytes;
    return stops * 8 < bytes * bytes;
}

static void vyi_scan_fill_skips(const vyre_automaton *m, const vyi_scan_memory *k,
                                vyi_scan_skips *h)
{
    const uint32_t last = h->window - 2;
    memset(h->bytes, (int)h->window - 1, VYI_SCAN_PAIRS);
    for (uint32_t i = 0; i < k->count && k->depth[k->order[i]] <= last; i++)
        vyi_scan_skip_after(m, k, k->order[i], last - k->depth[k->order[i]], h->bytes);
    if (!vyi_scan_skips_pay(h->bytes))
        h->window = 0;
}

/* Rows of states that remember a byte at most, and accept nothing, come first. */
static void vyi_scan_near(const vyi_scan_tables *t, const vyi_scan_memory *k, vyi_scan_skips *h)
{
    uint32_t shallow = 0;
    while (shallow < k->count && k->depth[k->order[shallow]] < 2)
        shallow++;
    h->shallow = t->dfas[0].first + shallow * t->dfas[0].own_columns;
}

/* Behind the rows, for the kernel. */
VYI_API vyre_status vyi_scan_skips_add(vyi_scan_tables *t, vyi_scan_skips *h, vyre_error *err)
{
    if (!h->window || h->word)
        return VYRE_OK;
    const size_t size = t->word_count * sizeof *t->words;
    uint32_t *words = (uint32_t *)vyi_resize(&t->arena.allocator, t->words, size,
                                             size + VYI_SCAN_PAIRS);
    if (!words)
        return vyi_fail_nomem(err, size + VYI_SCAN_PAIRS);
    t->words = words;
    h->word = t->word_count;
    t->word_count += VYI_SCAN_PAIRS / 4;
    for (uint32_t i = 0; i < VYI_SCAN_PAIRS / 4; i++)
        words[h->word + i] = vyi_word(h->bytes, i);
    return VYRE_OK;
}

static vyre_status vyi_scan_look(vyi_scan_tables *t, vyi_scan_memory *k, vyi_scan_skips *h,
                                 vyre_error *err)
{
    const vyre_automaton *m = t->automaton;
    const uint32_t shortest = vyi_scan_is_of_strings(m, k) ? vyi_scan_shortest(m, k) : 0;
    if (shortest < 3 || t->word_count > VYI_SCAN_MAX_WORDS - VYI_SCAN_PAIRS / 4)
        return VYRE_OK;
    h->bytes = (uint8_t *)vyi_arena_alloc(&t->arena, VYI_SCAN_PAIRS);
    if (!h->bytes)
        return vyi_fail_nomem(err, VYI_SCAN_PAIRS);
    h->window = shortest < VYI_SCAN_WINDOW_MOST ? shortest : VYI_SCAN_WINDOW_MOST;
    vyi_scan_fill_skips(m, k, h);
    vyi_scan_near(t, k, h);
    return VYRE_OK;
}

VYI_API vyre_status vyi_scan_skips_make(vyi_scan_tables *t, vyi_scan_skips *h, vyre_error *err)
{
    const vyre_allocator *a = &t->arena.allocator;
    vyi_scan_memory k;
    uint32_t *words = NULL;
    if (h->looked)
        return VYRE_OK;
    VYRE_ASSERT(t->automaton && t->count == 1 && t->bounded == 1);
    const uint32_t states = t->automaton->states;
    const vyre_status status = vyi_scan_words(a, (size_t)states * 3, &words, err);
    if (status < 0)
        return status;
    k.depth = words;
    k.fail = words + states;
    k.order = words + 2 * (size_t)states;
    k.count = 0;
    const vyre_status looked = vyi_scan_look(t, &k, h, err);
    vyi_scan_drop(a, words, (size_t)states * 3);
    h->looked = looked == VYRE_OK;
    return looked;
}

/* --- walks ---------------------------------------------------------------- */

typedef struct vyi_scan_walker {
    const vyi_scan_skips *skips;
    const uint32_t *words, *classes;
    uint32_t        start, accept;
    const uint8_t  *text;     /* the text memory */
    const uint8_t  *done;     /* what ended before it was told, or is not of this part */
    uint32_t       *records; /* of the bank */
    uint32_t        places, overlap;
    uint32_t       *found;
} vyi_scan_walker;

static inline uint32_t vyi_scan_next(const vyi_scan_walker *w, uint32_t row, uint8_t byte)
{
    return w->words[row + w->classes[byte]];
}

static void vyi_scan_tell(const vyi_scan_walker *w, const uint8_t *at, uint32_t row)
{
    const uint32_t n = vyi_fetch_add(w->found, 1);
    if (n >= w->places)
        return;
    w->records[2 * (size_t)n] = vyi_le32((uint32_t)(at - w->text));
    w->records[2 * (size_t)n + 1] = vyi_le32(row);
}

/* The first window from `at` on in which a match may begin; `end`: none. */
static const uint8_t *vyi_scan_skip(const vyi_scan_skips *h, const uint8_t *at,
                                    const uint8_t *end)
{
    const uint32_t window = h->window;
    const uint8_t *skips = h->bytes;
    while (end - at >= (ptrdiff_t)window) {
        const uint32_t skip = skips[vyi_scan_pair(at + window - 2)];
        if (skip == 0)
            return at;
        at += skip;
    }
    return end;
}

/* Until the automaton remembers nothing from `at` on, but a byte at most of what came later;
 * returns where that begins, or `end`. */
static const uint8_t *vyi_scan_follow(vyi_scan_walker *w, const uint8_t *at, const uint8_t *end,
                                      uint32_t row)
{
    const uint8_t *begin = at;
    for (; at < end; at++) {
        row = vyi_scan_next(w, row, *at);
        if (row >= w->accept) {
            if (at >= w->done)
                vyi_scan_tell(w, at, row);
        } else if (row < w->skips->shallow && (row == w->start || at > begin)) {
            at += row == w->start;
            break;
        }
    }
    w->done = at > w->done ? at : w->done;
    return at;
}

static void vyi_scan_hop(vyi_scan_walker *w, const uint8_t *at, const uint8_t *end, uint32_t row)
{
    if (row != w->start)
        at = vyi_scan_follow(w, at, end, row);
    while ((at = vyi_scan_skip(w->skips, at, end)) < end)
        at = vyi_scan_follow(w, at, end, w->start);
}

static void vyi_scan_plod(vyi_scan_walker *w, const uint8_t *at, const uint8_t *end, uint32_t row)
{
    for (; at < end; at++) {
        row = vyi_scan_next(w, row, *at);
        if (row >= w->accept && at >= w->done)
            vyi_scan_tell(w, at, row);
    }
}

/* From four places at a time, `count` bytes of each, all of which count. */
static void vyi_scan_plod_four(const vyi_scan_walker *w, const uint8_t *at, size_t apart,
                               uint32_t rows[VYI_SCAN_STRETCHES])
{
    const uint8_t *a = at, *b = a + apart, *c = b + apart, *d = c + apart;
    uint32_t r = rows[0], s = rows[1], t = rows[2], u = rows[3];
    const uint32_t accept = w->accept;
    for (size_t i = 0; i < apart; i++) {
        r = vyi_scan_next(w, r, a[i]);
        s = vyi_scan_next(w, s, b[i]);
        t = vyi_scan_next(w, t, c[i]);
        u = vyi_scan_next(w, u, d[i]);
        if (r < accept && s < accept && t < accept && u < accept)
            continue;
        if (r >= accept)
            vyi_scan_tell(w, a + i, r);
        if (s >= accept)
            vyi_scan_tell(w, b + i, s);
        if (t >= accept)
            vyi_scan_tell(w, c + i, t);
        if (u >= accept)
            vyi_scan_tell(w, d + i, u);
    }
    rows[3] = u;
}

static void vyi_scan_plod_on(vyi_scan_walker *w, const uint8_t *at, const uint8_t *end,
                             uint32_t row)
{
    uint32_t rows[VYI_SCAN_STRETCHES];
    for (; at < end && at < w->done; at++)
        row = vyi_scan_next(w, row, *at);
    const size_t apart = (size_t)(end - at) / VYI_SCAN_STRETCHES;
    if (apart >= VYI_SCAN_APART && apart / 8 >= w->overlap) {
        rows[0] = row;
        for (uint32_t k = 1; k < VYI_SCAN_STRETCHES; k++) {
            rows[k] = w->start;
            const uint8_t *from = at + k * apart;
            for (const uint8_t *early = from - w->overlap; early < from; early++)
                rows[k] = vyi_scan_next(w, rows[k], *early);
        }
        vyi_scan_plod_four(w, at, apart, rows);
        row = rows[VYI_SCAN_STRETCHES - 1];
        at += VYI_SCAN_STRETCHES * apart;
    }
    vyi_scan_plod(w, at, end, row);
}

/* --- parts ---------------------------------------------------------------- */

/* Bytes `from` to `to` - 1 of the piece. */
static void vyi_scan_walk_piece(vyi_scan_walker *w, const vyre_scan *s,
                                const vyi_scan_piece *piece, uint32_t from, uint32_t to)
{
    const uint32_t *states = (const uint32_t *)vyre_map(s->v, VYI_SCAN_STATES, NULL);
    const uint32_t early = from > w->overlap ? from - w->overlap : 0;
    const uint32_t row = early ? w->start : vyi_le32(states[piece->state]);
    const uint8_t *bytes = w->text + piece->at;
    w->done = bytes + from;
    if (w->skips->window)
        vyi_scan_hop(w, bytes + early, bytes + to, row);
    else
        vyi_scan_plod_on(w, bytes + early, bytes + to, row);
}

/* A thread: the items of a part, those of one piece together. */
static void vyi_scan_share_main(void *user)
{
    const vyi_scan_share *part = (const vyi_scan_share *)user;
    const vyre_scan *s = part->s;
    vyi_scan_bank *b = part->bank;
    const vyi_scan_dfa *d = &s->tables.dfas[0];
    vyi_scan_walker w;
    memset(&w, 0, sizeof w);
    w.skips = &s->kernel.skips;
    w.words = s->tables.words;
    w.classes = w.words + d->own_map;
    w.start = d->start;
    w.accept = d->from;
    w.text = (const uint8_t *)vyre_map(s->v, VYI_SCAN_TEXT, NULL);
    w.records = (uint32_t *)vyre_map(s->v, VYI_SCAN_HITS, NULL) +
                (size_t)(b - s->banks) * 2 * s->places;
    w.places = s->places;
    w.overlap = s->tables.overlap;
    w.found = &b->found;
    uint32_t first = 0;
    for (uint32_t i = 0; i < b->piece_count && first < part->to; i++) {
        const vyi_scan_piece *piece = &b->pieces[i];
        const uint32_t count = (uint32_t)vyre_segments_count(&piece->size, 1, b->width);
        const uint32_t from = part->from > first ? part->from - first : 0;
        const uint32_t to = part->to - first;
        if (from < count)
            vyi_scan_walk_piece(&w, s, piece, from * b->width,
                                to < count ? to * b->width : piece->size);
        first += count;
    }
}

/* Threads for what the bank's next items are worth, at most one for each processor; what finds
 * none is done here. */
VYI_API void vyi_scan_host_begin(vyre_scan *s, vyi_scan_bank *b)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < b->piece_count; i++)
        bytes += b->pieces[i].size;
    bytes = b->items ? bytes * b->count / b->items : 0;
    const uint64_t worth = bytes / VYI_SCAN_PART;
    const uint32_t parts = worth < 2 ? 1
                           : worth < s->host.threads ? (uint32_t)worth : s->host.threads;
    b->found = 0;
    b->part_count = parts;
    for (uint32_t i = 0; i < parts; i++) {
        vyi_scan_share *part = &b->parts[i];
        part->s = s;
        part->bank = b;
        part->from = b->from + (uint32_t)((uint64_t)b->count * i / parts);
        part->to = b->from + (uint32_t)((uint64_t)b->count * (i + 1) / parts);
        part->started = parts > 1 && vyi_thread_start(&part->thread, vyi_scan_share_main, part);
    }
    for (uint32_t i = 0; i < parts; i++)
        if (!b->parts[i].started)
            vyi_scan_share_main(&b->parts[i]);
}

VYI_API uint32_t vyi_scan_host_end(vyi_scan_bank *b)
{
    for (uint32_t i = 0; i < b->part_count; i++)
        if (b->parts[i].started)
            vyi_thread_join(&b->parts[i].thread);
    b->part_count = 0;
    return b->found;
}

#endif /* VYRE_NO_SCAN */

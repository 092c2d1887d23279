/* ==========================================================================
 * scan, live: the kernel
 *
 * A lane takes a segment and walks it by blocks of 16 bytes, whose four words are
 * loaded before the first step, so that the memory is waited for once.  The rows
 * that four steps give are compared together: texts seldom match.
 *
 * Where bytes can be skipped (scan_host.c says why that is right), a lane of LANES hops.
 * In one turn of its loop it moves its window a few times, and then, if that stopped,
 * takes one step.  Lanes that hop wait for those that step, but never for a loop of theirs.
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_WORDS (VYI_SCAN_BLOCK / 4)
#define VYI_SCAN_HOPS  4u /* of a turn */

typedef struct vyi_scan_code {
    vyre_program           *p;
    const vyre_slot_values *slot;
    const vyi_scan_kernel  *kernel;
    vyre_value map, accept;      /* of the DFA: word of its classes, first row that accepts */
    vyre_value begin, size;      /* the bytes whose matches count */
    vyre_local row, kept;        /* now, and before the block */
} vyi_scan_code;

static vyre_value vyi_scan_u32(const vyi_scan_code *c, uint32_t x)
{
    return vyre_ir_u32(c->p, x);
}

static vyre_value vyi_scan_plus(const vyi_scan_code *c, vyre_value a, uint32_t b)
{
    return b ? vyre_ir_add(c->p, a, vyi_scan_u32(c, b)) : a;
}

static vyre_value vyi_scan_shr(const vyi_scan_code *c, vyre_value a, uint32_t b)
{
    return b ? vyre_ir_shr(c->p, a, vyi_scan_u32(c, b)) : a;
}

static vyre_value vyi_scan_load(const vyi_scan_code *c, uint32_t buffer, vyre_value at)
{
    return vyre_ir_load(c->p, c->slot->buffers[buffer], at);
}

/* --- tables --------------------------------------------------------------- */

/* Word `at` of the tables, which is below `end`. */
static vyre_value vyi_scan_table(const vyi_scan_code *c, vyre_value at, uint32_t end)
{
    vyre_program *p = c->p;
    const uint32_t copied = c->kernel->copied;
    if (copied == 0 || end <= copied)
        return vyi_scan_load(c, copied ? VYI_SCAN_COPY : VYI_SCAN_TABLE, at);
    vyre_local word = vyre_ir_local(p, VYRE_TYPE_U32, vyi_scan_u32(c, 0), "word");
    vyre_ir_if(p, vyre_ir_lt(p, at, vyi_scan_u32(c, copied)));
    vyre_ir_set(p, word, vyi_scan_load(c, VYI_SCAN_COPY, at));
    vyre_ir_else(p);
    vyre_ir_set(p, word, vyi_scan_load(c, VYI_SCAN_TABLE, at));
    vyre_ir_end(p);
    return vyre_ir_get(p, word);
}

/* A group copies the tables when it runs its first tile; word 0 of its array, which
 * begins as 0, says that it has.  Nobody sets it before all have looked. */
static void vyi_scan_copy(const vyi_scan_code *c)
{
    vyre_program *p = c->p;
    const vyre_slot_values *slot = c->slot;
    const uint32_t copied = c->kernel->copied;
    vyre_value zero = vyi_scan_u32(c, 0), one = vyi_scan_u32(c, 1);
    vyre_value filled = vyre_ir_uniform(p, vyi_scan_load(c, VYI_SCAN_COPY, zero));
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_if(p, vyre_ir_eq(p, filled, zero));
    vyre_value most = vyi_scan_plus(c, slot->lanes, copied - 1);
    vyre_value turn = vyre_ir_loop(p, zero, vyre_ir_div(p, most, slot->lanes));
    vyre_value at = vyre_ir_add(p, vyre_ir_mul(p, turn, slot->lanes), slot->lane);
    vyre_value word = vyi_scan_load(c, VYI_SCAN_TABLE, at);
    vyre_value mark = vyre_ir_select(p, vyre_ir_eq(p, at, zero), one, word);
    vyre_ir_store(p, slot->buffers[VYI_SCAN_COPY], at, mark); /* beyond its end: nowhere */
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

/* --- steps ---------------------------------------------------------------- */

/* The row after byte `k` of `word`. */
static vyre_value vyi_scan_step(const vyi_scan_code *c, vyre_value row, vyre_value word, uint32_t k)
{
    vyre_program *p = c->p;
    const vyi_scan_tables *t = c->kernel->tables;
    vyre_value byte = vyi_scan_shr(c, word, 8 * k);
    if (k < 3)
        byte = vyre_ir_and(p, byte, vyi_scan_u32(c, 255));
    if (t->count > 1 || t->dfas[0].own_map) {
        vyre_value at = vyre_ir_add(p, c->map, byte);
        byte = vyi_scan_table(c, at, t->fixed);
    }
    vyre_value at = vyre_ir_add(p, row, byte);
    return vyi_scan_table(c, at, t->word_count);
}

/* One record, if the byte at `at` counts.  There is one for each byte and DFA at most, so
 * the counter cannot wrap. */
static void vyi_scan_append(const vyi_scan_code *c, vyre_value row, vyre_value at)
{
    vyre_program *p = c->p;
    const vyre_slot_values *slot = c->slot;
    const vyi_scan_kernel *k = c->kernel;
    const vyre_buffer hits = slot->buffers[VYI_SCAN_HITS];
    vyre_value bank = slot->arg[VYI_SCAN_A_BANK];
    vyre_value matches = vyre_ir_ge(p, row, c->accept);
    vyre_value counts = vyre_ir_lt(p, vyre_ir_sub(p, at, c->begin), c->size);
    vyre_ir_if(p, vyre_ir_and(p, matches, counts));
    vyre_value counter = vyi_scan_plus(c, bank, k->counter);
    vyre_value n = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, slot->buffers[VYI_SCAN_STATES], counter,
                                  vyi_scan_u32(c, 1), VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_lt(p, n, vyi_scan_u32(c, k->places)));
    vyre_value first = vyre_ir_mul(p, bank, vyi_scan_u32(c, 2 * k->places));
    vyre_value record = vyre_ir_add(p, first, vyre_ir_shl(p, n, vyi_scan_u32(c, 1)));
    vyre_ir_store(p, hits, record, at);
    vyre_ir_store(p, hits, vyi_scan_plus(c, record, 1), row);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Four bytes from `at` on. */
static void vyi_scan_word(const vyi_scan_code *c, vyre_value word, vyre_value at)
{
    vyre_program *p = c->p;
    vyre_value rows[4], most;
    most.id = 0;
    for (uint32_t k = 0; k < 4; k++) {
        rows[k] = vyi_scan_step(c, k ? rows[k - 1] : vyre_ir_get(p, c->row), word, k);
        most = k ? vyre_ir_max(p, most, rows[k]) : rows[k];
    }
    vyre_ir_set(p, c->row, rows[3]);
    vyre_ir_if(p, vyre_ir_ge(p, most, c->accept));
    for (uint32_t k = 0; k < 4; k++)
        vyi_scan_append(c, rows[k], vyi_scan_plus(c, at, k));
    vyre_ir_end(p);
}

static void vyi_scan_blocks(const vyi_scan_code *c, vyre_value from, vyre_value to)
{
    vyre_program *p = c->p;
    vyre_value words[VYI_SCAN_WORDS];
    vyre_value first = vyi_scan_shr(c, from, 4);
    vyre_value last = vyi_scan_shr(c, vyi_scan_plus(c, to, VYI_SCAN_BLOCK - 1), 4);
    vyre_value block = vyre_ir_loop(p, first, last);
    vyre_value at = vyre_ir_shl(p, block, vyi_scan_u32(c, 2));
    for (uint32_t i = 0; i < VYI_SCAN_WORDS; i++)
        words[i] = vyi_scan_load(c, VYI_SCAN_TEXT, vyi_scan_plus(c, at, i));
    if (c->kept.id)
        vyre_ir_set(p, c->kept, vyre_ir_get(p, c->row));
    vyre_value byte = vyre_ir_shl(p, block, vyi_scan_u32(c, 4));
    for (uint32_t i = 0; i < VYI_SCAN_WORDS; i++)
        vyi_scan_word(c, words[i], vyi_scan_plus(c, byte, 4 * i));
    vyre_ir_end(p);
}

/* --- hops ----------------------------------------------------------------- */

/* The text's byte at `at` in the low bits, and above it those that lie in the same word. */
static vyre_value vyi_scan_bytes_at(const vyi_scan_code *c, vyre_value at)
{
    vyre_program *p = c->p;
    vyre_value byte = vyre_ir_and(p, at, vyi_scan_u32(c, 3));
    vyre_value word = vyi_scan_load(c, VYI_SCAN_TEXT, vyi_scan_shr(c, at, 2));
    return vyre_ir_shr(p, word, vyre_ir_shl(p, byte, vyi_scan_u32(c, 3)));
}

/* How far the window that begins at `at` can move, at least.  Where its last two bytes lie in two
 * words, it is the window one byte before it that is asked: that spares a load. */
static vyre_value vyi_scan_skip_of(const vyi_scan_code *c, vyre_value at)
{
    vyre_program *p = c->p;
    const vyi_scan_skips *k = &c->kernel->skips;
    vyre_value three = vyi_scan_u32(c, 3), last = vyi_scan_plus(c, at, k->window - 2);
    vyre_value parted = vyre_ir_select(p, vyre_ir_eq(p, vyre_ir_and(p, last, three), three),
                                       vyi_scan_u32(c, 1), vyi_scan_u32(c, 0));
    vyre_value bytes = vyi_scan_bytes_at(c, vyre_ir_sub(p, last, parted));
    vyre_value pair = vyre_ir_and(p, bytes, vyi_scan_u32(c, 0xffff));
    vyre_value word = vyi_scan_load(c, VYI_SCAN_TABLE,
                                    vyi_scan_plus(c, vyi_scan_shr(c, pair, 2), k->word));
    vyre_value shift = vyre_ir_shl(p, vyre_ir_and(p, pair, three), three);
    vyre_value skip = vyre_ir_and(p, vyre_ir_shr(p, word, shift), vyi_scan_u32(c, 255));
    return vyre_ir_sub(p, skip, vyre_ir_min(p, skip, parted));
}

/* The windows from `at` on; returns whether one stopped, or the text ended.  What is behind it is
 * read and not used.  A step is right wherever a window stops. */
static vyre_value vyi_scan_hop_on(const vyi_scan_code *c, vyre_local at, vyre_value end)
{
    vyre_program *p = c->p;
    vyre_value now = vyre_ir_get(p, at), zero = vyi_scan_u32(c, 0), moved;
    moved.id = 0;
    for (uint32_t i = 0; i < VYI_SCAN_HOPS; i++) {
        vyre_value left = vyre_ir_sub(p, end, now);
        vyre_value inside = vyre_ir_ge(p, left, vyi_scan_u32(c, c->kernel->skips.window));
        moved = vyre_ir_select(p, inside, vyi_scan_skip_of(c, now), zero);
        now = vyre_ir_add(p, now, moved);
    }
    vyre_ir_set(p, at, now);
    return vyre_ir_eq(p, moved, zero);
}

/* One step, and back to hops when nothing is remembered, or one byte that came after another:
 * that one is seen again. */
static void vyi_scan_hop_step(const vyi_scan_code *c, vyre_local at, vyre_value began)
{
    vyre_program *p = c->p;
    const uint32_t shallow = c->kernel->skips.shallow;
    vyre_value now = vyre_ir_get(p, at), start = vyi_scan_u32(c, c->kernel->tables->dfas[0].start);
    vyre_value row = vyi_scan_step(c, vyre_ir_get(p, c->row), vyi_scan_bytes_at(c, now), 0);
    vyi_scan_append(c, row, now);
    vyre_value again = vyre_ir_and(p, vyre_ir_lt(p, row, vyi_scan_u32(c, shallow)),
                                   vyre_ir_not(p, began));
    again = vyre_ir_and(p, again, vyre_ir_ne(p, row, start));
    vyre_ir_set(p, c->row, vyre_ir_select(p, again, start, row));
    vyre_value next = vyi_scan_plus(c, now, 1);
    vyre_ir_set(p, at, vyre_ir_select(p, again, now, next));
}

/* In each turn a window moves, or a byte is walked; a byte is walked twice at most. */
static void vyi_scan_hop_along(const vyi_scan_code *c, vyre_value from, vyre_value end)
{
    vyre_program *p = c->p;
    const vyi_scan_skips *k = &c->kernel->skips;
    vyre_value start = vyi_scan_u32(c, c->kernel->tables->dfas[0].start);
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, from, "at");
    vyre_local stopped = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "stopped");
    vyre_value most = vyre_ir_shl(p, vyre_ir_sub(p, end, from), vyi_scan_u32(c, 1));
    (void)vyre_ir_loop(p, vyi_scan_u32(c, 0), most);
    vyre_value began = vyre_ir_eq(p, vyre_ir_get(p, c->row), start);
    vyre_ir_set(p, stopped, vyre_ir_bool(p, true));
    vyre_ir_if(p, began);
    vyre_ir_set(p, stopped, vyi_scan_hop_on(c, at, end));
    vyre_ir_end(p);
    vyre_value least = vyre_ir_select(p, began, vyi_scan_u32(c, k->window), vyi_scan_u32(c, 1));
    vyre_ir_if(p, vyre_ir_lt(p, vyre_ir_sub(p, end, vyre_ir_get(p, at)), least));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, stopped));
    vyi_scan_hop_step(c, at, began);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* --- items ---------------------------------------------------------------- */

/* The state after the last whole block, where somebody wants it. */
static void vyi_scan_last(const vyi_scan_code *c, vyre_value state, vyre_value end)
{
    vyre_program *p = c->p;
    vyre_value wanted = c->slot->arg[VYI_SCAN_A_LAST], zero = vyi_scan_u32(c, 0);
    vyre_ir_if(p, vyre_ir_ne(p, wanted, zero));
    vyre_value rest = vyre_ir_and(p, end, vyi_scan_u32(c, VYI_SCAN_BLOCK - 1));
    vyre_value now = vyre_ir_get(p, c->row), kept = vyre_ir_get(p, c->kept);
    vyre_value row = vyre_ir_select(p, vyre_ir_eq(p, rest, zero), now, kept);
    vyre_ir_store(p, c->slot->buffers[VYI_SCAN_STATES], vyre_ir_add(p, state, wanted), row);
    vyre_ir_end(p);
}

/* Word of the segment's span, the last one that does not begin after it: bit by bit from the
 * highest.  One piece takes no step. */
static vyre_value vyi_scan_find(const vyi_scan_code *c, vyre_value segment)
{
    vyre_program *p = c->p;
    vyre_value spans = c->slot->arg[VYI_SCAN_A_SPANS], pieces = c->slot->arg[VYI_SCAN_A_PIECES];
    vyre_value one = vyi_scan_u32(c, 1), two = vyi_scan_u32(c, 2);
    vyre_local span = vyre_ir_local(p, VYRE_TYPE_U32, vyi_scan_u32(c, 0), "span");
    vyre_value zeros = vyre_ir_clz(p, vyre_ir_sub(p, pieces, one));
    vyre_value bits = vyre_ir_sub(p, vyi_scan_u32(c, 32), zeros);
    vyre_value turn = vyre_ir_loop(p, vyi_scan_u32(c, 0), bits);
    vyre_value left = vyre_ir_sub(p, vyre_ir_sub(p, bits, one), turn);
    vyre_value tried = vyre_ir_add(p, vyre_ir_get(p, span), vyre_ir_shl(p, one, left));
    vyre_value inside = vyre_ir_min(p, tried, vyre_ir_sub(p, pieces, one));
    vyre_value at = vyre_ir_add(p, spans, vyre_ir_shl(p, inside, two));
    vyre_value begins = vyre_ir_le(p, vyi_scan_load(c, VYI_SCAN_SPANS, at), segment);
    vyre_ir_if(p, vyre_ir_and(p, vyre_ir_eq(p, inside, tried), begins));
    vyre_ir_set(p, span, tried);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_add(p, spans, vyre_ir_shl(p, vyre_ir_get(p, span), two));
}

/* Sets what counts of the segment, and where the walk ends; returns where it begins.  *state
 * is the word of the first DFA's state. */
static vyre_value vyi_scan_cut_out(vyi_scan_code *c, vyre_value segment, vyre_value *end,
                                   vyre_value *state)
{
    vyre_program *p = c->p;
    const uint32_t overlap = c->kernel->tables->overlap;
    vyre_value span = vyi_scan_find(c, segment), width = c->slot->arg[VYI_SCAN_A_WIDTH];
    vyre_value first = vyi_scan_load(c, VYI_SCAN_SPANS, span);
    vyre_value text = vyi_scan_load(c, VYI_SCAN_SPANS, vyi_scan_plus(c, span, 1));
    vyre_value size = vyi_scan_load(c, VYI_SCAN_SPANS, vyi_scan_plus(c, span, 2));
    vyre_value begin = vyre_ir_mul(p, vyre_ir_sub(p, segment, first), width);
    vyre_value early = vyre_ir_sub(p, begin, vyre_ir_min(p, begin, vyi_scan_u32(c, overlap)));
    vyre_value whole = vyre_ir_eq(p, early, vyi_scan_u32(c, 0));
    c->size = vyre_ir_min(p, width, vyre_ir_sub(p, size, begin));
    c->begin = vyre_ir_add(p, text, begin);
    *end = vyre_ir_add(p, c->begin, c->size);
    /* What begins later than the piece has forgotten how that began. */
    vyre_value given = vyi_scan_load(c, VYI_SCAN_SPANS, vyi_scan_plus(c, span, 3));
    *state = vyre_ir_select(p, whole, given, vyi_scan_u32(c, 0));
    return vyre_ir_add(p, text, early);
}

static void vyi_scan_item(vyi_scan_code *c, vyre_value item)
{
    vyre_program *p = c->p;
    const vyre_slot_values *slot = c->slot;
    const vyi_scan_tables *t = c->kernel->tables;
    vyre_value segment = item, dfa = slot->arg[VYI_SCAN_A_DFA];
    if (t->count > 1) {
        vyre_value segments = slot->arg[VYI_SCAN_A_COUNT];
        vyre_value which = vyre_ir_div(p, item, segments);
        segment = vyre_ir_sub(p, item, vyre_ir_mul(p, which, segments));
        dfa = vyre_ir_add(p, which, dfa);
        vyre_value meta = vyre_ir_shl(p, dfa, vyi_scan_u32(c, 1));
        c->map = vyi_scan_table(c, vyi_scan_plus(c, meta, 1), t->fixed);
        c->accept = vyi_scan_table(c, vyi_scan_plus(c, meta, 2), t->fixed);
    } else {
        c->map = vyi_scan_u32(c, t->dfas[0].own_map);
        c->accept = vyi_scan_u32(c, t->dfas[0].from);
    }
    vyre_value end, state, from = vyi_scan_cut_out(c, segment, &end, &state);
    state = t->count > 1 ? vyre_ir_add(p, state, dfa) : state;
    vyre_value row = vyi_scan_load(c, VYI_SCAN_STATES, state);
    c->row = vyre_ir_local(p, VYRE_TYPE_U32, row, "row");
    if (t->bounded < t->count)
        c->kept = vyre_ir_local(p, VYRE_TYPE_U32, row, "kept");
    if (c->kernel->skips.word)
        vyi_scan_hop_along(c, from, end);
    else
        vyi_scan_blocks(c, from, end);
    if (c->kept.id)
        vyi_scan_last(c, state, end);
}

VYI_API void vyi_scan_emit(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    vyi_scan_code c;
    memset(&c, 0, sizeof c);
    c.p = p;
    c.slot = slot;
    c.kernel = (const vyi_scan_kernel *)user;
    if (c.kernel->copied == 0) {
        vyi_scan_item(&c, slot->index);
        return;
    }
    vyi_scan_copy(&c);
    vyre_value first = vyre_ir_mul(p, slot->index, slot->lanes);
    vyre_value mine = vyre_ir_add(p, first, slot->lane);
    vyre_value item = vyre_ir_add(p, mine, slot->arg[2]);
    vyre_ir_if(p, vyre_ir_lt(p, item, slot->arg[3]));
    vyi_scan_item(&c, item);
    vyre_ir_end(p);
}

#endif /* VYRE_NO_SCAN */

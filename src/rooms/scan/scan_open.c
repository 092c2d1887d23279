/* ==========================================================================
 * scan, live: opening and closing
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_TEXT_BYTES  (16u << 20) /* the standards */
#define VYI_SCAN_PLACES      65536u
#define VYI_SCAN_TEXT_MOST   0xffffffc0u
#define VYI_SCAN_TEXT_LEAST  4096u
#define VYI_SCAN_PIECES      4096u
#define VYI_SCAN_NARROWEST   64u   /* that is chosen */
#define VYI_SCAN_WIDEST      4096u /* that is chosen */
#define VYI_SCAN_FEW_LANES   2048u /* where nobody knows how many run at the same time */
#define VYI_SCAN_LOOP_BYTES  (1u << 18) /* a lane's, where drivers cut loops */
#define VYI_SCAN_HOP_BYTES   (1u << 13) /* and where it hops, in two turns a byte at most */
#define VYI_SCAN_THREADS       64u
#define VYI_SCAN_BLOCK_WORDS (1u << 20) /* states of a half, unless one piece needs more */

static vyre_status vyi_scan_check(const vyre_scan_desc *d, vyre_error *err)
{
    if (!d || (!d->automaton) == (!d->rules))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Give an automaton or rules, one of the two.",
                        "a scan of %s", !d ? "nothing: the desc is NULL"
                                           : d->rules ? "an automaton and rules" : "nothing");
    if (d->text_bytes > VYI_SCAN_TEXT_MOST)
        return vyi_fail(err, VYRE_E_ARGUMENT, d->text_bytes,
                        "Use less: texts of any size stream through.",
                        "%llu bytes of text on the device, at most %u have numbers",
                        (unsigned long long)d->text_bytes, VYI_SCAN_TEXT_MOST);
    if (d->hits > UINT32_MAX / 16 || (uint32_t)d->way > (uint32_t)VYRE_SCAN_HOST)
        return vyi_fail(err, VYRE_E_ARGUMENT, d->hits, "Use fewer; hits that find none are "
                        "looked for again.", "%u places for hits, way %u", (unsigned)d->hits,
                        (unsigned)d->way);
    if (d->width > (d->hits ? d->hits : VYI_SCAN_PLACES))
        return vyi_fail(err, VYRE_E_SEGMENT_WIDTH, d->width,
                        "A segment has one hit for each byte at most: give more places.",
                        "a segment of %u bytes, and %u places for hits", (unsigned)d->width,
                        (unsigned)(d->hits ? d->hits : VYI_SCAN_PLACES));
    return VYRE_OK;
}

VYI_API void *vyi_scan_alloc(const vyre_scan *s, size_t count, size_t size, vyre_error *err)
{
    size_t bytes = 0;
    void *memory = vyi_size_mul(count, size, &bytes) ? vyi_alloc(&s->allocator, bytes) : NULL;
    if (!memory)
        (void)vyi_fail_nomem(err, bytes ? bytes : SIZE_MAX);
    return memory;
}

/* --- the handle below ----------------------------------------------------- */

static void vyi_scan_buffers(const vyre_scan *s, vyre_buffer_desc buffers[VYI_SCAN_BUFFERS],
                             size_t sizes[VYI_SCAN_BUFFERS])
{
    static const char *const names[VYI_SCAN_BUFFERS] = { "text", "table", "spans", "states",
                                                         "hits", "copy" };
    const size_t words[VYI_SCAN_BUFFERS] = {
        VYI_SCAN_BANKS * (size_t)s->bank_bytes / 4,
        s->tables.word_count,
        VYI_SCAN_BANKS * 2 * (size_t)s->bank_pieces * 4,
        (size_t)s->kernel.counter + VYI_SCAN_BANKS,
        VYI_SCAN_BANKS * 2 * (size_t)s->places,
        0
    };
    memset(buffers, 0, VYI_SCAN_BUFFERS * sizeof *buffers);
    for (uint32_t i = 0; i < VYI_SCAN_BUFFERS; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].access = i < VYI_SCAN_STATES ? VYRE_ACCESS_READ : VYRE_ACCESS_READ_WRITE;
        sizes[i] = words[i] * 4;
    }
    buffers[VYI_SCAN_COPY].binding = 0;
    buffers[VYI_SCAN_COPY].access = VYRE_ACCESS_WORKGROUP;
    buffers[VYI_SCAN_COPY].count = s->kernel.copied;
}

/* Tables, and the states in which texts begin.  It also runs inside a recovery, where
 * vyre_map is all that it may call. */
static void vyi_scan_upload(void *user, vyre *v)
{
    const vyre_scan *s = (const vyre_scan *)user;
    const vyi_scan_tables *t = &s->tables;
    uint32_t *words = (uint32_t *)vyre_map(v, VYI_SCAN_TABLE, NULL);
    uint32_t *states = (uint32_t *)vyre_map(v, VYI_SCAN_STATES, NULL);
    for (uint32_t i = 0; i < t->word_count; i++)
        words[i] = vyi_le32(t->words[i]);
    for (uint32_t i = 0; i < t->count; i++)
        states[i] = vyi_le32(t->dfas[i].start);
    vyi_fence_stores();
    if (s->recovered)
        s->recovered(s->recovered_user, v);
}

static uint32_t vyi_scan_states(const vyi_scan_tables *t)
{
    uint32_t states = 0;
    for (uint32_t i = 0; i < t->count; i++)
        states += (t->dfas[i].end - t->dfas[i].first) / t->dfas[i].own_columns;
    return states;
}

/* Where it is the tables that are too large for a buffer of the device. */
static vyre_status vyi_scan_refused(const vyre_scan *s, vyre_error *err)
{
    const vyre_error how = *err;
    if (how.status != VYRE_E_VK_LIMIT || how.at != (uint64_t)s->tables.word_count * 4)
        return how.status;
    return vyi_fail(err, VYRE_E_SCAN_LIMIT, s->tables.word_count,
                    "Divide the patterns among several scans.", "%u states in tables: %.110s",
                    (unsigned)vyi_scan_states(&s->tables), how.text);
}

/* One automaton, which forgets. */
static bool vyi_scan_forgets(const vyi_scan_tables *t)
{
    return t->automaton && t->bounded == 1;
}

static vyre_status vyi_scan_open_engine(vyre_scan *s, const vyre_scan_desc *d, vyre_scan_way way,
                                        vyre_error *err)
{
    vyre_buffer_desc buffers[VYI_SCAN_BUFFERS];
    size_t sizes[VYI_SCAN_BUFFERS];
    vyre_handler handler;
    vyre_desc engine = d->engine;
    const bool lanes = way != VYRE_SCAN_GROUPS;
    vyre_status status = VYRE_OK;
    if (lanes && vyi_scan_forgets(&s->tables))
        status = vyi_scan_skips_make(&s->tables, &s->kernel.skips, err);
    if (lanes && status == VYRE_OK)
        status = vyi_scan_skips_add(&s->tables, &s->kernel.skips, err);
    const uint32_t words = s->tables.word_count;
    if (status < 0)
        return status;
    s->kernel.tables = &s->tables;
    s->kernel.places = s->places;
    s->kernel.copied = lanes ? 0 : words < VYI_SCAN_SHARED ? words : VYI_SCAN_SHARED;
    memset(&handler, 0, sizeof handler);
    handler.opcode = VYI_SCAN_OP;
    handler.emit = vyi_scan_emit;
    handler.user = &s->kernel;
    handler.name = "scan";
    handler.width = lanes ? VYRE_WIDTH_RANGE : VYRE_WIDTH_GROUP;
    vyi_scan_buffers(s, buffers, sizes);
    memset(&engine.kernel, 0, sizeof engine.kernel);
    engine.kernel.group_size = d->engine.kernel.group_size;
    engine.kernel.handlers = &handler;
    engine.kernel.handler_count = 1;
    engine.kernel.buffers = buffers;
    engine.kernel.buffer_count = VYI_SCAN_BUFFERS - (lanes ? 1u : 0u);
    engine.buffer_sizes = sizes;
    /* All near the device.  A work's end is ordered behind what it stored there, not behind what
     * it sent to the host's memory: such records could come after it. */
    engine.buffer_places = NULL;
    engine.recovered = vyi_scan_upload;
    engine.recovered_user = s;
    s->v = vyre_open(&engine, err);
    return s->v ? VYRE_OK : vyi_scan_refused(s, err);
}

/* Where the device turned out to be this machine's processors.  There is no kernel to wait
 * for then, but the memory is the handle's. */
static vyre_status vyi_scan_open_host(vyre_scan *s, const vyre_scan_desc *d,
                                      const vyre_info *info, vyre_error *err)
{
    const uint32_t processors = vyi_processors();
    const bool suits = vyi_scan_forgets(&s->tables) && info->backend == VYRE_BACKEND_CPU;
    if (d->way == VYRE_SCAN_HOST && !suits)
        return vyi_fail(err, VYRE_E_ARGUMENT, info->backend,
                        "Use VYRE_SCAN_CHOSEN, which takes HOST where it can be.",
                        "VYRE_SCAN_HOST on backend %s, for %s", vyre_backend_name(info->backend),
                        s->tables.automaton ? "an automaton" : "rules");
    if (!suits || (d->way != VYRE_SCAN_HOST && d->way != VYRE_SCAN_CHOSEN))
        return VYRE_OK;
    s->host.threads = processors < VYI_SCAN_THREADS ? processors : VYI_SCAN_THREADS;
    for (uint32_t i = 0; i < VYI_SCAN_BANKS; i++) {
        s->banks[i].parts = (vyi_scan_share *)vyi_scan_alloc(s, s->host.threads,
                                                            sizeof *s->banks[i].parts, err);
        if (!s->banks[i].parts)
            return VYRE_E_NOMEM;
    }
    s->host.used = true;
    return vyi_scan_skips_make(&s->tables, &s->kernel.skips, err);
}

/* Whether groups have the tables themselves is decided when the kernel is built, and what
 * the device is like is known when it is open.  So the likely way comes first. */
static vyre_status vyi_scan_open_way(vyre_scan *s, const vyre_scan_desc *d, vyre_error *err)
{
    vyre_info info;
    const bool chosen = d->way == VYRE_SCAN_CHOSEN;
    vyre_scan_way way = !chosen ? d->way
                        : d->engine.backend == VYRE_BACKEND_CPU ? VYRE_SCAN_LANES
                                                                : VYRE_SCAN_GROUPS;
    vyre_status status = vyi_scan_open_engine(s, d, way, err);
    if (status < 0)
        return status;
    vyre_query(s->v, &info);
    if (chosen && way == VYRE_SCAN_GROUPS && info.wide_groups == 0) {
        vyre_close(s->v);
        status = vyi_scan_open_engine(s, d, VYRE_SCAN_LANES, err);
        if (status < 0)
            return status;
        vyre_query(s->v, &info);
    }
    s->group = info.wide_group;
    s->lanes = info.wide_groups ? info.wide_groups * info.wide_group : VYI_SCAN_FEW_LANES;
    const uint32_t limit = s->kernel.skips.word ? VYI_SCAN_HOP_BYTES : VYI_SCAN_LOOP_BYTES;
    s->width_most = info.probe.loop_limited && s->places > limit ? limit : s->places;
    const uint32_t all = VYI_SCAN_BANKS * s->bank_bytes;
    s->piece_most = s->tables.bounded < s->tables.count && s->width_most < all
                        ? s->width_most & ~(VYI_SCAN_BLOCK - 1) : all;
    vyi_scan_upload(s, s->v);
    status = vyi_scan_open_host(s, d, &info, err);
    return status == VYRE_OK ? vyre_start(s->v, err) : status;
}

/* --- sizes ---------------------------------------------------------------- */

static void vyi_scan_measures(vyre_scan *s, const vyre_scan_desc *d)
{
    const vyi_scan_tables *t = &s->tables;
    uint64_t text = d->text_bytes ? d->text_bytes : VYI_SCAN_TEXT_BYTES;
    text = text < VYI_SCAN_TEXT_LEAST ? VYI_SCAN_TEXT_LEAST : text;
    s->places = d->hits ? d->hits : VYI_SCAN_PLACES;
    s->places = s->places < VYI_SCAN_BLOCK ? VYI_SCAN_BLOCK : s->places;
    s->bank_bytes = (uint32_t)(text / VYI_SCAN_BANKS) & ~(VYI_SCAN_BLOCK - 1);
    s->bank_pieces = VYI_SCAN_PIECES;
    s->bank_segments = UINT32_MAX / (t->count ? t->count : 1);
    const uint32_t blocks = VYI_SCAN_BLOCK_WORDS / (t->count ? t->count : 1);
    s->bank_blocks = blocks < 1 ? 1 : blocks < VYI_SCAN_PIECES ? blocks : VYI_SCAN_PIECES;
    s->kernel.counter = (2 * VYI_SCAN_BANKS * s->bank_blocks + 1) * t->count;
    s->timeout_ns = d->engine.run_timeout_ns ? d->engine.run_timeout_ns : 60000000000u;
}

/* Wide segments are walked twice less often, narrow ones make more lanes busy. */
static uint32_t vyi_scan_choose_width(const vyre_scan *s)
{
    const uint32_t least = s->tables.overlap * 4;
    uint32_t width = s->bank_bytes / s->lanes & ~(VYI_SCAN_BLOCK - 1);
    width = width < VYI_SCAN_NARROWEST ? VYI_SCAN_NARROWEST
            : width < VYI_SCAN_WIDEST  ? width
                                       : VYI_SCAN_WIDEST;
    width = width > least ? width : least;
    return width;
}

static vyre_status vyi_scan_open_banks(vyre_scan *s, vyre_error *err)
{
    const uint32_t dfas = s->tables.count, block = s->bank_blocks * dfas;
    for (uint32_t i = 0; i < VYI_SCAN_BANKS; i++) {
        vyi_scan_bank *b = &s->banks[i];
        b->text = i * s->bank_bytes;
        b->spans = i * 2 * s->bank_pieces * 4;
        b->states = dfas + i * 2 * block;
        b->pieces = (vyi_scan_piece *)vyi_scan_alloc(s, s->bank_pieces, sizeof *b->pieces, err);
        if (!b->pieces)
            return VYRE_E_NOMEM;
    }
    s->spans = (vyi_scan_span *)vyi_scan_alloc(s, s->bank_pieces, sizeof *s->spans, err);
    s->records = s->spans ? (vyi_scan_record *)vyi_scan_alloc(s, 2 * (size_t)s->places,
                                                              sizeof *s->records, err)
                          : NULL;
    s->states = s->records ? (uint32_t *)vyi_scan_alloc(s, block, sizeof *s->states, err) : NULL;
    s->rows = s->states ? (uint32_t *)vyi_scan_alloc(s, dfas, sizeof *s->rows, err) : NULL;
    return s->rows ? VYRE_OK : VYRE_E_NOMEM;
}

/* --- the whole ------------------------------------------------------------ */

/* Without a DFA that could match there is nothing to run. */
static vyre_status vyi_scan_open_into(vyre_scan *s, const vyre_scan_desc *d, vyre_error *err)
{
    const bool dense = d->engine.backend == VYRE_BACKEND_CPU && d->way == VYRE_SCAN_LANES;
    s->last = VYI_SCAN_NONE;
    s->recovered = d->engine.recovered;
    s->recovered_user = d->engine.recovered_user;
    vyre_status status = vyi_scan_tables_make(d, dense, &s->tables, err);
    if (status < 0)
        return status;
    vyi_scan_measures(s, d);
    if (s->tables.count == 0)
        return VYRE_OK;
    status = vyi_scan_open_banks(s, err);
    if (status == VYRE_OK)
        status = vyi_scan_open_way(s, d, err);
    if (status < 0)
        return status;
    s->width = d->width ? d->width : vyi_scan_choose_width(s);
    s->width = s->width < s->width_most ? s->width : s->width_most;
    return VYRE_OK;
}

VYRE_API vyre_scan *vyre_scan_open(const vyre_scan_desc *desc, vyre_error *err)
{
    vyre_error how;
    memset(&how, 0, sizeof how);
    vyre_status status = vyi_scan_check(desc, &how);
    vyre_scan *s = NULL;
    if (status == VYRE_OK) {
        s = (vyre_scan *)vyi_alloc_zeroed(&desc->engine.allocator, sizeof *s);
        status = s ? VYRE_OK : vyi_fail_nomem(&how, sizeof *s);
    }
    if (s) {
        s->allocator = desc->engine.allocator;
        status = vyi_scan_open_into(s, desc, &how);
    }
    if (status >= 0)
        return s;
    vyre_scan_close(s);
    if (err)
        *err = how;
    return NULL;
}

static void vyi_scan_release(const vyre_scan *s, void *memory, size_t size)
{
    if (memory)
        vyi_free(&s->allocator, memory, size);
}

VYRE_API void vyre_scan_close(vyre_scan *s)
{
    if (!s)
        return;
    const vyre_allocator allocator = s->allocator;
    const uint32_t dfas = s->tables.count;
    vyre_close(s->v);
    for (uint32_t i = 0; i < VYI_SCAN_BANKS; i++) {
        vyi_scan_release(s, s->banks[i].pieces, s->bank_pieces * sizeof *s->banks[i].pieces);
        vyi_scan_release(s, s->banks[i].parts, s->host.threads * sizeof *s->banks[i].parts);
    }
    vyi_scan_release(s, s->spans, s->bank_pieces * sizeof *s->spans);
    vyi_scan_release(s, s->records, 2 * (size_t)s->places * sizeof *s->records);
    vyi_scan_release(s, s->states, (size_t)s->bank_blocks * dfas * sizeof *s->states);
    vyi_scan_release(s, s->rows, dfas * sizeof *s->rows);
    vyi_scan_release(s, s->own, s->own_capacity * sizeof *s->own);
    vyi_scan_release(s, s->carries, s->carry_capacity * sizeof *s->carries);
    vyi_scan_release(s, s->carry_rows, s->carry_row_capacity * sizeof *s->carry_rows);
    vyi_scan_tables_free(&s->tables);
    vyi_free(&allocator, s, sizeof *s);
}

#endif /* VYRE_NO_SCAN */

/* watch: the golden vectors of telemetry and sketches, with a model beside them
 * that knows both the original's way and ours, so that rows which a rule changes
 * are checked whole; then what no vector says. */
#include "test.h"
#include "vec.h"
#include "vyre.h"

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

static bool runnable(uint32_t state)
{
    return state == 1 || state == 2 || state == 4 || state == 5 || state == 6;
}

/* --- windows: the model -------------------------------------------------- */

typedef struct window_model {
    uint32_t ticket, tenant, opcode, required, lookahead, states[8];
    bool     active;
} window_model;

/* Where the key's window is, or belongs. */
static unsigned window_find(const window_model *all, unsigned count, const window_model *key,
                            bool ours)
{
    unsigned i = 0;
    for (; i < count; i++) {
        if (all[i].ticket != key->ticket) {
            if (all[i].ticket > key->ticket)
                break;
        } else if (all[i].opcode != key->opcode) {
            if (all[i].opcode > key->opcode)
                break;
        } else if (!ours || all[i].tenant >= key->tenant) {
            break;
        }
    }
    return i;
}

/* ours: DEF-39's key and states; otherwise the original's. */
static unsigned model_windows(const vec_buffer *ring, const uint32_t *opcodes, unsigned opcode_count,
                              bool ours, window_model *out)
{
    unsigned count = 0;
    for (size_t slot = 0; slot < ring->size / 64; slot++) {
        const uint8_t *at = ring->bytes + 64 * slot;
        uint32_t state = vec_get(at, 0);
        window_model key = { vec_get(at, 4), vec_get(at, 2), vec_get(at, 1), 0, 0, { 0 }, false };
        bool wanted = false;
        for (unsigned i = 0; i < opcode_count; i++)
            wanted |= opcodes[i] == key.opcode;
        if (!wanted || (ours && (state == 0 || state > 7)))
            continue;
        unsigned i = window_find(out, count, &key, ours);
        bool found = i < count && out[i].ticket == key.ticket && out[i].opcode == key.opcode &&
                     (!ours || out[i].tenant == key.tenant);
        if (!found) {
            memmove(out + i + 1, out + i, (count - i) * sizeof *out);
            out[i] = key;
            count++;
        }
        out[i].required += vec_get(at, 5) == 0;
        out[i].lookahead += vec_get(at, 5) == 1;
        out[i].active |= runnable(state);
        if (state > 0 && state < 8)
            out[i].states[state]++;
    }
    return count;
}

static bool same_windows(const window_model *a, unsigned a_count, const window_model *b,
                         unsigned b_count)
{
    if (a_count != b_count)
        return false;
    for (unsigned i = 0; i < a_count; i++) {
        if (a[i].ticket != b[i].ticket || a[i].tenant != b[i].tenant ||
            a[i].opcode != b[i].opcode || a[i].required != b[i].required ||
            a[i].lookahead != b[i].lookahead || a[i].active != b[i].active ||
            memcmp(a[i].states, b[i].states, sizeof a[i].states) != 0)
            return false;
    }
    return true;
}

/* ticket.tenant.opcode.required.lookahead.published ... fault.active */
static unsigned file_windows(const vec_row *row, const char *text, window_model *out)
{
    unsigned count = 0;
    while (*text && !vec_skip(&text, '-')) {
        uint32_t n[13];
        ROW_EQ(row, vec_list(row, &text, '.', n, 13), 13);
        window_model w = { n[0], n[1], n[2], n[3], n[4],
                           { 0, n[5], n[6], n[7], n[8], n[9], n[10], n[11] }, n[12] != 0 };
        out[count++] = w;
        vec_skip(&text, ',');
    }
    return count;
}

static void check_windows(const vec_row *row, const vec_buffer *ring, const uint32_t *opcodes,
                          unsigned opcode_count, const window_model *expected, unsigned count)
{
    uint32_t got = 0xa5a5a5a5u;
    vec_buffer space = vec_alloc((count + 1) * sizeof(vyre_watch_window), 0xa5);
    vyre_watch_window *w = (vyre_watch_window *)(void *)space.bytes;
    if (count) {
        vyre_status status = vyre_watch_windows(ring->bytes, ring->size, opcodes, opcode_count, w,
                                                count - 1, &got, &err);
        vec_expect(row, status, VYRE_E_SPACE);
        vec_error(row, status, &err);
        ROW_EQ(row, got, count);
        ROW_EQ(row, w[0].ticket, 0xa5a5a5a5u);
    }
    vec_expect(row, vyre_watch_windows(ring->bytes, ring->size, opcodes, opcode_count, w, count,
                                       &got, &err), VYRE_OK);
    ROW_EQ(row, got, count);
    ROW_EQ(row, w[count].ticket, 0xa5a5a5a5u);
    for (unsigned i = 0; i < count; i++) {
        ROW_EQ(row, w[i].ticket, expected[i].ticket);
        ROW_EQ(row, w[i].tenant, expected[i].tenant);
        ROW_EQ(row, w[i].opcode, expected[i].opcode);
        ROW_EQ(row, w[i].required, expected[i].required);
        ROW_EQ(row, w[i].lookahead, expected[i].lookahead);
        ROW_EQ(row, w[i].active, expected[i].active);
        uint32_t all = w[i].states[0];
        for (unsigned state = 1; state < 8; state++) {
            ROW_EQ(row, w[i].states[state], expected[i].states[state]);
            all += w[i].states[state];
        }
        ROW_EQ(row, w[i].required + w[i].lookahead + w[i].other, all);
    }
    vec_free(&space);
}

static void row_windows(const vec_row *row, const vec_buffer *ring)
{
    uint32_t opcodes[64];
    const char *text = row->in[2];
    unsigned opcode_count = vec_list(row, &text, ',', opcodes, 64);
    ROW_CHECK(row, opcode_count <= 64);
    vec_buffer space = vec_alloc((ring->size / 64 + 1) * 3 * sizeof(window_model), 0);
    window_model *file = (window_model *)(void *)space.bytes;
    window_model *theirs = file + ring->size / 64 + 1, *ours = theirs + ring->size / 64 + 1;
    unsigned file_count = file_windows(row, row->out[3], file);
    unsigned their_count = model_windows(ring, opcodes, opcode_count, false, theirs);
    unsigned our_count = model_windows(ring, opcodes, opcode_count, true, ours);
    ROW_CHECK(row, same_windows(file, file_count, theirs, their_count));
    if (!same_windows(ours, our_count, theirs, their_count))
        vec_ruled(RULE_WINDOW_KEY);
    check_windows(row, ring, opcodes, opcode_count, ours, our_count);
    vec_free(&space);
}

/* --- decode -------------------------------------------------------------- */

static void check_numbers(const vec_row *row, const char *text, const uint64_t *got, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ROW_EQ(row, got[i], vec_number(row, &text));
        ROW_CHECK(row, vec_skip(&text, ',') == (i + 1 < count));
    }
    ROW_CHECK(row, *text == '\0');
}

static void check_pairs(const vec_row *row, const char *text, const uint32_t metrics[VYRE_METRICS])
{
    uint32_t expected[VYRE_METRICS] = { 0 };
    while (*text && !vec_skip(&text, '-')) {
        uint64_t index = vec_number(row, &text);
        ROW_CHECK(row, index < VYRE_METRICS && vec_skip(&text, '='));
        expected[index] = (uint32_t)vec_number(row, &text);
        vec_skip(&text, ',');
    }
    for (unsigned i = 0; i < VYRE_METRICS; i++)
        ROW_EQ(row, metrics[i], expected[i]);
}

static void check_look(const vec_row *row, const vyre_watch *w)
{
    const uint64_t head[3] = { w->shutdown, w->done, w->epoch };
    check_numbers(row, row->out[0], head, 3);
    check_pairs(row, row->out[1], w->metrics);
    uint64_t occupancy[11];
    uint32_t sum = 0, active = 0;
    for (unsigned state = 0; state < VYRE_WATCH_STATES; state++) {
        occupancy[state] = w->states[state];
        sum += w->states[state];
        active += runnable(state) ? w->states[state] : 0;
    }
    occupancy[9] = w->slots;
    occupancy[10] = w->depth;
    check_numbers(row, row->out[2], occupancy, 11);
    ROW_EQ(row, sum, w->slots);
    ROW_EQ(row, active, w->runnable);
    const uint64_t counters[13] = { w->slots, w->depth, w->states[VYRE_SLOT_EMPTY], w->idle_ppm,
                                    w->density_bps, w->occupancy_bps, w->done,
                                    w->states[VYRE_SLOT_DONE], w->tenant_total, w->tenant_skew,
                                    w->priority_total, w->states[VYRE_SLOT_REQUEUE],
                                    w->states[VYRE_SLOT_FAULTED] };
    check_numbers(row, row->out[4], counters, 13);
}

/* What only this library's control buffers hold. */
static void check_own_words(const vec_row *row, const vec_buffer *control, const vyre_watch *w)
{
    ROW_EQ(row, w->faults, vec_get(control->bytes, 141));
    ROW_EQ(row, w->log_dropped, vec_get(control->bytes, 142));
    ROW_EQ(row, w->heartbeat, vec_get(control->bytes, 143));
    ROW_EQ(row, w->requeues, vec_get(control->bytes, 146));
    ROW_EQ(row, w->promoted, vec_get(control->bytes, 147));
    for (unsigned i = 0; i < 32; i++)
        ROW_EQ(row, w->tenant_claims[i], vec_get(control->bytes, 64 + i));
    for (unsigned i = 0; i < 5; i++)
        ROW_EQ(row, w->priority_claims[i], vec_get(control->bytes, 136 + i));
    ROW_EQ(row, w->at_ns, 0);
}

static void row_decode(const vec_row *row)
{
    vyre_watch w, before;
    memset(&w, 0xa5, sizeof w);
    memset(&before, 0xa5, sizeof before);
    vec_buffer control = vec_parse(row, row->in[0]), ring = vec_parse(row, row->in[1]);
    vyre_status status = vyre_watch_decode(control.bytes, control.size, ring.bytes, ring.size, &w,
                                           &err);
    vec_error(row, status, &err);
    if (vec_ok(row)) {
        vec_expect(row, status, VYRE_OK);
        check_look(row, &w);
        check_own_words(row, &control, &w);
        row_windows(row, &ring);
    } else {
        ROW_CHECK(row, memcmp(&w, &before, sizeof w) == 0);
        if (strcmp(row->status, "E_RING_SHAPE") == 0) {
            vec_expect(row, status, VYRE_E_RING_LEN);
            vec_ruled(RULE_WATCH_RING);
        } else {
            vec_expect_row(row, status);
        }
    }
    vec_free(&control);
    vec_free(&ring);
}

static void row_active(const vec_row *row)
{
    vec_buffer ring = vec_parse(row, row->in[0]);
    uint32_t opcode = vec_u32(row, row->in[1]), capacity = (uint32_t)(ring.size / 64);
    uint32_t count = 77, again = 77;
    vec_buffer space = vec_alloc(4 * (size_t)capacity, 0xa5);
    uint32_t *slots = (uint32_t *)(void *)space.bytes;
    vec_expect(row, vyre_watch_active(ring.bytes, ring.size, opcode, slots, capacity, &count, &err),
               VYRE_OK);
    const char *text = row->out[0];
    unsigned i = 0;
    while (*text && !vec_skip(&text, '-')) {
        ROW_CHECK(row, i < count);
        ROW_EQ(row, slots[i++], vec_number(row, &text));
        vec_skip(&text, ',');
    }
    ROW_EQ(row, count, i);
    if (count) {
        memset(space.bytes, 0xa5, space.size);
        vec_expect(row, vyre_watch_active(ring.bytes, ring.size, opcode, slots, count - 1, &again,
                                          &err), VYRE_E_SPACE);
        ROW_EQ(row, again, count);
        ROW_EQ(row, slots[0], 0xa5a5a5a5u);
    }
    vec_free(&space);
    vec_free(&ring);
}

/* --- health -------------------------------------------------------------- */

static vyre_watch look_at(const vec_row *row, uint32_t done, const vec_buffer *ring)
{
    vyre_watch w;
    vec_buffer control = vec_alloc(640, 0);
    vec_store(&control, 1, done);
    vec_expect(row, vyre_watch_decode(control.bytes, control.size, ring->bytes, ring->size, &w,
                                      &err), VYRE_OK);
    vec_free(&control);
    return w;
}

static void row_health(const vec_row *row)
{
    vec_buffer ring = vec_parse(row, row->in[2]), none = vec_alloc(0, 0);
    uint32_t then = vec_u32(row, row->in[0]), now = vec_u32(row, row->in[1]);
    vyre_watch first = look_at(row, then, &none), second = look_at(row, now, &ring);
    vyre_health h;
    vec_expect(row, vyre_watch_health(&first, &second, &h, &err), VYRE_OK);
    bool stalled = false;
    for (unsigned state = 0; state < VYRE_WATCH_STATES; state++)
        stalled |= runnable(state) && second.states[state] > 0;
    stalled = stalled && now == then;
    ROW_EQ(row, h.stalled, stalled);
    ROW_EQ(row, h.done_delta, (uint32_t)(now - then));
    ROW_EQ(row, h.depth, second.depth);
    ROW_EQ(row, h.faults, second.states[VYRE_SLOT_FAULTED]);
    if (vec_ok(row)) {
        const char *text = row->out[0];
        uint32_t n[6];
        ROW_EQ(row, vec_list(row, &text, ',', n, 6), 6);
        ROW_EQ(row, h.done_delta, n[0]);
        ROW_EQ(row, h.depth, n[1]);
        ROW_EQ(row, h.faults, n[2]);
        ROW_EQ(row, h.requeues, n[3]);
        ROW_EQ(row, h.idle_ppm, n[4]);
        if (h.stalled != (n[5] != 0)) {
            ROW_CHECK(row, h.faults || second.states[VYRE_SLOT_UNKNOWN]);
            vec_ruled(RULE_STALLED);
        }
    } else {
        ROW_CHECK(row, strcmp(row->status, "E_BACKWARDS") == 0 && now < then);
        vec_ruled(RULE_BACKWARDS);
    }
    vec_free(&ring);
    vec_free(&none);
}

static void row_copy_avoidance(const vec_row *row)
{
    uint64_t copied = vec_u64(row, row->in[0]), avoided = vec_u64(row, row->in[1]);
    ROW_EQ(row, vyre_ratio_bps(avoided, copied), vec_u32(row, row->out[0]));
}

/* --- sketches ------------------------------------------------------------ */

static size_t model_index(uint32_t row_number, uint32_t width, uint32_t key)
{
    uint64_t state = key ^ row_number * 0x9e3779b97f4a7c15ull;
    return row_number * (size_t)width + (size_t)(test_random(&state) % width);
}

static uint64_t saturated(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static void model_add(uint64_t *counters, uint32_t depth, uint32_t width, uint32_t key,
                      uint64_t amount)
{
    for (uint32_t i = 0; i < depth; i++) {
        uint64_t *c = &counters[model_index(i, width, key)];
        *c = saturated(*c, amount);
    }
}

static bool model_fits(const uint64_t *counters, uint32_t depth, uint32_t width, uint32_t key,
                       uint64_t amount)
{
    for (uint32_t i = 0; i < depth; i++) {
        if (counters[model_index(i, width, key)] > UINT64_MAX - amount)
            return false;
    }
    return true;
}

/* i=v,... of 64-bit numbers, into zeros. */
static uint64_t *file_counters(const vec_row *row, const char *text, size_t count)
{
    uint64_t *counters = (uint64_t *)calloc(count, sizeof *counters);
    ROW_CHECK(row, counters != NULL);
    while (*text && !vec_skip(&text, '-')) {
        uint64_t index = vec_number(row, &text);
        ROW_CHECK(row, index < count && vec_skip(&text, '='));
        counters[index] = vec_number(row, &text);
        vec_skip(&text, ',');
    }
    return counters;
}

static void same_counters(const vec_row *row, const uint64_t *got, const uint64_t *expected,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        ROW_EQ(row, got[i], expected[i]);
}

/* A sketch in a block of exactly its size, at an odd address when `odd`. */
typedef struct test_sketch {
    void        *block;
    vyre_sketch *s;
    uint32_t     depth, width;
} test_sketch;

static test_sketch sketch_of(uint32_t depth, uint32_t width, bool odd)
{
    test_sketch t = { NULL, NULL, depth, width };
    size_t size = vyre_sketch_size(depth, width);
    t.block = malloc(size + odd);
    CHECK(t.block != NULL);
    memset(t.block, 0xa5, size + odd);
    CHECK_EQ(vyre_sketch_make((uint8_t *)t.block + odd, size, depth, width, &t.s, &err), VYRE_OK);
    return t;
}

static void row_sketch_new(const vec_row *row)
{
    uint64_t depth = vec_u64(row, row->in[0]), width = vec_u64(row, row->in[1]);
    if (depth > UINT32_MAX || width > UINT32_MAX) {
        ROW_CHECK(row, strcmp(row->status, "E_OVF") == 0);
        vec_ruled(RULE_SKETCH_SIZE);
        return;
    }
    uint64_t block[1024];
    vyre_sketch *s = NULL;
    vyre_status status = vyre_sketch_make(block, sizeof block, (uint32_t)depth, (uint32_t)width, &s,
                                          &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    ROW_CHECK(row, (s != NULL) == (status >= 0));
    ROW_CHECK(row, (vyre_sketch_size((uint32_t)depth, (uint32_t)width) != 0) == (status >= 0));
}

/* Runs the adds `key:amount` until the first error, in the sketch and the model. */
static vyre_status run_adds(const vec_row *row, const char *text, test_sketch *t, uint64_t *model,
                            bool saturating)
{
    while (*text && !vec_skip(&text, '-')) {
        uint32_t key = (uint32_t)vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, ':'));
        uint64_t amount = vec_number(row, &text);
        vec_skip(&text, ',');
        if (saturating) {
            vyre_sketch_add(t->s, key, amount);
        } else {
            vyre_status status = vyre_sketch_try_add(t->s, key, amount, &err);
            vec_error(row, status, &err);
            ROW_EQ(row, status >= 0, model_fits(model, t->depth, t->width, key, amount));
            if (status < 0)
                return status;
        }
        model_add(model, t->depth, t->width, key, amount);
    }
    return VYRE_OK;
}

static void check_estimates(const vec_row *row, const char *text, const test_sketch *t,
                            const uint64_t *model, bool ruled)
{
    while (*text && !vec_skip(&text, '-')) {
        uint32_t key = (uint32_t)vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, '='));
        uint64_t expected = vec_number(row, &text), least = UINT64_MAX;
        for (uint32_t i = 0; i < t->depth; i++) {
            uint64_t c = model[model_index(i, t->width, key)];
            least = c < least ? c : least;
        }
        ROW_EQ(row, vyre_sketch_estimate(t->s, key), least);
        if (!ruled)
            ROW_EQ(row, expected, least);
        vec_skip(&text, ',');
    }
}

static void row_sketch_add(const vec_row *row)
{
    bool saturating = strcmp(row->op, "add_saturating") == 0;
    test_sketch t = sketch_of(vec_u32(row, row->in[0]), vec_u32(row, row->in[1]), row->line % 2);
    size_t count = (size_t)t.depth * t.width;
    uint64_t *model = (uint64_t *)calloc(count, sizeof *model);
    ROW_CHECK(row, model != NULL);
    vyre_status status = run_adds(row, row->in[2], &t, model, saturating);
    vec_expect_row(row, status);
    uint64_t *file = file_counters(row, row->out[0], count);
    bool ruled = memcmp(file, model, count * sizeof *model) != 0;
    if (ruled) { /* the failing addition has left its first rows there */
        ROW_CHECK(row, status == VYRE_E_COUNTER_OVF);
        vec_ruled(RULE_SKETCH_PARTIAL);
    }
    same_counters(row, vyre_sketch_counters(t.s), model, count);
    check_estimates(row, row->out[1], &t, model, ruled);
    free(file);
    free(model);
    free(t.block);
}

static void row_sketch_merge(const vec_row *row)
{
    test_sketch a = sketch_of(vec_u32(row, row->in[0]), vec_u32(row, row->in[1]), false);
    test_sketch b = sketch_of(vec_u32(row, row->in[3]), vec_u32(row, row->in[4]), true);
    size_t count = (size_t)a.depth * a.width, other = (size_t)b.depth * b.width;
    uint64_t *first = (uint64_t *)calloc(count, sizeof *first);
    uint64_t *second = (uint64_t *)calloc(other, sizeof *second);
    ROW_CHECK(row, first && second);
    run_adds(row, row->in[2], &a, first, true);
    run_adds(row, row->in[5], &b, second, true);
    vyre_status status = vyre_sketch_merge(a.s, b.s, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    uint64_t *file = file_counters(row, row->out[0], count);
    for (size_t i = 0; status >= 0 && i < count; i++)
        first[i] += second[i];
    if (memcmp(file, first, count * sizeof *first) != 0) {
        ROW_CHECK(row, status == VYRE_E_COUNTER_OVF);
        vec_ruled(RULE_SKETCH_PARTIAL);
    }
    same_counters(row, vyre_sketch_counters(a.s), first, count);
    same_counters(row, vyre_sketch_counters(b.s), second, other);
    free(file);
    free(first);
    free(second);
    free(a.block);
    free(b.block);
}

/* Which of the five, by column: opcodes, active opcodes, tenants, states, metrics. */
static void model_look(const vec_buffer *control, const vec_buffer *ring, unsigned column, bool ours,
                       uint64_t *counters, uint32_t depth, uint32_t width)
{
    for (size_t slot = 0; column < 4 && slot < ring->size / 64; slot++) {
        const uint8_t *at = ring->bytes + 64 * slot;
        uint32_t state = vec_get(at, 0);
        const uint32_t keys[4] = { vec_get(at, 1), vec_get(at, 1), vec_get(at, 2), state };
        if (column == 1 && !runnable(state))
            continue;
        if (ours && column != 3 && state == 0)
            continue;
        model_add(counters, depth, width, keys[column], 1);
    }
    for (unsigned i = 0; column == 4 && i < VYRE_METRICS; i++)
        model_add(counters, depth, width, i, vec_get(control->bytes, 96 + i));
}

static void row_sketch_look(const vec_row *row)
{
    vec_buffer control = vec_parse(row, row->in[0]), ring = vec_parse(row, row->in[1]);
    uint32_t depth = vec_u32(row, row->in[2]), width = vec_u32(row, row->in[3]);
    size_t count = (size_t)depth * width;
    test_sketch t[5];
    for (unsigned i = 0; i < 5; i++)
        t[i] = sketch_of(depth, width, false);
    const vyre_watch_sketches all = { t[0].s, t[1].s, t[2].s, t[3].s, t[4].s };
    vec_expect(row, vyre_watch_sketch(control.bytes, control.size, ring.bytes, ring.size, &all,
                                      &err), VYRE_OK);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t *file = file_counters(row, row->out[i], count);
        uint64_t *model = (uint64_t *)calloc(2 * count, sizeof *model), *ours = model + count;
        ROW_CHECK(row, model != NULL);
        model_look(&control, &ring, i, false, model, depth, width);
        same_counters(row, model, file, count);
        model_look(&control, &ring, i, true, ours, depth, width);
        if (memcmp(model, ours, count * sizeof *model) != 0)
            vec_ruled(RULE_SKETCH_EMPTY);
        same_counters(row, vyre_sketch_counters(t[i].s), ours, count);
        free(file);
        free(model);
        free(t[i].block);
    }
    vyre_watch w;
    vec_expect(row, vyre_watch_decode(control.bytes, control.size, ring.bytes, ring.size, &w, &err),
               VYRE_OK);
    ROW_EQ(row, w.slots, vec_u32(row, row->out[5]));
    ROW_EQ(row, w.runnable, vec_u32(row, row->out[6]));
    vec_free(&control);
    vec_free(&ring);
}

static void vectors_telemetry(void)
{
    static const vec_op ops[] = {
        { "decode", 3, row_decode },       { "active_slots", 2, row_active },
        { "health", 3, row_health },       { "copy_avoidance", 2, row_copy_avoidance },
        { "sketch", 4, row_sketch_look }
    };
    vec_run("telemetry", ops, sizeof ops / sizeof ops[0]);
}

static void vectors_sketch(void)
{
    static const vec_op ops[] = {
        { "new", 2, row_sketch_new },              { "try_add", 3, row_sketch_add },
        { "add_saturating", 3, row_sketch_add },   { "merge", 6, row_sketch_merge }
    };
    vec_run("sketch", ops, sizeof ops / sizeof ops[0]);
}

/* --- what no vector says ------------------------------------------------- */

static void arguments_are_checked(void)
{
    uint32_t control[160] = { 0 }, ring[16] = { 0 }, count = 77, slots[1];
    vyre_watch w;
    vyre_health h;
    vyre_sketch *s = NULL;
    uint64_t memory[8];
    const vyre_watch_sketches none = { NULL, NULL, NULL, NULL, NULL };
    CHECK_FAILS(vyre_watch_decode(control, 640, ring, 64, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_decode(NULL, 640, ring, 64, &w, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_decode(control, 640, NULL, 64, &w, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_health(NULL, &w, &h, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_health(&w, NULL, &h, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_health(&w, &w, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_active(ring, 64, 0, NULL, 1, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_active(ring, 64, 0, slots, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_active(ring, 63, 0, slots, 1, &count, &err), VYRE_E_RING_LEN);
    CHECK_FAILS(vyre_watch_windows(ring, 64, NULL, 1, NULL, 0, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_windows(ring, 64, slots, 1, NULL, 1, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_sketch(control, 640, ring, 64, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_sketch(control, 636, ring, 64, &none, &err), VYRE_E_CONTROL_SHAPE);
    CHECK_EQ(vyre_watch_sketch(control, 640, ring, 64, &none, &err), VYRE_OK);
    CHECK_FAILS(vyre_sketch_make(NULL, 64, 1, 1, &s, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_sketch_make(memory, 64, 1, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_sketch_make(memory, vyre_sketch_size(2, 2) - 1, 2, 2, &s, &err), VYRE_E_SPACE);
    CHECK_EQ(err.at, vyre_sketch_size(2, 2));
    CHECK_FAILS(vyre_sketch_make(memory, 64, 0, 1, &s, &err), VYRE_E_SKETCH_DIM);
    CHECK(s == NULL);
    CHECK_EQ(count, 77);
#if SIZE_MAX > 0xffffffffu
    CHECK_FAILS(vyre_watch_decode(control, 640, ring, ((size_t)1 << 32) * 64, &w, &err),
                VYRE_E_OVF);
    CHECK_FAILS(vyre_sketch_make(memory, 64, UINT32_MAX, UINT32_MAX, &s, &err), VYRE_E_OVF);
#endif
    CHECK_EQ(vyre_sketch_size(UINT32_MAX, UINT32_MAX), 0);
}

/* More windows than are found at a time, in an order that pushes found ones out. */
static void many_windows(void)
{
    enum { SLOTS = 1500, TICKETS = 211, TENANTS = 2 };
    static uint32_t ring[16 * SLOTS];
    static vyre_watch_window out[TICKETS * TENANTS];
    const uint32_t opcodes[3] = { 9, 8, 9 };
    uint32_t total = 0, count;
    for (uint32_t i = 0; i < SLOTS; i++) {
        ring[16 * i] = 1 + i % 7;
        ring[16 * i + 1] = i % 3 ? 8 : 10;
        ring[16 * i + 2] = i % TENANTS;
        ring[16 * i + 4] = (i * 7919) % TICKETS;
        ring[16 * i + 5] = i % 4;
    }
    CHECK_FAILS(vyre_watch_windows(ring, sizeof ring, opcodes, 3, out, 1, &count, &err),
                VYRE_E_SPACE);
    CHECK(count > 300 && count <= TICKETS * TENANTS);
    CHECK_EQ(vyre_watch_windows(ring, sizeof ring, opcodes, 3, out, count, &count, &err), VYRE_OK);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t state = 1; state < 8; state++)
            total += out[i].states[state];
        CHECK_EQ(out[i].opcode, 8);
        if (i)
            CHECK(out[i].ticket > out[i - 1].ticket ||
                  (out[i].ticket == out[i - 1].ticket && out[i].tenant > out[i - 1].tenant));
    }
    CHECK_EQ(total, SLOTS - SLOTS / 3);
}

static void ratios_are_exact(void)
{
    CHECK_EQ(vyre_ratio_bps(UINT64_MAX, 0), 10000);
    CHECK_EQ(vyre_ratio_bps(UINT64_MAX, 1), 9999);
    CHECK_EQ(vyre_ratio_bps(UINT64_MAX / 9999, UINT64_MAX), 0);
    CHECK_EQ(vyre_ratio_bps(UINT64_MAX / 9999 + 1, UINT64_MAX), 1);
    uint64_t seed = test_seed(7);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t part = test_random(&seed) % 100000, rest = test_random(&seed) % 100000;
        CHECK_EQ(vyre_ratio_bps(part, rest), part ? part * 10000 / (part + rest) : 0);
    }
}

/* A count that wraps between two looks. */
static void health_over_a_wrap(void)
{
    vyre_watch before, now;
    vyre_health h;
    memset(&before, 0, sizeof before);
    now = before;
    before.done = UINT32_MAX;
    now.done = 4;
    now.runnable = now.depth = 3;
    CHECK_EQ(vyre_watch_health(&before, &now, &h, NULL), VYRE_OK);
    CHECK_EQ(h.done_delta, 5);
    CHECK(!h.stalled);
    now.done = UINT32_MAX;
    CHECK_EQ(vyre_watch_health(&before, &now, &h, NULL), VYRE_OK);
    CHECK(h.stalled);
}

/* Every prefix of a control buffer and a ring, each in a block of its own. */
static void every_prefix(void)
{
    uint64_t seed = test_seed(11);
    uint32_t words[160 + 32], opcode = 1, count;
    vyre_watch_window windows[4];
    for (unsigned i = 0; i < 192; i++)
        words[i] = (uint32_t)(test_random(&seed) % 10);
    for (size_t size = 0; size <= 656; size++) {
        uint8_t *control = (uint8_t *)malloc(size + 1);
        CHECK(control != NULL);
        memcpy(control + 1, words, size);
        for (size_t ring_size = 0; ring_size <= (size == 640 ? 128 : 0); ring_size++) {
            uint8_t *ring = (uint8_t *)malloc(ring_size ? ring_size : 1);
            CHECK(ring != NULL);
            memcpy(ring, words + 160, ring_size);
            vyre_watch w;
            vyre_status status = vyre_watch_decode(control + 1, size, ring, ring_size, &w, &err);
            CHECK_EQ(status, size < 640 || size % 4 ? VYRE_E_CONTROL_SHAPE
                             : ring_size % 64       ? VYRE_E_RING_LEN
                                                    : VYRE_OK);
            status = vyre_watch_windows(ring, ring_size, &opcode, 1, windows, 4, &count, &err);
            CHECK_EQ(status, ring_size % 64 ? VYRE_E_RING_LEN : VYRE_OK);
            free(ring);
        }
        free(control);
    }
}

static void sketches_add_up(void)
{
    test_sketch a = sketch_of(4, 64, true), b = sketch_of(4, 64, false), c = sketch_of(2, 64, true);
    for (uint32_t i = 0; i < 1000; i++)
        vyre_sketch_add(i % 2 ? a.s : b.s, i % 10, 1);
    CHECK_EQ(vyre_sketch_merge(a.s, b.s, &err), VYRE_OK);
    for (uint32_t i = 0; i < 10; i++)
        CHECK(vyre_sketch_estimate(a.s, i) >= 100);
    CHECK_FAILS(vyre_sketch_merge(a.s, c.s, &err), VYRE_E_SKETCH_SHAPE);
    vyre_sketch_clear(a.s);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQ(vyre_sketch_estimate(a.s, i), 0);
    vyre_sketch_add(a.s, 5, UINT64_MAX - 1);
    CHECK_FAILS(vyre_sketch_try_add(a.s, 5, 2, &err), VYRE_E_COUNTER_OVF);
    CHECK_EQ(vyre_sketch_estimate(a.s, 5), UINT64_MAX - 1);
    vyre_sketch_add(a.s, 5, 2);
    CHECK_EQ(vyre_sketch_estimate(a.s, 5), UINT64_MAX);
    free(a.block);
    free(b.block);
    free(c.block);
}

int main(void)
{
    RUN(vectors_telemetry);
    RUN(vectors_sketch);
    RUN(arguments_are_checked);
    RUN(many_windows);
    RUN(ratios_are_exact);
    RUN(health_over_a_wrap);
    RUN(every_prefix);
    RUN(sketches_add_up);
    return test_end();
}

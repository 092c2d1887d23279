/* The golden vectors of publishing, packed slots, descriptors, load misses and
 * whole slots. */
#include "vec.h"

#define MAX_WORKS 512

static bool is_publishable(const vec_buffer *ring, uint32_t slot)
{
    uint32_t status = vec_get(ring->bytes, (size_t)slot * VYRE_SLOT_WORDS);
    return status == VYRE_SLOT_EMPTY || status == VYRE_SLOT_DONE;
}

/* Arguments with dots between them; more than 12 are counted only. */
static void parse_args(const vec_row *row, const char **text, char separator, uint32_t *args,
                       uint32_t *count)
{
    *count = vec_list(row, text, separator, args, VYRE_MAX_ARGS);
}

static vyre_work make_work(uint32_t opcode, uint32_t tenant)
{
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = opcode;
    work.tenant = tenant;
    return work;
}

/* --- publish ------------------------------------------------------------- */

static void row_publish_slot(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    vyre_work work = make_work(vec_u32(row, row->in[3]), vec_u32(row, row->in[2]));
    const char *text = row->in[4];
    parse_args(row, &text, ',', work.args, &work.arg_count);
    vyre_status status = vyre_ring_publish(ring.bytes, ring.size, vec_u32(row, row->in[1]), &work,
                                           &err);
    vec_error(row, status, &err);
    if (vec_ok(row) && work.tenant >= VYRE_MAX_TENANTS) {
        vec_expect(row, status, VYRE_E_TENANT_RANGE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_TENANT);
    } else {
        vec_expect_row(row, status);
        vec_same_text(row, &ring, row->out[0], &before);
    }
    vec_free(&ring);
    vec_free(&before);
}

/* opcode or opcode:a.b.c, with commas between them. */
static uint32_t parse_works(const vec_row *row, const char *text, uint32_t tenant, vyre_work *works)
{
    uint32_t count = 0;
    while (*text && !vec_skip(&text, '-')) {
        ROW_CHECK(row, count < MAX_WORKS);
        vyre_work *work = &works[count++];
        *work = make_work((uint32_t)vec_number(row, &text), tenant);
        if (vec_skip(&text, ':'))
            parse_args(row, &text, '.', work->args, &work->arg_count);
        vec_skip(&text, ',');
    }
    return count;
}

static vyre_work works[MAX_WORKS];

static void row_batch_publish(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    vec_buffer expected = vec_result(row, row->out[1], &before);
    uint32_t first = vec_u32(row, row->in[1]), tenant = vec_u32(row, row->in[2]);
    uint32_t count = parse_works(row, row->in[4], tenant, works);
    vyre_status status = vyre_ring_publish_batch(ring.bytes, ring.size, first, works, count,
                                                 vec_u32(row, row->in[3]), &err);
    vec_error(row, status, &err);
    if (vec_ok(row) && count && tenant >= VYRE_MAX_TENANTS) {
        vec_expect(row, status, VYRE_E_TENANT_RANGE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_TENANT);
    } else {
        if (vec_ok(row) && count == 0 && tenant != 0) {
            vec_put(expected.bytes, first * VYRE_SLOT_WORDS + VYRE_SLOT_TENANT, 0);
            vec_ruled(RULE_EMPTY_BATCH);
        }
        vec_expect_row(row, status);
        vec_same(row, &ring, &expected);
    }
    ROW_EQ(row, vec_ok(row) ? count + 1 : 0, vec_u32(row, row->out[0]));
    vec_free(&expected);
    vec_free(&ring);
    vec_free(&before);
}

/* op.input.output.param */
static uint32_t parse_items(const vec_row *row, const char *text, uint32_t tenant)
{
    uint32_t count = 0;
    while (*text && !vec_skip(&text, '-')) {
        uint32_t words[4];
        ROW_EQ(row, vec_list(row, &text, '.', words, 4), 4);
        ROW_CHECK(row, count < MAX_WORKS);
        works[count] = make_work(words[0], tenant);
        works[count].arg_count = 3;
        memcpy(works[count].args, words + 1, 3 * sizeof words[0]);
        count++;
        vec_skip(&text, ',');
    }
    return count;
}

static void row_publish_work_items(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    uint32_t tenant = vec_u32(row, row->in[2]);
    uint32_t count = parse_items(row, row->in[3], tenant);
    vyre_status status = vyre_ring_publish_works(ring.bytes, ring.size, vec_u32(row, row->in[1]),
                                                 works, count, &err);
    vec_error(row, status, &err);
    if (vec_ok(row) && count && tenant >= VYRE_MAX_TENANTS) {
        vec_expect(row, status, VYRE_E_TENANT_RANGE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_TENANT);
    } else {
        vec_expect_row(row, status);
        vec_same_text(row, &ring, row->out[1], &before);
    }
    ROW_EQ(row, vec_ok(row) ? count : 0, vec_u32(row, row->out[0]));
    vec_free(&ring);
    vec_free(&before);
}

/* What a fresh ring with these works holds. */
static vec_buffer fresh_ring(uint32_t slots, uint32_t count)
{
    vec_buffer b = vec_alloc((size_t)slots * VYRE_SLOT_BYTES, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *slot = b.bytes + (size_t)i * VYRE_SLOT_BYTES;
        vec_put(slot, 0, VYRE_SLOT_PUBLISHED);
        vec_put(slot, 1, works[i].opcode);
        vec_put(slot, 2, works[i].tenant);
        vec_put(slot, 3, 2);
        for (uint32_t j = 0; j < 3; j++)
            vec_put(slot, 4 + j, works[i].args[j]);
    }
    return b;
}

static void check_encoded_works(const vec_row *row, uint32_t slots, uint32_t count,
                                const vec_buffer *dst)
{
    vyre_error err;
    vec_buffer fresh = fresh_ring(slots, count), got = vec_alloc(fresh.size, 0xa5);
    vec_buffer expected = vec_result(row, row->out[0], dst);
    vec_expect(row, vyre_ring_encode_works(got.bytes, got.size, slots, works, count, &err),
               VYRE_OK);
    vec_same(row, &got, &fresh);
    if (expected.size != fresh.size || memcmp(expected.bytes, fresh.bytes, fresh.size) != 0) {
        ROW_CHECK(row, strstr(row->op, "_words") && dst->size == fresh.size);
        vec_ruled(RULE_STALE);
    }
    vec_free(&expected);
    vec_free(&got);
    vec_free(&fresh);
}

static void row_encode_work_items(const vec_row *row)
{
    vyre_error err;
    vec_buffer dst = vec_parse(row, row->in[3]), before = vec_copy(&dst);
    uint32_t slots = vec_u32(row, row->in[0]), tenant = vec_u32(row, row->in[1]);
    uint32_t count = parse_items(row, row->in[2], tenant);
    bool     foreign = vec_ok(row) && count && tenant >= VYRE_MAX_TENANTS;
    if (vec_ok(row) && !foreign) {
        check_encoded_works(row, slots, count, &dst);
    } else {
        vec_buffer big = vec_alloc(slots <= MAX_WORKS ? vyre_ring_size(slots) : 64, 0xa5);
        vec_buffer big_before = vec_copy(&big);
        vyre_status status = vyre_ring_encode_works(big.bytes, big.size, slots, works, count, &err);
        vec_error(row, status, &err);
        vec_same(row, &big, &big_before);
        if (foreign) {
            vec_expect(row, status, VYRE_E_TENANT_RANGE);
            vec_ruled(RULE_TENANT);
        } else {
            vec_expect_row(row, status);
        }
        vec_free(&big);
        vec_free(&big_before);
    }
    vec_free(&dst);
    vec_free(&before);
}

static void row_transition(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    vyre_slot_state state = VYRE_SLOT_UNKNOWN;
    vyre_status status = vyre_ring_transition(ring.bytes, ring.size, vec_u32(row, row->in[1]),
                                              (vyre_transition)vec_u32(row, row->in[2]), &state,
                                              &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    ROW_EQ(row, status < 0 ? 0 : state, vec_u32(row, row->out[0]));
    ROW_CHECK(row, status >= 0 || state == VYRE_SLOT_UNKNOWN);
    vec_same_text(row, &ring, row->out[1], &before);
    vec_free(&ring);
    vec_free(&before);
}

static void vectors_publish(void)
{
    static const vec_op ops[] = {
        { "publish_slot", 5, row_publish_slot },
        { "batch_publish", 5, row_batch_publish },
        { "publish_work_items", 4, row_publish_work_items },
        { "encode_work_items", 4, row_encode_work_items },
        { "encode_work_items_words", 4, row_encode_work_items },
        { "transition", 3, row_transition }
    };
    vec_run("publish", ops, sizeof ops / sizeof ops[0]);
}

/* --- packed slots -------------------------------------------------------- */

static vyre_op packed_ops[MAX_WORKS];

/* opcode or opcode:a.b.c, with commas; *N: N operations 0. */
static uint32_t parse_ops(const vec_row *row, const char *text)
{
    uint32_t count = 0;
    memset(packed_ops, 0, sizeof packed_ops);
    if (vec_skip(&text, '*')) {
        uint64_t n = vec_number(row, &text);
        ROW_CHECK(row, n <= MAX_WORKS);
        return (uint32_t)n;
    }
    while (*text && !vec_skip(&text, '-')) {
        ROW_CHECK(row, count < MAX_WORKS);
        vyre_op *op = &packed_ops[count++];
        op->opcode = (uint32_t)vec_number(row, &text);
        if (vec_skip(&text, ':'))
            parse_args(row, &text, '.', op->args, &op->arg_count);
        vec_skip(&text, ',');
    }
    return count;
}

/* What was packed can be taken apart again. */
static void check_unpacks(const vec_row *row, const vyre_work *work, uint32_t count)
{
    uint32_t meta = (2 + 2 * count + 3) / 4, offset = 0;
    uint8_t  bytes[4 * VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        vec_put(bytes, i, work->args[i]);
    ROW_EQ(row, bytes[0], count);
    for (uint32_t i = 0; i < count; i++) {
        ROW_EQ(row, bytes[2 + 2 * i], packed_ops[i].opcode);
        ROW_EQ(row, bytes[3 + 2 * i], offset);
        for (uint32_t j = 0; j < packed_ops[i].arg_count; j++)
            ROW_EQ(row, work->args[meta + offset + j], packed_ops[i].args[j]);
        offset += packed_ops[i].arg_count;
    }
    ROW_EQ(row, bytes[1], offset);
    ROW_EQ(row, work->arg_count, meta + offset);
}

static void row_publish_packed(const vec_row *row)
{
    vyre_error err;
    vyre_work work, untouched;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    uint32_t count = parse_ops(row, row->in[3]);
    memset(&untouched, 0xa5, sizeof untouched);
    work = untouched;
    vyre_status status = vyre_work_pack(&work, packed_ops, count, &err);
    if (status >= 0) {
        check_unpacks(row, &work, count);
        ROW_CHECK(row, work.tenant == 0 && work.priority == VYRE_PRIORITY_NORMAL);
        work.tenant = vec_u32(row, row->in[2]);
        status = vyre_ring_publish(ring.bytes, ring.size, vec_u32(row, row->in[1]), &work, &err);
    } else {
        ROW_CHECK(row, memcmp(&work, &untouched, sizeof work) == 0);
    }
    vec_error(row, status, &err);
    if (vec_ok(row) && work.tenant >= VYRE_MAX_TENANTS) {
        vec_expect(row, status, VYRE_E_TENANT_RANGE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_PACKED_TENANT);
    } else {
        vec_expect_row(row, status);
        vec_same_text(row, &ring, row->out[0], &before);
    }
    vec_free(&ring);
    vec_free(&before);
}

static void vectors_packed(void)
{
    static const vec_op ops[] = { { "publish_packed", 4, row_publish_packed } };
    vec_run("packed", ops, 1);
}

/* --- descriptors --------------------------------------------------------- */

static void row_builtin_wire(const vec_row *row)
{
    static const uint32_t members[] = {
        VYRE_OP_NOP, VYRE_OP_STORE_U32, VYRE_OP_ATOMIC_ADD, VYRE_OP_LOAD_U32, VYRE_OP_COMPARE_SWAP,
        VYRE_OP_MEMCPY, VYRE_OP_DFA_STEP, VYRE_OP_BATCH_FENCE, VYRE_OP_PRINTF, VYRE_OP_SHUTDOWN
    };
    uint32_t member = vec_u32(row, row->in[0]);
    ROW_CHECK(row, member < sizeof members / sizeof members[0]);
    ROW_EQ(row, members[member], vec_u32(row, row->out[0]));
}

/* By the rule of all or nothing: the works, the place, the slots, the owners. */
static vyre_status all_or_nothing(const vec_buffer *ring, uint32_t first, uint32_t count,
                                  vyre_status of_works)
{
    uint64_t slots = ring->size / VYRE_SLOT_BYTES, end = (uint64_t)first + count;
    if (of_works < 0)
        return of_works;
    if (ring->size % VYRE_SLOT_BYTES)
        return VYRE_E_RING_LEN;
    if (end > UINT32_MAX)
        return VYRE_E_INDEX_OVERFLOW;
    if (end > slots)
        return VYRE_E_CAPACITY;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_publishable(ring, first + i))
            return VYRE_E_NOT_PUBLISHABLE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (works[i].tenant >= VYRE_MAX_TENANTS)
            return VYRE_E_TENANT_RANGE;
    }
    return VYRE_OK;
}

static vyre_status works_status(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (works[i].arg_count > VYRE_MAX_ARGS)
            return VYRE_E_TOO_MANY_ARGS;
        if (!vyre_opcode_publishable(works[i].opcode))
            return VYRE_E_OPCODE;
    }
    return VYRE_OK;
}

/* The library's outcome is `status`, the file's is the row's. */
static void check_descriptor(const vec_row *row, vyre_status status, uint32_t count,
                             const vec_buffer *ring, const vec_buffer *before)
{
    if (vec_ok(row) && status == VYRE_E_TENANT_RANGE) {
        vec_same(row, ring, before);
        vec_ruled(RULE_DESCRIPTOR_TENANT);
        return;
    }
    vec_buffer expected = vec_result(row, row->out[1], before);
    if (status < 0 && vec_ok(row)) {
        ROW_CHECK(row, count == 0 && vec_u32(row, row->out[0]) == 0);
        vec_same(row, ring, &expected);
        vec_ruled(RULE_EMPTY_DESCRIPTOR);
    } else if (status < 0) {
        vec_same(row, ring, before);
        if (!vec_is(row, status) || memcmp(expected.bytes, before->bytes, before->size) != 0)
            vec_ruled(RULE_PARTIAL);
    } else {
        ROW_CHECK(row, vec_ok(row));
        ROW_EQ(row, count, vec_u32(row, row->out[0]));
        vec_same(row, ring, &expected);
    }
    vec_free(&expected);
}

/* S:tenant:opcode:args or P:tenant:opcode/args|opcode/args... */
static vyre_status parse_item(const vec_row *row, const char **text, vyre_work *work)
{
    bool packed = vec_skip(text, 'P');
    ROW_CHECK(row, packed || vec_skip(text, 'S'));
    ROW_CHECK(row, vec_skip(text, ':'));
    uint32_t tenant = (uint32_t)vec_number(row, text);
    ROW_CHECK(row, vec_skip(text, ':'));
    if (!packed) {
        *work = make_work((uint32_t)vec_number(row, text), tenant);
        ROW_CHECK(row, vec_skip(text, ':'));
        if (**text && **text != ';')
            parse_args(row, text, '.', work->args, &work->arg_count);
        return VYRE_OK;
    }
    uint32_t count = 0;
    memset(packed_ops, 0, sizeof packed_ops);
    while (**text && **text != ';') {
        ROW_CHECK(row, count < MAX_WORKS);
        vyre_op *op = &packed_ops[count++];
        op->opcode = (uint32_t)vec_number(row, text);
        ROW_CHECK(row, vec_skip(text, '/'));
        if (**text && **text != ';' && **text != '|')
            parse_args(row, text, '.', op->args, &op->arg_count);
        vec_skip(text, '|');
    }
    vyre_status status = vyre_work_pack(work, packed_ops, count, NULL);
    if (status < 0)
        *work = make_work(VYRE_OP_PACKED_SLOT, tenant);
    work->tenant = tenant;
    return status;
}

static void row_batch_descriptor(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    uint32_t first = vec_u32(row, row->in[1]), count = 0;
    vyre_status packing = VYRE_OK;
    const char *text = row->in[2];
    while (*text && !vec_skip(&text, '-')) {
        ROW_CHECK(row, count < MAX_WORKS);
        vyre_status status = parse_item(row, &text, &works[count++]);
        packing = packing < 0 ? packing : status;
        vec_skip(&text, ';');
    }
    vyre_status by_rule = packing < 0 ? packing
                                      : all_or_nothing(&ring, first, count, works_status(count));
    vyre_status status = packing;
    if (packing >= 0) {
        status = vyre_ring_publish_works(ring.bytes, ring.size, first, works, count, &err);
        vec_error(row, status, &err);
    }
    vec_expect(row, status, by_rule);
    check_descriptor(row, status, count, &ring, &before);
    vec_free(&ring);
    vec_free(&before);
}

#define PAYLOAD_ROOM 64

static uint32_t     payload_words[2][MAX_WORKS][PAYLOAD_ROOM];
static vyre_payload payloads[2][MAX_WORKS];

/* Payloads with semicolons between them; `e` is an empty one. */
static uint32_t parse_payloads(const vec_row *row, const char *text, unsigned which)
{
    vyre_payload *list = payloads[which];
    uint32_t count = 0;
    if (vec_skip(&text, '-'))
        return 0;
    while (*text) {
        ROW_CHECK(row, count < MAX_WORKS);
        list[count].words = payload_words[which][count];
        if (*text == 'e' && (text[1] == ';' || text[1] == '\0')) {
            list[count++].count = 0;
            text++;
        } else {
            list[count].count = vec_list(row, &text, '.', payload_words[which][count],
                                         PAYLOAD_ROOM);
            count++;
        }
        vec_skip(&text, ';');
    }
    return count;
}

static vyre_status window_status(const vyre_window *w)
{
    for (uint32_t i = 0; i < w->required_count + w->lookahead_count; i++) {
        const vyre_payload *p = i < w->required_count ? &w->required[i]
                                                      : &w->lookahead[i - w->required_count];
        if (p->count > VYRE_WINDOW_ARGS)
            return VYRE_E_WINDOW_ARGS;
    }
    return vyre_opcode_publishable(w->opcode) ? VYRE_OK : VYRE_E_OPCODE;
}

/* Of a window the place comes first, then what it holds. */
static vyre_status window_by_rule(const vec_buffer *ring, uint32_t first, const vyre_window *w)
{
    uint32_t count = w->required_count + w->lookahead_count;
    if (count == 0)
        return VYRE_OK;
    for (uint32_t i = 0; i < count; i++)
        works[i] = make_work(w->opcode, w->tenant);
    vyre_status place = all_or_nothing(ring, first, count, VYRE_OK);
    if (place == VYRE_E_RING_LEN || place == VYRE_E_INDEX_OVERFLOW || place == VYRE_E_CAPACITY)
        return place;
    return all_or_nothing(ring, first, count, window_status(w));
}

static void row_window(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    uint32_t first = vec_u32(row, row->in[1]), published = 0xa5a5a5a5u;
    vyre_window w;
    memset(&w, 0, sizeof w);
    w.tenant = vec_u32(row, row->in[2]);
    w.opcode = vec_u32(row, row->in[3]);
    w.ticket = vec_u32(row, row->in[4]);
    w.required_count = parse_payloads(row, row->in[5], 0);
    w.required = payloads[0];
    w.lookahead_count = parse_payloads(row, row->in[6], 1);
    w.lookahead = payloads[1];

    vyre_status status = vyre_ring_publish_window(ring.bytes, ring.size, first, &w, &published,
                                                  &err);
    vec_error(row, status, &err);
    vec_expect(row, status, window_by_rule(&before, first, &w));
    ROW_EQ(row, published, status < 0 ? 0xa5a5a5a5u : w.required_count + w.lookahead_count);
    check_descriptor(row, status, published, &ring, &before);
    vec_free(&ring);
    vec_free(&before);
}

static void vectors_descriptor(void)
{
    static const vec_op ops[] = {
        { "builtin_wire", 1, row_builtin_wire },
        { "batch_descriptor", 3, row_batch_descriptor },
        { "window", 7, row_window }
    };
    vec_run("descriptor", ops, sizeof ops / sizeof ops[0]);
}

/* --- load misses and whole slots ----------------------------------------- */

static void row_miss_encode(const vec_row *row)
{
    vyre_load_miss miss = { vec_u32(row, row->in[0]), vec_u32(row, row->in[1]) != 0, 0,
                            VYRE_PRIORITY_CRITICAL };
    vec_buffer image = vec_alloc(VYRE_SLOT_BYTES, 0xa5);
    vec_expect_row(row, vyre_load_miss_encode(image.bytes, image.size, &miss, NULL));
    vec_same_text(row, &image, row->out[0], &image);
    vec_free(&image);
}

static void row_miss_decode(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]);
    uint32_t slot = vec_u32(row, row->in[1]);
    vyre_load_miss miss;
    memset(&miss, 0xa5, sizeof miss);
    vyre_status status = vyre_load_miss_decode(ring.bytes, ring.size, slot, &miss, &err);
    vec_error(row, status, &err);
    if (ring.size % VYRE_SLOT_BYTES) {
        vec_expect(row, status, VYRE_E_RING_LEN);
        if (vec_ok(row))
            vec_ruled(RULE_MISS_PARTIAL);
    } else if (slot >= ring.size / VYRE_SLOT_BYTES) {
        ROW_CHECK(row, vec_none(row));
        vec_expect(row, status, VYRE_E_SLOT_RANGE);
    } else if (vec_none(row)) {
        vec_expect(row, status, VYRE_EMPTY);
    } else {
        uint32_t state = vec_get(ring.bytes, (size_t)slot * VYRE_SLOT_WORDS);
        if (state != VYRE_SLOT_PUBLISHED && state != VYRE_SLOT_CLAIMED) {
            vec_expect(row, status, VYRE_EMPTY);
            vec_ruled(RULE_MISS_STATE);
        } else {
            vec_expect_row(row, status);
            ROW_EQ(row, miss.resource, vec_u32(row, row->out[0]));
            ROW_EQ(row, miss.prefetch, vec_u32(row, row->out[1]));
        }
    }
    ROW_CHECK(row, status == VYRE_OK || miss.resource == 0xa5a5a5a5u);
    vec_free(&ring);
}

static void row_hostring_new(const vec_row *row)
{
    vyre_error err;
    uint32_t slots = vec_u32(row, row->in[0]);
    vec_buffer ring = vec_alloc(slots <= VYRE_MAX_SLOTS ? vyre_ring_size(slots) : 0, 0xa5);
    vyre_status status = vyre_ring_encode(ring.bytes, ring.size, slots, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    if (status >= 0)
        ROW_EQ(row, ring.size, vec_u64(row, row->out[0]));
    vec_free(&ring);
}

static void row_hostring_publish(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]), before = vec_copy(&ring);
    vec_buffer image = vec_parse(row, row->in[2]);
    uint32_t slot = vec_u32(row, row->in[1]), done = 0;
    vyre_status status = vyre_ring_store(ring.bytes, ring.size, slot, image.bytes, image.size,
                                         &err);
    vec_error(row, status, &err);
    if (vec_is(row, VYRE_E_MISSING)) {
        vec_expect(row, status, VYRE_E_SLOT_RANGE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_STORE_RANGE);
    } else if (vec_ok(row) && !is_publishable(&before, slot)) {
        vec_expect(row, status, VYRE_E_NOT_PUBLISHABLE);
        vec_same(row, &ring, &before);
        vec_ruled(RULE_STORE_STATE);
    } else {
        vec_expect_row(row, status);
        vec_same_text(row, &ring, row->out[0], &before);
        vec_expect(row, vyre_ring_count(ring.bytes, ring.size, VYRE_SLOT_DONE, &done, NULL),
                   VYRE_OK);
        ROW_EQ(row, done, vec_u32(row, row->out[1]));
    }
    vec_free(&image);
    vec_free(&ring);
    vec_free(&before);
}

static void row_hostring_read(const vec_row *row)
{
    vyre_error err;
    vec_buffer ring = vec_parse(row, row->in[0]);
    vec_buffer out = vec_parse(row, row->in[2]), before = vec_copy(&out);
    vyre_status status = vyre_ring_load(ring.bytes, ring.size, vec_u32(row, row->in[1]), out.bytes,
                                        out.size, &err);
    vec_error(row, status, &err);
    if (vec_is(row, VYRE_E_MISSING)) {
        vec_expect(row, status, VYRE_E_SLOT_RANGE);
        vec_ruled(RULE_STORE_RANGE);
    } else {
        vec_expect_row(row, status);
    }
    vec_same_text(row, &out, row->out[0], &before);
    vec_free(&out);
    vec_free(&before);
    vec_free(&ring);
}

static void vectors_loadmiss(void)
{
    static const vec_op ops[] = {
        { "encode", 2, row_miss_encode },               { "decode", 2, row_miss_decode },
        { "hostring_new", 1, row_hostring_new },        { "hostring_read", 3, row_hostring_read },
        { "hostring_publish", 3, row_hostring_publish }
    };
    vec_run("loadmiss", ops, sizeof ops / sizeof ops[0]);
}

int main(void)
{
    RUN(vectors_publish);
    RUN(vectors_packed);
    RUN(vectors_descriptor);
    RUN(vectors_loadmiss);
    return test_end();
}

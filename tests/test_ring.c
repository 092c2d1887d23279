/* ring: publishing, packing, windows, transitions, whole slots; the public
 * functions only, so that it runs on any machine. */
#include "test.h"
#include "vyre.h"

static vyre_error err;

static uint32_t get(const uint8_t *bytes, size_t word)
{
    const uint8_t *b = bytes + 4 * word;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put(uint8_t *bytes, size_t word, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[4 * word + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t fnv(const uint8_t *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

/* A ring in a block of its own, off the 4-byte boundary when `shift` says so. */
typedef struct test_ring {
    uint8_t *block, *bytes, *before;
    size_t   size;
} test_ring;

static test_ring ring_at(uint32_t slots, size_t shift, int fill)
{
    test_ring r;
    r.size = (size_t)slots * VYRE_SLOT_BYTES;
    r.block = (uint8_t *)malloc(r.size + shift + 1);
    r.before = (uint8_t *)malloc(r.size + 1);
    CHECK(r.block && r.before);
    r.bytes = r.block + shift;
    memset(r.bytes, fill, r.size);
    return r;
}

static test_ring ring_of(uint32_t slots)
{
    return ring_at(slots, 0, 0);
}

static void ring_free(test_ring *r)
{
    free(r->block);
    free(r->before);
}

static void ring_note(test_ring *r)
{
    memcpy(r->before, r->bytes, r->size);
}

static void ring_same(const test_ring *r)
{
    CHECK(memcmp(r->bytes, r->before, r->size) == 0);
}

/* 16 words of a slot. */
static void slot_is(const test_ring *r, uint32_t slot, const uint32_t *words)
{
    for (uint32_t i = 0; i < VYRE_SLOT_WORDS; i++)
        CHECK_EQ(get(r->bytes, slot * VYRE_SLOT_WORDS + i), words[i]);
}

static vyre_work work_of(uint32_t opcode, uint32_t tenant, uint32_t count, uint32_t a, uint32_t b,
                         uint32_t c)
{
    vyre_work w;
    memset(&w, 0, sizeof w);
    w.opcode = opcode;
    w.tenant = tenant;
    w.arg_count = count;
    w.args[0] = a;
    w.args[1] = b;
    w.args[2] = c;
    return w;
}

/* Refused with a text and a fix, and nothing written. */
#define CHECK_REFUSED(ring, call, expected)                                                        \
    do {                                                                                           \
        ring_note(ring);                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
        ring_same(ring);                                                                           \
    } while (0)

/* --- publish (19.D) ------------------------------------------------------ */

static void publish_writes_one_slot(void)
{
    static const uint32_t expected[16] = { 1, 1, 0x1a, 2, 0x64, 0xc8 }, empty[16] = { 0 };
    for (size_t shift = 0; shift < 4; shift++) {
        test_ring r = ring_at(4, shift, 0);
        vyre_work w = work_of(VYRE_OP_STORE_U32, 0x1a, 2, 0x64, 0xc8, 77);
        CHECK_EQ(vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_OK);
        slot_is(&r, 0, empty);
        slot_is(&r, 1, expected);
        slot_is(&r, 2, empty);
        slot_is(&r, 3, empty);
        ring_free(&r);
    }
}

static void publish_clears_old_words(void)
{
    static const uint32_t expected[16] = { 1, 0, 3, 2, 9 };
    test_ring r = ring_at(1, 0, 0xaa);
    vyre_work w = work_of(VYRE_OP_NOP, 3, 1, 9, 8, 7);
    put(r.bytes, 0, VYRE_SLOT_DONE);
    CHECK_EQ(vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_OK);
    slot_is(&r, 0, expected);
    ring_free(&r);
}

static void publish_takes_twelve_arguments(void)
{
    test_ring r = ring_of(1);
    vyre_work w = work_of(0x40000000, 28, 12, 0, 0, 0);
    for (uint32_t i = 0; i < 12; i++)
        w.args[i] = i + 1;
    CHECK_EQ(vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_OK);
    for (uint32_t i = 0; i < 12; i++)
        CHECK_EQ(get(r.bytes, 4 + i), i + 1);
    put(r.bytes, 0, 0);
    w.arg_count = 13;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_E_TOO_MANY_ARGS);
    w.arg_count = UINT32_MAX;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_E_TOO_MANY_ARGS);
    ring_free(&r);
}

static void publish_knows_the_priorities(void)
{
    static const uint32_t wire[] = { 2, 0, 1, 3, 4 };
    test_ring r = ring_of(1);
    for (uint32_t p = 0; p < 5; p++) {
        vyre_slot slot;
        vyre_work w = work_of(VYRE_OP_NOP, 0, 0, 0, 0, 0);
        w.priority = (vyre_priority)p;
        put(r.bytes, 0, 0);
        CHECK_EQ(vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_OK);
        CHECK_EQ(get(r.bytes, 3), wire[p]);
        CHECK_EQ(vyre_ring_read(r.bytes, r.size, 0, &slot, &err), VYRE_OK);
        CHECK_EQ(slot.priority, p);
        CHECK_EQ(slot.state, VYRE_SLOT_PUBLISHED);
    }
    put(r.bytes, 0, 0);
    for (uint32_t p = 5; p < 8; p++) {
        vyre_work w = work_of(VYRE_OP_NOP, 0, 0, 0, 0, 0);
        w.priority = (vyre_priority)p;
        CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_E_PRIORITY);
    }
    ring_free(&r);
}

static void publish_refuses_in_order(void)
{
    test_ring r = ring_of(4);
    vyre_work w = work_of(VYRE_OP_NOP, 0, 0, 0, 0, 0);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, 63, 0, &w, &err), VYRE_E_RING_LEN);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, 65, 0, &w, &err), VYRE_E_RING_LEN);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, 0, 0, &w, &err), VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_publish(NULL, 0, 0, &w, &err), VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_publish(NULL, 64, 0, &w, &err), VYRE_E_ARGUMENT);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, 64, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 4, &w, &err), VYRE_E_SLOT_RANGE);
    CHECK_EQ(err.at, 4);
    w.arg_count = 13;
    w.opcode = 0xfff0;
    w.tenant = 29;
    w.priority = VYRE_PRIORITY_UNKNOWN;
    put(r.bytes, 16, VYRE_SLOT_PUBLISHED);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 5, &w, &err), VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_TOO_MANY_ARGS);
    w.arg_count = 0;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_OPCODE);
    w.opcode = VYRE_OP_NOP;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_NOT_PUBLISHABLE);
    put(r.bytes, 16, VYRE_SLOT_EMPTY);
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_TENANT_RANGE);
    w.tenant = UINT32_MAX;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_TENANT_RANGE);
    w.tenant = 28;
    CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 1, &w, &err), VYRE_E_PRIORITY);
    ring_free(&r);
}

static void publish_needs_a_free_slot(void)
{
    static const uint32_t reserved[] = { 0xfffd, 0xfff0, 0x80000000u, 0xffff, 0xfffffffeu };
    test_ring r = ring_of(1);
    vyre_work w = work_of(VYRE_OP_NOP, 0, 0, 0, 0, 0);
    for (uint32_t status = 0; status < 10; status++) {
        put(r.bytes, 0, status);
        if (status == VYRE_SLOT_EMPTY || status == VYRE_SLOT_DONE)
            CHECK_EQ(vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_OK);
        else
            CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 0, &w, &err),
                          VYRE_E_NOT_PUBLISHABLE);
    }
    put(r.bytes, 0, 0);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        w.opcode = reserved[i];
        CHECK_REFUSED(&r, vyre_ring_publish(r.bytes, r.size, 0, &w, &err), VYRE_E_OPCODE);
    }
    ring_free(&r);
}

/* --- batches and works (19.F) -------------------------------------------- */

static void batch_ends_with_a_fence(void)
{
    static const uint32_t slots[4][16] = {
        { 1, 1, 1, 2, 0xa, 0x20 }, { 1, 1, 1, 2, 0x14, 0x21 }, { 1, 2, 1, 2, 1, 0x22 },
        { 1, 7, 1, 2, 3, 0xbeef }
    };
    test_ring r = ring_of(8);
    vyre_work w[3] = { work_of(1, 1, 2, 0xa, 0x20, 0), work_of(1, 1, 2, 0x14, 0x21, 0),
                       work_of(2, 1, 2, 1, 0x22, 0) };
    CHECK_EQ(vyre_ring_publish_batch(r.bytes, r.size, 0, w, 3, 0xbeef, &err), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++)
        slot_is(&r, i, slots[i]);
    CHECK(fnv(r.bytes, 512) == 0x1b38056f8b440baaull);
    ring_free(&r);
}

static void batch_of_nothing_is_a_fence(void)
{
    static const uint32_t fence[16] = { 1, 7, 0, 2, 0, 0x55 };
    test_ring r = ring_of(1);
    CHECK_EQ(vyre_ring_publish_batch(r.bytes, r.size, 0, NULL, 0, 0x55, &err), VYRE_OK);
    slot_is(&r, 0, fence);
    ring_free(&r);
}

static void batch_is_all_or_nothing(void)
{
    test_ring r = ring_of(4);
    vyre_work w[2] = { work_of(1, 0, 2, 1, 2, 0), work_of(1, 0, 2, 1, 2, 0) };
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, UINT32_MAX, w, 1, 0, &err),
                  VYRE_E_INDEX_OVERFLOW);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, UINT32_MAX - 1, w, 2, 0, &err),
                  VYRE_E_INDEX_OVERFLOW);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, w, UINT32_MAX, 0, &err),
                  VYRE_E_INDEX_OVERFLOW);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, 64, 0, w, 1, 0, &err), VYRE_E_CAPACITY);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, 63, 0, w, 1, 0, &err), VYRE_E_RING_LEN);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, NULL, 1, 0, &err),
                  VYRE_E_ARGUMENT);
    put(r.bytes, 16, VYRE_SLOT_PUBLISHED);
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, w, 1, 0, &err),
                  VYRE_E_NOT_PUBLISHABLE);
    CHECK_EQ(err.at, 1);
    put(r.bytes, 16, VYRE_SLOT_EMPTY);
    w[1].opcode = 0xfffd;
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, w, 2, 0, &err), VYRE_E_OPCODE);
    CHECK_EQ(err.at, 1);
    w[1].opcode = 1;
    w[1].tenant = 29;
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, w, 2, 0, &err),
                  VYRE_E_TENANT_RANGE);
    w[1].tenant = 0;
    w[1].priority = VYRE_PRIORITY_UNKNOWN;
    CHECK_REFUSED(&r, vyre_ring_publish_batch(r.bytes, r.size, 0, w, 2, 0, &err), VYRE_E_PRIORITY);
    ring_free(&r);
}

static void works_fill_a_window(void)
{
    static const uint32_t first[16] = { 1, 1, 7, 2, 0xa, 0x14, 0x1e };
    test_ring r = ring_of(4);
    vyre_work w[2] = { work_of(1, 7, 3, 0xa, 0x14, 0x1e), work_of(2, 7, 3, 0x28, 0x32, 0x3c) };
    CHECK_EQ(vyre_ring_publish_works(r.bytes, r.size, 1, w, 2, &err), VYRE_OK);
    slot_is(&r, 1, first);
    CHECK(get(r.bytes, 0) == 0 && get(r.bytes, 32) == 1 && get(r.bytes, 48) == 0);
    put(r.bytes, 16, VYRE_SLOT_CLAIMED);
    CHECK_REFUSED(&r, vyre_ring_publish_works(r.bytes, r.size, 1, w, 2, &err),
                  VYRE_E_NOT_PUBLISHABLE);
    CHECK_REFUSED(&r, vyre_ring_publish_works(r.bytes, r.size, 3, w, 2, &err), VYRE_E_CAPACITY);
    CHECK_EQ(vyre_ring_publish_works(r.bytes, r.size, 4, NULL, 0, &err), VYRE_OK);
    CHECK_REFUSED(&r, vyre_ring_publish_works(r.bytes, r.size, 5, NULL, 0, &err), VYRE_E_CAPACITY);
    ring_free(&r);
}

static void works_make_a_ring(void)
{
    test_ring r = ring_at(4, 0, 0xaa);
    vyre_work w[3] = { work_of(1, 7, 3, 0xa, 0x14, 0x1e), work_of(2, 7, 3, 0x28, 0x32, 0x3c),
                       work_of(0xfff0, 7, 0, 0, 0, 0) };
    CHECK_REFUSED(&r, vyre_ring_encode_works(r.bytes, r.size, 1, w, 2, &err), VYRE_E_CAPACITY);
    CHECK_REFUSED(&r, vyre_ring_encode_works(r.bytes, r.size, 4, w, 3, &err), VYRE_E_OPCODE);
    CHECK_REFUSED(&r, vyre_ring_encode_works(r.bytes, r.size, 5, w, 2, &err), VYRE_E_SPACE);
    CHECK_REFUSED(&r, vyre_ring_encode_works(r.bytes, r.size, 1048577, w, 2, &err), VYRE_E_OVF);
    w[0].tenant = 30;
    CHECK_REFUSED(&r, vyre_ring_encode_works(r.bytes, r.size, 4, w, 2, &err),
                  VYRE_E_TENANT_RANGE);
    w[0].tenant = 7;
    CHECK_EQ(vyre_ring_encode_works(r.bytes, r.size, 4, w, 2, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_encode_works(r.bytes, r.size, 4, w, 1, &err), VYRE_OK);
    for (uint32_t i = 16; i < 64; i++)
        CHECK_EQ(get(r.bytes, i), 0);
    CHECK_EQ(get(r.bytes, 6), 0x1e);
    ring_free(&r);
}

/* --- windows (19.F13..F16) ----------------------------------------------- */

static void window_publishes_required_first(void)
{
    static const uint32_t a[] = { 0x11 }, b[] = { 0x2a }, c[] = { 0x63 };
    static const uint32_t slots[3][16] = {
        { 1, 0xf101, 5, 2, 0x4d, 0, 0x11 }, { 1, 0xf101, 5, 2, 0x4d, 0, 0x2a },
        { 1, 0xf101, 5, 2, 0x4d, 1, 0x63 }
    };
    const vyre_payload required[] = { { a, 1 }, { b, 1 } }, lookahead[] = { { c, 1 } };
    test_ring   r = ring_of(4);
    uint32_t    published = 9;
    vyre_window w;
    memset(&w, 0, sizeof w);
    w.opcode = 0xf101;
    w.tenant = 5;
    w.ticket = 0x4d;
    w.required = required;
    w.required_count = 2;
    w.lookahead = lookahead;
    w.lookahead_count = 1;
    CHECK_EQ(vyre_ring_publish_window(r.bytes, r.size, 1, &w, &published, &err), VYRE_OK);
    CHECK_EQ(published, 3);
    for (uint32_t i = 0; i < 3; i++)
        slot_is(&r, 1 + i, slots[i]);
    CHECK_EQ(get(r.bytes, 0), 0);
    ring_free(&r);
}

static void window_is_all_or_nothing(void)
{
    static const uint32_t words[11] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    vyre_payload payloads[2] = { { words, 10 }, { words, 11 } };
    test_ring    r = ring_of(2);
    uint32_t     published = 9;
    vyre_window  w;
    memset(&w, 0, sizeof w);
    w.opcode = 0x8000;
    w.required = payloads;
    w.required_count = 2;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_WINDOW_ARGS);
    CHECK_EQ(err.at, 1);
    payloads[1].count = 10;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, 64, 0, &w, &published, &err),
                  VYRE_E_CAPACITY);
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, UINT32_MAX, &w, &published, &err),
                  VYRE_E_INDEX_OVERFLOW);
    w.opcode = 0xffff;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_OPCODE);
    w.opcode = 0x8000;
    w.tenant = 29;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_TENANT_RANGE);
    w.tenant = 0;
    w.priority = VYRE_PRIORITY_UNKNOWN;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_PRIORITY);
    w.priority = VYRE_PRIORITY_NORMAL;
    payloads[1].words = NULL;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_ARGUMENT);
    w.required = NULL;
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, &w, &published, &err),
                  VYRE_E_ARGUMENT);
    CHECK_REFUSED(&r, vyre_ring_publish_window(r.bytes, r.size, 0, NULL, &published, &err),
                  VYRE_E_ARGUMENT);
    CHECK_EQ(published, 9);
    w.required_count = 0;
    CHECK_EQ(vyre_ring_publish_window(r.bytes, r.size, UINT32_MAX, &w, &published, &err), VYRE_OK);
    CHECK_EQ(published, 0);
    ring_free(&r);
}

/* --- packed slots (19.E) ------------------------------------------------- */

static vyre_op op_of(uint32_t opcode, uint32_t count, uint32_t a, uint32_t b)
{
    vyre_op op;
    memset(&op, 0, sizeof op);
    op.opcode = opcode;
    op.arg_count = count;
    op.args[0] = a;
    op.args[1] = b;
    return op;
}

static void packed_payloads(void)
{
    static const uint32_t e3[12] = { 0x00010402, 0x00000202, 0xa, 0x20, 1, 0x40 };
    static const uint32_t e8[12] = { 0x00010804, 0x04020202, 0x00000602, 5, 0xa0, 7, 0xa1,
                                     7, 0xa1, 7, 0xa1 };
    static const uint32_t e9[12] = { 0x00010206, 0x02020202, 0x02020202, 0x00000202, 7, 0xc8 };
    vyre_op ops[8];
    vyre_work work;
    ops[0] = op_of(1, 2, 0xa, 0x20);
    ops[1] = op_of(2, 2, 1, 0x40);
    CHECK_EQ(vyre_work_pack(&work, ops, 2, &err), VYRE_OK);
    CHECK(work.opcode == VYRE_OP_PACKED_SLOT && work.arg_count == 6);
    CHECK(work.tenant == 0 && work.priority == VYRE_PRIORITY_NORMAL);
    CHECK(memcmp(work.args, e3, sizeof e3) == 0);
    ops[0] = op_of(1, 2, 5, 0xa0);
    for (unsigned i = 1; i < 4; i++)
        ops[i] = op_of(2, 2, 7, 0xa1);
    CHECK_EQ(vyre_work_pack(&work, ops, 4, &err), VYRE_OK);
    CHECK(memcmp(work.args, e8, sizeof e8) == 0);
    ops[0] = op_of(1, 2, 7, 0xc8);
    for (unsigned i = 1; i < 6; i++)
        ops[i] = op_of(2, 0, 0, 0);
    CHECK_EQ(vyre_work_pack(&work, ops, 6, &err), VYRE_OK);
    CHECK(memcmp(work.args, e9, sizeof e9) == 0);
    CHECK_EQ(vyre_work_pack(&work, NULL, 0, &err), VYRE_OK);
    CHECK(work.arg_count == 1 && work.args[0] == 0);
}

static void packed_limits(void)
{
    static const struct {
        uint32_t    count, args;
        vyre_status expected;
    } cases[] = {
        { 1, 11, VYRE_OK },            { 1, 12, VYRE_E_PACK_PAYLOAD }, { 2, 5, VYRE_OK },
        { 2, 6, VYRE_E_PACK_PAYLOAD }, { 7, 1, VYRE_OK },              { 8, 1, VYRE_E_PACK_PAYLOAD },
        { 23, 0, VYRE_OK },            { 24, 0, VYRE_E_PACK_META },    { 255, 0, VYRE_E_PACK_META },
        { 256, 0, VYRE_E_PACK_COUNT }, { UINT32_MAX, 0, VYRE_E_PACK_COUNT },
        { 1, 13, VYRE_E_PACK_PAYLOAD }, { 1, UINT32_MAX, VYRE_E_PACK_PAYLOAD }
    };
    static vyre_op ops[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vyre_work work, before;
        memset(ops, 0, sizeof ops);
        for (uint32_t j = 0; j < 256; j++)
            ops[j].arg_count = cases[i].args;
        memset(&work, 0xa5, sizeof work);
        before = work;
        CHECK_EQ(vyre_work_pack(&work, ops, cases[i].count, &err), cases[i].expected);
        CHECK((cases[i].expected < 0) == (memcmp(&work, &before, sizeof work) == 0));
    }
    vyre_work work;
    ops[0] = op_of(256, 0, 0, 0);
    CHECK_EQ(vyre_work_pack(&work, ops, 1, &err), VYRE_E_PACK_OPCODE);
    CHECK_EQ(vyre_work_pack(&work, NULL, 1, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_work_pack(NULL, ops, 1, &err), VYRE_E_ARGUMENT);
    ops[0].opcode = 255;
    CHECK_EQ(vyre_work_pack(&work, ops, 1, &err), VYRE_OK);
}

/* --- transitions (19.G) -------------------------------------------------- */

#define ILLEGAL 0xffu

/* From state 0..7 and an unknown one, by transition. */
static const uint8_t after[10][9] = {
    { ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL },
    { ILLEGAL, 2, ILLEGAL, ILLEGAL, ILLEGAL, 2, 2, ILLEGAL, ILLEGAL },
    { ILLEGAL, ILLEGAL, 3, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL },
    { ILLEGAL, 7, 7, ILLEGAL, 7, 7, 7, ILLEGAL, ILLEGAL },
    { ILLEGAL, 0, ILLEGAL, ILLEGAL, 0, 0, 0, ILLEGAL, ILLEGAL },
    { ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, 0, 0 },
    { ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, 1, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL },
    { ILLEGAL, ILLEGAL, 5, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL },
    { ILLEGAL, ILLEGAL, 6, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL },
    { ILLEGAL, ILLEGAL, 4, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL }
};

static void check_transition(test_ring *r, uint32_t t, uint32_t state, uint32_t status)
{
    vyre_slot_state before = VYRE_SLOT_DONE;
    put(r->bytes, 16, status);
    if (after[t][state] == ILLEGAL) {
        before = VYRE_SLOT_WAIT_IO;
        CHECK_REFUSED(r, vyre_ring_transition(r->bytes, r->size, 1, (vyre_transition)t, &before,
                                              &err),
                      t == VYRE_TRANSITION_PUBLISH ? VYRE_E_USE_PUBLISH : VYRE_E_BAD_TRANSITION);
        CHECK_EQ(before, VYRE_SLOT_WAIT_IO);
        return;
    }
    ring_note(r);
    CHECK_EQ(vyre_ring_transition(r->bytes, r->size, 1, (vyre_transition)t, &before, &err),
             VYRE_OK);
    CHECK_EQ(before, state);
    CHECK_EQ(get(r->bytes, 16), after[t][state]);
    put(r->bytes, 16, status);
    ring_same(r);
}

static void every_transition_from_every_state(void)
{
    for (size_t shift = 0; shift < 4; shift++) {
        test_ring r = ring_at(3, shift, 0xaa);
        for (uint32_t t = 0; t < 10; t++) {
            for (uint32_t state = 0; state < 8; state++)
                check_transition(&r, t, state, state);
            check_transition(&r, t, VYRE_SLOT_UNKNOWN, 8);
            check_transition(&r, t, VYRE_SLOT_UNKNOWN, 0xffffffffu);
        }
        ring_free(&r);
    }
}

static void transition_refusals(void)
{
    test_ring r = ring_of(2);
    put(r.bytes, 0, VYRE_SLOT_PUBLISHED);
    CHECK_REFUSED(&r, vyre_ring_transition(r.bytes, r.size, 2, VYRE_TRANSITION_CLAIM, NULL, &err),
                  VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_transition(r.bytes, 65, 0, VYRE_TRANSITION_CLAIM, NULL, &err),
                  VYRE_E_RING_LEN);
    CHECK_REFUSED(&r, vyre_ring_transition(r.bytes, 65, 0, VYRE_TRANSITION_PUBLISH, NULL, &err),
                  VYRE_E_USE_PUBLISH);
    CHECK_REFUSED(&r, vyre_ring_transition(r.bytes, r.size, 0, (vyre_transition)10, NULL, &err),
                  VYRE_E_ARGUMENT);
    CHECK_REFUSED(&r, vyre_ring_transition(r.bytes, r.size, 0, (vyre_transition)-1, NULL, &err),
                  VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_ring_transition(r.bytes, r.size, 0, VYRE_TRANSITION_CLAIM, NULL, NULL), VYRE_OK);
    ring_free(&r);
}

/* --- whole slots --------------------------------------------------------- */

static void a_load_miss_goes_into_the_ring(void)
{
    uint8_t image[64], back[64];
    test_ring r = ring_at(4, 0, 0);
    vyre_load_miss miss = { 0x2a, true, 3, VYRE_PRIORITY_HIGH }, got;
    CHECK_EQ(vyre_load_miss_encode(image, 64, &miss, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_store(r.bytes, r.size, 2, image, 64, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_load(r.bytes, r.size, 2, back, 64, &err), VYRE_OK);
    CHECK(memcmp(image, back, 64) == 0);
    CHECK_EQ(vyre_load_miss_decode(r.bytes, r.size, 2, &got, &err), VYRE_OK);
    CHECK(got.resource == 0x2a && got.prefetch && got.tenant == 3);
    CHECK_EQ(got.priority, VYRE_PRIORITY_HIGH);
    CHECK_REFUSED(&r, vyre_ring_store(r.bytes, r.size, 2, image, 64, &err),
                  VYRE_E_NOT_PUBLISHABLE);
    CHECK_REFUSED(&r, vyre_ring_store(r.bytes, r.size, 4, image, 64, &err), VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_store(r.bytes, r.size, 9, image, 63, &err), VYRE_E_MISALIGN);
    CHECK_REFUSED(&r, vyre_ring_store(r.bytes, r.size, 0, NULL, 64, &err), VYRE_E_ARGUMENT);
    CHECK_REFUSED(&r, vyre_ring_load(r.bytes, r.size, 4, back, 64, &err), VYRE_E_SLOT_RANGE);
    CHECK_REFUSED(&r, vyre_ring_load(r.bytes, r.size, 4, back, 65, &err), VYRE_E_MISALIGN);
    ring_free(&r);
}

/* 19.H9: done counts of rings whose slot s is DONE iff popcount(c + s) is even. */
static void done_counts(void)
{
    uint8_t  counts[256];
    uint32_t sum = 0;
    for (uint32_t c = 0; c < 256; c++) {
        uint32_t slots = 2 + c % 8, count;
        test_ring r = ring_of(slots);
        for (uint32_t s = 0; s < slots; s++) {
            uint32_t bits = 0;
            for (uint32_t v = c + s; v; v &= v - 1)
                bits++;
            put(r.bytes, 16 * s, bits % 2 ? VYRE_SLOT_EMPTY : VYRE_SLOT_DONE);
        }
        CHECK_EQ(vyre_ring_count(r.bytes, r.size, VYRE_SLOT_DONE, &count, &err), VYRE_OK);
        counts[c] = (uint8_t)count;
        sum += count;
        ring_free(&r);
    }
    CHECK_EQ(sum, 704);
    CHECK(fnv(counts, 256) == 0x3dfd873454c6a925ull);
}

int main(void)
{
    RUN(publish_writes_one_slot);
    RUN(publish_clears_old_words);
    RUN(publish_takes_twelve_arguments);
    RUN(publish_knows_the_priorities);
    RUN(publish_refuses_in_order);
    RUN(publish_needs_a_free_slot);
    RUN(batch_ends_with_a_fence);
    RUN(batch_of_nothing_is_a_fence);
    RUN(batch_is_all_or_nothing);
    RUN(works_fill_a_window);
    RUN(works_make_a_ring);
    RUN(window_publishes_required_first);
    RUN(window_is_all_or_nothing);
    RUN(packed_payloads);
    RUN(packed_limits);
    RUN(every_transition_from_every_state);
    RUN(transition_refusals);
    RUN(a_load_miss_goes_into_the_ring);
    RUN(done_counts);
    return test_end();
}

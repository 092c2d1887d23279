/* wire: layouts, encoders, readers; the public functions only, so that it runs
 * on any machine. */
#include "test.h"
#include "vyre.h"

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

static uint8_t *block(size_t size, int fill)
{
    uint8_t *bytes = (uint8_t *)malloc(size ? size : 1);
    CHECK(bytes != NULL);
    memset(bytes, fill, size);
    return bytes;
}

/* An error has its status, a text and a fix. */
static void check_error(const vyre_error *err, vyre_status status)
{
    CHECK_EQ(err->status, status);
    CHECK(err->text[0] && strlen(err->text) < sizeof err->text - 1);
    CHECK(err->fix[0] && strlen(err->fix) < sizeof err->fix - 1);
}

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        check_error(&err, expected);                                                               \
    } while (0)

static vyre_error err;

/* --- sizes (spec 19.A) --------------------------------------------------- */

static void check_size(size_t size, uint64_t expected)
{
    CHECK_EQ(size, expected <= SIZE_MAX ? expected : 0);
}

static void sizes(void)
{
    check_size(vyre_control_size(0), 640);
    check_size(vyre_control_size(1), 644);
    check_size(vyre_control_size(64), 896);
    check_size(vyre_control_size(1048576), 4194944);
    check_size(vyre_control_size(4294967135u), 17179869180ull);
    check_size(vyre_control_size(4294967136u), 0);
    check_size(vyre_control_size(UINT32_MAX), 0);
    check_size(vyre_ring_size(0), 0);
    check_size(vyre_ring_size(256), 16384);
    check_size(vyre_ring_size(268435455), 17179869120ull);
    check_size(vyre_ring_size(268435456), 0);
    check_size(vyre_log_size(0), 4);
    check_size(vyre_log_size(64), 1028);
    check_size(vyre_log_size(1073741823), 17179869172ull);
    check_size(vyre_log_size(1073741824), 0);
    check_size(vyre_io_size(1), 32);
    check_size(vyre_io_size(64), 2048);
    check_size(vyre_io_size(65), 0);
}

static void slot_words(void)
{
    uint32_t at = 7;
    CHECK_EQ(vyre_slot_word(268435455, 0, &at, NULL), VYRE_OK);
    CHECK_EQ(at, 4294967280u);
    CHECK_EQ(vyre_slot_word(1, 4, &at, NULL), VYRE_OK);
    CHECK_EQ(at, 20);
    CHECK_FAILS(vyre_slot_word(268435456, 0, &at, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_slot_word(0, 16, &at, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_slot_word(UINT32_MAX, 16, &at, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_slot_word(0, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(at, 20);
}

/* --- encoders (19.A7, A8, B) --------------------------------------------- */

static vyre_status encode_control(void *dst, size_t size, bool shutdown, uint32_t tenants,
                                  uint32_t observables)
{
    vyre_control_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.shutdown = shutdown;
    desc.tenants = tenants;
    desc.observables = observables;
    return vyre_control_encode(dst, size, &desc, &err);
}

static void control_bytes(void)
{
    static const struct {
        bool     shutdown;
        uint32_t tenants, observables, masks, quotas;
    } cases[] = {
        { false, 0, 0, 0, 0 },    { false, 1, 0, 1, 1 },   { true, 4, 8, 4, 4 },
        { false, 29, 0, 29, 29 }, { false, 30, 0, 29, 30 }, { false, 40, 4, 29, 32 },
        { false, UINT32_MAX, 0, 29, 32 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t   size = vyre_control_size(cases[i].observables);
        uint8_t *bytes = block(size, 0xa5);
        CHECK_EQ(encode_control(bytes, size, cases[i].shutdown, cases[i].tenants,
                                cases[i].observables), VYRE_OK);
        for (uint32_t word = 0; word < size / 4; word++) {
            uint32_t expected = word == 0                                      ? cases[i].shutdown
                                : word == 2                                    ? 3
                                : word >= 3 && word < 3 + cases[i].masks       ? 0xffffffffu
                                : word >= 32 && word < 32 + cases[i].quotas    ? 1000000
                                                                               : 0;
            CHECK_EQ(get(bytes, word), expected);
        }
        free(bytes);
    }
}

static void control_hashes(void)
{
    uint8_t bytes[672];
    CHECK_EQ(encode_control(bytes, 640, true, 4, 0), VYRE_OK);
    CHECK(fnv(bytes, 640) == 0xed0c4d3d7f42a36full);
    CHECK_EQ(encode_control(bytes, 672, true, 4, 8), VYRE_OK);
    CHECK(fnv(bytes, 672) == 0xaeccc4fd141a1aefull);
    CHECK_EQ(encode_control(bytes, 640, false, UINT32_MAX, 0), VYRE_OK);
    CHECK(fnv(bytes, 640) == 0x4c1b83c42df90db2ull);
}

/* 19.B9: what a resident control buffer begins with. */
static void control_with_offsets(void)
{
    static const uint32_t expected[] = { 0, 2, 4, 6, 8, 10 };
    uint8_t bytes[640];
    CHECK_EQ(encode_control(bytes, 640, false, 2, 0), VYRE_OK);
    CHECK_EQ(vyre_control_verify(bytes, 640, 10, &err), VYRE_OK);
    CHECK_EQ(vyre_priority_write(bytes, 640, 10, &err), VYRE_OK);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_EQ(get(bytes, 129 + i), expected[i]);
    CHECK_EQ(vyre_control_verify(bytes, 640, 10, &err), VYRE_OK);
    CHECK_FAILS(vyre_control_verify(bytes, 640, 9, &err), VYRE_E_CONTROL_SHAPE);
    put(bytes, 131, 1);
    CHECK_FAILS(vyre_control_verify(bytes, 640, 10, &err), VYRE_E_CONTROL_SHAPE);
    put(bytes, 131, 4);
    put(bytes, 2, 4);
    CHECK_FAILS(vyre_control_verify(bytes, 640, 10, &err), VYRE_E_CONTROL_SHAPE);
    CHECK_FAILS(vyre_control_verify(bytes, 639, 10, &err), VYRE_E_CONTROL_SHAPE);
}

static void encoders_refuse(void)
{
    uint8_t bytes[64];
    memset(bytes, 0xa5, sizeof bytes);
    CHECK_FAILS(encode_control(bytes, 64, false, 1, 1048577), VYRE_E_OVF);
    CHECK_FAILS(encode_control(bytes, 64, false, 1, 0), VYRE_E_SPACE);
    CHECK_EQ(err.at, 640);
    CHECK_FAILS(encode_control(NULL, 640, false, 1, 0), VYRE_E_ARGUMENT);
    CHECK_FAILS(encode_control(NULL, 0, false, 1, 0), VYRE_E_SPACE);
    CHECK_FAILS(vyre_control_encode(bytes, 64, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_ring_encode(bytes, 64, 1048577, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_ring_encode(bytes, 63, 1, &err), VYRE_E_SPACE);
    CHECK_FAILS(vyre_ring_encode(NULL, 64, 1, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_log_encode(bytes, 64, 1048577, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_log_encode(bytes, 19, 1, &err), VYRE_E_SPACE);
    CHECK_FAILS(vyre_log_encode(NULL, 20, 1, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_encode(bytes, 64, 0, &err), VYRE_E_IO_ZERO);
    CHECK_FAILS(vyre_io_encode(bytes, 64, 65, &err), VYRE_E_IO_WINDOW);
    CHECK_FAILS(vyre_io_encode(bytes, 31, 1, &err), VYRE_E_SPACE);
    for (size_t i = 0; i < sizeof bytes; i++)
        CHECK_EQ(bytes[i], 0xa5);
    CHECK_EQ(vyre_ring_encode(NULL, 0, 0, &err), VYRE_OK);
}

/* --- opcodes (19.C) ------------------------------------------------------ */

static void opcodes(void)
{
    static const struct {
        uint32_t first, last;
        bool     builtin, publishable;
    } cases[] = {
        { 0, 7, true, true },                        { 8, 0xffef, false, true },
        { 0xfff0, 0xfffd, false, false },            { 0xfffe, 0xfffe, true, true },
        { 0xffff, 0xffff, false, false },            { 0x10000, 0x10010, false, true },
        { 0x40000000, 0x40000000, false, true },     { 0x7fffffff, 0x7fffffff, false, true },
        { 0x80000000u, 0x80000000u, false, false },  { 0x80000001u, 0x80000001u, true, true },
        { 0x80000002u, 0x80000010u, false, false },  { 0xfffffffeu, 0xfffffffeu, false, false },
        { 0xffffffffu, 0xffffffffu, true, true }
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint64_t op = cases[i].first; op <= cases[i].last; op++) {
            CHECK_EQ(vyre_opcode_is_builtin((uint32_t)op), cases[i].builtin);
            CHECK_EQ(vyre_opcode_publishable((uint32_t)op), cases[i].publishable);
            CHECK_EQ(vyre_opcode_is_user((uint32_t)op), cases[i].publishable && !cases[i].builtin);
        }
    }
}

static void opcode_names(void)
{
    unsigned count = 0;
#define CHECK_OPCODE(name, number, text)                                                           \
    CHECK_TEXT(vyre_opcode_name(number), #name);                                                   \
    CHECK_EQ(VYRE_OP_##name, number);                                                              \
    CHECK(text[0] && !vyre_opcode_is_user(number));                                                \
    count++;
    VYRE_OPCODE_LIST(CHECK_OPCODE)
#undef CHECK_OPCODE
    CHECK_EQ(count, 12);
    CHECK_TEXT(vyre_opcode_name(VYRE_OP_USER), "USER");
    CHECK_TEXT(vyre_opcode_name(0xffff), "RESERVED");
    CHECK_TEXT(vyre_slot_state_name(VYRE_SLOT_FAULTED), "FAULT");
    CHECK_TEXT(vyre_slot_state_name(VYRE_SLOT_UNKNOWN), "UNKNOWN");
    CHECK_TEXT(vyre_slot_state_name((vyre_slot_state)99), "UNKNOWN");
}

/* --- every prefix of every buffer ---------------------------------------- */

/* A decoder fills 256 bytes at `out`, or leaves them. */
typedef struct decoder {
    const char *name;
    size_t      size;                        /* of a whole buffer */
    vyre_status (*decode)(const uint8_t *bytes, size_t size, void *out);
    vyre_status (*expected)(size_t size);    /* of a part of it */
} decoder;

static vyre_status decode_done(const uint8_t *b, size_t n, void *out)
{
    return vyre_control_done_count(b, n, (uint32_t *)out, &err);
}

static vyre_status decode_fault(const uint8_t *b, size_t n, void *out)
{
    return vyre_control_fault_count(b, n, (uint32_t *)out, &err);
}

static vyre_status decode_epoch(const uint8_t *b, size_t n, void *out)
{
    return vyre_control_epoch(b, n, (uint32_t *)out, &err);
}

static vyre_status decode_observable(const uint8_t *b, size_t n, void *out)
{
    return vyre_control_observable(b, n, 3, (uint32_t *)out, &err);
}

static vyre_status decode_metrics(const uint8_t *b, size_t n, void *out)
{
    return vyre_control_metrics(b, n, (uint32_t *)out, &err);
}

static vyre_status decode_control(const uint8_t *b, size_t n, void *out)
{
    (void)out;
    return vyre_control_check(b, n, &err);
}

static vyre_status decode_slot(const uint8_t *b, size_t n, void *out)
{
    return vyre_ring_read(b, n, 1, (vyre_slot *)out, &err);
}

static vyre_status decode_ring(const uint8_t *b, size_t n, void *out)
{
    (void)out;
    return vyre_ring_check(b, n, 2, &err);
}

static vyre_status decode_count(const uint8_t *b, size_t n, void *out)
{
    return vyre_ring_count_first(b, n, 2, VYRE_SLOT_EMPTY, (uint64_t *)out, &err);
}

static vyre_status decode_image(const uint8_t *b, size_t n, void *out)
{
    return vyre_ring_load(b, n, 1, out, VYRE_SLOT_BYTES, &err);
}

static vyre_status decode_miss(const uint8_t *b, size_t n, void *out)
{
    return vyre_load_miss_decode(b, n, 1, (vyre_load_miss *)out, &err);
}

static vyre_status decode_log(const uint8_t *b, size_t n, void *out)
{
    vyre_log_record *records = (vyre_log_record *)out;
    return vyre_log_decode(b, n, records + 1, 3, (vyre_log_summary *)(void *)records, &err);
}

static vyre_status decode_log_shape(const uint8_t *b, size_t n, void *out)
{
    (void)out;
    return vyre_log_check(b, n, &err);
}

static vyre_status decode_io(const uint8_t *b, size_t n, void *out)
{
    vyre_io_request *requests = (vyre_io_request *)out;
    uint32_t count;
    return vyre_io_poll(b, n, requests, 2, &count, &err);
}

static vyre_status decode_completion(const uint8_t *b, size_t n, void *out)
{
    return vyre_io_read_completion(b, n, 1, (vyre_io_completion *)out, &err);
}

static vyre_status decode_io_state(const uint8_t *b, size_t n, void *out)
{
    return vyre_io_read_state(b, n, 1, (vyre_io_state *)out, &err);
}

static vyre_status word_status(size_t size, size_t words)
{
    return size % 4 ? VYRE_E_MISALIGN : size < 4 * words ? VYRE_E_MISSING : VYRE_OK;
}

static vyre_status expect_done(size_t n) { return word_status(n, 2); }
static vyre_status expect_fault(size_t n) { return word_status(n, 142); }
static vyre_status expect_epoch(size_t n) { return word_status(n, 129); }
static vyre_status expect_observable(size_t n) { return word_status(n, 164); }
static vyre_status expect_metrics(size_t n) { return word_status(n, 128); }
static vyre_status expect_count(size_t n) { return word_status(n, 32); }

static vyre_status expect_control(size_t n)
{
    return n % 4 || n < 640 ? VYRE_E_CONTROL_SHAPE : VYRE_OK;
}

static vyre_status expect_slot(size_t n)
{
    return n % 64 ? VYRE_E_RING_LEN : n < 128 ? VYRE_E_SLOT_RANGE : VYRE_OK;
}

static vyre_status expect_ring(size_t n)
{
    return n != 128 ? VYRE_E_RING_SHAPE : VYRE_OK;
}

/* Three records; the cursor says three, so that less room drops some. */
static vyre_status expect_log(size_t n)
{
    return n % 4 ? VYRE_E_MISALIGN : n < 4 ? VYRE_E_MISSING : VYRE_OK;
}

static vyre_status expect_log_shape(size_t n)
{
    return n % 16 == 4 ? VYRE_OK : VYRE_E_LOG_SHAPE;
}

static vyre_status expect_io(size_t n)
{
    return n % 4 ? VYRE_E_IO_ALIGN4 : n % 32 ? VYRE_E_IO_SLOT_MULT : VYRE_OK;
}

static vyre_status expect_io_slot(size_t n)
{
    return expect_io(n) < 0 ? expect_io(n) : n < 64 ? VYRE_E_SLOT_RANGE : VYRE_OK;
}

static const decoder decoders[] = {
    { "done count", 656, decode_done, expect_done },
    { "fault count", 656, decode_fault, expect_fault },
    { "epoch", 656, decode_epoch, expect_epoch },
    { "observable", 656, decode_observable, expect_observable },
    { "metrics", 656, decode_metrics, expect_metrics },
    { "control", 656, decode_control, expect_control },
    { "slot", 128, decode_slot, expect_slot },
    { "ring", 128, decode_ring, expect_ring },
    { "count", 128, decode_count, expect_count },
    { "image", 128, decode_image, expect_slot },
    { "load miss", 128, decode_miss, expect_slot },
    { "log", 52, decode_log, expect_log },
    { "log shape", 52, decode_log_shape, expect_log_shape },
    { "io requests", 64, decode_io, expect_io },
    { "io completion", 64, decode_completion, expect_io_slot },
    { "io state", 64, decode_io_state, expect_io_slot }
};

#define DECODERS (sizeof decoders / sizeof decoders[0])

/* A buffer that every decoder accepts. */
static uint8_t *sample(const decoder *d)
{
    uint8_t *bytes = block(d->size + 16, 0);
    for (size_t word = 0; word < d->size / 4; word++)
        put(bytes, word, (uint32_t)word * 0x9e3779b9u);
    if (strstr(d->name, "log"))
        put(bytes, 0, 12);
    if (d->size == 128) { /* slot 1 is a load miss */
        put(bytes, 16, VYRE_SLOT_CLAIMED);
        put(bytes, 17, VYRE_OP_LOAD_MISS);
    }
    if (d->size == 64) {
        put(bytes, VYRE_IO_STATUS, VYRE_IO_PUBLISHED);
        put(bytes, 8 + VYRE_IO_STATUS, VYRE_IO_ERROR);
    }
    return bytes;
}

/* In a block of its own, and at each alignment. */
static void decode_part(const decoder *d, const uint8_t *whole, size_t size, size_t shift)
{
    uint64_t out[64], before[64];
    uint8_t *bytes = block(size + shift, 0);
    memcpy(bytes + shift, whole, size);
    memset(out, 0xa5, sizeof out);
    memcpy(before, out, sizeof out);
    memset(&err, 0, sizeof err);
    vyre_status expected = d->expected(size);
    vyre_status status = d->decode(bytes + shift, size, out);
    if (status != expected)
        test_fail(__FILE__, __LINE__, "%s of %u bytes: %s, not %s", d->name, (unsigned)size,
                  vyre_status_name(status), vyre_status_name(expected));
    if (status < 0) {
        check_error(&err, expected);
        CHECK(memcmp(out, before, sizeof out) == 0);
    }
    free(bytes);
}

static void every_prefix_and_one_byte_more(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < DECODERS; i++) {
        uint8_t *whole = sample(&decoders[i]);
        for (size_t size = 0; size <= decoders[i].size + 1; size++) {
            for (size_t shift = 0; shift < 4; shift++, count++)
                decode_part(&decoders[i], whole, size, shift);
        }
        free(whole);
    }
    CHECK(count > 10000);
}

/* NULL is an empty buffer, and refused with a length. */
static void null_is_no_buffer(void)
{
    uint64_t out[64];
    for (size_t i = 0; i < DECODERS; i++) {
        const decoder *d = &decoders[i];
        CHECK_EQ(d->decode(NULL, 0, out), d->expected(0));
        CHECK_FAILS(d->decode(NULL, d->size, out), VYRE_E_ARGUMENT);
    }
}

static void results_are_needed(void)
{
    uint8_t bytes[656] = { 0 };
    CHECK_FAILS(vyre_control_done_count(bytes, 656, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_control_metrics(bytes, 656, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_ring_read(bytes, 64, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_ring_count(bytes, 64, VYRE_SLOT_EMPTY, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_load_miss_decode(bytes, 64, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_poll(bytes, 64, NULL, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_read_completion(bytes, 64, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_read_state(bytes, 64, 0, NULL, &err), VYRE_E_ARGUMENT);
}

/* --- readers (19.I) ------------------------------------------------------ */

static void readers(void)
{
    uint32_t value = 7;
    uint8_t  bytes[656] = { 0 };
    put(bytes, 1, 42);
    put(bytes, 128, 7);
    put(bytes, 141, 9);
    put(bytes, 161, 11);
    CHECK_EQ(vyre_control_done_count(bytes, 8, &value, &err), VYRE_OK);
    CHECK_EQ(value, 42);
    CHECK_EQ(vyre_control_epoch(bytes, 516, &value, &err), VYRE_OK);
    CHECK_EQ(value, 7);
    CHECK_EQ(vyre_control_fault_count(bytes, 640, &value, &err), VYRE_OK);
    CHECK_EQ(value, 9);
    CHECK_EQ(vyre_control_observable(bytes, 648, 1, &value, &err), VYRE_OK);
    CHECK_EQ(value, 11);
    CHECK_FAILS(vyre_control_observable(bytes, 648, 2, &value, &err), VYRE_E_MISSING);
    CHECK_EQ(err.at, 162);
    CHECK_FAILS(vyre_control_observable(bytes, 5, 0xffffff60u, &value, &err), VYRE_E_OVF);
    CHECK_FAILS(vyre_control_observable(bytes, 640, 0xffffff5fu, &value, &err), VYRE_E_MISSING);
    CHECK_EQ(err.at, 4294967295u);
    CHECK_EQ(value, 11);
}

static void metrics(void)
{
    uint32_t out[VYRE_METRICS];
    uint8_t  bytes[512] = { 0 };
    put(bytes, 98, 0x2a);
    put(bytes, 103, 0x63);
    CHECK_EQ(vyre_control_metrics(bytes, 512, out, &err), VYRE_OK);
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        CHECK_EQ(out[i], i == 2 ? 0x2a : i == 7 ? 0x63 : 0);
    CHECK_FAILS(vyre_control_metrics(bytes, 508, out, &err), VYRE_E_MISSING);
    CHECK_EQ(err.at, 127);
    for (size_t size = 0; size <= 384; size += 128) {
        CHECK_FAILS(vyre_control_metrics(bytes, size, out, &err), VYRE_E_MISSING);
        CHECK_EQ(err.at, 96);
    }
}

static void shapes(void)
{
    static const uint16_t refused[] = { 4, 101, 636, 642 }, accepted[] = { 640, 656 };
    uint8_t bytes[1032] = { 0 };
    for (unsigned i = 0; i < 4; i++)
        CHECK_FAILS(vyre_control_check(bytes, refused[i], &err), VYRE_E_CONTROL_SHAPE);
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ(vyre_control_check(bytes, accepted[i], &err), VYRE_OK);
    CHECK_FAILS(vyre_log_check(bytes, 1024, &err), VYRE_E_LOG_SHAPE);
    CHECK_EQ(vyre_log_check(bytes, 1028, &err), VYRE_OK);
    CHECK_FAILS(vyre_log_check(bytes, 1032, &err), VYRE_E_LOG_SHAPE);
}

/* --- slots --------------------------------------------------------------- */

static void every_status_and_priority_word(void)
{
    static const vyre_priority levels[] = {
        VYRE_PRIORITY_CRITICAL, VYRE_PRIORITY_HIGH, VYRE_PRIORITY_NORMAL, VYRE_PRIORITY_LOW,
        VYRE_PRIORITY_IDLE
    };
    static const uint32_t words[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 0x7fffffff, 0x80000000u,
                                      0xffffffffu };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint8_t   ring[64] = { 0 };
        uint32_t  count;
        vyre_slot slot;
        put(ring, VYRE_SLOT_STATUS, words[i]);
        put(ring, VYRE_SLOT_PRIORITY, words[i]);
        CHECK_EQ(vyre_ring_read(ring, 64, 0, &slot, &err), VYRE_OK);
        CHECK_EQ(slot.state, words[i] < 8 ? (vyre_slot_state)words[i] : VYRE_SLOT_UNKNOWN);
        CHECK_EQ(slot.priority, words[i] < 5 ? levels[words[i]] : VYRE_PRIORITY_UNKNOWN);
        for (uint32_t state = 0; state <= VYRE_SLOT_UNKNOWN; state++) {
            CHECK_EQ(vyre_ring_count(ring, 64, (vyre_slot_state)state, &count, &err), VYRE_OK);
            CHECK_EQ(count, state == (uint32_t)slot.state);
        }
    }
}

static void counting(void)
{
    static const uint32_t statuses[] = { 3, 2, 3, 0 };
    uint8_t  ring[256] = { 0 };
    uint32_t all;
    uint64_t first = 7;
    for (uint32_t i = 0; i < 4; i++)
        put(ring, 16 * i, statuses[i]);
    CHECK_EQ(vyre_ring_count(ring, 256, VYRE_SLOT_DONE, &all, &err), VYRE_OK);
    CHECK_EQ(all, 2);
    CHECK_EQ(vyre_ring_count(NULL, 0, VYRE_SLOT_DONE, &all, &err), VYRE_OK);
    CHECK_EQ(all, 0);
    CHECK_FAILS(vyre_ring_count(ring, 255, VYRE_SLOT_DONE, &all, &err), VYRE_E_RING_LEN);
    CHECK_FAILS(vyre_ring_count(ring, 256, (vyre_slot_state)9, &all, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_ring_count(ring, 256, (vyre_slot_state)-1, &all, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_ring_count_first(ring, 8, 4, VYRE_SLOT_DONE, &first, &err), VYRE_E_MISSING);
    CHECK_EQ(err.at, 64);
    CHECK_FAILS(vyre_ring_count_first(ring, 256, UINT64_MAX / 64 + 1, VYRE_SLOT_DONE, &first, &err),
                VYRE_E_OVF);
    CHECK_EQ(first, 7);
}

/* --- load miss (19.H) ---------------------------------------------------- */

static void load_miss_images(void)
{
    static uint8_t all[16384];
    vyre_load_miss miss, back;
    memset(&miss, 0, sizeof miss);
    miss.priority = VYRE_PRIORITY_CRITICAL;
    for (uint32_t s = 0; s < 256; s++) {
        miss.resource = s * 0x9e3779b9u;
        miss.prefetch = s & 1;
        CHECK_EQ(vyre_load_miss_encode(all + 64 * s, 64, &miss, &err), VYRE_OK);
    }
    CHECK(fnv(all, sizeof all) == 0x6e7e0728a8d9a3c1ull);
    CHECK_EQ(vyre_load_miss_decode(all, sizeof all, 3, &back, &err), VYRE_OK);
    CHECK(back.resource == 0xdaa66d2bu && back.prefetch && back.tenant == 0);
    CHECK_EQ(back.priority, VYRE_PRIORITY_CRITICAL);
}

static void load_miss_states(void)
{
    uint8_t bytes[64];
    vyre_load_miss miss = { 0x2a, true, 5, VYRE_PRIORITY_NORMAL }, back;
    CHECK_EQ(vyre_load_miss_encode(bytes, 64, &miss, &err), VYRE_OK);
    CHECK_EQ(get(bytes, VYRE_SLOT_TENANT), 5);
    CHECK_EQ(get(bytes, VYRE_SLOT_PRIORITY), 2);
    for (uint32_t status = 0; status < 10; status++) {
        memset(&back, 0xa5, sizeof back);
        put(bytes, 0, status);
        vyre_status expected = status == 1 || status == 2 ? VYRE_OK : VYRE_EMPTY;
        CHECK_EQ(vyre_load_miss_decode(bytes, 64, 0, &back, &err), expected);
        CHECK_EQ(back.resource, expected == VYRE_OK ? 0x2a : 0xa5a5a5a5u);
    }
    put(bytes, 0, 1);
    put(bytes, 1, 0);
    CHECK_EQ(vyre_load_miss_decode(bytes, 64, 0, &back, &err), VYRE_EMPTY);
    CHECK_FAILS(vyre_load_miss_decode(bytes, 64, 0x10000000, &back, &err), VYRE_E_SLOT_RANGE);
}

static void load_miss_refusals(void)
{
    uint8_t bytes[64];
    vyre_load_miss miss = { 1, false, 29, VYRE_PRIORITY_NORMAL };
    CHECK_FAILS(vyre_load_miss_encode(bytes, 64, &miss, &err), VYRE_E_TENANT_RANGE);
    miss.tenant = 28;
    miss.priority = VYRE_PRIORITY_UNKNOWN;
    CHECK_FAILS(vyre_load_miss_encode(bytes, 64, &miss, &err), VYRE_E_PRIORITY);
    miss.priority = VYRE_PRIORITY_IDLE;
    CHECK_FAILS(vyre_load_miss_encode(bytes, 63, &miss, &err), VYRE_E_SPACE);
    CHECK_FAILS(vyre_load_miss_encode(bytes, 64, NULL, &err), VYRE_E_ARGUMENT);
}

/* --- debug log (19.J) ---------------------------------------------------- */

static void make_log(uint8_t *bytes, size_t size, uint32_t cursor)
{
    for (size_t word = 1; word < size / 4; word++)
        put(bytes, word, (uint32_t)word + 10);
    put(bytes, 0, cursor);
}

static void log_records(void)
{
    static const uint32_t words[] = { 8, 0xb, 0xc, 0xd, 0xe, 0x15, 0x16, 0x17, 0x18, 0, 0, 0, 0 };
    uint8_t bytes[52];
    vyre_log_record  out[3];
    vyre_log_summary sum;
    for (unsigned i = 0; i < 13; i++)
        put(bytes, i, words[i]);
    CHECK_EQ(vyre_log_decode(bytes, 52, out, 3, &sum, &err), VYRE_OK);
    CHECK(sum.records == 2 && sum.dropped == 0);
    CHECK(out[0].format == 0xb && out[0].args[0] == 0xc && out[0].args[2] == 0xe);
    CHECK(out[1].format == 0x15 && out[1].args[1] == 0x17 && out[1].args[2] == 0x18);
    CHECK_EQ(vyre_log_decode(bytes, 52, NULL, 0, &sum, &err), VYRE_OK);
    CHECK_EQ(sum.records, 2);
    CHECK_EQ(vyre_log_decode(bytes, 52, out, 2, NULL, &err), VYRE_OK);
    sum.records = 99;
    memset(out, 0xa5, sizeof out);
    CHECK_FAILS(vyre_log_decode(bytes, 52, out, 1, &sum, &err), VYRE_E_SPACE);
    CHECK_EQ(err.at, 2);
    CHECK(sum.records == 99 && out[0].format == 0xa5a5a5a5u);
}

static void log_cursors(void)
{
    static const struct {
        uint16_t size;
        uint32_t cursor;
        int      records; /* -1: E_MISSING */
        uint32_t dropped;
    } cases[] = {
        { 20, 3, -1, 0 },  { 20, 5, -1, 0 },      { 4, 0, 0, 0 },        { 4, 4, 0, 1 },
        { 8, 1, -1, 0 },   { 1028, 256, 64, 0 },  { 1028, 260, 64, 1 },  { 20, 8, 1, 1 },
        { 36, 4, 1, 0 },   { 40, 8, 2, 0 },       { 40, 12, 2, 1 },
        { 20, 0xfffffffcu, 1, 0x3ffffffe },       { 20, 0xffffffffu, -1, 0 }
    };
    static uint8_t bytes[1028];
    static vyre_log_record out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vyre_log_summary sum = { 7, 7 };
        make_log(bytes, cases[i].size, cases[i].cursor);
        if (cases[i].records < 0) {
            CHECK_FAILS(vyre_log_decode(bytes, cases[i].size, out, 64, &sum, &err),
                        VYRE_E_MISSING);
            CHECK_EQ(err.at, (uint64_t)cases[i].cursor + 1);
            CHECK(sum.records == 7 && sum.dropped == 7);
        } else {
            CHECK_EQ(vyre_log_decode(bytes, cases[i].size, out, 64, &sum, &err), VYRE_OK);
            CHECK_EQ(sum.records, cases[i].records);
            CHECK_EQ(sum.dropped, cases[i].dropped);
        }
    }
}

/* --- IO queue (19.K) ----------------------------------------------------- */

static vyre_io_request request(uint32_t slot, uint32_t src, uint32_t dst)
{
    vyre_io_request r = { slot, VYRE_IO_READ, src, dst, 0, 0x1000, 0x63 };
    return r;
}

static void io_life(void)
{
    uint8_t queue[128] = { 0 };
    vyre_io_request r = request(2, 0xa, 0x14), got[4];
    vyre_io_result result = { 2, true, 0 };
    vyre_io_completion c;
    vyre_io_state state;
    uint32_t count;
    CHECK_EQ(vyre_io_read_completion(queue, 128, 2, &c, &err), VYRE_EMPTY);
    CHECK_EQ(vyre_io_recycle(queue, 128, 2, &err), VYRE_EMPTY);
    r.offset = 0x100001000ull;
    CHECK_EQ(vyre_io_publish(queue, 128, &r, &err), VYRE_OK);
    CHECK(get(queue, 16) == 1 && get(queue, 17) == 0xa && get(queue, 18) == 0x14);
    CHECK(get(queue, 19) == 0x1000 && get(queue, 20) == 1 && get(queue, 21) == 0x1000);
    CHECK(get(queue, 22) == VYRE_IO_PUBLISHED && get(queue, 23) == 0x63);
    CHECK_FAILS(vyre_io_publish(queue, 128, &r, &err), VYRE_E_IO_IN_FLIGHT);
    CHECK_EQ(vyre_io_read_completion(queue, 128, 2, &c, &err), VYRE_PENDING);
    CHECK_FAILS(vyre_io_recycle(queue, 128, 2, &err), VYRE_E_IO_IN_FLIGHT);
    CHECK_FAILS(vyre_io_complete(queue, 128, &result, &err), VYRE_E_IO_NOT_CLAIMED);

    CHECK_EQ(vyre_io_poll(queue, 128, got, 4, &count, &err), VYRE_OK);
    CHECK_EQ(count, 1);
    CHECK(got[0].slot == 2 && got[0].offset == 0x100001000ull && got[0].tag == 0x63);
    CHECK_EQ(vyre_io_claim(queue, 128, got, 4, &count, &err), VYRE_OK);
    CHECK_EQ(count, 1);
    CHECK_EQ(vyre_io_claim(queue, 128, got, 4, &count, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    CHECK_FAILS(vyre_io_recycle(queue, 128, 2, &err), VYRE_E_IO_IN_FLIGHT);

    CHECK_EQ(vyre_io_complete(queue, 128, &result, &err), VYRE_OK);
    CHECK_EQ(vyre_io_read_state(queue, 128, 2, &state, &err), VYRE_OK);
    CHECK_EQ(state, VYRE_IO_OK);
    CHECK_EQ(vyre_io_read_completion(queue, 128, 2, &c, &err), VYRE_OK);
    CHECK(c.success && c.slot == 2 && c.dst == 0x14 && c.bytes == 0x1000 && c.tag == 0x63);
    CHECK_FAILS(vyre_io_complete(queue, 128, &result, &err), VYRE_E_IO_NOT_CLAIMED);
    CHECK_EQ(vyre_io_recycle(queue, 128, 2, &err), VYRE_OK);
    CHECK_EQ(vyre_io_publish(queue, 128, &r, &err), VYRE_OK);
}

static void io_failure_has_a_code(void)
{
    uint8_t queue[64] = { 0 };
    vyre_io_request r = request(1, 0, 7), got[2];
    vyre_io_result result = { 1, false, 0xbad };
    vyre_io_completion c;
    uint32_t count;
    CHECK_EQ(vyre_io_publish(queue, 64, &r, &err), VYRE_OK);
    CHECK_EQ(vyre_io_claim(queue, 64, got, 2, &count, &err), VYRE_OK);
    CHECK_EQ(vyre_io_complete(queue, 64, &result, &err), VYRE_OK);
    CHECK_EQ(vyre_io_read_completion(queue, 64, 1, &c, &err), VYRE_OK);
    CHECK(!c.success && c.bytes == 0xbad && c.tag == 0x63);
}

static void io_lists_stop_at_the_capacity(void)
{
    uint8_t queue[128] = { 0 };
    vyre_io_request got[4];
    uint32_t count;
    for (uint32_t i = 0; i < 4; i++) {
        vyre_io_request r = request(i, i, i);
        CHECK_EQ(vyre_io_publish(queue, 128, &r, &err), VYRE_OK);
    }
    CHECK_EQ(vyre_io_claim(queue, 128, got, 3, &count, &err), VYRE_OK);
    CHECK(count == 3 && got[2].slot == 2);
    CHECK_EQ(get(queue, 8 * 3 + VYRE_IO_STATUS), VYRE_IO_PUBLISHED);
    CHECK_EQ(vyre_io_claim(queue, 128, got, 3, &count, &err), VYRE_OK);
    CHECK(count == 1 && got[0].slot == 3);
    CHECK_EQ(vyre_io_poll(queue, 128, NULL, 0, &count, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    CHECK_FAILS(vyre_io_poll(queue, 128, NULL, 1, &count, &err), VYRE_E_ARGUMENT);
}

static void io_every_status(void)
{
    static const uint32_t words[] = { 0, 1, 2, 3, 4, 0xf, 0x10, 0x11, 0x12, 0xffffffffu };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint8_t queue[32] = { 0 }, before[32];
        vyre_io_request r = request(0, 1, 2);
        vyre_io_result result = { 0, true, 0 };
        vyre_io_completion c;
        uint32_t w = words[i];
        bool answered = w == 3 || w == 0x10 || w == 0x11;
        put(queue, VYRE_IO_STATUS, w);
        memcpy(before, queue, 32);
        if (w != 0)
            CHECK_FAILS(vyre_io_publish(queue, 32, &r, &err), VYRE_E_IO_IN_FLIGHT);
        if (w != 2)
            CHECK_FAILS(vyre_io_complete(queue, 32, &result, &err), VYRE_E_IO_NOT_CLAIMED);
        CHECK(memcmp(queue, before, 32) == 0);
        CHECK_EQ(vyre_io_read_completion(queue, 32, 0, &c, &err),
                 w == 0 ? VYRE_EMPTY : answered ? VYRE_OK : VYRE_PENDING);
    }
}

static void io_batches_are_all_or_nothing(void)
{
    uint8_t queue[64] = { 0 }, before[64];
    vyre_io_result both[] = { { 0, true, 0 }, { 1, false, 0 } };
    vyre_io_result twice[] = { { 0, true, 0 }, { 0, false, 0 } };
    put(queue, VYRE_IO_STATUS, VYRE_IO_CLAIMED);
    memcpy(before, queue, 64);
    CHECK_FAILS(vyre_io_complete_batch(queue, 64, both, 2, &err), VYRE_E_IO_NOT_CLAIMED);
    CHECK_FAILS(vyre_io_complete_batch(queue, 64, twice, 2, &err), VYRE_E_IO_DUPLICATE);
    CHECK_FAILS(vyre_io_complete_batch(queue, 32, both, 2, &err), VYRE_E_SLOT_RANGE);
    CHECK_FAILS(vyre_io_complete_batch(queue, 64, NULL, 2, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_complete(queue, 64, NULL, &err), VYRE_E_ARGUMENT);
    CHECK(memcmp(queue, before, 64) == 0);
    CHECK_EQ(vyre_io_complete_batch(queue, 64, NULL, 0, &err), VYRE_OK);
    put(queue, 8 + VYRE_IO_STATUS, VYRE_IO_CLAIMED);
    CHECK_EQ(vyre_io_complete_batch(queue, 64, both, 2, &err), VYRE_OK);
    CHECK(get(queue, 6) == 0x10 && get(queue, 14) == 0x11);
}

static void io_refusals(void)
{
    static uint8_t queue[2080];
    vyre_io_request r = request(64, 0, 0), got[2];
    uint32_t count;
    CHECK_FAILS(vyre_io_publish(queue, 2048, &r, &err), VYRE_E_SLOT_RANGE);
    r.slot = 0;
    r.op = 0;
    CHECK_FAILS(vyre_io_publish(queue, 2048, &r, &err), VYRE_E_IO_OP);
    r.op = VYRE_IO_FENCE + 1;
    CHECK_FAILS(vyre_io_publish(queue, 2048, &r, &err), VYRE_E_IO_OP);
    CHECK_FAILS(vyre_io_publish(queue, 2048, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_io_poll(queue, 2080, got, 2, &count, &err), VYRE_E_IO_WINDOW);
    CHECK_FAILS(vyre_io_claim(queue, 36, got, 2, &count, &err), VYRE_E_IO_SLOT_MULT);
    CHECK_FAILS(vyre_io_claim(queue, 35, got, 2, &count, &err), VYRE_E_IO_ALIGN4);
    CHECK_FAILS(vyre_io_recycle(queue, 32, UINT32_MAX, &err), VYRE_E_SLOT_RANGE);
    for (size_t i = 0; i < sizeof queue; i++)
        CHECK_EQ(queue[i], 0);
}

/* --- readback (19.L) ----------------------------------------------------- */

static void readback(void)
{
    static const struct {
        size_t      sizes[4];
        uint32_t    count;
        vyre_status expected;
    } cases[] = {
        { { 656, 256, 1028, 2048 }, 4, VYRE_OK },
        { { 656, 256, 1028, 2048 }, 3, VYRE_E_BUFFER_COUNT },
        { { 656, 256, 1028, 2048 }, 5, VYRE_E_BUFFER_COUNT },
        { { 636, 256, 1028, 2048 }, 4, VYRE_E_CONTROL_SHAPE },
        { { 656, 256, 1024, 2048 }, 4, VYRE_E_LOG_SHAPE },
        { { 656, 255, 1028, 2048 }, 4, VYRE_E_RING_SHAPE },
        { { 656, 320, 1028, 2048 }, 4, VYRE_E_RING_SHAPE },
        { { 656, 256, 1028, 2080 }, 4, VYRE_E_IO_WINDOW },
        { { 656, 256, 1028, 33 }, 4, VYRE_E_IO_ALIGN4 },
        { { 656, 256, 1028, 36 }, 4, VYRE_E_IO_SLOT_MULT },
        { { 656, 256, 1028, 0 }, 4, VYRE_OK },
        { { 656, 256, 1028, 32 }, 4, VYRE_OK },
        { { 636, 256, 1028, 3 }, 4, VYRE_E_CONTROL_SHAPE }
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t total = 7;
        CHECK_EQ(vyre_readback_check(cases[i].sizes, cases[i].count, 4, &total, &err),
                 cases[i].expected);
        if (cases[i].expected < 0)
            check_error(&err, cases[i].expected);
        CHECK_EQ(total, i == 0 ? 3988 : i == 10 ? 1940 : i == 11 ? 1972 : 7);
    }
    CHECK_EQ(vyre_readback_check(cases[0].sizes, 4, 4, NULL, &err), VYRE_OK);
    CHECK_FAILS(vyre_readback_check(NULL, 4, 4, NULL, &err), VYRE_E_ARGUMENT);
}

/* --- priority (19.R) ----------------------------------------------------- */

static void partitions(void)
{
    static const uint32_t cases[][7] = {
        { 0, 0, 0, 0, 0, 0, 0 },          { 1, 0, 0, 0, 1, 1, 1 },
        { 4, 0, 0, 0, 4, 4, 4 },          { 5, 0, 1, 2, 3, 4, 5 },
        { 7, 0, 1, 2, 5, 6, 7 },          { 10, 0, 2, 4, 6, 8, 10 },
        { 64, 0, 12, 24, 40, 52, 64 },    { 256, 0, 51, 102, 154, 205, 256 },
        { 1024, 0, 204, 408, 616, 820, 1024 },
        { 4294967295u, 0, 858993459, 1717986918, 2576980377u, 3435973836u, 4294967295u }
    };
    static const vyre_priority levels[] = {
        VYRE_PRIORITY_CRITICAL, VYRE_PRIORITY_HIGH, VYRE_PRIORITY_NORMAL, VYRE_PRIORITY_LOW,
        VYRE_PRIORITY_IDLE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t offsets[6], first, count, slots = cases[i][0];
        CHECK_EQ(vyre_priority_offsets(slots, offsets, &err), VYRE_OK);
        for (unsigned j = 0; j < 6; j++)
            CHECK_EQ(offsets[j], cases[i][1 + j]);
        for (unsigned j = 0; j < 5; j++) {
            vyre_priority back = VYRE_PRIORITY_UNKNOWN;
            CHECK_EQ(vyre_priority_slots(slots, levels[j], &first, &count, &err), VYRE_OK);
            CHECK(first == offsets[j] && count == offsets[j + 1] - offsets[j]);
            if (count == 0)
                continue;
            CHECK_EQ(vyre_priority_of_slot(slots, first, &back, &err), VYRE_OK);
            CHECK_EQ(back, levels[j]);
            CHECK_EQ(vyre_priority_of_slot(slots, first + count - 1, &back, &err), VYRE_OK);
            CHECK_EQ(back, levels[j]);
        }
    }
}

static void partition_refusals(void)
{
    uint8_t bytes[544];
    uint32_t first = 7, count = 7;
    vyre_priority level = VYRE_PRIORITY_LOW;
    memset(bytes, 0xa5, sizeof bytes);
    CHECK_FAILS(vyre_priority_write(bytes, 536, 10, &err), VYRE_E_MISSING);
    CHECK_FAILS(vyre_priority_write(bytes, 539, 10, &err), VYRE_E_MISALIGN);
    CHECK_FAILS(vyre_priority_write(NULL, 540, 10, &err), VYRE_E_ARGUMENT);
    for (size_t i = 0; i < sizeof bytes; i++)
        CHECK_EQ(bytes[i], 0xa5);
    CHECK_EQ(vyre_priority_write(bytes, 540, 10, &err), VYRE_OK);
    for (size_t i = 0; i < sizeof bytes; i++)
        CHECK(bytes[i] == 0xa5 || (i >= 4 * 129 && i < 4 * 135));
    CHECK_FAILS(vyre_priority_offsets(1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_priority_slots(10, (vyre_priority)5, &first, &count, &err), VYRE_E_PRIORITY);
    CHECK_FAILS(vyre_priority_slots(10, VYRE_PRIORITY_LOW, NULL, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_priority_of_slot(10, 10, &level, &err), VYRE_E_SLOT_RANGE);
    CHECK_FAILS(vyre_priority_of_slot(10, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK(first == 7 && count == 7 && level == VYRE_PRIORITY_LOW);
}

static void probes(void)
{
    CHECK_EQ(vyre_partition_probes(0, 256), 0);
    CHECK_EQ(vyre_partition_probes(1, 256), 1);
    CHECK_EQ(vyre_partition_probes(256, 256), 1);
    CHECK_EQ(vyre_partition_probes(257, 256), 2);
    CHECK_EQ(vyre_partition_probes(5, 0), 5);
    CHECK_EQ(vyre_partition_lanes(5, 0), 1);
    CHECK_EQ(vyre_partition_budget(UINT32_MAX, 2), UINT32_MAX);
    CHECK_EQ(vyre_partition_budget(5, 2), 6);
}

static void requeues(void)
{
    vyre_requeue c = { UINT64_MAX - 1, 0, 3 };
    vyre_requeue_advice advice;
    CHECK_EQ(vyre_requeue_record(&c, VYRE_REQUEUE_REQUEUED, 2, &err), VYRE_OK);
    CHECK(c.requeues == UINT64_MAX && c.max_age == 3);
    CHECK_FAILS(vyre_requeue_record(&c, VYRE_REQUEUE_REQUEUED, 9, &err), VYRE_E_COUNTER_OVF);
    CHECK(c.requeues == UINT64_MAX && c.max_age == 3);
    CHECK_EQ(vyre_requeue_record(&c, VYRE_REQUEUE_PROMOTED, 9, &err), VYRE_OK);
    CHECK(c.promotions == 1 && c.max_age == 9);
    CHECK_EQ(vyre_requeue_advise(&c, &advice, &err), VYRE_OK);
    CHECK(advice.drain && advice.reason == VYRE_REQUEUE_COUNTER_EXHAUSTED);
    CHECK_FAILS(vyre_requeue_record(&c, (vyre_requeue_event)2, 9, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_requeue_record(NULL, VYRE_REQUEUE_PROMOTED, 9, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_requeue_advise(&c, NULL, &err), VYRE_E_ARGUMENT);
}

int main(void)
{
    RUN(sizes);
    RUN(slot_words);
    RUN(control_bytes);
    RUN(control_hashes);
    RUN(control_with_offsets);
    RUN(encoders_refuse);
    RUN(opcodes);
    RUN(opcode_names);
    RUN(every_prefix_and_one_byte_more);
    RUN(null_is_no_buffer);
    RUN(results_are_needed);
    RUN(readers);
    RUN(metrics);
    RUN(shapes);
    RUN(every_status_and_priority_word);
    RUN(counting);
    RUN(load_miss_images);
    RUN(load_miss_states);
    RUN(load_miss_refusals);
    RUN(log_records);
    RUN(log_cursors);
    RUN(io_life);
    RUN(io_failure_has_a_code);
    RUN(io_lists_stop_at_the_capacity);
    RUN(io_every_status);
    RUN(io_batches_are_all_or_nothing);
    RUN(io_refusals);
    RUN(readback);
    RUN(partitions);
    RUN(partition_refusals);
    RUN(probes);
    RUN(requeues);
    return test_end();
}

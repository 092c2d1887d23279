/* replay: the golden vectors, byte for byte; version 2 with a checksum of the test's
 * own; writers that are killed at every byte; paths; failures. */
#include "inside.h"

#include "base/digest_impl.h"
#include "oom.h"
#include "replay_file.h"
#include "test.h"
#include "vec.h"
#include "vyre.h"

#include <unistd.h>

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

/* --- vectors ------------------------------------------------------------- */

static memory_file row_file;
static vyre_replay *row_log;

/* The status of opening; *log is NULL unless it is OK. */
static vyre_status open_log(const vec_row *row, memory_file *f, uint64_t capacity,
                            vyre_replay **log)
{
    vyre_replay_desc desc = memory_log(f, 1, capacity);
    memset(&err, 0, sizeof err);
    *log = vyre_replay_open(&desc, &err);
    ROW_CHECK(row, *log || err.status < 0);
    vyre_status status = *log ? VYRE_OK : err.status;
    vec_error(row, status, &err);
    return status;
}

static void check_shape(const vec_row *row, const vyre_replay *log)
{
    vyre_replay_info info;
    if (!log) {
        ROW_CHECK(row, strcmp(row->out[0], "-") == 0 && strcmp(row->out[1], "-") == 0);
        return;
    }
    vyre_replay_query(log, &info);
    ROW_EQ(row, info.version, 1);
    ROW_EQ(row, info.capacity, vec_u64(row, row->out[0]));
    ROW_EQ(row, info.cursor, vec_u64(row, row->out[1]));
}

static void row_open(const vec_row *row)
{
    vyre_replay_close(row_log);
    if (strcmp(row->in[0], "new") == 0) {
        memory_end(&row_file);
        row_file = memory_begin();
    }
    vec_expect_row(row, open_log(row, &row_file, vec_u64(row, row->in[1]), &row_log));
    check_shape(row, row_log);
}

/* time.slot.tenant.opcode.a0.a1.a2.a3.epoch[.state.class.code.digest] */
static vyre_replay_record parse_record(const vec_row *row, const char **text)
{
    uint64_t n[13] = { 0 };
    unsigned count = 0;
    do {
        ROW_CHECK(row, count < 13);
        n[count++] = vec_number(row, text);
    } while (vec_skip(text, '.'));
    ROW_CHECK(row, count == 9 || count == 13);
    vyre_replay_record r;
    memset(&r, 0, sizeof r);
    r.time_ns = n[0];
    r.slot = (uint32_t)n[1];
    r.tenant = (uint32_t)n[2];
    r.opcode = (uint32_t)n[3];
    r.arg_count = 4;
    for (unsigned i = 0; i < 4; i++)
        r.args[i] = (uint32_t)n[4 + i];
    r.epoch = (uint32_t)n[8];
    r.ended = count == 13;
    r.state = (uint32_t)n[9];
    r.failure = (uint32_t)n[10];
    r.code = (uint32_t)n[11];
    r.digest = n[12];
    return r;
}

static void same_record(const vec_row *row, const vyre_replay_record *a,
                        const vyre_replay_record *b)
{
    ROW_EQ(row, a->time_ns, b->time_ns);
    ROW_EQ(row, a->slot, b->slot);
    ROW_EQ(row, a->tenant, b->tenant);
    ROW_EQ(row, a->opcode, b->opcode);
    for (unsigned i = 0; i < 4; i++)
        ROW_EQ(row, a->args[i], b->args[i]);
    ROW_EQ(row, a->epoch, b->epoch);
    ROW_EQ(row, a->ended, b->ended);
    ROW_EQ(row, a->state, b->state);
    ROW_EQ(row, a->failure, b->failure);
    ROW_EQ(row, a->code, b->code);
    ROW_EQ(row, a->digest, b->digest);
}

static void row_append(const vec_row *row)
{
    const char *text = row->in[0];
    vyre_replay_record r = parse_record(row, &text);
    vyre_replay_info info;
    vyre_status status = vyre_replay_append(row_log, &r, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    vyre_replay_query(row_log, &info);
    ROW_EQ(row, info.cursor, vec_u64(row, row->out[0]));
}

/* Compares with the column, and returns how reading ended. */
static vyre_status read_all(const vec_row *row, vyre_replay *log, const char *text)
{
    vyre_replay_record r;
    vyre_status status;
    const bool none = vec_skip(&text, '-') && strncmp(row->out[2], "E_", 2) == 0;
    memset(&r, 0xa5, sizeof r);
    while ((status = vyre_replay_next(log, &r, &err)) == VYRE_OK) {
        if (none) /* of a reading that fails the file has no records, also those before */
            continue;
        ROW_CHECK(row, *text != '\0');
        vyre_replay_record expected = parse_record(row, &text);
        same_record(row, &r, &expected);
        vec_skip(&text, ',');
    }
    vec_error(row, status, &err);
    ROW_CHECK(row, *text == '\0');
    return status;
}

static void row_replay(const vec_row *row)
{
    vyre_replay_rewind(row_log);
    ROW_EQ(row, read_all(row, row_log, row->out[0]), VYRE_EMPTY);
}

static vec_buffer hex_bytes(const vec_row *row, const char *text)
{
    size_t size = strcmp(text, "e") == 0 || strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    vec_buffer b = vec_alloc(size, 0);
    for (size_t i = 0; i < size; i++) {
        const char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };
        b.bytes[i] = (uint8_t)vec_u32(row, pair);
    }
    return b;
}

static void row_bytes(const vec_row *row)
{
    vec_buffer expected = hex_bytes(row, row->out[1]);
    vec_buffer got = { row_file.bytes, row_file.size };
    ROW_EQ(row, got.size, vec_u64(row, row->out[0]));
    vec_same(row, &got, &expected);
    vec_free(&expected);
}

static void row_open_bytes(const vec_row *row)
{
    vec_buffer image = hex_bytes(row, row->in[0]);
    memory_file f = memory_begin();
    memory_write(&f, 0, image.bytes, image.size);
    vyre_replay *log;
    vec_expect_row(row, open_log(row, &f, 4, &log));
    check_shape(row, log);
    if (log) {
        vyre_status status = read_all(row, log, row->out[3]);
        ROW_CHECK(row, strcmp(status == VYRE_EMPTY ? "OK" : vyre_status_name(status),
                              row->out[2]) == 0);
    }
    vyre_replay_close(log);
    memory_end(&f);
    vec_free(&image);
}

/* The original's errors that are no messages, as statuses here; the poisoned lock
 * has none. */
static void check_class(const vec_row *row)
{
    static const struct {
        const char *kind;
        vyre_status status;
    } kinds[] = { { "oom", VYRE_E_NOMEM },
                  { "unsupported", VYRE_E_VK_FEATURE },
                  { "compile", VYRE_E_GLSL_SOURCE },
                  { "invalid", VYRE_E_IR_TYPE } };
    uint32_t failure = vec_u32(row, row->out[0]), code = vec_u32(row, row->out[1]);
    if (strcmp(row->in[0], "dispatch") == 0 || strcmp(row->in[0], "raw") == 0) {
        const char *text = strcmp(row->in[1], "-") == 0 ? "" : row->in[1];
        ROW_EQ(row, vyre_failure_of_text(text), failure);
        ROW_EQ(row, code, row->in[0][0] == 'd' ? 1005 : 1999);
        return;
    }
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, row->in[0]) != 0)
            continue;
        ROW_EQ(row, vyre_failure_code(kinds[i].status), code);
        if (strcmp(kinds[i].kind, "unsupported") != 0) /* a device's lack is no program's fault */
            ROW_EQ(row, vyre_failure_of(kinds[i].status), failure);
        return;
    }
    ROW_CHECK(row, strcmp(row->in[0], "poisoned") == 0);
}

static void row_evidence(const vec_row *row)
{
    uint32_t n = vec_u32(row, row->in[2]);
    vec_buffer b = vec_alloc(n, 0);
    for (uint32_t i = 0; i < n; i++)
        b.bytes[i] = (uint8_t)(i % 251);
    ROW_EQ(row, vyre_replay_digest(b.bytes, n), vec_u64(row, row->out[2]));
    check_class(row);
    vec_free(&b);
}

static void vectors_replay(void)
{
    static const vec_op ops[] = { { "open", 2, row_open },     { "append", 1, row_append },
                                  { "replay", 1, row_replay }, { "file", 1, row_bytes },
                                  { "open_bytes", 1, row_open_bytes },
                                  { "evidence", 3, row_evidence } };
    vec_run("replay", ops, sizeof ops / sizeof ops[0]);
    vyre_replay_close(row_log);
    memory_end(&row_file);
    row_log = NULL;
}

/* --- digests ------------------------------------------------------------- */

/* BLAKE3's own vectors: n bytes i mod 251, the first 8 bytes of the hash. */
static void blake3_vectors(void)
{
    static const struct {
        size_t   size;
        uint8_t  hash[8];
    } known[] = { { 0, { 0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6 } },
                  { 1, { 0x2d, 0x3a, 0xde, 0xdf, 0xf1, 0x1b, 0x61, 0xf1 } },
                  { 2, { 0x7b, 0x70, 0x15, 0xbb, 0x92, 0xcf, 0x0b, 0x31 } },
                  { 1023, { 0x10, 0x10, 0x89, 0x70, 0xee, 0xda, 0x3e, 0xb9 } },
                  { 1024, { 0x42, 0x21, 0x47, 0x39, 0xf0, 0x95, 0xa4, 0x06 } },
                  { 1025, { 0xd0, 0x02, 0x78, 0xae, 0x47, 0xeb, 0x27, 0xb3 } },
                  { 2048, { 0xe7, 0x76, 0xb6, 0x02, 0x8c, 0x7c, 0xd2, 0x2a } },
                  { 4096, { 0x01, 0x50, 0x94, 0x01, 0x3f, 0x57, 0xa5, 0x27 } } };
    static uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    for (unsigned k = 0; k < sizeof known / sizeof known[0]; k++) {
        uint64_t expected = 0;
        for (unsigned i = 0; i < 8; i++)
            expected |= (uint64_t)known[k].hash[i] << (8 * i);
        CHECK_EQ(vyre_replay_digest(bytes, known[k].size), expected);
    }
}

/* --- version 2 ----------------------------------------------------------- */

static uint32_t crc32c(const uint8_t *bytes, size_t size)
{
    uint32_t value = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        value ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
    }
    return ~value;
}

/* Record `i` of a log: every field is its own. */
static vyre_replay_record make_record(uint32_t i)
{
    vyre_replay_record r;
    memset(&r, 0, sizeof r);
    r.time_ns = 0x1122334455667788ull + i;
    r.sequence = i;
    r.kind = 1 + i % 3;
    r.slot = i + 1;
    r.generation = i + 2;
    r.tenant = i + 3;
    r.opcode = i + 4;
    r.priority = (vyre_priority)(i % 5);
    r.arg_count = i % 13;
    for (uint32_t k = 0; k < 12; k++)
        r.args[k] = 100 * i + k;
    r.epoch = i + 5;
    r.ended = r.kind == VYRE_REPLAY_END;
    if (r.ended) {
        r.state = i % 8;
        r.failure = i % 5;
        r.code = i + 6;
        r.digest = 0x8877665544332211ull + i;
    } else if (r.kind == VYRE_REPLAY_EVENT) {
        r.code = i + 6;
    }
    return r;
}

static bool record_is(const vyre_replay_record *r, uint32_t i)
{
    const vyre_replay_record expected = make_record(i);
    return r->time_ns == expected.time_ns && r->sequence == i && r->kind == expected.kind &&
           r->slot == expected.slot && r->generation == expected.generation &&
           r->tenant == expected.tenant && r->opcode == expected.opcode &&
           r->priority == expected.priority && r->arg_count == expected.arg_count &&
           memcmp(r->args, expected.args, sizeof r->args) == 0 && r->epoch == expected.epoch &&
           r->ended == expected.ended && r->state == expected.state &&
           r->failure == expected.failure && r->code == expected.code &&
           r->digest == expected.digest;
}

static vyre_replay *open_memory(memory_file *f, uint32_t version, uint64_t capacity)
{
    vyre_replay_desc desc = memory_log(f, version, capacity);
    return vyre_replay_open(&desc, &err);
}

/* Appends records first .. first + count - 1; false: one did not go in. */
static bool append_some(vyre_replay *log, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        const vyre_replay_record r = make_record(i);
        if (vyre_replay_append(log, &r, &err) < 0)
            return false;
    }
    return true;
}

/* The log holds the records first .. end - 1 and nothing else. */
static void check_holds(vyre_replay *log, uint32_t first, uint32_t end)
{
    vyre_replay_record r;
    vyre_replay_rewind(log);
    for (uint32_t i = first; i < end; i++) {
        CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_OK);
        CHECK(record_is(&r, i));
    }
    CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_EMPTY);
}

/* With the processor's instruction, where it has one, and by the tables. */
static void checksums_agree(void)
{
    static const uint8_t nine[9] = { '1', '2', '3', '4', '5', '6', '7', '8', '9' };
    static vyi_crc crc, tables;
    uint8_t bytes[160];
    vyi_crc_make(&crc);
    tables = crc;
    tables.direct = false;
    CHECK_EQ(vyi_crc_of(&crc, nine, sizeof nine), 0xe3069283u); /* the catalogue's check value */
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + (i >> 3));
    for (uint32_t at = 0; at < 8; at++) {
        for (uint32_t size = 0; size <= sizeof bytes - at; size++)
            CHECK_EQ(vyi_crc_of(&crc, bytes + at, size), vyi_crc_of(&tables, bytes + at, size));
    }
    CHECK_EQ(vyi_crc_of(&tables, nine, sizeof nine), 0xe3069283u);
    for (size_t size = 0; size < 64; size++) {
        uint32_t four[4];
        vyi_crc_of_four(size % 3 ? &crc : &tables, bytes, 32, size, four);
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ(four[i], crc32c(bytes + 32 * i, size));
    }
}

static void version_2_bytes(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = open_memory(&f, 0, 7);
    CHECK(log != NULL && append_some(log, 0, 3));
    CHECK_EQ(f.size, 64 + 3 * 128);
    CHECK(memcmp(f.bytes, "VRRL0002", 8) == 0);
    CHECK_EQ(vec_get(f.bytes, 2), 2);
    CHECK_EQ(vec_get(f.bytes, 3), 64);
    CHECK_EQ(vec_get(f.bytes, 4), 128);
    CHECK_EQ(vec_get(f.bytes, 6), 7);
    CHECK_EQ(vec_get(f.bytes, 15), crc32c(f.bytes, 60));
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *at = f.bytes + 64 + 128 * i;
        const vyre_replay_record r = make_record(i);
        static const uint32_t levels[5] = { 2, 0, 1, 3, 4 };
        const uint32_t words[12] = { r.kind, r.arg_count, i, 0, (uint32_t)r.time_ns,
                                     (uint32_t)(r.time_ns >> 32), r.slot, r.generation, r.tenant,
                                     r.opcode, levels[r.priority], r.epoch };
        for (unsigned k = 0; k < 12; k++)
            CHECK_EQ(vec_get(at, k), words[k]);
        for (unsigned k = 0; k < 12; k++)
            CHECK_EQ(vec_get(at, 12 + k), r.args[k]);
        CHECK_EQ(vec_get(at, 24), r.state);
        CHECK_EQ(vec_get(at, 25), r.failure);
        CHECK_EQ(vec_get(at, 26), r.code);
        CHECK_EQ(vec_get(at, 27), 0);
        CHECK_EQ(vec_get(at, 28), (uint32_t)r.digest);
        CHECK_EQ(vec_get(at, 29), (uint32_t)(r.digest >> 32));
        CHECK_EQ(vec_get(at, 30), 0);
        CHECK_EQ(vec_get(at, 31), crc32c(at, 124));
    }
    vyre_replay_close(log);
    memory_end(&f);
}

/* Every count of records in a ring of 5, written in one go and in two. */
static void version_2_wraps(void)
{
    for (uint32_t total = 0; total < 140; total += total < 20 ? 1 : 17) {
        for (uint32_t before = 0; before <= total; before += 1 + total / 4) {
            memory_file f = memory_begin();
            const uint32_t first = total > 5 ? total - 5 : 0;
            vyre_replay *log = open_memory(&f, 2, 5);
            CHECK(log != NULL && append_some(log, 0, before));
            vyre_replay_close(log);
            log = open_memory(&f, 0, 1);
            CHECK(log != NULL && append_some(log, before, total - before));
            check_holds(log, first, total);
            vyre_replay_info info;
            vyre_replay_query(log, &info);
            CHECK_EQ(info.version, 2);
            CHECK_EQ(info.capacity, 5);
            CHECK_EQ(info.first, first);
            CHECK_EQ(info.next, total);
            CHECK_EQ(info.cursor, total % 5);
            vyre_replay_close(log);
            memory_end(&f);
        }
    }
}

/* A writer is killed after every number of bytes: what opens is what it had
 * appended before, and goes on. */
static void killed_at_every_byte(void)
{
    enum { CAPACITY = 70, TOTAL = 90 };
    for (uint64_t budget = 0;; budget++) {
        memory_file f = memory_begin();
        f.budget = budget;
        vyre_replay *log = open_memory(&f, 2, CAPACITY);
        uint32_t whole = 0;
        while (log && whole < TOTAL && append_some(log, whole, 1))
            whole++;
        vyre_replay_close(log);
        const bool failed = f.failed;
        f.budget = UINT64_MAX;
        log = open_memory(&f, 2, CAPACITY);
        CHECK(log != NULL);
        uint32_t first = whole > CAPACITY ? whole - CAPACITY : 0;
        vyre_replay_info info;
        vyre_replay_query(log, &info);
        CHECK_EQ(info.next, whole);
        CHECK(info.first == first || (whole >= CAPACITY && info.first == whole - CAPACITY + 1));
        check_holds(log, (uint32_t)info.first, whole);
        CHECK(append_some(log, whole, 3));
        first = whole + 3 > CAPACITY ? whole + 3 - CAPACITY : 0;
        check_holds(log, first > info.first ? first : (uint32_t)info.first, whole + 3);
        vyre_replay_close(log);
        memory_end(&f);
        if (!failed)
            break;
        if (budget > 700 && budget < 8900) /* records are alike: a part of them will do */
            budget += 36;
    }
}

/* A damaged record is told with its sequence, and the others are there. */
static void damaged_records(void)
{
    enum { COUNT = 9 };
    memory_file f = memory_begin();
    vyre_replay *log = open_memory(&f, 2, 16);
    CHECK(log != NULL && append_some(log, 0, COUNT));
    vyre_replay_close(log);
    for (size_t at = 64; at < f.size; at += 5) {
        const uint32_t hit = (uint32_t)((at - 64) / 128);
        f.bytes[at] ^= 0x10;
        log = open_memory(&f, 2, 16);
        CHECK(log != NULL);
        for (uint32_t i = 0; i < COUNT; i++) {
            vyre_replay_record r;
            if (i == hit && hit + 1 < COUNT) {
                CHECK_FAILS(vyre_replay_next(log, &r, &err), VYRE_E_REPLAY_LOST);
                CHECK_EQ(err.at, i);
            } else if (i != hit) {
                CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_OK);
                CHECK(record_is(&r, i));
            }
        }
        vyre_replay_record r;
        vyre_replay_info info;
        CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_EMPTY);
        vyre_replay_query(log, &info);
        CHECK_EQ(info.lost, hit + 1 < COUNT);
        vyre_replay_close(log);
        f.bytes[at] ^= 0x10;
    }
    memory_end(&f);
}

/* A reader that stands in the log goes on with what is appended, and skips what was
 * overwritten meanwhile. */
static void reading_while_writing(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = open_memory(&f, 2, 4);
    vyre_replay_record r;
    CHECK(log != NULL);
    CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_EMPTY);
    CHECK(append_some(log, 0, 1));
    CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_OK);
    CHECK(record_is(&r, 0));
    CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_EMPTY);
    CHECK(append_some(log, 1, 9));
    CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_OK);
    CHECK(record_is(&r, 6));
    vyre_replay_close(log);
    memory_end(&f);
}

static void arguments_are_checked(void)
{
    memory_file f = memory_begin(), g = memory_begin();
    vyre_replay_desc desc = memory_log(&f, 2, 4), one = memory_log(&g, 1, 4);
    vyre_replay_record r = make_record(0);
    vyre_replay *log = vyre_replay_open(&desc, &err);
    CHECK(log != NULL);
    r.kind = 4;
    CHECK_FAILS(vyre_replay_append(log, &r, &err), VYRE_E_ARGUMENT);
    r.kind = 1;
    r.arg_count = 13;
    CHECK_FAILS(vyre_replay_append(log, &r, &err), VYRE_E_TOO_MANY_ARGS);
    r.arg_count = 0;
    r.priority = VYRE_PRIORITY_UNKNOWN;
    CHECK_FAILS(vyre_replay_append(log, &r, &err), VYRE_E_PRIORITY);
    CHECK_FAILS(vyre_replay_append(log, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_append(NULL, &r, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_next(log, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_next(NULL, &r, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_replay_sync(log, &err), VYRE_OK);
    vyre_replay_close(log);
    desc.read_only = true;
    desc.capacity = 0;
    CHECK((log = vyre_replay_open(&desc, &err)) != NULL);
    r = make_record(0);
    CHECK_FAILS(vyre_replay_append(log, &r, &err), VYRE_E_ARGUMENT);
    vyre_replay_close(log);
    vyre_replay_close(NULL);

#define REFUSED(d, expected) CHECK_FAILS(vyre_replay_open(d, &err) ? VYRE_OK : err.status, expected)
    REFUSED(NULL, VYRE_E_ARGUMENT);
    desc.read_only = false;
    REFUSED(&desc, VYRE_E_REPLAY_ZERO_CAPACITY);
    desc.capacity = VYRE_REPLAY_MAX_CAPACITY + 1;
    REFUSED(&desc, VYRE_E_REPLAY_CAPACITY);
    desc.capacity = 4;
    desc.version = 3;
    REFUSED(&desc, VYRE_E_ARGUMENT);
    desc.version = 1;
    REFUSED(&desc, VYRE_E_REPLAY_HEADER);
    CHECK((log = vyre_replay_open(&one, &err)) != NULL);
    vyre_replay_close(log);
    one.version = 2;
    REFUSED(&one, VYRE_E_REPLAY_HEADER);
    one.file.write = NULL;
    REFUSED(&one, VYRE_E_ARGUMENT);
    one.file = desc.file;
    one.file.size = NULL;
    REFUSED(&one, VYRE_E_ARGUMENT);
    memory_end(&g);
    one = memory_log(&g, 2, 4);
    one.read_only = true; /* nothing is there to be read */
    REFUSED(&one, VYRE_E_REPLAY_IO);
    vec_store(&(vec_buffer){ f.bytes, f.size }, 4, 64);
    desc.version = 0;
    REFUSED(&desc, VYRE_E_REPLAY_HEADER);
    memory_end(&f);
    memory_end(&g);
}

static vyre_status open_with(const vyre_allocator *allocator, void *user)
{
    vyre_replay_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.path = (const char *)user;
    desc.capacity = 3;
    desc.allocator = *allocator;
    vyre_replay *log = vyre_replay_open(&desc, &err);
    vyre_replay_close(log);
    return log ? VYRE_OK : err.status;
}

/* A path: both versions, a second writer, a reader beside the writer, no memory. */
static void paths(void)
{
    char path[64], none[80];
    snprintf(path, sizeof path, "/tmp/vyre_replay_%ld", (long)getpid());
    snprintf(none, sizeof none, "%s/none", path);
    for (uint32_t version = 1; version <= 2; version++) {
        vyre_replay_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.path = path;
        desc.version = version;
        desc.capacity = 6;
        remove(path);
        vyre_replay *log = vyre_replay_open(&desc, &err);
        CHECK(log != NULL);
        CHECK(append_some(log, 0, 4));
        CHECK_EQ(vyre_replay_sync(log, &err), VYRE_OK);
        memset(&err, 0, sizeof err);
        CHECK(vyre_replay_open(&desc, &err) == NULL);
        CHECK_EQ(err.status, VYRE_E_REPLAY_BUSY);
        desc.read_only = true;
        vyre_replay *reader = vyre_replay_open(&desc, &err);
        CHECK(reader != NULL);
        vyre_replay_record r;
        for (uint32_t i = 0; i < 4; i++) {
            CHECK_EQ(vyre_replay_next(reader, &r, &err), VYRE_OK);
            CHECK_EQ(r.slot, i + 1);
        }
        CHECK_EQ(vyre_replay_next(reader, &r, &err), VYRE_EMPTY);
        vyre_replay_close(reader);
        vyre_replay_close(log);
        desc.read_only = false;
        CHECK((log = vyre_replay_open(&desc, &err)) != NULL);
        vyre_replay_close(log);
    }
    oom_each(open_with, path);
    vyre_replay_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.path = none; /* a folder that is none */
    desc.capacity = 6;
    CHECK_FAILS(vyre_replay_open(&desc, &err) ? VYRE_OK : err.status, VYRE_E_REPLAY_IO);
    remove(path);
}

/* Every status has a class, and a code unless it is no failure. */
static void failures(void)
{
#define STATUS_CASE(name, number, text)                                                            \
    {                                                                                              \
        const vyre_failure failure = vyre_failure_of((vyre_status)(number));                       \
        CHECK_EQ(failure == VYRE_FAILURE_NONE,                                                     \
                 (number) >= 0 && (number) != VYRE_FULL && (number) != VYRE_TIMEOUT);              \
        CHECK_EQ(vyre_failure_code((vyre_status)(number)) == 0, failure == VYRE_FAILURE_NONE);     \
    }
    VYRE_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    CHECK_EQ(vyre_failure_of(VYRE_E_DEVICE_LOST), VYRE_FAILURE_DEVICE_LOSS);
    CHECK_EQ(vyre_failure_of(VYRE_E_LEASE), VYRE_FAILURE_DEVICE_LOSS);
    CHECK_EQ(vyre_failure_of(VYRE_FULL), VYRE_FAILURE_TRANSIENT);
    CHECK_EQ(vyre_failure_of(VYRE_TIMEOUT), VYRE_FAILURE_TRANSIENT);
    CHECK_EQ(vyre_failure_of(VYRE_E_NOMEM), VYRE_FAILURE_TRANSIENT);
    CHECK_EQ(vyre_failure_of(VYRE_E_IR_FINISHED), VYRE_FAILURE_PROGRAM);
    CHECK_EQ(vyre_failure_of(VYRE_E_IR_LINK), VYRE_FAILURE_PROGRAM);
    CHECK_EQ(vyre_failure_of(VYRE_E_KERNEL_RESULT), VYRE_FAILURE_PROGRAM);
    CHECK_EQ(vyre_failure_of(VYRE_E_SPIRV_MODEL), VYRE_FAILURE_PROGRAM);
    CHECK_EQ(vyre_failure_of(VYRE_E_GLSL_SOURCE), VYRE_FAILURE_PROGRAM);
    CHECK_EQ(vyre_failure_of(VYRE_E_FAULT), VYRE_FAILURE_UNCLASSIFIED);
    CHECK_EQ(vyre_failure_of_text(NULL), VYRE_FAILURE_UNCLASSIFIED);
    CHECK_EQ(vyre_failure_of_text("Device LOST"), VYRE_FAILURE_DEVICE_LOSS);
    CHECK_EQ(vyre_failure_of_text("Type Error, try again"), VYRE_FAILURE_TRANSIENT);
    CHECK_EQ(vyre_failure_code(VYRE_E_LAUNCH), 1005);
    CHECK_EQ(vyre_failure_code(VYRE_E_VK_DEVICE_MEMORY), 1001);
}

int main(void)
{
    RUN(vectors_replay);
    RUN(blake3_vectors);
    RUN(checksums_agree);
    RUN(version_2_bytes);
    RUN(version_2_wraps);
    RUN(killed_at_every_byte);
    RUN(damaged_records);
    RUN(reading_while_writing);
    RUN(arguments_are_checked);
    RUN(paths);
    RUN(failures);
    return test_end();
}

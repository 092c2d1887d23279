/* The golden vectors of sizes, opcodes, encoders, readers, the IO queue, the
 * priority partitions and the readback. */
#include "vec.h"

/* --- sizes --------------------------------------------------------------- */

static void check_size(const vec_row *row, size_t size)
{
    if (vec_none(row)) {
        ROW_EQ(row, size, 0);
        return;
    }
    uint64_t expected = vec_u64(row, row->out[0]);
    if (expected > SIZE_MAX) {
        expected = 0;
        vec_ruled(RULE_WORD_SIZE);
    }
    ROW_EQ(row, size, expected);
}

static void row_control_size(const vec_row *row)
{
    check_size(row, vyre_control_size(vec_u32(row, row->in[0])));
}

static void row_ring_size(const vec_row *row)
{
    check_size(row, vyre_ring_size(vec_u32(row, row->in[0])));
}

static void row_log_size(const vec_row *row)
{
    check_size(row, vyre_log_size(vec_u32(row, row->in[0])));
}

static void check_word(const vec_row *row, uint32_t slot, uint32_t word)
{
    vyre_error err;
    uint32_t at = 0xa5a5a5a5u;
    vyre_status status = vyre_slot_word(slot, word, &at, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    ROW_EQ(row, at, status < 0 ? 0xa5a5a5a5u : vec_u32(row, row->out[0]));
}

static void row_slot_base(const vec_row *row)
{
    check_word(row, vec_u32(row, row->in[0]), 0);
}

static void row_slot_word(const vec_row *row)
{
    check_word(row, vec_u32(row, row->in[0]), vec_u32(row, row->in[1]));
}

static void row_slot_bytes(const vec_row *row)
{
    ROW_EQ(row, VYRE_SLOT_BYTES, vec_u32(row, row->out[0]));
    ROW_EQ(row, vyre_ring_size(1), vec_u32(row, row->out[0]));
}

static void vectors_sizes(void)
{
    static const vec_op ops[] = {
        { "control_byte_len", 1, row_control_size }, { "ring_byte_len", 1, row_ring_size },
        { "debug_log_byte_len", 1, row_log_size },   { "slot_word_base", 1, row_slot_base },
        { "slot_word_index", 2, row_slot_word },     { "slot_byte_len", 1, row_slot_bytes }
    };
    vec_run("sizes", ops, sizeof ops / sizeof ops[0]);
}

/* --- opcodes ------------------------------------------------------------- */

/* The system's opcodes are those that users cannot have. */
static void row_opcode(const vec_row *row)
{
    uint32_t op = vec_u32(row, row->in[0]);
    ROW_EQ(row, !vyre_opcode_is_user(op), vec_u32(row, row->out[0]));
    ROW_EQ(row, vyre_opcode_is_builtin(op), vec_u32(row, row->out[1]));
    ROW_EQ(row, vyre_opcode_is_user(op), vec_u32(row, row->out[2]));
    ROW_EQ(row, vyre_opcode_publishable(op), vec_u32(row, row->out[3]));
    ROW_CHECK(row, (strcmp(vyre_opcode_name(op), "USER") == 0) == vyre_opcode_is_user(op));
}

static void vectors_opcode(void)
{
    static const vec_op ops[] = { { "opcode", 1, row_opcode } };
    vec_run("opcode", ops, 1);
}

/* --- encoders ------------------------------------------------------------ */

typedef vyre_status encoder(void *dst, size_t size, const vec_row *row, vyre_error *err);

static vyre_status encode_control(void *dst, size_t size, const vec_row *row, vyre_error *err)
{
    vyre_control_desc desc = { vec_u32(row, row->in[0]) != 0, vec_u32(row, row->in[1]),
                               vec_u32(row, row->in[2]) };
    return vyre_control_encode(dst, size, &desc, err);
}

static vyre_status encode_ring(void *dst, size_t size, const vec_row *row, vyre_error *err)
{
    return vyre_ring_encode(dst, size, vec_u32(row, row->in[0]), err);
}

static vyre_status encode_log(void *dst, size_t size, const vec_row *row, vyre_error *err)
{
    return vyre_log_encode(dst, size, vec_u32(row, row->in[0]), err);
}

static vyre_status encode_io(void *dst, size_t size, const vec_row *row, vyre_error *err)
{
    return vyre_io_encode(dst, size, vec_u32(row, row->in[0]), err);
}

/* Into a block of exactly the expected size, and into one that is too small. */
static void check_encoder(const vec_row *row, encoder *encode)
{
    vyre_error err;
    if (!vec_ok(row)) {
        uint8_t untouched = 0xa5;
        vyre_status status = encode(&untouched, 1, row, &err);
        vec_expect_row(row, status);
        vec_error(row, status, &err);
        ROW_EQ(row, untouched, 0xa5);
        return;
    }
    vec_buffer expected = vec_parse(row, row->out[row->out_count - 1]);
    vec_buffer got = vec_alloc(expected.size, 0xa5);
    vec_expect(row, encode(got.bytes, got.size, row, &err), VYRE_OK);
    vec_same(row, &got, &expected);
    if (got.size) {
        vec_buffer small = vec_alloc(got.size - 1, 0xa5), before = vec_copy(&small);
        vec_expect(row, encode(small.bytes, small.size, row, &err), VYRE_E_SPACE);
        vec_same(row, &small, &before);
        vec_free(&small);
        vec_free(&before);
    }
    vec_free(&got);
    vec_free(&expected);
}

/* The destination's old content plays no part, and stays when the call fails. */
static void check_encoder_into(const vec_row *row, encoder *encode)
{
    vyre_error err;
    vec_buffer dst = vec_parse(row, row->in[row->in_count - 1]), before = vec_copy(&dst);
    vec_buffer expected = vec_result(row, row->out[0], &dst);
    vyre_status status = encode(dst.bytes, dst.size, row, &err);
    if (vec_ok(row) && dst.size >= expected.size) {
        vec_expect(row, status, VYRE_OK);
        ROW_CHECK(row, memcmp(dst.bytes + expected.size, before.bytes + expected.size,
                              dst.size - expected.size) == 0);
        dst.size = expected.size;
        vec_same(row, &dst, &expected);
    } else {
        if (vec_ok(row))
            vec_expect(row, status, VYRE_E_SPACE);
        else
            vec_expect_row(row, status);
        vec_error(row, status, &err);
        vec_same(row, &dst, &before);
    }
    if (vec_ok(row))
        check_encoder(row, encode);
    vec_free(&dst);
    vec_free(&before);
    vec_free(&expected);
}

static void row_encode_control(const vec_row *row) { check_encoder(row, encode_control); }
static void row_encode_ring(const vec_row *row) { check_encoder(row, encode_ring); }
static void row_encode_log(const vec_row *row) { check_encoder(row, encode_log); }
static void row_encode_io(const vec_row *row) { check_encoder(row, encode_io); }
static void row_into_control(const vec_row *row) { check_encoder_into(row, encode_control); }
static void row_into_ring(const vec_row *row) { check_encoder_into(row, encode_ring); }
static void row_into_log(const vec_row *row) { check_encoder_into(row, encode_log); }
static void row_into_io(const vec_row *row) { check_encoder_into(row, encode_io); }

static void vectors_encode(void)
{
    static const vec_op ops[] = {
        { "encode_control", 3, row_encode_control },  { "encode_control_into", 4, row_into_control },
        { "encode_ring", 1, row_encode_ring },        { "encode_ring_into", 2, row_into_ring },
        { "encode_debug_log", 1, row_encode_log },    { "encode_debug_log_into", 2, row_into_log },
        { "encode_io_queue", 1, row_encode_io },      { "encode_io_queue_into", 2, row_into_io }
    };
    vec_run("encode", ops, sizeof ops / sizeof ops[0]);
}

/* --- readers ------------------------------------------------------------- */

#define UNTOUCHED 0xa5a5a5a5u

/* A lenient reader gives the strict one's value, or its default. */
static void check_lenient(const vec_row *row, vyre_status status, uint64_t value, uint64_t otherwise)
{
    if (status >= 0) {
        ROW_EQ(row, value, vec_u64(row, row->out[0]));
        return;
    }
    ROW_CHECK(row, vec_none(row) || vec_u64(row, row->out[0]) == otherwise);
    vec_ruled(RULE_LENIENT);
}

static void check_reader(const vec_row *row, bool lenient, vyre_status status, uint32_t value,
                         const vyre_error *err)
{
    vec_error(row, status, err);
    if (lenient) {
        check_lenient(row, status, value, 0);
        return;
    }
    vec_expect_row(row, status);
    ROW_EQ(row, value, status < 0 ? UNTOUCHED : vec_u32(row, row->out[0]));
}

static bool is_lenient(const vec_row *row)
{
    return strstr(row->op, "_lenient") != NULL;
}

static void row_done_count(const vec_row *row)
{
    vyre_error err;
    uint32_t value = UNTOUCHED;
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_control_done_count(b.bytes, b.size, &value, &err);
    check_reader(row, is_lenient(row), status, value, &err);
    vec_free(&b);
}

static void row_epoch(const vec_row *row)
{
    vyre_error err;
    uint32_t value = UNTOUCHED;
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_control_epoch(b.bytes, b.size, &value, &err);
    check_reader(row, is_lenient(row), status, value, &err);
    vec_free(&b);
}

static void row_observable(const vec_row *row)
{
    vyre_error err;
    uint32_t value = UNTOUCHED;
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_control_observable(b.bytes, b.size, vec_u32(row, row->in[1]), &value,
                                                 &err);
    check_reader(row, is_lenient(row), status, value, &err);
    vec_free(&b);
}

static void row_metrics(const vec_row *row)
{
    vyre_error err;
    uint32_t metrics[VYRE_METRICS], expected[VYRE_METRICS];
    memset(metrics, 0xa5, sizeof metrics);
    memset(expected, 0, sizeof expected);
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_control_metrics(b.bytes, b.size, metrics, &err);
    vec_error(row, status, &err);
    vec_free(&b);
    if (status < 0) {
        for (unsigned i = 0; i < VYRE_METRICS; i++)
            ROW_EQ(row, metrics[i], UNTOUCHED);
        if (is_lenient(row))
            vec_ruled(RULE_LENIENT);
        else
            vec_expect_row(row, status);
        return;
    }
    ROW_CHECK(row, vec_ok(row));
    const char *text = row->out[0];
    while (*text && !vec_skip(&text, '-')) {
        uint64_t index = vec_number(row, &text);
        ROW_CHECK(row, index < VYRE_METRICS && vec_skip(&text, '='));
        expected[index] = (uint32_t)vec_number(row, &text);
        vec_skip(&text, ',');
    }
    for (unsigned i = 0; i < VYRE_METRICS; i++)
        ROW_EQ(row, metrics[i], expected[i]);
}

static void row_count_done(const vec_row *row)
{
    vyre_error err;
    uint64_t count = UNTOUCHED, slots = vec_u64(row, row->in[1]);
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_ring_count_first(b.bytes, b.size, slots, VYRE_SLOT_DONE, &count,
                                               &err);
    vec_error(row, status, &err);
    if (is_lenient(row)) {
        if (status >= 0 && slots == 0) {
            ROW_CHECK(row, vec_none(row) && count == 0);
            vec_ruled(RULE_LENIENT);
        } else if (status < 0 && !vec_none(row)) {
            ROW_CHECK(row, status == VYRE_E_MISALIGN && b.size % 4);
            vec_ruled(RULE_LENIENT);
        } else {
            check_lenient(row, status, count, 0);
        }
    } else {
        vec_expect_row(row, status);
        ROW_EQ(row, count, status < 0 ? UNTOUCHED : vec_u64(row, row->out[0]));
    }
    if (status >= 0 && b.size == slots * VYRE_SLOT_BYTES) {
        uint32_t all;
        vec_expect(row, vyre_ring_count(b.bytes, b.size, VYRE_SLOT_DONE, &all, &err), VYRE_OK);
        ROW_EQ(row, all, count);
    }
    vec_free(&b);
}

/* By the rule: what lies in the log and how many more its cursor tells of. */
static void check_full_log(const vec_row *row, const vec_buffer *b, const vyre_log_record *records,
                           const vyre_log_summary *sum)
{
    uint32_t room = (uint32_t)((b->size - 4) / 16), cursor = vec_get(b->bytes, 0);
    ROW_CHECK(row, vec_is(row, VYRE_E_MISSING) && cursor % 4 == 0 && cursor > b->size / 4 - 1);
    ROW_EQ(row, sum->records, room);
    ROW_EQ(row, sum->dropped, cursor / 4 - room);
    for (uint32_t i = 0; i < room; i++) {
        ROW_EQ(row, records[i].format, vec_get(b->bytes, 1 + 4 * i));
        for (uint32_t j = 0; j < 3; j++)
            ROW_EQ(row, records[i].args[j], vec_get(b->bytes, 2 + 4 * i + j));
    }
    vec_ruled(RULE_LOG_FULL);
}

static void check_log_records(const vec_row *row, const vyre_log_record *records, uint32_t count)
{
    const char *text = row->out[0];
    uint32_t found = 0;
    while (*text && !vec_skip(&text, '-')) {
        uint32_t words[4];
        ROW_EQ(row, vec_list(row, &text, '.', words, 4), 4);
        ROW_CHECK(row, found < count);
        ROW_EQ(row, records[found].format, words[0]);
        for (unsigned j = 0; j < 3; j++)
            ROW_EQ(row, records[found].args[j], words[1 + j]);
        found++;
        vec_skip(&text, ',');
    }
    ROW_EQ(row, count, found);
}

static void row_debug_log(const vec_row *row)
{
    vyre_error err;
    vec_buffer b = vec_parse(row, row->in[0]);
    uint32_t capacity = (uint32_t)(b.size / 16) + 1;
    vec_buffer space = vec_alloc(capacity * sizeof(vyre_log_record), 0xa5);
    vyre_log_record *records = (vyre_log_record *)(void *)space.bytes;
    vyre_log_summary sum = { UNTOUCHED, UNTOUCHED };
    vyre_status status = vyre_log_decode(b.bytes, b.size, records, capacity, &sum, &err);
    vec_error(row, status, &err);
    if (status >= 0 && !vec_ok(row)) {
        check_full_log(row, &b, records, &sum);
    } else {
        vec_expect_row(row, status);
        ROW_EQ(row, sum.dropped, status < 0 ? UNTOUCHED : 0);
        if (status >= 0)
            check_log_records(row, records, sum.records);
        else
            ROW_EQ(row, records[0].format, UNTOUCHED);
    }
    vec_free(&space);
    vec_free(&b);
}

static void row_control_shape(const vec_row *row)
{
    vyre_error err;
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_control_check(b.bytes, b.size, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    vec_free(&b);
}

static bool is_log_length(uint64_t size)
{
    return size >= 4 && size % 16 == 4;
}

static void row_debug_shape(const vec_row *row)
{
    vyre_error err;
    vec_buffer b = vec_parse(row, row->in[0]);
    vyre_status status = vyre_log_check(b.bytes, b.size, &err);
    vec_error(row, status, &err);
    vec_expect(row, status, is_log_length(b.size) ? VYRE_OK : VYRE_E_LOG_SHAPE);
    if (!vec_is(row, status)) {
        ROW_CHECK(row, b.size != vyre_log_size(VYRE_LOG_RECORDS_DEFAULT));
        vec_ruled(RULE_LOG_LENGTH);
    }
    vec_free(&b);
}

static void vectors_read(void)
{
    static const vec_op ops[] = {
        { "done_count", 1, row_done_count },         { "done_count_lenient", 1, row_done_count },
        { "epoch", 1, row_epoch },                   { "epoch_lenient", 1, row_epoch },
        { "observable", 2, row_observable },         { "observable_lenient", 2, row_observable },
        { "metrics", 1, row_metrics },               { "metrics_lenient", 1, row_metrics },
        { "count_done", 2, row_count_done },         { "count_done_lenient", 2, row_count_done },
        { "control_shape", 1, row_control_shape },   { "debug_shape", 1, row_debug_shape },
        { "debug_log", 1, row_debug_log }
    };
    vec_run("read", ops, sizeof ops / sizeof ops[0]);
}

/* --- IO queue ------------------------------------------------------------ */

static vec_buffer io_queue;

static void check_requests(const vec_row *row, const char *text, const vyre_io_request *got,
                           uint32_t count)
{
    uint32_t found = 0;
    while (*text && !vec_skip(&text, '-')) {
        uint64_t f[7];
        for (unsigned i = 0; i < 7; i++) {
            f[i] = vec_number(row, &text);
            ROW_CHECK(row, i == 6 || vec_skip(&text, '.'));
        }
        ROW_CHECK(row, found < count);
        const vyre_io_request *r = &got[found++];
        ROW_CHECK(row, r->slot == f[0] && r->op == f[1] && r->src == f[2] && r->dst == f[3]);
        ROW_CHECK(row, r->offset == f[4] && r->bytes == f[5] && r->tag == f[6]);
        vec_skip(&text, ',');
    }
    ROW_EQ(row, count, found);
}

typedef vyre_status io_lister(void *queue, size_t size, vyre_io_request *out, uint32_t capacity,
                              uint32_t *count, vyre_error *err);

static vyre_status io_poll(void *queue, size_t size, vyre_io_request *out, uint32_t capacity,
                           uint32_t *count, vyre_error *err)
{
    return vyre_io_poll(queue, size, out, capacity, count, err);
}

static void check_list(const vec_row *row, vec_buffer *b, io_lister *list, const char *buffer)
{
    vyre_error err;
    vyre_io_request requests[VYRE_IO_SLOTS];
    uint32_t count = UNTOUCHED;
    vec_buffer before = vec_copy(b);
    vyre_status status = list(b->bytes, b->size, requests, VYRE_IO_SLOTS, &count, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    if (status >= 0)
        check_requests(row, row->out[0], requests, count);
    else
        ROW_EQ(row, count, UNTOUCHED);
    vec_same_text(row, b, buffer, &before);
    vec_free(&before);
}

static void row_io_poll(const vec_row *row)
{
    vec_buffer b = vec_parse(row, row->in[0]);
    check_list(row, &b, io_poll, "=");
    vec_free(&b);
}

static void row_io_claim(const vec_row *row)
{
    vec_buffer b = vec_parse(row, row->in[0]);
    check_list(row, &b, vyre_io_claim, row->out[1]);
    vec_free(&b);
}

static void row_io_validate(const vec_row *row)
{
    vyre_error err;
    vec_buffer b = vec_alloc((size_t)vec_u64(row, row->in[0]), 0);
    vyre_status status = vyre_io_check(b.bytes, b.size, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    vec_free(&b);
}

#define MAX_RESULTS 256

static bool has_duplicates(const vyre_io_result *results, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (results[i].slot == results[j].slot)
                return true;
        }
    }
    return false;
}

static void row_io_complete(const vec_row *row)
{
    vyre_error err;
    vyre_io_result results[MAX_RESULTS];
    uint32_t count = 0;
    const char *text = row->in[1];
    while (*text && !vec_skip(&text, '-')) {
        ROW_CHECK(row, count < MAX_RESULTS);
        results[count].slot = (uint32_t)vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, ':'));
        results[count].success = vec_number(row, &text) != 0;
        results[count++].code = 0;
        vec_skip(&text, ',');
    }
    vec_buffer b = vec_parse(row, row->in[0]), before = vec_copy(&b);
    vyre_status status = strcmp(row->op, "complete") == 0 && count == 1
                             ? vyre_io_complete(b.bytes, b.size, &results[0], &err)
                             : vyre_io_complete_batch(b.bytes, b.size, results, count, &err);
    vec_error(row, status, &err);
    if (vec_ok(row) && has_duplicates(results, count)) {
        vec_expect(row, status, VYRE_E_IO_DUPLICATE);
        vec_same(row, &b, &before);
        vec_ruled(RULE_IO_TWICE);
    } else {
        vec_expect_row(row, status);
        vec_same_text(row, &b, row->out[0], &before);
    }
    vec_free(&b);
    vec_free(&before);
}

static void row_queue_new(const vec_row *row)
{
    vyre_error err;
    uint32_t slots = vec_u32(row, row->in[0]);
    vec_buffer b = vec_alloc(vyre_io_size(slots), 0xa5);
    vyre_status status = vyre_io_encode(b.bytes, b.size, slots, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    if (status < 0) {
        vec_free(&b);
        return;
    }
    vec_free(&io_queue);
    io_queue = b;
}

static void check_queue_publish(const vec_row *row, const vyre_io_request *request)
{
    vyre_error err;
    vec_buffer before = vec_copy(&io_queue);
    vyre_status status = vyre_io_publish(io_queue.bytes, io_queue.size, request, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    vec_same_text(row, &io_queue, row->out[0], &before);
    vec_free(&before);
}

static void row_queue_publish(const vec_row *row)
{
    vyre_io_request r = { vec_u32(row, row->in[0]), VYRE_IO_READ, 0, vec_u32(row, row->in[1]), 0,
                          vec_u32(row, row->in[2]), vec_u32(row, row->in[3]) };
    check_queue_publish(row, &r);
}

static void row_queue_dma_read(const vec_row *row)
{
    vyre_io_request r = { vec_u32(row, row->in[0]), VYRE_IO_READ, vec_u32(row, row->in[1]),
                          vec_u32(row, row->in[2]), 0, vec_u32(row, row->in[3]),
                          vec_u32(row, row->in[4]) };
    check_queue_publish(row, &r);
}

static void row_queue_claim(const vec_row *row)
{
    check_list(row, &io_queue, vyre_io_claim, row->out[1]);
}

static void row_queue_poll(const vec_row *row)
{
    check_list(row, &io_queue, io_poll, "=");
}

static void row_queue_complete(const vec_row *row)
{
    vyre_error err;
    vyre_io_result result = { vec_u32(row, row->in[0]), vec_u32(row, row->in[1]) != 0, 0 };
    vec_buffer before = vec_copy(&io_queue);
    vyre_status status = vyre_io_complete(io_queue.bytes, io_queue.size, &result, &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    vec_same_text(row, &io_queue, row->out[0], &before);
    vec_free(&before);
}

static void row_queue_completion(const vec_row *row)
{
    vyre_error err;
    uint32_t slot = vec_u32(row, row->in[0]);
    vyre_io_completion c;
    memset(&c, 0xa5, sizeof c);
    vyre_status status = vyre_io_read_completion(io_queue.bytes, io_queue.size, slot, &c, &err);
    vec_error(row, status, &err);
    if (slot >= io_queue.size / VYRE_IO_SLOT_BYTES) {
        ROW_CHECK(row, vec_none(row));
        vec_expect(row, status, VYRE_E_SLOT_RANGE);
        return;
    }
    uint32_t word = vec_get(io_queue.bytes, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS);
    if (word == VYRE_IO_EMPTY) {
        ROW_CHECK(row, vec_none(row));
        vec_expect(row, status, VYRE_EMPTY);
        return;
    }
    ROW_CHECK(row, vec_ok(row));
    if (word != VYRE_IO_OK && word != VYRE_IO_ERROR && word != VYRE_IO_DONE) {
        vec_expect(row, status, VYRE_PENDING);
        vec_ruled(RULE_IO_EARLY);
        return;
    }
    uint32_t words[4];
    const char *text = row->out[0];
    vec_expect(row, status, VYRE_OK);
    ROW_EQ(row, vec_list(row, &text, '.', words, 4), 4);
    ROW_CHECK(row, c.slot == words[0] && c.dst == words[1] && c.bytes == words[2]);
    ROW_CHECK(row, c.tag == words[3] && c.success == (word != VYRE_IO_ERROR));
}

static void row_queue_is_recycled(const vec_row *row)
{
    vyre_error err;
    vyre_io_state state = VYRE_IO_UNKNOWN;
    vyre_status status = vyre_io_read_state(io_queue.bytes, io_queue.size,
                                            vec_u32(row, row->in[0]), &state, &err);
    vec_error(row, status, &err);
    ROW_EQ(row, status >= 0 && state == VYRE_IO_EMPTY, vec_u32(row, row->out[0]));
}

static void row_queue_poke(const vec_row *row)
{
    uint32_t word = vec_u32(row, row->in[0]) * VYRE_IO_SLOT_WORDS + vec_u32(row, row->in[1]);
    vec_buffer before = vec_copy(&io_queue);
    ROW_CHECK(row, 4 * (size_t)word < io_queue.size);
    vec_put(io_queue.bytes, word, vec_u32(row, row->in[2]));
    vec_same_text(row, &io_queue, row->out[0], &before);
    vec_free(&before);
}

static void row_queue_dump(const vec_row *row)
{
    vec_same_text(row, &io_queue, row->out[0], &io_queue);
}

static void vectors_io(void)
{
    static const vec_op ops[] = {
        { "validate", 1, row_io_validate },          { "poll", 1, row_io_poll },
        { "claim", 1, row_io_claim },                { "complete", 2, row_io_complete },
        { "complete_batch", 2, row_io_complete },    { "queue_new", 1, row_queue_new },
        { "queue_publish", 4, row_queue_publish },   { "queue_dma_read", 5, row_queue_dma_read },
        { "queue_claim", 1, row_queue_claim },       { "queue_poll", 1, row_queue_poll },
        { "queue_complete", 2, row_queue_complete }, { "queue_completion", 1, row_queue_completion },
        { "queue_is_recycled", 1, row_queue_is_recycled },
        { "queue_poke", 3, row_queue_poke },         { "queue_dump", 1, row_queue_dump }
    };
    vec_run("io", ops, sizeof ops / sizeof ops[0]);
    vec_free(&io_queue);
}

/* --- priority ------------------------------------------------------------ */

static void row_offsets(const vec_row *row)
{
    uint32_t expected[6], got[6];
    const char *text = row->out[0];
    uint32_t slots = vec_u32(row, row->in[0]);
    ROW_EQ(row, vec_list(row, &text, ',', expected, 6), 6);
    vec_expect(row, vyre_priority_offsets(slots, got, NULL), VYRE_OK);
    for (unsigned i = 0; i < 6; i++)
        ROW_EQ(row, got[i], expected[i]);
}

static void row_write_offsets(const vec_row *row)
{
    vyre_error err;
    vec_buffer b = vec_parse(row, row->in[0]), before = vec_copy(&b);
    vyre_status status = vyre_priority_write(b.bytes, b.size, vec_u32(row, row->in[1]), &err);
    vec_error(row, status, &err);
    vec_expect_row(row, status);
    vec_buffer expected = vec_result(row, row->out[0], &before);
    if (status < 0) {
        vec_same(row, &b, &before);
        if (memcmp(expected.bytes, before.bytes, before.size) != 0)
            vec_ruled(RULE_OFFSETS);
    } else {
        vec_same(row, &b, &expected);
    }
    vec_free(&expected);
    vec_free(&before);
    vec_free(&b);
}

static void row_probe(const vec_row *row)
{
    uint32_t slots = vec_u32(row, row->in[0]), lanes = vec_u32(row, row->in[1]);
    ROW_EQ(row, vyre_partition_probes(slots, lanes), vec_u32(row, row->out[0]));
    ROW_EQ(row, vyre_partition_lanes(slots, lanes), vec_u32(row, row->out[1]));
    ROW_EQ(row, vyre_partition_budget(slots, lanes), vec_u32(row, row->out[2]));
}

static vyre_requeue parse_counters(const vec_row *row)
{
    vyre_requeue c = { vec_u64(row, row->in[0]), vec_u64(row, row->in[1]),
                       vec_u32(row, row->in[2]) };
    return c;
}

static void row_drain(const vec_row *row)
{
    static const char *const reasons[] = {
        "NONE", "REQUEUE_COUNTER_EXHAUSTED", "AGED_PROMOTION_COUNTER_EXHAUSTED",
        "REQUEUE_COUNTER_NEAR_LIMIT", "AGED_PROMOTION_COUNTER_NEAR_LIMIT", "PENDING_TELEMETRY"
    };
    vyre_requeue c = parse_counters(row);
    vyre_requeue_advice advice;
    vec_expect(row, vyre_requeue_advise(&c, &advice, NULL), VYRE_OK);
    ROW_EQ(row, advice.drain, vec_u32(row, row->out[0]));
    ROW_CHECK(row, strcmp(reasons[advice.reason], row->out[1]) == 0);
    ROW_EQ(row, advice.requeue_headroom, vec_u64(row, row->out[2]));
    ROW_EQ(row, advice.promotion_headroom, vec_u64(row, row->out[3]));
}

static void row_record(const vec_row *row)
{
    vyre_error err;
    vyre_requeue c = parse_counters(row), before = c;
    vyre_requeue_event event = strstr(row->op, "aged") ? VYRE_REQUEUE_PROMOTED
                                                       : VYRE_REQUEUE_REQUEUED;
    vyre_status status = vyre_requeue_record(&c, event, vec_u32(row, row->in[3]), &err);
    vec_error(row, status, &err);
    if (vec_ok(row) && status < 0) {
        vec_expect(row, status, VYRE_E_COUNTER_OVF);
        ROW_CHECK(row, strncmp(row->op, "record_", 7) == 0);
        ROW_CHECK(row, c.requeues == before.requeues && c.promotions == before.promotions &&
                           c.max_age == before.max_age);
        vec_ruled(RULE_SATURATE);
        return;
    }
    vec_expect_row(row, status);
    ROW_EQ(row, c.requeues, vec_u64(row, row->out[0]));
    ROW_EQ(row, c.promotions, vec_u64(row, row->out[1]));
    ROW_EQ(row, c.max_age, vec_u32(row, row->out[2]));
}

static void vectors_priority(void)
{
    static const vec_op ops[] = {
        { "offsets", 1, row_offsets },       { "write_offsets", 2, row_write_offsets },
        { "probe", 2, row_probe },           { "drain", 3, row_drain },
        { "record_requeue", 4, row_record }, { "try_record_requeue", 4, row_record },
        { "record_aged", 4, row_record },    { "try_record_aged", 4, row_record }
    };
    vec_run("priority", ops, sizeof ops / sizeof ops[0]);
}

/* --- readback ------------------------------------------------------------ */

/* Upstream's order, with any length of a log. */
static vyre_status readback_by_rule(const uint32_t *sizes, uint32_t slots)
{
    if (sizes[0] < 640 || sizes[0] % 4)
        return VYRE_E_CONTROL_SHAPE;
    if (!is_log_length(sizes[2]))
        return VYRE_E_LOG_SHAPE;
    if (sizes[3] % 4)
        return VYRE_E_IO_ALIGN4;
    if (sizes[3] % 32)
        return VYRE_E_IO_SLOT_MULT;
    if (sizes[3] > 2048)
        return VYRE_E_IO_WINDOW;
    return sizes[1] == 64 * (uint64_t)slots ? VYRE_OK : VYRE_E_RING_SHAPE;
}

static void row_from_outputs(const vec_row *row)
{
    vyre_error err;
    uint32_t words[64] = { 0 }, slots = vec_u32(row, row->in[1]);
    size_t sizes[64];
    uint64_t total = UNTOUCHED;
    const char *text = row->in[0];
    unsigned count = vec_list(row, &text, ',', words, 64);
    ROW_CHECK(row, count <= 64);
    for (unsigned i = 0; i < count; i++)
        sizes[i] = words[i];
    vyre_status status = vyre_readback_check(sizes, count, slots, &total, &err);
    vec_error(row, status, &err);
    if (vec_is(row, VYRE_E_LOG_SHAPE) && is_log_length(words[2])) {
        vec_expect(row, status, readback_by_rule(words, slots));
        vec_ruled(RULE_READBACK_LOG);
        return;
    }
    vec_expect_row(row, status);
    if (status >= 0)
        ROW_EQ(row, slots, vec_u32(row, row->out[0]));
    ROW_EQ(row, total, status < 0 ? UNTOUCHED : vec_u64(row, row->out[1]));
}

static void vectors_readback(void)
{
    static const vec_op ops[] = { { "from_outputs", 2, row_from_outputs } };
    vec_run("readback", ops, 1);
}

int main(void)
{
    RUN(vectors_sizes);
    RUN(vectors_opcode);
    RUN(vectors_encode);
    RUN(vectors_read);
    RUN(vectors_io);
    RUN(vectors_priority);
    RUN(vectors_readback);
    return test_end();
}

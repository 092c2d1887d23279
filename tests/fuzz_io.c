/* The IO queue: the input's tail is a queue, its head what is done to it.  A
 * refusal changes nothing; whatever is done, the next reader is content. */
#include "fuzz.h"

#define MAX_QUEUE 2112u

typedef struct fuzz_queue {
    uint8_t *bytes;
    uint8_t  before[MAX_QUEUE];
    size_t   size;
} fuzz_queue;

static void check_unchanged(const fuzz_queue *q, vyre_status status, const vyre_error *err)
{
    fuzz_error(status, err);
    if (status != VYRE_OK)
        FUZZ_CHECK(memcmp(q->bytes, q->before, q->size) == 0);
}

static void publish(fuzz_queue *q, fuzz_input *in)
{
    vyre_error err;
    vyre_io_request r, got[64];
    uint32_t count = 0;
    r.slot = fuzz_number(in);
    r.op = fuzz_byte(in) % 5;
    r.src = fuzz_u32(in);
    r.dst = fuzz_u32(in);
    r.offset = (uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in);
    r.bytes = fuzz_u32(in);
    r.tag = fuzz_u32(in);
    vyre_status status = vyre_io_publish(q->bytes, q->size, &r, &err);
    check_unchanged(q, status, &err);
    if (status < 0)
        return;
    FUZZ_CHECK(vyre_io_poll(q->bytes, q->size, got, 64, &count, &err) == VYRE_OK);
    bool found = false;
    for (uint32_t i = 0; i < count; i++)
        found = found || (got[i].slot == r.slot && got[i].op == r.op && got[i].src == r.src &&
                          got[i].dst == r.dst && got[i].offset == r.offset &&
                          got[i].bytes == r.bytes && got[i].tag == r.tag);
    FUZZ_CHECK(found);
}

static void claim(fuzz_queue *q, fuzz_input *in)
{
    vyre_error err;
    vyre_io_request got[64];
    uint32_t count = 77, capacity = fuzz_byte(in) % 65;
    vyre_status status = vyre_io_claim(q->bytes, q->size, got, capacity, &count, &err);
    check_unchanged(q, status, &err);
    FUZZ_CHECK(status < 0 ? count == 77 : count <= capacity);
    for (uint32_t i = 0; status >= 0 && i < count; i++) {
        vyre_io_state state;
        FUZZ_CHECK(vyre_io_read_state(q->bytes, q->size, got[i].slot, &state, &err) == VYRE_OK);
        FUZZ_CHECK(state == VYRE_IO_CLAIMED && (i == 0 || got[i].slot > got[i - 1].slot));
    }
}

static void complete(fuzz_queue *q, fuzz_input *in)
{
    vyre_error err;
    vyre_io_result results[8];
    uint32_t count = fuzz_byte(in) % 9;
    for (uint32_t i = 0; i < count; i++) {
        results[i].slot = fuzz_number(in);
        results[i].success = fuzz_byte(in) & 1;
        results[i].code = fuzz_byte(in);
    }
    vyre_status status = vyre_io_complete_batch(q->bytes, q->size, results, count, &err);
    check_unchanged(q, status, &err);
    for (uint32_t i = 0; status >= 0 && i < count; i++) {
        vyre_io_completion c;
        FUZZ_CHECK(vyre_io_read_completion(q->bytes, q->size, results[i].slot, &c, &err) ==
                   VYRE_OK);
        FUZZ_CHECK(c.success == results[i].success && c.slot == results[i].slot);
    }
}

static void recycle(fuzz_queue *q, fuzz_input *in)
{
    vyre_error err;
    vyre_status status = vyre_io_recycle(q->bytes, q->size, fuzz_number(in), &err);
    check_unchanged(q, status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    fuzz_queue q;
    uint32_t steps = fuzz_byte(&in) % 16;
    const uint8_t *head = in.at;
    size_t head_size = (size_t)(in.end - in.at) < 16 * (size_t)steps ? (size_t)(in.end - in.at)
                                                                     : 16 * (size_t)steps;
    q.size = (size_t)(in.end - in.at) - head_size;
    if (q.size > MAX_QUEUE)
        q.size = MAX_QUEUE;
    q.bytes = (uint8_t *)malloc(q.size ? q.size : 1);
    FUZZ_CHECK(q.bytes != NULL);
    memcpy(q.bytes, head + head_size, q.size);
    in.end = head + head_size;
    while (steps--) {
        memcpy(q.before, q.bytes, q.size);
        switch (fuzz_byte(&in) % 4) {
        case 0: publish(&q, &in); break;
        case 1: claim(&q, &in); break;
        case 2: complete(&q, &in); break;
        default: recycle(&q, &in); break;
        }
    }
    free(q.bytes);
    return 0;
}

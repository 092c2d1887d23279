/* The ring: the input says what it holds and what is done to it.  A refusal
 * changes nothing, a success changes the slots that it names and no other. */
#include "fuzz.h"

#define MAX_SLOTS 16u
#define MAX_WORKS 20u

typedef struct fuzz_ring {
    uint8_t *block, *bytes;
    uint8_t  before[MAX_SLOTS * VYRE_SLOT_BYTES + 4];
    size_t   size;
} fuzz_ring;

/* `status` came of a call that may change `count` slots from `first`. */
static void check_change(const fuzz_ring *r, vyre_status status, const vyre_error *err,
                         uint32_t first, uint32_t count)
{
    fuzz_error(status, err);
    for (size_t i = 0; i < r->size; i++) {
        uint32_t slot = (uint32_t)(i / VYRE_SLOT_BYTES);
        bool     named = status == VYRE_OK && slot >= first && slot - first < count;
        FUZZ_CHECK(named || r->bytes[i] == r->before[i]);
    }
}

static void take_work(fuzz_input *in, vyre_work *work)
{
    work->opcode = fuzz_number(in);
    work->tenant = fuzz_byte(in) % 31;
    work->priority = (vyre_priority)(fuzz_byte(in) % 6);
    work->arg_count = fuzz_byte(in) % 14;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        work->args[i] = i < work->arg_count ? fuzz_byte(in) * 0x01010101u : 0xdeadbeefu;
}

/* A published slot reads back as the work that went in. */
static void check_reads_back(const fuzz_ring *r, uint32_t slot, const vyre_work *work)
{
    vyre_error err;
    vyre_slot s;
    FUZZ_CHECK(vyre_ring_read(r->bytes, r->size, slot, &s, &err) == VYRE_OK);
    FUZZ_CHECK(s.state == VYRE_SLOT_PUBLISHED && s.opcode == work->opcode);
    FUZZ_CHECK(s.tenant == work->tenant && s.priority == work->priority);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        FUZZ_CHECK(s.args[i] == (i < work->arg_count ? work->args[i] : 0));
}

static void publish(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    vyre_work work;
    uint32_t slot = fuzz_number(in);
    take_work(in, &work);
    vyre_status status = vyre_ring_publish(r->bytes, r->size, slot, &work, &err);
    check_change(r, status, &err, slot, 1);
    if (status == VYRE_OK)
        check_reads_back(r, slot, &work);
}

static void publish_several(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    vyre_work works[MAX_WORKS];
    uint32_t first = fuzz_number(in), count = fuzz_byte(in) % MAX_WORKS;
    uint32_t fenced = fuzz_byte(in) & 1;
    for (uint32_t i = 0; i < count; i++)
        take_work(in, &works[i]);
    vyre_status status =
        fenced ? vyre_ring_publish_batch(r->bytes, r->size, first, works, count, 7, &err)
               : vyre_ring_publish_works(r->bytes, r->size, first, works, count, &err);
    check_change(r, status, &err, first, count + fenced);
    for (uint32_t i = 0; status == VYRE_OK && i < count; i++)
        check_reads_back(r, first + i, &works[i]);
}

static void publish_window(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    uint32_t words[16], published = 77, first = fuzz_number(in);
    vyre_payload payloads[8];
    vyre_window w;
    memset(&w, 0, sizeof w);
    w.opcode = fuzz_number(in);
    w.tenant = fuzz_byte(in) % 31;
    w.ticket = fuzz_u32(in);
    w.required = w.lookahead = payloads;
    w.required_count = fuzz_byte(in) % 9;
    w.lookahead_count = fuzz_byte(in) % 9;
    for (uint32_t i = 0; i < 16; i++)
        words[i] = i;
    for (uint32_t i = 0; i < 8; i++) {
        payloads[i].words = words;
        payloads[i].count = fuzz_byte(in) % 12;
    }
    vyre_status status = vyre_ring_publish_window(r->bytes, r->size, first, &w, &published, &err);
    check_change(r, status, &err, first, w.required_count + w.lookahead_count);
    FUZZ_CHECK(published == (status == VYRE_OK ? w.required_count + w.lookahead_count : 77));
}

static void publish_packed(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    vyre_op ops[30];
    vyre_work work, untouched;
    uint32_t count = fuzz_byte(in) % 30, slot = fuzz_number(in);
    for (uint32_t i = 0; i < count; i++) {
        ops[i].opcode = fuzz_number(in);
        ops[i].arg_count = fuzz_byte(in) % 14;
        memset(ops[i].args, (int)i + 1, sizeof ops[i].args);
    }
    memset(&untouched, 0xa5, sizeof untouched);
    work = untouched;
    vyre_status status = vyre_work_pack(&work, ops, count, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(memcmp(&work, &untouched, sizeof work) == 0);
        return;
    }
    FUZZ_CHECK((work.args[0] & 0xff) == count && work.arg_count <= VYRE_MAX_ARGS);
    status = vyre_ring_publish(r->bytes, r->size, slot, &work, &err);
    check_change(r, status, &err, slot, 1);
    if (status == VYRE_OK)
        check_reads_back(r, slot, &work);
}

static void transition(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    vyre_slot_state before = (vyre_slot_state)99;
    uint32_t slot = fuzz_number(in), t = fuzz_byte(in) % 11;
    vyre_status status = vyre_ring_transition(r->bytes, r->size, slot, (vyre_transition)t, &before,
                                              &err);
    check_change(r, status, &err, slot, 1);
    FUZZ_CHECK((status == VYRE_OK) == (before <= VYRE_SLOT_UNKNOWN));
    if (status == VYRE_OK)
        FUZZ_CHECK(memcmp(r->bytes + 64 * (size_t)slot + 4, r->before + 64 * (size_t)slot + 4,
                          60) == 0);
}

static void store(fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    uint8_t image[65], back[65];
    uint32_t slot = fuzz_number(in);
    size_t image_size = 63 + fuzz_byte(in) % 3;
    for (size_t i = 0; i < 65; i++)
        image[i] = (uint8_t)fuzz_byte(in);
    vyre_status status = vyre_ring_store(r->bytes, r->size, slot, image, image_size, &err);
    check_change(r, status, &err, slot, 1);
    if (status != VYRE_OK)
        return;
    FUZZ_CHECK(vyre_ring_load(r->bytes, r->size, slot, back, 64, &err) == VYRE_OK);
    FUZZ_CHECK(memcmp(image, back, 64) == 0);
}

static void read(const fuzz_ring *r, fuzz_input *in)
{
    vyre_error err;
    vyre_slot s;
    vyre_load_miss miss;
    uint32_t slot = fuzz_number(in), count, total = 0;
    vyre_status status = vyre_ring_read(r->bytes, r->size, slot, &s, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK(status < 0 || (s.state <= VYRE_SLOT_UNKNOWN && s.priority <= VYRE_PRIORITY_UNKNOWN));
    fuzz_error(vyre_load_miss_decode(r->bytes, r->size, slot, &miss, &err), &err);
    for (uint32_t state = 0; state <= VYRE_SLOT_UNKNOWN; state++) {
        status = vyre_ring_count(r->bytes, r->size, (vyre_slot_state)state, &count, &err);
        fuzz_error(status, &err);
        total += status < 0 ? 0 : count;
    }
    FUZZ_CHECK(r->size % 64 || total == r->size / 64);
}

static void step(fuzz_ring *r, fuzz_input *in)
{
    memcpy(r->before, r->bytes, r->size);
    switch (fuzz_byte(in) % 7) {
    case 0: publish(r, in); break;
    case 1: publish_several(r, in); break;
    case 2: publish_window(r, in); break;
    case 3: publish_packed(r, in); break;
    case 4: transition(r, in); break;
    case 5: store(r, in); break;
    default: read(r, in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    fuzz_ring r;
    size_t shift = fuzz_byte(&in) % 4;
    r.size = fuzz_byte(&in) % (MAX_SLOTS + 1) * VYRE_SLOT_BYTES;
    if (fuzz_byte(&in) == 0xff)
        r.size += 1 + shift;
    r.block = (uint8_t *)malloc(r.size + shift + 1);
    FUZZ_CHECK(r.block != NULL);
    r.bytes = r.block + shift;
    memset(r.bytes, (int)fuzz_byte(&in), r.size);
    for (size_t slot = 0; slot < r.size / VYRE_SLOT_BYTES; slot++)
        memset(r.bytes + slot * VYRE_SLOT_BYTES, 0, 4);
    for (size_t slot = 0; slot < r.size / VYRE_SLOT_BYTES; slot++)
        r.bytes[slot * VYRE_SLOT_BYTES] = (uint8_t)(fuzz_byte(&in) % 16 > 9 ? fuzz_byte(&in) : 0);
    while (in.at < in.end)
        step(&r, &in);
    free(r.block);
    return 0;
}

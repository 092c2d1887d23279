/* Tasks: any bytes as a ring of them, and steps of each.  A step that is refused changes
 * nothing; what can go on goes into a slot, and comes out of it as it was. */
#include "fuzz.h"

static void check_step(vyre_status status, const vyre_error *err, const vyre_task *before,
                       const vyre_task *after)
{
    fuzz_error(status, err);
    if (status != VYRE_OK)
        FUZZ_CHECK(memcmp(before, after, sizeof *before) == 0);
    else
        FUZZ_CHECK(after->state != before->state || after->flags != before->flags ||
                   after->state != VYRE_SLOT_DONE);
}

static void step(fuzz_input *in, vyre_task *t)
{
    vyre_error err;
    vyre_status status = VYRE_OK;
    const vyre_task before = *t;
    const uint32_t what = fuzz_byte(in) % 6, a = fuzz_number(in), b = fuzz_number(in);
    switch (what) {
    case 0: status = vyre_task_pause(t, a, b, fuzz_u32(in), &err); break;
    case 1: status = vyre_task_resume(t, a, &err); break;
    case 2: status = vyre_task_yield(t, a, b, &err); break;
    case 3: status = vyre_task_requeue(t, a, b, (vyre_priority)(fuzz_byte(in) % 6), &err); break;
    case 4: status = vyre_task_complete(t, &err); break;
    default: status = vyre_task_fault(t, a, &err); break;
    }
    check_step(status, &err, &before, t);
}

static void goes_on(const vyre_task *t)
{
    vyre_error err;
    vyre_work work, untouched;
    vyre_task again;
    uint32_t ring[VYRE_SLOT_WORDS];
    memset(&work, 0x5a, sizeof work);
    untouched = work;
    const vyre_status status = vyre_task_work(t, &work, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(memcmp(&work, &untouched, sizeof work) == 0);
        return;
    }
    if (work.tenant > 30) /* no ring takes it */
        return;
    memset(ring, 0, sizeof ring);
    if (vyre_ring_publish(ring, sizeof ring, 0, &work, &err) < 0) {
        fuzz_error(err.status, &err);
        return;
    }
    FUZZ_CHECK(vyre_task_load(ring, sizeof ring, 0, &again, &err) == VYRE_OK);
    FUZZ_CHECK(again.state == VYRE_SLOT_PUBLISHED);
    again.state = t->state;
    FUZZ_CHECK(memcmp(&again, t, sizeof again) == 0);
}

/* The input's tail is the ring, its head the steps: a byte of how many, a slot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    const uint32_t steps = fuzz_byte(&in) % 16, slot = fuzz_number(&in);
    const size_t left = (size_t)(in.end - in.at), ring = left / VYRE_SLOT_BYTES * VYRE_SLOT_BYTES;
    vyre_error err;
    vyre_task t;
    vyre_task_counts counts;
    memset(&t, 0x5a, sizeof t);
    memset(&counts, 0x5a, sizeof counts);
    uint32_t *words = (uint32_t *)malloc(left + 1);
    FUZZ_CHECK(words != NULL);
    memcpy(words, in.end - left, left);
    vyre_status status = vyre_task_load(words, left, slot, &t, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK(status == VYRE_OK || fuzz_is_filled(&t, sizeof t, 0x5a));
    for (uint32_t i = 0; status == VYRE_OK && i < steps; i++) {
        step(&in, &t);
        goes_on(&t);
    }
    status = vyre_task_count((const vyre_task *)words, ring / VYRE_SLOT_BYTES, &counts, &err);
    fuzz_error(status, &err);
    if (status < 0)
        FUZZ_CHECK(fuzz_is_filled(&counts, sizeof counts, 0x5a));
    else
        FUZZ_CHECK(counts.schedulable + counts.paused + counts.running + counts.faulted <=
                   ring / VYRE_SLOT_BYTES);
    free(words);
    return 0;
}

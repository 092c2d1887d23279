/* Watch: any bytes as control, ring and opcodes.  Counts add up, arrays are not
 * overrun, nothing is written when it fails. */
#include "fuzz.h"

static void check_windows(const uint8_t *ring, size_t size, const uint32_t *opcodes, uint32_t count)
{
    vyre_error err;
    uint32_t needed = 77, got = 77, slots = 0;
    vyre_status status = vyre_watch_windows(ring, size, opcodes, count, NULL, 0, &needed, &err);
    fuzz_error(status, &err);
    if (status != VYRE_E_SPACE) {
        FUZZ_CHECK(status < 0 ? needed == 77 : needed == 0);
        return;
    }
    vyre_watch_window *w = (vyre_watch_window *)malloc(needed * sizeof *w);
    FUZZ_CHECK(w != NULL && needed <= size / 64);
    FUZZ_CHECK(vyre_watch_windows(ring, size, opcodes, count, w, needed, &got, &err) == VYRE_OK);
    FUZZ_CHECK(got == needed);
    for (uint32_t i = 0; i < got; i++) {
        uint32_t sum = 0;
        for (uint32_t state = 0; state < 8; state++)
            sum += w[i].states[state];
        FUZZ_CHECK(sum > 0 && sum == w[i].required + w[i].lookahead + w[i].other);
        slots += sum;
    }
    FUZZ_CHECK(slots <= size / 64);
    free(w);
}

static void check_sketch(const uint8_t *control, size_t control_size, const uint8_t *ring,
                         size_t size, uint32_t depth, uint32_t width)
{
    vyre_error err;
    static uint64_t memory[2048];
    vyre_sketch *s = NULL;
    vyre_status status = vyre_sketch_make(memory, sizeof memory, depth, width, &s, &err);
    fuzz_error(status, &err);
    if (status < 0)
        return;
    const vyre_watch_sketches all = { s, NULL, s, s, NULL };
    status = vyre_watch_sketch(control, control_size, ring, size, &all, &err);
    fuzz_error(status, &err);
    uint64_t sum = 0;
    for (size_t i = 0; i < (size_t)depth * width; i++)
        sum += vyre_sketch_counters(s)[i];
    FUZZ_CHECK(sum <= 3 * (size / 64) * depth);
}

/* Byte 0: opcodes; then their words; 2 bytes of a shape; control; the rest is the ring. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    uint32_t opcodes[8], count = fuzz_byte(&in) % 9;
    for (uint32_t i = 0; i < count; i++)
        opcodes[i] = fuzz_number(&in);
    const uint32_t depth = fuzz_byte(&in), width = fuzz_number(&in);
    size_t left = (size_t)(in.end - in.at), control_size = left < 640 ? left : 640;
    const uint8_t *control = in.at, *ring = control + control_size;
    vyre_error err;
    vyre_watch w;
    memset(&w, 0x5a, sizeof w);
    vyre_status status = vyre_watch_decode(control, control_size, ring, left - control_size, &w,
                                           &err);
    fuzz_error(status, &err);
    if (status < 0)
        FUZZ_CHECK(fuzz_is_filled(&w, sizeof w, 0x5a));
    else
        FUZZ_CHECK(w.runnable <= w.depth && w.depth <= w.slots && w.slots == (left - 640) / 64);
    check_windows(ring, left - control_size, opcodes, count);
    check_sketch(control, control_size, ring, left - control_size, depth, width);
    return 0;
}

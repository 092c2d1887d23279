/* Every reader of the control buffer, and the lengths of all four buffers. */
#include "fuzz.h"

typedef vyre_status reader(const void *src, size_t size, uint32_t *out, vyre_error *err);

static void check_reader(reader *read, uint32_t word, const uint8_t *data, size_t size)
{
    vyre_error err;
    uint32_t value = 0xa5a5a5a5u;
    vyre_status status = read(data, size, &value, &err);
    fuzz_error(status, &err);
    vyre_status expected = size % 4              ? VYRE_E_MISALIGN
                           : word >= size / 4    ? VYRE_E_MISSING
                                                 : VYRE_OK;
    FUZZ_CHECK(status == expected);
    FUZZ_CHECK(status == VYRE_OK || value == 0xa5a5a5a5u);
}

static void check_observable(const uint8_t *data, size_t size)
{
    vyre_error err;
    uint32_t value = 0xa5a5a5a5u, index = 0;
    for (size_t i = 0; i < 4 && i < size; i++)
        index |= (uint32_t)data[i] << (8 * i);
    vyre_status status = vyre_control_observable(data, size, index, &value, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK(status == VYRE_OK ? (uint64_t)index + 160 < size / 4 : value == 0xa5a5a5a5u);
}

static void check_metrics(const uint8_t *data, size_t size)
{
    vyre_error err;
    uint32_t metrics[VYRE_METRICS];
    memset(metrics, 0xa5, sizeof metrics);
    vyre_status status = vyre_control_metrics(data, size, metrics, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK((status == VYRE_OK) == (size % 4 == 0 && size >= 512));
    FUZZ_CHECK(status == VYRE_OK || fuzz_is_filled(metrics, sizeof metrics, 0xa5));
}

static void check_shapes(const uint8_t *data, size_t size)
{
    vyre_error err;
    size_t sizes[4] = { size, size, size, size };
    uint32_t slots = size ? data[0] : 0;
    vyre_status status = vyre_control_verify(data, size, slots, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK(status < 0 || vyre_control_check(data, size, &err) == VYRE_OK);
    status = vyre_readback_check(sizes, 4, slots, NULL, &err);
    fuzz_error(status, &err);
    status = vyre_ring_check(data, size, slots, &err);
    fuzz_error(status, &err);
    FUZZ_CHECK((status == VYRE_OK) == (size == 64 * (size_t)slots));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(vyre_control_done_count, VYRE_CONTROL_DONE_COUNT, data, size);
    check_reader(vyre_control_fault_count, VYRE_CONTROL_FAULT_COUNT, data, size);
    check_reader(vyre_control_epoch, VYRE_CONTROL_EPOCH, data, size);
    check_observable(data, size);
    check_metrics(data, size);
    check_shapes(data, size);
    return 0;
}

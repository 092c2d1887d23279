/* The debug log: every record that lies in it, once, and nothing beyond. */
#include "fuzz.h"

static void check_records(const uint8_t *data, const vyre_log_record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = data + 4 + 16 * (size_t)i;
        const uint32_t words[4] = { records[i].format, records[i].args[0], records[i].args[1],
                                    records[i].args[2] };
        for (unsigned j = 0; j < 16; j++)
            FUZZ_CHECK(at[j] == (uint8_t)(words[j / 4] >> (8 * (j % 4))));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vyre_error err;
    vyre_log_summary all = { 77, 77 }, sum = { 77, 77 };
    vyre_status status = vyre_log_decode(data, size, NULL, 0, &all, &err);
    fuzz_error(status, &err);
    fuzz_error(vyre_log_check(data, size, &err), &err);
    if (status < 0) {
        FUZZ_CHECK(all.records == 77 && all.dropped == 77);
        return 0;
    }
    FUZZ_CHECK(4 + 16 * (size_t)all.records <= size);
    vyre_log_record *records = (vyre_log_record *)malloc(sizeof *records * all.records + 1);
    FUZZ_CHECK(records != NULL);
    if (all.records) {
        FUZZ_CHECK(vyre_log_decode(data, size, records, all.records - 1, &sum, &err) ==
                   VYRE_E_SPACE);
        FUZZ_CHECK(sum.records == 77);
    }
    FUZZ_CHECK(vyre_log_decode(data, size, records, all.records, &sum, &err) == VYRE_OK);
    FUZZ_CHECK(sum.records == all.records && sum.dropped == all.dropped);
    check_records(data, records, sum.records);
    free(records);
    return 0;
}

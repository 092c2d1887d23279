/* Exchange: any bytes as a program's file, as they are and with a header that fits;
 * what can be a program becomes one, or is refused. */
#include "fuzz.h"

static void check(const uint8_t *bytes, size_t size)
{
    vyre_error err;
    vyre_import_info info;
    memset(&info, 0x5a, sizeof info);
    const vyre_status status = vyre_exchange_check(bytes, size, &info, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(err.at <= size && fuzz_is_filled(&info, sizeof info, 0x5a));
        return;
    }
    FUZZ_CHECK(memcmp(info.digest, bytes + 8, 32) == 0);
    FUZZ_CHECK(info.statements + info.expressions + info.buffers <= size);
    FUZZ_CHECK(info.calls <= info.expressions && strlen(info.entry_op) < sizeof info.entry_op);
}

static void import(const uint8_t *bytes, size_t size)
{
    vyre_error err;
    vyre_import_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.drop_io = true;
    vyre_program *p = vyre_program_import(bytes, size, &desc, NULL, &err);
    if (!p) {
        fuzz_error(err.status, &err);
        FUZZ_CHECK(err.status < 0 && err.at <= size);
    }
    if (p && !vyre_program_export(p, true, NULL, 0, &err))
        fuzz_error(err.status, &err);
    vyre_program_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    import(data, size);
    if (size < 40)
        return 0;
    uint8_t *bytes = (uint8_t *)malloc(size);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data, size);
    memcpy(bytes, "VYRE\4\0\4", 8);
    vyre_blake3(bytes + 40, size - 40, bytes + 8);
    check(bytes, size);
    import(bytes, size);
    free(bytes);
    return 0;
}

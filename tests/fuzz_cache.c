/* The cache file: any bytes as one, and the input sealed with one byte changed.  What is
 * taken is all that was sealed, and lies in the file. */
#include "fuzz.h"

static void unseal(const uint8_t *file, size_t size, const uint8_t *key)
{
    vyre_error err;
    const void *blob = file;
    size_t blob_size = 77;
    const vyre_status status = vyre_cache_unseal(file, size, key, &blob, &blob_size, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(blob == file && blob_size == 77);
        return;
    }
    uint8_t *again = (uint8_t *)malloc(size);
    size_t written = 0;
    FUZZ_CHECK(again != NULL && blob_size == size - VYRE_CACHE_EXTRA);
    FUZZ_CHECK(vyre_cache_seal(blob, blob_size, key, again, size, &written, &err) == VYRE_OK);
    FUZZ_CHECK(written == size && memcmp(again, file, size) == 0);
    free(again);
}

/* 32 bytes of a key, 4 of a place; the rest is a file, and what another one keeps. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    uint8_t key[VYRE_CACHE_KEY];
    for (uint32_t i = 0; i < VYRE_CACHE_KEY; i++)
        key[i] = (uint8_t)fuzz_byte(&in);
    const uint32_t place = fuzz_u32(&in);
    const size_t kept = (size_t)(in.end - in.at), whole = kept + VYRE_CACHE_EXTRA;
    unseal(in.at, kept, key);

    vyre_error err;
    size_t written = 77, blob_size = 0;
    const void *blob = NULL;
    uint8_t *file = (uint8_t *)malloc(whole);
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(vyre_cache_seal(in.at, kept, key, file, whole - 1, &written, &err) == VYRE_E_SPACE);
    FUZZ_CHECK(written == 77);
    FUZZ_CHECK(vyre_cache_seal(in.at, kept, key, file, whole, &written, &err) == VYRE_OK);
    FUZZ_CHECK(written == whole);
    FUZZ_CHECK(vyre_cache_unseal(file, whole, key, &blob, &blob_size, &err) == VYRE_OK);
    FUZZ_CHECK(blob_size == kept && memcmp(blob, in.at, kept) == 0);
    FUZZ_CHECK(vyre_cache_unseal(file, place % whole, key, &blob, &blob_size, &err) < 0);
    file[place % whole] ^= (uint8_t)(1u << (place >> 29));
    FUZZ_CHECK(vyre_cache_unseal(file, whole, key, &blob, &blob_size, &err) == VYRE_E_CACHE);
    free(file);
    return 0;
}

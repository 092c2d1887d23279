/* Blobs for the tests of the exchange: from hexadecimal, and with a digest that
 * fits after a change. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "test.h"
#include "vyre.h"

/* A block of its own, so that every access beyond it is seen. */
typedef struct blob {
    uint8_t *bytes;
    size_t   size;
} blob;

static blob blob_alloc(size_t size)
{
    blob b;
    b.size = size;
    b.bytes = (uint8_t *)malloc(size ? size : 1);
    if (!b.bytes)
        test_fail(__FILE__, __LINE__, "no memory for %zu bytes", size);
    return b;
}

static void blob_free(blob *b)
{
    free(b->bytes);
    b->bytes = NULL;
    b->size = 0;
}

/* "-" is none. */
static blob blob_of_hex(const char *hex)
{
    blob b = blob_alloc(*hex == '-' ? 0 : strlen(hex) / 2);
    for (size_t i = 0; i < b.size; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            test_fail(__FILE__, __LINE__, "no hexadecimal: %.20s", hex + 2 * i);
        b.bytes[i] = (uint8_t)byte;
    }
    return b;
}

/* The first `size` bytes. */
static blob blob_front(const blob *of, size_t size)
{
    blob b = blob_alloc(size);
    if (size)
        memcpy(b.bytes, of->bytes, size);
    return b;
}

/* Writes the digest of what stands behind the header. */
static void blob_seal(blob *b)
{
    if (b->size >= 40)
        vyre_blake3(b->bytes + 40, b->size - 40, b->bytes + 8);
}

#endif

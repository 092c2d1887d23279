/* For libFuzzer targets: takes values from the input, and stops at a broken
 * promise.  tests/fuzz_replay.c runs a target over given files instead. */
#ifndef FUZZ_H
#define FUZZ_H

#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

typedef struct fuzz_input {
    const uint8_t *at, *end;
} fuzz_input;

/* 0 when the input is at its end. */
static inline uint32_t fuzz_byte(fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint32_t fuzz_u32(fuzz_input *in)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value |= fuzz_byte(in) << (8 * i);
    return value;
}

/* Mostly small, sometimes anything. */
static inline uint32_t fuzz_number(fuzz_input *in)
{
    uint32_t first = fuzz_byte(in);
    return first < 240 ? first : fuzz_u32(in);
}

/* An error has its status, a text and a fix. */
static inline void fuzz_error(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    FUZZ_CHECK(err->status == status);
    FUZZ_CHECK(err->text[0] && strlen(err->text) < sizeof err->text - 1);
    FUZZ_CHECK(err->fix[0] && strlen(err->fix) < sizeof err->fix - 1);
    FUZZ_CHECK(vyre_status_name(status)[0] == 'E');
}

static inline bool fuzz_is_filled(const void *bytes, size_t size, uint8_t fill)
{
    for (size_t i = 0; i < size; i++) {
        if (((const uint8_t *)bytes)[i] != fill)
            return false;
    }
    return true;
}

#endif

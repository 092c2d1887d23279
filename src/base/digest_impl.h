/* ==========================================================================
 * base: digests that files are checked with
 *
 * Private, for files: BLAKE3 without keys, and CRC-32C.  Each is as its own
 * specification has it, so that other programs read the same files.
 * ======================================================================= */
#ifndef VYI_DIGEST_IMPL_H
#define VYI_DIGEST_IMPL_H

#include "base/base_impl.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    #include <cpuid.h>
    #define VYI_CRC_DIRECT 1
#else
    #define VYI_CRC_DIRECT 0
#endif

#if !defined(VYRE_NO_REPLAY) || !defined(VYRE_NO_EXCHANGE) || !defined(VYRE_NO_IO)

VYI_EXTERN_C_BEGIN

#ifndef VYRE_NO_REPLAY

/* Eight bytes a step.  8 KB that its owner makes once. */
typedef struct vyi_crc {
    uint32_t table[8][256];
    bool     direct; /* the processor has an instruction for a step */
} vyi_crc;

VYI_API void vyi_crc_make(vyi_crc *crc);
VYI_API uint32_t vyi_crc_of(const vyi_crc *crc, const void *bytes, size_t size);
/* Of four pieces, `apart` bytes from each other: a step waits for the one before it, and
 * these do not for each other's. */
VYI_API void vyi_crc_of_four(const vyi_crc *crc, const uint8_t *bytes, size_t apart, size_t size,
                             uint32_t out[4]);

#endif /* VYRE_NO_REPLAY */

VYI_API void vyi_blake3(const void *bytes, size_t size, uint8_t out[32]);

VYI_EXTERN_C_END

#endif /* VYRE_NO_REPLAY, VYRE_NO_EXCHANGE, VYRE_NO_IO */
#endif

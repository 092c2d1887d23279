/* ==========================================================================
 * exchange: the original's files of programs
 *
 * Public, a room: VYRE_NO_EXCHANGE leaves it out.  A file, a blob, is "VYRE",
 * version 4, a digest, and then the program's statements, buffers and outputs.
 * Nothing here trusts a blob, and nothing is allocated.
 * ======================================================================= */
#ifndef VYI_EXCHANGE_H
#define VYI_EXCHANGE_H

#include "base/base.h"

#ifndef VYRE_NO_EXCHANGE

VYI_EXTERN_C_BEGIN

/* BLAKE3 without a key, 32 bytes of it. */
VYRE_API void vyre_blake3(const void *bytes, size_t size, uint8_t out[32]);

/* What a blob holds. */
typedef struct vyre_import_info {
    char     entry_op[64]; /* the operation that the program is, "" for none; cut between
                              characters where it has more than 63 bytes */
    uint32_t statements, expressions, buffers;
    uint32_t calls;        /* of other operations, by name */
    bool     non_composable;
    bool     canonical;    /* every byte is as the original's encoder would write it */
    uint8_t  digest[32];   /* BLAKE3 of all behind the header's 40 bytes */
} vyre_import_info;

/* Reads all of a blob, as the original's decoder does, and says what it holds.
 * What the names in it mean is not looked at.  `out` may be NULL; err->at is
 * the offset of the byte that is to blame.
 * VYRE_E_EXCHANGE_MAGIC, _VERSION, _FLAGS, _DIGEST: the header; _TRUNCATED,
 * _TRAILING: a part ends early or late; _TAG, _LIMIT, _UTF8: a number, a count, a
 * depth or a text; _METADATA, _REGION, _OUTPUTS: these parts; _UNSUPPORTED: an
 * extension's statement or expression, or a cast to a type of blocks or of
 * quantized numbers. */
VYRE_API vyre_status vyre_exchange_check(const void *bytes, size_t size, vyre_import_info *out,
                                         vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_EXCHANGE */
#endif

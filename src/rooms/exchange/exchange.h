/* ==========================================================================
 * exchange: the original's files of programs
 *
 * Public, a room: VYRE_NO_EXCHANGE leaves it out.  A file, a blob, is "VYRE",
 * version 4, a digest, and then the program's statements, buffers and outputs.
 * Its other form is a text, "vyre_ir v0.1", with the blob in hexadecimal.
 * Nothing here trusts a blob.
 * ======================================================================= */
#ifndef VYI_EXCHANGE_H
#define VYI_EXCHANGE_H

#include "ir/ir.h"

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
    uint32_t dropped;      /* statements that an import left out, as vyre_import_desc said */
    bool     non_composable;
    bool     canonical;    /* every byte is as the original's encoder would write it */
    uint8_t  digest[32];   /* BLAKE3 of all behind the header's 40 bytes */
} vyre_import_info;

/* Reads all of a blob, as the original's decoder does, and says what it holds.
 * Nothing is allocated.
 * What the names in it mean is not looked at.  `out` may be NULL; err->at is
 * the offset of the byte that is to blame.
 * VYRE_E_EXCHANGE_MAGIC, _VERSION, _FLAGS, _DIGEST: the header; _TRUNCATED,
 * _TRAILING: a part ends early or late; _TAG, _LIMIT, _UTF8: a number, a count, a
 * depth or a text; _METADATA, _REGION, _OUTPUTS: these parts; _UNSUPPORTED: an
 * extension's statement or expression, or a cast to a type of blocks or of
 * quantized numbers. */
VYRE_API vyre_status vyre_exchange_check(const void *bytes, size_t size, vyre_import_info *out,
                                         vyre_error *err);

/* --- programs --------------------------------------------------------------- */

typedef struct vyre_import_desc {
    vyre_allocator allocator;
    /* AsyncLoad and AsyncWait with the tag "io_queue_dma" are left out, which
     * the original's kernels with an IO queue need. */
    bool           drop_io;
    /* Builds what another operation computes, and gives its value; NULL: calls
     * are not supported.  `op` is terminated; what is opened is closed again. */
    vyre_status  (*call)(void *user, vyre_program *p, const char *op, const vyre_value *args,
                         uint32_t count, vyre_value *out);
    void          *user;
} vyre_import_desc;

/* A finished program that does what the blob, or the text, says; NULL on failure.
 * `desc` and `info` may be NULL.  Total where the original stops, as all
 * programs here are: i32 division by 0, for instance.
 * Beyond the failures of vyre_exchange_check: VYRE_E_EXCHANGE_NAME: a variable
 * or buffer that is unknown, or there twice; _SCOPE: a name that hides another
 * one, or a loop's counter assigned; _TYPE: operands that do not fit; _FLOW: a
 * statement that cannot be reached, or a barrier that not all lanes reach;
 * _UNSUPPORTED names what there is no counterpart for.  err->at is the offset in
 * the blob; in the text where that itself is wrong. */
VYRE_API vyre_program *vyre_program_import(const void *bytes, size_t size,
                                           const vyre_import_desc *desc, vyre_import_info *info,
                                           vyre_error *err);

/* Writes a finished program as a blob, or as a text; the rules of snprintf for
 * texts: returns the size, without the terminator, and writes what fits.  A blob
 * is written whole or not at all.  0 and *err: the format has no words for it,
 * VYRE_E_EXCHANGE_FLOW or _UNSUPPORTED, err->at is the instruction's number in
 * the listing. */
VYRE_API size_t vyre_program_export(const vyre_program *p, bool text, void *dst, size_t size,
                                    vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_EXCHANGE */
#endif

/* ==========================================================================
 * cache: what the file of vyre_vulkan_desc.cache_file holds
 *
 * Public.  Bytes and whose they are, so that nobody else uses them:
 *
 *     0 "VYRC0001" | 8 key, 32 bytes | 40 size, 8 bytes | 48 the bytes |
 *     48 + size BLAKE3-256 of all before
 *
 * vyre_open makes the key from device, driver, programs and the library's version.
 * These two functions touch no file; they are for programs that keep such bytes
 * elsewhere.
 * ======================================================================= */
#ifndef VYI_CACHE_H
#define VYI_CACHE_H

#include "base/base.h"

#ifndef VYRE_NO_IO

VYI_EXTERN_C_BEGIN

#define VYRE_CACHE_KEY   32u
#define VYRE_CACHE_EXTRA 80u /* bytes of a file beside those that it keeps */

/* *written is size + VYRE_CACHE_EXTRA; VYRE_E_SPACE when dst has fewer bytes.  `blob`
 * may be NULL when size is 0; it and dst do not overlap. */
VYRE_API vyre_status vyre_cache_seal(const void *blob, size_t size,
                                     const uint8_t key[VYRE_CACHE_KEY], void *dst,
                                     size_t dst_size, size_t *written, vyre_error *err);
/* *blob points into `file`.  VYRE_E_CACHE: damaged, or another's. */
VYRE_API vyre_status vyre_cache_unseal(const void *file, size_t size,
                                       const uint8_t key[VYRE_CACHE_KEY], const void **blob,
                                       size_t *blob_size, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_IO */
#endif

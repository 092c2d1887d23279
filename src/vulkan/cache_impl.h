/* ==========================================================================
 * cache: its file
 *
 * Private.  A file is read whole and replaced whole, by renaming: who reads sees
 * one writer's bytes.
 * ======================================================================= */
#ifndef VYI_CACHE_IMPL_H
#define VYI_CACHE_IMPL_H

#include "base/base_impl.h"
#include "vulkan/cache.h"

#ifndef VYRE_NO_IO

VYI_EXTERN_C_BEGIN

#define VYI_CACHE_DIGEST 32u /* the last bytes of a file */

/* Both return NULL, or why not: a text for people.  A file that was read is the
 * allocator's, *size bytes, at least 1. */
VYI_API const char *vyi_cache_read(const vyre_allocator *allocator, const char *path,
                                   void **bytes, size_t *size);
VYI_API const char *vyi_cache_write(const vyre_allocator *allocator, const char *path,
                                    const void *bytes, size_t size);

VYI_EXTERN_C_END

#endif /* VYRE_NO_IO */
#endif

/* ==========================================================================
 * scan: what the fragments of the room share
 *
 * Private.
 * ======================================================================= */
#ifndef VYI_ROOM_SCAN_IMPL_H
#define VYI_ROOM_SCAN_IMPL_H

#include "base/base_impl.h"
#include "rooms/scan/scan.h"

#ifndef VYRE_NO_SCAN

VYI_EXTERN_C_BEGIN

#define VYI_SCAN_BYTES 256u        /* columns of a DFA */
#define VYI_SCAN_NONE  0xffffffffu /* no index */

/* `what` is NULL. */
static inline vyre_status vyi_scan_argument(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an address; only a count of 0 needs none.",
                    "%s is NULL", what);
}

/* *out holds `count` words, or is NULL when there are none. */
static inline vyre_status vyi_scan_words(const vyre_allocator *allocator, size_t count,
                                         uint32_t **out, vyre_error *err)
{
    size_t size = 0;
    *out = NULL;
    if (count == 0)
        return VYRE_OK;
    if (vyi_size_mul(count, sizeof **out, &size))
        *out = (uint32_t *)vyi_alloc(allocator, size);
    return *out ? VYRE_OK : vyi_fail_nomem(err, size ? size : SIZE_MAX);
}

static inline void vyi_scan_drop(const vyre_allocator *allocator, uint32_t *words, size_t count)
{
    if (words)
        vyi_free(allocator, words, count * sizeof *words);
}

VYI_EXTERN_C_END

#endif /* VYRE_NO_SCAN */

#endif

/* ==========================================================================
 * pool: works for several devices
 *
 * Public, a room: VYRE_NO_POOL leaves it out.
 *
 * A split cuts a total into units that differ by nothing but the last one, four
 * for each owner, and names an owner for each in turn.  Whoever computes it gets
 * the same shares, so that several machines need not talk about them.
 *
 *     for (uint64_t i = rank; i < vyre_split_count(total, ranks, NULL); i += ranks)
 *         work_on(vyre_split_at(total, ranks, i)); // the shares of this rank
 * ======================================================================= */
#ifndef VYI_POOL_H
#define VYI_POOL_H

#include "base/base.h"

#ifndef VYRE_NO_POOL

VYI_EXTERN_C_BEGIN

typedef struct vyre_share {
    uint64_t first, count;
    uint32_t owner;
} vyre_share;

/* How many shares there are; 0 for no owners or nothing to share.  `unit` gets
 * the size of all but the last one, and may be NULL. */
VYRE_API uint64_t vyre_split_count(uint64_t total, uint32_t owners, uint64_t *unit);

/* One of them; all zero for an index that is none. */
VYRE_API vyre_share vyre_split_at(uint64_t total, uint32_t owners, uint64_t index);

VYI_EXTERN_C_END

#endif /* VYRE_NO_POOL */

#endif

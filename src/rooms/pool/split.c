/* ==========================================================================
 * pool: implementation of splits
 * ======================================================================= */
#include "rooms/pool/pool.h"

#ifndef VYRE_NO_POOL

#define VYI_SPLIT_UNITS 4u /* for each owner */

VYRE_API uint64_t vyre_split_count(uint64_t total, uint32_t owners, uint64_t *unit)
{
    const uint64_t units = (uint64_t)owners * VYI_SPLIT_UNITS;
    uint64_t size = units ? total / units : 0;
    size = size ? size : 1;
    if (unit)
        *unit = size;
    if (owners == 0)
        return 0;
    return total / size + (total % size != 0);
}

VYRE_API vyre_share vyre_split_at(uint64_t total, uint32_t owners, uint64_t index)
{
    vyre_share share = { 0, 0, 0 };
    uint64_t unit;
    if (index >= vyre_split_count(total, owners, &unit))
        return share;
    share.first = index * unit; /* below total, so it fits */
    share.count = total - share.first < unit ? total - share.first : unit;
    share.owner = (uint32_t)(index % owners);
    return share;
}

#endif /* VYRE_NO_POOL */

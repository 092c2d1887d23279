/* ==========================================================================
 * plan: what the fragments of the room share
 *
 * Private.
 * ======================================================================= */
#ifndef VYI_ROOM_PLAN_IMPL_H
#define VYI_ROOM_PLAN_IMPL_H

#include "base/base_impl.h"
#include "rooms/plan/plan.h"

#ifndef VYRE_NO_PLAN

VYI_EXTERN_C_BEGIN

/* `what` is NULL. */
static inline vyre_status vyi_plan_argument(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* a * m >= b * n, as if in 96 bits. */
static inline bool vyi_scaled_at_least(uint64_t a, uint32_t m, uint64_t b, uint32_t n)
{
    const uint64_t a_low = (a & UINT32_MAX) * m, a_high = (a >> 32) * m + (a_low >> 32);
    const uint64_t b_low = (b & UINT32_MAX) * n, b_high = (b >> 32) * n + (b_low >> 32);
    if (a_high != b_high)
        return a_high > b_high;
    return (a_low & UINT32_MAX) >= (b_low & UINT32_MAX);
}

VYI_EXTERN_C_END

#endif /* VYRE_NO_PLAN */

#endif

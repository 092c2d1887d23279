/* ==========================================================================
 * range: what the conditions around a place say about values
 *
 * Private.
 *
 *     const uint32_t outside = r.count;
 *     vyi_range_learn(&r, cond, true);     // inside `if cond`
 *     if (vyi_range_inside(&r, buffer, index)) ...
 *     r.count = outside;                   // at its end
 * ======================================================================= */
#ifndef VYI_RANGE_IMPL_H
#define VYI_RANGE_IMPL_H

#include "base/base_impl.h"
#include "ir/ir_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_RANGE_FACTS 64u /* latest facts that a query looks at */
#define VYI_RANGE_DEPTH 6u  /* definitions that a query follows */

/* Known to hold at the current place: low < high, or low <= high, as u32.
 * Both are ids of values of the program. */
typedef struct vyi_fact {
    uint32_t low, high;
    bool     strict;
} vyi_fact;

typedef struct vyi_range {
    const vyre_program *p;
    vyi_fact *facts;
    uint32_t  count, capacity;
    bool      failed; /* out of memory: facts are missing */
} vyi_range;

VYI_API void vyi_range_add(vyi_range *r, uint32_t low, uint32_t high, bool strict);
/* What follows from `cond` being `truth`. */
VYI_API void vyi_range_learn(vyi_range *r, uint32_t cond, bool truth);
/* The largest number that a u32 value can be here; follows `depth` definitions. */
VYI_API uint32_t vyi_range_limit(const vyi_range *r, uint32_t value, uint32_t depth);
/* Whether `index` is certainly below the buffer's length. */
VYI_API bool vyi_range_inside(const vyi_range *r, uint32_t buffer, uint32_t index);
VYI_API void vyi_range_free(vyi_range *r);

VYI_EXTERN_C_END

#endif

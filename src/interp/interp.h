/* ==========================================================================
 * interp: running a program on the CPU
 *
 * Public.  Executes one instruction over all lanes of a workgroup under a
 * mask, so that barriers and subgroup operations are natural.  Deterministic:
 * workgroups run one after another, lanes in ascending order.  Atomics on the
 * caller's bytes are real ones: another thread may publish meanwhile.
 * ======================================================================= */
#ifndef VYI_INTERP_H
#define VYI_INTERP_H

#include "ir/ir.h"

VYI_EXTERN_C_BEGIN

typedef struct vyre_interp_desc {
    uint32_t      groups[3];     /* 0 = 1 */
    void *const  *buffers;       /* in binding order (ascending), 4-byte aligned; NULL if empty */
    const size_t *sizes;         /* in bytes; a partial last word cannot be reached */
    uint32_t      buffer_count;  /* of the program's bindings */
    uint64_t      max_rounds;    /* of each round loop of each workgroup; 0 = endless */
    uint32_t      subgroup_size; /* a power of two up to 128; 0 = 32 */
    uint32_t      loop_limit;    /* loop iterations per lane, as vyre_spirv_desc; 0 = none */
    vyre_allocator allocator;
} vyre_interp_desc;

/* Runs a finished program in place on the given bytes.  VYRE_TIMEOUT, which is
 * not an error: a round loop was ended by max_rounds; what stands behind it in
 * the program has run. */
VYRE_API vyre_status vyre_interpret(const vyre_program *p, const vyre_interp_desc *desc,
                                    vyre_error *err);

VYI_EXTERN_C_END

#endif

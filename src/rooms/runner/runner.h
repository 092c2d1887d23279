/* ==========================================================================
 * runner: any finished program on a device
 *
 * Public, a room: VYRE_NO_RUNNER leaves it out.  No ring, no leases: buffers, and
 * dispatches that are waited for.
 *
 *     vyre_runner *r = vyre_runner_open(&desc, &err);
 *     uint32_t    *in = (uint32_t *)vyre_runner_map(r, 0, &size);
 *     ... fill in ...
 *     status = vyre_runner_dispatch(r, groups, NULL, &err);   // now look at the others
 *     vyre_runner_close(r);
 *
 * One thread at a time uses a runner.
 * ======================================================================= */
#ifndef VYI_RUNNER_H
#define VYI_RUNNER_H

#include "engine/engine.h"

#ifndef VYRE_NO_RUNNER

VYI_EXTERN_C_BEGIN

typedef struct vyre_runner vyre_runner;

typedef struct vyre_runner_desc {
    vyre_backend        backend;
    const char         *device;       /* as vyre_desc.device */
    const vyre_program *program;      /* finished; outlives the runner */
    const size_t       *sizes;        /* bytes, in binding order; 0 = 4 * the declared count, of
                                         all where this is NULL */
    uint32_t            buffer_count; /* of `sizes`, which are as many as the bindings */
    uint32_t            rounds;       /* of each round loop in one dispatch; 0 = 2^20 */
    uint32_t            loop_limit;   /* iterations of a lane's loops, as LOOP_LEFT tells the
                                         program; 0 = none, on Mesa's llvmpipe the 65,535 after
                                         which it ends loops.  VYRE_E_LAUNCH: some had more */
    uint64_t            timeout_ns;   /* of one dispatch; 0 = 10 s */
    vyre_logger         messages;
    vyre_allocator      allocator;
    vyre_vulkan_desc    vulkan;       /* as vyre_desc.vulkan */
} vyre_runner_desc;

/* NULL on failure.  VYRE_E_INTERP_BUFFERS: a binding has neither size nor count;
 * VYRE_E_VK_LIMIT: the workgroup or a buffer is larger than the device allows.  All
 * buffers are zero. */
VYRE_API vyre_runner *vyre_runner_open(const vyre_runner_desc *desc, vyre_error *err);
/* Returns in bounded time; what a device still uses then is leaked.  NULL is allowed. */
VYRE_API void vyre_runner_close(vyre_runner *r);
/* The memory of the index-th binding, the device's own, which both sides see; NULL while a
 * dispatch runs, or when there is no such binding. */
VYRE_API void *vyre_runner_map(vyre_runner *r, uint32_t index, size_t *size);
/* Runs so many workgroups (0 in y and z is 1) and waits until they have ended.
 * Round loops stop after desc.rounds, and go on with the next dispatch: what they need is in
 * the buffers.  VYRE_TIMEOUT: it still runs; the next call looks again, and is
 * VYRE_E_RUNNING until it has ended.  VYRE_E_LAUNCH: it has ended, and a loop that is no
 * round loop was cut at the limit, in a program that does not read LOOP_CUT: what it wrote
 * is wrong.  Of one that had timed out the next call says so, and runs nothing. */
VYRE_API vyre_status vyre_runner_dispatch(vyre_runner *r, const uint32_t groups[3],
                                          vyre_stats *stats, vyre_error *err);
/* What it runs on: backend, device, driver, limits, buffers, and dispatches as `passes`. */
VYRE_API void vyre_runner_query(const vyre_runner *r, vyre_info *out);

VYI_EXTERN_C_END

#endif /* VYRE_NO_RUNNER */
#endif

/* ==========================================================================
 * runner: what its backends share
 *
 * Private.
 * ======================================================================= */
#ifndef VYI_RUNNER_IMPL_H
#define VYI_RUNNER_IMPL_H

#include "rooms/runner/runner.h"
#include "base/thread_impl.h"
#include "ir/ir_impl.h"

#ifndef VYRE_NO_RUNNER

VYI_EXTERN_C_BEGIN

typedef struct vyi_runner_buffer {
    const vyi_buffer *declared;
    void             *map;
    size_t            size;
} vyi_runner_buffer;

/* What a backend does.  `device` is its own. */
typedef struct vyi_runner_backend {
    vyre_status (*open)(struct vyre_runner *r, vyre_error *err);
    /* False: something still runs, and r stays as it is. */
    bool (*close)(struct vyre_runner *r);
    vyre_status (*launch)(struct vyre_runner *r, const uint32_t groups[3], vyre_error *err);
    /* VYRE_OK: nothing runs; VYRE_TIMEOUT: it does. */
    vyre_status (*wait)(struct vyre_runner *r, uint64_t timeout_ns, vyre_error *err);
    void (*info)(const struct vyre_runner *r, vyre_info *out);
} vyi_runner_backend;

struct vyre_runner {
    vyre_runner_desc          desc;
    vyre_desc                 engine; /* the same, for the Vulkan toolbox */
    const vyi_runner_backend *backend;
    void                     *device;
    vyi_runner_buffer         buffers[VYRE_MAX_BINDINGS]; /* ascending by binding */
    uint32_t                  buffer_count;
    uint32_t                  bound_count; /* with the one behind them that `guarded` adds */
    const vyre_program       *program;     /* what runs: desc.program, or guarded */
    vyre_program             *guarded;
    uint32_t                  limit;       /* of loops, where they are guarded */
    uint64_t                  dispatches;
    bool                      running;
    bool                      cut;         /* a dispatch that timed out has ended so */
};

/* Where loops end after `limit` iterations, 0 being none: has r run a copy of its program
 * that tells.  The backend calls it before it makes buffers. */
VYI_API vyre_status vyi_runner_guard(struct vyre_runner *r, uint32_t limit, vyre_error *err);
/* Undoes it, if it was done. */
VYI_API void vyi_runner_unguard(struct vyre_runner *r);
/* Whether a loop was cut since the last call. */
VYI_API bool vyi_runner_was_cut(struct vyre_runner *r);

/* NULL where there is no Vulkan. */
VYI_API const vyi_runner_backend *vyi_runner_vulkan(void);

VYI_EXTERN_C_END

#endif /* VYRE_NO_RUNNER */
#endif

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
 *
 * A pool runs works on several handles, each of which takes as many as it can.
 *
 *     vyre *const handles[2] = { gpu, cpu };
 *     const vyre_pool_desc pool = { handles, 2, 0 };
 *     vyre_pool_run(&pool, works, count, NULL, &err);
 * ======================================================================= */
#ifndef VYI_POOL_H
#define VYI_POOL_H

#include "engine/engine.h"

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

typedef struct vyre_pool_desc {
    vyre *const *handles; /* of any backends, with the same opcodes */
    uint32_t count;
    uint32_t unit; /* works handed out at a time; 0 = total / (4 * handles), at least 1.  At
                      most a quarter of the smallest ring */
} vyre_pool_desc;

/* vyre_run() over several handles: every work runs on one of them, from the caller's
 * thread alone; handles that are started work at the same time.  User buffers are each
 * handle's own; vyre_copy() takes what is in them from one to another.
 *
 * A handle that is shut down or lost takes no further part.  What has not run goes to
 * the others; what may have run already is lost, or runs once more, as its lost_work
 * says, and does not run after a vyre_recover().  None left: the last one's error, and
 * err->at says how many works have not run.
 *
 * VYRE_E_FAULT, VYRE_E_LOST: all have ended, some not well; err->at is the index of the
 * first that was seen, err->native its fault, and the text names its handle.  `each` has
 * a vyre_stats for each handle and is filled in then, too; it may be NULL. */
VYRE_API vyre_status vyre_pool_run(const vyre_pool_desc *desc, const vyre_work *works,
                                   uint32_t count, vyre_stats *each, vyre_error *err);

/* A place in a user buffer of a handle. */
typedef struct vyre_span {
    vyre    *v;
    uint32_t buffer; /* its index in kernel.buffers */
    size_t   offset; /* bytes */
} vyre_span;

/* Copies bytes from a buffer of one handle into one of another, or of the same: a
 * vyre_read() and a vyre_write(), with what they say of running kernels and of the end
 * of works.  Both ranges must lie in their buffers (VYRE_E_OVF), and must not overlap.  On a
 * failure in the middle, what was copied before stays. */
VYRE_API vyre_status vyre_copy(const vyre_span *from, const vyre_span *to, size_t size,
                               vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_POOL */

#endif

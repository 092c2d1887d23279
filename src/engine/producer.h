/* ==========================================================================
 * producer: a share of the ring for one thread that publishes
 *
 * Public.  vyre_publish may be called by any thread, so threads that publish at
 * the same time meet at the same slots.  A producer has slots of its own:
 *
 *     vyre_producer *p = vyre_producer_open(v, 64, &err);
 *     vyre_producer_publish(p, &work, &ticket, &err);
 *     vyre_wait(v, ticket, 1000000000, &err);
 *     vyre_producer_close(p);
 *
 * Tickets, waits and results are as ever, and any thread may ask.  What
 * vyre_publish can use is what no producer has.
 *
 * Threads: a producer is used by one thread at a time; when the next one takes
 * over, the program sees to it that the call before has returned.  The thread
 * that published last is also the fastest to wait.
 * ======================================================================= */
#ifndef VYI_PRODUCER_H
#define VYI_PRODUCER_H

#include "engine/engine.h"

VYI_EXTERN_C_BEGIN

typedef struct vyre_producer vyre_producer;

/* `slots` follow each other; 0 = an eighth of the ring, 1 at least.  Of a
 * kernel of kind PRIORITY so many of each level.  NULL on failure: VYRE_FULL when
 * the slots are not to be had, for others have them and one of each level at
 * least stays with vyre_publish.  Works that are under way in the share are not
 * disturbed; their slots are used when they have ended. */
VYRE_API vyre_producer *vyre_producer_open(vyre *v, uint32_t slots, vyre_error *err);
/* As vyre_publish and vyre_publish_many, into the share. */
VYRE_API vyre_status vyre_producer_publish(vyre_producer *p, const vyre_work *work,
                                           vyre_ticket *ticket, vyre_error *err);
VYRE_API vyre_status vyre_producer_publish_many(vyre_producer *p, const vyre_work *works,
                                                uint32_t count, uint32_t *published,
                                                vyre_ticket *last, vyre_error *err);
/* Gives the slots back to vyre_publish.  Works that are under way go on, and
 * tickets stay good.  NULL is allowed.  vyre_close closes what is still open. */
VYRE_API void vyre_producer_close(vyre_producer *p);

VYI_EXTERN_C_END

#endif

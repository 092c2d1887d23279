/* ==========================================================================
 * ring: the host's side
 *
 * Public.  A slot is EMPTY, is published with its work, is claimed and done by
 * the device, and can then be published again.
 *
 *               publish            claim             done
 *     EMPTY, DONE ----> PUBLISHED -------> CLAIMED -------> DONE
 *                          |                  | fault
 *                          | cancel           v
 *                          +----> EMPTY <-- FAULT (reset)
 *
 * The payload is written first, the status last with release, and a transition
 * is a compare-exchange.  That needs a ring on a 4-byte boundary; elsewhere the
 * same bytes are written one by one, which is right while nobody else looks.
 *
 * While a kernel serves the ring, a status word has one owner at a time, and
 * the host writes only words whose present value says that the device will not:
 *
 *     EMPTY, DONE      publish                  always
 *     FAULT, unknown   reset                    always
 *     WAIT_IO          resume, cancel, fault    always
 *     PUBLISHED, CLAIMED, YIELD, REQUEUE        only where host and device share one
 *                      memory, as a CPU and its integrated GPU do, or between launches
 *
 * Across a bus the host's compare-exchange is a read and a write, and a lane's
 * may fall in between: CANCEL would write EMPTY over CLAIMED.  Nothing here can
 * see where a ring lies.  The ring of a `vyre` handle is the handle's: it keeps
 * its own record of each slot, and nobody else may change one.
 *
 * A slot that is EMPTY or DONE has one publisher at a time: who that is, is
 * the caller's to arrange.  Different slots need no arrangement.
 *
 *     vyre_work work = { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2, { 42, 160 } };
 *     if (vyre_ring_publish(ring, size, 0, &work, &err) < 0) ...
 * ======================================================================= */
#ifndef VYI_RING_H
#define VYI_RING_H

#include "wire/wire.h"

VYI_EXTERN_C_BEGIN

/* --- publish ------------------------------------------------------------- */

/* Writes one work.  Checked in this order: the ring's length, the slot, the
 * number of arguments, the opcode, the slot's state, the tenant, the priority;
 * a refusal leaves the ring as it is. */
VYRE_API vyre_status vyre_ring_publish(void *ring, size_t size, uint32_t slot,
                                       const vyre_work *work, vyre_error *err);

/* Writes `count` works into consecutive slots, and behind them a BATCH_FENCE
 * with the arguments count and `fence_tag`, for the tenant of the first work
 * (0 without one).  All or nothing; takes count + 1 slots. */
VYRE_API vyre_status vyre_ring_publish_batch(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             uint32_t fence_tag, vyre_error *err);

/* The same without a fence.  All or nothing. */
VYRE_API vyre_status vyre_ring_publish_works(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             vyre_error *err);

/* Makes a ring of `slots` slots: the works first, the rest EMPTY.  `size` may
 * be more than vyre_ring_size().  A refusal leaves `dst` as it is. */
VYRE_API vyre_status vyre_ring_encode_works(void *dst, size_t size, uint32_t slots,
                                            const vyre_work *works, uint32_t count,
                                            vyre_error *err);

/* --- windows ------------------------------------------------------------- */

#define VYRE_WINDOW_REQUIRED  0u
#define VYRE_WINDOW_LOOKAHEAD 1u
#define VYRE_WINDOW_ARGS      10u /* that a payload can have */

typedef struct vyre_payload {
    const uint32_t *words;
    uint32_t        count; /* at most VYRE_WINDOW_ARGS */
} vyre_payload;

/* Several works of one opcode that belong together.  Each takes a slot, with
 * the arguments ticket, class (VYRE_WINDOW_*), payload...; the required ones
 * come first. */
typedef struct vyre_window {
    uint32_t            opcode, tenant;
    vyre_priority       priority;
    uint32_t            ticket;
    const vyre_payload *required;
    uint32_t            required_count;
    const vyre_payload *lookahead;
    uint32_t            lookahead_count;
} vyre_window;

/* All or nothing; *published, which may be NULL, gets the number of slots. */
VYRE_API vyre_status vyre_ring_publish_window(void *ring, size_t size, uint32_t first_slot,
                                              const vyre_window *window, uint32_t *published,
                                              vyre_error *err);

/* --- packed slots -------------------------------------------------------- */

/* Makes one work of several small operations with opcodes below 256.  It sets
 * all of *out: tenant 0 and priority NORMAL, until the caller says otherwise.
 *
 *     byte 0 count | byte 1 argument words | then per operation: opcode, offset of its
 *     first argument | padding to a word | the arguments in the operations' order */
VYRE_API vyre_status vyre_work_pack(vyre_work *out, const vyre_op *ops, uint32_t count,
                                    vyre_error *err);

/* --- transitions --------------------------------------------------------- */

typedef enum vyre_transition {
    VYRE_TRANSITION_PUBLISH = 0, /* refused: vyre_ring_publish() and its kin do that */
    VYRE_TRANSITION_CLAIM = 1,   /* PUBLISHED, YIELD, REQUEUE -> CLAIMED; the worker's */
    VYRE_TRANSITION_DONE = 2,    /* CLAIMED -> DONE; the worker's */
    VYRE_TRANSITION_FAULT = 3,   /* PUBLISHED, CLAIMED, WAIT_IO, YIELD, REQUEUE -> FAULT */
    VYRE_TRANSITION_CANCEL = 4,  /* PUBLISHED, WAIT_IO, YIELD, REQUEUE -> EMPTY; the host's */
    VYRE_TRANSITION_RESET = 5,   /* FAULT and unknown states -> EMPTY; the host's */
    VYRE_TRANSITION_RESUME = 6,  /* WAIT_IO -> PUBLISHED; the host's */
    VYRE_TRANSITION_YIELD = 7,   /* CLAIMED -> YIELD; the worker's */
    VYRE_TRANSITION_REQUEUE = 8, /* CLAIMED -> REQUEUE; the worker's */
    VYRE_TRANSITION_WAIT_IO = 9  /* CLAIMED -> WAIT_IO; the worker's */
} vyre_transition;

/* Changes the status word only, and only if it is still what the decision was
 * made on: otherwise VYRE_E_CONFLICT, and the caller may look again.  *before,
 * which may be NULL, gets the state that the slot was in. */
VYRE_API vyre_status vyre_ring_transition(void *ring, size_t size, uint32_t slot,
                                          vyre_transition t, vyre_slot_state *before,
                                          vyre_error *err);

/* --- whole slots --------------------------------------------------------- */

/* Puts a 64-byte image of a slot into the ring as it is, its status last: a
 * load miss, or a slot that was recorded.  Nothing in the image is checked;
 * the slot in the ring must be EMPTY or DONE. */
VYRE_API vyre_status vyre_ring_store(void *ring, size_t size, uint32_t slot, const void *image,
                                     size_t image_size, vyre_error *err);

/* Copies a slot's 64 bytes. */
VYRE_API vyre_status vyre_ring_load(const void *ring, size_t size, uint32_t slot, void *image,
                                    size_t image_size, vyre_error *err);

VYI_EXTERN_C_END

#endif

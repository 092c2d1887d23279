/* ==========================================================================
 * kernel: the device's own queue of works, word by word
 *
 * Private, of the kernels whose handlers spawn and of the engine that makes the
 * buffer.  An entry of the queue is a slot of the ring, behind those of lanes and wide
 * works: there stand a child's words.  Beside it, in a buffer of its own, of u32:
 *
 *     USED     a bit for each entry: somebody has it
 *     WAITING  a bit for each: its job may be claimed
 *     RECORDS  four words for each slot of the ring, entries included
 *
 * All zero is an empty queue.  While launches may be in flight every word is the
 * device's.
 * ======================================================================= */
#ifndef VYI_CHILDREN_IMPL_H
#define VYI_CHILDREN_IMPL_H

#include "base/base_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_CHILDREN_NONE    0xffffffffu /* as a slot */
#define VYI_CHILDREN_BITS    32u /* entries of a word of USED and WAITING */
#define VYI_CHILDREN_MASKS(count)   ((count) / VYI_CHILDREN_BITS)
#define VYI_CHILDREN_RECORDS(count) (2 * VYI_CHILDREN_MASKS(count))
#define VYI_CHILDREN_WORDS(count, slots) \
    (VYI_CHILDREN_RECORDS(count) + VYI_RECORD_WORDS * ((slots) + (count)))

/* Of a record.  STATE and PARENT are the job's as long as it lives; the others are those
 * of a run that has spawned. */
#define VYI_RECORD_PENDING 0u /* MANY while the run lasts, less those that have ended; then how
                                 many have not */
#define VYI_RECORD_FAULT   1u /* the first code of the job or of what it spawned, or 0 */
#define VYI_RECORD_STATE   2u
#define VYI_RECORD_PARENT  3u /* a slot of the ring; of a child */
#define VYI_RECORD_WORDS   4u

#define VYI_CHILDREN_MANY  0x40000000u /* more than a run can spawn */

/* What happens to a job when it is claimed: its opcode runs, or it only ends. */
#define VYI_STATE_RUNS     0u
#define VYI_STATE_ENDS     1u

/* STATUS of a lane's slot all of whose children have ended, for its own lane; to the
 * host it is no status that it knows. */
#define VYI_SLOT_JOINED    0x13u

VYI_EXTERN_C_END

#endif

/* ==========================================================================
 * kernel: when works were claimed and ended, word by word
 *
 * Private, of the kernels that keep times and of the engine that reads them.  One
 * buffer, of u32 words, which the device writes into memory that the host reads fast:
 *
 *     ROWS     only where works are wide: for each of the first groups a ring of the
 *              chunks that it ran: begin and end (two words each, the low one first), the
 *              slot, and the number of the chunk in the row, from 1 on
 *     SLOTS    for each slot of the ring: claim and end of its last work, four words;
 *              of 16 slots each word's stand side by side, so that lanes that run in
 *              step fill lines, and a host that reads slot by slot finds them there
 *
 * Only the device writes.  A slot's words do not change while it is not in flight.  How
 * many chunks a row has had stands among the wide works' words.
 * ======================================================================= */
#ifndef VYI_TIMES_IMPL_H
#define VYI_TIMES_IMPL_H

#include "base/base_impl.h"
#include "kernel/wide_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_TIMES_GROUPS      8u   /* that have a row */
#define VYI_TIMES_CHUNKS      256u /* of a row, a power of two */
#define VYI_TIMES_CHUNK_WORDS 8u
#define VYI_TIMES_ROW_WORDS   (VYI_TIMES_CHUNKS * VYI_TIMES_CHUNK_WORDS)
#define VYI_TIMES_ROWS        (VYI_TIMES_GROUPS * VYI_TIMES_ROW_WORDS)
#define VYI_TIMES_SLOT_WORDS  4u
#define VYI_TIMES_BLOCK       16u  /* slots whose words stand side by side */

/* Of a chunk, and, the first two, of a slot. */
#define VYI_TIMES_BEGIN  0u
#define VYI_TIMES_END    2u
#define VYI_TIMES_SLOT   4u
#define VYI_TIMES_NUMBER 5u

static inline uint32_t vyi_times_slots(bool wide)
{
    return wide ? VYI_TIMES_ROWS : 0;
}

static inline uint32_t vyi_times_count(bool wide, uint32_t slots)
{
    const uint32_t blocks = (slots + VYI_TIMES_BLOCK - 1) / VYI_TIMES_BLOCK;
    return vyi_times_slots(wide) + blocks * VYI_TIMES_BLOCK * VYI_TIMES_SLOT_WORDS;
}

/* Where a slot's begin or end stands, and a block later its high word. */
static inline uint32_t vyi_times_slot_at(bool wide, uint32_t slot, uint32_t word)
{
    const uint32_t in_block = slot % VYI_TIMES_BLOCK;
    return vyi_times_slots(wide) + (slot - in_block) * VYI_TIMES_SLOT_WORDS +
           word * VYI_TIMES_BLOCK + in_block;
}

VYI_EXTERN_C_END

#endif

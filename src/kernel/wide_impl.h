/* ==========================================================================
 * kernel: where wide works are open, word by word
 *
 * Private, of the kernels that serve wide works and of the engine that feeds
 * them.  One buffer, of u32 words.  Every word has one owner:
 *
 *     GATES    a word for each wide slot.  The host's: what is open
 *     PER      indexes of a chunk.  The host's, and constant while the slot's work is
 *              in flight
 *     CHUNKS   generation << 17 | how many there are; likewise.  A group that has
 *              found no chunk left may look when the next work is there already
 *     WISHES   the host's: not 0: the slot's work is not to run
 *     WAITS    the host's, as CHUNKS: generation << 17 | the event that the work waits
 *              for; of kernels with events
 *     HEAD     the host's, constant while a launch is in flight
 *     STATES   the device's: claims, ends and results of each slot's work
 *
 * A state that no work uses is zero, apart from NEXT and DONE.
 * ======================================================================= */
#ifndef VYI_WIDE_IMPL_H
#define VYI_WIDE_IMPL_H

#include "base/base_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_WIDE_SLOTS       32u    /* behind the ring's lane slots */
#define VYI_WIDE_CHUNKS_MAX  65535u /* of one work */

#define VYI_WIDE_GATES       0u
#define VYI_WIDE_PER         32u /* a group describes a work by lanes: its rows are as far apart */
#define VYI_WIDE_CHUNKS      96u
#define VYI_WIDE_WISHES      160u
#define VYI_WIDE_WAITS       224u
#define VYI_WIDE_HEAD        256u
#define VYI_WIDE_STATES      288u
#define VYI_WIDE_STATE_WORDS 64u
#define VYI_WIDE_GUEST       VYI_WIDE_SLOTS /* a state for works in rings of others */
#define VYI_WIDE_WORDS       (VYI_WIDE_STATES + (VYI_WIDE_GUEST + 1) * VYI_WIDE_STATE_WORDS)

/* Of a gate: generation << 17 | level << 14 | tenant << 9 | age; 0: nothing.  Ages
 * wrap: they only say which of a few works is older. */
#define VYI_GATE_GENERATION  17u
#define VYI_GATE_COUNT       0x1ffffu /* below the generation, in NEXT and CHUNKS */
#define VYI_GATE_LEVEL       14u
#define VYI_GATE_TENANT      9u
#define VYI_GATE_AGES        512u
#ifndef VYI_GATE_LAST
#define VYI_GATE_LAST        32767u /* generation */
#endif

/* Of HEAD. */
#define VYI_WIDE_POLLERS     0u /* groups that serve lane slots */
#define VYI_WIDE_LANES       1u /* lanes of each of them that do */
#define VYI_WIDE_PROBE       2u /* 0, or spins: count groups and do nothing else */
#define VYI_WIDE_PASS_SLOT   3u /* of a tile pass: the slot in the ring, */
#define VYI_WIDE_PASS_STATE  4u /* whose state and descriptor it uses, */
#define VYI_WIDE_PASS_FIRST  5u /* the first chunk that has not run, */
#define VYI_WIDE_PASS_GENERATION 6u /* and the generation that ends with it */
#define VYI_WIDE_ROUNDS      7u /* of a lease, 0: without end; the host changes it at any time */
/* The device's.  In the probe: groups that came, and of them at the same time.  In
 * leases: a word that changes when one is over; whether it ends, and the lanes that have
 * come for that, rest, have left (kernel_lease.c); and one that goes up while lanes that have
 * used up their rounds go on. */
#define VYI_WIDE_ARRIVED     16u
#define VYI_WIDE_RESIDENT    17u
#define VYI_WIDE_OVER        18u
#define VYI_WIDE_ASK         19u
#define VYI_WIDE_ROWS        20u /* eight: chunks of each row of times_impl.h */
#define VYI_WIDE_CAME        28u
#define VYI_WIDE_RESTS       29u
#define VYI_WIDE_LEFT        30u
#define VYI_WIDE_LIVES       31u

/* Of a state; claims have a cache line of their own. */
#define VYI_WIDE_NEXT        0u  /* generation << 17 | chunks taken */
#define VYI_WIDE_FINISHED    32u /* chunks, and whether one had a fault */
#define VYI_WIDE_FAULT       33u /* the first code, or 0 */
#define VYI_WIDE_DONE        34u /* generation of the last work that ended */
#define VYI_WIDE_WRITTEN     35u /* bit i: vyre_emit_result gave word i */
#define VYI_WIDE_SUMS        36u /* 12 words */
#define VYI_WIDE_BOUNDS      48u /* 3 words, of the first fault, if that is BOUNDS */

#define VYI_WIDE_FAULTED     0x80000000u /* of FINISHED */
#define VYI_WIDE_NOT_LAST    0xffffffffu /* no count that FINISHED can have */

VYI_STATIC_ASSERT(wide_rows, VYI_WIDE_CHUNKS - VYI_WIDE_PER == VYI_WIDE_WISHES - VYI_WIDE_CHUNKS &&
                                 VYI_WIDE_CHUNKS - VYI_WIDE_PER > VYI_WIDE_GUEST);
VYI_STATIC_ASSERT(wide_state, VYI_WIDE_SUMS + 12 <= VYI_WIDE_BOUNDS &&
                                  VYI_WIDE_BOUNDS + 3 <= VYI_WIDE_STATE_WORDS);

VYI_EXTERN_C_END

#endif

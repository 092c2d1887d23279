/* ==========================================================================
 * kernel: works that wait for others, bit by bit
 *
 * Private, of the kernels that know order and of the engine that feeds them.  An
 * event is a u32 in device memory: how many ends are still missing, and whether one
 * of those so far was not good.  A work may wait for one event and take 1 from
 * another one when it ends; which ones stands in the upper bits of its PRIORITY.
 *
 * An event is the host's while no work that is in the ring names it; the host then
 * says how many ends it waits for.  From the publish of the first such work on it is
 * the device's.
 * ======================================================================= */
#ifndef VYI_ORDER_IMPL_H
#define VYI_ORDER_IMPL_H

#include "base/base_impl.h"

VYI_EXTERN_C_BEGIN

/* Of PRIORITY: relay << 31 | signal << 17 | wait << 3 | level. */
#define VYI_ORDER_LEVEL  7u
#define VYI_ORDER_WAIT   3u
#define VYI_ORDER_SIGNAL 17u
#define VYI_ORDER_EVENT  0x3fffu     /* of both, once shifted down */
#define VYI_ORDER_RELAY  0x80000000u /* nothing is run: the work hands an end on */
#define VYI_EVENTS_MOST  16384u

/* The first two are no works'. */
#define VYI_EVENT_NONE   0u /* ready, and good */
#define VYI_EVENT_BAD    1u /* ready, and not good */
#define VYI_EVENT_FIRST  2u

/* Of an event. */
#define VYI_EVENT_SPOILT  0x80000000u
#define VYI_EVENT_MISSING 0x7fffffffu

static inline uint32_t vyi_order_wait(uint32_t bits)
{
    return bits >> VYI_ORDER_WAIT & VYI_ORDER_EVENT;
}

static inline uint32_t vyi_order_signal(uint32_t bits)
{
    return bits >> VYI_ORDER_SIGNAL & VYI_ORDER_EVENT;
}

VYI_EXTERN_C_END

#endif

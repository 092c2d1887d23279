/* ==========================================================================
 * wire: words that host and device share while both run
 *
 * Private.  Word `index` of a buffer of little-endian words.  On a 4-byte
 * boundary every access is atomic; elsewhere it is made of bytes, which is
 * right for a buffer that nobody else uses at the time.
 *
 * The payload of a slot is written with vyi_wire_put, then comes
 * vyi_fence_stores, then the status with vyi_wire_store.  Whoever sees the
 * status through vyi_wire_load or vyi_wire_swap sees the payload.
 * ======================================================================= */
#ifndef VYI_WIRE_IMPL_H
#define VYI_WIRE_IMPL_H

#include "base/base_impl.h"
#include "wire/wire.h"

VYI_EXTERN_C_BEGIN

static inline const uint8_t *vyi_wire_at(const void *base, size_t index)
{
    return (const uint8_t *)base + 4 * index;
}

static inline uint8_t *vyi_wire_edit(void *base, size_t index)
{
    return (uint8_t *)base + 4 * index;
}

/* Acquire: pairs with vyi_wire_store, or with the device's release. */
static inline uint32_t vyi_wire_load(const void *base, size_t index)
{
    const uint8_t *at = vyi_wire_at(base, index);
    return vyi_aligned4(at) ? vyi_le32(vyi_load_acquire(at)) : vyi_get32(at);
}

/* Release: pairs with vyi_wire_load and vyi_wire_swap, or with the device's
 * acquire. */
static inline void vyi_wire_store(void *base, size_t index, uint32_t value)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        vyi_store_release(at, vyi_le32(value));
    else
        vyi_put32(at, value);
}

/* Relaxed: ordered by the load or store of a status next to it. */
static inline uint32_t vyi_wire_get(const void *base, size_t index)
{
    const uint8_t *at = vyi_wire_at(base, index);
    return vyi_aligned4(at) ? vyi_le32(vyi_load_relaxed(at)) : vyi_get32(at);
}

/* Acquire, of two words, in one load where the machine does that: each load of a device's
 * memory waits for the bus. */
static inline void vyi_wire_pair(const void *base, size_t index, uint32_t out[2])
{
#if (defined(__GNUC__) || defined(__clang__)) && !VYI_BIG_ENDIAN && UINTPTR_MAX > 0xffffffffu
    typedef uint64_t __attribute__((may_alias)) pair;
    const uint8_t *at = vyi_wire_at(base, index);
    if (((uintptr_t)at & 7u) == 0) {
        const uint64_t both = __atomic_load_n((const pair *)(const void *)at, __ATOMIC_ACQUIRE);
        out[0] = (uint32_t)both;
        out[1] = (uint32_t)(both >> 32);
        return;
    }
#endif
    out[0] = vyi_wire_load(base, index);
    out[1] = vyi_wire_get(base, index + 1);
}

static inline void vyi_wire_put(void *base, size_t index, uint32_t value)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        vyi_store_relaxed(at, vyi_le32(value));
    else
        vyi_put32(at, value);
}

/* Stores `desired` if the word holds `expected`; returns what it held.
 * Acquire and release: pairs with either side's status stores. */
static inline uint32_t vyi_wire_swap(void *base, size_t index, uint32_t expected, uint32_t desired)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        return vyi_le32(vyi_compare_exchange(at, vyi_le32(expected), vyi_le32(desired)));

    uint32_t held = vyi_get32(at);
    if (held == expected)
        vyi_put32(at, desired);
    return held;
}

#define VYI_PRIORITY_NO_WIRE 0xffffffffu

/* The wire's level: 0 is the most urgent. */
static inline uint32_t vyi_priority_level(vyre_priority priority)
{
    static const uint8_t levels[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    VYRE_ASSERT((uint32_t)priority < VYRE_PRIORITY_LEVELS);
    return levels[priority];
}

/* The same of whatever came from outside. */
static inline uint32_t vyi_priority_wire(vyre_priority priority)
{
    return (uint32_t)priority < VYRE_PRIORITY_LEVELS ? vyi_priority_level(priority)
                                                     : VYI_PRIORITY_NO_WIRE;
}

static inline vyre_priority vyi_priority_of(uint32_t wire)
{
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS; i++) {
        if (vyi_priority_wire((vyre_priority)i) == wire)
            return (vyre_priority)i;
    }
    return VYRE_PRIORITY_UNKNOWN;
}

static inline vyre_slot_state vyi_slot_state_of(uint32_t status)
{
    return status < VYRE_SLOT_UNKNOWN ? (vyre_slot_state)status : VYRE_SLOT_UNKNOWN;
}

/* NULL is a buffer of no bytes. */
VYI_API vyre_status vyi_wire_pointer(const void *at, size_t size, const char *what,
                                     vyre_error *err);
/* The ring's length and the slot's place in it. */
VYI_API vyre_status vyi_ring_slot(const void *ring, size_t size, uint32_t slot, vyre_error *err);
/* The memory that a ring of so many slots is written to. */
VYI_API vyre_status vyi_ring_room(const void *dst, size_t size, uint32_t slots, vyre_error *err);
VYI_API vyre_status vyi_ring_length(const void *ring, size_t size, vyre_error *err);
/* One of the five; `at` is the error's place, `what` begins its text. */
VYI_API vyre_status vyi_priority_check(vyre_priority priority, uint64_t at, const char *what,
                                       vyre_error *err);
/* The first slot of each partition, by the wire's level, and behind them the
 * total: what does not divide by five is NORMAL's (plan.c). */
VYI_API void vyi_priority_fill(uint32_t slots, uint32_t out[VYRE_PRIORITY_LEVELS + 1]);

VYI_EXTERN_C_END

#endif

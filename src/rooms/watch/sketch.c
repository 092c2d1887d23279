/* ==========================================================================
 * watch: Count-Min sketches
 *
 * A sketch is its shape and then its counters, row by row, in the caller's
 * memory.  The hash is upstream's, so that counters are the same.
 * ======================================================================= */
#include "rooms/watch/watch.h"
#include "base/base_impl.h"

#ifndef VYRE_NO_WATCH

struct vyre_sketch {
    uint32_t depth, width;
};

#define VYI_SKETCH_ALIGN sizeof(uint64_t) /* of counters, and so of the sketch */

VYI_STATIC_ASSERT(sketch_counters_are_aligned, sizeof(vyre_sketch) % VYI_SKETCH_ALIGN == 0);

static uint64_t *vyi_sketch_counters(vyre_sketch *s)
{
    return (uint64_t *)(void *)(s + 1);
}

static size_t vyi_sketch_count(const vyre_sketch *s)
{
    return (size_t)s->depth * s->width;
}

/* Bytes of the counters; 0: they have no length. */
static size_t vyi_sketch_bytes(uint32_t depth, uint32_t width)
{
    size_t count, bytes;
    if (!vyi_size_mul(depth, width, &count) || !vyi_size_mul(count, sizeof(uint64_t), &bytes))
        return 0;
    return bytes;
}

VYRE_API size_t vyre_sketch_size(uint32_t depth, uint32_t width)
{
    const size_t bytes = vyi_sketch_bytes(depth, width);
    size_t size;
    if (bytes == 0 || !vyi_size_add(bytes, sizeof(vyre_sketch) + VYI_SKETCH_ALIGN - 1, &size))
        return 0;
    return size;
}

VYRE_API vyre_status vyre_sketch_make(void *memory, size_t size, uint32_t depth, uint32_t width,
                                      vyre_sketch **out, vyre_error *err)
{
    if (!out || !memory)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass memory, and the address of a pointer.",
                        "the %s is NULL", out ? "sketch's memory" : "result");
    if (depth == 0 || width == 0)
        return vyi_fail(err, VYRE_E_SKETCH_DIM, 0, "Pass 4 rows of 128 counters, or so.",
                        "a sketch of %u rows of %u counters counts nothing", (unsigned)depth,
                        (unsigned)width);
    const size_t needed = vyre_sketch_size(depth, width);
    if (needed == 0)
        return vyi_fail(err, VYRE_E_OVF, depth, "Ask for fewer counters.",
                        "%u rows of %u counters have no length in bytes", (unsigned)depth,
                        (unsigned)width);
    if (size < needed)
        return vyi_fail(err, VYRE_E_SPACE, needed, "Pass vyre_sketch_size() bytes.",
                        "a sketch of %u rows of %u counters needs %llu bytes, not %llu",
                        (unsigned)depth, (unsigned)width, (unsigned long long)needed,
                        (unsigned long long)size);
    const size_t skip = (size_t)(0 - (uintptr_t)memory) % VYI_SKETCH_ALIGN;
    vyre_sketch *s = (vyre_sketch *)(void *)((uint8_t *)memory + skip);
    s->depth = depth;
    s->width = width;
    vyre_sketch_clear(s);
    *out = s;
    return VYRE_OK;
}

/* splitmix64's last step. */
static uint64_t vyi_sketch_mix(uint64_t v)
{
    v += 0x9e3779b97f4a7c15ull;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
    return v ^ (v >> 31);
}

/* The key's counter of one row. */
static size_t vyi_sketch_index(const vyre_sketch *s, uint32_t row, uint32_t key)
{
    const uint64_t hash = vyi_sketch_mix(key ^ (row * 0x9e3779b97f4a7c15ull));
    return (size_t)row * s->width + (size_t)(hash % s->width);
}

VYRE_API void vyre_sketch_add(vyre_sketch *s, uint32_t key, uint64_t amount)
{
    uint64_t *counters = vyi_sketch_counters(s);
    for (uint32_t row = 0; row < s->depth; row++) {
        uint64_t *counter = &counters[vyi_sketch_index(s, row, key)];
        *counter = amount > UINT64_MAX - *counter ? UINT64_MAX : *counter + amount;
    }
}

VYRE_API vyre_status vyre_sketch_try_add(vyre_sketch *s, uint32_t key, uint64_t amount,
                                         vyre_error *err)
{
    uint64_t *counters = vyi_sketch_counters(s);
    for (uint32_t row = 0; row < s->depth; row++) {
        const uint64_t held = counters[vyi_sketch_index(s, row, key)];
        if (amount > UINT64_MAX - held)
            return vyi_fail(err, VYRE_E_COUNTER_OVF, row, "Clear the sketch, and count anew.",
                            "row %u holds %llu for key %u, and %llu more exceed 64 bits",
                            (unsigned)row, (unsigned long long)held, (unsigned)key,
                            (unsigned long long)amount);
    }
    vyre_sketch_add(s, key, amount);
    return VYRE_OK;
}

VYRE_API uint64_t vyre_sketch_estimate(const vyre_sketch *s, uint32_t key)
{
    const uint64_t *counters = vyre_sketch_counters(s);
    uint64_t least = UINT64_MAX;
    for (uint32_t row = 0; row < s->depth; row++) {
        const uint64_t held = counters[vyi_sketch_index(s, row, key)];
        least = held < least ? held : least;
    }
    return least;
}

VYRE_API vyre_status vyre_sketch_merge(vyre_sketch *s, const vyre_sketch *other, vyre_error *err)
{
    if (s->depth != other->depth || s->width != other->width)
        return vyi_fail(err, VYRE_E_SKETCH_SHAPE, 0, "Merge sketches of the same depth and width.",
                        "a sketch of %u rows of %u counters cannot take one of %u rows of %u",
                        (unsigned)s->depth, (unsigned)s->width, (unsigned)other->depth,
                        (unsigned)other->width);
    uint64_t *counters = vyi_sketch_counters(s);
    const uint64_t *more = vyre_sketch_counters(other);
    const size_t count = vyi_sketch_count(s);
    for (size_t i = 0; i < count; i++) {
        if (more[i] > UINT64_MAX - counters[i])
            return vyi_fail(err, VYRE_E_COUNTER_OVF, i, "Clear one of them, and count anew.",
                            "counter %llu holds %llu, and %llu more exceed 64 bits",
                            (unsigned long long)i, (unsigned long long)counters[i],
                            (unsigned long long)more[i]);
    }
    for (size_t i = 0; i < count; i++)
        counters[i] += more[i];
    return VYRE_OK;
}

VYRE_API const uint64_t *vyre_sketch_counters(const vyre_sketch *s)
{
    return (const uint64_t *)(const void *)(s + 1);
}

VYRE_API void vyre_sketch_clear(vyre_sketch *s)
{
    memset(vyi_sketch_counters(s), 0, vyi_sketch_count(s) * sizeof(uint64_t));
}

#endif /* VYRE_NO_WATCH */

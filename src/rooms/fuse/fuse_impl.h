/* ==========================================================================
 * fuse: sets of numbers, of works, and of resources
 *
 * Private.  All of them live in an arena that the caller frees as a whole.
 * ======================================================================= */
#ifndef VYI_FUSE_IMPL_H
#define VYI_FUSE_IMPL_H

#include "base/base_impl.h"
#include "rooms/fuse/fuse.h"

#ifndef VYRE_NO_FUSE

VYI_EXTERN_C_BEGIN

VYI_API vyi_arena vyi_fuse_arena(const vyre_allocator *allocator);

/* `count` zeroed elements, at least one. */
VYI_API vyre_status vyi_fuse_alloc(vyi_arena *arena, uint64_t count, size_t element, void **out,
                                   vyre_error *err);

/* A hash table of indexes; what they stand for lies in an array of the caller's.
 * A cell holds an index plus 1, 0 is free. */
typedef struct vyi_set {
    uint32_t *cells;
    size_t    mask;
} vyi_set;

/* Whether entry `index` has the key that is looked for. */
typedef bool vyi_set_same(const void *user, uint32_t index);

/* Room for `keys` keys. */
VYI_API vyre_status vyi_set_make(vyi_set *set, vyi_arena *arena, uint64_t keys, vyre_error *err);
/* The key's cell, or the free one where it belongs. */
VYI_API uint32_t *vyi_set_find(const vyi_set *set, uint64_t hash, vyi_set_same *same,
                               const void *user);

static inline uint64_t vyi_fuse_mix(uint64_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 32;
}

/* Who touched a resource last: an index plus 1, 0 is nobody. */
typedef struct vyi_resource {
    uint32_t id, writer, reader;
} vyi_resource;

typedef struct vyi_resources {
    vyi_set       set;
    vyi_resource *items;
    uint32_t      count;
} vyi_resources;

/* Room for `most` resources. */
VYI_API vyre_status vyi_resources_make(vyi_resources *r, vyi_arena *arena, uint64_t most,
                                       vyre_error *err);
/* The resource, which nobody has touched if it is new. */
VYI_API vyi_resource *vyi_resources_get(vyi_resources *r, uint32_t id);

/* An argument as the device reads it. */
static inline uint32_t vyi_work_arg(const vyre_work *work, uint32_t index)
{
    return index < work->arg_count ? work->args[index] : 0;
}

VYI_API bool     vyi_work_same(const vyre_work *a, const vyre_work *b);
VYI_API uint64_t vyi_work_hash(const vyre_work *work);

VYI_API vyre_status vyi_fuse_null(const char *what, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_FUSE */

#endif

/* ==========================================================================
 * fuse: sets of numbers, of works, and of resources
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#ifndef VYRE_NO_FUSE

VYI_API vyre_status vyi_fuse_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an array with as many elements as the count "
                    "says.", "%s is NULL", what);
}

VYI_API vyi_arena vyi_fuse_arena(const vyre_allocator *allocator)
{
    vyi_arena arena;
    memset(&arena, 0, sizeof arena);
    if (allocator)
        arena.allocator = *allocator;
    return arena;
}

VYI_API vyre_status vyi_fuse_alloc(vyi_arena *arena, uint64_t count, size_t element, void **out,
                                   vyre_error *err)
{
    size_t size = SIZE_MAX;
    count = count ? count : 1;
    if (count <= SIZE_MAX && vyi_size_mul((size_t)count, element, &size))
        *out = vyi_arena_alloc(arena, size);
    else
        *out = NULL;
    return *out ? VYRE_OK : vyi_fail_nomem(err, size);
}

/* At most half of the cells are in use, so that a search is short, and ends. */
VYI_API vyre_status vyi_set_make(vyi_set *set, vyi_arena *arena, uint64_t keys, vyre_error *err)
{
    uint64_t cells = 16;
    void *memory = NULL;
    if (keys >= UINT32_MAX)
        return vyi_fail(err, VYRE_E_OVF, keys, "Pass fewer works at a time.",
                        "%llu keys are more than a table of 32-bit indexes holds",
                        (unsigned long long)keys);
    while (cells < 2 * keys)
        cells *= 2;
    const vyre_status status = vyi_fuse_alloc(arena, cells, sizeof *set->cells, &memory, err);
    set->cells = (uint32_t *)memory;
    set->mask = (size_t)(cells - 1);
    return status;
}

VYI_API uint32_t *vyi_set_find(const vyi_set *set, uint64_t hash, vyi_set_same *same,
                               const void *user)
{
    size_t at = (size_t)hash & set->mask;
    while (set->cells[at] && !same(user, set->cells[at] - 1))
        at = (at + 1) & set->mask;
    return &set->cells[at];
}

/* --- resources ------------------------------------------------------------ */

typedef struct vyi_resource_key {
    const vyi_resource *items;
    uint32_t            id;
} vyi_resource_key;

static bool vyi_resource_same(const void *user, uint32_t index)
{
    const vyi_resource_key *key = (const vyi_resource_key *)user;
    return key->items[index].id == key->id;
}

VYI_API vyre_status vyi_resources_make(vyi_resources *r, vyi_arena *arena, uint64_t most,
                                       vyre_error *err)
{
    void *memory = NULL;
    vyre_status status = vyi_set_make(&r->set, arena, most, err);
    if (status == VYRE_OK)
        status = vyi_fuse_alloc(arena, most, sizeof *r->items, &memory, err);
    r->items = (vyi_resource *)memory;
    r->count = 0;
    return status;
}

VYI_API vyi_resource *vyi_resources_get(vyi_resources *r, uint32_t id)
{
    const vyi_resource_key key = { r->items, id };
    uint32_t *cell = vyi_set_find(&r->set, vyi_fuse_mix(0, id), vyi_resource_same, &key);
    if (!*cell) {
        r->items[r->count].id = id;
        *cell = ++r->count;
    }
    return &r->items[*cell - 1];
}

/* --- works ---------------------------------------------------------------- */

VYI_API bool vyi_work_same(const vyre_work *a, const vyre_work *b)
{
    return a->opcode == b->opcode && a->tenant == b->tenant && a->priority == b->priority &&
           a->arg_count == b->arg_count &&
           memcmp(a->args, b->args, a->arg_count * sizeof *a->args) == 0;
}

VYI_API uint64_t vyi_work_hash(const vyre_work *work)
{
    uint64_t hash = vyi_fuse_mix(work->opcode, work->tenant);
    hash = vyi_fuse_mix(hash, (uint32_t)work->priority << 4 | work->arg_count);
    for (uint32_t i = 0; i < work->arg_count; i++)
        hash = vyi_fuse_mix(hash, work->args[i]);
    return hash;
}

#endif /* VYRE_NO_FUSE */

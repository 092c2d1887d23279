/* ==========================================================================
 * fuse: works that are equal, and works of one opcode
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#ifndef VYRE_NO_FUSE

#define VYI_TRAIT_ARGS 0x0fffu /* bits of arguments that exist */

static vyre_status vyi_fuse_check(const vyre_work *works, uint32_t count, vyre_error *err)
{
    if (!works && count)
        return vyi_fuse_null("the array of works", err);
    for (uint32_t i = 0; i < count; i++) {
        if (works[i].arg_count > VYRE_MAX_ARGS)
            return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, i, "Give a work 12 arguments at most.",
                            "work %u has %u arguments", (unsigned)i,
                            (unsigned)works[i].arg_count);
    }
    return VYRE_OK;
}

/* A key that is a work, and the works that the entries of a set stand for. */
typedef struct vyi_work_key {
    const vyre_work *works, *work;
} vyi_work_key;

static bool vyi_work_key_same(const void *user, uint32_t index)
{
    const vyi_work_key *key = (const vyi_work_key *)user;
    return vyi_work_same(&key->works[index], key->work);
}

/* --- fold ----------------------------------------------------------------- */

typedef struct vyi_fold {
    const vyre_work      *works;
    uint32_t              count;
    const vyre_op_traits *traits;
    uint32_t              trait_count;
    vyi_set               trait_set; /* opcode: index in traits */
    vyi_set               kinds;     /* work: the first equal one since the last hazard */
    vyi_resources         resources;
    uint32_t              wall;      /* the last work that writes everything, plus 1 */
    uint32_t             *stands;
    uint32_t              folded;
} vyi_fold;

typedef struct vyi_trait_key {
    const vyre_op_traits *traits;
    uint32_t              opcode;
} vyi_trait_key;

static bool vyi_trait_same(const void *user, uint32_t index)
{
    const vyi_trait_key *key = (const vyi_trait_key *)user;
    return key->traits[index].opcode == key->opcode;
}

static uint32_t *vyi_fold_trait_cell(const vyi_fold *f, uint32_t opcode)
{
    const vyi_trait_key key = { f->traits, opcode };
    return vyi_set_find(&f->trait_set, vyi_fuse_mix(0, opcode), vyi_trait_same, &key);
}

static vyre_status vyi_fold_traits(vyi_fold *f, vyi_arena *arena, vyre_error *err)
{
    const vyre_status status = vyi_set_make(&f->trait_set, arena, f->trait_count, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < f->trait_count; i++) {
        const vyre_op_traits *t = &f->traits[i];
        if ((t->reads | t->writes) & ~VYI_TRAIT_ARGS)
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Use bits 0 to 11: one for each argument.",
                            "traits %u of opcode 0x%x have the masks 0x%x and 0x%x", (unsigned)i,
                            (unsigned)t->opcode, (unsigned)t->reads, (unsigned)t->writes);
        uint32_t *cell = vyi_fold_trait_cell(f, t->opcode);
        if (*cell)
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Give an opcode's traits once.",
                            "traits %u and %u are of one opcode, 0x%x", (unsigned)(*cell - 1),
                            (unsigned)i, (unsigned)t->opcode);
        *cell = i + 1;
    }
    return VYRE_OK;
}

/* NULL: it writes everything. */
static const vyre_op_traits *vyi_fold_trait(const vyi_fold *f, const vyre_work *work)
{
    const uint32_t *cell = vyi_fold_trait_cell(f, work->opcode);
    return *cell ? &f->traits[*cell - 1] : NULL;
}

static vyre_status vyi_fold_make(vyi_fold *f, vyi_arena *arena, vyre_error *err)
{
    uint64_t most = 0;
    void *memory = NULL;
    vyre_status status = vyi_fold_traits(f, arena, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < f->count; i++) {
        const vyre_op_traits *t = vyi_fold_trait(f, &f->works[i]);
        for (uint32_t bits = t ? t->reads | t->writes : 0; bits; bits &= bits - 1)
            most++;
    }
    status = vyi_set_make(&f->kinds, arena, f->count, err);
    if (status == VYRE_OK)
        status = vyi_resources_make(&f->resources, arena, most, err);
    if (status == VYRE_OK)
        status = vyi_fuse_alloc(arena, f->count, sizeof *f->stands, &memory, err);
    f->stands = (uint32_t *)memory;
    return status;
}

/* Whether a work behind `first` that runs keeps an equal one from being folded
 * into it. */
static bool vyi_fold_hazard(vyi_fold *f, const vyre_work *work, const vyre_op_traits *t,
                            uint32_t first)
{
    const uint32_t since = first + 1; /* as the marks count */
    if ((t->reads || t->writes) && f->wall > since)
        return true;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        if (!((t->reads | t->writes) >> i & 1))
            continue;
        const vyi_resource *r = vyi_resources_get(&f->resources, vyi_work_arg(work, i));
        if (r->writer > since || (r->reader > since && t->writes >> i & 1))
            return true;
    }
    return false;
}

static bool vyi_fold_reads_own(const vyre_work *work, const vyre_op_traits *t)
{
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        for (uint32_t j = 0; t->writes >> i & 1 && j < VYRE_MAX_ARGS; j++) {
            if (t->reads >> j & 1 && vyi_work_arg(work, i) == vyi_work_arg(work, j))
                return true;
        }
    }
    return false;
}

static void vyi_fold_mark(vyi_fold *f, const vyre_op_traits *t, uint32_t index)
{
    if (!t)
        f->wall = index + 1;
    for (uint32_t i = 0; t && i < VYRE_MAX_ARGS; i++) {
        if (!((t->reads | t->writes) >> i & 1))
            continue;
        vyi_resource *r = vyi_resources_get(&f->resources, vyi_work_arg(&f->works[index], i));
        if (t->reads >> i & 1)
            r->reader = index + 1;
        if (t->writes >> i & 1)
            r->writer = index + 1;
    }
}

static void vyi_fold_one(vyi_fold *f, uint32_t index)
{
    const vyre_work *work = &f->works[index];
    const vyre_op_traits *t = vyi_fold_trait(f, work);
    f->stands[index] = index;
    if (t && t->repeatable && !vyi_fold_reads_own(work, t)) {
        const vyi_work_key key = { f->works, work };
        uint32_t *cell = vyi_set_find(&f->kinds, vyi_work_hash(work), vyi_work_key_same, &key);
        if (*cell && !vyi_fold_hazard(f, work, t, *cell - 1)) {
            f->stands[index] = *cell - 1;
            f->folded++;
            return;
        }
        *cell = index + 1;
    }
    vyi_fold_mark(f, t, index);
}

static vyre_status vyi_fold_give(const vyi_fold *f, uint32_t *stands_for, vyre_duplicate *pairs,
                                 uint32_t capacity, uint32_t *pair_count, vyre_error *err)
{
    uint32_t next = 0;
    if (pairs && f->folded > capacity)
        return vyi_fail(err, VYRE_E_SPACE, f->folded, "Pass room for as many pairs as works.",
                        "%u works are folded, there is room for %u pairs", (unsigned)f->folded,
                        (unsigned)capacity);
    for (uint32_t i = 0; i < f->count; i++) {
        stands_for[i] = f->stands[i];
        if (pairs && f->stands[i] != i) {
            pairs[next].first = f->stands[i];
            pairs[next++].index = i;
        }
    }
    if (pair_count)
        *pair_count = f->folded;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_works_fold(const vyre_work *works, uint32_t count,
                                     const vyre_op_traits *traits, uint32_t trait_count,
                                     uint32_t *stands_for, vyre_duplicate *pairs,
                                     uint32_t capacity, uint32_t *pair_count,
                                     const vyre_allocator *allocator, vyre_error *err)
{
    vyi_fold f;
    vyre_status status = vyi_fuse_check(works, count, err);
    if (status < 0)
        return status;
    if ((!stands_for && count) || (!traits && trait_count))
        return vyi_fuse_null(traits || !trait_count ? "stands_for" : "the array of traits", err);
    memset(&f, 0, sizeof f);
    f.works = works;
    f.count = count;
    f.traits = traits;
    f.trait_count = trait_count;

    vyi_arena arena = vyi_fuse_arena(allocator);
    status = vyi_fold_make(&f, &arena, err);
    for (uint32_t i = 0; status == VYRE_OK && i < count; i++)
        vyi_fold_one(&f, i);
    if (status == VYRE_OK)
        status = vyi_fold_give(&f, stands_for, pairs, capacity, pair_count, err);
    vyi_arena_free(&arena);
    return status;
}

/* --- group ---------------------------------------------------------------- */

/* An opcode, and where its next work goes. */
typedef struct vyi_opcode_group {
    uint32_t opcode, next;
} vyi_opcode_group;

typedef struct vyi_group_key {
    const vyi_opcode_group *groups;
    uint32_t                opcode;
} vyi_group_key;

static bool vyi_group_same(const void *user, uint32_t index)
{
    const vyi_group_key *key = (const vyi_group_key *)user;
    return key->groups[index].opcode == key->opcode;
}

static vyi_opcode_group *vyi_group_of(const vyi_set *set, vyi_opcode_group *groups,
                                      uint32_t *count, uint32_t opcode)
{
    const vyi_group_key key = { groups, opcode };
    uint32_t *cell = vyi_set_find(set, vyi_fuse_mix(0, opcode), vyi_group_same, &key);
    if (!*cell) {
        groups[*count].opcode = opcode;
        *cell = ++*count;
    }
    return &groups[*cell - 1];
}

static void vyi_group_fill(const vyre_work *works, uint32_t count, const vyi_set *set,
                           vyi_opcode_group *groups, uint32_t *order)
{
    uint32_t group_count = 0, first = 0;
    for (uint32_t i = 0; i < count; i++)
        vyi_group_of(set, groups, &group_count, works[i].opcode)->next++;
    for (uint32_t i = 0; i < group_count; i++) {
        const uint32_t size = groups[i].next;
        groups[i].next = first;
        first += size;
    }
    for (uint32_t i = 0; i < count; i++)
        order[vyi_group_of(set, groups, &group_count, works[i].opcode)->next++] = i;
}

VYRE_API vyre_status vyre_works_group(const vyre_work *works, uint32_t count, uint32_t *order,
                                      const vyre_allocator *allocator, vyre_error *err)
{
    vyi_set set;
    void *groups = NULL;
    if (count && (!works || !order))
        return vyi_fuse_null(works ? "order" : "the array of works", err);
    vyi_arena arena = vyi_fuse_arena(allocator);
    vyre_status status = vyi_set_make(&set, &arena, count, err);
    if (status == VYRE_OK)
        status = vyi_fuse_alloc(&arena, count, sizeof(vyi_opcode_group), &groups, err);
    if (status == VYRE_OK)
        vyi_group_fill(works, count, &set, (vyi_opcode_group *)groups, order);
    vyi_arena_free(&arena);
    return status;
}

/* --- arms ----------------------------------------------------------------- */

/* The place of a key's first work. */
typedef struct vyi_arm_place {
    const vyre_work *work;
    uint32_t         arm;
} vyi_arm_place;

typedef struct vyi_arms {
    const vyre_arm *arms;
    uint32_t        count;
    bool            exact;
    vyi_set         set;
    vyi_arm_place  *places;
    uint32_t        place_count;
} vyi_arms;

typedef struct vyi_arm_key {
    const vyi_arms  *a;
    const vyre_work *work;
} vyi_arm_key;

static bool vyi_arm_same(const void *user, uint32_t index)
{
    const vyi_arm_key *key = (const vyi_arm_key *)user;
    const vyre_work *a = key->a->places[index].work, *b = key->work;
    if (key->a->exact)
        return vyi_work_same(a, b);
    return a->opcode == b->opcode && vyi_work_arg(a, 0) == vyi_work_arg(b, 0) &&
           vyi_work_arg(a, 1) == vyi_work_arg(b, 1);
}

/* The arm that has this work, or one with its key, first. */
static uint32_t vyi_arms_owner(vyi_arms *a, uint32_t arm, const vyre_work *work)
{
    const vyi_arm_key key = { a, work };
    uint64_t hash = vyi_fuse_mix(work->opcode, vyi_work_arg(work, 0));
    hash = a->exact ? vyi_work_hash(work) : vyi_fuse_mix(hash, vyi_work_arg(work, 1));
    uint32_t *cell = vyi_set_find(&a->set, hash, vyi_arm_same, &key);
    if (!*cell) {
        a->places[a->place_count].work = work;
        a->places[a->place_count].arm = arm;
        *cell = ++a->place_count;
    }
    return a->places[*cell - 1].arm;
}

/* Their number; stored in `out`, if it is not NULL. */
static uint32_t vyi_arms_walk(vyi_arms *a, vyre_redundant *out)
{
    uint32_t found = 0;
    for (uint32_t arm = 0; arm < a->count; arm++) {
        for (uint32_t i = 0; i < a->arms[arm].count; i++) {
            const uint32_t owner = vyi_arms_owner(a, arm, &a->arms[arm].works[i]);
            if (owner == arm)
                continue;
            if (out) {
                out[found].owner = owner;
                out[found].arm = arm;
                out[found].index = i;
            }
            found++;
        }
    }
    return found;
}

static vyre_status vyi_arms_check(const vyre_arm *arms, uint32_t count, uint64_t *total,
                                  vyre_error *err)
{
    if (count && !arms)
        return vyi_fuse_null("the array of arms", err);
    for (uint32_t i = 0; i < count; i++) {
        const vyre_status status = vyi_fuse_check(arms[i].works, arms[i].count, err);
        if (status < 0)
            return status;
        *total += arms[i].count;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_arms_redundant(const vyre_arm *arms, uint32_t count, bool exact,
                                         vyre_redundant *out, uint32_t capacity, uint32_t *found,
                                         const vyre_allocator *allocator, vyre_error *err)
{
    vyi_arms a;
    uint64_t total = 0;
    uint32_t redundant = 0;
    void *memory = NULL;
    vyre_status status = vyi_arms_check(arms, count, &total, err);
    if (status < 0)
        return status;
    memset(&a, 0, sizeof a);
    a.arms = arms;
    a.count = count;
    a.exact = exact;
    vyi_arena arena = vyi_fuse_arena(allocator);
    status = vyi_set_make(&a.set, &arena, total, err);
    if (status == VYRE_OK)
        status = vyi_fuse_alloc(&arena, total, sizeof *a.places, &memory, err);
    a.places = (vyi_arm_place *)memory;
    if (status == VYRE_OK) {
        redundant = vyi_arms_walk(&a, NULL);
        if (out && redundant > capacity)
            status = vyi_fail(err, VYRE_E_SPACE, redundant, "Pass room for that many.",
                              "%u works are redundant, there is room for %u",
                              (unsigned)redundant, (unsigned)capacity);
    }
    if (status == VYRE_OK && out)
        (void)vyi_arms_walk(&a, out);
    if (status == VYRE_OK && found)
        *found = redundant;
    vyi_arena_free(&arena);
    return status;
}

VYRE_API uint32_t vyre_arms_prologue(const vyre_arm *arms, uint32_t count)
{
    if (!arms || count == 0)
        return 0;
    for (uint32_t length = 0;; length++) {
        for (uint32_t i = 0; i < count; i++) {
            if (length >= arms[i].count || arms[i].works[length].arg_count > VYRE_MAX_ARGS ||
                !vyi_work_same(&arms[0].works[length], &arms[i].works[length]))
                return length;
        }
    }
}

#endif /* VYRE_NO_FUSE */

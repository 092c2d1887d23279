/* ==========================================================================
 * fuse: waves
 *
 * For each resource it is enough to know who wrote it last, and which of its
 * readers stands in the last wave, the latest of them: writers of a resource
 * stand in one wave after another, so nobody before those two stands later.
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#ifndef VYRE_NO_FUSE

enum { VYI_WAVE_NONE = 0, VYI_WAVE_WRITES = 1, VYI_WAVE_READ_AFTER = 2, VYI_WAVE_WRITE_AFTER = 3 };

typedef struct vyi_waves {
    vyi_resources resources;
    uint32_t     *wave;    /* of each work */
    uint32_t      current; /* the open stretch, if they are contiguous */
    bool          contiguous;
} vyi_waves;

/* The work that stands later; both are an index plus 1, 0 is none. */
static uint32_t vyi_waves_later(const vyi_waves *w, uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    if (w->wave[a - 1] != w->wave[b - 1])
        return w->wave[a - 1] > w->wave[b - 1] ? a : b;
    return a > b ? a : b;
}

/* The work in conflict that stands last. */
static uint32_t vyi_waves_last(vyi_waves *w, const vyre_work_access *access)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < access->read_count; i++)
        last = vyi_waves_later(w, last, vyi_resources_get(&w->resources, access->reads[i])->writer);
    for (uint32_t i = 0; i < access->write_count; i++) {
        const vyi_resource *r = vyi_resources_get(&w->resources, access->writes[i]);
        last = vyi_waves_later(w, last, r->writer);
        last = vyi_waves_later(w, last, r->reader);
    }
    return last;
}

/* What the access has against the work that stands last. */
static uint32_t vyi_waves_reason(vyi_waves *w, const vyre_work_access *access, uint32_t last)
{
    for (uint32_t i = 0; i < access->write_count; i++) {
        if (vyi_resources_get(&w->resources, access->writes[i])->writer == last)
            return VYI_WAVE_WRITES;
    }
    for (uint32_t i = 0; i < access->read_count; i++) {
        if (vyi_resources_get(&w->resources, access->reads[i])->writer == last)
            return VYI_WAVE_READ_AFTER;
    }
    return VYI_WAVE_WRITE_AFTER;
}

static void vyi_waves_mark(vyi_waves *w, const vyre_work_access *access, uint32_t index)
{
    for (uint32_t i = 0; i < access->read_count; i++) {
        vyi_resource *r = vyi_resources_get(&w->resources, access->reads[i]);
        r->reader = vyi_waves_later(w, r->reader, index + 1);
    }
    for (uint32_t i = 0; i < access->write_count; i++)
        vyi_resources_get(&w->resources, access->writes[i])->writer = index + 1;
}

static vyre_wave_why vyi_waves_one(vyi_waves *w, const vyre_work_access *access, uint32_t index)
{
    vyre_wave_why why = { 0, VYI_WAVE_NONE };
    uint32_t last = vyi_waves_last(w, access);
    if (w->contiguous && last && w->wave[last - 1] < w->current)
        last = 0; /* it ended with an earlier stretch */
    w->wave[index] = w->contiguous ? w->current : 0;
    if (last) {
        w->wave[index] = w->wave[last - 1] + 1;
        why.earlier = last - 1;
        why.reason = vyi_waves_reason(w, access, last);
    }
    if (w->wave[index] > w->current)
        w->current = w->wave[index];
    vyi_waves_mark(w, access, index);
    return why;
}

static vyre_status vyi_waves_check(const vyre_work_access *accesses, uint32_t count, uint64_t *most,
                                   vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const vyre_work_access *a = &accesses[i];
        if ((a->read_count && !a->reads) || (a->write_count && !a->writes))
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Pass an array, or a count of 0.",
                            "access %u has %u reads and %u writes, and no array of them",
                            (unsigned)i, (unsigned)a->read_count, (unsigned)a->write_count);
        *most += (uint64_t)a->read_count + a->write_count;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_waves(const vyre_work_access *accesses, uint32_t count, bool contiguous,
                                uint32_t *wave, vyre_wave_why *why, uint32_t *wave_count,
                                const vyre_allocator *allocator, vyre_error *err)
{
    vyi_waves w;
    uint64_t most = 0;
    if (count && (!accesses || !wave))
        return vyi_fuse_null(accesses ? "wave" : "the array of accesses", err);
    vyre_status status = vyi_waves_check(accesses, count, &most, err);
    if (status < 0)
        return status;
    memset(&w, 0, sizeof w);
    w.wave = wave;
    w.contiguous = contiguous;
    vyi_arena arena = vyi_fuse_arena(allocator);
    status = vyi_resources_make(&w.resources, &arena, most, err);
    for (uint32_t i = 0; status == VYRE_OK && i < count; i++) {
        const vyre_wave_why reason = vyi_waves_one(&w, &accesses[i], i);
        if (why)
            why[i] = reason;
    }
    if (status == VYRE_OK && wave_count)
        *wave_count = count ? w.current + 1 : 0;
    vyi_arena_free(&arena);
    return status;
}

#endif /* VYRE_NO_FUSE */

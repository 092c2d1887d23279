/* ==========================================================================
 * plan: regions of a buffer
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#ifndef VYRE_NO_PLAN

#define VYI_REGION_NOWHERE 0xffffffffu /* an index beyond every buffer */

static vyre_status vyi_regions_argument(uint32_t index, const char *what, uint32_t number,
                                        vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, index,
                    "Give each region an id of its own, and an align of 0, 1, 2, 4, 8 ...",
                    "region %u: %s %u", (unsigned)index, what, (unsigned)number);
}

/* The words of region `index`, which begins where the one before it ends. */
static vyre_status vyi_region_place(const vyre_region_spec *spec, uint32_t index, uint32_t end,
                                    vyre_region *out, vyre_error *err)
{
    const uint64_t records = (uint64_t)spec->record_words * spec->capacity;
    const uint32_t align = spec->align ? spec->align : 1;
    if (align & (align - 1))
        return vyi_regions_argument(index, "no power of two is its align,", align, err);
    if (records > (spec->words ? spec->words : UINT32_MAX))
        return vyi_fail(err, VYRE_E_REGION_RECORD, index,
                        "Lower record_words or capacity, or raise words.",
                        "region %u has %u records of %u words, more than its %u", (unsigned)index,
                        (unsigned)spec->capacity, (unsigned)spec->record_words,
                        (unsigned)(spec->words ? spec->words : UINT32_MAX));

    const uint64_t offset = ((uint64_t)end + align - 1) & ~(uint64_t)(align - 1);
    const uint64_t words = spec->words ? spec->words : records;
    if (offset + words > UINT32_MAX)
        return vyi_fail(err, VYRE_E_REGION_OFFSET, index, "Use several buffers.",
                        "region %u begins at word %llu and ends beyond 32 bits, %llu words later",
                        (unsigned)index, (unsigned long long)offset, (unsigned long long)words);
    out->id = spec->id;
    out->offset = (uint32_t)offset;
    out->words = (uint32_t)words;
    out->record_words = spec->record_words;
    out->capacity = spec->capacity;
    return VYRE_OK;
}

static bool vyi_regions_repeat(const vyre_region_spec *specs, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (specs[i].id == specs[index].id)
            return true;
    }
    return false;
}

/* Places all of them, into `out` if it is not NULL. */
static vyre_status vyi_regions_pass(const vyre_region_spec *specs, uint32_t count,
                                    vyre_region *out, uint32_t *total, vyre_error *err)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        vyre_region region;
        if (!out && vyi_regions_repeat(specs, i))
            return vyi_regions_argument(i, "an earlier region has its id,", specs[i].id, err);
        const vyre_status status = vyi_region_place(&specs[i], i, end, &region, err);
        if (status < 0)
            return status;
        end = region.offset + region.words;
        if (out)
            out[i] = region;
    }
    *total = end;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_regions_make(const vyre_region_spec *specs, uint32_t count,
                                       vyre_region *out, uint32_t *total_words, vyre_error *err)
{
    uint32_t total = 0;
    if (count && (!specs || !out))
        return vyi_plan_argument(specs ? "the array of regions" : "the array of specs", err);
    vyre_status status = vyi_regions_pass(specs, count, NULL, &total, err);
    if (status < 0)
        return status;
    status = vyi_regions_pass(specs, count, out, &total, err);
    VYRE_ASSERT(status == VYRE_OK);
    if (total_words)
        *total_words = total;
    return status;
}

VYRE_API vyre_status vyre_region_find(const vyre_region *regions, uint32_t count, uint32_t id,
                                      vyre_region *out, vyre_error *err)
{
    if (!out || (count && !regions))
        return vyi_plan_argument(out ? "the array of regions" : "the region", err);
    for (uint32_t i = 0; i < count; i++) {
        if (regions[i].id == id) {
            *out = regions[i];
            return VYRE_OK;
        }
    }
    return vyi_fail(err, VYRE_E_ARGUMENT, id, "Pass the id of one of the regions.",
                    "none of the %u regions has the id %u", (unsigned)count, (unsigned)id);
}

VYRE_API vyre_value vyre_emit_region_word(vyre_program *p, const vyre_region *r,
                                          vyre_value record, uint32_t word)
{
    /* Not as a literal: a program that indexes a buffer with one is refused. */
    const vyre_value nowhere = vyre_ir_not(p, vyre_ir_u32(p, ~VYI_REGION_NOWHERE));
    if (!r || word >= r->record_words)
        return nowhere;
    const vyre_value capacity = vyre_ir_u32(p, r->capacity);
    const vyre_value inside = vyre_ir_lt(p, record, capacity);
    const vyre_value size = vyre_ir_u32(p, r->record_words);
    const vyre_value first = vyre_ir_u32(p, r->offset + word);
    const vyre_value start = vyre_ir_mul(p, record, size);
    return vyre_ir_select(p, inside, vyre_ir_add(p, first, start), nowhere);
}

#endif /* VYRE_NO_PLAN */

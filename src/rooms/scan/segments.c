/* ==========================================================================
 * scan: files in segments
 * ======================================================================= */
#include "rooms/scan/scan_impl.h"

#ifndef VYRE_NO_SCAN

VYRE_API uint64_t vyre_segments_count(const uint32_t *sizes, uint32_t files, uint32_t width)
{
    uint64_t count = 0;
    if (!sizes || width == 0)
        return 0;
    for (uint32_t i = 0; i < files; i++)
        count += ((uint64_t)sizes[i] + width - 1) / width;
    return count;
}

/* Those of one file; returns the end of them. */
static vyre_segment *vyi_segments_file(uint32_t file, uint32_t size, uint32_t width,
                                       uint32_t overlap, vyre_segment *out)
{
    for (uint32_t start = 0; start < size; out++) {
        out->file = file;
        out->scan_start = start > overlap ? start - overlap : 0;
        out->emit_start = start;
        out->emit_end = size - start > width ? start + width : size;
        start = out->emit_end;
    }
    return out;
}

VYRE_API vyre_status vyre_segments_make(const uint32_t *sizes, uint32_t files, uint32_t width,
                                        uint32_t overlap, vyre_segment *out, uint64_t capacity,
                                        uint64_t *count, vyre_error *err)
{
    if (!count || (files && !sizes))
        return vyi_scan_argument(count ? "the array of sizes" : "the count", err);
    if (width == 0)
        return vyi_fail(err, VYRE_E_SEGMENT_WIDTH, 0,
                        "Pass a width of 1 or more; 4294967295 leaves each file whole.",
                        "%u files cannot be cut into segments of 0 bytes", (unsigned)files);
    const uint64_t needed = vyre_segments_count(sizes, files, width);
    if (needed > capacity)
        return vyi_fail(err, VYRE_E_SPACE, needed,
                        "Ask vyre_segments_count, or pass a greater width.",
                        "%llu segments do not fit the %llu that there is room for",
                        (unsigned long long)needed, (unsigned long long)capacity);
    if (needed && !out)
        return vyi_scan_argument("the array of segments", err);
    for (uint32_t i = 0; i < files; i++)
        out = vyi_segments_file(i, sizes[i], width, overlap, out);
    *count = needed;
    return VYRE_OK;
}

#endif /* VYRE_NO_SCAN */

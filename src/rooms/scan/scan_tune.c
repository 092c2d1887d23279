/* ==========================================================================
 * scan, live: which width is the fastest
 * ======================================================================= */
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_SCAN_REPEATS 5u

/* Once over the segments; *ns is 0 when it was not complete. */
static vyre_status vyi_scan_time(vyre_scan *s, vyi_scan_bank *b, uint32_t width, uint64_t *ns,
                                 vyre_error *err)
{
    const uint64_t begin = vyi_now();
    uint32_t found = 0;
    vyi_scan_begin(s, b, false, width);
    *ns = 0;
    if (b->items == 0 || b->items > b->step)
        return VYRE_OK;
    vyre_status status = vyi_scan_publish(s, b, err);
    if (status == VYRE_OK)
        status = vyi_scan_wait(s, b, &found, err);
    if (status == VYRE_OK && found <= s->places)
        *ns = vyi_now() - begin;
    return status;
}

/* The best of `repeats`, after one that does not count; UINT64_MAX: none was complete. */
static vyre_status vyi_scan_try(vyre_scan *s, vyi_scan_bank *b, uint32_t width, uint32_t repeats,
                                uint64_t *best, vyre_error *err)
{
    uint64_t segments = 0, ns = 0;
    for (uint32_t i = 0; i < b->piece_count; i++)
        segments += vyre_segments_count(&b->pieces[i].size, 1, width);
    *best = UINT64_MAX;
    if (width == 0 || width > s->width_most || segments > s->bank_segments)
        return VYRE_OK;
    vyre_status status = vyi_scan_cut(s, b, width, err);
    for (uint32_t i = 0; i <= repeats && status == VYRE_OK; i++) {
        status = vyi_scan_time(s, b, width, &ns, err);
        if (i > 0 && ns && ns < *best)
            *best = ns;
    }
    return status;
}

VYRE_API vyre_status vyre_scan_tune(vyre_scan *s, const uint32_t *widths, uint32_t count,
                                    uint32_t repeats, vyre_error *err)
{
    static const uint32_t standard[] = { 4096, 2048, 1024, 512, 256, 128, 64 };
    uint64_t least = UINT64_MAX;
    uint32_t width = 0;
    if (!s)
        return vyi_scan_argument("the scan", err);
    if (!widths)
        count = sizeof standard / sizeof standard[0];
    for (uint32_t i = 0; i < count && s->last != VYI_SCAN_NONE; i++) {
        const uint32_t tried = widths ? widths[i] : standard[i];
        uint64_t ns;
        const vyre_status status = vyi_scan_try(s, &s->banks[s->last], tried,
                                                repeats ? repeats : VYI_SCAN_REPEATS, &ns, err);
        if (status != VYRE_OK)
            return status;
        if (ns < least || (ns == least && ns != UINT64_MAX && tried > width)) {
            least = ns;
            width = tried;
        }
    }
    if (width == 0)
        return vyi_fail(err, VYRE_E_SCAN_TUNE, count, "Scan a text with few hits first, and try "
                        "widths up to vyre_scan_desc.hits.", "none of %u widths gave a complete "
                        "scan of what the last run left", (unsigned)count);
    s->width = width;
    return VYRE_OK;
}

#endif /* VYRE_NO_SCAN */

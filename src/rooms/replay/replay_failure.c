/* ==========================================================================
 * replay: which kind of failure
 * ======================================================================= */
#include "rooms/replay/replay.h"
#include "base/base_impl.h"

#ifndef VYRE_NO_REPLAY

/* --- by status ----------------------------------------------------------- */

typedef struct vyi_failure_range {
    int32_t      first, last; /* statuses, the greater first */
    vyre_failure failure;
    uint32_t     code;
} vyi_failure_range;

/* The first that fits counts. */
static const vyi_failure_range vyi_failure_ranges[] = {
    { VYRE_FULL, VYRE_FULL, VYRE_FAILURE_TRANSIENT, 1999 },
    { VYRE_TIMEOUT, VYRE_TIMEOUT, VYRE_FAILURE_TRANSIENT, 1999 },
    { VYRE_E_NOMEM, VYRE_E_NOMEM, VYRE_FAILURE_TRANSIENT, 1001 },
    { VYRE_E_BUDGET, VYRE_E_BUDGET, VYRE_FAILURE_TRANSIENT, 1001 },
    { VYRE_E_VK_HOST_MEMORY, VYRE_E_VK_DEVICE_MEMORY, VYRE_FAILURE_UNCLASSIFIED, 1001 },
    { VYRE_E_VK_FEATURE, VYRE_E_VK_FEATURE, VYRE_FAILURE_UNCLASSIFIED, 1002 },
    { VYRE_E_DEVICE_LOST, VYRE_E_DEVICE_LOST, VYRE_FAILURE_DEVICE_LOSS, 1005 },
    { VYRE_E_LEASE, VYRE_E_LEASE, VYRE_FAILURE_DEVICE_LOSS, 1005 },
    { VYRE_E_LAUNCH, VYRE_E_LAUNCH, VYRE_FAILURE_UNCLASSIFIED, 1005 },
    { VYRE_E_IR_FINISHED, -139, VYRE_FAILURE_PROGRAM, 1006 },
    { VYRE_E_KERNEL_KIND, -159, VYRE_FAILURE_PROGRAM, 1004 },
    { VYRE_E_SPIRV_VERSION, VYRE_E_SPIRV_MODEL, VYRE_FAILURE_PROGRAM, 1004 },
    { VYRE_E_GLSL_UNAVAILABLE, VYRE_E_GLSL_SOURCE, VYRE_FAILURE_PROGRAM, 1004 },
};

static const vyi_failure_range *vyi_failure_find(vyre_status status)
{
    const size_t count = sizeof vyi_failure_ranges / sizeof vyi_failure_ranges[0];
    for (size_t i = 0; i < count; i++) {
        const vyi_failure_range *range = &vyi_failure_ranges[i];
        if (status <= range->first && status >= range->last)
            return range;
    }
    return NULL;
}

VYRE_API vyre_failure vyre_failure_of(vyre_status status)
{
    const vyi_failure_range *range = vyi_failure_find(status);
    if (range)
        return range->failure;
    return status < 0 ? VYRE_FAILURE_UNCLASSIFIED : VYRE_FAILURE_NONE;
}

VYRE_API uint32_t vyre_failure_code(vyre_status status)
{
    const vyi_failure_range *range = vyi_failure_find(status);
    if (range)
        return range->code;
    return status < 0 ? 1999 : 0;
}

/* --- by text ------------------------------------------------------------- */

typedef struct vyi_failure_marker {
    const char  *text; /* in lower case */
    vyre_failure failure;
} vyi_failure_marker;

/* The first that occurs counts. */
static const vyi_failure_marker vyi_failure_markers[] = {
    { "device lost", VYRE_FAILURE_DEVICE_LOSS },
    { "devicelost", VYRE_FAILURE_DEVICE_LOSS },
    { "context lost", VYRE_FAILURE_DEVICE_LOSS },
    { "lost device", VYRE_FAILURE_DEVICE_LOSS },
    { "adapter lost", VYRE_FAILURE_DEVICE_LOSS },
    { "gpu reset", VYRE_FAILURE_DEVICE_LOSS },
    { "device_error_context_is_destroyed", VYRE_FAILURE_DEVICE_LOSS },
    { "device_error_context_is_current", VYRE_FAILURE_DEVICE_LOSS },
    { "device_error_deinitialized", VYRE_FAILURE_DEVICE_LOSS },
    { "stale pipeline", VYRE_FAILURE_DEVICE_LOSS },
    { "queue full", VYRE_FAILURE_TRANSIENT },
    { "backpressure", VYRE_FAILURE_TRANSIENT },
    { "temporarily unavailable", VYRE_FAILURE_TRANSIENT },
    { "try again", VYRE_FAILURE_TRANSIENT },
    { "would block", VYRE_FAILURE_TRANSIENT },
    { "timeout", VYRE_FAILURE_TRANSIENT },
    { "timed out", VYRE_FAILURE_TRANSIENT },
    { "out of memory", VYRE_FAILURE_TRANSIENT },
    { "invalid program", VYRE_FAILURE_PROGRAM },
    { "kernel-source compile failed", VYRE_FAILURE_PROGRAM },
    { "compile failed", VYRE_FAILURE_PROGRAM },
    { "unsupported feature", VYRE_FAILURE_PROGRAM },
    { "validation failed", VYRE_FAILURE_PROGRAM },
    { "lowering failed", VYRE_FAILURE_PROGRAM },
    { "type error", VYRE_FAILURE_PROGRAM },
};

/* Whether `text` begins with `marker`; of ASCII letters the case does not count. */
static bool vyi_failure_begins(const char *text, const char *marker)
{
    for (; *marker; marker++, text++) {
        const char c = *text;
        const char lower = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (lower != *marker)
            return false;
    }
    return true;
}

static bool vyi_failure_occurs(const char *text, const char *marker)
{
    for (; *text; text++) {
        if (vyi_failure_begins(text, marker))
            return true;
    }
    return false;
}

VYI_COLD
VYRE_API vyre_failure vyre_failure_of_text(const char *text)
{
    const size_t count = sizeof vyi_failure_markers / sizeof vyi_failure_markers[0];
    for (size_t i = 0; text && i < count; i++) {
        if (vyi_failure_occurs(text, vyi_failure_markers[i].text))
            return vyi_failure_markers[i].failure;
    }
    return VYRE_FAILURE_UNCLASSIFIED;
}

#endif /* VYRE_NO_REPLAY */

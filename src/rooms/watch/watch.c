/* ==========================================================================
 * watch: implementation of what needs bytes only
 * ======================================================================= */
#include "rooms/watch/watch_impl.h"

#ifndef VYRE_NO_WATCH

VYI_STATIC_ASSERT(watch_states, VYRE_WATCH_STATES == VYRE_SLOT_UNKNOWN + 1);
VYI_STATIC_ASSERT(watch_tenants, VYRE_CONTROL_TENANT_FAIRNESS + 32 == VYRE_CONTROL_METRICS);

/* --- a look -------------------------------------------------------------- */

static const uint32_t vyi_watch_runnable =
    1u << VYRE_SLOT_PUBLISHED | 1u << VYRE_SLOT_CLAIMED | 1u << VYRE_SLOT_WAIT_IO |
    1u << VYRE_SLOT_YIELD | 1u << VYRE_SLOT_REQUEUE;

static bool vyi_watch_is_runnable(uint32_t state)
{
    return (vyi_watch_runnable >> state & 1u) != 0;
}

static vyre_status vyi_watch_no_out(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* A ring whose slots have 32-bit numbers. */
static vyre_status vyi_watch_ring(const void *ring, size_t size, vyre_error *err)
{
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status >= 0 && size / VYRE_SLOT_BYTES > UINT32_MAX)
        return vyi_fail(err, VYRE_E_OVF, size / VYRE_SLOT_BYTES,
                        "Look at parts of the ring, one after the other.",
                        "a ring of %llu slots is more than 32 bits can count",
                        (unsigned long long)(size / VYRE_SLOT_BYTES));
    return status;
}

static vyre_status vyi_watch_both(const void *control, size_t control_size, const void *ring,
                                  size_t ring_size, vyre_error *err)
{
    vyre_status status = vyre_control_check(control, control_size, err);
    return status < 0 ? status : vyi_watch_ring(ring, ring_size, err);
}

/* Pairs with the release of whoever changed the state. */
static uint32_t vyi_watch_state(const void *ring, size_t slot)
{
    return (uint32_t)vyi_slot_state_of(
        vyi_wire_load(ring, slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS));
}

static uint32_t vyi_watch_slot_word(const void *ring, size_t slot, uint32_t word)
{
    return vyi_wire_get(ring, slot * VYRE_SLOT_WORDS + word);
}

static void vyi_watch_words(const void *control, uint32_t first, uint32_t count, uint32_t *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = vyi_wire_load(control, first + i);
}

/* Sum of the words, and the difference between the greatest and the least that is not 0. */
static uint64_t vyi_watch_spread(const uint32_t *words, uint32_t count, uint32_t *skew)
{
    uint32_t least = 0, most = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += words[i];
        if (words[i] && (least == 0 || words[i] < least))
            least = words[i];
        if (words[i] > most)
            most = words[i];
    }
    *skew = most - least;
    return sum;
}

VYI_API void vyi_watch_control(const void *control, vyre_watch *w)
{
    uint32_t skew;
    w->shutdown = vyi_wire_load(control, VYRE_CONTROL_SHUTDOWN) != 0;
    w->done = vyi_wire_load(control, VYRE_CONTROL_DONE_COUNT);
    w->epoch = vyi_wire_load(control, VYRE_CONTROL_EPOCH);
    w->faults = vyi_wire_load(control, VYRE_CONTROL_FAULT_COUNT);
    w->log_dropped = vyi_wire_load(control, VYRE_CONTROL_LOG_DROPPED);
    w->heartbeat = vyi_wire_load(control, VYRE_CONTROL_HEARTBEAT);
    w->requeues = vyi_wire_load(control, VYRE_CONTROL_REQUEUES);
    w->promoted = vyi_wire_load(control, VYRE_CONTROL_PROMOTED);
    vyi_watch_words(control, VYRE_CONTROL_METRICS, VYRE_METRICS, w->metrics);
    vyi_watch_words(control, VYRE_CONTROL_TENANT_FAIRNESS, 32, w->tenant_claims);
    vyi_watch_words(control, VYRE_CONTROL_PRIORITY_FAIRNESS, VYRE_PRIORITY_LEVELS,
                    w->priority_claims);
    w->tenant_total = vyi_watch_spread(w->tenant_claims, 32, &w->tenant_skew);
    w->priority_total = vyi_watch_spread(w->priority_claims, VYRE_PRIORITY_LEVELS, &skew);
}

VYI_API void vyi_watch_states(const void *ring, size_t slots, vyre_watch *w)
{
    for (size_t slot = 0; slot < slots; slot++)
        w->states[vyi_watch_state(ring, slot)]++;
}

VYI_API void vyi_watch_derive(vyre_watch *w)
{
    uint64_t slots = 0;
    w->runnable = 0;
    for (uint32_t state = 0; state < VYRE_WATCH_STATES; state++) {
        slots += w->states[state];
        if (vyi_watch_is_runnable(state))
            w->runnable += w->states[state];
    }
    VYRE_ASSERT(slots <= UINT32_MAX);
    w->slots = (uint32_t)slots;
    w->depth = w->slots - w->states[VYRE_SLOT_EMPTY] - w->states[VYRE_SLOT_DONE];
    if (slots == 0)
        return;
    const uint64_t empty = w->states[VYRE_SLOT_EMPTY];
    w->idle_ppm = (uint32_t)(empty * 1000000u / slots);
    w->density_bps = (uint16_t)(w->depth * 10000ull / slots);
    w->occupancy_bps = (uint16_t)((slots - empty) * 10000u / slots);
}

VYRE_API vyre_status vyre_watch_decode(const void *control, size_t control_size, const void *ring,
                                       size_t ring_size, vyre_watch *out, vyre_error *err)
{
    if (!out)
        return vyi_watch_no_out("the look", err);
    vyre_status status = vyi_watch_both(control, control_size, ring, ring_size, err);
    if (status < 0)
        return status;
    memset(out, 0, sizeof *out);
    vyi_watch_control(control, out);
    vyi_watch_states(ring, ring_size / VYRE_SLOT_BYTES, out);
    vyi_watch_derive(out);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_watch_health(const vyre_watch *before, const vyre_watch *now,
                                       vyre_health *out, vyre_error *err)
{
    if (!before || !now)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Take two looks with vyre_watch_decode().",
                        "the %s look is NULL", before ? "later" : "earlier");
    if (!out)
        return vyi_watch_no_out("the health", err);
    out->done_delta = now->done - before->done;
    out->depth = now->depth;
    out->faults = now->states[VYRE_SLOT_FAULTED];
    out->requeues = now->states[VYRE_SLOT_REQUEUE];
    out->idle_ppm = now->idle_ppm;
    out->stalled = now->runnable > 0 && out->done_delta == 0;
    return VYRE_OK;
}

/* a * x <= b * y; a and b have 14 bits. */
static bool vyi_ratio_at_most(uint32_t a, uint64_t x, uint32_t b, uint64_t y)
{
    const uint64_t ax = a * (x & 0xffffffffu), by = b * (y & 0xffffffffu);
    const uint64_t high_ax = a * (x >> 32) + (ax >> 32), high_by = b * (y >> 32) + (by >> 32);
    if (high_ax != high_by)
        return high_ax < high_by;
    return (uint32_t)ax <= (uint32_t)by;
}

/* The greatest q with q * (part + rest) <= 10000 * part, whose sum may need 65 bits. */
VYRE_API uint32_t vyre_ratio_bps(uint64_t part, uint64_t rest)
{
    uint32_t ratio = 0;
    if (part == 0)
        return 0;
    for (uint32_t bit = 1u << 13; bit; bit >>= 1) {
        const uint32_t next = ratio | bit;
        if (next <= 10000u && vyi_ratio_at_most(next, rest, 10000u - next, part))
            ratio = next;
    }
    return ratio;
}

/* --- windows ------------------------------------------------------------- */

static int vyi_window_compare(const vyre_watch_window *a, const vyre_watch_window *b)
{
    if (a->ticket != b->ticket)
        return a->ticket < b->ticket ? -1 : 1;
    if (a->opcode != b->opcode)
        return a->opcode < b->opcode ? -1 : 1;
    if (a->tenant != b->tenant)
        return a->tenant < b->tenant ? -1 : 1;
    return 0;
}

/* Windows that are found at a time. */
#define VYI_WINDOW_BATCH 32u

typedef struct vyi_window_scan {
    const uint32_t   *opcodes;
    uint32_t          opcode_count;
    vyre_watch_window found[VYI_WINDOW_BATCH]; /* the least ones after `after`, ascending */
    uint32_t          count;
    vyre_watch_window after;
    bool              begun; /* `after` is one */
} vyi_window_scan;

static bool vyi_window_opcode(const vyi_window_scan *scan, uint32_t opcode)
{
    for (uint32_t i = 0; i < scan->opcode_count; i++) {
        if (scan->opcodes[i] == opcode)
            return true;
    }
    return false;
}

/* The place of `key` among the windows found, made if it belongs there; NULL: it
 * is before them, or after a batch that is full. */
static vyre_watch_window *vyi_window_place(vyi_window_scan *scan, const vyre_watch_window *key)
{
    uint32_t low = 0, high = scan->count;
    if (scan->begun && vyi_window_compare(key, &scan->after) <= 0)
        return NULL;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = vyi_window_compare(&scan->found[middle], key);
        if (order == 0)
            return &scan->found[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == VYI_WINDOW_BATCH)
        return NULL;
    if (scan->count < VYI_WINDOW_BATCH)
        scan->count++;
    memmove(&scan->found[low + 1], &scan->found[low],
            (scan->count - 1 - low) * sizeof scan->found[0]);
    scan->found[low] = *key;
    return &scan->found[low];
}

static void vyi_window_slot(vyi_window_scan *scan, const void *ring, size_t slot)
{
    const uint32_t state = vyi_watch_state(ring, slot);
    if (state == VYRE_SLOT_EMPTY || state == VYRE_SLOT_UNKNOWN)
        return;
    vyre_watch_window key;
    memset(&key, 0, sizeof key);
    key.opcode = vyi_watch_slot_word(ring, slot, VYRE_SLOT_OPCODE);
    if (!vyi_window_opcode(scan, key.opcode))
        return;
    key.tenant = vyi_watch_slot_word(ring, slot, VYRE_SLOT_TENANT);
    key.ticket = vyi_watch_slot_word(ring, slot, VYRE_SLOT_ARGS);
    vyre_watch_window *w = vyi_window_place(scan, &key);
    if (!w)
        return;
    const uint32_t kind = vyi_watch_slot_word(ring, slot, VYRE_SLOT_ARGS + 1);
    w->required += kind == VYRE_WINDOW_REQUIRED;
    w->lookahead += kind == VYRE_WINDOW_LOOKAHEAD;
    w->other += kind != VYRE_WINDOW_REQUIRED && kind != VYRE_WINDOW_LOOKAHEAD;
    w->states[state]++;
    w->active = w->active || vyi_watch_is_runnable(state);
}

/* The next windows in order: false when there are none.  A window that leaves a
 * full batch is greater than all in it, so it does not come back, and each that is
 * there at the end has been there since its first slot. */
static bool vyi_window_next(vyi_window_scan *scan, const void *ring, size_t slots)
{
    if (scan->count) {
        scan->after = scan->found[scan->count - 1];
        scan->begun = true;
        scan->count = 0;
    }
    for (size_t slot = 0; slot < slots; slot++)
        vyi_window_slot(scan, ring, slot);
    return scan->count > 0;
}

/* Writes up to `capacity` of them when there is an `out`, and counts them all
 * when there is none. */
static uint32_t vyi_window_all(vyi_window_scan *scan, const void *ring, size_t slots,
                               vyre_watch_window *out, uint32_t capacity)
{
    uint32_t total = 0;
    scan->begun = false;
    scan->count = 0;
    while (vyi_window_next(scan, ring, slots)) {
        for (uint32_t i = 0; i < scan->count; i++, total++) {
            if (out && total == capacity)
                return total;
            if (out)
                out[total] = scan->found[i];
        }
    }
    return total;
}

static vyre_status vyi_watch_space(uint32_t needed, uint32_t capacity, const char *what,
                                   vyre_error *err)
{
    return vyi_fail(err, VYRE_E_SPACE, needed, "Pass an array of *count elements.",
                    "there are %u %s, and room for %u", (unsigned)needed, what,
                    (unsigned)capacity);
}

/* An array of the caller's and its count. */
static vyre_status vyi_watch_array(const void *array, uint32_t capacity, const void *count,
                                   const char *what, vyre_error *err)
{
    if (!count)
        return vyi_watch_no_out("the count", err);
    return vyi_wire_pointer(array, capacity, what, err);
}

VYRE_API vyre_status vyre_watch_windows(const void *ring, size_t size, const uint32_t *opcodes,
                                        uint32_t opcode_count, vyre_watch_window *out,
                                        uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_watch_array(out, capacity, count, "the array of windows", err);
    if (status >= 0)
        status = vyi_wire_pointer(opcodes, opcode_count, "the list of opcodes", err);
    if (status >= 0)
        status = vyi_watch_ring(ring, size, err);
    if (status < 0)
        return status;
    vyi_window_scan scan;
    const size_t slots = size / VYRE_SLOT_BYTES;
    scan.opcodes = opcodes;
    scan.opcode_count = opcode_count;
    if (capacity < slots) { /* a window has a slot at least */
        const uint32_t needed = vyi_window_all(&scan, ring, slots, NULL, 0);
        if (needed > capacity) {
            *count = needed;
            return vyi_watch_space(needed, capacity, "windows", err);
        }
    }
    *count = out ? vyi_window_all(&scan, ring, slots, out, capacity) : 0;
    return VYRE_OK;
}

/* Writes up to `capacity` of them when there is an `out`, and counts them all. */
static uint32_t vyi_watch_active_all(const void *ring, size_t slots, uint32_t opcode,
                                     uint32_t *out, uint32_t capacity)
{
    uint32_t total = 0;
    for (size_t slot = 0; slot < slots; slot++) {
        if (!vyi_watch_is_runnable(vyi_watch_state(ring, slot)) ||
            vyi_watch_slot_word(ring, slot, VYRE_SLOT_OPCODE) != opcode)
            continue;
        if (out && total == capacity)
            break;
        if (out)
            out[total] = (uint32_t)slot;
        total++;
    }
    return total;
}

VYRE_API vyre_status vyre_watch_active(const void *ring, size_t size, uint32_t opcode,
                                       uint32_t *slots, uint32_t capacity, uint32_t *count,
                                       vyre_error *err)
{
    vyre_status status = vyi_watch_array(slots, capacity, count, "the array of slots", err);
    if (status >= 0)
        status = vyi_watch_ring(ring, size, err);
    if (status < 0)
        return status;
    const size_t all = size / VYRE_SLOT_BYTES;
    if (capacity < all) {
        const uint32_t needed = vyi_watch_active_all(ring, all, opcode, NULL, 0);
        if (needed > capacity) {
            *count = needed;
            return vyi_watch_space(needed, capacity, "runnable slots", err);
        }
    }
    *count = slots ? vyi_watch_active_all(ring, all, opcode, slots, capacity) : 0;
    return VYRE_OK;
}

/* --- a look into sketches ------------------------------------------------ */

static void vyi_watch_count(vyre_sketch *s, uint32_t key, uint64_t amount)
{
    if (s)
        vyre_sketch_add(s, key, amount);
}

VYRE_API vyre_status vyre_watch_sketch(const void *control, size_t control_size, const void *ring,
                                       size_t ring_size, const vyre_watch_sketches *s,
                                       vyre_error *err)
{
    if (!s)
        return vyi_watch_no_out("the list of sketches", err);
    vyre_status status = vyi_watch_both(control, control_size, ring, ring_size, err);
    if (status < 0)
        return status;
    for (size_t slot = 0; slot < ring_size / VYRE_SLOT_BYTES; slot++) {
        const uint32_t raw = vyi_wire_load(ring, slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
        const uint32_t opcode = vyi_watch_slot_word(ring, slot, VYRE_SLOT_OPCODE);
        vyi_watch_count(s->states, raw, 1);
        if (raw == VYRE_SLOT_EMPTY)
            continue;
        vyi_watch_count(s->opcodes, opcode, 1);
        vyi_watch_count(s->tenants, vyi_watch_slot_word(ring, slot, VYRE_SLOT_TENANT), 1);
        if (vyi_watch_is_runnable((uint32_t)vyi_slot_state_of(raw)))
            vyi_watch_count(s->active_opcodes, opcode, 1);
    }
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        vyi_watch_count(s->metrics, i, vyi_wire_load(control, VYRE_CONTROL_METRICS + i));
    return VYRE_OK;
}

#endif /* VYRE_NO_WATCH */

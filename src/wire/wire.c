/* ==========================================================================
 * wire: implementation
 * ======================================================================= */
#include "wire/wire_impl.h"

VYI_STATIC_ASSERT(wire_masks_before_quotas,
                  VYRE_CONTROL_TENANT_MASKS + VYRE_MAX_TENANTS == VYRE_CONTROL_TENANT_QUOTAS);
VYI_STATIC_ASSERT(wire_quotas_before_fairness,
                  VYRE_CONTROL_TENANT_QUOTAS + VYRE_TENANT_QUOTAS == VYRE_CONTROL_TENANT_FAIRNESS);
VYI_STATIC_ASSERT(wire_metrics_before_epoch,
                  VYRE_CONTROL_METRICS + VYRE_METRICS == VYRE_CONTROL_EPOCH);
VYI_STATIC_ASSERT(wire_offsets_before_starvation,
                  VYRE_CONTROL_PRIORITY_OFFSETS + VYRE_PRIORITY_LEVELS + 1 ==
                      VYRE_CONTROL_STARVATION);
VYI_STATIC_ASSERT(wire_header_before_observables,
                  VYRE_CONTROL_MIN_WORDS == VYRE_CONTROL_OBSERVABLES);
VYI_STATIC_ASSERT(wire_slot_bytes, VYRE_SLOT_BYTES == 4 * VYRE_SLOT_WORDS);
VYI_STATIC_ASSERT(wire_slot_args, VYRE_SLOT_ARGS + VYRE_MAX_ARGS == VYRE_SLOT_WORDS);
VYI_STATIC_ASSERT(wire_io_slot_bytes, VYRE_IO_SLOT_BYTES == 4 * VYRE_IO_SLOT_WORDS);

/* --- opcodes ------------------------------------------------------------- */

#define VYI_OPCODE_RESERVED_FIRST 0x0000fff0u
#define VYI_OPCODE_RESERVED_LAST  0x0000ffffu
#define VYI_OPCODE_SYSTEM         0x80000000u

VYRE_API bool vyre_opcode_is_builtin(uint32_t op)
{
    return op < VYRE_OP_USER || op == VYRE_OP_PACKED_SLOT || op == VYRE_OP_PRINTF ||
           op == VYRE_OP_SHUTDOWN;
}

VYRE_API bool vyre_opcode_is_user(uint32_t op)
{
    if (op < VYRE_OP_USER || (op & VYI_OPCODE_SYSTEM))
        return false;
    return op < VYI_OPCODE_RESERVED_FIRST || op > VYI_OPCODE_RESERVED_LAST;
}

VYRE_API bool vyre_opcode_publishable(uint32_t op)
{
    return vyre_opcode_is_builtin(op) || vyre_opcode_is_user(op);
}

VYI_COLD
VYRE_API const char *vyre_opcode_name(uint32_t op)
{
    switch (op) {
#define VYI_OPCODE_CASE(name, number, text) case number: return #name;
    VYRE_OPCODE_LIST(VYI_OPCODE_CASE)
#undef VYI_OPCODE_CASE
    default: return vyre_opcode_is_user(op) ? "USER" : "RESERVED";
    }
}

VYI_COLD
VYRE_API const char *vyre_slot_state_name(vyre_slot_state state)
{
    static const char *const names[] = {
        "EMPTY", "PUBLISHED", "CLAIMED", "DONE", "WAIT_IO", "YIELD", "REQUEUE", "FAULT"
    };
    return (uint32_t)state < VYRE_SLOT_UNKNOWN ? names[state] : "UNKNOWN";
}

/* --- shared checks ------------------------------------------------------- */

VYI_API vyre_status vyi_wire_pointer(const void *at, size_t size, const char *what,
                                     vyre_error *err)
{
    if (at || size == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the memory that the length speaks of.",
                    "%s is NULL with a length of %llu bytes", what, (unsigned long long)size);
}

VYI_API vyre_status vyi_priority_check(vyre_priority priority, uint64_t at, const char *what,
                                       vyre_error *err)
{
    if (vyi_priority_wire(priority) != VYI_PRIORITY_NO_WIRE)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_PRIORITY, at, "Pass one of the five levels of vyre_priority.",
                    "%s has the unknown priority %u", what, (unsigned)priority);
}

static vyre_status vyi_wire_no_out(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* The memory that an encoder writes `needed` bytes to. */
static vyre_status vyi_wire_room(const void *dst, size_t size, size_t needed, const char *what,
                                 vyre_error *err)
{
    if (size < needed)
        return vyi_fail(err, VYRE_E_SPACE, needed, "Ask the matching size function, and pass that.",
                        "%s needs %llu bytes, not %llu", what, (unsigned long long)needed,
                        (unsigned long long)size);
    return needed ? vyi_wire_pointer(dst, size, what, err) : VYRE_OK;
}

static vyre_status vyi_wire_over_cap(uint32_t count, uint32_t cap, const char *what,
                                     vyre_error *err)
{
    VYRE_ASSERT(count > cap);
    return vyi_fail(err, VYRE_E_OVF, count, "Ask for less, or split the work over several.",
                    "%u %s exceed the encoder's cap of %u", (unsigned)count, what, (unsigned)cap);
}

static vyre_status vyi_wire_misaligned(size_t size, unsigned unit, const char *what,
                                       vyre_error *err)
{
    VYRE_ASSERT(unit && size % unit != 0);
    return vyi_fail(err, VYRE_E_MISALIGN, size, "Pass the whole buffer, not a part of it.",
                    "%s of %llu bytes is no multiple of %u bytes", what,
                    (unsigned long long)size, unit);
}

static vyre_status vyi_wire_missing(size_t size, uint64_t word, const char *what, vyre_error *err)
{
    VYRE_ASSERT(word >= size / 4);
    return vyi_fail(err, VYRE_E_MISSING, word, "Pass the whole buffer, and check the index.",
                    "word %llu lies outside the %s of %llu bytes", (unsigned long long)word, what,
                    (unsigned long long)size);
}

/* Bytes of `words` 32-bit words; 0 when a length cannot hold them. */
static size_t vyi_wire_bytes(uint64_t words)
{
    return words <= UINT32_MAX && words <= SIZE_MAX / 4 ? (size_t)words * 4 : 0;
}

/* --- control ------------------------------------------------------------- */

VYRE_API size_t vyre_control_size(uint32_t observables)
{
    return vyi_wire_bytes((uint64_t)VYRE_CONTROL_OBSERVABLES + observables);
}

static void vyi_control_fill(void *dst, uint32_t first, uint32_t limit, uint32_t count,
                             uint32_t value)
{
    VYRE_ASSERT(first <= limit);
    for (uint32_t i = 0; i < count && first + i < limit; i++)
        vyi_set_word(dst, first + i, value);
}

VYI_COLD
VYRE_API vyre_status vyre_control_encode(void *dst, size_t size, const vyre_control_desc *desc,
                                         vyre_error *err)
{
    if (!desc)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a zero-initialised vyre_control_desc.",
                        "the description of the control buffer is NULL");
    if (desc->observables > VYRE_MAX_OBSERVABLES)
        return vyi_wire_over_cap(desc->observables, VYRE_MAX_OBSERVABLES, "observables", err);

    size_t needed = vyre_control_size(desc->observables);
    vyre_status status = vyi_wire_room(dst, size, needed, "the control buffer", err);
    if (status < 0)
        return status;

    memset(dst, 0, needed);
    vyi_set_word(dst, VYRE_CONTROL_SHUTDOWN, desc->shutdown ? 1 : 0);
    vyi_set_word(dst, VYRE_CONTROL_TENANT_BASE, VYRE_CONTROL_TENANT_MASKS);
    vyi_control_fill(dst, VYRE_CONTROL_TENANT_MASKS, VYRE_CONTROL_TENANT_QUOTAS, desc->tenants,
                     0xffffffffu);
    vyi_control_fill(dst, VYRE_CONTROL_TENANT_QUOTAS, VYRE_CONTROL_TENANT_FAIRNESS, desc->tenants,
                     VYRE_TENANT_QUOTA_DEFAULT);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_control_check(const void *src, size_t size, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size >= 4 * VYRE_CONTROL_MIN_WORDS && size % 4 == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_CONTROL_SHAPE, size, "Pass vyre_control_size() bytes.",
                    "a control buffer has whole words and at least %u bytes, not %llu",
                    4 * VYRE_CONTROL_MIN_WORDS, (unsigned long long)size);
}

static vyre_status vyi_control_verify_offsets(const void *src, uint32_t slots, vyre_error *err)
{
    uint32_t before = 0;
    for (uint32_t level = 0; level <= VYRE_PRIORITY_LEVELS; level++) {
        uint32_t word = VYRE_CONTROL_PRIORITY_OFFSETS + level;
        uint32_t start = vyi_wire_load(src, word);
        if (start < before || start > slots)
            return vyi_fail(err, VYRE_E_CONTROL_SHAPE, word,
                            "Call vyre_priority_write() with the ring's slot count.",
                            "priority offset %u is %u, after %u, with %u slots", (unsigned)level,
                            (unsigned)start, (unsigned)before, (unsigned)slots);
        before = start;
    }
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_control_verify(const void *src, size_t size, uint32_t slots,
                                         vyre_error *err)
{
    vyre_status status = vyre_control_check(src, size, err);
    if (status < 0)
        return status;
    uint32_t base = vyi_wire_load(src, VYRE_CONTROL_TENANT_BASE);
    if (base != VYRE_CONTROL_TENANT_MASKS)
        return vyi_fail(err, VYRE_E_CONTROL_SHAPE, VYRE_CONTROL_TENANT_BASE,
                        "Encode the control buffer again; something wrote over it.",
                        "the tenant base is %u, not %u", (unsigned)base,
                        VYRE_CONTROL_TENANT_MASKS);
    return vyi_control_verify_offsets(src, slots, err);
}

static vyre_status vyi_control_word(const void *src, size_t size, uint32_t word, uint32_t *out,
                                    vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the result", err);
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a control buffer", err);
    if (word >= size / 4)
        return vyi_wire_missing(size, word, "control buffer", err);
    VYRE_ASSERT(size >= 4 && word <= (size - 4) / 4);
    *out = vyi_wire_load(src, word);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_control_done_count(const void *src, size_t size, uint32_t *out,
                                             vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_DONE_COUNT, out, err);
}

VYRE_API vyre_status vyre_control_fault_count(const void *src, size_t size, uint32_t *out,
                                              vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_FAULT_COUNT, out, err);
}

VYRE_API vyre_status vyre_control_epoch(const void *src, size_t size, uint32_t *out,
                                        vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_EPOCH, out, err);
}

VYRE_API vyre_status vyre_control_observable(const void *src, size_t size, uint32_t index,
                                             uint32_t *out, vyre_error *err)
{
    if (index > UINT32_MAX - VYRE_CONTROL_OBSERVABLES)
        return vyi_fail(err, VYRE_E_OVF, index, "Pass an index below the number of observables.",
                        "observable %u has no 32-bit word index", (unsigned)index);
    return vyi_control_word(src, size, VYRE_CONTROL_OBSERVABLES + index, out, err);
}

VYI_COLD
VYRE_API vyre_status vyre_control_metrics(const void *src, size_t size, uint32_t out[VYRE_METRICS],
                                          vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the array of metrics", err);
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a control buffer", err);
    size_t words = size / 4;
    if (words < VYRE_CONTROL_METRICS + VYRE_METRICS)
        return vyi_wire_missing(size, words < VYRE_CONTROL_METRICS ? VYRE_CONTROL_METRICS : words,
                                "control buffer", err);
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        out[i] = vyi_wire_load(src, VYRE_CONTROL_METRICS + i);
    return VYRE_OK;
}

/* --- ring ---------------------------------------------------------------- */

VYRE_API size_t vyre_ring_size(uint32_t slots)
{
    return vyi_wire_bytes((uint64_t)slots * VYRE_SLOT_WORDS);
}

VYI_API vyre_status vyi_ring_room(const void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    if (slots > VYRE_MAX_SLOTS)
        return vyi_wire_over_cap(slots, VYRE_MAX_SLOTS, "slots", err);
    return vyi_wire_room(dst, size, vyre_ring_size(slots), "the ring", err);
}

VYI_COLD
VYRE_API vyre_status vyre_ring_encode(void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    vyre_status status = vyi_ring_room(dst, size, slots, err);
    if (status >= 0 && slots)
        memset(dst, 0, vyre_ring_size(slots));
    return status;
}

VYRE_API vyre_status vyre_ring_check(const void *src, size_t size, uint32_t slots, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the ring", err);
    if (status < 0)
        return status;
    if (size == (uint64_t)slots * VYRE_SLOT_BYTES)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_RING_SHAPE, size, "Pass vyre_ring_size() bytes.",
                    "a ring of %u slots has %llu bytes, not %llu", (unsigned)slots,
                    (unsigned long long)slots * VYRE_SLOT_BYTES, (unsigned long long)size);
}

VYRE_API vyre_status vyre_slot_word(uint32_t slot, uint32_t word, uint32_t *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the word index", err);
    if (word >= VYRE_SLOT_WORDS || slot > UINT32_MAX / VYRE_SLOT_WORDS)
        return vyi_fail(err, VYRE_E_OVF, slot, "Pass a word below 16 of a slot below 2^28.",
                        "word %u of slot %u has no 32-bit word index", (unsigned)word,
                        (unsigned)slot);
    *out = slot * VYRE_SLOT_WORDS + word;
    return VYRE_OK;
}

VYI_API vyre_status vyi_ring_length(const void *ring, size_t size, vyre_error *err)
{
    if (size % VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_RING_LEN, size, "Pass vyre_ring_size() bytes.",
                        "a ring of %llu bytes is no multiple of %u bytes",
                        (unsigned long long)size, VYRE_SLOT_BYTES);
    return vyi_wire_pointer(ring, size, "the ring", err);
}

VYI_API vyre_status vyi_ring_slot(const void *ring, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status < 0)
        return status;
    if (slot >= size / VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the ring's slot count.",
                        "slot %u lies outside the ring of %llu slots", (unsigned)slot,
                        (unsigned long long)(size / VYRE_SLOT_BYTES));
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_read(const void *ring, size_t size, uint32_t slot, vyre_slot *out,
                                    vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the slot", err);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status < 0)
        return status;

    const void *at = vyi_wire_at(ring, (size_t)slot * VYRE_SLOT_WORDS);
    out->state = vyi_slot_state_of(vyi_wire_load(at, VYRE_SLOT_STATUS));
    out->opcode = vyi_wire_get(at, VYRE_SLOT_OPCODE);
    out->tenant = vyi_wire_get(at, VYRE_SLOT_TENANT);
    out->priority = vyi_priority_of(vyi_wire_get(at, VYRE_SLOT_PRIORITY));
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        out->args[i] = vyi_wire_get(at, VYRE_SLOT_ARGS + i);
    return VYRE_OK;
}

static uint64_t vyi_ring_tally(const void *ring, size_t slots, vyre_slot_state state)
{
    uint64_t count = 0;
    for (size_t slot = 0; slot < slots; slot++) {
        uint32_t status = vyi_wire_load(ring, slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
        count += vyi_slot_state_of(status) == state;
    }
    return count;
}

static vyre_status vyi_ring_state(vyre_slot_state state, const void *out, vyre_error *err)
{
    if ((uint32_t)state > VYRE_SLOT_UNKNOWN)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)state, "Pass one of vyre_slot_state.",
                        "%u is no slot state", (unsigned)state);
    return out ? VYRE_OK : vyi_wire_no_out("the count", err);
}

VYRE_API vyre_status vyre_ring_count(const void *ring, size_t size, vyre_slot_state state,
                                     uint32_t *out, vyre_error *err)
{
    vyre_status status = vyi_ring_state(state, out, err);
    if (status >= 0)
        status = vyi_ring_length(ring, size, err);
    if (status < 0)
        return status;
    *out = (uint32_t)vyi_ring_tally(ring, size / VYRE_SLOT_BYTES, state);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_count_first(const void *ring, size_t size, uint64_t slots,
                                           vyre_slot_state state, uint64_t *out,
                                           vyre_error *err)
{
    vyre_status status = vyi_ring_state(state, out, err);
    if (status >= 0)
        status = vyi_wire_pointer(ring, size, "the ring", err);
    if (status < 0)
        return status;
    if (slots && size % 4)
        return vyi_wire_misaligned(size, 4, "a ring", err);
    if (slots > UINT64_MAX / VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_OVF, slots, "Pass a count of slots that the ring has.",
                        "%llu slots have no 64-bit length", (unsigned long long)slots);
    if (slots * VYRE_SLOT_BYTES > size)
        return vyi_wire_missing(size, slots * VYRE_SLOT_WORDS, "ring", err);
    *out = vyi_ring_tally(ring, (size_t)slots, state);
    return VYRE_OK;
}

/* --- load miss ----------------------------------------------------------- */

VYI_COLD
VYRE_API vyre_status vyre_load_miss_encode(void *dst, size_t size, const vyre_load_miss *miss,
                                           vyre_error *err)
{
    if (!miss)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_load_miss.",
                        "the load miss is NULL");
    vyre_status status = vyi_priority_check(miss->priority, (uint32_t)miss->priority,
                                            "the load miss", err);
    if (status < 0)
        return status;
    if (miss->tenant >= VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, miss->tenant, "Pass a tenant id below 29.",
                        "tenant %u has no mask word; ids end at %u", (unsigned)miss->tenant,
                        VYRE_MAX_TENANTS - 1);
    status = vyi_wire_room(dst, size, VYRE_SLOT_BYTES, "the slot", err);
    if (status < 0)
        return status;

    memset(dst, 0, VYRE_SLOT_BYTES);
    vyi_set_word(dst, VYRE_SLOT_STATUS, VYRE_SLOT_PUBLISHED);
    vyi_set_word(dst, VYRE_SLOT_OPCODE, VYRE_OP_LOAD_MISS);
    vyi_set_word(dst, VYRE_SLOT_TENANT, miss->tenant);
    vyi_set_word(dst, VYRE_SLOT_PRIORITY, vyi_priority_wire(miss->priority));
    vyi_set_word(dst, VYRE_SLOT_ARGS, miss->resource);
    vyi_set_word(dst, VYRE_SLOT_ARGS + 1, miss->prefetch ? 1 : 0);
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_load_miss_decode(const void *ring, size_t size, uint32_t slot,
                                           vyre_load_miss *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the load miss", err);
    vyre_slot s;
    vyre_status status = vyre_ring_read(ring, size, slot, &s, err);
    if (status < 0)
        return status;
    if (s.opcode != VYRE_OP_LOAD_MISS ||
        (s.state != VYRE_SLOT_PUBLISHED && s.state != VYRE_SLOT_CLAIMED))
        return VYRE_EMPTY;
    out->resource = s.args[0];
    out->prefetch = s.args[1] != 0;
    out->tenant = s.tenant;
    out->priority = s.priority;
    return VYRE_OK;
}

/* --- debug log ----------------------------------------------------------- */

#define VYI_LOG_RECORD_BYTES (4 * VYRE_LOG_RECORD_WORDS)

VYRE_API size_t vyre_log_size(uint32_t records)
{
    return vyi_wire_bytes(VYRE_LOG_RECORDS + (uint64_t)records * VYRE_LOG_RECORD_WORDS);
}

VYI_COLD
VYRE_API vyre_status vyre_log_encode(void *dst, size_t size, uint32_t records, vyre_error *err)
{
    if (records > VYRE_MAX_LOG_RECORDS)
        return vyi_wire_over_cap(records, VYRE_MAX_LOG_RECORDS, "log records", err);
    size_t needed = vyre_log_size(records);
    vyre_status status = vyi_wire_room(dst, size, needed, "the debug log", err);
    if (status < 0)
        return status;
    memset(dst, 0, needed);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_log_check(const void *src, size_t size, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the debug log", err);
    if (status < 0)
        return status;
    if (size >= 4 && (size - 4) % VYI_LOG_RECORD_BYTES == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_LOG_SHAPE, size, "Pass vyre_log_size() bytes.",
                    "a debug log has 4 bytes and %u a record, not %llu", VYI_LOG_RECORD_BYTES,
                    (unsigned long long)size);
}

/* How many records the log holds and how many more its cursor tells of. */
static vyre_status vyi_log_summary(const void *src, size_t size, vyre_log_summary *sum,
                                   vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the debug log", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a debug log", err);
    if (size < 4)
        return vyi_wire_missing(size, VYRE_LOG_CURSOR, "debug log", err);

    uint32_t cursor = vyi_wire_load(src, VYRE_LOG_CURSOR);
    if (cursor % VYRE_LOG_RECORD_WORDS)
        return vyi_fail(err, VYRE_E_MISSING, (uint64_t)cursor + 1,
                        "Encode the log again; something wrote over its cursor.",
                        "the cursor is %u words, which are no whole records", (unsigned)cursor);

    size_t   room = (size - 4) / VYI_LOG_RECORD_BYTES;
    uint32_t told = cursor / VYRE_LOG_RECORD_WORDS;
    sum->records = told < room ? told : (uint32_t)room;
    sum->dropped = told - sum->records;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_log_decode(const void *src, size_t size, vyre_log_record *out,
                                     uint32_t capacity, vyre_log_summary *sum, vyre_error *err)
{
    vyre_log_summary found;
    vyre_status status = vyi_log_summary(src, size, &found, err);
    if (status < 0)
        return status;
    if (out && capacity < found.records)
        return vyi_fail(err, VYRE_E_SPACE, found.records, "Pass room for every record of the log.",
                        "%u records do not fit an array of %u", (unsigned)found.records,
                        (unsigned)capacity);

    for (uint32_t i = 0; out && i < found.records; i++) {
        size_t at = VYRE_LOG_RECORDS + (size_t)i * VYRE_LOG_RECORD_WORDS;
        out[i].format = vyi_wire_get(src, at);
        for (uint32_t j = 0; j < 3; j++)
            out[i].args[j] = vyi_wire_get(src, at + 1 + j);
    }
    if (sum)
        *sum = found;
    return VYRE_OK;
}

/* --- IO queue ------------------------------------------------------------ */

VYRE_API size_t vyre_io_size(uint32_t slots)
{
    return slots <= VYRE_IO_SLOTS ? (size_t)slots * VYRE_IO_SLOT_BYTES : 0;
}

static vyre_status vyi_io_too_many(uint64_t slots, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_IO_WINDOW, slots, "Use at most 64 slots.",
                    "an IO queue of %llu slots exceeds the limit of %u",
                    (unsigned long long)slots, VYRE_IO_SLOTS);
}

VYI_COLD
VYRE_API vyre_status vyre_io_encode(void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    if (slots == 0)
        return vyi_fail(err, VYRE_E_IO_ZERO, 0, "Ask for 1 to 64 slots.",
                        "an IO queue of 0 slots serves nobody");
    if (slots > VYRE_IO_SLOTS)
        return vyi_io_too_many(slots, err);
    size_t needed = vyre_io_size(slots);
    vyre_status status = vyi_wire_room(dst, size, needed, "the IO queue", err);
    if (status < 0)
        return status;
    memset(dst, 0, needed);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_check(const void *src, size_t size, vyre_error *err)
{
    if (size % 4)
        return vyi_fail(err, VYRE_E_IO_ALIGN4, size, "Pass vyre_io_size() bytes.",
                        "an IO queue of %llu bytes is no multiple of 4 bytes",
                        (unsigned long long)size);
    if (size % VYRE_IO_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_IO_SLOT_MULT, size, "Pass vyre_io_size() bytes.",
                        "an IO queue of %llu bytes is no multiple of %u bytes",
                        (unsigned long long)size, VYRE_IO_SLOT_BYTES);
    if (size / VYRE_IO_SLOT_BYTES > VYRE_IO_SLOTS)
        return vyi_io_too_many(size / VYRE_IO_SLOT_BYTES, err);
    return vyi_wire_pointer(src, size, "the IO queue", err);
}

static vyre_status vyi_io_slot(const void *queue, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyre_io_check(queue, size, err);
    if (status < 0)
        return status;
    if (slot >= size / VYRE_IO_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the queue's slot count.",
                        "IO slot %u lies outside the queue of %llu slots", (unsigned)slot,
                        (unsigned long long)(size / VYRE_IO_SLOT_BYTES));
    return VYRE_OK;
}

static vyre_io_state vyi_io_state_of(uint32_t status)
{
    if (status <= VYRE_IO_DONE || status == VYRE_IO_OK || status == VYRE_IO_ERROR)
        return (vyre_io_state)status;
    return VYRE_IO_UNKNOWN;
}

static vyre_io_state vyi_io_state_at(const void *queue, uint32_t slot)
{
    return vyi_io_state_of(vyi_wire_load(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS));
}

VYRE_API vyre_status vyre_io_publish(void *queue, size_t size, const vyre_io_request *request,
                                     vyre_error *err)
{
    if (!request)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_io_request.",
                        "the request is NULL");
    vyre_status status = vyi_io_slot(queue, size, request->slot, err);
    if (status < 0)
        return status;
    if (request->op < VYRE_IO_READ || request->op > VYRE_IO_FENCE)
        return vyi_fail(err, VYRE_E_IO_OP, request->op, "Pass one of vyre_io_op.",
                        "%u is no IO operation", (unsigned)request->op);
    if (vyi_io_state_at(queue, request->slot) != VYRE_IO_EMPTY)
        return vyi_fail(err, VYRE_E_IO_IN_FLIGHT, request->slot,
                        "Wait for its completion, recycle it, or use another slot.",
                        "IO slot %u is in flight", (unsigned)request->slot);

    uint8_t *at = vyi_wire_edit(queue, request->slot * VYRE_IO_SLOT_WORDS);
    vyi_wire_put(at, VYRE_IO_OP, request->op);
    vyi_wire_put(at, VYRE_IO_SRC, request->src);
    vyi_wire_put(at, VYRE_IO_DST, request->dst);
    vyi_wire_put(at, VYRE_IO_OFFSET_LO, (uint32_t)request->offset);
    vyi_wire_put(at, VYRE_IO_OFFSET_HI, (uint32_t)(request->offset >> 32));
    vyi_wire_put(at, VYRE_IO_BYTES, request->bytes);
    vyi_wire_put(at, VYRE_IO_TAG, request->tag);
    vyi_fence_stores();
    vyi_wire_store(at, VYRE_IO_STATUS, VYRE_IO_PUBLISHED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_read_state(const void *queue, size_t size, uint32_t slot,
                                        vyre_io_state *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the state", err);
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;
    *out = vyi_io_state_at(queue, slot);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_read_completion(const void *queue, size_t size, uint32_t slot,
                                             vyre_io_completion *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the completion", err);
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;

    vyre_io_state state = vyi_io_state_at(queue, slot);
    if (state == VYRE_IO_EMPTY)
        return VYRE_EMPTY;
    if (state != VYRE_IO_OK && state != VYRE_IO_ERROR && state != VYRE_IO_DONE)
        return VYRE_PENDING;

    const uint8_t *at = vyi_wire_at(queue, slot * VYRE_IO_SLOT_WORDS);
    out->slot = slot;
    out->success = state != VYRE_IO_ERROR;
    out->dst = vyi_wire_get(at, VYRE_IO_DST);
    out->bytes = vyi_wire_get(at, VYRE_IO_BYTES);
    out->tag = vyi_wire_get(at, VYRE_IO_TAG);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_recycle(void *queue, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;

    vyre_io_state state = vyi_io_state_at(queue, slot);
    if (state == VYRE_IO_EMPTY)
        return VYRE_EMPTY;
    if (state == VYRE_IO_PUBLISHED || state == VYRE_IO_CLAIMED)
        return vyi_fail(err, VYRE_E_IO_IN_FLIGHT, slot, "Wait for its completion first.",
                        "IO slot %u has not been answered", (unsigned)slot);
    vyi_wire_store(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS, VYRE_IO_EMPTY);
    return VYRE_OK;
}

static void vyi_io_decode(const void *queue, uint32_t slot, vyre_io_request *out)
{
    const uint8_t *at = vyi_wire_at(queue, slot * VYRE_IO_SLOT_WORDS);
    out->slot = slot;
    out->op = vyi_wire_get(at, VYRE_IO_OP);
    out->src = vyi_wire_get(at, VYRE_IO_SRC);
    out->dst = vyi_wire_get(at, VYRE_IO_DST);
    out->offset = vyi_wire_get(at, VYRE_IO_OFFSET_LO) |
                  (uint64_t)vyi_wire_get(at, VYRE_IO_OFFSET_HI) << 32;
    out->bytes = vyi_wire_get(at, VYRE_IO_BYTES);
    out->tag = vyi_wire_get(at, VYRE_IO_TAG);
}

static vyre_status vyi_io_list_check(const void *queue, size_t size, const vyre_io_request *out,
                                     uint32_t capacity, const uint32_t *count, vyre_error *err)
{
    if (!count)
        return vyi_wire_no_out("the count", err);
    if (!out && capacity)
        return vyi_wire_no_out("the array of requests", err);
    return vyre_io_check(queue, size, err);
}

VYRE_API vyre_status vyre_io_poll(const void *queue, size_t size, vyre_io_request *out,
                                  uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_io_list_check(queue, size, out, capacity, count, err);
    if (status < 0)
        return status;
    uint32_t found = 0;
    for (uint32_t slot = 0; slot < size / VYRE_IO_SLOT_BYTES && found < capacity; slot++) {
        if (vyi_io_state_at(queue, slot) == VYRE_IO_PUBLISHED)
            vyi_io_decode(queue, slot, &out[found++]);
    }
    *count = found;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_claim(void *queue, size_t size, vyre_io_request *out,
                                   uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_io_list_check(queue, size, out, capacity, count, err);
    if (status < 0)
        return status;
    uint32_t found = 0;
    for (uint32_t slot = 0; slot < size / VYRE_IO_SLOT_BYTES && found < capacity; slot++) {
        if (vyi_wire_swap(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS, VYRE_IO_PUBLISHED,
                          VYRE_IO_CLAIMED) == VYRE_IO_PUBLISHED)
            vyi_io_decode(queue, slot, &out[found++]);
    }
    *count = found;
    return VYRE_OK;
}

static vyre_status vyi_io_check_results(const void *queue, size_t size,
                                        const vyre_io_result *results, uint32_t count,
                                        vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = results[i].slot;
        vyre_status status = vyi_io_slot(queue, size, slot, err);
        if (status < 0)
            return status;
        VYRE_ASSERT(slot < size / VYRE_IO_SLOT_BYTES);
        if (vyi_io_state_at(queue, slot) != VYRE_IO_CLAIMED)
            return vyi_fail(err, VYRE_E_IO_NOT_CLAIMED, slot, "Complete only what was claimed.",
                            "result %u is for IO slot %u, which is not CLAIMED", (unsigned)i,
                            (unsigned)slot);
    }
    return VYRE_OK;
}

static vyre_status vyi_io_check_distinct(const vyre_io_result *results, uint32_t count,
                                         vyre_error *err)
{
    uint64_t named = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = results[i].slot;
        if (named >> slot & 1)
            return vyi_fail(err, VYRE_E_IO_DUPLICATE, slot, "Name each slot once.",
                            "result %u names IO slot %u a second time", (unsigned)i,
                            (unsigned)slot);
        named |= (uint64_t)1 << slot;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_complete_batch(void *queue, size_t size,
                                            const vyre_io_result *results, uint32_t count,
                                            vyre_error *err)
{
    vyre_status status = vyre_io_check(queue, size, err);
    if (status < 0)
        return status;
    if (!results && count)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Pass an array of vyre_io_result.",
                        "the array of %u results is NULL", (unsigned)count);
    status = vyi_io_check_results(queue, size, results, count, err);
    if (status >= 0)
        status = vyi_io_check_distinct(results, count, err);
    if (status < 0)
        return status;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *at = vyi_wire_edit(queue, results[i].slot * VYRE_IO_SLOT_WORDS);
        if (!results[i].success && results[i].code)
            vyi_wire_put(at, VYRE_IO_BYTES, results[i].code);
        vyi_fence_stores();
        vyi_wire_store(at, VYRE_IO_STATUS, results[i].success ? VYRE_IO_OK : VYRE_IO_ERROR);
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_complete(void *queue, size_t size, const vyre_io_result *result,
                                      vyre_error *err)
{
    if (!result)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_io_result.",
                        "the result is NULL");
    return vyre_io_complete_batch(queue, size, result, 1, err);
}

/* --- readback ------------------------------------------------------------ */

enum { VYI_BUFFER_CONTROL, VYI_BUFFER_RING, VYI_BUFFER_LOG, VYI_BUFFER_IO };

VYI_COLD
VYRE_API vyre_status vyre_readback_check(const size_t *sizes, uint32_t count, uint32_t slots,
                                         uint64_t *total, vyre_error *err)
{
    /* Only the lengths count, so that any address will do. */
    static const char nothing = 0;

    if (count != 4)
        return vyi_fail(err, VYRE_E_BUFFER_COUNT, count,
                        "Read back control, ring, log and IO queue.",
                        "a readback has 4 buffers, not %u", (unsigned)count);
    if (!sizes)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the four lengths.",
                        "the array of lengths is NULL");

    vyre_status status = vyre_control_check(&nothing, sizes[VYI_BUFFER_CONTROL], err);
    if (status >= 0)
        status = vyre_log_check(&nothing, sizes[VYI_BUFFER_LOG], err);
    if (status >= 0)
        status = vyre_io_check(&nothing, sizes[VYI_BUFFER_IO], err);
    if (status >= 0)
        status = vyre_ring_check(&nothing, sizes[VYI_BUFFER_RING], slots, err);
    if (status >= 0 && total)
        *total = (uint64_t)sizes[0] + sizes[1] + sizes[2] + sizes[3];
    return status;
}

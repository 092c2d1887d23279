/* ==========================================================================
 * replay: version 2
 *
 * A record says its own sequence and has a checksum, so the header's count is a
 * hint only.  What is rewritten in the header is the hint and the checksum: a
 * header whose checksum is wrong and whose other words are possible is one that
 * somebody was stopped in, and the records tell the rest.
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

#define VYI_REPLAY2_BATCH 64u /* records that are read at a time */

static uint64_t vyi_replay2_place(const vyre_replay *r, uint64_t sequence)
{
    return VYI_REPLAY2_HEADER + VYI_REPLAY2_RECORD * (sequence % r->capacity);
}

VYI_API uint64_t vyi_replay2_oldest(const vyre_replay *r)
{
    return r->next - r->from > r->capacity ? r->next - r->capacity : r->from;
}

/* --- header -------------------------------------------------------------- */

static void vyi_replay2_header(const vyre_replay *r, uint8_t *header)
{
    memset(header, 0, VYI_REPLAY2_HEADER);
    memcpy(header, "VRRL0002", 8);
    vyi_put32(header + 8, 2);
    vyi_put32(header + 12, VYI_REPLAY2_HEADER);
    vyi_put32(header + 16, VYI_REPLAY2_RECORD);
    vyi_replay_put64(header + 24, r->capacity);
    vyi_replay_put64(header + 32, r->first);
    vyi_replay_put64(header + 40, r->next - r->first);
    vyi_put32(header + 60, vyi_crc_of(&r->crc, header, 60));
}

VYI_API vyre_status vyi_replay2_create(vyre_replay *r, vyre_error *err)
{
    uint8_t header[VYI_REPLAY2_HEADER];
    vyi_replay2_header(r, header);
    return vyi_replay_write(r, 0, header, sizeof header, err);
}

static vyre_status vyi_replay2_check(const uint8_t *header, vyre_error *err)
{
    if (vyi_get32(header + 8) != 2 || vyi_get32(header + 12) != VYI_REPLAY2_HEADER ||
        vyi_get32(header + 16) != VYI_REPLAY2_RECORD || vyi_get32(header + 20) != 0)
        return vyi_fail(err, VYRE_E_REPLAY_HEADER, 0, "Open it with the version that wrote it.",
                        "the log has version %u, %u-byte records and flags %u; this reads "
                        "version 2, %u bytes, no flags",
                        (unsigned)vyi_get32(header + 8), (unsigned)vyi_get32(header + 16),
                        (unsigned)vyi_get32(header + 20), VYI_REPLAY2_RECORD);
    return vyi_replay_capacity(vyi_replay_get64(header + 24), err);
}

/* --- records ------------------------------------------------------------- */

VYI_API void vyi_replay2_encode(const vyre_replay_record *record, uint64_t sequence,
                                uint8_t *bytes)
{
    uint32_t kind = record->kind;
    if (kind == 0)
        kind = record->ended ? VYRE_REPLAY_END : VYRE_REPLAY_WORK;
    memset(bytes, 0, VYI_REPLAY2_RECORD);
    vyi_put32(bytes, kind);
    vyi_put32(bytes + 4, record->arg_count);
    vyi_replay_put64(bytes + 8, sequence);
    vyi_replay_put64(bytes + 16, record->time_ns);
    vyi_put32(bytes + 24, record->slot);
    vyi_put32(bytes + 28, record->generation);
    vyi_put32(bytes + 32, record->tenant);
    vyi_put32(bytes + 36, record->opcode);
    vyi_put32(bytes + 40, vyi_priority_wire(record->priority));
    vyi_put32(bytes + 44, record->epoch);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        vyi_put32(bytes + 48 + 4 * i, record->args[i]);
    if (record->ended) {
        vyi_put32(bytes + 96, record->state);
        vyi_put32(bytes + 100, record->failure);
        vyi_put32(bytes + 104, record->code);
        vyi_replay_put64(bytes + 112, record->digest);
    } else if (kind == VYRE_REPLAY_EVENT) {
        vyi_put32(bytes + 104, record->code);
    }
}

VYI_API void vyi_replay2_seal(const vyre_replay *r, uint8_t *bytes, uint32_t count)
{
    for (; count >= 4; count -= 4, bytes += 4 * VYI_REPLAY2_RECORD) {
        uint32_t crc[4];
        vyi_crc_of_four(&r->crc, bytes, VYI_REPLAY2_RECORD, 124, crc);
        for (unsigned i = 0; i < 4; i++)
            vyi_put32(bytes + i * VYI_REPLAY2_RECORD + 124, crc[i]);
    }
    for (; count; count--, bytes += VYI_REPLAY2_RECORD)
        vyi_put32(bytes + 124, vyi_crc_of(&r->crc, bytes, 124));
}

/* Whether these are the bytes of a record that belongs to this place. */
static bool vyi_replay2_valid(const vyre_replay *r, const uint8_t *bytes, uint64_t index)
{
    const uint32_t kind = vyi_get32(bytes);
    return kind >= VYRE_REPLAY_WORK && kind <= VYRE_REPLAY_EVENT &&
           vyi_get32(bytes + 4) <= VYRE_MAX_ARGS &&
           vyi_get32(bytes + 40) < VYRE_PRIORITY_LEVELS &&
           vyi_replay_get64(bytes + 8) % r->capacity == index &&
           vyi_get32(bytes + 124) == vyi_crc_of(&r->crc, bytes, 124);
}

static void vyi_replay2_decode(const uint8_t *bytes, vyre_replay_record *out)
{
    memset(out, 0, sizeof *out);
    out->kind = vyi_get32(bytes);
    out->arg_count = vyi_get32(bytes + 4);
    out->sequence = vyi_replay_get64(bytes + 8);
    out->time_ns = vyi_replay_get64(bytes + 16);
    out->slot = vyi_get32(bytes + 24);
    out->generation = vyi_get32(bytes + 28);
    out->tenant = vyi_get32(bytes + 32);
    out->opcode = vyi_get32(bytes + 36);
    out->priority = vyi_priority_of(vyi_get32(bytes + 40));
    out->epoch = vyi_get32(bytes + 44);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        out->args[i] = vyi_get32(bytes + 48 + 4 * i);
    out->state = vyi_get32(bytes + 96);
    out->failure = vyi_get32(bytes + 100);
    out->code = vyi_get32(bytes + 104);
    out->digest = vyi_replay_get64(bytes + 112);
    out->ended = out->kind != VYRE_REPLAY_EVENT &&
                 (out->kind == VYRE_REPLAY_END || out->state || out->failure || out->code ||
                  out->digest);
}

/* --- opening ------------------------------------------------------------- */

typedef struct vyi_replay2_scan {
    uint64_t last; /* the greatest sequence */
    bool     any;
} vyi_replay2_scan;

static void vyi_replay2_see(const vyre_replay *r, vyi_replay2_scan *scan, const uint8_t *bytes,
                            uint64_t index)
{
    const uint64_t sequence = vyi_replay_get64(bytes + 8);
    if (!vyi_replay2_valid(r, bytes, index) || sequence < r->first || sequence == UINT64_MAX)
        return;
    if (!scan->any || sequence > scan->last)
        scan->last = sequence;
    scan->any = true;
}

/* Finds the greatest sequence; a part of a record at the file's end is none. */
static vyre_status vyi_replay2_scan_all(vyre_replay *r, uint64_t size, vyi_replay2_scan *scan,
                                        vyre_error *err)
{
    uint8_t bytes[VYI_REPLAY2_BATCH * VYI_REPLAY2_RECORD];
    uint64_t count = (size - VYI_REPLAY2_HEADER) / VYI_REPLAY2_RECORD;
    count = count < r->capacity ? count : r->capacity;
    for (uint64_t index = 0; index < count; index += VYI_REPLAY2_BATCH) {
        const uint64_t left = count - index;
        const size_t some = (size_t)(left < VYI_REPLAY2_BATCH ? left : VYI_REPLAY2_BATCH);
        const vyre_status status = vyi_replay_read(r, vyi_replay2_place(r, index), bytes,
                                                   some * VYI_REPLAY2_RECORD, err);
        if (status < 0)
            return status;
        for (size_t i = 0; i < some; i++)
            vyi_replay2_see(r, scan, bytes + i * VYI_REPLAY2_RECORD, index + i);
    }
    return VYRE_OK;
}

/* The record of this sequence is there and whole. */
static bool vyi_replay2_has(const vyre_replay *r, uint64_t sequence, uint8_t *bytes)
{
    return vyi_replay_read(r, vyi_replay2_place(r, sequence), bytes, VYI_REPLAY2_RECORD,
                           NULL) >= 0 &&
           vyi_replay2_valid(r, bytes, sequence % r->capacity) &&
           vyi_replay_get64(bytes + 8) == sequence;
}

VYI_API vyre_status vyi_replay2_load(vyre_replay *r, uint64_t size, vyre_error *err)
{
    uint8_t header[VYI_REPLAY2_HEADER], record[VYI_REPLAY2_RECORD];
    vyi_replay2_scan scan = { 0, false };
    vyre_status status = vyi_replay_read(r, 0, header, sizeof header, err);
    if (status >= 0)
        status = vyi_replay2_check(header, err);
    if (status < 0)
        return status;
    r->capacity = vyi_replay_get64(header + 24);
    if (vyi_get32(header + 60) == vyi_crc_of(&r->crc, header, 60))
        r->first = vyi_replay_get64(header + 32); /* else it begins with 0, as all do here */
    status = vyi_replay2_scan_all(r, size, &scan, err);
    if (status < 0)
        return status;
    r->next = scan.any ? scan.last + 1 : r->first;
    r->from = r->first;
    if (r->next - r->first < r->capacity)
        return VYRE_OK;
    /* A writer that was stopped has torn what it was about to overwrite: the oldest. */
    r->from = r->next - r->capacity;
    while (r->from + 1 < r->next && !vyi_replay2_has(r, r->from, record))
        r->from++;
    return VYRE_OK;
}

/* --- appending and reading ----------------------------------------------- */

/* The hint and the checksum behind it; nothing depends on them. */
static void vyi_replay2_hint(vyre_replay *r)
{
    uint8_t header[VYI_REPLAY2_HEADER];
    vyi_replay2_header(r, header);
    (void)vyi_replay_write(r, 40, header + 40, VYI_REPLAY2_HEADER - 40, NULL);
}

VYI_API vyre_status vyi_replay2_put(vyre_replay *r, const uint8_t *bytes, uint32_t count,
                                    vyre_error *err)
{
    if (UINT64_MAX - r->next < count)
        return vyi_fail(err, VYRE_E_OVF, r->next, "Begin another log.",
                        "the log has used up its sequence numbers");
    while (count) {
        const uint64_t room = r->capacity - r->next % r->capacity;
        const uint32_t some = room < count ? (uint32_t)room : count;
        const vyre_status status = vyi_replay_write(r, vyi_replay2_place(r, r->next), bytes,
                                                    (size_t)some * VYI_REPLAY2_RECORD, err);
        if (status < 0)
            return status;
        const uint64_t hints = (r->next - r->first) / VYI_REPLAY2_HINT;
        r->next += some;
        if ((r->next - r->first) / VYI_REPLAY2_HINT != hints)
            vyi_replay2_hint(r);
        bytes += (size_t)some * VYI_REPLAY2_RECORD;
        count -= some;
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_replay2_append(vyre_replay *r, const vyre_replay_record *record,
                                       vyre_error *err)
{
    uint8_t bytes[VYI_REPLAY2_RECORD];
    vyi_replay2_encode(record, r->next, bytes);
    vyi_replay2_seal(r, bytes, 1);
    return vyi_replay2_put(r, bytes, 1, err);
}

VYI_API vyre_status vyi_replay2_next(vyre_replay *r, vyre_replay_record *out, vyre_error *err)
{
    uint8_t bytes[VYI_REPLAY2_RECORD];
    const uint64_t oldest = vyi_replay2_oldest(r);
    if (r->at < oldest)
        r->at = oldest;
    if (r->at >= r->next)
        return VYRE_EMPTY;
    const uint64_t sequence = r->at++;
    if (vyi_replay2_has(r, sequence, bytes)) {
        vyi_replay2_decode(bytes, out);
        return VYRE_OK;
    }
    r->lost++;
    return vyi_fail(err, VYRE_E_REPLAY_LOST, sequence, "Go on: the next call gives the one after.",
                    "record %llu of the log is damaged", (unsigned long long)sequence);
}

#endif /* VYRE_NO_REPLAY */

/* ==========================================================================
 * replay: opening, closing, and version 1
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

static const char vyi_replay1_magic[9] = "VRRL0001", vyi_replay2_magic[9] = "VRRL0002";

/* --- version 1 ----------------------------------------------------------- */

static vyre_status vyi_replay1_create(vyre_replay *r, vyre_error *err)
{
    uint8_t header[VYI_REPLAY1_HEADER] = { 0 };
    const uint64_t size = VYI_REPLAY1_HEADER + VYI_REPLAY1_RECORD * r->capacity;
    if (!r->file.resize || r->file.resize(r->file.user, size) != 0)
        return vyi_fail(err, VYRE_E_REPLAY_IO, size, "Look whether the disk is full.",
                        "the log cannot be made %llu bytes long", (unsigned long long)size);
    memcpy(header, vyi_replay1_magic, 8);
    vyi_put32(header + 8, 1);
    vyi_replay_put64(header + 16, r->capacity);
    return vyi_replay_write(r, 0, header, sizeof header, err);
}

static vyre_status vyi_replay1_load(vyre_replay *r, vyre_error *err)
{
    uint8_t header[VYI_REPLAY1_HEADER];
    vyre_status status = vyi_replay_read(r, 0, header, sizeof header, err);
    if (status < 0)
        return status;
    const uint32_t version = vyi_get32(header + 8);
    if (memcmp(header, vyi_replay1_magic, 8) != 0 || version != 1)
        return vyi_fail(err, VYRE_E_REPLAY_HEADER, 0, "Open a log that this library has written.",
                        "the file does not begin as a log of version 1 or 2 does");
    r->capacity = vyi_replay_get64(header + 16);
    status = vyi_replay_capacity(r->capacity, err);
    if (status >= 0)
        r->next = vyi_replay_get64(header + 24) % r->capacity;
    return status;
}

static void vyi_replay1_encode(const vyre_replay_record *record, uint8_t *bytes)
{
    memset(bytes, 0, VYI_REPLAY1_RECORD);
    vyi_put32(bytes, VYI_REPLAY1_MARK);
    vyi_replay_put64(bytes + 4, record->time_ns);
    vyi_put32(bytes + 12, record->slot);
    vyi_put32(bytes + 16, record->tenant);
    vyi_put32(bytes + 20, record->opcode);
    for (uint32_t i = 0; i < 4; i++)
        vyi_put32(bytes + 24 + 4 * i, record->args[i]);
    vyi_put32(bytes + 40, record->epoch);
    if (!record->ended)
        return;
    vyi_put32(bytes + 44, record->state);
    vyi_put32(bytes + 48, record->failure);
    vyi_put32(bytes + 52, record->code);
    vyi_replay_put64(bytes + 56, record->digest);
}

static void vyi_replay1_decode(const uint8_t *bytes, vyre_replay_record *out)
{
    memset(out, 0, sizeof *out);
    out->time_ns = vyi_replay_get64(bytes + 4);
    out->slot = vyi_get32(bytes + 12);
    out->tenant = vyi_get32(bytes + 16);
    out->opcode = vyi_get32(bytes + 20);
    out->arg_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        out->args[i] = vyi_get32(bytes + 24 + 4 * i);
    out->epoch = vyi_get32(bytes + 40);
    out->state = vyi_get32(bytes + 44);
    out->failure = vyi_get32(bytes + 48);
    out->code = vyi_get32(bytes + 52);
    out->digest = vyi_replay_get64(bytes + 56);
    out->ended = out->state || out->failure || out->code || out->digest;
    if (out->failure > VYRE_FAILURE_UNCLASSIFIED)
        out->failure = VYRE_FAILURE_UNCLASSIFIED;
    out->kind = out->ended ? VYRE_REPLAY_END : VYRE_REPLAY_WORK;
}

/* The record first, the cursor second: who is stopped in between has a record
 * more than the cursor says, and overwrites it. */
static vyre_status vyi_replay1_append(vyre_replay *r, const vyre_replay_record *record,
                                      vyre_error *err)
{
    uint8_t bytes[VYI_REPLAY1_RECORD], cursor[8];
    const uint64_t next = r->next + 1 < r->capacity ? r->next + 1 : 0;
    vyi_replay1_encode(record, bytes);
    vyre_status status = vyi_replay_write(r, VYI_REPLAY1_HEADER + VYI_REPLAY1_RECORD * r->next,
                                          bytes, sizeof bytes, err);
    if (status < 0)
        return status;
    vyi_replay_put64(cursor, next);
    status = vyi_replay_write(r, 24, cursor, sizeof cursor, err);
    if (status >= 0)
        r->next = next;
    return status;
}

static vyre_status vyi_replay1_next(vyre_replay *r, vyre_replay_record *out, vyre_error *err)
{
    uint8_t bytes[VYI_REPLAY1_RECORD];
    for (; r->at < r->capacity; r->at++) {
        const uint64_t index = (r->next + r->at) % r->capacity;
        vyre_status status = vyi_replay_read(r, VYI_REPLAY1_HEADER + VYI_REPLAY1_RECORD * index,
                                             bytes, sizeof bytes, err);
        if (status < 0)
            return status;
        const uint32_t mark = vyi_get32(bytes);
        if (mark == 0)
            continue;
        if (mark != VYI_REPLAY1_MARK)
            return vyi_fail(err, VYRE_E_REPLAY_HEADER, index,
                            "Something else wrote over the log; use another.",
                            "record %llu begins with 0x%08x, not 0x%08x",
                            (unsigned long long)index, (unsigned)mark, VYI_REPLAY1_MARK);
        r->at++;
        vyi_replay1_decode(bytes, out);
        return VYRE_OK;
    }
    return VYRE_EMPTY;
}

/* --- opening ------------------------------------------------------------- */

/* A new log, or one whose writer was stopped before it had a header of version 2. */
static bool vyi_replay_is_new(const vyre_replay *r, uint64_t size, uint32_t version)
{
    uint8_t begin[8];
    if (size == 0)
        return true;
    if (r->read_only || version == 1 || size >= VYI_REPLAY2_HEADER)
        return false;
    const size_t known = size < sizeof begin ? (size_t)size : sizeof begin;
    return vyi_replay_read(r, 0, begin, known, NULL) >= 0 &&
           memcmp(begin, vyi_replay2_magic, known) == 0;
}

static vyre_status vyi_replay_create(vyre_replay *r, const vyre_replay_desc *desc,
                                     vyre_error *err)
{
    if (r->read_only)
        return vyi_fail(err, VYRE_E_REPLAY_IO, 0, "Name a log that exists.",
                        "the log is empty, and is opened to be read only");
    const vyre_status status = vyi_replay_capacity(desc->capacity, err);
    if (status < 0)
        return status;
    r->capacity = desc->capacity;
    r->version = desc->version ? desc->version : 2;
    return r->version == 1 ? vyi_replay1_create(r, err) : vyi_replay2_create(r, err);
}

/* By its first 8 bytes. */
static vyre_status vyi_replay_load(vyre_replay *r, const vyre_replay_desc *desc, uint64_t size,
                                   vyre_error *err)
{
    uint8_t begin[8] = { 0 };
    const vyre_status status = vyi_replay_read(r, 0, begin, sizeof begin, err);
    if (status < 0)
        return status;
    r->version = memcmp(begin, vyi_replay2_magic, sizeof begin) == 0 ? 2 : 1;
    if (desc->version == 2 && r->version == 1 && memcmp(begin, vyi_replay1_magic, 8) == 0)
        return vyi_fail(err, VYRE_E_REPLAY_HEADER, 1, "Leave the version 0, or use another path.",
                        "the log has version 1, not 2");
    if (desc->version == 1 && r->version == 2)
        return vyi_fail(err, VYRE_E_REPLAY_HEADER, 2, "Leave the version 0, or use another path.",
                        "the log has version 2, not 1");
    return r->version == 1 ? vyi_replay1_load(r, err) : vyi_replay2_load(r, size, err);
}

static vyre_status vyi_replay_begin(vyre_replay *r, const vyre_replay_desc *desc, vyre_error *err)
{
    const int64_t size = r->file.size(r->file.user);
    if (size < 0)
        return vyi_fail(err, VYRE_E_REPLAY_IO, 0, "Name a file, not a folder or a pipe.",
                        "the log has no size");
    if (vyi_replay_is_new(r, (uint64_t)size, desc->version))
        return vyi_replay_create(r, desc, err);
    const vyre_status status = vyi_replay_load(r, desc, (uint64_t)size, err);
    vyre_replay_rewind(r);
    return status;
}

static vyre_status vyi_replay_check(const vyre_replay_desc *desc, vyre_error *err)
{
    if (!desc || (!desc->path && !desc->file.read))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set vyre_replay_desc.path, or .file.",
                        "the description of the log names no file");
    if (desc->file.read && (!desc->file.size || (!desc->file.write && !desc->read_only)))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set read, write, resize and size.",
                        "the log's file cannot %s", desc->file.size ? "write" : "tell its size");
    if (desc->version > 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->version, "Ask for version 1 or 2.",
                        "there is no version %u of a log", (unsigned)desc->version);
    return desc->read_only ? VYRE_OK : vyi_replay_capacity(desc->capacity, err);
}

static bool vyi_replay_locks(vyre_replay *r)
{
    if (!vyi_mutex_init(&r->lock))
        return false;
    if (vyi_notes_locks(&r->notes))
        return true;
    vyi_mutex_free(&r->lock);
    return false;
}

VYI_COLD
VYRE_API vyre_replay *vyre_replay_open(const vyre_replay_desc *desc, vyre_error *err)
{
    if (vyi_replay_check(desc, err) < 0)
        return NULL;
    vyre_replay *r = (vyre_replay *)vyi_alloc(&desc->allocator, sizeof *r);
    if (!r) {
        vyi_fail_nomem(err, sizeof *r);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    if (!vyi_replay_locks(r)) {
        vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.", "the system gave no lock");
        vyi_free(&desc->allocator, r, sizeof *r);
        return NULL;
    }
    vyi_replay_observe(r);
    r->allocator = desc->allocator;
    r->read_only = desc->read_only;
    r->file = desc->file;
    vyi_crc_make(&r->crc);
    if (!r->file.read)
        r->own = vyi_replay_file_open(desc, &r->file, err);
    if (r->file.read && vyi_replay_begin(r, desc, err) >= 0)
        return r;
    vyre_replay_close(r);
    return NULL;
}

VYRE_API void vyre_replay_close(vyre_replay *r)
{
    if (!r)
        return;
    const vyre_allocator allocator = r->allocator;
    VYRE_ASSERT(!r->recorder.v); /* a handle that records has been closed */
    if (r->own)
        vyi_replay_file_close(&allocator, r->own);
    vyi_notes_free(&r->notes);
    vyi_mutex_free(&r->lock);
    vyi_free(&allocator, r, sizeof *r);
}

/* --- both versions ------------------------------------------------------- */

static vyre_status vyi_replay_refuses(const vyre_replay *r, const vyre_replay_record *record,
                                      vyre_error *err)
{
    if (!r || !record)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open log and a record.",
                        "the %s is NULL", r ? "record" : "log");
    if (r->read_only)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Open the log without read_only.",
                        "the log is open to be read only");
    if (r->version == 1)
        return VYRE_OK;
    if (record->kind > VYRE_REPLAY_EVENT)
        return vyi_fail(err, VYRE_E_ARGUMENT, record->kind, "Pass one of vyre_replay_kind.",
                        "%u is no kind of record", (unsigned)record->kind);
    if (record->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, record->arg_count, "Pass 12 at most.",
                        "the record has %u arguments", (unsigned)record->arg_count);
    if ((uint32_t)record->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint32_t)record->priority,
                        "Pass one of vyre_priority.", "priority %u is not one of the five levels",
                        (unsigned)record->priority);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_replay_append(vyre_replay *r, const vyre_replay_record *record,
                                        vyre_error *err)
{
    const vyre_status status = vyi_replay_refuses(r, record, err);
    if (status < 0)
        return status;
    vyi_mutex_lock(&r->lock);
    vyi_replay_flush(r);
    const vyre_status appended = r->version == 1 ? vyi_replay1_append(r, record, err)
                                                 : vyi_replay2_append(r, record, err);
    vyi_mutex_unlock(&r->lock);
    return appended;
}

VYRE_API vyre_status vyre_replay_next(vyre_replay *r, vyre_replay_record *out, vyre_error *err)
{
    if (!r || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open log and a record.",
                        "the %s is NULL", r ? "record" : "log");
    vyi_mutex_lock(&r->lock);
    vyi_replay_flush(r);
    const vyre_status status = r->version == 1 ? vyi_replay1_next(r, out, err)
                                               : vyi_replay2_next(r, out, err);
    vyi_mutex_unlock(&r->lock);
    return status;
}

VYRE_API void vyre_replay_rewind(vyre_replay *r)
{
    vyi_mutex_lock(&r->lock);
    r->at = r->version == 1 ? 0 : vyi_replay2_oldest(r);
    r->lost = 0;
    vyi_mutex_unlock(&r->lock);
}

VYRE_API vyre_status vyre_replay_sync(vyre_replay *r, vyre_error *err)
{
    vyi_mutex_lock(&r->lock);
    vyi_replay_flush(r);
    const uint64_t dropped = r->recorder.dropped;
    const bool good = !r->file.sync || r->file.sync(r->file.user) == 0;
    vyi_mutex_unlock(&r->lock);
    if (dropped)
        return vyi_fail(err, VYRE_E_REPLAY_IO, dropped, "Look whether the disk is full.",
                        "%llu records of the handle could not be written",
                        (unsigned long long)dropped);
    if (good)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_REPLAY_IO, 0, "Look whether the disk is full or fails.",
                    "the system could not bring the log to its disk");
}

/* Asking changes nothing but the lock. */
static vyi_mutex *vyi_replay_mutex(const vyre_replay *r)
{
    return (vyi_mutex *)((uintptr_t)r + offsetof(vyre_replay, lock));
}

VYRE_API void vyre_replay_query(const vyre_replay *r, vyre_replay_info *out)
{
    memset(out, 0, sizeof *out);
    vyi_mutex_lock(vyi_replay_mutex(r));
    out->version = r->version;
    out->read_only = r->read_only;
    out->capacity = r->capacity;
    out->cursor = r->next % r->capacity;
    out->lost = r->lost;
    out->dropped = r->recorder.dropped;
    if (r->version == 2) {
        out->first = vyi_replay2_oldest(r);
        out->next = r->next;
    }
    vyi_mutex_unlock(vyi_replay_mutex(r));
}

#endif /* VYRE_NO_REPLAY */

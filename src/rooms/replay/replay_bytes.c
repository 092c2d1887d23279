/* ==========================================================================
 * replay: what all formats of a log have: bytes, how many records, digests
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

VYI_API vyre_status vyi_replay_read(const vyre_replay *r, uint64_t at, void *bytes, size_t size,
                                    vyre_error *err)
{
    const int64_t got = r->file.read(r->file.user, at, bytes, size);
    if (got == (int64_t)size)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_REPLAY_IO, at, "Look whether the log was cut or its disk fails.",
                    "reading %llu bytes of the log at %llu gave %lld", (unsigned long long)size,
                    (unsigned long long)at, (long long)got);
}

VYI_API vyre_status vyi_replay_write(const vyre_replay *r, uint64_t at, const void *bytes,
                                     size_t size, vyre_error *err)
{
    const int64_t put = r->file.write(r->file.user, at, bytes, size);
    if (put == (int64_t)size)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_REPLAY_IO, at, "Look whether the disk is full or read-only.",
                    "writing %llu bytes of the log at %llu gave %lld", (unsigned long long)size,
                    (unsigned long long)at, (long long)put);
}

VYI_API vyre_status vyi_replay_capacity(uint64_t capacity, vyre_error *err)
{
    if (capacity == 0)
        return vyi_fail(err, VYRE_E_REPLAY_ZERO_CAPACITY, 0, "Ask for 4096 records, or so.",
                        "a log of 0 records keeps nothing");
    if (capacity > VYRE_REPLAY_MAX_CAPACITY)
        return vyi_fail(err, VYRE_E_REPLAY_CAPACITY, capacity,
                        "Ask for less, or write several logs one after the other.",
                        "a log of %llu records exceeds the limit of %u",
                        (unsigned long long)capacity, VYRE_REPLAY_MAX_CAPACITY);
    return VYRE_OK;
}

VYRE_API uint64_t vyre_replay_digest(const void *bytes, size_t size)
{
    uint8_t hash[32];
    vyi_blake3(bytes, size, hash);
    return vyi_replay_get64(hash);
}

#endif /* VYRE_NO_REPLAY */

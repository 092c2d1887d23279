/* ==========================================================================
 * replay, private: a log and its two formats
 * ======================================================================= */
#ifndef VYI_REPLAY_IMPL_H
#define VYI_REPLAY_IMPL_H

#include "base/digest_impl.h"
#include "base/thread_impl.h"
#include "engine/queue_impl.h"
#include "rooms/replay/replay.h"
#include "wire/wire_impl.h"

#ifndef VYRE_NO_REPLAY

VYI_EXTERN_C_BEGIN

/* Version 1: 0 magic | 8 version | 12 flags | 16 capacity | 24 cursor. */
#define VYI_REPLAY1_HEADER 32u
#define VYI_REPLAY1_RECORD 64u
#define VYI_REPLAY1_MARK   0xdeadbeefu

/* Version 2: 0 magic | 8 version | 12 header size | 16 record size | 20 flags |
 * 24 capacity | 32 first sequence | 40 written | 48 zero | 60 CRC of all before. */
#define VYI_REPLAY2_HEADER 64u
#define VYI_REPLAY2_RECORD 128u
#define VYI_REPLAY2_HINT   64u /* records between two updates of `written` */

/* Records of a handle that have not been written yet. */
#define VYI_REPLAY_PENDING 1024u

/* What a log keeps while it records (replay_record.c); under the log's lock. */
typedef struct vyi_replay_recorder {
    vyre     *v;
    uint32_t *open;     /* of each slot: the generation whose end has not come; 0: none */
    uint32_t  slots;
    uint8_t  *pending;  /* encoded, from sequence `next` on */
    uint32_t  count;
    uint64_t  dropped;  /* records that could not be written */
} vyi_replay_recorder;

struct vyre_replay {
    vyi_observer   observer; /* the engine's: first */
    vyi_mutex      lock;
    vyi_replay_recorder recorder;
    vyre_allocator allocator;
    vyre_file      file;
    void          *own;      /* the file is a path's: to be closed */
    bool           read_only;
    uint32_t       version;
    uint64_t       capacity;
    uint64_t       first;    /* version 2: the log's first sequence, as the header has it */
    uint64_t       from;     /* version 2: no older one is left */
    uint64_t       next;     /* version 1: the cursor; 2: the next sequence */
    uint64_t       at;       /* of the reader; version 1: steps from the cursor; 2: a sequence */
    uint64_t       lost;
    vyi_crc        crc;
};

static inline uint64_t vyi_replay_get64(const uint8_t *at)
{
    return vyi_get32(at) | (uint64_t)vyi_get32(at + 4) << 32;
}

static inline void vyi_replay_put64(uint8_t *at, uint64_t value)
{
    vyi_put32(at, (uint32_t)value);
    vyi_put32(at + 4, (uint32_t)(value >> 32));
}

/* Fewer bytes than asked for are a failure. */
VYI_API vyre_status vyi_replay_read(const vyre_replay *r, uint64_t at, void *bytes, size_t size,
                                    vyre_error *err);
VYI_API vyre_status vyi_replay_write(const vyre_replay *r, uint64_t at, const void *bytes,
                                     size_t size, vyre_error *err);
VYI_API vyre_status vyi_replay_capacity(uint64_t capacity, vyre_error *err);

/* Version 2 (replay2.c). */
VYI_API vyre_status vyi_replay2_create(vyre_replay *r, vyre_error *err);
VYI_API vyre_status vyi_replay2_load(vyre_replay *r, uint64_t size, vyre_error *err);
VYI_API vyre_status vyi_replay2_append(vyre_replay *r, const vyre_replay_record *record,
                                       vyre_error *err);
VYI_API vyre_status vyi_replay2_next(vyre_replay *r, vyre_replay_record *out, vyre_error *err);
/* As the record of this sequence, without writing it. */
VYI_API void vyi_replay2_encode(const vyre_replay *r, const vyre_replay_record *record,
                                uint64_t sequence, uint8_t *bytes);
/* `count` encoded records from `next` on. */
VYI_API vyre_status vyi_replay2_put(vyre_replay *r, const uint8_t *bytes, uint32_t count,
                                    vyre_error *err);
VYI_API uint64_t vyi_replay2_oldest(const vyre_replay *r);

/* Recording (replay_record.c): what the engine calls; and what is pending, written.
 * The caller has the lock. */
VYI_API void vyi_replay_observe(vyre_replay *r);
VYI_API void vyi_replay_flush(vyre_replay *r);

/* A path through stdio (replay_file.c): NULL on failure. */
VYI_API void *vyi_replay_file_open(const vyre_replay_desc *desc, vyre_file *file,
                                   vyre_error *err);
VYI_API void vyi_replay_file_close(const vyre_allocator *allocator, void *own);

VYI_EXTERN_C_END

#endif /* VYRE_NO_REPLAY */
#endif

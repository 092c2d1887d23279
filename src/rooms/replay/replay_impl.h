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

/* --- notes (replay_note.c) -------------------------------------------------- */

/* What a handle tells is noted first, in words:
 *
 *     0  a vyre_replay_kind | a work's priority, or an end's state, << 16 | words << 24;
 *        0: what follows to the end of the ring is none
 *     1  slot   2 generation   3, 4 the time by the notes' timer, the low word first
 *     5  tenant, or a failure   6 opcode, or a code
 *     7  a work's arguments; of an end the twelve words of its result, or nothing */
#define VYI_NOTE_SLOT       1u
#define VYI_NOTE_GENERATION 2u
#define VYI_NOTE_TIME       3u
#define VYI_NOTE_TENANT     5u
#define VYI_NOTE_FAILURE    5u
#define VYI_NOTE_OPCODE     6u
#define VYI_NOTE_CODE       6u
#define VYI_NOTE_ARGS       7u
#define VYI_NOTE_MOST       (VYI_NOTE_ARGS + VYRE_MAX_ARGS)

#define VYI_NOTES_WORDS  0x100000u /* a power of two: 65,536 notes of works with nine arguments */
#define VYI_NOTES_SOME   0x2000u   /* that are worth a look: about a thousand notes */
#define VYI_NOTES_NAP_NS 100000000u /* the longest that a note waits for one */

#define VYI_REPLAY_PENDING 1024u /* records that are written at a time */

typedef struct vyi_notes {
    uint32_t  *words;
    uint32_t   mask;
    uint32_t   limit;   /* words that may wait at most; constant while somebody notes */
    /* The noter's. */
    uint32_t   head;    /* words noted so far, wrapping; stored with release */
    uint32_t   room_to; /* where `head` may be without another look at `tail` */
    /* Who that is.  `noter` is `first`, the thread that needs no lock, unless another has
     * its turn; it is `inside` while it notes. */
    void      *noter;
    uint32_t   inside, fenced;
    void      *first;   /* under `turn`, and */
    uint32_t   visits;
    vyi_mutex  turn;    /* of all others */
    /* Under the log's lock. */
    uint32_t   tail;    /* words of which there are records; stored with release */
    uint64_t   last_ns; /* time of the last record: none goes back */
    vyi_timer  timer;
    vyi_thread writer;
    vyi_mutex  sleep;   /* of `quits` */
    vyi_cond   wake;
    bool       runs, quits;
} vyi_notes;

/* What a log keeps while it records (replay_record.c). */
typedef struct vyi_replay_recorder {
    vyre     *v;        /* under the log's lock; constant while it records */
    uint32_t *open;     /* of each slot: the generation whose end has not come; 0: none;
                           the noter's */
    uint32_t  slots;
    uint8_t  *pending;  /* under the log's lock: records that are being written */
    uint64_t  dropped;  /* and how many could not be */
} vyi_replay_recorder;

struct vyre_replay {
    vyi_observer   observer; /* the engine's: first */
    vyi_mutex      lock;
    vyi_replay_recorder recorder;
    vyi_notes      notes;
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
/* As the record of this sequence, without writing it; then the checksums of so many. */
VYI_API void vyi_replay2_encode(const vyre_replay_record *record, uint64_t sequence,
                                uint8_t *bytes);
VYI_API void vyi_replay2_seal(const vyre_replay *r, uint8_t *bytes, uint32_t count);
/* `count` encoded records from `next` on. */
VYI_API vyre_status vyi_replay2_put(vyre_replay *r, const uint8_t *bytes, uint32_t count,
                                    vyre_error *err);
VYI_API uint64_t vyi_replay2_oldest(const vyre_replay *r);

/* Recording (replay_record.c): what the engine calls. */
VYI_API void vyi_replay_observe(vyre_replay *r);

/* Notes (replay_note.c).  What is between a begin and an end is one thread's: `publishes`
 * says that it may become the one that needs no lock, and the answer goes to the end.
 * There, room for a note, and all of its words are there.  vyi_replay_flush: records of all
 * notes, under the log's lock. */
VYI_API bool vyi_noter_begin(vyi_notes *n, bool publishes);
VYI_API void vyi_noter_end(vyi_notes *n, bool mine);
VYI_API uint32_t *vyi_note_begin(vyre_replay *r, uint32_t words);
VYI_API void vyi_note_end(vyre_replay *r, uint32_t words);
VYI_API void vyi_replay_flush(vyre_replay *r);
VYI_API void vyi_notes_start(vyre_replay *r);
VYI_API void vyi_notes_stop(vyre_replay *r);
VYI_API bool vyi_notes_locks(vyi_notes *n);
VYI_API void vyi_notes_free(vyi_notes *n);

/* A path through stdio (replay_file.c): NULL on failure. */
VYI_API void *vyi_replay_file_open(const vyre_replay_desc *desc, vyre_file *file,
                                   vyre_error *err);
VYI_API void vyi_replay_file_close(const vyre_allocator *allocator, void *own);

VYI_EXTERN_C_END

#endif /* VYRE_NO_REPLAY */
#endif

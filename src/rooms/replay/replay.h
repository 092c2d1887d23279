/* ==========================================================================
 * replay: a log of works that can be run again
 *
 * Public.  A file with a fixed number of records, a ring: when it is full the
 * oldest are overwritten.  Version 1 is the original's, byte for byte; it keeps
 * four arguments of twelve, has no checksums, and an unused record looks like a
 * zeroed one.  Version 2 keeps a work whole, numbers its records and checks each.
 * Whatever happened to the writer, a version 2 log opens as what was written
 * before it happened.
 *
 *     vyre_replay_desc desc;
 *     memset(&desc, 0, sizeof desc);
 *     desc.path = "works.vyre";
 *     desc.capacity = 4096;
 *     vyre_replay *log = vyre_replay_open(&desc, &err);
 *     vyre_replay_append(log, &record, &err);
 *     while (vyre_replay_next(log, &record, &err) == VYRE_OK)
 *         ...                                              // the oldest first
 *     vyre_replay_close(log);
 *
 * A log is used by one thread at a time.  A handle that records (vyre_desc.record)
 * may be used by any, also while another reads the log.  A thread of the log's writes
 * what it records, a tenth of a second later at most; it is written at once when the
 * log is read or synchronised, and when the handle is closed.
 * ======================================================================= */
#ifndef VYI_REPLAY_H
#define VYI_REPLAY_H

#include "wire/wire.h"

#ifndef VYRE_NO_REPLAY

VYI_EXTERN_C_BEGIN

#define VYRE_REPLAY_MAX_CAPACITY 1048576u /* records */

typedef struct vyre_replay vyre_replay;

/* Where the bytes lie.  `read` and `write` return how many they moved, less only
 * at the end or after an error; negative: an error.  `size` and `resize` are of
 * the whole file, whose new bytes are 0; `resize` and `sync` return 0 for success,
 * and `sync` may be NULL. */
typedef struct vyre_file {
    int64_t (*read)(void *user, uint64_t at, void *bytes, size_t n);
    int64_t (*write)(void *user, uint64_t at, const void *bytes, size_t n);
    int     (*resize)(void *user, uint64_t size);
    int64_t (*size)(void *user);
    int     (*sync)(void *user);
    void     *user;
} vyre_file;

typedef struct vyre_replay_desc {
    const char    *path;      /* made if it is not there */
    vyre_file      file;      /* all zero: the path, through stdio */
    uint64_t       capacity;  /* records of a new log; an existing one keeps its own */
    uint32_t       version;   /* of a new log; 0 = 2.  An existing one must have it, unless 0 */
    bool           read_only; /* an existing log; capacity is not looked at */
    vyre_allocator allocator;
} vyre_replay_desc;

typedef enum vyre_replay_kind {
    VYRE_REPLAY_WORK = 1, /* was published */
    VYRE_REPLAY_END = 2,  /* was seen to end */
    VYRE_REPLAY_EVENT = 3 /* `code` says which */
} vyre_replay_kind;

/* Version 1 has time, slot, tenant, opcode, args 0..3, epoch, state, failure, code
 * and digest; the rest is not kept. */
typedef struct vyre_replay_record {
    uint64_t      time_ns;
    uint64_t      sequence; /* the log's; vyre_replay_append() does not look at it */
    uint32_t      kind;     /* a vyre_replay_kind; 0 = WORK, or END of one that ended */
    uint32_t      slot, generation;
    uint32_t      tenant, opcode;
    vyre_priority priority;
    uint32_t      arg_count;
    uint32_t      args[12];
    uint32_t      epoch;
    bool          ended;    /* what follows is said; all zero reads as not ended */
    uint32_t      state;    /* a vyre_slot_state */
    uint32_t      failure;  /* a vyre_failure */
    uint32_t      code;     /* of a fault, or of a failure (vyre_failure_code) */
    uint64_t      digest;   /* of the result (vyre_replay_digest) */
} vyre_replay_record;

typedef struct vyre_replay_info {
    uint32_t version;
    bool     read_only;
    uint64_t capacity;
    uint64_t cursor; /* the place of the next record */
    uint64_t first;  /* version 2: the oldest sequence that the log has */
    uint64_t next;   /* version 2: the sequence of the next record */
    uint64_t lost;   /* damaged records that vyre_replay_next() has come across */
    uint64_t dropped; /* records of a handle that could not be written */
} vyre_replay_info;

/* NULL on failure.  VYRE_E_REPLAY_BUSY: somebody else writes to the path, where
 * the system can tell. */
VYRE_API vyre_replay *vyre_replay_open(const vyre_replay_desc *desc, vyre_error *err);
/* NULL is allowed. */
VYRE_API void vyre_replay_close(vyre_replay *r);
/* VYRE_E_REPLAY_IO: the record is not in the log; the next one takes its place. */
VYRE_API vyre_status vyre_replay_append(vyre_replay *r, const vyre_replay_record *record,
                                        vyre_error *err);
/* The oldest record first; VYRE_EMPTY after the last one, also later, until there is
 * another.  VYRE_E_REPLAY_LOST: the record err->at is damaged; the call after it
 * gives the next. */
VYRE_API vyre_status vyre_replay_next(vyre_replay *r, vyre_replay_record *out, vyre_error *err);
VYRE_API void vyre_replay_rewind(vyre_replay *r);
/* What was appended is on its disk, as far as the system promises that. */
VYRE_API vyre_status vyre_replay_sync(vyre_replay *r, vyre_error *err);
VYRE_API void vyre_replay_query(const vyre_replay *r, vyre_replay_info *out);

/* The first 8 bytes of the bytes' BLAKE3, little-endian. */
VYRE_API uint64_t vyre_replay_digest(const void *bytes, size_t size);

/* --- failures ------------------------------------------------------------ */

typedef enum vyre_failure {
    VYRE_FAILURE_NONE = 0,
    VYRE_FAILURE_DEVICE_LOSS = 1,
    VYRE_FAILURE_TRANSIENT = 2,    /* try again */
    VYRE_FAILURE_PROGRAM = 3,      /* the program is wrong, or too much for the device */
    VYRE_FAILURE_UNCLASSIFIED = 4
} vyre_failure;

/* 0 for VYRE_OK and news other than FULL and TIMEOUT. */
VYRE_API vyre_failure vyre_failure_of(vyre_status status);
/* By words that occur in messages of other programs; NULL and "" are UNCLASSIFIED. */
VYRE_API vyre_failure vyre_failure_of_text(const char *text);
/* The original's numbers: 1001 memory, 1002 feature, 1004 compiling, 1005 dispatch,
 * 1006 program, 1999 anything else; 0 where vyre_failure_of() is NONE. */
VYRE_API uint32_t vyre_failure_code(vyre_status status);

VYI_EXTERN_C_END

#endif /* VYRE_NO_REPLAY */
#endif

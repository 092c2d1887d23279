/* ==========================================================================
 * io: files into buffers that a running kernel sees
 *
 * Public.  A pump serves the IO queue of a handle: a kernel asks for bytes
 * (vyre_emit_io, LOAD_MISS), the pump moves them between a file and a buffer, and
 * answers.  Nobody launches, nobody publishes in between.
 *
 *     vyre_io_desc d;
 *     memset(&d, 0, sizeof d);
 *     d.handle = v;
 *     d.helper = true;                       // a thread serves
 *     vyre_io *io = vyre_io_open(&d, &err);
 *     vyre_io_add_path(io, "weights.bin", VYRE_IO_CAN_READ, &file, &err);
 *     vyre_io_add_target(io, 0, 0, 0, 65536, &slots, &err);  // user buffer 0, as slots
 *
 * A device names files and memory by handles of the pump's tables, never by
 * descriptors or addresses, and reaches nothing that was not added.  Each request
 * gets one answer: OK and the bytes done, or ERROR and a vyre_io_code.
 *
 * Threads: every call from any thread, but vyre_io_close, which comes last and
 * before vyre_close.  One pump serves a queue.
 * ======================================================================= */
#ifndef VYI_IO_H
#define VYI_IO_H

#include "engine/engine.h"

#ifndef VYRE_NO_IO

VYI_EXTERN_C_BEGIN

typedef struct vyre_io vyre_io;

typedef enum vyre_io_engine {
    VYRE_IO_ENGINE_AUTO = 0,  /* URING where it was built in and the system allows it, and threads
                                 for large reads out of the page cache; else PREAD */
    VYRE_IO_ENGINE_PREAD = 1, /* system calls that wait, made by threads */
    VYRE_IO_ENGINE_URING = 2  /* built with VYRE_URING and liburing */
} vyre_io_engine;

typedef struct vyre_io_desc {
    vyre    *handle;     /* whose queue and buffers; NULL: */
    void    *queue;      /* one of the caller's, and memory by vyre_io_add_memory */
    size_t   queue_size; /* as vyre_io_size gives it */
    vyre_io_engine engine;
    uint32_t depth;      /* requests under way at a time; 0 = 64, which is the most */
    uint32_t threads;    /* of PREAD, AUTO; 0 = 2.  It does without those that the system refuses */
    uint32_t entries;    /* of each table, at most 4095; 0 = 64 */
    bool     helper;     /* a thread serves; else whoever calls vyre_io_pump */
    vyre_logger    messages;
    vyre_allocator allocator;
} vyre_io_desc;

/* NULL on failure. */
VYRE_API vyre_io *vyre_io_open(const vyre_io_desc *desc, vyre_error *err);
/* Answers what it has claimed and not done ERROR(CANCELLED).  A system call that
 * still waits after 50 ms is left alone: its thread and the pump's memory are
 * leaked, and what it reads into must stay.  NULL is allowed. */
VYRE_API void vyre_io_close(vyre_io *io);

/* --- what a device may name ----------------------------------------------- */

typedef enum vyre_io_flags {
    VYRE_IO_CAN_READ = 1,
    VYRE_IO_CAN_WRITE = 2,
    VYRE_IO_SHORT_OK = 4, /* fewer bytes are an answer: the file may end before them */
    VYRE_IO_DIRECT = 8    /* of a path: around the page cache, until the system refuses it */
} vyre_io_flags;

/* What every function below gives: index | generation << 12, never 0.  The handle of
 * an entry that was removed stays stale.  VYRE_E_IO_TABLE when all are in use. */

/* Opens the file; CAN_WRITE makes one that is not there.  What a file has beyond its
 * present size can be read only if it is also CAN_WRITE. */
VYRE_API vyre_status vyre_io_add_path(vyre_io *io, const char *path, uint32_t flags,
                                      uint32_t *handle, vyre_error *err);
/* `size` bytes from `base` on, of a descriptor that stays the caller's; 0: as far as
 * it goes. */
VYRE_API vyre_status vyre_io_add_fd(vyre_io *io, int fd, uint64_t base, uint64_t size,
                                    uint32_t flags, uint32_t *handle, vyre_error *err);
/* The bytes done, or -errno; 0 is the end.  It is called again for the rest.  The
 * bytes lie in the buffer itself, which may be slow to read. */
typedef int64_t (*vyre_io_fn)(void *user, void *bytes, uint64_t offset, uint32_t size,
                              bool write);
/* A function instead of a file, called by a thread of PREAD, or whoever pumps. */
VYRE_API vyre_status vyre_io_add_source(vyre_io *io, vyre_io_fn fn, void *user, uint64_t size,
                                        uint32_t flags, uint32_t *handle, vyre_error *err);
/* Part of one of the handle's user buffers; size 0: to its end.  With a stride it is
 * equal slots, and a request's tag says which. */
VYRE_API vyre_status vyre_io_add_target(vyre_io *io, uint32_t user_buffer, uint64_t offset,
                                        uint64_t size, uint32_t stride, uint32_t *handle,
                                        vyre_error *err);
/* The same of the caller's memory, which outlives the entry. */
VYRE_API vyre_status vyre_io_add_memory(vyre_io *io, void *memory, uint64_t size,
                                        uint32_t stride, uint32_t *handle, vyre_error *err);
/* From here on no request can name it.  VYRE_PENDING: some are under way; call again. */
VYRE_API vyre_status vyre_io_remove(vyre_io *io, uint32_t handle, vyre_error *err);
/* What LOAD_MISS of the resource reads, and where to: with a stride, the slot of that
 * number.  Replaces what was bound; source 0: nothing. */
VYRE_API vyre_status vyre_io_bind(vyre_io *io, uint32_t resource, uint32_t source,
                                  uint64_t offset, uint32_t bytes, uint32_t target,
                                  vyre_error *err);

/* --- serving -------------------------------------------------------------- */

/* Why a request was answered ERROR: its BYTES word, and vyre_emit_io's bytes_done.
 * They are looked for in this order.  SYSTEM has an errno, shifted left by 8. */
typedef enum vyre_io_code {
    VYRE_IO_CODE_OP = 1,        /* not READ, WRITE or FENCE */
    VYRE_IO_CODE_SOURCE = 2,    /* unknown, stale, or not readable; LOAD_MISS: nothing is bound */
    VYRE_IO_CODE_TARGET = 3,    /* likewise, or not writable */
    VYRE_IO_CODE_RANGE = 4,     /* beyond the file or the memory */
    VYRE_IO_CODE_SYSTEM = 5,    /* the system refused */
    VYRE_IO_CODE_SHORT = 6,     /* the file ended before the last byte */
    VYRE_IO_CODE_CANCELLED = 7  /* the pump was closed */
} vyre_io_code;

/* Serves what is asked for, and waits until a request was answered.  *served, which
 * may be NULL: how many were, by whatever thread, since the last call that told.
 * VYRE_EMPTY, or with a timeout VYRE_TIMEOUT: none. */
VYRE_API vyre_status vyre_io_pump(vyre_io *io, uint64_t timeout_ns, uint32_t *served,
                                  vyre_error *err);

typedef struct vyre_io_count {
    uint64_t reads, writes, bytes;
} vyre_io_count;

typedef struct vyre_io_info {
    vyre_io_engine engine;  /* PREAD or URING */
    char     why[160];      /* this one */
    uint32_t depth, threads;
    uint32_t in_flight;
    bool     direct_refused; /* a file of VYRE_IO_DIRECT goes through the page cache */
    uint64_t fences, refused; /* answered; ERROR before anything was moved */
    vyre_io_count submitted, completed; /* bytes asked for; done */
    vyre_io_count failed;   /* SYSTEM, SHORT or CANCELLED */
    uint64_t short_ends;    /* completed with fewer bytes */
} vyre_io_info;

VYRE_API void vyre_io_query(vyre_io *io, vyre_io_info *out);

/* --- works that follow reads ------------------------------------------------ */

/* What the host may ask for, in a request's words. */
typedef struct vyre_io_read {
    uint32_t source, target, tag;
    uint64_t offset;
    uint32_t bytes;
} vyre_io_read;

/* Reads, and then runs a work of the handle's, which was opened with vyre_desc.events.  Its
 * ticket is valid at once, and pending.  A file that ends before the last byte, without
 * VYRE_IO_SHORT_OK, a system that refuses, a pump that is closed: the work ends
 * FAULT(VYRE_FAULT_AFTER), and has not run.  VYRE_FULL: of slots, events, or the pump's
 * own reads there is none; VYRE_E_IO_REQUEST: the pump refuses, err->native is the code.
 * In both nothing has begun.  The rest of the last word is filled up with zeros.  Somebody
 * must pump. */
VYRE_API vyre_status vyre_io_read_then(vyre_io *io, const vyre_io_read *read,
                                       const vyre_work *work, vyre_ticket *ticket,
                                       vyre_error *err);

typedef struct vyre_stream_chunk {
    uint64_t index;  /* from 0 */
    uint64_t offset; /* in the file */
    uint32_t bytes;  /* the last chunk may be shorter */
    uint32_t slot;   /* of the target, where they are */
} vyre_stream_chunk;

typedef struct vyre_stream_desc {
    uint32_t source;      /* readable */
    uint64_t offset, size; /* size 0: to its end */
    uint32_t target;      /* with a stride, which is the chunk; of two slots at least */
    vyre_work work;       /* run for each chunk; its first four arguments are then the words of
                             the user buffer where the chunk begins and ends, its bytes, and
                             its index.  The last word is filled up with zeros */
    /* In place of these arguments, before the work is published; NULL: they are. */
    void (*begin)(void *user, const vyre_stream_chunk *chunk, vyre_work *work);
    /* A chunk's work has ended, in the order of the file, with this result: also the
     * place to show progress.  False: enough.  NULL: all of them. */
    bool (*end)(void *user, const vyre_stream_chunk *chunk, const uint32_t result[12]);
    void *user;           /* of both; they may call anything but the pump's close */
    uint64_t timeout_ns;  /* without any progress; 0 = 60 s */
} vyre_stream_desc;

/* Reads the file's next chunks while the device works on those before.  *bytes, which
 * may be NULL: so many were worked on, also on failure.  VYRE_E_FAULT: a work ended so;
 * VYRE_E_IO_REQUEST: a chunk could not be read, err->native is the code; err->at is the
 * chunk.  Whatever it returns, but VYRE_TIMEOUT, nothing of it is under way any more. */
VYRE_API vyre_status vyre_stream(vyre_io *io, const vyre_stream_desc *desc, uint64_t *bytes,
                                 vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_IO */
#endif

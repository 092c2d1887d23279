/* ==========================================================================
 * io: what the fragments of the pump share
 *
 * Private.  One lock guards all of a pump; it is let go while bytes move.  A
 * request that was claimed is a job:
 *
 *     free -> claimed -> moving, as often as there are bytes left -> answered, free
 *
 * Jobs name entries, which stay while they have users.  An engine is given a job by
 * `start`, makes the system calls, and hands each one's result to vyi_job_moved,
 * which says whether there is more to do and answers when there is not.
 * ======================================================================= */
#ifndef VYI_IO_IMPL_H
#define VYI_IO_IMPL_H

#include "engine/queue_impl.h"
#include "rooms/io/io.h"
#include "wire/wire_impl.h"

#ifndef VYRE_NO_IO

#include <errno.h>

VYI_EXTERN_C_BEGIN

/* --- tables --------------------------------------------------------------- */

#define VYI_ENTRY_BITS      12u
#define VYI_ENTRY_MOST      ((1u << VYI_ENTRY_BITS) - 1u)
#define VYI_GENERATION_MOST ((1u << (32 - VYI_ENTRY_BITS)) - 1u)

typedef enum vyi_entry_kind {
    VYI_ENTRY_FREE = 0,
    VYI_ENTRY_FILE,
    VYI_ENTRY_SOURCE,
    VYI_ENTRY_TARGET
} vyi_entry_kind;

typedef struct vyi_entry {
    vyi_entry_kind kind;
    uint32_t generation; /* of its handle; VYI_GENERATION_MOST: never used again */
    uint32_t users;      /* jobs that name it */
    bool     removed;    /* free when the last user has gone */
    uint32_t flags;      /* vyre_io_flags; DIRECT: it still is */
    int      fd;
    bool     ours;       /* to close */
    bool     blind;      /* nobody knows what of it lies in the page cache */
    uint64_t base, size; /* size 0 of a file or source: unknown */
    vyre_io_fn fn;
    void    *user;
    uint8_t *memory;     /* of a target; NULL: the handle's buffer, from `base` on */
    uint32_t buffer, stride;
} vyi_entry;

typedef struct vyi_binding {
    uint32_t resource, source, target, bytes;
    uint64_t offset;
} vyi_binding;

/* --- jobs ----------------------------------------------------------------- */

/* The queue's come first, by slot; then those that the host has asked for itself. */
#define VYI_OWN_JOBS 64u
#define VYI_JOBS     (VYRE_IO_SLOTS + VYI_OWN_JOBS)

typedef struct vyi_job vyi_job;
struct vyi_job {
    uint64_t   turn;    /* of its claim, counted from 1; 0: free */
    void      *queue;   /* where it is answered: it may be a lost device's */
    uint32_t   slot, op; /* slot: its index */
    bool       ended;   /* of the host's own: until vyi_job_take, with its code */
    bool       orphan;  /* nobody will take it */
    uint32_t   event;   /* of the handle's, that it signals, and nobody takes it; 0: none */
    uint32_t   code;
    vyi_entry *file, *target;
    uint8_t   *memory;
    uint64_t   offset;  /* in the file, of the first byte */
    uint32_t   bytes, done;
    bool       cut;     /* the request asked for more than there is, and may */
    uint32_t   tries;   /* EAGAIN, in a row */
    bool       direct;  /* the last system call went around the page cache */
    bool       cold;    /* the page cache has not all of it */
    vyi_job   *next;    /* waits for a thread */
};

/* Jobs are tried again after EAGAIN so often, and an engine pauses in between. */
#define VYI_JOB_TRIES 64u
/* That one system call is asked to move. */
#define VYI_JOB_STEP (1u << 30)

static inline uint32_t vyi_job_left(const vyi_job *job)
{
    const uint32_t left = job->bytes - job->done;
    return left < VYI_JOB_STEP ? left : VYI_JOB_STEP;
}

/* --- engines -------------------------------------------------------------- */

typedef struct vyi_pump_engine {
    vyre_io_engine id;
    /* False: it cannot be had; `why` then says so. */
    bool (*open)(vyre_io *io, char *why, size_t size);
    /* Nothing is moving, or what is was given up. */
    void (*close)(vyre_io *io);
    /* Begins a job, or goes on with it.  It may end inside. */
    void (*start)(vyre_io *io, vyi_job *job);
    /* After some starts: hands them to the system, and takes what has ended. */
    void (*turn)(vyre_io *io);
    /* Has the system give up what it can. */
    void (*cancel)(vyre_io *io);
} vyi_pump_engine;

/* Threads that make system calls, and the jobs that wait for them. */
typedef struct vyi_pump_pool {
    vyi_thread *threads;
    uint32_t    count, capacity;
    vyi_job    *first, *last;
    vyi_cond    work; /* there is a job, or `quits` */
} vyi_pump_pool;

struct vyre_io {
    vyre_io_desc   desc; /* with its defaults */
    vyi_mutex      lock;
    vyi_cond       moved; /* a job has ended */
    const vyi_pump_engine *engine;
    void          *ring;  /* of URING */
    vyi_pump_pool  pool;
    vyi_entry     *entries; /* from 1 on */
    vyi_binding   *bindings;
    uint32_t       binding_count;
    vyi_job        jobs[VYI_JOBS];
    uint64_t       turn;     /* of the last claim */
    uint64_t       answered, told;
    uint32_t       fences;   /* that wait */
    uint32_t       next;     /* slot that is looked at first */
    uint32_t       inside;   /* calls that move bytes, without the lock */
    bool           quits;
    bool           abandoned; /* by close: whoever comes back touches nothing */
    const vyi_device *device; /* whose mirror `seen` is of */
    uint32_t       seen[VYRE_IO_SLOTS];
    vyi_thread     helper;
    bool           has_helper, helper_runs;
    vyre_io_info   info;
};

/* --- files; without the lock (io_file.c) ----------------------------------- */

/* A descriptor, or -errno. */
VYI_API int vyi_file_open(const char *path, uint32_t flags);
VYI_API void vyi_file_close(int fd);
/* 0, or an errno.  *size stays as it is for what has none. */
VYI_API int vyi_file_size(int fd, uint64_t *size);
/* One system call: bytes done, or -errno. */
VYI_API int64_t vyi_file_move(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes,
                              bool write);
/* A read of what lies in the page cache, of a byte at least.  -EAGAIN: it has to be waited
 * for, or is the end; -EOPNOTSUPP: nobody knows. */
VYI_API int64_t vyi_file_cached(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes);
/* True: O_DIRECT was taken off it. */
VYI_API bool vyi_file_buffered(int fd);

/* --- between the fragments; the lock is held ------------------------------- */

/* The entry that the handle names: a file or source that has all of the flags, or
 * with 0 a target.  Else NULL (io_table.c). */
VYI_API vyi_entry *vyi_entry_find(const vyre_io *io, uint32_t handle, uint32_t flags);
VYI_API const vyi_binding *vyi_binding_find(const vyre_io *io, uint32_t resource);
VYI_API void vyi_entry_free(vyre_io *io, vyi_entry *entry);

/* Makes a job of the request in this slot.  True: the engine is to start it.  False: it is
 * not PUBLISHED, was answered, or is a fence (io_job.c). */
VYI_API bool vyi_job_claim(vyre_io *io, void *queue, uint32_t slot);
/* What a system call for the job gave: bytes, or -errno.  True: there is more to do.
 * False: it was answered, and is not the caller's any more. */
VYI_API bool vyi_job_moved(vyre_io *io, vyi_job *job, int64_t result);
/* Answers: 0 is OK, else a vyre_io_code. */
VYI_API void vyi_job_end(vyre_io *io, vyi_job *job, uint32_t code);

/* A read of the host's own: an index of it, or VYI_JOBS when all are in use, and then
 * *code is 0, or says why it is refused.  Without an event the file may end early.  It is
 * started then, or dropped. */
VYI_API uint32_t vyi_job_reserve(vyre_io *io, const vyre_io_read *what, uint32_t event,
                                 uint32_t *code);
VYI_API void vyi_job_start(vyre_io *io, uint32_t index);
VYI_API void vyi_job_drop(vyre_io *io, uint32_t index);
/* True: it has ended; how, and how far.  It is free then.  Where the bytes end within a
 * word, which lies in the target as a whole, the rest of it is 0. */
VYI_API bool vyi_job_take(vyre_io *io, uint32_t index, uint32_t *code, uint32_t *bytes);
/* Nobody will take it. */
VYI_API void vyi_job_leave(vyre_io *io, uint32_t index);

/* Runs the job to its end, here; lets the lock go meanwhile (io_pread.c). */
VYI_API void vyi_job_run(vyre_io *io, vyi_job *job);
/* Threads, as many as the system gives; `why` says how many. */
VYI_API void vyi_pool_open(vyre_io *io, char *why, size_t size);
VYI_API void vyi_pool_close(vyre_io *io);
/* Jobs that wait for a thread need not wait any more. */
VYI_API void vyi_pool_cancel(vyre_io *io);
/* True: threads copy it out of the page cache, for it is large and not alone; what is
 * not there they give to the engine. */
VYI_API bool vyi_pool_copies(vyre_io *io, vyi_job *job);
VYI_API const vyi_pump_engine *vyi_pump_pread(void);
/* NULL when it was not built in (io_uring.c). */
VYI_API const vyi_pump_engine *vyi_pump_uring(void);

VYI_EXTERN_C_END

#endif /* VYRE_NO_IO */
#endif

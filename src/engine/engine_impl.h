/* ==========================================================================
 * engine: what a backend is
 *
 * Private.  A backend turns finished programs into launches on buffers that
 * the host sees all the time.  It knows nothing of slots, tickets, leases or
 * recovery; the engine knows nothing of drivers.
 *
 * Calls.  The engine makes every call but wake, abort and info under one lock,
 * so none but these three needs one of its own.  A call that can fail leaves the
 * device as it was, or lost.  Once VYRE_E_DEVICE_LOST has been returned only
 * info, wake and close follow.
 *
 * Buffers.  Resident buffers are made by open: zeroed, mapped for as long as
 * the device lives, coherent (what the host writes before a launch the launch
 * sees, what a launch writes the host sees when it is reaped).  `live` in the
 * probe says that both directions also work during a launch.
 *
 * Attached buffers are a second set for byte-level dispatch.  The user's own
 * buffers belong to both sets; the mirror does not: the attached set has one
 * of its own, of the same size, that nobody reads.
 * ======================================================================= */
#ifndef VYI_ENGINE_IMPL_H
#define VYI_ENGINE_IMPL_H

#include "base/base_impl.h"
#include "engine/engine.h"
#include "base/thread_impl.h"

VYI_EXTERN_C_BEGIN

/* What a buffer is for; a backend chooses its memory by it. */
typedef enum vyi_role {
    VYI_ROLE_CONTROL = 0, /* the first four: at the bindings of the same number */
    VYI_ROLE_RING = 1,    /* control and ring: the device polls, the host writes, seldom reads */
    VYI_ROLE_LOG = 2,     /* log, io: written by the device, read by the host */
    VYI_ROLE_IO = 3,
    VYI_ROLE_USER = 4,    /* the user's, and the workspace */
    VYI_ROLE_MIRROR = 5   /* a u32 per slot, written by the device, polled by the host */
} vyi_role;

#define VYI_CORE_BUFFERS 4u
#define VYI_MAX_BUFFERS  VYRE_MAX_BINDINGS

typedef struct vyi_device_buffer {
    uint32_t    binding;
    vyi_role    role;
    size_t      size; /* bytes; a multiple of 4, at least 4 */
    vyre_access access;
    const char *name;
} vyi_device_buffer;

/* What a launch runs, on which buffers. */
typedef enum vyi_launch {
    VYI_LAUNCH_LOOP = 0, /* the looping program, resident buffers; at most `rounds` rounds */
    VYI_LAUNCH_ONCE = 1, /* the one-pass program, resident buffers */
    VYI_LAUNCH_BYTES = 2 /* the one-pass program, attached buffers */
} vyi_launch;

/* All of it outlives the device, apart from this struct itself. */
typedef struct vyi_device_desc {
    const vyre_desc    *desc;     /* the user's, with defaults filled in */
    const vyre_program *loop;     /* finished */
    const vyre_program *once;
    const vyre_program *narrow;   /* what `loop` does, by one lane; NULL = there is none */
    const vyre_program *whole;    /* what `loop` does, for a device that passes the probe's lines
                                     and sums; NULL likewise */
    const vyi_device_buffer *buffers; /* ascending bindings; the same in both programs */
    uint32_t buffer_count;
    uint32_t group_size;          /* of both programs */
    uint32_t max_groups;          /* more would find no slot to serve */
    bool     fixed_geometry;      /* the user has set workgroup size or lanes: keep to it */
    bool     guest_loops;         /* the user's own code in the programs has loops */
} vyi_device_desc;

typedef struct vyi_backend vyi_backend;

/* The first member of each backend's own device struct; filled by open, then
 * constant. */
typedef struct vyi_device {
    const vyi_backend *backend;
    void    *map[VYI_MAX_BUFFERS]; /* host address of each resident buffer, in the desc's order */
    uint32_t in_flight;        /* launches that may be queued at once, at least 1 */
    uint32_t max_rounds;       /* that one lease may have; 0 = no bound known */
    bool     endless;          /* rounds may be 0: the launch then lives until it is stopped */
    bool     write_combined;   /* host stores to control and ring need a store fence for order */
    bool     whole_lines;      /* and a slot that the host stores as one line is seen as one */
    bool     narrow;           /* the looping kernel is the narrow one */
    bool     slow_reads;       /* host reads of control and ring cross a bus */
    bool     pumped;           /* launches make progress inside reap only */
    uint32_t group_size;       /* as the looping program runs */
    uint32_t groups;
    uint64_t bytes;            /* of all resident buffers */
    uint64_t pipeline_id;
} vyi_device;

struct vyi_backend {
    vyre_backend id;
    const char  *name;
    vyre_status (*open)(const vyi_device_desc *desc, vyi_device **out, vyre_error *err);
    /* Returns in bounded time, whatever still runs; what that uses is leaked.
     * Says whether everything was freed: if not, the programs, the desc and
     * the allocator's memory stay as well. */
    bool (*close)(vyi_device *d);
    /* Fills backend, device, driver and probe; the rest is the engine's. */
    void (*info)(const vyi_device *d, vyre_info *info);
    /* Submits without waiting.  Launches run in the order of their submission,
     * and each sees what the one before has written.  A backend without a
     * queue may run it before it returns. */
    vyre_status (*launch)(vyi_device *d, vyi_launch what, uint32_t rounds, vyre_error *err);
    /* *completed is the number of launches that have ended since open.  Waits
     * until it exceeds `beyond`, but no longer than the timeout; VYRE_OK either
     * way.  0 only looks: at most one call to the driver. */
    vyre_status (*reap)(vyi_device *d, uint64_t beyond, uint64_t timeout_ns, uint64_t *completed,
                        vyre_error *err);
    /* (Re)makes the attached set, of control, ring, log and io, with exactly
     * these sizes (contents undefined), and gives its addresses; kept until
     * other sizes are asked for.  Only while nothing is in flight. */
    vyre_status (*attach)(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                          void *map[VYI_CORE_BUFFERS], vyre_error *err);
    /* Something was published, or the stop word was set.  Any thread, at any
     * time.  NULL: the device looks by itself. */
    void (*wake)(vyi_device *d);
    /* Ends what runs as soon as possible, even inside a handler.  Any thread, at
     * any time; the next launch starts afresh.  NULL: the device cannot.  Slots
     * in it stay CLAIMED; reap tells when it is over. */
    void (*abort)(vyi_device *d);
    bool shapes; /* its devices may run `narrow` or `whole`; else the desc has neither */
};

VYI_API const vyi_backend *vyi_cpu_backend(void);
/* NULL when it was not built in. */
VYI_API const vyi_backend *vyi_vulkan_backend(void);

/* As vyre_open, on a backend of the caller's. */
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err);

/* --- the handle ---------------------------------------------------------- */

/* Whose turn a slot is, in one word: generation << 3 | epoch << 2 | phase.
 *
 *     FREE   nobody's: never used, or its end has been seen
 *     BUSY   of the host thread that moved it here, until it moves it on
 *     FLIGHT published; it has ended as soon as its mirror word is not 0
 *
 * A publisher takes a slot from FREE, or FLIGHT and ended, to BUSY with the
 * next generation; whoever sees an end may move FLIGHT to FREE. Recovery flips
 * the epoch, so that a move that was decided on an older device fails. */
#define VYI_PHASE_FREE      0u
#define VYI_PHASE_BUSY      1u
#define VYI_PHASE_FLIGHT    2u
#define VYI_PHASE_MASK      3u
#define VYI_MARK_EPOCH      4u
#define VYI_GENERATION_BIT  3u
#define VYI_GENERATION_MASK 0x1fffffffu
#define VYI_GENERATION_HALF 0x10000000u

/* How a slot's last trouble ended, kept when the slot is used again.  Ends
 * without trouble leave no trace. */
typedef struct vyi_trouble {
    uint32_t generation; /* 0: none so far */
    uint32_t code;       /* vyre_fault, or: */
    uint32_t untold;     /* the generation, until somebody is told; 0: all is told */
} vyi_trouble;
#define VYI_TROUBLE_LOST 0xffffffffu

typedef enum vyi_run_state {
    VYI_STATE_IDLE = 0,
    VYI_STATE_RUNNING = 1,
    VYI_STATE_STOPPING = 2, /* a stop timed out: launches are still in flight */
    VYI_STATE_SHUT = 3,     /* by the opcode */
    VYI_STATE_LOST = 4
} vyi_run_state;

/* Slots that one priority may use; without priorities there is one for all.
 * The padding keeps the cursors, which publishers add to, on cache lines of
 * their own. */
typedef struct vyi_partition {
    uint32_t first, count;
    uint32_t cursor;
    uint32_t padding[29];
} vyi_partition;

#define VYI_CACHE_LINE 64u

#define VYI_LOOK_EVERY 64u /* slots, a power of two */

/* Where a thread that publishes among others keeps slots that it has made BUSY
 * ahead of its works (engine_slots.c, seats).  Each word is written by the
 * seat's thread while it is `inside`, and by whoever recalls while it is not.
 * The size keeps what two threads write on cache lines of their own. */
#define VYI_STASH 64u
typedef struct vyi_seat {
    uint32_t inside;      /* its thread is at it now */
    uint32_t holds;       /* it is one of the few that may have a stash */
    uint32_t part;        /* partition of all slots in the stash */
    uint32_t next, count; /* the stash: slots[next] .. slots[count - 1] */
    uint32_t era;         /* of the partition when it was filled */
    uint32_t pause;       /* claims until it is filled again */
    uint32_t slots[VYI_STASH];
    uint32_t padding[17];
} vyi_seat;

#define VYI_SEATS        64u /* more threads than that publish without */
#define VYI_SEAT_TRIES   8u  /* seats that a thread may have */
#define VYI_HOLDERS      8u
#define VYI_RESERVE_PART 32u /* of a partition, that one seat may reserve */
#define VYI_REST_FOREVER 0xffffffffu
#define VYI_REST         64u
#define VYI_REFUSALS     1024u /* to a recall, so that the seats of quiet threads serve others */

/* The chain of leases; under the handle's lock. */
typedef struct vyi_chain {
    uint64_t launched, completed; /* launches of any kind on this device */
    uint64_t leases, passes;      /* of all devices so far */
    uint64_t since;               /* when the oldest launch in flight can have begun */
    uint64_t lease_ns, least_ns;  /* as last seen; a lease takes as long at least, 0: unknown */
    uint32_t rounds;
    uint32_t before, after;       /* which works were pending when the last pass began, and ended */
    uint64_t retry_at;            /* when a pass is worth while though nothing is new */
} vyi_chain;

/* Words that threads share without the lock, by who writes and who reads:
 *
 *     state    the lock's holder stores with release; publishers and waiters load
 *              with acquire, and see what led to it (`lost`, the device)
 *     marks    moved by compare-and-swap; what its owner wrote into the slot
 *              goes before the release that ends BUSY, and is seen by the acquire
 *              of whoever reads the new mark
 *     held     set before the first mark becomes BUSY, cleared after the last one
 *              is put back
 *     recall   a lock, taken by compare-and-swap: while it is odd no thread
 *              touches the stash of its seat; each release makes it a new number
 *     sitters  stored with release under `turning`, from 0, and never changed
 *     kept     the holder's; written before the slot is BUSY, for vyi_mark_unheld
 *     device   stored by a recovery while all slots are held, so that no
 *              publisher writes to the old one
 *     mirror   the device stores with release; its acquire makes results visible
 *     cursor, drive_at   order nothing */
struct vyre {
    vyi_partition partitions[VYRE_PRIORITY_LEVELS];
    uint32_t  drive_at;   /* microseconds, wrapping: when a look at the device is due */
    uint32_t  state;      /* vyi_run_state; written under the lock */
    uint32_t  held;       /* every slot is BUSY for a moment */
    uint32_t  untold;     /* troubles that were replaced before anybody was told */
    void     *device;     /* vyi_device */
    /* One thread alone (engine_slots.c). */
    void     *alone;      /* its id, or a VYI_ALONE_ value */
    uint32_t  inside;     /* it is at the slots now */
    uint32_t  turning;    /* somebody changes `alone` */
    uint32_t  fences;     /* it has made, and one */
    uint32_t *cleared;    /* of each slot: `fences` when its mirror word was cleared */
    /* Seats, of threads that are not alone. */
    uint32_t  recall;     /* odd: somebody takes back what is reserved, or holds all slots */
    uint32_t  rest;       /* claims until slots may be reserved again, or VYI_REST_FOREVER */
    uint32_t  holders;    /* seats that may have a stash */
    uint32_t  refused;    /* claims, about, of those that wanted one as well */
    uint32_t  eras[VYRE_PRIORITY_LEVELS]; /* of partitions: eighths gone through */
    uint32_t  reserves[VYRE_PRIORITY_LEVELS]; /* slots that a seat takes at a time; 0: none */
    void     *sitters[VYI_SEATS]; /* thread ids */
    vyi_seat  seats[VYI_SEATS];
    /* Constant once the handle is open. */
    uint32_t  slots, tenants, observables, log_records;
    uint32_t  partition_count, mirror_index, user_count;
    uint32_t  user_index[VYI_MAX_BUFFERS]; /* of the user's buffer i in `buffers` */
    vyre_mode mode;
    uint32_t  look_mask;  /* who publishes into a slot that has none of these bits nudges */
    bool      lives;      /* a kernel serves what is published between two calls */
    bool      wide;       /* lines are composed in one register */
    uint32_t *marks;      /* of each slot */
    vyi_trouble *trouble; /* of each slot */
    vyre_work *record;    /* of each slot, for a rerun; NULL without */
    uint32_t *kept;       /* marks of slots while they are held */
    uint32_t *run_mark;   /* of each slot: the generation that vyre_run waits for, or 0 */
    uint32_t *run_work;   /* and its index */
    vyre_log_record *log; /* records on their way to the callback */
    vyre_desc desc;
    vyre_program *loop, *once, *narrow, *whole;
    vyi_device_buffer buffers[VYI_MAX_BUFFERS];
    uint32_t  buffer_count;
    const vyi_backend *backend;
    vyi_arena arena;      /* of texts */
    /* Under the lock. */
    vyi_mutex lock;
    vyi_mutex run_lock;   /* vyre_run; taken before the lock */
    vyi_chain chain;
    void     *retired;    /* of void *: lost devices, whose mappings may still be looked at */
    uint32_t  retired_capacity;
    uint32_t  recoveries;
    bool      was_running; /* when the device was lost */
    bool      auto_recovered;
    uint32_t  aborted;    /* slots may have been left CLAIMED */
    vyre_error lost;      /* how */
    char      why_cpu[160];
    /* The helper. */
    vyi_thread helper;
    vyi_mutex  helper_lock;
    vyi_cond   helper_wake;
    bool       helper_runs, helper_quits;
};

/* What vyre.alone can be, apart from a thread's id. */
#define VYI_ALONE_NOBODY 0u /* the next thread is the one */
#define VYI_ALONE_ENDING 1u /* another thread has come, and waits for the first to step aside */
#define VYI_ALONE_SHARED 2u /* for good: marks are moved by compare-and-swap */

/* How far a thread may go in looking after the device. */
typedef enum vyi_effort {
    VYI_EFFORT_LOOK = 0, /* keep a started kernel going */
    VYI_EFFORT_WORK = 1  /* also make passes for work that waits without one */
} vyi_effort;

/* Rounds of the first lease. */
#define VYI_LEASE_ROUNDS 1024u

/* A query changes nothing but the lock. */
static inline vyi_mutex *vyi_engine_lock(const vyre *v)
{
    return (vyi_mutex *)((uintptr_t)v + offsetof(vyre, lock));
}

static inline vyi_device *vyi_engine_device(const vyre *v)
{
    return (vyi_device *)vyi_load_pointer(&v->device);
}

static inline uint32_t *vyi_engine_words(const vyi_device *d, uint32_t buffer)
{
    return (uint32_t *)d->map[buffer];
}

static inline uint32_t vyi_engine_in_flight(const vyre *v)
{
    return (uint32_t)(v->chain.launched - v->chain.completed);
}

static inline uint32_t vyi_control_load(const vyi_device *d, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_engine_words(d, VYI_ROLE_CONTROL) + word));
}

/* Slots (engine_slots.c _publish.c _wait.c).  vyi_alone_begin comes before any
 * other of these functions, vyi_seats_plan before the first publish, when the
 * device is known.  vyi_engine_hold takes every slot, if all are at rest (or,
 * with `force`, whatever they are doing); vyi_engine_unhold puts them back. */
VYI_API void vyi_alone_begin(vyre *v);
VYI_API void vyi_seats_plan(vyre *v);
VYI_API bool vyi_engine_hold(vyre *v, bool force);
VYI_API void vyi_engine_unhold(vyre *v);
/* How many are in flight and have not ended. */
VYI_API uint32_t vyi_engine_pending(const vyre *v);
/* Which: a number that others hardly have; 0: none. */
VYI_API uint32_t vyi_engine_waiting(const vyre *v);
VYI_API void vyi_slot_write(vyre *v, vyi_device *d, uint32_t slot, const vyre_work *work);
/* `told`: whoever asks for this slot is told now; otherwise the next drain is. */
VYI_API void vyi_slot_trouble(vyre *v, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told);
VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err);
/* VYRE_OK, VYRE_PENDING, E_FAULT (and its code), E_LOST, E_STALE, E_TICKET. */
VYI_API vyre_status vyi_ticket_look(vyre *v, vyre_ticket t, uint32_t *code);
/* The same of a ticket whose work has ended. */
VYI_API vyre_status vyi_ticket_history(vyre *v, vyre_ticket t, uint32_t *code);

/* Turns of a loop that waits: first it spins, then it lets others run, then it
 * sleeps. */
typedef struct vyi_pace {
    uint64_t begin, deadline;
    uint32_t turn;
} vyi_pace;

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns);
/* VYRE_OK, VYRE_TIMEOUT, or an error when no work can end any more. */
VYI_API vyre_status vyi_pace_turn(vyre *v, vyi_pace *pace, vyre_error *err);

/* The chain (engine_lease.c), under the lock. */
VYI_API vyre_status vyi_engine_drive(vyre *v, vyi_effort effort, vyre_error *err);
/* Waits until nothing is in flight: VYRE_OK, VYRE_TIMEOUT, or an error. */
VYI_API vyre_status vyi_engine_settle(vyre *v, uint64_t deadline, vyre_error *err);
/* Slots that an abort has left CLAIMED end FAULT.  Nothing is in flight. */
VYI_API void vyi_engine_bury(vyre *v);
VYI_API vyre_status vyi_engine_launch(vyre *v, vyi_launch what, uint32_t rounds, vyre_error *err);
VYI_API vyre_status vyi_engine_reap(vyre *v, uint64_t timeout_ns, vyre_error *err);
VYI_API void vyi_engine_deliver_log(vyre *v);
/* Without the lock: drives if it is due and nobody else does. */
VYI_API vyre_status vyi_engine_nudge(vyre *v, vyi_effort effort, vyre_error *err);
VYI_API bool vyi_helper_start(vyre *v);
VYI_API void vyi_helper_stop(vyre *v);

/* A call of the backend has failed, as `how` says; notes a loss. */
VYI_API vyre_status vyi_engine_failed(vyre *v, vyre_status status, vyre_error *how,
                                      vyre_error *err);
VYI_API vyre_status vyi_engine_lost(vyre *v, const vyre_error *how, vyre_error *err);
VYI_API void vyi_engine_set_shutdown(vyre *v, uint32_t value);

/* Buffers and recovery (engine.c), under the lock. */
VYI_API vyre_status vyi_engine_recover(vyre *v, vyre_error *err);

VYI_EXTERN_C_END

#endif

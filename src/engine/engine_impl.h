/* ==========================================================================
 * engine: what a backend is
 *
 * Private.  A backend turns finished programs into launches on buffers that
 * the host sees all the time.  It knows nothing of slots, tickets, leases or
 * recovery; the engine knows nothing of drivers.
 *
 * Calls.  The engine makes every call but wake, abort, doze, copy and info under one
 * lock, so none but these needs one of its own.  A call that can fail leaves the
 * device as it was, or lost.  Once VYRE_E_DEVICE_LOST has been returned only
 * info, wake and close follow, and copies that did not know yet.
 *
 * Buffers.  Resident buffers are made by open: zeroed, mapped for as long as
 * the device lives, coherent (what the host writes before a launch the launch
 * sees, what a launch writes the host sees when it is reaped).  `live` in the
 * probe says that both directions also work during a launch.  The user's may be
 * without a mapping, by their place; those that are lent are not zeroed, either.
 *
 * Attached buffers are a second set for byte-level dispatch.  The user's own
 * buffers belong to both sets; mirror and cancel words do not: the attached set has
 * its own, of the same size, that no host reads or writes.
 * ======================================================================= */
#ifndef VYI_ENGINE_IMPL_H
#define VYI_ENGINE_IMPL_H

#include "base/line_impl.h"
#include "base/thread_impl.h"
#include "engine/engine.h"

/* A part of open has ended: bench/device says where its time goes. */
#ifndef VYI_STEP
    #define VYI_STEP(name) ((void)0)
#endif

VYI_EXTERN_C_BEGIN

/* What a buffer is for; a backend chooses its memory by it. */
typedef enum vyi_role {
    VYI_ROLE_CONTROL = 0, /* the first four: at the bindings of the same number */
    VYI_ROLE_RING = 1,    /* control and ring: the device polls, the host writes, seldom reads */
    VYI_ROLE_LOG = 2,     /* log, io: written by the device, read by the host */
    VYI_ROLE_IO = 3,
    VYI_ROLE_USER = 4,    /* the user's, and the workspace */
    VYI_ROLE_WIDE = 6,    /* of works that many lanes run: both sets share it, as the user's */
    VYI_ROLE_MIRROR = 5,  /* a u32 per slot, and VYI_WIDE_SLOTS and twice VYRE_IO_SLOTS behind
                             them (with tasks three times), written by the device, polled by
                             the host */
    VYI_ROLE_CANCEL = 7,  /* a u32 per slot, written by the host, read by the device */
    VYI_ROLE_EVENTS = 8,  /* that works wait for; both sets share it */
    VYI_ROLE_CHILDREN = 9, /* the device's own queue; likewise */
    VYI_ROLE_TIMES = 10   /* written by the device, read by the host (kernel/times_impl.h);
                             likewise */
} vyi_role;

#define VYI_CORE_BUFFERS 4u
#define VYI_MAX_BUFFERS  VYRE_MAX_BINDINGS

typedef struct vyi_device_buffer {
    uint32_t    binding;
    vyi_role    role;
    size_t      size; /* bytes; a multiple of 4, at least 4 */
    vyre_access access;
    const char *name;
    uint32_t    count; /* words that the programs know at most; 0 = all that there are */
    vyre_place  place; /* of the user's */
    void       *lent;  /* a VkBuffer of the program's, or NULL */
} vyi_device_buffer;

/* Between the caller's bytes and one of the user's buffers, inside of it. */
typedef struct vyi_copy {
    uint32_t    buffer;    /* in the desc's order */
    size_t      offset, size; /* at least 1 byte */
    const void *bytes_in;  /* into the buffer; or NULL: out of it, to */
    void       *bytes_out;
} vyi_copy;

/* What a launch runs, on which buffers. */
typedef enum vyi_launch {
    VYI_LAUNCH_LOOP = 0, /* the looping program, resident buffers; at most `rounds` rounds */
    VYI_LAUNCH_ONCE = 1, /* the one-pass program, resident buffers */
    VYI_LAUNCH_BYTES = 2, /* the one-pass program, attached buffers */
    VYI_LAUNCH_TILES = 3, /* the tile pass, resident buffers; `rounds` is the number of groups */
    VYI_LAUNCH_TILE_BYTES = 4 /* the tile pass, attached buffers */
} vyi_launch;

/* All of it outlives the device, apart from this struct itself. */
typedef struct vyi_device_desc {
    const vyre_desc    *desc;     /* the user's, with defaults filled in */
    const vyre_program *loop;     /* finished */
    const vyre_program *once;
    const vyre_program *narrow;   /* what `loop` does, by one lane; NULL = there is none */
    const vyre_program *whole;    /* what `loop` does, for a device that passes the probe's lines
                                     and sums; NULL likewise */
    const vyre_program *tiles;    /* runs one wide work; NULL: the kernel has none */
    const vyi_device_buffer *buffers; /* ascending bindings; the same in both programs */
    uint32_t buffer_count;
    uint32_t group_size;          /* of both programs */
    uint32_t max_groups;          /* more would find no slot to serve, */
    uint32_t spare_groups;        /* but so many could find what others have spawned */
    bool     fixed_geometry;      /* the user has set workgroup size or lanes: keep to it */
    bool     guest_loops;         /* the user's own code in the programs has loops */
} vyi_device_desc;

/* One moment by both clocks: ticks as works find them, and vyi_now()'s nanoseconds, which
 * are so far apart at most. */
typedef struct vyi_moment {
    uint64_t ticks, host, deviation; /* host 0: not known */
} vyi_moment;

typedef struct vyi_backend vyi_backend;

/* The first member of each backend's own device struct; filled by open, but for
 * `store`, then constant. */
typedef struct vyi_device {
    const vyi_backend *backend;
    vyi_line_fn store;         /* the engine's: how slots get into the ring */
    void    *map[VYI_MAX_BUFFERS]; /* host address of each resident buffer, in the desc's order */
    uint32_t in_flight;        /* launches that may be queued at once, at least 1 */
    uint32_t max_rounds;       /* that one lease may have; 0 = no bound known */
    bool     endless;          /* rounds may be 0: the launch then lives until it is stopped */
    bool     write_combined;   /* host stores to control and ring need a store fence for order */
    bool     whole_lines;      /* and a slot that the host stores as one line is seen as one */
    bool     narrow;           /* the looping kernel is the narrow one */
    bool     shared;           /* its lanes run on the host's processors */
    bool     pumped;           /* launches make progress inside reap only */
    bool     divisible;        /* a lease may have fewer groups: */
    uint32_t level;            /* the engine's: `groups` >> level, at least 1, in the next one */
    uint32_t verdict;          /* of a tuner: open finds the one of an earlier open, close keeps
                                  it for a later one; 0: none */
    uint32_t group_size;       /* as the looping program runs */
    uint32_t groups;
    uint32_t wide_group;       /* lanes of a group that runs wide works */
    uint32_t wide_groups;      /* of the looping program; 0: each work is a tile pass */
    uint32_t wide_turns;       /* that the loop of such a group may take */
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
    /* Fills backend, device, driver, probe, limits and memory_bytes; the rest is the
     * engine's. */
    void (*info)(const vyi_device *d, vyre_info *info);
    /* Launches run in the order of their submission, and each sees what the one
     * before has written.  Does not wait, but for a backend without a queue, which
     * may run a pass before it returns. */
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
    /* Sleeps for that long, or until works may have ended.  Any thread, at any
     * time.  NULL: the device wakes nobody. */
    void (*doze)(vyi_device *d, uint64_t ns);
    /* Returns when it is done; also while launches run.  What it wrote is there for
     * works that are published afterwards.  VYRE_TIMEOUT after desc.run_timeout_ns.
     * Any thread, at any time.  NULL: every buffer has an address, in `map`. */
    vyre_status (*copy)(vyi_device *d, const vyi_copy *copy, vyre_error *err);
    /* Another size for the resident buffer of that index, which is one of the user's
     * and not lent; contents kept, the rest zero; its address changes.  Only while
     * nothing is in flight, and nobody copies. */
    vyre_status (*resize)(vyi_device *d, uint32_t buffer, const vyi_device_buffer *wanted,
                          vyre_error *err);
    /* Of devices whose launches need not end: a count.  Two more than what it gives
     * after a gate was closed, and no group is left that has seen the gate open.  NULL:
     * the launches that have ended say it. */
    uint32_t (*era)(vyi_device *d);
    /* Of a traced handle's device: what its clock says now, if the driver tells.  NULL, or
     * false: it does not. */
    bool (*moment)(vyi_device *d, vyi_moment *out);
    /* A gate was opened: as wake, for groups alone.  NULL: wake is called. */
    void (*wake_groups)(vyi_device *d);
};

VYI_API const vyi_backend *vyi_cpu_backend(void);
/* NULL when it was not built in. */
VYI_API const vyi_backend *vyi_vulkan_backend(void);

/* --- words of a device --------------------------------------------------- */

static inline uint32_t *vyi_device_words(const vyi_device *d, uint32_t buffer)
{
    return (uint32_t *)d->map[buffer];
}

static inline uint32_t vyi_control_load(const vyi_device *d, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_device_words(d, VYI_ROLE_CONTROL) + word));
}

VYI_EXTERN_C_END

#endif

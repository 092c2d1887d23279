/* ==========================================================================
 * engine: the vyre handle, a queue whose kernel is already running
 *
 * Public.  A handle owns a ring of slots, the kernel that serves it, and the
 * device that the kernel runs on.
 *
 *     vyre *v = vyre_open(NULL, &err);
 *     vyre_start(v, &err);
 *     vyre_publish(v, &work, &ticket, &err);
 *     vyre_wait(v, ticket, 1000000000, &err);
 *     vyre_close(v);
 *
 * Between vyre_start and vyre_stop the kernel takes work as it is published.
 * Before and after, published work stays in the ring until vyre_wait,
 * vyre_drain or vyre_run makes one pass over it.  Results are the same.
 *
 * Threads: publish, publish_many, poll, wait, drain, result, observable, map,
 * query, tenant_enable and on_end may be called from any thread at any time.  The
 * others may, too, but take turns.  vyre_close is the last call, alone.
 *
 * No function blocks for longer than the timeout that it is given.  A timeout
 * of 0 looks once; VYRE_FOREVER waits as long as it takes.
 *
 * Whatever is not VYRE_OK is explained in *err, news (VYRE_FULL, VYRE_PENDING,
 * VYRE_TIMEOUT) as well as errors.
 * ======================================================================= */
#ifndef VYI_ENGINE_H
#define VYI_ENGINE_H

#include "kernel/kernel.h"
#include "wire/plan.h"

VYI_EXTERN_C_BEGIN

typedef struct vyre vyre;
struct vyre_log_record;
struct vyre_replay;

/* What a log's records of kind EVENT say in `code`. */
typedef enum vyre_replay_event {
    VYRE_REPLAY_STARTED = 1,
    VYRE_REPLAY_STOPPED = 2,
    VYRE_REPLAY_RECOVERED = 3
} vyre_replay_event;

#define VYRE_FOREVER UINT64_MAX /* a timeout in nanoseconds */

typedef enum vyre_backend {
    VYRE_BACKEND_AUTO = 0, /* Vulkan where it works, else CPU: vyre_info.why_cpu */
    VYRE_BACKEND_CPU = 1,
    VYRE_BACKEND_VULKAN = 2
} vyre_backend;

/* How published work reaches the device after vyre_start. */
typedef enum vyre_mode {
    VYRE_MODE_AUTO = 0,       /* the first of the following that the device allows */
    VYRE_MODE_PERSISTENT = 1, /* a running kernel sees work as it is published */
    VYRE_MODE_PASSES = 2      /* poll, wait and publish launch a pass when work is there */
} vyre_mode;

/* What becomes of work that was in flight when a device was lost. */
typedef enum vyre_lost_work {
    VYRE_LOST_REPORT = 0, /* its ticket ends with VYRE_E_LOST */
    VYRE_LOST_RERUN = 1   /* what was not seen to end is published again: it may run twice */
} vyre_lost_work;

/* Where one of the user's buffers lies. */
typedef enum vyre_place {
    VYRE_PLACE_SHARED = 0, /* device memory that the host writes; else host memory */
    VYRE_PLACE_DEVICE = 1, /* device memory that the host does not map: vyre_write, vyre_read */
    VYRE_PLACE_HOST = 2    /* cached host memory: devices write it, hosts read it */
} vyre_place;

/* What a handle is to be good at: vyre_plan_desc.goal, vyre_desc.tune_goal. */
typedef enum vyre_plan_goal {
    VYRE_PLAN_LATENCY = 0,   /* a work there and back */
    VYRE_PLAN_THROUGHPUT = 1 /* many works at a time */
} vyre_plan_goal;

/* The original's labels of what waits (vyre_policy_advise, vyre_tuning). */
typedef enum vyre_topology {
    VYRE_TOPOLOGY_EMPTY = 0,
    VYRE_TOPOLOGY_SPARSE = 1,
    VYRE_TOPOLOGY_HYBRID = 2,
    VYRE_TOPOLOGY_DENSE = 3,
    VYRE_TOPOLOGY_FUSED = 4,
    VYRE_TOPOLOGY_MEMORY = 5
} vyre_topology;

/* Who decides how many groups of the running kernel serve slots (docs/plan.md). */
typedef enum vyre_tune {
    VYRE_TUNE_OFF = 0,  /* the device's limits, and the ring's size */
    VYRE_TUNE_OPEN = 1, /* measured by vyre_open */
    VYRE_TUNE_LIVE = 2  /* that, and fewer while few works wait */
} vyre_tune;

/* Names one published work for as long as the handle lives, and the handle, in the
 * upper bits of `slot`; all zero is none. */
typedef struct vyre_ticket {
    uint32_t slot; /* vyre_ticket_slot() gives the place in the ring */
    uint32_t generation;
} vyre_ticket;

/* Called when a work has ended, once; `status` as vyre_poll has it. */
typedef void (*vyre_end_fn)(void *user, vyre_ticket t, vyre_status status);

/* --- options ------------------------------------------------------------- */

/* Bring your own Vulkan.  What is NULL the engine makes, and destroys, itself;
 * what is given stays the caller's and outlives the handle.  The handles are
 * opaque here; the functions under VYRE_VULKAN_TYPES take the typed ones. */
typedef struct vyre_vulkan_desc {
    void  *instance;
    void  *physical_device; /* needs instance */
    void  *device;          /* needs physical_device; then queue is needed, too */
    void  *queue;
    uint32_t queue_family;  /* of `queue` */
    uint32_t api_version;   /* that instance and device were made for; 0 = 1.1 */
    void (*queue_lock)(void *user);   /* around every use of `queue`; NULL = it is ours alone */
    void (*queue_unlock)(void *user);
    void  *queue_user;
    const void *allocator;  /* VkAllocationCallbacks; NULL = the driver's */
    void (*loader)(void);   /* vkGetInstanceProcAddr; NULL = volk looks for the system's */
    const char *const *device_extensions; /* enabled on `device` */
    uint32_t device_extension_count;
    const void *device_features; /* VkPhysicalDeviceFeatures2 chain that `device` was made with */
    const void *cache;      /* pipeline cache blob of an earlier run; refused when it is foreign */
    size_t      cache_size;
    void (*cache_store)(void *user, const void *blob, size_t size); /* called by vyre_close */
    void  *cache_user;
    /* Instead of `cache`: the pipeline cache, the probe's verdict and that of desc.tune,
     * read by vyre_open and written by vyre_close if they changed.  Never an error: what
     * is damaged, another program's, device's or driver's, a link or no file is not used,
     * with a message.  For vyre_open. */
    const char *cache_file;
    bool   validation;      /* ask for VK_LAYER_KHRONOS_validation when it is installed */
    bool   no_debug_names;
} vyre_vulkan_desc;

/* How long one dispatch of the looping kernel lives. */
typedef struct vyre_lease_desc {
    uint32_t rounds;    /* at most; 0 = adapted to the time */
    uint64_t time_ns;   /* aimed at; 0 = 5 ms */
    uint32_t in_flight; /* dispatches queued at once; 0 = 2 */
    uint64_t timeout_ns; /* a dispatch that lasts longer counts as lost; 0 = 10 s.  While no
                            call looks at the device, an eighth of it goes by at most */
} vyre_lease_desc;

typedef struct vyre_desc {
    vyre_backend backend;
    vyre_mode    mode;
    /* Index or part of the name; NULL = $VYRE_DEVICE, or the best.  AUTO, too,
     * fails where there are Vulkan devices and none is the one that was named. */
    const char  *device;
    vyre_kernel_desc kernel;     /* slot_count 0 = 256; `once` is the engine's */
    uint32_t     tenants;        /* ids 0 .. tenants - 1 are authorised; 0 = 1 */
    uint32_t     observables;    /* 0 = the kernel's, or 64 */
    const size_t *buffer_sizes;  /* bytes, one per kernel.buffers; NULL or 0 = 4 * its count */
    const vyre_place *buffer_places; /* likewise; NULL = SHARED, all of them */
    /* Likewise: VkBuffers of vulkan.device, or NULL for one of the engine's; NULL =
     * none is the program's.  They have usage STORAGE_BUFFER, for vyre_read TRANSFER_SRC
     * and for vyre_write TRANSFER_DST too, and buffer_sizes bytes; they outlive the
     * handle, and keep what is in them. */
    void *const *vulkan_buffers;
    size_t       workspace_size; /* bytes; 0 = 4 * the count in kernel.workspace */
    vyre_lease_desc lease;
    /* Iterations after which a slot's loops end FAULT on the CPU, in passes and
     * in its running kernel.  0 = none: vyre_stop ends what does not end by itself. */
    uint32_t     loop_limit;
    uint32_t     wide_groups;    /* of the running kernel, for wide works; 0 = all that run at the
                                    same time */
    uint64_t     run_timeout_ns; /* vyre_run and dispatches give up without progress; 0 = 60 s */
    vyre_lost_work lost_work;
    bool         auto_recover;   /* the first lost device is replaced without being asked */
    bool         helper_thread;  /* keeps the leases going while the program is quiet */
    /* A slot whose ticket was given out is not used again before its result was taken
     * (vyre_result, vyre_wait_result), vyre_release, or somebody was told that the
     * work has not ended well. */
    bool         keep_results;
    bool         unknown_opcodes; /* publish also takes what no handler has; it ends FAULT */
    bool         no_probe;       /* do not measure at open; persistent mode is then not proved */
    bool         probe_always;   /* measure although vulkan.cache_file has a verdict */
    /* Records of PRINTF, in order, from inside stop, drain, wait or poll; it
     * must not call back into the handle.  NULL: they stay in the log. */
    void (*log)(void *user, const struct vyre_log_record *record);
    void  *log_user;
    /* Events that are kept for vyre_trace_json(), a power of two from 16 on; the oldest
     * are overwritten.  0 = none, and nothing to pay. */
    uint32_t trace_events;
    /* A log that gets the works and ends of this handle (vyre_replay_open, version 2);
     * it outlives the handle, and is nobody else's meanwhile.  NULL: none. */
    struct vyre_replay *record;
    bool record_results; /* and digests of results, which are read for it */
    /* After a lost device was replaced, before work runs on the new one: the
     * place to fill user buffers again, with vyre_map and vyre_write, which are
     * all of the handle that it may call. */
    void (*recovered)(void *user, vyre *v);
    void  *recovered_user;
    vyre_logger    messages;
    vyre_allocator allocator;
    vyre_vulkan_desc vulkan;
    uint32_t     cpu_threads;    /* of the CPU backend; 0 = the machine's cores.  With wide
                                    handlers so many again; 1: all in passes, one by one */
    bool         ages;           /* keeps the age of each work, for vyre_info.oldest_looks */
    /* Counters on the device for works that wait for others (vyre_publish_after): at
     * least so many, and as many as the slots need, up to 16384.  0 = no work waits, and
     * the kernels do not know of it. */
    uint32_t     events;
    /* Not OFF: vyre_open runs works that do nothing, for tune_ns at most (0 = 20 ms), and
     * vyre_info.tuning says what came of it.  Needs the room plan. */
    vyre_tune    tune;
    vyre_plan_goal tune_goal;
    uint64_t     tune_ns;
} vyre_desc;

/* --- what a handle says of itself ---------------------------------------- */

/* What was measured on the device when the handle was opened. */
typedef struct vyre_probe {
    bool     ran;
    bool     live;            /* both directions proved: persistent mode works */
    bool     host_to_device;  /* a running kernel sees what the host writes */
    bool     device_to_host;  /* the host sees what a running kernel writes */
    bool     loop_limited;    /* the driver cuts loops, silently */
    bool     whole_lines;     /* it sees what the host stores as one line as a whole */
    bool     effects_first;   /* what an atomic did is there for the host before what the lane
                                 makes of its answer */
    uint32_t loop_limit;      /* after this many iterations; 0 = none found */
    uint32_t resident_groups; /* workgroups seen running at the same time; 0 = not measured */
    uint64_t round_trip_ns;   /* of the fastest echo; 0 = none came back */
    char     text[160];       /* the verdict in a line */
    bool     kept;            /* measured by an earlier open: vyre_vulkan_desc.cache_file */
} vyre_probe;

/* What a device allows of a launch in one dimension. */
typedef struct vyre_limits {
    uint32_t max_workgroup_size, max_groups, max_invocations;
} vyre_limits;

#define VYRE_LEVELS 4u

/* Of a handle with desc.tune: level i is a lease of worker_groups >> i groups. */
typedef struct vyre_tuning {
    uint32_t levels, level; /* how many there are; the one that the next lease has */
    uint32_t lanes;         /* of that lease, for slots */
    uint32_t changes;       /* of the level, since open */
    uint64_t round_trip_ns[VYRE_LEVELS]; /* of an empty work, and of a full ring of them, at
                                            each level; the mean without the slowest quarter.
                                            0: not measured */
    uint64_t drain_ns[VYRE_LEVELS];
    vyre_topology topology; /* LIVE: what the last lease was decided by */
    uint16_t density_bps;   /* works that waited at most, of 10000 slots */
    char     text[160];     /* the verdict in a line */
} vyre_tuning;

typedef struct vyre_info {
    vyre_backend backend;
    vyre_mode    mode;            /* PERSISTENT or PASSES, what vyre_start gives */
    char         device[128];     /* name */
    char         driver[128];     /* name and version */
    char         why_cpu[160];    /* why AUTO took the CPU; empty otherwise */
    uint32_t     slot_count;
    uint32_t     workgroup_size;  /* of the looping kernel on this device */
    uint32_t     worker_groups;
    uint32_t     lane_count;      /* workgroup_size * worker_groups */
    uint32_t     wide_group;      /* lanes of a group that runs wide works; 0: no handler is wide */
    uint32_t     wide_groups;     /* of the running kernel; 0: each wide work is a pass */
    uint32_t     tenants, observables, log_records;
    uint32_t     buffer_count;    /* the user's */
    uint64_t     program_hash;
    uint64_t     pipeline_id;     /* of program, device and driver; changes with a recovery */
    uint32_t     recoveries;
    bool         running;         /* started and not stopped */
    bool         shut_down;       /* by opcode SHUTDOWN: vyre_start goes on */
    bool         device_lost;     /* vyre_recover is needed */
    uint64_t     leases;          /* dispatches of the looping kernel so far */
    uint64_t     passes;          /* dispatches of the one-pass kernel */
    uint64_t     lease_ns;        /* duration of a lease as last seen; 0 = none has ended */
    uint32_t     lease_rounds;    /* 0 = endless */
    uint64_t     device_bytes;    /* of all buffers */
    uint64_t     log_dropped;     /* records that found the log full */
    uint64_t     requeues;        /* works that were put back, to go on later (kernel.tasks, and
                                     LOAD_MISS without a free IO slot), as of the last look */
    uint64_t     promotions;      /* claims of LOW or IDLE work before more urgent one, of kind
                                     PRIORITY; likewise */
    uint32_t     oldest_looks;    /* with desc.ages: looks at the device since the oldest work in
                                     flight was published; 0 = none is, or this look's */
    vyre_probe   probe;
    vyre_limits  limits;          /* of the device; of the CPU backend the library's own */
    uint64_t     memory_bytes;    /* of the device's largest heap of its own; 0 = not known */
    vyre_tuning  tuning;          /* all zero with VYRE_TUNE_OFF */
} vyre_info;

/* What the original's statistics say of such a call: by its own arithmetic, from
 * the arguments alone.  Nothing here was measured or counted. */
typedef struct vyre_stats_original {
    uint64_t device_allocation_bytes, device_allocation_events;
    uint32_t output_buffers, resident_rows, resident_handles;
    uint32_t kernel_launches, sync_points;
} vyre_stats_original;

/* Of one call: what was copied, counted and timed. */
typedef struct vyre_stats {
    uint64_t input_bytes, output_bytes, readback_bytes, bytes_moved;
    uint64_t latency_ns;
    uint32_t kernel_launches; /* dispatches of any kind */
    bool     recovered;
    uint64_t done, faults;    /* works that ended */
    vyre_stats_original original;
    uint64_t publish_ns, wait_ns; /* of latency_ns: until the works lay in the ring, and the rest */
    uint64_t folded;          /* of vyre_run_with: works that another one stood for */
    uint32_t waves;           /* and waves that have run */
} vyre_stats;

/* The four core buffers as bytes. */
typedef struct vyre_io_buffers {
    void *control; size_t control_size;
    void *ring;    size_t ring_size;
    void *log;     size_t log_size;
    void *io;      size_t io_size; /* NULL and 0: an empty queue of 64 slots */
} vyre_io_buffers;

/* Whether the backend was built in; AUTO: any. It says nothing of devices. */
VYRE_API bool vyre_backend_available(vyre_backend backend);
VYRE_API const char *vyre_backend_name(vyre_backend backend);

/* --- the handle ---------------------------------------------------------- */

/* NULL desc: the best backend, 256 slots.  NULL on failure. */
VYRE_API vyre *vyre_open(const vyre_desc *desc, vyre_error *err);
/* Stops a running kernel, waiting two seconds at most; what a device still
 * uses then is leaked rather than waited for.  NULL is allowed. */
VYRE_API void vyre_close(vyre *v);
VYRE_API void vyre_query(const vyre *v, vyre_info *out);
/* The handle's counters of works that were put back, and of claims before their turn, as
 * vyre_requeue_advise takes them; max_age is vyre_info.oldest_looks. */
VYRE_API vyre_requeue vyre_requeue_of(const vyre *v);

/* The kernel runs from here on.  Work that is already in the ring is served.
 * VYRE_TIMEOUT: another call held the handle for all of lease.timeout_ns. */
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err);
/* Ends the kernel; work that it had claimed is finished first, other work
 * stays in the ring.  VYRE_TIMEOUT: it still runs; stop again, or close. */
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err);

/* --- work ---------------------------------------------------------------- */

/* VYRE_FULL when no slot is free: poll or wait, and try again.  VYRE_E_OPCODE
 * when neither the kernel nor a handler has the opcode.  `ticket` may be NULL. */
VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err);
/* Publishes works in order until the ring is full.  *published says how many,
 * *last is the ticket of the last one; both may be NULL.  VYRE_FULL when it
 * was not all of them.  All are checked before the first is published. */
VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err);
/* Publishes a work that runs after those that the tickets name, and sees what they
 * wrote; nobody waits on the host.  When one of them does not end well, it does not run
 * and ends FAULT(VYRE_FAULT_AFTER), and so do those that wait for it.  Several that have
 * not ended take a slot more each.  VYRE_FULL as with vyre_publish; VYRE_E_TICKET,
 * VYRE_E_STALE.  Needs vyre_desc.events. */
VYRE_API vyre_status vyre_publish_after(vyre *v, const vyre_work *work, const vyre_ticket *after,
                                        uint32_t count, vyre_ticket *ticket, vyre_error *err);
/* VYRE_OK, VYRE_PENDING, VYRE_PAUSED (kernel.tasks: vyre_resume), VYRE_E_FAULT,
 * VYRE_E_CANCELLED, VYRE_E_LOST; VYRE_E_STALE when a later
 * fault in the same slot has replaced the outcome, or the slot has been used 2^26
 * times since; VYRE_E_TICKET, also for one of another handle. */
VYRE_API vyre_status vyre_poll(vyre *v, vyre_ticket t);
/* As vyre_poll; waits for this work.  VYRE_TIMEOUT: it is still pending.  Of a
 * fault, err->native is the vyre_fault and err->at the slot. */
VYRE_API vyre_status vyre_wait(vyre *v, vyre_ticket t, uint64_t timeout_ns, vyre_error *err);
/* Waits until all work that was published before the call has ended.
 * VYRE_E_FAULT: it has, and works ended FAULT whose outcome nobody has asked for;
 * err->at is the slot of one of them, err->native its vyre_fault, and the text
 * says how many there are.  VYRE_E_LOST: none did, but works were lost with a
 * device.  The next drain does not tell of these again.  VYRE_PAUSED: nothing of that,
 * and works that have paused are all that is left. */
VYRE_API vyre_status vyre_drain(vyre *v, uint64_t timeout_ns, vyre_error *err);
/* The slot's argument words after the run.  They are kept until the slot is
 * used again, after as many publishes as the ring has slots, or the producer;
 * from then on VYRE_E_STALE.  With keep_results they are kept until they were
 * taken here, once.  VYRE_PENDING: not finished yet. */
VYRE_API vyre_status vyre_result(vyre *v, vyre_ticket t, uint32_t args[12], vyre_error *err);
/* vyre_wait and vyre_result in one step. */
VYRE_API vyre_status vyre_wait_result(vyre *v, vyre_ticket t, uint64_t timeout_ns,
                                      uint32_t args[12], vyre_error *err);
/* Waits until one of the works has ended; *which, which may be NULL, is the first of
 * those in the list, and the answer as vyre_wait gives it for that one. */
VYRE_API vyre_status vyre_wait_any(vyre *v, const vyre_ticket *tickets, uint32_t count,
                                   uint64_t timeout_ns, uint32_t *which, vyre_error *err);
/* With keep_results: the work's result is not wanted, whether it has ended or not.
 * Its slot is free from its end on.  What is free already stays so. */
VYRE_API vyre_status vyre_release(vyre *v, vyre_ticket t, vyre_error *err);
/* Asks for a work back: where it is claimed after this it does not run, and its ticket
 * gives VYRE_E_CANCELLED.  VYRE_PENDING: that is asked, and too early to say; the
 * ticket tells.  VYRE_OK: it was taken back.  VYRE_EMPTY: it has ended already;
 * VYRE_E_FAULT and VYRE_E_LOST say the same, and how.  Of a work that many lanes run
 * what was claimed before still runs, and the ticket gives VYRE_E_CANCELLED if that
 * was not all of it.  A work that stops in the middle (kernel.tasks) does not go on. */
VYRE_API vyre_status vyre_cancel(vyre *v, vyre_ticket t, vyre_error *err);
/* *code: the vyre_fault that the work ended with, 0 if it ended well.  VYRE_OK says
 * that this is known; otherwise as vyre_poll, and *code is untouched. */
VYRE_API vyre_status vyre_fault_of(vyre *v, vyre_ticket t, uint32_t *code);
/* Lets a work go on that has paused (vyre_emit_pause; its ticket says VYRE_PAUSED), with
 * *data as the word that its handler finds in argument 4; NULL: as it is.  One call for
 * each pause: VYRE_E_TASK_STATE of a work that is under way or has ended well.  What the
 * program wrote before it is seen by the work.  On a handle that is stopped it waits
 * in the ring, as others do. */
VYRE_API vyre_status vyre_resume(vyre *v, vyre_ticket t, const uint32_t *data, vyre_error *err);
/* Has `fn` called when the work has ended, once, by whichever call sees that: one
 * that polls, waits, publishes, drains or runs, of any thread, or the helper thread
 * (desc.helper_thread), within a millisecond; by this one if it has ended already.
 * The slot is not used again before.  One function for each ticket: another one is
 * VYRE_E_ARGUMENT.  No lock is held then: `fn` may publish, poll, ask for results,
 * release, and set other callbacks; it must not wait, run, drain, stop or close. */
VYRE_API vyre_status vyre_on_end(vyre *v, vyre_ticket t, vyre_end_fn fn, void *user,
                                 vyre_error *err);
/* The work's place in the ring, from 0. */
VYRE_API uint32_t vyre_ticket_slot(vyre_ticket t);

/* Runs works to their end, any number of them, through passes of its own or
 * the running kernel.  One that pauses is taken back (VYRE_E_CANCELLED): nobody has its
 * ticket.  VYRE_E_FAULT: all have run and some ended FAULT;
 * err->at is the index of the first that was seen, *stats is filled in.
 * `stats` may be NULL. */
VYRE_API vyre_status vyre_run(vyre *v, const vyre_work *works, uint32_t count, vyre_stats *stats,
                              vyre_error *err);

/* Works that run again and again until nothing changes. */
typedef struct vyre_until_desc {
    const vyre_work *works;
    uint32_t count;
    uint32_t flag;        /* observable that a handler sets, to anything but 0, when it changed
                             something */
    uint32_t rounds;      /* at most; 0 = 2^20 */
    uint64_t deadline_ns; /* from the call on, looked at between rounds; 0 = none */
} vyre_until_desc;

/* Each round: the flag is 0, the works run as by vyre_run, and all have ended before the
 * next one.  VYRE_OK: a round left the flag 0.  VYRE_PENDING, VYRE_TIMEOUT: `rounds` or the
 * deadline came first; call again to go on.  Any error of vyre_run ends it.  *rounds is how many
 * there were, also then; it and `stats`, which adds them up, may be NULL. */
VYRE_API vyre_status vyre_run_until(vyre *v, const vyre_until_desc *desc, uint32_t *rounds,
                                    vyre_stats *stats, vyre_error *err);
/* One pass over the caller's bytes, in place.  The handle's own ring is not
 * touched; user buffers are shared.  VYRE_E_RUNNING while the kernel runs. */
VYRE_API vyre_status vyre_dispatch(vyre *v, const vyre_io_buffers *io, vyre_stats *stats,
                                   vyre_error *err);
/* `passes` passes over the handle's own buffers, where they are: nothing is
 * copied.  Wide works that wait are launched before each.  0 passes: success, all
 * statistics zero. */
VYRE_API vyre_status vyre_dispatch_resident(vyre *v, uint32_t passes, vyre_stats *stats,
                                            vyre_error *err);
/* bytes per second, exact, saturated; 0 when `latency_ns` is 0. */
VYRE_API uint64_t vyre_stats_rate(uint64_t bytes, uint64_t latency_ns);

/* --- memory -------------------------------------------------------------- */

VYRE_API vyre_status vyre_observable(vyre *v, uint32_t index, uint32_t *out, vyre_error *err);
/* The user's buffer as the device sees it, by its index in kernel.buffers.
 * NULL when there is none, or the host does not map it (its place is DEVICE, or it is
 * a VkBuffer of the program's; *size is told all the same).  Valid until vyre_recover,
 * vyre_buffer_set of this buffer, or vyre_close.  It may be slow to read. */
VYRE_API void *vyre_map(vyre *v, uint32_t user_buffer, size_t *size);
/* Copies bytes into one of the user's buffers, or out of it, also while the kernel runs.
 * What was written is there for works that are published afterwards; what a work
 * has written can be read once its end was seen.  The range must lie in the buffer:
 * VYRE_E_OVF.  Where the device makes the copy in the queue that the kernel runs in,
 * it waits for the leases that are queued; VYRE_TIMEOUT after run_timeout_ns. */
VYRE_API vyre_status vyre_write(vyre *v, uint32_t user_buffer, size_t offset, const void *bytes,
                                size_t size, vyre_error *err);
VYRE_API vyre_status vyre_read(vyre *v, uint32_t user_buffer, size_t offset, void *bytes,
                               size_t size, vyre_error *err);
/* Gives the buffer another size, a multiple of 4: what fits of its contents stays, the
 * rest is 0, and its address is another one.  Of a handle that is stopped
 * (VYRE_E_RUNNING), and alone with the buffer: no other thread reads, writes or maps
 * it meanwhile.  Not of a program's VkBuffer, and to no more than 4 * its count. */
VYRE_API vyre_status vyre_buffer_set(vyre *v, uint32_t user_buffer, size_t size, vyre_error *err);
/* The handle's own core buffers, for programs that serve the IO queue or read
 * the control words themselves.  The ring is the handle's: to look at, not to
 * write or to cancel in.  Valid as vyre_map. */
VYRE_API vyre_status vyre_buffers(vyre *v, vyre_io_buffers *out, vyre_error *err);
/* Takes a tenant's authorisation, or gives it back, also while the kernel runs.
 * Slots of a tenant without it stay PUBLISHED. */
VYRE_API vyre_status vyre_tenant_enable(vyre *v, uint32_t tenant, bool enable, vyre_error *err);

/* --- trouble ------------------------------------------------------------- */

/* Replaces a lost device and all buffers; starts the kernel if it ran.  Control
 * words and user buffers start over.  Work that had not been seen to end is
 * reported lost or published again, as desc.lost_work says.  On a device that
 * is not lost it does nothing. */
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err);

#ifdef VYRE_VULKAN_TYPES
/* Include vulkan.h or volk.h first. */
static inline void vyre_vulkan_use(vyre_vulkan_desc *desc, VkInstance instance,
                                   VkPhysicalDevice physical_device, VkDevice device,
                                   VkQueue queue, uint32_t queue_family)
{
    desc->instance = (void *)instance;
    desc->physical_device = (void *)physical_device;
    desc->device = (void *)device;
    desc->queue = (void *)queue;
    desc->queue_family = queue_family;
}

static inline void vyre_vulkan_use_loader(vyre_vulkan_desc *desc,
                                          PFN_vkGetInstanceProcAddr get_instance_proc_addr)
{
    desc->loader = (void (*)(void))get_instance_proc_addr;
}

/* For vyre_desc.vulkan_buffers. */
static inline void *vyre_vulkan_buffer(VkBuffer buffer)
{
    return (void *)(uintptr_t)buffer;
}

static inline void vyre_vulkan_use_allocator(vyre_vulkan_desc *desc,
                                             const VkAllocationCallbacks *allocator)
{
    desc->allocator = allocator;
}
#endif

VYI_EXTERN_C_END

#endif

/* ==========================================================================
 * queue: one device, its slots, and the chain of leases that serves them
 *
 * Private.  A handle is a description, programs, locks and a queue.  What
 * concerns one device takes the queue; what concerns the program's wishes takes
 * the handle.
 *
 * Words that threads share without the lock, by who writes and who reads:
 *
 *     state    the lock's holder stores with release; publishers and waiters load
 *              with acquire, and see what led to it (the loss, the device)
 *     marks    moved by compare-and-swap; what its owner wrote into the slot
 *              goes before the release that ends BUSY, and is seen by the acquire
 *              of whoever reads the new mark
 *     held     odd while somebody has all slots; each release makes it a new number
 *     owners   stored while all slots are held and no owner is inside
 *     inside   see vyi_owner
 *     kept     the holder's; written before the slot is BUSY, for vyi_mark_unheld
 *     device   stored by a recovery while all slots are held, so that no
 *              publisher writes to the old one
 *     mirror   the device stores with release; its acquire makes results visible
 *     wishes   of whoever has the slot's mark: BUSY, ENDING, or as its owner
 *     next, drive_at   order nothing
 * ======================================================================= */
#ifndef VYI_QUEUE_IMPL_H
#define VYI_QUEUE_IMPL_H

#include "engine/engine_impl.h"
#include "engine/producer.h"
#include "kernel/order_impl.h"

VYI_EXTERN_C_BEGIN

typedef struct vyi_queue vyi_queue;

/* --- slots --------------------------------------------------------------- */

/* Whose turn a slot is, in one word: generation << 4 | epoch << 3 | phase.
 *
 *     FREE   nobody's: never used, or its end has been seen
 *     BUSY   of the host thread that moved it here, until it moves it on
 *     FLIGHT published; it has ended as soon as its mirror word is not 0
 *     KEPT   as FLIGHT, but no publisher takes it: whoever has its ticket lets it go
 *     ENDED  was KEPT; its end has been seen, and its result is still there
 *     ENDING was FLIGHT or KEPT; a thread writes down that it did not end well, or
 *            that it is not to run, and moves it on
 *
 * A publisher takes a slot from FREE, or FLIGHT and ended, to BUSY with the
 * next generation; whoever sees an end may move FLIGHT to FREE, and KEPT to ENDED.
 * Recovery flips the epoch, so that a move that was decided on an older device
 * fails. */
#define VYI_PHASE_FREE      0u
#define VYI_PHASE_BUSY      1u
#define VYI_PHASE_FLIGHT    2u
#define VYI_PHASE_KEPT      3u
#define VYI_PHASE_ENDED     4u
#define VYI_PHASE_ENDING    5u
#define VYI_PHASE_MASK      7u
#define VYI_MARK_EPOCH      8u
#define VYI_GENERATION_BIT  4u
#define VYI_GENERATION_MASK 0x0fffffffu
#define VYI_GENERATION_HALF 0x08000000u
/* So long the outcome of a work is remembered, in uses of its slot.  At ten million
 * a second in 256 slots generations wrap within hours, so what is older is not
 * compared: it is stale, and troubles of then are forgotten. */
#define VYI_GENERATION_KNOWN 0x04000000u

/* A ticket's slot, under the handle's tag. */
#define VYI_TICKET_SLOT_BITS 20u
#define VYI_TICKET_SLOT(t)   ((t).slot & ((1u << VYI_TICKET_SLOT_BITS) - 1u))
VYI_STATIC_ASSERT(slots_leave_a_tag, VYRE_MAX_SLOTS <= 1u << VYI_TICKET_SLOT_BITS);

/* How a slot's last trouble ended, kept when the slot is used again.  Ends
 * without trouble leave no trace. */
typedef struct vyi_trouble {
    uint32_t generation; /* 0: none that is remembered */
    uint32_t code;       /* vyre_fault, or: */
    uint32_t untold;     /* the generation, until somebody is told; 0: all is told */
} vyi_trouble;
#define VYI_TROUBLE_CHANGING 0xffffffffu /* a generation: a later one is being written down */
#define VYI_TROUBLE_LOST 0xffffffffu

/* What a handle wants of each publish beyond a line into a slot. */
#define VYI_EXTRA_RECORD  0x001u /* a copy of the work, for a rerun */
#define VYI_EXTRA_AGES    0x002u /* when it was published */
#define VYI_EXTRA_ORDER   0x004u /* what it waits for and signals */
#define VYI_EXTRA_CHECKED 0x008u /* its argument count, in the slot */
#define VYI_EXTRA_LEVELS  0x010u /* its priority says which slots are its */
#define VYI_EXTRA_WIDE    0x020u /* its opcode may say so */
#define VYI_EXTRA_BUFFERS 0x040u /* what the program wrote into its buffers comes first */
#define VYI_EXTRA_TOLD    0x080u /* somebody is told of it */
#define VYI_EXTRA_KEPT    0x100u /* its result, if its ticket was asked for */
#define VYI_EXTRA_TRACED  0x200u /* a card of it */
#define VYI_EXTRAS_NOTED (VYI_EXTRA_RECORD | VYI_EXTRA_AGES | VYI_EXTRA_ORDER | VYI_EXTRA_TRACED)
#define VYI_EXTRAS_IN_LINE (VYI_EXTRA_ORDER | VYI_EXTRA_CHECKED)

#define VYI_CACHE_LINE 64u

/* Slots of one priority that one owner publishes into, in turn.  Without
 * priorities there is one share for all.  The size keeps what two threads write
 * on cache lines of their own. */
typedef struct vyi_share {
    uint32_t first, count;
    uint32_t next;      /* place where the next work goes; of the pool, when many publish, a hint */
    uint32_t ready;     /* so many from `next` on are FREE, and their mirror words 0 and fenced */
    uint32_t look_mask; /* who publishes into a place that has none of these bits nudges */
    uint32_t padding[11];
} vyi_share;

/* Who may publish into a slot.  A thread that owns slots moves their marks by
 * plain stores.  It says when it is `inside`, and only then looks whether it
 * still is the owner and nobody holds all slots; who takes the slots away says so
 * first, and then waits until nobody is inside.  Each stores before it loads:
 * vyi_fence_theirs sees to that for both. */
typedef struct vyi_owner {
    void     *thread;  /* its id, or a VYI_OWNER_ value */
    uint32_t  inside;  /* it is at the slots now */
    uint32_t  turning; /* somebody changes `thread` */
    uint32_t  padding[12];
    vyi_share shares[VYRE_PRIORITY_LEVELS];
} vyi_owner;

#define VYI_OWNER_NOBODY 0u /* the next thread is the one */
#define VYI_OWNER_ENDING 1u /* another thread has come, and waits until the first is outside */
#define VYI_OWNER_MANY   2u /* of the pool, for good: marks are moved by compare-and-swap */

/* A producer: an owner that the program has asked for.  It has its cache lines to itself:
 * two that shared one would wait for each other in every publish. */
struct vyre_producer {
    vyi_owner      owner;
    vyi_queue     *q;
    void          *block; /* that it lies in, of VYI_PRODUCER_BLOCK bytes */
    vyre_producer *next; /* of all that the queue ever had; those that are closed are used again */
    uint32_t       busy; /* a call is under way: there is one at a time */
    bool           open;
};
/* From the first boundary of a line to the last. */
#define VYI_PRODUCER_BLOCK (sizeof(vyre_producer) + 2 * (VYI_CACHE_LINE - 1))

/* The arrays have a word, or a struct, for each slot. */
typedef struct vyi_slots {
    vyi_owner    pool;    /* of all slots that are no producer's */
    vyre_producer *producers; /* under the lock */
    void        **owners; /* vyi_owner of each slot */
    uint32_t     fenced;  /* owners make fences themselves: nobody can make them for others */
    uint32_t     held;
    uint32_t     wished;  /* some work was ever asked not to run */
    uint32_t     untold;  /* troubles that were replaced before anybody was told */
    uint32_t     sweep;   /* where troubles are forgotten next; under the lock */
    /* Constant once the handle is open. */
    uint32_t     count, lanes; /* all; those that lanes serve, which come first */
    uint32_t     levels;      /* priorities that have slots of their own, or 1 */
    uint32_t     mirror;  /* index of that buffer */
    uint32_t     cancel;  /* and of that */
    uint32_t     tag;     /* of tickets, where their slot leaves room */
    uint32_t     extras;  /* VYI_EXTRA_ bits: all that publishing may need beyond lines */
    uint32_t    *marks;
    uint32_t    *kept;    /* marks, while they are held */
    uint32_t    *wishes;  /* the generation whose cancel word is set; 0: it is clear */
    uint32_t    *ages;    /* q->looks when the slot's last work was published; NULL without */
    vyi_trouble *trouble;
    vyre_work   *record;  /* for a rerun; NULL without */
} vyi_slots;

/* --- works that many lanes run (engine_wide.c) ---------------------------- */

typedef struct vyi_wide_op {
    uint32_t   opcode;
    vyre_width width;
    uint32_t   chunk; /* as its handler has it */
} vyi_wide_op;

/* Constant once the handle is open, but for the counters. */
typedef struct vyi_wides {
    vyi_owner    owner;    /* of their slots: many */
    uint32_t     count;    /* slots, behind those of lanes; 0: the handle has no such works */
    uint32_t     buffer;   /* index: kernel/wide_impl.h */
    vyi_wide_op *ops;
    uint32_t     op_count;
    bool         any;      /* the payload is wide: every work */
    uint32_t     gated;    /* 1: a running kernel looks at gates */
    bool         turn;     /* the last pass was one of theirs; under the lock */
    uint32_t     age;      /* of the next work */
    /* Of each slot: `age` when its work was published; the gate's generation, which
     * the owner of the BUSY mark counts up, and the lock's holder sets to 0 after the
     * last; launches that must have ended by then, under the lock. */
    uint32_t     ages[32], generations[32];
    uint64_t     retired[32];
} vyi_wides;

/* --- works that wait for others (engine_order.c) --------------------------- */

/* `bits` of a slot are stored by whoever publishes into it, all else under `busy`. */
typedef struct vyi_order {
    uint32_t  count;       /* events; 0: works have no order */
    uint32_t  buffer;      /* index: kernel/order_impl.h */
    uint32_t  busy;        /* a lock */
    uint32_t  gathered;    /* events that calls and graphs have */
    uint32_t  free;        /* the first of those that nothing uses, in a list by `next` */
    uint32_t *bits;        /* of each slot's last work: its PRIORITY, apart from the level */
    uint32_t *before;      /* what the work before that one signals, or 0 */
    uint32_t *generations; /* of the last work */
    uint32_t *runs;        /* vyi_receipt.run of it */
    uint32_t *uses;        /* of each event: by slots and calls */
    uint32_t *owed;        /* signals of works that have not been published */
    uint32_t *next;
} vyi_order;

/* --- works that works have spawned (kernel/children_impl.h) ---------------- */

typedef struct vyi_offspring {
    uint32_t buffer; /* index; means nothing without kernel.children */
    uint32_t seen;   /* of CONTROL_CHILDREN, when the last pass ended; under the lock */
} vyi_offspring;

/* --- how many groups a lease has ------------------------------------------ */

/* Who decides it: the room plan (rooms/plan/tune.c).  `open` comes before anybody else
 * has the handle, the others under the lock. */
typedef struct vyi_tuner {
    vyre_status (*open)(vyi_queue *q, vyre_error *err);
    void (*look)(vyi_queue *q);  /* at the device */
    void (*lease)(vyi_queue *q); /* some are about to be queued */
    void (*renew)(vyi_queue *q); /* the device is a new one */
} vyi_tuner;

typedef struct vyi_tuned {
    const vyi_tuner *tuner; /* NULL: nobody decides; constant once the handle is open */
    uint32_t    chosen;     /* by open: the level with the most groups */
    uint64_t    look_at;    /* when the slots are looked at next */
    uint32_t    most;       /* works at a look since the last decision, of 10000 slots */
    uint32_t    idle;       /* decisions in a row that found none */
    uint32_t    lower;      /* and that wanted fewer groups, */
    uint32_t    wanted;     /* the most that one of them wanted, as a level */
    vyre_tuning said;       /* under `brief` as well */
} vyi_tuned;

#ifndef VYRE_NO_PLAN
VYI_API const vyi_tuner *vyi_plan_tuner(void);
#endif

/* --- the queue ------------------------------------------------------------ */

typedef enum vyi_run_state {
    VYI_STATE_IDLE = 0,
    VYI_STATE_RUNNING = 1,
    VYI_STATE_STOPPING = 2, /* a stop timed out: launches are still in flight */
    VYI_STATE_SHUT = 3,     /* by the opcode */
    VYI_STATE_LOST = 4
} vyi_run_state;

/* The chain of leases; under the handle's lock. */
typedef struct vyi_chain {
    uint64_t launched, completed; /* launches of any kind on this device */
    uint64_t leases, passes;      /* of all devices so far */
    uint64_t since;               /* when the oldest launch in flight can have begun, */
    uint64_t looked;              /* and when somebody last saw that it had not ended */
    uint64_t lease_ns, least_ns;  /* as last seen; a lease takes as long at least, 0: unknown */
    uint32_t rounds;
    uint32_t before, after;       /* which works were pending when the last pass began, and ended */
    uint32_t requeues;            /* control word REQUEUES then */
    uint64_t retry_at;            /* when a pass is worth while though nothing is new */
    uint32_t lives;               /* word LIVES of the kernel's groups, as it was seen last */
} vyi_chain;

/* A callback that waits for the end of the work in a slot; until it was called, the
 * slot is kept. */
typedef struct vyi_end {
    uint32_t    turn; /* the work's generation, perhaps VYI_END_DROPS; 0: none; or CHANGING */
    vyre_end_fn fn;
    void       *user;
} vyi_end;
#define VYI_END_DROPS    0x80000000u /* the slot is let go then: nobody else has it kept */
#define VYI_END_CHANGING 0xffffffffu /* somebody fills it in, or is about to call it */

typedef struct vyi_ends {
    void    *list;    /* vyi_end of each slot, once there was one; stays */
    uint32_t pending;
    uint32_t busy;    /* somebody delivers */
} vyi_ends;

/* Rounds of the first lease. */
#define VYI_LEASE_ROUNDS 1024u

/* Devices that were lost; under the handle's lock. */
typedef struct vyi_loss {
    vyre_error how;         /* of the last one */
    bool       was_running; /* when it was lost */
    bool       mended;      /* once, without being asked */
    uint32_t   replaced;    /* there is a new device already, and its buffers are being filled */
    uint32_t   count;       /* of the replaced */
    void      *retired;     /* of void *: the replaced, whose mappings may still be looked at */
    uint32_t   retired_capacity;
} vyi_loss;

/* What vyre_query tells of a queue; the handle's lock is its holder's to write it down
 * here, under the handle's `brief`, so that who asks waits for no launch. */
typedef struct vyi_figures {
    void    *device; /* vyi_device, and of it: */
    uint64_t bytes;
    uint64_t leases, passes, lease_ns;
    uint32_t lease_rounds, recoveries;
    vyre_requeue requeue; /* of all devices so far; max_age: of the last look */
} vyi_figures;

#define VYI_LOOK_EVERY 64u /* slots, a power of two */

struct vyi_queue {
    vyi_slots slots;
    vyre     *v;         /* the handle */
    void     *device;    /* vyi_device */
    uint32_t  state;     /* vyi_run_state; written under the lock */
    uint32_t  drive_at;  /* microseconds, wrapping: when a look at the device is due */
    uint32_t  looks;     /* at the device, so far, wrapping; written under the lock */
    uint32_t  requeued, promoted; /* the device's counters then; under the lock */
    vyre_requeue requeue; /* what they have counted in all; under the lock */
    uint32_t  log_tail;  /* of a live log: words read; written under the lock */
    uint32_t  aborted;   /* slots may have been left CLAIMED */
    uint32_t  stops;     /* calls of vyre_stop that wait for the lock: they come first */
    uint32_t  passing;   /* the lock's holder is inside a launch that an abort ends */
    /* Of the device; a recovery may change them beside publishers. */
    uint32_t  mode;      /* vyre_mode */
    uint32_t  lives;     /* 1: a kernel serves what is published between two calls */
    /* Constant once the handle is open. */
    vyi_wides wides;
    vyi_order order;
    vyi_offspring children;
    vyi_chain chain;
    vyi_loss  loss;
    vyi_ends  ends;
    vyi_figures figures;
    vyi_tuned tuned;
};

/* --- the handle ---------------------------------------------------------- */

typedef struct vyi_programs {
    vyre_program *loop, *once, *narrow, *whole, *tiles;
} vyi_programs;

typedef struct vyi_buffers {
    vyi_device_buffer list[VYI_MAX_BUFFERS]; /* ascending bindings */
    uint32_t count, user_count;
    uint32_t user_index[VYI_MAX_BUFFERS];    /* of the user's buffer i in `list` */
} vyi_buffers;

/* Which opcodes the kernels know: a hash table that is at most half full, so that
 * what is there mostly is found in one look.  Constant once the handle is open. */
typedef struct vyi_opcode {
    uint32_t opcode;
    uint32_t known; /* 0: nobody's place */
} vyi_opcode;

typedef struct vyi_opcodes {
    vyi_opcode *list;
    uint32_t    shift; /* 32 less the bits of a place */
    uint32_t    mask;
    bool        any;   /* the kernel does not look at opcodes, or unknown ones may fault */
} vyi_opcodes;

static inline uint32_t vyi_opcode_place(const vyi_opcodes *o, uint32_t opcode)
{
    uint32_t at = opcode * 0x9e3779b1u >> o->shift;
    while (o->list[at].known && o->list[at].opcode != opcode)
        at = (at + 1) & o->mask;
    return at;
}

static inline bool vyi_opcode_is_known(const vyi_opcodes *o, uint32_t opcode)
{
    return o->any || o->list[vyi_opcode_place(o, opcode)].known;
}

/* What vyre_run has in each slot; under its lock, which is taken before the
 * handle's. */
typedef struct vyi_run_slots {
    vyi_mutex lock;
    uint32_t *marks; /* the generation that it waits for, or 0 */
    uint32_t *works; /* and its index */
} vyi_run_slots;

typedef struct vyi_helper {
    vyi_thread thread;
    vyi_mutex  lock;
    vyi_cond   wake;
    bool       runs, quits;
} vyi_helper;

/* Who is told what happens to works, by the public functions: rooms that keep logs.
 * Any thread may tell at any time, without a lock. */
typedef struct vyi_observer vyi_observer;
struct vyi_observer {
    vyre_status (*attach)(vyi_observer *o, vyre *v, vyre_error *err); /* the handle is open */
    void (*detach)(vyi_observer *o, vyre *v);                         /* nothing runs any more */
    void (*published)(vyi_observer *o, vyre *v, const vyre_work *work, vyre_ticket t);
    /* VYRE_OK, E_FAULT with its code, or E_LOST; it may be told of one end often. */
    void (*ended)(vyi_observer *o, vyre *v, vyre_ticket t, vyre_status status, uint32_t code);
    void (*rested)(vyi_observer *o, vyre *v); /* a drain has seen all works to their end */
    void (*event)(vyi_observer *o, vyre *v, uint32_t event); /* a vyre_replay_event */
};

/* The last events of a handle that keeps them, four words each: time (two of them),
 * kind and slot, and a value: an opcode, a fault's code, the number of a launch, a
 * vyre_replay_event, an answer's code.  Times are the trace's timer's; of RAN and CHUNK the
 * device's, and the value is how many ticks later it was over. */
typedef enum vyi_trace_kind {
    VYI_TRACE_PUBLISH = 1,
    VYI_TRACE_DONE = 2,
    VYI_TRACE_FAULT = 3,
    VYI_TRACE_NAMED = 4, /* a work of groups is published: chunks of the slot have its opcode */
    VYI_TRACE_LEASE = 5,
    VYI_TRACE_PASS = 6,
    VYI_TRACE_LAUNCH_END = 7,
    VYI_TRACE_EVENT = 8,
    VYI_TRACE_RAN = 9,
    VYI_TRACE_IO = 10,   /* an answer */
    VYI_TRACE_DRAINED = 11, /* a drain has seen its end */
    VYI_TRACE_CHUNK = 16 /* of group 0; to 23, of group 7 */
} vyi_trace_kind;
/* Of an event's third word: the lap of the ring, kind, slot. */
#define VYI_TRACE_LAP_BIT  25u
#define VYI_TRACE_KIND_BIT 20u
#define VYI_TRACE_MOST     0x1000000u
VYI_STATIC_ASSERT(slots_leave_a_kind, VYRE_MAX_SLOTS <= 1u << VYI_TRACE_KIND_BIT);

/* What is known of a slot's work until the slot is made ready for another one: words of a
 * line, so that noting one takes stores and no more.  Times are the trace's timer's, the
 * low word first.
 *
 * Whoever has the slot BUSY writes what was published, and who makes it ready what has
 * become events.  Ends are stored by whoever sees one, at any time: each has its work's
 * generation in one store of two words, so that one that comes late changes no other's.
 *
 *     an end   ticks (48 bits), then generation / 4 (14), then 1 DONE, 2 FAULT, 3 drained */
typedef enum vyi_card {
    VYI_CARD_PUBLISHED = 0, /* generation of the last work; 0 while that changes */
    VYI_CARD_OPCODE = 1,
    VYI_CARD_SINCE = 2,
    VYI_CARD_MOVED = 4, /* generation of the last work that is among the events */
    VYI_CARD_BEHIND = 5, /* the count of events up to the last that the slot had then */
    VYI_CARD_TOLD = 6,  /* generation of the last work whose end is among them */
    VYI_CARD_ENDS = 8,  /* of four generations */
    VYI_CARD_WORDS = 16
} vyi_card;
#define VYI_CARD_MOVING 0x80000000u /* beside MOVED: its events are being written */

typedef struct vyi_trace {
    uint32_t *events; /* NULL: none are kept; constant once the handle is open */
    uint32_t  mask;   /* their count, a power of two, less one */
    uint32_t  head;   /* noted so far */
    vyi_moment opened; /* when the device was; under the lock */
    uint32_t *cards;  /* of each slot, see vyi_card */
    vyi_timer timer;  /* whose times works are noted by */
    uint32_t *seen;   /* of each slot: the low word of the end that was taken last */
    uint32_t  times;  /* index of that buffer; means nothing without events */
    uint32_t  rows[8]; /* chunks that were taken of each row, and */
    uint32_t  missed; /* of all of them those that were not; both under the lock */
} vyi_trace;

typedef struct vyi_trace_event {
    uint64_t time;
    uint32_t kind, slot, value;
} vyi_trace_event;

/* What a slot's card and the device's words say of its last work; times are the timer's,
 * and ticks of the device. */
typedef struct vyi_trace_end {
    uint64_t until; /* 0: there is no such event */
    uint32_t kind, code;
} vyi_trace_end;

typedef struct vyi_trace_found {
    vyi_trace_end before;  /* of the work before that one, which was asked for late */
    uint64_t since;        /* 0: there is no such event */
    vyi_trace_end end;
    uint64_t begin;        /* likewise; it ended `span` ticks later, */
    uint32_t span, ended;  /* of which the low word is `ended` */
    uint32_t generation, opcode;
    uint32_t moved, behind; /* of the card */
} vyi_trace_found;

typedef struct vyi_handler_name_of {
    uint32_t    opcode;
    const char *name;
} vyi_handler_name_of;

/* Of the handlers, kept for texts. */
typedef struct vyi_names {
    vyi_handler_name_of *list;
    uint32_t count;
} vyi_names;

/* Only the queue and its locks change once the handle is open, but for what has a
 * lock of its own.  `brief` is taken last, and held for a few stores: calls without a
 * timeout need no more than that. */
struct vyre {
    vyi_queue        queue;
    vyi_mutex        lock;
    vyi_mutex        brief;    /* of figures, tenants_off, and the first list of callbacks */
    vyre_desc        desc;     /* the user's, with defaults filled in */
    const vyi_backend *backend;
    vyi_programs     programs;
    vyi_buffers      buffers;
    vyi_opcodes      opcodes;
    uint32_t         tenants_off; /* a bit for each without authorisation; under `brief` */
    vyi_names        names;
    vyi_observer    *observer; /* NULL: none; constant once the handle is open */
    vyi_trace        trace;
    vyi_arena        arena;    /* of texts, and what is kept of each slot */
    vyre_log_record *log;      /* records on their way to the callback */
    vyi_run_slots    run;
    vyi_helper       helper;
    char             why_cpu[160];
};

/* The user's, or the default where it is 0. */
static inline uint32_t vyi_def32(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

/* As vyre_open, on a backend of the caller's. */
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err);

/* The steps of open, in their order.  The desc (engine_desc.c): its defaults, what it
 * may be, the buffers that follow from it. */
VYI_API void vyi_desc_defaults(vyre_desc *d);
VYI_API vyre_status vyi_desc_check(const vyre_desc *d, vyre_error *err);
VYI_API vyre_status vyi_buffers_plan(vyre *v, vyre_error *err);

/* What a handle is built of (engine_programs.c).  Shares come before slots are counted;
 * opcodes are those of the desc, before its handlers are forgotten. */
VYI_API void vyi_shares_plan(vyi_queue *q);
VYI_API vyre_status vyi_programs_build(vyre *v, vyre_error *err);
VYI_API vyre_status vyi_opcodes_plan(vyre *v, vyre_error *err);
VYI_API vyre_status vyi_slots_allocate(vyre *v, vyre_error *err);

/* A device with its control words written, a chain that has no lease yet, at open and
 * again at each recovery; and how the handle runs on it (engine_device.c). */
VYI_API vyre_status vyi_device_open(vyi_queue *q, vyi_device **out, vyre_error *err);
VYI_API vyre_status vyi_control_init(const vyi_queue *q, vyi_device *d, vyre_error *err);
VYI_API void vyi_chain_begin(vyi_queue *q);
/* Under `brief`: masks of tenants on that device, as tenants_off has them. */
VYI_API void vyi_tenants_write(const vyre *v, const vyi_device *d, uint32_t first,
                               uint32_t count);
/* What the device can do, as the program wants it; an error: it wants more. */
VYI_API vyre_status vyi_mode_choose(const vyi_queue *q, const vyi_device *d, vyre_mode *mode,
                                    vyre_error *err);
/* Nobody publishes meanwhile. */
VYI_API void vyi_mode_set(vyi_queue *q, const vyi_device *d, vyre_mode mode);

/* What a publisher wants of its last work, and gets. */
typedef struct vyi_receipt {
    vyre_ticket ticket;
    bool        keep; /* the last slot: until the ticket's owner lets it go */
    bool        each; /* and so are the others */
    bool        named; /* others may wait for it */
    bool        relay; /* it runs nothing */
    uint32_t    wait, signal; /* events, in use for the call; 0: none, or (if named) one of its
                                 own */
    bool        due;   /* a publish has found that the device should be looked at */
    uint32_t    run;   /* 1 + loss.count when the run of a graph began that the work is a part
                          of: it does not outlast that device; 0: a work by itself */
} vyi_receipt;

/* How far a thread may go in looking after the device. */
typedef enum vyi_effort {
    VYI_EFFORT_LOOK = 0, /* keep a started kernel going */
    VYI_EFFORT_WORK = 1, /* also make passes for work that waits without one */
    VYI_EFFORT_REST = 2, /* as LOOK, but leases may run out while nothing waits */
    VYI_EFFORT_NEWS = 3  /* as LOOK, and a pass that is under way may have come too early */
} vyi_effort;

static inline vyi_owner *vyi_load_owner(const vyi_queue *q, uint32_t slot)
{
    VYRE_ASSERT(slot < q->slots.count);
    return (vyi_owner *)vyi_load_pointer(&q->slots.owners[slot]);
}

/* Events (engine_trace.c); only where they are kept.  vyi_trace_take: the slots' works
 * have ended, and they are the caller's: what was noted is among the events from then on;
 * vyi_trace_look: what is not yet, of any slot at any time, false if that was changing
 * until the deadline; vyi_trace_published: the slots are the caller's, BUSY;
 * vyi_trace_rows: under the lock. */
VYI_API vyre_status vyi_trace_begin(vyre *v, vyre_error *err);
VYI_API void vyi_trace_note(vyre *v, vyi_trace_kind kind, uint32_t slot, uint32_t value);
VYI_API void vyi_trace_note_at(vyre *v, uint64_t time, vyi_trace_kind kind, uint32_t slot,
                               uint32_t value);
/* False: it was overwritten, or is not there yet. */
VYI_API bool vyi_trace_read(const vyi_trace *t, uint32_t index, vyi_trace_event *out);
VYI_API void vyi_trace_take(vyre *v, uint32_t first, uint32_t count);
VYI_API bool vyi_trace_look(const vyre *v, uint32_t slot, uint64_t deadline,
                            vyi_trace_found *out);
VYI_API void vyi_trace_published(vyre *v, uint32_t slot, const vyre_work *works, uint32_t count);
VYI_API void vyi_trace_ended(vyre *v, vyre_ticket t, vyi_trace_kind kind);
VYI_API void vyi_trace_rested(vyre *v);
VYI_API void vyi_trace_forget(vyre *v);
VYI_API void vyi_trace_rows(vyre *v);
/* What both clocks say, if the driver tells; under the lock, or where nobody else is. */
VYI_API void vyi_trace_moment(const vyre *v, vyi_device *d, vyi_moment *out);

/* Once who is told is known (engine.c). */
VYI_API void vyi_extras_plan(vyre *v);

static inline void vyi_tell_rested(vyre *v)
{
    if (v->trace.events)
        vyi_trace_rested(v);
    if (v->observer)
        v->observer->rested(v->observer, v);
}

static inline void vyi_tell_published(vyre *v, const vyre_work *work, vyre_ticket t)
{
    if (v->observer)
        v->observer->published(v->observer, v, work, t);
}

static inline void vyi_tell_end(vyre *v, vyre_ticket t, vyre_status status, uint32_t code)
{
    if (status == VYRE_E_CANCELLED)
        status = VYRE_E_FAULT; /* its code says which */
    if (status != VYRE_OK && status != VYRE_E_FAULT && status != VYRE_E_LOST)
        return;
    if (v->trace.events)
        vyi_trace_ended(v, t, status == VYRE_OK ? VYI_TRACE_DONE : VYI_TRACE_FAULT);
    if (v->observer)
        v->observer->ended(v->observer, v, t, status, code);
}

static inline void vyi_tell_event(vyre *v, vyre_status status, uint32_t event)
{
    if (v->trace.events && status == VYRE_OK)
        vyi_trace_note(v, VYI_TRACE_EVENT, 0, event);
    if (v->observer && status == VYRE_OK)
        v->observer->event(v->observer, v, event);
}

static inline vyi_device *vyi_queue_device(const vyi_queue *q)
{
    return (vyi_device *)vyi_load_pointer(&q->device);
}

/* Changes the state, under the lock.  What the caller has written before is seen
 * by whoever acquires it. */
VYI_API void vyi_queue_to(vyi_queue *q, vyi_run_state state);

static inline uint32_t vyi_queue_in_flight(const vyi_queue *q)
{
    return (uint32_t)(q->chain.launched - q->chain.completed);
}

/* Where a work is that has not ended (engine_names.c): vyre_stuck_at and its numbers. */
typedef enum vyi_where_kind {
    VYI_WHERE_RUNS = 0,
    VYI_WHERE_IO = 1,     /* `which` request */
    VYI_WHERE_GROUPS = 2, /* `which` of `of` chunks have ended */
    VYI_WHERE_EVENT = 3,  /* for event `which`, which `of` ends are missing */
    VYI_WHERE_TENANT = 4,
    VYI_WHERE_PAUSED = 5,
    VYI_WHERE_QUEUED = 6, /* nothing is known against it: a lane will come */
    VYI_WHERE_NOWHERE = 7 /* in nobody's hand, or it has ended */
} vyi_where_kind;
#define VYI_WHERE_NOBODY 0xffffffffu

typedef struct vyi_where {
    uint32_t kind, which, of;
    uint32_t by; /* of EVENT: the slot whose work is to signal it, or NOBODY */
} vyi_where;

VYI_API vyi_where vyi_slot_where(const vyi_queue *q, uint32_t slot);
/* A part of it: the event that the slot's work waits for in vain so far (engine_order.c). */
VYI_API bool vyi_order_missing(const vyi_queue *q, uint32_t slot, vyi_where *out);

/* Words for texts (engine_names.c).  The name of an opcode's handler, or the
 * opcode's; what a slot holds, and where it is; the first slot that is CLAIMED, or
 * whose chunks groups have. */
#define VYI_SLOT_TEXT 144u
VYI_API vyre_status vyi_names_keep(vyre *v, vyre_error *err);
VYI_API const char *vyi_handler_name(const vyre *v, uint32_t opcode);
VYI_API const char *vyi_slot_text(const vyi_queue *q, uint32_t slot, char *text, size_t size);
/* Of FAULT(BOUNDS), which *err has: what was wrong, by names, while the slot still says. */
VYI_API void vyi_bounds_tell(const vyi_queue *q, vyre_ticket t, uint32_t code, vyre_error *err);
VYI_API const char *vyi_claimed_text(const vyi_queue *q, char *text, size_t size);

/* Slots (engine_slots.c _publish.c _outcome.c).  vyi_queue_hold takes every slot, if
 * all are at rest (or, with `force`, whatever they are doing); vyi_queue_unhold
 * puts them back.  One at a time: under the lock. */
VYI_API bool vyi_queue_hold(vyi_queue *q, bool force);
VYI_API void vyi_queue_unhold(vyi_queue *q);
/* Comes before any other of these functions. */
VYI_API void vyi_owners_begin(vyi_queue *q);
/* Nobody uses them any more. */
VYI_API void vyi_producers_free(vyi_queue *q);
/* Whether the slot's work is in flight and has not ended; how many are. */
VYI_API bool vyi_slot_waits(const vyi_queue *q, uint32_t slot);
VYI_API uint32_t vyi_queue_pending(const vyi_queue *q);
/* Which: a number that others hardly have; 0: none. */
VYI_API uint32_t vyi_queue_waiting(const vyi_queue *q);
/* Works into slots that follow each other and are the caller's, mirror words 0. */
VYI_API void vyi_slots_write(const vyi_queue *q, const vyi_device *d, uint32_t slot,
                             const vyre_work *works, uint32_t count);
/* `told`: whoever asks for this slot is told now; otherwise the next drain is. */
VYI_API void vyi_slot_trouble(vyi_queue *q, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told);
/* Whether the handle takes them all: the error names the first that it does not. */
VYI_API vyre_status vyi_works_fit(const vyre *v, const vyre_work *works, uint32_t count,
                                    vyre_error *err);
/* VYRE_OK, VYRE_PENDING, VYRE_PAUSED, E_FAULT or E_CANCELLED (and its code), E_LOST,
 * E_STALE, E_TICKET. */
VYI_API vyre_status vyi_ticket_look(vyi_queue *q, vyre_ticket t, uint32_t *code);
/* The same, for somebody who is not the ticket's owner: what is kept stays so. */
VYI_API vyre_status vyi_ticket_peek(vyi_queue *q, vyre_ticket t, uint32_t *code);
VYI_API vyre_status vyi_ticket_explain(vyre_error *err, vyre_status status, vyre_ticket t,
                                       uint32_t code);
/* Lets a slot go that was kept for its ticket: now if it has ended, else when it has. */
VYI_API void vyi_ticket_drop(vyi_queue *q, vyre_ticket t);
/* Forgets troubles that are too old to be compared, of a few slots at a time; under
 * the lock. */
VYI_API void vyi_troubles_forget(vyi_queue *q);

/* Wide works (engine_wide.c).  The plan comes before any slot is counted. */
VYI_API vyre_status vyi_wide_plan(vyre *v, vyre_error *err);
/* Of each slot, where its generations begin: at open, and when the device is replaced. */
VYI_API void vyi_wide_number(vyi_wides *w);
/* NULL: the opcode is not wide. */
VYI_API const vyi_wide_op *vyi_wide_find(const vyi_queue *q, uint32_t opcode);
VYI_API vyre_status vyi_wide_publish(vyi_queue *q, const vyre_work *work, vyi_receipt *ticket,
                                     vyre_error *err);
/* Passes, under the lock, while nothing is in flight: the slot whose turn it is, or
 * 0xffffffff; its launch; whether a lane's work waits, too. */
VYI_API uint32_t vyi_wide_next(vyi_queue *q);
VYI_API vyre_status vyi_wide_launch(vyi_queue *q, uint32_t slot, vyre_error *err);
/* All that wait, one after another: a launch each, and the device to themselves. */
VYI_API vyre_status vyi_wide_launch_all(vyi_queue *q, uint64_t deadline, vyre_error *err);
VYI_API bool vyi_wide_has_company(const vyi_queue *q);
/* The kernel's gates: a new device's; the gate of a slot that has been written; those
 * whose generations are used up begin anew, under the lock. */
VYI_API void vyi_wide_begin(vyi_queue *q, vyi_device *d);
VYI_API void vyi_wide_raise(vyi_queue *q, const vyi_device *d, uint32_t slot,
                            const vyre_work *work);
/* True: a slot is about to begin anew, which takes some looks. */
VYI_API bool vyi_wide_renew(vyi_queue *q);
/* Works that an abort has left in the middle end FAULT.  Nothing is in flight. */
VYI_API void vyi_wide_bury(vyi_queue *q);
/* Of the attached set that `map` shows. */
VYI_API vyre_status vyi_wide_dispatch(vyi_queue *q, void *const *map, uint64_t deadline,
                                      vyre_error *err);

/* Order (engine_order.c); all but `plan`, `allocate` and `bits` only where there are
 * events.  What the handle needs; a new device's table; after a recovery, which has
 * decided about all slots; a slot that an abort has left CLAIMED. */
VYI_API void vyi_order_plan(vyre *v);
VYI_API vyre_status vyi_order_allocate(vyre *v, vyre_error *err);
VYI_API void vyi_order_begin(vyi_queue *q, vyi_device *d);
VYI_API void vyi_order_recover(vyi_queue *q);
VYI_API void vyi_order_bury(vyi_queue *q, uint32_t slot);
/* Before `count` works are written into slots that are the caller's, BUSY: what the
 * last one waits for and signals. */
VYI_API void vyi_order_bind(vyi_queue *q, uint32_t slot, uint32_t count, const vyi_receipt *r);
/* The wide slot's last work has signalled; what the slot's work waits for is there. */
VYI_API bool vyi_order_slot_is_settled(const vyi_queue *q, uint32_t slot);
VYI_API bool vyi_order_slot_is_ready(const vyi_queue *q, uint32_t slot);

/* Events in use once more for the caller, who forgets them: the one that the ticket's
 * work signals, 0 if none (false: its slot has been used again); one that is in use. */
VYI_API bool vyi_event_find(vyi_queue *q, vyre_ticket t, uint32_t *event);
VYI_API void vyi_event_use(vyi_queue *q, uint32_t event);
VYI_API void vyi_event_forget(vyi_queue *q, uint32_t event);
/* One that is to be signalled so often, 0 if none can be had; the caller releases it. */
VYI_API uint32_t vyi_event_gather(vyi_queue *q, uint32_t count);
VYI_API void vyi_event_release(vyi_queue *q, uint32_t event);
/* Of one that was gathered for 1, which the host itself signals, and releases. */
VYI_API void vyi_event_give(vyi_queue *q, uint32_t event, bool good);
/* Publishes a work that waits for it (engine_after.c). */
VYI_API vyre_status vyi_publish_waiting(vyre *v, const vyre_work *work, uint32_t event,
                                        vyre_ticket *ticket, vyre_error *err);

static inline uint32_t vyi_order_bits(const vyi_queue *q, uint32_t slot)
{
    return q->order.count ? vyi_load_relaxed(&q->order.bits[slot]) : 0;
}

/* E_FAULT, or E_CANCELLED. */
static inline vyre_status vyi_fault_status(uint32_t code)
{
    return code == VYRE_FAULT_CANCELLED ? VYRE_E_CANCELLED : VYRE_E_FAULT;
}

/* Somebody who is told of such an end has nothing to fetch. */
static inline bool vyi_status_is_trouble(vyre_status status)
{
    return status == VYRE_E_FAULT || status == VYRE_E_LOST || status == VYRE_E_CANCELLED;
}

/* Of the device. */
static inline bool vyi_status_is_loss(vyre_status status)
{
    return status == VYRE_E_DEVICE_LOST || status == VYRE_E_LEASE;
}

/* Neither is an end. */
static inline bool vyi_status_is_open(vyre_status status)
{
    return status == VYRE_PENDING || status == VYRE_PAUSED;
}

/* Works that have paused (engine_task.c): lets one go on, with another data word if
 * `data` is one; false: it has not paused, or somebody has the slot in hand. */
VYI_API bool vyi_task_go_on(vyi_queue *q, vyre_ticket t, uint32_t mirror, const uint32_t *data);
/* The slot whose work waits for the IO slot without a lane, or NO_SLOT; lets it go on, and
 * find the answer.  False: somebody else has it in hand, or has done so. */
#define VYI_NO_SLOT UINT32_MAX
VYI_API uint32_t vyi_task_waits(const vyi_queue *q, uint32_t io_slot);
VYI_API bool vyi_task_answered(vyi_queue *q, uint32_t slot, uint32_t io_slot);
/* Of one whose ticket nobody has, so that nobody could let it go on: it is cancelled. */
VYI_API void vyi_task_take_back(vyi_queue *q, vyre_ticket t);

/* What to do about a work that ended FAULT. */
VYI_API const char *vyi_fault_fix(uint32_t code);

#define VYI_PACE_SPINS 32u /* turns between two looks at the device */

/* Turns of a loop that waits: first it spins, then it lets others run, then it
 * sleeps. */
typedef struct vyi_pace {
    uint64_t begin, deadline;
    uint32_t turn;
} vyi_pace;

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns);
/* VYRE_OK, VYRE_TIMEOUT, or an error when no work can end any more. */
VYI_API vyre_status vyi_pace_turn(vyi_queue *q, vyi_pace *pace, vyre_error *err);
/* The parts of a turn, for who waits for several devices: the chain is kept going, and
 * an error told; a rest, where `now` comes before the deadline. */
VYI_API vyre_status vyi_pace_look(vyi_queue *q, vyre_error *err);
VYI_API void vyi_pace_rest(vyi_device *d, const vyi_pace *pace, uint64_t now);

/* Of a call that found its device lost: whether there is a new one.  With auto_recover this
 * looks until somebody has replaced it, or could not: a single look may find that the lock is
 * another's, or that none is due. */
VYI_API bool vyi_queue_is_mended(vyi_queue *q);

/* As vyi_ticket_look, until the work has ended, or the pace says no more. */
VYI_API vyre_status vyi_ticket_wait(vyi_queue *q, vyre_ticket t, vyi_pace *pace, uint32_t *code,
                                    vyre_error *err);

/* Cancel words, of the device (engine_slots.c; set by engine_cancel.c).  Whoever makes a
 * slot ready for its next work clears its word; a recovery sets those of works that run
 * again. */
VYI_API void vyi_wish_store(const vyi_queue *q, const vyi_device *d, uint32_t slot,
                            uint32_t wish);
VYI_API void vyi_wish_clear(vyi_queue *q, uint32_t slot);
VYI_API void vyi_wish_renew(vyi_queue *q, vyi_device *d, uint32_t slot, uint32_t generation);

/* Callbacks at ends (engine_outcome.c): of one work whose end was seen; and, without the
 * lock, of those that have ended meanwhile. */
VYI_API void vyi_end_tell(vyi_queue *q, vyre_ticket t, vyre_status status);
VYI_API void vyi_ends_deliver(vyi_queue *q);
VYI_API void vyi_ends_free(vyi_queue *q);

/* The chain, under the lock (engine_lease.c); its launches (engine_chain.c). */
VYI_API vyre_status vyi_queue_drive(vyi_queue *q, vyi_effort effort, vyre_error *err);
/* Waits until nothing is in flight: VYRE_OK, VYRE_TIMEOUT, or an error. */
VYI_API vyre_status vyi_queue_settle(vyi_queue *q, uint64_t deadline, vyre_error *err);
/* Slots that an abort has left CLAIMED end FAULT.  Nothing is in flight. */
VYI_API void vyi_queue_bury(vyi_queue *q);
/* Ends a slot FAULT, while nothing is in flight: all of its words are the host's. */
VYI_API void vyi_slot_bury(vyi_queue *q, uint32_t slot, uint32_t code);
VYI_API vyre_status vyi_queue_launch(vyi_queue *q, vyi_launch what, uint32_t rounds,
                                     vyre_error *err);
VYI_API vyre_status vyi_queue_reap(vyi_queue *q, uint64_t timeout_ns, vyre_error *err);
/* What has been printed (engine_log.c); and, without the lock, whether a running kernel
 * has. */
VYI_API void vyi_queue_deliver_log(vyi_queue *q);
VYI_API bool vyi_log_waits(const vyi_queue *q);
/* After the end of a work was seen: what it has printed is there. */
VYI_API void vyi_log_hear(vyi_queue *q);
/* Without the lock: drives if it is due and nobody else does. */
VYI_API vyre_status vyi_queue_nudge(vyi_queue *q, vyi_effort effort, vyre_error *err);
VYI_API bool vyi_helper_start(vyre *v);
VYI_API void vyi_helper_stop(vyre *v);

/* A call of the backend has failed, as `how` says; notes a loss. */
VYI_API vyre_status vyi_queue_failed(vyi_queue *q, vyre_status status, vyre_error *how,
                                      vyre_error *err);
VYI_API vyre_status vyi_queue_lost(vyi_queue *q, const vyre_error *how, vyre_error *err);
VYI_API void vyi_queue_set_shutdown(vyi_queue *q, uint32_t value);

/* Writes down what vyre_query tells, under the lock; and reads it, without. */
VYI_API void vyi_figures_note(vyi_queue *q);
/* A look at the device, under the lock: its counters of works that were put back, and how
 * long the oldest work in flight has waited.  A new device's counters are 0. */
VYI_API void vyi_queue_look(vyi_queue *q);
VYI_API void vyi_queue_look_anew(vyi_queue *q);
VYI_API vyi_figures vyi_figures_read(const vyi_queue *q);

/* Whether vyre_read and vyre_write take such a range (engine_memory.c). */
VYI_API vyre_status vyi_copy_fits(vyre *v, uint32_t user_buffer, size_t offset, size_t size,
                                  vyre_error *err);

/* The handle's lock, unless the deadline passes first. */
VYI_API bool vyi_lock_until(vyre *v, uint64_t deadline);

/* Takes the lock by itself (engine_life.c). */
VYI_API vyre_status vyi_queue_stop(vyi_queue *q, uint64_t timeout_ns, vyre_error *err);
/* Under the lock: another device (engine_recover.c); and it goes on where the old one
 * was (engine_lease.c). */
VYI_API vyre_status vyi_queue_replace(vyi_queue *q, vyre_error *err);
VYI_API vyre_status vyi_queue_recover(vyi_queue *q, vyre_error *err);

VYI_EXTERN_C_END

#endif

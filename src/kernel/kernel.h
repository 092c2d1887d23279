/* ==========================================================================
 * kernel: the programs that serve a ring of slots
 *
 * Public.  One function builds every variant: looping or one pass, with or
 * without opcode dispatch, in order of priority, with the caller's own
 * opcodes and buffers.  The result is an ordinary program.
 *
 *     static void emit_axpy(vyre_program *p, const vyre_slot_values *s, void *user)
 *     {
 *         vyre_value x = vyre_ir_load(p, s->buffers[0], s->arg[0]);
 *         vyre_ir_store(p, s->buffers[0], s->arg[0], vyre_ir_mul(p, x, s->arg[1]));
 *     }
 *     vyre_handler h = VYRE_HANDLER(0x1000, emit_axpy, NULL, "axpy");
 *
 * A kernel does not depend on its geometry: it takes the number of slots
 * from the ring's length and the number of lanes from the dispatch, and
 * each lane serves the slots lane, lane + lanes, lane + 2 * lanes, ...
 * Equal descriptions give equal programs, whatever the compiler.  In code that
 * you emit yourself, C leaves open which argument of a call is evaluated, and
 * so emitted, first: give at most one argument that emits.
 * ======================================================================= */
#ifndef VYI_KERNEL_H
#define VYI_KERNEL_H

#include "ir/ir.h"
#include "wire/wire.h"

VYI_EXTERN_C_BEGIN

/* Bindings of the four core buffers; the caller's own are 4 and up. */
#define VYRE_BINDING_CONTROL 0u
#define VYRE_BINDING_RING    1u
#define VYRE_BINDING_LOG     2u
#define VYRE_BINDING_IO      3u
#define VYRE_BINDING_USER    4u

typedef enum vyre_kernel_kind {
    VYRE_KERNEL_DIRECT = 0,   /* opcodes are dispatched */
    VYRE_KERNEL_JIT = 1,      /* one payload for every slot, no opcodes */
    VYRE_KERNEL_PRIORITY = 2  /* direct, but urgent partitions first */
} vyre_kernel_kind;

/* Why a slot ended FAULT: word 15 of the slot. Codes from VYRE_FAULT_USER on
 * belong to handlers. */
typedef enum vyre_fault {
    VYRE_FAULT_NONE = 0,
    VYRE_FAULT_OPCODE = 1,     /* no handler for the opcode */
    VYRE_FAULT_INDEX = 2,      /* a control index or range lies beyond the buffer */
    VYRE_FAULT_HEADER = 3,     /* a write into control words 0..159 */
    VYRE_FAULT_PACKED = 4,     /* malformed packed payload */
    VYRE_FAULT_TABLE = 5,      /* DFA_STEP without a table, or beyond it */
    VYRE_FAULT_LOOP_LIMIT = 6, /* a loop would have been cut by the driver */
    VYRE_FAULT_IO = 7,         /* the host answered an IO request with ERROR */
    VYRE_FAULT_IO_FULL = 8,    /* no IO slot was free */
    VYRE_FAULT_IO_TIMEOUT = 9, /* the host did not answer an IO request in time */
    VYRE_FAULT_CANCELLED = 10, /* taken back before it was claimed: VYRE_E_CANCELLED */
    VYRE_FAULT_BOUNDS = 11,    /* vyre_kernel_desc.checked has found something: vyre_bounds */
    VYRE_FAULT_AFTER = 12,     /* a work that it waits for has not ended well: it did not run */
    VYRE_FAULT_USER = 0x100
} vyre_fault;

/* What a handler has done that ended its job FAULT(BOUNDS).  The slot's argument word
 * VYRE_BOUNDS_ARG holds this, the next one the number in kernel.buffers (of ARGUMENT and
 * HEADER 0), and the one after it the index. */
typedef enum vyre_bounds {
    VYRE_BOUNDS_LOAD = 1,     /* beyond the end of one of the caller's buffers */
    VYRE_BOUNDS_STORE = 2,
    VYRE_BOUNDS_ATOMIC = 3,
    VYRE_BOUNDS_ARGUMENT = 4, /* it used an argument that the work did not give */
    VYRE_BOUNDS_HEADER = 5    /* a store into control words 0..159, or beyond control */
} vyre_bounds;
#define VYRE_BOUNDS_ARG 8u

/* What a handler sees of the slot that it serves. */
typedef struct vyre_slot_values {
    vyre_value slot_base;  /* word index of the slot in the ring */
    vyre_value opcode;
    vyre_value tenant;
    vyre_value arg[12];    /* arguments that the work did not give are 0 */
    vyre_buffer control, ring, log, io;
    const vyre_buffer *buffers; /* the caller's own, in the order of the desc */
    uint32_t   buffer_count;
    vyre_buffer workspace; /* id 0 without one */
    /* Of wide works; else id 0.  `index` is of the range, or the tile; `lane` of
     * `lanes` in the group that runs the tile. */
    vyre_value index, lane, lanes;
    const void *internal;
} vyre_slot_values;

/* Emits one handler.  It may be called more than once for a kernel.  Blocks
 * that it opens must be closed, and it may leave its own loops only; `return`
 * is refused.  Arguments that it does not use are not loaded.  A mistake in it
 * is reported with the handler's name, and vyre_error.at is the call in it. */
typedef void (*vyre_emit_fn)(vyre_program *p, const vyre_slot_values *slot, void *user);

/* Writes `value` into argument word `word` (0..11) of the slot, where
 * vyre_result() finds it.  Inside a packed slot: of the operation's own words.  In a
 * GROUP lane 0 of tile 0 gives it; a RANGE has vyre_emit_reduce. */
VYRE_API void vyre_emit_result(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_value value);
/* The slot will end FAULT with this code (a u32), unless an earlier fault
 * stands; 0 reads as VYRE_FAULT_USER.  Code after it still runs; what follows
 * in a packed slot does not. */
VYRE_API void vyre_emit_fault(vyre_program *p, const vyre_slot_values *slot, vyre_value code);

/* Appends a record to the log, as PRINTF does: three u32, and the slot as the fourth
 * word.  Each index of a RANGE, each lane of a GROUP that comes here gives one; what
 * finds the log full is counted (vyre_info.log_dropped). */
VYRE_API void vyre_emit_log(vyre_program *p, const vyre_slot_values *slot, vyre_value format,
                            vyre_value a, vyre_value b);

/* What a handler asks of the host through the IO queue (vyre_io_request); a value
 * with id 0 is 0.  With `src` equal to `dst` the host knows a resource by this number,
 * and all else is its own. */
typedef struct vyre_io_values {
    vyre_value op, src, dst; /* a vyre_io_op; what bytes come from, and go to */
    vyre_value offset_lo, offset_hi, bytes, tag;
} vyre_io_values;

/* Asks, and waits in the lane for the answer.  The value is a bool: it was OK, and
 * *bytes_done bytes, which may be NULL, were moved.  Else they are the answer's code,
 * and the job goes on; without any answer, because no IO slot is free or none came
 * within io_spins polls, the job also ends FAULT(IO_FULL) or FAULT(IO_TIMEOUT).
 *
 * In a handle with kernel.tasks it waits without the lane instead, as long as it takes: the
 * value is false, *bytes_done 0, what the handler raises from here on is forgotten, and when
 * the host has answered the handler runs again from its start.  The first call that it then
 * comes to does not ask, but has the answer.  pc and data are what the last vyre_emit_yield
 * of the run has said, or what they were.  Not in packed slots. */
VYRE_API vyre_value vyre_emit_io(vyre_program *p, const vyre_slot_values *slot,
                                 const vyre_io_values *io, vyre_value *bytes_done);

/* A job's children, in kernels with `children` and by jobs of one lane.  The job's ticket
 * ends when it and all that it spawned, to any depth, have ended; with a fault if one of
 * them had one, the first.  The value is a bool: false, and the device's queue is full; then
 * the handler does the work itself.  A child has the tenant and the priority of its parent,
 * u32 arguments that may be given up to 12, and no result but what it writes into buffers.
 * What was written before the spawn it sees. */
VYRE_API vyre_value vyre_emit_spawn(vyre_program *p, const vyre_slot_values *slot,
                                    uint32_t opcode, const vyre_value *args, uint32_t count);
/* What the job goes on with when all that it spawned has ended well: it sees what they
 * wrote, may spawn and have a then itself, and its results are the job's.  After a fault it
 * does not run.  The last one that is asked for counts. */
VYRE_API void vyre_emit_then(vyre_program *p, const vyre_slot_values *slot, uint32_t opcode,
                             const vyre_value *args, uint32_t count);

/* Of a kernel with `tasks`, in a handler for one lane: the job has not ended, and its
 * handler runs again later, from the start, with arguments 3 and 4 being pc and data,
 * which both are 0 (or what the work gave) the first time.  Code after the call still
 * runs; the last such call counts, and none against a fault.  In a packed slot it is
 * FAULT(PACKED).
 * yield, requeue: this kernel claims it again, after what its lane has to do besides;
 * pause: nobody does until vyre_resume, and its ticket says VYRE_PAUSED. */
VYRE_API void vyre_emit_yield(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                              vyre_value data);
VYRE_API void vyre_emit_requeue(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                                vyre_value data);
VYRE_API void vyre_emit_pause(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                              vyre_value data);

/* What runs a job. */
typedef enum vyre_width {
    VYRE_WIDTH_LANE = 0,  /* one lane */
    VYRE_WIDTH_RANGE = 1, /* the handler runs once for each index args[0] <= slot->index < args[1],
                             on any lanes, in any order */
    VYRE_WIDTH_GROUP = 2  /* tiles 0 .. args[0] - 1: a whole workgroup runs the handler for each
                             tile, slot->index, as slot->lane of slot->lanes; barriers, workgroup
                             arrays and subgroup operations are allowed */
} vyre_width;

typedef struct vyre_handler {
    uint32_t     opcode; /* vyre_opcode_is_user() */
    vyre_emit_fn emit;
    void        *user;
    const char  *name;   /* NULL = "handler" */
    vyre_width   width;
    uint32_t     chunk;  /* of a range: indexes that a group takes at a time; 0 = chosen */
    const char  *source; /* the handler as text, instead of emit (docs/source.md) */
    uint32_t     loop_allowance; /* iterations that its loops may have: of a job; of a wide one in
                                    each lane, for what it runs of a chunk or tile.  More end the
                                    job FAULT(LOOP_LIMIT).  Such a kernel counts loops on every
                                    device.  0 = the kernel's, where loops are limited */
} vyre_handler;

/* A handler for one lane, as an initialiser that names every member, so that no
 * compiler warns of a missing one. */
#define VYRE_HANDLER(opcode, emit, user, name) \
    { (opcode), (emit), (user), (name), VYRE_WIDTH_LANE, 0, NULL, 0 }

/* RANGE and GROUP: what all indexes give, combined into vyre_result's word `word`;
 * indexes that do not come here add nothing, and without any it is the neutral
 * element.  ADD, MIN, MAX, AND, OR, XOR of a u32; ADD, MIN, MAX of an i32. */
VYRE_API void vyre_emit_reduce(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_atomic_op op, vyre_value value);

/* Code that runs around the serving of slots, with a buffer of its own. */
typedef struct vyre_workspace {
    vyre_buffer_desc buffer;  /* binding 4 or more */
    /* At a launch's start, on all lanes; may use barriers. */
    void (*bootstrap)(vyre_program *p, vyre_buffer workspace, void *user);
    void (*guard)(vyre_program *p, vyre_buffer workspace, void *user);     /* each round, first */
    void (*dispatch)(vyre_program *p, vyre_buffer workspace, void *user);  /* then this */
    void *user;
} vyre_workspace;

typedef struct vyre_kernel_desc {
    vyre_kernel_kind kind;
    bool     once;            /* one pass over the slots and return; default: loop */
    uint32_t workgroup_size;  /* 0 = 256 */
    uint32_t slot_count;      /* 0 = workgroup_size; else a multiple of it */
    uint32_t lane_count;      /* 0 = slot_count; fewer lanes stride */
    const vyre_handler *handlers;
    uint32_t handler_count;
    vyre_emit_fn payload;     /* of kind JIT */
    void    *payload_user;
    vyre_width payload_width;
    const char *payload_source; /* as text, instead of payload */
    uint32_t group_size;      /* lanes of a group that runs wide works, a multiple of 32; 0 =
                                 chosen */
    const vyre_buffer_desc *buffers; /* the caller's own, bindings 4.. */
    uint32_t buffer_count;
    const vyre_workspace *workspace;
    bool     io_polling;      /* the first lane recycles answered IO requests, apart from those
                                 that a LOAD_MISS waits for */
    bool     load_miss;       /* LOAD_MISS becomes an IO request; not in kind JIT */
    bool     control_report;  /* only the control buffer need be copied back */
    bool     open_header;     /* opcodes may write control words 0..159 */
    bool     live_log;        /* looping kernels: the log is a queue between control words 148 and
                                 149, of a power of two records, that a host empties meanwhile;
                                 vyre_open sets it where desc.log is given (docs/protocol.md) */
    bool     checked;         /* what callers' code does is looked at before it is done, and a
                                 job that goes wrong ends FAULT(BOUNDS): vyre_bounds.  Not
                                 checked, such loads give 0 and such stores nothing */
    uint32_t children;        /* jobs that may wait in the device's own queue, a power of two from
                                 32 to 2^20; 0: handlers spawn nothing.  Only for vyre_open */

    bool     tasks;           /* handlers may stop in the middle and go on later
                                 (vyre_emit_yield); words 7 to 15 of a slot are vyre_task's then */
    uint32_t log_records;     /* 0 = 64; only for the host that makes the buffer */
    uint32_t observables;     /* 0 = 64; likewise */
    uint32_t table_binding;   /* of the caller's buffer with the DFA table; 0 = none */
    uint32_t io_spins;        /* polls for the host's answer to an IO request; 0 = 1024 */
    uint32_t loop_allowance;  /* of one slot, where loops are limited; 0 = 32768 */
    vyre_allocator allocator;
    vyre_logger messages;     /* hears of all mistakes in texts, vyre_error of the first;
                                 vyre_open gives its own when this is all zero */
} vyre_kernel_desc;

/* What a kernel may rest on in the host that feeds it and in its device: for
 * whoever brings an engine of their own.  All zero is any host, on any device. */
typedef struct vyre_kernel_host {
    uint32_t mirror_binding; /* of a buffer that the kernel adds: a u32 per slot, written when the
                                slot ends, 32 more, and one per IO slot, another number for each
                                request there; with tasks another one per IO slot (kernel_task.c).
                                0 = none.  No handler is given it */
    uint32_t cancel_binding; /* of another one, with a u32 per slot that the host writes: what is
                                claimed while it is not 0 does not run and ends FAULT(CANCELLED).
                                The host clears it before the slot's next work; 0 = none */
    bool     count_each;     /* counters move with each slot: for a pass that may be ended in the
                                middle.  Else a one-pass DIRECT kernel counts when a lane is done,
                                or has something uncommon to do; without effect on others */
    bool     one_lane;       /* one lane serves the ring, in a shape for devices that walk through
                                code they skip.  Without effect on kernels of one pass, of kind
                                PRIORITY, with a workspace, io_polling or load_miss */
    bool     whole_slots;    /* a looping kernel of opcodes serves NOP, STORE_U32 and ATOMIC_ADD
                                without waiting for an acquire or a release: it reads the slot
                                beside its claim, and writes DONE | (found << 8) into the mirror,
                                `found` being what its atomic gave back.  For hosts that never
                                take a published slot back, launches that do not overlap, and
                                devices that pass the probe's lines and sums
                                (docs/memory-model.md).  In kind PRIORITY a launch looks at the
                                partitions once.  Without effect with one_lane, and with
                                load_miss */
} vyre_kernel_host;

/* A finished program; the caller destroys it.  NULL desc is all defaults. */
VYRE_API vyre_program *vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err);
/* The same for a host of this kind; NULL is any. */
VYRE_API vyre_program *vyre_kernel_build_for(const vyre_kernel_desc *desc,
                                             const vyre_kernel_host *host, vyre_error *err);

/* Appends the kernel's body, buffers included, to a program of the caller's.
 * Bindings 0..3 and those of the desc must be free. */
VYRE_API vyre_status vyre_kernel_body(vyre_program *p, const vyre_kernel_desc *desc,
                                      vyre_error *err);

/* The fault's one-line meaning. */
VYRE_API const char *vyre_fault_text(uint32_t code);

VYI_EXTERN_C_END

#endif

/* ==========================================================================
 * wire: the four buffers that host and device share
 *
 * Public.  Control, ring, debug log and IO queue are arrays of little-endian
 * u32 words.  These functions only lay out and read bytes: memory is the
 * caller's, at any alignment; nothing is allocated.
 *
 *     control   0 SHUTDOWN | 1 DONE_COUNT | 2 TENANT_BASE | 3.. masks | 32.. quotas |
 *               64.. tenant fairness | 96.. metrics | 128 EPOCH | 129.. priorities |
 *               141 FAULT_COUNT | 142 LOG_DROPPED | 143 HEARTBEAT | 146 REQUEUES |
 *               147 PROMOTED | 148 LOG_HEAD | 149 LOG_TAIL | 150 CHILDREN |
 *               159 IO_REQUESTS | 160.. observables
 *     ring      16 words a slot: STATUS OPCODE TENANT PRIORITY ARG0..ARG11
 *     log       word 0 CURSOR (words used), then 4 words a record
 *     io        8 words a slot: OP SRC DST OFFSET_LO OFFSET_HI BYTES STATUS TAG
 * ======================================================================= */
#ifndef VYI_WIRE_H
#define VYI_WIRE_H

#include "base/base.h"

VYI_EXTERN_C_BEGIN

/* --- layout -------------------------------------------------------------- */

#define VYRE_CONTROL_SHUTDOWN            0u
#define VYRE_CONTROL_DONE_COUNT          1u
#define VYRE_CONTROL_TENANT_BASE         2u   /* always holds VYRE_CONTROL_TENANT_MASKS */
#define VYRE_CONTROL_TENANT_MASKS        3u
#define VYRE_CONTROL_TENANT_QUOTAS       32u
#define VYRE_CONTROL_TENANT_FAIRNESS     64u
#define VYRE_CONTROL_METRICS             96u
#define VYRE_CONTROL_EPOCH               128u
#define VYRE_CONTROL_PRIORITY_OFFSETS    129u /* five starts and the total */
#define VYRE_CONTROL_STARVATION          135u
#define VYRE_CONTROL_PRIORITY_FAIRNESS   136u
#define VYRE_CONTROL_FAULT_COUNT         141u
#define VYRE_CONTROL_LOG_DROPPED         142u
#define VYRE_CONTROL_HEARTBEAT           143u
#define VYRE_CONTROL_IO_WAITED           144u /* .. 145: bit i: a lane waits for IO slot i */
#define VYRE_CONTROL_REQUEUES            146u
#define VYRE_CONTROL_PROMOTED            147u
#define VYRE_CONTROL_LOG_HEAD            148u /* of a live log: words that lanes have taken */
#define VYRE_CONTROL_LOG_TAIL            149u /* and words that the host has read */
#define VYRE_CONTROL_CHILDREN            150u /* moves where jobs of the device's queue may wait */
#define VYRE_CONTROL_IO_REQUESTS         159u /* to whoever looks into the mirror */
#define VYRE_CONTROL_OBSERVABLES         160u
#define VYRE_CONTROL_MIN_WORDS           160u

#define VYRE_MAX_TENANTS                 29u
#define VYRE_TENANT_QUOTAS               32u
#define VYRE_TENANT_QUOTA_DEFAULT        1000000u
#define VYRE_METRICS                     32u
#define VYRE_PRIORITY_LEVELS             5u
#define VYRE_STARVATION_LIMIT            16u
#define VYRE_MAX_OBSERVABLES             1048576u /* that an encoder makes */

#define VYRE_SLOT_WORDS                  16u
#define VYRE_SLOT_BYTES                  64u
#define VYRE_SLOT_STATUS                 0u
#define VYRE_SLOT_OPCODE                 1u
#define VYRE_SLOT_TENANT                 2u
#define VYRE_SLOT_PRIORITY               3u
#define VYRE_SLOT_ARGS                   4u
#define VYRE_SLOT_FAULT                  15u /* of a slot that ended FAULT: its vyre_fault */
#define VYRE_MAX_ARGS                    12u
#define VYRE_MAX_SLOTS                   1048576u /* that an encoder makes */

#define VYRE_LOG_CURSOR                  0u
#define VYRE_LOG_RECORDS                 1u
#define VYRE_LOG_RECORD_WORDS            4u
#define VYRE_LOG_RECORDS_DEFAULT         64u
#define VYRE_MAX_LOG_RECORDS             1048576u /* that an encoder makes */

#define VYRE_IO_OP                       0u
#define VYRE_IO_SRC                      1u
#define VYRE_IO_DST                      2u
#define VYRE_IO_OFFSET_LO                3u
#define VYRE_IO_OFFSET_HI                4u
#define VYRE_IO_BYTES                    5u
#define VYRE_IO_STATUS                   6u
#define VYRE_IO_TAG                      7u
#define VYRE_IO_SLOT_WORDS               8u
#define VYRE_IO_SLOT_BYTES               32u
#define VYRE_IO_SLOTS                    64u

/* --- opcodes ------------------------------------------------------------- */

/* X(NAME, number, what it does; a0.. are its arguments) */
#define VYRE_OPCODE_LIST(X)                                                                        \
    X(NOP,          0x00000000u, "nothing")                                                        \
    X(STORE_U32,    0x00000001u, "control[a1] = a0")                                               \
    X(ATOMIC_ADD,   0x00000002u, "control[a1] += a0")                                              \
    X(LOAD_U32,     0x00000003u, "observable[a1] = control[a0]")                                   \
    X(COMPARE_SWAP, 0x00000004u, "control[a0]: a1 becomes a2; before to observable[a0]")           \
    X(MEMCPY,       0x00000005u, "control[a1 + i] = control[a0 + i], i < a2")                      \
    X(DFA_STEP,     0x00000006u, "observable[a2] = table[a0 * 256 + a1]")                          \
    X(BATCH_FENCE,  0x00000007u, "EPOCH += 1; observable[0] = a1")                                 \
    X(LOAD_MISS,    0x0000fffdu, "asks the host for resource a0; a1: prefetch")                    \
    X(PRINTF,       0x0000fffeu, "log record a0, a1, a2")                                          \
    X(PACKED_SLOT,  0x80000001u, "several small operations in one slot")                           \
    X(SHUTDOWN,     0xffffffffu, "stops the kernel")

#define VYRE_OP_NOP          0x00000000u
#define VYRE_OP_STORE_U32    0x00000001u
#define VYRE_OP_ATOMIC_ADD   0x00000002u
#define VYRE_OP_LOAD_U32     0x00000003u
#define VYRE_OP_COMPARE_SWAP 0x00000004u
#define VYRE_OP_MEMCPY       0x00000005u
#define VYRE_OP_DFA_STEP     0x00000006u
#define VYRE_OP_BATCH_FENCE  0x00000007u
#define VYRE_OP_USER         0x00000008u /* the first that is free */
#define VYRE_OP_LOAD_MISS    0x0000fffdu
#define VYRE_OP_PRINTF       0x0000fffeu
#define VYRE_OP_PACKED_SLOT  0x80000001u
#define VYRE_OP_SHUTDOWN     0xffffffffu

/* 0..7, PACKED_SLOT, PRINTF and SHUTDOWN. */
VYRE_API bool vyre_opcode_is_builtin(uint32_t op);
/* Free for handlers: 8..0xffef and 0x10000..0x7fffffff. */
VYRE_API bool vyre_opcode_is_user(uint32_t op);
/* One of the two.  LOAD_MISS is neither: vyre_load_miss_encode() makes its slot. */
VYRE_API bool vyre_opcode_publishable(uint32_t op);
/* "NOP", "STORE_U32" ...; "USER" for the handlers' range, "RESERVED" for the rest. */
VYRE_API const char *vyre_opcode_name(uint32_t op);

/* --- values -------------------------------------------------------------- */

typedef enum vyre_slot_state {
    VYRE_SLOT_EMPTY = 0,
    VYRE_SLOT_PUBLISHED = 1,
    VYRE_SLOT_CLAIMED = 2,
    VYRE_SLOT_DONE = 3,
    VYRE_SLOT_WAIT_IO = 4,
    VYRE_SLOT_YIELD = 5,
    VYRE_SLOT_REQUEUE = 6,
    VYRE_SLOT_FAULTED = 7,
    VYRE_SLOT_UNKNOWN = 8 /* a status word that holds 8 or more */
} vyre_slot_state;

/* How a task came to its state: word 15 of its slot, unless that is FAULT. */
enum {
    VYRE_TASK_PAUSED = 1,
    VYRE_TASK_YIELDED = 2,
    VYRE_TASK_REQUEUED = 4,
    VYRE_TASK_RESUMED = 8
};

/* "EMPTY", "PUBLISHED" ...; "UNKNOWN" for anything else. */
VYRE_API const char *vyre_slot_state_name(vyre_slot_state state);

typedef enum vyre_priority {
    VYRE_PRIORITY_NORMAL = 0,   /* wire 2: zero-initialised work is ordinary work */
    VYRE_PRIORITY_CRITICAL = 1, /* wire 0 */
    VYRE_PRIORITY_HIGH = 2,     /* wire 1 */
    VYRE_PRIORITY_LOW = 3,      /* wire 3 */
    VYRE_PRIORITY_IDLE = 4,     /* wire 4 */
    VYRE_PRIORITY_UNKNOWN = 5   /* a priority word that holds 5 or more; never published */
} vyre_priority;

typedef struct vyre_work {
    uint32_t      opcode, tenant;
    vyre_priority priority;
    uint32_t      arg_count;
    uint32_t      args[12];
} vyre_work;

typedef struct vyre_op {
    uint32_t opcode, arg_count;
    uint32_t args[12];
} vyre_op;

typedef struct vyre_slot {
    vyre_slot_state state;
    uint32_t        opcode, tenant;
    vyre_priority   priority;
    uint32_t        args[12];
} vyre_slot;

/* --- control ------------------------------------------------------------- */

typedef struct vyre_control_desc {
    bool     shutdown;    /* the kernel returns at once; default: it runs */
    uint32_t tenants;     /* ids 0..tenants-1 are authorised; 0: none is; 29 and more: all */
    uint32_t observables; /* words behind the header; 0: none */
} vyre_control_desc;

/* Bytes of a control buffer; 0: not representable. */
VYRE_API size_t vyre_control_size(uint32_t observables);

/* Writes vyre_control_size() bytes; `size` may be more.  At most
 * VYRE_MAX_OBSERVABLES. */
VYRE_API vyre_status vyre_control_encode(void *dst, size_t size, const vyre_control_desc *desc,
                                         vyre_error *err);

/* The length: whole words, and at least the header. */
VYRE_API vyre_status vyre_control_check(const void *src, size_t size, vyre_error *err);

/* The length, and the words that only the host writes: TENANT_BASE, and the
 * priority offsets, which must not decrease nor exceed `slots`. */
VYRE_API vyre_status vyre_control_verify(const void *src, size_t size, uint32_t slots,
                                         vyre_error *err);

/* Readers.  They work on a live mapping: what the device wrote before it
 * counted a slot as done is visible once the count has been read here. */
VYRE_API vyre_status vyre_control_done_count(const void *src, size_t size, uint32_t *out,
                                             vyre_error *err);
VYRE_API vyre_status vyre_control_fault_count(const void *src, size_t size, uint32_t *out,
                                              vyre_error *err);
VYRE_API vyre_status vyre_control_epoch(const void *src, size_t size, uint32_t *out,
                                        vyre_error *err);
VYRE_API vyre_status vyre_control_observable(const void *src, size_t size, uint32_t index,
                                             uint32_t *out, vyre_error *err);
/* How often each opcode below 32 ran. */
VYRE_API vyre_status vyre_control_metrics(const void *src, size_t size, uint32_t out[VYRE_METRICS],
                                          vyre_error *err);

/* --- ring ---------------------------------------------------------------- */

/* Bytes of a ring; 0: no slot, or not representable. */
VYRE_API size_t vyre_ring_size(uint32_t slots);

/* Writes vyre_ring_size() bytes of EMPTY slots; `size` may be more.  At most
 * VYRE_MAX_SLOTS. */
VYRE_API vyre_status vyre_ring_encode(void *dst, size_t size, uint32_t slots, vyre_error *err);

/* The ring has exactly this many slots. */
VYRE_API vyre_status vyre_ring_check(const void *src, size_t size, uint32_t slots,
                                     vyre_error *err);

/* The index of word `word` of slot `slot` in the ring. */
VYRE_API vyre_status vyre_slot_word(uint32_t slot, uint32_t word, uint32_t *out, vyre_error *err);

/* Decodes one slot.  On a live mapping the state is read first: of a slot that
 * is DONE or FAULT the rest is what the device left. */
VYRE_API vyre_status vyre_ring_read(const void *ring, size_t size, uint32_t slot, vyre_slot *out,
                                    vyre_error *err);

/* How many slots are in this state; VYRE_SLOT_UNKNOWN counts the unknown ones. */
VYRE_API vyre_status vyre_ring_count(const void *ring, size_t size, vyre_slot_state state,
                                     uint32_t *out, vyre_error *err);

/* The same among the first `slots`; the ring may be longer, and may end in a
 * part of a slot. */
VYRE_API vyre_status vyre_ring_count_first(const void *ring, size_t size, uint64_t slots,
                                           vyre_slot_state state, uint64_t *out,
                                           vyre_error *err);

/* --- load miss ----------------------------------------------------------- */

/* A request for a resource, in the form of a slot. */
typedef struct vyre_load_miss {
    uint32_t      resource;
    bool          prefetch;
    uint32_t      tenant;
    vyre_priority priority; /* upstream's slots are CRITICAL, and of tenant 0 */
} vyre_load_miss;

/* Writes the 64 bytes of a PUBLISHED slot; vyre_ring_store() puts it in a ring. */
VYRE_API vyre_status vyre_load_miss_encode(void *dst, size_t size, const vyre_load_miss *miss,
                                           vyre_error *err);

/* VYRE_EMPTY when the slot is no load miss that is PUBLISHED or CLAIMED. */
VYRE_API vyre_status vyre_load_miss_decode(const void *ring, size_t size, uint32_t slot,
                                           vyre_load_miss *out, vyre_error *err);

/* --- debug log ----------------------------------------------------------- */

typedef struct vyre_log_record {
    uint32_t format, args[3]; /* of a device's record args[2] is the slot's word index */
} vyre_log_record;

/* `dropped` counts what a cursor beyond the log's end tells.  This library's
 * kernels stop the cursor there and count in VYRE_CONTROL_LOG_DROPPED. */
typedef struct vyre_log_summary {
    uint32_t records, dropped;
} vyre_log_summary;

/* Bytes of a log; 0: not representable. */
VYRE_API size_t vyre_log_size(uint32_t records);

/* Writes vyre_log_size() bytes; `size` may be more.  At most
 * VYRE_MAX_LOG_RECORDS. */
VYRE_API vyre_status vyre_log_encode(void *dst, size_t size, uint32_t records, vyre_error *err);

/* The length: a cursor and whole records. */
VYRE_API vyre_status vyre_log_check(const void *src, size_t size, vyre_error *err);

/* Decodes every record that fits the log.  `out` NULL gives the summary only;
 * otherwise a `capacity` below the number of records is VYRE_E_SPACE.  `sum`
 * may be NULL. */
VYRE_API vyre_status vyre_log_decode(const void *src, size_t size, vyre_log_record *out,
                                     uint32_t capacity, vyre_log_summary *sum, vyre_error *err);

/* --- IO queue ------------------------------------------------------------ */

/* One slot's life: the requester publishes (EMPTY -> PUBLISHED), the pump
 * claims (-> CLAIMED) and completes (-> OK or ERROR), the requester recycles
 * (-> EMPTY).  Each step has one owner. */
typedef enum vyre_io_op {
    VYRE_IO_READ = 1,
    VYRE_IO_WRITE = 2,
    VYRE_IO_FENCE = 3
} vyre_io_op;

typedef enum vyre_io_state {
    VYRE_IO_EMPTY = 0,
    VYRE_IO_PUBLISHED = 1,
    VYRE_IO_CLAIMED = 2,
    VYRE_IO_DONE = 3, /* upstream's device answers so; counts as OK */
    VYRE_IO_OK = 0x10,
    VYRE_IO_ERROR = 0x11,
    VYRE_IO_UNKNOWN = 0x12 /* any other status word */
} vyre_io_state;

typedef struct vyre_io_request {
    uint32_t slot;
    uint32_t op; /* a vyre_io_op; what a device wrote may be something else */
    uint32_t src, dst;
    uint64_t offset;
    uint32_t bytes, tag;
} vyre_io_request;

/* The pump's answer.  A `code` other than 0 of a failed request replaces the
 * slot's byte count. */
typedef struct vyre_io_result {
    uint32_t slot;
    bool     success;
    uint32_t code;
} vyre_io_result;

typedef struct vyre_io_completion {
    uint32_t slot;
    bool     success;
    uint32_t dst, bytes, tag; /* bytes: the code, when the request failed with one */
} vyre_io_completion;

/* Bytes of a queue; 0: no slot, or more than VYRE_IO_SLOTS. */
VYRE_API size_t vyre_io_size(uint32_t slots);

/* Writes vyre_io_size() bytes of EMPTY slots; `size` may be more. */
VYRE_API vyre_status vyre_io_encode(void *dst, size_t size, uint32_t slots, vyre_error *err);

/* The length: 0 to VYRE_IO_SLOTS whole slots.  Every function below checks it. */
VYRE_API vyre_status vyre_io_check(const void *src, size_t size, vyre_error *err);

/* The requester's side.  VYRE_E_IO_IN_FLIGHT when request->slot is not EMPTY. */
VYRE_API vyre_status vyre_io_publish(void *queue, size_t size, const vyre_io_request *request,
                                     vyre_error *err);
VYRE_API vyre_status vyre_io_read_state(const void *queue, size_t size, uint32_t slot,
                                        vyre_io_state *out, vyre_error *err);
/* VYRE_PENDING until the pump has answered; VYRE_EMPTY when nothing was asked. */
VYRE_API vyre_status vyre_io_read_completion(const void *queue, size_t size, uint32_t slot,
                                             vyre_io_completion *out, vyre_error *err);
/* Frees an answered slot.  VYRE_EMPTY when it is free already. */
VYRE_API vyre_status vyre_io_recycle(void *queue, size_t size, uint32_t slot, vyre_error *err);

/* The pump's side.  Both list at most `capacity` PUBLISHED requests, lowest
 * slot first; claiming makes them CLAIMED. */
VYRE_API vyre_status vyre_io_poll(const void *queue, size_t size, vyre_io_request *out,
                                  uint32_t capacity, uint32_t *count, vyre_error *err);
VYRE_API vyre_status vyre_io_claim(void *queue, size_t size, vyre_io_request *out,
                                   uint32_t capacity, uint32_t *count, vyre_error *err);
/* Only CLAIMED requests, which belong to whoever claimed them.  The batch is
 * all or nothing, and names no slot twice. */
VYRE_API vyre_status vyre_io_complete(void *queue, size_t size, const vyre_io_result *result,
                                      vyre_error *err);
VYRE_API vyre_status vyre_io_complete_batch(void *queue, size_t size,
                                            const vyre_io_result *results, uint32_t count,
                                            vyre_error *err);

/* --- readback ------------------------------------------------------------ */

/* The lengths of control, ring, log and IO queue, in this order, as they come
 * back from a device.  `total` is their sum, and may be NULL. */
VYRE_API vyre_status vyre_readback_check(const size_t *sizes, uint32_t count, uint32_t slots,
                                         uint64_t *total, vyre_error *err);

VYI_EXTERN_C_END

#endif

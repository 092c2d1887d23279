/* ==========================================================================
 * wire: the four buffers that host and device share
 *
 * Public.  Control, ring, debug log and IO queue are arrays of little-endian
 * u32 words.  These functions only lay out and read bytes: memory is the
 * caller's, at any alignment; nothing is allocated.
 *
 *     control   0 SHUTDOWN | 1 DONE_COUNT | 2 TENANT_BASE | 3.. masks | 32.. quotas |
 *               64.. tenant fairness | 96.. metrics | 128 EPOCH | 129.. priorities |
 *               141 FAULT_COUNT | 142 LOG_DROPPED | 143 HEARTBEAT | 160.. observables
 *     ring      16 words a slot: STATUS OPCODE TENANT PRIORITY ARG0..ARG11
 *     log       word 0 CURSOR (words used), then 4 words a record
 *     io        8 words a slot: OP SRC DST OFFSET_LO OFFSET_HI BYTES STATUS TAG
 * ======================================================================= */
#ifndef VYI_WIRE_H
#define VYI_WIRE_H

#include "base.h"

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

typedef enum vyre_opcode_builtin_index {
#define VYI_OPCODE_INDEX(name, number, text) VYI_OPCODE_INDEX_##name,
    VYRE_OPCODE_LIST(VYI_OPCODE_INDEX)
#undef VYI_OPCODE_INDEX
    VYRE_OPCODE_BUILTINS
} vyre_opcode_builtin_index;

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

/* --- values -------------------------------------------------------------- */

typedef enum vyre_slot_state {
    VYRE_SLOT_EMPTY = 0,
    VYRE_SLOT_PUBLISHED = 1,
    VYRE_SLOT_CLAIMED = 2,
    VYRE_SLOT_DONE = 3,
    VYRE_SLOT_WAIT_IO = 4,
    VYRE_SLOT_YIELD = 5,
    VYRE_SLOT_REQUEUE = 6,
    VYRE_SLOT_FAULTED = 7
} vyre_slot_state;

typedef enum vyre_priority {
    VYRE_PRIORITY_NORMAL = 0, /* wire 2: zero-initialised work is ordinary work */
    VYRE_PRIORITY_CRITICAL = 1, /* wire 0 */
    VYRE_PRIORITY_HIGH = 2,     /* wire 1 */
    VYRE_PRIORITY_LOW = 3,      /* wire 3 */
    VYRE_PRIORITY_IDLE = 4      /* wire 4 */
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

VYI_EXTERN_C_END

#endif

/* ==========================================================================
 * base: statuses, errors, allocator, messages
 *
 * Public.  Every fallible function returns a vyre_status and takes a last
 * parameter `vyre_error *err`, which may be NULL.  On failure the outputs
 * are untouched and *err holds what happened, with its numbers, and what to
 * do about it.  On success *err is left alone.
 *
 *     vyre_error err;
 *     if (vyre_ring_encode(ring, size, slots, &err) < 0)
 *         fprintf(stderr, "%s\n%s\n", err.text, err.fix);
 * ======================================================================= */
#ifndef VYI_BASE_H
#define VYI_BASE_H

#include "config.h"

VYI_EXTERN_C_BEGIN

/* X(name, number, text).  Numbers are pinned: they never change and are never
 * used again.  0 is success, positive numbers are news, negative ones errors.
 * Each layer owns a range, so that layers can grow apart from each other. */
#define VYRE_STATUS_LIST(X)                                                                        \
    X(OK,                   0, "success")                                                          \
    X(PENDING,              1, "the work has not finished yet")                                    \
    X(FULL,                 2, "no slot is free at the moment")                                    \
    X(EMPTY,                3, "there is nothing to take at the moment")                           \
    X(TIMEOUT,              4, "the deadline passed first")                                        \
    X(PAUSED,               5, "the work has paused, and goes on when it is told to")              \
    /* base: -1 .. -19 */                                                                          \
    X(E_NOMEM,             -1, "the allocator returned no memory")                                 \
    X(E_ARGUMENT,          -2, "an argument is NULL or out of its range")                          \
    X(E_OVF,               -3, "a size or index does not fit, or exceeds the encoder's cap")       \
    X(E_SPACE,             -4, "the caller's memory is too small")                                 \
    /* wire, ring: -20 .. -59 */                                                                   \
    X(E_MISALIGN,         -20, "the length is not a multiple of the unit")                         \
    X(E_MISSING,          -21, "a required word lies outside the buffer")                          \
    X(E_RING_LEN,         -22, "the ring's length is not a multiple of 64 bytes")                  \
    X(E_SLOT_RANGE,       -23, "the slot lies outside the ring")                                   \
    X(E_TOO_MANY_ARGS,    -24, "more than 12 arguments")                                           \
    X(E_OPCODE,           -25, "the opcode is reserved and cannot be published")                   \
    X(E_NOT_PUBLISHABLE,  -26, "the slot is neither EMPTY nor DONE")                               \
    X(E_BAD_TRANSITION,   -27, "the slot's state does not allow this transition")                  \
    X(E_USE_PUBLISH,      -28, "a slot is published by the publish functions only")                \
    X(E_CONFLICT,         -29, "the slot changed while it was being changed")                      \
    X(E_INDEX_OVERFLOW,   -30, "first slot plus count exceeds 32 bits")                            \
    X(E_CAPACITY,         -31, "the works do not fit behind the first slot")                       \
    X(E_PACK_COUNT,       -32, "more than 255 packed operations")                                  \
    X(E_PACK_META,        -33, "the packed metadata exceeds 12 words")                             \
    X(E_PACK_PAYLOAD,     -34, "the packed payload exceeds 12 words")                              \
    X(E_PACK_OPCODE,      -35, "a packed operation's opcode does not fit a byte")                  \
    X(E_WINDOW_ARGS,      -36, "a window payload has more than 10 words")                          \
    X(E_TENANT_RANGE,     -37, "the tenant id is 29 or more and has no mask word")                 \
    X(E_PRIORITY,         -38, "the priority is not one of the five levels")                       \
    X(E_CONTROL_SHAPE,    -39, "not a control buffer")                                             \
    X(E_LOG_SHAPE,        -40, "not a debug log")                                                  \
    X(E_RING_SHAPE,       -41, "not a ring of this slot count")                                    \
    X(E_BUFFER_COUNT,     -42, "a readback has exactly four buffers")                              \
    X(E_IO_ALIGN4,        -43, "the IO queue's length is not a multiple of 4 bytes")               \
    X(E_IO_SLOT_MULT,     -44, "the IO queue's length is not a multiple of 32 bytes")              \
    X(E_IO_WINDOW,        -45, "the IO queue has more than 64 slots")                              \
    X(E_IO_ZERO,          -46, "the IO queue has no slot")                                         \
    X(E_IO_NOT_CLAIMED,   -47, "the IO request is not CLAIMED")                                    \
    X(E_IO_IN_FLIGHT,     -48, "the IO slot is in flight")                                         \
    X(E_IO_DUPLICATE,     -49, "the IO slot is named twice")                                       \
    X(E_IO_OP,            -50, "the IO operation is unknown")                                      \
    X(E_COUNTER_OVF,      -51, "a counter would exceed its width")                                 \
    /* tenants: -60 .. -79 */                                                                      \
    X(E_TENANT_FULL,      -60, "every tenant id is in use")                                        \
    X(E_TENANT_OPCODE,    -61, "the local opcode lies outside the tenant's window")                \
    X(E_TENANT_REVOKED,   -62, "the tenant has been revoked")                                      \
    X(E_TENANT_BACKPRESSURE, -63, "the tenant has used up its outstanding slots")                  \
    X(E_TENANT_STAGING,   -64, "the tenant has used up its staging bytes")                         \
    X(E_TENANT_HANDLES,   -65, "the tenant has used up its resident handles")                      \
    X(E_TENANT_UNDERFLOW, -66, "more is released than was reserved")                               \
    X(E_TENANT_ACCOUNTING, -67, "more work is reported drained than was published")                \
    X(E_TENANT_UNKNOWN,   -68, "no tenant has this id")                                            \
    /* ir, check, opt, text: -80 .. -139 */                                                        \
    X(E_IR_FINISHED,      -80, "the program is finished and cannot be changed")                    \
    X(E_IR_UNFINISHED,    -81, "the program is not finished")                                      \
    X(E_IR_VALUE,         -82, "not a value of this program")                                      \
    X(E_IR_BUFFER,        -83, "not a buffer of this program")                                     \
    X(E_IR_LOCAL,         -84, "not a local of this program")                                      \
    X(E_IR_TYPE,          -85, "an operand or a result has the wrong type")                        \
    X(E_IR_OPERATOR,      -86, "no such operator, builtin, type or scope")                         \
    X(E_IR_ORDER,         -87, "this memory order is not allowed here")                            \
    X(E_IR_ACCESS,        -88, "the buffer's access does not allow this")                          \
    X(E_IR_INDEX,         -89, "a literal index lies beyond the declared count")                   \
    X(E_IR_BINDING,       -90, "the binding is out of range or used twice")                        \
    X(E_IR_NAME,          -91, "two buffers have the same name")                                   \
    X(E_IR_COUNT,         -92, "a workgroup array needs an element count")                         \
    X(E_IR_READBACK,      -93, "the readback range lies outside the buffer")                       \
    X(E_IR_GROUP_SIZE,    -94, "the workgroup is empty or too large")                              \
    X(E_IR_GROUP_MEMORY,  -95, "the workgroup arrays are too large")                               \
    X(E_IR_SCOPE,         -96, "a value or local is used outside of its block")                    \
    X(E_IR_BLOCK,         -97, "an end, else, case or default without its block")                  \
    X(E_IR_OPEN,          -98, "a block has no end")                                               \
    X(E_IR_SWITCH,        -99, "a switch begins with something other than a case")                 \
    X(E_IR_CASE,         -100, "two arms of a switch have the same literal")                       \
    X(E_IR_LOOP,         -101, "a break or continue outside of every loop")                        \
    X(E_IR_UNREACHABLE,  -102, "an instruction can never be reached")                              \
    X(E_IR_BARRIER,      -103, "a barrier that not all lanes reach together")                      \
    X(E_IR_NESTING,      -104, "too many blocks inside each other")                                \
    X(E_IR_LIMIT,        -105, "the program has too many instructions or buffers")                 \
    X(E_IR_LINK,         -106, "the instruction array is inconsistent")                            \
    /* kernel: -140 .. -159 */                                                                     \
    X(E_KERNEL_KIND,           -140, "no such kind of kernel")                                     \
    X(E_KERNEL_WORKGROUP,      -141, "the kernel's workgroup is too large")                        \
    X(E_KERNEL_SLOTS,          -142, "the kernel's ring has too many slots")                       \
    X(E_KERNEL_SLOT_MULTIPLE,  -143, "the slot count is not a multiple of the workgroup")          \
    X(E_KERNEL_LANES,          -144, "the kernel has more lanes than slots")                       \
    X(E_KERNEL_LANE_MULTIPLE,  -145, "the lane count is not a multiple of the workgroup")          \
    X(E_KERNEL_OPCODE,         -146, "a handler's opcode is built in or reserved")                 \
    X(E_KERNEL_DUPLICATE,      -147, "two handlers have the same opcode")                          \
    X(E_KERNEL_EMIT,           -148, "a handler has no code, or two")                              \
    X(E_KERNEL_PAYLOAD,        -149, "a JIT kernel has no payload")                                \
    X(E_KERNEL_NOT_JIT,        -150, "a payload in a kernel that is not JIT")                      \
    X(E_KERNEL_DISPATCH,       -151, "a JIT kernel dispatches no opcodes")                         \
    X(E_KERNEL_BINDING,        -152, "a caller's binding is outside 4 .. 31")                      \
    X(E_KERNEL_OVERLAP,        -153, "two of the kernel's buffers have the same binding")          \
    X(E_KERNEL_TABLE,          -154, "the table is not a readable u32 buffer of the desc")         \
    X(E_KERNEL_MIRROR,         -155, "the mirror is not a writable u32 buffer of the desc")        \
    X(E_KERNEL_BUFFERS,        -156, "the kernel has too many buffers")                            \
    X(E_KERNEL_BLOCK,          -157, "emitted code does not close its own blocks, or leaves ours") \
    X(E_KERNEL_RETURN,         -158, "emitted code returns")                                       \
    X(E_KERNEL_RESULT,         -159, "a result word is outside 0 .. 11")                           \
    X(E_KERNEL_WIDTH,          -139, "a width, a chunk or a group size that does not exist")      \
    X(E_KERNEL_SPAWN,          -138, "a job that cannot be spawned, or a queue that cannot be")    \
    /* interp, spirv, glsl: -160 .. -179 */                                                        \
    X(E_INTERP_BUFFERS,   -160, "the buffers do not match the program's bindings")                 \
    X(E_INTERP_ALIGN,     -161, "a buffer is not on a 4-byte boundary")                            \
    X(E_INTERP_GROUPS,    -162, "too many workgroups in one dimension")                            \
    X(E_INTERP_SUBGROUP,  -163, "the subgroup size is not a power of two up to 128")               \
    X(E_SPIRV_VERSION,  -166, "no SPIR-V of this version can be written")                          \
    X(E_SPIRV_MODEL,    -167, "the memory model is unknown")                                       \
    X(E_GLSL_UNAVAILABLE, -168, "built without glslang")                                           \
    X(E_GLSL_SOURCE,    -169, "the GLSL text does not compile")                                    \
    X(E_SOURCE,         -170, "a handler's text has a mistake")                                    \
    X(E_SPIRV_LIMIT,    -171, "the program does not fit into a SPIR-V module")                     \
    /* engine, backends: -180 .. -229 */                                                           \
    X(E_BACKEND,          -180, "the backend is not built in, or has no device")                   \
    X(E_DEVICE_LOST,      -181, "the device was lost")                                             \
    X(E_FAULT,            -182, "the work ended FAULT")                                            \
    X(E_LOST,             -183, "the work was lost with its device")                               \
    X(E_STALE,            -184, "the slot has been used again since")                              \
    X(E_TICKET,           -185, "no work has this ticket")                                         \
    X(E_RUNNING,          -186, "not while the kernel runs")                                       \
    X(E_STOPPED,          -187, "the kernel was shut down by the opcode")                          \
    X(E_THREAD,           -188, "the system gave no thread or lock")                               \
    X(E_MODE,             -189, "the device does not prove this mode")                             \
    X(E_LAUNCH,           -190, "the device refused a launch")                                     \
    X(E_LEASE,            -191, "a launch has not ended in time")                                  \
    X(E_CANCELLED,        -192, "the work was taken back before it ran")                           \
    /* vulkan: -210 .. -229 */                                                                     \
    X(E_VK_LOADER,          -210, "no Vulkan loader was found")                                    \
    X(E_VK_FUNCTION,        -211, "the Vulkan loader or driver lacks a function")                  \
    X(E_VK_VERSION,         -212, "Vulkan 1.1 or newer is needed")                                 \
    X(E_VK_DEVICE,          -213, "no Vulkan device fits")                                         \
    X(E_VK_LIMIT,           -214, "a limit of the Vulkan device is exceeded")                      \
    X(E_VK_FEATURE,         -215, "the Vulkan device lacks what the program needs")                \
    X(E_VK_HOST_MEMORY,     -216, "the Vulkan driver has no host memory")                          \
    X(E_VK_DEVICE_MEMORY,   -217, "the Vulkan device has no memory left")                          \
    X(E_VK_CALL,            -218, "a Vulkan call failed")                                          \
    X(E_VK_TIMEOUT,         -219, "the Vulkan device did not answer in time")                      \
    X(E_VK_NAME,            -220, "no Vulkan device has this index or name")                       \
    X(E_CACHE,              -221, "the cache is damaged, or another's")                            \
    /* plan, fuse: -230 .. -239 */                                                                 \
    X(E_LIMIT_X,            -230, "a workgroup may have no lane on this device")                   \
    X(E_LIMIT_GROUPS,       -231, "a launch may have no workgroup on this device")                 \
    X(E_LIMIT_INVOCATIONS,  -232, "a workgroup may have no invocation on this device")             \
    X(E_BUDGET,             -233, "more memory is needed than the budget allows")                  \
    X(E_REGION_RECORD,      -234, "a region's records do not fit its words")                       \
    X(E_REGION_OFFSET,      -235, "a region's end exceeds 32 bits")                                \
    /* io: -240 .. -254 */                                                                         \
    X(E_IO_HANDLE,          -240, "no entry of the pump has this handle")                          \
    X(E_IO_TABLE,           -241, "a table of the pump is full")                                   \
    X(E_IO_FILE,            -242, "the file cannot be opened")                                     \
    X(E_IO_ENGINE,          -243, "the pump cannot have this engine")                              \
    X(E_IO_REQUEST,         -244, "the pump could not do what was asked of it")                    \
    /* watch: -255 .. -259 */                                                                      \
    X(E_SKETCH_DIM,         -255, "a sketch needs a row and a counter at least")                   \
    X(E_SKETCH_SHAPE,       -256, "two sketches differ in depth or width")                         \
    /* task: -260 .. -264 */                                                                       \
    X(E_TASK_STATE,         -260, "the task's state does not allow this step")                     \
    /* replay: -265 .. -274 */                                                                     \
    X(E_REPLAY_IO,          -265, "the log's file cannot be read or written")                      \
    X(E_REPLAY_HEADER,      -266, "the file is not a log, or has another version")                 \
    X(E_REPLAY_ZERO_CAPACITY, -267, "a log needs room for a record at least")                      \
    X(E_REPLAY_CAPACITY,    -268, "a log has at most 1048576 records")                             \
    X(E_REPLAY_BUSY,        -269, "somebody else writes to the log")                               \
    X(E_REPLAY_LOST,        -270, "a record of the log is damaged")                                \
    /* scan: -275 .. -289 */                                                                       \
    X(E_SCAN_UNBOUNDED,     -275, "no number of bytes makes the DFA forget where it began")        \
    X(E_SCAN_BUDGET,        -276, "more pairs of states than the budget")                          \
    X(E_SCAN_LIMIT,         -277, "the tables of a scan would be too large")                       \
    X(E_SEGMENT_WIDTH,      -278, "a segment has at least one byte")                               \
    X(E_SCAN_TUNE,          -279, "no width gave a complete scan")                                 \
    X(E_SCAN_FILE,          -280, "a file could not be read")                                      \
    X(E_SCAN_STOPPED,       -281, "the scan was stopped by its caller")                            \
    /* exchange: -290 .. -309 */                                                                   \
    X(E_EXCHANGE_MAGIC,     -290, "the file is not a program")                                     \
    X(E_EXCHANGE_VERSION,   -291, "the program's file has another version")                        \
    X(E_EXCHANGE_FLAGS,     -292, "the program's file is compressed, sealed or of another kind")   \
    X(E_EXCHANGE_DIGEST,    -293, "the program's file is not what was written")                    \
    X(E_EXCHANGE_TRUNCATED, -294, "a part of the program's file ends too early")                   \
    X(E_EXCHANGE_TRAILING,  -295, "a part of the program's file goes on behind its end")           \
    X(E_EXCHANGE_TAG,       -296, "the program's file has a number that means nothing")            \
    X(E_EXCHANGE_LIMIT,     -297, "the program's file exceeds a limit of its format")              \
    X(E_EXCHANGE_UTF8,      -298, "a text in the program's file is not UTF-8")                     \
    X(E_EXCHANGE_METADATA,  -299, "the first record of the program's file is wrong")               \
    X(E_EXCHANGE_REGION,    -300, "a buffer of the program's file is wrong")                       \
    X(E_EXCHANGE_OUTPUTS,   -301, "the outputs of the program's file are not what it writes")      \
    X(E_EXCHANGE_NAME,      -302, "a name in the program's file is unknown, or there twice")       \
    X(E_EXCHANGE_SCOPE,     -303, "a name in the program's file hides another, or is a counter")   \
    X(E_EXCHANGE_TYPE,      -304, "a value in the program's file has the wrong type")              \
    X(E_EXCHANGE_UNSUPPORTED, -305, "the program, or its file, has what is not supported")         \
    X(E_EXCHANGE_FLOW,      -306, "the program's blocks and jumps cannot be said")

typedef enum vyre_status {
#define VYI_STATUS_ENUM(name, number, text) VYRE_##name = (number),
    VYRE_STATUS_LIST(VYI_STATUS_ENUM)
#undef VYI_STATUS_ENUM
    VYRE_STATUS_FORCE_32 = 0x7fffffff
} vyre_status;

/* What went wrong.  `native` is the number that a driver or the system gave,
 * or 0; `at` the index, offset or call that is to blame, or 0. */
typedef struct vyre_error {
    vyre_status status;
    int32_t     native;
    uint64_t    at;
    char        text[160];
    char        fix[160];
} vyre_error;

/* Memory for everything that is not a codec; all zero means malloc and free.
 * One function does it all: `ptr` NULL allocates, `new_size` 0 frees and
 * returns NULL.  A failing call leaves the old block as it was. */
typedef struct vyre_allocator {
    void *(*resize)(void *user, void *ptr, size_t old_size, size_t new_size);
    void *user;
} vyre_allocator;

typedef enum vyre_severity {
    VYRE_SEVERITY_INFO = 0,
    VYRE_SEVERITY_WARNING = 1,
    VYRE_SEVERITY_ERROR = 2
} vyre_severity;

/* Where the library's messages go; all zero means nowhere.  May be called
 * from any thread that is inside the library. */
typedef struct vyre_logger {
    void (*message)(void *user, vyre_severity severity, const char *text);
    void *user;
} vyre_logger;

/* The status's one-line meaning; "unknown status" for a foreign number. */
VYRE_API const char *vyre_status_text(vyre_status status);

/* The status's name without its prefix, such as "E_SLOT_RANGE". */
VYRE_API const char *vyre_status_name(vyre_status status);

/* The version that the implementation was built from, as VYRE_VERSION. */
VYRE_API uint32_t vyre_version(void);

VYI_EXTERN_C_END

#endif

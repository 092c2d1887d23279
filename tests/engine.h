/* What the tests of the engine share: works, kernels with handlers, and a list
 * of backends, each of which runs every case. */
#ifndef ENGINE_H
#define ENGINE_H

#include "driver.h"
#include "test.h"
#include "vyre.h"

#include <time.h>

#define SECOND 1000000000ull
#define OP_SQUARE  0x1000u /* result word 0 = a0 * a0, word 1 = a0 + a1 */
#define OP_STORE   0x1001u /* user buffer 0 [a0] = a1 */
#define OP_ENDLESS 0x1002u
#define OP_FAULT   0x1003u /* fault VYRE_FAULT_USER + a0 */
#define OP_COUNT   0x1004u /* user buffer 0 [a0] += 1, observable 0 += a1 */
#define OP_NOBODYS 0x1fffu /* no handler has it */

#define USER_WORDS 65536u

static vyre_backend backend_under_test = VYRE_BACKEND_CPU;

#define UNUSED_OK __attribute__((unused))

UNUSED_OK static void emit_square(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, vyre_ir_mul(p, s->arg[0], s->arg[0]));
    vyre_emit_result(p, s, 1, vyre_ir_add(p, s->arg[0], s->arg[1]));
}

UNUSED_OK static void emit_store(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[0], s->arg[0], s->arg[1]);
}

UNUSED_OK static void emit_endless(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user, (void)s;
    vyre_ir_forever(p);
    vyre_ir_end(p);
}

UNUSED_OK static void emit_fault(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_fault(p, s, vyre_ir_add(p, vyre_ir_u32(p, VYRE_FAULT_USER), s->arg[0]));
}

UNUSED_OK static void emit_count(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->arg[0], vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES),
                   s->arg[1], VYRE_ORDER_RELAXED);
}

static const vyre_handler engine_handlers[] = {
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
    VYRE_HANDLER(OP_STORE, emit_store, NULL, "store"),
    VYRE_HANDLER(OP_FAULT, emit_fault, NULL, "fault"),
    VYRE_HANDLER(OP_COUNT, emit_count, NULL, "count"),
    VYRE_HANDLER(OP_ENDLESS, emit_endless, NULL, "endless"),
};

static const vyre_buffer_desc engine_buffers[] = {
    { "user", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, USER_WORDS, false, 0, 0 },
};

/* `slots` in one workgroup's lanes or fewer; all handlers but the endless one,
 * which a driver may not survive. */
UNUSED_OK static vyre_desc engine_desc(uint32_t slots)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.kernel.slot_count = slots;
    d.kernel.handlers = engine_handlers;
    d.kernel.handler_count = 4;
    d.kernel.buffers = engine_buffers;
    d.kernel.buffer_count = 1;
    return d;
}

UNUSED_OK static vyre *engine_open(const vyre_desc *d)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(d, &err);
    if (!v)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    return v;
}

UNUSED_OK static vyre_work engine_work(uint32_t opcode, uint32_t count, uint32_t a0, uint32_t a1)
{
    vyre_work w;
    memset(&w, 0, sizeof w);
    w.opcode = opcode;
    w.arg_count = count;
    w.args[0] = a0;
    w.args[1] = a1;
    return w;
}

/* Observable 0 += n */
UNUSED_OK static vyre_work engine_add(uint32_t n)
{
    return engine_work(VYRE_OP_ATOMIC_ADD, 2, n, VYRE_CONTROL_OBSERVABLES);
}

UNUSED_OK static vyre_ticket engine_publish(vyre *v, vyre_work w)
{
    vyre_ticket t = { 0, 0 };
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_publish(v, &w, &t, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "publish: %d %s", (int)status, err.text);
    return t;
}

UNUSED_OK static uint32_t engine_observable(vyre *v, uint32_t index)
{
    uint32_t value = 0;
    CHECK_EQ(vyre_observable(v, index, &value, NULL), VYRE_OK);
    return value;
}

UNUSED_OK static uint64_t engine_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

UNUSED_OK static void engine_sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* --- the table ----------------------------------------------------------- */

#if defined(VYRE_IMPLEMENTATION) || defined(INSIDE_H)
/* The device is lost, as a call of the backend's would find out. */
UNUSED_OK static void engine_lose(vyre *v)
{
    vyre_error how;
    memset(&how, 0, sizeof how);
    vyi_mutex_lock(&v->lock);
    vyi_fail(&how, VYRE_E_DEVICE_LOST, 0, "This is a test.", "the device was lost");
    (void)vyi_queue_lost(&v->queue, &how, NULL);
    vyi_mutex_unlock(&v->lock);
}
#endif

/* The works that are stuck for so long, in order of their slots, until there are so many, or
 * for 20 s; how many. */
UNUSED_OK static uint32_t engine_stuck(vyre *v, uint64_t ns, uint32_t wanted,
                                       vyre_stuck_slot *out, uint32_t capacity)
{
    const uint64_t deadline = engine_now() + 20 * SECOND;
    uint32_t count = 0;
    do {
        CHECK_EQ(vyre_stuck(v, ns, out, capacity, &count, NULL), VYRE_OK);
    } while (count != wanted && engine_now() < deadline);
    return count;
}

typedef struct engine_case {
    const char *name;
    void (*body)(void);
} engine_case;

#define ENGINE_CASE(name) { #name, name }

static const char *engine_why;

UNUSED_OK static void engine_not_there(void)
{
    test_skip(engine_why);
}

/* Every case on every backend; one skip for a backend that is not there. */
UNUSED_OK static void engine_run_cases(const engine_case *cases, size_t count)
{
    static const vyre_backend backends[] = { VYRE_BACKEND_CPU, VYRE_BACKEND_VULKAN };
    static char name[128];
    for (size_t b = 0; b < sizeof backends / sizeof backends[0]; b++) {
        backend_under_test = backends[b];
        vyre_desc d = engine_desc(64);
        vyre_error err;
        memset(&err, 0, sizeof err);
        vyre *v = vyre_open(&d, &err);
        vyre_close(v);
        snprintf(name, sizeof name, "%s", vyre_backend_name(backends[b]));
        if (!v) {
            engine_why = err.text;
            test_run(name, engine_not_there);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            snprintf(name, sizeof name, "%s/%s", vyre_backend_name(backends[b]), cases[i].name);
            test_run(name, cases[i].body);
        }
    }
}

#endif

/* Priorities under load: urgent work overtakes.
 *
 *     priority [cpu | vulkan]
 *
 * The ring's lowest partition is filled with jobs, and after them a few urgent
 * ones are published.  Each job that ends takes the next number; the numbers
 * tell who overtook whom. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define SLOTS  1280u
#define IDLERS 256u /* a fifth of the ring: all of its lowest partition */
#define URGENT 16u
#define JOB    0x1000u

/* Some arithmetic that takes a while, then: result word 0 = how many ended
 * before this one. */
static void emit_job(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_local x = vyre_ir_local(p, VYRE_TYPE_U32, slot->arg[0], "x");
    vyre_ir_loop(p, zero, vyre_ir_u32(p, 50));
    vyre_value odd = vyre_ir_or(p, vyre_ir_get(p, x), one);
    vyre_ir_set(p, x, vyre_ir_mul(p, odd, vyre_ir_u32(p, 2654435761u)));
    vyre_ir_end(p);
    vyre_emit_result(p, slot, 1, vyre_ir_get(p, x));
    vyre_emit_result(p, slot, 0, vyre_ir_atomic(p, VYRE_ATOMIC_ADD, slot->buffers[0], zero, one,
                                                VYRE_ORDER_RELAXED));
    (void)user;
}

static int fail(const vyre_error *err)
{
    fprintf(stderr, "priority: %s\n%s\n", err->text, err->fix);
    return 1;
}

static vyre_status publish(vyre *v, vyre_priority priority, vyre_ticket *ticket, vyre_error *err)
{
    const vyre_work work = { JOB, 0, priority, 1, { 7 } };
    return vyre_publish(v, &work, ticket, err);
}

/* The mean of the numbers that the jobs of these tickets got. */
static double mean_place(vyre *v, const vyre_ticket *tickets, unsigned count)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t args[12] = { 0 };
        if (vyre_result(v, tickets[i], args, NULL) != VYRE_OK)
            return -1;
        sum += args[0];
    }
    return sum / count;
}

int main(int argc, char **argv)
{
    static vyre_ticket idle[IDLERS], urgent[URGENT];
    const vyre_handler job = { JOB, emit_job, NULL, "job", VYRE_WIDTH_LANE, 0, NULL, 0 };
    vyre_buffer_desc counter;
    vyre_desc desc;
    vyre_error err;
    memset(&counter, 0, sizeof counter);
    memset(&desc, 0, sizeof desc);
    counter.binding = VYRE_BINDING_USER;
    counter.count = 1;
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.kind = VYRE_KERNEL_PRIORITY;
    desc.kernel.slot_count = SLOTS;
    desc.kernel.workgroup_size = desc.kernel.lane_count = 8; /* few lanes: a queue forms */
    desc.kernel.handlers = &job;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &counter;
    desc.kernel.buffer_count = 1;

    vyre *v = vyre_open(&desc, &err);
    if (!v)
        return fail(&err);
    for (unsigned i = 0; i < IDLERS; i++)
        if (publish(v, VYRE_PRIORITY_IDLE, &idle[i], &err) != VYRE_OK)
            return fail(&err);
    for (unsigned i = 0; i < URGENT; i++)
        if (publish(v, VYRE_PRIORITY_CRITICAL, &urgent[i], &err) != VYRE_OK)
            return fail(&err);
    if (vyre_start(v, &err) != VYRE_OK || vyre_drain(v, VYRE_FOREVER, &err) != VYRE_OK)
        return fail(&err);

    const double first = mean_place(v, idle, IDLERS), second = mean_place(v, urgent, URGENT);
    printf("priority: %u idle jobs, then %u urgent ones\n", IDLERS, URGENT);
    fprintf(stderr, "priority: mean place idle %.1f, urgent %.1f of %u\n", first, second,
            IDLERS + URGENT);
    printf("priority: urgent work overtook: %s\n", second < first / 2 ? "yes" : "no");
    vyre_close(v);
    return !(second >= 0 && second < first / 2);
}

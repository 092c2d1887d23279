/* One payload for every slot: a kernel without opcodes.
 *
 *     jit [cpu | vulkan]
 *
 * The payload counts the steps that a number takes to reach 1 by the rule of
 * Collatz, and writes the count and the highest point on the way into the
 * slot's arguments, where vyre_result finds them. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

static void emit_collatz(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1), three = vyre_ir_u32(p, 3);
    vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, slot->arg[0], "n");
    vyre_local top = vyre_ir_local(p, VYRE_TYPE_U32, slot->arg[0], "top");
    vyre_local steps = vyre_ir_local(p, VYRE_TYPE_U32, zero, "steps");

    vyre_ir_forever(p);
    vyre_value now = vyre_ir_get(p, n);
    vyre_ir_if(p, vyre_ir_le(p, now, one));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_value odd = vyre_ir_eq(p, vyre_ir_and(p, now, one), one);
    vyre_value up = vyre_ir_add(p, vyre_ir_mul(p, now, three), one);
    vyre_value next = vyre_ir_select(p, odd, up, vyre_ir_shr(p, now, one));
    vyre_ir_set(p, n, next);
    vyre_ir_set(p, top, vyre_ir_max(p, vyre_ir_get(p, top), next));
    vyre_ir_set(p, steps, vyre_ir_add(p, vyre_ir_get(p, steps), one));
    vyre_ir_end(p);

    vyre_emit_result(p, slot, 1, vyre_ir_get(p, steps));
    vyre_emit_result(p, slot, 2, vyre_ir_get(p, top));
    (void)user;
}

static int fail(const vyre_error *err)
{
    fprintf(stderr, "jit: %s\n%s\n", err->text, err->fix);
    return 1;
}

int main(int argc, char **argv)
{
    static const uint32_t numbers[] = { 1, 6, 7, 9, 27, 97, 871 };
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    vyre_ticket tickets[COUNT];
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.kind = VYRE_KERNEL_JIT;
    desc.kernel.payload = emit_collatz;

    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK)
        return fail(&err);
    for (unsigned i = 0; i < COUNT; i++) {
        const vyre_work work = { VYRE_OP_NOP, 0, VYRE_PRIORITY_NORMAL, 1, { numbers[i] } };
        if (vyre_publish(v, &work, &tickets[i], &err) != VYRE_OK)
            return fail(&err);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        uint32_t args[12];
        if (vyre_wait(v, tickets[i], VYRE_FOREVER, &err) != VYRE_OK ||
            vyre_result(v, tickets[i], args, &err) != VYRE_OK)
            return fail(&err);
        printf("jit: %u takes %u steps, by way of %u\n", (unsigned)args[0], (unsigned)args[1],
               (unsigned)args[2]);
    }
    vyre_close(v);
    return 0;
}

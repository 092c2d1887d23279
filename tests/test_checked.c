/* Checked kernels: what handlers must not do ends their job FAULT(BOUNDS), and is told by
 * names; what they may do is as ever; and what is not checked is the kernel of before. */
#include "inside.h"
#include "engine.h"

enum {
    OP_LOAD = 0x1100, OP_SAVE, OP_ADD, OP_SWAP, OP_PEEK, OP_POKE, OP_ARGS, OP_MAYBE, OP_HEADER,
    OP_RANGE, OP_TILE, OP_TEXT, OP_BYTE
};
#define WORDS 100u
#define LANES 4u /* words of the workgroup array */

static vyre_error err;

static void emit_load(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, vyre_ir_load(p, s->buffers[1], s->arg[0]));
}

static void emit_save(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[1], s->arg[0], s->arg[1]);
    vyre_emit_result(p, s, 0, vyre_ir_u32(p, 7)); /* the code after it still runs */
}

static void emit_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->arg[0], vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
}

static void emit_swap(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic_cas(p, s->buffers[0], s->arg[0], s->arg[1], s->arg[2], VYRE_ORDER_RELAXED);
}

static void emit_peek(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, vyre_ir_atomic_load(p, s->buffers[0], s->arg[0],
                                                  VYRE_ORDER_RELAXED));
}

static void emit_poke(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic_store(p, s->buffers[0], s->arg[0], s->arg[1], VYRE_ORDER_RELAXED);
}

/* Result 0 = arg[0] + arg[2] + arg[7] */
static void emit_args(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value sum = vyre_ir_add(p, s->arg[0], s->arg[2]);
    vyre_emit_result(p, s, 0, vyre_ir_add(p, sum, s->arg[7]));
}

/* arg[5] only if arg[0] says so, and as a result only */
static void emit_maybe(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_if(p, vyre_ir_ne(p, s->arg[0], vyre_ir_u32(p, 0)));
    vyre_emit_result(p, s, 1, s->arg[5]);
    vyre_ir_end(p);
}

static void emit_header(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, s->arg[0], s->arg[1], VYRE_ORDER_RELAXED);
}

/* A byte of control: what one call is made of is the caller's, too. */
static void emit_byte(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store_u8(p, s->control, s->arg[0], s->arg[1]);
}

/* buffer 1 [index] = index */
static void emit_range(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[1], s->index, s->index);
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, vyre_ir_u32(p, 1));
}

/* The array's word arg[1] of lane 0, with a barrier after it; then the word before is read. */
static void emit_tile(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_if(p, vyre_ir_eq(p, s->lane, vyre_ir_u32(p, 0)));
    vyre_ir_store(p, s->buffers[2], s->arg[1], s->index);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value before = vyre_ir_sub(p, s->arg[1], vyre_ir_u32(p, 1));
    vyre_emit_result(p, s, 3, vyre_ir_load(p, s->buffers[2], before));
}

static const vyre_handler handlers[] = {
    { OP_LOAD, emit_load, NULL, "load", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_SAVE, emit_save, NULL, "save", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_ADD, emit_add, NULL, "add", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_SWAP, emit_swap, NULL, "swap", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_PEEK, emit_peek, NULL, "peek", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_POKE, emit_poke, NULL, "poke", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_ARGS, emit_args, NULL, "args", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_MAYBE, emit_maybe, NULL, "maybe", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_HEADER, emit_header, NULL, "header", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_BYTE, emit_byte, NULL, "byte", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_TEXT, NULL, NULL, "text", VYRE_WIDTH_LANE, 0, "second[arg[0]] = arg[1];", 0 },
    { OP_RANGE, emit_range, NULL, "range", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_TILE, emit_tile, NULL, "tile", VYRE_WIDTH_GROUP, 0, NULL, 0 },
};
#define LANE_HANDLERS 11u

static const vyre_buffer_desc buffers[] = {
    { "first", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, WORDS, false, 0, 0 },
    { "second", 5, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, WORDS, false, 0, 0 },
    { "array", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, LANES, false, 0, 0 },
};

static vyre_desc checked_desc(bool checked, bool wide)
{
    vyre_desc d = engine_desc(16);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = wide ? (uint32_t)(sizeof handlers / sizeof handlers[0])
                                  : LANE_HANDLERS;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = wide ? 3 : 2;
    d.kernel.checked = checked;
    return d;
}

static vyre_work work_of(uint32_t opcode, uint32_t count, uint32_t a0, uint32_t a1, uint32_t a2)
{
    vyre_work w = engine_work(opcode, count, a0, a1);
    w.args[2] = a2;
    return w;
}

/* It ends FAULT, and says so in words and by names. */
static void finds(vyre *v, vyre_work w, vyre_bounds what, uint32_t buffer, uint32_t index,
                  const char *text)
{
    const vyre_ticket t = engine_publish(v, w);
    vyre_io_buffers io;
    uint32_t words[3];
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_BOUNDS);
    CHECK_EQ(err.at, vyre_ticket_slot(t));
    if (!strstr(err.text, text))
        test_fail(__FILE__, __LINE__, "\"%s\" has no \"%s\"", err.text, text);
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    const uint32_t *slot = (const uint32_t *)io.ring + 16 * vyre_ticket_slot(t);
    for (uint32_t i = 0; i < 3; i++)
        words[i] = vyi_le32(slot[VYRE_SLOT_ARGS + VYRE_BOUNDS_ARG + i]);
    CHECK_EQ(words[0], (uint32_t)what);
    CHECK_EQ(words[1], buffer);
    CHECK_EQ(words[2], index);
    CHECK_EQ(vyi_le32(slot[VYRE_SLOT_FAULT]), VYRE_FAULT_BOUNDS);
}

static void allows(vyre *v, vyre_work w)
{
    const vyre_ticket t = engine_publish(v, w);
    const vyre_status status = vyre_wait(v, t, 60 * SECOND, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "opcode 0x%x: %s", w.opcode, err.text);
}

/* --- one lane's ---------------------------------------------------------------- */

static void lanes_are_checked(vyre *v)
{
    const uint32_t end = WORDS, far_out = 0x80000000u;
    finds(v, work_of(OP_LOAD, 1, end, 0, 0), VYRE_BOUNDS_LOAD, 1, end,
          "load: a load at second[100], buffer 1, of 100 words");
    finds(v, work_of(OP_SAVE, 2, far_out, 1, 0), VYRE_BOUNDS_STORE, 1, far_out,
          "save: a store at second[2147483648]");
    finds(v, work_of(OP_ADD, 1, end, 0, 0), VYRE_BOUNDS_ATOMIC, 0, end,
          "add: an atomic operation at first[100]");
    finds(v, work_of(OP_SWAP, 3, UINT32_MAX, 0, 1), VYRE_BOUNDS_ATOMIC, 0, UINT32_MAX, "first[");
    finds(v, work_of(OP_PEEK, 1, end + 1, 0, 0), VYRE_BOUNDS_LOAD, 0, end + 1, "a load at first");
    finds(v, work_of(OP_POKE, 2, end, 0, 0), VYRE_BOUNDS_STORE, 0, end, "a store at first");
    finds(v, work_of(OP_TEXT, 2, end, 5, 0), VYRE_BOUNDS_STORE, 1, end, "text: a store at second");

    finds(v, work_of(OP_ARGS, 3, 1, 2, 3), VYRE_BOUNDS_ARGUMENT, 0, 7,
          "args uses arg[7], which the work did not give");
    finds(v, work_of(OP_ARGS, 2, 1, 2, 3), VYRE_BOUNDS_ARGUMENT, 0, 2, "arg[2]"); /* the first */
    finds(v, work_of(OP_ARGS, 0, 1, 2, 3), VYRE_BOUNDS_ARGUMENT, 0, 0, "arg[0]");
    finds(v, work_of(OP_SAVE, 1, 3, 2, 3), VYRE_BOUNDS_ARGUMENT, 0, 1, "arg[1]");
    finds(v, work_of(OP_MAYBE, 1, 1, 0, 0), VYRE_BOUNDS_ARGUMENT, 0, 5, "arg[5]");
    finds(v, work_of(OP_TEXT, 1, 3, 5, 0), VYRE_BOUNDS_ARGUMENT, 0, 1, "arg[1]");

    finds(v, work_of(OP_HEADER, 2, 0, 0, 0), VYRE_BOUNDS_HEADER, 0, 0, "stores into control[0]");
    CHECK_EQ(vyre_wait(v, engine_publish(v, work_of(OP_LOAD, 1, end, 0, 0)), 60 * SECOND, NULL),
             VYRE_E_FAULT); /* nobody wants to know more */
    finds(v, work_of(OP_HEADER, 2, 159, 0, 0), VYRE_BOUNDS_HEADER, 0, 159, "control[159]");
    finds(v, work_of(OP_BYTE, 2, 9, 0, 0), VYRE_BOUNDS_HEADER, 0, 2, "control[2]");
    finds(v, work_of(OP_HEADER, 2, 1u << 20, 0, 0), VYRE_BOUNDS_HEADER, 0, 1u << 20, "control[");

    allows(v, work_of(OP_LOAD, 1, end - 1, 0, 0));
    allows(v, work_of(OP_SAVE, 2, end - 1, 1, 0));
    allows(v, work_of(OP_ADD, 1, 0, 0, 0));
    allows(v, work_of(OP_SWAP, 3, end - 1, 0, 1));
    allows(v, work_of(OP_PEEK, 1, 5, 0, 1));
    allows(v, work_of(OP_POKE, 2, 5, 0, 1));
    allows(v, work_of(OP_TEXT, 2, end - 1, 0, 1));
    allows(v, work_of(OP_ARGS, 8, 1, 2, 3));
    allows(v, work_of(OP_MAYBE, 1, 0, 0, 0)); /* not used is not wrong */
    allows(v, work_of(OP_MAYBE, 6, 1, 0, 0));
    allows(v, work_of(OP_HEADER, 2, VYRE_CONTROL_OBSERVABLES, 5, 0));
    allows(v, engine_add(1));
    CHECK_EQ(engine_observable(v, 0), 6);
}

/* Passes, then a running kernel. */
static void what_a_lane_must_not_do_is_found(void)
{
    vyre_desc d = checked_desc(true, false);
    vyre *v = engine_open(&d);
    lanes_are_checked(v);
    vyre_close(v);
    v = engine_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    lanes_are_checked(v);
    vyre_close(v);
}

static void priorities_and_payloads_are_checked(void)
{
    vyre_desc d = checked_desc(true, false);
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    d.tenants = 3;
    vyre *v = engine_open(&d);
    vyre_work w = work_of(OP_SAVE, 2, WORDS, 0, 0);
    w.tenant = 2;
    w.priority = VYRE_PRIORITY_HIGH;
    finds(v, w, VYRE_BOUNDS_STORE, 1, WORDS, "save: a store");
    w.args[0] = 3;
    allows(v, w);
    CHECK_EQ(vyre_tenant_enable(v, 2, false, &err), VYRE_OK); /* tenants are known as such */
    const vyre_ticket t = engine_publish(v, w);
    CHECK_EQ(vyre_wait(v, t, 30000000u, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "tenant 2"));
    CHECK_EQ(vyre_tenant_enable(v, 2, true, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_OK);
    vyre_close(v);

    d = checked_desc(true, false);
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.handlers = NULL;
    d.kernel.handler_count = 0;
    d.kernel.payload = emit_args;
    v = engine_open(&d);
    finds(v, work_of(VYRE_OP_USER, 1, 1, 2, 3), VYRE_BOUNDS_ARGUMENT, 0, 2, "arg[2]");
    allows(v, work_of(VYRE_OP_USER, 8, 1, 2, 3));
    vyre_close(v);
}

/* What is found does not change what the handler does. */
static void the_rest_of_a_job_still_runs(void)
{
    vyre_desc d = checked_desc(true, false);
    vyre *v = engine_open(&d);
    const vyre_ticket t = engine_publish(v, work_of(OP_SAVE, 2, WORDS, 1, 0));
    vyre_io_buffers io;
    uint8_t zeros[4 * WORDS] = { 0 }, bytes[4 * WORDS];
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    CHECK_EQ(vyi_le32(((uint32_t *)io.ring)[16 * vyre_ticket_slot(t) + VYRE_SLOT_ARGS]), 7);
    CHECK_EQ(vyre_read(v, 1, 0, bytes, sizeof bytes, &err), VYRE_OK);
    CHECK(memcmp(bytes, zeros, sizeof bytes) == 0);
    vyre_close(v);
}

/* --- many lanes' ----------------------------------------------------------------- */

static void wide_works_are_checked(void)
{
    vyre_desc d = checked_desc(true, true);
    vyre *v = engine_open(&d);
    uint32_t args[12];
    for (uint32_t started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        finds(v, work_of(OP_RANGE, 2, 90, WORDS + 1, 0), VYRE_BOUNDS_STORE, 1, WORDS,
              "range: a store at second[100]");
        finds(v, work_of(OP_TILE, 2, 1, LANES, 0), VYRE_BOUNDS_STORE, 2, LANES,
              "tile: a store at word 4 of the array 2");
        finds(v, work_of(OP_TILE, 2, 1, 0, 0), VYRE_BOUNDS_LOAD, 2, UINT32_MAX,
              "tile: a load at word 4294967295 of the array 2");
        finds(v, work_of(OP_TILE, 1, 1, 0, 0), VYRE_BOUNDS_ARGUMENT, 0, 1, "tile uses arg[1]");
        const vyre_ticket t = engine_publish(v, work_of(OP_RANGE, 2, 0, WORDS, 0));
        CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, args, &err), VYRE_OK);
        CHECK_EQ(args[0], WORDS);
        allows(v, work_of(OP_TILE, 2, 3, 1, 0));
        allows(v, work_of(OP_LOAD, 1, 5, 0, 0));
        finds(v, work_of(OP_LOAD, 1, WORDS, 0, 0), VYRE_BOUNDS_LOAD, 1, WORDS, "load: a load");
    }
    vyre_close(v);
}

/* --- off ---------------------------------------------------------------------------- */

static uint64_t words_of(const vyre_kernel_desc *d, size_t *count)
{
    vyre_spirv spirv;
    vyre_program *p = vyre_kernel_build(d, &err);
    CHECK(p != NULL);
    CHECK_EQ(vyre_spirv_emit(p, NULL, &spirv, &err), VYRE_OK);
    const uint64_t hash = vyi_hash(VYI_HASH_SEED, spirv.words, spirv.word_count * 4);
    *count = spirv.word_count;
    vyre_spirv_free(&spirv);
    vyre_program_destroy(p);
    return hash;
}

/* That it costs nothing when off is in tests/golden/direct_handler.txt, the listing of a
 * kernel whose handler does all that is looked at; here, that the words change with the
 * switch, and that it costs some. */
static void the_switch_is_what_costs(void)
{
    vyre_desc d = checked_desc(false, false);
    size_t off = 0, again = 0, on = 0;
    d.kernel.workgroup_size = 16;
    const uint64_t hash = words_of(&d.kernel, &off);
    CHECK_EQ(words_of(&d.kernel, &again), hash);
    d.kernel.checked = true;
    CHECK(words_of(&d.kernel, &on) != hash);
    CHECK(on > off);
    d.kernel.handler_count = 0; /* nobody's code: the same but for the tenant's byte */
    CHECK(words_of(&d.kernel, &again) != hash);
    CHECK(again < off);
}

static void unchecked_is_as_ever(void)
{
    vyre_desc d = checked_desc(false, false);
    vyre *v = engine_open(&d);
    allows(v, work_of(OP_LOAD, 1, WORDS, 0, 0));
    allows(v, work_of(OP_SAVE, 1, UINT32_MAX, 0, 0));
    allows(v, work_of(OP_ARGS, 0, 1, 2, 3));
    allows(v, work_of(OP_TEXT, 0, 0, 0, 0));
    vyre_close(v);
}

/* Mistakes are told at the caller's own calls. */
static void emit_wrong(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[0], s->arg[0], s->arg[1]);
    vyre_ir_store(p, s->buffers[0], s->arg[0], vyre_ir_f32(p, 1.0f));
}

static void mistakes_are_counted_as_ever(void)
{
    static const vyre_handler wrong = { 0x1100, emit_wrong, NULL, "wrong", VYRE_WIDTH_LANE, 0,
                                        NULL, 0 };
    uint64_t at[2];
    for (uint32_t i = 0; i < 2; i++) {
        vyre_desc d = checked_desc(i == 1, false);
        d.kernel.handlers = &wrong;
        d.kernel.handler_count = 1;
        CHECK(!vyre_open(&d, &err));
        CHECK_EQ(err.status, VYRE_E_IR_TYPE);
        at[i] = err.at;
    }
    CHECK_EQ(at[0], at[1]);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(what_a_lane_must_not_do_is_found),
        ENGINE_CASE(priorities_and_payloads_are_checked),
        ENGINE_CASE(the_rest_of_a_job_still_runs),
        ENGINE_CASE(wide_works_are_checked),
        ENGINE_CASE(unchecked_is_as_ever),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    RUN(the_switch_is_what_costs);
    RUN(mistakes_are_counted_as_ever);
    return test_end();
}

/* Random rings through every kind of kernel, against the model: all words of
 * all buffers equal, guard words around each buffer untouched.
 *
 * The model serves one slot after the other, a kernel serves many at a time.
 * So that both must agree, each slot owns words of the observables that no
 * other touches; what slots share they only add to, and all fences of a ring
 * carry one tag.  The last case drops all of that and looks at the bounds only.
 *
 * A failure prints the seed that makes it the first ring of the next run.
 */
#include "inside.h"

#include "model.c"
#include "test.h"

enum {
    RINGS = 15000,
    WILD_RINGS = 8000,
    GUARD = 4,
    MAX_SLOTS = 16,
    MAX_CONTROL = 700,
    MAX_TABLE = 1200,
    OWN_WORDS = 7,
    ROUNDS = 20,
    BUFFERS = 7
};
#define GUARD_WORD 0xfeedfaceu

/* --- the kernels --------------------------------------------------------- */

static void emit_small(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value product = vyre_ir_mul(p, s->arg[0], s->arg[4]);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, MODEL_SHARED),
                   vyre_ir_add(p, s->arg[0], s->arg[3]), VYRE_ORDER_RELAXED);
    vyre_emit_result(p, s, 1, product);
}

static void emit_faulty(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, s->opcode);
    vyre_ir_if(p, vyre_ir_cast(p, VYRE_TYPE_BOOL, vyre_ir_and(p, s->arg[1], vyre_ir_u32(p, 1))));
    vyre_emit_fault(p, s, s->arg[2]);
    vyre_emit_fault(p, s, vyre_ir_u32(p, 0x999));
    vyre_ir_end(p);
}

static void emit_large(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value start = vyre_ir_add(p, s->tenant, s->slot_base);
    for (uint32_t i = 0; i < 12; i++)
        start = vyre_ir_add(p, start, vyre_ir_mul(p, s->arg[i], vyre_ir_u32(p, i + 1)));
    vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32, start, "sum");
    vyre_value count = vyre_ir_and(p, s->arg[0], vyre_ir_u32(p, 7));
    vyre_value i = vyre_ir_loop(p, vyre_ir_u32(p, 0), count);
    vyre_value tripled = vyre_ir_mul(p, vyre_ir_get(p, sum), vyre_ir_u32(p, 3));
    vyre_ir_set(p, sum, vyre_ir_add(p, tripled, i));
    vyre_ir_end(p);
    vyre_value end = vyre_ir_get(p, sum);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, MODEL_SHARED), end,
                   VYRE_ORDER_RELAXED);
    vyre_emit_result(p, s, 11, end);
}

static void emit_payload(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value twice = vyre_ir_shl(p, s->arg[1], vyre_ir_u32(p, 1));
    vyre_value value = vyre_ir_add(p, vyre_ir_add(p, s->arg[0], twice), s->opcode);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, MODEL_SHARED), value,
                   VYRE_ORDER_RELAXED);
    vyre_emit_result(p, s, 3, vyre_ir_xor(p, value, s->arg[11]));
    vyre_ir_if(p, vyre_ir_cast(p, VYRE_TYPE_BOOL, vyre_ir_and(p, value, vyre_ir_u32(p, 1))));
    vyre_value low = vyre_ir_and(p, value, vyre_ir_u32(p, 0xff));
    vyre_emit_fault(p, s, vyre_ir_add(p, low, vyre_ir_u32(p, VYRE_FAULT_USER)));
    vyre_ir_end(p);
}

/* A fault of index a7, or of tile a7, with code a8. */
static void emit_fault_there(vyre_program *p, const vyre_slot_values *s)
{
    vyre_ir_if(p, vyre_ir_eq(p, s->index, s->arg[7]));
    vyre_emit_fault(p, s, s->arg[8]);
    vyre_ir_end(p);
}

static void emit_share(vyre_program *p, const vyre_slot_values *s, vyre_value x)
{
    vyre_value rest = vyre_ir_rem(p, s->index, vyre_ir_u32(p, MODEL_SHARES));
    vyre_value at = vyre_ir_add(p, rest, vyre_ir_u32(p, MODEL_SHARED));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, at, x, VYRE_ORDER_RELAXED);
}

static void emit_range(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value x = vyre_ir_add(p, vyre_ir_mul(p, s->index, s->arg[2]), s->arg[3]);
    emit_share(p, s, x);
    vyre_emit_reduce(p, s, 4, VYRE_ATOMIC_ADD, x);
    vyre_emit_reduce(p, s, 5, VYRE_ATOMIC_MIN, x);
    vyre_emit_reduce(p, s, 6, VYRE_ATOMIC_XOR, x);
    emit_fault_there(p, s);
}

/* The first lane says what the last one adds, through the group's array. */
static void emit_tiles(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_value first = vyre_ir_eq(p, s->lane, zero);
    vyre_value next = vyre_ir_add(p, s->lane, one);
    vyre_ir_if(p, first);
    vyre_ir_store(p, s->buffers[1], zero, vyre_ir_mul(p, s->index, s->arg[2]));
    vyre_emit_reduce(p, s, 5, VYRE_ATOMIC_ADD, s->index);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_if(p, vyre_ir_eq(p, next, s->lanes));
    emit_share(p, s, vyre_ir_load(p, s->buffers[1], zero));
    vyre_ir_end(p);
    vyre_emit_result(p, s, 4, vyre_ir_xor(p, s->arg[2], s->arg[3]));
    vyre_emit_reduce(p, s, 11, VYRE_ATOMIC_MAX, vyre_ir_add(p, s->index, one));
    emit_fault_there(p, s);
}

/* The last two are of handles only. */
static const vyre_handler handlers[] = {
    VYRE_HANDLER(MODEL_OP_SMALL, emit_small, NULL, "small"),
    VYRE_HANDLER(MODEL_OP_FAULT, emit_faulty, NULL, "faulty"),
    VYRE_HANDLER(MODEL_OP_LARGE, emit_large, NULL, "large"),
    { MODEL_OP_RANGE, emit_range, NULL, "range", VYRE_WIDTH_RANGE, 32, NULL, 0 },
    { MODEL_OP_TILES, emit_tiles, NULL, "tiles", VYRE_WIDTH_GROUP, 0, NULL, 0 }
};
enum { LANE_HANDLERS = 3, ALL_HANDLERS = sizeof handlers / sizeof handlers[0] };

/* A kernel and what it can do; bits of `what`. */
enum { OPEN_HEADER = 1, LOAD_MISS = 2, IO_POLLING = 4, TABLE = 8, MIRROR = 16, WHOLE = 32,
       FLAGS = 64,
       WIDTHS = 64 /* beyond those: of handles */ };

typedef struct kernel {
    vyre_kernel_kind kind;
    bool             once;
    bool             narrow;
    uint32_t         what, group;
    vyre_program    *program;
    vyi_machine     *machine;
} kernel;

/* Those with both have cancel words as well. */
static bool cancels(const kernel *k)
{
    return (k->what & (TABLE | MIRROR)) == (TABLE | MIRROR);
}

static uint32_t buffers_of(const kernel *k)
{
    return cancels(k) ? BUFFERS : BUFFERS - 1;
}

static const uint32_t groups[] = { 1, 4, 16 };
/* The last FLAGS * 2 are narrow: DIRECT and JIT, by one lane. */
enum { GROUPS = 3, WIDE = 3 * 2 * FLAGS * GROUPS, KERNELS = WIDE + 2 * FLAGS };

/* Iterations of a narrow kernel's launch, which would poll on and on. */
enum { NARROW_LOOPS = 4000 };
static bool handles; /* the kernels are those of handles, whose mirror is not looked at */
static kernel kernels[KERNELS];
static uint32_t kernel_count;

static vyre_program *build(const kernel *k)
{
    vyre_buffer_desc buffers[2];
    vyre_kernel_desc desc;
    vyre_kernel_host host;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    memset(&host, 0, sizeof host);
    buffers[0].binding = 4;
    buffers[0].access = VYRE_ACCESS_READ;
    buffers[1].binding = 5;
    desc.kind = k->kind;
    desc.once = k->once;
    host.one_lane = k->narrow;
    desc.workgroup_size = k->group;
    desc.buffers = buffers;
    desc.buffer_count = k->what & MIRROR ? 1 : 2;
    desc.open_header = (k->what & OPEN_HEADER) != 0;
    desc.load_miss = (k->what & LOAD_MISS) != 0;
    desc.io_polling = (k->what & IO_POLLING) != 0;
    desc.table_binding = k->what & TABLE ? 4 : 0;
    host.mirror_binding = k->what & MIRROR ? 5 : 0;
    host.cancel_binding = cancels(k) ? 6 : 0;
    host.whole_slots = (k->what & WHOLE) != 0;
    host.count_each = k->once && (k->what & MIRROR);
    desc.io_spins = 3;
    if (k->kind == VYRE_KERNEL_JIT) {
        desc.payload = emit_payload;
    } else {
        desc.handlers = handlers;
        desc.handler_count = LANE_HANDLERS;
    }
    vyre_program *p = vyre_kernel_build_for(&desc, &host, &err);
    if (!p)
        printf("%s\n", err.text);
    return p;
}

static void build_kernels(void)
{
    static const uint32_t subgroup_sizes[] = { 4, 32, 128 };
    static uint32_t nothing[BUFFERS];
    void *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = &nothing[i];
        sizes[i] = sizeof nothing[i];
    }
    desc.buffers = buffers;
    desc.sizes = sizes;
    for (uint32_t i = 0; i < KERNELS; i++) {
        kernel *k = &kernels[kernel_count];
        k->narrow = i >= WIDE;
        k->kind = (vyre_kernel_kind)(k->narrow ? (i - WIDE) / FLAGS : i / (2 * FLAGS * GROUPS));
        k->once = !k->narrow && i / (FLAGS * GROUPS) % 2 != 0;
        k->what = k->narrow ? (i - WIDE) % FLAGS : i / GROUPS % FLAGS;
        k->group = k->narrow ? 1 : groups[i % GROUPS];
        desc.loop_limit = k->narrow ? NARROW_LOOPS : 0;
        if (k->kind == VYRE_KERNEL_JIT && (k->what & (LOAD_MISS | OPEN_HEADER)))
            continue;
        if (k->narrow && (k->what & (LOAD_MISS | IO_POLLING)))
            continue; /* these are built as any other */
        if ((k->what & WHOLE) &&
            (k->narrow || k->once || k->kind == VYRE_KERNEL_JIT || (k->what & LOAD_MISS) ||
             (k->kind == VYRE_KERNEL_PRIORITY && (k->what & OPEN_HEADER))))
            continue; /* likewise */
        k->program = build(k);
        CHECK(k->program != NULL);
        desc.buffer_count = buffers_of(k);
        desc.subgroup_size = subgroup_sizes[i % 3];
        CHECK_EQ(vyi_machine_create(k->program, &desc, &k->machine, NULL), VYRE_OK);
        kernel_count++;
    }
}

static void destroy_kernels(void)
{
    for (uint32_t i = 0; i < kernel_count; i++) {
        vyi_machine_destroy(kernels[i].machine);
        vyre_program_destroy(kernels[i].program);
    }
    kernel_count = 0;
}

/* --- random words -------------------------------------------------------- */

static uint64_t random_state;

static uint32_t any(void)
{
    return (uint32_t)test_random(&random_state);
}

static uint32_t below(uint32_t n)
{
    return any() % n;
}

static bool chance(uint32_t percent)
{
    return below(100) < percent;
}

static uint32_t one_of(const uint32_t *list, uint32_t count)
{
    return list[below(count)];
}
#define ONE_OF(list) one_of(list, (uint32_t)(sizeof list / sizeof list[0]))

/* --- one ring ------------------------------------------------------------ */

/* Control, ring, log, io, table, mirror, cancel; each with guards around it. */
typedef struct board {
    uint32_t words[BUFFERS][GUARD + MAX_TABLE + GUARD];
    uint32_t count[BUFFERS];
} board;

typedef struct setting {
    const kernel *k;
    uint32_t      lane_groups;
    uint32_t      slots;
    uint32_t      tag; /* of all fences */
} setting;

static board before, expected, actual;

static uint32_t *words_of(board *b, unsigned i)
{
    return b->words[i] + GUARD;
}

static void size_buffers(board *b, uint32_t slots)
{
    static const uint32_t control[] = { 160, 161, 165, 289, 320, 400, 512, 700, 131 };
    static const uint32_t log[] = { 1, 4, 5, 9, 14, 33, 65 };
    static const uint32_t io[] = { 0, 7, 8, 24, 64, 512, 600 };
    static const uint32_t table[] = { 0, 255, 256, 700, 1200 };
    b->count[0] = ONE_OF(control);
    b->count[1] = 16 * slots + (chance(10) ? below(16) : 0);
    b->count[2] = ONE_OF(log);
    b->count[3] = ONE_OF(io);
    b->count[4] = ONE_OF(table);
    b->count[5] = slots + below(2);
    b->count[6] = slots - below(2);
}

static void fill(board *b)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        const uint32_t all = GUARD + MAX_TABLE + GUARD;
        for (uint32_t w = 0; w < all; w++)
            b->words[i][w] = GUARD_WORD;
        for (uint32_t w = 0; w < b->count[i]; w++)
            words_of(b, i)[w] = any();
    }
}

/* Partitions in order and apart from each other, or all empty but for bounds
 * that run backwards. */
static void fill_offsets(uint32_t *control, uint32_t slots)
{
    uint32_t bound = chance(70) ? 0 : below(slots + 1);
    for (unsigned i = 0; i < 6; i++) {
        control[129 + i] = bound;
        bound += below(slots / 3 + 2);
    }
    if (chance(10))
        control[134] = any() | 0x80000000u;
    if (chance(3))
        for (unsigned i = 0; i < 6; i++)
            control[129 + i] = 10 - i;
}

static void fill_control(uint32_t *control, uint32_t count, uint32_t slots)
{
    control[0] = chance(4) ? any() : 0;
    control[1] = chance(10) ? 0xfffffffeu : below(100);
    control[2] = 3;
    for (uint32_t i = 0; i < 29; i++)
        control[3 + i] = chance(70) ? any() | 1 : 0;
    for (uint32_t i = 32; i < 128; i++)
        control[i] = chance(5) ? 0xffffffffu : below(50);
    control[135 < count ? 135 : 0] = 135 < count ? below(20) : control[0];
    if (count >= 160) {
        fill_offsets(control, slots);
        control[144] = control[145] = 0;
        control[146] = below(slots + 3);
    }
}

static void fill_log(uint32_t *log, uint32_t count)
{
    log[0] = chance(70) ? 4 * below(count / 4 + 2) : chance(70) ? below(count + 2) : any();
}

static void fill_io(uint32_t *io, uint32_t count)
{
    static const uint32_t statuses[] = { 0, 0, 1, 2, 3, 0x10, 0x11, 0x12, 77 };
    for (uint32_t i = 0; i + 8 <= count; i += 8)
        io[i + 6] = ONE_OF(statuses);
}

/* --- operations ---------------------------------------------------------- */

/* Words that slot s owns repeat every 160, so that where COMPARE_SWAP leaves
 * the value before is its own, too. */
static uint32_t own_word(uint32_t s)
{
    return 160 + 160 * below(3) + 1 + OWN_WORDS * s + below(OWN_WORDS);
}

/* In an open header, too, each of the slots that write there has a word of its own. */
enum { HEADER_OWNERS = 11 };

static uint32_t header_word(const setting *g, uint32_t s)
{
    return g->k->what & OPEN_HEADER ? 148 + s : below(160);
}

/* A place to write to: mostly the slot's own, or one that faults. */
static uint32_t target(const setting *g, uint32_t s)
{
    static const uint32_t beyond[] = { 700, 701, 0x7fffffff, 0x80000000u, 0xffffff60u,
                                       0xffffffffu };
    if (chance(75))
        return own_word(s);
    if (chance(50) && s < HEADER_OWNERS)
        return header_word(g, s);
    return ONE_OF(beyond);
}

/* A place to read from that nobody changes meanwhile. */
static uint32_t source(uint32_t s)
{
    if (chance(60))
        return own_word(s);
    if (chance(50))
        return 2 + below(60);
    return chance(50) ? 304 + below(2) : 700 + any() % 0x1000000u;
}

static uint32_t observable(uint32_t s)
{
    return chance(85) ? own_word(s) - 160 : 540 + any() % 0xf0000000u;
}

static void memcpy_args(const setting *g, uint32_t s, uint32_t *a)
{
    const uint32_t first = 160 + 1 + OWN_WORDS * s, count = below(OWN_WORDS + 1);
    a[2] = count;
    a[0] = first + 160 * below(2) + below(OWN_WORDS - count + 1);
    a[1] = first + 160 * below(2) + below(OWN_WORDS - count + 1);
    if (chance(10))
        a[0] = 304, a[2] = count < 2 ? count : 2;
    if (chance(10))
        a[below(3)] = 0xffffff00u + below(256);
    else if (chance(5))
        a[2] = 701 + below(1000);
    else if (chance(5) && s < HEADER_OWNERS)
        a[1] = header_word(g, s), a[2] = a[2] ? 1 : 0;
}

/* Ranges and tiles of a few chunks, of none, or that end at the last number. */
static void make_wide_args(uint32_t opcode, uint32_t *a)
{
    a[0] = chance(15) ? UINT32_MAX - below(400) : below(1000);
    a[1] = chance(10) ? below(1000) : chance(10) ? a[0] : a[0] + below(300);
    a[1] = a[1] < a[0] && UINT32_MAX - a[0] < 400 ? UINT32_MAX : a[1];
    a[7] = chance(70) ? any() : a[0] + below(300);
    a[8] = chance(20) ? 0 : below(3) ? VYRE_FAULT_USER + below(1000) : any() & 0xffffff;
    if (opcode != MODEL_OP_TILES)
        return;
    a[0] = chance(20) ? below(2) : below(24);
    a[7] = chance(70) ? any() : below(24);
}

/* Arguments for `opcode` that keep to the rules; returns how many it needs. */
static uint32_t make_args(const setting *g, uint32_t s, uint32_t opcode, uint32_t *a)
{
    a[0] = any();
    a[1] = any();
    a[2] = any();
    switch (opcode) {
    case VYRE_OP_STORE_U32: a[1] = target(g, s); return 2;
    case VYRE_OP_ATOMIC_ADD:
        a[1] = chance(50) ? MODEL_SHARED + below(16) : target(g, s);
        return 2;
    case VYRE_OP_LOAD_U32: a[0] = source(s); a[1] = observable(s); return 2;
    case VYRE_OP_COMPARE_SWAP:
        a[0] = target(g, s);
        a[1] = chance(50) ? before.words[0][GUARD + a[0] % MAX_CONTROL] : any();
        return 3;
    case VYRE_OP_MEMCPY: memcpy_args(g, s, a); return 3;
    case VYRE_OP_DFA_STEP:
        a[0] = chance(80) ? below(5) | (chance(10) ? 1u << (24 + below(8)) : 0) : any();
        a[1] = chance(90) ? below(300) : any();
        a[2] = observable(s);
        return 3;
    case VYRE_OP_BATCH_FENCE: a[1] = g->tag; return 2;
    case MODEL_OP_RANGE:
    case MODEL_OP_TILES: make_wide_args(opcode, a); return 0;
    default: return 0;
    }
}

/* Whether the operation may be given fewer arguments than it has: a missing
 * one is 0, and must not make it touch what is shared. */
static bool may_lack(const setting *g, uint32_t opcode)
{
    if (g->k->what & OPEN_HEADER)
        return opcode >= VYRE_OP_USER;
    return opcode != VYRE_OP_LOAD_U32 && opcode != VYRE_OP_DFA_STEP &&
           opcode != VYRE_OP_BATCH_FENCE;
}

static uint32_t small_opcode(void)
{
    static const uint32_t known[] = { 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, MODEL_OP_SMALL,
                                      MODEL_OP_FAULT };
    static const uint32_t unknown[] = { 8, 10, MODEL_OP_RANGE, 31, 32, 80, 255 };
    return chance(96) ? ONE_OF(known) : ONE_OF(unknown);
}

static void set_byte(uint32_t *args, uint32_t i, uint32_t value)
{
    const uint32_t shift = 8 * (i % 4);
    args[i / 4] = (args[i / 4] & ~(0xffu << shift)) | value << shift;
}

/* Makes a well-formed payload malformed, whatever it holds. */
static void break_packed(uint32_t *args, uint32_t count, uint32_t metadata)
{
    const uint32_t how = below(4);
    const uint32_t last = 3 + 2 * (count - 1);
    if (how == 0 || count == 0)
        set_byte(args, 0, 24 + below(232));
    else if (how == 1)
        set_byte(args, 1, 12 - metadata + 1 + below(200));
    else if (how == 2 || count < 2)
        set_byte(args, 3 + 2 * below(count), 13 + below(243));
    else
        set_byte(args, last - 2, (args[last / 4] >> 8 * (last % 4) & 0xff) + 1);
}

static void make_packed(const setting *g, uint32_t s, uint32_t *args)
{
    const uint32_t count = chance(80) ? below(5) : below(24);
    const uint32_t metadata = (2 * count + 5) / 4, room = 12 - metadata;
    uint32_t used = 0;
    memset(args, 0, 12 * sizeof *args);
    set_byte(args, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t a[12];
        uint32_t opcode = small_opcode();
        uint32_t have = make_args(g, s, opcode, a);
        if (opcode >= VYRE_OP_USER)
            for (have = below(4), a[3] = any(); have < 4 && chance(60);)
                have++;
        if (have > room - used || (have && may_lack(g, opcode) && chance(15)))
            have = may_lack(g, opcode) ? below(room - used < have ? room - used + 1 : have) : 99;
        if (have == 99)
            opcode = have = 0;
        set_byte(args, 2 + 2 * i, opcode);
        set_byte(args, 3 + 2 * i, used);
        for (uint32_t j = 0; j < have; j++)
            args[metadata + used++] = a[j];
        if (opcode == 0 && used < room && chance(20))
            args[metadata + used++] = any();
    }
    /* Without a count the last operation owns the rest: it must not matter. */
    if (used == 0 || chance(85))
        set_byte(args, 1, used);
    if (chance(12))
        break_packed(args, count, metadata);
}

/* --- slots --------------------------------------------------------------- */

static uint32_t large_opcode(void)
{
    static const uint32_t known[] = { 1, 2, VYRE_OP_PRINTF, VYRE_OP_PRINTF, VYRE_OP_LOAD_MISS,
                                      MODEL_OP_LARGE, MODEL_OP_LARGE };
    static const uint32_t unknown[] = { 0x50, 0xffff, 0x10000, 0x80000000u, 0x80000002u,
                                        0xfffffffeu };
    if (chance(2))
        return VYRE_OP_SHUTDOWN;
    return chance(95) ? ONE_OF(known) : ONE_OF(unknown);
}

static uint32_t random_tenant(void)
{
    static const uint32_t strange[] = { 29, 30, 31, 32, 125, 157, 200, 0x7ffffffdu, 0xfffffffdu,
                                        0xfffffffeu, 0xffffffffu };
    return chance(88) ? below(29) : ONE_OF(strange);
}

static uint32_t random_status(void)
{
    if (chance(70))
        return VYRE_SLOT_PUBLISHED;
    return chance(95) ? below(9) : any();
}

static void make_slot(const setting *g, uint32_t s)
{
    uint32_t *w = words_of(&before, 1) + 16 * s;
    const uint32_t kind = below(100);
    w[0] = random_status();
    w[2] = random_tenant();
    if ((g->k->what & WIDTHS) && (chance(25) || g->k->kind == VYRE_KERNEL_JIT)) {
        w[1] = g->k->kind == VYRE_KERNEL_JIT || chance(50) ? MODEL_OP_RANGE : MODEL_OP_TILES;
        make_args(g, s, w[1], w + 4);
        return;
    }
    if (kind < 30) {
        w[1] = VYRE_OP_PACKED_SLOT;
        make_packed(g, s, w + 4);
        return;
    }
    w[1] = kind < 75 ? small_opcode() : large_opcode();
    make_args(g, s, w[1], w + 4);
}

static uint32_t pick_lane_groups(uint32_t slots, uint32_t group)
{
    const uint32_t all = (slots + group - 1) / group;
    switch (below(4)) {
    case 0: return 1;
    case 1: return all > 1 ? all / 2 : 1;
    case 2: return all;
    default: return all + below(3);
    }
}

static setting make_ring(void)
{
    setting g;
    g.k = &kernels[below(kernel_count)];
    g.slots = 1 + below(MAX_SLOTS);
    g.lane_groups = pick_lane_groups(g.slots, g.k->group);
    g.tag = any();
    size_buffers(&before, g.slots);
    /* The scan reads bounds that a short control buffer does not have. */
    fill(&before);
    fill_control(words_of(&before, 0), before.count[0], g.slots);
    fill_log(words_of(&before, 2), before.count[2]);
    fill_io(words_of(&before, 3), before.count[3]);
    for (uint32_t s = 0; s < before.count[6]; s++)
        if (chance(85))
            words_of(&before, 6)[s] = 0;
    for (uint32_t s = 0; s < g.slots; s++)
        make_slot(&g, s);
    return g;
}

/* Whether the result shows in which order the slots were served: where lanes come
 * in no order, such a ring has no one result. */
static bool shows_order(const setting *g)
{
    const uint32_t *ring = words_of(&before, 1);
    if (g->k->kind == VYRE_KERNEL_PRIORITY || (g->k->what & (LOAD_MISS | IO_POLLING)))
        return true;
    for (uint32_t s = 0; s < g->slots && g->k->kind != VYRE_KERNEL_JIT; s++) {
        const uint32_t opcode = ring[16 * s + 1];
        if (opcode == VYRE_OP_PRINTF || opcode == VYRE_OP_SHUTDOWN)
            return true;
    }
    return false;
}

/* --- running ------------------------------------------------------------- */

static void run_kernel(const setting *g, board *b)
{
    void *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = words_of(b, i);
        sizes[i] = 4 * (size_t)b->count[i];
    }
    const uint32_t lane_groups[3] = { g->lane_groups, 1, 1 };
    CHECK_EQ(vyi_machine_bind(g->k->machine, buffers, sizes, buffers_of(g->k), NULL),
             VYRE_OK);
    /* A narrow kernel ends by its loops; one of its rounds may be spent on a refused slot. */
    const uint32_t rounds = g->k->narrow ? NARROW_LOOPS : ROUNDS;
    const vyre_status status = vyi_machine_run(g->k->machine, lane_groups, rounds, NULL);
    CHECK(status == VYRE_OK || (status == VYRE_TIMEOUT && !g->k->once));
}

static void run_model(const setting *g, board *b)
{
    model m;
    model_words words[BUFFERS];
    for (unsigned i = 0; i < BUFFERS; i++) {
        words[i].at = words_of(b, i);
        words[i].count = b->count[i];
    }
    memset(&m, 0, sizeof m);
    m.control = words[0];
    m.ring = words[1];
    m.log = words[2];
    m.io = words[3];
    if (g->k->what & TABLE)
        m.table = words[4];
    if (g->k->what & MIRROR)
        m.mirror = words[5];
    m.counts_io = handles || m.mirror.at;
    if (cancels(g->k))
        m.cancel = words[6];
    m.kind = (model_kind)g->k->kind;
    m.once = g->k->once;
    m.open_header = (g->k->what & OPEN_HEADER) != 0;
    m.load_miss = (g->k->what & LOAD_MISS) != 0;
    m.io_polling = (g->k->what & IO_POLLING) != 0;
    m.narrow = g->k->narrow;
    m.widths = (g->k->what & WIDTHS) != 0;
    m.whole = (g->k->what & WHOLE) != 0;
    m.group = g->k->group;
    m.lanes = g->k->group * g->lane_groups;
    m.rounds = ROUNDS;
    model_run(&m);
}

static void report(const setting *g, uint64_t seed, unsigned buffer, uint32_t word)
{
    static const char *const names[] = { "control", "ring", "log", "io", "table", "mirror",
                                         "cancel" };
    const uint32_t at = GUARD + word;
    printf("kernel kind %d, once %d, what 0x%x, %u groups of %u lanes, %u slots\n",
           (int)g->k->kind, g->k->once, g->k->what, g->lane_groups, g->k->group, g->slots);
    if (buffer == 1 || buffer == 5) {
        const uint32_t slot = buffer == 1 ? word / 16 : word;
        const uint32_t *w = words_of(&before, 1) + 16 * slot;
        for (unsigned i = 0; i < 16; i++)
            printf("%x%c", w[i], i == 15 ? '\n' : ' ');
    }
    test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: %s[%d] was 0x%x, is 0x%x, not 0x%x",
              (unsigned long long)seed, names[buffer], (int)word, before.words[buffer][at],
              actual.words[buffer][at], expected.words[buffer][at]);
}

/* What an atomic found, which a whole kernel puts into the mirror behind DONE,
 * tells in which order several lanes came: only the model's lane is alone. */
static void forget_found(const setting *g)
{
    const uint32_t *wanted = words_of(&expected, 5);
    uint32_t *got = words_of(&actual, 5);
    for (uint32_t i = 0; i < expected.count[5] && (g->k->what & WHOLE); i++)
        if (g->k->group * g->lane_groups > 1 && (got[i] & 0xff) == VYRE_SLOT_DONE &&
            (wanted[i] & 0xff) == VYRE_SLOT_DONE)
            got[i] = wanted[i];
}

static void compare(const setting *g, uint64_t seed)
{
    forget_found(g);
    for (unsigned i = 0; i < BUFFERS; i++) {
        if (memcmp(actual.words[i], expected.words[i], sizeof actual.words[i]) == 0)
            continue;
        for (uint32_t w = 0; w < GUARD + MAX_TABLE + GUARD; w++)
            if (actual.words[i][w] != expected.words[i][w])
                report(g, seed, i, w - GUARD);
    }
}

static void random_rings_equal_the_model(void)
{
    const uint64_t first = test_seed(0x6b65726e);
    build_kernels();
    const char *count = getenv("TEST_COUNT");
    const uint64_t rings = count ? strtoull(count, NULL, 0) : RINGS;
    for (uint64_t n = 0; n < rings; n++) {
        random_state = (first + n) * 0x9e3779b97f4a7c15ull;
        const setting g = make_ring();
        expected = actual = before;
        run_model(&g, &expected);
        run_kernel(&g, &actual);
        if (g.k->narrow && expected.count[0] > VYRE_CONTROL_HEARTBEAT)
            words_of(&actual, 0)[VYRE_CONTROL_HEARTBEAT] =
                words_of(&expected, 0)[VYRE_CONTROL_HEARTBEAT];
        compare(&g, first + n);
    }
    destroy_kernels();
}

/* --- no rules at all ----------------------------------------------------- */

static bool guards_are_intact(board *b)
{
    for (unsigned i = 0; i < BUFFERS; i++)
        for (uint32_t w = 0; w < GUARD + MAX_TABLE + GUARD; w++)
            if ((w < GUARD || w >= GUARD + b->count[i]) && b->words[i][w] != GUARD_WORD)
                return false;
    return true;
}

/* What opcodes may not write, and the kernel itself does not. */
static bool is_protected(uint32_t word)
{
    return (word >= 2 && word < 64) || (word >= 129 && word < 135) ||
           (word >= VYRE_CONTROL_LOG_HEAD && word < VYRE_CONTROL_IO_REQUESTS);
}

static setting make_wild_ring(void)
{
    setting g = make_ring();
    uint32_t *ring = words_of(&before, 1);
    for (uint32_t w = 0; w < 16 * g.slots; w++)
        if (w % 16 > 3 && chance(50))
            ring[w] = chance(60) ? below(720) : any();
    if (g.k->kind == VYRE_KERNEL_PRIORITY && before.count[0] >= 160)
        for (unsigned i = 0; i < 6; i++)
            words_of(&before, 0)[129 + i] = chance(80) ? below(20) : any();
    return g;
}

static void wild_rings_stay_in_their_bounds(void)
{
    const uint64_t first = test_seed(0x77696c64);
    build_kernels();
    for (uint64_t n = 0; n < WILD_RINGS; n++) {
        random_state = (first + n) * 0xd1342543de82ef95ull;
        const setting g = make_wild_ring();
        actual = before;
        run_kernel(&g, &actual);
        if (!guards_are_intact(&actual))
            test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: a guard word has changed",
                      (unsigned long long)(first + n));
        for (uint32_t w = 0; w < 160 && w < actual.count[0]; w++)
            if (is_protected(w) && !(g.k->what & OPEN_HEADER) &&
                words_of(&actual, 0)[w] != words_of(&before, 0)[w])
                test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: control[%u] has changed",
                          (unsigned long long)(first + n), w);
    }
    destroy_kernels();
}

int main(void)
{
    RUN(random_rings_equal_the_model);
    RUN(wild_rings_stay_in_their_bounds);
    return test_end();
}

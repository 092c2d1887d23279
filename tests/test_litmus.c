/* What the memory model forbids never happens, and what two workgroups may expect of each
 * other: the published litmus shapes, written as programs of ours and run by the runner.
 *
 * A shape is a few roles that meet at one instance: each is played by a lane of another
 * workgroup (words in a buffer, device scope) or of another subgroup (words in a workgroup
 * array, workgroup scope).  All roles of an instance wait a little for each other first, so
 * that they run at the same time; the last one that ends counts what all saw.
 *
 *   TEST_COUNT=1000000   instances of each shape, instead of 16,384, and the variants in which
 *                        the outcome is allowed as well, for the list of what was seen */
#include "dispatch.h"
#include "driver.h"

enum { LANES = 64, ROLES = 4, VARS = 3, REGS = 4, OUTCOMES = 4096, UNREAD = 3 };

/* --- the shapes ------------------------------------------------------------ */

/* How a step is done: a store releases, a load acquires, an addition does both. */
enum variant { PLAIN, RELAXED, FENCED, SYNC, MESSAGE, VARIANTS };
static const char *const variant_names[VARIANTS] = { "plain", "relaxed", "fenced", "acq/rel",
                                                     "plain data" };

#define F(v) (1u << (v))
#define COHERENT (F(RELAXED) | F(FENCED) | F(SYNC))
#define CAUSAL (F(FENCED) | F(SYNC) | F(MESSAGE))
#define ALLOWED 0u

/* A role is a row of steps: Wx1 stores 1 into x, Rx loads x, Ax1 adds 1 to x and sees what
 * was there before; ax1 does that relaxed in every variant.  A star before the word says
 * that it is data: plain in the variant MESSAGE, and read only by who has read no 0 before.
 * `weak` is the outcome in question: each load in order, then the words x, y, z at the end. */
static const struct shape {
    const char *name, *role[ROLES], *weak;
    uint32_t    forbidden; /* the variants in which the model forbids it */
} shapes[] = {
    { "CoRR: two loads of a word", { "Wx1", "Rx Rx" }, "10-", COHERENT },
    { "CoWW: two stores to a word", { "Wx1 Wx2" }, "1", COHERENT },
    { "CoWR: a load behind a store", { "Wx1 Rx", "Wx2" }, "21", COHERENT },
    { "CoRW: a store behind a load", { "Rx Wx1", "Wx2" }, "22", ALLOWED },
    { "CoRW1: a load sees the store behind it", { "Rx Wx1" }, "1-", COHERENT },
    { "atomicity: two additions", { "Ax1", "Ax1" }, "00-", COHERENT | F(PLAIN) },
    { "MP: message passing", { "W*x1 Wy1", "Ry R*x" }, "10--", CAUSAL },
    { "MP+rs: an addition goes on with a release", { "W*x1 Wy1", "ay1", "Ry R*x" }, "120--",
      CAUSAL },
    { "SB: store buffering", { "Wx1 Ry", "Wy1 Rx" }, "00--", ALLOWED },
    { "LB: load buffering", { "Rx Wy1", "Ry Wx1" }, "11--", F(FENCED) | F(SYNC) },
    { "S: a store against a message", { "Wx2 Wy1", "Ry Wx1" }, "12-", F(FENCED) | F(SYNC) },
    { "R: a store against a load", { "Wx1 Wy1", "Wy2 Rx" }, "0-2", ALLOWED },
    { "2+2W: two rows of stores", { "Wx1 Wy2", "Wy1 Wx2" }, "11", ALLOWED },
    { "WRC: a message by way of a third", { "W*x1", "Rx Wy1", "Ry R*x" }, "110--",
      F(FENCED) | F(SYNC) },
    { "ISA2: a message by way of two words", { "W*x1 Wy1", "Ry Wz1", "Rz R*x" }, "110---",
      CAUSAL },
    { "IRIW: two readers of two writers", { "Wx1", "Rx Ry", "Wy1", "Ry Rx" }, "1010--", ALLOWED },
};

/* What must come out, to see that outcomes are counted as they are. */
static const struct shape certain = { "control: alone", { "Rx Wx2 Rx" }, "022", F(RELAXED) };

static uint32_t role_count(const struct shape *s)
{
    uint32_t n = 0;
    while (n < ROLES && s->role[n])
        n++;
    return n;
}

static bool has_data(const struct shape *s)
{
    for (uint32_t k = 0; k < role_count(s); k++)
        if (strchr(s->role[k], '*'))
            return true;
    return false;
}

/* --- a shape as a program --------------------------------------------------- */

typedef struct litmus {
    vyre_program *p;
    enum variant  variant;
    uint32_t      instances, roles, vars, regs;
    vyre_buffer   words, meet, done, seen, counts;
    vyre_value    instance, place; /* `place` numbers what a word of this instance is at */
    bool          shared;
} litmus;

static vyre_value u32(litmus *l, uint32_t x)
{
    return vyre_ir_u32(l->p, x);
}

static vyre_value row(litmus *l, vyre_value at, uint32_t number, uint32_t length)
{
    const vyre_value base = u32(l, number * length);
    return vyre_ir_add(l->p, base, at);
}

static vyre_value word_at(litmus *l, uint32_t var)
{
    return row(l, l->place, var, l->shared ? LANES : l->instances);
}

static vyre_value seen_at(litmus *l, uint32_t reg)
{
    return row(l, l->instance, reg, l->instances);
}

/* One step of a role; `read` is the first load of the role before this one. */
static void one_step(litmus *l, const char *step, vyre_local *reg, vyre_local guard)
{
    const bool data = step[1] == '*' && l->variant == MESSAGE;
    const char *what = step + 1 + (step[1] == '*');
    const vyre_value at = word_at(l, (uint32_t)(what[0] - 'x'));
    const bool sync = l->variant == SYNC || l->variant == MESSAGE;
    const vyre_order store = sync ? VYRE_ORDER_RELEASE : VYRE_ORDER_RELAXED;
    const vyre_order load = sync ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_RELAXED;
    const bool plain = data || l->variant == PLAIN;
    if (step[0] == 'W') {
        const vyre_value v = u32(l, (uint32_t)(what[1] - '0'));
        if (plain)
            vyre_ir_store(l->p, l->words, at, v);
        else
            vyre_ir_atomic_store(l->p, l->words, at, v, store);
        return;
    }
    if (step[0] != 'R') {
        const vyre_order order = sync && step[0] == 'A' ? VYRE_ORDER_ACQ_REL : VYRE_ORDER_RELAXED;
        const vyre_value one = u32(l, 1);
        vyre_ir_set(l->p, *reg, vyre_ir_atomic(l->p, VYRE_ATOMIC_ADD, l->words, at, one, order));
        return;
    }
    if (data) {
        const vyre_value zero = u32(l, 0), before = vyre_ir_get(l->p, guard);
        vyre_ir_if(l->p, vyre_ir_ne(l->p, before, zero));
    }
    vyre_ir_set(l->p, *reg, plain ? vyre_ir_load(l->p, l->words, at)
                                  : vyre_ir_atomic_load(l->p, l->words, at, load));
    if (data)
        vyre_ir_end(l->p);
}

/* Returns the number of loads so far, of all roles. */
static uint32_t one_role(litmus *l, const char *steps, uint32_t regs)
{
    vyre_local local[REGS];
    uint32_t n = 0;
    for (const char *s = steps; s; s = strchr(s, ' ') ? strchr(s, ' ') + 1 : NULL) {
        if (s != steps && l->variant == FENCED)
            vyre_ir_barrier(l->p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
        if (*s != 'W') {
            const vyre_value unread = u32(l, UNREAD);
            local[n] = vyre_ir_local(l->p, VYRE_TYPE_U32, unread, "seen");
        }
        one_step(l, s, &local[n], local[0]);
        n += *s != 'W';
    }
    for (uint32_t k = 0; k < n; k++) {
        const vyre_value at = seen_at(l, regs + k);
        vyre_ir_store(l->p, l->seen, at, vyre_ir_get(l->p, local[k]));
    }
    return regs + n;
}

/* Waits until all roles of this instance are here, or for a little while. */
static void meet(litmus *l)
{
    const vyre_value one = u32(l, 1), roles = u32(l, l->roles);
    vyre_ir_atomic(l->p, VYRE_ATOMIC_ADD, l->meet, l->instance, one, VYRE_ORDER_RELAXED);
    const vyre_value from = u32(l, 0), to = u32(l, 200);
    vyre_ir_loop(l->p, from, to);
    const vyre_value here =
        vyre_ir_atomic_load(l->p, l->meet, l->instance, VYRE_ORDER_RELAXED);
    vyre_ir_if(l->p, vyre_ir_eq(l->p, here, roles));
    vyre_ir_break(l->p);
    vyre_ir_end(l->p);
    vyre_ir_end(l->p);
}

/* Two bits for each load, then for each word; and all of it is 0 for the next dispatch. */
static void count_outcome(litmus *l)
{
    const vyre_value zero = u32(l, 0), one = u32(l, 1), last = u32(l, l->roles - 1);
    const vyre_value before =
        vyre_ir_atomic(l->p, VYRE_ATOMIC_ADD, l->done, l->instance, one, VYRE_ORDER_ACQ_REL);
    vyre_ir_if(l->p, vyre_ir_eq(l->p, before, last));
    vyre_value outcome = zero;
    for (uint32_t k = 0; k < l->regs + l->vars; k++) {
        const vyre_value at = k < l->regs ? seen_at(l, k) : word_at(l, k - l->regs);
        const vyre_value v = k < l->regs
                                 ? vyre_ir_load(l->p, l->seen, at)
                                 : vyre_ir_atomic_load(l->p, l->words, at, VYRE_ORDER_RELAXED);
        const vyre_value four = u32(l, 4);
        const vyre_value shifted = vyre_ir_mul(l->p, outcome, four);
        outcome = vyre_ir_add(l->p, shifted, v);
    }
    vyre_ir_atomic(l->p, VYRE_ATOMIC_ADD, l->counts, outcome, one, VYRE_ORDER_RELAXED);
    for (uint32_t k = 0; k < l->vars; k++) {
        const vyre_value at = word_at(l, k);
        vyre_ir_atomic_store(l->p, l->words, at, zero, VYRE_ORDER_RELAXED);
    }
    vyre_ir_store(l->p, l->meet, l->instance, zero);
    vyre_ir_store(l->p, l->done, l->instance, zero);
    vyre_ir_end(l->p);
}

/* Which role a lane plays, and for which instance: another order of the instances for each
 * role, so that a subgroup meets several others. */
static vyre_value choose(litmus *l)
{
    static const uint32_t factors[ROLES] = { 1, 5, 11, 27 };
    vyre_program *p = l->p;
    const vyre_value group = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X);
    const vyre_value local = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_ID_X);
    const vyre_value sets = u32(l, l->instances / LANES);
    const vyre_value lanes = u32(l, LANES), mask = u32(l, LANES - 1);
    const vyre_value role = l->shared ? vyre_ir_div(p, local, lanes)
                                      : vyre_ir_div(p, group, sets);
    const vyre_value set = vyre_ir_rem(p, group, sets);
    vyre_value factor = u32(l, factors[0]);
    for (uint32_t k = 1; k < l->roles; k++) {
        const vyre_value number = u32(l, k), other = u32(l, factors[k]);
        factor = vyre_ir_select(p, vyre_ir_eq(p, role, number), other, factor);
    }
    const vyre_value lane = vyre_ir_and(p, vyre_ir_mul(p, local, factor), mask);
    l->instance = vyre_ir_add(p, vyre_ir_mul(p, set, lanes), lane);
    if (l->shared) {
        l->place = lane;
        return role;
    }
    /* Words of neighbours lie in different lines. */
    const vyre_value apart = u32(l, 33), all = u32(l, l->instances - 1);
    l->place = vyre_ir_and(p, vyre_ir_mul(p, l->instance, apart), all);
    return role;
}

static vyre_buffer words_of(litmus *l)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.type = VYRE_TYPE_U32;
    desc.name = "words";
    desc.count = VARS * LANES;
    desc.access = VYRE_ACCESS_WORKGROUP;
    return l->shared ? vyre_ir_buffer(l->p, &desc) : buffer(l->p, 4, VYRE_TYPE_U32);
}

static uint32_t words_used(const struct shape *s)
{
    uint32_t n = 1;
    for (uint32_t k = 0; k < role_count(s); k++)
        for (const char *c = s->role[k]; *c; c++)
            if (*c >= 'x' && *c <= 'z' && (uint32_t)(*c - 'x') + 1 > n)
                n = (uint32_t)(*c - 'x') + 1;
    return n;
}

static void build(litmus *l, const struct shape *s)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "litmus";
    l->roles = role_count(s);
    l->vars = words_used(s);
    desc.workgroup_size[0] = l->shared ? LANES * l->roles : LANES;
    l->p = vyre_program_create(&desc, &err);
    CHECK(l->p != NULL);
    l->meet = buffer(l->p, 0, VYRE_TYPE_U32);
    l->done = buffer(l->p, 1, VYRE_TYPE_U32);
    l->seen = buffer(l->p, 2, VYRE_TYPE_U32);
    l->counts = buffer(l->p, 3, VYRE_TYPE_U32);
    l->words = words_of(l);
    const vyre_value role = choose(l);
    meet(l);
    l->regs = 0;
    vyre_ir_switch(l->p, role);
    for (uint32_t k = 0; k < l->roles; k++) {
        vyre_ir_case(l->p, k);
        l->regs = one_role(l, s->role[k], l->regs);
    }
    vyre_ir_end(l->p);
    count_outcome(l);
    finish(l->p);
}

/* --- running ---------------------------------------------------------------- */

static uint64_t wanted(void)
{
    const char *text = getenv("TEST_COUNT");
    return text ? strtoull(text, NULL, 0) : 16384;
}

static vyre_runner *open_runner(const vyre_program *p, const size_t *sizes, uint32_t count)
{
    vyre_runner_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.program = p;
    desc.sizes = sizes;
    desc.buffer_count = count;
    vyre_runner *r = vyre_runner_open(&desc, &err);
    if (!r && err.status == VYRE_E_VK_LIMIT)
        return NULL;
    if (!r)
        test_skip(err.text);
    return r;
}

static bool matches(const char *pattern, uint32_t n, uint32_t outcome)
{
    for (uint32_t k = 0; k < n; k++)
        if (pattern[k] != '-' && (uint32_t)(pattern[k] - '0') != (outcome >> 2 * (n - 1 - k) & 3u))
            return false;
    return true;
}

/* How often the shape's outcome came, of how many instances. */
static uint64_t run_shape(const struct shape *s, enum variant variant, bool shared,
                          uint64_t *instances)
{
    litmus l;
    memset(&l, 0, sizeof l);
    l.variant = variant;
    l.shared = shared;
    l.instances = 16384;
    build(&l, s);
    const size_t word = 4 * (size_t)l.instances;
    const size_t sizes[5] = { word, word, REGS * word, 4 * OUTCOMES, VARS * word };
    vyre_runner *r = open_runner(l.p, sizes, shared ? 4 : 5);
    if (!r) {
        vyre_program_destroy(l.p);
        *instances = 0;
        return 0;
    }
    uint64_t weak = 0, all = 0;
    const uint32_t sets = l.instances / LANES;
    const uint32_t grid[3] = { shared ? sets : sets * l.roles, 1, 1 };
    const uint64_t turns = (wanted() + l.instances - 1) / l.instances;
    for (uint64_t k = 0; k < turns; k++)
        if (vyre_runner_dispatch(r, grid, NULL, &err) != VYRE_OK)
            test_fail(__FILE__, __LINE__, "%s: %s", s->name, err.text);
    const uint32_t *counts = (const uint32_t *)vyre_runner_map(r, 3, NULL);
    for (uint32_t k = 0; k < OUTCOMES; k++) {
        const uint32_t n = counts[k];
        all += n;
        weak += n && matches(s->weak, l.regs + l.vars, k) ? n : 0;
    }
    CHECK_EQ(strlen(s->weak), l.regs + l.vars);
    CHECK_EQ(all, turns * l.instances);
    vyre_runner_close(r);
    vyre_program_destroy(l.p);
    *instances = all;
    return weak;
}

static struct {
    unsigned runs, forbidden;
    uint64_t instances;
} totals;

static void check_shape(const struct shape *s, enum variant variant, bool shared)
{
    uint64_t all;
    const bool forbidden = s->forbidden & F(variant);
    if ((variant == MESSAGE && !has_data(s)) || !(forbidden || getenv("TEST_COUNT")))
        return;
    const uint64_t weak = run_shape(s, variant, shared, &all);
    if (!all)
        printf("NOTE %s, %s: its workgroup does not fit\n", s->name, variant_names[variant]);
    else if (weak)
        printf("NOTE %s, %s, %s: %llu of %llu%s\n", s->name, variant_names[variant],
               shared ? "workgroup" : "device", (unsigned long long)weak,
               (unsigned long long)all, forbidden ? ", forbidden" : "");
    totals.runs++;
    totals.forbidden += forbidden;
    totals.instances += all;
    if (forbidden && weak)
        test_fail(__FILE__, __LINE__, "%s, %s, %s: %llu of %llu", s->name,
                  variant_names[variant], shared ? "workgroup" : "device",
                  (unsigned long long)weak, (unsigned long long)all);
}

static void check_shapes(bool shared)
{
    memset(&totals, 0, sizeof totals);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int v = 0; v < VARIANTS; v++)
            check_shape(&shapes[k], (enum variant)v, shared);
    printf("NOTE %s: %u shapes and variants, of %u the outcome is forbidden, %llu instances\n",
           shared ? "workgroup" : "device", totals.runs, totals.forbidden,
           (unsigned long long)totals.instances);
}

static void nothing_forbidden_between_workgroups(void)
{
    check_shapes(false);
}

static void nothing_forbidden_within_a_workgroup(void)
{
    check_shapes(true);
}

/* A lane alone sees its own stores: every instance has this outcome, and no other. */
static void outcomes_are_counted_as_they_are(void)
{
    struct shape never = certain;
    uint64_t all;
    never.weak = "012";
    CHECK_EQ(run_shape(&certain, RELAXED, false, &all), all);
    CHECK(all > 0);
    CHECK_EQ(run_shape(&never, RELAXED, false, &all), 0);
    CHECK_EQ(run_shape(&certain, SYNC, true, &all), all);
}

/* --- forward progress ------------------------------------------------------- */

/* Who waits for whom: group g goes on when `needs` has come.  Each group says first that it
 * is there, or last. */
enum wait { FOR_BEFORE, FOR_NEXT, FOR_ALL, FOR_LOCK, WAITS };
static const struct progress {
    const char *name;
    enum wait   wait;
    uint32_t    groups, lanes, looks; /* how often each looks before it gives up */
} progress[] = {
{ "the second group waits for the first", FOR_BEFORE, 2, 1, 20000 },
    { "the first group waits for the second", FOR_NEXT, 2, 1, 20000 },
    { "two groups wait for each other", FOR_ALL, 2, 1, 20000 },
    { "two groups take turns at a lock", FOR_LOCK, 2, 1, 20000 },
    { "64 groups wait for each other", FOR_ALL, 64, 1, 20000 },
    { "1,024 groups wait for each other", FOR_ALL, 1024, 1, 20000 },
    { "1,024 groups, each waits for the one before", FOR_BEFORE, 1024, 1, 20000 },
    { "1,024 groups, each waits for the next", FOR_NEXT, 1024, 1, 20000 },
    { "16,384 groups wait for each other", FOR_ALL, 16384, 1, 500 },
    { "16,384 groups, each waits for the one before", FOR_BEFORE, 16384, 1, 500 },
    { "16,384 groups, each waits for the next", FOR_NEXT, 16384, 1, 500 },
    { "a subgroup's second lane waits for the first", FOR_BEFORE, 1, 2, 20000 },
    { "a subgroup's first lane waits for the second", FOR_NEXT, 1, 2, 20000 },
    { "two lanes of a subgroup wait for each other", FOR_ALL, 1, 2, 20000 },
    { "two lanes of a subgroup take turns at a lock", FOR_LOCK, 1, 2, 20000 },
};

/* Word 0 counts who is there, or is the lock; word 1 + g says that g has gone on. */
static void build_progress(litmus *l, const struct progress *s)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = s->lanes;
    l->p = vyre_program_create(&desc, &err);
    CHECK(l->p != NULL);
    vyre_program *p = l->p;
    l->words = buffer(p, 0, VYRE_TYPE_U32);
    l->done = buffer(p, 1, VYRE_TYPE_U32);
    const vyre_value zero = u32(l, 0), one = u32(l, 1), last = u32(l, s->groups * s->lanes - 1);
    const vyre_value all = u32(l, s->groups * s->lanes), rounds = u32(l, s->looks);
    const vyre_value id = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value mine = vyre_ir_add(p, id, one);
    const vyre_value passed = vyre_ir_atomic_load(p, l->done, mine, VYRE_ORDER_RELAXED);
    const vyre_local gone = vyre_ir_local(p, VYRE_TYPE_U32, passed, "gone");
    const bool before = s->wait == FOR_BEFORE;
    const vyre_value first = vyre_ir_eq(p, id, before ? zero : last);
    const vyre_value other = before ? id : vyre_ir_add(p, mine, one);
    if (s->wait == FOR_ALL)
        vyre_ir_atomic(p, VYRE_ATOMIC_ADD, l->words, zero, one, VYRE_ORDER_RELAXED);
    vyre_ir_loop(p, zero, rounds);
    vyre_value open;
    if (s->wait == FOR_ALL) {
        const vyre_value n = vyre_ir_atomic_load(p, l->words, zero, VYRE_ORDER_RELAXED);
        open = vyre_ir_ge(p, n, all);
    } else if (s->wait == FOR_LOCK) {
        const vyre_value held = vyre_ir_atomic_cas(p, l->words, zero, zero, one,
                                                   VYRE_ORDER_ACQ_REL);
        open = vyre_ir_eq(p, held, zero);
    } else {
        const vyre_value n = vyre_ir_atomic_load(p, l->words, other, VYRE_ORDER_RELAXED);
        const vyre_value there = vyre_ir_ne(p, n, zero);
        open = vyre_ir_select(p, first, vyre_ir_cast(p, VYRE_TYPE_BOOL, one), there);
    }
    vyre_ir_if(p, open);
    vyre_ir_set(p, gone, one);
    if (s->wait == FOR_LOCK)
        vyre_ir_atomic_store(p, l->words, zero, zero, VYRE_ORDER_RELEASE);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    const vyre_value went = vyre_ir_get(p, gone);
    if (s->wait == FOR_BEFORE || s->wait == FOR_NEXT)
        vyre_ir_atomic_store(p, l->words, mine, went, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, l->done, mine, went, VYRE_ORDER_RELAXED);
    finish(p);
}

/* Every wait here gives up in the end, so each dispatch ends; the table says how many
 * went on.  Nothing of it is asserted: Vulkan promises none of it, and the engine needs none. */
static void who_goes_on_when_another_waits(void)
{
    for (size_t k = 0; k < sizeof progress / sizeof *progress; k++) {
        const struct progress *s = &progress[k];
        const uint32_t waiting = s->groups * s->lanes, grid[3] = { s->groups, 1, 1 };
        const size_t size = 4 * ((size_t)waiting + 2), sizes[2] = { size, size };
        uint32_t went = 0;
        litmus l;
        memset(&l, 0, sizeof l);
        build_progress(&l, s);
        vyre_runner *r = open_runner(l.p, sizes, 2);
        CHECK(r != NULL);
        if (vyre_runner_dispatch(r, grid, NULL, &err) != VYRE_OK)
            test_fail(__FILE__, __LINE__, "%s: %s", s->name, err.text);
        const uint32_t *done = (const uint32_t *)vyre_runner_map(r, 1, NULL);
        for (uint32_t g = 0; g < waiting; g++)
            went += done[1 + g];
        printf("NOTE %s: %u of %u went on\n", s->name, (unsigned)went, (unsigned)waiting);
        CHECK(went <= waiting);
        vyre_runner_close(r);
        vyre_program_destroy(l.p);
    }
}

int main(void)
{
    RUN(outcomes_are_counted_as_they_are);
    RUN(nothing_forbidden_between_workgroups);
    RUN(nothing_forbidden_within_a_workgroup);
    RUN(who_goes_on_when_another_waits);
    return test_end();
}

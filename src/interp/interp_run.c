/* ==========================================================================
 * interp: the steps that are not pure
 *
 * Private.  A step does its work for the active lanes and returns the step to
 * go on with.  No step runs while no lane is active, but for the end of a
 * loop, which then decides about the next iteration.
 *
 * Lanes leave in two ways.  Where a block begins, those that do not enter are
 * just not in its list of lanes; its end brings back the list from before.
 * Lanes that break, continue or return are marked in `state` and not brought
 * back by the ends of the blocks that they leave, up to that of their loop.
 *
 * Limits of loops, all counted in iterations begun:
 *   max_rounds  Each round loop of each workgroup ends, for all its lanes,
 *               when that many rounds have begun and another one would.
 *   loop_limit  Each lane counts the iterations of all its loops together,
 *               rounds included, as `spent`; LOOP_LEFT is loop_limit - spent.
 *               loop_allow(n) sets allowed = min(spent + n, loop_limit) and
 *               clears LOOP_CUT; at first allowed = loop_limit.  When an
 *               iteration would begin (the condition of a counted loop holds,
 *               max_rounds has not ended the loop) and spent >= allowed, the
 *               loop ends for this lane like a break, and LOOP_CUT is set.
 *               Without a limit LOOP_LEFT is 0xFFFFFFFF, LOOP_CUT false, and
 *               loop_allow does nothing.
 * ======================================================================= */
#include "interp/interp_impl.h"
#include "base/thread_impl.h"

/* --- active lanes -------------------------------------------------------- */

static vyi_active vyi_active_of(const uint16_t *lanes, uint32_t count)
{
    vyi_active a;
    a.lanes = lanes;
    a.count = count;
    a.lo = count ? lanes[0] & ~(VYI_CHUNK - 1u) : 0u;
    a.hi = count ? (lanes[count - 1] | (VYI_CHUNK - 1u)) + 1u : 0u;
    return a;
}

/* Each lane of the range is active. */
static bool vyi_is_dense(const vyi_active *a)
{
    return a->count == a->hi - a->lo;
}

/* Those of `from` that still run, collected in `to`, which may be the same. */
static uint32_t vyi_keep_running(const vyi_machine *m, const vyi_active *from, uint16_t *to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const uint16_t lane = from->lanes[i];
        to[n] = lane;
        n += m->state[lane] == VYI_LANE_RUNS;
    }
    return n;
}

/* Goes on behind a block with the lanes from before it, as far as they run. */
static const vyi_step *vyi_block_leave(vyi_machine *m, vyi_step_block *b)
{
    m->active = b->outer;
    if (m->leaves == b->leaves)
        return b->after;
    m->active = vyi_active_of(b->kept, vyi_keep_running(m, &b->outer, b->kept));
    return m->active.count ? b->after : b->skip;
}

static void vyi_block_enter(vyi_machine *m, vyi_step_block *b)
{
    b->outer = m->active;
    b->leaves = m->leaves;
}

static const vyi_step *vyi_go_on(const vyi_machine *m, const vyi_step *s)
{
    return m->active.count ? s + 1 : s->skip;
}

VYI_API const vyi_step *vyi_step_halt(vyi_machine *m, const vyi_step *s)
{
    (void)m, (void)s;
    return NULL;
}

/* --- if, switch ---------------------------------------------------------- */

static inline uint32_t vyi_chunk_true(const uint32_t *bools)
{
    uint32_t sum = 0;
    for (uint32_t j = 0; j < VYI_CHUNK; j++)
        sum += bools[j];
    return sum;
}

static uint32_t vyi_count_true(const vyi_active *active, const uint32_t *bools)
{
    const uint16_t *const lanes = active->lanes;
    uint32_t sum = 0;
    if (vyi_is_dense(active)) {
        for (uint32_t lo = active->lo; lo < active->hi; lo += VYI_CHUNK)
            sum += vyi_chunk_true(bools + lo);
        return sum;
    }
    for (uint32_t i = 0; i < active->count; i++)
        sum += bools[lanes[i]];
    return sum;
}

/* Sorts `count` lanes behind those that have been sorted, `yes` of them into the first
 * list and `no` into the second; the new `yes`. */
static uint32_t vyi_if_sort(vyi_step_block *b, const uint32_t *bools, uint32_t from, uint32_t count,
                            uint32_t yes)
{
    const uint16_t *const lanes = b->outer.lanes + from;
    uint16_t *const first = b->first;
    uint16_t *second = b->second + (from - yes);
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t lane = lanes[i];
        const uint32_t is = bools[lane];
        first[yes] = *second = lane;
        yes += is;
        second += 1 - is;
    }
    return yes;
}

/* Both lists.  Of a few lanes among many, most chunks have none. */
static void vyi_if_split(vyi_step_block *b, const uint32_t *bools)
{
    const vyi_active *outer = &b->outer;
    uint32_t yes = 0;
    if (!vyi_is_dense(outer)) {
        (void)vyi_if_sort(b, bools, 0, outer->count, 0);
        return;
    }
    for (uint32_t i = 0; i < outer->count; i += VYI_CHUNK) {
        if (vyi_chunk_true(bools + outer->lo + i))
            yes = vyi_if_sort(b, bools, i, VYI_CHUNK, yes);
        else
            memcpy(b->second + (i - yes), outer->lanes + i, VYI_CHUNK * sizeof *b->second);
    }
}

/* Most conditions are the same for all lanes; only others make lists. */
static const vyi_step *vyi_step_if(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    vyi_block_enter(m, b);
    const uint32_t count = b->outer.count, yes = vyi_count_true(&b->outer, s->a);
    if (yes == count) {
        b->other = vyi_active_of(NULL, 0);
        return s + 1;
    }
    if (yes == 0) {
        b->other = b->outer;
        m->active.count = 0;
        return s->skip;
    }
    vyi_if_split(b, s->a);
    m->active = vyi_active_of(b->first, yes);
    b->other = vyi_active_of(b->second, count - yes);
    return s + 1;
}

/* Lanes that have not run since the block began can have left it all the same:
 * by vyi_machine_part. */
static const vyi_step *vyi_step_else(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    m->active = b->other;
    if (m->leaves != b->leaves)
        m->active = vyi_active_of(b->second, vyi_keep_running(m, &b->other, b->second));
    return vyi_go_on(m, s);
}

static const vyi_step *vyi_step_end(vyi_machine *m, const vyi_step *s)
{
    return vyi_block_leave(m, s->block);
}

static uint32_t vyi_arm_of_literal(const vyi_step_block *b, uint32_t literal)
{
    uint32_t low = 0, high = b->case_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (b->cases[middle].literal < literal)
            low = middle + 1;
        else
            high = middle;
    }
    const bool found = low < b->case_count && b->cases[low].literal == literal;
    return found ? b->cases[low].arm : b->default_arm;
}

/* Sorts the lanes by arm: those of arm i are first[starts[i]] and on, up to
 * starts[i + 1].  Lanes without an arm come last. */
static void vyi_switch_sort(vyi_machine *m, vyi_step_block *b)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < b->arm_count + 2; i++) {
        const uint32_t count = b->starts[i];
        b->starts[i] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        b->first[b->starts[m->arm_of[lane]]++] = lane;
    }
    /* Each start has moved to the next one's place. */
    for (uint32_t i = b->arm_count + 1; i > 0; i--)
        b->starts[i] = b->starts[i - 1];
    b->starts[0] = 0;
}

static const vyi_step *vyi_step_switch(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    uint32_t literal = 0, arm = vyi_arm_of_literal(b, 0);
    vyi_block_enter(m, b);
    memset(b->starts, 0, (b->arm_count + 2) * sizeof b->starts[0]);
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        if (s->a[lane] != literal) {
            literal = s->a[lane];
            arm = vyi_arm_of_literal(b, literal);
        }
        m->arm_of[lane] = arm;
        b->starts[arm]++;
    }
    vyi_switch_sort(m, b);
    return s + 1;
}

static const vyi_step *vyi_step_arm(vyi_machine *m, const vyi_step *s)
{
    const uint32_t *starts = s->block->starts + s->arm;
    uint16_t *lanes = s->block->first + starts[0];
    m->active = vyi_active_of(lanes, starts[1] - starts[0]);
    if (m->leaves != s->block->leaves) /* as in else */
        m->active = vyi_active_of(lanes, vyi_keep_running(m, &m->active, lanes));
    return vyi_go_on(m, s);
}

/* --- loops --------------------------------------------------------------- */

/* Takes the first `count` members' next iteration from what they may still
 * spend; returns how many may begin it. */
static uint32_t vyi_loop_spend(vyi_machine *m, vyi_step_block *b, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t lane = b->first[i];
        const uint32_t begins = m->spent[lane] < m->allowed[lane];
        b->first[n] = lane;
        n += begins;
        m->spent[lane] += begins;
        m->cut[lane] |= 1u - begins;
    }
    return n;
}

static bool vyi_loop_may_go_round(vyi_machine *m, vyi_step_block *b)
{
    if (!b->is_round_loop)
        return true;
    if ((m->max_rounds && b->rounds >= m->max_rounds) ||
        (m->ask && !m->ask(m->ask_user, b->rounds))) {
        m->timed_out = true;
        return false;
    }
    b->rounds++;
    return true;
}

/* Goes on with an iteration, unless the run is to pause: then whoever resumes it
 * does. */
static const vyi_step *vyi_loop_go_on(vyi_machine *m, vyi_step_block *b)
{
    if (!m->pause || b->is_round_loop || --m->iterations)
        return b->body;
    m->iterations = VYI_WORK_ITERATIONS;
    if (!m->pause(m->pause_user))
        return b->body;
    m->paused = b->body;
    m->paused_in = b;
    return NULL;
}

/* Begins an iteration with the first `count` members, or leaves the loop. */
static const vyi_step *vyi_loop_begin(vyi_machine *m, vyi_step_block *b, uint32_t count)
{
    if (vyi_machine_stopped(m))
        return NULL;
    if (count && !vyi_loop_may_go_round(m, b))
        count = 0;
    if (count && m->loop_limit)
        count = vyi_loop_spend(m, b, count);
    if (!count)
        return vyi_block_leave(m, b);
    b->other = vyi_active_of(b->first, count);
    b->round_leaves = m->leaves;
    m->active = b->other;
    return vyi_loop_go_on(m, b);
}

/* Members of the next iteration: without those that broke or returned.  Lanes
 * that broke run again behind the loop, so their mark goes, too. */
static uint32_t vyi_loop_stay(vyi_machine *m, vyi_step_block *b)
{
    if (m->leaves == b->round_leaves)
        return b->other.count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->other.count; i++) {
        const uint16_t lane = b->first[i];
        const uint8_t state = m->state[lane];
        b->first[n] = lane;
        n += state <= VYI_LANE_CONTINUED;
        if (state != VYI_LANE_RETURNED)
            m->state[lane] = VYI_LANE_RUNS;
    }
    return n;
}

static const vyi_step *vyi_step_loop(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    uint32_t n = 0;
    vyi_block_enter(m, b);
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        s->d[lane] = s->a[lane];
        b->first[n] = lane;
        n += s->a[lane] < s->b[lane];
    }
    return vyi_loop_begin(m, b, n);
}

static const vyi_step *vyi_step_loop_end(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    const uint32_t stay = vyi_loop_stay(m, b);
    uint32_t n = 0;
    for (uint32_t i = 0; i < stay; i++) {
        const uint16_t lane = b->first[i];
        b->first[n] = lane;
        n += ++s->d[lane] < s->b[lane];
    }
    return vyi_loop_begin(m, b, n);
}

static const vyi_step *vyi_step_forever(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    vyi_block_enter(m, b);
    b->rounds = 0;
    memcpy(b->first, m->active.lanes, m->active.count * sizeof b->first[0]);
    return vyi_loop_begin(m, b, m->active.count);
}

static const vyi_step *vyi_step_forever_end(vyi_machine *m, const vyi_step *s)
{
    return vyi_loop_begin(m, s->block, vyi_loop_stay(m, s->block));
}

/* BREAK, CONTINUE, RETURN: `sub` is the state that the lanes get. */
static const vyi_step *vyi_step_leave(vyi_machine *m, const vyi_step *s)
{
    for (uint32_t i = 0; i < m->active.count; i++)
        m->state[m->active.lanes[i]] = s->sub;
    m->active.count = 0;
    m->leaves++;
    return s->skip;
}

static const vyi_step *vyi_step_loop_allow(vyi_machine *m, const vyi_step *s)
{
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        const uint32_t left = m->loop_limit - m->spent[lane];
        m->allowed[lane] = m->spent[lane] + (s->a[lane] < left ? s->a[lane] : left);
        m->cut[lane] = 0;
    }
    return s + 1;
}

/* --- parting ------------------------------------------------------------- */

/* To the one part it is as if the active lanes had returned, to the other as if
 * all others had. */

static bool vyi_anybody_waits(const vyi_machine *m)
{
    uint32_t live = 0;
    for (uint32_t lane = 0; lane < m->lanes; lane++)
        live += m->state[lane] != VYI_LANE_RETURNED;
    return live > m->active.count;
}

/* Both machines have the same layout, so what lies in the one block lies as far
 * into the other. */
static vyi_active vyi_active_in(const vyi_machine *m, const vyi_machine *spare, vyi_active a)
{
    if (a.lanes)
        a.lanes = (const uint16_t *)(const void *)((const uint8_t *)spare +
                                                   ((const uint8_t *)a.lanes - (const uint8_t *)m));
    return a;
}

static void vyi_copy_run(const vyi_machine *m, vyi_machine *spare)
{
    const size_t starts = (size_t)((const uint8_t *)m->fixed - (const uint8_t *)m->starts);
    const size_t rest = m->size - (size_t)((const uint8_t *)m->shared - (const uint8_t *)m);
    memcpy(spare->starts, m->starts, starts);
    memcpy(spare->shared, m->shared, rest);
    for (uint32_t i = 0; i < m->block_count; i++) {
        const vyi_step_block *from = &m->blocks[i];
        vyi_step_block *to = &spare->blocks[i];
        to->outer = vyi_active_in(m, spare, from->outer);
        to->other = vyi_active_in(m, spare, from->other);
        to->leaves = from->leaves;
        to->round_leaves = from->round_leaves;
        to->rounds = from->rounds;
    }
    spare->active = vyi_active_in(m, spare, m->active);
    spare->leaves = m->leaves;
    spare->max_rounds = m->max_rounds;
    spare->timed_out = m->timed_out;
    for (uint32_t i = 0; i < 3; i++) {
        spare->group[i] = m->group[i];
        spare->groups[i] = m->group[i] + 1;
    }
}

VYI_API bool vyi_machine_part(vyi_machine *m, vyi_machine *spare)
{
    VYRE_ASSERT(m->paused && !spare->paused && m->size == spare->size);
    if (!m->paused_in || !vyi_anybody_waits(m))
        return false;
    vyi_copy_run(m, spare);
    for (uint32_t i = 0; i < m->active.count; i++)
        spare->state[m->active.lanes[i]] = VYI_LANE_RETURNED;
    spare->leaves++;
    spare->paused_in = NULL;
    spare->paused = vyi_block_leave(spare, spare->blocks + (m->paused_in - m->blocks));

    memset(m->state, VYI_LANE_RETURNED, m->lanes);
    for (uint32_t i = 0; i < m->active.count; i++)
        m->state[m->active.lanes[i]] = VYI_LANE_RUNS;
    m->leaves++;
    m->paused_in->round_leaves = m->leaves; /* none of its members has left */
    return true;
}

/* --- locals and memory --------------------------------------------------- */

static const vyi_step *vyi_step_set(vyi_machine *m, const vyi_step *s)
{
    const vyi_active *active = &m->active;
    const uint16_t *const lanes = active->lanes;
    const uint32_t *const a = s->a;
    uint32_t *const d = s->d;
    if (vyi_is_dense(active)) {
        memcpy(d + active->lo, a + active->lo, active->count * sizeof *d);
        return s + 1;
    }
    for (uint32_t i = 0; i < active->count; i++)
        d[lanes[i]] = a[lanes[i]];
    return s + 1;
}

/* A word is read and written as a whole, as a device does it; only the program's
 * own atomics order it against other threads. */
static inline uint32_t vyi_memory_get(const vyi_memory_word *at)
{
#if defined(__GNUC__) || defined(__clang__)
    return vyi_le32(__atomic_load_n(at, __ATOMIC_RELAXED));
#else
    return vyi_le32(vyi_load_relaxed(at));
#endif
}

static inline void vyi_memory_put(vyi_memory_word *at, uint32_t value)
{
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(at, vyi_le32(value), __ATOMIC_RELAXED);
#else
    vyi_store_relaxed(at, vyi_le32(value));
#endif
}

#define VYI_MEMORY_STEP(name, beyond, work)                                                        \
    static const vyi_step *vyi_step_##name(vyi_machine *m, const vyi_step *s)                      \
    {                                                                                              \
        vyi_memory_word *const words = s->memory->words;                                           \
        const uint32_t length = s->memory->length, count = m->active.count;                        \
        const uint16_t *const lanes = m->active.lanes;                                             \
        const uint32_t *const a = s->a, *const b = s->b, *const c = s->c;                          \
        uint32_t *const d = s->d;                                                                  \
        (void)b, (void)c, (void)d;                                                                 \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            const uint16_t lane = lanes[i];                                                        \
            const uint32_t at = a[lane];                                                           \
            if (at >= length) {                                                                    \
                beyond;                                                                            \
                continue;                                                                          \
            }                                                                                      \
            work;                                                                                  \
        }                                                                                          \
        return s + 1;                                                                              \
    }

VYI_MEMORY_STEP(load, d[lane] = 0, d[lane] = vyi_memory_get(words + at))
VYI_MEMORY_STEP(load_bool, d[lane] = 0, d[lane] = vyi_memory_get(words + at) != 0)
VYI_MEMORY_STEP(store, (void)0, vyi_memory_put(words + at, b[lane]))

/* Reads, changes and writes a word of memory at once; `expression` gives the
 * new content from `old` and `value`.  The helper acquires and releases, which
 * is at least what the program asked for. */
#define VYI_ATOMIC(name, expression)                                                               \
    static inline uint32_t vyi_atomic_##name(void *at, uint32_t value)                             \
    {                                                                                              \
        uint32_t seen = vyi_load_relaxed(at);                                                      \
        for (;;) {                                                                                 \
            const uint32_t old = vyi_le32(seen);                                                   \
            const uint32_t found = vyi_compare_exchange(at, seen, vyi_le32(expression));           \
            if (found == seen)                                                                     \
                return old;                                                                        \
            seen = found;                                                                          \
        }                                                                                          \
    }                                                                                              \
    VYI_MEMORY_STEP(atomic_##name, d[lane] = 0, d[lane] = vyi_atomic_##name(words + at, b[lane]))

VYI_ATOMIC(sub, old - value)
VYI_ATOMIC(and, old & value)
VYI_ATOMIC(or, old | value)
VYI_ATOMIC(xor, old ^ value)
VYI_ATOMIC(min_u32, old < value ? old : value)
VYI_ATOMIC(max_u32, old > value ? old : value)
VYI_ATOMIC(min_i32, (int32_t)old < (int32_t)value ? old : value)
VYI_ATOMIC(max_i32, (int32_t)old > (int32_t)value ? old : value)
VYI_ATOMIC(exchange, value)
VYI_MEMORY_STEP(atomic_cas, d[lane] = 0,
                d[lane] = vyi_le32(vyi_compare_exchange(words + at, vyi_le32(b[lane]),
                                                        vyi_le32(c[lane]))))
VYI_MEMORY_STEP(atomic_load, d[lane] = 0, d[lane] = vyi_le32(vyi_load_acquire(words + at)))
VYI_MEMORY_STEP(atomic_store, (void)0, vyi_store_release(words + at, vyi_le32(b[lane])))
#undef VYI_ATOMIC
#undef VYI_MEMORY_STEP

static inline uint32_t vyi_memory_add(void *at, uint32_t value)
{
#if VYI_BIG_ENDIAN
    return vyi_atomic_sub(at, 0u - value);
#else
    return vyi_fetch_add(at, value);
#endif
}

/* Neighbours that add to the same word do so at once, as if nothing had come
 * between them: kernels count with all their lanes. */
static uint32_t vyi_add_run(const vyi_step *s, const uint16_t *lanes, uint32_t count)
{
    const uint32_t at = s->a[lanes[0]];
    uint32_t n = 0, sum = 0;
    for (; n < count && s->a[lanes[n]] == at; n++) {
        s->d[lanes[n]] = sum;
        sum += s->b[lanes[n]];
    }
    const uint32_t before = vyi_memory_add(s->memory->words + at, sum);
    for (uint32_t i = 0; i < n; i++)
        s->d[lanes[i]] += before;
    return n;
}

static const vyi_step *vyi_step_atomic_add(vyi_machine *m, const vyi_step *s)
{
    const uint16_t *const lanes = m->active.lanes;
    const uint32_t count = m->active.count;
    for (uint32_t i = 0; i < count;) {
        if (s->a[lanes[i]] < s->memory->length)
            i += vyi_add_run(s, lanes + i, count - i);
        else
            s->d[lanes[i++]] = 0;
    }
    return s + 1;
}

static vyi_step_fn vyi_atomic_find(const vyi_inst *inst)
{
    const bool is_signed = inst->type == VYRE_TYPE_I32;
    switch (inst->sub) {
    case VYRE_ATOMIC_ADD: return vyi_step_atomic_add;
    case VYRE_ATOMIC_SUB: return vyi_step_atomic_sub;
    case VYRE_ATOMIC_AND: return vyi_step_atomic_and;
    case VYRE_ATOMIC_OR: return vyi_step_atomic_or;
    case VYRE_ATOMIC_XOR: return vyi_step_atomic_xor;
    case VYRE_ATOMIC_MIN: return is_signed ? vyi_step_atomic_min_i32 : vyi_step_atomic_min_u32;
    case VYRE_ATOMIC_MAX: return is_signed ? vyi_step_atomic_max_i32 : vyi_step_atomic_max_u32;
    default: return vyi_step_atomic_exchange;
    }
}

/* --- subgroups ----------------------------------------------------------- */

#define VYI_MAX_SUBGROUP 128u

/* The active lanes of one subgroup: lanes[0 .. count - 1]. */
typedef struct vyi_subgroup {
    const uint16_t *lanes;
    uint32_t        count;
} vyi_subgroup;

typedef void (*vyi_subgroup_fn)(const vyi_machine *m, const vyi_step *s, vyi_subgroup g);

static const vyi_step *vyi_each_subgroup(const vyi_machine *m, const vyi_step *s,
                                         vyi_subgroup_fn work)
{
    const vyi_active *active = &m->active;
    for (uint32_t i = 0, end; i < active->count; i = end) {
        const uint32_t which = (uint32_t)active->lanes[i] >> m->subgroup_shift;
        vyi_subgroup g;
        for (end = i + 1; end < active->count; end++) {
            if ((uint32_t)active->lanes[end] >> m->subgroup_shift != which)
                break;
        }
        g.lanes = active->lanes + i;
        g.count = end - i;
        work(m, s, g);
    }
    return s + 1;
}

static void vyi_subgroup_fill(const vyi_step *s, vyi_subgroup g, uint32_t value)
{
    for (uint32_t i = 0; i < g.count; i++)
        s->d[g.lanes[i]] = value;
}

static void vyi_subgroup_ballot(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < g.count; i++) {
        const uint32_t bit = g.lanes[i] & (m->subgroup_size - 1u);
        if (bit < 32 && s->a[g.lanes[i]])
            bits |= 1u << bit;
    }
    vyi_subgroup_fill(s, g, bits);
}

static void vyi_subgroup_elect(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    (void)m;
    vyi_subgroup_fill(s, g, 0);
    s->d[g.lanes[0]] = 1;
}

static void vyi_subgroup_any(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t any = 0;
    (void)m;
    for (uint32_t i = 0; i < g.count; i++)
        any |= s->a[g.lanes[i]];
    vyi_subgroup_fill(s, g, any);
}

static void vyi_subgroup_all(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t all = 1;
    (void)m;
    for (uint32_t i = 0; i < g.count; i++)
        all &= s->a[g.lanes[i]];
    vyi_subgroup_fill(s, g, all);
}

static void vyi_subgroup_broadcast_first(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    (void)m;
    vyi_subgroup_fill(s, g, s->a[g.lanes[0]]);
}

/* A lane that is not active, or not of the subgroup, counts as holding 0. */
static void vyi_subgroup_shuffle(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t values[VYI_MAX_SUBGROUP];
    memset(values, 0, m->subgroup_size * sizeof values[0]);
    for (uint32_t i = 0; i < g.count; i++)
        values[g.lanes[i] & (m->subgroup_size - 1u)] = s->a[g.lanes[i]];
    for (uint32_t i = 0; i < g.count; i++) {
        const uint32_t from = s->b[g.lanes[i]];
        s->d[g.lanes[i]] = from < m->subgroup_size ? values[from] : 0u;
    }
}

/* Reductions go by the lanes' functions of the same name, lane by lane in
 * ascending order, so that sums of f32 are repeatable. */
static void vyi_subgroup_reduce(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    static const uint8_t operators[VYRE_REDUCE_OP_COUNT] = {
        VYI_BINARY_ADD, VYI_BINARY_MIN, VYI_BINARY_MAX,
        VYI_BINARY_AND, VYI_BINARY_OR, VYI_BINARY_XOR
    };
    uint32_t sum[VYI_CHUNK] = { 0 }, value[VYI_CHUNK] = { 0 }, result[VYI_CHUNK];
    vyi_inst inst;
    (void)m;
    memset(&inst, 0, sizeof inst);
    inst.op = VYI_OP_BINARY;
    inst.sub = operators[s->sub];
    const vyi_lanes_fn combine = vyi_lanes_find(&inst, s->type);

    sum[0] = s->a[g.lanes[0]];
    for (uint32_t i = 1; i < g.count; i++) {
        value[0] = s->a[g.lanes[i]];
        combine(result, sum, value, value, VYI_CHUNK);
        sum[0] = result[0];
    }
    vyi_subgroup_fill(s, g, sum[0]);
}

#define VYI_SUBGROUP_STEP(name)                                                                    \
    static const vyi_step *vyi_step_##name(vyi_machine *m, const vyi_step *s)                      \
    {                                                                                              \
        return vyi_each_subgroup(m, s, vyi_subgroup_##name);                                       \
    }
VYI_SUBGROUP_STEP(ballot)
VYI_SUBGROUP_STEP(elect)
VYI_SUBGROUP_STEP(any)
VYI_SUBGROUP_STEP(all)
VYI_SUBGROUP_STEP(broadcast_first)
VYI_SUBGROUP_STEP(shuffle)
VYI_SUBGROUP_STEP(reduce)
#undef VYI_SUBGROUP_STEP

/* --- the clock ------------------------------------------------------------ */

static const vyi_step *vyi_fill(const vyi_machine *m, const vyi_step *s, uint32_t value)
{
    for (uint32_t i = 0; i < m->active.count; i++)
        s->d[m->active.lanes[i]] = value;
    return s + 1;
}

static const vyi_step *vyi_step_clock(vyi_machine *m, const vyi_step *s)
{
    m->clock = vyi_now();
    return vyi_fill(m, s, (uint32_t)m->clock);
}

static const vyi_step *vyi_step_clock_high(vyi_machine *m, const vyi_step *s)
{
    return vyi_fill(m, s, (uint32_t)(m->clock >> 32));
}

/* --- which one ----------------------------------------------------------- */

static vyi_step_fn vyi_end_find(const vyi_inst *opener)
{
    switch (opener->op) {
    case VYI_OP_LOOP: return vyi_step_loop_end;
    case VYI_OP_FOREVER: return vyi_step_forever_end;
    default: return vyi_step_end;
    }
}

VYI_API vyi_step_fn vyi_step_find(const vyi_inst *inst, const vyi_inst *opener)
{
    switch (inst->op) {
    case VYI_OP_LOAD: return inst->type == VYRE_TYPE_BOOL ? vyi_step_load_bool : vyi_step_load;
    case VYI_OP_STORE: return vyi_step_store;
    case VYI_OP_ATOMIC: return vyi_atomic_find(inst);
    case VYI_OP_ATOMIC_CAS: return vyi_step_atomic_cas;
    case VYI_OP_ATOMIC_LOAD: return vyi_step_atomic_load;
    case VYI_OP_ATOMIC_STORE: return vyi_step_atomic_store;
    case VYI_OP_SET: return vyi_step_set;
    case VYI_OP_IF: return vyi_step_if;
    case VYI_OP_ELSE: return vyi_step_else;
    case VYI_OP_SWITCH: return vyi_step_switch;
    case VYI_OP_CASE:
    case VYI_OP_DEFAULT: return vyi_step_arm;
    case VYI_OP_LOOP: return vyi_step_loop;
    case VYI_OP_FOREVER: return vyi_step_forever;
    case VYI_OP_END: return vyi_end_find(opener);
    case VYI_OP_BREAK:
    case VYI_OP_CONTINUE:
    case VYI_OP_RETURN: return vyi_step_leave;
    case VYI_OP_LOOP_ALLOW: return vyi_step_loop_allow;
    case VYI_OP_BALLOT: return vyi_step_ballot;
    case VYI_OP_ELECT: return vyi_step_elect;
    case VYI_OP_ANY: return vyi_step_any;
    case VYI_OP_ALL: return vyi_step_all;
    case VYI_OP_BROADCAST_FIRST: return vyi_step_broadcast_first;
    case VYI_OP_SHUFFLE: return vyi_step_shuffle;
    case VYI_OP_REDUCE: return vyi_step_reduce;
    case VYI_OP_CLOCK: return vyi_step_clock;
    case VYI_OP_CLOCK_HIGH: return vyi_step_clock_high;
    default: return NULL;
    }
}

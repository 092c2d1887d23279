/* ==========================================================================
 * plan: how many groups serve slots
 *
 * Any number of lanes serves any ring, and a lease takes its lanes from its dispatch.
 * So a level is a number of groups: all that the handle would have without a tuner, a
 * half of them, a quarter, an eighth.
 *
 *  - At open, each level serves works that do nothing, and what it takes for them
 *    races against what all groups take (vyre_race): without a clear gain all stay.
 *  - LIVE: while works run, how full the ring was says how many groups the next lease
 *    has, as the original's launch policy would have it (vyre_policy_advise).
 *
 * More groups come with the next lease, fewer only after several decisions that agree:
 * else bursts would change the level at each lease.
 * ======================================================================= */
#include "rooms/plan/plan_impl.h"

#ifndef VYRE_NO_PLAN

#include "engine/engine_slots_impl.h"

#define VYI_TUNE_WARM   4u  /* echoes that are not counted: the kernel begins */
#define VYI_TUNE_ECHOES 32u
#define VYI_TUNE_RINGS  12u /* full ones */
#define VYI_TUNE_AGREE  16u /* decisions for fewer groups, until there are fewer */
#define VYI_TUNE_IDLE   64u /* decisions that found no work, until there are the fewest */
#define VYI_TUNE_LOOKS  256u  /* slots of a look, at most: the device writes where it reads */
#define VYI_TUNE_LOOK_NS 1000000u /* between two looks */
#define VYI_TUNE_BLOCK  64u /* works that are written at a time */
#define VYI_TUNE_STOP_NS 2000000000u

typedef struct vyi_trial {
    uint64_t deadline;
    uint64_t echo[VYRE_LEVELS][VYI_TUNE_ECHOES];
    uint64_t drain[VYRE_LEVELS][VYI_TUNE_RINGS];
} vyi_trial;

static uint32_t vyi_level_groups(const vyi_device *d, uint32_t level)
{
    const uint32_t groups = d->groups >> level;
    return groups ? groups : 1;
}

/* --- what is said ----------------------------------------------------------- */

/* The next lease has that level. */
static void vyi_tune_take(vyi_queue *q, uint32_t level)
{
    vyi_device *d = vyi_queue_device(q);
    vyi_tuned *t = &q->tuned;
    vyi_mutex_lock(&q->v->brief);
    d->level = t->said.level = level;
    t->said.lanes = d->group_size * vyi_level_groups(d, level);
    vyi_mutex_unlock(&q->v->brief);
}

static void vyi_tune_say(vyi_queue *q, const char *format, ...) VYI_PRINTF(2, 3);

static void vyi_tune_say(vyi_queue *q, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vyi_mutex_lock(&q->v->brief);
    vsnprintf(q->tuned.said.text, sizeof q->tuned.said.text, format, list);
    vyi_mutex_unlock(&q->v->brief);
    va_end(list);
}

/* --- at open ------------------------------------------------------------------ */

/* Why there is one level, or NULL.  What is measured must be nobody's but the
 * library's: a payload, and the code of a workspace, would run for it. */
static const char *vyi_tune_hindered(const vyi_queue *q, const vyi_device *d)
{
    const vyre_kernel_desc *k = &q->v->desc.kernel;
    if (q->mode != VYRE_MODE_PERSISTENT)
        return "works are served in passes";
    if (d->groups < 2)
        return "there is one group";
    if (k->workgroup_size || k->lane_count)
        return "the program has set kernel.workgroup_size or lane_count";
    if (q->wides.count || k->children)
        return "groups have more to do than to serve slots";
    if (k->kind == VYRE_KERNEL_JIT || k->workspace)
        return "the program's own code would run for it";
    return d->divisible ? NULL : "of this device a lease has a fixed number of lanes";
}

static uint32_t vyi_tune_levels(const vyi_device *d)
{
    uint32_t levels = 1;
    while (levels < VYRE_LEVELS && d->groups >> levels)
        levels++;
    return levels;
}

static vyre_priority vyi_tune_priority(const vyi_queue *q, uint32_t slot)
{
    for (uint32_t i = 0; i < q->slots.levels && q->slots.levels > 1; i++) {
        const vyi_share *share = &q->slots.pool.shares[i];
        if (slot - share->first < share->count)
            return vyi_priority_of(i);
    }
    return VYRE_PRIORITY_NORMAL;
}

static void vyi_tune_fill(const vyi_queue *q, uint32_t first, uint32_t count)
{
    vyre_work nothing[VYI_TUNE_BLOCK];
    memset(nothing, 0, sizeof nothing);
    for (uint32_t i = 0; i < count; i += VYI_TUNE_BLOCK) {
        const uint32_t rest = count - i;
        const uint32_t n = rest < VYI_TUNE_BLOCK ? rest : VYI_TUNE_BLOCK;
        for (uint32_t j = 0; j < n; j++)
            nothing[j].priority = vyi_tune_priority(q, first + i + j);
        vyi_slots_write(q, vyi_queue_device(q), first + i, nothing, n);
    }
}

/* Empty works in slots whose mirror words are 0, to their end; VYRE_TIMEOUT. */
static vyre_status vyi_tune_serve(vyi_queue *q, uint32_t first, uint32_t count, uint64_t deadline,
                                  uint64_t *ns, vyre_error *err)
{
    uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    const uint64_t begin = vyi_now();
    vyi_pace pace = vyi_pace_begin(deadline > begin ? deadline - begin : 0);
    vyre_status status = begin < deadline ? VYRE_OK : VYRE_TIMEOUT;
    if (status == VYRE_OK)
        vyi_tune_fill(q, first, count);
    for (uint32_t i = first; i < first + count && status == VYRE_OK; i++) {
        while (status == VYRE_OK && vyi_load_acquire(&mirror[i]) == 0)
            status = vyi_pace_turn(q, &pace, err);
    }
    *ns = vyi_now() - begin;
    for (uint32_t i = first; i < first + count; i++)
        vyi_store_relaxed(&mirror[i], 0);
    vyi_fence_stores();
    return status;
}

/* All samples of a level, of a kernel that runs. */
static vyre_status vyi_tune_sample(vyi_queue *q, vyi_trial *trial, uint32_t level, vyre_error *err)
{
    const uint32_t share = q->slots.levels > 1 ? vyi_priority_level(VYRE_PRIORITY_NORMAL) : 0;
    const vyi_share *usual = &q->slots.pool.shares[share];
    vyre_status status = VYRE_OK;
    uint64_t warm = 0;
    for (uint32_t i = 0; i < VYI_TUNE_WARM + VYI_TUNE_ECHOES && status == VYRE_OK; i++)
        status = vyi_tune_serve(q, usual->first + i % usual->count, 1, trial->deadline,
                                i < VYI_TUNE_WARM ? &warm : &trial->echo[level][i - VYI_TUNE_WARM],
                                err);
    for (uint32_t i = 0; i < VYI_TUNE_RINGS && status == VYRE_OK; i++)
        status = vyi_tune_serve(q, 0, q->slots.lanes, trial->deadline, &trial->drain[level][i],
                                err);
    return status;
}

/* Nothing of what was measured is left in the handle. */
static vyre_status vyi_tune_clear(vyi_queue *q, vyre_error *err)
{
    vyi_device *d = vyi_queue_device(q);
    const vyi_device_buffer *list = q->v->buffers.list;
    VYRE_ASSERT(vyi_queue_in_flight(q) == 0);
    memset(d->map[VYI_ROLE_RING], 0, list[VYI_ROLE_RING].size);
    memset(d->map[q->slots.mirror], 0, list[q->slots.mirror].size);
    q->chain.leases = 0;
    if (q->v->trace.events)
        vyi_trace_forget(q->v);
    vyi_figures_note(q);
    return vyi_control_init(q, d, err);
}

static vyre_status vyi_tune_level(vyi_queue *q, vyi_trial *trial, uint32_t level, vyre_error *err)
{
    vyi_tune_take(q, level);
    vyre_status status = vyre_start(q->v, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_tune_sample(q, trial, level, err);
    if (status < 0)
        return status;
    const vyre_status stopped = vyi_queue_stop(q, VYI_TUNE_STOP_NS, err);
    if (stopped == VYRE_TIMEOUT)
        return vyi_fail(err, VYRE_E_LEASE, level, "Set vyre_desc.tune to VYRE_TUNE_OFF.",
                        "a kernel that was measured did not stop within two seconds");
    return stopped == VYRE_OK ? status : stopped;
}

/* --- the race ------------------------------------------------------------------ */

static void vyi_tune_sort(uint64_t *samples, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const uint64_t moving = samples[i];
        uint32_t at = i;
        for (; at > 0 && samples[at - 1] > moving; at--)
            samples[at] = samples[at - 1];
        samples[at] = moving;
    }
}

/* Of level `level` against level 0, without the slowest quarter of each: that is the
 * host's. */
static vyre_verdict vyi_tune_race(const uint64_t *base, const uint64_t *trial, uint32_t count,
                                  uint64_t *mean)
{
    vyre_race race;
    memset(&race, 0, sizeof race);
    for (uint32_t i = 0; i < count - count / 4; i++) {
        vyre_race_base(&race, base[i]);
        vyre_race_trial(&race, trial[i]);
    }
    return vyre_race_verdict(&race, NULL, mean);
}

/* The best of those that a race adopts; for many works at a time only one that keeps a
 * work's round trip. */
static uint32_t vyi_tune_choose(vyi_queue *q, vyi_trial *trial)
{
    vyre_tuning *said = &q->tuned.said;
    const bool many = q->v->desc.tune_goal == VYRE_PLAN_THROUGHPUT;
    const uint64_t *means = many ? said->drain_ns : said->round_trip_ns;
    uint32_t best = 0;
    for (uint32_t i = 0; i < said->levels; i++) {
        vyi_tune_sort(trial->echo[i], VYI_TUNE_ECHOES);
        vyi_tune_sort(trial->drain[i], VYI_TUNE_RINGS);
        const vyre_verdict echo = vyi_tune_race(trial->echo[0], trial->echo[i], VYI_TUNE_ECHOES,
                                                &said->round_trip_ns[i]);
        const vyre_verdict drain = vyi_tune_race(trial->drain[0], trial->drain[i], VYI_TUNE_RINGS,
                                                 &said->drain_ns[i]);
        const bool slower = said->round_trip_ns[i] > said->round_trip_ns[0] / 50 * 51;
        if ((many ? drain : echo) == VYRE_RACE_ADOPT && !(many && slower) &&
            means[i] < means[best])
            best = i;
    }
    return best;
}

static void vyi_tune_tell(vyi_queue *q, uint32_t level)
{
    const vyre_tuning *s = &q->tuned.said;
    vyi_tune_say(q, "level %u of %u, %u lanes: a work %llu ns, a full ring %llu; with all lanes "
                 "%llu and %llu", (unsigned)level, (unsigned)s->levels, (unsigned)s->lanes,
                 (unsigned long long)s->round_trip_ns[level],
                 (unsigned long long)s->drain_ns[level], (unsigned long long)s->round_trip_ns[0],
                 (unsigned long long)s->drain_ns[0]);
}

static vyre_status vyi_tune_measure(vyi_queue *q, vyre_error *err)
{
    vyi_trial trial;
    vyre_status status = VYRE_OK;
    const uint32_t levels = q->tuned.said.levels;
    trial.deadline = vyi_deadline(q->v->desc.tune_ns);
    q->tuned.said.levels = 0; /* nobody is to decide meanwhile */
    for (uint32_t i = 0; i < levels && status == VYRE_OK; i++)
        status = vyi_tune_level(q, &trial, i, err);
    if (status < 0)
        return status;
    q->tuned.said.levels = levels;
    const uint32_t level = status == VYRE_OK ? vyi_tune_choose(q, &trial) : 0;
    vyi_tune_take(q, level);
    if (status == VYRE_OK)
        vyi_tune_tell(q, level);
    else
        vyi_tune_say(q, "all lanes: %llu us were not enough to measure %u levels",
                     (unsigned long long)(q->v->desc.tune_ns / 1000u), (unsigned)levels);
    if (status == VYRE_OK)
        vyi_queue_device(q)->verdict = 0x10000u | levels << 8 |
                                       (uint32_t)q->v->desc.tune_goal << 4 | level;
    return vyi_tune_clear(q, err);
}

/* The level that an earlier open has found, under the same conditions. */
static bool vyi_tune_recall(const vyi_queue *q, uint32_t *level)
{
    const uint32_t verdict = vyi_queue_device(q)->verdict;
    *level = verdict & 15u;
    return *level < q->tuned.said.levels &&
           verdict - *level == (0x10000u | q->tuned.said.levels << 8 |
                                (uint32_t)q->v->desc.tune_goal << 4);
}

VYI_COLD
static vyre_status vyi_tune_open(vyi_queue *q, vyre_error *err)
{
    const vyi_device *d = vyi_queue_device(q);
    const char *why = vyi_tune_hindered(q, d);
    vyre_status status = VYRE_OK;
    uint32_t level = 0;
    q->tuned.said.levels = why ? 1 : vyi_tune_levels(d);
    if (why) {
        vyi_tune_take(q, 0);
        vyi_tune_say(q, "one level: %s", why);
    } else if (vyi_tune_recall(q, &level)) {
        vyi_tune_take(q, level);
        vyi_tune_say(q, "level %u of %u, as an earlier open has measured it", (unsigned)level,
                     (unsigned)q->tuned.said.levels);
    } else {
        status = vyi_tune_measure(q, err);
    }
    q->tuned.chosen = q->tuned.wanted = q->tuned.said.level;
    return status;
}

/* --- while works run ------------------------------------------------------------- */

static bool vyi_tune_lives(const vyi_queue *q)
{
    return q->v->desc.tune == VYRE_TUNE_LIVE && q->tuned.said.levels > 1;
}

/* Works in flight, of 10000 slots; of a large ring every so many are looked at. */
static uint32_t vyi_tune_density(const vyi_queue *q)
{
    const uint32_t step = (q->slots.lanes + VYI_TUNE_LOOKS - 1) / VYI_TUNE_LOOKS;
    uint32_t looked = 0, waits = 0;
    for (uint32_t slot = 0; slot < q->slots.lanes; slot += step, looked++)
        waits += vyi_slot_waits(q, slot);
    return waits ? (waits * 10000u + looked - 1) / looked : 0;
}

static void vyi_tune_look(vyi_queue *q)
{
    if (!vyi_tune_lives(q))
        return;
    const uint64_t now = vyi_now();
    if (now < q->tuned.look_at)
        return;
    q->tuned.look_at = now + VYI_TUNE_LOOK_NS;
    const uint32_t density = vyi_tune_density(q);
    if (density > q->tuned.most)
        q->tuned.most = density;
}

/* The level with the fewest groups that are as many as the policy wants. */
static uint32_t vyi_tune_advised(const vyi_queue *q, vyre_topology *topology)
{
    const vyi_device *d = vyi_queue_device(q);
    const vyi_tuned *t = &q->tuned;
    const vyre_topology before = t->said.topology;
    vyre_policy_request r;
    vyre_policy_advice advice;
    memset(&r, 0, sizeof r);
    r.queue = (uint32_t)((uint64_t)t->most * q->slots.lanes / 10000u);
    r.queue = t->most && !r.queue ? 1 : r.queue;
    r.nodes = q->slots.lanes;
    r.density_bps = (uint16_t)t->most;
    r.worker_groups = vyi_level_groups(d, t->chosen);
    r.max_workgroup_size = r.max_invocations = d->group_size;
    r.max_groups = d->groups;
    const vyre_status status = vyre_policy_advise(NULL, &r, &before, &advice, NULL);
    VYRE_ASSERT(status == VYRE_OK); /* no ring is so large that a number would not fit */
    if (status != VYRE_OK)
        return t->chosen;
    uint32_t level = t->chosen;
    while (level + 1 < t->said.levels && vyi_level_groups(d, level + 1) >= advice.worker_groups)
        level++;
    *topology = advice.topology;
    return level;
}

/* What the next lease has: more groups at once, fewer when decisions agree. */
static uint32_t vyi_tune_decide(vyi_tuned *t, uint32_t advised)
{
    const uint32_t now = t->said.level;
    t->idle = t->most ? 0 : t->idle < VYI_TUNE_IDLE ? t->idle + 1 : t->idle;
    if (t->most == 0) {
        t->lower = 0;
        return t->idle == VYI_TUNE_IDLE ? t->said.levels - 1 : now;
    }
    if (advised <= now) {
        t->lower = 0;
        return advised;
    }
    t->wanted = t->lower && t->wanted < advised ? t->wanted : advised;
    if (++t->lower < VYI_TUNE_AGREE)
        return now;
    t->lower = 0;
    return t->wanted;
}

/* Fewer lanes take longer for a round, more of them less. */
static void vyi_tune_change(vyi_queue *q, uint32_t level)
{
    vyi_chain *c = &q->chain;
    const uint32_t now = q->tuned.said.level;
    if (c->rounds > 1u << VYRE_LEVELS && level > now && !q->v->desc.lease.rounds)
        c->rounds >>= level - now;
    c->least_ns >>= level > now ? level - now : now - level;
    vyi_tune_take(q, level);
    vyi_mutex_lock(&q->v->brief);
    q->tuned.said.changes++;
    vyi_mutex_unlock(&q->v->brief);
}

static void vyi_tune_lease(vyi_queue *q)
{
    vyi_tuned *t = &q->tuned;
    vyre_topology topology = t->said.topology;
    if (!vyi_tune_lives(q))
        return;
    const uint32_t level = vyi_tune_decide(t, vyi_tune_advised(q, &topology));
    vyi_mutex_lock(&q->v->brief);
    t->said.topology = topology;
    t->said.density_bps = (uint16_t)t->most;
    vyi_mutex_unlock(&q->v->brief);
    t->most = 0;
    if (level != t->said.level)
        vyi_tune_change(q, level);
}

/* --- another device ---------------------------------------------------------------- */

static void vyi_tune_renew(vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    vyi_tuned *t = &q->tuned;
    const uint32_t levels = vyi_tune_hindered(q, d) ? 1 : vyi_tune_levels(d);
    vyi_mutex_lock(&q->v->brief);
    t->said.levels = levels;
    vyi_mutex_unlock(&q->v->brief);
    t->chosen = t->chosen < levels ? t->chosen : levels - 1;
    t->most = t->idle = t->lower = 0;
    vyi_tune_take(q, t->chosen);
}

VYI_API const vyi_tuner *vyi_plan_tuner(void)
{
    static const vyi_tuner tuner = { vyi_tune_open, vyi_tune_look, vyi_tune_lease,
                                     vyi_tune_renew };
    return &tuner;
}

#endif /* VYRE_NO_PLAN */

/* ==========================================================================
 * fuse: a run in waves
 *
 * First the plan: which works run, in which order, where waves end.  Then one
 * wave after the other, through vyre_run; where rows of results or a deadline are
 * asked for, by tickets, so few at a time that no slot is used again before its
 * result was read.
 *
 * Where the handle has events, the device waits between waves instead of the host:
 * each wave has an event, which all of its works signal, and for which those of the
 * next one wait.  The works lie in the ring in the order of the waves, so whatever a
 * work waits for lies before it.
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#include "engine/engine_slots_impl.h"

#ifndef VYRE_NO_FUSE

typedef struct vyi_fused {
    vyre                *v;
    const vyre_run_desc *d;
    vyi_arena            arena;
    uint32_t            *stands;  /* of each work: the one that runs for it */
    bool                *ended;   /* of each work: it ran, and not FAULT */
    uint32_t            *order;   /* indexes of the works that run, wave by wave */
    vyre_work           *works;   /* them, in that order */
    uint32_t             run_count;
    uint32_t            *wave;    /* of each in `order`, ascending */
    uint32_t             waves;
    vyre_ticket         *tickets; /* of the last `window` that were published */
    uint32_t             window;
    uint64_t             deadline; /* VYRE_FOREVER: there is none */
    vyre_stats           stats;
    vyre_status          bad_status; /* of the first that was seen to fail */
    uint32_t             bad, bad_code; /* its index in `works`, its fault, */
    uint32_t             bad_wave, now; /* its wave; the wave that runs */
    bool                 ordered; /* by events: */
    uint32_t             before, event; /* that works wait for, and signal; 0: none */
    uint32_t             published; /* waves that have begun to be, so far */
} vyi_fused;

#define VYI_FUSED_FIX_LATE "Raise deadline_ns or run_timeout_ns, or see what blocks the work."

/* --- the plan ------------------------------------------------------------- */

static vyre_status vyi_fused_check(const vyre *v, const vyre_run_desc *d, vyre_error *err)
{
    if (!v || !d)
        return vyi_fuse_null(v ? "the desc" : "the handle", err);
    if (!d->works && d->count)
        return vyi_fuse_null("works", err);
    return vyi_works_fit(v, d->works, d->count, err);
}

/* Those that run, in the order of the array. */
static vyre_status vyi_fused_fold(vyi_fused *f, vyre_error *err)
{
    const vyre_run_desc *d = f->d;
    uint32_t folded = 0;
    if (d->traits || d->trait_count) {
        const vyre_status status = vyre_works_fold(d->works, d->count, d->traits, d->trait_count,
                                                   f->stands, NULL, 0, &folded,
                                                   &f->arena.allocator, err);
        if (status < 0)
            return status;
    } else {
        for (uint32_t i = 0; i < d->count; i++)
            f->stands[i] = i;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        if (f->stands[i] == i)
            f->order[f->run_count++] = i;
    }
    return VYRE_OK;
}

/* The list of works in the present order. */
static void vyi_fused_gather(vyi_fused *f)
{
    for (uint32_t i = 0; i < f->run_count; i++)
        f->works[i] = f->d->works[f->order[i]];
}

/* `scratch` has room for as many indexes as works run. */
static vyre_status vyi_fused_group(vyi_fused *f, uint32_t *scratch, vyre_error *err)
{
    const vyre_status status = vyre_works_group(f->works, f->run_count, scratch,
                                                &f->arena.allocator, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < f->run_count; i++) /* from places to indexes */
        scratch[i] = f->order[scratch[i]];
    memcpy(f->order, scratch, f->run_count * sizeof *scratch);
    return VYRE_OK;
}

/* The waves of the works that run, by their index in the array. */
static vyre_status vyi_fused_waves(vyi_fused *f, uint32_t *wave_of, uint32_t *scratch,
                                   vyre_error *err)
{
    void *memory = NULL;
    vyre_status status = vyi_fuse_alloc(&f->arena, f->run_count, sizeof(vyre_work_access),
                                        &memory, err);
    if (status < 0)
        return status;
    vyre_work_access *accesses = (vyre_work_access *)memory;
    for (uint32_t i = 0; i < f->run_count; i++)
        accesses[i] = f->d->accesses[f->order[i]];
    status = vyre_waves(accesses, f->run_count, false, scratch, NULL, &f->waves,
                        &f->arena.allocator, err);
    for (uint32_t i = 0; status == VYRE_OK && i < f->run_count; i++)
        wave_of[f->order[i]] = scratch[i];
    return status;
}

/* Sorts by waves, and leaves the order within each. */
static vyre_status vyi_fused_sort(vyi_fused *f, const uint32_t *wave_of, uint32_t *scratch,
                                  vyre_error *err)
{
    void *memory = NULL;
    const vyre_status status = vyi_fuse_alloc(&f->arena, (uint64_t)f->waves + 1, sizeof(uint32_t),
                                              &memory, err);
    if (status < 0)
        return status;
    uint32_t *next = (uint32_t *)memory; /* of each wave, the place of its next work */
    for (uint32_t i = 0; i < f->run_count; i++)
        next[wave_of[f->order[i]] + 1]++;
    for (uint32_t i = 1; i < f->waves; i++)
        next[i] += next[i - 1];
    for (uint32_t i = 0; i < f->run_count; i++)
        scratch[next[wave_of[f->order[i]]]++] = f->order[i];
    for (uint32_t i = 0; i < f->run_count; i++) {
        f->order[i] = scratch[i];
        f->wave[i] = wave_of[scratch[i]];
    }
    return VYRE_OK;
}

static vyre_status vyi_fused_arrays(vyi_fused *f, uint32_t **wave_of, uint32_t **scratch,
                                    vyre_error *err)
{
    void *memory[7];
    const size_t element[7] = { sizeof *f->stands, sizeof *f->ended, sizeof *f->order,
                                sizeof *f->works,  sizeof *f->wave,  sizeof **wave_of,
                                sizeof **scratch };
    for (uint32_t i = 0; i < 7; i++) {
        const vyre_status status = vyi_fuse_alloc(&f->arena, f->d->count, element[i], &memory[i],
                                                  err);
        if (status < 0)
            return status;
    }
    f->stands = (uint32_t *)memory[0];
    f->ended = (bool *)memory[1];
    f->order = (uint32_t *)memory[2];
    f->works = (vyre_work *)memory[3];
    f->wave = (uint32_t *)memory[4];
    *wave_of = (uint32_t *)memory[5];
    *scratch = (uint32_t *)memory[6];
    return VYRE_OK;
}

/* A slot is used again after as many publishes as its part of the ring has
 * slots; where several threads publish, a quarter of that. */
static vyre_status vyi_fused_tickets(vyi_fused *f, vyre_error *err)
{
    const vyre_kernel_desc *k = &f->v->desc.kernel;
    void *memory = NULL;
    f->window = k->kind == VYRE_KERNEL_PRIORITY ? k->slot_count / VYRE_PRIORITY_LEVELS / 4
                                                : k->slot_count / 4;
    f->window = f->window ? f->window : 1;
    const vyre_status status = vyi_fuse_alloc(&f->arena, f->window, sizeof *f->tickets, &memory,
                                              err);
    f->tickets = (vyre_ticket *)memory;
    return status;
}

static vyre_status vyi_fused_plan(vyi_fused *f, vyre_error *err)
{
    uint32_t *wave_of = NULL, *scratch = NULL;
    vyre_status status = vyi_fused_arrays(f, &wave_of, &scratch, err);
    if (status == VYRE_OK)
        status = vyi_fused_fold(f, err);
    f->waves = f->run_count ? 1 : 0;
    if (status == VYRE_OK && f->d->accesses)
        status = vyi_fused_waves(f, wave_of, scratch, err);
    if (status == VYRE_OK && f->d->group) {
        vyi_fused_gather(f);
        status = vyi_fused_group(f, scratch, err);
    }
    if (status == VYRE_OK && f->waves > 1)
        status = vyi_fused_sort(f, wave_of, scratch, err);
    if (status == VYRE_OK)
        vyi_fused_gather(f);
    f->ordered = f->waves > 1 && f->v->queue.order.count;
    if (status == VYRE_OK && (f->d->results || f->d->deadline_ns || f->ordered))
        status = vyi_fused_tickets(f, err);
    return status;
}

/* --- the waves ------------------------------------------------------------ */

static void vyi_fused_note(vyi_fused *f, uint32_t place, vyre_status status, uint32_t code)
{
    if (f->bad_status != VYRE_OK)
        return;
    f->bad_status = status;
    f->bad = f->order[place];
    f->bad_code = code;
    f->bad_wave = f->wave[place];
}

static uint64_t vyi_fused_left(const vyi_fused *f)
{
    const uint64_t now = vyi_now();
    if (f->deadline == VYRE_FOREVER)
        return f->v->desc.run_timeout_ns;
    return f->deadline > now ? f->deadline - now : 0;
}

static vyre_status vyi_fused_late(const vyi_fused *f, vyre_error *err)
{
    return vyi_fail(err, VYRE_TIMEOUT, f->now, VYI_FUSED_FIX_LATE, "wave %u of %u has not ended "
                    "in time; %llu of %u works have", (unsigned)(f->now + 1), (unsigned)f->waves,
                    (unsigned long long)f->stats.done, (unsigned)f->run_count);
}

/* It did not run, for a work of an earlier wave has failed. */
static bool vyi_fused_is_after(const vyi_fused *f, uint32_t place, vyre_status status,
                               uint32_t code)
{
    return f->ordered && status == VYRE_E_FAULT && code == VYRE_FAULT_AFTER &&
           f->bad_status != VYRE_OK && f->wave[place] > f->bad_wave;
}

/* Waits for the work at `place`, and reads its result. */
static vyre_status vyi_fused_take(vyi_fused *f, uint32_t place, vyre_error *err)
{
    const vyre_ticket ticket = f->tickets[place % f->window];
    const uint32_t index = f->order[place];
    vyre_error how;
    memset(&how, 0, sizeof how);
    const vyre_status status = vyre_wait(f->v, ticket, vyi_fused_left(f), &how);
    if (vyi_fused_is_after(f, place, status, (uint32_t)how.native))
        return VYRE_OK;
    f->now = f->wave[place];
    f->stats.waves = f->now + 1;
    if (status == VYRE_E_FAULT || status == VYRE_E_LOST) {
        f->stats.faults += status == VYRE_E_FAULT;
        vyi_fused_note(f, place, status, (uint32_t)how.native);
        return VYRE_OK;
    }
    if (status == VYRE_TIMEOUT)
        return vyi_fused_late(f, err);
    if (status != VYRE_OK) {
        if (err)
            *err = how;
        return status;
    }
    f->stats.done++;
    f->ended[index] = true;
    return f->d->results ? vyre_result(f->v, ticket, f->d->results[index], err) : VYRE_OK;
}

/* The first of a wave has its turn: the event that the wave signals, unless it is the last
 * one.  VYRE_FULL: there is none just now. */
static vyre_status vyi_fused_begin_wave(vyi_fused *f, uint32_t place, vyre_error *err)
{
    vyi_queue *q = &f->v->queue;
    uint32_t end = place, event = 0;
    while (end < f->run_count && f->wave[end] == f->wave[place])
        end++;
    if (end < f->run_count) {
        event = vyi_event_gather(q, end - place);
        if (!event)
            return vyi_news(err, VYRE_FULL, q->order.count, "Wait, or set vyre_desc.events "
                            "higher.", "all events are in use");
    }
    if (f->before)
        vyi_event_release(q, f->before);
    f->before = f->event;
    f->event = event;
    f->published = f->wave[place] + 1;
    return VYRE_OK;
}

static void vyi_fused_leave_waves(vyi_fused *f)
{
    if (f->before)
        vyi_event_release(&f->v->queue, f->before);
    if (f->event)
        vyi_event_release(&f->v->queue, f->event);
}

static vyre_status vyi_fused_put(vyi_fused *f, uint32_t place, vyre_error *err)
{
    vyi_queue *q = &f->v->queue;
    vyre_ticket *ticket = &f->tickets[place % f->window];
    vyi_receipt r = vyi_receipt_for(q, ticket);
    vyre_status status = VYRE_OK;
    if (f->ordered && f->wave[place] == f->published)
        status = vyi_fused_begin_wave(f, place, err);
    if (status != VYRE_OK)
        return status;
    if (f->ordered) {
        r.named = false;
        r.wait = f->before;
        r.signal = f->event;
    }
    status = vyi_publish_one(q, &q->slots.pool, &f->works[place], &r, err);
    if (status == VYRE_OK)
        *ticket = r.ticket;
    return status;
}

/* Publishes while there is room, in the ring and among the tickets; *next moves. */
static vyre_status vyi_fused_publish(vyi_fused *f, uint32_t oldest, uint32_t end, uint32_t *next,
                                     vyre_error *err)
{
    const uint64_t start = vyi_now();
    vyre_status status = VYRE_OK;
    while (status == VYRE_OK && *next < end && *next - oldest < f->window) {
        status = vyi_fused_put(f, *next, err);
        *next += status == VYRE_OK;
    }
    f->stats.publish_ns += vyi_now() - start;
    return status;
}

/* After a failure the rest of its wave runs, and no later one. */
static uint32_t vyi_fused_limit(const vyi_fused *f, uint32_t end)
{
    while (f->bad_status != VYRE_OK && f->wave[end - 1] > f->bad_wave)
        end--;
    return end;
}

static vyre_status vyi_fused_by_tickets(vyi_fused *f, uint32_t first, uint32_t end,
                                        vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(vyi_fused_left(f));
    uint32_t next = first, oldest = first;
    while (oldest < end || oldest < next) {
        vyre_status status = vyi_fused_publish(f, oldest, end, &next, err);
        if (status < 0)
            return status;
        if (next == oldest) { /* works of others fill the ring */
            status = vyi_pace_turn(&f->v->queue, &pace, err);
            if (status == VYRE_OK)
                continue;
            return status == VYRE_TIMEOUT ? vyi_fused_late(f, err) : status;
        }
        status = vyi_fused_take(f, oldest, err);
        if (status != VYRE_OK)
            return status;
        oldest++;
        end = vyi_fused_limit(f, end);
        pace = vyi_pace_begin(vyi_fused_left(f));
    }
    return VYRE_OK;
}

static void vyi_fused_add(vyre_stats *sum, const vyre_stats *s)
{
    sum->kernel_launches += s->kernel_launches;
    sum->recovered |= s->recovered;
    sum->done += s->done;
    sum->faults += s->faults;
    sum->publish_ns += s->publish_ns;
}

static vyre_status vyi_fused_whole(vyi_fused *f, uint32_t first, uint32_t end, vyre_error *err)
{
    vyre_stats s;
    vyre_error how;
    memset(&s, 0, sizeof s);
    memset(&how, 0, sizeof how);
    const vyre_status status = vyre_run(f->v, f->works + first, end - first, &s, &how);
    vyi_fused_add(&f->stats, &s);
    for (uint32_t i = first; status == VYRE_OK && i < end; i++)
        f->ended[f->order[i]] = true;
    if (status == VYRE_E_FAULT || status == VYRE_E_LOST) {
        vyi_fused_note(f, first + (uint32_t)how.at, status, (uint32_t)how.native);
        return VYRE_OK;
    }
    if (status != VYRE_OK && err)
        *err = how;
    return status;
}

static vyre_status vyi_fused_explain(const vyi_fused *f, vyre_error *err)
{
    if (f->bad_status == VYRE_OK)
        return VYRE_OK;
    vyi_fail(err, f->bad_status, f->bad, "Correct that work's opcode or arguments.",
             "work %u, in wave %u of %u, ended %s (fault %u: %s); %llu of %u works are done",
             (unsigned)f->bad, (unsigned)(f->bad_wave + 1), (unsigned)f->waves,
             f->bad_status == VYRE_E_FAULT ? "FAULT" : "with its device", (unsigned)f->bad_code,
             vyre_fault_text(f->bad_code), (unsigned long long)f->stats.done,
             (unsigned)f->run_count);
    if (err)
        err->native = (int32_t)f->bad_code;
    return f->bad_status;
}

static vyre_status vyi_fused_run(vyi_fused *f, vyre_error *err)
{
    uint32_t first = 0;
    if (f->ordered) {
        const vyre_status status = vyi_fused_by_tickets(f, 0, f->run_count, err);
        vyi_fused_leave_waves(f);
        return status == VYRE_OK ? vyi_fused_explain(f, err) : status;
    }
    while (first < f->run_count) {
        uint32_t end = first + 1;
        while (end < f->run_count && f->wave[end] == f->wave[first])
            end++;
        f->now = f->wave[first];
        f->stats.waves = f->now + 1;
        const vyre_status status = f->tickets ? vyi_fused_by_tickets(f, first, end, err)
                                              : vyi_fused_whole(f, first, end, err);
        if (status != VYRE_OK)
            return status;
        if (f->bad_status != VYRE_OK)
            break;
        first = end;
    }
    return vyi_fused_explain(f, err);
}

/* Folded works have the results of those that stand for them. */
static void vyi_fused_finish(vyi_fused *f)
{
    for (uint32_t i = 0; i < f->d->count; i++) {
        const uint32_t by = f->stands[i];
        if (by == i || !f->ended[by])
            continue;
        f->stats.folded++;
        if (f->d->results)
            memcpy(f->d->results[i], f->d->results[by], sizeof f->d->results[i]);
    }
}

static uint64_t vyi_fused_launches(vyre *v)
{
    vyre_info info;
    vyre_query(v, &info);
    return info.leases + info.passes;
}

/* Works only: nothing is to be planned. */
static bool vyi_fused_is_plain(const vyre_run_desc *d)
{
    return !d->group && !d->traits && !d->trait_count && !d->accesses && !d->deadline_ns &&
           !d->results;
}

static vyre_status vyi_fused_plain(vyre *v, const vyre_run_desc *d, vyre_stats *stats,
                                   vyre_error *err)
{
    const vyre_status status = vyre_run(v, d->works, d->count, stats, err);
    if (stats && (status == VYRE_OK || status == VYRE_E_FAULT))
        stats->waves = d->count != 0;
    return status;
}

VYRE_API vyre_status vyre_run_with(vyre *v, const vyre_run_desc *desc, vyre_stats *stats,
                                   vyre_error *err)
{
    vyi_fused f;
    const uint64_t start = vyi_now();
    vyre_status status = vyi_fused_check(v, desc, err);
    if (status < 0)
        return status;
    if (vyi_fused_is_plain(desc))
        return vyi_fused_plain(v, desc, stats, err);
    memset(&f, 0, sizeof f);
    f.v = v;
    f.d = desc;
    f.arena = vyi_fuse_arena(&v->desc.allocator);
    f.deadline = desc->deadline_ns ? vyi_deadline(desc->deadline_ns) : VYRE_FOREVER;
    const uint64_t launches = vyi_fused_launches(v);
    status = vyi_fused_plan(&f, err);
    const bool planned = status == VYRE_OK;
    if (planned) {
        status = vyi_fused_run(&f, err);
        vyi_fused_finish(&f);
    }
    if (planned && stats && (status >= 0 || status == VYRE_E_FAULT || status == VYRE_E_LOST)) {
        f.stats.kernel_launches = (uint32_t)(vyi_fused_launches(v) - launches);
        f.stats.input_bytes = f.stats.bytes_moved = (uint64_t)f.run_count * VYRE_SLOT_BYTES;
        f.stats.latency_ns = vyi_now() - start;
        f.stats.wait_ns = f.stats.latency_ns - f.stats.publish_ns;
        *stats = f.stats;
    }
    vyi_arena_free(&f.arena);
    return status;
}

#endif /* VYRE_NO_FUSE */

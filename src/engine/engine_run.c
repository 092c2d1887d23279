/* ==========================================================================
 * engine: whole runs, and byte-level dispatch
 * ======================================================================= */
#include "engine/run_impl.h"

#include "wire/wire.h"

/* --- statistics ---------------------------------------------------------- */

VYRE_API uint64_t vyre_stats_rate(uint64_t bytes, uint64_t latency_ns)
{
    uint64_t high = 0, low = 0; /* bytes * 10^9, 128 bits, a bit at a time */
    if (latency_ns == 0)
        return 0;
    for (uint32_t i = 0; i < 64; i++) {
        const uint64_t term = 1000000000u;
        if (!(bytes >> i & 1u))
            continue;
        const uint64_t add = term << i;
        high += (i ? term >> (64 - i) : 0) + (low + add < low);
        low += add;
    }
    uint64_t quotient = 0, rest = 0;
    for (uint32_t i = 128; i-- > 0;) {
        const uint64_t bit = i >= 64 ? high >> (i - 64) & 1u : low >> i & 1u;
        const bool over = rest >> 63 != 0;
        rest = rest << 1 | bit;
        if (!over && rest < latency_ns)
            continue;
        if (i >= 64)
            return UINT64_MAX;
        rest -= latency_ns;
        quotient |= (uint64_t)1 << i;
    }
    return quotient;
}

static void vyi_stats_begin(vyre_stats *s)
{
    memset(s, 0, sizeof *s);
    s->latency_ns = vyi_now();
}

static void vyi_stats_end(vyre_stats *s, vyre_stats *out)
{
    s->latency_ns = vyi_now() - s->latency_ns;
    if (out)
        *out = *s;
}

/* --- run ----------------------------------------------------------------- */

VYI_API vyre_ticket vyi_run_ticket(const vyi_run *r, uint32_t slot)
{
    vyre_ticket t;
    t.slot = r->v->queue.slots.tag | slot;
    t.generation = r->v->run.marks[slot];
    return t;
}

VYI_API void vyi_run_note(vyi_run *r, uint32_t slot, vyre_status status, uint32_t code)
{
    r->faults += status == VYRE_E_FAULT;
    r->lost += status == VYRE_E_LOST;
    if (r->bad_status != VYRE_OK)
        return;
    r->bad_status = status;
    r->bad_work = r->v->run.works[slot];
    r->bad_code = code;
}

/* The most of what a sweep finds, of a slot that is kept: its work is under way (PENDING),
 * or done (OK), and then the slot is let go in one move.  Else STALE: somebody should look
 * closer.  Nobody else has the ticket, so there is no callback. */
static vyre_status vyi_run_glance(vyi_queue *q, uint32_t slot, uint32_t generation)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    if (vyi_mark_phase(mark) != VYI_PHASE_KEPT || vyi_mark_generation(mark) != generation)
        return VYRE_E_STALE;
    const uint32_t word = vyi_slot_mirror_word(q, slot);
    if (word == 0)
        return VYRE_PENDING;
    const bool done = VYI_MIRROR_STATUS(word) == VYRE_SLOT_DONE &&
                      vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_FREE));
    return done ? VYRE_OK : VYRE_E_STALE;
}

/* Takes note of the end of the work that the run has in this slot, if it has
 * ended. */
static bool vyi_run_collect(vyi_run *r, uint32_t slot)
{
    vyre *v = r->v;
    uint32_t code = 0;
    const vyre_ticket t = vyi_run_ticket(r, slot);
    vyre_status status = vyi_run_glance(&v->queue, slot, t.generation);
    if (status == VYRE_E_STALE)
        status = vyi_ticket_look(&v->queue, t, &code);
    if (status == VYRE_PAUSED)
        vyi_task_take_back(&v->queue, t);
    if (vyi_status_is_open(status))
        return false;
    vyi_ticket_drop(&v->queue, t);
    v->run.marks[slot] = 0;
    r->open--;
    if (status == VYRE_OK)
        r->done++;
    else
        vyi_run_note(r, slot, status, code);
    return true;
}

/* The run's next works lie in these slots, which stay the run's until it has collected them. */
static void vyi_run_took(vyi_run *r, uint32_t first, uint32_t count)
{
    const uint32_t *marks = r->v->queue.slots.marks;
    for (uint32_t slot = first; slot < first + count; slot++) {
        VYRE_ASSERT(!r->v->run.marks[slot]);
        r->v->run.marks[slot] = vyi_mark_generation(vyi_load_relaxed(&marks[slot]));
        r->v->run.works[slot] = r->next++;
    }
    r->open += count;
}

VYI_API vyre_status vyi_run_publish(vyi_run *r, vyre_error *err)
{
    vyi_queue *q = &r->v->queue;
    vyi_receipt receipt;
    memset(&receipt, 0, sizeof receipt);
    receipt.keep = receipt.each = true;
    vyre_status status = vyi_publish_begin(q, err);
    while (r->next < r->end && status == VYRE_OK) {
        uint32_t n = r->end - r->next;
        status = vyi_publish_row(q, &q->slots.pool, &r->works[r->next], &n, &receipt, err);
        if (status == VYRE_OK)
            vyi_run_took(r, VYI_TICKET_SLOT(receipt.ticket) + 1 - n, n);
    }
    vyi_publish_end(q, &receipt);
    return status;
}

VYI_API uint32_t vyi_run_sweep(vyi_run *r)
{
    uint32_t ended = 0;
    for (uint32_t slot = 0; slot < r->v->queue.slots.count && r->open; slot++) {
        if (r->v->run.marks[slot])
            ended += vyi_run_collect(r, slot);
    }
    return ended;
}

/* Publishes what there is room for and sees what has ended; without either, a turn of
 * waiting. */
static vyre_status vyi_run_turn(vyi_run *r, vyi_pace *pace, vyre_error *err)
{
    const uint32_t before = r->next;
    const uint64_t start = vyi_now();
    vyre_status status = vyi_run_publish(r, err);
    r->publish_ns += vyi_now() - start;
    if (status >= 0 && !vyi_run_sweep(r) && r->next == before) {
        status = vyi_pace_turn(&r->v->queue, pace, err);
        return status != VYRE_OK && vyi_run_sweep(r) ? VYRE_OK : status;
    }
    if (status >= 0)
        *pace = vyi_pace_begin(r->v->desc.run_timeout_ns);
    return status < 0 ? status : VYRE_OK;
}

static vyre_status vyi_run_all(vyi_run *r, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    vyi_pace pace = vyi_pace_begin(r->v->desc.run_timeout_ns);
    while (status == VYRE_OK && (r->next < r->end || r->open)) {
        status = vyi_run_turn(r, &pace, err);
        if (vyi_status_is_loss(status) && vyi_queue_is_mended(&r->v->queue)) {
            pace = vyi_pace_begin(r->v->desc.run_timeout_ns); /* works run again */
            status = VYRE_OK;
        }
    }
    if (status == VYRE_TIMEOUT)
        vyi_fail(err, status, r->open, "Raise run_timeout_ns, or see what blocks the work.",
                 "none of the %u works in the ring has ended within %llu ms", r->open,
                 (unsigned long long)(r->v->desc.run_timeout_ns / 1000000u));
    return status;
}

static vyre_status vyi_run_explain(const vyi_run *r, vyre_error *err)
{
    const uint32_t code = r->bad_code;
    if (r->bad_status == VYRE_OK)
        return VYRE_OK;
    vyi_fail(err, r->bad_status, r->bad_work, vyi_fault_fix(code),
             "%llu of %u works ended FAULT and %llu were lost; the first seen is work %u "
             "(fault %u: %s)", (unsigned long long)r->faults, r->end,
             (unsigned long long)r->lost, r->bad_work, code, vyre_fault_text(code));
    if (err)
        err->native = (int32_t)code;
    return r->bad_status;
}

/* Launches so far, and recoveries. */
static uint64_t vyi_run_launches(const vyi_queue *q, uint32_t *recoveries)
{
    const vyi_figures figures = vyi_figures_read(q);
    *recoveries = figures.recoveries;
    return figures.leases + figures.passes;
}

VYI_API void vyi_run_abandon(vyi_run *r)
{
    vyi_queue *q = &r->v->queue;
    for (uint32_t slot = 0; slot < q->slots.count && r->open; slot++) {
        const vyre_ticket t = vyi_run_ticket(r, slot);
        if (t.generation)
            vyi_ticket_drop(q, t);
        r->v->run.marks[slot] = 0;
    }
}

/* The last pass may still be counting what it has done. */
static void vyi_run_settle(vyi_queue *q)
{
    const uint64_t deadline = vyi_deadline(q->v->desc.run_timeout_ns);
    if (!vyi_lock_until(q->v, deadline))
        return;
    if (q->state == VYI_STATE_IDLE)
        (void)vyi_queue_settle(q, deadline, NULL);
    vyi_mutex_unlock(&q->v->lock);
}

VYI_API vyi_run vyi_run_begin(vyre *v, const vyre_work *works)
{
    vyi_run r;
    memset(&r, 0, sizeof r);
    r.v = v;
    r.works = works;
    r.launches = vyi_run_launches(&v->queue, &r.recoveries);
    return r;
}

VYI_API vyre_stats vyi_run_stats(vyi_run *r)
{
    vyre_stats s;
    uint32_t recoveries;
    memset(&s, 0, sizeof s);
    vyi_run_settle(&r->v->queue);
    s.kernel_launches = (uint32_t)(vyi_run_launches(&r->v->queue, &recoveries) - r->launches);
    s.recovered = recoveries != r->recoveries;
    s.done = r->done;
    s.faults = r->faults;
    s.input_bytes = s.bytes_moved = (r->done + r->faults + r->lost) * VYRE_SLOT_BYTES;
    s.publish_ns = r->publish_ns;
    return s;
}

static vyre_status vyi_run_locked(vyi_run *r, vyre_stats *stats, vyre_error *err)
{
    const uint64_t begin = vyi_now();
    const vyre_status status = vyi_run_all(r, err);
    vyi_run_abandon(r);
    if (status != VYRE_OK)
        return status;

    vyre_stats s = vyi_run_stats(r);
    s.latency_ns = vyi_now() - begin;
    s.wait_ns = s.latency_ns - s.publish_ns;
    if (stats)
        *stats = s;
    return vyi_run_explain(r, err);
}

VYRE_API vyre_status vyre_run(vyre *v, const vyre_work *works, uint32_t count, vyre_stats *stats,
                              vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    const vyre_status good = vyi_works_fit(v, works, count, err);
    if (good != VYRE_OK)
        return good;
    vyi_mutex_lock(&v->run.lock);
    vyi_run r = vyi_run_begin(v, works);
    r.end = count;
    VYI_ZONE(zone, "vyre_run");
    const vyre_status status = vyi_run_locked(&r, stats, err);
    VYI_ZONE_END(zone);
    vyi_mutex_unlock(&v->run.lock);
    return status;
}

/* --- until nothing changes ------------------------------------------------- */

#define VYI_UNTIL_ROUNDS (1u << 20)

static vyre_status vyi_until_check(const vyre *v, const vyre_until_desc *desc, vyre_error *err)
{
    if (!v || !desc || (!desc->works && desc->count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle, a desc and its works.",
                        "%s is NULL", !v ? "the handle" : !desc ? "desc" : "works");
    if (desc->flag >= v->desc.observables)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->flag, "Set vyre_desc.observables higher.",
                        "the flag is observable %u, and the handle has %u", desc->flag,
                        v->desc.observables);
    return VYRE_OK;
}

/* No work of the round has been published, so the word is the host's. */
static void vyi_until_clear(vyi_queue *q, uint32_t flag)
{
    const vyi_device *d = vyi_queue_device(q);
    vyi_store_release(vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_OBSERVABLES + flag, 0);
    if (d->write_combined)
        vyi_fence_stores();
}

static void vyi_until_add(vyre_stats *sum, const vyre_stats *s)
{
    sum->input_bytes += s->input_bytes;
    sum->bytes_moved += s->bytes_moved;
    sum->latency_ns += s->latency_ns;
    sum->kernel_launches += s->kernel_launches;
    sum->recovered = sum->recovered || s->recovered;
    sum->done += s->done;
    sum->faults += s->faults;
    sum->publish_ns += s->publish_ns;
    sum->wait_ns += s->wait_ns;
}

/* One round; VYRE_PENDING: it changed something. */
static vyre_status vyi_until_round(vyre *v, const vyre_until_desc *desc, vyre_stats *sum,
                                   vyre_error *err)
{
    vyre_stats s;
    uint32_t flag = 0;
    memset(&s, 0, sizeof s);
    vyi_until_clear(&v->queue, desc->flag);
    vyre_status status = vyre_run(v, desc->works, desc->count, &s, err);
    vyi_until_add(sum, &s);
    if (status == VYRE_OK)
        status = vyre_observable(v, desc->flag, &flag, err);
    return status == VYRE_OK && flag ? VYRE_PENDING : status;
}

VYRE_API vyre_status vyre_run_until(vyre *v, const vyre_until_desc *desc, uint32_t *rounds,
                                    vyre_stats *stats, vyre_error *err)
{
    vyre_status status = vyi_until_check(v, desc, err);
    if (status != VYRE_OK)
        return status;
    const uint64_t deadline = desc->deadline_ns ? vyi_deadline(desc->deadline_ns) : UINT64_MAX;
    const uint32_t most = desc->rounds ? desc->rounds : VYI_UNTIL_ROUNDS;
    vyre_stats sum;
    uint32_t round = 0;
    memset(&sum, 0, sizeof sum);
    for (status = VYRE_PENDING; status == VYRE_PENDING && round < most; round++) {
        if (vyi_now() >= deadline) {
            status = VYRE_TIMEOUT;
            break;
        }
        status = vyi_until_round(v, desc, &sum, err);
    }
    if (rounds)
        *rounds = round;
    if (stats)
        *stats = sum;
    if (status == VYRE_PENDING || status == VYRE_TIMEOUT)
        vyi_fail(err, status, round, "Call again to go on: nothing is under way.",
                 "%u rounds, and the last one changed something", round);
    return status;
}

/* --- dispatch ------------------------------------------------------------ */

/* In upstream's order: control, log, IO queue, ring, totals. */
static vyre_status vyi_dispatch_check(const vyre *v, const vyre_io_buffers *io, vyre_error *err)
{
    if (v->desc.kernel.children)
        return vyi_fail(err, VYRE_E_KERNEL_SPAWN, v->desc.kernel.children, "Use vyre_run().",
                        "one pass over a ring of the caller's, and jobs that may spawn %u others "
                        "at a time", v->desc.kernel.children);
    size_t total = 0;
    vyre_status status = vyre_control_check(io->control, io->control_size, err);
    if (status == VYRE_OK)
        status = vyre_log_check(io->log, io->log_size, err);
    if (status == VYRE_OK)
        status = vyre_io_check(io->io, io->io_size, err);
    if (status == VYRE_OK)
        status = vyre_ring_check(io->ring, io->ring_size, v->queue.slots.lanes, err);
    if (status != VYRE_OK)
        return status;
    if (!vyi_size_add(io->control_size, io->ring_size, &total) ||
        !vyi_size_add(total, io->log_size, &total) || !vyi_size_add(total, io->io_size, &total))
        return vyi_fail(err, VYRE_E_OVF, 0, "Pass smaller buffers.",
                        "the lengths of the four buffers exceed %d bits", (int)sizeof total * 8);
    return VYRE_OK;
}

static vyre_status vyi_dispatch_late(const vyi_queue *q, vyre_error *err)
{
    return vyi_fail(err, VYRE_TIMEOUT, vyi_queue_in_flight(q),
                    "Raise run_timeout_ns, or give the passes less to do.",
                    "%u passes have not ended within %llu ms", vyi_queue_in_flight(q),
                    (unsigned long long)(q->v->desc.run_timeout_ns / 1000000u));
}

static vyre_status vyi_dispatch_cut(vyre_error *err)
{
    return vyi_fail(err, VYRE_TIMEOUT, 0, "Dispatch again.",
                    "a vyre_stop() has ended the pass before its end");
}

/* Whether the handle's kernel is out of the way; waits for passes. */
static vyre_status vyi_dispatch_ready(vyi_queue *q, vyre_error *err)
{
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    if (q->state == VYI_STATE_RUNNING || q->state == VYI_STATE_STOPPING)
        return vyi_fail(err, VYRE_E_RUNNING, 0, "Call vyre_stop() first, or use vyre_publish().",
                        "the kernel runs");
    vyre_status status = vyi_queue_settle(q, vyi_deadline(q->v->desc.run_timeout_ns), err);
    if (status == VYRE_OK)
        vyi_queue_bury(q);
    return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
}

static uint32_t vyi_done_count(const void *control)
{
    return vyi_word(control, VYRE_CONTROL_DONE_COUNT);
}

static uint32_t vyi_fault_count(const void *control)
{
    return vyi_word(control, VYRE_CONTROL_FAULT_COUNT);
}

/* Works in rings of others do not wait, and signal nothing. */
static void vyi_dispatch_forget_order(const vyi_queue *q, uint32_t *ring, size_t size)
{
    for (size_t at = VYRE_SLOT_PRIORITY; at < size / 4 && q->order.count; at += VYRE_SLOT_WORDS)
        ring[at] &= vyi_le32(VYI_ORDER_LEVEL);
}

/* Copies in, runs, copies out.  The caller's bytes change on success only. */
static vyre_status vyi_dispatch_bytes(vyi_queue *q, const vyre_io_buffers *io, vyre_error *err)
{
    void *const bytes[VYI_CORE_BUFFERS] = { io->control, io->ring, io->log, io->io };
    size_t size[VYI_CORE_BUFFERS];
    void *map[VYI_CORE_BUFFERS];
    vyi_device *d = vyi_queue_device(q);

    size[0] = io->control_size;
    size[1] = io->ring_size;
    size[2] = io->log_size;
    size[3] = io->io_size ? io->io_size : vyre_io_size(VYRE_IO_SLOTS);
    vyre_error how;
    memset(&how, 0, sizeof how);
    /* A kernel with wide works takes the last slots of a ring for theirs. */
    size[VYI_ROLE_RING] += (size_t)q->wides.count * VYRE_SLOT_BYTES;
    vyre_status status = d->backend->attach(d, size, map, &how);
    if (status != VYRE_OK)
        return vyi_queue_failed(q, status, &how, err);
    size[VYI_ROLE_RING] = io->ring_size;
    memset((uint8_t *)map[VYI_ROLE_RING] + io->ring_size, 0,
           (size_t)q->wides.count * VYRE_SLOT_BYTES);
    for (uint32_t i = 0; i < VYI_CORE_BUFFERS; i++) {
        if (i == VYI_ROLE_IO && !io->io_size)
            memset(map[i], 0, size[i]);
        else
            memcpy(map[i], bytes[i], size[i]);
    }
    vyi_dispatch_forget_order(q, (uint32_t *)map[VYI_ROLE_RING], size[VYI_ROLE_RING]);
    if (d->write_combined)
        vyi_fence_stores();
    const uint64_t deadline = vyi_deadline(q->v->desc.run_timeout_ns);
    if (q->wides.count)
        status = vyi_wide_dispatch(q, map, deadline, err);
    if (status == VYRE_OK && !vyi_load_acquire(&q->aborted))
        status = vyi_queue_launch(q, VYI_LAUNCH_BYTES, 0, err);
    if (status == VYRE_OK)
        status = vyi_queue_settle(q, deadline, err);
    if (status == VYRE_OK && vyi_load_acquire(&q->aborted)) {
        vyi_store_release(&q->aborted, 0);
        return vyi_dispatch_cut(err);
    }
    if (status != VYRE_OK)
        return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
    const uint32_t outputs = q->v->desc.kernel.control_report ? 1 : VYI_CORE_BUFFERS;
    for (uint32_t i = 0; i < outputs; i++) {
        if (bytes[i])
            memcpy(bytes[i], map[i], i == VYI_ROLE_IO ? io->io_size : size[i]);
    }
    return VYRE_OK;
}

static void vyi_dispatch_stats(const vyre *v, const vyre_io_buffers *io, vyre_stats *s)
{
    const uint64_t io_size = io->io_size ? io->io_size : vyre_io_size(VYRE_IO_SLOTS);
    s->input_bytes = (uint64_t)io->control_size + io->ring_size + io->log_size + io_size;
    s->output_bytes = v->desc.kernel.control_report ? io->control_size : s->input_bytes;
    s->readback_bytes = s->output_bytes;
    s->bytes_moved = s->input_bytes + s->readback_bytes;
    s->original.device_allocation_bytes = s->input_bytes + s->output_bytes;
    s->original.output_buffers = v->desc.kernel.control_report ? 1 : VYI_CORE_BUFFERS;
    s->original.device_allocation_events = VYI_CORE_BUFFERS + s->original.output_buffers;
    s->original.kernel_launches = s->recovered ? 2 : 1;
    s->original.sync_points = 1;
}

static vyre_status vyi_dispatch_locked(vyi_queue *q, const vyre_io_buffers *io, vyre_stats *stats,
                                       vyre_error *err)
{
    vyre_stats s;
    const uint32_t done = vyi_done_count(io->control), faults = vyi_fault_count(io->control);
    const uint64_t passes = q->chain.passes;
    vyi_stats_begin(&s);
    vyre_status status = vyi_dispatch_ready(q, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_dispatch_bytes(q, io, err);
    if (q->state == VYI_STATE_LOST && q->v->desc.auto_recover && !q->loss.mended) {
        q->loss.mended = true;
        status = vyi_queue_recover(q, err);
        s.recovered = status == VYRE_OK;
        if (s.recovered)
            status = vyi_dispatch_bytes(q, io, err);
    }
    if (status != VYRE_OK)
        return status;
    vyi_dispatch_stats(q->v, io, &s);
    s.kernel_launches = (uint32_t)(q->chain.passes - passes);
    s.done = vyi_done_count(io->control) - done;
    s.faults = vyi_fault_count(io->control) - faults;
    vyi_stats_end(&s, stats);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_dispatch(vyre *v, const vyre_io_buffers *io, vyre_stats *stats,
                                   vyre_error *err)
{
    if (!v || !io)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and four buffers.",
                        "%s is NULL", v ? "io" : "the handle");
    vyre_status status = vyi_dispatch_check(v, io, err);
    if (status != VYRE_OK)
        return status;
    vyi_mutex_lock(&v->lock);
    status = vyi_dispatch_locked(&v->queue, io, stats, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* Submits all, waiting only where the device's queue is full. */
static vyre_status vyi_resident_passes(vyi_queue *q, uint32_t passes, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(q->v->desc.run_timeout_ns);
    const uint32_t most = vyi_queue_device(q)->in_flight;
    vyre_status status = VYRE_OK;
    vyi_queue_set_shutdown(q, 0);
    for (uint32_t i = 0; i < passes && status == VYRE_OK; i++) {
        while (status == VYRE_OK && vyi_queue_in_flight(q) >= most) {
            status = vyi_queue_reap(q, 10000000u, err);
            if (status == VYRE_OK && vyi_now() >= deadline)
                status = VYRE_TIMEOUT;
        }
        if (status == VYRE_OK)
            status = vyi_wide_launch_all(q, deadline, err);
        if (status == VYRE_OK && vyi_load_acquire(&q->aborted))
            break;
        if (status == VYRE_OK)
            status = vyi_queue_launch(q, VYI_LAUNCH_ONCE, 0, err);
    }
    if (status == VYRE_OK)
        status = vyi_queue_settle(q, deadline, err);
    if (status == VYRE_OK && vyi_load_acquire(&q->aborted)) {
        vyi_queue_bury(q);
        return vyi_dispatch_cut(err);
    }
    return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
}

static vyre_status vyi_resident_locked(vyi_queue *q, uint32_t passes, vyre_stats *stats,
                                       vyre_error *err)
{
    vyre_stats s;
    vyi_stats_begin(&s);
    vyre_status status = vyi_dispatch_ready(q, err);
    if (status != VYRE_OK)
        return status;
    const void *control = vyi_device_words(vyi_queue_device(q), VYI_ROLE_CONTROL);
    const uint32_t done = vyi_done_count(control), faults = vyi_fault_count(control);
    const uint64_t before = q->chain.passes;
    status = vyi_resident_passes(q, passes, err);
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_deliver_log(q);
    s.kernel_launches = (uint32_t)(q->chain.passes - before);
    s.original.resident_rows = passes;
    s.original.resident_handles = passes * VYI_CORE_BUFFERS;
    s.original.kernel_launches = s.original.sync_points = 1;
    s.done = vyi_done_count(control) - done;
    s.faults = vyi_fault_count(control) - faults;
    vyi_stats_end(&s, stats);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_dispatch_resident(vyre *v, uint32_t passes, vyre_stats *stats,
                                            vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    if (passes == 0) {
        if (stats)
            memset(stats, 0, sizeof *stats);
        return VYRE_OK;
    }
    if (passes > UINT32_MAX / VYI_CORE_BUFFERS)
        return vyi_fail(err, VYRE_E_OVF, passes, "Make fewer passes at a time.",
                        "%u passes have more than 2^32 handles", passes);
    vyi_mutex_lock(&v->lock);
    const vyre_status status = vyi_resident_locked(&v->queue, passes, stats, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

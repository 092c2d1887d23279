/* ==========================================================================
 * io: the pump
 *
 * Who looks at a queue in a device's memory waits for the bus at each slot.  So
 * kernels of a handle say in the mirror that a request is there: a word for each IO
 * slot behind those of the ring, another number each time.  64 of them are four
 * cache lines of the host.
 * ======================================================================= */
#include "kernel/wide_impl.h"
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

/* So long close waits for system calls. */
#define VYI_CLOSE_NS 50000000u

/* --- looking -------------------------------------------------------------- */

static void vyi_pump_claim(vyre_io *io, void *queue, uint32_t slot)
{
    if (vyi_job_claim(io, queue, slot))
        io->engine->start(io, &io->jobs[slot]);
}

/* Acquire: pairs with the release of the lane that has published the request. */
static void vyi_pump_look_mirror(vyre_io *io, uint32_t slot)
{
    const vyi_device *d = io->device;
    const vyi_slots *slots = &io->desc.handle->queue.slots;
    const uint32_t *words = vyi_device_words(d, slots->mirror) + slots->count + VYI_WIDE_SLOTS;
    const uint32_t now = vyi_load_acquire(words + slot);
    if (now == io->seen[slot])
        return;
    io->seen[slot] = now;
    vyi_pump_claim(io, d->map[VYI_ROLE_IO], slot);
}

/* Works that wait for an answer without a lane.  Who has left its lane only now, after the
 * answer, is found by the next look: so each asks who waits, not who was answered.  The
 * request's own word is read after it: then it is of the request that is waited for. */
static void vyi_pump_let_go(vyre_io *io)
{
    vyi_queue *q = &io->desc.handle->queue;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t *words = vyi_device_words(d, q->slots.mirror) + q->slots.count + VYI_WIDE_SLOTS;
    for (uint32_t s = 0; s < VYRE_IO_SLOTS && d == io->device; s++) {
        const uint32_t slot = vyi_task_waits(q, s);
        if (slot != VYI_NO_SLOT && io->jobs[s].turn == 0 &&
            vyi_load_acquire(words + s) == io->seen[s])
            (void)vyi_task_answered(q, slot, s);
    }
}

static bool vyi_pump_has_tasks(const vyre_io *io)
{
    return io->desc.handle && io->desc.handle->desc.kernel.tasks;
}

/* A device that was replaced has a mirror of its own. */
static void vyi_pump_follow(vyre_io *io)
{
    const vyi_device *d = vyi_queue_device(&io->desc.handle->queue);
    if (d == io->device)
        return;
    io->device = d;
    memset(io->seen, 0, sizeof io->seen);
}

/* Claims what it may, from another slot on each time so that none waits for ever. */
static void vyi_pump_look(vyre_io *io)
{
    const uint32_t count = (uint32_t)(io->desc.queue_size / VYRE_IO_SLOT_BYTES);
    const uint32_t first = io->next;
    if (io->desc.handle)
        vyi_pump_follow(io);
    for (uint32_t i = 0; i < count && !io->quits; i++) {
        const uint32_t slot = first + i < count ? first + i : first + i - count;
        if (io->info.in_flight >= io->desc.depth)
            break;
        if (io->jobs[slot].turn)
            continue;
        io->next = slot + 1 < count ? slot + 1 : 0;
        if (io->desc.handle)
            vyi_pump_look_mirror(io, slot);
        else
            vyi_pump_claim(io, io->desc.queue, slot);
    }
    if (!io->quits)
        io->engine->turn(io);
    if (!io->abandoned && vyi_pump_has_tasks(io)) /* else the handle may be gone */
        vyi_pump_let_go(io);
}

/* --- waiting -------------------------------------------------------------- */

#define VYI_REST_SPIN_NS  50000u
#define VYI_REST_YIELD_NS 200000u
#define VYI_REST_MOST_NS  2000000u
#define VYI_REST_BUSY_NS  50000u

/* The longer nothing has happened, the longer it rests; never beyond `left`. */
static void vyi_pump_rest(uint64_t quiet_ns, bool busy, uint64_t left)
{
    if (quiet_ns < VYI_REST_SPIN_NS) {
        for (uint32_t i = 0; i < 16; i++)
            vyi_pause();
        return;
    }
    if (quiet_ns < VYI_REST_YIELD_NS) {
        vyi_yield();
        return;
    }
    const uint64_t most = busy ? VYI_REST_BUSY_NS : VYI_REST_MOST_NS;
    const uint64_t rest = quiet_ns / 16 < most ? quiet_ns / 16 : most;
    vyi_sleep(rest < left ? rest : left);
}

/* Looks until something was answered that nobody was told of, or the deadline. */
static void vyi_pump_until(vyre_io *io, uint64_t deadline)
{
    const uint64_t begin = vyi_now();
    for (;;) {
        vyi_pump_look(io);
        if (io->answered != io->told)
            return;
        const uint64_t now = vyi_now();
        if (now >= deadline)
            return;
        const bool busy = io->info.in_flight != 0;
        vyi_mutex_unlock(&io->lock);
        vyi_pump_rest(now - begin, busy, deadline - now);
        vyi_mutex_lock(&io->lock);
    }
}

VYRE_API vyre_status vyre_io_pump(vyre_io *io, uint64_t timeout_ns, uint32_t *served,
                                  vyre_error *err)
{
    if (!io)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open pump.", "the pump is NULL");
    const uint64_t deadline = vyi_deadline(timeout_ns);
    vyi_mutex_lock(&io->lock);
    vyi_pump_until(io, timeout_ns ? deadline : 0);
    const uint64_t count = io->answered - io->told;
    io->told = io->answered;
    vyi_mutex_unlock(&io->lock);
    if (served)
        *served = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    if (count)
        return VYRE_OK;
    return vyi_news(err, timeout_ns ? VYRE_TIMEOUT : VYRE_EMPTY, 0, "Pump again.",
                    "nothing was answered");
}

/* --- the helper ----------------------------------------------------------- */

static void vyi_pump_main(void *user)
{
    vyre_io *io = (vyre_io *)user;
    uint64_t last = vyi_now(), turn = 0, answered = 0;
    vyi_mutex_lock(&io->lock);
    while (!io->quits) {
        vyi_pump_look(io);
        const uint64_t now = vyi_now();
        if (io->turn != turn || io->answered != answered)
            last = now;
        turn = io->turn;
        answered = io->answered;
        const bool busy = io->info.in_flight != 0;
        vyi_mutex_unlock(&io->lock);
        vyi_pump_rest(now - last, busy, UINT64_MAX);
        vyi_mutex_lock(&io->lock);
    }
    io->helper_runs = false;
    vyi_mutex_unlock(&io->lock);
}

static vyre_status vyi_pump_helper(vyre_io *io, vyre_error *err)
{
    io->helper_runs = io->desc.helper;
    io->has_helper = io->desc.helper && vyi_thread_start(&io->helper, vyi_pump_main, io);
    io->helper_runs = io->has_helper;
    if (io->desc.helper && !io->has_helper)
        return vyi_fail(err, VYRE_E_THREAD, 0, "Call vyre_io_pump() yourself instead.",
                        "the system gave the pump no helper thread");
    return VYRE_OK;
}

/* --- open, close ---------------------------------------------------------- */

static vyre_status vyi_pump_check(const vyre_io_desc *d, vyre_error *err)
{
    if (!d || (!d->handle && !d->queue))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Give vyre_io_desc.handle, or queue.",
                        "%s", d ? "the pump has neither a handle nor a queue" : "desc is NULL");
    if (d->depth > VYRE_IO_SLOTS || d->entries > VYI_ENTRY_MOST || d->threads > 1024u ||
        (uint32_t)d->engine > VYRE_IO_ENGINE_URING)
        return vyi_fail(err, VYRE_E_ARGUMENT, d->entries,
                        "Use at most 64, 4095, 1024 and one of vyre_io_engine.",
                        "depth %u, entries %u, threads %u, engine %d", d->depth, d->entries,
                        d->threads, (int)d->engine);
    return d->handle ? VYRE_OK : vyre_io_check(d->queue, d->queue_size, err);
}

static void vyi_pump_defaults(vyre_io *io)
{
    vyre_io_desc *d = &io->desc;
    d->depth = d->depth ? d->depth : VYRE_IO_SLOTS;
    d->threads = d->threads ? d->threads : 2;
    d->entries = d->entries ? d->entries : 64;
    if (d->handle)
        d->queue_size = vyre_io_size(VYRE_IO_SLOTS);
    io->pool.capacity = d->threads;
    io->info.depth = d->depth;
}

/* URING where it may be, else PREAD; the reason stands in the info. */
static vyre_status vyi_pump_engine_open(vyre_io *io, vyre_error *err)
{
    vyre_io_info *info = &io->info;
    char refused[sizeof info->why] = "it was not built in: define VYRE_URING, link liburing";
    const vyi_pump_engine *uring = vyi_pump_uring();
    if (io->desc.engine != VYRE_IO_ENGINE_PREAD) {
        io->engine = uring && uring->open(io, refused, sizeof refused) ? uring : NULL;
        if (!io->engine && io->desc.engine == VYRE_IO_ENGINE_URING)
            return vyi_fail(err, VYRE_E_IO_ENGINE, 0, "Use VYRE_IO_ENGINE_AUTO.",
                            "io_uring cannot be had: %s", refused);
        if (!io->engine)
            vyi_message(&io->desc.messages, VYRE_SEVERITY_INFO,
                        "the pump works without io_uring: %s", refused);
    }
    if (io->engine) {
        snprintf(info->why, sizeof info->why, "%s", refused);
    } else {
        char threads[48];
        io->engine = vyi_pump_pread();
        io->engine->open(io, threads, sizeof threads);
        if (io->desc.engine == VYRE_IO_ENGINE_PREAD)
            snprintf(info->why, sizeof info->why, "asked for; %s", threads);
        else
            snprintf(info->why, sizeof info->why, "no io_uring: %.80s; %s", refused, threads);
    }
    info->engine = io->engine->id;
    return VYRE_OK;
}

static vyre_status vyi_pump_memory(vyre_io *io, vyre_error *err)
{
    const vyre_allocator *a = &io->desc.allocator;
    const size_t entries = (io->desc.entries + (size_t)1) * sizeof *io->entries;
    const size_t bindings = io->desc.entries * sizeof *io->bindings;
    const size_t threads = io->pool.capacity * sizeof *io->pool.threads;
    io->entries = (vyi_entry *)vyi_alloc_zeroed(a, entries);
    io->bindings = (vyi_binding *)vyi_alloc_zeroed(a, bindings);
    io->pool.threads = (vyi_thread *)vyi_alloc_zeroed(a, threads);
    if (!io->entries || !io->bindings || !io->pool.threads)
        return vyi_fail_nomem(err, entries + bindings + threads);
    return VYRE_OK;
}

static void vyi_pump_free(vyre_io *io)
{
    const vyre_allocator a = io->desc.allocator;
    const size_t count = io->desc.entries;
    for (size_t i = 1; io->entries && i <= count; i++)
        if (io->entries[i].kind != VYI_ENTRY_FREE)
            vyi_entry_free(io, &io->entries[i]);
    vyi_free(&a, io->entries, (count + 1) * sizeof *io->entries);
    vyi_free(&a, io->bindings, count * sizeof *io->bindings);
    vyi_free(&a, io->pool.threads, io->pool.capacity * sizeof *io->pool.threads);
    vyi_free(&a, io, sizeof *io);
}

static bool vyi_pump_locks(vyre_io *io)
{
    if (!vyi_mutex_init(&io->lock))
        return false;
    if (vyi_cond_init(&io->moved)) {
        if (vyi_cond_init(&io->pool.work))
            return true;
        vyi_cond_free(&io->moved);
    }
    vyi_mutex_free(&io->lock);
    return false;
}

static void vyi_pump_unlocks(vyre_io *io)
{
    vyi_cond_free(&io->pool.work);
    vyi_cond_free(&io->moved);
    vyi_mutex_free(&io->lock);
}

/* Nothing new is claimed; what the engine has may go on. */
static void vyi_pump_quit(vyre_io *io)
{
    vyi_mutex_lock(&io->lock);
    io->quits = true;
    vyi_mutex_unlock(&io->lock);
}

static void vyi_pump_end(vyre_io *io)
{
    if (io->has_helper)
        vyi_thread_join(&io->helper);
    io->engine->close(io);
}

static vyre_status vyi_pump_begin(vyre_io *io, vyre_error *err)
{
    vyre_status status = vyi_pump_memory(io, err);
    if (status < 0)
        return status;
    if (!vyi_pump_locks(io))
        return vyi_fail(err, VYRE_E_THREAD, 0, "Close other handles.",
                        "the system gave the pump no lock");
    status = vyi_pump_engine_open(io, err);
    if (status == VYRE_OK)
        status = vyi_pump_helper(io, err);
    if (status < 0) {
        vyi_pump_quit(io);
        if (io->engine)
            vyi_pump_end(io);
        vyi_pump_unlocks(io);
    }
    return status;
}

VYRE_API vyre_io *vyre_io_open(const vyre_io_desc *desc, vyre_error *err)
{
    if (vyi_pump_check(desc, err) < 0)
        return NULL;
    vyre_io *io = (vyre_io *)vyi_alloc_zeroed(&desc->allocator, sizeof *io);
    if (!io) {
        vyi_fail_nomem(err, sizeof *io);
        return NULL;
    }
    io->desc = *desc;
    vyi_pump_defaults(io);
    if (vyi_pump_begin(io, err) < 0) {
        vyi_pump_free(io);
        return NULL;
    }
    return io;
}

/* Some request of the device's was answered, and nobody has taken that yet. */
static bool vyi_pump_is_untaken(const vyre_io *io)
{
    const void *queue = vyi_queue_device(&io->desc.handle->queue)->map[VYI_ROLE_IO];
    for (uint32_t slot = 0; slot < VYRE_IO_SLOTS; slot++) {
        const uint32_t status = vyi_wire_load(queue, (size_t)slot * VYRE_IO_SLOT_WORDS +
                                                         VYRE_IO_STATUS);
        if (status == VYRE_IO_OK || status == VYRE_IO_ERROR)
            return true;
    }
    return false;
}

/* Whoever waits for an answer that was given has it before nobody looks any more; a lane
 * that has just looked in vain is given the time to say that it leaves its job. */
static void vyi_pump_let_all_go(vyre_io *io)
{
    const uint64_t deadline = vyi_deadline(VYI_CLOSE_NS);
    do {
        vyi_pump_let_go(io);
    } while (vyi_pump_is_untaken(io) && (vyi_yield(), vyi_now() < deadline));
}

/* Waits for system calls; what still lasts then is answered CANCELLED all the same. */
static void vyi_pump_settle(vyre_io *io)
{
    const uint64_t deadline = vyi_deadline(VYI_CLOSE_NS);
    io->engine->cancel(io);
    while ((io->info.in_flight > io->fences || io->inside || io->helper_runs) &&
           vyi_now() < deadline) {
        io->engine->turn(io);
        vyi_cond_wait(&io->moved, &io->lock, 1000000u);
    }
    for (uint32_t i = 0; i < VYI_JOBS; i++)
        if (io->jobs[i].turn && !io->jobs[i].ended && io->jobs[i].op != VYRE_IO_FENCE)
            vyi_job_end(io, &io->jobs[i], VYRE_IO_CODE_CANCELLED);
    VYRE_ASSERT(io->info.in_flight == 0);
    if (vyi_pump_has_tasks(io))
        vyi_pump_let_all_go(io);
    io->abandoned = io->inside || io->helper_runs;
}

VYRE_API void vyre_io_close(vyre_io *io)
{
    if (!io)
        return;
    vyi_pump_quit(io);
    vyi_mutex_lock(&io->lock);
    vyi_pump_settle(io);
    const bool leaks = io->abandoned;
    vyi_mutex_unlock(&io->lock);
    if (leaks)
        return;
    vyi_pump_end(io);
    vyi_pump_unlocks(io);
    vyi_pump_free(io);
}

VYRE_API void vyre_io_query(vyre_io *io, vyre_io_info *out)
{
    if (!io || !out)
        return;
    vyi_mutex_lock(&io->lock);
    *out = io->info;
    vyi_mutex_unlock(&io->lock);
}

#endif /* VYRE_NO_IO */

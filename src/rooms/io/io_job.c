/* ==========================================================================
 * io: a request, from its claim to its answer
 *
 * The words of a request are read once, for a device may change them; from then on
 * the job alone counts.  Whatever it says, nothing outside the entries that it
 * names is touched.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

typedef struct vyi_request {
    uint32_t op, src, dst, bytes, tag;
    uint64_t offset;
} vyi_request;

/* False: it is not PUBLISHED.  STATUS comes first: when it says so, the others are there. */
static bool vyi_request_read(vyi_request *r, const void *queue, uint32_t slot)
{
    const size_t at = (size_t)slot * VYRE_IO_SLOT_WORDS;
    uint32_t words[VYRE_IO_SLOT_WORDS];
    for (uint32_t i = VYRE_IO_SLOT_WORDS; i > 0; i -= 2) {
        vyi_wire_pair(queue, at + i - 2, words + i - 2);
        if (i == VYRE_IO_SLOT_WORDS && words[VYRE_IO_STATUS] != VYRE_IO_PUBLISHED)
            return false;
    }
    r->op = words[VYRE_IO_OP];
    r->src = words[VYRE_IO_SRC];
    r->dst = words[VYRE_IO_DST];
    r->offset = words[VYRE_IO_OFFSET_LO] | (uint64_t)words[VYRE_IO_OFFSET_HI] << 32;
    r->bytes = words[VYRE_IO_BYTES];
    r->tag = words[VYRE_IO_TAG];
    return true;
}

/* --- the check ------------------------------------------------------------ */

/* A handle is of a file or of memory, so that source and destination never are the
 * same: that is how a LOAD_MISS asks. */
static bool vyi_request_is_miss(const vyi_request *r)
{
    return r->op == VYRE_IO_READ && r->src == r->dst;
}

static bool vyi_request_resolve(const vyre_io *io, vyi_request *r)
{
    const vyi_binding *binding = vyi_binding_find(io, r->src);
    if (!binding)
        return false;
    r->tag = r->src;
    r->src = binding->source;
    r->dst = binding->target;
    r->offset = binding->offset;
    r->bytes = binding->bytes;
    return true;
}

/* Where the bytes lie in the target; false: not inside. */
static bool vyi_job_place(vyi_job *job, const vyre_io *io, const vyi_request *r)
{
    const vyi_entry *t = job->target;
    const uint64_t first = (uint64_t)r->tag * t->stride;
    const uint64_t room = t->stride ? t->stride : t->size;
    if (first > t->size || room > t->size - first || r->bytes > room)
        return false;
    uint8_t *memory = t->memory;
    if (!memory)
        memory = (uint8_t *)vyre_map(io->desc.handle, t->buffer, NULL) + (size_t)t->base;
    job->memory = memory + (size_t)first;
    return true;
}

static bool vyi_job_may_end_early(const vyi_job *job)
{
    return (!job->queue && !job->event) || (job->file->flags & VYRE_IO_SHORT_OK);
}

/* Cuts the bytes at the file's end, where that is known and allowed. */
static bool vyi_job_extent(vyi_job *job, const vyi_request *r)
{
    const vyi_entry *f = job->file;
    if (r->offset > (uint64_t)INT64_MAX - f->base - r->bytes)
        return false;
    job->offset = f->base + r->offset;
    job->bytes = r->bytes;
    const uint64_t rest = r->offset < f->size ? f->size - r->offset : 0;
    if (f->size == 0 || r->bytes <= rest)
        return true;
    job->bytes = (uint32_t)rest;
    job->cut = true;
    return vyi_job_may_end_early(job);
}

/* Fills in the job; 0, or why it is refused. */
static uint32_t vyi_job_check(vyi_job *job, const vyre_io *io, vyi_request *r)
{
    const bool write = r->op == VYRE_IO_WRITE;
    if (r->op != VYRE_IO_READ && !write)
        return VYRE_IO_CODE_OP;
    if (vyi_request_is_miss(r) && !vyi_request_resolve(io, r))
        return VYRE_IO_CODE_SOURCE;
    job->file = vyi_entry_find(io, write ? r->dst : r->src,
                               write ? VYRE_IO_CAN_WRITE : VYRE_IO_CAN_READ);
    job->target = vyi_entry_find(io, write ? r->src : r->dst, 0);
    if (write ? !job->target : !job->file)
        return VYRE_IO_CODE_SOURCE;
    if (!job->file || !job->target)
        return VYRE_IO_CODE_TARGET;
    if (!vyi_job_extent(job, r) || !vyi_job_place(job, io, r))
        return VYRE_IO_CODE_RANGE;
    return 0;
}

/* --- the answer ----------------------------------------------------------- */

/* First the data, then BYTES, then STATUS: the device's acquire of STATUS sees all. */
static void vyi_job_answer(const vyi_job *job, uint32_t status, uint32_t bytes)
{
    uint8_t *at = vyi_wire_edit(job->queue, (size_t)job->slot * VYRE_IO_SLOT_WORDS);
    vyi_wire_put(at, VYRE_IO_BYTES, bytes);
    vyi_fence_stores();
    vyi_wire_store(at, VYRE_IO_STATUS, status);
    vyi_fence_stores();
}

static void vyi_job_unuse(vyre_io *io, vyi_entry *entry)
{
    if (!entry)
        return;
    VYRE_ASSERT(entry->users > 0);
    if (--entry->users == 0 && entry->removed)
        vyi_entry_free(io, entry);
}

static void vyi_count(vyre_io_count *c, const vyi_job *job, uint32_t bytes)
{
    c->reads += job->op == VYRE_IO_READ;
    c->writes += job->op == VYRE_IO_WRITE;
    c->bytes += bytes;
}

/* The last word of the host's own reads. */
static void vyi_job_fill_up(const vyi_job *job)
{
    for (uint32_t i = job->done; i % 4; i++)
        job->memory[i] = 0;
    vyi_fence_stores();
}

static void vyi_job_close(vyre_io *io, vyi_job *job, uint32_t code)
{
    VYRE_ASSERT(job->turn != 0 && !job->ended && !io->abandoned);
    if (job->op == VYRE_IO_FENCE) {
        io->fences--;
        io->info.fences++;
    } else if (job->file) {
        vyi_count(code ? &io->info.failed : &io->info.completed, job, job->done);
        io->info.short_ends += !code && (job->cut || job->done < job->bytes);
    } else {
        io->info.refused++;
    }
    if (job->queue)
        vyi_job_answer(job, code ? VYRE_IO_ERROR : VYRE_IO_OK, code ? code : job->done);
    if (job->event) {
        vyi_job_fill_up(job);
        vyi_event_give(&io->desc.handle->queue, job->event, code == 0);
    }
    if (io->desc.handle && io->desc.handle->trace.events)
        vyi_trace_note(io->desc.handle, VYI_TRACE_IO, job->queue ? job->slot : VYRE_IO_SLOTS, code);
    vyi_job_unuse(io, job->file);
    vyi_job_unuse(io, job->target);
    job->ended = !job->queue && !job->orphan && !job->event;
    job->code = code;
    if (!job->ended)
        memset(job, 0, sizeof *job);
    io->info.in_flight--;
    io->answered++;
    vyi_cond_signal(&io->moved);
}

/* A fence before which nothing is left. */
static vyi_job *vyi_fence_due(vyre_io *io)
{
    vyi_job *first = NULL;
    for (uint32_t i = 0; i < VYRE_IO_SLOTS; i++)
        if (io->jobs[i].turn && (!first || io->jobs[i].turn < first->turn))
            first = &io->jobs[i];
    return first && first->op == VYRE_IO_FENCE ? first : NULL;
}

VYI_API void vyi_job_end(vyre_io *io, vyi_job *job, uint32_t code)
{
    vyi_job_close(io, job, code);
    while (io->fences && (job = vyi_fence_due(io)) != NULL)
        vyi_job_close(io, job, 0);
}

/* --- its life ------------------------------------------------------------- */

static vyi_job *vyi_job_begin(vyre_io *io, void *queue, uint32_t index, uint32_t op)
{
    vyi_job *job = &io->jobs[index];
    VYRE_ASSERT(index < VYI_JOBS && job->turn == 0);
    job->turn = ++io->turn;
    job->queue = queue;
    job->slot = index;
    job->op = op;
    io->info.in_flight++;
    return job;
}

/* A job that passed the check. */
static void vyi_job_enter(vyre_io *io, vyi_job *job)
{
    job->file->users++;
    job->target->users++;
    vyi_count(&io->info.submitted, job, job->bytes);
}

VYI_API bool vyi_job_claim(vyre_io *io, void *queue, uint32_t slot)
{
    vyi_request r;
    if (!vyi_request_read(&r, queue, slot))
        return false;
    vyi_wire_store(queue, (size_t)slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS, VYRE_IO_CLAIMED);
    vyi_job *job = vyi_job_begin(io, queue, slot, r.op);
    if (r.op == VYRE_IO_FENCE) {
        io->fences++;
        job = vyi_fence_due(io);
        if (job)
            vyi_job_end(io, job, 0);
        return false;
    }
    const uint32_t code = vyi_job_check(job, io, &r);
    if (code) {
        job->file = job->target = NULL;
        vyi_job_end(io, job, code);
        return false;
    }
    vyi_job_enter(io, job);
    if (job->bytes == 0)
        vyi_job_end(io, job, 0);
    return job->turn != 0;
}

/* --- the host's own ------------------------------------------------------- */

VYI_API void vyi_job_drop(vyre_io *io, uint32_t index)
{
    io->info.in_flight--;
    memset(&io->jobs[index], 0, sizeof io->jobs[index]);
}

VYI_API void vyi_job_start(vyre_io *io, uint32_t index)
{
    vyi_job *job = &io->jobs[index];
    vyi_job_enter(io, job);
    if (io->quits)
        vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
    else if (job->bytes == 0)
        vyi_job_end(io, job, 0);
    else
        io->engine->start(io, job);
}

VYI_API uint32_t vyi_job_reserve(vyre_io *io, const vyre_io_read *what, uint32_t event,
                                 uint32_t *code)
{
    uint32_t index = VYRE_IO_SLOTS;
    while (index < VYI_JOBS && io->jobs[index].turn)
        index++;
    *code = 0;
    if (index == VYI_JOBS || io->quits)
        return VYI_JOBS;
    vyi_request r = { VYRE_IO_READ, what->source, what->target, what->bytes, what->tag,
                      what->offset };
    vyi_job *job = vyi_job_begin(io, NULL, index, VYRE_IO_READ);
    job->event = event;
    *code = r.src == r.dst ? (uint32_t)VYRE_IO_CODE_SOURCE : vyi_job_check(job, io, &r);
    if (*code)
        vyi_job_drop(io, index);
    return *code ? VYI_JOBS : index;
}

VYI_API bool vyi_job_take(vyre_io *io, uint32_t index, uint32_t *code, uint32_t *bytes)
{
    vyi_job *job = &io->jobs[index];
    VYRE_ASSERT(index >= VYRE_IO_SLOTS && index < VYI_JOBS && job->turn);
    if (!job->ended)
        return false;
    *code = job->code;
    *bytes = job->done;
    vyi_job_fill_up(job);
    memset(job, 0, sizeof *job);
    return true;
}

VYI_API void vyi_job_leave(vyre_io *io, uint32_t index)
{
    vyi_job *job = &io->jobs[index];
    VYRE_ASSERT(index >= VYRE_IO_SLOTS && index < VYI_JOBS && job->turn);
    if (job->ended)
        memset(job, 0, sizeof *job);
    else
        job->orphan = true;
}

static uint32_t vyi_code_of(int64_t error)
{
    return VYRE_IO_CODE_SYSTEM | (uint32_t)-error << 8;
}

/* What O_DIRECT refuses goes through the page cache from now on. */
static bool vyi_job_undirect(vyre_io *io, const vyi_job *job, int64_t error)
{
    vyi_entry *f = job->file;
    if (!job->direct || (error != -EINVAL && error != -EFAULT))
        return false;
    if (!(f->flags & VYRE_IO_DIRECT)) /* another job has seen to it */
        return true;
    f->flags &= ~(uint32_t)VYRE_IO_DIRECT;
    io->info.direct_refused = true;
    return vyi_file_buffered(f->fd);
}

/* io_uring gives up the requests of a thread that ends: ECANCELED. */
static bool vyi_job_may_retry(vyi_job *job, int64_t error)
{
    return error == -EINTR ||
           ((error == -EAGAIN || error == -ECANCELED) && ++job->tries < VYI_JOB_TRIES);
}

static bool vyi_job_failed(vyre_io *io, vyi_job *job, int64_t error)
{
    const bool cancelled = io->quits && error == -ECANCELED;
    if (!cancelled && (vyi_job_undirect(io, job, error) || vyi_job_may_retry(job, error)))
        return true;
    vyi_job_end(io, job, cancelled ? (uint32_t)VYRE_IO_CODE_CANCELLED : vyi_code_of(error));
    return false;
}

VYI_API bool vyi_job_moved(vyre_io *io, vyi_job *job, int64_t result)
{
    VYRE_ASSERT(job->turn != 0 && job->file);
    if (result < 0)
        return vyi_job_failed(io, job, result < -INT32_MAX / 256 ? -EIO : result);
    if (result > (int64_t)vyi_job_left(job)) { /* a source that cannot count */
        vyi_job_end(io, job, vyi_code_of(-EIO));
        return false;
    }
    job->tries = 0;
    job->done += (uint32_t)result;
    if (result > 0 && job->done < job->bytes)
        return true;
    const bool whole = job->done == job->bytes || vyi_job_may_end_early(job);
    vyi_job_end(io, job, whole ? 0 : VYRE_IO_CODE_SHORT);
    return false;
}

#endif /* VYRE_NO_IO */

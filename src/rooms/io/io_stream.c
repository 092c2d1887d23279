/* ==========================================================================
 * io: a work for each part of a file
 *
 * Three counters run over the chunks: those that have ended, whose works were
 * published, and whose reads have begun.  They lie no further apart than the target has
 * slots, and chunk n has slot n % slots, so that a slot is read into again only when
 * its work has ended.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

/* More of them bring nothing. */
#define VYI_STREAM_MOST 8u

typedef struct vyi_stream {
    vyre_io  *io;
    const vyre_stream_desc *desc;
    uint32_t  slots, chunk;
    uint64_t  first_word;    /* of the target, in its buffer */
    uint64_t  ended, published, begun;
    bool      last;          /* no chunk is to be begun */
    uint64_t  enough;        /* chunks from here on are let go */
    uint32_t  jobs[VYI_STREAM_MOST];
    bool      read[VYI_STREAM_MOST]; /* the bytes are there; the job is over */
    vyre_stream_chunk chunks[VYI_STREAM_MOST];
    vyre_ticket tickets[VYI_STREAM_MOST];
    vyre_status status;      /* what went wrong */
    vyre_error *err;
    uint64_t  bytes;
} vyi_stream;

/* Chunks from this one on are let go; no further one is begun. */
static void vyi_stream_stop(vyi_stream *s, uint64_t index)
{
    s->last = true;
    s->enough = s->enough < index ? s->enough : index;
}

/* The mistake of the first chunk that has one is told. */
static void vyi_stream_wrong(vyi_stream *s, uint64_t index, vyre_status status,
                             const vyre_error *how)
{
    if (index >= s->enough)
        return;
    s->status = status;
    if (s->err)
        *s->err = *how;
    vyi_stream_stop(s, index);
}

/* --- reading -------------------------------------------------------------- */

static void vyi_stream_refused(vyi_stream *s, uint64_t index, uint32_t code)
{
    vyre_error how;
    vyi_fail(&how, VYRE_E_IO_REQUEST, index,
             "Look at the source and the target; vyre_io_code says what the code means.",
             "chunk %llu could not be read: code %u, error %u of the system",
             (unsigned long long)index, code & 0xffu, code >> 8);
    how.native = (int32_t)code;
    vyi_stream_wrong(s, index, VYRE_E_IO_REQUEST, &how);
}

/* Begins the next chunk's read, if there is one and room for it. */
static bool vyi_stream_begin(vyi_stream *s)
{
    const vyre_stream_desc *d = s->desc;
    const uint64_t done = s->begun * s->chunk;
    const uint32_t place = (uint32_t)(s->begun % s->slots);
    uint32_t code;
    if (s->last || s->begun - s->ended >= s->slots)
        return false;
    if (d->size && done >= d->size) {
        s->last = true;
        return false;
    }
    const uint64_t left = d->size ? d->size - done : s->chunk;
    const vyre_io_read what = { d->source, d->target, place, d->offset + done,
                                left < s->chunk ? (uint32_t)left : s->chunk };
    vyi_mutex_lock(&s->io->lock);
    s->jobs[place] = vyi_job_reserve(s->io, &what, 0, &code);
    if (s->jobs[place] != VYI_JOBS)
        vyi_job_start(s->io, s->jobs[place]);
    vyi_mutex_unlock(&s->io->lock);
    if (s->jobs[place] == VYI_JOBS) {
        if (code)
            vyi_stream_refused(s, s->begun, code);
        return false;
    }
    const vyre_stream_chunk chunk = { s->begun, what.offset, what.bytes, place };
    s->chunks[place] = chunk;
    s->read[place] = false;
    s->begun++;
    return true;
}

/* Whether the bytes of the next chunk to be worked on are there.  A chunk that has
 * none lies beyond the file's end. */
static bool vyi_stream_arrived(vyi_stream *s)
{
    const uint32_t place = (uint32_t)(s->published % s->slots);
    vyre_stream_chunk *chunk = &s->chunks[place];
    uint32_t code = 0, bytes = 0;
    if (s->published == s->begun)
        return false;
    if (s->read[place])
        return true;
    vyi_mutex_lock(&s->io->lock);
    const bool ended = vyi_job_take(s->io, s->jobs[place], &code, &bytes);
    vyi_mutex_unlock(&s->io->lock);
    if (!ended)
        return false;
    s->read[place] = true;
    if (code)
        vyi_stream_refused(s, chunk->index, code);
    if (bytes < chunk->bytes && !code) /* the file ends in it, or before it */
        vyi_stream_stop(s, chunk->index + 1);
    chunk->bytes = bytes;
    return true;
}

/* --- working -------------------------------------------------------------- */

static vyre_work vyi_stream_work(const vyi_stream *s, const vyre_stream_chunk *chunk)
{
    vyre_work work = s->desc->work;
    const uint32_t first = (uint32_t)(s->first_word + (uint64_t)chunk->slot * (s->chunk / 4));
    if (s->desc->begin) {
        s->desc->begin(s->desc->user, chunk, &work);
        return work;
    }
    work.args[0] = first;
    work.args[1] = first + chunk->bytes / 4 + (chunk->bytes % 4 != 0);
    work.args[2] = chunk->bytes;
    work.args[3] = (uint32_t)chunk->index;
    work.arg_count = work.arg_count < 4 ? 4 : work.arg_count;
    return work;
}

/* Publishes the work of a chunk that is there.  After a mistake, and behind the file's
 * end, chunks are let go. */
static bool vyi_stream_publish(vyi_stream *s)
{
    const uint32_t place = (uint32_t)(s->published % s->slots);
    if (!vyi_stream_arrived(s))
        return false;
    if (s->published >= s->enough || s->chunks[place].bytes == 0) {
        if (s->ended != s->published)
            return false;
        s->ended = ++s->published;
        return true;
    }
    const vyre_work work = vyi_stream_work(s, &s->chunks[place]);
    vyre_error how;
    const vyre_status status = vyre_publish(s->io->desc.handle, &work, &s->tickets[place], &how);
    if (status < 0)
        vyi_stream_wrong(s, s->published, status, &how);
    s->published += status == VYRE_OK;
    return status != VYRE_FULL;
}

/* Takes the end of the oldest work; waits for it a little. */
static bool vyi_stream_end(vyi_stream *s, uint64_t wait_ns)
{
    const uint32_t place = (uint32_t)(s->ended % s->slots);
    const vyre_stream_chunk *chunk = &s->chunks[place];
    uint32_t result[VYRE_MAX_ARGS];
    vyre_error how;
    if (s->ended == s->published)
        return false;
    memset(&how, 0, sizeof how);
    const vyre_status status = vyre_wait_result(s->io->desc.handle, s->tickets[place], wait_ns,
                                                result, &how);
    if (status == VYRE_TIMEOUT)
        return false;
    s->ended++;
    if (status != VYRE_OK) {
        how.at = chunk->index;
        vyi_stream_wrong(s, chunk->index, status, &how);
    } else if (chunk->index < s->enough) {
        s->bytes += chunk->bytes;
        if (s->desc->end && !s->desc->end(s->desc->user, chunk, result))
            vyi_stream_stop(s, s->ended);
    }
    return true;
}

/* --- all of it ------------------------------------------------------------ */

#define VYI_STREAM_WAIT_NS 200000u

/* One turn; true: something has moved. */
static bool vyi_stream_turn(vyi_stream *s)
{
    bool moved = false;
    while (vyi_stream_begin(s))
        moved = true;
    vyi_mutex_lock(&s->io->lock);
    s->io->engine->turn(s->io);
    vyi_mutex_unlock(&s->io->lock);
    while (vyi_stream_publish(s))
        moved = true;
    while (vyi_stream_end(s, 0))
        moved = true;
    if (moved)
        return true;
    if (s->ended != s->published)
        return vyi_stream_end(s, VYI_STREAM_WAIT_NS);
    vyi_mutex_lock(&s->io->lock);
    if (s->published != s->begun && !s->read[s->published % s->slots])
        vyi_cond_wait(&s->io->moved, &s->io->lock, VYI_STREAM_WAIT_NS);
    vyi_mutex_unlock(&s->io->lock);
    return false;
}

/* Reads that were begun and that nobody waits for. */
static void vyi_stream_leave(vyi_stream *s)
{
    vyi_mutex_lock(&s->io->lock);
    for (; s->published < s->begun; s->published++)
        if (!s->read[s->published % s->slots])
            vyi_job_leave(s->io, s->jobs[s->published % s->slots]);
    vyi_mutex_unlock(&s->io->lock);
}

static vyre_status vyi_stream_run(vyi_stream *s)
{
    const uint64_t patience = s->desc->timeout_ns ? s->desc->timeout_ns : 60000000000u;
    uint64_t deadline = vyi_deadline(patience);
    while (!s->last || s->ended != s->begun) {
        if (vyi_stream_turn(s)) {
            deadline = vyi_deadline(patience);
        } else if (vyi_now() >= deadline) {
            vyi_stream_leave(s);
            return s->status < 0 ? s->status
                                 : vyi_fail(s->err, VYRE_TIMEOUT, s->ended,
                                            "Wait longer, or look at what runs: vyre_query.",
                                            "chunk %llu has made no progress in time",
                                            (unsigned long long)s->ended);
        }
    }
    return s->status;
}

static vyre_status vyi_stream_check(vyi_stream *s, vyre_error *err)
{
    vyi_mutex_lock(&s->io->lock);
    const vyi_entry *t = vyi_entry_find(s->io, s->desc->target, 0);
    const uint64_t slots = t && t->stride ? t->size / t->stride : 0;
    s->chunk = t ? t->stride : 0;
    s->first_word = t && !t->memory ? t->base / 4 : 0;
    const bool words = t && t->base % 4 == 0 && t->stride % 4 == 0;
    vyi_mutex_unlock(&s->io->lock);
    if (!t)
        return vyi_fail(err, VYRE_E_IO_HANDLE, s->desc->target,
                        "Pass what vyre_io_add_target() gave.", "0x%08x names no target",
                        s->desc->target);
    if (slots < 2 || !words)
        return vyi_fail(err, VYRE_E_ARGUMENT, slots,
                        "Give the target a stride of whole words, and two slots or more.",
                        "a stream needs two slots of words; the target has %llu of %u bytes",
                        (unsigned long long)slots, s->chunk);
    s->slots = slots < VYI_STREAM_MOST ? (uint32_t)slots : VYI_STREAM_MOST;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_stream(vyre_io *io, const vyre_stream_desc *desc, uint64_t *bytes,
                                 vyre_error *err)
{
    if (!io || !desc || !io->desc.handle)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a pump with a handle, and what to do.",
                        "%s", !io ? "the pump is NULL" : desc ? "the pump has no vyre handle"
                        : "desc is NULL");
    vyi_stream s;
    memset(&s, 0, sizeof s);
    s.io = io;
    s.desc = desc;
    s.err = err;
    s.enough = UINT64_MAX;
    vyre_status status = vyi_stream_check(&s, err);
    if (status < 0)
        return status;
    status = vyi_stream_run(&s);
    if (bytes)
        *bytes = s.bytes;
    return status;
}

#endif /* VYRE_NO_IO */

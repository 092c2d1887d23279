/* ==========================================================================
 * io: threads that wait in system calls, and the engine of nothing else
 *
 * What lies in the page cache is read by whoever pumps: handing it to a thread
 * would take longer, but for large reads that come together, which threads copy
 * beside each other.  Everything else is a thread's, or without threads the pump's
 * own.  Beside io_uring threads do the copies only.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

/* One call, without the lock; bytes, or -errno.  `cached`: of a file, and as for
 * vyi_file_cached. */
static int64_t vyi_job_move(vyre_io *io, vyi_job *job, bool cached)
{
    const vyi_entry f = *job->file; /* the table may change meanwhile */
    uint8_t *memory = job->memory + job->done;
    const uint64_t offset = job->offset + job->done;
    const uint32_t bytes = vyi_job_left(job), tries = job->tries;
    const bool write = job->op == VYRE_IO_WRITE;
    job->direct = (f.flags & VYRE_IO_DIRECT) != 0;
    io->inside++;
    vyi_mutex_unlock(&io->lock);
    if (tries)
        vyi_sleep(1000u * tries);
    const int64_t done = f.kind == VYI_ENTRY_SOURCE
                             ? f.fn(f.user, memory, offset, bytes, write)
                         : cached ? vyi_file_cached(f.fd, memory, offset, bytes)
                                  : vyi_file_move(f.fd, memory, offset, bytes, write);
    vyi_mutex_lock(&io->lock);
    io->inside--;
    return done;
}

/* Whether there is more to do. */
static bool vyi_job_step(vyre_io *io, vyi_job *job, int64_t done)
{
    if (io->abandoned || !vyi_job_moved(io, job, done))
        return false;
    if (!io->quits)
        return true;
    vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
    return false;
}

VYI_API void vyi_job_run(vyre_io *io, vyi_job *job)
{
    while (vyi_job_step(io, job, vyi_job_move(io, job, false)))
        ;
}

static void vyi_job_learn(vyi_job *job, int64_t cached)
{
    if (cached == -EOPNOTSUPP)
        job->file->blind = true;
}

/* As far as the page cache has it; the rest is the engine's. */
static void vyi_job_copy(vyre_io *io, vyi_job *job)
{
    int64_t done = 0;
    while (!job->file->blind && (done = vyi_job_move(io, job, true)) > 0)
        if (!vyi_job_step(io, job, done))
            return;
    if (io->abandoned)
        return;
    job->cold = true;
    vyi_job_learn(job, done);
    if (io->quits)
        vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
    else
        io->engine->start(io, job);
    vyi_cond_signal(&io->moved); /* who rests there takes the next turn, which submits it */
}

/* --- threads -------------------------------------------------------------- */

static vyi_job *vyi_pool_take(vyi_pump_pool *pool)
{
    vyi_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        job->next = NULL;
    }
    return job;
}

static void vyi_pool_put(vyi_pump_pool *pool, vyi_job *job)
{
    if (pool->first)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    job->next = NULL;
    vyi_cond_signal(&pool->work);
}

static void vyi_pool_main(void *user)
{
    vyre_io *io = (vyre_io *)user;
    vyi_mutex_lock(&io->lock);
    while (!io->quits) {
        vyi_job *job = vyi_pool_take(&io->pool);
        if (job && io->engine->id == VYRE_IO_ENGINE_PREAD)
            vyi_job_run(io, job);
        else if (job)
            vyi_job_copy(io, job);
        else
            vyi_cond_wait(&io->pool.work, &io->lock, 1000000000u);
    }
    vyi_mutex_unlock(&io->lock);
}

static bool vyi_pool_thread(vyre_io *io, uint32_t i)
{
    return vyi_thread_start(&io->pool.threads[i], vyi_pool_main, io);
}

VYI_API void vyi_pool_open(vyre_io *io, char *why, size_t size)
{
    vyi_pump_pool *pool = &io->pool;
    while (pool->count < pool->capacity && vyi_pool_thread(io, pool->count))
        pool->count++;
    io->info.threads = pool->count;
    snprintf(why, size, pool->count < pool->capacity ? "%u of %u threads could be started"
                                                     : "%u threads", pool->count, pool->capacity);
}

VYI_API void vyi_pool_close(vyre_io *io)
{
    vyi_cond_signal(&io->pool.work);
    for (uint32_t i = 0; i < io->pool.count; i++)
        vyi_thread_join(&io->pool.threads[i]);
}

VYI_API void vyi_pool_cancel(vyre_io *io)
{
    vyi_cond_signal(&io->pool.work);
    for (vyi_job *job = vyi_pool_take(&io->pool); job; job = vyi_pool_take(&io->pool))
        vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
}

/* --- the page cache -------------------------------------------------------- */

/* Copies of less are made sooner than they are handed over. */
#ifndef VYI_COPY_LEAST
    #define VYI_COPY_LEAST (32u << 10)
#endif
/* Larger reads keep others waiting who come in the meantime. */
#define VYI_CACHED_MOST (64u << 10)

static bool vyi_job_may_be_cached(const vyi_job *job)
{
    const vyi_entry *f = job->file;
    return f->kind == VYI_ENTRY_FILE && job->op == VYRE_IO_READ && !job->cold && !f->blind &&
           !(f->flags & VYRE_IO_DIRECT);
}

VYI_API bool vyi_pool_copies(vyre_io *io, vyi_job *job)
{
    if (io->pool.count == 0 || io->info.in_flight < 2 || vyi_job_left(job) < VYI_COPY_LEAST ||
        !vyi_job_may_be_cached(job))
        return false;
    vyi_pool_put(&io->pool, job);
    return true;
}

/* Whether the job has ended by what the page cache has. */
static bool vyi_pread_cached(vyre_io *io, vyi_job *job)
{
    if (!vyi_job_may_be_cached(job) || job->bytes > VYI_CACHED_MOST)
        return false;
    const int64_t done = vyi_file_cached(job->file->fd, job->memory, job->offset, job->bytes);
    vyi_job_learn(job, done);
    return done > 0 && !vyi_job_moved(io, job, done);
}

/* --- the engine ----------------------------------------------------------- */

static bool vyi_pread_open(vyre_io *io, char *why, size_t size)
{
    vyi_pool_open(io, why, size);
    return true;
}

static void vyi_pread_start(vyre_io *io, vyi_job *job)
{
    if (vyi_pool_copies(io, job) || vyi_pread_cached(io, job))
        return;
    if (io->pool.count)
        vyi_pool_put(&io->pool, job);
    else
        vyi_job_run(io, job);
}

static void vyi_pread_turn(vyre_io *io)
{
    (void)io;
}

VYI_API const vyi_pump_engine *vyi_pump_pread(void)
{
    static const vyi_pump_engine engine = {
        VYRE_IO_ENGINE_PREAD, vyi_pread_open, vyi_pool_close, vyi_pread_start, vyi_pread_turn,
        vyi_pool_cancel
    };
    return &engine;
}

#endif /* VYRE_NO_IO */

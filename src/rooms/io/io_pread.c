/* ==========================================================================
 * io: the engine of threads that wait in system calls
 *
 * What lies in the page cache is read by whoever pumps: handing it to a thread
 * would take longer.  Everything else is a thread's, or without threads the
 * pump's own.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

/* One call, without the lock; bytes, or -errno. */
static int64_t vyi_job_move(vyre_io *io, vyi_job *job)
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
                             : vyi_file_move(f.fd, memory, offset, bytes, write);
    vyi_mutex_lock(&io->lock);
    io->inside--;
    return done;
}

VYI_API void vyi_job_run(vyre_io *io, vyi_job *job)
{
    for (;;) {
        const int64_t done = vyi_job_move(io, job);
        if (io->abandoned || !vyi_job_moved(io, job, done))
            return;
        if (io->quits) {
            vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
            return;
        }
    }
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
        if (job)
            vyi_job_run(io, job);
        else
            vyi_cond_wait(&io->pool.work, &io->lock, 1000000000u);
    }
    vyi_mutex_unlock(&io->lock);
}

static bool vyi_pool_thread(vyre_io *io, uint32_t i)
{
    return vyi_thread_start(&io->pool.threads[i], vyi_pool_main, io);
}

static void vyi_pool_join(vyre_io *io)
{
    for (uint32_t i = 0; i < io->pool.count; i++)
        vyi_thread_join(&io->pool.threads[i]);
}

/* --- the engine ----------------------------------------------------------- */

static bool vyi_pread_open(vyre_io *io, char *why, size_t size)
{
    vyi_pump_pool *pool = &io->pool;
    while (pool->count < pool->capacity && vyi_pool_thread(io, pool->count))
        pool->count++;
    io->info.threads = pool->count;
    snprintf(why, size, pool->count < pool->capacity ? "%u of %u threads could be started"
                                                     : "%u threads", pool->count, pool->capacity);
    return true;
}

static void vyi_pread_close(vyre_io *io)
{
    vyi_cond_signal(&io->pool.work);
    vyi_pool_join(io);
}

/* Larger reads keep others waiting who come in the meantime. */
#define VYI_CACHED_MOST (64u << 10)

/* Whether the job has ended by what the page cache has. */
static bool vyi_pread_cached(vyre_io *io, vyi_job *job)
{
    const vyi_entry *f = job->file;
    if (f->kind != VYI_ENTRY_FILE || job->op != VYRE_IO_READ || job->bytes > VYI_CACHED_MOST ||
        (f->flags & VYRE_IO_DIRECT))
        return false;
    const int64_t done = vyi_file_cached(f->fd, job->memory, job->offset, job->bytes);
    return done > 0 && !vyi_job_moved(io, job, done);
}

static void vyi_pread_start(vyre_io *io, vyi_job *job)
{
    if (vyi_pread_cached(io, job))
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

/* Jobs that wait for a thread need not wait any more. */
static void vyi_pread_cancel(vyre_io *io)
{
    vyi_cond_signal(&io->pool.work);
    for (vyi_job *job = vyi_pool_take(&io->pool); job; job = vyi_pool_take(&io->pool))
        vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
}

VYI_API const vyi_pump_engine *vyi_pump_pread(void)
{
    static const vyi_pump_engine engine = {
        VYRE_IO_ENGINE_PREAD, vyi_pread_open, vyi_pread_close, vyi_pread_start, vyi_pread_turn,
        vyi_pread_cancel
    };
    return &engine;
}

#endif /* VYRE_NO_IO */

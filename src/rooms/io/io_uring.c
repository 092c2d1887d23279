/* ==========================================================================
 * io: the engine that is io_uring, through liburing
 *
 * Reads and writes of all files go to the kernel by one system call for each look
 * at the queue, and come back through shared memory.  A completion says in its
 * user_data which job it is of, slot and turn: others that come late are nobody's.
 * Its copies out of the page cache are made one after the other, by whoever submits,
 * so AUTO has threads beside it for large ones.
 * Memory is not registered: docs/io.md has what that would earn.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

#ifndef VYRE_URING

VYI_API const vyi_pump_engine *vyi_pump_uring(void)
{
    return NULL;
}

#else

#include <liburing.h>

/* For each job one for itself and one to cancel it. */
#define VYI_URING_ENTRIES (2 * VYI_JOBS)

typedef struct vyi_uring {
    struct io_uring ring;
    /* Jobs that the kernel has not taken over, in the order of their entries. */
    uint8_t  order[VYI_URING_ENTRIES];
    uint32_t waiting;
    bool     broken; /* it takes nothing any more */
} vyi_uring;

#define VYI_URING_NOBODY UINT64_MAX

static uint64_t vyi_uring_name(const vyi_job *job)
{
    return job->turn * VYI_JOBS + job->slot;
}

static vyi_job *vyi_uring_job(vyre_io *io, uint64_t name)
{
    vyi_job *job = &io->jobs[name % VYI_JOBS];
    return job->turn && job->turn == name / VYI_JOBS && !job->ended ? job : NULL;
}

/* What the kernel did not take is read the other way. */
static void vyi_uring_break(vyre_io *io, int error)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    const uint32_t count = u->waiting;
    u->broken = true;
    u->waiting = 0;
    snprintf(io->info.why, sizeof io->info.why,
             "io_uring_enter gave error %d: files are read by pread", -error);
    for (uint32_t i = 0; i < count && !io->abandoned; i++)
        vyi_job_run(io, &io->jobs[u->order[i]]);
}

static void vyi_uring_submit(vyre_io *io)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    if (u->waiting == 0 || u->broken)
        return;
    const int taken = io_uring_submit(&u->ring);
    if (taken < 0) {
        if (taken != -EINTR && taken != -EAGAIN && taken != -EBUSY)
            vyi_uring_break(io, taken);
        return;
    }
    VYRE_ASSERT((uint32_t)taken <= u->waiting);
    u->waiting -= (uint32_t)taken;
    memmove(u->order, u->order + taken, u->waiting);
}

static void vyi_uring_start(vyre_io *io, vyi_job *job)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    struct io_uring_sqe *sqe = NULL;
    if (vyi_pool_copies(io, job))
        return;
    if (job->file->kind == VYI_ENTRY_FILE && !u->broken)
        sqe = io_uring_get_sqe(&u->ring);
    if (!sqe) {
        vyi_job_run(io, job);
        return;
    }
    job->direct = (job->file->flags & VYRE_IO_DIRECT) != 0;
    io_uring_prep_rw(job->op == VYRE_IO_WRITE ? IORING_OP_WRITE : IORING_OP_READ, sqe,
                     job->file->fd, job->memory + job->done, vyi_job_left(job),
                     job->offset + job->done);
    io_uring_sqe_set_data64(sqe, vyi_uring_name(job));
    u->order[u->waiting++] = (uint8_t)job->slot;
}

static void vyi_uring_ended(vyre_io *io, vyi_job *job, int result)
{
    if (!vyi_job_moved(io, job, result))
        return;
    if (io->quits)
        vyi_job_end(io, job, VYRE_IO_CODE_CANCELLED);
    else
        vyi_uring_start(io, job);
}

static void vyi_uring_turn(vyre_io *io)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    struct io_uring_cqe *cqe;
    vyi_uring_submit(io);
    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        const uint64_t name = io_uring_cqe_get_data64(cqe);
        const int result = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        vyi_job *job = vyi_uring_job(io, name);
        if (job)
            vyi_uring_ended(io, job, result);
    }
    vyi_uring_submit(io);
}

static void vyi_uring_cancel(vyre_io *io)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    vyi_pool_cancel(io);
    vyi_uring_submit(io);
    for (uint32_t i = 0; i < VYI_JOBS && !u->broken && u->waiting == 0; i++) {
        if (!io->jobs[i].turn || io->jobs[i].ended || io->jobs[i].op == VYRE_IO_FENCE)
            continue;
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
        if (!sqe)
            break;
        io_uring_prep_cancel64(sqe, vyi_uring_name(&io->jobs[i]), 0);
        io_uring_sqe_set_data64(sqe, VYI_URING_NOBODY);
    }
    if (!u->broken && u->waiting == 0)
        (void)io_uring_submit(&u->ring);
}

static void vyi_uring_close(vyre_io *io)
{
    vyi_uring *u = (vyi_uring *)io->ring;
    vyi_pool_close(io);
    io_uring_queue_exit(&u->ring);
    vyi_free(&io->desc.allocator, u, sizeof *u);
    io->ring = NULL;
}

/* 0, or an errno: systems before 5.6 have io_uring without READ and WRITE. */
static int vyi_uring_begin(vyi_uring *u)
{
    const int made = io_uring_queue_init(VYI_URING_ENTRIES, &u->ring, 0);
    if (made < 0)
        return -made;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&u->ring);
    const bool knows = probe && io_uring_opcode_supported(probe, IORING_OP_READ) &&
                       io_uring_opcode_supported(probe, IORING_OP_WRITE);
    if (probe)
        io_uring_free_probe(probe);
    if (!knows)
        io_uring_queue_exit(&u->ring);
    return knows ? 0 : EOPNOTSUPP;
}

static bool vyi_uring_open(vyre_io *io, char *why, size_t size)
{
    vyi_uring *u = (vyi_uring *)vyi_alloc_zeroed(&io->desc.allocator, sizeof *u);
    const int error = u ? vyi_uring_begin(u) : ENOMEM;
    if (error) {
        vyi_free(&io->desc.allocator, u, sizeof *u);
        snprintf(why, size, "io_uring_setup gave error %d%s", error,
                 error == EPERM ? ", the system forbids it"
                 : error == ENOSYS ? ", the system has none" : "");
        return false;
    }
    char threads[48] = "no threads";
    io->ring = u;
    if (io->desc.engine == VYRE_IO_ENGINE_AUTO)
        vyi_pool_open(io, threads, sizeof threads);
    snprintf(why, size, "io_uring, memory not registered; %s", threads);
    return true;
}

VYI_API const vyi_pump_engine *vyi_pump_uring(void)
{
    static const vyi_pump_engine engine = {
        VYRE_IO_ENGINE_URING, vyi_uring_open, vyi_uring_close, vyi_uring_start, vyi_uring_turn,
        vyi_uring_cancel
    };
    return &engine;
}

#endif /* VYRE_URING */

#endif /* VYRE_NO_IO */

/* ==========================================================================
 * cpu: the interpreter as a device
 *
 * Private.  What is launched runs on threads of the device's own, which are made
 * when they are first needed and end with it; so no call of the engine lasts as
 * long as a handler does.  Without threads reap runs it, a slice at a time.
 *
 * Workers.  A worker is a thread and a machine for the looping program, all of
 * whose lanes serve the whole ring: a claim is a compare-and-swap, so it does
 * not matter who makes it.  One worker leads: it alone looks for works, and the
 * others sleep.  A leader whose round has lasted too long to be short gives the
 * lead away, and with it, in another machine, the lanes that have claimed works
 * of their own and wait for a longer one (vyi_machine_part).  So an endless work
 * holds one worker, and no other work.  One worker alone never parts lanes.
 *
 * Works that many lanes run have workers of their own, where there are several
 * (cpu_wide.c): each is a group that waits at the gates, and takes chunks from there.
 * A tile pass runs on all of these: each takes the next of its groups.  With one
 * thread every such work is a pass, and that thread's.
 *
 * Under the lock: who leads, who has a turn, the end of a launch.  A worker's
 * machine belongs to whoever gives it a turn until it has it, then to the worker.
 * ======================================================================= */
#ifndef VYI_CPU_IMPL_H
#define VYI_CPU_IMPL_H

#include "engine/engine_impl.h"
#include "interp/interp_impl.h"

VYI_EXTERN_C_BEGIN

/* `news` counts what was published, in its upper bits; bit 0 says that the leader
 * sleeps and wants to be woken.  Both are one word, so that no publisher can slip
 * in between the leader's last look and its sleep. */
#define VYI_CPU_SLEEPS 1u
#define VYI_CPU_NEWS   2u

#define VYI_CPU_NOBODY UINT32_MAX

/* Whose the launch is. */
#define VYI_CPU_REST     0u /* there is none; the engine moves it on */
#define VYI_CPU_LAUNCHED 1u /* the workers', the last of which moves it on */
#define VYI_CPU_ENDED    2u /* the engine's, until it is reaped */

typedef struct vyi_cpu vyi_cpu;

typedef struct vyi_cpu_worker {
    vyi_cpu     *c;
    uint32_t     index;
    vyi_machine *loop;
    vyi_machine *tiles;  /* NULL where it runs no tile passes */
    bool         wide;   /* its machine is a group that waits for works of many lanes */
    uint32_t     group;  /* which, in a run: vyi_machine_take_from */
    uint32_t     era;    /* in which its run began; under the lock */
    bool         sleeps; /* in its run, until somebody needs it; under the lock */
    uint32_t     ended;  /* works, when it last told others */
    uint32_t     turn;   /* there is something for it to do; stored under the lock */
    bool         paused; /* its machine, in the middle of a round or a pass */
    bool         parted; /* its lanes are not all there: it ends with the round */
    uint64_t     since;  /* the first question of this round whether to pause; 0: none so far */
    bool         made;   /* the thread */
    vyi_thread   thread;
    vyi_cond     wake;
} vyi_cpu_worker;

/* What the leader knows; it goes with the lead. */
typedef struct vyi_cpu_idle {
    uint64_t nap_ns, least_ns, most_ns;
    uint32_t seen;   /* of `news` */
    uint32_t ended;  /* works, when the last round began */
    uint32_t rounds; /* of this launch, so far */
} vyi_cpu_idle;

struct vyi_cpu {
    vyi_device     base;
    /* Words that threads share: who stores releases, who loads acquires. */
    uint32_t       news;
    uint32_t       stop;     /* abort */
    uint32_t       phase;
    uint32_t       dozers;   /* host threads that sleep until works end */
    uint32_t       leader;   /* a worker's index, or VYI_CPU_NOBODY; stored under the lock */
    uint32_t       resting;  /* of the lanes' workers, without a turn; likewise */
    uint32_t       wide_resting; /* of the others; of them, those without a turn or asleep: */
    uint32_t       wide_idle;
    uint32_t       over;     /* the launch is to end */
    uint32_t       era;      /* of the gates; stored under the lock */
    uint32_t       next_group; /* of a tile pass: that nobody has taken */
    /* Constant. */
    vyre_allocator allocator;
    vyi_cpu_worker *workers;
    size_t         workers_size;
    uint32_t       worker_count; /* of both kinds */
    uint32_t       lane_count;   /* the lanes' workers, which come first */
    uint64_t       lease_ns; /* then a bounded launch ends, whatever is left of it */
    /* Memory. */
    void          *block;    /* of the resident buffers */
    size_t         block_size;
    size_t         size[VYI_MAX_BUFFERS];
    void          *own[VYI_MAX_BUFFERS]; /* blocks of buffers that have got another size */
    size_t         own_size[VYI_MAX_BUFFERS];
    uint32_t       buffer_count, mirror, cancel, wide, events; /* 0: there is none */
    void          *attached; /* block of the attached set */
    size_t         attached_size;
    size_t         attached_sizes[VYI_MAX_BUFFERS];
    void          *attached_map[VYI_MAX_BUFFERS];
    /* The launch. */
    vyi_machine   *once;
    vyi_launch     what;
    uint32_t       rounds;   /* 0 = endless */
    uint32_t       groups;   /* of a tile pass */
    uint64_t       begun;
    uint64_t       completed;
    uint64_t       slice_end; /* without threads */
    vyi_cpu_idle   idle;
    void         (*main)(void *worker); /* of each thread */
    bool           quits;    /* under the lock */
    vyi_mutex      lock;
    vyi_cond       changed;  /* for the engine: a launch or a work has ended */
};

/* Turns (cpu_turn.c): the launch is to end; works that have ended, or were put back;
 * host threads that doze are told so. */
VYI_API bool vyi_cpu_stopped(const vyi_cpu *c);
VYI_API uint32_t vyi_cpu_ended(const vyi_cpu *c);
VYI_API void vyi_cpu_tell(vyi_cpu *c);
VYI_API void vyi_cpu_doze(vyi_device *d, uint64_t ns);
#if VYI_THREADS
/* Under the lock: the thread, before its first turn (false: the system gives none); a
 * turn, for what the worker has been prepared for, which its `wake` tells it of, by the
 * caller or at once; the end of one. */
VYI_API bool vyi_cpu_make_thread(vyi_cpu_worker *w);
VYI_API void vyi_cpu_take_turn(vyi_cpu_worker *w);
VYI_API void vyi_cpu_give_turn(vyi_cpu_worker *w);
VYI_API void vyi_cpu_end_turn(vyi_cpu_worker *w);
#endif

/* The workers that run tile passes: one that runs lanes' works, too, or all wide ones. */
static inline uint32_t vyi_cpu_first_tiler(const vyi_cpu *c)
{
    return c->lane_count < c->worker_count ? c->lane_count : 0;
}

/* Running (cpu_run.c). */
VYI_API bool vyi_cpu_ask(void *worker, uint64_t round);
/* Whether a machine is to pause, between two iterations. */
VYI_API bool vyi_cpu_pauses(void *worker);
/* Begins the launch that `c` describes. */
VYI_API vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err);
/* Waits for its end, or runs a part of it. */
VYI_API void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns);
/* Ends the threads.  False: a launch runs. */
VYI_API bool vyi_cpu_quit(vyi_cpu *c);

/* Works that many lanes run, and news for those who wait (cpu_wide.c). */
VYI_API void vyi_cpu_wake(vyi_device *d);
VYI_API void vyi_cpu_wake_groups(vyi_device *d);
/* By a worker that does not lead: if works have ended, whoever waits for them looks
 * now, be it a host thread that dozes or a lane. */
VYI_API void vyi_cpu_worker_tells(vyi_cpu_worker *w);
VYI_API bool vyi_cpu_group_ask(void *worker, uint64_t round);
/* Work for a group that is idle, if there is a chunk.  Any thread. */
VYI_API void vyi_cpu_call_group(vyi_cpu *c);
VYI_API uint32_t vyi_cpu_era(vyi_device *d);
#if VYI_THREADS
/* One worker's turn: chunks, until there are no more. */
VYI_API void vyi_cpu_run_group(vyi_cpu_worker *w);
/* Under the lock: whoever sleeps looks whether its run is to end. */
VYI_API void vyi_cpu_rouse_groups(vyi_cpu *c);
#endif

VYI_EXTERN_C_END

#endif

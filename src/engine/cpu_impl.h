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
 * A tile pass runs on all of them: each takes the next of its groups.
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
    vyi_machine *tiles;  /* NULL without works that many lanes run */
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
    uint32_t       resting;  /* workers without a turn; likewise */
    uint32_t       over;     /* the launch is to end */
    uint32_t       next_group; /* of a tile pass: that nobody has taken */
    /* Constant. */
    vyre_allocator allocator;
    vyi_cpu_worker *workers;
    size_t         workers_size;
    uint32_t       worker_count;
    uint64_t       lease_ns; /* then a bounded launch ends, whatever is left of it */
    /* Memory. */
    void          *block;    /* of the resident buffers */
    size_t         block_size;
    size_t         size[VYI_MAX_BUFFERS];
    void          *own[VYI_MAX_BUFFERS]; /* blocks of buffers that have got another size */
    size_t         own_size[VYI_MAX_BUFFERS];
    uint32_t       buffer_count, mirror, cancel;
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
    bool           quits;    /* under the lock */
    vyi_mutex      lock;
    vyi_cond       changed;  /* for the engine: a launch or a work has ended */
};

/* Running (cpu_run.c). */
VYI_API bool vyi_cpu_ask(void *worker, uint64_t round);
/* Whether a machine is to pause, between two iterations. */
VYI_API bool vyi_cpu_pauses(void *worker);
VYI_API void vyi_cpu_wake(vyi_device *d);
VYI_API void vyi_cpu_doze(vyi_device *d, uint64_t ns);
/* Begins the launch that `c` describes. */
VYI_API vyre_status vyi_cpu_begin(vyi_cpu *c, vyre_error *err);
/* Waits for its end, or runs a part of it. */
VYI_API void vyi_cpu_wait(vyi_cpu *c, uint64_t timeout_ns);
/* Ends the threads.  False: a launch runs. */
VYI_API bool vyi_cpu_quit(vyi_cpu *c);

VYI_EXTERN_C_END

#endif

/* ==========================================================================
 * interp: the machine behind vyre_interpret
 *
 * Private.  A program is decoded once, into steps that name their registers,
 * buffers and jump targets by address; running them allocates nothing.  A
 * register holds one word for each lane of a workgroup.
 *
 *     vyi_machine *m;
 *     status = vyi_machine_create(p, &desc, &m, err);
 *     status = vyi_machine_run(m, groups, max_rounds, err);
 *     vyi_machine_destroy(m);
 *
 * A machine keeps nothing of the program.  One thread at a time may use it;
 * other threads may change the bound bytes meanwhile.
 * ======================================================================= */
#ifndef VYI_INTERP_IMPL_H
#define VYI_INTERP_IMPL_H

#include "interp/interp.h"
#include "ir/ir_impl.h"

VYI_EXTERN_C_BEGIN

#if defined(__GNUC__) || defined(__clang__)
    #define VYI_RESTRICT __restrict__
    #define VYI_MAY_ALIAS __attribute__((may_alias))
#else
    #define VYI_RESTRICT __restrict
    #define VYI_MAY_ALIAS
#endif

typedef struct vyi_machine vyi_machine;

/* Asked before each round of a round loop, `round` counting from 0; false ends
 * the loop as max_rounds does. */
typedef bool (*vyi_round_fn)(void *user, uint64_t round);

VYI_API vyre_status vyi_machine_create(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err);
/* Another machine of the same program, on the same bytes: a fraction of the time
 * of vyi_machine_create.  `m` is not in a run; hooks are not copied.  NULL when
 * there is no memory for m->size bytes. */
VYI_API vyi_machine *vyi_machine_copy(const vyi_machine *m);
/* Other bytes for the same program; on failure the old ones stay. */
VYI_API vyre_status vyi_machine_bind(vyi_machine *m, void *const *buffers, const size_t *sizes,
                                     uint32_t count, vyre_error *err);
/* NULL takes the hook away. */
VYI_API void vyi_machine_on_round(vyi_machine *m, vyi_round_fn ask, void *user);
/* Asked now and then, where an iteration of any loop but a round loop begins:
 * true pauses the run there.  NULL takes the hook away. */
typedef bool (*vyi_pause_fn)(void *user);
VYI_API void vyi_machine_on_work(vyi_machine *m, vyi_pause_fn pause, void *user);
/* A run ends, as max_rounds does but where it stands, at the first iteration of
 * any loop that begins while *flag is not 0; another thread may set it.  NULL
 * takes the flag away. */
VYI_API void vyi_machine_stop_by(vyi_machine *m, const uint32_t *flag);
/* Machines that are told the same word share the workgroups of one dimension among
 * themselves: each takes the next one from it.  It is 0 before they run. */
VYI_API void vyi_machine_take_from(vyi_machine *m, uint32_t *next_group);
/* VYRE_OK, VYRE_TIMEOUT as vyre_interpret, VYRE_PENDING: it was paused. */
VYI_API vyre_status vyi_machine_run(vyi_machine *m, const uint32_t groups[3],
                                    uint64_t max_rounds, vyre_error *err);
/* Goes on with a run that was paused, on any thread: the same statuses. */
VYI_API vyre_status vyi_machine_resume(vyi_machine *m);
/* Parts the lanes of a paused run: those in the loop that it was paused in stay,
 * the others, which wait for them, go on in `spare`, which is then paused in
 * their place.  Neither part has the other's lanes any more, to the end of the
 * workgroup; workgroups that follow stay with `m`.  `spare` is a machine of the
 * same program and description, on the same buffers, and not in a run.  False:
 * nobody waits, and nothing has changed.  No barrier may follow. */
VYI_API bool vyi_machine_part(vyi_machine *m, vyi_machine *spare);
/* NULL is allowed. */
VYI_API void vyi_machine_destroy(vyi_machine *m);

/* --- steps --------------------------------------------------------------- */

/* Registers are whole chunks of lanes, so that the compiler can vectorise a
 * loop whose length it knows. */
#define VYI_CHUNK 16u

/* Computes `count` lanes, a multiple of VYI_CHUNK. */
typedef void (*vyi_lanes_fn)(uint32_t *VYI_RESTRICT d, const uint32_t *VYI_RESTRICT a,
                             const uint32_t *VYI_RESTRICT b, const uint32_t *VYI_RESTRICT c,
                             uint32_t count);

/* The function of a pure instruction whose operand a has type `operand`; NULL
 * when there is none. */
VYI_API vyi_lanes_fn vyi_lanes_find(const vyi_inst *inst, uint32_t operand);
/* d = a */
VYI_API vyi_lanes_fn vyi_lanes_copy_fn(void);
/* d = a - b */
VYI_API vyi_lanes_fn vyi_lanes_sub_fn(void);

/* The caller's bytes may be declared as anything. */
typedef uint32_t VYI_MAY_ALIAS vyi_memory_word;

typedef struct vyi_step_memory {
    vyi_memory_word *words;
    uint32_t         length;
} vyi_step_memory;

/* The active lanes, ascending.  All of them lie in lo .. hi - 1, which are
 * bounds of chunks: pure instructions compute that range and ignore the rest
 * of the mask, for nobody reads what an inactive lane computed. */
typedef struct vyi_active {
    const uint16_t *lanes;
    uint32_t        count, lo, hi;
} vyi_active;

typedef struct vyi_step vyi_step;
typedef const vyi_step *(*vyi_step_fn)(vyi_machine *m, const vyi_step *s);

/* A case of a switch; a table of them is sorted by literal. */
typedef struct vyi_step_case {
    uint32_t literal, arm;
} vyi_step_case;

/* A block of the program.  No block is open twice at a time, so its state
 * has a fixed place.  The lists are of its nesting depth. */
typedef struct vyi_step_block {
    uint16_t       *kept;    /* lanes left at the depth that the block stands in */
    uint16_t       *first;   /* then, arms of a switch, members of a loop */
    uint16_t       *second;  /* else */
    vyi_active      outer;   /* before the block */
    vyi_active      other;   /* of the else arm */
    uint64_t        leaves;  /* of the machine, when the block began */
    uint64_t        round_leaves; /* when the iteration began */
    uint64_t        rounds;  /* begun so far */
    bool            is_round_loop;
    vyi_step_case       *cases;
    uint32_t        case_count, arm_count, default_arm; /* no default: arm_count */
    uint32_t       *starts;  /* of each arm in `first`; arm_count + 2 */
    const vyi_step *body;    /* of a loop */
    const vyi_step *after;   /* behind END */
    const vyi_step *skip;    /* from END when no lane is left */
} vyi_step_block;

struct vyi_step {
    vyi_lanes_fn      lanes; /* of a pure instruction; else NULL, and then: */
    vyi_step_fn       run;
    uint32_t         *d;
    const uint32_t   *a, *b, *c; /* an operand that is not there equals another */
    const vyi_step_memory *memory;
    vyi_step_block        *block;
    const vyi_step   *skip;  /* where to go on when no lane is active */
    uint32_t          arm;   /* of CASE and DEFAULT */
    uint8_t           type;  /* vyre_type */
    uint8_t           sub;
};

/* A register whose content is the same during a whole workgroup. */
typedef struct vyi_fixed {
    uint32_t *d;
    uint32_t  op;    /* CONST, BUILTIN, LENGTH */
    uint32_t  what;  /* bits, builtin, buffer id */
} vyi_fixed;

/* Iterations between two questions whether to pause. */
#ifndef VYI_WORK_ITERATIONS
    #define VYI_WORK_ITERATIONS 64u
#endif

/* Why a lane does not run. */
enum { VYI_LANE_RUNS = 0, VYI_LANE_CONTINUED = 1, VYI_LANE_BROKE = 2, VYI_LANE_RETURNED = 3 };

struct vyi_machine {
    /* What a run changes. */
    vyi_active      active;
    uint64_t        leaves;     /* times that lanes broke, continued or returned */
    uint64_t        clock;      /* of the last CLOCK */
    uint64_t        max_rounds;
    bool            timed_out;
    uint32_t        group[3], groups[3];
    uint32_t       *next_group; /* shared with other machines, or NULL */
    const vyi_step *paused;     /* where to go on; NULL: the run is not paused */
    vyi_step_block *paused_in;  /* the loop; NULL: it has been parted, and not gone on since */
    uint32_t        iterations; /* left until the next question */
    /* What decoding fixed. */
    vyre_allocator  allocator;
    size_t          size;       /* of this block of memory, which holds all that follows */
    uint32_t        group_size[3];
    uint32_t        lanes, lanes_padded;
    uint32_t        subgroup_size, subgroup_shift;
    uint32_t        loop_limit;
    vyi_round_fn    ask;
    void           *ask_user;
    vyi_pause_fn    pause;
    void           *pause_user;
    const uint32_t *stop_flag;
    vyi_step       *steps;
    vyi_step_block      *blocks;
    vyi_step_case       *cases;
    uint32_t       *starts;
    vyi_fixed      *fixed;
    uint32_t        fixed_count;
    vyi_step_memory     *memories;   /* by buffer id - 1 */
    uint32_t       *bound;      /* buffer id - 1 of each binding, ascending by binding */
    uint32_t       *declared;   /* count of each buffer */
    uint32_t        memory_count, bound_count, block_count, step_count;
    uint32_t       *shared;     /* all workgroup arrays */
    size_t          shared_count;
    uint32_t       *registers;
    uint16_t       *lists;
    uint16_t       *all;        /* 0, 1, 2, ... */
    uint8_t        *state;      /* VYI_LANE_* of each lane */
    uint32_t       *arm_of;     /* scratch of a switch */
    uint32_t       *spent, *allowed, *cut; /* loop iterations of each lane */
};

/* Notes that the run did not come to its own end. */
static inline bool vyi_machine_stopped(vyi_machine *m)
{
    const bool stopped = m->stop_flag && vyi_load_acquire(m->stop_flag);
    m->timed_out |= stopped;
    return stopped;
}

/* Decodes a finished program for a checked description; no buffer is bound
 * and no fixed register filled yet (interp_code.c). */
VYI_API vyre_status vyi_machine_decode(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err);

/* How an instruction that is not pure is run; NULL when it needs no step
 * (interp_run.c). */
VYI_API vyi_step_fn vyi_step_find(const vyi_inst *inst, const vyi_inst *opener);
VYI_API const vyi_step *vyi_step_halt(vyi_machine *m, const vyi_step *s);

VYI_EXTERN_C_END

#endif

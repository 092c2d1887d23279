/* ==========================================================================
 * fuse: what need not run twice, what runs after what, what runs side by side
 *
 * Public, a room: VYRE_NO_FUSE leaves it out.  A running kernel saves no
 * launches by fusing works.  What is left of the idea: a work that was given
 * twice runs once (fold), works that depend on each other run in as few waves
 * as that takes, and neighbouring lanes run the same opcode (group).
 *
 * Arrays that a function needs come from the allocator that it is given, NULL =
 * malloc, and are gone when it returns.
 * ======================================================================= */
#ifndef VYI_FUSE_H
#define VYI_FUSE_H

#include "engine/engine.h"

#ifndef VYRE_NO_FUSE

VYI_EXTERN_C_BEGIN

/* --- a set without conflicts --------------------------------------------- */

typedef struct vyre_select_desc {
    uint32_t        count;
    const double   *costs;     /* the smaller is taken first, IEEE total order; NULL: all equal */
    const uint32_t *conflicts; /* count * count, row by row: i and j are not taken together if
                                  either entry is not 0; NULL: none */
    const bool     *dead;      /* not taken, in conflict with nobody; NULL: none */
    vyre_allocator  allocator;
} vyre_select_desc;

/* Takes one after the other, in the order of cost, number of conflicts, index,
 * what is in conflict with nothing taken before.  `keep` gets `count` words, 0 or
 * 1; `kept` their sum, and may be NULL. */
VYRE_API vyre_status vyre_select(const vyre_select_desc *desc, uint32_t *keep, uint32_t *kept,
                                 vyre_error *err);

/* --- works --------------------------------------------------------------- */

/* What running an opcode means.  A resource is a number; bit i of a mask says
 * that args[i] is the number of one that is read, or written.  An argument
 * beyond arg_count is 0. */
typedef struct vyre_op_traits {
    uint32_t opcode;
    bool     repeatable;    /* once is as good as twice */
    uint16_t reads, writes; /* bits 0..11 */
} vyre_op_traits;

typedef struct vyre_duplicate {
    uint32_t first, index;
} vyre_duplicate;

/* Which works need not run.  Work j is folded into i, i < j, if both are equal
 * (opcode, tenant, priority, arguments), their opcode is repeatable, they write
 * nothing that they read, and no work between them that runs writes what they
 * touch or reads what they write.  A work whose opcode has no traits writes
 * everything.  i is then the first of its kind since the last such hazard, and
 * runs.
 *
 * stands_for[j] = i, or j for a work that runs; `pairs`, which may be NULL, gets
 * one entry for each folded work, in order; pair_count, which may be NULL, their
 * number.  VYRE_E_SPACE: `capacity` is less than err->at. */
VYRE_API vyre_status vyre_works_fold(const vyre_work *works, uint32_t count,
                                     const vyre_op_traits *traits, uint32_t trait_count,
                                     uint32_t *stands_for, vyre_duplicate *pairs,
                                     uint32_t capacity, uint32_t *pair_count,
                                     const vyre_allocator *allocator, vyre_error *err);

/* `order` gets the indexes 0 .. count - 1 so that equal opcodes stand together:
 * opcodes in the order in which they first occur, works of one as they were. */
VYRE_API vyre_status vyre_works_group(const vyre_work *works, uint32_t count, uint32_t *order,
                                      const vyre_allocator *allocator, vyre_error *err);

/* --- arms: lists of works that belong together ---------------------------- */

typedef struct vyre_arm {
    const vyre_work *works;
    uint32_t         count;
} vyre_arm;

typedef struct vyre_redundant {
    uint32_t owner, arm, index; /* the arm that had it first; where it is again */
} vyre_redundant;

/* Works that an earlier arm has, too, arm by arm.  `exact`: they are equal;
 * otherwise opcode and the first two arguments are.  It says nothing of what lies
 * between the two: vyre_works_fold does.  `found` is their number, and may be
 * NULL; VYRE_E_SPACE: `capacity` is less than err->at. */
VYRE_API vyre_status vyre_arms_redundant(const vyre_arm *arms, uint32_t count, bool exact,
                                         vyre_redundant *out, uint32_t capacity, uint32_t *found,
                                         const vyre_allocator *allocator, vyre_error *err);

/* With how many equal works all arms begin; 0 for no arms. */
VYRE_API uint32_t vyre_arms_prologue(const vyre_arm *arms, uint32_t count);

/* --- waves ---------------------------------------------------------------- */

/* The resources that a work reads and writes; a number may occur twice. */
typedef struct vyre_work_access {
    const uint32_t *reads, *writes;
    uint32_t        read_count, write_count;
} vyre_work_access;

typedef struct vyre_wave_why {
    uint32_t earlier; /* the latest work of the wave before that is in conflict */
    uint32_t reason;  /* 1 both write, 2 read after write, 3 write after read; 0: none */
} vyre_wave_why;

/* In which wave each work may run, if a wave begins when the one before it has
 * ended.  wave[i] is one more than that of the last wave with an earlier work in
 * conflict with i, or 0.  `contiguous`: waves are stretches of the array; a new
 * one begins at a work that is in conflict with any work of the stretch before
 * it, and only such works have a reason.
 *
 * `why` and `wave_count` may be NULL. */
VYRE_API vyre_status vyre_waves(const vyre_work_access *accesses, uint32_t count, bool contiguous,
                                uint32_t *wave, vyre_wave_why *why, uint32_t *wave_count,
                                const vyre_allocator *allocator, vyre_error *err);

/* --- a run with all of it ------------------------------------------------- */

typedef struct vyre_run_desc {
    const vyre_work      *works;
    uint32_t              count;
    bool                  group;       /* equal opcodes side by side */
    const vyre_op_traits *traits;      /* fold; NULL: each work runs */
    uint32_t              trait_count;
    const vyre_work_access *accesses;  /* order, one for each work; NULL: there is none */
    uint64_t              deadline_ns; /* for the whole; 0: run_timeout_ns without progress */
    uint32_t            (*results)[12]; /* NULL, or count rows: what vyre_result gives */
} vyre_run_desc;

/* Runs works to their end, as vyre_run does, in as few waves as their order
 * needs.  With vyre_desc.events the device waits between them; else a wave is published
 * whole and waited for before the next one.  A work that is folded into another gets
 * its row of results.
 *
 * VYRE_E_FAULT: all works of that wave have run, later waves have not; err->at is
 * the index in `works` of the first that was seen, *stats is filled in, and its
 * `done` and `folded` tell how many works have results.  VYRE_TIMEOUT: the deadline
 * has passed; what was published stays in the ring.  While other threads
 * publish to the handle, a result may be gone before it is read: VYRE_E_STALE.
 * `stats` may be NULL. */
VYRE_API vyre_status vyre_run_with(vyre *v, const vyre_run_desc *desc, vyre_stats *stats,
                                   vyre_error *err);

/* --- programs -------------------------------------------------------------- */

/* Takes workgroup barriers (acquire and release) out of a finished program, where
 * no buffer is written on one side and touched on the other, up to the next
 * barrier on every path, a loop's back edge included.  Kept are those that have
 * an atomic, a subgroup operation, another kind of barrier or fence, a return or
 * a workgroup array on either side; of two with nothing between one goes.
 * Buffers of different bindings must be different memory.  `removed` may be
 * NULL. */
VYRE_API vyre_status vyre_program_elide_barriers(vyre_program *p, uint32_t *removed,
                                                 vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_FUSE */

#endif

/* ==========================================================================
 * plan: how large a handle should be, and what to keep when a trial was timed
 *
 * Public, a room: VYRE_NO_PLAN leaves it out.  Pure arithmetic: nothing is
 * allocated, no clock is read.  What is measured is asked for by vyre_desc.tune.
 *
 *  - vyre_plan_*       what a program calls: how large its handle should be
 *  - vyre_geometry_*   the original's arithmetic, number for number, for a
 *                      program of its that shares a ring with one of ours
 *  - vyre_policy_*     the original's launch recommendation, likewise
 *  - vyre_race_*       two variants, their timings, and a verdict that counts
 *                      what the new one cost to make
 *  - vyre_regions_*    several arrays in one buffer, with checked offsets
 * ======================================================================= */
#ifndef VYI_ROOM_PLAN_H
#define VYI_ROOM_PLAN_H

#include "engine/engine.h"
#include "rooms/watch/watch.h"

#ifndef VYRE_NO_PLAN

VYI_EXTERN_C_BEGIN

/* --- a handle's size ------------------------------------------------------ */

typedef struct vyre_plan_desc {
    uint64_t items;            /* works of one batch; 0 = unknown */
    uint64_t in_flight;        /* works that wait at a time; 0 = items, or 256 */
    uint32_t results_per_item; /* records that one may append to a result buffer; 0 = there is no
                                  such buffer */
    uint32_t result_size;      /* bytes of a record; 0 = 16 */
    uint64_t resident_bytes;   /* of the program's other buffers on the device */
    uint64_t budget_bytes;     /* 0 = none */
    vyre_plan_goal goal;
    bool     priorities;       /* kind PRIORITY: no partition is empty */
    uint32_t observables, log_records; /* 0 = the handle's defaults */
    const vyre_info *info;     /* of an open handle: its limits; NULL = what every Vulkan device
                                  has */
    uint32_t children;         /* as kernel.children: of the device's own queue */
    vyre_width width;          /* of the items' opcode: if many lanes run it, groups are planned */
    uint64_t   range;          /* then: indexes of an item, or tiles; 0 = unknown */
} vyre_plan_desc;

typedef struct vyre_plan {
    uint32_t workgroup_size, slot_count, lane_count;
    uint32_t children;       /* as asked for */
    uint32_t batches;        /* rings that the items fill, at least 1 */
    uint64_t result_records; /* room for twice as many as expected, at least 1024; 0 = none */
    uint64_t peak_bytes;     /* on the device */
    char     text[160];      /* the plan in a line, with its reason */
    /* Of wide works; else 0.  The chunk is for vyre_handler.chunk. */
    uint32_t group_size, wide_groups; /* wide_groups 0: all that run at the same time */
    uint32_t chunk;
} vyre_plan;

/* The ring holds what is in flight, up to VYRE_MAX_SLOTS, in whole workgroups; the
 * lanes are as many, or an eighth where many works are to be drained.  Wide works have
 * slots of their own, 32, so for them the ring is one workgroup; there are as many groups
 * as chunks are in flight, and a chunk as large as gives every group one.
 * VYRE_E_BUDGET: the peak exceeds the budget; err->at is the peak, err->fix names
 * the largest part and the value of it that would fit.  VYRE_E_LIMIT_*: a limit
 * of `info` is 0.  VYRE_E_KERNEL_SPAWN: there is no queue of so many children. */
VYRE_API vyre_status vyre_plan_make(const vyre_plan_desc *desc, vyre_plan *out, vyre_error *err);
/* Sets kernel.workgroup_size, slot_count, lane_count and children; of wide works
 * kernel.group_size and wide_groups, too. */
VYRE_API void vyre_plan_apply(const vyre_plan *plan, vyre_desc *desc);

/* --- geometry ------------------------------------------------------------ */

/* Workers of the original's default configuration. */
#define VYRE_WORKERS 64u

/* A launch of the original.  `slots` is a multiple of `workgroup_size`; slots /
 * workgroup_size groups would cover the ring, `groups` are launched.  Its
 * kernels leave the rest of the ring; ours stride over it. */
typedef struct vyre_geometry {
    uint32_t workgroup_size, slots, groups;
} vyre_geometry;

/* All of these saturate, as the original does: 4294967295 slots in groups of 256
 * become 4294967040.  0 reads as 1 for a width and for workers. */
VYRE_API uint32_t vyre_geometry_width(uint32_t workers, uint32_t max_width);
VYRE_API uint32_t vyre_geometry_slots(uint32_t slots, uint32_t width);
VYRE_API uint32_t vyre_geometry_groups(uint32_t workers, uint32_t queue, uint32_t width);
VYRE_API uint32_t vyre_geometry_workers(uint32_t max_groups, uint32_t max_invocations);
VYRE_API void     vyre_geometry_make(uint32_t slots, uint32_t workers, uint32_t max_width,
                                     vyre_geometry *out);
/* VYRE_E_OVF: the items do not fit 32 bits, or the padded slots are fewer. */
VYRE_API vyre_status vyre_geometry_items(uint64_t items, uint32_t workers, uint32_t max_width,
                                         vyre_geometry *out, vyre_error *err);
/* `workers` 0: as many as the limits suggest.  VYRE_E_LIMIT_X, _GROUPS or
 * _INVOCATIONS, in this order, for the first limit that is 0.  `worker_groups`
 * may be NULL. */
VYRE_API vyre_status vyre_geometry_plan(uint32_t queue, uint32_t workers,
                                        const vyre_limits *limits, uint32_t *worker_groups,
                                        vyre_geometry *out, vyre_error *err);

/* --- policy -------------------------------------------------------------- */

/* A label of the original, beside vyre_topology. */
typedef enum vyre_pressure {
    VYRE_PRESSURE_EMPTY = 0,
    VYRE_PRESSURE_LIGHT = 1,
    VYRE_PRESSURE_BALANCED = 2,
    VYRE_PRESSURE_SATURATED = 3
} vyre_pressure;

/* Thresholds; 0 is the standard value that stands beside each.  Shares are in
 * basis points, 10000 = all. */
typedef struct vyre_policy {
    uint32_t min_hits;     /* 1024: least result capacity */
    uint32_t hit_factor;   /* 2: result capacity for each expected hit, if memory is not short */
    uint32_t waves;        /* 4: that many full launches that wait are SATURATED */
    uint32_t hot_opcodes;  /* 8 */
    uint32_t hot_windows;  /* 4 */
    uint32_t jit_queue;    /* 4096: works from which a payload of its own pays */
    uint32_t age;          /* 32: from which waiting work is promoted */
    uint16_t sparse_bps;   /* 500 */
    uint16_t dense_bps;    /* 4000 */
    uint16_t memory_bps;   /* 8500; 10000 at most */
    uint32_t fusion_edges; /* 65536 */
    uint32_t hit_bytes;    /* 16: scratch for each hit */
} vyre_policy;

typedef struct vyre_policy_request {
    uint32_t queue;         /* works that wait */
    uint32_t worker_groups; /* 0 = as many as the limits suggest */
    uint32_t max_workgroup_size, max_groups, max_invocations;
    uint32_t hit_capacity;  /* 0 = from hits_per_item */
    uint32_t hits_per_item; /* 0 = 1 */
    uint32_t hot_opcodes, hot_windows;
    uint64_t requeues;
    uint32_t max_age;
    uint32_t nodes, edges;
    uint16_t density_bps;   /* 0 = queue / nodes; values beyond 10000 are taken as they are */
    uint16_t memory_bps;    /* 0 = resident_bytes / budget_bytes; likewise */
    uint64_t resident_bytes;
    uint64_t budget_bytes;  /* 0 = none */
} vyre_policy_request;

typedef struct vyre_policy_advice {
    vyre_geometry geometry;
    uint32_t      worker_groups, hit_capacity;
    vyre_pressure pressure;
    bool          jit; /* else the interpreter of opcodes */
    vyre_topology topology;
    bool          hot_opcodes, hot_windows, aging;
    uint64_t      peak_bytes, budget_bytes;
} vyre_policy_advice;

/* The original's recommendation, step for step.  `policy` NULL: the standard;
 * `previous` NULL: no hysteresis.  VYRE_E_BUDGET when the peak exceeds the
 * budget (err->at is the peak), VYRE_E_COUNTER_OVF when a number does not fit,
 * VYRE_E_LIMIT_* as vyre_geometry_plan. */
VYRE_API vyre_status vyre_policy_advise(const vyre_policy *policy,
                                        const vyre_policy_request *request,
                                        const vyre_topology *previous, vyre_policy_advice *out,
                                        vyre_error *err);
#ifndef VYRE_NO_WATCH
/* What changed between two looks at one ring: the later look, with the counters done,
 * faults, requeues, promoted and metrics less those of the earlier one.  VYRE_E_ARGUMENT:
 * something is NULL. */
VYRE_API vyre_status vyre_watch_since(const vyre_watch *before, const vyre_watch *now,
                                      vyre_watch *out);
/* Fills in what a look knows: nodes (slots), edges (depth) and density_bps where they are
 * 0; hot_opcodes, those with an eighth or more of what ran, so that an interval
 * (vyre_watch_since) says what is hot now; and adds the slots that are REQUEUE to
 * requeues.  hot_windows are the caller's to count (vyre_watch_windows).
 * VYRE_E_COUNTER_OVF, VYRE_E_ARGUMENT: nothing is changed. */
VYRE_API vyre_status vyre_watch_request(const vyre_watch *w, vyre_policy_request *request);
#endif
VYRE_API const char *vyre_topology_name(vyre_topology topology);
VYRE_API const char *vyre_pressure_name(vyre_pressure pressure);

/* --- race ---------------------------------------------------------------- */

/* Whether a trial is worth having.  All zero is ready; the caller takes the
 * times, the two sides need not be paired.
 *
 *     vyre_race race;
 *     memset(&race, 0, sizeof race);
 *     vyre_race_cost(&race, compile_ns);
 *     ... vyre_race_base(&race, ns) or vyre_race_trial(&race, ns), as it ran ...
 *     if (vyre_race_verdict(&race, NULL, NULL) == VYRE_RACE_ADOPT)
 */
typedef enum vyre_verdict {
    VYRE_RACE_GO_ON = 0,
    VYRE_RACE_ADOPT = 1,
    VYRE_RACE_REJECT = 2
} vyre_verdict;

typedef struct vyre_race {
    uint64_t base_total[2], trial_total[2]; /* low, high: 128 bits */
    uint32_t base_count, trial_count;
    uint64_t cost_ns;
    uint32_t least;    /* samples of each side before a verdict; 0 = 8 */
    uint32_t gain_bps; /* that the trial must save; 0 = 1500 */
} vyre_race;

/* One timing of what is in use, and of the trial.  At 2^32 - 1 samples total and
 * count of that side are halved first, so that the mean goes on moving. */
VYRE_API void vyre_race_base(vyre_race *r, uint64_t ns);
VYRE_API void vyre_race_trial(vyre_race *r, uint64_t ns);
/* What the trial cost to make, once or again; saturates. */
VYRE_API void vyre_race_cost(vyre_race *r, uint64_t ns);
/* The cost is spread over the trial's samples.  REJECT: with it the trial is no
 * faster; ADOPT: it saves gain_bps; GO_ON: neither, or too few samples.  The
 * means are the plain ones; either may be NULL. */
VYRE_API vyre_verdict vyre_race_verdict(const vyre_race *r, uint64_t *base_mean,
                                        uint64_t *trial_mean);

/* --- regions ------------------------------------------------------------- */

/* A part of a buffer; everything in words of 32 bits. */
typedef struct vyre_region {
    uint32_t id, offset, words;
    uint32_t record_words, capacity; /* records, and how many */
} vyre_region;

typedef struct vyre_region_spec {
    uint32_t id;
    uint32_t words; /* 0 = record_words * capacity; may be larger */
    uint32_t record_words, capacity;
    uint32_t align; /* of the offset, a power of two; 0 = 1 */
} vyre_region_spec;

/* One behind the other, in order.  VYRE_E_REGION_RECORD: the records do not fit
 * their words, or 32 bits; VYRE_E_REGION_OFFSET: the region's end does not fit 32
 * bits; VYRE_E_ARGUMENT: an id that was given before, or an align that is no
 * power of two.  err->at is the index.  `total_words` may be NULL; times 4 it is
 * a buffer's size. */
VYRE_API vyre_status vyre_regions_make(const vyre_region_spec *specs, uint32_t count,
                                       vyre_region *out, uint32_t *total_words, vyre_error *err);
VYRE_API vyre_status vyre_region_find(const vyre_region *regions, uint32_t count, uint32_t id,
                                      vyre_region *out, vyre_error *err);
/* In a program: the index of a record's word in the region's buffer, a u32.  A
 * record or a word that the region does not have gives 0xFFFFFFFF, which lies
 * beyond every buffer: a load there gives 0, a store does nothing. */
VYRE_API vyre_value vyre_emit_region_word(vyre_program *p, const vyre_region *r,
                                          vyre_value record, uint32_t word);

VYI_EXTERN_C_END

#endif /* VYRE_NO_PLAN */

#endif

/* ==========================================================================
 * scan: many patterns in many files, the host's part
 *
 * Public, a room: VYRE_NO_SCAN leaves it out.  Pure: what a kernel that scans
 * needs as tables.  A DFA is `transitions[state * 256 + byte]`; it begins in
 * state 0.
 *
 *  - vyre_rules_*      several DFAs in one set of arrays, compressed
 *  - vyre_dfa_*        classes of bytes; how far a DFA looks back
 *  - vyre_automaton_*  all patterns in one DFA
 *  - vyre_segments_*   files cut so that no match is lost
 * ======================================================================= */
#ifndef VYI_ROOM_SCAN_H
#define VYI_ROOM_SCAN_H

#include "base/base.h"

#ifndef VYRE_NO_SCAN

VYI_EXTERN_C_BEGIN

/* --- rules ---------------------------------------------------------------- */

/* The DFA of rule `index`; accept[state] is not 0 where it matches. */
typedef struct vyre_rule {
    uint32_t        index;
    const uint32_t *transitions;
    size_t          transition_count; /* 256 * state_count */
    const uint32_t *accept;
    size_t          accept_count; /* state_count */
    uint32_t        state_count;
} vyre_rule;

typedef enum vyre_rule_reason {
    VYRE_RULE_SHAPE = 1,     /* the tables' lengths do not fit state_count */
    VYRE_RULE_RANGE = 2,     /* the index is not below the number of rules */
    VYRE_RULE_DUPLICATE = 3, /* an earlier rule has the index */
    VYRE_RULE_MISSING = 4,   /* no rule has the index */
    VYRE_RULE_STATES = 5,    /* there is no state */
    VYRE_RULE_TARGET = 6     /* a transition leads to a state that is not there */
} vyre_rule_reason;

typedef struct vyre_rule_rejection {
    uint32_t         index;
    vyre_rule_reason reason;
} vyre_rule_rejection;

/* Five words of meta a rule: base in transitions, base in accept, states, base in
 * class_maps, classes.  A step from `state` by `byte` is
 *     transitions[meta[0] + state * meta[4] + class_maps[meta[3] + byte]]
 * and matches where accept[meta[1] + state] of the new state is not 0. */
typedef struct vyre_rules {
    uint32_t *meta, *transitions, *accept, *class_maps;
    size_t    meta_count, transition_count, accept_count, class_map_count;
    vyre_rule_rejection *rejected; /* in the order of the rules, the missing ones last */
    uint32_t             rejected_count;
    vyre_allocator       allocator;
} vyre_rules;

/* Rules of equal content share their tables.  A rule that is rejected, or
 * missing, never matches: its five words are those of an inert DFA of one state,
 * which comes first.  VYRE_E_SCAN_LIMIT: the tables exceed 32-bit indices. */
VYRE_API vyre_status vyre_rules_pack(const vyre_rule *rules, uint32_t count,
                                     const vyre_allocator *allocator, vyre_rules *out,
                                     vyre_error *err);
VYRE_API void vyre_rules_free(vyre_rules *rules);

/* --- a DFA ---------------------------------------------------------------- */

/* Bytes whose transitions are equal in every state share a class; map[byte] is
 * its number, counted by first bytes.  Returns how many there are, 1 to 256. */
VYRE_API uint32_t vyre_dfa_classes(const uint32_t *transitions, uint32_t states,
                                   uint32_t map[256]);

/* *out is the synchronisation distance: the least number of bytes after which the
 * state does not depend on the reachable state that one began in.  A scan may
 * begin in state 0 that far before the first match it counts.  A target that is
 * no state counts as 0.
 * VYRE_E_SCAN_UNBOUNDED: there is none.  VYRE_E_SCAN_BUDGET: more than
 * `pair_budget` pairs of states were met before the answer; 0 = 1000000, 28 to 56
 * bytes of memory each, while it runs. */
VYRE_API vyre_status vyre_dfa_distance(const uint32_t *transitions, uint32_t states,
                                       uint32_t pair_budget, const vyre_allocator *allocator,
                                       uint32_t *out, vyre_error *err);

/* --- many patterns -------------------------------------------------------- */

/* Bounds of an automaton: 1 KiB a state, 4 bytes a record, so 1 GiB each. */
#define VYRE_SCAN_MAX_STATES  1048576u
#define VYRE_SCAN_MAX_RECORDS 268435456u

typedef struct vyre_pattern {
    const void *bytes;
    uint32_t    size, id; /* at least 1 byte; the id is what a match is known by */
} vyre_pattern;

/* The DFA that finds all patterns at once.  In `state` end the patterns
 *     outputs[output_offsets[state]] .. outputs[output_offsets[state + 1] - 1]
 * by id, the shortest first, equal ones in the order given. */
typedef struct vyre_automaton {
    uint32_t *next;           /* states * 256 */
    uint32_t *output_offsets; /* states + 1 */
    uint32_t *outputs;
    uint32_t  states, longest; /* bytes of the longest pattern */
    vyre_allocator allocator;
} vyre_automaton;

/* States are numbered in the order in which the patterns need them.
 * VYRE_E_ARGUMENT: pattern err->at is empty.  VYRE_E_SCAN_LIMIT: more states or
 * records than the bounds, err->at of them; said before the tables are allocated. */
VYRE_API vyre_status vyre_automaton_make(const vyre_pattern *patterns, uint32_t count,
                                         const vyre_allocator *allocator, vyre_automaton *out,
                                         vyre_error *err);
VYRE_API void vyre_automaton_free(vyre_automaton *automaton);

/* --- segments ------------------------------------------------------------- */

/* A lane begins in state 0 at scan_start and counts the matches whose last byte
 * lies in emit_start .. emit_end - 1.  The emit ranges tile the file.  That is exact
 * when scan_start is 0, or the distance or more before emit_start. */
typedef struct vyre_segment {
    uint32_t file, scan_start, emit_start, emit_end;
} vyre_segment;

/* How many vyre_segments_make makes; 0 for a width of 0. */
VYRE_API uint64_t vyre_segments_count(const uint32_t *sizes, uint32_t files, uint32_t width);
/* Files of `sizes` bytes in segments of `width`, each scanned from `overlap` bytes
 * before it.  An empty file has none.  VYRE_E_SEGMENT_WIDTH: the width is 0.
 * VYRE_E_SPACE: more segments than `capacity`, err->at of them. */
VYRE_API vyre_status vyre_segments_make(const uint32_t *sizes, uint32_t files, uint32_t width,
                                        uint32_t overlap, vyre_segment *out, uint64_t capacity,
                                        uint64_t *count, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_SCAN */

#endif

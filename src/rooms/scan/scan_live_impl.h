/* ==========================================================================
 * scan, live: what its fragments share
 *
 * Private.  The tables as the device has them, one array of words:
 *
 *     0               a mark (in a group's copy: it is filled)
 *     1               of several DFAs: {map, accept} of each
 *     then            of each DFA: its 256 classes, unless it has a column for each byte
 *     then            of each DFA: its rows
 *
 * A state is the word at which its row begins.  An entry of a row is a state, too:
 * a step is  row = words[row + words[map + byte]].  A DFA's rows that accept are its
 * last ones, from `accept` on; the others come in the order of their distance from
 * the first state, so that the rows that texts meet most are together.
 * ======================================================================= */
#ifndef VYI_ROOM_SCAN_LIVE_IMPL_H
#define VYI_ROOM_SCAN_LIVE_IMPL_H

#include "base/thread_impl.h"
#include "rooms/scan/scan_impl.h"
#include "rooms/scan/scan_live.h"

#ifndef VYRE_NO_SCAN

VYI_EXTERN_C_BEGIN

#define VYI_SCAN_OP        0x1000u
#define VYI_SCAN_BLOCK     16u   /* bytes that a lane loads at a time; texts begin on such */
#define VYI_SCAN_FAR       4096u /* a DFA that looks back farther counts as unbounded */
#define VYI_SCAN_SHARED    7000u /* words of a group's copy; the engine's arrays fit beside it */
#define VYI_SCAN_MAX_WORDS 0x20000000u /* of tables */

/* --- tables --------------------------------------------------------------- */

typedef struct vyi_scan_dfa {
    const uint32_t *next;    /* the caller's: next[state * columns + class] */
    const uint32_t *map;     /* the caller's, of 256, or NULL: a column for each byte */
    const uint32_t *accept;  /* of a rule: not 0 where it matches; NULL: an automaton's outputs */
    uint32_t columns, states;
    uint32_t own_map, own_columns; /* in the words; own_map 0: a column for each byte */
    uint32_t first, start, from, end; /* first row, row of state 0, first that accepts, behind */
    uint32_t *old;           /* of each row, in order: the caller's state */
    uint32_t rules, rule_count; /* of a rule: those with this DFA, in vyi_scan_tables.rules */
    uint32_t distance;
    bool     bounded;
} vyi_scan_dfa;

typedef struct vyi_scan_tables {
    vyi_arena     arena;
    vyi_scan_dfa *dfas;    /* bounded ones first */
    uint32_t      count, bounded;
    uint32_t     *rules;   /* indexes, those of one DFA together */
    uint32_t     *words;
    uint32_t      word_count, fixed; /* `fixed` words come before the first row */
    uint32_t      overlap; /* the longest distance of a bounded one */
    const vyre_automaton *automaton;
} vyi_scan_tables;

/* `dense`: one column for each byte, if that is small.  On failure free it as well. */
VYI_API vyre_status vyi_scan_tables_make(const vyre_scan_desc *desc, bool dense,
                                         vyi_scan_tables *t, vyre_error *err);
VYI_API void vyi_scan_tables_free(vyi_scan_tables *t);
/* The row after `size` bytes from `row` on. */
VYI_API uint32_t vyi_scan_walk(const vyi_scan_tables *t, uint32_t dfa, uint32_t row,
                               const void *bytes, uint64_t size);

/* --- the kernel ----------------------------------------------------------- */

/* Buffers of the kernel, and what its works say. */
enum { VYI_SCAN_TEXT, VYI_SCAN_TABLE, VYI_SCAN_SPANS, VYI_SCAN_STATES, VYI_SCAN_HITS,
       VYI_SCAN_COPY, VYI_SCAN_BUFFERS };

/* Words of a work.  Items are numbered by DFA and then by segment.  LANES runs items
 * args[0] to args[1] - 1, GROUPS tiles of them: args[2] to args[3] - 1. */
enum { VYI_SCAN_A_SPANS = 4,  /* word at which the spans begin */
       VYI_SCAN_A_COUNT = 5,  /* segments that they have together */
       VYI_SCAN_A_BANK = 6,   /* whose counter and records */
       VYI_SCAN_A_PIECES = 7, /* spans */
       VYI_SCAN_A_DFA = 8,    /* the first one */
       VYI_SCAN_A_LAST = 9,   /* added to a piece's state: where its last row goes; 0: nowhere */
       VYI_SCAN_A_WIDTH = 10, /* bytes of a segment */
       VYI_SCAN_ARGS = 11 };

/* A piece as the device knows it.  It is cut into segments of `width` bytes as
 * vyre_segments_make cuts a file. */
typedef struct vyi_scan_span {
    uint32_t first;    /* its first segment's number */
    uint32_t at, size; /* bytes of the text buffer */
    uint32_t state;    /* word of its first DFA's state */
} vyi_scan_span;

VYI_API void vyi_scan_emit(vyre_program *p, const vyre_slot_values *slot, void *user);

/* What LANES and HOST can skip (scan_host.c). */
typedef struct vyi_scan_skips {
    bool     looked;  /* whether there is something */
    uint32_t window;  /* bytes of a shortest pattern; 0: no byte is skipped */
    uint32_t shallow; /* first row of a state that remembers two bytes, or accepts */
    uint32_t word;    /* of the tables, where they begin, four bytes a word; 0: not there */
    uint8_t *bytes;   /* of two bytes that end a window: how far it can move */
} vyi_scan_skips;

/* The counters of hits lie behind the states, in the device's own memory; the records of
 * {byte, row} where the host reads fast. */
typedef struct vyi_scan_kernel {
    const vyi_scan_tables *tables;
    vyi_scan_skips skips;
    uint32_t copied;  /* words of the tables that a group has itself; 0: LANES */
    uint32_t places;  /* records of a bank */
    uint32_t counter; /* word of the first bank's in the states */
} vyi_scan_kernel;

/* --- the handle ----------------------------------------------------------- */

#define VYI_SCAN_BANKS 2u

/* What the device found: the byte in its text memory, and the row after it. */
typedef struct vyi_scan_record {
    uint32_t at, row;
} vyi_scan_record;

/* A stretch of a text in the device's memory. */
typedef struct vyi_scan_piece {
    uint32_t file, layer;
    uint32_t at, size;  /* in the text buffer */
    uint32_t state;     /* word of its first DFA's state */
    uint64_t offset;    /* of its first byte in the file */
} vyi_scan_piece;

/* What a thread of the host walks of a bank's work. */
typedef struct vyi_scan_share {
    const vyre_scan      *s;
    struct vyi_scan_bank *bank;
    uint32_t              from, to; /* items */
    bool                  started;  /* by the thread, not by who began the work */
    vyi_thread            thread;
} vyi_scan_share;

/* HOST: walks by threads of the host (scan_host.c). */
typedef struct vyi_scan_host {
    bool     used;
    uint32_t threads; /* for a work, at most */
} vyi_scan_host;

/* One half of the device's memory.  Filled, launched, collected; its items run as works
 * one after the other, each as many as have room for what they find. */
typedef struct vyi_scan_bank {
    uint32_t        text, spans, states;    /* where it begins: byte; words */
    uint32_t        used, segments, blocks; /* bytes, segments, states that it has now */
    vyi_scan_piece *pieces;
    uint32_t        piece_count;
    bool            collected;       /* its hits were taken: it may be filled anew */
    bool            launched, whole; /* a work is out; it is of the unbounded DFAs */
    uint64_t        began;           /* when the first one was published */
    uint32_t        from, count, items, step; /* of the work, of all; of the next work at most */
    uint32_t        width;           /* of its segments */
    vyre_ticket     ticket;
    vyi_scan_share  *parts;           /* HOST: of the work; records that it found */
    uint32_t        part_count, found;
} vyi_scan_bank;

/* Where a file that goes on stands. */
typedef struct vyi_scan_carry {
    uint32_t file;
    uint64_t offset;
} vyi_scan_carry;

/* Who copies the texts of a call that reads files: bytes of the part that the caller's thread
 * has, into the text memory, now or by a thread that has nothing else to do; and waits for
 * those, with the status of all. */
typedef struct vyi_scan_copier {
    vyre_status (*copy)(void *user, size_t at, const uint8_t *bytes, size_t size,
                        vyre_error *err);
    vyre_status (*settle)(void *user, vyre_error *err);
    void         *user;
} vyi_scan_copier;

struct vyre_scan {
    vyre_allocator  allocator;
    vyre           *v;
    vyi_scan_kernel kernel;
    vyi_scan_tables tables;
    vyi_scan_host   host;
    void          (*recovered)(void *user, vyre *v); /* the caller's */
    void           *recovered_user;
    uint64_t        timeout_ns;
    uint32_t        lanes, group;  /* that wide works have; of a group */
    uint32_t        width, places; /* bytes of a segment; records */
    bool            resident;      /* the texts of this call lie in the text memory */
    const vyi_scan_copier *copier; /* of a call that reads files, else NULL */
    uint32_t        bank_bytes, bank_segments, bank_pieces, bank_blocks;
    uint32_t        width_most, piece_most; /* bytes of a segment, of a piece */
    vyi_scan_bank   banks[VYI_SCAN_BANKS];
    uint32_t        bank, last;    /* being filled; launched last, VYI_SCAN_NONE: nothing is left */
    vyi_scan_span  *spans;         /* of one bank, as they go to the device */
    uint32_t       *states;        /* likewise */
    vyi_scan_record *records;      /* 2 * places */
    uint32_t       *rows;          /* of the text that is being filled, one of each DFA */
    vyi_scan_carry *carries;
    uint32_t       *carry_rows;
    uint32_t        carry_count, carry_capacity, carry_row_capacity;
    /* of the call */
    vyre_hit       *hits;          /* the caller's array, or `own` where `sink` takes them */
    size_t          capacity, held;
    void          (*sink)(void *user, const vyre_hit *hits, size_t count);
    void           *sink_user;
    vyre_hit       *own;
    uint32_t        own_capacity;
    bool            no_memory;     /* `own` could not grow */
    uint64_t        busy_until; /* when the last end was seen */
    vyre_scan_report report;
};

/* Tells the device the bank's pieces, in segments of `width`. */
VYI_API vyre_status vyi_scan_cut(vyre_scan *s, vyi_scan_bank *b, uint32_t width,
                                 vyre_error *err);
/* Which items come next: of the DFAs that forget, or of the others. */
VYI_API void vyi_scan_begin(const vyre_scan *s, vyi_scan_bank *b, bool whole, uint32_t width);
/* Publishes the bank's next items; waits for them, *found: records, also those that had
 * no room. */
VYI_API vyre_status vyi_scan_publish(vyre_scan *s, vyi_scan_bank *b, vyre_error *err);
VYI_API vyre_status vyi_scan_wait(vyre_scan *s, vyi_scan_bank *b, uint32_t *found,
                                  vyre_error *err);
/* Looks, once, whether texts have bytes that nobody needs to see.  For tables of one automaton
 * that forgets.  They get the skips by the other, once: before a handle has them, whose buffer
 * is as large as they are. */
VYI_API vyre_status vyi_scan_skips_make(vyi_scan_tables *t, vyi_scan_skips *k, vyre_error *err);
VYI_API vyre_status vyi_scan_skips_add(vyi_scan_tables *t, vyi_scan_skips *k, vyre_error *err);
/* Begins the bank's next items, which are counted; waits for them, and returns how many records
 * they found. */
VYI_API void vyi_scan_host_begin(vyre_scan *s, vyi_scan_bank *b);
VYI_API uint32_t vyi_scan_host_end(vyi_scan_bank *b);
/* Takes the records of the work that has ended into the caller's hits. */
VYI_API vyre_status vyi_scan_take(vyre_scan *s, const vyi_scan_bank *b, uint32_t found,
                                  vyre_error *err);
/* What `own` holds goes to the sink. */
VYI_API void vyi_scan_deliver(vyre_scan *s);

/* A call begins; with a sink it gets all hits, those of one byte together. */
VYI_API void vyi_scan_call(vyre_scan *s, void (*sink)(void *user, const vyre_hit *hits,
                                                      size_t count), void *user);
/* Waits for works of a call that failed. */
VYI_API vyre_status vyi_scan_settle(vyre_scan *s, vyre_error *err);
/* Fills, and launches what is full.  Then all that was filled, to its end. */
VYI_API vyre_status vyi_scan_text_in(vyre_scan *s, const vyre_scan_text *text, vyre_error *err);
VYI_API vyre_status vyi_scan_flush(vyre_scan *s, vyre_error *err);
/* A call has failed; returns `status`. */
VYI_API vyre_status vyi_scan_abandon(vyre_scan *s, vyre_status status);
VYI_API void *vyi_scan_alloc(const vyre_scan *s, size_t count, size_t size, vyre_error *err);

/* By file, end and rule. */
VYI_API void vyi_scan_sort_hits(vyre_hit *hits, size_t count);

VYI_EXTERN_C_END

#endif /* VYRE_NO_SCAN */

#endif

/* ==========================================================================
 * scan, live: texts through a kernel that is running
 *
 * Public, of the room `scan`.  A scan is a handle of its own whose kernel walks one
 * automaton, or a set of rules, over texts that the caller gives:
 *
 *     vyre_scan_desc desc;
 *     memset(&desc, 0, sizeof desc);
 *     desc.automaton = &automaton;
 *     vyre_scan *s = vyre_scan_open(&desc, &err);
 *     status = vyre_scan_run(s, texts, count, hits, capacity, &report, &err);
 *     vyre_scan_close(s);
 *
 * Texts are cut into segments, and each segment is a lane's.  While the device scans
 * one half of its text memory, the host fills the other one.  Nothing is lost and
 * nothing is invented at a cut: a lane begins as many bytes early as the automaton
 * can remember, and a text that goes on begins in the state that its first part left.
 *
 * A scan belongs to one thread at a time.  The automaton, or the rules, stay the
 * caller's; the automaton outlives the scan.
 * ======================================================================= */
#ifndef VYI_ROOM_SCAN_LIVE_H
#define VYI_ROOM_SCAN_LIVE_H

#include "engine/engine.h"
#include "rooms/scan/scan.h"

#ifndef VYRE_NO_SCAN

VYI_EXTERN_C_BEGIN

typedef struct vyre_scan vyre_scan;

/* Who reads the tables, and where. */
typedef enum vyre_scan_way {
    VYRE_SCAN_CHOSEN = 0, /* HOST where it can be; else GROUPS where a running kernel has groups
                             for wide works, else LANES */
    VYRE_SCAN_LANES = 1,  /* each lane by itself, in the device's memory */
    VYRE_SCAN_GROUPS = 2, /* a workgroup keeps the first 28 KB of them in its own memory */
    VYRE_SCAN_HOST = 3    /* on the CPU backend, for an automaton of patterns of at most 4096
                             bytes: C in threads of the host, one for each processor at most */
} vyre_scan_way;

typedef struct vyre_scan_desc {
    vyre_desc engine; /* backend, device, allocator and the like; the kernel is the scan's */
    const vyre_automaton *automaton; /* this */
    const vyre_rules     *rules;     /* or these */
    uint64_t      text_bytes; /* on the device at a time, at most 2^32 - 64; 0 = 16 MiB */
    uint32_t      hits;       /* places that the device is given for what it finds at a time, and
                                 the most bytes of a segment; 0 = 65536 */
    uint32_t      width;      /* bytes of a segment; 0 = chosen by the device's lanes */
    vyre_scan_way way;
} vyre_scan_desc;

typedef struct vyre_scan_text {
    const void *bytes;
    uint64_t    size;
    uint32_t    file, layer; /* numbers that its hits have */
    uint64_t    offset;      /* of `bytes` in the file */
    bool        more;        /* the file goes on: its next text begins where this one ends */
} vyre_scan_text;

/* `end` is the offset of the last byte in the file: a pattern of n bytes begins at
 * end + 1 - n.  `rule` is a pattern's id, or a rule's index. */
typedef struct vyre_hit {
    uint32_t file, rule, layer;
    uint64_t end;
} vyre_hit;

typedef struct vyre_scan_report {
    uint64_t found, written, dropped; /* hits; those the caller's array had room for, and not */
    uint64_t bytes, segments;
    uint32_t launches; /* works; more than one for each half where hits were many */
    uint32_t width;
    uint64_t copy_ns;  /* the host's, for filling the device's memory */
    uint64_t scan_ns;  /* from a launch, or the end of the one before, until its end was seen */
} vyre_scan_report;

/* NULL on failure.  VYRE_E_SCAN_LIMIT: the tables are too large, for the library or for a
 * buffer of the device, err->at of their words; the text has both numbers.
 * What rules->rejected names matches nothing. */
VYRE_API vyre_scan *vyre_scan_open(const vyre_scan_desc *desc, vyre_error *err);
/* NULL is allowed. */
VYRE_API void vyre_scan_close(vyre_scan *s);

/* All hits of the texts, by file, end and rule; of a file that `more` cut, each with
 * the text in which it ends.  `report` may be NULL, `hits` when `capacity` is 0.
 * VYRE_FULL: report->dropped hits of later texts had no room; all are counted.
 * On failure *report is untouched, what stands in `hits` means nothing, and files
 * that were cut begin anew. */
VYRE_API vyre_status vyre_scan_run(vyre_scan *s, const vyre_scan_text *texts, uint32_t count,
                                   vyre_hit *hits, size_t capacity, vyre_scan_report *report,
                                   vyre_error *err);

/* The text memory itself: what a program reads, receives or unpacks straight into it needs
 * no copy, and can be scanned again.  Write to it in order and do not read from it.  A text
 * whose bytes lie there, from a multiple of 16 on, is scanned where it is; either all texts
 * of a call lie there or none, for what is copied goes there, too, and so do files.  NULL:
 * the scan is NULL, or nothing can match.  A recovery moves it, and loses what it holds. */
VYRE_API void *vyre_scan_map(vyre_scan *s, uint64_t *size);

/* Scans what the last run left on the device in segments of each of the widths, once
 * to warm up and then `repeats` times (0 = 5), and keeps the fastest; among equals the
 * widest.  NULL: 4096, 2048, .. 64.  VYRE_E_SCAN_TUNE: none was complete, for there
 * was no text yet, or it has more hits than the scan has places. */
VYRE_API vyre_status vyre_scan_tune(vyre_scan *s, const uint32_t *widths, uint32_t count,
                                    uint32_t repeats, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_SCAN */

#endif

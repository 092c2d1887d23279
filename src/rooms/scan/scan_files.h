/* ==========================================================================
 * scan, files: many files through a scan
 *
 * Public, of the room `scan`.  Threads read the files that come next and copy to the
 * device what was read, while the device scans what it has:
 *
 *     vyre_scan_files_desc how;
 *     memset(&how, 0, sizeof how);
 *     how.hits = print_hits;
 *     status = vyre_scan_files(s, paths, count, &how, files, &report, &err);
 * ======================================================================= */
#ifndef VYI_ROOM_SCAN_FILES_H
#define VYI_ROOM_SCAN_FILES_H

#include "rooms/scan/scan_live.h"

#ifndef VYRE_NO_SCAN

VYI_EXTERN_C_BEGIN

/* What became of a file. */
typedef struct vyre_scan_file {
    vyre_status status; /* VYRE_E_SCAN_FILE, VYRE_E_SCAN_STOPPED: not read, or not to its end */
    int32_t     native; /* errno */
    uint64_t    bytes, hits;
} vyre_scan_file;

typedef struct vyre_scan_progress {
    uint32_t files, file_count; /* those behind; all */
    uint64_t bytes, found;      /* read; the hits are of what was scanned by now */
} vyre_scan_progress;

/* Callbacks run on the caller's thread, inside the call; they must not use the scan. */
typedef struct vyre_scan_files_desc {
    /* Hits in order of file, end and rule, `file` being the path's index; those of one
     * byte come together. */
    void (*hits)(void *user, const vyre_hit *hits, size_t count);
    /* After each part that was read.  False: stop. */
    bool (*progress)(void *user, const vyre_scan_progress *progress);
    void  *user;
    uint32_t layer;
    size_t part_bytes; /* that are read at a time; 0 = 1 MiB, and eight such parts are kept */
} vyre_scan_files_desc;

/* `how`, `files` (one of each path) and `report` may be NULL.  A file that cannot be
 * read does not keep the others from being scanned:
 * VYRE_E_SCAN_FILE: that is so, err->at is the first one's index and err->native its errno.
 * VYRE_E_SCAN_STOPPED: progress said so.  In both cases *files and *report say what was
 * done; after another failure they are untouched. */
VYRE_API vyre_status vyre_scan_files(vyre_scan *s, const char *const *paths, uint32_t count,
                                     const vyre_scan_files_desc *how, vyre_scan_file *files,
                                     vyre_scan_report *report, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_SCAN */

#endif

/* ==========================================================================
 * scan, files: implementation
 *
 * Parts go round in a ring: the reader fills the next free one, the caller's thread
 * empties the oldest full one.  `filled` and `emptied` run freely and are compared by
 * difference.  Without a second thread the same parts are filled when they are asked
 * for.
 * ======================================================================= */
#include "rooms/scan/scan_files.h"
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#include <errno.h>

#define VYI_SCAN_PARTS      4u
#define VYI_SCAN_PART_BYTES (1u << 20)

typedef struct vyi_scan_part {
    uint8_t *bytes;
    size_t   size;
    uint32_t file;
    uint64_t offset;
    bool     more;   /* the file goes on */
    int      native; /* errno of what went wrong, else 0 */
} vyi_scan_part;

typedef struct vyi_scan_reader {
    const char *const *paths;
    uint32_t      count, file; /* which is being read */
    FILE         *open;        /* or NULL */
    uint64_t      offset;
    size_t        part_bytes;
    vyi_scan_part parts[VYI_SCAN_PARTS];
    uint32_t      filled, emptied; /* under the lock where there is a thread */
    bool          stop, threaded;
    vyi_mutex     lock;
    vyi_cond      changed;
    vyi_thread    thread;
} vyi_scan_reader;

/* --- reading -------------------------------------------------------------- */

static void vyi_scan_part_read(vyi_scan_reader *r, vyi_scan_part *part)
{
    part->size = 0;
    part->file = r->file;
    part->offset = r->offset;
    errno = 0;
    if (!r->open && (r->open = fopen(r->paths[r->file], "rb")) != NULL)
        setvbuf(r->open, NULL, _IONBF, 0);
    if (r->open)
        part->size = fread(part->bytes, 1, r->part_bytes, r->open);
    const bool failed = !r->open || ferror(r->open);
    part->native = failed ? errno ? errno : -1 : 0;
    part->more = !failed && part->size == r->part_bytes;
    r->offset += part->size;
    if (part->more)
        return;
    if (r->open)
        fclose(r->open);
    r->open = NULL;
    r->offset = 0;
    r->file++;
}

/* The oldest full part. */
static vyi_scan_part *vyi_scan_reader_next(vyi_scan_reader *r)
{
    vyi_scan_part *part = &r->parts[r->emptied % VYI_SCAN_PARTS];
    if (!r->threaded) {
        vyi_scan_part_read(r, part);
        return part;
    }
    vyi_mutex_lock(&r->lock);
    while (r->filled == r->emptied)
        vyi_cond_wait(&r->changed, &r->lock, UINT64_MAX);
    vyi_mutex_unlock(&r->lock);
    return part;
}

static void vyi_scan_reader_done(vyi_scan_reader *r)
{
    if (!r->threaded)
        return;
    vyi_mutex_lock(&r->lock);
    r->emptied++;
    vyi_cond_signal(&r->changed);
    vyi_mutex_unlock(&r->lock);
}

#if VYI_THREADS

/* Fills parts until all files were read, or somebody says stop. */
static void vyi_scan_reader_main(void *user)
{
    vyi_scan_reader *r = (vyi_scan_reader *)user;
    vyi_mutex_lock(&r->lock);
    while (r->file < r->count && !r->stop) {
        if (r->filled - r->emptied == VYI_SCAN_PARTS) {
            vyi_cond_wait(&r->changed, &r->lock, UINT64_MAX);
            continue;
        }
        vyi_mutex_unlock(&r->lock);
        vyi_scan_part_read(r, &r->parts[r->filled % VYI_SCAN_PARTS]);
        vyi_mutex_lock(&r->lock);
        r->filled++;
        vyi_cond_signal(&r->changed);
    }
    vyi_mutex_unlock(&r->lock);
}

/* A thread that cannot be made is done without. */
static void vyi_scan_reader_start(vyi_scan_reader *r)
{
    if (r->count == 0 || !vyi_mutex_init(&r->lock))
        return;
    if (!vyi_cond_init(&r->changed)) {
        vyi_mutex_free(&r->lock);
        return;
    }
    r->threaded = true;
    if (vyi_thread_start(&r->thread, vyi_scan_reader_main, r))
        return;
    r->threaded = false;
    vyi_cond_free(&r->changed);
    vyi_mutex_free(&r->lock);
}

static void vyi_scan_reader_stop(vyi_scan_reader *r)
{
    if (!r->threaded)
        return;
    vyi_mutex_lock(&r->lock);
    r->stop = true;
    vyi_cond_signal(&r->changed);
    vyi_mutex_unlock(&r->lock);
    vyi_thread_join(&r->thread);
    vyi_cond_free(&r->changed);
    vyi_mutex_free(&r->lock);
}

#else

static void vyi_scan_reader_start(vyi_scan_reader *r) { r->threaded = false; }
static void vyi_scan_reader_stop(vyi_scan_reader *r) { r->stop = true; }

#endif

static void vyi_scan_reader_close(vyi_scan_reader *r, const vyre_allocator *a)
{
    vyi_scan_reader_stop(r);
    if (r->open)
        fclose(r->open);
    for (uint32_t i = 0; i < VYI_SCAN_PARTS; i++) {
        if (r->parts[i].bytes)
            vyi_free(a, r->parts[i].bytes, r->part_bytes);
    }
}

static vyre_status vyi_scan_reader_open(vyi_scan_reader *r, const vyre_allocator *a,
                                        vyre_error *err)
{
    for (uint32_t i = 0; i < VYI_SCAN_PARTS; i++) {
        r->parts[i].bytes = (uint8_t *)vyi_alloc(a, r->part_bytes);
        if (!r->parts[i].bytes)
            return vyi_fail_nomem(err, r->part_bytes);
    }
    vyi_scan_reader_start(r);
    return VYRE_OK;
}

/* --- scanning ------------------------------------------------------------- */

typedef struct vyi_scan_files_run {
    vyre_scan            *s;
    vyre_scan_files_desc  how;
    vyre_scan_file       *files; /* the room's own, until it is known how it ends */
    vyi_scan_reader       reader;
    uint32_t              bad;   /* files that could not be read */
    uint32_t              first_bad;
} vyi_scan_files_run;

static void vyi_scan_files_hits(void *user, const vyre_hit *hits, size_t count)
{
    vyi_scan_files_run *f = (vyi_scan_files_run *)user;
    for (size_t i = 0; i < count; i++)
        f->files[hits[i].file].hits++;
    if (f->how.hits)
        f->how.hits(f->how.user, hits, count);
}

static void vyi_scan_files_note(vyi_scan_files_run *f, const vyi_scan_part *part)
{
    vyre_scan_file *file = &f->files[part->file];
    file->bytes += part->size;
    file->status = part->native ? VYRE_E_SCAN_FILE : part->more ? VYRE_E_SCAN_STOPPED : VYRE_OK;
    file->native = part->native;
    if (part->native && f->bad++ == 0)
        f->first_bad = part->file;
}

static bool vyi_scan_files_go_on(const vyi_scan_files_run *f, const vyi_scan_part *part)
{
    vyre_scan_progress p;
    p.files = part->file + !part->more;
    p.file_count = f->reader.count;
    p.bytes = f->s->report.bytes;
    p.found = f->s->report.found;
    return !f->how.progress || f->how.progress(f->how.user, &p);
}

/* All parts, until the last one or `progress` says stop: then VYRE_E_SCAN_STOPPED. */
static vyre_status vyi_scan_files_parts(vyi_scan_files_run *f, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t file = 0; file < f->reader.count && status == VYRE_OK;) {
        const vyi_scan_part *part = vyi_scan_reader_next(&f->reader);
        vyre_scan_text text;
        text.bytes = part->bytes;
        text.size = part->size;
        text.file = part->file;
        text.layer = f->how.layer;
        text.offset = part->offset;
        text.more = part->more;
        if (f->s->v)
            status = vyi_scan_text_in(f->s, &text, err);
        else
            f->s->report.bytes += text.size; /* nothing can match */
        vyi_scan_files_note(f, part);
        file = part->file + !part->more;
        if (status == VYRE_OK && !vyi_scan_files_go_on(f, part) && file < f->reader.count)
            status = VYRE_E_SCAN_STOPPED;
        vyi_scan_reader_done(&f->reader);
    }
    return status;
}

static vyre_status vyi_scan_files_all(vyi_scan_files_run *f, vyre_error *err)
{
    vyre_status status = vyi_scan_settle(f->s, err);
    if (status == VYRE_OK)
        status = vyi_scan_files_parts(f, err);
    const bool stopped = status == VYRE_E_SCAN_STOPPED;
    if (status == VYRE_OK || stopped)
        status = vyi_scan_flush(f->s, err);
    if (status != VYRE_OK)
        return status;
    vyi_scan_deliver(f->s);
    f->s->carry_count = 0;
    return stopped ? VYRE_E_SCAN_STOPPED : VYRE_OK;
}

/* --- the call ------------------------------------------------------------- */

static vyre_status vyi_scan_files_end(vyi_scan_files_run *f, vyre_status status,
                                      vyre_scan_file *files, vyre_scan_report *report,
                                      vyre_error *err)
{
    vyre_scan *s = f->s;
    if (status != VYRE_OK && status != VYRE_E_SCAN_STOPPED)
        return vyi_scan_abandon(s, status);
    s->report.width = s->width;
    if (files)
        memcpy(files, f->files, f->reader.count * sizeof *files);
    if (report)
        *report = s->report;
    if (status != VYRE_OK)
        return vyi_fail(err, status, s->report.bytes, "It was asked for; scan the rest later.",
                        "stopped after %llu bytes", (unsigned long long)s->report.bytes);
    if (f->bad == 0)
        return VYRE_OK;
    (void)vyi_fail(err, VYRE_E_SCAN_FILE, f->first_bad, "vyre_scan_file has each one's errno.",
                   "%u of %u files could not be read; the first is %.80s", (unsigned)f->bad,
                   (unsigned)f->reader.count, f->reader.paths[f->first_bad]);
    if (err)
        err->native = f->files[f->first_bad].native;
    return VYRE_E_SCAN_FILE;
}

static vyre_status vyi_scan_files_run_all(vyi_scan_files_run *f, vyre_error *err)
{
    const vyre_allocator *a = &f->s->allocator;
    const uint32_t count = f->reader.count;
    f->files = (vyre_scan_file *)vyi_scan_alloc(f->s, count ? count : 1, sizeof *f->files, err);
    if (!f->files)
        return VYRE_E_NOMEM;
    memset(f->files, 0, count * sizeof *f->files);
    for (uint32_t i = 0; i < count; i++)
        f->files[i].status = VYRE_E_SCAN_STOPPED;
    const vyre_status status = vyi_scan_reader_open(&f->reader, a, err);
    return status == VYRE_OK ? vyi_scan_files_all(f, err) : status;
}

VYRE_API vyre_status vyre_scan_files(vyre_scan *s, const char *const *paths, uint32_t count,
                                     const vyre_scan_files_desc *how, vyre_scan_file *files,
                                     vyre_scan_report *report, vyre_error *err)
{
    vyi_scan_files_run f;
    if (!s || (count && !paths))
        return vyi_scan_argument(s ? "the array of paths" : "the scan", err);
    for (uint32_t i = 0; i < count; i++) {
        if (!paths[i])
            return vyi_scan_argument("a path", err);
    }
    memset(&f, 0, sizeof f);
    f.s = s;
    if (how)
        f.how = *how;
    f.reader.paths = paths;
    f.reader.count = count;
    f.reader.part_bytes = f.how.part_bytes ? f.how.part_bytes : VYI_SCAN_PART_BYTES;
    vyi_scan_call(s, vyi_scan_files_hits, &f);
    vyre_status status = vyi_scan_files_run_all(&f, err);
    vyi_scan_reader_close(&f.reader, &s->allocator);
    status = vyi_scan_files_end(&f, status, files, report, err);
    if (f.files)
        vyi_free(&s->allocator, f.files, (count ? count : 1) * sizeof *f.files);
    return status;
}

#endif /* VYRE_NO_SCAN */

/* ==========================================================================
 * scan, files: implementation
 *
 * Parts go round in a ring.  Threads claim the next one, in the order of the files, and
 * read it; the caller's thread takes the oldest when it is full, says where in the
 * device's memory it goes, and copies it there, or has that done by a thread that would
 * only wait.  All that is known of parts is under one lock; their bytes are not.
 *
 *     EMPTY -> READING -> FULL -> (taken) -> EMPTY
 *                                 (taken) -> COPYING -> EMPTY
 *
 * Without threads the caller's reads what it asks for.
 * ======================================================================= */
#include "rooms/scan/scan_files.h"
#include "rooms/scan/scan_live_impl.h"

#ifndef VYRE_NO_SCAN

#include <errno.h>

#if !defined(_WIN32)
    #include <sys/types.h>
    #include <unistd.h>
#endif

#define VYI_SCAN_PARTS      8u
#define VYI_SCAN_PART_BYTES (1u << 20)
#define VYI_SCAN_READERS    4u
#define VYI_SCAN_HANDED     65536u /* bytes that another thread should copy */

typedef enum vyi_scan_part_state {
    VYI_SCAN_EMPTY, VYI_SCAN_READING, VYI_SCAN_FULL, VYI_SCAN_COPYING
} vyi_scan_part_state;

typedef struct vyi_scan_part {
    vyi_scan_part_state state;
    uint8_t *bytes;
    FILE    *open;   /* or NULL: it could not be opened */
    uint32_t file;
    uint64_t offset;
    size_t   size;   /* wanted, then read */
    bool     placed; /* the file's size is known, and any thread may read at any offset */
    bool     more;   /* the file goes on */
    bool     last;   /* nobody reads the file behind it */
    int      native; /* errno of what went wrong, else 0 */
    bool     handed, pending; /* a copy that somebody may take; that is not made yet */
    size_t   copy_from, copy_at, copy_size;
} vyi_scan_part;

typedef struct vyi_scan_reader {
    vyre         *v;
    const char *const *paths;
    uint32_t      count, file; /* which is being read */
    FILE         *open;        /* it, or NULL */
    uint64_t      offset, size; /* claimed so far; of all, 0: nobody knows */
    int           native;      /* why it is not open */
    size_t        part_bytes;
    vyi_scan_part parts[VYI_SCAN_PARTS];
    uint32_t      claimed, taken; /* run freely */
    uint32_t      idle, copies;   /* threads that wait; copies that are not made yet */
    bool          in_order;       /* somebody opens a file, or reads one that has no offsets */
    bool          stop, threaded, wanted; /* the caller waits */
    vyre_status   status;         /* of the first copy that failed */
    vyre_error    how;
    vyi_mutex     lock;
    vyi_cond      work, full;     /* for the threads; for the caller's */
    vyi_thread    threads[VYI_SCAN_READERS];
    uint32_t      thread_count;
} vyi_scan_reader;

/* --- reading -------------------------------------------------------------- */

#if defined(_WIN32)

static uint64_t vyi_scan_file_size(FILE *file) { (void)file; return 0; }

static bool vyi_scan_read_at(vyi_scan_part *part)
{
    (void)part;
    return false;
}

#else

/* Strict C99 hides these, though the library has them; those with offsets of 64 bits
 * then have names of their own. */
    #define VYI_SCAN_PREAD pread
    #if defined(__GLIBC__) && !defined(__USE_POSIX)
VYI_EXTERN_C_BEGIN
extern int fileno(FILE *file);
VYI_EXTERN_C_END
    #endif
    #if defined(__GLIBC__) && !defined(__USE_XOPEN2K8) && !defined(__USE_UNIX98)
        #ifdef __USE_FILE_OFFSET64
            #undef VYI_SCAN_PREAD
            #define VYI_SCAN_PREAD pread64
        #endif
VYI_EXTERN_C_BEGIN
extern ssize_t VYI_SCAN_PREAD(int fd, void *bytes, size_t size, off_t offset);
VYI_EXTERN_C_END
    #endif

/* 0: it is none that stays where it is, or the system's own, whose size says nothing. */
static uint64_t vyi_scan_file_size(FILE *file)
{
    const long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    return end > 0 ? (uint64_t)end : 0;
}

/* False: it failed.  A file that became shorter ends where it does. */
static bool vyi_scan_read_at(vyi_scan_part *part)
{
    const size_t wanted = part->size;
    const int fd = fileno(part->open);
    part->size = 0;
    while (part->size < wanted) {
        const ssize_t some = VYI_SCAN_PREAD(fd, part->bytes + part->size, wanted - part->size,
                                            (off_t)(part->offset + part->size));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return false;
        if (some == 0)
            break;
        part->size += (size_t)some;
    }
    part->more = part->more && part->size == wanted;
    return true;
}

#endif

/* The file that comes next is open, or r->native says why not. */
static void vyi_scan_reader_turn(vyi_scan_reader *r)
{
    errno = 0;
    r->offset = r->size = 0;
    r->open = fopen(r->paths[r->file], "rb");
    r->native = r->open ? 0 : errno ? errno : -1;
    if (!r->open)
        return;
    setvbuf(r->open, NULL, _IONBF, 0);
    r->size = vyi_scan_file_size(r->open);
}

static void vyi_scan_reader_forward(vyi_scan_reader *r, const vyi_scan_part *part)
{
    r->offset = part->more ? part->offset + part->size : 0;
    r->file += !part->more;
}

/* What the part will have; where the size is known, the next one can be claimed at once.  The
 * file is open. */
static void vyi_scan_part_claim(vyi_scan_reader *r, vyi_scan_part *part)
{
    r->claimed++;
    part->state = VYI_SCAN_READING;
    part->file = r->file;
    part->open = r->open;
    part->native = r->native;
    part->offset = r->offset;
    part->size = r->part_bytes;
    part->placed = !r->open || r->size > 0;
    part->more = part->last = false;
    if (!part->placed)
        return;
    const uint64_t left = r->open ? r->size - r->offset : 0;
    part->size = left < r->part_bytes ? (size_t)left : r->part_bytes;
    part->more = left > part->size;
    part->last = !part->more;
    vyi_scan_reader_forward(r, part);
}

/* Without the lock. */
static void vyi_scan_part_read(vyi_scan_part *part)
{
    bool good = true;
    errno = 0;
    if (!part->open)
        return;
    if (part->placed) {
        good = vyi_scan_read_at(part);
    } else {
        const size_t wanted = part->size;
        part->size = fread(part->bytes, 1, wanted, part->open);
        good = !ferror(part->open);
        part->more = good && part->size == wanted;
    }
    if (good)
        return;
    part->native = errno ? errno : -1;
    part->size = 0;
    part->more = false;
}

/* The part was read.  One that was not placed tells only now where the next one is; one
 * that is shorter than it was is the file's end, whatever its size was. */
static void vyi_scan_part_done(vyi_scan_reader *r, vyi_scan_part *part)
{
    part->state = VYI_SCAN_FULL;
    if (!part->placed) {
        part->last = !part->more;
        vyi_scan_reader_forward(r, part);
        return;
    }
    if (part->more || part->last || r->file != part->file)
        return;
    r->parts[(r->claimed - 1) % VYI_SCAN_PARTS].last = true;
    vyi_scan_reader_forward(r, part);
}

/* --- threads -------------------------------------------------------------- */

/* Makes the part's copy, under the lock at its beginning and end. */
static void vyi_scan_part_copy(vyi_scan_reader *r, vyi_scan_part *part)
{
    vyre_error how;
    memset(&how, 0, sizeof how);
    part->handed = false;
    vyi_mutex_unlock(&r->lock);
    const vyre_status status = vyre_write(r->v, VYI_SCAN_TEXT, part->copy_at,
                                          part->bytes + part->copy_from, part->copy_size, &how);
    vyi_mutex_lock(&r->lock);
    if (status != VYRE_OK && r->status == VYRE_OK) {
        r->status = status;
        r->how = how;
    }
    part->pending = false;
    if (part->state == VYI_SCAN_COPYING)
        part->state = VYI_SCAN_EMPTY;
    r->copies--;
}

static vyi_scan_part *vyi_scan_reader_handed(vyi_scan_reader *r)
{
    for (uint32_t i = 0; r->copies && i < VYI_SCAN_PARTS; i++) {
        if (r->parts[i].handed)
            return &r->parts[i];
    }
    return NULL;
}

/* Under the lock; false: there was nothing to do. */
static bool vyi_scan_reader_work(vyi_scan_reader *r)
{
    vyi_scan_part *part = vyi_scan_reader_handed(r);
    if (part) {
        vyi_scan_part_copy(r, part);
        return true;
    }
    part = &r->parts[r->claimed % VYI_SCAN_PARTS];
    if (r->stop || r->file >= r->count || r->in_order || part->state != VYI_SCAN_EMPTY ||
        r->claimed - r->taken == VYI_SCAN_PARTS)
        return false;
    r->in_order = true;
    if (r->offset == 0) {
        vyi_mutex_unlock(&r->lock);
        vyi_scan_reader_turn(r);
        vyi_mutex_lock(&r->lock);
    }
    vyi_scan_part_claim(r, part);
    r->in_order = !part->placed;
    vyi_mutex_unlock(&r->lock);
    vyi_scan_part_read(part);
    vyi_mutex_lock(&r->lock);
    vyi_scan_part_done(r, part);
    if (!part->placed)
        r->in_order = false;
    return true;
}

/* Reads and copies until somebody says stop. */
static void vyi_scan_reader_main(void *user)
{
    vyi_scan_reader *r = (vyi_scan_reader *)user;
    vyi_mutex_lock(&r->lock);
    while (!r->stop || r->copies) {
        const bool worked = vyi_scan_reader_work(r);
        if (r->wanted)
            vyi_cond_signal(&r->full);
        if (worked)
            continue;
        if (r->stop)
            break;
        r->idle++;
        vyi_cond_wait(&r->work, &r->lock, UINT64_MAX);
        r->idle--;
    }
    vyi_mutex_unlock(&r->lock);
}

/* The caller waits until something has changed. */
static void vyi_scan_reader_sleep(vyi_scan_reader *r)
{
    r->wanted = true;
    vyi_cond_wait(&r->full, &r->lock, UINT64_MAX);
    r->wanted = false;
}

/* The oldest part, full. */
static vyi_scan_part *vyi_scan_reader_next(vyi_scan_reader *r)
{
    vyi_scan_part *part = &r->parts[r->taken % VYI_SCAN_PARTS];
    if (!r->threaded) {
        if (r->offset == 0)
            vyi_scan_reader_turn(r);
        vyi_scan_part_claim(r, part);
        vyi_scan_part_read(part);
        vyi_scan_part_done(r, part);
        return part;
    }
    vyi_mutex_lock(&r->lock);
    while (r->claimed == r->taken || part->state != VYI_SCAN_FULL) {
        if (r->idle == r->thread_count)
            vyi_cond_signal(&r->work);
        vyi_scan_reader_sleep(r);
    }
    vyi_mutex_unlock(&r->lock);
    return part;
}

/* The part was scanned, or will be when its copy is made.  Threads are woken when there is
 * something to do for more than one of them. */
static void vyi_scan_reader_done(vyi_scan_reader *r, vyi_scan_part *part)
{
    if (part->last && part->open)
        fclose(part->open);
    if (r->threaded)
        vyi_mutex_lock(&r->lock);
    part->state = part->pending ? VYI_SCAN_COPYING : VYI_SCAN_EMPTY;
    r->taken++;
    if (!r->threaded)
        return;
    if (r->idle && r->claimed - r->taken <= VYI_SCAN_PARTS / 2)
        vyi_cond_signal(&r->work);
    vyi_mutex_unlock(&r->lock);
}

/* As vyi_scan_copier says. */
static vyre_status vyi_scan_reader_copy(void *user, size_t at, const uint8_t *bytes, size_t size,
                                        vyre_error *err)
{
    vyi_scan_reader *r = (vyi_scan_reader *)user;
    vyi_scan_part *part = &r->parts[r->taken % VYI_SCAN_PARTS];
    bool handed = false;
    if (r->threaded && size >= VYI_SCAN_HANDED) {
        vyi_mutex_lock(&r->lock);
        handed = r->idle > 0 && !part->pending;
        if (handed) {
            part->handed = part->pending = true;
            part->copy_from = (size_t)(bytes - part->bytes);
            part->copy_at = at;
            part->copy_size = size;
            r->copies++;
            vyi_cond_signal(&r->work);
        }
        vyi_mutex_unlock(&r->lock);
    }
    return handed ? VYRE_OK : vyre_write(r->v, VYI_SCAN_TEXT, at, bytes, size, err);
}

static vyre_status vyi_scan_reader_settle(void *user, vyre_error *err)
{
    vyi_scan_reader *r = (vyi_scan_reader *)user;
    if (!r->threaded)
        return VYRE_OK;
    vyi_mutex_lock(&r->lock);
    while (r->copies) {
        vyi_scan_part *part = vyi_scan_reader_handed(r);
        if (part)
            vyi_scan_part_copy(r, part);
        else
            vyi_scan_reader_sleep(r);
    }
    const vyre_status status = r->status;
    if (status != VYRE_OK && err)
        *err = r->how;
    vyi_mutex_unlock(&r->lock);
    return status;
}

/* --- its beginning and end -------------------------------------------------- */

/* Threads that cannot be made are done without. */
static void vyi_scan_reader_start(vyi_scan_reader *r)
{
    const uint32_t others = vyi_processors() - 1;
    const uint32_t wanted = others > VYI_SCAN_READERS ? VYI_SCAN_READERS : others ? others : 1;
    if (r->count == 0 || !vyi_mutex_init(&r->lock))
        return;
    const bool work = vyi_cond_init(&r->work), full = work && vyi_cond_init(&r->full);
    r->threaded = full; /* before the first one looks */
    while (full && r->thread_count < wanted &&
           vyi_thread_start(&r->threads[r->thread_count], vyi_scan_reader_main, r))
        r->thread_count++;
    r->threaded = r->thread_count > 0;
    if (r->threaded)
        return;
    if (full)
        vyi_cond_free(&r->full);
    if (work)
        vyi_cond_free(&r->work);
    vyi_mutex_free(&r->lock);
}

static void vyi_scan_reader_stop(vyi_scan_reader *r)
{
    if (!r->threaded)
        return;
    vyi_mutex_lock(&r->lock);
    r->stop = true;
    vyi_cond_signal(&r->work);
    vyi_mutex_unlock(&r->lock);
    for (uint32_t i = 0; i < r->thread_count; i++)
        vyi_thread_join(&r->threads[i]);
    vyi_cond_free(&r->full);
    vyi_cond_free(&r->work);
    vyi_mutex_free(&r->lock);
}

/* Files that nobody has read to their end are open: those behind which parts wait, and
 * the one that is being read. */
static void vyi_scan_reader_close(vyi_scan_reader *r, const vyre_allocator *a)
{
    vyi_scan_reader_stop(r);
    for (; r->taken != r->claimed; r->taken++) {
        const vyi_scan_part *part = &r->parts[r->taken % VYI_SCAN_PARTS];
        if (part->last && part->open)
            fclose(part->open);
    }
    if (r->offset && r->open)
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

static vyre_status vyi_scan_files_part(vyi_scan_files_run *f, const vyi_scan_part *part,
                                       vyre_error *err)
{
    vyre_scan_text text;
    vyre_status status = VYRE_OK;
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
    return status;
}

/* All parts, until the last one or `progress` says stop: then VYRE_E_SCAN_STOPPED.  Behind
 * its end a file may have parts that were claimed before that was seen. */
static vyre_status vyi_scan_files_parts(vyi_scan_files_run *f, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t file = 0, left = 0; left < f->reader.count && status == VYRE_OK;) {
        vyi_scan_part *part = vyi_scan_reader_next(&f->reader);
        if (part->file >= file) {
            status = vyi_scan_files_part(f, part, err);
            file = part->file + !part->more;
            if (status == VYRE_OK && !vyi_scan_files_go_on(f, part) && file < f->reader.count)
                status = VYRE_E_SCAN_STOPPED;
        }
        left = part->file + part->last;
        vyi_scan_reader_done(&f->reader, part);
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
    const vyi_scan_copier copier = { vyi_scan_reader_copy, vyi_scan_reader_settle, &f.reader };
    if (!s || (count && !paths))
        return vyi_scan_argument(s ? "the array of paths" : "the scan", err);
    for (uint32_t i = 0; i < count; i++) {
        if (!paths[i])
            return vyi_scan_argument("a path", err);
    }
    memset(&f, 0, sizeof f);
    f.s = s;
    f.reader.v = s->v;
    if (how)
        f.how = *how;
    f.reader.paths = paths;
    f.reader.count = count;
    f.reader.part_bytes = f.how.part_bytes ? f.how.part_bytes : VYI_SCAN_PART_BYTES;
    vyi_scan_call(s, vyi_scan_files_hits, &f);
    s->copier = &copier;
    vyre_status status = vyi_scan_files_run_all(&f, err);
    s->copier = NULL;
    vyi_scan_reader_close(&f.reader, &s->allocator);
    status = vyi_scan_files_end(&f, status, files, report, err);
    if (f.files)
        vyi_free(&s->allocator, f.files, (count ? count : 1) * sizeof *f.files);
    return status;
}

#endif /* VYRE_NO_SCAN */

/* scan [-abFHhoqrs] [-e PATTERN] [-f FILE] [--cpu | --vulkan] [--stats] [--json] [PATTERN] [FILE]..
 *
 * Where any of many strings occurs in files, as grep -F tells it: leftmost first, of those the
 * longest, none overlapping; without -o the lines that have one.  Options and exit codes mean
 * what they mean there.  Files are read, copied to the device and scanned at the same time. */
#define _XOPEN_SOURCE 700
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <time.h>
#include <unistd.h>

enum { PENDING = 1 << 16, HEAD = 32768 };
typedef struct match { uint64_t start; uint32_t rule; } match;

/* Options by their letters; --cpu is C, --vulkan V, --stats S, --json J. */
static bool flag[128];
static vyre_error err;
static vyre_pattern *patterns;
static char **paths;
static uint32_t pattern_count, longest, path_count, given_paths;
static unsigned long long matches;
static bool failed, recursed; /* something could not be read; a directory was */

/* Of the file whose hits come now. */
static struct {
    uint32_t file;
    bool     any, binary;
    uint64_t free_from, line_at; /* no match may begin before; the line that was read last */
    size_t   line_size, line_room;
    char    *line;
    FILE    *lines;
} now = { .file = UINT32_MAX };
static match *pending;
static size_t pending_count;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "scan: %s: %s\n", what, why);
    exit(2);
}

/* Room for one more than `count`. */
static void *grown(void *array, size_t count, size_t size)
{
    const bool full = (count & (count - 1)) == 0;
    void *more = full ? realloc(array, (count ? 2 * count : 1) * size) : array;
    if (!more)
        die("memory", "there is no more");
    return more;
}

/* --- what to look for, and where ------------------------------------------- */

static void add_pattern(const char *bytes, size_t size)
{
    if (size == 0)
        die("an empty pattern", "it matches everywhere, leave it out");
    patterns = (vyre_pattern *)grown(patterns, pattern_count, sizeof *patterns);
    patterns[pattern_count] = (vyre_pattern){ bytes, (uint32_t)size, pattern_count };
    longest = (uint32_t)size > longest ? (uint32_t)size : longest;
    pattern_count++;
}

static void add_patterns(const char *lines)
{
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1)
        add_pattern(lines, (size_t)(end - lines));
    add_pattern(lines, strlen(lines));
}

static void add_pattern_file(const char *path)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    size_t room = 0;
    ssize_t size;
    if (!file)
        die(path, strerror(errno));
    for (char *line = NULL; (size = getline(&line, &room, file)) > 0; line = NULL, room = 0)
        add_pattern(line, (size_t)size - (line[size - 1] == '\n'));
    fclose(file);
}

static void cannot(const char *path, int error)
{
    failed = true;
    if (!flag['s'])
        fprintf(stderr, "scan: %s: %s\n", path, strerror(error));
}

static void add_path(const char *path)
{
    paths = (char **)grown(paths, path_count, sizeof *paths);
    if (!(paths[path_count++] = strdup(strcmp(path, "-") ? path : "/dev/stdin")))
        die("memory", "there is no more");
}

/* Links, pipes and devices in a directory are left out; "./" in front of names that nobody gave. */
static int visit(const char *path, const struct stat *s, int type, struct FTW *at)
{
    recursed = recursed || at->level > 0;
    if (at->level == 0 ? type != FTW_D : type == FTW_F && S_ISREG(s->st_mode))
        add_path(given_paths ? path : path + 2);
    else if (type == FTW_DNR || type == FTW_NS)
        cannot(path, errno);
    return 0;
}

/* --- what is printed --------------------------------------------------------- */

static void print_string(const char *bytes, size_t size)
{
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        printf(c == '"' || c == '\\' || c < 32 || c > 126 ? "\\u%04x" : "%c", (unsigned)c);
    }
    putchar('"');
}

static void print(const char *bytes, size_t size, unsigned long long offset)
{
    const char *path = paths[now.file];
    if (flag['J']) {
        printf("{\"file\":");
        print_string(path, strlen(path));
        printf(",\"offset\":%llu,\"%s\":", offset, flag['o'] ? "match" : "line");
        print_string(bytes, size);
        puts("}");
        return;
    }
    if (flag['H'])
        printf("%s:", strcmp(path, "/dev/stdin") ? path : "(standard input)");
    if (flag['b'])
        printf("%llu:", offset);
    fwrite(bytes, 1, size, stdout);
    putchar('\n');
}

/* The line in which the match lies, once. */
static void print_line(uint64_t start)
{
    ssize_t size = 0;
    while (start >= now.line_at + now.line_size && now.lines &&
           (size = getline(&now.line, &now.line_room, now.lines)) > 0) {
        now.line_at += now.line_size;
        now.line_size = (size_t)size;
    }
    if (size > 0)
        print(now.line, now.line_size - (now.line[size - 1] == '\n'), now.line_at);
}

static int compare(const void *a, const void *b)
{
    const match *x = (const match *)a, *y = (const match *)b;
    const uint32_t long_x = patterns[x->rule].size, long_y = patterns[y->rule].size;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return long_x > long_y ? -1 : long_x < long_y;
}

/* Prints the matches before which nothing can come any more: they begin before `until`. */
static void settle(uint64_t until)
{
    size_t i = 0;
    qsort(pending, pending_count, sizeof *pending, compare);
    for (; i < pending_count && pending[i].start < until; i++) {
        const vyre_pattern *p = &patterns[pending[i].rule];
        if (pending[i].start < now.free_from)
            continue;
        now.free_from = pending[i].start + p->size;
        matches++;
        if (flag['q'] || (now.any && now.binary))
            continue;
        if (now.binary)
            fprintf(stderr, "scan: %s: binary file matches\n", paths[now.file]);
        else if (flag['o'])
            print((const char *)p->bytes, p->size, pending[i].start);
        else
            print_line(pending[i].start);
        now.any = true;
    }
    pending_count -= i;
    memmove(pending, pending + i, pending_count * sizeof *pending);
}

static void next_file(uint32_t file)
{
    static char head[HEAD];
    settle(UINT64_MAX);
    if (now.lines)
        fclose(now.lines);
    now.lines = NULL;
    now.any = now.binary = false;
    now.free_from = now.line_at = now.line_size = 0;
    now.file = file;
    if (file == UINT32_MAX || strcmp(paths[file], "/dev/stdin") == 0)
        return;
    now.lines = fopen(paths[file], "rb");
    if (now.lines && !flag['a'])
        now.binary = memchr(head, '\0', fread(head, 1, HEAD, now.lines)) != NULL;
    if (now.lines)
        rewind(now.lines);
}

static void on_hits(void *user, const vyre_hit *hits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hits[i].file != now.file)
            next_file(hits[i].file);
        if (pending_count >= PENDING && hits[i].end > longest)
            settle(hits[i].end + 1 - longest);
        pending = (match *)grown(pending, pending_count, sizeof *pending);
        pending[pending_count].start = hits[i].end + 1 - patterns[hits[i].rule].size;
        pending[pending_count++].rule = hits[i].rule;
    }
    (void)user;
}

static bool on_progress(void *user, const vyre_scan_progress *p)
{
    static uint64_t shown;
    if (isatty(2) && !isatty(1) && p->bytes - shown > 64u << 20)
        fprintf(stderr, "\rscan: %u of %u files, %llu MB ", p->files, p->file_count,
                (unsigned long long)(shown = p->bytes) / 1000000);
    (void)user;
    return !(flag['q'] && p->found);
}

/* --- the whole ------------------------------------------------------------------ */

static void options(int argc, char **argv)
{
    static const struct option more[] = { { "cpu", 0, NULL, 'C' }, { "vulkan", 0, NULL, 'V' },
                                          { "stats", 0, NULL, 'S' }, { "json", 0, NULL, 'J' },
                                          { NULL, 0, NULL, 0 } };
    for (int c; (c = getopt_long(argc, argv, "abe:f:FHhoqrs", more, NULL)) != -1;) {
        flag[c] = true;
        flag[c == 'h' ? 'H' : c == 'H' ? 'h' : 0] = false; /* the last one counts */
        if (c == 'e')
            add_patterns(optarg);
        if (c == 'f')
            add_pattern_file(optarg);
    }
    const bool given = flag['e'] || flag['f'];
    if (flag['?'] || (!given && optind == argc)) {
        fputs("usage: scan [-abFHhoqrs] [-e PATTERN] [-f FILE] [--cpu | --vulkan] [--stats]\n"
              "            [--json] [PATTERN] [FILE]...\n", stderr);
        exit(2);
    }
    if (!given)
        add_patterns(argv[optind]);
    const int first = optind + !given;
    given_paths = (uint32_t)(argc - first);
    for (int i = first; i < argc || i == first; i++) {
        const char *path = i < argc ? argv[i] : flag['r'] ? "." : "-";
        if (!flag['r'] || nftw(path, visit, 16, FTW_PHYS) != 0)
            add_path(path);
    }
    flag['H'] = !flag['h'] && (flag['H'] || recursed || given_paths > 1);
}

int main(int argc, char **argv)
{
    options(argc, argv);
    vyre_automaton automaton;
    vyre_scan_report report;
    vyre_scan_desc desc = { .automaton = &automaton };
    desc.engine.backend = flag['C'] ? VYRE_BACKEND_CPU
                          : flag['V'] ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_AUTO;
    if (vyre_automaton_make(patterns, pattern_count, NULL, &automaton, &err) < 0)
        die(err.text, err.fix);
    vyre_scan *s = vyre_scan_open(&desc, &err);
    vyre_scan_file *files = (vyre_scan_file *)calloc(path_count + 1u, sizeof *files);
    if (!s || !files)
        die(s ? "memory" : err.text, s ? "there is no more" : err.fix);
    const vyre_scan_files_desc how = { on_hits, on_progress, NULL, 0, 0 };
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    const int status = vyre_scan_files(s, (const char *const *)paths, path_count, &how, files,
                                       &report, &err);
    if (status < 0 && status != VYRE_E_SCAN_FILE && status != VYRE_E_SCAN_STOPPED)
        die(err.text, err.fix);
    next_file(UINT32_MAX);
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (uint32_t i = 0; i < path_count; i++)
        if (files[i].status == VYRE_E_SCAN_FILE)
            cannot(paths[i], files[i].native);
    const double ns = 1e9 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec);
    if (flag['S'])
        fprintf(stderr, "scan: %u files, %llu bytes, %llu matches, %.3f s, %.0f bytes/s\n",
                path_count, (unsigned long long)report.bytes, matches, 1e-9 * ns,
                1e9 * (double)report.bytes / ns);
    vyre_scan_close(s);
    vyre_automaton_free(&automaton);
    return failed && !(flag['q'] && matches) ? 2 : matches == 0;
}

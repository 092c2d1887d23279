/* What else finds many strings in a text: GNU grep and ripgrep, which read it from a file,
 * and Vectorscan's library, which is loaded when the program runs.  Each on one processor
 * and, the text in as many parts, on all.  What is not installed is said, and left out. */
#ifndef SCAN_OTHERS_H
#define SCAN_OTHERS_H

#include "bench.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct others_job {
    const bench_output *out;
    const char         *what; /* the row's beginning */
    const char         *text;
    size_t              size;
    const char *const  *patterns;
    const size_t       *pattern_sizes;
    unsigned            count, longest;
    uint64_t            lines, found; /* that have a match; all matches */
    double              seconds;
} others_job;

static void others_must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "scan: %s\n", what);
    exit(1);
}

static unsigned others_processors(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 64 ? 64 : (unsigned)count;
}

/* Of processors, in ns: this process, or those that it has waited for. */
static double others_busy(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return 1e9 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e3 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* The row; its rate, and that by the time of processors, `busy` of all samples. */
static void others_rates(const bench_output *out, bench_row *row, size_t size, double busy)
{
    char path[128];
    const double each = busy / (double)(row->count ? row->count : 1);
    const double ns = bench_print(out, row);
    snprintf(path, sizeof path, "%s: MB/s", row->path);
    bench_value(out, path, "MB/s", 1e3 * (double)size / (ns > 0 ? ns : 1));
    snprintf(path, sizeof path, "%.100s: MB/s by processors' time", row->path);
    bench_value(out, path, "MB/s", 1e3 * (double)size / (each > 1000 ? each : 1000));
    bench_row_free(row);
}

/* Where part i of `parts` begins: behind the end of a line. */
static size_t others_cut(const others_job *j, unsigned i, unsigned parts)
{
    size_t at = j->size / parts * i;
    while (i && at < j->size && j->text[at - 1] != '\n')
        at++;
    return i == parts ? j->size : at;
}

/* --- programs -------------------------------------------------------------- */

static void others_put(const char *directory, const char *name, const char *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    others_must(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, path);
}

/* Its counts of lines, from one process for each part, together; -1: it failed. */
static long long others_lines(const char *command)
{
    FILE *pipe = popen(command, "r");
    long long sum = 0, one;
    while (pipe && fscanf(pipe, "%lld", &one) == 1)
        sum += one;
    return pipe && pclose(pipe) == 0 ? sum : -1;
}

static void others_program(const others_job *j, const char *name, const char *directory,
                           unsigned parts)
{
    char command[512], path[112];
    if (parts == 1)
        snprintf(command, sizeof command, "LC_ALL=C %s -c -F -f %s/patterns %s/text", name,
                 directory, directory);
    else
        snprintf(command, sizeof command, "ls %s/part.* | LC_ALL=C xargs -n 1 -P %u %s -c -F -f "
                 "%s/patterns", directory, parts, name, directory);
    snprintf(path, sizeof path, "%s -c -F -f, %u processor%s", name, parts, parts > 1 ? "s" : "");
    char whole[224];
    snprintf(whole, sizeof whole, "%s, %s", j->what, path);
    bench_row row = bench_row_new(whole, 1000);
    const double busy = others_busy(RUSAGE_CHILDREN);
    const uint64_t end = bench_now() + (uint64_t)(j->seconds * 1e9);
    for (uint32_t i = 0; i < 2 || (i < 5 && bench_now() < end); i++) {
        const uint64_t begin = bench_now();
        const long long lines = others_lines(command);
        bench_add(&row, (double)(bench_now() - begin));
        if (lines != (long long)j->lines)
            fprintf(stderr, "scan: %s: %s counts %lld lines, not %llu\n", j->what, name, lines,
                    (unsigned long long)j->lines);
    }
    others_rates(j->out, &row, j->size, others_busy(RUSAGE_CHILDREN) - busy);
}

static void others_programs(const others_job *j)
{
    static const char *const names[] = { "grep", "rg" };
    char directory[] = "/tmp/bench_scan_XXXXXX", command[64], name[32];
    const unsigned processors = others_processors();
    size_t used = 0;
    char *lines = (char *)malloc((size_t)j->count * (j->longest + 1));
    others_must(lines && mkdtemp(directory), "no memory, or no /tmp");
    for (unsigned i = 0; i < j->count; i++) {
        memcpy(lines + used, j->patterns[i], j->pattern_sizes[i]);
        used += j->pattern_sizes[i];
        lines[used++] = '\n';
    }
    others_put(directory, "patterns", lines, used);
    others_put(directory, "text", j->text, j->size);
    for (unsigned i = 0; i < processors; i++) {
        const size_t from = others_cut(j, i, processors), to = others_cut(j, i + 1, processors);
        snprintf(name, sizeof name, "part.%u", i);
        others_put(directory, name, j->text + from, to - from);
    }
    for (unsigned i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "command -v %s > /dev/null", names[i]);
        if (system(command) != 0) {
            fprintf(stderr, "scan: skip %s: it is not installed\n", names[i]);
            continue;
        }
        others_program(j, names[i], directory, 1);
        if (processors > 1)
            others_program(j, names[i], directory, processors);
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    others_must(system(command) == 0, "files in /tmp stay there");
    free(lines);
}

/* --- Vectorscan, or Hyperscan ------------------------------------------------ */

typedef int (*others_match)(unsigned id, unsigned long long from, unsigned long long to,
                            unsigned flags, void *user);

typedef struct others_hs {
    int (*compile)(const char *const *, const unsigned *, const unsigned *, const size_t *,
                   unsigned, unsigned, const void *, void **, void **);
    int (*alloc)(const void *, void **);
    int (*scan)(const void *, const char *, unsigned, unsigned, void *, others_match, void *);
    int (*free_scratch)(void *);
    int (*free_database)(void *);
    void *database;
} others_hs;

static bool others_hs_load(others_hs *hs)
{
    void *library = dlopen("libhs.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    const struct { const char *name; void *to; } wanted[] = {
        { "hs_compile_lit_multi", &hs->compile }, { "hs_alloc_scratch", &hs->alloc },
        { "hs_scan", &hs->scan }, { "hs_free_scratch", &hs->free_scratch },
        { "hs_free_database", &hs->free_database }
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        if (!function)
            return false;
        memcpy(wanted[i].to, &function, sizeof function);
    }
    return true;
}

typedef struct others_part {
    const others_hs *hs;
    void            *scratch;
    const char      *text;
    size_t           size;
    uint64_t         found;
    pthread_t        thread;
} others_part;

static int others_count(unsigned id, unsigned long long from, unsigned long long to,
                        unsigned flags, void *user)
{
    ++*(uint64_t *)user;
    (void)id, (void)from, (void)to, (void)flags;
    return 0;
}

static void *others_hs_part(void *user)
{
    others_part *part = (others_part *)user;
    part->found = 0;
    const int status = part->hs->scan(part->hs->database, part->text, (unsigned)part->size, 0,
                                      part->scratch, others_count, &part->found);
    others_must(status == 0, "hs_scan failed");
    return NULL;
}

/* Texts are made of lines and patterns lie in one, so parts of whole lines have them all. */
static void others_hs_run(const others_job *j, const others_hs *hs, unsigned parts)
{
    static others_part part[64];
    char path[112], whole[224];
    for (unsigned i = 0; i < parts; i++) {
        const size_t from = others_cut(j, i, parts);
        part[i].hs = hs;
        part[i].scratch = NULL;
        part[i].text = j->text + from;
        part[i].size = others_cut(j, i + 1, parts) - from;
        others_must(hs->alloc(hs->database, &part[i].scratch) == 0, "hs_alloc_scratch failed");
    }
    snprintf(path, sizeof path, "Vectorscan, %u processor%s", parts, parts > 1 ? "s" : "");
    snprintf(whole, sizeof whole, "%s, %s", j->what, path);
    bench_row row = bench_row_new(whole, 1000);
    const double busy = others_busy(RUSAGE_SELF);
    const uint64_t end = bench_now() + (uint64_t)(j->seconds * 1e9);
    for (uint32_t i = 0; i < 3 || (bench_now() < end && row.count < row.capacity); i++) {
        uint64_t found = 0;
        const uint64_t begin = bench_now();
        for (unsigned k = 1; k < parts; k++)
            others_must(pthread_create(&part[k].thread, NULL, others_hs_part, &part[k]) == 0,
                        "no thread");
        others_hs_part(&part[0]);
        for (unsigned k = 0; k < parts; k++) {
            if (k)
                pthread_join(part[k].thread, NULL);
            found += part[k].found;
        }
        bench_add(&row, (double)(bench_now() - begin));
        if (found != j->found && i == 0)
            fprintf(stderr, "scan: %s: Vectorscan finds %llu, not %llu\n", j->what,
                    (unsigned long long)found, (unsigned long long)j->found);
    }
    others_rates(j->out, &row, j->size, others_busy(RUSAGE_SELF) - busy);
    for (unsigned i = 0; i < parts; i++)
        hs->free_scratch(part[i].scratch);
}

static void others_vectorscan(const others_job *j)
{
    others_hs hs;
    void *error = NULL;
    if (!others_hs_load(&hs)) {
        fprintf(stderr, "scan: skip Vectorscan: libhs.so.5 is not installed\n");
        return;
    }
    unsigned *numbers = (unsigned *)calloc(2 * (size_t)j->count, sizeof *numbers);
    others_must(numbers != NULL, "no memory");
    for (unsigned i = 0; i < j->count; i++)
        numbers[j->count + i] = i; /* the ids; the flags are 0 */
    if (hs.compile(j->patterns, numbers, numbers + j->count, j->pattern_sizes, j->count, 1, NULL,
                   &hs.database, &error) != 0) {
        fprintf(stderr, "scan: Vectorscan refuses %u patterns\n", j->count);
    } else {
        others_hs_run(j, &hs, 1);
        if (others_processors() > 1)
            others_hs_run(j, &hs, others_processors());
        hs.free_database(hs.database);
    }
    free(numbers);
}

#endif

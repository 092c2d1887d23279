/* scan cpu|vulkan [--stats] PATTERNS FILE...: where any of many patterns (lines of 1 to 64
 * bytes) occurs in files, as grep -obF -f tells it.  The host makes one automaton of them
 * (Aho-Corasick) that reads backwards: at each byte it knows the longest pattern that begins
 * there.  Each chunk of a file is a slot of a kernel that is already running. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime, where the compiler is strict */
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A chunk is scanned with the bytes behind it, into which its patterns may reach. */
enum { LONGEST = 64, CHUNK = 4096, REGION = CHUNK + LONGEST, FOUND = 1 + REGION };
enum { JOBS = 2048, STATES = 1 << 17, SHIFT = 13, PLACE = (1 << SHIFT) - 1 };
#define CHECK(ok, ...) do if (!(ok)) fprintf(stderr, "scan: " __VA_ARGS__), exit(2); while (0)
#define TRY(call) CHECK((call) == VYRE_OK, "%s\n%s\n", err.text, err.fix)
/* next[state][byte] is the next state << SHIFT, + 1 if a pattern begins at that byte. */
static uint32_t next[STATES][256], fallback[STATES], queue[STATES], states = 1; /* 0: the root */
static char *pattern[STATES]; /* the longest of those that begin there, or NULL */
static struct { const char *file; uint64_t offset; vyre_ticket ticket; } jobs[JOBS];
static uint32_t *found; /* FOUND words for each job: how many, state << SHIFT | place + 1, ... */
static unsigned long long bytes, matches;
static vyre_error err;

static void make_automaton(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file, "cannot open %s\n", path);
    for (char *line; (line = (char *)calloc(1, LONGEST + 2)) && fgets(line, LONGEST + 2, file);) {
        const size_t length = strcspn(line, "\n");
        uint32_t s = 0;
        CHECK(line[length] == '\n' || feof(file), "not text of 1 to 64 bytes: %s\n", line);
        line[length] = '\0';
        for (size_t i = length; i-- > 0; s = next[s][(unsigned char)line[i]]) { /* a tree */
            CHECK(states < STATES, "more than %d states\n", STATES);
            if (next[s][(unsigned char)line[i]] == 0)
                next[s][(unsigned char)line[i]] = states++;
        }
        pattern[s] = length ? line : NULL;
    }
    fclose(file);
    for (uint32_t head = 0, tail = 1; head < tail; head++) /* breadth first */
        for (uint32_t c = 0, s = queue[head]; c < 256; c++) {
            const uint32_t child = next[s][c];
            next[s][c] = s ? next[fallback[s]][c] : 0; /* that row is complete */
            if (child) {
                fallback[queue[tail++] = child] = next[s][c] >> SHIFT;
                pattern[child] = pattern[child] ? pattern[child] : pattern[fallback[child]];
                next[s][c] = child << SHIFT | (pattern[child] != NULL);
            }
        }
}

/* A job: the arg1 words of the text from word arg0 on, backwards; found from arg2 on. */
static void emit_scan(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    const vyre_buffer text = slot->buffers[0], table = slot->buffers[1], list = slot->buffers[2];
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1), low = vyre_ir_u32(p, 255);
    vyre_value shift = vyre_ir_u32(p, SHIFT), eight = vyre_ir_u32(p, 8), two = vyre_ir_u32(p, 2);
    vyre_local row = vyre_ir_local(p, VYRE_TYPE_U32, zero, "row"); /* state << 8 */
    vyre_value last = vyre_ir_sub(p, slot->arg[1], one), at = slot->arg[2];
    vyre_value i = vyre_ir_sub(p, last, vyre_ir_loop(p, zero, slot->arg[1]));
    vyre_value word = vyre_ir_load(p, text, vyre_ir_add(p, slot->arg[0], i));
    for (uint32_t k = 4; k-- > 0;) { /* unrolled: this loop runs when the kernel is built */
        vyre_value byte = vyre_ir_and(p, vyre_ir_shr(p, word, vyre_ir_u32(p, 8 * k)), low);
        vyre_value entry = vyre_ir_load(p, table, vyre_ir_or(p, vyre_ir_get(p, row), byte));
        vyre_ir_set(p, row, vyre_ir_shl(p, vyre_ir_shr(p, entry, shift), eight));
        vyre_ir_if(p, vyre_ir_eq(p, vyre_ir_and(p, entry, one), one));
        vyre_value n = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, list, at, one, VYRE_ORDER_RELAXED);
        vyre_value place = vyre_ir_add(p, vyre_ir_shl(p, i, two), vyre_ir_u32(p, k));
        vyre_value found = vyre_ir_add(p, entry, place);
        vyre_ir_store(p, list, vyre_ir_add(p, at, n), found);
        vyre_ir_end(p);
    }
    vyre_ir_end(p);
    (void)user;
}

/* Waits for a job and prints: leftmost first, of those the longest, none overlapping. */
static void finish(vyre *v, uint32_t job)
{
    static uint64_t free_from;
    static uint32_t list[FOUND];
    TRY(jobs[job].file ? vyre_wait(v, jobs[job].ticket, VYRE_FOREVER, &err) : VYRE_OK);
    free_from = jobs[job].file && jobs[job].offset == 0 ? 0 : free_from; /* a new file */
    const uint32_t end = found[job * FOUND]; /* a read across the bus: few and long ones are best */
    memcpy(list, found + job * FOUND, 4 * (size_t)end);
    for (uint32_t n = end; n-- > 1;) { /* what was found last comes first in the file */
        const unsigned long long at = jobs[job].offset + (list[n] & PLACE) - 1;
        if (at < free_from || at >= jobs[job].offset + CHUNK)
            continue; /* it overlaps, or the next chunk has it */
        printf("%s:%llu:%s\n", jobs[job].file, at, pattern[list[n] >> SHIFT]);
        free_from = at + strlen(pattern[list[n] >> SHIFT]);
        matches++;
    }
    found[job * FOUND] = 1; /* where the next job puts what it finds */
    jobs[job].file = NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc > 3, "usage: scan cpu|vulkan [--stats] PATTERNS FILE...\n");
    const bool cpu = strcmp(argv[1], "cpu") == 0, stats = strcmp(argv[2], "--stats") == 0;
    make_automaton(argv[2 + stats]);
    const vyre_buffer_desc buffers[3] = { { .binding = 4, .count = JOBS * REGION / 4 },
                                          { .binding = 5, .count = 256 * states },
                                          { .binding = 6, .count = JOBS * FOUND } };
    const vyre_desc desc = { .backend = cpu ? VYRE_BACKEND_CPU : VYRE_BACKEND_VULKAN, .kernel = {
        .kind = VYRE_KERNEL_JIT, .payload = emit_scan, .slot_count = JOBS, .buffers = buffers,
        .buffer_count = 3 } };
    vyre *v = vyre_open(&desc, &err);
    CHECK(v, "%s\n%s\n", err.text, err.fix);
    char *text = (char *)vyre_map(v, 0, NULL);
    memcpy(vyre_map(v, 1, NULL), next, 1024 * (size_t)states);
    found = (uint32_t *)vyre_map(v, 2, NULL);
    TRY(vyre_start(v, &err));
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    uint32_t job = 0; /* they take turns on the memory: a file of any size streams through */
    for (argv += 3 + stats; *argv; argv++) {
        FILE *file = fopen(*argv, "rb");
        CHECK(file, "cannot open %s\n", *argv);
        for (uint64_t offset = 0;; offset += CHUNK, job = (job + 1) % JOBS) {
            finish(v, job);
            CHECK(fseek(file, (long)offset, SEEK_SET) == 0, "cannot seek in %s\n", *argv);
            const uint32_t size = (uint32_t)fread(text + job * REGION, 1, REGION, file);
            if (size == 0)
                break;
            memset(text + job * REGION + size, '\n', -size % 4); /* which no pattern has */
            const vyre_work work = { .arg_count = 3,
                                     .args = { job * REGION / 4, (size + 3) / 4, job * FOUND } };
            TRY(vyre_publish(v, &work, &jobs[job].ticket, &err));
            jobs[job].file = *argv;
            jobs[job].offset = offset;
            bytes += size < CHUNK ? size : CHUNK;
        }
        fclose(file);
    }
    for (uint32_t i = 0; i < JOBS; i++)
        finish(v, (job + i) % JOBS);
    clock_gettime(CLOCK_MONOTONIC, &to);
    const double s = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    if (stats)
        fprintf(stderr, "scan: %s: %llu bytes, %llu matches, %.3f s, %.0f bytes/s\n",
                vyre_backend_name(desc.backend), bytes, matches, s, (double)bytes / s);
    vyre_close(v);
    return matches == 0;
}

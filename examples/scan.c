/* scan: where any of many patterns occurs in files, as grep -obF -f tells it.
 *
 *     scan [cpu | vulkan] [--stats] PATTERNS FILE...
 *
 * PATTERNS has one pattern of 1 to 64 bytes a line.  The host makes an automaton
 * of them (Aho-Corasick, one table entry for each state and byte) and cuts the
 * files into chunks that overlap.  Each chunk is a slot of a kernel that is
 * already running; while it scans one half of the memory, the other is filled. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime, where the compiler is strict */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LONGEST = 64, CHUNK = 1024, REGION = LONGEST + CHUNK, BATCH = 4096, HITS = 262144 };

static void die(const char *what, const char *which)
{
    fprintf(stderr, "scan: %s %s\n", what, which);
    exit(2);
}

/* --- the automaton: state 0 is the root; entry = next state, top bit: something ends there --- */
static struct { uint32_t *table, *fail, *ends, *link, states; } dfa;

typedef struct pattern { char text[LONGEST + 1]; uint32_t length; } pattern;
static pattern *patterns; /* from 1 on */

static void load_patterns(const char *path)
{
    char line[LONGEST + 3];
    size_t bytes = 1, count = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open", path);
    for (int c; (c = fgetc(file)) != EOF;)
        bytes += 1, count += c == '\n';
    rewind(file);
    dfa.table = (uint32_t *)calloc(bytes + 1, 1024);
    dfa.fail = (uint32_t *)calloc(3 * (bytes + 1), 4); /* where a mismatch leads */
    dfa.ends = dfa.fail + bytes + 1;                   /* the pattern that ends here, or 0 */
    dfa.link = dfa.ends + bytes + 1;                   /* the next shorter state where one ends */
    patterns = (pattern *)calloc(count + 2, sizeof *patterns);
    if (!dfa.table || !dfa.fail || !patterns)
        die("no memory for", path);
    dfa.states = 1;
    for (uint32_t id = 1; fgets(line, sizeof line, file); id++) {
        const size_t length = strcspn(line, "\n");
        if (length == 0 || length > LONGEST)
            die("not 1 to 64 bytes:", line);
        memcpy(patterns[id].text, line, length);
        patterns[id].length = (uint32_t)length;
        uint32_t state = 0;
        for (size_t i = 0; i < length; i++) {
            uint32_t *next = &dfa.table[256 * state + (unsigned char)line[i]];
            state = *next = *next ? *next : dfa.states++;
        }
        dfa.ends[state] = id;
    }
    fclose(file);
}

static void complete_automaton(void)
{
    uint32_t *queue = (uint32_t *)calloc(dfa.states + 1, 4), head = 0, tail = 1;
    for (; head < tail; head++) { /* breadth first: a state's failure is complete before it */
        const uint32_t s = queue[head], f = dfa.fail[s];
        dfa.link[s] = dfa.ends[f] ? f : dfa.link[f];
        for (unsigned c = 0; c < 256; c++) {
            uint32_t *next = &dfa.table[256 * s + c];
            const uint32_t other = s ? dfa.table[256 * f + c] & 0x7fffffffu : 0;
            if (*next)
                dfa.fail[queue[tail++] = *next] = other;
            else
                *next = other;
        }
    }
    for (size_t i = 0; i < (size_t)dfa.states * 256; i++)
        dfa.table[i] |= dfa.ends[dfa.table[i]] || dfa.link[dfa.table[i]] ? 0x80000000u : 0;
    free(queue);
}

/* --- a lane's job: words a0 up to a1 of the text; hits = counter, then { byte, state } --- */
static void emit_scan(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    const vyre_buffer text = slot->buffers[0], table = slot->buffers[1], hits = slot->buffers[2];
    vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1), two = vyre_ir_u32(p, 2);
    vyre_local state = vyre_ir_local(p, VYRE_TYPE_U32, zero, "state");
    vyre_value i = vyre_ir_loop(p, slot->arg[0], slot->arg[1]);
    vyre_value word = vyre_ir_load(p, text, i);
    for (unsigned k = 0; k < 4; k++) { /* unrolled: this loop runs when the kernel is built */
        vyre_value byte = vyre_ir_and(p, vyre_ir_shr(p, word, vyre_ir_u32(p, 8 * k)),
                                      vyre_ir_u32(p, 255));
        vyre_value row = vyre_ir_shl(p, vyre_ir_get(p, state), vyre_ir_u32(p, 8));
        vyre_value entry = vyre_ir_load(p, table, vyre_ir_or(p, row, byte));
        vyre_ir_set(p, state, vyre_ir_and(p, entry, vyre_ir_u32(p, 0x7fffffffu)));
        vyre_ir_if(p, vyre_ir_ge(p, entry, vyre_ir_u32(p, 0x80000000u)));
        vyre_value n = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, hits, slot->arg[2], one,
                                      VYRE_ORDER_RELAXED);
        vyre_ir_if(p, vyre_ir_lt(p, n, vyre_ir_u32(p, HITS)));
        vyre_value at = vyre_ir_add(p, slot->arg[2], vyre_ir_add(p, vyre_ir_shl(p, n, one), one));
        vyre_value position = vyre_ir_or(p, vyre_ir_shl(p, i, two), vyre_ir_u32(p, k));
        vyre_ir_store(p, hits, at, position);
        vyre_ir_store(p, hits, vyre_ir_add(p, at, one), vyre_ir_get(p, state));
        vyre_ir_end(p);
        vyre_ir_end(p);
    }
    vyre_ir_end(p);
    (void)user;
}

/* --- files into chunks, each with the LONGEST bytes before it --- */
typedef struct chunk { uint64_t offset; uint32_t file, end; } chunk; /* of its region */

static struct {
    char        **names;
    unsigned      count, next; /* next: to open */
    FILE         *file;
    uint64_t      offset;      /* of the block's end in the file */
    bool          has_tail;
    unsigned char block[REGION];
    uint64_t      bytes, chunks;
} input;

static bool open_next(void)
{
    while (!input.file && input.next < input.count) {
        input.file = fopen(input.names[input.next++], "rb");
        if (!input.file)
            fprintf(stderr, "scan: cannot open %s\n", input.names[input.next - 1]);
        input.offset = 0;
        input.has_tail = false;
    }
    return input.file != NULL;
}

/* Reads the next chunk into region `r` of the text and makes its job; false at
 * the end of the last file. */
static bool next_chunk(unsigned char *text, uint32_t r, chunk *c, vyre_work *work)
{
    while (open_next()) {
        memmove(input.block, input.block + CHUNK, LONGEST);
        const size_t got = fread(input.block + LONGEST, 1, CHUNK, input.file);
        if (got > 0) {
            memcpy(text + (size_t)r * REGION, input.block, REGION);
            c->file = input.next - 1;
            c->offset = input.offset - LONGEST; /* may wrap; adding LONGEST puts it right */
            c->end = LONGEST + (uint32_t)got;
            work->args[0] = (r * REGION + (input.has_tail ? 0u : (uint32_t)LONGEST)) / 4;
            work->args[1] = (r * REGION + c->end + 3) / 4;
            input.offset += got;
            input.bytes += got;
            input.chunks++;
            input.has_tail = true;
            return true;
        }
        fclose(input.file);
        input.file = NULL;
    }
    return false;
}

/* --- hits into matches: leftmost first, of those the longest, none overlapping --- */
typedef struct match { uint64_t start; uint32_t file, id; } match;
static struct { match *list; size_t count, capacity; } found;

static void add_hit(const chunk *c, uint32_t at, uint32_t state)
{
    if (at < LONGEST || at >= c->end)
        return; /* the chunk before has it, or it lies behind the end */
    for (uint32_t s = dfa.ends[state] ? state : dfa.link[state]; s; s = dfa.link[s]) {
        if (found.count == found.capacity) {
            found.capacity = found.capacity ? 2 * found.capacity : 1024;
            found.list = (match *)realloc(found.list, found.capacity * sizeof *found.list);
            if (!found.list)
                die("no memory for", "the matches");
        }
        match *m = &found.list[found.count++];
        m->file = c->file;
        m->id = dfa.ends[s];
        m->start = c->offset + at + 1 - patterns[m->id].length;
    }
}

static int by_place(const void *a, const void *b)
{
    const match *x = (const match *)a, *y = (const match *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (patterns[x->id].length < patterns[y->id].length) -
           (patterns[x->id].length > patterns[y->id].length);
}

static size_t print_matches(void)
{
    size_t printed = 0;
    uint64_t free_from = 0;
    if (found.count)
        qsort(found.list, found.count, sizeof *found.list, by_place);
    for (size_t i = 0; i < found.count; i++) {
        const match *m = &found.list[i];
        if (i == 0 || m[-1].file != m->file)
            free_from = 0;
        if (m->start < free_from)
            continue;
        free_from = m->start + patterns[m->id].length;
        printf("%s:%llu:", input.names[m->file], (unsigned long long)m->start);
        fwrite(patterns[m->id].text, 1, patterns[m->id].length, stdout);
        putchar('\n');
        printed++;
    }
    return printed;
}

/* --- one half of the memory: what was published from it, and its hits --- */
typedef struct half {
    unsigned char *text;
    uint32_t      *hits; /* counter, records */
    uint32_t       first_region, first_hit, count;
    chunk          chunks[BATCH];
    vyre_work      works[BATCH];
} half;

static void fill(half *h, unsigned char *text)
{
    for (h->count = 0; h->count < BATCH; h->count++) {
        vyre_work *work = &h->works[h->count];
        work->opcode = VYRE_OP_NOP; /* a JIT kernel has no opcodes */
        work->arg_count = 3;
        work->args[2] = h->first_hit;
        if (!next_chunk(text, h->first_region + h->count, &h->chunks[h->count], work))
            break;
    }
}

/* More hits than records: the host scans these chunks again. */
static void scan_here(const half *h)
{
    for (uint32_t n = 0; n < h->count; n++) {
        const unsigned char *text = h->text + (size_t)n * REGION;
        uint32_t entry = 0;
        for (uint32_t i = h->works[n].args[0] * 4 % REGION; i < h->chunks[n].end; i++) {
            entry = dfa.table[256 * (entry & 0x7fffffffu) + text[i]];
            if (entry & 0x80000000u)
                add_hit(&h->chunks[n], i, entry & 0x7fffffffu);
        }
    }
}

static void collect(half *h)
{
    const uint32_t count = h->hits[0];
    if (count > HITS)
        scan_here(h);
    for (uint32_t i = 0; i < count && count <= HITS; i++) {
        const uint32_t at = h->hits[1 + 2 * i], r = at / REGION;
        add_hit(&h->chunks[r - h->first_region], at % REGION, h->hits[2 + 2 * i]);
    }
    h->hits[0] = 0;
}

static half halves[2];

static void check(vyre_status status, const vyre_error *err)
{
    if (status != VYRE_OK)
        die(err->text, err->fix);
}

/* While the kernel scans one half, this fills the other and reads its hits. */
static void scan_files(vyre *v)
{
    unsigned char *text = (unsigned char *)vyre_map(v, 0, NULL);
    uint32_t *hits = (uint32_t *)vyre_map(v, 2, NULL);
    vyre_error err;
    memcpy(vyre_map(v, 1, NULL), dfa.table, (size_t)dfa.states * 1024);
    check(vyre_start(v, &err), &err);
    for (unsigned i = 0; i < 2; i++) {
        halves[i].first_region = i * BATCH;
        halves[i].first_hit = i * (1 + 2 * HITS);
        halves[i].text = text + (size_t)i * BATCH * REGION;
        halves[i].hits = hits + halves[i].first_hit;
    }
    half *filled = &halves[0], *scanned = &halves[1];
    for (fill(filled, text); filled->count || scanned->count;) {
        check(vyre_drain(v, VYRE_FOREVER, &err), &err);
        check(vyre_publish_many(v, filled->works, filled->count, NULL, NULL, &err), &err);
        collect(scanned);
        fill(scanned, text);
        half *other = filled;
        filled = scanned;
        scanned = other;
    }
    vyre_io_buffers buffers;
    uint32_t faults = 0;
    check(vyre_buffers(v, &buffers, &err), &err);
    check(vyre_control_fault_count(buffers.control, buffers.control_size, &faults, &err), &err);
    if (faults)
        die("the result is incomplete:", "jobs ended FAULT");
}

static vyre *open_queue(vyre_backend backend)
{
    static const char *const names[3] = { "text", "table", "hits" };
    const uint32_t counts[3] = { 2 * BATCH * REGION / 4, dfa.states * 256, 2 * (1 + 2 * HITS) };
    vyre_buffer_desc buffers[3];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (unsigned i = 0; i < 3; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].access = i < 2 ? VYRE_ACCESS_READ : VYRE_ACCESS_READ_WRITE;
        buffers[i].count = counts[i];
    }
    desc.backend = backend;
    desc.kernel.kind = VYRE_KERNEL_JIT;
    desc.kernel.payload = emit_scan;
    desc.kernel.slot_count = BATCH;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 3;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        die(err.text, err.fix);
    return v;
}

int main(int argc, char **argv)
{
    vyre_backend backend = VYRE_BACKEND_AUTO;
    bool stats = false;
    int i = 1;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "cpu") == 0)
            backend = VYRE_BACKEND_CPU;
        else if (strcmp(argv[i], "vulkan") == 0)
            backend = VYRE_BACKEND_VULKAN;
        else if (strcmp(argv[i], "--stats") == 0)
            stats = true;
        else
            break;
    }
    if (argc - i < 2)
        die("usage:", "scan [cpu | vulkan] [--stats] PATTERNS FILE...");
    load_patterns(argv[i]);
    complete_automaton();
    input.names = argv + i + 1;
    input.count = (unsigned)(argc - i - 1);

    vyre *v = open_queue(backend);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    scan_files(v);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const size_t printed = print_matches();
    if (stats) {
        const double s = (double)(end.tv_sec - begin.tv_sec) +
                         1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        vyre_info info;
        vyre_query(v, &info);
        fprintf(stderr, "scan: %s: %llu bytes, %llu chunks, %u states, %zu matches, %.3f s, "
                "%.0f bytes/s\n", info.device, (unsigned long long)input.bytes,
                (unsigned long long)input.chunks, (unsigned)dfa.states, printed, s,
                s > 0 ? (double)input.bytes / s : 0);
    }
    vyre_close(v);
    return printed ? 0 : 1;
}

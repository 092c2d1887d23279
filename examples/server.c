/* SHA-256 as a service: threads put strings of up to 1 KB, of any length, into a buffer,
 * publish a job for each, and get the digest with its result.  The lines that compute it
 * are the handler's text and plain C at once: every digest is made by both.
 *
 *     server [cpu | vulkan [threads [jobs of each]]] */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
enum { MOST = 1024, WORDS = (MOST / 64 + 1) * 16 }; /* bytes of a string; words of it, padded */
enum { THREADS = 16, FLIGHT = 16, SLOTS = THREADS * FLIGHT }; /* at most; jobs of each at a time */
#define LONG     100000000000u                            /* 100 s: something is wrong */
#define FIRST(c) ((c)->err.status ? NULL : &(c)->err)     /* the first refusal stays there */
#define TURN uint turn(uint x, uint n) { return x >> n | x << (32u - n); }
/* Words `first` up to `end` of text give s0 .. s7; w[own] is the first of 16. */
#define SHA256                                                                                     \
    uint s0 = 0x6a09e667u, s1 = 0xbb67ae85u, s2 = 0x3c6ef372u, s3 = 0xa54ff53au;                   \
    uint s4 = 0x510e527fu, s5 = 0x9b05688cu, s6 = 0x1f83d9abu, s7 = 0x5be0cd19u;                   \
    for (uint at = first; at < end; at += 16u) {                                                   \
        uint a = s0, b = s1, c = s2, d = s3, e = s4, f = s5, g = s6, h = s7;                       \
        for (uint i = 0u; i < 64u; i++) {                                                          \
            uint x = w[own + ((i + 1u) & 15u)], y = w[own + ((i + 14u) & 15u)];                    \
            uint v = i < 16u ? text[at + i]                                                        \
                             : w[own + (i & 15u)] + (turn(x, 7u) ^ turn(x, 18u) ^ x >> 3u) +       \
                w[own + ((i + 9u) & 15u)] + (turn(y, 17u) ^ turn(y, 19u) ^ y >> 10u);              \
            w[own + (i & 15u)] = v;                                                                \
            v += h + (turn(e, 6u) ^ turn(e, 11u) ^ turn(e, 25u)) + ((e & f) ^ (~e & g)) + k[i];    \
            x = (turn(a, 2u) ^ turn(a, 13u) ^ turn(a, 22u)) + ((a & b) ^ (a & c) ^ (b & c));       \
            h = g; g = f; f = e; e = d + v; d = c; c = b; b = a; a = v + x;                        \
        }                                                                                          \
        s0 += a; s1 += b; s2 += c; s3 += d; s4 += e; s5 += f; s6 += g; s7 += h;                    \
    }
#define TEXT(...)  TEXT_(__VA_ARGS__)
#define TEXT_(...) #__VA_ARGS__
static const vyre_handler handler = { .opcode = VYRE_OP_USER, .name = "sha256", .source =
    TEXT(TURN) "uint first = arg[0], end = first + arg[1], own = slot * 16u;\n" TEXT(SHA256)
    "result(0, s0); result(1, s1); result(2, s2); result(3, s3);\n"
    "result(4, s4); result(5, s5); result(6, s6); result(7, s7);\n" };

typedef uint32_t uint; static uint k[64]; static TURN

static void sha256(const uint *text, uint end, uint digest[8])
{
    const uint first = 0, own = 0;
    uint w[16] = { 0 };
    SHA256
    memcpy(digest, (uint[8]){ s0, s1, s2, s3, s4, s5, s6, s7 }, 8 * sizeof *digest);
}
typedef struct client {
    pthread_t id;
    vyre     *v;
    uint     *buffer, number, jobs, seed, wrong;
    double   *us; /* of each job, from publishing to the digest */
    vyre_error err;
    struct { uint text[WORDS], words; vyre_ticket ticket; double began; } flight[FLIGHT];
} client;

static double now_us(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t), (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static uint dice(client *c) { return (c->seed = c->seed * 1664525u + 1013904223u) >> 16; }

/* Random bytes; behind them a one, zeros, and their number in bits. */
static void begin(client *c, uint n)
{
    const uint size = dice(c) % (MOST + 1), words = ((size + 8) / 64 + 1) * 16;
    const uint place = (c->number * FLIGHT + n) * WORDS;
    const vyre_work work = { VYRE_OP_USER, 0, VYRE_PRIORITY_NORMAL, 2, { place, words } };
    uint *text = memset(c->flight[n].text, 0, WORDS * 4);
    for (uint i = 0; i <= size; i++)
        text[i / 4] |= (i < size ? dice(c) & 255u : 128u) << (24 - i % 4 * 8);
    text[(c->flight[n].words = words) - 1] = size * 8;
    memcpy(c->buffer + place, text, words * 4);
    c->flight[n].began = now_us();
    c->wrong += vyre_publish(c->v, &work, &c->flight[n].ticket, FIRST(c)) != VYRE_OK;
}

static void *serve(void *user)
{
    client *c = (client *)user;
    for (uint i = 0; i < c->jobs + FLIGHT; i++) {
        const uint n = i % FLIGHT;
        uint digest[12] = { 0 }, right[8];
        if (i >= FLIGHT) {
            c->wrong += vyre_wait_result(c->v, c->flight[n].ticket, LONG, digest, FIRST(c)) != 0;
            c->us[i - FLIGHT] = now_us() - c->flight[n].began;
            sha256(c->flight[n].text, c->flight[n].words, right);
            c->wrong += memcmp(digest, right, sizeof right) != 0;
        }
        if (i < c->jobs)
            begin(c, n);
    }
    return NULL;
}

static int order(const void *a, const void *b) { return *(double *)a < *(double *)b ? -1 : 1; }

int main(int argc, char **argv)
{
    const uint threads = argc > 2 ? 1 + (uint)(strtoul(argv[2], NULL, 0) - 1) % THREADS : 4;
    const uint jobs = argc > 3 ? (uint)strtoul(argv[3], NULL, 0) : 1000, all = threads * jobs;
    const vyre_buffer_desc buffers[] = { { .name = "text", .binding = 4, .count = SLOTS * WORDS },
                                         { .name = "w", .binding = 5, .count = SLOTS * 16 },
                                         { .name = "k", .binding = 6, .count = 64 } };
    const vyre_desc desc = {
        .backend = (vyre_backend)(argc < 2 ? 0 : *argv[1] == 'c' ? 1 : 2), /* AUTO, CPU, VULKAN */
        .kernel = { .handlers = &handler, .handler_count = 1, .buffers = buffers,
                    .buffer_count = 3, .slot_count = SLOTS }, .keep_results = true };
    static client clients[THREADS];
    vyre_error err;
    uint digest[8], primes = 0;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK)
        return fprintf(stderr, "server: %s\n%s\n", err.text, err.fix), 1;
    for (uint n = 2, d = 2; primes < 64; n++, d = 2) { /* the fractions of their cube roots */
        for (; n % d; d++) {}
        if (d == n)
            k[primes++] = (uint)(fmod(cbrt(n), 1) * 4294967296.0);
    }
    memcpy(vyre_map(v, 2, NULL), k, sizeof k);
    sha256((uint[16]){ 0x61626380u, [15] = 24 }, 16, digest); /* of "abc" */
    uint wrong = digest[0] != 0xba7816bfu;
    double *us = calloc(all + 1, sizeof *us), start = now_us();
    for (uint i = 0; i < threads; i++) {
        clients[i] = (client){ .v = v, .buffer = vyre_map(v, 0, NULL), .number = i, .seed = i,
                               .jobs = jobs, .us = us + i * jobs };
        pthread_create(&clients[i].id, NULL, serve, &clients[i]);
    }
    for (uint i = 0; i < threads; i++) {
        wrong += (pthread_join(clients[i].id, NULL), clients[i].wrong);
        if (clients[i].err.status)
            fprintf(stderr, "thread %u: %s\n%s\n", i, clients[i].err.text, clients[i].err.fix);
    }
    const double seconds = (now_us() - start) * 1e-6;
    vyre_close(v);
    qsort(us, all, sizeof *us, order);
    printf("server: %u digests by %u threads, %u wrong\n", all, threads, wrong);
    printf("%.0f jobs/s, p50 %.0f, p99 %.0f us\n", all / seconds, us[all / 2], us[all * 99 / 100]);
    return free(us), wrong != 0;
}

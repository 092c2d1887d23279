/* An allocator for tests: it counts, it fails when told, and it finds leaks,
 * double frees and wrong sizes.
 *
 *     oom_state oom;
 *     oom_begin(&oom);
 *     for (oom.fail_at = 1; ; oom_rearm(&oom)) {
 *         vyre_status status = work(oom_allocator(&oom));
 *         CHECK_EQ(oom.live_blocks, 0);
 *         if (!oom.failed) break;              // every allocation has failed once
 *         CHECK_EQ(status, VYRE_E_NOMEM);
 *     }
 *     CHECK(oom_is_clean(&oom));
 *
 * Or, with a function that returns a status:   oom_each(work_function, user);
 *
 * Each block is its own malloc, so that AddressSanitizer sees every overrun;
 * growing always moves, so that stale pointers show.
 */
#ifndef OOM_H
#define OOM_H

#include "test.h"
#include "vyre.h"

typedef struct oom_state {
    uint64_t calls;       /* allocations and growths since oom_rearm */
    uint64_t fail_at;     /* the call that fails, from 1; 0 = none */
    bool     fail_onward; /* and all calls after it */
    bool     failed;      /* it did */
    uint64_t live_blocks, live_bytes, peak_bytes;
    uint64_t wrong_sizes; /* blocks whose old size was given wrongly */
} oom_state;

/* In front of each block; as large as malloc's alignment. */
typedef union oom_header {
    size_t      size;
    long double align;
    char        bytes[16];
} oom_header;

static void *oom_free(oom_state *s, oom_header *old)
{
    if (old) {
        s->live_blocks--;
        s->live_bytes -= old->size;
        free(old);
    }
    return NULL;
}

static void *oom_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    oom_state *s = (oom_state *)user;
    oom_header *old = ptr ? (oom_header *)ptr - 1 : NULL;
    if (old ? old->size != old_size : old_size != 0)
        s->wrong_sizes++;
    if (new_size == 0)
        return oom_free(s, old);

    s->calls++;
    if (s->fail_at && (s->calls == s->fail_at || (s->fail_onward && s->calls > s->fail_at))) {
        s->failed = true;
        return NULL;
    }
    oom_header *block = (oom_header *)malloc(sizeof *block + new_size);
    if (!block)
        abort();
    memset(block + 1, 0xa5, new_size);
    block->size = new_size;
    if (old)
        memcpy(block + 1, old + 1, old->size < new_size ? old->size : new_size);
    oom_free(s, old);
    s->live_blocks++;
    s->live_bytes += new_size;
    if (s->live_bytes > s->peak_bytes)
        s->peak_bytes = s->live_bytes;
    return block + 1;
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static void oom_begin(oom_state *s)
{
    memset(s, 0, sizeof *s);
}

/* The next run fails at the next allocation. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static void oom_rearm(oom_state *s)
{
    s->calls = 0;
    s->failed = false;
    s->fail_at++;
}

static vyre_allocator oom_allocator(oom_state *s)
{
    vyre_allocator allocator;
    allocator.resize = oom_resize;
    allocator.user = s;
    return allocator;
}

static bool oom_is_clean(const oom_state *s)
{
    return s->live_blocks == 0 && s->live_bytes == 0 && s->wrong_sizes == 0;
}

/* Runs `work` with its first allocation failing, then its second, and so on,
 * until it gets through.  It must free all it allocates, and return
 * VYRE_E_NOMEM whenever an allocation failed, VYRE_OK at last.  Returns the
 * number of allocations that were failed. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static uint64_t oom_each(vyre_status (*work)(const vyre_allocator *allocator, void *user),
                         void *user)
{
    oom_state s;
    oom_begin(&s);
    const vyre_allocator allocator = oom_allocator(&s);
    for (;;) {
        oom_rearm(&s);
        const vyre_status status = work(&allocator, user);
        if (!oom_is_clean(&s))
            test_fail(__FILE__, __LINE__, "allocation %llu failed: %llu blocks leaked, %llu freed "
                      "with a wrong size", (unsigned long long)s.fail_at,
                      (unsigned long long)s.live_blocks, (unsigned long long)s.wrong_sizes);
        if (!s.failed) {
            CHECK_EQ(status, VYRE_OK);
            return s.fail_at - 1;
        }
        if (status != VYRE_E_NOMEM)
            test_fail(__FILE__, __LINE__, "allocation %llu failed: status %d, not E_NOMEM",
                      (unsigned long long)s.fail_at, (int)status);
    }
}

#endif

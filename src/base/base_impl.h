/* ==========================================================================
 * base: what the other fragments build on
 *
 * Private.  Errors with numbers in them, memory that says no, words that are
 * little-endian on every host, and helpers for atomics.  All of the library's
 * orderings on words go through those, so that each can name its partner;
 * pointers and fences for other threads have theirs in thread_impl.h.
 * ======================================================================= */
#ifndef VYI_BASE_IMPL_H
#define VYI_BASE_IMPL_H

#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Private functions that one fragment offers to another.  In the single
 * header they are static; a fragment that is compiled alone sees them as
 * ordinary externals, and so do tests that look inside (tests/inside.h). */
#ifndef VYI_API
    #ifdef VYRE_IMPLEMENTATION
        #define VYI_API VYI_MAYBE_UNUSED static
    #else
        #define VYI_API extern
    #endif
#endif

VYI_EXTERN_C_BEGIN

/* --- errors -------------------------------------------------------------- */

/* Fills *err, when there is one, and returns `status`.  `fix` is a sentence
 * that says what to do; the rest is printf. */
VYI_API vyre_status vyi_fail(vyre_error *err, vyre_status status, uint64_t at,
                             const char *fix, const char *format, ...) VYI_PRINTF(5, 6);

/* The same for news, which are asked for often: constant texts, and no printf. */
VYI_API vyre_status vyi_news(vyre_error *err, vyre_status status, uint64_t at, const char *fix,
                             const char *text);

/* The common case of an allocation of `size` bytes that failed. */
VYI_API vyre_status vyi_fail_nomem(vyre_error *err, size_t size);

/* --- sizes --------------------------------------------------------------- */

/* False when the result does not fit; *out is then untouched. */
VYI_API bool vyi_size_add(size_t a, size_t b, size_t *out);
VYI_API bool vyi_size_mul(size_t a, size_t b, size_t *out);

/* --- memory -------------------------------------------------------------- */

/* NULL when the allocator says no.  `allocator` may be NULL. */
VYI_API void *vyi_alloc(const vyre_allocator *allocator, size_t size);
/* Zeroed.  libc's comes as pages that the system makes when they are used, so a
 * large block costs nothing by itself; a caller's allocator knows no zeroed
 * memory, so its block is written. */
VYI_API void *vyi_alloc_zeroed(const vyre_allocator *allocator, size_t size);
VYI_API void *vyi_resize(const vyre_allocator *allocator, void *ptr, size_t old_size,
                         size_t new_size);
VYI_API void  vyi_free(const vyre_allocator *allocator, void *ptr, size_t size);

/* Grows *array, of *capacity elements of `element` bytes, so that it holds at
 * least `count`.  False when there is no memory; the array then is as before. */
VYI_API bool vyi_grow(const vyre_allocator *allocator, void **array, uint32_t *capacity,
                      uint32_t count, size_t element);

/* A growing chain of blocks that is freed as a whole.  Zero-initialise it,
 * apart from the allocator. */
typedef struct vyi_arena_block vyi_arena_block;
typedef struct vyi_arena {
    vyre_allocator   allocator;
    vyi_arena_block *last;
} vyi_arena;

/* Zeroed, 16-byte aligned; NULL when there is no memory. */
VYI_API void *vyi_arena_alloc(vyi_arena *arena, size_t size);
/* A copy of at most `limit` characters, always terminated; NULL reads as "". */
VYI_API const char *vyi_arena_text(vyi_arena *arena, const char *text, size_t limit);
VYI_API void vyi_arena_free(vyi_arena *arena);

/* --- messages ------------------------------------------------------------ */

VYI_API void vyi_message(const vyre_logger *logger, vyre_severity severity,
                         const char *format, ...) VYI_PRINTF(3, 4);

/* --- hash ---------------------------------------------------------------- */

#define VYI_HASH_SEED 0xcbf29ce484222325ull

/* FNV-1a, 64 bit.  Start from VYI_HASH_SEED; chain calls through `hash`. */
VYI_API uint64_t vyi_hash(uint64_t hash, const void *bytes, size_t size);

/* One more word, for tables: 2^32 by the golden ratio. */
static inline uint32_t vyi_mix(uint32_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

/* --- words --------------------------------------------------------------- */

/* Little-endian words at any address. */
static inline uint32_t vyi_get32(const void *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return (uint32_t)b[0] | ((uint32_t)b[1] << 8) | ((uint32_t)b[2] << 16) | ((uint32_t)b[3] << 24);
}

static inline void vyi_put32(void *at, uint32_t value)
{
    uint8_t *b = (uint8_t *)at;
    b[0] = (uint8_t)value;
    b[1] = (uint8_t)(value >> 8);
    b[2] = (uint8_t)(value >> 16);
    b[3] = (uint8_t)(value >> 24);
}

/* Word `index` of a buffer of words. */
static inline uint32_t vyi_word(const void *base, size_t index)
{
    return vyi_get32((const uint8_t *)base + 4 * index);
}

static inline void vyi_set_word(void *base, size_t index, uint32_t value)
{
    vyi_put32((uint8_t *)base + 4 * index, value);
}

/* --- atomics ------------------------------------------------------------- */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define VYI_BIG_ENDIAN 1
#else
    #define VYI_BIG_ENDIAN 0
#endif

/* Between a little-endian word in memory and the host's own number. */
static inline uint32_t vyi_le32(uint32_t value)
{
#if VYI_BIG_ENDIAN
    return (value >> 24) | ((value >> 8) & 0xff00u) | ((value << 8) & 0xff0000u) | (value << 24);
#else
    return value;
#endif
}

/* Only a word on a 4-byte boundary can be accessed atomically. */
static inline bool vyi_aligned4(const void *at)
{
    return ((uintptr_t)at & 3u) == 0;
}

#if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
#endif

/* The helpers work on the host's own numbers; for a word on the wire the
 * caller wraps them in vyi_le32. `at` is 4-byte aligned. */

/* What was written before the matching vyi_store_release is seen after it. */
static inline uint32_t vyi_load_acquire(const void *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    uint32_t value = *(const volatile uint32_t *)at;
    _ReadWriteBarrier();
    #if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
    #endif
    return value;
#else
    return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
#endif
}

/* What was written before is seen by whoever acquires this value. */
static inline void vyi_store_release(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
    #endif
    _ReadWriteBarrier();
    *(volatile uint32_t *)at = value;
#else
    __atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
#endif
}

/* Stores `desired` if the word holds `expected`; returns what it held.
 * Acquire and release. */
static inline uint32_t vyi_compare_exchange(void *at, uint32_t expected, uint32_t desired)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (uint32_t)_InterlockedCompareExchange((volatile long *)at, (long)desired,
                                                 (long)expected);
#else
    __atomic_compare_exchange_n((uint32_t *)at, &expected, desired, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
    return expected;
#endif
}

/* Adds and returns the value before.  Acquire and release. */
static inline uint32_t vyi_fetch_add(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (uint32_t)_InterlockedExchangeAdd((volatile long *)at, (long)value);
#else
    return __atomic_fetch_add((uint32_t *)at, value, __ATOMIC_ACQ_REL);
#endif
}

/* Atomic, and nothing else. */
static inline uint32_t vyi_load_relaxed(const void *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return *(const volatile uint32_t *)at;
#else
    return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
#endif
}

static inline void vyi_store_relaxed(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    *(volatile uint32_t *)at = value;
#else
    __atomic_store_n((uint32_t *)at, value, __ATOMIC_RELAXED);
#endif
}

/* No store after it is seen before one ahead of it, a release store too, which orders
 * only what is ahead of itself.  On x86 it holds back the compiler and nothing else. */
static inline void vyi_fence_release(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_X64) || defined(_M_IX86)
    _ReadWriteBarrier();
    #else
    __dmb(_ARM64_BARRIER_ISH);
    #endif
#else
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* Device memory is mapped write-combined, where a release store of the CPU
 * does not order the plain stores before it.  This does, and sends them on
 * their way. */
static inline void vyi_fence_stores(void)
{
#ifdef VYI_ON_FENCE
    VYI_ON_FENCE();
#endif
#if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_X64) || defined(_M_IX86)
    _mm_sfence();
    #else
    __dmb(_ARM64_BARRIER_OSHST);
    #endif
#elif defined(__SSE__)
    __builtin_ia32_sfence();
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

VYI_EXTERN_C_END

#endif

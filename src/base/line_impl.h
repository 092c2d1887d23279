/* ==========================================================================
 * line: how 64 bytes that the host composes get into a device's memory
 *
 * Private.  A slot of the ring is a line of 16 words, and word 0 says that the
 * others are there.  There are three ways, and a device has one of them for as
 * long as it lives (vyi_line_way):
 *
 *     words    plain memory: words 1 to 15, then word 0 with release
 *     fenced   write-combined memory, where a release does not hold back the
 *              stores before it: a store fence before word 0, and one after it,
 *              which sends it on its way
 *     direct   one store of 64 bytes that leaves the CPU as one (MOVDIR64B), into
 *              memory in which a device sees it as a whole.  It is in no order
 *              with other stores: a fence before it makes those come first
 * ======================================================================= */
#ifndef VYI_LINE_IMPL_H
#define VYI_LINE_IMPL_H

#include "base/base_impl.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    #include <cpuid.h>
    #define VYI_MOVDIR64B 1
#else
    #define VYI_MOVDIR64B 0
#endif

VYI_EXTERN_C_BEGIN

#define VYI_LINE_WORDS 16u

/* The host's own numbers. */
typedef struct vyi_line { uint32_t words[VYI_LINE_WORDS]; } vyi_line;

/* Stores `count` lines, one after the other, from `at` on: 64-byte aligned. */
typedef void (*vyi_line_fn)(uint32_t *at, const vyi_line *lines, uint32_t count);

/* Two words of a line into memory, neither of them torn: at once where the machine
 * does that. */
static inline void vyi_line_pair(uint32_t *at, const uint32_t *from)
{
#if (defined(__GNUC__) || defined(__clang__)) && !VYI_BIG_ENDIAN && UINTPTR_MAX > 0xffffffffu
    typedef uint64_t __attribute__((may_alias)) pair;
    uint64_t value;
    memcpy(&value, from, sizeof value);
    __atomic_store_n((pair *)(void *)at, value, __ATOMIC_RELAXED);
#else
    vyi_store_relaxed(at, vyi_le32(from[0]));
    vyi_store_relaxed(at + 1, vyi_le32(from[1]));
#endif
}

/* All of a line but word 0.  The first four were stored one by one: a load of two
 * would wait for both. */
static inline void vyi_line_body(uint32_t *at, const vyi_line *line)
{
    vyi_store_relaxed(at + 1, vyi_le32(line->words[1]));
    vyi_store_relaxed(at + 2, vyi_le32(line->words[2]));
    vyi_store_relaxed(at + 3, vyi_le32(line->words[3]));
    vyi_line_pair(at + 4, line->words + 4);
    vyi_line_pair(at + 6, line->words + 6);
    vyi_line_pair(at + 8, line->words + 8);
    vyi_line_pair(at + 10, line->words + 10);
    vyi_line_pair(at + 12, line->words + 12);
    vyi_line_pair(at + 14, line->words + 14);
}

/* Pairs with whoever acquires word 0. */
static inline void vyi_line_words(uint32_t *at, const vyi_line *lines, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++, at += VYI_LINE_WORDS) {
        vyi_line_body(at, &lines[n]);
        vyi_store_release(at, vyi_le32(lines[n].words[0]));
    }
}

/* One pair of fences for all: a fence waits for the bus. */
static inline void vyi_line_fenced(uint32_t *at, const vyi_line *lines, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++)
        vyi_line_body(at + n * VYI_LINE_WORDS, &lines[n]);
    vyi_fence_stores();
    for (uint32_t n = 0; n < count; n++)
        vyi_store_release(at + n * VYI_LINE_WORDS, vyi_le32(lines[n].words[0]));
    vyi_fence_stores();
}

#ifdef VYI_LINES_BY_WORDS /* tests of what publishes by lines, on any CPU */
static inline bool vyi_has_store_line(void)
{
    return true;
}

static inline void vyi_store_line(void *at, const void *line)
{
    vyi_line_words((uint32_t *)at, (const vyi_line *)line, 1);
}
#elif VYI_MOVDIR64B
static inline bool vyi_has_store_line(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 28 & 1u);
}

static inline void vyi_store_line(void *at, const void *line)
{
    __asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" /* movdir64b (%rdx), %rax */
                     : "=m"(*(vyi_line *)at)
                     : "m"(*(const vyi_line *)line), "a"(at), "d"(line));
}
#else
static inline bool vyi_has_store_line(void)
{
    return false;
}

static inline void vyi_store_line(void *at, const void *line)
{
    (void)at, (void)line;
}
#endif

static inline void vyi_line_direct(uint32_t *at, const vyi_line *lines, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++)
        vyi_store_line(at + n * VYI_LINE_WORDS, &lines[n]);
}

/* `whole`: the device was seen to see direct stores as wholes. */
static inline vyi_line_fn vyi_line_way(bool write_combined, bool whole)
{
    VYRE_ASSERT(!whole || (write_combined && vyi_has_store_line()));
    return whole ? vyi_line_direct : write_combined ? vyi_line_fenced : vyi_line_words;
}

/* --- looking at such memory --------------------------------------------------- */

/* An ordinary load of write-combined memory waits for the one before it, for as long as
 * the bus takes there and back.  These are on their way together. */
#define VYI_PEEK_MANY  8u /* places at a time, and of each */
#define VYI_PEEK_WORDS 4u

#if VYI_MOVDIR64B
static inline bool vyi_has_peek(void)
{
    return __builtin_cpu_supports("sse4.1") != 0;
}

/* In either of gcc's dialects. */
#define VYI_PEEK_LOAD(x, att, intel) \
    "movntdqa {" att ", %%xmm" x "|xmm" x ", [" intel "]}\n\t"
#define VYI_PEEK_STORE(x, att, intel) \
    "movups {%%xmm" x ", " att "|[" intel "], xmm" x "}\n\t"

/* Four words at each of eight places that are `apart` bytes from each other; all of them
 * are 16-byte aligned.  Of a line that somebody stores meanwhile no word is torn. */
static inline void vyi_peek(uint32_t *to, const uint32_t *from, size_t apart)
{
    __asm__ volatile(VYI_PEEK_LOAD("0", "(%1)", "%1")
                     VYI_PEEK_LOAD("1", "(%1,%2)", "%1+%2")
                     VYI_PEEK_LOAD("2", "(%1,%2,2)", "%1+%2*2")
                     VYI_PEEK_LOAD("3", "(%1,%3)", "%1+%3")
                     VYI_PEEK_LOAD("4", "(%1,%2,4)", "%1+%2*4")
                     VYI_PEEK_LOAD("5", "(%4,%2)", "%4+%2")
                     VYI_PEEK_LOAD("6", "(%1,%3,2)", "%1+%3*2")
                     VYI_PEEK_LOAD("7", "(%4,%3)", "%4+%3")
                     VYI_PEEK_STORE("0", "(%0)", "%0")
                     VYI_PEEK_STORE("1", "16(%0)", "%0+16")
                     VYI_PEEK_STORE("2", "32(%0)", "%0+32")
                     VYI_PEEK_STORE("3", "48(%0)", "%0+48")
                     VYI_PEEK_STORE("4", "64(%0)", "%0+64")
                     VYI_PEEK_STORE("5", "80(%0)", "%0+80")
                     VYI_PEEK_STORE("6", "96(%0)", "%0+96")
                     VYI_PEEK_STORE("7", "112(%0)", "%0+112")
                     :
                     : "r"(to), "r"(from), "r"(apart), "r"(3 * apart),
                       "r"((const char *)from + 4 * apart)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "memory");
}
#else
static inline bool vyi_has_peek(void)
{
    return false;
}

static inline void vyi_peek(uint32_t *to, const uint32_t *from, size_t apart)
{
    (void)to, (void)from, (void)apart;
}
#endif

VYI_EXTERN_C_END

#endif

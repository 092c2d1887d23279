/* ==========================================================================
 * config: version, switches, and the few compiler facts the rest relies on
 *
 * Public.  Every switch is a macro that the program defines before it
 * includes vyre.h; none is needed.
 * ======================================================================= */
#ifndef VYI_CONFIG_H
#define VYI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VYRE_VERSION_MAJOR 0
#define VYRE_VERSION_MINOR 2
#define VYRE_VERSION_PATCH 0
#define VYRE_VERSION ((VYRE_VERSION_MAJOR << 16) | (VYRE_VERSION_MINOR << 8) | VYRE_VERSION_PATCH)
#define VYRE_VERSION_STRING "0.2.0"

/* How public functions are declared.  VYRE_STATIC keeps them private to the
 * translation unit that holds the implementation. */
#ifndef VYRE_API
    #ifdef VYRE_STATIC
        #define VYRE_API VYI_MAYBE_UNUSED static
    #else
        #define VYRE_API extern
    #endif
#endif

/* Rooms: parts that nothing else includes, each left out by its VYRE_NO_<ROOM>.
 * VYRE_CORE leaves out all of them. */
#ifdef VYRE_CORE
    #ifndef VYRE_NO_TENANT
        #define VYRE_NO_TENANT
    #endif
    #ifndef VYRE_NO_GLSL
        #define VYRE_NO_GLSL
    #endif
    #ifndef VYRE_NO_REPLAY
        #define VYRE_NO_REPLAY
    #endif
    #ifndef VYRE_NO_TRACE
        #define VYRE_NO_TRACE
    #endif
    #ifndef VYRE_NO_IO
        #define VYRE_NO_IO
    #endif
    #ifndef VYRE_NO_TASK
        #define VYRE_NO_TASK
    #endif
    #ifndef VYRE_NO_GRAPH
        #define VYRE_NO_GRAPH
    #endif
    #ifndef VYRE_NO_WATCH
        #define VYRE_NO_WATCH
    #endif
    #ifndef VYRE_NO_PLAN
        #define VYRE_NO_PLAN
    #endif
    #ifndef VYRE_NO_SCAN
        #define VYRE_NO_SCAN
    #endif
    #ifndef VYRE_NO_FUSE
        #define VYRE_NO_FUSE
    #endif
    #ifndef VYRE_NO_POOL
        #define VYRE_NO_POOL
    #endif
    #ifndef VYRE_NO_SOURCE
        #define VYRE_NO_SOURCE
    #endif
    #ifndef VYRE_NO_EXCHANGE
        #define VYRE_NO_EXCHANGE
    #endif
    #ifndef VYRE_NO_RUNNER
        #define VYRE_NO_RUNNER
    #endif
#endif

/* VYI_OUTLINE: short functions with dozens of callers that build programs and
 * modules.  As calls they cost no time that counts; copied into each caller, a
 * ninth of the library's code and of its compile time.
 *
 * VYI_COLD: what runs when something is opened, built, printed or has failed.
 * It and the branches that lead to it are made small instead of fast, which is
 * quicker to compile.  Private functions that only such functions call follow by
 * themselves; so does a function that calls one of them whatever happens, which
 * is why nothing that runs often may.
 *
 * VYI_INLINE: what serves one and many: inlined, so that a count of one folds. */
#if defined(__GNUC__) || defined(__clang__)
    #define VYI_MAYBE_UNUSED __attribute__((unused))
    #define VYI_OUTLINE      __attribute__((noinline))
    #define VYI_COLD         __attribute__((cold))
    #define VYI_INLINE       __attribute__((always_inline))
    #if defined(__MINGW32__) && !defined(__clang__)
        #define VYI_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
    #else
        #define VYI_PRINTF(text, first) __attribute__((format(printf, text, first)))
    #endif
#else
    #define VYI_MAYBE_UNUSED
    #define VYI_OUTLINE
    #define VYI_COLD
    #define VYI_INLINE
    #define VYI_PRINTF(text, first)
#endif

/* A broken contract inside the library; bad input never gets here. */
#ifndef VYRE_ASSERT
    #include <assert.h>
    #define VYRE_ASSERT(condition) assert(condition)
#endif

/* Zones of the profiler Tracy, where the program has included its TracyC.h before: calls
 * that publish, wait, run, start and stop, and launches. */
#if defined(TracyCZoneN) && defined(TracyCZoneEnd)
    #define VYI_ZONE(zone, name) TracyCZoneN(zone, name, 1)
    #define VYI_ZONE_END(zone)   TracyCZoneEnd(zone)
#else
    #define VYI_ZONE(zone, name) ((void)0)
    #define VYI_ZONE_END(zone)   ((void)0)
#endif

/* Compile-time fact.  `name` must be unique in its scope. */
#define VYI_STATIC_ASSERT(name, condition) typedef char vyi_assert_##name[(condition) ? 1 : -1]

#ifdef __cplusplus
    #define VYI_EXTERN_C_BEGIN extern "C" {
    #define VYI_EXTERN_C_END }
#else
    #define VYI_EXTERN_C_BEGIN
    #define VYI_EXTERN_C_END
#endif

#endif

/* ==========================================================================
 * thread: locks, threads, a clock
 *
 * Private.  As much of POSIX or Win32 as the engine needs.  With
 * VYRE_NO_THREADS locks do nothing and no thread can be made; the clock and
 * the pauses remain.
 * ======================================================================= */
#ifndef VYI_THREAD_IMPL_H
#define VYI_THREAD_IMPL_H

#include "base/base_impl.h"

#include <time.h>

#if defined(_WIN32)
    #ifndef WIN32_LEAN_AND_MEAN
        #define WIN32_LEAN_AND_MEAN
    #endif
    #ifndef NOMINMAX
        #define NOMINMAX
    #endif
    #include <windows.h>
#else
    #include <pthread.h>
    #include <sched.h>
    #include <unistd.h>
#endif
#if defined(__linux__)
    #include <sys/syscall.h>
#endif
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    #include <cpuid.h>
    #define VYI_TICKS 1
#else
    #define VYI_TICKS 0
#endif

#ifdef VYRE_NO_THREADS
    #define VYI_THREADS 0
#else
    #define VYI_THREADS 1
#endif

VYI_EXTERN_C_BEGIN

/* Strict C99 hides these, though the library has them. */
#if !defined(_WIN32) && !defined(CLOCK_MONOTONIC)
    #ifdef __APPLE__
        #define VYI_CLOCK 6
    #else
        #define VYI_CLOCK 1
    #endif
extern int clock_gettime(int clock, struct timespec *now);
extern int nanosleep(const struct timespec *duration, struct timespec *rest);
#elif !defined(_WIN32)
    #define VYI_CLOCK CLOCK_MONOTONIC
#endif
/* So does a program that asks for an early POSIX. */
#if !defined(_WIN32) && !defined(__APPLE__) && \
    (!defined(CLOCK_MONOTONIC) || (defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE < 200112L))
extern int pthread_condattr_setclock(pthread_condattr_t *attributes, int clock);
#endif

/* --- time ---------------------------------------------------------------- */

/* Nanoseconds of a clock that never goes back. */
VYI_MAYBE_UNUSED VYI_OUTLINE
static uint64_t vyi_now(void)
{
#if defined(_WIN32)
    LARGE_INTEGER ticks, rate;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&rate);
    const uint64_t t = (uint64_t)ticks.QuadPart, r = (uint64_t)rate.QuadPart;
    return t / r * 1000000000u + t % r * 1000000000u / r;
#else
    struct timespec now;
    clock_gettime(VYI_CLOCK, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* The processor's own count, where it goes on at one rate.  It is read in less time, and
 * lets what comes before it take its own; so it may be early by a load or two. */
#if VYI_TICKS
static inline bool vyi_ticks_are_steady(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d >> 8 & 1u);
}

static inline uint64_t vyi_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}
#endif

/* Times that are noted where a look at the clock would take too long: the processor's
 * ticks if they are steady, or nanoseconds. */
typedef struct vyi_timer {
    uint64_t ticks, ns; /* of the moment at which it began */
    bool     steady;
} vyi_timer;

/* What such times are in nanoseconds: a moment by both, and nanoseconds of a tick. */
typedef struct vyi_scale {
    uint64_t ticks, ns;
    double   rate;
} vyi_scale;

static inline uint64_t vyi_timer_now(const vyi_timer *t)
{
#if VYI_TICKS
    if (t->steady)
        return vyi_ticks();
#endif
    (void)t;
    return vyi_now();
}

/* Of a few pairs the one that was read in the shortest time. */
VYI_MAYBE_UNUSED VYI_OUTLINE
static vyi_scale vyi_scale_now(const vyi_timer *t)
{
    vyi_scale s;
    uint64_t least = UINT64_MAX;
    s.ticks = s.ns = 0;
    for (unsigned turn = 0; turn < 3; turn++) {
        const uint64_t before = vyi_timer_now(t), ns = vyi_now(), took = vyi_timer_now(t) - before;
        if (took >= least)
            continue;
        least = took;
        s.ticks = t->steady ? before + took / 2 : ns;
        s.ns = ns;
    }
    s.rate = s.ticks > t->ticks && t->ticks ? (double)(s.ns - t->ns) / (double)(s.ticks - t->ticks)
                                            : 1;
    return s;
}

static inline void vyi_timer_begin(vyi_timer *t)
{
    t->ticks = t->ns = 0;
#if VYI_TICKS
    t->steady = vyi_ticks_are_steady();
#else
    t->steady = false;
#endif
    const vyi_scale begin = vyi_scale_now(t);
    t->ticks = begin.ticks;
    t->ns = begin.ns;
}

static inline uint64_t vyi_scale_ns(const vyi_scale *s, uint64_t ticks)
{
    const double ago = ticks <= s->ticks ? (double)(s->ticks - ticks) : -(double)(ticks - s->ticks);
    return s->ns - (uint64_t)(int64_t)(ago * s->rate);
}

/* The time at which a timeout ends that begins now. */
static inline uint64_t vyi_deadline(uint64_t timeout_ns)
{
    const uint64_t now = vyi_now();
    return timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

static inline void vyi_sleep(uint64_t ns)
{
#if defined(_WIN32)
    Sleep((DWORD)((ns + 999999u) / 1000000u));
#else
    struct timespec duration;
    duration.tv_sec = (time_t)(ns / 1000000000u);
    duration.tv_nsec = (long)(ns % 1000000000u);
    nanosleep(&duration, NULL);
#endif
}

/* That the machine has; 1 where nobody knows. */
static inline uint32_t vyi_processors(void)
{
#if defined(_WIN32)
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors ? (uint32_t)info.dwNumberOfProcessors : 1;
#elif defined(_SC_NPROCESSORS_ONLN)
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
#else
    return 1;
#endif
}

/* Lets another thread run. */
static inline void vyi_yield(void)
{
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* Tells the processor that it is in a loop that polls. */
static inline void vyi_pause(void)
{
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#elif defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
    _mm_pause();
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* --- more atomics -------------------------------------------------------- */

/* As vyi_load_acquire and vyi_store_release, of a pointer. */
static inline void *vyi_load_pointer(void *const *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    void *value = *(void *const volatile *)at;
    MemoryBarrier();
    return value;
#else
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
#endif
}

static inline void vyi_store_pointer(void **at, void *value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    MemoryBarrier();
    *(void *volatile *)at = value;
#else
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
#endif
}

/* No load after it is done before a store ahead of it. */
static inline void vyi_fence_full(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    MemoryBarrier();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* --- a fence for others -------------------------------------------------- */

/* The cost of a store before a load, paid by the side that is rare: between
 * a vyi_fence_others that is true and whatever its caller does next, every other
 * thread of the process has gone through a full fence.  So a thread that only
 * keeps the compiler from moving its accesses (vyi_fence_compiler) is ordered with
 * that caller.  False: the system makes no such fence. */

static inline void vyi_fence_compiler(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    _ReadWriteBarrier();
#else
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

#if !VYI_THREADS
static inline bool vyi_fence_others_ready(void) { return true; }
static inline bool vyi_fence_others(void) { return true; }
#elif defined(_WIN32)
static inline bool vyi_fence_others_ready(void) { return true; }
static inline bool vyi_fence_others(void) { FlushProcessWriteBuffers(); return true; }
#elif defined(__linux__) && defined(SYS_membarrier)
    #ifndef __cplusplus
extern long syscall(long number, ...); /* strict C99 hides it */
    #endif
    #define VYI_MEMBARRIER_EXPEDITED 8
    #define VYI_MEMBARRIER_REGISTER  16

/* False where the system is too old, or forbids it. */
static inline bool vyi_fence_others_ready(void)
{
    return syscall(SYS_membarrier, VYI_MEMBARRIER_REGISTER, 0) == 0;
}

/* A child of the process that registered has to do it again. */
static inline bool vyi_fence_others(void)
{
    return syscall(SYS_membarrier, VYI_MEMBARRIER_EXPEDITED, 0) == 0 ||
           (vyi_fence_others_ready() && syscall(SYS_membarrier, VYI_MEMBARRIER_EXPEDITED, 0) == 0);
}
#else
static inline bool vyi_fence_others_ready(void) { return false; }
static inline bool vyi_fence_others(void) { return false; }
#endif

#define VYI_FENCE_SLEEP_NS 20000000u

/* By the side that is often there: `fenced` says that it makes its fences itself. */
static inline void vyi_fence_mine(const uint32_t *fenced)
{
    if (vyi_load_relaxed(fenced))
        vyi_fence_full();
    else
        vyi_fence_compiler();
}

/* By the rare side: what other threads have stored before is seen by the caller, and what it
 * has stored by them.  A system may refuse later what it has promised: then the others
 * make fences themselves from now on, and what one of them may have stored without is
 * waited for. */
VYI_MAYBE_UNUSED VYI_OUTLINE
static void vyi_fence_theirs(uint32_t *fenced)
{
    if (!vyi_load_relaxed(fenced) && !vyi_fence_others()) {
        vyi_store_release(fenced, 1);
        vyi_sleep(VYI_FENCE_SLEEP_NS);
    }
    vyi_fence_full();
}

/* Of the calling thread; never below 3. */
static inline uintptr_t vyi_thread_id(void)
{
#if !VYI_THREADS
    return 3;
#elif defined(_WIN32)
    return (uintptr_t)GetCurrentThreadId() + 3;
#elif defined(__linux__) && defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    uintptr_t id; /* where the ABI has a thread's block of its own; pthread_self is a call */
    __asm__("mov {%%fs:0, %0|%0, fs:0}" : "=r"(id));
    return id;
#else
    return (uintptr_t)pthread_self();
#endif
}

/* --- locks, conditions, threads ------------------------------------------ */

#if !VYI_THREADS

typedef struct vyi_mutex { int none; } vyi_mutex;
typedef struct vyi_cond { int none; } vyi_cond;
typedef struct vyi_thread { int none; } vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { m->none = 0; return true; }
static inline void vyi_mutex_free(vyi_mutex *m) { (void)m; }
static inline void vyi_mutex_lock(vyi_mutex *m) { (void)m; }
static inline bool vyi_mutex_try(vyi_mutex *m) { (void)m; return true; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { (void)m; }
static inline bool vyi_cond_init(vyi_cond *c) { c->none = 0; return true; }
static inline void vyi_cond_free(vyi_cond *c) { (void)c; }
static inline void vyi_cond_signal(vyi_cond *c) { (void)c; }
static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    (void)c, (void)m, (void)ns;
}
/* As where the system gives none. */
static inline bool vyi_thread_start(vyi_thread *t, void (*body)(void *user), void *user)
{
    (void)t, (void)body, (void)user;
    return false;
}
static inline void vyi_thread_join(vyi_thread *t) { (void)t; }

#elif defined(_WIN32)

typedef SRWLOCK vyi_mutex;
typedef CONDITION_VARIABLE vyi_cond;
typedef struct vyi_thread {
    HANDLE handle;
    void (*body)(void *user);
    void *user;
} vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { InitializeSRWLock(m); return true; }
static inline void vyi_mutex_free(vyi_mutex *m) { (void)m; }
static inline void vyi_mutex_lock(vyi_mutex *m) { AcquireSRWLockExclusive(m); }
static inline bool vyi_mutex_try(vyi_mutex *m) { return TryAcquireSRWLockExclusive(m) != 0; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { ReleaseSRWLockExclusive(m); }
static inline bool vyi_cond_init(vyi_cond *c) { InitializeConditionVariable(c); return true; }
static inline void vyi_cond_free(vyi_cond *c) { (void)c; }
static inline void vyi_cond_signal(vyi_cond *c) { WakeAllConditionVariable(c); }
static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    const uint64_t ms = ns / 1000000u + (ns % 1000000u != 0);
    SleepConditionVariableSRW(c, m, ms > 0x7fffffffu ? 0x7fffffffu : (DWORD)ms, 0);
}

static DWORD WINAPI vyi_thread_main(void *user)
{
    const vyi_thread *t = (const vyi_thread *)user;
    t->body(t->user);
    return 0;
}

/* `t` stays where it is until the thread was joined. */
static inline bool vyi_thread_start(vyi_thread *t, void (*body)(void *user), void *user)
{
    t->body = body;
    t->user = user;
    t->handle = CreateThread(NULL, 0, vyi_thread_main, t, 0, NULL);
    return t->handle != NULL;
}

static inline void vyi_thread_join(vyi_thread *t)
{
    WaitForSingleObject(t->handle, INFINITE);
    CloseHandle(t->handle);
}

#else

typedef pthread_mutex_t vyi_mutex;
typedef pthread_cond_t vyi_cond;
typedef struct vyi_thread {
    pthread_t handle;
    void (*body)(void *user);
    void *user;
} vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { return pthread_mutex_init(m, NULL) == 0; }
static inline void vyi_mutex_free(vyi_mutex *m) { pthread_mutex_destroy(m); }
static inline void vyi_mutex_lock(vyi_mutex *m) { pthread_mutex_lock(m); }
static inline bool vyi_mutex_try(vyi_mutex *m) { return pthread_mutex_trylock(m) == 0; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { pthread_mutex_unlock(m); }
static inline void vyi_cond_free(vyi_cond *c) { pthread_cond_destroy(c); }
static inline void vyi_cond_signal(vyi_cond *c) { pthread_cond_broadcast(c); }

/* Also returns early; the caller looks and waits again.  No wait is longer than a
 * second.  A clock that somebody sets does not matter. */
    #ifdef __APPLE__
static inline bool vyi_cond_init(vyi_cond *c) { return pthread_cond_init(c, NULL) == 0; }

static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    struct timespec wait;
    wait.tv_sec = ns < 1000000000u ? 0 : 1;
    wait.tv_nsec = ns < 1000000000u ? (long)ns : 0;
    pthread_cond_timedwait_relative_np(c, m, &wait);
}
    #else
static inline bool vyi_cond_init(vyi_cond *c)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    const bool made = pthread_condattr_setclock(&attributes, VYI_CLOCK) == 0 &&
                      pthread_cond_init(c, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    struct timespec until;
    const uint64_t end = vyi_now() + (ns < 1000000000u ? ns : 1000000000u);
    until.tv_sec = (time_t)(end / 1000000000u);
    until.tv_nsec = (long)(end % 1000000000u);
    pthread_cond_timedwait(c, m, &until);
}
    #endif

static void *vyi_thread_main(void *user)
{
    const vyi_thread *t = (const vyi_thread *)user;
    t->body(t->user);
    return NULL;
}

/* `t` stays where it is until the thread was joined. */
static inline bool vyi_thread_start(vyi_thread *t, void (*body)(void *user), void *user)
{
#ifdef VYI_ON_THREAD /* false: as where the system gives none */
    if (!VYI_ON_THREAD())
        return false;
#endif
    t->body = body;
    t->user = user;
    return pthread_create(&t->handle, NULL, vyi_thread_main, t) == 0;
}

static inline void vyi_thread_join(vyi_thread *t)
{
    pthread_join(t->handle, NULL);
}

#endif

VYI_EXTERN_C_END

#endif

/* A test program is a list of cases.  A case runs checks; the first one that
 * fails ends it.  The program ends with the line `N passed, N failed`, and
 * `, N skipped` when a case said that it could not run and why.
 *
 *     static void sum_wraps(void) { CHECK_EQ(UINT32_MAX + 1u, 0u); }
 *     int main(int argc, char **argv) { RUN(sum_wraps); return test_end(); }
 *
 * TEST_ONLY=name in the environment runs one case; TEST_SEED=0x... replaces
 * the seed of the random ones; TEST_TIMES=1 prints what each case takes.
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    unsigned    passed, failed, skipped;
    const char *name;
    bool        running_failed, running_skipped;
    jmp_buf     leave;
    time_t      began;
    clock_t     clock;
} test_state;

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4), noreturn, unused))
#endif
static void test_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("FAIL %s (%s:%d): ", test_state.name, file, line);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
    test_state.running_failed = true;
    longjmp(test_state.leave, 1);
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static void test_skip(const char *why)
{
    printf("SKIP %s: %s\n", test_state.name, why);
    test_state.running_skipped = true;
    longjmp(test_state.leave, 1);
}

static void test_run(const char *name, void (*body)(void))
{
    const char *only = getenv("TEST_ONLY");
    if (only && strcmp(only, name) != 0)
        return;
    test_state.name = name;
    test_state.running_failed = test_state.running_skipped = false;
    test_state.began = time(NULL);
    test_state.clock = clock();
    if (setjmp(test_state.leave) == 0)
        body();
    if (getenv("TEST_TIMES"))
        printf("TIME %s: %.1f s of processors, %.0f s\n", name,
               (double)(clock() - test_state.clock) / CLOCKS_PER_SEC,
               difftime(time(NULL), test_state.began));
    if (test_state.running_failed)
        test_state.failed++;
    else if (test_state.running_skipped)
        test_state.skipped++;
    else
        test_state.passed++;
}

static int test_end(void)
{
    printf("%u passed, %u failed", test_state.passed, test_state.failed);
    if (test_state.skipped)
        printf(", %u skipped", test_state.skipped);
    putchar('\n');
    return test_state.failed ? 1 : 0;
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static uint64_t test_seed(uint64_t fallback)
{
    const char *text = getenv("TEST_SEED");
    return text ? strtoull(text, NULL, 0) : fallback;
}

/* splitmix64: the random numbers of all seeded tests. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static uint64_t test_random(uint64_t *state)
{
    uint64_t v = *state += 0x9e3779b97f4a7c15ull;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
    return v ^ (v >> 31);
}

#define RUN(name) test_run(#name, name)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                       \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long test_a = (long long)(a), test_b = (long long)(b);                                \
        if (test_a != test_b)                                                                      \
            test_fail(__FILE__, __LINE__, "%s is %lld (0x%llx), not %s, %lld (0x%llx)", #a,        \
                      test_a, (unsigned long long)test_a, #b, test_b, (unsigned long long)test_b); \
    } while (0)

#define CHECK_TEXT(a, b)                                                                           \
    do {                                                                                           \
        const char *test_a = (a), *test_b = (b);                                                   \
        if (strcmp(test_a, test_b) != 0)                                                           \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, test_a, test_b);         \
    } while (0)

#endif

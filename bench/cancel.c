/* cancel: what it costs a job that it can be taken back
 *
 *     bench/cancel [--csv] [--quick] [--seconds N]
 *
 * Round trips of one job at a time through two handles, whose kernels take turns of a
 * twentieth of the time each: one reads a word for each job that it claims, whether it is
 * still wanted, as every handle's kernel does; the other was built without.  On Vulkan.
 */
#define _GNU_SOURCE
#include <stdbool.h>
static bool reads_words;
#define VYI_CANCEL_WORDS reads_words
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#define TURNS     20
#define MOST_ROWS 4000000u
#define FOREVER   60000000000ull

static vyre_error err;

static void check(vyre_status status)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "cancel: %s\n", status < 0 ? err.text : vyre_status_text(status));
    exit(1);
}

static vyre *open_handle(bool words)
{
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    reads_words = words;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        check(err.status);
    return v;
}

static void one_turn(vyre *v, bench_row *row, double seconds)
{
    const vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                             { 1, VYRE_CONTROL_OBSERVABLES } };
    check(vyre_start(v, &err));
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    for (uint64_t before = bench_now(), now = before; now < end; before = now) {
        vyre_ticket t;
        check(vyre_publish(v, &work, &t, &err));
        check(vyre_wait(v, t, FOREVER, &err));
        now = bench_now();
        bench_add(row, (double)(now - before));
    }
    check(vyre_stop(v, FOREVER, &err));
}

int main(int argc, char **argv)
{
    static const char *const paths[2] = { "one job, a kernel without cancel words",
                                          "one job, the kernel reads its cancel word" };
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    const double seconds = bench_flag(argc, argv, "--quick")
                               ? 0.02 : bench_number(argc, argv, "--seconds", 2);
    vyre *handles[2];
    bench_row rows[2];
    vyre_info info;
    for (int i = 0; i < 2; i++) {
        handles[i] = open_handle(i == 1);
        rows[i] = bench_row_new(paths[i], MOST_ROWS);
    }
    for (int turn = 0; turn < 2 * TURNS; turn++)
        one_turn(handles[turn % 2], &rows[turn % 2], seconds / TURNS);
    vyre_query(handles[1], &info);
    bench_output out = bench_cpu("cancel", "us", "", bench_flag(argc, argv, "--csv"));
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s a row in %d turns", seconds, TURNS);
    bench_heading(&out);
    double median[2];
    for (int i = 0; i < 2; i++) {
        median[i] = bench_finish(&out, &rows[i]);
        vyre_close(handles[i]);
    }
    bench_note(&out, "The word costs %.0f ns of %.0f.", median[1] - median[0], median[1]);
    return 0;
}

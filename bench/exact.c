/* exact: how far functions of f32 are from the right result
 *
 *     bench/exact [--cpu] [--quick]
 *
 * Each function of tests/exactness.h for operands that are spread over its range, by the
 * interpreter, which has the C library's, and on the Vulkan device that there is, by the
 * runner; --cpu leaves that out.  The right result is the C library's for double.  "ULP" is
 * the largest distance in units of the last place of the right result, "share" the largest
 * part of what Vulkan allows that was used up; where it allows an absolute distance ULP may
 * be many.  Ends with 1 if anything is beyond what is allowed.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "../tests/exactness.h"
#include "bench.h"

#define MOST 65536u
#define ROWS (sizeof exactness / sizeof exactness[0])

static float    a[MOST], b[MOST], results[MOST];
static uint32_t count = MOST;

static void check(bool good, const vyre_error *err)
{
    if (good)
        return;
    fprintf(stderr, "exact: %s\n%s\n", err->text, err->fix);
    exit(1);
}

static vyre_program *program_of(const char *call)
{
    static const char *const names[] = { "a_in", "b_in", "out_to" };
    char text[256];
    vyre_error err;
    vyre_program *p = vyre_program_create(NULL, &err);
    check(p != NULL, &err);
    for (uint32_t i = 0; i < 3; i++) {
        vyre_buffer_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.name = names[i];
        desc.binding = i;
        desc.type = VYRE_TYPE_F32;
        desc.count = MOST;
        (void)vyre_ir_buffer(p, &desc);
    }
    snprintf(text, sizeof text, "uint id = gl_GlobalInvocationID.x; float a = a_in[id], "
             "b = b_in[id]; out_to[id] = %s;", call);
    check(vyre_source_emit(p, NULL, text, strlen(text), &err) == VYRE_OK, &err);
    check(vyre_program_finish(p, &err) == VYRE_OK, &err);
    return p;
}

/* False where there is no such device. */
static bool run(const vyre_program *p, vyre_backend backend, vyre_info *info)
{
    const uint32_t groups[3] = { count / 64, 1, 1 };
    vyre_error err;
    vyre_runner_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.program = p;
    vyre_runner *r = vyre_runner_open(&desc, &err);
    if (!r && backend == VYRE_BACKEND_VULKAN)
        return false;
    check(r != NULL, &err);
    memcpy(vyre_runner_map(r, 0, NULL), a, sizeof a);
    memcpy(vyre_runner_map(r, 1, NULL), b, sizeof b);
    check(vyre_runner_dispatch(r, groups, NULL, &err) == VYRE_OK, &err);
    memcpy(results, vyre_runner_map(r, 2, NULL), sizeof results);
    vyre_runner_query(r, info);
    vyre_runner_close(r);
    return true;
}

/* Operands spread over the range; b goes over it in another order. */
static void spread(const struct exactness *row)
{
    for (uint32_t i = 0; i < count; i++) {
        const double x = (i + 0.5) / count, y = ((i * 40503u) % count + 0.5) / count;
        a[i] = (float)(row->low + x * (row->high - row->low));
        b[i] = (float)(row->low + y * (row->high - row->low));
    }
}

typedef struct errors {
    double ulp, share; /* the largest */
} errors;

static errors errors_of(const struct exactness *row)
{
    errors e = { 0, 0 };
    for (uint32_t i = 0; i < count; i++) {
        int exponent;
        const double right = row->right((double)a[i], (double)b[i]);
        const double distance = fabs((double)results[i] - right);
        frexp(right, &exponent);
        const double ulp = distance / ldexp(1, exponent - 24);
        const double share = distance / exactness_allows(row, (double)a[i], (double)b[i], right);
        e.ulp = e.ulp > ulp ? e.ulp : ulp;
        e.share = share > e.share || isnan(share) ? share : e.share;
    }
    return e;
}

static void allowed_text(const struct exactness *row, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "%g", row->ulp);
    if (row->per_a > 0)
        at += (size_t)snprintf(text + at, size - at, " + %g abs(a)", row->per_a);
    if (row->per_b > 0)
        at += (size_t)snprintf(text + at, size - at, " + %g abs(b)", row->per_b);
    at += (size_t)snprintf(text + at, size - at, " ULP");
    if (row->absolute > 0 && row->ulp > 0)
        snprintf(text + at, size - at, " or %.2g", row->absolute);
    else if (row->absolute > 0)
        snprintf(text, size, "%.2g", row->absolute);
}

static bool print_row(const struct exactness *row, bool device)
{
    char allowed[96];
    vyre_info info;
    bool good = true;
    vyre_program *p = program_of(row->call);
    allowed_text(row, allowed, sizeof allowed);
    spread(row);
    printf("| `%s` | %g to %g | %s ", row->call, row->low, row->high, allowed);
    for (int i = 0; i <= device; i++) {
        if (!run(p, i ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU, &info))
            continue;
        const errors e = errors_of(row);
        good = good && e.share <= 1;
        printf("| %.2f | %.2f ", e.ulp, e.share);
    }
    printf("|\n");
    vyre_program_destroy(p);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true, device;
    vyre_info info;
    bench_usage(argc, argv, "[--cpu] [--quick]");
    count = bench_flag(argc, argv, "--quick") ? 1024 : MOST;
    vyre_program *p = program_of("a");
    device = !bench_flag(argc, argv, "--cpu") && run(p, VYRE_BACKEND_VULKAN, &info);
    vyre_program_destroy(p);
    printf("## exact\n\nThe interpreter");
    if (device)
        printf(", and %s (%s)", info.device, info.driver);
    printf("; %u operands of each.\n\n| function | operands | may be off by | interpreter, ULP | "
           "share |%s\n|---|---|---|---|---|%s\n", (unsigned)count,
           device ? " device, ULP | share |" : "", device ? "---|---|" : "");
    for (size_t i = 0; i < ROWS; i++)
        good = print_row(&exactness[i], device) && good;
    printf("\n%s\n", good ? "All are within what Vulkan allows." : "NOT all are within it.");
    return good ? 0 : 1;
}

/* The original's programs, imported, through the runner on a Vulkan device: run.tsv has
 * the outcomes.  TEST_EACH=1 runs all lines instead of every seventh; of the
 * kernels those with one slot, as the outcomes are those of slots in their order. */
#define EXCHANGE_ROWS_ONLY
#include "driver.h"
#include "test_exchange_import.c"

static void run_device(const vec_row *row, const vyre_program *p, run_buffers *b, uint32_t groups)
{
    const uint32_t counts[3] = { groups, 1, 1 };
    uint32_t order[RUN_BUFFERS], n = 0; /* of declaration, by binding */
    size_t sizes[RUN_BUFFERS];
    vyre_runner_desc desc;
    vyre_info info;
    vyre_error err;
    for (uint32_t binding = 0; n < b->count; binding++) {
        for (uint32_t i = 0; i < b->count; i++) {
            if (b->bindings[i] == binding) {
                sizes[n] = b->at[i].size;
                order[n++] = i;
            }
        }
    }
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.program = p;
    desc.sizes = sizes;
    desc.buffer_count = n;
    desc.rounds = 4096;
    vyre_runner *r = vyre_runner_open(&desc, &err);
    if (!r && (err.status == VYRE_E_VK_LOADER || err.status == VYRE_E_VK_DEVICE))
        test_skip("no Vulkan device");
    if (!r)
        ROW_FAIL(row, "%s", err.text);
    vyre_runner_query(r, &info);
    run_ulp = strstr(info.device, "llvmpipe") ? 0 : 8;
    for (uint32_t i = 0; i < n; i++)
        memcpy(vyre_runner_map(r, i, NULL), b->at[order[i]].bytes, sizes[i]);
    if (vyre_runner_dispatch(r, counts, NULL, &err) != VYRE_OK)
        ROW_FAIL(row, "%s", err.text);
    for (uint32_t i = 0; i < n; i++)
        memcpy(b->at[order[i]].bytes, vyre_runner_map(r, i, NULL), sizes[i]);
    vyre_runner_close(r);
}

int main(void)
{
    const char *each = getenv("TEST_EACH");
    run_on = run_device;
    run_slots = 1;
    run_each = each ? (uint32_t)strtoul(each, NULL, 0) : 7;
    RUN(programs);
    return test_end();
}

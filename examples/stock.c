/* The stock kernel as SPIR-V in a bare Vulkan program: no vyre.h, no engine.
 *
 *     stock
 *
 * One buffer holds control, ring, log and io.  Thirty-two slots are published by
 * writing their words; one dispatch of vyre_spirv_direct_once serves them. */
#include "bare_vulkan.h"

#include "vyre_spirv.h"

enum { SLOTS = 32, LANES = 8, BYTES = 6656 };
/* Where each of the four begins, in bytes, and its size; 256 suits every device. */
static const VkDeviceSize ranges[4][2] = {
    { 0, 224 * 4 }, { 1024, SLOTS * 64 }, { 3072, 257 * 4 }, { 4608, 64 * 32 }
};

int main(void)
{
    static const uint32_t lanes = LANES;
    static const VkSpecializationMapEntry entry = { 0, 0, 4 }; /* constant 0: lanes in a group */
    static const VkSpecializationInfo constants = { 1, &entry, sizeof lanes, &lanes };
    uint32_t *control = bare_open(BYTES), *ring = control + ranges[1][0] / 4;

    control[2] = 3; /* where the tenants' masks begin */
    control[3] = 1; /* tenant 0 may work */
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t *slot = ring + 16 * i; /* STATUS OPCODE TENANT PRIORITY ARG0 ARG1 ... */
        slot[1] = 2;                    /* ATOMIC_ADD: control[a1] += a0 */
        slot[4] = i + 1;
        slot[5] = 160;
        slot[0] = 1; /* PUBLISHED, last */
    }
    bare_run(vyre_spirv_direct_once, sizeof vyre_spirv_direct_once, &constants, ranges, 4,
             SLOTS / LANES);
    printf("stock: 1 + ... + 32 = %u, %u slots done\n", (unsigned)control[160],
           (unsigned)control[1]);
    return control[160] != 528 || control[1] != SLOTS;
}

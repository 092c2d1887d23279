/* A handler, and the kernel around it, in GLSL.
 *
 *     glsl
 *
 * vyre_glsl_compile makes SPIR-V of the text below, which claims the slots of a
 * ring and runs one opcode; the host's side of the ring is vyre.h's.  Needs the
 * glslang library: see the comment of chapter glsl in vyre.h. */
#include "bare_vulkan.h"

#define VYRE_NO_VULKAN /* the Vulkan of this program is its own */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

static const char kernel[] =
    "#version 460\n"
    "layout(local_size_x = 8) in;\n"
    "layout(binding = 0) coherent buffer Control { uint control[]; };\n"
    "layout(binding = 1) coherent buffer Ring { uint ring[]; };\n"
    "uint handler(uint a, uint b) {\n" /* the greatest common divisor */
    "    while (b != 0u) { uint r = a % b; a = b; b = r; }\n"
    "    return a;\n"
    "}\n"
    "void main() {\n"
    "    uint lanes = gl_WorkGroupSize.x * gl_NumWorkGroups.x;\n"
    "    for (uint s = gl_GlobalInvocationID.x; s < ring.length() / 16u; s += lanes) {\n"
    "        uint at = 16u * s, end = 3u, counter = 1u;\n" /* DONE, DONE_COUNT */
    "        if (atomicCompSwap(ring[at], 1u, 2u) != 1u) continue;\n" /* the claim */
    "        memoryBarrierBuffer();\n"
    "        if (ring[at + 1u] == 0x1000u) ring[at + 4u] = handler(ring[at + 4u], ring[at + 5u]);\n"
    "        else { ring[at + 15u] = 1u; end = 7u; counter = 141u; }\n" /* FAULT */
    "        memoryBarrierBuffer();\n"
    "        atomicExchange(ring[at], end);\n"
    "        atomicAdd(control[counter], 1u);\n"
    "    }\n"
    "}\n";

enum { SLOTS = 32, LANES = 8, BYTES = 3072 };
/* Where control and ring begin, in bytes, and their sizes. */
static const VkDeviceSize ranges[2][2] = { { 0, 224 * 4 }, { 1024, SLOTS * 64 } };

static vyre_error err;

static void check(vyre_status status)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "glsl: %s\n%s\n", err.text, err.fix);
    exit(1);
}

int main(void)
{
    const vyre_control_desc rights = { .tenants = 1, .observables = 64 };
    vyre_spirv spirv;
    vyre_slot slot;
    uint32_t done = 0, sum = 0;
    check(vyre_glsl_compile(kernel, VYRE_SPIRV_1_3, NULL, &spirv, &err));

    uint32_t *control = bare_open(BYTES), *ring = control + ranges[1][0] / 4;
    check(vyre_control_encode(control, 224 * 4, &rights, &err));
    for (uint32_t i = 0; i < SLOTS; i++) {
        const vyre_work work = { .opcode = 0x1000, .arg_count = 2, .args = { 12 * i, 360 } };
        check(vyre_ring_publish(ring, SLOTS * 64, i, &work, &err));
    }
    bare_run(spirv.words, spirv.word_count * 4, NULL, ranges, 2, SLOTS / LANES);
    vyre_spirv_free(&spirv);

    check(vyre_control_done_count(control, 224 * 4, &done, &err));
    for (uint32_t i = 0; i < SLOTS; i++) {
        check(vyre_ring_read(ring, SLOTS * 64, i, &slot, &err));
        sum += slot.args[0];
    }
    check(vyre_ring_read(ring, SLOTS * 64, 10, &slot, &err));
    printf("glsl: %u slots done, gcd(120, 360) = %u, sum %u\n", (unsigned)done,
           (unsigned)slot.args[0], (unsigned)sum);
    return done != SLOTS || slot.args[0] != 120;
}

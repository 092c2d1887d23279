/* The interpreter leaves the same bytes on every host, whatever its byte order
 * and word size: random programs against a sum that is written down.  When
 * tests/gen.h changes, the sum does, too: take the new one from the failure,
 * after test_random and the comparison with a device have passed. */
#include "gen.h"

#define EXPECTED 0x4ddb806d88809ee2ull

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *b = (const uint8_t *)bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * 0x100000001b3ull;
    return hash;
}

static void bytes_are_the_same_everywhere(void)
{
    uint64_t random = 0x6279746573, hash = 0xcbf29ce484222325ull;
    for (int i = 0; i < 200; i++) {
        gen_shape shape;
        vyre_interp_desc desc;
        const unsigned flags = GEN_INTEGERS | GEN_SUBGROUPS | GEN_DIVERGENT |
                               (i & 1 ? (unsigned)GEN_LARGE : 0u);
        vyre_program *p = gen_program(test_random(&random), flags, NULL, &shape);
        CHECK(p);
        gen_memory m = gen_memory_make(&shape);
        memset(&desc, 0, sizeof desc);
        memcpy(desc.groups, shape.groups, sizeof desc.groups);
        desc.buffers = m.buffers;
        desc.sizes = m.sizes;
        desc.buffer_count = m.count;
        CHECK_EQ(vyre_interpret(p, &desc, NULL), VYRE_OK);
        CHECK(gen_memory_guarded(&m));
        for (uint32_t k = 0; k < m.count; k++)
            hash = hash_bytes(hash, m.buffers[k], m.sizes[k]);
        gen_memory_free(&m);
        vyre_program_destroy(p);
    }
    if (hash != EXPECTED)
        test_fail(__FILE__, __LINE__, "the sum is 0x%llx", (unsigned long long)hash);
}

int main(void)
{
    RUN(bytes_are_the_same_everywhere);
    return test_end();
}

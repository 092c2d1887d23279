/* ==========================================================================
 * base: digests, implementation
 * ======================================================================= */
#include "base/digest_impl.h"

#if !defined(VYRE_NO_REPLAY) || !defined(VYRE_NO_EXCHANGE) || !defined(VYRE_NO_IO)

#ifndef VYRE_NO_REPLAY

/* --- CRC-32C ------------------------------------------------------------- */

#define VYI_CRC_POLYNOMIAL 0x82f63b78u /* Castagnoli's, its bits reversed */

#if VYI_CRC_DIRECT
static bool vyi_crc_is_direct(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 20 & 1u); /* SSE4.2 */
}

static inline uint32_t vyi_crc_step(uint32_t value, const uint8_t *at)
{
    uint64_t wide = value, bytes;
    memcpy(&bytes, at, sizeof bytes);
    __asm__("crc32{q %1, %0| %0, %1}" : "+r"(wide) : "r"(bytes));
    return (uint32_t)wide;
}
#endif

#if VYI_CRC_DIRECT
static inline uint32_t vyi_crc_half_step(uint32_t value, const uint8_t *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    __asm__("crc32{l %1, %0| %0, %1}" : "+r"(value) : "r"(bytes));
    return value;
}
#endif

VYI_COLD
VYI_API void vyi_crc_make(vyi_crc *crc)
{
    crc->direct = false;
#if VYI_CRC_DIRECT
    crc->direct = vyi_crc_is_direct();
#endif
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (uint32_t bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1u ? VYI_CRC_POLYNOMIAL : 0);
        crc->table[0][byte] = value;
    }
    for (uint32_t step = 1; step < 8; step++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            const uint32_t before = crc->table[step - 1][byte];
            crc->table[step][byte] = before >> 8 ^ crc->table[0][before & 0xffu];
        }
    }
}

static inline uint32_t vyi_crc_eight(const vyi_crc *crc, uint32_t value, const uint8_t *at)
{
#if VYI_CRC_DIRECT
    if (crc->direct)
        return vyi_crc_step(value, at);
#endif
    const uint32_t low = value ^ vyi_get32(at), high = vyi_get32(at + 4);
    return crc->table[7][low & 0xffu] ^ crc->table[6][low >> 8 & 0xffu] ^
           crc->table[5][low >> 16 & 0xffu] ^ crc->table[4][low >> 24] ^
           crc->table[3][high & 0xffu] ^ crc->table[2][high >> 8 & 0xffu] ^
           crc->table[1][high >> 16 & 0xffu] ^ crc->table[0][high >> 24];
}

VYI_API uint32_t vyi_crc_of(const vyi_crc *crc, const void *bytes, size_t size)
{
    const uint8_t *at = (const uint8_t *)bytes;
    uint32_t value = 0xffffffffu;
    for (; size >= 8; size -= 8, at += 8)
        value = vyi_crc_eight(crc, value, at);
#if VYI_CRC_DIRECT
    if (crc->direct && size >= 4) {
        value = vyi_crc_half_step(value, at);
        size -= 4;
        at += 4;
    }
#endif
    for (; size; size--, at++)
        value = value >> 8 ^ crc->table[0][(value ^ *at) & 0xffu];
    return ~value;
}

VYI_API void vyi_crc_of_four(const vyi_crc *crc, const uint8_t *bytes, size_t apart, size_t size,
                             uint32_t out[4])
{
#if VYI_CRC_DIRECT
    if (crc->direct && size % 8 == 4) {
        uint32_t v[4] = { 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu };
        for (size_t at = 0; at + 8 <= size; at += 8) {
            for (unsigned i = 0; i < 4; i++)
                v[i] = vyi_crc_step(v[i], bytes + i * apart + at);
        }
        for (unsigned i = 0; i < 4; i++)
            out[i] = ~vyi_crc_half_step(v[i], bytes + i * apart + size - 4);
        return;
    }
#endif
    for (unsigned i = 0; i < 4; i++)
        out[i] = vyi_crc_of(crc, bytes + i * apart, size);
}

#endif /* VYRE_NO_REPLAY */

/* --- BLAKE3 -------------------------------------------------------------- */

/* A message is cut into chunks of 1024 bytes, a chunk into blocks of 64.  The
 * chaining values of chunks are the leaves of a tree whose left parts are as
 * large as powers of two; its root is compressed with a flag of its own. */
#define VYI_BLAKE3_CHUNK_START 1u
#define VYI_BLAKE3_CHUNK_END   2u
#define VYI_BLAKE3_PARENT      4u
#define VYI_BLAKE3_ROOT        8u
#define VYI_BLAKE3_BLOCK       64u
#define VYI_BLAKE3_CHUNK       1024u
#define VYI_BLAKE3_DEPTH       54u /* of the tree of 2^64 bytes */

static const uint32_t vyi_blake3_iv[8] = { 0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                           0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u };

/* What is compressed: kept until it is known whether it is the root. */
typedef struct vyi_blake3_node {
    uint32_t chain[8], block[16];
    uint64_t counter;
    uint32_t length, flags;
} vyi_blake3_node;

static uint32_t vyi_blake3_turn(uint32_t value, uint32_t by)
{
    return value >> by | value << (32u - by);
}

static void vyi_blake3_mix(uint32_t *state, const uint8_t *at, uint32_t x, uint32_t y)
{
    uint32_t a = state[at[0]], b = state[at[1]], c = state[at[2]], d = state[at[3]];
    a += b + x, d = vyi_blake3_turn(d ^ a, 16);
    c += d, b = vyi_blake3_turn(b ^ c, 12);
    a += b + y, d = vyi_blake3_turn(d ^ a, 8);
    c += d, b = vyi_blake3_turn(b ^ c, 7);
    state[at[0]] = a, state[at[1]] = b, state[at[2]] = c, state[at[3]] = d;
}

/* The node's chaining value; of a root the first half of its output. */
static void vyi_blake3_compress(const vyi_blake3_node *node, uint32_t out[8])
{
    static const uint8_t quarters[8][4] = { { 0, 4, 8, 12 },  { 1, 5, 9, 13 }, { 2, 6, 10, 14 },
                                            { 3, 7, 11, 15 }, { 0, 5, 10, 15 }, { 1, 6, 11, 12 },
                                            { 2, 7, 8, 13 },  { 3, 4, 9, 14 } };
    static const uint8_t order[16] = { 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 };
    uint32_t state[16], words[16], moved[16];
    memcpy(state, node->chain, sizeof node->chain);
    memcpy(state + 8, vyi_blake3_iv, 4 * sizeof *state);
    state[12] = (uint32_t)node->counter;
    state[13] = (uint32_t)(node->counter >> 32);
    state[14] = node->length;
    state[15] = node->flags;
    memcpy(words, node->block, sizeof words);
    for (uint32_t round = 0; round < 7; round++) {
        for (uint32_t i = 0; i < 8; i++)
            vyi_blake3_mix(state, quarters[i], words[2 * i], words[2 * i + 1]);
        for (uint32_t i = 0; i < 16; i++)
            moved[i] = words[order[i]];
        memcpy(words, moved, sizeof words);
    }
    for (uint32_t i = 0; i < 8; i++)
        out[i] = state[i] ^ state[i + 8];
}

static void vyi_blake3_block(vyi_blake3_node *node, const uint8_t *bytes, size_t size)
{
    uint8_t padded[VYI_BLAKE3_BLOCK] = { 0 };
    if (size)
        memcpy(padded, bytes, size);
    for (uint32_t i = 0; i < 16; i++)
        node->block[i] = vyi_word(padded, i);
    node->length = (uint32_t)size;
}

/* The last block of a chunk, all before it compressed. */
static void vyi_blake3_chunk(vyi_blake3_node *node, const uint8_t *bytes, size_t size,
                             uint64_t counter)
{
    memcpy(node->chain, vyi_blake3_iv, sizeof node->chain);
    node->counter = counter;
    node->flags = VYI_BLAKE3_CHUNK_START;
    for (; size > VYI_BLAKE3_BLOCK; size -= VYI_BLAKE3_BLOCK, bytes += VYI_BLAKE3_BLOCK) {
        vyi_blake3_block(node, bytes, VYI_BLAKE3_BLOCK);
        vyi_blake3_compress(node, node->chain);
        node->flags = 0;
    }
    vyi_blake3_block(node, bytes, size);
    node->flags |= VYI_BLAKE3_CHUNK_END;
}

/* The parent of `left` and of what `node` is. */
static void vyi_blake3_parent(vyi_blake3_node *node, const uint32_t left[8])
{
    uint32_t right[8];
    vyi_blake3_compress(node, right);
    memcpy(node->chain, vyi_blake3_iv, sizeof node->chain);
    memcpy(node->block, left, sizeof right);
    memcpy(node->block + 8, right, sizeof right);
    node->counter = 0;
    node->length = VYI_BLAKE3_BLOCK;
    node->flags = VYI_BLAKE3_PARENT;
}

/* `stack` has the roots of the complete subtrees so far, the largest first: one
 * for each bit of the count of chunks.  A chunk that more follow completes as many
 * of them as the count has zeros at its end. */
VYI_API void vyi_blake3(const void *bytes, size_t size, uint8_t out[32])
{
    const uint8_t *at = (const uint8_t *)bytes;
    uint32_t stack[VYI_BLAKE3_DEPTH][8], depth = 0, words[8];
    uint64_t chunks = 0;
    vyi_blake3_node node;
    for (; size > VYI_BLAKE3_CHUNK; size -= VYI_BLAKE3_CHUNK, at += VYI_BLAKE3_CHUNK) {
        vyi_blake3_chunk(&node, at, VYI_BLAKE3_CHUNK, chunks++);
        for (uint64_t left = chunks; (left & 1u) == 0; left >>= 1)
            vyi_blake3_parent(&node, stack[--depth]);
        vyi_blake3_compress(&node, stack[depth++]);
    }
    vyi_blake3_chunk(&node, at, size, chunks);
    while (depth)
        vyi_blake3_parent(&node, stack[--depth]);
    node.flags |= VYI_BLAKE3_ROOT;
    vyi_blake3_compress(&node, words);
    for (uint32_t i = 0; i < 8; i++)
        vyi_set_word(out, i, words[i]);
}

#endif /* VYRE_NO_REPLAY, VYRE_NO_EXCHANGE, VYRE_NO_IO */

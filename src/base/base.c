/* ==========================================================================
 * base: implementation
 * ======================================================================= */
#include "base/base_impl.h"

/* Tests define VYI_ON_FAIL(status) to learn which statuses are produced. */

/* --- statuses ------------------------------------------------------------ */

typedef struct vyi_status_entry {
    vyre_status status;
    const char *name;
    const char *text;
} vyi_status_entry;

static const vyi_status_entry *vyi_status_find(vyre_status status)
{
    static const vyi_status_entry table[] = {
#define VYI_STATUS_ENTRY(name, number, text) { VYRE_##name, #name, text },
        VYRE_STATUS_LIST(VYI_STATUS_ENTRY)
#undef VYI_STATUS_ENTRY
    };
    static const vyi_status_entry unknown = { VYRE_OK, "UNKNOWN", "unknown status" };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status)
            return &table[i];
    }
    return &unknown;
}

VYI_COLD
VYRE_API const char *vyre_status_text(vyre_status status)
{
    return vyi_status_find(status)->text;
}

VYI_COLD
VYRE_API const char *vyre_status_name(vyre_status status)
{
    return vyi_status_find(status)->name;
}

VYRE_API uint32_t vyre_version(void)
{
    return VYRE_VERSION;
}

/* --- errors -------------------------------------------------------------- */

VYI_COLD
VYI_API vyre_status vyi_fail(vyre_error *err, vyre_status status, uint64_t at,
                             const char *fix, const char *format, ...)
{
#ifdef VYI_ON_FAIL
    VYI_ON_FAIL(status);
#endif
    if (!err)
        return status;

    va_list arguments;
    va_start(arguments, format);
    memset(err, 0, sizeof *err);
    err->status = status;
    err->at = at;
    vsnprintf(err->text, sizeof err->text, format, arguments);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    va_end(arguments);
    return status;
}

VYI_OUTLINE
VYI_API vyre_status vyi_news(vyre_error *err, vyre_status status, uint64_t at, const char *fix,
                             const char *text)
{
#ifdef VYI_ON_FAIL
    VYI_ON_FAIL(status);
#endif
    const size_t text_size = strlen(text) + 1, fix_size = strlen(fix) + 1;
    if (!err)
        return status;
    VYRE_ASSERT(status > 0 && text_size <= sizeof err->text && fix_size <= sizeof err->fix);
    err->status = status;
    err->native = 0;
    err->at = at;
    memcpy(err->text, text, text_size);
    memcpy(err->fix, fix, fix_size);
    return status;
}

VYI_COLD
VYI_OUTLINE
VYI_API vyre_status vyi_fail_nomem(vyre_error *err, size_t size)
{
    return vyi_fail(err, VYRE_E_NOMEM, size, "Free memory, or pass an allocator that has more.",
                    "the allocator returned no memory for %llu bytes", (unsigned long long)size);
}

/* --- sizes --------------------------------------------------------------- */

VYI_API bool vyi_size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

VYI_API bool vyi_size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

/* --- memory -------------------------------------------------------------- */

VYI_OUTLINE VYI_API void *vyi_resize(const vyre_allocator *allocator, void *ptr, size_t old_size,
                         size_t new_size)
{
    if (allocator && allocator->resize)
        return allocator->resize(allocator->user, ptr, old_size, new_size);
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

VYI_API void *vyi_alloc(const vyre_allocator *allocator, size_t size)
{
    return vyi_resize(allocator, NULL, 0, size);
}

VYI_API void *vyi_alloc_zeroed(const vyre_allocator *allocator, size_t size)
{
    if (!allocator || !allocator->resize)
        return calloc(1, size);
    void *block = vyi_alloc(allocator, size);
    if (block)
        memset(block, 0, size);
    return block;
}

VYI_OUTLINE
VYI_API void vyi_free(const vyre_allocator *allocator, void *ptr, size_t size)
{
    if (ptr)
        (void)vyi_resize(allocator, ptr, size, 0);
}

VYI_API bool vyi_grow(const vyre_allocator *allocator, void **array, uint32_t *capacity,
                      uint32_t count, size_t element)
{
    VYRE_ASSERT(element && (*array || *capacity == 0));
    if (count <= *capacity)
        return true;

    uint32_t wanted = *capacity < 16 ? 16 : *capacity;
    while (wanted < count)
        wanted = wanted > UINT32_MAX / 2 ? UINT32_MAX : wanted * 2;

    size_t size;
    if (!vyi_size_mul(wanted, element, &size))
        return false;
    void *grown = vyi_resize(allocator, *array, (size_t)*capacity * element, size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

#define VYI_ARENA_BLOCK ((size_t)4096)

struct vyi_arena_block {
    vyi_arena_block *before;
    size_t           size; /* of the whole block, this header included */
    size_t           used; /* likewise */
    size_t           padding;
};

#define VYI_ARENA_HEADER ((sizeof(vyi_arena_block) + 15) & ~(size_t)15)

static bool vyi_arena_add_block(vyi_arena *arena, size_t payload)
{
    size_t size;
    if (!vyi_size_add(payload, VYI_ARENA_HEADER, &size))
        return false;
    if (size < VYI_ARENA_BLOCK)
        size = VYI_ARENA_BLOCK;

    vyi_arena_block *block = (vyi_arena_block *)vyi_alloc(&arena->allocator, size);
    if (!block)
        return false;
    block->before = arena->last;
    block->size = size;
    block->used = VYI_ARENA_HEADER;
    arena->last = block;
    return true;
}

VYI_API void *vyi_arena_alloc(vyi_arena *arena, size_t size)
{
    VYRE_ASSERT(!arena->last || arena->last->used <= arena->last->size);
    if (size > SIZE_MAX - 15)
        return NULL;
    size = (size + 15) & ~(size_t)15;

    if (!arena->last || arena->last->size - arena->last->used < size) {
        if (!vyi_arena_add_block(arena, size))
            return NULL;
    }
    void *at = (uint8_t *)arena->last + arena->last->used;
    arena->last->used += size;
    return memset(at, 0, size);
}

VYI_API const char *vyi_arena_text(vyi_arena *arena, const char *text, size_t limit)
{
    size_t length = 0;
    while (text && length < limit && text[length])
        length++;

    char *copy = (char *)vyi_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

VYI_API void vyi_arena_free(vyi_arena *arena)
{
    vyi_arena_block *block = arena->last;
    while (block) {
        vyi_arena_block *before = block->before;
        vyi_free(&arena->allocator, block, block->size);
        block = before;
    }
    arena->last = NULL;
}

/* --- messages ------------------------------------------------------------ */

VYI_COLD
VYI_API void vyi_message(const vyre_logger *logger, vyre_severity severity,
                         const char *format, ...)
{
    if (!logger || !logger->message)
        return;

    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    logger->message(logger->user, severity, text);
}

/* --- hash ---------------------------------------------------------------- */

VYI_API uint64_t vyi_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *b = (const uint8_t *)bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * 0x100000001b3ull;
    return hash;
}

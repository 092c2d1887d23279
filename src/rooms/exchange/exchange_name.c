/* ==========================================================================
 * exchange: names of a blob, and what they are bound to
 *
 * Scopes nest, a name is bound once, and none hides another one.
 * ======================================================================= */
#include "rooms/exchange/exchange_import.h"

#ifndef VYRE_NO_EXCHANGE

VYI_API void vyi_import_nomem(vyi_import *m, size_t size)
{
    if (m->x.status >= 0)
        m->x.status = vyi_fail_nomem(m->x.err, size);
    m->x.at = m->x.end;
}

VYI_API const char *vyi_import_name(vyi_exchange_text text, char name[VYRE_MAX_NAME + 1])
{
    const size_t size = text.size < VYRE_MAX_NAME ? text.size : VYRE_MAX_NAME;
    if (size)
        memcpy(name, text.bytes, size);
    name[size] = '\0';
    return name;
}

static bool vyi_import_same(vyi_exchange_text a, vyi_exchange_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* The blob's digest decides which names meet, so that nobody can choose them. */
static uint32_t *vyi_import_head(vyi_import *m, vyi_exchange_text name)
{
    const uint64_t seed = vyi_hash(VYI_HASH_SEED, m->info.digest, sizeof m->info.digest);
    const uint64_t hash = vyi_hash(seed, name.bytes, name.size);
    return &m->heads[vyi_mix((uint32_t)(hash >> 32), (uint32_t)hash) % VYI_IMPORT_HEADS];
}

static vyi_import_binding *vyi_import_look(vyi_import *m, vyi_exchange_text name)
{
    for (uint32_t i = *vyi_import_head(m, name); i; i = m->bindings[i - 1].next) {
        vyi_import_binding *binding = &m->bindings[i - 1];
        if (vyi_import_same(vyi_exchange_text_at(&m->x, binding->at), name))
            return binding;
    }
    return NULL;
}

VYI_API vyi_import_binding *vyi_import_find(vyi_import *m, size_t at)
{
    const vyi_exchange_text name = vyi_exchange_text_at(&m->x, at);
    vyi_import_binding *binding = vyi_import_look(m, name);
    if (!binding)
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_NAME, at, "no variable is called", name);
    return binding;
}

VYI_API vyre_buffer vyi_import_buffer(vyi_import *m, size_t at)
{
    const vyi_exchange_text name = vyi_exchange_text_at(&m->x, at);
    vyre_buffer buffer = { 0 };
    for (uint32_t i = 0; i < m->p->buffer_count && !buffer.id; i++) {
        if (vyi_import_same(m->buffers[i], name))
            buffer.id = i + 1;
    }
    if (!buffer.id)
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_NAME, at, "no buffer is called", name);
    return buffer;
}

VYI_API void vyi_import_open(vyi_import *m)
{
    VYRE_ASSERT(m->scope_count <= VYI_EXCHANGE_DEPTH);
    m->scopes[m->scope_count++] = m->binding_count;
}

VYI_API void vyi_import_close(vyi_import *m)
{
    VYRE_ASSERT(m->scope_count > 0);
    const uint32_t first = m->scopes[--m->scope_count];
    while (m->binding_count > first) {
        const vyi_import_binding *binding = &m->bindings[--m->binding_count];
        *vyi_import_head(m, vyi_exchange_text_at(&m->x, binding->at)) = binding->next;
    }
}

VYI_API void vyi_import_bind(vyi_import *m, size_t at, vyi_import_kind kind, uint32_t id)
{
    const vyi_exchange_text name = vyi_exchange_text_at(&m->x, at);
    const vyi_import_binding *other = vyi_import_look(m, name);
    if (other) {
        const uint32_t index = (uint32_t)(other - m->bindings);
        const bool twice = index >= m->scopes[m->scope_count - 1] && kind != VYI_IMPORT_COUNTER;
        vyi_exchange_fail_name(&m->x, twice ? VYRE_E_EXCHANGE_NAME : VYRE_E_EXCHANGE_SCOPE, at,
                               twice ? "a name that is there already"
                                     : "a name that hides another one", name);
        return;
    }
    void *bindings = m->bindings;
    if (!vyi_grow(&m->desc->allocator, &bindings, &m->binding_capacity, m->binding_count + 1,
                  sizeof *m->bindings)) {
        vyi_import_nomem(m, (m->binding_count + 1) * sizeof *m->bindings);
        return;
    }
    m->bindings = (vyi_import_binding *)bindings;
    uint32_t *head = vyi_import_head(m, name);
    vyi_import_binding *binding = &m->bindings[m->binding_count++];
    binding->at = (uint32_t)at;
    binding->next = *head;
    binding->ordinal = m->ordinals++;
    binding->id = id;
    binding->kind = (uint32_t)kind;
    *head = m->binding_count;
}

#endif /* VYRE_NO_EXCHANGE */

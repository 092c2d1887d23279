/* ==========================================================================
 * spirv: words, types, constants and short forms
 *
 * Private.  What every part of the emitter writes with.  Two sets find equal
 * instructions by the hash of their words: one for the module (types,
 * constants), one for the values that dominate the current place, which
 * shrinks again when a block ends.
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- words --------------------------------------------------------------- */

VYI_API uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count)
{
    void *at = w->at;
    if (e->failed || count == 0)
        return NULL;
    if (w->capacity - w->count < count) {
        if (!vyi_grow(&e->p->allocator, &at, &w->capacity, w->count + count, sizeof *w->at)) {
            e->failed = true;
            return NULL;
        }
        w->at = (uint32_t *)at;
    }
    w->count += count;
    return w->at + (w->count - count);
}

VYI_COLD
VYI_API void vyi_spv_exceed(vyi_spv *e, uint32_t count, uint32_t most, const char *what)
{
    e->failed = true;
    e->excess = count;
    e->most = most;
    e->excess_of = what;
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_id(vyi_spv *e)
{
    return e->next_id++;
}

VYI_API uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...)
{
    VYRE_ASSERT(section < VYI_SPV_INTERFACE && count < VYI_SPV_MAX_WORDS);
    vyi_spv_words *w = &e->section[section];
    const uint32_t offset = w->count;
    uint32_t *words = vyi_spv_room(e, w, count + 1);
    va_list operands;
    if (!words)
        return 0;
    words[0] = ((count + 1) << 16) | op;
    va_start(operands, count);
    for (uint32_t i = 1; i <= count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    return offset;
}

VYI_API void vyi_spv_extend(vyi_spv *e, uint32_t section, uint32_t offset, uint32_t count, ...)
{
    uint32_t *words = vyi_spv_room(e, &e->section[section], count);
    va_list operands;
    if (!words)
        return;
    va_start(operands, count);
    for (uint32_t i = 0; i < count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    uint32_t *first = &e->section[section].at[offset];
    VYRE_ASSERT((*first >> 16) + count <= VYI_SPV_MAX_WORDS);
    *first += count << 16;
}

VYI_API void vyi_spv_extend_text(vyi_spv *e, uint32_t section, uint32_t offset, const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i <= length; i += 4) {
        uint32_t word = 0;
        for (size_t k = i; k < i + 4 && k < length; k++)
            word |= (uint32_t)(uint8_t)text[k] << (8 * (k - i));
        vyi_spv_extend(e, section, offset, 1, word);
    }
}

VYI_API void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name)
{
    if (e->desc.names && name && *name)
        vyi_spv_extend_text(e, VYI_SPV_NAMES,
                            vyi_spv_put(e, VYI_SPV_NAMES, VYI_SPV_OpName, 1, id), name);
}

/* --- equal instructions -------------------------------------------------- */

static uint32_t vyi_spv_hash(const uint32_t *words, uint32_t count)
{
    uint32_t hash = count;
    for (uint32_t i = 0; i < count; i++)
        hash = vyi_mix(hash, words[i]);
    return hash;
}

/* Equal but for the result id, which is word `result`. */
static bool vyi_spv_equal(const uint32_t *a, const uint32_t *b, uint32_t count, uint32_t result)
{
    for (uint32_t i = 0; i < count; i++)
        if (i != result && a[i] != b[i])
            return false;
    return true;
}

/* The id of an instruction with these words: one that is there, or a new one.
 * Word `result` is 0 on entry. */
static uint32_t vyi_spv_intern(vyi_spv *e, vyi_spv_set *set, uint32_t *words, uint32_t count,
                               uint32_t result)
{
    vyi_spv_words *w = &e->section[set->section];
    const uint32_t hash = vyi_spv_hash(words, count);
    uint32_t *bucket = &set->buckets[hash % VYI_SPV_BUCKETS];
    void *entries = set->entries;
    for (uint32_t i = *bucket; i; i = set->entries[i - 1].next) {
        const vyi_spv_entry *entry = &set->entries[i - 1];
        if (entry->hash == hash && vyi_spv_equal(w->at + entry->offset, words, count, result))
            return w->at[entry->offset + result];
    }
    const uint32_t offset = w->count;
    uint32_t *at = vyi_spv_room(e, w, count);
    words[result] = vyi_spv_id(e);
    if (!at)
        return words[result];
    memcpy(at, words, count * sizeof *words);
    if (!vyi_grow(&e->p->allocator, &entries, &set->capacity, set->count + 1,
                  sizeof *set->entries)) {
        e->failed = true;
        return words[result];
    }
    set->entries = (vyi_spv_entry *)entries;
    set->entries[set->count].hash = hash;
    set->entries[set->count].offset = offset;
    set->entries[set->count].next = *bucket;
    *bucket = ++set->count;
    return words[result];
}

VYI_API void vyi_spv_forget(vyi_spv_set *set, uint32_t count)
{
    VYRE_ASSERT(count <= set->count);
    while (set->count > count) {
        const vyi_spv_entry *entry = &set->entries[--set->count];
        set->buckets[entry->hash % VYI_SPV_BUCKETS] = entry->next;
    }
}

/* The id of the instruction with these operands; a type's id comes first, a
 * value's behind the id of its `type`. */
static uint32_t vyi_spv_find(vyi_spv *e, vyi_spv_set *set, uint32_t op, uint32_t type,
                             uint32_t count, va_list operands)
{
    VYRE_ASSERT(count <= VYI_SPV_OPERANDS);
    uint32_t words[3 + VYI_SPV_OPERANDS];
    const uint32_t result = type ? 2 : 1;
    words[0] = ((count + result + 1) << 16) | op;
    words[1] = type;
    words[result] = 0;
    for (uint32_t i = 1; i <= count; i++)
        words[result + i] = va_arg(operands, uint32_t);
    return vyi_spv_intern(e, set, words, count + result + 1, result);
}

VYI_API uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->globals, op, 0, count, operands);
    va_end(operands);
    return id;
}

VYI_API uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->values, op, type, count, operands);
    va_end(operands);
    return id;
}

/* --- types and constants ------------------------------------------------- */

/* By vyre_type: the instruction, its operands. */
static const uint8_t vyi_spv_types[VYRE_TYPE_BOOL + 1][4] = {
    { VYI_SPV_OpTypeVoid, 0, 0, 0 },    { VYI_SPV_OpTypeInt, 2, 32, 0 },
    { VYI_SPV_OpTypeInt, 2, 32, 1 },    { VYI_SPV_OpTypeFloat, 1, 32, 0 },
    { VYI_SPV_OpTypeBool, 0, 0, 0 }
};

VYI_OUTLINE VYI_API uint32_t vyi_spv_type(vyi_spv *e, uint32_t type)
{
    VYRE_ASSERT(type <= VYRE_TYPE_BOOL);
    const uint8_t *row = vyi_spv_types[type];
    if (!e->types[type])
        e->types[type] = vyi_spv_type_of(e, row[0], row[1], (uint32_t)row[2], (uint32_t)row[3]);
    return e->types[type];
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits)
{
    uint32_t words[4];
    const bool truth = type == VYRE_TYPE_BOOL;
    words[0] = truth ? (3u << 16) | (uint32_t)(bits ? VYI_SPV_OpConstantTrue
                                                    : VYI_SPV_OpConstantFalse)
                     : (4u << 16) | (uint32_t)VYI_SPV_OpConstant;
    words[1] = vyi_spv_type(e, type);
    words[2] = 0;
    words[3] = bits;
    const uint32_t id = vyi_spv_intern(e, &e->globals, words, truth ? 3 : 4, 2);
    if (truth)
        e->bools[bits != 0] = id;
    return id;
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x)
{
    return vyi_spv_const(e, VYRE_TYPE_U32, x);
}

VYI_API uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type)
{
    return vyi_spv_type_of(e, VYI_SPV_OpTypePointer, 2, storage, type);
}

VYI_API uint32_t vyi_spv_memory_type(uint32_t type)
{
    return type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type;
}

/* A module-scope variable.  From SPIR-V 1.4 on the entry point names all of
 * them, before that only inputs. */
VYI_API uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, type);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpVariable, 3, pointer, id, storage);
    if (storage == VYI_SPV_StorageClassInput || e->desc.version >= 0x00010400u) {
        uint32_t *word = vyi_spv_room(e, &e->section[VYI_SPV_INTERFACE], 1);
        if (word)
            *word = id;
    }
    return id;
}

VYI_API uint32_t vyi_spv_shared(vyi_spv *e, uint32_t type, uint32_t bytes)
{
    e->shared_bytes += bytes;
    return vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup, type);
}

VYI_API void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 2, id, decoration);
}

VYI_API void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 3, id, decoration, value);
}

/* A Block struct with one member at offset 0. */
VYI_API uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member)
{
    const uint32_t block = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 1, member);
    vyi_spv_decorate(e, block, VYI_SPV_DecorationBlock);
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpMemberDecorate, 4, block, 0u,
                VYI_SPV_DecorationOffset, 0u);
    return block;
}

/* --- capabilities and imports -------------------------------------------- */

/* The first five of vyi_spv_optional_capabilities stand in the order of
 * VkSubgroupFeatureFlagBits. */
VYI_COLD
VYI_API void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature)
{
    e->subgroup |= feature | (uint32_t)VYI_SUBGROUP_BASIC;
    e->capabilities |= e->subgroup;
}

VYI_API uint32_t vyi_spv_ext_of(vyi_spv *e, uint32_t type_id, uint32_t inst, uint32_t count,
                                const uint32_t *operands)
{
    VYRE_ASSERT(count >= 1 && count <= 3);
    if (!e->glsl) {
        e->glsl = vyi_spv_id(e);
        vyi_spv_extend_text(e, VYI_SPV_IMPORT,
                            vyi_spv_put(e, VYI_SPV_IMPORT, VYI_SPV_OpExtInstImport, 1, e->glsl),
                            "GLSL.std.450");
    }
    return vyi_spv_pure(e, VYI_SPV_OpExtInst, type_id, count + 2, e->glsl, inst, operands[0],
                        count > 1 ? operands[1] : 0, count > 2 ? operands[2] : 0);
}

VYI_API uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                             const uint32_t *operands)
{
    return vyi_spv_ext_of(e, vyi_spv_type(e, type), inst, count, operands);
}

VYI_API uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a)
{
    return vyi_spv_ext(e, type, inst, 1, &a);
}

VYI_API uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b)
{
    const uint32_t operands[2] = { a, b };
    return vyi_spv_ext(e, type, inst, 2, operands);
}

/* --- short forms --------------------------------------------------------- */

VYI_API uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 1, a);
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a,
                                            uint32_t b)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 2, a, b);
}

VYI_API uint32_t vyi_spv_test(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_BOOL, a, b);
}

VYI_API uint32_t vyi_spv_word(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_U32, a, b);
}

VYI_API uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b)
{
    if (a == b || cond == e->bools[0] || cond == e->bools[1])
        return cond == e->bools[0] ? b : a;
    return vyi_spv_pure(e, VYI_SPV_OpSelect, vyi_spv_type(e, type), 3, cond, a, b);
}

VYI_API uint32_t vyi_spv_value(vyi_spv *e, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    if (!e->ids[value] && inst->op == VYI_OP_CONST)
        e->ids[value] = vyi_spv_const(e, inst->type, inst->arg[0]);
    VYRE_ASSERT(e->ids[value] || e->failed);
    return e->ids[value];
}

VYI_API void vyi_spv_label(vyi_spv *e, uint32_t id)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLabel, 1, id);
    e->block = id;
    e->left = false;
}

VYI_API void vyi_spv_branch(vyi_spv *e, uint32_t label)
{
    VYRE_ASSERT(!e->left && label);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranch, 1, label);
    e->left = true;
}

VYI_API void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranchConditional, 3, cond, yes, no);
    e->left = true;
}

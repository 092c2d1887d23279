/* ==========================================================================
 * spirv: implementation
 *
 * One pass over the program.  Words go to one buffer per section of the
 * module; what later instructions turn out to need (a type, a constant, the
 * length of a buffer) goes to its section at first use.  Locals become SSA
 * values: each open block knows which locals it may set, each branch to its
 * end records their values, and the end makes a phi where they differ.
 *
 * Two sets find equal instructions by the hash of their words: one for the
 * module (types, constants), one for the values that dominate the current
 * place, which shrinks again when a block ends.
 * ======================================================================= */
#include "spirv_impl.h"

/* Sections, in the order of the finished module; INTERFACE is a list for the
 * entry point, and no section of its own. */
enum {
    VYI_SPV_CAPABILITIES,
    VYI_SPV_IMPORT,
    VYI_SPV_ENTRY, /* memory model and entry point */
    VYI_SPV_MODES,
    VYI_SPV_NAMES,
    VYI_SPV_DECORATIONS,
    VYI_SPV_GLOBALS,
    VYI_SPV_START, /* the function's first block: loads of builtins and lengths */
    VYI_SPV_BODY,
    VYI_SPV_INTERFACE,
    VYI_SPV_SECTIONS
};

#define VYI_SPV_MAIN     1u  /* id of the function */

#define VYI_SPV_BUCKETS  512u
#define VYI_SPV_OPERANDS 12u /* of an instruction that goes through a set */
#define VYI_SPV_FACTS    64u /* latest facts that a query looks at */
#define VYI_SPV_DEPTH    6u  /* definitions that a query follows */

typedef struct vyi_spv_words {
    uint32_t *at;
    uint32_t  count, capacity;
} vyi_spv_words;

typedef struct vyi_spv_entry {
    uint32_t hash;
    uint32_t offset; /* of the instruction in its section */
    uint32_t next;   /* entry of the same bucket, plus one */
} vyi_spv_entry;

typedef struct vyi_spv_set {
    uint32_t       section;
    uint32_t       buckets[VYI_SPV_BUCKETS];
    vyi_spv_entry *entries;
    uint32_t       count, capacity;
} vyi_spv_set;

/* Known to hold at the current place: low < high, or low <= high, as u32.
 * Both are ids of values of the program. */
typedef struct vyi_spv_fact {
    uint32_t low, high;
    bool     strict;
} vyi_spv_fact;

/* An open block. */
typedef struct vyi_spv_frame {
    uint32_t opener;              /* index of its instruction */
    uint32_t header, next, merge; /* labels; next: a loop's continue target */
    uint32_t arm;                 /* label of a switch's next arm */
    uint32_t touched, touched_count; /* locals it may set: a run of e->stack */
    uint32_t merge_edges, next_edges;
    uint32_t phis;                /* offset of the header's first phi */
    uint32_t counter, rounds_left, trips;
    uint32_t values, facts;       /* sizes of e->values and e->facts outside */
    bool     then_left, has_else;
} vyi_spv_frame;

typedef struct vyi_spv {
    const vyre_program *p;
    vyre_spirv_desc desc;
    bool          vulkan_model;
    bool          failed;  /* out of memory: nothing is written any more */
    bool          left;    /* the current block has ended */
    bool          fed;     /* a round loop: the host may write while it runs */
    vyi_arena     arena;
    vyi_spv_words section[VYI_SPV_SECTIONS];
    vyi_spv_set   globals, values;
    vyi_spv_words stack, edges;
    vyi_spv_fact *facts;
    uint32_t      fact_count, fact_capacity;
    uint32_t      next_id, block;
    uint32_t      capabilities; /* bit i: vyi_spv_optional_capabilities[i] */
    uint32_t      subgroup;
    uint32_t      memory_bits; /* storage classes that orders cover */
    uint32_t      glsl;        /* the imported instruction set */
    uint32_t      fence_word;
    uint32_t      trips;       /* pointer to the subgroup's count of iterations, or 0 */
    uint32_t      types[VYRE_TYPE_BOOL + 1];
    uint32_t      blocks[VYRE_TYPE_BOOL + 1]; /* struct types of buffers */
    uint32_t      builtins[VYRE_BUILTIN_COUNT];
    uint32_t      inputs[VYRE_BUILTIN_COUNT]; /* loaded vectors, by their first component */
    uint32_t      group_size[3];
    uint32_t      rounds_start, rounds_step;
    uint32_t     *ids;     /* of values */
    uint8_t      *needed;  /* of instructions: whether anything depends on them */
    uint32_t     *buffers, *lengths;
    uint32_t     *current; /* values of locals; after the program's own: spent, allowed, cut */
    uint32_t     *last_get, *marks;
    uint32_t      spent, allowed, cut; /* ids of the three locals of the loop limit */
    uint32_t      mark;
    vyi_spv_frame frames[VYRE_MAX_NESTING];
    uint32_t      depth;
} vyi_spv;

/* --- words --------------------------------------------------------------- */

/* Room for `count` more words, or NULL after running out of memory. */
static uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count)
{
    void *at = w->at;
    if (e->failed)
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

static uint32_t vyi_spv_id(vyi_spv *e)
{
    return e->next_id++;
}

/* One instruction; returns its offset.  The operands are uint32_t. */
static uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...)
{
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

/* A string's words: little-endian, terminated, padded with zeros. */
static void vyi_spv_text(uint32_t *words, const char *text, uint32_t count)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i < 4u * (size_t)count; i++) {
        const uint32_t byte = i < length ? (uint8_t)text[i] : 0u;
        words[i / 4] = (i % 4 ? words[i / 4] : 0u) | (byte << (8 * (i % 4)));
    }
}

/* An instruction whose last operand is a string. */
static void vyi_spv_put_text(vyi_spv *e, uint32_t section, uint32_t op, uint32_t id,
                             const char *text)
{
    const uint32_t count = (uint32_t)(strlen(text) / 4) + 1;
    uint32_t *words = vyi_spv_room(e, &e->section[section], count + 2);
    if (!words)
        return;
    words[0] = ((count + 2) << 16) | op;
    words[1] = id;
    vyi_spv_text(words + 2, text, count);
}

static void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name)
{
    if (e->desc.names && name && *name)
        vyi_spv_put_text(e, VYI_SPV_NAMES, VYI_SPV_OpName, id, name);
}

/* --- equal instructions -------------------------------------------------- */

static uint32_t vyi_spv_hash(const uint32_t *words, uint32_t count)
{
    uint32_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
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

/* Forgets what was added after the set had `count` entries. */
static void vyi_spv_forget(vyi_spv_set *set, uint32_t count)
{
    while (set->count > count) {
        const vyi_spv_entry *entry = &set->entries[--set->count];
        set->buckets[entry->hash % VYI_SPV_BUCKETS] = entry->next;
    }
}

/* A type; its result id comes first. */
static uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...)
{
    uint32_t words[2 + VYI_SPV_OPERANDS];
    va_list operands;
    words[0] = ((count + 2) << 16) | op;
    words[1] = 0;
    va_start(operands, count);
    for (uint32_t i = 0; i < count; i++)
        words[2 + i] = va_arg(operands, uint32_t);
    va_end(operands);
    return vyi_spv_intern(e, &e->globals, words, count + 2, 1);
}

/* A value that depends on its operands only. */
static uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...)
{
    uint32_t words[3 + VYI_SPV_OPERANDS];
    va_list operands;
    words[0] = ((count + 3) << 16) | op;
    words[1] = type;
    words[2] = 0;
    va_start(operands, count);
    for (uint32_t i = 0; i < count; i++)
        words[3 + i] = va_arg(operands, uint32_t);
    va_end(operands);
    return vyi_spv_intern(e, &e->values, words, count + 3, 2);
}

/* --- types and constants ------------------------------------------------- */

static uint32_t vyi_spv_type(vyi_spv *e, uint32_t type)
{
    if (e->types[type])
        return e->types[type];
    switch (type) {
    case VYRE_TYPE_U32: e->types[type] = vyi_spv_type_of(e, VYI_SPV_OpTypeInt, 2, 32u, 0u); break;
    case VYRE_TYPE_I32: e->types[type] = vyi_spv_type_of(e, VYI_SPV_OpTypeInt, 2, 32u, 1u); break;
    case VYRE_TYPE_F32: e->types[type] = vyi_spv_type_of(e, VYI_SPV_OpTypeFloat, 1, 32u); break;
    case VYRE_TYPE_BOOL: e->types[type] = vyi_spv_type_of(e, VYI_SPV_OpTypeBool, 0); break;
    default: e->types[VYRE_TYPE_NONE] = vyi_spv_type_of(e, VYI_SPV_OpTypeVoid, 0); break;
    }
    return e->types[type];
}

static uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits)
{
    uint32_t words[4];
    const bool truth = type == VYRE_TYPE_BOOL;
    words[0] = truth ? (3u << 16) | (uint32_t)(bits ? VYI_SPV_OpConstantTrue
                                                    : VYI_SPV_OpConstantFalse)
                     : (4u << 16) | (uint32_t)VYI_SPV_OpConstant;
    words[1] = vyi_spv_type(e, type);
    words[2] = 0;
    words[3] = bits;
    return vyi_spv_intern(e, &e->globals, words, truth ? 3 : 4, 2);
}

static uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x)
{
    return vyi_spv_const(e, VYRE_TYPE_U32, x);
}

static uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type)
{
    return vyi_spv_type_of(e, VYI_SPV_OpTypePointer, 2, storage, type);
}

/* The type that an element has in memory. */
static uint32_t vyi_spv_memory_type(uint32_t type)
{
    return type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type;
}

/* A module-scope variable.  From SPIR-V 1.4 on the entry point names all of
 * them, before that only inputs. */
static uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type)
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

static void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 2, id, decoration);
}

static void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 3, id, decoration, value);
}

/* A Block struct with one member at offset 0. */
static uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member)
{
    const uint32_t block = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 1, member);
    vyi_spv_decorate(e, block, VYI_SPV_DecorationBlock);
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpMemberDecorate, 4, block, 0u,
                VYI_SPV_DecorationOffset, 0u);
    return block;
}

/* --- capabilities and imports -------------------------------------------- */

static const uint16_t vyi_spv_optional_capabilities[] = {
    VYI_SPV_CapabilityGroupNonUniform,
    VYI_SPV_CapabilityGroupNonUniformVote,
    VYI_SPV_CapabilityGroupNonUniformArithmetic,
    VYI_SPV_CapabilityGroupNonUniformBallot,
    VYI_SPV_CapabilityGroupNonUniformShuffle,
    VYI_SPV_CapabilityVulkanMemoryModel,
    VYI_SPV_CapabilityVulkanMemoryModelDeviceScope
};

#define VYI_SPV_OPTIONAL_CAPABILITIES 7u
#define VYI_SPV_NEEDS_VULKAN_MODEL    0x60u /* the last two */

/* The first five stand in the order of VkSubgroupFeatureFlagBits. */
static void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature)
{
    e->subgroup |= feature | (uint32_t)VYI_SUBGROUP_BASIC;
    e->capabilities |= e->subgroup;
}

static uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                            const uint32_t *operands)
{
    uint32_t words[5 + VYI_SPV_OPERANDS];
    if (!e->glsl) {
        e->glsl = vyi_spv_id(e);
        vyi_spv_put_text(e, VYI_SPV_IMPORT, VYI_SPV_OpExtInstImport, e->glsl, "GLSL.std.450");
    }
    words[0] = ((count + 5) << 16) | (uint32_t)VYI_SPV_OpExtInst;
    words[1] = type;
    words[2] = 0;
    words[3] = e->glsl;
    words[4] = inst;
    for (uint32_t i = 0; i < count; i++)
        words[5 + i] = operands[i];
    return vyi_spv_intern(e, &e->values, words, count + 5, 2);
}

static uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a)
{
    return vyi_spv_ext(e, vyi_spv_type(e, type), inst, 1, &a);
}

static uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b)
{
    uint32_t operands[2];
    operands[0] = a;
    operands[1] = b;
    return vyi_spv_ext(e, vyi_spv_type(e, type), inst, 2, operands);
}

/* --- short forms --------------------------------------------------------- */

static uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 1, a);
}

static uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 2, a, b);
}

static uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b)
{
    return vyi_spv_pure(e, VYI_SPV_OpSelect, vyi_spv_type(e, type), 3, cond, a, b);
}

/* The SPIR-V id of a value of the program. */
static uint32_t vyi_spv_value(vyi_spv *e, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    if (!e->ids[value] && inst->op == VYI_OP_CONST)
        e->ids[value] = vyi_spv_const(e, inst->type, inst->arg[0]);
    return e->ids[value];
}

static bool vyi_spv_literal(const vyi_spv *e, uint32_t value, uint32_t *bits)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    if (inst->op != VYI_OP_CONST)
        return false;
    *bits = inst->arg[0];
    return true;
}

static void vyi_spv_label(vyi_spv *e, uint32_t id)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLabel, 1, id);
    e->block = id;
    e->left = false;
}

static void vyi_spv_branch(vyi_spv *e, uint32_t label)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranch, 1, label);
    e->left = true;
}

static void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranchConditional, 3, cond, yes, no);
    e->left = true;
}

/* --- builtins ------------------------------------------------------------ */

/* A load in the function's first block. */
static uint32_t vyi_spv_start_load(vyi_spv *e, uint32_t type, uint32_t pointer)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLoad, 3, type, id, pointer);
    return id;
}

/* An input, loaded once. */
static uint32_t vyi_spv_input(vyi_spv *e, uint32_t slot, uint32_t builtin, uint32_t type)
{
    if (!e->inputs[slot]) {
        const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassInput, type);
        vyi_spv_decorate_with(e, variable, VYI_SPV_DecorationBuiltIn, builtin);
        e->inputs[slot] = vyi_spv_start_load(e, type, variable);
    }
    return e->inputs[slot];
}

static uint32_t vyi_spv_input_component(vyi_spv *e, uint32_t slot, uint32_t builtin,
                                        uint32_t component)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t vector = vyi_spv_input(e, slot, builtin,
                                          vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u));
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpCompositeExtract, 4, u32, id, vector, component);
    return id;
}

/* The vectors among the builtins, in the order of VYRE_BUILTIN_LIST; 0 is the
 * workgroup's size, which is a constant. */
static const uint16_t vyi_spv_vectors[] = {
    VYI_SPV_BuiltInLocalInvocationId, VYI_SPV_BuiltInWorkgroupId,
    VYI_SPV_BuiltInGlobalInvocationId, 0, VYI_SPV_BuiltInNumWorkgroups
};
VYI_STATIC_ASSERT(spv_vectors, VYRE_BUILTIN_LOCAL_INDEX == 15 && VYRE_BUILTIN_COUNT == 20 &&
                                   VYRE_BUILTIN_GROUP_SIZE_X == 9);

static uint32_t vyi_spv_scalar_input(vyi_spv *e, uint32_t builtin)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (builtin == VYRE_BUILTIN_LOCAL_INDEX)
        return vyi_spv_input(e, builtin, VYI_SPV_BuiltInLocalInvocationIndex, u32);
    vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    return vyi_spv_input(e, builtin,
                         builtin == VYRE_BUILTIN_SUBGROUP_LANE
                             ? VYI_SPV_BuiltInSubgroupLocalInvocationId
                             : VYI_SPV_BuiltInSubgroupSize,
                         u32);
}

/* The workgroup's size: literal, or from specialization constants 0, 1, 2. */
static uint32_t vyi_spv_group_size(vyi_spv *e, uint32_t component)
{
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, e->p->group_size[component]);
    return e->group_size[component];
}

static void vyi_spv_declare_group_size(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t *size = e->p->group_size;
    vyi_spv_put(e, VYI_SPV_MODES, VYI_SPV_OpExecutionMode, 5, VYI_SPV_MAIN,
                VYI_SPV_ExecutionModeLocalSize, size[0], size[1], size[2]);
    if (!e->desc.spec_group_size)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        e->group_size[i] = vyi_spv_id(e);
        vyi_spv_decorate_with(e, e->group_size[i], VYI_SPV_DecorationSpecId, i);
        vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstant, 3, u32, e->group_size[i], size[i]);
    }
    const uint32_t vector = vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u);
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstantComposite, 5, vector, id,
                e->group_size[0], e->group_size[1], e->group_size[2]);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBuiltIn, VYI_SPV_BuiltInWorkgroupSize);
}

/* Iterations so far: this lane's, or its subgroup's where the limit counts those. */
static uint32_t vyi_spv_trips(vyi_spv *e)
{
    if (!e->trips)
        return e->current[e->spent];
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, 3, vyi_spv_type(e, VYRE_TYPE_U32), id, e->trips);
    return id;
}

static uint32_t vyi_spv_loop_left(vyi_spv *e)
{
    if (!e->desc.loop_limit)
        return vyi_spv_u32(e, 0xffffffffu);
    return vyi_spv_binary(e, VYI_SPV_OpISub, VYRE_TYPE_U32, vyi_spv_u32(e, e->desc.loop_limit),
                          vyi_spv_trips(e));
}

static uint32_t vyi_spv_builtin(vyi_spv *e, uint32_t builtin)
{
    const uint32_t vector = builtin / 3, component = builtin % 3;
    if (builtin == VYRE_BUILTIN_LOOP_LEFT)
        return vyi_spv_loop_left(e);
    if (builtin == VYRE_BUILTIN_LOOP_CUT)
        return e->desc.loop_limit ? e->current[e->cut] : vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
    if (e->builtins[builtin])
        return e->builtins[builtin];
    if (builtin >= VYRE_BUILTIN_LOCAL_INDEX)
        e->builtins[builtin] = vyi_spv_scalar_input(e, builtin);
    else if (vector == VYRE_BUILTIN_GROUP_SIZE_X / 3)
        e->builtins[builtin] = vyi_spv_group_size(e, component);
    else
        e->builtins[builtin] = vyi_spv_input_component(e, 3 * vector, vyi_spv_vectors[vector],
                                                       component);
    return e->builtins[builtin];
}

/* --- buffers ------------------------------------------------------------- */

static bool vyi_spv_is_shared(const vyi_spv *e, uint32_t buffer)
{
    return vyi_buffer_of(e->p, buffer)->access == VYRE_ACCESS_WORKGROUP;
}

static uint32_t vyi_spv_storage(const vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_is_shared(e, buffer) ? VYI_SPV_StorageClassWorkgroup
                                        : VYI_SPV_StorageClassStorageBuffer;
}

static uint32_t vyi_spv_shared_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t element = vyi_spv_type(e, vyi_spv_memory_type(b->type));
    const uint32_t count = vyi_spv_u32(e, b->count);
    return vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup,
                            vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, element, count));
}

/* The struct type of a buffer of `type`: one array of run-time length. */
static uint32_t vyi_spv_buffer_block(vyi_spv *e, uint32_t type)
{
    if (!e->blocks[type]) {
        const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeRuntimeArray, 1,
                                               vyi_spv_type(e, type));
        vyi_spv_decorate_with(e, array, VYI_SPV_DecorationArrayStride, 4u);
        e->blocks[type] = vyi_spv_block_type(e, array);
    }
    return e->blocks[type];
}

/* GLSL450 needs Coherent for what lanes of other workgroups are to see.  A
 * kernel that is fed while it runs has nothing that is constant: what the
 * program only reads may be new after each acquire, so it is coherent, too,
 * and not marked as never written. */
static uint32_t vyi_spv_storage_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t block = vyi_spv_buffer_block(e, vyi_spv_memory_type(b->type));
    const uint32_t id = vyi_spv_variable(e, VYI_SPV_StorageClassStorageBuffer, block);
    const bool constant = b->access == VYRE_ACCESS_READ && !e->fed && !e->desc.unfenced;
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationDescriptorSet, 0u);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBinding, b->binding);
    if (constant)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationNonWritable);
    else if (!e->vulkan_model)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationCoherent);
    return id;
}

static uint32_t vyi_spv_buffer(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    if (!e->buffers[buffer]) {
        e->buffers[buffer] = vyi_spv_is_shared(e, buffer) ? vyi_spv_shared_variable(e, b)
                                                          : vyi_spv_storage_variable(e, b);
        vyi_spv_name(e, e->buffers[buffer], b->name);
    }
    return e->buffers[buffer];
}

/* Elements that can be reached, computed once, in the first block. */
static uint32_t vyi_spv_length(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (e->lengths[buffer])
        return e->lengths[buffer];
    if (vyi_spv_is_shared(e, buffer))
        return e->lengths[buffer] = vyi_spv_u32(e, b->count);
    uint32_t length = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpArrayLength, 4, u32, length,
                vyi_spv_buffer(e, buffer), 0u);
    if (b->count) {
        const uint32_t bound = length, count = vyi_spv_u32(e, b->count);
        const uint32_t less = vyi_spv_id(e);
        length = vyi_spv_id(e);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpULessThan, 4, vyi_spv_type(e, VYRE_TYPE_BOOL),
                    less, bound, count);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpSelect, 5, u32, length, less, bound, count);
    }
    return e->lengths[buffer] = length;
}

static uint32_t vyi_spv_element(vyi_spv *e, uint32_t buffer, uint32_t index)
{
    const uint32_t type = vyi_spv_memory_type(vyi_buffer_of(e->p, buffer)->type);
    const uint32_t pointer = vyi_spv_pointer_type(e, vyi_spv_storage(e, buffer),
                                                  vyi_spv_type(e, type));
    const uint32_t variable = vyi_spv_buffer(e, buffer);
    if (vyi_spv_is_shared(e, buffer))
        return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 3, variable, vyi_spv_u32(e, 0), index);
}

/* --- what is known about an index ---------------------------------------- */

static void vyi_spv_add_fact(vyi_spv *e, uint32_t low, uint32_t high, bool strict)
{
    void *facts = e->facts;
    if (!vyi_grow(&e->p->allocator, &facts, &e->fact_capacity, e->fact_count + 1,
                  sizeof *e->facts)) {
        e->failed = true;
        return;
    }
    e->facts = (vyi_spv_fact *)facts;
    e->facts[e->fact_count].low = low;
    e->facts[e->fact_count].high = high;
    e->facts[e->fact_count++].strict = strict;
}

/* The four comparisons as "low < high" or "low <= high". */
static void vyi_spv_compare_fact(vyi_spv *e, const vyi_inst *inst, bool truth)
{
    const bool less = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_LE;
    const bool strict = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_GT;
    const uint32_t low = less ? inst->arg[0] : inst->arg[1];
    const uint32_t high = less ? inst->arg[1] : inst->arg[0];
    if (inst->sub < VYI_BINARY_LT || inst->sub > VYI_BINARY_GE ||
        vyi_definition(e->p, low)->type != VYRE_TYPE_U32)
        return;
    if (truth)
        vyi_spv_add_fact(e, low, high, strict);
    else
        vyi_spv_add_fact(e, high, low, !strict);
}

/* What follows from `cond` being `truth`: a conjunction tells both its sides,
 * and so does a disjunction that is false. */
static void vyi_spv_learn(vyi_spv *e, uint32_t cond, bool truth)
{
    uint32_t pending[VYI_SPV_DEPTH * 2];
    bool truths[VYI_SPV_DEPTH * 2];
    uint32_t count = 1;
    pending[0] = cond;
    truths[0] = truth;
    while (count) {
        const vyi_inst *inst = vyi_definition(e->p, pending[--count]);
        const bool now = truths[count];
        if (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_NOT) {
            pending[count] = inst->arg[0];
            truths[count++] = !now;
        } else if (inst->op == VYI_OP_BINARY && inst->type == VYRE_TYPE_BOOL &&
                   inst->sub == (now ? VYI_BINARY_AND : VYI_BINARY_OR)) {
            for (uint32_t i = 0; i < 2 && count < VYI_SPV_DEPTH * 2; i++) {
                pending[count] = inst->arg[i];
                truths[count++] = now;
            }
        } else if (inst->op == VYI_OP_BINARY) {
            vyi_spv_compare_fact(e, inst, now);
        }
    }
}

static uint32_t vyi_spv_oldest_fact(const vyi_spv *e)
{
    return e->fact_count > VYI_SPV_FACTS ? e->fact_count - VYI_SPV_FACTS : 0;
}

static bool vyi_spv_is_length(const vyi_spv *e, uint32_t value, uint32_t buffer)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    return inst->op == VYI_OP_LENGTH && inst->arg[0] == buffer;
}

/* Elements that the buffer has for certain. */
static uint32_t vyi_spv_known_length(const vyi_spv *e, uint32_t buffer)
{
    uint32_t known = vyi_spv_is_shared(e, buffer) ? vyi_buffer_of(e->p, buffer)->count : 0;
    for (uint32_t i = vyi_spv_oldest_fact(e); i < e->fact_count; i++) {
        const vyi_spv_fact *fact = &e->facts[i];
        uint32_t bits;
        if (!vyi_spv_is_length(e, fact->high, buffer) || !vyi_spv_literal(e, fact->low, &bits))
            continue;
        if (fact->strict && bits < 0xffffffffu)
            bits++;
        known = bits > known ? bits : known;
    }
    return known;
}

static uint32_t vyi_spv_limit(const vyi_spv *e, uint32_t value, uint32_t depth);

static uint32_t vyi_spv_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The largest result that an operator can have, from those of its operands. */
static uint32_t vyi_spv_binary_limit(const vyi_spv *e, const vyi_inst *inst, uint32_t depth)
{
    const uint64_t a = vyi_spv_limit(e, inst->arg[0], depth);
    const uint64_t b = vyi_spv_limit(e, inst->arg[1], depth);
    uint32_t literal = 0;
    const bool fixed = vyi_spv_literal(e, inst->arg[1], &literal);
    uint64_t most = 0xffffffffu;
    switch (inst->sub) {
    case VYI_BINARY_AND: case VYI_BINARY_MIN: most = a < b ? a : b; break;
    case VYI_BINARY_MAX: most = a > b ? a : b; break;
    case VYI_BINARY_ADD: most = a + b; break;
    case VYI_BINARY_MUL: most = a * b; break;
    case VYI_BINARY_SHL: most = fixed ? a << (literal & 31u) : most; break;
    case VYI_BINARY_SHR: most = fixed ? a >> (literal & 31u) : a; break;
    case VYI_BINARY_DIV: most = fixed && literal ? a / literal : most; break;
    case VYI_BINARY_REM: most = fixed && literal && literal - 1 < a ? literal - 1 : a; break;
    default: break;
    }
    return most > 0xffffffffu ? 0xffffffffu : (uint32_t)most;
}

/* The largest number that a u32 value can be here. */
static uint32_t vyi_spv_limit(const vyi_spv *e, uint32_t value, uint32_t depth)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    uint32_t most = 0xffffffffu, bits;
    if (inst->type != VYRE_TYPE_U32)
        return most;
    if (inst->op == VYI_OP_CONST)
        return inst->arg[0];
    if (depth && inst->op == VYI_OP_BINARY)
        most = vyi_spv_binary_limit(e, inst, depth - 1);
    else if (depth && inst->op == VYI_OP_CAST &&
             vyi_definition(e->p, inst->arg[0])->type == VYRE_TYPE_BOOL)
        most = 1;
    for (uint32_t i = vyi_spv_oldest_fact(e); i < e->fact_count; i++)
        if (e->facts[i].low == value && vyi_spv_literal(e, e->facts[i].high, &bits))
            most = vyi_spv_min_u32(most, bits - (e->facts[i].strict && bits ? 1u : 0u));
    return most;
}

/* How often `value` fits into the buffer, as a shift: the buffer's length is
 * at least value << *shift.  That is so for the length, for length >> n and
 * for length / 2^n. */
static bool vyi_spv_length_part(const vyi_spv *e, uint32_t value, uint32_t buffer, uint32_t *shift)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    uint32_t bits;
    *shift = 0;
    if (vyi_spv_is_length(e, value, buffer))
        return true;
    if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
        !vyi_spv_is_length(e, inst->arg[0], buffer) || !vyi_spv_literal(e, inst->arg[1], &bits))
        return false;
    if (inst->sub == VYI_BINARY_SHR)
        *shift = bits & 31u;
    else if (inst->sub == VYI_BINARY_DIV && bits && !(bits & (bits - 1)))
        while ((bits >>= 1) != 0)
            ++*shift;
    else
        return false;
    return true;
}

/* Whether `unit` << shift, plus anything below 1 << shift, lies inside: it
 * does when unit < length >> shift. */
static bool vyi_spv_unit_inside(const vyi_spv *e, uint32_t buffer, uint32_t unit, uint32_t shift)
{
    uint32_t part;
    for (uint32_t i = vyi_spv_oldest_fact(e); i < e->fact_count; i++)
        if (e->facts[i].strict && e->facts[i].low == unit &&
            vyi_spv_length_part(e, e->facts[i].high, buffer, &part) && part >= shift)
            return true;
    return false;
}

/* Takes value apart as *unit << *shift. */
static void vyi_spv_scaled(const vyi_spv *e, uint32_t value, uint32_t *unit, uint32_t *shift)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    uint32_t bits;
    *unit = value;
    *shift = 0;
    if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
        !vyi_spv_literal(e, inst->arg[1], &bits))
        return;
    if (inst->sub == VYI_BINARY_SHL) {
        *unit = inst->arg[0];
        *shift = bits & 31u;
    } else if (inst->sub == VYI_BINARY_MUL && bits && !(bits & (bits - 1))) {
        *unit = inst->arg[0];
        while ((bits >>= 1) != 0)
            ++*shift;
    }
}

/* Whether `index` is certainly below the buffer's length.  It is when its
 * largest value is below the length that is known, or when it is a sum of one
 * scaled term, unit << shift with unit < length >> shift, and small ones. */
static bool vyi_spv_inside(const vyi_spv *e, uint32_t buffer, uint32_t index)
{
    uint64_t rest = 0;
    uint32_t unit, shift, value = index;
    if (vyi_spv_limit(e, index, VYI_SPV_DEPTH) < vyi_spv_known_length(e, buffer))
        return true;
    for (uint32_t depth = 0; depth < VYI_SPV_DEPTH; depth++) {
        const vyi_inst *inst = vyi_definition(e->p, value);
        vyi_spv_scaled(e, value, &unit, &shift);
        if (rest < (1ull << shift) && vyi_spv_unit_inside(e, buffer, unit, shift))
            return true;
        if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
            inst->sub != VYI_BINARY_ADD)
            return false;
        const uint32_t left = vyi_spv_limit(e, inst->arg[0], 2);
        const uint32_t right = vyi_spv_limit(e, inst->arg[1], 2);
        rest += left < right ? left : right;
        value = left < right ? inst->arg[1] : inst->arg[0];
    }
    return false;
}

/* --- orders -------------------------------------------------------------- */

/* Memory semantics of the Vulkan model, by vyre_order. */
static const uint16_t vyi_spv_orders[4] = {
    0,
    VYI_SPV_MemorySemanticsAcquire | VYI_SPV_MemorySemanticsMakeVisible,
    VYI_SPV_MemorySemanticsRelease | VYI_SPV_MemorySemanticsMakeAvailable,
    VYI_SPV_MemorySemanticsAcquireRelease | VYI_SPV_MemorySemanticsMakeVisible |
        VYI_SPV_MemorySemanticsMakeAvailable
};

/* In GLSL450, orders are barriers around relaxed atomics: what every compiler
 * of GLSL has always made, and what MoltenVK understands. */
static uint32_t vyi_spv_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED || !e->vulkan_model || e->desc.unfenced)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, vyi_spv_orders[order] | e->memory_bits);
}

static uint32_t vyi_spv_barrier_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, e->memory_bits |
                              (e->vulkan_model
                                   ? (uint32_t)vyi_spv_orders[order]
                                   : (uint32_t)VYI_SPV_MemorySemanticsAcquireRelease));
}

static uint32_t vyi_spv_scope(vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_u32(e, vyi_spv_is_shared(e, buffer) ? VYI_SPV_ScopeWorkgroup
                                                       : VYI_SPV_ScopeDevice);
}

/* The barrier of GLSL450 before a releasing or after an acquiring atomic. */
static void vyi_spv_fence(vyi_spv *e, const vyi_inst *inst, uint32_t side)
{
    if (!e->vulkan_model && !e->desc.unfenced && (inst->order & side))
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2, vyi_spv_scope(e, inst->arg[0]),
                    vyi_spv_barrier_semantics(e, inst->order));
}

/* What stands for a fence in an unfenced module: a read-modify-write of a
 * word that nobody looks at. */
static void vyi_spv_touch_word(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), zero = vyi_spv_u32(e, 0);
    if (!e->fence_word)
        e->fence_word = vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup, u32);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicOr, 6, u32, vyi_spv_id(e), e->fence_word,
                vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup), zero, zero);
}

static void vyi_spv_barrier(vyi_spv *e, const vyi_inst *inst)
{
    const bool device = inst->sub == VYRE_SCOPE_DEVICE;
    const bool subgroup = inst->sub == VYRE_SCOPE_SUBGROUP;
    if ((device && !inst->order) || (e->desc.unfenced && subgroup && !inst->order))
        return;
    if (e->desc.unfenced && (device || subgroup)) {
        vyi_spv_touch_word(e);
        return;
    }
    if (device) {
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2,
                    vyi_spv_u32(e, VYI_SPV_ScopeDevice),
                    vyi_spv_barrier_semantics(e, inst->order));
        return;
    }
    if (subgroup)
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    const uint32_t scope = vyi_spv_u32(e, subgroup ? VYI_SPV_ScopeSubgroup
                                                   : VYI_SPV_ScopeWorkgroup);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                vyi_spv_barrier_semantics(e, inst->order ? (uint32_t)VYRE_ORDER_ACQ_REL : 0u));
}

/* --- memory -------------------------------------------------------------- */

/* Code that runs only when an index is inside. */
typedef struct vyi_spv_guard {
    uint32_t before, merge; /* labels; merge 0: nothing to guard */
    uint32_t values;
} vyi_spv_guard;

static uint32_t vyi_spv_check_index(vyi_spv *e, const vyi_inst *inst)
{
    return vyi_spv_binary(e, VYI_SPV_OpULessThan, VYRE_TYPE_BOOL, vyi_spv_value(e, inst->arg[1]),
                          vyi_spv_length(e, inst->arg[0]));
}

/* Opens the guard and returns the element's pointer. */
static uint32_t vyi_spv_guard_open(vyi_spv *e, const vyi_inst *inst, vyi_spv_guard *guard)
{
    const uint32_t index = vyi_spv_value(e, inst->arg[1]);
    guard->merge = 0;
    guard->values = e->values.count;
    if (!vyi_spv_inside(e, inst->arg[0], inst->arg[1])) {
        const uint32_t cond = vyi_spv_check_index(e, inst);
        const uint32_t inside = vyi_spv_id(e);
        guard->before = e->block;
        guard->merge = vyi_spv_id(e);
        guard->values = e->values.count;
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, guard->merge, 0u);
        vyi_spv_branch_if(e, cond, inside, guard->merge);
        vyi_spv_label(e, inside);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

/* Closes it; the result is `value`, which was computed inside, or 0. */
static uint32_t vyi_spv_guard_close(vyi_spv *e, const vyi_spv_guard *guard, uint32_t type,
                                    uint32_t value)
{
    const uint32_t inside = e->block;
    if (!guard->merge)
        return value;
    vyi_spv_forget(&e->values, guard->values);
    vyi_spv_branch(e, guard->merge);
    vyi_spv_label(e, guard->merge);
    if (!value)
        return 0;
    const uint32_t result = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, type), result, value, inside,
                vyi_spv_const(e, type, 0), guard->before);
    return result;
}

/* A pointer that may be read in any case: beyond the length it is that of
 * element 0, *cond then is false and the caller drops what it read.  No
 * buffer that Vulkan binds is empty, as offsets and allocations are multiples of 4. */
static uint32_t vyi_spv_readable(vyi_spv *e, const vyi_inst *inst, uint32_t *cond)
{
    const uint32_t zero = vyi_spv_u32(e, 0);
    uint32_t index = vyi_spv_value(e, inst->arg[1]);
    *cond = 0;
    if (!vyi_spv_inside(e, inst->arg[0], inst->arg[1])) {
        *cond = vyi_spv_check_index(e, inst);
        if (index != zero)
            index = vyi_spv_select(e, VYRE_TYPE_U32, *cond, index, zero);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

/* The element's word as a value: bools are any bit set. */
static uint32_t vyi_spv_from_memory(vyi_spv *e, uint32_t type, uint32_t word)
{
    if (type != VYRE_TYPE_BOOL)
        return word;
    return vyi_spv_binary(e, VYI_SPV_OpINotEqual, type, word, vyi_spv_u32(e, 0));
}

static uint32_t vyi_spv_to_memory(vyi_spv *e, uint32_t type, uint32_t value)
{
    if (type != VYRE_TYPE_BOOL)
        return value;
    return vyi_spv_select(e, VYRE_TYPE_U32, value, vyi_spv_u32(e, 1), vyi_spv_u32(e, 0));
}

/* In the Vulkan model, an access that other lanes may take part in. */
static uint32_t vyi_spv_load(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t memory = vyi_spv_memory_type(inst->type);
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, e->vulkan_model ? 4u : 3u,
                vyi_spv_type(e, memory), id, pointer, VYI_SPV_MemoryAccessNonPrivatePointer);
    uint32_t value = id;
    if (cond)
        value = vyi_spv_select(e, memory, cond, id, vyi_spv_const(e, memory, 0));
    return vyi_spv_from_memory(e, inst->type, value);
}

static void vyi_spv_store_to(vyi_spv *e, uint32_t pointer, uint32_t value)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, e->vulkan_model ? 3u : 2u, pointer, value,
                VYI_SPV_MemoryAccessNonPrivatePointer);
}

static void vyi_spv_store(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    const uint32_t value = vyi_spv_to_memory(e, type, vyi_spv_value(e, inst->arg[2]));
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_store_to(e, pointer, value);
    vyi_spv_guard_close(e, &guard, type, 0);
}

static uint32_t vyi_spv_atomic_load(vyi_spv *e, const vyi_inst *inst)
{
    const bool modify = e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED;
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    vyi_spv_put(e, VYI_SPV_BODY, modify ? VYI_SPV_OpAtomicOr : VYI_SPV_OpAtomicLoad,
                modify ? 6u : 5u, vyi_spv_type(e, inst->type), id, pointer,
                vyi_spv_scope(e, inst->arg[0]), vyi_spv_semantics(e, inst->order),
                vyi_spv_const(e, inst->type, 0));
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return cond ? vyi_spv_select(e, inst->type, cond, id, vyi_spv_const(e, inst->type, 0)) : id;
}

static void vyi_spv_atomic_store(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t value = vyi_spv_value(e, inst->arg[2]);
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    const uint32_t scope = vyi_spv_scope(e, inst->arg[0]);
    const uint32_t semantics = vyi_spv_semantics(e, inst->order);
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    vyi_spv_fence(e, inst, VYRE_ORDER_RELEASE);
    if (e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicExchange, 6, vyi_spv_type(e, type),
                    vyi_spv_id(e), pointer, scope, semantics, value);
    else
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicStore, 4, pointer, scope, semantics, value);
    vyi_spv_guard_close(e, &guard, VYRE_TYPE_U32, 0);
}

/* By vyre_atomic_op: for u32, for i32. */
static const uint16_t vyi_spv_atomics[VYRE_ATOMIC_OP_COUNT][2] = {
    { VYI_SPV_OpAtomicIAdd, VYI_SPV_OpAtomicIAdd },
    { VYI_SPV_OpAtomicISub, VYI_SPV_OpAtomicISub },
    { VYI_SPV_OpAtomicAnd, VYI_SPV_OpAtomicAnd },
    { VYI_SPV_OpAtomicOr, VYI_SPV_OpAtomicOr },
    { VYI_SPV_OpAtomicXor, VYI_SPV_OpAtomicXor },
    { VYI_SPV_OpAtomicUMin, VYI_SPV_OpAtomicSMin },
    { VYI_SPV_OpAtomicUMax, VYI_SPV_OpAtomicSMax },
    { VYI_SPV_OpAtomicExchange, VYI_SPV_OpAtomicExchange }
};

static uint32_t vyi_spv_atomic(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t value = vyi_spv_value(e, inst->arg[2]), id = vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_fence(e, inst, VYRE_ORDER_RELEASE);
    vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_atomics[inst->sub][inst->type == VYRE_TYPE_I32], 6,
                vyi_spv_type(e, inst->type), id, pointer, vyi_spv_scope(e, inst->arg[0]),
                vyi_spv_semantics(e, inst->order), value);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return vyi_spv_guard_close(e, &guard, inst->type, id);
}

static uint32_t vyi_spv_atomic_cas(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t expected = vyi_spv_value(e, inst->arg[2]);
    const uint32_t desired = vyi_spv_value(e, inst->arg[3]), id = vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_fence(e, inst, VYRE_ORDER_RELEASE);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicCompareExchange, 8, vyi_spv_type(e, inst->type),
                id, pointer, vyi_spv_scope(e, inst->arg[0]), vyi_spv_semantics(e, inst->order),
                vyi_spv_semantics(e, inst->order & VYRE_ORDER_ACQUIRE), desired, expected);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return vyi_spv_guard_close(e, &guard, inst->type, id);
}

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_SPV_EXT 0x8000u /* the number is one of GLSL.std.450 */

/* Opcodes by vyi_binary, for u32, i32, f32, bool; 0: none, or not one. */
static const uint16_t vyi_spv_binaries[VYI_BINARY_COUNT][4] = {
    { VYI_SPV_OpIAdd, VYI_SPV_OpIAdd, VYI_SPV_OpFAdd, 0 },
    { VYI_SPV_OpISub, VYI_SPV_OpISub, VYI_SPV_OpFSub, 0 },
    { VYI_SPV_OpIMul, VYI_SPV_OpIMul, VYI_SPV_OpFMul, 0 },
    { 0, 0, VYI_SPV_OpFDiv, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitwiseAnd, VYI_SPV_OpBitwiseAnd, 0, VYI_SPV_OpLogicalAnd },
    { VYI_SPV_OpBitwiseOr, VYI_SPV_OpBitwiseOr, 0, VYI_SPV_OpLogicalOr },
    { VYI_SPV_OpBitwiseXor, VYI_SPV_OpBitwiseXor, 0, VYI_SPV_OpLogicalNotEqual },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMin, VYI_SPV_EXT | VYI_SPV_GlslSMin,
      VYI_SPV_EXT | VYI_SPV_GlslNMin, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMax, VYI_SPV_EXT | VYI_SPV_GlslSMax,
      VYI_SPV_EXT | VYI_SPV_GlslNMax, 0 },
    { VYI_SPV_OpIEqual, VYI_SPV_OpIEqual, VYI_SPV_OpFOrdEqual, VYI_SPV_OpLogicalEqual },
    { VYI_SPV_OpINotEqual, VYI_SPV_OpINotEqual, VYI_SPV_OpFUnordNotEqual,
      VYI_SPV_OpLogicalNotEqual },
    { VYI_SPV_OpULessThan, VYI_SPV_OpSLessThan, VYI_SPV_OpFOrdLessThan, 0 },
    { VYI_SPV_OpULessThanEqual, VYI_SPV_OpSLessThanEqual, VYI_SPV_OpFOrdLessThanEqual, 0 },
    { VYI_SPV_OpUGreaterThan, VYI_SPV_OpSGreaterThan, VYI_SPV_OpFOrdGreaterThan, 0 },
    { VYI_SPV_OpUGreaterThanEqual, VYI_SPV_OpSGreaterThanEqual, VYI_SPV_OpFOrdGreaterThanEqual, 0 }
};
VYI_STATIC_ASSERT(spv_binaries, VYI_BINARY_COUNT == 21 && VYI_BINARY_GE == 20 &&
                                    VYI_BINARY_MIN == 13 && VYI_BINARY_AND == 6);

static uint32_t vyi_spv_is_zero(vyi_spv *e, uint32_t type, uint32_t a)
{
    return vyi_spv_binary(e, VYI_SPV_OpIEqual, VYRE_TYPE_BOOL, a, vyi_spv_const(e, type, 0));
}

/* The divisor, but 1 where dividing would be undefined: by zero, and MIN / -1.
 * Both leave the dividend, whose remainder is 0. */
static uint32_t vyi_spv_divisor(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    uint32_t bits;
    if (vyi_spv_literal(e, inst->arg[1], &bits) && bits &&
        (type == VYRE_TYPE_U32 || bits != 0xffffffffu))
        return b;
    uint32_t bad = vyi_spv_is_zero(e, type, b);
    if (type == VYRE_TYPE_I32) {
        const uint32_t least = vyi_spv_binary(e, VYI_SPV_OpIEqual, VYRE_TYPE_BOOL, a,
                                              vyi_spv_const(e, type, 0x80000000u));
        const uint32_t minus = vyi_spv_binary(e, VYI_SPV_OpIEqual, VYRE_TYPE_BOOL, b,
                                              vyi_spv_const(e, type, 0xffffffffu));
        bad = vyi_spv_binary(e, VYI_SPV_OpLogicalOr, VYRE_TYPE_BOOL, bad,
                             vyi_spv_binary(e, VYI_SPV_OpLogicalAnd, VYRE_TYPE_BOOL, least,
                                            minus));
    }
    return vyi_spv_select(e, type, bad, vyi_spv_const(e, type, 1), b);
}

static uint32_t vyi_spv_div(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    const uint32_t quotient = vyi_spv_binary(
        e, type == VYRE_TYPE_I32 ? VYI_SPV_OpSDiv : VYI_SPV_OpUDiv, type, a, divisor);
    uint32_t bits;
    if (vyi_spv_literal(e, inst->arg[1], &bits) && bits)
        return quotient;
    return vyi_spv_select(e, type, vyi_spv_is_zero(e, type, b),
                          vyi_spv_const(e, type, 0xffffffffu), quotient);
}

/* Signed: a - a / b * b, as Vulkan leaves OpSRem undefined for negative operands. */
static uint32_t vyi_spv_rem(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type, a = vyi_spv_value(e, inst->arg[0]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    if (type == VYRE_TYPE_U32)
        return vyi_spv_binary(e, VYI_SPV_OpUMod, type, a, divisor);
    const uint32_t quotient = vyi_spv_binary(e, VYI_SPV_OpSDiv, type, a, divisor);
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, a,
                          vyi_spv_binary(e, VYI_SPV_OpIMul, type, quotient, divisor));
}

static uint32_t vyi_spv_mul_high(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t pair = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 2, u32, u32);
    const uint32_t product = vyi_spv_pure(e, VYI_SPV_OpUMulExtended, pair, 2,
                                          vyi_spv_value(e, inst->arg[0]),
                                          vyi_spv_value(e, inst->arg[1]));
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, product, 1u);
}

/* A shift amount's low five bits. */
static uint32_t vyi_spv_amount(vyi_spv *e, uint32_t value)
{
    uint32_t bits;
    if (vyi_spv_literal(e, value, &bits))
        return vyi_spv_u32(e, bits & 31u);
    if (vyi_spv_limit(e, value, VYI_SPV_DEPTH) < 32)
        return vyi_spv_value(e, value);
    return vyi_spv_binary(e, VYI_SPV_OpBitwiseAnd, VYRE_TYPE_U32, vyi_spv_value(e, value),
                          vyi_spv_u32(e, 31));
}

static uint32_t vyi_spv_shift(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t right = inst->type == VYRE_TYPE_I32 ? VYI_SPV_OpShiftRightArithmetic
                                                       : VYI_SPV_OpShiftRightLogical;
    return vyi_spv_binary(e, inst->sub == VYI_BINARY_SHL ? VYI_SPV_OpShiftLeftLogical : right,
                          inst->type, vyi_spv_value(e, inst->arg[0]),
                          vyi_spv_amount(e, inst->arg[1]));
}

/* Two shifts: by n, and by 32 - n the other way, modulo 32. */
static uint32_t vyi_spv_rotate(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    const bool left = inst->sub == VYI_BINARY_ROTL;
    uint32_t back, bits, amount = vyi_spv_amount(e, inst->arg[1]);
    if (vyi_spv_literal(e, inst->arg[1], &bits))
        back = vyi_spv_u32(e, (0u - bits) & 31u);
    else
        back = vyi_spv_binary(e, VYI_SPV_OpBitwiseAnd, VYRE_TYPE_U32,
                              vyi_spv_unary(e, VYI_SPV_OpSNegate, VYRE_TYPE_U32, amount),
                              vyi_spv_u32(e, 31));
    const uint32_t up = vyi_spv_binary(e, VYI_SPV_OpShiftLeftLogical, VYRE_TYPE_U32, a,
                                       left ? amount : back);
    const uint32_t down = vyi_spv_binary(e, VYI_SPV_OpShiftRightLogical, VYRE_TYPE_U32, a,
                                         left ? back : amount);
    return vyi_spv_binary(e, VYI_SPV_OpBitwiseOr, VYRE_TYPE_U32, up, down);
}

static uint32_t vyi_spv_binary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_binaries[inst->sub][type - VYRE_TYPE_U32];
    if (!op) {
        switch (inst->sub) {
        case VYI_BINARY_DIV: return vyi_spv_div(e, inst);
        case VYI_BINARY_REM: return vyi_spv_rem(e, inst);
        case VYI_BINARY_MUL_HIGH: return vyi_spv_mul_high(e, inst);
        case VYI_BINARY_SHL: case VYI_BINARY_SHR: return vyi_spv_shift(e, inst);
        default: return vyi_spv_rotate(e, inst);
        }
    }
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext2(e, inst->type, op & ~VYI_SPV_EXT, a, b);
    return vyi_spv_binary(e, op, inst->type, a, b);
}

/* Opcodes by vyi_unary, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_unaries[VYI_UNARY_COUNT][4] = {
    { VYI_SPV_OpSNegate, VYI_SPV_OpSNegate, VYI_SPV_OpFNegate, 0 },
    { VYI_SPV_OpNot, VYI_SPV_OpNot, 0, VYI_SPV_OpLogicalNot },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSAbs, VYI_SPV_EXT | VYI_SPV_GlslFAbs, 0 },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSSign, VYI_SPV_EXT | VYI_SPV_GlslFSign, 0 },
    { VYI_SPV_OpBitCount, VYI_SPV_OpBitCount, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitReverse, VYI_SPV_OpBitReverse, 0, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslInverseSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslFloor, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCeil, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslRoundEven, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTrunc, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSin, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCos, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTan, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp2, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog2, 0 },
    { 0, 0, VYI_SPV_OpIsNan, 0 },
    { 0, 0, VYI_SPV_OpIsInf, 0 }
};
VYI_STATIC_ASSERT(spv_unaries, VYI_UNARY_COUNT == 23 && VYI_UNARY_IS_INF == 22 &&
                                   VYI_UNARY_SQRT == 8 && VYI_UNARY_EXP2 == 18);

/* 31 minus the highest set bit, which is -1 for 0. */
static uint32_t vyi_spv_clz(vyi_spv *e, uint32_t type, uint32_t a)
{
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, vyi_spv_const(e, type, 31),
                          vyi_spv_ext1(e, type, VYI_SPV_GlslFindUMsb, a));
}

/* The lowest set bit, which is -1 for 0: as u32 more than 32. */
static uint32_t vyi_spv_ctz(vyi_spv *e, uint32_t type, uint32_t a)
{
    return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, vyi_spv_ext1(e, type, VYI_SPV_GlslFindILsb, a),
                        vyi_spv_const(e, type, 32));
}

static uint32_t vyi_spv_unary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_unaries[inst->sub][type - VYRE_TYPE_U32];
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext1(e, inst->type, op & ~VYI_SPV_EXT, a);
    if (op)
        return vyi_spv_unary(e, op, inst->type, a);
    switch (inst->sub) {
    case VYI_UNARY_CLZ: return vyi_spv_clz(e, type, a);
    case VYI_UNARY_CTZ: return vyi_spv_ctz(e, type, a);
    case VYI_UNARY_SIGN:
        return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, a, vyi_spv_u32(e, 1));
    default: return a; /* ABS of u32 */
    }
}

static uint32_t vyi_spv_fma(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t operands[3];
    for (uint32_t i = 0; i < 3; i++)
        operands[i] = vyi_spv_value(e, inst->arg[i]);
    return vyi_spv_ext(e, vyi_spv_type(e, VYRE_TYPE_F32), VYI_SPV_GlslFma, 3, operands);
}

#define VYI_SPV_F32_2_31     0x4f000000u /* 2147483648.0 */
#define VYI_SPV_F32_2_32     0x4f800000u /* 4294967296.0 */
#define VYI_SPV_F32_MIN_I32  0xcf000000u /* -2147483648.0 */
#define VYI_SPV_F32_MAX_I32  0x4effffffu /* the f32 below 2^31 */
#define VYI_SPV_F32_MAX_U32  0x4f7fffffu /* the f32 below 2^32 */

/* The conversion itself is undefined out of range, so it sees clamped numbers. */
static uint32_t vyi_spv_float_to_int(vyi_spv *e, uint32_t type, uint32_t a)
{
    const bool is_signed = type == VYRE_TYPE_I32;
    uint32_t operands[3];
    operands[0] = a;
    operands[1] = vyi_spv_const(e, VYRE_TYPE_F32, is_signed ? VYI_SPV_F32_MIN_I32 : 0u);
    operands[2] = vyi_spv_const(e, VYRE_TYPE_F32,
                                is_signed ? VYI_SPV_F32_MAX_I32 : VYI_SPV_F32_MAX_U32);
    const uint32_t clamped = vyi_spv_ext(e, vyi_spv_type(e, VYRE_TYPE_F32), VYI_SPV_GlslNClamp, 3,
                                         operands);
    const uint32_t converted = vyi_spv_unary(
        e, is_signed ? VYI_SPV_OpConvertFToS : VYI_SPV_OpConvertFToU, type, clamped);
    const uint32_t over = vyi_spv_binary(
        e, VYI_SPV_OpFOrdGreaterThanEqual, VYRE_TYPE_BOOL, a,
        vyi_spv_const(e, VYRE_TYPE_F32, is_signed ? VYI_SPV_F32_2_31 : VYI_SPV_F32_2_32));
    const uint32_t most = vyi_spv_const(e, type, is_signed ? 0x7fffffffu : 0xffffffffu);
    const uint32_t nan = vyi_spv_unary(e, VYI_SPV_OpIsNan, VYRE_TYPE_BOOL, a);
    return vyi_spv_select(e, type, nan, vyi_spv_const(e, type, 0),
                          vyi_spv_select(e, type, over, most, converted));
}

static uint32_t vyi_spv_from_bool(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t one = type == VYRE_TYPE_F32 ? 0x3f800000u : 1u;
    return vyi_spv_select(e, type, a, vyi_spv_const(e, type, one), vyi_spv_const(e, type, 0));
}

static uint32_t vyi_spv_cast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_definition(e->p, inst->arg[0])->type, to = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (from == to)
        return a;
    if (from == VYRE_TYPE_BOOL)
        return vyi_spv_from_bool(e, to, a);
    if (to == VYRE_TYPE_BOOL)
        return vyi_spv_binary(e, from == VYRE_TYPE_F32 ? VYI_SPV_OpFUnordNotEqual
                                                       : VYI_SPV_OpINotEqual,
                              to, a, vyi_spv_const(e, from, 0));
    if (from == VYRE_TYPE_F32)
        return vyi_spv_float_to_int(e, to, a);
    if (to == VYRE_TYPE_F32)
        return vyi_spv_unary(e, from == VYRE_TYPE_I32 ? VYI_SPV_OpConvertSToF
                                                      : VYI_SPV_OpConvertUToF, to, a);
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, to, a);
}

static uint32_t vyi_spv_bitcast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (vyi_definition(e->p, inst->arg[0])->type == inst->type)
        return a;
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, inst->type, a);
}

/* --- subgroups ----------------------------------------------------------- */

/* A value that depends on which lanes are here: never shared. */
static uint32_t vyi_spv_group(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t count = 3u + (a ? 1u : 0u) + (b ? 1u : 0u);
    vyi_spv_put(e, VYI_SPV_BODY, op, count, type, id, vyi_spv_u32(e, VYI_SPV_ScopeSubgroup), a, b);
    return id;
}

static uint32_t vyi_spv_ballot(vyi_spv *e, uint32_t cond)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t mask = vyi_spv_group(e, VYI_SPV_OpGroupNonUniformBallot,
                                        vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 4u),
                                        cond, 0);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, mask, 0u);
}

/* By vyre_reduce_op, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_reductions[VYRE_REDUCE_OP_COUNT][4] = {
    { VYI_SPV_OpGroupNonUniformIAdd, VYI_SPV_OpGroupNonUniformIAdd,
      VYI_SPV_OpGroupNonUniformFAdd, 0 },
    { VYI_SPV_OpGroupNonUniformUMin, VYI_SPV_OpGroupNonUniformSMin,
      VYI_SPV_OpGroupNonUniformFMin, 0 },
    { VYI_SPV_OpGroupNonUniformUMax, VYI_SPV_OpGroupNonUniformSMax,
      VYI_SPV_OpGroupNonUniformFMax, 0 },
    { VYI_SPV_OpGroupNonUniformBitwiseAnd, VYI_SPV_OpGroupNonUniformBitwiseAnd, 0,
      VYI_SPV_OpGroupNonUniformLogicalAnd },
    { VYI_SPV_OpGroupNonUniformBitwiseOr, VYI_SPV_OpGroupNonUniformBitwiseOr, 0,
      VYI_SPV_OpGroupNonUniformLogicalOr },
    { VYI_SPV_OpGroupNonUniformBitwiseXor, VYI_SPV_OpGroupNonUniformBitwiseXor, 0,
      VYI_SPV_OpGroupNonUniformLogicalXor }
};

static uint32_t vyi_spv_reduce(vyi_spv *e, const vyi_inst *inst, uint32_t a)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_reductions[inst->sub][inst->type - VYRE_TYPE_U32], 5,
                vyi_spv_type(e, inst->type), id, vyi_spv_u32(e, VYI_SPV_ScopeSubgroup),
                VYI_SPV_GroupOperationReduce, a);
    return id;
}

static uint32_t vyi_spv_subgroup(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_spv_type(e, inst->type);
    const uint32_t a = inst->op == VYI_OP_ELECT ? 0 : vyi_spv_value(e, inst->arg[0]);
    switch (inst->op) {
    case VYI_OP_ELECT:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
        return vyi_spv_group(e, VYI_SPV_OpGroupNonUniformElect, type, 0, 0);
    case VYI_OP_ANY:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_VOTE);
        return vyi_spv_group(e, VYI_SPV_OpGroupNonUniformAny, type, a, 0);
    case VYI_OP_ALL:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_VOTE);
        return vyi_spv_group(e, VYI_SPV_OpGroupNonUniformAll, type, a, 0);
    case VYI_OP_BALLOT:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BALLOT);
        return vyi_spv_ballot(e, a);
    case VYI_OP_BROADCAST_FIRST:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BALLOT);
        return vyi_spv_group(e, VYI_SPV_OpGroupNonUniformBroadcastFirst, type, a, 0);
    case VYI_OP_SHUFFLE:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_SHUFFLE);
        return vyi_spv_group(e, VYI_SPV_OpGroupNonUniformShuffle, type, a,
                             vyi_spv_value(e, inst->arg[1]));
    default:
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_ARITHMETIC);
        return vyi_spv_reduce(e, inst, a);
    }
}

/* --- locals -------------------------------------------------------------- */

static uint32_t vyi_spv_local_type(const vyi_spv *e, uint32_t local)
{
    if (local == e->cut)
        return VYRE_TYPE_BOOL;
    return local > e->p->local_count ? (uint32_t)VYRE_TYPE_U32 : e->p->locals[local - 1].type;
}

static void vyi_spv_name_local(vyi_spv *e, uint32_t id, uint32_t local)
{
    if (local <= e->p->local_count)
        vyi_spv_name(e, id, e->p->locals[local - 1].name);
}

static const uint32_t *vyi_spv_touched(const vyi_spv *e, const vyi_spv_frame *f)
{
    return e->stack.at + f->touched;
}

/* Whether anything reads the local after `end`, or in the next iteration of a
 * loop that is open now and in which it lives on. */
static bool vyi_spv_live(const vyi_spv *e, uint32_t local, uint32_t end)
{
    const uint32_t last = e->last_get[local];
    const bool own = local <= e->p->local_count;
    if (last > end)
        return true;
    for (uint32_t i = 0; i < e->depth; i++) {
        const uint32_t opener = e->frames[i].opener;
        if (e->frames[i].next && last >= opener &&
            (!own || e->p->locals[local - 1].declared < opener))
            return true;
    }
    return false;
}

static void vyi_spv_touch(vyi_spv *e, vyi_spv_frame *f, uint32_t local, uint32_t end)
{
    if (e->marks[local] == e->mark)
        return;
    e->marks[local] = e->mark;
    if (local <= e->p->local_count && e->p->locals[local - 1].declared > f->opener)
        return;
    if (!vyi_spv_live(e, local, end))
        return;
    uint32_t *word = vyi_spv_room(e, &e->stack, 1);
    if (word) {
        *word = local;
        f->touched_count++;
    }
}

/* Lists the locals that the block may set and that matter after it. */
static void vyi_spv_touch_all(vyi_spv *e, vyi_spv_frame *f, uint32_t end)
{
    f->touched = e->stack.count;
    e->mark++;
    for (uint32_t i = f->opener; i < end; i++) {
        const vyi_inst *inst = &e->p->insts[i];
        if (inst->op == VYI_OP_SET)
            vyi_spv_touch(e, f, inst->arg[0], end);
        if (!e->desc.loop_limit)
            continue;
        if (inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER) {
            vyi_spv_touch(e, f, e->spent, end);
            vyi_spv_touch(e, f, e->cut, end);
        } else if (inst->op == VYI_OP_LOOP_ALLOW) {
            vyi_spv_touch(e, f, e->allowed, end);
            vyi_spv_touch(e, f, e->cut, end);
        }
    }
}

/* Records a branch from the current block: its label and the locals' values.
 * Edges form a list: link, label, values. */
static void vyi_spv_edge(vyi_spv *e, const vyi_spv_frame *f, uint32_t *list)
{
    const uint32_t at = e->edges.count;
    uint32_t *words = vyi_spv_room(e, &e->edges, 2 + f->touched_count);
    if (!words)
        return;
    words[0] = *list;
    words[1] = e->block;
    for (uint32_t i = 0; i < f->touched_count; i++)
        words[2 + i] = e->current[vyi_spv_touched(e, f)[i]];
    *list = at + 1;
}

/* Value i of the edges: the one that they all carry, or a phi. */
static uint32_t vyi_spv_join_one(vyi_spv *e, uint32_t list, uint32_t i, uint32_t type)
{
    const uint32_t first = e->edges.at[list - 1 + 2 + i];
    uint32_t count = 0;
    bool same = true;
    for (uint32_t at = list; at; at = e->edges.at[at - 1]) {
        same = same && e->edges.at[at - 1 + 2 + i] == first;
        count++;
    }
    if (same)
        return first;
    const uint32_t id = vyi_spv_id(e), type_id = vyi_spv_type(e, type);
    uint32_t *words = vyi_spv_room(e, &e->section[VYI_SPV_BODY], 3 + 2 * count);
    if (!words)
        return id;
    *words++ = ((3 + 2 * count) << 16) | (uint32_t)VYI_SPV_OpPhi;
    *words++ = type_id;
    *words++ = id;
    for (uint32_t at = list; at; at = e->edges.at[at - 1]) {
        *words++ = e->edges.at[at - 1 + 2 + i];
        *words++ = e->edges.at[at - 1 + 1];
    }
    return id;
}

/* The locals' values where the edges meet: in the block that has just begun. */
static void vyi_spv_join(vyi_spv *e, const vyi_spv_frame *f, uint32_t list)
{
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        const uint32_t before = e->next_id;
        e->current[local] = vyi_spv_join_one(e, list, i, vyi_spv_local_type(e, local));
        if (e->current[local] >= before)
            vyi_spv_name_local(e, e->current[local], local);
    }
}

/* --- blocks -------------------------------------------------------------- */

static uint32_t vyi_spv_end_of(const vyre_program *p, uint32_t opener)
{
    uint32_t i = opener;
    while (p->insts[i].op != VYI_OP_END)
        i = p->insts[i].link;
    return i;
}

static vyi_spv_frame *vyi_spv_push(vyi_spv *e, uint32_t opener, bool loop)
{
    vyi_spv_frame *f = &e->frames[e->depth];
    memset(f, 0, sizeof *f);
    f->opener = opener;
    f->merge = vyi_spv_id(e);
    f->next = loop ? vyi_spv_id(e) : 0;
    f->values = e->values.count;
    f->facts = e->fact_count;
    e->depth++;
    vyi_spv_touch_all(e, f, vyi_spv_end_of(e->p, opener));
    return f;
}

/* Back to what was known when the block opened. */
static void vyi_spv_unlearn(vyi_spv *e, const vyi_spv_frame *f)
{
    vyi_spv_forget(&e->values, f->values);
    e->fact_count = f->facts;
}

/* Ends the current arm, if it has not ended itself. */
static void vyi_spv_leave_arm(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch(e, f->merge);
    }
    vyi_spv_unlearn(e, f);
}

/* The block's end: what comes next is reached by its edges, or not at all. */
static void vyi_spv_close(vyi_spv *e, vyi_spv_frame *f)
{
    vyi_spv_label(e, f->merge);
    if (f->merge_edges) {
        vyi_spv_join(e, f, f->merge_edges);
    } else {
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpUnreachable, 0);
        e->left = true;
    }
    e->stack.count = f->touched;
    e->depth--;
}

/* The locals' values at the opener, kept behind the list of them, for the
 * arms to start from. */
static void vyi_spv_save(vyi_spv *e, const vyi_spv_frame *f)
{
    uint32_t *words = vyi_spv_room(e, &e->stack, f->touched_count);
    for (uint32_t i = 0; words && i < f->touched_count; i++)
        words[i] = e->current[vyi_spv_touched(e, f)[i]];
}

static void vyi_spv_restore(vyi_spv *e, const vyi_spv_frame *f)
{
    const uint32_t *touched = vyi_spv_touched(e, f);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++)
        e->current[touched[i]] = touched[f->touched_count + i];
}

static void vyi_spv_if(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t cond = vyi_spv_value(e, inst->arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    const uint32_t then_label = vyi_spv_id(e);
    f->has_else = e->p->insts[inst->link].op == VYI_OP_ELSE;
    f->arm = f->has_else ? vyi_spv_id(e) : f->merge;
    vyi_spv_save(e, f);
    if (!f->has_else)
        vyi_spv_edge(e, f, &f->merge_edges);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    vyi_spv_branch_if(e, cond, then_label, f->arm);
    vyi_spv_label(e, then_label);
    vyi_spv_learn(e, inst->arg[0], true);
}

static void vyi_spv_else(vyi_spv *e, vyi_spv_frame *f)
{
    f->then_left = e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm);
    vyi_spv_learn(e, e->p->insts[f->opener].arg[0], false);
}

/* After an if of which one arm never arrives here, the other one's condition
 * holds. */
static void vyi_spv_end_if(vyi_spv *e, vyi_spv_frame *f)
{
    const uint32_t cond = e->p->insts[f->opener].arg[0];
    const bool else_left = f->has_else && e->left;
    const bool then_left = f->has_else ? f->then_left : e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_close(e, f);
    if (then_left != else_left)
        vyi_spv_learn(e, cond, else_left);
}

static void vyi_spv_switch(vyi_spv *e, uint32_t index)
{
    const vyre_program *p = e->p;
    const uint32_t selector = vyi_spv_value(e, p->insts[index].arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    uint32_t arms = 0, cases = 0, fallback = f->merge;
    for (uint32_t i = p->insts[index].link; p->insts[i].op != VYI_OP_END; i = p->insts[i].link) {
        cases += p->insts[i].op == VYI_OP_CASE;
        arms++;
    }
    f->arm = e->next_id;
    e->next_id += arms;
    arms = 0;
    vyi_spv_save(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    uint32_t *words = vyi_spv_room(e, &e->section[VYI_SPV_BODY], 3 + 2 * cases);
    if (!words)
        return;
    words[0] = ((3 + 2 * cases) << 16) | (uint32_t)VYI_SPV_OpSwitch;
    words[1] = selector;
    cases = 0;
    for (uint32_t i = p->insts[index].link; p->insts[i].op != VYI_OP_END; i = p->insts[i].link) {
        if (p->insts[i].op == VYI_OP_CASE) {
            words[3 + 2 * cases] = p->insts[i].arg[0];
            words[4 + 2 * cases++] = f->arm + arms;
        } else {
            fallback = f->arm + arms;
        }
        arms++;
    }
    words[2] = fallback;
    if (fallback == f->merge)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->left = true;
}

static void vyi_spv_case(vyi_spv *e, vyi_spv_frame *f)
{
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm++);
}

/* --- loops --------------------------------------------------------------- */

/* A phi of a loop header; its third value is filled in when the loop ends. */
static uint32_t vyi_spv_header_phi(vyi_spv *e, const vyi_spv_frame *f, uint32_t before,
                                   uint32_t type, uint32_t initial)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, type), id, initial, before, 0u,
                f->next);
    return id;
}

static void vyi_spv_header_phis(vyi_spv *e, vyi_spv_frame *f, uint32_t before)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    uint32_t from = 0;
    if (inst->op == VYI_OP_LOOP)
        from = vyi_spv_value(e, inst->arg[0]);
    f->phis = e->section[VYI_SPV_BODY].count;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        e->current[local] = vyi_spv_header_phi(e, f, before, vyi_spv_local_type(e, local),
                                               e->current[local]);
        vyi_spv_name_local(e, e->current[local], local);
    }
    if (inst->op == VYI_OP_LOOP)
        f->counter = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, from);
    if (inst->op == VYI_OP_FOREVER && inst->sub && e->desc.rounds)
        f->rounds_left = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, e->rounds_start);
}

/* Whether the next iteration begins; 0: always.  An iteration that only the
 * limit forbids sets the cut. */
static uint32_t vyi_spv_loop_condition(vyi_spv *e, vyi_spv_frame *f)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    uint32_t cond = 0;
    if (inst->op == VYI_OP_LOOP)
        cond = vyi_spv_binary(e, VYI_SPV_OpULessThan, VYRE_TYPE_BOOL, f->counter,
                              vyi_spv_value(e, inst->arg[1]));
    const uint32_t cut = e->current[e->cut];
    if (e->desc.loop_limit) {
        const uint32_t wanted = cond ? cond : vyi_spv_const(e, VYRE_TYPE_BOOL, 1);
        uint32_t allowed = vyi_spv_binary(e, VYI_SPV_OpULessThan, VYRE_TYPE_BOOL,
                                          e->current[e->spent], e->current[e->allowed]);
        if (e->trips) {
            f->trips = vyi_spv_trips(e);
            allowed = vyi_spv_binary(e, VYI_SPV_OpLogicalAnd, VYRE_TYPE_BOOL, allowed,
                                     vyi_spv_binary(e, VYI_SPV_OpULessThan, VYRE_TYPE_BOOL,
                                                    f->trips, vyi_spv_u32(e, e->desc.loop_limit)));
        }
        cond = cond ? vyi_spv_binary(e, VYI_SPV_OpLogicalAnd, VYRE_TYPE_BOOL, cond, allowed)
                    : allowed;
        if (e->last_get[e->cut])
            e->current[e->cut] = vyi_spv_binary(e, VYI_SPV_OpLogicalOr, VYRE_TYPE_BOOL, cut,
                                                wanted);
    }
    if (cond)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->current[e->cut] = cut;
    return cond;
}

static void vyi_spv_loop(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t before = e->block, body = vyi_spv_id(e);
    vyi_spv_frame *f = vyi_spv_push(e, index, true);
    f->header = vyi_spv_id(e);
    vyi_spv_branch(e, f->header);
    vyi_spv_label(e, f->header);
    vyi_spv_header_phis(e, f, before);
    const uint32_t cond = vyi_spv_loop_condition(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, f->merge, f->next, 0u);
    if (cond)
        vyi_spv_branch_if(e, cond, body, f->merge);
    else
        vyi_spv_branch(e, body);
    vyi_spv_label(e, body);
    if (e->desc.loop_limit)
        e->current[e->spent] = vyi_spv_binary(e, VYI_SPV_OpIAdd, VYRE_TYPE_U32,
                                              e->current[e->spent], vyi_spv_u32(e, 1));
    if (e->trips)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips,
                    vyi_spv_binary(e, VYI_SPV_OpIAdd, VYRE_TYPE_U32, f->trips,
                                   vyi_spv_u32(e, 1)));
    if (inst->op == VYI_OP_LOOP) {
        e->ids[index + 1] = f->counter;
        vyi_spv_add_fact(e, index + 1, inst->arg[1], true);
    }
}

/* Gives the header's phis their values of the next iteration. */
static void vyi_spv_patch_phis(vyi_spv *e, const vyi_spv_frame *f, uint32_t counter,
                               uint32_t rounds_left)
{
    if (e->failed)
        return;
    uint32_t *word = e->section[VYI_SPV_BODY].at + f->phis + 5;
    for (uint32_t i = 0; i < f->touched_count; i++, word += 7)
        *word = e->current[vyi_spv_touched(e, f)[i]];
    if (counter) {
        *word = counter;
        word += 7;
    }
    if (rounds_left)
        *word = rounds_left;
}

/* The continue block.  When nothing continues it is unreachable, and the phis
 * keep their own values there. */
static void vyi_spv_next(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->next_edges);
        vyi_spv_branch(e, f->next);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_label(e, f->next);
    if (f->next_edges)
        vyi_spv_join(e, f, f->next_edges);
    else
        for (uint32_t i = 0; i < f->touched_count && !e->failed; i++)
            e->current[vyi_spv_touched(e, f)[i]] =
                e->section[VYI_SPV_BODY].at[f->phis + 7 * i + 2];
}

static void vyi_spv_end_loop(vyi_spv *e, vyi_spv_frame *f)
{
    uint32_t counter = 0, rounds_left = 0;
    vyi_spv_next(e, f);
    if (f->counter)
        counter = vyi_spv_binary(e, VYI_SPV_OpIAdd, VYRE_TYPE_U32, f->counter, vyi_spv_u32(e, 1));
    if (f->rounds_left)
        rounds_left = vyi_spv_binary(e, VYI_SPV_OpISub, VYRE_TYPE_U32, f->rounds_left,
                                     e->rounds_step);
    vyi_spv_patch_phis(e, f, counter, rounds_left);
    if (rounds_left && f->next_edges) {
        const uint32_t more = vyi_spv_binary(e, VYI_SPV_OpINotEqual, VYRE_TYPE_BOOL, rounds_left,
                                             vyi_spv_u32(e, 0));
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch_if(e, more, f->header, f->merge);
    } else {
        vyi_spv_branch(e, f->header);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_close(e, f);
}

/* BREAK and CONTINUE. */
static void vyi_spv_jump(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t depth = e->depth - 1;
    while (e->frames[depth].opener != inst->link)
        depth--;
    vyi_spv_frame *f = &e->frames[depth];
    const bool leave = inst->op == VYI_OP_BREAK;
    vyi_spv_edge(e, f, leave ? &f->merge_edges : &f->next_edges);
    vyi_spv_branch(e, leave ? f->merge : f->next);
}

/* allowed = spent + min(n, limit - spent), which cannot wrap. */
static void vyi_spv_loop_allow(vyi_spv *e, const vyi_inst *inst)
{
    if (!e->desc.loop_limit)
        return;
    const uint32_t left = vyi_spv_builtin(e, VYRE_BUILTIN_LOOP_LEFT);
    const uint32_t more = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin,
                                       vyi_spv_value(e, inst->arg[0]), left);
    e->current[e->allowed] = vyi_spv_binary(e, VYI_SPV_OpIAdd, VYRE_TYPE_U32,
                                            e->current[e->spent], more);
    e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
}

/* A word for each subgroup, which its lanes read and write in step: true on
 * llvmpipe, where a subgroup is one vector. */
static void vyi_spv_count_trips(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t storage = VYI_SPV_StorageClassWorkgroup;
    const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, u32,
                                           vyi_spv_u32(e, VYRE_MAX_WORKGROUP / 4));
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, u32);
    const uint32_t variable = vyi_spv_variable(e, storage, array);
    const uint32_t index = vyi_spv_binary(e, VYI_SPV_OpUDiv, VYRE_TYPE_U32,
                                          vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX),
                                          vyi_spv_builtin(e, VYRE_BUILTIN_SUBGROUP_SIZE));
    e->trips = vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips, vyi_spv_u32(e, 0));
}

/* --- workgroup arrays ---------------------------------------------------- */

static uint32_t vyi_spv_lanes(vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, size[0] * size[1] * size[2]);
    return vyi_spv_binary(e, VYI_SPV_OpIMul, VYRE_TYPE_U32,
                          vyi_spv_binary(e, VYI_SPV_OpIMul, VYRE_TYPE_U32, e->group_size[0],
                                         e->group_size[1]),
                          e->group_size[2]);
}

/* for (i = local_index; i < count; i += lanes) array[i] = 0 */
static void vyi_spv_clear_array(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t first = vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX), lanes = vyi_spv_lanes(e);
    const uint32_t zero = vyi_spv_const(e, vyi_spv_memory_type(b->type), 0);
    const uint32_t header = vyi_spv_id(e), body = vyi_spv_id(e), next = vyi_spv_id(e);
    const uint32_t merge = vyi_spv_id(e), index = vyi_spv_id(e), step = vyi_spv_id(e);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), before = e->block;
    const uint32_t values = e->values.count;
    vyi_spv_branch(e, header);
    vyi_spv_label(e, header);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, u32, index, first, before, step, next);
    const uint32_t cond = vyi_spv_binary(e, VYI_SPV_OpULessThan, VYRE_TYPE_BOOL, index,
                                         vyi_spv_length(e, buffer));
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, merge, next, 0u);
    vyi_spv_branch_if(e, cond, body, merge);
    vyi_spv_label(e, body);
    vyi_spv_store_to(e, vyi_spv_element(e, buffer, index), zero);
    vyi_spv_branch(e, next);
    vyi_spv_label(e, next);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpIAdd, 4, u32, step, index, lanes);
    vyi_spv_branch(e, header);
    vyi_spv_forget(&e->values, values);
    vyi_spv_label(e, merge);
}

static void vyi_spv_clear_arrays(vyi_spv *e)
{
    bool any = false;
    for (uint32_t buffer = 1; buffer <= e->p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer)) {
            vyi_spv_clear_array(e, buffer);
            any = true;
        }
    if (any) {
        const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                    vyi_spv_barrier_semantics(e, VYRE_ORDER_ACQ_REL));
    }
}

/* --- the program --------------------------------------------------------- */

static void vyi_spv_end(vyi_spv *e)
{
    vyi_spv_frame *f = &e->frames[e->depth - 1];
    switch (e->p->insts[f->opener].op) {
    case VYI_OP_IF: vyi_spv_end_if(e, f); break;
    case VYI_OP_SWITCH:
        vyi_spv_leave_arm(e, f);
        vyi_spv_close(e, f);
        break;
    default: vyi_spv_end_loop(e, f); break;
    }
}

/* An instruction without a value. */
static void vyi_spv_effect(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    switch (inst->op) {
    case VYI_OP_STORE: vyi_spv_store(e, inst); break;
    case VYI_OP_ATOMIC_STORE: vyi_spv_atomic_store(e, inst); break;
    case VYI_OP_LOCAL: case VYI_OP_SET:
        e->current[inst->arg[0]] = vyi_spv_value(e, inst->arg[1]);
        break;
    case VYI_OP_IF: vyi_spv_if(e, index); break;
    case VYI_OP_SWITCH: vyi_spv_switch(e, index); break;
    case VYI_OP_LOOP: case VYI_OP_FOREVER: vyi_spv_loop(e, index); break;
    case VYI_OP_ELSE: vyi_spv_else(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_CASE: case VYI_OP_DEFAULT: vyi_spv_case(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_END: vyi_spv_end(e); break;
    case VYI_OP_BREAK: case VYI_OP_CONTINUE: vyi_spv_jump(e, inst); break;
    case VYI_OP_RETURN:
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
        e->left = true;
        break;
    case VYI_OP_BARRIER: vyi_spv_barrier(e, inst); break;
    case VYI_OP_LOOP_ALLOW: vyi_spv_loop_allow(e, inst); break;
    default: break; /* COMMENT */
    }
}

/* An instruction with a value: its SPIR-V id. */
static uint32_t vyi_spv_result(vyi_spv *e, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_CONST: return 0; /* vyi_spv_value makes it where it is used */
    case VYI_OP_BUILTIN: return vyi_spv_builtin(e, inst->sub);
    case VYI_OP_LENGTH: return vyi_spv_length(e, inst->arg[0]);
    case VYI_OP_LOAD: return vyi_spv_load(e, inst);
    case VYI_OP_ATOMIC: return vyi_spv_atomic(e, inst);
    case VYI_OP_ATOMIC_CAS: return vyi_spv_atomic_cas(e, inst);
    case VYI_OP_ATOMIC_LOAD: return vyi_spv_atomic_load(e, inst);
    case VYI_OP_BINARY: return vyi_spv_binary_inst(e, inst);
    case VYI_OP_UNARY: return vyi_spv_unary_inst(e, inst);
    case VYI_OP_FMA: return vyi_spv_fma(e, inst);
    case VYI_OP_SELECT:
        return vyi_spv_select(e, inst->type, vyi_spv_value(e, inst->arg[0]),
                              vyi_spv_value(e, inst->arg[1]), vyi_spv_value(e, inst->arg[2]));
    case VYI_OP_CAST: return vyi_spv_cast(e, inst);
    case VYI_OP_BITCAST: return vyi_spv_bitcast(e, inst);
    case VYI_OP_GET: return e->current[inst->arg[0]];
    default: return vyi_spv_subgroup(e, inst);
    }
}

/* Instructions without effect that nobody uses are left out. */
static void vyi_spv_walk(vyi_spv *e)
{
    const vyre_program *p = e->p;
    for (uint32_t i = 0; i < p->count && !e->failed; i++) {
        const vyi_inst *inst = &p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        if (e->left && !(flags & VYI_OP_ARM) && inst->op != VYI_OP_END) {
            if (flags & VYI_OP_OPENS)
                i = vyi_spv_end_of(p, i);
            continue;
        }
        if ((flags & VYI_OP_VALUE) && !(flags & VYI_OP_OPENS)) {
            if (e->needed[i])
                e->ids[i + 1] = vyi_spv_result(e, inst);
        } else {
            vyi_spv_effect(e, i);
        }
    }
}

/* Marks what anything depends on, backwards, and finds each local's last use. */
static void vyi_spv_survey(vyi_spv *e)
{
    const vyre_program *p = e->p;
    for (uint32_t i = p->count; i-- > 0;) {
        const vyi_inst *inst = &p->insts[i];
        const vyi_op_info *info = vyi_op_describe(inst->op);
        const bool idle = (info->flags & VYI_OP_PURE) || inst->op == VYI_OP_GET ||
                          inst->op == VYI_OP_BUILTIN;
        if (idle && !e->needed[i])
            continue;
        e->needed[i] = 1;
        for (uint32_t k = 0; k < 4; k++)
            if ((info->values >> k) & 1u)
                e->needed[inst->arg[k] - 1] = 1;
        if (inst->op == VYI_OP_GET && !e->last_get[inst->arg[0]])
            e->last_get[inst->arg[0]] = i;
        if (inst->op == VYI_OP_BUILTIN && inst->sub == VYRE_BUILTIN_LOOP_CUT &&
            !e->last_get[e->cut])
            e->last_get[e->cut] = i;
        if (inst->op == VYI_OP_FOREVER && inst->sub)
            e->fed = true;
    }
}

static bool vyi_spv_prepare(vyi_spv *e)
{
    const vyre_program *p = e->p;
    const size_t locals = (size_t)p->local_count + 4;
    e->arena.allocator = p->allocator;
    e->ids = (uint32_t *)vyi_arena_alloc(&e->arena, ((size_t)p->count + 1) * sizeof *e->ids);
    e->needed = (uint8_t *)vyi_arena_alloc(&e->arena, (size_t)p->count + 1);
    e->buffers = (uint32_t *)vyi_arena_alloc(&e->arena, 2 * ((size_t)p->buffer_count + 1) *
                                                            sizeof *e->buffers);
    e->current = (uint32_t *)vyi_arena_alloc(&e->arena, 3 * locals * sizeof *e->current);
    if (!e->ids || !e->needed || !e->buffers || !e->current)
        return false;
    e->lengths = e->buffers + p->buffer_count + 1;
    e->last_get = e->current + locals;
    e->marks = e->last_get + locals;
    e->spent = p->local_count + 1;
    e->allowed = p->local_count + 2;
    e->cut = p->local_count + 3;
    e->last_get[e->spent] = e->last_get[e->allowed] = 0xffffffffu;
    e->globals.section = VYI_SPV_GLOBALS;
    e->values.section = VYI_SPV_BODY;
    e->next_id = VYI_SPV_MAIN + 1;
    e->memory_bits = VYI_SPV_MemorySemanticsUniformMemory;
    for (uint32_t buffer = 1; buffer <= p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer))
            e->memory_bits |= VYI_SPV_MemorySemanticsWorkgroupMemory;
    vyi_spv_room(e, &e->section[VYI_SPV_BODY], 8 * p->count);
    e->section[VYI_SPV_BODY].count = 0;
    return true;
}

/* A round loop counts from max(rounds, 1) down to 0, by 1; or, where rounds
 * is 0, by 0. */
static void vyi_spv_load_rounds(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), one = vyi_spv_u32(e, 1);
    const uint32_t block = vyi_spv_block_type(e, u32);
    const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassPushConstant, block);
    const uint32_t pointer = vyi_spv_pointer_type(e, VYI_SPV_StorageClassPushConstant, u32);
    const uint32_t at = vyi_spv_id(e);
    vyi_spv_name(e, variable, "rounds");
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpAccessChain, 4, pointer, at, variable,
                vyi_spv_u32(e, 0));
    const uint32_t rounds = vyi_spv_start_load(e, u32, at);
    e->rounds_start = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMax, rounds, one);
    e->rounds_step = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin, rounds, one);
}

static void vyi_spv_function(vyi_spv *e)
{
    const uint32_t none = vyi_spv_type(e, VYRE_TYPE_NONE);
    const uint32_t type = vyi_spv_type_of(e, VYI_SPV_OpTypeFunction, 1, none);
    e->block = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpFunction, 4, none, VYI_SPV_MAIN, 0u, type);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLabel, 1, e->block);
    vyi_spv_declare_group_size(e);
    if (e->desc.loop_limit) {
        e->current[e->spent] = vyi_spv_u32(e, 0);
        e->current[e->allowed] = vyi_spv_u32(e, e->desc.loop_limit);
        e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
        if (e->desc.unfenced)
            vyi_spv_count_trips(e);
    }
    if (e->desc.rounds && e->fed)
        vyi_spv_load_rounds(e);
    vyi_spv_clear_arrays(e);
    vyi_spv_walk(e);
    if (!e->left)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpFunctionEnd, 0);
}

static void vyi_spv_names(vyi_spv *e)
{
    const vyre_program *p = e->p;
    vyi_spv_name(e, VYI_SPV_MAIN, p->name);
    for (uint32_t i = 0; i < p->name_count && !e->failed; i++)
        if (vyi_definition(p, p->names[i].value)->op != VYI_OP_CONST && e->ids[p->names[i].value])
            vyi_spv_name(e, e->ids[p->names[i].value], p->names[i].text);
}

/* --- the module ---------------------------------------------------------- */

static void vyi_spv_put_capabilities(vyi_spv *e)
{
    static const char extension[] = "SPV_KHR_vulkan_memory_model";
    const uint32_t count = (uint32_t)sizeof extension / 4 + (sizeof extension % 4 != 0);
    if (e->vulkan_model)
        e->capabilities |= VYI_SPV_NEEDS_VULKAN_MODEL;
    vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1, VYI_SPV_CapabilityShader);
    for (uint32_t i = 0; i < VYI_SPV_OPTIONAL_CAPABILITIES; i++)
        if ((e->capabilities >> i) & 1u)
            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1,
                        (uint32_t)vyi_spv_optional_capabilities[i]);
    if (e->vulkan_model && e->desc.version < VYRE_SPIRV_1_5) {
        uint32_t *words = vyi_spv_room(e, &e->section[VYI_SPV_CAPABILITIES], 1 + count);
        if (!words)
            return;
        words[0] = ((1 + count) << 16) | (uint32_t)VYI_SPV_OpExtension;
        vyi_spv_text(words + 1, extension, count);
    }
}

static void vyi_spv_put_entry(vyi_spv *e)
{
    const vyi_spv_words *interface = &e->section[VYI_SPV_INTERFACE];
    vyi_spv_put(e, VYI_SPV_ENTRY, VYI_SPV_OpMemoryModel, 2, VYI_SPV_AddressingModelLogical,
                e->vulkan_model ? VYI_SPV_MemoryModelVulkan : VYI_SPV_MemoryModelGLSL450);
    uint32_t *words = vyi_spv_room(e, &e->section[VYI_SPV_ENTRY], 5 + interface->count);
    if (!words)
        return;
    words[0] = ((5 + interface->count) << 16) | (uint32_t)VYI_SPV_OpEntryPoint;
    words[1] = VYI_SPV_ExecutionModelGLCompute;
    words[2] = VYI_SPV_MAIN;
    vyi_spv_text(words + 3, "main", 2);
    if (interface->count)
        memcpy(words + 5, interface->at, interface->count * sizeof *words);
}

/* The header and all sections in one block. */
static bool vyi_spv_assemble(vyi_spv *e, vyre_spirv *out)
{
    size_t count = 5;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++)
        count += e->section[i].count;
    uint32_t *words = e->failed ? NULL : (uint32_t *)vyi_alloc(&e->p->allocator, 4 * count);
    if (!words)
        return false;
    out->words = words;
    out->word_count = count;
    *words++ = VYI_SPV_MAGIC;
    *words++ = e->desc.version;
    *words++ = 0; /* generator: none registered */
    *words++ = e->next_id;
    *words++ = 0;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++) {
        if (e->section[i].count)
            memcpy(words, e->section[i].at, 4 * (size_t)e->section[i].count);
        words += e->section[i].count;
    }
    return true;
}

/* The bindings, ascending. */
static bool vyi_spv_reflect(const vyre_program *p, vyre_spirv *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->buffer_count; i++)
        count += p->buffers[i].access != VYRE_ACCESS_WORKGROUP;
    if (!count)
        return true;
    out->bindings = (vyre_spirv_binding *)vyi_alloc(&p->allocator, count * sizeof *out->bindings);
    if (!out->bindings)
        return false;
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const vyi_buffer *b = &p->buffers[i];
        uint32_t at = out->binding_count;
        if (b->access == VYRE_ACCESS_WORKGROUP)
            continue;
        for (; at && out->bindings[at - 1].binding > b->binding; at--)
            out->bindings[at] = out->bindings[at - 1];
        out->bindings[at].binding = b->binding;
        out->bindings[at].access = (vyre_access)b->access;
        out->binding_count++;
    }
    return true;
}

static void vyi_spv_release(vyi_spv *e)
{
    const vyre_allocator *allocator = &e->p->allocator;
    vyi_arena_free(&e->arena);
    for (uint32_t i = 0; i < VYI_SPV_SECTIONS; i++)
        vyi_free(allocator, e->section[i].at, 4 * (size_t)e->section[i].capacity);
    vyi_free(allocator, e->stack.at, 4 * (size_t)e->stack.capacity);
    vyi_free(allocator, e->edges.at, 4 * (size_t)e->edges.capacity);
    vyi_free(allocator, e->globals.entries, e->globals.capacity * sizeof *e->globals.entries);
    vyi_free(allocator, e->values.entries, e->values.capacity * sizeof *e->values.entries);
    vyi_free(allocator, e->facts, e->fact_capacity * sizeof *e->facts);
}

static vyre_status vyi_spv_emit(vyi_spv *e, vyre_spirv *out, vyre_error *err)
{
    vyre_spirv module;
    memset(&module, 0, sizeof module);
    module.allocator = e->p->allocator;
    if (vyi_spv_prepare(e)) {
        vyi_spv_survey(e);
        vyi_spv_function(e);
        vyi_spv_names(e);
        vyi_spv_put_capabilities(e);
        vyi_spv_put_entry(e);
    } else {
        e->failed = true;
    }
    module.push_constant_size = e->rounds_start ? 4 : 0;
    module.needs_vulkan_memory_model = e->vulkan_model;
    module.subgroup_operations = e->subgroup;
    if (!vyi_spv_assemble(e, &module) || !vyi_spv_reflect(e->p, &module)) {
        vyre_spirv_free(&module);
        return vyi_fail_nomem(err, 4 * (size_t)e->section[VYI_SPV_BODY].count);
    }
    *out = module;
    return VYRE_OK;
}

static vyre_status vyi_spv_check(const vyre_program *p, const vyre_spirv_desc *desc,
                                 vyre_error *err)
{
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, p->count,
                        "call vyre_program_finish first and look at its status",
                        "program \"%s\" with %u instructions is not finished",
                        p->name ? p->name : "", (unsigned)p->count);
    if (desc->version && desc->version != VYRE_SPIRV_1_3 && desc->version != VYRE_SPIRV_1_5)
        return vyi_fail(err, VYRE_E_SPIRV_VERSION, desc->version,
                        "use VYRE_SPIRV_1_3 for Vulkan 1.1, VYRE_SPIRV_1_5 from 1.2 on",
                        "version 0x%08x is neither SPIR-V 1.3 nor 1.5", (unsigned)desc->version);
    if ((uint32_t)desc->memory_model > VYRE_MEMORY_MODEL_VULKAN)
        return vyi_fail(err, VYRE_E_SPIRV_MODEL, (uint64_t)desc->memory_model,
                        "use one of VYRE_MEMORY_MODEL_AUTO, _GLSL450, _VULKAN",
                        "memory model %u is unknown", (unsigned)desc->memory_model);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_spirv_emit(const vyre_program *p, const vyre_spirv_desc *desc,
                                     vyre_spirv *out, vyre_error *err)
{
    vyre_spirv_desc defaults;
    vyi_spv *e;
    memset(&defaults, 0, sizeof defaults);
    desc = desc ? desc : &defaults;
    if (!p || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "pass a finished program and a vyre_spirv",
                        "%s is NULL", p ? "out" : "the program");
    const vyre_status status = vyi_spv_check(p, desc, err);
    if (status < 0)
        return status;
    e = (vyi_spv *)vyi_alloc(&p->allocator, sizeof *e);
    if (!e)
        return vyi_fail_nomem(err, sizeof *e);
    memset(e, 0, sizeof *e);
    e->p = p;
    e->desc = *desc;
    e->desc.version = desc->version ? desc->version : VYRE_SPIRV_1_3;
    e->vulkan_model = desc->memory_model == VYRE_MEMORY_MODEL_VULKAN ||
                      (desc->memory_model == VYRE_MEMORY_MODEL_AUTO &&
                       e->desc.version >= VYRE_SPIRV_1_5);
    const vyre_status result = vyi_spv_emit(e, out, err);
    vyi_spv_release(e);
    vyi_free(&p->allocator, e, sizeof *e);
    return result;
}

VYRE_API void vyre_spirv_free(vyre_spirv *m)
{
    if (!m)
        return;
    vyi_free(&m->allocator, m->words, 4 * m->word_count);
    vyi_free(&m->allocator, m->bindings, m->binding_count * sizeof *m->bindings);
    memset(m, 0, sizeof *m);
}

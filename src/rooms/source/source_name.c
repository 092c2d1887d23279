/* ==========================================================================
 * source: names
 *
 * Inner before outer: variables and constants of the text, its functions, the
 * buffers, the words of the job.
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

/* --- what is declared in the text ---------------------------------------- */

static bool vyi_name_is(const vyi_source_symbol *symbol, const char *name, uint32_t length)
{
    return symbol->length == length && memcmp(symbol->name, name, length) == 0;
}

VYI_API vyi_source_symbol *vyi_source_find(vyi_source *s, const char *name, uint32_t length)
{
    const uint32_t floor = s->frame->floor, globals = s->frame->globals;
    for (uint32_t i = s->symbol_count; i-- > floor;)
        if ((i < s->gap_low || i >= s->gap_high) && vyi_name_is(&s->symbols[i], name, length))
            return &s->symbols[i];
    for (uint32_t i = globals < floor ? globals : floor; i-- > 0;)
        if (vyi_name_is(&s->symbols[i], name, length))
            return &s->symbols[i];
    return NULL;
}

/* A new name; false, and a mistake, if it cannot be one. */
static bool vyi_name_may_be_new(vyi_source *s, const vyi_token *name)
{
    const char *refused = vyi_source_refused(s, name);
    if (refused) {
        vyi_source_fail(s, name->at, "Choose another name.", "\"%s\" cannot be a name: %s",
                        vyi_source_quote(s, name).text, refused);
        return false;
    }
    for (uint32_t i = s->scope; i < s->symbol_count; i++)
        if (s->symbols[i].kind != VYI_SYMBOL_WRONG &&
            vyi_name_is(&s->symbols[i], s->text + name->at, name->length)) {
            vyi_source_fail(s, name->at, "Choose another name, or assign to the one there is.",
                            "\"%s\" is declared in this block already",
                            vyi_source_quote(s, name).text);
            return false;
        }
    if (s->symbol_count < VYI_SOURCE_SYMBOLS + (s->formulas ? VYI_SOURCE_SPARE : 0))
        return true;
    vyi_source_fail(s, name->at, "Put parts of it into blocks or functions.",
                    "more than %u names are in reach", (unsigned)VYI_SOURCE_SYMBOLS);
    return false;
}

VYI_API vyi_source_symbol *vyi_source_declare(vyi_source *s, const vyi_token *name, uint32_t kind,
                                              uint32_t type)
{
    if (!vyi_name_may_be_new(s, name))
        return NULL;
    vyi_source_symbol *symbol = &s->symbols[s->symbol_count++];
    memset(symbol, 0, sizeof *symbol);
    symbol->name = s->text + name->at;
    symbol->length = name->length;
    symbol->kind = (uint8_t)kind;
    symbol->type = (uint8_t)type;
    return symbol;
}

/* --- words of GLSL that are none here ------------------------------------ */

/* sampler2D, uimageCube and their kin; a blank ends the word. */
static bool vyi_name_is_image(const char *word)
{
    static const char *const stems[] = { "sampler", "image", "texture" };
    word += word[0] == 'u' || (word[0] == 'i' && word[1] != 'm') ? 1 : 0;
    for (size_t i = 0; i < sizeof stems / sizeof stems[0]; i++) {
        const size_t length = strlen(stems[i]);
        if (strncmp(word, stems[i], length) != 0)
            continue;
        word += length;
        return (word[0] >= '1' && word[0] <= '3' && word[1] == 'D') ||
               strncmp(word, "Cube", 4) == 0 || strncmp(word, "Buffer ", 7) == 0 ||
               (i == 0 && word[0] == ' ');
    }
    return false;
}

VYI_API const char *vyi_source_refused(const vyi_source *s, const vyi_token *token)
{
    static const struct { const char *words, *why; } rows[] = {
        { " vec2 vec3 vec4 ivec2 ivec3 ivec4 uvec2 uvec3 uvec4 bvec2 bvec3 bvec4 dvec2 dvec3 dvec4"
          " mat2 mat3 mat4 mat2x2 mat2x3 mat2x4 mat3x2 mat3x3 mat3x4 mat4x2 mat4x3 mat4x4 ",
          "there are no vectors and matrices, only uint, int, float and bool" },
        { " double float16_t float64_t int8_t uint8_t int16_t uint16_t half long short unsigned"
          " atomic_uint ",
          "there are only uint, int, float, bool, uint64_t, int64_t" },
        { " struct union enum typedef class template namespace ",
          "there are no types of one's own" },
        { " layout uniform buffer coherent volatile restrict readonly writeonly attribute varying"
          " centroid flat smooth noperspective patch sample subroutine invariant precise ",
          "buffers are described by the host, in vyre_kernel_desc.buffers" },
        { " lowp mediump highp precision ", "a float always has 32 bits" },
        { " in out inout ", "it stands before a parameter" },
        { " discard goto ", "there is only break, continue and return" },
        { " asm extern external static inline noinline public common partition active filter"
          " interface using this input output sizeof cast resource fixed superp hvec2 hvec3 hvec4"
          " fvec2 fvec3 fvec4 ", "GLSL reserves it" }
    };
    char word[20] = " ";
    if (token->length > 3 && memcmp(s->text + token->at, "gl_", 3) == 0)
        return "names that begin with gl_ are GLSL's own";
    if (token->length + 3 > sizeof word)
        return NULL;
    memcpy(word + 1, s->text + token->at, token->length);
    memcpy(word + 1 + token->length, " ", 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strstr(rows[i].words, word))
            return rows[i].why;
    return vyi_name_is_image(word + 1) ? "there are buffers, and no images" : NULL;
}

/* --- buffers ------------------------------------------------------------- */

static uint32_t vyi_name_buffer_count(const vyi_source *s)
{
    return s->slot ? s->slot->buffer_count : s->p->buffer_count;
}

static uint32_t vyi_name_buffer_id(const vyi_source *s, uint32_t i)
{
    return s->slot ? s->slot->buffers[i].id : i + 1;
}

/* The id of the buffer of this name, or 0. */
static uint32_t vyi_name_buffer(const vyi_source *s, const vyi_token *token)
{
    for (uint32_t i = 0; i < vyi_name_buffer_count(s); i++) {
        const uint32_t id = vyi_name_buffer_id(s, i);
        if (id && id <= s->p->buffer_count &&
            vyi_source_is(s, token, vyi_buffer_of(s->p, id)->name))
            return id;
    }
    return 0;
}

/* --- words of the job ---------------------------------------------------- */

/* X(NAME, "text", what it needs) */
#define VYI_WORD_LIST(X)                                                                           \
    X(ARG, "arg", JOB) X(ARGC, "argc", JOB) X(TENANT, "tenant", JOB) X(OPCODE, "opcode", JOB)      \
    X(SLOT, "slot", JOB) X(OBSERVABLE, "observable", JOB)                                          \
    X(INDEX, "index", WIDE) X(LANE, "lane", GROUP) X(LANES, "lanes", GROUP)

typedef enum vyi_word_of_job {
#define VYI_WORD_ENUM(name, text, needs) VYI_WORD_##name,
    VYI_WORD_LIST(VYI_WORD_ENUM)
#undef VYI_WORD_ENUM
    VYI_WORD_COUNT
} vyi_word_of_job;

static const struct {
    const char *name;
    uint32_t    needs; /* VYI_SOURCE_* */
} vyi_name_words[] = {
#define VYI_WORD_ENTRY(name, text, needs) { text, VYI_SOURCE_##needs },
    VYI_WORD_LIST(VYI_WORD_ENTRY)
#undef VYI_WORD_ENTRY
};

/* GLSL's own, where there is no job, the last two of groups, too; three of each of
 * the first five. */
static const struct { const char *name; uint32_t builtin; bool three; } vyi_name_builtins[] = {
    { "gl_LocalInvocationID", VYRE_BUILTIN_LOCAL_ID_X, true },
    { "gl_WorkGroupID", VYRE_BUILTIN_GROUP_ID_X, true },
    { "gl_GlobalInvocationID", VYRE_BUILTIN_GLOBAL_ID_X, true },
    { "gl_WorkGroupSize", VYRE_BUILTIN_GROUP_SIZE_X, true },
    { "gl_NumWorkGroups", VYRE_BUILTIN_GROUP_COUNT_X, true },
    { "gl_LocalInvocationIndex", VYRE_BUILTIN_LOCAL_INDEX, false },
    { "gl_SubgroupInvocationID", VYRE_BUILTIN_SUBGROUP_LANE, false },
    { "gl_SubgroupSize", VYRE_BUILTIN_SUBGROUP_SIZE, false }
};
#define VYI_NAME_OF_GROUPS 6u
#define VYI_NAME_BUILTINS (sizeof vyi_name_builtins / sizeof vyi_name_builtins[0])

VYI_API const char *vyi_source_name_at(const vyi_source *s, uint32_t i)
{
    const uint32_t buffers = vyi_name_buffer_count(s);
    if (i < buffers) {
        const uint32_t id = vyi_name_buffer_id(s, i);
        return id && id <= s->p->buffer_count ? vyi_buffer_of(s->p, id)->name : "";
    }
    i -= buffers;
    if (s->slot)
        return i < VYI_WORD_COUNT ? vyi_name_words[i].name : NULL;
    return i < VYI_NAME_BUILTINS ? vyi_name_builtins[i].name : NULL;
}

/* .x, .y or .z behind a name of three. */
static vyi_operand vyi_name_component(vyi_source *s, const vyi_token *token, uint32_t first)
{
    vyre_value value = { 0 };
    if (!vyi_source_expect(s, '.', "after a vector"))
        return vyi_source_wrong(token->at);
    const vyi_token axis = s->r.token;
    const char c = s->text[axis.at < s->size ? axis.at : 0];
    if (axis.kind != VYI_TOKEN_NAME || axis.length != 1 || c < 'x' || c > 'z') {
        vyi_source_fail(s, axis.at, "Write x, y or z.", "\"%s\" has no such component",
                        vyi_source_quote(s, token).text);
        return vyi_source_wrong(token->at);
    }
    vyi_source_next(s);
    if (!s->mute)
        value = vyre_ir_builtin(s->p, (vyre_builtin)(first + (uint32_t)(c - 'x')));
    return vyi_source_made(VYRE_TYPE_U32, value, token->at);
}

static vyi_operand vyi_name_builtin(vyi_source *s, const vyi_token *token, uint32_t i)
{
    vyre_value value = { 0 };
    if (vyi_name_builtins[i].three)
        return vyi_name_component(s, token, vyi_name_builtins[i].builtin);
    if (!s->mute)
        value = vyre_ir_builtin(s->p, (vyre_builtin)vyi_name_builtins[i].builtin);
    return vyi_source_made(VYRE_TYPE_U32, value, token->at);
}

VYI_API vyi_operand vyi_source_arg(vyi_source *s, uint32_t at)
{
    const vyre_value none = { 0 };
    vyi_operand index;
    if (!vyi_source_expect(s, '[', "after arg"))
        return vyi_source_wrong(at);
    const uint32_t first = s->r.token.at;
    const bool known = vyi_source_constant_int(s, "the number of an argument", &index);
    if (!vyi_source_expect(s, ']', "after the number of an argument") || !known)
        return vyi_source_wrong(at);
    if (index.word >= VYRE_MAX_ARGS) {
        vyi_source_fail(s, first, "Pass more through a buffer.",
                        "arg[%u]: a job has arg[0] to arg[11]", (unsigned)index.word);
        return vyi_source_wrong(at);
    }
    return vyi_source_made(VYRE_TYPE_U32, s->mute ? none : s->slot->arg[index.word], at);
}

/* A sum that wraps would be a word of the header. */
VYI_API vyi_operand vyi_source_observable(vyi_source *s, vyi_operand n)
{
    const uint32_t first = VYRE_CONTROL_OBSERVABLES, at = n.at;
    n = vyi_source_op2(s, VYI_BINARY_MIN, n, vyi_source_constant(VYRE_TYPE_U32, ~first, at));
    n = vyi_source_op2(s, VYI_BINARY_ADD, n, vyi_source_constant(VYRE_TYPE_U32, first, at));
    vyi_operand a = vyi_source_made(VYRE_TYPE_U32, vyi_source_id(s, &n), at);
    a.place = VYI_PLACE_ELEMENT;
    a.target = s->slot->control.id;
    a.wrong = n.wrong;
    return a;
}

/* observable[n]; the token before was observable. */
static vyi_operand vyi_name_observable(vyi_source *s, uint32_t at)
{
    if (!vyi_source_expect(s, '[', "after observable"))
        return vyi_source_wrong(at);
    vyi_operand n = vyi_source_expression(s);
    n = vyi_source_load(s, n);
    if (!vyi_source_expect(s, ']', "after the number of an observable"))
        return vyi_source_wrong(at);
    n = vyi_source_convert(s, VYRE_TYPE_U32, n, "the number of an observable");
    return n.wrong ? n : vyi_source_observable(s, n);
}

VYI_API bool vyi_source_allowed(vyi_source *s, uint32_t needs, const char *word, uint32_t at)
{
    if ((s->rights & needs) == needs)
        return true;
    const bool group = (needs & VYI_SOURCE_GROUP) != 0;
    if (needs == VYI_SOURCE_JOB)
        vyi_source_fail(s, at, "Use it in a handler of a kernel.",
                        "\"%s\" belongs to a job, and this program has none", word);
    else
        vyi_source_fail(s, at, group ? "Give the handler VYRE_WIDTH_GROUP."
                                     : "Give the handler VYRE_WIDTH_RANGE or VYRE_WIDTH_GROUP.",
                        "\"%s\" is there where %s runs the handler", word,
                        group ? "a group" : "more than one lane");
    return false;
}

static vyre_value vyi_name_value(vyi_source *s, uint32_t word)
{
    const vyre_slot_values *slot = s->slot;
    switch (word) {
    case VYI_WORD_ARGC: return vyi_kernel_arg_count(s->p, slot);
    case VYI_WORD_TENANT: return slot->tenant;
    case VYI_WORD_OPCODE: return slot->opcode;
    case VYI_WORD_SLOT: return vyre_ir_shr(s->p, slot->slot_base, vyre_ir_u32(s->p, 4));
    case VYI_WORD_INDEX: return slot->index;
    case VYI_WORD_LANE: return slot->lane;
    default: return slot->lanes;
    }
}

/* The number of a word of the job, VYI_WORD_COUNT if it is none. */
static uint32_t vyi_name_word(const vyi_source *s, const vyi_token *token)
{
    uint32_t word = 0;
    if (!s->slot)
        return VYI_WORD_COUNT;
    while (word < VYI_WORD_COUNT && !vyi_source_is(s, token, vyi_name_words[word].name))
        word++;
    return word;
}

static vyi_operand vyi_name_of_job(vyi_source *s, const vyi_token *token, uint32_t word)
{
    vyre_value value = { 0 };
    if (!vyi_source_allowed(s, vyi_name_words[word].needs, vyi_name_words[word].name, token->at))
        return vyi_source_wrong(token->at);
    if (word == VYI_WORD_ARG)
        return vyi_source_arg(s, token->at);
    if (word == VYI_WORD_OBSERVABLE)
        return vyi_name_observable(s, token->at);
    if (!s->mute)
        value = vyi_name_value(s, word);
    return vyi_source_made(VYRE_TYPE_U32, value, token->at);
}

/* --- a name in an expression --------------------------------------------- */

static vyi_operand vyi_name_of_buffer(const vyi_source *s, uint32_t id, uint32_t at)
{
    const vyre_value none = { 0 };
    vyi_operand a = vyi_source_made(vyi_buffer_of(s->p, id)->type, none, at);
    a.place = VYI_PLACE_BUFFER;
    a.target = id;
    return a;
}

static vyi_operand vyi_name_symbol(vyi_source *s, const vyi_token *token,
                                   const vyi_source_symbol *symbol)
{
    vyi_operand a;
    switch (symbol->kind) {
    case VYI_SYMBOL_VARIABLE: {
        const vyre_value none = { 0 };
        a = vyi_source_made(symbol->type, none, token->at);
        a.place = VYI_PLACE_LOCAL;
        a.target = (uint32_t)(symbol - s->symbols);
        return a;
    }
    case VYI_SYMBOL_CONST:
        a = vyi_source_unknown(symbol->type, token->at);
        a.constant = symbol->constant;
        a.target = (uint32_t)(symbol - s->symbols) + 1;
        a.word = symbol->word;
        return a;
    case VYI_SYMBOL_SHARED: return vyi_name_of_buffer(s, symbol->target, token->at);
    case VYI_SYMBOL_FUNCTION:
        vyi_source_fail(s, token->at, "Write (..) behind it.", "\"%s\" is a function",
                        vyi_source_quote(s, token).text);
        return vyi_source_wrong(token->at);
    default: return vyi_source_wrong(token->at);
    }
}

static vyi_operand vyi_name_unknown(vyi_source *s, const vyi_token *token)
{
    char fix[96];
    const char *refused = vyi_source_refused(s, token);
    if (refused) {
        const bool lanes = s->slot && memcmp(s->text + token->at, "gl_", 3) == 0;
        vyi_source_fail(s, token->at, lanes ? "A handler has index, lane and lanes instead."
                                            : "Write it with what there is.", "\"%s\": %s",
                        vyi_source_quote(s, token).text, refused);
        return vyi_source_wrong(token->at);
    }
    vyi_source_suggest(s, token, false, "Declare it first, as in: uint n = 0;", fix, sizeof fix);
    vyi_source_fail(s, token->at, fix, "nothing is called \"%s\"",
                    vyi_source_quote(s, token).text);
    vyi_source_declare(s, token, VYI_SYMBOL_WRONG, VYRE_TYPE_NONE);
    return vyi_source_wrong(token->at);
}

VYI_API vyi_operand vyi_source_named(vyi_source *s, const vyi_token *token)
{
    const vyi_source_symbol *symbol = vyi_source_find(s, s->text + token->at, token->length);
    if (symbol)
        return vyi_name_symbol(s, token, symbol);
    const uint32_t buffer = vyi_name_buffer(s, token);
    if (buffer)
        return vyi_name_of_buffer(s, buffer, token->at);
    const uint32_t word = vyi_name_word(s, token);
    if (word != VYI_WORD_COUNT)
        return vyi_name_of_job(s, token, word);
    for (uint32_t i = 0; i < VYI_NAME_BUILTINS; i++)
        if ((!s->slot || (i >= VYI_NAME_OF_GROUPS && (s->rights & VYI_SOURCE_GROUP))) &&
            vyi_source_is(s, token, vyi_name_builtins[i].name))
            return vyi_name_builtin(s, token, i);
    return vyi_name_unknown(s, token);
}

#endif /* VYRE_NO_SOURCE */

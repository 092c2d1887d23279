/* ==========================================================================
 * exchange: implementation of reading a blob
 * ======================================================================= */
#include "rooms/exchange/exchange_impl.h"

#ifndef VYRE_NO_EXCHANGE

VYRE_API void vyre_blake3(const void *bytes, size_t size, uint8_t out[32])
{
    vyi_blake3(bytes, size, out);
}

static const char *vyi_exchange_fix(vyre_status status)
{
    switch (status) {
    case VYRE_E_EXCHANGE_MAGIC:
        return "Pass the bytes of a program, which begin with \"VYRE\".";
    case VYRE_E_EXCHANGE_VERSION:
    case VYRE_E_EXCHANGE_FLAGS:
        return "Write the program again in version 4, neither compressed nor sealed.";
    case VYRE_E_EXCHANGE_LIMIT:
        return "Split the program, or nest it less; 64 levels and 64 MiB are the format's limits.";
    case VYRE_E_EXCHANGE_UNSUPPORTED:
        return "Take it out of the program before it is written.";
    case VYRE_E_EXCHANGE_NAME:
    case VYRE_E_EXCHANGE_SCOPE:
        return "Give each variable and buffer a name of its own, and declare it before its use.";
    case VYRE_E_EXCHANGE_TYPE:
        return "Cast the operand before the program is written.";
    default:
        return "Fetch or write the file again; it was damaged, or not written by the original.";
    }
}

VYI_API void vyi_exchange_fail(vyi_exchange *x, vyre_status status, size_t at, const char *what,
                               uint64_t number)
{
    if (x->status < 0)
        return;
    x->status = vyi_fail(x->err, status, at, vyi_exchange_fix(status), "byte %llu: %s: %llu",
                         (unsigned long long)at, what, (unsigned long long)number);
    x->at = x->end;
}

VYI_API void vyi_exchange_fail_name(vyi_exchange *x, vyre_status status, size_t at,
                                    const char *what, vyi_exchange_text name)
{
    if (x->status < 0)
        return;
    x->status = vyi_fail(x->err, status, at, vyi_exchange_fix(status), "byte %llu: %s: \"%.*s\"",
                         (unsigned long long)at, what, name.size < 64 ? (int)name.size : 64,
                         name.size ? (const char *)name.bytes : "");
    x->at = x->end;
}

/* The next bytes; NULL when there are fewer. */
static const uint8_t *vyi_exchange_take(vyi_exchange *x, size_t size)
{
    const size_t left = x->end - x->at;
    if (x->status >= 0 && size > left)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TRUNCATED, x->at, "bytes are missing", size - left);
    if (x->status < 0)
        return NULL;
    x->at += size;
    return x->bytes + x->at - size;
}

static uint32_t vyi_exchange_u8(vyi_exchange *x)
{
    const uint8_t *byte = vyi_exchange_take(x, 1);
    return byte ? *byte : 0;
}

VYI_API uint32_t vyi_exchange_u32(vyi_exchange *x)
{
    const uint8_t *bytes = vyi_exchange_take(x, 4);
    return bytes ? vyi_get32(bytes) : 0;
}

/* A byte up to `most`. */
static uint32_t vyi_exchange_below(vyi_exchange *x, uint32_t most, vyre_status status,
                                   const char *what)
{
    const size_t at = x->at;
    const uint32_t byte = vyi_exchange_u8(x);
    if (byte > most)
        vyi_exchange_fail(x, status, at, what, byte);
    return byte;
}

/* Any byte; the encoder writes 0 and 1. */
static bool vyi_exchange_bool(vyi_exchange *x)
{
    const uint32_t byte = vyi_exchange_u8(x);
    if (byte > 1)
        x->info.canonical = false;
    return byte != 0;
}

/* Seven bits a byte, the lowest first; the tenth byte has the last bit. */
VYI_API uint64_t vyi_exchange_leb(vyi_exchange *x, uint64_t most, const char *what)
{
    const size_t at = x->at;
    uint64_t value = 0;
    uint32_t byte, shift = 0;
    do {
        byte = vyi_exchange_u8(x);
        if (shift == 63 && byte > 1)
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, "a number has more than 64 bits",
                              byte);
        value |= (uint64_t)(byte & 0x7fu) << shift;
        shift += 7;
    } while (byte & 0x80u && x->status >= 0);
    if (shift > 7 && byte == 0)
        x->info.canonical = false;
    if (value > most)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, what, value);
    return x->status < 0 ? 0 : value;
}

/* Bytes of the character that starts here; 0 when there is none.  Shortest forms
 * up to U+10FFFF without surrogates. */
static size_t vyi_exchange_character(const uint8_t *at, size_t left)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    const uint32_t first = *at;
    const size_t size = first < 0x80   ? 1
                        : first < 0xc0 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf8 ? 4
                                       : 0;
    uint32_t code = size < 2 ? first : first & 0xffu >> (size + 1);
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0u) != 0x80u)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    return code < least[size] || code > 0x10ffffu || code >> 11 == 0x1bu ? 0 : size;
}

VYI_API bool vyi_exchange_is_utf8(const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t step = 1;
    for (size_t i = 0; i < size && step; i += step)
        step = vyi_exchange_character(bytes + i, size - i);
    return step != 0;
}

static vyi_exchange_text vyi_exchange_characters(vyi_exchange *x, uint64_t size)
{
    vyi_exchange_text text = { NULL, 0 };
    const size_t at = x->at;
    if (size > VYI_EXCHANGE_STRING)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, "a text is too long", size);
    text.bytes = vyi_exchange_take(x, (size_t)size);
    text.size = text.bytes ? (size_t)size : 0;
    for (size_t i = 0, step; i < text.size; i += step) {
        step = vyi_exchange_character(text.bytes + i, text.size - i);
        if (step == 0) {
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_UTF8, at + i, "no UTF-8", text.bytes[i]);
            text.size = 0;
        }
    }
    return text;
}

/* A text of a payload; records have the other form of length. */
static vyi_exchange_text vyi_exchange_string(vyi_exchange *x)
{
    const uint32_t size = vyi_exchange_u32(x);
    return vyi_exchange_characters(x, size);
}

VYI_API vyi_exchange_text vyi_exchange_text_at(const vyi_exchange *x, size_t at)
{
    const vyi_exchange_text text = { x->bytes + at + 4, vyi_get32(x->bytes + at) };
    VYRE_ASSERT(text.size <= VYI_EXCHANGE_STRING);
    return text;
}

VYI_API bool vyi_exchange_is(vyi_exchange_text text, const char *name)
{
    return text.size == strlen(name) && memcmp(text.bytes, name, text.size) == 0;
}

/* Only the next `size` bytes can be read, until `vyi_exchange_close`. */
static size_t vyi_exchange_open(vyi_exchange *x, uint64_t size)
{
    const size_t end = x->end;
    if (size > end - x->at)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TRUNCATED, x->at, "bytes are missing",
                          size - (end - x->at));
    else
        x->end = x->at + (size_t)size;
    return end;
}

static void vyi_exchange_close(vyi_exchange *x, size_t end, const char *what)
{
    if (x->at != x->end)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TRAILING, x->at, what, x->end - x->at);
    if (x->status < 0)
        x->at = end;
    x->end = end;
}

/* --- statements and expressions ------------------------------------------- */

/* What stands behind a tag, a letter each:
 *   s text, e expression, l list of statements, g list of expressions, t type,
 *   x any byte, w u32, q u64, d list of u32, B bool, f bits of an f32,
 *   S a text perhaps, E an expression perhaps, i an extension's number,
 *   b u a: operators, two operands, one, atomic, o order, c r: of groups,
 *   k what an extension says, n not supported. */
typedef struct vyi_exchange_form {
    const char *name, *fields;
} vyi_exchange_form;

static const vyi_exchange_form vyi_exchange_nodes[] = {
    { "let", "se" },          { "assign", "se" },     { "store", "see" },
    { "if", "ell" },          { "loop", "seel" },     { "return", "" },
    { "block", "l" },         { "barrier", "o" },     { "indirect_dispatch", "sq" },
    { "async_load", "ssees" }, { "async_wait", "s" }, { "region", "sSl" },
    { "async_store", "ssees" }, { "trap", "es" },     { "resume", "s" },
    { "all_reduce", "scw" },  { "all_gather", "ssw" }, { "reduce_scatter", "sscw" },
    { "broadcast", "sww" }
};

static const char *const vyi_exchange_expressions[] = {
    "w", "w", "B", "s", "se", "s", "x", "x", "x", "bee", "ue", /* literals to operators */
    "sg", "eee", "te", "aoseEe", "f", "eee", "re", "ee", "e", "", ""
};

/* From tag 1. */
static const char *const vyi_exchange_types[] = {
    "", "", "", "", "", "", "", "w", "", "", "", "", "", "", "", /* u32 to u16 */
    "", "", "", "w", "tx", "td", "t", "t", "n", "", "", "", "", "", "d", "n"
};

#define VYI_EXCHANGE_COUNT(table) ((uint32_t)(sizeof(table) / sizeof *(table)))

static const char *vyi_exchange_fields_of(vyi_exchange *x, char item, size_t at, uint32_t tag)
{
    if (item == 'l') {
        x->info.statements++;
        if (tag < VYI_EXCHANGE_COUNT(vyi_exchange_nodes))
            return vyi_exchange_nodes[tag].fields;
    } else if (item == 'e') {
        x->info.expressions++;
        x->info.calls += tag == VYI_EXPR_CALL;
        if (tag < VYI_EXCHANGE_COUNT(vyi_exchange_expressions))
            return vyi_exchange_expressions[tag];
    } else if (tag - 1 < VYI_EXCHANGE_COUNT(vyi_exchange_types)) {
        return vyi_exchange_types[tag - 1];
    }
    if (tag == 0x80)
        return item == 't' ? "i" : item == 'e' ? "k" : "kn";
    vyi_exchange_fail(x, VYRE_E_EXCHANGE_TAG, at,
                      item == 'l' ? "no statement has this tag"
                      : item == 'e' ? "no expression has this tag" : "no type has this tag",
                      tag);
    return "";
}

VYI_API void vyi_exchange_enter(vyi_exchange *x, vyi_exchange_walk *w, char item)
{
    const size_t at = x->at;
    if (w->depth == VYI_EXCHANGE_DEPTH) {
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, "levels are more than", w->depth);
        return;
    }
    const uint32_t tag = vyi_exchange_u8(x);
    if (x->status < 0)
        return;
    vyi_exchange_level *level = &w->levels[w->depth++];
    level->fields = vyi_exchange_fields_of(x, item, at, tag);
    level->items = 0;
    level->item = 0;
}

static void vyi_exchange_extension(vyi_exchange *x)
{
    const size_t at = x->at;
    const uint32_t id = vyi_exchange_u32(x);
    if (id >> 31 == 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TAG, at, "an extension's number lacks its top bit",
                          id);
}

/* 1 up to `most`, or an extension's. */
static void vyi_exchange_operator(vyi_exchange *x, uint32_t most, bool extensions)
{
    const size_t at = x->at;
    const uint32_t number = vyi_exchange_u8(x);
    if (number == 0x80 && extensions)
        vyi_exchange_extension(x);
    else if (number - 1 >= most)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TAG, at, "no operator has this number", number);
}

/* Of extensions only literals of 64 bits are known. */
static void vyi_exchange_opaque(vyi_exchange *x)
{
    const size_t at = x->at;
    const vyi_exchange_text kind = vyi_exchange_string(x);
    const uint32_t size = vyi_exchange_u32(x);
    if (size > VYI_EXCHANGE_PAYLOAD)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, "an extension's bytes are too many", size);
    vyi_exchange_take(x, size);
    if (!(vyi_exchange_is(kind, "vyre.literal.i64") || vyi_exchange_is(kind, "vyre.literal.u64") ||
          vyi_exchange_is(kind, "vyre.literal.f64")) || size != 8)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_UNSUPPORTED, at, "an extension, with bytes", size);
}

/* The encoder writes one NaN, and neither subnormals nor -0. */
static void vyi_exchange_f32(vyi_exchange *x)
{
    const uint32_t bits = vyi_exchange_u32(x), rest = bits & 0x7fffffffu;
    if ((rest > 0x7f800000u && bits != 0x7fc00000u) || (rest < 0x00800000u && bits != 0))
        x->info.canonical = false;
}

static uint32_t vyi_exchange_length(vyi_exchange *x, uint32_t most)
{
    const size_t at = x->at;
    const uint32_t count = vyi_exchange_u32(x);
    if (count > most)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, at, "a list is too long", count);
    return x->status < 0 ? 0 : count;
}

/* A field that opens no level. */
static void vyi_exchange_leaf(vyi_exchange *x, char field)
{
    switch (field) {
    case 's': (void)vyi_exchange_string(x); break;
    case 'x': (void)vyi_exchange_u8(x); break;
    case 'w': (void)vyi_exchange_u32(x); break;
    case 'q': (void)vyi_exchange_take(x, 8); break;
    case 'd':
        (void)vyi_exchange_take(x, (size_t)vyi_exchange_length(x, VYI_EXCHANGE_SHORT) * 4);
        break;
    case 'B': (void)vyi_exchange_bool(x); break;
    case 'f': vyi_exchange_f32(x); break;
    case 'S':
        if (vyi_exchange_below(x, 1, VYRE_E_EXCHANGE_TAG, "neither a source nor none"))
            (void)vyi_exchange_string(x);
        break;
    case 'i': vyi_exchange_extension(x); break;
    case 'b': vyi_exchange_operator(x, 0x21, true); break;
    case 'u': vyi_exchange_operator(x, 0x24, true); break;
    case 'a': vyi_exchange_operator(x, 0x0b, true); break;
    case 'c': vyi_exchange_operator(x, 6, false); break;
    case 'r': vyi_exchange_operator(x, 7, false); break;
    case 'o':
        (void)vyi_exchange_below(x, 5, VYRE_E_EXCHANGE_TAG, "no memory order has this number");
        break;
    case 'k': vyi_exchange_opaque(x); break;
    default:
        VYRE_ASSERT(field == 'n');
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_UNSUPPORTED, x->at - 1,
                          "an extension, or a type of blocks or quantized numbers",
                          x->bytes[x->at - 1]);
    }
}

VYI_API void vyi_exchange_field(vyi_exchange *x, vyi_exchange_walk *w, vyi_exchange_level *level)
{
    const char field = *level->fields++;
    switch (field) {
    case 'e':
    case 't': vyi_exchange_enter(x, w, field); break;
    case 'E':
        if (vyi_exchange_bool(x))
            vyi_exchange_enter(x, w, 'e');
        break;
    case 'l':
        level->items = vyi_exchange_length(x, VYI_EXCHANGE_LIST);
        level->item = 'l';
        break;
    case 'g':
        level->items = vyi_exchange_length(x, VYI_EXCHANGE_SHORT);
        level->item = 'e';
        break;
    default: vyi_exchange_leaf(x, field);
    }
}

/* A statement and all inside it. */
static void vyi_exchange_statement(vyi_exchange *x)
{
    vyi_exchange_walk w;
    w.depth = 0;
    vyi_exchange_enter(x, &w, 'l');
    while (w.depth && x->status >= 0) {
        vyi_exchange_level *level = &w.levels[w.depth - 1];
        if (level->items) {
            level->items--;
            vyi_exchange_enter(x, &w, level->item);
        } else if (*level->fields) {
            vyi_exchange_field(x, &w, level);
        } else {
            w.depth--;
        }
    }
}

/* --- buffers --------------------------------------------------------------- */

static void vyi_exchange_read_hints(vyi_exchange *x, vyi_exchange_hints *h)
{
    h->axis = 256;
    if (vyi_exchange_below(x, 1, VYRE_E_EXCHANGE_METADATA, "neither an axis nor none"))
        h->axis = vyi_exchange_u8(x);
    h->alignment = vyi_exchange_u32(x);
    h->locality = vyi_exchange_below(x, 2, VYRE_E_EXCHANGE_METADATA, "no locality has this number");
}

static void vyi_exchange_read_buffer(vyi_exchange *x, vyi_exchange_buffer *b)
{
    b->at = x->at;
    b->name = vyi_exchange_string(x);
    b->binding = vyi_exchange_u32(x);
    b->count = vyi_exchange_u32(x);
    b->output = vyi_exchange_bool(x);
    b->live = vyi_exchange_bool(x);
    b->range = vyi_exchange_below(x, 1, VYRE_E_EXCHANGE_METADATA, "neither a range nor none") != 0;
    b->first = b->range ? vyi_exchange_leb(x, UINT64_MAX, "") : 0;
    b->end = b->range ? vyi_exchange_leb(x, UINT64_MAX, "") : 0;
    vyi_exchange_read_hints(x, &b->hints);
    if ((b->output || b->live) && b->count == 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, b->at, "an output's elements are", 0);
}

/* --- the first record ------------------------------------------------------ */

static void vyi_exchange_entry(vyi_exchange *x)
{
    if (!vyi_exchange_below(x, 1, VYRE_E_EXCHANGE_METADATA, "neither an operation nor none"))
        return;
    const vyi_exchange_text text = vyi_exchange_string(x);
    size_t size = 0;
    while (size < text.size) {
        const size_t step = vyi_exchange_character(text.bytes + size, text.size - size);
        if (size + step >= sizeof x->info.entry_op)
            break;
        size += step;
    }
    if (size)
        memcpy(x->info.entry_op, text.bytes, size);
    x->info.entry_op[size] = '\0';
}

VYI_API size_t vyi_exchange_metadata(vyi_exchange *x)
{
    vyi_exchange_buffer buffer;
    const size_t at = x->at;
    const uint8_t *marker = vyi_exchange_take(x, 9);
    if (marker && memcmp(marker, "VYRE-META", 9) != 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, at, "no \"VYRE-META\", but", *marker);
    vyi_exchange_entry(x);
    for (uint32_t axis = 0; axis < 3; axis++) {
        if (vyi_exchange_u32(x) == 0)
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, x->at - 4, "no lanes along axis", axis);
    }
    x->info.non_composable = vyi_exchange_below(x, 1, VYRE_E_EXCHANGE_METADATA,
                                                "neither composable nor not") != 0;
    x->info.buffers = (uint32_t)vyi_exchange_leb(x, VYI_EXCHANGE_BUFFERS, "buffers are too many");
    const size_t first = x->at;
    for (uint32_t i = 0; i < x->info.buffers && x->status >= 0; i++)
        vyi_exchange_read_buffer(x, &buffer);
    return first;
}

/* --- records --------------------------------------------------------------- */

VYI_API void vyi_exchange_read_record(vyi_exchange *x, vyi_exchange_record *record)
{
    record->start = x->at;
    record->name = vyi_exchange_characters(x, vyi_exchange_leb(x, UINT64_MAX, ""));
    const uint64_t size = vyi_exchange_leb(x, VYI_EXCHANGE_PAYLOAD, "a payload is too long");
    record->payload = x->at;
    (void)vyi_exchange_take(x, (size_t)size);
    record->end = x->at;
    const uint64_t operands = vyi_exchange_leb(x, UINT64_MAX, "");
    for (uint64_t i = 0; i < operands && x->status >= 0; i++)
        (void)vyi_exchange_leb(x, UINT32_MAX, "an operand's number is too large");
    if (operands)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, record->end, "a record has operands",
                          operands);
}

static void vyi_exchange_node(vyi_exchange *x, const vyi_exchange_record *record)
{
    static const char prefix[] = "vyre.node.";
    const size_t skip = sizeof prefix - 1;
    const uint32_t tag = x->at < x->end ? x->bytes[x->at] : 0;
    vyi_exchange_statement(x);
    if (x->status < 0)
        return;
    vyi_exchange_text rest = record->name;
    const bool node = rest.size > skip && memcmp(rest.bytes, prefix, skip) == 0;
    if (node) {
        rest.bytes += skip;
        rest.size -= skip;
    }
    if (!node || !vyi_exchange_is(rest, vyi_exchange_nodes[tag].name))
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_TAG, record->start,
                          "a record's name is not its statement's, whose tag is", tag);
}

/* Gives what vyi_exchange_metadata does. */
static size_t vyi_exchange_records(vyi_exchange *x)
{
    const size_t at = x->at;
    size_t first = 0;
    const uint64_t count = vyi_exchange_leb(x, VYI_EXCHANGE_LIST + 1, "records are too many");
    if (count == 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, at, "the first record is missing, of", 0);
    for (uint64_t i = 0; i < count && x->status >= 0; i++) {
        vyi_exchange_record record;
        vyi_exchange_read_record(x, &record);
        if (i == 0 && !vyi_exchange_is(record.name, "vyre.program.metadata"))
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_METADATA, record.start,
                              "the first record has another name, of length", record.name.size);
        if (x->status < 0)
            break;
        const size_t next = x->at;
        x->at = record.payload;
        const size_t end = vyi_exchange_open(x, record.end - record.payload);
        if (i == 0)
            first = vyi_exchange_metadata(x);
        else
            vyi_exchange_node(x, &record);
        vyi_exchange_close(x, end, "a payload goes on, bytes");
        if (x->status >= 0)
            x->at = next;
    }
    return first;
}

/* --- regions --------------------------------------------------------------- */

/* Bytes of an element by type, from tag 1; 0: it has none, or says it itself. */
static const uint8_t vyi_exchange_sizes[] = { 4, 4, 8, 8, 16, 4, 1, 0, 2, 2, 4, 8, 0, 1, 2, 1,
                                              2, 8, 4, 0, 0,  0, 0, 0, 1, 1, 1, 1, 1, 0, 0 };

enum {
    VYI_EXCHANGE_ARRAY = 0x08,
    VYI_EXCHANGE_HANDLE = 0x13,
    VYI_EXCHANGE_QUANTIZED = 0x1f,
    VYI_EXCHANGE_EXTENSION = 0x80
};

/* Vectors, shapes, sparse matrices and meshes are no elements. */
static bool vyi_exchange_is_element(uint32_t type)
{
    return type - 1 < VYI_EXCHANGE_EXTENSION && (type <= VYI_EXCHANGE_QUANTIZED ||
           type == VYI_EXCHANGE_EXTENSION) && !(type >= 0x14 && type <= 0x18) && type != 0x1e;
}

/* Elements of two bytes or less. */
static bool vyi_exchange_is_storage(uint64_t type)
{
    return (type >= 0x0e && type <= 0x11) || (type >= 0x19 && type <= 0x1d);
}

/* Gives a quantized element's size, its storage's. */
static uint32_t vyi_exchange_quantized(vyi_exchange *x)
{
    const size_t at = x->at;
    const uint64_t storage = vyi_exchange_leb(x, UINT64_MAX, "");
    if (!vyi_exchange_is_storage(storage))
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "numbers are not quantized as type",
                          storage);
    for (uint32_t i = 0; i < 2; i++) {
        const size_t tag_at = x->at;
        const uint64_t tag = vyi_exchange_leb(x, UINT64_MAX, "");
        if (tag > 2 + i)
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, tag_at,
                              i ? "no zero point has this tag" : "no scale has this tag", tag);
        (void)vyi_exchange_leb(x, UINT32_MAX, "a scale or zero point is too large");
    }
    return x->status < 0 ? 0 : vyi_exchange_sizes[storage - 1];
}

/* Reads what follows the count of a region's elements; gives an element's size. */
static uint32_t vyi_exchange_element(vyi_exchange *x, uint32_t type)
{
    if (type == VYI_EXCHANGE_QUANTIZED)
        return vyi_exchange_quantized(x);
    if (type != VYI_EXCHANGE_ARRAY && type != VYI_EXCHANGE_HANDLE && type != VYI_EXCHANGE_EXTENSION)
        return x->status < 0 ? 0 : vyi_exchange_sizes[type - 1];
    const size_t at = x->at;
    const uint64_t value = vyi_exchange_leb(x, UINT32_MAX, "a type's number is too large");
    if (type == VYI_EXCHANGE_EXTENSION && value >> 31 == 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "an extension's number lacks its top bit",
                          value);
    return type == VYI_EXCHANGE_ARRAY ? (uint32_t)value : type == VYI_EXCHANGE_HANDLE ? 4 : 0;
}

/* A region's shape and hints against the first record's. */
static void vyi_exchange_shape(vyi_exchange *x, const vyi_exchange_buffer *buffer)
{
    vyi_exchange_hints hints;
    size_t end = vyi_exchange_open(x, vyi_exchange_leb(x, VYI_EXCHANGE_PART, "a shape's bytes"));
    const size_t at = x->at;
    const uint64_t count = vyi_exchange_leb(x, UINT32_MAX, "elements are too many");
    const uint32_t size = vyi_exchange_element(x, buffer->type);
    vyi_exchange_close(x, end, "a shape goes on, bytes");
    if (count != buffer->count)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "the first record has another count than",
                          count);
    if (count == 0 && buffer->access == VYI_REGION_WORKGROUP)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "a workgroup's elements are", 0);
    if (buffer->range && (buffer->first > buffer->end || buffer->end > count * size))
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "a range to read back exceeds the bytes",
                          count * size);
    end = vyi_exchange_open(x, vyi_exchange_leb(x, VYI_EXCHANGE_PART, "the bytes of hints"));
    vyi_exchange_read_hints(x, &hints);
    vyi_exchange_close(x, end, "hints go on, bytes");
    if (hints.axis != buffer->hints.axis || hints.alignment != buffer->hints.alignment ||
        hints.locality != buffer->hints.locality)
        x->info.canonical = false;
}

static void vyi_exchange_region(vyi_exchange *x, uint32_t index, vyi_exchange_buffer *buffer)
{
    const size_t at = x->at;
    const uint64_t number = vyi_exchange_leb(x, UINT64_MAX, "");
    if (number != index)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "a region out of order", number);
    (void)vyi_exchange_below(x, 6, VYRE_E_EXCHANGE_REGION, "no kind of memory has this number");
    buffer->access = vyi_exchange_below(x, VYI_REGION_WRITE, VYRE_E_EXCHANGE_REGION,
                                        "no access has this number");
    const size_t type_at = x->at;
    buffer->type = vyi_exchange_u8(x);
    if (!vyi_exchange_is_element(buffer->type))
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, type_at, "no element has this type",
                          buffer->type);
    (void)vyi_exchange_below(x, 0, VYRE_E_EXCHANGE_REGION, "no shape has this tag");
    vyi_exchange_shape(x, buffer);
}

VYI_API void vyi_exchange_read_both(vyi_exchange *x, size_t *first, uint32_t index,
                                    vyi_exchange_buffer *buffer)
{
    const size_t here = x->at;
    x->at = *first;
    vyi_exchange_read_buffer(x, buffer);
    *first = x->at;
    x->at = here;
    vyi_exchange_region(x, index, buffer);
}

/* `first`: where the first record has its buffers.  Sets a bit of `written` for
 * each buffer that the program writes. */
static void vyi_exchange_regions(vyi_exchange *x, size_t first, uint32_t *written)
{
    const size_t at = x->at;
    const uint64_t count = vyi_exchange_leb(x, VYI_EXCHANGE_BUFFERS, "regions are too many");
    if (count != x->info.buffers)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_REGION, at, "the first record has other buffers than",
                          count);
    for (uint32_t i = 0; i < x->info.buffers && x->status >= 0; i++) {
        vyi_exchange_buffer buffer;
        vyi_exchange_read_both(x, &first, i, &buffer);
        if (buffer.access == VYI_REGION_READ_WRITE || buffer.access == VYI_REGION_WRITE)
            written[i / 32] |= 1u << (i % 32);
    }
}

/* --- outputs --------------------------------------------------------------- */

/* Each bit of `written` must be named, in order, and no other. */
static void vyi_exchange_outputs(vyi_exchange *x, uint32_t *written)
{
    const uint64_t count = vyi_exchange_leb(x, VYI_EXCHANGE_BUFFERS, "outputs are too many");
    uint64_t next = 0;
    for (uint64_t i = 0; i < count && x->status >= 0; i++) {
        const size_t at = x->at;
        const uint64_t index = vyi_exchange_leb(x, UINT64_MAX, "");
        if (index < next || index >= x->info.buffers ||
            !(written[index / 32] >> (index % 32) & 1u)) {
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_OUTPUTS, at,
                              "an output that is out of order or not written", index);
            return;
        }
        written[index / 32] &= ~(1u << (index % 32));
        next = index + 1;
    }
    for (uint32_t i = 0; i < x->info.buffers; i++) {
        if (written[i / 32] >> (i % 32) & 1u)
            vyi_exchange_fail(x, VYRE_E_EXCHANGE_OUTPUTS, x->at, "no output is the buffer", i);
    }
}

/* --- the whole ------------------------------------------------------------- */

static void vyi_exchange_header(vyi_exchange *x)
{
    const uint8_t *bytes = x->bytes;
    if (x->end < 4 || memcmp(bytes, "VYRE", 4) != 0) {
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_MAGIC, 0, "no program begins here, bytes", x->end);
        return;
    }
    x->at = 4;
    const uint8_t *version = vyi_exchange_take(x, 2);
    if (version && (version[0] != 4 || version[1] != 0))
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_VERSION, 4, "another version than 4",
                          version[0] | (uint32_t)version[1] << 8);
    const uint8_t *rest = vyi_exchange_take(x, VYI_EXCHANGE_HEADER - 6);
    if (!rest)
        return;
    if (rest[0] != 4 || rest[1] != 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_FLAGS, 6, "other flags than 4",
                          rest[0] | (uint32_t)rest[1] << 8);
    if (x->end > VYI_EXCHANGE_BLOB)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_LIMIT, 0, "bytes are too many", x->end);
    if (x->status < 0)
        return;
    vyre_blake3(bytes + VYI_EXCHANGE_HEADER, x->end - VYI_EXCHANGE_HEADER, x->info.digest);
    if (memcmp(x->info.digest, rest + 2, 32) != 0)
        vyi_exchange_fail(x, VYRE_E_EXCHANGE_DIGEST, 8, "another digest than that of the bytes",
                          x->end - VYI_EXCHANGE_HEADER);
}

VYRE_API vyre_status vyre_exchange_check(const void *bytes, size_t size, vyre_import_info *out,
                                         vyre_error *err)
{
    uint32_t written[VYI_EXCHANGE_BUFFERS / 32];
    vyi_exchange x;
    memset(written, 0, sizeof written);
    memset(&x, 0, sizeof x);
    x.bytes = (const uint8_t *)bytes;
    x.end = bytes ? size : 0;
    x.err = err;
    x.info.canonical = true;
    vyi_exchange_header(&x);
    if (x.status >= 0) {
        const size_t first = vyi_exchange_records(&x);
        vyi_exchange_regions(&x, first, written);
        vyi_exchange_outputs(&x, written);
        vyi_exchange_close(&x, x.end, "a program goes on, bytes");
    }
    if (x.status >= 0 && out)
        *out = x.info;
    return x.status;
}

#endif /* VYRE_NO_EXCHANGE */

/* An encoder of its own for the tests: a program as the golden vectors write it,
 * (program OP X Y Z EXCLUSIVE (BUFFER ...) STATEMENT ...), as a blob. */
#ifndef EXCHANGE_WRITE_H
#define EXCHANGE_WRITE_H

#include "exchange.h"

typedef struct out_bytes {
    uint8_t *bytes;
    size_t   size, capacity;
} out_bytes;

static void out_u8(out_bytes *o, uint32_t value)
{
    if (o->size == o->capacity) {
        o->capacity = o->capacity ? 2 * o->capacity : 256;
        o->bytes = (uint8_t *)realloc(o->bytes, o->capacity);
        if (!o->bytes)
            test_fail(__FILE__, __LINE__, "no memory");
    }
    o->bytes[o->size++] = (uint8_t)value;
}

static void out_u32(out_bytes *o, uint64_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out_u8(o, (uint32_t)(value >> 8 * i) & 255);
}

static void out_leb(out_bytes *o, uint64_t value)
{
    for (; value > 127; value >>= 7)
        out_u8(o, (uint32_t)(value & 127) | 128);
    out_u8(o, (uint32_t)value);
}

static void out_copy(out_bytes *o, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out_u8(o, ((const uint8_t *)bytes)[i]);
}

/* --- reading the text -------------------------------------------------------- */

static void text_blank(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static bool text_skip(const char **at, char c)
{
    text_blank(at);
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static void text_need(const char **at, char c)
{
    if (!text_skip(at, c))
        test_fail(__FILE__, __LINE__, "no '%c' at \"%.40s\"", c, *at);
}

static const char *text_word(const char **at, char word[32])
{
    size_t size = 0;
    text_blank(at);
    while (**at && !strchr(" ()", **at) && size < 31)
        word[size++] = *(*at)++;
    word[size] = '\0';
    return word;
}

static uint64_t text_number(const char **at)
{
    char *end;
    text_blank(at);
    const uint64_t value = strtoull(*at, &end, 16);
    if (end == *at)
        test_fail(__FILE__, __LINE__, "no number at \"%.40s\"", *at);
    *at = end;
    return value;
}

/* A name between quotes, behind its length. */
static void out_name(out_bytes *o, const char **at, bool leb)
{
    out_bytes name = { NULL, 0, 0 };
    for (text_need(at, '"'); **at != '"'; ++*at) {
        unsigned byte = (uint8_t)**at;
        if (**at == '\\' && sscanf(*at + 1, "%2x", &byte) == 1)
            *at += 2;
        out_u8(&name, byte);
    }
    ++*at;
    if (leb)
        out_leb(o, name.size);
    else
        out_u32(o, name.size);
    out_copy(o, name.bytes, name.size);
    free(name.bytes);
}

/* --- words and numbers --------------------------------------------------------- */

static const char write_binaries[] =
    " add sub mul div mod bit_and bit_or bit_xor shl shr eq ne lt gt le ge and or abs_diff min max "
    "saturating_add saturating_sub saturating_mul shuffle ballot wave_reduce wave_broadcast "
    "rotate_left rotate_right wrapping_add wrapping_sub mul_high ";
static const char write_unaries[] =
    " negate bit_not logical_not popcount clz ctz reverse_bits cos sin abs sqrt floor ceil round "
    "trunc sign is_nan is_inf is_finite exp log log2 exp2 tan acos asin atan tanh sinh cosh "
    "inverse_sqrt unpack4_low unpack4_high unpack8_low unpack8_high reciprocal ";
static const char write_atomics[] = " add or and xor min max exchange compare_exchange "
                                    "compare_exchange_weak fetch_nand lru_update ";
static const char write_reduces[] = " add mul min max and or xor ";
static const char write_collectives[] = " sum min max bit_and bit_or bit_xor ";
static const char write_orders[] = " relaxed acquire release acq_rel seq_cst grid_sync ";
static const char write_types[] =
    " u32 i32 u64 vec2u32 vec4u32 bool bytes array f16 bf16 f32 f64 tensor u8 u16 i8 i16 i64 "
    "handle vec shaped csr coo bsr f8e4m3 f8e5m2 i4 fp4 nf4 mesh quantized ";
static const char write_kinds[] = " global shared uniform local readonly push persistent ";
static const char write_accesses[] = " read read_write uniform workgroup write ";
static const char write_nodes[] =
    " let assign store if loop return block barrier indirect async_load async_wait region "
    "async_store trap resume all_reduce all_gather reduce_scatter broadcast ";
static const char write_expressions[] =
    " u32 i32 bool var load len invocation workgroup local bin un call select cast atomic f32 fma "
    "reduce shuffle ballot lane width ";

/* The word's place in a list, from 0. */
static uint32_t write_place(const char *list, const char *word)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, " %s ", word);
    const char *found = strstr(list, wanted);
    uint32_t place = 0;
    if (!found)
        test_fail(__FILE__, __LINE__, "no word of its list: \"%s\"", word);
    for (const char *at = list + 1; at <= found; at++)
        place += *at == ' ';
    return place;
}

/* An operator's number, or an extension's, "(opaque ID)". */
static void out_operator(out_bytes *o, const char **at, const char *list)
{
    char word[32];
    if (!text_skip(at, '(')) {
        out_u8(o, 1 + write_place(list, text_word(at, word)));
        return;
    }
    (void)text_word(at, word);
    out_u8(o, 0x80);
    out_u32(o, text_number(at));
    text_need(at, ')');
}

/* --- types ---------------------------------------------------------------------- */

/* What follows a type's tag where it is cast to. */
static void out_type(out_bytes *o, const char **at)
{
    char word[32];
    const bool open = text_skip(at, '(');
    const bool opaque = strcmp(text_word(at, word), "opaque") == 0;
    out_u8(o, opaque ? 0x80 : 1 + write_place(write_types, word));
    if (!open)
        return;
    if (strcmp(word, "vec") == 0) {
        out_type(o, at);
        out_u8(o, (uint32_t)text_number(at));
    } else if (strcmp(word, "csr") == 0 || strcmp(word, "coo") == 0) {
        out_type(o, at);
    } else if (strcmp(word, "shaped") == 0 || strcmp(word, "mesh") == 0) {
        out_bytes sizes = { NULL, 0, 0 };
        if (*word == 's')
            out_type(o, at);
        while (text_blank(at), **at != ')')
            out_u32(&sizes, text_number(at));
        out_u32(o, sizes.size / 4);
        out_copy(o, sizes.bytes, sizes.size);
        free(sizes.bytes);
    } else {
        out_u32(o, text_number(at));
    }
    text_need(at, ')');
}

/* A buffer's type: its tag, and what its region's shape has behind the count. */
static uint32_t out_element(out_bytes *shape, const char **at)
{
    char word[32];
    const bool open = text_skip(at, '(');
    const bool opaque = strcmp(text_word(at, word), "opaque") == 0;
    const uint32_t tag = opaque ? 0x80 : 1 + write_place(write_types, word);
    if (!open)
        return tag;
    if (strcmp(word, "quantized") == 0)
        out_leb(shape, 1 + write_place(write_types, text_word(at, word)));
    while (text_blank(at), **at != ')')
        out_leb(shape, text_number(at));
    text_need(at, ')');
    return tag;
}

/* --- statements and expressions ---------------------------------------------------- */

static void out_node(out_bytes *o, const char **at);

static void out_opaque(out_bytes *o, const char **at)
{
    char digits[3] = "";
    out_bytes bytes = { NULL, 0, 0 };
    out_u8(o, 0x80);
    out_name(o, at, false);
    text_blank(at);
    if (**at == 'e' && at[0][1] == ')')
        ++*at;
    for (; **at != ')'; *at += 2) {
        memcpy(digits, *at, 2);
        out_u8(&bytes, (uint32_t)strtoul(digits, NULL, 16));
    }
    out_u32(o, bytes.size);
    out_copy(o, bytes.bytes, bytes.size);
    free(bytes.bytes);
    text_need(at, ')');
}

static void out_expression(out_bytes *o, const char **at);

/* Items up to the closing parenthesis, which is read. */
static void out_list(out_bytes *o, const char **at, void (*item)(out_bytes *, const char **))
{
    out_bytes items = { NULL, 0, 0 };
    uint32_t count = 0;
    for (; !text_skip(at, ')'); count++)
        item(&items, at);
    out_u32(o, count);
    out_copy(o, items.bytes, items.size);
    free(items.bytes);
}

/* The original's encoder knows one NaN, and neither subnormals nor -0. */
static uint32_t write_f32(uint32_t bits)
{
    const uint32_t rest = bits & 0x7fffffffu;
    return rest > 0x7f800000u ? 0x7fc00000u : rest < 0x00800000u ? 0 : bits;
}

/* A letter for each field: n name, e expression, E one or "-", S name or "-", l list in
 * parentheses, r the rest as statements, a the rest as expressions, w q x number of
 * 4, 8, 1 bytes, f bits of an f32, t type, o order, and operators b u m c d. */
static void out_fields(out_bytes *o, const char **at, const char *fields)
{
    char word[32];
    bool closed = false;
    for (; *fields; fields++) {
        switch (*fields) {
        case 'n': out_name(o, at, false); break;
        case 'e': out_expression(o, at); break;
        case 'E':
        case 'S': {
            const bool none = text_skip(at, '-');
            out_u8(o, !none);
            if (!none && *fields == 'E')
                out_expression(o, at);
            else if (!none)
                out_name(o, at, false);
            break;
        }
        case 'l':
            text_need(at, '(');
            out_list(o, at, out_node);
            break;
        case 'r':
        case 'a':
            out_list(o, at, *fields == 'r' ? out_node : out_expression);
            closed = true;
            break;
        case 'q':
        case 'w': {
            const uint64_t value = text_number(at);
            out_u32(o, value);
            if (*fields == 'q')
                out_u32(o, value >> 32);
            break;
        }
        case 'f': out_u32(o, write_f32((uint32_t)text_number(at))); break;
        case 'x': out_u8(o, (uint32_t)text_number(at)); break;
        case 't': out_type(o, at); break;
        case 'o': out_u8(o, write_place(write_orders, text_word(at, word))); break;
        default:
            out_operator(o, at, *fields == 'b'   ? write_binaries
                                : *fields == 'u' ? write_unaries
                                : *fields == 'm' ? write_atomics
                                : *fields == 'c' ? write_collectives : write_reduces);
        }
    }
    if (!closed)
        text_need(at, ')');
}

static void out_tagged(out_bytes *o, const char **at, const char *list, const char *const *fields)
{
    char word[32];
    text_need(at, '(');
    if (strcmp(text_word(at, word), "opaque") == 0) {
        out_opaque(o, at);
        return;
    }
    const uint32_t tag = write_place(list, word);
    out_u8(o, tag);
    out_fields(o, at, fields[tag]);
}

static void out_node(out_bytes *o, const char **at)
{
    static const char *const fields[] = { "ne", "ne", "nee", "ell", "neer", "", "r", "o", "nq",
                                          "nneen", "n", "nSr", "nneen", "en", "n", "ncw", "nnw",
                                          "nncw", "nww" };
    out_tagged(o, at, write_nodes, fields);
}

static void out_expression(out_bytes *o, const char **at)
{
    static const char *const fields[] = { "w", "w", "x", "n", "ne", "n", "x", "x", "x", "bee",
                                          "ue", "na", "eee", "te", "moneEe", "f", "eee", "de",
                                          "ee", "e", "", "" };
    out_tagged(o, at, write_expressions, fields);
}

/* --- the whole ------------------------------------------------------------------------- */

static void out_record(out_bytes *o, const char *name, out_bytes *payload)
{
    out_leb(o, strlen(name));
    out_copy(o, name, strlen(name));
    out_leb(o, payload->size);
    out_copy(o, payload->bytes, payload->size);
    out_leb(o, 0);
    free(payload->bytes);
    memset(payload, 0, sizeof *payload);
}

/* (NAME BINDING KIND ACCESS TYPE COUNT OUTPUT LIVE RANGE AXIS ALIGN LOCALITY) */
static bool out_buffer(out_bytes *meta, out_bytes *regions, const char **at, uint32_t index)
{
    char word[32];
    out_bytes shape = { NULL, 0, 0 }, extra = { NULL, 0, 0 }, hints = { NULL, 0, 0 };
    text_need(at, '(');
    out_name(meta, at, false);
    out_u32(meta, text_number(at));
    const uint32_t kind = write_place(write_kinds, text_word(at, word));
    const uint32_t access = write_place(write_accesses, text_word(at, word));
    const uint32_t type = out_element(&extra, at);
    const uint64_t count = text_number(at);
    out_u32(meta, count);
    out_u8(meta, (uint32_t)text_number(at));
    out_u8(meta, (uint32_t)text_number(at));
    const bool ranged = !text_skip(at, '-');
    out_u8(meta, ranged);
    if (ranged) {
        out_leb(meta, text_number(at));
        text_need(at, ':');
        out_leb(meta, text_number(at));
    }
    const bool axis = !text_skip(at, '-');
    out_u8(&hints, axis);
    if (axis)
        out_u8(&hints, (uint32_t)text_number(at));
    out_u32(&hints, text_number(at));
    out_u8(&hints, (uint32_t)text_number(at));
    text_need(at, ')');
    out_copy(meta, hints.bytes, hints.size);
    out_leb(&shape, count);
    out_copy(&shape, extra.bytes, extra.size);
    const uint8_t head[4] = { (uint8_t)kind, (uint8_t)access, (uint8_t)type, 0 };
    out_leb(regions, index);
    out_copy(regions, head, 4);
    out_leb(regions, shape.size);
    out_copy(regions, shape.bytes, shape.size);
    out_leb(regions, hints.size);
    out_copy(regions, hints.bytes, hints.size);
    free(shape.bytes);
    free(extra.bytes);
    free(hints.bytes);
    return access == 1 || access == 4;
}

/* All buffers of the list; what is written is counted, and named in `outputs`. */
static uint32_t out_buffers(out_bytes *meta, out_bytes *regions, out_bytes *outputs,
                            const char **at)
{
    out_bytes list = { NULL, 0, 0 };
    uint32_t count = 0, written = 0;
    text_need(at, '(');
    for (; !text_skip(at, ')'); count++) {
        if (out_buffer(&list, regions, at, count)) {
            out_leb(outputs, count);
            written++;
        }
    }
    out_leb(meta, count);
    out_copy(meta, list.bytes, list.size);
    free(list.bytes);
    out_bytes whole = { NULL, 0, 0 };
    out_leb(&whole, count);
    out_copy(&whole, regions->bytes, regions->size);
    free(regions->bytes);
    *regions = whole;
    return written;
}

static blob blob_of_program(const char *text)
{
    out_bytes all = { NULL, 0, 0 }, meta = all, regions = all, outputs = all, records = all;
    out_bytes payload = all;
    char word[32];
    const char *at = text;
    uint32_t statements = 0;
    text_need(&at, '(');
    (void)text_word(&at, word);
    out_copy(&meta, "VYRE-META", 9);
    const bool named = !text_skip(&at, '-');
    out_u8(&meta, named);
    if (named)
        out_name(&meta, &at, false);
    for (unsigned axis = 0; axis < 3; axis++)
        out_u32(&meta, text_number(&at));
    out_u8(&meta, (uint32_t)text_number(&at));
    const uint32_t written = out_buffers(&meta, &regions, &outputs, &at);
    for (; !text_skip(&at, ')'); statements++) {
        const char *name = at;
        char node[64];
        text_need(&name, '(');
        const bool opaque = strncmp(name, "opaque", 6) == 0;
        const char *kind = text_word(&name, word);
        snprintf(node, sizeof node, "vyre.node.%s",
                 strcmp(kind, "indirect") == 0 ? "indirect_dispatch" : kind);
        if (opaque && sscanf(name, " \"%60[^\"]", node) != 1)
            node[0] = '\0';
        out_node(&payload, &at);
        out_record(&records, node, &payload);
    }
    out_copy(&all, "VYRE\4\0\4", 8);
    for (unsigned i = 0; i < 32; i++)
        out_u8(&all, 0);
    out_leb(&all, statements + 1);
    out_record(&all, "vyre.program.metadata", &meta);
    out_copy(&all, records.bytes, records.size);
    out_copy(&all, regions.bytes, regions.size);
    out_leb(&all, written);
    out_copy(&all, outputs.bytes, outputs.size);
    free(records.bytes);
    free(regions.bytes);
    free(outputs.bytes);
    blob b = { all.bytes, all.size };
    blob_seal(&b);
    return b;
}

#endif

/* ==========================================================================
 * source: printf, in the kernel and on the host
 *
 * A record has room for a number and two words.  The number says where the text
 * stands, in which handler's source and at which offset, so that the host needs no
 * table: it reads what the kernel's description holds.
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

#define VYI_LOG_MARK   0x80000000u
#define VYI_LOG_OFFSET (VYRE_MAX_SOURCE_SIZE - 1) /* and above it the number of the source */
#define VYI_LOG_VALUES 2u

/* --- a text's pieces ------------------------------------------------------ */

typedef struct vyi_log_piece {
    uint32_t length; /* of the piece in the text */
    uint32_t type;   /* of the value that it prints; NONE: it is `c` */
    char     c;      /* a character, or the letter of the conversion; 0: there is no such piece */
} vyi_log_piece;

/* "%-8.3f": flags, a width and a precision of two digits at most, a letter. */
static vyi_log_piece vyi_log_conversion(const char *text, uint32_t size)
{
    static const char letters[] = "diuxXofFeEgG";
    vyi_log_piece piece = { 1, VYRE_TYPE_NONE, '\0' };
    uint32_t at = 1, digits = 0;
    while (at < size && text[at] && strchr("-+ #0", text[at]))
        at++;
    for (; at < size && ((text[at] >= '0' && text[at] <= '9') || text[at] == '.'); at++)
        digits = text[at] == '.' ? 0 : digits + 1 < 3 ? digits + 1 : 16;
    const char *letter = at < size && text[at] && digits < 3 ? strchr(letters, text[at]) : NULL;
    if (at == 1 && size > 1 && text[1] == '%') {
        piece.c = '%';
        piece.length = 2;
    } else if (letter && at < 14) {
        piece.c = *letter;
        piece.length = at + 1;
        piece.type = letter < letters + 2 ? VYRE_TYPE_I32
                     : letter < letters + 6 ? VYRE_TYPE_U32 : VYRE_TYPE_F32;
    }
    return piece;
}

/* What stands at `text`, `size` being at least 1. */
static vyi_log_piece vyi_log_piece_of(const char *text, uint32_t size)
{
    static const char names[] = "nt\"\\'", meant[] = "\n\t\"\\'";
    vyi_log_piece piece = { 1, VYRE_TYPE_NONE, text[0] };
    if (text[0] == '%')
        return vyi_log_conversion(text, size);
    if (text[0] != '\\')
        return piece;
    const char *name = size > 1 && text[1] ? strchr(names, text[1]) : NULL;
    piece.length = 2;
    piece.c = name ? meant[name - names] : '\0';
    return piece;
}

/* --- in the kernel -------------------------------------------------------- */

/* Looks at the literal: the types of what it prints, and how many there are. */
static bool vyi_log_read(vyi_source *s, const vyi_token *literal, uint32_t *types,
                         uint32_t *count)
{
    const uint32_t end = literal->at + literal->length - 1;
    *count = 0;
    for (uint32_t at = literal->at + 1; at < end;) {
        const vyi_log_piece piece = vyi_log_piece_of(s->text + at, end - at);
        if (!piece.c) {
            vyi_source_fail(s, at, s->text[at] == '%' ? "Write %d, %u, %x, %f, %e, %g or %%."
                                                      : "Write \\n, \\t, \\\" or \\\\.",
                            "printf() does not know this");
            return false;
        }
        if (piece.type && *count == VYI_LOG_VALUES) {
            vyi_source_fail(s, at, "Print the others by another printf().",
                            "printf() prints at most %u values", (unsigned)VYI_LOG_VALUES);
            return false;
        }
        if (piece.type)
            types[(*count)++] = piece.type;
        at += piece.length;
    }
    return true;
}

/* ", value" for each conversion, then the parenthesis. */
static bool vyi_log_values(vyi_source *s, const uint32_t *types, uint32_t count,
                           vyi_operand *values)
{
    bool good = true;
    uint32_t given = 0;
    const uint32_t at = s->r.token.at;
    for (; vyi_source_accept(s, ','); given++) {
        vyi_operand a = vyi_source_assignment(s);
        a = vyi_source_load(s, a);
        if (given < count)
            a = values[given] = vyi_source_convert(s, types[given], a, "what is printed here");
        good = good && !a.wrong;
    }
    if (!vyi_source_expect(s, ')', "after the values of printf"))
        return false;
    if (good && given != count)
        vyi_source_fail(s, at, "Give it one for each %.", "this text prints %u value%s, not %u",
                        (unsigned)count, count == 1 ? "" : "s", (unsigned)given);
    return good && given == count;
}

static bool vyi_log_allowed(vyi_source *s, uint32_t at)
{
    if (!vyi_source_allowed(s, VYI_SOURCE_JOB, "printf", at))
        return false;
    if (s->number < VYI_LOG_MARK / VYRE_MAX_SOURCE_SIZE)
        return true;
    vyi_source_fail(s, at, "Make the text a vyre_handler.source, one of the first 2047.",
                    "the host would not find this text again");
    return false;
}

VYI_API vyi_operand vyi_source_printf(vyi_source *s, const vyi_token *name)
{
    const vyi_token literal = s->r.token;
    uint32_t types[VYI_LOG_VALUES] = { 0, 0 }, count;
    vyi_operand values[VYI_LOG_VALUES];
    vyre_value words[VYI_LOG_VALUES];
    if (!vyi_source_expect(s, VYI_TOKEN_TEXT, "in printf") ||
        !vyi_log_read(s, &literal, types, &count))
        return vyi_source_wrong(name->at);
    for (uint32_t i = 0; i < VYI_LOG_VALUES; i++)
        values[i] = vyi_source_constant(VYRE_TYPE_U32, 0, name->at);
    if (!vyi_log_values(s, types, count, values) || !vyi_log_allowed(s, name->at))
        return vyi_source_wrong(name->at);
    s->heavy++;
    if (s->mute)
        return vyi_source_unknown(VYRE_TYPE_NONE, name->at);
    const uint32_t format = VYI_LOG_MARK | s->number * VYRE_MAX_SOURCE_SIZE | literal.at;
    for (uint32_t i = 0; i < VYI_LOG_VALUES; i++) {
        words[i] = vyi_source_id(s, &values[i]);
        if (values[i].type != VYRE_TYPE_U32)
            words[i] = vyre_ir_bitcast(s->p, VYRE_TYPE_U32, words[i]);
    }
    vyre_emit_log(s->p, s->slot, vyre_ir_u32(s->p, format), words[0], words[1]);
    return vyi_source_unknown(VYRE_TYPE_NONE, name->at);
}

/* --- on the host ----------------------------------------------------------- */

/* The literal that a record names, from behind its quote; NULL: none. */
static const char *vyi_log_literal(const vyre_kernel_desc *kernel, uint32_t format)
{
    const uint32_t number = (format & ~VYI_LOG_MARK) / VYRE_MAX_SOURCE_SIZE;
    const uint32_t at = format & VYI_LOG_OFFSET;
    const char *source = kernel->payload_source;
    if (!(format & VYI_LOG_MARK) || number > kernel->handler_count)
        return NULL;
    if (number)
        source = kernel->handlers[number - 1].source;
    return source && strlen(source) > at && source[at] == '"' ? source + at + 1 : NULL;
}

/* One piece as text, at most 160 characters; the conversion has been checked. */
static int vyi_log_print(char *dst, size_t size, const char *text, const vyi_log_piece *piece,
                         uint32_t word)
{
    char format[16];
    float x;
    if (!piece->type)
        return snprintf(dst, size, "%c", piece->c);
    memcpy(format, text, piece->length);
    format[piece->length] = '\0';
    memcpy(&x, &word, sizeof x);
    if (piece->type == VYRE_TYPE_F32)
        return snprintf(dst, size, format, (double)x);
    return piece->type == VYRE_TYPE_I32 ? snprintf(dst, size, format, (int)word)
                                        : snprintf(dst, size, format, (unsigned)word);
}

VYI_COLD
VYRE_API size_t vyre_log_text(const vyre_kernel_desc *kernel, const vyre_log_record *record,
                              char *dst, size_t size)
{
    const char *text = kernel && record ? vyi_log_literal(kernel, record->format) : NULL;
    size_t length = 0;
    uint32_t value = 0;
    if (size)
        dst[0] = '\0';
    for (; text && *text && *text != '"' && *text != '\n';) {
        char part[192];
        const vyi_log_piece piece = vyi_log_piece_of(text, (uint32_t)strlen(text));
        if (!piece.c || (piece.type && value == VYI_LOG_VALUES))
            break; /* not a text that printf() took */
        const uint32_t word = piece.type ? record->args[value++] : 0;
        const int n = vyi_log_print(part, sizeof part, text, &piece, word);
        if (n > 0 && length < size)
            snprintf(dst + length, size - length, "%s", part);
        length += n > 0 ? (size_t)n : 0;
        text += piece.length;
    }
    return length;
}

#endif /* VYRE_NO_SOURCE */

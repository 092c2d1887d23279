/* ==========================================================================
 * source: mistakes, and what was meant
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

typedef struct vyi_source_place {
    uint32_t line, column; /* from 1 */
    uint32_t first, end;   /* of the line, as offsets */
} vyi_source_place;

static vyi_source_place vyi_source_locate(const vyi_source *s, uint32_t at)
{
    vyi_source_place place = { 1, 0, 0, 0 };
    for (uint32_t i = 0; i < at && i < s->size; i++)
        if (s->text[i] == '\n') {
            place.line++;
            place.first = i + 1;
        }
    place.column = at - place.first + 1;
    place.end = place.first;
    while (place.end < s->size && s->text[place.end] != '\n')
        place.end++;
    if (place.end > place.first && s->text[place.end - 1] == '\r')
        place.end--; /* of a line's end; one elsewhere is a blank */
    return place;
}

/* The line and a caret, as much of them as there is room for. */
static void vyi_source_excerpt(const vyi_source *s, const vyi_source_place *place, char *dst,
                               size_t size)
{
    uint32_t width = size > 24 ? (uint32_t)(size - 8) / 2 : 0, from = place->first;
    if (width < 8)
        return;
    const uint32_t caret = place->first + place->column - 1;
    if (caret - from >= width)
        from = caret - width / 2;
    const uint32_t end = place->end - from < width ? place->end : from + width;
    size_t n = 0;
    dst[n++] = '\n';
    dst[n++] = ' ', dst[n++] = ' ';
    for (uint32_t i = from; i < end; i++)
        dst[n++] = s->text[i] >= 32 && s->text[i] < 127 ? s->text[i] : ' ';
    dst[n++] = '\n';
    dst[n++] = ' ', dst[n++] = ' ';
    for (uint32_t i = from; i < caret; i++)
        dst[n++] = ' ';
    dst[n++] = '^';
    dst[n] = '\0';
}

VYI_COLD
VYI_API void vyi_source_fail(vyi_source *s, uint32_t at, const char *fix, const char *format, ...)
{
    char message[120], text[sizeof s->report.errors[0].text];
    VYRE_ASSERT(!s->formulas);
    if (s->report.count == 0)
        s->mute++; /* for good */
    if (s->report.count >= VYRE_MAX_SOURCE_ERRORS)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const vyi_source_place place = vyi_source_locate(s, at);
    const int length = snprintf(text, sizeof text, "%.24s%s%u:%u: %s", s->name ? s->name : "",
                                s->name ? ":" : "", (unsigned)place.line,
                                (unsigned)place.column, message);
    if (length > 0 && (size_t)length < sizeof text)
        vyi_source_excerpt(s, &place, text + length, sizeof text - (size_t)length);
    vyi_fail(&s->report.errors[s->report.count++], VYRE_E_SOURCE, place.line, fix, "%s", text);
}

VYI_API void vyi_source_settle(vyi_source *s, uint32_t at)
{
    vyre_program *p = s->p;
    if (p->error.status == VYRE_OK || s->report.count || s->formulas)
        return;
    if (p->error.status == VYRE_E_NOMEM) {
        s->report.errors[s->report.count++] = p->error;
        s->mute++;
        return;
    }
    vyi_source_fail(s, at, p->error.fix, "%.100s", p->error.text);
    s->report.errors[0].status = p->error.status;
}

/* --- what was meant ------------------------------------------------------ */

#define VYI_SOURCE_NEAR 24u /* characters of a name that is compared */

/* How many letters must change, appear, go, or trade places; more than 2 is 3. */
static uint32_t vyi_source_distance(const char *a, uint32_t m, const char *b, uint32_t n)
{
    uint8_t rows[3][VYI_SOURCE_NEAR + 1];
    if (m > VYI_SOURCE_NEAR || n > VYI_SOURCE_NEAR || m > n + 2 || n > m + 2)
        return 3;
    for (uint32_t j = 0; j <= n; j++)
        rows[0][j] = (uint8_t)j;
    for (uint32_t i = 1; i <= m; i++) {
        uint8_t *now = rows[i % 3];
        const uint8_t *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = (uint8_t)i;
        for (uint32_t j = 1; j <= n; j++) {
            const uint32_t change = last[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u);
            uint32_t best = last[j] < now[j - 1] ? last[j] + 1u : now[j - 1] + 1u;
            best = change < best ? change : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1u < best)
                best = before[j - 2] + 1u;
            now[j] = (uint8_t)best;
        }
    }
    return rows[m % 3][n] < 3 ? rows[m % 3][n] : 3;
}

typedef struct vyi_source_nearest {
    const char *text;
    uint32_t    length, distance;
} vyi_source_nearest;

static void vyi_source_consider(const vyi_source *s, const vyi_token *token,
                                vyi_source_nearest *best, const char *name, uint32_t length)
{
    const uint32_t distance = vyi_source_distance(s->text + token->at, token->length, name, length);
    /* Of a short name most letters must be right. */
    if (distance >= best->distance || 2 * distance >= token->length + 1)
        return;
    best->text = name;
    best->length = length;
    best->distance = distance;
}

VYI_COLD
VYI_API void vyi_source_suggest(const vyi_source *s, const vyi_token *token, bool calls,
                                const char *otherwise, char *dst, size_t size)
{
    vyi_source_nearest best = { NULL, 0, 3 };
    const char *name;
    for (uint32_t i = s->symbol_count; i-- > 0;)
        if ((s->symbols[i].kind == VYI_SYMBOL_FUNCTION) == calls &&
            s->symbols[i].kind != VYI_SYMBOL_WRONG)
            vyi_source_consider(s, token, &best, s->symbols[i].name, s->symbols[i].length);
    for (uint32_t i = 0; (name = calls ? vyi_source_function_at(i) : vyi_source_name_at(s, i)); i++)
        vyi_source_consider(s, token, &best, name, (uint32_t)strlen(name));
    if (best.text)
        snprintf(dst, size, "Did you mean \"%.*s\"?", (int)best.length, best.text);
    else
        snprintf(dst, size, "%s", otherwise);
}

VYI_API vyi_source_word vyi_source_quote(const vyi_source *s, const vyi_token *token)
{
    vyi_source_word word;
    const uint32_t length = token->length < 40 ? token->length : 40;
    memcpy(word.text, s->text + token->at, length);
    word.text[length] = '\0';
    return word;
}

#endif /* VYRE_NO_SOURCE */

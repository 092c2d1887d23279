/* ==========================================================================
 * exchange: the form of a text
 *
 * Private.  A blob for mails and repositories:
 *
 *     vyre_ir v0.1
 *     wire_bytes 194
 *     5659524504000400...        32 bytes a line
 * ======================================================================= */
#include "rooms/exchange/exchange_impl.h"

#ifndef VYRE_NO_EXCHANGE

#define VYI_EXCHANGE_TITLE "vyre_ir v0.1"
#define VYI_EXCHANGE_BYTES "wire_bytes "
#define VYI_EXCHANGE_LINE  32u

/* A line without its end; false behind the last one. */
static bool vyi_exchange_next_line(vyi_exchange_text *rest, vyi_exchange_text *line)
{
    if (rest->size == 0)
        return false;
    size_t size = 0;
    while (size < rest->size && rest->bytes[size] != '\n')
        size++;
    line->bytes = rest->bytes;
    line->size = size;
    const size_t step = size + (size < rest->size);
    rest->bytes += step;
    rest->size -= step;
    if (size && line->bytes[size - 1] == '\r')
        line->size--;
    return true;
}

VYI_API bool vyi_exchange_is_text(const void *bytes, size_t size)
{
    const size_t length = sizeof VYI_EXCHANGE_TITLE - 1;
    return bytes && size >= length && memcmp(bytes, VYI_EXCHANGE_TITLE, length) == 0;
}

/* "wire_bytes N"; what follows is in *rest. */
static bool vyi_exchange_heading(vyi_exchange_text *rest, uint64_t *count)
{
    const size_t skip = sizeof VYI_EXCHANGE_BYTES - 1;
    vyi_exchange_text line = { NULL, 0 };
    if (!vyi_exchange_next_line(rest, &line) || !vyi_exchange_is(line, VYI_EXCHANGE_TITLE) ||
        !vyi_exchange_next_line(rest, &line) || line.size <= skip ||
        memcmp(line.bytes, VYI_EXCHANGE_BYTES, skip) != 0)
        return false;
    *count = 0;
    for (size_t i = skip; i < line.size; i++) {
        const uint32_t digit = line.bytes[i] - (uint32_t)'0';
        if (digit > 9 || *count > UINT32_MAX)
            return false;
        *count = *count * 10 + digit;
    }
    return true;
}

static const char vyi_exchange_text_fix[] =
    "Begin with the lines \"vyre_ir v0.1\" and \"wire_bytes N\", then the N bytes in hexadecimal.";

VYI_API vyre_status vyi_exchange_text_size(const void *text, size_t size, size_t *out,
                                           vyre_error *err)
{
    vyi_exchange_text rest = { (const uint8_t *)text, size };
    uint64_t count;
    if (!vyi_exchange_heading(&rest, &count))
        return vyi_fail(err, VYRE_E_EXCHANGE_MAGIC, size - rest.size, vyi_exchange_text_fix,
                        "the text's first two lines are not those of a program");
    if (count > VYI_EXCHANGE_BLOB)
        return vyi_fail(err, VYRE_E_EXCHANGE_LIMIT, 0, vyi_exchange_text_fix,
                        "a program of %llu bytes; there may be %u", (unsigned long long)count,
                        (unsigned)VYI_EXCHANGE_BLOB);
    if (count > rest.size / 2)
        return vyi_fail(err, VYRE_E_EXCHANGE_TRUNCATED, size, vyi_exchange_text_fix,
                        "the text says that it has %llu bytes, more than there are digits for",
                        (unsigned long long)count);
    *out = (size_t)count;
    return VYRE_OK;
}

/* 16 when it is no digit. */
static uint32_t vyi_exchange_digit(uint32_t c)
{
    const uint32_t small = c | 0x20u;
    return c - '0' <= 9 ? c - '0' : small - 'a' <= 5 ? small - 'a' + 10 : 16;
}

/* Stores the line's bytes at dst[*done] while there is room, and counts them all. */
static bool vyi_exchange_hex(vyi_exchange_text line, uint8_t *dst, size_t count, size_t *done,
                             size_t *wrong)
{
    for (size_t i = 0; i + 1 < line.size; i += 2, ++*done) {
        const uint32_t high = vyi_exchange_digit(line.bytes[i]);
        const uint32_t low = vyi_exchange_digit(line.bytes[i + 1]);
        if (high > 15 || low > 15) {
            *wrong = i + (high <= 15);
            return false;
        }
        if (*done < count)
            dst[*done] = (uint8_t)(high << 4 | low);
    }
    *wrong = line.size;
    return line.size % 2 == 0;
}

VYI_API vyre_status vyi_exchange_text_read(const void *text, size_t size, uint8_t *dst,
                                           size_t count, vyre_error *err)
{
    vyi_exchange_text rest = { (const uint8_t *)text, size }, line;
    uint64_t announced;
    size_t done = 0, wrong;
    (void)vyi_exchange_heading(&rest, &announced);
    VYRE_ASSERT(announced == count);
    while (vyi_exchange_next_line(&rest, &line)) {
        const size_t at = (size_t)(line.bytes - (const uint8_t *)text);
        if (!vyi_exchange_hex(line, dst, count, &done, &wrong))
            return vyi_fail(err, VYRE_E_EXCHANGE_TAG, at + wrong, vyi_exchange_text_fix,
                            "byte %llu of the text: no hexadecimal digit",
                            (unsigned long long)(at + wrong));
    }
    if (done != count)
        return vyi_fail(err, VYRE_E_EXCHANGE_TRUNCATED, size, vyi_exchange_text_fix,
                        "the text has %llu bytes, and says %llu", (unsigned long long)done,
                        (unsigned long long)count);
    return VYRE_OK;
}

/* --- writing ---------------------------------------------------------------- */

VYI_API size_t vyi_exchange_text_write(const uint8_t *bytes, size_t count, char *dst, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char heading[64];
    size_t length = (size_t)snprintf(heading, sizeof heading, "%s\n%s%llu\n", VYI_EXCHANGE_TITLE,
                                     VYI_EXCHANGE_BYTES, (unsigned long long)count);
    for (size_t i = 0; i < length && i + 1 < size; i++)
        dst[i] = heading[i];
    for (size_t i = 0; i < count; i++) {
        const bool last = i + 1 == count || (i + 1) % VYI_EXCHANGE_LINE == 0;
        const char text[3] = { digits[bytes[i] >> 4], digits[bytes[i] & 15], '\n' };
        for (uint32_t c = 0; c < (last ? 3u : 2u); c++, length++) {
            if (length + 1 < size)
                dst[length] = text[c];
        }
    }
    if (size)
        dst[length < size ? length : size - 1] = '\0';
    return length;
}

#endif /* VYRE_NO_EXCHANGE */

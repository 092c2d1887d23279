/* How many letters must change for one text of 4,096 letters to become another: a table of
 * 16.7 million cells, each of which needs the one above and the one to the left.  Works fill
 * it in pieces of 32 rows and 256 columns; a graph says which piece is after which, so they
 * run along the diagonal as it moves, and the host waits once.
 *
 *     wavefront [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 4096, ROWS = LETTERS / 32, COLUMNS = LETTERS / 256, PIECES = ROWS * COLUMNS };

/* 32 rows in one word, as differences to the row above: plus and minus (Myers 1999, Hyyro
 * 2003).  step[c] is how column c changes from its last row on: 0, 1, or 2 for -1. */
static const vyre_handler piece = {
    0x1000, NULL, NULL, "piece", VYRE_WIDTH_LANE, 0,
    "uint up = plus[arg[0]], down = minus[arg[0]];\n"
    "for (uint c = arg[1] * 256; c < arg[1] * 256 + 256; c++) {\n"
    "    uint equal = same[text[c] * 128 + arg[0]], from = step[c];\n"
    "    uint xv = equal | down;\n"
    "    equal |= from >> 1;\n"
    "    uint xh = ((equal & up) + up ^ up) | equal;\n"
    "    uint ph = down | ~(xh | up), mh = up & xh;\n"
    "    step[c] = ph >> 31 | mh >> 31 << 1;\n"
    "    ph = ph << 1 | from & 1; mh = mh << 1 | from >> 1;\n"
    "    up = mh | ~(xv | ph); down = ph & xv;\n"
    "}\n"
    "plus[arg[0]] = up; minus[arg[0]] = down;\n", 0
};

static uint8_t letters[2][LETTERS];

/* The same by the host, a row at a time. */
static uint32_t distance(void)
{
    static uint32_t row[LETTERS + 1];
    for (uint32_t j = 0; j <= LETTERS; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= LETTERS; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= LETTERS; j++) {
            const uint32_t changed = corner + (letters[0][i - 1] != letters[1][j - 1]);
            const uint32_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            row[j] = changed < least ? changed : least;
        }
    }
    return row[LETTERS];
}

/* Half of the second text is the first one's, a little later. */
static void make_letters(void)
{
    uint32_t seed = 1;
    for (uint32_t i = 0; i < 2 * LETTERS; i++) {
        seed = seed * 1664525u + 1013904223u;
        letters[i / LETTERS][i % LETTERS] = (uint8_t)(seed >> 30);
        if (i >= LETTERS + 9 && seed >> 16 & 1u)
            letters[1][i - LETTERS] = letters[0][i - LETTERS - 9];
    }
}

static void fill(vyre *v)
{
    uint32_t *words[5];
    for (uint32_t i = 0; i < 5; i++)
        words[i] = (uint32_t *)vyre_map(v, i, NULL);
    memset(words[0], 0, 4 * ROWS * sizeof(uint32_t));
    for (uint32_t i = 0; i < LETTERS; i++) {
        words[0][letters[0][i] * ROWS + i / 32] |= 1u << i % 32;
        words[1][i] = letters[1][i];
        words[2][i] = 1;
    }
    memset(words[3], 0xff, ROWS * sizeof(uint32_t));
    memset(words[4], 0, ROWS * sizeof(uint32_t));
}

/* A piece is after the one above it and the one to its left. */
static vyre_graph *make_graph(vyre *v, vyre_error *err)
{
    static vyre_node nodes[PIECES];
    static uint32_t before[PIECES][2];
    for (uint32_t n = 0; n < PIECES; n++) {
        const uint32_t row = n / COLUMNS, column = n % COLUMNS;
        nodes[n].work.opcode = piece.opcode;
        nodes[n].work.arg_count = 2;
        nodes[n].work.args[0] = row;
        nodes[n].work.args[1] = column;
        nodes[n].after = before[n];
        if (row)
            before[n][nodes[n].after_count++] = n - COLUMNS;
        if (column)
            before[n][nodes[n].after_count++] = n - 1;
    }
    return vyre_graph_make(v, nodes, PIECES, err);
}

int main(int argc, char **argv)
{
    static const char *const names[5] = { "same", "text", "step", "plus", "minus" };
    static const uint32_t counts[5] = { 4 * ROWS, LETTERS, LETTERS, ROWS, ROWS };
    vyre_buffer_desc buffers[5];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 5; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
    }
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &piece;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 5;
    desc.events = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "wavefront: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    make_letters();
    fill(v);
    vyre_graph *g = make_graph(v, &err);
    if (!g || vyre_graph_publish(g, NULL, &err) != VYRE_OK ||
        vyre_graph_wait(g, VYRE_FOREVER, NULL, &err) != VYRE_OK) {
        fprintf(stderr, "wavefront: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const uint32_t *step = (const uint32_t *)vyre_map(v, 2, NULL);
    uint32_t found = LETTERS;
    for (uint32_t i = 0; i < LETTERS; i++)
        found += step[i] == 2 ? UINT32_MAX : step[i];
    printf("wavefront: %u pieces, distance %u, %s\n", (unsigned)PIECES, (unsigned)found,
           found == distance() ? "right" : "wrong");
    vyre_graph_free(g);
    vyre_close(v);
    return found != distance();
}

/* plot: a picture of latency distributions side by side, or of a trace
 *
 *     bench/plot FILE.csv > roundtrip.svg
 *     bench/plot --trace FILE.json > trace.svg
 *
 * Takes the round trips with one job in flight from what bench/run.sh
 * collected, slowest first, and draws each as a bar on a logarithmic axis:
 * p50, p90, p99, p99.9 and the maximum, each the worst of the runs.  The
 * picture brings its own background, for light and for dark.
 *
 * Of a trace (vyre_trace_json) it draws what Perfetto does: a row for each track, with
 * what the device tells in the lower half of a job.
 */
#define _GNU_SOURCE
#include "csv.h"

#include <math.h>

#define WIDTH  960
#define LEFT   372 /* of the axis */
#define RIGHT  890
#define TOP    76
#define ROW    30
#define MOST   64

typedef struct plot_row {
    char   label[128];
    double q[CSV_QUANTILES]; /* us */
    bool   ours;
} plot_row;

typedef struct plot {
    plot_row        rows[MOST];
    int             count, runs;
    double          low, high; /* of the axis: powers of ten, in us */
    const csv_line *device;    /* a line measured on it; NULL: none but the processor's */
} plot;

static bool is_wanted(const csv_line *l)
{
    return strcmp(l->bench, "roundtrip") == 0 && strcmp(l->unit, "us") == 0 && l->samples > 0 &&
           !strstr(l->path, " 8 in flight") && !strstr(l->path, " 64 in flight");
}

/* All rows have one job in flight: their names need not say so. */
static int label_length(const char *path)
{
    const char *end = strstr(path, ", 1 in flight");
    return (int)(end ? (size_t)(end - path) : strlen(path));
}

static int by_median(const void *a, const void *b)
{
    const double x = ((const plot_row *)a)->q[CSV_P50], y = ((const plot_row *)b)->q[CSV_P50];
    return (x < y) - (x > y);
}

static void plot_scale(plot *p)
{
    p->low = 1e9;
    p->high = 1e-9;
    for (int i = 0; i < p->count; i++) {
        p->low = fmin(p->low, p->rows[i].q[CSV_P50]);
        p->high = fmax(p->high, p->rows[i].q[CSV_MAX]);
    }
    p->low = pow(10, floor(log10(p->low)));
    p->high = pow(10, ceil(log10(p->high)));
}

static void plot_collect(plot *p, const csv_file *f)
{
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < f->count && p->count < MOST; i++) {
        const csv_worst w = csv_worst_of(f, i);
        if (!w.runs || !is_wanted(w.first) || w.q[CSV_P50] <= 0)
            continue;
        plot_row *row = &p->rows[p->count++];
        snprintf(row->label, sizeof row->label, "%.*s", label_length(w.first->path),
                 w.first->path);
        row->ours = strncmp(row->label, "vyre.h", 6) == 0;
        memcpy(row->q, w.q, sizeof row->q);
        p->runs = w.runs;
        if (!p->device || strstr(w.first->path, "submit"))
            p->device = w.first;
    }
    qsort(p->rows, (size_t)p->count, sizeof p->rows[0], by_median);
    plot_scale(p);
}

/* --- drawing ---------------------------------------------------------------- */

static double x_of(const plot *p, double us)
{
    const double at = log10(us / p->low) / log10(p->high / p->low);
    return LEFT + (RIGHT - LEFT) * fmin(fmax(at, 0), 1);
}

static void put_text(double x, double y, const char *class, const char *text)
{
    printf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    for (; *text; text++) {
        if (*text == '<' || *text == '&')
            printf("&#%d;", *text);
        else
            putchar(*text);
    }
    printf("</text>\n");
}

static void put_line(double x1, double y1, double x2, double y2, const char *class)
{
    printf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2,
           y2, class);
}

static void draw_style(const char *title, int height)
{
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
           "viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, height, WIDTH, height);
    printf("<title>%s</title>\n<style>\n"
           "text { font: 13px system-ui, sans-serif; fill: #24292f }\n"
           ".title { font-size: 17px; font-weight: 600 }\n"
           ".small { font-size: 12px; fill: #57606a }\n"
           ".tick { font-size: 12px; fill: #57606a; text-anchor: middle }\n"
           ".label { text-anchor: end }\n.ours { text-anchor: end; font-weight: 600 }\n"
           ".value { font-size: 12px }\n.page { fill: #ffffff }\n"
           ".grid { stroke: #d8dee4; stroke-width: 1 }\n"
           ".grid2 { stroke: #eef1f4; stroke-width: 1 }\n"
           ".a { fill: #8c959f; stroke: #8c959f }\n.b { fill: #1f6feb; stroke: #1f6feb }\n"
           ".bar { stroke: none; fill-opacity: .45 }\n.hair { stroke-width: 1.5 }\n"
           ".mark { stroke-width: 2 }\n"
           "@media (prefers-color-scheme: dark) {\ntext { fill: #e6edf3 }\n"
           ".small, .tick { fill: #9198a1 }\n.page { fill: #0d1117 }\n"
           ".grid { stroke: #30363d }\n.grid2 { stroke: #1b2027 }\n"
           ".a { fill: #7d8590; stroke: #7d8590 }\n.b { fill: #58a6ff; stroke: #58a6ff }\n}\n"
           "</style>\n", title);
    printf("<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", WIDTH, height);
}

static void draw_frame(const plot *p, int height)
{
    draw_style("One job there and back: latency by path", height);
    put_text(20, 28, "title", "One ATOMIC_ADD job there and back");
    char text[320];
    snprintf(text, sizeof text, "%s, %s. Each mark is the worst of %d run%s.", p->device->device,
             p->device->driver, p->runs, p->runs == 1 ? "" : "s");
    put_text(20, 49, "small", text);
}

static void draw_axis(const plot *p)
{
    const double bottom = TOP + ROW * p->count;
    char text[32];
    for (double decade = p->low; decade < p->high * 1.5; decade *= 10) {
        for (int n = 2; n < 10 && decade < p->high / 2; n++)
            put_line(x_of(p, n * decade), TOP, x_of(p, n * decade), bottom, "grid2");
        put_line(x_of(p, decade), TOP, x_of(p, decade), bottom, "grid");
        if (decade < 999)
            snprintf(text, sizeof text, "%g us", decade);
        else
            snprintf(text, sizeof text, "%g ms", decade / 1000);
        put_text(x_of(p, decade), bottom + 18, "tick", text);
    }
}

/* Each kind of mark at its place: p50 a disc, p90 and p99 the bar's bounds,
 * p99.9 a tick, the maximum a ring. */
static void draw_marks(const double x[CSV_QUANTILES], double y, char colour)
{
    char class[16];
    snprintf(class, sizeof class, "%c hair", colour);
    put_line(x[CSV_P50], y, x[CSV_MAX], y, class);
    printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" class=\"%c bar\"/>\n",
           x[CSV_P50], y - 7, fmax(x[CSV_P99] - x[CSV_P50], 1), colour);
    snprintf(class, sizeof class, "%c mark", colour);
    put_line(x[CSV_P90], y - 7, x[CSV_P90], y + 7, class);
    put_line(x[CSV_P999], y - 4, x[CSV_P999], y + 4, class);
    printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"%c\"/>\n", x[CSV_P50], y, colour);
    printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"%c\" style=\"fill:none\"/>\n",
           x[CSV_MAX], y, colour);
}

static void draw_row(const plot *p, int i)
{
    const plot_row *row = &p->rows[i];
    const double y = TOP + ROW * i + ROW / 2.0;
    double x[CSV_QUANTILES];
    char text[32];
    for (int q = 0; q < CSV_QUANTILES; q++)
        x[q] = x_of(p, row->q[q]);
    put_text(LEFT - 64, y + 4, row->ours ? "ours" : "label", row->label);
    snprintf(text, sizeof text, "%.2f", row->q[CSV_P50]);
    put_text(LEFT - 54, y + 4, "value", text);
    draw_marks(x, y, row->ours ? 'b' : 'a');
}

static void draw_key(double y)
{
    static const char *const names[CSV_QUANTILES] = { "p50 (us, at the left)", "p90", "bar to p99",
                                                      "p99.9", "max" };
    static const double at[CSV_QUANTILES] = { LEFT, LEFT + 155, LEFT + 205, LEFT + 300,
                                              LEFT + 365 };
    double x[CSV_QUANTILES];
    for (int q = 0; q < CSV_QUANTILES; q++)
        x[q] = at[q];
    for (int q = 0; q < CSV_QUANTILES; q++)
        put_text(at[q] + 10, y + 4, "small", names[q]);
    put_line(x[CSV_P90], y - 7, x[CSV_P90], y + 7, "a mark");
    put_line(x[CSV_P999], y - 4, x[CSV_P999], y + 4, "a mark");
    printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"14\" class=\"a bar\"/>\n", x[CSV_P99],
           y - 7);
    printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"a\"/>\n", x[CSV_P50], y);
    printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"a\" style=\"fill:none\"/>\n",
           x[CSV_MAX], y);
}

/* --- a trace ------------------------------------------------------------------ */

#define SLICES 4096
#define TRACKS 1024
#define THIN   16 /* of a row */

typedef struct slice {
    char     name[48];
    unsigned track;
    double   begin, end; /* us */
} slice;

typedef struct trace {
    slice  slices[SLICES];
    int    count;
    int    row[1024]; /* of a track, or -1 */
    char   names[TRACKS][48];
    int    rows;
    double from, to;
} trace;

/* One line of the text: a slice, or the name of a track. */
static void trace_line(trace *t, const char *line)
{
    slice s;
    double length;
    char name[48];
    if (sscanf(line, "{\"name\":\"%47[^\"]\",\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%lf,\"dur\":%lf",
               s.name, &s.track, &s.begin, &length) == 4 && t->count < SLICES && s.track < 1024) {
        s.end = s.begin + length;
        t->slices[t->count++] = s;
    } else if (sscanf(line, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,"
                            "\"args\":{\"name\":\"%47[^\"]", &s.track, name) == 2 &&
               s.track < 1024 && t->rows < TRACKS && t->row[s.track] < 0) {
        t->row[s.track] = t->rows;
        memcpy(t->names[t->rows++], name, sizeof name);
    }
}

/* The last 26 jobs, which are bench/watch's scene. */
static bool trace_read(trace *t, const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    memset(t->row, -1, sizeof t->row);
    while (file && fgets(line, sizeof line, file))
        trace_line(t, line[0] == '[' ? line + 1 : line);
    if (file)
        fclose(file);
    int jobs = 0, seen = 0;
    for (int i = 0; i < t->count; i++)
        jobs += strcmp(t->slices[i].name, "on the device") == 0;
    t->from = 1e300;
    for (int i = 0; i < t->count; i++) {
        seen += strcmp(t->slices[i].name, "on the device") == 0;
        if (strcmp(t->slices[i].name, "lease") == 0 || strcmp(t->slices[i].name, "pass") == 0 ||
            seen + 26 <= jobs)
            continue;
        t->from = fmin(t->from, t->slices[i].begin);
        t->to = fmax(t->to, t->slices[i].end);
    }
    return t->to > t->from;
}

static double trace_x(const trace *t, double us)
{
    const double at = (us - t->from) / (t->to - t->from);
    return 150 + (WIDTH - 180) * fmin(fmax(at, 0), 1);
}

static void draw_slice(const trace *t, const slice *s)
{
    const bool device = strcmp(s->name, "on the device") == 0;
    const bool ours = device || strncmp(t->names[t->row[s->track]], "group", 5) == 0;
    const double left = trace_x(t, s->begin), right = trace_x(t, s->end);
    const double y = 56 + THIN * t->row[s->track] + (device ? 6 : 2);
    if (s->end <= t->from || s->begin >= t->to)
        return;
    printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"%c bar\"/>\n", left, y,
           fmax(right - left, 0.6), device ? 8 : THIN - 4, ours ? 'b' : 'a');
}

/* Tracks that have nothing in it are left out. */
static void trace_rows(trace *t)
{
    bool used[TRACKS] = { false };
    int to[TRACKS], rows = 0;
    for (int i = 0; i < t->count; i++) {
        const slice *s = &t->slices[i];
        if (t->row[s->track] >= 0 && s->end > t->from && s->begin < t->to)
            used[t->row[s->track]] = true;
    }
    for (int i = 0; i < t->rows; i++) {
        to[i] = used[i] ? rows : -1;
        if (used[i])
            memmove(t->names[rows++], t->names[i], sizeof t->names[i]);
    }
    for (int i = 0; i < 1024; i++)
        t->row[i] = t->row[i] < 0 ? -1 : to[t->row[i]];
    t->rows = rows;
}

static int draw_trace(const char *path)
{
    static trace t;
    char text[128];
    if (!trace_read(&t, path)) {
        fprintf(stderr, "plot: %s holds no jobs with times of the device\n", path);
        return 1;
    }
    trace_rows(&t);
    const int height = 56 + THIN * t.rows + 44;
    draw_style("A trace of jobs", height);
    put_text(20, 28, "title", "Jobs from publish to seen end, and when the device ran them");
    for (int i = 0; i < t.rows; i++)
        put_text(140, 56 + THIN * i + 12, "label", t.names[i]);
    for (int i = 0; i < t.count; i++)
        if (t.row[t.slices[i].track] >= 0)
            draw_slice(&t, &t.slices[i]);
    snprintf(text, sizeof text, "%.1f us from the left to the right", t.to - t.from);
    put_text(150, height - 16, "small", text);
    printf("</svg>\n");
    return 0;
}

int main(int argc, char **argv)
{
    csv_file f;
    plot p;
    if (argc == 3 && strcmp(argv[1], "--trace") == 0)
        return draw_trace(argv[2]);
    if (argc != 2 || !csv_read(&f, argv[1])) {
        fprintf(stderr, "usage: %s FILE.csv > FILE.svg\n", argv[0]);
        return 2;
    }
    plot_collect(&p, &f);
    if (!p.count) {
        fprintf(stderr, "plot: %s holds no round trips\n", argv[1]);
        return 1;
    }
    const int height = TOP + ROW * p.count + 64;
    draw_frame(&p, height);
    draw_axis(&p);
    for (int i = 0; i < p.count; i++)
        draw_row(&p, i);
    draw_key(height - 20);
    printf("</svg>\n");
    free(f.lines);
    return 0;
}

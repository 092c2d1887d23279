/* ==========================================================================
 * watch: a look as text for Prometheus
 * ======================================================================= */
#include "base/base_impl.h"
#include "rooms/watch/watch_live.h"

#ifndef VYRE_NO_WATCH

typedef struct vyi_watch_out {
    char       *dst;
    size_t      size, length;
    const char *name; /* NULL: no label */
} vyi_watch_out;

static void vyi_watch_char(vyi_watch_out *out, char c)
{
    if (out->length + 1 < out->size)
        out->dst[out->length] = c;
    out->length++;
}

static void vyi_watch_chars(vyi_watch_out *out, const char *text)
{
    for (; *text; text++)
        vyi_watch_char(out, *text);
}

/* As the format has it, a label's value has these three behind a backslash. */
static void vyi_watch_escaped(vyi_watch_out *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            vyi_watch_char(out, '\\');
        vyi_watch_char(out, *text == '\n' ? 'n' : *text);
    }
}

static void vyi_watch_head(vyi_watch_out *out, const char *metric, const char *type,
                           const char *help)
{
    char line[160];
    snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
    vyi_watch_chars(out, line);
}

/* metric{queue="name",label="value"} number; `label` may be NULL. */
static void vyi_watch_line(vyi_watch_out *out, const char *metric, const char *label,
                           const char *value, uint64_t number)
{
    char digits[24];
    vyi_watch_chars(out, metric);
    if (out->name || label)
        vyi_watch_char(out, '{');
    if (out->name) {
        vyi_watch_chars(out, "queue=\"");
        vyi_watch_escaped(out, out->name);
        vyi_watch_chars(out, label ? "\"," : "\"");
    }
    if (label) {
        vyi_watch_chars(out, label);
        vyi_watch_chars(out, "=\"");
        vyi_watch_chars(out, value);
        vyi_watch_char(out, '"');
    }
    if (out->name || label)
        vyi_watch_char(out, '}');
    snprintf(digits, sizeof digits, " %llu\n", (unsigned long long)number);
    vyi_watch_chars(out, digits);
}

/* Of many words those that are not 0, by their index. */
static void vyi_watch_list(vyi_watch_out *out, const char *metric, const char *label,
                           const uint32_t *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char index[12];
        if (words[i] == 0)
            continue;
        snprintf(index, sizeof index, "%u", (unsigned)i);
        vyi_watch_line(out, metric, label, index, words[i]);
    }
}

static void vyi_watch_states_text(vyi_watch_out *out, const vyre_watch *w)
{
    vyi_watch_head(out, "vyre_slots", "gauge", "Slots of the ring in each state.");
    for (uint32_t i = 0; i < VYRE_WATCH_STATES; i++)
        vyi_watch_line(out, "vyre_slots", "state", vyre_slot_state_name((vyre_slot_state)i),
                       w->states[i]);
}

static void vyi_watch_numbers_text(vyi_watch_out *out, const vyre_watch *w)
{
    const struct {
        const char *metric, *type, *help;
        uint64_t    number;
    } rows[] = {
        { "vyre_runnable", "gauge", "Slots whose work can still end.", w->runnable },
        { "vyre_shutdown", "gauge", "1 when the kernel is told to stop.", w->shutdown },
        { "vyre_done_total", "counter", "Works that ended, modulo 2^32.", w->done },
        { "vyre_faults_total", "counter", "Works that ended FAULT, modulo 2^32.", w->faults },
        { "vyre_epoch_total", "counter", "Batch fences that ran.", w->epoch },
        { "vyre_log_dropped_total", "counter", "Records that found the log full.",
          w->log_dropped },
        { "vyre_heartbeat_total", "counter", "Rounds of the kernel's first lane.", w->heartbeat },
        { "vyre_requeues_total", "counter", "Slots that were put back.", w->requeues },
        { "vyre_promoted_total", "counter", "Claims out of turn, for fairness.", w->promoted },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyi_watch_head(out, rows[i].metric, rows[i].type, rows[i].help);
        vyi_watch_line(out, rows[i].metric, NULL, NULL, rows[i].number);
    }
}

VYRE_API size_t vyre_watch_text(const vyre_watch *w, const char *name, char *dst, size_t size)
{
    vyi_watch_out out;
    out.dst = dst;
    out.size = size;
    out.length = 0;
    out.name = name;
    vyi_watch_states_text(&out, w);
    vyi_watch_numbers_text(&out, w);
    vyi_watch_head(&out, "vyre_opcode_total", "counter", "Works run, by opcode below 32.");
    vyi_watch_list(&out, "vyre_opcode_total", "opcode", w->metrics, VYRE_METRICS);
    vyi_watch_head(&out, "vyre_tenant_claims_total", "counter", "Slots claimed, by tenant.");
    vyi_watch_list(&out, "vyre_tenant_claims_total", "tenant", w->tenant_claims, 32);
    vyi_watch_head(&out, "vyre_priority_claims_total", "counter",
                   "Slots claimed, by priority: 0 is CRITICAL.");
    vyi_watch_list(&out, "vyre_priority_claims_total", "priority", w->priority_claims,
                   VYRE_PRIORITY_LEVELS);
    if (size)
        dst[out.length < size ? out.length : size - 1] = '\0';
    return out.length;
}

#endif /* VYRE_NO_WATCH */

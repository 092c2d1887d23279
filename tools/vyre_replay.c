/* Looks into logs of works, and runs them again.
 *
 *     vyre_replay list LOG            every record, the oldest first
 *     vyre_replay stat LOG            what is in it, in a few lines
 *     vyre_replay run LOG [cpu | vulkan] [slots=N] [observables=N]
 *
 * `run` has the built-in opcodes.  A program with handlers of its own calls
 * vyre_replay_run() on its own handle instead.  Ends with 0, 1 for a difference or a
 * damaged record, 2 for what could not be done. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vyre_error err;

static int failed(const char *what)
{
    fprintf(stderr, "vyre_replay: %s: %s\n%s\n", what, err.text, err.fix);
    return 2;
}

static int usage(void)
{
    fprintf(stderr, "usage: vyre_replay list LOG\n"
                    "       vyre_replay stat LOG\n"
                    "       vyre_replay run LOG [cpu | vulkan] [slots=N] [observables=N]\n");
    return 2;
}

static vyre_replay *open_log(const char *path)
{
    vyre_replay_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.path = path;
    desc.read_only = true;
    return vyre_replay_open(&desc, &err);
}

/* VYRE_OK, VYRE_E_REPLAY_LOST, VYRE_EMPTY; anything else ends the program. */
static vyre_status next(vyre_replay *log, vyre_replay_record *r)
{
    const vyre_status status = vyre_replay_next(log, r, &err);
    if (status < 0 && status != VYRE_E_REPLAY_LOST)
        exit(failed("the log"));
    return status;
}

/* --- list ---------------------------------------------------------------- */

static void print_record(const vyre_replay_record *r, uint64_t begin)
{
    static const char *const kinds[] = { "?", "work", "end", "event" };
    printf("%8llu  %12.6f  %-5s", (unsigned long long)r->sequence,
           (double)(r->time_ns - begin) / 1e9, kinds[r->kind < 4 ? r->kind : 0]);
    printf("  slot %u.%u", (unsigned)r->slot, (unsigned)r->generation);
    if (r->kind == VYRE_REPLAY_WORK || r->opcode) {
        printf("  %s 0x%x, tenant %u", vyre_opcode_name(r->opcode), (unsigned)r->opcode,
               (unsigned)r->tenant);
        for (uint32_t i = 0; i < r->arg_count; i++)
            printf("%s%u", i ? " " : "  (", (unsigned)r->args[i]);
        printf("%s", r->arg_count ? ")" : "");
    }
    if (r->ended)
        printf("  %s", vyre_slot_state_name((vyre_slot_state)r->state));
    if (r->ended && r->code)
        printf(" %u: %s", (unsigned)r->code, vyre_fault_text(r->code));
    if (r->ended && r->digest)
        printf("  %016llx", (unsigned long long)r->digest);
    putchar('\n');
}

static int list(vyre_replay *log)
{
    vyre_replay_record r;
    uint64_t begin = 0, count = 0, lost = 0;
    for (vyre_status status; (status = next(log, &r)) != VYRE_EMPTY; count++) {
        if (status == VYRE_E_REPLAY_LOST) {
            printf("%8llu  damaged\n", (unsigned long long)err.at);
            lost++;
            continue;
        }
        begin = begin ? begin : r.time_ns;
        print_record(&r, begin);
    }
    return lost ? 1 : 0;
}

/* --- stat ---------------------------------------------------------------- */

#define OPCODES 64u

typedef struct summary {
    uint64_t kinds[4], faults, lost, begin, end;
    uint32_t opcodes[OPCODES], opcode_count, tenants;
    uint64_t uses[OPCODES], others;
} summary;

static void count_opcode(summary *s, uint32_t opcode)
{
    uint32_t i = 0;
    while (i < s->opcode_count && s->opcodes[i] != opcode)
        i++;
    if (i == OPCODES) {
        s->others++;
        return;
    }
    if (i == s->opcode_count)
        s->opcodes[s->opcode_count++] = opcode;
    s->uses[i]++;
}

static summary summarize(vyre_replay *log)
{
    summary s;
    vyre_replay_record r;
    memset(&s, 0, sizeof s);
    for (vyre_status status; (status = next(log, &r)) != VYRE_EMPTY;) {
        if (status == VYRE_E_REPLAY_LOST) {
            s.lost++;
            continue;
        }
        s.begin = s.begin ? s.begin : r.time_ns;
        s.end = r.time_ns;
        s.kinds[r.kind < 4 ? r.kind : 0]++;
        s.faults += r.ended && r.state == VYRE_SLOT_FAULTED;
        s.tenants = r.tenant >= s.tenants ? r.tenant + 1 : s.tenants;
        if (r.kind == VYRE_REPLAY_WORK || r.opcode)
            count_opcode(&s, r.opcode);
    }
    vyre_replay_rewind(log);
    return s;
}

static int stat_log(vyre_replay *log)
{
    vyre_replay_info info;
    const summary s = summarize(log);
    vyre_replay_query(log, &info);
    printf("version %u, room for %llu records\n", (unsigned)info.version,
           (unsigned long long)info.capacity);
    printf("%llu works, %llu ends (%llu FAULT), %llu events, %llu damaged\n",
           (unsigned long long)s.kinds[1], (unsigned long long)s.kinds[2],
           (unsigned long long)s.faults, (unsigned long long)s.kinds[3],
           (unsigned long long)s.lost);
    printf("%.6f s from the first to the last, %u tenants\n", (double)(s.end - s.begin) / 1e9,
           (unsigned)s.tenants);
    for (uint32_t i = 0; i < s.opcode_count; i++)
        printf("%12llu  0x%x %s\n", (unsigned long long)s.uses[i], (unsigned)s.opcodes[i],
               vyre_opcode_name(s.opcodes[i]));
    if (s.others)
        printf("%12llu  other opcodes\n", (unsigned long long)s.others);
    return s.lost ? 1 : 0;
}

/* --- run ----------------------------------------------------------------- */

/* A file that tells how much of it has been read. */
typedef struct progress {
    FILE    *file;
    uint64_t records, all, told;
} progress;

static int64_t read_and_tell(void *user, uint64_t at, void *bytes, size_t n)
{
    progress *p = (progress *)user;
    if (fseek(p->file, (long)at, SEEK_SET) != 0)
        return -1;
    p->records++;
    if (p->all && p->records * 100 / p->all > p->told && p->told < 100) {
        p->told = p->records * 100 / p->all;
        fprintf(stderr, "\rvyre_replay: %3llu %%", (unsigned long long)p->told);
    }
    return (int64_t)fread(bytes, 1, n, p->file);
}

static int64_t size_of(void *user)
{
    FILE *file = ((progress *)user)->file;
    return fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
}

/* False: the log has opcodes that need a program's handlers. */
static bool can_run(const summary *s)
{
    for (uint32_t i = 0; i < s->opcode_count; i++) {
        if (vyre_opcode_is_builtin(s->opcodes[i]))
            continue;
        fprintf(stderr, "vyre_replay: opcode 0x%x needs a handler, which this program does not "
                        "have\nCall vyre_replay_run() on a handle with the program's handlers.\n",
                (unsigned)s->opcodes[i]);
        return false;
    }
    if (s->tenants <= VYRE_MAX_TENANTS)
        return true;
    fprintf(stderr, "vyre_replay: the log has tenants up to %u, and a handle 29 at most\n",
            (unsigned)s->tenants - 1);
    return false;
}

static int report_of(vyre *v, vyre_replay *log)
{
    vyre_replay_report report;
    vyre_info info;
    const vyre_status status = vyre_replay_run(v, log, &report, &err);
    fputc('\n', stderr);
    vyre_query(v, &info);
    printf("%s: %llu works, %llu ends compared, %llu differences, %llu lost\n", info.device,
           (unsigned long long)report.works, (unsigned long long)report.ends,
           (unsigned long long)report.differences, (unsigned long long)report.lost);
    if (report.differences)
        printf("the first difference is record %llu\n",
               (unsigned long long)report.first_difference);
    if (status != VYRE_OK)
        return failed("the run");
    return report.differences || report.lost ? 1 : 0;
}

static int run(const char *path, const summary *s, vyre_desc *desc)
{
    progress p = { fopen(path, "rb"), 0, s->kinds[1] + s->kinds[2] + s->kinds[3] + s->lost, 0 };
    vyre_replay_desc from;
    int result = 2;
    if (!p.file)
        return usage();
    memset(&from, 0, sizeof from);
    from.file.read = read_and_tell;
    from.file.size = size_of;
    from.file.user = &p;
    from.read_only = true;
    vyre_replay *log = vyre_replay_open(&from, &err);
    vyre *v = log ? vyre_open(desc, &err) : NULL;
    p.records = 0;
    if (!v || vyre_start(v, &err) != VYRE_OK)
        failed("the handle");
    else
        result = report_of(v, log);
    vyre_close(v);
    vyre_replay_close(log);
    fclose(p.file);
    return result;
}

static bool option(const char *text, vyre_desc *desc)
{
    if (strcmp(text, "cpu") == 0)
        desc->backend = VYRE_BACKEND_CPU;
    else if (strcmp(text, "vulkan") == 0)
        desc->backend = VYRE_BACKEND_VULKAN;
    else if (strncmp(text, "slots=", 6) == 0)
        desc->kernel.slot_count = (uint32_t)strtoul(text + 6, NULL, 0);
    else if (strncmp(text, "observables=", 12) == 0)
        desc->observables = (uint32_t)strtoul(text + 12, NULL, 0);
    else
        return false;
    return true;
}

static int run_options(const char *path, vyre_replay *log, int count, char **options)
{
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    for (int i = 0; i < count; i++) {
        if (!option(options[i], &desc)) {
            fprintf(stderr, "vyre_replay: %s is no option of run\n", options[i]);
            return usage();
        }
    }
    const summary s = summarize(log);
    desc.tenants = s.tenants;
    return can_run(&s) ? run(path, &s, &desc) : 2;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return usage();
    const bool runs = strcmp(argv[1], "run") == 0;
    if (argc > 3 && !runs)
        return usage();
    vyre_replay *log = open_log(argv[2]);
    int result;
    if (!log)
        return failed(argv[2]);
    if (runs)
        result = run_options(argv[2], log, argc - 3, argv + 3);
    else if (strcmp(argv[1], "list") == 0)
        result = list(log);
    else if (strcmp(argv[1], "stat") == 0)
        result = stat_log(log);
    else
        result = usage();
    vyre_replay_close(log);
    return result;
}

/* Scan's tables: any numbers as the DFAs of rules, any bytes as patterns.  What is packed
 * steps as it did; what a lane may begin late still finds; all patterns are found. */
#include "fuzz.h"

#define MOST_STATES 6u
#define MOST_RULES  4u

typedef struct dfa {
    uint32_t transitions[256 * MOST_STATES], accept[MOST_STATES];
} dfa;

static void take_rule(fuzz_input *in, dfa *d, vyre_rule *rule)
{
    const uint32_t shape = fuzz_byte(in), kinds = 1 + fuzz_byte(in) % 8;
    uint32_t targets[MOST_STATES * 8];
    rule->index = shape >> 6;
    rule->state_count = shape % (MOST_STATES + 1);
    rule->transition_count = 256 * (size_t)rule->state_count - (shape == 61);
    rule->accept_count = rule->state_count - (shape == 62);
    rule->transitions = d->transitions;
    rule->accept = d->accept;
    for (uint32_t i = 0; i < rule->state_count * kinds; i++)
        targets[i] = fuzz_byte(in) % (rule->state_count + (fuzz_byte(in) == 255));
    for (uint32_t i = 0; i < 256 * rule->state_count; i++)
        d->transitions[i] = targets[i / 256 * kinds + i % kinds];
    for (uint32_t i = 0; i < rule->state_count; i++)
        d->accept[i] = fuzz_byte(in) & 1;
}

static void check_rule(const vyre_rules *r, const vyre_rule *rule)
{
    const uint32_t *meta = r->meta + 5 * (size_t)rule->index;
    FUZZ_CHECK(meta[2] == rule->state_count && meta[4] >= 1 && meta[4] <= 256);
    for (uint32_t i = 0; i < 256 * rule->state_count; i++) {
        const size_t at = meta[0] + i / 256 * (size_t)meta[4] + r->class_maps[meta[3] + i % 256];
        FUZZ_CHECK(at < r->transition_count && r->transitions[at] == rule->transitions[i]);
    }
    for (uint32_t s = 0; s < rule->state_count; s++)
        FUZZ_CHECK(r->accept[meta[1] + s] == rule->accept[s]);
}

static bool is_rejected(const vyre_rules *r, uint32_t index)
{
    for (uint32_t i = 0; i < r->rejected_count; i++)
        if (r->rejected[i].index == index)
            return true;
    return false;
}

/* After that many bytes the state is the same, whichever one began in. */
static void check_distance(const vyre_rule *rule, const uint8_t *bytes, size_t size)
{
    vyre_error err;
    uint32_t distance = 77;
    const vyre_status status = vyre_dfa_distance(rule->transitions, rule->state_count, 1000, NULL,
                                                 &distance, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(distance == 77);
        return;
    }
    for (size_t late = 0; late + distance <= size; late++) {
        uint32_t whole = 0, part = 0;
        for (size_t i = 0; i < late + distance; i++) {
            whole = rule->transitions[256 * whole + bytes[i]];
            part = i < late ? 0 : rule->transitions[256 * part + bytes[i]];
        }
        FUZZ_CHECK(whole == part);
    }
}

static void rules(fuzz_input *in)
{
    static dfa dfas[MOST_RULES];
    vyre_rule all[MOST_RULES];
    vyre_rules packed;
    vyre_error err;
    const uint32_t count = fuzz_byte(in) % (MOST_RULES + 1);
    for (uint32_t i = 0; i < count; i++)
        take_rule(in, &dfas[i], &all[i]);
    const vyre_status status = vyre_rules_pack(all, count, NULL, &packed, &err);
    fuzz_error(status, &err);
    if (status < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (is_rejected(&packed, all[i].index))
            continue;
        const size_t left = (size_t)(in->end - in->at);
        check_rule(&packed, &all[i]);
        check_distance(&all[i], in->at, left < 24 ? left : 24);
    }
    vyre_rules_free(&packed);
}

static uint32_t ends_here(const vyre_pattern *p, const uint8_t *bytes, size_t end)
{
    return p->size <= end && memcmp(bytes + end - p->size, p->bytes, p->size) == 0;
}

/* The input itself is what is searched. */
static void automaton(fuzz_input *in, const uint8_t *data, size_t size)
{
    vyre_pattern patterns[8];
    vyre_automaton a;
    vyre_error err;
    const uint32_t count = fuzz_byte(in) % 9;
    for (uint32_t i = 0; i < count; i++) {
        const size_t left = (size_t)(in->end - in->at), length = fuzz_byte(in) % 6;
        patterns[i].bytes = in->at;
        patterns[i].size = (uint32_t)(length < left ? length : left / 2);
        patterns[i].id = i;
    }
    const vyre_status status = vyre_automaton_make(patterns, count, NULL, &a, &err);
    fuzz_error(status, &err);
    if (status < 0)
        return;
    uint32_t state = 0;
    for (size_t at = 0; at < size; at++) {
        uint32_t ends = 0;
        state = a.next[256 * (size_t)state + data[at]];
        FUZZ_CHECK(state < a.states);
        for (uint32_t i = 0; i < count; i++)
            ends += ends_here(&patterns[i], data, at + 1);
        FUZZ_CHECK(a.output_offsets[state + 1] - a.output_offsets[state] == ends);
        for (uint32_t o = a.output_offsets[state]; o < a.output_offsets[state + 1]; o++)
            FUZZ_CHECK(ends_here(&patterns[a.outputs[o]], data, at + 1));
    }
    vyre_automaton_free(&a);
}

static void segments(fuzz_input *in)
{
    static vyre_segment out[64];
    vyre_error err;
    uint32_t sizes[4], file = 0, at = 0;
    uint64_t count = 77;
    for (uint32_t i = 0; i < 4; i++)
        sizes[i] = fuzz_number(in);
    const uint32_t width = fuzz_number(in), overlap = fuzz_number(in);
    const vyre_status status = vyre_segments_make(sizes, 4, width, overlap, out, 64, &count, &err);
    fuzz_error(status, &err);
    if (status < 0) {
        FUZZ_CHECK(count == 77 && (width == 0 || vyre_segments_count(sizes, 4, width) > 64));
        return;
    }
    FUZZ_CHECK(count == vyre_segments_count(sizes, 4, width));
    for (uint64_t i = 0; i < count; i++) {
        for (; at == sizes[file]; at = 0)
            file++;
        FUZZ_CHECK(out[i].file == file && out[i].emit_start == at && out[i].emit_end > at);
        FUZZ_CHECK(at - out[i].scan_start == (at < overlap ? at : overlap));
        at = out[i].emit_end;
        FUZZ_CHECK(at <= sizes[file]);
    }
    for (; file < 4 && at == sizes[file]; at = 0)
        file++;
    FUZZ_CHECK(file == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = { data, data + size };
    segments(&in);
    rules(&in);
    automaton(&in, data, size);
    return 0;
}

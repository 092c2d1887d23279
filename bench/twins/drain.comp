#version 450
// The whole slot protocol by hand: tenants, claim, every opcode that a kernel
// without an IO queue knows, with its checks, packed slots, metrics, log, DONE
// or FAULT, counters.  Lanes stride over the slots.
//
// The ring is bound twice: as words for atomics, and as vectors, so that a
// slot is read by two loads of 16 bytes.
layout(local_size_x_id = 0) in;
layout(constant_id = 3) const bool FENCED = true;
layout(std430, binding = 0) coherent buffer Control { uint control[]; };
layout(std430, binding = 1) coherent buffer Ring { uint ring[]; };
layout(std430, binding = 1) coherent readonly buffer Quads { uvec4 quads[]; };
layout(std430, binding = 2) coherent buffer Log { uint cursor; uint records[]; };
layout(std430, binding = 3) coherent buffer Io { uint io[]; };
layout(std430, binding = 4) readonly buffer Table { uint table[]; };

const uint PUBLISHED = 1u, CLAIMED = 2u, DONE = 3u, FAULTED = 7u;
const uint SHUTDOWN = 0u, DONE_COUNT = 1u, EPOCH = 2u, TENANTS = 3u, METRICS = 96u;
const uint FAULT_COUNT = 141u, LOG_DROPPED = 142u, OBSERVABLES = 160u;
const uint NO_FAULT = 0u, BAD_OPCODE = 1u, BAD_INDEX = 2u, BAD_HEADER = 3u, BAD_PACKED = 4u,
           BAD_TABLE = 5u;

void fence()
{
    if (FENCED)
        memoryBarrierBuffer();
}

// A store that releases: behind a barrier, or, where there must be none, a
// read-modify-write, which llvmpipe orders with all before it.
void release(uint at, uint status)
{
    fence();
    if (FENCED)
        ring[at] = status;
    else
        atomicExchange(ring[at], status);
}

uint words() { return uint(control.length()); }
uint observables() { return max(words(), OBSERVABLES) - OBSERVABLES; }

uint may_write(uint index)
{
    return index >= words() ? BAD_INDEX : index < OBSERVABLES ? BAD_HEADER : NO_FAULT;
}

void observe(uint index, uint value)
{
    if (index < observables())
        control[OBSERVABLES + index] = value;
}

bool in_range(uint first, uint count)
{
    return count <= words() && first <= words() - count;
}

uint copy(uint from, uint to, uint count)
{
    if (!in_range(from, count) || !in_range(to, count))
        return BAD_INDEX;
    if (to < OBSERVABLES && count != 0u)
        return BAD_HEADER;
    for (uint i = 0u; i < count; i++) {
        uint at = to > from ? count - 1u - i : i;
        control[to + at] = control[from + at];
    }
    return NO_FAULT;
}

uint dfa_step(uint state, uint symbol, uint to)
{
    uint row = state << 8u, size = uint(table.length());
    if (state >= 1u << 24u || row >= size || symbol >= size - row)
        return BAD_TABLE;
    if (to >= observables())
        return BAD_INDEX;
    observe(to, table[row + symbol]);
    return NO_FAULT;
}

void print(uint base, uvec3 arg)
{
    uint room = uint(records.length()) / 4u;
    uint at = cursor;
    for (uint i = 0u; i < room && at + 4u <= room * 4u; i++) {
        uint seen = atomicCompSwap(cursor, at, at + 4u);
        if (seen == at) {
            records[at] = arg.x;
            records[at + 1u] = arg.y;
            records[at + 2u] = arg.z;
            records[at + 3u] = base;
            return;
        }
        at = seen;
    }
    atomicAdd(control[LOG_DROPPED], 1u);
}

uint run(uint base, uint opcode, uvec3 arg)
{
    uint fault = NO_FAULT;
    if (opcode < 32u)
        atomicAdd(control[METRICS + opcode], 1u);
    switch (opcode) {
    case 0u:
        break;
    case 1u:
        fault = may_write(arg.y);
        if (fault == NO_FAULT)
            control[arg.y] = arg.x;
        break;
    case 2u:
        fault = may_write(arg.y);
        if (fault == NO_FAULT)
            atomicAdd(control[arg.y], arg.x);
        break;
    case 3u:
        if (arg.x < words() && arg.y < observables())
            observe(arg.y, control[arg.x]);
        else
            fault = BAD_INDEX;
        break;
    case 4u:
        fault = may_write(arg.x);
        if (fault == NO_FAULT)
            observe(arg.x, atomicCompSwap(control[arg.x], arg.y, arg.z));
        break;
    case 5u:
        fault = copy(arg.x, arg.y, arg.z);
        break;
    case 6u:
        fault = dfa_step(arg.x, arg.y, arg.z);
        break;
    case 7u:
        atomicAdd(control[EPOCH], 1u);
        observe(0u, arg.y);
        break;
    case 0xfffeu:
        print(base, arg);
        break;
    case 0xffffffffu:
        control[SHUTDOWN] = 1u;
        break;
    default:
        fault = BAD_OPCODE;
        break;
    }
    return fault;
}

// { opcode, offset } of operation i, from half-words behind the head's.
uint pair(uint base, uint i)
{
    return ring[base + 4u + ((i + 1u) >> 1u)] >> ((i + 1u & 1u) * 16u) & 0xffffu;
}

uint argument(uint area, uint i, uint count)
{
    return i < count ? ring[area + i] : 0u;
}

uint run_packed(uint base, uint head)
{
    uint count = head & 0xffu, meta = (count + 2u) >> 1u;
    if (count >= 24u || meta > 12u)
        return BAD_PACKED;
    uint args = (head >> 8u) & 0xffu;
    args = args == 0u ? 12u - meta : args;
    if (meta + args > 12u)
        return BAD_PACKED;
    uint least = 0u;
    for (uint i = 0u; i < count; i++) {
        uint offset = pair(base, i) >> 8u;
        if (offset < least || offset > args)
            return BAD_PACKED;
        least = offset;
    }
    uint fault = NO_FAULT;
    for (uint i = 0u; i < count && fault == NO_FAULT; i++) {
        uint one = pair(base, i), offset = one >> 8u;
        uint end = i + 1u < count ? pair(base, i + 1u) >> 8u : args;
        uint area = base + 4u + meta + offset;
        fault = run(base, one & 0xffu,
                    uvec3(argument(area, 0u, end - offset), argument(area, 1u, end - offset),
                          argument(area, 2u, end - offset)));
    }
    return fault;
}

void serve(uint slot)
{
    uint base = slot * 16u;
    if (ring[base] != PUBLISHED || atomicCompSwap(ring[base], PUBLISHED, CLAIMED) != PUBLISHED)
        return;
    fence();
    uvec4 head = quads[slot * 4u], arg = quads[slot * 4u + 1u];
    if (head.z >= 29u || control[TENANTS + min(head.z, 28u)] == 0u) {
        release(base, PUBLISHED);
        return;
    }
    uint fault = head.y == 0x80000001u ? run_packed(base, arg.x) : run(base, head.y, arg.xyz);
    if (fault != NO_FAULT)
        ring[base + 15u] = fault;
    release(base, fault == NO_FAULT ? DONE : FAULTED);
    fence();
    atomicAdd(control[fault == NO_FAULT ? DONE_COUNT : FAULT_COUNT], 1u);
}

void main()
{
    if (control[SHUTDOWN] != 0u)
        return;
    uint slots = uint(ring.length()) / 16u;
    uint lanes = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    for (uint slot = gl_GlobalInvocationID.x; slot < slots; slot += lanes)
        serve(slot);
}

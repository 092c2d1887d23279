#version 450
// The whole slot protocol by hand: claim, opcode, effect, DONE, count.
// Lanes stride over the slots.
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) volatile coherent buffer Control { uint control[]; };
layout(std430, binding = 1) volatile coherent buffer Ring { uint ring[]; };

const uint PUBLISHED = 1u, CLAIMED = 2u, DONE = 3u, FAULT = 7u;

void finish(uint base, uint status)
{
    memoryBarrierBuffer();
    atomicExchange(ring[base], status);
    atomicAdd(control[status == DONE ? 1u : 141u], 1u);
}

void serve(uint base)
{
    if (ring[base] != PUBLISHED)
        return;
    uint tenant = ring[base + 2u];
    if (tenant >= 29u || control[3u + tenant] == 0u)
        return;
    if (atomicCompSwap(ring[base], PUBLISHED, CLAIMED) != PUBLISHED)
        return;
    memoryBarrierBuffer();

    uint opcode = ring[base + 1u];
    uint a0 = ring[base + 4u], a1 = ring[base + 5u];
    uint status = DONE;
    if (opcode < 32u)
        atomicAdd(control[96u + opcode], 1u);
    switch (opcode) {
    case 0u:
        break;
    case 1u:
        if (a1 < 160u || a1 >= uint(control.length()))
            status = FAULT;
        else
            atomicExchange(control[a1], a0);
        break;
    case 2u:
        if (a1 < 160u || a1 >= uint(control.length()))
            status = FAULT;
        else
            atomicAdd(control[a1], a0);
        break;
    default:
        status = FAULT;
        break;
    }
    finish(base, status);
}

void main()
{
    if (control[0] != 0u)
        return;
    uint slots = uint(ring.length()) / 16u;
    uint lanes = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    for (uint slot = gl_GlobalInvocationID.x; slot < slots; slot += lanes)
        serve(slot * 16u);
}

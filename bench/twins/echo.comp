#version 450
// The floor of a round trip: poll one word, answer in another, nothing else.
layout(local_size_x = 1) in;
layout(std430, binding = 0) volatile coherent buffer Question { uint question; uint stop; };
layout(std430, binding = 1) volatile coherent buffer Answer { uint answer; uint left; };
layout(push_constant) uniform Push { uint rounds; };

void main()
{
    uint last = answer;
    for (uint round = 0u; round < rounds; round++) {
        uint now = question;
        if (now != last) {
            last = now;
            answer = now;
            if (now == 0xffffffffu)
                break;
        }
    }
    memoryBarrierBuffer();
    atomicAdd(left, 1u);
}

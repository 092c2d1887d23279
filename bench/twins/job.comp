#version 450
// One job as an ordinary dispatch: the work of one ATOMIC_ADD slot.
layout(local_size_x = 1) in;
layout(std430, binding = 0) coherent buffer Question { uint sum; };
layout(std430, binding = 1) coherent buffer Answer { uint answer; };
layout(push_constant) uniform Push { uint amount; };

void main()
{
    atomicAdd(sum, amount);
}

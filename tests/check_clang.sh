#!/usr/bin/env bash
# Clang's sanitizers, which see what gcc's do not (an offset to a null pointer):
# the fast tests of what only computes, and a walk through the emitter.
. "$(dirname "$0")/check.sh"
needs clang || { finish; exit; }
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
flags="-std=gnu11 -O0 -D_GNU_SOURCE -I. -Itests -include tests/status_hook.h -w $sanitize"

cat > "$scratch/control.c" <<'C'
int main(int argc, char **argv)
{
    char *none = argc > 9 ? argv[0] : 0;
    return none + (argc - 1) == argv[0];
}
C
clang -O0 $sanitize "$scratch/control.c" -o "$scratch/control" 2> "$scratch/err" ||
    { skips clang "this clang has no sanitizers"; finish; exit; }
fails "an offset to NULL is found" "$scratch/control" 1

cat > "$scratch/emit.c" <<'C'
#include "vyre.h"
#include <string.h>
static int emit(vyre_program *p)
{
    vyre_spirv m;
    const int wrong = vyre_program_finish(p, 0) != VYRE_OK || vyre_spirv_emit(p, 0, &m, 0) != VYRE_OK;
    if (!wrong)
        vyre_spirv_free(&m);
    vyre_program_destroy(p);
    return wrong;
}
int main(void)
{
    int wrong = 0;
    for (unsigned kind = 0; kind < 3; kind += 2) {
        vyre_kernel_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.kind = (vyre_kernel_kind)kind;
        wrong += emit(vyre_kernel_build(&desc, 0));
        desc.once = true;
        wrong += emit(vyre_kernel_build(&desc, 0));
    }
    wrong += emit(vyre_program_create(0, 0));
    vyre_program *p = vyre_program_create(0, 0);
    vyre_ir_if(p, vyre_ir_eq(p, vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_ID_X), vyre_ir_u32(p, 0)));
    vyre_ir_end(p);
    return wrong + emit(p);
}
C
passes "library" clang $flags -c vyre.c -o "$scratch/vyre.o"
passes "emit builds" clang $flags "$scratch/emit.c" "$scratch/vyre.o" -o "$scratch/emit" -lm -lpthread -ldl
passes "emit" "$scratch/emit"
for name in test_ir test_text test_wire test_interp; do
    passes "$name builds" clang $flags "tests/$name.c" "$scratch/vyre.o" -o "$scratch/$name" -lm -lpthread -ldl
    passes "$name" timeout 300 "$scratch/$name"
done
finish

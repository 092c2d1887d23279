#!/usr/bin/env bash
# C leaves open which argument of a call is evaluated first, so code that emits two
# instructions among the arguments of one call gives another program with another
# compiler.  Every program of README, docs and examples that emits, or has a handler,
# which may be a text, gives the same one with gcc, which goes from the right, and
# clang, which goes from the left.
. "$(dirname "$0")/check.sh"
needs clang || { finish; exit; }
libs="-lm -lpthread -ldl"
wrap="-Wl,--wrap=vyre_open,--wrap=vyre_kernel_build"

for compiler in gcc clang; do
    passes "hook ($compiler)" $compiler -std=c99 -O0 -w -I. -c tests/order_hook.c -o "$scratch/hook.$compiler.o"
done

echo vyre > "$scratch/patterns" # for those that read files

# hashes SOURCE: of the programs that it makes, as this compiler emits them
hashes() { # compiler, source
    grep -v 'define VYRE_IMPLEMENTATION' "$2" > "$scratch/program.c"
    $1 -std=c99 -O0 -w -I. -Iexamples $wrap "$scratch/program.c" "$scratch/hook.$1.o" -o "$scratch/program" $libs || return
    { timeout 60 "$scratch/program" || timeout 60 "$scratch/program" cpu "$scratch/patterns" README.md; } 2>&1 > /dev/null |
        grep '^program'
}
equal() { # source
    hashes gcc "$1" > "$scratch/gcc.txt"
    hashes clang "$1" > "$scratch/clang.txt"
    test -s "$scratch/gcc.txt" && cmp "$scratch/gcc.txt" "$scratch/clang.txt"
}

# The fenced programs of a page, as PAGE.N.c
for page in README.md docs/*.md; do
    awk -v name="$scratch/$(basename "$page" .md)" '
        /^```c$/ { n++; file = sprintf("%s.%02d.c", name, n); inside = 1; next }
        /^```/ { inside = 0; next }
        inside { print > file }' "$page"
done
count=0
for source in examples/*.c "$scratch"/*.[0-9][0-9].c; do
    grep -qE 'vyre_ir_|vyre_handler' "$source" && grep -q 'int main' "$source" || continue
    ! grep -q '<mpi.h>' "$source" || continue # runs by mpirun: check_mpi.sh
    count=$((count + 1))
    passes "order: $(basename "$source")" equal "$source"
done
passes "programs that emit were found" test "$count" -ge 5

cat > "$scratch/control.c" <<'C'
#include "vyre.h"
#include <string.h>
static void emit(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, vyre_ir_sub(p, vyre_ir_load(p, s->control, s->arg[1]), vyre_ir_load(p, s->control, s->arg[2])));
}
int main(void)
{
    vyre_desc d;
    vyre_handler h;
    memset(&d, 0, sizeof d);
    memset(&h, 0, sizeof h);
    h.opcode = 0x1000;
    h.emit = emit;
    d.kernel.handlers = &h;
    d.kernel.handler_count = 1;
    return vyre_open(&d, NULL) ? 0 : 1;
}
C
fails control equal "$scratch/control.c"
finish

#!/usr/bin/env bash
# The wire tests, the interpreter, and the tables of the pump, on a big-endian and on a 32-bit machine.
. "$(dirname "$0")/check.sh"

portable=$(ls tests/test_base.c tests/test_wire*.c tests/test_ring*.c tests/test_vectors*.c tests/test_interp_bytes.c tests/test_io_tables.c 2>/dev/null)
[ -n "$portable" ] || { echo "FAIL no portable tests found"; failed=1; }

run_on() { # name, compiler, how to run
    local name=$1 compiler=$2 runner=$3
    needs "$compiler" || return
    passes "$name library" "$compiler" -std=c99 -O1 -DVYRE_NO_VULKAN -I. -c vyre.c -o "$scratch/$name.o"
    for test in $portable; do
        local program=$scratch/$name-$(basename "$test" .c)
        passes "$name builds $(basename "$test")" "$compiler" -std=gnu11 -O1 -I. -Itests "$test" \
            "$scratch/$name.o" -o "$program" -static -lm -lpthread
        [ -x "$program" ] || continue
        $runner "$program" > "$scratch/log" 2>&1
        local code=$?
        local line
        line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$scratch/log" | tail -n 1)
        if [ $code -eq 0 ] && [ -n "$line" ]; then
            passed=$((passed + 1))
            echo "$name $(basename "$test"): $line"
        else
            failed=$((failed + 1))
            echo "FAIL $name $(basename "$test"): exit code $code"; tail -n 10 "$scratch/log"
        fi
    done
}

# Not every kernel of a 64-bit machine runs 32-bit programs.
runner_of_i386() {
    echo 'int main(void) { return 0; }' > "$scratch/nothing.c"
    i686-linux-gnu-gcc -static "$scratch/nothing.c" -o "$scratch/nothing" 2> /dev/null &&
        "$scratch/nothing" 2> /dev/null || echo qemu-i386
}

needs qemu-s390x && run_on s390x s390x-linux-gnu-gcc qemu-s390x
runner=$(runner_of_i386)
needs "${runner:-i686-linux-gnu-gcc}" && run_on i386 i686-linux-gnu-gcc "$runner"
finish

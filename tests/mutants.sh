#!/usr/bin/env bash
# Would the tests notice?  Makes MUTANTS (default 200) small mistakes in the engine, the wide
# protocol, events and the pump, one at a time (tests/mutate.c, from SEED on), and runs the
# tests below on each until one fails.  What all tests pass is listed: it has the same effect as
# before, or a test is missing.  Only the CPU backend runs: a wrong kernel on a real device
# could hang it.
#
#   MUTANTS=20 SEED=7 JOBS=2 bash tests/mutants.sh
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}/mutants
mutants=${MUTANTS:-200} seed=${SEED:-1} jobs=${JOBS:-$(nproc)}
export limit=${LIMIT:-60} build
files=(src/engine/*.c src/kernel/kernel_{wide,groups,order}.c src/rooms/io/*.c src/rooms/graph/*.c)
export tests="test_wide_protocol test_order_protocol test_engine_fake test_engine_cases test_order
    test_graph test_io_then test_io_kernels test_wide test_wide_groups test_engine test_cpu
    test_producer test_cancel test_engine_ends test_memory test_engine_defects test_io
    test_wide_threads test_children test_task_live test_fairness test_engine_rings
    test_engine_inside test_trace"
export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent
export cflags="-std=gnu11 -w -D_GNU_SOURCE"
rm -rf "$build"
mkdir -p "$build/tests"

object() { # overlay, object: the library with what the overlay has instead
    cp src/vyre.h "$1/vyre.h"
    gcc $cflags -O1 -DVYI_API=extern -DVYRE_IMPLEMENTATION -include tests/status_hook.h \
        -DKNOBS_HERE -include tests/knobs.h -iquote "$1" -iquote src -x c -c "$1/vyre.h" -o "$2"
}

program() { # test, object of the library, program
    gcc "$build/tests/$1.o" "$2" -o "$3" -lm -lpthread -ldl
}

whole() { # test that holds the library itself, overlay, program
    gcc $cflags -O1 -iquote "$2" -iquote src -I. -iquote tests "tests/$1.c" -o "$3" -luring -lm -lpthread -ldl
}

holds_library() {
    grep -q 'define VYRE_IMPLEMENTATION' "tests/$1.c"
}

run_test() { # test, overlay, object, program: 0 when it passes
    if holds_library "$1"; then whole "$1" "$2" "$4"; else program "$1" "$3" "$4"; fi 2>/dev/null || return 1
    (cd "$2" && timeout "$limit" "$4" >"$4.log" 2>&1)
}

one_mutant() { # seed
    local at=$PWD/$build/m$1 file text t
    mkdir -p "$at"
    text=$("$build/mutate" "$1" "$at/mutant" $fragments)
    file=${text%%:*}
    mkdir -p "$at/$(dirname "${file#src/}")"
    mv "$at/mutant" "$at/${file#src/}"
    if ! object "$at" "$at/vyre.o" 2>/dev/null; then
        echo "built not: $text"
    else
        for t in $passing; do
            if ! run_test "$t" "$at" "$at/vyre.o" "$at/$t"; then
                echo "killed by $t: $text"
                rm -rf "$at"
                return
            fi
            rm -f "$at/$t"
        done
        echo "SURVIVED: $text"
    fi
    rm -rf "$at"
}
export -f object program whole holds_library run_test one_mutant
export fragments="${files[*]}"

gcc -std=c99 -O1 tests/mutate.c -o "$build/mutate" || exit 1
for t in $tests; do
    holds_library "$t" || gcc $cflags -O1 -I. -iquote src -iquote tests -c "tests/$t.c" -o "$build/tests/$t.o" &
    [ "$(jobs -rp | wc -l)" -ge "$jobs" ] && wait -n
done
wait
mkdir -p "$build/none"
object "$build/none" "$build/vyre.o" || exit 1

first() { # test: says whether it passes without a mistake
    local began=$SECONDS
    if run_test "$1" "$PWD/$build/none" "$PWD/$build/vyre.o" "$PWD/$build/none/$1"; then
        echo "$1 $((SECONDS - began))"
    else
        echo "mutants: $1 fails without a mistake, and is left out" >&2
        grep -a FAIL "$build/none/$1.log" | head -n 3 >&2
    fi
}
export -f first
times=$(printf '%s\n' $tests | xargs -P "$jobs" -I{} bash -c 'first {}')
export passing
passing=$(for t in $tests; do grep -o "^$t " <<<"$times"; done | tr '\n' ' ')
echo "mutants: $mutants of seed $seed; tests and seconds: $(tr '\n' ' ' <<<"$times")"
seq "$seed" $((seed + mutants - 1)) | xargs -P "$jobs" -I{} bash -c 'one_mutant {}' | tee "$build.log"
killed=$(grep -c '^killed' "$build.log") survived=$(grep -c '^SURVIVED' "$build.log")
echo "mutants: $killed killed, $survived survived, $(grep -c '^built not' "$build.log") did not build"

#!/usr/bin/env bash
# Would the tests notice?  Makes COUNT (default 200) small mistakes in the engine, the wide
# protocol, events and the pump, one at a time (tests/mutate.c, seeds from SEED + START on, or
# those that are named), and runs the tests that run the changed line, the quickest first,
# until one fails twice.  Prints for each mistake one of
#
#   killed by TEST (CASE)   stopped by TEST (it ran past its limit)
#   equal                   the compiler made the same code of it, or makes none here
#   not run                 no test of these runs the line
#   SURVIVED                all that run the line pass: an equal effect, or a test is missing
#
# Only the CPU backend runs: a wrong kernel on a real device could hang it.  DEVICE=1 runs the
# tests on the machine's Vulkan driver, too; have that be llvmpipe.
#
#   SEED=1 START=100 COUNT=50 JOBS=2 bash tests/mutants.sh        bash tests/mutants.sh 17 33
#
# FILES="src/engine/cpu.c .." takes mistakes of those files only, TESTS="test_io .." judges with
# those tests only; after LIMIT seconds no further mistake is begun, and what is running ends.
# AGAIN=a log: the mistakes of its lines that were not found, wherever their text is by now.
# build/mutants.log has all; what was not found is printed once more at the end.
set -u
cd "$(dirname "$0")/.."
export build=${BUILD:-build}/mutants
first=$((${SEED:-1} + ${START:-0})) jobs=${JOBS:-$(nproc)} began=$SECONDS
export again=${AGAIN:-}
[ -z "$again" ] || set -- $(grep -nE '^[0-9]+ (SURVIVED|not run|built not)' "$again" | cut -d: -f1)
[ $# -gt 0 ] || set -- $(seq $first $((first + ${COUNT:-200} - 1)))
files=(src/engine/*.c src/kernel/kernel_{wide,groups,order}.c src/rooms/io/*.c src/rooms/graph/*.c)
export fragments="${FILES:-${files[*]}}" stop=$((EPOCHSECONDS + ${LIMIT:-999999}))
tests="test_wide_protocol test_order_protocol test_io_protocol test_engine_fake test_engine_paths test_engine_cases
    test_order test_graph test_io_then test_io_kernels test_io_park test_io_tables test_wide
    test_wide_groups test_engine test_cpu test_producer test_cancel test_engine_ends test_memory
    test_engine_defects test_wide_threads test_children test_task test_task_live test_fairness
    test_trace test_tenant test_pool test_watch_live test_stuck test_log_live test_fuse_run
    test_scan_live test_kernel test_checked test_replay_run test_replay_record test_tune test_plan
    test_ring test_wide_live"
# These hold the library: hooks in place of the system's calls, or a fragment's own functions.
export whole="test_engine_inside test_engine_single test_io test_producers test_interleaving"
export SCHEDULES=20000 SLOTS=20000 # of the last two
if [ -n "${DEVICE:-}" ]; then
    tests+=" test_vulkan test_vulkan_faults test_vulkan_loss test_runner test_scan_volume test_litmus"
else
    export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent
fi
tests=${TESTS:-$whole $tests}
export cflags="-std=gnu11 -w -D_GNU_SOURCE ${SANITIZE:-}"
export object="gcc $cflags -O1 -DVYI_API=extern -DVYRE_IMPLEMENTATION -DKNOBS_HERE -include tests/status_hook.h
    -include tests/knobs.h -iquote src -c"
export cover="--coverage -fprofile-update=prefer-atomic -fprofile-abs-path -O0"
export test_case="gcc $cflags -iquote src -I. -iquote tests"
export libs="-lm -lpthread -ldl"

flat() { # a path as a name
    echo "${1//\//_}"
}

parallel() { # function, its arguments one a line
    xargs -P "$jobs" -I{} bash -c "$1 {}"
}

is_in() { # word, list
    [[ " $2 " == *" $1 "* ]]
}

build_fragment() {
    $object "$1" -o "$build/plain/$(flat "$1").o" || exit 255
    is_in "$1" "$fragments" || return 0
    $object $cover "$1" -o "$build/cover/$(flat "$1").o" || exit 255
}

# The library as fragments: a mistake costs a compilation of one of them.  Each of them has
# the knobs, and the first ones count.
link() { # test's object, program, folder of objects that replace the plain ones
    local o all=()
    for o in "$build"/plain/*.o; do
        if [ -e "$3/${o##*/}" ]; then all+=("$3/${o##*/}"); else all+=("$o"); fi
    done
    gcc $cflags ${4:-} "$1" "${all[@]}" -o "$2" -Wl,-z,muldefs $libs
}

uring() { # test
    [ "$1" != test_io ] || echo -luring
}

build_test() {
    if is_in "$1" "$whole"; then
        $test_case $cover "tests/$1.c" -o "$build/cover/$1" $(uring "$1") $libs
    else
        $test_case -O1 -c "tests/$1.c" -o "$build/tests/$1.o" &&
            link "$build/tests/$1.o" "$build/cover/$1" "$build/cover" --coverage
    fi || echo "mutants: $1 does not build, and is left out" >&2
}

# A folder that a test can run in beside others: what it reads lies there, what it writes
# stays there.
place() {
    mkdir -p "$1/build"
    ln -s "$PWD"/{tests,examples,docs,src} "$1"
}

# Runs a test as it is: its milliseconds, and the lines of the fragments that it runs.
cover_test() {
    local at=$PWD/$build/of/$1 start data tries=0
    [ -x "$build/cover/$1" ] || return 0
    place "$at"
    until start=${EPOCHREALTIME/./} && (cd "$at" && GCOV_PREFIX=$at timeout 120 "../../cover/$1" >log 2>&1); do
        echo "mutants: $1 fails without a mistake$([ $tries -lt 2 ] || echo ', and is left out')" >&2
        grep -a FAIL "$at/log" | head -n 3 >&2
        [ $((tries++)) -lt 2 ] || return 0
    done
    echo $(((${EPOCHREALTIME/./} - start) / 1000)) >"$at/ms"
    for data in $(find "$at" -name '*.gcda'); do # not through the links
        cp "$build/cover/$(basename "$data" .gcda).gcno" "$(dirname "$data")"
        (cd "$at" && gcov -p "$data" >/dev/null 2>&1)
    done
    # "fragment line times", 0 times too.
    awk -F: -v root="$PWD/" '/^ *-: *0:Source:/ { sub(root, "", $4); file = $4 }
        $1 !~ /-/ && file ~ /^src\// { n = $1; gsub(/[ *]/, "", n); print file, $2 + 0, n ~ /^[#=]/ ? 0 : n }' \
        "$at"/*.gcov >"$at/lines"
    rm -f "$at"/*.gcov "$build/cover/$1"
}

# The tests that run a line, or the code that it goes on from; the quickest first, and at
# last those that compile the library.
tests_of() { # file, line
    local t of
    for of in "$build"/of/*/lines; do
        t=${of%/lines}
        awk -v file="$1" -v line="$2" '$1 == file && $2 <= line && $2 >= at { if ($2 > at) runs = 0; at = $2; runs += $3 }
            END { exit !(runs > 0) }' "$of" || continue
        echo "$(cat "$t/ms") ${t##*/} $(is_in "${t##*/}" "$whole" && echo whole)"
    done | sort -k 3,3 -k 1,1n
}

run_test() { # test, folder, its usual milliseconds
    { (cd "$2" && timeout $(($3 / 250 + 15)) "./$1" >"$1.log" 2>&1); } 2>/dev/null
}

build_mutant() { # test, folder, fragment: the program
    if is_in "$1" "$whole"; then
        gcc $cflags -O0 -iquote "$2" ${test_case#gcc $cflags} "tests/$1.c" -o "$2/$1" $(uring "$1") $libs
    else
        link "$build/tests/$1.o" "$2/$1" "$2"
    fi 2>/dev/null
}

judge() { # folder, file, line: prints the verdict
    local name code=0 ms t whole_one ran=0 equal=
    name=$(flat "$2").o
    # Asserts name their file; it is to be the same one in both.
    $object -fmacro-prefix-map="$1=src" "$1/${2#src/}" -o "$1/$name" 2>/dev/null || { echo "built not"; return; }
    cmp -s "$1/$name" "$build/plain/$name" && equal=1
    while read -r ms t whole_one; do
        [ -z "$equal" ] || [ -n "$whole_one" ] || continue
        build_mutant "$t" "$1" || { echo "built not ($t)"; return; }
        ran=$((ran + 1))
        for again in 1 2; do
            run_test "$t" "$1" "$ms"
            code=$?
            [ $code -ne 0 ] && [ $code -ne 124 ] || break
        done
        [ $code -ne 124 ] || { echo "stopped by $t"; return; }
        [ $code -eq 0 ] || { echo "killed by $t ($(grep -a -m 1 -o 'FAIL [a-z_0-9/]*' "$1/$t.log" | cut -c6-))"; return; }
        rm -f "$1/$t"
    done < <(tests_of "$2" "$3")
    if [ -n "$equal" ]; then echo "equal"; elif [ $ran -eq 0 ]; then echo "not run"; else echo "SURVIVED $ran tests"; fi
}

# Makes the mistake of a log's line where its text is nearest to where it was, and says it anew.
mutate_again() { # line of the log, output
    local text file line old
    text=$(sed -n "$1p" "$again" | grep -o 'src/.*')
    file=${text%%:*} line=${text#*:} old=${text#*: }
    old=${old%%  =>  *} line=${line%%:*}
    line=$(OLD=$old awk -v line="$line" '{ sub(/^ */, "") } $0 == ENVIRON["OLD"] { print (NR < line ? line - NR : NR - line), NR }' \
        "$file" | sort -n | head -n 1 | cut -d' ' -f2)
    [ -n "$line" ] || { echo "$file:1: gone: $old"; cp "$file" "$2"; return; }
    NEW=${text##*  =>  } awk -v line="$line" 'NR == line { sub(/[^ ].*/, ""); $0 = $0 ENVIRON["NEW"] } { print }' "$file" >"$2"
    echo "$file:$line: $old  =>  ${text##*  =>  }"
}

one_mutant() { # seed, or line of the log
    local at=$PWD/$build/m$1 text where
    [ $EPOCHSECONDS -lt $stop ] || return 0
    place "$at"
    if [ -n "$again" ]; then
        text=$(mutate_again "$1" "$at/mutant.c")
    else
        text=$("$build/mutate" "$1" "$at/mutant.c" $fragments)
    fi
    where=${text%%: *}
    mkdir -p "$at/$(dirname "${where#src/}")"
    mv "$at/mutant.c" "$at/$(sed 's,^src/,,;s,:.*,,' <<<"$where")"
    cp src/vyre.h "$at"
    echo "$1 $(judge "$at" "${where%%:*}" "${where##*:}"): $text"
    rm -rf "$at"
}
export -f flat is_in place build_fragment link uring build_test cover_test tests_of run_test build_mutant judge mutate_again one_mutant

rm -rf "$build"
mkdir -p "$build"/{plain,cover,tests,of}
gcc -std=c99 -O1 tests/mutate.c -o "$build/mutate" || exit 1
sed -n 's/^ *#include "\(.*\.c\)"/src\/\1/p' src/vyre.h | parallel build_fragment || exit 1
printf '%s\n' $tests | parallel build_test
printf '%s\n' $tests | parallel cover_test
echo "mutants: $# mistakes; tests and milliseconds, after $((SECONDS - began)) seconds:" \
    $(cd "$build/of" && for t in *; do [ ! -e "$t/ms" ] || echo "$t $(cat "$t/ms")"; done)
printf '%s\n' "$@" | parallel one_mutant | tee "$build.log"
echo "mutants: not found, or not judged:"
grep -v '^[0-9]* \(killed\|stopped\|equal\)' "$build.log" | sort -t: -k 2,2 -k 3,3n
count() { grep -c "^[0-9]* $1" "$build.log"; }
echo "mutants: $(($(count killed) + $(count stopped))) found, $(count SURVIVED) survived, $(count equal) equal," \
    "$(count 'not run') not run, $(count 'built not') did not build; $((SECONDS - began)) seconds"

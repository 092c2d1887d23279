#!/usr/bin/env bash
# Runs every libFuzzer target (tests/fuzz_*.c), or those that are named, for
# SECONDS_PER_FUZZER seconds, starting from its corpus, tests/corpus/NAME.  With
# --replay it runs the corpora only.  With --keep what was found to be new goes into
# the corpora.  With --build it only makes the programs, BUILD/fuzz/NAME.
#
#   bash tests/fuzz.sh [--replay | --keep | --build] [NAME...]
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
seconds=${SECONDS_PER_FUZZER:-60}
mode=
case ${1:-} in --*) mode=$1; shift ;; esac
mkdir -p "$build/fuzz"
passed=0 failed=0

targets=${*:-$(ls tests/fuzz_*.c | sed 's,tests/fuzz_,,;s,\.c$,,' | grep -vx replay)}
flags="-std=gnu11 -g -O1 -DVYRE_NO_VULKAN -DVYI_API=extern -I. -Itests -iquote src -fno-omit-frame-pointer"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"
libs="-lm -lpthread -ldl"

# The library is built once, instrumented; its objects serve every target.
if [ "$mode" = --replay ]; then
    compiler=${CC:-cc} library=$build/san/vyre.o
    make -s --no-print-directory "$library" || exit 1
else
    compiler=clang library=$build/fuzz/vyre.o flags="$flags -fsanitize=fuzzer-no-link"
    $compiler $flags $sanitize -c vyre.c -o "$library" || exit 1
fi

build_target() { # name, output
    if [ "$mode" = --replay ]; then
        $compiler $flags $sanitize "tests/fuzz_$1.c" tests/fuzz_replay.c "$library" -o "$2" $libs
    else
        $compiler $flags $sanitize -fsanitize=fuzzer "tests/fuzz_$1.c" "$library" -o "$2" $libs
    fi
}

run_target() { # name, program
    local corpus=tests/corpus/$1
    [ "$mode" != --build ] || return 0
    if [ "$mode" = --replay ]; then
        "$2" "$corpus"/*
        return
    fi
    local found=$build/fuzz/$1.found
    mkdir -p "$found"
    "$2" -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz/$1-" "$found" "$corpus" || return 1
    [ "$mode" = --keep ] && "$2" -merge=1 "$corpus" "$found"
    return 0
}

for name in $targets; do
    program=$build/fuzz/$name log=$build/fuzz/$name.log
    [ "$mode" = --replay ] && program=$program-replay
    if build_target "$name" "$program" > "$log" 2>&1 && run_target "$name" "$program" >> "$log" 2>&1; then
        passed=$((passed + 1))
        grep -aE 'number_of_executed_units|^[0-9]+ inputs$' "$log" | sed "s/^/NOTE $name: /"
    else
        failed=$((failed + 1))
        echo "FAIL fuzz $name"; tail -n 25 "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# Runs every test program (tests/test_*.c) and every check (tests/check_*.sh),
# shows what failed, adds up their closing lines, and ends with the sum.
# A program that does not end with such a line, or ran nothing, counts as one
# failure.  With VYRE_TOOLS=required a tool or driver that is missing is one.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
logs=$build/logs
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.end "$logs"/statuses.txt
export VYRE_STATUS_LOG=$PWD/$logs/statuses.txt

export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=1:allocator_release_to_os_interval_ms=-1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

passed=0 failed=0 skipped=0 started=$SECONDS

count() { # log, name, exit code, seconds
    local line
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$1" | tail -n 1)
    if [ -z "$line" ]; then
        echo "FAIL $2: no closing line (exit code $3)"; tail -n 25 "$1"
        failed=$((failed + 1)); return
    fi
    set -- "$1" "$2" "$3" "$4" $(echo "$line" | grep -oE '[0-9]+')
    passed=$((passed + $5)) failed=$((failed + $6)) skipped=$((skipped + ${7:-0}))
    [ $(($5 + $6 + ${7:-0})) -gt 0 ] || { echo "FAIL $2: ran nothing"; failed=$((failed + 1)); }
    if [ "${VYRE_TOOLS:-}" = required ] && grep -aE '^SKIP .*(no Vulkan (loader|device)$|no driver|is not installed)' "$1"; then
        echo "FAIL $2: what it needs is missing"; failed=$((failed + 1))
    fi
    if [ "$6" -ne 0 ]; then
        grep -aE '^(FAIL|SKIP)' "$1" | head -n 40
    elif [ "$3" -ne 0 ]; then
        echo "FAIL $2: exit code $3 after '$line'"; tail -n 25 "$1"; failed=$((failed + 1))
    else
        grep -aE '^(SKIP|NOTE)' "$1"
    fi
    printf '%-28s %s (%ss)\n' "$2" "$line" "$4"
}

# Before make writes it anew: the vyre.h that was checked in is the one of src/.
if make -s --no-print-directory check > "$logs/in_step.log" 2>&1; then
    passed=$((passed + 1))
else
    echo "FAIL check: vyre.h and src/, as they were found"; tail -n 25 "$logs/in_step.log"
    failed=$((failed + 1))
fi

# One program or check; what `count` wants to know of it is in its .end.
run() { # name
    local begin=$SECONDS command=$build/tests/$1
    [ -e "tests/$1.sh" ] && command="bash tests/$1.sh"
    timeout "${TEST_TIMEOUT:-900}" $command > "$logs/$1.log" 2>&1
    echo $? $((SECONDS - begin)) > "$logs/$1.end"
}

# What neither measures nor waits for threads, and takes long: as many at a time as
# there are processors.
together="test_spirv_valid test_spirv_random test_spirv_rings test_kernel_random test_random
    test_glsl test_source_random test_elide test_vulkan_faults check_docs check_compilers
    check_header check_packages check_portable check_spirv check_calls check_clang check_order
    check_examples check_bench"
is_together() { case " $(echo $together) " in *" $1 "*) return 0 ;; esac; return 1; }

# Test programs first: all are built together.
tests=$(ls tests/test_*.c 2>/dev/null | sed 's,tests/,,;s,\.c$,,')
begin=$SECONDS
if ! make -s -j"$jobs" --no-print-directory amalgamate $(printf "$build/tests/%s " $tests) > "$logs/build.log" 2>&1; then
    echo "FAIL build"; grep -E 'error|warning|\*\*\*' "$logs/build.log" | head -n 30
    failed=$((failed + 1))
fi
echo 0 $((SECONDS - begin)) > "$logs/build.end"
checks=$(ls tests/check_*.sh 2>/dev/null | sed 's,tests/,,;s,\.sh$,,')
for name in $tests $checks; do
    is_together "$name" || continue
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    run "$name" &
done
wait

# The others one after another, so that nothing disturbs a measurement.
for name in $tests $checks; do
    if [ ! -e "tests/$name.sh" ] && [ ! -x "$build/tests/$name" ]; then
        echo "FAIL $name: not built"; failed=$((failed + 1)); continue
    fi
    is_together "$name" || run "$name"
    count "$logs/$name.log" "$name" $(cat "$logs/$name.end" || echo 1 0)
done

echo "took $((SECONDS - started)) s, and longest:"
for name in build $tests $checks; do
    [ -e "$logs/$name.end" ] && read -r code seconds < "$logs/$name.end" && echo "$seconds s $name"
done | sort -rn | head -n 10
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]

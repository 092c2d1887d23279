#!/usr/bin/env bash
# The long runs: the random tests with other seeds and more cases than CI
# takes, and live publishing for longer.  SOAK_FACTOR (default 20) multiplies
# the counts; the seed is printed and can be given as TEST_SEED.  Parts that are named
# run alone:
#
#   bash tests/soak.sh test_io pairs_of_switches
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
factor=${SOAK_FACTOR:-20}
seed=${TEST_SEED:-$(od -An -N6 -tx8 /dev/urandom | tr -d ' \n' | sed 's/^0*/0x/')}
export TEST_SEED=$seed
passed=0 failed=0 wanted=" $* "
echo "soak: TEST_SEED=$seed, factor $factor"

is_wanted() { # part
    [[ $wanted =~ ^\ *$ || $wanted == *" $1 "* ]]
}

soak() { # test, environment...
    local name=$1; shift
    is_wanted "$name" || return 0
    make -s --no-print-directory "$build/tests/$name" || { failed=$((failed + 1)); return; }
    env "$@" "$build/tests/$name" > "$build/soak.log" 2>&1
    local code=$? line
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$build/soak.log" | tail -n 1)
    echo "$name $*: ${line:-no closing line, exit code $code}"
    if [ $code -eq 0 ] && [ -n "$line" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -aE '^FAIL' "$build/soak.log" | head -n 10
    fi
}

# All of /usr/include by grep and by examples/scan, for 100000 of the words there.
scan_whole() {
    local directory; directory=$(mktemp -d)
    local -a files; mapfile -t files < <(find /usr/include -type f | LC_ALL=C sort)
    if make -s --no-print-directory "$build/examples/scan" &&
        cat "${files[@]}" | LC_ALL=C tr -cs 'A-Za-z0-9_' '\n' | LC_ALL=C sort -u | grep . > "$directory/words" &&
        awk -v words="$(wc -l < "$directory/words")" 'int(NR * 100000 / words) > made && ++made' \
            "$directory/words" > "$directory/patterns" &&
        cmp <(LC_ALL=C grep -aobHF -f "$directory/patterns" "${files[@]}") \
            <("$build/examples/scan" --cpu --stats -aobHF -f "$directory/patterns" "${files[@]}"); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL scan_whole"
    fi
    rm -r "$directory"
}

soak test_random TEST_PROGRAMS=$((10000 * factor))
soak test_kernel_random TEST_COUNT=$((100000 * factor))
soak test_engine_rings TEST_COUNT=$((5000 * factor))
soak test_wide_live TEST_COUNT=$((100 * factor))
soak test_wide_threads TEST_COUNT=$((2500 * factor)) TEST_RANGE=67108864
soak test_interleaving SCHEDULES=$((1000000 * factor))
soak test_producers SLOTS=$((1000000 * factor))
soak test_spirv_valid TEST_COUNT=$((3500 * factor))
soak test_spirv_random TEST_COUNT=$((10000 * factor))
soak test_wide_random TEST_COUNT=$((500 * factor))
soak test_spirv_rings TEST_COUNT=$((4000 * factor))
soak test_vulkan_faults TEST_ALL=1
soak test_source_random TEST_COUNT=$((2000 * factor))
soak test_runner TEST_COUNT=$((500 * factor))
soak test_runner_exchange TEST_EACH=1
soak test_exchange_export TEST_COUNT=$((20000 * factor))
soak test_glsl TEST_COUNT=$((150 * factor))
soak test_memory TEST_COUNT=$((100 * factor))
soak test_exchange TEST_COUNT=$((5000000 * factor))
soak test_io TEST_COUNT=$((5000 * factor))
soak test_engine_ends TEST_COUNT=$((1000000 * factor))
soak test_scan_live TEST_COUNT=$((500 * factor))
soak test_litmus TEST_COUNT=1000000
soak test_scan_volume TEST_COUNT=3000
soak test_order TEST_COUNT=$((100 * factor))
soak test_children TEST_COUNT=1000000
soak test_children_protocol SCHEDULES=$((1000000 * factor))
soak test_log_live TEST_COUNT=20000 SCHEDULES=$((50000 * factor))
soak test_cancel TEST_COUNT=$((100000 * factor))
soak test_cancel_protocol SCHEDULES=$((500000 * factor))
soak test_order_protocol SCHEDULES=$((1000000 * factor))
soak test_wide_protocol SCHEDULES=$((200000 * factor))
soak test_task_live TEST_COUNT=100000
soak test_io_protocol SCHEDULES=$((50000 * factor))
soak test_io_park TEST_COUNT=20000
soak test_task_protocol SCHEDULES=$((500000 * factor))
soak test_elide TEST_COUNT=$((500 * factor))
soak test_plan TEST_COUNT=1
soak test_tune TEST_COUNT=$((50000 * factor))
soak test_graph TEST_COUNT=$((10 * factor)) TEST_NODES=100000
soak test_fairness TEST_COUNT=1000000
soak test_pool TEST_COUNT=$((50000 * factor))
soak test_engine_fake TEST_COUNT=1
soak test_engine_live ENGINE_LIVE_SLOTS=$((1000000 * factor))
! is_wanted scan_whole || scan_whole
if is_wanted server; then
    bash bench/server.sh && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAIL bench/server.sh"; }
fi

# What a switch leaves out, nothing that another one leaves in may need.
pair_of_switches() {
    gcc -std=c99 -Wall -Wextra -Werror -Wno-unused-function "-D$1" "-D$2" -I. -fsyntax-only vyre.c ||
        echo "FAIL $1 with $2"
}
export -f pair_of_switches

pairs_of_switches() {
    local switches pairs wrong a b
    switches=$(sed -n 's/^ *#define \(VYRE_NO_[A-Z]*\)$/\1/p' src/config.h)
    switches="VYRE_NO_VULKAN VYRE_NO_THREADS VYRE_STATIC $switches"
    pairs=$(for a in $switches; do for b in $switches; do [[ ! $a < $b ]] || echo "$a $b"; done; done)
    wrong=$(xargs -P "$(nproc)" -I{} bash -c 'pair_of_switches {}' <<<"$pairs")
    [ -z "$wrong" ] || echo "$wrong"
    echo "pairs of switches: $(wc -l <<<"$pairs"), $(grep -c FAIL <<<"$wrong") do not build"
    [ -z "$wrong" ]
}
if is_wanted pairs_of_switches; then
    if pairs_of_switches; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

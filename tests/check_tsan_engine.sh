#!/usr/bin/env bash
# The engine's threads under ThreadSanitizer, on the CPU and through Vulkan: live
# publishing from four producers, everybody at once (publishers, waiters, the
# helper, a run, a stop, a close), losses and recoveries, and the case tests.
# Nothing is suppressed: drivers are not instrumented, so that only accesses of
# the library and of the tests are compared.
. "$(dirname "$0")/check.sh"
needs gcc || finish
export TSAN_OPTIONS=halt_on_error=1:abort_on_error=0 ENGINE_LIVE_SLOTS=${ENGINE_LIVE_SLOTS:-5000}
flags="-std=c11 -g -O1 -fsanitize=thread -D_GNU_SOURCE -I. -Itests -iquote . -iquote src -w"
if ! gcc $flags -DVYI_API=extern -DKNOBS_HERE -include tests/knobs.h -c vyre.c -o "$scratch/vyre.o" 2> "$scratch/err"; then
    skips tsan "this gcc has no ThreadSanitizer"; finish; exit
fi
# ThreadSanitizer needs a memory layout without randomisation on new kernels.
runner=""; setarch -R true 2> /dev/null && runner="setarch -R"
one() { # test
    local object=$scratch/vyre.o begin=$SECONDS
    grep -q VYRE_IMPLEMENTATION "tests/$1.c" && object=
    gcc $flags "tests/$1.c" $object -o "$scratch/$1" -lpthread -lm -ldl || return
    timeout 600 $runner "$scratch/$1" || return
    echo "$((SECONDS - begin)) s"
}
told() { # test, exit code
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1)); grep -aE '^SKIP' "$scratch/$1.told"
        echo "NOTE $1: $(tail -n 2 "$scratch/$1.told" | paste -sd, )"
    else
        failed=$((failed + 1)); echo "FAIL $1 under ThreadSanitizer"
        grep -aE '^FAIL|WARNING|error|#[0-4] ' "$scratch/$1.told" | head -n 30
    fi
}
at_once test_engine test_engine_live test_vulkan_loss test_order test_engine_inside test_vulkan \
    test_engine_ends test_cancel test_task_live test_cpu test_producer test_graph
# A positive control: a race is found.
printf '%s\n' '#include <pthread.h>' 'static int x; static void *f(void *p) { x++; return p; }' \
    'int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); x++; pthread_join(t, 0); return 0; }' \
    > "$scratch/race.c"
gcc -fsanitize=thread -g "$scratch/race.c" -o "$scratch/race" -lpthread && fails "race" $runner "$scratch/race"
finish

#!/usr/bin/env bash
# The engine's threads under ThreadSanitizer, on the CPU and through Vulkan: live
# publishing from four producers, everybody at once (publishers, waiters, the
# helper, a run, a stop, a close), losses and recoveries, and the case tests.
# Nothing is suppressed: drivers are not instrumented, so that only accesses of
# the library and of the tests are compared.
. "$(dirname "$0")/check.sh"
needs gcc || finish
export TSAN_OPTIONS=halt_on_error=1:abort_on_error=0 ENGINE_LIVE_SLOTS=${ENGINE_LIVE_SLOTS:-20000}
flags="-std=c11 -g -O1 -fsanitize=thread -D_GNU_SOURCE -I. -Itests -iquote . -iquote src -w"
if ! gcc $flags -DVYI_API=extern -c vyre.c -o "$scratch/vyre.o" 2> "$scratch/err"; then
    skips tsan "this gcc has no ThreadSanitizer"; finish; exit
fi
# ThreadSanitizer needs a memory layout without randomisation on new kernels.
runner=""; setarch -R true 2> /dev/null && runner="setarch -R"
for name in test_cpu test_engine_live test_engine test_engine_inside test_engine_ends test_order test_graph test_task_live test_producer test_vulkan test_vulkan_loss; do
    object=$scratch/vyre.o
    grep -q VYRE_IMPLEMENTATION "tests/$name.c" && object=
    begin=$SECONDS
    if gcc $flags "tests/$name.c" $object -o "$scratch/$name" -lpthread -lm -ldl &&
        timeout 300 $runner "$scratch/$name" > "$scratch/out" 2>&1; then
        passed=$((passed + 1)); grep -aE '^SKIP' "$scratch/out"
        echo "NOTE $name: $(tail -n 1 "$scratch/out"), $((SECONDS - begin)) s"
    else
        failed=$((failed + 1)); echo "FAIL $name under ThreadSanitizer"
        grep -aE '^FAIL|WARNING|#[0-4] ' "$scratch/out" | head -n 30
    fi
done
# A positive control: a race is found.
printf '%s\n' '#include <pthread.h>' 'static int x; static void *f(void *p) { x++; return p; }' \
    'int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); x++; pthread_join(t, 0); return 0; }' \
    > "$scratch/race.c"
gcc -fsanitize=thread -g "$scratch/race.c" -o "$scratch/race" -lpthread && fails "race" $runner "$scratch/race"
finish

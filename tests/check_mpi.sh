#!/usr/bin/env bash
# The example mpi on 2, 3 and 4 ranks of this machine; and with a rank that is killed, or
# that stops answering: the others end with an error, and soon.
. "$(dirname "$0")/check.sh"
if ! needs mpicc || ! needs mpirun; then finish; exit; fi
mpi=$scratch/examples/mpi
passes build make -s "$mpi" BUILD="$scratch" EXAMPLE_CFLAGS=-O0
run="mpirun --allow-run-as-root --oversubscribe"
export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers mostly refuse the other ones

for ranks in 2 3 4; do
    printf '%s\n' "mpi: $ranks ranks, 9592 primes" "mpi: 500 works forwarded, 0 wrong" > "$scratch/expected"
    timeout 120 $run -n $ranks "$mpi" cpu 500 60 > "$scratch/ranks" 2> "$scratch/said"
    passes "ranks_$ranks" diff "$scratch/expected" "$scratch/ranks"
done

# Works without end; the signal comes when they are under way.
trouble() { # name, signal, seconds that it may take
    local job begin=$SECONDS code
    $run -n 3 "$mpi" cpu 4000000000 2 > "$scratch/ranks" 2> "$scratch/said" &
    job=$!
    until grep -q primes "$scratch/ranks" || ! kill -0 $job 2> /dev/null || [ $((SECONDS - begin)) -gt 60 ]; do sleep 0.1; done
    begin=$SECONDS
    kill "-$2" "$(pgrep -P $job | tail -n 1)"
    (sleep "$3"; kill -9 $job) > /dev/null 2>&1 & # if it hangs all the same
    local guard=$!
    wait $job; code=$?
    kill $guard 2> /dev/null
    if [ $code -ne 0 ] && [ $((SECONDS - begin)) -lt "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $1: exit code $code after $((SECONDS - begin)) s"; head -n 5 "$scratch/said"
    fi
}
trouble killed KILL 30
trouble silent STOP 30
passes silence_is_told grep -q 'no answer in time' "$scratch/said"

# What it costs, as a table that bench/report can read.
make -s "$build/plain/vyre.o"
sed '/^#define VYRE_IMPLEMENTATION/d; s,"../vyre.h","vyre.h",' bench/mpi.c > "$scratch/bench.c"
passes build_bench mpicc -std=gnu11 -Wall -Wextra -Werror -I. -Ibench "$scratch/bench.c" "$build/plain/vyre.o" \
    -o "$scratch/bench" -lm -lpthread -ldl
passes bench_rows sh -c "timeout 60 $run -n 2 '$scratch/bench' --quick --csv 2> /dev/null | grep -c '^\"mpi\",' | grep -qx 7"
finish

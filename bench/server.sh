#!/usr/bin/env bash
# How steady a server is: examples/server, often, with 1 to 8 threads.  Prints jobs a
# second, the worst, the median and the best run, and fails where the worst has less than
# half of the median, or a digest is wrong.  For a machine with nothing else to do.
#
#     bench/server.sh [--backend cpu|vulkan] [--runs N] [--jobs N]
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
backend=vulkan runs=20 jobs=2000
while [ $# -gt 0 ]; do
    case $1 in
    --backend) backend=$2; shift ;;
    --runs) runs=$2; shift ;;
    --jobs) jobs=$2; shift ;;
    *) echo "usage: bench/server.sh [--backend cpu|vulkan] [--runs N] [--jobs N]" >&2; exit 2 ;;
    esac
    shift
done
make -s --no-print-directory BUILD="$build" "$build/examples/server" || exit 1

failed=0
echo "| server, $backend, $jobs jobs of each thread | worst jobs/s | median | best | worst / median |"
echo "|---|---|---|---|---|"
for threads in 1 2 4 8; do
    rates=$(for run in $(seq "$runs"); do
        "$build/examples/server" "$backend" "$threads" "$jobs" || echo "0 jobs/s"
    done | sed -n 's,^\([0-9]*\) jobs/s.*,\1,p' | sort -n)
    echo "$rates" | awk -v threads="$threads" '
        { rate[NR] = $1 }
        END {
            median = rate[int((NR + 1) / 2)]
            printf "| %d threads | %d | %d | %d | %.2f |\n", threads, rate[1], median, rate[NR],
                   median ? rate[1] / median : 0
            exit rate[1] * 2 < median || rate[1] == 0
        }' || failed=1
done
exit $failed

#!/usr/bin/env bash
# Builds and runs every benchmark that this machine can run, in under five
# minutes, and writes build/bench.csv and build/bench.md.
#
#     bench/run.sh [--runs N] [--no-build] [--only NAME]...
#
# With --runs 3 all is measured three times, and every figure is the worst of
# the three.  SECONDS_EACH (1) is what a row of a round trip takes.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
bin=$build/bench
each=${SECONDS_EACH:-1}
runs=1 make=yes only=""
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=$2; shift ;;
    --no-build) make=no ;;
    --only) only="$only $2"; shift ;;
    *) echo "usage: bench/run.sh [--runs N] [--no-build] [--only NAME]..." >&2; exit 2 ;;
    esac
    shift
done
mkdir -p "$bin/twins"

part() { awk -v a="$each" -v b="$1" 'BEGIN { print a * b }'; }
options() {
    case $1 in
    roundtrip | emit | source) echo "--seconds $each" ;;
    drain) echo "--seconds $(part 0.03)" ;;
    publish | interp) echo "--seconds $(part 0.4)" ;;
    sustained) echo "--seconds $(part 20)" ;;
    memory) echo "--seconds $(part 0.2)" ;;
    wide | runs | pool | devices | mpi | scan | plan) echo "--seconds $(part 0.25)" ;;
    # Jobs that find their queue full run one by one in their parent's lane.
    order) echo "--seconds $(part 0.25) --children 1048576" ;;
    io) echo "--seconds $(part 0.05) --file $bin/io.tmp" ;;
    io_floor) echo "--seconds $(part 0.02) --file $bin/io_floor.tmp" ;;
    wide_cuda | order_cuda) echo "--seconds $(part 0.25)" ;;
    roundtrip_cuda) echo "--seconds $each" ;;
    esac
}

# The round trips by Vulkan and by CUDA one after the other: their ratio counts.
all="roundtrip roundtrip_cuda wide wide_cuda runs order order_cuda pool devices plan mpi drain drain_cuda publish sustained watch runner io_floor io memory scan emit source interp compile"

compile() { # name: a program of bench/ or, in CUDA, of bench/twins/
    local source=bench/$1.c libs="-lm -lpthread -ldl" library
    case $1 in
    *_cuda)
        command -v nvcc > /dev/null && nvidia-smi -L > /dev/null 2>&1 || return 1
        nvcc -O3 -arch="${CUDA_ARCH:-native}" -Ibench "bench/twins/${1%_cuda}.cu" -o "$bin/$1"
        return ;;
    esac
    if [ "$1" = mpi ]; then
        command -v mpicc > /dev/null && command -v mpirun > /dev/null || return 1
        mpicc -std=gnu11 -O2 -I. -Ibench "$source" -o "$bin/$1" $libs
        return
    fi
    for library in $(sed -n 's/^ \* link: //p' "$source"); do libs="$libs -l$library"; done
    ${CC:-cc} -std=gnu11 -O2 ${BENCH_CFLAGS:-} -I. -Ibench -I"$bin" "$source" -o "$bin/$1" $libs
}

if [ $make = yes ]; then
    for shader in bench/twins/*.comp; do
        name=$(basename "$shader" .comp)
        glslangValidator -V --target-env vulkan1.1 --vn "${name}_spv" "$shader" \
            -o "$bin/twins/$name.spv.h" > /dev/null || exit 1
    done
    for name in report plot $all; do
        case " ${only:-$name} report plot " in *" $name "*) ;; *) continue ;; esac
        rm -f "$bin/$name"
        compile "$name" || case $name in
        *_cuda) echo "bench: no $name: it needs nvcc and a GPU" >&2 ;;
        mpi) echo "bench: no $name: it needs mpicc and mpirun" >&2 ;;
        *) echo "bench: $name does not build" >&2; exit 1 ;;
        esac
    done
fi

csv=$build/bench.csv
: > "$csv"
failed=0
for run in $(seq "$runs"); do
    for name in ${only:-$all}; do
        [ -x "$bin/$name" ] || continue
        echo "bench: run $run of $runs, $name" >&2
        ranks=""
        [ "$name" != mpi ] || ranks="mpirun --allow-run-as-root --oversubscribe -n 2"
        $ranks "$bin/$name" --csv $(options "$name") > "$bin/$name.csv" || failed=1
        sed "s/^/$run,/" "$bin/$name.csv" >> "$csv"
    done
done
"$bin/report" "$csv" > "$build/bench.md" || failed=1
echo "bench: wrote $build/bench.csv and $build/bench.md" >&2
exit $failed

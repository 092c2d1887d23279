#!/usr/bin/env bash
# Builds and runs every benchmark that this machine can run, in under five
# minutes, and writes build/bench.md.  SECONDS_EACH shortens or lengthens it.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}/bench
seconds=${SECONDS_EACH:-1}
mkdir -p "$build/twins"
report=$build/../bench.md

for shader in bench/twins/*.comp; do
    name=$(basename "$shader" .comp)
    glslangValidator -V --target-env vulkan1.1 --vn "${name}_spv" "$shader" \
        -o "$build/twins/$name.spv.h" > /dev/null || exit 1
done

: > "$report"
failed=0
for source in bench/*.c; do
    name=$(basename "$source" .c)
    libs="-lm -lpthread -ldl"
    for library in $(sed -n 's/^ \* link: //p' "$source"); do libs="$libs -l$library"; done
    if ! ${CC:-cc} -std=gnu11 -O2 -I. -Ibench -I"$build" "$source" -o "$build/$name" $libs; then
        echo "bench: $name does not build" >&2
        failed=1
        continue
    fi
    "$build/$name" --seconds "$seconds" | tee -a "$report" || failed=1
    echo | tee -a "$report"
done

if command -v nvcc > /dev/null; then
    for source in bench/twins/*.cu; do
        name=$(basename "$source" .cu)_cuda
        nvcc -O3 -arch=native -Ibench "$source" -o "$build/$name" && "$build/$name" | tee -a "$report"
    done
fi
echo "bench: wrote $report"
exit $failed

#!/usr/bin/env bash
# vyre_spirv.h is what tools/gen_spirv makes, and usable by itself; gen_spirv
# writes valid modules, says what is wrong with its options, and leaves no half
# file; and the stock kernels are not much larger than spirv-opt makes them.
. "$(dirname "$0")/check.sh"
make -s --no-print-directory BUILD="$build" "$build/gen_spirv" > "$scratch/log" 2>&1 ||
    { cat "$scratch/log"; echo "0 passed, 1 failed"; exit 1; }
gen=$build/gen_spirv

# --- the generated header
"$gen" --header -o "$scratch/fresh.h"
passes in-step cmp "$scratch/fresh.h" vyre_spirv.h
sed 's/0x07230203/0x07230204/' vyre_spirv.h > "$scratch/corrupt.h"
fails corrupt-copy cmp "$scratch/fresh.h" "$scratch/corrupt.h"
cat > "$scratch/use.c" <<'C'
#include "vyre_spirv.h"
int main(void)
{
    return vyre_spirv_direct[0] == 0x07230203u && vyre_spirv_direct_once[0] == 0x07230203u &&
           vyre_spirv_priority[0] == 0x07230203u ? 0 : 1;
}
C
cp vyre_spirv.h "$scratch/"
passes alone-in-c cc -std=c99 $STRICT -I"$scratch" "$scratch/use.c" -o "$scratch/use"
passes it-runs "$scratch/use"
passes alone-in-c++ c++ -std=c++11 $STRICT_CXX -x c++ -I"$scratch" "$scratch/use.c" -o "$scratch/use"

# --- the same words from every compiler, whatever order it evaluates arguments in
cat > "$scratch/sum.c" <<'C'
#define VYRE_IMPLEMENTATION
#define VYRE_NO_VULKAN
#include "vyre.h"
#include "gen.h"
int main(void)
{
    uint32_t sum = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        gen_shape shape;
        vyre_spirv_desc how;
        vyre_spirv module;
        memset(&how, 0, sizeof how);
        how.version = seed % 2 ? VYRE_SPIRV_1_5 : 0;
        how.unfenced = seed % 5 == 0;
        how.loop_limit = seed % 3 ? 0 : 500;
        vyre_program *p = gen_program(seed, GEN_ALL, NULL, &shape);
        if (!p || vyre_spirv_emit(p, &how, &module, NULL) < 0)
            return 1;
        for (size_t i = 0; i < module.word_count; i++)
            sum = (sum ^ module.words[i]) * 0x9e3779b1u;
        vyre_spirv_free(&module);
        vyre_program_destroy(p);
    }
    printf("%08x\n", (unsigned)sum);
    return 0;
}
C
sum() { "$1" -std=gnu99 -w -O0 -I. -Itests "$scratch/sum.c" -o "$scratch/sum" -lm -lpthread && "$scratch/sum"; }
if needs gcc && needs clang; then
    sum gcc > "$scratch/gcc.txt"
    sum clang > "$scratch/clang.txt"
    passes same-words cmp "$scratch/gcc.txt" "$scratch/clang.txt"
    passes some-words test -s "$scratch/gcc.txt"
fi

# --- what gen_spirv writes
if needs spirv-val; then
    for kind in direct priority; do
        for once in "" --once; do
            for way in "--version 1.3" "--version 1.5" "--version 1.3 --memory-model vulkan --names" \
                       "--version 1.5 --memory-model glsl450 --spec-size --rounds" \
                       "--version 1.3 --loop-limit 60000 --unfenced --load-miss --io-polling"; do
                environment=vulkan1.1
                [[ $way == *1.5* ]] && environment=vulkan1.2
                "$gen" --kind $kind $once $way -o "$scratch/k.spv"
                passes "valid $kind $once $way" spirv-val --target-env $environment "$scratch/k.spv"
            done
        done
    done
fi
"$gen" --array my_words -o "$scratch/k.h"
passes c-words grep -q '^static const uint32_t my_words\[[0-9]*\] = {$' "$scratch/k.h"
"$gen" -o "$scratch/k.txt"
passes listing grep -q '^program "direct", workgroup 256 x 1 x 1$' "$scratch/k.txt"
"$gen" --format glsl > "$scratch/k.comp"
passes glsl grep -q '^#version 460$' "$scratch/k.comp"
if needs glslangValidator; then
    passes glsl-compiles glslangValidator -V --target-env vulkan1.1 "$scratch/k.comp" -o "$scratch/g.spv"
fi
passes help bash -c "'$gen' --help | grep -q -- --memory-model"

# --- what it refuses: exit code 2, one line of what and one of what to do
for bad in "--kind jit" "--kind nothing" "--version 1.4" "--memory-model x" "--format x" "--slots 7" \
           "--workgroup 0" "--workgroup 12x" "--workgroup" "--wat" "-o /nowhere/at/all.spv"; do
    "$gen" $bad > "$scratch/out" 2> "$scratch/err"
    [ $? -eq 2 ] && [ "$(wc -l < "$scratch/err")" -ge 1 ] && [ ! -s "$scratch/out" ] &&
        passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAIL refuses $bad"; cat "$scratch/err"; }
done
"$gen" --slots 7 -o "$scratch/none.spv" 2> /dev/null
fails no-half-file test -e "$scratch/none.spv"

# --- size: at most 1.25 times the words of spirv-opt -O applied to it
if needs spirv-opt; then
    for options in "" "--once" "--kind priority" "--kind priority --once" "--load-miss --io-polling" \
                   "--version 1.5 --rounds --spec-size" "--loop-limit 60000 --unfenced"; do
        environment=vulkan1.1
        [[ $options == *1.5* ]] && environment=vulkan1.2
        "$gen" $options -o "$scratch/k.spv"
        spirv-opt -O --target-env=$environment "$scratch/k.spv" -o "$scratch/o.spv"
        ours=$(stat -c %s "$scratch/k.spv") theirs=$(stat -c %s "$scratch/o.spv")
        echo "NOTE size ${options:-(default)}: $((ours / 4)) words, $((ours * 100 / theirs)) % of spirv-opt -O"
        passes "size $options" test $((ours * 100)) -le $((theirs * 125))
    done
fi
finish

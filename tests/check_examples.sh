#!/usr/bin/env bash
# Every example, on the CPU and (where there is a driver) on Vulkan, prints what
# it should; scan agrees with grep; wrong use is answered with what to do.
. "$(dirname "$0")/check.sh"
export LC_ALL=C
libs="-lm -lpthread -ldl"
bin=$scratch/examples
mkdir -p "$bin"
# Those that have more in them than the implementation are made as they stand, the others
# without it; each is a program of make examples.
whole=$(grep -lE '^#define (VYRE_NO_|VYRE_EXTERNAL_|VYRE_VULKAN_)' examples/*.c | sed 's,.*/,,;s,\.c$,,')
example() { # name
    make -sn examples BUILD="$scratch" | grep -q " examples/$1\.c " || return 0 # not on this system
    case " $(echo $whole) quickstart stock mpi " in
    *" $1 "*) make -s "$bin/$1" BUILD="$scratch" EXAMPLE_CFLAGS=-O0 > "$scratch/make" 2>&1 || { cat "$scratch/make" >&2; return 1; } ;;
    *) without_implementation "examples/$1.c" > "$scratch/$1.c"
       gcc -std=c99 -O0 -I. -Iexamples "$scratch/$1.c" "$(implementation)" -o "$bin/$1" $libs ;;
    esac
}
for name in $(ls examples/*.c | sed 's,.*/,,;s,\.c$,,'); do passes "make_$name" example $name; done
no_driver="env VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent"
backends=cpu
case $("$bin/quickstart" 2>&1) in
*"(vulkan)") backends="cpu vulkan" ;;
*) skips vulkan "no driver, or no volk.h" ;;
esac

# Short enough to be read in one go; scan is a tool, device makes a Vulkan device and
# an image of its own, mpi is two programs, and watch three ways to look.
longest=$(wc -l examples/*.c | grep -v -e total -e scan.c -e device.c -e mpi.c -e watch.c | sort -n | tail -n 1)
passes "examples_under_150_lines ($longest)" test "$(awk '{ print $1 }' <<< "$longest")" -lt 150
passes watch_under_200_lines test "$(wc -l < examples/watch.c)" -lt 200
passes mpi_under_200_lines test "$(wc -l < examples/mpi.c)" -lt 200
passes scan_under_300_lines test "$(wc -l < examples/scan.c)" -lt 300
passes device_under_300_lines test "$(wc -l < examples/device.c)" -lt 300

# --- what they print ---------------------------------------------------------

expected() {
    case $1 in
    saxpy) echo "saxpy: 1048576 elements, 0 wrong" ;;
    prefix) echo "prefix: 262144 sums, 0 wrong" ;;
    wavefront) echo "wavefront: 2048 pieces, distance 1404, right" ;;
    bfs) echo "bfs: 99998 of 100000 nodes reached, 0 wrong" ;;
    tree) echo "tree: nine queens, 352 ways, 0 wrong" ;;
    resume) printf '%s\n' "resume: 1229 primes below 10000; the handle is closed, the job lies in 64 bytes" \
        "resume: 2262 primes below 20000, after 196 yields and 2 stops, right" ;;
    reduce) echo "reduce: sum 300175346, least 0, most 1048573: right" ;;
    paths) echo "paths: 1835 of 2048 nodes reached, 0 wrong" ;;
    closure) echo "closure: 1000 rules draw on 200 sources in 170829 ways, 0 wrong" ;;
    fixpoint) echo "fixpoint: 107 cells live after 232 generations, 0 wrong" ;;
    transport) echo "transport: 260 x 300 scaled, 0 wrong" ;;
    inverse) echo "inverse: 100 blocks, 1 singular, 0 wrong" ;;
    matmul) echo "matmul: 128 x 128, 0 wrong" ;;
    blur) echo "blur: 256 x 256 pixels, 0 wrong" ;;
    loop) echo "loop: 1600 jobs in 8 loops, 0 wrong" ;;
    server) echo "server: 160 digests by 8 threads, 0 wrong" ;;
    fetch) echo "1000 records, sum 332833500, expected 332833500; 1000 reads" ;;
    live) echo "live: sums 50005000 and 50005000" ;;
    watch) echo "watch: 20000 jobs, 0 faults, 0 runnable" ;;
    jit) printf '%s\n' "jit: 1 takes 0 steps, by way of 1" "jit: 6 takes 8 steps, by way of 16" \
        "jit: 7 takes 16 steps, by way of 52" "jit: 9 takes 19 steps, by way of 52" \
        "jit: 27 takes 111 steps, by way of 9232" "jit: 97 takes 118 steps, by way of 9232" \
        "jit: 871 takes 178 steps, by way of 190996" ;;
    printf) for n in 2 3 4 5; do
                echo "printf: $n squared is $((n * n))"; echo "printf: $n cubed is $((n * n * n))"
            done ;;
    priority) printf '%s\n' "priority: 256 idle jobs, then 16 urgent ones" \
        "priority: urgent work overtook: yes" ;;
    tenants) printf '%s\n' "refused by the host: tenant 2 is not one of the handle's 2" \
        "waiting for tenant 1: the deadline passed first" \
        "without rights: tenant 0 ran 1, tenant 1 ran 0" \
        "with rights: tenant 0 ran 1, tenant 1 ran 1" ;;
    stock) echo "stock: 1 + ... + 32 = 528, 32 slots done" ;;
    glsl) echo "glsl: 32 slots done, gcd(120, 360) = 120, sum 1992" ;;
    device) echo "device: a picture of 64 x 64, painted by works, shown by our own commands, 0 wrong" ;;
    esac
}

prints() { # name, command...: what is expected, apart from a line of times
    local name=$1; shift
    expected "$name" > "$scratch/expected"
    if timeout 120 "$@" > "$scratch/all" 2> "$scratch/err" && sed '/ ms by /d' "$scratch/all" > "$scratch/out" && cmp -s "$scratch/expected" "$scratch/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $name: $*"; diff "$scratch/expected" "$scratch/out" | head -n 10
        head -n 5 "$scratch/err"
    fi
}

for backend in $backends; do
    for name in saxpy prefix tree wavefront resume reduce matmul fetch live watch jit printf priority tenants; do prints $name "$bin/$name" $backend; done
    for name in bfs paths closure fixpoint transport; do prints $name "$bin/$name" $backend; done
    prints inverse "$bin/inverse" $backend 100
    passes times_$backend grep -qE '^inverse: [0-9.]+ ms by .*, [0-9.]+ ms by one core of the host$' "$scratch/all"
    prints blur "$bin/blur" $backend 256
    prints loop "$bin/loop" $backend 200
    prints server sh -c "'$bin/server' $backend 8 20 | head -n 1"
done
for name in device stock glsl; do
    if [ "$backends" = cpu ] || [ ! -x "$bin/$name" ]; then skips $name "no driver, volk.h or glslang"; continue; fi
    prints $name "$bin/$name"
done
fails transport_no_iterations "$bin/transport" cpu 0
passes quickstart_cpu sh -c "$no_driver '$bin/quickstart' | grep -q '^42, computed by .* (cpu)$'"
case $backends in *vulkan) passes quickstart_vulkan sh -c "'$bin/quickstart' | grep -q '^42, computed by .* (vulkan)$'" ;; esac

# --- scan agrees with grep ---------------------------------------------------

like_grep() { # name, backend, patterns, files...
    local name="scan $1 ($2)" backend=$2 patterns=$3; shift 3
    grep -aobHF -f "$patterns" "$@" > "$scratch/grep"
    timeout 300 "$bin/scan" "--$backend" --stats -aobHF -f "$patterns" "$@" > "$scratch/scan" 2> "$scratch/stats"
    if cmp -s "$scratch/grep" "$scratch/scan" && grep -q 'bytes/s$' "$scratch/stats"; then
        passed=$((passed + 1))
        echo "$(cat "$scratch/stats")"
    else
        failed=$((failed + 1)); echo "FAIL $name"; diff -a "$scratch/grep" "$scratch/scan" | head -n 5
        cat "$scratch/stats"
    fi
}

# Patterns of 1 to 64 bytes out of the corpus itself, some inside of others.
mkdir -p "$scratch/corpus"
cat /usr/bin/g* /bin/bash 2>/dev/null | head -c 12000000 > "$scratch/corpus/binary"
seq 1 1000000 | head -c 5000000 > "$scratch/corpus/numbers"
: > "$scratch/corpus/empty"
printf 'abcabcab' > "$scratch/corpus/short"
tr -c '\n -~' '\n' < "$scratch/corpus/binary" | grep -E '.{66}' | awk 'NR % 7 == 1 { print substr($0, 2, 64) }' |
    head -n 64 | awk '{ print substr($0, 1, NR) }' > "$scratch/lengths"
printf '%s\n' a ab abc bca 77 777 7777777 lib libc struct 'typedef struct' return >> "$scratch/lengths"
sort -u "$scratch/lengths" | grep -v '^$' > "$scratch/patterns"
awk '{ print length($0) }' "$scratch/patterns" | sort -un > "$scratch/sizes"
passes patterns_reach_64 sh -c "test \$(head -n 1 '$scratch/sizes') = 1 -a \$(tail -n 1 '$scratch/sizes') = 64"

headers=$(find /usr/include -maxdepth 1 -name '*.h' | sort | head -n 60)
papers=$(find /usr/share/doc /usr/share/common-licenses -type f -size +2k 2>/dev/null | grep -v ' ' | sort | head -n 60)
for backend in $backends; do
    like_grep headers $backend "$scratch/patterns" $headers
    like_grep papers $backend "$scratch/patterns" $papers
    like_grep "larger than the ring" $backend "$scratch/patterns" "$scratch/corpus/binary"
    like_grep many $backend "$scratch/patterns" "$scratch/corpus/numbers" "$scratch/corpus/empty" "$scratch/corpus/short"
done
printf '0\n' > "$scratch/zero"
head -c 2000000 /dev/zero | tr '\0' '0' > "$scratch/corpus/dense" # more hits than there are records
like_grep dense cpu "$scratch/zero" "$scratch/corpus/dense"
sed 's/a/b/' "$scratch/corpus/short" > "$scratch/corpus/other"
grep -aobHF -f "$scratch/patterns" "$scratch/corpus/short" > "$scratch/grep"
"$bin/scan" --cpu -aobHF -f "$scratch/patterns" "$scratch/corpus/other" > "$scratch/scan" 2> /dev/null
fails scan_control cmp "$scratch/grep" "$scratch/scan"

# ripgrep takes the first of its patterns that matches somewhere: the longest ones come first.
if needs rg; then
    awk '{ print length($0), $0 }' "$scratch/patterns" | sort -rn -k1,1 | cut -d' ' -f2- > "$scratch/longest_first"
    rg --no-config -j 1 -E none -aobHN --no-heading -F -f "$scratch/longest_first" $headers "$scratch/corpus/binary" > "$scratch/rg"
    "$bin/scan" --cpu -aobHF -f "$scratch/patterns" $headers "$scratch/corpus/binary" > "$scratch/scan"
    passes scan_like_ripgrep cmp "$scratch/rg" "$scratch/scan"
    passes scan_like_ripgrep_hits test -s "$scratch/rg"
fi

# The same output in any order, the same words on stderr but for the name, the same exit code.
as_grep() { # arguments of both
    local code
    grep "$@" < "$scratch/corpus/short" 2> "$scratch/err" | sort > "$scratch/grep"; code=${PIPESTATUS[0]}
    sed 's/^grep: //' "$scratch/err" | sort > "$scratch/grep_err"
    "$bin/scan" --cpu "$@" < "$scratch/corpus/short" 2> "$scratch/err" | sort > "$scratch/scan"
    code=$code,${PIPESTATUS[0]}
    sed 's/^scan: //' "$scratch/err" | sort > "$scratch/scan_err"
    if [ "${code%,*}" = "${code#*,}" ] && cmp -s "$scratch/grep" "$scratch/scan" && cmp -s "$scratch/grep_err" "$scratch/scan_err"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL scan $*: exit codes $code"; diff -a "$scratch/grep" "$scratch/scan" | head -n 5
    fi
}
tree=$scratch/corpus/tree
mkdir -p "$tree/deep/.hidden"
printf 'one struct, two struct\nnone\nstruct' > "$tree/deep/text"
printf 'struct\n' > "$tree/deep/.hidden/.file"
printf 'struct \0 struct\n' > "$tree/binary"
: > "$tree/empty"
ln -s /usr/include/stdio.h "$tree/link"
one=/usr/include/stdio.h two=/usr/include/stdlib.h
as_grep -F struct $one
as_grep -bF struct $one $two
as_grep -obF -f "$scratch/patterns" $one $two
as_grep -ohF -e int -e integer $one $two
as_grep -HF -e 'no such text' $one
as_grep -F struct "$scratch/nothing" $one
as_grep -sF struct "$scratch/nothing" $one
as_grep -qF struct "$scratch/nothing" $one
as_grep -qF 'no such text' "$scratch/nothing" $one
as_grep -F struct "$tree"
as_grep -F struct "$tree/binary" "$tree/deep/text"
as_grep -aoF struct "$tree/binary"
as_grep -rF struct "$tree"
as_grep -robF struct "$tree"
as_grep -obF abc
as_grep -obF abc -
as_grep -rF struct $one
as_grep -hHF struct $one $two
as_grep -HhF struct $one $two
as_grep -oF "struct
int" $one
as_grep -oF -e "int
struct" -e size_t $one
(cd "$tree" && grep -rF struct > "$scratch/grep" 2> /dev/null; sort -o "$scratch/grep" "$scratch/grep"
    "$bin/scan" --cpu -rF struct 2> /dev/null | sort > "$scratch/scan")
passes scan_here cmp "$scratch/grep" "$scratch/scan"
passes scan_json sh -c "'$bin/scan' --cpu --json -o struct '$tree/deep/text' | grep -c '\"offset\":[0-9]*,\"match\":\"struct\"}' | grep -qx 3"

# --- wrong use ---------------------------------------------------------------

# One line changed in the quickstart; it prints what happened, and what to do.
wrong() { # name, sed expressions on the quickstart, another object of the implementation
    sed -e "$2" examples/quickstart.c > "$scratch/wrong_$1.c"
    cmp -s "$scratch/wrong_$1.c" examples/quickstart.c && [ -n "$2" ] && { failed=$((failed + 1)); echo "FAIL $1: sed changed nothing"; }
    without_implementation "$scratch/wrong_$1.c" > "$scratch/without_$1.c"
    passes "wrong_$1_builds" gcc -std=c99 -I. "$scratch/without_$1.c" "${3:-$(implementation)}" -o "$scratch/wrong_$1" $libs
}
answers() { # name, text, fix, command...: exactly these two lines, and exit code 1
    local name=$1 text=$2 fix=$3 code; shift 3
    "$@" > "$scratch/answer" 2>&1; code=$?
    printf '%s\n' "$text" "$fix" > "$scratch/expected"
    if [ $code -eq 1 ] && cmp -s "$scratch/expected" "$scratch/answer"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $name: exit code $code"; diff "$scratch/expected" "$scratch/answer"
    fi
}
desc='s/vyre_open(NULL, /vyre_open(\&desc, /; s/    vyre_error err;/    vyre_desc desc; memset(\&desc, 0, sizeof desc); @ vyre_error err;/'

wrong opcode "$desc; s/@/const vyre_handler mine = { VYRE_OP_PRINTF, NULL, NULL, \"mine\" }; desc.kernel.handlers = \&mine; desc.kernel.handler_count = 1;/"
answers reserved_opcode 'handler 0 has opcode 0xFFFE, which is built in or reserved' \
    'Use 8..0xFFEF or 0x10000..0x7FFFFFFF.' "$scratch/wrong_opcode"

wrong geometry "$desc; s/@/desc.kernel.slot_count = 1000;/"
answers not_a_multiple '1000 slots in workgroups of 256' \
    'Use a multiple of the workgroup size, or a smaller workgroup.' "$scratch/wrong_geometry"

# 257 works before the start, and nobody waits.
wrong full 's/vyre_start(v, &err) != VYRE_OK ||/vyre_publish(v, \&work, NULL, \&err) < 0 ||/
    s/vyre_publish(v, &work, &ticket/vyre_publish_many(v, works, 256, NULL, NULL/
    s/    uint32_t sum/    vyre_work works[256]; for (int i = 0; i < 256; i++) works[i] = work; uint32_t sum/'
answers ring_full 'no slot is free' \
    'Poll or wait for a ticket and publish again, or use more slots.' "$scratch/wrong_full"

wrong vulkan "$desc; s/@/desc.backend = VYRE_BACKEND_VULKAN;/"
case $backends in *vulkan)
    answers no_driver 'vkCreateInstance gave VK_ERROR_INCOMPATIBLE_DRIVER (-9)' \
        'Install a driver for Vulkan 1.1 or newer.' $no_driver "$scratch/wrong_vulkan"
    mkdir "$scratch/none"
    echo none > "$scratch/none/libvulkan.so.1"
    cp "$scratch/none/libvulkan.so.1" "$scratch/none/libvulkan.so"
    answers no_loader 'no Vulkan loader was found on this system' \
        'Install a Vulkan driver and its loader, or use VYRE_BACKEND_CPU.' \
        env LD_LIBRARY_PATH="$scratch/none" "$scratch/wrong_vulkan"
    # The quickstart itself: whoever names a device does not want another one.
    VYRE_DEVICE=7 "$bin/quickstart" > "$scratch/answer"
    devices=$(sed -n '1s/.* one of the \([0-9]*\) .*/\1/p' "$scratch/answer")
    name=$(sed -n '1s/.*number 0 is "\(.*\)"$/\1/p' "$scratch/answer")
    passes device_named test -n "$name" -a -n "$devices"
    answers device_index "no usable one of the $devices Vulkan devices is \"7\"; number 0 is \"$name\"" \
        'Correct vyre_desc.device or VYRE_DEVICE: an index from 0 up, or part of a name.' \
        env VYRE_DEVICE=7 "$bin/quickstart"
    passes device_part_of_name sh -c "VYRE_DEVICE='${name%% *}' '$bin/quickstart' | grep -q '^42, computed by .* (vulkan)$'" ;;
esac

# An include path like the real one, but without volk.h.
mkdir "$scratch/include"
ln -s /usr/include/* "$scratch/include/"
rm -f "$scratch/include/volk.h"
search=$(gcc -E -v - < /dev/null 2>&1 | sed -n '/^#include </,/^End/p' | grep '^ ' | grep -v '/usr/include$')
flags="-nostdinc -I. "
for directory in $search; do flags="$flags -isystem $directory"; done
flags="$flags -isystem $scratch/include"
no_volk=$scratch/no_volk.o
passes no_volk_builds gcc -std=c99 $flags -c vyre.c -o "$no_volk"
wrong no_volk "$desc; s/@/desc.backend = VYRE_BACKEND_VULKAN;/" "$no_volk"
answers no_volk 'backend vulkan (2) is not built in' \
    'Put volk.h on the include path, without VYRE_NO_VULKAN; or use AUTO.' "$scratch/wrong_no_volk"
wrong no_volk_auto "" "$no_volk"
passes no_volk_runs sh -c "'$scratch/wrong_no_volk_auto' | grep -qx '42, computed by CPU interpreter (cpu)'"

# Why it is the CPU that AUTO took.
wrong why 's/vyre_query(v, &info);/& puts(info.why_cpu);/' "$no_volk"
passes why_no_volk sh -c "'$scratch/wrong_why' | grep -qx 'built without volk.h on the include path, or without Vulkan'"
wrong why 's/vyre_query(v, &info);/& puts(info.why_cpu);/'
case $backends in *vulkan)
    passes why_no_driver sh -c "$no_driver '$scratch/wrong_why' | grep -qx 'vkCreateInstance gave VK_ERROR_INCOMPATIBLE_DRIVER (-9)'"
    passes why_empty sh -c "'$scratch/wrong_why' | head -n 1 | grep -qx ''" ;;
esac
finish

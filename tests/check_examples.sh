#!/usr/bin/env bash
# Every example, on the CPU and (where there is a driver) on Vulkan, prints what
# it should; scan agrees with grep; wrong use is answered with what to do.
. "$(dirname "$0")/check.sh"
export LC_ALL=C
libs="-lm -lpthread -ldl"
bin=$scratch/examples
passes make_examples sh -c "make -s -j2 examples BUILD='$scratch' EXAMPLE_CFLAGS=-O0 > '$scratch/make' 2>&1 || { cat '$scratch/make' >&2; false; }"
no_driver="env VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent"
backends=cpu
case $("$bin/quickstart" 2>&1) in
*"(vulkan)") backends="cpu vulkan" ;;
*) skips vulkan "no driver, or no volk.h" ;;
esac

# Short enough to be read in one go.
longest=$(wc -l examples/*.c | grep -v total | sort -n | tail -n 1)
passes "examples_under_150_lines ($longest)" test "$(awk '{ print $1 }' <<< "$longest")" -lt 150

# --- what they print ---------------------------------------------------------

expected() {
    case $1 in
    saxpy) echo "saxpy: 262144 elements, 0 wrong" ;;
    live) echo "live: sums 50005000 and 50005000" ;;
    jit) printf '%s\n' "jit: 1 takes 0 steps, by way of 1" "jit: 6 takes 8 steps, by way of 16" \
        "jit: 7 takes 16 steps, by way of 52" "jit: 9 takes 19 steps, by way of 52" \
        "jit: 27 takes 111 steps, by way of 9232" "jit: 97 takes 118 steps, by way of 9232" \
        "jit: 871 takes 178 steps, by way of 190996" ;;
    printf) for n in 2 3 4 5; do
                echo "printf: $n cubed is $((n * n * n))"; echo "printf: $n squared is $((n * n))"
            done ;;
    priority) printf '%s\n' "priority: 256 idle jobs, then 16 urgent ones" \
        "priority: urgent work overtook: yes" ;;
    tenants) printf '%s\n' "refused by the host: tenant 2 is not one of the handle's 2" \
        "waiting for tenant 1: the deadline passed first" \
        "without rights: tenant 0 ran 1, tenant 1 ran 0" \
        "with rights: tenant 0 ran 1, tenant 1 ran 1" ;;
    stock) echo "stock: 1 + ... + 32 = 528, 32 slots done" ;;
    glsl) echo "glsl: 32 slots done, gcd(120, 360) = 120, sum 1992" ;;
    device) echo "device: 1 + ... + 100 = 5050, our own submission: done" ;;
    esac
}

prints() { # name, command...
    local name=$1; shift
    expected "$name" > "$scratch/expected"
    if timeout 120 "$@" > "$scratch/out" 2> "$scratch/err" && cmp -s "$scratch/expected" "$scratch/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $name: $*"; diff "$scratch/expected" "$scratch/out" | head -n 10
        head -n 5 "$scratch/err"
    fi
}

for backend in $backends; do
    for name in saxpy live jit printf priority tenants; do prints $name "$bin/$name" $backend; done
done
for name in device stock glsl; do
    if [ "$backends" = cpu ] || [ ! -x "$bin/$name" ]; then skips $name "no driver, volk.h or glslang"; continue; fi
    prints $name "$bin/$name"
done
passes quickstart_cpu sh -c "$no_driver '$bin/quickstart' | grep -q '^42, computed by .* (cpu)$'"
case $backends in *vulkan) passes quickstart_vulkan sh -c "'$bin/quickstart' | grep -q '^42, computed by .* (vulkan)$'" ;; esac

# --- scan agrees with grep ---------------------------------------------------

like_grep() { # name, backend, patterns, files...
    local name="scan $1 ($2)" backend=$2 patterns=$3; shift 3
    grep -aobHF -f "$patterns" "$@" > "$scratch/grep"
    timeout 300 "$bin/scan" "$backend" --stats "$patterns" "$@" > "$scratch/scan" 2> "$scratch/stats"
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
"$bin/scan" cpu "$scratch/patterns" "$scratch/corpus/other" > "$scratch/scan" 2> /dev/null
fails scan_control cmp "$scratch/grep" "$scratch/scan"

# --- wrong use ---------------------------------------------------------------

# The quickstart with one thing wrong in it; it prints text and fix.
cat > "$scratch/wrong.c" <<'C'
#define VYRE_IMPLEMENTATION
#include "vyre.h"

static void emit(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    (void)p, (void)slot, (void)user;
}

int main(int argc, char **argv)
{
    const vyre_handler handler = { VYRE_OP_PRINTF, emit, NULL, "mine" };
    const vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2, { 42, 160 } };
    const char *what = argc > 1 ? argv[1] : "";
    vyre_desc desc;
    vyre_error err;
    memset(&err, 0, sizeof err);
    memset(&desc, 0, sizeof desc);
    if (strcmp(what, "vulkan") == 0)
        desc.backend = VYRE_BACKEND_VULKAN;
    if (strcmp(what, "device") == 0) {
        desc.backend = VYRE_BACKEND_VULKAN;
        desc.device = "7";
    }
    if (strcmp(what, "opcode") == 0) {
        desc.kernel.handlers = &handler;
        desc.kernel.handler_count = 1;
    }
    if (strcmp(what, "geometry") == 0)
        desc.kernel.slot_count = 1000;
    vyre *v = vyre_open(&desc, &err);
    vyre_status status = v ? VYRE_OK : err.status;
    for (unsigned i = 0; i < 257 && status == VYRE_OK && strcmp(what, "full") == 0; i++)
        status = vyre_publish(v, &work, NULL, &err); /* never started */
    if (status != VYRE_OK)
        printf("%s\n%s\n", err.text, err.fix);
    vyre_close(v);
    return 0;
}
C
passes wrong_builds gcc -std=c99 -I. "$scratch/wrong.c" -o "$scratch/wrong" $libs

answers() { # name, text, fix, command...
    local name=$1 text=$2 fix=$3; shift 3
    "$@" > "$scratch/answer" 2>&1
    if sed -n 1p "$scratch/answer" | grep -qE "$text" && sed -n 2p "$scratch/answer" | grep -qE "$fix"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $name: $*"; head -n 4 "$scratch/answer"
    fi
}

answers reserved_opcode '0xFFFE.*built in or reserved' '8\.\.0xFFEF' "$scratch/wrong" opcode
answers not_a_multiple '1000 slots in workgroups of 256' 'multiple of the workgroup' "$scratch/wrong" geometry
answers ring_full '256 slots' '[Ww]ait|poll' "$scratch/wrong" full
case $backends in *vulkan)
    answers no_driver 'INCOMPATIBLE_DRIVER|Vulkan' 'Install a Vulkan' $no_driver "$scratch/wrong" vulkan
    answers device_index '7' 'index|VYRE_DEVICE|device' "$scratch/wrong" device ;;
esac

# An include path like the real one, but without volk.h.
mkdir "$scratch/include"
ln -s /usr/include/* "$scratch/include/"
rm -f "$scratch/include/volk.h"
search=$(gcc -E -v - < /dev/null 2>&1 | sed -n '/^#include </,/^End/p' | grep '^ ' | grep -v '/usr/include$')
flags="-nostdinc -I. "
for directory in $search; do flags="$flags -isystem $directory"; done
passes no_volk_builds gcc -std=c99 $flags -isystem "$scratch/include" "$scratch/wrong.c" -o "$scratch/no_volk" $libs
answers no_volk 'vulkan.*not built in' 'volk.h on the include path' "$scratch/no_volk" vulkan
passes no_volk_runs "$scratch/no_volk"
finish

#!/usr/bin/env bash
# The long runs: the random tests with other seeds and more cases than CI takes, libFuzzer
# for two hours, and a server for one.  Parts that are named run alone:
#
#     bash tests/soak.sh test_io pairs_of_switches
#
#   SOAK_FACTOR=20    multiplies the counts
#   TEST_SEED=0x...   is printed where it is not given
#   JOBS=1            how many processes at a time.  A part's volume is cut into pieces, each
#                     with a seed of its own, so that many processors have something to do
#   SOAK_SECONDS=n    ends after so long, wherever it is; all parts come forward alike.  A
#                     piece that was cut short counts for nothing
#   REST=file         BUILD/soak/rest of a run that was cut short, with its seed: the other pieces
#   CPU_ONLY=1        for a machine whose Vulkan devices are not to be used
#   SANITIZE=-O2      instead of the sanitizers of `make test`
#   BUILD_ONLY=1      ends when all is built; then BUILD/soak has programs/ and the list of pieces
#   PROGRAMS=folder   has such programs, for a machine that cannot build them all
#
# Prints for each part what was done of what is wanted, the pieces, and processor time.
# What fails is whole in BUILD/soak/failures.txt.
set -u
cd "$(dirname "$0")/.."
export build=${BUILD:-build}
export factor=${SOAK_FACTOR:-20} jobs=${JOBS:-1} soak CPU_ONLY=${CPU_ONLY:-}
case $build in /*) soak=$build/soak ;; *) soak=$PWD/$build/soak ;; esac
seed=${TEST_SEED:-$(od -An -N6 -tx8 /dev/urandom | tr -d ' \n' | sed 's/^0*/0x/')}
export seed deadline=$(($(date +%s) + ${SOAK_SECONDS:-1000000})) wanted=" $* "
[ -z "$CPU_ONLY" ] || export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent
rm -rf "$soak"
mkdir -p "$soak"
echo "soak: TEST_SEED=$seed, factor $factor, $jobs at a time"

# --- the parts -----------------------------------------------------------------------------

# part, what it counts, how much in all, how much in a piece, environment; the letter says
# what it needs: c a processor only, v a Vulkan device (or that and a processor by turns).
parts() {
    local f=$factor t
    for t in $(ls tests/fuzz_*.c | sed 's,.*/,,;s,\.c$,,' | grep -vx fuzz_replay); do
        echo "c $t SECONDS $((36 * f)) 60"
    done
    cat <<END
c test_interleaving SCHEDULES $((46950000 * f)) 5000000 TEST_ONLY=every_work_ends_once
c test_lease_protocol SCHEDULES $((50000 * f)) 50000 TEST_ONLY=launches_end_and_nobody_is_left_behind
c test_children_protocol SCHEDULES $((500000 * f)) 500000 TEST_ONLY=jobs_run_once_and_tickets_end_last
c test_order_protocol SCHEDULES $((500000 * f)) 300000 TEST_ONLY=works_run_once_and_in_order
c test_wide_protocol SCHEDULES $((500000 * f)) 200000 TEST_ONLY=every_chunk_runs_once
c test_io_protocol SCHEDULES $((500000 * f)) 300000 TEST_ONLY=works_wait_and_go_on
c test_task_protocol SCHEDULES $((500000 * f)) 500000 TEST_ONLY=works_go_on_where_they_were
c test_cancel_protocol SCHEDULES $((500000 * f)) 500000 TEST_ONLY=each_work_ends_once
c test_random TEST_PROGRAMS $((500000 * f)) 50000
c test_kernel_random TEST_COUNT $((100000 * f)) 200000
c test_engine_rings TEST_COUNT $((5000 * f)) 2000
c test_wide_live TEST_COUNT $((100 * f)) $((100 * f))
c test_wide_threads TEST_COUNT $((2500 * f)) $((2500 * f)) TEST_RANGE=67108864
c test_producers SLOTS $((1000000 * f)) $((1000000 * f))
c test_spirv_valid TEST_COUNT $((3500 * f)) 3500
v test_spirv_random TEST_COUNT $((10000 * f)) 10000
v test_wide_random TEST_COUNT $((500 * f)) 500
v test_spirv_rings TEST_COUNT $((4000 * f)) 4000
v test_vulkan_faults TEST_ALL 1 1
v test_source_random TEST_COUNT $((2000 * f)) 2000
v test_runner TEST_COUNT $((500 * f)) 500
v test_runner_exchange TEST_EACH 1 1
c test_exchange_export TEST_COUNT $((20000 * f)) 20000
v test_glsl TEST_COUNT $((150 * f)) 150
c test_memory TEST_COUNT $((100 * f)) $((100 * f))
c test_exchange TEST_COUNT $((5000000 * f)) 5000000
c test_io TEST_COUNT $((5000 * f)) 10000
c test_engine_ends TEST_COUNT $((50000 * f)) $((50000 * f))
c test_scan_live TEST_COUNT $((500 * f)) 500
v test_litmus TEST_COUNT 1000000 1000000
v test_scan_volume TEST_COUNT 3000 3000
c test_order TEST_COUNT $((100 * f)) $((100 * f))
c test_children TEST_COUNT 1000000 1000000
c test_log_live TEST_COUNT 20000 20000 SCHEDULES=$((50000 * f))
c test_cancel TEST_COUNT $((50000 * f)) $((50000 * f))
c test_task_live TEST_COUNT 100000 100000
c test_io_park TEST_COUNT 20000 20000
v test_elide TEST_COUNT $((500 * f)) 500
c test_plan TEST_COUNT 1 1
c test_tune TEST_COUNT $((50000 * f)) 100000
c test_graph TEST_COUNT $((10 * f)) 10 TEST_NODES=100000
c test_fairness TEST_COUNT 1000000 1000000
c test_pool TEST_COUNT $((50000 * f)) 100000
c test_engine_fake TEST_COUNT 1 1
c test_engine_live ENGINE_LIVE_SLOTS $((1000000 * f)) $((1000000 * f))
c pairs_of_switches PAIR 1 1
c scan_whole FILES 1 1
c scan_large FILES 1 1
v server SERVER_SECONDS $((180 * f)) $((180 * f))
END
}

# --- parts that are no test ----------------------------------------------------------------

# All of /usr/include by grep and by examples/scan, for 100000 of the words there.
scan_whole() {
    local directory=$soak/scan_whole program=$soak/programs/scan code
    local -a files; mapfile -t files < <(find /usr/include -type f | LC_ALL=C sort)
    mkdir -p "$directory"
    cat "${files[@]}" | LC_ALL=C tr -cs 'A-Za-z0-9_' '\n' | LC_ALL=C sort -u | grep . > "$directory/words" &&
        awk -v words="$(wc -l < "$directory/words")" 'int(NR * 100000 / words) > made && ++made' \
            "$directory/words" > "$directory/patterns" &&
        cmp <(LC_ALL=C grep -aobHF -f "$directory/patterns" "${files[@]}") \
            <("$program" --cpu --stats -aobHF -f "$directory/patterns" "${files[@]}")
    code=$?
    echo "scan_whole: ${#files[@]} files, $(cat "${files[@]}" | wc -c) bytes, $(wc -l < "$directory/patterns") patterns"
    rm -r "$directory"
    return $code
}

# A file above 4 GB, nearly all of it a hole, by both.
scan_large() {
    local file=$soak/large patterns=$soak/large.patterns hits=$soak/large.hits at code size=$(((4 << 30) + 1234567))
    printf 'needle\nedl\n' > "$patterns"
    truncate -s $size "$file"
    for at in 0 $(((2 << 30) - 2)) $(((4 << 30) - 3)) $(((4 << 30) + 7)) $((size - 7)); do
        printf 'needle\n' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
    done
    LC_ALL=C grep -aobF -f "$patterns" "$file" > "$hits"
    cmp "$hits" <("$soak/programs/scan" --cpu -aobF -f "$patterns" "$file")
    code=$?
    echo "scan_large: $size bytes, $(wc -l < "$hits") matches"
    rm "$file" "$patterns" "$hits"
    return $code
}

# What a switch leaves out, nothing that another one leaves in may need.
pair_of_switches() {
    gcc -std=c99 -Wall -Wextra -Werror -Wno-unused-function "-D$1" "-D$2" -I. -fsyntax-only vyre.c ||
        echo "FAIL $1 with $2"
}

pairs_of_switches() {
    local switches pairs wrong a b
    switches=$(sed -n 's/^ *#define \(VYRE_NO_[A-Z]*\)$/\1/p' src/config.h)
    switches="VYRE_NO_VULKAN VYRE_NO_THREADS VYRE_STATIC $switches"
    pairs=$(for a in $switches; do for b in $switches; do [[ ! $a < $b ]] || echo "$a $b"; done; done)
    wrong=$(xargs -P "$(nproc)" -I{} bash -c 'pair_of_switches {}' <<< "$pairs")
    [ -z "$wrong" ] || echo "$wrong"
    echo "pairs of switches: $(wc -l <<< "$pairs"), $(grep -c FAIL <<< "$wrong") do not build"
    [ -z "$wrong" ]
}

# Inputs that are new go to the pieces that come after, but not into tests/corpus.
fuzz() { # target, seconds, seed, time that is left
    local found=$soak/found/$1
    mkdir -p "$found"
    [ "$2" -lt "$4" ] || set -- "$1" "$4" "$3"
    "$soak/programs/$1" -max_total_time="$2" -max_len=4096 -timeout=10 -print_final_stats=1 \
        -seed="$3" -artifact_prefix="$soak/$1-" "$found" "tests/corpus/${1#fuzz_}"
}

# --- building ------------------------------------------------------------------------------

make_it() { # target
    make -s --no-print-directory BUILD="$build" ${SANITIZE:+"SANITIZE=$SANITIZE"} "$build/$1" &&
        cp "$build/$1" "$soak/programs/"
}

# What cannot be built has no program, and its pieces fail.
build_part() { # part
    case $1 in
    fuzz_*) cp "$build/fuzz/${1#fuzz_}" "$soak/programs/$1" ;;
    test_*) make_it "tests/$1" ;;
    scan) make_it examples/scan ;;
    server) make_it examples/server ;;
    esac > "$soak/$1.build" 2>&1 || { echo "FAIL $1 cannot be built"; tail -n 5 "$soak/$1.build"; }
}

# --- pieces --------------------------------------------------------------------------------

# A folder that a test can run in beside others: what it reads lies there, what it writes
# stays there.
place() {
    mkdir -p "$1/build"
    ln -s "$PWD"/{tests,examples,docs,src,vyre.h} "$1"
}

run_piece() { # folder, part, counted, amount, seed, seconds left, environment
    local at=$1 part=$2 counted=$3 amount=$4 own=$5 left=$6
    shift 6
    case $part in
    fuzz_*) fuzz "$part" "$amount" "$((own & 0x7fffffff))" "$left" ;;
    server) TEST_SEED=$own SERVER_SECONDS=$amount bash tests/soak_server.sh "$soak/programs/server" ;;
    test_*) cd "$at" && env TEST_SEED="$own" "$counted=$amount" "$@" "$soak/programs/$part" ;;
    *) "$part" ;;
    esac
}

# Whether a piece that ended with 0 says that it did what it should.
is_right() { # part, log
    case $1 in
    test_*) grep -qaE '^[1-9][0-9]* passed, 0 failed' "$2" ;;
    esac
}

# One line into the results: number, part, what became of it, amount, processor seconds.
piece() { # number, letter, part, counted, all of it, amount, first one of the piece, environment
    local number=$1 part=$3 counted=$4 amount=$6 at=$soak/piece$1 own code=0 what left
    own=$(printf 0x%x $((seed + $7)))
    left=$((deadline - $(date +%s)))
    if [ $left -le 0 ]; then
        echo "$number $part left $amount 0 0" >> "$soak/results"
        return
    fi
    shift 7
    place "$at"
    TIMEFORMAT='%U %S'
    { time timeout -s KILL $((left + 10)) bash -c 'run_piece "$@"' soak "$at" "$part" "$counted" \
        "$amount" "$own" "$left" "$@" > "$at/log" 2>&1; } 2> "$at/time"
    code=$?
    what=passed
    if [ $code -eq 137 ] && [ $(($(date +%s) - deadline)) -ge 8 ]; then
        what=cut
    elif [ $code -ne 0 ] || ! is_right "$part" "$at/log"; then
        what=failed
        { echo "=== piece $number: TEST_SEED=$own $counted=$amount $* $part, code $code"; cat "$at/log"; } \
            >> "$soak/failures.txt"
    fi
    grep -aE '^NOTE|^scan_|^pairs|^server|number_of_executed' "$at/log" | sed "s/^/$part: /" >> "$soak/notes.txt"
    echo "$number $part $what $amount $(tail -n 1 "$at/time")" >> "$soak/results"
    rm -rf "$at"
}

# All pieces, those of all parts by turns; numbered, for the same parts and factor alike.
pieces() {
    local letter part counted all size rest first
    while read -r letter part counted all size rest; do
        for ((first = 0; first < all; first += size)); do
            echo "$((first * 10000 / all + size * 5000 / all)) $letter $part $counted $all" \
                "$((all - first < size ? all - first : size)) $first $rest"
        done
    done < "$soak/parts" | sort -s -n -k 1,1 | cut -d ' ' -f 2- | sed 's/ *$//' | cat -n
}
export -f scan_whole scan_large pair_of_switches pairs_of_switches fuzz make_it build_part place run_piece is_right piece

parts | while read -r letter part rest; do
    [ -z "$CPU_ONLY" ] || [ "$letter" = c ] || continue
    [[ $wanted =~ ^\ *$ || $wanted == *" $part "* ]] && echo "$letter $part $rest"
done > "$soak/parts"
mkdir "$soak/programs"
[ -z "${PROGRAMS:-}" ] || cp "$PROGRAMS"/* "$soak/programs/"
# What is not there; what many link comes first, so that they do not all build it at a time.
targets=$(cut -d ' ' -f 2 "$soak/parts" | sed 's/^scan_.*/scan/' | sort -u |
    while read -r part; do [ -e "$soak/programs/$part" ] || echo "$part"; done)
fuzzers=$(sed -n 's/^fuzz_//p' <<< "$targets")
[ -z "$fuzzers" ] || bash tests/fuzz.sh --build $fuzzers
! grep -q '^test_' <<< "$targets" ||
    make -s --no-print-directory BUILD="$build" ${SANITIZE:+"SANITIZE=$SANITIZE"} -j "$jobs" \
        "$build/san/vyre.o" "$build/plain/vyre.o"
xargs -P "$jobs" -I{} bash -c 'build_part {}' <<< "$targets"
echo "soak: built after $SECONDS seconds"
touch "$soak/results" "$soak/notes.txt"
pieces > "$soak/pieces"
[ -z "${BUILD_ONLY:-}" ] || exit 0
[ -z "${REST:-}" ] || { awk 'NR == FNR { rest[$1]; next } $1 in rest' "$REST" "$soak/pieces" > "$soak/some" &&
    mv "$soak/some" "$soak/pieces"; }
xargs -P "$jobs" -L 1 bash -c 'piece "$@"' soak < "$soak/pieces"
awk '$3 == "cut" || $3 == "left" { print $1 }' "$soak/results" > "$soak/rest"

awk 'NR == FNR { order[++n] = $2; counted[$2] = $3; all[$2] = $4; next }
    { p = $2; c[p, $3]++; seconds[p] += $5 + $6; total += $5 + $6 }
    $3 == "passed" { done[p] += p ~ /^fuzz_/ ? int($5 + $6) : $4 }
    END {
        for (i = 1; i <= n; i++) { p = order[i]
            printf "%-22s %d of %d %s; pieces: %d passed, %d failed, %d cut, %d left; %d s of processors\n", p, done[p],
                all[p], counted[p], c[p, "passed"], c[p, "failed"], c[p, "cut"], c[p, "left"], seconds[p]
            passed += c[p, "passed"]; failed += c[p, "failed"]
        }
        printf "soak: %d s of processors\n%d passed, %d failed\n", total, passed, failed
        exit failed > 0 || passed == 0
    }' "$soak/parts" "$soak/results"

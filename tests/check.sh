# Sourced by tests/check_*.sh: counts what passes and ends with the closing line.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
build=${BUILD:-build}
passed=0 failed=0 skipped=0
STRICT="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Wcast-qual -Wdouble-promotion -Werror"
# The two that C++ compilers do not know.
STRICT_CXX=${STRICT//-Wstrict-prototypes/}
STRICT_CXX=${STRICT_CXX//-Wmissing-prototypes/}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# passes NAME COMMAND...: the command succeeds and says nothing on stderr
passes() {
    local name=$1; shift
    if "$@" > "$scratch/out" 2> "$scratch/err" && [ ! -s "$scratch/err" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name: $*"
        head -n 15 "$scratch/err" "$scratch/out"
    fi
}

# fails NAME COMMAND...: a positive control; the command must not succeed
fails() {
    local name=$1; shift
    if "$@" > "$scratch/out" 2> "$scratch/err"; then
        failed=$((failed + 1))
        echo "FAIL $name: succeeded, but must not: $*"
    else
        passed=$((passed + 1))
    fi
}

skips() { skipped=$((skipped + 1)); echo "SKIP $1: $2"; }

# needs COMMAND: true when it is there; counts a skip when it is not, or a
# failure where VYRE_TOOLS=required says that it must be
needs() {
    command -v "$1" > /dev/null && return 0
    if [ "${VYRE_TOOLS:-}" = required ]; then
        failed=$((failed + 1)); echo "FAIL $1: not installed"
    else
        skips "$1" "not installed"
    fi
    return 1
}

# Programs that have the implementation in them are compiled without it, but for what it
# includes, and linked with one object of it, where it is the program that is looked at.
without_implementation() { # file
    sed 's/^#define VYRE_IMPLEMENTATION.*/#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>/' "$1"
}
implementation() { # prints the object's name
    [ -e "$scratch/implementation.o" ] || gcc -std=c99 -O0 -w -I. -c vyre.c -o "$scratch/implementation.o"
    echo "$scratch/implementation.o"
}

# at_once NAME...: calls the function `one` for each, as many at a time as there are
# processors, and then `told`, in order, with what it has printed in $scratch/NAME.told and
# its exit code.
at_once() {
    local name jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
    for name in "$@"; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
        { one "$name" > "$scratch/$name.told" 2>&1; echo $? > "$scratch/$name.code"; } &
    done
    wait
    for name in "$@"; do told "$name" "$(cat "$scratch/$name.code" 2> /dev/null || echo 1)"; done
}

finish() {
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
}

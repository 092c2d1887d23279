#!/usr/bin/env bash
# The ways in which programs include the header, and what its object exports.
. "$(dirname "$0")/check.sh"
libs="-lm -lpthread -ldl"

# Asserts may be nothing: no value is there for them alone.
passes asserts_as_nothing gcc -std=c99 $STRICT '-DVYRE_ASSERT(x)=' -I. -fsyntax-only vyre.c

# A program may ask for an early POSIX, whose headers lack what later ones have.
passes early_posix gcc -std=c99 $STRICT -D_POSIX_C_SOURCE=199309L -I. -fsyntax-only vyre.c

# Two translation units, one with the implementation.
cat > "$scratch/one.c" <<'C'
#define VYRE_IMPLEMENTATION
#include "vyre.h"
extern uint32_t other(void);
int main(void) { return other() == vyre_version() ? 0 : 1; }
C
cat > "$scratch/two.c" <<'C'
#include "vyre.h"
uint32_t other(void);
uint32_t other(void) { return vyre_version(); }
C
passes two_units gcc -std=c99 -I. "$scratch/one.c" "$scratch/two.c" -o "$scratch/two" $libs
passes two_units_run "$scratch/two"
passes two_units_cxx g++ -x c++ -std=c++11 -I. "$scratch/one.c" -x c++ "$scratch/two.c" -o "$scratch/twoxx" $libs
passes two_units_cxx_run "$scratch/twoxx"

# C and C++ see the same functions.
passes cxx_object g++ -x c++ -std=c++11 -I. -c "$scratch/two.c" -o "$scratch/twoxx.o"
cat > "$scratch/main.cc" <<'C'
#include "vyre.h"
int main() { return vyre_version() == VYRE_VERSION ? 0 : 1; }
C
passes c_and_cxx sh -c "g++ -std=c++11 -I. '$scratch/main.cc' '$(implementation)' -o '$scratch/mixed' $libs && '$scratch/mixed'"

# Declared first, implemented later in the same unit; included once too often.
cat > "$scratch/late.c" <<'C'
#include "vyre.h"
#include "vyre.h"
static uint32_t early(void) { return vyre_version(); }
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#include "vyre.h"
int main(void) { return early() == VYRE_VERSION ? 0 : 1; }
C
passes late_define_warns gcc -std=c99 $STRICT -I. -fsyntax-only "$scratch/late.c"
passes late_define gcc -std=c99 -I. "$scratch/late.c" -o "$scratch/late" $libs
passes late_define_run "$scratch/late"

# Private to one unit, and twice in one program.
cat > "$scratch/static_a.c" <<'C'
#define VYRE_STATIC
#define VYRE_IMPLEMENTATION
#include "vyre.h"
extern uint32_t b(void);
int main(void) { return b() == vyre_version() ? 0 : 1; }
C
cat > "$scratch/static_b.c" <<'C'
#define VYRE_STATIC
#define VYRE_IMPLEMENTATION
#include "vyre.h"
uint32_t b(void);
uint32_t b(void) { return vyre_version(); }
C
passes static_warns gcc -std=c99 $STRICT -I. -fsyntax-only "$scratch/static_a.c"
passes static_b gcc -std=c99 -I. -c "$scratch/static_b.c" -o "$scratch/static_b.o"
passes static_twice gcc -std=c99 -I. "$scratch/static_a.c" "$scratch/static_b.o" -o "$scratch/static" $libs
passes static_twice_run "$scratch/static"
passes static_exports_nothing sh -c "! nm -g --defined-only '$scratch/static_b.o' | grep -v ' b$' | grep ."

# Only vyre_* is exported, by C and by C++ objects, and nothing is common.
for kind in "gcc -std=c99" "clang -std=c99" "g++ -x c++ -std=c++11"; do
    needs ${kind%% *} || continue
    case $kind in
    gcc*) cp "$(implementation)" "$scratch/exports.o" ;;
    *) passes "exports ($kind)" $kind -O0 -I. -c vyre.c -o "$scratch/exports.o" ;;
    esac
    passes "only vyre_* ($kind)" sh -c "! nm -g --defined-only '$scratch/exports.o' | awk '{print \$3}' | grep -v '^vyre_' | grep ."
done
printf '#include "vyre.h"\nint leak;\n' > "$scratch/leak.c"
gcc -std=c99 -I. -c "$scratch/leak.c" -o "$scratch/leak.o"
fails exports_control sh -c "! nm -g --defined-only '$scratch/leak.o' | awk '{print \$3}' | grep -v '^vyre_' | grep ."

# Each room can be left out alone, and all of them together.
rooms=$(sed -n 's/^ *#define \(VYRE_NO_[A-Z]*\)$/\1/p' src/config.h)
passes rooms_are_listed test "$(echo "$rooms" | wc -l)" -ge 2
for room in VYRE_CORE $rooms; do
    passes "without $room" gcc -std=c99 $STRICT -Wno-unused-function -D$room -I. -fsyntax-only vyre.c
done

# Every fragment compiles alone, and together they are the library.
objects=""
for fragment in $(find src -name "*.c" | sort); do
    object=$scratch/$(basename "$fragment" .c).o
    objects="$objects $object"
    passes "alone: $fragment" gcc -std=c99 $STRICT -iquote src -c "$fragment" -o "$object"
done
for fragment in $(find src -name "*.h" | sort); do
    case $fragment in src/vyre.h) continue ;; esac
    echo "#include \"${fragment#src/}\"" > "$scratch/header.c"
    echo 'extern int unit_is_not_empty;' >> "$scratch/header.c"
    passes "alone: $fragment" gcc -std=c99 -Wall -Wextra -Werror -iquote src -fsyntax-only "$scratch/header.c"
done
printf '#include "vyre.h"\nint main(void) { return vyre_version() == VYRE_VERSION ? 0 : 1; }\n' > "$scratch/use.c"
passes fragments_link sh -c "gcc -std=c99 -I. '$scratch/use.c' $objects -o '$scratch/use' $libs && '$scratch/use'"
finish

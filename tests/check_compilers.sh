#!/usr/bin/env bash
# No compiler, language version or switch gives a warning.
. "$(dirname "$0")/check.sh"

implementation=$scratch/implementation.c
declarations=$scratch/declarations.c
printf '#define VYRE_IMPLEMENTATION\n#include "vyre.h"\n' > "$implementation"
printf '#include "vyre.h"\nextern int unit_is_not_empty;\n' > "$declarations"

matrix() { # compiler, language flags, strict flags
    local name="$1 $2"
    passes "$name declarations" $1 $2 $3 -I. -fsyntax-only "$declarations"
    passes "$name implementation" $1 $2 $3 -I. -fsyntax-only "$implementation"
}

for compiler in gcc clang; do
    needs $compiler || continue
    for version in c99 c11 c17; do
        matrix $compiler "-x c -std=$version" "$STRICT"
    done
done
for compiler in g++ clang++; do
    needs $compiler || continue
    for version in c++11 c++17 c++20; do
        matrix $compiler "-x c++ -std=$version" "$STRICT_CXX"
    done
done
if needs x86_64-w64-mingw32-gcc; then
    matrix x86_64-w64-mingw32-gcc "-x c -std=c99" "$STRICT"
    matrix x86_64-w64-mingw32-gcc "-x c -std=c17" "$STRICT"
fi
if needs x86_64-w64-mingw32-g++; then
    matrix x86_64-w64-mingw32-g++ "-x c++ -std=c++11" "$STRICT_CXX"
    matrix x86_64-w64-mingw32-g++ "-x c++ -std=c++17" "$STRICT_CXX"
fi
if needs i686-linux-gnu-gcc; then
    matrix i686-linux-gnu-gcc "-x c -std=c99" "$STRICT"
fi

# The optimizer sees more: gcc's.  (Clang's warnings come before its optimizer.)
if needs gcc; then
    passes "gcc -O2" gcc -std=c99 $STRICT -O2 -I. -c "$implementation" -o "$scratch/o2.o"
fi

# A handler as VYRE_HANDLER has a value for each member.
printf '#include "vyre.h"\nextern const vyre_handler h;\nconst vyre_handler h = VYRE_HANDLER(0x1000, NULL, NULL, "h");\n' > "$scratch/handler.c"
for compiler in "gcc -std=c99" "clang -std=c99" "g++ -x c++ -std=c++11"; do
    needs ${compiler%% *} && passes "VYRE_HANDLER ($compiler)" $compiler -Wall -Wextra -Werror -I. -fsyntax-only "$scratch/handler.c"
done
sed 's/VYRE_HANDLER(\(.*\));/{ \1 };/' "$scratch/handler.c" > "$scratch/four.c"
fails "four values" gcc -std=c99 -Wall -Wextra -Werror -I. -fsyntax-only "$scratch/four.c"

# Inlined into a program of one file, where the optimizer sees the most.
if needs gcc; then
    for level in 1 3; do
        passes "gcc -O$level -DVYRE_STATIC" gcc -std=c99 -Wall -Werror -O$level -DVYRE_STATIC -I. \
            -c examples/quickstart.c -o "$scratch/static.o"
    done
fi

# Every switch, alone.
for switch in VYRE_STATIC VYRE_NO_VULKAN VYRE_NO_THREADS; do
    passes "gcc -D$switch" gcc -std=c99 $STRICT -D$switch -I. -fsyntax-only "$implementation"
    passes "g++ -D$switch" g++ -x c++ -std=c++11 $STRICT_CXX -D$switch -I. -fsyntax-only "$implementation"
done
passes "gcc -DNDEBUG" gcc -std=c99 $STRICT -DNDEBUG -O1 -I. -c "$implementation" -o "$scratch/ndebug.o"

# Statements in assembler say the same in either of gcc's dialects.
if [ "$(uname -m)" = x86_64 ] && needs objdump; then
    dialect() { # att or intel: the code, without the file's name
        gcc -std=c99 -O0 -masm=$1 -I. -c "$implementation" -o "$scratch/$1.o" &&
            objdump -d "$scratch/$1.o" | sed 1,2d > "$scratch/$1.s" && grep -q vyre_publish "$scratch/$1.s"
    }
    same_code() { dialect att && dialect intel && cmp "$scratch/att.s" "$scratch/intel.s"; }
    passes "gcc -masm=intel" same_code
fi

# Positive control: the flags do catch something.
printf '#include "vyre.h"\nint f(int);\nint f(int x) { unsigned y = x; return (int)y; }\n' > "$scratch/bad.c"
fails control gcc -std=c99 $STRICT -I. -fsyntax-only "$scratch/bad.c"
finish

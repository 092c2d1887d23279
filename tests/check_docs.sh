#!/usr/bin/env bash
# Every block of code in README, docs and the comment at the top of vyre.h
# compiles; what is a program runs, and prints what the next block says.
# docs/api.md is generated and compared instead.
. "$(dirname "$0")/check.sh"
tree=$PWD
libs="-lm -lpthread -ldl"

# --- docs/api.md -------------------------------------------------------------

make -s BUILD="$build" "$build/gen_api" "$build/plain/vyre.o" || exit 1
passes api_in_step "$build/gen_api" src/vyre.h --check docs/api.md
{ echo changed; sed 1d docs/api.md; } > "$scratch/api.md"
fails api_control "$build/gen_api" src/vyre.h --check "$scratch/api.md"
names=$(nm "$build/plain/vyre.o" | awk '$2 == "T" && $3 ~ /^vyre_/ { print $3 }')
passes api_names_found test "$(wc -w <<< "$names")" -gt 100
unknown=""
for name in $names; do grep -q "^\* \`$name\`" docs/api.md || unknown="$unknown $name"; done
passes "api_lists_every_function$unknown" test -z "$unknown"

# --- blocks ------------------------------------------------------------------

# blocks FILE DIRECTORY: writes each fenced block to NN.LANGUAGE, in order
blocks() {
    awk -v dir="$2" '
        /^```/ && !inside { inside = 1; language = substr($0, 4); if (language == "") language = "none"
                            file = sprintf("%s/%02d.%s", dir, ++n, language); printf "" > file; next }
        /^```/ { inside = 0; close(file); next }
        inside { print > file }' "$1"
}

prelude='#include "vyre.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
'
locals='vyre *v = NULL; vyre_error err; vyre_desc desc; vyre_ticket ticket; vyre_work work; vyre_info info;
vyre_program *p = NULL; const vyre_slot_values *slot = NULL; vyre_kernel_desc kernel;
(void)v; (void)err; (void)desc; (void)ticket; (void)work; (void)info; (void)p; (void)slot; (void)kernel;'

# A whole program runs; the rest must be right at file scope or in a function.  That the
# implementation compiles inside of a program newcomers' trials below look at.
c_block() { # name, file
    local name=$1 file=$2 strict="-std=c99 -Wall -Wextra -Werror -I$tree"
    if grep -q '#include "vyre.h"' "$file"; then
        without_implementation "$file" > "$scratch/program.c"
        passes "$name compiles" gcc $strict -O0 "$scratch/program.c" "$build/plain/vyre.o" -o "$scratch/program" $libs
        grep -q 'int main' "$file" || return
        passes "$name runs" timeout 60 "$scratch/program"
        cp "$scratch/out" "$scratch/last"
        return
    fi
    { echo "$prelude"; cat "$file"; } > "$scratch/at_file.c"
    { echo "$prelude"; echo "void f(void); void f(void) { $locals {"; cat "$file"; echo '} }'; } > "$scratch/inside.c"
    gcc $strict -Wno-unused -fsyntax-only "$scratch/at_file.c" 2> /dev/null && { passed=$((passed + 1)); return; }
    passes "$name compiles" gcc -std=c99 -I"$tree" -Wno-unused -fsyntax-only "$scratch/inside.c"
}

# A target that takes minutes, or installs, is looked at and not made.
sh_block() { # name, file
    local line
    while read -r line; do
        line=${line%%#*}
        [ -n "${line// }" ] || continue
        case $line in
        make\ demo*|make\ check*) passes "$1: $line" sh -c "$line > '$scratch/sh' 2>&1 || { cat '$scratch/sh' >&2; false; }" ;;
        make\ *) passes "$1: $line" sh -c "make -n ${line#make } > /dev/null" ;;
        *) skips "$1" "not run here: $line" ;;
        esac
    done < "$2"
}

document() { # file
    local name directory=$scratch/blocks/$1 block
    mkdir -p "$directory"
    blocks "$1" "$directory"
    for block in "$directory"/*; do
        [ -e "$block" ] || continue
        name="$1 block $(basename "$block")"
        case $block in
        *.c) c_block "$name" "$block" ;;
        *.sh) sh_block "$name" "$block" ;;
        *.text) passes "$name is what it prints" cmp "$block" "$scratch/last" ;;
        esac
    done
    local link
    for link in $(grep -oE '\]\([^)#:]+\)' "$1" | sed 's/](//; s/)//'); do
        passes "$1 links to $link" test -e "$(dirname "$1")/$link"
    done
}

for file in README.md CONTRIBUTING.md packaging/README.md docs/*.md; do
    [ "$file" = docs/api.md ] || document "$file"
done

# What the pages name is there: functions, types, macros, and files of this tree.
unknown_names() { # files
    local name
    for name in $(grep -ohE '\b(vyre|VYRE|vyi|VYI)_[A-Za-z0-9_]+' "$@" | sort -u); do
        case $name in vyre_section_*|VYRE_SECTION_*) continue ;; esac
        grep -qE "\b$name" vyre.h vyre_spirv.h CMakeLists.txt || echo "$name"
    done
    for name in $(grep -ohE '`(src|tests|tools|bench|docs|examples|packaging)/[A-Za-z0-9_./-]+\.[a-z]+`' "$@" | tr -d '`' | sort -u); do
        case $name in */x.[ch]|*/test_x.c) continue ;; esac
        [ -e "$name" ] || echo "$name"
    done
}
unknown=$(unknown_names README.md C*.md bench/*.md packaging/*.md $(ls docs/*.md | grep -v api.md))
passes "names_exist $unknown" test -z "$unknown"
echo 'See `docs/none.md` and `vyre_nothing`.' > "$scratch/names.md"
passes names_control test "$(unknown_names "$scratch/names.md" | wc -l)" -eq 2

# The program in the README is the quickstart, and the one in the header runs.
blocks README.md "$scratch"
passes readme_is_quickstart cmp "$scratch/01.c" examples/quickstart.c
sed -n '/^ \* ONE COMPLETE PROGRAM/,/^ \* WHAT A JOB/p' vyre.h | sed '1d;$d;s/^ \*//;s/^     //' > "$scratch/top.c"
c_block "the header's program" "$scratch/top.c"
missing=$(for name in $(grep -ohE '(defined\(|ifdef |ifndef )VYRE_[A-Z_]+' $(find src -name "*.[ch]") | sed 's/.*VYRE/VYRE/' | sort -u); do
    [ $name = VYRE_H ] || sed '/^ \*\//q' src/vyre.h | grep -q "^ \*     $name[ (]" || echo $name; done)
passes "top_comment_switches $missing" test -z "$missing"
passes top_comment_length sh -c "test \$(sed '/^ \*\//q' src/vyre.h | wc -l) -ge 150 -a \$(sed '/^ \*\//q' src/vyre.h | wc -l) -le 250"

# As a newcomer: a folder elsewhere with what README says to copy and nothing else, its
# programs, its command lines.  The second program is without the implementation, but for
# gcc, and with more warnings than most people ask for.
trial() { # command line as README has it, for demo.c, another compiler
    local line=${1/#* -std=/$2 -std=} number answer programs=("$scratch"/blocks/README.md/*.c) command
    for number in 0 1; do
        answer='^42, computed by ' command=$line
        cp "${programs[$number]}" "$scratch/trial/demo.c"
        if [ $number = 1 ]; then
            answer='^1000 4000$' command="$line $more"
            if [ "$2" != gcc ]; then
                without_implementation "${programs[1]}" > "$scratch/trial/demo.c"
                case $line in
                *demo.exe*) command="${command/-o demo.exe/-c -o demo.exe}" ;;
                *) command="${command/demo.c/demo.c -x none $tree/$build/plain/vyre.o}" ;;
                esac
            fi
        fi
        rm -f "$scratch"/trial/demo "$scratch"/trial/demo.exe
        passes "newcomer, program $number: $command" sh -c "cd '$scratch/trial' && $command"
        if [ -e "$scratch/trial/demo" ]; then
            passes "newcomer, program $number runs: $line" sh -c "'$scratch/trial/demo' | grep -q '$answer'"
        else
            passes "newcomer, program $number linked: $line" test -s "$scratch/trial/demo.exe"
        fi
    done
}

mkdir -p "$scratch/trial"
cp vyre.h "$scratch/trial/"
more="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror"
lines=$(sed -n 's/^|.*| `\(.* demo\.c .*\)` |$/\1/p' README.md)
passes newcomer_lines test "$(wc -l <<< "$lines")" -eq 3
while read -r line; do
    case $line in
    cc\ *) for compiler in gcc clang; do needs $compiler && trial "$line" $compiler; done ;;
    g++\ *) for compiler in g++ clang++; do needs $compiler && trial "$line" $compiler; done ;;
    *) for compiler in x86_64-w64-mingw32-gcc "x86_64-w64-mingw32-g++ -x c++"; do
           needs ${compiler%% *} || continue
           case $compiler in *++*) line=${line/c99/c++17} ;; esac
           trial "$line" "$compiler"
           if [ -e /usr/include/volk.h ]; then # the GPU's headers, copied as README says
               mkdir -p "$scratch/trial/gpu"
               cp -r /usr/include/volk.h /usr/include/vulkan /usr/include/vk_video "$scratch/trial/gpu/"
               trial "$line -isystem gpu" "$compiler"
           fi
       done ;;
    esac
done <<< "$lines"

# Positive controls: a block that does not compile, one that prints something else, a broken link.
control() { # name, text
    mkdir -p "$scratch/control"
    printf '%b' "$2" > "$scratch/control/$1.md"
    (failed=0; document "$scratch/control/$1.md" > /dev/null; [ "$failed" -eq 0 ])
}
fails control_compile control compile '```c\nvyre_start(v);\n```\n'
fails control_output control output '```c\n#include "vyre.h"\n#include <stdio.h>\nint main(void) { puts("a"); return 0; }\n```\n```text\nb\n```\n'
fails control_link control link '[x](no/such/file.md)\n'
finish

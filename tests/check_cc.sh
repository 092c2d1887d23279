#!/usr/bin/env bash
# tools/vyre_cc.c: what it prints, and how it ends; a build without the room says so.
. "$(dirname "$0")/check.sh"
libs="-lm -lpthread -ldl"
cc=$scratch/vyre_cc
passes tool_builds gcc -std=c99 -O0 -Wall -Wextra -Werror -I. tools/vyre_cc.c -o "$cc" $libs

cat > "$scratch/good.txt" <<'END'
//@ width range
//@ buffer x:float
//@ buffer y:float:1024
y[index] += asfloat(arg[2]) * x[index];
END
passes check "$cc" --check "$scratch/good.txt"
passes listing sh -c "'$cc' '$scratch/good.txt' | grep -q 'mul'"
passes glsl sh -c "'$cc' --glsl '$scratch/good.txt' | grep -q 'void main()'"
passes spirv "$cc" --spirv "$scratch/good.txt" -o "$scratch/good.spv"
passes spirv_is_one sh -c "[ \"\$(od -An -tx4 -N4 '$scratch/good.spv' | tr -d ' ')\" = 07230203 ]"
if needs spirv-val; then passes spirv_is_valid spirv-val --target-env vulkan1.1 "$scratch/good.spv"; fi
passes options sh -c "echo 'b[0] = b.length();' | '$cc' --check --buffer b:int:7 -"
fails options_control sh -c "echo 'b[0] = 1.5;' | '$cc' --check --buffer b:int:7 -"

printf '//@ buffer y\n\n  y[0] = z;\ny[1] = 1.0;\n' > "$scratch/bad.txt"
says() { "$cc" --check "$scratch/bad.txt" 2> "$scratch/said"; [ $? = 1 ] && grep -qxF "$1" "$scratch/said"; }
passes first_mistake says "$scratch/bad.txt:3:10: nothing is called \"z\""
passes second_mistake says "$scratch/bad.txt:4:8: what is assigned to is uint, and float does not become uint by itself"
passes caret says "           ^"
wide() { echo "$2" | "$cc" --check --width "$1" --buffer y - 2> "$scratch/said"; [ $? = 1 ] && grep -qF "$3" "$scratch/said"; }
passes mistake_in_a_range wide range 'y[index] = z;' '1:12: nothing is called "z"'
passes mistake_in_a_group wide group 'y[lane] = z;' '1:11: nothing is called "z"'
fails no_such_option "$cc" --nonsense "$scratch/good.txt"
fails no_such_file "$cc" "$scratch/none"
fails no_such_width sh -c "printf '//@ width wide\n;' | '$cc' -"

# Without the room a text is refused, with the reason.
cat > "$scratch/without.c" <<'END'
#define VYRE_CORE
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#include <stdio.h>
int main(void)
{
    vyre_error err;
    vyre_handler h = { 0x1000, NULL, NULL, NULL, VYRE_WIDTH_LANE, 0, ";", 0 };
    vyre_kernel_desc desc = { .handlers = &h, .handler_count = 1 };
    return vyre_kernel_build(&desc, &err) || err.status != VYRE_E_SOURCE || !printf("%s\n", err.fix);
}
END
passes without_the_room gcc -std=c99 -w -O0 -I. "$scratch/without.c" -o "$scratch/without" $libs
passes without_says_so sh -c "'$scratch/without' | grep -q VYRE_NO_SOURCE"
finish

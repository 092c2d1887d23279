#!/usr/bin/env bash
# tools/vyre_ir.c: what it prints of a program of the original's, and how it ends.
. "$(dirname "$0")/check.sh"
libs="-lm -lpthread -ldl"
tool=$scratch/vyre_ir
passes tool_builds gcc -std=c99 -O0 -Wall -Wextra -Werror -I. tools/vyre_ir.c -o "$tool" $libs

# The first program whose text the golden vectors have: out[0] <- 42.
awk -F'\t' '$1 == "write_text" { printf "%s", $NF; exit }' tests/vectors/exchange.tsv | tr '|' '\n' > "$scratch/good.txt"
passes check "$tool" --check "$scratch/good.txt"
passes listing sh -c "'$tool' '$scratch/good.txt' | grep -q 'store out\[0\] = 42'"
passes glsl sh -c "'$tool' --glsl '$scratch/good.txt' | grep -q 'void main()'"
passes stats sh -c "'$tool' --stats '$scratch/good.txt' | grep -qx 'statements   2, 0 of them left out'"
passes spirv "$tool" --spirv "$scratch/good.txt" -o "$scratch/good.spv"
passes spirv_is_one sh -c "[ \"\$(od -An -tx4 -N4 '$scratch/good.spv' | tr -d ' ')\" = 07230203 ]"
passes runs sh -c "'$tool' --run 1 '$scratch/good.txt' | tail -n 1 | grep -qx ' 0000002a'"
passes text_is_the_same sh -c "'$tool' --text '$scratch/good.txt' | cmp - '$scratch/good.txt'"
passes blob "$tool" --blob "$scratch/good.txt" -o "$scratch/good.vyre"
passes blob_is_one sh -c "[ \"\$(head -c 4 '$scratch/good.vyre')\" = VYRE ] && [ \$(wc -c < '$scratch/good.vyre') = 194 ]"
passes from_standard_input sh -c "'$tool' --check - < '$scratch/good.vyre'"

# What is wrong is told with its byte, and the bytes around it.
says() { "$tool" --check "$scratch/bad" 2> "$scratch/said"; [ $? = 1 ] && grep -qF -- "$1" "$scratch/said"; }
head -c 100 "$scratch/good.vyre" > "$scratch/bad"
passes damage says "byte 8: another digest than that of the bytes: 60"
passes window says "000000  56 59 52 45 04 00 04 00>"
sed 's/5659524504/565952450g/' "$scratch/good.txt" > "$scratch/bad"
passes digit says "byte 37 of the text: no hexadecimal digit"
echo nonsense > "$scratch/bad"
passes no_program says "byte 0: no program begins here"
fails no_such_option "$tool" --nonsense "$scratch/good.txt"
fails no_such_file "$tool" "$scratch/none"
fails no_such_contents "$tool" --run 1 --buffer out=none "$scratch/good.txt"
passes zero_words sh -c "'$tool' --run 1 --buffer out=0 '$scratch/good.txt' | grep -qx 'out:'"
finish

#!/usr/bin/env bash
# The generated header is in step with src/, and each check that says so can fail.
. "$(dirname "$0")/check.sh"
make -s "$build/amalgamate" || exit 1
tool=$PWD/$build/amalgamate

passes in_step "$tool" src/vyre.h --check vyre.h
passes lint "$tool" src/vyre.h --lint
passes writes "$tool" src/vyre.h -o "$scratch/again.h"
passes deterministic cmp "$scratch/again.h" vyre.h

# Positive controls: a copy with one byte changed, one more, one fewer.
sed '100s/./#/' vyre.h > "$scratch/changed.h"
fails changed_byte "$tool" src/vyre.h --check "$scratch/changed.h"
{ cat vyre.h; echo; } > "$scratch/longer.h"
fails one_more "$tool" src/vyre.h --check "$scratch/longer.h"
head -c -1 vyre.h > "$scratch/shorter.h"
fails one_fewer "$tool" src/vyre.h --check "$scratch/shorter.h"

# Each lint rule, broken alone.
lint_control() { # name, text appended to base.c
    rm -rf "$scratch/src"
    cp -r src "$scratch/src"
    printf '%b\n' "$2" >> "$scratch/src/base/base.c"
    fails "lint_$1" "$tool" "$scratch/src/vyre.h" --lint
}
lint_control tab '\tint vyi_x;'
lint_control width "/* $(printf 'x%.0s' $(seq 100)) */"
lint_control ascii '/* \0303\0244 */'
lint_control trailing_blank '/* blank */ '
rm -rf "$scratch/src"
cp -r src "$scratch/src"
echo 'static int vyi_twice(void);' >> "$scratch/src/base/base.c"
echo 'static int vyi_twice(void);' >> "$scratch/src/wire/wire.c"
fails lint_unique_name "$tool" "$scratch/src/vyre.h" --lint

# Every script parses, those that CI does not run, too; a merge that was left half done does not.
for script in .ci/run bench/*.sh tests/*.sh tools/*.sh; do
    passes "parses_$script" bash -n "$script"
done
printf '<<<<<<< HEAD\n' | cat - tests/soak.sh > "$scratch/merge.sh"
fails parses_merge bash -n "$scratch/merge.sh"
finish

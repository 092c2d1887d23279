#!/usr/bin/env bash
# Calls between the fragments of src/ go one way: a fragment that others build on
# does not call back.  The graph is drawn from the symbols of the fragments, each
# compiled alone.  Circles that are left stand in `left`, with their reason.
# CALLS_SHOW=1 prints every arrow.
. "$(dirname "$0")/check.sh"
needs nm || { finish; exit; }

# fragments of the circle: why it is there
src="rooms/source/source"
left="
ir/ir ir/pair: a call with a 64-bit operand is made of calls with its words
${src} ${src}_call ${src}_error ${src}_expr ${src}_flow ${src}_log ${src}_name ${src}_read ${src}_value: an expression calls functions, whose bodies are statements made of expressions; a message names the nearest name
"

# object FRAGMENT OBJECT
object() { gcc -std=c99 -O0 -w -iquote src -I"$scratch" -c "$1" -o "$2"; }

# symbols OBJECT NAME: what it defines and what it needs, a line each
symbols() {
    nm "$1" | awk -v name="$2" '$2 ~ /^[TDRBC]$/ { print "has", $3, name } $1 == "U" { print "needs", $2, name }'
}

# arrows: from such lines, "caller callee"
arrows() {
    awk '$1 == "has" { home[$2] = $3 } $1 == "needs" { n++; symbol[n] = $2; user[n] = $3 }
         END { for (i = 1; i <= n; i++) if (symbol[i] in home && home[symbol[i]] != user[i])
                   print user[i], home[symbol[i]] }' | sort -u
}

# circles: from arrows, one line for each set of fragments that reach each other
circles() {
    awk '{ reach[$1, $2] = 1; node[$1] = 1; node[$2] = 1 }
         END { for (k in node) for (i in node) if (reach[i, k]) for (j in node)
                   if (reach[k, j]) reach[i, j] = 1
               for (i in node) for (j in node) if (i < j && reach[i, j] && reach[j, i]) print i, j }' |
        sort | awk '{ if (!($1 in of)) { of[$1] = $1; line[$1] = $1 }
                      first = of[$1]; if (!($2 in of)) { of[$2] = first; line[first] = line[first] " " $2 } }
                    END { for (first in line) print line[first] }' | sort
}

# is_left CIRCLE: all of it stands in one line of the list
is_left() {
    local names fragment why
    while IFS=: read -r names why; do
        [ -n "$names" ] || continue
        for fragment in $1; do
            case " $names " in *" $fragment "*) ;; *) continue 2 ;; esac
        done
        return 0
    done <<< "$left"
    return 1
}

# named FRAGMENT: the table of CONTRIBUTING has it, whole or by what follows its family's name
named() {
    local file
    file=$(basename "$1")
    grep -E '^\| `' CONTRIBUTING.md | grep -qE "[\` /](${file%.c}\.h \.c|$file|_${file#*_})"
}

for fragment in $(find src -name '*.c' | sort); do
    name=${fragment#src/}
    name=${name%.c}
    passes "named: $fragment" named "$fragment"
    passes "alone: $fragment" object "$fragment" "$scratch/object.o"
    symbols "$scratch/object.o" "$name" >> "$scratch/symbols"
done
arrows < "$scratch/symbols" > "$scratch/arrows"
[ -z "${CALLS_SHOW:-}" ] || cat "$scratch/arrows"
passes "the graph has arrows" test "$(wc -l < "$scratch/arrows")" -gt 100
circles < "$scratch/arrows" > "$scratch/circles"
while read -r circle; do
    passes "a circle of calls: $circle" is_left "$circle"
done < "$scratch/circles"
while IFS=: read -r names why; do
    for name in $names; do
        grep -qw "$name" "$scratch/circles" || echo "NOTE $name is in no circle: take it out of its line"
    done
done <<< "$left"

# Control: two fragments that call each other.
echo 'void one(void); void two(void); void one(void) { two(); }' > "$scratch/one.c"
echo 'void one(void); void two(void); void two(void) { one(); }' > "$scratch/two.c"
control() {
    for name in one two; do
        object "$scratch/$name.c" "$scratch/object.o" || return
        symbols "$scratch/object.o" "$1/$name"
    done | arrows | circles
}
passes "a circle is found" test "$(control kernel)" = "kernel/one kernel/two"
fails "a fragment that is not in the table" named src/kernel/kernel_nothing.c
fails "a circle that is not listed" is_left "$(control kernel)"
fails "a circle of two lines" is_left "engine/engine kernel/kernel"
finish

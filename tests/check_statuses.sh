#!/usr/bin/env bash
# Every error status is produced by some test and named in some test.  Reads
# what the test programs noted (tests/status_hook.h), so it runs after them.
. "$(dirname "$0")/check.sh"
log=$build/logs/statuses.txt
[ -s "$log" ] || { echo "FAIL statuses: $log is empty; run the test programs first"; echo "0 passed, 1 failed"; exit 1; }

list=$(sed -n 's/^ *X(\(E_[A-Z0-9_]*\), *\(-[0-9]*\),.*/\1 \2/p' src/base/base.h)
count=$(echo "$list" | wc -l)
[ "$count" -gt 20 ] || { echo "FAIL statuses: found only $count in src/base/base.h"; failed=1; }

while read -r name number; do
    if ! grep -qx -- "$number" "$log"; then
        echo "FAIL VYRE_$name ($number): no test produced it"; failed=$((failed + 1))
    elif ! grep -qE "(VYRE_)?$name\b" tests/*.c tests/*.h; then
        echo "FAIL VYRE_$name ($number): no test names it"; failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done <<< "$list"

# Numbers are unique, and a status that does not exist is missed.
duplicates=$(echo "$list" | awk '{print $2}' | sort | uniq -d)
[ -z "$duplicates" ] && passed=$((passed + 1)) || { echo "FAIL duplicate numbers $duplicates"; failed=$((failed + 1)); }
grep -qx -- "-9999" "$log" && failed=$((failed + 1)) || passed=$((passed + 1))
finish

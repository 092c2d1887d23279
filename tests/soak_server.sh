#!/usr/bin/env bash
# The server example for SERVER_SECONDS (default 3600), two at a time with 1 to 16 threads
# each, while one of the two is killed at a moment that nobody chose.  Wrong is: a digest; a
# server that was left alone and ends badly, or not within SERVER_LIMIT (default 300)
# seconds; one that was killed too late and ended badly before; one that is still there when
# all is over.
#
#     bash tests/soak_server.sh [PROGRAM]      SERVER_BACKEND=cpu SERVER_SECONDS=60 ...
set -u
cd "$(dirname "$0")/.."
program=${1:-${BUILD:-build}/examples/server} backend=${SERVER_BACKEND:-vulkan}
seconds=${SERVER_SECONDS:-3600} limit=${SERVER_LIMIT:-300}
RANDOM=$((${TEST_SEED:-1} & 32767))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# One server: its end's code, and how many digests it says are right, into a file.
serve() { # file, seconds until it is killed
    timeout -s KILL "$2" "$program" "$backend" $((1 + RANDOM % 16)) $((500 + RANDOM % 4000)) \
        > "$1.log" 2>&1
    echo "$? $(sed -n 's/^server: \([0-9]*\) digests by [0-9]* threads, 0 wrong$/\1/p' "$1.log")" > "$1"
} 2> /dev/null

runs=0 killed=0 digests=0 failed=0 began=$SECONDS
while [ $((SECONDS - began)) -lt "$seconds" ] && [ $failed -lt 10 ]; do
    RANDOM=$((RANDOM ^ runs))
    serve "$folder/alone" "$limit" &
    serve "$folder/doomed" "$((RANDOM % 3)).$(printf %03d $((RANDOM % 1000)))"
    wait $!
    for which in alone doomed; do
        read -r code right < "$folder/$which"
        runs=$((runs + 1)) digests=$((digests + ${right:-0}))
        if [ $which = doomed ] && [ "$code" -eq 137 ]; then
            killed=$((killed + 1))
        elif [ "$code" -ne 0 ] || [ -z "$right" ]; then
            failed=$((failed + 1))
            echo "FAIL a server ended with $code:"; cat "$folder/$which.log"
        fi
    done
done
for wait in 0 1 2 4 8 16; do # a process that was killed may need a while to go
    sleep $wait
    left=$(pgrep -fx "$program $backend [0-9]+ [0-9]+") || break
done
if [ -n "$left" ]; then
    failed=$((failed + 1)); echo "FAIL these servers are still there: $left"
fi
echo "server, $backend: $runs in $((SECONDS - began)) s, of which $killed were killed;" \
    "$digests right digests of the others, $failed failed"
[ $failed -eq 0 ]

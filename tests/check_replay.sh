#!/usr/bin/env bash
# tools/vyre_replay.c: a log that a program wrote is listed, counted and run again,
# and a damaged one is told from a good one.
. "$(dirname "$0")/check.sh"
libs="-lm -lpthread -ldl"
tool=$scratch/vyre_replay log=$scratch/works.vyre
passes tool_builds cc -std=c99 -O0 -Wall -Wextra -Werror -I. tools/vyre_replay.c -o "$tool" $libs
cat > "$scratch/write.c" << 'END'
#include "vyre.h"
#include <string.h>
int main(int argc, char **argv)
{
    vyre_replay_desc to;
    vyre_desc desc;
    memset(&to, 0, sizeof to);
    memset(&desc, 0, sizeof desc);
    to.path = argv[1];
    to.capacity = 64;
    desc.backend = VYRE_BACKEND_CPU;
    vyre_replay *log = vyre_replay_open(&to, NULL);
    vyre *v = vyre_open(&desc, NULL);
    if (!log || !v || vyre_start(v, NULL) != VYRE_OK)
        return 1;
    for (uint32_t i = 0; i < 20; i++) {
        vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2, { i } };
        vyre_ticket t;
        work.args[1] = i == 7 ? 3 : VYRE_CONTROL_OBSERVABLES; /* 3: a header word, FAULT */
        if (argc > 2)
            work.opcode = 0x1000;
        if (argc > 2 && vyre_replay_append(log, &(vyre_replay_record){ .opcode = 0x1000 }, NULL) == VYRE_OK)
            continue;
        if (vyre_replay_publish(log, v, &work, &t, NULL) != VYRE_OK)
            return 1;
        vyre_replay_wait(log, v, t, VYRE_FOREVER, NULL);
    }
    vyre_close(v);
    vyre_replay_close(log);
    return 0;
}
END
make -s BUILD="$build" "$build/plain/vyre.o" || exit 1
passes writer_builds cc -std=c99 -O0 -I. "$scratch/write.c" "$build/plain/vyre.o" -o "$scratch/write" $libs
passes a_log_is_written "$scratch/write" "$log"
passes it_is_listed sh -c "'$tool' list '$log' > '$scratch/out' && test \$(wc -l < '$scratch/out') -eq 40"
passes it_is_counted sh -c "'$tool' stat '$log' | grep -q '^20 works, 20 ends (1 FAULT), 0 events, 0 damaged'"
passes it_runs_again sh -c "'$tool' run '$log' cpu 2> /dev/null | grep -q ': 20 works, 20 ends compared, 0 differences, 0 lost'"
passes slots_may_differ sh -c "'$tool' run '$log' cpu slots=32 observables=8 2> /dev/null"
fails an_unknown_option "$tool" run "$log" cpu sluts=32
fails no_log "$tool" stat "$scratch/none"
fails no_command "$tool" look "$log"
fails nothing_at_all "$tool"
printf 'x' | dd of="$log" bs=1 seek=700 conv=notrunc 2> /dev/null
fails damage_is_told "$tool" stat "$log"
passes damage_is_named sh -c "'$tool' list '$log' | grep -q '^ *4  damaged'"
fails damage_is_lost "$tool" run "$log" cpu
passes handlers_are_missing sh -c "'$scratch/write' '$scratch/user' 1 && ! '$tool' run '$scratch/user' cpu 2> '$scratch/why' && grep -q 'opcode 0x1000 needs a handler' '$scratch/why'"
finish

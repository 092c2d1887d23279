/* Replay: any bytes as a log of either version.  Reading ends, what is appended is
 * read back, and opening again gives the same. */
#include "fuzz.h"
#include "replay_file.h"

/* How many records, lost ones included; a log of version 1 may stop with an error. */
static uint32_t read_all(vyre_replay *log, uint64_t *digest)
{
    vyre_error err;
    vyre_replay_record r;
    vyre_replay_info info;
    uint32_t count = 0;
    uint64_t last = 0;
    vyre_replay_query(log, &info);
    vyre_replay_rewind(log);
    for (;;) {
        memset(&r, 0x5a, sizeof r);
        vyre_status status = vyre_replay_next(log, &r, &err);
        fuzz_error(status, &err);
        if (status == VYRE_OK) {
            FUZZ_CHECK(r.arg_count <= 12 && r.failure <= (info.version == 1 ? 4u : UINT32_MAX));
            FUZZ_CHECK(info.version == 1 || count == 0 || r.sequence > last);
            last = r.sequence;
            *digest = *digest * 31 + r.time_ns + r.sequence + r.slot + r.code;
        } else if (status != VYRE_E_REPLAY_LOST) {
            FUZZ_CHECK(status == VYRE_EMPTY || info.version == 1);
            return count;
        }
        count++;
        FUZZ_CHECK(count <= info.capacity);
    }
}

static void check_append(vyre_replay *log)
{
    vyre_error err;
    vyre_replay_record r;
    vyre_replay_info before, after;
    memset(&r, 0, sizeof r);
    r.time_ns = 77;
    vyre_replay_query(log, &before);
    vyre_status status = vyre_replay_append(log, &r, &err);
    fuzz_error(status, &err);
    vyre_replay_query(log, &after);
    if (status < 0)
        FUZZ_CHECK(after.cursor == before.cursor);
    else
        FUZZ_CHECK(after.cursor == (before.cursor + 1) % before.capacity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_file f = memory_begin();
    vyre_error err;
    const uint32_t version = size ? data[0] % 3 : 0;
    if (size > 1)
        memory_write(&f, 0, data + 1, size - 1);
    vyre_replay_desc desc = memory_log(&f, version, 3);
    vyre_replay *log = vyre_replay_open(&desc, &err);
    if (!log) {
        fuzz_error(err.status, &err);
        FUZZ_CHECK(err.status < 0);
        memory_end(&f);
        return 0;
    }
    uint64_t first = 0, second = 0;
    uint32_t count;
    /* a capacity that the file does not back up is read slowly, and says nothing new */
    vyre_replay_info info;
    vyre_replay_query(log, &info);
    if (info.version == 2 || info.capacity <= 4096) {
        count = read_all(log, &first);
        vyre_replay_close(log);
        log = vyre_replay_open(&desc, &err);
        FUZZ_CHECK(log != NULL);
        FUZZ_CHECK(read_all(log, &second) == count && first == second);
        check_append(log);
        read_all(log, &second);
    }
    vyre_replay_close(log);
    memory_end(&f);
    return 0;
}

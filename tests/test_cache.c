/* The cache file: what it holds, the system's calls that may fail, many processes at
 * once, and a handle that reads and writes it, on a driver behind a mock that counts
 * and gives other bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the next call of each gives: an errno, or 0 to make the call; `most` bytes at a
 * time; `times` calls that are interrupted first. */
static struct hooks {
    int    open, fstat, read, write, close, rename;
    size_t most;
    int    times;
} hooks;

static int hook_fails(int code)
{
    errno = code ? code : errno;
    return code;
}

static int hook_open(const char *path, int flags, ...)
{
    return hook_fails(hooks.open) ? -1 : open(path, flags, 0600);
}

static int hook_fstat(int fd, struct stat *about)
{
    return hook_fails(hooks.fstat) ? -1 : fstat(fd, about);
}

static size_t hook_size(size_t size)
{
    return hooks.most && hooks.most < size ? hooks.most : size;
}

static bool hook_interrupts(void)
{
    if (hooks.times == 0)
        return false;
    hooks.times--;
    errno = EINTR;
    return true;
}

static ssize_t hook_read(int fd, void *bytes, size_t size)
{
    if (hook_interrupts() || hook_fails(hooks.read))
        return -1;
    return read(fd, bytes, hook_size(size));
}

static ssize_t hook_write(int fd, const void *bytes, size_t size)
{
    if (hook_interrupts() || hook_fails(hooks.write))
        return -1;
    return write(fd, bytes, hook_size(size));
}

static int hook_close(int fd)
{
    const int result = close(fd);
    return hook_fails(hooks.close) ? -1 : result;
}

static int hook_rename(const char *from, const char *to)
{
    return hook_fails(hooks.rename) ? -1 : rename(from, to);
}

#include "mock_vulkan.c"

#define open   hook_open
#define fstat  hook_fstat
#define read   hook_read
#define write  hook_write
#define close  hook_close
#define rename hook_rename

#define VYRE_NO_TENANT
#define VYRE_NO_GLSL
#define VYRE_NO_WATCH
#define VYRE_NO_PLAN
#define VYRE_NO_FUSE
#define VYRE_NO_SCAN
#define VYRE_NO_POOL
#define VYRE_NO_REPLAY
#define VYRE_NO_TRACE
#define VYRE_NO_TASK
#define VYRE_NO_GRAPH
#define VYRE_NO_SOURCE
#define VYRE_NO_EXCHANGE
#define VYRE_NO_RUNNER
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#undef open
#undef fstat
#undef read
#undef write
#undef close
#undef rename

#include "oom.h"
#include "test.h"

static vyre_error err;
static uint64_t random_state;

/* --- bytes ------------------------------------------------------------------ */

static const uint8_t key[VYRE_CACHE_KEY] = { 1, 2, 3, 250 }, other_key[VYRE_CACHE_KEY] = { 1, 2, 4 };

/* A file in a block of its own size. */
static uint8_t *sealed(const void *blob, size_t size, size_t *all)
{
    uint8_t *file = (uint8_t *)malloc(size + VYRE_CACHE_EXTRA);
    CHECK_EQ(vyre_cache_seal(blob, size, key, file, size + VYRE_CACHE_EXTRA, all, &err), VYRE_OK);
    CHECK_EQ(*all, size + VYRE_CACHE_EXTRA);
    return file;
}

static void sealed_bytes_come_back(void)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 976, 977, 1024, 70001 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t size = sizes[i];
        uint8_t *blob = (uint8_t *)malloc(size + 1), digest[32];
        const void *back = NULL;
        size_t all = 0, count = 1;
        for (size_t k = 0; k < size; k++)
            blob[k] = (uint8_t)test_random(&random_state);
        uint8_t *file = sealed(size ? blob : NULL, size, &all);
        CHECK(memcmp(file, "VYRC0001", 8) == 0 && memcmp(file + 8, key, 32) == 0);
        CHECK_EQ(vyi_get32(file + 40), size);
        CHECK_EQ(vyi_get32(file + 44), 0);
        vyi_blake3(file, 48 + size, digest);
        CHECK(memcmp(file + 48 + size, digest, 32) == 0);
        CHECK_EQ(vyre_cache_unseal(file, all, key, &back, &count, &err), VYRE_OK);
        CHECK(back == file + 48 && count == size && memcmp(back, blob, size) == 0);
        CHECK_EQ(vyre_cache_unseal(file, all, other_key, &back, &count, &err), VYRE_E_CACHE);
        free(file);
        free(blob);
    }
}

static void refused(const uint8_t *file, size_t size)
{
    const void *blob = &random_state;
    size_t count = 77;
    CHECK_EQ(vyre_cache_unseal(file, size, key, &blob, &count, &err), VYRE_E_CACHE);
    CHECK(blob == &random_state && count == 77 && err.fix[0]);
}

static void every_other_length_is_refused(void)
{
    const char text[] = "what a driver gives, which is longer than this";
    size_t all;
    uint8_t *file = sealed(text, sizeof text, &all);
    for (size_t size = 0; size <= all + 1; size++) {
        uint8_t *part = (uint8_t *)malloc(size ? size : 1);
        memset(part, 0, size);
        memcpy(part, file, size < all ? size : all);
        if (size != all)
            refused(part, size);
        free(part);
    }
    free(file);
}

static void every_flipped_bit_is_refused(void)
{
    uint8_t blob[1500];
    size_t all;
    memset(blob, 0x5a, sizeof blob);
    uint8_t *file = sealed(blob, sizeof blob, &all);
    for (uint32_t i = 0; i < 10000; i++) {
        const size_t bit = test_random(&random_state) % (8 * all);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused(file, all);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(file);
}

static void arguments_are_checked(void)
{
    uint8_t dst[VYRE_CACHE_EXTRA + 4] = { 9 };
    const void *blob = NULL;
    size_t size = 55;
    CHECK_EQ(vyre_cache_seal(NULL, 1, key, dst, sizeof dst, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_seal("abcd", 4, NULL, dst, sizeof dst, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_seal("abcd", 4, key, NULL, sizeof dst, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_seal("abcd", 4, key, dst, sizeof dst, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_seal("abcd", 4, key, dst, sizeof dst - 1, &size, &err), VYRE_E_SPACE);
    CHECK_EQ(vyre_cache_seal("abcd", SIZE_MAX - 8, key, dst, sizeof dst, &size, &err),
             VYRE_E_SPACE);
    CHECK(size == 55 && dst[0] == 9);
    CHECK_EQ(vyre_cache_unseal(NULL, 9, key, &blob, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_unseal(dst, 9, NULL, &blob, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_unseal(dst, 9, key, NULL, &size, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_cache_unseal(dst, 9, key, &blob, NULL, &err), VYRE_E_ARGUMENT);
}

/* --- files ------------------------------------------------------------------ */

static char folder[64], path[100], temporary[130];

static void drop_files(void)
{
    unlink(path);
    unlink(temporary);
    rmdir(path);
    rmdir(folder);
}

/* An empty folder, and no hooks. */
static void files_begin(void)
{
    memset(&hooks, 0, sizeof hooks);
    if (folder[0])
        drop_files();
    else
        atexit(drop_files);
    snprintf(folder, sizeof folder, "/tmp/vyre_cache.%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/kept", folder);
    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    CHECK_EQ(mkdir(folder, 0700), 0);
}

static bool exists(const char *name)
{
    struct stat about;
    return lstat(name, &about) == 0;
}

static void put(const char *text)
{
    const char *why = vyi_cache_write(NULL, path, text, strlen(text));
    if (why)
        test_fail(__FILE__, __LINE__, "not written: %s", why);
}

static void holds(const char *text)
{
    void *bytes = NULL;
    size_t size = 0;
    const char *why = vyi_cache_read(NULL, path, &bytes, &size);
    if (why)
        test_fail(__FILE__, __LINE__, "not read: %s", why);
    CHECK(size == strlen(text) && memcmp(bytes, text, size) == 0);
    vyi_free(NULL, bytes, size);
}

/* Neither read now, nor anything given out. */
static void not_read(const char *why)
{
    oom_state memory;
    oom_begin(&memory);
    const vyre_allocator allocator = oom_allocator(&memory);
    void *bytes = &random_state;
    size_t size = 33;
    const char *said = vyi_cache_read(&allocator, path, &bytes, &size);
    CHECK_TEXT(said ? said : "it was read", why);
    CHECK(bytes == &random_state && size == 33 && oom_is_clean(&memory));
}

static void what_is_no_file_is_not_read(void)
{
    files_begin();
    not_read("it does not exist yet");
    CHECK_EQ(mkdir(path, 0700), 0);
    not_read("it is not a regular file");
    rmdir(path);
    CHECK_EQ(mkfifo(path, 0600), 0);
    not_read("it is not a regular file"); /* and nobody waits for a writer */
    unlink(path);
    CHECK_EQ(symlink("/etc/hostname", path), 0);
    not_read("it is a link or no file");
    unlink(path);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    not_read("it is empty");
    CHECK_EQ(ftruncate(fd, (64 << 20) + 1), 0);
    not_read("it is larger than 64 MiB");
    close(fd);
}

static void reads_that_fail(void)
{
    files_begin();
    put("kept bytes");
    hooks.open = EACCES;
    not_read("it cannot be opened");
    hooks.open = 0, hooks.fstat = EIO;
    not_read("it is not a regular file");
    hooks.fstat = 0, hooks.read = EIO;
    not_read("it cannot be read");
    hooks.read = 0, hooks.most = 3, hooks.times = 5;
    holds("kept bytes");
    CHECK_EQ(hooks.times, 0);
    oom_state memory;
    void *bytes;
    size_t size;
    oom_begin(&memory);
    memory.fail_at = 1;
    const vyre_allocator allocator = oom_allocator(&memory);
    CHECK_TEXT(vyi_cache_read(&allocator, path, &bytes, &size), "there is no memory for it");
    CHECK(oom_is_clean(&memory));
}

/* The old file stays, and nothing beside it. */
static void not_written(const char *why)
{
    const char *said = vyi_cache_write(NULL, path, "fresh", 5);
    CHECK_TEXT(said ? said : "it was written", why);
    memset(&hooks, 0, sizeof hooks);
    holds("old");
    CHECK(!exists(temporary));
}

static void writes_that_fail(void)
{
    files_begin();
    put("old");
    hooks.open = EACCES; /* as in a folder that is read-only */
    not_written("no file can be made in its directory");
    hooks.write = ENOSPC;
    not_written("the disk takes no more");
    hooks.close = EIO;
    not_written("the disk takes no more");
    hooks.rename = EXDEV;
    not_written("it cannot be replaced");
    oom_state memory;
    oom_begin(&memory);
    memory.fail_at = 1;
    const vyre_allocator allocator = oom_allocator(&memory);
    CHECK_TEXT(vyi_cache_write(&allocator, path, "x", 1), "there is no memory for its name");
    CHECK_TEXT(vyi_cache_write(NULL, path, "x", (64u << 20) + 1), "it would be larger than 64 MiB");
    hooks.most = 2, hooks.times = 4;
    put("new, in parts");
    holds("new, in parts");
}

/* Another handle of this process is at it: its file is not touched. */
static void a_temporary_file_is_left_alone(void)
{
    files_begin();
    put("old");
    const int fd = open(temporary, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    CHECK_TEXT(vyi_cache_write(NULL, path, "fresh", 5),
               "another of this process's handles is writing it");
    CHECK(exists(temporary));
    close(fd);
    holds("old");
}

static void a_link_is_replaced_and_not_followed(void)
{
    char target[120];
    files_begin();
    snprintf(target, sizeof target, "%s/target", folder);
    CHECK_EQ(symlink(target, path), 0);
    put("ours");
    CHECK(!exists(target));
    holds("ours");
}

/* --- many at once ------------------------------------------------------------ */

#define WRITERS 50
#define READERS 50
#define TURNS   4
#define BLOB    20000u

/* A blob of one byte, the writer's. */
static bool writes_blobs(uint8_t who)
{
    static uint8_t blob[BLOB], file[BLOB + VYRE_CACHE_EXTRA];
    size_t all;
    memset(blob, who, sizeof blob);
    for (int i = 0; i < TURNS; i++)
        if (vyre_cache_seal(blob, sizeof blob, key, file, sizeof file, &all, NULL) != VYRE_OK ||
            vyi_cache_write(NULL, path, file, all))
            return false;
    return true;
}

static bool reads_blobs(void)
{
    for (int i = 0; i < TURNS; i++) {
        void *file = NULL;
        const void *blob = NULL;
        size_t size = 0, count = 0;
        if (vyi_cache_read(NULL, path, &file, &size))
            return false;
        const uint8_t *bytes = (const uint8_t *)file + 48;
        bool same = vyre_cache_unseal(file, size, key, &blob, &count, NULL) == VYRE_OK &&
                    count == BLOB;
        for (size_t k = 1; same && k < count; k++)
            same = bytes[k] == bytes[0];
        vyi_free(NULL, file, size);
        if (!same)
            return false;
    }
    return true;
}

static void a_hundred_processes_never_see_a_mix(void)
{
    pid_t children[WRITERS + READERS];
    files_begin();
    CHECK(writes_blobs(0));
    fflush(stdout);
    for (int i = 0; i < WRITERS + READERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0)
            _exit(i % 2 ? !reads_blobs() : !writes_blobs((uint8_t)(i / 2 + 1)));
    }
    int wrong = 0;
    for (int i = 0; i < WRITERS + READERS; i++) {
        int how = 1;
        waitpid(children[i], &how, 0);
        wrong += how != 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK(reads_blobs());
}

/* --- handles ------------------------------------------------------------------ */

static char messages[1024];
static uint32_t message_count;

static void keep_message(void *user, vyre_severity severity, const char *text)
{
    (void)user;
    (void)severity;
    snprintf(messages + strlen(messages), sizeof messages - strlen(messages), "%s\n", text);
    message_count++;
}

static void payload_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES),
                   user ? vyre_ir_add(p, s->arg[0], s->arg[0]) : s->arg[0], VYRE_ORDER_RELAXED);
}

/* With the file, after files_begin or another handle of the case. */
static vyre_desc file_desc(void)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    memset(&hooks, 0, sizeof hooks);
    d.backend = VYRE_BACKEND_VULKAN;
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.payload = payload_add;
    d.kernel.slot_count = 32;
    d.kernel.workgroup_size = 32;
    d.messages.message = keep_message;
    d.vulkan.cache_file = path;
    d.vulkan.loader = mock_loader();
    if (!d.vulkan.loader)
        test_skip("no Vulkan loader");
    return d;
}

typedef struct life {
    vyre_info info;
    uint32_t  submits; /* of open */
} life;

static vyre *life_open(const vyre_desc *d, life *l)
{
    messages[0] = 0;
    message_count = 0;
    mock.cache_bytes = 0;
    const uint32_t before = mock.count[MOCK_vkQueueSubmit];
    vyre *v = vyre_open(d, &err);
    if (!v && err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    if (!v)
        test_fail(__FILE__, __LINE__, "vyre_open: %s", err.text);
    l->submits = mock.count[MOCK_vkQueueSubmit] - before;
    vyre_query(v, &l->info);
    return v;
}

static life life_of(const vyre_desc *d)
{
    life l;
    vyre *v = life_open(d, &l);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
    return l;
}

/* A machine with much else to do may need several tries until the probe sees life. */
static life life_of_live(const vyre_desc *d)
{
    life l = life_of(d);
    for (int i = 0; i < 20 && !l.info.probe.live; i++)
        l = life_of(d);
    if (!l.info.probe.live)
        test_skip("the probe finds no live device");
    return l;
}

static ino_t file_number(void)
{
    struct stat about;
    CHECK_EQ(stat(path, &about), 0);
    return about.st_ino;
}

static void serves(vyre *v)
{
    const vyre_work work = { VYRE_OP_USER, 0, VYRE_PRIORITY_NORMAL, 1, { 21 } };
    vyre_ticket t;
    uint32_t sum = 0;
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(vyre_publish(v, &work, &t, &err), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, 10000000000u, &err), VYRE_OK);
    }
    CHECK_EQ(vyre_observable(v, 0, &sum, &err), VYRE_OK);
    CHECK_EQ(sum, 42);
}

static void a_second_open_measures_nothing(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    mock.cache_data = "of the driver";
    const life first = life_of_live(&d);
    CHECK(!first.info.probe.kept && first.submits >= 3);
    const ino_t number = file_number();
    life second;
    vyre *v = life_open(&d, &second);
    CHECK_EQ(second.submits, 0);
    CHECK_TEXT(mock.cache_first, "of the driver");
    CHECK_EQ(mock.cache_bytes, 13);
    CHECK_TEXT(messages, "");
    CHECK(second.info.probe.kept);
    CHECK_TEXT(second.info.probe.text, first.info.probe.text);
    CHECK_EQ(second.info.probe.loop_limit, first.info.probe.loop_limit);
    CHECK_EQ(second.info.probe.round_trip_ns, first.info.probe.round_trip_ns);
    CHECK(second.info.mode == first.info.mode && second.info.mode == VYRE_MODE_PERSISTENT);
    serves(v);
    vyre_close(v);
    CHECK_EQ(file_number(), number); /* nothing changed, so nothing was written */
    CHECK(!exists(temporary));
}

static void the_first_open_says_that_there_is_no_file(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.no_probe = true;
    life_of(&d);
    CHECK_EQ(message_count, 1);
    CHECK(strstr(messages, path) && strstr(messages, "does not exist yet"));
    CHECK(exists(path));
}

static void other_bytes_of_the_driver_replace_the_file(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.no_probe = true;
    mock.cache_data = "one";
    life_of(&d);
    mock.cache_data = "another";
    life_of(&d);
    CHECK_TEXT(mock.cache_first, "one");
    life_of(&d);
    CHECK_TEXT(mock.cache_first, "another");
}

/* What is given to the driver is nothing, and one message says why. */
static void is_a_miss(const vyre_desc *d, const char *why)
{
    const life l = life_of(d);
    CHECK(!l.info.probe.kept);
    CHECK_EQ(mock.cache_bytes, 0);
    if (!strstr(messages, why) || message_count != 1)
        test_fail(__FILE__, __LINE__, "%u messages, \"%s\", not \"%s\"", message_count, messages,
                  why);
}

static void a_file_of_another_is_a_miss(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.no_probe = true;
    life_of(&d);
    d.kernel.payload_user = &d; /* another program: the file as if it were renamed */
    is_a_miss(&d, "another program, device, driver or version");
    d.kernel.payload_user = NULL;
    is_a_miss(&d, "another program, device, driver or version");
    mock.driver_version = 77;
    is_a_miss(&d, "another program, device, driver or version");
    life_of(&d);
    CHECK(mock.cache_bytes > 0 && message_count == 0);
    const int fd = open(path, O_RDWR);
    CHECK_EQ(pwrite(fd, "!", 1, 60), 1);
    close(fd);
    is_a_miss(&d, "damaged");
}

/* A digest that is right around words that are too few. */
static void a_file_without_room_for_a_verdict_is_a_miss(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.no_probe = true;
    life_of(&d);
    void *bytes = NULL;
    size_t size = 0, all = 0;
    CHECK(vyi_cache_read(NULL, path, &bytes, &size) == NULL);
    uint8_t file[VYRE_CACHE_EXTRA + 63], blob[63] = { 0 };
    CHECK_EQ(vyre_cache_seal(blob, 63, (const uint8_t *)bytes + 8, file, sizeof file, &all, &err),
             VYRE_OK);
    vyi_free(NULL, bytes, size);
    CHECK(vyi_cache_write(NULL, path, file, all) == NULL);
    is_a_miss(&d, "another format");
}

static void the_probe_runs_when_it_is_asked_to(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    life_of_live(&d);
    d.probe_always = true;
    life again = life_of_live(&d);
    CHECK(!again.info.probe.kept && again.submits >= 3 && mock.cache_bytes > 0);
    d.probe_always = false;
    d.no_probe = true; /* keeps what is in the file, and does not use it */
    again = life_of(&d);
    CHECK(!again.info.probe.kept && !again.info.probe.ran && again.submits == 0);
    d.no_probe = false;
    again = life_of(&d);
    CHECK(again.info.probe.kept && again.info.probe.live);
}

/* Neither a verdict of a busy moment, nor one of other conditions. */
static void only_a_settled_verdict_is_kept(void)
{
    vyi_vk_context c;
    vyi_vk_cache k;
    vyre_probe probe, out;
    memset(&c, 0, sizeof c);
    memset(&k, 0, sizeof k);
    memset(&probe, 0, sizeof probe);
    c.memory.memoryTypeCount = 2;
    probe.loop_limited = true;
    probe.loop_limit = 65533;
    probe.resident_groups = 12;
    probe.round_trip_ns = 0x123456789ull;
    CHECK(!vyi_vk_cache_recall(&c, &k, 64, 4, &out));
    vyi_vk_cache_keep(&c, &k, &probe, true); /* not live */
    CHECK(!vyi_vk_cache_recall(&c, &k, 64, 4, &out));
    probe.live = true;
    vyi_vk_cache_keep(&c, &k, &probe, false);
    vyi_vk_cache_keep_groups(&k, 5);
    CHECK_EQ(vyi_vk_cache_groups(&k), 0);
    CHECK(!vyi_vk_cache_recall(&c, &k, 64, 4, &out));
    c.probed[VYI_VK_DEVICE] = 1;
    c.probed[VYI_VK_HOST] = 7;
    vyi_vk_cache_keep(&c, &k, &probe, true);
    vyi_vk_cache_keep_groups(&k, 5);
    memset(c.probed, 0, sizeof c.probed);
    CHECK(vyi_vk_cache_recall(&c, &k, 64, 4, &out));
    CHECK(out.ran && out.kept && out.live && out.loop_limited && !out.whole_lines);
    CHECK(out.loop_limit == 65533 && out.resident_groups == 12);
    CHECK_EQ(out.round_trip_ns, 0x123456789ull);
    CHECK(c.probed[VYI_VK_DEVICE] == 1 && c.probed[VYI_VK_HOST] == 7);
    CHECK_EQ(vyi_vk_cache_groups(&k), 5);
    c.memory.memoryTypes[1].propertyFlags = 6; /* the host's window came or went */
    CHECK(!vyi_vk_cache_recall(&c, &k, 64, 4, &out));
    CHECK_EQ(vyi_vk_cache_groups(&k), 0);
    c.memory.memoryTypes[1].propertyFlags = 0;
    CHECK(!vyi_vk_cache_recall(&c, &k, 64, 4, &out)); /* forgotten */
}

static void what_fails_costs_the_file_only(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.no_probe = true;
    mock_fail(MOCK_vkCreatePipelineCache, 1, VK_ERROR_OUT_OF_HOST_MEMORY);
    life_of(&d);
    CHECK(mock.failed && strstr(messages, "vkCreatePipelineCache") && !exists(path));
    for (uint32_t call = 1; call <= 2; call++) {
        mock_fail(MOCK_vkGetPipelineCacheData, call, VK_ERROR_OUT_OF_HOST_MEMORY);
        life_of(&d);
        CHECK(mock.failed && strstr(messages, "is not written") && !exists(path));
    }
    mock_begin();
    oom_state memory;
    uint32_t failed = 0;
    do {
        life l;
        oom_begin(&memory);
        d.allocator = oom_allocator(&memory);
        vyre *v = life_open(&d, &l);
        memory.calls = 0;
        memory.fail_at = ++failed;
        vyre_close(v);
        CHECK(oom_is_clean(&memory) && mock.live == 0);
        CHECK_EQ(exists(path), !memory.failed);
    } while (memory.failed);
    CHECK_EQ(failed, 4); /* the driver's bytes, the file, its name */
}

static void a_path_without_memory(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    oom_state memory;
    oom_begin(&memory);
    d.allocator = oom_allocator(&memory);
    d.no_probe = true;
    for (memory.fail_at = 1;; oom_rearm(&memory)) {
        vyre *v = vyre_open(&d, &err);
        if (v)
            vyre_close(v);
        CHECK(oom_is_clean(&memory) && mock.live == 0);
        if (v && !memory.failed)
            break;
        CHECK(v || err.status == VYRE_E_NOMEM);
    }
}

static void a_cache_is_kept_in_one_place(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.vulkan.cache = "blob";
    d.vulkan.cache_size = 4;
    CHECK(!vyre_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    d.backend = VYRE_BACKEND_CPU;
    CHECK(!vyre_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
}

/* The CPU keeps nothing, and says nothing. */
static void the_cpu_needs_no_file(void)
{
    files_begin();
    mock_begin();
    vyre_desc d = file_desc();
    d.backend = VYRE_BACKEND_CPU;
    const life l = life_of(&d);
    CHECK(l.info.backend == VYRE_BACKEND_CPU && message_count == 0 && !exists(path));
}

int main(void)
{
    random_state = test_seed(0x19);
    RUN(sealed_bytes_come_back);
    RUN(every_other_length_is_refused);
    RUN(every_flipped_bit_is_refused);
    RUN(arguments_are_checked);
    RUN(what_is_no_file_is_not_read);
    RUN(reads_that_fail);
    RUN(writes_that_fail);
    RUN(a_temporary_file_is_left_alone);
    RUN(a_link_is_replaced_and_not_followed);
    RUN(a_hundred_processes_never_see_a_mix);
    RUN(a_second_open_measures_nothing);
    RUN(the_first_open_says_that_there_is_no_file);
    RUN(other_bytes_of_the_driver_replace_the_file);
    RUN(a_file_of_another_is_a_miss);
    RUN(a_file_without_room_for_a_verdict_is_a_miss);
    RUN(the_probe_runs_when_it_is_asked_to);
    RUN(only_a_settled_verdict_is_kept);
    RUN(what_fails_costs_the_file_only);
    RUN(a_path_without_memory);
    RUN(a_cache_is_kept_in_one_place);
    RUN(the_cpu_needs_no_file);
    return test_end();
}

/* base: statuses, errors, sizes, memory, messages, words, atomics.  It looks
 * inside the library, for most of base is private. */
#define VYRE_NO_VULKAN
#define VYRE_STATIC
#define VYRE_IMPLEMENTATION
#include "oom.h"
#include "test.h"
#include "vyre.h"

/* --- statuses ------------------------------------------------------------ */

typedef struct status_entry {
    int         number;
    const char *name, *text;
} status_entry;

static const status_entry statuses[] = {
#define STATUS_ENTRY(name, number, text) { number, #name, text },
    VYRE_STATUS_LIST(STATUS_ENTRY)
#undef STATUS_ENTRY
};

#define STATUSES (sizeof statuses / sizeof statuses[0])

static void statuses_have_a_number_a_name_and_a_text(void)
{
    for (size_t i = 0; i < STATUSES; i++) {
        const status_entry *s = &statuses[i];
        CHECK_TEXT(vyre_status_name((vyre_status)s->number), s->name);
        CHECK_TEXT(vyre_status_text((vyre_status)s->number), s->text);
        CHECK(strlen(s->text) > 5 && strlen(s->text) < 80);
        CHECK((s->number < 0) == (strncmp(s->name, "E_", 2) == 0));
        for (size_t j = 0; j < i; j++)
            CHECK(statuses[j].number != s->number && strcmp(statuses[j].text, s->text) != 0);
    }
    CHECK_EQ(VYRE_OK, 0);
    CHECK_TEXT(vyre_status_text((vyre_status)-9999), "unknown status");
    CHECK_TEXT(vyre_status_name((vyre_status)9999), "UNKNOWN");
}

static void the_version_is_the_header_s(void)
{
    char text[32];
    CHECK_EQ(vyre_version(), VYRE_VERSION);
    snprintf(text, sizeof text, "%d.%d.%d", VYRE_VERSION_MAJOR, VYRE_VERSION_MINOR,
             VYRE_VERSION_PATCH);
    CHECK_TEXT(VYRE_VERSION_STRING, text);
}

/* --- errors -------------------------------------------------------------- */

static void an_error_says_what_and_what_to_do(void)
{
    vyre_error err;
    memset(&err, 0xa5, sizeof err);
    CHECK_EQ(vyi_fail(&err, VYRE_E_OVF, 77, "Ask for less.", "%u is more than %s", 5u, "four"),
             VYRE_E_OVF);
    CHECK_EQ(err.status, VYRE_E_OVF);
    CHECK_EQ(err.native, 0);
    CHECK_EQ(err.at, 77);
    CHECK_TEXT(err.text, "5 is more than four");
    CHECK_TEXT(err.fix, "Ask for less.");
    CHECK_EQ(vyi_fail(NULL, VYRE_E_OVF, 0, "", "nobody asked"), VYRE_E_OVF);
}

static void a_long_text_is_cut(void)
{
    vyre_error err;
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    vyi_fail(&err, VYRE_E_OVF, 0, text, "%s", text);
    CHECK_EQ(strlen(err.text), sizeof err.text - 1);
    CHECK_EQ(strlen(err.fix), sizeof err.fix - 1);
}

static void no_memory_has_its_size(void)
{
    vyre_error err;
    CHECK_EQ(vyi_fail_nomem(&err, 123456), VYRE_E_NOMEM);
    CHECK_EQ(err.at, 123456);
    CHECK(strstr(err.text, "123456") != NULL);
}

/* --- sizes --------------------------------------------------------------- */

static void sizes_do_not_wrap(void)
{
    size_t out = 7;
    CHECK(vyi_size_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    CHECK(!vyi_size_add(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    CHECK(vyi_size_mul(SIZE_MAX / 3, 3, &out) && out == SIZE_MAX / 3 * 3);
    CHECK(vyi_size_mul(SIZE_MAX, 0, &out) && out == 0);
    CHECK(vyi_size_mul(0, SIZE_MAX, &out) && out == 0);
    out = 7;
    CHECK(!vyi_size_mul(SIZE_MAX / 2, 3, &out) && out == 7);
}

/* --- memory -------------------------------------------------------------- */

static void no_allocator_is_the_c_library(void)
{
    vyre_allocator zero;
    memset(&zero, 0, sizeof zero);
    char *a = (char *)vyi_alloc(NULL, 10), *b = (char *)vyi_alloc(&zero, 10);
    CHECK(a && b);
    memset(a, 1, 10);
    a = (char *)vyi_resize(NULL, a, 10, 1000);
    CHECK(a && a[9] == 1);
    vyi_free(NULL, a, 1000);
    vyi_free(&zero, b, 10);
    vyi_free(NULL, NULL, 0);
}

static vyre_status grow_twice(vyre_allocator allocator)
{
    void *array = NULL;
    uint32_t capacity = 0;
    bool grown = vyi_grow(&allocator, &array, &capacity, 5, sizeof(uint32_t));
    if (grown) {
        ((uint32_t *)array)[4] = 44;
        grown = vyi_grow(&allocator, &array, &capacity, 100, sizeof(uint32_t));
        CHECK(capacity >= (grown ? 100u : 5u));
        CHECK_EQ(((uint32_t *)array)[4], 44);
    }
    vyi_free(&allocator, array, capacity * sizeof(uint32_t));
    return grown ? VYRE_OK : VYRE_E_NOMEM;
}

static void growing_keeps_what_was_there(void)
{
    oom_state oom;
    oom_begin(&oom);
    CHECK_EQ(grow_twice(oom_allocator(&oom)), VYRE_OK);
    for (uint64_t call = 1; call <= 2; call++) {
        oom_begin(&oom);
        oom.fail_at = call;
        CHECK_EQ(grow_twice(oom_allocator(&oom)), VYRE_E_NOMEM);
        CHECK(oom.failed && oom_is_clean(&oom));
    }
    void *array = NULL;
    uint32_t capacity = 0;
    CHECK(!vyi_grow(NULL, &array, &capacity, UINT32_MAX, SIZE_MAX / 2));
    CHECK(array == NULL && capacity == 0);
}

static vyre_status fill_arena(vyre_allocator allocator)
{
    vyi_arena arena;
    memset(&arena, 0, sizeof arena);
    arena.allocator = allocator;
    bool ok = true;
    for (uint32_t i = 1; ok && i < 400; i++) {
        uint8_t *bytes = (uint8_t *)vyi_arena_alloc(&arena, i);
        ok = bytes != NULL;
        for (uint32_t j = 0; ok && j < i; j++)
            CHECK_EQ(bytes[j], 0);
        CHECK_EQ((uintptr_t)bytes & 15, 0);
        if (ok)
            memset(bytes, 0xff, i);
    }
    ok = ok && vyi_arena_alloc(&arena, 100000) != NULL;
    vyi_arena_free(&arena);
    CHECK(arena.last == NULL);
    return ok ? VYRE_OK : VYRE_E_NOMEM;
}

static void an_arena_is_zeroed_aligned_and_freed_as_a_whole(void)
{
    oom_state oom;
    oom_begin(&oom);
    CHECK_EQ(fill_arena(oom_allocator(&oom)), VYRE_OK);
    CHECK(oom_is_clean(&oom));
    uint64_t calls = oom.calls;
    CHECK(calls > 10);
    for (uint64_t call = 1; call <= calls; call++) {
        oom_begin(&oom);
        oom.fail_at = call;
        CHECK_EQ(fill_arena(oom_allocator(&oom)), VYRE_E_NOMEM);
        CHECK(oom_is_clean(&oom));
    }
}

static void an_arena_copies_text(void)
{
    vyi_arena arena;
    memset(&arena, 0, sizeof arena);
    CHECK_TEXT(vyi_arena_text(&arena, "words", 100), "words");
    CHECK_TEXT(vyi_arena_text(&arena, "words", 3), "wor");
    CHECK_TEXT(vyi_arena_text(&arena, NULL, 3), "");
    CHECK(vyi_arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(vyi_arena_alloc(&arena, SIZE_MAX - 15) == NULL);
    vyi_arena_free(&arena);
}

/* --- messages, hash ------------------------------------------------------ */

static struct {
    vyre_severity severity;
    char          text[600];
} heard;

static void hear(void *user, vyre_severity severity, const char *text)
{
    CHECK(user == &heard);
    heard.severity = severity;
    snprintf(heard.text, sizeof heard.text, "%s", text);
}

static void messages_go_to_the_callback(void)
{
    vyre_logger nobody, logger = { hear, &heard };
    memset(&nobody, 0, sizeof nobody);
    vyi_message(NULL, VYRE_SEVERITY_ERROR, "lost");
    vyi_message(&nobody, VYRE_SEVERITY_ERROR, "lost");
    vyi_message(&logger, VYRE_SEVERITY_WARNING, "%d slots", 3);
    CHECK_EQ(heard.severity, VYRE_SEVERITY_WARNING);
    CHECK_TEXT(heard.text, "3 slots");
    vyi_message(&logger, VYRE_SEVERITY_INFO, "%0600d", 1);
    CHECK_EQ(strlen(heard.text), 511);
}

static void the_hash_is_fnv_1a(void)
{
    CHECK(vyi_hash(VYI_HASH_SEED, "", 0) == 0xcbf29ce484222325ull);
    CHECK(vyi_hash(VYI_HASH_SEED, "a", 1) == 0xaf63dc4c8601ec8cull);
    CHECK(vyi_hash(VYI_HASH_SEED, "foobar", 6) == 0x85944171f73967e8ull);
    CHECK(vyi_hash(vyi_hash(VYI_HASH_SEED, "foo", 3), "bar", 3) == 0x85944171f73967e8ull);
}

/* --- words, atomics ------------------------------------------------------ */

static void words_are_little_endian_at_any_address(void)
{
    uint8_t bytes[12];
    for (unsigned offset = 0; offset < 8; offset++) {
        memset(bytes, 0xee, sizeof bytes);
        vyi_put32(bytes + offset, 0x04030201u);
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ(bytes[offset + i], i + 1);
        CHECK_EQ(vyi_get32(bytes + offset), 0x04030201u);
        for (unsigned i = 0; i < sizeof bytes; i++)
            CHECK(bytes[i] == 0xee || (i >= offset && i < offset + 4));
    }
    vyi_set_word(bytes, 1, 0xfedcba98u);
    CHECK_EQ(vyi_word(bytes, 1), 0xfedcba98u);
    CHECK_EQ(bytes[4], 0x98);
    uint32_t word;
    memcpy(&word, bytes + 4, 4);
    CHECK_EQ(vyi_le32(word), 0xfedcba98u);
    CHECK_EQ(vyi_le32(vyi_le32(0x12345678u)), 0x12345678u);
}

static void atomics_do_what_they_say(void)
{
    uint32_t words[2] = { 5, 77 };
    CHECK(vyi_aligned4(words) && !vyi_aligned4((char *)words + 1) &&
          !vyi_aligned4((char *)words + 2));
    CHECK_EQ(vyi_load_acquire(words), 5);
    vyi_store_release(words, 6);
    CHECK_EQ(vyi_compare_exchange(words, 5, 9), 6);
    CHECK_EQ(words[0], 6);
    CHECK_EQ(vyi_compare_exchange(words, 6, 9), 6);
    CHECK_EQ(words[0], 9);
    CHECK_EQ(vyi_fetch_add(words, 0xffffffffu), 9);
    CHECK_EQ(words[0], 8);
    CHECK_EQ(words[1], 77);
}

int main(void)
{
    RUN(statuses_have_a_number_a_name_and_a_text);
    RUN(the_version_is_the_header_s);
    RUN(an_error_says_what_and_what_to_do);
    RUN(a_long_text_is_cut);
    RUN(no_memory_has_its_size);
    RUN(sizes_do_not_wrap);
    RUN(no_allocator_is_the_c_library);
    RUN(growing_keeps_what_was_there);
    RUN(an_arena_is_zeroed_aligned_and_freed_as_a_whole);
    RUN(an_arena_copies_text);
    RUN(messages_go_to_the_callback);
    RUN(the_hash_is_fnv_1a);
    RUN(words_are_little_endian_at_any_address);
    RUN(atomics_do_what_they_say);
    return test_end();
}

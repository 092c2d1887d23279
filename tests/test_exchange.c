/* The original's files of programs: digests, and the check of any bytes. */
#include "exchange_write.h"
#include "vec.h"

/* The five programs whose blobs' digests the original's own test pins. */
static const struct {
    unsigned    size;
    const char *digest, *hex;
} pinned[] = {
    { 194, "c1f2ccf5754f0e561c767f6d6e2a847947d70e4bd0593b617d53f5aee5cc0428",
      "5659524504000400d04e8f0c08a8696c364423ba2b8cd3d9d103526f1253f035ee6ee78a"
      "df464f5e0215767972652e70726f6772616d2e6d6574616461746130565952452d4d4554"
      "41000100000001000000010000000001030000006f757400000000010000000000000000"
      "000000010010767972652e6e6f64652e726567696f6e2d0b11000000767972652e70726f"
      "6772616d2e726f6f74000100000002030000006f75740000000000002a00000000010000"
      "0101000101060000000000010100" },
    { 201, "9e8a8762168ae22123d41cb22f7268dbe565fa416e4408f0be78c840531e04cc",
      "56595245040004002cb8fc98c75f644a0affff0de867b3a231d93046ebb9cbdad6f6f64b"
      "043b28610215767972652e70726f6772616d2e6d6574616461746130565952452d4d4554"
      "41000100000001000000010000000001030000006f757400000000010000000000000000"
      "000000010010767972652e6e6f64652e726567696f6e340b11000000767972652e70726f"
      "6772616d2e726f6f74000100000002030000006f75740000000000090100010000000002"
      "000000000100000101000101060000000000010100" },
    { 254, "c0939ac097203b376d7466ea6bae4fa6b76ee82020562ade8bd8af4a10e05a3f",
      "56595245040004008397c3f109c6a81bac024284c7efbc0a1677acffd4d693f231e78c8e"
      "93b4f43c0215767972652e70726f6772616d2e6d6574616461746130565952452d4d4554"
      "41000100000001000000010000000001030000006f757400000000010000000000000000"
      "000000010010767972652e6e6f64652e726567696f6e690b11000000767972652e70726f"
      "6772616d2e726f6f74000300000000030000006163630000000000040100000069000000"
      "000000040000000100000001030000006163630901030300000061636303010000006902"
      "030000006f75740000000000030300000061636300010000010100010106000000000001"
      "0100" },
    { 197, "de6cc803a8ac5d35caa993c92d87d1c5bdcaf365e5d52281d41bc3f21e699f5f",
      "56595245040004005352ab130fb30c69ed6f07464ea8cc42356cbc7ac8b28f78caf967e5"
      "532b9c450215767972652e70726f6772616d2e6d6574616461746130565952452d4d4554"
      "41000100000001000000010000000001030000006f757400000000010000000000000000"
      "000000010010767972652e6e6f64652e726567696f6e300b050000006f75746572000100"
      "00000b05000000696e6e6572000100000002030000006f75740000000000000700000000"
      "0100000101000101060000000000010100" },
    { 321, "ae744c66b22dcb9c2142b22bd9c26fcfdca9b61abe3c841e05c52ea16baa952b",
      "5659524504000400b1bd970e59e59f47b47cc19065b3f2f673f7a9b066765e0cdfc8330a"
      "2ee19e000215767972652e70726f6772616d2e6d6574616461746130565952452d4d4554"
      "41000100000001000000010000000001030000006f757400000000010000000000000000"
      "000000010010767972652e6e6f64652e726567696f6eab010b1a000000767972652e696e"
      "7472696e736963732e6d6174682e616363756d0004000000000300000061636300000000"
      "000401000000690000000000000300000001000000010300000061636309010303000000"
      "61636303010000006900040000006469616c0b1e000000767972652d636f6e666f726d2e"
      "746573742e6964656e746974795f75333201000000030300000061636302030000006f75"
      "74000000000003040000006469616c000100000101000101060000000000010100" }
};

static const char *digest_of(const blob *b, char text[65])
{
    uint8_t digest[32];
    vyre_blake3(b->bytes, b->size, digest);
    for (unsigned i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

static void pinned_digests(void)
{
    for (unsigned i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        char text[65];
        vyre_import_info info;
        blob b = blob_of_hex(pinned[i].hex);
        CHECK_EQ(b.size, pinned[i].size);
        CHECK_TEXT(digest_of(&b, text), pinned[i].digest);
        CHECK_EQ(vyre_exchange_check(b.bytes, b.size, &info, NULL), VYRE_OK);
        CHECK(info.canonical && memcmp(info.digest, b.bytes + 8, 32) == 0);
        blob_free(&b);
    }
}

/* --- what a blob says of itself --------------------------------------------- */

static void info_of_a_program(void)
{
    vyre_import_info info;
    blob b = blob_of_hex(pinned[4].hex);
    CHECK_EQ(vyre_exchange_check(b.bytes, b.size, &info, NULL), VYRE_OK);
    CHECK_TEXT(info.entry_op, "");
    CHECK_EQ(info.statements, 6);  /* region, let, loop, assign, let, store */
    CHECK_EQ(info.expressions, 10);
    CHECK_EQ(info.buffers, 1);
    CHECK_EQ(info.calls, 1);
    CHECK(!info.non_composable);
    CHECK_EQ(vyre_exchange_check(b.bytes, b.size, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_exchange_check(NULL, b.size, NULL, NULL), VYRE_E_EXCHANGE_MAGIC);
    blob_free(&b);
}

/* What stands behind the digest, in hexadecimal; the rest is added. */
static blob blob_of_body(const char *body)
{
    char text[1024] = "5659524504000400";
    memset(text + 16, '0', 64);
    snprintf(text + 80, sizeof text - 80, "%s", body);
    blob b = blob_of_hex(text);
    blob_seal(&b);
    return b;
}

/* An operation's name of 70 bytes is cut before the character that does not fit. */
static void long_names_are_cut_between_characters(void)
{
    char body[512];
    size_t at = (size_t)snprintf(body, sizeof body,
                                 "01" "15767972652e70726f6772616d2e6d65746164617461" "62"
                                 "565952452d4d455441" "01" "46000000");
    for (unsigned i = 0; i < 35; i++)
        at += (size_t)snprintf(body + at, sizeof body - at, "c3a4");
    snprintf(body + at, sizeof body - at, "010000000100000001000000" "01" "00" "00" "00" "00");
    blob b = blob_of_body(body);
    vyre_import_info info;
    vyre_error err;
    if (vyre_exchange_check(b.bytes, b.size, &info, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_EQ(strlen(info.entry_op), 62);
    CHECK_EQ((uint8_t)info.entry_op[61], 0xa4);
    CHECK(info.non_composable);
    blob_free(&b);
}

/* --- damage ------------------------------------------------------------------ */

/* Refused: nothing is written, and the offset is one of the blob's, or its end. */
static vyre_status refused(const blob *b)
{
    vyre_error err;
    vyre_import_info info, before;
    memset(&info, 0x5a, sizeof info);
    before = info;
    const vyre_status status = vyre_exchange_check(b->bytes, b->size, &info, &err);
    CHECK(status < 0 && err.status == status && err.at <= b->size);
    CHECK(memcmp(&info, &before, sizeof info) == 0);
    return status;
}

static void cut_at_every_byte(void)
{
    for (unsigned i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        blob whole = blob_of_hex(pinned[i].hex);
        for (size_t size = 0; size < whole.size; size++) {
            blob b = blob_front(&whole, size);
            const vyre_status plain = refused(&b);
            if (size < 4)
                CHECK_EQ(plain, VYRE_E_EXCHANGE_MAGIC);
            else
                CHECK_EQ(plain, size < 40 ? VYRE_E_EXCHANGE_TRUNCATED : VYRE_E_EXCHANGE_DIGEST);
            blob_seal(&b);
            if (size >= 40)
                CHECK_EQ(refused(&b), VYRE_E_EXCHANGE_TRUNCATED);
            blob_free(&b);
        }
        blob_free(&whole);
    }
}

static void every_bit_flipped(void)
{
    for (unsigned i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        blob b = blob_of_hex(pinned[i].hex);
        for (size_t bit = 0; bit < 8 * b.size; bit++) {
            b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            const vyre_status status = refused(&b);
            CHECK_EQ(status, bit < 32   ? VYRE_E_EXCHANGE_MAGIC
                             : bit < 48 ? VYRE_E_EXCHANGE_VERSION
                             : bit < 64 ? VYRE_E_EXCHANGE_FLAGS
                                        : VYRE_E_EXCHANGE_DIGEST);
            b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        blob_free(&b);
    }
}

/* A byte of the first program, changed and sealed: why it is refused. */
static void one_byte_is_refused_for_its_reason(void)
{
    static const struct {
        unsigned    offset, byte;
        vyre_status status;
    } changes[] = {
        { 40, 0, VYRE_E_EXCHANGE_METADATA },   { 40, 1, VYRE_E_EXCHANGE_REGION },
        { 41, 1, VYRE_E_EXCHANGE_TRUNCATED },  { 42, 128, VYRE_E_EXCHANGE_UTF8 },
        { 63, 69, VYRE_E_EXCHANGE_TRAILING },  { 87, 128, VYRE_E_EXCHANGE_LIMIT },
        { 113, 9, VYRE_E_EXCHANGE_TAG },       { 158, 128, VYRE_E_EXCHANGE_UNSUPPORTED },
        { 180, 0, VYRE_E_EXCHANGE_OUTPUTS }
    };
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        blob b = blob_of_hex(pinned[0].hex);
        b.bytes[changes[i].offset] = (uint8_t)changes[i].byte;
        blob_seal(&b);
        CHECK_EQ(vyre_exchange_check(b.bytes, b.size, NULL, NULL), changes[i].status);
        blob_free(&b);
    }
}

/* What the check took becomes a program, or is refused where names have a meaning. */
static bool becomes_a_program(const blob *b)
{
    vyre_error err;
    vyre_program *p = vyre_program_import(b->bytes, b->size, NULL, NULL, &err);
    CHECK(p || (err.status < 0 && err.at <= b->size && err.text[0]));
    vyre_program_destroy(p);
    return p != NULL;
}

/* With a digest that fits, a change is refused, or is one that a program may have. */
static void changed_and_sealed(void)
{
    uint64_t random = test_seed(0x7e47), accepted = 0, programs = 0;
    const char *text = getenv("TEST_COUNT");
    const uint64_t count = text ? strtoull(text, NULL, 0) : 20000;
    for (uint64_t i = 0; i < count; i++) {
        blob b = blob_of_hex(pinned[i % 5].hex);
        for (uint64_t n = 1 + test_random(&random) % 3; n; n--) {
            const uint64_t r = test_random(&random);
            b.bytes[40 + r % (b.size - 40)] = (uint8_t)(r >> 56);
        }
        blob_seal(&b);
        if (vyre_exchange_check(b.bytes, b.size, NULL, NULL) == VYRE_OK) {
            accepted++;
            programs += becomes_a_program(&b);
        } else {
            (void)refused(&b);
        }
        blob_free(&b);
    }
    CHECK(0 < programs && programs < accepted && accepted < count);
    printf("NOTE %llu changed files: %llu passed the check, %llu became programs\n",
           (unsigned long long)count, (unsigned long long)accepted, (unsigned long long)programs);
}

/* --- golden vectors ----------------------------------------------------------- */

static void check_row(const vec_row *row, const char *hex, const char *status, bool canonical)
{
    vyre_error err;
    vyre_import_info info;
    blob b = blob_of_hex(hex);
    const vyre_status got = vyre_exchange_check(b.bytes, b.size, &info, &err);
    vec_error(row, got, &err);
    if (strcmp(vyre_status_name(got), status) != 0)
        ROW_FAIL(row, "the status is %s, not %s", vyre_status_name(got), status);
    if (got >= 0)
        ROW_EQ(row, info.canonical, canonical);
    else
        ROW_CHECK(row, err.at <= b.size);
    blob_free(&b);
}

/* Written again by the original's encoder: the same bytes, or others. */
static void decode(const vec_row *row)
{
    check_row(row, row->in[0], row->status, *row->out[1] == '1');
}

/* What the encoder wrote the decoder may refuse.  There is no encoder here for
 * programs that are wrong. */
static void same_bytes(const vec_row *row, const char *text, const char *hex)
{
    blob expected = blob_of_hex(hex), got = blob_of_program(text);
    if (got.size != expected.size || memcmp(got.bytes, expected.bytes, got.size) != 0)
        ROW_FAIL(row, "%zu bytes that are not the %zu expected ones", got.size, expected.size);
    blob_free(&got);
    blob_free(&expected);
}

static void encode(const vec_row *row)
{
    if (vec_ok(row))
        same_bytes(row, row->in[0], row->out[0]);
    if (vec_ok(row))
        check_row(row, row->out[0], *row->out[1] == 'E' ? row->out[1] : "OK", true);
}

static void kernel(const vec_row *row)
{
    same_bytes(row, row->out[1], row->out[0]);
    check_row(row, row->out[0], "OK", true);
}

static void write_text(const vec_row *row)
{
    check_row(row, row->in[0], "OK", true);
}

static void read_text(const vec_row *row)
{
    (void)row; /* bytes only */
}

static void vectors(void)
{
    static const vec_op ops[] = { { "encode", 1, encode },         { "decode", 1, decode },
                                  { "kernel", 4, kernel },         { "write_text", 1, write_text },
                                  { "read_text", 1, read_text } };
    vec_run("exchange", ops, sizeof ops / sizeof *ops);
}

int main(void)
{
    RUN(pinned_digests);
    RUN(info_of_a_program);
    RUN(long_names_are_cut_between_characters);
    RUN(cut_at_every_byte);
    RUN(every_bit_flipped);
    RUN(one_byte_is_refused_for_its_reason);
    RUN(changed_and_sealed);
    RUN(vectors);
    return test_end();
}

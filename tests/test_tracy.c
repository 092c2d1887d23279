/* tracy: with macros of that name, as its TracyC.h makes them, each call is a zone. */
#include "test.h"

typedef struct zone {
    const char *name;
    int         active;
} zone_begun;

static const char *names[64];
static int         begun, ended;

static zone_begun zone_begin(const char *name, int active)
{
    const zone_begun z = { name, active };
    if (begun < 64)
        names[begun] = name;
    begun++;
    return z;
}

static void zone_end(zone_begun z)
{
    CHECK(z.active == 1 && z.name != NULL);
    ended++;
}

#define TracyCZoneN(ctx, name, active) const zone_begun ctx = zone_begin(name, active)
#define TracyCZoneEnd(ctx) zone_end(ctx)

#define VYRE_CORE
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"

/* How often such a zone has begun. */
static int count_of(const char *name)
{
    int count = 0;
    for (int i = 0; i < begun && i < 64; i++)
        count += strcmp(names[i], name) == 0;
    return count;
}

/* Zones end as often as they begin, also where a call fails. */
static void calls_are_zones(void)
{
    vyre_desc desc;
    vyre_error err;
    vyre_ticket t;
    vyre_work w;
    memset(&desc, 0, sizeof desc);
    memset(&w, 0, sizeof w);
    vyre *v = vyre_open(&desc, &err);
    CHECK(v != NULL);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_OK);
    (void)vyre_wait(v, t, VYRE_FOREVER, &err);
    CHECK_EQ(vyre_publish_many(v, &w, 1, NULL, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_drain(v, VYRE_FOREVER, &err), VYRE_OK);
    CHECK_EQ(vyre_run(v, &w, 1, NULL, &err), VYRE_OK);
    w.opcode = 0x12345;
    CHECK(vyre_publish(v, &w, &t, &err) < 0);
    CHECK_EQ(vyre_stop(v, VYRE_FOREVER, &err), VYRE_OK);
    CHECK_EQ(count_of("vyre_start"), 1);
    CHECK_EQ(count_of("vyre_publish"), 2);
    CHECK_EQ(count_of("vyre_publish_many"), 1);
    CHECK(count_of("vyre_wait") <= 1); /* it may have ended before */
    CHECK_EQ(count_of("vyre_drain"), 1);
    CHECK_EQ(count_of("vyre_run"), 1);
    CHECK_EQ(count_of("vyre_stop"), 1);
    CHECK(count_of("a launch") >= 1);
    CHECK_EQ(begun, ended);
    vyre_close(v);
}

int main(void)
{
    RUN(calls_are_zones);
    return test_end();
}

/* Tenants: who may use the queue is decided while the kernel runs.
 *
 *     tenants [cpu | vulkan]
 *
 * Work of a tenant without rights is not run: its slot stays PUBLISHED until
 * the tenant gets its rights back. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

static int fail(const vyre_error *err)
{
    fprintf(stderr, "tenants: %s\n%s\n", err->text, err->fix);
    return 1;
}

/* Adds 1 into the tenant's own observable. */
static vyre_status publish(vyre *v, uint32_t tenant, vyre_ticket *ticket, vyre_error *err)
{
    const vyre_work work = { VYRE_OP_ATOMIC_ADD, tenant, VYRE_PRIORITY_NORMAL, 2,
                             { 1, VYRE_CONTROL_OBSERVABLES + tenant } };
    return vyre_publish(v, &work, ticket, err);
}

static void show(vyre *v, const char *when)
{
    uint32_t ran[2] = { 0, 0 };
    vyre_observable(v, 0, &ran[0], NULL);
    vyre_observable(v, 1, &ran[1], NULL);
    printf("%s: tenant 0 ran %u, tenant 1 ran %u\n", when, (unsigned)ran[0], (unsigned)ran[1]);
}

int main(int argc, char **argv)
{
    vyre_ticket tickets[2];
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.tenants = 2; /* ids 0 and 1; more than these cannot be published at all */

    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK)
        return fail(&err);

    vyre_ticket none;
    if (publish(v, 2, &none, &err) == VYRE_E_TENANT_RANGE)
        printf("refused by the host: %s\n", err.text);

    if (vyre_tenant_enable(v, 1, false, &err) != VYRE_OK ||
        publish(v, 1, &tickets[1], &err) != VYRE_OK ||
        publish(v, 0, &tickets[0], &err) != VYRE_OK ||
        vyre_wait(v, tickets[0], VYRE_FOREVER, &err) != VYRE_OK)
        return fail(&err);
    const vyre_status refused = vyre_wait(v, tickets[1], 50000000, &err);
    printf("waiting for tenant 1: %s\n", vyre_status_text(refused));
    show(v, "without rights");

    if (vyre_tenant_enable(v, 1, true, &err) != VYRE_OK ||
        vyre_wait(v, tickets[1], VYRE_FOREVER, &err) != VYRE_OK)
        return fail(&err);
    show(v, "with rights");
    vyre_close(v);
    return refused != VYRE_TIMEOUT;
}

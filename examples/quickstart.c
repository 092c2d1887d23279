#define VYRE_IMPLEMENTATION
#include "vyre.h"

int main(void)
{
    vyre_error err;
    vyre_ticket ticket;
    vyre_info info;
    const vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, /* observable 0 += 42 */
                             2, { 42, VYRE_CONTROL_OBSERVABLES } };
    uint32_t sum = 0;
    vyre *v = vyre_open(NULL, &err); /* the best backend, 256 slots */
    if (!v || vyre_start(v, &err) != VYRE_OK || vyre_publish(v, &work, &ticket, &err) != VYRE_OK ||
        vyre_wait(v, ticket, VYRE_FOREVER, &err) != VYRE_OK ||
        vyre_observable(v, 0, &sum, &err) != VYRE_OK)
        return printf("%s\n%s\n", err.text, err.fix), 1;
    vyre_query(v, &info);
    printf("%u, computed by %s (%s)\n", sum, info.device, vyre_backend_name(info.backend));
    vyre_close(v);
}

/* The library for tests/check_order.sh: opening a handle prints the hash of its
 * kernel's program, and gives none. */
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"

vyre *__wrap_vyre_open(const vyre_desc *desc, vyre_error *err);
vyre_program *__wrap_vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err);

vyre_program *__wrap_vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err)
{
    vyre_program *p = vyre_kernel_build(desc, err);
    fprintf(stderr, "program %016llx\n", (unsigned long long)vyre_program_hash(p));
    return p;
}

vyre *__wrap_vyre_open(const vyre_desc *desc, vyre_error *err)
{
    vyre_error refused;
    memset(&refused, 0, sizeof refused);
    vyre_program_destroy(__wrap_vyre_kernel_build(desc ? &desc->kernel : NULL, &refused));
    vyi_fail(err, VYRE_E_BACKEND, 0, "-", "hashed (%s)", refused.text);
    return NULL;
}

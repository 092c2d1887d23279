/* For test programs that load Vulkan drivers under AddressSanitizer.  LLVM, which
 * Mesa's lavapipe compiles with, keeps a few blocks for the life of the process;
 * they are the only leaks that are let pass.  Loaders unload a driver, and a
 * block whose code is gone has no name to let pass, so lavapipe is kept. */
#ifndef DRIVER_H
#define DRIVER_H

#include <dlfcn.h>

const char *__lsan_default_suppressions(void);
__attribute__((weak)) const char *__lsan_default_suppressions(void)
{
    return "leak:libvulkan_lvp.so\nleak:libLLVM\n";
}

__attribute__((constructor)) static void driver_keep(void)
{
#ifdef RTLD_NODELETE
    dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
#endif
}

#endif

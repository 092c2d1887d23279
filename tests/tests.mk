# What single tests need beyond the rules of the Makefile.
WHITEBOX += test_check test_opt
$(BUILD)/tests/test_opt: tests/gen.h tests/oom.h

UNSANITIZED += test_spirv_random
$(BUILD)/tests/test_spirv_random: tests/gen.h tests/vk_run.h
$(BUILD)/tests/test_spirv_random: LDLIBS = -lvulkan

WHITEBOX += test_kernel_random
$(BUILD)/tests/test_kernel_random: tests/model.c tests/model.h

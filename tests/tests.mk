# What single tests need beyond the rules of the Makefile.
WHITEBOX += test_check

UNSANITIZED += test_spirv_random
$(BUILD)/tests/test_spirv_random: tests/gen.h tests/vk_run.h
$(BUILD)/tests/test_spirv_random: LDLIBS = -lvulkan

# What single tests need beyond the rules of the Makefile.
$(BUILD)/tests/test_children_protocol $(BUILD)/tests/test_order_protocol: tests/schedules.h
$(BUILD)/tests/test_task_protocol $(BUILD)/tests/test_wide_protocol $(BUILD)/tests/test_lease_protocol: tests/schedules.h
$(BUILD)/tests/test_opt: tests/gen.h tests/oom.h

UNSANITIZED += test_spirv_random
$(BUILD)/tests/test_spirv_random: tests/gen.h tests/vk_run.h
$(BUILD)/tests/test_spirv_random: LDLIBS = -lvulkan

$(BUILD)/tests/test_kernel_random: tests/model.c tests/model.h

# The steps inside publish and transition; a million schedules need the speed.
WHITEBOX += test_interleaving test_producers
$(BUILD)/tests/test_interleaving: private SANITIZE := -O2
$(BUILD)/tests/test_producers: private SANITIZE := -fsanitize=thread -O1
$(BUILD)/tests/test_spirv_valid: tests/gen.h tests/spirv_kernels.h
$(BUILD)/tests/test_spirv_valid: LDLIBS = -lSPIRV-Tools -lstdc++

$(BUILD)/tests/test_spirv: LDLIBS = -lSPIRV-Tools -lstdc++

$(BUILD)/tests/test_interp_machine: tests/gen.h tests/oom.h
$(BUILD)/tests/test_random $(BUILD)/tests/test_interp_bytes: tests/gen.h tests/oom.h
UNSANITIZED += test_wide_random
$(BUILD)/tests/test_wide_random: tests/gen.h tests/vk_run.h
$(BUILD)/tests/test_wide_random: LDLIBS = -lvulkan
UNSANITIZED += test_spirv_rings
$(BUILD)/tests/test_spirv_rings: vyre_spirv.h tests/test_kernel_random.c tests/model.c tests/model.h tests/vk_run.h
$(BUILD)/tests/test_spirv_rings: LDLIBS = -lvulkan

$(BUILD)/tests/test_vulkan_faults: tests/knobs.h
$(BUILD)/tests/test_vulkan $(BUILD)/tests/test_vulkan_faults $(BUILD)/tests/test_vulkan_loss: tests/mock_vulkan.c tests/mock_vulkan.h tests/driver.h

WHITEBOX += test_vulkan_volk test_tracy
GLSLANG_TESTS += test_glsl
$(BUILD)/tests/test_glsl: tests/test_kernel_random.c tests/model.c tests/model.h tests/vk_run.h tests/gen.h
$(BUILD)/tests/test_vulkan_volk: tests/driver.h

# Five million slots: at the interpreter's full speed, and again under
# ThreadSanitizer in check_tsan_engine.sh.
UNSANITIZED += test_engine_live
$(BUILD)/tests/test_engine $(BUILD)/tests/test_engine_live: tests/engine.h tests/driver.h
$(BUILD)/tests/test_engine: tests/oom.h
$(BUILD)/tests/test_engine_defects $(BUILD)/tests/test_engine_ends $(BUILD)/tests/test_cancel $(BUILD)/tests/test_log_live: tests/engine.h
WHITEBOX += test_engine_lines test_engine_single test_engine_inside
UNSANITIZED += test_engine_rings
$(BUILD)/tests/test_checked: tests/engine.h tests/driver.h
$(BUILD)/tests/test_memory: tests/engine.h tests/driver.h tests/oom.h
$(BUILD)/tests/test_engine_fake $(BUILD)/tests/test_engine_single $(BUILD)/tests/test_producer $(BUILD)/tests/test_engine_inside: tests/engine.h tests/oom.h
$(BUILD)/tests/test_engine_single: tests/test_engine.c
$(BUILD)/tests/test_engine_lines: tests/test_engine_fake.c tests/engine.h tests/oom.h tests/fake.h
$(BUILD)/tests/test_engine_fake $(BUILD)/tests/test_engine_paths $(BUILD)/tests/test_tune: tests/fake.h tests/engine.h tests/oom.h tests/driver.h
$(BUILD)/tests/test_engine_cases: tests/test_kernel_cases.c tests/engine.h tests/driver.h
$(BUILD)/tests/test_engine_rings: tests/test_kernel_random.c tests/model.c tests/model.h tests/engine.h tests/driver.h
$(BUILD)/tests/test_cpu: tests/engine.h tests/oom.h tests/driver.h
$(BUILD)/tests/test_replay: tests/replay_file.h tests/oom.h

$(BUILD)/tests/test_source: tests/oom.h tests/source_wrong.h
$(BUILD)/tests/test_fuse_run: tests/engine.h tests/oom.h tests/driver.h
$(BUILD)/tests/test_fuse: tests/oom.h
$(BUILD)/tests/test_plan: tests/driver.h
$(BUILD)/tests/test_watch_live $(BUILD)/tests/test_stuck $(BUILD)/tests/test_trace: tests/engine.h tests/driver.h
$(BUILD)/tests/test_replay_run: tests/engine.h tests/driver.h tests/replay_file.h
GLSLANG_TESTS += test_source_random
$(BUILD)/tests/test_source_random: tests/gen_source.h tests/source_model.h tests/source_wrong.h tests/gen.h tests/vk_run.h tests/exactness.h
$(BUILD)/tests/test_made $(BUILD)/tests/test_pair: tests/dispatch.h
# Millions of lanes on lavapipe's threads, and its compiler for each shape.
UNSANITIZED += test_litmus
$(BUILD)/tests/test_litmus: tests/dispatch.h tests/driver.h
$(BUILD)/tests/test_elide: tests/vk_run.h tests/oom.h tests/driver.h
$(BUILD)/tests/test_elide: LDLIBS = -lvulkan
$(BUILD)/tests/test_wide $(BUILD)/tests/test_wide_live: tests/engine.h tests/driver.h
$(BUILD)/tests/test_wide_live: tests/test_wide.c tests/test_wide_threads.c tests/test_engine_rings.c tests/test_kernel_random.c tests/model.c tests/model.h
$(BUILD)/tests/test_replay_record: tests/engine.h tests/driver.h tests/replay_file.h
$(BUILD)/tests/test_scan_live: tests/engine.h tests/driver.h tests/oom.h
$(BUILD)/tests/test_scan_volume: tests/engine.h tests/driver.h
$(BUILD)/tests/test_exchange $(BUILD)/tests/test_exchange_import: tests/exchange.h tests/exchange_write.h
$(BUILD)/tests/test_exchange_import $(BUILD)/tests/test_exchange_export: tests/oom.h
$(BUILD)/tests/test_exchange_export: tests/exchange.h tests/exchange_write.h tests/gen.h
$(BUILD)/tests/test_order $(BUILD)/tests/test_graph: tests/order.h tests/engine.h tests/driver.h
$(BUILD)/tests/test_task_live $(BUILD)/tests/test_fairness: tests/engine.h tests/driver.h
$(BUILD)/tests/test_runner: tests/gen.h tests/oom.h tests/driver.h tests/mock_vulkan.c tests/mock_vulkan.h
$(BUILD)/tests/test_runner_exchange: tests/test_exchange_import.c tests/exchange.h tests/exchange_write.h tests/oom.h tests/driver.h
# Both engines of the pump, and system calls that fail.
WHITEBOX += test_io
$(BUILD)/tests/test_io: tests/oom.h
$(BUILD)/tests/test_io: LDLIBS = -luring
$(BUILD)/tests/test_io_kernels: tests/engine.h tests/driver.h
$(BUILD)/tests/test_io_then $(BUILD)/tests/test_io_park: tests/engine.h tests/driver.h
# The system's calls that a cache file needs fail in turn.
WHITEBOX += test_cache
$(BUILD)/tests/test_cache: tests/mock_vulkan.c tests/mock_vulkan.h tests/driver.h tests/oom.h
WHITEBOX += test_children
$(BUILD)/tests/test_children: tests/engine.h tests/driver.h
$(BUILD)/tests/test_pool: tests/engine.h tests/driver.h
$(BUILD)/tests/test_memory $(BUILD)/tests/test_order $(BUILD)/tests/test_wide_live $(BUILD)/tests/test_interp_machine: tests/knobs.h
$(BUILD)/tests/test_engine_fake $(BUILD)/tests/test_engine_lines: tests/knobs.h
# The driver compiles under ASan for longer than the whole test may take.
$(BUILD)/tests/test_children: private SANITIZE := -O1

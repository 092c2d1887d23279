#!/usr/bin/env bash
# The Vulkan tests and the engine's, under VK_LAYER_KHRONOS_validation with
# synchronisation validation and best practices: no message, but for these.
. "$(dirname "$0")/check.sh"

# message id                                     why it stays
agreed="
UNASSIGNED-BestPractices-vkAllocateMemory-small-allocation       a handle makes a few buffers, once, each in the memory where it is polled
UNASSIGNED-BestPractices-vkBindMemory-small-dedicated-allocation a handle makes a few buffers, once, each in the memory where it is polled
UNASSIGNED-BestPractices-vkCreateDevice-deprecated-extension     the mock's Vulkan 1.1 device, which in truth is a newer one
UNASSIGNED-BestPractices-vkCreateInstance-specialuse-extension-debugging names of objects; vulkan.no_debug_names leaves them out
"

layer=/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
if [ ! -e "$layer" ] && [ ! -e "/usr/local$layer" ] && [ -z "${VK_LAYER_PATH:-}" ]; then
    skips validation "VK_LAYER_KHRONOS_validation is not installed"
    finish
fi

cat > "$scratch/vk_layer_settings.txt" << 'EOF'
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn,perf
khronos_validation.log_filename = stdout
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT,VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
EOF

# messages NAME COMMAND...: runs it under the layer; the message ids into $scratch/ids
messages() {
    shift
    VK_LAYER_SETTINGS_PATH=$scratch VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        ASAN_OPTIONS=detect_leaks=0 "$@" > "$scratch/out" 2>&1
    local code=$?
    grep -aoE 'MessageID|\[ (VUID|UNASSIGNED|SYNC|BestPractices|Best)[A-Za-z0-9_-]* \]' "$scratch/out" |
        grep -v MessageID | tr -d '[] ' | sort | uniq -c > "$scratch/ids"
    grep -acE 'Validation (Error|Warning|Performance Warning|Information)' "$scratch/out" > "$scratch/count"
    return $code
}

# clean NAME COMMAND...: it passes, and says nothing that is not agreed
clean() {
    local name=$1
    if ! messages "$@"; then
        failed=$((failed + 1))
        echo "FAIL $name: fails under the validation layer"; grep -a '^FAIL' "$scratch/out" | head
        tail -n 3 "$scratch/out"
        return
    fi
    local bad=0 number id
    while read -r number id; do
        if ! grep -qE "^$id " <<< "$agreed"; then
            echo "FAIL $name: $number times $id"; grep -am 1 "$id" "$scratch/out" | cut -c1-600
            bad=1
        fi
    done < "$scratch/ids"
    # A message whose id is not understood must not pass unseen.
    if [ "$(awk '{ n += $1 } END { print n + 0 }' "$scratch/ids")" -lt "$(cat "$scratch/count")" ]; then
        echo "FAIL $name: a message without an id"; bad=1
    fi
    if [ "$bad" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# Of the faults, rings and slots only some, for time.
export TEST_COUNT=60 ENGINE_LIVE_SLOTS=20000
for run in test_vulkan test_vulkan_loss test_vulkan_volk test_engine test_engine_cases \
    test_engine_rings test_engine_live test_memory test_vulkan_faults:run_fails_cleanly \
    test_vulkan_faults:dispatch_fails_cleanly test_vulkan_faults:start_with_fences_fails_cleanly; do
    name=${run%%:*}
    [ -x "$build/tests/$name" ] || make -s "$build/tests/$name" > "$scratch/build" 2>&1
    only=${run#"$name"}
    begin=$SECONDS
    clean "$run" env ${only:+TEST_ONLY=${only#:}} timeout 300 "$build/tests/$name"
    echo "NOTE $run: $(cat "$scratch/count") messages, all agreed or told, $((SECONDS - begin)) s"
done

# A program that lends its device and two buffers, and reads what works wrote in its own
# commands.
if cc -w -I. examples/device.c -o "$scratch/device" -lm -lpthread -ldl 2> "$scratch/err"; then
    clean example_device timeout 60 "$scratch/device"
else
    echo "FAIL device.c does not compile"; head -n 5 "$scratch/err"; failed=$((failed + 1))
fi

# The layer is really there: a program that does wrong is told.
cat > "$scratch/wrong.c" << 'EOF'
#define VYRE_IMPLEMENTATION
#include "vyre.h"
int main(void)
{
    vyre_desc d;
    vyi_vk_context c;
    memset(&d, 0, sizeof d);
    if (vyi_vk_context_open(&c, &d, false, NULL) < 0)
        return 1;
    VkBufferCreateInfo info;
    VkBuffer buffer;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT; /* and no size */
    c.fn.vkCreateBuffer(c.device, &info, NULL, &buffer);
    vyi_vk_context_close(&c);
    return 0;
}
EOF
if cc -w -I. "$scratch/wrong.c" -o "$scratch/wrong" -lm -lpthread -ldl 2> "$scratch/err"; then
    messages wrong "$scratch/wrong"
    if grep -q VUID-VkBufferCreateInfo-size "$scratch/ids"; then
        passed=$((passed + 1))
    else
        echo "FAIL the layer does not report a buffer without a size"; failed=$((failed + 1))
    fi
else
    echo "FAIL wrong.c does not compile"; head -n 5 "$scratch/err"; failed=$((failed + 1))
fi
finish

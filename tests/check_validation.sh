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

# messages NAME COMMAND...: runs it under the layer; the message ids into $scratch/NAME.ids
messages() {
    local at=$scratch/$1; shift
    VK_LAYER_SETTINGS_PATH=$scratch VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        ASAN_OPTIONS=detect_leaks=0 "$@" > "$at.out" 2>&1
    local code=$?
    grep -aoE 'MessageID|\[ (VUID|UNASSIGNED|SYNC|BestPractices|Best)[A-Za-z0-9_-]* \]' "$at.out" |
        grep -v MessageID | tr -d '[] ' | sort | uniq -c > "$at.ids"
    grep -acE 'Validation (Error|Warning|Performance Warning|Information)' "$at.out" > "$at.count"
    return $code
}

# clean NAME COMMAND...: true if it passes, and says nothing that is not agreed
clean() {
    local name=$1 at=$scratch/$1 bad=0 number id
    if ! messages "$@"; then
        echo "FAIL $name: fails under the validation layer"; grep -a '^FAIL' "$at.out" | head
        tail -n 3 "$at.out"
        return 1
    fi
    while read -r number id; do
        if ! grep -qE "^$id " <<< "$agreed"; then
            echo "FAIL $name: $number times $id"; grep -am 1 "$id" "$at.out" | cut -c1-600
            bad=1
        fi
    done < "$at.ids"
    # A message whose id is not understood must not pass unseen.
    if [ "$(awk '{ n += $1 } END { print n + 0 }' "$at.ids")" -lt "$(cat "$at.count")" ]; then
        echo "FAIL $name: a message without an id"; bad=1
    fi
    return $bad
}

# Of the faults, rings and slots only some, for time.
export TEST_COUNT=60 ENGINE_LIVE_SLOTS=5000
one() { # a test, perhaps :CASE of it; or an example
    local name=${1%%:*} only begin=$SECONDS
    only=${1#"$name"}
    if [ "$name" = example ]; then
        clean "$1" timeout 60 "$scratch/device" || return
    else
        clean "$1" env ${only:+TEST_ONLY=${only#:}} timeout 600 "$build/tests/$name" || return
    fi
    echo "NOTE $1: $(cat "$scratch/$1.count") messages, all agreed or told, $((SECONDS - begin)) s"
}
told() { # its name, exit code
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    cat "$scratch/$1.told"
}

# A program that lends its device and two buffers, and reads what works wrote in its own
# commands.
if ! cc -w -I. examples/device.c -o "$scratch/device" -lm -lpthread -ldl 2> "$scratch/err"; then
    echo "FAIL device.c does not compile"; head -n 5 "$scratch/err"
fi
tests="test_engine test_engine_cases test_engine_rings test_vulkan test_vulkan_loss test_vulkan_volk
    test_engine_live test_memory test_vulkan_faults"
make -s $(printf "$build/tests/%s " $tests) > "$scratch/build" 2>&1
at_once ${tests% *} test_vulkan_faults:dispatch_fails_cleanly test_vulkan_faults:run_fails_cleanly \
    test_vulkan_faults:start_with_fences_fails_cleanly example:device

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
    if grep -q VUID-VkBufferCreateInfo-size "$scratch/wrong.ids"; then
        passed=$((passed + 1))
    else
        echo "FAIL the layer does not report a buffer without a size"; failed=$((failed + 1))
    fi
else
    echo "FAIL wrong.c does not compile"; head -n 5 "$scratch/err"; failed=$((failed + 1))
fi
finish

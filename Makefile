# vyre.h
#
#   make demo       build and run the quickstart; needs a C compiler only
#   make test       install what is missing, then run every test
#   make bench      measure, and write a Markdown table
#   make device     what this device is like to a kernel that keeps running
#   make plot       redraw the picture of the round trips from the figures beside it
#   make fuzz       60 seconds of libFuzzer for each decoder
#   make soak       the long runs
#   make mutants    two hundred small mistakes, and whether the tests see them
#   make check      the generated files are in step, the sources are in form
#   make amalgamate regenerate vyre.h
#   make spirv      regenerate vyre_spirv.h
#   make examples   build every example
#   make docs       regenerate docs/api.md
#   make install    vyre.h and vyre.pc, under PREFIX (/usr/local)
#   make bare-machine  prove demo and test in an empty Debian root; needs debootstrap, root
#   make clean

CC       ?= cc
BUILD    ?= build
STRICT   := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
            -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wcast-qual -Wdouble-promotion
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEST_CFLAGS := -std=c11 -g -O1 -Wall -Wextra -Wno-unused-function -D_GNU_SOURCE -I. -Itests -iquote . -iquote src \
               -include tests/status_hook.h
SECONDS_PER_FUZZER ?= 60

FRAGMENTS := $(wildcard src/*.h src/*/*.h src/*/*.c src/rooms/*/*.h src/rooms/*/*.c)
TESTS     := $(patsubst tests/%.c,%,$(sort $(wildcard tests/test_*.c)))

# Tests that look inside include tests/inside.h and share the one object, whose private
# functions are extern; those that need it otherwise compile it into themselves.
WHITEBOX  :=
# Tests that cannot run under AddressSanitizer say why in their first comment.
UNSANITIZED :=
# So are these, and compile GLSL.
GLSLANG_TESTS :=

.PHONY: all spirv demo test run-tests bench plot golden fuzz soak mutants check amalgamate clean setup examples docs install \
        bare-machine
.SECONDARY:

all: amalgamate $(BUILD)/vyre.o

$(BUILD) $(BUILD)/tests $(BUILD)/san $(BUILD)/plain $(BUILD)/bench $(BUILD)/fuzz $(BUILD)/examples:
	@mkdir -p $@

# --- the generated files ---------------------------------------------------

$(BUILD)/amalgamate: tools/amalgamate.c | $(BUILD)
	$(CC) -std=c99 -O2 $(STRICT) $< -o $@

vyre.h: $(FRAGMENTS) $(BUILD)/amalgamate
	$(BUILD)/amalgamate src/vyre.h -o $@

amalgamate: vyre.h

$(BUILD)/gen_spirv: tools/gen_spirv/gen_spirv.c vyre.h | $(BUILD)
	$(CC) -std=c99 -O1 $(STRICT) -I. $< -o $@ $(LIBS)

spirv: $(BUILD)/gen_spirv
	$(BUILD)/gen_spirv --header -o vyre_spirv.h

check: $(BUILD)/amalgamate
	$(BUILD)/amalgamate src/vyre.h --check vyre.h
	$(BUILD)/amalgamate src/vyre.h --lint

# --- objects ---------------------------------------------------------------

$(BUILD)/vyre.o: vyre.c vyre.h | $(BUILD)
	$(CC) -std=c99 -O2 $(STRICT) -c $< -o $@

$(BUILD)/san/vyre.o: vyre.c vyre.h tests/status_hook.h tests/knobs.h | $(BUILD)/san
	$(CC) -std=gnu99 -g -O1 $(SANITIZE) -DVYI_API=extern -include tests/status_hook.h \
	    -DKNOBS_HERE -include tests/knobs.h -c $< -o $@

$(BUILD)/plain/vyre.o: vyre.c vyre.h | $(BUILD)/plain
	$(CC) -std=c99 -g -O2 -DVYI_API=extern -c $< -o $@

$(BUILD)/plain/glsl.o: vyre.c vyre.h tests/status_hook.h | $(BUILD)/plain
	$(CC) -std=gnu99 -g -O1 -DVYI_API=extern -DVYRE_GLSLANG -include tests/status_hook.h -c $< -o $@

# --- examples --------------------------------------------------------------

EXAMPLE_CFLAGS ?= -O2
glsl_LIBS := -DVYRE_GLSLANG -lglslang -lMachineIndependent -lGenericCodeGen -lOGLCompiler \
             -lOSDependent -lSPIRV -lglslang-default-resource-limits -lSPIRV-Tools-opt \
             -lSPIRV-Tools -lstdc++

demo: $(BUILD)/examples/quickstart
	$<

$(BUILD)/examples/stock $(BUILD)/examples/glsl: examples/bare_vulkan.h vyre_spirv.h
$(BUILD)/examples/mpi: private CC := mpicc
$(BUILD)/examples/%: examples/%.c vyre.h | $(BUILD)/examples
	$(CC) -std=c99 $(EXAMPLE_CFLAGS) -I. $< -o $@ $($(*F)_LIBS) -lm -lpthread -ldl

# --- tests -----------------------------------------------------------------

-include tests/tests.mk

SANITIZED_TESTS := $(filter-out $(WHITEBOX) $(UNSANITIZED) $(GLSLANG_TESTS),$(TESTS))
LIBS := -lm -lpthread -ldl

$(SANITIZED_TESTS:%=$(BUILD)/tests/%): $(BUILD)/tests/%: tests/%.c tests/test.h $(BUILD)/san/vyre.o | $(BUILD)/tests
	$(CC) $(TEST_CFLAGS) $(SANITIZE) $< $(BUILD)/san/vyre.o -o $@ $(LDLIBS) $(LIBS)

$(UNSANITIZED:%=$(BUILD)/tests/%): $(BUILD)/tests/%: tests/%.c tests/test.h $(BUILD)/plain/vyre.o | $(BUILD)/tests
	$(CC) $(TEST_CFLAGS) -O2 $< $(BUILD)/plain/vyre.o -o $@ $(LDLIBS) $(LIBS)

$(GLSLANG_TESTS:%=$(BUILD)/tests/%): $(BUILD)/tests/%: tests/%.c tests/test.h $(BUILD)/plain/glsl.o | $(BUILD)/tests
	$(CC) $(TEST_CFLAGS) -O2 $< $(BUILD)/plain/glsl.o -o $@ $(LDLIBS) -lvulkan -lglslang -lMachineIndependent \
	    -lGenericCodeGen -lOGLCompiler -lOSDependent -lSPIRV -lglslang-default-resource-limits \
	    -lSPIRV-Tools-opt -lSPIRV-Tools -lstdc++ $(LIBS)

$(WHITEBOX:%=$(BUILD)/tests/%): $(BUILD)/tests/%: tests/%.c tests/test.h vyre.h | $(BUILD)/tests
	$(CC) $(TEST_CFLAGS) -O0 $(SANITIZE) $< -o $@ $(LDLIBS) $(LIBS)

setup:
	@bash tools/setup.sh

test: setup
	@bash tests/run.sh

fuzz soak: setup amalgamate
	@bash tests/$@.sh

mutants:
	@bash tests/mutants.sh

bench: setup amalgamate
	@bash bench/run.sh
	@cat $(BUILD)/bench.md

$(BUILD)/bench/plot: bench/plot.c bench/csv.h | $(BUILD)/bench
	$(CC) -std=gnu11 -O2 $(STRICT) $< -o $@ -lm

plot: $(BUILD)/bench/plot
	$< bench/h200.csv > docs/roundtrip.svg

.PHONY: device
device: $(BUILD)/bench/device
	$<

$(BUILD)/bench/device: bench/device.c bench/bench.h vyre.h | $(BUILD)/bench
	$(CC) -std=gnu11 -O2 -I. -Ibench $< -o $@ $(LIBS)

# Writes the listings of the stock kernels anew, after a change that is meant.
golden: $(BUILD)/tests/test_kernel
	VYRE_GOLDEN=write TEST_ONLY=listings_of_the_stock_kernels $<

# --- examples, documents, installing -----------------------------------------

# Those that make their own Vulkan device need volk.h to be built at all.
NEED_VOLK := examples/device.c examples/stock.c examples/glsl.c
HAVE_VOLK := $(shell echo '\#include <volk.h>' | $(CC) -E - > /dev/null 2>&1 && echo yes)
HAVE_GLSLANG := $(shell echo '\#include <glslang/Include/glslang_c_interface.h>' | \
                  $(CC) -E - > /dev/null 2>&1 && echo yes)
EXAMPLES := $(wildcard examples/*.c)
EXAMPLES := $(if $(HAVE_GLSLANG),$(EXAMPLES),$(filter-out examples/glsl.c,$(EXAMPLES)))
EXAMPLES := $(if $(shell command -v mpicc),$(EXAMPLES),$(filter-out examples/mpi.c,$(EXAMPLES)))
EXAMPLES := $(if $(HAVE_VOLK),$(EXAMPLES),$(filter-out $(NEED_VOLK),$(EXAMPLES)))
EXAMPLES := $(EXAMPLES:examples/%.c=$(BUILD)/examples/%)

examples: $(EXAMPLES)

$(BUILD)/gen_api: tools/gen_api.c | $(BUILD)
	$(CC) -std=c99 -O2 $(STRICT) $< -o $@

docs: $(BUILD)/gen_api
	$(BUILD)/gen_api src/vyre.h -o docs/api.md

PREFIX ?= /usr/local
VERSION = $(shell sed -n 's/^.define VYRE_VERSION_STRING "\(.*\)"/\1/p' vyre.h)

install: vyre.h
	mkdir -p "$(DESTDIR)$(PREFIX)/include" "$(DESTDIR)$(PREFIX)/lib/pkgconfig"
	cp vyre.h "$(DESTDIR)$(PREFIX)/include/"
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(VERSION),' -e 's,@LIBS@,$(LIBS),' \
	    -e 's,@INCLUDEDIR@,$${prefix}/include,' \
	    packaging/vyre.pc.in > "$(DESTDIR)$(PREFIX)/lib/pkgconfig/vyre.pc"

bare-machine:
	@bash tests/bare_machine.sh

clean:
	rm -rf $(BUILD)

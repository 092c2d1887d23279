#!/usr/bin/env bash
# Each package is installed somewhere else and used by a project that knows
# only its name.
. "$(dirname "$0")/check.sh"
tree=$PWD
version=$(sed -n 's/^#define VYRE_VERSION_STRING "\(.*\)"/\1/p' vyre.h)
says="vyre $version"
consumers=$scratch/consumers
cp -r packaging/consumers "$consumers"
cp "$consumers/main.c" "$consumers/meson/"

# says_version NAME PROGRAM: it runs, and was built from this tree's header
says_version() {
    local name=$1; shift
    if [ "$("$@" 2>&1)" = "$says" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $name: $* does not say '$says'"
    fi
}

quietly() { "$@" > "$scratch/quiet" 2>&1 || { cat "$scratch/quiet" >&2; false; }; }

# --- versions are in step ----------------------------------------------------

named() { grep -q "$1" "$2"; }
passes version_meson named "version: '$version'" meson.build
passes version_vcpkg named "\"version\": \"$version\"" packaging/vcpkg/vyre/vcpkg.json
passes version_changelog named "^## $version" CHANGELOG.md
fails version_control named "version: '$version.1'" meson.build
if needs python3; then
    passes vcpkg_json python3 -c 'import json, sys; json.load(open(sys.argv[1]))' packaging/vcpkg/vyre/vcpkg.json
    passes conan_recipe python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' packaging/conan/conanfile.py
fi

# --- make install, pkg-config ------------------------------------------------

passes make_install quietly make -s install PREFIX="$scratch/usr"
export_pc() { export PKG_CONFIG_PATH=$1; }
if needs pkg-config; then
    export_pc "$scratch/usr/lib/pkgconfig"
    passes pc_version sh -c "test \"\$(pkg-config --modversion vyre)\" = $version"
    passes pc_build sh -c "gcc -std=c99 '$consumers/main.c' \$(pkg-config --cflags --libs vyre) -o '$scratch/pc'"
    says_version pc_run "$scratch/pc"
    PKG_CONFIG_PATH=$scratch/nowhere fails pc_control pkg-config --exists vyre
fi

# --- CMake -------------------------------------------------------------------

cmake_consumer() { # name, arguments of cmake...
    local name=$1; shift
    passes "cmake_$name" quietly cmake -S "$consumers/cmake" -B "$scratch/cmake_$name" -DCMAKE_BUILD_TYPE=Debug "$@"
    passes "cmake_${name}_build" quietly cmake --build "$scratch/cmake_$name"
    says_version "cmake_${name}_run" "$scratch/cmake_$name/consumer"
}

if needs cmake; then
    prefix=$scratch/cmake_prefix
    passes cmake_configure quietly cmake -S . -B "$scratch/cmake" -DVYRE_LIBRARY=ON -DCMAKE_INSTALL_PREFIX="$prefix"
    passes cmake_build quietly cmake --build "$scratch/cmake"
    passes cmake_install quietly cmake --install "$scratch/cmake"
    mv "$prefix" "$scratch/moved" # a package does not remember where it was installed
    cmake_consumer library -DCMAKE_PREFIX_PATH="$scratch/moved"
    passes cmake_header_only quietly cmake -S . -B "$scratch/cmake_plain" -DCMAKE_INSTALL_PREFIX="$scratch/plain"
    passes cmake_header_only_install quietly cmake --install "$scratch/cmake_plain"
    cmake_consumer package -DCMAKE_PREFIX_PATH="$scratch/plain"
    cmake_consumer subdirectory -DVYRE_TREE="$tree"
    fails cmake_control cmake -S "$consumers/cmake" -B "$scratch/cmake_none" -DCMAKE_PREFIX_PATH="$scratch/nowhere"
    if needs pkg-config; then
        export_pc "$(dirname "$(find "$scratch/plain" -name vyre.pc)")"
        passes cmake_pc_build sh -c "gcc -std=c99 '$consumers/main.c' \$(pkg-config --cflags --libs vyre) -o '$scratch/cmake_pc'"
        says_version cmake_pc_run "$scratch/cmake_pc"
    fi

    # The vcpkg port, with vcpkg's own functions stood in for.
    cat > "$scratch/vcpkg.cmake" <<'C'
foreach(name configure install config_fixup)
    function(vcpkg_cmake_${name})
    endfunction()
endforeach()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
    if(NOT EXISTS "${SOURCE_PATH}/vyre.h" OR NOT EXISTS "${ARGV1}")
        message(FATAL_ERROR "${SOURCE_PATH} is not the tree")
    endif()
endfunction()
include("${PORTFILE}")
C
    passes vcpkg_port quietly cmake -DPORT=vyre -DCURRENT_PACKAGES_DIR="$scratch/vcpkg" \
        -DPORTFILE="$tree/packaging/vcpkg/vyre/portfile.cmake" -P "$scratch/vcpkg.cmake"
    passes vcpkg_usage test -s "$scratch/vcpkg/share/vyre/usage"
fi

# --- Meson -------------------------------------------------------------------

meson_consumer() { # name, source
    passes "meson_$1" quietly meson setup "$scratch/meson_$1" "$2"
    passes "meson_$1_build" quietly ninja -C "$scratch/meson_$1"
    says_version "meson_$1_run" "$scratch/meson_$1/consumer"
}

if needs meson && needs ninja; then
    passes meson_configure quietly meson setup "$scratch/meson" . --prefix="$scratch/meson_prefix"
    passes meson_install quietly meson install -C "$scratch/meson"
    export_pc "$(dirname "$(find "$scratch/meson_prefix" -name vyre.pc)")"
    meson_consumer package "$consumers/meson"
    export_pc "$scratch/nowhere"
    cp -r "$consumers/meson" "$scratch/with_subproject"
    mkdir -p "$scratch/with_subproject/subprojects/vyre"
    cp meson.build vyre.h "$scratch/with_subproject/subprojects/vyre/"
    meson_consumer subproject "$scratch/with_subproject"
    fails meson_control meson setup "$scratch/meson_none" "$consumers/meson"
fi
finish

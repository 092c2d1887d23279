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

    # A prefix with spaces, and headers that lie elsewhere.
    odd="$scratch/a prefix with spaces"
    passes cmake_odd quietly cmake -S . -B "$scratch/cmake_odd" -DCMAKE_INSTALL_PREFIX="$odd" \
        -DCMAKE_INSTALL_INCLUDEDIR=headers/of_vyre
    passes cmake_odd_install quietly cmake --install "$scratch/cmake_odd"
    if needs pkg-config; then
        export_pc "$(dirname "$(find "$odd" -name vyre.pc)")"
        passes cmake_odd_pc_build sh -c "eval gcc -std=c99 '\"$consumers/main.c\"' \$(pkg-config --cflags --libs vyre) -o '\"$scratch/odd_pc\"'"
        says_version cmake_odd_pc_run "$scratch/odd_pc"
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
    fixup=$(sed -n 's/.*CONFIG_PATH \(.*\))/\1/p' packaging/vcpkg/vyre/portfile.cmake)
    passes vcpkg_config_path test -e "$scratch/plain/$fixup/vyre-config.cmake"
fi

# --- Conan -------------------------------------------------------------------

# The recipe's own steps, in Conan's order, with Conan's classes stood in for;
# the consumer then gets what package_info says and nothing else.
if needs python3; then
    mkdir -p "$scratch/stand_in/conan/tools"
    cat > "$scratch/stand_in/conan/__init__.py" <<'C'
from types import SimpleNamespace
class ConanFile:
    def __init__(self):
        self.cpp_info = SimpleNamespace(properties={}, system_libs=[], includedirs=["include"])
        self.cpp_info.set_property = self.cpp_info.properties.__setitem__
        self.info = SimpleNamespace(clear=lambda: None)
C
    : > "$scratch/stand_in/conan/tools/__init__.py"
    cat > "$scratch/stand_in/conan/tools/files.py" <<'C'
import os, shutil
def load(conanfile, path):
    return open(path).read()
def copy(conanfile, pattern, src, dst):
    os.makedirs(dst, exist_ok=True)
    shutil.copy(os.path.join(src, pattern), dst)
C
    cat > "$scratch/stand_in/create.py" <<'C'
import importlib.util, os, sys
from types import SimpleNamespace
folder, store = sys.argv[1:]
spec = importlib.util.spec_from_file_location("conanfile", os.path.join(folder, "conanfile.py"))
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
recipe = module.Vyre()
recipe.recipe_folder = folder
recipe.export_sources_folder = recipe.source_folder = os.path.join(store, "source")
recipe.package_folder = os.path.join(store, "package")
recipe.settings = SimpleNamespace(os="Linux")
recipe.set_version()
for step in ("export_sources", "package", "package_id", "package_info"):
    getattr(recipe, step)()
assert recipe.cpp_info.properties["cmake_target_name"] == "vyre::vyre", recipe.cpp_info.properties
assert os.path.exists(os.path.join(recipe.package_folder, "licenses", "LICENSE"))
print(recipe.version)
print(" ".join("-I" + os.path.join(recipe.package_folder, d) for d in recipe.cpp_info.includedirs),
      " ".join("-l" + lib for lib in recipe.cpp_info.system_libs))
C
    conan() { PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$scratch/stand_in python3 "$scratch/stand_in/create.py" "$1" "$scratch/conan"; }
    passes conan_create conan "$tree/packaging/conan"
    cp "$scratch/out" "$scratch/conan.txt"
    passes conan_version test "$(head -n 1 "$scratch/conan.txt")" = "$version"
    set -- $(sed -n 2p "$scratch/conan.txt")
    passes conan_build gcc -std=c99 "$consumers/main.c" -o "$scratch/conan_consumer" "$@"
    says_version conan_run "$scratch/conan_consumer"
    mkdir -p "$scratch/elsewhere/packaging/conan"
    cp packaging/conan/conanfile.py "$scratch/elsewhere/packaging/conan/"
    fails conan_control conan "$scratch/elsewhere/packaging/conan"
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

#!/usr/bin/env bash
# Installs the Debian packages that the tests need.  Does nothing when they
# are there.  Needs root or sudo; says what is missing when it has neither.
set -u
packages="gcc g++ make libc6-dev clang libclang-rt-dev valgrind
    libvulkan-dev libvulkan-volk-dev mesa-vulkan-drivers vulkan-validationlayers
    spirv-tools spirv-headers glslang-dev glslang-tools
    mingw-w64 gcc-i686-linux-gnu libc6-dev-i386-cross
    gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user
    liburing-dev libopenmpi-dev openmpi-bin ripgrep libvectorscan-dev
    cmake pkg-config meson ninja-build"

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian system; install these or their like:" $packages >&2
    exit 0
fi

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -z "$missing" ] && exit 0

run=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: neither root nor sudo; please install:$missing" >&2
        exit 1
    fi
    run="sudo env DEBIAN_FRONTEND=noninteractive"
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! $run apt-get update -qq >"$log" 2>&1 ||
   ! $run apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: apt could not install:$missing" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"

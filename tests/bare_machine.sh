#!/usr/bin/env bash
# make bare-machine: in an empty Debian root with gcc and make only, a fresh
# clone of the last commit runs `make demo` and `make test`.  Not part of make
# test: it needs root and debootstrap, and installs all that the tests need.
#
#     BARE_ROOT=folder   use this root, and keep it; default: a new one, removed
#     BARE_ONLY=demo     stop after make demo
#     BARE_LOG=file      where the output of make test goes, and stays
#     TEST_TIMEOUT=900   seconds that one test may take, as tests/run.sh has it
#
# Mirror, proxy and keys are those that this machine's own apt uses.
set -u
cd "$(dirname "$0")/.." || exit 2
tree=$PWD
only=${BARE_ONLY:-}
root=${BARE_ROOT:-}
passed=0 failed=0

stop() { echo "bare machine: $1" >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || stop "needs root: a chroot and mounts"
command -v debootstrap > /dev/null || stop "needs debootstrap"
command -v apt-get > /dev/null || stop "needs apt, for its settings"

verdict() { # name, condition's exit code
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $1"; fi
}

# --- the root ----------------------------------------------------------------

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
[ -n "$mirror" ] || stop "apt has no source of packages"
fresh=""
if [ -z "$root" ]; then
    root=$(mktemp -d /var/tmp/vyre-bare.XXXXXX)
    fresh=yes
fi

leave() {
    for mount in dev/shm dev proc; do
        [ -n "${mounted:-}" ] && umount -l "$root/$mount" 2> /dev/null
    done
    # Never remove a folder into which something is still mounted.
    if [ -n "$fresh" ] && ! grep -q " $root/" /proc/mounts; then rm -rf --one-file-system "$root"; fi
}
trap leave EXIT

if [ ! -x "$root/usr/bin/make" ]; then
    include=gcc,make,libc6-dev
    case $mirror in https:*) include=$include,ca-certificates ;; esac
    debootstrap --variant=minbase --include="$include" "$suite" "$root" "$mirror" > "$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; stop "debootstrap failed; $root.log has it all"; }
    rm -f "$root.log"
    rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d
    for part in sources.list sources.list.d apt.conf.d auth.conf.d trusted.gpg.d keyrings; do
        [ -e "/etc/apt/$part" ] && cp -a "/etc/apt/$part" "$root/etc/apt/"
    done
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp -L /etc/hosts "$root/etc/hosts"
fi
if ! grep -q " $root/proc " /proc/mounts; then
    mounted=yes
    # Private: what is mounted in there must not show in this machine's /dev.
    mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" &&
        mount --make-private "$root/dev" && mount -t tmpfs tmpfs "$root/dev/shm" || stop "cannot mount proc and dev"
fi
for tool in g++ clang git cmake; do
    [ -n "$fresh" ] && [ -e "$root/usr/bin/$tool" ] && stop "$tool is there: the root is not bare"
done

# --- the tree, as a fresh clone has it ---------------------------------------

rm -rf "$root/vyre"
if git -C "$tree" rev-parse > /dev/null 2>&1; then
    git -C "$tree" diff --quiet HEAD || echo "NOTE what is not committed is not in the clone"
    git clone -q --no-hardlinks "$tree" "$root/vyre" || stop "git clone failed"
    echo "clone of $(git -C "$tree" log -1 --format='%h %s')"
else
    mkdir "$root/vyre" && tar -C "$tree" --exclude=./build -c . | tar -C "$root/vyre" -x
fi

inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C \
        ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} \
        ${TEST_TIMEOUT:+TEST_TIMEOUT=$TEST_TIMEOUT} \
        sh -c "cd /vyre && $1"
}

# --- demo, test --------------------------------------------------------------

demo=$(inside 'make demo' 2>&1 | tail -n 1)
echo "make demo: $demo"
echo "$demo" | grep -qE '^42, computed by .* \((cpu|vulkan)\)$'
verdict demo $?
if [ "$only" != demo ]; then
    log=${BARE_LOG:-$(mktemp)}
    inside 'make test' > "$log" 2>&1
    verdict "make test: exit code" $?
    tail -n 1 "$log" | grep -qE '^[0-9]+ passed, 0 failed(, [0-9]+ skipped)?$'
    code=$?
    [ $code -eq 0 ] || tail -n 30 "$log"
    verdict "make test: closing line" $code
    echo "make test: $(tail -n 1 "$log")"
    [ -n "${BARE_LOG:-}" ] || rm -f "$log"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

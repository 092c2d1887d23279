#!/usr/bin/env bash
# A kernel is the same program from every compiler, whatever order that
# compiler evaluates arguments in.
. "$(dirname "$0")/check.sh"

listings() { # compiler and flags
    "$@" -D_GNU_SOURCE -I. -Itests -w -DVYRE_NO_VULKAN -c vyre.c -o "$scratch/vyre.o" &&
        "$@" -D_GNU_SOURCE -I. -Itests -w tests/test_kernel.c "$scratch/vyre.o" \
            -o "$scratch/test_kernel" -lm -lpthread -ldl &&
        TEST_ONLY=listings_of_the_stock_kernels "$scratch/test_kernel"
}

for compiler in gcc clang; do
    needs $compiler && passes "listings, $compiler" listings $compiler -std=gnu99 -O0
done
# Positive control: a listing that differs is noticed.
mkdir "$scratch/golden" && cp tests/golden/*.txt "$scratch/golden" &&
    sed -i '1s/direct/director/' "$scratch/golden/direct.txt"
fails "changed listing" env VYRE_GOLDEN_DIR="$scratch/golden" \
    TEST_ONLY=listings_of_the_stock_kernels "$scratch/test_kernel"
finish

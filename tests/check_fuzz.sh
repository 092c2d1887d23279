#!/usr/bin/env bash
# The fuzz targets build, and their corpora pass.  The long run is `make fuzz`.
exec bash "$(dirname "$0")/fuzz.sh" --replay

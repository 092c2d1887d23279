#!/usr/bin/env bash
# Every benchmark builds without a warning under the strict flags, runs in its
# shortest form, and prints lines that the report and the plot can read; the
# picture is well formed, and the one that is checked in is that of its figures.
. "$(dirname "$0")/check.sh"
export LC_ALL=C
bin=$scratch/bench
mkdir -p "$bin/twins"

if needs glslangValidator; then
    for shader in bench/twins/*.comp; do
        name=$(basename "$shader" .comp)
        passes "shader_$name" glslangValidator -V --target-env vulkan1.1 --vn "${name}_spv" \
            "$shader" -o "$bin/twins/$name.spv.h"
    done
fi

have() { echo "#include <$1>" | ${CC:-gcc} -E - > /dev/null 2>&1; }

buildable() { # name
    case $1 in
    roundtrip | drain) have volk.h && [ -e "$bin/twins/drain.spv.h" ] ;;
    wide | order | runner | cancel) have volk.h ;;
    io_floor | io) have liburing.h ;;
    emit | source) have glslang/Include/glslang_c_interface.h ;;
    esac
}

compile() { # name
    local libs="-lm -lpthread -ldl" library
    for library in $(sed -n 's/^ \* link: //p' "bench/$1.c"); do libs="$libs -l$library"; done
    # shellcheck disable=SC2086
    ${CC:-gcc} -std=gnu11 -O0 $STRICT -I. -Ibench -I"$bin" "bench/$1.c" -o "$bin/$1" $libs
}

# Seven numbers at the end, quantiles that do not fall, a median that is one.
well_formed() { # name, file
    awk -F, -v name="\"$1\"" '
        $1 != name || NF < 13 || gsub(/"/, "\"") != 10 { bad = 1 }
        { for (i = NF - 6; i <= NF; i++) if ($i !~ /^[0-9]+(\.[0-9]+)?$/) bad = 1 }
        { for (i = NF - 5; i < NF - 1; i++) if ($i + 0 < $(i - 1) + 0) bad = 1 }
        $(NF - 6) <= 0 { bad = 1 }
        END { exit bad || NR == 0 }' "$2" && awk -F, '{ print $(NF - 1) }' "$2" | grep -qv '^0$'
}

passes build_report compile report
passes build_plot compile plot
all=$scratch/all.csv
: > "$all"
lines=0
for name in roundtrip wide runs order pool devices plan drain publish sustained watch cancel runner scan emit source interp compile; do
    if ! buildable $name; then skips "$name" "volk.h, glslang or its shaders are not installed"; continue; fi
    passes "build_$name" compile $name
    if ! timeout 60 "$bin/$name" --quick --csv > "$scratch/csv" 2> "$scratch/said"; then
        failed=$((failed + 1)); echo "FAIL run_$name"; head -n 5 "$scratch/said"; continue
    fi
    passes "lines_$name" well_formed $name "$scratch/csv"
    sed 's/^/1,/' "$scratch/csv" >> "$all"
    passes "table_$name" sh -c "timeout 60 '$bin/$name' --quick 2> /dev/null | grep -q '^| path | p50 '"
    fails "usage_$name" "$bin/$name" --nonsense
done

# Ends with 1 where a function is less exact than Vulkan allows.
passes build_exact compile exact
passes exact sh -c "timeout 60 '$bin/exact' --quick > '$scratch/exact'"
fails usage_exact "$bin/exact" --nonsense

# What docs/persistent.md quotes for other devices.
passes make_device sh -c "make -sn '$bin/device' BUILD='$scratch' > '$scratch/make'"
passes build_device compile device
if have volk.h; then
    passes device_described sh -c "'$bin/device' --short | grep -q '^Probe: .*host to device'"
    passes device_opens sh -c "timeout 300 '$bin/device' --open --gib 0 | grep -q '^| all | [0-9.]* | [0-9.]* |'"
    fails usage_device "$bin/device" --nonsense
fi

# --- what reads them -----------------------------------------------------------

rows() { # as many rows as there are different lines
    "$bin/report" "$all" > "$scratch/report.md" &&
        [ "$(grep -cE '^\| .* \| (ns|us|ms|bytes|KB|words|times|MB/s) \|' "$scratch/report.md")" = "$(wc -l < "$all")" ]
}
passes report_rows rows
passes report_goals grep -q '^| declarations, compiler.s ms | at most 50 | [0-9]' "$scratch/report.md"

worst() { # of three runs: the largest time, the smallest rate; of a ratio, the worst run's
    cat > "$scratch/three.csv" <<END
1,"roundtrip","submit + wait for fence","NVIDIA X","d","s",us,30,40,50,60,70,9,0
1,"roundtrip","vyre.h persistent (vulkan), 1 in flight","NVIDIA X","d","s",us,2,3,4,5,6,9,0.5
2,"roundtrip","submit + wait for fence","NVIDIA X","d","s",us,24,40,50,60,70,9,0
2,"roundtrip","vyre.h persistent (vulkan), 1 in flight","NVIDIA X","d","s",us,3,3.5,3.6,5,6,9,0.25
END
    "$bin/report" "$scratch/three.csv" > "$scratch/three.md" &&
        grep -qF '1 in flight | us | 3.00 | 2.00 | 3.50 | 4.00 | 5.00 | 6.00 | 18 | 0.250 |' "$scratch/three.md" &&
        grep -qF '| round trip against submit + fence | at least 18 | 8.00 | 15.00, 8.00 | no |' "$scratch/three.md" &&
        grep -qF '| round trip, p99 us | at most 3 | 4.00 | 4.00, 3.60 | no |' "$scratch/three.md" &&
        "$bin/report" --goals "$scratch/three.csv" | grep -qF '| round trip, p50 us | at most 2.4 | 3.00 | 2.00, 3.00 | no |'
}
passes report_worst worst
sed 's/^1,"[^"]*",/1,/' "$all" > "$scratch/broken.csv"
fails report_broken "$bin/report" "$scratch/broken.csv"
fails plot_broken "$bin/plot" "$scratch/broken.csv"

is_xml() { python3 -c 'import sys, xml.dom.minidom as d; d.parse(sys.argv[1])' "$1"; }
if needs python3; then
    passes plot sh -c "'$bin/plot' '$scratch/three.csv' > '$scratch/plot.svg'"
    passes plot_xml is_xml "$scratch/plot.svg"
    sed '$d' "$scratch/plot.svg" > "$scratch/cut.svg"
    fails plot_xml_control is_xml "$scratch/cut.svg"
    passes scene sh -c "timeout 60 '$bin/watch' --trace > '$scratch/trace.json'"
    passes plot_trace sh -c "'$bin/plot' --trace '$scratch/trace.json' > '$scratch/trace.svg'"
    passes plot_trace_xml is_xml "$scratch/trace.svg"
    passes plot_trace_groups grep -q '>group 0, of its chunks<' "$scratch/trace.svg"
    fails plot_trace_broken "$bin/plot" --trace "$scratch/broken.csv"
fi
same_picture() { "$bin/plot" bench/h200.csv > "$scratch/h200.svg" && cmp "$scratch/h200.svg" docs/roundtrip.svg; }
passes picture same_picture
passes picture_shown grep -q 'docs/roundtrip.svg' README.md
finish

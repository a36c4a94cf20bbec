#!/usr/bin/env bash
# Everything that a GPU shows (see bench_gpu.py), within GPU_SECONDS, by default under nine minutes:
#     [OUT=folder] tests/benchmarks/gpu.sh [--tiny] [SECTION ...]
# Each section has its own limit; one that fails or is late says so in a line, and the next begins.
set -u
bench="$(dirname "$0")/bench_gpu.py"
python="${PYTHON:-python3}"
total="${GPU_SECONDS:-525}"
export OUT="${OUT:-$(mktemp -d)}"
options=()
if [ "${1:-}" = --tiny ]; then
    options=(--tiny)
    shift
fi
[ $# -gt 0 ] || mapfile -t sections < <("$python" "$bench" list)
[ $# -eq 0 ] || sections=("$@")

status=0
for section in "${sections[@]}"; do
    left=$((total - SECONDS))
    if [ "$left" -lt 20 ]; then
        echo "$section: no time left of $total s"
        status=1
        continue
    fi
    # The second limit is for a benchmark that does not keep the first.
    timeout -k 5 "$left" "$python" "$bench" "$section" --limit "$((left - 15))" "${options[@]}"
    code=$?
    [ "$code" -eq 0 ] || { status=1 && echo "$section: status $code after $SECONDS s in all"; }
done
echo
cat "$OUT/gpu.md"
echo "$SECONDS s; results and errors: $OUT"
exit "$status"

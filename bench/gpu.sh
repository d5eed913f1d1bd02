#!/usr/bin/env bash
# All that is measured on a GPU, in some five minutes: bash bench/gpu.sh [simulated set.npz]
# PYTHON is the interpreter; what is found goes to "$OUT"/gpu.json if OUT is set. Sections are processes of their
# own with a limit each: one that fails costs nothing but itself.
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python}
sim=${1:-}
out=${OUT:-$(mktemp -d)}
json=$out/gpu.json
export PYTHONPATH=$PWD:$PWD/bench:$PWD/tests
NUMBA_CACHE_DIR=$(mktemp -d)
export NUMBA_CACHE_DIR
unset OPENBLAS_CORETYPE

section() { # limit in seconds, then a section and its arguments
    local limit=$1
    shift
    echo "== $* ($(date +%T))"
    timeout "$limit" "$python" bench/gpu.py "$@" --json "$json" 2>&1 | tee -a "$out/gpu.txt" | tail -n 40 ||
        true
}

section 140 compile # nothing is on the disk yet
section 30 compile  # everything is
# All other code is compiled beside what is no measurement of time.
for dtype in float32 float64; do
    timeout 160 "$python" bench/gpu.py code --dtype $dtype --json "$out/code-$dtype.json" &>"$out/code-$dtype.txt" &
done
section 60 accuracy --sim "$sim"
wait
tail -n 12 "$out"/code-*.txt
section 100 speed
section 60 body
echo "== tests ($(date +%T))"
timeout 200 "$python" -m pytest tests bench -m gpu -q -x -p no:cacheprovider 2>&1 | tee "$out/pytest.txt" | tail -n 40 || true
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader || true

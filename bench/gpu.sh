#!/usr/bin/env bash
# All that is measured on a GPU, in some six minutes: bash bench/gpu.sh [simulated set.npz]
# PYTHON is the interpreter, SECTIONS some of those below. What is found goes to gpu.json and *.txt in the folder
# OUT, if that is set. Each section is a process with a limit: one that fails costs nothing but itself.
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python}
sim=${1:-}
sections=${SECTIONS:-compile code accuracy speed phases body tests}
out=${OUT:-$(mktemp -d)}
export PYTHONPATH=$PWD:$PWD/bench:$PWD/tests:${PYTHONPATH:-}
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$(mktemp -d)}
unset OPENBLAS_CORETYPE

measure() { # limit in seconds, then a section and its arguments
    local limit=$1
    shift
    echo "== $* ($(date +%T))"
    timeout "$limit" "$python" bench/gpu.py "$@" --json "$out/gpu.json" 2>&1 | tee -a "$out/gpu.txt" | tail -n 40
}

for section in $sections; do
    case $section in
    compile)
        measure 140 compile # nothing is on the disk yet
        measure 30 compile  # everything is
        ;;
    code) # beside what is no measurement of time
        for dtype in float32 float64; do
            timeout 170 "$python" bench/gpu.py code --dtype $dtype --json "$out/code-$dtype.json" \
                &>"$out/code-$dtype.txt" &
        done
        ;;
    accuracy)
        measure 60 accuracy --sim "$sim"
        wait
        tail -n 12 "$out"/code-*.txt 2>/dev/null
        ;;
    speed) measure 100 speed ;;
    phases)
        nvidia-smi --query-gpu=clocks.sm,power.draw,clocks_event_reasons.active --format=csv,noheader \
            -lms 500 >"$out/clocks.txt" 2>&1 &
        watch=$!
        measure 90 phases
        kill $watch
        sort "$out/clocks.txt" | uniq -c | sort -rn | head -n 5
        ;;
    body) measure 45 body ;;
    tests)
        wait
        echo "== tests ($(date +%T))"
        timeout 150 "$python" -m pytest tests bench -m gpu -q -n 0 -p no:benchmark --maxfail 8 --tb short \
            -p no:cacheprovider 2>&1 |
            tee "$out/pytest.txt" | tail -n 60
        ;;
    esac
done
echo "== done ($(date +%T))"
nvidia-smi --query-gpu=driver_version,power.limit,name --format=csv,noheader

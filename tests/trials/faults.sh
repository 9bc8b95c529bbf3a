#!/usr/bin/env bash
# The N-th write, sync, rename or opening of the built program fails, RocksDB's and LibTorch's included: it must end with an exit
# status that is not 0 and name the folder of the file, leave what was there whole, and finish when it is run again. Where it does
# not fail, it must have done without. N = 1, 1 + STEP, 1 + 2 STEP, …
#   tests/trials/faults.sh [STEP [COMMAND …]]   STEP: default 1; COMMAND: of corpus, build, rebuild, add, remove, compact, dedup, train
# Needs the target preload_faults. The same for databases inside one process, much faster: RETRO_ALL_FAULTS=1 faults_tests.
set -uo pipefail
readonly root=$(cd "$(dirname "$0")/../.." && pwd)
readonly build=${BUILD:-$root/build/release}
readonly retro=$build/cli/retro preload=$build/tests/libpreload_faults.so
readonly gguf=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf
export RETRO_MODEL=$gguf RETRO_ENCODER=$root/.deps/models/all-MiniLM-L6-v2 OMP_NUM_THREADS=1
readonly step=${1:-1}
shift || true
commands=("$@")
[ $# -gt 0 ] || commands=(corpus dedup build rebuild add remove compact train)
[ -e "$preload" ] || { echo "build the target preload_faults first" >&2; exit 2; }
readonly work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir base now
trials=0 failures=0

zcat "$root/datasets/samples/wiki_vital_en.jsonl.gz" | sed -n '1,6p' >base/docs.jsonl
zcat "$root/datasets/samples/wiki_vital_en.jsonl.gz" | sed -n '7,9p' >base/more.jsonl
readonly id=$(sed -n 's/.*"id": *"\([^"]*\)".*/\1/p;q' base/docs.jsonl)

restore() { rm -rf now && cp -r base now; }
fail() { failures=$((failures + 1)); echo "FAIL  $1: $2"; }

# Whether a message names a path or its folder; the working folder's name is ".".
names() { grep -qF -e "$(basename "$1")" -e "$(basename "$(dirname "$1")")" "$2" || { [ "$1" = "$work/now" ] && grep -qF ' .:' "$2"; }; }

# What a command is, and how its result is checked ("old" or "new").
declare -A run check
run[corpus]='corpus build --input docs.jsonl --out out --tokenizer '$gguf
check[corpus]='test ! -e out || "$retro" -q index build --input out --out checked'
run[dedup]='corpus dedup --input docs.jsonl --out out.jsonl --report report.jsonl'
check[dedup]='test ! -e out.jsonl || test "$(wc -l <out.jsonl)" = 6'
run[build]='index build --input docs.jsonl --out out'
check[build]='test ! -e out || "$retro" -q index verify --db out'
run[rebuild]='index build --input docs.jsonl --out db'
run[add]='index add --db db --input more.jsonl'
run[remove]='index remove --db db --id '$id
run[compact]='index compact --db changed'
check[rebuild]='"$retro" -q index verify --db db' check[add]=${check[rebuild]} check[remove]=${check[rebuild]}
check[compact]='"$retro" -q index verify --db changed'
run[train]="train --corpus corpus --tokenizer $gguf --layers 1 --width 16 --heads 2 --seq-len 16 --batch-size 1 --steps 2 --save-every 1 --out run"
check[train]='test ! -e run/step-000002/manifest.json || cmp run/step-000002/model.safetensors "$work/base/trained/step-000002/model.safetensors"'

"$retro" -q index build --input base/more.jsonl --out base/db >/dev/null || exit 1
cp -r base/db base/changed
"$retro" -q index add --db base/changed --input base/docs.jsonl >/dev/null || exit 1
"$retro" -q index remove --db base/changed --id "$id" >/dev/null || exit 1
"$retro" -q corpus build --input base/docs.jsonl --out base/corpus --tokenizer "$gguf" >/dev/null || exit 1

(cd base && "$retro" -q ${run[train]/--out run/--out trained} >/dev/null) || exit 1

# One trial; false when there was no such call.
try() {  # COMMAND CALL KIND NUMBER
  local name="$1: $2 $4, $3" status calls path
  restore
  cd now || exit 1
  RETRO_FAULT=$2:$3:$4:$work/now RETRO_FAULT_REPORT=$work/report LD_PRELOAD=$preload \
    "$retro" -q ${run[$1]} >"$work/out" 2>"$work/err"
  status=$?
  read -r calls path <"$work/report"
  if [ -n "$path" ]; then
    trials=$((trials + 1))
    if [ $status -ge 128 ]; then
      fail "$name" "ended by signal $((status - 128)): $(tail -n 1 "$work/err")"
    elif [ $status != 0 ] && ! names "$path" "$work/err"; then
      fail "$name" "failed at $path, but says: $(tail -n 1 "$work/err")"
    elif [ $status = 0 ]; then
      echo "borne $name: ${path#"$work/now/"}"
    fi
    eval "${check[$1]}" >"$work/out" 2>"$work/check" || fail "$name" "what is left is not whole: $(tail -n 1 "$work/check")"
    rm -rf checked
    "$retro" -q ${run[$1]} >"$work/out" 2>"$work/again" ||
      grep -q "has none of\|no document" "$work/again" || fail "$name" "run again: $(tail -n 1 "$work/again")"
    eval "${check[$1]}" >"$work/out" 2>"$work/check" || fail "$name" "run again, not whole: $(tail -n 1 "$work/check")"
  fi
  cd "$work" || exit 1
  [ -n "$path" ]
}

for command in "${commands[@]}"; do
  for fault in write:ENOSPC write:EIO write:short write:full sync:EIO rename:EIO open:ENOSPC; do
    for ((number = 1; ; number += step)); do
      try "$command" "${fault%:*}" "${fault#*:}" $number || break
    done
  done
  echo "$command: $trials trials so far, $failures failed"
done
[ $failures = 0 ]

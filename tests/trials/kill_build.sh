#!/usr/bin/env bash
# Builds of an index that are killed (SIGKILL) at random moments, over all stages, by the built program with the real encoder: what
# they end in must be, checksum for checksum, what an unbroken build makes, and pass `retro index verify`.
#   tests/trials/kill_build.sh [KILLS] [FOLDER]    default 200, in a temporary folder; SEED=N repeats a run
set -uo pipefail
readonly root=$(cd "$(dirname "$0")/../.." && pwd)
readonly retro=${RETRO:-$root/build/release/cli/retro} kills=${1:-200}
export RETRO_MODEL=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf
export RETRO_ENCODER=$root/.deps/models/all-MiniLM-L6-v2
readonly work=${2:-$(mktemp -d)}
mkdir -p "$work" && cd "$work" || exit 1
RANDOM=${SEED:-1}
trap 'rm -rf db db.building' EXIT

zcat "$root/datasets/samples/wiki_vital_en.jsonl.gz" | sed -n "1,${DOCUMENTS:-40}p" >docs.jsonl
readonly build=("$retro" --quiet --log-level error --threads 1 index build --input docs.jsonl --factory IVF16,PQ48x4fs --block-chunks 64)
contents() { grep -A 4 '"contents": {' "$1/manifest.json"; }  # checksums of chunks, embeddings and index

rm -rf db db.building unbroken
started=$(date +%s%N)
"${build[@]}" --out unbroken || exit 1
readonly whole_ms=$((($(date +%s%N) - started) / 1000000)) expected=$(contents unbroken)
printf 'unbroken: %s ms\n%s\n' "$whole_ms" "$expected"

# Every third process is one worker of a single stage; the others go through all stages.
start_one() {
  local stages=(corpus chunks embed train encode) stage=()
  if [ $((RANDOM % 3)) -eq 0 ]; then stage=(--stage "${stages[RANDOM % 5]}" --shard "$((RANDOM % 2))/2"); fi
  "${build[@]}" --out db "${stage[@]}" >/dev/null 2>>trial.err &
}

killed=0 finished=0 failures=0
check() {
  finished=$((finished + 1))
  if [ "$(contents db)" != "$expected" ]; then
    failures=$((failures + 1))
    printf 'FAIL after %s kills: other contents\n%s\n' "$killed" "$(contents db)"
  fi
  if ! "$retro" -q index verify --db db >trial.out 2>&1; then
    failures=$((failures + 1))
    printf 'FAIL after %s kills: %s\n' "$killed" "$(tail -n 1 trial.out)"
  fi
  rm -rf db
}
while [ "$killed" -lt "$kills" ]; do
  start_one
  pid=$!
  ms=$((RANDOM * 32768 + RANDOM))
  ms=$((ms % whole_ms))
  sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
  if kill -9 $pid 2>/dev/null; then killed=$((killed + 1)); fi
  wait $pid 2>/dev/null
  [ ! -e db/manifest.json ] || check
done
"${build[@]}" --out db && check || failures=$((failures + 1))
printf '%s kills, %s databases finished, %s failures\n' "$killed" "$finished" "$failures"
[ "$failures" -eq 0 ]

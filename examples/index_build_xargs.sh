#!/usr/bin/env bash
# A retrieval database built by several processes that share a folder and need not know of each other.
#   examples/index_build_xargs.sh OUT WORKERS DOCUMENTS…
# DOCUMENTS: JSON lines or text (plain, .gz, .zst), folders of these, or one folder made by retro corpus build. Run again it goes on
# where it was. On several machines let each run some of the numbers of --shard; nothing else changes.
set -euo pipefail
readonly root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 3 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
readonly out=$1 workers=$2
shift 2

: "${RETRO:=$root/build/release/cli/retro}"
: "${RETRO_ENCODER:=$root/.deps/models/all-MiniLM-L6-v2}"
: "${RETRO_MODEL:=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf}"  # by its tokenizer chunks are cut
: "${OPTIONS:=}"  # of retro index build, the same in all stages, e.g. "--chunk-len 64 --embed-title"
: "${THREADS:=1}"  # of each worker
export RETRO_ENCODER RETRO_MODEL
# shellcheck disable=SC2206
readonly build=("$RETRO" --quiet --threads "$THREADS" index build --input "$@" --out "$out" $OPTIONS)

all_workers() {  # STAGE
  seq 0 $((workers - 1)) | xargs -P "$workers" -I{} "${build[@]}" --stage "$1" --shard "{}/$workers"
}

"${build[@]}" --stage corpus
all_workers chunks
all_workers embed
"${build[@]}" --stage train
all_workers encode
"${build[@]}"  # merges, measures, and makes whatever a worker did not

#!/usr/bin/env bash
# A retrieval database built by a Slurm cluster whose nodes share a folder: an array of jobs for each stage, each array after the
# one before it.
#   examples/index_build_slurm.sh OUT WORKERS DOCUMENTS…
# Submits and returns; the last job's id is on stdout. Submitted again it goes on where it was: a task that failed, or whose node was
# taken away, costs the blocks that it had not finished. SBATCH: options of all jobs, e.g. "--partition=cpu --cpus-per-task=16".
set -euo pipefail
readonly root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 3 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
readonly out=$1 workers=$2
shift 2

: "${RETRO:=$root/build/release/cli/retro}"
: "${RETRO_ENCODER:=$root/.deps/models/all-MiniLM-L6-v2}"
: "${RETRO_MODEL:=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf}"
: "${OPTIONS:=}" "${SBATCH:=}"
export RETRO_ENCODER RETRO_MODEL
# shellcheck disable=SC2206
readonly build=("$RETRO" --quiet index build --input "$@" --out "$out" $OPTIONS)
# The task's numbers are filled in on its node.
readonly shard='--shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"'

submit() {  # STAGE AFTER SBATCH-OPTION…: prints the job's id. AFTER: ids apart by colons, or nothing
  local stage=$1 after=$2 command
  shift 2
  command=$(printf '%q ' "${build[@]}" --stage "$stage")
  [[ " $* " != *" --array="* ]] || command+=$shard
  # shellcheck disable=SC2086
  sbatch --parsable --job-name="retro-$stage" ${after:+--dependency=afterok:$after} $SBATCH "$@" --wrap "$command" | cut -d';' -f1
}

corpus=$(submit corpus "")
chunks=$(submit chunks "$corpus" --array=0-$((workers - 1)))
embed=$(submit embed "$corpus" --array=0-$((workers - 1)))
train=$(submit train "$embed")
encode=$(submit encode "$train" --array=0-$((workers - 1)))
submit merge "$chunks:$encode"

#!/usr/bin/env bash
# A RETROfit: a pretrained decoder learns to read neighbours while its own weights stay as they are.
#   examples/retrofit.sh OUT [DOCUMENTS…]
# DOCUMENTS: JSON lines or text (plain, .gz, .zst) or folders of these; default: the repository's sample. Sizes by environment
# variables, with their defaults below. Run again it goes on where it was.
#
# The neighbours run through the decoder's own first layers, up to the first one with chunked cross-attention, which begins as a copy
# of that layer's attention to its own text. So it can copy from neighbours from the first step on if that layer does so within a
# text: of the layers 6, 10, 14, 18, 22 and 26 of SmolLM2-135M layer 18 gained by far the most without any training.
set -euo pipefail
readonly root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source "$root/examples/corpus_with_neighbours.sh"
readonly out=$1
shift
[ $# -gt 0 ] || set -- "$root/datasets/samples/wiki_vital_en.jsonl.gz"

: "${RETRO:=$root/build/release/cli/retro}"
: "${RETRO_ENCODER:=$root/.deps/models/all-MiniLM-L6-v2}"
: "${BASE:=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf}"
: "${SHARED_LAYERS:=18}" "${CCA_LAYERS:=18,22,26}" "${GATE:=0.3}" "${K:=2}" "${RERANK:=bm25}"
: "${SEQ_LEN:=256}" "${BATCH:=4}" "${STEPS:=160}" "${LR:=5e-4}" "${WARMUP:=20}" "${VALID_FRACTION:=0.03}" "${EVAL_DOCUMENTS:=120}"
: "${PRECISION:=auto}"
export RETRO_ENCODER
mkdir -p "$out"

corpus_with_neighbours "$out" "$BASE" "$@"
"$RETRO" train --out "$out/retrofit" --init-from "$BASE" --retro --shared-layers --encoder-layers "$SHARED_LAYERS" \
  --cca-layers "$CCA_LAYERS" --gated --gate-init "$GATE" --freeze base --k "$K" --corpus "$out/corpus" --db "$out/db" \
  --neighbours "$out/neighbours-train" --valid-neighbours "$out/neighbours-valid" --seq-len "$SEQ_LEN" --batch-size "$BATCH" \
  --precision "$PRECISION" --lr "$LR" --warmup "$WARMUP" --weight-decay 0.01 --steps "$STEPS" --valid-every 40 --valid-sequences 32 \
  --save-every 40
"$RETRO" eval lm --model "$out/retrofit/$(printf 'step-%06d' "$STEPS")" --input "$out/corpus" --db "$out/db" --max-documents "$EVAL_DOCUMENTS" \
  --max-document-tokens 384 --window 512 --name retrofit --out "$out/retrofit.json"
"$RETRO" eval report --in "$out/retrofit.json" --metrics "$out/retrofit/metrics.jsonl" --out "$out/report.html"
echo "The page: $out/report.html"

#!/usr/bin/env bash
# A whole research run: the same decoder with and without retrieval, from documents to a page of results.
#   examples/retro_vs_gpt.sh OUT [DOCUMENTS…]
# DOCUMENTS: JSON lines or text (plain, .gz, .zst) or folders of these; default: the repository's sample, on which it takes
# minutes and shows that everything runs, not what retrieval is worth. Sizes by environment variables, with their defaults below.
# Run again it goes on where it was. Both models see the same tokens in the same order, with the same optimizer.
set -euo pipefail
readonly root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source "$root/examples/corpus_with_neighbours.sh"
readonly out=$1
shift
[ $# -gt 0 ] || set -- "$root/datasets/samples/wiki_vital_en.jsonl.gz"

: "${RETRO:=$root/build/release/cli/retro}"
: "${RETRO_ENCODER:=$root/.deps/models/all-MiniLM-L6-v2}"  # embeds chunks
: "${VOCAB:=4000}" "${SEQ_LEN:=512}" "${BATCH:=4}" "${ACCUMULATION:=1}" "${STEPS:=300}" "${LR:=1e-3}" "${WARMUP:=30}" "${K:=2}"
: "${LAYERS:=6}" "${WIDTH:=256}" "${HEADS:=4}" "${CCA_LAYERS:=2,5}" "${VALID_FRACTION:=0.03}"
: "${ENCODER_LAYERS:=2}" "${ENCODER_WIDTH:=128}" "${ENCODER_HEADS:=2}" "${RERANK:=bm25}" "${EVAL_DOCUMENTS:=200}"
: "${PRECISION:=auto}"  # bf16 where the processor has it
export RETRO_ENCODER
mkdir -p "$out"

# Made once: sentencepiece's result depends on the number of threads.
[ -e "$out/tokenizer.model" ] ||
  "$RETRO" tokenizer train --input "$@" --out "$out/tokenizer.model" --type bpe --vocab-size "$VOCAB"
corpus_with_neighbours "$out" "$out/tokenizer.model" "$@"

train() {  # NAME OPTION…
  local name=$1
  shift
  "$RETRO" train --out "$out/$name" --tokenizer "$out/tokenizer.model" --corpus "$out/corpus" --layers "$LAYERS" --width "$WIDTH" \
    --heads "$HEADS" --seq-len "$SEQ_LEN" --batch-size "$BATCH" --accumulation "$ACCUMULATION" --precision "$PRECISION" --steps "$STEPS" --lr "$LR" --warmup "$WARMUP" \
    --valid-every $(((STEPS + 9) / 10)) --save-every $(((STEPS + 9) / 10)) "$@"
}
train gpt
train retro --retro --k "$K" --cca-layers "$CCA_LAYERS" --encoder-layers "$ENCODER_LAYERS" \
  --encoder-width "$ENCODER_WIDTH" --encoder-heads "$ENCODER_HEADS" --db "$out/db" --neighbours "$out/neighbours-train" \
  --valid-neighbours "$out/neighbours-valid"

last=$(printf 'step-%06d' "$STEPS")
"$RETRO" eval lm --model "$out/gpt/$last" --input "$out/corpus" --db "$out/db" --max-documents "$EVAL_DOCUMENTS" --name gpt \
  --out "$out/gpt.json"
"$RETRO" eval lm --model "$out/retro/$last" --input "$out/corpus" --db "$out/db" --max-documents "$EVAL_DOCUMENTS" --name retro \
  --out "$out/retro.json"
"$RETRO" eval report --in "$out/gpt.json" "$out/retro.json" --metrics "$out/gpt/metrics.jsonl" "$out/retro/metrics.jsonl" \
  --out "$out/report.html"
echo "The page: $out/report.html"

# For the scripts beside this one, to be sourced: documents become a corpus, a database and neighbour tables.
# corpus_with_neighbours FOLDER TOKENIZER DOCUMENTS…
# Reads RETRO, RETRO_ENCODER, VALID_FRACTION, SEQ_LEN, K and RERANK. The database holds the training documents only: what is held out is
# in neither.
corpus_with_neighbours() {
  local folder=$1 tokenizer=$2 part
  shift 2
  "$RETRO" corpus build --input "$@" --tokenizer "$tokenizer" --append-eos --valid-fraction "$VALID_FRACTION" --out "$folder/corpus"
  "$RETRO" index build --input "$folder/corpus" --tokenizer "$tokenizer" --out "$folder/db"
  for part in train valid; do
    "$RETRO" neighbours build --corpus "$folder/corpus" --part $part --db "$folder/db" --seq-len "$SEQ_LEN" --k "$K" --rerank "$RERANK" \
      --out "$folder/neighbours-$part"
  done
}

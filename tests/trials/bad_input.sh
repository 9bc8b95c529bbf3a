#!/usr/bin/env bash
# What bad input gets, tried on the built program with the real encoder and decoder: each trial must end with the exit status and
# the words that are given here, and leave the good database whole. Run as root it also tries a full disk and a read-only one.
#   tests/trials/bad_input.sh [FOLDER]     FOLDER: where to work (a few GiB), default a temporary one; the report is on stdout
set -uo pipefail
readonly root=$(cd "$(dirname "$0")/../.." && pwd)
readonly retro=${RETRO:-$root/build/release/cli/retro}
readonly gguf=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf
export RETRO_MODEL=$gguf RETRO_ENCODER=$root/.deps/models/all-MiniLM-L6-v2
readonly work=${1:-$(mktemp -d)}
mkdir -p "$work"
cd "$work" || exit 1
failures=0 trials=0

# expect NAME STATUS WORDS COMMAND…: WORDS is an extended regular expression that a line of stderr must match.
expect() {
  local name=$1 status=$2 words=$3 got
  shift 3
  trials=$((trials + 1))
  "$@" >trial.out 2>trial.err
  got=$?
  if [ $got = "$status" ] && { [ -z "$words" ] || grep -qE -- "$words" trial.err; }; then
    printf 'ok    %-44s %s\n' "$name" "$(grep -E -- "$words" trial.err | tail -n 1 | cut -c1-200)"
  else
    failures=$((failures + 1))
    printf 'FAIL  %-44s exit %s, expected %s and "%s"; stderr ends with: %s\n' "$name" $got "$status" "$words" "$(tail -n 2 trial.err | cut -c1-300)"
  fi
}
whole() { expect "$1: the old state is whole" 0 "" "$retro" -q index verify --db good; }
copy() { rm -rf bad && cp -r good bad; }
flip() {  # FILE OFFSET: one bit
  local byte
  byte=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
  printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
lines() { zcat "$root/datasets/samples/wiki_vital_en.jsonl.gz" | sed -n "$1"; }

lines '1,300p' >docs.jsonl
lines '301,400p' >other.jsonl
[ -e good/manifest.json ] || "$retro" -q index build --input docs.jsonl --out good --keep-embeddings >/dev/null || exit 1
[ -e other/manifest.json ] || "$retro" -q index build --input other.jsonl --out other --keep-embeddings >/dev/null || exit 1

# Values.
expect "--k 0" 2 "k" "$retro" -q search --db good --k 0 "a question"
expect "--k above the number of chunks" 0 "" "$retro" -q search --db good --k 100000 "a question"
expect "an unknown option" 2 "did you mean --chunk-len" "$retro" index build --input docs.jsonl --out bad-out --chunk-lenght 3
expect "no such input" 1 "none\.jsonl" "$retro" -q index build --input none.jsonl --out bad-out
expect "an empty question" 2 "empty" "$retro" -q ask --db good ""

# Documents.
: >empty.jsonl
expect "an empty corpus" 2 "no document with text in empty.jsonl" "$retro" -q index build --input empty.jsonl --out bad-out
printf '%s\n' '{"id":"a","text":""}' '{"id":"b","text":" "}' >blank.jsonl
expect "only empty documents" 2 "no document with text in blank.jsonl" "$retro" -q index build --input blank.jsonl --out bad-out
(cat docs.jsonl; head -n 2 docs.jsonl) >twice.jsonl
expect "duplicate ids" 0 "duplicate|twice|same id" "$retro" index build --input twice.jsonl --out bad-twice
(head -n 40 docs.jsonl; echo '{"id": broken'; printf '{"id":"u","text":"\xff\xfe bad"}\n') >badlines.jsonl
expect "bad lines and bad UTF-8 are counted" 0 "line 41|:41" "$retro" index build --input badlines.jsonl --out bad-lines
expect "bad lines end it when asked so" 1 ":41|line 41" "$retro" -q index build --input badlines.jsonl --out bad-out --stop-on-bad-input
(head -n 40 docs.jsonl; printf '{"id":"long","text":"'; head -c 1073741824 /dev/zero | tr '\0' 'x'; echo '"}'; lines '301,302p') >gib.jsonl
expect "one line of 1 GiB" 0 "long" /usr/bin/env bash -c "ulimit -v 6000000; exec \"$retro\" index build --input gib.jsonl --out bad-gib"
rm -f gib.jsonl

# Files of a database.
for file in vectors.index manifest.json embeddings/block-00000.embeddings $(cd good && ls chunks/*.sst | head -n 1); do
  copy; rm "bad/$file"
  expect "missing: $file" 1 "$(basename "$file")" "$retro" -q search --db bad "a question"
  copy; truncate -s -9 "bad/$file"
  expect "truncated: $file" 1 "$(basename "$file")" "$retro" -q search --db bad "a question"
  copy; flip "bad/$file" $(($(stat -c %s "bad/$file") / 2))
  expect "one bit flipped: $file" 1 "$(basename "$file")" "$retro" -q search --db bad "a question"
  copy; cp "other/$file" "bad/$file" 2>/dev/null || cp "other/$(cd other && ls chunks/*.sst | head -n 1)" "bad/$file"
  [ "$file" = manifest.json ] || expect "of another database: $file" 1 "$(basename "$file")" "$retro" -q search --db bad "a question"
done
copy; cp other/manifest.json bad/manifest.json
expect "another database's manifest" 1 "bad/" "$retro" -q search --db bad "a question"
expect "another tokenizer" 2 "tokenizer" "$retro" -q search --db good --tokenizer "$RETRO_ENCODER/tokenizer.json" "a question"
cp -r "$RETRO_ENCODER" encoder 2>/dev/null; chmod -R u+w encoder
sed -i 's/"layer_norm_eps": *[^,]*/"layer_norm_eps": 1e-6/' encoder/config.json
expect "another encoder" 2 "encoder|embedder" "$retro" -q search --db good --encoder encoder "a question"

# Files of a model.
cp "$gguf" broken.gguf; chmod u+w broken.gguf; truncate -s 50000000 broken.gguf
expect "a truncated decoder" 1 "broken.gguf" "$retro" -q generate --model broken.gguf "Once"
cp "$gguf" broken.gguf; flip broken.gguf 9
expect "a decoder with a flipped header" 1 "broken.gguf" "$retro" -q generate --model broken.gguf "Once"
truncate -s 40000000 encoder/model.safetensors
expect "a truncated encoder" 1 "model.safetensors" "$retro" -q search --db good --encoder encoder "a question"
expect "a folder that is no model" 1 "other" "$retro" -q generate --model other "Once"

# The disk.
if [ "$(id -u)" = 0 ]; then
  mkdir -p small sealed
  mount -t tmpfs -o size=600k tmpfs small
  expect "a full disk" 1 "small" "$retro" -q index build --input docs.jsonl --out small/db
  umount small
  mount -t tmpfs tmpfs sealed && mount -o remount,ro sealed
  expect "no permission to write" 1 "sealed" "$retro" -q index build --input docs.jsonl --out sealed/db
  umount sealed
  mount -t tmpfs -o size=64M tmpfs small
  cp -r good small/good
  head -c 100M /dev/zero >small/fill 2>/dev/null
  expect "a full disk while replacing a database" 1 "small" "$retro" -q index build --input other.jsonl --out small/good --keep-embeddings
  rm small/fill
  expect "  then the old one is whole" 0 "" "$retro" -q index verify --db small/good
  umount small
fi

# Ctrl-C: stops, and the same command goes on.
lines '1,3000p' >many.jsonl
rm -rf stopped stopped.building
"$retro" index build --input many.jsonl --out stopped --block-chunks 256 >trial.out 2>stopped.err &
child=$!
while [ ! -e stopped.building/embeddings/block-00000.embeddings ] && kill -0 $child 2>/dev/null; do :; done
kill -INT $child
wait $child
status=$?
trials=$((trials + 1))
if [ $status = 1 ] && grep -q interrupted stopped.err; then
  echo "ok    Ctrl-C                                       $(tail -n 1 stopped.err)"
else
  failures=$((failures + 1)); echo "FAIL  Ctrl-C: exit $status: $(tail -n 1 stopped.err)"
fi
whole "all trials"
printf '%s trials, %s failed\n' $trials $failures
[ $failures = 0 ]

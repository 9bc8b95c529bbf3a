#!/usr/bin/env bash
# kill -9 in the middle of /v1/documents: a server is killed again and again while two clients add, replace and remove documents.
# After each kill the database must open and hold, for every document, what was acknowledged last or what was asked for since,
# whole, letter for letter.
#   tests/trials/kill_documents.sh [KILLS] [FOLDER]     default 100, in a temporary folder; the report is on stdout
set -uo pipefail
readonly root=$(cd "$(dirname "$0")/../.." && pwd)
readonly retro=${RETRO:-$root/build/release/cli/retro}
export RETRO_MODEL=$root/.deps/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf
export RETRO_ENCODER=$root/.deps/models/all-MiniLM-L6-v2
readonly kills=${1:-100} work=${2:-$(mktemp -d)}
readonly documents=8  # of each client
mkdir -p "$work"
cd "$work" || exit 1
failures=0 in_a_call=0
server=

fail() { failures=$((failures + 1)); echo "FAIL  $*"; }

# text NUMBER VERSION: some 10 chunks, all words of which tell the version.
text() {
  local i
  printf 'begin-%s-%s ' "$1" "$2"
  for ((i = 0; i < 60; i++)); do printf 'word-%s-%s-%s ' "$1" "$2" "$i"; done
  printf 'end-%s-%s' "$1" "$2"
}

start_server() {
  local i
  : >serve.out  # before the server is there to do it, or the loop would find what the last one said
  "$retro" -q serve --db db --port 0 --writable >serve.out 2>serve.err &
  server=$!
  for ((i = 0; i < 1200; i++)); do
    grep -q '^Ready' serve.out && break
    kill -0 $server 2>/dev/null || break
    sleep 0.1
  done
  url=$(sed -n 's/^Ready at \([^ ]*\).*/\1/p' serve.out)
  [ -n "$url" ]
}

# edit CLIENT ROUND: changes one document after the other until the server is gone. A line "try NUMBER VERSION" stands in the
# client's journal before each call, "done NUMBER VERSION" after each that was acknowledged; the version "-" is a removed one.
edit() {
  local client=$1 round=$2 i number version status
  for ((i = 0; ; i++)); do
    number=$((client * documents + RANDOM % documents))
    if [ $((RANDOM % 5)) = 0 ]; then
      version=-
      echo "try $number $version" >>"journal-$client"
      status=$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$url/v1/documents/trial-$number")
      [ "$status" = 404 ] && status=200
    else
      version=$round.$i
      echo "try $number $version" >>"journal-$client"
      status=$(printf '{"documents":[{"id":"trial-%s","text":"%s","source":"trial"}]}' "$number" "$(text "$number" "$version")" |
        curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @- "$url/v1/documents")
    fi
    [ "$status" = 000 ] && return
    [ "$status" = 200 ] || { echo "status $status" >>refused; continue; }
    echo "done $number $version" >>"journal-$client"
  done
}

# What the database holds: a line "NUMBER TEXT" for each document of the trial, without blanks, which chunks may lose.
contents() {
  "$retro" -q index export --db db --out chunks.jsonl >/dev/null 2>export.err || return 1
  sed -nE 's/.*"document":"trial-([0-9]+)".*"text":"([^"]*)".*/\1 \2/p' chunks.jsonl |
    awk '{ number = $1; $1 = ""; gsub(/ /, ""); all[number] = all[number] $0 } END { for (n in all) print n, all[n] }'
}

# check ROUND: compares the contents with the journals.
check() {
  local number version possible held expected ok
  contents >held || { fail "round $1: the database does not open: $(tail -n 1 export.err)"; return; }
  for ((number = 0; number < 2 * documents; number++)); do
    # The last acknowledged version and all that were tried after it.
    possible=$(awk -v n=$number 'BEGIN { versions = "-" }
      $2 != n { next }
      $1 == "try" { versions = versions " " $3 }
      $1 == "done" { versions = $3 }
      END { print versions }' "journal-$((number / documents))")
    held=$(sed -n "s/^$number //p" held)
    ok=no
    for version in $possible; do
      expected=
      [ "$version" = - ] || expected=$(text "$number" "$version" | tr -d ' ')
      [ "$held" = "$expected" ] && ok=yes
    done
    [ $ok = yes ] || fail "round $1: document $number is none of ($possible): ${held:0:60}…${held: -60}"
  done
}

if [ ! -e db/manifest.json ]; then
  zcat "$root/datasets/samples/wiki_vital_en.jsonl.gz" | head -n 100 >base.jsonl
  "$retro" -q index build --input base.jsonl --out db >/dev/null || exit 1
fi
: >refused
: >journal-0
: >journal-1
for ((round = 1; round <= kills; round++)); do
  start_server || { fail "round $round: the server does not start: $(tail -n 1 serve.err)"; break; }
  edit 0 "$round" &
  first=$!
  edit 1 "$round" &
  second=$!
  sleep "$((RANDOM % 3)).$((RANDOM % 10))$((RANDOM % 10))"
  kill -9 $server
  wait $server $first $second 2>/dev/null
  for client in 0 1; do
    [ "$(tail -n 1 "journal-$client" | cut -d ' ' -f 1)" = try ] && in_a_call=$((in_a_call + 1))
  done
  check "$round"
  if [ $((round % 10)) = 0 ]; then
    "$retro" -q index compact --db db >/dev/null 2>compact.err || fail "round $round: compact: $(tail -n 1 compact.err)"
    check "$round, compacted"
    echo "$round kills, $(cat journal-* | grep -c '^done') changes acknowledged, $failures failures"
  fi
done
"$retro" -q index verify --db db --tokenizer "$RETRO_MODEL" >verify.out 2>&1 || fail "verify: $(tail -n 1 verify.out)"
printf '%s kills, %s calls cut off, %s changes acknowledged, %s refused, %s failures\n' \
  "$((round - 1))" $in_a_call "$(cat journal-* | grep -c '^done')" "$(wc -l <refused)" $failures
[ $failures = 0 ]

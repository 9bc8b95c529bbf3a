#!/usr/bin/env python3
"""How a database grows: `retro index plan` against what is built, at several sizes.

    benchmarks/scaling.py --retro build/release/cli/retro --db DB --encoder DIR --tokenizer FILE --work DIR \\
        --sizes 10000,100000,1000000 --out scaling.json [--memory 1024]
    benchmarks/scaling_plots.py scaling.json docs

DB is a database of real text whose embeddings were kept (--keep-embeddings). Up to its own size its documents and rows are taken as
they are; beyond it they are copied, and a copy's row is moved by a part of the difference of two others drawn at random, at unit
length again: such rows have the spread of the real ones, and no two are the same.
`retro index import` makes the database of them: everything of `index build` but the embedding. Times are seconds of processor time,
since machines are shared; divide by the cores. Needs numpy. What it writes to WORK is removed size by size.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy

MOVED_BY = 0.35  # of the difference of two rows: the cosine with the real row is then about 0.9
BLOCK = 50_000


# A process counts as its own what the one that started it had in memory then: so a small one starts it, and reports.
LAUNCHER = """import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
json.dump([usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024], open(sys.argv[1], 'w'))
sys.exit(status != 0)
"""


def run(command):
    """Standard output, standard error, seconds of processor time, seconds by the clock, peak RSS in bytes."""
    command = [str(word) for word in command]
    with tempfile.TemporaryDirectory() as folder:
        usage = pathlib.Path(folder, 'usage')
        start = time.time()
        done = subprocess.run([sys.executable, '-c', LAUNCHER, usage, *command], capture_output=True, text=True)
        wall = time.time() - start
        if done.returncode != 0:
            sys.exit(f'{" ".join(command)} failed:\n{done.stderr}')
        cpu, peak = json.loads(usage.read_text())
    return done.stdout, done.stderr, cpu, wall, peak


def write_rows(real, rows, path):
    """The rows of the copies after the first are moved."""
    random = numpy.random.default_rng(rows)
    matrix = numpy.lib.format.open_memmap(path, mode='w+', dtype='<f4', shape=(rows, real.shape[1]))
    for begin in range(0, rows, BLOCK):
        numbers = numpy.arange(begin, min(rows, begin + BLOCK))
        block = real[numbers % len(real)]
        other = real[random.integers(0, len(real), len(numbers))] - real[random.integers(0, len(real), len(numbers))]
        moved = block + MOVED_BY * other
        moved /= numpy.linalg.norm(moved, axis=1, keepdims=True)
        matrix[begin:begin + len(numbers)] = numpy.where((numbers < len(real))[:, None], block, moved)
    matrix.flush()


def write_lines(source, rows, path):
    """Copies of the exported chunks, each under document ids of its own. Returns the numbers of documents and tokens."""
    documents = tokens = done = copy = 0
    with open(path, 'w') as lines:
        while done < rows:
            with open(source) as real:
                for line in real:
                    chunk = json.loads(line)
                    documents += chunk['position'] == 0
                    tokens += len(chunk['tokens'])
                    keep = {'document': f'{copy}:{chunk["document"]}', 'source': chunk['source'], 'position': chunk['position'],
                            'tokens': chunk['tokens']}
                    lines.write(json.dumps(keep, separators=(',', ':')) + '\n')
                    done += 1
                    if done == rows:
                        break
            copy += 1
    return documents, tokens


def size_of(path):
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob('*') if file.is_file())


def seconds_of(log, label):
    """Of the last line that progress wrote with this label."""
    found = re.findall(rf'^{label}: [\d,]+ \w+ in (?:(\d+):)?(?:(\d+):)?([\d.]+) ', log, re.M)
    if not found:
        return None
    first, second, last = found[-1]
    return (int(first or 0) * (3600 if second else 60)) + int(second or 0) * 60 + float(last)


def measure(arguments, real, source, rows, rates):
    folder = arguments.work / str(rows)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_rows(real, rows, folder / 'rows.npy')
    documents, tokens = write_lines(source, rows, folder / 'chunks.jsonl')
    models = ['--encoder', arguments.encoder, '--tokenizer', arguments.tokenizer]
    command = [arguments.retro, '--threads', arguments.threads, 'index', 'import', '--input', folder / 'chunks.jsonl', '--embeddings',
               folder / 'rows.npy', '--out', folder / 'db', '--memory', arguments.memory, '--check-chunks', 0, *models]
    if arguments.factory:
        command += ['--factory', arguments.factory]
    _, log, cpu, wall, peak = run(command)
    (folder / 'rows.npy').unlink()
    (folder / 'chunks.jsonl').unlink()
    manifest = json.loads((folder / 'db/manifest.json').read_text())
    index = manifest['counts']['index']
    search_peak = run([arguments.retro, '--threads', 1, 'search', '--db', folder / 'db', '--k', 10, 'What is a river?'])[4]
    plan = json.loads(run([arguments.retro, '--threads', arguments.threads, '--json', 'index', 'plan', '--tokens', tokens,
                           '--document-len', tokens / documents, '--recall', 0.95,
                           '--multiply-add-rate', rates['multiply_adds_per_s'], '--code-ns', rates['code_ns']])[0])
    result = {'chunks': rows, 'documents': documents, 'tokens': tokens, 'memory': arguments.memory << 20, 'factory': index['factory'], 'cpu_s': cpu, 'wall_s': wall, 'peak_rss': peak,
              'train_s': seconds_of(log, 'train'), 'codes_s': seconds_of(log, 'codes'), 'merge_s': seconds_of(log, 'index'),
              'recall': index['recall_at_10'], 'nprobe': index['nprobe'], 'rerank_factor': index['rerank_factor'],
              'query_us': index.get('query_us'), 'search_peak_rss': search_peak,
              'bytes': {name: size_of(folder / 'db' / name) for name in ('chunks', 'vectors.index', 'embeddings')
                        if (folder / 'db' / name).exists()},
              'plan': plan}
    shutil.rmtree(folder)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--retro', required=True)
    parser.add_argument('--db', required=True)
    parser.add_argument('--encoder', required=True)
    parser.add_argument('--tokenizer', required=True)
    parser.add_argument('--work', type=pathlib.Path, required=True)
    parser.add_argument('--sizes', default='10000,100000,1000000')
    parser.add_argument('--memory', type=int, default=1024, help='MiB of index import')
    parser.add_argument('--factory', default='', help='index string; default: chosen by the size')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--out', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    source = arguments.work / 'real'
    if not source.with_suffix('.npy').exists():
        run([arguments.retro, 'index', 'export', '--db', arguments.db, '--tokenizer', arguments.tokenizer, '--out',
             source.with_suffix('.jsonl'), '--embeddings', source.with_suffix('.npy')])
    real = numpy.load(source.with_suffix('.npy'))
    rates = json.loads(run([arguments.retro, '--threads', arguments.threads, '--json', 'index', 'plan', '--tokens', '1M'])[0])['rates']
    done = json.loads(arguments.out.read_text()) if arguments.out.exists() else {'sizes': []}
    done['rates'] = rates
    for rows in map(int, arguments.sizes.split(',')):
        result = measure(arguments, real, source.with_suffix('.jsonl'), rows, rates)
        done['sizes'] = sorted([size for size in done['sizes'] if size['chunks'] != rows] + [result], key=lambda size: size['chunks'])
        arguments.out.write_text(json.dumps(done, indent=1) + '\n')
        print(json.dumps({key: value for key, value in result.items() if key != 'plan'}), flush=True)


main()

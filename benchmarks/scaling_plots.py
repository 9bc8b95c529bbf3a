#!/usr/bin/env python3
"""Plots of what benchmarks/scaling.py measured, as SVG files: benchmarks/scaling_plots.py scaling.json docs/scaling

Both axes are logarithmic; what was measured is a line with points, the plan a dashed one.
"""
import json
import math
import pathlib
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 340, 70, 20, 40, 50
COLOURS = ['#1f6f8b', '#c8553d', '#588157', '#6d597a']


def ticks(low, high):
    return [10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def label(value):
    for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if value >= size:
            return f'{value / size:g} {unit}'
    return f'{value:g}'


class Plot:
    def __init__(self, title, x_name, y_name, series):
        """series: (name, points [(x, y)], whether it is planned); points without a value above 0 are left out."""
        self.title, self.x_name, self.y_name = title, x_name, y_name
        self.series = [(name, [(x, y) for x, y in points if y and y > 0], planned) for name, points, planned in series]
        xs = [x for _, points, _ in self.series for x, _ in points]
        ys = [y for _, points, _ in self.series for _, y in points]
        self.x_ticks, self.y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))

    def place(self, x, y):
        def share(value, marks):
            return (math.log10(value) - math.log10(marks[0])) / (math.log10(marks[-1]) - math.log10(marks[0]) or 1)
        return (LEFT + share(x, self.x_ticks) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - share(y, self.y_ticks) * (HEIGHT - TOP - BOTTOM))

    def grid(self):
        for tick in self.x_ticks:
            x, _ = self.place(tick, self.y_ticks[0])
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label(tick)}</text>'
        for tick in self.y_ticks:
            _, y = self.place(self.x_ticks[0], tick)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label(tick)}</text>'
        yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{self.x_name}</text>'
        yield f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">{self.y_name}</text>'
        yield f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{self.title}</text>'

    def lines(self):
        names = list(dict.fromkeys(name for name, _, _ in self.series))
        for name, points, planned in self.series:
            colour = COLOURS[names.index(name) % len(COLOURS)]
            path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in (self.place(*point) for point in points))
            dash = ' stroke-dasharray="6 4"' if planned else ''
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
            if not planned:
                for x, y in (self.place(*point) for point in points):
                    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        for row, name in enumerate(names):
            y = TOP + 14 + 16 * row
            yield f'<rect x="{LEFT + 8}" y="{y - 8}" width="10" height="10" fill="{COLOURS[row % len(COLOURS)]}"/>'
            yield f'<text x="{LEFT + 24}" y="{y + 1}">{name}</text>'

    def save(self, path):
        body = '\n'.join([*self.grid(), *self.lines()])
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">\n'
                        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n')


def main():
    measured = json.loads(pathlib.Path(sys.argv[1]).read_text())
    sizes, folder = measured['sizes'], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)

    def line(value):
        return [(size['chunks'], value(size)) for size in sizes]

    def planned(kind):
        return line(lambda size: size['plan']['bytes'][kind])

    def index_bytes(size):
        return size['plan']['bytes']['codes'] + size['plan']['bytes']['centroids']

    Plot('Disk by file, bytes', 'chunks', 'bytes', [
        ('chunk store', line(lambda size: size['bytes']['chunks']), False), ('chunk store', planned('store'), True),
        ('index', line(lambda size: size['bytes']['vectors.index']), False), ('index', line(index_bytes), True),
        ('embeddings', line(lambda size: size['bytes'].get('embeddings')), False), ('embeddings', planned('embeddings'), True),
    ]).save(folder / 'disk.svg')
    if all(size['search_peak_rss'] for size in sizes):
        Plot('Peak memory, bytes', 'chunks', 'bytes', [
            ('import', line(lambda size: size['peak_rss']), False),
            ('search, one query', line(lambda size: size['search_peak_rss']), False),
            ('index alone', line(lambda size: size['plan']['bytes']['ram_of_a_worker']), True),
        ]).save(folder / 'memory.svg')
    if not any(size['query_us'] for size in sizes):
        return  # nothing was timed
    Plot('Processor time of the import, seconds', 'chunks', 's', [
        ('all but embedding', line(lambda size: size['cpu_s']), False),
        ('training and adding', line(lambda size: 3600 * measured['rates']['cores'] * (size['plan']['hours']['training'] +
                                                                                       size['plan']['hours']['adding'])), True),
    ]).save(folder / 'time.svg')
    Plot('A query at recall 0.95, microseconds', 'chunks', 'µs on one core', [
        ('search', line(lambda size: size['query_us'] and size['query_us'] * measured['rates']['cores']), False),
        ('search', line(lambda size: size['plan']['query_ms'] * 1000), True),
    ]).save(folder / 'latency.svg')


main()

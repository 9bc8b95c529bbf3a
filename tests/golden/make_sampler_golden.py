"""Prints the choices that tests/model/sampler_test.cc expects: the sampler's rules once more, in double precision."""
import math

MASK = (1 << 64) - 1


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniforms(seed, sequence, n):
    stream = mix((mix(seed) + sequence) & MASK)
    return [(mix((stream + i) & MASK) >> 11) * 2.0**-53 for i in range(n)]


def draw(candidates, uniform):
    left = uniform * sum(weight for weight, _ in candidates)
    for weight, token in candidates:
        left -= weight
        if left < 0:
            return token
    return candidates[-1][1]


def best(weights, top_k, top_p):
    order = sorted(((w, t) for t, w in enumerate(weights)), key=lambda c: (-c[0], c[1]))[:top_k]
    total, mass = sum(w for w, _ in order), 0
    for i, (weight, _) in enumerate(order):
        mass += weight
        if mass >= top_p * total:
            return order[: i + 1]
    return order


logits = [(i * 37) % 100 / 16 for i in range(100)]
for temperature, top_k, top_p in ((1, 0, 1), (0.75, 20, 0.9)):
    weights = [math.exp((x - max(logits)) / temperature) for x in logits]
    candidates = best(weights, top_k, top_p) if top_k else [(w, t) for t, w in enumerate(weights)]
    print(", ".join(str(draw(candidates, u)) for u in uniforms(42, 3, 10)))

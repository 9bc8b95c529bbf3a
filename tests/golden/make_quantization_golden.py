"""Random blocks of every weight type, and what the Python package `gguf` makes of them.

Writes quantization/blocks.gguf (one tensor a type, 2 rows) and expected.safetensors (the same names in fp32).
Needs: pip install gguf safetensors numpy. Run: python tests/golden/make_quantization_golden.py
"""

import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent / "quantization"
# Type -> byte positions of the fp16 scales of a block, which must stay small and finite.
SCALES = {
    Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def random_blocks(kind, rng):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    per_row = 1 if elements == 256 else 3
    blocks = rng.integers(0, 256, (2, per_row, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = rng.normal(0, 0.05, (2, per_row, 1)).astype(np.float16)
        blocks[:, :, at:at + 2] = scales.view(np.uint8).reshape(2, per_row, 2)
    return blocks.reshape(2, per_row * size)


def main():
    rng = np.random.default_rng(20240607)
    writer = gguf.GGUFWriter(HERE / "blocks.gguf", "llama")
    expected = {}
    for kind in SCALES:
        blocks = random_blocks(kind, rng)
        writer.add_tensor(kind.name, blocks, raw_dtype=kind)
        expected[kind.name] = quants.dequantize(blocks, kind)
    floats = rng.normal(0, 1, (2, 5)).astype(np.float32)
    for kind in (Type.F32, Type.F16, Type.BF16):
        stored = quants.quantize(floats, kind)
        if kind == Type.BF16:
            writer.add_tensor(kind.name, stored, raw_dtype=kind)
        else:
            writer.add_tensor(kind.name, stored)
        expected[kind.name] = quants.dequantize(stored, kind).astype(np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, HERE / "expected.safetensors")


if __name__ == "__main__":
    main()

"""A small safetensors file by the reference library. Writes safetensors/small.safetensors.

Needs: pip install safetensors numpy. Run: python tests/golden/make_safetensors_golden.py
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent / "safetensors"


def main():
    tensors = {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "halves": np.arange(4, dtype=np.float16),
        "ids": np.arange(3, dtype=np.int64),
        "flags": np.array([True, False, True]),
        "scalar": np.array(7, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "naïve ☕": np.array([1, 2, 3], dtype=np.uint8),
    }
    save_file(tensors, HERE / "small.safetensors", metadata={"format": "np", "note": "a \"quoted\" word"})


if __name__ == "__main__":
    main()

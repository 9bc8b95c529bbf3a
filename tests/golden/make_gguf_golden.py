"""A small GGUF file with every kind of metadata value and tensors of three types, by the Python package `gguf`.

Writes gguf/small.gguf. Needs: pip install gguf numpy. Run: python tests/golden/make_gguf_golden.py
"""

import pathlib

import gguf
import numpy as np
from gguf import GGUFValueType as Value

HERE = pathlib.Path(__file__).parent / "gguf"


def main():
    writer = gguf.GGUFWriter(HERE / "small.gguf", "llama")
    writer.add_custom_alignment(64)
    writer.add_uint8("a.uint8", 200)
    writer.add_int8("a.int8", -100)
    writer.add_uint16("a.uint16", 60000)
    writer.add_int16("a.int16", -30000)
    writer.add_uint32("a.uint32", 4000000000)
    writer.add_int32("a.int32", -2000000000)
    writer.add_uint64("a.uint64", 2**63)
    writer.add_int64("a.int64", -2**62)
    writer.add_float32("a.float32", 0.5)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "naïve ☕")
    writer.add_key_value("list.strings", ["Ġthe", "", "x" * 300], Value.ARRAY, Value.STRING)
    writer.add_key_value("list.ints", [3, -1, 7], Value.ARRAY, Value.INT32)
    writer.add_key_value("list.floats", [0.25, -2.0], Value.ARRAY, Value.FLOAT32)
    writer.add_tensor("matrix", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("halves", np.arange(4, dtype=np.float16))
    quantized = gguf.quants.quantize(np.arange(128, dtype=np.float32).reshape(2, 64), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("quantized", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

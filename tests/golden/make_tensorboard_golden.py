"""Writes tests/golden/tensorboard/events.bin with TensorBoard's own record writer and messages: what
tests/training/tensorboard_writer_test.cc must write byte by byte. With files as arguments it reads those with
TensorBoard's own reader instead and prints their curves."""
import pathlib
import sys

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = pathlib.Path(__file__).parent / "tensorboard" / "events.bin"


def scalars(step, wall_time, values):
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=t, simple_value=v) for t, v in values])
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary)


def write():
    events = [
        event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        event_pb2.Event(wall_time=1700000000.25, step=101,
                        session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
        scalars(101, 1700000001.5, [("train/loss", 3.25), ("train/lr", 3e-4)]),
        scalars(5_000_000_000, 1700000002.0, [("valid/" + "x" * 200, -1e-20)]),
    ]
    with GOLDEN.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()


def read(path):
    curves = event_accumulator.EventAccumulator(path)
    curves.Reload()
    for tag in curves.Tags()["scalars"]:
        print(tag, [(point.step, round(point.value, 6)) for point in curves.Scalars(tag)])


if sys.argv[1:]:
    for path in sys.argv[1:]:
        read(path)
else:
    write()

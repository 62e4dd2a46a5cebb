"""Runs an ONNX model for p2p: run_onnx.py MODEL THREADS.

A message is 8 bytes, the little-endian length of the JSON text that follows, then the bytes of the
arrays that the text lists. The first one, to standard output, describes the model. Then each batch
that comes on standard input is answered by the outputs that it asks for, until the input ends. A
failure is a message of its own, and the last.
"""
import sys

sys.path = [folder for folder in sys.path if folder]  # no modules from the current folder

import ctypes
import json
import math
import os
import struct

answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what libraries print is no answer


def say(message, arrays=()):
    text = json.dumps(message).encode()
    answers.write(struct.pack("<Q", len(text)) + text)
    for array in arrays:
        answers.write(array)
    answers.flush()


def hear():
    """The next message without its arrays; None at the end."""
    length = sys.stdin.buffer.read(8)
    if len(length) < 8:
        return None
    return json.loads(sys.stdin.buffer.read(*struct.unpack("<Q", length)))


def words(error):
    return str(error).encode("ascii", "backslashreplace").decode()


def port(described):
    sizes = [size if isinstance(size, int) and size > 0 else -1 for size in described.shape or []]
    return {"name": described.name, "type": described.type, "shape": sizes}


def hear_array(numpy, about):
    dtype = numpy.dtype(about["type"])
    data = sys.stdin.buffer.read(math.prod(about["shape"]) * dtype.itemsize)
    return numpy.frombuffer(data, dtype).reshape(about["shape"])


def array_bytes(value):
    if value.data_type() == "tensor(bfloat16)":  # NumPy has no such type
        return ctypes.string_at(value.data_ptr(), 2 * math.prod(value.shape()))
    return value.numpy().tobytes()


def serve(numpy, onnxruntime, model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised as well
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    say({"version": onnxruntime.__version__,
         "inputs": [port(described) for described in session.get_inputs()],
         "outputs": [port(described) for described in session.get_outputs()]})
    while (request := hear()) is not None:
        batch = {about["name"]: onnxruntime.OrtValue.ortvalue_from_numpy(hear_array(numpy, about))
                 for about in request["batch"]}
        values = session.run_with_ort_values(request["outputs"], batch)
        say({"tensors": [{"type": value.data_type(), "shape": value.shape()} for value in values]},
            [array_bytes(value) for value in values])


def main():
    try:
        import numpy
        import onnxruntime
    except Exception as error:
        say({"missing": words(error)})
        return
    try:
        serve(numpy, onnxruntime, sys.argv[1], int(sys.argv[2]))
    except Exception as error:
        say({"error": words(error), "version": onnxruntime.__version__})


main()

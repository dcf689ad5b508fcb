"""Tensors of a safetensors file, and how far results lie apart."""
import json
import struct

import numpy as np

TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "U8": np.uint8}


def read(path):
    """Arrays by name, and the file's metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def difference(results, tensors):
    """The largest difference of any result from Tapeline's output of that name, as a share of that output's largest value."""
    largest = 0.0
    for name, theirs in results.items():
        ours = tensors["output." + name].astype(np.float64)
        if ours.shape != tuple(theirs.shape):
            raise ValueError(f"{name} is {list(theirs.shape)} here and {list(ours.shape)} in Tapeline")
        apart = float(np.abs(ours - np.asarray(theirs, np.float64)).max())
        if not apart < float("inf"):  # also NaN
            raise ValueError(f"{name} is not finite")
        largest = max(largest, apart / max(float(np.abs(ours).max()), 1e-30))
    return largest


def network_input(work, arrays):
    """What a network, a convolution or an LSTM is given (images as NCHW), and the name of its output."""
    if work["kind"] == "network":
        return arrays["input.images"].transpose(0, 3, 1, 2), "logits"
    return (arrays["input.input"].transpose(0, 3, 1, 2) if work["op"] == "conv" else arrays["input.x"]), "y"


def to_ours(work, output):
    """Its output, as Tapeline lays it out."""
    return output.transpose(0, 2, 3, 1) if work.get("op") == "conv" else output

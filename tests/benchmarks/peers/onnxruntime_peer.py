"""onnxruntime on the ONNX file that export.py wrote."""
import numpy as np
import onnxruntime

import protocol
import tensors


def set_up(arguments):
    arrays, _ = tensors.read(arguments.dump)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(arguments.work["onnx"], options, providers=["CPUExecutionProvider"])
    x, name = tensors.network_input(arguments.work, arrays)
    x = np.ascontiguousarray(x)
    result = session.run(None, {"input": x})[0]
    return (lambda: session.run(None, {"input": x})), {"version": f"onnxruntime {onnxruntime.__version__}",
                                                       "difference": tensors.difference({name: tensors.to_ours(arguments.work, result)}, arrays)}


if __name__ == "__main__":
    given = protocol.arguments()
    protocol.serve(lambda: set_up(given))

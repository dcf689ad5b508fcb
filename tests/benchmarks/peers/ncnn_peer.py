"""ncnn on the files that export.py wrote. It has no batches: the images of one go through it one after the other. The variant
Vulkan runs it on the first Vulkan device, in fp32, which is also the faster way on Mesa's software driver."""
import ncnn
import numpy as np

import protocol
import tensors


def set_up(arguments):
    arrays, _ = tensors.read(arguments.dump)
    net = ncnn.Net()
    net.opt.num_threads = arguments.threads
    version = f"ncnn {ncnn.__version__}"
    if arguments.variant == "Vulkan":
        if ncnn.get_gpu_count() == 0:
            raise ValueError("ncnn finds no Vulkan device")
        net.opt.use_vulkan_compute = True
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        version += f" on {ncnn.get_gpu_info(0).device_name()}"
    prefix = arguments.work["ncnn"]
    if net.load_param(prefix + ".ncnn.param") or net.load_model(prefix + ".ncnn.bin"):
        raise ValueError(f"ncnn does not read {prefix}.ncnn.param")
    x, name = tensors.network_input(arguments.work, arrays)
    images = [np.ascontiguousarray(image) for image in x]

    def read():
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(image))
            status, output = extractor.extract("out0")
            if status:
                raise ValueError(f"ncnn returned {status}")
            results.append(np.array(output))
        return results

    result = tensors.to_ours(arguments.work, np.stack(read()))
    return read, {"version": version, "difference": tensors.difference({name: result}, arrays)}


if __name__ == "__main__":
    given = protocol.arguments()
    protocol.serve(lambda: set_up(given))

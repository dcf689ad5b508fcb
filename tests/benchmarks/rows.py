"""What is measured. A row's `work` is handed to every side as it is (sides.py, peers/)."""
import dataclasses
import fnmatch

CRNN = ("[1,32,{width},1 Cr3,3,64 Mp2,2 Cr3,3,128 Mp2,2 Cl3,3,256 Bn Ar Cr3,3,256 Mp2,1 Cl3,3,512 Bn Ar Cr3,3,512 Mp2,1 "
        "Cvl2,2,512 Bn Ar S1(1x0)1,3 Lbx256 Lbx256 O1c]")
# Fifteen characters for arithmetic; for words 36, of which the rendered pictures hold the same fifteen.
CHARSETS = {"captcha": "0123456789+-*()", "crnn-body": "0123456789+-*()abcdefghijklmnopqrstu"}

TRAINING = (("torch", "contiguous"), ("torch", "channels_last"), ("torch", "compile"))
TRAINING_BF16 = (("torch", "bf16"), ("torch", "compile-bf16"))
INFERENCE = (*TRAINING, ("onnxruntime", ""), ("ncnn", ""))
VULKAN = (("ncnn", "Vulkan"),)
SINGLE = (("torch", "contiguous"), ("torch", "channels_last"), ("onnxruntime", ""), ("ncnn", ""))
TORCH = (("torch", "contiguous"),)


@dataclasses.dataclass(frozen=True)
class Row:
    key: str
    title: str
    work: dict = dataclasses.field(compare=False)
    peers: tuple = ()
    tolerance: float = 1e-3  # of the largest value of an output
    images: int = 0          # of one repetition; 0: not a matter of images
    flops: float = 0         # of one repetition, where its share of the peak is of interest
    memory: bool = False     # the peak resident memory is of interest
    quick: bool = False      # also with --quick


def network(key, title, preset, mode, batch, peers, **more):
    choices = {"precision": more.pop("precision", "fp32"), "device": more.pop("device", "cpu")}
    work = {"kind": "network", "preset": preset, "mode": mode, "batch": batch, **choices}
    return Row(key, title, work, peers, images=batch, memory=mode == "train", **more)


def op(key, title, name, size, peers, backward=False, **more):
    return Row(key, title, {"kind": "op", "op": name, "size": size, "backward": backward}, peers, **more)


def gemm(m, k, n, **more):
    return op(f"gemm-{m}x{k}x{n}", f"SGEMM {m} x {k} x {n}", "gemm", [m, k, n], TORCH, flops=2 * m * k * n, **more)


def conv(batch, backward, peers, **more):
    size = [batch, 30, 90, 64, 128]
    return op(f"conv-b{batch}{'-backward' if backward else ''}",
              f"convolution 3x3, 64 to 128 channels, 30x90, batch {batch}{', with gradients' if backward else ''}", "conv", size,
              peers, backward, flops=(3 if backward else 1) * 2 * 9 * batch * 30 * 90 * 64 * 128, **more)


def lstm(batch, backward, peers, **more):
    return op(f"lstm-b{batch}{'-backward' if backward else ''}",
              f"LSTM both ways, 24 frames, 512 to 2 x 256, batch {batch}{', with gradients' if backward else ''}", "lstm",
              [batch, 24, 512, 256], peers, backward, **more)


ROWS = (
    network("captcha-train", "`captcha` training step, batch 64, fp32", "captcha", "train", 64, TRAINING, quick=True),
    network("captcha-train-bf16", "`captcha` training step, batch 64, bf16", "captcha", "train", 64, TRAINING_BF16,
            precision="bf16", tolerance=5e-2),
    network("crnn-train", "`crnn-body` training step, batch 64", "crnn-body", "train", 64, TRAINING),
    network("crnn-infer-b1", "`crnn-body` inference, batch 1", "crnn-body", "infer", 1, INFERENCE, quick=True),
    network("crnn-infer-b32", "`crnn-body` inference, batch 32", "crnn-body", "infer", 32, INFERENCE),
    network("crnn-vulkan-b1", "`crnn-body` inference on Vulkan, batch 1", "crnn-body", "infer", 1, VULKAN, device="vulkan"),
    network("crnn-vulkan-b16", "`crnn-body` inference on Vulkan, batch 16", "crnn-body", "infer", 16, VULKAN, device="vulkan"),
    op("ctc-32", "CTC loss and gradient with log-softmax, 32 x 45 frames x 15 classes", "ctc", [32, 45, 15, 5], TORCH, quick=True),
    op("ctc-256", "the same, 256 x 26 x 37", "ctc", [256, 26, 37, 5], TORCH),
    gemm(512, 512, 512, quick=True),
    gemm(1024, 1024, 1024),
    gemm(32, 1024, 256),
    conv(1, False, SINGLE),
    conv(32, False, SINGLE),
    conv(32, True, SINGLE[:2]),
    lstm(1, False, (*TORCH, *SINGLE[2:])),
    lstm(32, False, (*TORCH, *SINGLE[2:])),
    lstm(64, True, TORCH),
    Row("recognize-1000", "the whole command: `recognize` on 1,000 PNG files of 32x100 with `crnn-body`",
        {"kind": "command", "preset": "crnn-body", "files": 1000}, (("recognize", "workers=0"), ("recognize", "workers=2")),
        images=1000),
    Row("first-image", "from process start to the first recognised image, `crnn-body`",
        {"kind": "command", "preset": "crnn-body", "files": 1}, (("recognize", "workers=0"),), images=1),
    Row("scaling", "`captcha` training step, batch 64, one thread and two",
        {"kind": "network", "preset": "captcha", "mode": "train", "batch": 64, "scaling": True}, images=64),
)

# For the chart: (what varies, its values)
CURVES = (("batch", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)), ("width", (32, 64, 128, 256, 512, 1024, 2048, 4096)))
# For the table of kernels: (preset, mode, batch)
PROFILES = (("captcha", "train", 64), ("crnn-body", "train", 64), ("crnn-body", "infer", 32), ("crnn-body", "infer", 1))


def choose(pattern, quick):
    """The rows whose key matches one of the patterns with commas between them: `crnn-*,gemm-*`."""
    patterns = pattern.split(",")
    return [row for row in ROWS if any(fnmatch.fnmatch(row.key, p) for p in patterns) and (row.quick or not quick)]

"""PyTorch on this machine's first CUDA device: the networks of tests/benchmarks and single operations. measure.py calls it.

Tried are f32 (tf32 where PyTorch takes it), bf16 autocast with channels_last, and that with torch.compile and CUDA graphs, all
with cuDNN's own search; the best counts.
"""
import os
import statistics
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "benchmarks", "peers"))
import networks  # noqa: E402

CLASSES = 37  # 0-9, a-z and the blank
NETWORKS = {"captcha": (networks.captcha, 60, 180), "crnn-body": (networks.crnn_body, 32, 100)}


def median_ms(work, repetitions=30):
    for _ in range(5):
        work()
    times = []
    for _ in range(repetitions):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def network_step(preset, mode, batch, bf16, layout, compiled):
    make, height, width = NETWORKS[preset]
    net = make(CLASSES)
    images = torch.randn(batch, 1, height, width, device="cuda")
    net = net.cuda().train(mode == "train")
    if layout == "channels_last":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    forward = torch.compile(net, mode="reduce-overhead") if compiled else net
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    targets = torch.randint(1, CLASSES, (batch, 5), device="cuda")
    lengths = torch.full((batch,), 5, device="cuda")

    def step():
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            if mode == "infer":
                with torch.inference_mode():
                    return forward(images)
            logits = forward(images)
        log_p = F.log_softmax(logits.float(), -1).transpose(0, 1)
        frames = torch.full((batch,), log_p.shape[0], device="cuda")
        loss = F.ctc_loss(log_p, targets, frames, lengths)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def best_network(preset, mode, batch):
    results = []
    for bf16, layout, compiled in ((False, "contiguous", False), (True, "channels_last", False), (True, "channels_last", True)):
        name = ", ".join([("bf16" if bf16 else "f32"), layout] + (["torch.compile"] if compiled else []))
        try:
            results.append((median_ms(network_step(preset, mode, batch, bf16, layout, compiled)), name))
        except Exception as error:  # a way that does not work on this machine does not count
            print(f"<!-- {preset} {mode} {batch} {name}: {str(error).splitlines()[0]} -->")
        torch._dynamo.reset()
        torch.cuda.empty_cache()
    return min(results, default=None)


def conv():
    images = torch.randn(512, 64, 16, 50, device="cuda").to(memory_format=torch.channels_last).requires_grad_()
    layer = torch.nn.Conv2d(64, 128, 3, padding=1, bias=False).cuda().to(memory_format=torch.channels_last)
    return {"cuDNN": lambda: layer(images).sum().backward()}


def lstm():
    x = torch.randn(512, 26, 512, device="cuda", requires_grad=True)
    layer = torch.nn.LSTM(512, 256, batch_first=True, bidirectional=True).cuda()
    return {"cuDNN": lambda: layer(x)[0].sum().backward()}


def ctc():
    logits = torch.randn(26, 512, 37, device="cuda", requires_grad=True)
    targets = torch.randint(1, 37, (512, 5), dtype=torch.int32)
    frames, lengths = torch.full((512,), 26, dtype=torch.int32), torch.full((512,), 5, dtype=torch.int32)
    on_card = targets.cuda(), frames.cuda(), lengths.cuda()

    def loss(t, f, n):
        F.ctc_loss(F.log_softmax(logits.float(), -1), t, f, n, reduction="sum").backward()

    return {"native": lambda: loss(*on_card), "cuDNN": lambda: loss(targets.flatten(), frames, lengths)}


def gemm():
    a, b = torch.randn(4096, 4096, device="cuda"), torch.randn(4096, 4096, device="cuda")
    return {"cuBLAS": lambda: a @ b}


def best_op(name):
    results = []
    for way, work in {"conv": conv, "lstm": lstm, "ctc": ctc, "gemm": gemm}[name]().items():
        for bf16 in (False, True):
            with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
                results.append((median_ms(work), f"{way}, {'bf16' if bf16 else 'f32'}"))
    return min(results)


def best(row):
    """(milliseconds, way) of a row of measure.py; None where no way works."""
    return best_network(*row.network, row.images) if row.network else best_op(row.op[0])


def usable():
    return torch.cuda.is_available()


def about():
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return f"beside it PyTorch {torch.__version__}"

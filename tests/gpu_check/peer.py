#!/usr/bin/env python3
"""PyTorch on this machine's first CUDA device: the networks of tests/benchmarks and some of their parts alone.

Each is tried with f32, bf16 autocast, channels_last, torch.compile (CUDA graphs) and cuDNN's own search; the best counts.
Prints Markdown.
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
    forward = torch.compile(net, mode="max-autotune") if compiled else net
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


def best_of(preset, mode, batch):
    results = []
    for bf16 in (False, True):
        for layout in ("contiguous", "channels_last"):
            for compiled in (False, True):
                name = " + ".join([("bf16" if bf16 else "f32"), layout] + (["torch.compile"] if compiled else []))
                try:
                    results.append((median_ms(network_step(preset, mode, batch, bf16, layout, compiled)), name))
                except Exception as error:  # a way that does not work on this machine does not count
                    print(f"<!-- {preset} {mode} {batch} {name}: {str(error).splitlines()[0]} -->")
                torch._dynamo.reset()
    return min(results)


def parts():
    """Kernels alone, with their gradients: (name, work)."""
    x = torch.randn(512, 26, 512, device="cuda", requires_grad=True)
    lstm = torch.nn.LSTM(512, 256, batch_first=True, bidirectional=True).cuda()
    logits = torch.randn(26, 512, 37, device="cuda", requires_grad=True)
    targets = torch.randint(1, 37, (512, 5), dtype=torch.int32)
    frames, lengths = torch.full((512,), 26, dtype=torch.int32), torch.full((512,), 5, dtype=torch.int32)
    targets_gpu, frames_gpu, lengths_gpu = targets.cuda(), frames.cuda(), lengths.cuda()
    images = torch.randn(512, 64, 16, 50, device="cuda").to(memory_format=torch.channels_last).requires_grad_()
    conv = torch.nn.Conv2d(64, 128, 3, padding=1).cuda().to(memory_format=torch.channels_last)
    a, b = torch.randn(4096, 4096, device="cuda"), torch.randn(4096, 4096, device="cuda")

    def conv_step():
        conv(images).sum().backward()

    def ctc(t, f, n):
        F.ctc_loss(F.log_softmax(logits, -1), t, f, n, reduction="sum").backward()

    yield "BiLSTM 512 to 256, 26 frames, batch 512, both ways", lambda: lstm(x)[0].sum().backward()
    yield "CTC 512 x 26 x 37, native, both ways", lambda: ctc(targets_gpu, frames_gpu, lengths_gpu)
    yield "CTC 512 x 26 x 37, cuDNN where it can, both ways", lambda: ctc(targets.flatten(), frames, lengths)
    yield "convolution 3x3, 64 to 128, 16x50, batch 512, both ways", conv_step
    yield "product 4096, f32", lambda: a @ b


def main():
    torch.backends.cudnn.benchmark = True
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}\n")
    print("| network | what | batch | ms | images/s | way |\n|---|---|---|---|---|---|")
    for preset in ("captcha", "crnn-body"):
        for mode, batch in (("train", 64), ("train", 512), ("train", 4096), ("infer", 1), ("infer", 512)):
            ms, way = best_of(preset, mode, batch)
            print(f"| {preset} | {mode} | {batch} | {ms:.3f} | {1e3 * batch / ms:.0f} | {way} |", flush=True)
    print("\n| alone | ms, f32 | ms, bf16 |\n|---|---|---|")
    for name, work in parts():
        with torch.autocast("cuda", torch.bfloat16, enabled=False):
            f32 = median_ms(work)
        with torch.autocast("cuda", torch.bfloat16):
            bf16 = median_ms(work)
        print(f"| {name} | {f32:.3f} | {bf16:.3f} |", flush=True)


if __name__ == "__main__":
    main()

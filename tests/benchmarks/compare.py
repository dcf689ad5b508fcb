#!/usr/bin/env python3
"""Tapeline beside PyTorch: the same networks, batches and threads, measured in turn in one run.

Each case is measured in rounds; in each round Tapeline's bench command and then PyTorch, in a process of its own, warm up and
take the median of many repetitions. Printed are the medians over the rounds, and the median of the rounds' ratios.
PyTorch runs contiguous and channels_last (and with --compile through torch.compile); its best counts.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

CASES = {
    "captcha, training step, batch 64": ("captcha", "train", 64),
    "crnn-body, inference, batch 1": ("crnn-body", "infer", 1),
    "crnn-body, inference, batch 32": ("crnn-body", "infer", 32),
}


CHARSETS = {"captcha": "0123456789+-*()", "crnn-body": "0123456789abcdefghijklmnopqrstuvwxyz"}


def torch_network(preset):
    import torch
    from torch import nn

    class Columns(nn.Module):
        def forward(self, x):  # [N, C, H, W] -> [N, W, H * C]
            return x.permute(0, 3, 2, 1).flatten(2)

    class Recurrent(nn.Module):
        def __init__(self, *size, dropout=0.0, both=False):
            super().__init__()
            self.lstm = nn.LSTM(*size, batch_first=True, bidirectional=both)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x):
            return self.dropout(self.lstm(x)[0])

    def conv(i, o, pool=None, norm=False, slope=0.0, kernel=3, padding=1):
        layers = [nn.Conv2d(i, o, kernel, padding=padding, bias=not norm)]
        layers += [nn.BatchNorm2d(o)] if norm else []
        layers += [nn.LeakyReLU(slope) if slope else nn.ReLU()]
        layers += [nn.MaxPool2d(pool, pool, ceil_mode=True)] if pool else []
        return layers

    if preset == "captcha":
        layers, channels = [], 1
        for out in (64, 128, 128, 64):
            layers += conv(channels, out, (2, 2), True, 0.01)
            channels = out
        layers += [Columns(), Recurrent(256, 128, dropout=0.2), Recurrent(128, 128, dropout=0.2), nn.Linear(128, 16)]
        return nn.Sequential(*layers), (60, 180), 16
    layers = [*conv(1, 64, (2, 2)), *conv(64, 128, (2, 2)), *conv(128, 256, None, True), *conv(256, 256, (2, 1)),
              *conv(256, 512, None, True), *conv(512, 512, (2, 1)), *conv(512, 512, None, True, kernel=2, padding=0),
              Columns(), Recurrent(512, 256, both=True), Recurrent(512, 256, both=True), nn.Linear(512, 37)]
    return nn.Sequential(*layers), (32, 100), 37


def measure_torch(preset, mode, batch, threads, layout, compiled):
    """Median milliseconds, in this process."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net, (height, width), classes = torch_network(preset)
    net.train(mode == "train")
    images = torch.randn(batch, 1, height, width)
    if layout == "channels_last":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    forward = torch.compile(net) if compiled else net
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    targets = torch.randint(1, classes, (batch, 5))

    def step():
        if mode == "infer":
            with torch.inference_mode():
                return forward(images)
        logits = F.log_softmax(forward(images), -1).transpose(0, 1)
        frames, lengths = torch.full((batch,), logits.shape[0]), torch.full((batch,), 5)
        loss = F.ctc_loss(logits, targets, frames, lengths)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - start < 4 and len(times) < 400):
        before = time.perf_counter()
        step()
        times.append((time.perf_counter() - before) * 1e3)
    return statistics.median(times)


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="also through torch.compile (slow to start)")
    parser.add_argument("--program", default="build/apps/tapeline")
    parser.add_argument("--torch", help=argparse.SUPPRESS)  # a case to measure in this process
    args = parser.parse_args()
    if args.torch:
        preset, mode, batch, layout, compiled = json.loads(args.torch)
        print(json.dumps({"median_ms": measure_torch(preset, mode, batch, args.threads, layout, compiled)}))
        return

    ways = [("contiguous", False), ("channels_last", False)] + ([("channels_last", True)] if args.compile else [])
    import torch
    print(f"{args.threads} threads, {args.rounds} rounds, PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})\n")
    print("| work | Tapeline | PyTorch, best | way | ratio | Tapeline peak memory |")
    print("|---|---|---|---|---|---|")
    for title, (preset, mode, batch) in CASES.items():
        ours, theirs, memory = [], {way: [] for way in ways}, 0
        for _ in range(args.rounds):
            result = run_json([args.program, "bench", "--preset", preset, "--mode", mode, "--batch", str(batch),
                               "--charset", CHARSETS[preset], "--threads", str(args.threads), "--json"])
            ours.append(result["median_ms"])
            memory = max(memory, result["peak_rss_mib"])
            for way in ways:
                case = json.dumps([preset, mode, batch, *way])
                theirs[way].append(run_json([sys.executable, __file__, "--threads", str(args.threads), "--torch", case])["median_ms"])
        best = min(ways, key=lambda way: statistics.median(theirs[way]))
        ratio = statistics.median(b / a for a, b in zip(ours, theirs[best]))
        a, b = statistics.median(ours), statistics.median(theirs[best])
        name = best[0] + (" + torch.compile" if best[1] else "")
        print(f"| {title} | {a:.2f} ms, {1e3 * batch / a:.1f} images/s | {b:.2f} ms, {1e3 * batch / b:.1f} images/s "
              f"| {name} | {ratio:.2f}x | {memory:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()

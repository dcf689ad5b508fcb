#!/usr/bin/env python3
"""How fast a device is, in each precision that it has, beside PyTorch where that can use the same card.

usage: measure.py DEVICE [--rows PATTERNS] [--without-peer]     PATTERNS: fnmatch, with commas between: 'crnn-*,ctc'
Prints Markdown, a row as soon as it is measured: the most telling rows come first, in case the time runs out.
"""
import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM, OPS = ROOT / "build/apps/tapeline", ROOT / "build/tests/benchmarks/ops_bench"
CHARSET = "0123456789abcdefghijklmnopqrstuvwxyz"
SECONDS, LEAST = 1, 5
CACHES = ("TAPELINE_CACHE", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH", "CUDA_CACHE_PATH")  # ours, and those of drivers


@dataclasses.dataclass(frozen=True)
class Row:
    key: str
    title: str
    images: int = 0     # of one repetition
    flops: float = 0    # of one repetition, where its share of the peak is of interest
    network: tuple = () # preset, mode
    op: tuple = ()      # name, sizes, further arguments


def network(preset, mode, batch):
    what = "training step" if mode == "train" else "inference"
    return Row(f"{preset}-{mode}-{batch}", f"`{preset}` {what}, batch {batch}", batch, network=(preset, mode))


ROWS = (
    network("crnn-body", "train", 512), network("captcha", "train", 64), network("crnn-body", "infer", 512),
    network("crnn-body", "infer", 1),
    Row("conv", "convolution 3x3, 64 to 128, 16x50, batch 512, with gradients", flops=3 * 2 * 9 * 512 * 16 * 50 * 64 * 128,
        op=("conv", "512,16,50,64,128", "--backward")),
    Row("lstm", "LSTM both ways, 26 frames, 512 to 2 x 256, batch 512, with gradients", op=("lstm", "512,26,512,256", "--backward")),
    Row("ctc", "CTC with log-softmax, loss and gradient, 512 x 26 x 37", op=("ctc", "512,26,37,5")),
    Row("gemm", "product 4096 x 4096 x 4096", flops=2 * 4096**3, op=("gemm", "4096,4096,4096")),
    network("crnn-body", "train", 64), network("captcha", "train", 512), network("crnn-body", "train", 4096),
    network("captcha", "train", 4096), network("crnn-body", "infer", 32), network("captcha", "infer", 1), network("captcha", "infer", 512),
)


def median_ms(row, device, precision):
    """None, after a comment in the report, where it fails."""
    where = ["--device", device["id"], "--precision", precision]
    if row.network:
        preset, mode = row.network
        command = [PROGRAM, "bench", "--preset", preset, "--charset", CHARSET, "--mode", mode, "--batch", str(row.images), "--json", *where]
        asked = ""
    else:
        name, sizes, *more = row.op
        command, asked = [OPS, name, "--size", sizes, *more, *where], f"{SECONDS} {LEAST}\n"
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])["median_ms"]
    except (IndexError, KeyError, ValueError):
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        print(f"<!-- {row.key} {precision}: {said} -->", flush=True)
        return None


def cold_and_warm(device):
    """Milliseconds from the start of the process to the first result, with an empty cache and with what it left."""
    starts = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):
            done = subprocess.run([PROGRAM, "bench", "--preset", "crnn-body", "--mode", "infer", "--batch", "1", "--json", "--device", device["id"]],
                                  env={**os.environ, **dict.fromkeys(CACHES, cache)},
                                  capture_output=True, text=True, check=False)
            starts.append(json.loads(done.stdout.strip().splitlines()[-1])["cold_start_ms"] if done.returncode == 0 else None)
    return starts


def find_peer(device):
    """The module that measures PyTorch, where it can use this card."""
    if not device["id"].startswith("cuda"):
        return None
    try:
        import peer
        return peer if peer.usable() else None
    except ImportError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("--rows", default="*")
    parser.add_argument("--without-peer", action="store_true")
    given = parser.parse_args()
    devices = json.loads(subprocess.run([PROGRAM, "devices", "--json"], capture_output=True, text=True, check=True).stdout)
    found = [d for d in devices if d["usable"] and d["id"] == given.device]
    if not found:
        sys.exit(f"measure.py: there is no device {given.device} that can be used; `tapeline devices` lists them")
    device, precisions = found[0], found[0]["precisions"]
    peer = None if given.without_peer else find_peer(device)
    rows = [row for row in ROWS if any(fnmatch.fnmatch(row.key, p) for p in given.rows.split(","))]
    if not rows:
        sys.exit(f"measure.py: no row is called {given.rows}; there are: {', '.join(row.key for row in ROWS)}")

    print(f"{device['name']}. Median milliseconds; {peer.about() if peer else 'no PyTorch that can use it'}.\n")
    print(f"| work | {' | '.join(precisions)} | best, images/s or TFLOP/s | PyTorch's best | ratio |")
    print("|" + "---|" * (len(precisions) + 4), flush=True)
    for row in rows:
        times = {p: median_ms(row, device, p) for p in precisions}
        theirs = peer.best(row) if peer else None
        ours = min((t for t in times.values() if t), default=None)
        rate = "-"
        if ours and row.images:
            rate = f"{1e3 * row.images / ours:,.0f}"
        elif ours and row.flops:
            rate = f"{row.flops / ours / 1e9:.1f}"
            if times.get("fp32") and device["peak_gflops"]:
                rate += f"; fp32 at {100 * row.flops / times['fp32'] / 1e6 / device['peak_gflops']:.0f} % of the peak"
        cells = [f"{times[p]:.3f}" if times[p] else "failed" for p in precisions]
        other = f"{theirs[0]:.3f} ({theirs[1]})" if theirs else "-"
        ratio = f"{theirs[0] / ours:.2f}x" if theirs and ours else "-"
        print(f"| {row.title} | {' | '.join(cells)} | {rate} | {other} | {ratio} |", flush=True)
    if given.rows == "*":
        done = subprocess.run([PROGRAM, "bench", "--preset", "captcha", "--data", "synth:expressions?seed=7"], capture_output=True, text=True, check=False)
        print(f"\nPictures made meanwhile: {done.stdout.strip() or done.stderr.strip()}.")
        cold, warm = cold_and_warm(device)
        print(f"\nFrom the start of the process to the first result of `crnn-body`: {cold or 0:.0f} ms with empty caches, {warm or 0:.0f} ms the second time.")


if __name__ == "__main__":
    main()

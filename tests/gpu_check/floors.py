#!/usr/bin/env python3
"""The least time that each kernel of one training step could take on known cards, and what it takes on DEVICE.

usage: floors.py [DEVICE] [--preset NAME] [--batch N]      without DEVICE nothing is measured: the work is counted on the CPU
A floor is the larger of operations / peak and bytes / bandwidth, from the operations and bytes that the engine counts, every
operand moved once. Prints Markdown. Status 1 where the device could not be measured.
"""
import argparse
import collections
import dataclasses
import json
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build/apps/tapeline"
CHARSET = "0123456789abcdefghijklmnopqrstuvwxyz"
CARDS = {  # TFLOP/s in fp32, in bf16 on the matrix units; TB/s: the makers' data sheets
    "H200": (66.9, 989, 4.8),
    "4090": (82.6, 165.2, 1.008),
}
ON_MATRIX_UNITS = ("gemm", "conv2d")
SMALL = 0.04  # of a millisecond, on every card: such kernels share a line


@dataclasses.dataclass
class Work:
    calls: float = 0
    gflop: float = 0
    gbyte: float = 0
    ms: float = 0

    def __iadd__(self, other):
        self.calls, self.gflop = self.calls + other.calls, self.gflop + other.gflop
        self.gbyte, self.ms = self.gbyte + other.gbyte, self.ms + other.ms
        return self


def profile(device, precision, preset, batch):
    """Work of one step by kernel."""
    command = [PROGRAM, "profile", "--preset", preset, "--charset", CHARSET, "--mode", "train", "--batch", str(batch),
               "--steps", "1" if device == "cpu" else "20", "--device", device, "--precision", precision, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"floors.py: {done.stderr.strip()}")
    kernels = collections.defaultdict(Work)
    for row in json.loads(done.stdout)["kernels"]:
        seconds = row["ms"] / 1e3
        kernels[row["kernel"].split(" ")[0]] += Work(row["calls"], row["gflops"] * seconds, row["gb_per_s"] * seconds, row["ms"])
    return kernels


def floors(name, work):
    """Milliseconds on each card, in fp32 and in bf16."""
    result = []
    for fp32, bf16, bandwidth in CARDS.values():
        memory = work.gbyte / bandwidth
        result += [max(work.gflop / peak, memory) for peak in (fp32, bf16 if name.startswith(ON_MATRIX_UNITS) else fp32)]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", nargs="?", default="cpu")
    parser.add_argument("--preset", default="crnn-body")
    parser.add_argument("--batch", type=int, default=512)
    given = parser.parse_args()
    devices = json.loads(subprocess.run([PROGRAM, "devices", "--json"], capture_output=True, text=True, check=True).stdout)
    found = [d for d in devices if d["usable"] and d["id"].split(":")[0] == given.device.split(":")[0]]
    if not found:
        sys.exit(f"floors.py: there is no device {given.device} that can be used; `tapeline devices` lists them")
    measured = given.device != "cpu"
    precisions = [p for p in ("fp32", "bf16") if p in found[0]["precisions"]] if measured else ["fp32"]
    profiles = {p: profile(given.device, p, given.preset, given.batch) for p in precisions}

    lines, total = [], [0.0] * (2 * len(CARDS) + len(precisions))
    rest, rest_numbers, whole = Work(), [0.0] * len(total), Work()
    for name, work in profiles["fp32"].items():
        numbers = floors(name, work) + [profiles[p][name].ms for p in precisions]
        total = [a + b for a, b in zip(total, numbers)]
        whole += work
        if max(numbers[:-len(precisions)]) < SMALL:
            rest += work
            rest_numbers = [a + b for a, b in zip(rest_numbers, numbers)]
        else:
            lines.append((f"`{name}`", work, numbers))
    lines.sort(key=lambda line: -line[2][0])
    lines += [("the others", rest, rest_numbers), ("**together**", whole, total)]

    shown = len(total) if measured else len(total) - len(precisions)
    heads = [f"{card} {p}" for card in CARDS for p in ("fp32", "bf16")] + [f"{given.device} {p}, measured" for p in precisions]
    print(f"One training step of `{given.preset}` at batch {given.batch}: floors in ms.\n")
    print(f"| kernel | calls | GFLOP | GB | {' | '.join(heads[:shown])} |\n|{'---|' * (4 + shown)}")
    for name, work, numbers in lines:
        print(f"| {name} | {work.calls:.0f} | {work.gflop:.1f} | {work.gbyte:.2f} | {' | '.join(f'{n:.3f}' for n in numbers[:shown])} |")
    print(f"| images/s | | | | {' | '.join(f'{1e3 * given.batch / n:,.0f}' for n in total[:shown])} |")


if __name__ == "__main__":
    main()

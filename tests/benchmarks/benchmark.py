#!/usr/bin/env python3
"""Measures Tapeline beside PyTorch, onnxruntime and ncnn: the same networks, weights, inputs and threads, all sides in turn in one
run, each in a process of its own that is set up and warm. Writes report.md, report.json and curves.svg into build/bench. Ends with
status 1 when a side computes something else than Tapeline does."""
import argparse
import json
import pathlib
import subprocess
import sys
import types

import chart
import environment
import machine
import report
import rows
from measure import Different, around, measure
from sides import Side, SideFailed, tapeline_command


def say(words):
    print(words, file=sys.stderr, flush=True)


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < 1e6:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"
    return parse


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows and rounds, no torch.compile: about two minutes")
    parser.add_argument("--rows", metavar="PATTERNS", default="*", help="rows by name, such as 'crnn-*,gemm-512*'; --list has them; "
                        "of 'profile' and 'curves' too")
    parser.add_argument("--list", action="store_true", help="names the rows, and ends")
    parser.add_argument("--rounds", type=positive(int), help="how often it is each side's turn (5; 2 with --quick)")
    parser.add_argument("--seconds", type=positive(float), help="how long a turn is at least (1; 0.3 with --quick)")
    parser.add_argument("--least", type=positive(int), default=2, help="repetitions in a turn, at least (2)")
    parser.add_argument("--threads", type=positive(int), default=2, help="of each side (2)")
    parser.add_argument("--alone", action="store_true", help="Tapeline only: no peers, no network needed")
    parser.add_argument("--add", action="store_true", help="keeps the rows of the report that is there, unless measured again")
    parser.add_argument("--around", metavar="COMMAND", help="a command that runs while a row is measured, for instance to stop other "
                        "work: it sends back the line that it is sent when it has begun, and ends when its input does")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/bench"), help="folder of the report (build/bench)")
    parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("build/apps/tapeline"), help=argparse.SUPPRESS)
    parser.add_argument("--ops", type=pathlib.Path, default=pathlib.Path("build/tests/benchmarks/ops_bench"), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.3 if options.quick else 1.0)
    return options


def wanted(options, name):
    return any(pattern in ("*", name) for pattern in options.rows.split(",")) and not (options.quick and options.rows == "*")


def takes_precision(tools):
    return "--precision" in subprocess.run([tools.program, "bench", "--help"], capture_output=True, text=True, check=True).stdout


def has_device(tools, device):
    """Whether Tapeline can use it here; "vulkan" is any of "vulkan:0", "vulkan:1" and so on."""
    listed = subprocess.run([tools.program, "devices"], capture_output=True, text=True, check=True).stdout.splitlines()
    return any(line.split()[0].split(":")[0] == device and "cannot be used" not in line for line in listed)


def profiles(tools, options):
    results = []
    for preset, mode, batch in rows.PROFILES:
        title = f"`{preset}`, {'training step' if mode == 'train' else 'inference'}, batch {batch}"
        say(f"profile: {title}")
        command = [tools.program, "profile", "--preset", preset, "--charset", rows.CHARSETS[preset], "--mode", mode, "--batch",
                   str(batch), "--threads", str(options.threads), "--steps", "3" if mode == "train" else "20", "--json"]
        with around(options.around):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        results.append({"title": title, **json.loads(done.stdout)})
    return results


def curves(tools, options):
    results = []
    for name, values in rows.CURVES:
        by_batch = name == "batch"
        curve = {"title": "`crnn-body`, cost by batch, 32x100" if by_batch else "`crnn-body`, cost by width, one image",
                 "x": "images in a batch" if by_batch else "width in pixels", "unit": "image" if by_batch else "pixel", "points": []}
        for value in values:
            say(f"curve: {name} {value}")
            batch, width = (value, 100) if by_batch else (1, value)
            work = {"kind": "network", "network": rows.CRNN.format(width=width), "charset": rows.CHARSETS["crnn-body"],
                    "mode": "infer", "batch": batch}
            side = Side("Tapeline", tapeline_command(tools, work, options.threads), options.threads, tools.work / "curve.log")
            side.wait_until_ready()
            with around(options.around):
                answer = side.measure(min(options.seconds, 0.3), options.least)
            side.close()
            curve["points"].append({"x": value, **answer})
        results.append(curve)
    return results


def kept(options):
    """The results of the report that is there; none without --add."""
    file = options.output / "report.json"
    if options.add and file.exists():
        return json.loads(file.read_text())
    return {"rows": [], "profiles": [], "curves": []}


def measure_all(tools, options, chosen, results):
    for row in chosen:
        if row.work.get("precision", "fp32") != "fp32" and not takes_precision(tools):
            say(f"{row.key}: left out, `tapeline bench` has no --precision")
            continue
        device = row.work.get("device", "cpu")
        if device != "cpu" and not has_device(tools, device):
            say(f"{row.key}: left out, `tapeline devices` has no usable {device}")
            continue
        say(f"{row.key}: {row.title}")
        result = measure(row, tools, options, say)
        order = [r.key for r in rows.ROWS]
        others = [r for r in results["rows"] if r["key"] != row.key]
        results["rows"] = sorted([*others, result], key=lambda r: order.index(r["key"]))
        report.write(options.output, results)
    if wanted(options, "profile"):
        results["profiles"] = profiles(tools, options)
    if wanted(options, "curves"):
        results["curves"] = curves(tools, options)
        report.write_whole(options.output / "curves.svg", chart.svg(results["curves"]))


def main():
    options = arguments()
    chosen = rows.choose(options.rows, options.quick)
    if options.list:
        print("\n".join(f"{row.key:22} {row.title}" for row in chosen))
        print(f"{'profile':22} each kernel's share of the peaks\n{'curves':22} cost by batch and by width, and a chart of it")
        return 0
    if not chosen and not wanted(options, "profile") and not wanted(options, "curves"):
        say(f"benchmark: no row is called {options.rows}; --list names them")
        return 2
    for program in (options.program, options.ops):
        if not program.exists():
            say(f"benchmark: {program} is missing; build it: ./run bench does")
            return 1
    work = options.output / "work"
    work.mkdir(parents=True, exist_ok=True)
    try:
        python = None if options.alone else environment.find(options.output.parent / "bench-venv", options.output / "pip.log", say)
        tools = types.SimpleNamespace(program=options.program.absolute(), ops=options.ops.absolute(), python=python, work=work.absolute())
        results = kept(options)
        results["machine"] = machine.describe(tools.program, options.threads)
        with around(options.around):
            flops, bandwidth = machine.peaks(tools.program, options.threads)
        results["peaks"] = {"flops": flops, "bytes": bandwidth}
        measure_all(tools, options, chosen, results)
    except (environment.EnvironmentProblem, SideFailed, Different) as problem:
        say(f"benchmark: {problem}")
        return 1
    print(report.write(options.output, results))
    say(f"benchmark: {options.output}/report.md, report.json" + (", curves.svg" if results["curves"] else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures one row: all its sides, in turn, round after round."""
import contextlib
import shlex
import statistics
import subprocess
import time

import commands
import prepare
from sides import Side, SideFailed, peer_command, tapeline_command

REST = 0.1  # seconds before a side's turn, in which the threads of the one before go to sleep
PEER_NAMES = {"torch": "PyTorch", "onnxruntime": "onnxruntime", "ncnn": "ncnn", "recognize": "PyTorch, DataLoader with"}


class Different(Exception):
    """A side computes something else."""


@contextlib.contextmanager
def around(command):
    """Runs a command while something is measured, for instance one that stops other work. It must send back the line that it is
    sent when it has begun, and end when its input does (`cat` does both)."""
    if not command:
        yield
        return
    try:
        process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as problem:
        raise SideFailed(f"--around {command}: {problem}") from problem
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("begin\n")
            process.stdin.flush()
        if not process.stdout.readline():
            raise SideFailed(f"--around {command}: it ended before it sent back the line that it was sent; try it with `cat`")
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        process.stdout.close()


def name_of(peer, variant):
    return f"{PEER_NAMES[peer]} {variant}".strip()


class Sides:
    """Those of one row that could be started; the others, with the reason, in `missing`."""

    def __init__(self, row, tools, options, say):
        self.row, self.tools, self.options, self.say = row, tools, options, say
        self.sides, self.missing, self.differences = [], {}, {}

    def __enter__(self):
        try:
            if self.row.work["kind"] == "command":
                self.start_commands()
            elif "scaling" in self.row.work:
                self.start_scaling()
            else:
                self.start_processes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for side in self.sides:
            side.close()

    def peers(self):
        for peer, variant in self.row.peers:
            if self.options.alone:
                self.missing[name_of(peer, variant)] = "--alone"
            elif not (self.options.quick and "compile" in variant):
                yield peer, variant, name_of(peer, variant)

    def start(self, name, command, threads):
        side = Side(name, command, threads, self.tools.work / f"{self.row.key}.{len(self.sides)}.log")
        self.sides.append(side)
        try:
            return side.wait_until_ready()
        except SideFailed:
            self.sides.remove(side)
            raise

    def accept(self, name, difference):
        self.differences[name] = difference
        self.say(f"  {name}: the largest difference from Tapeline is {difference:.2g}")
        if not difference <= self.row.tolerance:
            raise Different(f"{self.row.key}: {name} differs from Tapeline by {difference:.2g}, more than {self.row.tolerance:g}")

    def start_processes(self):
        row, tools, threads = self.row, self.tools, self.options.threads
        work = prepare.complete(tools, row.work)
        file = prepare.dump(tools, row.key, work, threads)
        self.start("Tapeline", tapeline_command(tools, work, threads), threads)
        for peer, variant, name in self.peers():
            try:
                exported = prepare.export(tools, row.key, work, peer, file)
                side = self.start(name, peer_command(tools, peer, variant, exported, threads, file), threads)
                self.accept(name, side.ready["difference"])
            except SideFailed as problem:
                self.missing[name] = str(problem)
                self.say(f"  {name}: not measured: {problem}")

    def start_scaling(self):
        work = prepare.complete(self.tools, self.row.work)
        for threads in (1, 2):
            name = f"Tapeline, {threads} thread{'s' if threads > 1 else ''}"
            self.start(name, tapeline_command(self.tools, work, threads), threads)

    def start_commands(self):
        row, tools, threads = self.row, self.tools, self.options.threads
        model = prepare.trained_model(tools, row.work["preset"])
        files = prepare.pictures(tools, row.work["files"])
        ours = commands.tapeline_side(tools, model, files, threads, 3 if len(files) == 1 else 1).wait_until_ready()
        self.sides.append(ours)
        for _, variant, name in self.peers():
            theirs = commands.peer_side(tools, variant, model, files, threads, 1)
            try:
                theirs.wait_until_ready()
                self.accept(theirs.name, commands.difference(theirs.output, ours.output))
                self.sides.append(theirs)
            except SideFailed as problem:
                self.missing[name] = str(problem)
                self.say(f"  {name}: not measured: {problem}")


def measure(row, tools, options, say):
    """What the report says of a row: each side's medians, memory and difference, and the sides that are missing."""
    with Sides(row, tools, options, say) as started:
        answers = {side.name: [] for side in started.sides}
        with around(options.around):
            for _ in range(options.rounds):
                for side in started.sides:
                    time.sleep(REST)
                    answers[side.name].append(side.measure(options.seconds, options.least))
        sides = [{"name": side.name, "version": side.ready.get("version", ""),
                  "difference": started.differences.get(side.name),
                  "medians_ms": [a["median_ms"] for a in answers[side.name]],
                  "median_ms": statistics.median(a["median_ms"] for a in answers[side.name]),
                  "tail": statistics.median(a["p99_ms"] / a["median_ms"] for a in answers[side.name]),
                  "repetitions": sum(a["repetitions"] for a in answers[side.name]),
                  "peak_rss_mib": max(a["peak_rss_mib"] for a in answers[side.name])} for side in started.sides]
        return {"key": row.key, "title": row.title, "images": row.images, "flops": row.flops, "memory": row.memory,
                "threads": options.threads, "rounds": options.rounds, "sides": sides, "missing": started.missing}

"""Whole commands, from the start of a process to its end, as sides like any other."""
import subprocess
import time

from sides import PEERS, SideFailed


class CommandSide:
    """`command` prints path, text and confidence of each picture, with tabs between them."""

    def __init__(self, name, command, repetitions):
        self.name, self.command, self.repetitions = name, [str(word) for word in command], repetitions
        self.ready, self.output = {}, ""

    def run(self):
        begin = time.perf_counter()
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        if done.returncode:
            words = done.stderr.strip().splitlines()
            raise SideFailed(words[-1] if words else f"status {done.returncode}")
        self.output = done.stdout
        return 1e3 * seconds

    def wait_until_ready(self):
        self.run()  # the files and the libraries are in memory then
        return self

    def measure(self, *_):
        times = sorted(self.run() for _ in range(self.repetitions))
        return {"repetitions": len(times), "median_ms": times[len(times) // 2], "p99_ms": times[-1], "peak_rss_mib": 0.0}

    def close(self):
        pass


def readings(output):
    rows = [line.split("\t") for line in output.splitlines()]
    return {path: (text, float(confidence)) for path, text, confidence in rows}


def difference(theirs, ours):
    """The largest difference of a confidence. Fails on another set of pictures, and where more than one text in a hundred is
    another: two classes can be as likely as each other to the last bit."""
    theirs, ours = readings(theirs), readings(ours)
    if theirs.keys() != ours.keys():
        raise SideFailed(f"it read {len(theirs)} pictures and Tapeline {len(ours)}, or others")
    same = [path for path in ours if ours[path][0] == theirs[path][0]]
    if len(same) < 0.99 * len(ours):
        raise SideFailed(f"{len(ours) - len(same)} of {len(ours)} texts are not those that Tapeline read")
    return max(abs(ours[path][1] - theirs[path][1]) for path in same)


def tapeline_side(tools, model, files, threads, repetitions):
    return CommandSide("Tapeline", [tools.program, "recognize", model, "--threads", threads, *files], repetitions)


def peer_side(tools, variant, model, files, threads, repetitions):
    workers = variant.removeprefix("workers=")
    return CommandSide(f"PyTorch, DataLoader with {workers} workers",
                       [tools.python, PEERS / "recognize_torch.py", model, threads, workers, *files], repetitions)

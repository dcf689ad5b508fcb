"""Programs that are measured in turn. Each is a process that sets itself up, says {"ready": true, ...}, and then, for every
line `SECONDS LEAST` that it is sent, works once unmeasured, measures, and answers with a line of JSON (apps/measure.h)."""
import contextlib
import json
import os
import pathlib
import subprocess

PEERS = pathlib.Path(__file__).parent / "peers"


class SideFailed(Exception):
    """A process that did not answer; its message says why."""


class Side:
    """One process. `name` is for the report; `ready` is what it said of itself."""

    def __init__(self, name, command, threads, log):
        self.name, self.log = name, log
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        with open(log, "w") as errors:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, env=environment)
        self.ready = None

    def wait_until_ready(self):
        self.ready = self.answer()
        return self

    def measure(self, seconds, least):
        try:
            self.process.stdin.write(f"{seconds} {least}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() tells why
        return self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                said = json.loads(line)
                if "error" in said:
                    self.close()
                    raise SideFailed(said["error"])
                return said
        self.close()
        text = pathlib.Path(self.log).read_text(errors="replace").strip().splitlines()
        raise SideFailed(text[-1] if text else f"{self.name} ended without a word (status {self.process.returncode})")

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def tapeline_command(tools, work, threads, dump=None):
    """The command that measures `work` with Tapeline."""
    if work["kind"] == "op":
        command = [tools.ops, work["op"], "--size", ",".join(map(str, work["size"]))]
        command += ["--backward"] if work.get("backward") else []
    else:
        source = [work["model"]] if "model" in work else ["--network", work["network"], "--charset", work["charset"]]
        command = [tools.program, "bench", *source, "--mode", work["mode"], "--batch", str(work["batch"]), "--on-request"]
        command += ["--precision", work["precision"]] if work.get("precision", "fp32") != "fp32" else []
        command += ["--device", work["device"]] if work.get("device", "cpu") != "cpu" else []
    return [*command, "--threads", str(threads), *(["--dump", dump] if dump else [])]


def peer_command(tools, peer, variant, work, threads, dump):
    return [tools.python, PEERS / f"{peer}_peer.py", "--variant", variant, "--threads", str(threads), "--dump", dump,
            "--work", json.dumps(work)]

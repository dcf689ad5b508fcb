"""The Python that the peers run in: build/bench-venv, made when it is missing, or the one that the caller names."""
import os
import pathlib
import socket
import subprocess
import sys
import time

# (what a peer needs, how much it brings, whether the measurement goes on without it)
PACKAGES = [(["numpy", "torch", "pillow"], "PyTorch", False),
            (["onnx", "onnxscript", "onnxruntime"], "onnxruntime", True),
            (["ncnn", "pnnx"], "ncnn", True)]
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
ALONE = "or measure Tapeline without peers: ./run bench --alone"


class EnvironmentProblem(Exception):
    """Says what is missing and what to do about it."""


def reachable(host):
    try:
        socket.create_connection((host, 443), timeout=5).close()
        return True
    except OSError:
        return False


def run_logged(command, log):
    with open(log, "a") as out:
        return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode == 0


def end_of(log, lines=5):
    return "\n".join("  | " + line for line in pathlib.Path(log).read_text(errors="replace").splitlines()[-lines:])


def make(folder, log, say):
    """A virtual environment with all peers, or an EnvironmentProblem. Peers that do not install are named and left out."""
    begin = time.monotonic()
    if not run_logged([sys.executable, "-m", "venv", "--clear", str(folder)], log):
        raise EnvironmentProblem(f"{end_of(log)}\nno virtual environment could be made. Install Python's venv (Debian: apt-get "
                                 f"install python3-venv), name a Python that has torch in TAPELINE_BENCH_PYTHON, {ALONE}")
    python = folder / "bin" / "python"
    cpu_only = reachable("download.pytorch.org")
    size = "about 1 GB" if cpu_only else "about 6 GB, because the wheels of the package index bring CUDA's libraries"
    say(f"environment: installing the peers into {folder} ({size}; a minute and a half to ten minutes)")
    for names, peer, optional in PACKAGES:
        extra = ["--extra-index-url", CPU_WHEELS] if cpu_only and "torch" in names else []
        if run_logged([str(python), "-m", "pip", "install", "--quiet", *extra, *names], log):
            continue
        if not optional:
            raise EnvironmentProblem(f"{end_of(log)}\n{peer} could not be installed (the whole log: {log}). Is the network there? "
                                     f"Name a Python that has torch in TAPELINE_BENCH_PYTHON, {ALONE}")
        say(f"environment: {peer} could not be installed, and will be named as not measured; see {log}")
    (folder / "complete").touch()
    say(f"environment: done in {time.monotonic() - begin:.0f} s")
    return python


def find(folder, log, say):
    """Path of the Python to run peers with."""
    named = os.environ.get("TAPELINE_BENCH_PYTHON")
    if named:
        if subprocess.run([named, "-c", "import torch, numpy"], capture_output=True, check=False).returncode:
            raise EnvironmentProblem(f"TAPELINE_BENCH_PYTHON={named} cannot import torch and numpy; install them there, or unset it")
        say(f"environment: {named}")
        return pathlib.Path(named)
    if (folder / "complete").exists():
        say(f"environment: {folder} is there")
        return folder / "bin" / "python"
    return make(folder, log, say)

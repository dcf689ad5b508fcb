"""What has to be there before a row is measured: a model, pictures, dumps of weights and inputs, exported networks."""
import json
import re
import shutil
import subprocess

from rows import CHARSETS
from sides import PEERS, Side, SideFailed, tapeline_command


def run(command, log):
    with open(log, "a") as out:
        done = subprocess.run([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise SideFailed(f"{lines[-1] if lines else command[0]} (the whole log: {log})")


def network_text(tools, preset):
    done = subprocess.run([tools.program, "inspect", preset], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def pictures(tools, count):
    folder = tools.work / f"pictures-{count}"
    if not (folder / "labels.tsv").exists():
        run([tools.program, "synth", "expressions", "--width", "100", "--height", "32", "--count", count, "--output", folder,
             "--force"], tools.work / "synth.log")
    return sorted((folder / "images").iterdir())


def trained_model(tools, preset):
    """A few steps, so that running statistics and biases are not those of the start."""
    model = tools.work / f"{preset}.safetensors"
    if not model.exists():
        pictures(tools, 100)
        data, folder = tools.work / "pictures-100", tools.work / f"{preset}.run"
        run([tools.program, "train", "--preset", preset, "--charset", CHARSETS[preset], "--data", data, "--validate", data, "--batch", 16,
             "--steps", 10, "--output", folder, "--json"], tools.work / f"{preset}.log")
        shutil.move(folder / "best.safetensors", model)  # without the optimiser's moments
    return model


def complete(tools, work):
    """`work` with what Tapeline needs to be told."""
    if work["kind"] != "network":
        return work
    if work["mode"] == "infer":
        return {**work, "model": str(trained_model(tools, work["preset"]))}
    return {**work, "network": network_text(tools, work["preset"]), "charset": CHARSETS[work["preset"]]}


def dump(tools, key, work, threads):
    """Weights, input and output of Tapeline. Dropout differs from side to side, so it is left out of what is compared."""
    file = tools.work / f"{key}.safetensors"
    if "network" in work:
        work = {**work, "network": re.sub(r" Do[.\d]+", "", work["network"])}
    side = Side("Tapeline", tapeline_command(tools, work, threads, file), threads, tools.work / f"{key}.dump.log")
    side.wait_until_ready()
    side.close()
    return file


def export(tools, key, work, peer, file):
    """`work` with the file that `peer` reads. Throws SideFailed where a network cannot be exported."""
    if peer not in ("onnxruntime", "ncnn"):
        return work
    # pnnx makes a Python module of the files' name, too
    option, path = ("onnx", tools.work / f"{key}.onnx") if peer == "onnxruntime" else ("ncnn", tools.work / key.replace("-", "_"))
    run([tools.python, PEERS / "export.py", "--dump", file, "--work", json.dumps(work), f"--{option}", path],
        tools.work / f"{key}.{peer}.export.log")
    return {**work, option: str(path)}

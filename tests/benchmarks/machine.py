"""What the figures were measured on."""
import datetime
import json
import os
import platform
import shutil
import subprocess

INSTRUCTION_SETS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]


def describe(program, threads):
    fields = {}
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            for line in cpuinfo:
                name, _, value = line.partition(":")
                fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    flags = fields.get("flags", "").split()
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "processor": fields.get("model name", platform.processor() or "unknown"),
            "family": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "isa": [name for name in INSTRUCTION_SETS if name in flags],
            "tapeline": version(program), "threads": threads}


def version(program):
    said = [subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()]
    if shutil.which("git"):
        said.append(subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip())
    return " ".join(filter(None, said))


def peaks(program, threads, tries=3):
    """Floating-point operations and bytes a second that the processor was seen to do at most."""
    flops = bytes_ = 0.0
    for _ in range(tries):
        done = subprocess.run([program, "devices", "--threads", str(threads), "--json"], capture_output=True, text=True, check=True)
        cpu = next(device for device in json.loads(done.stdout) if device["id"] == "cpu")
        flops, bytes_ = max(flops, cpu["peak_gflops"] * 1e9), max(bytes_, cpu["peak_gb_per_s"] * 1e9)
    return flops, bytes_

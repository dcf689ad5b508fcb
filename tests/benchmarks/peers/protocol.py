"""The peers' half of the conversation that sides.py describes."""
import argparse
import json
import sys
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dump", required=True, help="safetensors: weights, input.* and output.* of Tapeline")
    parser.add_argument("--work", type=json.loads, required=True)
    return parser.parse_args()


def peak_rss_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def percentile(values, share):
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def measure(work, seconds, least):
    times, start = [], time.perf_counter()
    while len(times) < least or (time.perf_counter() - start < seconds and len(times) < 2000):
        before = time.perf_counter()
        work()
        times.append((time.perf_counter() - before) * 1e3)
    times.sort()
    return {"repetitions": len(times), "median_ms": percentile(times, 0.5), "p10_ms": percentile(times, 0.1),
            "p90_ms": percentile(times, 0.9), "p99_ms": percentile(times, 0.99), "peak_rss_mib": peak_rss_mib()}


def say(answer):
    print(json.dumps(answer), flush=True)


def serve(set_up):
    """set_up() gives what to measure, and what to say of it: its version, its difference from Tapeline."""
    try:
        work, about = set_up()
    except Exception as error:  # whatever keeps a library from doing it belongs in the report
        say({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"})
        raise
    for _ in range(2):
        work()
    say({"ready": True, **about})
    for line in sys.stdin:
        seconds, least = line.split()
        work()
        say(measure(work, float(seconds), int(least)))

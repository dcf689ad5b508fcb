"""The report: tables in Markdown, and all figures as JSON."""
import json
import os

SMALL_SHARE = 0.01  # kernels that take less of the time are not listed


def write_whole(path, text):
    """The file is there as it was before, or whole."""
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(text)
    os.replace(partial, path)


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def ms(value):
    return f"{value:.3f} ms" if value < 1 else f"{value:.2f} ms" if value < 100 else f"{value:.0f} ms"


def speed(row, side, peak_flops):
    """"419 ms, 152.9 images/s", "0.56 ms, 478 GFLOP/s (89 % of peak)" """
    seconds = side["median_ms"] / 1e3
    words = [ms(side["median_ms"])]
    if row["images"] > 1:
        words.append(f"{row['images'] / seconds:.1f} images/s")
    if row["flops"]:
        rate = row["flops"] / seconds
        words.append(f"{rate / 1e9:.0f} GFLOP/s" + (f" ({100 * rate / peak_flops:.0f} % of peak)" if peak_flops else ""))
    return ", ".join(words)


def memory(side):
    return f"{side['peak_rss_mib']:.0f} MiB" if side["peak_rss_mib"] else "-"


def is_ours(side):
    return side["name"].startswith("Tapeline")


def main_line(row, peak_flops):
    ours = [side for side in row["sides"] if is_ours(side)]
    peers = [side for side in row["sides"] if not is_ours(side)]
    best = min(peers or ours[:1], key=lambda side: side["median_ms"])
    last = ours[-1]
    if best is last:  # nothing to set it beside
        return [row["title"], speed(row, last, peak_flops), "not measured", "-", memory(last), "-"]
    if row["memory"] and peers:
        least = min(peers, key=lambda side: side["peak_rss_mib"])
        memories = f"{memory(last)}; {memory(best)} (the least: {memory(least)})"
    else:
        memories = f"{memory(last)}; {memory(best)}"
    return [row["title"], speed(row, last, peak_flops), f"{speed(row, best, peak_flops)} ({best['name']})",
            f"{best['median_ms'] / last['median_ms']:.2f}x", memories,
            f"{max(side['difference'] for side in peers):.1g}" if peers else "-"]


def side_lines(row, peak_flops):
    for side in row["sides"]:
        spread = max(side["medians_ms"]) / min(side["medians_ms"]) - 1
        yield [row["key"], side["name"], speed(row, side, peak_flops), f"{100 * spread:.0f} %", f"{side['tail']:.2f}",
               str(side["repetitions"]), memory(side), "-" if side["difference"] is None else f"{side['difference']:.1g}"]
    for name, reason in row["missing"].items():
        yield [row["key"], name, f"not measured: {reason.replace('|', '/')}", "-", "-", "-", "-", "-"]


def kernel_lines(profile):
    for kernel in profile["kernels"]:
        if kernel["share"] < SMALL_SHARE:
            continue
        arithmetic = kernel["gflops"] / profile["peak_gflops"]
        traffic = kernel["gb_per_s"] / profile["peak_gb_per_s"]
        bound = "arithmetic" if arithmetic >= traffic else "memory"
        yield [kernel["kernel"], kernel["shapes"], f"{kernel['calls']:g}", f"{kernel['ms']:.3f}", f"{100 * kernel['share']:.1f} %",
               f"{kernel['gflops']:.0f}", f"{100 * arithmetic:.0f} %", f"{kernel['gb_per_s']:.1f}", f"{100 * traffic:.0f} %", bound]


def curve_lines(points):
    for point in points:
        yield [str(point["x"]), ms(point["median_ms"]), f"{1e3 * point['median_ms'] / point['x']:.1f}"]


def machine_text(results):
    m, peaks = results["machine"], results["peaks"]
    text = (f"{m['date']}, {m['processor']} (family/model {m['family']}), {m['cores']} cores, {' '.join(m['isa']) or 'no AVX2'}; "
            f"{m['threads']} threads each.")
    if peaks["flops"]:
        text += f" Measured peaks: {peaks['flops'] / 1e9:.0f} GFLOP/s (FMA, fp32), {peaks['bytes'] / 1e9:.1f} GB/s (reading)."
    versions = sorted({side["version"] for row in results["rows"] for side in row["sides"] if side["version"]})
    return f"{text}\n{'; '.join([m['tapeline'], *versions])}.\n"


def markdown(results):
    peak = results["peaks"]["flops"]
    parts = [machine_text(results)]
    if results["rows"]:
        parts += ["\nMedians over the rounds of medians, all sides in turn in one run. Memory: the largest resident set of the process. "
                  "Largest difference: of any peer from Tapeline on the same weights and input, as a share of the output's largest value.\n\n",
                  table(["work", "Tapeline", "fastest peer", "ratio", "memory: Tapeline; that peer", "largest difference"],
                        [main_line(row, peak) for row in results["rows"]]),
                  "\nEvery side. Spread: of the rounds' medians.\n\n",
                  table(["row", "side", "median", "spread", "p99 / median", "repetitions", "memory", "difference"],
                        [line for row in results["rows"] for line in side_lines(row, peak)])]
    for profile in results["profiles"]:
        parts += [f"\nKernels of {profile['title']}: {profile['ms']:.2f} ms. Shares of {profile['peak_gflops']:.0f} GFLOP/s and "
                  f"{profile['peak_gb_per_s']:.1f} GB/s, measured in the same process; operands in a cache can pass 100 %.\n\n",
                  table(["kernel", "operands", "calls", "ms", "of the time", "GFLOP/s", "of FMA peak", "GB/s", "of bandwidth", "nearer to"],
                        list(kernel_lines(profile)))]
    for curve in results["curves"]:
        parts += [f"\n{curve['title']}\n\n", table([curve["x"], "median", f"µs for each {curve['unit']}"], list(curve_lines(curve["points"])))]
    return "".join(parts)


def write(folder, results):
    text = markdown(results)
    write_whole(folder / "report.json", json.dumps(results, indent=1) + "\n")
    write_whole(folder / "report.md", text)
    return text

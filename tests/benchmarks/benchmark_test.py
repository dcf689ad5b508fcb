"""The benchmark's own parts, without peers: benchmark_test.py PROGRAM OPS_BENCH."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

import benchmark
import chart
import commands
import environment
import report
import rows
from measure import Different, Sides
from sides import PEERS, Side, SideFailed

sys.path.append(str(PEERS))
import protocol

PROGRAM, OPS = sys.argv[1:3] if len(sys.argv) > 2 else ("build/apps/tapeline", "build/tests/benchmarks/ops_bench")


def side(name, medians, **more):
    return {"name": name, "version": "", "difference": None, "medians_ms": medians, "median_ms": sorted(medians)[len(medians) // 2],
            "tail": 1.25, "repetitions": 9, "peak_rss_mib": 100.0, **more}


def results():
    row = {"key": "gemm", "title": "a product", "images": 0, "flops": 2e9, "memory": False, "threads": 2, "rounds": 3,
           "sides": [side("Tapeline", [4.0, 5.0, 6.0]), side("PyTorch contiguous", [11.0, 12.5, 13.0], difference=2e-6),
                     side("PyTorch channels_last", [10.0, 10.0, 10.0], difference=1e-6)],
           "missing": {"ncnn": "ModuleNotFoundError: a|b"}}
    kernel = {"kernel": "gemm", "shapes": "[1] -> [1]", "calls": 2.0, "ms": 1.0, "share": 0.995, "gflops": 250.0, "gb_per_s": 5.0,
              "roofline": 0.5}
    tiny = {**kernel, "kernel": "fill", "share": 0.005}
    return {"machine": {"date": "today", "processor": "P", "family": "1/2", "cores": 2, "isa": ["avx2"], "tapeline": "t", "threads": 2},
            "peaks": {"flops": 500e9, "bytes": 50e9}, "rows": [row],
            "profiles": [{"title": "x", "ms": 1.0, "peak_gflops": 500.0, "peak_gb_per_s": 50.0, "kernels": [kernel, tiny]}],
            "curves": [{"title": "by <batch>", "x": "images", "unit": "image",
                        "points": [{"x": 1, "median_ms": 0.5}, {"x": 8, "median_ms": 4.0}]}]}


class Report(unittest.TestCase):
    def test_ratio_is_to_the_fastest_peer(self):
        text = report.markdown(results())
        line = next(line for line in text.splitlines() if line.startswith("| a product"))
        self.assertIn("5.00 ms, 400 GFLOP/s (80 % of peak)", line)
        self.assertIn("(PyTorch channels_last) | 2.00x |", line)
        self.assertIn("2e-06", line)

    def test_what_was_not_measured_is_named(self):
        self.assertIn("| gemm | ncnn | not measured: ModuleNotFoundError: a/b |", report.markdown(results()))
        alone = results()
        alone["rows"][0]["sides"] = alone["rows"][0]["sides"][:1]
        self.assertIn("| not measured | - |", report.markdown(alone))

    def test_kernels_by_their_share_of_the_peaks(self):
        text = report.markdown(results())
        self.assertIn("| 250 | 50 % | 5.0 | 10 % | arithmetic |", text)
        self.assertNotIn("fill", text)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            text = report.write(folder, results())
            self.assertEqual((folder / "report.md").read_text(), text)
            self.assertEqual(json.loads((folder / "report.json").read_text()), results())
            self.assertEqual(len(list(folder.iterdir())), 2)

    def test_every_table_is_one(self):
        columns = None
        for line in report.markdown(results()).splitlines():
            if not line.startswith("|"):
                columns = None
                continue
            columns = columns or line.count("|")
            self.assertEqual(line.count("|"), columns, line)


class Chart(unittest.TestCase):
    def test_points_in_proportion_lie_on_the_dashed_line(self):
        root = xml.etree.ElementTree.fromstring(chart.svg(results()["curves"]))
        space = "{http://www.w3.org/2000/svg}"
        dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(space + "circle")]
        dashed = next(line for line in root.iter(space + "line") if line.get("stroke-dasharray"))
        (ax, ay), (bx, by) = dots
        x1, y1, x2, y2 = (float(dashed.get(name)) for name in ("x1", "y1", "x2", "y2"))
        self.assertAlmostEqual((by - ay) / (bx - ax), (y2 - y1) / (x2 - x1), places=2)
        self.assertAlmostEqual(by, y2, places=1)

    def test_one_point(self):
        xml.etree.ElementTree.fromstring(chart.svg([{"title": "", "x": "", "points": [{"x": 1, "median_ms": 1.0}]}]))


class Arguments(unittest.TestCase):
    def test_quick_changes_the_defaults_only(self):
        self.assertEqual(benchmark.arguments([]).rounds, 5)
        self.assertEqual(benchmark.arguments(["--quick"]).rounds, 2)
        self.assertEqual(benchmark.arguments(["--quick", "--rounds", "7"]).rounds, 7)

    def test_nonsense(self):
        for words in (["--rounds", "0"], ["--seconds", "-1"], ["--threads", "many"], ["--seconds", "nan"], ["--rowz"]):
            with self.subTest(words), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as end:
                benchmark.arguments(words)
            self.assertEqual(end.exception.code, 2)

    def test_rows(self):
        self.assertEqual(len({row.key for row in rows.ROWS}), len(rows.ROWS))
        self.assertEqual([row.key for row in rows.choose("crnn-infer-*,ctc-32", False)], ["crnn-infer-b1", "crnn-infer-b32", "ctc-32"])
        self.assertEqual(rows.choose("nothing", False), [])
        self.assertTrue(0 < len(rows.choose("*", True)) < len(rows.ROWS))


class Processes(unittest.TestCase):
    def start(self, program):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Side("side", [sys.executable, "-c", program], 1, f"{folder.name}/log")

    def test_a_turn(self):
        one = self.start("print('chatter'); print('{\"ready\": true}', flush=True)\nfor line in iter(input, ''):\n"
                         "  print('{\"median_ms\": %s}' % line.split()[0], flush=True)")
        self.assertTrue(one.wait_until_ready().ready["ready"])
        self.assertEqual(one.measure(1.5, 2), {"median_ms": 1.5})
        self.assertEqual(one.measure(2.5, 2), {"median_ms": 2.5})
        one.close()

    def test_failures_have_words(self):
        with self.assertRaisesRegex(SideFailed, "no such thing"):
            self.start("print('{\"error\": \"no such thing\"}')").wait_until_ready()
        with self.assertRaisesRegex(SideFailed, "side ended without a word .status 3"):
            self.start("raise SystemExit(3)").wait_until_ready()

    def test_a_difference_ends_it(self):
        row = rows.Row("x", "x", {}, tolerance=1e-3)
        sides = Sides(row, None, None, lambda words: None)
        sides.accept("near", 1e-4)
        for far in (2e-3, float("nan")):
            with self.assertRaises(Different):
                sides.accept("far", far)

    def test_measure(self):
        calls = []
        said = protocol.measure(lambda: calls.append(1), 0.0, 7)
        self.assertEqual((len(calls), said["repetitions"]), (7, 7))
        self.assertLessEqual(said["p10_ms"], said["p99_ms"])
        self.assertAlmostEqual(protocol.percentile([1.0, 2.0, 4.0], 0.75), 3.0)

    def test_readings(self):
        ours = "a.png\t1+1\t0.5000\nb.png\t\t0.2500\n"
        self.assertAlmostEqual(commands.difference("b.png\t\t0.2600\na.png\t1+1\t0.5\n", ours), 0.01)
        with self.assertRaisesRegex(SideFailed, "1 of 2 texts"):
            commands.difference("b.png\t\t0.25\na.png\t1+7\t0.5\n", ours)
        with self.assertRaisesRegex(SideFailed, "pictures"):
            commands.difference("a.png\t1+1\t0.5\n", ours)

    def test_a_named_python_without_the_peers(self):
        with unittest.mock.patch.dict("os.environ", {"TAPELINE_BENCH_PYTHON": "false"}):
            with self.assertRaisesRegex(environment.EnvironmentProblem, "TAPELINE_BENCH_PYTHON=false cannot import"):
                environment.find(pathlib.Path("/nowhere"), None, None)


class Whole(unittest.TestCase):
    def run_benchmark(self, folder, *words):
        script = pathlib.Path(benchmark.__file__)
        return subprocess.run([sys.executable, "-B", script, "--program", PROGRAM, "--ops", OPS, "--output", folder, "--alone",
                               "--rounds", "2", "--seconds", "0.01", *words], capture_output=True, text=True, check=False)

    def test_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            for row in ("gemm-32x1024x256", "ctc-32"):
                done = self.run_benchmark(folder, "--add", "--rows", row, "--around", "cat")
                self.assertEqual(done.returncode, 0, done.stderr)
            saved = json.loads((pathlib.Path(folder) / "report.json").read_text())
            self.assertEqual([row["key"] for row in saved["rows"]], ["ctc-32", "gemm-32x1024x256"])
            for row in saved["rows"]:
                self.assertEqual([len(one["medians_ms"]) for one in row["sides"]], [2])
                self.assertGreater(row["sides"][0]["median_ms"], 0)
                self.assertEqual(row["missing"], {"PyTorch contiguous": "--alone"})
            self.assertIn("not measured: --alone", done.stdout)

    def test_a_command_around_that_does_not_answer(self):
        with tempfile.TemporaryDirectory() as folder:
            for command in ("true", "/nowhere/command"):
                done = self.run_benchmark(folder, "--rows", "ctc-32", "--around", command)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"--around {command}: ", done.stderr)
                self.assertNotIn("Traceback", done.stderr)

    def test_no_such_row(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.run_benchmark(folder, "--rows", "nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--list", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

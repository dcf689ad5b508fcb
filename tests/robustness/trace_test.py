#!/usr/bin/env python3
"""No file can run code or reach outside: the program reads hostile files under strace, and whatever they are, it
starts no program, opens no socket, opens no file but those that it was given, and writes only where it was told to.

usage: trace_test.py PROGRAM [FOLDER of more pictures, as the fuzzers keep them]...
Exit status 77 where there is no strace, or it may not trace.
"""

import io
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

# What the dynamic linker, the C library and the question how many cores there are open, for reading.
SYSTEM = re.compile(r"/(lib|lib64|usr/lib|etc/ld\.so|sys/devices/system/cpu/|sys/fs/cgroup/|proc/)")
TRACED = "trace=%file,%network,%process"
FORBIDDEN = {"execve", "execveat", "socket", "connect", "bind", "listen", "accept", "accept4", "mount", "chroot"}
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
CHANGING = {"rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat",
            "symlink", "symlinkat", "chmod", "fchmodat", "chown", "truncate", "mknod", "creat", "utimensat"}
CALL = re.compile(r"^\d+ +(\w+)\((.*)$")

failures = []
runs = files = calls = 0


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice(b"\x00\x01\x7f\x80\xff/.")
        elif kind == 2:
            del data[at:at + rng.randint(1, 40)]
        else:
            data[at:at] = data[at:at + rng.randint(1, 40)]
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def run(program, arguments, inside, output=None, given=b""):
    """One traced run; `inside` are folders whose files may be read, `output` is where files may be changed."""
    global runs, calls
    runs += 1
    log = os.path.join(work, "trace.txt")
    done = subprocess.run(["strace", "-f", "-qq", "-s", "4096", "-o", log, "-e", TRACED, program, *arguments],
                          input=given, capture_output=True, timeout=600)
    if done.returncode < 0 or done.returncode > 128:
        failures.append(f"{arguments}: ended by a signal: {done.returncode}")
    started = 0
    for line in open(log, encoding="utf-8", errors="replace"):
        match = CALL.match(line)
        if not match:
            continue
        calls += 1
        name, rest = match.groups()
        # strace writes other bytes than printable ones as octal; no name of ours has any.
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
        if name == "execve" and started == 0:
            started = 1
        elif name in FORBIDDEN:
            failures.append(f"{arguments}: {line.strip()}")
        elif name in ("open", "openat", "openat2") or name in CHANGING:
            changes = name in CHANGING or WRITING.search(rest)
            folders = [output] if changes else [*inside, output]
            for path in paths[:2 if name in CHANGING else 1]:
                path = os.path.normpath(path)
                known = any(folder and (path + "/").startswith(folder + "/") for folder in folders)
                # Names relative to an open folder of those.
                relative = not path.startswith("/") and ".." not in path.split("/") and "AT_FDCWD" not in rest
                system = not changes and SYSTEM.match(path)
                if not (known or relative or system):
                    failures.append(f"{arguments}: {line.strip()}")
    return done


def main(program, more):
    global work, files
    if not shutil.which("strace"):
        sys.exit(77)
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        sys.exit(77)
    rng = random.Random(1)
    work = os.path.realpath(tempfile.mkdtemp(prefix="tapeline-trace-"))
    try:
        hostile, data, model_folder = (os.path.join(work, name) for name in ("hostile", "data", "model"))
        os.mkdir(hostile)
        network = "[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp2,2 S1(1x0)1,3 Lfx6 O1c]"
        cpu = ["--device", "cpu", "--threads", "1"]
        made = run(program, ["synth", "expressions", "--output", data, "--count", "4", "--threads", "1"], [], data)
        trained = run(program, ["train", "--network", network, "--data", data, "--batch", "2", "--steps", "2",
                                "--output", model_folder, *cpu], [data], model_folder)
        assert made.returncode == 0 and trained.returncode == 0, trained.stderr
        model = os.path.join(model_folder, "best.safetensors")
        picture = open(os.path.join(data, "images", "000001.png"), "rb").read()

        # Pictures: damaged ones, and names and contents that something else might take for a command or an address.
        contents = {f"{i}.png": mutated(picture, rng) for i in range(150)}
        secret = os.path.join(work, "secret")
        contents |= {name: picture for name in ("$(touch x).png", "; touch x.png", "|touch x.png", "`touch x`.png",
                                                "http:.png", "-o.png", "%n%s%n.png", "con\nfig.png")}
        contents |= {"svg.png": b'<svg xmlns:xlink="x"><image xlink:href="/etc/passwd"/></svg>',
                     "mvg.png": b'push graphic-context\nfill \'url(https://example.org/x.jpg"|touch x")\'',
                     "eps.png": b"%!PS\n(%pipe%touch x) (w) file", "php.png": b"<?php system('touch x');",
                     "include.pgm": b"P5\n#include </etc/passwd>\n1 1 255\nx"}
        for name, content in contents.items():
            open(os.path.join(hostile, name), "wb").write(content)
        for number, folder in enumerate(more):
            for entry in sorted(os.listdir(folder)):
                shutil.copy(os.path.join(folder, entry), os.path.join(hostile, f"{number}-{entry}.png"))
        files += len(os.listdir(hostile))
        for sandbox in ([], ["--sandbox"]):
            run(program, ["recognize", model, hostile, *cpu, *sandbox], [hostile, model_folder])
        for given in (picture, b"\x89PNG\r\n\x1a\nxx", b"P5 1 1 255 x"):
            run(program, ["recognize", model, "-", *cpu], [model_folder], given=given)

        # Models.
        good = open(model, "rb").read()
        bad_models = os.path.join(work, "models")
        os.mkdir(bad_models)
        for i in range(30):
            path = os.path.join(bad_models, f"{i}.safetensors")
            open(path, "wb").write(mutated(good, rng) if i else good[:200])
            files += 1
            for command in (["recognize", path, os.path.join(data, "images"), *cpu], ["inspect", path]):
                run(program, command, [bad_models, data])
        # A whole one that names other files: what it was trained and validated on.
        run(program, ["verify", model, "--devices", "reference", "--limit", "2", "--threads", "1"], [model_folder])

        # Data sets that lead out: a folder, a tar with links, devices and names that go up, a list in a tar.
        open(secret, "wb").write(picture)
        outside = "../secret\tx\n/etc/passwd\tx\n../../../../etc/passwd\tx\nlink.png\t1\n"
        leading = os.path.join(work, "leading")
        os.mkdir(leading)
        open(os.path.join(leading, "labels.tsv"), "w").write(outside)
        tar_path = os.path.join(work, "set.tar")
        with tarfile.open(tar_path, "w") as tar:
            def add(name, content=b"", kind=tarfile.REGTYPE, link=""):
                info = tarfile.TarInfo(name)
                info.size, info.type, info.linkname = len(content), kind, link
                tar.addfile(info, io.BytesIO(content))
            add("labels.tsv", outside.encode())
            add("link.png", kind=tarfile.SYMTYPE, link="/etc/passwd")
            add("hard.png", kind=tarfile.LNKTYPE, link="/etc/passwd")
            add("../up.png", picture)
            add("/etc/absolute.png", picture)
            add("device.png", kind=tarfile.CHRTYPE)
        files += 2
        for place in (leading, tar_path):
            run(program, ["evaluate", model, "--data", place, *cpu], [place, model_folder])
            output = os.path.join(work, "run")
            run(program, ["train", "--network", network, "--data", place, "--steps", "1", "--output", output, *cpu],
                [place], output)
        tar_bytes = open(tar_path, "rb").read()
        for i in range(20):
            open(tar_path, "wb").write(mutated(tar_bytes, rng))
            files += 1
            run(program, ["evaluate", model, "--data", tar_path, *cpu], [tar_path, model_folder])
        if os.path.exists("x"):
            failures.append("a file named x was made")

        # And what this looks for would be seen.
        before = len(failures)
        run(program, ["recognize", model, secret, *cpu], [model_folder])
        seen = len(failures) > before
        del failures[before:]
        if not seen:
            failures.append("a file that was opened is not in the trace")
    finally:
        shutil.rmtree(work)

    print(f"{files} files, {runs} runs, {calls} system calls looked at, {len(failures)} that should not be")
    for failure in failures[:20]:
        print(" ", failure)
    sys.exit(1 if failures else 0)


main(os.path.abspath(sys.argv[1]), sys.argv[2:])

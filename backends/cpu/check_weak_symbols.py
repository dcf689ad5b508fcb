#!/usr/bin/env python3
"""Inline functions that are compiled for AVX2 or AVX-512 must not end up in code that runs everywhere.

Of the copies of an inline function the linker keeps the first, so the portable library is linked first. This
checks that it has each one that the other libraries have. Usage: check_weak_symbols.py NM PORTABLE OTHER...
"""

import re
import subprocess
import sys


def weak_symbols(nm, library):
    symbols = set()
    for line in subprocess.run([nm, "--defined-only", "--demangle", library], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        fields = line.split(maxsplit=2)
        if len(fields) == 3 and fields[1] in "WVu":
            symbols.add(fields[2])
    return symbols


def main():
    nm, portable, *others = sys.argv[1:]
    everywhere = weak_symbols(nm, portable)
    wrong = 0
    for library in others:
        for symbol in sorted(weak_symbols(nm, library) - everywhere):
            # Names of the instruction set's own namespace can be taken for nobody else's.
            if re.search("tapeline::cpu::(avx2|avx512|portable_bf16|avx512_bf16)::", symbol):
                continue
            print(f"{library}: {symbol} is not in {portable}: move it out of the kernel files or inline it")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""digest.py OUTPUT FILE...: a header with a fingerprint of all compiled shaders, for caches of what drivers make of them."""
import hashlib
import sys

digest = hashlib.sha256()
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        digest.update(file.read())
with open(sys.argv[1], "w", encoding="ascii") as header:
    header.write(f"#pragma once\n\ninline constexpr char kShadersDigest[] = \"{digest.hexdigest()[:16]}\";\n")

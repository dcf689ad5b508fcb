#!/bin/sh
# swiftshader.sh BUILD PROGRAM [ARGUMENTS]: runs a program on SwiftShader, where the system's Chromium brings it or
# `./run test` has fetched it into the build folder; otherwise the test is left out.
for driver in /usr/lib/chromium/vk_swiftshader_icd.json "$1/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json"; do
  if [ -f "$driver" ]; then
    shift
    VK_DRIVER_FILES=$driver exec "$@"
  fi
done
echo "no SwiftShader here (Debian: chromium-common has it)"
exit 77

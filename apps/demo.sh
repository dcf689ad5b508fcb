#!/usr/bin/env bash
# The demo: trains a reader of arithmetic captchas from nothing, tests it on pictures that it has never seen, and reads
# some for you. Called by ./run demo, which has built the program.
#
#   --seed N    of the weights and the training pictures (1)
#   --steps N   of training, 16 pictures each (8000)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seed=1 steps=8000
while [ $# -gt 0 ]; do
  case $1 in
    --seed | --steps)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || { echo "demo: $1 needs a number above 0" >&2; exit 2; }
      declare "${1#--}=$2"
      shift 2
      ;;
    *) echo "demo: unknown argument $1; there are --seed N and --steps N" >&2; exit 2 ;;
  esac
done

tapeline=build/apps/tapeline
out=demo/seed-$seed
rm -rf "$out"
mkdir -p "$out"
title() { printf '\n== %s\n' "$*"; }

title "2,000 pictures to test with, none of which is trained on: $out/test"
"$tapeline" synth expressions --output "$out/test" --count 2000 --seed 900000

title "Training 'captcha-small' on $((steps * 16)) fresh pictures, about $((steps / 120 + 10)) s on two cores"
"$tapeline" train --preset captcha-small --data "synth:expressions?seed=$seed" \
  --validate 'synth:expressions?seed=800000&count=500' --steps "$steps" --evaluate-every 1000 --seed "$seed" \
  --output "$out/model"

model=$out/model/best.safetensors
title "Reading the 2,000 test pictures"
"$tapeline" evaluate "$model" --data "$out/test" --html "$out/test.html"

title "Twelve of them, with the values of the expressions"
"$tapeline" recognize "$model" --evaluate-expressions "$out"/test/images/0000{01,02,03,04,05,06,07,08,09,10,11,12}.png \
  --html "$out/read.html" --png "$out/read.png"

real=../shared/data/arith_samples_5.tar
if [ -e "$real" ]; then
  title "Five real captchas"
  "$tapeline" evaluate "$model" --data "$real" --html "$out/real.html" --png "$out/real.png"
fi

title "Done. Look at:"
printf '  %s\n' "$out/read.png       twelve pictures and what was read in them" \
  "$out/read.html      the same as a page" "$out/test.html      all 2,000, the mistakes first" \
  "$out/model/curves.png" "$model"
[ ! -e "$out/real.png" ] || printf '  %s\n' "$out/real.png"

#!/usr/bin/env bash
# Makes sample.wav, the clip that the examples, tests and benchmarks use: synthetic speech by espeak-ng (22,050 Hz, 16 bit, mono),
# normalised to a peak of -1 dB by sox, with half a second of silence before and after.
set -euo pipefail
cd "$(dirname "$0")"
speech=$(mktemp --suffix .wav)
trap 'rm -f "$speech"' EXIT
espeak-ng -v en-us -s 165 -p 62 -w "$speech" "What a wonderful morning! I am so glad that you are here."
sox -D -R "$speech" -b 16 -r 22050 -c 1 sample.wav silence 1 0.01 0.1% reverse silence 1 0.01 0.1% reverse gain -n -1 pad 0.5 0.5

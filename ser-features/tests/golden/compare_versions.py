"""Compares the golden files with what a newer librosa computes of the same signals.

    python3.12 -m venv newer
    newer/bin/pip install librosa==1.0.0 numpy==2.5.5 scipy==1.18.1 soxr==1.1.0 safetensors==0.8.0 soundfile==0.14.0
    newer/bin/python compare_versions.py

It runs make_goldens.py and make_voice_goldens.py with these versions, into a folder that is deleted afterwards, and compares all tensors:
the largest difference, in parts of the tensor's largest value. It ends with an error where one beyond the limit has no known reason.
"""

import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
PINNED = {"librosa": "1.0.0", "numpy": "2.5.5", "scipy": "1.18.1", "soxr": "1.1.0"}
LIMIT = 1e-6
# Tensors that differ by more, and why.
KNOWN = {
    "short*": "SciPy's median filter reads beyond a signal of fewer frames than its kernel",
    "*/time_stretch_*": "librosa 1.0 repeats the last frame where 0.11 fades out",
    "*/vocoder_*": "librosa 1.0 repeats the last frame where 0.11 fades out",
    "*/pitch_shift_*": "librosa 1.0 repeats the last frame where 0.11 fades out",
    "chirp*/pyin*": "frames of a chirp that leaves the range of pitches",
    "one_sample/*": "SciPy 1.18 fails on one sample",
    "*/mel_to_stft_error": "what an optimiser leaves",
}


def difference(new, old):
    """In parts of the largest value; None where the shapes are not the same."""
    if new.shape != old.shape:
        return None
    if old.size == 0:
        return 0.0
    new, old = (np.nan_to_num(x.astype(np.float64)) for x in (new, old))
    return float(np.abs(new - old).max() / max(np.abs(old).max(), 1e-30))


def main():
    found = {name: version(name) for name in PINNED}
    if found != PINNED:
        sys.exit(f"the comparison is with {PINNED}, but this Python has {found}")
    with tempfile.TemporaryDirectory() as folder:
        for script in ("make_goldens.py", "make_voice_goldens.py"):
            command = [sys.executable, HERE / script, "--any-version", "--without", "one_sample,short", "--out", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        counts, unknown = {"tensors": 0, "equal": 0, "known": 0}, []
        for path in sorted(Path(folder).glob("*.safetensors")):
            new, old = load_file(path), load_file(HERE / path.name)
            for name in sorted(set(new) | set(old)):
                counts["tensors"] += 1
                error = difference(new[name], old[name]) if name in new and name in old else None
                counts["equal"] += error == 0.0
                if error is not None and error <= LIMIT:
                    continue
                reason = next((why for pattern, why in KNOWN.items() if fnmatch(name, pattern)), None)
                counts["known"] += reason is not None
                print(f"{path.stem}: {name}: {'missing or of another shape' if error is None else f'{error:.1e}'} ({reason or 'no known reason'})")
                if reason is None:
                    unknown.append(name)
        print(f"{counts['tensors']} tensors, {counts['equal']} the same, {counts['known']} beyond {LIMIT:.0e} for a known reason")
    if unknown:
        sys.exit(f"{len(unknown)} tensors differ by more than {LIMIT:.0e}")


if __name__ == "__main__":
    main()

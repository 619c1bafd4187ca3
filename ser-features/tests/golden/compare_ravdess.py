"""Compares the 193-vector of real speech with librosa's, clip by clip.

    python compare_ravdess.py RAVDESS_FOLDER [--every N] [--jobs N] [--keep FOLDER]

RAVDESS_FOLDER holds the speech clips as FLAC or WAV, in any subfolders. Each is mixed to mono and resampled by librosa (soxr_hq) to
22,050 Hz; both sides get these samples. A second table is about resampling: here this crate gets the clip at its own rate. A third
shows how much of that is librosa's own: it compares librosa with itself, where soxr got a second of silence before the clip, which
changes its samples by rounding alone. Errors are in standard deviations of each entry over the clips. A fourth table compares the
resampled waveforms themselves with soxr's, over all frequencies and below 0.85 of the new Nyquist frequency, and with ideal
interpolation. The last figures are what librosa's own MFCC and its highest mel band in dB make of both waveforms: the mean absolute
difference over all coefficients, frames and clips. It needs the versions of make_goldens.py, and cargo.

All 1,440 clips take about three quarters of an hour for one process. With --keep, results are kept in a folder, and an
interrupted run resumes from them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import make_goldens  # pins the versions  # noqa: I001
import librosa
import numpy as np
import soundfile
from safetensors.numpy import load_file, save_file

CRATE = Path(__file__).resolve().parents[2]
PART = 30  # clips that are compared at once
# What waveforms that were resampled here and by librosa may differ by: dB of their RMS, and means of what librosa makes of them.
WAVEFORM_LIMIT, MFCC_LIMIT, MEL_LIMIT = -110.0, 1e-3, 1e-3
GROUPS = {
    "mfcc": range(0, 40),
    "chroma": range(40, 52),
    "mel": range(52, 180),
    "contrast 1-6": range(180, 186),
    "contrast 7": range(186, 187),
    "tonnetz": range(187, 193),
}


def read(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate


def build():
    """Builds this crate's examples and returns the folder they are in."""
    command = ["cargo", "build", "--quiet", "--release", "--examples", "--message-format=json"]
    lines = subprocess.run(command, cwd=CRATE, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    programs = [message["executable"] for message in map(json.loads, lines) if message.get("executable")]
    return Path(programs[0]).parent


def ours(program, clips, rates, folder):
    """What one of this crate's examples makes of clips."""
    save_file(clips, folder / "clips.safetensors")
    subprocess.run([program, folder / "clips.safetensors", *map(str, rates), folder / "output.safetensors"], check=True)
    return load_file(folder / "output.safetensors")


def ideal(samples, rate, target):
    """Band-limited interpolation in the Fourier domain, in float64: every frequency below both Nyquist frequencies is kept as it is."""
    step, by = rate // np.gcd(rate, target), target // np.gcd(rate, target)
    # Silence behind the clip, so that its end does not reach round to its start.
    blocks = -(-(len(samples) + rate) // step)
    spectrum = np.fft.rfft(samples.astype(np.float64), blocks * step)
    whole = np.fft.irfft(spectrum, blocks * by) if by > step else np.fft.irfft(spectrum[: blocks * by // 2 + 1], blocks * by)
    return whole[: -(-len(samples) * by // step)] * by / step


def waveform_error(got, want, share):
    """RMS of the difference below a share of the Nyquist frequency, relative to that of `want`, in dB."""
    power = [np.abs(np.fft.rfft(y.astype(np.float64))[: int(share * len(want) / 2) + 1]) ** 2 for y in (got - want, want)]
    return 10 * np.log10(power[0].sum() / power[1].sum())


def front_error(got, want):
    """Mean absolute differences of librosa's 40 MFCC, and of its highest mel band in dB."""
    mel = [librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=22050)) for y in (got, want)]
    mfcc = [librosa.feature.mfcc(S=decibels, n_mfcc=40) for decibels in mel]
    return np.abs(mfcc[0] - mfcc[1]).mean(), np.abs(mel[0][-1] - mel[1][-1]).mean()


def compare(work):
    """Of a few clips, each a row: librosa's vector, ours of the same samples, ours from the recording's own rate, and librosa's with silence
    before the clip; the waveforms' errors; and what librosa's features make of them."""
    paths, programs, keep = work
    kept = keep and keep / f"{paths[0].stem}-{len(paths)}.npz"
    if kept and kept.exists():
        return dict(np.load(kept))
    originals, resampled, rates = {}, {}, set()
    rows = {name: [] for name in ("expected", "same", "own", "again", "waveforms", "fronts")}
    for path in paths:
        samples, rate = read(path)
        rates.add(rate)
        originals[path.stem] = samples
        resampled[path.stem] = librosa.resample(samples, orig_sr=rate, target_sr=22050)
    assert len(rates) == 1, f"one sample rate is expected, but there are {rates}"
    rate = rates.pop()
    with tempfile.TemporaryDirectory() as folder:
        same = ours(programs / "issa193", resampled, [22050], Path(folder))
        own = ours(programs / "issa193", originals, [rate], Path(folder))
        waveforms = ours(programs / "resample", originals, [rate, 22050], Path(folder))
    share = 0.85 * min(rate, 22050) / 22050
    for name in sorted(originals):
        late = librosa.resample(np.concatenate([np.zeros(rate, np.float32), originals[name]]), orig_sr=rate, target_sr=22050)
        mine, theirs, exact = waveforms[name], resampled[name], ideal(originals[name], rate, 22050)
        rows["expected"].append(make_goldens.issa193(theirs, 22050))
        rows["same"].append(same[name])
        rows["own"].append(own[name])
        rows["again"].append(make_goldens.issa193(late[22050:], 22050))
        pairs = ((mine, theirs, 1.0), (mine, theirs, share), (mine, exact, share), (theirs, exact, share))
        rows["waveforms"].append([waveform_error(*pair) for pair in pairs])
        rows["fronts"].append(front_error(mine, theirs))
    results = {name: np.array(values) for name, values in rows.items()} | {"names": np.array(sorted(originals))}
    if kept:
        # Renamed when it is whole, so that a run that is cut off leaves no half.
        np.savez(kept.with_suffix(".part.npz"), **results)
        kept.with_suffix(".part.npz").rename(kept)
    return results


def fullest_bins(path):
    """Counts of the two fullest bins of librosa's tuning histogram: nearly equal, the last bit of a magnitude decides."""
    samples, rate = read(path)
    S = np.abs(librosa.stft(librosa.resample(samples, orig_sr=rate, target_sr=22050)))
    pitches, magnitudes = librosa.piptrack(S=S, sr=22050)
    loud = (pitches > 0) & (magnitudes >= np.median(magnitudes[pitches > 0]))
    residual = np.mod(12 * librosa.hz_to_octs(pitches[loud]), 1.0)
    residual[residual >= 0.5] -= 1.0
    return np.sort(np.histogram(residual, np.linspace(-0.5, 0.5, 101))[0])[:-3:-1]


def table(title, expected, got, limits):
    """Prints the errors' distribution and returns the errors."""
    error = np.abs(got - expected) / expected.std(axis=0)
    print(f"\n{title}: errors in standard deviations, {len(expected)} clips")
    print(f"{'entries':<14}{'median':>10}{'99 %':>10}{'99.9 %':>10}{'largest':>10}{'limit':>9}{'clips beyond':>14}")
    for name, rows in GROUPS.items():
        part = error[:, list(rows)]
        beyond = (part > limits[name]).any(axis=1).sum()
        figures = [np.median(part), np.quantile(part, 0.99), np.quantile(part, 0.999), part.max()]
        print(f"{name:<14}" + "".join(f"{x:10.1e}" for x in figures) + f"{limits[name]:9.0e}{beyond:14d}")
    return error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each N-th clip")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, help="keep what is done in this folder, and take what is in it")
    parser.add_argument("--programs", type=Path, help="folder of this crate's built examples, which are not built then")
    parser.add_argument("--save", type=Path, help="keep all vectors in this safetensors file")
    arguments = parser.parse_args()
    paths = sorted(p for p in arguments.folder.rglob("03-01-*") if p.suffix in (".flac", ".wav"))[:: arguments.every]
    if not paths:
        parser.error(f"{arguments.folder} holds no clips 03-01-*.flac or .wav")
    programs = arguments.programs or build()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)

    parts = [(paths[i : i + PART], programs, arguments.keep) for i in range(0, len(paths), PART)]
    results = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for part in pool.map(compare, parts):
            results.append(part)
            print(f"{min(PART * len(results), len(paths))} of {len(paths)} clips", end="\r", flush=True)
    whole = {name: np.concatenate([part[name] for part in results]) for name in results[0]}
    names = [str(name) for name in whole["names"]]
    expected, same, own, again = (whole[name] for name in ("expected", "same", "own", "again"))
    if arguments.save:
        save_file({"expected": expected, "same": same, "own": own}, arguments.save)

    limits = dict.fromkeys(GROUPS, 1e-3) | {"contrast 7": 0.1, "tonnetz": 0.3}
    error = table("same samples", expected, same, limits)
    chroma = error[:, list(GROUPS["chroma"])].max(axis=1)
    for i in np.flatnonzero(chroma > limits["chroma"]):
        first, second = fullest_bins(next(path for path in paths if path.stem == names[i]))
        print(f"  chroma of {names[i]}: {chroma[i]:.3f}; the fullest tuning bins hold {first} and {second} pitches")
    shares = {name: (error[:, list(rows)] > limits[name]).any(axis=1).mean() for name, rows in GROUPS.items()}
    allowed = dict.fromkeys(GROUPS, 0.0) | {"chroma": 0.02}
    broken = [name for name in GROUPS if shares[name] > allowed[name]]
    if np.median(error[:, list(GROUPS["tonnetz"])]) > 1e-3:
        broken.append("median of tonnetz")
    error = table("resampled here, by librosa there", expected, own, limits)
    if error[:, list(GROUPS["mfcc"])].max() > limits["mfcc"]:
        broken.append("MFCC, resampled here")
    table("librosa with silence before the clip, and without", expected, again, limits)

    print("\nwaveforms: RMS of the difference, relative; the last three below 0.85 of the Nyquist frequency")
    kinds = ("here and soxr_hq", "here and soxr_hq, < 0.85", "here and ideal, < 0.85", "soxr_hq and ideal, < 0.85")
    for pair, level in zip(kinds, whole["waveforms"].T):
        worst = names[int(level.argmax())]
        print(f"{pair:<28} median {np.median(level):7.1f} dB, largest {level.max():7.1f} dB ({worst})")
    if whole["waveforms"][:, :2].max() > WAVEFORM_LIMIT:
        broken.append("waveforms")
    print("\nlibrosa's features of both waveforms: mean absolute difference over coefficients and frames")
    for kind, errors, limit in zip(("40 MFCC", "highest mel band, dB"), whole["fronts"].T, (MFCC_LIMIT, MEL_LIMIT)):
        worst = names[int(errors.argmax())]
        print(f"{kind:<22} mean {errors.mean():.1e} (limit {limit:.0e}), median {np.median(errors):.1e}, largest {errors.max():.1e} ({worst})")
        if errors.mean() > limit:
            broken.append(kind)
    if broken:
        sys.exit(f"beyond the limits: {', '.join(broken)}")


if __name__ == "__main__":
    main()

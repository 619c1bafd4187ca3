"""Times ser-features and librosa on one machine in one go, and prints the ratios as a Markdown table.

    pip install -r requirements.txt
    python compare_librosa.py [--clip CLIP.wav] [--parts PART …] [--corpus WAV_FOLDER [--every N]]

Each side runs on one thread with the same 66,150 samples at 22,050 Hz: the clip without its digital silence, repeated to three seconds.
Figures are medians after warm-up. The Rust side is `time_features` of this crate in the default release build, which cargo builds first. It runs before and after
the other side, and the mean of both counts, for a processor's clock changes. torchaudio, transformers and kaldi-native-fbank are
measured where they are installed.

--corpus times the vector of 193 features of every Nth WAV file below a folder (RAVDESS: 1,440 clips at 48 kHz), from the file to a file of
features: the example `extract_features` with two threads, and two processes of librosa. Both get the same clips, in turns.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

for variable in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ[f"{variable}_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import scipy.fft  # noqa: E402
import soxr  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
RATE = 22050
ROWS = [
    ("stft", "STFT"),
    ("mel", "mel spectrogram, 128 bands"),
    ("mfcc", "40 MFCC of 128 bands"),
    ("chroma_stft", "`chroma_stft` with tuning estimate"),
    ("contrast", "spectral contrast"),
    ("istft", "inverse STFT"),
    ("harmonic", "harmonic part"),
    ("percussive", "percussive part"),
    ("delta", "deltas of 40 MFCC"),
    ("estimate_tuning", "tuning"),
    ("piptrack", "`piptrack`"),
    ("cqt", "constant-Q transform, 84 bins"),
    ("chroma_cqt", "`chroma_cqt` with tuning estimate, 252 bins"),
    ("tonnetz", "tonnetz of the signal itself"),
    ("issa193", "the 193 features of Issa et al."),
    ("spectral_centroid", "centroid"),
    ("spectral_bandwidth", "bandwidth"),
    ("spectral_rolloff", "roll-off"),
    ("spectral_flatness", "flatness"),
    ("zero_crossing_rate", "zero crossings"),
    ("rms", "RMS"),
    ("trim", "trimming"),
    ("preemphasis", "pre-emphasis"),
    ("yin", "`yin`"),
    ("pyin", "`pyin`"),
    ("pcen", "PCEN of 128 mel bands"),
    ("lpc", "LPC, order 16"),
    ("onset_strength", "onset strength"),
    ("tempogram", "tempogram"),
    ("tempo", "tempo"),
    ("time_stretch", "time stretching by 1.25"),
    ("pitch_shift", "pitch shift by four semitones"),
    ("mel_to_stft", "`mel_to_stft` of 128 bands"),
    ("griffin_lim", "Griffin-Lim, 32 iterations"),
]
PARTS = ["features", "fronts", "scaling"]
# What librosa has no function for.
WITHOUT = {"voice_quality": "jitter, shimmer and harmonics-to-noise ratio", "formants": "formants"}
# Changes of rate of three seconds, beside soxr's HQ quality, which librosa's are.
RATES = {
    "resample": (48000, 22050),
    "resample_44100_22050": (44100, 22050),
    "resample_48000_16000": (48000, 16000),
    "resample_44100_16000": (44100, 16000),
}
# Front ends beside their originals, of the same samples as if they were at 16 kHz.
FRONTS = [
    ("whisper", "Whisper's input, 80 bands", "transformers"),
    ("whisper_128", "Whisper's input, 128 bands", "transformers"),
    ("torchaudio_mel", "`MelSpectrogram`, defaults", "torchaudio"),
    ("torchaudio_mfcc", "`MFCC`, defaults", "torchaudio"),
    ("kaldi_fbank", "Kaldi's fbank, 80 bands", "kaldi-native-fbank"),
    ("kaldi_mfcc", "Kaldi's MFCC", "kaldi-native-fbank"),
]


def check_versions():
    lines = (HERE / "requirements.txt").read_text().split()
    for name, pinned in (line.split("==") for line in lines if "==" in line):
        if version(name) != pinned:
            sys.exit(f"{name} is {version(name)}, but the comparison is with {pinned}")


def median(run, budget=1.0):
    run(), run()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < budget:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def vector(y):
    feature = librosa.feature
    magnitude = np.abs(librosa.stft(y))
    harmonic = librosa.effects.harmonic(y)
    return np.hstack(
        [
            feature.mfcc(y=y, sr=RATE, n_mfcc=40).mean(axis=1),
            feature.chroma_stft(S=magnitude, sr=RATE).mean(axis=1),
            feature.melspectrogram(y=y, sr=RATE).mean(axis=1),
            feature.spectral_contrast(S=magnitude, sr=RATE).mean(axis=1),
            feature.tonnetz(y=harmonic, sr=RATE).mean(axis=1),
        ]
    )


def librosa_times(y):
    feature, effects, frames = librosa.feature, librosa.effects, librosa.util.frame(np.pad(y, 1024), frame_length=2048, hop_length=512)
    frames = frames.T.copy()
    spectrum = librosa.stft(y)
    mel, magnitude, mfcc = feature.melspectrogram(y=y, sr=RATE), np.abs(spectrum), feature.mfcc(y=y, sr=RATE, n_mfcc=40)
    work = {
        "floor": lambda: scipy.fft.rfft(frames, axis=1),
        "stft": lambda: librosa.stft(y),
        "mel": lambda: feature.melspectrogram(y=y, sr=RATE),
        "mfcc": lambda: feature.mfcc(y=y, sr=RATE, n_mfcc=40),
        "chroma_stft": lambda: feature.chroma_stft(y=y, sr=RATE),
        "contrast": lambda: feature.spectral_contrast(y=y, sr=RATE),
        "istft": lambda: librosa.istft(spectrum),
        "harmonic": lambda: effects.harmonic(y),
        "percussive": lambda: effects.percussive(y),
        "delta": lambda: feature.delta(mfcc),
        "estimate_tuning": lambda: librosa.estimate_tuning(y=y, sr=RATE),
        "piptrack": lambda: librosa.piptrack(y=y, sr=RATE),
        "tonnetz": lambda: feature.tonnetz(y=y, sr=RATE),
        "spectral_centroid": lambda: feature.spectral_centroid(y=y, sr=RATE),
        "spectral_bandwidth": lambda: feature.spectral_bandwidth(y=y, sr=RATE),
        "spectral_rolloff": lambda: feature.spectral_rolloff(y=y, sr=RATE),
        "spectral_flatness": lambda: feature.spectral_flatness(y=y),
        "zero_crossing_rate": lambda: feature.zero_crossing_rate(y),
        "rms": lambda: feature.rms(y=y),
        "preemphasis": lambda: effects.preemphasis(y),
        "yin": lambda: librosa.yin(y, sr=RATE, fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7")),
        "tempogram": lambda: feature.tempogram(y=y, sr=RATE),
        "pitch_shift": lambda: effects.pitch_shift(y, sr=RATE, n_steps=4),
        "mel_to_stft": lambda: feature.inverse.mel_to_stft(mel, sr=RATE),
        "cqt": lambda: np.abs(librosa.cqt(y, sr=RATE)),
        "chroma_cqt": lambda: feature.chroma_cqt(y=y, sr=RATE),
        "issa193": lambda: vector(y),
        "trim": lambda: effects.trim(y, top_db=30),
        "pyin": lambda: librosa.pyin(y, sr=RATE, fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7")),
        "pcen": lambda: librosa.pcen(mel, sr=RATE),
        "lpc": lambda: librosa.lpc(y, order=16),
        "onset_strength": lambda: librosa.onset.onset_strength(y=y, sr=RATE),
        "tempo": lambda: feature.tempo(y=y, sr=RATE),
        "time_stretch": lambda: effects.time_stretch(y, rate=1.25),
        "griffin_lim": lambda: librosa.griffinlim(magnitude),
    }
    return {name: median(run, 2.0 if name == "issa193" else 0.3) for name, run in work.items()}


def soxr_times(y):
    def resample(source, target):
        recording = np.resize(y, 3 * source)
        return median(lambda: soxr.resample(recording, source, target, quality="HQ"), 0.6)

    return {name: resample(*rates) for name, rates in RATES.items()}


def print_rates(ours, theirs):
    print(f"\n| three seconds, one thread | soxr {version('soxr')} HQ | ser-features | faster |\n| --- | --- | --- | --- |")
    for name, (source, target) in RATES.items():
        factor = theirs[name] / ours[name]
        print(f"| {source:,} to {target:,} Hz | {theirs[name]:,.0f} µs | {ours[name]:,.0f} µs | {factor:.2f} × |")
    print(f"\nTen milliseconds of a stream from 48,000 to 22,050 Hz: {ours['resample_stream']:.1f} µs")


def front_times(y):
    """The front ends whose packages are installed."""
    work = {}
    if find_spec("transformers"):
        from transformers import WhisperFeatureExtractor

        def whisper(bands):
            extractor = WhisperFeatureExtractor(feature_size=bands)
            # With torch where it is installed, as the extractor itself does it; else with numpy.
            fast = find_spec("torch") is not None
            return lambda: extractor._torch_extract_fbank_features(y) if fast else extractor._np_extract_fbank_features(y[None], "cpu")

        work |= {"whisper": whisper(80), "whisper_128": whisper(128)}
    if find_spec("torchaudio"):
        import torch
        import torchaudio.transforms as transforms

        torch.set_num_threads(1)
        samples, mel, mfcc = torch.from_numpy(y), transforms.MelSpectrogram(), transforms.MFCC()
        work |= {"torchaudio_mel": lambda: mel(samples), "torchaudio_mfcc": lambda: mfcc(samples)}
    if find_spec("kaldi_native_fbank"):
        import kaldi_native_fbank as knf

        def kaldi(kind, options):
            # The binding takes a list of numbers. What numpy needs to turn it into an array is taken off below.
            options.frame_opts.dither = 0.0
            features = kind(options)
            features.accept_waveform(16000, scaled)
            features.input_finished()
            return [features.get_frame(t) for t in range(features.num_frames_ready)]

        def fbank_options():
            options = knf.FbankOptions()
            options.mel_opts.num_bins = 80
            return options

        scaled = (y * 32768).tolist()
        work["kaldi_fbank"] = lambda: kaldi(knf.OnlineFbank, fbank_options())
        work["kaldi_mfcc"] = lambda: kaldi(knf.OnlineMfcc, knf.MfccOptions())
    times = {name: median(run, 0.6) for name, run in work.items()}
    if "kaldi_fbank" in times:
        list_only = min(median(lambda: np.array(scaled, dtype=np.float32), 0.3), times["kaldi_fbank"])
        times = {name: time - list_only if name.startswith("kaldi") else time for name, time in times.items()}
    return times


def print_fronts(ours, theirs):
    print("\n| three seconds, one thread | original | ser-features | faster |\n| --- | --- | --- | --- |")
    for name, title, package in FRONTS:
        if name in theirs:
            factor = theirs[name] / ours[name]
            print(f"| {title} | {package} {version(package)} {theirs[name]:,.0f} µs | {ours[name]:,.0f} µs | {factor:.1f} × |")


def torchaudio_times(y):
    if find_spec("torchaudio") is None:
        return {}
    import torch
    import torchaudio.transforms as transforms

    torch.set_num_threads(1)
    mel = dict(n_fft=2048, hop_length=512, n_mels=128, norm="slaney", mel_scale="slaney", pad_mode="constant")
    plans = {
        "stft": transforms.Spectrogram(n_fft=2048, hop_length=512, power=None, pad_mode="constant"),
        "mel": transforms.MelSpectrogram(RATE, **mel),
        "mfcc": transforms.MFCC(RATE, n_mfcc=40, melkwargs=mel),
    }
    samples = torch.from_numpy(y)
    with torch.inference_mode():
        return {name: median(lambda plan=plan: plan(samples), 0.6) for name, plan in plans.items()}


def rust(*arguments):
    program = BUILT / "time_features"
    return json.loads(subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout)


def around(clip, measure):
    """Our times, as the means of those before and after the others are measured, and the others' results."""
    before = rust("features", clip)
    others = measure()
    after = rust("features", clip)
    return {name: (time + after[name]) / 2 for name, time in before.items()}, others


def print_table(ours, theirs, torch):
    def cell(microseconds):
        return f"{microseconds:,.0f} µs" if microseconds else "–"

    extra = " torchaudio |" if torch else ""
    print(f"| three seconds, one thread | librosa {librosa.__version__} |{extra} ser-features | faster than librosa | in realfft's time |")
    print("| --- | --- |" + (" --- |" if torch else "") + " --- | --- | --- |")
    extra = f" {cell(None)} |" if torch else ""
    print(f"| 130 real FFTs of 2,048 (SciPy, realfft) | {cell(theirs['floor'])} |{extra} {cell(ours['floor'])} | – | 1 |")
    missing = set(ours) - {name for name, *_ in ROWS + FRONTS} - set(RATES) - set(WITHOUT) - {"floor", "resample_stream"}
    assert not missing, f"subjects without a row: {missing}"
    for name, title in WITHOUT.items():
        extra = f" {cell(None)} |" if torch else ""
        print(f"| {title} | – |{extra} {cell(ours[name])} | – | {ours[name] / ours['floor']:.2f} |")
    for name, title in ROWS:
        extra = f" {cell(torch.get(name))} |" if torch else ""
        factor, floor = theirs[name] / ours[name], ours[name] / ours["floor"]
        print(f"| {title} | {cell(theirs[name])} |{extra} {cell(ours[name])} | {factor:.1f} × | {floor:.2f} |")


def print_scaling(clip):
    scaling = rust("scaling", clip)
    print("\n| sound | 193 features | times real time |\n| --- | --- | --- |")
    for seconds, milliseconds in sorted(scaling["milliseconds_by_seconds"].items(), key=lambda item: int(item[0])):
        print(f"| {seconds} s | {milliseconds:.1f} ms | {int(seconds) * 1000 / milliseconds:,.0f} |")
    batch = scaling["milliseconds_of_256_clips_by_threads"]
    for threads, milliseconds in sorted(batch.items(), key=lambda item: int(item[0])):
        print(f"\n256 clips of 3 s on {threads} thread(s): {milliseconds:.0f} ms ({batch['1'] / milliseconds:.2f} × one thread)")
    for seconds in (600, 3600):
        memory = rust("memory", clip, str(seconds))
        ratio = memory["peak_bytes"] / memory["sample_bytes"]
        print(f"\nPeak memory for {seconds} s: {memory['peak_bytes'] / 1e6:.0f} MB, {ratio:.2f} × the samples")


def vector_of_file(path):
    y, _ = librosa.load(path, sr=RATE)
    y = librosa.util.normalize(librosa.effects.trim(y, top_db=30)[0])
    return vector(librosa.util.fix_length(y, size=66150))


def extract(folder, target):
    """Seconds, seconds of user time, and clips of `extract_features` with two threads."""
    program = BUILT / "examples" / "extract_features"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    command = [program, folder, "--output", target, "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"RAYON_NUM_THREADS": "2"})
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, json.loads(found.stdout)["clips"]


def print_corpus(folder, every):
    files = sorted(Path(folder).rglob("*.wav"))[::every]
    with tempfile.TemporaryDirectory() as scratch:
        clips = Path(scratch) / "clips"
        clips.mkdir()
        for file in files:
            shutil.copyfile(file, clips / file.name)
        paths = sorted(map(str, clips.iterdir()))
        if len(paths) != len(files):
            sys.exit(f"{folder}: two WAV files have one name")
        target = Path(scratch) / "features.safetensors"
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            pool.map(vector_of_file, paths[:2] * 4, chunksize=1)  # compile and warm up
            extract(clips, target)
            ours, theirs, half = [], 0.0, len(paths) // 2
            for part in (paths[:half], paths[half:]):
                ours.append(extract(clips, target))
                start = time.perf_counter()
                pool.map(vector_of_file, part, chunksize=1)
                theirs += time.perf_counter() - start
            ours.append(extract(clips, target))
    seconds, user, clips = (float(np.median(column)) for column in zip(*ours))
    assert clips == len(paths), f"{clips} of {len(paths)} clips"
    print(f"\n{len(paths)} clips from WAV to a file of features: librosa with 2 processes {theirs:.1f} s,")
    print(f"extract_features with 2 threads {seconds:.2f} s: {theirs / seconds:.1f} × as fast; {1e3 * user / clips:.2f} ms of user time a clip")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clip", default=ROOT / "examples" / "assets" / "sample.wav")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured, besides the corpus")
    parser.add_argument("--corpus", help="folder of WAV files")
    parser.add_argument("--every", type=int, default=12, help="take every Nth file of the corpus")
    parser.add_argument("--no-build", action="store_true", help="take the binary as it is")
    arguments = parser.parse_args()
    check_versions()
    if not arguments.no_build:
        command = ["cargo", "build", "--release", "--quiet", "--workspace", "--bins", "--examples"]
        subprocess.run(command, check=True, cwd=ROOT)
    y = librosa.load(arguments.clip, sr=RATE)[0]
    # Frames of digital silence are not transformed here: speech alone is fair to the other side and to realfft.
    y = np.resize(y[y != 0.0], 66150).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        clip = str(Path(folder) / "clip.f32")
        y.tofile(clip)
        if "features" in arguments.parts:
            ours, (theirs, torch) = around(clip, lambda: (librosa_times(y), torchaudio_times(y)))
            print_table(ours, theirs, torch)
        if "fronts" in arguments.parts:
            ours, (rates, fronts) = around(clip, lambda: (soxr_times(y), front_times(y)))
            print_rates(ours, rates)
            print_fronts(ours, fronts)
        if "scaling" in arguments.parts:
            print_scaling(clip)
    if arguments.corpus:
        print_corpus(arguments.corpus, arguments.every)


if __name__ == "__main__":
    main()

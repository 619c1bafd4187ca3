"""Makes the golden files of ser-features: what librosa computes from fixed signals.

    pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1 soxr==1.1.0 safetensors soundfile
    python make_goldens.py

It writes `signals.safetensors` (the signals, so that both sides see the same samples), `spectral.safetensors`,
`tonal.safetensors`, `descriptors.safetensors`, `cqt.safetensors` and `resample.safetensors` beside itself, each stamped with the
versions that made it, and refuses to run with other versions. Tensors are named `SIGNAL/FEATURE`. A matrix holds only the frames listed in `SIGNAL/frames` (all of a short
signal, some of a long one). What librosa refuses at a sample rate is left out.
"""

import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

PINNED = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1", "soxr": "1.1.0"}
FOUND = {name: version(name) for name in PINNED}
if FOUND != PINNED and "--any-version" not in sys.argv:
    sys.exit(f"the golden files are defined by {PINNED}, but this Python has {FOUND}")

# One thread: with more, sums change their order and the files their last digits from run to run.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import scipy.ndimage  # noqa: E402
import scipy.signal  # noqa: E402
import soundfile  # noqa: E402
from librosa.util.exceptions import ParameterError  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parents[2] / "examples" / "assets" / "sample.wav"
# Another version's goldens go elsewhere, to be compared: --any-version --out FOLDER. SciPy 1.18 fails on one sample, and its median
# filter gives what it finds beyond a short signal: --without one_sample,short.
TARGET = Path(sys.argv[sys.argv.index("--out") + 1]) if "--out" in sys.argv else HERE
WITHOUT = sys.argv[sys.argv.index("--without") + 1].split(",") if "--without" in sys.argv else []
MAX_FRAMES = 24
warnings.filterwarnings("ignore")


# --- signals ------------------------------------------------------------------------------------------------------------------


def time(seconds, sr):
    return np.arange(int(round(seconds * sr))) / sr


def vowel(seconds, sr, pitch=118.0, formants=((730, 90), (1090, 110), (2440, 170), (3300, 250))):
    """A pulse train with vibrato through a cascade of resonators: /a/ of a male voice."""
    t = time(seconds, sr)
    phase = np.cumsum(pitch * (1 + 0.02 * np.sin(2 * np.pi * 5 * t)) / sr)
    source = np.diff(np.floor(phase), prepend=0.0)
    for frequency, bandwidth in formants:
        if frequency < sr / 2:
            radius = np.exp(-np.pi * bandwidth / sr)
            poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / sr), radius**2]
            source = scipy.signal.lfilter([sum(poles)], poles, source)
    return 0.8 * source / np.abs(source).max()


def clicks(seconds, sr, every):
    y = np.zeros(len(time(seconds, sr)))
    y[:: int(every * sr)] = np.linspace(1, -0.5, len(y[:: int(every * sr)]))
    return y


def melody(seconds, sr):
    """Detuned harmonic tones of half a second, a breath of noise, and pauses."""
    rng = np.random.default_rng(7)
    t = time(seconds, sr)
    y = np.zeros_like(t)
    for i, midi in enumerate(rng.integers(45, 76, int(seconds * 2))):
        start, stop = int(i * sr / 2), int((i + 0.9) * sr / 2)
        n = t[: stop - start]
        hz = 440 * 2 ** ((midi - 69 + 0.21) / 12)
        tone = sum(np.sin(2 * np.pi * hz * k * n) / k for k in range(1, 8) if hz * k < sr / 2)
        y[start:stop] += 0.3 * np.exp(-3 * n) * tone
    return y + 1e-3 * rng.standard_normal(len(y))


def padded(y, before, after):
    return np.concatenate([np.zeros(before), y, np.zeros(after)])


def signals():
    """Name → (sample rate, samples). 16-bit integers stand for `x / 32768`, as a decoder gives them."""

    def pcm(y):
        return np.round(np.clip(y, -1, 1) * 32767).astype(np.int16)

    def single(y):
        return y.astype(np.float32)

    rng = np.random.default_rng(2024)
    speech, speech_rate = soundfile.read(SAMPLE, dtype="int16")
    t = time
    return {
        "sine": (22050, single(0.6 * np.sin(2 * np.pi * 452.0 * t(1.0, 22050)))),
        "sines": (32000, pcm(sum(0.2 * np.sin(2 * np.pi * f * t(1.0, 32000)) for f in (110.5, 1234.5, 7777.0)))),
        "chirp": (44100, pcm(0.9 * scipy.signal.chirp(t(1.0, 44100), 40, 1.0, 18000, "logarithmic"))),
        "chirp_11025": (11025, pcm(0.9 * scipy.signal.chirp(t(1.5, 11025), 20, 1.5, 5000))),
        "clicks": (16000, pcm(clicks(1.3, 16000, 0.11))),
        "noise": (48000, single(0.25 * rng.standard_normal(24000))),
        "silence": (22050, np.zeros(11025, dtype=np.int16)),
        "vowel": (22050, pcm(vowel(1.5, 22050))),
        "vowel_8000": (8000, pcm(vowel(1.0, 8000, pitch=210.0))),
        "vowel_in_silence": (24000, pcm(padded(vowel(0.8, 24000, pitch=150.0), 9000, 15000))),
        "speech": (speech_rate, speech),
        "melody": (16000, pcm(melody(10.0, 16000))),
        "one_sample": (22050, np.array([0.5], dtype=np.float32)),
        "short": (22050, single(0.1 * rng.standard_normal(700))),
        "faint": (22050, single(1e-4 * rng.standard_normal(6000))),
    }


# --- what librosa makes of them -----------------------------------------------------------------------------------------------


def allowed(function, *args, **kwargs):
    """The result, or None where librosa refuses the signal."""
    try:
        return function(*args, **kwargs)
    except ParameterError:
        return None


def pick(n_frames, most=MAX_FRAMES):
    if n_frames <= most:
        return np.arange(n_frames)
    return np.unique(np.round(np.linspace(0, n_frames - 1, most)).astype(int))


def split_complex(x):
    """complex64 [rows, frames] → float32 [2, rows, frames]."""
    return np.stack([x.real, x.imag]).astype(np.float32)


def contrast_valleys(S, sr, n_fft=2048, fmin=200.0, n_bands=6, quantile=0.02):
    """The valleys that `spectral_contrast` finds (it does not return them), relative to each frame's largest magnitude."""
    freq = librosa.fft_frequencies(sr=sr, n_fft=n_fft)
    edges = np.concatenate([[0.0], fmin * 2.0 ** np.arange(n_bands + 1)])
    valleys, peaks = [], []
    for k in range(n_bands + 1):
        band = np.flatnonzero((freq >= edges[k]) & (freq <= edges[k + 1]))
        first = band[0] - (k > 0)
        last = len(freq) - 1 if k == n_bands else band[-1]
        count = int(max(1, np.rint(quantile * (last - first + 1))))
        ordered = np.sort(S[first : last + (k == n_bands)], axis=0)
        valleys.append(ordered[:count].mean(axis=0))
        peaks.append(ordered[-count:].mean(axis=0))
    linear = librosa.feature.spectral_contrast(S=S, sr=sr, linear=True)
    assert np.allclose(np.array(peaks) - np.array(valleys), linear, atol=1e-6 * S.max())
    return np.array(valleys) / np.maximum(S.max(axis=0), 1e-30)


def median_filter(x, size, mode):
    """SciPy's, also where the axis is shorter than half of the window.

    There SciPy 1.17 reads beyond its buffer (its result changes from run to run); this reflects as often as it takes, which is
    what its documentation says.
    """
    axis = int(np.argmax(size))
    half = size[axis] // 2
    if x.shape[axis] > half:
        return scipy.ndimage.median_filter(x, size=size, mode=mode)
    assert mode == "reflect" and min(size) == 1
    pad = [(half, half) if i == axis else (0, 0) for i in range(x.ndim)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad, "symmetric"), size[axis], axis=axis)
    return np.median(windows, axis=-1).astype(x.dtype)


librosa.decompose.median_filter = median_filter


def spectral(y, sr):
    """Everything that comes from one STFT, and the helpers on samples."""
    D = librosa.stft(y)
    S = np.abs(D)
    frames = pick(D.shape[1])
    out = {"frames": frames.astype(np.int64), "n_frames": np.array([D.shape[1]])}

    few = pick(D.shape[1], 8)
    out["stft_frames"] = few.astype(np.int64)
    out["stft"] = split_complex(D[:, few])
    other = librosa.stft(y, n_fft=512, hop_length=200, win_length=321)
    out["stft_512_200_321_frames"] = pick(other.shape[1], 8).astype(np.int64)
    out["stft_512_200_321"] = split_complex(other[:, pick(other.shape[1], 8)])

    # A filter in between, so that the inverse is not only handed its own signal.
    filtered = D * np.linspace(1, 0, D.shape[0])[:, None] ** 4
    out["istft_filtered"] = librosa.istft(filtered.astype(np.complex64), length=len(y))[:: max(1, len(y) // 12000)]

    mel = librosa.feature.melspectrogram(y=y, sr=sr)
    out["mel"] = mel[:, frames]
    out["mel_max"] = np.array([mel.max()])
    out["mel_htk"] = librosa.feature.melspectrogram(
        y=y, sr=sr, n_mels=40, fmin=60.0, fmax=3800.0, htk=True, norm=None, power=1.0
    )[:, frames]
    out["mfcc"] = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40)[:, frames]
    out["mfcc_13_lifter"] = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, lifter=22, n_mels=64)[:, frames]

    out["tuning_magnitude"] = np.array([librosa.estimate_tuning(S=S, sr=sr)])
    out["tuning_power"] = np.array([librosa.estimate_tuning(S=S**2, sr=sr)])
    out["tuning_36"] = np.array([librosa.estimate_tuning(y=y, sr=sr, bins_per_octave=36)])
    out["chroma_magnitude"] = librosa.feature.chroma_stft(S=S, sr=sr)[:, frames]
    out["chroma_power"] = librosa.feature.chroma_stft(y=y, sr=sr)[:, frames]
    out["chroma_power_tuned"] = librosa.feature.chroma_stft(y=y, sr=sr, tuning=0.13)[:, frames]
    pitches, magnitudes = librosa.piptrack(S=S, sr=sr)
    out["piptrack_pitches"] = pitches[:400][:, few]
    out["piptrack_magnitudes"] = magnitudes[:400][:, few]

    contrast = allowed(librosa.feature.spectral_contrast, S=S, sr=sr)
    if contrast is not None:
        out["contrast"] = contrast[:, frames]
        out["contrast_linear"] = librosa.feature.spectral_contrast(S=S, sr=sr, linear=True)[:, frames]
        out["contrast_valleys"] = contrast_valleys(S, sr)[:, frames]

    out["rms"] = librosa.feature.rms(y=y)[:, frames]
    out["rms_from_magnitude"] = librosa.feature.rms(S=S)[:, frames]
    for top_db in (60, 30):
        out[f"trim_{top_db}"] = librosa.effects.trim(y, top_db=top_db)[1].astype(np.int64)
        out[f"split_{top_db}"] = librosa.effects.split(y, top_db=top_db).astype(np.int64)
    return out


def tonal(y, sr):
    """Harmonic and percussive parts, constant-Q transform and what comes from it, and the recipe that needs all."""
    S = np.abs(librosa.stft(y))
    frames = pick(S.shape[1])
    out = {"frames": frames.astype(np.int64)}
    step = max(1, len(y) // 8000)
    out["sample_step"] = np.array([step])
    harmonic = librosa.effects.harmonic(y)
    out["harmonic"] = harmonic[::step]
    out["percussive"] = librosa.effects.percussive(y)[::step]
    H, P = librosa.decompose.hpss(S)
    few = pick(S.shape[1], 4)
    out["hpss_frames"] = few.astype(np.int64)
    out["hpss_harmonic"], out["hpss_percussive"] = H[:, few], P[:, few]

    C = allowed(librosa.cqt, y, sr=sr)
    if C is not None:
        out["cqt"] = split_complex(C[:, frames])
        out["cqt_max"] = np.array([np.abs(C).max()])
    fine = allowed(librosa.cqt, y, sr=sr, n_bins=252, bins_per_octave=36, tuning=0.07)
    if fine is not None:
        out["cqt_252_tuned"] = np.abs(fine)[:, pick(S.shape[1], 8)]
        out["cqt_252_tuned_max"] = np.array([np.abs(fine).max()])
        out["cqt_252_frames"] = pick(S.shape[1], 8).astype(np.int64)

    for name, x in (("", y), ("_of_harmonic", harmonic)):
        tuning = librosa.estimate_tuning(y=x, sr=sr, bins_per_octave=36)
        out["tuning_36" + name] = np.array([tuning])
        chroma = allowed(librosa.feature.chroma_cqt, y=x, sr=sr)
        if chroma is not None:
            out["chroma_cqt" + name] = chroma[:, frames]
            out["tonnetz" + name] = librosa.feature.tonnetz(y=x, sr=sr)[:, frames]
            level = np.abs(librosa.cqt(x, sr=sr, n_bins=252, bins_per_octave=36, tuning=tuning)).max(axis=0)
            # Frames far below the loudest hold rounding noise, which chroma normalises to 1: nothing to compare there.
            out["cqt_level" + name] = (level / max(level.max(), 1e-30))[frames]

    vector = allowed(issa193, y, sr)
    if vector is not None:
        out["issa193"] = vector
        prepared, _ = librosa.effects.trim(y, top_db=30)
        if len(prepared):
            prepared = librosa.util.fix_length(librosa.util.normalize(prepared), size=66150)
            out["issa193_prepared"] = issa193(prepared, sr)
    return out


def issa193(y, sr):
    """The recipe of Issa et al. (2020): means over time of five features, 40 + 12 + 128 + 7 + 6 numbers."""
    S = np.abs(librosa.stft(y))
    features = [
        librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40),
        librosa.feature.chroma_stft(S=S, sr=sr),
        librosa.feature.melspectrogram(y=y, sr=sr),
        librosa.feature.spectral_contrast(S=S, sr=sr),
        librosa.feature.tonnetz(y=librosa.effects.harmonic(y), sr=sr),
    ]
    return np.concatenate([f.mean(axis=1) for f in features])


def descriptors(y, sr):
    """Features with one value a frame, and pre-emphasis."""
    S = np.abs(librosa.stft(y))
    frames = pick(S.shape[1])
    out = {"frames": frames.astype(np.int64)}
    out["centroid"] = librosa.feature.spectral_centroid(y=y, sr=sr)[:, frames]
    out["centroid_of_power"] = librosa.feature.spectral_centroid(S=S**2, sr=sr)[:, frames]
    out["bandwidth"] = librosa.feature.spectral_bandwidth(y=y, sr=sr)[:, frames]
    out["bandwidth_p_not_normalised"] = librosa.feature.spectral_bandwidth(S=S, sr=sr, p=1.5, norm=False)[:, frames]
    out["rolloff"] = librosa.feature.spectral_rolloff(y=y, sr=sr)[:, frames]
    out["rolloff_half"] = librosa.feature.spectral_rolloff(S=S, sr=sr, roll_percent=0.5)[:, frames]
    out["flatness"] = librosa.feature.spectral_flatness(y=y)[:, frames]
    out["flatness_of_magnitude"] = librosa.feature.spectral_flatness(S=S, power=1.0, amin=1e-6)[:, frames]
    out["zero_crossing_rate"] = librosa.feature.zero_crossing_rate(y)[:, frames]

    own = {
        "zero_crossing_rate_zero_apart": allowed(
            librosa.feature.zero_crossing_rate, y, frame_length=501, hop_length=160, center=False, threshold=1e-3, zero_pos=False
        ),
        "yin": librosa.yin(y, sr=sr, fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7"))[None],
        "yin_of_speech": allowed(
            librosa.yin, y, sr=sr, fmin=100, fmax=400, frame_length=1024, hop_length=300, trough_threshold=0.2, center=False
        ),
    }
    for name, value in own.items():
        if value is not None:
            value = np.atleast_2d(value)
            some = pick(value.shape[1])
            out[name], out[name + "_frames"] = value[:, some], some.astype(np.int64)
            out[name + "_n_frames"] = np.array([value.shape[1]])

    if len(y) > 1:
        step = max(1, len(y) // 1500)
        out["sample_step"] = np.array([step])
        out["preemphasis"] = librosa.effects.preemphasis(y)[::step]
        out["deemphasis"] = librosa.effects.deemphasis(y, coef=0.9)[::step]
    return out


def functions():
    """Filter banks and functions of matrices, on their own."""
    rng = np.random.default_rng(5)
    out = {}
    for sr, n_fft, n_mels in ((22050, 1024, 40), (8000, 256, 16), (48000, 1024, 30)):
        for scale, htk in (("slaney", False), ("htk", True)):
            for norm in ("slaney", None):
                out[f"mel_{sr}_{n_fft}_{n_mels}/{scale}_{norm or 'none'}".lower()] = librosa.filters.mel(
                    sr=sr, n_fft=n_fft, n_mels=n_mels, htk=htk, norm=norm
                )
    for sr, n_fft, tuning in ((22050, 1024, 0.0), (22050, 1024, 0.13), (8000, 512, -0.5), (48000, 1024, 0.3)):
        out[f"chroma_{sr}_{n_fft}/{tuning}"] = librosa.filters.chroma(sr=sr, n_fft=n_fft, tuning=tuning)
    power = (10.0 ** rng.uniform(-12, 3, (5, 8))).astype(np.float32)
    out["db/input"] = power
    out["db/power"] = librosa.power_to_db(power)
    out["db/power_ref_max"] = librosa.power_to_db(power, ref=np.max, top_db=60.0)
    out["db/power_no_top"] = librosa.power_to_db(power, ref=0.5, amin=1e-6, top_db=None)
    out["db/amplitude"] = librosa.amplitude_to_db(power)
    out["db/amplitude_ref_max"] = librosa.amplitude_to_db(power, ref=np.max, top_db=None)
    matrix = rng.standard_normal((4, 30)).astype(np.float32).cumsum(axis=1)
    out["delta/input"] = matrix
    out["delta/9_1"] = librosa.feature.delta(matrix)
    out["delta/9_2"] = librosa.feature.delta(matrix, order=2)
    out["delta/5_1"] = librosa.feature.delta(matrix, width=5)
    out["delta/9_1_of_9"] = librosa.feature.delta(matrix[:, :9])
    return {name: value.astype(np.float32) for name, value in out.items()}


CQT_OPTIONS = {
    "odd_hop": dict(hop_length=441),
    "few_halvings": dict(hop_length=440, n_bins=80, tuning=0.3),
    "lowest_octave": dict(n_bins=12),
    "lowest_octave_unscaled": dict(n_bins=12, scale=False),
    "unscaled": dict(scale=False),
    "short_filters": dict(fmin=55.0, n_bins=24, bins_per_octave=24, filter_scale=0.5, sparsity=0.0),
    "long_hop": dict(hop_length=4096, fmin=110.0, n_bins=30, sparsity=0.05),
    "two_an_octave": dict(fmin=100.0, n_bins=9, bins_per_octave=2, tuning=-0.5),
    "one_bin": dict(fmin=100.0, n_bins=1),
}


def constant_q():
    """The constant-Q transform with other options than librosa's defaults."""
    out = {}
    for name in ("speech", "noise"):
        sr, samples = signals()[name]
        y = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
        for option, arguments in CQT_OPTIONS.items():
            C = librosa.cqt(y, sr=sr, **arguments)
            frames = pick(C.shape[1], 12)
            out[f"{name}/{option}"] = split_complex(C[:, frames])
            out[f"{name}/{option}_frames"] = frames.astype(np.int64)
            out[f"{name}/{option}_shape_max"] = np.array([C.shape[1], np.abs(C).max()], dtype=np.float64)
    return out


RESAMPLED = (
    "48000_22050 44100_22050 32000_22050 24000_22050 16000_22050 8000_22050 96000_22050 192000_22050 48000_16000 44100_16000 "
    "22050_16000 96000_16000 8000_16000 22050_48000 48000_44100 44100_8000"
).split()


def resampled():
    """Noise of all frequencies at several rates, resampled by soxr_hq, as `librosa.load` does.

    It begins at once, so that what soxr cuts off at the start is heard, but with silence where the rate falls to a fourth or less: there
    soxr halves it first by filters whose cut at the start was not measured.
    """
    out = {}
    for pair in RESAMPLED:
        source, target = map(int, pair.split("_"))
        rng = np.random.default_rng(source + target)
        samples = np.clip(np.round(6000 * rng.standard_normal(source // 8)), -32768, 32767).astype(np.int16)
        if source >= 4 * target:
            samples[: source // 50] = 0
        out[f"{pair}/input"] = samples
        y = samples.astype(np.float32) / 32768
        out[f"{pair}/output"] = librosa.resample(y, orig_sr=source, target_sr=target)
    return out


def save(name, tensors):
    # safetensors writes several metadata keys in random order: one key keeps the file the same from run to run.
    stamp = {"made_by": json.dumps(FOUND, sort_keys=True)}
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    save_file(tensors, TARGET / f"{name}.safetensors", metadata=stamp)
    print(f"{name}: {len(tensors)} tensors, {sum(v.nbytes for v in tensors.values()) / 1e6:.2f} MB")


def to_stored(value):
    value = np.asarray(value)
    # Scalars such as a tuning stay f64, so that "equal" means equal.
    return value if value.dtype.kind == "i" or value.size == 1 else value.astype(np.float32)


def main():
    inputs, spectral_out, tonal_out, descriptors_out = {}, functions(), {}, {}
    for name, (sr, samples) in signals().items():
        if name in WITHOUT:
            continue
        inputs[f"{name}/samples"] = samples
        inputs[f"{name}/sample_rate"] = np.array([sr], dtype=np.int64)
        y = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
        for store, make in ((spectral_out, spectral), (tonal_out, tonal), (descriptors_out, descriptors)):
            store.update({f"{name}/{key}": to_stored(value) for key, value in make(y, sr).items()})
        print(f"{name}: {len(samples)} samples at {sr} Hz")
    save("signals", inputs)
    save("spectral", spectral_out)
    save("tonal", tonal_out)
    save("descriptors", descriptors_out)
    save("cqt", constant_q())
    save("resample", resampled())


if __name__ == "__main__":
    main()

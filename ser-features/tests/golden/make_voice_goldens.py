"""Makes `voice.safetensors`: what librosa computes of voices and rhythms from the signals of make_goldens.py.

    pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1 safetensors
    python make_voice_goldens.py

It reads `signals.safetensors` beside itself, and refuses to run with other versions. Tensors are named `SIGNAL/FEATURE`. A matrix or a long
signal holds only the frames or samples listed in `SIGNAL/FEATURE_frames`; where that is missing, all of them.
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

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import scipy.stats  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

HERE = Path(__file__).resolve().parent
SIGNALS = ["sine", "chirp_11025", "clicks", "noise", "silence", "vowel", "vowel_8000", "vowel_in_silence", "speech", "short", "faint"]
MAX_FRAMES, MAX_SAMPLES, STORED_SAMPLES = 3, 60_000, 800
warnings.filterwarnings("ignore")


def pick(length, most):
    return np.arange(length) if length <= most else np.unique(np.round(np.linspace(0, length - 1, most)).astype(int))


def matrices(y, sr):
    """Features of which a few frames say enough."""
    S = np.abs(librosa.stft(y))
    mel = librosa.feature.melspectrogram(y=y, sr=sr)
    out = {
        "pcen": librosa.pcen(mel * 2**31, sr=sr),
        "pcen_other": librosa.pcen(mel * 2**31, sr=sr, gain=0.7, bias=1.0, power=0.25, time_constant=0.06, eps=1e-3, max_size=3),
        "pcen_log": librosa.pcen(mel * 2**31, sr=sr, power=0, b=0.1),
        "hpss_17_31": librosa.decompose.hpss(S, kernel_size=(17, 31))[0][::5],
        "hpss_5_9": librosa.decompose.hpss(S, kernel_size=(5, 9), margin=(1.5, 2.0))[1][::5],
        "tempogram": librosa.feature.tempogram(y=y, sr=sr),
    }
    if S.shape[1] > 8:
        # In f64: librosa adds up phases in the type of the spectrum, and f32 loses them.
        D = librosa.stft(y.astype(np.float64), n_fft=512, hop_length=128)
        for name, rate in (("slow", 0.7), ("fast", 1.3)):
            stretched = librosa.phase_vocoder(D, rate=rate, hop_length=128)
            out[f"vocoder_{name}"] = np.concatenate([stretched.real, stretched.imag])
    return out


def pyin(y, sr, **options):
    f0, voiced, probability = librosa.pyin(y, sr=sr, **options)
    return {"f0": np.nan_to_num(f0), "voiced": voiced.astype(np.int64), "probability": probability}


def vectors(y, sr):
    """Features of which everything is kept."""
    out = {}
    tracks = {"pyin": dict(fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7"))}
    if len(y) >= 1024:
        tracks["pyin_of_speech"] = dict(
            fmin=80, fmax=400, frame_length=1024, hop_length=300, resolution=0.2, beta_parameters=(1, 18), switch_prob=0.05, center=False
        )
    for name, options in tracks.items():
        out |= {f"{name}_{key}": value for key, value in pyin(y, sr, **options).items()}
    out["lpc_12"] = librosa.lpc(y[:2000].astype(np.float64) + 1e-9, order=12)
    out["onset"] = librosa.onset.onset_strength(y=y, sr=sr)
    out["onset_other"] = librosa.onset.onset_strength(y=y, sr=sr, lag=2, max_size=3, detrend=True, n_mels=64)
    out["tempo"] = librosa.feature.tempo(y=y, sr=sr)
    out["tempo_slow"] = librosa.feature.tempo(y=y, sr=sr, start_bpm=60, std_bpm=0.5, ac_size=4.0, max_tempo=None)
    return out


def mel_errors(y, sr):
    """How far the mel bands of librosa's `mel_to_stft` lie from those given, of powers and of magnitudes, relative."""
    errors = []
    for power in (2.0, 1.0):
        mel = librosa.feature.melspectrogram(y=y[:20_000], sr=sr, n_mels=80, power=power)
        found = librosa.feature.inverse.mel_to_stft(mel, sr=sr, power=power)
        again = librosa.feature.melspectrogram(S=found**power, sr=sr, n_mels=80)
        errors.append(np.linalg.norm(again - mel) / np.linalg.norm(mel))
    return np.array(errors)


def sounds(y, sr):
    """Signals that come out."""
    out, y = {}, y.astype(np.float64)
    if len(y) > 4000:
        out["time_stretch_fast"] = librosa.effects.time_stretch(y, rate=1.25)
        out["time_stretch_slow"] = librosa.effects.time_stretch(y, rate=0.8)
        out["pitch_shift_up"] = librosa.effects.pitch_shift(y, sr=sr, n_steps=4)
        out["pitch_shift_down"] = librosa.effects.pitch_shift(y, sr=sr, n_steps=-5.5, bins_per_octave=24)
        S = np.abs(librosa.stft(y, n_fft=512))
        out["griffinlim"] = librosa.griffinlim(S, n_iter=8, init=None, n_fft=512, length=len(y))
        out["griffinlim_plain"] = librosa.griffinlim(S, n_iter=3, init=None, n_fft=512, momentum=0.0, length=len(y))
    return out


def functionals():
    rng = np.random.default_rng(11)
    out = {}
    for length in (1, 2, 37, 200):
        x = (rng.standard_normal(length) ** 3 * 10).astype(np.float32)
        wide = x.astype(np.float64)
        slope = np.polyfit(np.arange(length), wide, 1)[0] if length > 1 else 0.0
        moments = [scipy.stats.skew(wide), scipy.stats.kurtosis(wide)] if length > 1 else [0.0, 0.0]
        out[f"functionals_{length}/input"] = x
        out[f"functionals_{length}/want"] = np.array(
            [wide.mean(), wide.std(), wide.min(), wide.max(), np.ptp(wide), np.median(wide), *np.percentile(wide, [10, 33.3, 90]), *moments, slope]
        )
    return out


def main():
    inputs, out = load_file(HERE / "signals.safetensors"), functionals()
    for name in SIGNALS:
        sr = int(inputs[f"{name}/sample_rate"][0])
        samples = inputs[f"{name}/samples"]
        y = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
        y = y[:MAX_SAMPLES]
        if name in ("speech", "noise", "vowel"):
            out[f"{name}/mel_to_stft_error"] = mel_errors(y, sr).astype(np.float32)
        for make, most in ((matrices, MAX_FRAMES), (vectors, None), (sounds, STORED_SAMPLES)):
            for feature, value in make(y, sr).items():
                value = np.atleast_1d(value)
                if most:
                    some = pick(value.shape[-1], most)
                    out[f"{name}/{feature}_frames"] = some.astype(np.int64)
                    out[f"{name}/{feature}_shape_max"] = np.array([value.shape[-1], np.abs(value).max()], dtype=np.float64)
                    value = value[..., some]
                keep = value.dtype.kind == "i" or feature.startswith(("tempo", "pyin")) and value.ndim == 1 and feature != "tempogram"
                out[f"{name}/{feature}"] = value if keep else value.astype(np.float32)
        print(f"{name}: {len(y)} samples")
    target = Path(sys.argv[sys.argv.index("--out") + 1]) if "--out" in sys.argv else HERE
    stamp = {"made_by": json.dumps(FOUND, sort_keys=True)}
    out = {key: np.ascontiguousarray(value) for key, value in out.items()}
    save_file(out, target / "voice.safetensors", metadata=stamp)
    print(f"{len(out)} tensors, {sum(v.nbytes for v in out.values()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

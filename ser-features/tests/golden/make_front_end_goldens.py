"""Makes `front_ends.safetensors`: what Whisper's, torchaudio's and Kaldi's own front ends compute from the signals of make_goldens.py.

    pip install transformers==5.24.0 torch==2.15.0 torchaudio==2.11.1 kaldi-native-fbank==1.23.0 numpy==2.4.6 safetensors
    python make_front_end_goldens.py

It reads `signals.safetensors` beside itself, and refuses to run with other versions. Every signal is taken as if it had the sample rate that
the front end wants. Tensors are named `SIGNAL/FRONT_END`, frames are columns, and a matrix holds only the frames listed in
`SIGNAL/FRONT_END_frames`.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

PINNED = {
    "transformers": "5.24.0",
    "torch": "2.15.0",
    "torchaudio": "2.11.1",
    "kaldi-native-fbank": "1.23.0",
    "numpy": "2.4.6",
}
FOUND = {name: version(name) for name in PINNED}
if FOUND != PINNED:
    sys.exit(f"the golden files are defined by {PINNED}, but this Python has {FOUND}")

import kaldi_native_fbank as knf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchaudio  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402
from transformers import WhisperFeatureExtractor  # noqa: E402

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent
SIGNALS = ["sine", "chirp", "clicks", "noise", "silence", "vowel", "speech", "short", "faint"]
MAX_FRAMES, MAX_SAMPLES = 6, 48_000


def pick(n_frames):
    if n_frames <= MAX_FRAMES:
        return np.arange(n_frames)
    return np.unique(np.round(np.linspace(0, n_frames - 1, MAX_FRAMES)).astype(int))


# --- Whisper ------------------------------------------------------------------------------------------------------------------


def whisper(y, n_mels, length=None):
    """In f64, as transformers does without torch; it gives f32."""
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    y = y if length is None else np.pad(y, (0, length - len(y)))
    return extractor._np_extract_fbank_features([y], "cpu")[0]


# --- torchaudio ---------------------------------------------------------------------------------------------------------------


def torchaudio_features(y):
    """In f64: in f32, the faint bands beside a loud one hold rounding noise."""
    samples = torch.from_numpy(y).double()
    mel = torchaudio.transforms.MelSpectrogram().double()
    return {
        "torchaudio_mel": mel(samples).numpy(),
        "torchaudio_mel_db": torchaudio.transforms.AmplitudeToDB("power", top_db=80)(mel(samples)).numpy(),
        "torchaudio_mfcc": torchaudio.transforms.MFCC().double()(samples).numpy(),
    }


# --- Kaldi --------------------------------------------------------------------------------------------------------------------


def kaldi_options(options, frames=(), mel=(), **own):
    options.frame_opts.dither = 0.0
    for target, values in ((options.frame_opts, dict(frames)), (options.mel_opts, dict(mel)), (options, own)):
        for name, value in values.items():
            assert hasattr(target, name), name
            setattr(target, name, value)
    return options


def kaldi(kind, y, options):
    features = kind(options)
    # Kaldi's recipes feed 16-bit integers.
    features.accept_waveform(options.frame_opts.samp_freq, (y * 32768).tolist())
    features.input_finished()
    frames = [features.get_frame(t) for t in range(features.num_frames_ready)]
    return np.array(frames, dtype=np.float32).T if frames else None


def kaldi_in_double(y):
    """torchaudio's port of Kaldi, which can calculate in f64: Kaldi itself only has f32."""
    if len(y) < 400:
        return {}
    samples = torch.from_numpy(y).double()[None] * 32768
    port = torchaudio.compliance.kaldi
    return {
        "kaldi_fbank_double": port.fbank(samples, dither=0.0).numpy().T,
        "kaldi_mfcc_double": port.mfcc(samples, dither=0.0, num_mel_bins=30, num_ceps=20).numpy().T,
    }


def kaldi_features(y):
    fbank, mfcc = knf.FbankOptions, knf.MfccOptions
    wide = dict(snip_edges=False, window_type="hamming", round_to_power_of_two=False)
    narrow = dict(samp_freq=8000.0, frame_length_ms=32.0, frame_shift_ms=8.0, preemph_coeff=0.0)
    return {
        "kaldi_fbank": kaldi(knf.OnlineFbank, y, kaldi_options(fbank())),
        "kaldi_fbank_80": kaldi(knf.OnlineFbank, y, kaldi_options(fbank(), dict(snip_edges=False), dict(num_bins=80, high_freq=-400.0))),
        "kaldi_fbank_hamming": kaldi(
            knf.OnlineFbank, y, kaldi_options(fbank(), wide, use_energy=True, raw_energy=False, energy_floor=1.0, use_power=False)
        ),
        "kaldi_fbank_linear": kaldi(
            knf.OnlineFbank, y, kaldi_options(fbank(), dict(remove_dc_offset=False, window_type="hanning"), use_log_fbank=False)
        ),
        "kaldi_fbank_8000": kaldi(knf.OnlineFbank, y, kaldi_options(fbank(), dict(narrow, window_type="rectangular"), dict(num_bins=15, low_freq=100.0))),
        "kaldi_mfcc": kaldi(knf.OnlineMfcc, y, kaldi_options(mfcc())),
        "kaldi_mfcc_40": kaldi(
            knf.OnlineMfcc, y, kaldi_options(mfcc(), dict(snip_edges=False), dict(num_bins=40), num_ceps=40, use_energy=False, cepstral_lifter=0.0)
        ),
    }


# ------------------------------------------------------------------------------------------------------------------------------


def main():
    inputs, out = load_file(HERE / "signals.safetensors"), {}
    for name in SIGNALS:
        samples = inputs[f"{name}/samples"]
        y = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
        y = y[:MAX_SAMPLES]
        features = {"whisper_80": whisper(y, 80), "whisper_128": whisper(y, 128), "whisper_padded": whisper(y, 80, len(y) + 5000)}
        features |= torchaudio_features(y) | kaldi_features(y) | kaldi_in_double(y)
        for feature, matrix in features.items():
            if matrix is None:
                continue
            frames = pick(matrix.shape[1])
            out[f"{name}/{feature}"] = np.ascontiguousarray(matrix[:, frames].astype(np.float32))
            out[f"{name}/{feature}_frames"] = frames.astype(np.int64)
            out[f"{name}/{feature}_shape_max"] = np.array([matrix.shape[1], np.abs(matrix).max()], dtype=np.float64)
        print(f"{name}: {len(y)} samples")
    stamp = {"made_by": json.dumps(FOUND, sort_keys=True)}
    save_file(out, HERE / "front_ends.safetensors", metadata=stamp)
    print(f"{len(out)} tensors, {sum(v.nbytes for v in out.values()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

"""Times training steps and inferences of the models beside PyTorch twins with the same sizes, on all cores, in one run.

usage: cargo build --release -p ser-bench --bin time_models
       python ser-bench/reference/compare_torch.py [target/release/time_models] [SECONDS]
needs: pip install torch==2.15.0 numpy

Both sides take turns, three times each, SECONDS (default 1) at a time; what is printed, as a Markdown table, are medians. A
training step is a batch of 32 in float32: forward, backward, RMSprop. An inference is one example. PyTorch runs eagerly,
in evaluation and inference mode where it infers, both warmed. The last row is the bundled recogniser, features and model
together, on three seconds of speech and one core; it has no twin.

A second table times the convolutions and the first four blocks of Whisper base's encoder on three seconds (300 mel frames, 150 after the
convolutions) and one core, with made-up weights, beside PyTorch in float32 and, where it is installed (pip install ctranslate2==4.8.5),
CTranslate2 in float32 and int8. Alone: ... compare_torch.py BINARY SECONDS encoder
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn

BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/release/time_models"
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
ROUNDS, BATCH, CLASSES = 3, 32, 4
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
torch.set_num_threads(CORES)
torch.manual_seed(0)


def conv1d(inputs, outputs):
    return nn.Conv1d(inputs, outputs, 5, padding=2)


def cnn_1d():
    return nn.Sequential(
        conv1d(1, 256), nn.BatchNorm1d(256), nn.ReLU(),
        conv1d(256, 128), nn.ReLU(), nn.Dropout(0.1), nn.BatchNorm1d(128), nn.MaxPool1d(8),
        conv1d(128, 128), nn.ReLU(), conv1d(128, 128), nn.ReLU(),
        conv1d(128, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2),
        conv1d(128, 128), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128 * 24, CLASSES), nn.BatchNorm1d(CLASSES),
    )


class TimeSteps(nn.Module):
    """[batch, channels, ..., time] to [batch, time, channels * ...]."""

    def forward(self, x):
        return x.flatten(1, -2).transpose(1, 2)


class Recurrent(nn.Module):
    """A recurrent layer that gives all states, or the last one."""

    def __init__(self, layer, last=True):
        super().__init__()
        self.layer, self.last = layer, last

    def forward(self, x):
        states = self.layer(x)[0]
        return states[:, -1] if self.last else states


def cnn_lstm(normalized=False):
    block = lambda i, o: [
        nn.Conv2d(i, o, 3, padding=1), *([nn.BatchNorm2d(o)] if normalized else []), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)
    ]
    lstm = Recurrent(nn.LSTM(640, 128, batch_first=True))
    return nn.Sequential(*block(1, 32), *block(32, 64), TimeSteps(), lstm, nn.Linear(128, CLASSES))


def hybrid():
    block = lambda i: [conv1d(i, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Dropout(0.2)]
    lstm = Recurrent(nn.LSTM(128, 128, num_layers=2, batch_first=True, dropout=0.3))
    return nn.Sequential(
        *block(193), nn.MaxPool1d(2), *block(128), nn.MaxPool1d(2), *block(128), TimeSteps(), lstm,
        nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, CLASSES),
    )


def rnn_lstm():
    rnn, lstm = nn.RNN(128, 128, batch_first=True), nn.LSTM(128, 64, batch_first=True)
    return nn.Sequential(Recurrent(rnn, last=False), Recurrent(lstm), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))


TWINS = {
    "cnn-1d": (cnn_1d, (1, 193)),
    "cnn-lstm": (cnn_lstm, (1, 40, 862)),
    "cnn-lstm-bn": (lambda: cnn_lstm(True), (1, 40, 862)),
    "hybrid": (hybrid, (193, 130)),
    "rnn-lstm": (rnn_lstm, (128, 128)),
}


class Twin:
    def __init__(self, make, shape):
        self.model = make()
        self.optimizer = torch.optim.RMSprop(self.model.parameters(), lr=1e-4)
        self.loss = nn.CrossEntropyLoss()
        self.x, self.y = torch.randn(BATCH, *shape), torch.arange(BATCH) % CLASSES
        self.one = self.x[:1].clone()
        self.parameters = sum(p.numel() for p in self.model.parameters())

    def train(self):
        self.model.train()
        self.optimizer.zero_grad()
        self.loss(self.model(self.x), self.y).backward()
        self.optimizer.step()

    def infer(self):
        self.model.eval()
        with torch.inference_mode():
            self.model(self.one)

    def times(self, kind):
        call, times = getattr(self, kind), []
        call()
        start = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - start < SECONDS:
            begin = time.perf_counter()
            call()
            times.append((time.perf_counter() - begin) * 1e3)
        return times


class Rust:
    def __init__(self, **environment):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([BINARY], stdin=pipe, stdout=pipe, text=True, env={**os.environ, **environment})

    def ask(self, name, kind):
        self.process.stdin.write(f"{name} {kind} {SECONDS}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


WIDTH, HEADS, HIDDEN, MELS, FRAMES, BLOCKS = 512, 8, 2048, 80, 300, 4


class Block(nn.Module):
    """A pre-norm block of Whisper's encoder."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(MELS, WIDTH, 3, padding=1), nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.randn(1500, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))

    def forward(self, mel):
        x = nn.functional.gelu(self.conv2(nn.functional.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return x


def ctranslate2_models(folder):
    """CTranslate2's Whisper of the same sizes with a decoder that is never run: {type: encode}."""
    try:
        import ctranslate2
    except ImportError:
        return {}
    import numpy as np

    spec, rng = ctranslate2.specs.WhisperSpec(BLOCKS, HEADS, 1, HEADS), np.random.default_rng(0)
    draw = lambda *shape: rng.normal(0, 0.02, shape).astype(np.float32)

    def linear(part, outputs, inputs):
        part.weight, part.bias = draw(outputs, inputs), draw(outputs)

    def norm(part):
        part.gamma, part.beta = np.ones(WIDTH, np.float32), draw(WIDTH)

    def layer(part):
        norm(part.self_attention.layer_norm)
        linear(part.self_attention.linear[0], 3 * WIDTH, WIDTH)
        linear(part.self_attention.linear[1], WIDTH, WIDTH)
        norm(part.ffn.layer_norm)
        linear(part.ffn.linear_0, HIDDEN, WIDTH)
        linear(part.ffn.linear_1, WIDTH, HIDDEN)

    encoder, decoder = spec.encoder, spec.decoder
    for convolution, channels in ((encoder.conv1, MELS), (encoder.conv2, WIDTH)):
        convolution.weight, convolution.bias = draw(WIDTH, channels, 3), draw(WIDTH)
    encoder.position_encodings.encodings, decoder.position_encodings.encodings = draw(1500, WIDTH), draw(448, WIDTH)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for part in encoder.layer:
        layer(part)
    for part in decoder.layer:
        layer(part)
        norm(part.attention.layer_norm)
        for number, outputs in enumerate((WIDTH, 2 * WIDTH, WIDTH)):
            linear(part.attention.linear[number], outputs, WIDTH)
    decoder.embeddings.weight, decoder.scale_embeddings = draw(51865, WIDTH), False
    decoder.projection.weight = decoder.embeddings.weight
    spec.register_vocabulary([f"<|{token}|>" for token in range(51865)])
    for key in ("suppress_ids", "suppress_ids_begin", "lang_ids", "alignment_heads"):
        setattr(spec.config, key, [])
    spec.validate()
    spec.save(folder)
    mel = ctranslate2.StorageView.from_array(rng.normal(size=(1, MELS, FRAMES)).astype(np.float32))
    models = {}
    for kind in ("float32", "int8"):
        model = ctranslate2.models.Whisper(folder, device="cpu", compute_type=kind, intra_threads=1)
        models[f"CTranslate2 {ctranslate2.__version__}, {kind}"] = lambda model=model: model.encode(mel)
    return models


def compare_encoder():
    torch.set_num_threads(1)
    twin, mel = Encoder().eval(), torch.randn(1, MELS, FRAMES)

    def run_twin():
        with torch.inference_mode():
            twin(mel)

    with tempfile.TemporaryDirectory() as folder:
        calls = {f"PyTorch {torch.__version__}, float32": run_twin, **ctranslate2_models(folder)}
    rust = Rust(RAYON_NUM_THREADS="1", CANDLE_NUM_THREADS="1")
    times = {name: [] for name in [*calls, "encoder-f32", "encoder-i8"]}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            while time.perf_counter() - start < SECONDS:
                begin = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - begin) * 1e3)
        for name in ("encoder-f32", "encoder-i8"):
            times[name] += rust.ask(name, "infer")["milliseconds"]
    rust.process.stdin.close()
    print("\n| encoder of Whisper base, four blocks, 3 s, one core | median | least |")
    print("| --- | --- | --- |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.1f} ms | {min(values):.1f} ms |")


def main():
    only = sys.argv[3:] or list(TWINS)
    if only == ["encoder"]:
        return compare_encoder()
    print(f"PyTorch {torch.__version__}, {CORES} cores, batch {BATCH}\n")
    print("| model | parameters | step, PyTorch | step | ratio | inference, PyTorch | inference | ratio | peak memory |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = {"train": [], "infer": []}
    for name in only:
        twin, rust = Twin(*TWINS[name]), Rust()
        cells, peaks = [], []
        for kind in ratios:
            theirs, ours = [], []
            for _ in range(ROUNDS):
                theirs += twin.times(kind)
                time.sleep(0.3)  # PyTorch's threads spin for a while after their work
                answer = rust.ask(name, kind)
                ours += answer["milliseconds"]
                peaks.append(answer["peak_bytes"])
            if answer["parameters"] != twin.parameters - twice_counted(twin.model):
                sys.exit(f"{name}: {answer['parameters']} parameters, PyTorch's twin has {twin.parameters}")
            theirs, ours = statistics.median(theirs), statistics.median(ours)
            ratios[kind].append(theirs / ours)
            cells += [f"{theirs:.2f} ms", f"{ours:.2f} ms", f"{theirs / ours:.2f}"]
        memory = f"{peaks[0] / 2**20:.0f} MiB, {peaks[ROUNDS - 1] / 2**20:.0f} after {ROUNDS} turns" if peaks[0] else ""
        print(f"| `{name}` | {answer['parameters']:,} | " + " | ".join(cells) + f" | {memory} |", flush=True)
        rust.process.stdin.close()
    mean = {kind: math.exp(statistics.fmean(map(math.log, values))) for kind, values in ratios.items()}
    print(f"| geometric mean | | | | {mean['train']:.2f} | | | {mean['infer']:.2f} | |")
    recognizer = Rust(RAYON_NUM_THREADS="1", CANDLE_NUM_THREADS="1")
    times = recognizer.ask("recognizer", "infer")["milliseconds"]
    print(f"| recogniser, 3 s, one core | | | | | | {statistics.median(times):.2f} ms | | |")
    recognizer.process.stdin.close()
    if len(sys.argv) <= 3:
        compare_encoder()


def twice_counted(model):
    """PyTorch's recurrent layers have two biases, of which only the sum matters."""
    return sum(p.numel() for name, p in model.named_parameters() if "bias_hh" in name)


main()

"""Times training steps and inferences of the models beside PyTorch twins with the same sizes, on all cores, in one run.

usage: cargo build --release -p ser-bench --bin time_models
       python ser-bench/reference/compare_torch.py [target/release/time_models] [SECONDS]
needs: pip install torch==2.15.0 numpy

Both sides take turns, three times each, SECONDS (default 1) at a time; what is printed, as a Markdown table, are medians. A
training step is a batch of 32 in float32: forward, backward, RMSprop. An inference is one example. PyTorch runs eagerly,
in evaluation and inference mode where it infers, both warmed. The last row is the bundled recogniser, features and model
together, on three seconds of speech and one core; it has no twin.
"""

import json
import math
import os
import statistics
import subprocess
import sys
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


def main():
    only = sys.argv[3:] or list(TWINS)
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


def twice_counted(model):
    """PyTorch's recurrent layers have two biases, of which only the sum matters."""
    return sum(p.numel() for name, p in model.named_parameters() if "bias_hh" in name)


main()

"""Measures soxr's HQ filter from outside and fits the closed forms that `src/resample/filter.rs` and `src/resample/start.rs` hold.

    pip install numpy==2.4.6 scipy==1.17.1 soxr==1.1.0
    python fit_soxr.py            # every ratio of two common sample rates; minutes
    python fit_soxr.py 48000 22050

An impulse at every phase of a ratio samples the filter's continuous impulse response; its Fourier transform H(x), x in parts of the
lower Nyquist frequency, is fitted by a Kaiser-windowed sinc, `h(t) = sinc(fc t) kaiser(t / half, beta)`, t in samples at the lower
rate, times `1 + c8 x^8 + c12 x^12 + c16 x^16 + c20 x^20`. Prints a row a ratio, as the table in the source has it, with the largest
error of the fit.

A second row is about the start of a signal, where soxr runs two filters: impulses at the first samples are answered otherwise than
later ones, by what the second filter would have heard of the first one's ringing before the start. With the first filter known, the
second, a Kaiser-windowed sinc at one, two or four times the source's rate, is fitted to the differences. Rows with an error above 1e-5
are of chains with other filters; the source leaves them out.
"""

import sys
from importlib.metadata import version
from math import gcd

PINNED = {"numpy": "2.4.6", "scipy": "1.17.1", "soxr": "1.1.0"}
FOUND = {name: version(name) for name in PINNED}
if FOUND != PINNED:
    sys.exit(f"the fit is defined by {PINNED}, but this Python has {FOUND}")

import numpy as np  # noqa: E402
import soxr  # noqa: E402
from scipy.optimize import least_squares  # noqa: E402
from scipy.special import i0  # noqa: E402

COMMON = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
FC = 0.9568718
REACH = 115  # samples at the lower rate that an impulse response is measured over, each way
POWERS = (8, 12, 16, 20)
# Lengths and the curvature in the pass band matter most near the transition, so that is where most points lie.
X = np.concatenate([np.linspace(0, 0.85, 60), np.linspace(0.855, 1.02, 67)])


def impulse_response(source, target):
    """Times in parts of 1 / (source * to) seconds, and the response there."""
    by, step = target // gcd(source, target), source // gcd(source, target)
    reach = int(np.ceil(REACH * source / min(source, target))) + 2
    first = reach + (-reach) % step
    times, values = [], []
    for n in range(first, first + step):
        impulse = np.zeros(first + step + reach + 8)
        impulse[n] = 1
        output = soxr.resample(impulse, source, target, quality="HQ")
        time = np.arange(len(output)) * step - n * by
        near = np.abs(time) <= REACH * max(by, step)
        times.append(time[near])
        values.append(output[near])
    return np.concatenate(times), np.concatenate(values), max(by, step)


def response(time, value, unit):
    h = np.array([np.sum(value * np.cos(np.pi * x * time / unit)) for x in X])
    return h / h[0]


def model(beta, half, c):
    t = np.arange(-8 * REACH, 8 * REACH + 1) / 8
    inside = np.sqrt(np.maximum(0, 1 - (t / half) ** 2))
    h = FC * np.sinc(FC * t) * np.where(np.abs(t) <= half, i0(beta * inside) / i0(beta), 0) / 8
    return (np.cos(np.pi * np.outer(X, t)) @ h) * (1 + sum(c * X**p for c, p in zip(c, POWERS)))


def fit(source, target):
    want = response(*impulse_response(source, target))
    error = lambda p: model(p[0], p[1], p[2:]) - want  # noqa: E731
    found = least_squares(error, [13.7, 102.2, 0, 0, 0, 0], x_scale=[1, 1] + [1e-3] * 4)
    return found.x, np.abs(found.fun).max()


def windowed_sinc(t, cutoff, beta, half):
    inside = np.sqrt(np.maximum(0, 1 - (t / half) ** 2))
    return cutoff * np.sinc(cutoff * t) * np.where(np.abs(t) < half, i0(beta * inside) / i0(beta), 0)


def start_differences(source, target, outputs, inputs):
    """What the first samples lack of their filter, [outputs, inputs]."""
    by, step = target // gcd(source, target), source // gcd(source, target)
    blocks, length = -(-1200 // step), 12 * step + 2000
    lacking = np.zeros((outputs, inputs))
    for n in range(inputs):
        early, late = np.zeros(length), np.zeros(length + blocks * step)
        early[n] = late[blocks * step + n] = 1
        early, late = (soxr.resample(x, source, target, quality="HQ") for x in (early, late))
        lacking[:, n] = late[blocks * by :][:outputs] - early[:outputs]
    return lacking


def fit_start(source, target, beta, half):
    lower = min(source, target)
    outputs, inputs = 10 * target // lower + 8, min(200, int(2.4 * half * source / lower) + 10)
    want = start_differences(source, target, outputs, inputs)
    if np.abs(want).max() < 1e-6:
        return None
    best = None
    for times in (1, 2, 4):
        place = np.arange(1, 15)
        ringing = windowed_sinc((place[:, None] / times + np.arange(inputs)) * lower / source, FC, beta, half) * lower / source
        distance = np.arange(outputs)[:, None] * times * source / target + place
        error = lambda p: (windowed_sinc(distance, *p) @ ringing - want).ravel()  # noqa: E731
        for cutoff in (0.5, 0.8):
            found = least_squares(error, [cutoff, 9, 6.5], bounds=([0.1, 1, 2], [1, 25, 13]))
            worst = np.abs(found.fun).max()
            if best is None or worst < best[0]:
                best = (worst, times, *found.x)
    return best


def main():
    if len(sys.argv) == 3:
        pairs = [tuple(map(int, sys.argv[1:]))]
    else:
        pairs = [(a, b) for a in COMMON for b in COMMON if a != b]
    done = set()
    for source, target in pairs:
        divisor = gcd(source, target)
        ratio = (source // divisor, target // divisor)
        if ratio in done:
            continue
        done.add(ratio)
        (beta, half, *c), worst = fit(source, target)
        numbers = ", ".join(f"{x:.5f}" for x in c)
        print(f"(({ratio[0]}, {ratio[1]}), {beta:.3f}, {half:.2f}, [{numbers}]), // {worst:.0e}", flush=True)
        start = fit_start(source, target, beta, half)
        if start:
            worst, times, cutoff, beta, half = start
            print(f"    start: interpolator({times}, {cutoff:.5f}, {beta:.3f}, {half:.3f}) // {worst:.0e}", flush=True)


if __name__ == "__main__":
    main()

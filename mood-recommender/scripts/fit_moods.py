"""Fits the model that estimates the moods of songs, and writes its numbers to src/estimate/model.rs.

    pip install numpy==2.4.6
    python mood-recommender/scripts/fit_moods.py data_moods.csv

`data_moods.csv` is on Kaggle as `musicblogger/spotify-music-data-to-identify-the-moods`. The model is a multinomial logistic
regression on the nine audio features, standardised, with a penalty of half the squared weights (1.0). Features that a song
lacks take their conditional means given the others, by the covariance of the same songs. The script prints accuracy and
calibration in 10-fold cross-validation over ten seeds; the same numbers stand in the README.
"""

import csv
import sys
from pathlib import Path

import numpy as np

FEATURES = ["valence", "energy", "acousticness", "danceability", "instrumentalness", "liveness", "loudness",
            "speechiness", "tempo"]  # the order of `Feature::AUDIO`
MOODS = ["Calm", "Happy", "Sad", "Energetic"]  # the order of `Mood::ALL`
PENALTY = 1.0
FOLDS, SEEDS, BINS = 10, 10, 10


def probabilities(weights, inputs):
    scores = np.column_stack([np.ones(len(inputs)), inputs]) @ weights
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def fit(inputs, moods):
    """Minimises the penalised negative log-likelihood by the bound of Böhning (1992), whose steps need no search."""
    design = np.column_stack([np.ones(len(inputs)), inputs])
    targets = np.eye(len(MOODS))[moods]
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 1e-9  # biases are free, up to a common shift
    step = np.linalg.inv(design.T @ design / 2 + np.diag(penalty))
    weights = np.zeros((design.shape[1], len(MOODS)))
    for _ in range(20_000):
        gradient = design.T @ (probabilities(weights, inputs) - targets) + penalty[:, None] * weights
        change = step @ gradient
        weights -= change
        if np.abs(change).max() < 1e-7:
            return weights
    raise RuntimeError("no convergence")


def standardised(train, *others):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return [(part - mean) / deviation for part in (train, *others)]


def calibration_error(predicted, moods):
    """The expected calibration error: Naeini et al. (2015), with ten bins of equal width."""
    confidence, correct = predicted.max(axis=1), predicted.argmax(axis=1) == moods
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[bins == at].mean() - correct[bins == at].mean()) * (bins == at).mean()
            for at in range(BINS) if (bins == at).any()]
    return sum(gaps)


def completed(train, test, known):
    """`test` with the features that are not known at their conditional means."""
    at = [place for place, feature in enumerate(FEATURES) if feature in known]
    rest = [place for place in range(len(FEATURES)) if place not in at]
    covariance = np.cov(train.T, bias=True)
    result = test.copy()
    result[:, rest] = test[:, at] @ np.linalg.solve(covariance[np.ix_(at, at)], covariance[np.ix_(at, rest)])
    return result


def cross_validate(inputs, moods, sets):
    """Accuracy, calibration error and log loss of each seed, for each set of known features."""
    results = {known: [] for known in sets}
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(moods))
        predicted = {known: np.zeros((len(moods), len(MOODS))) for known in sets}
        for fold in range(FOLDS):
            test = order[fold::FOLDS]
            train = np.setdiff1d(order, test)
            train_inputs, test_inputs = standardised(inputs[train], inputs[test])
            weights = fit(train_inputs, moods[train])
            for known in sets:
                predicted[known][test] = probabilities(weights, completed(train_inputs, test_inputs, known))
        for known in sets:
            loss = -np.log(predicted[known][np.arange(len(moods)), moods]).mean()
            accuracy = (predicted[known].argmax(axis=1) == moods).mean()
            results[known].append((accuracy, calibration_error(predicted[known], moods), loss))
    return {known: np.array(result) for known, result in results.items()}


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    inputs = np.array([[float(row[feature]) for feature in FEATURES] for row in rows])
    moods = np.array([MOODS.index(row["mood"]) for row in rows])

    without = lambda *features: tuple(feature for feature in FEATURES if feature not in features)
    sets = [without(), without("loudness"), without("instrumentalness"), ("valence", "energy")]
    for known, result in cross_validate(inputs, moods, sets).items():
        accuracy, error, loss = result.mean(axis=0)
        print(f"{', '.join(known)}: accuracy {accuracy:.3f} (worst seed {result[:, 0].min():.3f}), "
              f"calibration error {error:.3f}, log loss {loss:.3f}")

    means, deviations = inputs.mean(axis=0), inputs.std(axis=0)
    weights = fit(*standardised(inputs), moods)
    biases, weights = weights[0] - weights[0].mean(), weights[1:] / deviations[:, None]
    number = lambda value: np.format_float_positional(value, precision=5, fractional=False, trim="0")
    row = lambda values: ", ".join(number(value) for value in values)
    lines = ["//! The numbers of the model, written by `scripts/fit_moods.py`.", "",
             f"/// The mean of each audio feature over the {len(rows)} songs, in its own unit.",
             f"pub(super) const MEANS: [f64; {len(FEATURES)}] = [{row(means)}];", "",
             "/// The score of each mood for a song at the means.",
             f"pub(super) const BIASES: [f64; {len(MOODS)}] = [{row(biases)}];", "",
             "/// What each feature's distance from its mean adds to the score, mood by mood.",
             "#[rustfmt::skip]",
             f"pub(super) const WEIGHTS: [[f64; {len(FEATURES)}]; {len(MOODS)}] = ["]
    lines += [f"    [{row(weights[:, mood])}], // {name}" for mood, name in enumerate(MOODS)] + ["];", ""]
    covariance = np.cov(inputs.T, bias=True)
    lines += ["/// The covariance of the features, row by row up to the diagonal.", "#[rustfmt::skip]",
              f"pub(super) const COVARIANCE: [&[f64]; {len(FEATURES)}] = ["]
    lines += [f"    &[{row(covariance[at, :at + 1])}]," for at in range(len(FEATURES))] + ["];", ""]
    target = Path(__file__).parent.parent / "src/estimate/model.rs"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines))


if __name__ == "__main__":
    main()

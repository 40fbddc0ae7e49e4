"""What the shipped networks reach on one split: the table of the model cards.

    python -m training.evaluate --clips .cache/clips --split val

``score`` is the published quantity, ``misfit`` how little lips and voice fit, ``probability`` the calibrated
one.
On ``val``, where the calibration was fitted, probabilities come from calibrations that never saw the clip's
identity. Every identity counts alike. Intervals: 95 %, bootstrap over clips.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from outofsync.checkpoints.store import Checkpoint
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.registry import load_sync
from training.calibration import Case, cases_of, cross_validated
from training.clips import prepared
from training.manipulations import manipulated
from training.regressors import spans_of

RESAMPLES = 1000
Weighted = tuple[float, float]  # a value and its weight


def interval(statistic: Callable[[NDArray[np.int64]], float], size: int) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic of row numbers."""
    random = np.random.default_rng(0)
    values = [statistic(random.integers(size, size=size)) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)


def auc_row(real: Sequence[Weighted], fake: Sequence[Weighted]) -> dict[str, Any]:
    """AUC of real against manipulated (value, weight) pairs, higher values meaning manipulated."""
    pairs = np.array([*real, *fake])
    truth = np.array([0] * len(real) + [1] * len(fake))

    def auc(rows: NDArray[np.int64]) -> float:
        if len(set(truth[rows].tolist())) < 2:
            return float("nan")
        return float(roc_auc_score(truth[rows], pairs[rows, 0], sample_weight=pairs[rows, 1]))

    everything = np.arange(len(pairs))
    return {"auc": round(auc(everything), 3), "interval": interval(auc, len(pairs)), "fakes": len(fake)}


def offsets(cases: Sequence[Case], weights: NDArray[np.float64]) -> dict[str, Any]:
    """Share of genuine clips whose best delay is right, exactly and within a frame."""
    real = np.array([case.label == "real" for case in cases])
    best, shares = np.array([case.best_delay for case in cases])[real], weights[real]

    def within(frames: int) -> Callable[[NDArray[np.int64]], float]:
        return lambda rows: float(np.average(np.abs(best[rows]) <= frames, weights=shares[rows]))

    everything = np.arange(len(best))
    return {
        "clips": len(best),
        "exact": round(within(0)(everything), 3),
        "within_1": round(within(1)(everything), 3),
        "interval": interval(within(1), len(best)),
        "within_1_unweighted": round(float((np.abs(best) <= 1).mean()), 3),
    }


def identity_weights(cases: Sequence[Case]) -> NDArray[np.float64]:
    """Within each kind, every identity counts alike, however many clips show it."""
    groups = [(case.label, case.generator, case.group) for case in cases]
    sizes = Counter(groups)
    return np.array([1 / sizes[group] for group in groups])


def kind_of(case: Case) -> str:
    """The row a manipulated case belongs to."""
    if case.label == "shifted":
        return "shifted sound"
    if case.label == "swapped":
        return "swapped sound"
    return f"{case.generator}" if case.label == "fake" else "synthetic voice to a real picture"


def evaluate(cases: Sequence[Case], probabilities: Sequence[float], lam: float) -> dict[str, Any]:
    """Every figure of the table."""
    weights = identity_weights(cases)
    measures = {
        "score": [case.evidence.delay_score + lam * case.evidence.feature_score for case in cases],
        "misfit": [-case.evidence.fit for case in cases],
        "probability": list(probabilities),
    }
    kinds = [None if case.label == "real" else kind_of(case) for case in cases]
    table: dict[str, Any] = {"offset": offsets(cases, weights)}

    def of_kind(values: Sequence[float], kind: str | None) -> list[Weighted]:
        rows = zip(values, weights.tolist(), kinds, strict=True)
        return [(value, weight) for value, weight, of in rows if of == kind]

    for kind in sorted({kind for kind in kinds if kind}):
        table[kind] = {
            name: auc_row(of_kind(values, None), of_kind(values, kind)) for name, values in measures.items()
        }
    alarms, shares = np.array(of_kind(probabilities, None)).T
    table["false alarms"] = {"at_0.5": round(float(np.average(alarms >= 0.5, weights=shares)), 3)}
    return table


def show(table: dict[str, Any]) -> None:
    offset = table["offset"]
    print(
        f"offset of {offset['clips']} genuine clips: exact {offset['exact']}, ±1 frame {offset['within_1']} "
        f"{offset['interval']}; every clip alike, ±1 frame {offset['within_1_unweighted']}"
    )
    print(f"false alarms at probability 0.5: {table['false alarms']['at_0.5']}")
    print("| AUC, real against | clips | score | misfit | probability |")
    print("|---|---|---|---|---|")
    for kind, row in table.items():
        if kind in ("offset", "false alarms"):
            continue
        cells = " | ".join(
            f"{row[name]['auc']:.2f} ({row[name]['interval'][0]:.2f} to {row[name]['interval'][1]:.2f})"
            for name in ("score", "misfit", "probability")
        )
        print(f"| {kind} | {row['score']['fakes']} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"))
    parser.add_argument("--split", default="val")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--json", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    scoring = Checkpoint.load(arguments.checkpoints / "scoring.safetensors", kind="scoring")
    network = load_sync(Checkpoint.load(arguments.checkpoints / "sync.safetensors", kind="sync"))
    real = spans_of(prepared(arguments.clips, split=arguments.split))
    others = spans_of(prepared(arguments.clips, split=arguments.split, labels=["fake", "fake_audio"]))
    cases = cases_of([*real, *manipulated(real), *others], network, load_scorer(scoring))
    if arguments.split == "val":
        fitted = [case for case in cases if case.label != "fake_audio"]
        by_case = dict(zip(map(id, fitted), cross_validated(fitted), strict=True))
    else:
        by_case = {}
    calibration = Calibration.from_dict(scoring.config["calibration"])
    probabilities = [by_case.get(id(case), calibration.probability(case.evidence)) for case in cases]
    table = evaluate(cases, probabilities, float(scoring.config["lam"]))
    show(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

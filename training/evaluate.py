"""What the shipped networks reach on one split: the table of the model cards.

    python -m training.evaluate --clips .cache/clips --split val

``score`` is the published quantity, ``misfit`` how little lips and voice fit, ``probability`` the calibrated
one.
On ``val``, where the calibration was fitted, probabilities come from calibrations that never saw the clip's
identity. Intervals: 95 %, bootstrap over spans.
"""

from __future__ import annotations

import argparse
import json
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


def interval(statistic: Callable[[NDArray[np.int64]], float], size: int) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic of row numbers."""
    random = np.random.default_rng(0)
    values = [statistic(random.integers(size, size=size)) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)


def auc_row(real: Sequence[float], fake: Sequence[float]) -> dict[str, Any]:
    """AUC of real against manipulated, higher values meaning manipulated."""
    values = np.array([*real, *fake])
    truth = np.array([0] * len(real) + [1] * len(fake))

    def auc(rows: NDArray[np.int64]) -> float:
        if len(set(truth[rows].tolist())) < 2:
            return float("nan")
        return float(roc_auc_score(truth[rows], values[rows]))

    everything = np.arange(len(values))
    return {"auc": round(auc(everything), 3), "interval": interval(auc, len(values)), "fakes": len(fake)}


def offsets(cases: Sequence[Case]) -> dict[str, Any]:
    """Share of genuine spans whose best delay is right, exactly and within a frame."""
    best = np.array([case.best_delay for case in cases if case.label == "real"])
    near = (np.abs(best) <= 1).astype(float)
    return {
        "spans": len(best),
        "exact": round(float((best == 0).mean()), 3),
        "within_1": round(float(near.mean()), 3),
        "interval": interval(lambda rows: float(near[rows].mean()), len(near)),
    }


def kind_of(case: Case) -> str:
    """The row a manipulated case belongs to."""
    if case.label == "shifted":
        return "shifted sound"
    if case.label == "swapped":
        return "swapped sound"
    return f"{case.generator}" if case.label == "fake" else "synthetic voice to a real picture"


def evaluate(cases: Sequence[Case], probabilities: Sequence[float], lam: float) -> dict[str, Any]:
    """Every figure of the table."""
    scores = [case.evidence.delay_score + lam * case.evidence.feature_score for case in cases]
    fit = [-case.evidence.fit for case in cases]
    kinds = [None if case.label == "real" else kind_of(case) for case in cases]
    measures = {"score": scores, "misfit": fit, "probability": list(probabilities)}
    table: dict[str, Any] = {"offset": offsets(cases)}
    for kind in sorted({kind for kind in kinds if kind}):
        table[kind] = {
            name: auc_row(
                [value for value, of in zip(values, kinds, strict=True) if of is None],
                [value for value, of in zip(values, kinds, strict=True) if of == kind],
            )
            for name, values in measures.items()
        }
    real = np.array([value for value, of in zip(probabilities, kinds, strict=True) if of is None])
    table["false alarms"] = {"at_0.5": round(float((real >= 0.5).mean()), 3), "spans": len(real)}
    return table


def show(table: dict[str, Any]) -> None:
    offset = table["offset"]
    print(
        f"offset of {offset['spans']} genuine spans: exact {offset['exact']}, "
        f"±1 frame {offset['within_1']} {offset['interval']}"
    )
    print(f"false alarms at probability 0.5: {table['false alarms']['at_0.5']}")
    print(f"{'AUC, real against':55} {'fakes':>5}  score                  misfit                 probability")
    for kind, row in table.items():
        if kind in ("offset", "false alarms"):
            continue
        cells = "  ".join(
            f"{row[name]['auc']:.3f} ({row[name]['interval'][0]:.2f} to {row[name]['interval'][1]:.2f})   "
            for name in ("score", "misfit", "probability")
        )
        print(f"{kind:55} {row['score']['fakes']:>5}  {cells}")


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

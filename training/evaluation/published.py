"""Public deepfake collections that a user has: the whole product on every file, tables as published.

How their folders are laid out is in :mod:`outofsync_cluster.layouts`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from outofsync.nodes import Request
from outofsync_cluster.layouts import Listed
from training.evaluation.detection import Judged, Row, row_of
from training.evaluation.judging import GENUINE, Product, Record, Subject, Treatment, record_of
from training.evaluation.report import Table

EVERYTHING = "every fake"


def judge_video(product: Product, video: Listed) -> Record:
    """One file through both nodes with default options; a file that cannot be judged is a record too."""
    (clip,) = product.deblur.run([Request(video.path.read_bytes(), None, video.path.name)])
    (answer,) = product.ensemble.run([Request(clip, None, video.path.name)])
    result = json.loads(answer)
    subject, treatment = Subject(video.path.name, video.identity), Treatment(video.kind)
    if "error" in result:
        return Record(subject, treatment, 0, "error", reasons=(result["error"]["code"],))
    return record_of(result, subject, treatment, len(result.get("delays", [])))


def collection_table(records: Sequence[Record], resamples: int) -> list[Row]:
    """Genuine files, every fake, each category by itself, and each method in it."""
    judged = Judged(records, resamples)
    genuine = judged.genuine()
    fakes = [record for record in records if record.kind != GENUINE]
    groups = {EVERYTHING: fakes}
    for category in sorted({record.kind.split(", ")[0] for record in fakes}):
        mine = [record for record in fakes if record.kind.split(", ")[0] == category]
        groups[category] = mine
        methods = sorted({record.kind for record in mine})
        if methods != [category]:
            groups |= {kind: [record for record in mine if record.kind == kind] for kind in methods}
    rows = [row_of(GENUINE, genuine, [], judged)]
    return rows + [row_of(name, group, genuine, judged) for name, group in groups.items()]


def collection_report(name: str, rows: Sequence[Row]) -> Table:
    header = (
        "kind",
        "files",
        "identities",
        "AUC",
        "average precision",
        "AUC of `score`",
        "average precision of `score`",
        "called fake",
        "inconclusive",
        "not ranked",
    )
    cells = [
        (
            row.name,
            row.clips,
            row.identities,
            row.detection.auc,
            row.detection.average_precision,
            row.by_score.auc,
            row.by_score.average_precision,
            row.called_fake,
            row.abstained,
            row.unjudged,
        )
        for row in rows
    ]
    note = (
        "Every file through the whole product with default options, `mode=full`. Average precision is for as "
        "many fakes as genuine files; every identity counts alike."
    )
    return Table("detection", name, header, cells, note)

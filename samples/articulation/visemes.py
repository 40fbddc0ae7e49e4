"""Where lips, jaw and tongue want to be for each IPA symbol."""

# ruff: noqa: RUF001 – letters of the phonetic alphabet look like others

import unicodedata
from typing import NamedTuple


class Viseme(NamedTuple):
    """A target of the articulators, each 0–1, save `spread`: −1 (rounded) to 1 (corners drawn apart)."""

    jaw: float = 0.25  # how far the lower teeth drop
    gap: float = 0.30  # how far the lips part
    spread: float = 0.0
    pucker: float = 0.0  # lips pushed forward
    tongue: float = 0.0  # tip raised behind the upper teeth
    tuck: float = 0.0  # lower lip against the upper teeth
    strength: float = 1.0  # how little it yields to its neighbours


REST = Viseme(jaw=0.04, gap=0.02, strength=0.5)

_OPEN = Viseme(jaw=0.95, gap=0.95, spread=0.05, strength=1.3)
_MID = Viseme(jaw=0.55, gap=0.58, spread=0.3)
_CLOSE_SPREAD = Viseme(jaw=0.2, gap=0.3, spread=0.75, tongue=0.2)
_ROUND = Viseme(jaw=0.28, gap=0.2, spread=-0.9, pucker=0.95, strength=1.3)
_LIPS_SHUT = Viseme(jaw=0.1, gap=0.0, strength=1.1)
_TONGUE_TIP = Viseme(jaw=0.18, gap=0.27, spread=0.1, tongue=0.65, strength=0.7)
_TEETH = Viseme(jaw=0.07, gap=0.27, spread=0.3, tongue=0.3, strength=1.1)
_HUSHING = Viseme(jaw=0.1, gap=0.32, spread=-0.5, pucker=0.65, tongue=0.2, strength=1.2)
_BACK = Viseme(jaw=0.3, gap=0.35, strength=0.4)
_LIP_ON_TEETH = Viseme(jaw=0.1, gap=0.12, spread=0.1, tuck=1.0, strength=1.4)
_RHOTIC = Viseme(jaw=0.25, gap=0.3, spread=-0.35, pucker=0.4, tongue=0.2, strength=0.7)

_GROUPS: tuple[tuple[str, Viseme], ...] = (
    ("aɑɐʌ", _OPEN),
    ("æ", _OPEN._replace(spread=0.35, jaw=0.85, gap=0.85)),
    ("eɛ", _MID),
    ("əɘɵᵻɨ", Viseme(jaw=0.35, gap=0.38, strength=0.6)),
    ("ɜɚɝ", Viseme(jaw=0.4, gap=0.42, spread=-0.15, pucker=0.2)),
    ("iɪj", _CLOSE_SPREAD),
    ("ɪ", _CLOSE_SPREAD._replace(spread=0.45, jaw=0.28, gap=0.35)),
    ("yʏɥʉ", _ROUND),
    ("øœ", Viseme(jaw=0.4, gap=0.38, spread=-0.65, pucker=0.75)),
    ("ɔɒ", Viseme(jaw=0.7, gap=0.62, spread=-0.45, pucker=0.5, strength=1.2)),
    ("o", Viseme(jaw=0.48, gap=0.42, spread=-0.65, pucker=0.75, strength=1.2)),
    ("uʊɯ", _ROUND),
    ("w", _ROUND._replace(gap=0.12, jaw=0.18)),
    ("pbmɓ", _LIPS_SHUT),
    ("fvʋ", _LIP_ON_TEETH),
    ("βɸ", _LIPS_SHUT._replace(gap=0.08)),
    ("θð", _TONGUE_TIP._replace(tongue=1.0, gap=0.3)),
    ("tdnɾɗʈɖɳ", _TONGUE_TIP),
    ("lɫɭ", _TONGUE_TIP._replace(jaw=0.35, gap=0.4, tongue=0.95)),
    ("szɕʑ", _TEETH),
    ("ʃʒʂʐ", _HUSHING),
    ("rɹɻɽ", _RHOTIC),
    ("kɡgŋxɣχqcɲçʝʎʁʀ", _BACK),
    ("hħʕʔɦ", _BACK._replace(strength=0.12)),
)
VISEMES = {symbol: viseme for symbols, viseme in _GROUPS for symbol in symbols}

BILABIAL = frozenset("pbmɓ")
LABIODENTAL = frozenset("fvʋ")


def letters(symbol: str) -> str:
    """The base letters of an IPA symbol: mostly one, two for a diphthong or an affricate; "" for silence."""
    return "".join(c for c in unicodedata.normalize("NFD", symbol) if c in VISEMES)

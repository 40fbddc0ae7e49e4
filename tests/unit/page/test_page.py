"""The page that is served is the one that its sources build, and it says what everything else says."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
WEB, PAGE = ROOT / "client" / "web", ROOT / "gateway" / "page"
TEXTS = WEB / "src" / "texts"
KEY = re.compile(r"""\bt(?:Or)?\(\s*["'`]([a-z][\w.${}]*)["'`]""")


def script(name: str) -> ModuleType:
    """A program of the page's folder, which is no package."""
    specification = importlib.util.spec_from_file_location(f"page_{name}", WEB / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def texts(language: str) -> dict[str, str]:
    values: dict[str, str] = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    return values


@pytest.mark.slow
def test_the_sources_build_the_page_that_is_served(tmp_path: Path) -> None:
    build = script("build")
    sources = tmp_path / "web"
    shutil.copytree(WEB, sources, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    build.build(tmp_path / "page", sources)
    assert files(tmp_path / "page") == files(PAGE)
    build.npm("run", "test", sources=sources)


def test_the_first_load_is_small() -> None:
    """What index.html names; the rest is fetched when it is needed."""
    index = (PAGE / "index.html").read_text()
    named = re.findall(r'(?:src|href)="/(assets/[^"]+)"', index)
    assert len(named) == 2
    assert sum(len(gzip.compress((PAGE / name).read_bytes())) for name in named) < 300_000


def test_nothing_on_the_page_is_inline() -> None:
    index = (PAGE / "index.html").read_text()
    assert "<style" not in index
    assert "style=" not in index
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", index))


def test_errors_reasons_and_limits_are_worded_as_everywhere() -> None:
    words = script("words")
    assert (TEXTS / "sdk.json").read_text(encoding="utf-8") == words.text(), "call client/web/words.py"


@pytest.mark.parametrize("language", sorted(path.stem for path in TEXTS.glob("??.json") if path.stem != "en"))
def test_a_language_says_all_that_english_says(language: str) -> None:
    english, other = texts("en") | texts("sdk"), texts(language)
    assert other.keys() == english.keys()
    places = re.compile(r"\{\w+\}")
    for key, text in english.items():
        assert sorted(places.findall(other[key])) == sorted(places.findall(text)), key
        assert other[key].strip()


def test_every_text_that_the_page_asks_for_is_there() -> None:
    known = texts("en") | texts("sdk")
    asked = {
        key
        for path in WEB.joinpath("src").rglob("*.ts*")
        if ".test." not in path.name
        for key in KEY.findall(path.read_text(encoding="utf-8"))
    }
    assert len(asked) > 80
    for key in asked:
        pattern = re.compile(re.sub(r"\\\$\\\{[^}]*\\\}?|\$\{[^}]*\}", r"[\\w.]+", key).replace(".", r"\."))
        assert key in known or ("${" in key and any(pattern.match(one) for one in known)), key


def test_the_server_may_say_more_than_the_page_knows() -> None:
    """Every code of an error has a sentence and a hint of its own on the page."""
    english = texts("en") | texts("sdk")
    codes = {key.removeprefix("hint.") for key in texts("sdk") if key.startswith("hint.")}
    assert {code for code in codes if f"error.{code}" not in english} == set()

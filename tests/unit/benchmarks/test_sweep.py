"""Changes to settings files, and that every setting of the sweep changes what ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from archives.build import SETTINGS as ARCHIVES
from benchmarks.sweep import SETTINGS, Change, Setting, changed
from serving.settings import CONFIG


def test_yaml_is_changed_in_one_place() -> None:
    text = (ARCHIVES / "deepfake" / "workflow.yaml").read_text()
    before = yaml.safe_load(text)
    after = yaml.safe_load(changed(text, Change("deepfake/workflow.yaml", "models.batch-size", 99)))
    assert after["models"].pop("batch-size") == 99
    before["models"].pop("batch-size")
    assert after == before


def test_properties_are_changed_in_one_line() -> None:
    after = changed("# a\none=1\ntwo=2\n", Change("server.properties", "two", "3"))
    assert after == "# a\none=1\ntwo=3\n"


def test_java_options_come_and_go() -> None:
    assert changed("-A\n-B\n", Change("jvm.options", "-A", None)) == "-B\n"
    assert changed("-A\n", Change("jvm.options", "-B", "")) == "-A\n-B\n"


def test_a_property_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="no three"):
        changed("one=1\n", Change("server.properties", "three", "3"))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_change_fits_the_files_that_ship(setting: Setting) -> None:
    for change in setting.changes:
        folder: Path = ARCHIVES if change.file.endswith(".yaml") else CONFIG
        assert changed((folder / change.file).read_text(), change)

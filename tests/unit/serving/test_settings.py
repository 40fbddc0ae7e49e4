"""Ports and the properties file."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from outofsync.limits import Limits
from outofsync_client.protocol import LOOPBACK
from serving.__main__ import parse_settings
from serving.edge.__main__ import parse
from serving.edge.settings import EdgeSettings
from serving.settings import (
    DEFAULT_PORT,
    ServeError,
    ServerSettings,
    from_document,
    to_document,
)
from serving.torchserve import java
from serving.torchserve.ports import Ports, reserved_ports

Parse = Callable[[list[str]], tuple[str, Any]]
PORTS = Ports(1001, 1002, 1003, 1004, 1005)


def properties(settings: ServerSettings) -> dict[str, str]:
    lines = java.properties(settings, PORTS).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_a_port_that_was_asked_for_and_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = pytest.raises(ServeError, match=f"port {port} is in use.*PORT=")
        with refused, reserved_ports(port):
            pass


def test_a_free_port_that_was_asked_for_is_used() -> None:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    with reserved_ports(port) as ports:
        assert ports.inference == port


def test_another_port_is_found_where_the_default_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((LOOPBACK, DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else's server takes it: as good
        with reserved_ports(None) as ports:
            assert ports.inference != DEFAULT_PORT


def test_no_two_ports_are_the_same() -> None:
    with reserved_ports(None) as ports:
        assert len({*vars(ports).values()}) == 5


def test_the_ports_of_an_earlier_life_are_taken_again_unless_one_is_in_use() -> None:
    with reserved_ports(None) as before:
        pass
    with reserved_ports(None, before) as again:
        assert again == before
    with socket.socket() as taken:
        taken.bind((LOOPBACK, before.metrics))
        with reserved_ports(None, before) as others:
            assert before.metrics not in vars(others).values()


def test_until_torchserve_listens_no_connection_gets_one_of_its_ports() -> None:
    with reserved_ports(None) as ports, socket.socket() as torchserve:
        for port in vars(ports).values():
            with socket.socket() as connection, pytest.raises(OSError, match="in use"):
                connection.bind((LOOPBACK, port))
        torchserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        torchserve.bind((LOOPBACK, ports.inference))
        torchserve.listen()
        socket.create_connection((LOOPBACK, ports.inference)).close()


def test_every_listener_is_on_loopback() -> None:
    values = properties(ServerSettings())
    addresses = [value for name, value in values.items() if name.endswith("_address")]
    assert len(addresses) == 5
    assert all(address.removeprefix("http://").startswith(LOOPBACK) for address in addresses)


def test_sizes_follow_the_limits() -> None:
    values = properties(ServerSettings())
    assert int(values["max_request_size"]) > Limits().request_bytes
    assert int(values["max_response_size"]) == Limits().clip_bytes


@pytest.mark.parametrize(("device", "gpus"), [("cpu", "0"), ("cuda:1", "1")])
def test_the_device_decides_on_gpus(device: str, gpus: str) -> None:
    assert properties(ServerSettings(device=device))["number_of_gpu"] == gpus


def test_settings_may_come_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("job_queue_size=3\n")
    (tmp_path / "cpu.properties").write_text("number_of_gpu=0\n")
    assert properties(ServerSettings(config=tmp_path)) == {"job_queue_size": "3", "number_of_gpu": "0"}


def test_paths_survive_javas_escapes(tmp_path: Path) -> None:
    value = properties(ServerSettings(model_store=tmp_path / "Modèles 😀"))["model_store"]
    assert value == f"{tmp_path}/Mod\\u00e8les \\ud83d\\ude00"


def another(value: object, kind: str) -> Any:
    """A value of a field's type that is not its default."""
    if "Path" in kind:
        paths = (Path("/a b"), Path("/c"))
        return paths if "tuple" in kind else paths[0]
    if "tuple" in kind:
        return ("10.0.0.5:8000", "unix:/x y.sock")
    if "bool" in kind:
        return not value
    if "str" in kind:
        return "an other"
    return 7.25 if "float" in kind else 9


def changed(kind: type[Any]) -> Any:
    """Settings, and settings among them, of which none is its default."""
    return kind(
        **{
            field.name: changed(field.default_factory)
            if isinstance(field.default_factory, type) and is_dataclass(field.default_factory)
            else another(field.default, str(field.type))
            for field in fields(kind)
        }
    )


@pytest.mark.parametrize(
    ("parse_words", "kind"), [(parse_settings, ServerSettings), (parse, EdgeSettings)], ids=["server", "edge"]
)
def test_every_setting_reaches_another_process(parse_words: Parse, kind: type[Any]) -> None:
    settings = changed(kind)
    assert parse_words(["run", "--settings", to_document(settings)]) == ("run", settings)
    assert parse_words(["run", "--settings", to_document(kind())]) == ("run", kind())


def test_a_path_means_the_same_wherever_the_other_process_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = to_document(EdgeSettings(states=(Path("one"),), keys=Path("k.json")))
    monkeypatch.chdir("/")
    settings = from_document(EdgeSettings, document)
    assert settings.folder == tmp_path / "one" / "edge"
    assert settings.key_file == tmp_path / "k.json"


def test_a_document_that_is_none_is_a_sentence() -> None:
    with pytest.raises(ServeError, match="no settings"):
        from_document(ServerSettings, '{"port": "no number"}')

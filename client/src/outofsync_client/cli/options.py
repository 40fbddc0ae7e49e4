"""Options that several commands take: which server is asked, and what is asked of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import click

from outofsync_client._base import DeblurChoice, ModeChoice
from outofsync_client._client import Client
from outofsync_client._retries import Retries
from outofsync_client._transport import Timeouts
from outofsync_client.cli.server import (
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    open_client,
)
from outofsync_client.protocol import STATE_FOLDER, STORE_FOLDER

ASKED = ("deblur", "mode", "lam", "max_len", "video_track", "audio_track")
MAX_JOBS = 16  # below a server's queue size, so that one command never fills it


def with_server(command: Any) -> Any:
    """Add the options that say which server to ask."""
    options = (
        click.option(
            "--url", help=f"Server address. [default: ${URL_VARIABLE}, or the one `make serve` runs]"
        ),
        click.option("--api-key", help=f"Key of the edge; ${KEY_VARIABLE} keeps it out of the process list."),
        click.option("--token", help=f"TorchServe's inference token, to ask it directly; ${TOKEN_VARIABLE}."),
        click.option("--ca-bundle", help="File of the certificates that vouch for the server."),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=Retries.attempts - 1,
            show_default=True,
            help="Times to try again where the server is busy or away.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=Timeouts.read,
            show_default=True,
            help="Seconds to wait for an answer.",
        ),
        click.option(
            "--deadline",
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds for one request in all, repetitions included. [default: none]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def with_options(command: Any) -> Any:
    """Add what a caller may ask of the server."""
    options = (
        click.option("--deblur", type=click.Choice(get_args(DeblurChoice)), help="Sharpen faces first."),
        click.option(
            "--mode",
            type=click.Choice(get_args(ModeChoice)),
            help="The whole video, or the published protocol.",
        ),
        click.option("--lam", type=float, help="Weight of the feature score."),
        click.option("--max-len", type=int, help="Windows in one scored segment."),
        click.option(
            "--video-track",
            type=click.IntRange(min=0),
            help="Number of the picture, where there are several.",
        ),
        click.option(
            "--audio-track", type=click.IntRange(min=0), help="Number of the sound, if there are several."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def with_places(command: Any) -> Any:
    """Add the options that say where a server on this machine keeps its state and its archives."""
    folder = click.Path(path_type=Path)
    for name, meant in (("--model-store", f"{STORE_FOLDER}, beside it"), ("--state", STATE_FOLDER)):
        command = click.option(name, type=folder, help=f"[default: {meant}]")(command)
    return command


def options_among(choices: dict[str, Any]) -> dict[str, Any]:
    """Take out of a command's choices what the server is asked; what is left says which server."""
    return {name: choices.pop(name) for name in ASKED}


def client_of(**server: Any) -> Client:
    """The client that a command's options mean; a mistake in them is a sentence."""
    try:
        return opened(**server)
    except (LookupError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def opened(
    *,
    url: str | None,
    token: str | None,
    api_key: str | None,
    ca_bundle: str | None,
    retries: int,
    timeout: float,
    deadline: float | None,
) -> Client:
    """The same; raises LookupError and ValueError as :func:`open_client` does."""
    return open_client(
        url,
        token,
        api_key,
        environment=os.environ,
        directory=Path.cwd(),
        timeout=Timeouts(read=timeout, total=deadline),
        retries=Retries(attempts=retries + 1),
        verify=ca_bundle or True,
    )

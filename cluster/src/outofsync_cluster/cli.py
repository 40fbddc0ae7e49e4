"""The command line ``outofsync-cluster``."""

from __future__ import annotations

import click


@click.command()
def cli() -> None:
    """Score a catalogue of videos."""


if __name__ == "__main__":
    cli()

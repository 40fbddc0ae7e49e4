"""The command ``outofsync``, and what belongs to no command of it alone."""

from __future__ import annotations

import sys
import traceback
from typing import Any, NoReturn

import click
from click.shell_completion import get_completion_class

from outofsync_client import __version__
from outofsync_client.cli.batch import batch
from outofsync_client.cli.calibrate import calibrate
from outofsync_client.cli.display import EXIT_ERROR, EXIT_REAL, show_warnings
from outofsync_client.cli.doctor import doctor
from outofsync_client.cli.jobs import jobs, submit
from outofsync_client.cli.status import health, serve_status
from outofsync_client.cli.videos import deblur, detect, report
from outofsync_client.extensions import commands

EXIT_STOPPED = 130  # as shells have it for Ctrl-C


class _Commands(click.Group):
    """What other packages add is found among the commands, and imported when it is called.

    Ends with 3 for every mistake, as click's own 2 would read as inconclusive, and Python's 1 as fake.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        added = commands().get(cmd_name) if own is None else None
        return own if added is None else added.load()

    def main(self, *args: Any, **settings: Any) -> NoReturn:
        settings["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **settings))
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_ERROR)
        except click.Abort:
            click.echo("stopped", err=True)
            sys.exit(EXIT_STOPPED)
        except Exception:
            traceback.print_exc()
            sys.exit(EXIT_ERROR)


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="outofsync")
def cli() -> None:
    """Find manipulated talking-head video: do these lips and this voice belong together?"""
    show_warnings()


@cli.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print what makes SHELL complete this command: source it in the shell's own start file."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "outofsync", "_OUTOFSYNC_COMPLETE").source())
    return EXIT_REAL


for command in (detect, batch, report, deblur, calibrate, submit, jobs, doctor, serve_status, health):
    cli.add_command(command)

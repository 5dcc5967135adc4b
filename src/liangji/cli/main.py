"""The command `liangji`: its groups, loaded when they are used, and the one place where errors become words and exit status."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from liangji import __version__
from liangji.cli.output import report_error, say
from liangji.core.errors import LiangjiError, UsageError

_COMMANDS = {
    "demo": "liangji.cli.demo:demo",
    "build": "liangji.cli.build:build",
    "recipe": "liangji.cli.recipe:recipe",
    "operators": "liangji.cli.operators:operators",
    "datasets": "liangji.cli.datasets:datasets",
    "report": "liangji.cli.report:report",
    "release": "liangji.cli.release:release",
    "verify": "liangji.cli.release:verify",
    "scan": "liangji.cli.scan:scan",
    "doctor": "liangji.cli.doctor:doctor",
}


class _LazyGroup(click.Group):
    """Import a command when it is asked for, so that `liangji --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section(say("help.commands")):
            formatter.write_dl([(name, say(f"help.{name}.summary")) for name in _COMMANDS])


@click.group(cls=_LazyGroup, help=say("help.summary"))
@click.version_option(__version__, prog_name="liangji")
def cli() -> None: ...


def main(arguments: list[str] | None = None) -> Any:
    """Run a command; exit status 0 done, 1 failed, 2 misused. An error is three lines, never a traceback."""
    try:
        status = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(say("stopped"), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except UsageError as error:
        report_error(error)
        sys.exit(2)
    except LiangjiError as error:
        report_error(error)
        sys.exit(1)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("LIANGJI_DEBUG"):
            raise
        report_error(_internal(error))
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _internal(error: Exception) -> LiangjiError:
    """Say what nobody foresaw in the words of an error: the place in the code helps whoever mends it."""
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(innermost.filename).name}:{innermost.lineno} ({innermost.name})"
    return LiangjiError(say("internal", error=f"{type(error).__name__}: {error}"), place, say("internal_mend"))

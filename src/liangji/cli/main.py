"""The command `liangji`: its groups, loaded when they are used, and the one place where errors become words and exit status."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from liangji import __version__
from liangji.cli.output import report_error, say, write_json
from liangji.core import registry
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


_UNKNOWN_COMMAND = re.compile("No such command '([^']*)'")  # Click has a class of its own for it only in newer releases


class _Formatter(click.HelpFormatter):
    """Write in the reader's language the few words of a help page that are Click's own."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, f"{say('help.usage')}: " if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        super().write_heading({"Options": say("help.options"), "Commands": say("help.commands")}.get(heading, heading))


class Context(click.Context):
    formatter_class = _Formatter


def _speaking(command: click.Command) -> click.Command:
    """Make a command and those below it show their help in the reader's language."""
    command.context_class = Context
    own = command.get_help_option(click.Context(command))
    if own is not None:
        own.help = say("help.help")
    for below in getattr(command, "commands", {}).values():
        _speaking(below)
    return command


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
        return _speaking(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section(say("help.commands")):
            formatter.write_dl([(name, say(f"help.{name}.summary")) for name in _COMMANDS])


@click.group(cls=_LazyGroup, help=say("help.summary"))
@click.version_option(__version__, prog_name="liangji", help=say("help.version"))
def cli() -> None: ...


_speaking(cli)


def main(arguments: list[str] | None = None) -> Any:
    """Run a command; exit status 0 done, 1 failed, 2 misused. An error is three lines, never a traceback."""
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        status = cli.main(arguments, "liangji", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(say("stopped"), err=True)
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _report(_misuse(error), as_json)
        sys.exit(2)
    except UsageError as error:
        _report(error, as_json)
        sys.exit(2)
    except LiangjiError as error:
        _report(error, as_json)
        sys.exit(1)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("LIANGJI_DEBUG"):
            raise
        _report(_internal(error), as_json)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: LiangjiError, as_json: bool) -> None:
    """Tell an error in words on stderr, and to scripts as one JSON object on stdout."""
    report_error(error)
    if not as_json:
        return
    told: dict[str, Any] = {name: getattr(error, name) for name in ("code", "what", "where", "mend")}
    if faults := getattr(error, "faults", ()):
        told["faults"] = list(faults)
    try:
        write_json({"error": told})
    except BrokenPipeError:  # nobody reads it; the words are said
        sys.stderr.close()


def _misuse(error: click.ClickException) -> UsageError:
    """Put what Click has against the command line into the three lines of every error."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "liangji"
    mend = say("misuse.mend", command=command)
    match error:
        case click.MissingParameter():
            what = say("misuse.missing", name=_parameter(error))
        case click.NoSuchOption():
            what = say("misuse.no_option", name=error.option_name)
            mend = registry.suggestion(error.option_name, list(error.possibilities)) if error.possibilities else mend
        case click.BadParameter():
            what = say("misuse.bad_value", name=_parameter(error), fault=error.message)
        case _ if (unknown := _UNKNOWN_COMMAND.match(error.message)) and context and isinstance(context.command, click.Group):
            what = say("misuse.no_command", name=unknown[1])
            mend = registry.suggestion(unknown[1], context.command.list_commands(context))
        case _:
            what = error.format_message()
    return UsageError(what, command, mend)


def _parameter(error: click.BadParameter) -> str:
    if error.param is None:
        return str(error.param_hint or "")
    return (
        error.param.opts[0] if isinstance(error.param, click.Option) else error.param.make_metavar(error.ctx or click.Context(cli))
    )


def _internal(error: Exception) -> LiangjiError:
    """Say what nobody foresaw in the words of an error: the place in the code helps whoever mends it.

    What the system refuses (no such folder, no permission, disk full) is nobody's mistake in the code.
    """
    if isinstance(error, OSError) and error.strerror:
        return LiangjiError(error.strerror, str(error.filename or ""), say("system_mend"))
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(innermost.filename).name}:{innermost.lineno} ({innermost.name})"
    return LiangjiError(say("internal", error=f"{type(error).__name__}: {error}"), place, say("internal_mend"))

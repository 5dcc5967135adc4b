"""Print the help of every command as one page, in the language of LIANGJI_LANG."""

from __future__ import annotations

import click

from liangji.cli.main import Context, cli


def print_help(command: click.Command, name: str, depth: int) -> None:
    context = Context(command, info_name=name, terminal_width=100, max_content_width=100)
    print(f"{'#' * depth} {name}\n\n```text\n{command.get_help(context)}\n```\n")  # noqa: T201  # a script talks
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                print_help(found, f"{name} {sub}", depth + 1)


if __name__ == "__main__":
    print_help(cli, "liangji", 1)

"""The command line: `lab` opens the lessons, `doctor` says what works here, `study` asks the same of many images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xai_widgets.cli import study

app = typer.Typer(
    name="xai-widgets",
    help="Linked views, in JupyterLab, of what an image network uses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(study.app, name="study")


@app.command()
def lab(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where the lessons go. What is there already stays as it is.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The next free one is taken if it is in use.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser where there is a screen.")] = True,
) -> None:
    """Open the lessons in JupyterLab, on this machine only and with a token."""
    from xai_widgets.cli.lessons import fill, lessons, serve

    try:
        served, kept = fill(folder)
    except OSError as error:
        raise typer.BadParameter(f"the lessons could not be copied to {folder}: {error}.") from error
    if kept:
        typer.echo(f"Left as they are in {served}: {', '.join(kept)}. The lessons as shipped are in {lessons()}.")
    serve(served, port=port, browser=browser)


@app.command()
def doctor() -> None:
    """Print versions, device, what works in this environment, and what is missing."""
    from xai_widgets.cli.examination import examine, report

    findings = examine()
    typer.echo(report(findings))
    if any(finding.wrong and finding.essential for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    app()

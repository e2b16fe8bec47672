"""Language and template of a new app or component: apart, since other arguments need the client."""

from typing import Annotated, Final

import typer

__all__ = ["LANGUAGES_TOLD", "TemplateOption"]

# Told here, since what knows them is slow to import.
LANGUAGES_TOLD: Final = "c, go, javascript, python, rust, typescript or zig"

TemplateOption = Annotated[
    str,
    typer.Option(
        "--template",
        "-t",
        help="counter, ephemeral, http-handler or rpc; in Python counter-wit, too. "
        "Not every language has all.",
    ),
]

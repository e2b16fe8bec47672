"""The template of a new app or component: apart, since other arguments need the client."""

from typing import Annotated

import typer

__all__ = ["TemplateOption"]

TemplateOption = Annotated[
    str,
    typer.Option(
        "--template",
        "-t",
        # Told here, since what knows them is slow to import.
        help="counter, ephemeral, http-handler or rpc; in Python counter-wit, too. "
        "Not every language has all.",
    ),
]

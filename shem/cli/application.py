"""`shem app`: build and deploy an app by its manifest."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shem.build.steps import Step
from shem.cli.output import Format, FormatOption, Output
from shem.cli.template_option import LANGUAGES_TOLD, TemplateOption
from shem.cli.update_mode import UpdateMode
from shem.manifest.schema import Profile

__all__ = ["app"]


class _Group(TyperGroup):
    """The commands of `shem app`, and those that the manifest of this app adds."""

    # Typer brings a click of its own, whose types have no public names.
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
            application_work,
        )

        return application_work.custom_command(cmd_name)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Build and deploy an app by its manifest, shem.yaml. Custom commands of the manifest are"
    " commands here, too.",
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMPONENT]...",
        help="Components, whole names or the last part; by default those of this folder.",
        show_default=False,
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        "-a",
        metavar="FILE",
        envvar="SHEM_APP_MANIFEST",
        help="The manifest; by default the topmost shem.yaml above this folder.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
BuildProfileOption = Annotated[
    str | None,
    typer.Option(
        "--build-profile",
        "-b",
        envvar="SHEM_BUILD_PROFILE",
        help="Build and deploy by this one of the components' profiles.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-P",
        envvar="SHEM_PROFILE",
        help="Where and how to deploy, by a profile of the manifest.",
        show_default=False,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Run steps that are up to date, too.")]


@app.command(epilog="Example: `shem app new shop python`")
def new(
    name: Annotated[str, typer.Argument(help="The app; a folder of this name is made.")],
    language: Annotated[
        str | None,
        typer.Argument(
            help=f"Language of a first component: {LANGUAGES_TOLD}. By default python.",
            show_default=False,
        ),
    ] = None,
    *,
    template: TemplateOption = "counter",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Make a new app with a first component."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_work,
    )

    application_work.new(Output(format_), name, language, template)


@app.command(epilog="Examples: `shem app build` · `shem app build demo:counter --force`")
def build(
    components: Names = None,
    *,
    step: Annotated[
        list[Step] | None, typer.Option(help="Only this step; repeatable.", show_default=False)
    ] = None,
    force: ForceOption = False,
    manifest: ManifestOption = None,
    build_profile: BuildProfileOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Build components; what is up to date is not built again."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_opened,
        application_work,
    )

    work = application_opened.opened(Output(format_), manifest, build_profile)
    application_work.build(work, components or (), steps=tuple(step or Step), force=force)


@app.command(epilog="Examples: `shem app deploy` · `shem app deploy demo:counter --yes`")
def deploy(
    components: Names = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and do nothing.")] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Take what is built.")] = False,
    update_workers: Annotated[
        UpdateMode | None,
        typer.Option(
            "--update-workers",
            "-u",
            help="Have the workers of changed components run the new version.",
            show_default=False,
        ),
    ] = None,
    redeploy_workers: Annotated[
        bool,
        typer.Option("--redeploy-workers", help="Delete the workers of changed components."),
    ] = False,
    redeploy_http_api: Annotated[
        bool,
        typer.Option("--redeploy-http-api", help="Replace HTTP APIs that are there already."),
    ] = False,
    redeploy_all: Annotated[
        bool, typer.Option("--redeploy-all", "-r", help="Both of these.")
    ] = False,
    profile: ProfileOption = None,
    manifest: ManifestOption = None,
    build_profile: BuildProfileOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Build, show what would change, upload components, then serve HTTP APIs."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_deploy,
        application_opened,
        application_work,
        session,
    )

    work, chosen = application_opened.opened_for(Output(format_), manifest, build_profile, profile)
    settings = chosen or Profile()
    every = redeploy_all or settings.redeploy_all
    how = application_deploy.How(
        ask=not yes and not settings.auto_confirm,
        only_plan=plan,
        update=None if update_workers is None else update_workers.value,
        redeploy_workers=every or redeploy_workers or settings.redeploy_workers,
        redeploy_http_api=every or redeploy_http_api or settings.redeploy_http_api,
        profile=profile,
    )
    if not no_build:
        session.reach(work.output)
        application_work.build(work, components or (), quiet=True)
    application_deploy.deploy(work, components or (), how)


@app.command(epilog="Example: `shem app clean`")
def clean(
    components: Names = None,
    *,
    manifest: ManifestOption = None,
    build_profile: BuildProfileOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Remove what builds have made."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_opened,
        application_work,
    )

    application_work.clean(
        application_opened.opened(Output(format_), manifest, build_profile), components or ()
    )


@app.command(epilog="Example: `shem app diagnose`")
def diagnose(*, manifest: ManifestOption = None, format_: FormatOption = Format.TEXT) -> None:
    """Tell which tools the builds need, which are missing, and how to get them."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_opened,
        application_work,
    )

    application_work.diagnose(application_opened.opened(Output(format_), manifest, None))


@app.command(epilog="Examples: `shem app dev` · `shem app dev demo:counter --redeploy-workers`")
def dev(
    components: Names = None,
    *,
    update_workers: Annotated[
        UpdateMode,
        typer.Option("--update-workers", "-u", help="How workers get to run the new version."),
    ] = UpdateMode.AUTOMATIC,
    redeploy_workers: Annotated[
        bool, typer.Option("--redeploy-workers", help="Delete them instead: they begin anew.")
    ] = False,
    profile: ProfileOption = None,
    manifest: ManifestOption = None,
    build_profile: BuildProfileOption = None,
) -> None:
    """Build and deploy whenever a source changes, and show what workers say, until Ctrl-C."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_deploy,
        application_dev,
        application_opened,
    )

    work, chosen = application_opened.opened_for(
        Output(Format.TEXT), manifest, build_profile, profile
    )
    settings = chosen or Profile()
    how = application_deploy.How(
        ask=False,
        only_plan=False,
        update=update_workers.value,
        redeploy_workers=redeploy_workers or settings.redeploy_workers or settings.redeploy_all,
        redeploy_http_api=True,
        profile=profile,
    )
    application_dev.develop(work, components or (), how)


@app.command("list", epilog="Example: `shem app list -o json`")
def list_(
    *,
    manifest: ManifestOption = None,
    build_profile: BuildProfileOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Show the app: components, dependencies and custom commands."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_opened,
        application_work,
    )

    application_work.show(application_opened.opened(Output(format_), manifest, build_profile))


@app.command(epilog="Example: `shem app schema > shem.schema.json`")
def schema() -> None:
    """Print the JSON Schema of the manifest, for editors."""
    from shem.cli import (  # noqa: PLC0415 - the build tool is slow to import
        application_work,
    )

    application_work.print_schema()

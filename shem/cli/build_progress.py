"""The steps of a build on a terminal: those that run with their times, a line for each done."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shem.build.builder import Running
from shem.build.steps import Done, Step
from shem.cli.output import Output

__all__ = ["running_steps", "tell_step"]


def tell_step(output: Output, step: Done) -> None:
    """Tell a step that has run."""
    if step.ran:
        output.note(f"{step.component}  {step.step}  {step.what}  {step.seconds:.1f} s")


@contextmanager
def running_steps(output: Output) -> Generator[Running]:
    """Show steps as long as they run, if somebody watches."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=output.messages,
        transient=True,
        disable=not output.shows_progress,
    ) as shown:

        @contextmanager
        def running(component: str, step: Step) -> Generator[None]:
            task = shown.add_task(f"{component}  {step}", total=None)
            try:
                yield
            finally:
                shown.remove_task(task)

        yield running

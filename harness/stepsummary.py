"""The page that GitHub shows of a workflow's run: each step appends Markdown to a file.

See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
("Adding a job summary"), which has the name of the variable and the limit.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file, in a step of a workflow and nowhere else."""

MOST_BYTES = 2**20
"""Of one step. With more, GitHub shows nothing of it."""

CUT = "Cut here: GitHub shows no more than 1 MiB of a step."


def append(markdown: Callable[[], str], environment: Mapping[str, str] = os.environ) -> str:
    """Append what `markdown` says to the step's file; return why it could not be.

    Where there is no such file it is not asked: a report takes time.
    """
    path = environment.get(VARIABLE)
    if not path:
        return ""
    try:
        with Path(path).open("ab") as file:
            text = markdown().rstrip("\n") + "\n\n"
            file.write(cut(text, MOST_BYTES - file.tell()).encode())
    except OSError as error:
        return f"{path}: the step's summary cannot be written: {error.strerror}"
    return ""


def cut(markdown: str, room: int) -> str:
    """Return as many paragraphs of `markdown` as there is room for, in bytes, and say so.

    A table or what folds is not left open: what comes after it would be swallowed.
    """
    if len(markdown.encode()) <= room:
        return markdown
    ending = f"\n\n</details>\n\n{CUT}\n\n"
    kept = markdown.encode()[: max(0, room - len(ending))].decode(errors="ignore")
    kept = kept.rpartition("\n\n")[0]
    if kept.count("<details>") == kept.count("</details>"):
        ending = f"\n\n{CUT}\n\n"
    return kept + ending if len(ending) <= room else ""

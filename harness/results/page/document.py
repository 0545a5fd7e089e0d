"""Findings -> `report.html`: one file, made the same from the same findings. Pure.

What a run measured goes in as JSON that is no script, and the page's own script and style
are named by their hashes in its content security policy: whatever text a database or
a driver left in the results, nothing in it runs and nothing is fetched.
"""

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import ERROR_CLASSES, Summary
from harness.results import doubts
from harness.results.page import grid
from harness.results.page.choice import Candidate, Choice, Contest, Scope, choice
from harness.results.page.objectives import OBJECTIVES
from harness.thresholds import CONFIDENCE, ERROR_PCT_FLAG, SAME_WITHIN
from harness.verdicts import verdicts

if TYPE_CHECKING:
    from jinja2 import Template


def document(matrix: Matrix, found: Findings) -> Callable[[Mapping[str, str]], str]:
    """Return the page, once it is given its plots: SVG files by name, shown in their order."""
    style, script = _part("page.css"), _part("page.js")
    shown = grid.columns(found)
    chosen = choice(matrix, found)
    page = partial(
        _template().render,
        name=matrix.name,
        sentences=verdicts(matrix, found),
        errors=_errors(found),
        doubts=_doubts(found),
        objectives=OBJECTIVES,
        classes=ERROR_CLASSES,
        max_error_pct=ERROR_PCT_FLAG,
        same_within=SAME_WITHIN,
        confidence=CONFIDENCE,
        choice=chosen,
        data=_script_safe(_lines(_data(found, shown, chosen))),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return lambda plots: page(
        plots=[(_title(name, svg), _data_url(svg)) for name, svg in plots.items()]
    )


def _data(
    found: Findings, shown: Sequence[grid.Column], chosen: Choice
) -> Mapping[str, Sequence[Any] | Mapping[str, Any]]:
    return {
        "columns": [{"heading": each.heading, "kind": each.kind} for each in shown],
        "rows": grid.rows(found, shown),
        "objectives": {
            name: {"unit": each.unit, "sign": 1 if each.more_is_better else -1}
            for name, each in OBJECTIVES.items()
        },
        "scopes": [_scope(each) for each in chosen.scopes],
    }


def _scope(scope: Scope) -> Mapping[str, Any]:
    return {
        "name": scope.name,
        "objectives": scope.objectives,
        "tail": " or ".join(scope.tails),
        "stacks": [_candidate(each) for each in scope.candidates],
        "contests": [_contest(each) for each in scope.contests],
        "dominations": [[each.winner, each.loser, each.why] for each in scope.dominations],
    }


def _candidate(candidate: Candidate) -> Mapping[str, Any]:
    """Return a stack, with what is empty for most left out."""
    cells = candidate.cells
    failed = [each.by_class for each in cells if each.errors]
    errors = {name: sum(getattr(each, f"err_{name}") for each in failed) for name in ERROR_CLASSES}
    said = {
        "name": candidate.stack,
        "barred": candidate.barred,
        "unjudged": candidate.unjudged,
        "errors": {name: count for name, count in errors.items() if count},
        "attempts": sum(each.requests + each.errors for each in cells),
        "doubts": "" if candidate.barred else _doubted(cells),
    }
    return {name: value for name, value in said.items() if value}


def _doubted(cells: Sequence[Summary]) -> str:
    """Return each doubt of `cells` once; in how many blocks is said of a single cell alone."""
    several = len(cells) > 1
    each = (doubt for cell in cells for doubt in cell.flags.split("; ") if doubt)
    said = (re.sub(r" \(\d+ of \d+ blocks\)$", "", doubt) if several else doubt for doubt in each)
    return "; ".join(dict.fromkeys(" ".join(doubt.split()) for doubt in said))


def _contest(contest: Contest) -> list[Any]:
    """Return `[first, second, log, half, log, half, ...]`, to a hundredth of a per cent."""
    ratios = [None if part is None else round(part, 4) for pair in contest.ratios for part in pair]
    return [contest.first, contest.second, *ratios]


def _errors(found: Findings) -> list[tuple[str, str, str, int, str]]:
    return [
        (
            found.names[key.setting],
            key.stack,
            name,
            getattr(found.summaries[key].by_class, f"err_{name}"),
            " ".join(message.split()),
        )
        for key, messages in found.first_errors.items()
        for name, message in sorted(messages.items())
    ]


def _doubts(found: Findings) -> list[tuple[str, str]]:
    flags = [each.flags for each in found.summaries.values()]
    return doubts.met([*flags, *(each.flags for each in found.comparisons.values())])


def _lines(data: Mapping[str, Sequence[Any] | Mapping[str, Any]]) -> str:
    """Return JSON with a line for each row and scope, so that a diff shows which changed."""
    parts = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            text = orjson.dumps(value).decode()
        else:
            text = "[\n" + ",\n".join(orjson.dumps(each).decode() for each in value) + "\n]"
        parts.append(f'"{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}"


def _script_safe(json: str) -> str:
    """Return `json` with no character that could end a script element or begin a comment."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _data_url(svg: str) -> str:
    """Return `svg` as an image's address, on as many lines: a browser drops their ends.

    As an image it runs no script, fetches nothing, and its ids meet no others.
    """
    return "data:image/svg+xml," + quote(svg, safe=",:;=/()-.").replace("%0A", "%0A\n")


def _title(name: str, svg: str) -> str:
    """Return what the drawing says it is, else its file's name in words."""
    said = re.search(r"<title[^>]*>([^<]+)</title>", svg)
    return html.unescape(said[1]).strip() if said else name.removesuffix(".svg").replace("-", " ")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _part(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined  # a command that renders nothing does without

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_part("page.html.jinja"))

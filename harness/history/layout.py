"""Series as tables of words, and as JSON. Pure."""

from collections.abc import Sequence
from typing import Any

import orjson

from harness.columns import columns, values
from harness.counted import counted
from harness.diff import wording
from harness.diff.document import change_of, ratio_of
from harness.diff.layout import DASH, Lines, Part, Table
from harness.history.series import Point, Series
from harness.model import Key

SUBJECT = 48
"""Characters of a commit's first line that are shown."""

HEADINGS = ("commit", "date", "subject", "blocks", "ratio, 95 % interval", "step")


def layout(found: Sequence[Series], commits: int) -> list[Part]:
    """Return the steps in words, then a table for each cell."""
    named = titles(found)
    steps = [
        f"{named[each.key]}: {step_text(each, point)} at {point.run.commit[:7]}, "
        f"{_short(point.run.subject)}"
        for each in found
        for point in each.points
        if point.stepped
    ]
    return [
        Lines("", steps or [f"No step in {counted(commits, 'commit')}."]),
        *(Table(_title(each, named[each.key]), HEADINGS, [("", _rows(each))]) for each in found),
    ]


def titles(found: Sequence[Series]) -> dict[Key, str]:
    """Return what to call the cells of `found`."""
    named = wording.names(each.key.setting for each in found)
    return {each.key: f"{named[each.key.setting]}: {each.key.stack}" for each in found}


def to_json(name: str, found: Sequence[Series], left_out: Sequence[str]) -> str:
    """Return one JSON object; key columns are those of `cells.csv`."""
    document = {"name": name, "cells": [_series(each) for each in found], "left_out": left_out}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _title(each: Series, cell: str) -> str:
    baselines = list(dict.fromkeys(point.baseline for point in each.points if point.baseline))
    against = wording.listed(baselines) or "no baseline"
    return f"{cell}, {wording.WORDS[each.metric]} against {against}"


def _rows(each: Series) -> list[tuple[str, ...]]:
    return [
        (
            point.run.commit[:7],
            point.run.date,
            _short(point.run.subject),
            str(point.ratio.n) if point.ratio else DASH,
            wording.ratio(point.ratio) if point.ratio else DASH,
            step_text(each, point),
        )
        for point in each.points
    ]


def step_text(each: Series, point: Point) -> str:
    """Return who stepped at `point`, which way and how far; nothing where nobody did."""
    step = point.stepped
    if step is None or step.shift is None:
        return ""
    who = "" if step.key == each.key else f"{step.key.stack} (the baseline) "
    change = wording.percent(step.shift.size, step.shift.half_width)
    return f"{who}{step.verdict}: {change}{wording.interval(step.shift)}"


def _short(subject: str) -> str:
    return subject if len(subject) <= SUBJECT else subject[: SUBJECT - 3] + "..."


def _series(each: Series) -> dict[str, Any]:
    return {
        **dict(zip(columns(Key), values(each.key), strict=True)),
        "metric": each.metric,
        "commits": [_point(point) for point in each.points],
    }


def _point(point: Point) -> dict[str, Any]:
    step = point.stepped
    return {
        "commit": point.run.commit,
        "date": point.run.date,
        "subject": point.run.subject,
        "baseline": point.baseline,
        "ratio": ratio_of(point.ratio),
        "change": None if point.change is None else change_of(point.change),
        "step": None if step is None else step.key.stack,
    }

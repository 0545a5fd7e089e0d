"""The kinds of value a matrix holds: their types, their bounds, and how a wrong one is put."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from harness.duration import format_duration, parse_duration
from harness.slo import Slo, parse_slo

RATE_MIN, RATE_MAX = 0.01, 100_000
"""req/s: one in 100 s, and more than a generator can send."""

RTT_MIN_S, RTT_MAX_S = 0.0005, 1.0
"""The relay's own time is about half of the least; twice around the earth is less than the most."""

Plain = str | bool | int | float
"""A value of one line: of postgresql.conf, of an adapter's option."""


def expected(words: str) -> WrapValidator:
    """Say every failure of the type below as "expected <words>, got <value>"."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError as error:
            if any(each["loc"] or each["type"] == "expected" for each in error.errors()):
                raise  # it says so itself, or is about one element
            raise PydanticCustomError(
                "expected", "expected {words}, got {value}", {"words": words, "value": show(value)}
            ) from None

    return WrapValidator(check)


def show(value: object) -> str:
    """Return a wrong value as the user wrote it, on one line, cut short when it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


WORD = re.compile(r"[A-Za-z_][\w.+-]*")


def named(options: Mapping[str, Plain]) -> str:
    """Return `echo=true, threads=200`: the same text for the same options, and no other's."""
    return ", ".join(f"{name}={_bare(value)}" for name, value in sorted(options.items()))


def _bare(value: Plain) -> str:
    """Return a value as TOML has it, a word that can be nothing else without its quotes."""
    if isinstance(value, str):
        bare = WORD.fullmatch(value) and value not in ("true", "false")
        return value if bare else json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(value: object) -> float:
    if not isinstance(value, str):
        raise PydanticCustomError(
            "expected",
            'expected a duration such as "250ms", "2s" or "5m", got {value}',
            {"value": show(value)},
        )
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("expected", "{said}", {"said": str(error)}) from None


def _slo(value: object) -> Slo:
    if not isinstance(value, str):
        raise PydanticCustomError(
            "expected",
            'expected an SLO such as "p99 < 50ms", got {value}',
            {"value": show(value)},
        )
    try:
        return parse_slo(value)
    except ValueError as error:
        raise PydanticCustomError("expected", "{said}", {"said": str(error)}) from None


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise PydanticCustomError("expected", "expected a duration above zero, got 0")
    return seconds


def _round_trip(seconds: float) -> float:
    if seconds and not RTT_MIN_S <= seconds <= RTT_MAX_S:
        raise PydanticCustomError(
            "expected",
            'expected "0ms" or a round-trip time of {least} to {most}, got {value}',
            {
                "least": format_duration(RTT_MIN_S),
                "most": format_duration(RTT_MAX_S),
                "value": format_duration(seconds),
            },
        )
    # Whole microseconds: a cell read back from a table must be found in the matrix.
    return round(seconds, 6)


def distinct(values: list[Any], said: Callable[[Any], str] = show) -> list[Any]:
    """Return `values` if there is at least one and none, as `said`, stands in it twice."""
    if not values:
        raise PydanticCustomError("expected", "expected at least one value, got none")
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        raise PydanticCustomError(
            "expected", "{value} stands in it twice", {"value": said(repeated)}
        )
    return values


def _six_digits(rate: float) -> float:
    # As tables write it: a cell read back from one must be found in the matrix.
    return float(f"{rate:.6g}")


PositiveInt = Annotated[int, Field(gt=0), expected("a positive integer")]
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,47}$"),
    expected("a name of letters, digits and . _ + - (48 at most)"),
]
SideName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._+~^/=,-]{1,52}$"),
    expected("a side as `ab` calls it"),
]
Seconds = Annotated[
    float,
    AfterValidator(_positive),
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$"}),
]
Rates = Annotated[
    list[
        Annotated[
            float,
            Field(ge=RATE_MIN, le=RATE_MAX),
            AfterValidator(_six_digits),
            expected(f"a rate of {RATE_MIN} to {RATE_MAX} req/s"),
        ]
    ],
    AfterValidator(distinct),
    expected("a list of rates in req/s"),
]
RoundTrips = Annotated[
    list[
        Annotated[
            float,
            AfterValidator(_round_trip),
            BeforeValidator(_duration),
            WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$"}),
        ]
    ],
    AfterValidator(functools.partial(distinct, said=format_duration)),
    expected("a list of durations"),
]
Objective = Annotated[
    Slo,
    PlainValidator(_slo),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*p(50|90|95|99)\s*<\s*\d+(\.\d+)?(ms|s|m|h)\s*$"}
    ),
]


def plain(value: object) -> object:
    """Return `value` if it is text, a number, true or false."""
    if isinstance(value, str | bool | int | float):
        return value
    raise PydanticCustomError(
        "expected", "expected text, a number, true or false, got {value}", {"value": show(value)}
    )


PlainValue = Annotated[Plain, PlainValidator(plain, json_schema_input_type=Plain)]
Values = Annotated[list[PlainValue], AfterValidator(distinct), expected("a list of values")]
Axis = Annotated[list[PositiveInt], AfterValidator(distinct), expected("a list of integers")]
Cpus = Annotated[
    list[Annotated[int, Field(ge=0), expected("a CPU number")]],
    AfterValidator(distinct),
    expected("a list of CPU numbers"),
]

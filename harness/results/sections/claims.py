"""What others say of such results, beside what was found here."""

from harness.claims import Figure, Judged, Line, judged
from harness.results.gfm import DASH, escaped, number, table
from harness.results.sections.material import Material
from harness.sentences import ratio_text

HEADINGS = ("cell", "what", "published", "here", "expected", "")


def section(material: Material) -> str:
    """Return a part for every claim of the matrix, or nothing when it makes none."""
    claims = judged(material.matrix, material.found)
    return "\n\n".join(["## Claims", *map(_claim, claims)]) if claims else ""


def _claim(each: Judged) -> str:
    source = f" ({escaped(each.claim.source)})" if each.claim.source else ""
    verdict = each.verdict.capitalize()
    rows = map(_row, each.lines)
    return f"**{verdict}:** {escaped(each.claim.says)}{source}\n\n{table(HEADINGS, rows)}"


def _row(line: Line) -> list[str]:
    mark = {True: "yes", False: "no", None: "not clear" if line.here else ""}[line.met]
    return [
        escaped(line.cell),
        escaped(line.what),
        _plain(line.published),
        _figure(line.here, ratio=" over " in line.what) if line.here else line.missing,
        escaped(line.wanted) or DASH,
        mark if line.wanted else "",
    ]


def _plain(value: float | str | None) -> str:
    return escaped(value) if isinstance(value, str) else number(value)


def _figure(figure: Figure, *, ratio: bool) -> str:
    if isinstance(figure.value, str):
        return escaped(figure.value)
    if ratio:
        return ratio_text(figure.value, figure.lo, figure.hi)
    if figure.lo is None or figure.hi is None or figure.lo == figure.hi:
        return number(figure.value)
    return f"{number(figure.value)} [{number(figure.lo)}, {number(figure.hi)}]"

"""What the report says of the machine."""

from dataclasses import fields

from harness import noises
from harness.findings import find
from harness.model import Machine
from harness.results.markdown import report
from tests.factories import ENVIRONMENT, a_key, a_machine, a_matrix, an_observation


def test_a_block_is_counted_once_for_all_its_stacks_and_each_alone_when_sequential() -> None:
    rows = [an_observation(a_key(stack=name), block) for name in "ab" for block in (1, 2)]
    assert len(noises.of_blocks(rows)) == 2
    alone = [
        an_observation(a_key(stack=name), block, schedule="sequential")
        for name in "ab"
        for block in (1, 2)
    ]
    assert len(noises.of_blocks(alone)) == 4


def test_median_and_worst_are_over_blocks_and_a_ratio_is_worst_far_from_one() -> None:
    machines = [
        a_machine(foreign_cpu_cores=cores, probe_cpu_ratio=ratio)
        for cores, ratio in ((0.0, 1.2), (0.1, 0.6), (0.9, 1.0))
    ]
    table = {words: (median, worst) for words, median, worst in noises.rows(machines)}
    assert table["CPU of other processes, cores"] == ("0.1", "0.9")
    assert table["CPU time of a fixed work, after over before"] == ("1", "0.6")


def test_every_column_has_its_line() -> None:
    assert [line.name for line in noises.LINES] == [each.name for each in fields(Machine)]


def test_what_cannot_be_read_here_is_said_once() -> None:
    machine = a_machine(foreign_cpu_cores=None, steal_pct=None, pressure_pct=None)
    matrix = a_matrix()
    keys = [a_key(stack=name, adapter=f"{kind}_pool") for name, kind in (("base", "psycopg"),)]
    found = find(
        matrix, [an_observation(key, block, machine=machine) for key in keys for block in (1, 2)]
    )
    text = report(matrix, found, ENVIRONMENT)
    said = (
        "Not available here: CPU of other processes, stolen by the hypervisor, "
        "time in which some process waited for a CPU."
    )
    assert text.count(said) == 1
    assert "| load average before the block | 1.5 | 1.5 |" in text

"""The simulator's lines, as recorded, and what they say."""

from __future__ import annotations

from moec.backends.astra.simulator.output import parse

SOUND = """\
[2026-11-22 00:36:49.384] [workload] [info] sys[2] finished, 38829 cycles, exposed communication 33829 cycles.
[2026-11-22 00:36:49.384] [statistics] [info] sys[2]. Post statistics processing start.
[2026-11-22 00:36:49.384] [statistics] [info] sys[2], Wall time: 38829
[2026-11-22 00:36:49.384] [statistics] [info] sys[2], Comm time: 33829
[2026-11-22 00:36:49.384] [statistics] [info] sys[2], GPU time: 5000
[2026-11-22 00:36:49.384] [statistics] [info] sys[2], Compute bound percentage: 0.000%
[2026-11-22 00:36:49.384] [system] [warning] Exiting
"""
STUCK = """\
[2026-11-22 05:05:07.458] [HardwareResource] [critical] !!!Hardware Resource sys.id=0 has unreleased nodes!!!
[2026-11-22 05:05:07.458] [HardwareResource] [critical] GPU comm node id: 2
[2026-11-22 05:05:07.458] [HardwareResource] [critical] !!!Hardware Resource sys.id=13 has unreleased nodes!!!
[2026-11-22 05:05:07.458] [HardwareResource] [critical] GPU comp node id: 7
[2026-11-22 05:05:07.458] [HardwareResource] [critical] GPU comm node id: 9
"""
MEMORY = """\
[2026-11-22 05:06:18.770] [workload] [info] sys[1] finished, 1001500 cycles, exposed communication 1000000 cycles.
[2026-11-22 05:06:18.770] [statistics] [info] sys[1]. Post statistics processing start.
[2026-11-22 05:06:18.770] [system] [critical] warning! a callable is removed before call Only GPU and COMM types are supported for overlap extraction
"""
LOST = "[2026-11-22 05:06:18.336] [system] [critical] warning! a callable is removed before call Attribute comm_size not found in node 2\n"


def test_finish_lines_give_nanoseconds_by_rank():
    output = parse(SOUND)

    assert output.finish_ns == {2: 38829}
    assert output.exposed_ns == {2: 33829}
    assert output.statistics == {2: {"Comm time": 33829, "GPU time": 5000}}
    assert output.critical == () and output.stuck == () and output.repeated == ()


def test_a_rank_that_finishes_twice_is_told():
    assert parse(SOUND + SOUND).repeated == (2,)


def test_stuck_nodes_belong_to_the_rank_named_before_them():
    output = parse(STUCK)

    assert output.stuck == ((0, 2), (13, 7), (13, 9))
    assert output.critical == ()


def test_statistics_lost_to_memory_nodes_are_not_critical():
    output = parse(MEMORY)

    assert output.finish_ns == {1: 1001500}
    assert output.without_statistics == 1
    assert output.critical == ()


def test_any_other_lost_event_is_critical():
    assert len(parse(LOST).critical) == 1


def test_no_output_says_nothing():
    output = parse("")

    assert output.finish_ns == {} and output.critical == ()

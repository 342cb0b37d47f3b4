"""The programs of all ranks, made once for files that are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moec.backends.astra.files.system import System
from moec.backends.astra.replay.programs.actions import Action
from moec.backends.astra.replay.programs.program import Frame, Program, frame_of, program_of, timed
from moec.backends.astra.replay.programs.trace_rows import Sheet


def programs_of(sheets: Sequence[Sheet], system: System, *, by_number: bool) -> tuple[Program, ...]:
    """A program for each rank. Ranks with one file share it; so do those whose nodes only count from elsewhere, unless
    nodes are named by number.
    """
    made: dict[int, Program] = {}
    known = _Known(system)
    for sheet in sheets:
        if id(sheet) not in made:
            made[id(sheet)] = program_of(sheet.trace, system) if by_number else known.program(sheet)
    return tuple(made[id(sheet)] for sheet in sheets)


class _Known:
    """Programs by shape, and what is to be shared of them by frame; the actions of whole tables of nodes."""

    __slots__ = ("_actions", "_frames", "_programs", "_system")

    def __init__(self, system: System) -> None:
        self._system = system
        self._programs: dict[bytes, Program] = {}
        self._frames: dict[bytes, Frame] = {}
        self._actions: dict[int, list[Action]] = {}

    def program(self, sheet: Sheet) -> Program:
        found = self._programs.get(sheet.shape)
        if found is None:
            found = self._programs[sheet.shape] = self._made(sheet)
        return found

    def _made(self, sheet: Sheet) -> Program:
        frame = None if self._system.replay_only else self._frames.get(sheet.frame)
        if frame is not None:
            return frame.with_kernels(self._timed(sheet), sheet.first)
        program = program_of(sheet.trace, self._system)
        self._frames[sheet.frame] = frame_of(program, sheet.trace)
        return program

    def _timed(self, sheet: Sheet) -> list[Action]:
        nodes = sheet.nodes
        if id(nodes) not in self._actions:
            self._actions[id(nodes)] = timed(nodes, np.arange(len(nodes)), self._system)
        return self._actions[id(nodes)]

"""
What moments teach, as arrays of equal length that lie on an accelerator: for each moment what its pictures show, and several questions with their answers.
Drawn once for each moment, since drawing them anew for every step would take longer than the step.
"""

import numpy as np

from . import labels
from .architecture import CELLS, CHUNK, HORIZON, POINTS
from .labels import UNKNOWN
from .moments import Moment, rotation
from .words import Words, answer_text, forecast_text, point_answer, point_text, policy_text

FORECASTS, CHUNKS, TOLD, POINTED = 6, 4, 2, 2
"""Questions for each moment: forecasts, chunks of a policy, forecasts in words, pointing in words."""
FORECAST_LENGTH, CHUNK_LENGTH, TOLD_LENGTH, POINTED_LENGTH = 176, 48, 1088, 48
"""Tokens that there is room for; a longer text is an error."""

Rows = dict[str, np.ndarray]


def rows_of(moments: list[Moment], words: Words, seed: int) -> Rows:
    """Arrays whose first axis is the moment."""
    random = np.random.default_rng(seed)
    each = [_rows(moment, words, random) for moment in moments]
    return {name: np.stack([rows[name] for rows in each]) for name in each[0]} if each else {}


def _rows(moment: Moment, words: Words, random: np.random.Generator) -> Rows:
    cells = [labels.cells(moment, camera) for camera in range(len(moment.cameras))]
    seen = {
        "cell_kind": np.array([[part.kind for part in parts] for parts in cells], np.int8),
        "cell_colour": np.array([[part.colour for part in parts] for parts in cells], np.int8),
        "cell_place": np.array([[part.place for part in parts] for parts in cells], np.float32),
    }
    return seen | _forecasts(moment, cells[0], words, random) | _chunks(moment, cells[0], words, random) | _pointed(moment, words, random)


def pairs_of(moment: Moment, count: int, random: np.random.Generator, for_policy: bool) -> list[tuple[int, int]]:
    """Objects and receptacles that an instruction could name at a moment; what is held out is never to be moved. None: nothing can be asked."""
    scene = moment.scene
    if for_policy:
        choices = [(scene.task, r) for r, commands in enumerate(moment.next) if commands is not None]
    elif moment.released:
        distance = np.linalg.norm(scene.receptacle_place[:, :2] - moment.objects[scene.task, :2], axis=1)
        choices = [(scene.task, int(distance.argmin()))]
    else:
        movable = [scene.task] if moment.held else [int(i) for i in np.nonzero(~scene.held_out)[0]]
        choices = [(o, r) for o in movable for r in range(len(scene.receptacles))]
    order = [choices[i] for i in random.permutation(len(choices))]
    return [order[i % len(order)] for i in range(count if order else 0)]


def _instruction(moment: Moment, target: int, receptacle: int, random: np.random.Generator) -> str:
    scene = moment.scene
    template = scene.templates[random.integers(len(scene.templates))]
    return template.replace("{object}", scene.objects[target]).replace("{receptacle}", scene.receptacles[receptacle])


class Asked:
    """What is known of the two things that a question names."""

    def __init__(self, moment: Moment, cells: tuple[labels.Cells, labels.Cells]):
        self.scene = moment.scene
        self.objects, self.receptacles = cells
        self.places = labels.things(moment, 0)

    def named(self, words: Words, text: str, target: int, receptacle: int) -> tuple[list[int], Rows]:
        """Ids of the text; the tokens that end the names; the first camera's cells that show the things, none where it may not be learned; their places."""
        found = words.name(text, self.scene.objects[target], self.scene.receptacles[receptacle])
        cells = np.stack([(self.objects.of == target) & (self.objects.kind != UNKNOWN), self.receptacles.of == receptacle])
        place = labels.place_of(np.stack([self.places[0][target], self.places[1][receptacle]]))
        return found.ids, {"words": np.array([found.object, found.receptacle], np.int16), "cells": cells, "place": place}


def _forecasts(moment: Moment, cells: tuple[labels.Cells, labels.Cells], words: Words, random: np.random.Generator) -> Rows:
    asked = Asked(moment, cells)
    rows, told = [], []
    for target, receptacle in pairs_of(moment, FORECASTS, random, False):
        points = labels.surface_points(moment, target, random).astype(np.float32)
        history = points - points[0]
        moves = (labels.way(moment, target, receptacle) - moment.objects[target, :3]) @ rotation(moment.cameras[0, 3:])
        text = forecast_text(_instruction(moment, target, receptacle, random), _millimetres(history))
        ids, named = asked.named(words, text, target, receptacle)
        rows.append(named | _padded(ids, FORECAST_LENGTH, words) | {"history": history, "moves": moves.astype(np.float32)})
        if len(told) < TOLD:
            answer = words.encode(answer_text([_millimetres(history + move) for move in moves])) + [words.eos]
            told.append(_padded(ids + answer, TOLD_LENGTH, words) | {"start": np.int16(len(ids))})
    return _stacked("forecast", rows) | _stacked("told", told)


def _chunks(moment: Moment, cells: tuple[labels.Cells, labels.Cells], words: Words, random: np.random.Generator) -> Rows:
    asked = Asked(moment, cells)
    rows = []
    for target, receptacle in pairs_of(moment, CHUNKS, random, True):
        ids, named = asked.named(words, policy_text(_instruction(moment, target, receptacle, random)), target, receptacle)
        rows.append(named | _padded(ids, CHUNK_LENGTH, words) | {"actions": moment.next[receptacle].astype(np.float32)})
    is_known = bool(rows)
    if not is_known:
        rows = [{
            "words": np.zeros(2, np.int16), "cells": np.zeros((2, CELLS), bool), "place": np.zeros((2, 3), np.float32),
            **_padded([words.eos], CHUNK_LENGTH, words), "actions": np.zeros((CHUNK, 8), np.float32)}] * CHUNKS
    return _stacked("chunk", rows) | {"chunk_is_known": np.array(is_known), "state": moment.state}


def _pointed(moment: Moment, words: Words, random: np.random.Generator) -> Rows:
    """Where things are that the first camera sees; both kinds of things in turn."""
    scene, pose = moment.scene, moment.cameras[0]
    kinds = list(zip((scene.objects, scene.receptacles), labels.things(moment, 0)))
    rows = []
    for names, centres in (kinds[i % 2] for i in range(POINTED)):
        movable = np.nonzero(~scene.held_out)[0] if names is scene.objects else np.arange(len(names))
        i = int(random.choice(movable))
        x, y, z = centres[i]
        thousandths = 1000 * np.array([scene.focals[0] * x / z / scene.size[0] + 0.5, scene.focals[0] * y / z / scene.size[1] + 0.5])
        start = words.encode(point_text(names[i]))
        is_seen = z > 0 and np.all((thousandths >= 0) & (thousandths < 1000))
        answer = words.encode(point_answer(names[i], [tuple(np.rint(thousandths).astype(int))] if is_seen else [])) + [words.eos]
        rows.append(_padded(start + answer, POINTED_LENGTH, words) | {"start": np.int16(len(start))})
    return _stacked("pointed", rows)


def _millimetres(points: np.ndarray) -> list[list[int]]:
    """Of points in metres; ties to even, as the product rounds."""
    return np.rint(points.astype(np.float64) * 1000).astype(int).tolist()


def _padded(ids: list[int], length: int, words: Words) -> Rows:
    if len(ids) > length:
        raise ValueError(f"a text of {len(ids)} tokens is longer than the {length} that there is room for: {words.tokenizer.decode(ids)}")
    return {"ids": np.array(ids + [words.eos] * (length - len(ids)), np.int16), "length": np.int16(len(ids))}


def _stacked(name: str, rows: list[Rows]) -> Rows:
    return {f"{name}_{key}": np.stack([row[key] for row in rows]) for key in rows[0]}

"""What can be known of a moment: where things are in a picture, and where an object goes."""

from dataclasses import dataclass

import numpy as np

from .architecture import CELLS, FORECAST_STEP_S, GRID, HORIZON, POINTS
from .moments import Moment, in_camera, rotation

COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "white", "black"]
KINDS = ["cube", "brick", "can", "ball", "bowl", "tray", "plate"]
OBJECT_KINDS = 4
UNKNOWN = -100
"""A label that no loss looks at."""
PLACE_ORIGIN = np.array([0.0, 0.0, 0.6], np.float32)
PLACE_UNIT_M = 0.25
"""Places in a camera's frame are told from this origin, in this unit."""

# The expert of src/simulator/carrying.ts.
CARRY_M = 0.16
COLUMN_M = 0.025
LEAST_LIFT_M = 0.01
WALL_M = 0.006
SPEED = {"free": 0.3, "careful": 0.12}


@dataclass
class Cells:
    """For the objects and for the receptacles of a picture, of each cell: kind (0 none), colour and place of what it shows."""

    kind: np.ndarray
    colour: np.ndarray
    place: np.ndarray
    of: np.ndarray
    """Index of the thing; -1 for none."""


def place_of(points: np.ndarray) -> np.ndarray:
    return ((points - PLACE_ORIGIN) / PLACE_UNIT_M).astype(np.float32)


def metres(places: np.ndarray) -> np.ndarray:
    return places * PLACE_UNIT_M + PLACE_ORIGIN


def things(moment: Moment, camera: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of objects and of receptacles in a camera's frame, metres."""
    pose = moment.cameras[camera]
    middles = moment.scene.receptacle_place[:, :3] + np.array([[0, 0, 0.5]], np.float32) * moment.scene.receptacle_place[:, 4:5]
    return in_camera(moment.objects[:, :3], pose), in_camera(middles, pose)


def cells(moment: Moment, camera: int) -> tuple[Cells, Cells]:
    """Those of objects and those of receptacles. Cells of objects that are held out are unknown."""
    scene = moment.scene
    objects, receptacles = things(moment, camera)
    focal = scene.focals[camera]
    object_radius = np.linalg.norm(scene.object_half[:, :2], axis=1)
    found = _cells(objects, object_radius, scene.objects, focal, scene.size)
    for i in np.nonzero(scene.held_out)[0]:
        found.kind[found.of == i] = UNKNOWN
    return found, _cells(receptacles, scene.receptacle_place[:, 3], scene.receptacles, focal, scene.size)


def _cells(centres: np.ndarray, radii: np.ndarray, labels: list[str], focal: float, size: tuple[int, int]) -> Cells:
    rows, columns = GRID
    found = Cells(np.zeros(CELLS, np.int64), np.full(CELLS, UNKNOWN), np.zeros((CELLS, 3), np.float32), np.full(CELLS, -1))
    best = np.full(CELLS, np.inf)
    row, column = np.divmod(np.arange(CELLS), columns)
    for i, (centre, radius) in enumerate(zip(centres, radii)):
        if centre[2] < 0.02:
            continue
        # In cells, from the picture's corner.
        x = (focal * centre[0] / centre[2] / size[0] + 0.5) * columns
        y = (focal * centre[1] / centre[2] / size[1] + 0.5) * rows
        if not (0 <= x < columns and 0 <= y < rows):
            continue
        reach = max(0.5, 0.7 * focal * radius / centre[2] / size[0] * columns)
        away = np.hypot(column + 0.5 - x, row + 0.5 - y)
        mine = (away < reach) | ((row == int(y)) & (column == int(x)))
        mine &= away < best
        best[mine] = away[mine]
        colour, kind = labels[i].split(" ")
        number = KINDS.index(kind)
        found.kind[mine] = 1 + (number if number < OBJECT_KINDS else number - OBJECT_KINDS)
        found.colour[mine] = COLOURS.index(colour)
        found.place[mine] = place_of(centre)
        found.of[mine] = i
    return found


def way(moment: Moment, target: int, receptacle: int) -> np.ndarray:
    """Where the centre of an object goes, from where it is, in the base: [HORIZON, 3] metres, at constant speeds along the expert's legs."""
    here = moment.objects[target, :3].astype(np.float64)
    if moment.released and target == moment.scene.task:
        return np.repeat(here[None], HORIZON, 0)
    half = moment.scene.object_half[target, 2]
    x, y, _, _, height = moment.scene.receptacle_place[receptacle].astype(np.float64)
    release = max(height * 0.4, WALL_M) + 0.012
    legs = []
    lowest = here[2] - half
    if np.hypot(here[0] - x, here[1] - y) > COLUMN_M:
        if lowest < CARRY_M - LEAST_LIFT_M:
            legs.append((np.array([here[0], here[1], CARRY_M + half]), SPEED["free"]))
        legs.append((np.array([x, y, CARRY_M + half]), SPEED["free"]))
    legs.append((np.array([x, y, release + half]), SPEED["careful"]))
    times, corners = [0.0], [here]
    for goal, speed in legs:
        times.append(times[-1] + np.linalg.norm(goal - corners[-1]) / speed)
        corners.append(goal)
    when = FORECAST_STEP_S * np.arange(1, HORIZON + 1)
    return np.stack([np.interp(when, times, [corner[axis] for corner in corners]) for axis in range(3)], 1)


def surface_points(moment: Moment, target: int, random: np.random.Generator) -> np.ndarray:
    """Query points on what the first camera sees of an object, as depth gives them: [POINTS, 3] metres in that camera's frame."""
    half, geometry = moment.scene.object_half[target], moment.scene.object_geometry[target]
    pose = moment.objects[target]
    turn = rotation(pose[3:])
    eye = turn.T @ (moment.cameras[0, :3] - pose[:3])
    points, normals = _on_surface(half, geometry, random, 12 * POINTS)
    facing = ((eye - points) * normals).sum(1) > 0
    # What does not face the camera comes last, should there be too little that does.
    points = points[np.argsort(~facing, kind="stable")[:POINTS]]
    seen = in_camera(points @ turn.T + pose[:3], moment.cameras[0])
    away = 1 + 0.0025 * random.normal(size=(POINTS, 1)) * seen[:, 2:]
    return seen * away


def _on_surface(half: np.ndarray, geometry: str, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and outward normals, evenly spread."""
    if geometry == "sphere":
        normals = random.normal(size=(count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return normals * half[0], normals
    if geometry == "cylinder":
        angle, height = 2 * np.pi * random.random(count), 2 * random.random(count) - 1
        side = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], 1)
        ends = random.random(count) < half[0] / (half[0] + 2 * half[2])
        up = np.stack([np.zeros(count), np.zeros(count), np.sign(height)], 1)
        on_end = side * half[0] * np.sqrt(random.random((count, 1))) + up * half[2]
        on_side = side * half[0] + np.stack([np.zeros(count), np.zeros(count), height * half[2]], 1)
        return np.where(ends[:, None], on_end, on_side), np.where(ends[:, None], up, side)
    areas = np.array([half[1] * half[2], half[0] * half[2], half[0] * half[1]])
    axis = random.choice(3, size=count, p=areas / areas.sum())
    normals = np.zeros((count, 3))
    normals[np.arange(count), axis] = np.where(random.random(count) < 0.5, 1, -1)
    points = half * (2 * random.random((count, 3)) - 1)
    return np.where(normals != 0, normals * half, points), normals

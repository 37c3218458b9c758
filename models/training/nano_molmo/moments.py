"""What `molmo-motion episodes --moments` wrote, made ready: pictures at the model's size in shards, descriptions as small arrays."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .architecture import PICTURE

SHARD = 32
"""Episodes in a shard."""
VALIDATION = 20
"""Every so many-th seed is never trained on."""


@dataclass
class Scene:
    """What does not change in an episode. Metres, the arm's base frame."""

    seed: int
    templates: list[str]
    objects: list[str]
    object_half: np.ndarray
    object_geometry: list[str]
    held_out: np.ndarray
    task: int
    receptacles: list[str]
    receptacle_place: np.ndarray
    """[n, 5]: x, y, z, radius, height."""
    focals: np.ndarray
    """Pixels of the recorded picture, for each camera."""
    size: tuple[int, int]
    """Width and height of the recorded pictures."""


@dataclass
class Moment:
    scene: Scene
    phase: str
    held: bool
    released: bool
    state: np.ndarray
    objects: np.ndarray
    """[n, 7]: position and quaternion w, x, y, z in the base."""
    cameras: np.ndarray
    """[cameras, 7], of the optical frames."""
    next: list[np.ndarray | None]
    """For each receptacle [steps, 8], commands; None where the expert knows no way."""


class MomentStore:
    """Shards of consecutive seeds under a cache folder: pictures at the model's size as an array, what is known of them beside it."""

    def __init__(self, episodes: Path, cache: Path):
        """episodes: what `molmo-motion episodes --moments --out` writes, also while it writes; it may be missing where the cache is whole."""
        self.episodes, self.cache = episodes, cache
        cache.mkdir(parents=True, exist_ok=True)

    def shards(self) -> list[int]:
        """Numbers of the shards that are there, or could be made of episodes that are done."""
        seeds = {int(folder.name.removeprefix("house_")) for folder in self.episodes.glob("house_*") if (folder / "moments.json").exists()}
        whole = {seed // SHARD for seed in seeds if seed % SHARD == 0 and all(seed + i in seeds for i in range(SHARD))}
        return sorted(whole | {int(file.stem.removeprefix("pictures-")) for file in self.cache.glob("pictures-*.npy")})

    def load(self, shard: int) -> tuple[list[Moment], np.ndarray]:
        """Moments, and their pictures uint8 [n, cameras, height, width, 3]. Makes the shard where it is missing."""
        file = self.cache / f"pictures-{shard}.npy"
        if not file.exists():
            self._write(shard, file)
        moments = pickle.loads((self.cache / f"moments-{shard}.pickle").read_bytes())
        return moments, np.load(file, mmap_mode="r" if moments else None)

    def _write(self, shard: int, file: Path) -> None:
        moments: list[Moment] = []
        strips = []
        for seed in range(shard * SHARD, (shard + 1) * SHARD):
            folder = self.episodes / f"house_{seed}"
            data = json.loads((folder / "moments.json").read_text())
            if data["failure"] is not None:
                continue
            scene = _scene(data)
            released = False
            for moment in data["moments"]:
                released |= moment["phase"] in ("retreat",) or (moment["phase"] == "place" and not moment["isHeld"])
                moments.append(Moment(
                    scene, moment["phase"], moment["isHeld"], released, np.array(moment["state"], np.float32),
                    np.array(moment["objects"], np.float32), np.array(moment["cameras"], np.float32),
                    [None if commands is None else np.array(commands, np.float32) for commands in moment["next"]]))
            strips.append(np.stack([_strip(folder / f"{camera['name']}.png", len(data["moments"])) for camera in data["cameras"]], 1))
        none = np.zeros((0, 2, *PICTURE, 3), np.uint8)
        new = self.cache / f"new-{shard}.npy"
        np.save(new, np.concatenate([none, *strips]))
        (self.cache / f"moments-{shard}.pickle").write_bytes(pickle.dumps(moments))
        new.rename(file)


def is_validation(moment: Moment) -> bool:
    return moment.scene.seed % VALIDATION == 0


def _scene(data: dict) -> Scene:
    objects, receptacles, cameras = data["objects"], data["receptacles"], data["cameras"]
    return Scene(
        data["seed"], data["templates"], [o["label"] for o in objects], np.array([o["halfSize"] for o in objects], np.float32),
        [o["geometry"] for o in objects], np.array([o["isHeldOut"] for o in objects]), int(data["task"]["object"].split("_")[1]),
        [r["label"] for r in receptacles], np.array([[*r["position"], r["radius"], r["height"]] for r in receptacles], np.float32),
        np.array([c["focal"] for c in cameras], np.float32), (cameras[0]["width"], cameras[0]["height"]))


def _strip(file: Path, count: int) -> np.ndarray:
    """[count, height, width, 3] at the model's size."""
    whole = np.array(Image.open(file).convert("RGB"))
    pictures = torch.from_numpy(whole.reshape(count, -1, whole.shape[1], 3)).permute(0, 3, 1, 2).float()
    # Many times as fast as pixels.resized, and now and then one level off.
    small = F.interpolate(pictures, PICTURE, mode="bilinear", align_corners=False)
    return small.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """Matrix of w, x, y, z."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])


def in_camera(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Points [n, 3] of the base in the optical frame of a camera [7]."""
    return (points - camera[:3]) @ rotation(camera[3:])

"""The stages of training, in the published order: pointing, words by pointing, MolmoMotion, the ActionExpert."""

from dataclasses import dataclass, field
from typing import Callable

import torch
from torch import Tensor

from .model import Prefix
from .nano import Nano, future_of, history_of
from .pool import Pool, TextBatch
from .words import Words

Figures = dict[str, Tensor]
SHOWN = 256
"""Moments that a validation looks at."""


class World:
    """What the stages ask questions with."""

    def __init__(self, words: Words, device: torch.device, scale: int):
        """scale: moments in a batch, as a multiple of 8."""
        self.scale = scale
        self.prefixes: dict[str, Prefix] = {
            "forecast": words.frames_prefix().to(device), "told": words.frames_prefix().to(device),
            "pointed": words.image_prefix().to(device), "chunk": words.images_prefix(2).to(device),
        }


Draw = torch.Generator
Loss = Callable[[Nano, World, Pool, Draw], tuple[Tensor, Figures]]
Validation = Callable[[Nano, World, Pool, Draw], Figures]


@dataclass
class Stage:
    name: str
    steps: int
    loss: Loss
    validate: Validation
    rate: float
    """Of the optimiser, for what the stage is about."""
    slower: dict[str, float] = field(default_factory=dict)
    """Shares of it for parameters whose names begin so; 0 leaves them as they are."""


def varied(pictures: Tensor) -> Tensor:
    """uint8 [n, ..., 3] in another light and with noise: exposure by 12 %, each colour by 4 %, noise of 3 levels. Colours keep their names."""
    each = (len(pictures), *[1] * (pictures.dim() - 2), 3)
    gain = 1 + 0.12 * (2 * torch.rand((*each[:-1], 1), device=pictures.device) - 1) + 0.04 * (2 * torch.rand(each, device=pictures.device) - 1)
    changed = pictures.float() * gain + 3 * torch.randn(pictures.shape, device=pictures.device)
    return changed.round().clamp(0, 255).byte()


def features_of(nano: Nano, batch: TextBatch) -> Tensor:
    """[n, cameras, cells, width]."""
    pictures = varied(batch.pictures) if nano.training else batch.pictures
    return nano.features(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])


def vision_loss(nano: Nano, world: World, pool: Pool, random: Draw) -> tuple[Tensor, Figures]:
    batch = pool.all_pictures(pool.draw(2 * world.scale * 8, random))
    batch.pictures = varied(batch.pictures)
    return nano.pointing(batch)


@torch.no_grad()
def vision_figures(nano: Nano, world: World, pool: Pool, random: Draw) -> Figures:
    result: Figures = {}
    for camera, name in enumerate(("exo", "wrist")):
        loss, figures = nano.pointing(pool.pictures(pool.draw(SHOWN, random), camera))
        result |= {f"{name}_loss": loss} | {f"{name}_{key}": value for key, value in figures.items()}
    return result


def words_loss(nano: Nano, world: World, pool: Pool, random: Draw) -> tuple[Tensor, Figures]:
    kind = "chunk" if torch.rand((), generator=random, device=pool.device) < 0.4 else "forecast"
    return _words(nano, world, pool, kind, 8 * world.scale, random)


def _words(nano: Nano, world: World, pool: Pool, kind: str, count: int, random: Draw) -> tuple[Tensor, Figures]:
    cameras = 2 if kind == "chunk" else 1
    moments = pool.draw(count, random, kind == "chunk")
    batch = pool.texts(kind, moments, 3, cameras, random)
    features = features_of(nano, batch)
    _, text = nano.read(world.prefixes[kind], features, batch)
    naming, figures = nano.naming(world.prefixes[kind], text, batch)
    pointing, more = nano.readouts.cells_loss(features.flatten(0, 1), pool.all_pictures(moments) if cameras == 2 else pool.pictures(moments, 0))
    return naming + pointing, figures | more


@torch.no_grad()
def words_figures(nano: Nano, world: World, pool: Pool, random: Draw) -> Figures:
    result: Figures = {}
    for kind in ("forecast", "chunk"):
        loss, figures = _words(nano, world, pool, kind, SHOWN, random)
        result |= {f"{kind}_loss": loss} | {f"{kind}_{key}": value for key, value in figures.items()}
    return result


def motion_loss(nano: Nano, world: World, pool: Pool, random: Draw) -> tuple[Tensor, Figures]:
    """MolmoMotion both ways at once, flow matching and in words, with the pointing of the stages before; a step in ten asks the second camera too."""
    moments = pool.draw(8 * world.scale, random)
    batch = pool.texts("forecast", moments, 2, 1, random)
    prefix = world.prefixes["forecast"]
    features = features_of(nano, batch)
    before, text = nano.read(prefix, features, batch)
    flow = nano.flow_loss(before, text, batch, 2)
    naming, figures = nano.naming(prefix, text, batch)
    pointing, more = nano.readouts.cells_loss(features.flatten(0, 1), pool.pictures(moments, 0))
    total = flow + 0.3 * naming + 0.3 * pointing
    for kind, share in (("told", world.scale), ("pointed", 2 * world.scale)):
        asked = pool.texts(kind, pool.draw(share, random), 1, 1, random)
        _, answered = nano.read(world.prefixes[kind], features_of(nano, asked), asked)
        telling, told = nano.telling(answered, asked)
        total = total + 0.1 * telling
        more |= {f"{kind}_loss": telling, f"{kind}_foretold": told["foretold"]}
    if torch.rand((), generator=random, device=pool.device) < 0.1:
        total = total + _words(nano, world, pool, "chunk", 4 * world.scale, random)[0]
    return total, {"flow": flow} | figures | more


@torch.no_grad()
def motion_figures(nano: Nano, world: World, pool: Pool, random: Draw) -> Figures:
    """Of forecasts: distances in centimetres, over all steps and at the last; and of standing still, which is what there is to beat."""
    batch = pool.texts("forecast", pool.draw(SHOWN, random), 2, 1, random)
    prefix = world.prefixes["forecast"]
    before, text = nano.read(prefix, features_of(nano, batch), batch)
    truth = future_of(batch)
    away = 100 * (nano.forecast(before, text, batch) - truth).norm(dim=-1)
    still = 100 * (history_of(batch) - truth).norm(dim=-1)
    _, naming = nano.naming(prefix, text, batch)
    result = {
        "ade_cm": away.mean(), "fde_cm": away[..., -1].mean(), "fde_median_cm": away[..., -1].median(),
        "still_ade_cm": still.mean(), "still_fde_cm": still[..., -1].mean(), "flow": nano.flow_loss(before, text, batch, 4),
    } | naming
    for kind, count in (("told", 64), ("pointed", SHOWN)):
        asked = pool.texts(kind, pool.draw(count, random), 1, 1, random)
        _, answered = nano.read(world.prefixes[kind], features_of(nano, asked), asked)
        loss, told = nano.telling(answered, asked)
        result |= {f"{kind}_loss": loss, f"{kind}_foretold": told["foretold"]}
    return result


def policy_loss(with_pointing: bool) -> Loss:
    def loss(nano: Nano, world: World, pool: Pool, random: Draw) -> tuple[Tensor, Figures]:
        moments = pool.draw(8 * world.scale, random, True)
        batch = pool.texts("chunk", moments, 2, 2, random)
        prefix = world.prefixes["chunk"]
        features = features_of(nano, batch)
        before, text = nano.read(prefix, features, batch)
        flow = nano.policy_loss(before, text, batch, 4)
        if not with_pointing:
            return flow, {"flow": flow}
        naming, figures = nano.naming(prefix, text, batch)
        pointing, more = nano.readouts.cells_loss(features.flatten(0, 1), pool.all_pictures(moments))
        return flow + 0.3 * naming + 0.3 * pointing, {"flow": flow} | figures | more

    return loss


@torch.no_grad()
def policy_figures(nano: Nano, world: World, pool: Pool, random: Draw) -> Figures:
    batch = pool.texts("chunk", pool.draw(SHOWN, random, True), 2, 2, random)
    prefix = world.prefixes["chunk"]
    before, text = nano.read(prefix, features_of(nano, batch), batch)
    actions, truth = nano.act(before, text, batch), batch.answers["actions"]
    joints = (actions - truth)[..., :7].abs()
    _, naming = nano.naming(prefix, text, batch)
    return {
        "first8_rad": joints[:, :8].mean(), "all16_rad": joints.mean(),
        "gripper_right": ((actions[..., 7] > 128) == (truth[..., 7] > 128)).float().mean(),
        "flow": nano.policy_loss(before, text, batch, 4),
    } | naming


def stages(plan: str) -> list[Stage]:
    """`full` in the published order; `scratch`: the policy alone from random weights, without any pointing; the control."""
    policy = Stage("policy", 40_000, policy_loss(plan == "full"), policy_figures, 7e-4,
                   {"molmo.trajectory_expert": 0.0, "molmo.vision_backbone": 0.7} if plan == "full" else {"molmo.trajectory_expert": 0.0, "readouts": 0.0})
    if plan == "scratch":
        return [policy]
    experts = {"molmo.trajectory_expert": 0.0, "molmo.action_expert": 0.0}
    return [
        Stage("vision", 1_200, vision_loss, vision_figures, 1e-3, experts | {"molmo.transformer": 0.0}),
        Stage("words", 1_000, words_loss, words_figures, 1e-3, experts | {"molmo.vision_backbone": 0.7}),
        Stage("motion", 20_000, motion_loss, motion_figures, 7e-4, {"molmo.action_expert": 0.0, "molmo.vision_backbone": 0.7}),
        policy,
    ]

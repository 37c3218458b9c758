"""Heads that exist in training alone: they ask what the networks know, and are never exported."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import WIDTH
from .labels import COLOURS, KINDS, OBJECT_KINDS, UNKNOWN
from .pool import PictureBatch


class CellReadout(nn.Module):
    """Of image features: which kind of thing a cell shows, its colour, and where its middle is."""

    def __init__(self, kinds: int):
        super().__init__()
        self.kinds = kinds
        self.linear = nn.Linear(WIDTH, kinds + 1 + len(COLOURS) + 3)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.linear(features).split([self.kinds + 1, len(COLOURS), 3], -1)


class Readouts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.objects = CellReadout(OBJECT_KINDS)
        self.receptacles = CellReadout(len(KINDS) - OBJECT_KINDS)
        self.named = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 3))
        """Of the state of a word: where what it names is."""

    def cells_loss(self, features: Tensor, truth: PictureBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """features [n, cells, width] of the batch's pictures."""
        features = self.norm(features)
        total, figures = features.new_zeros(()), {}
        for i, (name, readout) in enumerate((("object", self.objects), ("receptacle", self.receptacles))):
            kind, colour, place = (part.float() for part in readout(features))
            true_kind, true_colour, true_place = truth.kind[:, i], truth.colour[:, i], truth.place[:, i]
            is_thing = true_kind > 0
            total = total + F.cross_entropy(kind.flatten(0, 1), true_kind.flatten(), ignore_index=UNKNOWN)
            total = total + 0.3 * F.cross_entropy(kind[is_thing], true_kind[is_thing])
            total = total + 0.3 * F.cross_entropy(colour[is_thing], true_colour[is_thing])
            total = total + F.smooth_l1_loss(place[is_thing], true_place[is_thing], beta=0.1)
            with torch.no_grad():
                figures[f"{name}_kind"] = (kind[is_thing].argmax(-1) == true_kind[is_thing]).float().mean()
                figures[f"{name}_colour"] = (colour[is_thing].argmax(-1) == true_colour[is_thing]).float().mean()
                figures[f"{name}_off"] = (place[is_thing] - true_place[is_thing]).norm(dim=-1).median()
        return total, figures

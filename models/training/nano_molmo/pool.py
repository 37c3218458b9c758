"""All moments of a run on one device, and batches drawn from them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Columns = dict[str, Tensor]
ROUND = 16
"""Lengths of batches of texts are multiples of it."""


@dataclass
class PictureBatch:
    pictures: Tensor
    """uint8 [n, height, width, 3]."""
    kind: Tensor
    colour: Tensor
    """int64 [n, 2, cells]: for objects and for receptacles."""
    place: Tensor
    """[n, 2, cells, 3]."""


@dataclass
class TextBatch:
    """`per` texts behind each of n inputs of one or two pictures; text i belongs to input i // per."""

    pictures: Tensor
    """uint8 [n, cameras, height, width, 3]."""
    per: int
    ids: Tensor
    """int64 [n per, longest]."""
    real: Tensor
    """bool [n per, longest]: what is not padding."""
    answers: Columns
    """What else belongs to each text, by name; first axis n per."""

    @property
    def words(self) -> Tensor:
        """int64 [n per, 2]: tokens that end the words for the object and for the receptacle."""
        return self.answers["words"].long()


class Pool:
    """Grows by doubling, so that moments that are made while training runs can join."""

    def __init__(self, device: torch.device):
        self.device = device
        self.count = 0
        self._columns: Columns = {}
        self._with_chunk = torch.zeros(0, dtype=torch.int64, device=device)

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """columns: `pictures` uint8 [m, cameras, height, width, 3] and what rows.rows_of gives."""
        added = len(columns["pictures"])
        for name, values in columns.items():
            old = self._columns.get(name)
            if old is None or len(old) < self.count + added:
                room = max(2 * self.count, self.count + added)
                new = torch.empty((room, *values.shape[1:]), dtype=torch.from_numpy(np.empty(0, values.dtype)).dtype, device=self.device)
                if old is not None:
                    new[: self.count] = old[: self.count]
                self._columns[name] = new
            self._columns[name][self.count : self.count + added] = torch.from_numpy(np.ascontiguousarray(values)).to(self.device)
        self.count += added
        self._with_chunk = self._columns["chunk_is_known"][: self.count].nonzero().flatten()

    def draw(self, count: int, random: torch.Generator, with_chunk: bool = False) -> Tensor:
        """Moments [count]; with_chunk: only those at which a policy could be asked."""
        among = len(self._with_chunk) if with_chunk else self.count
        picked = torch.randint(among, (count,), generator=random, device=self.device)
        return self._with_chunk[picked] if with_chunk else picked

    def all_pictures(self, moments: Tensor) -> PictureBatch:
        """Of both cameras: the first camera's picture of a moment, then the second's."""
        part = {name: self._columns[name][moments].flatten(0, 1) for name in ("pictures", "cell_kind", "cell_colour", "cell_place")}
        return PictureBatch(part["pictures"], part["cell_kind"].long(), part["cell_colour"].long(), part["cell_place"])

    def pictures(self, moments: Tensor, camera: int) -> PictureBatch:
        part = {name: self._columns[name][moments, camera] for name in ("pictures", "cell_kind", "cell_colour", "cell_place")}
        return PictureBatch(part["pictures"], part["cell_kind"].long(), part["cell_colour"].long(), part["cell_place"])

    def texts(self, kind: str, moments: Tensor, per: int, cameras: int, random: torch.Generator) -> TextBatch:
        """kind: forecast, told, chunk or pointed; `per` of a moment's texts that are different ones."""
        choices = self._columns[f"{kind}_ids"].shape[1]
        first = torch.randint(choices, (len(moments), 1), generator=random, device=self.device)
        which = ((first + torch.arange(per, device=self.device)) % choices).flatten()
        rows = moments.repeat_interleave(per)
        start = f"{kind}_"
        answers = {name.removeprefix(start): column[rows, which] for name, column in self._columns.items()
                   if name.startswith(start) and name != f"{kind}_is_known"}
        if kind == "chunk":
            answers["state"] = self._columns["state"][rows]
        length = answers.pop("length").long()
        # Lengths that come again let an accelerator reuse what it prepared for them.
        longest = min(-(-int(length.max()) // ROUND) * ROUND, answers["ids"].shape[1])
        ids = answers.pop("ids")[:, :longest].long()
        real = torch.arange(longest, device=self.device) < length.unsqueeze(1)
        return TextBatch(self._columns["pictures"][moments, :cameras], per, ids, real, answers)

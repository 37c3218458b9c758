"""Molmo2 with an optional expert, under the names that its published checkpoints have."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .experts import ActionExpert, TrajectoryExpert
from .language import Read, Seen, Transformer
from .vision import VisionBackbone


@dataclass
class Prefix:
    """The vision part of a sequence: BOS, labels, image tokens. The same for all inputs of a kind."""

    ids: Tensor
    """[length] int64."""
    is_image: Tensor
    """[length]: of the set of tokens that may look at one another in both directions."""
    patch: int
    """Id of the token that features are added to."""

    def to(self, device: torch.device) -> "Prefix":
        return Prefix(self.ids.to(device), self.is_image.to(device), self.patch)

    def mask(self, bidirectional: bool) -> Tensor:
        """[length, length], true: may be looked at."""
        causal = torch.ones(len(self.ids), len(self.ids), dtype=torch.bool, device=self.ids.device).tril()
        return causal | (self.is_image.unsqueeze(0) & self.is_image.unsqueeze(1)) if bidirectional else causal


class Molmo(nn.Module):
    def __init__(self, config: dict):
        """config: what stands under `model:` in a native config.yaml."""
        super().__init__()
        self.config = config
        self.bidirectional = config["bi_directional_attn"] == "image_tokens"
        self.transformer = Transformer(config["llm"])
        self.vision_backbone = VisionBackbone(config)
        if config.get("action_expert"):
            self.action_expert = ActionExpert(config)
        if config.get("trajectory_expert"):
            self.trajectory_expert = TrajectoryExpert(config)

    def read_prefix(self, prefix: Prefix, features: Tensor) -> Read:
        """features [n, image tokens, width], in the order of their tokens."""
        x = self.transformer.wte(prefix.ids).expand(len(features), -1, -1).clone()
        x[:, prefix.ids == prefix.patch] += features
        return self.transformer.read(x, prefix.mask(self.bidirectional))

    def read_text(self, ids: Tensor, before: Read) -> Read:
        """ids [n, length] behind prefixes (padding at the end; nothing before it sees it)."""
        length, past = ids.shape[1], before.states[0].shape[1]
        mask = torch.ones(length, past + length, dtype=torch.bool, device=ids.device).tril(past)
        return self.transformer.read(self.transformer.wte(ids), mask, before.seen)


def whole_states(before: Read, text: Read) -> list[Tensor]:
    return [torch.cat(pair, 1) for pair in zip(before.states, text.states)]


def repeat(read: Read, times: int) -> Read:
    """Each input so many times in a row, for as many texts behind it."""
    def each(x: Tensor) -> Tensor:
        return x.repeat_interleave(times, 0)

    return Read([each(x) for x in read.states], [Seen(each(s.keys), each(s.values)) for s in read.seen], [])

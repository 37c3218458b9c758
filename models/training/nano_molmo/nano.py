"""The nano network with both experts and the heads of training, and what the stages compute with it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import architecture
from .architecture import CHUNK, PATCH, POINTS
from .labels import PLACE_UNIT_M
from .language import Read
from .model import Molmo, Prefix, repeat, whole_states
from .pool import PictureBatch, TextBatch
from .readouts import Readouts
from .vision import patchify

POINTING_LAYER = 1
"""Decoder block in which a word looks at what it names."""
POINTING_HEADS = (0, 1)
"""They share their keys."""


class Nano(nn.Module):
    def __init__(self, statistics: dict, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        policy, flow = architecture.policy_config(statistics), architecture.flow_config()
        self.molmo = Molmo({**policy, "trajectory_expert": flow["trajectory_expert"]})
        self.readouts = Readouts()
        initialise(self.molmo)
        table = statistics["action"], statistics["observation.state"]
        for name, part in zip(("action", "state"), table):
            self.register_buffer(f"{name}_low", torch.tensor(part["q01"]), persistent=False)
            self.register_buffer(f"{name}_high", torch.tensor(part["q99"]), persistent=False)

    def normalised(self, values: Tensor, what: str) -> Tensor:
        low, high = getattr(self, f"{what}_low"), getattr(self, f"{what}_high")
        return 2 * (values - low) / (high - low).clamp(min=1e-6) - 1

    def denormalised(self, values: Tensor, what: str) -> Tensor:
        low, high = getattr(self, f"{what}_low"), getattr(self, f"{what}_high")
        return (values + 1) * (high - low) / 2 + low

    def features(self, pictures: Tensor) -> Tensor:
        """uint8 [n, height, width, 3] -> [n, cells, width]."""
        return self.molmo.vision_backbone.features(patchify(pictures, PATCH))

    def pointing(self, batch: PictureBatch) -> tuple[Tensor, dict[str, Tensor]]:
        return self.readouts.cells_loss(self.features(batch.pictures), batch)

    def read(self, prefix: Prefix, features: Tensor, batch: TextBatch) -> tuple[Read, Read]:
        """features [n, cameras, cells, width] -> what was read of the pictures and of the texts, both one for each text."""
        before = repeat(self.molmo.read_prefix(prefix, features.flatten(1, 2)), batch.per)
        return before, self.molmo.read_text(batch.ids, before)

    def naming(self, prefix: Prefix, text: Read, batch: TextBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Words look at what they name, and know where it is."""
        rows = torch.arange(len(batch.ids), device=batch.ids.device).unsqueeze(1)
        past = len(prefix.ids)
        queries = text.queries[POINTING_LAYER].transpose(1, 2)[rows, batch.words][:, :, list(POINTING_HEADS)]
        keys = text.seen[POINTING_LAYER].keys[:, 0]
        scores = torch.einsum("nwhd,nkd->nwhk", queries.float(), keys.float()) / queries.shape[-1] ** 0.5
        later = torch.arange(keys.shape[1], device=keys.device) > past + batch.words.unsqueeze(-1)
        scores = scores.masked_fill(later.unsqueeze(2), -1e9)
        cells = batch.answers["cells"]
        first = (prefix.ids == prefix.patch).nonzero().flatten()[: cells.shape[-1]]
        shown = scores[..., first]
        on_target = torch.logsumexp(shown.masked_fill(~cells.unsqueeze(2), -1e9), -1) - torch.logsumexp(scores, -1)
        is_seen = cells.any(-1)
        looking = -(on_target.mean(-1) * is_seen).sum() / is_seen.sum().clamp(min=1)
        places = self.readouts.named(text.states[-1][rows, batch.words]).float()
        knowing = F.smooth_l1_loss(places, batch.answers["place"], beta=0.1)
        with torch.no_grad():
            chosen = shown.mean(2).argmax(-1, keepdim=True)
            hit = cells.gather(-1, chosen).squeeze(-1)
            away = (places - batch.answers["place"]).norm(dim=-1) * PLACE_UNIT_M
            figures = {}
            for i, name in enumerate(("object", "receptacle")):
                figures[f"{name}_chosen"] = hit[:, i][is_seen[:, i]].float().mean()
                figures[f"{name}_away_cm"] = 100 * away[:, i].median()
        return looking + 2 * knowing, figures

    def telling(self, text: Read, batch: TextBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the answer that follows a question in the same text, and the share of its tokens that are foretold."""
        logits = self.molmo.transformer.logits(text.states[-1][:, :-1])
        position = torch.arange(logits.shape[1], device=logits.device)
        is_answer = batch.real[:, 1:] & (position >= batch.answers["start"].long().unsqueeze(1) - 1)
        wanted = batch.ids[:, 1:].masked_fill(~is_answer, -100)
        loss = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=-100)
        return loss, {"foretold": ((logits.argmax(-1) == wanted) & is_answer).sum() / is_answer.sum()}

    def flow_loss(self, before: Read, text: Read, batch: TextBatch, draws: int) -> Tensor:
        expert = self.molmo.trajectory_expert
        contexts, mask = self.contexts(expert.contexts, before, text, batch, draws, None)
        history = (history_of(batch) * expert.units).repeat_interleave(draws, 0)
        future = (future_of(batch) * expert.units).repeat_interleave(draws, 0)
        noise = torch.randn_like(future)
        t = torch.rand(len(future), device=future.device)
        mixed = noise + t.view(-1, 1, 1, 1) * (future - noise)
        return (expert(history, mixed, t, contexts, mask) - (future - noise)).square().mean()

    def contexts(self, make, before: Read, text: Read, batch: TextBatch, draws: int, robot: Tensor | None):
        """Keys and values of the expert's blocks for each draw, and which tokens are real."""
        past = before.states[0].shape[1]
        states = whole_states(before, text)
        pairs = make(states) if robot is None else make(states, robot)
        real = F.pad(batch.real, (past, 0 if robot is None else 1), value=True)
        mask = real[:, None, None, :].repeat_interleave(draws, 0)
        return [(k.repeat_interleave(draws, 0), v.repeat_interleave(draws, 0)) for k, v in pairs], mask

    def policy_loss(self, before: Read, text: Read, batch: TextBatch, draws: int) -> Tensor:
        expert = self.molmo.action_expert
        robot = self.normalised(batch.answers["state"], "state")
        contexts, mask = self.contexts(expert.contexts, before, text, batch, draws, robot)
        actions = self.normalised(batch.answers["actions"], "action").repeat_interleave(draws, 0)
        noise = torch.randn_like(actions)
        # The published schedule, 0.999 times a draw of Beta(1, 1.5), by the inverse of its distribution.
        t = 0.999 * (1 - torch.rand(len(actions), device=actions.device) ** (1 / 1.5))
        mixed = noise + t.view(-1, 1, 1) * (actions - noise)
        return (expert(mixed, t, contexts, mask) - (actions - noise)).square().mean()

    @torch.no_grad()
    def forecast(self, before: Read, text: Read, batch: TextBatch) -> Tensor:
        """[n, points, steps, 3] metres from the anchor, by ten Euler steps."""
        expert = self.molmo.trajectory_expert
        contexts, mask = self.contexts(expert.contexts, before, text, batch, 1, None)
        x = torch.randn(len(batch.ids), POINTS, architecture.HORIZON, 3, device=batch.ids.device)
        for step in range(10):
            x = x + 0.1 * expert(history_of(batch) * expert.units, x, x.new_full((len(x),), step / 10), contexts, mask)
        return x / expert.units

    @torch.no_grad()
    def act(self, before: Read, text: Read, batch: TextBatch) -> Tensor:
        """[n, steps, 8], by ten Euler steps."""
        expert = self.molmo.action_expert
        robot = self.normalised(batch.answers["state"], "state")
        contexts, mask = self.contexts(expert.contexts, before, text, batch, 1, robot)
        x = torch.randn(len(batch.ids), CHUNK, 8, device=batch.ids.device)
        for step in range(10):
            x = x + 0.1 * expert(x, x.new_full((len(x),), step / 10), contexts, mask)
        return self.denormalised(x, "action")


def history_of(batch: TextBatch) -> Tensor:
    """[n, points, 1, 3] metres from the anchor."""
    return batch.answers["history"].unsqueeze(2)


def future_of(batch: TextBatch) -> Tensor:
    """[n, points, steps, 3] metres from the anchor: what is forecast is the way of a rigid thing that does not turn."""
    return history_of(batch) + batch.answers["moves"].unsqueeze(1)


def initialise(molmo: Molmo) -> None:
    """Small normal weights; what ends a residual branch is smaller, and gates of modulated blocks begin closed."""
    depth = 2 * architecture.LAYERS
    for name, parameter in molmo.named_parameters():
        if parameter.dim() < 2:
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            continue
        if "modulation" in name or "adaLN" in name or name.endswith(("final_layer.linear.weight", "coordinate_decoder.2.weight")):
            nn.init.zeros_(parameter)
        elif name.endswith(("embedding", "embed")):
            nn.init.normal_(parameter, std=0.02 if "vision" in name else 0.1)
        else:
            fan = parameter.shape[-1]
            ends = name.endswith(("attn_out.weight", "ff_out.weight", "wo.weight", "feed_forward.w2.weight", "proj.weight", "fc2.weight"))
            inner = name.endswith(("q_proj.weight", "kv_proj.weight", "context_proj.weight"))
            nn.init.normal_(parameter, std=fan**-0.5 / (depth**0.5 if ends and not inner else 1))

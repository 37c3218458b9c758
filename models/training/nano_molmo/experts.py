"""The two experts that flow from noise to an answer while they look at the states of the language model: actions, and trajectories of points."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm without scale and shift."""
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def sinusoid(t: Tensor, width: int) -> Tensor:
    half = width // 2
    angles = t.unsqueeze(-1) * torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / (half - 1))
    return torch.cat([angles.sin(), angles.cos()], -1)


class ExpertAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.kv_proj = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

    def keys_values(self, memory: Tensor, rotation: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        k, v = (self.split(part) for part in self.kv_proj(memory).chunk(2, -1))
        return (turn(k, rotation) if rotation else k), v

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, rotation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        q = self.split(self.q_proj(x))
        mixed = F.scaled_dot_product_attention(turn(q, rotation) if rotation else q, k, v, attn_mask=mask)
        return self.proj(mixed.transpose(-3, -2).flatten(-2))


def turn(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Half-split rotation by the angles whose cosines and sines these are."""
    cos, sin = rotation
    low, high = x.chunk(2, -1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class ExpertBlock(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, modulated: bool):
        super().__init__()
        self.attn1 = ExpertAttention(width, heads)
        self.attn2 = ExpertAttention(width, heads)
        self.mlp = Mlp(width, inner)
        if modulated:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 9 * width))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.unsqueeze(-2)) + shift.unsqueeze(-2)


class FinalLayer(nn.Module):
    def __init__(self, width: int, out: int):
        super().__init__()
        self.linear = nn.Linear(width, out)
        self.adaLN = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))


def time_embedding(time_width: int, width: int) -> nn.Sequential:
    # Index 0 stands for the sinusoid, which has no weights.
    return nn.Sequential(nn.Identity(), nn.Linear(time_width, width), nn.SiLU(), nn.Linear(width, width))


class ActionExpert(nn.Module):
    """MolmoBot's: a chunk of actions, modulated by the time of the flow, one block for each layer of the language model."""

    def __init__(self, config: dict):
        super().__init__()
        expert = config["action_expert"]
        self.width, self.time_width = expert["hidden_size"], expert["timestep_embed_dim"]
        heads, actions = expert["num_heads"], config["action_dim"]
        self.action_embed = nn.Linear(actions, self.width)
        self.action_pos_embed = nn.Parameter(torch.zeros(1, expert["max_horizon"], self.width))
        self.time_embed = time_embedding(self.time_width, self.width)
        self.context_proj = nn.Linear(config["llm"]["d_model"], self.width, bias=False)
        self.state_encoder = nn.Linear(self.width, self.width)
        self.blocks = nn.ModuleList(
            ExpertBlock(self.width, heads, int(self.width * expert["mlp_ratio"]), True) for _ in range(expert["num_layers"]))
        self.final_layer = FinalLayer(self.width, actions)

    def contexts(self, states: list[Tensor], robot: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each block. states [n, length, llm width] of each layer, robot [n, values] normalised."""
        token = norm(self.state_encoder(F.pad(robot, (0, self.width - robot.shape[-1])))).unsqueeze(1)
        return [block.attn2.keys_values(torch.cat([norm(self.context_proj(state), 1e-5), token], 1))
                for block, state in zip(self.blocks, states)]

    def forward(self, actions: Tensor, t: Tensor, contexts: list[tuple[Tensor, Tensor]], mask: Tensor | None) -> Tensor:
        """actions [n, steps, values], t [n], mask [n, 1, 1, length + 1] or None -> velocity."""
        x = self.action_embed(actions) + self.action_pos_embed[:, : actions.shape[1]]
        c = self.time_embed(sinusoid(t, self.time_width))
        for block, (keys, values) in zip(self.blocks, contexts):
            (shift1, scale1, gate1, shift2, scale2, gate2, shift3, scale3, gate3) = block.adaLN_modulation(c).chunk(9, -1)
            own = modulate(norm(x), shift1, scale1)
            x = x + gate1.unsqueeze(1) * block.attn1(own, *block.attn1.keys_values(own))
            x = x + gate2.unsqueeze(1) * block.attn2(modulate(norm(x), shift2, scale2), keys, values, mask)
            x = x + gate3.unsqueeze(1) * block.mlp(modulate(norm(x), shift3, scale3))
        shift, scale = self.final_layer.adaLN(c).chunk(2, -1)
        return self.final_layer.linear(modulate(norm(x), shift, scale))


class TrajectoryExpert(nn.Module):
    """The flow-matching forecaster of the MolmoMotion paper, in the layout of models/README.md."""

    def __init__(self, config: dict):
        super().__init__()
        expert = config["trajectory_expert"]
        self.expert, self.width, self.time_width = expert, expert["hidden_size"], expert["timestep_embed_dim"]
        heads = expert["num_heads"]
        self.units = expert["units_per_metre"]
        self.coordinate_encoder = nn.Sequential(nn.Linear(3, self.width), nn.SiLU(), nn.Linear(self.width, self.width))
        self.role_embed = nn.Parameter(torch.zeros(2, self.width))
        self.time_embed = time_embedding(self.time_width, self.width)
        self.context_proj = nn.Linear(config["llm"]["d_model"], self.width, bias=False)
        self.blocks = nn.ModuleList(
            ExpertBlock(self.width, heads, int(self.width * expert["mlp_ratio"]), False) for _ in range(expert["num_layers"]))
        self.coordinate_decoder = nn.Sequential(nn.Linear(self.width, self.width), nn.SiLU(), nn.Linear(self.width, 3))
        self.register_buffer("angles", self._angles(), persistent=False)

    def _angles(self) -> Tensor:
        """[points * frames, head size / 2]: the first half of the pairs turns with the point's number, the second with the frame's."""
        expert = self.expert
        quarter = self.width // expert["num_heads"] // 4
        frames = expert["history_size"] + expert["horizon"]
        steps = torch.arange(quarter, dtype=torch.float64) / quarter
        point = torch.arange(expert["num_points"]).unsqueeze(1) * expert["point_rope_theta"] ** -steps
        frame = torch.arange(frames).unsqueeze(1) * expert["frame_rope_theta"] ** -steps
        both = torch.cat([point.unsqueeze(1).expand(-1, frames, -1), frame.unsqueeze(0).expand(len(point), -1, -1)], -1)
        return both.flatten(0, 1).float()

    def contexts(self, states: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        project = (lambda x: norm(self.context_proj(x), 1e-5)) if self.expert["context_layer_norm"] else self.context_proj
        return [block.attn2.keys_values(project(state)) for block, state in zip(self.blocks, states)]

    def forward(self, history: Tensor, future: Tensor, t: Tensor, contexts: list[tuple[Tensor, Tensor]], mask: Tensor | None) -> Tensor:
        """history [n, points, H, 3], future [n, points, T, 3], both in the network's units, t [n] -> velocity of the future."""
        n, points, past, _ = history.shape
        steps = future.shape[2]
        x = self.coordinate_encoder(torch.cat([history, future], 2))
        x = x + torch.cat([self.role_embed[0].expand(past, -1), self.role_embed[1].expand(steps, -1)])
        x = x.flatten(1, 2) + self.time_embed(sinusoid(t, self.time_width)).unsqueeze(1)
        rotation = (self.angles.cos(), self.angles.sin())
        for block, (keys, values) in zip(self.blocks, contexts):
            own = norm(x)
            x = x + block.attn1(own, *block.attn1.keys_values(own, rotation), rotation=rotation)
            x = x + block.attn2(norm(x), keys, values, mask)
            x = x + block.mlp(norm(x))
        future_tokens = x.unflatten(1, (points, past + steps))[:, :, past:]
        return self.coordinate_decoder(norm(future_tokens))

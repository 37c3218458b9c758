"""The language model (Qwen3's blocks) behind a prefix of vision tokens that many texts may share."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


@dataclass
class Seen:
    """What a block has seen: keys and values [n, kv heads, length, head size]."""

    keys: Tensor
    values: Tensor


class Block(nn.Module):
    def __init__(self, llm: dict):
        super().__init__()
        width, self.heads = llm["d_model"], llm["n_heads"]
        self.kv_heads = llm["n_kv_heads"] or self.heads
        self.head_size = llm["head_dim"] or width // self.heads
        eps = llm["layer_norm_eps"] or 1e-5
        inner = llm["mlp_hidden_size"] or llm["mlp_ratio"] * width
        self.attn_norm = RmsNorm(width, eps)
        self.att_proj = nn.Linear(width, (self.heads + 2 * self.kv_heads) * self.head_size, bias=False)
        self.q_norm = RmsNorm(self.head_size, eps)
        self.k_norm = RmsNorm(self.head_size, eps)
        self.attn_out = nn.Linear(self.heads * self.head_size, width, bias=False)
        self.ff_norm = RmsNorm(width, eps)
        self.ff_proj = nn.Linear(width, inner, bias=False)
        self.ff_out = nn.Linear(inner // 2, width, bias=False)

    def project(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [n, heads, length, head size], turned to their positions."""
        sizes = [self.heads * self.head_size, self.kv_heads * self.head_size, self.kv_heads * self.head_size]
        q, k, v = (part.unflatten(-1, (-1, self.head_size)) for part in self.att_proj(self.attn_norm(x)).split(sizes, -1))
        q, k = rotate(self.q_norm(q).transpose(1, 2), *rotation), rotate(self.k_norm(k).transpose(1, 2), *rotation)
        return q, k, v.transpose(1, 2)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, before: Seen | None) -> tuple[Tensor, Seen, Tensor]:
        """x [n, length, width], mask [length, all] (true: may be looked at) -> the new x, what was seen, and the queries."""
        q, k, v = self.project(x, rotation)
        if before is not None:
            k, v = torch.cat([before.keys, k], 2), torch.cat([before.values, v], 2)
        # Repeated by hand: kernels that save memory know neither grouped queries nor a mask beside them.
        shares = self.heads // self.kv_heads
        mixed = F.scaled_dot_product_attention(q, k.repeat_interleave(shares, 1), v.repeat_interleave(shares, 1), attn_mask=mask)
        x = x + self.attn_out(mixed.transpose(1, 2).flatten(2))
        up, gate = self.ff_proj(self.ff_norm(x)).chunk(2, -1)
        return x + self.ff_out(F.silu(gate) * up), Seen(k, v), q


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat([-high, low], -1) * sin


class Embedding(nn.Module):
    def __init__(self, size: int, additional: int, width: int):
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(size, width))
        self.new_embedding = nn.Parameter(torch.zeros(additional, width))

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, torch.cat([self.embedding, self.new_embedding]))


@dataclass
class Read:
    """What became of a sequence: states after each block [n, length, width] each, and what each block has seen."""

    states: list[Tensor]
    seen: list[Seen]
    queries: list[Tensor]


class Transformer(nn.Module):
    def __init__(self, llm: dict):
        super().__init__()
        width = llm["d_model"]
        self.head_size = llm["head_dim"] or width // llm["n_heads"]
        self.theta = llm["rope_theta"]
        self.wte = Embedding(llm["embedding_size"] or llm["vocab_size"], llm["additional_vocab_size"] or 0, width)
        self.blocks = nn.ModuleList(Block(llm) for _ in range(llm["n_layers"]))
        self.ln_f = RmsNorm(width, llm["layer_norm_eps"] or 1e-5)
        if not llm["weight_tying"]:
            self.ff_out = nn.Linear(width, llm["embedding_size"] or llm["vocab_size"], bias=False)

    def rotation(self, start: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        inverse = 1.0 / self.theta ** (torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device) / self.head_size)
        angles = torch.outer(torch.arange(start, start + length, dtype=torch.float32, device=device), inverse)
        both = torch.cat([angles, angles], -1)
        return both.cos(), both.sin()

    def read(self, x: Tensor, mask: Tensor, before: list[Seen] | None = None) -> Read:
        """x [n, length, width] embedded; it follows what was seen before; mask [..., length, before + length]."""
        start = before[0].keys.shape[2] if before else 0
        rotation = self.rotation(start, x.shape[1], x.device)
        result = Read([], [], [])
        for i, block in enumerate(self.blocks):
            x, seen, queries = block(x, rotation, mask, before[i] if before else None)
            result.states.append(x)
            result.seen.append(seen)
            result.queries.append(queries)
        return result

    def logits(self, x: Tensor) -> Tensor:
        normed = self.ln_f(x)
        return self.ff_out(normed) if hasattr(self, "ff_out") else normed @ self.wte.embedding.T

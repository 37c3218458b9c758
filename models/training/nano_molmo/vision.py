"""The vision tower and the connector of Molmo2: pictures to features of the language model's width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Attention with biases everywhere, as the tower and the pooling have it; queries may come from elsewhere than keys and values."""

    def __init__(self, width: int, inner: int, heads: int, out: int):
        super().__init__()
        self.heads = heads
        self.wq = nn.Linear(width, inner)
        self.wk = nn.Linear(width, inner)
        self.wv = nn.Linear(width, inner)
        self.wo = nn.Linear(inner, out)

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """query [..., Q, width], memory [..., K, width], mask [..., Q, K] (true: may be looked at)."""
        q, k, v = (w(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
                   for w, x in ((self.wq, query), (self.wk, memory), (self.wv, memory)))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask.unsqueeze(-3))
        return self.wo(mixed.transpose(-3, -2).flatten(-2))


class FeedForward(nn.Module):
    def __init__(self, width: int, inner: int, approximate: str):
        super().__init__()
        self.w1 = nn.Linear(width, inner)
        self.w2 = nn.Linear(inner, width)
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.gelu(self.w1(x), approximate=self.approximate))


class VisionBlock(nn.Module):
    def __init__(self, vit: dict):
        super().__init__()
        width, eps = vit["image_emb_dim"], vit["image_norm_eps"]
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width, vit["image_num_heads"] * vit["image_head_dim"], vit["image_num_heads"], width)
        self.ffn_norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = FeedForward(
            width, vit["image_mlp_dim"], "none" if vit["image_mlp_activations"] == "gelu" else "tanh")

    def forward(self, x: Tensor) -> Tensor:
        normed = self.attention_norm(x)
        x = x + self.attention(normed, normed)
        return x + self.feed_forward(self.ffn_norm(x))


class VisionTransformer(nn.Module):
    """Patches [n, patches, 3 size size] in -1..1 to the states of the tapped blocks, side by side."""

    def __init__(self, vit: dict, taps: list[int]):
        super().__init__()
        width, patch = vit["image_emb_dim"], vit["image_patch_size"]
        self.taps = taps
        self.patch_embedding = nn.Linear(3 * patch * patch, width)
        self.positional_embedding = nn.Parameter(torch.zeros(vit["image_num_pos"], width))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(VisionBlock(vit) for _ in range(max(taps) + 1))

    def forward(self, patches: Tensor) -> Tensor:
        x = self.patch_embedding(patches) + self.positional_embedding
        states = []
        for block in self.transformer.resblocks:
            x = block(x)
            states.append(x)
        return torch.cat([states[tap] for tap in self.taps], -1)


class Projector(nn.Module):
    def __init__(self, width: int, inner: int, out: int):
        super().__init__()
        self.w1 = nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, out, bias=False)
        self.w3 = nn.Linear(width, inner, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class VisionBackbone(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        backbone, llm = config["vision_backbone"], config["llm"]
        vit = backbone["vit"]
        layers = vit["image_num_layers"]
        taps = [tap + layers if tap < 0 else tap for tap in backbone["vit_layers"]]
        width, heads = vit["image_emb_dim"], vit["image_num_heads"]
        self.masks_empty = backbone["pooling_attention_mask"]
        self.image_vit = VisionTransformer(vit, taps)
        self.image_pooling_2d = Attention(len(taps) * width, heads * vit["image_head_dim"], heads, width)
        self.image_projector = Projector(width, (llm["mlp_hidden_size"] or llm["mlp_ratio"] * llm["d_model"]) // 2, llm["d_model"])

    def pool(self, features: Tensor, pooling: Tensor) -> Tensor:
        """features [patches, width], pooling [tokens, window] of patch ids, -1 for an empty slot -> [tokens, vit width]."""
        filled = pooling >= 0
        gathered = features[pooling.clamp(min=0)] * filled.unsqueeze(-1)
        count = filled.sum(-1, keepdim=True).clamp(min=1) if self.masks_empty else pooling.shape[-1]
        query = (gathered.sum(-2) / count).unsqueeze(-2)
        mask = filled.unsqueeze(-2) if self.masks_empty else None
        return self.image_pooling_2d(query, gathered, mask).squeeze(-2)

    def forward(self, patches: Tensor, pooling: Tensor) -> Tensor:
        """patches [n, patches, ...] of one input; pooling over all of them -> features for its image tokens [tokens, width]."""
        return self.image_projector(self.pool(self.image_vit(patches).flatten(0, 1), pooling))

    def features(self, patches: Tensor) -> Tensor:
        """The same for windows of a single patch, all pictures at once: [n, patches, ...] -> [n, patches, width]."""
        states = self.image_vit(patches)
        pooling = self.image_pooling_2d
        # A query that sees one key takes its value, whatever it asks.
        return self.image_projector(pooling.wo(pooling.wv(states)))


def patchify(pictures: Tensor, size: int) -> Tensor:
    """uint8 [n, H, W, 3] -> float [n, patches, 3 size size] in -1..1; inside a patch row, column, channel."""
    n, height, width, _ = pictures.shape
    grid = pictures.reshape(n, height // size, size, width // size, size, 3).permute(0, 1, 3, 2, 4, 5)
    return grid.reshape(n, (height // size) * (width // size), -1).float() / 127.5 - 1

"""Pictures as the model gets them."""

import torch
from torch import Tensor


def resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """
    uint8 [n, H, W, 3] to [n, height, width, 3]: bilinear without a filter, ties to even. To the bit what torchvision's Resize does to tensors on a CPU
    with fused multiply-add, which is what the published preprocessors use: a fused step of float32 numbers is one of float64 numbers, rounded.
    """
    height, width = size
    if pictures.shape[1] == height and pictures.shape[2] == width:
        return pictures
    rows, columns = _axis(pictures.shape[1], height), _axis(pictures.shape[2], width)
    value = None
    y0, y1, wy0, wy1 = rows
    x0, x1, wx0, wx1 = columns
    corners = ((y0, wy0, x1, wx1), (y0, wy0, x0, wx0), (y1, wy1, x0, wx0), (y1, wy1, x1, wx1))
    for y, wy, x, wx in corners:
        weight = (wy.unsqueeze(1) * wx.unsqueeze(0)).float().double().unsqueeze(-1)
        term = pictures[:, y][:, :, x].double() * weight
        value = term.float() if value is None else (term + value.double()).float()
    return value.round().clamp(0, 255).to(pictures.dtype)


def _axis(length: int, out: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower and upper neighbour of each new pixel, and their weights (float64 numbers that are float32 ones)."""
    here = torch.arange(out, dtype=torch.float64)
    if length == out:
        return here.long(), here.long(), torch.ones(out, dtype=torch.float64), torch.zeros(out, dtype=torch.float64)
    scale = torch.tensor(length, dtype=torch.float32) / torch.tensor(out, dtype=torch.float32)
    source = (scale.double() * (here + 0.5) - 0.5).float().clamp(min=0)
    low = source.floor().long().clamp(max=length - 1)
    above = (source - low.float()).double()
    return low, (low + 1).clamp(max=length - 1), (1 - above).float().double(), above

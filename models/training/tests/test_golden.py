"""The networks against what the published implementations gave (golden checkpoints with random weights). Skipped where the goldens are not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from PIL import Image

from nano_molmo.model import Molmo, Prefix, whole_states
from nano_molmo.pixels import resized
from nano_molmo.vision import patchify

GOLDEN = Path(os.environ.get("MOLMO_GOLDEN", Path(__file__).parents[4] / "shared" / "golden"))
# Of the goldens themselves: shared/golden/*/README.md.
TOLERANCE = 1e-4
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"{GOLDEN} is not there; MOLMO_GOLDEN names it")


def load(folder: Path) -> Molmo:
    config = yaml.safe_load((folder / "config.yaml").read_text())["model"]
    model = Molmo(config)
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    return model.eval()


def npy(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(file))


def split(ids: torch.Tensor, config: dict) -> tuple[Prefix, torch.Tensor]:
    """The vision part of a sequence and the text behind it."""
    first = config["llm"]["embedding_size"] or config["llm"]["vocab_size"]
    # <im_start>, <im_end>, <im_patch>, <im_col>, <low_res_im_start>, <im_low>, <frame_start>, <frame_end>
    image = torch.isin(ids, first + torch.tensor([0, 1, 2, 3, 4, 6, 7, 8]))
    length = int(image.nonzero().max()) + 1
    return Prefix(ids[:length], image[:length], first + 2), ids[length:].unsqueeze(0)


@torch.no_grad()
@pytest.mark.parametrize("query", ["a", "b", "c"])
def test_policy(query: str) -> None:
    case = GOLDEN / "bot" / "native-2cam"
    model = load(case / "checkpoint")
    folder = case / query
    images = {"a": 2, "b": 2, "c": 1}[query]
    names = ["exo.png", "wrist.png"][:images]
    pictures = [torch.from_numpy(np.array(Image.open(folder / name).convert("RGB"))) for name in names]
    size = tuple(model.config["vision_backbone"]["vit"]["image_default_input_size"])
    patches = torch.cat([patchify(resized(picture.unsqueeze(0), size), 14) for picture in pictures])
    features = model.vision_backbone(patches, npy(folder / "token_pooling.npy").reshape(-1, 4))
    prefix, text = split(npy(folder / "input_ids.npy").flatten(), model.config)
    before = model.read_prefix(prefix, features.unsqueeze(0))
    states = whole_states(before, model.read_text(text, before))
    if query == "a":
        for i in range(4):
            torch.testing.assert_close(states[i].flatten(), npy(folder / f"hidden_{i}.npy").flatten(), atol=TOLERANCE, rtol=0)
    expert = model.action_expert
    state = torch.from_numpy(normalised(np.load(folder / "state.npy"), model.config))
    contexts = expert.contexts(states, state.reshape(1, -1).float())
    x = npy(folder / "noise.npy").reshape(1, 16, 8)
    for step in range(10):
        x = x + 0.1 * expert(x, torch.tensor([step / 10]), contexts, None)
    difference = (x - npy(folder / "actions_normalised.npy").reshape(1, 16, 8)).abs().max()
    assert difference < TOLERANCE


def normalised(state: np.ndarray, config: dict) -> np.ndarray:
    table = config["robot_preprocessor"]["stats_by_repo"]["synthmanip"]["observation.state"]
    low, high = np.array(table["min"]), np.array(table["max"])
    return 2 * (state - low) / np.maximum(high - low, 1e-6) - 1


@torch.no_grad()
@pytest.mark.parametrize("case", ["native-h3", "native-b-variant"])
def test_autoregressive_forecast(case: str) -> None:
    folder = GOLDEN / "motion" / case
    model = load(folder / "checkpoint")
    patches = npy(folder / "patches.npy")
    if patches.dtype == torch.uint8:
        patches = patches.float() / 127.5 - 1
    features = model.vision_backbone(patches, npy(folder / "token-pooling.npy"))
    torch.testing.assert_close(features, npy(folder / "image-features.npy"), atol=TOLERANCE, rtol=0)
    ids = npy(folder / "input-ids.npy").flatten()
    expected = npy(folder / "tokens.npy").tolist()
    prefix, text = split(ids, model.config)
    before = model.read_prefix(prefix, features.unsqueeze(0))
    # All tokens of the answer at once: each is the greedy choice behind those before it.
    answer = torch.tensor([expected[:-1]])
    logits = model.transformer.logits(model.read_text(torch.cat([text, answer], 1), before).states[-1])[0, text.shape[1] - 1 :]
    assert logits.argmax(-1).tolist() == expected
    torch.testing.assert_close(logits, npy(folder / "logits-steps.npy"), atol=TOLERANCE, rtol=0)
    assert json.loads((folder / "decode.json").read_text())

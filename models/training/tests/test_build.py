"""What training writes, built by `molmo-motion build`, gives the numbers that it gives here. Skipped where the product is not built."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from nano_molmo.architecture import CELLS, CHUNK, HORIZON, PICTURE, POINTS, flow_config, policy_config
from nano_molmo.export import of_kind, write_checkpoint
from nano_molmo.model import whole_states
from nano_molmo.nano import Nano
from nano_molmo.pixels import resized
from nano_molmo.words import Words, forecast_text, policy_text, train_tokenizer

REPOSITORY = Path(__file__).parents[3]
PROGRAM = REPOSITORY / "bin" / "molmo-motion.js"
# float32 here and there, over ten Euler steps.
TOLERANCE = 1e-4
INSTRUCTION = "Put the red cube in the blue bowl"
pytestmark = pytest.mark.skipif(not (REPOSITORY / "dist").is_dir(), reason="the product is not built")
onnxruntime = pytest.importorskip("onnxruntime")


def network() -> tuple[Nano, dict]:
    bounds = {"q01": [-2.0] * 7 + [0.0], "q99": [2.0] * 7 + [255.0]}
    statistics = {"observation.state": {**bounds, "q99": [2.0] * 7 + [0.8]}, "action": bounds}
    nano = Nano(statistics, 3)
    # Untrained gates are closed: nothing would come through them.
    for parameter in nano.molmo.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return nano.eval(), statistics


def built(folder: Path, config: dict, nano: Nano, kind: str, task: str, words: Path):
    weights = of_kind({f"molmo.{key}": value for key, value in nano.molmo.state_dict().items()}, kind)
    source = folder / f"checkpoint-{kind}"
    write_checkpoint(source, config, weights, words.read_text())
    command = ["node", str(PROGRAM), "build", "--checkpoint", str(source), "--task", task, "--tokenizer", str(source), "--out", str(folder / task)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    options = onnxruntime.SessionOptions()
    # What is compared is what the graph says; optimising it ends the process in the Python packages 1.27 and 1.30, not in the product's runtime.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(folder / task / "graph.onnx"), options, providers=["CPUExecutionProvider"])


def pictures(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 180, 320, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_flow(tmp_path: Path) -> None:
    nano, _ = network()
    text = forecast_text(INSTRUCTION, [[0, 0, 0], [3, -12, 4], *[[5, 6, -7]] * (POINTS - 2)])
    train_tokenizer([text] * 3, tmp_path / "words.json")
    words = Words(tmp_path / "words.json")
    session = built(tmp_path, flow_config(), nano, "flow", "forecast", tmp_path / "words.json")
    seen, prefix = pictures(1), words.frames_prefix()
    ids = torch.tensor([words.encode(text)])
    before = nano.molmo.read_prefix(prefix, nano.features(resized(seen, PICTURE)))
    expert = nano.molmo.trajectory_expert
    contexts = expert.contexts(whole_states(before, nano.molmo.read_text(ids, before)))
    history, noise = torch.randn(POINTS, 1, 3) * 0.02, torch.randn(POINTS, HORIZON, 3)
    x = noise.unsqueeze(0)
    for step in range(10):
        x = x + 0.1 * expert(history.unsqueeze(0) * expert.units, x, torch.tensor([step / 10]), contexts, None)
    (answer,) = session.run(["trajectory"], {
        "image_0": seen[0].numpy(), "input_ids": torch.cat([prefix.ids.unsqueeze(0), ids], 1).numpy(),
        "token_pooling": np.arange(CELLS, dtype=np.int64).reshape(CELLS, 1), "history": history.numpy(), "noise": noise.numpy()})
    assert np.abs(answer - (x[0] / expert.units).numpy()).max() < TOLERANCE


@torch.no_grad()
def test_policy(tmp_path: Path) -> None:
    nano, statistics = network()
    text = policy_text(INSTRUCTION)
    train_tokenizer([text, "Image 1 Image 2"] * 3, tmp_path / "words.json")
    words = Words(tmp_path / "words.json")
    session = built(tmp_path, policy_config(statistics), nano, "policy", "policy", tmp_path / "words.json")
    seen, prefix = pictures(2), words.images_prefix(2)
    ids = torch.tensor([words.encode(text)])
    before = nano.molmo.read_prefix(prefix, nano.features(resized(seen, PICTURE)).flatten(0, 1).unsqueeze(0))
    expert = nano.molmo.action_expert
    robot, noise = torch.randn(1, 8) * 0.5, torch.randn(1, CHUNK, 8)
    contexts = expert.contexts(whole_states(before, nano.molmo.read_text(ids, before)), robot)
    x = noise
    for step in range(10):
        x = x + 0.1 * expert(x, torch.tensor([step / 10]), contexts, None)
    (answer,) = session.run(["actions"], {
        "image_0": seen[0].numpy(), "image_1": seen[1].numpy(), "input_ids": torch.cat([prefix.ids.unsqueeze(0), ids], 1).numpy(),
        "token_pooling": np.arange(2 * CELLS, dtype=np.int64).reshape(-1, 1), "state": robot.numpy(), "noise": noise.numpy()})
    assert np.abs(answer - x.numpy()).max() < TOLERANCE

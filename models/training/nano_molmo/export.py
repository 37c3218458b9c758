"""
Writes what a run has learned: checkpoints that `molmo-motion build` takes, or a restart point for another machine.

    python -m nano_molmo.export --run DIR [--after STAGE] --kind flow|words|pointing|policy --out DIR
    python -m nano_molmo.export --run DIR [--after STAGE] --restart FILE
"""

import argparse
import json
from pathlib import Path

import torch
import yaml

from .architecture import flow_config, forecast_config, pointing_config, policy_config

EXPERTS = ("trajectory_expert.", "action_expert.")
KEPT = {"flow": EXPERTS[:1], "policy": EXPERTS[1:], "words": (), "pointing": ()}
"""Experts of each kind of checkpoint."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--after", help="stage at whose end the weights were (default: those of now)")
    parser.add_argument("--kind", choices=sorted(KEPT))
    parser.add_argument("--out", type=Path, help="folder for the checkpoint")
    parser.add_argument("--restart", type=Path, help="file for the weights in half precision, with where training stands")
    options = parser.parse_args()
    statistics = json.loads((options.run / "statistics.json").read_text())
    tokenizer = (options.run / "tokenizer.json").read_text()
    if options.after:
        weights = torch.load(options.run / f"after-{options.after}.pt", weights_only=True, map_location="cpu")
        state = {"stage": 0, "step": 0, "seconds": 0.0, "ema": weights}
    else:
        state = torch.load(options.run / "state.pt", weights_only=True, map_location="cpu")
    if options.kind and options.out:
        configs = {"flow": flow_config, "words": forecast_config, "pointing": pointing_config, "policy": lambda: policy_config(statistics)}
        write_checkpoint(options.out, configs[options.kind](), of_kind(state["ema"], options.kind), tokenizer)
    if options.restart:
        options.restart.parent.mkdir(parents=True, exist_ok=True)
        torch.save(restart_point(state, tokenizer, json.dumps(statistics)), options.restart)


def of_kind(weights: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    """The published names of the backbone, and of the expert if the kind has one."""
    named = {key.removeprefix("molmo."): value for key, value in weights.items() if key.startswith("molmo.")}
    return {key: value.float().contiguous() for key, value in named.items() if not key.startswith(EXPERTS) or key.startswith(KEPT[kind])}


def write_checkpoint(folder: Path, config: dict, weights: dict[str, torch.Tensor], tokenizer: str) -> None:
    """The native layout; the tokenizer beside it, for `build --tokenizer`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": config}, sort_keys=False))
    torch.save(weights, folder / "model.pt")
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))


def restart_point(state: dict, tokenizer: str, statistics: str) -> dict:
    """Means of the weights without the optimiser's state, which takes a few hundred steps to find itself again."""
    return {
        "stage": state["stage"], "step": state["step"], "seconds": state["seconds"], "tokenizer": tokenizer, "statistics": statistics,
        "ema": {key: value.half() for key, value in state["ema"].items()},
    }


if __name__ == "__main__":
    main()

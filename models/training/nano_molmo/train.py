"""
Goes on with whatever stage of training is next, for so many minutes; it may be stopped at any time and loses what came after the last save.

    python -m nano_molmo.train --moments DIR --run DIR [--plan full|scratch] [--device cpu|cuda] [--scale N] [--minutes N] [--seed N]
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

from .feed import Feed
from .moments import Moment, MomentStore, is_validation
from .pool import Pool
from .run import Run
from .statistics import statistics_of
from .words import answer_text, forecast_text, point_answer, point_text, policy_text, train_tokenizer

LEAST_MOMENTS = 3000
FIRST_SHARDS = 4
"""Shards that tokenizer and statistics are made of: those of a run's beginning, whatever is made later."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=Path, required=True, help="what `molmo-motion episodes --moments --out` wrote")
    parser.add_argument("--cache", type=Path, help="folder for pictures at the model's size (default: beside --moments)")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run: state, curves, weights after each stage")
    parser.add_argument("--plan", choices=["full", "scratch"], default="full")
    parser.add_argument("--start", type=Path, help="restart point to begin a new run with")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=int, default=1, help="moments in a batch, as a multiple of 8; the rate grows with its square root, to twice as much")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--stage-seconds", default="", help="time for stages, such as motion=240,policy=200, in place of their numbers of steps")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="processes that make rows of moments")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    options.run.mkdir(parents=True, exist_ok=True)
    store = MomentStore(options.moments, options.cache or options.moments.with_name(options.moments.name + "-cache"))
    settle(options.run, options.start, store)
    training, validation = Pool(device), Pool(device)
    feed = Feed(store, options.run / "tokenizer.json", training, validation, options.workers)
    feed.wait_for(LEAST_MOMENTS)
    limits = {name: float(seconds) for name, seconds in (pair.split("=") for pair in options.stage_seconds.split(",") if pair)}
    run = Run(options.run, options.plan, options.start, device, options.scale, options.seed, limits)
    run.go_on(training, validation, time.monotonic() + 60 * options.minutes, feed.update)
    feed.close()


def settle(folder: Path, start: Path | None, store: MomentStore) -> None:
    """Writes tokenizer and statistics where a new run has none: those of the restart point, or of the first moments."""
    tokenizer, statistics = folder / "tokenizer.json", folder / "statistics.json"
    if start and not tokenizer.exists():
        state = torch.load(start, weights_only=True, map_location="cpu")
        tokenizer.write_text(state["tokenizer"])
        statistics.write_text(state["statistics"])
    if tokenizer.exists() and statistics.exists():
        return
    while len(shards := store.shards()) < FIRST_SHARDS:
        print(f"{len(shards)} shards; waiting for {FIRST_SHARDS}", flush=True)
        time.sleep(30)
    moments = [moment for shard in shards[:FIRST_SHARDS] for moment in store.load(shard)[0] if not is_validation(moment)]
    statistics.write_text(json.dumps(statistics_of(moments)))
    train_tokenizer(corpus(moments), tokenizer)


def corpus(moments: list[Moment]) -> list[str]:
    """What the tokenizer learns from: prompts and answers of the scenes of training."""
    random = np.random.default_rng(0)
    texts = []
    for moment in moments[::2]:
        scene = moment.scene
        for target in scene.objects:
            for receptacle in scene.receptacles:
                for template in scene.templates:
                    texts.append(policy_text(template.replace("{object}", target).replace("{receptacle}", receptacle)))
        for name in (*scene.objects, *scene.receptacles):
            texts.append(point_text(name) + point_answer(name, [(random.integers(1000), random.integers(1000))]))
        texts.append(forecast_text("", random.integers(-60, 60, size=(8, 3)).tolist()))
        texts.append(answer_text(random.integers(-400, 400, size=(2, 8, 3)).tolist()))
        texts.append("Image 1 Image 2 0.0 ")
    return texts


if __name__ == "__main__":
    main()

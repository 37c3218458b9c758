"""A run of training: where it stands, how it goes on, and what it writes down."""

import contextlib
import csv
import json
import signal
import time
from pathlib import Path
from typing import Callable

import torch

from .nano import Nano
from .pool import Pool
from .stages import Stage, World, stages
from .words import Words

SAVE_S = 60
VALIDATE_S = 240
VALIDATE_ACCELERATED_S = 30
REPORT_STEPS = 20
WARMUP_STEPS = 100
DECAY_SHARE = 0.3
"""Of a stage, at its end, in which the rate falls to a fiftieth."""
EMA = 0.998


class Run:
    def __init__(self, folder: Path, plan: str, start: Path | None, device: torch.device, scale: int, seed: int, limits: dict[str, float]):
        """
        folder holds tokenizer.json and statistics.json, and state.pt if the run has begun; start: a restart point for one that has not.
        scale: moments in a batch, as a multiple of 8. limits: seconds for stages, in place of their steps.
        """
        self.folder, self.device, self.seed, self.limits = folder, device, seed, limits
        # cuDNN's attention prepares itself anew for every length: a step took three times as long with it.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self.plan: list[Stage] = stages(plan)
        self.gain = min(2.0, scale**0.5)
        self.state_file = folder / "state.pt"
        statistics = json.loads((folder / "statistics.json").read_text())
        self.nano, self.ema = (Nano(statistics, seed).to(device) for _ in range(2))
        self.world = World(Words(folder / "tokenizer.json"), device, scale)
        self.stage, self.step, self.seconds, self.stage_seconds = 0, 0, 0.0, 0.0
        self.is_told_to_stop = False
        source = self.state_file if self.state_file.exists() else start
        state = torch.load(source, weights_only=True, map_location=device) if source else None
        if state:
            self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
            self.stage_seconds = state.get("stage_seconds", 0.0)
            self.ema.load_state_dict({key: value.float() for key, value in state["ema"].items()})
            self.nano.load_state_dict({key: value.float() for key, value in state.get("nano", state["ema"]).items()})
        self._seed()
        self._optimise(state.get("optimiser") if state else None)

    def _seed(self) -> None:
        torch.manual_seed(self.seed + 1000 * self.stage + self.step)
        self.random = torch.Generator(self.device).manual_seed(self.seed + 1_000_000 * (self.stage + 1) + self.step)

    def _optimise(self, state: dict | None) -> None:
        if self.stage >= len(self.plan):
            return
        stage = self.plan[self.stage]
        groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in self.nano.named_parameters():
            share = next((share for start, share in stage.slower.items() if name.startswith(start)), 1.0)
            parameter.requires_grad_(share > 0)
            if share > 0:
                groups.setdefault((share, parameter.dim() > 1), []).append(parameter)
        self.optimiser = torch.optim.AdamW(
            [{"params": parameters, "share": share, "weight_decay": 0.03 if is_matrix else 0.0}
             for (share, is_matrix), parameters in groups.items()], lr=stage.rate, betas=(0.9, 0.98), fused=self.device.type == "cuda")
        if state:
            self.optimiser.load_state_dict(state)
        learned = [(mean, now) for mean, now in zip(self.ema.parameters(), self.nano.parameters()) if now.requires_grad]
        self._means, self._learned = [mean for mean, _ in learned], [now for _, now in learned]

    def progress(self, stage: Stage) -> float:
        limit = self.limits.get(stage.name)
        return self.stage_seconds / limit if limit else self.step / stage.steps

    def go_on(self, training: Pool, validation: Pool, until: float, between: Callable[[], None] = lambda: None) -> None:
        """until: of time.monotonic(). between: done between steps now and then, such as taking in new moments."""
        previous = signal.signal(signal.SIGTERM, self.stop)
        saved = validated = time.monotonic()
        sums: dict[str, list[torch.Tensor]] = {}
        while self.stage < len(self.plan) and time.monotonic() < until and not self.is_told_to_stop:
            stage = self.plan[self.stage]
            began = time.monotonic()
            for key, value in self.train_step(stage, training).items():
                sums.setdefault(key, []).append(value)
            if self.step % REPORT_STEPS == 0:
                self.write(stage.name, training, {key: torch.stack(values).nanmean().item() for key, values in sums.items()})
                sums.clear()
                between()
            now = time.monotonic()
            self.seconds += now - began
            self.stage_seconds += now - began
            is_over = self.progress(stage) >= 1
            if is_over or now - validated > (VALIDATE_ACCELERATED_S if self.device.type == "cuda" else VALIDATE_S):
                self.validate(stage, training, validation)
                validated = time.monotonic()
            if is_over:
                torch.save({key: value.half() for key, value in self.ema.state_dict().items()}, self.folder / f"after-{stage.name}.pt")
                self.nano.load_state_dict(self.ema.state_dict())
                self.stage, self.step, self.stage_seconds = self.stage + 1, 0, 0.0
                self._seed()
                self._optimise(None)
            if is_over or now - saved > SAVE_S:
                self.save()
                saved = time.monotonic()
        self.save()
        signal.signal(signal.SIGTERM, previous)

    def stop(self, *_: object) -> None:
        """Saves after the step that is being done."""
        self.is_told_to_stop = True

    def train_step(self, stage: Stage, training: Pool) -> dict[str, torch.Tensor]:
        self.nano.train()
        left = (1 - self.progress(stage)) / DECAY_SHARE
        rate = self.gain * stage.rate * min(1.0, (self.step + 1) / WARMUP_STEPS, max(0.02, left))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        with self.precision():
            loss, figures = stage.loss(self.nano, self.world, training, self.random)
        self.optimiser.zero_grad()
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(self._learned, 1.0)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._learned, 1 - min(EMA, (1 + self.step) / (10 + self.step)))
        return {"loss": loss.detach(), "gradient": size, "rate": loss.new_tensor(rate)} | {key: value.detach() for key, value in figures.items()}

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 where it is quicker."""
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else contextlib.nullcontext()

    def validate(self, stage: Stage, training: Pool, validation: Pool) -> None:
        kept = torch.random.get_rng_state()
        torch.manual_seed(7)
        self.ema.eval()
        figures = stage.validate(self.ema, self.world, validation, torch.Generator(self.device).manual_seed(7))
        torch.random.set_rng_state(kept)
        numbers = {key: value.item() for key, value in figures.items()}
        self.write(f"{stage.name}-validation", training, numbers)
        print(f"{stage.name} {self.step} ({self.seconds:.0f} s, {training.count} moments): " + ", ".join(
            f"{key} {value:.3f}" for key, value in numbers.items()), flush=True)

    def write(self, name: str, training: Pool, figures: dict[str, float]) -> None:
        """Appends to the curve of this name. A column that is not in the file's head is left out."""
        file = self.folder / f"{name}.csv"
        row = {"step": self.step, "seconds": round(self.seconds, 1), "moments": training.count} | {
            key: round(value, 5) for key, value in figures.items()}
        is_new = not file.exists()
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, row.keys(), extrasaction="ignore")
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def save(self) -> None:
        state = {
            "stage": self.stage, "step": self.step, "seconds": self.seconds, "stage_seconds": self.stage_seconds,
            "nano": self.nano.state_dict(), "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict() if self.stage < len(self.plan) else None,
        }
        new = self.state_file.with_suffix(".new")
        torch.save(state, new)
        new.rename(self.state_file)

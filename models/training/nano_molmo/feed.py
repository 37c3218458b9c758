"""Moments to rows, in processes of their own, beside a training that has begun already."""

import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from .moments import MomentStore, is_validation
from .pool import Pool
from .rows import Rows, rows_of
from .words import Words

LOOK_S = 5


class Feed:
    """Fills a pool of training and one of validation with shards, those that are made meanwhile included."""

    def __init__(self, store: MomentStore, tokenizer: Path, training: Pool, validation: Pool, workers: int):
        self.store, self.tokenizer = store, tokenizer
        self.training, self.validation = training, validation
        # Not forked: the parent may hold an accelerator.
        self._processes = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
        self._pending: dict[int, Future[tuple[Rows, np.ndarray]]] = {}
        self._known: set[int] = set()
        self._looked = -1e9

    def update(self) -> None:
        """Takes in what is ready; never waits."""
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._looked = now
            for shard in self.store.shards():
                if shard not in self._known:
                    self._known.add(shard)
                    self._pending[shard] = self._processes.submit(made, self.store, self.tokenizer, shard)
        for shard in [shard for shard, future in self._pending.items() if future.done()]:
            rows, is_shown = self._pending.pop(shard).result()
            if not len(is_shown):
                continue
            _, pictures = self.store.load(shard)
            for pool, part in ((self.training, ~is_shown), (self.validation, is_shown)):
                if part.any():
                    pool.add({"pictures": pictures[part]} | {name: values[part] for name, values in rows.items()})

    def wait_for(self, moments: int) -> None:
        """Until there are so many of training, and some of validation."""
        while self.training.count < moments or not self.validation.count:
            self.update()
            time.sleep(0.2)

    def finish(self) -> None:
        """Until all that can be made now is taken in."""
        self.update()
        while self._pending:
            self.update()
            time.sleep(0.1)

    def close(self) -> None:
        self._processes.shutdown(wait=False, cancel_futures=True)


def made(store: MomentStore, tokenizer: Path, shard: int) -> tuple[Rows, np.ndarray]:
    """Rows of a shard, and which of its moments are for validation."""
    moments, _ = store.load(shard)
    return rows_of(moments, Words(tokenizer), shard), np.array([is_validation(moment) for moment in moments], bool)

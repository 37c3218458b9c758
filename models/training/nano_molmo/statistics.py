"""Statistics of states and actions that a policy's normalisation needs."""

import numpy as np

from .moments import Moment


def statistics_of(moments: list[Moment]) -> dict:
    """By the names that checkpoints of the published policies have for them."""
    states = np.stack([m.state for m in moments])
    actions = np.concatenate([commands for m in moments for commands in m.next if commands is not None])
    return {"observation.state": _of(states), "action": _of(actions)}


def _of(rows: np.ndarray) -> dict:
    return {
        "q01": np.quantile(rows, 0.01, axis=0).tolist(), "q99": np.quantile(rows, 0.99, axis=0).tolist(),
        "min": rows.min(0).tolist(), "max": rows.max(0).tolist(), "mean": rows.mean(0).tolist(), "std": rows.std(0).tolist(),
    }

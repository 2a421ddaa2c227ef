"""Training: any strategy's gradient, an optimiser that works in place, checkpoints, and the metrics of the field.

trainer = Trainer(Settings(epochs=5), dataset.train_images, dataset.train_labels)
while not trainer.finished:
    trainer.take_step()
print(evaluate(trainer.network, trainer.params, dataset.test_images, dataset.test_labels).accuracy)
"""

from __future__ import annotations

from backprop.training.batches import Batches, Position
from backprop.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    Point,
    load_checkpoint,
    save_checkpoint,
)
from backprop.training.evaluation import (
    Calibration,
    Evaluation,
    Metrics,
    Running,
    evaluate,
    measure,
    worst_mistakes,
)
from backprop.training.loop import DivergenceError, Trainer
from backprop.training.optimizers import OPTIMIZERS, Optimizer, find_optimizer
from backprop.training.settings import SCHEDULES, USUAL, Settings, SettingsError, find_schedule

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "USUAL",
    "Batches",
    "Calibration",
    "Checkpoint",
    "CheckpointError",
    "DivergenceError",
    "Evaluation",
    "Metrics",
    "Optimizer",
    "Point",
    "Position",
    "Running",
    "Settings",
    "SettingsError",
    "Trainer",
    "evaluate",
    "find_optimizer",
    "find_schedule",
    "load_checkpoint",
    "measure",
    "save_checkpoint",
    "worst_mistakes",
]

"""Tiny trainings with transformers and Lightning, as a program: prints what the callbacks reported as JSON.

The arguments are the library, and the number of progress reports after which the job is cancelled (0: never).
"""

import json
import sys
import tempfile
from typing import Any

from label_studio_ml.callbacks import lightning_callback, transformers_callback
from label_studio_ml.training.job import Report, TrainingJob


def with_transformers(job: TrainingJob) -> int:
    """Train a random model for 24 steps; return the steps that were made."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    rows = [{"input_ids": torch.randint(0, 50, (8,)), "labels": torch.tensor(row % 2)} for row in range(64)]
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=3,
        per_device_train_batch_size=8,
        logging_steps=4,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    trainer = Trainer(
        BertForSequenceClassification(BertConfig(vocab_size=50, **sizes)),
        arguments,
        train_dataset=rows,
        eval_dataset=rows[:8],
        callbacks=[transformers_callback(job)],
    )
    trainer.train()
    return int(trainer.state.global_step)


def with_lightning(job: TrainingJob) -> int:
    """Train a linear layer for 24 steps, at least 16 of them; return the steps that were made."""
    import torch
    from lightning.pytorch import LightningModule, Trainer

    class Net(LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.layer(batch[0]).pow(2).mean()
            self.log("loss", loss)
            self.log("step", float(self.current_epoch))  # chooses the x axis of Lightning's loggers
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("eval_loss", self.layer(batch[0]).pow(2).mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    rows = torch.utils.data.TensorDataset(torch.randn(64, 4))
    loader = torch.utils.data.DataLoader(rows, batch_size=8)
    trainer = Trainer(
        max_epochs=3,
        min_epochs=2,
        callbacks=[lightning_callback(job)],
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
        log_every_n_steps=2,
    )
    trainer.fit(Net(), loader, loader)
    return int(trainer.global_step)


def main() -> None:
    library, limit = sys.argv[1], int(sys.argv[2])
    reports: list[Report] = []

    def progress() -> list[float]:
        return [report.progress for report in reports if report.progress is not None]

    job = TrainingJob(report=reports.append, asked=lambda: bool(limit) and len(progress()) >= limit)
    steps = {"transformers": with_transformers, "lightning": with_lightning}[library](job)
    params = [report.params for report in reports if report.params]
    found = {"steps": steps, "progress": progress(), "points": job.history.points(), "params": params}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

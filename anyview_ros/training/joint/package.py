"""A student of the joint family as weights to export, read from its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.joint.imported import LICENCES, STORED, Import
from anyview_ros.model.joint.release import NETWORK, NOTICE, ReleasedFile
from anyview_ros.training.joint.config import JointRun, parse_joint
from anyview_ros.training.package import CONFIG_FILE


@dataclass(frozen=True)
class StudentWeights(Import):
    """Weights of a student, where those of its teacher are looked for.

    Args:
        run, checkpoint: of the student.
    """

    run: JointRun
    checkpoint: Checkpoint

    @property
    def description(self) -> str:
        return f"A student, made by `anyview distill`, of {self.run.teacher.name}: AnyView"

    @property
    def licence_texts(self) -> dict[str, str]:
        return {LICENCES: NOTICE, CONFIG_FILE: self.run.text}

    def state(self, file: ReleasedFile) -> dict[str, Tensor]:
        """Return the tensors of a part; averaged weights in bfloat16, as they are used."""
        if file is not NETWORK:
            return self.checkpoint.part(STORED[file])
        return {name: tensor.bfloat16() for name, tensor in self.checkpoint.part("ema").items()}


def student_weights(path: Path, checkpoint: Checkpoint) -> StudentWeights:
    """Return the weights of a student from the checkpoint that was read from a path."""
    run = parse_joint(checkpoint.config)
    teacher = run.teacher
    return StudentWeights(
        path.parent, teacher.network, teacher.autoencoder, teacher.origins, run, checkpoint
    )


def student_contract(contract: Contract, run: JointRun) -> Contract:
    """Return the contract of its teacher's package with the schedule of the student."""
    return replace(contract, sigmas=run.student.speeds, solver="euler", sampling={})

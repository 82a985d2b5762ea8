"""One small package of the joint family, with the weights of the golden files, for all tests."""

from pathlib import Path

import pytest
import torch

from anyview_ros.model.joint.export import JointModel, export_joint_package, joint_contract
from anyview_ros.tools.verify.networks import Weights
from anyview_ros.tools.verify.run import CHECKS, Golden
from anyview_ros.tools.verify.torch_networks import joint_autoencoder, joint_transformer
from tests.joint.golden import GOLDEN


def golden_model(**options) -> JointModel:
    """The networks of the golden files in parity, and the text of the end-to-end file."""
    golden = Golden(GOLDEN, CHECKS)
    networks = []
    for file, build in (("dit_tiny_a.npz", joint_transformer), ("vae_tiny.npz", joint_autoencoder)):
        inputs = golden.inputs(file)
        networks.append(build(Weights(inputs.config(), inputs.state()), "parity"))
    text = torch.from_numpy(golden.inputs("e2e_tiny.npz")["text_emb"])
    return JointModel(*networks, text, **options)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 frames of 48 x 96, 4 steps: the chain of e2e_tiny.npz as a package."""
    folder = tmp_path_factory.mktemp("models") / "joint-tiny"
    contract = joint_contract("joint-tiny", (9, 48, 96), 0.125, "Apache-2.0", steps=4)
    export_joint_package(folder, contract, golden_model(tabulated=True))
    return folder

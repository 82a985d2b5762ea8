"""One small package of the joint family, with the weights of the golden files, for all tests."""

from pathlib import Path

import pytest
import torch

from anyview_ros.cli.__main__ import main
from anyview_ros.model.joint import config, release
from anyview_ros.model.joint.imported import Import, import_release
from anyview_ros.verify.run import CHECKS, Golden
from anyview_ros.verify.torch_networks import tensors
from tests.joint.golden import GOLDEN

NETWORK = config.JointConfig(width=128, blocks=2, heads=4, lora=16, text_width=64, text_tokens=12)
CODER = config.AutoencoderConfig(width=8)


def write_release(folder: Path) -> Path:
    """The three files of a release, with the golden networks in them."""
    golden = Golden(GOLDEN, CHECKS)
    network, coder, scene = (
        golden.inputs(file) for file in ("dit_tiny_a.npz", "vae_tiny.npz", "e2e_tiny.npz")
    )
    state = {f"net.{name}": value.bfloat16() for name, value in tensors(network.state()).items()}
    state["net.accum_iteration"] = torch.tensor(7)
    torch.save({"model": state}, folder / release.NETWORK.name)
    torch.save(tensors(coder.state()), folder / release.AUTOENCODER.name)
    text = {"t5_text_embeddings": torch.from_numpy(scene["text_emb"])}
    torch.save(text, folder / release.TEXT.name)
    return folder


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Import:
    folder = write_release(tmp_path_factory.mktemp("release"))
    files = {file: folder / file.name for file in release.RELEASE}
    return import_release(files, tmp_path_factory.mktemp("models"), "golden", any_size=True)


@pytest.fixture(scope="session")
def package(imported: Import) -> Path:
    """9 frames of 48 x 96, 4 steps: the chain of e2e_tiny.npz, exported as a user would."""
    arguments = ["export", str(imported.folder), "--name", "joint-tiny", "--table"]
    arguments += ["--frames", "9", "--exact-size", "48", "96"]
    assert main([*arguments, "--steps", "4", "--scene-scale", "0.125"]) == 0
    return imported.folder.parent / "joint-tiny"

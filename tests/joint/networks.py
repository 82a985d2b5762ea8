"""Small networks with random weights, every branch of them visible in the output."""

import torch
from torch import Tensor

from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import (
    PRECISIONS,
    AutoencoderConfig,
    JointConfig,
)
from anyview_ros.model.joint.transformer import JointTransformer

# Under load, threads wait for each other longer than networks this small work.
torch.set_num_threads(1)

SIZES = JointConfig(width=48, blocks=2, heads=2, lora=8, text_width=12, text_tokens=5)
CODER = AutoencoderConfig(width=4)


def random_weights(module: torch.nn.Module, seed: int = 0) -> None:
    """Matrices that keep the size of what they map; vectors around one, so no gate is shut."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        inputs = parameter[0].numel() if parameter.ndim > 1 else 0
        parameter.data = noise / inputs**0.5 if inputs > 1 else 1 + 0.3 * noise
        parameter.requires_grad_(False)


def joint(precision: str = "f32", config: JointConfig = SIZES) -> JointTransformer:
    network = JointTransformer(config, PRECISIONS[precision]).eval()
    random_weights(network)
    return network


def coder(precision: str = "f32") -> Autoencoder:
    network = Autoencoder(CODER, PRECISIONS[precision]).eval()
    random_weights(network)
    return network


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

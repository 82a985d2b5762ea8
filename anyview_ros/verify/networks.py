"""The networks under test, as numpy sees them; each engine has its own (`engines.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from anyview_ros.engine.sampler import Network

Array = NDArray[Any]
Pair = tuple[Array, Array]  # of the target, of the source


@dataclass(frozen=True)
class Weights:
    """A network's sizes and its state dict, as a golden file gives them."""

    config: Mapping[str, Any]
    state: Mapping[str, Array]


@dataclass(frozen=True)
class Call:
    """What a transformer is called with.

    Args:
        streams: (B, 52, T', H', W') of each view.
        times: (B, T') or (B, 1) of each view.
        text: (B, M, C).
    """

    streams: Pair
    times: Pair
    text: Array


class Transformer(Protocol):
    def outputs(self, call: Call) -> Pair:
        """Return both output streams (B, 52, T', H', W')."""
        ...

    def activations(self, call: Call) -> Mapping[str, Array]:
        """Return what the golden files hold under `mid/`, by name."""
        ...

    def network(self, streams: Pair, text: Array) -> Network:
        """Return the velocity of the target's image latent, given clean streams and the text (1, M,
        C)."""
        ...


class Autoencoder(Protocol):
    def encode_mean(self, video: Array) -> Array:
        """Encode frames (B, 3, T, H, W) in [-1, 1] into latents before they are normalised."""
        ...

    def encode(self, video: Array) -> Array:
        """Encode frames (B, 3, T, H, W) in [-1, 1] into latents (B, 16, T', H/8, W/8)."""
        ...

    def decode(self, latent: Array) -> Array:
        """Decode latents into frames (B, 3, T, H, W), about [-1, 1]."""
        ...


class Networks(Protocol):
    """How an engine builds its networks.

    Args of both: the weights, the precision mode, and for the autoencoder whether its constants
    are rounded to bfloat16 (None = as the mode says).
    """

    def mode(self, asked: str) -> str:
        """Return the precision mode that stands in for a mode; itself if it can run."""
        ...

    def transformer(self, weights: Weights, mode: str) -> Transformer: ...

    def autoencoder(
        self, weights: Weights, mode: str, rounded_constants: bool | None = None
    ) -> Autoencoder: ...

    def rotary_angles(self, grid: tuple[int, int, int], head_width: int, mode: str) -> Array:
        """Return (N, head_width / 2) radians of the tokens of a (T', rows, columns) grid."""
        ...

    def latent_constants(self, rounds: bool) -> tuple[Array, Array, Array]:
        """Return mean, standard deviation and its inverse, (16,) each, of the autoencoder's
        latents."""
        ...

    def loss(self, weights: Weights, clean: Pair, text: Array, draws: Mapping[str, Array]) -> Pair:
        """Return noise levels (B,) and training loss () of given random draws, in f32."""
        ...

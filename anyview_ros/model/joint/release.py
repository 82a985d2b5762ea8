"""The three files of the AnyView release: their names, what they hold, and their licences."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.errors import AnyviewError

NVIDIA_LICENCE = (
    "https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license/"
)


@dataclass(frozen=True)
class ReleasedFile:
    """A file of the release.

    Args:
        option: of `anyview import`.
        name: as published.
        holds: what is in it, in words.
        mark: a key that the file has, after the prefix, and neither of the two others.
        sha256: what the hash of the published file begins with.
        licence: the terms of its use.
    """

    option: str
    name: str
    holds: str
    mark: str
    sha256: str
    licence: str


NETWORK = ReleasedFile(
    option="--dit",
    name="anyview_dvs_2b.pt",
    holds="the network",
    mark="x_embedder.proj.1.weight",
    sha256="b2b8a4b3",
    licence="non-commercial use only, and the NVIDIA Open Model License: the network derives from "
    "Cosmos-Predict2-2B-Video2World",
)
AUTOENCODER = ReleasedFile(
    option="--tokenizer",
    name="tokenizer.pth",
    holds="the autoencoder",
    mark="decoder.conv1.weight",
    sha256="38071ab5",
    licence="NVIDIA Open Model License: the tokenizer of Cosmos-Predict2-2B-Video2World",
)
TEXT = ReleasedFile(
    option="--text",
    name="default_text_emb.pt",
    holds="the text embedding",
    mark="t5_text_embeddings",
    sha256="8f5dae75",
    licence="distributed with the network, and here taken to be under the same terms",
)
RELEASE = (NETWORK, AUTOENCODER, TEXT)
LICENCE = "weights: non-commercial use, and NVIDIA Open Model License; graphs: Apache-2.0"
NOTICE = f"""Licensed by NVIDIA Corporation under the NVIDIA Open Model License

The weights are not part of anyview_ros and do not come under its licence. Their owners' terms hold
for the files, for everything that is converted from them, and for model packages made of them:

{chr(10).join(f"- {file.holds} ({file.name}): {file.licence}." for file in RELEASE)}

The NVIDIA Open Model License: {NVIDIA_LICENCE}
The network: AnyView, arXiv 2601.16982, as released by its authors, whose page has their terms.
Who passes the files or a package on passes this notice on with them.
"""


def require_acceptance(accepted: bool) -> None:
    """Refuse where the licences of the weights have not been accepted.

    Raises:
        AnyviewError: `licence_not_accepted`.
    """
    if not accepted:
        raise AnyviewError(
            "licence_not_accepted",
            "the weights have licences of their own, above; call again with --accept-license if "
            "you accept them",
        )

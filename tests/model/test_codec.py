"""Laws of the linear codec: causal, orthonormal, exact where nothing is dropped."""

from __future__ import annotations

import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.model.codec import LinearCodec, blocks, fit_codec, images


def clips(count: int = 6, frames: int = 9, seed: int = 0) -> torch.Tensor:
    """Smooth random clips (N, 3, T, 16, 24) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, frames, 4, 6, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (frames, 16, 24), mode="trilinear")


def test_shapes() -> None:
    codec = LinearCodec(5)
    latent = codec.encode(clips(2))
    assert latent.shape == (2, 5, 3, 4, 6)
    assert codec.decode(latent).shape == (2, 3, 9, 16, 24)


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_blocks_and_images_are_inverse(frames: int) -> None:
    video = clips(2, frames)
    part = video[:, :, :1] if frames == 1 else video[:, :, 1:]
    assert torch.equal(images(blocks(part), min(part.shape[2], 4)), part)


def test_a_block_holds_4x4_pixels_of_its_frames() -> None:
    video = torch.zeros(1, 3, 8, 16, 24)
    video[0, 1, 5, 9, 17] = 1.0  # second group of frames, row 2 and column 4 of cells
    values = blocks(video)
    assert values.shape == (1, 2, 4, 6, 192)
    assert values[0, 1, 2, 4].sum() == 1.0
    assert values.sum() == 1.0


def test_a_latent_frame_depends_on_its_own_frames_only() -> None:
    codec = fit_codec([clips()], 16)
    video = clips(1, seed=1)
    latent = codec.encode(video)
    for frame, latent_frame in [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2)]:
        changed = video.clone()
        changed[:, :, frame] += 0.5
        differs = (codec.encode(changed) - latent).abs().amax(dim=(0, 1, 3, 4)) > 1e-4
        assert differs.tolist() == [i == latent_frame for i in range(3)]


def test_bases_are_orthonormal_and_the_mean_variance_is_1() -> None:
    video = clips(64) + 2 * torch.randn(64, 1, 9, 1, 1, generator=torch.Generator().manual_seed(5))
    codec = fit_codec([video[:40], video[40:]], 12)
    for basis in (codec.first_basis, codec.group_basis):
        assert torch.allclose(basis @ basis.T, torch.eye(12), atol=1e-4)
    latent = codec.encode(video)
    for part in (latent[:, :, :1], latent[:, :, 1:]):
        variance = part.transpose(0, 1).flatten(1).var(dim=1)
        assert variance.mean() == pytest.approx(1.0, abs=0.02)
        assert variance[0] > 5 * variance[-1]  # the spectrum of images is kept


def test_encoding_what_was_decoded_changes_nothing() -> None:
    codec = fit_codec([clips()], 8)
    latent = torch.randn(2, 8, 3, 4, 6, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(codec.encode(codec.decode(latent)), latent, atol=1e-3)


def test_a_first_frame_alone_is_exact_with_all_channels() -> None:
    noisy = torch.rand(40, 3, 5, 16, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1
    codec = fit_codec([noisy], 48)
    frame = noisy[:1, :, :1]
    assert torch.allclose(codec.decode(codec.encode(frame)), frame, atol=1e-3)


def test_pixel_weight_measures_latent_errors_in_pixels() -> None:
    codec = fit_codec([clips()], 10)
    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(2, 1, 10, 3, 4, 6, generator=generator)
    pixels = ((codec.decode(a) - codec.decode(b)) ** 2).mean()
    latent = (codec.pixel_weight(3)[None, None, :, None, None] * (a - b) ** 2).mean()
    assert torch.allclose(latent, pixels, rtol=1e-4)


def test_bytes_are_coded_like_videos() -> None:
    codec = fit_codec([clips()], 12)
    images_ = torch.randint(0, 256, (2, 9, 16, 24, 3), dtype=torch.uint8)
    video = images_.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    expected = codec.encode(video)
    coded = codec.encode_bytes(images_).float()
    assert (coded - expected).abs().max() < 0.02 * expected.abs().max()  # bfloat16 has 8 bits


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(AnyviewError, match=r"codec channels must be 1\.\.48, got 49"):
        LinearCodec(49)

"""Noise, schedule, coefficients, and whole runs of the sampler."""

from __future__ import annotations

import re

import numpy as np

from anyview_ros.engine import sampler
from anyview_ros.engine.step_cache import Denoiser
from anyview_ros.errors import AnyviewError
from anyview_ros.release import (
    LATENT_CHANNELS,
    round_to_bf16,
    stream_masks,
)
from anyview_ros.verify import tolerance
from anyview_ros.verify.camera_checks import packed
from anyview_ros.verify.check import (
    Check,
    Outputs,
    Setting,
    group_indices,
    inputs,
    references,
)
from anyview_ros.verify.golden import ANY, MODES, Inputs, Roles
from anyview_ros.verify.networks import Array, Call, Pair, Transformer

SCHEDULE = re.compile(r"N(\d+)_max([\d.e+-]+)_min([\d.e+-]+)/")
SHOWN = 64  # values of a large noise that the golden file keeps of each end


def noise_roles(header: Inputs) -> Roles:
    roles: Roles = {}
    for index in group_indices(header.names, "n"):
        roles |= inputs(f"n{index}/shape", f"n{index}/seed")
        roles |= references(ANY, tolerance.EXACT, f"n{index}/noise")
    for index in group_indices(header.names, "full"):
        p = f"full{index}/"
        roles |= inputs(p + "shape", p + "seed")
        roles |= references(ANY, tolerance.EXACT, p + "head64", p + "tail_of_16ch_64")
        roles |= references(ANY, tolerance.FLOAT64, p + "mean_per_channel", p + "std_per_channel")
    return roles


def compute_noise(setting: Setting) -> Outputs:
    given, ours = setting.inputs, {}
    for index in group_indices(given.names, "n"):
        ours[f"n{index}/noise"] = _noise(given, f"n{index}/")
    for index in group_indices(given.names, "full"):
        p = f"full{index}/"
        noise = _noise(given, p)
        ours[p + "head64"] = noise.ravel()[:SHOWN]
        ours[p + "tail_of_16ch_64"] = noise[:, :LATENT_CHANNELS].ravel()[-SHOWN:]
        wide = noise.astype(np.float64)
        ours[p + "mean_per_channel"] = wide.mean(axis=(0, 2, 3, 4))
        ours[p + "std_per_channel"] = wide.std(axis=(0, 2, 3, 4))
    return ours


def _noise(given: Inputs, prefix: str) -> Array:
    # These files hold the seed of the generator: 100 times the user's seed, plus the stream.
    return sampler.normal_noise(given.number(prefix + "seed"), given[prefix + "shape"].tolist())


def schedule_roles(header: Inputs) -> Roles:
    roles: Roles = {}
    for group in _groups(header):
        roles |= references(ANY, tolerance.FLOAT64, group + "sigmas_f64", group + "step_coefs_f64")
        roles |= references(ANY, tolerance.FLOAT32, *(f"{group}{name}" for name in FACTORS))
        roles |= references(ANY, tolerance.EXACT, group + "c_noise_bf16")
    return roles


FACTORS = ("c_skip", "c_out", "c_in", "c_noise")


def _groups(header: Inputs) -> list[str]:
    found = sorted({name.partition("/")[0] + "/" for name in header.names})
    known = [group for group in found if SCHEDULE.fullmatch(group)]
    if not known:
        raise AnyviewError("missing_array", f"{header.file.name} holds no group N.._max.._min..")
    return known


def compute_schedule(setting: Setting) -> Outputs:
    ours: dict[str, Array] = {}
    for group in _groups(setting.inputs):
        matched = SCHEDULE.fullmatch(group)
        assert matched is not None
        steps, highest, lowest = matched.groups()
        sigmas = sampler.karras_sigmas(int(steps), float(highest), float(lowest))
        ours[group + "sigmas_f64"] = np.array(sigmas)
        ours[group + "step_coefs_f64"] = sampler.coefficients(sigmas, "ab2")
        factors = np.array([preconditioning(sigma) for sigma in sigmas], np.float32)
        ours |= {group + name: factors[:, i] for i, name in enumerate(FACTORS)}
        ours[group + "c_noise_bf16"] = round_to_bf16(ours[group + "c_noise"])
    return ours


def preconditioning(sigma: float) -> tuple[float, ...]:
    """Return c_skip, c_out, c_in and c_noise of the denoiser, by what it does with ones and
    zeros."""
    one, zero, calls = np.ones(1, np.float32), np.zeros(1, np.float32), []

    def answering(answer: Array) -> Denoiser:
        def network(noisy: Array, t: Array) -> Array:
            calls.append((noisy, t))
            return answer

        return sampler.denoiser_of(network, "velocity")

    skip, out = answering(zero)(one, sigma), answering(one)(zero, sigma)
    noisy, t = calls[0]
    return float(skip[0]), float(out[0]), float(noisy[0]), float(t[0])


def trajectory_roles(header: Inputs) -> Roles:
    roles = inputs("rgb1_latent", "cams0_latent", "cams1_latent", "text_emb", "seed", "num_steps")
    exact = tolerance.EXACT
    roles |= references("f32", tolerance.FLOAT32, "sigmas_f32")
    roles |= references("f32", exact, "noise_v0_unit", "stream_v0", "stream_v1", "f32/net_in_v1")
    masks = (f"mask_{kind}_v{view}" for kind in MASKS for view in (0, 1))
    roles |= references("f32", exact, *masks)
    for step in (0, 1):
        roles |= references("f32", tolerance.FLOAT32, f"f32/net_t_step{step}")
        roles |= references("parity", exact, f"bf16/net_t_step{step}")
        names = (f"f32/net_{side}_v0_step{step}" for side in ("in", "out"))
        roles |= references("f32", tolerance.SAMPLER["f32"], *names)
    for mode in MODES:
        names = (f"{mode}/{name}" for name in ("samples_rgb0", "x0_preds_rgb0", "final_rgb0"))
        roles |= references(mode, tolerance.SAMPLER[mode], *names)
    return roles


MASKS = ("input", "output", "supervise")


def compute_trajectory(setting: Setting) -> Outputs:
    given, mode = setting.inputs, setting.mode
    network = setting.networks.transformer(setting.weights("dit_tiny_a.npz"), setting.precision)
    empty = np.zeros_like(given["cams0_latent"][:, :LATENT_CHANNELS])
    streams = (
        packed(empty, given["cams0_latent"], view=0),
        packed(given["rgb1_latent"], given["cams1_latent"], view=1),
    )
    noise = sampler.unit_noise(given.number("seed"), streams[0].shape)[:, :LATENT_CHANNELS]
    sigmas = sampler.karras_sigmas(given.number("num_steps"))
    run = Run(network, streams, given["text_emb"])
    ours = {f"{mode}/final_rgb0": sampler.sample(run.denoise, noise, sigmas, "ab2")}
    ours[f"{mode}/samples_rgb0"] = np.stack(run.states)
    ours[f"{mode}/x0_preds_rgb0"] = np.stack(run.predictions)
    if mode == "parity":
        times = (f"bf16/net_t_step{i}" for i in (0, 1))
        ours |= {
            name: round_to_bf16(run.time(i, given.shape(name))) for i, name in enumerate(times)
        }
    if mode == "f32":
        ours |= {"sigmas_f32": np.array(sigmas, np.float32), "noise_v0_unit": noise}
        ours |= packing(streams, given)
        for i in (0, 1):
            ours |= run.network_call(i, given.shape(f"f32/net_t_step{i}"))
    return ours


class Run:
    """A run of the sampler that remembers what went in and out.

    Args:
        transformer: under test.
        streams: clean, of both views.
        text: (1, M, C).
    """

    def __init__(self, transformer: Transformer, streams: Pair, text: Array) -> None:
        self._transformer, self._streams, self._text = transformer, streams, text
        self._network = transformer.network(streams, text)
        self._denoise = sampler.denoiser_of(self._recorded, "velocity")
        self.states: list[Array] = []
        self.predictions: list[Array] = []
        self._calls: list[tuple[Array, Array]] = []

    def denoise(self, y: Array, sigma: float) -> Array:
        self.states.append(y)
        self.predictions.append(self._denoise(y, sigma))
        return self.predictions[-1]

    def _recorded(self, noisy: Array, t: Array) -> Array:
        self._calls.append((noisy, t))
        return self._network(noisy, t)

    def time(self, step: int, held: tuple[int, ...]) -> Array:
        """Return (1 or B, 1, 1, 1, 1), as the file holds it: of the batch, or of each sample."""
        noisy, t = self._calls[step]
        return np.broadcast_to(t.reshape(-1, 1, 1, 1, 1), (rows(held, len(noisy)), 1, 1, 1, 1))

    def network_call(self, step: int, held: tuple[int, ...]) -> dict[str, Array]:
        """Return what entered and left the network at a step, whole streams; `held` as `time`."""
        noisy, t = self._calls[step]
        target = np.concatenate([noisy, self._streams[0][:, LATENT_CHANNELS:]], axis=1)
        times = np.broadcast_to(t, (len(noisy), 1))
        text = np.broadcast_to(self._text, (len(noisy), *self._text.shape[1:]))
        call = Call((target, self._streams[1]), (times, times), text)
        return {
            f"f32/net_t_step{step}": self.time(step, held),
            f"f32/net_in_v0_step{step}": target,
            f"f32/net_out_v0_step{step}": self._transformer.outputs(call)[0],
        }


def rows(held: tuple[int, ...], batch: int) -> int:
    """Return how often a file holds what is the same for all samples: once, or for each."""
    return 1 if held[:1] == (1,) else batch


def packing(streams: Pair, file: Inputs) -> dict[str, Array]:
    """Return streams and masks as the golden file names them; generated channels are supervised."""
    ours = {"stream_v0": streams[0], "stream_v1": streams[1], "f32/net_in_v1": streams[1]}
    for view in (0, 1):
        given, made = stream_masks(generated=view == 0)
        for kind, mask in zip(MASKS, (given, made, made), strict=True):
            name = f"mask_{kind}_v{view}"
            count = rows(file.shape(name), len(streams[view]))
            ours[name] = np.broadcast_to(mask, (count, len(mask)))
    return ours


CHECKS = (
    Check("noise.npz", (), noise_roles, compute_noise),
    Check("sampler_schedule.npz", (), schedule_roles, compute_schedule),
    Check("sampler_trajectory.npz", (), trajectory_roles, compute_trajectory),
)

"""The files of the release are taken strictly, and nothing in them is run."""

import errno
import io
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from anyview_ros.cli.__main__ import main
from anyview_ros.cli.commands import parser_of
from anyview_ros.errors import AnyviewError
from anyview_ros.model import atomic_directory
from anyview_ros.model.joint import imported as importing
from anyview_ros.model.joint.checkpoint import ByteStream
from anyview_ros.model.joint.imported import import_release, open_import
from anyview_ros.model.joint.package import find_import, size_of_camera
from anyview_ros.model.joint.release import AUTOENCODER, NETWORK, NOTICE, RELEASE, TEXT
from tests.joint.fake_release import write_fake_release
from tests.joint.networks import CODER, SIZES


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fakes")
    write_fake_release(folder, SIZES, CODER)
    return folder


@pytest.fixture
def files(fakes, tmp_path):
    """Copies that a test may spoil."""
    copies = tmp_path / "copies"
    shutil.copytree(fakes, copies)
    return {file: copies / file.name for file in RELEASE}


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def content(path):
    with torch.serialization.safe_globals([(ByteStream, "_io.BytesIO")]):
        return torch.load(path, weights_only=True)


def changed(path, **changes):
    """Replace tensors of a checkpoint by name, or take them out (None)."""
    whole = content(path)
    state = whole.get("model", whole)
    state.update(changes)
    kept = {
        name: value for name, value in state.items() if name not in changes or value is not None
    }
    kept = {name: value for name, value in kept.items() if not isinstance(value, ByteStream)}
    torch.save({"model": kept} if "model" in whole else kept, path)


def refusal(files, models, **options):
    with pytest.raises(AnyviewError) as e:
        import_release(files, models, "fake", **{"any_size": True, **options})
    assert not models.exists() or not list(models.iterdir())
    return e.value


def test_everything_that_is_read_comes_through_unchanged(files, models):
    made = import_release(files, models, "fake", any_size=True)
    again = open_import(made.folder)
    assert (again.network, again.autoencoder) == (SIZES, CODER)
    given = content(files[NETWORK])["model"]
    stored = again.state(NETWORK)
    assert all(torch.equal(value, given[f"net.{name}"]) for name, value in stored.items())
    assert {value.dtype for value in stored.values()} == {torch.bfloat16}
    coder = content(files[AUTOENCODER])
    assert coder.keys() == again.state(AUTOENCODER).keys()
    assert all(torch.equal(again.state(AUTOENCODER)[name], coder[name]) for name in coder)
    assert torch.equal(again.state(TEXT)[TEXT.mark], content(files[TEXT])[TEXT.mark])


def test_the_fake_network_has_the_keys_of_the_release(files):
    state = content(files[NETWORK])["model"]
    assert all(name.startswith("net.") for name in state)
    blocks = {name.split(".", 3)[3] for name in state if name.startswith("net.blocks.1.")}
    assert len([name for name in blocks if name.endswith(".weight")]) == 20
    left = {name for name in state if not name.endswith(("weight", "view_embs_newviews.0"))}
    for name in ("accum_train_in_hours", "pos_embedder.seq", "blocks.0.sattn_rope"):
        assert f"net.{name}" in left
    assert isinstance(state["net.blocks.0.self_attn.q_norm._extra_state"], ByteStream)
    assert state["net.pos_embedder.seq"].tolist() == list(range(128))


def test_the_released_sizes_are_those_of_the_published_files():
    with torch.device("meta"):
        network = importing.JointTransformer(importing.NETWORKS["anyview_dvs_2b"])
        coder = importing.Autoencoder(importing.AUTOENCODERS["cosmos_predict2"]).state_dict()
    unread = 4 * network.config.width**2  # the embedding that is never called
    assert sum(p.numel() for p in network.parameters()) + unread == 1_976_190_976
    assert (sum(value.numel() for value in coder.values()), len(coder)) == (126_892_531, 194)


@pytest.mark.parametrize("out", ["", "other models"])
def test_the_next_command_finds_what_was_imported(files, tmp_path, monkeypatch, capsys, out):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    options = ["--dit", files[NETWORK], "--tokenizer", files[AUTOENCODER], "--text", files[TEXT]]
    options += ["--accept-license", "--any-size", "--name", "fake"]
    options += ["--out", tmp_path / out] if out else []
    assert main(["import", *map(str, options)]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    program, command, *rest = shlex.split(said.removeprefix("next: "))
    args = parser_of(command).parse_args(rest)
    assert (program, command) == ("anyview", "export")
    assert args.size == "16:9"
    where = tmp_path / out if out else tmp_path / "data" / "anyview" / "models"
    assert find_import(args.weights).folder == where / "fake"


def test_a_state_dict_may_lie_below_model_or_not(files, models):
    torch.save(content_without_streams(files[NETWORK]), files[NETWORK])
    import_release(files, models, "flat", any_size=True)


def content_without_streams(path):
    state = content(path)["model"]
    return {name: value for name, value in state.items() if not isinstance(value, ByteStream)}


def test_the_record_says_what_was_imported(files, models, monkeypatch):
    made = import_release(files, models, "fake", any_size=True)
    record = json.loads((made.folder / "import.json").read_text())
    origin = record["origins"]["network"]
    assert (origin["name"], len(origin["sha256"]), origin["published"]) == (
        "anyview_dvs_2b.pt",
        64,
        False,
    )
    assert (made.folder / "LICENCES.md").read_text() == NOTICE
    monkeypatch.setattr(importing, "sha256_of", lambda path: "b2b8a4b3" + 56 * "0")
    assert import_release(files, models, "same", any_size=True).origins["network"].published


def test_the_licence_is_shown_and_must_be_accepted(files, models, capsys):
    options = [f"{file.option}={path}" for file, path in files.items()]
    call = ["import", *options, "--out", str(models), "--name", "fake", "--any-size"]
    assert main(call) == 1
    said = capsys.readouterr()
    assert "non-commercial" in said.out
    assert "licence_not_accepted" in said.err
    assert not models.exists()
    assert main([*call, "--accept-license"]) == 0
    assert "not published, b2b8a4b3..." in capsys.readouterr().out


@pytest.mark.parametrize("file", RELEASE, ids=lambda file: file.name)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(files, models, file, share):
    path = files[file]
    os.truncate(path, int(share * path.stat().st_size))
    error = refusal(files, models)
    assert error.code == "invalid_checkpoint"
    assert path.name in str(error)
    assert "weights_only" not in str(error)


@pytest.mark.parametrize(("a", "b"), [(NETWORK, AUTOENCODER), (NETWORK, TEXT), (AUTOENCODER, TEXT)])
def test_swapped_files_are_told(files, models, a, b):
    error = refusal({**files, a: files[b], b: files[a]}, models)
    assert error.code == "wrong_file"
    assert f"to be given as {b.option}" in str(error)


class Code:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("file", RELEASE, ids=lambda file: file.name)
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_refused_and_not_run(files, models, tmp_path, file, zipped):
    trap = {**content_or_text(files[file]), "x._extra_state": Code(tmp_path / "run")}
    torch.save(trap, files[file], _use_new_zipfile_serialization=zipped)
    error = refusal(files, models)
    assert error.code == "unsafe_checkpoint"
    assert "posix.mkdir" in str(error)
    assert "weights_only" not in str(error)
    assert not (tmp_path / "run").exists()


def content_or_text(path):
    whole = content(path)
    state = whole.get("model", whole)
    return {name: value for name, value in state.items() if not isinstance(value, ByteStream)}


def test_a_byte_stream_is_not_read(files, models):
    """Its content would be code to an unpickler; it stays bytes, and is dropped."""
    state = content_without_streams(files[NETWORK])
    state["net.blocks.0.self_attn.q_norm._extra_state"] = io.BytesIO(b"cposix\nmkdir\n(S'x'\ntR.")
    torch.save({"model": state}, files[NETWORK])
    import_release(files, models, "fake", any_size=True)


NAME = "net.blocks.1.mlp.layer1.weight"


@pytest.mark.parametrize(
    ("file", "change", "code", "text"),
    [
        (NETWORK, {NAME: torch.ones(3, 4)}, "checkpoint_mismatch", r"is \(3, 4\), not \(192, 48\)"),
        (NETWORK, {NAME: None}, "checkpoint_mismatch", r"mlp\.layer1\.weight is missing"),
        (NETWORK, {"net.more": torch.ones(1)}, "checkpoint_mismatch", "more is unknown"),
        (NETWORK, {NAME: torch.ones(192, 48).to(torch.int8)}, "wrong_dtype", "is int8"),
        (NETWORK, {NAME: torch.ones(192, 48).double()}, "wrong_dtype", "is float64"),
        (NETWORK, {NAME: torch.full((192, 48), torch.nan)}, "not_finite", "no finite numbers"),
        (NETWORK, {NAME: 3}, "invalid_checkpoint", "must be a tensor, got int"),
        (NETWORK, {NAME[4:]: torch.ones(192, 48)}, "invalid_checkpoint", "with and without"),
        (
            AUTOENCODER,
            {"conv2.bias": torch.ones(2)},
            "checkpoint_mismatch",
            r"conv2\.bias is \(2,\)",
        ),
        (TEXT, {TEXT.mark: torch.zeros(1, 5, 12)}, "checkpoint_mismatch", "all zeros"),
        (TEXT, {TEXT.mark: torch.ones(5, 12)}, "checkpoint_mismatch", r"is \(5, 12\), not \(1"),
        (TEXT, {TEXT.mark: torch.ones(1, 5, 13)}, "checkpoint_mismatch", r"not \(1, 5, 12\)"),
        (TEXT, {"t5_more": torch.ones(1)}, "checkpoint_mismatch", "t5_more is unknown"),
    ],
)
def test_other_contents_are_refused(files, models, file, change, code, text):
    changed(files[file], **change)
    with pytest.raises(AnyviewError, match=text) as e:
        import_release(files, models, "fake", any_size=True)
    assert e.value.code == code
    assert not models.exists() or not list(models.iterdir())


def test_blocks_that_lack_the_same_are_told_as_one(files, models):
    changed(files[NETWORK], **{f"net.blocks.{n}.mlp.layer1.weight": None for n in range(2)})
    assert "blocks.*.mlp.layer1.weight is missing (2 times)" in str(refusal(files, models))


def test_another_family_is_refused(files, models):
    state = {"blocks.0.self_attn.q.weight": torch.ones(4, 4), "head.modulation": torch.ones(2)}
    torch.save(state, files[NETWORK])
    error = refusal(files, models)
    assert (error.code, "published as anyview_dvs_2b.pt" in str(error)) == ("wrong_file", True)


def test_other_sizes_need_to_be_asked_for(files, models):
    error = refusal(files, models, any_size=False)
    assert error.code == "checkpoint_mismatch"
    assert "is missing (" in str(error)


def test_a_missing_file_is_named(files, models):
    files[TEXT].unlink()
    error = refusal(files, models)
    assert (error.code, "default_text_emb.pt" in str(error)) == ("missing_file", True)


def test_what_is_no_checkpoint_is_refused(files, models):
    for whole in (torch.ones(3), {"model": 3}, {}, {1: torch.ones(1)}):
        torch.save(whole, files[NETWORK])
        assert refusal(files, models).code == "invalid_checkpoint"
    files[NETWORK].write_text("hello")
    assert refusal(files, models).code == "invalid_checkpoint"


def test_a_model_is_not_written_over(files, models):
    import_release(files, models, "fake", any_size=True)
    with pytest.raises(AnyviewError, match="exists already") as e:
        import_release(files, models, "fake", any_size=True)
    assert e.value.code == "model_exists"
    for name in ("", "..", "a/b", ".hidden"):
        with pytest.raises(AnyviewError, match="a model's name") as e:
            import_release(files, models, name, any_size=True)
        assert e.value.code == "invalid_name"


def test_a_disk_without_room_is_told_and_nothing_is_left(files, models, monkeypatch):
    usage = shutil.disk_usage(models.parent)
    with monkeypatch.context() as patch:
        patch.setattr(atomic_directory.shutil, "disk_usage", lambda path: usage._replace(free=9))
        assert refusal(files, models).code == "disk_full"

    def full(path: Path, *arguments):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(importing, "write_tensors", full)
    assert refusal(files, models).code == "disk_full"


def test_an_import_that_was_changed_is_refused(files, models):
    folder = import_release(files, models, "fake", any_size=True).folder
    assert find_import(str(folder)).network == SIZES
    (folder / "text.safetensors").write_bytes(b"")
    with pytest.raises(AnyviewError) as e:
        open_import(folder)
    assert e.value.code == "model_damaged"
    for text in ("{}", "[]", "?", '{"format": "anyview-import-1"}'):
        (folder / "import.json").write_text(text)
        with pytest.raises(AnyviewError) as e:
            open_import(folder)
        assert e.value.code == "invalid_import"
    with pytest.raises(AnyviewError) as e:
        find_import(str(models / "other"))
    assert e.value.code == "unknown_weights"


@pytest.mark.parametrize(
    ("camera", "size"),
    [
        ("16:9", (304, 576)),
        ("4:3", (432, 576)),
        ("1:1", (576, 576)),
        ("3:4", (576, 432)),
        ("1280x720", (304, 576)),
        ("1920x1200", (352, 576)),
        ("640x480", (432, 576)),
    ],
)
def test_cameras_have_the_sizes_of_the_release(camera, size):
    assert size_of_camera(camera) == size


@pytest.mark.parametrize("camera", ["", "16", "0:9", "axb", "16:9:4", "-1x5", "1920x1080 "])
def test_what_is_no_camera_is_refused(camera):
    with pytest.raises(AnyviewError) as e:
        size_of_camera(camera)
    assert e.value.code == "invalid_size"

"""The demonstration's networks: small, of any size of image, and trained by what lowers the loss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from xai_widgets.demo import build, networks, pictures


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small steps on a busy machine: threads would wait for each other
    yield
    torch.set_num_threads(before)


def test_networks_are_small() -> None:
    assert networks.weights(networks.QualityNet()) <= 300_000
    files = sorted(path.name for path in networks.CHECKPOINTS.glob("*.safetensors"))
    assert files == ["quality-0.safetensors", "quality-1.safetensors", "quality-2.safetensors", "scenes.safetensors"]
    assert all((networks.CHECKPOINTS / name).stat().st_size <= 1_000_000 for name in files)


def test_runs_differ() -> None:
    first, second, third = (load_file(networks.CHECKPOINTS / f"quality-{run}.safetensors") for run in range(3))
    assert not torch.allclose(first["head.0.weight"], second["head.0.weight"])
    assert not torch.allclose(second["head.0.weight"], third["head.0.weight"])


def test_quality_score_is_the_mean_of_patch_scores_at_any_size() -> None:
    network = networks.quality_network()
    with torch.no_grad():
        for height, width in [(32, 32), (160, 160), (97, 131)]:
            answer = network(torch.rand(2, 3, height, width))
            assert answer["score"].shape == (2,)
            torch.testing.assert_close(answer["score"], answer["patches"].mean(dim=(1, 2)))
            assert answer["patches"].min() >= 0
            assert answer["patches"].max() <= 1
        assert network.features(network.contrast(torch.rand(1, 3, 160, 160))).shape == (1, 96, 20, 20)


def test_scene_network_takes_any_size() -> None:
    network = networks.scene_network()
    with torch.no_grad():
        for size in [(32, 32), (96, 96), (192, 192), (75, 140)]:
            assert network(torch.rand(2, 3, *size)).shape == (2, 15)


@pytest.mark.parametrize("make", [networks.quality_network, networks.scene_network])
def test_rows_of_a_batch_do_not_touch_each_other(make: type[nn.Module]) -> None:
    network, images = make(), torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    together = build.predict(network, images)
    alone = torch.cat([build.predict(network, image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", [networks.quality_network, networks.scene_network])
@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_unfit_input_is_refused(make: type[nn.Module], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"sides of at least 32, got {shape}")):
        make()(torch.rand(shape))


def test_unknown_run_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 2, got 3"):
        networks.quality_network(3)


def test_agreement_is_pearson_and_mean_absolute_error() -> None:
    scores, ratings = torch.tensor([0.1, 0.4, 0.9]), torch.tensor([0.2, 0.4, 0.7])
    r, error = build.agreement(scores, ratings)
    assert r == pytest.approx(np.corrcoef(scores, ratings)[0, 1], abs=1e-6)
    assert error == pytest.approx(0.1, abs=1e-6)


def test_training_lowers_the_loss_and_repeats() -> None:
    data = build.quality_data(("astronaut", "grass"), 48, quiet=True)
    plan = build.Plan(quality_epochs=6, batch=16)
    network, history = build.train_quality(data, plan, seed=3, quiet=True)
    again, _ = build.train_quality(data, plan, seed=3, quiet=True)
    assert history[-1] < 0.7 * history[0]
    assert not network.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-4, rtol=1e-3)


def test_patch_targets_are_the_rating_place_by_place() -> None:
    data = build.quality_data(("astronaut",), 12, quiet=True)
    assert data.patches.shape == (12, build.CROP // 8, build.CROP // 8)
    assert (data.patches.mean(dim=(1, 2)) - data.ratings).abs().max() < 0.05


def test_scene_training_lowers_the_loss() -> None:
    crops, classes = build.scene_data(6)
    assert sorted(set(classes.tolist())) == list(range(15))
    _, history = build.train_scenes(crops, classes, build.Plan(scene_epochs=5, batch=16), quiet=True)
    assert history[-1] < 0.9 * history[0]


def test_validation_trains_and_tests_on_training_photographs_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []
    make = build.quality_data

    def noted(photographs: list[str], count: int) -> build.QualityData:
        trained.extend(photographs)
        return make(photographs, count, quiet=True)

    monkeypatch.setattr(build, "quality_data", noted)
    monkeypatch.setattr(build, "QUICK", build.Plan(quality_crops=16, quality_epochs=1, batch=8))
    build.main(["--quick", "--validate", "--to", "unused"])
    printed = capsys.readouterr().out
    assert {line.split()[0] for line in printed.splitlines()} >= {"all", *pictures.VALIDATION}
    assert not any(name in printed for name in pictures.HELD_OUT)
    assert set(trained) == set(pictures.TRAINING) - set(pictures.VALIDATION)
    assert not Path("unused").exists()


def test_quick_build_does_not_replace_the_bundled_networks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build.main(["--quick"])
    assert "--quick needs --to" in capsys.readouterr().err

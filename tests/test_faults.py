"""After a fault at any point of a kernel or an answer, the user's network is what it was and the next answer right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tiny
import torch
from families import FAMILIES, scores_of
from torch import Tensor, nn
from untouched import REGISTER, Fault, Faults, Interrupt, faults, untouched

from xai_widgets import ImageModel, Session
from xai_widgets.kernels import ablation, measures
from xai_widgets.kernels.cam import class_contrast, grad_cam
from xai_widgets.kernels.tail import Shell, Tail


class Branches(nn.Module):
    """Two branches, one of which runs twice, batch norm and a shortcut; in training mode, with gradients and a hook."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
            self.twice, self.once = nn.Conv2d(6, 6, 3, 1, 1), nn.Conv2d(6, 6, 1)
            self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.twice(self.twice(x).relu()) + self.once(x).sigmoid()
        scores: Tensor = self.head(y.mean((2, 3), keepdim=True))
        return scores


def network_of(kind: str) -> nn.Module:
    network = Branches() if kind == "branches" else FAMILIES[kind].network()
    network.train()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    next(network.parameters()).requires_grad_(False)
    next(network.children()).register_forward_hook(lambda module, args, output: None)
    return network


LAYER = {"branches": "once", "vit": "encoder.layers.encoder_layer_1.ln_1"}
IMAGES = {"branches": torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)), "vit": None}


def images_of(kind: str) -> Tensor:
    own = IMAGES[kind]
    return FAMILIES[kind].images() if own is None else own


def removed(tail: Tail) -> Tensor:
    maps = tail.maps.clone()
    maps[:, 2] = 0
    return maps


def made(shell: Shell, kind: str) -> Tensor:
    return scores_of(Tail(shell, LAYER[kind], images_of(kind)).result)


def replayed(shell: Shell, kind: str) -> Tensor:
    tail = Tail(shell, LAYER[kind], images_of(kind))
    return scores_of(tail(removed(tail)))


def explained(shell: Shell, kind: str) -> Tensor:
    return grad_cam(Tail(shell, LAYER[kind], images_of(kind)), scores_of, 1)


def contrasted(shell: Shell, kind: str) -> Tensor:
    return class_contrast(Tail(shell, LAYER[kind], images_of(kind)), scores_of, 2)


def ablated(shell: Shell, kind: str) -> Tensor:
    return ablation.delta_y(Tail(shell, LAYER[kind], images_of(kind)), scores_of, 1, batch=8)


JOBS: dict[str, Callable[[Shell, str], Tensor]] = {
    "tail": made, "replay": replayed, "grad_cam": explained, "contrast": contrasted, "delta_y": ablated,
}  # fmt: skip


@pytest.mark.parametrize("error", [Fault, Interrupt])
@pytest.mark.parametrize("where", REGISTER)
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("kind", LAYER)
def test_a_fault_at_each_module_in_turn(kind: str, job: str, where: str, error: type[BaseException]) -> None:
    network = network_of(kind)
    same = untouched(network)
    expected = JOBS[job](Shell(network), kind)
    with faults(-1, where, not_of=network) as counted:
        JOBS[job](Shell(network), kind)
    if where == "backward" and job not in ("grad_cam", "contrast"):
        assert counted.calls == 0
        return
    assert counted.calls > 3
    raised, step = 0, max(1, counted.calls // (8 if error is Interrupt or kind == "vit" else 40))
    for at in range(0, counted.calls, step):
        shell = Shell(network)
        try:
            with faults(at, where, error, not_of=network):
                assert torch.equal(JOBS[job](shell, kind), expected)  # what comes again is found by trying again
        except error:
            raised += 1
        same()
        assert torch.allclose(JOBS[job](shell, kind), expected, atol=1e-6), f"after a fault at call {at}"
        assert torch.allclose(replayed(shell, kind), replayed(Shell(network), kind), atol=1e-6)
        same()
    assert raised >= 0.5 * len(range(0, counted.calls, step))
    same()


@pytest.mark.parametrize("error", [Fault, Interrupt])
def test_a_fault_in_the_score_or_between_batches(error: type[BaseException]) -> None:
    network = network_of("branches")
    same = untouched(network)
    shell = Shell(network)
    tail = Tail(shell, LAYER["branches"], images_of("branches"))
    expected = ablation.delta_y(tail, scores_of, 1, batch=2)
    photo = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))

    def explain(photos: Tensor) -> Tensor:
        return grad_cam(Tail(shell, LAYER["branches"], photos), scores_of, 1).relu()

    def noise(step: Callable[[], None] | None) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return measures.noise_robustness(explain, photo, generator=generator, step=step)

    robust = noise(None)
    counted = Faults(-1)

    def scored(fault: Faults) -> Callable[[Any], Tensor]:
        def score(result: Any) -> Tensor:
            fault()
            return scores_of(result)

        return score

    ablation.delta_y(tail, scored(counted), 1, batch=2)
    assert counted.calls >= 2
    for at in range(counted.calls):
        with pytest.raises(error):
            ablation.delta_y(tail, scored(Faults(at, error)), 1, batch=2)
        with pytest.raises(error):
            grad_cam(tail, scored(Faults(0, error)), 1)
        with pytest.raises(error):
            noise(Faults(0, error))
        same()
        assert torch.equal(ablation.delta_y(tail, scores_of, 1, batch=2), expected)
    assert torch.equal(noise(None), robust)
    same()


def test_a_fault_during_any_answer_of_a_session(make_session: Callable[..., Session]) -> None:
    network = tiny.TinyNet().train()
    model = ImageModel(network, None, "features", range=(0, 1), name="tiny")
    images = tiny.rated()
    same = untouched(network)
    session = make_session(model, images)
    names = list(images)
    fired = shown = 0
    with torch.no_grad():
        weights = network.head.weight[0]
        known = {name: network(model.inputs(images.photo(name)))[0] for name in names}
        means = {name: network.features(model.inputs(images.photo(name))).mean((2, 3))[0] for name in names}
    for at in [*range(12), 20, 40]:
        with faults(at, not_of=network) as fault:
            session.ask(image=names[at % 3], gains={at % tiny.MAPS: 0.5 + at / 100})
            session.measure()
            assert session.wait(60)
            shown += "a fault at call" in session.error
        fired += fault.calls > at
        same()
        name = names[(at + 1) % 3]
        session.ask(image=name, gains={})
        session.measure()
        assert session.wait(60)
        assert "a fault" not in session.error
        assert session.output is not None
        assert session.impacts is not None
        assert session.measures is not None
        assert float(session.output.scores[0]) == pytest.approx(float(known[name]), abs=1e-6)
        assert torch.allclose(torch.as_tensor(session.impacts.delta_y), -weights * means[name], atol=1e-5)
        same()
    assert fired >= 3
    assert shown >= 1

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
from xai_widgets.kernels import ablation, cam, gradients, measures, mismatch, receipts, screening
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


BACKWARD = ("grad_cam", "contrast")  # jobs with a backward pass
PLACES = [(job, where) for job in JOBS for where in REGISTER if where != "backward" or job in BACKWARD]


@pytest.mark.parametrize("kind", LAYER)
@pytest.mark.parametrize("job", JOBS)
def test_only_what_takes_gradients_goes_back(kind: str, job: str) -> None:
    network = network_of(kind)
    with faults(-1, "backward", not_of=network, here=True) as counted:
        JOBS[job](Shell(network), kind)
    assert (counted.calls > 0) == (job in BACKWARD)


@pytest.mark.parametrize("error", [Fault, Interrupt])
@pytest.mark.parametrize(("job", "where"), PLACES)
@pytest.mark.parametrize("kind", LAYER)
def test_a_fault_at_each_module_in_turn(kind: str, job: str, where: str, error: type[BaseException]) -> None:
    network = network_of(kind)
    same = untouched(network)
    expected = JOBS[job](Shell(network), kind)
    with faults(-1, where, not_of=network, here=True) as counted:
        JOBS[job](Shell(network), kind)
    assert counted.calls > 3
    raised, step = 0, max(1, counted.calls // (3 if error is Interrupt or kind == "vit" else 12))
    places = range(counted.calls - 1, -1, -step)  # the last is in the work itself, not in what is tried first
    for at in places:
        shell = Shell(network)
        try:
            with faults(at, where, error, not_of=network, here=True):
                assert torch.equal(JOBS[job](shell, kind), expected)  # what comes again is found by trying again
        except error:
            raised += 1
        same()
        assert torch.allclose(JOBS[job](shell, kind), expected, atol=1e-6), f"after a fault at call {at}"
        assert torch.allclose(replayed(shell, kind), replayed(Shell(network), kind), atol=1e-6)
        same()
    # A fault while a layer is tried out is met by trying again, and the trials are more than half of all calls.
    assert raised >= 0.25 * len(places)
    same()


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def groups(tail: Tail) -> Tensor:
    return torch.rand(6, tail.maps.shape[1], generator=seeded()) > 0.5


def patches(result: Any) -> Tensor:
    return scores_of(result)[:, :4].unflatten(1, (2, 2))


def little_less(tail: Tail) -> float:
    return float(scores_of(tail.result)[0, 1]) - 0.02


KERNELS: dict[str, Callable[[Tail], Tensor]] = {
    "group_scores": lambda tail: ablation.group_scores(tail, scores_of, groups(tail), batch=4),
    "smallest_change": lambda tail: cam.smallest_change(tail, scores_of, little_less(tail), target=1).saliency,
    "place_receipt": lambda tail: (
        receipts.place_receipt(tail, scores_of, tail.maps[0].abs().sum(0), generator=seeded(), batch=8).random
    ),
    "map_receipt": lambda tail: (
        receipts.map_receipt(tail, scores_of, torch.tensor([0, 2]), generator=seeded(), batch=8).random
    ),
    "screened_delta_y": lambda tail: screening.screened_delta_y(tail, scores_of, 1, top=2).delta_y,
}
SLOPES: dict[str, Callable[[Tail], Tensor]] = {
    "first_order": lambda tail: ablation.first_order(tail, scores_of, 1),
    "all_contrasts": lambda tail: cam.all_contrasts(tail, scores_of),
    "counterfactual": lambda tail: cam.counterfactual(tail, scores_of),
    "score_contrast": lambda tail: cam.score_contrast(tail, lambda result: scores_of(result)[:, :1], 0.3),
    "patch_contrast": lambda tail: cam.patch_contrast(tail, patches, 0.3).signed,
    "implicit_saliency": lambda tail: mismatch.implicit_saliency(tail, scores_of, batch=3),
    "uniform_gradient": lambda tail: mismatch.uniform_gradient(tail, scores_of),
    "gradient": lambda tail: gradients.gradient(tail, None, gradients.of_output(1), score=scores_of),
    "input_x_gradient": lambda tail: gradients.input_x_gradient(
        tail, None, gradients.of_class_contrast(2), score=scores_of
    ),
    "smooth_grad": lambda tail: gradients.smooth_grad(
        tail, None, gradients.of_output(1), score=scores_of, generator=seeded(), n_samples=2
    ),
    "guided_backpropagation": lambda tail: gradients.guided_backpropagation(
        tail, None, gradients.of_output(1), score=scores_of
    ),
}


EACH = [(kind, name) for kind in LAYER for name in KERNELS | SLOPES]
EACH.remove(("vit", "guided_backpropagation"))  # has no ReLU


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_fault_early_in_the_middle_and_late_in_any_kernel(kind: str, name: str) -> None:
    network, kernel = network_of(kind), (KERNELS | SLOPES)[name]
    same = untouched(network)
    expected = kernel(Tail(network, LAYER[kind], images_of(kind)))
    assert expected.isfinite().all()
    assert expected.abs().max() > 0
    for where in REGISTER if kind == "branches" else ("before a module", "backward"):
        tail = Tail(network, LAYER[kind], images_of(kind))
        assert torch.equal(kernel(tail), expected)  # the first use tries more
        with faults(-1, where, not_of=network) as counted:
            kernel(tail)
        assert (counted.calls > 0) == (where != "backward" or name in SLOPES)
        raised, chosen = 0, sorted({0, counted.calls // 2, counted.calls - 1}) if counted.calls else []
        for at, error in zip(chosen, (Fault, Interrupt, Fault), strict=False):
            tail = tail if at else Tail(network, LAYER[kind], images_of(kind))
            try:
                with faults(at, where, error, not_of=network):
                    assert torch.equal(kernel(tail), expected)  # what comes again is found by trying again
            except error:
                raised += 1
            same()
            assert torch.allclose(kernel(tail), expected, atol=1e-6), f"after a fault {where} at call {at}"
        assert raised >= len(chosen) - 1
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
        assert torch.allclose(torch.tensor(session.impacts.delta_y), -weights * means[name], atol=1e-5)
        same()
    assert fired >= 3
    assert shown >= 1

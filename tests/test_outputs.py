"""What outputs mean: scores, logits and probabilities of each task, contrasts of them, and networks that end in one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from unchecked import refused
from untouched import untouched

from xai_widgets.kernels import cam, gradients, mismatch
from xai_widgets.kernels.endings import Ending, ending_of, logits_shell
from xai_widgets.kernels.outputs import Outputs, are_log_probabilities, are_probabilities
from xai_widgets.kernels.tail import Shell, Tail

Z = torch.tensor([[2.0, -1.0, 0.5], [0.0, 30.0, -30.0]], dtype=torch.float64)
ONE = torch.tensor([[1.3], [-0.4]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Body(nn.Module):
    """Logits of k classes from one layer."""

    def __init__(self, k: int, bias: float = 0.0) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, k))
        with torch.no_grad():
            self.get_parameter("head.2.bias")[0] += bias

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layer(images).mean((2, 3)))
        return logits


class Then(nn.Module):
    """A body, and what is done to its logits."""

    def __init__(self, body: nn.Module, then: Callable[[Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.body, self.then = body, then
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, images: Tensor) -> Any:
        return self.then(self.body(images))


def identity(result: Any) -> Any:
    return result


def images(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 13, 13).double()


def body(k: int, bias: float = 0.0) -> Body:
    return Body(k, bias).double().eval()


def tail_of(network: nn.Module, layer: str = "layer", n: int = 1) -> Tail:
    return Tail(network, layer, images(n))


def close(found: Tensor | None, expected: Tensor) -> None:
    assert found is not None
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)


# The table


@pytest.mark.parametrize(
    ("outputs", "given", "scores", "logits", "probabilities"),
    [
        (Outputs(), Z, Z, Z, Z.softmax(1)),
        (Outputs(form="probabilities"), Z.softmax(1), Z.log_softmax(1), Z.log_softmax(1), Z.softmax(1)),
        (Outputs(form="log-probabilities"), Z.log_softmax(1), Z.log_softmax(1), Z.log_softmax(1), Z.softmax(1)),
        (Outputs("binary"), ONE, torch.cat((-ONE, ONE), 1), torch.cat((0 * ONE, ONE), 1),
         torch.cat(((-ONE).sigmoid(), ONE.sigmoid()), 1)),
        (Outputs("binary", form="probabilities"), ONE.sigmoid(), torch.cat((-ONE, ONE), 1),
         torch.cat((0 * ONE, ONE), 1), torch.cat((1 - ONE.sigmoid(), ONE.sigmoid()), 1)),
        (Outputs("multilabel"), Z, Z, Z, Z.sigmoid()),
        (Outputs("multilabel", form="probabilities"), Z[:1].sigmoid(), Z[:1], Z[:1], Z[:1].sigmoid()),
    ],
)  # fmt: skip
def test_the_scores_logits_and_probabilities_of_a_task(
    outputs: Outputs, given: Tensor, scores: Tensor, logits: Tensor, probabilities: Tensor
) -> None:
    close(outputs(given), scores)
    close(outputs.logits(given), logits)
    close(outputs.probabilities(given), probabilities)
    assert not outputs.rounded_away(given).any() or outputs.form != "logits"


def test_scores_have_no_probabilities_and_are_no_classes() -> None:
    outputs = Outputs("regression", ("valence", "arousal", "dominance"), ranges=[(0, 1), None, (0, 100)])
    assert torch.equal(outputs(Z), Z)
    assert outputs.probabilities(Z) is None
    assert outputs.ranges == ((0.0, 1.0), None, (0.0, 100.0))
    with pytest.raises(ValueError, match="a contrast of classes needs classes; these outputs are scores"):
        outputs.logits(Z)


def test_probabilities_are_never_put_through_a_softmax_again() -> None:
    sure = torch.tensor([[0.9998, 0.0001, 0.0001]])
    assert are_probabilities(sure)
    given = Outputs(form="probabilities").probabilities(sure)
    assert given is not None
    assert torch.equal(given, sure)
    assert float(sure.softmax(1)[0, 0]) < 0.58  # what was said before
    assert are_log_probabilities(sure.log())


@pytest.mark.parametrize("other", [Z, -Z.softmax(1), 1.01 * Z.softmax(1), ONE.sigmoid(), Z.sigmoid()])
def test_other_numbers_are_no_probabilities_of_classes(other: Tensor) -> None:
    assert not are_probabilities(other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_probabilities_in_half_precision_sum_to_one_as_well_as_they_can(dtype: torch.dtype) -> None:
    assert are_probabilities(torch.randn(4, 1000).softmax(1).to(dtype))


def test_the_logarithm_of_a_probability_near_one_is_flagged() -> None:
    outputs = Outputs(form="probabilities")
    near = torch.tensor([[1 - 2e-7, 2e-7, 0.0], [0.99999, 0.00001, 0.0]])
    assert outputs.rounded_away(near).tolist() == [[True, False, True], [False, False, True]]
    assert outputs(near).isfinite().all()
    assert Outputs(form="log-probabilities").rounded_away(near[:1].log().clamp(min=-80)).tolist() == [
        [True, False, False]
    ]
    exact = torch.tensor([[1 - 1e-9, 1e-9]], dtype=torch.float64)
    assert not outputs.rounded_away(exact).any()
    assert not Outputs().rounded_away(40 * Z).any()


# Contrasts


def test_contrasts_of_log_probabilities_are_those_of_logits_though_the_cams_differ() -> None:
    network = body(3)
    plain, ended = tail_of(network), Tail(Then(network, lambda z: F.softmax(z, 1)).eval(), "body.layer", images())
    ended = Tail(ended.shell, "body.layer", plain.inputs)
    outputs = Outputs(form="probabilities")
    close(cam.all_contrasts(ended, outputs), cam.all_contrasts(plain, identity))
    for target in (None, 1):
        for q in range(3):
            found = cam.class_contrast(ended, outputs, q, target=target)
            torch.testing.assert_close(found, cam.class_contrast(plain, identity, q, target=target))
    own, logit = cam.grad_cam(ended, outputs, 0), cam.grad_cam(plain, identity, 0)
    assert (own - logit).abs().max() > 0.05 * logit.abs().max()
    spread = torch.einsum("nk,nkhw->nhw", plain.result.softmax(1), cam.class_cams(plain, identity))
    close(own, logit - spread)  # log p_j is z_j - logsumexp(z)


def test_binary_contrasts_are_those_of_0_and_the_logit() -> None:
    network = body(1)
    with torch.no_grad():
        tail = tail_of(network)
        network.get_parameter("head.2.bias")[:] += 1.3 - float(tail.result)
    tail = Tail(network, "layer", tail.inputs)
    assert float(tail.result) == pytest.approx(1.3)
    outputs, own = Outputs("binary", ("cat", "dog")), cam.grad_cam(tail, identity, 0)
    sure = 1 / (1 + math.exp(-1.3))
    assert (round(sure, 2), round(sure - 1, 2)) == (0.79, -0.21)
    close(cam.class_contrast(tail, outputs, "cat"), sure * own)
    close(cam.class_contrast(tail, outputs, "dog"), (sure - 1) * own)
    close(cam.all_contrasts(tail, outputs), torch.stack((sure * own, (sure - 1) * own), 1))
    close(cam.class_contrast(tail, outputs, "dog", target="cat"), -own)
    close(cam.grad_cam(tail, outputs, "dog"), own)
    close(cam.grad_cam(tail, outputs, "cat"), -own)
    asked = gradients.of_class_contrast("cat")
    plain = gradients.gradient(tail, None, gradients.of_output(0))
    close(gradients.gradient(tail, None, asked, score=outputs), sure * plain)
    labels = mismatch.label_gradients(tail, outputs, ["cat", "dog"])
    close(labels[0] * (sure - 1), labels[1] * sure)


def test_labels_that_do_not_exclude_each_other_are_held_against_one_another() -> None:
    tail, outputs = tail_of(body(3), n=2), Outputs("multilabel", ("sun", "sea", "sand"))
    cams, largest = cam.class_cams(tail, identity), tail.result.argmax(1)
    own = cams[torch.arange(2), largest][:, None]
    close(cam.all_contrasts(tail, outputs), own - cams)
    close(cam.class_contrast(tail, outputs, "sun", target="sand"), cams[:, 2] - cams[:, 0])
    with pytest.raises(ValueError, match="must be another class than the target: of classes that do not exclude"):
        cam.class_contrast(tail, outputs, largest)
    with pytest.raises(ValueError, match="needs classes that exclude each other"):
        mismatch.implicit_saliency(Tail(tail.shell, "layer", tail.inputs[:1]), outputs)


def test_of_several_scores_one_is_asked_about_by_name() -> None:
    tail, outputs = tail_of(body(3)), Outputs("regression", ("valence", "arousal", "dominance"))
    expected = cam.score_contrast(tail, lambda result: result[:, 1:2], -4.0)
    assert expected.max() > 0
    close(cam.score_contrast(tail, outputs, -4.0, target="arousal"), expected)
    for ask in (
        lambda: cam.counterfactual(tail, outputs),
        lambda: gradients.gradient(tail, score=outputs),
    ):
        with pytest.raises(ValueError, match="of 3 scores none is the predicted one; choose one by `target`"):
            ask()
    with pytest.raises(ValueError, match="these outputs are scores"):
        cam.class_contrast(tail, outputs, 0)


# Words


def test_titles_name_the_score() -> None:
    assert Outputs(labels=("cat", "dog")).words(1) == "dog"
    assert Outputs(labels=("cat", "dog"), form="probabilities").words(1) == "the log-probability of dog"
    assert Outputs("binary").words(0) == "class 0"
    assert Outputs("regression").words(2) == "score 2"


def test_a_name_that_several_outputs_have_is_not_guessed() -> None:
    outputs = Outputs(labels=("crane", "cup", "crane"))
    assert cam.grad_cam(tail_of(body(3)), outputs, "cup").abs().max() > 0
    with pytest.raises(ValueError, match="target must be a number where 2 outputs have its name, got 'crane'"):
        cam.grad_cam(tail_of(body(3)), outputs, "crane")


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "task must be one of classification, binary, .*, got 'both'", {"task": "both"}),
        (ValueError, "form must be logits or probabilities for binary, got 'scores'",
         {"task": "binary", "form": "scores"}),
        (TypeError, "labels must be a list of names, got 'cat'", {"labels": "cat"}),
        (ValueError, "labels must name the two classes of a binary task, got 3 names",
         {"task": "binary", "labels": ("a", "b", "c")}),
        (ValueError, "ranges are for scores of a regression", {"ranges": [(0, 1)]}),
        (TypeError, "a range must be the lowest and the highest score", {"task": "regression", "ranges": [3]}),
        (ValueError, "the lower one first, got", {"task": "regression", "ranges": [(1, 0)]}),
    ],
)  # fmt: skip
def test_outputs_that_mean_nothing_are_refused(error: type[Exception], message: str, options: dict[str, Any]) -> None:
    with refused(error, message):
        Outputs(**options)


@pytest.mark.parametrize(
    ("error", "message", "outputs", "given"),
    [
        (ValueError, "a binary task needs one output, got 3", Outputs("binary"), Z),
        (ValueError, "a classification needs at least 2 outputs, got one", Outputs(), ONE),
        (ValueError, "labels must be one for each of the 3 outputs, got 2", Outputs(labels=("a", "b")), Z),
        (ValueError, "said to be probabilities, but the probabilities are -30 to 30", Outputs(form="probabilities"), Z),
        (ValueError, "whose sum is 1, got a sum of 0.5", Outputs(form="probabilities"), Z.softmax(1) / 2),
        (ValueError, "said to be log-probabilities, but", Outputs(form="log-probabilities"), Z),
        (TypeError, "the outputs must be a tensor, got dict", Outputs(), {"logits": Z}),
        (ValueError, "the outputs must have the axes images, outputs", Outputs(), Z[0]),
    ],
)
def test_outputs_that_are_not_what_they_are_said_to_be_are_refused(
    error: type[Exception], message: str, outputs: Outputs, given: Any
) -> None:
    with refused(error, message):
        outputs(given)


# Networks that end in a softmax or a sigmoid


ENDINGS: dict[str, tuple[nn.Module, int, Callable[[Tensor], Tensor]]] = {
    "softmax": (nn.Softmax(1), 3, lambda z: z.softmax(1)),
    "log-softmax": (nn.LogSoftmax(-1), 3, lambda z: z.log_softmax(1)),
    "sigmoid": (nn.Sigmoid(), 1, lambda z: z.sigmoid()),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ENDINGS)
def test_the_input_of_an_ending_is_read(kind: str, nested: bool) -> None:
    part, k, ended = ENDINGS[kind]
    plain = body(k, bias=9.0)
    network = nn.Sequential(plain, nn.Sequential(part, nn.Identity()) if nested else part).train()
    inputs, same = images(2), untouched(network)
    found = ending_of(Shell(network), inputs)
    assert found == Ending("1.0" if nested else "1", kind)
    shell = logits_shell(network, found)
    with torch.no_grad():
        assert torch.equal(shell.network(inputs), plain(inputs))
        assert torch.equal(network.eval()(inputs), ended(plain(inputs)))
    tail = Tail(shell, "0.layer", inputs)
    for q in range(k):
        assert torch.equal(cam.grad_cam(tail, identity, q), cam.grad_cam(Tail(plain, "layer", inputs), identity, q))
    network.train()
    same()


def test_an_ending_is_found_in_a_part_of_what_is_returned() -> None:
    def then(z: Tensor) -> dict[str, Tensor]:
        return {"features": z.detach() * 2, "scores": network.get_submodule("end")(z)[:, :, None]}

    network = Then(body(3), then, end=nn.Softmax(1)).eval()
    assert ending_of(Shell(network), images()) is None
    found = ending_of(Shell(network), images(), lambda result: result["scores"][..., 0])
    assert found == Ending("end", "softmax")


@pytest.mark.parametrize(
    "then",
    [
        lambda network: lambda z: network.end(z) * 100,
        lambda network: lambda z: network.end(z).mul_(100),
        lambda network: lambda z: network.end(z)[:, :2],
        lambda network: lambda z: torch.cat((network.end(z), network.end(-z)), 1),
        lambda network: lambda z: network.end(network.end(z)),
        lambda network: lambda z: z + 0 * network.end(z),
        lambda network: lambda z: z.softmax(1),
        lambda network: lambda z: network.other(z),
    ],
    ids=["times 100", "in place", "a part", "beside another", "twice", "unused", "a function", "over images"],
)
def test_networks_that_do_not_end_so_are_left_as_they_are(then: Callable[[Any], Callable[[Tensor], Tensor]]) -> None:
    network = Then(body(3), identity, end=nn.Softmax(1), other=nn.Softmax(0)).eval()
    network.then = then(network)
    assert ending_of(Shell(network), images(2)) is None


def test_a_network_without_such_a_part_is_not_run() -> None:
    class Never(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError

    assert ending_of(Shell(Never()), images()) is None

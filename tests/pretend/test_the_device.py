"""The pretend device itself: it allows and refuses what a GPU does, and counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pretend_device import DEVICE, Pretend, counting, no_waiting
from torch import Tensor, nn
from torch.nn import functional


def network() -> Any:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(4, 2)).eval()


def there(*shape: int) -> Tensor:
    return torch.rand(*shape).to(DEVICE)


def test_a_network_runs_forward_and_back_there() -> None:
    image = torch.rand(1, 3, 9, 9)
    expected = network()(image)
    moved = network().to("pretend")
    assert {parameter.device for parameter in [*moved.parameters(), *moved.buffers()]} == {DEVICE}
    result = moved(image.to("pretend"))
    assert result.device == DEVICE
    result.sum().backward()
    assert moved[0][0].weight.grad.device == DEVICE
    assert torch.equal(result.detach().cpu(), expected.detach())
    assert moved.to("cpu")(image).device.type == "cpu"


MAKERS: list[Callable[[], Tensor]] = [
    lambda: torch.zeros(2, device="pretend"),
    lambda: torch.tensor([1.0, 2.0], device="pretend"),
    lambda: torch.as_tensor(np.ones(2), device=DEVICE),
    lambda: torch.rand(2).to("pretend:0"),
    lambda: there(2).new_tensor([1.0, 2.0]),
    lambda: there(2).new_zeros(3),
    lambda: torch.arange(3, device=DEVICE),
    lambda: torch.triu_indices(3, 3, 1, device=DEVICE),
    lambda: torch.full((2,), 1.0, device=DEVICE),
    lambda: torch.eye(2, device=DEVICE),
    lambda: torch.linspace(0, 1, 3, device=DEVICE),
    lambda: torch.randperm(3, device=DEVICE),
]


@pytest.mark.parametrize("make", MAKERS)
def test_tensors_are_made_there_in_every_thread(make: Callable[[], Tensor]) -> None:
    found = [make()]
    thread = threading.Thread(target=lambda: found.append(make() + 1))
    thread.start()
    thread.join()
    assert [type(tensor) for tensor in found] == [Pretend, Pretend]
    assert {tensor.device for tensor in found} == {DEVICE}
    assert found[0].numel() > 1
    assert found[0].shape == found[0].cpu().shape


def test_as_the_default_device() -> None:
    torch.set_default_device("pretend")
    try:
        assert torch.tensor(1.0).device == torch.zeros(2).device == nn.Linear(2, 2).weight.device == DEVICE
    finally:
        torch.set_default_device(None)


MISTAKES: list[Callable[[Tensor, Tensor], object]] = [
    lambda a, b: b + a,
    lambda a, b: a[b > 0.5],
    lambda a, b: a[torch.tensor([0], device=b.device)],
    lambda a, b: torch.cat((a, b)),
    lambda a, b: torch.where(b > 0, a, b),
    lambda a, b: torch.einsum("ij,ij->i", a, b),
    lambda a, b: b.index_select(0, torch.tensor([0])),
    lambda a, b: torch.searchsorted(a, b),
    lambda a, b: torch.rand(2, device=b.device, generator=torch.Generator()),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_devices_do_not_mix(mistake: Callable[[Tensor, Tensor], object]) -> None:
    with pytest.raises(RuntimeError, match="device"):
        mistake(torch.rand(2, 3), there(2, 3))


def test_what_a_gpu_allows_is_allowed() -> None:
    tensor = there(2, 3)
    assert (tensor + torch.tensor(1.0)).device == DEVICE, "a tensor of the CPU without axes"
    assert tensor[torch.tensor([0])].device == DEVICE, "an index of the CPU"
    assert tensor[torch.ones(2, 3, dtype=torch.bool)].shape == (6,), "a mask of the CPU"
    tensor[:, 0] = torch.zeros(2)
    assert tensor.cpu()[:, 0].tolist() == [0, 0]
    drawn = torch.rand(2, device=DEVICE, generator=torch.Generator("pretend").manual_seed(1))
    assert torch.equal(drawn.cpu(), torch.rand(2, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("read", [np.asarray, lambda tensor: tensor.numpy(), lambda tensor: tensor.detach().numpy()])
def test_numpy_is_refused(read: Callable[[Tensor], object]) -> None:
    with pytest.raises(TypeError, match="numpy"):
        read(there(2))


WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda t: t.sum().item(),
    "float": lambda t: float(t.sum()),
    "int": lambda t: int(t.sum()),
    "bool": lambda t: bool(t.sum() > 0),
    "if": lambda t: 1 if t.sum() > 0 else 0,
    "tolist": lambda t: t.tolist(),
    "a mask": lambda t: t[t > 0.5],
    "a mask of the CPU": lambda t: t[torch.ones(2, 3, dtype=torch.bool)],
    "cpu": lambda t: t.cpu(),
    "to": lambda t: t.to("cpu"),
    "into the CPU": lambda t: torch.zeros(2, 3).copy_(t),
    "nonzero": lambda t: t.nonzero(),
    "where": lambda t: torch.where(t > 0.5),
    "unique": lambda t: t.unique(),
    "equal": lambda t: torch.equal(t, t),
    "repeat_interleave": lambda t: t[0].repeat_interleave(torch.ones(3, dtype=torch.long, device=DEVICE)),
}


@pytest.mark.parametrize("what", WAITS)
def test_waits_are_counted_and_can_be_refused(what: str) -> None:
    tensor = there(2, 3)
    with counting() as counts:
        WAITS[what](tensor)
    assert counts.waits == 1
    with no_waiting(), pytest.raises(RuntimeError, match="waits for the device"):
        WAITS[what](tensor)
    WAITS[what](tensor)


def test_operations_and_copies_are_counted_apart_from_views() -> None:
    here, tensor = torch.rand(2, 3), there(2, 3)
    with counting() as counts:
        here + here
        tensor.view(3, 2).t()[1:]
    assert vars(counts) == {"operations": 0, "waits": 0, "sent": 0}
    with counting() as counts, no_waiting():
        torch.zeros(2, device=DEVICE) + (tensor + tensor).sum(1)
        tensor.copy_(here)
        here.to(DEVICE)
    assert (counts.operations, counts.waits, counts.sent) == (6, 0, 2)


def test_inference_mode() -> None:
    tensor, moved = there(1, 3, 9, 9), network().to(DEVICE)
    with torch.inference_mode():
        made = tensor * 2
        made.view(-1).add_(1)
        made[:, 0] = 0
        assert made.is_inference()
        assert not tensor.is_inference()
        result = moved(made)
    assert result.is_inference()
    with pytest.raises(RuntimeError, match=r"[Ii]nference"):
        made.add_(1)
    leaf = tensor.clone().requires_grad_()
    functional.relu(moved(leaf), inplace=True).sum().backward()
    assert leaf.grad is not None


def test_versions_and_storages_are_followed() -> None:
    """What a tail looks at to know that its maps were written."""
    tensor = there(2, 3)
    version, view = tensor._version, tensor.view(-1)
    view.add_(1)
    assert tensor._version == version + 1
    assert view.data_ptr() == tensor.data_ptr() != 0
    assert view.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()


def test_autocast() -> None:
    image, moved = there(1, 3, 9, 9), network().to(DEVICE)
    with torch.autocast("pretend", torch.bfloat16):
        scores: Any = moved(image)
        assert scores.dtype == torch.bfloat16
        assert (image @ image.mT).dtype == torch.bfloat16
        assert image.softmax(1).dtype == torch.float32
    scores.float().sum().backward()
    assert moved[0][0].weight.grad.dtype == torch.float32
    assert moved(image).dtype == torch.float32


def test_it_is_the_accelerator_of_this_process() -> None:
    assert torch.accelerator.current_accelerator(check_available=True) == torch.device("pretend")
    assert torch.accelerator.get_memory_info(DEVICE)[0] > 0

"""What the outputs of a network mean: by the caller's word, else found by looking at what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels.endings import Ending, ending_of, function_of
from xai_widgets.kernels.outputs import FORMS, Outputs, are_log_probabilities, are_probabilities
from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Shell
from xai_widgets.models.arguments import checked_labels, checked_ranges

SHARE = (0.0, 1.0)
FAR = (-30.0, -1.0, 0.0, 30.0)  # factors of the test input: what stays in [0, 1] there is held in it


@dataclass(frozen=True)
class Said:
    """What the caller says of the outputs; None where nothing is said."""

    task: str | None = None
    form: str | None = None
    labels: Sequence[str] | None = None
    range: Any = None
    ranges: Any = None
    named: tuple[str, ...] | None = None  # classes, by the network itself: taken where the caller names none

    def check(self) -> None:
        """Raise TypeError or ValueError where it is nothing that a network could mean."""
        if self.task is not None and self.task not in FORMS:
            raise ValueError(f"task must be one of {', '.join(FORMS)}, got {self.task!r}.")
        if self.form is not None and self.task is None:
            raise ValueError(f"form needs the task that it is a form of, got form={self.form!r} alone.")
        if self.form is not None and self.form not in FORMS[self.task or ""]:
            raise ValueError(f"form must be {' or '.join(FORMS[self.task or ''])} for {self.task}, got {self.form!r}.")
        if (self.range is not None or self.ranges is not None) and self.task not in (None, "regression"):
            raise ValueError(f"range and ranges are of scores, task='regression', got one for {self.task}.")


@dataclass(frozen=True)
class Meaning:
    """What outputs mean, and how that is known.

    Attributes:
        outputs: how to read them; it gives the explained scores.
        count: how many explained scores there are.
        ending: the module whose input is read in the place of its output.
        notice: what was taken by looking, and which argument says otherwise.
        others: tasks that they could be read as instead.
        guessed: whether the task was found by looking.
    """

    outputs: Outputs
    count: int
    ending: Ending | None = None
    notice: str = ""
    others: tuple[str, ...] = ()
    guessed: bool = False


def meaning_of(
    said: Said, read: Callable[[Any], Tensor], shell: Shell, inputs: Tensor, values: Tensor, name: str = "the network"
) -> Meaning:
    """What the outputs of a network mean.

    Args:
        said: by the caller.
        read: from what the network returns to its outputs (n k).
        shell: of the network as it is.
        inputs: two test images, as the network takes them.
        values: its outputs (2 k) for these.
        name: of the model, for sentences.

    Raises:
        TypeError, ValueError: what the caller says does not fit the network.
    """
    said.check()
    look, count, labels = _Look(read, shell, inputs, values), values.shape[1], checked_labels(said.labels)
    task, why = (said.task, "") if said.task is not None else _guessed(said, look)
    form, ending, how = _form(task, look) if said.form is None else (said.form, None, "")
    explained = _checked_count(task, count, labels, name)
    named = labels is None and task in ("classification", "multilabel") and len(said.named or ()) == explained
    labels = said.named if named else labels
    ranges = checked_ranges(said.range, said.ranges, count)
    if task == "regression" and ranges is None and count > 1 and look.sigmoid:
        ranges, how = (SHARE,) * count, "the range of each is that of its sigmoid, 0 to 1: else give ranges="
    others = _others(task, look)
    outputs = Outputs(task, labels, form, ranges if task == "regression" else None, read)
    notice = _notice(task, explained, why, how, others)
    if named:
        notice = (
            f"{notice} classes are named as in the network's config.id2label: labels= names them otherwise.".strip()
        )
    return Meaning(outputs, explained, ending, notice, others, guessed=bool(why))


class _Look:
    """What can be seen of the outputs; the network is run again only where a cheaper look leaves it open."""

    def __init__(self, read: Callable[[Any], Tensor], shell: Shell, inputs: Tensor, values: Tensor) -> None:
        self._read, self._shell, self._inputs, self._values = read, shell, inputs, values
        self.count = values.shape[1]

    @cached_property
    def far(self) -> Tensor:
        """Outputs for inputs that are far from a photograph; those of photographs where it takes no others."""
        far = torch.cat([self._inputs[:1] * factor for factor in FAR])
        try:
            with torch.inference_mode(False), torch.no_grad(), ieee(), self._shell.lock:
                return self._read(self._shell.network(far)).detach()
        except (Exception, SystemExit):  # any that a forward may raise which checks its input
            return self._values

    def _always(self, test: Callable[[Tensor], bool], kind: str) -> bool:
        """Does it hold for photographs, and because of how outputs are made, or else far from photographs too?"""
        return test(self._values) and (self.kind == kind or test(self.far))

    @cached_property
    def within(self) -> bool:
        """Are all of them from 0 to 1?"""
        return self._always(_in_unit, "sigmoid")

    @cached_property
    def shares(self) -> bool:
        """Are these probabilities of classes, whose sum is 1?"""
        return self._always(are_probabilities, "softmax")

    @cached_property
    def logarithms(self) -> bool:
        """Are these logarithms of such probabilities?"""
        return self.count > 1 and self._always(are_log_probabilities, "log-softmax")

    @cached_property
    def ending(self) -> Ending | None:
        return ending_of(self._shell, self._inputs, self._read)

    @cached_property
    def kind(self) -> str:
        """The module or function that made the outputs: "softmax", "log-softmax", "sigmoid", or empty."""
        return self.ending.kind if self.ending else function_of(self._shell, self._inputs, self._read)

    @property
    def sigmoid(self) -> bool:
        return _in_unit(self._values) and self.kind == "sigmoid"

    def module(self, kind: str) -> Ending | None:
        return self.ending if self.ending is not None and self.ending.kind == kind else None


def _in_unit(values: Tensor) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _guessed(said: Said, look: _Look) -> tuple[str, str]:
    """The task, and why it is taken; no words where there is nothing else to take."""
    if said.range is not None or said.ranges is not None:
        return "regression", ""
    if look.count == 1:
        if said.labels is not None and len(said.labels) == 2:
            return "binary", "there is one output and two names"
        return "regression", "it comes out of a sigmoid" if look.sigmoid else ""
    if look.shares or look.logarithms:
        return "classification", f"{'they' if look.shares else 'their exponentials'} are at least 0 and have the sum 1"
    if look.sigmoid:
        return "regression", "each comes out of a sigmoid of its own"
    return "classification", "no task was given"


def _form(task: str, look: _Look) -> tuple[str, Ending | None, str]:
    """In which form the outputs are, the module whose input is read instead, and what that is in words."""
    if task == "regression":
        return "scores", None, ""
    if task == "classification":
        if look.shares or look.logarithms:
            kind, form = ("softmax", "probabilities") if look.shares else ("log-softmax", "log-probabilities")
            module = look.module(kind)
            if module is not None:
                return "logits", module, f"the logits are the input of {module.name!r}, its last {kind}"
            return form, None, f"the outputs are {form}, so that the log-probability of a class is explained"
        if look.sigmoid:
            raise ValueError(
                "task='classification' needs logits, or probabilities whose sum is 1; these outputs each come out of a "
                "sigmoid: give task='multilabel', or task='regression' for scores."
            )
        return "logits", None, ""
    module = look.module("sigmoid") if look.within else None
    if module is not None:
        return "logits", module, f"the logits are the input of {module.name!r}, its last sigmoid"
    if look.within:
        sure = "the outputs are those of a sigmoid, and read as probabilities"
        seen = "the outputs are read as probabilities, since all are from 0 to 1: else give form='logits'"
        return "probabilities", None, sure if look.kind == "sigmoid" else seen
    return "logits", None, ""


def _checked_count(task: str, count: int, labels: tuple[str, ...] | None, name: str) -> int:
    """How many scores are explained."""
    if task == "binary" and count != 1:
        raise ValueError(f"task='binary' needs one output, and {name} has {count}; two are a classification.")
    if task in ("classification", "multilabel") and count < 2:
        raise ValueError(f"task={task!r} needs several outputs, and {name} has one; two classes are task='binary'.")
    explained = 2 if task == "binary" else count
    if labels is not None and len(labels) != explained:
        of = "the two classes of a binary task" if task == "binary" else f"each of the {count} outputs of the network"
        raise ValueError(f"labels must name {of}, got {len(labels)} names.")
    return explained


def _others(task: str, look: _Look) -> tuple[str, ...]:
    """What the outputs could be read as instead."""
    if look.count == 1:
        return ("regression",) if task == "binary" else ("binary",)
    shares = look.shares or look.logarithms
    possible = ["multilabel" if task != "classification" or not shares else "", "regression"]
    possible += ["" if look.sigmoid else "classification"]
    return tuple(one for one in possible if one and one != task)


READ_AS = {
    "classification": "{count} classes, of which one holds",
    "binary": "the logit of the second of two classes",
    "multilabel": "{count} labels, of which several may hold",
    "regression": "{count} scores",
}


def words_of(task: str, count: int) -> str:
    """What outputs are read as."""
    return "one score" if task == "regression" and count == 1 else READ_AS[task].format(count=count)


def _notice(task: str, count: int, why: str, how: str, others: tuple[str, ...]) -> str:
    """What was taken by looking, and which argument says otherwise."""
    if not why:
        return f"{how}." if how else ""
    network = 1 if "binary" in (task, *others) else count
    instead = " or ".join(f"task={other!r} for {words_of(other, network)}" for other in others)
    what = "the output is" if network == 1 else "the outputs are"
    return f"{what} read as {words_of(task, count)}, since {why}: else give {instead}{how and '; '}{how}."


def reading_name(base: str, task: str | None, output: str | None) -> str:
    """What a model is called that is read otherwise."""
    return f"{base} [{', '.join(filter(None, (output, task)))}]"


def reading_of(name: str) -> tuple[str, str | None, str | None]:
    """The model, the task and the part of its result that a name of `reading_name` says; the name alone of another."""
    base, bracket, inside = name.removesuffix("]").rpartition(" [")
    if not name.endswith("]") or not bracket or not inside:
        return name, None, None
    head, _, last = inside.rpartition(", ")
    if last in FORMS:
        return base, last, head or None
    return base, None, inside

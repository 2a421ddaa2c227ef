"""A forward pass and its vector-Jacobian product, which is written by hand or taken from PyTorch or JAX.

In the order of this file: derivatives by PyTorch and JAX; the forward pass; its product with an upstream gradient,
which can be exchanged.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.behaviour import differing
from backprop.check.forms import has_numbers, named_inputs
from backprop.check.leaves import is_jax, is_torch, library, read, seeded_torch
from backprop.check.points import Fixed, Structure, nothing_fixed, structure_of
from backprop.check.trees import Constant, copied, ends_of, mapped
from backprop.errors import CheckError

# Derivatives by PyTorch and JAX: they are what is checked if there is no backward pass by hand.

Run = Callable[[list[Any]], Any]
"""A function from the inputs' tensors to what forward returns, or to the tensors in that."""


def as_upstream(value: Any) -> Any:
    """An upstream gradient in the convention of the output's library: JAX takes the conjugate if it is complex."""
    if is_torch(value):
        return value.detach()
    return value.conj() if is_jax(value) else value


def autodiff_for(forward: Any, values: Iterable[Any]) -> str | None:
    """The library that differentiates `forward` at these inputs, "torch" or "jax"; None if neither does."""
    values = list(values)
    if any(map(is_torch, values)):
        return "torch"
    is_from_jax = type(forward).__module__.partition(".")[0] in ("jax", "jaxlib")
    return "jax" if is_from_jax or any(map(is_jax, values)) else None


def as_jax(value: Any) -> Any:
    """A NumPy array of floating numbers as a JAX array; anything else as it is."""
    is_array = isinstance(value, np.ndarray | np.generic) and read(value)[1] is not None
    return library("jax").numpy.asarray(value) if is_array else value


def recorded_by_torch(run: Callable[[], Any], tensors: list[Any]) -> Any:
    """What `run` returns when PyTorch records the operations on `tensors`."""
    for tensor in tensors:
        tensor.requires_grad_()
    with library("torch").enable_grad():
        return run()


def pull_back_in_torch(outputs: list[Any], upstream: list[Any], tensors: list[Any]) -> list[Any]:
    """The vector-Jacobian product of recorded outputs; None for a tensor on which no output depends."""
    pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].requires_grad]
    recorded, given = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return list(library("torch").autograd.grad(recorded, tensors, given, allow_unused=True))


def pull_back_in_jax(run: Run, upstream: Callable[[Any], Any], tensors: list[Any]) -> list[Any]:
    """The vector-Jacobian product of `run` by `tensors`. upstream: gives the upstream gradient for an output."""
    returned, pull = library("jax").vjp(lambda *moved: run(list(moved)), *tensors)
    return list(pull(upstream(returned)))


def push_forward_in_torch(run: Run, tensors: list[Any], tangents: list[Any]) -> list[Any]:
    """The Jacobian-vector product of `run` along `tangents`, by PyTorch's forward mode."""
    torch = library("torch")
    forward_mode = torch.autograd.forward_ad
    with warnings.catch_warnings(), forward_mode.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's own warning at the first use
        duals = [
            forward_mode.make_dual(tensor.detach(), tangent)
            for tensor, tangent in zip(tensors, tangents, strict=True)
        ]
        found = [(output, forward_mode.unpack_dual(output).tangent) for output in run(duals)]
        return [torch.zeros_like(output) if tangent is None else tangent for output, tangent in found]


def push_forward_in_jax(run: Run, tensors: list[Any], tangents: list[Any]) -> list[Any]:
    """The Jacobian-vector product of `run` along `tangents`, by JAX's forward mode."""
    pushed = library("jax").jvp(lambda *moved: run(list(moved)), tuple(tensors), tuple(tangents))
    return list(pushed[1])


def module_as_function(module: Any) -> tuple[Callable[..., Any], dict[str, Any]] | None:
    """A PyTorch module as a function of a dict of its parameters, and its inputs; None for any other object.

    A scripted module is a function of its inputs alone: PyTorch cannot call it with other parameters.
    """
    torch = library("torch")
    if torch is None or not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        return None
    parameters = {name: each for name, each in module.named_parameters() if each.requires_grad}
    others = {name: each.detach() for name, each in module.named_parameters() if name not in parameters}
    others |= dict(module.named_buffers())

    def function(given: dict[str, Any], *inputs: Any) -> Any:
        dtype = next((each.dtype for each in given.values()), None)
        kept = {  # a module may change its buffers
            name: each.detach().clone().to(dtype if each.is_floating_point() else None)
            for name, each in others.items()
        }
        return torch.func.functional_call(module, {**given, **kept}, inputs)

    return function, parameters


# Forward: the function of the inputs by name, and the library that differentiates it, where one is to do that.

_PARAMETERS = "parameters"
"""The input that holds the parameters of a module."""


@dataclass(frozen=True)
class Forward:
    """A forward pass at its inputs: `point` (p,) in a `structure`. run: from the inputs by name to what it returns.

    inputs: by name. autodiff: "torch" or "jax", where the derivative is the one that this library takes; else None.
    """

    run: Callable[[dict[str, Any]], Any]
    inputs: dict[str, Any]
    autodiff: str | None
    structure: Structure
    point: Array

    @property
    def by_library(self) -> str:
        """The sentence that says whose derivative it is."""
        library = {"torch": "PyTorch", "jax": "JAX"}[str(self.autodiff)]
        return f"The derivative is the one that {library} takes of forward."


def forward_pass(forward: Any, inputs: Any, derivative: Any, is_setting: Fixed = nothing_fixed) -> Forward:
    """The forward pass, with the derivative that was written by hand, or none.

    is_setting: which numbers have no gradient, of a derivative by hand.
    Raises `CheckError` where there are no inputs, or no derivative of any kind.
    """
    if inputs is None:
        raise CheckError("There are no inputs; expected a tuple with one for each argument of forward.")
    module = module_as_function(forward)
    named, by_keyword = named_inputs(forward if module is None else forward.forward, inputs)
    if module is not None:
        forward, parameters = module
        named = {_PARAMETERS: parameters, **named}

    has_torch = any(is_torch(end) for _, end in ends_of(named))

    def run(point: dict[str, Any]) -> Any:
        with seeded_torch(has_torch):
            return forward(**point) if by_keyword else forward(*point.values())

    autodiff = autodiff_for(forward, [end for _, end in ends_of(named)]) if derivative is None else None
    if derivative is None and autodiff is None:
        raise CheckError(
            "There is no derivative; expected one, or inputs that are PyTorch tensors or JAX arrays: their library "
            "has a derivative of forward, which is checked then."
        )
    if autodiff == "jax":
        named = mapped(as_jax, named)
    structure, x = structure_of(named, fixed=_fixed(named, autodiff, is_setting))
    return Forward(run, named, autodiff, structure, x)


def _fixed(named: dict[str, Any], autodiff: str | None, is_setting: Fixed) -> Fixed:
    """Which numbers among the inputs have no gradient: in a library's derivative all but its own arrays."""
    if autodiff == "jax":
        return lambda path, value: not is_jax(value)
    inputs = [end for name, part in named.items() if name != _PARAMETERS for _, end in ends_of(part)]
    wanted = any(is_torch(end) and end.requires_grad for end in inputs)
    alone = is_setting if autodiff is None else lambda path, value: not is_torch(value)
    return lambda path, value: alone(path, value) or (wanted and is_torch(value) and not value.requires_grad)


# The product: the function to a number and the claim of its gradient, for an upstream gradient that may be replaced.


@dataclass
class Product:
    """The vector-Jacobian product of a forward pass at inputs (p,), for an `upstream` gradient (k,) of its outputs.

    run: from the inputs by name to what forward returns. outputs: of that, those that count. output: their structure.
    pull: from the inputs, and a function that makes the upstream gradient of what was returned, to the answer.
    changed: the names of the outputs whose upstream gradient was changed in place; changed_inputs: of such inputs.
    """

    run: Callable[[dict[str, Any]], Any]
    outputs: Callable[[Any], Any]
    pull: Callable[[dict[str, Any], Callable[[Any], Any]], Any]
    structure: Structure
    point: Array
    output: Structure
    upstream: Array
    note: str
    changed: set[str] = field(default_factory=set)
    changed_inputs: set[str] = field(default_factory=set)

    @property
    def drawn_for(self) -> str:
        """The sentence that says of which outputs there is an upstream gradient."""
        views = self.output.views(self.upstream)
        outputs = [
            f"{leaf.name} ({' × '.join(map(str, leaf.shape)) or 'a number'})"
            for leaf in self.output.leaves
            if np.any(views[leaf.name])
        ]
        return f"The upstream gradient of {', '.join(outputs)} is drawn at random."

    def value(self, point: dict[str, Any]) -> Any:
        """⟨u, forward(x)⟩. What a forward pass keeps in its settings, such as running statistics, is nobody's."""
        moving = self.structure.moving
        own = {name: each if name in moving else copied(each) for name, each in point.items()}
        return self.upstream @ self.output.read(self.outputs(self.run(own)))

    def both(self, point: dict[str, Any]) -> tuple[Any, Any]:
        """⟨u, forward(x)⟩ and what backward gives for u, of one and the same forward pass."""
        values = []

        def make(returned: Any) -> Any:
            outputs = self.outputs(returned)
            values.append(self.upstream @ self.output.read(outputs))
            return upstream_like(outputs, self.output.views(self.upstream))

        answer = self.pull(point, make)
        return values[0], answer

    def claim(self, point: dict[str, Any], upstream: Array | None = None) -> Any:
        """What backward gives for the upstream gradient, this one's or another; what it changes in place is noted.

        The forward pass, which comes before it, may change its own inputs.
        """
        mine, before = copied(point), list[tuple[Any, Any]]()

        def make(returned: Any) -> Any:
            vector = self.upstream if upstream is None else upstream
            made = upstream_like(self.outputs(returned), self.output.views(vector))
            before.extend([(made, copied(made)), (mine, copied(mine))])
            return made

        answer = self.pull(mine, make)
        for changed, (after, was) in zip((self.changed, self.changed_inputs), before, strict=True):
            changed.update(differing(was, after))
        return answer


def outputs_of(outputs: Any) -> Structure:
    """The structure of the outputs that have a gradient; raises `CheckError` if none has."""
    structure, _ = structure_of(outputs, fixed=nothing_fixed, root="y", what="output of forward")
    if not has_numbers(outputs):
        raise CheckError("The outputs of forward are whole numbers; expected floating ones.")
    return replace(structure, leaves=tuple(replace(leaf, conjugate=False) for leaf in structure.leaves))


def upstream_like(outputs: Any, values: Mapping[str, Array]) -> Any:
    """An upstream gradient in the form of the outputs, each in the dtype and the library of its output."""
    structure = outputs_of(outputs)
    tensors = [as_upstream(leaf.build(values[leaf.name])) for leaf in structure.leaves]

    def none(constant: Constant) -> Any:
        """The placeholder for the upstream gradient of an output that has none."""
        shape = getattr(constant.value, "shape", ())
        return np.zeros(shape, library("jax").dtypes.float0) if is_jax(constant.value) else None

    return structure.assemble(tensors, none)

"""A case of the campaign: one random function at one random point, a right claim of its gradient, and two wrong ones.

Everything of a case is drawn from its seed. What may be expected of a checker is decided here, from the truth in longdouble:

- `noise`: by how much the function, as it is evaluated, differs from the truth around the point. A slope can be known to
  about noise / length from values.
- A right claim is *visible* where that is below 1e-4 of every entry: a quotient with steps of a tenth of the length then
  sees three digits. Of other right claims nothing is asked but that they are not called wrong: they are *hidden*.
- A wrong claim must never be called right. So it is planted only where it is wrong beyond the rounding of a right one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from planted.functions.families import FAMILIES, Axes

import backprop

DTYPES = (np.float64, np.float32, np.float16)
SURROUNDINGS = ("offset", "pseudo-noise", "random noise", "stairs")
FACTORS = (1.01, 1.03, 1.1, 1.3, 0.5, 2.0, 10.0, 1000.0, 1 / 3, 0.99)
SEEN = 1e-4  # of an entry: what values must be able to tell for a right claim to count
DIRECTIONS = 150  # parameters; above, a checker with 2,000 calls may look along random directions instead
ALONG = (
    1e-7  # of the whole gradient: what a quotient along such a direction tells at best, with a margin of 100
)


@dataclass(frozen=True)
class Claim:
    """What is handed to the checker as gradient. right: whether it is; visible: whether values can tell."""

    name: str
    right: bool
    visible: bool
    gradient: Any
    form: str


class Form:
    """How the point is handed over: one array, a dict, a list, or numbers under names."""

    def __init__(self, rng, size, dtype):
        self.dtype = dtype
        kinds = ["array", "dict", "list"] + ["numbers"] * (size <= 4)
        self.kind = str(rng.choice(kinds)) if size > 1 else str(rng.choice(["array", "number", "dict"]))
        cuts = sorted(rng.integers(1, size, min(2, size - 1))) if size > 1 else []
        self.cuts = [*sorted({int(c) for c in cuts})]
        square = int(np.sqrt(size))
        self.shape = (square, square) if square**2 == size and size > 1 and rng.random() < 0.5 else (size,)

    def build(self, x):
        """The flat array (p,) as people hold it."""
        x = np.asarray(x)
        if self.kind == "array":
            return x.reshape(self.shape).copy()
        if self.kind == "number":
            return float(x[0]) if x.dtype == np.float64 else x[0]
        if self.kind == "numbers":
            return {f"p{j}": float(v) if x.dtype == np.float64 else v for j, v in enumerate(x)}
        parts = [part.copy() for part in np.split(x, self.cuts)]
        return parts if self.kind == "list" else {f"W{j}": part for j, part in enumerate(parts)}

    def flat(self, tree):
        """The flat array (p,) of what the checker hands over."""
        leaves = (
            tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else [tree]
        )
        return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in leaves])


def bfloat16(x):
    """Numbers rounded to eight bits, in float32."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


class Function:
    """The function as its author wrote it: from a tree of arrays to a number.

    inside: the dtype in which it computes, None for that of what it is given. numbers: what it does with complex numbers:
    "takes" them, "loses" the imaginary part, or "raises" as `math.exp` does. extra: what is added or rounded.
    """

    def __init__(self, family, constants, form, inside, numbers, surrounding, size, seed):
        self.family, self.constants, self.form = family, constants, form
        self.inside, self.numbers, self.surrounding, self.size = inside, numbers, surrounding, size
        self.rng = np.random.default_rng(seed)

    def __call__(self, tree):
        x = self.given(self.form.flat(tree))
        with np.errstate(all="ignore"):
            value = self.around(self.family.value(x, *cast(self.constants, x)), x)
        if self.numbers == "raises":
            if np.isnan(value):
                raise ValueError("math domain error")
            return float(value)
        return value

    def given(self, x):
        if np.iscomplexobj(x) and self.numbers != "takes":
            if self.numbers == "raises":
                raise TypeError("must be real number, not complex")
            x = x.real
        if self.inside is not None:
            x = x.astype(np.result_type(self.inside, np.complex64) if np.iscomplexobj(x) else self.inside)
        return bfloat16(x) if self.surrounding == "stairs" and self.size == "bfloat16" else x

    def around(self, value, x):
        if self.surrounding == "offset":
            return value + value.real.dtype.type(self.size)
        if self.surrounding == "pseudo-noise":
            return value + value.real.dtype.type(
                self.size * (zlib.crc32(np.ascontiguousarray(x.real).tobytes()) / 2**31 - 1)
            )
        if self.surrounding == "random noise":
            return value + value.real.dtype.type(self.size * self.rng.standard_normal())
        if self.surrounding == "stairs":
            real = value.real
            return bfloat16(real) if self.size == "bfloat16" else real.astype(self.size)
        return value


class Gradient:
    """A gradient as a function of the point: the slope, with `change` made to it."""

    def __init__(self, function, at_kink, change, answers):
        self.function, self.at_kink, self.change, self.answers = function, at_kink, change, answers

    def __call__(self, tree):
        f = self.function
        x = np.asarray(f.form.flat(tree)).real
        x = x if f.inside is None else x.astype(f.inside)
        with np.errstate(all="ignore"):
            g = self.change(slope_of(f.family, x, f.constants, self.at_kink))
            return f.form.build(g.astype(self.answers) if self.answers else g)


def cast(constants, x):
    """The constants in the dtype of the point, as an author's own arrays would be."""
    return [each.astype(x.real.dtype) for each in constants]


def slope_of(family, x, constants, at_kink):
    return family.slope(x, *cast((*constants, *(() if at_kink is None else (at_kink,))), x))


@dataclass(frozen=True)
class Case:
    """A function, a point and claims; `truth` (p,) is the gradient in longdouble, rounded to float64."""

    seed: int
    family: str
    dtype: str
    function: Function
    point: Any
    truth: Any
    noise: float
    claims: tuple[Claim, ...]
    words: str

    def check(self, claim, **options):
        return backprop.check_gradient(self.function, claim.gradient, self.point, **options)


def family_of(seed):
    """Which family and surrounding a seed draws, without making the case."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[rng.integers(len(FAMILIES))]
    plain = family.name in ("underflow", "constant") or not family.analytic
    surrounding = None if plain or rng.random() < 0.75 else str(rng.choice(SURROUNDINGS))
    return family, surrounding, rng


def case_of(seed):
    """The case of a seed. Points at which a function or its gradient is no number of the dtype are drawn again."""
    family, surrounding, rng = family_of(seed)
    for attempt in range(60):
        dtype = DTYPES[rng.choice(3, p=(0.6, 0.25, 0.15))] if attempt < 40 else np.float64
        if surrounding and dtype is np.float16:
            dtype = np.float32
        case = drawn_case(seed, family, surrounding, rng, dtype)
        if case is not None:
            return case
    raise AssertionError(f"no case of {family.name} from seed {seed}")


def drawn_case(seed, family, surrounding, rng, dtype):
    size = int(min(family.largest, np.rint(10 ** rng.choice([rng.uniform(0, 1), rng.uniform(0, 2.6)])), 400))
    reach = {np.float64: 5, np.float32: 5, np.float16: 2.5}[dtype]
    axes = Axes(size, 10 ** rng.uniform(-1, reach), 10 ** rng.uniform(-reach, reach), dtype)
    with np.errstate(all="ignore"):
        drawn = family.draw(rng, axes)
    form = Form(rng, len(drawn.point), dtype)
    inside = None if dtype is np.float64 else (None, np.float64, dtype)[rng.choice(3, p=(0.5, 0.3, 0.2))]
    numbers = str(rng.choice(["takes", "loses", "raises"], p=(0.5, 0.25, 0.25)))
    at_kink = drawn.at_kink[0] if drawn.at_kink else None
    with np.errstate(all="ignore"):
        exact = slope_of(family, drawn.point.astype(np.longdouble), drawn.constants, at_kink)
        value = family.value(
            drawn.point.astype(np.longdouble), *cast(drawn.constants, drawn.point.astype(np.longdouble))
        )
    truth = exact.astype(float)
    extra = surrounding_size(rng, surrounding, abs(float(value)), truth, drawn)
    if inside is None and surrounding == "stairs":
        inside = np.float32
    function = Function(family, drawn.constants, form, inside, numbers, surrounding, extra, seed)
    point = form.build(drawn.point.astype(dtype))
    if not usable(function, point, truth, drawn, dtype):
        return None
    noise = noise_of(rng, function, drawn, dtype)
    claims = claims_of(rng, function, drawn, truth, noise, dtype)
    if claims is None:
        return None
    words = (
        f"{family.name}, {surrounding or 'plain'} {'' if extra is None else extra}, p = {len(drawn.point)} as {form.kind}, "
        f"point {dtype.__name__}, computes in {inside.__name__ if inside else 'its dtype'}, {numbers} complex numbers, |x| about {axes.place:.2g}, "
        f"lengths {np.min(drawn.lengths):.2g} to {np.max(drawn.lengths):.2g}, noise {noise:.2g}"
    )
    return Case(
        seed, surrounding or family.name, dtype.__name__, function, point, truth, noise, claims, words
    )


def surrounding_size(rng, surrounding, value, truth, drawn):
    """How large what is added is: beside the variation of the function within one length."""
    typical = float(max(np.linalg.norm(truth * drawn.lengths), 1e-3 * value, 1e-30))
    if surrounding == "offset":
        return float(typical * 10 ** rng.uniform(3, 22) * rng.choice([-1, 1]))
    if surrounding == "pseudo-noise":
        return float(typical * 10 ** rng.uniform(-12, -4))
    if surrounding == "random noise":
        return float(typical * 10 ** rng.uniform(-12, -2))
    if surrounding == "stairs":
        return [np.float32, np.float16, "bfloat16"][rng.integers(3)]
    return None


def usable(function, point, truth, drawn, dtype):
    """Whether value and gradient are ordinary numbers of the dtype in which they are computed and answered."""
    narrow = np.finfo(dtype)
    largest = float(np.max(np.abs(truth)))
    if not np.all(np.isfinite(truth)) or not np.all(drawn.lengths > 0):
        return False
    if dtype is not np.float64 and not (
        largest == 0 or 1e3 * float(narrow.tiny) < largest < 0.3 * float(narrow.max)
    ):
        return False
    if largest > 1e250 or 0 < largest < 1e-250:
        return False
    value = function(point) if function.numbers != "raises" else quietly(function, point)
    return bool(value is not None and np.isfinite(value))


def quietly(function, point):
    try:
        return function(point)
    except ValueError:
        return None


def noise_of(rng, function, drawn, dtype):
    """The largest difference of the function and its formula in longdouble, within a third of the lengths.

    It holds the rounding of the sums, what an offset hides, stairs and noise; at the least half a unit of the value.
    """
    seen = [
        float(np.finfo(np.asarray(function(function.form.build(drawn.point.astype(dtype)))).real.dtype).eps)
    ]
    offset = function.size if function.surrounding == "offset" else 0
    differences = []
    for _ in range(12):
        x = drawn.point + rng.uniform(-0.3, 0.3, len(drawn.point)) * drawn.lengths
        x = x.astype(dtype) if function.inside is None else x
        value = quietly(function, function.form.build(x))
        wide = x.astype(np.longdouble)
        with np.errstate(all="ignore"):
            exact = function.family.value(wide, *cast(function.constants, wide))
        if value is None or not np.isfinite(exact):
            continue
        differences.append(abs(float(np.longdouble(value) - np.longdouble(offset) - exact)))
        differences.append(0.5 * computing_eps(function, seen[0]) * abs(float(value)))
    return float(np.nanmax(differences)) if differences else np.inf


def computing_eps(function, answered):
    """The rounding of a value. A function that follows its dtype is evaluated in float64 by who wants to see more."""
    return (
        float(np.finfo(float).eps)
        if function.inside in (None, np.float64) and function.surrounding != "stairs"
        else answered
    )


def claims_of(rng, function, drawn, truth, noise, dtype):
    """A right claim and two wrong ones; None where the right gradient is spoilt by its own rounding."""
    follows = function.inside is None
    answers = None if follows or rng.random() < 0.5 else dtype
    smooth = np.ones(len(truth), bool) if drawn.smooth is None else drawn.smooth
    scaled = np.abs(truth) * drawn.lengths
    whole = float(np.linalg.norm(scaled))
    typical = max(whole, 1e-3 * variation(function, drawn))
    typical = typical if typical > 1e-250 else 1.0  # a function that does not move at all
    resolution = noise / drawn.lengths
    sizes = np.where(truth == 0, typical / drawn.lengths, np.abs(truth))
    visible = bool(np.all(resolution <= SEEN * sizes))

    claims = []
    changes = [("right", None, 0)]
    changes += kink_changes(drawn)
    changes += [(*change, 0) for change in drawn_changes(rng, truth, smooth, typical / drawn.lengths)]
    for name, change, number in changes:
        form = "function" if rng.random() < 0.6 else "array"
        at_kink = drawn.at_kink[number] if drawn.at_kink else None
        make = (lambda g: g) if change is None else change
        gradient = Gradient(function, at_kink, make, answers)
        off = np.abs(truth_with(function, drawn, at_kink, make) - truth)
        # A claim that is an array has the rounding of its dtype; a function's is that of the dtype it can be given.
        answered = (
            dtype if form == "array" and (follows or answers) else answers or function.inside or np.float64
        )
        eps = float(np.finfo(answered).eps)
        if form == "array":
            given = truth_with(function, drawn, at_kink, make).astype(answered)
            gradient = function.form.build(given)
            spoilt = np.zeros(len(truth))
        else:
            at = drawn.point.astype(np.float64 if follows else dtype)
            right = Gradient(function, at_kink, lambda g: g, answers)(function.form.build(at))
            spoilt = np.abs(
                function.form.flat(right).astype(float) - truth_with(function, drawn, at_kink, lambda g: g)
            )
        if not np.all(np.isfinite(spoilt)):
            return None
        tiny = float(np.finfo(answered).smallest_subnormal)
        allowed = 16 * eps * (np.abs(truth) + whole / drawn.lengths) + 4 * noise / drawn.lengths + 4 * tiny
        if np.any(spoilt > allowed):
            return None
        if name == "right":
            claims.append(Claim(name, True, visible, gradient, form))
        elif is_planted(
            off, spoilt, eps, tiny, truth, drawn, whole, noise, everywhere=name.startswith("all")
        ):
            claims.append(
                Claim(name, False, bool(np.linalg.norm(off * drawn.lengths) > 100 * noise), gradient, form)
            )
        if len(claims) == 3:
            break
    return tuple(claims)


def truth_with(function, drawn, at_kink, change):
    """A claim at the point, computed in longdouble, in float64."""
    with np.errstate(all="ignore"):
        exact = slope_of(function.family, drawn.point.astype(np.longdouble), drawn.constants, at_kink)
    return np.asarray(change(exact)).astype(float)


def variation(function, drawn):
    """How much the function changes within a third of its lengths."""
    wide = drawn.point.astype(np.longdouble)
    with np.errstate(all="ignore"):
        here, there = (
            function.family.value(x, *cast(function.constants, x)) for x in (wide, wide + 0.3 * drawn.lengths)
        )
    return float(abs(there - here)) if np.isfinite(there - here) else 0.0


def is_planted(off, spoilt, eps, tiny, truth, drawn, whole, noise, everywhere):
    """Whether a claim is wrong beyond doubt, entry by entry and as a whole.

    - 10 eps of an entry, and 16 eps of the whole gradient over the lengths: a right gradient's sums are rounded by that.
    - 100 times what the right gradient, computed in its dtype, is off.
    - Above 150 parameters 1e-7 of the whole: less cannot be seen along directions, and entries cost too many calls.
    - One wrong entry must be 30 times the noise: below, it is a right gradient as far as values tell. A mistake in all
      entries (a factor, a sign) is planted in every noise: where noise hides it, it hides the right gradient, too.
    """
    per_entry = (off >= 10 * eps * np.abs(truth)) & (off >= 100 * spoilt) & (off >= 16 * tiny)
    if not np.any(per_entry):
        return False
    along = float(np.linalg.norm(np.where(per_entry, off, 0) * drawn.lengths))
    if along < 16 * eps * whole or (len(truth) > DIRECTIONS and along < ALONG * whole):
        return False
    return everywhere or along >= 30 * noise


def kink_changes(drawn):
    return [(f"outside of the subdifferential, {k}", None, k) for k in range(1, len(drawn.at_kink))]


def drawn_changes(rng, truth, smooth, natural):
    """Mistakes in random order, as functions of the gradient (p,). They leave entries at kinks as they are."""
    free = np.flatnonzero(smooth)
    if not len(free):
        return []
    large = free[np.abs(truth[free]) > 0]
    factor = float(rng.choice(FACTORS))
    one = int(rng.choice(free))
    some = int(rng.choice(large)) if len(large) else one
    added = 0.05 * natural
    order = free[rng.permutation(len(free))]
    other = free[::-1]

    def entry(index, make):
        def change(g):
            g = g.copy()
            g[index] = make(g[index])
            return g

        return change

    def shuffled(new):
        def change(g):
            g = g.copy()
            g[free] = g[new]
            return g

        return change

    def more(g):
        return np.where(smooth, g + added.astype(g.dtype), g)

    changes = [
        ("all: sign", lambda g: np.where(smooth, -g, g)),
        (f"all: × {factor:.3g}", lambda g: np.where(smooth, g * g.dtype.type(factor), g)),
        ("all: × 1.01", lambda g: np.where(smooth, g * g.dtype.type(1.01), g)),
        ("one entry: sign", entry(some, lambda v: -v)),
        (f"one entry: × {factor:.3g}", entry(some, lambda v: v * factor)),
        ("one entry: 0", entry(some, lambda v: 0 * v)),
        ("one entry: more", entry(one, lambda v: v + added[one])),
        ("all: zero", lambda g: np.where(smooth, 0 * g, g)),
        ("permuted", shuffled(order)),
        ("permuted: reversed", shuffled(other)),
        ("all: more", more),
    ]
    return [changes[k] for k in rng.permutation(len(changes))]

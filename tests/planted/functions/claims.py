"""A case of the campaign: a random function at a random point, a right claim of its gradient, and two wrong ones.

Everything of a case is drawn from its seed. What may be expected of a checker follows from two numbers:

- `noise`: by how much the function, as it is evaluated, differs from its formula in longdouble, around the point.
  From values a slope cannot be known better than to about noise / length.
- eps of the dtype in which a claim is answered: a right claim is rounded by that.

A right claim is *visible* where noise / length is below 1e-4 of every entry: a quotient with a step of a tenth of the
length then sees three digits. Other right claims are *hidden*: they may be undecided, but must not be called wrong.
A wrong claim must never be called right. It is planted only where it is wrong beyond these roundings (`is_planted`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from planted.functions.families import FAMILIES, Axes, Drawn, Family

import backprop

DTYPES = (np.float64, np.float32, np.float16)
SURROUNDINGS = ("offset", "pseudo-noise", "random noise", "stairs")
FACTORS = (1.03, 1.1, 1.3, 0.5, 2.0, 10.0, 1000.0, 1 / 3, 0.99)
SEEN = 1e-4  # of an entry, noise / length: up to there a right claim counts
MANY = 150  # parameters; above, a checker with 2,000 calls may look along random directions instead of at entries
DUST = 2e-13  # of the whole gradient
ALONG = 1e-7  # of the whole gradient: what quotients tell along such a direction, with a margin of 100
CLAIMS = 3  # of a case, where so many can be planted


@dataclass(frozen=True)
class Claim:
    """A gradient that is handed to the checker: whether it is right, and whether values can tell."""

    name: str
    right: bool
    visible: bool
    gradient: Any
    form: str


@dataclass(frozen=True)
class Case:
    """A function, a point and claims. truth: the gradient (p,) at the point, computed in longdouble."""

    seed: int
    name: str
    family: Family
    drawn: Drawn
    function: Function
    point: Any
    truth: Any
    noise: float
    claims: tuple[Claim, ...]
    dtype: str
    words: str

    def check(self, claim):
        return backprop.check_gradient(self.function, claim.gradient, self.point)


class Form:
    """How the point is handed over: as one array, a dict, a list, a number, or numbers under names."""

    def __init__(self, rng, size):
        kinds = (
            ("array", "number", "dict")
            if size == 1
            else ("array", "dict", "list") + ("numbers",) * (size < 5)
        )
        self.kind = str(rng.choice(kinds))
        self.cuts = sorted(set(rng.integers(1, size, 2).tolist())) if size > 1 else []
        square = int(np.sqrt(size))
        self.shape = (square, square) if square**2 == size > 1 and rng.random() < 0.5 else (size,)

    def build(self, x):
        """The flat array (p,) in this structure."""
        x = np.array(x)
        if self.kind == "array":
            return x.reshape(self.shape)
        if self.kind.startswith("number"):
            numbers = [float(v) if x.dtype == np.float64 else v for v in x]
            return numbers[0] if self.kind == "number" else {f"p{j}": v for j, v in enumerate(numbers)}
        parts = [part.copy() for part in np.split(x, self.cuts)]
        return parts if self.kind == "list" else {f"W{j}": part for j, part in enumerate(parts)}

    def flat(self, tree):
        """The flat array (p,) of a point, whatever its dtype."""
        leaves = (
            tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else [tree]
        )
        return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in leaves])


class Function:
    """The function as its author wrote it: from a tree of arrays to a number.

    inside: the dtype in which it computes; None for that of what it is given. numbers: what it does with complex
    numbers: "takes" them, "loses" the imaginary part, or "raises", as `math.exp` does. surrounding: what becomes of
    the value, and `amount` how much is added, or to which dtype it is rounded.
    """

    def __init__(self, family, constants, form, inside, numbers, surrounding, amount, seed):
        self.family, self.constants, self.form = family, constants, form
        self.inside, self.numbers, self.surrounding, self.amount = inside, numbers, surrounding, amount
        self.rng = np.random.default_rng(seed)

    def __call__(self, tree):
        x = self.form.flat(tree)
        if np.iscomplexobj(x) and self.numbers == "raises":
            raise TypeError("must be real number, not complex")
        x = self.given(x if self.numbers == "takes" else x.real)
        with np.errstate(all="ignore"):
            value = self.around(value_of(self.family, x, self.constants), x)
        if self.numbers == "raises" and np.isnan(value):
            raise ValueError("math domain error")
        return float(value) if self.numbers == "raises" else value

    def given(self, x):
        """The parameters as they are used inside."""
        if self.inside is not None:
            x = x.astype(np.result_type(self.inside, np.complex64) if np.iscomplexobj(x) else self.inside)
        return bfloat16(x.real) if self.amount == "bfloat16" else x

    def around(self, value, x):
        dtype = value.real.dtype.type
        if self.surrounding == "offset":
            return value + dtype(self.amount)
        if self.surrounding == "pseudo-noise":
            return value + dtype(
                self.amount * (zlib.crc32(np.ascontiguousarray(x.real).tobytes()) / 2**31 - 1)
            )
        if self.surrounding == "random noise":
            return value + dtype(self.amount * self.rng.standard_normal())
        if self.surrounding == "stairs":
            return bfloat16(value.real) if self.amount == "bfloat16" else value.real.astype(self.amount)
        return value

    def is_wide(self):
        """Whether the function gives values of float64."""
        return self.inside in (None, np.float64) and self.surrounding != "stairs"


class Gradient:
    """A gradient as its author wrote it: the slope, with `change` made to it, answered in a dtype or as it comes."""

    def __init__(self, function, at_kink, change, answers):
        self.function, self.at_kink, self.change, self.answers = function, at_kink, change, answers

    def __call__(self, tree):
        function = self.function
        x = function.given(function.form.flat(tree).real)
        with np.errstate(all="ignore"):
            g = self.change(slope_of(function.family, x, function.constants, self.at_kink))
            return function.form.build(g.astype(self.answers) if self.answers else g)

    def exactly(self, drawn):
        """The claim (p,) at the point, in longdouble, rounded to float64."""
        x = drawn.point.astype(np.longdouble)
        with np.errstate(all="ignore"):
            return self.change(slope_of(self.function.family, x, drawn.constants, self.at_kink)).astype(float)


def bfloat16(x):
    """Numbers rounded to eight bits, in float32."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def value_of(family, x, constants):
    """The formula, with constants of the dtype of x, as an author's own arrays would be."""
    return family.value(x, *(each.astype(x.real.dtype) for each in constants))


def slope_of(family, x, constants, at_kink):
    every = (*constants, *(() if at_kink is None else (at_kink,)))
    return family.slope(x, *(each.astype(x.real.dtype) for each in every))


def family_of(seed):
    """The family and the surrounding that a seed draws, and the generator that draws the rest."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[rng.integers(len(FAMILIES))]
    plain = family.name in ("underflow", "constant") or not family.analytic
    return family, None if plain or rng.random() < 0.75 else str(rng.choice(SURROUNDINGS)), rng


def case_of(seed):
    """The case of a seed. A point at which the function or its gradient is no number of the dtype is drawn again."""
    family, surrounding, rng = family_of(seed)
    for attempt in range(100):
        dtype = DTYPES[rng.choice(3, p=(0.6, 0.25, 0.15))] if attempt < 60 else np.float64
        if surrounding == "stairs" or (surrounding and dtype is np.float16):
            dtype = np.float32  # a gradient in float32 for a point in float64 would have the wrong dtype
        case = drawn_case(seed, family, surrounding, rng, dtype)
        if case is not None:
            return case
    raise AssertionError(f"no case of {family.name} from seed {seed}")


def drawn_case(seed, family, surrounding, rng, dtype):
    """A case, or None where the draw is of no use."""
    size = int(min(family.largest, 400, np.rint(10 ** rng.uniform(0, rng.choice([1, 2.6])))))
    reach = 2.5 if dtype is np.float16 else 5
    width = 10 ** rng.uniform(-reach, reach)
    axes = Axes(size, width * 10 ** rng.uniform(-1, reach), width, dtype)
    with np.errstate(all="ignore"):
        drawn = family.draw(rng, axes)
    form = Form(rng, len(drawn.point))
    inside = None if dtype is np.float64 else (None, np.float64, dtype)[rng.choice(3, p=(0.5, 0.3, 0.2))]
    numbers = str(rng.choice(["takes", "loses", "raises"], p=(0.5, 0.25, 0.25)))
    amount = None
    if surrounding == "stairs":
        inside, amount = np.float32, (np.float32, np.float16, "bfloat16")[rng.integers(3)]
    if amount == "bfloat16":  # the point stands on a step, so that the gradient there is that of the formula
        drawn = replace(drawn, point=bfloat16(drawn.point).astype(float))

    function = Function(family, drawn.constants, form, inside, numbers, None, amount, seed)
    right = Gradient(function, drawn.at_kink[0] if drawn.at_kink else None, lambda g: g, None)
    truth = right.exactly(drawn)
    typical = max(float(np.linalg.norm(truth * drawn.lengths)), 1e-3 * variation(family, drawn))
    typical = typical if typical > 1e-250 else 1.0  # of a function that does not move at all
    if surrounding in ("offset", "pseudo-noise", "random noise"):
        low, high = {"offset": (3, 22), "pseudo-noise": (-12, -4), "random noise": (-12, -2)}[surrounding]
        function.amount = float(typical * 10 ** rng.uniform(low, high) * rng.choice([-1, 1]))
    function.surrounding = surrounding
    point = form.build(drawn.point.astype(dtype))
    if not usable(function, point, truth, drawn, dtype):
        return None
    noise = noise_of(rng, function, drawn, dtype)
    claims = claims_of(rng, function, drawn, truth, typical, noise, dtype)
    if claims is None:
        return None
    words = (
        f"{family.name}, {surrounding or 'plain'} {getattr(function.amount, '__name__', function.amount) or ''}, "
        f"p = {len(drawn.point)} as {form.kind}, point {dtype.__name__}, computes in "
        f"{inside.__name__ if inside else 'its dtype'}, {numbers} complex numbers, |x| up to "
        f"{np.max(np.abs(drawn.point)):.2g}, "
        f"lengths {np.min(drawn.lengths):.2g} to {np.max(drawn.lengths):.2g}, noise {noise:.2g}"
    )
    name = surrounding or family.name
    return Case(seed, name, family, drawn, function, point, truth, noise, claims, dtype.__name__, words)


def variation(family, drawn):
    """The change of the function over a third of its lengths."""
    x = drawn.point.astype(np.longdouble)
    with np.errstate(all="ignore"):
        here, there = (value_of(family, at, drawn.constants) for at in (x, x + 0.3 * drawn.lengths))
        change = there - here
    return float(abs(change)) if np.isfinite(change) else 0.0


def usable(function, point, truth, drawn, dtype):
    """Whether value and gradient are ordinary numbers of the point's dtype, in which claims are answered."""
    largest = float(np.max(np.abs(truth)))
    if not np.all(np.isfinite(truth)) or not np.all(drawn.lengths > 0):
        return False
    low, high = 1e3 * float(np.finfo(dtype).tiny), 1e-3 * float(np.finfo(dtype).max)
    low, high = (low, 0.3 * float(np.finfo(dtype).max)) if dtype is np.float16 else (low, high)
    value = attempted(function, point)
    return (largest == 0 or low < largest < high) and value is not None and bool(np.isfinite(value))


def attempted(function, tree):
    """The value, or None outside of the domain."""
    try:
        return function(tree)
    except ValueError:
        return None


def noise_of(rng, function, drawn, dtype):
    """The largest difference of the function and its formula in longdouble, within a third of the lengths.

    It holds what sums, an offset, stairs and noise hide; it is half a unit of the value at the least.
    """
    answered = np.finfo(np.asarray(function(function.form.build(drawn.point.astype(dtype)))).real.dtype).eps
    unit = float(np.finfo(float).eps if function.is_wide() else answered)
    offset = np.longdouble(function.amount if function.surrounding == "offset" else 0)
    seen = [0.0]
    for _ in range(12):
        x = drawn.point + rng.uniform(-0.3, 0.3, len(drawn.point)) * drawn.lengths
        value = attempted(function, function.form.build(x))
        with np.errstate(all="ignore"):
            exact = value_of(function.family, x.astype(np.longdouble), function.constants)
        if value is not None and np.isfinite(value) and np.isfinite(exact):
            seen += [abs(float(np.longdouble(value) - offset - exact)), unit * abs(float(value)) / 2]
    return max(seen)


def claims_of(rng, function, drawn, truth, typical, noise, dtype):
    """A right claim and two wrong ones; None where the rounding of the right gradient's own sums spoils it."""
    follows = function.inside is None
    answers = None if follows or rng.random() < 0.5 else dtype
    sizes = np.where(truth == 0, typical / drawn.lengths, np.abs(truth))
    visible = bool(np.all(noise / drawn.lengths <= SEEN * sizes))
    whole = float(np.linalg.norm(truth * drawn.lengths))
    same = [(f"outside of the subdifferential, {k}", lambda g: g, k) for k in range(1, len(drawn.at_kink))]
    mistakes = [(name, change, 0) for name, change in drawn_mistakes(rng, truth, drawn, typical)]

    claims = []
    for name, change, number in [("right", lambda g: g, 0), *same, *mistakes]:
        at_kink = drawn.at_kink[number] if drawn.at_kink else None
        gradient = Gradient(function, at_kink, change, answers)
        claimed = gradient.exactly(drawn)
        form = "function" if rng.random() < 0.6 else "array"
        if form == "array":  # rounded once
            answered = dtype if follows or answers else function.inside
            with np.errstate(over="ignore"):
                handed, spoilt = function.form.build(claimed.astype(answered)), np.zeros(len(truth))
        else:  # computed in float64 where the function follows what it is given: so can the checker have it
            answered = np.float64 if follows else answers or function.inside
            at = function.form.build(drawn.point.astype(np.float64 if follows else dtype))
            handed, spoilt = gradient, np.abs(function.form.flat(gradient(at)).astype(float) - claimed)
        eps, tiny = float(np.finfo(answered).eps), float(np.finfo(answered).smallest_subnormal)
        fair = 16 * eps * (np.abs(claimed) + whole / drawn.lengths) + 4 * noise / drawn.lengths + 4 * tiny
        if not np.all(spoilt <= fair):
            return None
        off = np.abs(claimed - truth)
        beside = nudged(gradient, drawn, eps)  # what some roundings of the point make of a zero is no mistake
        counted = np.where(
            (off >= 10 * eps * np.abs(truth)) & (off >= 100 * spoilt) & (off >= 16 * tiny) & (off >= beside),
            off,
            0,
        )
        along = float(np.linalg.norm(counted * drawn.lengths))
        if name == "right":
            claims.append(Claim(name, True, visible, handed, form))
        elif is_planted(along, eps, whole, noise, len(truth), everywhere=name.startswith("all")):
            claims.append(Claim(name, False, along > 100 * noise, handed, form))
        if len(claims) == CLAIMS:
            break
    return tuple(claims)


def nudged(gradient, drawn, eps):
    """How far (p,) the claim moves with 128 roundings of the point, where it should be zero there; else 0."""
    moved = replace(drawn, point=drawn.point * (1 + 128 * eps))
    right = Gradient(gradient.function, gradient.at_kink, lambda g: g, gradient.answers)
    here, there = right.exactly(drawn), right.exactly(moved)
    return np.where(here == 0, np.abs(there - here), 0)


def is_planted(along, eps, whole, noise, size, *, everywhere):
    """Whether a claim is wrong beyond doubt. along: the norm of its errors, each times the length of its entry.

    An error is counted in it where it is beyond 10 eps of the entry and 100 times what the right gradient is off in
    its dtype: a factor of 1.01 counts in float16, too. Then:
    - 16 eps of the whole gradient, and 1,000 eps of float64: the sums of a right one are rounded by that.
    - Above 150 parameters 1e-7 of the whole, 256 eps, and 300 times the noise: less cannot be seen along directions,
      in which the rounding of all entries adds up, and entries take too many calls.
    - 30 times the noise, unless all entries are wrong: one entry below the noise, in a gradient above it, cannot be
      told from a right one. A factor or sign on all entries counts in any noise, which hides the right one, too.
    """
    many = size > MANY
    least = max((256 if many else 16) * eps, DUST, ALONG if many else 0) * whole
    return along > 0 and along >= least and (everywhere or along >= (300 if many else 30) * noise)


def drawn_mistakes(rng, truth, drawn, typical):
    """Mistakes in random order, as functions of the gradient (p,). They leave entries at kinks as they are."""
    smooth = np.ones(len(truth), bool) if drawn.smooth is None else drawn.smooth
    free = np.flatnonzero(smooth)
    if not len(free):
        return []
    factor = float(rng.choice(FACTORS))
    nonzero = free[truth[free] != 0]
    any_one, one = int(rng.choice(free)), int(rng.choice(nonzero if len(nonzero) else free))
    more = 0.05 * typical / drawn.lengths
    shuffled = free[rng.permutation(len(free))]

    def everywhere(make):
        return lambda g: np.where(smooth, make(g), g)

    def entry(index, make):
        return lambda g: np.where(np.arange(len(g)) == index, make(g), g)

    def moved(source):
        order = np.arange(len(truth))
        order[free] = source
        return lambda g: g[order]

    mistakes = [
        ("all: sign", everywhere(lambda g: -g)),
        ("all: × 1.01", everywhere(lambda g: g * g.dtype.type(1.01))),
        (f"all: × {factor:.3g}", everywhere(lambda g: g * g.dtype.type(factor))),
        ("all: 0", everywhere(lambda g: 0 * g)),
        ("all: more", everywhere(lambda g: g + more.astype(g.dtype))),
        ("one entry: sign", entry(one, lambda g: -g)),
        (f"one entry: × {factor:.3g}", entry(one, lambda g: g * g.dtype.type(factor))),
        ("one entry: 0", entry(one, lambda g: 0 * g)),
        ("one entry: more", entry(any_one, lambda g: g + more.astype(g.dtype))),
        ("permuted", moved(shuffled)),
        ("permuted: reversed", moved(free[::-1])),
    ]
    return [mistakes[k] for k in rng.permutation(len(mistakes))]

"""Reads a formula as it is printed and computes it, one element at a time: what is shown must be what was done.

term (+ or - term)…      a term is factors side by side or divided; Σi takes the rest of its term
"""

import itertools
import math
import re
from statistics import NormalDist

import numpy as np

from backprop.explain.numbers import primed

TOKEN = re.compile(
    r"\s*(?:(?P<array>[∂A-Za-zγβℓ₀-₉/′]*?[A-Za-zγβℓ₀-₉′]\[(?:[a-z]+′?)(?:,[a-z]+′?)*\]|δ\[[a-z]′?,[a-z]′?\])"
    r"|(?P<sum>Σ[a-z])|(?P<function>exp|log|tanh|max|Φ|φ|√)|(?P<name>[a-z])|(?P<number>\d+)|(?P<mark>[-+/()\[\]>,²]))"
)
NORMAL = NormalDist()
FUNCTIONS = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "max": max,
    "√": math.sqrt,
    "Φ": NORMAL.cdf,
    "φ": NORMAL.pdf,
}


class Formula:
    """A formula, as a function of the arrays and indices by name."""

    def __init__(self, text):
        self.tokens, position = [], 0
        while position < len(text.rstrip()):
            found = TOKEN.match(text, position)
            assert found, f"cannot read {text[position:]!r} of {text!r}"
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self.k = 0
        self.compute = self.sum()
        assert self.k == len(self.tokens), self.tokens[self.k :]

    def next_is(self, *marks):
        return self.k < len(self.tokens) and self.tokens[self.k][1] in marks

    def take(self, mark=None):
        kind, text = self.tokens[self.k]
        assert mark in (None, text)
        self.k += 1
        return kind, text

    def sum(self):
        value = self.term()
        while self.next_is("+", "-"):
            sign, left, right = (1 if self.take()[1] == "+" else -1), value, self.term()
            value = lambda e, left=left, right=right, sign=sign: left(e) + sign * right(e)  # noqa: E731
        return value

    def term(self):
        if self.next_is("-"):
            self.take()
            rest = self.term()
            return lambda e: -rest(e)
        value = self.factor()
        while self.k < len(self.tokens) and not self.next_is("+", "-", ")", "]", ">", ","):
            divides = self.next_is("/")
            if divides:
                self.take()
            left, right = value, self.factor()
            value = (
                (lambda e, left=left, right=right: left(e) / right(e))
                if divides
                else (lambda e, left=left, right=right: left(e) * right(e))
            )
        return value

    def factor(self):
        value = self.atom()
        if self.next_is("²"):
            self.take()
            return lambda e: value(e) ** 2
        return value

    def atom(self):
        kind, text = self.take()
        if kind == "number":
            return lambda e: float(text)
        if kind == "name":
            return lambda e: float(e.sizes[text])
        if kind == "array":
            return self.array(text)
        if kind == "sum":
            letter, start = text[1], self.k
            inner = self.term()
            inside = [token for kind, token in self.tokens[start : self.k] if kind == "array"]
            return lambda e: sum(inner(e.at(letter, k)) for k in range(e.length(letter, inside)))
        if kind == "function":
            return self.function(FUNCTIONS[text])
        if text == "[":
            left = self.sum()
            self.take(">")
            right = self.sum()
            self.take("]")
            return lambda e: float(left(e) > right(e))
        assert text == "(", text
        value = self.sum()
        self.take(")")
        return value

    def function(self, function):
        if not self.next_is("("):
            inner = self.atom()
            return lambda e: function(inner(e))
        self.take("(")
        arguments = [self.sum()]
        while self.next_is(","):
            self.take()
            arguments.append(self.sum())
        self.take(")")
        return lambda e: function(*(argument(e) for argument in arguments))

    def array(self, text):
        name, letters = split(text)
        if name == "δ":
            return lambda e: float(e.index[letters[0]] == e.index[letters[1]])
        return lambda e: float(e.arrays[name][tuple(e.place(letter) for letter in letters)])


def split(text):
    """z₁[n,o] → z₁, [n, o]."""
    name, _, rest = text.partition("[")
    return name, rest.rstrip("]").split(",")


class Element:
    """Where a formula is computed: the arrays by name, the indices by letter, n and c."""

    def __init__(self, arrays, labels, sizes, index):
        self.arrays, self.labels, self.sizes, self.index = arrays, labels, sizes, index

    def at(self, letter, k):
        return Element(self.arrays, self.labels, self.sizes, {**self.index, letter: k})

    def place(self, letter):
        return int(self.labels[self.index["n"]]) if letter == "label" else self.index[letter]

    def length(self, letter, inside):
        """The length of the axis that a sum runs over, as the arrays in the sum have it."""
        lengths = {
            self.arrays[name].shape[letters.index(letter)]
            for name, letters in map(split, inside)
            if name != "δ" and letter in letters
        }
        (length,) = lengths
        return length


def computed(step, arrays, labels, sizes):
    """The whole array of a step by its printed formula."""
    compute, letters = Formula(step.formula).compute, primed(step.letters)
    array = np.empty(step.array.shape)
    for index in itertools.product(*map(range, array.shape)):
        array[index] = compute(Element(arrays, labels, sizes, dict(zip(letters, index, strict=True))))
    return array

"""A graph of nodes; the way back goes by depth, not in the reverse of the order in which the nodes were made."""

import numpy as np


class Node:
    def __init__(self, value, parents=(), back=None):
        self.value, self.parents, self.back = value, parents, back
        self.grad = np.zeros_like(value)


def matmul(x, w):
    def back(g):
        x.grad = x.grad + g @ w.value.T
        w.grad = w.grad + x.value.T @ g

    return Node(x.value @ w.value, (x, w), back)


def tanh(x):
    t = np.tanh(x.value)

    def back(g):
        dx = g * (1 - t**2)
        x.grad = x.grad + dx

    return Node(t, (x,), back)


def add(a, b):
    def back(g):
        a.grad = a.grad + g
        b.grad = b.grad + g

    return Node(a.value + b.value, (a, b), back)


def mul(a, b):
    def back(g):
        da = g * b.value
        db = g * a.value
        a.grad = a.grad + da
        b.grad = b.grad + db

    return Node(a.value * b.value, (a, b), back)


def order(node, seen, found):
    if id(node) not in seen:
        seen.add(id(node))
        for each in node.parents:
            order(each, seen, found)
        found.append(node)
    return found


def step(params, x, t):
    p = {k: Node(v) for k, v in params.items()}
    x = Node(x)
    a = tanh(matmul(x, p["A"]))
    b = tanh(matmul(x, p["B"]))
    c = tanh(matmul(x, p["C"]))
    d = tanh(matmul(b, p["D"]))
    e = mul(d, a)
    f = add(mul(e, b), mul(c, c))
    err = f.value - t
    loss = np.sum(err**2)
    f.grad = 2 * err
    for node in reversed(order(f, set(), [])):
        if node.back:
            node.back(node.grad)
    return loss, {k: v.grad for k, v in p.items()}


def example(rng):
    return {k: rng.standard_normal((3, 3)) for k in "ABCD"}, (
        rng.standard_normal((5, 3)),
        rng.standard_normal((5, 3)),
    )

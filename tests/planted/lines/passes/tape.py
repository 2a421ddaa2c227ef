"""A graph of nodes whose operators write closures; sorted and walked in reverse, gradients added up on the nodes."""

import numpy as np


class Node:
    def __init__(self, data, parents=()):
        self.data, self.parents = np.asarray(data), parents
        self.grad = np.zeros_like(self.data)
        self._backward = lambda: None

    def __matmul__(self, other):
        out = Node(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out._backward = _backward
        return out

    def __add__(self, other):
        out = Node(self.data + other.data, (self, other))

        def _backward():
            self.grad += unbroadcast(out.grad, self.data.shape)
            other.grad += unbroadcast(out.grad, other.data.shape)

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Node(self.data * other.data, (self, other))

        def _backward():
            self.grad += unbroadcast(out.grad * other.data, self.data.shape)
            other.grad += unbroadcast(out.grad * self.data, other.data.shape)

        out._backward = _backward
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Node(t, (self,))

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def mean_square(self):
        out = Node(np.mean(self.data**2), (self,))

        def _backward():
            self.grad += 2 * self.data / self.data.size * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.data)
        for node in reversed(order):
            node._backward()


def unbroadcast(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    return grad


def step(params, x, t):
    nodes = {name: Node(value) for name, value in params.items()}
    h = (Node(x) @ nodes["W1"] + nodes["b1"]).tanh()
    gate = (Node(x) @ nodes["V"]).tanh()
    y = (h * gate) @ nodes["W2"] + h @ nodes["W3"]
    loss = (y + Node(-t)).mean_square()
    loss.backward()
    return float(loss.data), {name: node.grad for name, node in nodes.items()}


def example(rng):
    shapes = {"W1": (3, 4), "b1": (4,), "V": (3, 4), "W2": (4, 2), "W3": (4, 2)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))

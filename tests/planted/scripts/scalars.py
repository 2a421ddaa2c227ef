import math
import random
random.seed(1)

class Value:
    def __init__(self, data, children=(), op=''):
        self.data = data
        self.grad = 0.0
        self._prev = set(children)
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), '+')
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), '*')
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,), 'tanh')
        def _backward():
            self.grad += (1 - t ** 2) * out.grad
        out._backward = _backward
        return out

    def backward(self):
        topo, visited = [], set()
        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build(child)
                topo.append(v)
        build(self)
        self.grad = 1.0
        for v in reversed(topo):
            v._backward()
# %%
x1, x2 = 0.7, -1.3
w1, w2, b = 0.5, 0.8, 0.2
vx1, vx2, vw1, vw2, vb = Value(x1), Value(x2), Value(w1), Value(w2), Value(b)
n = vx1 * vw1 + vx2 * vw2 + vb
o = n.tanh()
L = o * o + n * 0.3
L.backward()
loss = L.data
dw1, dw2, db = vw1.grad, vw2.grad, vb.grad
dx1, dx2 = vx1.grad, vx2.grad
print(loss, dw1, dw2, db)

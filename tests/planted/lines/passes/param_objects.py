"""A long short-term memory in columns: parameters as objects with their gradient, a dict by time for each value."""

import numpy as np

H_size = 3
X_size = 4
z_size = H_size + X_size


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(y):
    return y * (1 - y)


def tanh(x):
    return np.tanh(x)


def dtanh(y):
    return 1 - y * y


class Param:
    def __init__(self, name, value):
        self.name = name
        self.v = value
        self.d = np.zeros_like(value)


class Parameters:
    def __init__(self, values):
        self.W_f = Param("W_f", values["W_f"])
        self.b_f = Param("b_f", values["b_f"])
        self.W_i = Param("W_i", values["W_i"])
        self.b_i = Param("b_i", values["b_i"])
        self.W_C = Param("W_C", values["W_C"])
        self.b_C = Param("b_C", values["b_C"])
        self.W_o = Param("W_o", values["W_o"])
        self.b_o = Param("b_o", values["b_o"])
        self.W_v = Param("W_v", values["W_v"])
        self.b_v = Param("b_v", values["b_v"])

    def all(self):
        return [
            self.W_f,
            self.W_i,
            self.W_C,
            self.W_o,
            self.W_v,
            self.b_f,
            self.b_i,
            self.b_C,
            self.b_o,
            self.b_v,
        ]


def forward(x, h_prev, C_prev, p):
    z = np.vstack((h_prev, x))
    f = sigmoid(np.dot(p.W_f.v, z) + p.b_f.v)
    i = sigmoid(np.dot(p.W_i.v, z) + p.b_i.v)
    C_bar = tanh(np.dot(p.W_C.v, z) + p.b_C.v)

    C = f * C_prev + i * C_bar
    o = sigmoid(np.dot(p.W_o.v, z) + p.b_o.v)
    h = o * tanh(C)

    v = np.dot(p.W_v.v, h) + p.b_v.v
    y = np.exp(v) / np.sum(np.exp(v))
    return z, f, i, C_bar, C, o, h, v, y


def backward(target, dh_next, dC_next, C_prev, z, f, i, C_bar, C, o, h, v, y, p):
    dv = np.copy(y)
    dv[target] -= 1

    p.W_v.d += np.dot(dv, h.T)
    p.b_v.d += dv

    dh = np.dot(p.W_v.v.T, dv)
    dh += dh_next
    do = dh * tanh(C)
    do = dsigmoid(o) * do
    p.W_o.d += np.dot(do, z.T)
    p.b_o.d += do

    dC = np.copy(dC_next)
    dC += dh * o * dtanh(tanh(C))
    dC_bar = dC * i
    dC_bar = dtanh(C_bar) * dC_bar
    p.W_C.d += np.dot(dC_bar, z.T)
    p.b_C.d += dC_bar

    di = dC * C_bar
    di = dsigmoid(i) * di
    p.W_i.d += np.dot(di, z.T)
    p.b_i.d += di

    df = dC * C_prev
    df = dsigmoid(f) * df
    p.W_f.d += np.dot(df, z.T)
    p.b_f.d += df

    dz = np.dot(p.W_f.v.T, df) + np.dot(p.W_i.v.T, di) + np.dot(p.W_C.v.T, dC_bar) + np.dot(p.W_o.v.T, do)
    dh_prev = dz[:H_size, :]
    dC_prev = f * dC
    return dh_prev, dC_prev


def forward_backward(inputs, targets, h_prev, C_prev, parameters):
    x_s, z_s, f_s, i_s = {}, {}, {}, {}
    C_bar_s, C_s, o_s, h_s = {}, {}, {}, {}
    v_s, y_s = {}, {}
    h_s[-1] = np.copy(h_prev)
    C_s[-1] = np.copy(C_prev)
    loss = 0
    for t in range(len(inputs)):
        x_s[t] = np.zeros((X_size, 1))
        x_s[t][inputs[t]] = 1
        (z_s[t], f_s[t], i_s[t], C_bar_s[t], C_s[t], o_s[t], h_s[t], v_s[t], y_s[t]) = forward(
            x_s[t], h_s[t - 1], C_s[t - 1], parameters
        )
        loss += -np.log(y_s[t][targets[t], 0])

    dh_next = np.zeros_like(h_s[0])
    dC_next = np.zeros_like(C_s[0])
    for t in reversed(range(len(inputs))):
        dh_next, dC_next = backward(
            target=targets[t],
            dh_next=dh_next,
            dC_next=dC_next,
            C_prev=C_s[t - 1],
            z=z_s[t],
            f=f_s[t],
            i=i_s[t],
            C_bar=C_bar_s[t],
            C=C_s[t],
            o=o_s[t],
            h=h_s[t],
            v=v_s[t],
            y=y_s[t],
            p=parameters,
        )
    return loss, h_s[len(inputs) - 1], C_s[len(inputs) - 1]


def step(values, inputs, targets, h0, C0):
    parameters = Parameters(values)
    loss, _, _ = forward_backward(inputs, targets, h0, C0, parameters)
    return loss, {q.name: q.d for q in parameters.all()}


def example(rng):
    values = {f"W_{g}": rng.standard_normal((H_size, z_size)) for g in "fiCo"}
    values |= {f"b_{g}": rng.standard_normal((H_size, 1)) for g in "fiCo"}
    values |= {"W_v": rng.standard_normal((X_size, H_size)), "b_v": rng.standard_normal((X_size, 1))}
    return values, (
        rng.integers(0, 4, 4),
        rng.integers(0, 4, 4),
        rng.standard_normal((3, 1)),
        rng.standard_normal((3, 1)),
    )

"""A chain of anharmonic springs between two walls, rolled out in time, its adjoint equations written out by hand."""

import numpy as np

DT = 0.2
STEPS = 6


def stretch(q):
    """Lengths of the springs: wall, masses, wall."""
    return np.diff(np.concatenate([[0.0], q, [0.0]]))


def stretch_adjoint(adj_s):
    return adj_s[:-1] - adj_s[1:]


def tension(s, k, c):
    return k * s + c * s**3


def energy(q, v, k, c, m):
    s = stretch(q)
    return 0.5 * np.sum(m * v**2) + np.sum(0.5 * k * s**2 + 0.25 * c * s**4)


def step(point, observed):
    log_k, c, log_m, damping, q0, v0 = point
    k, m = np.exp(log_k), np.exp(log_m)

    q, v = q0, v0
    qs, vs = [q], [v]
    for _ in range(STEPS):
        f = np.diff(tension(stretch(q), k, c))
        v = v + DT * (f / m - damping * v)
        q = q + DT * v
        qs.append(q)
        vs.append(v)
    misfit = sum(0.5 * np.sum((qs[i + 1] - observed[i]) ** 2) for i in range(STEPS)) / STEPS
    E = energy(qs[-1], vs[-1], k, c, m)
    loss = misfit + 0.1 * E**2

    adj_k, adj_c, adj_m = np.zeros_like(k), np.zeros_like(c), np.zeros_like(m)
    adj_damping = 0.0

    # the energy at the end
    adj_E = 0.2 * E
    s = stretch(qs[-1])
    adj_k += adj_E * 0.5 * s**2
    adj_c += adj_E * 0.25 * s**4
    adj_m += adj_E * 0.5 * vs[-1] ** 2
    adj_q = stretch_adjoint(adj_E * tension(s, k, c))
    adj_v = adj_E * m * vs[-1]

    for i in range(STEPS - 1, -1, -1):
        adj_q = adj_q + (qs[i + 1] - observed[i]) / STEPS
        adj_v = adj_v + DT * adj_q
        adj_f = DT * adj_v / m
        f = np.diff(tension(stretch(qs[i]), k, c))
        adj_m -= adj_f * f / m
        adj_damping -= DT * adj_v @ vs[i]
        adj_v = (1 - DT * damping) * adj_v
        # f[j] = tension[j + 1] - tension[j]
        adj_t = np.zeros_like(k)
        adj_t[1:] += adj_f
        adj_t[:-1] -= adj_f
        s = stretch(qs[i])
        adj_k += adj_t * s
        adj_c += adj_t * s**3
        adj_s = adj_t * (k + 3 * c * s**2)
        adj_q = adj_q + stretch_adjoint(adj_s)
    return loss, (adj_k * k, adj_c, adj_m * m, np.asarray(adj_damping), adj_q, adj_v)


def example(rng):
    n = 4
    point = (
        0.4 * rng.standard_normal(n + 1),
        0.5 + 0.3 * rng.standard_normal(n + 1),
        0.3 * rng.standard_normal(n),
        np.array(0.4),
        0.6 * rng.standard_normal(n),
        0.6 * rng.standard_normal(n),
    )
    return point, (rng.standard_normal((STEPS, n)),)

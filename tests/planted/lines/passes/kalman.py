"""A Kalman filter: its log likelihood by system matrix, observation and noises, back over the tape of its steps."""

import numpy as np


def step(theta, ys):
    a, h, logq, logr = theta["A"], theta["H"], theta["logq"], theta["logr"]
    Q, R = np.exp(logq) * np.eye(2), np.exp(logr)
    m, P = np.zeros(2), np.eye(2)
    nll = 0.0
    tape = []
    for y in ys:
        mp = a @ m
        Pp = a @ P @ a.T + Q
        v = y - h @ mp
        S = h @ Pp @ h + R
        K = Pp @ h / S
        nll += 0.5 * (np.log(S) + v**2 / S)
        tape.append((m, P, mp, Pp, v, S, K))
        m = mp + K * v
        P = Pp - np.outer(K, K) * S

    A_bar = np.zeros_like(a)
    h_bar = np.zeros_like(h)
    Q_bar = np.zeros((2, 2))
    R_bar = 0.0
    m_bar = np.zeros(2)
    P_bar = np.zeros((2, 2))
    for m, P, mp, Pp, v, S, K in reversed(tape):
        mp_bar = m_bar.copy()
        K_bar = m_bar * v
        v_bar = m_bar @ K
        Pp_bar = P_bar.copy()
        K_bar -= S * (P_bar + P_bar.T) @ K
        S_bar = -K @ P_bar @ K
        S_bar += 0.5 * (1 / S - v**2 / S**2)
        v_bar += v / S
        Pp_bar += np.outer(K_bar, h) / S
        h_bar += Pp.T @ K_bar / S
        S_bar -= K_bar @ K / S
        Pp_bar += S_bar * np.outer(h, h)
        h_bar += S_bar * (Pp + Pp.T) @ h
        R_bar += S_bar
        h_bar -= v_bar * mp
        mp_bar -= v_bar * h
        A_bar += np.outer(mp_bar, m)
        A_bar += Pp_bar @ a @ P.T + Pp_bar.T @ a @ P
        Q_bar += Pp_bar
        m_bar = a.T @ mp_bar
        P_bar = a.T @ Pp_bar @ a
    return nll, {"A": A_bar, "H": h_bar, "logq": np.exp(logq) * np.trace(Q_bar), "logr": R_bar * R}


def example(rng):
    theta = {
        "A": 0.7 * np.eye(2) + 0.2 * rng.standard_normal((2, 2)),
        "H": rng.standard_normal(2),
        "logq": np.array(-0.5),
        "logr": np.array(0.3),
    }
    return theta, (rng.standard_normal(5),)

"""Models as people write them, from courses, kernels and papers: a piece, its gradient by hand, and two slips of it.

Each piece is called with the name of a slip, or None for the right one, and is checked as it stands.
"""

import numpy as np

import backprop

RNG = np.random.default_rng(5)


def drawn(*shapes):
    return tuple(RNG.normal(size=shape) for shape in shapes)


def log_sum(a, axis):
    most = a.max(axis=axis, keepdims=True)
    return np.squeeze(most, axis) + np.log(np.exp(a - most).sum(axis=axis))


def words_in_a_row(slip):
    """An exercise: embedding, batch normalisation by hand with n - 1, tanh; the bias before it has no effect."""
    n, k = 6, 2
    X, Y = RNG.integers(0, 5, (n, k)), RNG.integers(0, 5, n)

    def step(C, W1, b1, gain, bias, W2, b2):
        emb = C[X].reshape(n, -1)
        pre = emb @ W1 + b1
        away = pre - pre.mean(0, keepdims=True)
        inv = ((away**2).sum(0, keepdims=True) / (n - 1) + 1e-5) ** -0.5
        raw = away * inv
        h = np.tanh(gain * raw + bias)
        logits = h @ W2 + b2
        p = np.exp(logits - logits.max(1, keepdims=True))
        p = p / p.sum(1, keepdims=True)
        loss = -np.log(p[range(n), Y]).mean()
        dlogits = p.copy()
        dlogits[range(n), Y] -= 1
        dlogits /= n
        dhpre = (1 - h**2) * (dlogits @ W2.T)
        m = n if slip == "n" else n - 1
        draw = raw * (dhpre * raw).sum(0) * n / m
        dpre = gain * inv / n * (n * dhpre - dhpre.sum(0) - draw)
        demb = (dpre @ W1.T).reshape(n, k, -1)
        dC = np.zeros_like(C)
        for i in range(n):
            for j in range(k):
                dC[X[i, j]] = demb[i, j] + (0 if slip == "overwritten" else dC[X[i, j]])
        grads = (
            dC,
            emb.T @ dpre,
            dpre.sum(0),
            (raw * dhpre).sum(0, keepdims=True),
            dhpre.sum(0, keepdims=True),
        )
        return loss, [*grads, h.T @ dlogits, dlogits.sum(0)]

    return backprop.check_step(step, list(drawn((5, 3), (6, 4), 4, (1, 4), (1, 4), (4, 5), 5)))


def autoencoder(slip):
    """A variational autoencoder: the noise is drawn before, the variance is a logarithm."""
    x, (noise,) = RNG.uniform(0.1, 0.9, (5, 4)), drawn((5, 2))

    def decoded(mean, log_var, W):
        z = mean + np.exp(log_var / 2) * noise
        return z, 1 / (1 + np.exp(-z @ W))

    def loss(mean, log_var, W):
        y = decoded(mean, log_var, W)[1]
        match = np.sum(x * np.log(y) + (1 - x) * np.log(1 - y), axis=1)
        return np.mean(-0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1) - match)

    def gradient(mean, log_var, W):
        z, y = decoded(mean, log_var, W)
        d = (y - x) / len(x)
        dz = d @ W.T
        dvar = dz * noise * np.exp(log_var / 2) * (1 if slip == "half" else 0.5)
        prior = 0.5 if slip == "variance" else 0.5 * (np.exp(log_var) - 1)
        return dz + mean / len(x), dvar + prior / len(x), z.T @ d

    return backprop.check_gradient(loss, gradient, drawn((5, 2), (5, 2), (2, 4)))


def layer_norm_in_loops(slip):
    """As a kernel in C has it: sums in loops over batch, time and channels."""

    def forward(inp, weight, bias):
        out, mean, rstd = np.zeros_like(inp), np.zeros_like(inp[..., 0]), np.zeros_like(inp[..., 0])
        for b, t in np.ndindex(*inp.shape[:2]):
            x = inp[b, t]
            mean[b, t] = x.sum() / len(x)
            rstd[b, t] = (((x - mean[b, t]) ** 2).sum() / len(x) + 1e-5) ** -0.5
            out[b, t] = rstd[b, t] * (x - mean[b, t]) * weight + bias
        return out, (inp, weight, mean, rstd)

    def backward(dout, cache):
        inp, weight, mean, rstd = cache
        dinp, dweight, dbias = np.zeros_like(inp), np.zeros_like(weight), np.zeros_like(weight)
        for b, t in np.ndindex(*inp.shape[:2]):
            norm = (inp[b, t] - mean[b, t]) * rstd[b, t]
            dnorm = weight * dout[b, t]
            share = (dnorm * norm).sum() / (1 if slip == "sum" else len(norm))
            dbias += dout[b, t]
            dweight += norm * dout[b, t]
            dinp[b, t] += (dnorm - dnorm.mean() - norm * share) * (1 if slip == "rstd" else rstd[b, t])
        return dinp, dweight, dbias

    return backprop.check_vjp(forward, backward, drawn((2, 3, 4), 4, 4))


def kalman_filter(slip):
    """The log likelihood of a local level by its log variances, with derivatives carried along."""
    y = np.cumsum(RNG.normal(size=12))

    def filtered(theta):
        q, r = np.exp(theta)
        m, P, dm, dP = 0.0, 1.0, np.zeros(2), np.zeros(2)
        value, slope = 0.0, np.zeros(2)
        for seen in y:
            P, dP = P + q, dP + np.array([q, 0])
            v, dv, S, dS = seen - m, -dm, P + r, dP + np.array([0, r])
            value = value - 0.5 * (np.log(S) + v * v / S)
            slope = slope - 0.5 * ((0 if slip == "log S" else dS / S) + 2 * v * dv / S - v * v * dS / S**2)
            K, dK = P / S, dP / S - P * dS / S**2
            m, dm = m + K * v, dm + K * dv + (0 if slip == "gain" else dK * v)
            P, dP = (1 - K) * P, (1 - K) * dP - dK * P
        return value, slope

    return backprop.check_step(filtered, np.array([0.2, -0.3]))


def adjoint(slip):
    """An equation in time by Euler steps, and its adjoint backwards in time."""
    (start, target), h = drawn(3, 3), 0.1

    def path(W, b):
        xs = [start]
        for _ in range(6):
            xs.append(xs[-1] + h * np.tanh(W @ xs[-1] + b))
        return xs

    def gradient(W, b):
        xs = path(W, b)
        costate, dW, db = xs[-1] - target, np.zeros_like(W), np.zeros_like(b)
        for k in reversed(range(6)):
            x = xs[k + 1] if slip == "later state" else xs[k]
            d = (1 - np.tanh(W @ x + b) ** 2) * costate
            dW, db = dW + h * np.outer(d, x), db + h * d
            costate = costate + (1 if slip == "step" else h) * W.T @ d
        return dW, db

    return backprop.check_gradient(
        lambda W, b: 0.5 * np.sum((path(W, b)[-1] - target) ** 2), gradient, drawn((3, 3), 3)
    )


def random_field(slip):
    """A chain: the forward algorithm in logarithms, and marginals from both directions."""
    tags = np.array([0, 2, 1, 1, 2])
    n = len(tags)

    def forwards(emit, move, start):
        alpha = [start + emit[0]]
        for t in range(1, n):
            alpha.append(log_sum(alpha[-1][:, None] + move, 0) + emit[t])
        return alpha, log_sum(alpha[-1], 0)

    def loss(emit, move, start):
        score = start[tags[0]] + emit[range(n), tags].sum() + move[tags[:-1], tags[1:]].sum()
        return forwards(emit, move, start)[1] - score

    def gradient(emit, move, start):
        alpha, total = forwards(emit, move, start)
        beta = [np.zeros(3)]
        for t in range(n - 1, 0, -1):
            beta.insert(0, log_sum(move + emit[t] + beta[0], 1))
        demit = np.exp(np.array(alpha) + np.array(beta) - total)
        dstart, dmove = demit[0].copy(), np.zeros_like(move)
        demit[range(n), tags] -= 1
        dstart[tags[0]] -= 0 if slip == "start" else 1
        for t in range(1, n):
            here = emit[t - 1] if slip == "emission" else emit[t]
            dmove += np.exp(alpha[t - 1][:, None] + move + here + beta[t] - total)
            dmove[tags[t - 1], tags[t]] -= 1
        return demit, dmove, dstart

    return backprop.check_gradient(loss, gradient, drawn((5, 3), (3, 3), 3))


def cached_attention(slip):
    """One token looks at the keys and values before it; it hands on both caches, with its own row."""

    def parts(x, keys, values, Wq, Wk, Wv):
        q, K, V = x @ Wq, np.concatenate([keys, (x @ Wk)[None]]), np.concatenate([values, (x @ Wv)[None]])
        p = np.exp(K @ q / np.sqrt(len(q)))
        return q, K, V, p / p.sum()

    def forward(*inputs):
        _, K, V, p = parts(*inputs)
        return p @ V, K, V

    def backward(upstream, x, keys, values, Wq, Wk, Wv):
        (dy, dK, dV), (q, K, V, p) = upstream, parts(x, keys, values, Wq, Wk, Wv)
        dp = V @ dy
        ds = p * (dp - p @ dp) / np.sqrt(len(q))
        dK, dV = (0 if slip == "cache" else dK) + np.outer(ds, q), dV + np.outer(p, dy)
        dq = K.T @ ds
        dx = Wq @ dq + Wk @ dK[-1] + (0 if slip == "path" else Wv @ dV[-1])
        return dx, dK[:-1], dV[:-1], np.outer(x, dq), np.outer(x, dK[-1]), np.outer(x, dV[-1])

    return backprop.check_vjp(forward, backward, drawn(3, (4, 2), (4, 2), (3, 2), (3, 2), (3, 2)))


def mixture_density(slip):
    """The negative log likelihood of a mixture, by logits, means and log widths."""
    (target,) = drawn((6, 1))

    def logs(logits, mean, width):
        prior = logits - log_sum(logits, 1)[:, None]
        return prior, prior - 0.5 * ((target - mean) / np.exp(width)) ** 2 - width

    def gradient(logits, mean, width):
        prior, joint = logs(logits, mean, width)
        share = np.exp(joint - log_sum(joint, 1)[:, None])
        z, n = (target - mean) / np.exp(width), len(target)
        weight = np.exp(prior) if slip == "prior" else share
        dwidth = share * (1 - z**2) / (np.exp(width) if slip == "width" else 1)
        return (np.exp(prior) - share) / n, -weight * z / np.exp(width) / n, dwidth / n

    return backprop.check_gradient(
        lambda *theta: -np.mean(log_sum(logs(*theta)[1], 1)), gradient, drawn((6, 3), (6, 3), (6, 3))
    )


def negative_samples(slip):
    """Vectors of words, with one negative sample twice; the loss and both gradients in order."""

    def step(center, outside):
        up, loss, dcenter, doutside = 1 / (1 + np.exp(-outside[1] @ center)), 0, 0, np.zeros_like(outside)
        loss, dcenter = -np.log(up), (up - 1) * outside[1]
        doutside[1] = (up - 1) * center
        for k in (2, 3, 3, 0):
            p = 1 / (1 + np.exp(outside[k] @ center))
            loss -= np.log(p)
            dcenter = dcenter + (0 if slip == "positive alone" else (1 - p) * outside[k])
            doutside[k] = (1 - p) * center + (0 if slip == "once" else doutside[k])
        return loss, dcenter, doutside

    return backprop.check_step(step, drawn(3, (5, 3)))


def rotation(slip):
    """A rotation by a quaternion of any length, as kernels of renderers have it."""

    def forward(q):
        w, x, y, z = q / np.sqrt(np.sum(q * q))
        return 2 * np.array([w * z + x * y, w * y - x * z, w * x + y * z, x * x - y * y])

    def backward(d, q):
        size = np.sqrt(np.sum(q * q))
        u = w, x, y, z = q / size
        du = 2 * np.array(
            [
                z * d[0] + y * d[1] + x * d[2],
                y * d[0] - z * d[1] + w * d[2] + 2 * x * d[3],
                x * d[0] + w * d[1] + z * d[2] - 2 * y * d[3],
                w * d[0] - x * d[1] + y * d[2],
            ]
        )
        if slip == "length":
            return du / size
        return (du - u * (u @ du)) / (1 if slip == "size" else size)

    return backprop.check_vjp(forward, backward, drawn(4))


def boltzmann(slip):
    """Contrastive divergence: the free energy of the data less that of samples that stay as they are."""
    data, samples = RNG.integers(0, 2, (2, 6, 4)).astype(float)

    def energy(v, p):
        return -v @ p["b"] - np.sum(np.log1p(np.exp(v @ p["W"] + p["c"])), 1)

    def gradient(p):
        h, k = (1 / (1 + np.exp(-(v @ p["W"] + p["c"]))) for v in (data, samples))
        k = (k > 0.5) * 1.0 if slip == "sampled" else k
        W = (data.T @ h - samples.T @ k) / len(data)
        return {"W": W if slip == "ascent" else -W, "b": (samples - data).mean(0), "c": (k - h).mean(0)}

    point = dict(zip("Wbc", drawn((4, 3), 4, 3), strict=True))
    return backprop.check_gradient(lambda p: np.mean(energy(data, p) - energy(samples, p)), gradient, point)


MODELS = {
    words_in_a_row: {"n": {"unknown"}, "overwritten": {"sum-not-zero"}},
    autoencoder: {"half": {"layer-term-missing"}, "variance": {"unknown"}},
    layer_norm_in_loops: {"sum": {"shared-term"}, "rstd": {"factor-along-axis"}},
    kalman_filter: {"log S": {"unknown"}, "gain": {"unknown"}},
    adjoint: {"later state": {"unknown"}, "step": {"unknown"}},
    random_field: {"start": {"unknown"}, "emission": {"unknown"}},
    cached_attention: {"cache": {"upstream-ignored"}, "path": {"path-missing"}},
    mixture_density: {"prior": {"unknown"}, "width": {"log-parameter"}},
    negative_samples: {"positive alone": {"unknown"}, "once": {"factor-along-axis"}},
    rotation: {"length": {"shared-term"}, "size": {"factor-of-the-point"}},
    boltzmann: {"sampled": {"activation-derivative-formula"}, "ascent": {"sign"}},
}
"""Each piece with the kinds by which its slips are called; of an unknown one the line is named."""

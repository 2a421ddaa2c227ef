"""A variational autoencoder: reparametrised noise, softplus decoder, Bernoulli pixels, KL weighted by BETA."""

import numpy as np

BETA = 0.7


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def softplus(a):
    return np.log1p(np.exp(a))


def encode(p, x):
    h = np.tanh(x @ p["We"] + p["be"])
    return h, h @ p["Wm"] + p["bm"], h @ p["Wv"] + p["bv"]


def step(params, x, eps):
    N = x.shape[0]

    # encoder gives the mean and the log of the variance
    h_enc, mu, logvar = encode(params, x)
    # z = mu + sigma * eps, so that gradients can pass through z
    sigma = np.exp(0.5 * logvar)
    z = mu + sigma * eps
    # decoder
    a_dec = z @ params["Wd"] + params["bd"]
    h_dec = softplus(a_dec)
    logits = h_dec @ params["Wo"] + params["bo"]
    x_hat = sigmoid(logits)

    # binary cross entropy (from logits) and KL to the standard normal
    bce = np.sum(softplus(logits) - x * logits) / N
    kl = -0.5 * np.sum(1 + logvar - mu**2 - sigma**2) / N
    loss = bce + BETA * kl

    # now the backward pass
    grads = {}
    dlogits = (x_hat - x) / N  # sigmoid and BCE together
    grads["Wo"] = h_dec.T @ dlogits
    grads["bo"] = dlogits.sum(axis=0)
    dh_dec = dlogits @ params["Wo"].T
    da_dec = dh_dec * sigmoid(a_dec)  # softplus' = sigmoid
    grads["Wd"] = z.T @ da_dec
    grads["bd"] = da_dec.sum(axis=0)

    # through the sample
    dz = da_dec @ params["Wd"].T
    dmu = dz + BETA * mu / N
    dsigma = dz * eps
    dlogvar = 0.5 * dsigma * sigma
    dlogvar += 0.5 * BETA * (sigma**2 - 1) / N  # KL part

    grads["Wm"] = h_enc.T @ dmu
    grads["bm"] = dmu.sum(axis=0)
    grads["Wv"] = h_enc.T @ dlogvar
    grads["bv"] = dlogvar.sum(axis=0)
    # both heads come out of the same hidden layer
    dh_enc = dmu @ params["Wm"].T
    dh_enc += dlogvar @ params["Wv"].T
    da_enc = dh_enc * (1 - h_enc**2)
    grads["We"] = x.T @ da_enc
    grads["be"] = da_enc.sum(axis=0)
    return loss, {name: grads[name] for name in params}


def example(rng):
    d, h, k, n = 5, 4, 4, 6
    shapes = {
        "We": (d, h), "be": (h,), "Wm": (h, k), "bm": (k,), "Wv": (h, k), "bv": (k,),
        "Wd": (k, h), "bd": (h,), "Wo": (h, d), "bo": (d,),
    }  # fmt: skip
    params = {name: 0.6 * rng.standard_normal(shape) for name, shape in shapes.items()}
    x = (rng.random((n, d)) < 0.5).astype(float)
    return params, (x, rng.standard_normal((n, k)))

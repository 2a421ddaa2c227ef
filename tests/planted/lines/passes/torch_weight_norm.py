"""PyTorch by hand: characters joined two by two as in a tree, weights as length times direction, smoothed labels."""

import torch
import torch.nn.functional as F


def weight(v, g):
    length = v.norm(dim=0, keepdim=True)
    return g * v / length, length


def weight_back(dw, v, g, length):
    unit = v / length
    dg = (dw * unit).sum(0)
    dv = g / length * (dw - unit * (dw * unit).sum(0, keepdim=True))
    return dv, dg


@torch.no_grad()
def step(params, Xb, Yb, smooth=0.1):
    C, v1, g1, b1, v2, g2, b2, V3 = params
    n, vocab = Xb.shape[0], V3.shape[1]

    emb = C[Xb]
    pairs = emb.view(n, 2, -1)
    w1, len1 = weight(v1, g1)
    a1 = pairs @ w1 + b1
    h1 = F.relu(a1)
    joined = h1.view(n, -1)
    w2, len2 = weight(v2, g2)
    a2 = joined @ w2 + b2
    h2 = torch.sigmoid(a2)
    logits = h2 @ V3
    logprobs = F.log_softmax(logits, 1)
    target = torch.full_like(logits, smooth / vocab)
    target[range(n), Yb] += 1 - smooth
    loss = -(target * logprobs).sum(1).mean()

    dlogits = (logprobs.exp() - target) / n
    dV3 = h2.T @ dlogits
    dh2 = dlogits @ V3.T
    da2 = h2 * (1 - h2) * dh2
    db2 = da2.sum(0)
    dw2 = joined.T @ da2
    dv2, dg2 = weight_back(dw2, v2, g2, len2)
    djoined = da2 @ w2.T
    dh1 = djoined.view(h1.shape)
    da1 = torch.where(a1 > 0, dh1, torch.zeros_like(dh1))
    db1 = da1.sum((0, 1))
    dw1 = torch.einsum("npi,npo->io", pairs, da1)
    dv1, dg1 = weight_back(dw1, v1, g1, len1)
    dpairs = da1 @ w1.T
    demb = dpairs.view(emb.shape)
    dC = torch.zeros_like(C)
    for k in range(Xb.shape[0]):
        for j in range(Xb.shape[1]):
            dC[Xb[k, j]] += demb[k, j]
    return loss, [dC, dv1, dg1, db1, dv2, dg2, db2, dV3]


def example(rng):
    shapes = [(6, 2), (4, 5), (5,), (5,), (10, 4), (4,), (4,), (4, 6)]
    params = [torch.tensor(rng.standard_normal(shape)) for shape in shapes]
    return params, (torch.tensor(rng.integers(0, 6, (7, 4))), torch.tensor(rng.integers(0, 6, 7)))

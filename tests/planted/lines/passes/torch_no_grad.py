"""PyTorch by hand: tensors without autograd, a softplus layer and a squared error."""

import torch
import torch.nn.functional as F


@torch.no_grad()
def step(params, x, y):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    n = x.shape[0]
    pre = x @ W1 + b1
    hid = F.softplus(pre)
    mean = hid.mean(1, keepdim=True)
    cen = hid - mean
    out = cen @ W2 + b2
    diff = out - y
    loss = (diff**2).sum() / n

    dout = 2 * diff / n
    dW2 = cen.T @ dout
    db2 = dout.sum(0)
    dcen = dout @ W2.T
    dmean = -dcen.sum(1, keepdim=True)
    dhid = dcen.clone()
    dhid += dmean / hid.shape[1]
    dpre = dhid * torch.sigmoid(pre)
    dW1 = x.T @ dpre
    db1 = dpre.sum(0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def example(rng):
    shapes = {"W1": (3, 5), "b1": (5,), "W2": (5, 2), "b2": (2,)}
    params = {name: torch.tensor(rng.standard_normal(shape)) for name, shape in shapes.items()}
    return params, (torch.tensor(rng.standard_normal((6, 3))), torch.tensor(rng.standard_normal((6, 2))))

import numpy as np
np.random.seed(5)
x = np.random.randn(6, 4)
W1 = np.random.randn(4, 8) / 2
W2 = np.random.randn(8, 3) / 3
t = np.array([0, 2, 1, 1, 0, 2])
keep = 0.75
h = np.maximum(x @ W1, 0)
mask = (np.random.rand(*h.shape) < keep) / keep
hd = h * mask
logits = hd @ W2
logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
loss = -logp[range(6), t].sum() / 6 + 0.01 * (np.sum(W1 ** 2) + np.sum(W2 ** 2))
dlogits = np.exp(logp)
dlogits[range(6), t] -= 1
dlogits /= 6
dW2 = hd.T @ dlogits + 0.02 * W2
dhd = dlogits @ W2.T
dh = dhd * mask
dh[h <= 0] = 0
dW1 = x.T @ dh + 0.02 * W1

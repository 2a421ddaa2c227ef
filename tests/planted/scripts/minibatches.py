import numpy as np
rng = np.random.default_rng(0)
X_train = rng.normal(size=(24, 5))
y_train = rng.integers(0, 3, size=24)
W = rng.normal(size=(5, 3)) * 0.1
b = np.zeros(3)
reg = 1e-2
history = []
for epoch in range(3):
    order = rng.permutation(24)
    for start in range(0, 24, 8):
        idx = order[start:start + 8]
        xb, yb = X_train[idx], y_train[idx]
        logits = xb @ W + b
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(8), yb]).mean() + 0.5 * reg * np.sum(W * W)
        dlogits = p.copy()
        dlogits[np.arange(8), yb] -= 1
        dlogits /= 8
        dW = xb.T @ dlogits + reg * W
        db = dlogits.sum(axis=0)
        W -= 0.5 * dW
        b -= 0.5 * db
        history.append(loss)
    print(epoch, np.mean(history[-3:]))

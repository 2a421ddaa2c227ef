import numpy as np
np.random.seed(7)
T, d = 4, 3
X = np.random.randn(T, d)
Wq = np.random.randn(d, d)
Wk = np.random.randn(d, d)
Wv = np.random.randn(d, d)
target = np.random.randn(T, d)
# %%
Q = X @ Wq
K = X @ Wk
V = X @ Wv
S = Q @ K.T / np.sqrt(d)
S = S - S.max(axis=-1, keepdims=True)
expS = np.exp(S)
A = expS / expS.sum(axis=-1, keepdims=True)
O = A @ V
loss = np.mean((O - target) ** 2)
# %%
dO = 2 * (O - target) / O.size
dV = A.T @ dO
dA = dO @ V.T
dS = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))
dQ = dS @ K / np.sqrt(d)
dK = dS.T @ Q / np.sqrt(d)
dWq = X.T @ dQ
dWk = X.T @ dK
dWv = X.T @ dV
dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T

import numpy as np
rng = np.random.default_rng(3)
# %%
N, D = 8, 5
x = rng.normal(size=(N, D))
gamma = rng.normal(size=D)
beta = rng.normal(size=D)
target = rng.normal(size=(N, D))
eps = 1e-5
# %%
mu = x.mean(axis=0)
xc = x - mu
var = (xc ** 2).mean(axis=0)
std = np.sqrt(var + eps)
xhat = xc / std
out = gamma * xhat + beta
loss = 0.5 * ((out - target) ** 2).sum()
# %%
dout = out - target
dbeta = dout.sum(axis=0)
dgamma = (dout * xhat).sum(axis=0)
dxhat = dout * gamma
dstd = -(dxhat * xc / std ** 2).sum(axis=0)
dvar = 0.5 * dstd / std
dxc = dxhat / std + 2 * xc * dvar / N
dmu = -dxc.sum(axis=0)
dx = dxc + dmu / N
# %%
print(np.abs(dx).mean())

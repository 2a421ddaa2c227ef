import numpy as np
np.random.seed(10)

class MLP:
    def __init__(self, d, h, c):
        self.W1 = np.random.randn(d, h) * 0.5
        self.W2 = np.random.randn(h, c) * 0.5

    def forward(self, X):
        self.X = X
        self.H = np.tanh(X @ self.W1)
        return self.H @ self.W2

    def backward(self, dout):
        self.dW2 = self.H.T @ dout
        dH = dout @ self.W2.T
        dA = dH * (1 - self.H ** 2)
        self.dW1 = self.X.T @ dA

    def step(self, lr):
        self.W1 -= lr * self.dW1
        self.W2 -= lr * self.dW2
# %%
X = np.random.randn(10, 3)
Y = np.sin(X[:, :2])
net = MLP(3, 5, 2)
for epoch in range(10):
    out = net.forward(X)
    loss = np.mean((out - Y) ** 2)
    dout = 2 * (out - Y) / out.size
    net.backward(dout)
    net.step(0.1)
print(loss)

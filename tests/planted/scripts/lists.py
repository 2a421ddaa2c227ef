import numpy as np
np.random.seed(21)
sizes = [4, 6, 5, 3]
weights = [np.random.randn(a, b) * 0.5 for a, b in zip(sizes[:-1], sizes[1:])]
biases = [np.zeros(b) for b in sizes[1:]]
X = np.random.randn(10, 4)
Y = np.eye(3)[np.random.randint(0, 3, 10)]
for epoch in range(3):
    activations = [X]
    for W, b in zip(weights, biases):
        activations.append(np.tanh(activations[-1] @ W + b))
    out = activations[-1]
    loss = 0.5 * np.sum((out - Y) ** 2)
    grad_weights = [None] * 3
    grad_biases = [None] * 3
    dout = out - Y
    delta = dout * (1 - out ** 2)
    for l in range(2, -1, -1):
        grad_weights[l] = activations[l].T @ delta
        grad_biases[l] = delta.sum(axis=0)
        delta = (delta @ weights[l].T) * (1 - activations[l] ** 2)
    for l in range(3):
        weights[l] -= 0.1 * grad_weights[l]
        biases[l] -= 0.1 * grad_biases[l]

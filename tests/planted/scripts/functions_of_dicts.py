import numpy as np
import matplotlib.pyplot as plt
# %%
np.random.seed(7)
n_features, n_classes, n_examples = 5, 4, 15
X = np.random.randn(n_features, n_examples)
Y = np.zeros((n_classes, n_examples))
Y[np.random.randint(0, n_classes, n_examples), np.arange(n_examples)] = 1
# %%
def initialize(n_x, n_h, n_y):
    W1 = np.random.randn(n_h, n_x) * 0.5
    b1 = np.zeros((n_h, 1))
    W2 = np.random.randn(n_y, n_h) * 0.5
    b2 = np.zeros((n_y, 1))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

def forward(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    e = np.exp(Z2 - Z2.max(axis=0))
    A2 = e / e.sum(axis=0)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

def compute_cost(A2, Y):
    return -np.sum(Y * np.log(A2)) / Y.shape[1]

def backward(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - np.power(cache["A1"], 2))
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

def update(parameters, grads, lr=0.5):
    for key in parameters:
        parameters[key] = parameters[key] - lr * grads["d" + key]
    return parameters
# %%
parameters = initialize(n_features, 6, n_classes)
costs = []
for i in range(0, 50):
    A2, cache = forward(X, parameters)
    loss = compute_cost(A2, Y)
    grads = backward(parameters, cache, X, Y)
    parameters = update(parameters, grads)
    if i % 10 == 0:
        print("Cost after iteration %i: %f" % (i, loss))
        costs.append(loss)
# %%
plt.plot(costs); plt.show()

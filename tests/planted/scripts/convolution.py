import numpy as np
np.random.seed(0)

def conv_forward(img, kernel, bias):
    H, W = img.shape
    k = kernel.shape[0]
    out = np.zeros((H - k + 1, W - k + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(img[i:i + k, j:j + k] * kernel) + bias
    return out

def conv_backward(dout, img, kernel):
    k = kernel.shape[0]
    dimg = np.zeros_like(img)
    dkernel = np.zeros_like(kernel)
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            dkernel += dout[i, j] * img[i:i + k, j:j + k]
            dimg[i:i + k, j:j + k] += dout[i, j] * kernel
    dbias = dout.sum()
    return dimg, dkernel, dbias

img = np.random.randn(6, 6)
kernel = np.random.randn(3, 3)
bias = 0.1
w = np.random.randn(16)
y = 1.0

conv = conv_forward(img, kernel, bias)
act = np.maximum(conv, 0)
flat = act.reshape(-1)
pred = flat @ w
loss = 0.5 * (pred - y) ** 2

dpred = pred - y
dw = dpred * flat
dflat = dpred * w
dact = dflat.reshape(act.shape)
dconv = dact * (conv > 0)
dimg, dkernel, dbias = conv_backward(dconv, img, kernel)

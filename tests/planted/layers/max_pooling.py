"""Max pooling over windows of 2 x 2: x (n, c, h, w) to y (n, c, h/2, w/2)."""

from planted.layers.layer import Layer, Slip, library_of


def windows(x):
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // 2, 2, w // 2, 2)
    return library_of(x).stack([cut[:, :, :, a, :, b] for a in (0, 1) for b in (0, 1)], -1)


def put_back(parts, x):
    n, c, h, w = x.shape
    cut = parts.reshape(n, c, h // 2, w // 2, 2, 2)
    return library_of(x).swapaxes(cut, 3, 4).reshape(x.shape)


def chosen(cut):
    lib = library_of(cut)
    best = lib.argmax(cut.real if lib.__name__ == "numpy" else cut, -1)
    return lib.stack([best == k for k in range(4)], -1)


def forward(x):
    cut = windows(x)
    return (cut * chosen(cut)).sum(-1)


def backward(dy, x):
    cut = windows(x)
    return put_back(dy[..., None] * chosen(cut), x)


def inputs(rng):
    return (rng.normal(size=(2, 2, 4, 2)),)


LAYER = Layer(
    "max pooling",
    forward,
    backward,
    inputs,
    (
        Slip("to every entry", "dy[..., None] * chosen(cut)", "dy[..., None] + 0 * cut", ("terms-too-many",)),
        Slip(
            "a mean's share",
            "dy[..., None] * chosen(cut)",
            "(dy[..., None] + 0 * cut) / 4",
            ("other-shares",),
        ),
        Slip("to the smallest", "chosen(cut)", "chosen(-cut)", ("reordered",)),
        Slip(
            "the mask alone",
            "dy[..., None] * chosen(cut)",
            "(0 * dy[..., None] + 1) * chosen(cut)",
            ("upstream-ignored",),
        ),
        Slip("to the first of each window", "chosen(cut)", "chosen(0 * cut)", ("reordered",)),
        Slip("times x", "chosen(cut)", "(chosen(cut) * cut)", ("log-parameter",)),
        Slip(
            "one window for all channels",
            "dy[..., None] *",
            "dy[:, :1, :, :, None] *",
            ("only-first-upstream",),
        ),
        Slip("mask of positive entries", "chosen(cut)", "(cut > 0)", ("other-terms",)),
        Slip("sign", "dy[..., None] *", "-dy[..., None] *", ("sign",)),
    ),
)

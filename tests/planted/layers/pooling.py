"""Pooling over windows of 2 × 2: their largest entry, or their mean; x (n, h, w), y (n, h/2, w/2)."""

from planted.layers.layer import Layer, Slip, largest


def windows(x):
    n, h, w = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2).swapaxes(2, 3).reshape(n, h // 2, w // 2, 4)


def unfolded(d, shape):
    n, h, w = shape
    return d.reshape(n, h // 2, w // 2, 2, 2).swapaxes(2, 3).reshape(n, h, w)


def largest_of(x):
    return largest(windows(x))[..., 0]


def largest_backward(dy, x):
    parts = windows(x)
    chosen = parts == largest(parts)
    spread = chosen * dy[..., None]
    return unfolded(spread, x.shape)


def mean_of(x):
    return windows(x).mean(-1)


def mean_backward(dy, x):
    share = 0 * windows(x) + 1 / 4
    spread = share * dy[..., None]
    return unfolded(spread, x.shape)


def inputs(rng):
    return (rng.normal(size=(2, 4, 4)),)


LAYERS = (
    Layer(
        "max pooling",
        largest_of,
        largest_backward,
        inputs,
        (
            Slip("every entry of a window", "chosen * dy", "(chosen | ~chosen) * dy", ("unknown",)),
            Slip("the mean's derivative", "chosen * dy", "0.25 * (chosen | ~chosen) * dy", ("unknown",)),
            Slip("the other entries", "chosen * dy", "~chosen * dy", ("unknown",)),
            Slip("the largest of all", "largest(parts)", "parts.max()", ("unknown",)),
            Slip("the value for its mask", "chosen * dy", "chosen * parts * dy", ("unknown",)),
            Slip(
                "windows not unfolded", "unfolded(spread, x.shape)", "spread.reshape(x.shape)", ("unknown",)
            ),
            Slip("the first sample's mask", "chosen * dy", "chosen[:1] * dy", ("unknown",)),
            Slip(
                "the first sample's upstream", "dy[..., None]", "dy[:1, ..., None]", ("only-first-upstream",)
            ),
        ),
    ),
    Layer(
        "mean pooling",
        mean_of,
        mean_backward,
        inputs,
        (
            Slip("not divided", "1 / 4", "1", ("constant-factor",)),
            Slip("divided by the side", "1 / 4", "1 / 2", ("constant-factor",)),
            Slip("divided twice", "1 / 4", "1 / 16", ("constant-factor",)),
            Slip(
                "the largest entry alone",
                "share * dy",
                "(windows(x) == largest(windows(x))) * dy",
                ("unknown",),
            ),
            Slip("the mean upstream for all", "dy[..., None]", "dy.mean()", ("unknown",)),
            Slip(
                "windows not unfolded", "unfolded(spread, x.shape)", "spread.reshape(x.shape)", ("unknown",)
            ),
            Slip("sign", "share * dy", "-share * dy", ("sign",)),
        ),
    ),
)

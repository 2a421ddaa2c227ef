"""Forms: a point, a gradient and an answer in any containers, and whether a function leaves them alone."""

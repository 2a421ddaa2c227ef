"""`backprop check`: a user's gradient, loaded and checked in a process of its own, and what is printed of it."""

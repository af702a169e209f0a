"""Speed and memory of the whole mesh, as a person's machine would see it. `make bench` prints it.

Nothing here judges: machines differ and are noisy. Each figure is the median of several rounds
against a mesh that the bench starts itself, with default settings and fsync on.
"""

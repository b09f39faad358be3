"""The invariants of the product, each a function of what was observed: of a simulation, or of real processes.

A checker takes values only, and answers with violations: none when all is well.
"""

"""Both nodes, their stores and their broker in one process, on simulated time, network and chance.

docs/simulation.md says how a schedule is read, run again, and what it takes to add a fault, a checker or a mutant.
"""

"""Planted bugs: each switched on from outside, to see whether the simulation finds it. No product code knows them."""

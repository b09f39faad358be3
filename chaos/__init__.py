"""The whole product in processes of its own, on a real broker and a real database, with everything going wrong.

docs/chaos.md says what is done, how a history is read, and what it takes to add a fault.
"""

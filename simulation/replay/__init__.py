"""A recorded trace given to fresh nodes: each message to whom it was sent, whoever sent it being played from the trace.

docs/traces.md tells a tester how; decision 0014 says why it is done like this.
"""

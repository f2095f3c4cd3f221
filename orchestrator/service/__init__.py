"""`nas-serve`: searches over HTTP, on the record that the commands keep.

The service runs no search in its own process and keeps no state of its own but the queue, which is in the
record: it may be stopped, killed and started again while searches go on.
"""

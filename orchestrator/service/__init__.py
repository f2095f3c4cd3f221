"""`nas-serve`: searches over HTTP, with the same database as the commands.

The service runs no search in its own process, and its only state is the queue, which is in the database. So
it can be stopped, killed and restarted while searches go on.
"""

"""The results database: every study, trial and measurement, and how to read them.

The database is also the checkpoint of a search: only what is in it survives a crash.
"""

"""Keep every study, trial and measurement on record, and read them back.

The record is also the checkpoint of a search: what is not a row here does not survive it.
"""

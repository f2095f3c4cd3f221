"""Trains one configuration once: a program (`python -P -m trainer`), which nothing imports."""

"""How much the tests of parsers try: as others by default, ten thousand of each kind in `make test-slow`."""

from hypothesis import HealthCheck, settings

THOROUGH = settings().max_examples > 100  # the profile is loaded before any test is
OFTEN = settings(
    max_examples=10_000 if THOROUGH else settings().max_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

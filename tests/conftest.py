"""How much the tests of properties try, and what garbage is looked for while tests run.

Properties are tried little by default, much in `make test-slow`. What collecting the tests brought, torch and
all, stays to the end, and looking through it again and again for garbage took a fifth of the collection.
"""

import gc

from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()

"""How much the tests of properties try, and what garbage is looked for while tests run.

Properties are tried little by default, much in `make test-slow`. What collecting the tests brought, torch and
all, stays to the end, and looking through it again and again for garbage took a fifth of the collection.
"""

import gc
import signal

from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell's `&`, which what is started here inherits
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()

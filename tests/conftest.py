"""How much the tests of properties try: little by default, much in `make test-slow`. No decoded pictures are
kept in the user's cache folder.
"""

import os
import signal

from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")
os.environ["NAS_DECODED_BYTES"] = "0"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell's `&`, which what is started here inherits
    signal.signal(signal.SIGINT, signal.default_int_handler)

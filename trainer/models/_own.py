"""A user's own network: a function in a Python file, named `path/to/file.py:function`.

The function takes `classes` and returns a module. The defaults of its parameters `channels` and `blocks` are
the base network, and it gets their scaled values; without one of them that scale is fixed. It may also take
`resolution`, the pixels a side. Nothing else in the file is used, so it need not import this package.
"""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trainer.errors import InvalidConfig
from trainer.models._scale import WIDTH_STEP, Base, Shape

if TYPE_CHECKING:
    from torch import nn

_GIVEN = {"channels", "blocks", "resolution", "classes"}
_CONTRACT = "it must be like build(classes, channels=(64, 128), blocks=(2, 2)); see docs/extending.md"


@dataclass(frozen=True)
class OwnNetwork:
    """A function in a user's file, with the attributes of a file in this folder."""

    name: str
    function: Callable[..., Any]
    BASE: Base
    FIXED: Mapping[str, str]

    def build(self, shape: Shape, classes: int) -> "nn.Module":
        """Call the function with those parts of the shape that it takes. Raises InvalidConfig."""
        from torch import nn

        given = {"channels": shape.channels, "blocks": shape.blocks, "resolution": shape.resolution}
        taken = inspect.signature(self.function).parameters
        with refuse_errors(self.name):
            network = self.function(classes=classes, **{key: given[key] for key in given if key in taken})
        if not isinstance(network, nn.Module):
            raise InvalidConfig(f"{self.name} returns {type(network).__name__}, not a torch.nn.Module")
        if any(map(nn.parameter.is_lazy, (*network.parameters(), *network.buffers()))):
            raise InvalidConfig(f"{self.name} has lazy layers, whose sizes are unknown; give their sizes")
        return network


def read_own(name: str) -> bytes:
    """The file's content. Raises InvalidConfig."""
    return _read_file(_path(name))


def fingerprint(content: bytes) -> str:
    """A hash of the file's content."""
    return hashlib.sha256(content).hexdigest()[:16]


def load(name: str) -> OwnNetwork:
    """The network of that name. Executes its file once, and again if it changes. Raises InvalidConfig."""
    return _loaded(name, fingerprint(read_own(name)))


@contextmanager
def refuse_errors(name: str) -> Iterator[None]:
    """Turn what the user's code raises into InvalidConfig that names the last line of its file."""
    try:
        yield
    except (InvalidConfig, MemoryError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if frame.filename == str(_path(name))]
        where = f"{_path(name)}, line {own[-1]}," if own else str(_path(name))
        raise InvalidConfig(
            f"the network of {where} fails: {type(error).__name__}: {error}; fix it"
        ) from error


@lru_cache(maxsize=16)
def _loaded(name: str, fingerprint: str) -> OwnNetwork:
    path, function_name = _path(name), name.rpartition(":")[2]
    module = ModuleType(f"own network {path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look up their module
    with refuse_errors(name):  # not imported: stale bytecode could be taken for a file just changed
        exec(compile(_read_file(path), str(path), "exec"), module.__dict__)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InvalidConfig(f"{path} has no function {function_name}; define one: {_CONTRACT}")
    return _network(name, function)


def _network(name: str, function: Callable[..., Any]) -> OwnNetwork:
    parameters = inspect.signature(function).parameters
    unknown = [p.name for p in parameters.values() if p.default is p.empty and p.name not in _GIVEN]
    if "classes" not in parameters or unknown:
        raise InvalidConfig(f"{name} takes {', '.join(parameters) or 'nothing'}; {_CONTRACT}")
    channels, blocks = (_default_numbers(name, parameters, key) for key in ("channels", "blocks"))
    if any(count % WIDTH_STEP for count in channels):
        raise InvalidConfig(f"{name} has channels {channels} by default; give multiples of {WIDTH_STEP}")
    lacking = {"width": ("channels", channels), "depth": ("blocks", blocks)}
    fixed = {
        scale: f"its function takes no `{key}`" for scale, (key, default) in lacking.items() if not default
    }
    return OwnNetwork(name, function, Base(channels, blocks), fixed)


def _default_numbers(name: str, parameters: Mapping[str, inspect.Parameter], key: str) -> tuple[int, ...]:
    """A parameter's default, a tuple of whole numbers; empty if there is no such parameter."""
    if key not in parameters:
        return ()
    default = parameters[key].default
    if not isinstance(default, tuple) or not default or not all(type(n) is int and n > 0 for n in default):
        raise InvalidConfig(
            f"{name} must have a tuple of whole numbers above 0 as the default of {key}; {_CONTRACT}"
        )
    return default


def _path(name: str) -> Path:
    return Path(name.rpartition(":")[0]).expanduser().absolute()


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidConfig(f"cannot read {path}: {error.strerror}; give path/to/file.py:function") from error

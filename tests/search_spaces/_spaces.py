"""Spaces and their parts as hypothesis draws them."""

from hypothesis import strategies as st

from search_spaces import Choice, Integer, Real, Space, Value, Variable

names = st.text(min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
numbers = st.floats(-1e6, 1e6, allow_nan=False)
values: st.SearchStrategy[Value] = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text(max_size=3)
)


@st.composite
def grids(draw: st.DrawFn, name: str = "grid") -> Real:
    denominator, low = draw(st.integers(1, 500)), draw(st.integers(-500, 500))
    step, count = draw(st.integers(1, 50)), draw(st.integers(0, 40))
    high = low + step * count
    return Real(name, low / denominator, high / denominator, granularity=step / denominator)


@st.composite
def continua(draw: st.DrawFn, name: str = "continuum") -> Real:
    low, high = sorted((draw(numbers), draw(numbers)))
    return Real(name, low, high)


@st.composite
def log_scales(draw: st.DrawFn, name: str = "log scale") -> Real:
    ends = (draw(st.floats(1e-12, 1e12)) for _ in range(2))
    low, high = sorted(float(f"{end:.11e}") for end in ends)
    return Real(name, low, high, log=True)


@st.composite
def integers(draw: st.DrawFn, name: str = "integer") -> Integer:
    low, high = sorted((draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))))
    return Integer(name, low, high, log=draw(st.booleans()))


@st.composite
def choices(draw: st.DrawFn, name: str = "choice") -> Choice:
    unique = st.lists(values, min_size=1, max_size=6, unique_by=lambda value: (type(value), value))
    return Choice(name, tuple(draw(unique)), ordered=draw(st.booleans()))


@st.composite
def variables(draw: st.DrawFn, name: str) -> Variable:
    kinds = (grids(name), continua(name), log_scales(name), integers(name), choices(name))
    kind: st.SearchStrategy[Variable] = st.one_of(*kinds)
    return draw(kind)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    unique = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    return Space(tuple(draw(variables(name)) for name in unique))

"""Know when a finite space has no network left to train: each was trained or cannot be the answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from orchestrator.search.context import SearchContext
from orchestrator.trainer_client import NetworkInfo, TrainerRefused, network_key
from results.db.tables import Trial
from search_spaces import Point

LARGEST = 10_000  # points of a space that is looked through
_AT_A_TIME = 200  # networks that are described for one answer, which takes a second or two


class RemainingNetworks:
    """The networks of one search's space that may still be trained.

    It goes through the points in order and stops at the first that is left, so each is described once in a
    search. A space that is infinite or too large always has some left, and so has a search for what is
    measured of each network, such as latency.
    """

    def __init__(self, search: SearchContext) -> None:
        self._search = search
        size, metrics = search.spec.space.size, search.spec.aim.metrics
        is_known = all(metric.is_count or metric.known == "after" for metric in metrics)
        self._points: Iterator[Point] | None = None  # those not described yet
        if size is not None and size <= LARGEST and is_known:
            self._points = iter(search.spec.space)
        self._networks = list[tuple[str, NetworkInfo]]()
        self._looked = 0  # so many of them are not left
        self._incumbent: Trial | None = None

    def end_text(self, incumbent: Trial | None, is_last: bool) -> str | None:
        """Return in words that no network is left to train; None if one is, or may be.

        incumbent: the smallest confirmed network so far
        is_last: look at the whole space, as no later call will
        """
        if (incumbent and incumbent.number) != (self._incumbent and self._incumbent.number):
            self._looked = 0  # by a verdict that changed it may be a larger one
        self._incumbent = incumbent
        while self._points is not None and not self._has_left():
            if not self._describe_more():
                return self._text()
            if not is_last:
                break
        return None

    def _has_left(self) -> bool:
        history = self._search.history
        while self._looked < len(self._networks):
            key, network = self._networks[self._looked]
            if history.find_trained(key) is None and self._may_win(network):
                return True
            self._looked += 1
        return False

    def _describe_more(self) -> bool:
        """Describe further networks of the space; return whether one of them, or of the rest, may be left."""
        assert self._points is not None
        points = list(islice(self._points, _AT_A_TIME))
        try:
            described = self._search.sizes.describe(points)
        except TrainerRefused:  # of a point that the solver may never propose
            self._points = None
            return True
        configs = map(self._search.spec.config, points)
        self._networks += [(network_key(n, c), n) for n, c in zip(described, configs, strict=True)]
        return self._has_left() or len(points) == _AT_A_TIME

    def _may_win(self, network: NetworkInfo) -> bool:
        return self._search.formulation.screened(network, self._incumbent) is None

    def _text(self) -> str:
        count = len({key for key, network in self._networks if self._may_win(network)})
        were = "was" if count == 1 else "were"
        if self._search.formulation.find_rival(self._incumbent) is None:
            within = " within the limits" if self._search.spec.aim.limits else ""
            whole = "the only candidate" if count == 1 else f"all {count} candidates"
            return f"nothing is left: {whole}{within} {were} trained"
        name = "the base network" if self._incumbent is None else f"trial {self._incumbent.number}"
        if not count:
            return f"nothing cheaper is left: no other network is smaller than {name}"
        whole = "the only network that is" if count == 1 else f"all {count} networks that are"
        return f"nothing cheaper is left: {whole} smaller than {name} {were} trained"

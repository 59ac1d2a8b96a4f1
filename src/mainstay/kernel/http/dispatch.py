"""From a request to its route: by a look-up, where Starlette tries one route after the other.

The twentieth route cost 20 us of the 95 that a read took in the program, and each service more would have slowed down
those after it (docs/adr/0017-what-a-request-costs.md).
"""

from collections import defaultdict

from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from mainstay.kernel.http.unit import UnitRoute


class Dispatch:
    """Finds the operation that a path and a method name; whatever else there may be, the router finds.

    Of two routes that match, the one with more of its path written out goes first, whichever was declared first.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._routes = defaultdict[tuple[str, str], list[UnitRoute]](list)
        self._deepest = 0  # slashes: no value that stands in a path has one
        for route in router.routes:
            if isinstance(route, UnitRoute) and ":" not in route.path:  # `{id:int}` would not be bound as it is sent
                self._deepest = max(self._deepest, route.path.count("/"))
                written_out = route.path.partition("{")[0].rstrip("/")
                for method in route.methods:
                    self._routes[method, written_out].append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or what else a server asks."""
        route = self._find(scope) if scope["type"] == "http" else None
        await (route.app if route else self._router)(scope, receive, send)

    def _find(self, scope: Scope) -> UnitRoute | None:
        """The route, with what it has found in the path left in the scope."""
        begin = scope["path"]
        if begin.count("/") > self._deepest:
            return None
        while begin:
            for route in self._routes.get((scope["method"], begin), ()):
                if found := route.path_regex.match(scope["path"]):
                    scope["route"], scope["endpoint"] = route, route.endpoint
                    scope["path_params"] = found.groupdict()
                    return route
            begin = begin.rpartition("/")[0]
        return None

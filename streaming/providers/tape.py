"""What adapters of recordings have in common: nobody is asked, so no key and no allowance."""

from __future__ import annotations

from streaming.providers.base import Authorisation, Quota, Request, Response, Secret


class Tape:
    """The half of `streaming.providers.base.Adapter` that is the same for all of them."""

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Nothing: a recording needs no key."""
        return Authorisation()

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Nothing: a replay uses up no allowance."""
        return Quota()

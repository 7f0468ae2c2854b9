"""The domain: providers and their feeds, events, markets, quotes and their line history."""

from betting.models.confirmation import MAX_POLLS, FeedBookmaker
from betting.models.event import Event, EventAlias, EventStatus, Sport
from betting.models.market import (
    Bookmaker,
    BookmakerKind,
    BookmakerWeight,
    FeeModel,
    Market,
    Outcome,
)
from betting.models.matching import DoubtfulMatch, DoubtReason, MatchDecision, ParticipantAlias
from betting.models.provider import Clock, Feed, Provider
from betting.models.quote import (
    ChangeKind,
    LineChange,
    MoveClass,
    Quote,
    QuoteStatus,
    RivalQuote,
    Side,
)
from betting.models.setting import SettingChange

__all__ = [
    "MAX_POLLS",
    "Bookmaker",
    "BookmakerKind",
    "BookmakerWeight",
    "ChangeKind",
    "Clock",
    "DoubtReason",
    "DoubtfulMatch",
    "Event",
    "EventAlias",
    "EventStatus",
    "FeeModel",
    "Feed",
    "FeedBookmaker",
    "LineChange",
    "Market",
    "MatchDecision",
    "MoveClass",
    "Outcome",
    "ParticipantAlias",
    "Provider",
    "Quote",
    "QuoteStatus",
    "RivalQuote",
    "SettingChange",
    "Side",
    "Sport",
]

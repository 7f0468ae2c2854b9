from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.signatures import signature, written


@given(
    key=st.binary(min_size=24, max_size=64),
    message_id=st.from_regex(r"[a-z0-9_-]{1,40}", fullmatch=True),
    timestamp=st.integers(0, 2**33),
    body=st.binary(max_size=200),
)
def test_a_receiver_that_knows_the_key_computes_the_same(
    key: bytes, message_id: str, timestamp: int, body: bytes
) -> None:
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert signature(written(key), message_id, timestamp, body) == f"v1,{expected}"


@pytest.mark.parametrize("secret", ["", "MDEyMzQ1Njc4OWFi", "whsec_not base64!", "whsec_abc"])
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook secret") as caught:
        signature(secret, "id", 0, b"")
    assert not secret or secret not in str(caught.value)
    assert caught.value.__context__ is None or secret not in str(caught.value.__context__)

"""Credit tokens: a later outcome finds its variant and phase, and nobody else's does."""

from __future__ import annotations

import base64
import string
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from pydantic import SecretStr

from openfeature_triton.hooks import Recorder
from openfeature_triton.hooks.memory_sink import MemorySink
from openfeature_triton.provider import Experiments, ProviderSettings, TritonProvider
from openfeature_triton.provider.credit_token import BadTokenError, Credited, TokenSigner
from tests.provider.endpoints import answers, ask
from tests.provider.test_calls import ASKED, Bench

KEY = SecretStr("a-key")
CREDITED = Credited("e", "0a1b2c3d", "treatment", "own", "asr-own", "asr", "hi-IN")


class Clock:
    """A clock that a test moves."""

    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        """The present time."""
        return self.now_s


def test_what_is_signed_is_read_by_another_process() -> None:
    """With the same key; short enough for a URL, and in its letters."""
    token = TokenSigner(KEY, 60).sign(CREDITED)
    assert TokenSigner(KEY, 60).read(token) == CREDITED
    assert len(token) < 200
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_keys_rotate() -> None:
    """The first signs, all verify; one that is gone verifies nothing."""
    token = TokenSigner(SecretStr("old"), 60).sign(CREDITED)
    assert TokenSigner(SecretStr("new, old"), 60).read(token) == CREDITED
    with pytest.raises(BadTokenError):
        TokenSigner(SecretStr("new"), 60).read(token)


def test_old_tokens_expire() -> None:
    """After the time that the settings give."""
    clock = Clock()
    signer = TokenSigner(KEY, 60, clock)
    token = signer.sign(CREDITED)
    clock.now_s += 60
    assert signer.read(token) == CREDITED
    clock.now_s += 1
    with pytest.raises(BadTokenError, match="expired_token"):
        signer.read(token)


@given(st.one_of(st.text(), st.binary(), st.none(), st.integers()))
def test_what_is_no_token_is_refused(token: Any) -> None:
    """Whatever it is."""
    with pytest.raises(BadTokenError, match="forged_token"):
        TokenSigner(KEY, 60).read(token)


def test_each_changed_letter_makes_it_a_forgery() -> None:
    """In the fields and in the signature; unpadded last letters have bits to spare, and few."""
    signer = TokenSigner(KEY, 60)
    token = signer.sign(CREDITED)
    for place, letter in enumerate(token[:-1]):
        changed = token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]
        with pytest.raises(BadTokenError):
            signer.read(changed)


def test_a_token_holds_no_key_and_no_user() -> None:
    """Its fields are the ids and nothing else."""
    body = TokenSigner(KEY, 60).sign(CREDITED).partition(".")[0]
    fields = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    assert fields.startswith('["e","0a1b2c3d","treatment","own","asr-own","asr","hi-IN",')
    assert "a-key" not in fields


def test_a_registrys_key_alone_signs_nothing_itself() -> None:
    """A key is derived for the purpose."""
    token = TokenSigner(KEY, 60).sign(CREDITED)
    body, _, signature = token.partition(".")
    import hashlib
    import hmac

    plain = hmac.digest(b"a-key", body.encode(), hashlib.sha256)[:16]
    assert base64.urlsafe_b64encode(plain).rstrip(b"=").decode() != signature


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An experiment with one answering service."""
    with ExitStack() as stack:
        bench = Bench(tmp_path / "flags.json", stack)
        bench.serve("asr-fast", answers())
        yield bench


def test_a_credit_adds_the_metric_and_counts_no_request(bench: Bench, tmp_path: Path) -> None:
    """Through another `Experiments`, into the series that the call was recorded in."""
    experiments = bench.experiments(token_key=KEY)
    with experiments.infer("asr", **ASKED) as call:
        ask(call)
    sink = MemorySink()
    recorder = Recorder(sink)
    api.set_provider_and_wait(
        TritonProvider(tmp_path / "flags.json", bench.services, on_track=recorder.track)
    )
    later = Experiments(api.get_client(), settings=ProviderSettings(token_key=KEY))
    assert later.credit(call.token, word_accuracy=0.5)
    assert later.credit(call.token, word_accuracy=1.0)
    assert recorder.close()
    later.close()
    ((_, tags, _), fields) = next(
        (key, fields) for key, fields in sink.points.items() if key[0] == "inference_light"
    )
    assert dict(tags) == {
        "experiment": "one",
        "phase": call.route.phase,
        "variant": "treatment",
        "served": "treatment",
        "task_type": "asr",
        "language": "en-US",
    }
    assert fields == {
        "m_word_accuracy_n": 2,
        "m_word_accuracy_sum": 1.5,
        "m_word_accuracy_sumsq": 1.25,
    }


def test_a_bad_token_is_refused_and_counted(bench: Bench) -> None:
    """Never raised at the service that passed it on."""
    experiments = bench.experiments(token_key=KEY)
    assert not experiments.credit("forged", word_accuracy=1.0)
    foreign = TokenSigner(SecretStr("another"), 60).sign(CREDITED)
    assert not experiments.credit(foreign, word_accuracy=1.0)
    old = TokenSigner(KEY, 60, lambda: 0.0).sign(CREDITED)
    assert not experiments.credit(old, word_accuracy=1.0)
    counts = experiments.counts()
    assert (counts["forged_token"], counts["expired_token"]) == (2, 1)
    assert not [name for name, _ in bench.events if name == "credit"]


def test_without_an_experiment_or_a_key_there_is_no_token(bench: Bench) -> None:
    """An empty text, which `credit` refuses."""
    with bench.experiments().infer("asr", **ASKED) as call:
        assert call.token == ""
    experiments = bench.experiments(token_key=KEY)
    with experiments.infer("nmt", **ASKED) as call:
        assert call.token == ""
    assert not experiments.credit("", word_accuracy=1.0)

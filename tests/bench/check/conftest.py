"""The user's process played by this one, which spares its start; `test_user_process.py` has real ones as well."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from backprop.bench.check import child, process


class ChildHere:
    """Answers with the functions of the child; questions and answers are JSON and bytes, as on the pipes."""

    def __init__(self, module, **options):
        self._user, self._answers, self._heard = child._User(), [], io.StringIO()

    def pin(self, cores):
        return True

    def end(self):
        self._answers.clear()

    @property
    def printed(self):
        return self._heard.getvalue()

    def send(self, question, parts=()):
        question = json.loads(json.dumps(question))
        with contextlib.redirect_stdout(self._heard), contextlib.redirect_stderr(self._heard):
            answer, sent = child._answer(self._user, question, b"".join(parts))
        data = bytearray(b"".join(sent))
        self._answers.append((json.loads(json.dumps({**answer, "bytes": len(data)})), data))

    def receive(self, timeout_s, most_bytes):
        answer, self._data = self._answers.pop(0)
        return answer

    def receive_bytes(self, count, timeout_s):
        assert len(self._data) == count
        return self._data


@pytest.fixture
def here(monkeypatch):
    """The user's code runs in this process: for what it returns, raises or prints, not for what it does to one."""
    monkeypatch.setattr(process, "ChildProcess", ChildHere)
    monkeypatch.setattr(child, "dup2", lambda *_: None)  # which would silence this process
    monkeypatch.setattr(child, "open_file", lambda *_: None)
    paths, modules = [*sys.path], set(sys.modules)
    monkeypatch.setattr(sys, "path", [*paths])
    yield
    folders = set(sys.path) - set(paths)
    for name in set(sys.modules) - modules:
        if str(Path(getattr(sys.modules[name], "__file__", None) or ".").parent) in folders:
            del sys.modules[name]


@pytest.fixture
def without_costs(monkeypatch):
    """No time and memory of calls are measured: a fifth of a second each, for tests about verdicts."""
    monkeypatch.setattr(process.UserProcess, "costs", lambda *_, **__: [])

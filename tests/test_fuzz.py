"""Files changed by chance: a few for each reader, or KITRO_FUZZ_SECONDS for each: 190 are an hour."""

import os
import tracemalloc

import pytest
from fuzz.drive import corpus, run
from fuzz.readers import READERS

SECONDS = os.environ.get("KITRO_FUZZ_SECONDS")

EXECUTIONS = 25
"""Of each reader, unless seconds are given."""


@pytest.mark.fuzz
@pytest.mark.parametrize("reader", READERS)
def test_changed_files_are_read_or_refused(tmp_path, reader):
    assert corpus(reader)
    how = {"executions": EXECUTIONS} if SECONDS is None else {"seconds": float(SECONDS)}
    tracemalloc.start()
    try:
        _, _, failures = run(reader, tmp_path, **how)
    finally:
        tracemalloc.stop()
    assert not failures, "; ".join(sorted({str(failure) for _, failure in failures}))


def test_the_corpus_is_small():
    assert sum(len(data) for reader in READERS for data in corpus(reader)) < 300_000

"""The store, which is the program's."""

import pytest

import spkver


def test_a_store_keeps_voiceprints(verifier, voice, contrary, tmp_path):
    path = tmp_path / "voiceprints.sqlite"
    with spkver.Store(path) as store:
        assert store.list() == [] and "Anna" not in store and store.path == path
        anna = store.add(verifier.enroll("Anna", voice("anna-1")), verifier)
        assert len(anna) == 1
        # The same recording twice would count twice.
        both = verifier.enroll("Anna", [voice("anna-1"), voice("anna-2")])
        assert store.add(both, verifier).recordings == ["anna-1.wav", "anna-2.wav"]
        with pytest.raises(spkver.Error, match="does not sound like the other recordings"):
            store.add(verifier.enroll("Anna", contrary), verifier)
        store.add(verifier.enroll("Boris", voice("boris-1")), verifier)
    with pytest.raises(spkver.UsageError, match="closed"):
        store.list()
    with spkver.Store(path, read_only=True) as store:
        speakers = store.list()
        assert [s["name"] for s in speakers] == ["Anna", "Boris"]
        assert speakers[0]["num_utterances"] == 2 and speakers[0]["model"] == store.get("Anna").model
        own = verifier.verify(store.get("Anna"), voice("anna-3"))
        answer = store.verify("Anna", voice("anna-3"), verifier)
        assert answer.accepted and answer.llr == own.llr
        assert store.verify("Boris", voice("anna-3"), verifier, threshold=0).decision == "reject"
        assert store.verify("Boris", voice("silence"), verifier).decision == "inconclusive"
    with spkver.Store(path) as store:
        store.remove("Anna")
        assert "Anna" not in store
        for work in [lambda: store.get("Anna"), lambda: store.remove("Anna")]:
            with pytest.raises(LookupError) as error:
                work()
            assert error.value.code == "unknown_speaker"


def test_an_encrypted_store_needs_its_secret(verifier, voice, tmp_path):
    path, key = tmp_path / "sealed.sqlite", tmp_path / "key"
    key.write_text("0123456789abcdef" * 4)
    with spkver.Store(path, key_file=key) as store:
        store.add(verifier.enroll("Anna", voice("anna-1")), verifier)
    for wrong in [{}, {"passphrase": "words"}]:
        with pytest.raises(spkver.Error) as error:
            spkver.Store(path, **wrong)
        assert error.value.code == "store"
    with pytest.raises(spkver.UsageError):
        spkver.Store(path, passphrase="words", key_file=key)
    assert "Anna" in spkver.Store(path, key_file=key)


def test_a_store_that_is_only_read_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        spkver.Store(tmp_path / "none.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []

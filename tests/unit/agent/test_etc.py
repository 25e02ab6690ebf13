"""What sandboxes show of /etc."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.agent.etc import ETC, FRESH_S, Etc


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A machine's /etc, as far as that matters."""
    etc = tmp_path / "machine"
    (etc / "ssl" / "certs").mkdir(parents=True)
    (etc / "ssl" / "private").mkdir()
    (etc / "ssl" / "certs" / "one.pem").write_text("certificate")
    (etc / "ssl" / "certs" / "hash").symlink_to("one.pem")
    (etc / "ssl" / "private" / "key").write_text("secret")
    (etc / "shadow").write_text("secret")
    (etc / "zone").write_text("UTC")
    (etc / "localtime").symlink_to("zone")
    (etc / "hosts").write_text("127.0.0.1 here")
    return etc


def _texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_what_programs_need_is_there(source: Path, tmp_path: Path) -> None:
    """A link of the list is what it leads to, one in a folder stays one; users are our own."""
    Etc(tmp_path / "etc", source=source).renew()
    found = _texts(tmp_path / "etc")
    assert "build:x:1000:1000:build:/home/build:" in found.pop("passwd")
    assert "build:x:1000:" in found.pop("group")
    assert found == {
        "hosts": "127.0.0.1 here",
        "localtime": "UTC",
        "ssl/certs/hash": "certificate",
        "ssl/certs/one.pem": "certificate",
    }
    assert (tmp_path / "etc" / "ssl" / "certs" / "hash").is_symlink()
    assert not (tmp_path / "etc" / "localtime").is_symlink()


def test_a_change_is_seen_after_a_while(source: Path, tmp_path: Path) -> None:
    """What is new, another one, or gone; in the same folder, where builds may run with it."""
    clock = [0.0]
    etc = Etc(tmp_path / "etc", source=source, now=lambda: clock[0])
    etc.renew()
    (source / "hosts").write_text("127.0.0.1 there")
    (source / "services").write_text("ssh 22")
    (source / "ssl" / "certs" / "hash").unlink()
    etc.renew()
    assert _texts(tmp_path / "etc")["hosts"] == "127.0.0.1 here"
    clock[0] = FRESH_S
    etc.renew()
    found = _texts(tmp_path / "etc")
    assert (found["hosts"], found["services"]) == ("127.0.0.1 there", "ssh 22")
    assert "ssl/certs/hash" not in found


def test_what_an_earlier_life_left_is_put_right(source: Path, tmp_path: Path) -> None:
    """Also where a file is a folder by now, and the other way round."""
    folder = tmp_path / "etc"
    (folder / "hosts" / "deep").mkdir(parents=True)
    (folder / "gone" / "deep").mkdir(parents=True)
    (folder / "gone" / "deep" / "file").touch()
    (folder / "ssl").write_text("a file")
    Etc(folder, source=source).renew()
    assert set(_texts(folder)) == {
        *("group", "hosts", "localtime", "passwd", "ssl/certs/hash", "ssl/certs/one.pem")
    }


def test_what_else_is_let_in_has_a_place(source: Path, tmp_path: Path) -> None:
    """Nothing can be mounted where nothing is; what lies elsewhere is no business of this."""
    points = (ETC / "foo" / "bar.conf", Path("/srv/cache"), ETC / "hosts")
    Etc(tmp_path / "etc", points, source=source).renew()
    found = _texts(tmp_path / "etc")
    assert (found["foo/bar.conf"], found["hosts"]) == ("", "127.0.0.1 here")

"""Objects in S3, from a small server on this machine."""

import os
from collections.abc import Iterator
from itertools import islice

import pytest

from s3_server import S3Server, s3_server
from safelight.connectors import objects
from safelight.connectors.objects import PIECE_BYTES, FoundObject, ObjectStores, check_url
from safelight.errors import BadInput, CouldNotCheck, RemoteUnavailable
from safelight.sandbox.far import FarFile


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(objects, "_RETRIES", 2)
        yield server


@pytest.fixture
def stores() -> ObjectStores:
    return ObjectStores(in_memory=40 << 20)


def content(fd: int) -> bytes:
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def fetched(stores: ObjectStores, url: str) -> int:
    found = stores.open(url)
    assert isinstance(found, int)
    return found


def test_an_object_is_fetched_whole_piece_by_piece(server: S3Server, stores: ObjectStores) -> None:
    data = os.urandom(2 * PIECE_BYTES + 5)
    server.objects["pictures/a b/1.tar"] = data
    assert content(fetched(stores, "s3://pictures/a b/1.tar")) == data
    assert server.asked == [("HEAD", "pictures/a b/1.tar")] + [("GET", "pictures/a b/1.tar")] * 3
    server.objects["pictures/empty"] = b""
    assert content(fetched(stores, "s3://pictures/empty")) == b""


def test_listing_takes_every_page_and_keeps_the_order(
    server: S3Server, stores: ObjectStores
) -> None:
    for number in range(10):
        server.objects[f"pictures/set/{number:02}.jpg"] = b"x" * number
    server.objects["pictures/settee.jpg"] = b"another prefix"
    found = list(stores.list("s3://pictures/set"))
    assert [(one.url, one.size) for one in found] == [
        (f"s3://pictures/set/{number:02}.jpg", number) for number in range(10)
    ]
    assert len({one.tag for one in found}) == 10
    assert len(list(stores.list("s3://pictures"))) == 11


def test_a_listing_that_never_ends_is_stopped(
    server: S3Server, stores: ObjectStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_AT_A_TIME", 5)
    server.repeats = True
    server.objects = {f"pictures/{number}.jpg": b"x" for number in range(10)}
    with pytest.raises(RemoteUnavailable, match="twice"):
        list(islice(stores.list("s3://pictures"), 100))


@pytest.mark.parametrize("key", ["b/../c", "b//c"])
def test_a_listing_with_a_name_that_cannot_be_asked_for(
    server: S3Server, stores: ObjectStores, key: str
) -> None:
    server.objects = {f"pictures/{name}": b"x" for name in ("a/1.jpg", key, "d/1.jpg")}
    with pytest.raises(RemoteUnavailable, match="cannot be listed"):
        list(stores.list("s3://pictures"))
    assert [one.url for one in stores.list("s3://pictures/a")] == ["s3://pictures/a/1.jpg"]


def test_a_large_object_is_read_piece_by_piece(server: S3Server) -> None:
    data = os.urandom(2 * PIECE_BYTES + 5)
    server.objects["pictures/1.tar"] = data
    found = ObjectStores(in_memory=1000).open("s3://pictures/1.tar")
    assert isinstance(found, FarFile)
    assert found.size == len(data)
    assert found.stream().read() == data


def test_what_marks_a_folder_is_no_object(server: S3Server, stores: ObjectStores) -> None:
    for name in ("set/", "set/1.jpg", "set/empty", "set/empty.jpg", "set/last"):
        server.objects[f"pictures/{name}"] = b"x" if name == "set/1.jpg" else b""
    assert [one.url for one in stores.list("s3://pictures")] == [
        "s3://pictures/set/1.jpg",
        "s3://pictures/set/empty",
        "s3://pictures/set/empty.jpg",
        "s3://pictures/set/last",
    ]


def test_one_object_is_listed_alone(server: S3Server, stores: ObjectStores) -> None:
    server.objects["pictures/set/1.tar"] = b"x"
    (found,) = stores.list("s3://pictures/set/1.tar")
    assert found == FoundObject(url="s3://pictures/set/1.tar", size=1, tag=found.tag)


def test_nothing_there(server: S3Server, stores: ObjectStores) -> None:
    with pytest.raises(BadInput, match="there is nothing at s3://pictures/absent"):
        list(stores.list("s3://pictures/absent"))
    with pytest.raises(CouldNotCheck) as caught:
        fetched(stores, "s3://pictures/absent")
    assert caught.value.code == "not_there"


def test_a_store_that_stumbles_is_asked_again(server: S3Server, stores: ObjectStores) -> None:
    server.objects["pictures/1"] = b"one"
    server.fails = 2
    assert content(fetched(stores, "s3://pictures/1")) == b"one"


def test_an_object_that_is_refused(server: S3Server, stores: ObjectStores) -> None:
    server.objects["pictures/1"] = b"one"
    server.refused.add("pictures/1")
    with pytest.raises(CouldNotCheck) as caught:
        fetched(stores, "s3://pictures/1")
    assert caught.value.code == "remote_error"
    server.refused.add("pictures")
    with pytest.raises(RemoteUnavailable):
        list(stores.list("s3://pictures/set"))


def test_an_object_that_changes_while_it_is_fetched(server: S3Server, stores: ObjectStores) -> None:
    server.objects["pictures/1"] = b"one"
    meta = stores.look("s3://pictures/1")
    assert stores.piece("s3://pictures/1", meta, 0, 3) == b"one"
    server.objects["pictures/1"] = b"two"
    with pytest.raises(CouldNotCheck) as caught:
        stores.piece("s3://pictures/1", meta, 0, 3)
    assert caught.value.code == "remote_error"


def test_a_server_that_is_not_there(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(CouldNotCheck) as caught:
        ObjectStores(in_memory=1).open("s3://pictures/1")
    assert caught.value.code == "remote_error"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_plain_http_only_where_it_was_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "HTTP://pictures.example")
    with pytest.raises(BadInput, match="AWS_ALLOW_HTTP"):
        list(ObjectStores(in_memory=1).list("s3://pictures"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://pictures/../1",
        "s3://pictures/a//1",
        "s3://pictures/\x01",
        "s3://pictures/a\nb",
        "s3://two words/1",
        "s3://user@host/1",
        "s3://host:80/1",
        "s3:///1",
        "s3://pict%20ures/1",
    ],
)
def test_names_that_cannot_be_asked_for(server: S3Server, stores: ObjectStores, url: str) -> None:
    with pytest.raises(CouldNotCheck) as caught:
        stores.open(url)
    assert caught.value.code == "bad_object_name"
    assert server.asked == []


def test_odd_names_are_asked_for_as_they_are(server: S3Server, stores: ObjectStores) -> None:
    for name in ("pictures/%2e%2e/1", "pictures/é x?y=1&z#f", "Old_Bucket/'\"<>"):
        server.objects[name] = name.encode()
        assert content(fetched(stores, f"s3://{name}")) == name.encode()


@pytest.mark.parametrize("url", ["s3://", "s3:///key", "s3://a b", "s3://a@b"])
def test_a_url_names_a_bucket(url: str) -> None:
    with pytest.raises(BadInput, match="names no bucket"):
        check_url(url)

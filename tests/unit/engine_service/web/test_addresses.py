"""The guard's reading of URLs and addresses, apart from any connection."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from engine_service.sdk.node import NodeError
from engine_service.web.addresses import AllowList, Guard, is_public, read_target


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a?b#c", "https://example.com/a?b"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://bücher.example./ä", "https://xn--bcher-kva.example/ä"),
        ("http://[2606:4700::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ("http://[2606:4700:0:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://0x08080808/", "http://8.8.8.8/"),
        ("http://8.8.2056/", "http://8.8.8.8/"),
        ("http://010.8.8.8/", "http://8.8.8.8/"),
        (" https://a_b.example/x y ", "https://a_b.example/x y"),
    ],
)
def test_a_url_has_one_spelling(url: str, canonical: str) -> None:
    assert read_target(url).url == canonical


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "javascript:alert(1)", "//example.com/", "example.com", "http://",
        "http:///path", "http://user@example.com/", "http://user:pass@example.com/",
        "http://example.com:99999/", "http://example.com:x/", "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/", "http://exam\tple.com/", "http://example.com/\r\nX: y",
        "http://-a.example/", "http://a..example/", "http://1.2.3.4.5/", "http://256.256.256.256/",
        "http://[::1", "http://[::1%eth0]/", "http://%31.example/",
        "http://" + "a" * 64 + ".example/", "http://xn--a.example\u2100/",
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(NodeError) as caught:
        read_target(url)
    assert caught.value.failure.code == "address_refused"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("1.1.1.1", True),
        ("172.15.255.255", True),
        ("172.16.0.1", False),
        ("100.63.255.255", True),
        ("100.64.0.1", False),
        ("127.255.255.254", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.255.255.255", False),
        ("255.255.255.255", False),
        ("2606:4700::1111", True),
        ("::", False),
        ("::1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2002:808:808::", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2606:4700::5efe:10.0.0.1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_only_what_the_internet_reaches_is_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


async def inner(_: str, __: int) -> Sequence[str]:
    return ["10.1.2.3"]


@pytest.mark.parametrize("host", ["db", "db.internal", "printer.local", "a.localhost", "x.lan"])
async def test_names_of_inner_hosts_are_refused_before_they_are_resolved(host: str) -> None:
    async def never(_: str, __: int) -> Sequence[str]:
        raise AssertionError("resolved")

    with pytest.raises(NodeError, match="inner"):
        await Guard(AllowList(), never).addresses_of(host, 80)


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("db:5432", True),
        ("db", True),
        ("db:80", False),
        ("10.1.2.0/24", False),
        ("10.1.2.3:5432", False),
    ],
)
async def test_the_operator_may_allow_a_name(entry: str, allowed: bool) -> None:
    guard = Guard(AllowList.parse([entry]), inner)
    if allowed:
        assert await guard.addresses_of("db", 5432) == ["10.1.2.3"]
    else:
        with pytest.raises(NodeError):
            await guard.addresses_of("db", 5432)


async def test_the_operator_may_allow_a_network() -> None:
    guard = Guard(AllowList.parse(["10.1.0.0/16"]), inner)
    assert await guard.addresses_of("name.example", 80) == ["10.1.2.3"]
    assert await guard.addresses_of("10.1.9.9", 80) == ["10.1.9.9"]
    with pytest.raises(NodeError):
        await guard.addresses_of("10.2.0.1", 80)

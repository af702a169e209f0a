"""What every type of credential must do. Types come from the list: a new one is tested at once."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from engine_service.catalogue import builtin
from engine_service.credentials import BY_TYPE, CREDENTIALS
from engine_service.sdk.credential import CredentialType, OAuth2Type, SecretType
from engine_service.sdk.node import HttpRequest
from engine_service.vault.drafts import draft
from engine_service.web.addresses import read_target
from engine_service.web.binding import Binding

KINDS = [BY_TYPE[kind.type] for kind in CREDENTIALS]
SECRET = "s3cret/+&=value"
REQUEST = HttpRequest("GET", "https://api.example.com/bot/path?a=b", {"Accept": "*/*"})


def each_kind(test: Any) -> Any:
    return pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)(test)


def filled(kind: CredentialType[Any]) -> dict[str, Any]:
    """Fields that will do: every secret is SECRET, what else is needed is an address or a word."""
    secrets = dict.fromkeys(kind.secret_names(), SECRET)
    needed = {name for name, field in kind.Fields.model_fields.items() if field.is_required()}
    others = {
        name: "https://auth.example.com/x" if name.endswith("_url") else "word"
        for name in needed - secrets.keys()
    }
    return {**others, **secrets}


@each_kind
def test_it_says_what_it_is(kind: CredentialType[Any]) -> None:
    family, _, name = kind.type.partition(".")
    assert family
    assert name
    assert kind.title[0].isupper()
    assert (inspect.getdoc(type(kind)) or "").partition("\n")[0].endswith(".")
    module = inspect.getmodule(type(kind))
    assert module is not None
    assert (module.__doc__ or "").startswith(f"`{kind.type}`")


@each_kind
def test_its_schema_is_valid_and_describes_every_field(kind: CredentialType[Any]) -> None:
    schema = kind.Fields.model_json_schema()
    Draft202012Validator.check_schema(schema)
    assert all(field.get("description") for field in schema["properties"].values())
    assert kind.secret_names(), "a credential without a secret is none"


@each_kind
def test_it_refuses_what_it_does_not_know_and_does_not_repeat_it(
    kind: CredentialType[Any],
) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.Fields.model_validate({**filled(kind), "no_such_field": SECRET})
    assert SECRET not in str(caught.value)


@each_kind
def test_it_shows_no_secret_when_printed(kind: CredentialType[Any]) -> None:
    assert SECRET not in repr(kind.Fields.model_validate(filled(kind)))


@each_kind
def test_it_is_split_into_what_is_shown_and_what_is_not(kind: CredentialType[Any]) -> None:
    made = draft(kind, filled(kind), ["api.example.com"])
    assert set(made.secrets) == kind.secret_names()
    assert SECRET not in str(made.data)


@each_kind
def test_its_own_hosts_are_hosts_and_hold_its_probe(kind: CredentialType[Any]) -> None:
    fields = kind.Fields.model_validate(filled(kind))
    binding = Binding.parse(kind.hosts_of(fields))
    probe = kind.probe(fields)
    if probe is not None:
        target = read_target(probe.url)
        assert binding.covers(target.scheme, target.host, target.port)
        assert target.scheme == "https"


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if isinstance(kind, SecretType)], ids=lambda kind: kind.type
)
def test_a_signed_request_goes_where_it_went_and_hides(kind: SecretType[Any]) -> None:
    fields = kind.Fields.model_validate(filled(kind))
    signed = kind.apply(fields, REQUEST)
    assert signed != REQUEST
    assert read_target(signed.url).origin == read_target(REQUEST.url).origin
    assert (signed.method, signed.body) == (REQUEST.method, REQUEST.body)
    sent = f"{signed.url} {dict(signed.headers)}"
    for form in sorted([SECRET, *kind.forms(fields)], key=len, reverse=True):
        sent = sent.replace(form, "")
    assert "s3cret" not in sent
    again = kind.apply(fields, replace(signed, url=REQUEST.url))
    assert again == signed, "signing twice is signing once"


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if isinstance(kind, OAuth2Type)], ids=lambda kind: kind.type
)
def test_an_account_says_how_tokens_are_got(kind: OAuth2Type[Any]) -> None:
    terms = kind.terms(kind.Fields.model_validate(filled(kind)))
    assert terms.token_url.startswith("https://")
    assert bool(terms.authorize_url) == (terms.grant == "authorization_code") == kind.connectable
    assert SECRET not in repr(terms)


def test_node_types_name_types_that_there_are() -> None:
    for node_type in builtin():
        assert set(node_type.credential_types) <= set(BY_TYPE), node_type.type
        assert node_type.credential_types or not node_type.needs_credential


@pytest.mark.parametrize(
    ("entry", "covered", "not_covered"),
    [
        (
            "api.example.com",
            ["https://api.example.com", "https://API.example.com.:443/x"],
            [
                "http://api.example.com",
                "https://api.example.com:8443",
                "https://x.api.example.com",
                "https://api.example.com.evil.com",
                "https://evilapi.example.com",
            ],
        ),
        (
            "*.example.com",
            ["https://a.example.com", "https://a.b.example.com"],
            ["https://example.com", "https://badexample.com", "http://a.example.com"],
        ),
        ("http://10.0.0.1:8080", ["http://10.0.0.1:8080/x"], ["https://10.0.0.1:8080"]),
        ("[2001:db8::1]:444", ["https://[2001:DB8::1]:444"], ["https://[2001:db8::1]"]),
        ("bücher.example", ["https://xn--bcher-kva.example"], ["https://bucher.example"]),
    ],
)
def test_a_host_stands_for_itself_only(
    entry: str, covered: list[str], not_covered: list[str]
) -> None:
    binding = Binding.parse([entry])
    for url, expected in [(url, True) for url in covered] + [(url, False) for url in not_covered]:
        target = read_target(url)
        assert binding.covers(target.scheme, target.host, target.port) is expected, url


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "*.com", "*.10.0.0.1", "a b", "a/b", "a?b", "ftp://a.b", "u@a.b", "a:99999"],
)
def test_what_stands_for_too_much_is_no_host(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|too much|says more|neither http"):
        Binding.parse([entry])

"""Accounts, logins, refresh tokens and signing keys of the built-in issuer.

An **account** is a person with a password. Each time the person signs in a **login** begins, which
ends when they sign out, when it is not used for long, or when one of its **refresh tokens** is seen
twice; deleting its row ends it with all its tokens. A **signing key** signs access tokens; its
private half is sealed with the mesh secret.

Only `flowloom_issuer` may touch these tables, and it is nobody else's role: neither a request of a
tenant nor the engine's loop can read a password hash, whatever the code says. Row-level security is
forced, so the owner of the tables sees nothing either; the issuer itself must find people of every
tenant by their address.
"""

from alembic import op

revision = "0001_issuer"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE gateway.accounts (
  id               uuid        PRIMARY KEY,
  email            text        NOT NULL UNIQUE CHECK (email = lower(email)),
  password_hash    text        NOT NULL,
  app_metadata     jsonb       NOT NULL DEFAULT '{}',  -- an administrator's, such as tenant_id
  user_metadata    jsonb       NOT NULL DEFAULT '{}',
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  last_sign_in_at  timestamptz
);

CREATE TABLE gateway.logins (
  id          uuid        PRIMARY KEY,
  account_id  uuid        NOT NULL REFERENCES gateway.accounts ON DELETE CASCADE,
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL
);
CREATE INDEX logins_of_account ON gateway.logins (account_id);

CREATE TABLE gateway.refresh_tokens (
  digest      bytea       PRIMARY KEY,  -- SHA-256 of the token
  login_id    uuid        NOT NULL REFERENCES gateway.logins ON DELETE CASCADE,
  created_at  timestamptz NOT NULL,
  used_at     timestamptz
);
CREATE INDEX refresh_tokens_of_login ON gateway.refresh_tokens (login_id);

CREATE TABLE gateway.signing_keys (
  kid          text        PRIMARY KEY,
  private_pem  text        NOT NULL,
  public_jwk   jsonb       NOT NULL,
  created_at   timestamptz NOT NULL
);
"""

_RIGHTS = """
GRANT USAGE ON SCHEMA gateway TO flowloom_issuer;
GRANT SELECT, INSERT, UPDATE, DELETE ON
  gateway.accounts, gateway.logins, gateway.refresh_tokens TO flowloom_issuer;
GRANT SELECT, INSERT ON gateway.signing_keys TO flowloom_issuer;
"""

_NAMES = ("accounts", "logins", "refresh_tokens", "signing_keys")


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RIGHTS)
    for name in _NAMES:
        op.execute(f"ALTER TABLE gateway.{name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE gateway.{name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY issuer ON gateway.{name} TO flowloom_issuer "
            "USING (true) WITH CHECK (true)"
        )


def downgrade() -> None:
    for name in reversed(_NAMES):
        op.execute(f"DROP TABLE gateway.{name}")
